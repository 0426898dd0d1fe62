"""interimap: two accounts are kept alike by QRESYNC, and it complains about every slip of a server."""

from harness import mail
from clients import tools

CONFIG = '''
database = %(dir)s/db.sqlite

[local]
type = imap
host = 127.0.0.1
port = %(port)d
STARTTLS = NO
username = %(near)s
password = %(password)s

[remote]
type = imap
host = 127.0.0.1
port = %(port)d
STARTTLS = NO
username = %(far)s
password = %(password)s
'''


def sync(tmp_path, server, near, far):
    config = tmp_path / 'config'
    config.write_text(CONFIG % {'dir': tmp_path, 'port': server.imap[1], 'near': near, 'far': far, 'password': server.password})
    return tools.run(['interimap', '--config=%s' % config], cwd=tmp_path,
                     env={'XDG_CONFIG_HOME': str(tmp_path), 'XDG_DATA_HOME': str(tmp_path)})


def test_two_accounts(server, user, imap, tmp_path):
    tools.need('interimap')
    far_user = server.user()
    far = server.login(far_user)
    tools.fill(imap, {'INBOX': 5, 'both': 3})
    tools.fill(far, {'INBOX': 4, 'only far': 2})
    sync(tmp_path, server, user, far_user)
    near_state, far_state = tools.on_server(imap), tools.on_server(far)
    assert near_state == far_state
    assert len(near_state['INBOX']) == 9 and len(near_state['both']) == 3 and len(near_state['only far']) == 2

    imap.select()
    imap.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    imap.ok('EXPUNGE')
    imap.ok('STORE 2 +FLAGS.SILENT (\\Flagged)')
    imap.append(mail.simple('near again'))
    imap.ok('UNSELECT')
    far.select()
    far.ok('STORE 9 +FLAGS.SILENT (\\Answered)')
    far.ok('STORE 8 +FLAGS.SILENT (\\Deleted)')
    far.ok('EXPUNGE')
    far.append(mail.simple('far again'))
    far.ok('UNSELECT')
    sync(tmp_path, server, user, far_user)
    sync(tmp_path, server, user, far_user)
    near_state, far_state = tools.on_server(imap), tools.on_server(far)
    assert near_state == far_state and len(near_state['INBOX']) == 9
    far.close()
