"""UNAUTHENTICATE (RFC 8437): a connection goes back to before login."""

import zlib

from harness import mail
from harness.imap import Lit


def leave(c):
    c.ok('UNAUTHENTICATE')
    c.utf8 = False
    c.exists, c.uids = None, {}


def test_announced_after_login(anon, imap):
    """RFC 8437 3: the capability may be announced after authentication only."""
    assert 'UNAUTHENTICATE' in imap.capabilities()
    assert 'UNAUTHENTICATE' not in anon.capabilities()


def test_state_and_syntax(imap, anon):
    anon.bad('UNAUTHENTICATE')
    imap.bad('UNAUTHENTICATE now')
    imap.ok('NOOP')
    leave(imap)
    imap.bad('SELECT INBOX')
    imap.bad('UNAUTHENTICATE')
    assert 'AUTH=PLAIN' in imap.capabilities()


def test_another_user(server, imap, user):
    """RFC 8437 3: the next login may be another user's; nothing of the first is seen."""
    other = server.user()
    imap.append(mail.numbered(1))
    imap.ok('CREATE mine')
    imap.select()
    leave(imap)
    imap.login(other, server.password)
    imap.bad('FETCH 1 (UID)')
    assert [m.name for m in imap.ok('LIST "" mine').list()] == []
    imap.select()
    assert imap.exists == 0
    imap.append(mail.numbered(2))
    leave(imap)
    imap.login(user, server.password)
    imap.select()
    assert imap.body(1) == mail.numbered(1)


def test_no_expunge_is_told(server, pair):
    """RFC 8437 3: the mailbox ceases to be selected, but no expunge event is generated."""
    one, two = pair
    two.ok('STORE 1 +FLAGS (\\Deleted)')
    two.ok('EXPUNGE')
    r = one.ok('UNAUTHENTICATE')
    assert [u for u in r.untagged if u.name in ('EXPUNGE', 'VANISHED', 'EXISTS', 'FETCH')] == []


def test_what_was_enabled_is_off(server, imap, user):
    """RFC 8437 4.1: CONDSTORE, QRESYNC, UTF8=ACCEPT and IMAP4rev2 cease to be enabled; saved search results are gone."""
    imap.append(mail.numbered(1))
    imap.enable('QRESYNC', 'UTF8=ACCEPT', 'IMAP4rev2')
    imap.select()
    imap.ok('SEARCH RETURN (SAVE) ALL')
    leave(imap)
    imap.login(user, server.password)
    r = imap.select()
    assert any(u.name == 'RECENT' for u in r.untagged)      # IMAP4rev2 would not send it
    assert imap.ok('SEARCH $').search() == []
    assert 'MODSEQ' not in imap.ok('STORE 1 +FLAGS (\\Flagged)').fetch()
    r = imap.ok('ENABLE QRESYNC')
    assert 'QRESYNC' in [str(a) for a in r.one('ENABLED').data]


def test_changes_before_it_are_kept(server, imap, user):
    imap.select()
    tags = [imap.begin('APPEND INBOX ', Lit(mail.numbered(n), plus=True)) for n in range(5)]
    tags.append(imap.begin('UNAUTHENTICATE'))
    for tag in tags:
        imap.end(tag)
    imap.login(user, server.password)
    imap.select()
    assert imap.exists == 5


def test_pipelined_login(server, imap, user):
    """RFC 8437 3: AUTHENTICATE may be pipelined behind it: one round trip."""
    one, two = imap.begin('UNAUTHENTICATE'), imap.begin('LOGIN %s %s' % (user, server.password))
    imap.end(one)
    imap.end(two)
    imap.select()


def test_login_limits_are_back(imap):
    """Lines before login are shorter (8 KiB) than after."""
    leave(imap)
    imap.bad('LOGIN x ' + 'y' * 9000)


def test_compression_ends(server, imap, user):
    """RFC 8437 4.1: outgoing compression ends behind the CRLF of the OK, incoming behind that of the command."""
    for _ in range(3):
        imap.compress()
        imap.ok('NOOP')
        leave_compressed(imap, finish=False)
        imap.login(user, server.password)
        imap.select()


def test_compression_ends_with_the_stream(server, imap, user):
    """A client may end its DEFLATE stream and go on in clear behind it, in the same packet."""
    imap.compress()
    imap.ok('NOOP')
    leave_compressed(imap, finish=True, behind='x1 LOGIN %s %s\r\n' % (user, server.password))
    imap.end('x1')
    imap.select()


def leave_compressed(c, finish, behind=''):
    line = c.deflate.compress(b'u1 UNAUTHENTICATE\r\n') + c.deflate.flush(zlib.Z_FINISH if finish else zlib.Z_SYNC_FLUSH)
    inflate = c.inflate
    c.inflate = c.deflate = None
    c.sock.sendall(line + behind.encode())
    if behind:
        c.pending.append(('x1', 'LOGIN'))
    c.pending.insert(0, ('u1', 'UNAUTHENTICATE'))
    # The answer to UNAUTHENTICATE is the last that is compressed: byte by byte, up to its line end.
    answer = b''
    while not answer.endswith(b'\r\n') or b'u1 ' not in answer:
        answer += inflate.decompress(c.sock.recv(1))
    assert answer.splitlines()[-1].startswith(b'u1 OK'), answer
    # What a flush adds behind the line belongs to it.
    c.pending = [p for p in c.pending if p[0] != 'u1']
    rest = c.sock.recv(5) if not answer.endswith(b'\0\0\xff\xff') else b''
    assert rest in (b'', b'\0\0\0\xff\xff', b'\0\0\xff\xff'), rest
