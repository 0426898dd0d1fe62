"""Secrets do not stay in memory: after a login no process has the password any more, in any form. Read from outside, by root."""

import base64
import os
import re
import secrets
import signal
import ssl
import subprocess

import pytest

from daemon.test_processes import is_sanitized, own  # noqa: F401 (own is a fixture)
from harness import tls
from harness.imap import Lit
from harness.lmtp import wait_until
from harness.server import Server

pytestmark = [
    pytest.mark.own_server,
    pytest.mark.skipif(os.getuid() != 0, reason='only root can read the memory of others'),
    pytest.mark.skipif(is_sanitized(), reason='sanitizers keep freed memory as it was'),
]


def present(pid, start, end):
    """The runs of pages that there are: gigabytes may be reserved of which next to nothing was touched."""
    page = 4096
    with open('/proc/%d/pagemap' % pid, 'rb') as f:
        f.seek(start // page * 8)
        high = f.read((end - start) // page * 8)[7::8]      # the bytes that say whether a page is in memory or swapped out
    for run in re.finditer(rb'[\x40-\xff]+', high, re.S):
        yield start + run.start() * page, start + run.end() * page


def memory(pid):
    """All that a process has written, region by region."""
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb', 0) as mem:
        for line in maps:
            m = re.match(r'([0-9a-f]+)-([0-9a-f]+) rw', line)
            if m is None:
                continue
            for start, end in present(pid, int(m[1], 16), int(m[2], 16)):
                mem.seek(start)
                try:
                    yield line.strip(), start, mem.read(end - start)
                except OSError:
                    continue


def find(pid, needles):
    """Where they are, with what is around them."""
    found = []
    for region, start, data in memory(pid):
        for needle in needles:
            at = data.find(needle)
            while at >= 0 and len(found) < 20:
                found.append((region.split()[-1], hex(start + at), data[max(0, at - 60):at + len(needle) + 20]))
                at = data.find(needle, at + 1)
    return found


def forms(password):
    """The password, and base64 of it at each alignment, less what depends on its neighbours."""
    out = [password]
    for shift in range(3):
        out.append(base64.b64encode(b'x' * shift + password)[4 if shift else 0:-4])
    return out


def test_it_can_be_found(own):  # noqa: F811
    """The search itself: a name that somebody is logged in by is found."""
    server = own()
    c = server.login('user1')
    c.ok('ID ("name" "finds-me-if-it-can")')
    assert find(server.role_pid('mail'), [b'finds-me-if-it-can'])
    c.close()


WAYS = ['quoted', 'literal', 'synchronizing', 'plain', 'plain-initial', 'login', 'pipelined', 'again', 'abandoned']


def attempt(c, how, password):
    """Shows the password, in one of the ways that there are; the answer does not matter."""
    if how == 'quoted':
        c.cmd(b'LOGIN user1 "%s"' % password)
    elif how == 'literal':
        c.cmd('LOGIN user1', Lit(password, plus=True))
    elif how == 'synchronizing':
        c.cmd('LOGIN', Lit(b'user1'), Lit(password))
    elif how == 'plain':
        c.authenticate('PLAIN', b'\0user1\0' + password)
    elif how == 'plain-initial':
        c.authenticate('PLAIN', initial=b'\0user1\0' + password)
    elif how == 'login':
        c.authenticate('LOGIN', b'user1', password)
    elif how == 'pipelined':
        c.send(b'l1 LOGIN user1 %s\r\nl2 LOGIN user2 {%d+}\r\n%s\r\n' % (password, len(password), password))
        c.pending += [('l1', 'LOGIN'), ('l2', 'LOGIN')]
        c.end('l1')
        c.end('l2')
    elif how == 'again':
        c.cmd('LOGIN user2', Lit(password))
        c.cmd('UNAUTHENTICATE')
        c.cmd('LOGIN user3', Lit(password))
    elif how == 'abandoned':
        c.send(b'l1 LOGIN user1 {%d+}\r\n%s' % (2 * len(password), password))
        c.send(b'x')


@pytest.mark.parametrize('with_tls', [False, True], ids=['clear', 'tls'])
@pytest.mark.parametrize('is_right', [True, False], ids=['right', 'wrong'])
def test_password_is_forgotten(with_tls, is_right):
    wrong, right = ('pw-%s-%s' % (kind, secrets.token_hex(20)) for kind in ('wrong', 'right'))
    password = (right if is_right else wrong).encode()
    server = Server(users=3, password=right)
    kept = []
    try:
        server.start()
        for how in WAYS:
            c = server.connect(ssl=with_tls)
            attempt(c, how, password)
            if how == 'abandoned':
                c.close()
                wait_until(lambda: 'the client went away' in server.log())
            else:
                c.ok('NOOP')
            kept.append((how, c))       # whoever is connected may keep buffers
            for role in 'mail', 'auth', 'key':
                assert find(server.role_pid(role), forms(password)) == [], (how, role)
    finally:
        for _, c in kept:
            c.close()
        server.close()


def numbers_of(key):
    """The secret numbers of a private key, as they are in the memory of who uses it: little-endian."""
    text = subprocess.run(['openssl', 'pkey', '-in', key, '-noout', '-text'], stdout=subprocess.PIPE, check=True).stdout.decode()
    found = re.findall(r'^(?:priv|privateExponent|prime1|prime2):\n((?: +[0-9a-f:]+\n)+)', text, re.M)
    assert len(found) in (1, 3)
    return [bytes.fromhex(re.sub('[^0-9a-f]', '', n)).lstrip(b'\0')[::-1] for n in found]


@pytest.mark.parametrize('kind', ['ec', 'rsa'])
@pytest.mark.parametrize('together', [False, True], ids=['two-files', 'one-file'])
def test_private_key(own, tmp_path, kind, together):  # noqa: F811
    """The private key is with the process that signs, which has nothing to do with the network, and nowhere else; its file is only with
    the supervisor, which must hand it to the next."""
    tls.make_certificate(tmp_path, 'first.example', ['rsa:2048'] if kind == 'rsa' else ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'])
    key, cert = tmp_path / 'key.pem', tmp_path / 'cert.pem'
    text, numbers = key.read_bytes().splitlines()[1:-1], numbers_of(key)
    if together:
        cert.write_bytes(key.read_bytes() + cert.read_bytes())
    server = own('--set', 'tls_certs={"%s"}' % cert, '--set', 'tls_keys={"%s"}' % (cert if together else key))
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        server.connect(ssl=tls.context(version)).close()
    backwards = [n[::-1] for n in numbers]
    assert all(find(server.role_pid('key'), [n]) for n in numbers), 'the search finds nothing where it is'
    assert find(server.role_pid('key'), text) == []
    for role in 'auth', 'mail':
        assert find(server.role_pid(role), text + numbers + backwards) == [], role
    # And after the keys have been exchanged.
    server.proc.send_signal(signal.SIGHUP)
    wait_until(lambda: 'event=certificates result=loaded' in server.log())
    server.connect(ssl=True).close()
    for role in 'auth', 'mail':
        assert find(server.role_pid(role), text + numbers + backwards) == [], role
