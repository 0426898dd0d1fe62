"""SEARCH: every key of RFC 3501 6.4.4 and RFC 9051 6.4.4, ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032),
MODSEQ, EMAILID, SAVEDATE."""

import pytest

from harness import mail
from harness.imap import Lit, text
from harness.parse import numbers

# The mailbox of these tests: (message, flags, internal date).
BOX = [
    (mail.simple('alpha one', 'The quick brown fox\n', sender='anna@example.org', to='bob@example.net', date='Mon, 7 Feb 1994 21:52:25 -0800'),
     '\\Seen', '10-Feb-1994 10:00:00 +0000'),
    (mail.simple('Beta Two', 'jumps over\nthe lazy dog\n', sender='"Carl Cash" <carl@example.com>', extra='Cc: dora@example.org\nX-Extra: some value\n',
                 date='Tue, 8 Feb 1994 23:59:00 -0800'), '\\Answered \\Flagged', '11-Feb-1994 23:59:59 +0000'),
    (mail.NESTED, '\\Deleted Word', '12-Feb-1994 00:00:00 +0000'),
    (mail.UTF8_TEXT, '\\Draft', '13-Feb-2020 12:00:00 +0200'),
    (mail.ADDRESSES, '\\Seen \\Flagged Word', '14-Feb-2020 12:00:00 +0000'),
    (mail.sized(5000, 'big'), '', '15-Feb-2020 12:00:00 +0000'),
]
SIZES = [len(m) for m, _, _ in BOX]


@pytest.fixture
def six(imap):
    imap.test_uids = [imap.append(m, flags=f, date=d) for m, f, d in BOX]
    imap.select()
    return imap


KEYS = [
    ('ALL', {1, 2, 3, 4, 5, 6}),
    ('1', {1}), ('2:4', {2, 3, 4}), ('*', {6}), ('1,3,5', {1, 3, 5}), ('6:*', {6}),
    ('ANSWERED', {2}), ('UNANSWERED', {1, 3, 4, 5, 6}), ('DELETED', {3}), ('UNDELETED', {1, 2, 4, 5, 6}), ('DRAFT', {4}), ('UNDRAFT', {1, 2, 3, 5, 6}),
    ('FLAGGED', {2, 5}), ('UNFLAGGED', {1, 3, 4, 6}), ('SEEN', {1, 5}), ('UNSEEN', {2, 3, 4, 6}), ('KEYWORD Word', {3, 5}), ('UNKEYWORD word', {1, 2, 4, 6}),
    ('KEYWORD NeverUsed', set()), ('UNKEYWORD NeverUsed', {1, 2, 3, 4, 5, 6}),
    ('BEFORE 12-Feb-1994', {1, 2}), ('ON 12-Feb-1994', {3}), ('SINCE 12-Feb-1994', {3, 4, 5, 6}), ('ON "11-Feb-1994"', {2}), ('BEFORE 1-Jan-1990', set()),
    ('SENTBEFORE 8-Feb-1994', {1, 3, 6}), ('SENTON 7-Feb-1994', {1, 3, 6}), ('SENTSINCE 9-Feb-1994', {4, 5}), ('SENTON 8-Feb-1994', {2}),
    ('LARGER 4999', {6}), ('LARGER 5000', set()), ('SMALLER 5000', {1, 2, 3, 4, 5}), ('SMALLER 1', set()),
    ('SUBJECT alpha', {1}), ('SUBJECT BETA', {2}), ('SUBJECT "a t"', {2}), ('SUBJECT caf', {5}), ('FROM anna', {1, 6}), ('FROM "Carl Cash"', {2}), ('FROM carl@', {2}),
    ('TO bob', {1}), ('TO siam', {3}), ('CC dora', {2}), ('BCC hidden', {5}), ('HEADER X-Extra "me va"', {2}), ('HEADER X-Extra ""', {2}),
    ('HEADER Message-ID before', set()), ('HEADER IN-REPLY-TO before', {5}), ('HEADER X-None ""', set()), ('HEADER Sender SENDER@', {5}),
    ('BODY fox', {1}), ('BODY "LAZY dog"', {2}), ('BODY alpha', set()), ('TEXT alpha', {1}), ('BODY "Four two"', {3}), ('TEXT "inner three"', {3}), ('BODY nowhere', set()),
    ('UID 4000000000', set()), ('NOT SEEN', {2, 3, 4, 6}), ('NOT NOT SEEN', {1, 5}), ('OR SEEN DRAFT', {1, 4, 5}), ('OR OR SEEN DRAFT DELETED', {1, 3, 4, 5}),
    ('SEEN FLAGGED', {5}), ('(SEEN FLAGGED)', {5}), ('OR (SEEN FLAGGED) (DELETED)', {3, 5}), ('NOT (SEEN FLAGGED)', {1, 2, 3, 4, 6}), ('((SEEN))', {1, 5}),
    ('1:3 SEEN', {1}), ('NOT 1:3', {4, 5, 6}), ('seen', {1, 5}), ('not seen', {2, 3, 4, 6}),
    ('YOUNGER 100', set()), ('OLDER 100', {1, 2, 3, 4, 5, 6}), ('YOUNGER 4294967295', {1, 2, 3, 4, 5, 6}),
    ('CHARSET UTF-8 ALL', {1, 2, 3, 4, 5, 6}), ('CHARSET US-ASCII SUBJECT alpha', {1}),
    ('SAVEDSINCE 1-Jan-2020', {1, 2, 3, 4, 5, 6}), ('SAVEDBEFORE 1-Jan-2020', set()), ('SAVEDATESUPPORTED', {1, 2, 3, 4, 5, 6}),
    ('MODSEQ 1', {1, 2, 3, 4, 5, 6}), ('MODSEQ "/flags/\\\\draft" all 1', {1, 2, 3, 4, 5, 6}), ('MODSEQ 9223372036854775807', set()),
]


@pytest.mark.parametrize('key, expected', KEYS, ids=[k for k, _ in KEYS])
def test_key(six, key, expected):
    assert set(six.ok('SEARCH ' + key).search()) == expected
    uids = dict(zip(range(1, 7), six.test_uids))
    assert set(six.ok('UID SEARCH ' + key).search()) == set(uids[n] for n in expected)


def test_uid_key(six):
    u = six.test_uids
    assert six.ok('SEARCH UID %d,%d' % (u[1], u[3])).search() == [2, 4]
    assert six.ok('UID SEARCH UID %d:*' % u[4]).search() == u[4:]
    assert six.ok('UID SEARCH UID 4000000000:*').search() == [u[5]]


@pytest.mark.parametrize('key, expected', [('SUBJECT', {4}), ('TEXT', {4})])
def test_utf8_in_encoded_headers(six, key, expected):
    """RFC 3501 6.4.4: the comparison is on decoded text."""
    assert set(six.ok('SEARCH CHARSET UTF-8 %s ' % key, Lit('Übergröß')).search()) == expected


def test_utf8_is_case_insensitive(six):
    assert set(six.ok('SEARCH CHARSET UTF-8 SUBJECT ', Lit('ÜBERGRÖ')).search()) == {4}
    assert set(six.ok('SEARCH CHARSET UTF-8 SUBJECT ', Lit('CAFÉ')).search()) == {5}


def test_utf8_in_a_base64_body(six):
    assert set(six.ok('SEARCH CHARSET UTF-8 BODY ', Lit('日本語')).search()) == {4}
    assert set(six.ok('SEARCH CHARSET UTF-8 BODY ', Lit('straße')).search()) == {4}


def test_from_with_encoded_name(six):
    assert set(six.ok('SEARCH CHARSET UTF-8 FROM ', Lit('Jürgen')).search()) == {4}


def test_latin1_charset(six):
    r = six.cmd('SEARCH CHARSET ISO-8859-1 SUBJECT ', Lit('café'.encode('latin-1')))
    if r.status == 'OK':
        assert set(r.search()) == {5}
    else:
        assert r.code[0] == 'BADCHARSET'


def test_bad_charset(six):
    """RFC 3501 6.4.4: NO, and BADCHARSET should list what is supported."""
    r = six.no('SEARCH CHARSET X-NO-SUCH ALL', code='BADCHARSET')
    if len(r.code) > 1:
        assert 'UTF-8' in [text(c).upper() for c in r.code[1]]


def test_search_tells_expunge_only_afterwards(pair):
    """RFC 3501 7.4.1: no EXPUNGE while SEARCH answers; the harness checks it, and here it has a reason to happen."""
    one, two = pair
    one.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    one.ok('EXPUNGE')
    assert two.ok('SEARCH ALL').expunged() == []
    assert two.ok('NOOP').expunged() == [1]


def test_uid_search_may_tell_expunge(pair):
    one, two = pair
    one.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    one.ok('EXPUNGE')
    two.ok('UID SEARCH ALL')
    two.ok('NOOP')
    assert two.exists == 3


@pytest.mark.parametrize('command, answer', [('SEARCH 3', b'* SEARCH 3'), ('UID SEARCH 3', b'* SEARCH %d'), ('uid sort (arrival) utf-8 3', b'* SORT %d'),
                                             ('UID THREAD REFERENCES UTF-8 3', b'* THREAD (%d)'), ('ESEARCH RETURN (MIN) 3', b'UID MIN %d')])
def test_numbers_pipelined_behind_noop(pair, command, answer):
    """RFC 9051 5.5: the client wrote the number before it could know of an EXPUNGE; keys of UID SEARCH are message numbers too (6.4.9)."""
    one, two = pair
    two.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    two.ok('EXPUNGE')
    one.send('p1 NOOP\r\np2 %s\r\n' % command)
    lines = []
    while not lines or not lines[-1].startswith(b'p2'):
        lines.append(one.raw_response())
    wanted = answer % one.test_uids[2] if b'%d' in answer else answer
    assert not [line for line in lines[:[line[:2] for line in lines].index(b'p1')] if b'EXPUNGE' in line]
    assert [line for line in lines if wanted + b'\r\n' in line], lines


def test_search_that_finds_nothing_answers(six):
    """RFC 3501 7.2.5: the response has no numbers then; it must come (RFC 9051: ESEARCH)."""
    r = six.ok('SEARCH SUBJECT nothinglikethis')
    assert r.one('SEARCH').data == []


MALFORMED = ['', 'NOPE', '()', '(ALL', 'ALL)', 'NOT', 'OR', 'OR ALL', 'SUBJECT', 'HEADER', 'HEADER x', 'BEFORE', 'BEFORE x', 'BEFORE 32-Jan-2020', 'BEFORE 1-Foo-2020',
             'SINCE 1-Jan-20', 'LARGER', 'LARGER x', 'LARGER -1', 'LARGER 99999999999999999999', 'KEYWORD', 'KEYWORD (a)', 'UID', 'UID x', '0', '1:', 'CHARSET', 'CHARSET UTF-8',
             'OLDER', 'OLDER 0', 'OLDER x', 'MODSEQ', 'MODSEQ x', 'RETURN', 'RETURN (', 'RETURN (NOPE) ALL', 'RETURN () ', 'EMAILID', 'SAVEDON x',
             'SUBJECT "unclosed', 'SUBJECT {x}', 'RETURN (MIN MAX ALL COUNT', '((((((((((ALL)))))))))']


@pytest.mark.parametrize('keys', MALFORMED)
def test_malformed(six, keys):
    six.bad('SEARCH ' + keys)
    six.bad('UID SEARCH ' + keys)
    six.ok('NOOP')


def test_very_long_program(six):
    """A program of many keys is either run or refused; the session goes on."""
    r = six.cmd('SEARCH ' + ' '.join(['NOT SUBJECT zz%d' % n for n in range(2000)]))
    assert r.status != 'OK' or set(r.search()) == {1, 2, 3, 4, 5, 6}
    six.ok('NOOP')


@pytest.mark.parametrize('uid', ['', 'UID '])
@pytest.mark.parametrize('key, expected', [('3:100', [3, 4, 5, 6]), ('100:200', []), ('6,7', [6]), ('NOT 7:9', [1, 2, 3, 4, 5, 6]), ('9:*', [6]), ('UNDELETED 5:9', [5, 6])])
def test_numbers_beyond_the_end(six, uid, key, expected):
    """RFC 7377 2: "as with any SEARCH or UID SEARCH command, it MUST NOT be considered an error" if numbers extend, or start, beyond the end
    of the mailbox (BAD is for COPY, FETCH and STORE, RFC 9051 9); SORT and THREAD search by the same programs."""
    wanted = [six.test_uids[n - 1] for n in expected] if uid else expected
    assert six.ok(uid + 'SEARCH ' + key).search() == wanted
    told = six.ok(uid + 'SEARCH RETURN (ALL) ' + key).esearch().get('ALL')
    assert wanted == ([] if told is None else numbers(told))
    assert six.ok(uid + 'SORT (ARRIVAL) UTF-8 ' + key).one('SORT') is not None
    assert six.ok(uid + 'THREAD REFERENCES UTF-8 ' + key).one('THREAD') is not None


def test_search_of_empty_mailbox(box):
    assert box.ok('SEARCH ALL').search() == []
    assert box.ok('SEARCH UNSEEN SUBJECT x').search() == []
    assert box.ok('UID SEARCH UID 1:*').search() == []
    # RFC 9051 9, seq-number: `*` names nothing in an empty mailbox, which is BAD.
    box.cmd('SEARCH 1:*')
    box.ok('NOOP')


# ESEARCH.

def test_esearch_results(six):
    """RFC 4731 3.1: MIN, MAX, ALL, COUNT; the response names the tag, and UID for UID SEARCH."""
    r = six.ok('SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN')
    e = r.esearch()
    assert (e['MIN'], e['MAX'], e['COUNT'], numbers(e['ALL'])) == (2, 6, 4, [2, 3, 4, 6])
    assert e['TAG'] == r.tagged.tag and 'UID' not in e
    assert r.all('SEARCH') == []
    e = six.ok('UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN').esearch()
    assert e['UID'] is True and e['MIN'] == six.test_uids[1]


@pytest.mark.parametrize('options, keys', [('MIN', {'MIN'}), ('MAX', {'MAX'}), ('COUNT', {'COUNT'}), ('ALL', {'ALL'}), ('MIN COUNT', {'MIN', 'COUNT'}), ('', {'ALL'})])
def test_esearch_returns_only_what_was_asked(six, options, keys):
    """RFC 4731 3.1: `RETURN ()` is ALL."""
    e = six.ok('SEARCH RETURN (%s) SEEN' % options).esearch()
    assert set(e) - {'TAG'} == keys


def test_esearch_of_nothing(six):
    """RFC 4731 3.1: MIN, MAX and ALL are left out, COUNT is 0."""
    e = six.ok('SEARCH RETURN (MIN MAX ALL COUNT) SUBJECT nothinglikethis').esearch()
    assert set(e) - {'TAG'} == {'COUNT'} and e['COUNT'] == 0


def test_esearch_modseq(six):
    """RFC 4731 3.2: with a MODSEQ key the highest modseq of the result comes too."""
    e = six.ok('SEARCH RETURN (ALL) MODSEQ 1').esearch()
    assert e['MODSEQ'] > 0


def test_search_modseq(six):
    """RFC 7162 3.1.5: SEARCH with MODSEQ ends with (MODSEQ n)."""
    r = six.ok('SEARCH MODSEQ 1').one('SEARCH')
    assert str(r.data[-1][0]).upper() == 'MODSEQ' and r.data[-1][1] > 0
    # Nothing found: no MODSEQ.
    assert six.ok('SEARCH MODSEQ 9223372036854775807').one('SEARCH').data == []


# SEARCHRES.

def test_saved_result(six):
    """RFC 5182 2.1: `$` in FETCH, STORE, COPY, SEARCH, by numbers and UIDs alike."""
    six.ok('SEARCH RETURN (SAVE) FLAGGED')
    assert set(six.ok('FETCH $ UID').fetches()) == {2, 5}
    assert set(six.ok('UID FETCH $ FLAGS').fetches()) == {2, 5}
    assert six.ok('SEARCH $').search() == [2, 5]
    assert six.ok('SEARCH UID $ SEEN').search() == [5]
    six.ok('STORE $ +FLAGS.SILENT (Saved)')
    assert six.ok('SEARCH KEYWORD Saved').search() == [2, 5]
    assert numbers(six.ok('COPY $ Archive').codes()['COPYUID'][1]) == [six.test_uids[1], six.test_uids[4]]


def test_saved_result_starts_empty(six):
    """RFC 5182 2.1: before any SAVE, and after SELECT, it is empty: no error."""
    assert six.ok('FETCH $ UID').fetches() == {}
    six.ok('SEARCH RETURN (SAVE) ALL')
    six.select()
    assert six.ok('FETCH $ UID').fetches() == {}


def test_saved_result_of_nothing(six):
    six.ok('SEARCH RETURN (SAVE) ALL')
    six.ok('SEARCH RETURN (SAVE) SUBJECT nothinglikethis')
    assert six.ok('FETCH $ UID').fetches() == {}


def test_save_alone_is_silent(six):
    """RFC 5182 2.1: with SAVE only, there is no response."""
    r = six.ok('SEARCH RETURN (SAVE) ALL')
    assert r.all('SEARCH') == [] and r.all('ESEARCH') == []


@pytest.mark.parametrize('options, expected', [('SAVE MIN', [2]), ('SAVE MAX', [6]), ('SAVE MIN MAX', [2, 6]), ('SAVE ALL', [2, 3, 4, 6]), ('SAVE COUNT', [2, 3, 4, 6]),
                                               ('SAVE MIN COUNT', [2, 3, 4, 6]), ('SAVE MIN MAX ALL COUNT', [2, 3, 4, 6])])
def test_what_is_saved(six, options, expected):
    """RFC 5182 2.4: with MIN or MAX alone only these are saved."""
    six.ok('SEARCH RETURN (%s) UNSEEN' % options)
    assert sorted(six.ok('FETCH $ UID').fetches()) == expected


def test_failed_search_empties_the_saved_result(six):
    """RFC 5182 2.1: NO resets it to empty; BAD leaves it."""
    six.ok('SEARCH RETURN (SAVE) ALL')
    six.bad('SEARCH RETURN (SAVE) NOPE')
    assert len(six.ok('FETCH $ UID').fetches()) == 6
    six.no('SEARCH RETURN (SAVE) CHARSET X-NO-SUCH ALL')
    assert six.ok('FETCH $ UID').fetches() == {}


def test_expunged_messages_leave_the_saved_result(six):
    """RFC 5182 2.1: what is expunged is removed from it; the rest is the same messages."""
    six.ok('SEARCH RETURN (SAVE) ALL')
    six.ok('EXPUNGE')
    got = six.ok('FETCH $ UID').fetches()
    assert [a['UID'] for _, a in sorted(got.items())] == [u for n, u in enumerate(six.test_uids) if n != 2]


def test_saved_result_without_wait(six):
    """RFC 5182 2.2: the client may send both commands at once."""
    a = six.begin('SEARCH RETURN (SAVE) FLAGGED')
    b = six.begin('FETCH $ UID')
    six.end(a)
    assert set(six.end(b).fetches()) == {2, 5}


def test_save_with_move(six):
    six.ok('SEARCH RETURN (SAVE) DRAFT')
    assert six.ok('MOVE $ Archive').expunged() == [4]


# OBJECTID, other keys.

def test_emailid_and_threadid_keys(six):
    """RFC 8474 6."""
    got = six.ok('FETCH 2 (EMAILID THREADID)').fetch()
    assert six.ok('SEARCH EMAILID ' + text(got['EMAILID'][0])).search() == [2]
    if got['THREADID'] is not None:
        assert 2 in six.ok('SEARCH THREADID ' + text(got['THREADID'][0])).search()
    assert six.ok('SEARCH EMAILID NoSuchId').search() == []


def test_new_old_recent(imap, login):
    """RFC 3501 6.4.4: NEW is RECENT UNSEEN, OLD is NOT RECENT. IMAP4rev1 only."""
    imap.append(mail.numbered(1), flags='\\Seen')
    imap.append(mail.numbered(2))
    imap.select()
    assert imap.ok('SEARCH RECENT').search() == [1, 2]
    assert imap.ok('SEARCH NEW').search() == [2]
    assert imap.ok('SEARCH OLD').search() == []
    later = login()
    later.select()
    assert later.ok('SEARCH RECENT').search() == []
    assert later.ok('SEARCH OLD').search() == [1, 2]


def test_younger_and_older(imap):
    """RFC 5032: seconds before now, by internal date."""
    imap.append(mail.numbered(1))
    imap.append(mail.numbered(2), date='1-Jan-2020 00:00:00 +0000')
    imap.select()
    assert imap.ok('SEARCH YOUNGER 3600').search() == [1]
    assert imap.ok('SEARCH OLDER 3600').search() == [2]
