"""APPEND, with MULTIAPPEND (RFC 3502), UIDPLUS (RFC 4315), BINARY (RFC 3516), APPENDLIMIT (RFC 7889), LITERAL+ (RFC 7888)."""

import threading

import pytest

from harness import mail
from harness.imap import Lit


def limit(c):
    for cap in c.capabilities():
        if cap.startswith('APPENDLIMIT='):
            return int(cap.split('=')[1])
    return None


def test_flags_and_date(imap):
    """RFC 3501 6.3.11: the flags and the date given are those of the message."""
    imap.append(mail.numbered(1), flags='\\Seen \\Flagged MyWord', date='17-Jul-1996 02:44:25 -0700')
    imap.select()
    got = imap.ok('FETCH 1 (FLAGS INTERNALDATE)').fetch()
    assert set(map(str, got['FLAGS'])) - {'\\Recent'} == {'\\Seen', '\\Flagged', 'MyWord'}
    assert got['INTERNALDATE'] == b'17-Jul-1996 02:44:25 -0700'


def test_without_flags(imap):
    imap.append(mail.numbered(1))
    imap.select()
    assert imap.flags() == {1: set()}


def test_empty_flag_list(imap):
    imap.ok('APPEND INBOX () ', Lit(mail.numbered(1)))


def test_appenduid(imap):
    """RFC 4315 3: APPENDUID has the UIDVALIDITY and the UID."""
    r = imap.ok('APPEND INBOX ', Lit(mail.numbered(1)))
    assert r.code[0] == 'APPENDUID'
    codes = imap.select().codes()
    assert r.code[1] == codes['UIDVALIDITY'][0]
    assert imap.uid_map() == {r.code[2]: 1}


def test_uids_ascend(imap):
    uids = [imap.append(mail.numbered(n)) for n in range(1, 8)]
    assert uids == sorted(set(uids))
    assert imap.status('INBOX', 'UIDNEXT')['UIDNEXT'] > uids[-1]


def test_to_selected_mailbox_tells_exists(box):
    """RFC 3501 6.3.11: if the mailbox is selected, the new message SHOULD be told at once."""
    r = box.ok('APPEND INBOX ', Lit(mail.numbered(1)))
    if not r.all('EXISTS'):
        r = box.ok('NOOP')
    assert r.all('EXISTS')[-1].number == 1


def test_to_nowhere(imap):
    """RFC 3501 6.3.11: NO with TRYCREATE, and the mailbox is not made; the server may say so before the octets are sent."""
    r = imap.no('APPEND nowhere ', Lit(mail.numbered(1)), code='TRYCREATE')
    assert 'nowhere' not in imap.ok('LIST "" *').list()
    r = imap.no('APPEND nowhere ', Lit(mail.numbered(1), plus=True), code='TRYCREATE')
    imap.ok('NOOP')


def test_to_noselect(imap):
    imap.ok('CREATE n/m')
    imap.ok('DELETE n')
    imap.no('APPEND n ', Lit(mail.numbered(1)))


def test_nonsynchronizing(imap):
    imap.ok('APPEND INBOX ', Lit(mail.numbered(1), plus=True))
    imap.select()
    assert imap.body(1) == mail.numbered(1)


def test_bytes_come_back(imap):
    """Every byte but NUL, long lines, bare CR: what was appended is what is fetched."""
    message = b'Subject: bytes\r\n\r\n' + bytes(range(1, 10)) + bytes(range(11, 13)) + bytes(range(14, 256)) + b'\r\n' + b'z' * 100000 + b'\r\n'
    imap.append(message)
    imap.select()
    assert imap.body(1) == message
    assert imap.ok('FETCH 1 RFC822.SIZE').fetch()['RFC822.SIZE'] == len(message)


def test_nul_in_a_literal(imap):
    """RFC 3501 9: a literal has no NUL. It is refused, or taken as if it were a literal8; it never comes back in a literal
    (the harness checks that)."""
    if imap.cmd('APPEND INBOX ', Lit(b'Subject: x\r\n\r\na\0b\r\n')).status == 'OK':
        imap.select()
        imap.body(1)
        imap.body(1, 'TEXT')
    imap.ok('NOOP')


def test_binary_literal8(imap):
    """RFC 3516 4.4: a literal8 may have NUL; the bytes come back by BINARY."""
    message = b'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n'
    r = imap.cmd('APPEND INBOX ', Lit(message, binary=True))
    if r.status == 'NO':
        assert r.code[0] == 'UNKNOWN-CTE'
        return
    imap.select()
    assert imap.ok('FETCH 1 BINARY.PEEK[1]').fetch()['BINARY[1]'] == b'a\0b\r\n'
    # RFC 3516 4.2: without BINARY the part must be shown without NUL.
    assert b'\0' not in imap.body(1)


def test_binary_literal8_of_plain_text(imap):
    imap.ok('APPEND INBOX ', Lit(mail.numbered(1), binary=True))
    imap.ok('APPEND INBOX ', Lit(mail.numbered(2), binary=True, plus=True))
    imap.select()
    assert imap.body(1) == mail.numbered(1) and imap.body(2) == mail.numbered(2)


def test_empty_message(imap):
    """An empty literal ends a MULTIAPPEND or is refused; it makes no message (RFC 3502 6.3.11 lets the client cancel so)."""
    r = imap.cmd('APPEND INBOX ', Lit(b''))
    assert r.status in ('NO', 'BAD') or imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 1
    imap.ok('NOOP')


def test_multiappend(imap):
    """RFC 3502: several messages in one command; APPENDUID has a set."""
    r = imap.ok('APPEND INBOX (\\Seen) ', Lit(mail.numbered(1)), ' " 7-Feb-1994 21:52:25 -0800" ', Lit(mail.numbered(2)), ' ', Lit(mail.numbered(3), plus=True))
    assert r.code[0] == 'APPENDUID'
    imap.select()
    uids = sorted(imap.uid_map())
    assert str(r.code[2]) == '%d:%d' % (uids[0], uids[2])
    assert [imap.body(n) for n in (1, 2, 3)] == [mail.numbered(n) for n in (1, 2, 3)]
    assert imap.flags() == {1: {'\\seen'}, 2: set(), 3: set()}
    assert imap.ok('FETCH 2 INTERNALDATE').fetch()['INTERNALDATE'] in (b' 7-Feb-1994 21:52:25 -0800', b'07-Feb-1994 21:52:25 -0800')


def test_multiappend_is_all_or_nothing(imap):
    """RFC 3502 6.3.11: if one fails, none is appended."""
    r = imap.refused('APPEND INBOX ', Lit(mail.numbered(1), plus=True), ' (\\Nonsense', Lit(b'x', plus=True))
    imap.ok('NOOP')
    assert imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 0


def test_appendlimit_and_toobig(imap):
    """RFC 7889: the limit is told; RFC 7888: a literal above it is refused before it is sent, one octet below is taken."""
    most = limit(imap) or imap.status('INBOX', 'APPENDLIMIT')['APPENDLIMIT']
    imap.send(b't1 APPEND INBOX {%d}\r\n' % (most + 1))
    imap.pending.append(('t1', 'APPEND'))
    r = imap.end('t1')
    assert r.status == 'NO' and r.code[0] == 'TOOBIG'
    imap.ok('NOOP')


def test_status_appendlimit(imap):
    assert imap.status('INBOX', 'APPENDLIMIT')['APPENDLIMIT'] in (limit(imap), None) or limit(imap) is None


@pytest.mark.parametrize('args', ['', ' INBOX', ' INBOX x', ' INBOX (', ' INBOX (\\Seen', ' INBOX (\\Seen)', ' INBOX "no date" {3+}\r\nabc', ' INBOX () () {3+}\r\nabc',
                                  ' INBOX {3+}\r\nabc junk', ' INBOX "31-Foo-1996 02:44:25 -0700" {3+}\r\nabc', ' INBOX " 7-Feb-1994 25:52:25 -0800" {3+}\r\nabc',
                                  ' INBOX (\\*) {3+}\r\nabc', ' INBOX ((a)) {3+}\r\nabc', ' INBOX {3+}\r\nabc {x}', ' INBOX "x" "y" {3+}\r\nabc', ' (INBOX) {3+}\r\nabc'])
def test_malformed(imap, args):
    imap.send('m1 APPEND%s\r\n' % args)
    imap.pending.append(('m1', 'APPEND'))
    assert imap.end('m1').status == 'BAD'
    imap.ok('NOOP')
    assert imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 0


def test_recent_flag_cannot_be_given(imap):
    """RFC 3501 2.3.2: \\Recent can't be altered by a client: it is refused or ignored."""
    r = imap.cmd('APPEND INBOX (\\Recent \\Seen) ', Lit(mail.numbered(1)))
    assert r.status in ('OK', 'BAD', 'NO')
    imap.ok('NOOP')


def test_connection_lost_in_the_middle(login):
    """Half a message is no message."""
    c = login()
    c.send(b'x APPEND INBOX {100000}\r\n')
    assert c.response().tag == '+'
    c.send(b'Subject: half\r\n\r\n')
    c.close()
    c = login()
    assert c.status('INBOX', 'MESSAGES')['MESSAGES'] == 0


def test_large_message(imap):
    """Streamed in, streamed out."""
    message = mail.sized(6 * 1024 * 1024)
    imap.append(message)
    imap.select()
    assert imap.ok('FETCH 1 RFC822.SIZE').fetch()['RFC822.SIZE'] == len(message)
    assert imap.body(1) == message
    assert imap.ok('FETCH 1 BODY.PEEK[]<5000000.100>').fetch()['BODY[]<5000000>'] == message[5000000:5000100]


def test_twenty_connections_at_once(login):
    """Distinct ascending UIDs for each, and afterwards all messages are there bit for bit."""
    mine, errors = {}, []

    def run(k):
        try:
            c = login(name='t%dx' % k)
            last = 0
            for n in range(10):
                message = mail.simple('From %d number %d' % (k, n), 'x' * (k * 10 + n) + '\n')
                uid = c.append(message)
                assert uid > last
                last = uid
                mine[uid] = message
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors[0]
    assert len(mine) == 200
    c = login()
    c.select()
    got = c.ok('UID FETCH 1:* BODY.PEEK[]').fetches()
    assert dict((a['UID'], a['BODY[]']) for a in got.values()) == mine
