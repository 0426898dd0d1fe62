"""CONDSTORE and QRESYNC (RFC 7162, all of it that a client can observe)."""

import pytest

from harness import mail
from harness.parse import numbers


def modseqs(c, seqs='1:*'):
    return dict((n, a['MODSEQ'][0]) for n, a in c.ok('FETCH %s MODSEQ' % seqs).fetches().items())


def highest(c, mailbox='INBOX'):
    return c.status(mailbox, 'HIGHESTMODSEQ')['HIGHESTMODSEQ']


def vanished(r, earlier=None):
    """UIDs in the VANISHED responses: all, or only those with (or without) EARLIER."""
    out = []
    for x in r.all('VANISHED'):
        is_earlier = isinstance(x.data[0], list)
        if earlier is None or is_earlier == earlier:
            out += numbers(x.data[-1])
    return sorted(out)


@pytest.mark.parametrize('command', ['SELECT INBOX', 'SELECT INBOX (CONDSTORE)', 'EXAMINE INBOX (CONDSTORE)'])
def test_select_tells_highestmodseq(imap, command):
    """RFC 7162 3.1.2.1: HIGHESTMODSEQ (never NOMODSEQ here)."""
    codes = imap.ok(command).codes()
    assert codes['HIGHESTMODSEQ'][0] >= 1 and 'NOMODSEQ' not in codes


def test_modseqs_grow(box3):
    """RFC 7162 3.1: every change of metadata gives a greater modseq; only what changed gets it."""
    before = modseqs(box3)
    box3.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
    after = modseqs(box3)
    assert after[2] > max(before.values())
    assert after[1] == before[1] and after[3] == before[3]
    assert highest(box3) >= after[2]


def test_new_message_is_above_highestmodseq(box3):
    old = highest(box3)
    box3.append(mail.numbered(4))
    box3.ok('NOOP')
    assert modseqs(box3)[4] > old


@pytest.mark.parametrize('enabling', ['FETCH 1 (MODSEQ)', 'FETCH 1 (FLAGS) (CHANGEDSINCE 1)', 'STATUS INBOX (HIGHESTMODSEQ)', 'SELECT INBOX (CONDSTORE)', 'ENABLE CONDSTORE',
                                      'SEARCH MODSEQ 1', 'STORE 1 (UNCHANGEDSINCE 9999999999) +FLAGS.SILENT (a)'])
def test_enabling_commands(box3, login, enabling):
    """RFC 7162 3.1: after a CONDSTORE-enabling command, MODSEQ is in all untagged FETCH responses that tell flags."""
    box3.ok(enabling)
    r = box3.ok('STORE 2 +FLAGS (\\Flagged)')
    assert r.fetch(2)['MODSEQ'][0] > 0
    other = login()
    other.select()
    other.ok('STORE 3 +FLAGS (\\Seen)')
    r = box3.ok('NOOP')
    assert 'MODSEQ' in r.fetch(3) and r.fetch(3)['UID'] == box3.test_uids[2]


def test_implicit_seen_tells_uid_and_modseq(box3):
    """RFC 7162 3.2.4: a FETCH that sets \\Seen has both, although they were not asked for."""
    box3.enable('CONDSTORE')
    got = box3.ok('FETCH 2 BODY[TEXT]').fetch(2)
    assert got['UID'] == box3.test_uids[1] and got['MODSEQ'][0] > 0 and '\\Seen' in got['FLAGS']


@pytest.mark.parametrize('what', ['BODY[]', '(UID BODY[TEXT])', '(ENVELOPE RFC822)', '(MODSEQ BODY[1])'])
def test_implicit_seen_is_told_once(box3, what):
    """RFC 7162 3.1.4.1: no modseq comes ahead of its flags, or who is cut off between would miss \\Seen for good."""
    box3.enable('CONDSTORE')
    told = box3.ok('FETCH 1:3 ' + what).all('FETCH')
    assert len(told) == 3
    assert all('MODSEQ' in str(x.data) and 'Seen' in str(x.data) for x in told)


def test_not_enabled_no_modseq(box3):
    """Before any CONDSTORE-enabling command a client sees no MODSEQ."""
    assert 'MODSEQ' not in box3.ok('STORE 2 +FLAGS (\\Flagged)').fetch(2)


def test_silent_store_tells_modseq(box3):
    """RFC 7162 3.1.3: with .SILENT the MODSEQ comes without FLAGS."""
    box3.enable('CONDSTORE')
    got = box3.ok('STORE 2 +FLAGS.SILENT (\\Flagged)').fetch(2)
    assert 'MODSEQ' in got and 'FLAGS' not in got
    got = box3.ok('UID STORE %d (UNCHANGEDSINCE 9999999999) +FLAGS.SILENT (\\Seen)' % box3.test_uids[0]).fetch(1)
    assert 'MODSEQ' in got and got['UID'] == box3.test_uids[0]


def test_silent_store_of_what_is_so_already(box3):
    """RFC 7162 3.1.3: after a conditional STORE a FETCH with MODSEQ MUST be sent of each message; it is the old one (3.1.11)."""
    box3.ok('STORE 2 (UNCHANGEDSINCE 9999999999) FLAGS (\\Flagged)')
    old = dict((n, a['MODSEQ']) for n, a in box3.ok('FETCH 1:3 (MODSEQ)').fetches().items())
    for command in 'STORE 1:2', 'UID STORE %d:%d' % tuple(box3.test_uids[:2]):
        got = box3.ok(command + ' (UNCHANGEDSINCE 9999999999) +FLAGS.SILENT (\\Flagged)').fetches()
        assert sorted(got) == [1, 2] and got[2]['MODSEQ'] == old[2] and 'FLAGS' not in got[2]
        assert 'UID' in got[2] if command.startswith('UID') else True
        box3.ok('STORE 1 FLAGS ()')
    assert not box3.ok('STORE 2 +FLAGS.SILENT (\\Flagged)').fetches()


def test_unchangedsince(box3):
    """RFC 7162 3.1.3: what changed later is left alone and named in MODIFIED; the rest is changed."""
    base = highest(box3)
    box3.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
    r = box3.ok('STORE 1:3 (UNCHANGEDSINCE %d) +FLAGS (\\Flagged)' % base)
    assert numbers(r.codes()['MODIFIED'][0]) == [2]
    assert box3.flags() == {1: {'\\flagged'}, 2: {'\\seen'}, 3: {'\\flagged'}}
    assert {1, 3} <= set(n for n, a in r.fetches().items() if 'MODSEQ' in a)


def test_unchangedsince_uid(box3):
    """RFC 7162 3.1.3: MODIFIED has UIDs after UID STORE."""
    base = highest(box3)
    box3.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
    r = box3.ok('UID STORE %d:%d (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Flagged)' % (box3.test_uids[0], box3.test_uids[2], base))
    assert numbers(r.codes()['MODIFIED'][0]) == [box3.test_uids[1]]


def test_unchangedsince_zero(box3):
    """RFC 7162 3.1.3: UNCHANGEDSINCE 0 always fails."""
    r = box3.ok('STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Flagged)')
    assert numbers(r.codes()['MODIFIED'][0]) == [1]
    assert box3.flags('1') == {1: set()}


def test_unchangedsince_that_fails_for_all(box3):
    base = highest(box3)
    box3.ok('STORE 1:3 +FLAGS.SILENT (x)')
    r = box3.cmd('STORE 1:3 (UNCHANGEDSINCE %d) +FLAGS (y)' % base)
    assert numbers(r.codes()['MODIFIED'][0]) == [1, 2, 3]


def test_store_in_a_row_with_new_modseqs(box3):
    """A client works on with the modseq it was told."""
    m = box3.ok('STORE 1 (UNCHANGEDSINCE %d) +FLAGS (a)' % highest(box3)).fetch(1)['MODSEQ'][0]
    r = box3.ok('STORE 1 (UNCHANGEDSINCE %d) +FLAGS (b)' % m)
    assert 'MODIFIED' not in r.codes() and r.fetch(1)['MODSEQ'][0] > m


def test_changedsince(box3):
    """RFC 7162 3.1.4.1: only messages changed after it, and MODSEQ with them."""
    base = highest(box3)
    box3.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
    got = box3.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % base).fetches()
    assert set(got) == {2} and got[2]['MODSEQ'][0] > base
    got = box3.ok('UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % base).fetches()
    assert set(got) == {2} and got[2]['UID'] == box3.test_uids[1]
    assert box3.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % highest(box3)).fetches() == {}


def test_changedsince_zero_is_accepted(box3):
    """Clients send 0 although the grammar of RFC 4551 forbade it."""
    assert len(box3.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE 0)').fetches()) == 3


def test_search_modseq_key(box3):
    """RFC 7162 3.1.5."""
    base = highest(box3)
    box3.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
    assert box3.ok('SEARCH MODSEQ %d' % (base + 1)).search() == [2]
    assert box3.ok('SEARCH MODSEQ "/flags/\\\\seen" all %d' % (base + 1)).search() == [2]
    assert box3.ok('SEARCH NOT MODSEQ %d' % (base + 1)).search() == [1, 3]
    assert box3.ok('SEARCH OR MODSEQ %d 1' % (base + 1)).search() == [1, 2]


def test_highestmodseq_after_expunge(box3):
    """RFC 7162 3.2.7: with QRESYNC the answer to EXPUNGE that removed something tells HIGHESTMODSEQ; 3.2.8: the answer to CLOSE
    must not, since the client was not told what went."""
    box3.enable('QRESYNC')
    old = highest(box3)
    box3.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    r = box3.ok('EXPUNGE')
    assert r.code[0] == 'HIGHESTMODSEQ' and r.code[1] > old
    old = r.code[1]
    box3.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    r = box3.ok('CLOSE')
    assert r.code is None or r.code[0] != 'HIGHESTMODSEQ'
    assert highest(box3) > old


def test_uid_expunge_and_move_tell_highestmodseq(box3):
    """RFC 7162 3.2.9, RFC 6851 3.3: the same for UID EXPUNGE; MOVE may carry it in its COPYUID line or tagged OK."""
    box3.enable('QRESYNC')
    old = highest(box3)
    box3.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    r = box3.ok('UID EXPUNGE %d' % box3.test_uids[0])
    assert r.code[0] == 'HIGHESTMODSEQ' and r.code[1] > old


def test_status_highestmodseq_is_not_below_any_message(box3):
    box3.ok('STORE 3 +FLAGS.SILENT (z)')
    assert highest(box3) >= max(modseqs(box3).values())


# QRESYNC.

@pytest.fixture
def qresync(login):
    """Seven messages, known to a client that then was away: it holds uidvalidity, modseq and UIDs."""
    c, other = login(), login()
    c.test_uids = [other.append(mail.numbered(n)) for n in range(1, 8)]
    codes = other.ok('EXAMINE INBOX (CONDSTORE)').codes()
    c.validity, c.known = codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0]
    other.logout()
    return c


def test_qresync_needs_enable(qresync):
    """RFC 7162 3.2.5: the parameter without ENABLE QRESYNC is BAD."""
    qresync.bad('SELECT INBOX (QRESYNC (%d %d))' % (qresync.validity, qresync.known))


def test_enable_qresync_enables_condstore(imap):
    """RFC 7162 3.2.3."""
    imap.enable('QRESYNC')
    imap.append(mail.numbered(1))
    imap.select()
    assert 'MODSEQ' in imap.ok('STORE 1 +FLAGS (\\Seen)').fetch(1)


def test_resynchronise(qresync, login):
    """RFC 7162 3.2.5.1: VANISHED (EARLIER) with what went, FETCH with UID, FLAGS, MODSEQ of what changed, before the tagged OK."""
    other = login()
    other.select()
    u = qresync.test_uids
    other.ok('UID STORE %d,%d +FLAGS.SILENT (\\Deleted)' % (u[1], u[4]))
    other.ok('EXPUNGE')
    other.ok('UID STORE %d +FLAGS.SILENT (\\Flagged)' % u[5])
    new = other.append(mail.numbered(8))
    qresync.enable('QRESYNC')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d %d))' % (qresync.validity, qresync.known))
    gone = vanished(r, earlier=True)
    assert set(u[1:2] + u[4:5]) <= set(gone) and not set(gone) & (set(u) - {u[1], u[4]}) and new not in gone
    got = dict((a['UID'], a) for a in r.fetches().values())
    assert set(got) == {u[5], new}
    assert '\\Flagged' in got[u[5]]['FLAGS'] and got[u[5]]['MODSEQ'][0] > qresync.known
    assert r.one('EXISTS').number == 6


def test_resynchronise_known_uids_only(qresync, login):
    """RFC 7162 3.2.5.2: with a set of known UIDs, only these are told of."""
    other = login()
    other.select()
    u = qresync.test_uids
    other.ok('UID STORE %d,%d +FLAGS.SILENT (\\Deleted)' % (u[1], u[4]))
    other.ok('EXPUNGE')
    other.ok('UID STORE %d:%d +FLAGS.SILENT (\\Flagged)' % (u[2], u[5]))
    qresync.enable('QRESYNC')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d %d %d:%d))' % (qresync.validity, qresync.known, u[0], u[2]))
    assert vanished(r, earlier=True) == [u[1]]
    assert [a['UID'] for a in r.fetches().values()] == [u[2]]


def test_resynchronise_with_sequence_match(qresync, login):
    """RFC 7162 3.2.5.2: pairs of known numbers and UIDs; the answer must still be right."""
    other = login()
    other.select()
    u = qresync.test_uids
    other.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % u[6])
    other.ok('EXPUNGE')
    qresync.enable('QRESYNC')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d %d 1:%d (1,3,5 %d,%d,%d)))' % (qresync.validity, qresync.known, u[6], u[0], u[2], u[4]))
    assert u[6] in vanished(r, earlier=True)
    assert not set(vanished(r)) & set(u[:6])


def test_resynchronise_with_other_uidvalidity(qresync):
    """RFC 7162 3.2.5.1: then the parameter is ignored: no VANISHED, no FETCH."""
    qresync.enable('QRESYNC')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d %d))' % (qresync.validity + 1, 1))
    assert r.all('VANISHED') == [] and r.all('FETCH') == []


def test_resynchronise_from_modseq_1(qresync):
    """An old modseq is answered rightly, if perhaps at length."""
    qresync.select()
    qresync.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    qresync.ok('EXPUNGE')
    qresync.enable('QRESYNC')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d 1))' % qresync.validity)
    live = [u for n, u in enumerate(qresync.test_uids) if n != 1]
    assert qresync.test_uids[1] in vanished(r) and not set(vanished(r)) & set(live)
    assert sorted(a['UID'] for a in r.fetches().values()) == live


def test_nothing_changed(qresync):
    qresync.enable('QRESYNC')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d %d))' % (qresync.validity, qresync.known))
    assert r.all('FETCH') == [] and not set(vanished(r)) & set(qresync.test_uids)


@pytest.mark.parametrize('args', ['(QRESYNC)', '(QRESYNC ())', '(QRESYNC (1))', '(QRESYNC (x 1))', '(QRESYNC (1 x))', '(QRESYNC (0 1))', '(QRESYNC (1 1 x))',
                                  '(QRESYNC (1 1 *))', '(QRESYNC (1 1 1 (1)))', '(QRESYNC (1 1 1 (1 1)) x)', '(QRESYNC (1 1) QRESYNC', '(QRESYNC 1 1)', '(CONDSTORE'])
def test_malformed_parameter(imap, args):
    imap.enable('QRESYNC')
    imap.bad('SELECT INBOX ' + args)
    imap.ok('NOOP')


def test_vanished_instead_of_expunge(qresync, login):
    """RFC 7162 3.2.10: once QRESYNC is enabled, VANISHED replaces EXPUNGE, also for the changes of others."""
    qresync.enable('QRESYNC')
    qresync.select()
    other = login()
    other.select()
    u = qresync.test_uids
    other.ok('UID STORE %d,%d +FLAGS.SILENT (\\Deleted)' % (u[0], u[1]))
    assert len(other.ok('EXPUNGE').expunged()) == 2
    r = qresync.ok('NOOP')
    assert r.expunged() == [] and vanished(r, earlier=False) == u[:2]
    qresync.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    r = qresync.ok('UID EXPUNGE %d' % u[2])
    assert r.expunged() == [] and vanished(r, earlier=False) == [u[2]]
    r = qresync.ok('MOVE 1 Archive')
    assert r.expunged() == [] and vanished(r, earlier=False) == [u[3]]
    assert 'COPYUID' in r.codes()


def test_uid_fetch_vanished(qresync):
    """RFC 7162 3.2.6: UID FETCH (CHANGEDSINCE n VANISHED)."""
    u = qresync.test_uids
    qresync.enable('QRESYNC')
    qresync.select()
    qresync.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % u[3])
    qresync.ok('EXPUNGE')
    qresync.ok('UID STORE %d +FLAGS.SILENT (\\Seen)' % u[0])
    r = qresync.ok('UID FETCH 1:%d (FLAGS) (CHANGEDSINCE %d VANISHED)' % (u[6], qresync.known))
    assert u[3] in vanished(r, earlier=True) and not set(vanished(r)) & (set(u) - {u[3]})
    assert [a['UID'] for a in r.fetches().values()] == [u[0]]
    # Only UIDs of the set that was asked for.
    assert vanished(qresync.ok('UID FETCH %d:%d (FLAGS) (CHANGEDSINCE %d VANISHED)' % (u[4], u[6], qresync.known))) == []


def test_vanished_needs_changedsince_uid_and_enable(qresync):
    """RFC 7162 3.2.6: VANISHED without CHANGEDSINCE, without UID, or without ENABLE QRESYNC is BAD."""
    qresync.select()
    qresync.bad('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)')
    qresync.ok('UNSELECT')
    qresync.enable('QRESYNC')
    qresync.select()
    qresync.bad('FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)')
    qresync.bad('UID FETCH 1:* (FLAGS) (VANISHED)')
    qresync.ok('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)')


def test_changes_of_others_carry_uid(qresync, login):
    """RFC 7162 3.2.4: with QRESYNC enabled, unsolicited FETCH responses have UID and MODSEQ."""
    qresync.enable('QRESYNC')
    qresync.select()
    other = login()
    other.select()
    other.ok('STORE 3 +FLAGS (\\Seen)')
    got = qresync.ok('NOOP').fetch(3)
    assert got['UID'] == qresync.test_uids[2] and got['MODSEQ'][0] > qresync.known


def test_highestmodseq_hides_no_expunge_not_yet_told(qresync, login):
    """RFC 7162 3.2.5: whoever resumes from a modseq that it was told must learn of every expunge after it: a session whose
    EXPUNGE may not be told yet is not given a modseq beyond it."""
    qresync.enable('QRESYNC')
    codes = qresync.select().codes()
    qresync.ok('NOOP')
    other = login()
    other.select()
    u = qresync.test_uids
    other.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % u[0])
    other.ok('EXPUNGE')
    other.ok('UID STORE %d +FLAGS.SILENT (\\Seen)' % u[5])
    seen = [codes['HIGHESTMODSEQ'][0]]
    r = qresync.ok('FETCH 1:7 (FLAGS)')
    told = r.codes().get('HIGHESTMODSEQ')
    again = login()
    again.enable('QRESYNC')
    if told:
        seen.append(told[0])
    for m in seen:
        r = again.ok('SELECT INBOX (QRESYNC (%d %d))' % (qresync.validity, m))
        assert u[0] in vanished(r)
        again.ok('UNSELECT')


def test_expunge_is_remembered_for_each_of_many(qresync):
    """The change log holds more than one step, and a client that was away for several learns all."""
    qresync.enable('QRESYNC')
    qresync.select()
    gone = []
    for u in qresync.test_uids[:5]:
        qresync.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % u)
        qresync.ok('UID EXPUNGE %d' % u)
        gone.append(u)
    qresync.ok('UNSELECT')
    r = qresync.ok('SELECT INBOX (QRESYNC (%d %d))' % (qresync.validity, qresync.known))
    assert set(gone) <= set(vanished(r)) and not set(vanished(r)) & set(qresync.test_uids[5:])


def test_modseq_is_at_most_63_bits(box3):
    """RFC 7162 3.1: a modseq is a positive 63-bit number."""
    box3.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE 9223372036854775807)')
    box3.bad('FETCH 1:* (FLAGS) (CHANGEDSINCE 9223372036854775808)')
    box3.bad('STORE 1 (UNCHANGEDSINCE 18446744073709551616) +FLAGS (a)')
