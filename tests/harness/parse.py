"""A strict parser of what an IMAP server sends (RFC 3501 and RFC 9051, section "Formal Syntax").

It is written for tests, from the grammar and not from our server, and refuses what the grammar does not allow: two spaces,
a bare LF, eight-bit bytes in a quoted string that was not negotiated. So every test also proves the syntax of what it reads.

Values: an atom is an Atom (a str), a quoted string or literal is bytes, a number is an int, NIL is None, a list is a list.
"""

import re


class ProtocolError(AssertionError):
    """The server broke the grammar or a rule of the protocol."""


class Atom(str):
    """An atom; kept apart from the strings, which are bytes."""

    def __repr__(self):
        return 'Atom(%s)' % str(self)


ATOM_STOP = b' (){}"\r\n'
STATUS = ('OK', 'NO', 'BAD', 'BYE', 'PREAUTH')
SECTION = re.compile(rb'(BODY|BODY\.PEEK|BINARY|BINARY\.PEEK|BINARY\.SIZE)\Z', re.I)


class Response:
    """One response: `* 12 FETCH (...)` has tag '*', number 12, name 'FETCH' and data [[...]]."""

    def __init__(self, raw):
        self.raw = raw
        self.tag = None
        self.number = None
        self.name = None
        self.data = []
        self.code = None    # of OK, NO, BAD, BYE, PREAUTH: [name, argument, ...], the name in capitals
        self.text = None

    def __repr__(self):
        return '<%s>' % self.raw[:400].decode('utf-8', 'backslashreplace').rstrip()

    @property
    def attrs(self):
        """The data of FETCH (or STATUS) as a dictionary from the name in capitals to the value."""
        items = self.data[-1]
        if len(items) % 2:
            raise ProtocolError('not pairs: %r' % self)
        pairs = {}
        for name, value in zip(items[::2], items[1::2]):
            if str(name).upper() in pairs:
                raise ProtocolError('%s twice in %r' % (name, self))
            pairs[str(name).upper()] = value
        return pairs


class Parser:
    def __init__(self, raw, utf8=False):
        self.raw = raw
        self.pos = 0
        self.utf8 = utf8

    def fail(self, what):
        raise ProtocolError('%s at byte %d of %r' % (what, self.pos, self.raw[:2000]))

    def peek(self, n=1):
        return self.raw[self.pos:self.pos + n]

    def take(self, expected):
        if self.peek(len(expected)) != expected:
            self.fail('expected %r' % expected)
        self.pos += len(expected)

    def at_end(self):
        return self.raw[self.pos:] == b'\r\n'

    def response(self):
        r = Response(self.raw)
        if not self.raw.endswith(b'\r\n'):
            self.fail('no CRLF')
        if self.peek() == b'+':
            self.pos += 1
            self.take(b' ')
            r.tag, r.name = '+', '+'
            r.text = self.raw[self.pos:-2]
            return r
        m = re.compile(rb'[^\x00-\x20(){}%*"\\+\x7f-\xff]+|\*').match(self.raw, self.pos)
        if m is None:
            self.fail('no tag')
        r.tag = m.group().decode()
        self.pos = m.end()
        self.take(b' ')
        if r.tag == '*':
            m = re.compile(rb'([0-9]+) ').match(self.raw, self.pos)
            if m:
                r.number = int(m.group(1))
                self.pos = m.end()
        name = self.atom()
        r.name = name.upper()
        if r.name in STATUS:
            if r.number is not None:
                self.fail('a number before a status')
            self.status(r)
            return r
        if r.tag != '*':
            self.fail('a tagged response that is not OK, NO or BAD')
        while not self.at_end():
            # Threads follow each other without a space (RFC 5256 5).
            if not (r.name == 'THREAD' and r.data and self.peek() == b'('):
                self.take(b' ')
            r.data.append(self.value())
        return r

    def status(self, r):
        self.take(b' ')
        if self.peek() == b'[':
            self.pos += 1
            r.code = [Atom(self.code_atom().upper())]
            if r.code[0] in ('ALERT', 'PARSE') and self.peek() != b']':
                self.fail('an argument')
            while self.peek() == b' ':
                self.pos += 1
                r.code.append(self.value(b']'))
            self.take(b']')
            self.take(b' ')
        r.text = self.raw[self.pos:-2].decode('utf-8')
        if r.text == '':
            self.fail('no text')
        if re.search('[\r\n\x00]', r.text):
            self.fail('control characters in the text')

    def code_atom(self):
        m = re.compile(rb'[^\x00-\x20(){}"\]\x7f-\xff]+').match(self.raw, self.pos)
        if m is None:
            self.fail('no name of a response code')
        self.pos = m.end()
        return m.group().decode()

    def atom(self, stop=b''):
        start = self.pos
        raw = self.raw
        while self.pos < len(raw) and raw[self.pos:self.pos + 1] not in (b'',) and \
                raw[self.pos] not in ATOM_STOP and raw[self.pos:self.pos + 1] not in (stop or b'\0',):
            if raw[self.pos:self.pos + 1] == b'[' and SECTION.match(raw[start:self.pos]):
                self.section()
                break
            if raw[self.pos] < 0x20 or raw[self.pos] == 0x7f:
                self.fail('control character in an atom')
            if raw[self.pos] > 0x7f:
                self.fail('eight-bit byte in an atom')
            self.pos += 1
        if self.pos == start:
            self.fail('expected an atom')
        return Atom(raw[start:self.pos].decode('ascii'))

    def section(self):
        """`[HEADER.FIELDS ("From" "To")]<0>` is part of the name of a FETCH item."""
        self.take(b'[')
        while self.peek() != b']':
            if self.peek() == b'"':
                self.quoted()
            elif self.peek() in (b'', b'\r'):
                self.fail('unended section')
            else:
                self.pos += 1
        self.pos += 1
        m = re.compile(rb'<[0-9]+>').match(self.raw, self.pos)
        if m:
            self.pos = m.end()

    def quoted(self):
        self.take(b'"')
        out = bytearray()
        while True:
            c = self.peek()
            if c == b'"':
                self.pos += 1
                break
            if c == b'\\':
                self.pos += 1
                c = self.peek()
                if c not in (b'"', b'\\'):
                    self.fail('bad escape')
            if c in (b'', b'\r', b'\n', b'\0'):
                self.fail('unended quoted string')
            if c[0] > 0x7f and not self.utf8:
                self.fail('eight-bit byte in a quoted string')
            out += c
            self.pos += 1
        out = bytes(out)
        if self.utf8:
            out.decode('utf-8')
        return out

    def literal(self):
        m = re.compile(rb'(~?)\{([0-9]+)\}\r\n').match(self.raw, self.pos)
        if m is None:
            self.fail('bad literal')
        size = int(m.group(2))
        self.pos = m.end()
        data = self.raw[self.pos:self.pos + size]
        self.pos += size
        if m.group(1) == b'' and b'\0' in data:
            self.fail('NUL in a literal that is not a literal8')
        return data

    def value(self, stop=b''):
        c = self.peek()
        if c == b'(':
            return self.list(stop)
        if c == b'"':
            return self.quoted()
        if c == b'{' or self.peek(2) == b'~{':
            return self.literal()
        a = self.atom(stop)
        if re.fullmatch('[0-9]+', a):
            if int(a) > 2 ** 64 - 1:
                self.fail('number too big')
            return int(a)
        if a.upper() == 'NIL':
            return None
        return a

    def list(self, stop=b''):
        """Only lists may follow each other without a space: the parts of a body, the addresses of a header."""
        self.take(b'(')
        out = []
        if self.peek() == b')':
            self.pos += 1
            return out
        while True:
            out.append(self.value())
            c = self.peek()
            if c == b')':
                self.pos += 1
                return out
            if c == b'(' and isinstance(out[-1], list):
                continue
            self.take(b' ')


def numbers(text, top=None):
    """The numbers of a sequence set, '1:3,5' → [1, 2, 3, 5]; `top` stands for `*`."""
    out = []
    for piece in str(text).split(','):
        low, _, high = piece.partition(':')
        low = top if low == '*' else int(low)
        high = low if high == '' else (top if high == '*' else int(high))
        out += range(min(low, high), max(low, high) + 1)
    return out
