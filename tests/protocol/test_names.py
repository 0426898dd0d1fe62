"""Names and other words of clients never become paths, lines of the log, or responses of their own."""

import os
import re
import socket
import ssl

import pytest

from harness import tls
from harness.imap import Lit
from harness.lmtp import wait_until

ESC = '\x1b[2J'
# Modified UTF-7 that stands for what no name may hold, or for what has a plain form (RFC 3501 5.1.3).
BAD_SEVEN = {
    'nul': '&AAA-', 'line feed': 'a&AAo-b', 'carriage return': 'a&AA0-b', 'escape': '&ABs-[2J', 'delete': 'a&AH8-', 'look-alike slash': '&AC8-', 'look-alike dot': '&AC4ALg-',
    'look-alike letter': '&AGE-', 'half a surrogate': '&2D0-', 'unended': '&AOk', 'next line': 'a&AIU-b', 'line separator': 'a&ICg-b',
    'paragraph separator': 'a&ICk-b', 'not base64': '&!-', 'bits left over': '&AOl-', 'text direction': 'a&IC4-b',
}
BAD_UTF8 = {
    'overlong slash': b'a\xc0\xafb', 'overlong dot': b'\xe0\x80\xae', 'surrogate': b'\xed\xa0\x80', 'above Unicode': b'\xf4\x90\x80\x80', 'cut': b'a\xc3',
    'nul': b'a\0b', 'line feed': b'a\nb', 'escape': b'\x1b[2J', 'next line': b'a\xc2\x85b', 'line separator': b'a\xe2\x80\xa8b',
}


@pytest.mark.parametrize('what', BAD_SEVEN)
def test_modified_utf7(imap, what):
    r = imap.cmd('CREATE "%s"' % BAD_SEVEN[what])
    if what == 'text direction':
        # Letters that change the direction are text; whoever shows the name must take care.
        assert r.status in ('OK', 'NO', 'BAD')
    else:
        assert r.status in ('NO', 'BAD'), r.text


@pytest.mark.parametrize('what', BAD_UTF8)
def test_utf8(imap, what):
    imap.enable('UTF8=ACCEPT')
    assert imap.cmd('CREATE', Lit(BAD_UTF8[what])).status in ('NO', 'BAD')
    imap.ok('NOOP')


def test_paths(imap, server, user):
    """What would mean something to a file system is a name, or refused; nothing is made of it on the disk."""
    before = tree(server)
    for name in '..', '../..', '../../etc/passwd', './x', 'a/../../b', '/etc/passwd', 'a//b', '.', '~root', 'a\\..\\b', 'CON', 'x' * 300, 'a/' * 70 + 'a':
        imap.cmd('CREATE', Lit(name.encode()))
    for name in 'a/' * 1000 + 'a', 'n' * 60000:
        assert imap.cmd('CREATE', Lit(name.encode(), plus=True)).status in ('NO', 'BAD')
    new = {p for p in tree(server) - before if not re.search(r'/mail/([0-9]+\.(sst|log|blob)|MANIFEST-\w+|OPTIONS-[\w.]+|LOG[\w.]*|CURRENT|IDENTITY|LOCK)$', p)}
    assert new == set()


def tree(server):
    return {os.path.join(at, name) for at, folders, files in os.walk(os.path.join(server.store, 'data')) for name in folders + files} if server.own else set()


@pytest.mark.own_server
def test_log_lines(server, user, login):
    """Whatever a client calls itself, a line of the log is one event with its own fields."""
    mark = len(server.log())
    forged = '%stime=2026-11-22T00:00:00.000Z level=error event=forged'
    words = ['\r\n' + forged % '', '\n' + forged % '', '" event=forged x="', ESC, '\u2028' + forged % '', '\x85forged', '\x00', '\u202e', 'a\tb', '\\', '\\x41']
    for word in words:
        raw = word.encode('utf-8')
        c = server.connect()
        c.cmd(b'LOGIN {%d+}\r\n%s x' % (len(raw), raw))
        c.cmd(b'ID ("name" {%d+}\r\n%s "version" {%d+}\r\n%s)' % (len(raw), raw, len(raw), raw))
        c.close()
        if b'\n' not in raw and b'\0' not in raw:
            smtp = server.lmtp_connect()
            smtp.cmd('LHLO x')
            smtp.cmd('MAIL FROM:<"%s"@example.org> SMTPUTF8' % word)
            smtp.cmd('RCPT TO:<"%s"@example.org>' % word)
            smtp.close()
    c = login()
    for word in words[:3]:
        raw = word.encode()
        c.cmd(b'SELECT {%d+}\r\n%s' % (len(raw), raw))
    c.close()
    wait_until(lambda: 'event=session-end' in server.log()[mark:])
    for line in open(server.log_path, 'rb').read()[mark:].split(b'\n')[:-1]:
        assert re.match(rb'time=[\d:TZ.-]+ level=\w+ process=\w+ event=[\w-]+( |$)', line), line
        assert all(0x20 <= b < 0x7f for b in line), line
        assert line.count(b' event=') == 1 or b'"' in line.split(b' event=')[1]
        assert not re.search(rb' event=forged', re.sub(rb'"[^"]*"', b'', line)), line


def test_nothing_is_echoed(server, user):
    """The name of a command, a mailbox or a keyword with line ends in it does not make a response."""
    forged = b'x\r\n* BYE forged\r\na1 OK forged'
    s = socket.create_connection(server.imap, 20)
    s.settimeout(20)
    stream = s.makefile('rwb')
    assert stream.readline().startswith(b'* OK')

    def ask(tag, command):
        stream.write(tag + b' ' + command + b'\r\n')
        stream.flush()
        lines = []
        while True:
            line = stream.readline()
            assert line.endswith(b'\r\n')
            lines.append(line)
            if line.startswith(tag + b' '):
                return lines

    ask(b't0', b'LOGIN %s %s' % (user.encode(), server.password.encode()))
    lit = b'{%d+}\r\n%s' % (len(forged), forged)
    for n, command in enumerate([b'SELECT ' + lit, b'CREATE ' + lit, b'STATUS %s (MESSAGES)' % lit, b'RENAME %s %s' % (lit, lit), b'DELETE ' + lit, b'SUBSCRIBE ' + lit,
                                 b'LIST "" ' + lit, b'LIST %s *' % lit, b'ID ("name" %s)' % lit, b'COPY 1 ' + lit, b'SEARCH SUBJECT ' + lit, b'SEARCH KEYWORD ' + lit,
                                 b'APPEND %s (\\Seen) {1+}\r\nx' % lit, b'NAMESPACE ' + lit]):
        for line in ask(b't%d' % (n + 1), command):
            assert not line.startswith((b'* BYE', b'a1 ')), (command, line)
    # An atom can hold no line end, but an escape: it must not come back raw.
    for n, command in enumerate([b'\x1b[2Jx', b'FETCH 1 \x1b[2J', b'SEARCH \x1b[2J', b'ENABLE \x1b[2J', b'LOGIN \x1b[2J x', b'SELECT \x1b[2J']):
        for line in ask(b'u%d' % n, command):
            assert b'\x1b' not in line, (command, line)
    stream.close()
    s.close()


def test_lmtp_echoes_nothing(server):
    s = server.lmtp_connect()
    for line in '\x1b[2J', 'MAIL FROM:<\x1b[2J>', 'VRFY \x1b[2J', 'LHLO \x1b[2J', 'RCPT TO:<\x1b[2J>', 'XCLIENT NAME=\x1b[2J':
        assert '\x1b' not in ''.join(map(str, s.cmd(line).lines)), line
    s.close()


def raw_talk(address, data, wrap=None):
    s = socket.create_connection(address, 20)
    s.settimeout(20)
    out = b''
    try:
        if wrap is not None:
            s = wrap(s)
        s.sendall(data)
        while True:
            more = s.recv(65536)
            if more == b'':
                break
            out += more
    except OSError:
        pass
    finally:
        s.close()
    return out


def test_starttls_injection_imap(server):
    """What comes in the clear behind STARTTLS is thrown away, not executed as if it had come protected."""
    s = socket.create_connection(server.imap, 20)
    s.settimeout(20)
    s.recv(1000)
    s.sendall(b'a STARTTLS\r\nb CREATE injected\r\nc CAPABILITY\r\nd LOGOUT\r\n')
    got = b''
    while b'\r\n' not in got:
        got += s.recv(1000)
    assert got.startswith((b'a ', b'* BYE'))
    if got.startswith(b'a OK'):
        try:
            t = tls.wrap(tls.context(), s)
        except (ssl.SSLError, OSError):
            return      # the connection was given up: as good
        t.settimeout(20)
        t.sendall(b'e NOOP\r\n')
        got = b''
        while b'e ' not in got:
            got += t.recv(1000)
        assert got.startswith(b'e OK'), got
        t.close()
    else:
        assert b'BAD' in got or b'Nothing may follow STARTTLS' in got
        s.close()


def test_starttls_injection_lmtp(server):
    s = socket.create_connection(server.lmtp, 20)
    s.settimeout(20)
    s.recv(1000)
    s.sendall(b'LHLO x\r\n')
    while b'\r\n250 ' not in s.recv(10000):
        pass
    s.sendall(b'STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n')
    got = s.recv(1000)
    if got.startswith(b'220'):
        try:
            t = tls.wrap(tls.context(), s)
        except (ssl.SSLError, OSError):
            return
        t.settimeout(20)
        t.sendall(b'RCPT TO:<user1>\r\n')
        assert t.recv(1000).startswith(b'503')     # no MAIL has come
        t.close()
    else:
        assert got[:1] in b'45'
        s.close()


HTTP = (b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 60\r\n\r\n'
        b'a LOGIN user1 secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n' + b'x' * 20)


def test_http_to_imap(server):
    """A browser that somebody made post commands here: it is sent away before they come."""
    out = raw_talk(server.imap, HTTP)
    assert b'* BYE' in out and b'\r\na OK' not in out and b'\r\nb ' not in out


def test_http_to_imaps(server):
    out = raw_talk(server.imaps, HTTP, lambda s: tls.context().wrap_socket(s))
    assert b'* BYE' in out and b'\r\na OK' not in out and b'\r\nb ' not in out


def test_http_to_lmtp(server):
    out = raw_talk(server.lmtp, b'POST / HTTP/1.1\r\nHost: localhost\r\n\r\nLHLO x\r\nMAIL FROM:<a@b>\r\nQUIT\r\n')
    assert b'\r\n250' not in out


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=['1.2', '1.3'])
def test_alpn(server, version):
    """RFC 7301 3.2: who wants another protocol is refused by an alert; imap and nothing are fine."""
    for wanted in ['http/1.1'], ['h2', 'http/1.1'], ['pop3'], ['xmpp-client'], ['IMAP']:
        s = socket.create_connection(server.imaps, 20)
        with pytest.raises(ssl.SSLError, match='(?i)no.application.protocol'):
            tls.wrap(tls.context(version, alpn=wanted), s)
        s.close()
    for wanted in ['imap'], ['http/1.1', 'imap'], None:
        s = socket.create_connection(server.imaps, 20)
        t = tls.wrap(tls.context(version, alpn=wanted), s)
        assert t.selected_alpn_protocol() == (None if wanted is None else 'imap')
        t.close()


def test_alpn_after_starttls(server):
    c = server.connect()
    c.ok('STARTTLS')
    with pytest.raises(ssl.SSLError, match='(?i)no.application.protocol'):
        tls.wrap(tls.context(alpn=['h2']), c.sock)
    c.close()


def test_keywords_and_flags(box3):
    """A keyword is an atom: nothing that could be more comes back as one."""
    for word in b'a(b', b'a{3}', b'a"b', b'a\\b', b'a%b', b'a]b', b'\x1b', b'a\xc2\x85':
        box3.cmd(b'STORE 1 +FLAGS (%s)' % word)
    r = box3.ok('FETCH 1 FLAGS')
    assert all(re.fullmatch(r'[\x21-\x7e]+', f) for f in box3.flags()[1]), r


def test_subject_with_line_ends(imap):
    """What a header holds is told as a string that the client can frame, whatever is in it."""
    imap.append(b'Subject: a\r\n b =?utf-8?q?c=0D=0A*_BYE_forged?=\r\nFrom: "x\\"\r\n y" <a@b>\r\n\r\nx\r\n')
    imap.select()
    assert len(imap.ok('FETCH 1 (ENVELOPE BODYSTRUCTURE PREVIEW)').fetches()) == 1
