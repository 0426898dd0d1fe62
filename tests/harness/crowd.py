"""Twenty people with two devices each, and a transfer agent: a load of all commands that change something, recorded in ledgers.

    crowd = Crowd(server, seed)
    await crowd.settle()                # makes mailboxes, takes what is there as the truth
    load = crowd.begin()                # all at work
    ...                                 # kill something
    await crowd.end(load)               # everybody has noticed
    await crowd.settle()                # everything acknowledged is there; raises ledger.Broken
"""

import asyncio
import random
import re

from .ledger import Account, Owner, demand, message

LITERAL = re.compile(rb'\{(\d+)\}\r\n\Z')
FLAGS = ('\\Seen', '\\Answered', '\\Flagged', '\\Draft', 'k1', 'k2', '$Forwarded')
SIZES = (200, 300, 400, 700, 1000, 2000, 4000, 8000, 20000, 90000)
LONG = (300000, 700000)
DATE = '17-Jul-1996 02:44:25 -0700'
SUBSCRIBABLE = 3


class Gone(Exception):
    """The server is not there any more, which is what these tests are about."""


def numbers(text):
    out = []
    for part in text.split(b','):
        a, _, b = part.partition(b':')
        out += range(int(a), int(b or a) + 1)
    return out


def flags_of(text):
    return frozenset(f.lower() for f in text.decode().split() if f.lower() != '\\recent')


class Wire:
    """A connection: commands are sent in bundles, answers read in order."""

    writer = None

    async def open(self, address):
        try:
            self.reader, self.writer = await asyncio.open_connection(*address, limit=1 << 20)
            self.count = 0
            self.answered = b''
            self.greeting = await self.response()
        except OSError:
            raise Gone('the connection ended') from None
        return self

    def close(self):
        if self.writer is not None:
            self.writer.close()

    def send(self, data):
        self.writer.write(data)

    def command(self, text, data=b''):
        """A command whose last argument, or whose rest, may be bytes; returns its tag."""
        self.count += 1
        tag = b'%d' % self.count
        self.send(tag + b' ' + text.encode() + data + b'\r\n')
        return tag

    async def response(self):
        """A response with its literals: the pieces of text between them, and the literals."""
        texts, literals = [], []
        try:
            while True:
                line = await self.reader.readuntil(b'\n')
                m = LITERAL.search(line) if line.endswith(b'}\r\n') else None
                texts.append(line)
                if m is None:
                    return b''.join(texts), literals
                literals.append(await self.reader.readexactly(int(m.group(1))))
        except (asyncio.IncompleteReadError, OSError):
            raise Gone('the connection ended') from None

    async def answers(self, tag, each=None):
        """Reads up to the tagged answer, which must be OK; returns the untagged responses and the answer's text."""
        untagged = []
        while True:
            text, literals = await self.response()
            if text.startswith(b'* BYE') or text.startswith(tag + b' NO [UNAVAILABLE]'):
                raise Gone(text)
            if text.startswith(b'* '):
                untagged.append((text, literals))
                if each is not None:
                    each(text)
                continue
            demand(text.startswith(tag + b' OK'), 'after %s: %s', tag, text[:300])
            return untagged, text

    async def login(self, user, password):
        await self.answers(self.command('LOGIN %s %s' % (user, password)))
        await self.answers(self.command('ENABLE QRESYNC'))


class Step:
    """One command that changes something: how it is sent, what state it leads to, what its answer tells."""

    def __init__(self, text, data=b'', state=None, answer=None, evidence=None):
        self.text, self.data, self.state, self.answer, self.evidence = text, data, state, answer, evidence


class Device(Owner):
    """A client at work."""

    def __init__(self, account, name, seed):
        super().__init__(account, name)
        self.random = random.Random(seed)
        self.cache = None       # (validity, modseq, {uid: (modseq, flags)}) of INBOX, as it was when it last looked
        self.selected = None    # (name, key) as planned
        self.shown = None       # the validity of the mailbox that answers are of

    # What a client can do. Each returns the steps of one idea, planned on the state that the last step leads to.

    def fresh(self):
        return self.latest().copy()

    def pick(self, state, least=1):
        """A mailbox with messages whose UIDs are known, and some of these."""
        boxes = {}
        for copy, (key, _, _) in state.messages.items():
            if copy in self.uid:
                boxes.setdefault(key, []).append(copy)
        named = [(name, key) for name, key in state.boxes.items() if len(boxes.get(key, ())) >= least]
        if not named:
            return None
        name, key = self.random.choice(named)
        copies = sorted(self.random.sample(boxes[key], self.random.randint(1, min(4, len(boxes[key])))), key=self.uid.get)
        return name, key, copies

    def select(self, name, key):
        if self.selected == (name, key):
            return []
        self.selected = name, key
        return [Step('SELECT "%s"' % name, answer=lambda untagged, text: self.on_select(key, untagged))]

    def on_select(self, key, untagged):
        for text, _ in untagged:
            m = re.match(rb'\* OK \[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) (\d+)', text)
            if m is None:
                continue
            if m.group(1) == b'UIDVALIDITY':
                validity = self.shown = int(m.group(2))
                self.is_validity(key, validity)
            elif m.group(1) == b'UIDNEXT':
                self.account.told_uidnext(validity, int(m.group(2)))
            else:
                self.account.told_modseq(validity, int(m.group(2)))

    def set(self, copies):
        return ','.join(str(self.uid[c]) for c in copies)

    def do_append(self):
        state = self.fresh()
        name, key = self.random.choice(list(state.boxes.items()))
        copies, data = [], b''
        for _ in range(self.random.choice((1, 1, 1, 1, 3))):
            size = self.random.choice(SIZES if self.random.random() < 0.98 else LONG)
            marker, copy = self.marker(size), self.copy()
            flags = frozenset(self.random.sample(FLAGS, self.random.randint(0, 2)))
            body = message(marker, size)
            data += b' (%s) "%s" {%d+}\r\n%s' % (' '.join(flags).encode(), DATE.encode(), len(body), body)
            state.messages[copy] = key, marker, frozenset(f.lower() for f in flags)
            copies.append((copy, marker))

        def answer(untagged, text):
            m = re.search(rb'\[APPENDUID (\d+) ([\d:,]+)\]', text)
            self.named(key, int(m.group(1)), copies, numbers(m.group(2)))

        return [Step('APPEND "%s"' % name, data, state, answer)]

    def named(self, key, validity, copies, uids):
        self.given(key, validity, [c for c, _ in copies], uids)
        for (_, marker), uid in zip(copies, uids):
            self.account.is_message(validity, uid, marker)

    def do_store(self):
        state = self.fresh()
        found = self.pick(state)
        if found is None:
            return []
        name, key, copies = found
        flags = frozenset(self.random.sample(FLAGS, self.random.randint(1, 2)))
        low = frozenset(f.lower() for f in flags)
        how = self.random.choice('+-=')
        for c in copies:
            k, marker, old = state.messages[c]
            state.messages[c] = k, marker, old | low if how == '+' else old - low if how == '-' else low
        silent = self.random.choice(('', '.SILENT'))
        return self.select(name, key) + [Step('UID STORE %s %sFLAGS%s (%s)' % (self.set(copies), how.strip('='), silent, ' '.join(flags)),
                                              state=state)]

    def do_copy(self):
        state = self.fresh()
        found = self.pick(state)
        if found is None:
            return []
        name, key, copies = found
        to, to_key = self.random.choice(list(state.boxes.items()))
        made = []
        for c in copies:
            new = self.copy()
            _, marker, flags = state.messages[c]
            state.messages[new] = to_key, marker, flags
            made.append((new, marker))

        def answer(untagged, text):
            m = re.search(rb'\[COPYUID (\d+) [\d:,]+ ([\d:,]+)\]', text)
            self.named(to_key, int(m.group(1)), made, numbers(m.group(2)))

        return self.select(name, key) + [Step('UID COPY %s "%s"' % (self.set(copies), to), state=state, answer=answer)]

    def do_move(self):
        state = self.fresh()
        found = self.pick(state)
        if found is None:
            return []
        name, key, copies = found
        others = [(n, k) for n, k in state.boxes.items() if k != key]
        if not others:
            return []
        to, to_key = self.random.choice(others)
        made = []
        for c in copies:
            new = self.copy()
            _, marker, flags = state.messages.pop(c)
            state.messages[new] = to_key, marker, flags
            made.append((new, marker))

        def answer(untagged, text):
            for line, _ in untagged:
                m = re.match(rb'\* OK \[COPYUID (\d+) [\d:,]+ ([\d:,]+)\]', line)
                if m is not None:
                    self.named(to_key, int(m.group(1)), made, numbers(m.group(2)))

        return self.select(name, key) + [Step('UID MOVE %s "%s"' % (self.set(copies), to), state=state, answer=answer, evidence=b'COPYUID')]

    def do_expunge(self):
        """In mailboxes of its own by EXPUNGE, in the one that others use too by UID EXPUNGE."""
        marked = self.fresh()
        found = self.pick(marked)
        if found is None:
            return []
        name, key, copies = found
        for c in copies:
            k, marker, old = marked.messages[c]
            marked.messages[c] = k, marker, old | {'\\deleted'}
        gone = marked.copy()
        for c in copies:
            del gone.messages[c]
        # What an earlier crash left marked goes along.
        for c, (k, _, flags) in list(gone.messages.items()):
            if k == key and name != 'INBOX' and '\\deleted' in flags:
                del gone.messages[c]
        steps = self.select(name, key) + [Step('UID STORE %s +FLAGS.SILENT (\\Deleted)' % self.set(copies), state=marked)]
        expunge = 'UID EXPUNGE ' + self.set(copies) if name == 'INBOX' else 'EXPUNGE'
        return steps + [Step(expunge, state=gone, evidence=None if name == 'INBOX' else b'VANISHED')]

    def new_name(self, state):
        for _ in range(5):
            name = '%sbox%d' % (self.name, self.random.randrange(6))
            if not any(n == name or n.startswith(name + '/') for n in state.boxes):
                return name
        return None

    def do_create(self):
        state = self.fresh()
        name = self.new_name(state)
        if name is None or len(state.boxes) > 6:
            return []
        if self.random.random() < 0.2:
            parent = self.random.choice([n for n in state.boxes if n != 'INBOX' and '/' not in n and 'sub' not in n] or [None])
            if parent is None or parent + '/kid' in state.boxes:
                return []
            name = parent + '/kid'
        state.boxes[name] = self.key()
        return [Step('CREATE "%s"' % name, state=state)]

    def do_rename(self):
        state = self.fresh()
        old = [n for n in state.boxes if n != 'INBOX' and '/' not in n and 'sub' not in n]
        new = self.new_name(state)
        if not old or new is None:
            return []
        name = self.random.choice(old)
        for n in list(state.boxes):
            if n == name or n.startswith(name + '/'):
                key = state.boxes.pop(n)
                state.boxes[new + n[len(name):]] = key
                if self.selected == (n, key):
                    self.selected = None
        return [Step('RENAME "%s" "%s"' % (name, new), state=state)]

    def do_delete(self):
        state = self.fresh()
        leaves = [n for n in state.boxes if n != 'INBOX' and 'sub' not in n and n + '/kid' not in state.boxes]
        if not leaves:
            return []
        name = self.random.choice(leaves)
        key = state.boxes.pop(name)
        for c in [c for c, m in state.messages.items() if m[0] == key]:
            del state.messages[c]
        if self.selected == (name, key):
            self.selected = None
        return [Step('DELETE "%s"' % name, state=state)]

    def do_subscribe(self):
        state = self.fresh()
        name = self.random.choice([n for n in state.boxes if 'sub' in n])
        is_on = name in state.subscribed
        state.subscribed = state.subscribed - {name} if is_on else state.subscribed | {name}
        return [Step('%s "%s"' % ('UNSUBSCRIBE' if is_on else 'SUBSCRIBE', name), state=state)]

    def do_look(self):
        """Resynchronises its picture of INBOX."""
        if self.cache is None:
            return []
        self.selected = 'INBOX', 0
        return [Step('SELECT INBOX (QRESYNC (%d %d))' % self.cache[:2],
                     answer=lambda untagged, text: self.on_look(untagged))]

    def on_look(self, untagged):
        self.cache = resynchronise(self.cache, untagged)
        self.on_select(0, untagged)

    IDEAS = ((do_append, 30), (do_store, 20), (do_copy, 8), (do_move, 15), (do_expunge, 15), (do_create, 6), (do_rename, 5), (do_delete, 4),
             (do_subscribe, 5), (do_look, 6))

    def ideas(self):
        """Some steps that are sent at once."""
        steps = []
        weights = [w for _, w in self.IDEAS]
        if len(self.latest().messages) > 12:
            weights[0], weights[2], weights[4] = 5, 2, 60
        while not steps:
            for idea in self.random.choices([f for f, _ in self.IDEAS], weights, k=self.random.choice((1, 1, 2, 3))):
                for step in idea(self):
                    steps.append(step)
                    if step.state is not None:
                        self.plan(step.state)
        return steps

    def on_untagged(self, text):
        """What any response of the selected mailbox tells, whoever made the change: nothing of it may be taken back."""
        if self.shown is None:
            return
        m = re.match(rb'\* \d+ FETCH \((.*)\)\r\n', text)
        if m is not None:
            uid, modseq, flags = (re.search(p, text) for p in (rb'UID (\d+)', rb'MODSEQ \((\d+)\)', rb'FLAGS \(([^)]*)\)'))
            if uid and modseq:
                self.account.told_flags(self.shown, int(uid.group(1)), int(modseq.group(1)), flags and flags_of(flags.group(1)))
            return
        m = re.match(rb'\* VANISHED ([\d:,]+)\r\n', text)
        if m is not None:
            self.account.told_gone(self.shown, numbers(m.group(1)))

    async def work(self, crowd):
        wire = Wire()
        self.selected = self.shown = None
        try:
            await wire.open(crowd.server.imap)
            await wire.login(self.account.name, crowd.server.password)
            while not crowd.is_over:
                steps = self.ideas()
                tags = [wire.command(s.text, s.data) for s in steps]
                for tag, step in zip(tags, steps):
                    await self.step(wire, tag, step)
                    crowd.acknowledged += step.state is not None
        except Gone as e:
            demand(crowd.is_over, 'the server went away by itself: %s', e)
        finally:
            wire.close()

    async def step(self, wire, tag, step):
        if step.text.startswith('SELECT'):
            # Until it is answered we don't know which mailbox a response is of.
            self.shown = None

        def each(text):
            self.on_untagged(text)
            if step.evidence is not None and step.evidence in text:
                self.acknowledge(step.state)

        untagged, text = await wire.answers(tag, each)
        if step.answer is not None:
            step.answer(untagged, text)
        if step.state is not None:
            self.acknowledge(step.state)


def resynchronise(cache, untagged):
    """Applies what SELECT (QRESYNC) told to a picture; the new picture."""
    validity, modseq, known = cache
    known = dict(known)
    for text, _ in untagged:
        m = re.match(rb'\* VANISHED \(EARLIER\) ([\d:,]+)', text)
        if m is not None:
            for uid in numbers(m.group(1)):
                known.pop(uid, None)
            continue
        if re.match(rb'\* \d+ FETCH', text):
            uid, at = int(re.search(rb'UID (\d+)', text).group(1)), int(re.search(rb'MODSEQ \((\d+)\)', text).group(1))
            known[uid] = at, flags_of(re.search(rb'FLAGS \(([^)]*)\)', text).group(1))
            continue
        m = re.match(rb'\* OK \[(HIGHESTMODSEQ|UIDVALIDITY) (\d+)', text)
        if m is not None and m.group(1) == b'HIGHESTMODSEQ':
            modseq = int(m.group(2))
        elif m is not None:
            demand(int(m.group(2)) == validity, 'UIDVALIDITY of INBOX changed from %d', validity)
    return validity, modseq, known


class Agent:
    """A transfer agent that delivers to several people at once."""

    def __init__(self, number, accounts, seed):
        self.number, self.accounts = number, accounts
        self.random = random.Random(seed)
        self.count = 0

    async def work(self, crowd):
        wire = Wire()
        try:
            await wire.open(crowd.server.lmtp)
            await self.line(wire, 'LHLO crowd', b'250')
            while not crowd.is_over:
                await self.deliver(wire, crowd)
        except Gone as e:
            demand(crowd.is_over, 'the server went away by itself: %s', e)
        finally:
            wire.close()

    async def line(self, wire, text, code):
        if text is not None:
            wire.send(text.encode() + b'\r\n')
        while True:
            line, _ = await wire.response()
            if line.startswith(b'4'):
                raise Gone(line)
            demand(line.startswith(code), 'after %s: %s', text, line)
            if line[3:4] != b'-':
                return

    async def deliver(self, wire, crowd):
        people = self.random.sample(self.accounts, self.random.randint(1, 3))
        size = self.random.choice(SIZES if self.random.random() < 0.98 else LONG)
        self.count += 1
        marker = '%s.lmtp%d.%d.%d' % (people[0].name, self.number, self.count, size)
        await self.line(wire, 'MAIL FROM:<crowd@example.org>', b'250')
        for a in people:
            await self.line(wire, 'RCPT TO:<%s>' % a.name, b'250')
        await self.line(wire, 'DATA', b'354')
        for a in people:
            a.delivered[marker] = False
        wire.send(message(marker, size) + b'.\r\n')
        for a in people:
            await self.line(wire, None, b'250')
            a.delivered[marker] = True
            crowd.acknowledged += 1


class Crowd:
    def __init__(self, server, seed, people=20, agents=4):
        self.server = server
        self.random = random.Random(seed)
        self.acknowledged = 0           # commands and deliveries, over all rounds
        self.is_over = False            # the server was killed; who talks to the next one already stops
        self.looked_at = 0              # messages compared with what was sent
        self.in_flight = 0              # commands whose outcome nobody knew
        self.accounts = [Account('user%d' % n) for n in range(1, people + 1)]
        for a in self.accounts:
            a.owners = [Device(a, name, self.random.random()) for name in ('w1', 'w2')]
        self.agents = [Agent(n, self.accounts, self.random.random()) for n in range(agents)]

    def workers(self):
        return [d for a in self.accounts for d in a.owners] + self.agents

    async def prepare(self):
        """The mailboxes that are subscribed to and not, made once."""
        await asyncio.gather(*(self.prepare_account(a) for a in self.accounts))

    async def prepare_account(self, account):
        wire = await Wire().open(self.server.imap)
        await wire.login(account.name, self.server.password)
        for d in account.owners:
            state = d.latest()
            for n in range(SUBSCRIBABLE):
                name = '%ssub%d' % (d.name, n)
                state.boxes[name] = d.key()
                await wire.answers(wire.command('CREATE "%s"' % name))
        wire.close()

    def begin(self):
        """Sets everybody to work."""
        self.is_over = False
        return [asyncio.ensure_future(w.work(self)) for w in self.workers()]

    async def end(self, load):
        """Waits until everybody has noticed that the server was killed; is_over was set in the moment of that."""
        await asyncio.gather(*load)
        self.in_flight += sum(len(d.states) - 1 for a in self.accounts for d in a.owners)
        self.in_flight += sum(not known for a in self.accounts for known in a.delivered.values())

    async def settle(self, is_thorough=True):
        """Compares everything with the ledgers; with is_thorough also the bytes of messages that were compared before."""
        await asyncio.gather(*(self.settle_account(a, is_thorough) for a in self.accounts))

    async def settle_account(self, account, is_thorough):
        for _ in range(200):
            try:
                wire = await Wire().open(self.server.imap)
                await wire.login(account.name, self.server.password)
                break
            except Gone:
                await asyncio.sleep(0.02)
        else:
            raise AssertionError('the server is not back')
        boxes, subscribed = await self.list(wire, account)
        found = {}
        tags = []
        for name, (_, _, count) in boxes.items():
            if count > 0 or name == 'INBOX':
                tags.append((name, wire.command('EXAMINE "%s"' % name),
                             wire.command('UID FETCH 1:* (FLAGS MODSEQ INTERNALDATE EMAILID BODY.PEEK[HEADER.FIELDS (X-Mark)])')))
        for name, examine, fetch in tags:
            await wire.answers(examine)
            untagged, _ = await wire.answers(fetch)
            found[name] = self.messages(account, boxes[name][0], untagged)
            demand(len(found[name]) == boxes[name][2], '%s: %s has %d messages and STATUS says %d', account.name, name, len(found[name]),
                   boxes[name][2])
        await self.compare_bytes(wire, account, boxes, found, is_thorough)
        await self.compare_pictures(wire, account, boxes, found)
        await self.settle_deliveries(wire, account, found.get('INBOX', {}), boxes['INBOX'][0])
        for d in account.owners:
            mine = {}
            for name, (validity, _, _) in boxes.items():
                if name == 'INBOX' or d.owns(name):
                    mine[name] = validity, {uid: (m, f) for uid, (m, f, _) in found.get(name, {}).items() if m.split('.')[1] == d.name}
            d.settle(mine, frozenset(n for n in subscribed if d.owns(n)))
            inbox = found.get('INBOX', {})
            if d.cache is None or self.random.random() < 0.5:
                d.cache = boxes['INBOX'][0], boxes['INBOX'][1], {uid: (at, f) for uid, (_, f, at) in inbox.items()}
        wire.close()

    async def list(self, wire, account):
        """name → (validity, modseq, messages) of INBOX and the owners' mailboxes; and the names subscribed to."""
        tag = wire.command('LIST "" "*" RETURN (SUBSCRIBED STATUS (UIDNEXT UIDVALIDITY HIGHESTMODSEQ MESSAGES MAILBOXID))')
        boxes, subscribed = {}, set()
        for text, _ in (await wire.answers(tag))[0]:
            m = re.match(rb'\* LIST \(([^)]*)\) "/" "?([^"\r]+)"?\r\n', text)
            if m is not None:
                if b'\\subscribed' in m.group(1).lower():
                    subscribed.add(m.group(2).decode())
                continue
            m = re.match(rb'\* STATUS "?([^"( ]+)"? ', text)
            name = m.group(1).decode()
            value = {k: int(v) for k, v in re.findall(rb'(\w+) (\d+)', text)}
            account.is_mailbox(re.search(rb'MAILBOXID \((\w+)\)', text).group(1), value[b'UIDVALIDITY'])
            account.check_counters(value[b'UIDVALIDITY'], value[b'UIDNEXT'], value[b'HIGHESTMODSEQ'])
            if name == 'INBOX' or any(d.owns(name) for d in account.owners):
                boxes[name] = value[b'UIDVALIDITY'], value[b'HIGHESTMODSEQ'], value[b'MESSAGES']
        return boxes, subscribed

    def messages(self, account, validity, untagged):
        """uid → (marker, flags, modseq) from FETCH, each compared with what was told of it before."""
        out = {}
        for text, literals in untagged:
            m = re.match(rb'\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) MODSEQ \((\d+)\) INTERNALDATE "([^"]*)" EMAILID \(([^)]*)\)', text)
            demand(m is not None, 'not what was asked for: %s', text)
            uid, flags, modseq = int(m.group(1)), flags_of(m.group(2)), int(m.group(3))
            marker = literals[0].split(b':')[1].strip().decode()
            account.is_message(validity, uid, marker)
            account.check_message(validity, uid, modseq, flags)
            demand(account.email_id.setdefault(marker, m.group(5)) == m.group(5), '%s: EMAILID of %s changed', account.name, marker)
            demand('lmtp' in marker or m.group(4).decode() == DATE, '%s: INTERNALDATE of %s is %s', account.name, marker, m.group(4))
            out[uid] = marker, flags, modseq
        return out

    async def compare_bytes(self, wire, account, boxes, found, is_thorough):
        tags = []
        if is_thorough:
            account.sound.clear()
        for name, messages in found.items():
            validity = boxes[name][0]
            uids = [uid for uid in messages if (validity, uid) not in account.sound]
            if uids:
                tags.append((name, uids, wire.command('EXAMINE "%s"' % name),
                             wire.command('UID FETCH %s (BODY.PEEK[])' % ','.join(map(str, uids)))))
        for name, uids, examine, fetch in tags:
            await wire.answers(examine)
            count = 0
            for text, literals in (await wire.answers(fetch))[0]:
                m = re.match(rb'\* \d+ FETCH \(UID (\d+) ', text)
                if m is None:
                    continue
                uid = int(m.group(1))
                marker = found[name][uid][0]
                sent = message(marker, int(marker.rpartition('.')[2]))
                # What was delivered has trace fields before it.
                demand(literals[0] == sent or 'lmtp' in marker and literals[0].endswith(b'\r\n' + sent) and
                       literals[0].startswith(b'Return-Path:'), '%s: the bytes of %s changed', account.name, marker)
                account.sound.add((boxes[name][0], uid))
                count += 1
            demand(count == len(uids), '%s: %d of %d messages of %s came', account.name, count, len(uids), name)
            self.looked_at += count

    async def compare_pictures(self, wire, account, boxes, found):
        """A client that comes back with its picture of INBOX ends with the same as one that fetches all."""
        truth = {uid: (at, flags) for uid, (_, flags, at) in found['INBOX'].items()}
        tags = []
        for d in account.owners:
            if d.cache is not None:
                wire.command('UNSELECT')
                tags.append((d, wire.command('EXAMINE INBOX (QRESYNC (%d %d))' % d.cache[:2])))
        for d, tag in tags:
            await wire.answers(b'%d' % (int(tag) - 1))
            picture = resynchronise(d.cache, (await wire.answers(tag))[0])
            demand(picture[2] == truth, '%s: the resynchronised picture is %s, not %s', account.name, picture[2], truth)

    async def settle_deliveries(self, wire, account, inbox, validity):
        """Each message that got 250 is there once, each that got no answer at most once; then they make room."""
        there = {}
        for uid, (marker, _, _) in inbox.items():
            if '.lmtp' in marker:
                demand(marker not in there, '%s: %s is there twice', account.name, marker)
                demand(marker in account.delivered, '%s: %s was never sent', account.name, marker)
                there[marker] = uid
        for marker, is_acknowledged in account.delivered.items():
            demand(not is_acknowledged or marker in there, '%s: %s got 250 and is not there', account.name, marker)
        account.delivered = dict.fromkeys(there, True)
        if len(there) > 8:
            uids = ','.join(map(str, there.values()))
            await wire.answers(wire.command('UNSELECT'))
            await wire.answers(wire.command('SELECT INBOX'))
            await wire.answers(wire.command('UID STORE %s +FLAGS.SILENT (\\Deleted)' % uids))
            await wire.answers(wire.command('UID EXPUNGE %s' % uids))
            account.told_gone(validity, there.values())
            account.delivered = {}
            for uid in there.values():
                inbox.pop(uid)
