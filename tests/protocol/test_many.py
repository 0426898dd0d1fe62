"""Several clients on one mailbox (RFC 2180, RFC 3501 5.2, 5.5, 7, RFC 9051 5.5, 7.5) and IDLE (RFC 2177)."""

import pytest

from harness import mail
from harness.imap import Closed, Lit


def expunge(c, uid):
    c.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uid)
    c.ok('UID EXPUNGE %d' % uid)


def test_flags_of_another_are_told(pair):
    one, two = pair
    one.ok('STORE 2 +FLAGS (\\Flagged word)')
    got = two.ok('NOOP').fetch(2)
    assert {'\\flagged', 'word'} <= set(str(f).lower() for f in got['FLAGS'])
    assert two.ok('NOOP').all('FETCH') == []


def test_silent_store_is_told_to_others(pair):
    one, two = pair
    one.ok('STORE 2 +FLAGS.SILENT (\\Flagged)')
    assert '\\Flagged' in two.ok('NOOP').fetch(2)['FLAGS']


def test_new_mail_is_told(pair):
    one, two = pair
    one.append(mail.numbered(5))
    assert two.ok('NOOP').one('EXISTS').number == 5
    assert two.ok('FETCH 5 UID').fetch()['UID'] > two.test_uids[-1]


def test_expunge_is_told(pair):
    one, two = pair
    expunge(one, one.test_uids[1])
    assert two.ok('NOOP').expunged() == [2]
    assert list(two.uid_map()) == [u for n, u in enumerate(two.test_uids) if n != 1]


@pytest.mark.parametrize('command', ['FETCH 1:4 (UID FLAGS)', 'STORE 4 +FLAGS (\\Seen)', 'SEARCH ALL', 'FETCH 1 BODY[]', 'SEARCH UNSEEN'])
def test_no_expunge_during(pair, command):
    """RFC 3501 7.4.1: the numbers stay until a command during which EXPUNGE may be sent."""
    one, two = pair
    expunge(one, one.test_uids[0])
    r = two.cmd(command)
    assert r.expunged() == []
    assert two.ok('FETCH 4 UID').fetch()['UID'] == two.test_uids[3]
    assert two.ok('NOOP').expunged() == [1]
    assert two.ok('FETCH 3 UID').fetch()['UID'] == two.test_uids[3]


def test_fetch_of_expunged_message(pair):
    """RFC 2180 4.1: the data may still be given, or NO; never another message's."""
    one, two = pair
    expunge(one, one.test_uids[1])
    r = two.cmd('FETCH 1:4 (UID BODY.PEEK[])')
    for n, a in r.fetches().items():
        if a.get('UID') is not None and a.get('BODY[]'):
            assert a['UID'] == two.test_uids[n - 1] and a['BODY[]'] == mail.numbered(n)
    assert {1, 3, 4} <= set(n for n, a in r.fetches().items() if a.get('BODY[]'))
    if r.status == 'NO':
        assert r.code is None or r.code[0] == 'EXPUNGEISSUED'
    assert two.ok('NOOP').expunged() == [2]


def test_store_of_expunged_message(pair):
    """RFC 2180 4.2: NO (or OK), the other messages are changed; nothing is resurrected."""
    one, two = pair
    expunge(one, one.test_uids[1])
    r = two.cmd('STORE 1:3 +FLAGS (\\Flagged)')
    assert r.status in ('OK', 'NO') and r.expunged() == []
    two.ok('NOOP')
    assert two.flags() == {1: {'\\flagged'}, 2: {'\\flagged'}, 3: set()}
    one.ok('NOOP')
    assert len(one.uid_map()) == 3


def test_store_of_only_expunged_messages(pair):
    one, two = pair
    expunge(one, one.test_uids[1])
    two.cmd('STORE 2 +FLAGS (\\Flagged)')
    two.ok('NOOP')
    assert two.flags() == {1: set(), 2: set(), 3: set()}


def test_copy_of_expunged_message(pair):
    """RFC 2180 4.4: NO, and nothing was copied (COPY is all or nothing), or the others were (OK)."""
    one, two = pair
    expunge(one, one.test_uids[1])
    r = two.cmd('COPY 1:3 Archive')
    n = two.status('Archive', 'MESSAGES')['MESSAGES']
    assert (r.status, n) in (('NO', 0), ('OK', 2), ('OK', 3))


def test_search_with_expunged_message(pair):
    """RFC 2180 4.3: numbers are those of this session."""
    one, two = pair
    expunge(one, one.test_uids[1])
    found = two.ok('SEARCH ALL').search()
    assert {1, 3, 4} <= set(found) <= {1, 2, 3, 4}
    two.ok('NOOP')
    assert two.ok('SEARCH ALL').search() == [1, 2, 3]


def test_deleted_mailbox_while_selected(login):
    """RFC 2180 3: another session deletes the mailbox that is open: answers stay sane, and the name made again is another
    mailbox."""
    one, two = login(name='a'), login(name='b')
    one.ok('CREATE doomed')
    one.append(mail.numbered(1), 'doomed')
    two.select('doomed')
    r = one.cmd('DELETE doomed')
    if r.status == 'NO':
        assert r.code[0] == 'INUSE'
        return
    one.ok('CREATE doomed')
    one.append(mail.numbered(9), 'doomed', flags='\\Flagged')
    try:
        two.cmd('NOOP')
        r = two.cmd('FETCH 1:* (FLAGS)')
        assert not [a for a in r.fetches().values() if '\\Flagged' in a['FLAGS']]
        two.cmd('STORE 1 +FLAGS (\\Deleted)')
        two.cmd('EXPUNGE')
    except Closed:
        pass
    assert one.status('doomed', 'MESSAGES')['MESSAGES'] == 1
    one.select('doomed')
    assert one.flags() == {1: {'\\flagged'}}


@pytest.mark.parametrize('form', ['COPY 1 INBOX', 'UID COPY 1 INBOX', 'MOVE 1 INBOX', 'UID MOVE 1 INBOX', 'REPLACE 1 INBOX ', 'UID REPLACE 1 INBOX '])
def test_deleted_mailbox_is_copied_from(login, form):
    """What is not there is not the destination: TRYCREATE would have the client make a mailbox that exists."""
    one, two = login(name='a'), login(name='b')
    one.ok('CREATE doomed')
    one.append(mail.numbered(1), 'doomed')
    two.select('doomed')
    before = one.status('INBOX', 'MESSAGES')['MESSAGES']
    one.ok('DELETE doomed')
    r = two.cmd(form, Lit(mail.numbered(2), plus=True)) if 'REPLACE' in form else two.cmd(form)
    assert r.status == 'NO' and r.code[0] != 'TRYCREATE' or r.status == 'OK' and 'UID' in form
    assert one.status('INBOX', 'MESSAGES')['MESSAGES'] == before


def test_renamed_mailbox_while_selected(login):
    """The open mailbox is the same under its new name."""
    one, two = login(name='a'), login(name='b')
    one.ok('CREATE before')
    one.append(mail.numbered(1), 'before')
    two.select('before')
    one.ok('RENAME before after')
    two.ok('STORE 1 +FLAGS (\\Seen)')
    one.select('after')
    assert one.flags() == {1: {'\\seen'}}
    one.append(mail.numbered(2), 'after')
    assert two.ok('NOOP').one('EXISTS').number == 2


def test_pipelined_store_and_expunge(box3):
    """RFC 3501 5.5: no ambiguity may arise: the FETCH behind EXPUNGE sees the new numbers."""
    a = box3.begin('STORE 1 +FLAGS.SILENT (\\Deleted)')
    b = box3.begin('EXPUNGE')
    c = box3.begin('FETCH 1 UID')
    told = [r for tag in (a, b, c) for r in box3.end(tag).untagged]
    assert [r.number for r in told if r.name == 'EXPUNGE'] == [1]
    assert [r.attrs['UID'] for r in told if r.name == 'FETCH' and 'UID' in r.attrs] == [box3.test_uids[1]]


def test_pipelined_uid_fetches(box3):
    tags = [box3.begin('UID FETCH %d (BODY.PEEK[])' % u) for u in box3.test_uids * 5]
    told = [r for tag in tags for r in box3.end(tag).untagged if r.name == 'FETCH']
    assert [r.attrs['BODY[]'] for r in told] == [mail.numbered(i % 3 + 1) for i in range(15)]


def test_three_sessions_agree(login):
    """Changes of each in turn; in the end all see the same."""
    cs = [login(name='s%dx' % n) for n in range(3)]
    for n in range(1, 10):
        cs[0].append(mail.numbered(n))
    for c in cs:
        c.select()
    for i in range(12):
        c = cs[i % 3]
        c.ok('NOOP')
        n = i % c.exists + 1
        if i % 4 == 3:
            c.ok('STORE %d +FLAGS (\\Deleted)' % n)
            c.ok('EXPUNGE')
        else:
            c.ok('STORE %d +FLAGS (word%d)' % (n, i))
    states = []
    for c in cs:
        c.ok('NOOP')
        got = c.ok('FETCH 1:* (UID FLAGS)').fetches()
        states.append(sorted((n, a['UID'], sorted(set(map(str, a['FLAGS'])) - {'\\Recent'})) for n, a in got.items()))
    assert states[0] == states[1] == states[2] and len(states[0]) == 6


# IDLE.

def test_idle_tells_new_mail(pair):
    one, two = pair
    tag = two.idle()
    one.append(mail.numbered(5))
    two.wait_name('EXISTS', 5)
    assert two.done(tag).status == 'OK'


def test_idle_tells_flags_and_expunge(pair):
    one, two = pair
    tag = two.idle()
    one.ok('STORE 3 +FLAGS (\\Answered)')
    assert '\\Answered' in two.wait_name('FETCH', 3).attrs['FLAGS']
    expunge(one, one.test_uids[0])
    two.wait_name('EXPUNGE', 1)
    two.done(tag)


def test_idle_sees_delivery(login, user, server):
    c = login()
    c.select()
    tag = c.idle()
    lmtp = server.lmtp_connect()
    assert [r.code for r in lmtp.deliver(mail.simple('pushed'), [user])] == [250]
    lmtp.quit()
    c.wait_name('EXISTS', 1)
    c.done(tag)
    assert b'Subject: pushed\r\n' in c.body(1)


def test_idle_begins_with_what_is_not_told_yet(pair):
    """RFC 2177: changes from before IDLE must not wait for the next one."""
    one, two = pair
    one.append(mail.numbered(5))
    tag = two.begin('IDLE')
    two.wait_name('EXISTS', 5)
    two.send('DONE\r\n')
    while True:
        r = two.response()
        if r.tag == tag:
            break


def test_idle_without_mailbox(imap):
    """RFC 2177 takes IDLE in the authenticated state too."""
    tag = imap.idle()
    assert imap.done(tag).status == 'OK'


def test_idle_ends_with_done_in_any_case(box):
    tag = box.idle()
    box.send('done\r\n')
    assert box.end(tag).status == 'OK'


def test_idle_ends_only_with_done(box):
    """RFC 2177: anything else than DONE is an error; the command ends with BAD."""
    tag = box.idle()
    box.send('NOOP\r\n')
    assert box.end(tag).status == 'BAD'
    box.ok('NOOP')


def test_command_behind_done_in_one_packet(box):
    tag = box.idle()
    box.send(b'DONE\r\nz9 NOOP\r\n')
    box.pending.append(('z9', 'NOOP'))
    assert box.end(tag).status == 'OK'
    assert box.end('z9').status == 'OK'


def test_idle_and_done_in_one_packet(box):
    box.send(b'z8 IDLE\r\nDONE\r\nz9 NOOP\r\n')
    box.pending += [('z8', 'IDLE'), ('z9', 'NOOP')]
    seen = []
    while 'z9' not in seen:
        r = box.response()
        seen.append(r.tag)
    assert seen[-2:] == ['z8', 'z9'] and '+' in seen


def test_three_clients_see_each_other_through_idle(login):
    """Flags, new mail, expunge, rename: all at once."""
    cs = [login(name='i%dx' % n) for n in range(3)]
    for n in (1, 2, 3):
        cs[0].append(mail.numbered(n))
    for c in cs:
        c.select()
    actor, watchers = cs[0], cs[1:]
    tags = [w.idle() for w in watchers]
    actor.append(mail.numbered(4))
    for w in watchers:
        w.wait_name('EXISTS', 4)
    actor.ok('STORE 2 +FLAGS (\\Flagged)')
    for w in watchers:
        w.wait_name('FETCH', 2)
    actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    actor.ok('EXPUNGE')
    for w in watchers:
        w.wait_name('EXPUNGE', 1)
    for w, t in zip(watchers, tags):
        assert w.done(t).status == 'OK'
        assert len(w.uid_map()) == 3


def test_many_idlers(login):
    """Fifty clients on one mailbox all hear of one message."""
    actor = login()
    idlers = [login(name='m%dx' % n) for n in range(50)]
    tags = []
    for c in idlers:
        c.select()
        tags.append(c.idle())
    actor.append(mail.numbered(1))
    for c, t in zip(idlers, tags):
        c.wait_name('EXISTS', 1)
        c.done(t)
