r"""Private \Seen: in a mailbox that is shared, what one user has read is unread for everybody else, and nobody notices.

RFC 3501 2.3.2 lets flags be per user, RFC 4314 4 and 5.2 say what that means for rights, RFC 7162 that MODSEQ and HIGHESTMODSEQ are
right for each. "They" are an owner and two guests of his mailbox `box`, each with two devices."""

import pytest

from harness import mail
from harness.imap import Lit, quote, text

SEEN = '/shared/vendor/posthorn/seen'
guests = []     # the same in all tests



class Three:
    def __init__(self, server, connect):
        self.connect = connect
        while len(guests) < 2:
            guests.append(server.user())
        self.names = [server.user()] + guests
        self.owner, self.ann, self.bob = [connect(user=n, name=n) for n in self.names]
        self.owner.ok('CREATE box')
        for name in self.names[1:]:
            self.owner.ok('SETACL box %s lrswite' % name)
        self.theirs = 'Other Users/%s/box' % self.names[0]
        self.uids = [self.owner.append(mail.numbered(n), 'box') for n in (1, 2, 3, 4)]
        self.all = [(self.owner, 'box'), (self.ann, self.theirs), (self.bob, self.theirs)]

    def device(self, n):
        c = self.connect(user=self.names[n], name=self.names[n] + '-2')
        return c, self.all[n][1]

    def select(self):
        for c, box in self.all:
            c.select(box)

    def seen(self):
        """For each of them the numbers of the messages that he has seen, as four commands tell it."""
        out = []
        for c, box in self.all:
            c.ok('NOOP')
            seen = sorted(n for n, flags in c.flags().items() if '\\seen' in flags)
            assert c.ok('SEARCH SEEN').search() == seen
            assert c.ok('SEARCH UNSEEN').search() == sorted(set(range(1, c.exists + 1)) - set(seen))
            unseen = c.exists - len(seen)
            assert c.status(box, 'UNSEEN')['UNSEEN'] == unseen
            first = [n for n in range(1, c.exists + 1) if n not in seen][:1]
            told = c.select(box).codes().get('UNSEEN')
            assert told == (first or None)
            listed = [r.attrs['UNSEEN'] for r in c.ok('LIST "" * RETURN (STATUS (UNSEEN))').all('STATUS') if text(r.data[0]) == box]
            assert listed == [unseen]
            out.append(seen)
        return out


@pytest.fixture
def three(server, connect):
    t = Three(server, connect)
    t.select()
    return t


def modseqs(c):
    return dict((n, a['MODSEQ'][0]) for n, a in c.ok('FETCH 1:* (MODSEQ)').fetches().items())


def highest(c, box):
    return c.status(box, 'HIGHESTMODSEQ')['HIGHESTMODSEQ']


# Whose it is.


def test_store_is_for_oneself(three):
    three.ann.ok('STORE 1,2 +FLAGS (\\Seen)')
    three.owner.ok('STORE 2,3 +FLAGS (\\Seen)')
    assert three.seen() == [[2, 3], [1, 2], []]
    three.ann.ok('STORE 2 -FLAGS (\\Seen)')
    three.bob.ok('STORE 1:* FLAGS (\\Seen)')
    assert three.seen() == [[2, 3], [1], [1, 2, 3, 4]]
    three.owner.ok('STORE 1:* FLAGS ()')
    assert three.seen() == [[], [1], [1, 2, 3, 4]]


def test_reading_is_for_oneself(three):
    """FETCH BODY[] sets it, and its answer has it; RFC 4314 4: only with the right s, private or not."""
    assert '\\Seen' in three.ann.ok('FETCH 3 (BODY[TEXT])').fetch(3)['FLAGS']
    assert three.seen() == [[], [3], []]
    three.ann.ok('FETCH 4 (BODY.PEEK[])')
    three.owner.ok('SETACL box %s lr' % three.names[2])
    three.bob.ok('NOOP')
    assert 'FLAGS' not in three.bob.ok('FETCH 4 (BODY[])').fetch(4)
    three.bob.refused('STORE 4 +FLAGS (\\Seen)')
    assert three.seen() == [[], [3], []]


def test_other_flags_are_everybodys(three):
    """STORE splits: what is shared is shared, \\Seen is one's own, in one commit."""
    three.ann.ok('STORE 1 +FLAGS (\\Seen \\Flagged word)')
    assert three.ann.flags(1)[1] == {'\\seen', '\\flagged', 'word'}
    for c in three.owner, three.bob:
        c.ok('NOOP')
        assert c.flags(1)[1] == {'\\flagged', 'word'}
    three.owner.ok('STORE 1 FLAGS (\\Seen \\Answered)')
    three.ann.ok('NOOP')
    assert three.ann.flags(1)[1] == {'\\seen', '\\answered'}
    three.bob.ok('NOOP')
    assert three.bob.flags(1)[1] == {'\\answered'}


# What is told.


def test_others_are_told_nothing(three):
    """Neither a FETCH nor another modseq: in both directions, with QRESYNC."""
    for c, box in three.all:
        c.enable('QRESYNC')
        c.select(box)
    for who, others in (three.ann, (three.owner, three.bob)), (three.owner, (three.ann, three.bob)):
        before = [modseqs(c) for c in others]
        marks = [highest(c, box) for c, box in three.all if c in others]
        idle = [c.idle() for c in others]
        who.ok('STORE 1:3 +FLAGS (\\Seen)')
        for c, tag in zip(others, idle):
            c.silent()
            assert c.done(tag).untagged == []
        assert [modseqs(c) for c in others] == before
        assert [highest(c, box) for c, box in three.all if c in others] == marks
        for c, mark in zip(others, marks):
            assert c.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % mark).fetches() == {}
    three.bob.ok('STORE 4 +FLAGS (\\Flagged)')
    assert '\\Flagged' in three.owner.ok('NOOP').fetch(4)['FLAGS']


def test_ones_other_device_is_told_at_once(three):
    for n, c in (0, three.owner), (1, three.ann):
        device, box = three.device(n)
        device.enable('CONDSTORE')
        device.select(box)
        tag = device.idle()
        c.ok('STORE 2 +FLAGS (\\Seen)')
        told = device.wait_name('FETCH', 2)
        assert '\\Seen' in told.attrs['FLAGS']
        c.ok('FETCH 3 (BODY[])')
        later = device.wait_name('FETCH', 3)
        assert '\\Seen' in later.attrs['FLAGS'] and later.attrs['MODSEQ'][0] > told.attrs['MODSEQ'][0]
        device.done(tag)
        assert highest(device, box) == later.attrs['MODSEQ'][0]
    assert three.seen() == [[2, 3], [2, 3], []]


def test_modseqs_are_each_users(three):
    """RFC 7162 3.1: CHANGEDSINCE, SEARCH MODSEQ, HIGHESTMODSEQ."""
    for c, box in three.all:
        c.enable('CONDSTORE')
        c.select(box)
    start = highest(three.ann, three.theirs)
    three.ann.ok('STORE 2 +FLAGS (\\Seen)')
    mine = highest(three.ann, three.theirs)
    assert mine > start
    assert modseqs(three.ann)[2] == mine
    assert sorted(three.ann.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % start).fetches()) == [2]
    assert three.ann.ok('SEARCH MODSEQ %d' % mine).search()[:1] == [2]
    assert three.bob.ok('SEARCH MODSEQ %d' % mine).search() == []
    assert highest(three.bob, three.theirs) == start == highest(three.owner, 'box')
    three.owner.ok('STORE 3 +FLAGS (\\Flagged)')
    three.ann.ok('NOOP')
    assert sorted(three.ann.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % start).fetches()) == [2, 3]
    assert sorted(three.ann.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % mine).fetches()) == [3]


def test_unchangedsince_counts_ones_own(three):
    """RFC 7162 3.1.3: what one's other device has done is a conflict; what others read is none."""
    start = highest(three.ann, three.theirs)
    three.owner.ok('STORE 1 +FLAGS (\\Seen)')
    three.bob.ok('STORE 1 +FLAGS (\\Seen)')
    three.ann.ok('STORE 1 (UNCHANGEDSINCE %d) +FLAGS (\\Seen)' % start)
    assert three.ann.ok('STORE 1 (UNCHANGEDSINCE %d) -FLAGS (\\Seen)' % start, code='MODIFIED').code[1] in ('1', 1, [1])
    assert three.seen() == [[1], [1], [1]]


def test_resynchronise(three):
    """RFC 7162 3.2.5.1: who comes back is told what he did elsewhere, and nothing of the others' reading."""
    validity = three.ann.select(three.theirs).codes()['UIDVALIDITY'][0]
    known = highest(three.ann, three.theirs)
    three.ann.ok('UNSELECT')
    device, box = three.device(1)
    device.select(box)
    device.ok('STORE 2 +FLAGS (\\Seen)')
    three.owner.ok('STORE 1,3 +FLAGS (\\Seen)')
    three.bob.ok('STORE 1:* +FLAGS (\\Seen)')
    three.ann.enable('QRESYNC')
    r = three.ann.ok('SELECT %s (QRESYNC (%d %d))' % (quote(three.theirs), validity, known))
    assert sorted(r.fetches()) == [2] and '\\Seen' in r.fetch(2)['FLAGS']
    assert r.codes()['HIGHESTMODSEQ'][0] == r.fetch(2)['MODSEQ'][0]


# Messages that come and go.


def test_append_and_copy_into_it(three):
    """\\Seen of what a guest brings is his own; the owner's is the owner's."""
    three.ann.append(mail.numbered(5), three.theirs, flags='\\Seen \\Flagged')
    three.owner.append(mail.numbered(6), 'box', flags='\\Seen')
    three.bob.ok('CREATE from')
    three.bob.append(mail.numbered(7), 'from', flags='\\Seen')
    three.bob.select('from')
    three.bob.ok('COPY 1 %s' % quote(three.theirs))
    three.select()
    assert three.seen() == [[6], [5], [7]]
    for c, _ in three.all:
        assert '\\flagged' in c.flags(5)[5]


def test_copy_and_move_out_of_it(three):
    """A copy has what its maker had seen."""
    three.ann.ok('STORE 1 +FLAGS (\\Seen)')
    three.owner.ok('STORE 2 +FLAGS (\\Seen)')
    three.ann.ok('CREATE into')
    three.ann.ok('COPY 1:2 into')
    three.ann.ok('MOVE 1 into')
    three.ann.select('into')
    assert [('\\seen' in f) for _, f in sorted(three.ann.flags().items())] == [True, False, True]
    three.ann.select(three.theirs)
    three.owner.ok('NOOP')
    three.bob.ok('NOOP')
    assert three.seen() == [[1], [], []]


def test_move_inside_keeps_everybodys(three):
    """The messages are the same, so what each has seen of them is too; a copy is new to all but who made it."""
    three.owner.ok('CREATE box/sub')
    three.ann.ok('STORE 1 +FLAGS (\\Seen)')
    three.bob.ok('STORE 1,2 +FLAGS (\\Seen)')
    three.owner.ok('STORE 2 +FLAGS (\\Seen)')
    three.ann.ok('MOVE 1:2 %s' % quote(three.theirs + '/sub'))
    three.ann.ok('COPY 1 %s' % quote(three.theirs + '/sub'))
    three.all = [(c, box + '/sub') for c, box in three.all]
    three.select()
    assert three.seen() == [[2], [1], [1, 2]]


def test_replace_and_expunge(three):
    for c, _ in three.all:
        c.ok('STORE 1:* +FLAGS (\\Seen)')
    three.ann.ok('STORE 1 +FLAGS (\\Deleted)')
    three.ann.ok('EXPUNGE')
    three.bob.ok('NOOP')
    three.bob.ok('REPLACE 1 %s (\\Seen) ' % quote(three.theirs), Lit(mail.numbered(9)))
    assert three.seen() == [[1, 2], [1, 2], [1, 2, 3]]
    three.owner.ok('STORE 1:* +FLAGS (\\Deleted)')
    three.owner.ok('CLOSE')
    three.select()
    assert three.seen() == [[], [], []]


def test_rename_keeps_and_delete_forgets(three):
    three.ann.ok('STORE 1 +FLAGS (\\Seen)')
    three.owner.ok('RENAME box box2')
    three.all = [(c, box + '2') for c, box in three.all]
    three.select()
    assert three.seen() == [[], [1], []]
    three.owner.ok('UNSELECT')
    three.owner.ok('DELETE box2')
    three.owner.ok('CREATE box2')
    for name in three.names[1:]:
        three.owner.ok('SETACL box2 %s lrs' % name)
    three.owner.append(mail.numbered(1), 'box2')
    three.select()
    assert three.seen() == [[], [], []]


# Rights, and the switch.


def test_read_only_but_for_seen(three):
    """RFC 4314 5.2: s is no shared flag right here, so READ-ONLY; what can be changed is told in PERMANENTFLAGS."""
    three.owner.ok('SETACL box %s lrs' % three.names[1])
    r = three.ann.select(three.theirs)
    assert r.code[0] == 'READ-ONLY' and r.codes()['PERMANENTFLAGS'] == [['\\Seen']]
    three.ann.ok('STORE 1 +FLAGS (\\Seen)')
    three.ann.ok('FETCH 2 (BODY[])')
    three.ann.refused('STORE 1 +FLAGS (\\Flagged)')
    r = three.ann.ok('EXAMINE %s' % quote(three.theirs))
    assert r.codes()['PERMANENTFLAGS'] == [[]]
    three.ann.refused('STORE 3 +FLAGS (\\Seen)')
    assert three.seen() == [[], [1, 2], []]


def test_rights_taken_and_given_again(three):
    three.ann.ok('STORE 1 +FLAGS (\\Seen)')
    three.owner.ok('DELETEACL box %s' % three.names[1])
    three.ann.ok('NOOP')
    three.owner.ok('SETACL box %s lrswite' % three.names[1])
    three.ann.select(three.theirs)
    assert three.seen() == [[], [1], []]


def value(c, box):
    r = c.ok('GETMETADATA %s %s' % (quote(box), SEEN)).one('METADATA')
    return dict(zip(map(text, r.data[1][::2]), r.data[1][1::2]))[SEEN]


def test_switch(three):
    """By hand, with the right a; what is told to all but the owner has new modseqs."""
    assert text(value(three.owner, 'box')) == text(value(three.ann, three.theirs)) == 'private'
    three.ann.no('SETMETADATA %s (%s "shared")' % (quote(three.theirs), SEEN), code='NOPERM')
    three.owner.refused('SETMETADATA box (%s "maybe")' % SEEN)
    three.ann.ok('STORE 1 +FLAGS (\\Seen)')
    three.owner.ok('STORE 2 +FLAGS (\\Seen)')
    three.ann.enable('CONDSTORE')
    before = highest(three.ann, three.theirs), highest(three.owner, 'box')
    tag = three.ann.idle()
    three.owner.ok('SETMETADATA box (%s "shared")' % SEEN)
    assert '\\Seen' not in three.ann.wait_name('FETCH', 1).attrs['FLAGS']
    assert '\\Seen' in three.ann.wait_name('FETCH', 2).attrs['FLAGS']
    three.ann.wait_name('FETCH', 4)
    three.ann.done(tag)
    assert highest(three.ann, three.theirs) > before[0]
    assert min(modseqs(three.ann).values()) > before[0]
    # As by any other annotation (RFC 7162 3.2), but no message has changed for him.
    assert max(modseqs(three.owner).values()) <= before[1] < highest(three.owner, 'box')
    assert three.seen() == [[2], [2], [2]]
    three.bob.ok('STORE 4 +FLAGS (\\Seen)')
    assert three.seen() == [[2, 4], [2, 4], [2, 4]]
    assert three.ann.select(three.theirs).code[0] == 'READ-WRITE'
    three.owner.ok('SETMETADATA box (%s "private")' % SEEN)
    assert three.seen() == [[2, 4], [1], []]


def test_said_by_hand_stays(imap, server):
    """Before it is shared for the first time, and for what is made below."""
    other = server.user()
    imap.ok('CREATE plain')
    assert value(imap, 'plain') is None
    imap.ok('SETMETADATA plain (%s "shared")' % SEEN)
    imap.ok('SETACL plain %s lrs' % other)
    imap.ok('CREATE plain/below')
    imap.ok('SETACL plain/below %s lrsw' % other)
    assert text(value(imap, 'plain')) == text(value(imap, 'plain/below')) == 'shared'
    imap.ok('SETACL INBOX %s lrs' % other)
    assert text(value(imap, 'INBOX')) == 'private'


def test_many_messages(three):
    """More than one page, and more than one commit; a page that a device has not looked at for long."""
    for c, box in three.all[:1]:
        for n in range(5, 200):
            c.append(mail.numbered(n), 'box')
    device, box = three.device(1)
    device.select(box)
    tag = device.idle()
    three.ann.ok('NOOP')
    three.ann.ok('STORE 3:190 +FLAGS.SILENT (\\Seen)')
    device.wait_name('FETCH', 190)
    device.done(tag)
    three.owner.ok('NOOP')
    three.owner.ok('STORE 60:70 +FLAGS (\\Deleted)')
    three.owner.ok('EXPUNGE')
    assert three.seen() == [[], list(range(3, 180)), []]


def test_notify(three):
    """RFC 5465 5.3: a STATUS when one's own mark changes, none for those of others."""
    watch, box = three.device(1)
    watch.ok('NOTIFY SET (mailboxes %s (MessageNew MessageExpunge FlagChange))' % quote(box))
    three.owner.ok('STORE 1:2 +FLAGS (\\Seen)')
    three.bob.ok('STORE 1:3 +FLAGS (\\Seen)')
    watch.silent()
    three.ann.ok('STORE 4 +FLAGS (\\Seen)')
    told = watch.wait_name('STATUS')
    assert text(told.data[0]) == box and told.attrs.get('UNSEEN', 3) == 3
