"""The tool: users, mailboxes, import and export, on a running server."""

import mailbox
import os
import pathlib
import resource
import subprocess

import pytest

from harness.imap import quote
from harness.server import Server
from harness.tool import Tool

pytestmark = pytest.mark.own_server


@pytest.fixture(scope='module')
def running():
    server = Server(users=50)
    server.start()
    yield server
    server.close()


@pytest.fixture
def tool(running):
    return Tool(running)


@pytest.fixture
def name(running):
    return running.user()


def test_user_life(running, tool):
    tool('user', 'add', 'Joe@Example.org', '--password', 'hunter2')
    running.login('user1').close()
    c = running.connect()
    c.login('joe@example.org', 'hunter2')
    c.close()
    assert 'already' in tool('user', 'add', 'joe@example.org', '--password', 'x', fails=True)
    # The new password holds at once, though the old one was verified a moment ago.
    tool('user', 'passwd', 'joe@example.org', input='other\n')
    c = running.connect()
    c.no('LOGIN joe@example.org hunter2', code='AUTHENTICATIONFAILED')
    c.login('joe@example.org', 'other')
    c.close()
    tool('user', 'passwd', 'joe@example.org', '--disable')
    c = running.connect()
    c.no('LOGIN joe@example.org other', code='CONTACTADMIN')
    c.no('LOGIN joe@example.org wrong', code='AUTHENTICATIONFAILED')
    tool('user', 'passwd', 'joe@example.org', '--enable')
    c.login('joe@example.org', 'other')
    c.close()
    row = [u for u in tool.json('user', 'list') if u['user'] == 'joe@example.org'][0]
    assert row['scheme'] == 'ARGON2ID' and row['scram'] and not row['disabled']
    tool('user', 'delete', 'joe@example.org')
    assert 'no user' in tool('user', 'delete', 'joe@example.org', fails=True)
    c = running.connect()
    c.no('LOGIN joe@example.org other', code='AUTHENTICATIONFAILED')
    c.close()


def test_hash_brought_along(running, tool):
    """It is accepted, and replaced when its owner logs in."""
    tool('user', 'add', 'mover', '--hash', '{SSHA256}oBmrdHcA6OZEkkCLeXh71YAerbvhXz1qqwjrPsXmEtNzYWx0c2FsdA==')
    assert 'scheme' in tool('user', 'add', 'bad', '--hash', 'oBmrdHcA6', fails=True)
    c = running.connect()
    c.no('LOGIN mover wrong')
    c.login('mover', 'secret')
    from harness.lmtp import wait_until
    wait_until(lambda: [u for u in tool.json('user', 'list') if u['user'] == 'mover'][0]['scheme'] == 'ARGON2ID')
    d = running.connect()
    d.login('mover', 'secret')
    c.close()
    d.close()


def test_bad_names(tool):
    for name in 'a b', 'a/b', '*', '', '.hidden':
        tool('user', 'add', name, '--password', 'x', fails=True)


def test_usage(tool):
    assert 'unknown command' in tool('frobnicate', fails=True)
    assert 'usage: posthorn user add' in tool('user', 'add', fails=True)
    assert 'user add' in tool('help')
    for words in (('user', '--help'), ('user', '-h'), ('user', 'help'), ('help', 'user')):
        told = tool(*words)
        assert 'user add' in told and 'user delete' in told and 'mailbox' not in told.replace('[--mailboxes', '')
    assert 'config check' in tool('config', fails=True)
    assert 'unknown command "user frobnicate"' in tool('user', 'frobnicate', fails=True)


def test_config(tool, running):
    assert tool('config', 'show', 'hostname') == '"localhost"\n'
    assert 'imap_listen = {"127.0.0.1:%d"}\n' % running.imap[1] in tool('config', 'show', '--changed')
    assert 'retention = 7d\n' in tool('config', 'show')
    assert tool('config', 'check').endswith('good\n')


def test_mailboxes(tool, name, running):
    tool('mailbox', 'create', name, 'Work/2026')
    tool('mailbox', 'rename', name, 'Work/2026', 'Work/2027')
    assert 'Work/2027' in tool('mailbox', 'list', name)
    c = running.login(name)
    c.ok('STATUS Work/2027 (MESSAGES)')
    tool('mailbox', 'delete', name, 'Work/2027')
    c.no('STATUS Work/2027 (MESSAGES)')
    c.close()
    tool('mailbox', 'list', 'nobody', fails=True)


def test_disabled_user(tool, running):
    """Who may not log in has mail, which the tool finds by every spelling of the name."""
    tool('user', 'add', 'away', '--password', 'x')
    tool('mailbox', 'create', 'Away@example.org', 'Kept')
    tool('user', 'passwd', 'away', '--disable')
    for spelling in 'away', 'AWAY', 'Away@example.org':
        assert 'Kept' in tool('mailbox', 'list', spelling), spelling


def test_private_seen(tool, name, running):
    assert tool('mailbox', 'seen', name, 'INBOX') == 'private when it is shared\n'
    tool('mailbox', 'acl', name, 'INBOX', 'nobody', 'lrs')
    assert tool('mailbox', 'seen', name, 'INBOX') == 'private\n'
    tool('mailbox', 'seen', name, 'INBOX', 'shared')
    assert tool.json('mailbox', 'seen', name, 'INBOX') == [{'seen': 'shared'}]
    tool('mailbox', 'seen', name, 'INBOX', 'perhaps', fails=True)
    tool('mailbox', 'seen', name, 'nowhere', fails=True)
    tool('mailbox', 'create', '--shared', 'Seen')
    tool('mailbox', 'seen', '--shared', 'Seen', 'private')
    assert tool('mailbox', 'seen', '--shared', 'Seen') == 'private\n'


def test_who(tool, name, running):
    c = running.login(name)
    assert any(row.get('user') == name for row in tool.json('who'))
    assert name in tool('who')
    c.close()


def message(n, text='body\n'):
    return 'From: a@example.org\nTo: b@example.org\nSubject: message %d\nMessage-ID: <%d@test>\n\n%s' % (n, n, text)


def bodies(c):
    return [c.body(i + 1) for i in range(len(c.uid_map()))]


def crlf(text):
    return text.replace('\n', '\r\n').encode()


def test_import_mbox(tool, name, running, tmp_path):
    box = tmp_path / 'box'
    box.write_text('From a@example.org Mon Jan  5 10:00:00 2026\n' + message(1, '>From the start\n') + '\n'
                   'From a@example.org Tue Jan  6 11:30:00 2026\nStatus: RO\nX-Status: F\n' + message(2) + '\n')
    tool('import', name, box)
    c = running.login(name)
    c.select()
    assert b'\r\n\r\nFrom the start\r\n' in c.body(1)
    flags = c.flags()
    assert flags == {1: set(), 2: {'\\seen', '\\flagged'}}
    dates = c.ok('FETCH 1:2 (INTERNALDATE)').fetches()
    assert 'Jan-2026' in str(dates)
    c.close()


@pytest.mark.parametrize('separator', ['\n', ' \n', '\r\n', ' \t\n\n'])
def test_import_mbox_separators(tool, name, running, tmp_path, separator):
    """Blanks in the empty line before From_, and a message that has no body and no empty line but that one."""
    box = tmp_path / 'box'
    head = 'From a@example.org Mon Jan  5 10:00:00 2026\n'
    box.write_text(head + 'Subject: 1\n' + separator + head + 'Subject: 2\n\nFrom\nthere\n' + separator
                   + head + 'Subject: 3\n\nbody\n', newline='')
    tool('import', name, '--mailbox', 'New', box)
    c = running.login(name)
    c.select('New')
    assert [b.split(b'\r\n')[0] for b in bodies(c)] == [b'Subject: %d' % n for n in (1, 2, 3)]
    assert bodies(c)[1].rstrip().endswith(b'\r\n\r\nFrom\r\nthere')
    c.close()


def test_import_is_refused(tool, name, tmp_path):
    """It ends, and what was told as imported is there."""
    box = tmp_path / 'box'
    box.write_text(''.join('From a@example.org Mon Jan  5 10:00:00 2026\n' + message(n) + '\n' for n in range(200)))
    tool('user', 'quota', name, '--messages', '100')
    assert 'OVERQUOTA' in tool('import', name, box, fails=True)
    assert 'messages 64 of 100' in ' '.join(tool('user', 'quota', name).split())


def test_import_what_is_odd(tool, name, running, tmp_path):
    """NUL goes in and comes out; what is larger than the server takes is left out, and keeps nothing else from coming."""
    md = tmp_path / 'md'
    for sub in 'cur', 'new', 'tmp':
        (md / sub).mkdir(parents=True)
    odd = message(1, 'a\0b\n')
    (md / 'cur' / '1.a:2,').write_text(odd)
    with (md / 'cur' / '2.a:2,').open('w') as f:
        f.truncate((64 << 20) + 1)
    (md / 'cur' / '3.a:2,').write_text(message(3))
    said = tool('import', name, md, fails=True)
    assert 'message_size_max' in said and '2 messages imported, 1 left out' in said
    tool('export', name, '--format', 'eml', tmp_path / 'out')
    got = sorted(p.read_bytes() for p in (tmp_path / 'out' / 'INBOX').iterdir())
    assert got == [crlf(odd), crlf(message(3))]


def test_import_what_cannot_be_read(tool, name, tmp_path):
    """A folder that can't be read ends the import, which says so."""
    for path in 'eml', 'bad/tmp', 'bad/cur':
        (tmp_path / path).mkdir(parents=True)
    loop = tmp_path / 'bad/new'
    loop.symlink_to('new')      # for root too
    said = tool('import', name, tmp_path / 'bad', fails=True)
    assert 'bad/new: ' in said and '0 messages imported' in said
    deep = tmp_path / 'eml'
    for n in range(25):
        deep = deep / 'x'
    deep.mkdir(parents=True)
    assert 'in one another' in tool('import', name, '--mailbox', 'Eml', tmp_path / 'eml', fails=True)


def test_status_of_verify(tool, tmp_path):
    """Who can't be looked at is neither damaged nor repaired."""
    wrong = tmp_path / 'wrong.conf'
    wrong.write_text('no_such_option = 1\n')
    for command in [*tool.command('verify', '--no-such')], [tool.server.program, '-c', wrong, 'verify']:
        assert subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120).returncode == 3


def test_output_is_lost(tool, name):
    """The end of what is said to a full disk is told by the status."""
    for args in ('config', 'show'), ('user', 'list'), ('--json', 'mailbox', 'list', name):
        with open('/dev/full', 'w') as full:
            r = subprocess.run(tool.command(*args), stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        assert r.returncode == 1 and 'output' in r.stderr
    reading, writing = os.pipe()
    os.close(reading)       # as head does
    r = subprocess.run(tool.command('config', 'show'), stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert r.returncode == 0 and r.stderr == ''


def test_import_mbox_date(tool, name, running, tmp_path):
    """Of the Date field, where the From_ line has no date or one in another form."""
    box = tmp_path / 'box'
    date = 'Date: Tue, 6 Jan 2015 11:30:00 +0100\n'
    box.write_text('From a@example.org Mon Jan  5 10:00:00 EST 2026\n' + date + message(1) + '\nFrom a@example.org\n' + date + message(2))
    tool('import', name, box)
    c = running.login(name)
    c.select()
    assert str(c.ok('FETCH 1:2 (INTERNALDATE)').fetches()).count(' 6-Jan-2015 11:30:00 +0100') == 2
    c.close()


def test_export_folded_fields(tool, name, running, tmp_path):
    """A field that is written anew goes with all of its lines, which are not the ones of the field before."""
    c = running.login(name)
    c.append('Subject: one\r\nX-Keywords: a\r\n b\r\nTo: x\r\n y\r\n\r\nbody\r\n')
    c.close()
    tool('export', name, '--mailbox', 'INBOX', tmp_path / 'out')
    assert '\nSubject: one\nTo: x\n y\nStatus: O\n\nbody\n' in (tmp_path / 'out' / 'INBOX.mbox').read_text()


def test_maildir_there_and_back(tool, name, running, tmp_path):
    md = mailbox.Maildir(tmp_path / 'md', create=True)
    m = mailbox.MaildirMessage(message(1))
    m.set_subdir('cur')
    m.set_flags('FS')
    m.set_date(1750000000)
    md.add(m)
    folder = md.add_folder('Lists')
    folder.add(mailbox.MaildirMessage(message(2)))
    tool('import', name, tmp_path / 'md')
    c = running.login(name)
    c.select()
    assert bodies(c) == [crlf(message(1))]
    assert c.flags() == {1: {'\\seen', '\\flagged'}}
    assert '15-Jun-2025' in str(c.ok('FETCH 1 (INTERNALDATE)').fetches())
    c.select('Lists')
    assert bodies(c) == [crlf(message(2))]
    c.close()
    out = tmp_path / 'out'
    tool('export', name, '--format', 'maildir', out)
    back = mailbox.Maildir(out, create=False)
    assert [sorted(m.get_flags()) for m in back] == [['F', 'S']]
    assert 'Lists' in back.list_folders()
    assert [m['Subject'] for m in back.get_folder('Lists')] == ['message 2']


def test_names_there_and_back(tool, name, running, tmp_path):
    """Dots are levels in a Maildir, so those of a name are written otherwise; no two mailboxes go into one folder."""
    names = ['a.b', 'a_b', 'a/b', 'a\\b', 'example.com/x.y', '\\2e']
    c = running.login(name)
    for n, box in enumerate(names):
        c.ok('CREATE ' + quote(box))
        c.append(message(n), box)
    c.close()
    for form in 'maildir', 'mbox', 'eml':
        out = tmp_path / form
        tool('export', name, '--format', form, out)
    for form, seen in ('maildir', '.a\\2eb'), ('mbox', 'a\\2eb.mbox'), ('eml', 'a.b'):
        assert (tmp_path / form / seen).exists()
        assert sum('Subject: message' in p.read_text() for p in (tmp_path / form).rglob('*') if p.is_file()) == len(names)
    c = running.login(name)
    for box in sorted(names, reverse=True):
        c.ok('DELETE ' + quote(box))
    tool('import', name, tmp_path / 'maildir')
    for n, box in enumerate(names):
        c.select(box)
        assert bodies(c) == [crlf(message(n))]


def test_maildir_has_few_keywords(tool, name, running, tmp_path):
    """26 a folder; that more are left out is said."""
    c = running.login(name)
    c.append(message(1))
    c.append(message(2))
    c.select()
    c.ok('STORE 1 +FLAGS (%s)' % ' '.join('k%d' % n for n in range(20)))
    c.ok('STORE 2 +FLAGS (%s)' % ' '.join('k%d' % n for n in range(10, 30)))
    c.close()
    r = subprocess.run(tool.command('export', name, '--format', 'maildir', tmp_path / 'out'), capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and 'INBOX: 4 keywords of messages are left out' in r.stderr
    assert len((tmp_path / 'out' / 'dovecot-keywords').read_text().splitlines()) == 26
    tool('export', name, '--mailbox', 'INBOX', tmp_path / 'mbox')
    assert len([w for w in (tmp_path / 'mbox' / 'INBOX.mbox').read_text().split() if w.startswith('k')]) == 40


def test_eml_there_and_back(tool, name, running, tmp_path):
    (tmp_path / 'in').mkdir()
    for n in range(1, 4):
        (tmp_path / 'in' / ('%d.eml' % n)).write_text(message(n, 'From here\n.\n'))
    tool('import', name, '--mailbox', 'New', tmp_path / 'in')
    tool('export', name, '--mailbox', 'New', '--format', 'eml', tmp_path / 'out')
    got = sorted(p.read_bytes() for p in pathlib.Path(tmp_path / 'out').rglob('*.eml'))
    assert got == sorted(crlf(message(n, 'From here\n.\n')) for n in range(1, 4))
    tool('export', name, '--mailbox', 'New', '--format', 'mbox', tmp_path / 'mbox')
    files = [p for p in pathlib.Path(tmp_path / 'mbox').rglob('*') if p.is_file()]
    assert len(files) == 1
    text = files[0].read_text()
    assert text.count('\n>From here\n') == 3


@pytest.mark.parametrize('form', ['mbox', 'maildir', 'eml'])
def test_export_is_cut_short(tool, name, running, tmp_path, form):
    """What could not be written is told: a file that may not grow stands for a full disk."""
    (tmp_path / 'one.eml').write_text(message(1, 'a line of text\n' * 20000))
    tool('import', name, '--mailbox', form, tmp_path / 'one.eml')
    said = tool('export', name, '--mailbox', form, '--format', form, tmp_path / form, fails=True, stdin=subprocess.DEVNULL,
                restore_signals=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
    assert 'File too large' in said


@pytest.mark.parametrize('form', ['mbox', 'maildir', 'eml'])
def test_exported_mail_is_private(tool, name, running, tmp_path, form):
    """Into a folder that others may read, too."""
    tmp_path.chmod(0o755)
    (tmp_path / 'one.eml').write_text(message(1))
    tool('import', name, tmp_path / 'one.eml')
    out = tmp_path / form
    out.mkdir(0o755)
    tool('export', name, '--format', form, out)
    made = list(out.rglob('*'))
    assert made and [str(p) for p in made if p.stat().st_mode & 0o077] == []


def test_links_are_not_followed(tool, name, running, tmp_path):
    """Root imports from, and exports to, folders of people who may have put links into them."""
    secret = tmp_path / 'secret'
    secret.write_text('Subject: secret\n\nx\n')
    hidden = tmp_path / 'hidden'
    for sub in 'cur', 'new', 'tmp':
        (hidden / sub).mkdir(parents=True)
        (tmp_path / 'box' / sub).mkdir(parents=True)
    (hidden / 'cur' / '1:2,').write_text('Subject: hidden\n\nx\n')
    box = tmp_path / 'box'
    (box / 'cur' / '1.a:2,').write_text('Subject: mine\n\nx\n')
    (box / 'cur' / '2.b:2,').symlink_to(secret)
    (box / '.Hidden').symlink_to(hidden)
    (tmp_path / 'link').symlink_to(box)         # the path that is named may be one
    tool('import', name, tmp_path / 'link')
    eml = tmp_path / 'eml'
    eml.mkdir()
    (eml / '1.eml').write_text('Subject: mine too\n\nx\n')
    (eml / '2.eml').symlink_to(secret)
    (eml / 'sub').symlink_to(hidden)
    tool('import', name, eml)
    c = running.login(name)
    c.select()
    assert c.exists == 2
    assert c.ok('SEARCH SUBJECT mine').search() == [1, 2]
    assert c.cmd('SELECT Hidden').status == 'NO'
    c.ok('SELECT INBOX')
    c.ok('STORE 1 +FLAGS (kept)')
    c.ok('CREATE out')
    c.append('Subject: x\r\n\r\nx\r\n', 'out')
    c.close()
    target = tmp_path / 'target'
    target.mkdir()
    for form, link in ('eml', 'out'), ('maildir', '.out'):
        dest = tmp_path / ('to-' + form)
        dest.mkdir()
        (dest / link).symlink_to(target)
        tool('export', name, '--format', form, dest, fails=True)
        assert list(target.iterdir()) == []
    dest = tmp_path / 'keywords'
    dest.mkdir()
    (dest / 'dovecot-keywords').symlink_to(secret)
    tool('export', name, '--format', 'maildir', '--mailbox', 'INBOX', dest, fails=True)
    assert secret.read_text() == 'Subject: secret\n\nx\n'


def test_names_on_export(tool, name, running, tmp_path):
    """Names of mailboxes that mean something to a file system stay in the folder."""
    c = running.login(name)
    made = [n for n in ('..', '../..', '../out', 'a/../b', '.hidden', './x', '~root', '-rf', 'a.b', 'cur', 'INBOX/cur', '/abs', 'x/.')
            if c.cmd('CREATE "%s"' % n).status == 'OK']
    c.append('Subject: x\r\n\r\nx\r\n')
    for n in made:
        c.append('Subject: x\r\n\r\nx\r\n', n)
    c.close()
    for form in 'mbox', 'eml', 'maildir':
        above = tmp_path / form
        (above / 'to').mkdir(parents=True)
        tool('export', name, '--format', form, above / 'to')
        assert [p.name for p in above.iterdir()] == ['to']
        for at, folders, files in os.walk(above / 'to'):
            assert '..' not in folders and os.path.realpath(at).startswith(os.path.realpath(above / 'to'))
    assert len(made) > 5


def test_terminal(tool, name, running):
    """What clients call themselves does not reach the terminal raw."""
    c = running.login(name)
    word = b'\x1b[2J\xe2\x80\xaex\r\ny\xc2\x9b'
    c.ok(b'ID ("name" {%d+}\r\n%s)' % (len(word), word))
    out = tool('who')
    assert '\\x1b[2J\\xe2\\x80\\xaex\\x0d\\x0ay' in out and '\x1b' not in out
    c.close()
    err = tool('export', name, '--mailbox', '\x1b[2J', '/nonexistent/x', fails=True)
    assert '\x1b' not in err


def test_delete_with_mail(tool, running):
    tool('user', 'add', 'leaver', '--password', 'x')
    c = running.connect()
    c.login('leaver', 'x')
    c.append('Subject: y\r\n\r\nz\r\n')
    c.close()
    tool('user', 'delete', 'leaver', '--mail')
    assert 'no such user' in tool('user', 'delete', 'laever', '--mail')
    tool('user', 'add', 'leaver', '--password', 'x')
    c = running.connect()
    c.login('leaver', 'x')
    assert c.status('INBOX', 'MESSAGES')['MESSAGES'] == 0
    c.close()


def test_without_server(tmp_path):
    """Users need no server; mail does, and the tool says so."""
    path = tmp_path / 'c.conf'
    path.write_text('data_dir = "%s/d"\nrun_dir = "%s/r"\nuser = "root"\nauth_user = "root"\nkey_user = "root"\n' % (tmp_path, tmp_path))
    program = Server().program
    r = subprocess.run([program, '-c', path, 'user', 'add', 'joe', '--password', 'x'], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    r = subprocess.run([program, '-c', path, 'mailbox', 'list', 'joe'], capture_output=True, text=True)
    assert r.returncode == 1 and 'is posthornd running' in r.stderr


# Sharing.


def test_groups(running, tool):
    """A user's groups count from the next login on; $group stands in access control lists."""
    owner, member = running.user(), running.user()
    c = running.login(owner)
    c.ok('SETACL INBOX $sales lr')
    theirs = '"Other Users/%s/INBOX"' % owner
    m = running.login(member)
    m.no('SELECT ' + theirs, code='NONEXISTENT')
    m.close()
    tool('user', 'groups', member, 'Sales', 'other', 'sales')
    assert tool('user', 'groups', member) == '%s: other,sales\n' % member
    m = running.login(member)
    m.ok('SELECT ' + theirs)
    assert theirs.strip('"') in m.ok('LIST "" *').list()
    m.close()
    tool('user', 'groups', member, '--none')
    m = running.login(member)
    m.no('SELECT ' + theirs, code='NONEXISTENT')
    m.close()
    c.close()
    assert 'no user' in tool('user', 'groups', 'nobody', 'x', fails=True)
    assert 'no name' in tool('user', 'groups', member, 'a,b', fails=True)


def test_shared_namespace(running, tool):
    """Mailboxes that are nobody's: made and granted by the tool, used by whom it says."""
    one, two = running.user(), running.user()
    tool('mailbox', 'create', '--shared', 'News/Today')
    tool('mailbox', 'acl', '--shared', 'News/Today', 'anyone', 'lr')
    tool('mailbox', 'acl', '--shared', 'News/Today', one, 'lrswikxtean')
    assert tool('mailbox', 'acl', '--shared', 'News/Today').split() == ['anyone', 'lr', one, 'lrswikxteancd']
    a, b = running.login(one), running.login(two)
    assert [n for n in b.ok('LIST "" *').list() if n.startswith('Shared')] == ['Shared', 'Shared/News', 'Shared/News/Today']
    assert a.append(b'Subject: x\r\n\r\ny\r\n', 'Shared/News/Today') == 1
    b.select('Shared/News/Today')
    assert b.exists == 1
    b.no('STORE 1 +FLAGS (\\Seen)', code='NOPERM')
    b.no('CREATE Shared/mine', code='NOPERM')
    a.ok('CREATE Shared/News/Today/sub')
    a.ok('SETACL Shared/News/Today %s lrs' % two)
    b.select('Shared/News/Today')
    b.ok('STORE 1 +FLAGS (\\Seen)')
    assert '/shared' not in a.ok('GETACL Shared/News/Today').one('ACL').data
    tool('mailbox', 'acl', '--shared', 'News/Today', 'anyone', 'none')
    assert 'anyone' not in tool('mailbox', 'acl', '--shared', 'News/Today')
    a.close()
    b.close()
    c = running.connect()
    c.no('LOGIN /shared x', code='AUTHENTICATIONFAILED')
    c.close()


def test_tool_sees_the_account_alone(running, tool, name):
    """What others share is not listed, nor exported."""
    owner = running.user()
    c = running.login(owner)
    c.ok('SETACL INBOX %s lr' % name)
    c.close()
    assert 'Other Users' not in tool('mailbox', 'list', name)


def test_owner_is_deleted(running, tool, name):
    """Who has a mailbox of a deleted account selected sees its messages vanish; a new account of that name shares nothing."""
    owner = running.user()
    o = running.login(owner)
    o.append(b'Subject: x\r\n\r\ny\r\n')
    o.ok('SETACL INBOX %s lrswite' % name)
    o.close()
    theirs = 'Other Users/%s/INBOX' % owner
    c = running.login(name)
    c.select(theirs)
    tool('user', 'delete', owner, '--mail')
    assert c.ok('NOOP').expunged() == [1]
    c.no('UID STORE 1:* +FLAGS (\\Seen)', code='NONEXISTENT')
    c.no('SELECT "%s"' % theirs, code='NONEXISTENT')
    assert not [n for n in c.ok('LIST "" *').list() if n.startswith('Other')]
    tool('user', 'add', owner, '--password', running.password)
    running.login(owner).close()
    c.no('SELECT "%s"' % theirs, code='NONEXISTENT')
    assert not [n for n in c.ok('LIST "" *').list() if n.startswith('Other')]
    c.close()


def test_settings_of_sharing():
    """Other names of the namespaces, none at all, and nothing for anyone."""
    options = {'namespace_other': 'user', 'namespace_shared': '""', 'acl_anyone': 'no'}
    server = Server(users=4, args=[w for n, v in options.items() for w in ('--set', '%s=%s' % (n, v))])
    server.start()
    try:
        one, two = server.login('user1'), server.login('user2')
        r = one.ok('NAMESPACE').one('NAMESPACE')
        assert [str(w) for w in r.data[1][0]] == ["b'user/'", "b'/'"] and str(r.data[2]).upper() in ('NONE', 'NIL')
        one.no('SETACL INBOX anyone lr', code='CANNOT')
        assert len(one.ok('LISTRIGHTS INBOX anyone').one('LISTRIGHTS').data) == 3
        one.ok('SETACL INBOX user2 lr')
        two.select('user/user1/INBOX')
        two.ok('CREATE Shared/mine')
        two.ok('CREATE "Other Users"')
        Tool(server)('mailbox', 'acl', 'user1', 'INBOX', 'anyone', 'l')
        one.ok('SETACL INBOX anyone -l')
        one.close()
        two.close()
    finally:
        server.close()
