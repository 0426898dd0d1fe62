"""Thunderbird: folders, the message list, flags both ways, what others do, copying, filing, deleting."""

import json

import pytest

from harness import mail
from clients import tools
from clients.thunderbird import ACCOUNT, Thunderbird


@pytest.fixture
def thunderbird(tmp_path):
    tools.need('thunderbird')
    t = Thunderbird(str(tmp_path))
    yield t
    t.close()


def test_day(thunderbird, server, user, imap):
    t = thunderbird
    for n in (1, 2, 3):
        imap.append(mail.numbered(n))
    folders = t.run(ACCOUNT, user=user, password=server.password, port=server.imap[1])
    assert [f.upper() for f in folders] == ['ARCHIVE', 'DRAFTS', 'INBOX', 'JUNK', 'SENT', 'TRASH']
    shown = [['Message %d' % n, False, False, ''] for n in (1, 2, 3)]
    assert t.run('box("INBOX").updateFolder(null); await until(() => heads("INBOX").length == 3); return show("INBOX");') == shown

    # What others do.
    imap.select()
    imap.append(mail.numbered(4))
    imap.ok('STORE 1 +FLAGS (\\Flagged \\Seen work)')
    imap.ok('STORE 2 +FLAGS (\\Deleted)')
    imap.ok('EXPUNGE')
    shown = [['Message 1', True, True, 'work'], ['Message 3', False, False, ''], ['Message 4', False, False, '']]
    assert t.run('await untilShown("INBOX", wanted); return show("INBOX");', wanted=compact(shown)) == shown

    # What it does: marks, a label, a copy, a move, a message into the trash.
    t.run('''
const three = heads("INBOX")[1], four = heads("INBOX")[2];
box("INBOX").markMessagesFlagged([three], true);
box("INBOX").addKeywordsToMessages([three], "$label1");
box("INBOX").markMessagesRead([three], true);
MailServices.copy.copyMessages(box("INBOX"), [three], box("Archive"), false, null, null, false);
await until(() => box("Archive").getTotalMessages(false) == 1);
MailServices.copy.copyMessages(box("INBOX"), [four], box("Archive"), true, null, null, false);
await until(() => box("Archive").getTotalMessages(false) == 2 && heads("INBOX").length == 2);
box("INBOX").deleteMessages([heads("INBOX")[1]], null, false, false, null, false);
await until(() => heads("INBOX").length == 1);
root().createSubfolder("Entwürfe", null);
await until(() => box("Entwürfe"));
''')
    assert 'Entw&APw-rfe' in imap.ok('LIST "" "*"').list()
    for name, left in {'Archive': [(b'Message 3', {'\\flagged', '\\seen', '$label1'}), (b'Message 4', set())],
                       'Trash': [(b'Message 3', {'\\flagged', '\\seen', '$label1'})]}.items():
        imap.ok('EXAMINE ' + name)
        flags = imap.flags()
        assert [(a['ENVELOPE'][1], flags[n]) for n, a in sorted(imap.ok('FETCH 1:* ENVELOPE').fetches().items())] == left
    imap.select()
    assert imap.ok('SEARCH UNDELETED').search() == imap.ok('SEARCH SUBJECT "Message 1"').search() != []


def compact(value):
    """As JSON.stringify writes it."""
    return json.dumps(value, separators=(',', ':'))
