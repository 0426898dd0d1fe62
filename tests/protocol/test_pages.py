r"""What is found and told for 64 messages at once is what is found and told of each alone.

SEARCH of what entries know and FETCH of UID, FLAGS and RFC822.SIZE go by pages; with MODSEQ beside it they go one by one. The answers
are the same, in a mailbox that two users share, with private \Seen, keywords and messages that one of them was not told are gone."""
import os
import random
import time

KEYS = ('SEEN', 'UNSEEN', 'NOT SEEN FLAGGED', 'OR SEEN KEYWORD kw', 'NOT (OR SEEN FLAGGED)', 'UNSEEN UNKEYWORD kw UID 50:300', '30:200 SEEN',
        'RECENT', 'NEW', 'OLD', 'LARGER 5 ANSWERED', 'NOT ALL')
RETURNS = ('SEARCH RETURN (ALL COUNT MIN MAX)', 'UID SEARCH RETURN (MIN)', 'UID SEARCH RETURN (MAX)', 'UID SEARCH RETURN (PARTIAL -1:-20)',
           'SEARCH RETURN (PARTIAL 3:17)')
ITEMS = 'UID FLAGS RFC822.SIZE'
COUNT = 300


def told(c, items):
    """FETCH's own answers, without those that tell what another has changed."""
    answers = c.ok('FETCH 1:* (%s)' % items).fetches()
    return {n: (a['UID'], sorted(a['FLAGS']), a['RFC822.SIZE']) for n, a in answers.items() if 'RFC822.SIZE' in a}


def found(c, command):
    e = c.ok(command).esearch()
    return {k: v for k, v in e.items() if k not in ('TAG', 'MODSEQ')}


def change(owner, guest, r):
    for c in owner, guest:
        first = r.randint(1, 150)
        c.ok('STORE %d:%d %sFLAGS.SILENT (%s)' % (first, first + r.randint(0, 60), r.choice('+-'),
                                                  r.choice(['\\Seen', '\\Flagged', '\\Answered', 'kw', 'kw other'])))
    if r.random() < 0.3:
        first = r.randint(1, COUNT - 50)
        owner.ok('UID STORE %d:%d +FLAGS.SILENT (\\Deleted)' % (first, first + 5))
        owner.ok('EXPUNGE')


def test_pages_and_one_by_one(server, connect):
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time() * 10))
    print('seed %d' % seed)
    r = random.Random(seed)
    names = server.user(), server.user()
    owner, guest = (connect(user=n, name=n) for n in names)
    owner.ok('CREATE box')
    for n in range(3):
        owner.append(b'Subject: x\r\n\r\n' + b'y' * n, 'box')
    owner.select('box')
    while owner.exists < COUNT:
        owner.ok('COPY 1:%d box' % min(owner.exists, COUNT - owner.exists))
        owner.ok('NOOP')
    owner.ok('SETACL box %s lrswiptekx' % names[1])
    guest.select('Other Users/%s/box' % names[0])
    for _ in range(12):
        change(owner, guest, r)
        for c in guest, owner:
            c.ok('FETCH 1 (UID)')       # flags that others have changed are told after it, what is gone is not
            pages, alone = told(c, ITEMS), told(c, ITEMS + ' MODSEQ')
            assert pages == alone and len(pages) > 0
            for key in KEYS:
                for how in RETURNS:
                    assert found(c, '%s %s' % (how, key)) == found(c, '%s %s MODSEQ 1' % (how, key)), (how, key)
