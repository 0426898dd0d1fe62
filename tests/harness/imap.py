"""A raw IMAP client for tests.

It sends what it is told, byte for byte, and checks what every client relies on in all that it reads: the grammar (parse.py),
that EXPUNGE comes only where it may, that sequence numbers stay inside the mailbox, that UIDs ascend with them.
"""

import base64
import re
import select
import socket
import time

from .parse import Parser, ProtocolError, numbers
from . import tls

TIMEOUT = 20


class Closed(ProtocolError):
    """The server closed the connection."""


class Timeout(ProtocolError):
    """What a test waits for did not come."""


class Lit:
    """A literal in a command: Lit(b'...') is synchronising, Lit(b'...', plus=True) is not, binary=True is a literal8."""

    def __init__(self, data, plus=False, binary=False):
        self.data = data.encode() if isinstance(data, str) else data
        self.plus = plus
        self.head = b'%s{%d%s}\r\n' % (b'~' if binary else b'', len(self.data), b'+' if plus else b'')


class Result:
    """A tagged response with the untagged ones before it."""

    def __init__(self, tagged, untagged):
        self.tagged = tagged
        self.untagged = untagged
        self.status = tagged.name
        self.code = tagged.code
        self.text = tagged.text

    def __repr__(self):
        return '\n'.join(repr(r) for r in self.untagged + [self.tagged])

    def all(self, name):
        return [r for r in self.untagged if r.name == name]

    def one(self, name):
        found = self.all(name)
        if len(found) != 1:
            raise ProtocolError('%d %s in\n%r' % (len(found), name, self))
        return found[0]

    def fetches(self):
        """Sequence number → attributes, joined over the FETCH responses of a message."""
        out = {}
        for r in self.all('FETCH'):
            out.setdefault(r.number, {}).update(r.attrs)
        return out

    def fetch(self, number=None):
        found = self.fetches()
        if number is None:
            if len(found) != 1:
                raise ProtocolError('%d messages in\n%r' % (len(found), self))
            return next(iter(found.values()))
        return found[number]

    def codes(self):
        """Response codes of all untagged statuses and the tagged one: name → arguments."""
        out = {}
        for r in self.untagged + [self.tagged]:
            if r.code:
                out[str(r.code[0])] = r.code[1:]
        return out

    def search(self):
        """The numbers that SEARCH or ESEARCH found, sorted."""
        out = []
        for r in self.untagged:
            if r.name == 'SEARCH':
                out += [n for n in r.data if isinstance(n, int)]
            elif r.name == 'ESEARCH' and 'ALL' in esearch(r):
                out += numbers(esearch(r)['ALL'])
        return sorted(out)

    def esearch(self):
        return esearch(self.one('ESEARCH'))

    def expunged(self):
        return [r.number for r in self.all('EXPUNGE')]

    def list(self):
        """Mailbox name → set of attributes in small letters, of LIST responses."""
        out = {}
        for r in self.all('LIST'):
            name = text(r.data[2])
            if name in out:
                raise ProtocolError('%s listed twice' % name)
            out[name] = set(a.lower() for a in r.data[0])
        return out


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def esearch(r):
    """An ESEARCH response as a dictionary: TAG, MAILBOX, UIDVALIDITY, UID (True), MIN, MAX, ALL, COUNT, MODSEQ."""
    data = list(r.data)
    out = {}
    if data and isinstance(data[0], list):
        if str(data[0][0]).upper() != 'TAG' or len(data[0]) % 2:
            raise ProtocolError('no TAG in %r' % r)
        out['TAG'] = text(data[0][1])
        # MAILBOX and UIDVALIDITY (RFC 7377 2.1).
        for name, value in zip(data[0][2::2], data[0][3::2]):
            out[str(name).upper()] = text(value) if str(name).upper() == 'MAILBOX' else value
        data.pop(0)
    if data and str(data[0]).upper() == 'UID':
        out['UID'] = True
        data.pop(0)
    if len(data) % 2:
        raise ProtocolError('not pairs: %r' % r)
    for name, value in zip(data[::2], data[1::2]):
        out[str(name).upper()] = value
    return out


class IMAP:
    def __init__(self, address, ssl=None, name='', greet=True):
        """`address` is a (host, port) pair or the path of a Unix socket; `ssl` is an ssl.SSLContext for implicit TLS."""
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, TIMEOUT)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ssl is not None:
            self.sock = tls.wrap(ssl, self.sock)
        self.buf = bytearray()
        self.name = name
        self.log = []
        self.count = 0
        self.pending = []       # (tag, command word) of commands not yet answered
        self.early = {}         # tag → Result that was read while another was awaited
        self.untagged = []      # read since the last tagged response
        self.utf8 = False
        self.inflate = self.deflate = None
        self.exists = None
        self.uids = {}
        self.checking = True
        self.is_notified = False    # NOTIFY with SELECTED: EXPUNGE may come at any time
        self.greeting = self.response() if greet else None
        self.untagged = []

    # Bytes.

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.log.append(b'C: ' + data[:2000])
        if self.deflate is not None:
            import zlib
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def fill(self, deadline):
        left = deadline - time.monotonic()
        pending = getattr(self.sock, 'pending', lambda: 0)()
        if left <= 0 or (not pending and not select.select([self.sock], [], [], left)[0]):
            raise Timeout('nothing more came; log:\n' + self.history())
        try:
            data = self.sock.recv(262144)
        except (ConnectionError, OSError) as e:
            raise Closed('connection lost (%s); log:\n%s' % (e, self.history()))
        if data == b'':
            raise Closed('connection closed; log:\n' + self.history())
        if self.inflate is not None:
            data = self.inflate.decompress(data)
        self.buf += data

    def history(self, last=40):
        return '\n'.join(line.decode('utf-8', 'backslashreplace').rstrip()[:600] for line in self.log[-last:])

    def raw_response(self, timeout=TIMEOUT):
        """The bytes of one response: a line, with the literals that it announces and the lines behind them."""
        deadline = time.monotonic() + timeout
        pos = 0
        while True:
            end = self.buf.find(b'\n', pos)
            if end < 0:
                self.fill(deadline)
                continue
            m = re.compile(rb'~?\{([0-9]+)\}\r\n\Z').search(self.buf[pos:end + 1])
            if m is None or self.buf[:1] == b'+':
                raw = bytes(self.buf[:end + 1])
                del self.buf[:end + 1]
                self.log.append(b'S: ' + raw[:2000])
                return raw
            pos = end + 1 + int(m.group(1))
            while len(self.buf) < pos:
                self.fill(deadline)

    def response(self, timeout=TIMEOUT):
        """Reads, checks and returns the next response of any kind."""
        try:
            r = Parser(self.raw_response(timeout), self.utf8).response()
        except ProtocolError as e:
            if not isinstance(e, (Closed, Timeout)):
                raise ProtocolError('%s; log:\n%s' % (e, self.history()))
            raise
        if r.tag == '*':
            if r.name == 'ENABLED' and set(str(a).upper() for a in r.data) & {'UTF8=ACCEPT', 'IMAP4REV2'}:
                self.utf8 = True
            if self.checking:
                self.check(r)
            self.untagged.append(r)
        elif r.tag != '+':
            if r.tag not in [tag for tag, _ in self.pending]:
                raise ProtocolError('unknown tag in %r; log:\n%s' % (r, self.history()))
            word = [w for tag, w in self.pending if tag == r.tag][0]
            if word in ('CLOSE', 'UNSELECT') and r.name == 'OK':
                self.exists, self.uids = None, {}
            if word in ('SELECT', 'EXAMINE') and r.name == 'NO':
                self.exists, self.uids = None, {}
        return r

    def check(self, r):
        """What any client relies on, whatever the test is about."""
        for part in (r.code or []) + (r.data if r.name in ('VANISHED', 'ESEARCH') else []):
            if isinstance(part, str) and re.search(r'(?:^|,)([0-9]+):\1(?:,|$)', part):
                self.broken('a range of one number (RFC 9051 6.4.9, RFC 4315 4)', r)
        words = [w for _, w in self.pending]
        if r.name == 'EXISTS':
            if words and words[0] in ('SELECT', 'EXAMINE'):
                self.exists, self.uids = r.number, {}
                return
            if self.exists is None:
                self.broken('EXISTS without a mailbox', r)
            if r.number < self.exists:
                self.broken('EXISTS went down without EXPUNGE', r)
            self.exists = r.number
        elif r.name == 'EXPUNGE':
            if not words and not self.is_notified:
                self.broken('EXPUNGE with no command in progress (RFC 3501 7.4.1)', r)
            if words and words[0] in ('FETCH', 'STORE', 'SEARCH', 'SORT', 'THREAD'):
                self.broken('EXPUNGE during %s (RFC 3501 7.4.1)' % words[0], r)
            if self.exists is None or not 1 <= r.number <= self.exists:
                self.broken('EXPUNGE of a message that is not there', r)
            self.exists -= 1
            self.uids = dict((n - (n > r.number), u) for n, u in self.uids.items() if n != r.number)
        elif r.name == 'VANISHED':
            if r.data and isinstance(r.data[0], list):
                return
            if not words and not self.is_notified:
                self.broken('VANISHED with no command in progress (RFC 7162 3.2.10)', r)
            if words and words[0] in ('FETCH', 'STORE', 'SEARCH', 'SORT', 'THREAD'):
                self.broken('VANISHED during %s (RFC 7162 3.2.10.2)' % words[0], r)
            self.exists = None if self.exists is None else self.exists - len(numbers(r.data[-1]))
            gone = set(numbers(r.data[-1]))
            kept = [(n, u) for n, u in sorted(self.uids.items())]
            self.uids = dict((n - sum(1 for m, v in kept if v in gone and m < n), u) for n, u in kept if u not in gone)
            if any(u not in self.uids.values() for u in gone):
                self.uids = {}
        elif r.name == 'FETCH':
            if self.exists is not None and not 1 <= r.number <= self.exists:
                self.broken('FETCH of a message that is not there', r)
            uid = r.attrs.get('UID')
            if uid is not None:
                if self.uids.get(r.number, uid) != uid:
                    self.broken('the UID of a message changed from %d' % self.uids[r.number], r)
                for n, u in self.uids.items():
                    if (n < r.number) != (u < uid) and n != r.number:
                        self.broken('UIDs do not ascend: message %d has %d' % (n, u), r)
                self.uids[r.number] = uid

    def broken(self, what, r):
        raise ProtocolError('%s: %r; log:\n%s' % (what, r, self.history()))

    # Commands.

    def begin(self, *parts, tag=None, wait_literals=True):
        """Sends a command and returns its tag; strings are sent as they are, Lit waits for its continuation."""
        self.count += 1
        tag = tag or '%s%d' % (self.name or 'a', self.count)
        words = (parts[0] if isinstance(parts[0], str) else parts[0].decode('latin-1')).upper().split(' ')
        word = words[0].strip()
        if word == 'NOTIFY':
            self.is_notified = any(w.strip('(') == 'SELECTED' for w in words)
        if word == 'UID' and len(words) > 1:
            word = 'UID ' + words[1].strip()
        self.pending.append((tag, word))
        out = tag.encode() + b' '
        for part in parts:
            if isinstance(part, Lit):
                out += part.head
                if not part.plus:
                    self.send(out)
                    if wait_literals:
                        r = self.await_continuation(tag)
                        if r is not None:
                            self.early[tag] = r
                            return tag
                    out = b''
                out += part.data
            else:
                out += part.encode() if isinstance(part, str) else part
        self.send(out + b'\r\n')
        return tag

    def await_continuation(self, tag):
        while True:
            r = self.response()
            if r.tag == '+':
                return None
            if r.tag == tag:
                return self.finish(r)
            if r.tag != '*':
                self.early[r.tag] = self.finish(r)

    def finish(self, r):
        self.pending = [(t, w) for t, w in self.pending if t != r.tag]
        result = Result(r, self.untagged)
        self.untagged = []
        return result

    def end(self, tag, timeout=TIMEOUT):
        """Waits for the tagged response of a command that was begun."""
        while tag not in self.early:
            r = self.response(timeout)
            if r.tag == '+':
                raise ProtocolError('a continuation nobody asked for; log:\n' + self.history())
            if r.tag != '*':
                self.early[r.tag] = self.finish(r)
        return self.early.pop(tag)

    def cmd(self, *parts, timeout=TIMEOUT):
        return self.end(self.begin(*parts), timeout)

    def ok(self, *parts, code=None, timeout=TIMEOUT):
        return self.want('OK', code, self.cmd(*parts, timeout=timeout), parts)

    def no(self, *parts, code=None):
        return self.want('NO', code, self.cmd(*parts), parts)

    def bad(self, *parts, code=None):
        return self.want('BAD', code, self.cmd(*parts), parts)

    def refused(self, *parts):
        """NO or BAD: where the RFC leaves the choice."""
        r = self.cmd(*parts)
        if r.status == 'OK':
            raise ProtocolError('%r was not refused:\n%r' % (parts, r))
        return r

    def want(self, status, code, r, parts):
        if r.status != status:
            raise ProtocolError('%s expected for %r:\n%r\nlog:\n%s' % (status, parts, r, self.history()))
        if code is not None and (r.code is None or r.code[0] != code):
            raise ProtocolError('[%s] expected for %r:\n%r' % (code, parts, r))
        return r

    def wait(self, predicate, timeout=TIMEOUT, what='a response'):
        """Reads until an untagged response (also one already read) satisfies the predicate; returns it."""
        for r in self.untagged:
            if predicate(r):
                return r
        deadline = time.monotonic() + timeout
        while True:
            try:
                r = self.response(deadline - time.monotonic())
            except Timeout:
                raise Timeout('%s did not come; log:\n%s' % (what, self.history()))
            if r.tag == '*' and predicate(r):
                return r

    def wait_name(self, name, number=None, timeout=TIMEOUT):
        return self.wait(lambda r: r.name == name and number in (None, r.number), timeout, name)

    def silent(self, seconds=0.2):
        """Nothing comes: the one place where a test waits for time to pass, since no event can show an absence."""
        try:
            r = self.response(seconds)
        except Timeout:
            return
        raise ProtocolError('silence expected, got %r' % r)

    def closed(self, timeout=TIMEOUT):
        """Reads until the server closes the connection; returns the responses before that."""
        out = []
        try:
            while True:
                out.append(self.response(timeout))
        except Closed:
            return out

    # Conveniences.

    def login(self, user, password):
        r = self.ok('LOGIN %s %s' % (user, password))
        return r

    def select(self, mailbox='INBOX', *rest):
        return self.ok('SELECT ' + quote(mailbox), *rest)

    def capabilities(self):
        return set(str(a).upper() for a in self.ok('CAPABILITY').one('CAPABILITY').data)

    def enable(self, *names):
        return self.ok('ENABLE ' + ' '.join(names))

    def append(self, message, mailbox='INBOX', flags='', date=''):
        """Appends a message and returns its UID (from APPENDUID)."""
        r = self.ok('APPEND %s %s%s' % (quote(mailbox), '(%s) ' % flags if flags else '', '"%s" ' % date if date else ''),
                    Lit(message))
        code = r.codes()['APPENDUID']
        return code[1]

    def idle(self):
        """Enters IDLE and returns when the server confirmed it."""
        tag = self.begin('IDLE')
        while True:
            r = self.response()
            if r.tag == '+':
                return tag
            if r.tag == tag:
                raise ProtocolError('IDLE refused: %r' % r)

    def done(self, tag):
        self.send(b'DONE\r\n')
        return self.end(tag)

    def starttls(self, context):
        self.ok('STARTTLS')
        self.wrap_in_tls(context)

    def wrap_in_tls(self, context=None):
        if self.buf:
            raise ProtocolError('bytes behind the answer to STARTTLS: %r' % self.buf)
        self.sock = tls.wrap(context or tls.context(), self.sock)

    def compress(self):
        r = self.ok('COMPRESS DEFLATE')
        self.start_deflate()
        return r

    def start_deflate(self):
        import zlib
        self.inflate = zlib.decompressobj(-15)
        self.deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        if self.buf:
            self.buf = bytearray(self.inflate.decompress(bytes(self.buf)))

    def authenticate(self, mechanism, *answers, initial=None):
        """AUTHENTICATE with fixed answers; returns the Result and the challenges."""
        tag = self.begin('AUTHENTICATE %s%s' % (mechanism, '' if initial is None else ' ' + b64(initial)))
        challenges = []
        answers = list(answers)
        while True:
            r = self.response()
            if r.tag == '+':
                challenges.append(base64.b64decode(r.text))
                answer = answers.pop(0)
                if callable(answer):
                    answer = answer(challenges[-1])
                # An empty answer is an empty line here; "=" stands for it only as an initial response (RFC 4959 3).
                self.send((answer if answer == '*' else b64(answer) if answer else '') + '\r\n')
            elif r.tag == tag:
                return self.finish(r), challenges

    def uid_map(self):
        """UID → sequence number of the selected mailbox."""
        if self.exists == 0:
            return {}
        return dict((a['UID'], n) for n, a in self.ok('FETCH 1:* (UID)').fetches().items())

    def flags(self, what='1:*', uid=False):
        """Sequence number → set of flags without \\Recent."""
        r = self.ok('%sFETCH %s (FLAGS)' % ('UID ' if uid else '', what))
        return dict((n, set(str(f).lower() for f in a['FLAGS']) - {'\\recent'}) for n, a in r.fetches().items())

    def body(self, number, section='', uid=False):
        r = self.ok('%sFETCH %d (BODY.PEEK[%s])' % ('UID ' if uid else '', number, section)).fetch()
        return r['BODY[%s]' % section.upper()]

    def status(self, mailbox, *items):
        r = self.ok('STATUS %s (%s)' % (quote(mailbox), ' '.join(items)))
        return r.one('STATUS').attrs

    def logout(self):
        r = self.ok('LOGOUT')
        r.one('BYE')
        self.closed()
        self.close()
        return r

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


def quote(name):
    """A mailbox name as a quoted string."""
    return '"%s"' % name.replace('\\', '\\\\').replace('"', '\\"')


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return '=' if data == b'' else base64.b64encode(data).decode()
