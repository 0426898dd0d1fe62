r"""Extensions beside each other: what one promises holds in what the others answer.

Each file of this folder is about one command or extension; here are two and more at a time, for the rules that a client can only see
when it uses several.
"""

import os
import re

import pytest

from harness import mail
from harness.imap import Lit, esearch, numbers, text

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')


def commands():
    """The names of all commands, from the table that the server is made of."""
    with open(os.path.join(ROOT, 'src', 'session', 'command_table.c')) as f:
        return {n.upper() for n in re.findall(r'&cmd_(\w+)', f.read())}


# UIDONLY (RFC 9586) with every command. What is not a form for all: the arguments; {u} is a UID, {s} a set of UIDs, {o} another user.
UIDONLY = {
    'APPEND': None, 'AUTHENTICATE': None, 'CAPABILITY': '', 'CHECK': '', 'CLOSE': None, 'COMPARATOR': '', 'COMPRESS': 'DEFLATE',
    'CREATE': 'made', 'DELETE': 'made', 'DELETEACL': 'INBOX {o}', 'ENABLE': 'CONDSTORE', 'ESEARCH': 'IN (personal) RETURN (ALL COUNT) FLAGGED',
    'EXAMINE': None, 'EXPUNGE': '', 'GETACL': 'INBOX', 'GETMETADATA': 'INBOX /private/comment', 'GETQUOTA': '#user/{me}', 'GETQUOTAROOT': 'INBOX',
    'ID': 'NIL', 'IDLE': None, 'LIST': '"" * RETURN (STATUS (MESSAGES UNSEEN))', 'LISTRIGHTS': 'INBOX {o}', 'LOGIN': None, 'LOGOUT': None,
    'LSUB': '"" *', 'MYRIGHTS': 'INBOX', 'NAMESPACE': '', 'NOOP': '', 'RENAME': None, 'RESETKEY': 'INBOX', 'SELECT': None,
    'SETACL': 'INBOX {o} lr', 'SETMETADATA': 'INBOX (/private/comment "x")', 'SETQUOTA': None, 'STARTTLS': None,
    'STATUS': 'INBOX (MESSAGES UIDNEXT UNSEEN)', 'SUBSCRIBE': 'INBOX', 'UNAUTHENTICATE': None, 'UNSELECT': None, 'UNSUBSCRIBE': 'INBOX',
    'URLFETCH': '"imap://nobody@nowhere.example/x;UID=1"', 'GENURLAUTH': None, 'XLIST': '"" *', 'CANCELUPDATE': '"none"', 'LANGUAGE': '',
    'NOTIFY': 'SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))', 'CONVERSIONS': '"text/html" "*"',
}
UID_FORMS = {
    'FETCH': '{s} (FLAGS UID ENVELOPE)', 'STORE': '{s} +FLAGS (\\Flagged)', 'SEARCH': 'RETURN (ALL MIN MAX COUNT) ALL', 'SORT': 'RETURN (ALL) (DATE) UTF-8 ALL',
    'THREAD': 'REFERENCES UTF-8 ALL', 'COPY': '{s} Archive', 'MOVE': '{u} Archive', 'EXPUNGE': '{s}', 'REPLACE': None, 'UIDBATCHES': None,
    'CONVERT': None,
}
# A number in front of these is that of a message; EXISTS and RECENT count.
OF_A_MESSAGE = {'FETCH', 'EXPUNGE', 'CONVERTED'}


def numbers_told(r):
    return [u for u in r.untagged if u.name in OF_A_MESSAGE]


def test_uidonly_with_every_command(connect, server):
    """RFC 9586 3: from ENABLE UIDONLY on no response has a message number, whatever is asked and whoever changes something."""
    missing = commands() - set(UIDONLY) - set(UID_FORMS)
    assert not missing, 'commands that this test does not know: %s' % sorted(missing)
    mine = server.user()
    names = {'me': mine, 'o': server.user()}
    me, other = connect(user=mine), connect(user=mine)
    uids = [me.append(mail.numbered(n)) for n in range(1, 9)]
    me.select()
    other.select()
    other.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uids[0])
    other.ok('EXPUNGE')
    me.enable('UIDONLY')
    assert not numbers_told(me.ok('NOOP'))
    names.update(u=uids[1], s='%d:%d' % (uids[1], uids[7]))
    turn = 0
    for name, args in [(n, a) for n, a in sorted(UIDONLY.items()) if n in commands()] + [('UID ' + n, a) for n, a in UID_FORMS.items()]:
        if args is None:
            continue
        # Something is new, changed and gone whenever a command ends.
        turn += 1
        other.append(mail.numbered(turn))
        other.ok('UID STORE %d %sFLAGS (\\Answered)' % (uids[7], '+-'[turn % 2]))
        if turn == 3:
            other.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uids[2])
            other.ok('UID EXPUNGE %d' % uids[2])
        if name == 'COMPRESS':
            me.compress()
            continue
        r = me.cmd((name + ' ' + args).strip().format(**names))
        assert r.status != 'BAD', r
        assert not numbers_told(r), '%s: %r' % (name, r)
        for e in r.all('ESEARCH'):
            assert 'UID' in esearch(e), '%s: %r' % (name, r)
    other.append(mail.numbered(1))
    tag = me.idle()
    other.ok('UID STORE %d +FLAGS (\\Seen $Junk)' % uids[7])
    me.wait(lambda r: r.name == 'UIDFETCH')
    assert not numbers_told(me.done(tag))
    # What opens a mailbox, what puts messages into it, and what names one by its number.
    assert not numbers_told(me.ok('EXAMINE INBOX')) and not numbers_told(me.select())
    assert not numbers_told(me.ok('APPEND INBOX ', Lit(mail.numbered(2))))
    last = max(me.ok('UID SEARCH ALL').search())
    assert not numbers_told(me.ok('UID REPLACE %d INBOX ' % last, Lit(mail.numbered(3))))
    for form in ('FETCH 1 (FLAGS)', 'STORE 1 +FLAGS (\\Seen)', 'COPY 1 Archive', 'MOVE 1 Archive', 'SEARCH 1', 'SORT (DATE) UTF-8 ALL',
                 'THREAD REFERENCES UTF-8 ALL', 'SEARCH RETURN (SAVE) ALL', 'UID SEARCH RETURN (COUNT) NOT 1:3'):
        me.bad(form, code='UIDREQUIRED')


# QRESYNC (RFC 7162) after MOVE (RFC 6851) and RENAME.


def picture(c):
    """UID → flags, by a fetch of all."""
    got = c.ok('UID FETCH 1:* (FLAGS)').fetches().values() if c.exists else []
    return dict((a['UID'], frozenset(str(f).lower() for f in a['FLAGS']) - {'\\recent'}) for a in got)


def resynchronised(c, box, old, validity, modseq):
    """The same, by what SELECT tells who has been away."""
    r = c.select(box, ' (QRESYNC (%s %s))' % (validity, modseq))
    now = dict(old)
    for v in r.all('VANISHED'):
        assert str(v.data[0][0]).upper() == 'EARLIER'
        for uid in numbers(v.data[1]):
            now.pop(uid, None)
    for a in r.fetches().values():
        now[a['UID']] = frozenset(str(f).lower() for f in a['FLAGS']) - {'\\recent'}
    return now


def test_qresync_after_move_and_rename(login):
    one, two = login(), login()
    one.enable('QRESYNC')
    one.ok('CREATE here')
    one.ok('CREATE there')
    for n in range(1, 13):
        one.append(mail.numbered(n), 'here', flags='\\Seen' if n % 3 == 0 else '')
    state = {}
    for box in ('here', 'there'):
        codes = one.select(box).codes()
        state[box] = (picture(one), codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0])
    one.ok('UNSELECT')

    two.select('here')
    two.ok('MOVE 2:5 there')
    two.ok('STORE 1 +FLAGS (\\Flagged)')
    two.ok('UNSELECT')
    two.ok('RENAME here elsewhere/here')
    two.select('elsewhere/here')
    two.ok('MOVE 3 there')
    two.ok('UNSELECT')
    two.ok('RENAME there here')

    for old, new in (('here', 'elsewhere/here'), ('there', 'here')):
        known, validity, modseq = state[old]
        assert one.select(new).codes()['UIDVALIDITY'][0] == validity
        whole = picture(one)
        one.ok('UNSELECT')
        assert resynchronised(one, new, known, validity, modseq) == whole
        one.ok('UNSELECT')


# Private \Seen with what searches and keeps lists.


@pytest.fixture
def shared(server, connect):
    """(owner, guest, the guest's other device), all with the owner's mailbox selected, which has four unread messages."""
    names = server.user(), server.user()
    owner, guest, device = connect(user=names[0], name='owner'), connect(user=names[1], name='guest'), connect(user=names[1], name='device')
    owner.ok('CREATE box')
    owner.ok('SETACL box %s lrswite' % names[1])
    for n in range(1, 5):
        owner.append(mail.numbered(n), 'box')
    box = 'Other Users/%s/box' % names[0]
    owner.select('box')
    guest.select(box)
    device.select(box)
    return owner, guest, device


def test_context_follows_ones_own_seen(shared):
    """RFC 5267 4.3 with flags that each user has of his own: only what changes the result for this user is told."""
    owner, guest, device = shared
    tag = guest.begin('UID SEARCH RETURN (UPDATE ALL) UNSEEN')
    r = guest.end(tag)
    uids = numbers(r.esearch()['ALL'])
    assert len(uids) == 4
    owner.ok('STORE 1:2 +FLAGS (\\Seen)')
    assert not guest.ok('NOOP').all('ESEARCH')
    device.ok('STORE 3 +FLAGS (\\Seen)')
    told = guest.ok('NOOP').one('ESEARCH')
    assert esearch(told)['TAG'] == tag and numbers(esearch(told)['REMOVEFROM'][1]) == [uids[2]]
    assert guest.ok('UID SEARCH UNSEEN').search() == [uids[0], uids[1], uids[3]]
    assert owner.ok('UID SEARCH UNSEEN').search() == [uids[2], uids[3]]


def test_saved_results_sort_and_thread_of_private_seen(shared):
    owner, guest, _ = shared
    guest.ok('STORE 2 +FLAGS (\\Seen)')
    guest.ok('SEARCH RETURN (SAVE) UNSEEN')
    assert sorted(guest.ok('FETCH $ (FLAGS)').fetches()) == [1, 3, 4]
    assert sorted(n for n in guest.ok('SORT (REVERSE ARRIVAL) UTF-8 SEEN').one('SORT').data if isinstance(n, int)) == [2]
    assert owner.ok('SORT (ARRIVAL) UTF-8 SEEN').one('SORT').data == []
    assert guest.ok('THREAD ORDEREDSUBJECT UTF-8 SEEN').one('THREAD').data != []
    assert owner.ok('THREAD ORDEREDSUBJECT UTF-8 SEEN').one('THREAD').data == []
    r = guest.ok('ESEARCH IN (selected) RETURN (COUNT) SEEN')
    assert r.esearch()['COUNT'] == 1


def test_context_ends_with_the_right_to_read(shared):
    """RFC 5267 with RFC 4314: a list of what one may not see any more is not kept up to date."""
    owner, guest, device = shared
    guest.ok('UID SEARCH RETURN (UPDATE) ALL')
    owner.ok('DELETEACL box %s' % guest_name(owner))
    r = guest.ok('NOOP')
    assert len(r.expunged()) == 4
    owner.append(mail.numbered(9), 'box')
    later = guest.ok('NOOP')
    assert not later.all('ESEARCH') and not later.all('EXISTS')


def guest_name(owner):
    """Who else has rights in the mailbox."""
    return [text(x) for x in owner.ok('GETACL box').one('ACL').data[1::2]][-1]


# LIST with everything that it can return.


def test_list_returns_all_at_once(shared, imap):
    """RFC 5258, 5819, 8440, 9590, 6154: each option's answers are there, and belong to a mailbox that was listed."""
    imap.ok('SETMETADATA INBOX (/private/comment "c")')
    r = imap.ok('LIST "" % RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES UNSEEN SIZE HIGHESTMODSEQ) MYRIGHTS METADATA (/private/comment))')
    names = set(r.list())
    assert 'INBOX' in names
    for kind in ('STATUS', 'MYRIGHTS'):
        assert {text(u.data[0]) for u in r.all(kind)} == names, kind
    assert len(r.all('METADATA')) >= 1


# One mailbox under all that changes the form of answers.


def test_all_forms_together(login):
    """CONDSTORE, QRESYNC, UIDONLY, UTF8=ACCEPT, IMAP4rev2 and COMPRESS on one connection, beside one that has none of it."""
    one, two = login(), login()
    two.append(mail.simple('plain', 'x\n'))
    one.enable('QRESYNC', 'UIDONLY', 'UTF8=ACCEPT', 'IMAP4rev2')
    one.compress()
    one.ok('CREATE "Gr\u00fc\u00dfe"')
    assert 'Gr&APwA3w-e' in two.ok('LIST "" *').list()
    assert 'Gr\u00fc\u00dfe' in one.ok('LIST "" *').list()
    one.select()
    two.select()
    two.ok('STORE 1 +FLAGS (\\Flagged)')
    r = one.ok('NOOP')
    fetched = r.one('UIDFETCH')
    assert '\\Flagged' in fetched.attrs['FLAGS'] and 'MODSEQ' in fetched.attrs
    assert one.ok('UID SEARCH FLAGGED').search() == [fetched.number]
    two.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    two.ok('EXPUNGE')
    r = one.ok('NOOP')
    assert r.all('VANISHED') and not r.all('EXPUNGE')
