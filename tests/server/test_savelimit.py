"""SAVELIMIT (RFC 9738): how many messages a COPY or an APPEND may add, when it is configured."""

import pytest

from harness import mail
from harness.imap import Lit
from harness.server import Server

N = 5


@pytest.fixture(scope='module')
def limited():
    server = Server(users=10, args=['--set', 'save_limit=%d' % N])
    server.start()
    yield server
    server.close()


@pytest.fixture
def c(limited):
    c = limited.login(limited.user())
    c.test_uids = [c.append(mail.numbered(n)) for n in range(12)]
    c.select()
    yield c
    c.close()


def code(r):
    return [str(w) for w in r.code]


def count(c, name='Drafts'):
    return c.status(name, 'MESSAGES')['MESSAGES']


def append(c, n):
    parts = ['APPEND Drafts']
    for i in range(n):
        parts += [' ', Lit(mail.numbered(i), plus=True)]
    return c.cmd(*parts)


def test_announced(limited, c, imap):
    assert 'SAVELIMIT=%d' % N in c.capabilities()
    # Not without configuration, and MESSAGELIMIT only by who limits other commands too (RFC 9738 3).
    assert not [n for n in imap.capabilities() | set(c.capabilities()) - {'SAVELIMIT=%d' % N} if n.startswith(('SAVELIMIT', 'MESSAGELIMIT'))]
    fresh = limited.connect()
    assert not [n for n in fresh.capabilities() if n.startswith('SAVELIMIT')]
    fresh.close()


def test_copy(c):
    """RFC 9738 3.1: NO, and none is copied; the code tells the lowest UID that would have been."""
    for command, uid in (('COPY 1:*', 7), ('COPY 1:6', 1), ('UID COPY %d:%d' % (c.test_uids[0], c.test_uids[7]), 3), ('UID COPY 1:*', 7), ('COPY 1:2,5:6,9:10', 1),
                         ('COPY 2:4,8:11', 3)):
        assert code(c.no(command + ' Drafts', code='MESSAGELIMIT')) == ['MESSAGELIMIT', str(N), str(c.test_uids[uid])], command
    assert count(c) == 0
    c.ok('COPY 1:5 Drafts', code='COPYUID')
    c.ok('UID COPY %d:* Drafts' % c.test_uids[7], code='COPYUID')
    assert count(c) == 2 * N


def test_uids_that_are_not_there(c):
    """What counts are messages."""
    c.ok('STORE 2:8 +FLAGS (\\Deleted)')
    c.ok('EXPUNGE')
    c.ok('UID COPY 1:4000000000 Drafts', code='COPYUID')
    assert count(c) == 5


def test_no_such_mailbox_first(c):
    c.no('COPY 1:* nowhere', code='TRYCREATE')


def test_append(c):
    """MULTIAPPEND is atomic: none is appended."""
    r = append(c, N + 1)
    assert r.status == 'NO' and code(r) == ['MESSAGELIMIT', str(N)] and count(c) == 0
    assert append(c, N).status == 'OK' and count(c) == N


def test_others_are_not_limited(c):
    """SAVELIMIT is of COPY and APPEND only."""
    c.ok('STORE 1:* +FLAGS (\\Seen)')
    assert len(c.ok('FETCH 1:* FLAGS').fetches()) == 12 and len(c.ok('SEARCH ALL').search()) == 12
    c.ok('MOVE 1:* Drafts')
    assert count(c) == 12
