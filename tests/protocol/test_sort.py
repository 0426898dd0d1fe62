"""SORT (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT (RFC 5267 3), PARTIAL (RFC 9394), and what they do with CONDSTORE and SEARCHRES."""

import pytest

from harness import mail
from harness.imap import Lit, esearch, text
from harness.parse import numbers


def message(subject=None, sender='a@example.org', to='t@example.org', cc=None, date=None, size=0):
    lines = ['From: ' + sender] if sender else []
    if to:
        lines.append('To: ' + to)
    if cc:
        lines.append('Cc: ' + cc)
    if subject is not None:
        lines.append('Subject: ' + subject)
    if date:
        lines.append('Date: ' + date)
    return mail.crlf('\n'.join(lines) + '\n\n' + 'x' * size + '\n')


# (message, internal date); the numbers of the tests are theirs, from 1.
BOX = [
    (message('Re: beta', 'zoe@example.org', 'x@example.org', 'one@example.org', 'Tue, 2 Jan 2001 10:00:00 +0000', 5000), '05-Jan-2001 00:00:00 +0000'),
    (message('alpha', 'Anna <anna@example.org>', 'y@example.org', None, 'Mon, 1 Jan 2001 10:00:00 -0800', 1000), '04-Jan-2001 00:00:00 +0000'),
    (message('=?utf-8?Q?=C3=89t=C3=A9?=', '"Beta, B" <Carl@example.org>', '=?utf-8?Q?=C3=84nne?= <z@example.org>', 'Zed <a@example.org>',
             'Mon, 1 Jan 2001 15:00:00 +0000', 3000), '03-Jan-2001 00:00:00 +0000'),
    (message('[list] Fwd: BETA (fwd)', 'bob@example.org', None, None, None, 2000), '02-Jan-2001 00:00:00 +0100'),
    (message(None, None, 'adam@example.org', None, 'Tue, 2 Jan 2001 12:00:00 +0200', 4000), '01-Jan-2001 00:00:00 +0000'),
]


@pytest.fixture
def five(imap):
    imap.test_uids = [imap.append(m, flags='', date=d) for m, d in BOX]
    imap.select()
    return imap


def told(result, name='SORT'):
    return [n for n in result.one(name).data if isinstance(n, int)]


ORDERS = [
    ('ARRIVAL', [5, 4, 3, 2, 1]),
    # 4 has no Date: its internal date counts, 1-Jan 23:00 UTC. 1 and 5 were sent at the same time.
    ('DATE', [3, 2, 4, 1, 5]),
    ('SIZE', [2, 4, 3, 5, 1]),
    # The base subjects: BETA, ALPHA, ÉTÉ, BETA and none. The empty string comes first, É is E with an accent.
    ('SUBJECT', [5, 2, 1, 4, 3]),
    ('FROM', [5, 2, 4, 3, 1]),
    ('TO', [4, 5, 1, 2, 3]),
    ('CC', [2, 4, 5, 3, 1]),
    # Names: zoe@..., Anna, "Beta, B", bob@..., none.
    ('DISPLAYFROM', [5, 2, 3, 4, 1]),
    # x@..., y@..., Änne, none, adam@...
    ('DISPLAYTO', [4, 5, 3, 1, 2]),
    ('REVERSE ARRIVAL', [1, 2, 3, 4, 5]),
    ('REVERSE SIZE', [1, 5, 3, 4, 2]),
    # Equal ones stay in mailbox order.
    ('REVERSE SUBJECT', [3, 1, 4, 2, 5]),
    ('REVERSE DATE', [1, 5, 4, 2, 3]),
    ('SUBJECT DATE', [5, 2, 4, 1, 3]),
    ('SUBJECT REVERSE DATE', [5, 2, 1, 4, 3]),
    ('REVERSE SUBJECT REVERSE SIZE', [3, 1, 4, 2, 5]),
    ('DATE REVERSE SIZE', [3, 2, 4, 1, 5]),
    ('REVERSE DATE SIZE', [5, 1, 4, 2, 3]),
    ('SIZE SIZE REVERSE SIZE', [2, 4, 3, 5, 1]),
    ('subject reverse arrival', [5, 2, 1, 4, 3]),
]


@pytest.mark.parametrize('criteria, order', ORDERS, ids=[c for c, _ in ORDERS])
def test_order(five, criteria, order):
    assert told(five.ok('SORT (%s) UTF-8 ALL' % criteria)) == order
    assert told(five.ok('UID SORT (%s) US-ASCII ALL' % criteria)) == [five.test_uids[n - 1] for n in order]


def test_searching_criteria(five):
    """RFC 5256: first searched, then sorted; the keys mean what they mean in SEARCH, in UID SORT too."""
    assert told(five.ok('SORT (SUBJECT) UTF-8 SUBJECT beta')) == [1, 4]
    assert told(five.ok('SORT (REVERSE SIZE) UTF-8 2:4 LARGER 1500')) == [3, 4]
    assert told(five.ok('UID SORT (REVERSE SIZE) UTF-8 2:3')) == [five.test_uids[2], five.test_uids[1]]
    assert told(five.ok('SORT (SIZE) UTF-8 OR UID %d 1' % five.test_uids[3])) == [4, 1]
    assert told(five.ok('SORT (DATE) UTF-8 SUBJECT ', Lit('été'))) == [3]
    assert told(five.ok('SORT (DATE) ISO-8859-1 SUBJECT ', Lit('été'.encode('latin-1')))) == [3]
    assert told(five.ok('SORT (DATE) "utf-8" ALL')) == [3, 2, 4, 1, 5]


def test_nothing_found(five):
    """RFC 5256, example A284: "* SORT" without numbers."""
    r = five.ok('SORT (SUBJECT) US-ASCII TEXT "not in mailbox"')
    assert r.one('SORT').data == []
    assert r.one('SORT').raw == b'* SORT\r\n'


def test_empty_mailbox(box):
    assert told(box.ok('SORT (DATE SUBJECT) UTF-8 ALL')) == []
    assert esearch(box.ok('UID SORT RETURN (MIN MAX COUNT ALL) (DATE) UTF-8 ALL').one('ESEARCH')) == {'TAG': 'a%d' % box.count, 'UID': True, 'COUNT': 0}


@pytest.mark.parametrize('command', [
    'SORT', 'SORT (DATE)', 'SORT (DATE) UTF-8', 'SORT () UTF-8 ALL', 'SORT DATE UTF-8 ALL', 'SORT (DATE) ALL', 'SORT (REVERSE) UTF-8 ALL',
    'SORT (REVERSE REVERSE DATE) UTF-8 ALL', 'SORT (COLOUR) UTF-8 ALL', 'SORT (DATE,SIZE) UTF-8 ALL', 'SORT (DATE ) UTF-8 ALL', 'SORT (DATE) UTF-8 COLOUR',
    'SORT (DATE) UTF-8 ALL ', 'SORT RETURN (DATE) UTF-8 ALL', 'SORT RETURN (FIRST) (DATE) UTF-8 ALL', 'SORT RETURN (PARTIAL 1:0) (DATE) UTF-8 ALL',
    'SORT RETURN (PARTIAL 1) (DATE) UTF-8 ALL', 'SORT RETURN (PARTIAL 1:*) (DATE) UTF-8 ALL', 'SORT RETURN (ALL PARTIAL 1:2) (DATE) UTF-8 ALL',
    'SORT RETURN (PARTIAL 1:2 PARTIAL 3:4) (DATE) UTF-8 ALL', 'SORT RETURN (PARTIAL -1:2) (DATE) UTF-8 ALL',
])
def test_wrong(box, command):
    assert box.refused(command).status == 'BAD'
    box.ok('NOOP')


def test_unknown_charset(five):
    """RFC 5256: NO for a charset that can't be searched; RFC 3501 6.4.4 wants BADCHARSET."""
    assert five.no('SORT (DATE) X-NONE SUBJECT x', code='BADCHARSET')
    assert five.no('SORT RETURN () (DATE) X-NONE SUBJECT x', code='BADCHARSET')


def test_state(imap):
    assert imap.refused('SORT (DATE) UTF-8 ALL').status == 'BAD'


def test_after_utf8_accept(five):
    """SORT can't do without its charset, so ENABLE UTF8=ACCEPT does not forbid it."""
    five.ok('ENABLE UTF8=ACCEPT')
    assert told(five.ok('SORT (SIZE) UTF-8 SUBJECT "été"')) == [3]


def test_esort(five):
    """RFC 5267 3.1: results by position in the order."""
    r = esearch(five.ok('SORT RETURN (MIN MAX COUNT) (REVERSE SIZE) UTF-8 ALL').one('ESEARCH'))
    assert (r['MIN'], r['MAX'], r['COUNT']) == (1, 2, 5)
    assert 'ALL' not in r and 'UID' not in r
    r = five.ok('UID SORT RETURN (ALL) (SIZE) UTF-8 ALL').one('ESEARCH')
    assert numbers(esearch(r)['ALL']) == [five.test_uids[n - 1] for n in [2, 4, 3, 5, 1]]
    assert esearch(r)['UID'] is True


def test_esort_example(five):
    """RFC 5267 3.3: RETURN () is RETURN (ALL); what goes down is no range."""
    r = esearch(five.ok('UID SORT RETURN () (REVERSE ARRIVAL) UTF-8 UNDELETED UNKEYWORD $Junk').one('ESEARCH'))
    assert r['ALL'].count(':') == 1 and numbers(r['ALL']) == five.test_uids
    r = esearch(five.ok('UID SORT RETURN () (ARRIVAL) UTF-8 UNDELETED UNKEYWORD $Junk').one('ESEARCH'))
    assert r['ALL'] == ','.join(str(u) for u in reversed(five.test_uids))


def test_esort_ranges(five):
    """RFC 5267 3.2: ranges only where they go up."""
    assert esearch(five.ok('SORT RETURN (ALL) (REVERSE SUBJECT) UTF-8 ALL').one('ESEARCH'))['ALL'] == '3,1,4,2,5'
    assert esearch(five.ok('SORT RETURN (ALL) (CC) UTF-8 2,4:5').one('ESEARCH'))['ALL'] == '2,4:5'


def test_esort_without_return_is_sort(five):
    """Also for IMAP4rev2 clients: only SEARCH is changed by it."""
    five.ok('ENABLE IMAP4rev2')
    assert told(five.ok('SORT (SIZE) UTF-8 ALL')) == [2, 4, 3, 5, 1]


def test_esort_nothing(five):
    r = esearch(five.ok('SORT RETURN (MIN MAX ALL) (SIZE) UTF-8 KEYWORD none').one('ESEARCH'))
    assert set(r) == {'TAG'}
    assert esearch(five.ok('SORT RETURN (PARTIAL 1:10) (SIZE) UTF-8 KEYWORD none').one('ESEARCH'))['PARTIAL'] == ['1:10', None]


@pytest.mark.parametrize('returns, saved', [
    ('SAVE', {1, 2, 3, 4, 5}), ('SAVE ALL', {1, 2, 3, 4, 5}), ('SAVE COUNT', {1, 2, 3, 4, 5}), ('SAVE MIN', {2}), ('SAVE MAX', {1}), ('SAVE MIN MAX', {1, 2}),
    ('SAVE MIN COUNT', {1, 2, 3, 4, 5}), ('SAVE PARTIAL 2:3', {4, 3}), ('SAVE PARTIAL -1:-2', {5, 1}), ('SAVE PARTIAL 2:3 MIN', {2, 4, 3}),
    ('SAVE PARTIAL 2:3 MAX', {4, 3, 1}), ('SAVE PARTIAL 3:3 MIN MAX', {2, 3, 1}), ('SAVE PARTIAL 2:3 COUNT', {1, 2, 3, 4, 5}), ('SAVE PARTIAL 9:10', set()),
    ('SAVE PARTIAL 9:10 MIN', {2}),
])
@pytest.mark.parametrize('uid', ['', 'UID '])
def test_sort_save(five, returns, saved, uid):
    """RFC 5182 with SORT: positions are those of the order (by size 2, 4, 3, 5, 1); RFC 9394 3.2."""
    r = five.ok('%sSORT RETURN (%s) (SIZE) UTF-8 ALL' % (uid, returns))
    assert len(r.all('ESEARCH')) == (0 if returns == 'SAVE' else 1)
    assert set(five.ok('SEARCH $').search()) == saved


def test_sort_save_fails(five):
    """RFC 5182 2.1: with NO nothing is saved, with BAD what was."""
    five.ok('SORT RETURN (SAVE) (SIZE) UTF-8 2:3')
    assert five.refused('SORT RETURN (SAVE) (SIZE) UTF-8 NONSENSE').status == 'BAD'
    assert set(five.ok('SEARCH $').search()) == {2, 3}
    five.no('SORT RETURN (SAVE) (SIZE) X-NONE ALL', code='BADCHARSET')
    assert five.ok('SEARCH $').search() == []


def test_modseq(five):
    """RFC 7162 3.1.9: "* SORT ... (MODSEQ n)" when the criteria ask for a modseq and something was found."""
    five.ok('STORE 2 +FLAGS (\\Flagged)')
    modseq = five.ok('FETCH 2 (MODSEQ)').fetch(2)['MODSEQ'][0]
    r = five.ok('SORT (SIZE) UTF-8 MODSEQ %d' % modseq).one('SORT')
    assert r.data == [2, ['MODSEQ', modseq]]
    assert five.ok('SORT (SIZE) UTF-8 MODSEQ %d' % (modseq + 1)).one('SORT').data == []
    assert five.ok('SORT (SIZE) UTF-8 ALL').one('SORT').data == [2, 4, 3, 5, 1]


def test_modseq_esort(five):
    """RFC 7162 3.1.10: that of MIN and MAX when only they are told, else the highest of all found."""
    for n in (1, 2, 5):
        five.ok('STORE %d +FLAGS (\\Flagged)' % n)
    modseqs = dict((n, a['MODSEQ'][0]) for n, a in five.ok('FETCH 1:5 (MODSEQ)').fetches().items())
    assert modseqs[5] == max(modseqs.values())
    five.ok('SORT (SIZE) UTF-8 MODSEQ 1')
    tell = lambda returns: esearch(five.ok('SORT RETURN (%s) (SIZE) UTF-8 MODSEQ 1' % returns).one('ESEARCH'))['MODSEQ']
    assert tell('ALL') == modseqs[5]
    assert tell('COUNT') == modseqs[5]
    assert tell('MIN') == modseqs[2]
    assert tell('MAX') == modseqs[1]
    assert tell('MIN MAX') == max(modseqs[1], modseqs[2])
    assert 'MODSEQ' not in esearch(five.ok('SORT RETURN (ALL) (SIZE) UTF-8 MODSEQ %d' % (modseqs[5] + 1)).one('ESEARCH'))


def test_expunge_is_held_back(pair):
    """RFC 5256: no EXPUNGE during SORT (the client checks it); numbers that are gone are not told."""
    one, two = pair
    two.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    two.ok('EXPUNGE')
    assert told(one.ok('SORT (ARRIVAL) UTF-8 ALL')) in ([1, 2, 3, 4], [1, 3, 4])
    one.ok('NOOP')
    assert told(one.ok('SORT (ARRIVAL) UTF-8 ALL')) == [1, 2, 3]


def test_new_message_is_found_at_once(five):
    """A message that was appended a moment ago has its place, again and again."""
    five.ok('SORT (SUBJECT SIZE DATE) UTF-8 ALL')
    for n in range(6, 12):
        five.append(message('a%02d' % (20 - n), size=1000 + n))
        five.ok('NOOP')
        order = told(five.ok('SORT (SUBJECT) UTF-8 ALL'))
        assert order == [5] + list(range(n, 5, -1)) + [2, 1, 4, 3]


def test_copies(five):
    """Copies share the record; their internal dates and UIDs are their own."""
    five.ok('CREATE sorted')
    for n in (3, 1, 5, 2, 4):
        five.ok('COPY %d sorted' % n)
    five.ok('SELECT sorted')
    # 1 to 5 are now 3, 1, 5, 2, 4 of BOX.
    assert told(five.ok('SORT (SIZE) UTF-8 ALL')) == [4, 5, 1, 3, 2]
    assert told(five.ok('SORT (SUBJECT) UTF-8 ALL')) == [3, 4, 2, 5, 1]


def test_many(box):
    """More than one block of messages, in an order that has nothing to do with that of arrival."""
    count = 700
    parts = []
    for n in range(count):
        m = message('s %03d' % (n * 389 % count), '%c%d@example.org' % (97 + n % 7, n % 3), size=n * 577 % count)
        parts.append((' ' if parts else '') + '"01-Jan-2020 00:%02d:%02d +0000" ' % (n // 60, n % 60))
        parts.append(Lit(m, plus=True))
    box.ok('APPEND INBOX ', *parts)
    box.ok('NOOP')
    expected = sorted(range(count), key=lambda n: (n * 389 % count))
    assert told(box.ok('SORT (SUBJECT) UTF-8 ALL')) == [n + 1 for n in expected]
    expected = sorted(range(count), key=lambda n: (n % 7, n % 3, -(n * 577 % count)))
    assert told(box.ok('SORT (FROM REVERSE SIZE) UTF-8 ALL')) == [n + 1 for n in expected]
    assert told(box.ok('SORT (REVERSE ARRIVAL) UTF-8 ALL')) == list(range(count, 0, -1))
    # A few here and there.
    assert told(box.ok('SORT (REVERSE SUBJECT) UTF-8 1,300,301,699')) == [n + 1 for n in sorted([0, 299, 300, 698], key=lambda n: -(n * 389 % count))]


# ---- PARTIAL (RFC 9394) ------------------------------------------------------------------------------------------------


@pytest.fixture
def ten(imap):
    imap.test_uids = [imap.append(mail.numbered(n)) for n in range(1, 13)]
    imap.select()
    imap.ok('STORE 3,7 +FLAGS.SILENT (\\Deleted)')
    imap.ok('EXPUNGE')
    imap.test_uids = [u for n, u in enumerate(imap.test_uids, 1) if n not in (3, 7)]
    return imap


PARTS = [
    ('1:3', range(0, 3)), ('3:1', range(0, 3)), ('4:20', range(3, 10)), ('10:10', [9]), ('11:20', []), ('-1:-3', range(7, 10)), ('-3:-1', range(7, 10)),
    ('-8:-100', range(0, 3)), ('-10:-10', [0]), ('-11:-20', []), ('1:4294967295', range(10)),
]


@pytest.mark.parametrize('part, expected', PARTS, ids=[p for p, _ in PARTS])
def test_partial(ten, part, expected):
    """RFC 9394 3.1, 4: "the original range", with the numbers as they stood in it; NIL when nothing is in it."""
    def check(result, want):
        asked, found = result['PARTIAL']
        assert asked == part
        assert (numbers(found) if found is not None else []) == want

    check(esearch(ten.ok('UID SEARCH RETURN (PARTIAL %s) ALL' % part).one('ESEARCH')), [ten.test_uids[i] for i in expected])
    check(esearch(ten.ok('SEARCH RETURN (PARTIAL %s) ALL' % part).one('ESEARCH')), [i + 1 for i in expected])
    backwards = list(reversed(ten.test_uids))
    check(esearch(ten.ok('UID SORT RETURN (PARTIAL %s) (REVERSE SIZE) UTF-8 ALL' % part).one('ESEARCH')), [backwards[i] for i in expected])


def test_partial_with_others(ten):
    r = esearch(ten.ok('SEARCH RETURN (MIN PARTIAL 2:3 COUNT MAX) NOT 5').one('ESEARCH'))
    assert (r['MIN'], r['MAX'], r['COUNT'], r['PARTIAL'][1]) == (1, 10, 9, '2:3')


@pytest.mark.parametrize('returns, saved', [
    ('SAVE PARTIAL 2:3', {2, 3}), ('SAVE PARTIAL 2:3 MIN', {1, 2, 3}), ('SAVE PARTIAL 2:3 MAX', {2, 3, 10}), ('SAVE PARTIAL -2:-3 MIN MAX', {1, 8, 9, 10}),
    ('SAVE PARTIAL 2:3 COUNT', set(range(1, 11))), ('SAVE PARTIAL 2:3 COUNT MIN', set(range(1, 11))), ('SAVE PARTIAL 20:30', set()),
])
def test_partial_save(ten, returns, saved):
    """RFC 9394 3.2, table 1; SAVE does not change what is told."""
    assert len(ten.ok('SEARCH RETURN (%s) ALL' % returns).all('ESEARCH')) == 1
    assert set(ten.ok('SEARCH $').search()) == saved


@pytest.mark.parametrize('command', [
    'SEARCH RETURN (PARTIAL 1:2 ALL) ALL', 'SEARCH RETURN (ALL PARTIAL 1:2) ALL', 'SEARCH RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL', 'SEARCH RETURN (PARTIAL) ALL',
    'SEARCH RETURN (PARTIAL 0:2) ALL', 'SEARCH RETURN (PARTIAL 1:*) ALL', 'SEARCH RETURN (PARTIAL 1:-2) ALL', 'SEARCH RETURN (PARTIAL -1:2) ALL',
    'SEARCH RETURN (PARTIAL 1,3) ALL', 'SEARCH RETURN (PARTIAL 4294967296:1) ALL', 'FETCH 1:* (UID) (PARTIAL 1:2)', 'UID FETCH 1:* (UID) (PARTIAL 1:2 PARTIAL 1:2)',
    'UID FETCH 1:* (UID) (PARTIAL)', 'UID FETCH 1:* (UID) (PARTIAL 1:*)',
])
def test_partial_wrong(box3, command):
    assert box3.refused(command).status == 'BAD'


@pytest.mark.parametrize('part, expected', PARTS, ids=[p for p, _ in PARTS])
def test_partial_fetch(ten, part, expected):
    """RFC 9394 3.3: of the messages that the set names."""
    assert sorted(ten.ok('UID FETCH 1:* (UID FLAGS) (PARTIAL %s)' % part).fetches()) == [i + 1 for i in expected]


def test_partial_fetch_of_a_set(ten):
    u = ten.test_uids
    asked = '%d:%d,%d,%d:%d' % (u[1], u[3], u[5], u[7], u[7] + 1000)
    inside = [2, 3, 4, 6, 8, 9, 10]
    assert sorted(ten.ok('UID FETCH %s (FLAGS) (PARTIAL 2:5)' % asked).fetches()) == inside[1:5]
    assert sorted(ten.ok('UID FETCH %s (FLAGS) (PARTIAL -1:-2)' % asked).fetches()) == inside[-2:]
    assert sorted(ten.ok('UID FETCH %d (FLAGS) (PARTIAL 1:2)' % (u[9] + 5)).fetches()) == []


def test_partial_fetch_changedsince(ten):
    """RFC 9394 3.4: first the part, then what changed in it; in any order."""
    before = ten.ok('STATUS INBOX (HIGHESTMODSEQ)').one('STATUS').attrs['HIGHESTMODSEQ']
    ten.ok('STORE 2,8,10 +FLAGS.SILENT (\\Flagged)')
    for form in ('PARTIAL -1:-3 CHANGEDSINCE %d', 'CHANGEDSINCE %d PARTIAL -1:-3'):
        r = ten.ok('UID FETCH 1:* (UID FLAGS) (%s)' % (form % before)).fetches()
        assert sorted(r) == [8, 10] and all('MODSEQ' in a for a in r.values())


def test_partial_fetch_vanished(ten):
    """With VANISHED all that is gone is told, whatever the part."""
    ten.ok('ENABLE QRESYNC')
    r = ten.ok('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED PARTIAL 1:2)')
    assert len(numbers(r.one('VANISHED').data[1])) == 2
    assert sorted(r.fetches()) == [1, 2]


def test_partial_of_saved(ten):
    """"$" in the program and the part of the result together."""
    ten.ok('SEARCH RETURN (SAVE) 2:9')
    assert esearch(ten.ok('SEARCH RETURN (PARTIAL 2:3) $').one('ESEARCH'))['PARTIAL'] == ['2:3', '3:4']
    assert sorted(ten.ok('UID FETCH $ (FLAGS) (PARTIAL -1:-1)').fetches()) == [9]
