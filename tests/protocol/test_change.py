"""STORE, COPY, MOVE, EXPUNGE and their UID forms (RFC 3501 6.4, RFC 4315, RFC 6851), keywords."""

import pytest

from harness import mail
from harness.imap import Lit
from harness.parse import numbers

SYSTEM = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft']


@pytest.mark.parametrize('flag', SYSTEM + ['$Forwarded', '$Junk', 'NonJunk', 'x-y_z.1', 'UPPER'])
def test_store_add_and_remove(box3, flag):
    r = box3.ok('STORE 2 +FLAGS (%s)' % flag)
    assert flag.lower() in [str(f).lower() for f in r.fetch(2)['FLAGS']]
    assert box3.flags() == {1: set(), 2: {flag.lower()}, 3: set()}
    r = box3.ok('STORE 2 -FLAGS (%s)' % flag)
    assert flag.lower() not in [str(f).lower() for f in r.fetch(2)['FLAGS']]
    assert box3.flags() == {1: set(), 2: set(), 3: set()}


def test_store_replace(box3):
    box3.ok('STORE 1:3 FLAGS (\\Seen one)')
    box3.ok('STORE 2 FLAGS (\\Flagged two)')
    assert box3.flags() == {1: {'\\seen', 'one'}, 2: {'\\flagged', 'two'}, 3: {'\\seen', 'one'}}
    box3.ok('STORE 1:3 FLAGS ()')
    assert box3.flags() == {1: set(), 2: set(), 3: set()}


def test_store_without_parentheses(box3):
    """RFC 3501 9: store-att-flags takes bare flags too."""
    box3.ok('STORE 1 +FLAGS \\Seen \\Flagged')
    assert box3.flags('1') == {1: {'\\seen', '\\flagged'}}


def test_store_silent(box3):
    """RFC 3501 6.4.6: no FETCH of the value is expected."""
    r = box3.ok('STORE 1:2 +FLAGS.SILENT (\\Seen)')
    assert r.all('FETCH') == []
    assert box3.flags('1:2') == {1: {'\\seen'}, 2: {'\\seen'}}


def test_uid_store_has_uid(box3):
    """RFC 3501 6.4.8: the FETCH responses of UID STORE have the UID."""
    r = box3.ok('UID STORE %d +FLAGS (\\Seen)' % box3.test_uids[1])
    assert r.fetch(2)['UID'] == box3.test_uids[1]
    assert '\\Seen' in r.fetch(2)['FLAGS']


def test_flags_are_case_insensitive(box3):
    box3.ok('STORE 1 +FLAGS (\\SEEN MyWord)')
    box3.ok('STORE 1 +FLAGS (\\seen MYWORD)')
    assert box3.flags('1') == {1: {'\\seen', 'myword'}}
    box3.ok('STORE 1 -FLAGS (myword)')
    assert box3.flags('1') == {1: {'\\seen'}}


def test_new_keyword_is_told_in_flags(box3):
    """RFC 3501 7.2.6: a FLAGS response comes when the set of applicable flags grew."""
    r = box3.ok('STORE 1 +FLAGS (BrandNew)')
    assert 'BrandNew' in [str(f) for f in r.all('FLAGS')[-1].data[0]]


def test_128_keywords(box3):
    """At least 128 keywords in a mailbox; what is over the limit gets NO [LIMIT], and PERMANENTFLAGS loses \\*."""
    words = ['word%d' % n for n in range(112)]
    for start in range(0, 112, 16):
        box3.ok('STORE 1 +FLAGS.SILENT (%s)' % ' '.join(words[start:start + 16]))
    assert box3.flags('1') == {1: set(words)}
    refused = None
    for n in range(112, 200):
        r = box3.cmd('STORE 2 +FLAGS.SILENT (word%d)' % n)
        if r.status == 'NO':
            assert r.code[0] == 'LIMIT'
            refused = n
            break
    if refused is not None:
        assert '\\*' not in box3.select().codes()['PERMANENTFLAGS'][0]
        box3.ok('STORE 3 +FLAGS (word5)')


@pytest.mark.parametrize('args', ['', '1', '1 FLAGS', '1 +FLAGS (', '1 FLAG ()', '1 ++FLAGS ()', '1 +FLAGS.LOUD ()', '1 +FLAGS (\\*)', '1 +FLAGS ("x")', '1 +FLAGS ((a))',
                                  '1 +FLAGS (a) b', '1 +FLAGS ({1+}\r\na)', '1 (UNCHANGEDSINCE) FLAGS ()', '1 (UNCHANGEDSINCE x) FLAGS ()', '1 (NOPE 1) FLAGS ()',
                                  '1 +FLAGS (a%b)', '1 +FLAGS (a*b)', '1 +FLAGS (a])'])
def test_store_malformed(box3, args):
    box3.bad('STORE ' + args)
    assert box3.flags('1') == {1: set()}


def test_store_recent_is_refused_or_ignored(box3):
    box3.cmd('STORE 1 +FLAGS (\\Recent)')
    box3.ok('NOOP')


def test_store_unknown_system_flag(box3):
    """RFC 3501 2.3.2: only the server defines system flags; a client may not make one."""
    r = box3.cmd('STORE 1 +FLAGS (\\Invented)')
    assert r.status in ('BAD', 'NO') or box3.flags('1') == {1: set()}


def test_keyword_far_too_long(box3):
    box3.refused('STORE 1 +FLAGS (%s)' % ('k' * 5000))
    box3.ok('NOOP')


def test_flags_persist(box3, login):
    box3.ok('STORE 1 +FLAGS (\\Seen Persist)')
    c = login()
    c.select()
    assert c.flags('1') == {1: {'\\seen', 'persist'}}


def test_unseen_counts_follow(box3):
    box3.ok('STORE 1:2 +FLAGS (\\Seen)')
    assert box3.status('INBOX', 'UNSEEN')['UNSEEN'] == 1
    box3.ok('STORE 1 -FLAGS (\\Seen)')
    assert box3.status('INBOX', 'UNSEEN')['UNSEEN'] == 2


# EXPUNGE.

def test_expunge(box3):
    """RFC 3501 7.4.1: the numbers are those at the time of each response."""
    box3.ok('STORE 1,3 +FLAGS.SILENT (\\Deleted)')
    r = box3.ok('EXPUNGE')
    left = [1, 2, 3]
    for n in r.expunged():
        del left[n - 1]
    assert left == [2]
    assert list(box3.uid_map()) == [box3.test_uids[1]]


def test_expunge_nothing(box3):
    assert box3.ok('EXPUNGE').expunged() == []


def test_uid_expunge(box3):
    """RFC 4315 2.1: only those that are in the set and have \\Deleted."""
    box3.ok('STORE 1:2 +FLAGS.SILENT (\\Deleted)')
    r = box3.ok('UID EXPUNGE %d:%d' % (box3.test_uids[1], box3.test_uids[2]))
    assert r.expunged() == [2]
    assert box3.uid_map() == {box3.test_uids[0]: 1, box3.test_uids[2]: 2}


@pytest.mark.parametrize('args', ['', 'x', '1 2', '0', '(1)'])
def test_uid_expunge_malformed(box3, args):
    box3.bad('UID EXPUNGE ' + args)


def test_uids_are_never_used_again(box3):
    """RFC 3501 2.3.1.1: also when the last message is gone, and across sessions."""
    box3.ok('STORE 1:* +FLAGS.SILENT (\\Deleted)')
    box3.ok('EXPUNGE')
    assert box3.append(mail.numbered(4)) > box3.test_uids[-1]


def test_uidnext_does_not_go_down_on_expunge(box3):
    before = box3.status('INBOX', 'UIDNEXT')['UIDNEXT']
    box3.ok('STORE 1:* +FLAGS.SILENT (\\Deleted)')
    box3.ok('CLOSE')
    assert box3.status('INBOX', 'UIDNEXT')['UIDNEXT'] >= before


# COPY and MOVE.

def test_copy(box3):
    """RFC 3501 6.4.7: flags and internal date are kept; RFC 4315: COPYUID."""
    box3.ok('STORE 2 +FLAGS.SILENT (\\Flagged word)')
    date = box3.ok('FETCH 2 INTERNALDATE').fetch()['INTERNALDATE']
    r = box3.ok('COPY 2:3 Archive')
    validity, sources, targets = r.codes()['COPYUID']
    assert numbers(sources) == box3.test_uids[1:]
    assert validity == box3.status('Archive', 'UIDVALIDITY')['UIDVALIDITY']
    box3.select('Archive')
    assert sorted(box3.uid_map()) == numbers(targets)
    got = box3.ok('FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])').fetch()
    assert set(str(f).lower() for f in got['FLAGS']) - {'\\recent'} == {'\\flagged', 'word'}
    assert got['INTERNALDATE'] == date and got['BODY[]'] == mail.numbered(2)


def test_copy_to_the_same_mailbox(box3):
    r = box3.ok('COPY 1 INBOX')
    assert numbers(r.codes()['COPYUID'][2])[0] > box3.test_uids[-1]
    box3.ok('NOOP')
    assert box3.exists == 4


def test_copy_to_nowhere(box3):
    """RFC 3501 6.4.7: TRYCREATE, and nothing is made."""
    box3.no('COPY 1 nowhere', code='TRYCREATE')
    box3.no('UID COPY %d nowhere' % box3.test_uids[0], code='TRYCREATE')
    assert 'nowhere' not in box3.ok('LIST "" *').list()


def test_uid_copy_of_nothing(box3):
    """RFC 3501 6.4.8: UIDs that are not there are ignored: OK, and no COPYUID (RFC 4315 3)."""
    r = box3.ok('UID COPY 4000000000 Archive')
    assert 'COPYUID' not in r.codes()


@pytest.mark.parametrize('command', ['COPY', 'MOVE', 'UID COPY', 'UID MOVE'])
@pytest.mark.parametrize('args', ['', '1', '1 ', 'x Archive', '1 Archive x', '0 Archive', '1 (Archive)'])
def test_copy_and_move_malformed(box3, command, args):
    box3.bad('%s %s' % (command, args))
    assert box3.status('Archive', 'MESSAGES')['MESSAGES'] == 0


def test_move(box3):
    """RFC 6851 3.3: COPYUID comes before the EXPUNGE responses."""
    box3.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    r = box3.ok('MOVE 2 Archive')
    kinds = [('COPYUID' if x.code and x.code[0] == 'COPYUID' else x.name) for x in r.untagged]
    assert kinds.index('COPYUID') < kinds.index('EXPUNGE')
    assert r.expunged() == [2]
    # Only what was moved goes, whatever has \Deleted.
    assert box3.uid_map() == {box3.test_uids[0]: 1, box3.test_uids[2]: 2}
    box3.select('Archive')
    assert box3.body(1) == mail.numbered(2)


def test_uid_move(box3):
    r = box3.ok('UID MOVE %d Archive' % box3.test_uids[2])
    assert r.expunged() == [3]
    assert numbers(r.codes()['COPYUID'][1]) == [box3.test_uids[2]]


def test_move_to_nowhere(box3):
    box3.no('MOVE 1 nowhere', code='TRYCREATE')
    assert len(box3.uid_map()) == 3


def test_move_to_the_same_mailbox(box3):
    """RFC 6851 3.3 leaves it to the server (it may be refused with CANNOT); nothing may be lost."""
    r = box3.cmd('MOVE 1 INBOX')
    assert r.status in ('OK', 'NO')
    box3.ok('NOOP')
    assert len(box3.uid_map()) == 3


def test_move_keeps_flags_and_date(box3):
    box3.ok('STORE 1 +FLAGS.SILENT (\\Answered word)')
    date = box3.ok('FETCH 1 INTERNALDATE').fetch()['INTERNALDATE']
    box3.ok('MOVE 1 Archive')
    box3.select('Archive')
    got = box3.ok('FETCH 1 (FLAGS INTERNALDATE)').fetch()
    assert {'\\answered', 'word'} <= set(str(f).lower() for f in got['FLAGS']) and got['INTERNALDATE'] == date


def test_move_all(box3):
    r = box3.ok('MOVE 1:* Archive')
    assert len(r.expunged()) == 3
    assert box3.status('Archive', 'MESSAGES')['MESSAGES'] == 3
    assert box3.status('INBOX', 'MESSAGES')['MESSAGES'] == 0


def test_move_of_many_pages(imap):
    """More messages than one page holds, back and forth; nothing lost, order kept."""
    parts = []
    for n in range(1, 201):
        parts += [' ', Lit(mail.simple('n%d' % n), plus=True)]
    imap.ok('APPEND INBOX', *parts)
    imap.select()
    assert len(imap.ok('MOVE 3:198 Archive').expunged()) == 196
    assert imap.status('Archive', 'MESSAGES')['MESSAGES'] == 196
    imap.select('Archive')
    subjects = [a['ENVELOPE'][1] for _, a in sorted(imap.ok('FETCH 1:* ENVELOPE').fetches().items())]
    assert subjects == [b'n%d' % n for n in range(3, 199)]
    imap.ok('MOVE 1:* INBOX')
    assert imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 200


def test_copy_of_many_keeps_order(imap):
    parts = []
    for n in range(1, 131):
        parts += [' ', Lit(mail.simple('n%d' % n), plus=True)]
    imap.ok('APPEND INBOX', *parts)
    imap.select()
    r = imap.ok('COPY 1:130 Archive')
    _, sources, targets = r.codes()['COPYUID']
    assert len(numbers(sources)) == len(numbers(targets)) == 130
    imap.select('Archive')
    assert [a['ENVELOPE'][1] for _, a in sorted(imap.ok('FETCH 1:* ENVELOPE').fetches().items())] == [b'n%d' % n for n in range(1, 131)]
