"""URLAUTH=BINARY (RFC 5524): URLFETCH with BODY, BINARY and BODYPARTSTRUCTURE."""

import base64

import pytest

from harness import mail
from harness.imap import quote, text

PNG = bytes(range(100)) + b'\r\n' + bytes(21)
LINES = b'Si vis pacem, para bellum.\r\n'
CODED = base64.encodebytes(PNG).replace(b'\n', b'\r\n')
MESSAGE = mail.crlf('''Subject: parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=us-ascii
Content-Description: words

''') + LINES + b'\r\n--b\r\nContent-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n' + CODED + mail.crlf('''
--b
Content-Type: image/png
Content-Transfer-Encoding: x-blurdybloop

nonsense
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

caf=C3=A9=20
=3D=
end
--b--
''')


class Box:
    def __init__(self, c, user, message=MESSAGE):
        self.c, self.user = c, user
        self.uid = c.append(message)

    def make(self, rest=''):
        rump = 'imap://%s@localhost/INBOX/;uid=%d%s;urlauth=anonymous' % (self.user, self.uid, rest)
        return text(self.c.ok('GENURLAUTH %s INTERNAL' % quote(rump)).one('GENURLAUTH').data[0])

    def get(self, rest, items):
        """Item → value, in the order of the answer; None: NIL."""
        r = self.c.ok('URLFETCH (%s%s)' % (quote(self.make(rest)), ' ' + items if items else '')).one('URLFETCH')
        if r.data[1] is None:
            assert len(r.data) == 2
            return None
        return dict((str(d[0]), d[1]) for d in r.data[1:])


@pytest.fixture
def joe(imap, user):
    return Box(imap, user)


def plain(v):
    """Lists with their words as text."""
    return [plain(x) for x in v] if isinstance(v, (list, tuple)) else v if v is None or isinstance(v, int) else text(v)


def body(v):
    return [x.lower() if isinstance(x, str) else x for x in plain(v)]


def test_announced(imap):
    assert {'URLAUTH=BINARY', 'URLAUTH', 'BINARY'} <= set(imap.capabilities())


# The examples of RFC 5524 4.


def test_example_binary(joe):
    assert joe.get('/;section=1', 'BINARY') == {'BINARY': LINES}
    # Without NUL a literal, not a literal8.
    tag = joe.c.begin('URLFETCH (%s BINARY)' % quote(joe.make('/;section=1')))
    assert joe.c.end(tag).status == 'OK' and '(BINARY {28}' in joe.c.history() and '(BINARY ~{' not in joe.c.history()


def test_example_binary_and_structure(joe):
    for items in ('BINARY BODYPARTSTRUCTURE', 'bodypartstructure binary'):
        got = joe.get('/;section=2', items)
        assert list(got) == ['BODYPARTSTRUCTURE', 'BINARY'] and got['BINARY'] == PNG
        assert body(got['BODYPARTSTRUCTURE'])[:2] + body(got['BODYPARTSTRUCTURE'])[5:7] == ['image', 'png', 'binary', len(PNG)]
        assert plain(got['BODYPARTSTRUCTURE'])[2] == ['name', 'x.png']
    assert '(BINARY ~{%d}' % len(PNG) in joe.c.history()


def test_example_structure(joe):
    got = joe.get('/;section=2', 'BODYPARTSTRUCTURE')
    assert list(got) == ['BODYPARTSTRUCTURE']
    assert body(got['BODYPARTSTRUCTURE'])[:2] + body(got['BODYPARTSTRUCTURE'])[5:7] == ['image', 'png', 'base64', len(CODED)]


def test_example_structure_and_body(joe):
    got = joe.get('/;section=2', 'BODYPARTSTRUCTURE BODY')
    assert list(got) == ['BODYPARTSTRUCTURE', 'BODY'] and got['BODY'] == CODED
    assert body(got['BODYPARTSTRUCTURE'])[5:7] == ['base64', len(CODED)]


def test_example_undecodable(joe):
    got = joe.get('/;section=3', 'BODYPARTSTRUCTURE BINARY')
    assert got['BINARY'] is None
    assert body(got['BODYPARTSTRUCTURE'])[5:7] == ['x-blurdybloop', 8]
    assert joe.get('/;section=3', 'BINARY') == {'BINARY': None}
    assert joe.get('/;section=3', 'BODY') == {'BODY': b'nonsense'}


def test_example_no_such_part(joe):
    for items in ('BODYPARTSTRUCTURE BODY', 'BINARY', 'BODYPARTSTRUCTURE', ''):
        assert joe.get('/;section=200', items) is None


def test_without_items(joe):
    """As unextended; and both forms in one command."""
    url = joe.make('/;section=1')
    r = joe.c.ok('URLFETCH (%s) %s (%s BODY) (%s BINARY) nonsense (nonsense BODY)' % ((quote(url),) * 4)).all('URLFETCH')
    assert [plain(x.data[1]) for x in r] == [plain(LINES), plain(LINES), ['BODY', plain(LINES)], ['BINARY', plain(LINES)], None, None]


@pytest.mark.parametrize('items', ['BODY BINARY', 'BINARY BODY', 'BODY BODY', 'BINARY BINARY', 'BODYPARTSTRUCTURE BODYPARTSTRUCTURE', 'ENVELOPE', 'BODY ', 'BODY[]', '"BODY"', '()'])
def test_bad_items(joe, items):
    """RFC 5524 3.1: none twice, and not both forms of the content."""
    joe.c.bad('URLFETCH (%s %s)' % (quote(joe.make()), items))


# Structures agree with what is given, and with FETCH.


def leaf(c, message, path):
    """The part's BODYSTRUCTURE out of that of the message."""
    c.select()
    b = c.ok('UID FETCH %d BODYSTRUCTURE' % message).fetch()['BODYSTRUCTURE']
    for n in path:
        if isinstance(b[0], (list, tuple)):
            b = b[n - 1]
        elif text(b[0]).lower() == 'message' and text(b[1]).lower() == 'rfc822':
            inner = b[8]
            b = inner[n - 1] if isinstance(inner[0], (list, tuple)) else inner
    return b


@pytest.mark.parametrize('section', ['1', '2', '3', '3.1', '3.2', '4', '4.1', '4.2', '4.2.1'])
def test_structure_is_that_of_fetch(imap, user, section):
    joe = Box(imap, user, mail.NESTED)
    got = joe.get('/;section=' + section, 'BODYPARTSTRUCTURE BODY')
    assert plain(got['BODYPARTSTRUCTURE']) == plain(leaf(imap, joe.uid, [int(n) for n in section.split('.')]))
    assert got['BODY'] == imap.body(1, section)


def test_structure_of_simple_message(imap, user):
    joe = Box(imap, user, mail.RFC3501)
    got = joe.get('/;section=1', 'BODYPARTSTRUCTURE')
    assert plain(got['BODYPARTSTRUCTURE']) == plain(leaf(imap, joe.uid, []))
    assert plain(joe.get('/;section=TEXT', 'BODYPARTSTRUCTURE')['BODYPARTSTRUCTURE']) == plain(leaf(imap, joe.uid, []))
    assert joe.get('/;section=2', 'BODYPARTSTRUCTURE') is None


def test_decoded_text(joe):
    """Octets and lines are of what is given."""
    got = joe.get('/;section=4', 'BINARY BODYPARTSTRUCTURE')
    assert got['BINARY'] == 'café \r\n=end'.encode()
    assert body(got['BODYPARTSTRUCTURE'])[5:8] == ['binary', 12, 1]


def test_partial(joe):
    got = joe.get('/;section=2/;partial=98.6', 'BINARY BODYPARTSTRUCTURE')
    assert got['BINARY'] == PNG[98:104] and body(got['BODYPARTSTRUCTURE'])[6] == 6
    got = joe.get('/;section=4/;partial=0.7', 'BODY BODYPARTSTRUCTURE')
    assert got['BODY'] == b'caf=C3=' and body(got['BODYPARTSTRUCTURE'])[5:8] == ['quoted-printable', 7, 0]
    assert joe.get('/;section=2/;partial=1000', 'BINARY') == {'BINARY': b''}


def test_message_and_headers(imap, user):
    joe = Box(imap, user, mail.NESTED)
    got = joe.get('', 'BODYPARTSTRUCTURE BINARY')
    b = plain(got['BODYPARTSTRUCTURE'])
    assert got['BINARY'] == mail.NESTED and b[:2] == ['message', 'rfc822'] and b[6] == len(mail.NESTED) and b[9] == mail.NESTED.count(b'\n')
    assert b[8] == plain(leaf(imap, joe.uid, []))
    for section in ('HEADER', '1.MIME', '3.HEADER', 'HEADER.FIELDS%20(subject)'):
        got = joe.get('/;section=' + section, 'BODYPARTSTRUCTURE BODY')
        b = plain(got['BODYPARTSTRUCTURE'])
        assert b[0] == 'text' and b[6] == len(got['BODY']) and b[7] == got['BODY'].count(b'\n')
    got = joe.get('/;section=3.TEXT', 'BODYPARTSTRUCTURE BODY')
    imap.select()
    assert got['BODY'] == imap.body(1, '3.TEXT')
    assert plain(got['BODYPARTSTRUCTURE'])[2] == 'alternative'


def test_large(imap, user):
    """Longer than what is kept in memory."""
    data = bytes(range(256)) * 8192
    coded = base64.encodebytes(data).replace(b'\n', b'\r\n')
    joe = Box(imap, user, b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n' + coded)
    got = joe.get('/;section=1', 'BODYPARTSTRUCTURE BINARY')
    assert got['BINARY'] == data and body(got['BODYPARTSTRUCTURE'])[5:7] == ['binary', len(data)]
    assert joe.get('/;section=1', 'BODY') == {'BODY': coded}


@pytest.mark.parametrize('section', ['2.MIME', '3.MIME', '4.MIME', '5.HEADER', '5.HEADER.FIELDS (Subject)'])
def test_headers_are_not_encoded(imap, user, section):
    """A header is as it is, whatever the encoding of what it describes (RFC 2045 6: of the body)."""
    inner = b'Subject: =?utf-8?q?=C3=A9?= =41\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n'
    joe = Box(imap, user, MESSAGE.replace(b'--b--\r\n', b'--b\r\nContent-Type: message/rfc822\r\n\r\n' + inner + b'--b--\r\n'))
    imap.select()
    url = section.replace(' ', '%20')
    got = joe.get('/;section=' + url, 'BINARY BODYPARTSTRUCTURE')
    want = imap.body(1, section)
    assert b':' in want and got['BINARY'] == want
    assert body(got['BODYPARTSTRUCTURE'])[:2] == ['text', 'rfc822-headers'] and body(got['BODYPARTSTRUCTURE'])[6] == len(want)


def test_text_of_a_message_inside_is_decoded(imap, user):
    inner = b'Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n'
    joe = Box(imap, user, b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n' + inner + b'--b--\r\n')
    got = joe.get('/;section=1.TEXT', 'BINARY BODYPARTSTRUCTURE')
    assert got['BINARY'] == b'abc' and body(got['BODYPARTSTRUCTURE'])[6] == 3
