"""Getting in: LOGIN, AUTHENTICATE, STARTTLS, ALPN (RFC 3501 6.2, RFC 4959, RFC 5802, RFC 7677, RFC 8314)."""

import base64
import os
import re
import select
import socket
import ssl
import subprocess

import pytest

from harness import tls
from harness.imap import Closed, Lit, b64
from harness.scram import Scram

HASHES = {'SCRAM-SHA-1': 'sha1', 'SCRAM-SHA-256': 'sha256'}


def plain(user, password, authzid=''):
    return ('%s\0%s\0%s' % (authzid, user, password)).encode()


def test_login_quoted_and_atom(connect, server, user):
    connect().ok('LOGIN %s %s' % (user, server.password))
    connect().ok('LOGIN "%s" "%s"' % (user, server.password))


def test_login_wrong_password(anon, server, user):
    """RFC 5530 3: AUTHENTICATIONFAILED, the same for a user who is not there, in the same words."""
    a = anon.no('LOGIN %s wrong' % user, code='AUTHENTICATIONFAILED')
    b = anon.no('LOGIN nobody-at-all wrong', code='AUTHENTICATIONFAILED')
    assert a.text == b.text
    anon.ok('LOGIN %s %s' % (user, server.password))


@pytest.mark.parametrize('args', ['', ' x', ' x y z', ' (x) y', ' "x y', ' x "\\z"', ' {1}'])
def test_login_malformed(anon, args):
    anon.send('m1 LOGIN%s\r\n' % args)
    anon.pending.append(('m1', 'LOGIN'))
    r = anon.response()
    if r.tag == '+':
        anon.send('x\r\n')
        r = anon.response()
    assert r.name == 'BAD'


@pytest.mark.parametrize('user_given', ['', 'a' * 1000, '../../etc/passwd', 'user1\x01', '%s%n', "x' OR 1=1 --", 'ü'])
def test_login_odd_user_names_fail(anon, user_given):
    r = anon.cmd('LOGIN ', Lit(user_given.encode()), ' x')
    assert r.status in ('NO', 'BAD')
    anon.ok('NOOP')


def test_plain_with_initial_response(anon, server, user):
    """RFC 4959: the initial response comes in the command line."""
    r, challenges = anon.authenticate('PLAIN', initial=plain(user, server.password))
    assert r.status == 'OK' and challenges == []
    anon.select()


def test_plain_after_continuation(anon, server, user):
    """RFC 3501 6.2.2: without it the server sends an empty challenge first."""
    r, challenges = anon.authenticate('PLAIN', plain(user, server.password))
    assert r.status == 'OK' and challenges == [b'']


def test_mechanism_name_is_case_insensitive(anon, server, user):
    r, _ = anon.authenticate('plain', plain(user, server.password))
    assert r.status == 'OK'


def test_plain_with_own_authorization_identity(anon, server, user):
    r, _ = anon.authenticate('PLAIN', plain(user, server.password, user))
    assert r.status == 'OK'


def test_plain_for_somebody_else(anon, server, user):
    """RFC 4616 2: whoever may not act as the other is refused; RFC 5530 AUTHORIZATIONFAILED or AUTHENTICATIONFAILED."""
    r, _ = anon.authenticate('PLAIN', plain(user, server.password, 'user1' if user != 'user1' else 'user2'))
    assert r.status == 'NO' and r.code[0] in ('AUTHORIZATIONFAILED', 'AUTHENTICATIONFAILED')


def test_plain_wrong_password(anon, user):
    r, _ = anon.authenticate('PLAIN', plain(user, 'wrong'))
    assert r.status == 'NO' and r.code[0] == 'AUTHENTICATIONFAILED'


@pytest.mark.parametrize('response', [b'', b'x', b'a\0b', b'\0\0', b'a\0b\0c\0d', b'\0user1\0', b'\xff\xff', b'\0' * 500])
def test_plain_malformed(anon, response):
    r, _ = anon.authenticate('PLAIN', response, '*')
    assert r.status in ('NO', 'BAD')
    anon.ok('NOOP')


def test_cancelled(anon, server, user):
    """RFC 3501 6.2.2: a line with a single "*" cancels, and the answer is a tagged BAD."""
    r, _ = anon.authenticate('PLAIN', '*')
    assert r.status == 'BAD'
    r, _ = anon.authenticate('PLAIN', plain(user, server.password))
    assert r.status == 'OK'


@pytest.mark.parametrize('line', ['!!!!', 'AA', 'AAA=AAA=', 'A===', 'A A='])
def test_invalid_base64(anon, line):
    """RFC 3501 6.2.2: base64 that is none is rejected with BAD."""
    tag = anon.begin('AUTHENTICATE PLAIN')
    assert anon.response().tag == '+'
    anon.send(line + '\r\n')
    assert anon.end(tag).status in ('BAD', 'NO')
    anon.ok('NOOP')


def test_unknown_mechanism(anon):
    assert anon.refused('AUTHENTICATE X-NOT-THERE').status == 'NO'
    anon.refused('AUTHENTICATE')
    anon.ok('NOOP')


def test_oversized_response(anon):
    tag = anon.begin('AUTHENTICATE PLAIN')
    assert anon.response().tag == '+'
    try:
        anon.send('A' * 70000 + '\r\n')
        assert anon.end(tag).status in ('BAD', 'NO')
    except (Closed, OSError):
        pass


def test_login_mechanism(anon, server, user):
    """draft-murchison-sasl-login: the server asks for the user name, then for the password."""
    r, challenges = anon.authenticate('LOGIN', user, server.password)
    assert r.status == 'OK' and len(challenges) == 2


def test_login_mechanism_wrong(anon, user):
    r, _ = anon.authenticate('LOGIN', user, 'wrong')
    assert r.status == 'NO' and r.code[0] == 'AUTHENTICATIONFAILED'


def scram(c, mechanism, user, password, initial=False, **more):
    s = Scram(HASHES[mechanism.replace('-PLUS', '')], user, password, **more)
    answers = [s.final, s.verify]
    if initial:
        r, challenges = c.authenticate(mechanism, *answers, initial=s.first())
    else:
        r, challenges = c.authenticate(mechanism, s.first(), *answers)
    return s, r, challenges


@pytest.mark.parametrize('mechanism', HASHES)
@pytest.mark.parametrize('initial', [False, True])
def test_scram(connect, server, user, mechanism, initial):
    c = connect()
    _, r, challenges = scram(c, mechanism, user, server.password, initial)
    assert r.status == 'OK', r
    c.select()


@pytest.mark.parametrize('mechanism', HASHES)
def test_scram_wrong_password(anon, user, mechanism):
    s = Scram(HASHES[mechanism], user, 'wrong')
    r, _ = anon.authenticate(mechanism, s.first(), s.final, '*')
    assert r.status in ('NO', 'BAD')
    assert r.code is None or r.code[0] == 'AUTHENTICATIONFAILED'
    anon.ok('NOOP')


@pytest.mark.parametrize('mechanism', HASHES)
def test_scram_unknown_user_looks_the_same(server, mechanism, connect):
    """RFC 5802 9: a user who is not there gets a salt too, and always the same one."""
    salts = []
    for _ in range(2):
        s = Scram(HASHES[mechanism], 'nobody-at-all', 'x')
        r, _ = connect().authenticate(mechanism, s.first(), s.final, '*')
        assert r.status in ('NO', 'BAD')
        salts.append((s.salt, s.iterations))
    assert salts[0] == salts[1]


@pytest.mark.parametrize('mechanism', HASHES)
def test_scram_tampered(connect, server, user, mechanism):
    """A proof with one bit changed, a nonce that is not the server's, a binding that is not what was said."""
    def spoiled(s):
        s.spoil = lambda proof: bytes([proof[0] ^ 1]) + proof[1:]
        return s.final

    def other_nonce(s):
        return lambda challenge: s.final(challenge).replace(b',r=' + s.nonce[:4].encode(), b',r=ZZZZ')

    def other_header(s):
        return lambda challenge: s.final(challenge).replace(b'c=biws', b'c=eSws')

    for change in (spoiled, other_nonce, other_header):
        s = Scram(HASHES[mechanism], user, server.password)
        r, _ = connect().authenticate(mechanism, s.first(), change(s), '*')
        assert r.status in ('NO', 'BAD'), change


@pytest.mark.parametrize('first', [b'', b'n', b'n,,', b'n,,n=x', b'n,,r=abc', b'x,,n=a,r=b', b'n,,m=1,n=a,r=b', b'n,,n=a=5D,r=b', b'\xff' * 40])
def test_scram_malformed_first_message(anon, first):
    r, _ = anon.authenticate('SCRAM-SHA-256', first, '*')
    assert r.status in ('NO', 'BAD')
    anon.ok('NOOP')


def test_scram_plus_is_offered_only_in_tls(connect):
    plus = {'AUTH=SCRAM-SHA-1-PLUS', 'AUTH=SCRAM-SHA-256-PLUS'}
    assert not plus & connect().capabilities()
    assert plus <= connect(ssl=True).capabilities()


@pytest.mark.parametrize('mechanism', ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'])
def test_scram_plus_end_point(connect, server, user, mechanism):
    """RFC 5929 4: tls-server-end-point is not required of a server; where it is not supported, the answer is a plain NO."""
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        c = connect(ssl=tls.context(version))
        s = Scram(HASHES[mechanism[:-5]], user, server.password, binding=('tls-server-end-point', tls.end_point_binding(c.sock)))
        r, _ = c.authenticate(mechanism, s.first(), s.final, s.verify)
        assert r.status in ('OK', 'NO'), r


@pytest.mark.parametrize('mechanism', ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'])
def test_scram_plus_exporter(server, user, mechanism):
    """RFC 9266: tls-exporter, the binding of TLS 1.3. Python can't export keying material; openssl s_client can."""
    p = subprocess.Popen(['openssl', 's_client', '-connect', '%s:%d' % server.imaps, '-tls1_3', '-nocommands', '-ign_eof', '-keymatexport',
                          'EXPORTER-Channel-Binding', '-keymatexportlen', '32'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = b''

    def until(pattern):
        nonlocal out
        while True:
            m = re.search(pattern, out, re.M)
            if m:
                out = out[m.end():]
                return m.group(1)
            assert select.select([p.stdout], [], [], 20)[0], out
            data = os.read(p.stdout.fileno(), 65536)
            assert data, out
            out += data

    try:
        key = bytes.fromhex(until(rb'Keying material: ([0-9A-Fa-f]{64})').decode())
        until(rb'^(\* OK .*)\r\n')
        s = Scram(HASHES[mechanism[:-5]], user, server.password, binding=('tls-exporter', key))

        def send(text):
            p.stdin.write(text.encode() + b'\r\n')
            p.stdin.flush()

        send('a1 AUTHENTICATE %s %s' % (mechanism, b64(s.first())))
        send(b64(s.final(base64.b64decode(until(rb'^\+ (\S+)\r\n')))))
        s.verify(base64.b64decode(until(rb'^\+ (\S+)\r\n')))
        send('')
        assert until(rb'^a1 (OK|NO|BAD)') == b'OK'
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()


@pytest.mark.parametrize('mechanism', ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'])
def test_scram_plus_unique(connect, server, user, mechanism):
    """RFC 5929 3: tls-unique, which only TLS 1.2 has."""
    c = connect(ssl=tls.context(ssl.TLSVersion.TLSv1_2))
    _, r, _ = scram(c, mechanism, user, server.password, binding=('tls-unique', c.sock.get_channel_binding('tls-unique')))
    assert r.status == 'OK', r


def test_scram_plus_wrong_binding(connect, server, user):
    """RFC 5802 6: another channel's data is somebody in the middle."""
    c = connect(ssl=True)
    s = Scram('sha256', user, server.password, binding=('tls-server-end-point', b'x' * 32))
    r, _ = c.authenticate('SCRAM-SHA-256-PLUS', s.first(), s.final, '*')
    assert r.status in ('NO', 'BAD')


def test_scram_downgrade_is_noticed(connect, server, user):
    """RFC 5802 6: flag "y" says that the client could bind and saw no -PLUS; a server that offers it must fail."""
    c = connect(ssl=True)
    s = Scram('sha256', user, server.password, gs2='y')
    r, _ = c.authenticate('SCRAM-SHA-256', s.first(), s.final, '*')
    assert r.status in ('NO', 'BAD')


def test_starttls_then_login(anon, server, user):
    """RFC 3501 6.2.1: after STARTTLS the client asks for the capabilities again."""
    assert 'STARTTLS' in anon.capabilities()
    anon.starttls(tls.context())
    caps = anon.capabilities()
    assert 'STARTTLS' not in caps
    anon.ok('LOGIN %s %s' % (user, server.password))


def test_starttls_twice_is_bad(anon):
    anon.starttls(tls.context())
    anon.bad('STARTTLS')
    anon.ok('NOOP')


def test_starttls_with_argument_is_bad(anon):
    anon.bad('STARTTLS now')
    anon.ok('NOOP')


def test_starttls_injection_ends_the_connection(server):
    """CVE-2011-0411, RFC 9051 11.1.1: what was sent in clear behind STARTTLS must not be taken as said inside TLS."""
    c = server.connect()
    c.checking = False
    c.send(b's1 STARTTLS\r\ns2 NOOP\r\n')
    c.pending += [('s1', 'STARTTLS'), ('s2', 'NOOP')]
    ended = False
    try:
        r = c.response()
        if r.name == 'OK' and r.tag == 's1':
            c.sock = tls.wrap(tls.context(), c.sock)
            c.buf = bytearray()
            assert not [r for r in c.closed() if r.tag == 's2'], 'a command from the clear text was run inside TLS'
        ended = True
    except (Closed, OSError, ssl.SSLError):
        ended = True
    assert ended


def test_state_before_starttls_is_forgotten(anon, server, user):
    """An AUTHENTICATE that was begun in clear does not survive; a failed one does no harm."""
    anon.no('LOGIN %s wrong' % user)
    anon.starttls(tls.context())
    anon.ok('LOGIN %s %s' % (user, server.password))


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(connect, version):
    c = connect(ssl=tls.context(version))
    c.ok('NOOP')
    assert c.sock.version() == {ssl.TLSVersion.TLSv1_2: 'TLSv1.2', ssl.TLSVersion.TLSv1_3: 'TLSv1.3'}[version]


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(server, version):
    """RFC 8996: TLS 1.0 and 1.1 must not be used."""
    with pytest.raises((ssl.SSLError, OSError)):
        server.connect(ssl=tls.context(version))


def test_alpn_imap(connect):
    """The registered name is "imap"; it is chosen among others."""
    c = connect(ssl=tls.context(alpn=['imap']))
    assert c.sock.selected_alpn_protocol() == 'imap'
    c = connect(ssl=tls.context(alpn=['x-other', 'imap']))
    assert c.sock.selected_alpn_protocol() == 'imap'


def test_alpn_mismatch_is_refused(server):
    """RFC 7301 3.2: no_application_protocol; this stops cross-protocol attacks (ALPACA)."""
    with pytest.raises((ssl.SSLError, OSError)):
        server.connect(ssl=tls.context(alpn=['http/1.1']))


def test_no_alpn_is_fine(connect):
    assert connect(ssl=tls.context()).sock.selected_alpn_protocol() is None


def test_clear_text_on_the_tls_port(server):
    """Somebody who speaks IMAP to the TLS port gets no greeting, and the server goes on."""
    s = socket.create_connection(server.imaps, 20)
    s.sendall(b'a LOGIN x y\r\n' * 10)
    s.settimeout(20)
    data = b''
    try:
        while True:
            more = s.recv(4096)
            if more == b'':
                break
            data += more
    except OSError:
        pass
    assert b'* OK' not in data
    server.connect(ssl=True).logout()


def test_large_traffic_in_tls(connect, server, user):
    """Records of all sizes in both directions."""
    c = connect(ssl=True)
    c.login(user, server.password)
    message = b'Subject: big\r\n\r\n' + b'0123456789abcdef' * 40000 + b'\r\n'
    c.append(message)
    c.select()
    assert c.body(1) == message


def test_session_resumption(server):
    """TLS tickets: the second connection may take the first one's session."""
    context = tls.context(ssl.TLSVersion.TLSv1_2)
    raw = socket.create_connection(server.imaps)
    first = context.wrap_socket(raw, server_hostname='localhost')
    first.recv(1000)
    session = first.session
    first.close()
    raw = socket.create_connection(server.imaps)
    second = context.wrap_socket(raw, server_hostname='localhost', session=session)
    assert second.recv(1000).startswith(b'* OK')
    second.close()


def test_authenticate_external_without_certificate(connect):
    """EXTERNAL is not offered, and refused, where no certificate was shown."""
    c = connect(ssl=True)
    tag = c.begin('AUTHENTICATE EXTERNAL =')
    r = c.response()
    if r.tag == '+':
        c.send('\r\n')
        r = c.response()
    assert r.tag == tag and r.name in ('NO', 'BAD')


def test_failed_logins_are_counted_but_others_get_in(connect, server, user):
    """A few wrong passwords slow their account down; they do not lock out another."""
    for _ in range(3):
        connect().no('LOGIN nobody-at-all wrong')
    connect().ok('LOGIN %s %s' % (user, server.password))
