"""ESEARCH in several mailboxes (RFC 7377): all its sources, what it tells, what it must not."""

import pytest

from harness import mail
from harness.imap import Lit, esearch
from harness.parse import numbers

from test_sharing import two  # noqa: F401  (a fixture)

# Mailbox → subjects of its messages.
BOXES = {
    'INBOX': ['red', 'blue'],
    'folder1': ['red one', 'green', 'red two'],
    'folder2': ['blue'],
    'folder2/banana': ['red', 'blue'],
    'folder2/banana/skin': ['red'],
    'folder2/peach': ['green'],
    'folder22': ['red'],
    'Entwürfe': ['red'],
    'empty': [],
}


@pytest.fixture
def boxes(imap):
    for name, subjects in BOXES.items():
        if name != 'INBOX':
            imap.ok('CREATE ', Lit(name) if name.isascii() else '"Entw&APw-rfe"')
        for n, subject in enumerate(subjects):
            imap.append(mail.simple(subject, 'x' * n), mailbox=name if name.isascii() else 'Entw&APw-rfe')
    return imap


def found(result):
    """Mailbox → UIDs, of the ESEARCH responses; each mailbox once, and each with all correlators."""
    out = {}
    for r in result.all('ESEARCH'):
        d = esearch(r)
        assert d['TAG'] == result.tagged.tag and d['UID'] is True and d['UIDVALIDITY'] > 0
        assert d['MAILBOX'] not in out
        out[d['MAILBOX']] = numbers(d['ALL']) if 'ALL' in d else {k: v for k, v in d.items() if k not in ('TAG', 'UID', 'MAILBOX', 'UIDVALIDITY')}
    return out


def reds(*names):
    return {n if n.isascii() else 'Entw&APw-rfe': [i + 1 for i, s in enumerate(BOXES[n]) if 'red' in s] for n in names if any('red' in s for s in BOXES[n])}


SOURCES = [
    ('mailboxes folder1', ['folder1']),
    ('mailboxes ("folder1" INBOX nowhere)', ['folder1', 'INBOX']),
    ('mailboxes empty', []),
    ('mailboxes inbox', ['INBOX']),
    ('mailboxes nowhere', []),
    ('mailboxes "folder2/*"', []),
    ('subtree "folder2"', ['folder2', 'folder2/banana', 'folder2/banana/skin', 'folder2/peach']),
    ('subtree-one "folder2"', ['folder2', 'folder2/banana', 'folder2/peach']),
    ('subtree-one (folder1 folder2/banana)', ['folder1', 'folder2/banana', 'folder2/banana/skin']),
    ('subtree nowhere', []),
    ('personal', list(BOXES)),
    ('inboxes', list(BOXES)),    # RFC 5465 6.3: LMTP delivers to any of them, by the address's detail
    ('PERSONAL INBOXES mailboxes folder1 subtree folder2', list(BOXES)),
    ('mailboxes folder1 subtree "folder2"', ['folder1', 'folder2', 'folder2/banana', 'folder2/banana/skin', 'folder2/peach']),
]


@pytest.mark.parametrize('source, names', SOURCES, ids=[s for s, _ in SOURCES])
def test_sources(boxes, source, names):
    """RFC 7377 2.2; nothing is told of mailboxes without a match (2.1), and names that are not there are no error."""
    assert found(boxes.ok('ESEARCH IN (%s) SUBJECT red' % source)) == reds(*names)


def test_subscribed(boxes):
    boxes.ok('SUBSCRIBE folder2/banana')
    boxes.ok('SUBSCRIBE folder1')
    boxes.ok('SUBSCRIBE nowhere')
    assert found(boxes.ok('ESEARCH IN (subscribed) SUBJECT red')) == reds('INBOX', 'folder1', 'folder2/banana')
    boxes.ok('UNSUBSCRIBE folder1')
    assert found(boxes.ok('ESEARCH IN (subscribed) SUBJECT red')) == reds('INBOX', 'folder2/banana')


def test_example(boxes):
    """RFC 7377 3: two searches, pipelined; each answer names its command and mailbox."""
    one = boxes.begin('ESEARCH IN (mailboxes "folder1" subtree "folder2") unseen', tag='tag1')
    two = boxes.begin('ESEARCH IN (mailboxes "folder1" subtree-one "folder2")', ' subject "red"', tag='tag2')
    told = {}
    for tag in (one, two):
        for r in boxes.end(tag).all('ESEARCH'):
            d = esearch(r)
            told.setdefault(d['TAG'], {})[d['MAILBOX']] = numbers(d['ALL'])
    assert told['tag1'] == {n: list(range(1, len(BOXES[n]) + 1)) for n in ('folder1', 'folder2', 'folder2/banana', 'folder2/banana/skin', 'folder2/peach')}
    assert told['tag2'] == reds('folder1', 'folder2', 'folder2/banana')


def test_uidvalidity(boxes):
    validity = boxes.ok('STATUS folder1 (UIDVALIDITY)').one('STATUS').attrs['UIDVALIDITY']
    assert esearch(boxes.ok('ESEARCH IN (mailboxes folder1) ALL').one('ESEARCH'))['UIDVALIDITY'] == validity


def test_selected(boxes):
    """Without source options the selected mailbox is searched, and UIDs are told."""
    boxes.select('folder1')
    boxes.ok('STORE 1 +FLAGS (\\Deleted)')
    boxes.ok('EXPUNGE')
    for command in ('ESEARCH SUBJECT red', 'ESEARCH IN (selected) SUBJECT red', 'UID ESEARCH SUBJECT red', 'ESEARCH IN (selected mailboxes folder1) SUBJECT red'):
        assert found(boxes.ok(command)) == {'folder1': [3]}
    assert boxes.ok('FETCH 1 (UID)').fetch(1)['UID'] == 2
    assert found(boxes.ok('ESEARCH IN (selected mailboxes INBOX) SUBJECT red')) == {'folder1': [3], 'INBOX': [1]}


def test_selection_stays(boxes):
    """RFC 7377 2.1: which mailbox is selected does not change, nor what is \\Recent elsewhere."""
    boxes.select('folder1')
    boxes.ok('ESEARCH IN (personal) ALL')
    assert boxes.ok('FETCH 1:* (UID)').fetches().keys() == {1, 2, 3}
    r = boxes.select('folder2')
    assert r.one('RECENT').number == 1


@pytest.mark.parametrize('command', ['ESEARCH ALL', 'ESEARCH IN (selected) ALL', 'ESEARCH IN (selected personal) ALL', 'ESEARCH RETURN (COUNT) ALL'])
def test_nothing_selected(imap, command):
    """RFC 7377 2.2: BAD."""
    imap.bad(command)


def test_results(boxes):
    """RFC 7377 2.1: MIN, MAX, COUNT are those of the mailbox; one without matches is not told even then."""
    r = found(boxes.ok('ESEARCH IN (mailboxes (folder1 folder2 empty folder2/peach)) RETURN (MIN MAX COUNT) SUBJECT red'))
    assert r == {'folder1': {'MIN': 1, 'MAX': 3, 'COUNT': 2}}
    assert found(boxes.ok('ESEARCH IN (mailboxes (folder1 empty)) RETURN (COUNT) ALL')) == {'folder1': {'COUNT': 3}}
    assert found(boxes.ok('ESEARCH IN (mailboxes folder1) RETURN () SUBJECT red')) == {'folder1': [1, 3]}
    r = found(boxes.ok('ESEARCH IN (mailboxes (folder1 INBOX)) RETURN (PARTIAL -1:-2) ALL'))
    assert r == {'folder1': {'PARTIAL': ['-1:-2', '2:3']}, 'INBOX': {'PARTIAL': ['-1:-2', '1:2']}}


def test_numbers_beyond_the_end(boxes):
    """RFC 7377 2: no error, and they name nothing; they count in the mailbox that is searched."""
    boxes.select('folder1')
    assert found(boxes.ok('ESEARCH 1:100')) == {'folder1': [1, 2, 3]}
    assert found(boxes.ok('ESEARCH SUBJECT red 101:200')) == {}
    assert found(boxes.ok('ESEARCH 3,5,9:*')) == {'folder1': [3]}
    assert found(boxes.ok('ESEARCH NOT 101:200')) == {'folder1': [1, 2, 3]}
    assert found(boxes.ok('ESEARCH IN (mailboxes (INBOX folder1 empty)) 2:3')) == {'INBOX': [2], 'folder1': [2, 3]}
    assert found(boxes.ok('ESEARCH IN (mailboxes (INBOX folder1 empty)) *')) == {'INBOX': [2], 'folder1': [3]}


def test_save(boxes):
    """RFC 7377 2.2: SAVE only with the selected mailbox alone."""
    boxes.select('folder1')
    assert boxes.ok('ESEARCH RETURN (SAVE) SUBJECT red').all('ESEARCH') == []
    assert boxes.ok('SEARCH $').search() == [1, 3]
    assert found(boxes.ok('ESEARCH IN (selected) RETURN (SAVE COUNT) SUBJECT green')) == {'folder1': {'COUNT': 1}}
    assert boxes.ok('SEARCH $').search() == [2]
    for source in ('mailboxes folder1', 'selected inboxes', 'personal'):
        boxes.bad('ESEARCH IN (%s) RETURN (SAVE) ALL' % source)
    assert boxes.ok('SEARCH $').search() == [2]
    # What is saved names messages of the selected mailbox only.
    assert found(boxes.ok('ESEARCH IN (selected mailboxes INBOX) $')) == {'folder1': [2]}
    assert found(boxes.ok('ESEARCH IN (mailboxes INBOX) $')) == {}
    # And of that however it is named.
    assert found(boxes.ok('ESEARCH IN (mailboxes (INBOX folder1)) $')) == {'folder1': [2]}


@pytest.mark.parametrize('command', [
    'ESEARCH', 'ESEARCH IN (personal)', 'ESEARCH IN () ALL', 'ESEARCH IN personal ALL', 'ESEARCH IN (mailboxes) ALL', 'ESEARCH IN (mailboxes ()) ALL',
    'ESEARCH IN (selected-delayed) ALL', 'ESEARCH IN (everything) ALL', 'ESEARCH IN (personal) RETURN (ALL PARTIAL 1:2) ALL', 'ESEARCH IN (personal) NONSENSE',
    'ESEARCH IN (personal)  ALL', 'ESEARCH RETURN (COUNT) IN (personal) ALL',
])
def test_wrong(box, command):
    assert box.refused(command).status == 'BAD'
    box.ok('NOOP')


def test_uidonly(boxes):
    """RFC 9586 3: it tells UIDs, so it works; sequence numbers in the program don't."""
    boxes.select('folder1')
    boxes.ok('ENABLE UIDONLY')
    assert found(boxes.ok('ESEARCH SUBJECT red')) == {'folder1': [1, 3]}
    assert found(boxes.ok('ESEARCH IN (mailboxes INBOX) SUBJECT red')) == {'INBOX': [1]}
    boxes.bad('ESEARCH 1:2', code='UIDREQUIRED')


def test_charset(boxes):
    boxes.no('ESEARCH IN (personal) CHARSET X-NONE ALL', code='BADCHARSET')
    assert found(boxes.ok('ESEARCH IN (mailboxes folder1) CHARSET UTF-8 SUBJECT ', Lit('red'))) == {'folder1': [1, 3]}


def test_modseq(boxes):
    """RFC 7162 3.1.10: the answer of each mailbox has its own."""
    r = boxes.ok('ESEARCH IN (mailboxes (folder1 INBOX)) RETURN (COUNT) MODSEQ 1')
    for d in map(esearch, r.all('ESEARCH')):
        assert d['MODSEQ'] == boxes.ok('STATUS %s (HIGHESTMODSEQ)' % d['MAILBOX']).one('STATUS').attrs['HIGHESTMODSEQ']


def test_utf8_names(boxes):
    boxes.ok('ENABLE UTF8=ACCEPT')
    assert set(found(boxes.ok('ESEARCH IN (personal) SUBJECT red'))) == set(n for n in BOXES if any('red' in s for s in BOXES[n]))
    assert set(found(boxes.ok('ESEARCH IN (mailboxes "Entwürfe") SUBJECT red'))) == {'Entwürfe'}


def test_deleted_mailbox(boxes, login):
    """One that is gone is passed over."""
    boxes.select('folder1')
    login(name='b').ok('DELETE folder22')
    assert 'folder22' not in found(boxes.ok('ESEARCH IN (personal mailboxes folder22) ALL'))


def test_many_mailboxes(box):
    for n in range(60):
        box.ok('CREATE many/%02d' % n)
        box.append(mail.numbered(n), mailbox='many/%02d' % n)
    assert len(found(box.ok('ESEARCH IN (subtree many) ALL'))) == 60
    assert list(found(box.ok('ESEARCH IN (subtree many) SUBJECT "Message 7"'))) == ['many/07']


def test_shared(two):  # noqa: F811
    """RFC 7377 2.2: the right "r" for each mailbox, and "l" too for those that are not named; the others are passed over."""
    two.owner.ok('CREATE box/in')
    two.owner.append(mail.numbered(9), 'box/in')
    theirs = two.theirs
    ask = lambda source: found(two.other.ok('ESEARCH IN (%s) ALL' % source))
    for source in ('mailboxes "%s"' % theirs, 'subtree "%s"' % theirs):
        assert ask(source) == {}
    two.grant('l')
    assert ask('mailboxes "%s"' % theirs) == {}
    two.grant('r')
    assert ask('mailboxes "%s"' % theirs) == {theirs: two.uids}
    assert ask('subtree "%s"' % theirs) == {theirs: two.uids}
    two.grant('r', 'box/in')
    assert ask('subtree "%s"' % theirs) == {theirs: two.uids}
    two.grant('lr', 'box/in')
    assert ask('subtree "%s"' % theirs) == {theirs: two.uids, theirs + '/in': [1]}
    assert ask('personal') == {}
    two.grant('lr')
    two.other.ok('SUBSCRIBE "%s"' % theirs)
    assert ask('subscribed') == {theirs: two.uids}
    two.other.ok('SELECT "%s"' % theirs)
    assert found(two.other.ok('ESEARCH ALL')) == {theirs: two.uids}


def test_levels_above_what_is_shared(two):  # noqa: F811
    """A subtree may begin above others' mailboxes, at a name that LIST tells and nobody can select."""
    two.owner.ok('CREATE box/in')
    two.owner.append(mail.numbered(9), 'box/in')
    two.grant('lr')
    two.grant('lr', 'box/in')
    user = two.theirs[:-len('/box')]
    both = {two.theirs: two.uids, two.theirs + '/in': [1]}
    ask = lambda source: found(two.other.ok('ESEARCH IN (%s) ALL' % source))
    assert ask('subtree "Other Users"') == both
    assert ask('subtree "%s"' % user) == both
    assert ask('subtree-one "%s"' % user) == {two.theirs: two.uids}
    assert ask('subtree-one "Other Users"') == {}
    assert ask('subtree ("Other Users" "%s" "Other Users/nobody" Shared)' % user) == both
    assert ask('mailboxes "%s"' % user) == {}


def test_announced(imap):
    assert 'MULTISEARCH' in imap.capabilities()
