"""Quotas (RFC 9208): limits, use, what is refused with OVERQUOTA, who may see and set them."""

import threading

import pytest

from harness.imap import Lit, quote, text
from harness.server import Server
from harness.tool import Tool

pytestmark = pytest.mark.own_server


@pytest.fixture(scope='module')
def running():
    server = Server(users=80)
    server.start()
    yield server
    server.close()


@pytest.fixture
def tool(running):
    return Tool(running)


@pytest.fixture
def name(running):
    return running.user()


@pytest.fixture
def c(running, name):
    c = running.login(name)
    yield c
    c.close()


def message(size):
    head = b'Subject: %d\r\n\r\n' % size
    return head + b'x' * (size - len(head) - 2) + b'\r\n'


def usage(c, mailbox='INBOX'):
    """Resource → (used, limit) of the one root."""
    r = c.ok('GETQUOTAROOT ' + quote(mailbox))
    roots = [text(w) for w in r.one('QUOTAROOT').data[1:]]
    data = r.one('QUOTA').data
    assert [text(data[0])] == roots
    words = data[1]
    return dict((str(n).upper(), (u, l)) for n, u, l in zip(words[::3], words[1::3], words[2::3]))


def test_capability(c):
    """RFC 9208 3.1.1, 5: the resources; QUOTASET only for who may use it (4.1.3)."""
    caps = c.capabilities()
    assert {'QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE', 'QUOTA=RES-MAILBOX', 'QUOTA=RES-ANNOTATION-STORAGE'} <= caps
    assert 'QUOTASET' not in caps
    c.no('SETQUOTA "#user/x" (STORAGE 1)', code='NOPERM')


def test_no_limits(c, name):
    """RFC 9208 4.2.1: an empty list means that there are none."""
    r = c.ok('GETQUOTAROOT INBOX')
    assert [text(w) for w in r.one('QUOTAROOT').data] == ['INBOX', '#user/' + name]
    assert r.one('QUOTA').data[1] == []
    assert c.ok('GETQUOTA #user/' + name).one('QUOTA').data[1] == []


def test_use_is_exact(c, tool, name):
    """RFC 9208 5: STORAGE in units of 1024 octets, a copy counts again; MESSAGE and MAILBOX exact."""
    tool('user', 'quota', name, '--storage', '1M', '--messages', 100, '--mailboxes', 20)
    assert usage(c) == {'STORAGE': (0, 1024), 'MESSAGE': (0, 100), 'MAILBOX': (6, 20)}
    c.append(message(1500))
    assert usage(c) == {'STORAGE': (2, 1024), 'MESSAGE': (1, 100), 'MAILBOX': (6, 20)}
    c.select()
    c.ok('COPY 1 Trash')
    c.ok('CREATE a/b')
    c.ok('SUBSCRIBE not/there')
    assert usage(c) == {'STORAGE': (3, 1024), 'MESSAGE': (2, 100), 'MAILBOX': (8, 20)}
    c.ok('MOVE 1 Trash')
    assert usage(c)['MESSAGE'] == (2, 100)
    c.select('Trash')
    c.ok('STORE 1 +FLAGS (\\Deleted)')
    r = c.ok('STATUS Trash (MESSAGES DELETED DELETED-STORAGE)').one('STATUS')
    assert r.data[1] == ['MESSAGES', 2, 'DELETED', 1, 'DELETED-STORAGE', 1500]
    c.ok('EXPUNGE')
    assert usage(c)['STORAGE'] == (2, 1024)
    c.ok('DELETE Trash')
    c.ok('DELETE a')
    assert usage(c) == {'STORAGE': (0, 1024), 'MESSAGE': (0, 100), 'MAILBOX': (6, 20)}


def test_append(c, tool, name):
    """RFC 9208 4.3.1: NO [OVERQUOTA]; at the limit it is taken, one byte above not, and before it is sent."""
    tool('user', 'quota', name, '--storage', '4K')
    c.append(message(4096))
    tag = c.begin('APPEND INBOX ', Lit(message(100)))
    r = c.end(tag)
    assert r.status == 'NO' and r.code[0] == 'OVERQUOTA'
    assert not any(line.startswith(b'S: +') for line in c.log[-2:])
    c.select()
    c.ok('STORE 1 +FLAGS (\\Deleted)')
    c.ok('EXPUNGE')
    c.no('APPEND INBOX ', Lit(message(4097)), code='OVERQUOTA')
    c.append(message(4096))


def test_multiappend_is_all_or_nothing(c, tool, name):
    tool('user', 'quota', name, '--storage', '4K', '--messages', 10)
    c.no('APPEND INBOX ', Lit(message(2000)), ' ', Lit(message(2000)), ' ', Lit(message(2000)), code='OVERQUOTA')
    assert usage(c)['MESSAGE'] == (0, 10)
    c.ok('APPEND INBOX ', Lit(message(2000)), ' ', Lit(message(2000)))
    assert usage(c) == {'STORAGE': (4, 4), 'MESSAGE': (2, 10)}


def test_copy(c, tool, name):
    tool('user', 'quota', name, '--messages', 3)
    for _ in range(2):
        c.append(message(100))
    c.select()
    c.no('COPY 1:2 Trash', code='OVERQUOTA')
    assert c.ok('STATUS Trash (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 0]
    c.ok('COPY 2 Trash')
    c.no('UID COPY 1:* Trash', code='OVERQUOTA')
    c.ok('MOVE 1:2 Trash')          # nothing gets larger
    assert usage(c)['MESSAGE'] == (3, 3)


def test_create_and_rename(c, tool, name):
    tool('user', 'quota', name, '--mailboxes', 8)
    c.ok('CREATE one')
    c.no('CREATE two/three', code='OVERQUOTA')
    assert 'two' not in c.ok('LIST "" *').list()
    c.no('RENAME one new/parent/one', code='OVERQUOTA')
    c.ok('RENAME one other')
    c.ok('RENAME INBOX old')
    c.no('CREATE nine', code='OVERQUOTA')
    c.no('RENAME INBOX older', code='OVERQUOTA')
    c.ok('DELETE old')
    c.ok('CREATE nine')


def test_lowered_limits(c, tool, name):
    """What is there stays, and may be read, changed, made less; nothing can be added. SELECT says so."""
    for _ in range(3):
        c.append(message(3000))
    tool('user', 'quota', name, '--storage', '2K', '--messages', 1)
    r = c.select()
    warned = [u for u in r.untagged if u.name == 'NO']
    assert len(warned) == 1 and warned[0].code[0] == 'OVERQUOTA'
    assert not [u for u in c.ok('EXAMINE INBOX').untagged if u.name == 'NO']
    c.select()
    c.ok('STORE 1 +FLAGS (\\Flagged)')
    c.no('COPY 1 Trash', code='OVERQUOTA')
    c.ok('MOVE 1 Trash')
    c.no('APPEND INBOX ', Lit(message(20)), code='OVERQUOTA')
    c.ok('STORE 1:* +FLAGS (\\Deleted)')
    c.ok('EXPUNGE')
    tool('user', 'quota', name, '--storage', 'none', '--messages', 'none')
    c.append(message(3000))


def test_lmtp(running, c, tool, name):
    """A full account refuses for now; the other recipient gets the message."""
    other = running.user()
    tool('user', 'quota', name, '--messages', 1)
    c.append(message(100))
    l = running.lmtp_connect()
    answers = l.deliver(message(200), [name, other])
    assert [(a.code, a.enhanced) for a in answers] == [(452, '4.2.2'), (250, '2.0.0')]
    tool('user', 'quota', name, '--messages', 2)
    assert [a.code for a in l.deliver(message(200), [name, other])] == [250, 250]
    l.close()
    assert usage(c) == {'MESSAGE': (2, 2)}


def test_race(running, tool, name):
    """Sessions at the limit never exceed it together."""
    tool('user', 'quota', name, '--messages', 20)
    clients = [running.login(name) for _ in range(4)]
    results = []

    def work(c):
        for _ in range(10):
            results.append(c.cmd('APPEND INBOX ', Lit(message(100), plus=True)).status)

    threads = [threading.Thread(target=work, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results.count('OK') == 20 and results.count('NO') == 20
    assert usage(clients[0])['MESSAGE'] == (20, 20)
    for c in clients:
        c.close()


def test_others(running, c, tool, name):
    """RFC 9208 6, 8: others' roots are told to who may read the mailbox; what is put there counts there."""
    other = running.user()
    tool('user', 'quota', name, '--messages', 2)
    c.ok('CREATE box')
    o = running.login(other)
    theirs = 'Other Users/%s/box' % name
    o.no('GETQUOTA #user/' + name)
    ghost = o.no('GETQUOTAROOT ' + quote(theirs))
    assert ghost.text == o.no('GETQUOTAROOT ' + quote(theirs + 'ghost')).text
    c.ok('SETACL box %s li' % other)
    o.no('GETQUOTAROOT ' + quote(theirs), code='NOPERM')
    c.ok('SETACL box %s lrite' % other)
    assert usage(o, theirs) == {'MESSAGE': (0, 2)}
    for _ in range(3):
        o.append(message(100))
    o.select()
    o.no('COPY 1:3 ' + quote(theirs), code='OVERQUOTA')
    o.no('MOVE 1:3 ' + quote(theirs), code='OVERQUOTA')
    o.ok('COPY 1 ' + quote(theirs))
    o.ok('MOVE 1 ' + quote(theirs))
    o.no('APPEND %s ' % quote(theirs), Lit(message(100)), code='OVERQUOTA')
    assert usage(o, theirs) == {'MESSAGE': (2, 2)}
    assert usage(o) == {}
    o.select(theirs)
    o.ok('MOVE 1:2 INBOX')
    assert usage(c) == {'MESSAGE': (0, 2)}
    o.close()


def test_getquotaroot_of_no_mailbox(c):
    """RFC 9208 4.1.2: the mailbox need not be there."""
    assert text(c.ok('GETQUOTAROOT not-there').one('QUOTAROOT').data[0]) == 'not-there'


def test_syntax(c, name):
    for command in ('GETQUOTA', 'GETQUOTAROOT', 'GETQUOTA a b', 'SETQUOTA', 'SETQUOTA x', 'SETQUOTA x STORAGE 1',
                    'SETQUOTA x (STORAGE)', 'SETQUOTA x (STORAGE -1)', 'SETQUOTA x (STORAGE x)', 'SETQUOTA x (1 1)x'):
        c.bad(command)
    c.no('GETQUOTA nothing')
    c.no('GETQUOTA ""')
    c.no('GETQUOTA "#shared"')


def test_tool(c, tool, name):
    assert tool('user', 'quota', name).split() == ['storage', 'no', 'limit', 'messages', 'no', 'limit', 'mailboxes', 'no', 'limit',
                                                   'annotations', 'no', 'limit']
    tool('user', 'quota', name, '--messages', 7)
    tool('user', 'quota', name, '--storage', '2G')
    assert usage(c) == {'STORAGE': (0, 2 << 20), 'MESSAGE': (0, 7)}
    assert 'of 2147483648' in tool('user', 'quota', name)
    assert 'number' in tool('user', 'quota', name, '--messages', 'x', fails=True)
    tool('user', 'quota', '--shared', '--mailboxes', 3)
    assert 'mailboxes' in tool('user', 'quota', '--shared')


def test_defaults_and_admins():
    """Limits of the configuration hold for who has none of his own; quota_admins set them over IMAP (RFC 9208 4.1.3)."""
    options = {'quota_messages': '1', 'quota_storage': '1M', 'quota_admins': '{"user2"}', 'quota_delivery': 'refuse'}
    server = Server(users=4, args=[w for n, v in options.items() for w in ('--set', '%s=%s' % (n, v))])
    server.start()
    try:
        one, boss = server.login('user1'), server.login('user2')
        assert usage(one) == {'STORAGE': (0, 1024), 'MESSAGE': (0, 1)}
        one.append(message(100))
        one.no('APPEND INBOX ', Lit(message(100)), code='OVERQUOTA')
        l = server.lmtp_connect()
        assert [(a.code, a.enhanced) for a in l.deliver(message(200), ['user1'])] == [(552, '5.2.2')]
        l.close()
        assert 'QUOTASET' in boss.capabilities()
        r = boss.ok('SETQUOTA #user/user1 (STORAGE 512)')
        assert r.one('QUOTA').data[1] == ['STORAGE', 1, 512]
        boss.no('SETQUOTA #user/user1 (FLOPPIES 512)', code='CANNOT')
        boss.no('SETQUOTA #user/nobody (STORAGE 512)')
        for root in ('""', 'user1', '#user', '"#user/a//b"'):
            boss.no('SETQUOTA %s (STORAGE 512)' % root)
            boss.no('GETQUOTA %s' % root)
        one.append(message(100))
        assert boss.ok('GETQUOTA #user/user1').one('QUOTA').data[1] == ['STORAGE', 1, 512]
        boss.ok('SETQUOTA #user/user1 ()')
        assert usage(one) == {}
        one.close()
        boss.close()
    finally:
        server.close()


def test_after_a_restart():
    """Lists, limits and the index of what is shared are as durable as mail: here after kill -9."""
    server = Server(users=4)
    server.start()
    try:
        one, two = server.login('user1'), server.login('user2')
        one.ok('CREATE box')
        one.ok('SETACL box user2 lrsi')
        one.ok('SETACL box $sales lr')
        one.ok('SETACL box -user3 w')
        Tool(server)('user', 'quota', 'user1', '--messages', 1)
        two.ok('SUBSCRIBE "Other Users/user1/box"')
        two.append(message(100), 'Other Users/user1/box')
        before = one.ok('GETACL box').one('ACL').data
        server.expect_errors = True
        server.crash()
        server.start(server.base)
        one, two = server.login('user1'), server.login('user2')
        assert one.ok('GETACL box').one('ACL').data == before
        assert usage(one) == {'MESSAGE': (1, 1)}
        listed = two.ok('LIST "" * RETURN (SUBSCRIBED MYRIGHTS)')
        assert '\\subscribed' in listed.list()['Other Users/user1/box']
        assert [text(r.data[1]) for r in listed.all('MYRIGHTS') if text(r.data[0]).startswith('Other')] == ['lrsi']
        two.no('APPEND "Other Users/user1/box" ', Lit(message(100)), code='OVERQUOTA')
        one.close()
        two.close()
    finally:
        server.close()


def test_replace_counts_the_difference(c, tool, name):
    """RFC 8508 3.4: only the net consumption is considered."""
    tool('user', 'quota', name, '--storage', '4K', '--messages', '1')
    c.ok('APPEND INBOX ', Lit(message(3000)))
    c.select()
    c.no('APPEND INBOX ', Lit(message(3000), plus=True), code='OVERQUOTA')
    c.ok('REPLACE 1 INBOX ', Lit(message(3900)))
    c.no('REPLACE 1 INBOX ', Lit(message(9000), plus=True), code='OVERQUOTA')
    c.ok('REPLACE 1 INBOX ', Lit(message(100)))
    assert c.ok('SEARCH ALL').search() == [1]


def test_annotation_storage(c, tool, name):
    """RFC 9208 5.4: annotations of messages (RFC 5257), in units of 1024 octets; what makes none larger is always allowed."""
    tool('user', 'quota', name, '--annotations', '4K')
    c.append(message(100))
    c.append(message(100))
    c.select()
    assert usage(c) == {'ANNOTATION-STORAGE': (0, 4)}
    c.ok('STORE 1 ANNOTATION (/comment (value.priv ', Lit(b'x' * 2000), '))')
    assert usage(c) == {'ANNOTATION-STORAGE': (2, 4)}
    c.no('STORE 2 ANNOTATION (/comment (value.shared ', Lit(b'x' * 2100), '))', code='OVERQUOTA')
    c.no('APPEND INBOX ANNOTATION (/comment (value.shared ', Lit(b'x' * 2100), ')) ', Lit(message(100)), code='OVERQUOTA')
    c.ok('COPY 1 INBOX')
    assert usage(c) == {'ANNOTATION-STORAGE': (4, 4)}
    c.no('COPY 1 INBOX', code='OVERQUOTA')
    c.ok('MOVE 1 Trash')
    c.ok('STORE 2 ANNOTATION (/comment (value.priv NIL))')
    c.append(message(100))
    assert usage(c) == {'ANNOTATION-STORAGE': (2, 4)}
    # Annotations of mailboxes (RFC 5464) are others.
    c.ok('SETMETADATA INBOX (/private/comment ', Lit(b'x' * 3000), ')')
    assert usage(c) == {'ANNOTATION-STORAGE': (2, 4)}


def test_back_to_the_configuration(c, tool, name):
    """`--default` takes an account's own limits off it; nobody else can write so."""
    tool('user', 'quota', name, '--messages', 10, '--annotations', '1M')
    assert set(usage(c)) == {'MESSAGE', 'ANNOTATION-STORAGE'}
    tool('user', 'quota', name, '--default')
    assert usage(c) == {}
    tool('user', 'quota', name, '--default', '--messages', 5, fails=True)
    c.no('SETQUOTA "#user/%s" (X-DEFAULT 0)' % name, code='NOPERM')
