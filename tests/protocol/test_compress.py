"""COMPRESS=DEFLATE (RFC 4978)."""

import base64
import os

from harness import mail


def test_commands_inside(imap):
    imap.compress()
    imap.select()
    uid = imap.append(mail.numbered(1))
    assert imap.ok('UID FETCH %d BODY.PEEK[]' % uid).fetch()['BODY[]'] == mail.numbered(1)
    imap.logout()


def test_twice_is_refused(imap):
    """RFC 4978 3: NO with COMPRESSIONACTIVE."""
    imap.compress()
    imap.no('COMPRESS DEFLATE', code='COMPRESSIONACTIVE')
    imap.ok('NOOP')


def test_unknown_mechanism(imap):
    imap.refused('COMPRESS GZIP')
    imap.bad('COMPRESS')
    imap.bad('COMPRESS DEFLATE x')
    imap.ok('NOOP')


def test_compressed_bytes_in_the_packet_of_the_command(imap):
    """RFC 4978 3: the client must wait for OK before it sends compressed; what is in clear behind the command is not ours to guess,
    but the command itself works."""
    imap.compress()
    for _ in range(50):
        imap.ok('NOOP')


def test_incompressible_and_large(imap):
    body = base64.encodebytes(os.urandom(300000)).replace(b'\n', b'\r\n')
    message = b'Subject: noise\r\n\r\n' + body
    imap.compress()
    imap.append(message)
    imap.select()
    assert imap.body(1) == message


class Counting:
    """A socket that counts what it receives."""

    def __init__(self, sock):
        self.sock = sock
        self.count = 0

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def recv(self, size):
        data = self.sock.recv(size)
        self.count += len(data)
        return data


def test_it_compresses(imap):
    message = mail.sized(200000)
    imap.append(message)
    imap.select()
    imap.compress()
    imap.sock = Counting(imap.sock)
    assert imap.body(1) == message
    assert imap.sock.count < len(message) // 4


def test_inside_tls(connect, server, user):
    c = connect(ssl=True)
    c.login(user, server.password)
    c.compress()
    c.append(mail.numbered(1))
    c.select()
    assert c.body(1) == mail.numbered(1)


def test_idle_inside(login):
    one, two = login(), login()
    two.compress()
    two.select()
    tag = two.idle()
    one.append(mail.numbered(1))
    two.wait_name('EXISTS', 1)
    two.done(tag)


def test_many_small_flushes(imap):
    """After each idle pause the dictionary goes on: hundreds of turns work."""
    imap.compress()
    imap.select()
    for n in range(300):
        imap.ok('NOOP')
    imap.append(mail.numbered(1))
    imap.ok('NOOP')
    assert imap.body(1) == mail.numbered(1)


def test_garbage_ends_the_connection_only(imap, login):
    imap.compress()
    imap.sock.sendall(b'\xff' * 200)
    imap.checking = False
    try:
        imap.closed()
    except Exception:
        pass
    login().ok('NOOP')


def test_before_login_is_refused(anon):
    """Compression before login would be a gift to whoever wants to exhaust memory."""
    anon.refused('COMPRESS DEFLATE')
