"""A client with a picture of one mailbox, kept from what the server tells, by the rules of its kind: plain, condstore, qresync, rev2."""

from .parse import numbers


def shown(flags):
    return frozenset(str(f).lower() for f in flags if str(f).lower() != '\\recent')


class Message:
    def __init__(self):
        self.uid = self.flags = self.modseq = None


class Follower:
    """A client with a cache, as a mail reader has it."""

    def __init__(self, server, user, kind, number):
        self.kind = kind
        self.c = server.login(user, name='f%dx' % number)
        if kind != 'plain':
            self.c.enable({'condstore': 'CONDSTORE', 'qresync': 'QRESYNC', 'rev2': 'IMAP4rev2'}[kind])
        self.box = None
        self.seqs = []
        self.known = 0      # the highest modseq that is safe to come back with
        self.validity = None

    def select(self, box, snapshot=None):
        self.apply([])
        extra = ''
        if snapshot is not None:
            extra = ' (QRESYNC (%d %d%s))' % (snapshot['validity'], snapshot['known'],
                                             ' %s' % ','.join(map(str, sorted(snapshot['flags']))) if snapshot['uids'] and snapshot['flags'] else '')
        r = self.c.ok('SELECT %s%s' % (box, extra))
        self.box = box
        codes = r.codes()
        self.validity, self.known = codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0]
        if snapshot is not None and snapshot['validity'] == self.validity:
            state = dict(snapshot['flags'])
            for x in r.all('VANISHED'):
                for uid in numbers(x.data[-1]):
                    state.pop(uid, None)
            for x in r.all('FETCH'):
                state[x.attrs['UID']] = shown(x.attrs['FLAGS'])
            if snapshot['uids']:
                # Only what was known is told of; what is new is asked for.
                first = max(list(snapshot['flags']) + [0]) + 1
                for a in self.c.ok('UID FETCH %d:* (FLAGS)' % first).fetches().values():
                    if a['UID'] >= first:
                        state[a['UID']] = shown(a['FLAGS'])
            self.resynchronised = state
        self.seqs = [Message() for _ in range(self.c.exists)]
        if self.seqs:
            self.apply(self.c.ok('FETCH 1:* (UID FLAGS MODSEQ)').untagged)
        return self

    def apply(self, untagged):
        for r in untagged:
            if r.code and r.code[0] == 'HIGHESTMODSEQ' and self.box:
                self.known = max(self.known, r.code[1])
            if r.name == 'EXISTS':
                assert r.number >= len(self.seqs)
                self.seqs += [Message() for _ in range(r.number - len(self.seqs))]
            elif r.name == 'EXPUNGE':
                assert self.kind != 'qresync', 'EXPUNGE after ENABLE QRESYNC'
                del self.seqs[r.number - 1]
            elif r.name == 'VANISHED':
                assert self.kind == 'qresync'
                for uid in numbers(r.data[-1]):
                    # One that is not known yet has its place between those that are.
                    found = [m for m in self.seqs if m.uid == uid] or \
                        [m for n, m in enumerate(self.seqs) if m.uid is None and all(x.uid is None or x.uid < uid for x in self.seqs[:n]) and
                         all(x.uid is None or x.uid > uid for x in self.seqs[n:])]
                    assert found, 'VANISHED of UID %d, which was not there' % uid
                    self.seqs.remove(found[0])
            elif r.name == 'FETCH':
                m, a = self.seqs[r.number - 1], r.attrs
                if 'UID' in a:
                    assert m.uid in (None, a['UID']), 'message %d is UID %d, not %d' % (r.number, m.uid, a['UID'])
                    m.uid = a['UID']
                if 'FLAGS' in a:
                    m.flags = shown(a['FLAGS'])
                    # All that we do not ask for has both (RFC 7162 3.2.4), and we ask for both.
                    if self.kind in ('condstore', 'qresync'):
                        assert 'MODSEQ' in a and 'UID' in a, 'FLAGS without MODSEQ or UID: %r' % r
                if 'MODSEQ' in a:
                    assert m.modseq is None or a['MODSEQ'][0] >= m.modseq, 'a modseq went back: %r' % r
                    m.modseq = a['MODSEQ'][0]

    def run(self, *commands):
        """Sends commands together, and applies all that comes."""
        results = []
        tags = [self.c.begin(*cmd) for cmd in commands]
        for tag in tags:
            r = self.c.end(tag)
            self.apply(r.untagged)
            if r.code and r.code[0] == 'HIGHESTMODSEQ':
                self.known = max(self.known, r.code[1])
            results.append(r)
        if any(m.uid is None for m in self.seqs):
            first = [m.uid for m in self.seqs].index(None) + 1
            self.apply(self.c.ok('FETCH %d:%d (UID FLAGS MODSEQ)' % (first, len(self.seqs))).untagged)
        return results

    def snapshot(self, chance):
        return {'validity': self.validity, 'known': self.known, 'uids': chance.random() < 0.5,
                'flags': dict((m.uid, m.flags) for m in self.seqs)}


def truth(server, user, box):
    c = server.login(user)
    c.ok('EXAMINE %s' % box)
    got = c.ok('FETCH 1:* (UID FLAGS MODSEQ)').fetches() if c.exists else {}
    c.close()
    return [(a['UID'], shown(a['FLAGS']), a['MODSEQ'][0]) for _, a in sorted(got.items())]
