"""offlineimap3: a tree comes down, changes go both ways."""

from harness import mail
from clients import tools

CONFIG = '''
[general]
accounts = test
metadata = %(dir)s/meta
maxsyncaccounts = 1
ui = basic

[Account test]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = %(dir)s/mail
sep = /

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = %(port)d
remoteuser = %(user)s
remotepass = %(password)s
ssl = no
starttls = no
auth_mechanisms = LOGIN
maxconnections = 3
'''


def sync(tmp_path, server, user):
    config = tmp_path / 'offlineimaprc'
    config.write_text(CONFIG % {'dir': tmp_path, 'port': server.imap[1], 'user': user, 'password': server.password})
    return tools.run(['offlineimap', '-c', config, '-o', '-u', 'basic'], cwd=tmp_path)


def test_both_ways(server, user, imap, tmp_path):
    tools.need('offlineimap')
    tools.fill(imap, {'INBOX': 6, 'lists/one': 4})
    sync(tmp_path, server, user)
    far = tools.on_server(imap)
    assert tools.in_maildir(tmp_path / 'mail', {n: n for n in far}) == far
    imap.select()
    imap.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    imap.ok('EXPUNGE')
    imap.ok('STORE 2 +FLAGS.SILENT (\\Flagged)')
    imap.append(mail.simple('later'))
    imap.ok('UNSELECT')
    tools.put_in_maildir(tmp_path / 'mail', 'lists/one', mail.simple('from here'), 'S', 'b1')
    sync(tmp_path, server, user)
    sync(tmp_path, server, user)
    far = tools.on_server(imap)
    assert len(far['INBOX']) == 6 and len(far['lists/one']) == 5
    assert tools.in_maildir(tmp_path / 'mail', {n: n for n in far}) == far
