"""Promise 8: data of the format before opens and is all there, whenever the upgrade was interrupted; data of a newer one is left alone."""

import os
import random
import shutil
import subprocess
import tarfile
import time

import pytest

from harness import mail
from harness.ledger import message
from harness.lmtp import wait_until
from harness.server import ROOT, Server, alive, free_base

pytestmark = pytest.mark.own_server

# Written by the first milestone's program: partly in tables, partly in the log of a server that was killed.
STORE = os.path.join(ROOT, 'tests', 'data', 'store-format-1.tar.xz')


@pytest.fixture
def server():
    s = Server(users=3)
    os.makedirs(os.path.join(s.store, 'data'))
    with tarfile.open(STORE) as t:
        t.extractall(os.path.join(s.store, 'data'))
    give_away(s)
    yield s
    s.close()


def give_away(s):
    """As it would be found by root's server: everything belongs to the mail process's user, where there is one."""
    folder = os.path.join(s.store, 'data', 'mail')
    os.chmod(folder, 0o700)
    try:
        if os.getuid() == 0:
            for name in [folder] + [os.path.join(folder, n) for n in os.listdir(folder)]:
                shutil.chown(name, 'posthorn', 'posthorn')
    except LookupError:
        pass


def check_all(s):
    """All that had been put there, as the program that made the archive was told it."""
    c = s.login('user1')
    boxes = {'INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash', 'Work', 'Work/Old'}
    assert set(c.ok('LIST "" *').list()) == boxes
    assert '\\subscribed' in c.ok('LIST "" Work/Old RETURN (SUBSCRIBED)').list()['Work/Old']
    want = {'INBOX': (8, 9), 'Work': (71, 81), 'Work/Old': (1, 2), 'Archive': (3, 4), 'Sent': (2, 3), 'Trash': (0, 1)}
    for box, (count, uidnext) in want.items():
        status = c.status(box, 'MESSAGES', 'UIDNEXT')
        assert (status['MESSAGES'], status['UIDNEXT']) == (count, uidnext), box
    c.select('INBOX')
    flags = [set(), {'\\seen'}, {'k1', '\\flagged'}, {'\\answered'}, {'$forwarded'}, {'\\draft', 'k2'}, set(), set()]
    assert [f for _, f in sorted(c.flags().items())] == flags
    for n in range(6):
        assert c.body(n + 1) == mail.numbered(n)
        assert '17-Jul-1996 02:44:25 -0700' in str(c.ok('FETCH %d INTERNALDATE' % (n + 1)).fetch()['INTERNALDATE'])
    assert c.body(7).endswith(b'\r\n' + mail.simple('delivered')) and c.body(8) == mail.numbered(300)
    c.select('Work')
    # Messages 3 to 9 were expunged, then 30 and 31 moved away.
    uids = c.uid_map()
    assert set(uids) == set(range(1, 81)) - set(range(3, 10)) - {30, 31}
    for uid, n in list(uids.items())[::10]:
        assert c.body(n) == mail.numbered(uid + 9)
    c.select('Work/Old')
    assert c.body(1) == message('long', 400000)
    c.close()


def test_format_before_opens(server):
    server.start()
    check_all(server)
    c = server.login('user1')
    c.append(mail.numbered(1), 'Work/Old')
    assert c.status('Work/Old', 'UIDNEXT')['UIDNEXT'] == 3
    c.close()
    server.stop()
    # It is of our format now: the file says so to older programs.
    with open(os.path.join(server.store, 'data', 'mail', 'lock')) as f:
        assert int(f.read().split()[0]) >= 2


def test_killed_while_upgrading(server):
    """kill -9 a little later each time while it starts; the last start finds everything."""
    server.expect_errors = True
    chance = random.Random(int(os.environ.get('POSTHORN_TEST_SEED', time.time())))
    store = os.path.join(server.store, 'data', 'mail')
    archive = os.path.join(server.dir, 'mail')
    shutil.copytree(store, archive)
    base, killed = free_base(), 0
    for n in range(12):
        if n % 4 == 0:
            # Once more from the beginning.
            shutil.rmtree(store)
            shutil.copytree(archive, store)
            give_away(server)
        with open(server.log_path, 'ab') as log:
            p = subprocess.Popen([server.program, 'demo', '--dir', server.store, '--users', '3', '--port-base', str(base)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        server.proc = p
        wait_until(lambda: server.role_pid('mail') is not None or p.poll() is not None)
        time.sleep(chance.random() * 0.05)
        pids = server.pids()
        server.proc = None
        for pid in pids:
            if alive(pid):
                os.kill(pid, 9)
                killed += 1
        p.wait()
        wait_until(lambda: not any(alive(pid) for pid in pids))
    assert killed > 12
    server.start(base)
    check_all(server)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def test_damaged_number_is_no_obstacle(server):
    """A byte of the file that has it was changed: the rows of the store say what it is."""
    with open(os.path.join(server.store, 'data', 'mail', 'lock'), 'w') as f:
        f.write('99 00000000\n')
    give_away(server)
    server.start()
    check_all(server)


def test_newer_is_refused(server):
    """One clear line, and not a byte of it is changed."""
    folder = os.path.join(server.store, 'data', 'mail')
    with open(os.path.join(folder, 'lock'), 'w') as f:
        f.write('99 %08x\n' % crc32c(b'99'))

    def content():
        out = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), 'rb') as f:
                out[name] = f.read()
        return out

    before = content()
    server.expect_errors = True
    server.base = free_base()
    assert not server.launch()
    lines = [line for line in server.log().splitlines() if 'format 99' in line]
    assert len(lines) == 1 and 'newer version' in lines[0] and 'level=error' in lines[0], server.log()
    assert content() == before

