"""Clients that are broken or mean: whatever they do, they hurt only themselves. POSTHORN_TEST_SEED repeats a run."""

import os
import random
import socket
import ssl
import struct
import time
import zlib

import pytest

from harness import mail, tls
from harness.parse import ProtocolError


@pytest.fixture
def chance():
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time() * 10))
    print('POSTHORN_TEST_SEED=%d' % seed)
    return random.Random(seed)


def raw(address, data, half_close=True, limit=10000000):
    """Sends bytes, says that no more come, and returns all that the server says until it closes."""
    s = socket.create_connection(address, 20)
    s.settimeout(20)
    out = b''
    try:
        s.sendall(data)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        while len(out) < limit:
            more = s.recv(65536)
            if more == b'':
                break
            out += more
    except OSError:
        pass
    finally:
        s.close()
    return out


def test_half_closed_connection_gets_its_answers(server, user):
    """A client (netcat in a script) may close its sending side at once: what it asked before is answered."""
    out = raw(server.imap, b'a LOGIN %s %s\r\nb SELECT INBOX\r\nc NOOP\r\nd LOGOUT\r\n' % (user.encode(), server.password.encode()))
    for tag in (b'a', b'b', b'c', b'd'):
        assert b'\r\n%s OK' % tag in out


def test_half_closed_without_logout(server, user):
    out = raw(server.imap, b'a LOGIN %s %s\r\nb SELECT INBOX\r\nc NOOP\r\n' % (user.encode(), server.password.encode()))
    assert b'\r\nc OK' in out


def test_reset_while_much_is_sent(login):
    """A client that vanishes in the middle of a big answer."""
    c = login()
    c.append(mail.sized(3000000))
    for _ in range(5):
        gone = login()
        gone.select()
        for n in range(5):
            gone.send(b'g%d FETCH 1 BODY.PEEK[]\r\n' % n)
        gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        gone.close()
    c.select()
    assert c.body(1) == mail.sized(3000000)


def test_vanishing_during_idle(login):
    c = login()
    for _ in range(10):
        gone = login()
        gone.select()
        gone.idle()
        gone.close()
        c.append(mail.numbered(1))
    assert c.status('INBOX', 'MESSAGES')['MESSAGES'] == 10


def test_many_short_connections(server, login):
    for n in range(300):
        s = socket.create_connection(server.imap if n % 2 else server.imaps)
        s.close()
    login().ok('NOOP')


def test_deflate_bomb(imap, login):
    """A few kilobytes that inflate to hundreds of megabytes: bounded like any other input."""
    imap.ok('COMPRESS DEFLATE')
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b''.join(z.compress(b'\0' * 1000000) for _ in range(200)) + z.flush()
    imap.inflate = zlib.decompressobj(-15)
    imap.checking = False
    try:
        imap.sock.sendall(bomb)
        imap.closed()
    except (ProtocolError, OSError):
        pass
    login().ok('NOOP')


COMMANDS = [
    b'CAPABILITY', b'NOOP', b'ID ("name" "x" "version" NIL)', b'ENABLE CONDSTORE QRESYNC UTF8=ACCEPT', b'NAMESPACE', b'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("*" "a%") RETURN (CHILDREN STATUS (MESSAGES SIZE))',
    b'SELECT INBOX (QRESYNC (1 2 1:3 (1,2 1,2)))', b'EXAMINE "INBOX" (CONDSTORE)', b'CREATE "a/b&AOk-" (USE (\\Sent))', b'RENAME a/b c', b'STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ MAILBOXID)',
    b'APPEND INBOX (\\Seen k) " 7-Feb-1994 21:52:25 -0800" {30+}\r\nSubject: x\r\n\r\n01234567890123', b'APPEND INBOX ~{5+}\r\nA: \0b', b'APPEND INBOX UTF8 (~{6+}\r\nA: b\r\n)',
    b'FETCH 1:* (FLAGS UID BODY.PEEK[HEADER.FIELDS (FROM "TO")]<0.10> BINARY.SIZE[1] BINARY.PEEK[1.2]<3.4> PREVIEW (LAZY) MODSEQ) (CHANGEDSINCE 1)', b'UID FETCH 1:*,$ (BODYSTRUCTURE ENVELOPE) (CHANGEDSINCE 1 VANISHED)',
    b'STORE 1:3 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Deleted a b)', b'UID STORE $ -FLAGS x', b'SEARCH RETURN (MIN MAX ALL COUNT SAVE) CHARSET UTF-8 OR (NOT SUBJECT "x" LARGER 5) UID 1:3,5 SENTSINCE 1-Jan-2020',
    b'SEARCH MODSEQ "/flags/\\\\draft" all 1 HEADER "x" {3+}\r\nabc OLDER 5', b'COPY 1,2 "a"', b'UID MOVE 1:* INBOX', b'EXPUNGE', b'UID EXPUNGE 1:5', b'UNSELECT', b'CLOSE', b'XLIST "" *', b'LSUB "" %', b'SUBSCRIBE a', b'CHECK',
    b'IDLE\r\nDONE', b'COMPRESS DEFLATEX', b'AUTHENTICATE PLAIN AGEAYg==', b'LOGIN {1+}\r\na "b"', b'STARTTLSX',
]


def spoil(chance, line):
    """A command with a few bytes changed, lost, doubled, or pieces of another in it."""
    line = bytearray(line)
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        if not line:
            break
        at = chance.randrange(len(line))
        kind = chance.randrange(6)
        if kind == 0:
            line[at] = chance.randrange(256)
        elif kind == 1:
            del line[at:at + chance.randrange(1, 6)]
        elif kind == 2:
            line[at:at] = line[at:at + chance.randrange(1, 20)]
        elif kind == 3:
            line[at:at] = chance.choice([b'(', b')', b'"', b'\\', b'{5}\r\n', b'{99+}\r\n', b'*', b'%', b' ', b'\r\n', b'\0', b'\xff', b'[', b']', b'<', b'99999999999999999999', b'$', b'NIL', b'~{3+}\r\nabc'])
        elif kind == 4:
            other = chance.choice(COMMANDS)
            line[at:at] = other[chance.randrange(len(other)):]
        else:
            line = line[:at]
    return bytes(line)


@pytest.mark.parametrize('number', range(3))
def test_spoiled_commands(server, user, chance, number):
    """Nonsense of all kinds, at once and logged in: the server answers or hangs up, and lives. Sanitizer builds watch it."""
    login = b'l LOGIN %s %s\r\n' % (user.encode(), server.password.encode())
    for _ in range(150):
        lines = [spoil(chance, chance.choice(COMMANDS)) for _ in range(chance.randrange(1, 18))]
        data = b''.join(b't%d %s\r\n' % (n, line) for n, line in enumerate(lines))
        if chance.random() < 0.9:
            data = login + chance.choice([b'', b's SELECT INBOX\r\n']) + data
        out = raw(server.imap, data)
        assert out.startswith(b'* OK')
        for line in out.split(b'\r\n'):
            assert b'\0' not in line
    c = server.login(user)
    c.ok('LIST "" *')
    c.select()
    c.ok('FETCH 1:* (FLAGS)') if c.exists else None
    c.close()


def test_spoiled_deliveries(server, user, chance):
    talk = (b'LHLO x\r\nMAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<%s>\r\nRCPT TO:<nobody-at-all>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\n'
            b'XCLIENT NAME=x ADDR=192.0.2.1\r\nLHLO y\r\nMAIL FROM:<>\r\nRCPT TO:<%s+x>\r\nBDAT 12\r\nSubject: y\r\nBDAT 4 LAST\r\n\r\n\r\nRSET\r\nNOOP\r\nVRFY x\r\nQUIT\r\n'
            % (user.encode(), user.encode()))
    for _ in range(150):
        data = talk
        for _ in range(chance.randrange(1, 4)):
            data = spoil(chance, data)
        assert raw(server.lmtp, data).startswith(b'220')
    l = server.lmtp_connect()
    assert l.deliver(mail.simple('after all'), [user])[0].code == 250
    l.quit()


def test_spoiled_tls(server, chance):
    """Garbage for a handshake, and a handshake broken off."""
    for _ in range(40):
        raw(server.imaps, bytes(chance.randrange(256) for _ in range(chance.randrange(1, 600))))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = tls.context().wrap_bio(incoming, outgoing, server_hostname='x')
    try:
        c.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    for _ in range(150):
        raw(server.imaps, spoil(chance, hello))
    server.connect(ssl=True).logout()
