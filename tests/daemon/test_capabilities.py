"""The table of capabilities (`posthorn capabilities`) against what the server announces, and against these tests."""

import json
import pathlib
import re
import subprocess

import pytest

from harness.server import Server

TESTS = pathlib.Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.own_server


@pytest.fixture(scope='module')
def server():
    s = Server(users=2)
    s.start()
    yield s
    s.close()


@pytest.fixture(scope='module')
def table(server):
    rows = json.loads(subprocess.run([server.program, 'capabilities', '--json'], check=True, capture_output=True).stdout)
    return dict((row['name'], row) for row in rows)


def announced(c):
    """Names as in the table: what follows "AUTH=" and "APPENDLIMIT=" is a value."""
    names = [str(a) for a in c.ok('CAPABILITY').one('CAPABILITY').data]
    assert len(names) == len(set(n.upper() for n in names)), 'announced twice'
    return set(re.sub(r'^(AUTH|APPENDLIMIT|SAVELIMIT|MESSAGELIMIT)=.*', r'\1=', n) for n in names)


def names(table, *shown):
    return set(n for n, row in table.items() if row['announced'] and row['shown'] in shown)


def starting(table, words):
    return set(n for n, row in table.items() if row['shown'].startswith(words))


def test_before_login(server, table):
    clear, tls = server.connect(), server.connect(ssl=True)
    always = names(table, 'always', 'before login')
    # Loopback counts as private, so LOGINDISABLED is not shown; test_auth has the rest.
    assert announced(clear) == always | {'STARTTLS', 'AUTH='}
    assert announced(tls) == always | {'AUTH='}
    clear.close()
    tls.close()


def test_after_login(server, table):
    c = server.login('user1')
    shown = announced(c)
    assert shown >= names(table, 'always', 'after login')
    assert shown <= names(table, 'always', 'after login') | starting(table, 'after login, ')
    assert 'COMPRESS=DEFLATE' in shown and 'APPENDLIMIT=' in shown
    c.compress()
    assert announced(c) == shown - {'COMPRESS=DEFLATE'}
    c.close()


def test_the_greeting_and_login_say_the_same(server, table):
    c = server.connect()
    assert set(str(a) for a in c.greeting.code[1:]) == set(str(a) for a in c.ok('CAPABILITY').one('CAPABILITY').data)
    r = c.login('user1', server.password)
    assert set(str(a) for a in r.tagged.code[1:]) == set(str(a) for a in c.ok('CAPABILITY').one('CAPABILITY').data)
    c.close()


def test_never_without_what_it_needs(table):
    for row in table.values():
        for other in row['needs']:
            assert other in table and table[other]['announced'], (row['name'], other)


def test_each_has_tests(table):
    """No row without tests that carry its document's number, or the draft's name."""
    text = '\n'.join(p.read_text() for p in sorted(TESTS.rglob('*.py')) + sorted(TESTS.rglob('*.t')) if p.name != pathlib.Path(__file__).name)
    for row in table.values():
        if not row['announced']:
            continue
        number = re.match(r'RFC (\d+)', row['spec'])
        wanted = r'(RFC ?|, |and |/)%s\b' % number[1] if number else re.escape(row['spec'])
        assert re.search(wanted, text), '%s: no test names %s' % (row['name'], row['spec'])


# Documents without a dialogue of client and server.
ELSEWHERE = {
    '5550': 'test_catenate.py: no dialogue in 5.7.1',
    '5957': 'test_sort.py: no dialogue',
}


def test_the_examples_of_each_are_replayed(table):
    """tests/rfc has a file for each document, or it is said where its examples are."""
    files = {p.name.partition('-')[0] for p in (TESTS / 'rfc').glob('*.rfc')}
    wanted = {m[1] for row in table.values() if row['announced'] for m in [re.match(r'RFC (\d+)', row['spec'])] if m}
    assert wanted - files - set(ELSEWHERE) == set()
    assert not files & set(ELSEWHERE)
