"""SORT and THREAD beside Dovecot's: on the corpus, and on 10,000 messages that are made up (generated.py)."""
import email
import email.utils
import os
import pwd
import re
import tempfile

import pytest

from . import generated, imap_client
from .test_dovecot import Both, both, pytestmark  # noqa: F401  (both is a fixture)

KEYS = ['ARRIVAL', 'CC', 'DATE', 'DISPLAYFROM', 'DISPLAYTO', 'FROM', 'SIZE', 'SUBJECT', 'TO', 'REVERSE SUBJECT DATE', 'FROM REVERSE SIZE', 'REVERSE DATE SIZE']
ALGORITHMS = ['ORDEREDSUBJECT', 'REFERENCES', 'REFS']


def answer(client, command):
    lines = [line[0].strip() for line in client.ok(command.encode()) if re.match(rb'\* (SORT|THREAD)', line[0])]
    assert len(lines) == 1
    return lines[0].decode()


@pytest.fixture(scope='module')
def many(request):
    import conftest
    server = conftest.the_server(request.session)
    messages = generated.generate(10000)
    ours = imap_client.Client(imap_client.Tcp(*server.imap))
    ours.ok(b'LOGIN', b' '.join([server.user().encode(), server.password.encode()]))
    generated.fill_imap(ours, b'INBOX', messages)
    with tempfile.TemporaryDirectory(prefix='posthorn-dovecot-') as directory:
        generated.fill_maildir(os.path.join(directory, 'mail'), messages)
        if os.getuid() == 0:
            user = pwd.getpwnam('mail')
            for path, folders, files in os.walk(directory):
                for name in [path] + [os.path.join(path, f) for f in files]:
                    os.chown(name, user.pw_uid, user.pw_gid)
        theirs = imap_client.start_dovecot(directory)
        for client in (ours, theirs):
            client.ok(b'SELECT INBOX')
        yield ours, theirs, messages
        ours.close()
        theirs.close()


@pytest.mark.parametrize('keys', KEYS)
def test_sort(many, keys):
    ours, theirs, _ = many
    command = 'SORT (%s) UTF-8 ALL' % keys
    assert answer(ours, command) == answer(theirs, command)


@pytest.mark.parametrize('search', ['SUBJECT build', '2000:7000 FROM anna', 'LARGER 2200'])
def test_sort_some(many, search):
    ours, theirs, _ = many
    command = 'SORT (SUBJECT DATE) UTF-8 ' + search
    assert answer(ours, command) == answer(theirs, command)


@pytest.mark.parametrize('search', ['ALL', 'SUBJECT build', '2000:7000'])
@pytest.mark.parametrize('algorithm', ['ORDEREDSUBJECT', 'REFERENCES'])
def test_thread(many, algorithm, search):
    ours, theirs, _ = many
    command = 'THREAD %s UTF-8 %s' % (algorithm, search)
    assert answer(ours, command) == answer(theirs, command)


def split(threads):
    """The threads of an answer, as texts."""
    found, depth, start = [], 0, 0
    for i, c in enumerate(threads):
        if c == '(':
            start = i if depth == 0 else start
            depth += 1
        elif c == ')':
            depth -= 1
            if depth == 0:
                found.append(threads[start:i + 1])
    return found


def test_refs(many):
    """The same threads, in the order of their latest messages; of two that are from the same second, either may be first."""
    ours, theirs, messages = many

    def sent(n):
        text, internal = messages[n - 1]
        m = re.search(rb'\nDate: (.*?)\r', text)
        return email.utils.parsedate_to_datetime(m.group(1).decode()).timestamp() if m else internal

    a, b = split(answer(ours, 'THREAD REFS UTF-8 ALL')), split(answer(theirs, 'THREAD REFS UTF-8 ALL'))
    assert sorted(a) == sorted(b)
    latest = lambda thread: max(sent(int(n)) for n in re.findall('[0-9]+', thread))
    assert list(map(latest, a)) == list(map(latest, b))


def has_date(message):
    """Whether the Date can be read, by Python's own parser, and is one that Dovecot knows."""
    try:
        when = email.utils.parsedate_to_datetime(email.message_from_bytes(message)['Date'])
        return 1970 < when.year < 2106
    except (TypeError, ValueError, AttributeError):
        return False


def comparable(b, needs_date):
    """The messages that both servers read alike: see "What SORT and THREAD sort by" in the document."""
    found = []
    for n, (_, message) in enumerate(b.messages, 1):
        header = message.split(b'\r\n\r\n')[0]
        try:
            header.decode()
        except UnicodeDecodeError:
            continue
        if len(re.findall(rb'(?im)^(?:subject|from|to|cc) *:', header)) != len(set(re.findall(rb'(?im)^(subject|from|to|cc) *:', header.lower()))):
            continue
        # A fold with white space before it, and addresses that are none.
        if re.search(rb'(?i)(?:^|\n)subject:[^\n]*[ \t]\r\n[ \t]', header) or re.search(rb'(?i)\nto *: *(,|Mary Smith\r)|from: *Big Bug bb@', header):
            continue
        if not needs_date or has_date(message):
            found.append(str(n))
    assert len(found) > len(b.messages) / 2
    return ','.join(found)


@pytest.mark.parametrize('keys', KEYS)
def test_sort_corpus(both, keys):  # noqa: F811
    command = 'SORT (%s) UTF-8 %s' % (keys, comparable(both, 'DATE' in keys))
    assert answer(both.ours, command) == answer(both.theirs, command)


@pytest.mark.parametrize('algorithm', ALGORITHMS)
def test_thread_corpus(both, algorithm):  # noqa: F811
    command = 'THREAD %s UTF-8 %s' % (algorithm, comparable(both, True))
    assert answer(both.ours, command) == answer(both.theirs, command)
