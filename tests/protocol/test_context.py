"""CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267): results that are kept up to date."""

import os
import random
import time

import pytest

from harness import mail
from harness.contexts import Client, updates
from harness.imap import Lit, esearch
from harness.parse import numbers


def told(r):
    """The updates of all ESEARCH responses, in their order."""
    return [u for e in r.all('ESEARCH') for u in updates(e)]


def test_capabilities(imap):
    """RFC 5267 4.1: who announces CONTEXT=SORT announces SORT too."""
    assert {'CONTEXT=SEARCH', 'CONTEXT=SORT', 'ESORT', 'SORT', 'ESEARCH'} <= imap.capabilities()


def test_rfc5267_example_4_2(box3):
    """CONTEXT is a hint that changes nothing."""
    box3.ok('STORE 2 +FLAGS ($Junk)')
    r = box3.ok('SEARCH RETURN (CONTEXT COUNT) UNDELETED UNKEYWORD $Junk')
    assert r.esearch()['COUNT'] == 2
    assert box3.ok('UID SORT RETURN (CONTEXT) (REVERSE DATE) UTF-8 ALL').one('ESEARCH')


def test_rfc5267_examples_4_3(pair):
    """The examples of 4.3, 4.3.3, 4.3.4 and 4.3.5, in their order."""
    one, two = pair
    uids = one.test_uids
    one.ok('STORE 1 +FLAGS (\\Deleted $Junk)')
    tag = one.begin('UID SEARCH RETURN (UPDATE COUNT) DELETED KEYWORD $Junk', tag='B01')
    r = one.end(tag)
    assert r.esearch()['COUNT'] == 1 and not told(r)
    # Rejected, and has no effect.
    one.begin('SORT RETURN (UPDATE) (DATE) UTF-8 FLAGGED', tag='B01')
    assert one.end('B01').status == 'BAD'
    one.begin('SEARCH RETURN (UPDATE) FLAGGED', tag='B01')
    assert one.end('B01').status == 'BAD'
    # 4.3.3: only ADDTO is told, not the new COUNT, behind the FETCH responses that cause it.
    two.ok('STORE 2 +FLAGS (\\Deleted $Junk)')
    two.ok('STORE 3 +FLAGS (\\Deleted $Junk)')
    r = one.ok('NOOP')
    assert told(r) == [('ADDTO', 0, uids[1:3])]
    assert [u.name for u in r.untagged if u.name in ('FETCH', 'ESEARCH')] == ['FETCH', 'FETCH', 'ESEARCH']
    e = r.one('ESEARCH')
    assert esearch(e) == {'TAG': 'B01', 'UID': True, 'ADDTO': [0, '%d:%d' % (uids[1], uids[2])]}
    # 4.3.4: REMOVEFROM comes before EXPUNGE.
    two.ok('UID EXPUNGE %d' % uids[1])
    r = one.ok('NOOP')
    assert [(u.name, u.number) for u in r.untagged if u.name in ('EXPUNGE', 'ESEARCH')] == [('ESEARCH', None), ('EXPUNGE', 2)]
    assert told(r) == [('REMOVEFROM', 0, [uids[1]])]
    # 4.3.5
    one.ok('CANCELUPDATE "B01"')
    two.ok('STORE 1:2 -FLAGS (\\Deleted)')
    assert not told(one.ok('NOOP'))
    # The tag may be used again.
    one.begin('SEARCH RETURN (UPDATE COUNT) SEEN', tag='B01')
    assert one.end('B01').status == 'OK'


def test_rfc5267_example_4_4(box):
    """PARTIAL: the part is in mailbox order, and NIL beyond the end."""
    for n in range(30):
        box.append(mail.numbered(n + 1))
    uids = box.ok('UID SEARCH ALL').search()
    a02 = box.begin('UID SEARCH RETURN (PARTIAL 20:40 UPDATE) UNDELETED UNKEYWORD $Junk')
    a03 = box.begin('UID SEARCH RETURN (PARTIAL 1:10 UPDATE) UNDELETED UNKEYWORD $Junk')
    a04 = box.begin('UID SEARCH RETURN (PARTIAL 40:50 CONTEXT) UNDELETED UNKEYWORD $Junk')
    assert box.end(a02).esearch()['PARTIAL'][0] == '20:40'
    assert numbers(box.end(a03).esearch()['PARTIAL'][1]) == uids[:10]
    assert box.end(a04).esearch()['PARTIAL'] == ['40:50', None]
    # Updates are about all results, not about the part.
    r = box.ok('STORE 15 +FLAGS (\\Deleted)')
    assert sorted(e['TAG'] for e in map(esearch, r.all('ESEARCH'))) == sorted([a02, a03])
    assert told(r) == [('REMOVEFROM', 0, [uids[14]])] * 2


@pytest.mark.parametrize('options', ['PARTIAL 1:2 ALL UPDATE', 'UPDATE ALL PARTIAL 1:2', 'PARTIAL 1:2 UPDATE PARTIAL 2:3'])
def test_only_one_list(box3, options):
    """4.4: one PARTIAL, one ALL, or neither."""
    box3.bad('SEARCH RETURN (%s) ALL' % options)
    box3.bad('SORT RETURN (%s) (DATE) UTF-8 ALL' % options)


def test_update_alone(box3):
    """UPDATE asks for no data: what it is about is told when it changes (A.3)."""
    r = box3.ok('SEARCH RETURN (UPDATE) FLAGGED')
    assert not set(esearch(r.one('ESEARCH'))) & {'MIN', 'MAX', 'ALL', 'COUNT'}
    assert told(box3.ok('STORE 2 +FLAGS (\\Flagged)')) == [('ADDTO', 0, [2])]
    assert told(box3.ok('STORE 2 -FLAGS (\\Flagged)')) == [('REMOVEFROM', 0, [2])]


def test_save_and_update(box3):
    """RFC 5182 2.1: SAVE without data asks for no answer; "$" is what was found, and is not updated."""
    r = box3.ok('SEARCH RETURN (SAVE UPDATE) UNSEEN')
    assert not r.all('ESEARCH')
    assert told(box3.ok('STORE 1 +FLAGS (\\Seen)')) == [('REMOVEFROM', 0, [1])]
    assert box3.ok('SEARCH $').search() == [1, 2, 3]


@pytest.mark.parametrize('returns', ['MIN', 'MAX', 'MIN MAX', 'COUNT'])
def test_data_and_update_do_not_mix(box3, returns):
    """4.3: RETURN (UPDATE MIN) tells of all results that change."""
    box3.ok('SEARCH RETURN (UPDATE %s) UNSEEN' % returns)
    assert told(box3.ok('STORE 3 +FLAGS (\\Seen)')) == [('REMOVEFROM', 0, [3])]


def test_new_messages(pair):
    """4.3.3: numbers of new messages come behind the EXISTS that makes them valid."""
    one, two = pair
    one.ok('SEARCH RETURN (UPDATE COUNT) UNSEEN SUBJECT "Message 7"')
    for n in (6, 7, 8):
        two.append(mail.numbered(n))
    r = one.ok('NOOP')
    assert [u.name for u in r.untagged if u.name in ('EXISTS', 'ESEARCH')][-1] == 'ESEARCH'
    assert told(r) == [('ADDTO', 0, [6])]


def test_own_append(box3):
    box3.ok('UID SEARCH RETURN (UPDATE COUNT) ALL')
    uid = box3.test_uids[-1] + 1
    assert told(box3.ok('APPEND INBOX ', Lit(mail.numbered(4)))) == [('ADDTO', 0, [uid])]


def test_idle(pair):
    """4.3.2: during IDLE too."""
    one, two = pair
    one.ok('SEARCH RETURN (UPDATE COUNT) FLAGGED')
    tag = one.idle()
    two.ok('STORE 3 +FLAGS (\\Flagged)')
    assert updates(one.wait(lambda r: r.name == 'ESEARCH')) == [('ADDTO', 0, [3])]
    one.untagged = []
    two.ok('STORE 3 +FLAGS (\\Deleted)')
    two.ok('EXPUNGE')
    assert updates(one.wait(lambda r: r.name == 'ESEARCH')) == [('REMOVEFROM', 0, [3])]
    two.append(mail.numbered(9), flags='\\Flagged')
    one.untagged = []
    assert updates(one.wait(lambda r: r.name == 'ESEARCH')) == [('ADDTO', 0, [4])]
    assert one.done(tag).status == 'OK'


def test_expunged_is_told_before_expunge_may_be(pair):
    """A.3: REMOVEFROM comes while EXPUNGE is held back, with the number that is still valid."""
    one, two = pair
    one.ok('SEARCH RETURN (UPDATE) ALL')
    two.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    two.ok('EXPUNGE')
    r = one.ok('FETCH 4 (UID)')
    assert told(r) == [('REMOVEFROM', 0, [2])] and not r.all('EXPUNGE')
    r = one.ok('SEARCH 1:4')
    assert not told(r) and not r.all('EXPUNGE')
    # What comes meanwhile has the number behind it.
    two.append(mail.numbered(5))
    r = one.ok('FETCH 4 (UID)')
    assert told(r) == [('ADDTO', 0, [5])]
    r = one.ok('NOOP')
    assert r.expunged() == [2] and not told(r)
    assert one.ok('SEARCH ALL').search() == [1, 2, 3, 4]


def test_sort_positions(imap):
    """4.3.3, 4.3.4: positions, in the order in which they are right; runs in one pair, ranges only upwards."""
    sizes = [500, 100, 300, 200, 400]
    for n in sizes:
        imap.append(mail.simple('s%d' % n, 'x' * n + '\n'))
    imap.select()
    uids = imap.ok('UID SEARCH ALL').search()
    r = imap.ok('UID SORT RETURN (UPDATE ALL) (SIZE) UTF-8 UNFLAGGED')
    assert numbers(r.esearch()['ALL']) == [uids[i] for i in (1, 3, 2, 4, 0)]
    r = imap.ok('STORE 1,2,3 +FLAGS (\\Flagged)')
    # 100 at 1, 300 then at 2 and 500 then at 3.
    assert told(r) == [('REMOVEFROM', 1, [uids[1]]), ('REMOVEFROM', 2, [uids[2]]), ('REMOVEFROM', 3, [uids[0]])]
    r = imap.ok('STORE 1,2,3 -FLAGS (\\Flagged)')
    assert told(r) == [('ADDTO', 1, [uids[1]]), ('ADDTO', 3, [uids[2]]), ('ADDTO', 5, [uids[0]])]
    # Neighbours in the list: one pair.
    assert told(imap.ok('STORE 2,4,3 +FLAGS (\\Flagged)')) == [('REMOVEFROM', 1, [uids[1], uids[3], uids[2]])]
    assert told(imap.ok('STORE 2,4,3 -FLAGS (\\Flagged)')) == [('ADDTO', 1, [uids[1], uids[3], uids[2]])]


def test_ranges_go_upwards(imap):
    """3.2: 23765,23764 is no range."""
    for n in range(1, 5):
        imap.append(mail.simple('s', 'x' * n + '\n'))
    imap.select()
    r = imap.ok('SORT RETURN (UPDATE ALL) (REVERSE SIZE) UTF-8 UNFLAGGED')
    assert r.esearch()['ALL'] == '4,3,2,1'
    r = imap.ok('STORE 1:3 +FLAGS (\\Flagged)')
    assert esearch(r.one('ESEARCH'))['REMOVEFROM'] == [2, '3,2,1']
    assert esearch(imap.ok('STORE 1:3 -FLAGS (\\Flagged)').one('ESEARCH'))['ADDTO'] == [2, '3,2,1']


def test_sequence_numbers_mean_what_they_meant(pair):
    """4.3: numbers of the program are evaluated when the command comes."""
    one, two = pair
    uids = one.test_uids
    one.ok('UID SEARCH RETURN (UPDATE COUNT) 2:3 FLAGGED')
    one.ok('UID SEARCH RETURN (UPDATE COUNT) 4:* UNDELETED')
    two.ok('STORE 1 +FLAGS (\\Deleted)')
    two.ok('EXPUNGE')
    one.ok('NOOP')
    # What is number 1 now was number 2; number 3 was 4.
    assert told(one.ok('STORE 1 +FLAGS (\\Flagged)')) == [('ADDTO', 0, [uids[1]])]
    assert told(one.ok('STORE 3 +FLAGS (\\Flagged)')) == []
    # "*" was a number too.
    two.append(mail.numbered(5))
    assert told(one.ok('NOOP')) == []


def test_last_uid(pair):
    """"*" among UIDs is the last message at any time, as in the unmodified command."""
    one, two = pair
    client = Client(one)
    last = client.begin('UID SEARCH RETURN (UPDATE ALL) UID *')
    beyond = client.begin('UID SEARCH RETURN (UPDATE ALL) UID %d:*' % (one.test_uids[-1] + 2))
    behind = client.begin('UID SEARCH RETURN (UPDATE ALL) UID %d:*' % one.test_uids[2])
    for step in ('append', 'append', 'append', 'expunge', 'expunge', 'expunge', 'append'):
        if step == 'append':
            two.append(mail.numbered(7))
        else:
            two.ok('STORE * +FLAGS (\\Deleted)')
            two.ok('EXPUNGE')
        client.ok('NOOP')
        for one_list, set_ in ((last, '*'), (beyond, '%d:*' % (one.test_uids[-1] + 2)), (behind, '%d:*' % one.test_uids[2])):
            assert one_list.numbers == client.ok('UID SEARCH UID ' + set_).search(), (step, set_)
    assert last.updates


def test_saved_result(box3):
    """"$" means what was saved when the command came."""
    box3.ok('SEARCH RETURN (SAVE) 1:2')
    box3.ok('SEARCH RETURN (UPDATE COUNT) $ FLAGGED')
    box3.ok('SEARCH RETURN (SAVE) 3')
    assert told(box3.ok('STORE 1,3 +FLAGS (\\Flagged)')) == [('ADDTO', 0, [1])]


def test_modseq(pair):
    """RFC 7162 3.1.5: MODSEQ as a criterion: a message that changes comes."""
    one, two = pair
    r = one.ok('SELECT INBOX (CONDSTORE)')
    modseq = int(str(r.codes()['HIGHESTMODSEQ'][0]))
    r = one.ok('UID SEARCH RETURN (UPDATE ALL) MODSEQ %d' % (modseq + 1))
    assert 'ALL' not in r.esearch()
    two.ok('STORE 2 +FLAGS (\\Flagged)')
    assert told(one.ok('NOOP')) == [('ADDTO', 0, [one.test_uids[1]])]


def test_qresync(pair):
    """VANISHED instead of EXPUNGE: REMOVEFROM comes before it."""
    one, two = pair
    one.enable('QRESYNC')
    one.select()
    one.ok('SEARCH RETURN (UPDATE COUNT) ALL')
    two.ok('STORE 2:3 +FLAGS (\\Deleted)')
    one.ok('NOOP')
    two.ok('EXPUNGE')
    r = one.ok('NOOP')
    assert [u.name for u in r.untagged if u.name in ('VANISHED', 'ESEARCH')] == ['ESEARCH', 'VANISHED']
    assert told(r) == [('REMOVEFROM', 0, [2, 3])]


def test_uidonly(box3):
    """RFC 9586: after ENABLE UIDONLY no message numbers are told, so who asked for them is told that they end."""
    a = box3.begin('SEARCH RETURN (UPDATE COUNT) FLAGGED')
    box3.end(a)
    b = box3.begin('UID SEARCH RETURN (UPDATE COUNT) FLAGGED')
    box3.end(b)
    r = box3.enable('UIDONLY')
    assert [u.code for u in r.untagged if u.code] == [['NOUPDATE', a.encode()]]
    r = box3.ok('UID STORE %d +FLAGS (\\Flagged)' % box3.test_uids[0])
    assert [(esearch(e)['TAG'], updates(e)) for e in r.all('ESEARCH')] == [(b, [('ADDTO', 0, [box3.test_uids[0]])])]


def test_ends_with_the_mailbox(pair):
    """4.3: updates cease when the mailbox is no longer selected; the tag is free then."""
    one, two = pair
    for leave in ('UNSELECT', 'CLOSE', 'SELECT INBOX', 'EXAMINE INBOX', 'SELECT nowhere'):
        one.select()
        one.begin('SEARCH RETURN (UPDATE COUNT) FLAGGED', tag='again')
        assert one.end('again').status == 'OK'
        assert one.cmd(leave).status == ('NO' if 'nowhere' in leave else 'OK')
        one.select()
        assert not told(one.ok('STORE 2 +FLAGS (\\Flagged)'))
        one.ok('STORE 2 -FLAGS (\\Flagged)')
        one.begin('SEARCH RETURN (UPDATE COUNT) FLAGGED', tag='again')
        assert one.end('again').status == 'OK'


def test_deleted_mailbox(pair):
    """A mailbox that is deleted has no messages any more."""
    one, two = pair
    one.ok('CREATE gone')
    one.ok('COPY 1:3 gone')
    one.select('gone')
    one.ok('SEARCH RETURN (UPDATE COUNT) ALL')
    two.ok('DELETE gone')
    assert told(one.ok('NOOP')) == [('REMOVEFROM', 0, [1, 2, 3])]


def test_cancelupdate(box3):
    tags = []
    for key in ('FLAGGED', 'SEEN', 'DRAFT'):
        tags.append(box3.begin('SEARCH RETURN (UPDATE COUNT) ' + key))
        assert box3.end(tags[-1]).status == 'OK'
    box3.ok('CANCELUPDATE "%s" "%s"' % (tags[0], tags[2]))
    assert told(box3.ok('STORE 1 +FLAGS (\\Flagged \\Draft)')) == []
    assert told(box3.ok('STORE 1 +FLAGS (\\Seen)')) == [('ADDTO', 0, [1])]
    box3.no('CANCELUPDATE "%s"' % tags[0])
    box3.no('CANCELUPDATE "never"')
    for wrong in ('CANCELUPDATE', 'CANCELUPDATE ', 'CANCELUPDATE %s' % tags[1], 'CANCELUPDATE "a" ', 'CANCELUPDATE ("a")',
                  'CANCELUPDATE ' + ' '.join('"t%d"' % i for i in range(200))):
        box3.refused(wrong)
    assert told(box3.ok('STORE 1 -FLAGS (\\Seen)')) == [('REMOVEFROM', 0, [1])]
    box3.ok('UNSELECT')
    box3.bad('CANCELUPDATE "%s"' % tags[1])


def test_annotations(pair):
    """RFC 5257: an annotation that changes moves a message in a SORT by it, and in or out of a SEARCH for it."""
    one, two = pair
    two.ok('STORE 1:4 ANNOTATION (/comment (value.shared "m"))')
    one.ok('NOOP')
    client = Client(one)
    lists = [(client.begin('UID %s RETURN (UPDATE ALL) %s' % (c, k)), 'UID %s RETURN (ALL) %s' % (c, k)) for c, k in (
        ('SORT', '(ANNOTATION /comment value.shared) UTF-8 ALL'), ('SORT', '(REVERSE ANNOTATION /comment value.shared SIZE) UTF-8 UNFLAGGED'),
        ('SEARCH', 'ANNOTATION /comment value.shared "z"'))]
    for number, value in ((3, 'a'), (1, 'zz'), (2, 'b'), (3, 'zebra'), (4, 'm'), (1, 'a')):
        two.ok('STORE %d ANNOTATION (/comment (value.shared "%s"))' % (number, value))
        two.ok('STORE 2 %sFLAGS (\\Flagged)' % ('+' if number % 2 else '-'))
        client.ok('NOOP')
        for l, fresh in lists:
            e = esearch([r for r in client.ok(fresh).all('ESEARCH') if not updates(r)][0])
            assert l.numbers == (numbers(e['ALL']) if 'ALL' in e else []), (number, value, fresh)
    assert all(l.updates for l, _ in lists)


def test_too_many(box3):
    """4.3.1: NOUPDATE with the tag; all else that was asked for is answered. At least one is there for each client."""
    refused = []
    for n in range(40):
        tag = box3.begin('UID SEARCH RETURN (UPDATE COUNT) UNSEEN')
        r = box3.end(tag)
        assert r.status == 'OK' and r.esearch()['COUNT'] == 3
        codes = [u.code for u in r.untagged if u.code]
        if codes:
            assert codes == [['NOUPDATE', tag.encode()]]
            refused.append(n)
    assert refused and refused[0] >= 4 and refused == list(range(refused[0], 40))
    r = box3.ok('STORE 1 +FLAGS (\\Seen)')
    assert len(told(r)) == refused[0]


def test_strings_in_the_tag(box3):
    """The tag is told as a quoted string, whatever it holds."""
    box3.begin('SEARCH RETURN (UPDATE COUNT) FLAGGED', tag='a]')
    assert box3.end('a]').status == 'OK'
    assert esearch(box3.ok('STORE 1 +FLAGS (\\Flagged)').one('ESEARCH'))['TAG'] == 'a]'
    box3.ok('CANCELUPDATE "a]"')


def test_silent_changes(box3):
    """STORE .SILENT: the FETCH is left out, what it does to the results is not."""
    box3.ok('SEARCH RETURN (UPDATE COUNT) FLAGGED')
    r = box3.ok('STORE 1 +FLAGS.SILENT (\\Flagged)')
    assert told(r) == [('ADDTO', 0, [1])]


def test_no_update_when_the_result_stays(box3):
    box3.ok('SEARCH RETURN (UPDATE COUNT) UNDELETED')
    assert told(box3.ok('STORE 1:3 +FLAGS (\\Flagged)')) == []


def test_multisearch(box3):
    """RFC 7377 2.1: UPDATE applies to the selected mailbox only, and needs one."""
    box3.ok('CREATE other')
    box3.ok('COPY 1:2 other')
    tag = box3.begin('ESEARCH IN (personal) RETURN (UPDATE ALL) UNFLAGGED')
    r = box3.end(tag)
    assert len(r.all('ESEARCH')) == 2
    r = box3.ok('STORE 1 +FLAGS (\\Flagged)')
    e = esearch(r.one('ESEARCH'))
    assert (e['TAG'], e['MAILBOX'], e['UID'], e['REMOVEFROM']) == (tag, 'INBOX', True, [0, box3.test_uids[0]])
    box3.ok('CANCELUPDATE "%s"' % tag)
    tag = box3.begin('ESEARCH RETURN (UPDATE COUNT CONTEXT) UNFLAGGED')
    box3.end(tag)
    assert told(box3.ok('STORE 1 -FLAGS (\\Flagged)')) == [('ADDTO', 0, [box3.test_uids[0]])]
    tag = box3.begin('ESEARCH IN (mailboxes other) RETURN (UPDATE COUNT) ALL')
    r = box3.end(tag)
    assert r.status == 'OK' and ['NOUPDATE', tag.encode()] in [u.code for u in r.untagged]
    tag = box3.begin('ESEARCH IN (mailboxes other mailboxes INBOX) RETURN (UPDATE COUNT) FLAGGED')
    box3.end(tag)
    assert ('ADDTO', 0, [box3.test_uids[1]]) in told(box3.ok('STORE 2 +FLAGS (\\Flagged)'))
    box3.ok('UNSELECT')
    box3.bad('ESEARCH IN (mailboxes other) RETURN (UPDATE COUNT) ALL')
    box3.ok('ESEARCH IN (mailboxes other) RETURN (CONTEXT COUNT) ALL')


def test_rfc5465_example_7(pair):
    """RFC 5465 7: UPDATE may name what is fetched of messages that come into the result new: behind EXISTS, before ADDTO."""
    one, two = pair
    for space in (' ', ''):
        r = one.ok('SEARCH RETURN (COUNT UPDATE%s(UID BODY[HEADER.FIELDS (TO FROM SUBJECT)])) FROM "boss"' % space)
        assert r.esearch()['COUNT'] == (0 if space else 1)
        two.append(mail.simple('Re: good morning', sender='boss@example.org'))
        two.append(mail.simple('else'))
        r = one.ok('NOOP')
        assert [u.name for u in r.untagged if u.name in ('EXISTS', 'FETCH', 'ESEARCH')][:3] == ['EXISTS', 'FETCH', 'ESEARCH']
        attrs = r.fetch(5 if space else 7)
        assert list(attrs)[0] == 'UID' and b'Subject: Re: good morning' in [v for k, v in attrs.items() if k.startswith('BODY')][0]
        assert sorted(r.fetches()) == [5 if space else 7]
        if space:
            one.ok('CANCELUPDATE "%s"' % esearch(r.one('ESEARCH'))['TAG'])
    # A message that comes into it by its flags is not fetched.
    one.ok('CANCELUPDATE "%s"' % esearch(r.one('ESEARCH'))['TAG'])
    one.ok('SORT RETURN (UPDATE (ENVELOPE) COUNT) (ARRIVAL) UTF-8 FLAGGED')
    two.ok('STORE 1 +FLAGS (\\Flagged)')
    r = one.ok('NOOP')
    assert told(r) == [('ADDTO', 1, [1])] and 'ENVELOPE' not in r.fetch(1)
    two.append(mail.numbered(9), flags='\\Flagged')
    tag = one.idle()
    assert 'ENVELOPE' in one.wait(lambda r: r.name == 'FETCH' and r.number == 9).attrs
    assert one.done(tag).status == 'OK'
    for wrong in ('UPDATE ()', 'UPDATE (UID', 'UPDATE (NONSENSE)', 'UPDATE UID', 'UPDATE  (UID)', 'UPDATE(UID)(UID)'):
        one.bad('SEARCH RETURN (%s) ALL' % wrong)


def test_notify_comes_behind(pair):
    """RFC 5465 5.2: what NOTIFY fetches of new messages follows the ADDTO that tells of them; ADDTO follows EXISTS."""
    one, two = pair
    one.ok('NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge FlagChange))')
    one.ok('SEARCH RETURN (UPDATE COUNT) SUBJECT 9')
    two.append(mail.numbered(9))
    one.wait(lambda r: r.name == 'FETCH')
    assert [u.name for u in one.untagged if u.name in ('EXISTS', 'FETCH', 'ESEARCH')] == ['EXISTS', 'ESEARCH', 'FETCH']


def test_text_and_header(pair):
    """A new message is read for what the program asks of it."""
    one, two = pair
    client = Client(one)
    lists = [(client.begin('UID %s RETURN (UPDATE ALL) %s' % (c, k)), c, k) for c, k in (
        ('SEARCH', 'BODY needle'), ('SEARCH', 'NOT TEXT needle'), ('SORT', '(SUBJECT) UTF-8 OR SUBJECT pin BODY needle'),
        ('SORT', '(REVERSE DISPLAYFROM SIZE) UTF-8 FUZZY BODY needle'), ('SORT', '(RELEVANCY) UTF-8 FUZZY TEXT needles'))]
    for body in ('a needle', 'hay', 'many needles', 'a nedle', 'needle\n' * 3000):
        two.append(mail.simple('pin' if body == 'hay' else 'Re: ' + body[:9], body + '\n'))
    two.append(mail.numbered(77))
    client.ok('NOOP')
    for l, command, keys in lists:
        if command == 'SORT':
            fresh = [n for n in one.ok('UID SORT ' + keys).one('SORT').data if isinstance(n, int)]
        else:
            fresh = one.ok('UID SEARCH ' + keys).search()
        assert l.numbers == fresh and l.updates, (command, keys)


def test_leaves_in_the_middle(connect, user):
    """A client that goes while new messages are read for it leaves nothing behind that is still looked at."""
    two = connect(user=user)
    big = mail.simple('big', ('x' * 70 + '\n') * 20000)
    for n in range(5):
        one = connect(user=user)
        one.select()
        one.ok('UID SEARCH RETURN (UPDATE COUNT) ' + ' '.join('OR BODY needle%d TEXT nothing%d' % (i, i) for i in range(12)))
        one.ok('UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 NOT BODY needle')
        two.append(big)
        one.begin('NOOP')
        one.close()
        two.ok('NOOP')
    two.select()
    assert two.exists == 5


def at(seconds_ago):
    return time.strftime('%d-%b-%Y %H:%M:%S +0000', time.gmtime(time.time() - seconds_ago))


def test_time_passes(pair):
    """OLDER and YOUNGER (RFC 5032): the results change without anything happening, in IDLE and between commands."""
    one, two = pair
    two.ok('STORE 1:* +FLAGS (\\Deleted)')
    two.ok('EXPUNGE')
    one.ok('NOOP')
    old, young = two.append(mail.numbered(1), date=at(3600)), two.append(mail.numbered(2), date=at(59))
    one.ok('NOOP')
    client = Client(one)
    younger = client.begin('UID SEARCH RETURN (UPDATE ALL) YOUNGER 60')
    older = client.begin('UID SORT RETURN (UPDATE ALL) (REVERSE ARRIVAL) UTF-8 NOT NOT OLDER 60')
    tag = one.idle()
    client.wait(lambda: younger.numbers == [] and older.numbers == [young, old])
    two.append(mail.numbered(3), date=at(59))
    client.wait(lambda: younger.numbers == [] and len(older.numbers) == 3)
    client.follow(one.done(tag).untagged)
    new = two.append(mail.numbered(4), date=at(59))
    deadline = time.monotonic() + 60
    while (older.numbers[0] != new or younger.numbers) and time.monotonic() < deadline:
        client.ok('NOOP')
        time.sleep(0.05)
    assert older.numbers[0] == new and younger.numbers == []


PROGRAMS = ['ALL', 'UNSEEN', 'FLAGGED', 'OR DELETED KEYWORD $Blue', 'NOT (SEEN FLAGGED)', 'SUBJECT "Message 1"', 'NOT SUBJECT 2 UNDELETED',
            'UID 2:*', 'OR SMALLER 300 FLAGGED', 'UNKEYWORD $Blue SEEN', 'RECENT', 'SENTSINCE 10-Mar-2022', 'BODY "message 1"']
ORDERS = ['ARRIVAL', 'REVERSE ARRIVAL', 'DATE', 'REVERSE DATE SIZE', 'SIZE', 'SUBJECT', 'REVERSE SUBJECT DATE', 'FROM REVERSE SIZE',
          'REVERSE FROM SUBJECT', 'DISPLAYTO CC TO']


def test_random_changes(login):
    """Each list that is kept by ADDTO and REMOVEFROM equals a fresh SEARCH or SORT after every change, by whomever."""
    seed = int(os.environ.get('POSTHORN_TEST_SEED', 0)) or random.randrange(1, 1 << 31)
    steps = int(os.environ.get('POSTHORN_TEST_STEPS', 150))
    print('POSTHORN_TEST_SEED=%d' % seed)
    rand = random.Random(seed)
    one, two = login(name='a'), login(name='b')

    def message():
        return mail.simple('%sMessage %d' % (rand.choice(['', 'Re: ']), rand.randrange(30)), 'x' * rand.randrange(400) + '\nmessage %d\n' % rand.randrange(30),
                           sender=rand.choice(['Anna <anna@example.org>', 'bo@example.org', 'Zoe <anna@example.com>']),
                           date='Tue, %d Mar 2022 10:00:00 +0000' % rand.randrange(1, 29))

    for _ in range(12):
        two.append(message())
    one.select()
    two.select()
    client = Client(one)
    lists = []
    for i in range(12):
        program, order = rand.choice(PROGRAMS), rand.choice(ORDERS)
        uid = rand.choice(['UID ', ''])
        if i % 2:
            rest = '(%s) UTF-8 %s' % (order, program)
            lists.append((client.begin('%sSORT RETURN (UPDATE ALL) %s' % (uid, rest)), '%sSORT RETURN (ALL) %s' % (uid, rest)))
        else:
            lists.append((client.begin('%sSEARCH RETURN (UPDATE ALL) %s' % (uid, program)), '%sSEARCH RETURN (ALL) %s' % (uid, program)))

    def change(who):
        do = who.ok if who is two else client.cmd     # NO [EXPUNGEISSUED] when others were faster
        exists = who.exists
        if exists == 0 or rand.random() < 0.2:
            who_flags = rand.choice(['', '(\\Seen) ', '(\\Flagged $Blue) '])
            for _ in range(rand.choice([1, 1, 5])):
                do('APPEND INBOX %s' % who_flags, Lit(message()))
            return
        what = '%d:%d' % (rand.randint(1, exists), rand.randint(1, exists))
        kind = rand.random()
        if kind < 0.6:
            do('STORE %s %sFLAGS%s (%s)' % (what, rand.choice(['+', '-', '']), rand.choice(['', '.SILENT']),
                                            rand.choice(['\\Seen', '\\Flagged', '\\Deleted', '$Blue \\Seen', '\\Flagged \\Seen'])))
        elif kind < 0.8:
            do('EXPUNGE')
        else:
            do('COPY %s INBOX' % rand.randint(1, exists))

    for step in range(steps):
        for _ in range(rand.choice([1, 1, 3])):
            change(rand.choice([one, two, two]))
            two.ok('NOOP')
        # Commands with numbers hold EXPUNGE back; the results are told all the same.
        if client.exists and rand.random() < 0.3:
            client.ok('FETCH 1 (UID)')
        else:
            client.ok('NOOP')
        for l, fresh in lists:
            r = client.ok(fresh).all('ESEARCH')
            e = esearch([x for x in r if not updates(x)][0])
            assert l.numbers == (numbers(e['ALL']) if 'ALL' in e else []), (step, fresh)
            assert not l.ended
