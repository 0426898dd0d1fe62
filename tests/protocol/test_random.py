"""SEARCH programs and LIST patterns made at random, against a few lines of Python that say what they mean.

POSTHORN_TEST_SEED repeats a run.
"""

import base64
import os
import random
import re
import time

import pytest

from harness.imap import Lit, quote
from harness.parse import numbers

MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split()
WORDS = ['alpha', 'beta', 'Gamma', 'delta', 'über', 'straße', 'fox', 'quick']
FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '\\Deleted', 'k1', 'k2']


@pytest.fixture
def chance():
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time() * 10))
    print('POSTHORN_TEST_SEED=%d' % seed)
    return random.Random(seed)


class Letter:
    def __init__(self, chance, n):
        self.subject = ' '.join(chance.sample(WORDS, 3))
        self.sender = chance.choice(['anna', 'bob', 'carl']) + '@example.org'
        self.body = ' '.join(chance.choices(WORDS, k=6)) + '\r\n'
        self.flags = set(chance.sample(FLAGS, chance.randrange(4)))
        self.day = (chance.randrange(1995, 2024), chance.randrange(1, 13), chance.randrange(1, 28))
        self.sent = (chance.randrange(1995, 2024), chance.randrange(1, 13), chance.randrange(1, 28))
        self.data = ('From: %s\r\nSubject: =?utf-8?q?%s?=\r\nDate: %d %s %d 12:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n'
                     'Content-Transfer-Encoding: 8bit\r\n\r\n%s%s\r\n'
                     % (self.sender, ''.join('=%02X' % b for b in self.subject.encode()), self.sent[2], MONTHS[self.sent[1] - 1], self.sent[0], self.body,
                        'x' * chance.randrange(60))).encode()

    def date(self):
        return '%2d-%s-%d 12:00:00 +0000' % (self.day[2], MONTHS[self.day[1] - 1], self.day[0])


def day(chance):
    return chance.randrange(1995, 2024), chance.randrange(1, 13), chance.randrange(1, 28)


def fold(s):
    return s.casefold()


def program(chance, letters, uids, depth=0):
    """A random program: (pieces to send, function of (number, letter))."""
    kind = chance.randrange(13 if depth < 4 else 9)
    if kind == 0:
        f = chance.choice(['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '\\Deleted'])
        un = chance.choice(['', 'UN'])
        return [un + f[1:].upper()], lambda n, m: (f in m.flags) == (un == '')
    if kind == 1:
        k, un = chance.choice(['k1', 'K2', 'k3']), chance.choice(['', 'UN'])
        return ['%sKEYWORD %s' % (un, k)], lambda n, m: (k.lower() in m.flags) == (un == '')
    if kind == 2:
        d, how = day(chance), chance.choice(['BEFORE', 'ON', 'SINCE', 'SENTBEFORE', 'SENTON', 'SENTSINCE'])

        def test(n, m):
            have = m.sent if how.startswith('SENT') else m.day
            return {'BEFORE': have < d, 'ON': have == d, 'SINCE': have >= d}[how.replace('SENT', '', 1)]
        return ['%s %d-%s-%d' % (how, d[2], MONTHS[d[1] - 1], d[0])], test
    if kind == 3:
        size, how = chance.choice([len(m.data) for m in letters]), chance.choice(['LARGER', 'SMALLER'])
        return ['%s %d' % (how, size)], lambda n, m: len(m.data) > size if how == 'LARGER' else len(m.data) < size
    if kind == 4:
        w = chance.choice(WORDS)
        w = chance.choice([w, w.upper() if 'ß' not in w else w, w[1:-1]])
        return ['SUBJECT ', Lit(w)], lambda n, m: fold(w) in fold(m.subject)
    if kind == 5:
        w = chance.choice(['anna', 'BOB', 'carl@example', 'nobody'])
        return ['FROM %s' % w], lambda n, m: fold(w) in fold(m.sender)
    if kind == 6:
        w, how = chance.choice(WORDS), chance.choice(['BODY', 'TEXT'])
        return [how + ' ', Lit(w)], lambda n, m: fold(w) in fold(m.body) or how == 'TEXT' and fold(w) in fold(m.subject)
    if kind == 7:
        a, b = chance.randrange(1, len(letters) + 1), chance.randrange(1, len(letters) + 1)
        return ['%d:%d' % (a, b)], lambda n, m: min(a, b) <= n <= max(a, b)
    if kind == 8:
        some = chance.sample(uids, 5)
        return ['UID %s' % ','.join(map(str, some))], lambda n, m: uids[n - 1] in some
    one, f = program(chance, letters, uids, depth + 1)
    if kind == 9:
        return ['NOT '] + one, lambda n, m: not f(n, m)
    two, g = program(chance, letters, uids, depth + 1)
    if kind == 10:
        return ['OR '] + one + [' '] + two, lambda n, m: f(n, m) or g(n, m)
    return ['('] + one + [' '] + two + [')'], lambda n, m: f(n, m) and g(n, m)


def test_search_programs(imap, chance):
    letters = [Letter(chance, n) for n in range(150)]
    uids = [imap.append(m.data, flags=' '.join(m.flags), date=m.date()) for m in letters]
    imap.select()
    for _ in range(200):
        pieces, test = program(chance, letters, uids)
        expected = [n for n, m in enumerate(letters, 1) if test(n, m)]
        sent = ''.join(p if isinstance(p, str) else '{%s}' % p.data.decode() for p in pieces)
        extended = chance.random() < 0.4
        r = imap.ok('SEARCH %sCHARSET UTF-8 ' % ('RETURN (MIN MAX COUNT ALL SAVE) ' if extended else ''), *pieces)
        assert r.search() == expected, sent
        if extended:
            e = r.esearch()
            assert e['COUNT'] == len(expected), sent
            assert (e.get('MIN'), e.get('MAX')) == ((expected[0], expected[-1]) if expected else (None, None)), sent
            assert sorted(imap.ok('FETCH $ UID').fetches()) == expected, sent
        else:
            assert imap.ok('UID SEARCH CHARSET UTF-8 ', *pieces).search() == [uids[n - 1] for n in expected], sent


def test_list_patterns(imap, chance):
    names = set()
    for _ in range(60):
        name = '/'.join(''.join(chance.choices('ab.', k=chance.randrange(1, 4))) for _ in range(chance.randrange(1, 4)))
        if name not in names:
            if imap.cmd('CREATE ' + quote(name)).status == 'OK':
                while name:
                    names.add(name)
                    name = name.rpartition('/')[0]
    special = {'INBOX', 'Drafts', 'Sent', 'Junk', 'Trash', 'Archive'}
    for _ in range(150):
        pattern = ''.join(chance.choices('ab./*%', weights=[4, 4, 1, 2, 2, 2], k=chance.randrange(1, 9)))
        meaning = re.compile(''.join({'*': '.*', '%': '[^/]*'}.get(ch, re.escape(ch)) for ch in pattern) + r'\Z', re.S)
        expected = set(n for n in names | special if meaning.match(n))
        got = set(imap.ok('LIST "" ' + quote(pattern)).list())
        # A pattern that ends in the delimiter may match the name before it.
        assert got == expected or pattern.endswith('/'), pattern


def test_sequence_sets(imap, chance):
    parts = []
    for n in range(300):
        parts += [' ', Lit(b'Subject: %d\r\n\r\n' % n, plus=True)]
    uids = numbers(imap.ok('APPEND INBOX', *parts).codes()['APPENDUID'][1])
    imap.select()
    gone = set(chance.sample(uids, 120))
    imap.ok('UID STORE %s +FLAGS.SILENT (\\Deleted)' % ','.join(map(str, gone)))
    imap.ok('EXPUNGE')
    left = [u for u in uids if u not in gone]
    for _ in range(100):
        pieces = []
        for _ in range(chance.randrange(1, 6)):
            a, b = chance.choice([str(chance.randrange(1, len(left) + 1)), '*']), chance.choice([str(chance.randrange(1, len(left) + 1)), '*'])
            pieces.append(chance.choice([a, a + ':' + b]))
        text = ','.join(pieces)
        want = sorted(set(n for p in pieces for n in numbers(p, len(left))))
        assert sorted(imap.ok('FETCH %s UID' % text).fetches()) == want, text
        pieces = []
        for _ in range(chance.randrange(1, 6)):
            a, b = chance.choice([str(chance.randrange(1, uids[-1] + 9)), '*']), chance.choice([str(chance.randrange(1, uids[-1] + 9)), '*'])
            pieces.append(chance.choice([a, a + ':' + b]))
        text = ','.join(pieces)
        want = set(n for p in pieces for n in numbers(p, left[-1]))
        assert sorted(a['UID'] for a in imap.ok('UID FETCH %s (FLAGS)' % text).fetches().values()) == [u for u in left if u in want], text


def test_partial_fetches(imap, chance):
    """Random pieces of random sections, in random transfer encodings."""
    data = os.urandom(20000)
    message = (b'Subject: pieces\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n'
               b'Content-Transfer-Encoding: base64\r\n\r\n' + base64.encodebytes(data).replace(b'\n', b'\r\n') + b'--b\r\nContent-Type: text/plain\r\n'
               b'Content-Transfer-Encoding: quoted-printable\r\n\r\n' + b''.join(b'=%02X=\r\n' % b for b in data[:3000]) + b'\r\n--b--\r\n')
    imap.append(message)
    imap.select()
    whole = {'': message, '1': imap.body(1, '1'), 'TEXT': message.split(b'\r\n\r\n', 1)[1], '2.MIME': imap.body(1, '2.MIME')}
    assert base64.b64decode(whole['1']) == data
    decoded = {'1': data, '2': imap.ok('FETCH 1 BINARY.PEEK[2]').fetch()['BINARY[2]']}
    assert decoded['2'].rstrip() == data[:3000].rstrip()
    for _ in range(80):
        binary = chance.random() < 0.5
        section, value = chance.choice(list((decoded if binary else whole).items()))
        start, count = chance.randrange(len(value) + 20), chance.randrange(1, 9000)
        name = 'BINARY' if binary else 'BODY'
        got = imap.ok('FETCH 1 %s.PEEK[%s]<%d.%d>' % (name, section, start, count)).fetch()
        assert got['%s[%s]<%d>' % (name, section, start)] == value[start:start + count], (section, start, count)


NAMES = ['a', 'b', 'c', 'a/x', 'a/y', 'a/x/z', 'b/x', 'b/x/z', 'c/y/z', 'INBOX/x']


def tree(c):
    """(selectable names, names that only hold others) as LIST tells; the mailboxes of a new account are left out."""
    real, hollow = set(), set()
    for name, attrs in c.ok('LIST "" *').list().items():
        if name not in ('INBOX', 'Drafts', 'Sent', 'Junk', 'Trash', 'Archive'):
            (hollow if attrs & {'\\noselect', '\\nonexistent'} else real).add(name)
    return real, hollow


def below(name):
    return lambda other: other == name or other.startswith(name + '/')


def test_names_of_mailboxes(login, chance):
    """CREATE, DELETE and RENAME at random from two connections: each mailbox holds one message that says which it is, and goes
    where its name goes; a name made again never has a UIDVALIDITY that it had."""
    one, two = login(name='a'), login(name='b')
    marker, validity, made = {}, {}, 0
    for step in range(250):
        c = chance.choice([one, two])
        real, hollow = tree(c)
        assert real >= set(marker), step
        do, name, other = chance.choice(['create', 'create', 'delete', 'rename']), chance.choice(NAMES), chance.choice(NAMES)
        if do == 'create':
            r = c.cmd('CREATE ' + name)
            assert (r.status == 'NO') == (name in real), (step, name, r)
            if r.status == 'OK':
                made += 1
                c.append(b'Subject: m%d\r\n\r\n' % made, name)
                marker[name] = b'm%d' % made
        elif do == 'delete':
            r = c.cmd('DELETE ' + name)
            if name in real:
                assert r.status == 'OK', (step, name, r)
                marker.pop(name, None)
                assert any(map(below(name), real - {name})) == (name in tree(c)[1]), (step, name)
            else:
                assert r.status == 'NO', (step, name, r)
        else:
            r = c.cmd('RENAME %s %s' % (name, other))
            if name not in real | hollow or other in real or below(name)(other):
                assert r.status == 'NO', (step, name, other, r)
            elif other not in hollow and name in real:
                assert r.status == 'OK', (step, name, other, r)
            if r.status == 'OK':
                marker = dict((other + n[len(name):] if below(name)(n) else n, m) for n, m in marker.items())
                after = tree(c)[0]
                assert not [n for n in real if below(name)(n) and n in after and not below(other)(n)], (step, name, other)
        if step % 10 == 9:
            for name in tree(c)[0]:
                codes = c.ok('EXAMINE ' + name).codes()
                subjects = [a['ENVELOPE'][1] for a in c.ok('FETCH 1:* ENVELOPE').fetches().values()] if c.exists else []
                assert subjects == ([marker[name]] if name in marker else []), (step, name)
                holder = marker.get(name)
                if holder is not None:
                    # A number belongs to one mailbox for ever, whatever its name is.
                    assert validity.setdefault(codes['UIDVALIDITY'][0], holder) == holder, (step, name)
                c.ok('UNSELECT')
