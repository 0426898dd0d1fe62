"""THREAD (RFC 5256): ORDEREDSUBJECT, REFERENCES, and REFS of draft-ietf-morg-inthread. Threads of made-up mail are compared with those
that the algorithm gives when it is written down here as the RFC says it, step by step."""

import random
import time

import pytest

from harness import mail
from harness.imap import Lit


def message(own=None, refs=None, subject='s', minute=None, reply=None):
    lines = ['From: a@example.org']
    if subject is not None:
        lines.append('Subject: ' + subject)
    if minute is not None:
        lines.append('Date: ' + time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(1577836800 + 60 * minute)))
    if own:
        lines.append('Message-ID: ' + own)
    if refs:
        lines.append('References: ' + '\n '.join(refs))
    if reply:
        lines.append('In-Reply-To: ' + reply)
    return mail.crlf('\n'.join(lines) + '\n\nx\n')


def fill(c, messages):
    parts = []
    for at in range(0, len(messages), 200):
        parts = []
        for m in messages[at:at + 200]:
            parts += [' ' if parts else '', Lit(m, plus=True)]
        c.ok('APPEND INBOX ', *parts)
    c.select()


def threads(result):
    return result.one('THREAD').raw.decode().strip()[len('* THREAD'):].strip()


def build(box, *messages):
    fill(box, [message(minute=n, **m) for n, m in enumerate(messages)])
    return box


def ask(c, algorithm='REFERENCES', keys='ALL'):
    return threads(c.ok('THREAD %s UTF-8 %s' % (algorithm, keys)))


def m(own, refs=(), subject=None, **more):
    """Each message has a subject of its own, unless it says otherwise."""
    return dict(own='<%s@x>' % own, refs=['<%s@x>' % r for r in refs], subject=own if subject is None else subject, **more)


def test_chain(box):
    build(box, m('a'), m('b', ['a']), m('c', ['a', 'b']))
    assert ask(box) == '(1 2 3)'
    assert ask(box, 'REFS') == '(1 2 3)'


def test_branches(box):
    """The form of RFC 5256 BASE.7.2.THREAD: (3 6 (4 23)(44 7 96))."""
    build(box, m('a'), m('b', ['a']), m('c', ['a', 'b']), m('d', ['b', 'c']), m('e', ['a', 'b']), m('f', ['b', 'e']), m('g', ['e', 'f']))
    assert ask(box) == '(1 2 (3 4)(5 6 7))'


def test_uid(box):
    build(box, m('x'), m('a'), m('b', ['a']))
    box.ok('STORE 1 +FLAGS (\\Deleted)')
    box.ok('EXPUNGE')
    u = [r['UID'] for _, r in sorted(box.ok('FETCH 1:* (UID)').fetches().items())]
    assert threads(box.ok('UID THREAD REFERENCES UTF-8 ALL')) == '(%d %d)' % tuple(u)
    assert ask(box) == '(1 2)'


def test_parent_is_not_there(box):
    """RFC 5256 4, last example: ((3)(5)), siblings of a parent that is not there."""
    build(box, m('b', ['a']), m('z'), m('c', ['a']))
    assert ask(box) == '((1)(3))(2)'
    assert ask(box, 'REFS') == '(2)((1)(3))'


def test_parent_does_not_match(box):
    build(box, m('a'), m('b', ['a']), m('c', ['a', 'b']), m('d', ['a', 'b']))
    assert ask(box, keys='1,3:4') == '(1 (3)(4))'
    assert ask(box, keys='3:4') == '((3)(4))'
    assert ask(box, keys='2') == '(2)'


def test_one_child_takes_the_place(box):
    """Step 3: a dummy at the top with one child gives way to it."""
    build(box, m('c', ['a', 'b']))
    assert ask(box) == '(1)'


def test_truncated_references(box):
    """Step 1 (A): a link that is there stays; (B): the message itself gets its last reference."""
    build(box, m('a'), m('c', ['a']), m('d', ['b', 'c']), m('b', ['a']), m('c2', ['b']))
    assert ask(box) == '(1 (2 3)(4 5))'


def test_loop(box):
    build(box, m('a', ['b']), m('b', ['a']))
    assert ask(box) in ('(1 2)', '(2 1)')
    assert sorted(int(n) for n in ask(box).strip('()').split()) == [1, 2]


def test_refers_to_itself(box):
    build(box, m('a', ['a']), m('b', ['a', 'b']), m('c', ['c', 'b', 'c']))
    assert ask(box).count('1') == 1 and ask(box).count('2') == 1 and ask(box).count('3') == 1


def test_same_id_twice(box):
    """Step 1: the first message with an id has it, later ones get unique ids."""
    build(box, m('a', subject='one'), m('a', subject='two'), m('b', ['a'], subject='three'))
    assert ask(box) == '(1 3)(2)'


def test_in_reply_to(box):
    """Without References, or without ids in it, the first id of In-Reply-To."""
    build(box, m('a'), dict(own='<b@x>', subject='b', reply='your mail of Monday <a@x> from <joe@example.org>'),
          dict(own='<c@x>', subject='c', refs=['none'], reply='<a@x>'), dict(own='<d@x>', subject='d', refs=['<b@x>'], reply='<a@x>'))
    assert ask(box) == '(1 (2 4)(3))'


def test_quoted_ids(box):
    """Different ways to write an id are one id."""
    build(box, dict(own='<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', subject='a'), dict(own='<b@x>', refs=['<01KF8JCEOCBS0045PS@xxx.yyy.com>'], subject='b'))
    assert ask(box) == '(1 2)'


def test_ids_are_case_sensitive(box):
    build(box, m('a'), dict(own='<b@x>', refs=['<A@x>'], subject='b'))
    assert ask(box) == '(1)(2)'


def test_dates_order_siblings_and_threads(box):
    fill(box, [message('<a@x>', None, 'a', 50), message('<b@x>', ['<a@x>'], 'b', 90), message('<c@x>', ['<a@x>'], 'c', 70), message('<d@x>', None, 'd', 10),
               message('<e@x>', ['<a@x>'], 'e', 70)])
    # Equal dates: mailbox order.
    assert ask(box) == '(4)(1 (3)(5)(2))'
    assert ask(box, 'REFS') == '(4)(1 (3)(5)(2))'


def test_refs_by_latest(box):
    """REFS: the thread whose latest message is latest comes last; subjects don't matter."""
    fill(box, [message('<a@x>', None, 's', 1), message('<b@x>', None, 's', 2), message('<c@x>', ['<a@x>'], 'Re: s', 3)])
    assert ask(box, 'REFS') == '(2)(1 3)'


# Step 5, by subjects.


def test_subject_reply(box):
    """A reply without references becomes a child of the message that it seems to answer."""
    build(box, m('a', subject='Plan'), m('b', subject='Re: plan'), m('c', subject='[list] Re: PLAN'))
    assert ask(box) == '(1 (2)(3))'


def test_subject_same(box):
    """Two that are no replies: both below a dummy."""
    build(box, m('a', subject='plan'), m('b', subject='plan'))
    assert ask(box) == '((1)(2))'


def test_subject_reply_comes_first(box):
    """5 (B)(iv): what is no reply takes the place of a reply in the table."""
    build(box, m('a', subject='Re: plan'), m('b', subject='plan'))
    assert ask(box) == '(2 1)'


def test_subject_replies_only(box):
    build(box, m('a', subject='Re: plan'), m('b', subject='Re: plan'))
    assert ask(box) == '((1)(2))'


def test_subject_dummies(box):
    """Both are dummies: their children become siblings. One is: the other becomes its child."""
    build(box, m('b', ['a'], 'plan'), m('c', ['a'], 'Re: plan'), m('e', ['d'], 'plan'), m('f', ['d'], 'x'), m('g', subject='plan'))
    assert ask(box) == '((1)(2)(3)(4)(5))'


def test_subject_empty(box):
    """5 (B)(ii): threads without a subject are left alone."""
    build(box, m('a', subject='Re:'), m('b', subject=''), dict(own='<c@x>', subject=None))
    assert ask(box) == '(1)(2)(3)'
    assert ask(box, 'ORDEREDSUBJECT') == '(1 (2)(3))'


def test_subject_words(box):
    """Encoded and in other letters: i;unicode-casemap."""
    build(box, m('a', subject='=?utf-8?Q?Gr=C3=BC=C3=9Fe?='), m('b', subject='Re: =?iso-8859-1?Q?GR=DC=DFE?='))
    assert ask(box) == '(1 2)'


def test_orderedsubject(box):
    """All of a subject below its earliest message; no grandchildren."""
    fill(box, [message('<a@x>', None, 'plan', 50), message('<b@x>', None, 'Re: plan', 40), message('<c@x>', None, 'other', 45),
               message('<d@x>', ['<b@x>'], 'fwd: plan', 60), message('<e@x>', None, 'last', 61)])
    assert ask(box, 'ORDEREDSUBJECT') == '(2 (1)(4))(3)(5)'


def test_nothing(box3):
    """RFC 5256, example A284: "* THREAD" alone."""
    for algorithm in ('ORDEREDSUBJECT', 'REFERENCES', 'REFS'):
        r = box3.ok('THREAD %s US-ASCII TEXT "gewp"' % algorithm)
        assert r.one('THREAD').raw == b'* THREAD\r\n'


@pytest.mark.parametrize('command', [
    'THREAD', 'THREAD REFERENCES', 'THREAD REFERENCES UTF-8', 'THREAD UTF-8 ALL', 'THREAD (REFERENCES) UTF-8 ALL', 'THREAD SUBJECT UTF-8 ALL',
    'THREAD REFERENCES UTF-8 NONSENSE', 'THREAD RETURN (COUNT) REFERENCES UTF-8 ALL', 'THREAD REFERENCES UTF-8 ALL ',
])
def test_wrong(box, command):
    assert box.refused(command).status == 'BAD'
    box.ok('NOOP')


def test_charset(box3):
    box3.no('THREAD REFERENCES X-NONE ALL', code='BADCHARSET')
    assert ask(box3, 'ORDEREDSUBJECT', 'SUBJECT "Message 2"') == '(2)'
    assert threads(box3.ok('THREAD ORDEREDSUBJECT ISO-8859-1 SUBJECT ', Lit(b'Message 2'))) == '(2)'


def test_state(imap):
    assert imap.refused('THREAD REFERENCES UTF-8 ALL').status == 'BAD'


def test_deep(box):
    """A thread of a thousand, whose messages came in any order: it is no deeper than it has branches, and takes no time."""
    order = list(range(1000))
    random.Random(1).shuffle(order)
    fill(box, [message('<%d@x>' % n, ['<%d@x>' % (n - 1)] if n else None, 's%d' % n, n) for n in order])
    where = {n: i + 1 for i, n in enumerate(order)}
    assert ask(box) == '(%s)' % ' '.join(str(where[n]) for n in range(1000))


# ---- the algorithm as it is written ------------------------------------------------------------------------------------


class Node:
    def __init__(self, number=None, data=None):
        self.number, self.data = number, data
        self.parent, self.children = None, []

    def is_below(self, other):
        n = self
        while n is not None:
            if n is other:
                return True
            n = n.parent
        return False

    def hang(self, parent):
        if self.parent is not None:
            self.parent.children.remove(self)
        self.parent = parent
        if parent is not None:
            parent.children.append(self)

    def head(self):
        return self if self.number else self.children[0]

    def key(self):
        return (self.head().data['minute'], self.head().number)

    def show(self):
        """The members of a thread (RFC 5256 5): a chain, then branches."""
        words, n = [], self
        while True:
            if n.number:
                words.append(str(n.number))
            if len(n.children) != 1:
                break
            n = n.children[0]
        branches = ''.join('(%s)' % c.show() for c in n.children)
        return ' '.join(words + ([branches] if branches else []))


def base(subject):
    """Enough of RFC 5256 2.1 for the subjects of this test."""
    is_reply = False
    while subject.lower().startswith('re: '):
        subject, is_reply = subject[4:], True
    return subject.lower(), is_reply


def references(messages):
    nodes, by_id = [], {}
    for number, data in enumerate(messages, 1):
        n = Node(number, data)
        nodes.append(n)
        if data['own'] and data['own'] not in by_id:
            by_id[data['own']] = n
    for n in nodes:                                             # (1)
        last = None
        for ref in n.data['refs'] or []:
            target = by_id.setdefault(ref, Node())
            if last is not None and target.parent is None and not last.is_below(target):
                target.hang(last)
            last = target
        if n.parent is not last:
            n.hang(None)
            if last is not None and not last.is_below(n):
                n.hang(last)
    every = nodes + [n for n in by_id.values() if not n.number]
    root = Node()                                               # (2)
    root.children = [n for n in every if n.parent is None]

    def prune(parent):                                          # (3)
        kept = []
        for c in parent.children:
            prune(c)
            if c.number or (parent is root and len(c.children) > 1):
                kept.append(c)
            else:
                kept += c.children
                for g in c.children:
                    g.parent = parent
        parent.children = kept

    prune(root)
    for c in root.children:
        c.parent = None
        c.children.sort(key=lambda n: (n.data['minute'], n.number))
    root.children.sort(key=Node.key)                            # (4)
    table = {}                                                  # (5)
    for c in root.children:
        subject, is_reply = base(c.head().data['subject'])
        if not subject:
            continue
        old = table.get(subject)
        if old is None or (old.number and (not c.number or (base(old.data['subject'])[1] and not is_reply))):
            table[subject] = c
    top = list(root.children)
    for c in list(top):
        subject, is_reply = base(c.head().data['subject'])
        if not subject or table[subject] is c or c not in top:
            continue
        old = table[subject]
        top.remove(c)
        if not old.number and not c.number:
            for g in list(c.children):
                g.hang(old)
        elif not old.number or (is_reply and not base(old.data['subject'])[1]):
            c.hang(old)
        else:
            dummy = Node()
            top[top.index(old)] = dummy
            c.hang(dummy)
            old.hang(dummy)
            table[subject] = dummy

    def order(n):                                               # (6)
        for c in n.children:
            order(c)
        n.children.sort(key=Node.key)

    root.children = top
    order(root)
    return ''.join('(%s)' % c.show() for c in root.children)


@pytest.mark.parametrize('seed', range(12))
def test_random_threads(box, seed):
    """Ids that are missing, doubled, referred to in loops; references cut short; subjects shared; dates equal."""
    r = random.Random(seed)
    ids = ['<%d@x>' % n for n in range(40)]
    subjects = ['', 'a', 'b', 'c'] if seed % 2 else [str(n) for n in range(200)]
    messages = []
    for n in range(60):
        own = r.choice(ids) if r.random() < 0.9 else None
        refs = r.sample(ids, r.choice([0, 1, 1, 2, 3, 6]))
        messages.append({'own': own, 'refs': refs, 'minute': r.randrange(30), 'subject': r.choice(['', 'Re: ', 'Re: Re: ']) + r.choice(subjects) or 'x'})
    fill(box, [message(**d) for d in messages])
    assert ask(box) == references([dict(d) for d in messages])


def test_announced(imap):
    assert {'THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES', 'THREAD=REFS'} <= imap.capabilities()
