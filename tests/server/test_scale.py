"""Promise 10: doubling any input never more than 2.5-folds the time of a command. Commands and the ways in which their input grows are
tables; each is done at a size and at eight times that size, and the server's processor time is compared: what is linear takes 8
times as long, what is quadratic 64 times; 2.5 to the third is 15.6. (Parsers alone: tests/scale.)"""

import os

import pytest

from harness.plain import Plain, cpu_seconds
from harness.server import Server

pytestmark = [pytest.mark.own_server, pytest.mark.timed]

FOLD_MAX = 2.5 ** 3
NOISE_S = 0.0005        # below that, the smaller time says nothing
TRIES = 4
MESSAGE = (b'From: A <a@example.org>\r\nTo: b@example.org\r\nSubject: hi\r\nDate: Sun, 22 Nov 2026 10:11:12 +0100\r\n\r\n' + b'body of it\r\n' * 20)


@pytest.fixture(scope='module')
def server():
    s = Server(users=40)
    s.start()
    yield s
    s.close()


def numbers(n, step=2):
    return ','.join(str(1 + step * i) for i in range(n))


# Mailboxes that grow: name → commands, all of which see every message. The smaller has SMALL messages.
SMALL = 2000
OVER_MAILBOX = {
    'select': ['SELECT box'],
    'status': ['STATUS box (MESSAGES UNSEEN SIZE)'],
    'fetch-flags': ['FETCH 1:* (UID FLAGS)'],
    'fetch-envelope': ['FETCH 1:* (ENVELOPE BODYSTRUCTURE)'],
    'fetch-header': ['FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]'],
    'fetch-body': ['FETCH 1:* BODY.PEEK[]'],
    'fetch-every-other': lambda n: ['FETCH %s FLAGS' % numbers(min(n // 2, 9000))],
    'search-flags': ['SEARCH SEEN'],
    'search-header': ['SEARCH SUBJECT nothing'],
    'search-text': ['SEARCH TEXT zq'],  # of two letters: all is read each time
    'search-text-again': ['SEARCH TEXT nothing'],
    'search-saved': ['SEARCH RETURN (SAVE) UID 1:*', 'SEARCH $ UNSEEN'],
    'store': ['STORE 1:* +FLAGS (\\Flagged)', 'STORE 1:* -FLAGS (\\Flagged)'],
    'store-every-other': lambda n: ['STORE %s +FLAGS.SILENT (k)' % numbers(min(n // 2, 9000))],
    'copy': ['COPY 1:* copies'],
    'move-and-back': ['MOVE 1:* moved', 'SELECT moved', 'MOVE 1:* box', 'SELECT box'],
    'expunge': ['COPY 1:* gone', 'SELECT gone', 'STORE 1:* +FLAGS.SILENT (\\Deleted)', 'EXPUNGE', 'SELECT box'],
    'expunge-every-other': lambda n: ['COPY 1:* gone', 'SELECT gone', 'STORE %s +FLAGS.SILENT (\\Deleted)' % numbers(min(n // 2, 9000)), 'EXPUNGE',
                                      'STORE 1:* +FLAGS.SILENT (\\Deleted)', 'CLOSE', 'SELECT box'],
    'qresync': ['ENABLE QRESYNC', 'SELECT box (QRESYNC (1 1))'],
    'vanished-telling': ['UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)'],
}

# Commands that grow: name → n → what is sent.
COMMANDS = {
    'search-keys': (500, lambda n: 'SEARCH ' + 'NOT SEEN ' * n + 'ALL'),
    'search-texts': (250, lambda n: 'SEARCH ' + 'NOT TEXT q ' * n + 'ALL'),
    'search-headers': (250, lambda n: 'SEARCH ' + 'NOT HEADER x q ' * n + 'ALL'),
    'search-set': (1000, lambda n: 'SEARCH UID ' + numbers(n)),
    'search-sets': (250, lambda n: 'SEARCH ' + ''.join('NOT UID %d:%d ' % (2 * i + 1, 2 * i + 100) for i in range(n)) + 'ALL'),
    'search-set-backwards': (1000, lambda n: 'SEARCH UID ' + ','.join(str(2 * n - 2 * i) for i in range(n))),
    'fetch-set': (1000, lambda n: 'UID FETCH %s UID' % numbers(n)),
    'fetch-set-backwards': (1000, lambda n: 'UID FETCH %s UID' % ','.join(str(2 * n - 2 * i) for i in range(n))),
    'fetch-overlapping': (500, lambda n: 'UID FETCH %s UID' % ','.join('%d:%d' % (2 * i + 1, 2 * i + 200) for i in range(n))),
    'fetch-fields': (64, lambda n: 'FETCH 1 BODY.PEEK[HEADER.FIELDS (%s)]' % ' '.join('x%d' % i for i in range(n))),
    'fetch-sections': (30, lambda n: 'FETCH 1 (%s)' % ' '.join('BODY.PEEK[]<%d.1>' % i for i in range(n))),
    'store-keywords': (12, lambda n: 'STORE 1 FLAGS (%s)' % ' '.join('k%d' % i for i in range(n))),
    'list-patterns': (16, lambda n: 'LIST "" (%s)' % ' '.join('*%d' % i for i in range(n))),
    'list-stars': (30, lambda n: 'LIST "" "%s"' % ('*a' * n)),
    'id': (3, lambda n: 'ID (%s)' % ' '.join('"k%d" "v"' % i for i in range(n))),
    'noops': (500, lambda n: 'NOOP\r\nb ' * n + 'NOOP'),
    'bad-login-names': (2000, lambda n: 'STATUS "%s" (MESSAGES)' % ('x' * n)),
    'append': (500000, lambda n: b'APPEND gone {%d+}\r\n%s' % (n, b'x' * n)),
    'append-lines': (200000, lambda n: b'APPEND gone {%d+}\r\n%s' % (n // 2 * 2, b'\r\n' * (n // 2))),
    'append-addresses': (200000, lambda n: b'APPEND gone {%d+}\r\nTo: %s' % (4 + n // 5 * 5, b'a@b,\n' * (n // 5))),
    'append-parts': (100000, lambda n: b'APPEND gone {%d+}\r\n%s' % (45 + n // 8 * 8, b'Content-Type: multipart/mixed; boundary=b\r\n\r\n' + b'--b\n\nx\r\n' * (n // 8))),
    'multiappend': (100, lambda n: b'APPEND gone' + b' {10+}\r\nSubject: x' * n),
}


def growth(make, small, pid):
    """make(n) is done at small and at eight times that."""
    best = {}
    for i in range(TRIES):
        for n in (small, 8 * small):
            run = make(n)
            before = cpu_seconds(pid)
            run()
            used = cpu_seconds(pid) - before
            best[n] = min(best.get(n, used), used)
        if i > 0 and best[8 * small] <= FOLD_MAX * max(best[small], NOISE_S):
            break
    return best[small], best[8 * small]


def check(name, small_s, large_s):
    fold = large_s / max(small_s, NOISE_S)
    print('%-24s %8.2f ms → %8.2f ms for 8 times the input: %.1f times' % (name, 1000 * small_s, 1000 * large_s, fold))
    assert fold <= FOLD_MAX, name


def test_commands_over_mailboxes(server):
    pid = server.role_pid('mail')
    clients = {}
    for n, user in ((SMALL, 'user1'), (8 * SMALL, 'user2')):
        c = clients[n] = Plain(server, user)
        for box in 'box', 'copies', 'moved', 'gone':
            c.ok('CREATE ' + box)
        c.fill(n, MESSAGE, 'box')
    failed = []
    for name, commands in OVER_MAILBOX.items():
        def make(n):
            todo = commands(n) if callable(commands) else commands
            return lambda: [clients[n].ok(x) for x in todo]
        small_s, large_s = growth(make, SMALL, pid)
        try:
            check(name, small_s, large_s)
        except AssertionError:
            failed.append(name)
    assert not failed


def test_commands_over_their_length(server):
    pid = server.role_pid('mail')
    c = Plain(server, 'user3')
    c.ok('CREATE gone')
    c.fill(200, MESSAGE)
    failed = []
    for name, (small, text) in COMMANDS.items():
        def make(n):
            data = text(n)
            data = data.encode() if isinstance(data, str) else data

            def run():
                c.send(b'a ' + data + b'\r\n')
                last = c.answer()
                for i in range(n if name == 'noops' else 0):
                    while not c.file.readline().startswith(b'b OK'):
                        pass
                assert last.startswith((b'a OK', b'a NO')), last
            return run
        small_s, large_s = growth(make, small, pid)
        try:
            check(name, small_s, large_s)
        except AssertionError:
            failed.append(name)
    assert not failed


def test_mailboxes_in_number(server):
    """LIST, LSUB, STATUS, RENAME and DELETE over many mailboxes."""
    pid = server.role_pid('mail')
    sizes = {60: Plain(server, 'user4'), 480: Plain(server, 'user5')}
    for n, c in sizes.items():
        for i in range(n):
            c.ok('CREATE top/box%d' % i)
            c.ok('SUBSCRIBE top/box%d' % i)
    failed = []
    for name, commands in {
        'list': ['LIST "" *'] * 20, 'list-status': ['LIST "" * RETURN (STATUS (MESSAGES UNSEEN))'] * 5, 'lsub': ['LSUB "" *'] * 20,
        'list-recursive': ['LIST (SUBSCRIBED RECURSIVEMATCH) "" %'] * 20, 'rename': ['RENAME top other', 'RENAME other top'],
    }.items():
        small_s, large_s = growth(lambda n: lambda: [sizes[n].ok(x) for x in commands], 60, pid)
        try:
            check(name, small_s, large_s)
        except AssertionError:
            failed.append(name)
    assert not failed
