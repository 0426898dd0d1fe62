"""curl, fetchmail, neomutt, Mail::IMAPClient, imaplib: each does what its users do with it."""

import imaplib

import pytest

from harness import mail, tls
from clients import tools


def test_curl(server, user, imap, tmp_path):
    tools.need('curl')
    imap.append(mail.RFC3501)
    url = 'imap://127.0.0.1:%d' % server.imap[1]
    login = '%s:%s' % (user, server.password)
    assert 'INBOX' in tools.run(['curl', '-sS', '-u', login, url + '/'])
    assert 'Body line 2.' in tools.run(['curl', '-sS', '-u', login, url + '/INBOX;UID=1'])
    assert 'minutes' in tools.run(['curl', '-sS', '-u', login, url + '/INBOX;UID=1;SECTION=HEADER.FIELDS%20(Subject)'])
    assert '* SEARCH 1' in tools.run(['curl', '-sS', '-u', login, url + '/INBOX?SUBJECT%20summary'])
    message = tmp_path / 'm.eml'
    message.write_bytes(mail.NESTED)
    tools.run(['curl', '-sS', '-u', login, '-T', message, url + '/Drafts'])
    imap.select('Drafts')
    assert imap.body(1) == mail.NESTED
    tools.run(['curl', '-sS', '-u', login, url + '/INBOX', '-X', 'STORE 1 +FLAGS (\\Flagged)'])
    imap.select()
    assert '\\flagged' in imap.flags()[1]


def test_curl_in_tls(server, user):
    tools.need('curl')
    login = '%s:%s' % (user, server.password)
    assert 'INBOX' in tools.run(['curl', '-sSk', '-u', login, 'imaps://127.0.0.1:%d/' % server.imaps[1]])
    assert 'INBOX' in tools.run(['curl', '-sSk', '--ssl-reqd', '-u', login, 'imap://127.0.0.1:%d/' % server.imap[1]])
    for mechanism in ('PLAIN', 'LOGIN'):
        assert 'INBOX' in tools.run(['curl', '-sSk', '-u', login, '--login-options', 'AUTH=' + mechanism, 'imaps://127.0.0.1:%d/' % server.imaps[1]])


def test_fetchmail(server, user, imap, tmp_path):
    """It takes the unseen, delivers, and deletes or marks them."""
    tools.need('fetchmail')
    for n in range(1, 6):
        imap.append(mail.numbered(n), flags='\\Seen' if n == 2 else '')
    rc = tmp_path / 'rc'
    mda = tmp_path / 'mda'
    mda.write_text('#!/bin/sh\ncat >> %s/out.mbox\necho >> %s/out.mbox\n' % (tmp_path, tmp_path))
    mda.chmod(0o755)
    rc.write_text('poll 127.0.0.1 service %d protocol IMAP auth password no dns: user "%s" password "%s" sslproto "" mda "%s" no rewrite keep\n'
                  % (server.imap[1], user, server.password, mda))
    rc.chmod(0o600)
    args = ['fetchmail', '-f', rc, '--nosyslog', '-v', '-i', tmp_path / 'ids', '--pidfile', tmp_path / 'pid']
    tools.run(args, cwd=tmp_path, env={'FETCHMAILHOME': str(tmp_path)})
    got = (tmp_path / 'out.mbox').read_text()
    for n in (1, 3, 4, 5):
        assert got.count('Subject: Message %d\n' % n) == 1
    assert 'Subject: Message 2\n' not in got
    imap.select()
    assert all('\\seen' in f for f in imap.flags().values())
    rc.write_text(rc.read_text().replace(' keep', ' nokeep fetchall'))
    tools.run(args, cwd=tmp_path, env={'FETCHMAILHOME': str(tmp_path)})
    imap.ok('NOOP')
    assert imap.exists == 0


def test_neomutt(server, user, imap, tmp_path):
    """In batch: tag, flag, copy, save (move), delete, and synchronise."""
    tools.need('neomutt')
    for n in range(1, 7):
        imap.append(mail.numbered(n))
    imap.ok('CREATE kept')
    rc = tmp_path / 'muttrc'
    rc.write_text('''
set folder="imap://127.0.0.1:%(port)d/" spoolfile="imap://127.0.0.1:%(port)d/INBOX"
set imap_user="%(user)s" imap_pass="%(password)s" ssl_starttls=no ssl_force_tls=no imap_authenticators="login" imap_qresync=yes imap_condstore=yes
set confirmappend=no delete=yes quit=yes move=no copy=no wait_key=no sleep_time=0 header_cache="%(dir)s/hc" message_cachedir="%(dir)s/mc" record=""
set tmpdir="%(dir)s" imap_passive=yes mail_check=600 timeout=1 imap_keepalive=300 use_threads=no sort=mailbox-order
push "<first-entry><flag-message><tag-pattern>~s 'Message [23]'<enter><tag-prefix><copy-message>=kept<enter><untag-pattern>.<enter>\\
<search>~s 'Message 4'<enter><save-message>=kept<enter><search>~s 'Message 5'<enter><delete-message><sync-mailbox><quit>"
''' % {'port': server.imap[1], 'user': user, 'password': server.password, 'dir': tmp_path})
    tools.run(['script', '-qec', 'neomutt -n -F %s' % rc, '/dev/null'], cwd=tmp_path, timeout=60, data=b'')
    imap.select()
    subjects = [a['ENVELOPE'][1] for _, a in sorted(imap.ok('FETCH 1:* ENVELOPE').fetches().items())]
    assert subjects == [b'Message 1', b'Message 2', b'Message 3', b'Message 6']
    assert '\\flagged' in imap.flags()[1]
    imap.select('kept')
    assert sorted(a['ENVELOPE'][1] for a in imap.ok('FETCH 1:* ENVELOPE').fetches().values()) == [b'Message 2', b'Message 3', b'Message 4']


PERL = r'''
use strict; use warnings; use Mail::IMAPClient;
my ($port, $user, $password) = @ARGV;
my $c = Mail::IMAPClient->new(Server => '127.0.0.1', Port => $port, User => $user, Password => $password, Uid => 1) or die "login: $@";
$c->create('perl') or die $c->LastError;
my $uid = $c->append('perl', "Subject: from perl\r\n\r\nText.\r\n") or die $c->LastError;
$c->select('perl') or die $c->LastError;
die 'count' unless $c->message_count('perl') == 1;
die 'subject' unless $c->subject($uid) eq 'from perl';
die 'body' unless $c->body_string($uid) eq "Text.\r\n";
my @found = $c->search('SUBJECT', $c->Quote('perl')) or die 'search';
die 'found' unless $found[0] == $uid;
$c->set_flag('Flagged', $uid) or die $c->LastError;
my @flags = $c->flags($uid); die "flags @flags" unless grep { $_ eq '\Flagged' } @flags;
my $bso = $c->get_bodystructure($uid) or die 'bodystructure';
my $h = $c->parse_headers($uid, 'Subject'); die 'headers' unless $h->{Subject}[0] eq 'from perl';
$c->copy('INBOX', $uid) or die $c->LastError;
$c->move('Trash', $uid) or die $c->LastError;
$c->expunge or die $c->LastError;
die 'left' unless $c->message_count('perl') == 0;
my $idle = $c->idle or die $c->LastError; $c->done($idle) or die $c->LastError;
die 'quota' if $c->rename('perl', 'perl2') && !grep { $_ eq 'perl2' } $c->folders;
$c->delete('perl2') or die $c->LastError;
$c->logout;
print "all is well\n";
'''


def test_mail_imapclient(server, user, imap, tmp_path):
    tools.need('perl')
    if tools.run(['perl', '-MMail::IMAPClient', '-e', '1'], check=False):
        pytest.skip('Mail::IMAPClient is not installed')
    program = tmp_path / 'client.pl'
    program.write_text(PERL)
    assert 'all is well' in tools.run(['perl', program, server.imap[1], user, server.password])
    assert imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 1 and imap.status('Trash', 'MESSAGES')['MESSAGES'] == 1


def test_imaplib(server, user):
    c = imaplib.IMAP4(*server.imap)
    c.login(user, server.password)
    assert c.enable('CONDSTORE')[0] == 'OK'
    assert c.create('lib')[0] == 'OK'
    status, data = c.append('lib', '(\\Seen)', imaplib.Time2Internaldate(1600000000), mail.RFC3501)
    assert status == 'OK' and b'APPENDUID' in data[0]
    assert c.select('lib')[1] == [b'1']
    assert c.search(None, 'SUBJECT', '"summary"')[1] == [b'1']
    assert c.fetch('1', '(RFC822)')[1][0][1] == mail.RFC3501
    assert b'IMAP4rev1 WG mtg' in c.fetch('1', '(ENVELOPE)')[1][0]
    assert b'\\Flagged' in c.store('1', '+FLAGS', '\\Flagged')[1][0]
    assert c.copy('1', 'Archive')[0] == 'OK'
    assert c.uid('SEARCH', 'ALL')[1] == [b'1']
    assert c.store('1', '+FLAGS', '\\Deleted')[0] == 'OK'
    assert c.expunge()[1] == [b'1']
    assert c.namespace()[0] == 'OK' and c.list()[0] == 'OK' and c.lsub()[0] == 'OK'
    assert b'MESSAGES 1' in c.status('Archive', '(MESSAGES)')[1][0]
    c.close()
    c.logout()


def test_imaplib_in_tls(server, user):
    context = tls.context()
    c = imaplib.IMAP4_SSL(*server.imaps, ssl_context=context)
    c.authenticate('PLAIN', lambda _: ('\0%s\0%s' % (user, server.password)).encode())
    assert c.select()[0] == 'OK'
    c.logout()
    c = imaplib.IMAP4(*server.imap)
    c.starttls(context)
    c.login(user, server.password)
    c.logout()
