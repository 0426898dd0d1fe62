"""For every command: arguments far too long, and far too many (DESIGN: everything a stranger can make grow has a bound). The
answer is BAD or NO, or BYE where the line itself is over the bound; others are served all the same."""

import pytest

from harness import mail
from harness.imap import Closed, Lit

LONG = 'x' * 200000
ANY = ['NOOP %s', 'CAPABILITY %s', 'LOGOUT %s', 'ID ("%s" "v")', '%s', 'X%s y']
BEFORE = ['LOGIN %s x', 'LOGIN x %s', 'AUTHENTICATE %s', 'AUTHENTICATE PLAIN %s', 'STARTTLS %s']
AUTHENTICATED = ['SELECT %s', 'EXAMINE %s', 'CREATE %s', 'DELETE %s', 'RENAME %s y', 'RENAME INBOX %s', 'SUBSCRIBE %s', 'UNSUBSCRIBE %s', 'LIST "" %s', 'LIST %s *', 'LSUB "" %s',
                 'XLIST "" %s', 'STATUS %s (MESSAGES)', 'STATUS INBOX (%s)', 'NAMESPACE %s', 'ENABLE %s', 'COMPRESS %s', 'IDLE %s', 'APPEND %s {3+}\r\nabc',
                 'APPEND INBOX (%s) {3+}\r\nabc', 'APPEND INBOX "%s" {3+}\r\nabc', 'SELECT INBOX (%s)']
SELECTED = ['FETCH %s FLAGS', 'FETCH 1 %s', 'FETCH 1 BODY[HEADER.FIELDS (%s)]', 'FETCH 1 BODY[%s]', 'STORE %s FLAGS (a)', 'STORE 1 FLAGS (%s)', 'STORE 1 %s (a)', 'SEARCH %s',
            'SEARCH SUBJECT %s', 'SEARCH HEADER %s y', 'SEARCH CHARSET %s ALL', 'COPY %s INBOX', 'COPY 1 %s', 'MOVE %s INBOX', 'MOVE 1 %s', 'UID FETCH %s FLAGS', 'UID STORE %s FLAGS (a)',
            'UID SEARCH UID %s', 'UID COPY 1 %s', 'UID MOVE 1 %s', 'UID EXPUNGE %s', 'UID %s', 'EXPUNGE %s', 'CHECK %s', 'CLOSE %s', 'UNSELECT %s']


def refused(c, line):
    c.checking = False
    try:
        r = c.cmd(line)
    except (Closed, OSError):
        return
    assert r.status in ('BAD', 'NO'), r
    c.ok('NOOP')


@pytest.mark.parametrize('form', ANY + BEFORE)
def test_before_login(anon, form):
    refused(anon, form % LONG)


@pytest.mark.parametrize('form', ANY + AUTHENTICATED)
def test_authenticated(imap, login, form):
    refused(imap, form % LONG)
    login().ok('NOOP')


@pytest.mark.parametrize('form', SELECTED)
def test_selected(box3, login, form):
    refused(box3, form % LONG)
    login().ok('NOOP')


@pytest.mark.parametrize('form', ['FETCH 1 (%s)', 'SEARCH %s', 'STATUS INBOX (%s)', 'ENABLE %s', 'LIST "" (%s)', 'STORE 1 FLAGS (%s)', 'FETCH 1 BODY[HEADER.FIELDS (%s)]'])
def test_many_short_arguments(box3, form):
    """Thousands of items in one command: run or refused."""
    word = {'FETCH 1 (%s)': 'FLAGS', 'SEARCH %s': 'SEEN', 'STATUS INBOX (%s)': 'MESSAGES', 'LIST "" (%s)': '*'}.get(form, 'a')
    box3.checking = False
    try:
        box3.cmd(form % ' '.join([word] * 9000))
        box3.ok('NOOP')
    except (Closed, OSError):
        pass


def test_many_literals_in_a_command(box3):
    """The sum of a command's literals is bounded too."""
    box3.checking = False
    try:
        parts = ['SEARCH']
        for _ in range(40):
            parts += [' SUBJECT ', Lit('y' * 30000, plus=True)]
        r = box3.cmd(*parts)
        assert r.status in ('BAD', 'NO')
        box3.ok('NOOP')
    except (Closed, OSError):
        pass


def test_largest_literal_and_one_above(imap):
    """64 KiB a literal outside APPEND: that much is read, one octet more is refused; either way the session goes on."""
    imap.select()
    imap.ok('SEARCH SUBJECT ', Lit('y' * 65536))
    r = imap.cmd('SEARCH SUBJECT ', Lit('y' * 65537))
    assert r.status in ('BAD', 'NO'), r
    imap.ok('NOOP')


def test_a_client_that_does_not_read(imap, login, server):
    """Output is bounded: a session whose client stops reading waits, the others are served."""
    for _ in range(3):
        imap.append(mail.sized(2 * 1024 * 1024))
    slow = login()
    slow.select()
    for n in range(10):
        slow.send('s%d FETCH 1:3 BODY.PEEK[]\r\n' % n)
        slow.pending.append(('s%d' % n, 'FETCH'))
    imap.ok('NOOP')
    imap.select()
    assert imap.body(2) == mail.sized(2 * 1024 * 1024)
    for n in range(10):
        assert len(slow.end('s%d' % n).fetches()) == 3


def test_connections_that_say_nothing(server, login):
    """Twenty silent connections do no harm."""
    silent = [server.connect() for _ in range(20)]
    login().ok('NOOP')
    for c in silent:
        c.close()
