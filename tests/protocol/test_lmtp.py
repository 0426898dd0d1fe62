"""Mail coming in: LMTP (RFC 2033) with PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), ENHANCEDSTATUSCODES (RFC 2034),
CHUNKING and BINARYMIME (RFC 3030), SMTPUTF8 (RFC 6531), STARTTLS (RFC 3207), XCLIENT (Postfix)."""

import re
import threading

import pytest

from harness import mail, tls
from harness.imap import Closed
from harness.lmtp import stuffed


@pytest.fixture
def l(lmtp):
    lmtp.lhlo()
    return lmtp


def inbox(login):
    c = login()
    c.select()
    return c


def test_greeting_and_lhlo(lmtp):
    """RFC 2033 4.1: LHLO instead of HELO; 220 greets."""
    r = lmtp.lhlo()
    assert r.code == 250
    for keyword in ('PIPELINING', 'SIZE', '8BITMIME', 'ENHANCEDSTATUSCODES', 'CHUNKING', 'BINARYMIME', 'SMTPUTF8'):
        assert keyword in lmtp.keywords, keyword
    assert int(lmtp.keywords['SIZE']) > 1000000


@pytest.mark.parametrize('command', ['HELO x', 'EHLO x'])
def test_helo_is_refused(lmtp, command):
    """RFC 2033 4.1: HELO and EHLO MUST NOT be accepted (500)."""
    assert lmtp.cmd(command).code == 500
    lmtp.lhlo()


def test_delivery(l, user, login):
    """RFC 2033 4.2: one reply for each recipient after the data."""
    replies = l.deliver(mail.simple('delivered'), [user])
    assert [r.code for r in replies] == [250] and replies[0].enhanced.startswith('2.')
    c = inbox(login)
    body = c.body(1)
    assert body.endswith(mail.simple('delivered'))
    assert c.flags() == {1: set()}


def test_trace_lines(l, user, login):
    """RFC 5321 4.4: Return-Path first, a Received line, Delivered-To."""
    l.deliver(mail.simple('traced'), [user], sender='from@example.org')
    head = inbox(login).body(1, 'HEADER').decode()
    lines = head.split('\r\n')
    assert any(s.lower() == 'return-path: <from@example.org>' for s in lines[:3])
    assert any(re.match('delivered-to: <?%s' % user, s.lower()) for s in lines)
    received = re.search(r'Received:(.*?\r\n)(?![ \t])', head, re.S | re.I).group(1)
    assert 'test.example' in received and 'LMTP' in received and ';' in received


def test_null_sender(l, user, login):
    """RFC 5321 4.5.5: bounces come from <>."""
    assert l.deliver(mail.simple('bounce'), [user], sender='')[0].code == 250
    assert b'eturn-Path: <>' in inbox(login).body(1, 'HEADER')


def test_unknown_user(l, user):
    """550 5.1.1 at RCPT."""
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<nobody-at-all>', 550, '5.1.1')
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('RSET', 250)


def test_a_reply_for_each_recipient(l, server, login, user):
    """RFC 2033 4.2: in the order of the accepted RCPTs, none for the refused ones."""
    other = server.user()
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('RCPT TO:<nobody-at-all>', 550)
    l.cmd('RCPT TO:<%s>' % other, 250)
    l.cmd('DATA', 354)
    l.send(stuffed(mail.simple('two')) + b'.\r\n')
    assert [l.reply().code for _ in range(2)] == [250, 250]
    l.cmd('NOOP', 250)
    assert inbox(login).exists == 1
    c = server.login(other)
    c.select()
    assert c.exists == 1
    c.close()


def test_no_valid_recipient(l):
    """RFC 2033 4.2: DATA without a recipient MUST fail with 503 when all RCPTs failed."""
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<nobody-at-all>', 550)
    assert l.cmd('DATA').code == 503
    l.cmd('NOOP', 250)


def test_order_of_commands(lmtp, user):
    assert lmtp.cmd('MAIL FROM:<a@example.org>').code == 503
    lmtp.lhlo()
    assert lmtp.cmd('RCPT TO:<%s>' % user).code == 503
    assert lmtp.cmd('DATA').code == 503
    lmtp.cmd('MAIL FROM:<a@example.org>', 250)
    assert lmtp.cmd('MAIL FROM:<b@example.org>').code == 503
    lmtp.cmd('RSET', 250)
    lmtp.cmd('MAIL FROM:<b@example.org>', 250)


@pytest.mark.parametrize('line, codes', [
    ('', (500, 501)), ('NOPE', (500, 502)), ('MAIL', (500, 501)), ('MAIL FROM:', (500, 501)), ('MAIL FROM:<a@b', (500, 501)), ('MAIL FROM:<a@b> SIZE=x', (500, 501, 555)),
    ('MAIL FROM:<a@b> NOPE=1', (555,)), ('MAIL FROM:<a@b> BODY=NOPE', (500, 501, 555)), ('MAIL FROM:<a b@c>', (500, 501)), ('RCPT', (500, 501, 503)), ('LHLO', (500, 501)),
    ('DATA x', (500, 501, 503)), ('BDAT', (500, 501, 503)), ('BDAT x', (500, 501, 503)), ('BDAT -1', (500, 501, 503)), ('RSET x', (250, 500, 501)), ('MAIL TO:<a@b>', (500, 501)),
    ('VRFY x', (252, 502, 550)), ('HELP', (214, 502)), ('NOOP', (250,)), ('NOOP ignored', (250,)), ('x' * 3000, (500,)), ('EXPN x', (252, 500, 502, 550)),
    ('MAIL FROM:<' + 'a' * 2000 + '@b>', (500, 501, 553)), ('AUTH PLAIN', (500, 502, 503, 504)),
])
def test_malformed(l, line, codes):
    assert l.cmd(line).code in codes
    l.cmd('NOOP', 250)


@pytest.mark.parametrize('parameter', ['NOPE=1', 'NOTIFY'])
def test_malformed_rcpt(l, user, parameter):
    l.cmd('MAIL FROM:<a@example.org>', 250)
    assert l.cmd('RCPT TO:<%s> %s' % (user, parameter)).code in (501, 504, 555)
    l.cmd('RCPT TO:<%s>' % user, 250)


def test_commands_are_case_insensitive(lmtp, user):
    lmtp.cmd('lhlo x', 250)
    lmtp.cmd('mail from:<a@example.org>', 250)
    lmtp.cmd('Rcpt To:<%s>' % user, 250)
    lmtp.cmd('rset', 250)


def test_pipelining(lmtp, user, login):
    """RFC 2920: all in one packet, replies in order."""
    lmtp.send('LHLO test.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nRCPT TO:<nobody-at-all>\r\nDATA\r\n' % user)
    assert [lmtp.reply().code for _ in range(5)] == [250, 250, 250, 550, 354]
    lmtp.send(stuffed(mail.simple('pipelined')) + b'.\r\nMAIL FROM:<b@example.org>\r\nQUIT\r\n')
    assert [lmtp.reply().code for _ in range(3)] == [250, 250, 221]
    assert inbox(login).exists == 1


def test_in_single_bytes(lmtp, user, login):
    for b in ('LHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<%s>\r\nDATA\r\n' % user).encode():
        lmtp.send(bytes([b]))
    assert [lmtp.reply().code for _ in range(4)] == [250, 250, 250, 354]
    for b in b'Subject: slow\r\n\r\n..dot\r\n.\r\n':
        lmtp.send(bytes([b]))
    assert lmtp.reply().code == 250
    assert inbox(login).body(1, 'TEXT') == b'.dot\r\n'


def test_dots(l, user, login):
    """RFC 5321 4.5.2: leading dots are doubled on the wire and single in the message."""
    message = mail.simple('dots', '.\n..\n...\n.x\nx.\n')
    l.deliver(message, [user])
    assert inbox(login).body(1, 'TEXT') == b'.\r\n..\r\n...\r\n.x\r\nx.\r\n'


@pytest.mark.parametrize('ending', [b'\n.\n', b'\n.\r\n', b'\r\n.\n', b'\r.\r'])
def test_smuggling(l, user, login, ending):
    """CVE-2023-51764 and kin: only <CRLF>.<CRLF> ends the data; anything else is part of the message or an error."""
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('DATA', 354)
    l.send(b'Subject: one\r\n\r\ntext' + ending + b'MAIL FROM:<evil@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n' % user.encode())
    try:
        l.reply()
        l.cmd('NOOP')
    except Closed:
        pass
    c = inbox(login)
    for n in range(1, c.exists + 1):
        assert not c.body(n, 'HEADER').count(b'smuggled')
    assert c.exists <= 1


def test_size(l, user):
    """RFC 1870: too big is refused at MAIL already."""
    most = int(l.keywords['SIZE'])
    assert l.cmd('MAIL FROM:<a@example.org> SIZE=%d' % (most + 1)).code == 552
    l.cmd('MAIL FROM:<a@example.org> SIZE=1000', 250)


def test_8bit_and_long_lines(l, user, login):
    message = b'Subject: eight\r\n\r\n' + bytes(range(128, 256)) + b'\r\n' + b'z' * 50000 + b'\r\n'
    l.cmd('MAIL FROM:<a@example.org> BODY=8BITMIME', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('DATA', 354)
    l.send(stuffed(message) + b'.\r\n')
    assert l.reply().code == 250
    assert inbox(login).body(1).endswith(message)


def test_chunking(l, user, login):
    """RFC 3030: BDAT in pieces of any size; the last answers for each recipient."""
    message = mail.simple('chunks', '.\n..\nx\n')
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    for start in range(0, len(message), 50):
        piece = message[start:start + 50]
        l.send(b'BDAT %d\r\n' % len(piece) + piece)
        assert l.reply().code == 250
    l.send(b'BDAT 0 LAST\r\n')
    assert l.reply().code == 250
    assert inbox(login).body(1).endswith(message)


def test_chunking_pipelined(l, user, login):
    message = mail.simple('chunks')
    l.send(b'MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nBDAT %d\r\n' % (user.encode(), 20) + message[:20] + b'BDAT %d LAST\r\n' % (len(message) - 20) + message[20:])
    assert [l.reply().code for _ in range(4)] == [250, 250, 250, 250]
    assert inbox(login).body(1).endswith(message)


def test_chunks_of_a_failed_transaction_are_swallowed(l):
    """RFC 3030 2: the octets of BDAT are read even when it is refused."""
    l.send(b'BDAT 10 LAST\r\n0123456789')
    assert l.reply().code == 503
    l.cmd('NOOP', 250)


def test_data_after_bdat_is_refused(l, user):
    """RFC 3030 2: DATA and BDAT can't be mixed."""
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.send(b'BDAT 5\r\nab: c')
    assert l.reply().code == 250
    assert l.cmd('DATA').code == 503


def test_binarymime(l, user, login):
    """RFC 3030 3: BODY=BINARYMIME needs BDAT; the bytes come whole."""
    data = bytes(range(256))
    message = b'Subject: bin\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n' + data
    l.cmd('MAIL FROM:<a@example.org> BODY=BINARYMIME', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    assert l.cmd('DATA').code == 503
    l.cmd('RSET', 250)
    l.cmd('MAIL FROM:<a@example.org> BODY=BINARYMIME', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.send(b'BDAT %d LAST\r\n' % len(message) + message)
    assert l.reply().code == 250
    c = inbox(login)
    assert c.ok('FETCH 1 BINARY.PEEK[1]').fetch()['BINARY[1]'] == data


def test_smtputf8(l, user, login):
    """RFC 6531: UTF-8 in addresses and headers when SMTPUTF8 is said, refused when not."""
    assert l.cmd('MAIL FROM:<jürgen@example.org>').code in (501, 553)
    l.cmd('MAIL FROM:<jürgen@example.org> SMTPUTF8', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('DATA', 354)
    l.send(stuffed('Subject: Grüße\r\n\r\nx\r\n'.encode()) + b'.\r\n')
    assert l.reply().code == 250
    assert 'jürgen@example.org'.encode() in inbox(login).body(1, 'HEADER')


def test_subaddress(l, user, login):
    """user+folder delivers into a folder that exists, else into INBOX."""
    c = login()
    c.ok('CREATE lists')
    l.deliver(mail.simple('in folder'), [user + '+lists'])
    l.deliver(mail.simple('no folder'), [user + '+nowhere'])
    assert c.status('lists', 'MESSAGES')['MESSAGES'] == 1
    assert c.status('INBOX', 'MESSAGES')['MESSAGES'] == 1
    assert 'nowhere' not in c.ok('LIST "" *').list()


def test_same_recipient_twice(l, user, login):
    """A reply for each RCPT; the message comes once or twice, and not less."""
    assert [r.code for r in l.deliver(mail.simple('twice'), [user, user])] == [250, 250]
    assert inbox(login).exists in (1, 2)


def test_many_recipients(l, server, login):
    users = [server.user() for _ in range(5)]
    assert [r.code for r in l.deliver(mail.simple('many'), users)] == [250] * 5
    for u in users:
        c = server.login(u)
        c.select()
        assert c.body(1).endswith(mail.simple('many'))
        c.close()


def test_many_messages_in_one_session(l, user, login):
    for n in range(50):
        assert l.deliver(mail.numbered(n), [user])[0].code == 250
    c = inbox(login)
    assert c.exists == 50
    subjects = [a['ENVELOPE'][1] for _, a in sorted(c.ok('FETCH 1:* ENVELOPE').fetches().items())]
    assert subjects == [b'Message %d' % n for n in range(50)]


def test_large_message(l, user, login):
    message = mail.sized(5 * 1024 * 1024)
    assert l.deliver(message, [user])[0].code == 250
    assert inbox(login).body(1).endswith(message)


def test_bare_lf_in_data_is_kept_or_made_crlf(l, user, login):
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('DATA', 354)
    l.send(b'Subject: lf\r\n\r\na\nb\r\n.\r\n')
    r = l.reply()
    if r.code == 250:
        assert inbox(login).body(1, 'TEXT') in (b'a\nb\r\n', b'a\r\nb\r\n')


def test_lost_in_data_delivers_nothing(server, user, login):
    c = server.lmtp_connect()
    c.lhlo()
    c.cmd('MAIL FROM:<a@example.org>', 250)
    c.cmd('RCPT TO:<%s>' % user, 250)
    c.cmd('DATA', 354)
    c.send(b'Subject: half\r\n\r\nhalf')
    c.close()
    assert inbox(login).exists == 0


def test_rset_forgets(l, user):
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.cmd('RCPT TO:<%s>' % user, 250)
    l.cmd('RSET', 250)
    assert l.cmd('DATA').code == 503


def test_lhlo_forgets(l, user):
    """RFC 5321 4.1.4: a new greeting resets the transaction."""
    l.cmd('MAIL FROM:<a@example.org>', 250)
    l.lhlo()
    assert l.cmd('RCPT TO:<%s>' % user).code == 503


def test_quit(l):
    """RFC 5321 4.1.1.10: 221, then the connection is closed."""
    l.quit()


def test_starttls(lmtp, user, login):
    lmtp.lhlo()
    if 'STARTTLS' not in lmtp.keywords:
        pytest.fail('STARTTLS is not offered')
    lmtp.starttls(tls.context())
    assert lmtp.cmd('MAIL FROM:<a@example.org>').code == 503
    lmtp.lhlo()
    assert 'STARTTLS' not in lmtp.keywords
    assert lmtp.deliver(mail.simple('in tls'), [user])[0].code == 250


def test_starttls_injection(server):
    """RFC 3207 4.2: nothing from before the handshake survives it."""
    c = server.lmtp_connect()
    c.lhlo()
    c.send(b'STARTTLS\r\nNOOP\r\n')
    try:
        r = c.reply()
        if r.code == 220:
            c.sock = tls.wrap(tls.context(), c.sock)
            c.sock.settimeout(5)
            c.buf = b''
            assert c.reply().code == 421
    except (Closed, OSError):
        pass


def test_xclient_from_a_stranger_is_refused_or_offered(l):
    """XCLIENT works only from trusted addresses, and only where it is offered."""
    r = l.cmd('XCLIENT ADDR=192.0.2.7 NAME=far.example')
    if 'XCLIENT' in l.keywords:
        assert r.code == 220
        l.lhlo()
    else:
        assert r.code in (500, 502, 503, 550)


def test_xclient_is_in_the_trace(l, user, login):
    """What a trusted agent says of the client is what the Received line tells."""
    if 'XCLIENT' not in l.keywords:
        pytest.skip('not offered here')
    assert 'ADDR' in l.keywords['XCLIENT'].split()
    l.cmd('XCLIENT ADDR=192.0.2.7 NAME=far.example HELO=helo.example', 220)
    l.lhlo()
    assert l.deliver(mail.simple('from far'), [user])[0].code == 250
    assert b'192.0.2.7' in inbox(login).body(1, 'HEADER')


@pytest.mark.parametrize('line', ['XCLIENT', 'XCLIENT ADDR', 'XCLIENT NOPE=1', 'XCLIENT ADDR=192.0.2.7 ADDR'])
def test_xclient_malformed(l, line):
    assert l.cmd(line).code in (500, 501, 502, 550, 555)
    l.cmd('NOOP', 250)


@pytest.mark.parametrize('line', ['XCLIENT NAME=a+0D+0AX-Smuggled:+20yes', 'XCLIENT HELO=a+0AX-Smuggled:+20yes', 'XCLIENT ADDR=a+0D+0AX-Smuggled:+20yes',
                                  'XCLIENT ADDR=192.0.2.7 HELO=(+28+29+29'])
def test_xclient_smuggles_no_header(l, user, login, line):
    if l.cmd(line).code == 220:
        l.lhlo()
    l.lhlo('a)b(c')
    assert l.deliver(mail.simple('clean'), [user])[0].code == 250
    assert b'Smuggled' not in inbox(login).body(1, 'HEADER.FIELDS (X-Smuggled)')


def test_bad_commands_end_the_session(lmtp):
    try:
        for _ in range(100):
            lmtp.cmd('NONSENSE')
        assert False, 'a hundred bad commands, and the session lives'
    except (Closed, OSError):
        pass


def test_deliveries_from_many_connections(server, user, login):
    errors = []

    def run(k):
        try:
            c = server.lmtp_connect()
            for n in range(10):
                assert c.deliver(mail.simple('k%d n%d' % (k, n)), [user])[0].code == 250
            c.quit()
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors[0]
    c = inbox(login)
    subjects = [a['ENVELOPE'][1] for a in c.ok('FETCH 1:* ENVELOPE').fetches().values()]
    assert sorted(subjects) == sorted(b'k%d n%d' % (k, n) for k in range(10) for n in range(10))
