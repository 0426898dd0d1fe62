"""Promise 5: a full disk. New mail is refused for now, what frees room goes on, nothing acknowledged is lost, and with room all goes on by itself.

The server keeps two floors: below the soft one (256 MB) nothing comes in that takes room; below the hard one (64 MB) only what frees
some is done. Another program may still take the last byte."""

import asyncio
import errno
import os
import random
import subprocess
import time

import pytest

from harness import mail
from harness.crowd import Crowd
from harness.imap import Lit
from harness.lmtp import wait_until
from harness.parse import ProtocolError
from harness.power import PowerServer
from harness.server import Server

pytestmark = pytest.mark.own_server

SOFT, HARD = 150, 30        # megabytes that are left below the floors


class Disk:
    """A file system of 700 MB that can be filled."""

    def __init__(self, path):
        self.path = path

    def leave(self, megabytes):
        """Fills it until so much is free; None: all that there was."""
        ballast = self.path / 'ballast'
        if ballast.exists():
            ballast.unlink()
        # The server may write between the look and the taking: then there is less to take.
        is_left = megabytes is None
        while not is_left:
            with open(ballast, 'wb') as f:
                free = os.statvfs(self.path)
                try:
                    os.posix_fallocate(f.fileno(), 0, free.f_bavail * free.f_frsize - megabytes * 1000000)
                    is_left = True
                except OSError as e:
                    assert e.errno == errno.ENOSPC


@pytest.fixture
def full(tmp_path):
    """A server on such a disk, with what fills it."""
    where = tmp_path / 'disk'
    where.mkdir()
    os.chmod(tmp_path, 0o755)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=700m,mode=755', 'none', str(where)], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip('no file system can be mounted here')
    (where / 'server').mkdir()
    s = Server(users=6, directory=str(where / 'server'))
    os.chmod(s.dir, 0o755)
    yield s.start(), Disk(where)
    try:
        s.close()
    finally:
        subprocess.run(['umount', '-l', str(where)])


def deliver(s, user):
    """The reply to one message by LMTP, wherever it comes."""
    lmtp = s.lmtp_connect()
    try:
        lmtp.lhlo()
        lmtp.cmd('MAIL FROM:<a@example.org>')
        r = lmtp.cmd('RCPT TO:<%s>' % user)
        if r.code == 250:
            lmtp.cmd('DATA', 354)
            lmtp.send(b'Subject: full\r\n\r\n.\r\n')
            r = lmtp.reply()
        return r.code
    finally:
        lmtp.close()


def await_floor(c, command, status):
    """The server looks at the disk once a second."""
    wait_until(lambda: c.cmd(*command).status == status, what='%s for %r' % (status, command))


def append(n):
    return ['APPEND INBOX ', Lit(mail.numbered(n))]


def people(s):
    """Two devices of each of three people, with ten messages each in INBOX."""
    out = []
    for _ in range(3):
        user = s.user()
        a, b = s.login(user, name='a'), s.login(user, name='b')
        for n in range(10):
            a.append(mail.numbered(n))
        a.ok('CREATE old')
        a.append(mail.numbered(11), 'old')
        a.select()
        b.select()
        out.append((user, a, b))
    return out


def check_reading(s, user, c):
    assert c.body(1) == mail.numbered(0)
    c.ok('FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)')
    c.ok('SEARCH TEXT x')
    c.ok('STATUS old (MESSAGES)')
    s.login(user).close()


def test_below_the_soft_floor(full):
    """What takes room is NO [UNAVAILABLE] or 452 (RFC 5530 3, RFC 5321 4.2.2), for everybody; everything else works."""
    s, disk = full
    them = people(s)
    disk.leave(SOFT)
    await_floor(them[0][1], append(20), 'NO')
    for user, a, b in them:
        # Until the server had looked at the disk, messages came in.
        there = a.ok('NOOP') and a.exists
        a.no(*append(21), code='UNAVAILABLE')
        a.no('APPEND INBOX ', Lit(mail.numbered(1)), ' ', Lit(mail.numbered(2)), code='UNAVAILABLE')
        a.no('COPY 1 old', code='UNAVAILABLE')
        assert deliver(s, user) == 452
        check_reading(s, user, a)
        # Flags, mailboxes, and what people do to make room.
        a.ok('STORE 1 +FLAGS (\\Flagged new)')
        a.ok('CREATE still')
        a.ok('RENAME still moved')
        a.ok('SUBSCRIBE moved')
        a.ok('MOVE 10 old')
        a.ok('STORE 9 +FLAGS (\\Deleted)')
        assert a.ok('EXPUNGE').expunged() == [9]
        a.ok('DELETE old')
        b.ok('NOOP')
        assert b.exists == there - 2
    disk.leave(None)
    await_floor(them[0][1], append(22), 'OK')
    for user, a, b in them:
        a.ok(*append(23))
        a.ok('COPY 1 moved')
        assert deliver(s, user) == 250
        a.close()
        b.close()


def test_below_the_hard_floor(full):
    """Only what frees room is done."""
    s, disk = full
    them = people(s)
    disk.leave(HARD)
    await_floor(them[0][1], ['STORE 1 +FLAGS (x)'], 'NO')
    for user, a, b in them:
        a.no(*append(21), code='UNAVAILABLE')
        a.no('COPY 1 old', code='UNAVAILABLE')
        a.no('STORE 1 +FLAGS (\\Flagged)', code='UNAVAILABLE')
        a.no('CREATE more', code='UNAVAILABLE')
        assert deliver(s, user) == 452
        check_reading(s, user, a)
        a.ok('STORE 8:10 +FLAGS (\\Deleted)')
        a.ok('UID EXPUNGE 10')
        b.ok('EXPUNGE')
        a.ok('DELETE old')
        a.ok('NOOP')
        assert a.exists == b.exists == 7
        a.ok('CLOSE')
        a.select()
    disk.leave(None)
    await_floor(them[0][1], ['STORE 1 +FLAGS (y)'], 'OK')
    for _, a, b in them:
        a.ok(*append(22))
        a.ok('STORE 2 +FLAGS (\\Flagged)')
        a.close()
        b.close()


def test_kill_while_full(full):
    """kill -9 with everybody at work, and again with the disk full: nothing acknowledged is lost, and what came back can be read and
    expunged below the hard floor too."""
    s, disk = full
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time()))
    print('POSTHORN_TEST_SEED=%d' % seed)
    chance = random.Random(seed)
    crowd = Crowd(s, chance.random(), people=6, agents=2)

    async def work(enough):
        load = crowd.begin()
        before = crowd.acknowledged
        while crowd.acknowledged - before < enough and not all(t.done() for t in load):
            await asyncio.sleep(0.002)
        return load

    async def scenario():
        await crowd.prepare()
        await crowd.settle()
        for megabytes in (SOFT, HARD, SOFT, HARD):
            load = await work(100)
            s.kill_role('mail')
            crowd.is_over = True
            disk.leave(megabytes)
            await crowd.end(load)
            await crowd.settle()
            s.kill_role('mail')
            await crowd.settle()
            disk.leave(None)
            c = s.login('user1')
            await_floor(c, append(1), 'OK')
            # Which is nobody's.
            c.select()
            c.ok('STORE %d +FLAGS.SILENT (\\Deleted)' % c.exists)
            c.ok('UID EXPUNGE %d' % max(c.uid_map()))
            c.close()

    asyncio.run(asyncio.wait_for(scenario(), 600))
    assert crowd.acknowledged >= 400


def is_served(s):
    try:
        s.login('user1').close()
        return True
    except (ProtocolError, OSError, AssertionError):
        return False


def test_not_a_byte_left(full):
    """Another program takes the last byte: no false OK, mail can be read; with room the service is back by itself, also after a crash
    in between, when the store can't even be opened."""
    s, disk = full
    s.expect_errors = True
    c = s.login('user1')
    uids = [c.append(mail.numbered(n)) for n in range(3)]
    c.select()
    acknowledged = set()
    disk.leave(0)
    # Deleting is tried until the disk says no; what it said OK to counts.
    for n in range(2000):
        c2 = None
        try:
            c2 = s.login('user2')
            for k in range(200):
                if c2.cmd('CREATE box%d-%d' % (n, k)).status == 'OK':
                    acknowledged.add('box%d-%d' % (n, k))
                else:
                    break
        except (ProtocolError, OSError):
            pass
        finally:
            if c2 is not None:
                c2.close()
        break
    assert c.body(2) == mail.numbered(1)
    s.kill_role('mail')
    c.close()
    # It tries again and again; that costs little, and ends when there is room.
    wait_until(lambda: s.log().count('event=child-ended role=mail') >= 3 or is_served(s), 60, what='the next process')
    disk.leave(None)
    wait_until(lambda: is_served(s), 60, what='service')
    c = s.login('user1')
    c.select()
    assert sorted(c.uid_map()) == uids
    c.ok(*append(4))
    c.close()
    c = s.login('user2')
    assert acknowledged <= set(c.ok('LIST "" *').list())
    c.close()


def test_the_last_byte_is_gone_before_anybody_looks():
    """A write finds no room although there was some a moment ago: nothing is acknowledged, mail can be read, and when there is room the
    server opens its store anew by itself."""
    asyncio.run(scenario_of_the_last_byte())


async def scenario_of_the_last_byte():
    s = PowerServer(users=2)
    why = await s.mount()
    if why is not None:
        os.rmdir(s.data)
        s.close()
        pytest.skip(why)
    try:
        s.start()
        s.expect_errors = True
        c, reader = s.login('user1'), s.login('user1')
        uids = [c.append(mail.numbered(n)) for n in range(3)]
        reader.select()
        await s.tell('full on')
        try:
            for n in range(1000):
                if c.cmd(*append(4)).status != 'OK':
                    break
                uids.append(uids[-1] + 1)
        except ProtocolError as e:
            assert 'connection' in str(e), e
        assert reader.body(2) == mail.numbered(1)
        wait_until(lambda: 'the disk is full' in s.log(), 30, 'the line that says so')
        reader.no(*append(5), code='UNAVAILABLE')
        assert reader.body(3) == mail.numbered(2)
        await s.tell('full off')
        wait_until(lambda: 'there is room again' in s.log() and is_served(s), 60, what='service')
        c.close()
        reader.close()
        c = s.login('user1')
        c.select()
        assert sorted(c.uid_map()) == uids
        c.ok(*append(5))
        c.close()
        s.stop()
    finally:
        try:
            if s.proc is not None:
                s.crash()
        finally:
            await s.unmount()
            s.close()
