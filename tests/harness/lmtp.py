"""A raw LMTP client for tests (RFC 2033)."""

import re
import socket
import time

from . import tls
from .imap import Closed, Timeout
from .parse import ProtocolError

TIMEOUT = 20


class Reply:
    def __init__(self, code, lines):
        self.code = code
        self.lines = lines      # texts behind the code
        m = re.match(r'([245]\.\d{1,3}\.\d{1,3}) ', lines[-1])
        self.enhanced = m.group(1) if m else None

    def __repr__(self):
        return '<%d %s>' % (self.code, ' / '.join(self.lines))


class LMTP:
    def __init__(self, address, greet=True):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, TIMEOUT)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(TIMEOUT)
        self.buf = b''
        self.log = []
        self.keywords = {}
        if greet:
            self.greeting = self.expect(220)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.log.append(b'C: ' + data[:500])
        self.sock.sendall(data)

    def history(self):
        return '\n'.join(line.decode('utf-8', 'backslashreplace').rstrip()[:300] for line in self.log[-40:])

    def line(self):
        while b'\n' not in self.buf:
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                raise Timeout('no answer; log:\n' + self.history())
            except OSError as e:
                raise Closed('connection lost (%s); log:\n%s' % (e, self.history()))
            if data == b'':
                raise Closed('connection closed; log:\n' + self.history())
            self.buf += data
        line, _, self.buf = self.buf.partition(b'\n')
        self.log.append(b'S: ' + line)
        if not line.endswith(b'\r'):
            raise ProtocolError('bare LF: %r' % line)
        if len(line) > 511:
            raise ProtocolError('line too long (RFC 5321 4.5.3.1.5): %r' % line)
        return line[:-1].decode('utf-8')

    def reply(self):
        lines = []
        code = None
        while True:
            line = self.line()
            m = re.fullmatch(r'([2-5][0-9][0-9])([ -])(.*)', line)
            if m is None:
                raise ProtocolError('not a reply: %r' % line)
            if code is not None and int(m.group(1)) != code:
                raise ProtocolError('codes differ in one reply: %r' % line)
            code = int(m.group(1))
            lines.append(m.group(3))
            if m.group(2) == ' ':
                return Reply(code, lines)

    def expect(self, code, enhanced=None):
        r = self.reply()
        if isinstance(code, int):
            code = (code,)
        if r.code not in code or (enhanced is not None and r.enhanced != enhanced):
            raise ProtocolError('%s %s expected, got %r; log:\n%s' % (code, enhanced or '', r, self.history()))
        return r

    def cmd(self, line, code=None, enhanced=None):
        self.send(line + '\r\n')
        return self.reply() if code is None else self.expect(code, enhanced)

    def lhlo(self, name='test.example'):
        r = self.cmd('LHLO ' + name, 250)
        self.keywords = {}
        for line in r.lines[1:]:
            word, _, rest = line.partition(' ')
            self.keywords[word.upper()] = rest
        return r

    def starttls(self, context):
        self.cmd('STARTTLS', 220)
        if self.buf:
            raise ProtocolError('bytes behind the answer to STARTTLS')
        self.sock = tls.wrap(context, self.sock)
        self.sock.settimeout(TIMEOUT)

    def deliver(self, message, recipients, sender='sender@example.org', parameters=''):
        """One transaction; returns the replies after the data, one for each recipient."""
        if not self.keywords:
            self.lhlo()
        self.cmd('MAIL FROM:<%s>%s' % (sender, parameters), 250)
        for rcpt in recipients:
            self.cmd('RCPT TO:<%s>' % rcpt, 250)
        self.cmd('DATA', 354)
        self.send(stuffed(message) + b'.\r\n')
        return [self.reply() for _ in recipients]

    def closed(self):
        try:
            while True:
                self.reply()
        except Closed:
            return True

    def quit(self):
        self.cmd('QUIT', 221)
        self.closed()
        self.close()

    def close(self):
        self.sock.close()


def stuffed(message):
    """A message with CRLF line ends and its leading dots doubled (RFC 5321 4.5.2)."""
    if isinstance(message, str):
        message = message.encode()
    if not message.endswith(b'\r\n'):
        message += b'\r\n'
    return b'\r\n'.join(b'.' + s if s.startswith(b'.') else s for s in message[:-2].split(b'\r\n')) + b'\r\n'


def wait_until(predicate, timeout=TIMEOUT, what='it'):
    """Polls for what no protocol tells of (a file, a process); a poll, not a fixed sleep."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise Timeout('%s did not happen' % what)
        time.sleep(0.01)
