"""Evolution's IMAP engine (Camel's IMAPX): UTF8=ACCEPT, NOTIFY, CONDSTORE and QRESYNC as a desktop uses them."""

import json
import os
import subprocess
import sys
import threading

import pytest

from harness import mail
from clients import tools

PROVIDER = '/usr/lib/evolution-data-server/camel-providers/libcamelimapx.so'
WAIT = 60


class Evolution:
    """The program of evolution.py; a method of its client is a method here."""

    def __init__(self, server, user, directory, qresync):
        self.said = []      # what went over its connections, as Camel prints it
        self.p = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), 'evolution.py'), str(server.imap[1]), user,
                                   server.password, os.path.join(directory, 'camel'), 'yes' if qresync else 'no'],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors='replace',
                                  env={'PATH': os.environ['PATH'], 'HOME': directory, 'LC_ALL': 'C.UTF-8', 'CAMEL_DEBUG': 'imapx:io'})

    def __getattr__(self, name):
        def call(*args):
            self.p.stdin.write(json.dumps([name, *args]) + '\n')
            self.p.stdin.flush()
            late = threading.Timer(2 * WAIT, self.p.kill)
            late.start()
            for line in self.p.stdout:
                if line.startswith(('["ok", ', '["error", ')):
                    break
                self.said.append(line)
            else:
                raise AssertionError('Evolution ended, or did not answer to %s %r; it said:\n%s' % (name, args, ''.join(self.said[-60:])))
            late.cancel()
            kind, value = json.loads(line)
            assert kind == 'ok', '%s %r: %s' % (name, args, value)
            return value
        return call

    def close(self):
        self.p.stdin.close()
        try:
            self.p.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.p.stdout.close()

    def has_said(self, words):
        return any(words in line for line in self.said)


@pytest.fixture(params=[True, False], ids=['qresync', 'plain'])
def evolution(request, server, user, tmp_path):
    if subprocess.run([sys.executable, '-c', 'import gi; gi.require_version("Camel", "1.2")'], stderr=subprocess.DEVNULL).returncode \
            or not os.path.exists(PROVIDER):
        pytest.skip('evolution-data-server, gir1.2-camel-1.2 or python3-gi is not installed')
    e = Evolution(server, user, str(tmp_path), request.param)
    e.qresync = request.param
    yield e
    e.close()


def test_day(evolution, imap):
    """Reading, flags both ways, keywords, filing, deleting, and what others do meanwhile is seen unasked."""
    for n in (1, 2, 3):
        imap.append(mail.numbered(n))
    e = evolution
    assert e.connect()
    assert e.list() == 'INBOX'
    shown = e.refresh('INBOX')
    assert shown == {str(n): ['Message %d' % n, []] for n in (1, 2, 3)}
    assert 'Body of message 2.' in e.text('INBOX', '2')

    # Flags both ways; what others do is pushed (NOTIFY).
    e.flag('INBOX', '2', 'answered', True)
    e.flag('INBOX', '2', 'urgent', True)
    e.save('INBOX')
    imap.select()
    assert imap.flags()[2] == {'\\answered', 'urgent'}
    imap.ok('STORE 1 +FLAGS (\\Flagged $Junk)')
    shown['1'][1] = ['$Junk', 'flagged']
    shown['2'][1] = ['answered', 'urgent']
    e.until('INBOX', shown, WAIT)
    imap.append(mail.numbered(4))
    shown['4'] = ['Message 4', []]
    e.until('INBOX', shown, WAIT)
    imap.ok('STORE 1 +FLAGS (\\Deleted)')
    imap.ok('EXPUNGE')
    del shown['1']
    e.until('INBOX', shown, WAIT)

    # Filing: MOVE and COPY; then EXPUNGE.
    e.transfer('INBOX', ['3'], 'Archive', True)
    e.transfer('INBOX', ['2'], 'Archive', False)
    assert e.refresh('Archive') == {'1': ['Message 3', []], '2': ['Message 2', ['answered', 'urgent']]}
    assert e.append('Drafts', 'Subject: Gr=?utf-8?Q?=C3=BC?=e\n\nText\n', 'draft') == '1'
    assert e.refresh('Drafts')['1'][1] == ['draft']
    e.flag('INBOX', '2', 'deleted', True)
    e.expunge('INBOX')
    assert e.refresh('INBOX') == {'4': ['Message 4', []]}
    assert e.search('INBOX', '(body-contains "message")') == ['4']
    assert imap.status('Drafts', 'MESSAGES')['MESSAGES'] == 1
    assert e.has_said('NOTIFY SET (selected (MessageNew') and e.has_said('UID MOVE 3 ')


def test_folders(evolution, imap):
    """Folders made, renamed, deleted; names beyond ASCII (UTF8=ACCEPT)."""
    e = evolution
    assert e.connect()
    e.create('', 'Entwürfe')
    assert 'Entw&APw-rfe' in imap.ok('LIST "" "*"').list()
    e.create('Entwürfe', '日本')
    e.rename('Entwürfe/日本', 'Entwürfe/nihon')
    assert 'Entw&APw-rfe/nihon' in imap.ok('LIST "" "*"').list()
    assert e.append('Entwürfe/nihon', 'Subject: a\n\nb\n', 'seen') == '1'
    assert e.refresh('Entwürfe/nihon')['1'] == ['a', ['seen']]
    e.delete('Entwürfe/nihon')
    assert 'Entw&APw-rfe/nihon' not in imap.ok('LIST "" "*"').list()


AFTER = {str(n): ['Message %d' % n, ['seen'] if n in (2, 5, 7) else []] for n in range(1, 22) if n not in (3, 10, 11, 12, 13, 14)}


def change(imap):
    """What others do to twenty messages: AFTER shows what is left."""
    imap.select()
    imap.ok('STORE 2,5,7 +FLAGS (\\Seen)')
    imap.ok('STORE 3,10:14 +FLAGS (\\Deleted)')
    imap.ok('EXPUNGE')
    imap.append(mail.numbered(21))


def test_coming_back(evolution, imap):
    """After a time offline: new, changed and vanished messages."""
    for n in range(1, 21):
        imap.append(mail.numbered(n))
    e = evolution
    assert e.connect()
    assert len(e.refresh('INBOX')) == 20
    e.disconnect()
    change(imap)
    assert e.connect()
    assert e.refresh('INBOX') == AFTER


def test_while_elsewhere(evolution, imap):
    """The same in a folder that it showed before: STATUS is pushed (NOTIFY), then it looks what changed (QRESYNC)."""
    for n in range(1, 21):
        imap.append(mail.numbered(n))
    e = evolution
    assert e.connect()
    e.list()
    assert len(e.refresh('INBOX')) == 20
    e.append('Drafts', 'Subject: a\n\nb\n', 'draft')
    assert e.refresh('Drafts')['1'] == ['a', ['draft']]
    change(imap)
    e.until('INBOX', AFTER, WAIT)
    assert e.has_said('SELECT INBOX (QRESYNC (') == e.has_said('* VANISHED (EARLIER) 3,10:14') == e.qresync
