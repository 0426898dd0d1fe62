"""Names and text outside ASCII: modified UTF-7 (RFC 3501 5.1.3) and UTF8=ACCEPT (RFC 6855)."""

import pytest

from harness import mail
from harness.imap import Lit, quote


@pytest.fixture
def utf8(imap):
    assert [str(a).upper() for a in imap.enable('UTF8=ACCEPT').one('ENABLED').data] == ['UTF8=ACCEPT']
    return imap


NAMES = [('Entwürfe', 'Entw&APw-rfe'), ('台北', '&U,BTFw-'), ('~peter/mail/台北/日本語', '~peter/mail/&U,BTFw-/&ZeVnLIqe-'), ('A & B', 'A &- B'), ('😀', '&2D3eAA-'),
         ('&', '&-'), ('é', '&AOk-')]


@pytest.mark.parametrize('name, utf7', NAMES)
def test_one_mailbox_two_spellings(imap, utf8, login, name, utf7):
    """What one creates in UTF-8 another selects in modified UTF-7, and the reverse."""
    utf8.ok('CREATE ' + quote(name))
    old = login()
    assert utf7 in old.ok('LIST "" *').list()
    old.append(mail.numbered(1), utf7)
    assert utf8.status(name, 'MESSAGES') == {'MESSAGES': 1}
    old.ok('RENAME %s %s' % (quote(utf7), quote(utf7 + 'x')))
    assert name + 'x' in utf8.ok('LIST "" *').list()


def test_names_come_as_utf8_quoted_strings(utf8):
    """RFC 6855 3: after ENABLE the server sends UTF-8 in quoted strings; clients on phones want it."""
    utf8.ok('CREATE "Größe"')
    raw = [r.raw for r in utf8.ok('LIST "" "Gr*"').all('LIST')]
    assert '"Größe"'.encode() in raw[0]


def test_8bit_without_enable_is_refused(imap):
    """RFC 3501 9: quoted strings are seven-bit."""
    r = imap.cmd('CREATE "Größe"')
    assert r.status in ('BAD', 'NO') or 'Gr&APYA3w-e' in imap.ok('LIST "" *').list()
    imap.ok('NOOP')


@pytest.mark.parametrize('octets', [b'\xff', b'\xc0\xaf', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xe2\x82', b'a\x80'])
def test_invalid_utf8_is_bad(utf8, octets):
    """RFC 6855 3: octets that are not UTF-8 MUST be rejected with BAD."""
    utf8.bad(b'CREATE "x' + octets + b'"')
    utf8.ok('NOOP')


@pytest.mark.parametrize('char', ['\x01', '\x7f', '\x85', '\u2028', '\u2029'])
def test_forbidden_characters(utf8, char):
    """RFC 6855 3: no control characters, no line and paragraph separators."""
    utf8.refused('CREATE ', Lit('x' + char))
    utf8.ok('NOOP')


def test_names_are_normalised(utf8):
    """RFC 5198 (Net-Unicode): e and a combining accent make the same name as é."""
    utf8.ok('CREATE "Cafe\u0301"')
    listed = utf8.ok('LIST "" "Caf*"').list()
    assert len(listed) == 1
    utf8.ok('SELECT "Café"')
    utf8.no('CREATE "Café"', code='ALREADYEXISTS')


def test_search_with_charset_is_bad(utf8):
    """RFC 6855 3: with UTF8=ACCEPT a CHARSET is refused with BAD."""
    utf8.select()
    utf8.bad('SEARCH CHARSET UTF-8 ALL')


def test_search_text_is_utf8(utf8):
    utf8.append(mail.UTF8_TEXT)
    utf8.select()
    assert utf8.ok('SEARCH SUBJECT "Übergröße"').search() == [1]
    assert utf8.ok('SEARCH BODY "日本"').search() == [1]


RAW = 'From: Jürgen <j@example.org>\r\nSubject: Grüße\r\n\r\nText\r\n'.encode()


def test_append_utf8(utf8):
    """RFC 6855 4: APPEND ... UTF8 (literal8)."""
    utf8.ok('APPEND INBOX UTF8 (', Lit(RAW, binary=True), ')')
    utf8.select()
    got = utf8.ok('FETCH 1 (ENVELOPE BODY.PEEK[])').fetch()
    assert got['BODY[]'] == RAW
    assert got['ENVELOPE'][1] == 'Grüße'.encode()


def test_append_utf8_with_flags_and_date(utf8):
    utf8.ok('APPEND INBOX (\\Seen) " 7-Feb-1994 21:52:25 -0800" UTF8 (', Lit(RAW, binary=True, plus=True), ')')
    utf8.select()
    assert utf8.flags() == {1: {'\\seen'}}


@pytest.mark.parametrize('rest', ['UTF8 ({3+}\r\nabc)', 'UTF8 ~{3+}\r\nabc', 'UTF8 (~{3+}\r\nabc', 'UTF8 ()'])
def test_append_utf8_malformed(utf8, rest):
    """literal8 is required; the parentheses too."""
    utf8.send('u1 APPEND INBOX %s\r\n' % rest)
    utf8.pending.append(('u1', 'APPEND'))
    assert utf8.end('u1').status in ('BAD', 'NO')
    utf8.ok('NOOP')


def test_append_utf8_without_enable(imap):
    """RFC 6855 4: 8-bit header fields without ENABLE: the server MUST reject the UTF8 form (NO)."""
    r = imap.cmd('APPEND INBOX UTF8 (', Lit(RAW, binary=True), ')')
    assert r.status in ('NO', 'BAD')
    imap.ok('NOOP')


def test_envelope_of_utf8_headers_without_enable(imap, login):
    """Without ENABLE no 8-bit quoted string reaches the client; the strict parser of the harness checks it."""
    other = login()
    other.enable('UTF8=ACCEPT')
    other.ok('APPEND INBOX UTF8 (', Lit(RAW, binary=True), ')')
    imap.select()
    imap.ok('FETCH 1 (ENVELOPE BODYSTRUCTURE)')


def test_enable_in_selected_state(box):
    """RFC 5161 3.1 allows ENABLE only in the authenticated state; after SELECT it is refused or harmless."""
    box.cmd('ENABLE UTF8=ACCEPT')
    box.ok('NOOP')


def test_flags_stay_ascii(utf8):
    utf8.append(mail.numbered(1))
    utf8.select()
    utf8.refused('STORE 1 +FLAGS (wörd)')
    utf8.ok('NOOP')
