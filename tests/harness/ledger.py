"""What a client may count on: a recorder of all that the server acknowledged, and of what was still on its way when it died.

An `Owner` is one client with mailboxes and messages of its own. It sends commands in order and the server carries them out in order,
so its mail is always in one of the states of a list: the one after the last acknowledged command, the one after the next, and so on.
A found state that is none of them means that something acknowledged was lost, or that a command was carried out in part. An `Account`
keeps what holds for all its clients: which UID is which message for ever, which UIDVALIDITY is which mailbox, how high the counters
were told.
"""

import hashlib


def message(marker, size):
    """The bytes of the message of that name; the same whenever they are asked for."""
    head = b'From: crowd@example.org\r\nTo: crowd@example.org\r\nSubject: %s\r\nX-Mark: %s\r\n\r\n' % ((marker.encode(),) * 2)
    seed = hashlib.sha512(marker.encode()).hexdigest().encode()
    line = seed[:76] + b'\r\n'
    lines = max(1, (size - len(head)) // len(line))
    # Lines that differ, so that a lost or doubled piece is seen.
    return head + b''.join(b'%08x' % n + line[8:] for n in range(lines))


class Broken(AssertionError):
    """A promise that was not kept."""


def demand(is_kept, what, *args):
    if not is_kept:
        raise Broken(what % args if args else what)


class State:
    """Mailboxes and messages of one owner. boxes: name → key; messages: copy → (key, marker, flags); subscribed: names."""
    __slots__ = ('boxes', 'messages', 'subscribed')

    def __init__(self, boxes=None, messages=None, subscribed=frozenset()):
        self.boxes = boxes or {}
        self.messages = messages or {}
        self.subscribed = subscribed

    def copy(self):
        return State(dict(self.boxes), dict(self.messages), self.subscribed)


class Owner:
    """One client: the states that its mail may be in, first the one that is acknowledged."""

    def __init__(self, account, name):
        self.account, self.name = account, name
        self.states = [State({'INBOX': 0})]
        self.uid = {}           # copy → UID, once it is known
        self.validity = {}      # key of a mailbox → UIDVALIDITY
        self.next_key = 1
        self.next_copy = 1
        self.next_marker = 1

    def owns(self, box):
        return box.startswith(self.name)

    def key(self):
        self.next_key += 1
        return self.next_key - 1

    def copy(self):
        self.next_copy += 1
        return self.next_copy - 1

    def marker(self, size):
        self.next_marker += 1
        return '%s.%s.%d.%d' % (self.account.name, self.name, self.next_marker - 1, size)

    def latest(self):
        return self.states[-1]

    def plan(self, state):
        """A command was sent that leads to that state."""
        self.states.append(state)

    def acknowledge(self, state):
        """The server said so much that this state, or a later one, holds for ever."""
        for n, s in enumerate(self.states):
            if s is state:
                del self.states[:n]
                return

    def given(self, key, validity, copies, uids):
        """APPENDUID or COPYUID: these copies have these UIDs."""
        demand(len(copies) == len(uids), '%s: %d UIDs for %d messages', self.name, len(uids), len(copies))
        self.is_validity(key, validity)
        for copy, uid in zip(copies, uids):
            self.uid[copy] = uid

    def is_validity(self, key, validity):
        demand(self.validity.setdefault(key, validity) == validity, '%s %s: UIDVALIDITY %d became %d', self.account.name,
               self.name, self.validity[key], validity)

    def difference(self, state, boxes, subscribed):
        """Why what was found is not that state; None when it is. boxes: name → (validity, {uid: (marker, flags)})."""
        if set(boxes) != set(state.boxes):
            return 'mailboxes %s, not %s' % (sorted(boxes), sorted(state.boxes))
        if subscribed != state.subscribed:
            return 'subscribed %s, not %s' % (sorted(subscribed), sorted(state.subscribed))
        expected = {key: ({}, []) for key in state.boxes.values()}
        for copy, (key, marker, flags) in state.messages.items():
            uid = self.uid.get(copy)
            if uid is None:
                expected[key][1].append((marker, sorted(flags)))
            else:
                expected[key][0][uid] = (marker, flags)
        for name, key in state.boxes.items():
            validity, found = boxes[name]
            if self.validity.get(key, validity) != validity:
                return '%s: UIDVALIDITY %d, not %d' % (name, validity, self.validity[key])
            known, unknown = expected[key]
            for uid, what in known.items():
                if found.get(uid) != what:
                    return '%s: UID %d is %s, not %s' % (name, uid, found.get(uid), what)
            rest = sorted((m, sorted(f)) for uid, (m, f) in found.items() if uid not in known)
            if rest != sorted(unknown):
                return '%s: also has %s, not %s' % (name, rest, sorted(unknown))
        return None

    def settle(self, boxes, subscribed):
        """After a crash: which of the states is it? Takes that as the truth from now on."""
        why = [self.difference(s, boxes, subscribed) for s in self.states]
        demand(None in why, '%s %s: none of the %d states that may be:\n  %s', self.account.name, self.name, len(why),
               '\n  '.join(str(w) for w in why))
        self.take(self.states[len(why) - 1 - why[::-1].index(None)], boxes)

    def take(self, state, boxes):
        keys = {}
        for name, key in state.boxes.items():
            self.validity[key] = boxes[name][0]
            keys[key] = name
        known = {copy: self.uid[copy] for copy in state.messages if copy in self.uid}
        free = {}
        for name, key in state.boxes.items():
            taken = {known[c] for c, m in state.messages.items() if m[0] == key and c in known}
            for uid, (marker, flags) in boxes[name][1].items():
                if uid not in taken:
                    free.setdefault((key, marker, flags), []).append(uid)
        for copy, what in state.messages.items():
            if copy not in known:
                known[copy] = free[what].pop()
        self.uid = known
        self.states = [state]


class Account:
    """What all clients of an account were told, and may rely on for ever."""

    def __init__(self, name):
        self.name = name
        self.uids = {}          # (validity, uid) → marker
        self.mailbox_of = {}    # validity → MAILBOXID
        self.validity_of = {}   # MAILBOXID → validity
        self.uidnext = {}       # validity → the highest that was told
        self.modseq = {}        # validity → the highest HIGHESTMODSEQ or MODSEQ that was told
        self.flags = {}         # (validity, uid) → (modseq, flags), the latest that was told
        self.gone = set()       # (validity, uid): told to have vanished
        self.email_id = {}      # marker → EMAILID
        self.delivered = {}     # marker → True: acknowledged; False: may be there
        self.sound = set()      # (validity, uid) whose bytes were compared since the last look at all of them
        self.owners = []

    def is_message(self, validity, uid, marker):
        demand(self.uids.setdefault((validity, uid), marker) == marker, '%s: UID %d of %d was given again: %s, then %s', self.name, uid,
               validity, self.uids.get((validity, uid)), marker)
        self.told_uidnext(validity, uid + 1)

    def is_mailbox(self, mailbox, validity):
        demand(self.mailbox_of.setdefault(validity, mailbox) == mailbox, '%s: UIDVALIDITY %d is of two mailboxes', self.name, validity)
        demand(self.validity_of.setdefault(mailbox, validity) == validity, '%s: UIDVALIDITY of %s changed', self.name, mailbox)

    def told_uidnext(self, validity, uidnext):
        self.uidnext[validity] = max(uidnext, self.uidnext.get(validity, 0))

    def told_modseq(self, validity, modseq):
        self.modseq[validity] = max(modseq, self.modseq.get(validity, 0))

    def told_flags(self, validity, uid, modseq, flags):
        told, then = self.flags.get((validity, uid), (0, None))
        if modseq >= told:
            # STORE .SILENT tells the modseq only.
            self.flags[validity, uid] = modseq, then if flags is None and modseq == told else flags
        self.told_modseq(validity, modseq)

    def told_gone(self, validity, uids):
        self.gone.update((validity, uid) for uid in uids)

    def check_counters(self, validity, uidnext, modseq):
        """What STATUS says after the crash."""
        demand(uidnext >= self.uidnext.get(validity, 0), '%s: UIDNEXT of %d fell from %d to %d', self.name, validity,
               self.uidnext.get(validity), uidnext)
        demand(modseq >= self.modseq.get(validity, 0), '%s: HIGHESTMODSEQ of %d fell from %d to %d', self.name, validity,
               self.modseq.get(validity), modseq)
        self.told_uidnext(validity, uidnext)
        self.told_modseq(validity, modseq)

    def check_message(self, validity, uid, modseq, flags):
        """What FETCH says after the crash."""
        demand((validity, uid) not in self.gone, '%s: UID %d of %d had vanished and is back', self.name, uid, validity)
        told, then = self.flags.get((validity, uid), (0, None))
        demand(modseq >= told, '%s: MODSEQ of UID %d of %d fell from %d to %d', self.name, uid, validity, told, modseq)
        demand(modseq > told or then in (None, flags), '%s: flags of UID %d of %d were %s with modseq %d and are %s', self.name, uid,
               validity, then, told, flags)
        self.told_flags(validity, uid, modseq, flags)
