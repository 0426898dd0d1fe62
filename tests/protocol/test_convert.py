"""CONVERT (RFC 5259): texts in other charsets and as other types, and what can be converted."""

import base64
import quopri
import re
from email.header import decode_header, make_header

import pytest

from harness import mail
from harness.imap import Lit, text

HTML = ('<html><head><title>no</title><style>p { }</style></head><body>\r\n<h1>Caf&eacute;</h1>\r\n<p>One   two\r\nthree &lt;b&gt;</p><script>x</script>'
        '<ul><li>first</li><li>second</li></ul><table><tr><td>a</td><td>b</td></tr></table></body></html>\r\n')
MESSAGE = mail.crlf('''From: =?KOI8-R?B?8MXU0g==?= <peter@siroe.example.com>
To: Alexey <alexey@siroe.example.com>
Subject: =?KOI8-R?Q?why encode this?= =?iso-8859-7?b?yuHr5+zd8eE=?=
 =?utf-8?q?_=E2=80=94_ok?= and =?x-nonesuch?q?left?= plain
X-Odd: "=?nonsense" =?utf-8?x?y?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-7
Content-Transfer-Encoding: base64

''') + base64.encodebytes('Καλημέρα κόσμε ok\r\n'.encode('iso-8859-7')).replace(b'\n', b'\r\n') + mail.crlf('''--b
Content-Type: text/html; charset=utf-8
Content-Description: =?utf-8?q?caf=C3=A9?=
Content-Transfer-Encoding: quoted-printable

''') + quopri.encodestring(HTML.encode()).replace(b'\n', b'\r\n').replace(b'\r\r\n', b'\r\n') + mail.crlf('''
--b
Content-Type: image/png; name=x.png
Content-Transfer-Encoding: base64

AAEC
--b
Content-Type: message/rfc822

Subject: =?utf-8?q?inn=C3=A9r?=

Inner.
--b
Content-Type: text/plain; charset=x-unheard-of

what
--b
Content-Type: text/plain; charset=us-ascii; format=flowed; delsp=yes
Content-Transfer-Encoding: x-blurdybloop

what
--b
Content-Type: text/csv; charset=windows-1252; header=present
Content-Transfer-Encoding: quoted-printable

a,=80
--b--
''')
PLAIN, HTML_PART, PNG, INNER, UNHEARD, CTE, CSV = range(1, 8)
PARAMS = ['charset', 'unknown-character-replacement']


@pytest.fixture
def c(imap):
    imap.uid = imap.append(MESSAGE)
    imap.select()
    return imap


def plain(v):
    return [plain(x) for x in v] if isinstance(v, (list, tuple)) else v if v is None or isinstance(v, int) else text(v)


def pairs(words):
    """Items and their values; an item's name may have been read as several words."""
    return dict(zip((plain(w) for w in words[::2]), words[1::2]))


def converted(r):
    """Number → items of the CONVERTED responses."""
    out = {}
    for u in r.all('CONVERTED'):
        assert plain(u.data[0])[0] == 'TAG'
        out[u.number] = pairs(u.data[1])
    return out


def get(c, target, items, number=1):
    return converted(c.ok('CONVERT %d %s %s' % (number, target, items)))[number]


def error(c, target, item, number=1):
    """The words behind ERROR and its text, of a command that could convert nothing."""
    got = converted(c.no('CONVERT %d %s %s' % (number, target, item)))[number]
    (value,) = got.values()
    value = plain(value)
    assert value[0] == 'ERROR' and value[1]
    return value[2:]


UTF8 = '("text/plain" ("charset" "utf-8"))'


def test_announced(imap):
    assert {'CONVERT', 'BINARY'} <= set(imap.capabilities())


# CONVERSIONS (5.1).


def conversions(c, source, target):
    return [plain(r.data) for r in c.ok('CONVERSIONS "%s" "%s"' % (source, target)).all('CONVERSION')]


def test_conversions(imap):
    assert conversions(imap, 'text/plain', 'text/plain') == [['text/plain', 'text/plain', PARAMS]]
    assert conversions(imap, 'TEXT/Html', '*') == [['text/html', 'text/plain', PARAMS], ['text/html', 'text/html', PARAMS]]
    assert [x[0] for x in conversions(imap, '*', 'text/plain')] == ['text/plain', 'text/html']
    everything = conversions(imap, '*', '*')
    assert conversions(imap, 'text/*', 'text/*') == everything and len(everything) == 6
    for none in (('image/gif', 'image/jpeg'), ('image/*', 'text/*'), ('*', 'application/pdf'), ('multipart/*', '*'), ('tex/*', '*')):
        assert conversions(imap, *none) == []
    assert imap.ok('CONVERSIONS text/plain ', Lit('text/*')).all('CONVERSION')


@pytest.mark.parametrize('bad', ['', ' "text/plain"', ' "text" "*"', ' "*/plain" "*"', ' "text/plain" "text/"', ' "/x" "*"', ' "a b/c" "*"', ' "text/plain" "*" ', ' "text/plain" "*" x', ' ("*" "*")'])
def test_conversions_syntax(imap, bad):
    imap.bad('CONVERSIONS' + bad)


def test_states(anon, imap):
    anon.bad('CONVERSIONS "*" "*"')
    imap.bad('CONVERT 1 (NIL) BINARY[1]')


# Charsets (7.1).


def test_plain_to_utf8(c):
    assert get(c, UTF8, 'BINARY[1]') == {'BINARY[1]': 'Καλημέρα κόσμε ok\r\n'.encode()}
    assert get(c, '("TEXT/PLAIN" (CHARSET UTF-8))', '(BINARY[1])') == {'BINARY[1]': 'Καλημέρα κόσμε ok\r\n'.encode()}
    # RFC 5259 6: \Seen is not set.
    assert '\\Seen' not in map(str, c.flags()[1])


@pytest.mark.parametrize('charset', ['iso-8859-%d' % n for n in (1, 2, 3, 4, 5, 6, 7, 8, 15)] + ['koi8-r', 'windows-1251', 'gb18030', 'iso-2022-jp', 'utf-8', 'big5', 'euc-kr', 'utf-16'])
def test_mandatory_charsets(imap, charset):
    """From each of them to UTF-8, and back."""
    want = {'5': 'Привет', 'r': 'Привет', '1': 'Größe', '2': 'Łódź', '3': 'Ħaġar', '4': 'Ķēniņš', '6': 'مرحبا', '7': 'Γεια', '8': 'שלום'}.get(charset[-1], 'abc')
    want = {'iso-8859-15': '5 €', 'windows-1251': 'Привет', 'gb18030': '你好', 'iso-2022-jp': '日本語 abc', 'big5': '你好', 'euc-kr': '한국어', 'utf-16': 'plain'}.get(charset, want)
    raw = want.encode(charset)
    imap.append(b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=' + charset.encode() + b'\r\nContent-Transfer-Encoding: base64\r\n\r\n' + base64.encodebytes(raw).replace(b'\n', b'\r\n'))
    imap.append(b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n' + base64.encodebytes(want.encode()).replace(b'\n', b'\r\n'))
    imap.select()
    assert get(imap, UTF8, 'BINARY[1]')['BINARY[1]'].decode() == want
    assert get(imap, '("text/plain" (charset %s))' % charset, 'BINARY[1]', 2)['BINARY[1]'].decode(charset) == want


def test_example_us_ascii(c):
    """Characters that the charset does not have: an error, or the replacement."""
    ascii = '("text/plain" ("charset" "us-ascii"))'
    assert error(c, ascii, 'BINARY[2]') == ['BADPARAMETERS', 'text/html', 'text/plain', ['charset', 'us-ascii']]
    assert c.no('CONVERT 1 %s BINARY[2]' % ascii).text == 'All conversions failed.'
    got = get(c, '("text/plain" ("charset" "us-ascii" "unknown-character-replacement" "?"))', 'BINARY[2]')
    assert got['BINARY[2]'].startswith(b'Caf?\r\n')
    got = get(c, '("text/plain" ("charset" "us-ascii" "unknown-character-replacement" "<>"))', 'BINARY[1]')
    assert got['BINARY[1]'] == b'<>' * 8 + b' ' + b'<>' * 5 + b' ok\r\n'
    assert get(c, '("text/plain" ("charset" "iso-8859-7"))', 'BINARY[1]')['BINARY[1]'] == 'Καλημέρα κόσμε ok\r\n'.encode('iso-8859-7')
    assert get(c, '("text/plain" ("charset" "us-ascii" "unknown-character-replacement" ""))', 'BINARY[1]') == {'BINARY[1]': b'  ok\r\n'}


def test_bad_replacement(c):
    """One that the charset does not have either."""
    r = c.no('CONVERT 1 ("text/plain" (charset us-ascii unknown-character-replacement ', Lit('é'.encode()), ')) BINARY[1]')
    (value,) = converted(r)[1].values()
    assert plain(value)[2:5] == ['BADPARAMETERS', 'text/plain', 'text/plain'] and plain(value)[5][0] == 'unknown-character-replacement'


def test_missing_and_unknown_parameters(c):
    assert error(c, '("text/plain")', 'BINARY[1]') == ['MISSINGPARAMETERS', 'text/plain', 'text/plain', ['charset']]
    assert error(c, '("text/plain" (charset x-none))', 'BINARY[1]') == ['BADPARAMETERS', 'text/plain', 'text/plain', ['charset', 'x-none']]
    assert error(c, '("text/plain" (charset utf-8 pix-x 128 depth "2"))', 'BINARY[1]') == ['BADPARAMETERS', 'text/plain', 'text/plain', ['pix-x', '128', 'depth', '2']]
    assert error(c, '("text/plain" (charset utf-8 charset utf-8))', 'BINARY[1]') == ['BADPARAMETERS', 'text/plain', 'text/plain', ['charset', 'utf-8']]
    assert error(c, '(NIL (pix-x 1))', 'BINARY[1]') == ['BADPARAMETERS', 'text/plain', 'text/plain', ['pix-x', '1']]


def test_what_can_not_be_converted(c):
    assert error(c, UTF8, 'BINARY[99]') == ['BADPARAMETERS', None, 'text/plain']
    assert error(c, UTF8, 'BINARY[3]') == ['BADPARAMETERS', 'image/png', 'text/plain']
    assert error(c, UTF8, 'BINARY[]') == ['BADPARAMETERS', 'message/rfc822', 'text/plain']
    assert error(c, UTF8, 'BINARY[4]') == ['BADPARAMETERS', 'message/rfc822', 'text/plain']
    assert error(c, '("application/pdf" (charset utf-8))', 'BINARY[1]') == ['BADPARAMETERS', 'text/plain', 'application/pdf']
    assert error(c, UTF8, 'BINARY[5]') == ['BADPARAMETERS', 'text/plain', 'text/plain']
    assert error(c, UTF8, 'BINARY[6]') == ['BADPARAMETERS', 'text/plain', 'text/plain']
    for item in ('BINARY.SIZE[3]', 'BODYPARTSTRUCTURE[3]', 'AVAILABLECONVERSIONS[3]'):
        assert error(c, UTF8, item) == ['BADPARAMETERS', 'image/png', 'text/plain']


def test_some_conversions_fail(c):
    """RFC 5259 9: OK as long as one succeeds."""
    got = get(c, '("text/plain" (charset us-ascii))', '(BINARY[1] BODYPARTSTRUCTURE[1] AVAILABLECONVERSIONS[1])')
    assert plain(got['BINARY[1]'])[0] == plain(got['BODYPARTSTRUCTURE[1]'])[0] == 'ERROR' and plain(got['AVAILABLECONVERSIONS[1]']) == [['text/plain']]
    got = get(c, '("text/csv" (charset utf-8))', '(BINARY[1] BINARY[7])')
    assert plain(got['BINARY[1]'])[0] == 'ERROR' and got['BINARY[7]'] == 'a,€'.encode()


# HTML.


def test_html_to_plain(c):
    want = 'Café\r\n\r\nOne two three <b>\r\n\r\nfirst\r\n\r\nsecond\r\n\r\na b\r\n'
    assert get(c, UTF8, 'BINARY[2]')['BINARY[2]'].decode() == want
    assert get(c, '(NIL)', 'BINARY[2]')['BINARY[2]'].decode() == want


def test_plain_to_html(imap):
    imap.append(b'Subject: x\r\n\r\na < b & c > d\r\n  e\r\n')
    imap.select()
    got = get(imap, '("text/html" (charset utf-8))', '(BODYPARTSTRUCTURE[1] BINARY[1])')
    assert b'<pre' in got['BINARY[1]'] and b'a &lt; b &amp; c &gt; d\r\n  e\r\n</pre>' in got['BINARY[1]']
    assert plain(got['BODYPARTSTRUCTURE[1]'])[:3] == ['text', 'html', ['charset', 'utf-8']]


# Items.


def test_default_conversion(c):
    got = get(c, '(NIL)', '(BODYPARTSTRUCTURE[1] BINARY[1] BODYPARTSTRUCTURE[2] BODYPARTSTRUCTURE[7])')
    assert list(got) == ['BODYPARTSTRUCTURE[1]', 'BINARY[1]', 'BODYPARTSTRUCTURE[2]', 'BODYPARTSTRUCTURE[7]']
    assert plain(got['BODYPARTSTRUCTURE[1]'])[:3] == ['text', 'plain', ['charset', 'utf-8']]
    assert plain(got['BODYPARTSTRUCTURE[2]'])[:2] == ['text', 'plain'] and plain(got['BODYPARTSTRUCTURE[7]'])[:2] == ['text', 'csv']
    assert get(c, '(NIL (charset koi8-r unknown-character-replacement "?"))', 'BINARY[1]')['BINARY[1]'] == 'Καλημέρα κόσμε ok\r\n'.encode('koi8-r', 'replace')


def test_structure_size_and_binary_agree(c):
    for target in (UTF8, '("text/plain" (charset utf-16))', '("text/plain" (charset iso-8859-7))'):
        got = get(c, target, '(BODYPARTSTRUCTURE[1] BINARY.SIZE[1] BINARY[1])')
        b = plain(got['BODYPARTSTRUCTURE[1]'])
        assert b[6] == got['BINARY.SIZE[1]'] == len(got['BINARY[1]']) and b[7] == got['BINARY[1]'].count(b'\n')
        assert b[5] == ('binary' if b'\0' in got['BINARY[1]'] else '8bit')
        assert get(c, target, 'BINARY[1]')['BINARY[1]'] == got['BINARY[1]']
    # Parameters of the type stay, but those that speak of the old form.
    assert plain(get(c, '("text/csv" (charset utf-8))', 'BODYPARTSTRUCTURE[7]')['BODYPARTSTRUCTURE[7]'])[2] == ['charset', 'utf-8', 'header', 'present']


def test_partial(c):
    """Of what was converted and decoded."""
    whole = get(c, UTF8, 'BINARY[1]')['BINARY[1]']
    assert get(c, UTF8, 'BINARY[1]<2.5>') == {'BINARY[1]<2>': whole[2:7]}
    got = get(c, UTF8, '(BINARY[1]<0.4> BINARY[1]<4.1000> BINARY[1]<1000.5>)')
    assert got == {'BINARY[1]<0>': whole[:4], 'BINARY[1]<4>': whole[4:], 'BINARY[1]<1000>': b''}


def test_literals(c):
    """literal8 where there is a NUL, else a literal."""
    c.ok('CONVERT 1 %s BINARY[1]' % UTF8)
    assert re.search(r'BINARY\[1\] \{\d+\}', c.history())
    c.ok('CONVERT 1 ("text/plain" (charset utf-16)) BINARY[1]')
    assert re.search(r'BINARY\[1\] ~\{\d+\}', c.history())


def test_available_conversions(c):
    assert plain(get(c, '(NIL)', '(AVAILABLECONVERSIONS[1])')['AVAILABLECONVERSIONS[1]']) == [['text/plain', 'text/html']]
    assert plain(get(c, '("text/plain")', 'AVAILABLECONVERSIONS[2]')['AVAILABLECONVERSIONS[2]']) == [['text/plain']]
    assert error(c, '(NIL)', 'AVAILABLECONVERSIONS[3]')[0] == 'BADPARAMETERS'
    assert error(c, '(NIL (pix-x 1))', 'AVAILABLECONVERSIONS[1]') == ['BADPARAMETERS', 'text/plain', 'text/plain', ['pix-x', '1']]


def test_uid(c):
    r = c.ok('UID CONVERT %d %s BINARY.SIZE[1]' % (c.uid, UTF8))
    assert [list(pairs(u.data[1])) for u in r.all('CONVERTED')] == [['UID', 'BINARY.SIZE[1]']]
    assert r.one('CONVERTED').number == 1 and pairs(r.one('CONVERTED').data[1])['UID'] == c.uid
    got = get(c, UTF8, '(BINARY.SIZE[1] UID)')
    assert list(got) == ['UID', 'BINARY.SIZE[1]'] and got['UID'] == c.uid
    assert get(c, '(NIL)', 'UID') == {'UID': c.uid}
    assert not c.ok('UID CONVERT %d %s BINARY[1]' % (c.uid + 1, UTF8)).all('CONVERTED')


def test_several_messages(imap):
    for n in range(5):
        imap.append(mail.numbered(n))
    imap.select()
    got = converted(imap.ok('CONVERT 2:* %s BINARY[1]' % UTF8))
    assert sorted(got) == [2, 3, 4, 5] and got[3]['BINARY[1]'].startswith(b'Body of message 2.')


def test_tag(c):
    """The correlator is the command's tag."""
    tag = c.begin('CONVERT 1 %s BINARY.SIZE[1]' % UTF8)
    r = c.end(tag)
    assert plain(r.one('CONVERTED').data[0]) == ['TAG', tag]


# Headers.


def headers(data):
    return re.sub(rb'\r\n[ \t]+', b' ', data).decode()


def test_header(c):
    for charset in ('utf-8', 'UTF-8', 'gb18030'):
        got = get(c, '(NIL ("CHARSET" "%s"))' % charset, 'BODY[HEADER]')['BODY[HEADER]']
        assert all(len(line) <= 76 for line in got.split(b'\r\n'))
        lines = headers(got).split('\r\n')
        for line in lines[:1] + lines[2:3]:
            assert all(w.lower() == charset.lower() for w in re.findall(r'(?:^|\s)=\?([^?]*)\?', line.replace('=?x-nonesuch?q?left?=', '')))
        assert str(make_header(decode_header(lines[0][6:]))).replace('  ', ' ') == 'Петр <peter@siroe.example.com>'
        assert lines[1] == 'To: Alexey <alexey@siroe.example.com>'
        assert lines[2].endswith('=?x-nonesuch?q?left?= plain') and lines[3] == 'X-Odd: "=?nonsense" =?utf-8?x?y?='
        subject = lines[2][9:].replace('=?x-nonesuch?q?left?=', 'left')
        assert str(make_header(decode_header(subject))).replace('  ', ' ') == 'why encode thisΚαλημέρα — ok and left plain'
        assert got.endswith(b'\r\n\r\n')


def test_header_that_needs_nothing(imap):
    imap.append(mail.numbered(3))
    imap.select()
    assert get(imap, '(NIL (charset utf-8))', 'BODY[HEADER]')['BODY[HEADER]'] == imap.body(1, 'HEADER')


def test_mime_and_nested_headers(c):
    got = get(c, '(NIL (charset iso-8859-1))', '(BODY[2.MIME] BODY[4.HEADER])')
    assert b'Content-Description: =?iso-8859-1?Q?caf=E9?=\r\n' in got['BODY[2.MIME]']
    assert got['BODY[4.HEADER]'] == b'Subject: =?iso-8859-1?Q?inn=E9r?=\r\n\r\n'
    # As the last example of RFC 5259 6, which gives no charset.
    assert b'=?utf-8?Q?caf=C3=A9?=' in get(c, '(NIL)', 'BODY[2.MIME]')['BODY[2.MIME]']


def test_header_errors(c):
    assert error(c, '(NIL (charset us-ascii))', 'BODY[HEADER]')[0] == 'BADPARAMETERS'
    assert error(c, '(NIL (charset x-none))', 'BODY[HEADER]')[-1] == ['charset', 'x-none']
    assert error(c, '(NIL (charset utf-8 x y))', 'BODY[HEADER]')[-1] == ['x', 'y']
    assert error(c, '(NIL (charset utf-8))', 'BODY[2.HEADER]')[:2] == ['BADPARAMETERS', None]
    got = get(c, '(NIL (charset us-ascii unknown-character-replacement "?"))', 'BODY[4.HEADER]')
    assert got['BODY[4.HEADER]'] == b'Subject: =?us-ascii?Q?inn=3Fr?=\r\n\r\n'


def test_long_header(imap):
    want = 'Ωmega ' * 200
    imap.append(b'Subject: ' + b'\r\n '.join(b'=?utf-8?b?' + base64.b64encode(want[i:i + 10].encode()) + b'?=' for i in range(0, len(want), 10)) + b'\r\n\r\nx\r\n')
    imap.select()
    got = get(imap, '(NIL (charset iso-8859-7))', 'BODY[HEADER]')['BODY[HEADER]']
    assert all(len(line) <= 76 for line in got.split(b'\r\n')) and str(make_header(decode_header(headers(got)[9:].strip()))) == want


# Syntax and limits.


@pytest.mark.parametrize('bad', [
    '1', '1 (NIL)', '1 NIL BINARY[1]', '1 () BINARY[1]', '1 ("text") BINARY[1]', '1 ("text/*") BINARY[1]', '1 ("*") BINARY[1]', '1 (text/plain) BINARY[1]', '1 (NIL ()) BINARY[1]',
    '1 (NIL (charset)) BINARY[1]', '1 (NIL (charset utf-8) x) BINARY[1]', '1 (NIL charset utf-8) BINARY[1]', '1 (NIL) ()', '1 (NIL) BINARY', '1 (NIL) BINARY[HEADER]', '1 (NIL) BINARY[1.MIME]',
    '1 (NIL) BODY[]', '1 (NIL) BODY[1]', '1 (NIL) BODY[TEXT]', '1 (NIL) BODY[MIME]', '1 (NIL) BODY[HEADER.FIELDS (x)]', '1 (NIL) BINARY.PEEK[1]', '1 (NIL) BINARY.SIZE[1]<0.1>', '1 (NIL) BINARY[1]<0.0>',
    '1 (NIL) FLAGS', '1 (NIL) (BINARY[1] )', '1 (NIL) BINARY[1] x', '2 (NIL) BINARY[1]', '1 ("text/plain" (charset utf-8)) BODY[HEADER]'])
def test_syntax(c, bad):
    c.bad('CONVERT ' + bad)


def test_limits(imap):
    imap.append(mail.numbered(1))
    imap.select()
    assert [str(w) for w in imap.no('CONVERT 1 (NIL) (%s)' % ' '.join('BINARY.SIZE[%d]' % n for n in range(1, 102))).code] == ['MAXCONVERTPARTS', '100']
    got = get(imap, '(NIL)', '(%s)' % ' '.join('BINARY.SIZE[%d]' % n for n in range(1, 101)))
    assert len(got) == 100
    while imap.exists <= 1000:
        imap.ok('COPY 1:%d INBOX' % min(imap.exists, 500))
    assert [str(w) for w in imap.no('CONVERT 1:* (NIL) UID').code] == ['MAXCONVERTMESSAGES', '1000']
    assert len(imap.ok('CONVERT 1:1000 (NIL) UID').all('CONVERTED')) == 1000


def test_limit_counts_messages(imap):
    """UIDs that no message has any more are none (RFC 9051 6.4.9), nor is what is between two numbers."""
    imap.append(mail.numbered(1))
    imap.select()
    while imap.exists <= 1000:
        imap.ok('COPY 1:%d INBOX' % min(imap.exists, 500))
    last = imap.exists
    imap.ok('STORE 2:%d +FLAGS.SILENT (\\Deleted)' % (last - 1))
    imap.ok('EXPUNGE')
    assert len(imap.ok('CONVERT 1:2 (NIL) UID').all('CONVERTED')) == 2
    assert len(imap.ok('UID CONVERT 1:* (NIL) UID').all('CONVERTED')) == 2
    assert len(imap.ok('UID CONVERT 1:4294967295 (NIL) UID').all('CONVERTED')) == 2


def test_too_large(imap):
    line = b'0123456789' * 7 + b'\r\n'
    for size in (4 << 20, 3 << 20):
        imap.append(b'Subject: x\r\n\r\n' + line * (size // len(line) + 1))
    imap.select()
    assert error(imap, UTF8, 'BINARY[1]') == ['BADPARAMETERS', 'text/plain', 'text/plain']
    got = get(imap, '("text/plain" (charset utf-16be))', 'BINARY[1]', 2)['BINARY[1]']
    assert got.decode('utf-16-be').encode() == line * ((3 << 20) // len(line) + 1)


def test_gone_messages(pair):
    """What somebody else has expunged is still answered, as FETCH does, and EXPUNGE waits."""
    one, two = pair
    two.ok('STORE 2 +FLAGS (\\Deleted)')
    two.ok('EXPUNGE')
    r = one.cmd('CONVERT 1:4 %s BINARY[1]' % UTF8)
    assert r.expunged() == [] and len(r.all('CONVERTED')) == 4
    assert one.ok('NOOP').expunged() == [2]


def test_uidonly(login):
    c = login()
    uid = c.append(MESSAGE)
    c.enable('UIDONLY')
    c.ok('SELECT INBOX')
    c.bad('CONVERT 1 (NIL) BINARY.SIZE[1]', code='UIDREQUIRED')
    r = c.ok('UID CONVERT %d (NIL) BINARY.SIZE[1]' % uid).one('CONVERTED')
    assert r.number == uid and pairs(r.data[1])['UID'] == uid


def test_an_error_leaves_nothing_behind(c):
    """Items of one part that can't be converted: each says so, in whatever order they stand."""
    items = ['BINARY[1]', 'AVAILABLECONVERSIONS[1]', 'BODYPARTSTRUCTURE[1]', 'BINARY.SIZE[1]']
    for k in range(len(items)):
        order = items[k:] + items[:k]
        r = c.cmd('CONVERT 1 ("audio/basic") (%s)' % ' '.join(order))
        assert r.status == 'NO', r
    c.ok('NOOP')


def test_long_errors_are_bounded(c):
    """What errors repeat of the command is not gathered in memory: the answer comes as the client reads it."""
    value = Lit('x' * 60000)
    parts = ['CONVERT 1 (NIL (x ', value, ' y ', value, ')) (%s)' % ' '.join('%s[%d]' % (i, n) for n in range(1, 61) for i in ('BINARY', 'BINARY.SIZE'))]
    r = c.cmd(*parts)
    assert r.status in ('NO', 'BAD'), r.status
    c.ok('NOOP')
