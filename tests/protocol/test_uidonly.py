"""UIDONLY (RFC 9586): message numbers are neither taken nor given."""

import pytest

from harness import mail


@pytest.fixture
def only(box3):
    """Three messages, the second expunged, so that UIDs and numbers differ; UIDONLY is enabled."""
    box3.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % box3.test_uids[1])
    box3.ok('EXPUNGE')
    r = box3.ok('ENABLE UIDONLY')
    assert [str(a) for a in r.one('ENABLED').data] == ['UIDONLY']
    return box3


def uidfetches(r):
    assert r.all('FETCH') == []
    return dict((u.number, u.attrs) for u in r.all('UIDFETCH'))


def test_announced(imap):
    assert 'UIDONLY' in imap.capabilities()


@pytest.mark.parametrize('command', [
    'FETCH 1 (FLAGS)', 'FETCH * (FLAGS)', 'STORE 1 +FLAGS (\\Seen)', 'SEARCH ALL', 'COPY 1 Archive', 'MOVE 1 Archive',
    'UID SEARCH 1', 'UID SEARCH NOT 1:*', 'UID SEARCH OR UNSEEN (ALL 2)',
    'SORT (DATE) UTF-8 ALL', 'UID SORT (DATE) UTF-8 1:2', 'THREAD REFERENCES UTF-8 ALL', 'UID THREAD REFERENCES UTF-8 2'])
def test_message_numbers_are_refused(only, command):
    """RFC 9586 3, 3.2, 3.5: a tagged BAD with UIDREQUIRED."""
    only.bad(command, code='UIDREQUIRED')
    only.ok('NOOP')


def test_uid_fetch(only):
    """RFC 9586 3.3: UIDFETCH begins with the UID; the item UID is there when it was asked for."""
    first, _, third = only.test_uids
    r = uidfetches(only.ok('UID FETCH 1:* (FLAGS)'))
    assert sorted(r) == [first, third]
    assert 'UID' not in r[third]
    r = uidfetches(only.ok('UID FETCH %d (UID FLAGS)' % third))
    assert r[third]['UID'] == third
    r = uidfetches(only.ok('UID FETCH %d (BODY[] MODSEQ)' % third))
    assert r[third]['BODY[]'] == mail.numbered(3) and 'MODSEQ' in r[third]


def test_uid_store(only):
    first, _, third = only.test_uids
    r = uidfetches(only.ok('UID STORE %d +FLAGS (\\Flagged)' % third))
    assert list(r) == [third] and '\\Flagged' in r[third]['FLAGS']
    assert uidfetches(only.ok('UID STORE %d +FLAGS.SILENT (\\Seen)' % first)) == {}


def test_expunge_is_vanished(only):
    """RFC 9586 3.4, without QRESYNC too."""
    first, _, third = only.test_uids
    only.ok('UID STORE 1:* +FLAGS.SILENT (\\Deleted)')
    r = only.ok('UID EXPUNGE %d' % first)
    assert r.expunged() == [] and [str(u.data[-1]) for u in r.all('VANISHED')] == [str(first)]
    r = only.ok('EXPUNGE')
    assert r.expunged() == [] and len(r.all('VANISHED')) == 1


def test_uid_search_and_saved_results(only):
    first, _, third = only.test_uids
    assert only.ok('UID SEARCH ALL').search() == [first, third]
    assert only.ok('UID SEARCH UID %d:*' % third).search() == [third]
    only.ok('UID SEARCH RETURN (SAVE) UID %d' % third)
    assert sorted(uidfetches(only.ok('UID FETCH $ (FLAGS)'))) == [third]


def test_others_changes(login, only):
    """RFC 9586 3.6: UIDFETCH for flags, VANISHED for what went; EXISTS as ever."""
    first, _, third = only.test_uids
    other = login()
    other.select()
    other.ok('UID STORE %d +FLAGS (\\Answered)' % third)
    r = only.ok('NOOP')
    assert '\\Answered' in uidfetches(r)[third]['FLAGS']
    other.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % first)
    other.ok('EXPUNGE')
    other.append(mail.numbered(9))
    r = only.ok('NOOP')
    assert r.expunged() == [] and len(r.all('VANISHED')) == 1
    assert [u.number for u in r.all('EXISTS')] == [2]


def test_copy_and_move(only):
    """RFC 9586 3.6: COPYUID, then VANISHED."""
    first, _, third = only.test_uids
    assert 'COPYUID' in only.ok('UID COPY %d Archive' % first).codes()
    r = only.ok('UID MOVE %d Archive' % third)
    assert 'COPYUID' in r.codes()
    assert r.expunged() == [] and len(r.all('VANISHED')) == 1


def test_select_tells_no_number(only):
    """RFC 9586 3: no message number in any response; UNSEEN of IMAP4rev1 would be one."""
    assert 'UNSEEN' not in only.select().codes()


def test_qresync(only):
    """RFC 9586 3.7: MODSEQ is in UIDFETCH; the fourth parameter of QRESYNC is refused."""
    first, _, third = only.test_uids
    only.enable('QRESYNC')
    r = uidfetches(only.ok('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)'))
    assert sorted(r) == [first, third] and 'MODSEQ' in r[first]
    codes = only.select().codes()
    validity, modseq = codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0]
    only.bad('SELECT INBOX (QRESYNC (%s %s 1:%s (1 %s)))' % (validity, modseq, third, first), code='UIDREQUIRED')
    r = only.select('INBOX', ' (QRESYNC (%s 1 1:%s))' % (validity, third))
    assert sorted(uidfetches(r)) == [first, third]
    r = uidfetches(only.ok('UID STORE %d (UNCHANGEDSINCE 1) +FLAGS (\\Draft)' % third))
    assert '\\Draft' not in r.get(third, {}).get('FLAGS', [])


def test_off_by_default(box3):
    assert box3.ok('UID FETCH 1:* (FLAGS)').all('UIDFETCH') == []
    assert len(box3.ok('FETCH 1:* (FLAGS)').all('FETCH')) == 3
