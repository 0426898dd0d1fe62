"""Three clients do random things to one mailbox. Each keeps what it was told, as a mail program does, and that must be true.

POSTHORN_RANDOM_ROUNDS makes it longer; a failure names its seed, which makes the same commands again.
"""

import os
import random
import threading

import pytest

from harness import mail
from harness.imap import Lit
from harness.parse import numbers

STEPS = 120
FLAGS = ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft', '$Forwarded', 'word', 'Other']


class Client:
    """A client's memory of the mailbox, from the untagged responses alone."""

    def __init__(self, connect, user, mode, rnd, is_silent_sometimes=True):
        self.connect, self.user, self.mode, self.rnd = connect, user, mode, rnd
        self.is_silent_sometimes = is_silent_sometimes
        self.imap = None
        self.uids, self.flags = [], {}      # by position; by UID
        self.modseq = 0
        self.uidvalidity = None
        self.open()

    def open(self):
        """Logs in and selects; with QRESYNC it goes on from what it knew."""
        known = self.modseq if self.mode == 'qresync' else 0
        self.imap = self.connect(user=self.user)
        if self.mode == 'qresync':
            self.imap.enable('QRESYNC')
        elif self.mode == 'rev2':
            self.imap.enable('IMAP4rev2')
        if known:
            r = self.imap.ok('SELECT INBOX (QRESYNC (%d %d))' % (self.uidvalidity, known))
        else:
            r = self.imap.ok('SELECT INBOX%s' % (' (CONDSTORE)' if self.mode == 'condstore' else ''))
            self.uids, self.flags = [], {}
        exists = r.one('EXISTS').number
        self.uidvalidity = r.codes()['UIDVALIDITY'][0]
        self.modseq = r.codes()['HIGHESTMODSEQ'][0]
        if known:
            gone = set(u for x in r.all('VANISHED') for u in numbers(x.data[-1]))
            for u in gone:
                self.flags.pop(u, None)
            for f in r.all('FETCH'):
                self.flags[f.attrs['UID']] = flag_set(f.attrs['FLAGS'])
            self.uids = sorted(self.flags)
            assert len(self.uids) == exists, 'QRESYNC left %d messages of %d' % (len(self.uids), exists)
        else:
            self.uids = [None] * exists
        self.learn_new()

    def reopen(self):
        """The connection breaks. What was told before a NOOP is what the client may rely on (RFC 7162 3.1.2)."""
        self.do('NOOP')
        self.imap.close()
        self.open()
        self.verify()

    def learn(self, r):
        """Takes over what a command's untagged responses tell."""
        for x in r.untagged:
            if x.name == 'EXISTS':
                self.uids += [None] * (x.number - len(self.uids))
                assert len(self.uids) == x.number
            elif x.name == 'EXPUNGE':
                self.flags.pop(self.uids.pop(x.number - 1), None)
            elif x.name == 'VANISHED':
                gone = set(numbers(x.data[-1]))
                new = gone - set(self.uids)     # came and went before we could ask for their UIDs
                assert len(new) <= self.uids.count(None), 'VANISHED of what was not there'
                for u in sorted(new):
                    self.uids[self.place(u)] = u
                self.uids = [u for u in self.uids if u not in gone]
                for u in gone:
                    self.flags.pop(u, None)
            elif x.name == 'FETCH':
                self.learn_fetch(x)
        if 'HIGHESTMODSEQ' in r.codes():
            self.modseq = r.codes()['HIGHESTMODSEQ'][0]     # also when lower than a MODSEQ told (RFC 7162 6)

    def place(self, uid):
        """Where a message that is not known yet must be, since UIDs ascend."""
        for n, u in enumerate(self.uids):
            known = [v for v in self.uids[n:] if v is not None]
            if u is None and (not known or known[0] > uid) and all(v is None or v < uid for v in self.uids[:n]):
                return n
        raise AssertionError('VANISHED of UID %d, which has no place' % uid)

    def learn_fetch(self, x):
        a = x.attrs
        if 'UID' in a:
            assert self.uids[x.number - 1] in (None, a['UID'])
            self.uids[x.number - 1] = a['UID']
        uid = self.uids[x.number - 1]
        if 'FLAGS' in a and uid is not None:
            self.flags[uid] = flag_set(a['FLAGS'])
        if 'MODSEQ' in a:
            self.modseq = max(self.modseq, a['MODSEQ'][0])

    def do(self, *parts, status='OK'):
        r = self.imap.cmd(*parts)
        assert r.status in status.split(), '%r\n%s' % (r, self.imap.history())
        self.learn(r)
        self.learn_new()
        return r

    def learn_new(self):
        """Asks for what it does not know of new messages."""
        while None in self.uids:
            first = self.uids.index(None) + 1
            self.learn(self.imap.ok('FETCH %d:%d (UID FLAGS%s)' % (first, len(self.uids), ' MODSEQ' if self.is_condstore() else '')))

    def is_condstore(self):
        return self.mode in ('condstore', 'qresync')

    def verify(self):
        """What the server answers is what was told before; the answer to FETCH is of the view, so it can't be news."""
        told, flags = list(self.uids), dict(self.flags)
        r = self.imap.ok('FETCH 1:* (UID FLAGS)')
        seen = {}
        for x in r.all('FETCH'):
            if 'UID' in x.attrs and x.number not in seen:
                seen[x.number] = x.attrs
        assert [seen[n + 1]['UID'] for n in range(len(told))] == told
        for n, u in enumerate(told):
            assert flag_set(seen[n + 1]['FLAGS']) == flags[u], 'flags of UID %d\n%s' % (u, self.imap.history())
        self.learn(r)
        self.learn_new()

    # What it does.

    def some(self, is_uid):
        """A random set of messages, as numbers or UIDs; None when there are none."""
        if not self.uids:
            return None, []
        chosen = sorted(self.rnd.sample(range(len(self.uids)), self.rnd.randint(1, min(6, len(self.uids)))))
        uids = [self.uids[n] for n in chosen]
        return ','.join(str(u if is_uid else n + 1) for n, u in zip(chosen, uids)), uids

    def step(self):
        rnd = self.rnd
        is_uid = rnd.random() < 0.5
        what, uids = self.some(is_uid)
        uid = 'UID ' if is_uid else ''
        kind = rnd.choice(['append', 'append', 'store', 'store', 'store', 'expunge', 'uid expunge', 'move', 'copy', 'noop', 'idle',
                           'body', 'search', 'search', 'verify', 'reopen'])
        if kind == 'append' or what is None:
            self.do('APPEND INBOX (%s) ' % ' '.join(rnd.sample(FLAGS, rnd.randint(0, 3))), Lit(mail.simple('n', 'x\n'), plus=True))
        elif kind == 'store':
            self.store(uid, what, uids)
        elif kind == 'expunge':
            self.do('EXPUNGE')
        elif kind == 'uid expunge':
            self.do('UID EXPUNGE ' + ','.join(map(str, uids)))
        elif kind in ('move', 'copy'):
            # Others may have expunged some: then NO, with nothing done.
            self.do('%s%s %s %s' % (uid, kind.upper(), what, rnd.choice(['INBOX', 'Archive']) if kind == 'copy' else 'Archive'), status='OK NO')
        elif kind == 'noop':
            self.do('NOOP')
        elif kind == 'idle':
            self.idle()
        elif kind == 'body':
            self.do('%sFETCH %s (BODY[])' % (uid, what), status='OK NO')
        elif kind == 'search':
            self.search(is_uid)
        elif kind == 'verify':
            self.verify()
        elif kind == 'reopen' and rnd.random() < 0.3:
            self.reopen()

    def store(self, uid, what, uids):
        rnd = self.rnd
        sign = rnd.choice(['+', '-', ''])
        flags = rnd.sample(FLAGS, rnd.randint(0 if sign == '' else 1, 3))
        is_silent = self.is_silent_sometimes and rnd.random() < 0.3
        if is_silent:
            # What others changed meanwhile is not told by a silent STORE if it is the same message; so be up to date.
            self.do('NOOP')
            uids = [u for u in uids if u in self.flags]
            if not uids:
                return
            uid, what = 'UID ', ','.join(map(str, uids))
        self.do('%sSTORE %s %sFLAGS%s (%s)' % (uid, what, sign, '.SILENT' if is_silent else '', ' '.join(flags)), status='OK NO')
        for u in uids if is_silent else []:
            if u in self.flags:
                old, new = self.flags[u], flag_set(flags)
                self.flags[u] = old | new if sign == '+' else old - new if sign == '-' else new

    def idle(self):
        self.learn(self.imap.done(self.imap.idle()))
        self.learn_new()

    def search(self, is_uid):
        """What SEARCH finds is what the flags that were told say; ghosts apart, which SEARCH leaves out."""
        flag = self.rnd.choice(['SEEN', 'ANSWERED', 'FLAGGED', 'DELETED', 'DRAFT', 'KEYWORD word', 'KEYWORD $Forwarded'])
        name = flag.split()[-1].lower() if ' ' in flag else '\\' + flag.lower()
        want = [u for u in self.uids if name in self.flags[u]]
        by_number = list(self.uids)
        r = self.imap.ok('%sSEARCH %s' % ('UID ' if is_uid else '', flag))
        got = r.search() if is_uid else [by_number[n - 1] for n in r.search()]
        missing = set(want) - set(got)
        assert set(got) <= set(want)
        self.learn(r)
        self.learn_new()
        self.do('NOOP')
        assert not missing & set(self.uids), 'SEARCH did not find what was there'


def flag_set(flags):
    return frozenset(str(f).lower() for f in flags if str(f).lower() != '\\recent')


ROUNDS = int(os.environ.get('POSTHORN_RANDOM_ROUNDS', '6'))
MODES = [('plain', 'plain', 'plain'), ('qresync', 'qresync', 'plain'), ('condstore', 'rev2', 'qresync')]


@pytest.mark.parametrize('seed', range(ROUNDS))
def test_clients_are_told_the_truth(connect, user, seed):
    """RFC 3501 5.2, 7.3.1, 7.4.1; RFC 2180; RFC 7162 3.2: whatever they do, three clients of one mailbox agree in the end."""
    rnd = random.Random(seed)
    clients = [Client(connect, user, mode, rnd) for mode in MODES[seed % len(MODES)]]
    try:
        for _ in range(STEPS):
            rnd.choice(clients).step()
        for c in clients:
            c.do('NOOP')
        for c in clients:
            c.verify()
        assert all(c.uids == clients[0].uids and c.flags == clients[0].flags for c in clients)
    finally:
        for c in clients:
            c.imap.close()


@pytest.mark.parametrize('seed', range(max(1, ROUNDS // 6)))
def test_clients_at_the_same_time(connect, user, seed):
    """The same, each client in a thread of its own: what they do meets in the server."""
    modes = ['plain', 'qresync', 'condstore', 'rev2', 'qresync', 'plain']
    clients = [Client(connect, user, mode, random.Random(seed * 100 + n), is_silent_sometimes=False) for n, mode in enumerate(modes)]
    failed = []

    def run(c):
        try:
            for _ in range(STEPS):
                c.step()
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    for c in clients:
        c.do('NOOP')
    for c in clients:
        c.verify()
    assert all(c.uids == clients[0].uids and c.flags == clients[0].flags for c in clients)
