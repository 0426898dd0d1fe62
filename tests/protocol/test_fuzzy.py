"""SEARCH=FUZZY with RELEVANCY (RFC 6203), also as a key of SORT; and charsets (RFC 5255 4.2, 4.6)."""

import pytest

from harness import mail
from harness.imap import Lit, esearch

BOX = [
    mail.simple('Hello world', 'Nothing here.\n'),
    mail.simple('About help', 'Somebody shouts.\n'),
    mail.simple('Minutes', 'We say helo to each other, and helloes.\n'),
    mail.simple('=?utf-8?Q?Caf=C3=A9_Stra=C3=9Fe?=', 'Ein gro\u00dfes Fest.\n'.encode('ascii', 'ignore').decode()),
    mail.simple('Meeting schedule', 'The scheduled metting is on Monday.\n', sender='Dave <dave@example.org>'),
    mail.simple('Unrelated', 'shell othello helio\n'),
]


@pytest.fixture
def six(imap):
    imap.test_uids = [imap.append(m) for m in BOX]
    imap.select()
    return imap


FOUND = [
    ('FUZZY SUBJECT "Helo"', {1, 2}),
    ('FUZZY SUBJECT "hello"', {1}),
    ('SUBJECT "helo"', set()),
    ('FUZZY BODY "hello"', {3, 6}),
    ('FUZZY TEXT "Helo"', {1, 2, 3, 6}),
    # Words in any order, each of them.
    ('FUZZY SUBJECT "world hello"', {1}),
    ('FUZZY SUBJECT "hello nobody"', set()),
    # One letter more, less, other, swapped; two only in long words.
    ('FUZZY SUBJECT "meetinng"', {5}), ('FUZZY SUBJECT "meting"', {5}), ('FUZZY SUBJECT "meeking"', {5}), ('FUZZY SUBJECT "meeitng"', {5}),
    ('FUZZY SUBJECT "schedlue"', {5}), ('FUZZY SUBJECT "shedulle"', {5}), ('FUZZY SUBJECT "mexking"', set()), ('FUZZY SUBJECT "hxlp"', {2}), ('FUZZY SUBJECT "hep"', set()),
    # Beginnings and insides.
    ('FUZZY SUBJECT "sched"', {5}), ('FUZZY SUBJECT "edul"', {5}),
    ('FUZZY FROM "Dav"', {5}),
    ('FUZZY HEADER Subject "minuets"', {3}),
    # What is found exactly is found.
    ('FUZZY SUBJECT "t help"', {2}), ('FUZZY SUBJECT "!"', set()), ('FUZZY SUBJECT ""', {1, 2, 3, 4, 5, 6}), ('FUZZY BODY "to each other, and"', {3}),
    # All below it; other keys exactly.
    ('FUZZY (SUBJECT "helo" SUBJECT "wrold")', {1}), ('FUZZY OR SUBJECT "helo" SUBJECT "minuets"', {1, 2, 3}), ('NOT FUZZY SUBJECT "helo"', {3, 4, 5, 6}),
    ('FUZZY NOT SUBJECT "helo"', {3, 4, 5, 6}), ('FUZZY 2:3', {2, 3}), ('FUZZY SEEN', set()), ('FUZZY SUBJECT "helo" SUBJECT "wrold"', set()),
    ('SUBJECT "hello" FUZZY SUBJECT "wrold"', {1}), ('FUZZY FUZZY SUBJECT "helo"', {1, 2}),
]


@pytest.mark.parametrize('keys, expected', FOUND, ids=[k for k, _ in FOUND])
def test_found(six, keys, expected):
    assert set(six.ok('SEARCH ' + keys).search()) == expected


def test_accents_and_case(six):
    for word in ('cafe', 'CAFÉ', 'Cafè', 'strasse'):
        assert six.ok('SEARCH CHARSET UTF-8 FUZZY SUBJECT ', Lit(word)).search() == ([4] if word != 'strasse' else []), word


def test_relevancy(six):
    """RFC 6203 4: in the order of the results; the better a word fits, the higher."""
    r = esearch(six.ok('SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT "Helo"').one('ESEARCH'))
    assert r['ALL'] == '1:3,6' and len(r['RELEVANCY']) == 4
    assert all(1 <= n <= 100 for n in r['RELEVANCY'])
    assert r['RELEVANCY'][2] == 100 and r['RELEVANCY'][0] < 100
    r = esearch(six.ok('SEARCH RETURN (RELEVANCY) FUZZY SUBJECT "sched"').one('ESEARCH'))
    assert 'ALL' not in r and len(r['RELEVANCY']) == 1
    levels = [esearch(six.ok('SEARCH RETURN (RELEVANCY) FUZZY SUBJECT "%s"' % w).one('ESEARCH'))['RELEVANCY'][0] for w in
              ('schedule', 'schetule', 'xchetule')]
    assert levels == sorted(levels, reverse=True) and levels[0] == 100 and len(set(levels)) == 3
    assert esearch(six.ok('SEARCH RETURN (RELEVANCY COUNT) FUZZY SUBJECT "nothing"').one('ESEARCH')) == {'TAG': 'a%d' % six.count, 'COUNT': 0, 'RELEVANCY': []}


def test_relevancy_of_a_part(six):
    r = esearch(six.ok('SEARCH RETURN (RELEVANCY PARTIAL 2:3) FUZZY TEXT "Helo"').one('ESEARCH'))
    assert r['PARTIAL'] == ['2:3', '2:3'] and len(r['RELEVANCY']) == 2 and r['RELEVANCY'][1] == 100


def test_sort(six):
    """RFC 6203 6: the most relevant first, and mailbox order among equals."""
    assert six.ok('SORT (RELEVANCY) UTF-8 FUZZY TEXT "Helo"').one('SORT').data == [3, 1, 2, 6]
    assert six.ok('SORT (REVERSE RELEVANCY) UTF-8 FUZZY TEXT "Helo"').one('SORT').data == [1, 2, 6, 3]
    assert six.ok('UID SORT (RELEVANCY REVERSE SUBJECT) UTF-8 FUZZY TEXT "Helo"').one('SORT').data == [six.test_uids[n - 1] for n in (3, 6, 1, 2)]
    r = esearch(six.ok('SORT RETURN (RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY TEXT "Helo"').one('ESEARCH'))
    assert r['ALL'] == '3,1:2,6' and r['RELEVANCY'] == sorted(r['RELEVANCY'], reverse=True)
    r = esearch(six.ok('SORT RETURN (PARTIAL 1:2) (RELEVANCY) UTF-8 FUZZY TEXT "Helo"').one('ESEARCH'))
    assert r['PARTIAL'] == ['1:2', '3,1']


def test_elsewhere(six):
    r = six.ok('ESEARCH IN (inboxes) RETURN (ALL RELEVANCY) FUZZY SUBJECT "Helo"')
    assert esearch(r.one('ESEARCH'))['ALL'] == '1:2' and len(esearch(r.one('ESEARCH'))['RELEVANCY']) == 2


@pytest.mark.parametrize('command', [
    'SEARCH RETURN (RELEVANCY) ALL', 'SEARCH RETURN (RELEVANCY ALL) SUBJECT x', 'SORT (RELEVANCY) UTF-8 ALL', 'SORT RETURN (RELEVANCY) (DATE) UTF-8 ALL', 'SEARCH FUZZY',
    'SEARCH FUZZY NONSENSE', 'SEARCH FUZZY (ALL', 'ESEARCH RETURN (RELEVANCY) ALL',
])
def test_wrong(box, command):
    """RFC 6203 4, 6: RELEVANCY only together with FUZZY."""
    assert box.refused(command).status == 'BAD'
    box.ok('NOOP')


def test_long_text(box):
    """Words that lie across the pieces in which a text is read, and very long ones."""
    body = 'lorem ipsum dolor ' * 60000 + 'x' * 100000 + ' needel ' + 'amet ' * 1000
    box.append(mail.simple('long', '\n'.join(body[i:i + 900] for i in range(0, len(body), 900)) + '\n'))
    box.ok('NOOP')
    assert box.ok('SEARCH FUZZY BODY "needle"').search() == [1]
    assert box.ok('SEARCH FUZZY BODY "noodle"').search() == []


# ---- RFC 5255 4.2, 4.6 -------------------------------------------------------------------------------------------------------


def test_capabilities(imap):
    capabilities = [str(c) for c in imap.ok('CAPABILITY').one('CAPABILITY').data]
    assert 'I18NLEVEL=2' in capabilities and 'SEARCH=FUZZY' in capabilities


@pytest.mark.parametrize('charset, text', [
    ('utf-8', 'ÀÉÎ straße'), ('iso-8859-1', 'ÀÉÎ straße'), ('iso-8859-15', 'ÀÉÎ'), ('windows-1251', 'привет'), ('koi8-r', 'Привет'), ('iso-2022-jp', '日本語'),
    ('shift_jis', '日本語'), ('euc-kr', '한국어'), ('gb2312', '汉语'), ('big5', '漢語'), ('iso-8859-7', 'ελληνικά'), ('windows-1255', 'עברית'), ('utf-16be', 'été'),
])
def test_charsets(imap, charset, text):
    """RFC 5255 4.2, 4.6: i;unicode-casemap on what the header and the body mean, in whatever charset they and the search are."""
    message = mail.crlf('From: a@example.org\nSubject: =?%s?B?%s?=\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n'
                        % (charset if charset != 'utf-16be' else 'utf-8', base64(text, charset if charset != 'utf-16be' else 'utf-8')))
    imap.append(message + text.encode() + b'\r\n')
    imap.select()
    for word in (text, text.upper() if 'ß' not in text else text):
        for key in ('SUBJECT', 'BODY', 'TEXT'):
            assert imap.ok('SEARCH CHARSET UTF-8 %s ' % key, Lit(word)).search() == [1], (key, word)
    if charset not in ('utf-16be',):
        assert imap.ok('SEARCH CHARSET %s SUBJECT ' % charset, Lit(text.encode(charset))).search() == [1]


def base64(text, charset):
    import base64 as b
    return b.b64encode(text.encode(charset)).decode()


def test_order_is_that_of_unicode_casemap(imap):
    """RFC 5255 4.2, RFC 5051: titlecase and decomposed, then by code point."""
    subjects = ['zeta', 'Älpha', 'alpha', 'ALPHB', 'Ørsted', 'Éclair', 'eclair', 'Ωmega', 'omega']
    for s in subjects:
        imap.append(mail.crlf('From: a@example.org\nSubject: =?utf-8?B?%s?=\n\nx\n' % base64(s, 'utf-8')))
    imap.select()
    import unicodedata

    def key(s):
        return ''.join(unicodedata.normalize('NFKD', c.title()) for c in s).encode()

    order = sorted(range(len(subjects)), key=lambda i: key(subjects[i]))
    assert imap.ok('SORT (SUBJECT) UTF-8 ALL').one('SORT').data == [i + 1 for i in order]
