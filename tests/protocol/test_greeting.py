"""The greeting, CAPABILITY, NOOP, LOGOUT and what holds in any state (RFC 3501 6.1, 7.1, RFC 9051 6.1, 7.1)."""

import contextlib
import socket
import ssl

import pytest

from harness import tls
from harness.imap import Closed, Lit

# What the first milestone promises; each is also tested in a file of its own.
PROMISED = '''IMAP4REV1 IMAP4REV2 NAMESPACE ID CHILDREN IDLE UIDPLUS UNSELECT ENABLE LITERAL+ MULTIAPPEND BINARY MOVE
    LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE APPENDLIMIT CONDSTORE QRESYNC ESEARCH SEARCHRES
    WITHIN COMPRESS=DEFLATE UTF8=ACCEPT OBJECTID SAVEDATE PREVIEW'''.split()


def test_greeting_is_ok_with_capability(anon):
    """RFC 3501 7.1: the greeting is OK, PREAUTH or BYE; clients save a round trip when it lists the capabilities."""
    assert anon.greeting.name == 'OK'
    assert anon.greeting.code[0] == 'CAPABILITY'
    assert 'IMAP4REV1' in [str(a).upper() for a in anon.greeting.code[1:]]


def test_greeting_does_not_claim_gmail_or_both_literal_extensions(anon):
    """RFC 7888 5: LITERAL+ and LITERAL- exclude each other."""
    caps = [str(a).upper() for a in anon.greeting.code[1:]]
    assert 'X-GM-EXT-1' not in caps
    assert not ('LITERAL+' in caps and 'LITERAL-' in caps)


def test_capability_before_login_lists_mechanisms(anon):
    """RFC 3501 6.1.1: AUTH= names what AUTHENTICATE takes; SASL-IR and LITERAL+ matter before login."""
    caps = anon.capabilities()
    assert 'IMAP4REV1' in caps
    assert {'AUTH=PLAIN', 'AUTH=SCRAM-SHA-256', 'AUTH=SCRAM-SHA-1'} <= caps
    assert {'SASL-IR', 'LITERAL+', 'ENABLE', 'ID'} <= caps


def test_capability_repeats_nothing(imap):
    data = [str(a).upper() for a in imap.ok('CAPABILITY').one('CAPABILITY').data]
    names = [a.split('=')[0] if a.startswith('APPENDLIMIT') else a for a in data]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('name', PROMISED)
def test_capability_after_login(imap, name):
    caps = imap.capabilities()
    if name == 'APPENDLIMIT':
        assert any(a.startswith('APPENDLIMIT') for a in caps)
    else:
        assert name in caps


def test_login_answer_carries_capabilities(anon, server, user):
    """RFC 3501 6.2.3: a server MAY include a CAPABILITY code in the tagged OK; ours does, since clients then skip a command."""
    r = anon.ok('LOGIN %s %s' % (user, server.password))
    assert r.code[0] == 'CAPABILITY'
    assert 'STARTTLS' not in r.code and 'LOGINDISABLED' not in r.code
    assert set(str(a).upper() for a in r.code[1:]) == anon.capabilities()


def test_no_starttls_inside_tls(connect):
    """RFC 3501 6.2.1: a TLS layer that is there is not offered again."""
    c = connect(ssl=True)
    caps = c.capabilities()
    assert 'STARTTLS' not in caps and 'LOGINDISABLED' not in caps


def finish_handshake(server, version, behind, ends):
    """Shakes hands by hand, so that what is sent `behind` its last message goes in the same segment, and so does the end of it all;
    what is answered until the server closes, or has greeted and answered."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = tls.context(version).wrap_bio(coming, going)
    with socket.create_connection(server.imaps, 20) as s:
        while True:
            try:
                c.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(going.read())
                coming.write(s.recv(65536))
        c.write(behind)
        if ends:
            with contextlib.suppress(ssl.SSLError):     # the server's own end is not waited for
                c.unwrap()
        s.sendall(going.read())
        answer = b''
        while ends or b'a1 OK' not in answer:
            data = s.recv(65536)
            if not data:
                break
            coming.write(data)
            with contextlib.suppress(ssl.SSLError):     # there is no more of it
                while part := c.read(65536):
                    answer += part
        return answer


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize('ends', [False, True])
def test_what_comes_with_the_end_of_the_handshake(server, version, ends):
    """Pipelined behind a handshake: it is answered, and who ends at once is let go at once."""
    for _ in range(4):
        answer = finish_handshake(server, version, b'a1 NOOP\r\n', ends)
        assert ends or b'a1 OK' in answer


@pytest.mark.parametrize('state', ['before login', 'authenticated', 'selected'])
def test_noop_in_any_state(connect, user, state):
    c = connect() if state == 'before login' else connect(user=user)
    if state == 'selected':
        c.select()
    c.ok('NOOP')


@pytest.mark.parametrize('state', ['before login', 'authenticated', 'selected'])
def test_logout_in_any_state(connect, user, state):
    """RFC 3501 6.1.3: BYE comes before the tagged OK, then the connection is closed."""
    c = connect() if state == 'before login' else connect(user=user)
    if state == 'selected':
        c.select()
    c.logout()


def test_commands_are_case_insensitive(anon):
    """RFC 3501 9 note 1: all alphabetic characters are case-insensitive."""
    for word in ('noop', 'NoOp', 'capability', 'CapaBility'):
        anon.ok(word)


@pytest.mark.parametrize('tag', ['1', 'A.1', 'x]', '!#$&\'', 'a' * 60, '0.0.0'])
def test_tags_come_back_as_sent(anon, tag):
    """RFC 3501 9: a tag is any ASTRING-CHAR except "+"."""
    assert anon.end(anon.begin('NOOP', tag=tag)).tagged.tag == tag


@pytest.mark.parametrize('line', [
    ' ', 'a', 'a ', ' NOOP', '+ NOOP', 'a+b NOOP', '* NOOP', 'a NOOP x', 'a NOPE', 'a UID', 'a UID NOOP',
    'a (NOOP)', '"a" NOOP', 'a {3}x', 'a NOOP\tx', 'a \x01', 'a NOOP\x7f', 'a LOGIN', 'a ' + 'x' * 3000,
])
def test_nonsense_lines_get_bad(anon, line):
    """RFC 3501 7.1.3: BAD, untagged when the tag is not to be found; the connection goes on."""
    anon.send(line + '\r\n')
    anon.pending.append(('a', 'X'))
    while True:
        r = anon.response()
        if r.name == 'BAD':
            break
        assert r.tag == '*' and r.name == 'OK'
    anon.pending = []
    anon.untagged = []
    anon.ok('NOOP')


def test_spaces_too_many_do_no_harm(anon):
    """An empty line, a space at the end, two spaces: served or BAD, and the session goes on."""
    anon.send('\r\n')
    for command in ('NOOP ', ' NOOP', 'ID  NIL'):
        anon.cmd(command)
    anon.ok('NOOP')


def test_nul_and_binary_garbage_get_bad(anon):
    anon.send(b'a NO\0OP\r\n')
    anon.pending.append(('a', 'X'))
    assert anon.response().name == 'BAD'
    anon.pending = []
    anon.send(b'\xff\xfe\xfd\r\n')
    assert anon.response().name == 'BAD'
    anon.ok('NOOP')


def test_many_bad_commands_end_the_session(anon):
    """A stranger may not try for ever: the bound is documented as 20 bad commands."""
    anon.pending = [('a', 'X')]
    try:
        for _ in range(60):
            anon.send('a NONSENSE\r\n')
            anon.response()
        assert False, 'sixty bad commands, and the session lives'
    except (Closed, OSError):
        pass


def test_a_line_too_long_before_login(anon):
    """The bound before login is 8 KiB a line: BAD or BYE, and memory does not follow the sender."""
    try:
        anon.send('a NOOP ' + 'x' * 20000 + '\r\n')
        anon.pending.append(('a', 'X'))
        r = anon.response()
        assert r.name in ('BAD', 'BYE')
    except (Closed, OSError):
        pass


def test_pipelined_commands_are_answered_in_order(imap):
    """RFC 3501 5.5: commands sent together are answered in order where their order matters; ours always are."""
    tags = [imap.begin(x) for x in ('NOOP', 'SELECT INBOX', 'STATUS INBOX (MESSAGES)', 'UNSELECT', 'NOOP')]
    order = []
    while len(order) < len(tags):
        r = imap.response()
        if r.tag != '*':
            order.append(r.tag)
            imap.finish(r)
    assert order == tags


def test_a_command_in_single_bytes(imap):
    """A command may arrive in any pieces."""
    tag = imap.count + 1
    for byte in b'b%d STATUS INBOX (MESSAGES)\r\n' % tag:
        imap.send(bytes([byte]))
    imap.pending.append(('b%d' % tag, 'STATUS'))
    assert imap.end('b%d' % tag).one('STATUS').attrs == {'MESSAGES': 0}


def test_bare_lf_line_ends_are_tolerated(imap):
    """People test with netcat: a command ended by LF alone is taken."""
    imap.send(b'n1 NOOP\n')
    imap.pending.append(('n1', 'NOOP'))
    assert imap.end('n1').status == 'OK'


@pytest.mark.parametrize('command', [
    'SELECT INBOX', 'EXAMINE INBOX', 'CREATE x', 'DELETE x', 'RENAME x y', 'SUBSCRIBE x', 'UNSUBSCRIBE x', 'LIST "" *', 'LSUB "" *',
    'STATUS INBOX (MESSAGES)', 'NAMESPACE', 'IDLE', 'ENABLE CONDSTORE', 'CHECK', 'CLOSE', 'UNSELECT', 'EXPUNGE', 'SEARCH ALL',
    'FETCH 1 FLAGS', 'STORE 1 FLAGS ()', 'COPY 1 x', 'MOVE 1 x', 'UID FETCH 1 FLAGS', 'UID EXPUNGE 1', 'UID SEARCH ALL',
])
def test_command_before_login_is_bad(anon, command):
    """RFC 3501 3: a command in the wrong state gets BAD (or NO); RFC 9051 3 the same."""
    anon.refused(command)
    anon.ok('NOOP')


@pytest.mark.parametrize('command', [
    'CHECK', 'CLOSE', 'UNSELECT', 'EXPUNGE', 'SEARCH ALL', 'FETCH 1 FLAGS', 'STORE 1 FLAGS ()', 'COPY 1 INBOX', 'MOVE 1 INBOX',
    'UID FETCH 1 FLAGS', 'UID STORE 1 FLAGS ()', 'UID EXPUNGE 1', 'UID SEARCH ALL', 'UID COPY 1 INBOX', 'UID MOVE 1 INBOX',
])
def test_command_without_mailbox_is_bad(imap, command):
    imap.bad(command)
    imap.ok('NOOP')


@pytest.mark.parametrize('command', ['STARTTLS', 'LOGIN x y', 'AUTHENTICATE PLAIN'])
@pytest.mark.parametrize('state', ['authenticated', 'selected'])
def test_login_commands_after_login_are_bad(imap, command, state):
    if state == 'selected':
        imap.select()
    imap.bad(command)
    imap.ok('NOOP')


def test_appended_commands_in_every_state_again(box):
    """RFC 3501 3.3: every command of the authenticated state works in the selected state too."""
    for command in ('LIST "" *', 'STATUS INBOX (MESSAGES)', 'CREATE other', 'SUBSCRIBE other', 'UNSUBSCRIBE other', 'RENAME other more',
                    'DELETE more', 'NAMESPACE', 'LSUB "" *', 'EXAMINE INBOX', 'SELECT INBOX'):
        box.ok(command)


def test_synchronizing_literal_waits(imap):
    """RFC 3501 7.5: the server sends "+ " before the octets of a synchronising literal."""
    r = imap.ok('STATUS ', Lit('INBOX'), ' (MESSAGES)')
    assert r.one('STATUS').attrs['MESSAGES'] == 0


def test_non_synchronizing_literal_does_not_wait(imap):
    """RFC 7888 3: {n+} gets no continuation."""
    imap.send(b'z1 STATUS {5+}\r\nINBOX (MESSAGES)\r\n')
    imap.pending.append(('z1', 'STATUS'))
    assert imap.end('z1').status == 'OK'


def test_literal_of_no_octets(imap):
    assert imap.ok('LIST ', Lit(''), ' ', Lit('', plus=True)).list().keys() == {''}


def test_many_literals_in_one_command(anon, server, user):
    anon.ok('LOGIN ', Lit(user), ' ', Lit(server.password))


@pytest.mark.parametrize('size', ['0x5', '-1', '', '5 ', '5++', '99999999999999999999', '4294967296', '12a'])
def test_malformed_or_giant_literal_is_refused(imap, size):
    """RFC 3501 4.3, RFC 7888 4: a literal that can't be is answered, not waited for."""
    imap.send('q1 STATUS {%s}\r\n' % size)
    imap.pending.append(('q1', 'STATUS'))
    assert imap.end('q1').status in ('BAD', 'NO')
    imap.ok('NOOP')


def test_oversized_nonsynchronizing_literal_is_swallowed(imap):
    """RFC 7888 4: it is read and thrown away, and answered with BAD or NO; or the server says BYE."""
    size = 300000
    imap.send(b'q1 STATUS {%d+}\r\n' % size + b'x' * size + b' (MESSAGES)\r\n')
    imap.pending.append(('q1', 'STATUS'))
    try:
        r = imap.end('q1')
        assert r.status in ('BAD', 'NO')
        imap.ok('NOOP')
    except Closed:
        assert any(r.name == 'BYE' for r in imap.untagged)


def test_oversized_synchronizing_literal_is_refused_before_it_is_sent(imap):
    """RFC 3501 4.3, RFC 7888 4: the tagged answer instead of "+ "; the client then does not send the octets."""
    tag = imap.begin('STATUS ', Lit('x' * 3000000), ' (MESSAGES)')
    assert imap.end(tag).status in ('BAD', 'NO')
    imap.ok('NOOP')


def test_literal_before_login_is_bounded(anon):
    tag = anon.begin('LOGIN ', Lit('u' * 100000), ' x')
    assert anon.end(tag).status in ('BAD', 'NO')
    anon.ok('NOOP')


def test_nul_in_a_literal_is_refused(imap):
    """RFC 3501 9: CHAR8 is %x01-ff."""
    imap.refused('STATUS ', Lit(b'a\0b'), ' (MESSAGES)')
    imap.ok('NOOP')


def test_deep_nesting_is_refused(box):
    box.refused('SEARCH ' + '(' * 20000 + 'ALL' + ')' * 20000)
    box.refused('FETCH 1 ' + '(' * 5000)
    box.ok('NOOP')
