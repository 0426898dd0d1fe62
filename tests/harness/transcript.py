"""Transcripts: tests written as a person would type them (tests/imap/*.t). README.md describes the format."""

import re

import pytest

from . import mail
from .imap import Lit, TIMEOUT
from .parse import Atom, ProtocolError

STATUSES = ('ok', 'no', 'bad')
HEADS = ('spec', 'connections', 'messages', 'state', 'enable', 'create', 'mailbox')


class Step:
    """One command with the responses expected after it."""

    def __init__(self, line, number):
        self.line = line
        self.number = number
        self.expected = []      # (kind, pattern text, line number): kind is '*', '=' or '!'


class Script:
    def __init__(self, text):
        self.head = {}
        self.steps = []
        lines = self.join(text)
        while lines and (lines[0][1] == '' or lines[0][1].startswith('#') or re.match(r'[a-z]+:', lines[0][1])):
            number, line = lines.pop(0)
            m = re.match(r'([a-z]+):\s*(.*)', line)
            if m:
                if m.group(1) not in HEADS:
                    raise SyntaxError('line %d: no such head: %s' % (number, m.group(1)))
                self.head[m.group(1)] = m.group(2)
        if 'spec' not in self.head:
            raise SyntaxError('a transcript names its specification: no "spec:"')
        for number, line in lines:
            if line == '' or line.startswith('#'):
                continue
            m = re.match(r'(!|=)?\s*(\*|\+)(\s|$)', line)
            if m:
                if not self.steps:
                    raise SyntaxError('line %d: a response before any command' % number)
                self.steps[-1].expected.append((m.group(1) or '*', line[m.start(2):], number))
            elif re.match(r'[1-9] ', line):
                self.steps.append(Step(line, number))
            else:
                raise SyntaxError('line %d: %s' % (number, line))

    @staticmethod
    def join(text):
        """Lines with their numbers; `{{{` at the end of a line opens a literal that ends with a line beginning `}}}`."""
        out = []
        lines = text.split('\n')
        i = 0
        while i < len(lines):
            line, number = lines[i].rstrip(), i + 1
            while line.endswith('{{{'):
                content = []
                i += 1
                while not lines[i].startswith('}}}'):
                    content.append(lines[i])
                    i += 1
                line += '\n' + '\r\n'.join(content) + '\r\n\0' + lines[i][3:].rstrip()
            out.append((number, line))
            i += 1
        return out


class Any:
    """In a pattern: `$name` (bind or compare), `$` (anything)."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return '$' + self.name


REST = Any('...')


def tokens(text):
    """A pattern as nested lists of Atom, bytes, int, None and Any."""
    pos = 0

    def list_of(close):
        nonlocal pos
        out = []
        while True:
            while pos < len(text) and text[pos] == ' ':
                pos += 1
            if pos >= len(text):
                if close:
                    raise SyntaxError('no %s in %r' % (close, text))
                return out
            c = text[pos]
            if c == close:
                pos += 1
                return out
            if c == '(':
                pos += 1
                out.append(list_of(')'))
            elif c == '"':
                m = re.compile(r'"((?:[^"\\]|\\.)*)"').match(text, pos)
                out.append(re.sub(r'\\(.)', r'\1', m.group(1)).encode())
                pos = m.end()
            elif text.startswith('{{{\n', pos):
                end = text.index('\0', pos)
                out.append(text[pos + 4:end].encode())
                pos = end + 1
            else:
                m = re.compile(r'[A-Za-z.]+\[[^\]]*\](<\d+>)?|[^ ()"]+').match(text, pos)
                word = m.group()
                if close == ']' and not word.startswith('BODY') and ']' in word:
                    word = word[:word.index(']')]
                pos += len(word)
                if word == '...':
                    out.append(REST)
                elif word.startswith('$') and re.fullmatch(r'\$[a-z][a-z0-9_]*|\$', word):
                    out.append(Any(word[1:]))
                elif re.fullmatch(r'[0-9]+', word):
                    out.append(int(word))
                elif word.lower() == 'nil':
                    out.append(None)
                else:
                    out.append(Atom(word))
    return list_of('')


class Run:
    def __init__(self, script, server, user):
        self.script = script
        self.server = server
        self.vars = {'user': user, 'password': server.password, 'mailbox': script.head.get('mailbox', 'transcript')}
        self.conns = {}
        self.pending = {}

    def substitute(self, text):
        def value(m):
            name, sign, plus = m.group(1), m.group(2), m.group(3)
            if name not in self.vars:
                raise SyntaxError('${%s} has no value' % name)
            v = self.vars[name]
            if sign:
                return str(int(v) + int(sign + plus))
            return v.decode() if isinstance(v, bytes) else str(v)
        return re.sub(r'\$\{([a-z][a-z0-9_]*)(?:([+-])([0-9]+))?\}', value, text)

    def prepare(self):
        head = self.script.head
        state = head.get('state', 'selected')
        box = self.vars['mailbox']
        if state != 'fresh':
            c = self.server.login(self.vars['user'])
            if state == 'selected' and box.upper() != 'INBOX':
                c.ok('CREATE %s' % box)
            for name in self.substitute(head.get('create', '')).split():
                c.ok('CREATE %s' % name)
            if 'messages' in head:
                for n in range(1, int(head['messages']) + 1):
                    self.vars['uid%d' % n] = c.append(mail.numbered(n), box)
                    self.vars['size%d' % n] = len(mail.numbered(n))
            c.logout()
        for n in range(1, int(head.get('connections', 1)) + 1):
            self.open(n)

    def open(self, n):
        state = self.script.head.get('state', 'selected')
        c = self.server.connect(name='c%dx' % n)
        self.conns[n] = c
        if state == 'fresh':
            return
        c.login(self.vars['user'], self.server.password)
        if 'enable' in self.script.head:
            c.enable(self.script.head['enable'])
        if state == 'selected':
            c.ok('SELECT %s' % self.vars['mailbox'])

    def close(self):
        for c in self.conns.values():
            c.close()

    def run(self):
        self.prepare()
        for step in self.script.steps:
            try:
                self.step(step)
            except (AssertionError, SyntaxError) as e:
                raise type(e)('line %d: %s\n%s' % (step.number, step.line.split('\n')[0], e))

    def step(self, step):
        line = self.substitute(step.line)
        n, _, rest = line.partition(' ')
        n = int(n)
        word, _, rest = rest.partition(' ')
        if word == 'open':
            self.open(n)
            return
        c = self.conns[n]
        if word == 'send':
            c.send(rest + '\r\n')
            self.await_all(c, step, n)
        elif word == 'begin':
            tag = c.begin(*self.parts(rest))
            self.pending.setdefault(n, []).append(tag)
            self.await_all(c, step, n)
        elif word == 'wait':
            self.await_all(c, step, n)
        elif word == 'silent':
            c.silent()
        elif word == 'close':
            c.close()
        elif word == 'closed':
            c.untagged += [r for r in c.closed() if r.tag == '*']
        elif word == 'end' or word in STATUSES:
            if word == 'end':
                word, _, rest = rest.partition(' ')
                tag = self.pending[n].pop(0)
                code, rest = self.code(rest)
            else:
                code, rest = self.code(rest)
                tag = c.begin(*self.parts(rest))
            result = c.end(tag)
            if result.status.lower() != word:
                raise AssertionError('expected %s, got\n%r\nlog:\n%s' % (word, result, c.history()))
            if code is not None and not self.match_list(code, result.code or []):
                raise AssertionError('expected the code %r, got\n%r' % (code, result))
            self.compare(step, result.untagged, c)
        else:
            raise SyntaxError('what is %r?' % word)

    @staticmethod
    def code(rest):
        """A leading `[...]` of a command line is the expected response code."""
        if not rest.startswith('['):
            return None, rest
        depth = 0
        for i, ch in enumerate(rest):
            depth += (ch == '[') - (ch == ']')
            if depth == 0:
                return tokens(rest[1:i]), rest[i + 1:].lstrip()
        raise SyntaxError('no ] in %r' % rest)

    @staticmethod
    def parts(text):
        """The command as pieces and literals; `{{{+` is not needed: synchronising literals are always allowed."""
        out = []
        while '{{{\n' in text:
            before, _, rest = text.partition('{{{\n')
            content, _, text = rest.partition('\0')
            out += [before, Lit(content)]
        if text or not out:
            out.append(text)
        return out

    def await_all(self, c, step, n):
        """Reads until everything expected has come."""
        want = [(k, p, l) for k, p, l in step.expected if k != '!']
        got = []
        plus = [p for k, p, l in want if p.startswith('+')]
        while True:
            if plus:
                r = c.response()
                if r.tag == '+':
                    plus.pop()
                elif r.tag != '*':
                    raise AssertionError('unexpected %r' % r)
                continue
            missing = self.missing([w for w in want if not w[1].startswith('+')], c.untagged, dict(self.vars))
            if missing is None:
                break
            r = c.response(TIMEOUT)
            if r.tag not in '*+':
                raise AssertionError('%r came before %s; log:\n%s' % (r, missing, c.history()))
        self.compare(step, c.untagged, c)
        c.untagged = []

    def compare(self, step, untagged, c):
        missing = self.missing([e for e in step.expected if e[0] != '!' and not e[1].startswith('+')], untagged, self.vars)
        if missing is not None:
            raise AssertionError('missing: %s\nresponses:\n%s\nvariables: %r'
                                 % (missing, '\n'.join(repr(r) for r in untagged), self.vars))
        for kind, pattern, number in step.expected:
            if kind != '!':
                continue
            for r in untagged:
                if self.matches(pattern, r, dict(self.vars)):
                    raise AssertionError('line %d: must not occur: %r' % (number, r))

    def missing(self, expected, untagged, names):
        """Binds what matches; returns the first pattern that nothing matches, or None. Each response serves one pattern."""
        used = set()
        last = -1
        for kind, pattern, number in expected:
            for i, r in enumerate(untagged):
                if i in used or (kind == '=' and i <= last):
                    continue
                trial = dict(names)
                if self.matches(pattern, r, trial):
                    names.update(trial)
                    used.add(i)
                    if kind == '=':
                        last = i
                    break
            else:
                return pattern
        return None

    def matches(self, pattern, r, names):
        saved, self.vars = self.vars, names
        try:
            return self.match_response(self.substitute(pattern), r)
        finally:
            self.vars = saved

    def match_response(self, pattern, r):
        body = pattern[1:].strip()
        m = re.match(r'(ok|no|bad|bye|preauth)\b\s*', body, re.I)
        if m:
            if r.name != m.group(1).upper() or r.number is not None:
                return False
            rest = body[m.end():]
            if rest.startswith('['):
                code, rest = self.code(rest)
                return r.code is not None and self.match_list(code, r.code)
            return True
        want = tokens(body)
        have = ([r.number] if r.number is not None else []) + [Atom(r.name)] + r.data
        if r.name in ('FETCH', 'UIDFETCH', 'STATUS') and want and isinstance(want[-1], list) and isinstance(have[-1], list):
            return self.match_list(want[:-1], have[:-1]) and self.match_pairs(want[-1], have[-1])
        if r.name == 'ESEARCH' and len(want) > 1 and isinstance(want[1], list):
            # The results of ESEARCH come in any order; others may come with them.
            skip = 3 if len(want) > 2 and str(want[2]).lower() == 'uid' else 2
            return self.match_list(want[:skip], have[:skip]) and self.match_pairs(want[skip:], have[skip:])
        return self.match_list(want, have)

    def match_list(self, want, have):
        for i, w in enumerate(want):
            if w is REST:
                return True
            if i >= len(have):
                return False
            if not self.match(w, have[i], want[i - 1] if i else None):
                return False
        return len(want) == len(have)

    def match(self, w, h, before=None):
        if isinstance(w, Any):
            if w.name == '':
                return True
            if w.name in self.vars:
                v = self.vars[w.name]
                return v == h or str(v) == (h.decode('utf-8', 'replace') if isinstance(h, bytes) else str(h))
            self.vars[w.name] = h
            return True
        if isinstance(w, list):
            if not isinstance(h, list):
                return False
            if any(isinstance(x, str) and x.startswith('\\') for x in w + h) or \
                    (isinstance(before, Atom) and before.lower() in ('flags', 'permanentflags')):
                return self.match_flags(w, h)
            return self.match_list(w, h)
        if isinstance(w, bytes):
            return (h.encode() if isinstance(h, str) else h) == w
        if isinstance(w, str):
            if isinstance(h, bytes):
                return h.decode('utf-8', 'replace').lower() == w.lower()
            return isinstance(h, (str, int)) and str(h).lower() == w.lower()
        if isinstance(w, int) and isinstance(h, (bytes, str)):
            return str(w) == (h.decode('utf-8', 'replace') if isinstance(h, bytes) else h)
        return w == h

    def match_pairs(self, w, h):
        """FETCH and STATUS items come in any order, and others may come with them; `!name` must not."""
        have = dict((str(n).upper(), v) for n, v in zip(h[::2], h[1::2]))
        items = list(w)
        while items:
            name = items.pop(0)
            if name is REST:
                continue
            name = name if isinstance(name, str) else name.decode()
            if name.startswith('!'):
                if name[1:].upper() in have:
                    return False
                continue
            if name.upper() not in have or not self.match(items.pop(0), have[name.upper()], Atom(name)):
                return False
        return True

    @staticmethod
    def match_flags(w, h):
        """Flags are a set; \\Recent counts only where it is written, `...` allows more."""
        want = set(str(x).lower() for x in w if x is not REST)
        have = set(str(x).lower() for x in h)
        if '\\recent' not in want:
            have.discard('\\recent')
        return want <= have if REST in w else want == have


class File(pytest.File):
    def collect(self):
        yield Item.from_parent(self, name=self.path.stem)


class Item(pytest.Item):
    def runtest(self):
        import conftest
        script = Script(self.path.read_text())
        server = conftest.the_server(self.session)
        run = Run(script, server, server.user())
        try:
            run.run()
        finally:
            run.close()

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, (AssertionError, SyntaxError, ProtocolError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, 'transcript %s' % self.name
