"""Posthorn's answers beside those of Debian's Dovecot on the same messages.

Every message of ../shared/corpus (when it is there) and of tests/data/odd goes into both. Each difference must be explained by
a rule of differences.py, which docs/dovecot-differences.md gives reasons for; what no rule explains fails.
"""
import email
import email.utils
import glob
import os
import re
import tempfile
import unicodedata

import pytest

from . import differences, imap_client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(os.path.dirname(ROOT), 'shared', 'corpus')
# A checkout elsewhere may say where it is.
CORPUS = os.environ.get('POSTHORN_CORPUS', CORPUS)

pytestmark = pytest.mark.skipif(not os.path.exists(imap_client.DOVECOT_IMAP),
                                reason='dovecot-imapd is not installed, which the answers are compared with')

HEADER_ITEMS = b'BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<10.500> BODY.PEEK[HEADER.FIELDS (Subject from TO X-none)] ' \
    b'BODY.PEEK[HEADER.FIELDS.NOT (Received Subject)]'


def read_messages():
    """[(name, message)]; with CRLF, as clients append them, and without NUL, which literals can't carry."""
    paths = sorted(glob.glob(os.path.join(ROOT, 'tests', 'data', 'odd', '*.eml')))
    paths += [p for p in sorted(glob.glob(os.path.join(CORPUS, '**', '*'), recursive=True))
              if os.path.isfile(p) and not p.endswith('README.md') and 'mbox' not in p]
    found = []
    for path in paths:
        with open(path, 'rb') as f:
            data = re.sub(rb'\r?\n', b'\r\n', f.read()).replace(b'\0', b'')
        found.append((os.path.basename(path), data))
    return found


class Both:
    """The same mailbox on both servers."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.messages = read_messages()
        for client in (ours, theirs):
            for _, message in self.messages:
                client.append(b'INBOX', message)
            client.ok(b'SELECT INBOX')

    def fetch(self, items, seqs=b'1:*'):
        return self.ours.fetch(items, seqs), self.theirs.fetch(items, seqs)

    def close(self):
        self.ours.close()
        self.theirs.close()


@pytest.fixture(scope='module')
def both(request):
    import conftest
    server = conftest.the_server(request.session)
    ours = imap_client.Client(imap_client.Tcp(*server.imap))
    ours.ok(b'LOGIN', b' '.join([server.user().encode(), server.password.encode()]))
    # Not pytest's own folder, which another user, whom Dovecot needs when we are root, can't enter.
    with tempfile.TemporaryDirectory(prefix='posthorn-dovecot-') as directory:
        b = Both(ours, imap_client.start_dovecot(directory))
        yield b
        b.close()


class Report:
    """Collects differences that nothing explains, and which rules were of use."""

    def __init__(self):
        self.lines = []
        self.used = set()

    def differs(self, item, name, what, ours, theirs, message):
        rule = differences.explain(item, ours, theirs, message)
        if rule is None:
            self.lines.append('%s %s\n    ours   %.300r\n    theirs %.300r' % (name, what, ours, theirs))
        else:
            self.used.add(rule)

    def check(self):
        assert not self.lines, '%d differences:\n%s' % (len(self.lines), '\n'.join(self.lines[:40]))


def pick_differences(item, ours, theirs, path=''):
    """The smallest values that differ. Dovecot tells types in small letters when it made them up itself: case is no difference."""
    if isinstance(ours, bytes) and isinstance(theirs, bytes) and item != 'ENVELOPE' and ours.lower() == theirs.lower():
        return
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs) and \
            not (item != 'ENVELOPE' and differences.is_params(ours) and ours != theirs):
        for i, (a, b) in enumerate(zip(ours, theirs)):
            yield from pick_differences(item, a, b, path + '.%d' % i)
    elif item != 'ENVELOPE' and differences.is_params(ours) and differences.is_params(theirs) and ours is not None and \
            theirs is not None and [x.lower() for x in ours] == [x.lower() for x in theirs]:
        return
    elif ours != theirs:
        yield path, ours, theirs


@pytest.mark.parametrize('item', ['RFC822.SIZE', 'ENVELOPE', 'BODYSTRUCTURE', 'BODY'])
def test_item(both, item):
    report = Report()
    ours, theirs = both.fetch(b'(' + item.encode() + b')')
    key = item.encode()
    for seq, (name, message) in enumerate(both.messages, 1):
        for path, a, b in pick_differences(item, ours[seq][key], theirs[seq][key]):
            report.differs(item, name, item + path, a, b, message)
    report.check()


def test_header_and_text(both):
    report = Report()
    ours, theirs = both.fetch(b'(' + HEADER_ITEMS + b')')
    for seq, (name, message) in enumerate(both.messages, 1):
        keys = {k for k in ours[seq] if k.startswith(b'BODY')} | {k for k in theirs[seq] if k.startswith(b'BODY')}
        for key in sorted(keys):
            a, b = ours[seq].get(key), theirs[seq].get(key)
            if a != b:
                report.differs('SECTION', name, key.decode(), a, b, message)
    report.check()


def part_paths(body, prefix=()):
    """Paths of all parts that a BODYSTRUCTURE tells of."""
    if isinstance(body[0], list):
        parts = [b for b in body if isinstance(b, list) and b and (isinstance(b[0], list) or isinstance(b[0], bytes))]
        parts = parts[:next((i for i, b in enumerate(body) if not isinstance(b, list)), len(body))]
    else:
        parts = [body]
    for number, part in enumerate(parts, 1):
        path = prefix + (number,)
        yield path
        if isinstance(part[0], list):
            yield from part_paths(part, path)
        elif part[0].lower() == b'message' and part[1].lower() in (b'rfc822', b'global'):
            yield from part_paths(part[8], path)


def test_parts(both):
    report = Report()
    bodies = both.ours.fetch(b'(BODYSTRUCTURE)')
    for seq, (name, message) in enumerate(both.messages, 1):
        items = []
        for path in part_paths(bodies[seq][b'BODYSTRUCTURE']):
            number = '.'.join(map(str, path)).encode()
            items += [b'BODY.PEEK[' + number + s + b']' for s in (b'', b'.MIME', b'.HEADER', b'.TEXT')]
        ours, theirs = both.fetch(b'(' + b' '.join(items[:400]) + b')', b'%d' % seq)
        for key in sorted(k for k in ours[seq] if k.startswith(b'BODY[')):
            a, b = ours[seq][key], theirs[seq].get(key)
            # What is not there is told as NIL or as an empty string.
            if (a or b'') != (b or b''):
                report.differs('SECTION', name, key.decode(), a, b, message)
    report.check()


def leaves(body, prefix=()):
    """Paths of the parts that hold no others."""
    paths = list(part_paths(body, prefix))
    return [p for p in paths if not any(q != p and q[:len(p)] == p for q in paths)]


def fetch_binary(client, seq, number):
    """The bytes of a part, decoded, and what BINARY.SIZE says of them; None when the server can't."""
    status, untagged = client.command(b'FETCH %d (BINARY.PEEK[%s] BINARY.SIZE[%s])' % (seq, number, number))
    if not status.startswith(b'OK'):
        return None
    data = {}
    for line in untagged:
        if re.match(rb'\* \d+ FETCH', line[0]):
            data.update(imap_client.pairs(imap_client.parse([line[0].split(b' ', 3)[3]] + line[1:])[0]))
    return data[b'BINARY[%s]' % number] or b'', int(data[b'BINARY.SIZE[%s]' % number])


def test_binary(both):
    """BINARY (RFC 3516) of every leaf that Dovecot can decode: see "What BINARY decodes" in the document."""
    report = Report()
    bodies = both.ours.fetch(b'(BODYSTRUCTURE)')
    for seq, (name, message) in enumerate(both.messages, 1):
        for path in leaves(bodies[seq][b'BODYSTRUCTURE']):
            number = '.'.join(map(str, path)).encode()
            ours, theirs = fetch_binary(both.ours, seq, number), fetch_binary(both.theirs, seq, number)
            if ours is not None:
                assert ours[1] == len(ours[0]), name
            if theirs is not None and (ours is None or ours[0] != theirs[0]):
                report.differs('SECTION', name, 'BINARY[%s]' % number.decode(), ours and ours[0], theirs[0], message)
    report.check()


SEARCHES = [
    'ALL', 'UNSEEN', 'SUBJECT patch', 'SUBJECT "remove unnecessary"', 'SUBJECT ""', 'FROM joe', 'FROM "stefan schmidt"', 'TO linux',
    'CC linux', 'BCC undisclosed', 'HEADER Message-ID ""', 'HEADER List-Id lkml', 'HEADER X-Mailer outlook', 'NOT HEADER Date ""',
    'LARGER 10000', 'SMALLER 1000', 'OR SUBJECT test FROM mikel', 'KEYWORD foo', '1:10 SMALLER 2000', 'UID 5:15 SUBJECT a',
    'FROM andre', 'TEXT "X-Mailer"', 'SUBJECT "semicolons" NOT FROM joe', 'NOT (FROM joe SUBJECT patch)', 'TEXT notmuch',
]


@pytest.mark.parametrize('query', SEARCHES)
def test_search(both, query):
    assert both.ours.search(query.encode()) == both.theirs.search(query.encode())


def fold(text):
    return unicodedata.normalize('NFKD', text.casefold())


def has_text(message, needle):
    """Whether the text is anywhere in the message, as it is or decoded: told by Python's own parser, or by its bytes."""
    needle = fold(needle)
    pieces = [message.decode('utf-8', 'replace'), message.decode('latin-1')]
    for part in email.message_from_bytes(message).walk():
        payload = part.get_payload(decode=True) if not part.is_multipart() else None
        for charset in (part.get_content_charset() or 'latin-1', 'utf-8', 'latin-1'):
            try:
                text = (payload or b'').decode(charset, 'replace')
            except LookupError:
                continue
            pieces += [text, re.sub(r'<[^>]*>', '', text)]
    return any(needle in fold(p) for p in pieces)


TEXTS = ['the', 'semicolon', 'needle', 'preamble', 'href', '</p>', 'café', 'grüße', 'innermost', 'привет', 'テスト', 'world', 'of the',
         'example.net']


@pytest.mark.parametrize('text', TEXTS)
@pytest.mark.parametrize('key', ['BODY', 'TEXT'])
def test_search_text(both, key, text):
    """All that Dovecot finds is found. What only we find is really there: see "What SEARCH BODY looks into" in the document."""
    query = (b'CHARSET UTF-8 ' + key.encode(), (text.encode(),))
    ours, theirs = set(both.ours.search(*query)), set(both.theirs.search(*query))
    assert not theirs - ours, [both.messages[n - 1][0] for n in theirs - ours]
    wrong = [both.messages[n - 1][0] for n in ours - theirs if not has_text(both.messages[n - 1][1], text)]
    assert not wrong


@pytest.mark.parametrize('key', ['SUBJECT', 'FROM'])
@pytest.mark.parametrize('text', ['grüße', 'GRÜßE', 'jörg', 'andré', 'テスト'])
def test_search_decoded(both, key, text):
    """The same for fields; those with bare Latin-1 in them only we can read."""
    query = (b'CHARSET UTF-8 ' + key.encode(), (text.encode(),))
    ours, theirs = set(both.ours.search(*query)), set(both.theirs.search(*query))
    assert not theirs - ours
    assert all(has_text(both.messages[n - 1][1], text) for n in ours - theirs)


def sent_day(message):
    """The day that the Date field names, by Python."""
    value = email.message_from_bytes(message)['Date']
    parsed = email.utils.parsedate(str(value)) if value is not None else None
    return parsed[:3] if parsed else None


@pytest.mark.parametrize('key,day', [('SENTSINCE 1-Jan-2009', (2009, 1, 1)), ('SENTBEFORE 1-Jan-2000', (2000, 1, 1)),
                                     ('SENTON 7-Feb-1994', (1994, 2, 7)), ('SENTON 22-Nov-2009', (2009, 11, 22))])
def test_search_sent(both, key, day):
    """Where the two differ, Python's reading of the Date field decides: see "Messages without a date" in the document."""
    ours, theirs = set(both.ours.search(key.encode())), set(both.theirs.search(key.encode()))
    for seq in ours ^ theirs:
        name, message = both.messages[seq - 1]
        got = sent_day(message)
        matches = got is not None and {'SENTSINCE': got >= day, 'SENTBEFORE': got < day, 'SENTON': got == day}[key.split()[0]]
        assert (seq in ours) == matches, name


def test_differences_are_documented():
    with open(os.path.join(ROOT, 'docs', 'dovecot-differences.md'), encoding='utf-8') as f:
        headings = re.findall(r'(?m)^## (.*)$', f.read())
    told = {differences.heading(fn) for _, fn in differences.RULES}
    told |= {'What BINARY decodes', 'What SEARCH BODY looks into', 'Messages without a date', 'What SORT and THREAD sort by'}
    assert sorted(told) == sorted(headings)
