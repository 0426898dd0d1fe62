"""Several clients change two mailboxes at random. Each keeps its own picture of the mailbox from what it is told, by the rules of its
kind (plain, CONDSTORE, QRESYNC, IMAP4rev2); whenever all have said NOOP, all pictures must be the truth. Now and then one goes
away and comes back by QRESYNC with what it knew.

POSTHORN_TEST_SEED repeats a run; POSTHORN_TEST_STEPS makes it longer.
"""

import os
import random
import time

import pytest

from harness import mail
from harness.follower import Follower, truth
from harness.imap import Lit
from harness.parse import numbers

STEPS = int(os.environ.get('POSTHORN_TEST_STEPS', 250))
BOXES = ('INBOX', 'other')
FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '\\Deleted', 'k1', 'k2', 'K3']
KINDS = ('plain', 'condstore', 'qresync', 'rev2', 'qresync')


def act(f, chance, count):
    """One random step of one client."""
    n = len(f.seqs)
    do = chance.choice(['append', 'append', 'store', 'store', 'store', 'silent', 'fetch', 'body', 'search', 'expunge', 'copy', 'move', 'uidexpunge', 'noop',
                        'unchanged', 'pipeline', 'switch', 'multi'])
    if do == 'append':
        f.run(['APPEND %s (%s) ' % (chance.choice(BOXES), ' '.join(chance.sample(FLAGS, 2))), Lit(mail.numbered(count))])
        return
    if do == 'multi':
        parts = ['APPEND %s' % chance.choice(BOXES)]
        for k in range(chance.randrange(1, 80)):
            parts += [' ', Lit(b'Subject: %d\r\n\r\n' % k, plus=True)]
        f.run(parts)
        return
    if do == 'switch':
        f.select(chance.choice(BOXES))
        return
    if do == 'noop' or n == 0:
        f.run(['NOOP'])
        return
    a, b = sorted(chance.choices(range(1, n + 1), k=2))
    if b - a > 70:
        b = a + chance.randrange(70)
    seqs = chance.choice(['%d' % a, '%d:%d' % (a, b), '%d,%d' % (a, b)])
    uids = ','.join(str(f.seqs[x - 1].uid) for x in numbers(seqs))
    some = ' '.join(chance.sample(FLAGS, chance.randrange(1, 4)))
    how = chance.choice(['+FLAGS', '-FLAGS', 'FLAGS'])
    to = chance.choice(BOXES)
    if do == 'store':
        if chance.random() < 0.5:
            f.run(['STORE %s %s (%s)' % (seqs, how, some)])
        else:
            f.run(['UID STORE %s %s (%s)' % (uids, how, some)])
    elif do == 'silent':
        # What it stored silently, a client knows by itself; it asks, to be sure.
        f.run(['STORE %s %s.SILENT (%s)' % (seqs, how, some)])
        f.run(['FETCH %s (UID FLAGS MODSEQ)' % seqs])
    elif do == 'unchanged':
        f.run(['UID STORE %s (UNCHANGEDSINCE %d) %s (%s)' % (uids, f.seqs[a - 1].modseq, how, some)])
    elif do == 'fetch':
        f.run(['FETCH %s (UID FLAGS MODSEQ RFC822.SIZE)' % seqs])
    elif do == 'body':
        f.run(['FETCH %d (UID BODY[])' % a])
    elif do == 'search':
        f.run(['SEARCH %s' % chance.choice(['ALL', 'SEEN', 'DELETED', 'KEYWORD k1', 'UID %s' % uids, 'MODSEQ %d' % f.known])])
    elif do == 'expunge':
        f.run(['STORE %s +FLAGS.SILENT (\\Deleted)' % seqs], ['EXPUNGE'])
    elif do == 'uidexpunge':
        f.run(['UID STORE %s +FLAGS (\\Deleted)' % uids], ['UID EXPUNGE %s' % uids])
    elif do == 'copy':
        f.run(['COPY %s %s' % (seqs, to)])
    elif do == 'move':
        f.run(['UID MOVE %s %s' % (uids, to)])
    elif do == 'pipeline':
        f.run(['UID STORE %s +FLAGS (k2)' % uids], ['UID FETCH %s (FLAGS MODSEQ)' % uids], ['NOOP'], ['SEARCH FLAGGED'])


def compare(server, user, followers):
    for f in followers:
        f.run(['NOOP'])
    true = dict((box, truth(server, user, box)) for box in BOXES)
    for f in followers:
        assert [m.uid for m in f.seqs] == [uid for uid, _, _ in true[f.box]], (f.kind, f.box)
        assert [m.flags for m in f.seqs] == [flags for _, flags, _ in true[f.box]], (f.kind, f.box)
        if f.kind in ('condstore', 'qresync'):
            assert [m.modseq for m in f.seqs] == [modseq for _, _, modseq in true[f.box]], (f.kind, f.box)
    return true


@pytest.mark.parametrize('number', range(4))
def test_pictures_are_true(server, user, number):
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time() * 10 + number))
    print('POSTHORN_TEST_SEED=%d' % seed)
    chance = random.Random(seed)
    c = server.login(user)
    c.ok('CREATE other')
    c.close()
    followers = [Follower(server, user, kind, n).select(BOXES[n % 2]) for n, kind in enumerate(KINDS)]
    away = []
    f = None
    try:
        for step in range(STEPS):
            f = chance.choice(followers)
            act(f, chance, step)
            if step % 10 == 9:
                true = compare(server, user, followers)
            if chance.random() < 0.05:
                # One goes away with what it knows, and comes back later.
                old = chance.choice([x for x in followers if x.kind == 'qresync'])
                away.append((old.box, old.snapshot(chance)))
            if away and chance.random() < 0.1:
                box, snapshot = away.pop(chance.randrange(len(away)))
                back = [x for x in followers if x.kind == 'qresync'][0]
                back.select(box, snapshot)
                true = dict((uid, flags) for uid, flags, _ in truth(server, user, box))
                assert back.resynchronised == true, 'after QRESYNC'
        compare(server, user, followers)
    except Exception:
        if f is not None:
            print('step %d, %s:\n%s' % (step, f.kind, f.c.history(30)))
        raise
    finally:
        for f in followers:
            f.c.close()
