"""The load generator over TLS (bench/load.c): what it takes for an answer, for figures are made with it."""

import json
import os
import socket
import subprocess
import threading

import pytest

from harness.server import ROOT, Server

pytestmark = pytest.mark.own_server

BUILD = os.path.abspath(os.environ.get('POSTHORN_BUILD', os.path.join(ROOT, 'build')))


@pytest.fixture(scope='module')
def server():
    s = Server(users=4)
    s.start()
    yield s
    s.close()


def load(server, port, mode, *args):
    p = subprocess.run([os.path.join(BUILD, 'bench', 'load'), mode, '--port', str(port), '--password', server.password, *[str(a) for a in args]],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120, env=dict(os.environ, ASAN_OPTIONS='detect_leaks=0'))
    return json.loads(p.stdout)


def test_full_handshakes(server):
    r = load(server, server.imaps[1], 'login', '--tls', 'full', '--conns', 4, '--accounts', 4, '--seconds', 1)
    assert r['failures'] == 0
    assert r['ops'] > 0 and r['handshakes'] >= r['ops'] and r['resumed'] == 0


def test_resumed_handshakes(server):
    r = load(server, server.imaps[1], 'login', '--tls', 'resumed', '--conns', 4, '--accounts', 4, '--seconds', 1)
    assert r['failures'] == 0
    # All but the first of each.
    assert 0 < r['ops'] and r['handshakes'] - 8 <= r['resumed'] < r['handshakes']


@pytest.mark.parametrize('compress', (0, 1))
def test_large_messages_both_ways(server, compress):
    r = load(server, server.imaps[1], 'append', '--tls', 'full', '--compress', compress, '--size', 300000, '--seconds', 1)
    assert r['failures'] == 0 and r['ops'] > 0
    r = load(server, server.imaps[1], 'fetch', '--tls', 'full', '--compress', compress, '--depth', 3, '--messages', 1, '--seconds', 1)
    assert r['failures'] == 0 and r['bytes_in'] > 300000


class Meddler:
    """Stands between: from the n-th record of the server's on, in each of them a byte is another one."""

    def __init__(self, address, record):
        self.address, self.record = address, record
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.address)
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.meddle, args=(server.makefile('rb'), client), daemon=True).start()

    @staticmethod
    def forward(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def meddle(self, source, sink):
        count = 0
        try:
            while header := source.read(5):
                body = bytearray(source.read(int.from_bytes(header[3:], 'big')))
                if header[0] == 23:     # it is sealed
                    if count >= self.record:
                        body[len(body) // 2] ^= 1
                    count += 1
                sink.sendall(header + body)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


@pytest.mark.parametrize('record', (0, 1, 2, 3, 4))
def test_what_was_changed_on_the_way_is_a_failure(server, record):
    """In a handshake, whose records these are, and behind it."""
    meddler = Meddler(('127.0.0.1', server.imaps[1]), record)
    try:
        r = load(server, meddler.port, 'login', '--tls', 'full', '--conns', 1, '--seconds', 1)
        assert r['failures'] > 0 and r['ops'] == 0
    finally:
        meddler.close()


def test_a_server_that_speaks_no_tls_is_a_failure(server):
    r = load(server, server.imap[1], 'login', '--tls', 'full', '--conns', 1, '--seconds', 1)
    assert r['failures'] > 0 and r['handshakes'] == 0
