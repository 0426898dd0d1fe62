"""INPROGRESS (RFC 9585): who waits for a long command is told how far it is."""

import pytest

from harness import mail
from harness.imap import Lit
from harness.server import Server

pytestmark = pytest.mark.own_server

MESSAGES = 1200


@pytest.fixture(scope='module')
def eager():
    """A server that tells of its progress every millisecond, and an account whose INBOX takes a while to search."""
    s = Server(users=2, args=['--set', 'progress_every=1ms'])
    s.start()
    c = s.login('user1')
    body = mail.numbered(1) + b'All work and no play makes a dull message.\r\n' * 400
    for _ in range(MESSAGES // 100):
        c.ok('APPEND INBOX', *sum(([' ', Lit(body, plus=True)] for _ in range(100)), []))
    c.select()
    yield c
    c.close()
    s.close()


def notices(r):
    return [u.code[1] for u in r.untagged if u.code and str(u.code[0]) == 'INPROGRESS']


def search(c, command, times=20):
    """Until there was a notice: machines differ."""
    for _ in range(times):
        r = c.ok(command)
        if notices(r):
            return r
    pytest.fail('no INPROGRESS in %d searches' % times)


def test_announced(eager):
    assert 'INPROGRESS' in eager.capabilities()


# Of two letters, so that what an earlier search knows of the texts spares nothing.
@pytest.mark.parametrize('command', ['SEARCH TEXT "zq"', 'UID SEARCH RETURN (COUNT) BODY "qz"'])
def test_search(eager, command):
    """RFC 9585 4: the tag, messages done and messages in all; done ascends and stays below; never in the tagged reply."""
    r = search(eager, command)
    assert not r.tagged.code
    last = 0
    for tag, done, goal in notices(r):
        assert tag.decode() == r.tagged.tag
        assert goal == MESSAGES and 0 <= done < goal and done >= last
        last = done


def test_goal_is_messages(eager):
    """RFC 9585 4: the goal counts messages, not the UIDs of the set."""
    r = search(eager, 'UID CONVERT 301:4294967295 (NIL (charset utf-16)) BINARY.SIZE[1]')
    assert len(r.all('CONVERTED')) == MESSAGES - 300
    for tag, done, goal in notices(r):
        assert tag.decode() == r.tagged.tag
        assert goal == MESSAGES - 300 and 0 <= done < goal


def test_tag_with_bracket(eager):
    """RFC 9585 4: a tag with "]" is NIL."""
    for _ in range(20):
        eager.begin('SEARCH TEXT "qx"', tag='x]1')
        r = eager.end('x]1')
        if notices(r):
            assert all(n[0] is None for n in notices(r))
            return
    pytest.fail('no INPROGRESS')


def test_commands_that_change(eager):
    """COPY, STORE, MOVE and EXPUNGE of many: whatever is told on the way is well-formed, and the answers are whole."""
    eager.ok('CREATE progress')
    assert 'COPYUID' in eager.ok('COPY 1:* progress').codes()
    r = eager.ok('STORE 1:* +FLAGS (\\Flagged)')
    assert len(r.fetches()) == MESSAGES
    eager.ok('SELECT progress')
    eager.ok('STORE 1:600 +FLAGS.SILENT (\\Deleted)')
    r = eager.ok('EXPUNGE')
    assert len(r.expunged()) == 600
    for tag, done, goal in notices(r):
        assert tag.decode() == r.tagged.tag and goal is None
    r = eager.ok('MOVE 1:* Archive')
    assert len(r.expunged()) == MESSAGES - 600
    eager.select()


def test_nothing_when_it_is_quick(eager):
    assert notices(eager.ok('SEARCH UID 1')) == []
