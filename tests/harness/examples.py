"""The examples of the RFCs, replayed: tests/rfc/*.rfc, a file a specification, a test an example. README.md describes the format."""

import base64
import pathlib
import re

import pytest

from . import mail, tls
from .imap import Lit, ProtocolError
from .scram import Scram
from .server import Server
from .tool import Tool
from .transcript import Run

SETTINGS = ('messages', 'state', 'enable', 'users', 'server', 'certificate')
ANNOUNCED = re.compile(r'(~?)\{(\+?)\}$')


class Line:
    """`who` is C, S or >; the text has its literals in place: `{{{`, newline, the bytes, NUL."""

    def __init__(self, who, connection, text, number):
        self.who, self.connection, self.text, self.number = who, connection, text, number


class Example:
    def __init__(self, title, number):
        self.title, self.number = title, number
        self.head, self.lines = {}, []


def parse(text):
    """The examples of a file."""
    if not re.search(r'^spec: RFC ', text, re.M):
        raise SyntaxError('the file does not name its specification: no "spec: RFC"')
    examples, literal = [], None
    for number, line in enumerate(text.split('\n'), 1):
        if line == '' or line.startswith(('#', 'spec: ')):
            continue
        if line.startswith('== '):
            examples.append(Example(line[3:], number))
            continue
        example = examples[-1]
        last = example.lines[-1] if example.lines else None
        if line.startswith('|'):
            literal = (literal or '') + line[2:] + '\r\n'
            continue
        m = re.match(r'([CS>])([2-9]?):?(?: (.*))?$', line)
        if m is None and line.startswith('  '):
            last.text += ' ' + line.strip()
        elif m is None:
            name, _, value = line.partition(': ')
            if name not in SETTINGS:
                raise SyntaxError('line %d: %s' % (number, line))
            example.head[name] = value
        elif literal is not None:
            # What follows a literal is the rest of its line; of a helper's command nothing follows.
            last.text += '{{\n' + literal + '\0'
            literal = None
            if m.group(1) == last.who != '>':
                last.text += m.group(3) or ''
            else:
                example.lines.append(Line(m.group(1), int(m.group(2) or 1), m.group(3) or '', number))
        elif last is not None and ANNOUNCED.search(last.text) and m.group(1) == 'S':
            pass    # "+": the client awaits it before it sends the literal
        else:
            example.lines.append(Line(m.group(1), int(m.group(2) or 1), m.group(3) or '', number))
    return examples


def pieces(text):
    """A command's text as strings and literals."""
    out = []
    while '{{\n' in text:
        before, _, rest = text.partition('{{\n')
        content, _, text = rest.partition('\0')
        m = ANNOUNCED.search(before)
        out += [before[:m.start()], Lit(content, plus=bool(m.group(2)), binary=bool(m.group(1)))]
    return out + [text]


class Replay(Run):
    """Plays one example. A response of a kind that the example shows must be one that it shows; others may come too."""

    def __init__(self, example, server):
        super().__init__(example, server, server.user())
        self.example = example
        example.head.setdefault('state', 'auth')
        self.vars['mailbox'] = 'INBOX'
        self.helper = None
        self.authority = None   # the folder of the one that signs the client's certificate
        self.raw = False        # the server asked for a line ("+"), so the next one is no command
        self.expected = {}      # connection → patterns since the last tagged response
        self.layers = {}        # tag → what STARTTLS or COMPRESS puts below the connection when it is OK
        for name in example.head.get('users', '').split():
            self.vars[name] = server.user()
        self.vars['plain'] = base64.b64encode(('\0%s\0%s' % (self.vars['user'], server.password)).encode()).decode()
        self.scram = Scram('sha256', self.vars['user'], server.password)
        self.vars['scram'] = base64.b64encode(self.scram.first()).decode()

    def prepare(self):
        """Fills INBOX and does what stands before the example's first line; then the example's connection is opened."""
        lines = self.example.lines
        for n in range(1, int(self.example.head.get('messages', 0)) + 1):
            self.as_helper('append %d INBOX' % n)
        while lines and lines[0].who == '>':
            self.line(lines.pop(0))
        self.open(1)

    def as_helper(self, text):
        """What happens outside of the example: a command of another session of the account, or of `${user}: `, or of the tool."""
        if text.startswith('posthorn '):
            Tool(self.server)(*self.substitute(text).split()[1:])
            return
        m = re.match(r'\$\{([a-z]+)\}: (.*)', text)
        if m:
            c = self.server.login(self.vars[m.group(1)], name='other')
            text = m.group(2)
        else:
            if self.helper is None:
                self.helper = self.server.login(self.vars['user'], name='helper')
            c = self.helper
        m = re.match(r'append ([0-9]+) (\S+)(?: \((.*)\))?$', text)
        many = re.match(r'fill ([0-9]+) (\S+)$', text)
        if many:
            self.fill(c, int(many.group(1)), many.group(2))
        elif m:
            self.vars['uid'] = c.append(mail.numbered(int(m.group(1))), self.substitute(m.group(2)), flags=m.group(3) or '')
        else:
            c.ok(*[p if isinstance(p, Lit) else self.substitute(p) for p in pieces(text)])
        if c is not self.helper:
            c.logout()

    @staticmethod
    def fill(c, count, box):
        """So many copies of one message in an empty mailbox, which doubles with each COPY."""
        c.append(mail.numbered(1), box)
        c.select(box)
        while c.exists < count:
            c.ok('COPY 1:%d %s' % (min(c.exists, count - c.exists), box))
        c.ok('UNSELECT')

    def run(self):
        self.prepare()
        for line in self.example.lines:
            try:
                self.line(line)
            except (AssertionError, SyntaxError) as e:
                raise type(e)('line %d: %s\n%s' % (line.number, line.text.split('\n')[0], e))
        for n in self.conns:
            self.await_shown(n)

    def challenged(self, message):
        """What the server says in an exchange of SCRAM, from which the client's next message follows; the last one is empty."""
        answer = self.scram.final(message) if self.scram.server_key is None else self.scram.verify(message)
        self.vars['scram'] = base64.b64encode(answer).decode()

    def context(self):
        """The client's for TLS: with a certificate of the account's name, if the example says so."""
        context = tls.context()
        if self.authority is not None:
            context.load_cert_chain(tls.client_certificate(self.authority, self.authority, self.vars['user']))
        return context

    def line(self, line):
        n = line.connection
        if line.who == '>':
            self.as_helper(line.text)
            return
        if n not in self.conns:
            self.open(n)
        c = self.conns[n]
        if line.who == 'C':
            self.await_shown(n)
            if self.raw or line.text == 'DONE':
                c.send(self.substitute(line.text) + '\r\n')
                self.raw = False
                return
            tag, _, text = line.text.partition(' ')
            parts = [p if isinstance(p, Lit) else self.substitute(p) for p in pieces(text)]
            c.begin(*parts, tag=tag)
            self.layers[tag] = {'STARTTLS': lambda: c.wrap_in_tls(self.context()), 'COMPRESS DEFLATE': c.start_deflate}.get(text.upper())
        elif line.text.startswith('+'):
            r = c.response()
            while r.tag != '+':
                r = c.response()
            if line.text == '+ ${scram}':
                self.challenged(base64.b64decode(r.text))
            self.raw = True
        elif line.text.startswith('* ') or line.text == '...':
            self.expected.setdefault(n, []).append(('*', re.sub(r'~?\{\}\{\{\n', '{{{\n', line.text), line.number))
        else:
            self.tagged(c, n, line.text)

    def tagged(self, c, n, text):
        tag, status, rest = (text.split(' ', 2) + [''])[:3]
        result = c.end(tag)
        if result.status != status.upper():
            raise AssertionError('%s expected, got\n%r\nlog:\n%s' % (status, result, c.history()))
        if rest.startswith('['):
            code, _ = self.code(self.substitute(rest))
            if not self.match_list(code, result.code or []):
                raise AssertionError('expected the code %r, got\n%r' % (code, result))
        self.compare_shown(n, result.untagged)
        if result.status == 'OK' and self.layers.get(tag):
            self.layers[tag]()

    @staticmethod
    def match_flags(w, h):
        """As in transcripts; and what LIST may tell of children at any time counts only where it is written."""
        want = {str(x).lower() for x in w if isinstance(x, str)}
        return Run.match_flags(w, [x for x in h if str(x).lower() not in ('\\haschildren', '\\hasnochildren') or str(x).lower() in want])

    def patterns(self, n):
        shown = [e for e in self.expected.get(n, ()) if e[1] != '...']
        return shown, len(shown) < len(self.expected.get(n, ()))

    def await_shown(self, n):
        """Responses that the example shows outside of a command, or before the next one of a pipeline."""
        c = self.conns[n]
        shown, _ = self.patterns(n)
        if not shown or c.pending and not self.is_waiting(c):
            return
        c.wait(lambda _: self.missing(shown, c.untagged, dict(self.vars)) is None, what=repr(shown))
        self.compare_shown(n, c.untagged)
        c.untagged = []

    @staticmethod
    def is_waiting(c):
        return c.pending[-1][1] == 'IDLE'

    def compare_shown(self, n, untagged):
        shown, more = self.patterns(n)
        self.expected[n] = []
        missing = self.missing(shown, untagged, self.vars)
        if missing is None and not more:
            kinds = {self.kind(p) for _, p, _ in shown}
            alike = [r for r in untagged if r.name in kinds]
            if len(alike) > sum(self.kind(p) in kinds for _, p, _ in shown):
                missing = 'nothing else of the kinds %r' % sorted(kinds)
        if missing is not None:
            raise AssertionError('shown: %s\nresponses:\n%s\nvariables: %r'
                                 % (missing, '\n'.join(repr(r) for r in untagged) or 'none', self.vars))

    @staticmethod
    def kind(pattern):
        """The name of a response's pattern; statuses (OK, NO) may come in any number."""
        words = pattern.split(' ', 3)
        name = (words[2] if words[1].isdigit() or words[1].startswith('$') else words[1]).upper()
        return None if name in ('OK', 'NO', 'BAD', 'BYE', 'PREAUTH') else name


class File(pytest.File):
    def collect(self):
        seen = {}
        for example in parse(self.path.read_text()):
            seen[example.title] = seen.get(example.title, 0) + 1
            name = example.title if seen[example.title] == 1 else '%s (%d)' % (example.title, seen[example.title])
            item = Item.from_parent(self, name=name)
            item.example = example
            yield item


class Item(pytest.Item):
    def runtest(self):
        import conftest
        options = self.example.head.get('server', '').split()
        certificate = 'certificate' in self.example.head
        if not options and not certificate:
            self.play(conftest.the_server(self.session))
            return
        server = Server(users=5, args=[w for option in options for w in ('--set', option)])
        authority = None
        if certificate:
            authority = pathlib.Path(server.dir)
            tls.make_certificate(authority, 'authority')
            server.args += ['--set', 'tls_client_ca="%s"' % (authority / 'cert.pem')]
        server.start()
        try:
            self.play(server, authority)
        finally:
            server.close()

    def play(self, server, authority=None):
        replay = Replay(self.example, server)
        replay.authority = authority
        try:
            replay.run()
        finally:
            replay.close()
            if replay.helper is not None:
                replay.helper.close()

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, (AssertionError, SyntaxError, ProtocolError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, self.example.number - 1, '%s: %s' % (self.path.stem, self.name)
