"""NOTIFY (RFC 5465): events of all mailboxes, also between commands."""

import os
import random

import pytest

from harness import mail
from harness.imap import Lit, Timeout, quote, text

PAIR = 'MessageNew MessageExpunge'
EVENTS = ['MessageNew', 'MessageExpunge', 'FlagChange', 'AnnotationChange', 'MailboxName', 'SubscriptionChange',
    'MailboxMetadataChange', 'ServerMetadataChange']


class Watcher:
    """A connection whose news are taken one after the other, each once."""

    def __init__(self, c):
        self.c = c

    def take(self, name, what=lambda r: True):
        r = self.c.wait(lambda r: r.name == name and what(r), what=name)
        self.c.untagged.remove(r)
        return r

    def status(self, mailbox):
        return self.take('STATUS', lambda r: text(r.data[0]) == mailbox).attrs

    def listed(self, mailbox):
        """Attributes in small letters, and the old name."""
        r = self.take('LIST', lambda r: text(r.data[2]) == mailbox)
        old = None
        if len(r.data) > 3:
            assert len(r.data) == 4 and len(r.data[3]) == 2 and text(r.data[3][0]) == 'OLDNAME', r
            old, = r.data[3][1]
        return set(str(a).lower() for a in r.data[0]), old and text(old)

    def metadata(self, mailbox):
        r = self.take('METADATA', lambda r: text(r.data[0]) == mailbox)
        return sorted(text(n).lower() for n in r.data[1:])

    def nothing(self):
        """What has happened so far has brought no news."""
        self.c.ok('NOOP')

    def nothing_but(self, *names):
        while True:
            try:
                self.c.response(0.2)
            except Timeout:
                break
        assert [r for r in self.c.untagged if r.name not in names] == []


class Three:
    """A watcher and an actor on one account, and somebody else."""

    def __init__(self, server, connect):
        self.user, self.other_user = server.user(), server.user()
        self.server, self.connect = server, connect
        self.c = connect(user=self.user, name='w')
        self.w = Watcher(self.c)
        self.actor = connect(user=self.user, name='a')

    def other(self):
        return self.connect(user=self.other_user, name='o')


@pytest.fixture
def three(server, connect):
    return Three(server, connect)


def notify(c, *groups, status=False):
    return c.ok('NOTIFY SET %s%s' % ('STATUS ' if status else '', ' '.join(groups)))


def test_capability(imap):
    assert 'NOTIFY' in imap.capabilities()


# Grammar and errors (RFC 5465 3.1, 5, 6.1, 8).


@pytest.mark.parametrize('args', [
    '', ' ', ' SOME', ' SET', ' SET ', ' SET STATUS', ' SET STATUS ', ' NONE ', ' NONE x', ' SET NONE',
    ' SET (personal)', ' SET (personal ())', ' SET (personal MessageNew)', ' SET (personal (%s)' % PAIR, ' SET personal (%s)' % PAIR,
    ' SET (elsewhere (%s))' % PAIR, ' SET (personal (%s)) ' % PAIR, ' SET  (personal (%s))' % PAIR,
    ' SET (personal (%s))(inboxes NONE)' % PAIR, ' SET (personal  (%s))' % PAIR,
    ' SET (subtree (%s))' % PAIR, ' SET (mailboxes () (%s))' % PAIR, ' SET (mailboxes (a  b) (%s))' % PAIR,
    ' SET (mailboxes a* (%s))' % PAIR, ' SET (mailboxes a b (%s))' % PAIR, ' STATUS SET (personal NONE)',
    # 5: both or none; with FlagChange and AnnotationChange both.
    ' SET (personal (MessageNew))', ' SET (personal (MessageExpunge))', ' SET (personal (FlagChange))',
    ' SET (personal (AnnotationChange))', ' SET (personal (MessageNew FlagChange))', ' SET (selected (MessageExpunge FlagChange))',
    ' SET (personal (MailboxName MessageNew))',
    # 6.1: only one of the two, only events of messages.
    ' SET (selected (%s)) (selected (%s))' % (PAIR, PAIR), ' SET (selected (%s)) (selected-delayed NONE)' % PAIR,
    ' SET (selected (MailboxName))', ' SET (selected-delayed (%s ServerMetadataChange))' % PAIR,
    ' SET (selected (SubscriptionChange))', ' SET (selected (MailboxMetadataChange))',
    # 8: attributes for the selected mailbox only.
    ' SET (personal (MessageNew (UID) MessageExpunge))', ' SET (selected (MessageNew () MessageExpunge))',
    ' SET (selected (MessageNew (FROB) MessageExpunge))', ' SET (selected (MessageNew UID MessageExpunge) )',
    ' SET (selected (MessageNew (ALL) MessageExpunge))', ' SET (selected (MessageExpunge (UID) MessageNew))',
])
def test_bad(imap, args):
    imap.bad('NOTIFY' + args)


@pytest.mark.parametrize('args', [
    'NONE', 'none', 'SET (personal NONE)', 'set (Selected None)', 'SET STATUS (inboxes (%s))' % PAIR.lower(),
    'SET (SELECTED-DELAYED (%s FlagChange)) (SUBSCRIBED (MailboxName))' % PAIR.upper(),
    'SET (mailboxes INBOX (%s)) (mailboxes "in&box" (%s)) (mailboxes (a "b c" inbox) (%s))' % (PAIR, PAIR, PAIR),
    'SET (subtree "*" (%s)) (mailboxes ("%%" "a*") NONE)' % PAIR,
    'SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From To)] PREVIEW (LAZY) BODY.PEEK[]<0.10>) MessageExpunge))',
    'SET (personal (ServerMetadataChange)) (personal (MailboxMetadataChange MailboxMetadataChange))',
])
def test_good(imap, args):
    imap.ok('NOTIFY ' + args)


def test_literals(imap):
    imap.ok('NOTIFY SET (mailboxes ', Lit(b'INBOX'), ' (%s))' % PAIR)
    imap.ok('NOTIFY SET STATUS (subtree (', Lit(b'a', plus=True), ' ', Lit(b'b c'), ') NONE)')


def test_before_login(anon):
    anon.bad('NOTIFY NONE')


@pytest.mark.parametrize('events', ['Frobnication', 'MessageNew MessageExpunge MessageMoved', 'x-vendor.event'])
@pytest.mark.parametrize('filter', ['personal', 'selected'])
def test_bad_event(imap, filter, events):
    """3.1: a tagged NO, not a BAD; all that are supported are listed."""
    r = imap.no('NOTIFY SET (%s (%s))' % (filter, events), code='BADEVENT')
    listed = [text(w) for w in r.code[1]]
    assert set(listed) <= set(EVENTS) and len(listed) == len(set(listed))
    assert set(EVENTS) == set(listed)
    # What is listed is accepted.
    imap.ok('NOTIFY SET (personal (%s))' % ' '.join(listed))


def test_annotation_change(login):
    """5.1: FETCH with UID and the names of what changed (RFC 5257 4.4); in another mailbox STATUS with HIGHESTMODSEQ."""
    one, two = login(name='a'), login(name='b')
    one.append(mail.numbered(1))
    one.select()
    two.ok('ENABLE CONDSTORE')
    two.select()
    two.ok('NOTIFY SET (selected (%s AnnotationChange)) (personal (%s AnnotationChange))' % (PAIR, PAIR))
    one.ok('STORE 1 +FLAGS (\\Flagged)')
    one.ok('STORE 1 ANNOTATION (/comment (value.priv "x"))')
    told = two.wait(lambda r: r.name == 'FETCH')
    assert [text(n) for n in told.attrs['ANNOTATION']] == ['/comment'] and 'UID' in told.attrs
    two.ok('UNSELECT')
    two.untagged = []
    one.ok('STORE 1 ANNOTATION (/comment (value.priv NIL))')
    assert 'HIGHESTMODSEQ' in [str(w) for w in two.wait(lambda r: r.name == 'STATUS').data[1]]
    # Without the event nothing is told of annotations.
    two.ok('NOTIFY SET (selected (%s FlagChange))' % PAIR)
    two.ok('SELECT INBOX (ANNOTATE)')
    one.ok('STORE 1 ANNOTATION (/comment (value.priv "y"))')
    assert 'ANNOTATION' not in two.wait(lambda r: r.name == 'FETCH').attrs


def test_bad_syntax_is_worse_than_a_bad_event(imap):
    imap.bad('NOTIFY SET (personal (Frobnication MessageNew))')
    imap.bad('NOTIFY SET (personal (Frobnication)')


def test_refused_leaves_what_was(three):
    """3.1: the effect lasts until the next successful NOTIFY."""
    notify(three.c, '(personal (MailboxName))')
    three.c.no('NOTIFY SET (personal (Frobnication))', code='BADEVENT')
    three.c.bad('NOTIFY SET (personal (MessageNew))')
    three.actor.ok('CREATE new')
    three.w.listed('new')


@pytest.mark.parametrize('args', [
    ' '.join(['(personal NONE)'] * 65),
    '(mailboxes (%s) (%s))' % (' '.join('m%d' % n for n in range(1001)), PAIR),
    '(mailboxes (%s) (%s))' % (' '.join('m%d' % n + 'x' * 900 for n in range(20)), PAIR),
])
def test_too_much(imap, args):
    """3.1: a tagged NO [NOTIFICATIONOVERFLOW]."""
    imap.no('NOTIFY SET ' + args, code='NOTIFICATIONOVERFLOW')
    imap.ok('NOTIFY SET (personal NONE)')


# Names of mailboxes.


def test_names_that_are_not_there(imap):
    """3.1: ignored; 6.6: no wildcards."""
    r = notify(imap, '(mailboxes ("no such" "*" "%%" "&bad;" "a//b") (%s))' % PAIR, '(subtree nowhere (%s))' % PAIR, status=True)
    assert r.untagged == []


def test_utf7(three):
    three.c.ok('CREATE "Entw&APw-rfe"')
    notify(three.c, '(mailboxes "Entw&APw-rfe" (%s))' % PAIR)
    three.actor.append(mail.numbered(1), 'Entw&APw-rfe')
    assert three.w.status('Entw&APw-rfe')['MESSAGES'] == 1


def test_utf8(three):
    three.actor.ok('CREATE "Entw&APw-rfe"')
    three.c.enable('IMAP4rev2')
    notify(three.c, '(mailboxes "Entwürfe" (%s))'.encode().replace(b'%s', PAIR.encode()).decode())
    three.actor.append(mail.numbered(1), 'Entw&APw-rfe')
    assert three.w.status('Entwürfe')['MESSAGES'] == 1


# The status at the beginning (3.1).


def statuses(r):
    return dict((text(u.data[0]), u.attrs) for u in r.all('STATUS'))


def test_status(three):
    three.actor.ok('CREATE one')
    three.actor.ok('CREATE one/two')
    three.actor.append(mail.numbered(1), 'one/two')
    validity = three.actor.status('one/two', 'UIDVALIDITY')['UIDVALIDITY']
    found = statuses(notify(three.c, '(subtree one (%s))' % PAIR, status=True))
    assert set(found) == {'one', 'one/two'}
    assert found['one/two'] == {'MESSAGES': 1, 'UIDNEXT': 2, 'UIDVALIDITY': validity}
    found = statuses(notify(three.c, '(mailboxes one/two (%s FlagChange))' % PAIR, status=True))
    assert set(found['one/two']) >= {'MESSAGES', 'UIDNEXT', 'UIDVALIDITY', 'HIGHESTMODSEQ'}
    assert found['one/two']['HIGHESTMODSEQ'] == three.actor.status('one/two', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']


def test_no_status(three):
    """Not without STATUS, not without message events, not of the selected mailbox."""
    assert notify(three.c, '(personal (%s))' % PAIR).untagged == []
    assert statuses(notify(three.c, '(personal (MailboxName SubscriptionChange))', status=True)) == {}
    assert statuses(notify(three.c, '(personal NONE)', status=True)) == {}
    three.c.select('INBOX')
    found = statuses(notify(three.c, '(selected (%s))' % PAIR, '(personal (%s))' % PAIR, status=True))
    assert 'INBOX' not in found and 'Sent' in found


@pytest.mark.parametrize('filter', ['personal', 'inboxes', 'subscribed', 'subtree INBOX', 'mailboxes (INBOX Sent)'])
def test_filters(three, filter):
    three.actor.ok('CREATE plain')
    three.actor.ok('CREATE INBOX/in')
    three.actor.ok('SUBSCRIBE INBOX/in')
    wanted = {
        'personal': {'INBOX', 'INBOX/in', 'plain', 'Sent', 'Drafts', 'Junk', 'Trash', 'Archive'},
        'subscribed': {'INBOX', 'INBOX/in', 'Sent', 'Drafts', 'Junk', 'Trash', 'Archive'},
        'subtree INBOX': {'INBOX', 'INBOX/in'},
        'mailboxes (INBOX Sent)': {'INBOX', 'Sent'},
    }
    wanted['inboxes'] = wanted['personal']
    assert set(statuses(notify(three.c, '(%s (%s))' % (filter, PAIR), status=True))) == wanted[filter]
    for name in sorted(wanted[filter]) + ['plain']:
        three.actor.append(mail.numbered(1), name)
        if name in wanted[filter]:
            assert three.w.status(name)['MESSAGES'] >= 1
    three.w.nothing_but()


def test_many_mailboxes(three):
    for n in range(300):
        three.actor.begin('CREATE many/%03d' % n)
    three.actor.ok('NOOP')
    found = statuses(notify(three.c, '(subtree many (%s))' % PAIR, status=True))
    assert len(found) == 301
    three.actor.append(mail.numbered(1), 'many/277')
    assert three.w.status('many/277')['MESSAGES'] == 1


# Messages in other mailboxes (5.1, 5.2, 5.3).


def test_example(three):
    """3.1, with the parentheses that the grammar wants, and MessageExpunge beside MessageNew."""
    for name in ('Lists', 'Lists/Lemonade', 'Lists/Im2000', 'misc'):
        three.actor.ok('CREATE ' + name)
    selected = '(selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge))'
    lists = '(subtree Lists (MessageNew MessageExpunge))'
    found = statuses(three.c.ok('notify set status %s %s' % (selected, lists)))
    assert set(found) == {'Lists', 'Lists/Lemonade', 'Lists/Im2000'}
    assert all(set(f) == {'UIDVALIDITY', 'UIDNEXT', 'MESSAGES'} for f in found.values())
    three.c.select('INBOX')
    three.actor.append(mail.numbered(1), 'Lists/Lemonade')
    s = three.w.status('Lists/Lemonade')
    assert (s['UIDNEXT'], s['MESSAGES']) == (found['Lists/Lemonade']['UIDNEXT'] + 1, 1)
    uid = three.actor.append(mail.simple(subject='Re: good morning'), 'INBOX')
    three.w.take('EXISTS')
    r = three.w.take('FETCH')
    assert r.number == 1 and set(r.attrs) == {'UID', 'BODY[HEADER.FIELDS (FROM TO SUBJECT)]'}
    assert r.attrs['UID'] == uid and b'Subject: Re: good morning\r\n' in r.attrs['BODY[HEADER.FIELDS (FROM TO SUBJECT)]']
    three.c.ok('STATUS misc (UIDVALIDITY UIDNEXT MESSAGES)')
    assert three.c.ok('notify set %s %s (mailboxes misc (MessageNew MessageExpunge))' % (selected, lists)).untagged == []
    three.actor.append(mail.numbered(1), 'misc')
    assert three.w.status('misc')['MESSAGES'] == 1
    assert three.actor.status('INBOX', 'UNSEEN')['UNSEEN'] == 1


def test_new_and_expunged(three):
    """5.2, 5.3: UIDNEXT and MESSAGES, HIGHESTMODSEQ only when CONDSTORE is enabled."""
    notify(three.c, '(mailboxes (Sent Trash) (%s))' % PAIR)
    three.actor.append(mail.numbered(1), 'Sent')
    s = three.w.status('Sent')
    assert (s['UIDNEXT'], s['MESSAGES']) == (2, 1) and 'HIGHESTMODSEQ' not in s
    three.actor.select('Sent')
    three.actor.ok('COPY 1 Trash')
    assert three.w.status('Trash')['MESSAGES'] == 1
    three.actor.ok('STORE 1 +FLAGS (\\Deleted)')
    three.actor.ok('EXPUNGE')
    s = three.w.status('Sent')
    assert (s['UIDNEXT'], s['MESSAGES']) == (2, 0)
    three.actor.append(mail.numbered(1), 'Drafts')
    three.w.nothing_but()


@pytest.mark.parametrize('enable', ['CONDSTORE', 'QRESYNC'])
def test_with_modseq(three, enable):
    three.c.enable(enable)
    notify(three.c, '(mailboxes Sent (%s))' % PAIR)
    three.actor.append(mail.numbered(1), 'Sent')
    modseq = three.actor.status('Sent', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
    assert three.w.status('Sent')['HIGHESTMODSEQ'] == modseq
    three.actor.select('Sent')
    three.actor.ok('STORE 1 +FLAGS (\\Deleted)')    # FlagChange was not asked for
    three.actor.ok('EXPUNGE')
    s = three.w.status('Sent')
    assert (s['UIDNEXT'], s['MESSAGES']) == (2, 0) and s['HIGHESTMODSEQ'] > modseq
    three.w.nothing_but()


def test_flag_change_without_condstore(three):
    """5.1: told only when UNSEEN is."""
    three.actor.append(mail.numbered(1), 'Sent')
    notify(three.c, '(mailboxes Sent (%s FlagChange))' % PAIR)
    three.actor.select('Sent')
    three.actor.ok('STORE 1 +FLAGS (\\Flagged)')
    three.actor.ok('STORE 1 +FLAGS (\\Seen)')
    s = three.w.status('Sent')
    assert s['UNSEEN'] == 0 and 'MESSAGES' not in s
    three.w.nothing_but()


def test_flag_change_with_condstore(three):
    """5.1: at least HIGHESTMODSEQ and UIDVALIDITY."""
    three.c.enable('CONDSTORE')
    three.actor.append(mail.numbered(1), 'Sent')
    notify(three.c, '(mailboxes Sent (%s FlagChange))' % PAIR)
    three.actor.select('Sent')
    three.actor.ok('STORE 1 +FLAGS ($Junk)')
    s = three.w.status('Sent')
    now = three.actor.status('Sent', 'HIGHESTMODSEQ', 'UIDVALIDITY')
    assert (s['HIGHESTMODSEQ'], s['UIDVALIDITY']) == (now['HIGHESTMODSEQ'], now['UIDVALIDITY'])


def test_uidvalidity(three):
    """5.1: a mailbox of the same name that is another one; names were not asked for."""
    three.actor.ok('CREATE box')
    three.actor.append(mail.numbered(1), 'box')
    before = statuses(notify(three.c, '(mailboxes box (%s FlagChange))' % PAIR, status=True))['box']
    tags = [three.c.begin('NOOP')]      # the two changes may be told as one, or not
    three.actor.ok('DELETE box')
    three.actor.ok('CREATE box')
    three.actor.append(mail.numbered(2), 'box')
    three.c.end(tags[0])
    while True:
        s = three.w.status('box')
        if s.get('UIDVALIDITY', 0) > before['UIDVALIDITY']:
            break


def test_lmtp(three):
    notify(three.c, '(inboxes (%s))' % PAIR)
    c = three.server.lmtp_connect()
    c.lhlo()
    c.deliver(mail.numbered(1), [three.user])
    c.close()
    assert three.w.status('INBOX')['MESSAGES'] == 1


def test_own_changes_are_not_told(three):
    """5: SHOULD omit what this client caused."""
    c = three.c
    c.append(mail.numbered(1), 'Archive')
    c.select('Archive')
    notify(c, '(selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))',
        '(personal (%s FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))' % PAIR)
    c.append(mail.numbered(2), 'Sent')
    c.ok('COPY 1 Trash')
    c.ok('CREATE mine')
    c.ok('CREATE mine/child')
    c.ok('SUBSCRIBE mine')
    c.ok('RENAME mine yours')
    c.ok('SETMETADATA yours (/private/comment "x")')
    c.ok('SETMETADATA "" (/private/comment "x")')
    c.ok('SETACL yours %s lr' % three.other_user)
    c.ok('UNSUBSCRIBE yours')
    c.ok('DELETE yours/child')
    c.ok('DELETE yours')
    c.ok('NOOP')
    three.w.nothing_but()
    assert not [line for line in c.log if line.startswith((b'S: * LIST', b'S: * STATUS', b'S: * METADATA'))]
    # What others do is told all the same.
    three.actor.append(mail.numbered(3), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 2


def test_others_between_own_changes(three):
    """A change of somebody else to the very mailbox that we change too is not lost."""
    notify(three.c, '(personal (%s MailboxName))' % PAIR)
    for n in range(30):
        own, theirs = three.c.begin('APPEND Sent ', Lit(mail.numbered(n), plus=True)), None
        theirs = three.actor.begin('APPEND Sent ', Lit(mail.numbered(n), plus=True))
        three.c.end(own)
        three.actor.end(theirs)
    three.actor.append(mail.numbered(1), 'Sent')
    while three.w.status('Sent')['MESSAGES'] != 61:
        pass


# The selected mailbox (6.1, 5.1 to 5.3).


def test_immediate(three):
    three.actor.append(mail.numbered(1))
    three.c.select()
    notify(three.c, '(selected (%s FlagChange))' % PAIR)
    three.actor.select()
    uid = three.actor.append(mail.numbered(2))
    assert three.w.take('EXISTS').number == 2
    three.actor.ok('STORE 2 +FLAGS ($Junk)')
    r = three.w.take('FETCH')
    assert r.number == 2 and r.attrs['UID'] == uid and '$Junk' in [str(f) for f in r.attrs['FLAGS']]
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    assert three.w.take('FETCH').number == 1
    three.actor.ok('EXPUNGE')
    assert three.w.take('EXPUNGE').number == 1
    three.w.nothing_but('RECENT', 'FLAGS', 'OK')
    assert three.c.ok('UID SEARCH ALL').search() == [uid]


def test_vanished(three):
    """5.3: the same example with QRESYNC."""
    three.actor.append(mail.numbered(1))
    uid = three.actor.append(mail.numbered(2))
    three.c.enable('QRESYNC')
    three.c.select()
    notify(three.c, '(selected (%s FlagChange))' % PAIR)
    three.actor.select()
    three.actor.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    r = three.w.take('FETCH')
    assert r.attrs['UID'] == uid and r.attrs['MODSEQ']
    three.actor.ok('EXPUNGE')
    assert str(three.w.take('VANISHED').data[-1]) == str(uid)


def test_uidonly(three):
    three.actor.append(mail.numbered(1))
    three.c.checking = False
    three.c.enable('UIDONLY')
    three.c.select()
    notify(three.c, '(selected (MessageNew (UID FLAGS PREVIEW) MessageExpunge FlagChange))')
    three.actor.select()
    uid = three.actor.append(mail.numbered(2))
    r = three.w.take('UIDFETCH')
    assert r.number == uid and 'PREVIEW' in r.attrs
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    three.w.take('UIDFETCH')
    three.actor.ok('EXPUNGE')
    three.w.take('VANISHED')


def test_delayed(three):
    """6.1.2: EXPUNGE waits for a command that may tell it; sequence numbers stay right until then."""
    for n in (1, 2, 3):
        three.actor.append(mail.numbered(n))
    three.c.select()
    notify(three.c, '(selected-delayed (%s FlagChange))' % PAIR)
    three.actor.select()
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    three.w.take('FETCH')
    three.actor.ok('EXPUNGE')
    three.actor.append(mail.numbered(4))
    assert three.w.take('EXISTS').number == 4       # message 1 is still counted
    assert b'Subject: Message 2' in three.c.body(2, 'HEADER')
    three.w.nothing_but('RECENT', 'FLAGS', 'OK')
    r = three.c.ok('FETCH 4 (UID)')
    assert r.expunged() == []
    r = three.c.ok('NOOP')
    assert r.expunged() == [1]
    assert b'Subject: Message 4' in three.c.body(3, 'HEADER')


def test_delayed_and_pipelined(three):
    for n in (1, 2, 3):
        three.actor.append(mail.numbered(n))
    three.c.select()
    notify(three.c, '(selected-delayed (%s))' % PAIR)
    three.actor.select()
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    three.actor.ok('EXPUNGE')
    three.c.send(b't1 NOOP\r\nt2 FETCH 2 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\nt3 NOOP\r\n')
    three.c.pending += [('t1', 'NOOP'), ('t2', 'FETCH'), ('t3', 'NOOP')]
    assert three.c.end('t1').expunged() == []
    assert b'Message 2' in three.c.end('t2').fetch(2)['BODY[HEADER.FIELDS (SUBJECT)]']
    assert three.c.end('t3').expunged() == [1]


def test_no_flag_change(three):
    """FlagChange was not asked for: others' flags are not told, the answer to the own STORE is."""
    three.actor.append(mail.numbered(1))
    three.c.select()
    notify(three.c, '(selected (%s))' % PAIR)
    three.actor.select()
    three.actor.ok('STORE 1 +FLAGS (\\Flagged)')
    three.w.nothing_but('FLAGS', 'OK')
    assert three.c.ok('NOOP').all('FETCH') == []
    r = three.c.ok('STORE 1 +FLAGS (\\Answered)')
    assert set(str(f) for f in r.fetch(1)['FLAGS']) >= {'\\Answered', '\\Flagged'}


@pytest.mark.parametrize('how', ['NOTIFY NONE', 'NOTIFY SET (selected NONE)', 'NOTIFY SET (personal (%s))' % PAIR])
def test_selected_none(three, how):
    """3.1: no message events of the selected mailbox, neither at the end of commands nor in IDLE; what commands answer stays."""
    uids = [three.actor.append(mail.numbered(n)) for n in (1, 2)]
    three.c.select()
    three.c.ok(how)
    three.actor.select()
    three.actor.append(mail.numbered(3))
    three.actor.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    three.actor.ok('EXPUNGE')
    for command in ('NOOP', 'CHECK', 'UID SEARCH ALL', 'NOOP'):
        r = three.c.ok(command)
        assert not [u for u in r.untagged if u.name in ('EXISTS', 'EXPUNGE', 'FETCH', 'STATUS')], r
    tag = three.c.idle()
    three.actor.append(mail.numbered(4))
    three.c.silent()
    r = three.c.done(tag)
    assert not [u for u in r.untagged if u.name in ('EXISTS', 'EXPUNGE', 'FETCH', 'STATUS')], r
    assert b'Message 1' in three.c.body(1, 'HEADER')
    r = three.c.ok('UID STORE %d +FLAGS (\\Flagged)' % uids[0])
    assert '\\Flagged' in [str(f) for f in r.fetch(1)['FLAGS']]
    # A mailbox that is opened anew is as it is.
    three.c.select()
    assert three.c.exists == 3
    # And with it the events come back.
    notify(three.c, '(selected (%s))' % PAIR)
    three.actor.append(mail.numbered(5))
    assert three.w.take('EXISTS').number == 4


def test_implicit_noop(three):
    """3.1: NOTIFY SET tells at once what has gathered in the selected mailbox."""
    three.actor.append(mail.numbered(1))
    three.c.select()
    three.c.ok('NOTIFY NONE')
    three.actor.select()
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    three.actor.append(mail.numbered(2))
    three.actor.ok('EXPUNGE')
    r = notify(three.c, '(selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))')
    assert r.expunged() == [1] and r.one('EXISTS').number == 1
    r = three.c.ok('NOOP')
    assert r.untagged == []


def test_fetch_attributes(three):
    three.c.select()
    notify(three.c, '(selected (MessageNew (UID FLAGS MODSEQ ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY.PEEK[1] BODY[TEXT]<0.4>) '
        'MessageExpunge))')
    uid = three.actor.append(mail.numbered(1), flags='\\Flagged')
    three.w.take('EXISTS')
    r = three.w.take('FETCH')
    assert r.number == 1 and r.attrs['UID'] == uid and '\\Flagged' in [str(f) for f in r.attrs['FLAGS']]
    assert set(r.attrs) == {'UID', 'FLAGS', 'MODSEQ', 'ENVELOPE', 'BODYSTRUCTURE', 'RFC822.SIZE', 'BODY[1]', 'BODY[TEXT]<0>'}
    # \Seen is not set by what nobody reads.
    assert three.actor.status('INBOX', 'UNSEEN')['UNSEEN'] == 1


def test_exists_comes_before_fetch(three):
    """5.2, and one EXISTS may stand for several messages."""
    three.c.select()
    notify(three.c, '(selected (MessageNew (UID) MessageExpunge))')
    tags = [three.actor.begin('APPEND INBOX ', Lit(mail.numbered(n), plus=True)) for n in range(20)]
    for tag in tags:
        three.actor.end(tag)
    for n in range(1, 21):
        assert three.w.take('FETCH').number == n
    assert three.c.exists == 20     # the harness checks that no FETCH was beyond it


def test_own_messages_are_not_fetched(three):
    """5.2: not for those that this connection created."""
    three.actor.append(mail.numbered(1), 'Sent')
    three.c.select('Sent')
    notify(three.c, '(selected (MessageNew (UID FLAGS) MessageExpunge))')
    three.c.ok('NOOP')
    r = three.c.cmd('APPEND Sent ', Lit(mail.numbered(2)))
    assert r.one('EXISTS').number == 2 and r.all('FETCH') == []
    r = three.c.ok('COPY 1:2 Sent')
    assert r.one('EXISTS').number == 4 and r.all('FETCH') == []
    uid = three.actor.append(mail.numbered(3), 'Sent')
    assert three.w.take('FETCH').attrs['UID'] == uid


def test_large_message_is_fetched(three):
    three.c.select()
    notify(three.c, '(selected (MessageNew (UID BODY.PEEK[]) MessageExpunge))')
    message = mail.sized(3000000)
    three.actor.append(message)
    assert three.w.take('FETCH').attrs['BODY[]'] == message


def test_selected_wherever_it_is(three):
    """3.1: the selected mailbox, whatever that is when something happens."""
    notify(three.c, '(selected (%s))' % PAIR, '(personal (%s))' % PAIR)
    three.actor.append(mail.numbered(1), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 1
    three.c.select('Sent')
    three.actor.append(mail.numbered(2), 'Sent')
    assert three.w.take('EXISTS').number == 2
    three.w.nothing_but('RECENT')
    three.c.select('Trash')
    three.actor.append(mail.numbered(3), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 3
    three.c.ok('CLOSE')
    three.actor.append(mail.numbered(1), 'Trash')
    assert three.w.status('Trash')['MESSAGES'] == 1
    three.c.ok('EXAMINE Trash')
    three.c.exists = 1
    three.actor.append(mail.numbered(2), 'Trash')
    assert three.w.take('EXISTS').number == 2


def test_deleted_while_selected(three):
    three.actor.ok('CREATE box')
    three.actor.append(mail.numbered(1), 'box')
    three.c.select('box')
    notify(three.c, '(selected (%s))' % PAIR, '(personal (MailboxName))')
    three.actor.ok('DELETE box')
    assert three.w.take('EXPUNGE').number == 1
    assert '\\nonexistent' in three.w.listed('box')[0]
    three.c.ok('UNSELECT')


# IDLE (4).


def test_idle(three):
    three.c.select()
    notify(three.c, '(selected (MessageNew (UID) MessageExpunge))', '(personal (%s MailboxName))' % PAIR)
    tag = three.c.idle()
    uid = three.actor.append(mail.numbered(1))
    assert three.w.take('FETCH').attrs['UID'] == uid
    three.actor.append(mail.numbered(1), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 1
    three.actor.ok('CREATE new')
    three.w.listed('new')
    three.c.done(tag)
    three.actor.ok('CREATE newer')
    three.w.listed('newer')


def test_idle_without_a_mailbox(three):
    notify(three.c, '(personal (%s))' % PAIR)
    tag = three.c.idle()
    three.actor.append(mail.numbered(1), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 1
    three.actor.append(mail.numbered(2), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 2
    three.c.done(tag)


def test_idle_and_delayed(three):
    three.actor.append(mail.numbered(1))
    three.c.select()
    notify(three.c, '(selected-delayed (%s))' % PAIR)
    tag = three.c.idle()
    three.actor.select()
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    three.actor.ok('EXPUNGE')
    assert three.w.take('EXPUNGE').number == 1
    three.c.done(tag)


# Names (5.4).


def test_created_and_deleted(three):
    notify(three.c, '(personal (MailboxName))')
    three.actor.ok('CREATE NewMailbox')
    attributes, old = three.w.listed('NewMailbox')
    assert attributes == {'\\hasnochildren'} and old is None
    three.actor.ok('CREATE NewMailbox/child')
    assert three.w.listed('NewMailbox/child')[0] == {'\\hasnochildren'}
    assert three.w.listed('NewMailbox')[0] == {'\\haschildren'}     # the parent is affected
    three.actor.ok('DELETE NewMailbox/child')
    assert '\\nonexistent' in three.w.listed('NewMailbox/child')[0]
    assert three.w.listed('NewMailbox')[0] == {'\\hasnochildren'}
    three.actor.ok('DELETE NewMailbox')
    assert '\\nonexistent' in three.w.listed('NewMailbox')[0]
    three.w.nothing_but()


def test_deleted_with_children(three):
    three.actor.ok('CREATE up/down')
    notify(three.c, '(personal (MailboxName))')
    three.actor.ok('DELETE up')
    assert three.w.listed('up')[0] == {'\\nonexistent', '\\haschildren'}
    three.actor.ok('CREATE up')
    assert three.w.listed('up')[0] == {'\\haschildren'}


def test_renamed(three):
    three.actor.ok('CREATE OldMailbox/child/grandchild')
    notify(three.c, '(personal (MailboxName))')
    three.actor.ok('RENAME OldMailbox NewMailbox')
    attributes, old = three.w.listed('NewMailbox')
    assert old == 'OldMailbox' and attributes == {'\\haschildren'}
    three.w.nothing_but()       # no events for children, none for the old name
    three.actor.ok('RENAME NewMailbox/child other')
    assert three.w.listed('other') == ({'\\haschildren'}, 'NewMailbox/child')
    three.w.nothing_but()


def test_child_renamed_where_its_parent_is_not_watched(three):
    three.actor.ok('CREATE a/b')
    notify(three.c, '(mailboxes a/b (MailboxName))')
    three.actor.ok('RENAME a c')
    assert three.w.listed('c/b')[1] == 'a/b'


def test_inbox_renamed(three):
    """No event for INBOX, and the new mailbox was INBOX."""
    three.actor.append(mail.numbered(1))
    notify(three.c, '(personal (MailboxName))')
    three.actor.ok('RENAME INBOX old-mail')
    assert three.w.listed('old-mail')[1] == 'INBOX'
    three.w.nothing_but()


def test_own_inbox_rename(three):
    three.c.append(mail.numbered(1))
    notify(three.c, '(personal (MailboxName))')
    three.c.ok('RENAME INBOX old-mail')
    three.w.nothing_but()


def test_names_outside_are_not_told(three):
    notify(three.c, '(subtree a (MailboxName))', '(mailboxes x (MailboxName))')
    three.actor.ok('CREATE b')
    three.actor.ok('CREATE ab')
    three.actor.ok('CREATE x')
    three.w.listed('x')
    three.actor.ok('CREATE x/y')        # its parent is affected
    assert three.w.listed('x')[0] == {'\\haschildren'}
    three.actor.ok('CREATE a')
    three.w.listed('a')
    three.actor.ok('CREATE a/deep/er')
    three.w.listed('a/deep')
    three.w.listed('a/deep/er')
    three.actor.ok('RENAME a/deep b/deep')
    assert three.w.listed('b/deep')[1] == 'a/deep'
    three.actor.ok('RENAME b/deep/er b/er')
    three.w.nothing_but('LIST')


def test_renamed_and_filled(three):
    """Who does not ask for names learns of the messages under the new one."""
    three.actor.ok('CREATE from')
    three.actor.append(mail.numbered(1), 'from')
    notify(three.c, '(mailboxes to (%s))' % PAIR)
    three.actor.ok('RENAME from to')
    s = three.w.status('to')
    assert s['MESSAGES'] == 1 and s['UIDVALIDITY'] and s['UIDNEXT'] == 2


# Subscriptions (5.5).


def test_subscription(three):
    three.actor.ok('CREATE SubscribedMailbox')
    notify(three.c, '(personal (SubscriptionChange))')
    three.actor.ok('SUBSCRIBE SubscribedMailbox')
    assert three.w.listed('SubscribedMailbox')[0] == {'\\subscribed', '\\hasnochildren'}
    three.actor.ok('UNSUBSCRIBE SubscribedMailbox')
    assert three.w.listed('SubscribedMailbox')[0] == {'\\hasnochildren'}
    three.actor.ok('SUBSCRIBE no-such')
    attributes, _ = three.w.listed('no-such')
    assert '\\subscribed' in attributes and '\\nonexistent' in attributes
    three.actor.ok('UNSUBSCRIBE no-such')
    attributes, _ = three.w.listed('no-such')
    assert '\\subscribed' not in attributes and '\\nonexistent' in attributes
    three.w.nothing_but()


def test_subscribed_is_worked_out_anew(three):
    """6.4."""
    three.actor.ok('CREATE box')
    notify(three.c, '(subscribed (%s SubscriptionChange))' % PAIR)
    three.actor.append(mail.numbered(1), 'box')
    three.actor.ok('SUBSCRIBE box')
    assert '\\subscribed' in three.w.listed('box')[0]
    three.actor.append(mail.numbered(2), 'box')
    assert three.w.status('box')['MESSAGES'] == 2
    three.actor.ok('UNSUBSCRIBE box')
    assert '\\subscribed' not in three.w.listed('box')[0]
    three.actor.append(mail.numbered(3), 'box')
    three.w.nothing_but()


def test_groups_add_up(three):
    """6: more than one group can apply to a mailbox."""
    notify(three.c, '(mailboxes INBOX (Messagenew messageExpunge))', '(personal (SubscriptionChange))')
    three.actor.append(mail.numbered(1))
    assert three.w.status('INBOX')['MESSAGES'] == 1
    three.actor.ok('UNSUBSCRIBE INBOX')
    assert '\\subscribed' not in three.w.listed('INBOX')[0]
    three.actor.append(mail.numbered(1), 'Sent')
    three.w.nothing_but()


def test_all_but_the_selected(three):
    """6, second example: flags everywhere, but of the selected mailbox only what SELECTED says."""
    three.actor.append(mail.numbered(1))
    three.actor.append(mail.numbered(1), 'Sent')
    three.c.select()
    three.c.ok('notify set (selected (Messagenew (uid flags) messageExpunge)) (personal (MessageNew FlagChange MessageExpunge))')
    three.actor.select('INBOX')
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Seen)')
    three.actor.select('Sent')
    three.actor.ok('STORE 1 +FLAGS.SILENT (\\Seen)')
    assert three.w.status('Sent')['UNSEEN'] == 0
    three.w.nothing_but('FLAGS', 'OK')


# Annotations (5.6, 5.7).


def test_mailbox_metadata(three):
    """No ENABLE METADATA is needed."""
    notify(three.c, '(personal (MailboxMetadataChange))')
    three.actor.ok('SETMETADATA INBOX (/shared/comment "Shared" /private/comment "Mine")')
    assert three.w.metadata('INBOX') == ['/private/comment', '/shared/comment']
    three.actor.ok('SETMETADATA INBOX (/shared/comment NIL)')
    assert three.w.metadata('INBOX') == ['/shared/comment']
    three.actor.ok('SETMETADATA "" (/private/comment "Server")')
    three.actor.ok('SETMETADATA Sent (/private/comment "y")')
    assert three.w.metadata('Sent') == ['/private/comment']
    three.w.nothing_but()


def test_server_metadata(three):
    notify(three.c, '(mailboxes nothing (ServerMetadataChange))')
    three.actor.ok('SETMETADATA INBOX (/private/comment "Mine")')
    three.actor.ok('SETMETADATA "" (/private/comment "Server")')
    assert three.w.metadata('') == ['/private/comment']
    three.actor.ok('SETMETADATA "" (/private/comment NIL)')
    assert three.w.metadata('') == ['/private/comment']
    three.w.nothing_but()


def test_metadata_once_with_enable(three):
    """ENABLE METADATA and NOTIFY do not tell twice; without the event NOTIFY says no."""
    three.c.enable('METADATA', 'METADATA-SERVER')
    three.c.select()
    notify(three.c, '(personal (MailboxMetadataChange ServerMetadataChange))')
    three.actor.ok('SETMETADATA INBOX (/private/comment "x")')
    three.actor.ok('SETMETADATA "" (/private/comment "x")')
    three.w.metadata('INBOX')
    three.w.metadata('')
    assert three.c.ok('NOOP').all('METADATA') == []
    three.c.ok('NOTIFY NONE')
    three.actor.ok('SETMETADATA INBOX (/private/comment "y")')
    assert three.c.ok('NOOP').all('METADATA') == []


def test_no_fetch_comes_twice(three):
    """7: what UPDATE fetches of a new message, NOTIFY and other searches do not fetch once more in the same words."""
    three.c.select()
    notify(three.c, '(selected (MessageNew (UID FLAGS) MessageExpunge))')
    for asked in '(UID FLAGS)', '(UID FLAGS)', '(UID RFC822.SIZE)':
        three.c.ok('SEARCH RETURN (UPDATE %s) SUBJECT "Message 1"' % asked)
    three.actor.append(mail.numbered(1))
    three.c.wait_name('EXISTS', 1)
    told = [u for u in three.c.ok('NOOP').untagged if u.name in ('EXISTS', 'FETCH', 'ESEARCH')]
    assert sorted(sorted(u.attrs) for u in told if u.name == 'FETCH') == [['FLAGS', 'UID'], ['RFC822.SIZE', 'UID']]
    assert told[0].name == 'EXISTS' and len([u for u in told if u.name == 'ESEARCH']) == 3
    # What no search finds, NOTIFY fetches.
    three.c.untagged.clear()
    three.actor.append(mail.numbered(2))
    assert set(three.w.take('FETCH', lambda r: r.number == 2).attrs) == {'UID', 'FLAGS'}
    three.w.nothing_but('EXISTS', 'RECENT')


# Rights, and others' mailboxes (3.1, 5.9).


def theirs(user, name):
    return 'Other Users/%s/%s' % (user, name)


def test_mailbox_of_another(three):
    o = three.other()
    o.ok('CREATE box')
    o.ok('SETACL box %s lrswipte' % three.user)
    box = theirs(three.other_user, 'box')
    found = statuses(notify(three.c, '(mailboxes %s (%s MailboxMetadataChange))' % (quote(box), PAIR), status=True))
    assert found[box]['MESSAGES'] == 0
    o.append(mail.numbered(1), 'box')
    assert three.w.status(box)['MESSAGES'] == 1
    o.ok('SETMETADATA box (/shared/comment "x" /private/comment "not yours")')
    assert three.w.metadata(box) == ['/shared/comment']
    three.c.append(mail.numbered(2), box)
    three.w.nothing_but()
    o.append(mail.numbered(3), 'INBOX')
    three.w.nothing_but()


def test_selected_mailbox_of_another(three):
    o = three.other()
    o.ok('CREATE box')
    o.ok('SETACL box %s lr' % three.user)
    three.c.select(theirs(three.other_user, 'box'))
    notify(three.c, '(selected (MessageNew (UID) MessageExpunge))')
    uid = o.append(mail.numbered(1), 'box')
    assert three.w.take('FETCH').attrs['UID'] == uid
    o.ok('DELETEACL box ' + three.user)
    assert three.w.take('EXPUNGE').number == 1


def test_no_access(three):
    """3.1: `l` without `r` is told with \\NoAccess, without `l` nothing is."""
    o = three.other()
    o.ok('CREATE listed')
    o.ok('CREATE hidden')
    o.ok('SETACL listed %s l' % three.user)
    o.ok('SETACL hidden %s r' % three.user)
    listed, hidden = theirs(three.other_user, 'listed'), theirs(three.other_user, 'hidden')
    r = notify(three.c, '(mailboxes (%s %s) (%s))' % (quote(listed), quote(hidden), PAIR), status=True)
    assert r.list() == {listed: {'\\noaccess'}}
    assert r.all('STATUS') == []
    o.append(mail.numbered(1), 'listed')
    o.append(mail.numbered(1), 'hidden')
    three.w.nothing_but()
    # 5.9: access is granted, monitoring begins.
    o.ok('SETACL listed %s lr' % three.user)
    assert three.w.listed(listed)[0] == set()
    assert three.w.status(listed)['MESSAGES'] == 1
    o.append(mail.numbered(2), 'listed')
    assert three.w.status(listed)['MESSAGES'] == 2
    # And lost.
    o.ok('SETACL listed %s l' % three.user)
    assert three.w.listed(listed)[0] == {'\\noaccess'}
    o.append(mail.numbered(3), 'listed')
    three.w.nothing_but()
    o.ok('SETACL listed %s lr' % three.user)
    assert three.w.listed(listed)[0] == set()
    three.w.status(listed)
    o.ok('DELETEACL listed %s' % three.user)
    assert three.w.listed(listed)[0] == {'\\noaccess'}
    o.ok('SETACL listed %s lr' % three.user)
    assert three.w.listed(listed)[0] == set()


def test_granted_and_revoked_is_made_and_deleted(three):
    """5.4: of right `l`; the account was not known before."""
    o = three.other()
    o.ok('CREATE box')
    o.append(mail.numbered(1), 'box')
    box = theirs(three.other_user, 'box')
    notify(three.c, '(subtree "Other Users" (%s MailboxName))' % PAIR)
    o.ok('SETACL box %s lr' % three.user)
    assert three.w.listed(box)[0] == set()
    assert three.w.status(box)['MESSAGES'] == 1
    o.append(mail.numbered(2), 'box')
    assert three.w.status(box)['MESSAGES'] == 2
    o.ok('RENAME box renamed')
    assert three.w.listed(theirs(three.other_user, 'renamed'))[1] == box
    o.ok('DELETEACL renamed ' + three.user)
    assert three.w.listed(theirs(three.other_user, 'renamed'))[0] >= {'\\nonexistent'}
    assert three.w.listed('Other Users/' + three.other_user)[0] == {'\\nonexistent'}     # its parent
    o.append(mail.numbered(3), 'renamed')
    three.w.nothing_but('LIST')


def test_one_account_of_others(three):
    o = three.other()
    o.ok('CREATE box')
    o.ok('SETACL box %s lr' % three.user)
    r = notify(three.c, '(subtree "Other Users/%s" (%s))' % (three.other_user, PAIR), status=True)
    assert set(statuses(r)) == {theirs(three.other_user, 'box')}
    r = notify(three.c, '(subtree "Other Users/%s" (%s))' % (three.user, PAIR), status=True)
    assert statuses(r) == {}


def test_subscription_to_another(three):
    o = three.other()
    o.ok('CREATE box')
    o.ok('SETACL box %s lr' % three.user)
    box = theirs(three.other_user, 'box')
    notify(three.c, '(subscribed (%s SubscriptionChange))' % PAIR)
    o.append(mail.numbered(1), 'box')
    three.actor.ok('SUBSCRIBE ' + quote(box))
    assert three.w.listed(box)[0] == {'\\subscribed'}
    o.append(mail.numbered(2), 'box')
    assert three.w.status(box)['MESSAGES'] == 2
    three.actor.ok('UNSUBSCRIBE ' + quote(box))
    assert three.w.listed(box)[0] == set()
    o.append(mail.numbered(3), 'box')
    three.w.nothing_but()


def test_personal_is_not_others(three):
    o = three.other()
    o.ok('CREATE box')
    o.ok('SETACL box %s lr' % three.user)
    found = statuses(notify(three.c, '(personal (%s SubscriptionChange))' % PAIR, status=True))
    assert not [n for n in found if n.startswith('Other')]
    o.append(mail.numbered(1), 'box')
    three.actor.ok('SUBSCRIBE ' + quote(theirs(three.other_user, 'box')))
    three.w.nothing_but()


# Layers and states.


def test_compressed(three):
    three.c.compress()
    notify(three.c, '(personal (%s))' % PAIR)
    for n in range(1, 4):
        three.actor.append(mail.numbered(n), 'Sent')
        assert three.w.status('Sent')['MESSAGES'] == n


def test_unauthenticate(three):
    notify(three.c, '(personal (%s))' % PAIR)
    three.c.ok('UNAUTHENTICATE')
    three.actor.append(mail.numbered(1), 'Sent')
    three.w.nothing_but()
    three.c.login(three.user, three.server.password)
    three.c.select()
    three.actor.append(mail.numbered(1))
    three.c.silent()
    assert three.c.ok('NOOP').one('EXISTS').number == 1


def test_in_the_middle_of_a_command(three):
    """News may come while the client writes a command, and do not disturb it."""
    notify(three.c, '(personal (%s))' % PAIR)
    three.c.send(b'm1 STATUS ')
    three.c.pending.append(('m1', 'STATUS'))
    three.actor.append(mail.numbered(1), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 1
    three.c.send(b'{5}\r\n')
    assert three.c.response().tag == '+'
    three.actor.append(mail.numbered(2), 'Sent')
    assert three.w.status('Sent')['MESSAGES'] == 2
    three.c.send(b'Trash (UNSEEN)\r\n')
    assert three.c.end('m1').one('STATUS').attrs == {'UNSEEN': 0}


def test_during_an_append(three):
    """What happens while a message is on its way is told when it is there."""
    notify(three.c, '(personal (%s))' % PAIR)
    message = mail.sized(50000)
    three.c.send(b'u1 APPEND Trash {%d+}\r\n' % len(message) + message[:20000])
    three.c.pending.append(('u1', 'APPEND'))
    three.actor.append(mail.numbered(1), 'Sent')
    three.c.send(message[20000:] + b'\r\n')
    r = three.c.end('u1')
    assert r.status == 'OK'
    assert [u for u in r.all('STATUS') if text(u.data[0]) == 'Sent'] or three.w.status('Sent')


# What clients send.


def test_evolution(three):
    """Evolution (camel): SELECT with QRESYNC, NOTIFY, IDLE."""
    c = three.c
    c.ok('ENABLE CONDSTORE QRESYNC')
    c.ok('NOTIFY SET (selected (MessageNew (UID) MessageExpunge FlagChange)) '
        '(personal (MessageNew MessageExpunge MailboxName SubscriptionChange))')
    c.select('INBOX', ' (CONDSTORE)')
    tag = c.idle()
    uid = three.actor.append(mail.numbered(1))
    assert three.w.take('FETCH').attrs['UID'] == uid
    three.actor.ok('CREATE Project')
    assert '\\nonexistent' not in three.w.listed('Project')[0]
    three.actor.ok('SUBSCRIBE Project')
    assert '\\subscribed' in three.w.listed('Project')[0]
    three.actor.append(mail.numbered(1), 'Project')
    s = three.w.status('Project')
    assert s['MESSAGES'] == 1 and s['UIDNEXT'] == 2 and s['HIGHESTMODSEQ']
    three.actor.select()
    three.actor.ok('UID STORE %d +FLAGS.SILENT (\\Seen)' % uid)
    assert '\\Seen' in [str(f) for f in three.w.take('FETCH').attrs['FLAGS']]
    c.done(tag)
    three.actor.ok('UID STORE %d +FLAGS.SILENT (\\Deleted)' % uid)
    three.w.take('FETCH')
    three.actor.ok('UID EXPUNGE %d' % uid)
    assert str(three.w.take('VANISHED').data[-1]) == str(uid)


def test_mailkit(three):
    """MailKit's Notify(): STATUS, SELECTED with what its message summaries ask for."""
    c = three.c
    c.ok('ENABLE QRESYNC')
    c.select('INBOX', ' (CONDSTORE)')
    r = c.ok('NOTIFY SET STATUS (PERSONAL (MailboxName SubscriptionChange)) (SELECTED (MessageNew (UID FLAGS ENVELOPE BODYSTRUCTURE MODSEQ '
        'INTERNALDATE RFC822.SIZE) MessageExpunge FlagChange)) (SUBTREE (INBOX) (MessageNew MessageExpunge FlagChange))')
    assert statuses(r) == {}
    uid = three.actor.append(mail.numbered(1))
    three.w.take('EXISTS')
    attrs = three.w.take('FETCH').attrs
    assert attrs['UID'] == uid and {'FLAGS', 'ENVELOPE', 'BODYSTRUCTURE', 'MODSEQ', 'INTERNALDATE', 'RFC822.SIZE'} <= set(attrs)
    tag = c.idle()
    three.actor.ok('CREATE INBOX/sub')
    three.w.listed('INBOX/sub')
    three.actor.append(mail.numbered(1), 'INBOX/sub')
    assert three.w.status('INBOX/sub')['MESSAGES'] == 1
    c.done(tag)
    c.ok('NOTIFY NONE')
    three.actor.append(mail.numbered(2))
    three.w.nothing_but()


class Picture:
    """What a client knows of an account that learns everything from NOTIFY: names, subscriptions, numbers."""

    def __init__(self, c):
        self.c = c
        self.names, self.subscribed, self.numbers = {}, set(), {}
        r = notify(c, '(personal (%s FlagChange MailboxName SubscriptionChange))' % PAIR, status=True)
        for name, attributes in c.ok('LIST "" * RETURN (SUBSCRIBED)').list().items():
            self.line(name, attributes, None)
        self.apply(r.untagged)

    def forget(self, name):
        self.names.pop(name, None)
        self.numbers.pop(name, None)

    def line(self, name, attributes, old):
        if old is not None and old != 'INBOX':
            for before in [n for n in self.names if n == old or n.startswith(old + '/')]:
                after = name + before[len(old):]
                self.names[after] = self.names.pop(before)
                if before in self.numbers:
                    self.numbers[after] = self.numbers.pop(before)
        (self.subscribed.add if '\\subscribed' in attributes else self.subscribed.discard)(name)
        if '\\nonexistent' in attributes or '\\noselect' in attributes:
            self.forget(name)
        else:
            self.names[name] = attributes
            self.numbers.setdefault(name, {'MESSAGES': 0, 'UIDNEXT': 1, 'UNSEEN': 0})

    def apply(self, untagged):
        for r in untagged:
            if r.name == 'LIST':
                old = text(r.data[3][1][0]) if len(r.data) > 3 else None
                self.line(text(r.data[2]), set(str(a).lower() for a in r.data[0]), old)
            elif r.name == 'STATUS':
                name, attrs = text(r.data[0]), dict(r.attrs)
                known = self.numbers.setdefault(name, {})
                known.update((k, attrs[k]) for k in ('MESSAGES', 'UIDNEXT', 'UNSEEN') if k in attrs)
        del untagged[:]


def test_a_client_that_only_listens_knows_all(three):
    """Whatever somebody else does, in whatever order: names, subscriptions and numbers are those that LIST and STATUS tell."""
    seed = int(os.environ.get('POSTHORN_TEST_SEED', random.randrange(1 << 32)))
    print('POSTHORN_TEST_SEED=%d' % seed)
    dice = random.Random(seed)
    picture = Picture(three.c)
    three.actor.select()
    three.actor.checking = False
    fresh = three.connect(user=three.user, name='f')
    levels = ['a', 'b', 'c', 'd']

    def name():
        return '/'.join(dice.choice(levels) for _ in range(dice.choice([1, 1, 2, 3])))

    def step(c):
        what = dice.random()
        if what < 0.2:
            return c.begin('CREATE ' + name())
        if what < 0.35:
            return c.begin('DELETE ' + name())
        if what < 0.5:
            return c.begin('RENAME %s %s' % (name(), name()))
        if what < 0.65:
            return c.begin('%s %s' % (dice.choice(['SUBSCRIBE', 'UNSUBSCRIBE']), name()))
        if what < 0.9:
            return c.begin('APPEND %s %s' % (name(), dice.choice(['', '(\\Seen) '])), Lit(b'Subject: x\r\n\r\nx\r\n', plus=True))
        if what < 0.95 and c is three.actor:
            return c.begin('SELECT ' + dice.choice(['INBOX', name()]))
        return c.begin('UID STORE 1:2 %sFLAGS.SILENT (%s)' % (dice.choice('+-'), dice.choice(['\\Seen', '\\Deleted'])))

    for _ in range(int(os.environ.get('POSTHORN_TEST_STEPS', 12))):
        for _ in range(dice.randrange(1, 30)):
            three.actor.cmd('EXPUNGE') if dice.random() < 0.05 else three.actor.end(step(three.actor))
        # Many at once: they are told together.
        tags = [step(three.actor) for _ in range(dice.randrange(10))]
        for tag in tags:
            three.actor.end(tag)
        three.actor.ok('SELECT INBOX')
        # All is told at the end of a command at the latest; what came between commands, before it.
        r = three.c.ok('NOOP')
        picture.apply(r.untagged)
        listed = fresh.ok('LIST "" * RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT UNSEEN))')
        lines = listed.list()
        there = dict((n, a) for n, a in lines.items() if not a & {'\\noselect', '\\nonexistent'})
        assert set(picture.names) == set(there), seed
        also = fresh.ok('LIST (SUBSCRIBED) "" *').list()
        assert picture.subscribed == set(also), seed
        numbers = dict((text(u.data[0]), u.attrs) for u in listed.all('STATUS'))
        assert dict((n, picture.numbers[n]) for n in there) == numbers, seed
