"""posthorn verify: a running server is proved whole; a flipped byte is named, concerns one message, and all others are served."""

import glob
import json
import os
import re
import subprocess

import pytest

from harness.lmtp import wait_until
from harness.server import Server
from harness.tool import Tool
from .test_backup import mail_folder, text

pytestmark = pytest.mark.own_server
BIG = 4


@pytest.fixture
def server():
    s = Server(users=3)
    s.start()
    yield s
    s.close()


def verify(server, *args, status=0):
    """Runs the tool; its findings, and its sums."""
    r = subprocess.run([server.program, '-c', os.path.join(server.store, 'posthornd.conf'), '--json', 'verify', *args],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    return rows[:-1], rows[-1] if rows else {}


def fill(server):
    c = server.login('user1')
    c.ok('CREATE Work')
    for n in range(12):
        c.append(text(n, 200000 if n == BIG else 100), 'Work' if n % 3 == 1 else 'INBOX', flags='\\Seen' if n % 2 else '')
    c.ok('SELECT INBOX')
    c.ok('STORE 2 +FLAGS (\\Deleted)')
    c.ok('EXPUNGE')
    c.ok('SELECT Work')
    c.ok('COPY 1 Archive')
    c.ok('LOGOUT')


def flip(server):
    """A byte in the middle of the file that has the big message."""
    path = max(glob.glob(os.path.join(mail_folder(server), '*.blob')), key=os.path.getsize)
    assert os.path.getsize(path) > 50000
    with open(path, 'r+b') as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 16]))


def test_running_and_stopped(server):
    fill(server)
    findings, sums = verify(server)
    assert findings == []
    assert sums['messages'] == 12 and sums['bytes'] > 200000     # a copy is not one more; what was expunged is kept
    told = Tool(server)('verify')
    assert '12 messages, ' in told and '0 findings, 0 repaired, 0 lost\n' in told
    assert ('1 account, ' in told) == (sums['accounts'] == 1)
    verify(server, '--repair', status=3)                            # not while it runs
    server.stop()
    findings, sums = verify(server)
    assert findings == [] and sums['findings'] == 0
    verify(server, '--repair')
    server.start()
    assert len(server.login('user1').ok('STATUS Work (MESSAGES)').all('STATUS')) == 1


def test_flipped_byte(server):
    fill(server)
    server.stop()
    flip(server)
    server.expect_errors = True
    findings, sums = verify(server, status=2)
    lost = [f for f in findings if f['lost']]
    assert [(f['finding'], f['user'], f['mailbox'], f['uid_first'], f['uid_last']) for f in lost] == \
        [('bytes', 'user1', 'Work', 2, 2)], findings
    server.start()
    c = server.login('user1')
    c.ok('SELECT Work')
    for uid in 1, 3, 4:
        assert c.ok('UID FETCH %d (FLAGS BODY.PEEK[])' % uid).fetches()
    c.no('UID FETCH 2 (FLAGS BODY.PEEK[])', code='CORRUPTION')
    # It becomes \Seen before it is read, which is told all the same.
    assert '\\Seen' in c.no('UID FETCH 2 BODY[]', code='CORRUPTION').fetch(2)['FLAGS']
    c.ok('UID STORE 1:4 -FLAGS.SILENT (\\Seen)')
    assert all('\\Seen' in got['FLAGS'] for got in c.no('UID FETCH 1:4 (BODY[] RFC822)', code='CORRUPTION').fetches().values())
    assert c.ok('UID FETCH 2 (FLAGS ENVELOPE)').fetches()
    c.ok('SELECT INBOX')
    assert len(c.ok('FETCH 1:* (BODY.PEEK[])').fetches()) == 7
    c.append(text(99))
    findings, sums = verify(server, '--rate', '100M', status=2)     # while it runs
    assert [f['uid_first'] for f in findings if f['lost']] == [2]
    line = [x for x in server.log().splitlines() if 'message-damaged' in x][0]
    assert ' user=user1 mailbox=Work ' in line and ' uid=2 ' in line


def test_missing_table(server):
    """Without a table the server starts, says so, and serves what the table does not concern."""
    fill(server)
    server.stop()
    # Tables are written at the end, one a family: that of records is the largest.
    os.unlink(max(glob.glob(os.path.join(mail_folder(server), '*.sst')), key=os.path.getsize))
    server.expect_errors = True
    findings, sums = verify(server, status=2)
    assert 'file' in {f['finding'] for f in findings}
    server.start()
    assert 'store-damaged' in server.log()
    c = server.login('user1')
    c.ok('SELECT INBOX')
    c.ok('FETCH 1:* (FLAGS)')


def test_in_the_background():
    """The server proves itself now and then, says what it found, and begins where it ended."""
    server = Server(users=3, args=['--set', 'verify_every=1s'])
    try:
        server.start()
        fill(server)
        wait_until(lambda: re.search(r'event=verified .*messages=12 .*findings=0', server.log()), 60)
        server.stop()
        flip(server)
        server.expect_errors = True
        server.start()
        wait_until(lambda: re.search(r'event=damage-found kind=bytes user=user1 mailbox=Work mailbox_id=\d+ uid=2 ', server.log()), 60)
        wait_until(lambda: re.search(r'level=error .*event=verified .*lost=1', server.log()), 60)
        c = server.login('user1')
        c.ok('SELECT INBOX')
        assert len(c.ok('FETCH 1:* (BODY.PEEK[])').fetches()) == 7
        server.stop()
        assert glob.glob(os.path.join(mail_folder(server), 'checkpoint.*')) == []
        server.start()
    finally:
        server.close()


def record_ends(log):
    """Where the records of a log of the engine end (docs/file-format.md): blocks of 32 KiB, heads of 7 bytes."""
    ends, at = [], 0
    while True:
        at += 32768 - at % 32768 if 32768 - at % 32768 < 7 else 0
        if log[at + 6:at + 7] in (b'', b'\0'):
            return ends
        at += 7 + int.from_bytes(log[at + 4:at + 6], 'little')
        ends.append(at)


def test_log_cut_at_the_end_of_a_record(server):
    """What was acknowledged and is gone is missed, though what is there is whole: by verify and by the server."""
    c = server.login('user1')
    for n in range(6):
        c.append(text(n))
    server.crash()
    folder = mail_folder(server)
    path = max(glob.glob(os.path.join(folder, '*.log')))
    with open(path, 'rb') as f:
        log = f.read()
    ends = record_ends(log)
    assert len(ends) > 6
    conf = os.path.join(server.store, 'posthornd.conf')
    for end in ends[:-2:max(1, len(ends) // 4)] + [ends[-3]]:       # the last may be a note that nobody waited for
        with open(path, 'wb') as f:
            f.write(log[:end])
        r = subprocess.run([server.program, '-c', conf, 'verify'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert r.returncode == 2 and os.path.basename(path) in r.stdout and 'acknowledged' in r.stdout, (r.returncode, r.stdout)
    with open(path, 'wb') as f:
        f.write(log)
    findings, sums = verify(server)
    assert findings == [] and sums['messages'] == 6
    server.start()
    assert server.login('user1').ok('STATUS INBOX (MESSAGES)').all('STATUS')
