"""kill -9 while clients work, seen by threads that watch all the time; tests/crash/ has the load of many accounts."""

import os
import random
import threading
import time

import pytest

from harness import mail
from harness.follower import Follower, truth
from harness.imap import Lit
from harness.parse import ProtocolError, numbers
from harness.server import Server
from harness.timing import judge

pytestmark = pytest.mark.own_server

ROUNDS = int(os.environ.get('POSTHORN_TEST_CRASHES', 15))
BOXES = ('one', 'two')
GONE = None


class Message:
    """What may be true of one message: its state is a (mailbox, keywords) pair, or GONE; two states while a command runs."""

    def __init__(self, subject):
        self.subject = subject
        self.states = [GONE]
        self.uid = None


class Worker(threading.Thread):
    """One client that appends, flags, moves and expunges messages of its own until the server is gone."""

    def __init__(self, number, user, server, messages, counter, seed):
        super().__init__(daemon=True)
        self.number, self.user, self.server = number, user, server
        self.messages, self.counter = messages, counter
        self.random = random.Random(seed)
        self.told = {}          # mailbox → (highest UID, highest modseq) that this client was told
        self.error = None

    def run(self):
        try:
            c = self.server.login(self.user, name='w%dx' % self.number)
            while True:
                self.turn(c)
                self.counter()
        except (ProtocolError, OSError) as e:
            # The end of the connection is what the test is about; all else is an error.
            if 'connection' not in str(e) and not isinstance(e, OSError):
                self.error = e

    def tell(self, box, uid=0, modseq=0):
        old = self.told.get(box, (0, 0))
        self.told[box] = (max(old[0], uid), max(old[1], modseq))

    def turn(self, c):
        live = [m for m in self.messages.values() if m.states[0] is not GONE]
        do = self.random.choice(['append'] * 3 + (['flag', 'flag', 'move', 'move', 'expunge'] if live else []))
        if do == 'append':
            m = Message('w%d-%d' % (self.number, len(self.messages)))
            self.messages[m.subject] = m
            m.states = [GONE, (BOXES[0], frozenset())]
            m.uid = c.append(mail.simple(m.subject), BOXES[0])
            self.tell(BOXES[0], uid=m.uid)
            m.states = m.states[1:]
            return
        m = self.random.choice(live)
        box, words = m.states[0]
        r = c.ok('SELECT %s (CONDSTORE)' % box)
        self.tell(box, modseq=r.codes()['HIGHESTMODSEQ'][0])
        if do == 'flag':
            word = 'k%d' % self.random.randrange(5)
            m.states = [(box, words), (box, words | {word})]
            r = c.ok('UID STORE %d +FLAGS (%s)' % (m.uid, word))
            for a in r.fetches().values():
                if 'MODSEQ' in a:
                    self.tell(box, modseq=a['MODSEQ'][0])
        elif do == 'move':
            to = BOXES[1 - BOXES.index(box)]
            m.states = [(box, words), (to, words)]
            r = c.ok('UID MOVE %d %s' % (m.uid, to))
            m.uid = numbers(r.codes()['COPYUID'][2])[0]
            self.tell(to, uid=m.uid)
        else:
            m.states = [(box, words), GONE]
            c.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % m.uid)
            m.states = [(box, words), GONE, (box, words | {'\\deleted'})]
            c.ok('UID EXPUNGE %d' % m.uid)
            m.states = [GONE, GONE]
        m.states = m.states[1:2]


class Watcher(threading.Thread):
    """A QRESYNC client that only looks; what it was told before a crash must still lead it to the truth after it."""

    def __init__(self, user, server):
        super().__init__(daemon=True)
        self.user, self.server = user, server
        self.follower = None
        self.error = None

    def run(self):
        try:
            self.follower = Follower(self.server, self.user, 'qresync', 9).select(BOXES[0])
            while True:
                self.follower.run(['NOOP'])
        except (ProtocolError, OSError) as e:
            if 'connection' not in str(e) and not isinstance(e, OSError):
                self.error = e

    def come_back(self, chance):
        """Resynchronises with what it knew, after the crash."""
        if self.follower is None or self.follower.box is None or any(m.uid is None or m.flags is None for m in self.follower.seqs):
            return
        snapshot = self.follower.snapshot(chance)
        back = Follower(self.server, self.user, 'qresync', 8).select(BOXES[0], snapshot)
        assert snapshot['validity'] == back.validity
        true = dict((uid, flags) for uid, flags, _ in truth(self.server, self.user, BOXES[0]))
        assert back.resynchronised == true, 'a client that comes back after the crash is led astray'
        back.c.close()


def reconnect(server, user, seconds=15):
    """Logs in as soon as the server is back."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return server.login(user)
        except (ProtocolError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def verify(c, workers, validity):
    """Compares all mailboxes with what the clients were promised."""
    found = {}
    for box in BOXES:
        r = c.ok('SELECT %s (CONDSTORE)' % box)
        codes = r.codes()
        assert validity.setdefault(box, codes['UIDVALIDITY'][0]) == codes['UIDVALIDITY'][0], 'UIDVALIDITY changed'
        uid = max(w.told.get(box, (0, 0))[0] for w in workers)
        modseq = max(w.told.get(box, (0, 0))[1] for w in workers)
        assert codes['UIDNEXT'][0] > uid, 'UIDNEXT %d after UID %d was given out' % (codes['UIDNEXT'][0], uid)
        assert codes['HIGHESTMODSEQ'][0] >= modseq, 'HIGHESTMODSEQ %d after %d was told' % (codes['HIGHESTMODSEQ'][0], modseq)
        if c.exists:
            for a in c.ok('FETCH 1:* (UID FLAGS BODY.PEEK[])').fetches().values():
                subject = a['BODY[]'].split(b'Subject: ')[1].split(b'\r\n')[0].decode()
                assert a['BODY[]'] == mail.simple(subject), 'the bytes of %s changed' % subject
                assert subject not in found, '%s is there twice' % subject
                found[subject] = ((box, frozenset(str(f).lower() for f in a['FLAGS']) - {'\\recent'}), a['UID'])
    for w in workers:
        for m in w.messages.values():
            state, uid = found.pop(m.subject, (GONE, None))
            allowed = [s if s is GONE else (s[0], frozenset(x.lower() for x in s[1])) for s in m.states]
            if state not in allowed:
                # A message whose EXPUNGE was not answered may have been marked.
                assert GONE in allowed and state is not GONE and '\\deleted' in state[1], \
                    '%s is %r and should be %r' % (m.subject, state, allowed)
            m.states, m.uid = [state], uid
    assert not found, 'messages that nobody sent: %r' % list(found)


@pytest.fixture
def own(request):
    server = Server(users=3)
    server.start()
    yield server
    server.close()


def test_kill_mail_while_clients_work(own):
    """Rounds of: four clients change what they like, the mail process (now and then auth, or everything) is killed at a moment
    that chance picks, the server comes back, and everything acknowledged is there."""
    user = own.user()
    c = own.login(user)
    for box in BOXES:
        c.ok('CREATE ' + box)
    c.close()
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time()))
    print('POSTHORN_TEST_SEED=%d' % seed)
    chance = random.Random(seed)
    validity = {}
    messages = [{} for _ in range(4)]
    told = [{} for _ in range(4)]
    for n in range(ROUNDS):
        left = [chance.randrange(1, 60)]
        lock, due = threading.Lock(), threading.Event()

        def counter():
            with lock:
                left[0] -= 1
                if left[0] <= 0:
                    due.set()

        workers = [Worker(k, user, own, messages[k], counter, chance.random()) for k in range(4)]
        for k, w in enumerate(workers):
            w.told = told[k]
            w.start()
        watcher = Watcher(user, own)
        watcher.start()
        # Workers that fail at once (an error of the server) must not leave us waiting.
        while not due.wait(0.2):
            assert any(w.is_alive() for w in workers), [w.error for w in workers]
        # The supervisor starts a process that keeps dying later and later; a start of its own begins anew.
        if n % 3 == 2:
            own.crash()
            base = own.base
            for w in workers:
                w.join(20)
            own.start(base)
        else:
            own.kill_role('mail')
            for w in workers:
                w.join(20)
        for w in workers:
            assert not w.is_alive(), 'a client still waits for an answer'
            assert w.error is None, w.error
        watcher.join(20)
        assert not watcher.is_alive() and watcher.error is None, watcher.error
        c = reconnect(own, user)
        verify(c, workers, validity)
        c.close()
        watcher.come_back(chance)


def test_kill_auth_while_sessions_live(own):
    """Sessions go on without the auth process, and it is back for the next login."""
    user = own.user()
    c = own.login(user)
    c.select()
    for _ in range(3):
        own.kill_role('auth')
        c.ok('NOOP')
        reconnect(own, user).close()
        c.append(mail.numbered(1))
    c.close()


def test_kill_mail_during_delivery(own):
    """LMTP: each message that got 250 is there once; those without an answer at most once."""
    user = own.user()
    sent, acknowledged = 0, set()
    for n in range(5):
        l = own.lmtp_connect()
        l.lhlo()
        for k in range(20):
            if k == 13:
                own.kill_role('mail')
            try:
                if l.deliver(mail.simple('d%d-%d' % (n, k)), [user])[0].code == 250:
                    acknowledged.add(b'd%d-%d' % (n, k))
            except (ProtocolError, OSError):
                break
        l.close()
        reconnect(own, user).close()
    c = reconnect(own, user)
    c.select()
    subjects = [a['ENVELOPE'][1] for a in c.ok('FETCH 1:* ENVELOPE').fetches().values()]
    assert len(subjects) == len(set(subjects)) and acknowledged <= set(subjects)
    assert len(acknowledged) >= 5 * 13
    c.close()


def test_sigterm_says_bye(own):
    """An orderly end: sessions get BYE, what was acknowledged is there after the next start."""
    user = own.user()
    c = own.login(user)
    c.select()
    idle = own.login(user)
    idle.select()
    idle.idle()
    c.append(mail.numbered(1))
    base = own.base
    own.stop()
    assert any(r.name == 'BYE' for r in c.closed())
    assert any(r.name == 'BYE' for r in idle.closed())
    own.start(base)
    c = own.login(user)
    c.select()
    assert c.body(1) == mail.numbered(1)
    c.close()


def test_everything_survives_a_restart(own):
    """Mailboxes, subscriptions, flags, dates, UIDs, modseqs, the change log."""
    user = own.user()
    c = own.login(user)
    c.ok('CREATE a/b')
    c.ok('SUBSCRIBE a/b')
    uids = [c.append(mail.numbered(n), 'a/b', flags='\\Flagged k%d' % n, date='17-Jul-1996 02:44:25 -0700') for n in range(1, 6)]
    codes = c.select('a/b').codes()
    c.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uids[2])
    c.ok('UID EXPUNGE %d' % uids[2])
    state = c.ok('FETCH 1:* (UID FLAGS INTERNALDATE MODSEQ EMAILID SAVEDATE ENVELOPE BODYSTRUCTURE)').fetches()
    before = c.status('a/b', 'UIDNEXT', 'UIDVALIDITY', 'HIGHESTMODSEQ', 'MESSAGES', 'UNSEEN', 'SIZE')
    listed = c.ok('LIST "" * RETURN (SUBSCRIBED SPECIAL-USE CHILDREN)').list()
    base = own.base
    own.stop()
    own.start(base)
    c = own.login(user)
    assert c.status('a/b', 'UIDNEXT', 'UIDVALIDITY', 'HIGHESTMODSEQ', 'MESSAGES', 'UNSEEN', 'SIZE') == before
    assert c.ok('LIST "" * RETURN (SUBSCRIBED SPECIAL-USE CHILDREN)').list() == listed
    c.enable('QRESYNC')
    r = c.ok('SELECT a/b (QRESYNC (%d %d))' % (codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0]))
    gone = [u for x in r.all('VANISHED') for u in numbers(x.data[-1])]
    assert uids[2] in gone and not set(gone) & (set(uids) - {uids[2]})
    after = c.ok('FETCH 1:* (UID FLAGS INTERNALDATE MODSEQ EMAILID SAVEDATE ENVELOPE BODYSTRUCTURE)').fetches()
    for n in state:
        for a in (state[n], after[n]):
            a['FLAGS'] = sorted(map(str, set(a['FLAGS']) - {'\\Recent'}))
    assert after == state
    c.close()


def sanitized(program):
    with open(program, 'rb') as f:
        return b'__asan_init' in f.read()


def test_starts_quickly_with_100000_messages(own):
    """Start to first greeting: under a second is the aim; the bound here is generous, since other tests run beside."""
    user = own.user()
    total = 20000 if sanitized(own.program) else 100000
    c = own.login(user)
    for start in range(0, total, 1000):
        parts = []
        for n in range(start, start + 1000):
            parts += [' ', Lit(b'Subject: %d\r\n\r\n%d\r\n' % (n, n), plus=True)]
        c.ok('APPEND INBOX', *parts, timeout=120)
    c.close()
    base = own.base
    own.crash()
    started = time.monotonic()
    own.start(base)
    seconds = time.monotonic() - started
    c = own.login(user)
    opened = time.monotonic()
    c.select()
    assert c.exists == total
    print('start %.2f s, SELECT %.3f s' % (seconds, time.monotonic() - opened))
    # The goal is one second, and a quiet machine takes 0.2; this is to notice what has become of another order.
    judge(seconds < (60 if sanitized(own.program) else 20), 'the start lasts')
    assert c.ok('FETCH %d (UID BODY.PEEK[])' % total).fetch()['BODY[]'] == b'Subject: %d\r\n\r\n%d\r\n' % (total - 1, total - 1)
    c.close()
