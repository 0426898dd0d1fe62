"""Backups: what was saved comes back, bit for bit; nothing interrupts one into a wrong one; every flipped byte is found."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
import time

import pytest

from harness.imap import Lit, quote
from harness.lmtp import wait_until
from harness.parse import ProtocolError
from harness.server import Server
from harness.tool import Tool

pytestmark = pytest.mark.own_server
ROUNDS = int(os.environ.get('POSTHORN_TEST_CRASHES', '4'))      # of what is killed at random moments


@pytest.fixture
def server():
    s = Server(users=12)
    s.start()
    yield s
    s.close()


@pytest.fixture
def tool(server):
    return Tool(server)


def mail_folder(server):
    return os.path.join(server.store, 'data', 'mail')


def text(n, size=0):
    """Message n, whose body has that many random letters in lines."""
    letters = ''.join(random.Random(n).choices('abcdefghijklmnopqrstuvwxyz      \n', k=size)).replace('\n', '\r\n')
    references = 'References: <%d@test>\r\n' % (n // 4) if n > 4 else ''
    return ('From: a@example.org\r\nTo: b@example.org\r\nSubject: message %d\r\nMessage-ID: <%d@test>\r\n%s\r\n'
            'body %d\r\n%s' % (n, n, references, n, letters)).encode()


def uids(text):
    return {n for part in text.split(',') for a, _, b in [part.partition(':')] for n in range(int(a), int(b or a) + 1)}


def strings(value):
    if isinstance(value, (list, tuple)):
        return [strings(v) for v in value]
    return value if isinstance(value, (bytes, int, type(None))) else str(value)


def dump(c, numbers=True):
    """Everything that a client can know of an account: mailboxes with their attributes, and their messages."""
    out = {}
    r = c.ok('LIST "" * RETURN (SUBSCRIBED SPECIAL-USE)')
    for row in r.all('LIST'):
        attributes, _, name = row.data[0], row.data[1], row.data[2]
        kept = sorted(str(a).lower() for a in attributes)
        name = name.decode() if isinstance(name, bytes) else str(name)
        box = {'attributes': [a for a in kept if a != '\\marked' and a != '\\unmarked']}
        if '\\nonexistent' not in kept:
            c.ok('EXAMINE ' + quote(name))
            items = 'UID FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID ENVELOPE BODYSTRUCTURE BODY.PEEK[]'
            if numbers:
                items += ' SAVEDATE'
            rows = c.ok('FETCH 1:* (%s)' % items).fetches() if c.exists else {}
            box['messages'] = []
            for n in sorted(rows):
                a = dict(rows[n])
                a['FLAGS'] = sorted(str(f).lower() for f in a['FLAGS'] if str(f).lower() != '\\recent')
                if not numbers:
                    a.pop('UID', None)
                box['messages'].append({k: strings(v) for k, v in a.items() if k != 'MODSEQ'})
            if numbers:
                status = c.status(name, 'UIDVALIDITY', 'UNSEEN', 'DELETED', 'SIZE', 'MAILBOXID')
                box['status'] = {k: strings(v) for k, v in status.items()}
                kept = c.ok('GETMETADATA (DEPTH infinity) %s (/private /shared)' % quote(name)).one('METADATA')
                box['annotations'] = strings(kept.data[1])
        out[name] = box
    return out


def fill(server, user='user1'):
    """An account with something of everything."""
    c = server.login(user)
    for name in 'Work', 'Work/Year/2026', 'Gr&APwA3w-e':
        c.ok('CREATE ' + quote(name))
    c.ok('DELETE Archive')
    c.ok('CREATE Old (USE (\\Archive))')
    c.ok('SUBSCRIBE Work')
    c.ok('SUBSCRIBE Not/There')
    c.ok('UNSUBSCRIBE Junk')
    for i in range(40):
        c.append(text(i), 'INBOX', ['', '\\Seen', '\\Seen \\Flagged kw%d' % (i % 5), '$Junk Project'][i % 4],
                 '%02d-Mar-2024 10:%02d:00 +0530' % (i % 28 + 1, i))
    c.append(text(100, 700000), 'Work')
    c.append(b'Subject: 8 bit \xe4\xf6\r\n\r\n\xff\xfe\r\n', 'Work/Year/2026', '\\Draft')
    c.select('INBOX')
    c.ok('COPY 1:5 Work')
    c.ok('MOVE 6:8 Work/Year/2026')
    c.ok('STORE 1:2 +FLAGS (\\Deleted)')
    c.ok('EXPUNGE')
    c.ok('STORE 3 +FLAGS (\\Deleted)')
    c.ok('CREATE Gone')
    c.append(text(200), 'Gone')
    c.ok('DELETE Gone')
    c.close()
    deliver(server, user, 300)


def deliver(server, user, n):
    l = server.lmtp_connect()
    l.lhlo()
    assert l.deliver(text(n), [user])[0].code == 250
    l.close()


def everything(server, users=('user1', 'user2')):
    out = {}
    for user in users:
        c = server.login(user)
        out[user] = dump(c)
        c.close()
    return out


def lose(server):
    """The disk is gone."""
    shutil.rmtree(os.path.join(server.store, 'data', 'mail'))
    shutil.rmtree(os.path.join(server.store, 'data', 'auth'))


def test_whole(server, tool, tmp_path):
    """A backup of the running server, restored where nothing is left: all is as it was, and goes on with higher numbers."""
    fill(server)
    c = server.login('user2')
    c.append(text(7))
    for n in range(6):      # more than a row usually has
        c.ok('SETMETADATA INBOX (/private/n%d "%s")' % (n, 'x' * 30000))
    made = str(c.ok('GENURLAUTH "imap://user2@localhost/INBOX/;uid=1;urlauth=anonymous" INTERNAL').one('GENURLAUTH').data[0].decode())
    assert c.ok('URLFETCH "%s"' % made).one('URLFETCH').data[1] == text(7)
    # What each has read of a mailbox that they share.
    owner = server.login('user1')
    owner.ok('SETACL INBOX user2 lrs')
    owner.close()
    theirs = 'Other Users/user1/INBOX'
    c.select(theirs)
    c.ok('STORE 1,3 +FLAGS (\\Seen)')
    read, unseen = c.flags(), c.status(theirs, 'UNSEEN')
    c.close()
    before = everything(server)
    assert len(before['user2']['INBOX']['annotations']) == 12
    dest = tmp_path / 'backup'
    first = tool.json('backup', dest)[0]
    assert first['accounts'] == 2 and first['damaged'] == 0
    assert tool('backup', 'verify', dest).endswith('good\n')

    c = server.login('user1')
    later = c.append(text(8))
    c.ok('CREATE Later')
    validity = c.status('Later', 'UIDVALIDITY')['UIDVALIDITY']
    c.select('INBOX', ' (CONDSTORE)')
    modseq = c.status('INBOX', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
    c.ok('STORE 4 +FLAGS (\\Answered)')
    lost_emailid = strings(c.ok('UID FETCH %d (EMAILID)' % later).fetch()['EMAILID'])
    c.close()
    assert 'has mail already' in tool('restore', dest, fails=True)
    server.stop()
    lose(server)
    tool('restore', dest, '--dry-run')
    r = tool.json('restore', dest)[0]
    assert r['lost'] == 0 and r['accounts'] == 2 and r['users'] == 12
    tool('verify')
    server.start()

    assert everything(server) == before
    c = server.login('user1')
    guest = server.login('user2')
    guest.select(theirs)
    assert guest.flags() == read and [n for n in read if '\\seen' in read[n]] == [1, 3] and guest.status(theirs, 'UNSEEN') == unseen
    guest.close()
    # What URLs authorized to is taken back: it may have been taken back after the backup.
    assert c.ok('URLFETCH "%s"' % made).one('URLFETCH').data[1] is None
    assert c.append(text(9)) > later + 1000
    c.ok('CREATE Later')
    assert c.status('Later', 'UIDVALIDITY')['UIDVALIDITY'] > validity
    assert c.status('INBOX', 'HIGHESTMODSEQ')['HIGHESTMODSEQ'] > modseq + 2 ** 31
    # A client that saw what was lost learns that it is gone, and all flags.
    box = before['user1']['INBOX']
    c.ok('ENABLE QRESYNC')
    r = c.ok('SELECT INBOX (QRESYNC (%d %d 1:%d))' % (box['status']['UIDVALIDITY'], modseq + 1, later))
    assert any(later in uids(str(x.data[-1])) for x in r.all('VANISHED'))
    assert len(r.fetches()) >= len(box['messages'])
    new = strings(c.ok('UID FETCH * (EMAILID)').fetch()['EMAILID'])
    assert new != lost_emailid
    c.close()


def test_whole_without_bytes(server, tool, tmp_path):
    """A message whose bytes are not in the backup is named; another backup that has them puts them back, once."""
    import hashlib
    c = server.login('user1')
    for i in range(3):
        c.append(text(i, 3000))
    c.close()
    good, bad = tmp_path / 'good', tmp_path / 'bad'
    tool('backup', good)
    tool('backup', bad)
    pack, = (bad / 'packs').iterdir()
    _, at, n, _ = next(o for o in objects(pack) if o[3] == hashlib.sha256(text(1, 3000)).hexdigest())
    kept = pack.read_bytes()
    pack.write_bytes(kept[:at + n // 2] + bytes([kept[at + n // 2] ^ 1]) + kept[at + n // 2 + 1:])
    server.stop()
    lose(server)
    assert '1 messages are lost' in tool('restore', bad, fails=True)
    server.expect_errors = True     # of the message that is asked for without its bytes
    server.start()
    c = server.login('user1')
    c.select()
    assert c.exists == 3 and c.cmd('FETCH 2 BODY.PEEK[]').status != 'OK'
    assert tool.json('restore', good, '--account', 'user1')[-1]['restored'] == 1
    assert tool.json('restore', good, '--account', 'user1')[-1]['restored'] == 0
    c.ok('NOOP')
    assert bytes(c.ok('FETCH 4 BODY.PEEK[]').fetch()['BODY[]']) == text(1, 3000)
    c.close()


def flip(table):
    """Turns a bit of its first block; returns what it held."""
    kept = table.read_bytes()
    table.write_bytes(kept[:20] + bytes([kept[20] ^ 4]) + kept[21:])
    return kept


def test_damaged_store(server, tool, tmp_path):
    """A block that can't be read is named, all else is saved, and no older backup goes for such a one; what was saved is restored."""
    fill(server)
    fill(server, 'user2')
    server.stop()
    dest, with_gaps = tmp_path / 'dest', 0
    for table in sorted(pathlib.Path(mail_folder(server)).glob('*.sst')):
        tool('backup', dest)
        kept = flip(table)
        there = len(tool.json('backup', 'list', dest))
        done = subprocess.run(tool.command('--json', 'backup', '--keep', '1', dest), capture_output=True, text=True, timeout=120)
        if done.stdout and json.loads(done.stdout)['gaps']:
            with_gaps += 1
            assert done.returncode == 1 and 'is not in the backup' in done.stderr and 'account user' in done.stderr
            assert len(tool.json('backup', 'list', dest)) == there + 1
            shutil.rmtree(tmp_path / 'partial', ignore_errors=True)
            shutil.copytree(dest, tmp_path / 'partial')
        table.write_bytes(kept)
    assert with_gaps >= 2
    lose(server)
    tool('restore', tmp_path / 'partial')
    server.expect_errors = True     # of what was not saved
    server.start()
    for user in 'user1', 'user2':
        c = server.login(user)
        c.ok('NOOP')
        c.close()


def waiting(fd):
    """Bytes that can be read."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_one_restore_at_a_time(server, tool, tmp_path):
    """Two that look at the same time what an account lacks would both add it: the second is refused until the first has ended."""
    user = server.user()
    c = server.login(user)
    for n in range(100):
        c.append(text(n))
    tool('backup', tmp_path / 'b')
    c.select()
    expunge(c, '1:*')
    command = tool.command('--json', 'restore', tmp_path / 'b', '--account', user, '--dry-run')
    out, into = os.pipe()       # with room for what it says first: then it has begun, and waits
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, bytes(4096))
    os.set_blocking(into, True)
    full = waiting(out)
    os.read(out, 4096)
    first = subprocess.Popen(command, stdout=into)
    os.close(into)
    wait_until(lambda: waiting(out) == full)
    said = tool('restore', tmp_path / 'b', '--account', user, fails=True)
    assert 'Another restore puts mail into this account now' in said
    assert first.poll() is None
    with open(out, 'rb') as f:
        f.read()
    assert first.wait(60) == 0
    assert tool.json('restore', tmp_path / 'b', '--account', user)[-1]['restored'] == 100


def test_restore_of_copies(server, tool, tmp_path):
    """A message that a mailbox has twice, asked for in two questions, of which the second comes while the first is on its way."""
    user = server.user()
    c = server.login(user)
    messages = [text(n) for n in range(512)]
    for at in range(0, len(messages), 64):
        c.ok('APPEND INBOX', *[part for m in messages[at:at + 64] for part in (' ', Lit(m))])
    c.select()
    c.ok('COPY 512 INBOX')
    c.close()
    tool('backup', tmp_path / 'b')
    server.stop()
    shutil.rmtree(mail_folder(server))      # where nobody has these bytes
    server.start()
    tool('restore', tmp_path / 'b', '--account', user, '--mailbox', 'INBOX', '--uid', 1)    # so that what is on its way is no whole batch
    done = tool.json('restore', tmp_path / 'b', '--account', user)[-1]
    assert (done['restored'], done['there'], done['repaired']) == (511, 2, 0)
    c = server.login(user)
    c.select()
    assert c.exists == 512
    c.close()
    server.stop()
    tool('verify')      # finds nothing: bytes have as many links as there are messages
    server.start()


def each_damage(server, tmp_path):
    """For each table and file of blobs of the store, whose server has stopped: the server runs on a copy in which one bit of it has turned."""
    server.expect_errors = True     # of what the engine can't read
    mail, whole = pathlib.Path(mail_folder(server)), tmp_path / 'whole'
    subprocess.run(['cp', '-a', mail, whole], check=True)
    for name in sorted(t.name for t in whole.iterdir() if t.suffix in ('.sst', '.blob')):
        shutil.rmtree(mail)
        subprocess.run(['cp', '-a', whole, mail], check=True)
        flip(mail / name)
        server.start()
        yield name
        server.stop()


def test_restore_beside_damage(server, tool, tmp_path):
    """
    Messages whose records can't be read come back from the backup, once, and the others aren't doubled. Those whose bytes can't be
    read have them again, with the UIDs that they had.
    """
    user, messages = server.user(), 40
    c = server.login(user)
    for n in range(messages):       # records so large that few share a block
        c.append(text(n).replace(b'Subject', b'X: %s\r\nSubject' % random.randbytes(400).hex().encode() * 2, 1))
    c.close()
    dest = tmp_path / 'b'
    tool('backup', dest)
    server.stop()
    came, repaired = [], []

    def look():
        """The messages that can be read, and how many are there."""
        c = server.connect()
        if c.cmd('LOGIN %s %s' % (user, server.password)).status != 'OK' or c.cmd('SELECT INBOX').status != 'OK':
            c.close()
            return None, 0
        found = {n: a['BODY[]'] for n, a in c.cmd('FETCH 1:* (BODY.PEEK[])').fetches().items() if a.get('BODY[]')}
        exists = c.exists
        c.close()
        return sorted(int(re.search(rb'Subject: message (\d+)', t).group(1)) for t in found.values()), exists

    def restore():
        done = tool.json('restore', dest, '--account', user)[-1]
        return done['restored'], done['repaired']

    for name in each_damage(server, tmp_path):
        left, _ = look()
        if left is not None:
            n, again = restore()
            came.append(n)
            repaired.append(again)
            assert restore() == (0, 0)
            found, exists = look()
            assert found == list(range(messages)) and exists == messages + n, name
    assert 0 in came and any(came) and any(repaired), (came, repaired)


# ---- undelete ----

def undelete(tool, user, *args):
    return tool.json('undelete', '--account', user, *args)


def texts(c, mailbox='INBOX'):
    c.ok('EXAMINE ' + quote(mailbox))
    return {int(re.search(rb'Subject: message (\d+)', a['BODY[]']).group(1)): a
            for a in c.ok('FETCH 1:* (UID FLAGS INTERNALDATE EMAILID BODY.PEEK[])').fetches().values()} if c.exists else {}


def expunge(c, what):
    c.ok('STORE %s +FLAGS.SILENT (\\Deleted)' % what)
    c.ok('EXPUNGE')


def test_undelete_brings_annotations(server, tool):
    """Those of expunged messages, and of a deleted mailbox's (RFC 5257); after a crash too; verify knows them."""
    user = server.user()
    c = server.login(user)
    c.ok('CREATE gone')
    for box in ('INBOX', 'gone'):
        c.append(text(1), box)
        c.append(text(2), box)
        c.select(box)
        c.ok('STORE 1 ANNOTATION (/comment (value.priv "mine" value.shared "all") /1/flags/seen (value.priv "1"))')
    c.select()
    expunge(c, '1:2')
    c.ok('DELETE gone')
    server.crash()
    server.start()
    assert len(undelete(tool, user)) == 4
    tool('verify')
    c = server.login(user)
    for box in ('INBOX', 'gone'):
        c.select(box)
        assert c.ok('SEARCH ANNOTATION /comment value.priv "mine" ANNOTATION /comment value.shared "all"').search() == [1]
        assert c.ok('SEARCH ANNOTATION /1/flags/seen value.priv "1"').search() == [1]
        assert c.ok('SEARCH ANNOTATION * value NIL').search() == [2]
    c.close()


def test_undelete_expunged(server, tool):
    """Bit for bit, with flags, keywords and dates; a client that idles sees it at once; nothing is doubled."""
    user = server.user()
    c = server.login(user)
    for i in range(6):
        c.append(text(i), 'INBOX', '\\Flagged kw%d' % i, '0%d-Feb-2023 01:02:03 -0700' % (i + 1))
    before = texts(c)
    c.select()
    expunge(c, '2:4')
    watcher = server.login(user)
    watcher.select()
    tag = watcher.idle()
    listed = undelete(tool, user, '--dry-run')
    assert [(m['mailbox'], m['uid']) for m in listed] == [('INBOX', 2), ('INBOX', 3), ('INBOX', 4)]
    assert sorted(texts(c)) == [0, 4, 5]
    assert undelete(tool, user) == listed
    watcher.wait_name('EXISTS', 6)
    watcher.done(tag)
    after = texts(c)
    assert sorted(after) == list(range(6))
    for n, a in after.items():
        b = before[n]
        assert a['BODY[]'] == b['BODY[]'] == text(n) and a['INTERNALDATE'] == b['INTERNALDATE']
        assert strings(a['EMAILID']) == strings(b['EMAILID'])
        assert {str(f).lower() for f in a['FLAGS']} - {'\\recent'} == {str(f).lower() for f in b['FLAGS']} - {'\\recent'}
        assert (a['UID'] > 6) == (n in (1, 2, 3))
    assert undelete(tool, user) == []
    c.select()
    expunge(c, '1:*')
    server.crash()
    server.start()
    assert len(undelete(tool, user)) == 6
    tool('verify')
    c = server.login(user)
    assert {n: a['BODY[]'] for n, a in texts(c).items()} == {n: text(n) for n in range(6)}
    c.close()
    watcher.close()
    assert 'no account' in tool('undelete', '--account', 'nobody', fails=True)


def test_undelete_mailboxes(server, tool):
    """A deleted mailbox, its children and its use; a moved message is not gone; a restart in between."""
    user = server.user()
    c = server.login(user)
    c.ok('CREATE Projects')
    c.ok('CREATE Projects/Old/Deep')
    c.ok('CREATE Empty')
    c.ok('SUBSCRIBE Projects/Old/Deep')
    c.ok('DELETE Archive')
    c.ok('CREATE Box (USE (\\Archive))')
    for i in range(3):
        c.append(text(i), 'Projects', 'kw%d' % i)
        c.append(text(10 + i), 'Projects/Old/Deep', '\\Answered')
        c.append(text(20 + i), 'Box')
    c.append(text(30))
    c.append(text(31))
    c.select()
    c.ok('MOVE 1 Trash')
    c.select('Projects')
    expunge(c, '1')
    c.ok('UNSELECT')
    before = dump(c, numbers=False)
    for name in 'Projects/Old/Deep', 'Projects/Old', 'Projects', 'Empty', 'Box':
        c.ok('DELETE ' + name)
    c.close()
    server.stop()
    server.start()
    back = undelete(tool, user)
    assert len(back) == 9 and 'INBOX' not in [m['mailbox'] for m in back]
    c = server.login(user)
    after = dump(c, numbers=False)
    assert sorted(texts(c, 'Projects')) == [0, 1, 2]
    # The one that was expunged before its mailbox went has come back too, behind the others.
    for m in after['Projects']['messages']:
        m.pop('EMAILID')
    first = next(m for m in after['Projects']['messages'] if b'message 0\r\n' in m['BODY[]'])
    assert first['FLAGS'] == ['kw0']
    del before['Projects'], after['Projects'], after['Archive']
    before.pop('Archive', None)
    assert after == before
    c.close()


def test_undelete_of_a_damaged_store(server, tool, tmp_path):
    """What damage hides does not come back, and that is said; all else does."""
    user, messages = server.user(), 12
    c = server.login(user)
    c.ok('CREATE other')
    for box in 'INBOX', 'other':
        for n in range(messages):
            c.append(text(n), box)
    for box in 'INBOX', 'other':
        c.select(box)
        for n in range(messages):       # records so large that few share a block
            c.ok('STORE 1 ANNOTATION (/comment (value.priv "%s"))' % random.randbytes(1500).hex())
            expunge(c, '1')
    c.close()
    server.stop()
    listed = []

    def undelete_all(*args):
        done = subprocess.run(tool.command('--json', 'undelete', '--account', user, *args), capture_output=True, text=True, timeout=60)
        return done.returncode, len(done.stdout.splitlines()), done.stderr

    for _ in each_damage(server, tmp_path):
        status, count, said = undelete_all('--dry-run')
        if status == 0 or 'all else can' in said:
            listed.append(count)
            assert (status == 0) == (count == 2 * messages), said
        if 0 < count < 2 * messages:        # a block of the past
            assert undelete_all()[:2] == (1, count)
            c = server.login(user)
            assert sum(len(texts(c, box)) for box in ('INBOX', 'other')) == count
            c.close()
    assert 2 * messages in listed and any(0 < n < 2 * messages for n in listed), listed


def test_undelete_at(server, tool):
    """What was there at a moment between two changes, and nothing else."""
    user = server.user()
    c = server.login(user)
    for i in range(4):
        c.append(text(i))
    c.ok('CREATE A')
    c.append(text(10), 'A')
    c.select()
    expunge(c, '1')
    gap(c)
    moment = '@%d' % time.time()
    gap(c)
    expunge(c, '1')
    c.ok('MOVE 1 A')
    c.append(text(5))
    c.ok('RENAME A B')
    c.select('B')
    expunge(c, '1:2')
    c.select()
    expunge(c, '2')
    # Message 0 was gone already, 5 had not come; 2 was in INBOX then, and is nowhere now; 10 was in A, which is B now.
    assert sorted((m['mailbox'], m['uid']) for m in undelete(tool, user, '--at', moment)) == [('B', 1), ('INBOX', 2), ('INBOX', 3)]
    assert sorted(texts(c)) == [1, 2, 3]
    assert sorted(texts(c, 'B')) == [10]
    # Since that moment: also what came after it.
    assert sorted((m['mailbox'], m['uid']) for m in undelete(tool, user, '--since', moment)) == [('B', 2), ('INBOX', 5)]
    assert sorted(texts(c)) == [1, 2, 3, 5]
    assert [m['uid'] for m in undelete(tool, user, '--mailbox', 'INBOX', '--uid', 1)] == [1]
    assert sorted(texts(c)) == [0, 1, 2, 3, 5]
    c.close()


def gap(c):
    """Waits for the next second: dates of mailbox entries are in seconds."""
    second = int(time.time())
    wait_until(lambda: int(time.time()) > second)


# ---- parts of a backup, into a server that runs ----

def test_restore_parts(server, tool, tmp_path):
    """A message, a mailbox, an account, into the same or another one; nothing is overwritten or doubled."""
    user = server.user()
    fill(server, user)
    c = server.login(user)
    before = dump(c, numbers=False)
    dest = tmp_path / 'b'
    tool('backup', dest)
    assert tool.json('restore', dest, '--account', user)[-1]['restored'] == 0

    c.select()
    kept = c.uid_map()
    lost = sorted(kept)[:3]
    expunge(c, '1:3')
    mine = c.append(text(1000), 'INBOX', '\\Answered')
    c.ok('STORE 5 +FLAGS (changed)')
    c.ok('DELETE Work')
    one = tool.json('restore', dest, '--account', user, '--mailbox', 'INBOX', '--uid', lost[1])
    assert (one[0]['uid'], one[0]['result'], one[-1]['restored']) == (lost[1], 'restored', 1)
    c.ok('NOOP')
    email = one[0]['emailid']
    expunge(c, '%d' % c.exists)
    missing = tool.json('restore', dest, '--account', user, '--message', email, '--dry-run')
    assert [m['mailbox'] for m in missing[:-1]] == ['INBOX', 'Work'] and missing[-1]['restored'] == 2
    assert tool.json('restore', dest, '--account', user, '--mailbox', 'Work')[-1]['restored'] == len(before['Work']['messages'])
    assert tool.json('restore', dest, '--account', user)[-1]['restored'] == 3
    assert tool.json('restore', dest, '--account', user)[-1]['restored'] == 0
    after = dump(c, numbers=False)
    inbox = after.pop('INBOX')['messages']
    messages = {m['EMAILID'][0]: m for m in inbox}
    assert len(messages) == len(inbox) == len(kept) + 1
    for m in before.pop('INBOX')['messages']:
        got = messages[m['EMAILID'][0]]
        m['FLAGS'] = [f for f in m['FLAGS'] if f not in ('\\deleted', 'changed')]
        got['FLAGS'] = [f for f in got['FLAGS'] if f not in ('\\deleted', 'changed')]
        assert got == m
    assert after == before
    c.select()
    assert '\\Answered' in map(str, c.ok('UID FETCH %d (FLAGS)' % mine).fetch()['FLAGS'])

    other = server.user()
    n = tool.json('restore', dest, '--account', user, '--to', other)[-1]['restored']
    d = server.login(other)
    assert n == sum(len(box.get('messages', [])) for box in dump(d, numbers=False).values())
    assert {k: v['BODY[]'] for k, v in texts(d, 'Work').items()} == {k: v['BODY[]'] for k, v in texts(c, 'Work').items()}
    assert tool.json('restore', dest, '--account', user, '--to', other)[-1]['restored'] == 0
    assert 'no account' in tool('restore', dest, '--account', 'nobody', fails=True)
    assert 'no mailbox "Wrok"' in tool('restore', dest, '--account', user, '--mailbox', 'Wrok', fails=True)
    for what in ('--mailbox', 'INBOX', '--uid', '99999'), ('--message', 'M' + 'f' * 16 + '-' + 'f' * 8):
        assert 'no such message' in tool('restore', dest, '--account', user, *what, fails=True)
    c.close()
    d.close()


def test_add_all(server, tool, tmp_path):
    """--add: what is missing anywhere comes back, into the running server, and nothing else is changed; from a stream too."""
    users = [server.user(), server.user()]
    clients = [server.login(u) for u in users]
    for n, c in enumerate(clients):
        c.append(text(n))
        c.append(text(n + 10), 'INBOX', 'kept%d' % n)
    stream = tool.bytes('backup', '-')
    (tmp_path / 'stream').write_bytes(stream)
    tool('backup', tmp_path / 'b')
    for n, c in enumerate(clients):
        c.select()
        expunge(c, '1')
        c.append(text(n + 20))
    tool('user', 'delete', users[1], '--mail')
    for source in tmp_path / 'b', tmp_path / 'stream':
        assert tool.json('restore', source, '--add', '--dry-run')[-1]['restored'] == 3
    assert tool.json('restore', tmp_path / 'b', '--add')[-1]['restored'] == 3
    assert tool.json('restore', tmp_path / 'stream', '--add')[-1]['restored'] == 0
    clients[1].close()
    clients[1] = server.login(users[1])
    assert sorted(texts(clients[0])) == [0, 10, 20] and sorted(texts(clients[1])) == [1, 11]
    assert 'kept1' in map(str, texts(clients[1])[11]['FLAGS'])
    # One account out of a stream that comes through a pipe, into another.
    other = server.user()
    r = subprocess.run(tool.command('restore', '-', '--account', users[0], '--to', other), input=stream, capture_output=True, timeout=60)
    assert r.returncode == 0, r.stderr
    c = server.login(other)
    assert sorted(texts(c)) == [0, 10]
    for x in [c, *clients]:
        x.close()


SEEN = '/shared/vendor/posthorn/seen'


def said_of(c, name):
    """What a client can know of a mailbox beside its messages; None: it is not there, or nobody may know."""
    r = c.cmd('GETMETADATA (DEPTH infinity) %s (/private /shared)' % quote(name))
    if r.status != 'OK':
        return None
    entries = strings(r.one('METADATA').data[1])
    kept = {entries[i].lower(): entries[i + 1] for i in range(0, len(entries), 2)}
    r = c.cmd('GETACL ' + quote(name))
    acl = strings(r.one('ACL').data[1:]) if r.status == 'OK' else []
    return {k: v for k, v in kept.items() if not k.startswith('/shared/vendor/posthorn/size')}, dict(zip(acl[::2], acl[1::2]))


def test_made_again_as_it_was(server, tool, tmp_path):
    """Undelete and a restore of a part: annotations, access control list, special use and whose \\Seen it is."""
    joe, ann, copy = (server.user() for _ in range(3))
    c, d = server.login(joe), server.login(ann)
    theirs = 'Other Users/%s/Team' % joe
    c.ok('DELETE Archive')
    c.ok('CREATE Team (USE (\\Archive))')
    c.append(text(1), 'Team')
    c.ok('SETACL Team %s lrsw' % ann)
    c.ok('SETACL Team -%s w' % ann)
    c.ok('SETMETADATA Team (/shared/comment "for all" /private/comment "mine" %s "shared")' % SEEN)
    d.ok('SETMETADATA %s (/private/comment "hers")' % quote(theirs))
    c.ok('SETMETADATA "" (/private/comment "of the server")')
    c.ok('CREATE Team/Own')     # whose list is not that of the one above it
    c.ok('DELETEACL Team/Own %s' % ann)
    before, hers, own = said_of(c, 'Team'), said_of(d, theirs), said_of(c, 'Team/Own')
    assert before[0]['/shared/comment'] == b'for all' and ann in before[1] and ann not in own[1]
    dest = tmp_path / 'b'
    tool('backup', dest)

    def lose_it():
        c.ok('DELETE Team/Own')
        c.ok('DELETE Team')
        assert said_of(d, theirs) is None

    def check():
        assert said_of(c, 'Team') == before and said_of(d, theirs) == hers and said_of(c, 'Team/Own') == own
        assert said_of(d, theirs + '/Own') is None
        row = next(row for row in c.ok('LIST "" Team RETURN (SPECIAL-USE)').all('LIST'))
        assert '\\archive' in [str(a).lower() for a in row.data[0]]
        assert len(d.ok('LIST "" "Other Users/*"').all('LIST')) >= 1
        d.select(theirs)
        d.ok('STORE 1 +FLAGS (\\Seen)')
        assert c.status('Team', 'UNSEEN')['UNSEEN'] == 0    # there is one \Seen
        d.ok('STORE 1 -FLAGS (\\Seen)')
        d.ok('UNSELECT')

    lose_it()
    undelete(tool, joe)
    check()
    server.crash()
    server.start()
    c, d = server.login(joe), server.login(ann)
    lose_it()
    tool('restore', dest, '--account', joe)
    check()
    tool('verify')

    # Somebody else's copy is his alone.
    tool('restore', dest, '--account', joe, '--to', copy)
    e = server.login(copy)
    said = said_of(e, 'Team')
    assert said[0]['/shared/comment'] == b'for all' and said[0]['/private/comment'] == b'mine' and ann not in said[1]
    assert said_of(d, 'Other Users/%s/Team' % copy) is None
    assert e.ok('GETMETADATA "" /private/comment').one('METADATA').data[1][1] == b'of the server'
    e.close()

    # What is there stays as it is, and a whole account that was deleted comes back with all of it.
    c.ok('SETMETADATA Team (/shared/comment "newer")')
    tool('restore', dest, '--account', joe)
    assert said_of(c, 'Team')[0]['/shared/comment'] == b'newer'
    c.close()
    tool('user', 'delete', joe, '--mail')
    tool('restore', dest, '--account', joe)
    c = server.login(joe)
    before[0].pop('/private/specialuse')    # a new account's own Archive has it
    assert said_of(c, 'Team') == before and said_of(d, theirs) == hers and said_of(c, 'Team/Own') == own
    assert said_of(d, theirs + '/Own') is None
    assert c.ok('GETMETADATA "" /private/comment').one('METADATA').data[1][1] == b'of the server'
    c.close()
    d.close()


def test_restore_at(server, tool, tmp_path):
    """A moment that lies between two changes, and between two backups: the later one leads back to it."""
    user = server.user()
    c = server.login(user)
    dest = tmp_path / 'b'
    c.append(text(0))
    c.append(text(1))
    tool('backup', dest)
    c.append(text(2))
    gap(c)
    moment = '@%d' % time.time()
    gap(c)
    c.append(text(3))
    c.select()
    expunge(c, '2')
    c.ok('MOVE 1 Trash')
    tool('backup', dest)
    other = server.user()
    tool('restore', dest, '--account', user, '--to', other, '--at', moment)
    d = server.login(other)
    assert sorted(texts(d)) == [0, 1, 2] and texts(d, 'Trash') == {}
    names = [b['backup'] for b in tool.json('backup', 'list', dest)]
    other = server.user()
    tool('restore', dest, '--account', user, '--to', other, '--backup', names[0])
    d = server.login(other)
    assert sorted(texts(d)) == [0, 1]
    c.close()
    d.close()


# ---- while others write, and when something dies ----

class Writer(threading.Thread):
    """Appends message after message to INBOX, and moves each to Trash when the next one is there."""

    def __init__(self, server, user):
        super().__init__()
        self.server, self.user, self.count, self.ends, self.error = server, user, 0, False, None

    def run(self):
        try:
            c = self.server.login(self.user)
            c.select()
            while not self.ends:
                c.append(text(self.count), 'INBOX', 'n%d' % (self.count % 7))
                self.count += 1
                if self.count > 1:
                    c.ok('MOVE 1 Trash')
            c.close()
        except Exception as e:
            self.error = e


def test_while_writing(server, tool, tmp_path):
    """Ten connections write; in the backup every account is at one version: nothing is missing in between, nothing is twice."""
    writers = [Writer(server, server.user()) for _ in range(10)]
    for w in writers:
        w.start()
    wait_until(lambda: all(w.count > 5 for w in writers))
    dest, saved = tmp_path / 'b', []
    for _ in range(3):
        before = [w.count for w in writers]
        name = tool.json('backup', dest)[0]['backup']
        saved.append((name, before, [w.count + 1 for w in writers]))
        now = [w.count for w in writers]
        wait_until(lambda: all(w.count > n for w, n in zip(writers, now)))
    for w in writers:
        w.ends = True
        w.join()
        assert w.error is None
    assert tool('backup', 'verify', dest).endswith('good\n')
    server.stop()
    for name, before, after in saved[1:]:
        lose(server)
        tool('restore', dest, '--backup', name)
        server.start()
        for w, low, high in zip(writers, before, after):
            c = server.login(w.user)
            inbox, trash = texts(c), texts(c, 'Trash')
            assert set(inbox) & set(trash) == set() or len(inbox) <= 2
            numbers = sorted([*inbox, *trash])
            assert numbers == list(range(len(numbers))), 'gaps, or a message in two mailboxes'
            assert low <= len(numbers) <= high
            for n, a in [*inbox.items(), *trash.items()]:
                assert a['BODY[]'] == text(n) and 'n%d' % (n % 7) in map(str, a['FLAGS'])
            c.close()
        server.stop()
    print('%d messages in the last of %d backups' % (sum(saved[-1][1]), len(saved)))


def start(tool, *args):
    return subprocess.Popen(tool.command(*args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def killed_after(process, seconds):
    """kill -9 at that moment of its life; whether it had ended before."""
    try:
        return process.wait(seconds) is not None
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def mailbox_count(server, user):
    c = server.login(user)
    n = len(texts(c))
    c.close()
    return n


def test_kill_the_tool(server, tool, tmp_path):
    """kill -9 during backups and whole restores: earlier backups stay whole, and a data directory has all mail or none."""
    rng = random.Random(int(os.environ.get('POSTHORN_TEST_SEED', '4711')))
    user = server.user()
    c = server.login(user)
    for i in range(60):
        c.append(text(i, 20000))
    dest = tmp_path / 'b'
    tool('backup', dest)
    took = time.monotonic()
    tool('backup', tmp_path / 'whole')
    took = time.monotonic() - took
    killed = 0
    for i in range(ROUNDS):
        c.append(text(100 + i, 20000))
        killed += not killed_after(start(tool, 'backup', dest, '--keep', 3), rng.uniform(0, took))
        assert tool('backup', 'verify', dest).endswith('good\n')
        assert tool.json('backup', 'list', dest)
    # The daemon has let go of what the dead tools asked for.
    wait_until(lambda: not [n for n in os.listdir(mail_folder(server)) if n.startswith('checkpoint')])
    tool('backup', dest, '--keep', 1)
    before = dump(c)
    c.close()
    server.stop()
    lose(server)
    for i in range(ROUNDS):
        if killed_after(start(tool, 'restore', dest), rng.uniform(0, took)):
            break
        killed += 1
        assert not os.path.exists(os.path.join(mail_folder(server), 'CURRENT'))
    if not os.path.exists(os.path.join(mail_folder(server), 'CURRENT')):
        tool('restore', dest)
    server.start()
    c = server.login(user)
    assert dump(c) == before
    c.close()
    assert not os.path.exists(mail_folder(server) + '.restoring')
    print('%d times killed' % killed)


def test_no_room(server, tool, tmp_path):
    """A file that may not grow stands for a full disk: what is said is a line each, and nothing is left that takes room."""
    c = server.login(server.user())
    c.append(text(1, 300000))
    c.close()
    tool('backup', tmp_path / 'whole')
    size = max(p.stat().st_size for p in (tmp_path / 'whole' / 'packs').iterdir())
    for limit in size - 1, size // 2, 10:
        dest = tmp_path / str(limit)
        said = tool('backup', dest, fails=True, stdin=subprocess.DEVNULL, restore_signals=False,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert all(line.startswith('posthorn: ') or line.endswith('.') for line in said.splitlines()), said
        assert not [p for p in dest.rglob('*') if p.name in ('tmp', '.tmp')]
    tool('backup', dest)
    assert tool('backup', 'verify', dest).endswith('good\n')


def test_two_at_once(server, tool, tmp_path):
    """While a whole backup is restored, neither a server nor another restore begins anything in its place."""
    fill(server)
    before = everything(server)
    dest = tmp_path / 'b'
    tool('backup', dest)
    server.stop()
    shutil.rmtree(mail_folder(server))
    users = sqlite3.connect(os.path.join(server.store, 'data', 'auth', 'users.db'))
    users.execute('BEGIN IMMEDIATE')            # the first one waits for it, when it has built the store
    first = start(tool, 'restore', dest)
    wait_until(lambda: os.path.exists(os.path.join(mail_folder(server) + '.restoring', 'CURRENT')))
    assert 'in use' in tool('restore', dest, fails=True)
    users.rollback()
    users.close()
    assert first.wait() == 0
    server.start()
    after = everything(server)
    for user in before:
        assert sorted(before[user]) == sorted(after[user])


def test_kill_the_server(server, tool, tmp_path):
    """kill -9 of the server during backups and while mail is added: what is a backup is whole, and the same command does the rest."""
    rng = random.Random(int(os.environ.get('POSTHORN_TEST_SEED', '4712')))
    user = server.user()
    c = server.login(user)
    for i in range(80):
        c.append(text(i, 15000))
    c.close()
    dest = tmp_path / 'b'
    tool('backup', dest)
    for i in range(ROUNDS // 2):
        process = start(tool, 'backup', dest)
        killed_by = threading.Timer(rng.uniform(0, 0.3), server.crash)
        killed_by.start()
        process.wait(60)
        killed_by.join()
        assert tool('backup', 'verify', dest).endswith('good\n')
        server.start()
    assert not [n for n in os.listdir(mail_folder(server)) if n.startswith('checkpoint')]
    other = server.user()
    for i in range(ROUNDS // 2):
        process = start(tool, 'restore', dest, '--account', user, '--to', other)
        killed_by = threading.Timer(rng.uniform(0, 0.3), server.crash)
        killed_by.start()
        process.wait(60)
        killed_by.join()
        server.start()
    tool('restore', dest, '--account', user, '--to', other)
    c = server.login(other)
    c.select()
    assert c.exists == 80
    assert {n: a['BODY[]'] for n, a in texts(c).items()} == {i: text(i, 15000) for i in range(80)}
    c.close()


# ---- the folder ----

def folder_bytes(path):
    return sum(p.stat().st_size for p in pathlib.Path(path).rglob('*') if p.is_file())


def test_only_what_is_new(server, tool, tmp_path):
    """A second backup stores what is new; --keep gives back what only older ones had."""
    user = server.user()
    c = server.login(user)
    for i in range(100):
        c.append(text(i, 5000))
    dest = tmp_path / 'b'
    first = tool.json('backup', dest)[0]
    size = folder_bytes(dest)
    assert first['new_messages'] == 100 and 100 * 2000 < size < 100 * 8000, size
    again = tool.json('backup', dest)[0]
    assert again['new_objects'] == 0 and folder_bytes(dest) - size < 2000
    c.append(text(200, 5000))
    c.select()
    c.ok('STORE 1:10 +FLAGS (\\Seen)')
    third = tool.json('backup', dest)[0]
    assert third['new_messages'] == 1 and third['new_bytes'] < size / 4
    # Another user with the same mail: it is stored once.
    d = server.login(server.user())
    for i in range(100):
        d.append(text(i, 5000))
    assert tool.json('backup', dest)[0]['new_messages'] == 0
    assert len(tool.json('backup', 'list', dest)) == 4
    full = folder_bytes(dest)
    for x in c, d:
        x.close()
    tool('user', 'delete', user, '--mail')
    server.stop()
    server.start()
    # What came after a restart is elsewhere in a restored store, which is new.
    e = server.login(server.user())
    for i in range(100):
        e.append(text(300 + i, 500))
    e.close()
    tool('backup', dest, '--keep', 1)
    assert len(tool.json('backup', 'list', dest)) == 1
    assert tool('backup', 'verify', dest).endswith('good\n')
    assert folder_bytes(dest) <= full + 100000
    # What was restored is there already: only what says where the account goes on is new.
    server.stop()
    lose(server)
    tool('restore', dest)
    restored = tool.json('backup', dest)[0]
    print('after a restore %d bytes in %d objects' % (restored['new_bytes'], restored['new_objects']))
    assert restored['new_messages'] == 0 and restored['new_bytes'] < 5000
    print('first %d bytes, second %d, third %d' % (first['new_bytes'], again['new_bytes'], third['new_bytes']))


def test_stream(server, tool, tmp_path):
    """Through a pipe and back; a stream that was cut is no backup."""
    fill(server)
    before = everything(server, ['user1'])
    stream = tool.bytes('backup', '-')
    (tmp_path / 'stream').write_bytes(stream)
    assert tool('backup', 'verify', tmp_path / 'stream').endswith('good\n')
    (tmp_path / 'cut').write_bytes(stream[:-1])
    assert 'not whole' in tool('backup', 'verify', tmp_path / 'cut', fails=True)
    server.stop()
    lose(server)
    for cut in 0, 100, len(stream) - 1:
        r = subprocess.run(tool.command('restore', '-'), input=stream[:cut], capture_output=True, timeout=60)
        assert r.returncode == 1 and not os.path.exists(mail_folder(server))
    r = subprocess.run(tool.command('restore', '-'), input=stream, capture_output=True, timeout=60)
    assert r.returncode == 0, r.stderr
    server.start()
    assert everything(server, ['user1']) == before


def test_without_server(server, tool, tmp_path):
    """A store that no daemon has open is backed up as it lies; a folder of something else is refused."""
    fill(server)
    before = everything(server, ['user1'])
    server.stop()
    tool('backup', tmp_path / 'b')
    lose(server)
    tool('restore', tmp_path / 'b')
    assert 'has mail already' in tool('restore', tmp_path / 'b', fails=True)
    server.start()
    assert everything(server, ['user1']) == before
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'file').write_text('x')
    assert 'neither empty nor' in tool('backup', tmp_path / 'other', fails=True)
    assert 'no backup folder' in tool('backup', 'verify', tmp_path / 'other', fails=True)
    assert 'no such backup' in tool('restore', tmp_path / 'nothing', fails=True)


def test_newer_format(server, tool, tmp_path):
    """A backup of a program that knows a newer format is refused at the beginning, by name, and changes nothing; older ones can be had."""
    import hashlib
    user = server.user()
    c = server.login(user)
    c.append(text(1))
    dest = tmp_path / 'b'
    older = tool.json('backup', dest)[0]['backup']
    c.append(text(2))
    c.close()
    tool('backup', dest)
    manifest = sorted((dest / 'backups').iterdir())[-1]
    lines = manifest.read_bytes().splitlines(keepends=True)
    said = re.fullmatch(rb'format (\d+)\n', lines[1])
    # Up to 6 it is not said, for programs of that time would take the line for damage.
    known = int(said.group(1)) if said else 6

    def rewrite(*line):
        body = b''.join([lines[0], *line, *lines[2 if said else 1:-1]])
        manifest.write_bytes(body + b'end %s\n' % hashlib.sha256(body).hexdigest().encode())

    rewrite(b'format %d\n' % (known + 1), b'what nobody knows yet\n')
    server.stop()
    before = everything_below(server.store)
    shutil.move(os.path.join(server.store, 'data', 'mail'), tmp_path / 'mail')
    for args in ('restore', dest), ('restore', dest, '--add'), ('restore', dest, '--dry-run'):
        out = tool(*args, fails=True)
        assert manifest.name in out and 'format %d' % (known + 1) in out and 'newer version' in out, out
    assert not os.path.exists(mail_folder(server)) and not os.path.exists(mail_folder(server) + '.restoring')
    shutil.move(tmp_path / 'mail', os.path.join(server.store, 'data', 'mail'))
    assert everything_below(server.store) == before
    assert 'newer version' in tool('backup', 'verify', dest, fails=True)
    assert [(b['newer'], b['damaged']) for b in tool.json('backup', 'list', dest)] == [(False, False), (True, False)]
    server.start()
    # It is not thrown away by who can't read it, nor is what only it needs.
    assert 'NEWER' in tool('backup', dest, '--keep', 2, fails=True)
    assert len(list((dest / 'backups').iterdir())) == 3
    # Those of the formats before there was such a line say nothing, and are good.
    rewrite()
    assert tool('backup', 'verify', dest).endswith('good\n')
    for name, count in (older, 1), (manifest.name, 2):
        other = server.user()
        tool('restore', dest, '--account', user, '--to', other, '--backup', name)
        d = server.login(other)
        assert len(texts(d)) == count
        d.close()


def everything_below(path):
    """The files of a stopped server's data, with their bytes."""
    return {p.relative_to(path): p.read_bytes() for p in pathlib.Path(path, 'data').rglob('*') if p.is_file()}


def objects(path):
    """(kind, offset of the stored bytes, how many, SHA-256) of a pack."""
    data = path.read_bytes()
    count, at = (int.from_bytes(data[-64:-56], 'little'), int.from_bytes(data[-56:-48], 'little'))
    for i in range(count):
        e = data[at + 64 * i:at + 64 * i + 64]
        yield chr(e[56]), int.from_bytes(e[32:40], 'little') + 56, int.from_bytes(e[40:48], 'little'), e[:32].hex()


def test_flipped_bytes(server, tool, tmp_path):
    """Each is found, and what is lost by it is named; the next backup repairs what the server still has."""
    import hashlib
    user = server.user()
    c = server.login(user)
    c.ok('CREATE Lists')
    uid = [c.append(text(i, 3000), 'Lists') for i in range(5)][3]
    dest = tmp_path / 'b'
    tool('backup', dest)
    pack, = (dest / 'packs').iterdir()
    manifest, = (dest / 'backups').iterdir()
    good = pack.read_bytes()
    kind, at, n, _ = next(o for o in objects(pack) if o[3] == hashlib.sha256(text(3, 3000)).hexdigest())
    assert kind == 'b'
    pack.write_bytes(good[:at + n // 2] + bytes([good[at + n // 2] ^ 1]) + good[at + n // 2 + 1:])
    r = subprocess.run(tool.command('--json', 'backup', 'verify', dest), capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    named = [json.loads(line) for line in r.stdout.splitlines()]
    assert [(d['user'], d['mailbox'], d['uid']) for d in named if d.get('uid')] == [(user, 'Lists', uid)]
    assert named[0]['file'] == pack.name
    # All but that message can be restored, and it is named.
    other = server.user()
    r = subprocess.run(tool.command('restore', dest, '--account', user, '--to', other), capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and 'UID %d is damaged' % uid in r.stderr
    d = server.login(other)
    assert sorted(texts(d, 'Lists')) == [0, 1, 2, 4]
    d.close()
    rng = random.Random(int(os.environ.get('POSTHORN_TEST_SEED', '4713')))
    for path, bytes_of in (pack, good), (manifest, manifest.read_bytes()):
        for _ in range(25):
            i = rng.randrange(len(bytes_of))
            path.write_bytes(bytes_of[:i] + bytes([bytes_of[i] ^ 1 << rng.randrange(8)]) + bytes_of[i + 1:])
            out = tool('backup', 'verify', dest, fails=True)
            assert path.name in out, (i, out)
        for cut in b'', bytes_of[:len(bytes_of) // 2], bytes(len(bytes_of)):
            path.write_bytes(cut)
            assert path.name in tool('backup', 'verify', dest, fails=True)
        path.write_bytes(bytes_of)
        assert tool('backup', 'verify', dest).endswith('good\n')
    # A pack that is not whole any more: what it had is stored again.
    pack.write_bytes(good[:-1])
    tool('backup', dest, '--keep', 1)
    pack.unlink()
    assert tool('backup', 'verify', dest).endswith('good\n')
    c.close()


def test_damaged_objects_are_stored_again(server, tool, tmp_path):
    """A backup stores what is there already no second time, and does not read it: what verify --repair takes out it does."""
    import hashlib
    user = server.user()
    c = server.login(user)
    for i in range(5):
        c.append(text(i, 3000))
    dest = tmp_path / 'b'
    assert 'no such' in tool('backup', 'verify', dest, '--repair', fails=True).lower() and not dest.exists()
    tool('backup', dest)
    pack, = (dest / 'packs').iterdir()
    names = {hashlib.sha256(text(i, 3000)).hexdigest() for i in (1, 3)}
    data = pack.read_bytes()
    for _, at, n, name in objects(pack):
        if name in names:
            data = data[:at + n // 2] + bytes([data[at + n // 2] ^ 1]) + data[at + n // 2 + 1:]
    pack.write_bytes(data)
    tool('backup', dest)
    assert tool('backup', 'verify', dest, fails=True).count('the message is lost') == 2     # the account is the same in both
    out = tool('backup', 'verify', dest, '--repair', fails=True)
    assert '1 file was written anew' in out and not pack.exists()
    assert sorted(o[3] for p in (dest / 'packs').iterdir() for o in objects(p) if o[3] in names) == []
    assert 'written anew' not in tool('backup', 'verify', dest, '--repair', fails=True)     # they are missing now; nothing is damaged
    tool('backup', dest)
    assert tool('backup', 'verify', dest, '--repair').endswith('good\n')
    other = server.user()
    first = sorted((dest / 'backups').iterdir())[0].name
    tool('restore', dest, '--account', user, '--to', other, '--backup', first)
    d = server.login(other)
    assert sorted(texts(d)) == [0, 1, 2, 3, 4]
    d.close()
    c.close()
