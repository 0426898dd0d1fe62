"""COMPARATOR (RFC 5255 4.4 to 4.9) with the collations of RFC 4790 and RFC 5051, in SEARCH, SORT and THREAD."""

import base64

import pytest

from harness import mail
from harness.imap import Lit

ALL = ['i;unicode-casemap', 'i;ascii-casemap', 'i;octet', 'i;ascii-numeric']
SUBJECTS = ['beta', 'Alpha', 'ÉTÉ', 'alpha', 'été', '100 apples', '20 pears', '00020', 'zulu 7']


@pytest.fixture
def nine(imap):
    for s in SUBJECTS:
        imap.append(mail.crlf('From: %s@example.org\nSubject: =?utf-8?B?%s?=\n\n' % (s.split()[0] if s.isascii() else 'x', base64.b64encode(s.encode()).decode()))
                    + s.encode() + b'\r\n')
    imap.select()
    return imap


def use(c, name):
    return str(c.ok('COMPARATOR "%s"' % name).one('COMPARATOR').data[0])


def test_default(imap):
    """4.7: without arguments the active one is told; the default is i;unicode-casemap (4.4)."""
    assert imap.ok('COMPARATOR').one('COMPARATOR').data == ['i;unicode-casemap']


@pytest.mark.parametrize('order, active, matching', [
    ('i;octet', 'i;octet', None),
    ('"I;Octet"', 'i;octet', None),
    ('default', 'i;unicode-casemap', None),
    ('"cz;*" i;octet', 'i;octet', None),
    ('i;basic i;ascii-casemap', 'i;ascii-casemap', None),
    ('"i;ascii-*"', 'i;ascii-casemap', ['i;ascii-casemap', 'i;ascii-numeric']),
    ('"*"', 'i;unicode-casemap', ALL),
    ('i;octet "*numeric"', 'i;octet', ['i;octet', 'i;ascii-numeric']),
    ('"+i;octet"', 'i;octet', None),
])
def test_choice(imap, order, active, matching):
    """4.7, 4.8: the first that the server has; a list when more than one match."""
    data = imap.ok('COMPARATOR ' + order).one('COMPARATOR').data
    assert data[0] == active
    assert (data[1] if len(data) > 1 else None) == matching
    assert imap.ok('COMPARATOR').one('COMPARATOR').data == [active]


def test_none_matches(imap):
    """4.9: NO [BADCOMPARATOR], and the active one stays."""
    use(imap, 'i;octet')
    imap.no('COMPARATOR "cz;*" i;basic', code='BADCOMPARATOR')
    assert imap.ok('COMPARATOR').one('COMPARATOR').data == ['i;octet']


def test_states(anon, box):
    assert anon.refused('COMPARATOR').status == 'BAD'
    assert box.ok('COMPARATOR').one('COMPARATOR').data == ['i;unicode-casemap']
    assert box.refused('COMPARATOR ').status == 'BAD' and box.refused('COMPARATOR ""').status == 'BAD' and box.refused('COMPARATOR i;octet (x)').status == 'BAD'


@pytest.mark.parametrize('by, word, found', [
    ('i;unicode-casemap', 'ALPHA', [2, 4]), ('i;unicode-casemap', 'été', [3, 5]),
    ('i;ascii-casemap', 'ALPHA', [2, 4]), ('i;ascii-casemap', 'été', [5]),
    ('i;octet', 'ALPHA', []), ('i;octet', 'alpha', [4]), ('i;octet', 'été', [5]),
])
def test_search(nine, by, word, found):
    """4.2: SUBJECT, BODY, TEXT, HEADER."""
    assert use(nine, by) == by
    for key in ('SUBJECT', 'BODY', 'TEXT', 'HEADER Subject'):
        assert nine.ok('SEARCH CHARSET UTF-8 %s ' % key, Lit(word)).search() == found, key


def test_no_substrings(nine):
    """4.4: what the comparator cannot do is BAD; what needs no substrings works. RFC 4790 9.1.1."""
    use(nine, 'i;ascii-numeric')
    for keys in ('SUBJECT 20', 'NOT BODY 20', 'OR SEEN TEXT 20', '(ALL (HEADER Subject 20))', 'ANNOTATION /comment value 20'):
        nine.bad('SEARCH ' + keys)
        nine.bad('SORT (SUBJECT) UTF-8 ' + keys)
        nine.bad('THREAD REFERENCES UTF-8 ' + keys)
    assert len(nine.ok('SEARCH HEADER Subject "" UNSEEN').search()) == 9
    nine.ok('SEARCH FUZZY SUBJECT 20')
    use(nine, 'i;octet')
    assert nine.ok('SEARCH SUBJECT 20').search() == [7, 8]


def number(s):
    digits = ''
    while s[len(digits):][:1].isdigit():
        digits += s[len(digits)]
    return int(digits) if digits else float('inf')


@pytest.mark.parametrize('by, key', [
    ('i;octet', lambda s: s.encode()), ('i;ascii-casemap', lambda s: bytes(c - 32 if 97 <= c <= 122 else c for c in s.encode())), ('i;ascii-numeric', number),
])
def test_sort(nine, by, key):
    use(nine, by)
    order = sorted(range(len(SUBJECTS)), key=lambda i: key(SUBJECTS[i]))
    assert nine.ok('SORT (SUBJECT) UTF-8 ALL').one('SORT').data == [i + 1 for i in order]
    assert nine.ok('SORT (ARRIVAL) UTF-8 ALL').one('SORT').data == list(range(1, 10))
    use(nine, 'default')
    assert nine.ok('SORT (SUBJECT) UTF-8 1:5').one('SORT').data == [2, 4, 1, 3, 5]


def test_sort_addresses(nine):
    use(nine, 'i;octet')
    assert nine.ok('SORT (FROM) UTF-8 1:2,4').one('SORT').data == [2, 4, 1]
    assert nine.ok('SORT (DISPLAYFROM) UTF-8 1:2,4').one('SORT').data == [2, 4, 1]


def test_thread(nine):
    assert nine.ok('THREAD ORDEREDSUBJECT UTF-8 2:5').one('THREAD').raw == b'* THREAD (2 4)(3 5)\r\n'
    use(nine, 'i;octet')
    assert nine.ok('THREAD ORDEREDSUBJECT UTF-8 2:5').one('THREAD').raw == b'* THREAD (2)(3)(4)(5)\r\n'
    assert nine.ok('THREAD REFERENCES UTF-8 2,4').one('THREAD').raw == b'* THREAD (2)(4)\r\n'
    use(nine, 'i;ascii-casemap')
    assert nine.ok('THREAD REFERENCES UTF-8 2:5').one('THREAD').raw == b'* THREAD ((2)(4))(3)(5)\r\n'


def test_it_is_the_session_s(nine, login):
    use(nine, 'i;octet')
    assert login(name='b').ok('COMPARATOR').one('COMPARATOR').data == ['i;unicode-casemap']
