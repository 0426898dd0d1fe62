"""swaks → Postfix → LMTP → a client in IDLE sees it. Postfix runs from a configuration and queue of its own, on a free port."""

import os
import pwd
import shutil
import socket
import tempfile

import pytest

from harness import mail
from clients import tools

MAIN = '''
compatibility_level = 3.6
queue_directory = %(dir)s/queue
data_directory = %(dir)s/data
mail_owner = postfix
setgid_group = postdrop
daemon_directory = %(daemons)s
command_directory = /usr/sbin
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mx.example
mydestination =
virtual_mailbox_domains = example.test
virtual_transport = lmtp:inet:127.0.0.1:%(lmtp)d
lmtp_destination_recipient_limit = 50
alias_maps =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
maillog_file = %(dir)s/log
maillog_file_prefixes = /
import_environment = MAIL_CONFIG LANG=C
smtputf8_enable = yes
'''

MASTER = '''
127.0.0.1:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''


@pytest.fixture
def postfix(server):
    tools.need('postfix', 'swaks')
    if os.geteuid() != 0:
        pytest.skip('Postfix needs root')
    daemons = next((d for d in ('/usr/lib/postfix/sbin', '/usr/libexec/postfix') if os.path.isdir(d)), None)
    if daemons is None:
        pytest.skip('no Postfix daemons')
    d = tempfile.mkdtemp(prefix='posthorn-postfix.')
    os.chmod(d, 0o755)
    os.makedirs(d + '/etc')
    os.makedirs(d + '/queue')
    os.makedirs(d + '/data')
    os.chown(d + '/data', pwd.getpwnam('postfix').pw_uid, 0)
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    names = {'dir': d, 'daemons': daemons, 'lmtp': server.lmtp[1], 'port': port}
    for name, text in (('main.cf', MAIN), ('master.cf', MASTER)):
        with open('%s/etc/%s' % (d, name), 'w') as f:
            f.write(text % names)
    shutil.copy('/etc/postfix/dynamicmaps.cf', d + '/etc/') if os.path.exists('/etc/postfix/dynamicmaps.cf') else None
    for extra in ('postfix-files', 'postfix-script', 'post-install'):
        if os.path.exists('/etc/postfix/' + extra):
            shutil.copy('/etc/postfix/' + extra, d + '/etc/')
    tools.run(['postfix', '-c', d + '/etc', 'start'])
    yield port, d
    tools.run(['postfix', '-c', d + '/etc', 'stop'], check=False)
    shutil.rmtree(d, ignore_errors=True)


def send(port, *more):
    return tools.run(['swaks', '--server', '127.0.0.1', '--port', port, '--from', 'sender@example.org', '--helo', 'client.example', '--timeout', '30'] + list(more))


def test_mail_arrives_in_idle(postfix, server, user, imap):
    port, d = postfix
    imap.select()
    tag = imap.idle()
    send(port, '--to', user + '@example.test', '--header', 'Subject: by way of Postfix')
    imap.wait_name('EXISTS', 1, timeout=30)
    imap.done(tag)
    head = imap.body(1, 'HEADER')
    assert b'Subject: by way of Postfix\r\n' in head
    assert b'Return-Path: <sender@example.org>' in head
    assert head.count(b'Received:') >= 2


def test_several_recipients_and_an_unknown_one(postfix, server, user, imap):
    """The unknown recipient bounces, the others get theirs."""
    port, d = postfix
    other = server.user()
    imap.select()
    tag = imap.idle()
    send(port, '--to', '%s@example.test,nobody-at-all@example.test,%s@example.test' % (user, other), '--header', 'Subject: to several')
    imap.wait_name('EXISTS', 1, timeout=30)
    imap.done(tag)
    c = server.login(other)
    c.select()
    if c.exists == 0:
        tag = c.idle()
        c.wait_name('EXISTS', 1, timeout=30)
        c.done(tag)
    assert b'Subject: to several' in c.body(1, 'HEADER')
    c.close()


def test_message_with_everything(postfix, server, user, imap, tmp_path):
    """Dots, long lines, eight bits and attachments come through the real agent unchanged in the body."""
    port, d = postfix
    message = tmp_path / 'm.eml'
    message.write_bytes(mail.NESTED.replace(b'\r\n', b'\n'))
    imap.select()
    tag = imap.idle()
    send(port, '--to', user + '@example.test', '--data', '@%s' % message)
    imap.wait_name('EXISTS', 1, timeout=30)
    imap.done(tag)
    assert imap.body(1, 'TEXT').rstrip() == mail.NESTED.split(b'\r\n\r\n', 1)[1].rstrip()
