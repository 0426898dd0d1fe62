"""Promise 8: the wall clock jumps by ten years, ahead and back, while the server runs and between starts."""

import calendar
import os
import struct
import time

import pytest

from harness import mail, tls
from harness.server import Server
from harness.timing import COUNTS, judge

pytestmark = pytest.mark.own_server

YEARS = 3653 * 86400


class ShiftedClock:
    """The clock of the processes that are started from now on."""

    def __init__(self, path, monkeypatch, build):
        self.path = path
        self.shift = 0
        path.write_bytes(struct.pack('=q', 0))
        path.chmod(0o644)
        monkeypatch.setenv('LD_PRELOAD', os.path.join(build, 'tests', 'crash', 'shifted_clock.so'))
        monkeypatch.setenv('POSTHORN_TEST_CLOCK', str(path))

    def set(self, shift):
        self.shift = shift
        with open(self.path, 'r+b') as f:
            f.write(struct.pack('=q', shift))

    def now(self):
        return time.time() + self.shift


@pytest.fixture
def clock(tmp_path, monkeypatch):
    server = Server(users=6)
    build = os.path.dirname(os.path.dirname(os.path.dirname(server.program)))
    with open(os.path.join(build, 'src', 'daemon', 'posthornd'), 'rb') as f:
        program = f.read()
    if b'__asan_init' in program or b'__tsan_init' in program:
        os.rmdir(server.dir)
        pytest.skip('nothing can be preloaded before a sanitizer')
    os.chmod(tmp_path, 0o755)
    clock = ShiftedClock(tmp_path / 'shift', monkeypatch, build)
    server.start()
    yield clock, server
    server.close()


def cpu_seconds(server):
    used = 0
    for pid in server.pids():
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rpartition(')')[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf('SC_CLK_TCK')


def seconds_of(date):
    """An INTERNALDATE or SAVEDATE as seconds since 1970."""
    t = time.strptime(date.strip()[:-6], '%d-%b-%Y %H:%M:%S')
    zone = date.strip()[-5:]
    return calendar.timegm(t) - (1 if zone[0] == '+' else -1) * (int(zone[1:3]) * 3600 + int(zone[3:]) * 60)


def check_dates(clock, c, n):
    a = c.ok('FETCH %d (INTERNALDATE SAVEDATE)' % n).fetch()
    for item in ('INTERNALDATE', 'SAVEDATE'):
        date = a[item].decode() if isinstance(a[item], bytes) else str(a[item])
        assert abs(seconds_of(date) - clock.now()) < 120, '%s is %s' % (item, date)


def check_quiet(server):
    """A moment in which nothing else happens: timers that took the wall clock for theirs would all fire, again and again. A server
    that has just started is busy for a while with what the last one left."""
    for _ in range(20):
        before, started = cpu_seconds(server), time.monotonic()
        time.sleep(0.5)
        used, passed = cpu_seconds(server) - before, time.monotonic() - started
        if used < passed / 2:
            break
    judge(used < passed / 2, 'busy with nothing: %.2f s of CPU in %.2f s' % (used, passed))


def check_all(clock, server, session, idler, validities):
    """What must work at any time of the clock; `session` has INBOX selected since before it jumped."""
    if COUNTS:
        check_quiet(server)
    session.ok('NOOP')
    had, modseq = session.exists, session.status('INBOX', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
    session.append(mail.numbered(had))
    session.ok('NOOP')
    assert session.exists == had + 1
    assert session.status('INBOX', 'HIGHESTMODSEQ')['HIGHESTMODSEQ'] > modseq
    idler.wait_name('EXISTS', had + 1)
    check_dates(clock, session, had + 1)
    assert session.body(1) == mail.numbered(0)
    assert had + 1 in map(int, session.ok('SEARCH YOUNGER 3600').one('SEARCH').data)

    c = server.connect()
    c.no('LOGIN user1 wrong', code='AUTHENTICATIONFAILED')
    c.login('user1', server.password)
    name = 'box%d' % len(validities)
    c.ok('CREATE ' + name)
    validity = c.status(name, 'UIDVALIDITY')['UIDVALIDITY']
    assert all(validity > v for v in validities), 'UIDVALIDITY %d after %r' % (validity, validities)
    validities.append(validity)
    c.close()

    lmtp = server.lmtp_connect()
    lmtp.lhlo()
    assert lmtp.deliver(mail.simple('delivered'), ['user1'])[0].code == 250
    lmtp.close()
    idler.wait_name('EXISTS', had + 2)
    session.ok('NOOP')
    check_dates(clock, session, had + 2)
    session.ok('STORE %d +FLAGS.SILENT (\\Deleted)' % (had + 2))
    session.ok('EXPUNGE')
    idler.wait_name('EXPUNGE', had + 2)


def test_jumps_while_it_runs(clock):
    clock, server = clock
    session, idler = server.login('user1', name='s'), server.login('user1', name='i')
    session.append(mail.numbered(0))
    session.select()
    idler.select()
    tag = idler.idle()
    # A TLS session with a ticket, taken up again after each jump: resumed or not, it must work.
    first = server.connect(ssl=True)
    first.login('user1', server.password)
    first.ok('NOOP')
    ticket = first.sock.session
    validities = []
    for shift in (0, YEARS, 0, -YEARS, YEARS, 0):
        clock.set(shift)
        check_all(clock, server, session, idler, validities)
        context = tls.context()
        c = server.connect(ssl=context)
        c.login('user1', server.password)
        c.close()
        first.ok('NOOP')
        assert ticket is not None
        idler.untagged = []
    # The first login ever, of somebody else, under each clock.
    for n, shift in enumerate((YEARS, -YEARS, 0)):
        clock.set(shift)
        c = server.login('user%d' % (n + 2))
        c.append(mail.numbered(1))
        c.select()
        check_dates(clock, c, 1)
        c.close()
    idler.done(tag)
    for c in (session, idler, first):
        c.close()


def test_jumps_between_starts(clock):
    """Started with a clock of the future and then one of the past: nothing is lost, and no number goes back."""
    clock, server = clock
    server.expect_errors = True
    c = server.login('user1')
    c.append(mail.numbered(0))
    state = c.status('INBOX', 'UIDNEXT', 'UIDVALIDITY', 'HIGHESTMODSEQ', 'MESSAGES')
    c.close()
    validities = []
    for shift in (YEARS, -YEARS, 0):
        clock.set(shift)
        base = server.base
        server.crash()
        server.start(base)
        session, idler = server.login('user1', name='s'), server.login('user1', name='i')
        after = session.status('INBOX', 'UIDNEXT', 'UIDVALIDITY', 'HIGHESTMODSEQ', 'MESSAGES')
        assert after == state
        session.select()
        idler.select()
        tag = idler.idle()
        check_all(clock, server, session, idler, validities)
        idler.done(tag)
        state = session.status('INBOX', 'UIDNEXT', 'UIDVALIDITY', 'HIGHESTMODSEQ', 'MESSAGES')
        session.close()
        idler.close()
