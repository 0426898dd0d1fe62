"""MESSAGELIMIT (RFC 9738): how many messages a command may be about, when it is configured. Numbers are smaller than in the RFC."""

import pytest

from harness import mail
from harness.imap import Lit, esearch, numbers
from harness.server import Server
from harness.tool import Tool

pytestmark = pytest.mark.own_server

N = 10      # the limit
M = 25      # messages of the mailbox; a message's UID is its number and GAP
GAP = 3
CUT = M - N + 1
LOWEST = CUT + GAP      # UID of the lowest of the last N


@pytest.fixture(scope='module')
def limited():
    server = Server(users=80, args=['--set', 'message_limit=%d' % N])
    server.start()
    yield server
    server.close()


def append(c, count, mailbox='INBOX', flags=''):
    parts = ['APPEND %s' % mailbox]
    for i in range(count):
        parts += [' %s' % flags, Lit(mail.numbered(i), plus=True)] if flags else [' ', Lit(mail.numbered(i), plus=True)]
    return c.cmd(*parts)


def fill(c, count=M + GAP, mailbox='INBOX'):
    while count > 0:
        assert append(c, min(count, N), mailbox).status == 'OK'
        count -= N


@pytest.fixture
def c(limited):
    c = limited.login(limited.user())
    fill(c)
    c.select()
    c.ok('UID STORE 1:%d +FLAGS.SILENT (\\Deleted)' % GAP)
    c.ok('EXPUNGE')
    assert c.exists == M
    yield c
    c.close()


def code(r):
    return [str(w) for w in r.code] if r.code else None


def limit(uid=LOWEST):
    return ['MESSAGELIMIT', str(N)] + ([str(uid)] if uid else [])


def cut(r, uid=LOWEST):
    """The command was done of the messages down to that UID."""
    assert r.status == 'OK' and code(r) == limit(uid), r
    return r


def whole(r):
    assert r.status == 'OK' and 'MESSAGELIMIT' not in r.codes(), r
    return r


def uids(r):
    """Of FETCH responses, in their order."""
    return [f.attrs['UID'] for f in r.all('FETCH')]


def down(first, last):
    return list(range(first, last - 1, -1))


def status(c, mailbox='INBOX', what='MESSAGES'):
    return c.status(mailbox, what)[what]


# ---- 3: announced


def test_announced(limited, c, imap):
    assert 'MESSAGELIMIT=%d' % N in c.capabilities()
    # "instead of": the one or the other.
    assert not [n for n in c.capabilities() if n.startswith('SAVELIMIT')]
    assert not [n for n in imap.capabilities() if n.startswith('MESSAGELIMIT')]
    fresh = limited.connect()
    assert not [n for n in fresh.capabilities() if n.startswith('MESSAGELIMIT')]
    fresh.close()


def test_mailboxes_that_are_not_larger(c):
    """4.1: operations are not affected on a mailbox that has N messages or fewer."""
    fill(c, N, 'Drafts')
    c.select('Drafts')
    assert len(whole(c.cmd('FETCH 1:* (UID FLAGS)')).fetches()) == N
    assert whole(c.cmd('SEARCH ALL')).search() == list(range(1, N + 1))
    assert len(whole(c.cmd('STORE 1:* +FLAGS (\\Deleted)')).fetches()) == N
    assert len(whole(c.cmd('THREAD REFERENCES UTF-8 ALL')).one('THREAD').data) > 0
    assert whole(c.cmd('SORT (ARRIVAL) UTF-8 ALL')).one('SORT').data == list(range(1, N + 1))
    whole(c.cmd('UID FETCH 1:* (FLAGS) (PARTIAL 1:1000)'))
    whole(c.cmd('COPY 1:* Archive'))
    whole(c.cmd('UID EXPUNGE 1:*'))
    assert c.exists == 0


# ---- 3.1: its examples, one after the other


def test_fetch(c):
    """Example 03: from the highest UID down, and how far."""
    r = cut(c.cmd('FETCH 2:%d (UID FLAGS)' % M))
    assert uids(r) == down(M + GAP, LOWEST) and [f.number for f in r.all('FETCH')] == down(M, CUT)
    # The client goes on with the rest.
    r = cut(c.cmd('FETCH 2:%d (UID FLAGS)' % (CUT - 1)), CUT - N + GAP)
    assert uids(r) == down(LOWEST - 1, CUT - N + GAP)
    r = whole(c.cmd('FETCH 2:%d (UID FLAGS)' % (CUT - N - 1)))
    assert uids(r) == list(range(2 + GAP, CUT - N + GAP))


def test_uid_fetch(c):
    """Example 10, the second one."""
    assert uids(cut(c.cmd('UID FETCH 1:100 (UID FLAGS)'))) == down(M + GAP, LOWEST)
    assert uids(cut(c.cmd('UID FETCH 6,8,10,12:20,22,24 (FLAGS)'), 13)) == [24, 22] + down(20, 13)
    r = c.cmd('UID FETCH 5,7,9,12:20,22 (FLAGS)')
    assert uids(cut(r, 12)) == [22] + down(20, 12)
    whole(c.cmd('UID FETCH 12:20,22 (FLAGS)'))
    # UIDs that are not there count nothing.
    assert len(uids(whole(c.cmd('UID FETCH 1:%d,%d:4000000000 (FLAGS)' % (GAP + 4, M + GAP - 5))))) == N


def test_fetch_of_texts(c):
    """What is read ahead comes in the same order, and \\Seen is set of those that are answered."""
    r = cut(c.cmd('FETCH 1:* (UID ENVELOPE BODY[TEXT])'))
    assert uids(r) == down(M + GAP, LOWEST)
    for f in r.all('FETCH'):
        assert f.attrs['BODY[TEXT]'] and f.attrs['ENVELOPE'] and '\\Seen' in [str(x) for x in f.attrs['FLAGS']]
    assert status(c, what='UNSEEN') == M - N
    assert all('\\seen' in f for n, f in c.flags('%d:*' % CUT).items())


def test_search(c):
    """Example 04: the searched messages count, not those that are found."""
    c.ok('UID STORE %d,%d,%d +FLAGS.SILENT (\\Flagged)' % (M + GAP, LOWEST, LOWEST - 1))
    r = cut(c.cmd('UID SEARCH UID 5:%d FLAGGED' % (M + GAP)))
    assert r.one('SEARCH').data == [M + GAP, LOWEST]
    r = cut(c.cmd('SEARCH FLAGGED'))
    assert r.one('SEARCH').data == [M, CUT]
    r = cut(c.cmd('SEARCH TEXT "no such text"'))
    assert r.one('SEARCH').data == []
    r = whole(c.cmd('UID SEARCH UID %d:%d FLAGGED' % (LOWEST - 1, LOWEST + N - 2)))
    assert r.search() == [LOWEST - 1, LOWEST]
    r = whole(c.cmd('SEARCH %d:%d FLAGGED' % (CUT - 1, CUT + N - 2)))
    assert r.search() == [CUT - 1, CUT]
    cut(c.cmd('SEARCH %d:%d FLAGGED' % (CUT - 1, CUT + N - 1)))
    # As the client goes on.
    assert cut(c.cmd('UID SEARCH UIDBEFORE %d FLAGGED' % LOWEST), LOWEST - N).search() == [LOWEST - 1]


def test_copy(c):
    """Example 05: none is copied, and the code tells how far down a smaller set may reach."""
    for command, uid in (('UID COPY 1:100', LOWEST), ('COPY 1:*', LOWEST), ('COPY 1:%d' % (N + 1), 2 + GAP)):
        r = c.no(command + ' Trash', code='MESSAGELIMIT')
        assert code(r) == limit(uid), command
    assert status(c, 'Trash') == 0
    c.ok('UID COPY %d:* Trash' % LOWEST, code='COPYUID')
    assert status(c, 'Trash') == N


def test_move(c):
    """Example 06: the last ones are moved; the client repeats it with the same parameter."""
    for left, uid in ((M - N, LOWEST), (M - 2 * N, LOWEST - N)):
        r = cut(c.cmd('UID MOVE 1:100 Archive'), uid)
        moved = r.codes()['COPYUID']
        assert str(moved[1]) == '%d:%d' % (uid, uid + N - 1)
        assert r.expunged() == down(left + N, left + 1) and c.exists == left
    r = whole(c.cmd('UID MOVE 1:100 Archive'))
    assert c.exists == 0 and status(c, 'Archive') == M
    c.select('Archive')
    r = cut(c.cmd('MOVE 1:* INBOX'), M - N + 1)
    assert c.exists == M - N
    whole(c.cmd('MOVE %d:* INBOX' % (c.exists - N + 1)))


def test_store(c):
    """Example 07: the client goes on below the UID that it is told."""
    r = cut(c.cmd('UID STORE 1:100 +FLAGS (\\Answered)'))
    assert uids(r) == down(M + GAP, LOWEST)
    assert set(n for n, f in c.flags('%d:*' % CUT).items() if '\\answered' in f) == set(range(CUT, M + 1))
    assert not [n for n, f in c.flags('%d:%d' % (CUT - N, CUT - 1)).items() if '\\answered' in f]
    r = cut(c.cmd('UID STORE 1:%d +FLAGS (\\Answered)' % (LOWEST - 1)), LOWEST - N)
    r = whole(c.cmd('UID STORE 1:%d +FLAGS (\\Answered)' % (LOWEST - N - 1)))
    assert uids(r) == list(range(1 + GAP, LOWEST - N))
    # Of those that have the flag already the flags are told too, and in the same order.
    assert uids(cut(c.cmd('UID STORE 1:100 +FLAGS (\\Answered)'))) == down(M + GAP, LOWEST)
    assert not cut(c.cmd('STORE 1:* -FLAGS.SILENT (\\Answered)')).all('FETCH')
    assert not [n for n, f in c.flags('%d:*' % CUT).items() if '\\answered' in f]
    assert '\\answered' in c.flags('%d' % (CUT - 1))[CUT - 1]


def test_uid_expunge(c):
    """Example 08: what is \\Deleted counts; the client repeats it with the same parameter."""
    for first, last in ((1, 8), (10, 15), (17, M)):
        c.ok('STORE %d:%d +FLAGS.SILENT (\\Deleted)' % (first, last))
    # 9 and 16 are not deleted.
    r = cut(c.cmd('UID EXPUNGE 1:100'), 15 + GAP)
    assert r.expunged() == down(M, 17) + [15]
    r = cut(c.cmd('UID EXPUNGE 1:100'), 4 + GAP)
    assert r.expunged() == down(14, 10) + down(8, 4)
    r = whole(c.cmd('UID EXPUNGE 1:100'))
    assert r.expunged() == [3, 2, 1] and c.exists == 2
    assert whole(c.cmd('UID SEARCH ALL')).search() == [9 + GAP, 16 + GAP]


def test_uid_expunge_of_few(c):
    c.ok('STORE %d:%d +FLAGS.SILENT (\\Deleted)' % (CUT, M))
    c.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    whole(c.cmd('UID EXPUNGE %d:100' % (GAP + 2)))
    assert c.exists == M - N


def test_expunge_and_close(c):
    """Example 09: no limit, nor for CLOSE and STATUS UNSEEN."""
    fill(c, 3 * N, 'Drafts')
    for box, end in (('INBOX', 'EXPUNGE'), ('Drafts', 'CLOSE')):
        c.select(box)
        total = c.exists
        assert status(c, box, 'UNSEEN') == total
        for first in range(1, total + 1, N):
            c.ok('STORE %d:%d +FLAGS.SILENT (\\Deleted)' % (first, min(first + N - 1, total)))
        r = whole(c.cmd(end))
        assert status(c, box) == 0
        assert end == 'CLOSE' or r.expunged() == down(total, 1)


def test_partial(c):
    """Example 10: a part that is larger than the limit is refused as a whole."""
    for command in ('UID FETCH 1:100 (UID FLAGS MODSEQ) (PARTIAL -1:-%d)' % (N + 5), 'UID FETCH 1:* (FLAGS) (PARTIAL 1:%d)' % (N + 1)):
        r = c.no(command, code='MESSAGELIMIT')
        assert code(r) == limit(0) and not r.all('FETCH')
    r = whole(c.cmd('UID FETCH 1:100 (UID FLAGS) (PARTIAL -1:-%d)' % N))
    assert sorted(uids(r)) == list(range(LOWEST, M + GAP + 1))
    # The part is what counts, wherever it is and however many there are beside it.
    assert sorted(uids(whole(c.cmd('UID FETCH 1:* (FLAGS) (PARTIAL 1:%d)' % N)))) == list(range(1 + GAP, 1 + GAP + N))


def test_expungeissued(limited):
    """Example 11: EXPUNGEISSUED has the tagged response, MESSAGELIMIT an untagged NO before it."""
    user = limited.user()
    c, other = limited.login(user), limited.login(user)
    fill(c, M)
    c.select()
    other.select()
    other.ok('STORE %d +FLAGS.SILENT (\\Deleted)' % M)
    other.ok('EXPUNGE')
    # Who uses numbers is not told that the last one is gone.
    c.ok('FETCH 1 (UID)')
    r = c.cmd('STORE 1:* +FLAGS (\\Flagged)')
    assert code(r) == ['EXPUNGEISSUED']
    told = r.untagged[-1]
    assert told.name == 'NO' and [str(w) for w in told.code] == limit(CUT)
    assert sorted(f.number for f in r.all('FETCH')) == list(range(CUT, M))
    other.close()
    c.close()


def test_multiappend(c):
    """3.1: APPEND is atomic, so none is appended."""
    r = append(c, N + 1, 'Drafts')
    assert r.status == 'NO' and code(r) == limit(0) and status(c, 'Drafts') == 0
    assert append(c, N, 'Drafts').status == 'OK' and status(c, 'Drafts') == N
    c.ok('UID REPLACE %d Drafts ' % (M + GAP), Lit(mail.numbered(1), plus=True))


# ---- 3.2


def test_uidafter_and_uidbefore(c):
    """Example 12, and where they differ from sets: "*" always names a message, UIDAFTER may find none."""
    for args, found in (('UIDAFTER %d' % (M + GAP - 4), range(M + GAP - 3, M + GAP + 1)), ('UIDAFTER %d' % (M + GAP), ()), ('UIDAFTER 1000', ()),
                        ('UIDAFTER 4294967295', ()), ('UIDBEFORE 1', ()), ('UIDBEFORE 4', ()), ('UIDBEFORE 6', (4, 5)),
                        ('uidafter 4 uidbefore 9', range(5, 9)), ('UIDAFTER 9 UIDBEFORE 9', ()), ('OR UIDBEFORE 5 UIDAFTER 27 UID 4,5,27,28', (4, 28)),
                        ('NOT UIDAFTER 5 UID 4:12', (4, 5)), ('NOT UIDBEFORE 7 UID 4:9', (7, 8, 9)), ('UID 4:9 (UIDAFTER 7 UNDELETED)', (8, 9))):
        assert whole(c.cmd('UID SEARCH ' + args)).search() == list(found), args
        assert whole(c.cmd('SEARCH ' + args)).search() == [u - GAP for u in found], args
    for args in ('UIDAFTER', 'UIDAFTER 0', 'UIDBEFORE 0', 'UIDAFTER *', 'UIDAFTER 1:2', 'UIDBEFORE $', 'UIDBEFORE 4294967296', 'UIDAFTER x', 'UIDBEFORE -1'):
        c.bad('SEARCH ' + args)


def test_uidafter_with_searchres(c):
    """3.2: what SAVE has marked becomes a range in the next SEARCH, and both are pipelined."""
    c.send(b'p1 UID SEARCH RETURN (SAVE) UIDAFTER 20\r\np2 UID SEARCH UIDBEFORE 25 UID $\r\n')
    c.pending += [('p1', 'UID SEARCH'), ('p2', 'UID SEARCH')]
    whole(c.end('p1'))
    assert whole(c.end('p2')).search() == list(range(21, 25))


def test_uidafter_elsewhere(c, imap):
    """In every program of keys, and without a limit too."""
    assert whole(c.cmd('UID SORT (ARRIVAL) UTF-8 UIDAFTER 25')).one('SORT').data == [26, 27, 28]
    assert [numbers(esearch(r)['ALL']) for r in c.ok('ESEARCH IN (mailboxes INBOX) UIDBEFORE 6').all('ESEARCH')] == [[4, 5]]
    assert 'MESSAGELIMIT' not in c.ok('UID THREAD REFERENCES UTF-8 UIDAFTER 20').codes()


# ---- 3.3


def test_thread_and_sort(c):
    """THREAD can't be done of more than N messages; SORT can, by what is stored for it."""
    r = c.no('THREAD REFERENCES UTF-8 ALL', code='MESSAGELIMIT')
    assert code(r) == limit(0) and not r.all('THREAD')
    assert code(c.no('UID THREAD ORDEREDSUBJECT UTF-8 UNSEEN')) == limit(0)
    assert len(whole(c.cmd('THREAD REFS UTF-8 %d:*' % CUT)).one('THREAD').data) > 0
    assert whole(c.cmd('SORT (ARRIVAL) UTF-8 ALL')).one('SORT').data == list(range(1, M + 1))
    assert whole(c.cmd('UID SORT RETURN (COUNT) (SUBJECT) UTF-8 UNSEEN')).esearch()['COUNT'] == M
    # But not a search in texts.
    assert code(c.no('SORT (ARRIVAL) UTF-8 BODY x')) == limit(0)
    assert code(c.no('UID SORT (ARRIVAL) UTF-8 OR SUBJECT x SEEN')) == limit(0)
    whole(c.cmd('SORT (ARRIVAL) UTF-8 BODY x %d:*' % CUT))


# ---- 3.4


def test_searchres(c):
    """What is saved is cut too."""
    r = cut(c.cmd('UID SEARCH RETURN (SAVE) UID 2:100 UNDELETED'))
    assert not r.untagged
    assert uids(whole(c.cmd('UID FETCH $ (FLAGS)'))) == list(range(LOWEST, M + GAP + 1))
    assert whole(c.cmd('UID SEARCH $')).search() == list(range(LOWEST, M + GAP + 1))
    cut(c.cmd('UID SEARCH RETURN (SAVE MIN) ALL'))
    assert whole(c.cmd('UID SEARCH UID $')).search() == [LOWEST]
    # NO empties it (RFC 5182 2.1).
    c.no('UID SORT RETURN (SAVE) (ARRIVAL) UTF-8 TEXT x', code='MESSAGELIMIT')
    assert whole(c.cmd('UID SEARCH UID $')).search() == []
    # SORT is not cut, so what it saves may be more than is fetched at once.
    whole(c.cmd('SORT RETURN (SAVE) (ARRIVAL) UTF-8 ALL'))
    assert uids(cut(c.cmd('FETCH $ (UID)'))) == down(M + GAP, LOWEST)
    assert code(c.no('COPY $ Drafts')) == limit()


# ---- beside other extensions


def test_esearch(c):
    c.ok('UID STORE %d,%d +FLAGS.SILENT (\\Flagged)' % (LOWEST, LOWEST + 2))
    c.ok('UID STORE 4,5 +FLAGS.SILENT (\\Flagged)')
    e = cut(c.cmd('SEARCH RETURN (MIN MAX COUNT ALL) FLAGGED')).esearch()
    assert (e['MIN'], e['MAX'], e['COUNT'], numbers(e['ALL'])) == (CUT, CUT + 2, 2, [CUT, CUT + 2])
    assert cut(c.cmd('UID SEARCH RETURN (MIN) FLAGGED')).esearch()['MIN'] == LOWEST
    assert cut(c.cmd('UID SEARCH RETURN (COUNT) ALL')).esearch()['COUNT'] == N
    e = cut(c.cmd('UID SEARCH RETURN (PARTIAL -1:-3) ALL')).esearch()
    assert numbers(e['PARTIAL'][1]) == down(M + GAP, M + GAP - 2)[::-1]
    c.enable('IMAP4rev2')
    assert numbers(cut(c.cmd('SEARCH FLAGGED')).esearch()['ALL']) == [CUT, CUT + 2]


def test_multisearch(c):
    """Of one mailbox as SEARCH; of several so many messages in all, and then no UID is known (5: it is omitted)."""
    r = cut(c.cmd('ESEARCH RETURN (COUNT) ALL'))
    assert r.esearch()['COUNT'] == N
    r = cut(c.cmd('ESEARCH IN (mailboxes INBOX) RETURN (COUNT MIN) ALL'))
    assert (r.esearch()['COUNT'], r.esearch()['MIN']) == (N, LOWEST)
    fill(c, 4, 'Drafts')
    fill(c, 5, 'Archive')
    r = whole(c.cmd('ESEARCH IN (mailboxes (Drafts Archive Trash)) RETURN (COUNT) ALL'))
    assert [esearch(e)['COUNT'] for e in r.all('ESEARCH')] == [4, 5]
    r = cut(c.cmd('ESEARCH IN (mailboxes (Drafts Archive INBOX)) RETURN (COUNT) ALL'), 0)
    assert [esearch(e)['COUNT'] for e in r.all('ESEARCH')] == [4, 5, 1]
    r = cut(c.cmd('ESEARCH IN (mailboxes (Drafts INBOX Archive)) RETURN (COUNT) ALL'), 0)
    assert [esearch(e)['COUNT'] for e in r.all('ESEARCH')] == [4, 6]
    # So many that nothing is left for the next: it is left out only if it has any.
    fill(c, 1, 'Archive')
    r = whole(c.cmd('ESEARCH IN (mailboxes (Drafts Archive Trash)) RETURN (COUNT) ALL'))
    assert [esearch(e)['COUNT'] for e in r.all('ESEARCH')] == [4, 6]
    fill(c, 1, 'Trash')
    r = cut(c.cmd('ESEARCH IN (mailboxes (Drafts Archive Trash)) RETURN (COUNT) ALL'), 0)
    assert [esearch(e)['COUNT'] for e in r.all('ESEARCH')] == [4, 6]


def test_context(c):
    """RFC 5267 4.3.1: a result that is not whole is not kept up to date."""
    for command in ('SEARCH RETURN (UPDATE) ALL', 'ESEARCH IN (selected) RETURN (UPDATE) ALL'):
        r = c.cmd(command)
        assert code(r) == limit() and 'NOUPDATE' in r.codes()
    tag = c.begin('UID SEARCH RETURN (UPDATE ALL) UIDAFTER %d' % (LOWEST - 1))
    assert 'NOUPDATE' not in whole(c.end(tag)).codes()
    added = append(c, 1).one('ESEARCH')
    assert [str(n) for n in esearch(added)['ADDTO']] == ['0', str(M + GAP + 1)]


def test_condstore(c):
    """MODIFIED and HIGHESTMODSEQ have their place in the tagged response (RFC 7162 3.1.3, 3.2.7), so MESSAGELIMIT is untagged."""
    c.enable('CONDSTORE')
    modseq = c.ok('UID FETCH %d (MODSEQ)' % (M + GAP)).fetch()['MODSEQ'][0]
    c.ok('UID STORE %d +FLAGS (\\Flagged)' % (LOWEST + 1))
    r = c.ok('UID STORE 1:100 (UNCHANGEDSINCE %d) +FLAGS (\\Answered)' % modseq, code='MODIFIED')
    assert str(r.code[1]) == str(LOWEST + 1)
    assert [[str(w) for w in u.code] for u in r.all('NO')] == [limit()]
    assert uids(r) == [u for u in down(M + GAP, LOWEST) if u != LOWEST + 1]
    # CHANGEDSINCE: what has changed counts.
    assert uids(whole(c.cmd('UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % modseq))) == list(range(LOWEST, M + GAP + 1))
    c.ok('UID STORE 5 +FLAGS.SILENT (\\Flagged)')
    assert uids(cut(c.cmd('UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % modseq))) == down(M + GAP, LOWEST)
    assert uids(whole(c.cmd('UID FETCH 1:%d (FLAGS) (CHANGEDSINCE %d)' % (LOWEST - 1, modseq)))) == [5]
    assert uids(whole(c.cmd('FETCH 1:%d (UID) (CHANGEDSINCE %d)' % (CUT, modseq)))) == [5, LOWEST]
    for command in ('UID MOVE 1:100 Archive', 'UID EXPUNGE 1:100'):
        if command.startswith('UID EXP'):
            c.ok('UID STORE 1:%d +FLAGS.SILENT (\\Deleted)' % (LOWEST - N))
            c.ok('UID STORE %d:%d +FLAGS.SILENT (\\Deleted)' % (LOWEST - N + 1, LOWEST))
        r = c.ok(command, code='HIGHESTMODSEQ')
        assert [[str(w) for w in u.code][:2] for u in r.all('NO')] == [limit()[:2]]


def test_qresync(c):
    """VANISHED (EARLIER) is of all that was asked for; so is what SELECT tells of changes."""
    c.enable('QRESYNC')
    r = c.select()
    modseq, validity = r.codes()['HIGHESTMODSEQ'][0], r.codes()['UIDVALIDITY'][0]
    c.ok('UID STORE %d,7 +FLAGS.SILENT (\\Deleted)' % (M + GAP))
    c.ok('EXPUNGE')
    for first in (4, 14, 24):
        c.ok('UID STORE %d:%d +FLAGS.SILENT (\\Flagged)' % (first, first + 9))
    r = cut(c.cmd('UID FETCH 1:%d (FLAGS) (CHANGEDSINCE %s VANISHED)' % (M + GAP, modseq)), LOWEST - 1)
    assert uids(r) == down(M + GAP - 1, LOWEST - 1)
    assert numbers(r.one('VANISHED').data[-1]) == [7, M + GAP]
    c.ok('UNSELECT')
    r = whole(c.select('INBOX', ' (QRESYNC (%s %s))' % (validity, modseq)))
    assert len(r.fetches()) == M - 2


def test_uidonly(c):
    """RFC 9586: the same by UIDs."""
    c.enable('UIDONLY')
    r = cut(c.cmd('UID FETCH 1:* (FLAGS)'))
    assert [f.number for f in r.all('UIDFETCH')] == down(M + GAP, LOWEST)
    r = cut(c.cmd('UID STORE 1:* +FLAGS (\\Flagged)'))
    assert [f.number for f in r.all('UIDFETCH')] == down(M + GAP, LOWEST)
    assert cut(c.cmd('UID SEARCH ALL')).one('SEARCH').data == down(M + GAP, LOWEST)
    r = cut(c.cmd('UID MOVE 1:* Archive'))
    assert numbers(r.one('VANISHED').data[-1]) == list(range(LOWEST, M + GAP + 1))
    c.bad('FETCH 1:* (FLAGS)', code='UIDREQUIRED')


def test_uidbatches(limited):
    """RFC 10022 3.2: batches tell where a client may cut itself; they are not messages that are processed."""
    c = limited.login(limited.user())
    fill(c, 2 * N)
    c.select()
    r = whole(c.cmd('UIDBATCHES 500'))
    assert str(r.one('UIDBATCHES').data[-1]) == '%d:1' % (2 * N)
    c.close()


def test_notify(limited):
    """What nobody asked for is no command: news are fetched whole (RFC 5465 5.2)."""
    user = limited.user()
    c, other = limited.login(user), limited.login(user)
    c.select()
    c.ok('NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge))')
    fill(other, 2 * N)
    seen = set()
    while len(seen) < 2 * N:
        seen.add(c.wait(lambda r: r.name == 'FETCH' and r.number not in seen).number)
    assert seen == set(range(1, 2 * N + 1))
    other.close()
    c.close()


def test_pipelined(c):
    """Each command has its own answer, and numbers keep their meaning."""
    c.send(b'p1 STORE 1:* +FLAGS.SILENT (\\Flagged)\r\np2 SEARCH FLAGGED\r\np3 UID MOVE 1:* Archive\r\np4 FETCH 1:* (UID)\r\n')
    c.pending += [('p1', 'STORE'), ('p2', 'SEARCH'), ('p3', 'UID MOVE'), ('p4', 'FETCH')]
    cut(c.end('p1'))
    assert cut(c.end('p2')).one('SEARCH').data == down(M, CUT)
    cut(c.end('p3'))
    assert uids(cut(c.end('p4'), LOWEST - N)) == down(LOWEST - 1, LOWEST - N)


def test_another_language(c):
    """The words are translated, the code is not."""
    c.ok('LANGUAGE de')
    r = cut(c.cmd('FETCH 1:* (UID)'))
    assert 'Nachrichten' in str(r.text)


def test_examined(c):
    c.ok('EXAMINE INBOX')
    assert uids(cut(c.cmd('UID FETCH 1:* (BODY[HEADER.FIELDS (SUBJECT)])'))) == down(M + GAP, LOWEST)
    c.no('UID STORE 1:* +FLAGS (\\Seen)')
    c.no('UID MOVE 1:* Archive')
    assert 'MESSAGELIMIT' not in c.no('UID EXPUNGE 1:*').codes()


def test_annotations(c):
    """STORE ANNOTATION is a STORE (RFC 5257)."""
    cut(c.cmd('UID STORE 1:* ANNOTATION (/comment (value.priv "x"))'))
    r = cut(c.cmd('UID SEARCH ANNOTATION /comment value.priv "x"'))
    assert r.search() == list(range(LOWEST, M + GAP + 1))
    assert whole(c.cmd('UID SEARCH UIDBEFORE %d UIDAFTER %d ANNOTATION /comment value.priv "x"' % (LOWEST, GAP + 6))).search() == []


def test_refusals_come_first(c):
    """What is wrong with a command is wrong whatever the number."""
    assert code(c.no('UID MOVE 1:* nowhere')) == ['TRYCREATE']
    assert code(c.no('UID COPY 1:* nowhere')) == ['TRYCREATE']
    c.bad('FETCH 1:%d (UID)' % (M + 1))
    c.bad('UID FETCH 1:* (FLAGS) (PARTIAL 1:-5)')
    assert c.exists == M


def test_the_operator_has_no_limit(limited, tmp_path):
    """What is exported is all of a mailbox, and what is imported comes in batches of its own."""
    tool, user = Tool(limited), limited.user()
    c = limited.login(user)
    fill(c, M)
    tool('export', user, '--mailbox', 'INBOX', '--format', 'eml', tmp_path / 'out')
    assert len(list((tmp_path / 'out').rglob('*.eml'))) == M
    tool('import', user, '--mailbox', 'Archive', tmp_path / 'out' / 'INBOX')
    assert status(c, 'Archive') == M
    c.close()


# ---- 4.2


@pytest.fixture(scope='module')
def soft():
    server = Server(users=10, args=['--set', 'message_limit=%d' % (N // 2), '--set', 'message_limit_enforced=%d' % N])
    server.start()
    yield server
    server.close()


def test_enforced_at_a_higher_number(soft):
    c = soft.login(soft.user())
    assert 'MESSAGELIMIT=%d' % (N // 2) in c.capabilities()
    fill(c, N)
    c.select()
    assert len(whole(c.cmd('FETCH 1:* (UID)')).fetches()) == N
    fill(c, 1)
    assert uids(cut(c.cmd('FETCH 1:%d (UID)' % (N + 1)), 2)) == down(N + 1, 2)
    c.close()


def test_without_it(imap, login):
    """No limit, no code; SEARCH as it was."""
    c = login()
    while (c.exists or 0) < 2 * N:
        assert append(c, N).status == 'OK'
        c.select()
    assert whole(c.cmd('SEARCH ALL')).one('SEARCH').data == list(range(1, 2 * N + 1))
    assert uids(whole(c.cmd('FETCH 1:* (UID)'))) == list(range(1, 2 * N + 1))
    assert whole(c.cmd('UID SEARCH UIDAFTER 5 UIDBEFORE 9')).search() == [6, 7, 8]
