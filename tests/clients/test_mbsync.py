"""mbsync (isync): two-way synchronisation of a tree, then again with changes on both sides: nothing lost, nothing doubled."""

import os
import ssl

import pytest

from harness import mail
from harness.imap import Lit
from clients import tools

CONFIG = '''
IMAPAccount test
Host %(host)s
Port %(port)d
User %(user)s
Pass %(password)s
%(ssl)s
PipelineDepth %(depth)d

IMAPStore far
Account test

MaildirStore near
Path %(dir)s/mail/
Inbox %(dir)s/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
Sync All
CopyArrivalDate yes
'''


def sync(tmp_path, server, user, in_tls=False, depth=50):
    (tmp_path / 'mail').mkdir(exist_ok=True)
    config = tmp_path / 'mbsyncrc'
    config.write_text(CONFIG % {
        'host': 'localhost' if in_tls else '127.0.0.1',
        'port': (server.imaps if in_tls else server.imap)[1], 'user': user, 'password': server.password, 'dir': tmp_path, 'depth': depth,
        'ssl': 'SSLType IMAPS\nSSLVersion TLSv1.2\nCertificateFile %s/cert.pem' % tmp_path if in_tls else 'SSLType None\nAuthMechs LOGIN PLAIN'})
    return tools.run(['mbsync', '-c', config, '-a', '-V'], cwd=tmp_path)


def compare(tmp_path, c):
    far = tools.on_server(c)
    near = tools.in_maildir(tmp_path / 'mail', {name: name for name in far})
    assert near == far
    return far


def test_two_way(server, user, imap, tmp_path):
    tools.need('mbsync')
    tools.fill(imap, {'INBOX': 7, 'work': 5, 'work/deep/er': 3, 'with space': 2, 'empty': 0})
    sync(tmp_path, server, user)
    before = compare(tmp_path, imap)
    assert sum(len(m) for m in before.values()) == 17
    # Nothing changed: nothing happens.
    sync(tmp_path, server, user)
    assert compare(tmp_path, imap) == before

    # Changes on the server.
    imap.select()
    imap.ok('STORE 1:2 +FLAGS.SILENT (\\Flagged)')
    imap.ok('STORE 3 +FLAGS.SILENT (\\Deleted)')
    imap.ok('EXPUNGE')
    imap.append(mail.simple('new on the server'))
    imap.ok('MOVE 4 work')
    imap.ok('UNSELECT')
    tools.fill(imap, {'born far': 1})
    # And here.
    tools.put_in_maildir(tmp_path / 'mail', 'INBOX', mail.simple('new here'), 'FS', 'a1')
    tools.put_in_maildir(tmp_path / 'mail', 'born near', mail.simple('new folder'), 'S', 'a2')
    tools.put_in_maildir(tmp_path / 'mail', 'work/deep/er', mail.simple('deep'), 'S', 'a3')
    cur = tmp_path / 'mail' / 'work' / 'cur'
    files = sorted(list(cur.iterdir()) + list((tmp_path / 'mail' / 'work' / 'new').iterdir()))
    os.remove(files[0])
    base = files[1].name.partition(':2,')[0]
    os.rename(files[1], cur / (base + ':2,RS'))
    sync(tmp_path, server, user)
    after = compare(tmp_path, imap)
    assert {'born far', 'born near'} <= set(after)
    assert len(after['INBOX']) == 7 and len(after['work']) == 5 and len(after['work/deep/er']) == 4
    sync(tmp_path, server, user)
    assert compare(tmp_path, imap) == after


def test_many_messages(server, user, imap, tmp_path):
    """Two thousand messages, both ways, in a deep pipeline."""
    tools.need('mbsync')
    for start in range(0, 2000, 500):
        parts = []
        for n in range(start, start + 500):
            parts += [' ', Lit(mail.numbered(n), plus=True)]
        imap.ok('APPEND INBOX', *parts)
    sync(tmp_path, server, user, depth=200)
    far = compare(tmp_path, imap)
    assert len(far['INBOX']) == 2000


def test_in_tls(server, user, imap, tmp_path):
    tools.need('mbsync')
    (tmp_path / 'cert.pem').write_text(ssl.get_server_certificate(server.imaps))
    tools.fill(imap, {'INBOX': 3})
    try:
        sync(tmp_path, server, user, in_tls=True)
    except AssertionError as e:
        if 'certificate' in str(e).lower():
            pytest.skip('the throw-away certificate does not name 127.0.0.1')
        raise
    compare(tmp_path, imap)
