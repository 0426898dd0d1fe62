"""REPLACE and UID REPLACE (RFC 8508)."""

import pytest

from harness import mail
from harness.imap import Lit

NEW = mail.numbered(77)


def names(r):
    """The untagged responses that matter, in order: APPENDUID, EXISTS, EXPUNGE, VANISHED, FETCH."""
    out = []
    for u in r.untagged:
        if u.code and str(u.code[0]) == 'APPENDUID':
            out.append('APPENDUID')
        elif u.name in ('EXISTS', 'EXPUNGE', 'VANISHED', 'FETCH'):
            out.append(u.name)
    return out


def test_announced(imap):
    assert 'REPLACE' in imap.capabilities()


def test_by_number(box3):
    """RFC 8508 3.2, 4.3: APPENDUID in an untagged OK before EXPUNGE; no FETCH of \\Deleted on the way (3.4)."""
    r = box3.ok('REPLACE 2 INBOX (\\Seen \\Draft) ', Lit(NEW))
    assert r.expunged() == [2]
    assert names(r).index('APPENDUID') < names(r).index('EXPUNGE')
    assert 'FETCH' not in names(r)
    uid = r.codes()['APPENDUID'][1]
    assert box3.ok('UID SEARCH ALL').search() == [box3.test_uids[0], box3.test_uids[2], uid]
    f = box3.ok('FETCH 3 (UID FLAGS BODY.PEEK[])').fetch()
    assert f['UID'] == uid and f['BODY[]'] == NEW
    assert set(map(str, f['FLAGS'])) >= {'\\Seen', '\\Draft'}


def test_by_uid_with_date(box3):
    """RFC 8508 3.3."""
    r = box3.ok('UID REPLACE %d INBOX (\\Draft) "01-Feb-2020 10:11:12 +0100" ' % box3.test_uids[0], Lit(NEW, plus=True))
    uid = r.codes()['APPENDUID'][1]
    assert r.expunged() == [1]
    assert '1-Feb-2020 10:11:12 +0100' in str(box3.ok('UID FETCH %d INTERNALDATE' % uid).fetch()['INTERNALDATE'])


def test_last(box3):
    """The formal syntax of seq-number has "*"."""
    assert box3.ok('REPLACE * INBOX ', Lit(NEW)).expunged() == [3]


def test_into_another_mailbox(login, box3):
    """RFC 8508 3.4: the named mailbox need not be the selected one."""
    r = box3.ok('REPLACE 1 Sent (\\Seen) ', Lit(NEW))
    assert r.expunged() == [1] and 'EXISTS' not in names(r)
    other = login()
    other.select('Sent')
    assert other.exists == 1 and other.body(1) == NEW


def test_qresync(box3):
    """RFC 8508 4.5: as UID EXPUNGE: VANISHED, and HIGHESTMODSEQ in the tagged reply."""
    box3.enable('QRESYNC')
    r = box3.ok('UID REPLACE %d INBOX ' % box3.test_uids[1], Lit(NEW))
    assert [str(u.data[-1]) for u in r.all('VANISHED')] == [str(box3.test_uids[1])]
    assert str(r.tagged.code[0]) == 'HIGHESTMODSEQ'
    assert int(r.tagged.code[1]) >= box3.ok('UID FETCH %d MODSEQ' % r.codes()['APPENDUID'][1]).fetch()['MODSEQ'][0]


def test_ids_differ(box3):
    """RFC 8508 4.6."""
    old = box3.ok('FETCH 1 EMAILID').fetch()['EMAILID']
    r = box3.ok('REPLACE 1 INBOX ', Lit(NEW))
    assert box3.ok('UID FETCH %d EMAILID' % r.codes()['APPENDUID'][1]).fetch()['EMAILID'] != old


@pytest.mark.parametrize('command', ['REPLACE 4 INBOX ', 'REPLACE 0 INBOX ', 'REPLACE 1:2 INBOX ', 'REPLACE 1,2 INBOX ', 'REPLACE x INBOX ',
                                     'REPLACE INBOX '])
def test_bad_numbers(box3, command):
    box3.bad(command, Lit(NEW, plus=True))
    assert box3.ok('SEARCH ALL').search() == [1, 2, 3]


def test_refusals_change_nothing(login, box3):
    """RFC 8508 3.4: after an error nothing has gone, and nothing has come."""
    box3.no('REPLACE 1 "no such mailbox" ', Lit(NEW, plus=True), code='TRYCREATE')
    box3.refused('UID REPLACE %d INBOX ' % (box3.test_uids[2] + 1), Lit(NEW, plus=True))
    box3.bad('REPLACE 1 INBOX ', Lit(NEW, plus=True), ' ', Lit(NEW, plus=True))
    box3.bad('REPLACE 1 INBOX')
    box3.bad('REPLACE')
    assert box3.ok('SEARCH ALL').search() == [1, 2, 3]
    assert box3.ok('STATUS INBOX (MESSAGES)') is not None


def test_wrong_states(login, imap):
    """RFC 8508 3.5: only in selected state; a mailbox that is open read-only can't lose a message."""
    imap.bad('REPLACE 1 INBOX ', Lit(NEW, plus=True))
    imap.append(mail.numbered(1))
    imap.ok('EXAMINE INBOX')
    imap.refused('REPLACE 1 INBOX ', Lit(NEW, plus=True))
    assert imap.ok('SEARCH ALL').search() == [1]


def test_message_that_is_gone(login, box3):
    """Somebody else expunges it first: NO, and the new one is not put in."""
    other = login()
    other.select()
    other.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    other.ok('EXPUNGE')
    box3.no('UID REPLACE %d INBOX ' % box3.test_uids[1], Lit(NEW, plus=True), code='EXPUNGEISSUED')
    box3.ok('NOOP')
    assert box3.ok('UID SEARCH ALL').search() == [box3.test_uids[0], box3.test_uids[2]]


def test_uidonly(box3):
    """RFC 9586: REPLACE takes a number, UID REPLACE does not."""
    box3.enable('UIDONLY')
    box3.bad('REPLACE 1 INBOX ', Lit(NEW, plus=True), code='UIDREQUIRED')
    assert len(box3.ok('UID REPLACE %d INBOX ' % box3.test_uids[0], Lit(NEW, plus=True)).all('VANISHED')) == 1


def test_others_see_it(pair):
    one, two = pair
    one.ok('REPLACE 2 INBOX ', Lit(NEW))
    r = two.ok('NOOP')
    assert r.expunged() == [2] and [u.number for u in r.all('EXISTS')] == [4]


def test_literal_forms(box3):
    """As APPEND: the mailbox's name may be a literal, the message a literal8 (RFC 3516)."""
    box3.ok('REPLACE 1 ', Lit(b'INBOX'), ' ', Lit(NEW))
    box3.ok('REPLACE 1 INBOX ', Lit(NEW, binary=True))
    assert box3.ok('SEARCH ALL').search() == [1, 2, 3]
    assert box3.body(3) == NEW


def test_into_and_out_of_others_mailboxes(two_accounts):
    """RFC 8508 4.1: t and e where the old one is, i where the new one goes; over two accounts it is one commit."""
    owner, other, theirs = two_accounts
    owner.ok('SETACL box %s lrsi' % other.user)
    other.append(mail.numbered(5))
    other.select()
    r = other.ok('REPLACE 1 "%s" (\\Seen) ' % theirs, Lit(NEW))
    assert r.expunged() == [1] and other.exists == 0
    owner.select('box')
    assert owner.exists == 2 and owner.body(2) == NEW
    # Without the right to expunge there.
    other.select(theirs)
    other.no('REPLACE 1 INBOX ', Lit(NEW, plus=True), code='NOPERM')
    owner.ok('SETACL box %s lrsite' % other.user)
    other.ok('NOOP')
    assert other.ok('REPLACE 1 INBOX ', Lit(NEW, plus=True)).expunged() == [1]
    assert owner.ok('NOOP').expunged() == [1]
    assert 'MESSAGES' in other.ok('STATUS INBOX (MESSAGES)').one('STATUS').attrs
    # Without the right to insert.
    owner.ok('SETACL box %s lrste' % other.user)
    other.select()
    other.no('REPLACE 1 "%s" ' % theirs, Lit(NEW, plus=True), code='NOPERM')
    assert other.ok('SEARCH ALL').search() == [1]


@pytest.fixture
def two_accounts(server, connect):
    owner_name, other_name = server.user(), server.user()
    owner, other = connect(user=owner_name, name='o'), connect(user=other_name, name='x')
    other.user = other_name
    owner.ok('CREATE box')
    owner.append(mail.numbered(1), 'box')
    return owner, other, 'Other Users/%s/box' % owner_name
