"""Fixtures for all tests, and the collector of the transcripts in tests/imap/*.t."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import server as servers               # noqa: E402
from harness import examples, mail, timing, transcript      # noqa: E402


def pytest_collect_file(parent, file_path):
    if file_path.suffix == '.t':
        return transcript.File.from_parent(parent, path=file_path)
    if file_path.suffix == '.rfc':
        return examples.File.from_parent(parent, path=file_path)


def pytest_configure(config):
    config.addinivalue_line('markers', 'own_server: the test starts a server of its own, so it cannot run on a foreign one')
    config.addinivalue_line('markers', 'timed: it compares times and nothing else; runs with POSTHORN_TEST_TIMES=1')


def pytest_collection_modifyitems(config, items):
    if not timing.COUNTS:
        timed = [item for item in items if item.get_closest_marker('timed')]
        config.hook.pytest_deselected(items=timed)
        items[:] = [item for item in items if item not in timed]
    if os.environ.get('POSTHORN_TEST_SERVER'):
        skip = pytest.mark.skip(reason='needs a server of its own')
        for item in items:
            if item.get_closest_marker('own_server'):
                item.add_marker(skip)


_server = None


def the_server(session):
    """The one server of this run, with an account for each test; started by the first test that needs it."""
    global _server
    if _server is None:
        _server = servers.make(users=len(session.items) * 2 + 10)
        _server.start()
    return _server


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    global _server
    if _server is not None:
        server, _server = _server, None
        try:
            server.close()
        except AssertionError as e:
            session.exitstatus = 1
            session.config.get_terminal_writer().line('\n' + str(e), red=True)


@pytest.fixture
def server(request):
    server = the_server(request.session)
    if server.own and server.proc.poll() is not None:
        pytest.fail('the server has ended')
    return server


@pytest.fixture
def user(server):
    """The name of an account that only this test uses."""
    return server.user()


@pytest.fixture
def connect(server):
    """Makes connections that are closed when the test ends: connect(), connect(ssl=True), connect(user='user1')."""
    opened = []

    def make(user=None, **more):
        c = server.connect(**more) if user is None else server.login(user, **more)
        opened.append(c)
        return c

    yield make
    for c in opened:
        c.close()


@pytest.fixture
def anon(connect):
    """A connection that is not logged in."""
    return connect()


@pytest.fixture
def login(connect, user):
    """Makes connections that are logged in to the account of this test."""
    return lambda **more: connect(user=user, **more)


@pytest.fixture
def imap(login):
    """A connection that is logged in; no mailbox is selected."""
    return login()


@pytest.fixture
def box(imap):
    """A connection with an empty INBOX selected."""
    imap.select()
    return imap


@pytest.fixture
def box3(imap):
    """A connection with INBOX selected that holds three numbered messages with the UIDs in `uids`."""
    imap.test_uids = [imap.append(mail.numbered(n)) for n in (1, 2, 3)]
    imap.select()
    return imap


@pytest.fixture
def pair(login):
    """Two connections of one account, INBOX with four numbered messages selected on both."""
    one, two = login(name='a'), login(name='b')
    one.test_uids = two.test_uids = [one.append(mail.numbered(n)) for n in (1, 2, 3, 4)]
    one.select()
    two.select()
    return one, two


@pytest.fixture
def lmtp(server):
    c = server.lmtp_connect()
    yield c
    c.close()
