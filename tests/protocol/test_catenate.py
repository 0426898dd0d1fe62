"""CATENATE (RFC 4469), in APPEND and in REPLACE (RFC 8508 4.2), with IMAP URLs (RFC 5092) and PARTIAL in them (RFC 5550 5.7.1)."""

import pytest

from harness import mail
from harness.imap import Lit

BOUNDARY = b'------------030308070208000400050907'
HEADER = (b'From: Bob Ar <bar@example.org>\r\nTo: foo@example.net\r\nSubject: About our holiday trip\r\nMIME-Version: 1.0\r\n'
          b'Content-Type: multipart/mixed; boundary="' + BOUNDARY + b'"\r\n\r\n')
MIME1 = b'Content-Type: text/plain; charset=us-ascii\r\n\r\n'
PART1 = b'Our travel agent has sent the schedule.'
MIME2 = b'Content-Type: application/x-zip-compressed\r\nContent-Transfer-Encoding: base64\r\n\r\n'
PART2 = b'UEsDBAoAAAAAAA=='
NEXT = b'\r\n--' + BOUNDARY + b'\r\n'
END = b'\r\n--' + BOUNDARY + b'--\r\n'
DRAFT = HEADER + NEXT[2:] + MIME1 + PART1 + NEXT + MIME2 + PART2 + END


class Drafts:
    """A connection, the draft in its mailbox, and what URLs of it begin with."""

    def __init__(self, c, name='Drafts'):
        self.c = c
        self.uid = c.append(DRAFT, name)
        self.validity = c.status(name, 'UIDVALIDITY')['UIDVALIDITY']
        self.url = '/%s;UIDVALIDITY=%d/;UID=%d' % (name, self.validity, self.uid)

    def part(self, section=None, partial=None):
        return 'URL "%s%s%s"' % (self.url, '/;section=' + section if section else '', '/;partial=' + partial if partial else '')

    def made(self, r):
        """The bytes of the message that a command made."""
        uid = r.codes()['APPENDUID'][1]
        self.c.select('Drafts')
        return self.c.ok('UID FETCH %d BODY.PEEK[]' % uid).fetch()['BODY[]']


@pytest.fixture
def d(imap):
    return Drafts(imap)


def count(c, name='Drafts'):
    return c.status(name, 'MESSAGES')['MESSAGES']


def badurl(c, *parts):
    """The URL that a refusal names."""
    r = c.no(*parts, code='BADURL')
    return str(r.code[1] if isinstance(r.code[1], str) else r.code[1].decode())


def test_announced(imap):
    assert {'CATENATE', 'URL-PARTIAL'} <= set(imap.capabilities())


def test_example_1_replace_attachment(d):
    """RFC 4469 appendix A: header and first part stay, the attachment is another message."""
    other = d.c.append(b'Subject: new\r\n\r\nattachment\r\n', 'Drafts')
    r = d.c.ok('APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (' + d.part('HEADER') + ' TEXT ', Lit(NEXT), ' ' + d.part('1.MIME') + ' ' + d.part('1') + ' TEXT ',
               Lit(NEXT), ' URL "/Drafts;UIDVALIDITY=%d/;UID=%d" TEXT ' % (d.validity, other), Lit(END), ')')
    assert d.made(r) == HEADER + NEXT + MIME1 + PART1 + NEXT + b'Subject: new\r\n\r\nattachment\r\n' + END
    f = d.c.ok('UID FETCH %d (FLAGS BODY.PEEK[2])' % r.codes()['APPENDUID'][1]).fetch()
    assert {'\\Seen', '\\Draft', '$MDNSent'} <= set(map(str, f['FLAGS']))
    assert f['BODY[2]'].startswith(b'attachment')
    # RFC 4469 3: \Seen of what was copied is not set.
    assert '\\Seen' not in map(str, d.c.ok('UID FETCH %d FLAGS' % d.uid).fetch()['FLAGS'])


def test_example_2_edited_text(d):
    text = HEADER.replace(b'holiday', b'changed') + NEXT + MIME1 + b'Another text' + NEXT
    r = d.c.ok('APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (TEXT ', Lit(text), ' ' + d.part('2.MIME').replace('section', 'Section') + ' ' + d.part('2') + ' TEXT ',
               Lit(END), ')')
    assert r.codes()['APPENDUID'][0] == d.validity
    assert d.made(r) == text + MIME2 + PART2 + END


def test_example_3_strip_attachment(d):
    stripped = NEXT + b'Content-type: text/plain\r\n\r\nThe attachment was deleted upon your request.' + END
    r = d.c.ok('APPEND Drafts CATENATE (' + d.part('HEADER') + ' TEXT ', Lit(NEXT), ' ' + d.part('1.MIME') + ' ' + d.part('1') + ' TEXT ', Lit(stripped), ')')
    assert d.made(r) == HEADER + NEXT + MIME1 + PART1 + stripped


def test_example_4_failed_digest(d):
    """The first URL that fails is told, and nothing is appended."""
    missing = d.url + '/;section=1.5.9'
    assert badurl(d.c, 'APPEND Drafts CATENATE (TEXT ', Lit(HEADER, plus=True), ' ' + d.part() + ' TEXT ', Lit(NEXT, plus=True), ' URL "%s" TEXT ' % missing,
                  Lit(NEXT, plus=True), ' URL "/nowhere/;UID=1" TEXT ', Lit(END, plus=True), ')') == missing
    assert count(d.c) == 1


def test_only_urls(d):
    """Without a literal; the mailbox need not be selected."""
    assert d.made(d.c.ok('APPEND Drafts CATENATE (' + d.part() + ')')) == DRAFT
    assert d.made(d.c.ok('APPEND Drafts () "01-Feb-2020 10:11:12 +0100" catenate (' + d.part('TEXT') + ' ' + d.part('HEADER') + ')')) == DRAFT[len(HEADER):] + HEADER


@pytest.mark.parametrize('section', ['HEADER', 'TEXT', '1', '1.MIME', '2', '2.MIME', 'HEADER.FIELDS%20(Subject%20To)', 'HEADER.FIELDS.NOT%20(Subject)'])
def test_sections_as_fetch(d, section):
    """RFC 4469 3: as if the literal of a FETCH BODY were put in its place; with PARTIAL a piece of it (RFC 5092 6)."""
    d.c.select('Drafts')
    name = section.replace('%20', ' ')
    want = next(v for k, v in d.c.ok('UID FETCH %d BODY.PEEK[%s]' % (d.uid, name)).fetch().items() if k.startswith('BODY['))
    assert d.made(d.c.ok('APPEND Drafts CATENATE (' + d.part(section) + ')')) == want
    for partial, piece in (('3.5', want[3:8]), ('4', want[4:]), ('0.100000', want), ('2.1', want[2:3])):
        assert d.made(d.c.ok('APPEND Drafts CATENATE (' + d.part(section, partial) + ')')) == piece
    # A piece behind the end is empty, as FETCH has it.
    assert d.made(d.c.ok('APPEND Drafts CATENATE (' + d.part(section, '100000.5') + ' ' + d.part(section) + ')')) == want


def test_delivered_message(server, lmtp, connect):
    """What delivery puts before a message belongs to it and to its header."""
    user = server.user()
    assert [r.code for r in lmtp.deliver(DRAFT, [user])] == [250]
    c = connect(user=user)
    c.select()
    whole, mime = c.body(1), c.body(1, 'HEADER.FIELDS (Received Subject)')
    assert whole.endswith(DRAFT) and whole != DRAFT and b'Received' in mime
    c.ok('APPEND INBOX CATENATE (URL ";UID=1") CATENATE (URL ";UID=1/;SECTION=HEADER" URL ";UID=1/;SECTION=TEXT") '
         'CATENATE (URL ";UID=1/;SECTION=HEADER.FIELDS%20(Received%20Subject)") CATENATE (URL ";UID=1/;PARTIAL=10.400")')
    assert [c.body(n) for n in (2, 3, 4, 5)] == [whole, whole, mime, whole[10:410]]


def test_relative_to_the_selected_mailbox(d):
    """RFC 4469 3: the base is the selected mailbox; without one there is none."""
    assert badurl(d.c, 'APPEND Drafts CATENATE (URL ";UID=%d")' % d.uid) == ';UID=%d' % d.uid
    d.c.select('Drafts')
    assert d.made(d.c.ok('APPEND Drafts CATENATE (URL ";UID=%d" URL ";UID=%d/;SECTION=TEXT/;PARTIAL=0.1")' % (d.uid, d.uid))) == DRAFT + b'-'
    badurl(d.c, 'APPEND Drafts CATENATE (URL ";UID=4294967295")')


def test_message_that_is_gone(login, d):
    other = login()
    other.select('Drafts')
    other.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    other.ok('EXPUNGE')
    d.c.ok('NOOP')
    badurl(d.c, 'APPEND Drafts CATENATE (' + d.part() + ')')


@pytest.mark.parametrize('url', ['/nowhere/;UID=1', '/Drafts;UIDVALIDITY=1/;UID=1', '/Drafts/;UID=77', '/Drafts', '/Drafts/;UID=0', '/Drafts/;UID=1/;SECTION=3',
                                 '/Drafts/;UID=1/;SECTION=1.HEADER', '/Drafts/;UID=1/;SECTION=nonsense', '/Drafts/;UID=1/;PARTIAL=1.0', 'Drafts/;UID=1', '', 'http://x/',
                                 'imap://nowhere.example/Drafts/;UID=1', '//nowhere.example/Drafts/;UID=1', '/Drafts?ALL',
                                 '/Drafts/;UID=1;URLAUTH=anonymous:internal:91354a473744909de610943775f92038'])
def test_bad_urls(d, url):
    assert badurl(d.c, 'APPEND Drafts CATENATE (URL "%s")' % url) == url
    # Refused before the literal is asked for, when the URL itself is wrong.
    d.c.refused('APPEND Drafts CATENATE (URL "%s" TEXT ' % url, Lit(b'x', plus=True), ')')
    assert count(d.c) == 1


def test_bad_characters_in_badurl(d):
    """RFC 4469 5: the URL that is told has none that ends the code or the line."""
    assert badurl(d.c, 'APPEND Drafts CATENATE (URL ', Lit(b'/a]\r\n"\xc3 b/;UID=1'), ')') == '/a%5D%0D%0A%22%C3%20b/;UID=1'


def test_url_as_literal(d):
    """It is an astring; literals of both kinds stand in any order."""
    url = d.url.encode()
    r = d.c.ok('APPEND ', Lit(b'Drafts'), ' CATENATE (URL ', Lit(url), ' TEXT ', Lit(b'more\r\n'), ' URL ', Lit(url, plus=True), ' URL ', Lit(url), ')')
    assert d.made(r) == DRAFT + b'more\r\n' + DRAFT + DRAFT


def test_empty_parts(d):
    assert d.made(d.c.ok('APPEND Drafts CATENATE (TEXT ', Lit(b''), ' ' + d.part('1') + ' TEXT ', Lit(b''), ')')) == PART1
    d.c.no('APPEND Drafts CATENATE (TEXT ', Lit(b''), ')')
    assert count(d.c) == 2


def test_names(d):
    """Percent-encoding, UTF-8 (RFC 5092 8), dot-segments (7)."""
    d.c.ok('CREATE "a b;c/&AOk-"')
    uid = d.c.append(DRAFT, 'a b;c/&AOk-')
    for name in ('a%20b%3Bc/%C3%A9', 'a%20b%3bc%2fe%cc%81', 'x/../a%20b%3Bc/./%C3%A9'):
        assert d.made(d.c.ok('APPEND Drafts CATENATE (URL "/%s/;UID=%d")' % (name, uid))) == DRAFT


def test_multiappend(d):
    """RFC 3502 with RFC 4469: messages of both kinds, all or none."""
    r = d.c.ok('APPEND Drafts (\\Seen) CATENATE (' + d.part('1') + ') (\\Flagged) ', Lit(mail.numbered(1)), ' CATENATE (TEXT ', Lit(b'x: y\r\n\r\n'), ' ' + d.part('2') + ') CATENATE (' +
               d.part() + ')')
    first, last = (int(n) for n in str(r.codes()['APPENDUID'][1]).split(':'))
    assert last == first + 3
    d.c.select('Drafts')
    assert [d.c.body(n) for n in (2, 3, 4, 5)] == [PART1, mail.numbered(1), b'x: y\r\n\r\n' + PART2, DRAFT]
    assert '\\Seen' in map(str, d.c.ok('FETCH 2 FLAGS').fetch()['FLAGS']) and '\\Flagged' in map(str, d.c.ok('FETCH 3 FLAGS').fetch()['FLAGS'])
    badurl(d.c, 'APPEND Drafts CATENATE (' + d.part() + ') ', Lit(mail.numbered(2), plus=True), ' CATENATE (' + d.part('9') + ')')
    assert count(d.c) == 5


@pytest.mark.parametrize('args', ['CATENATE', 'CATENATE ()', 'CATENATE (URL)', 'CATENATE (URL ")', 'CATENATE (TEXT "x")', 'CATENATE (TEXT {1+}\r\nx', 'CATENATE (TEXT {1+}\r\nxURL "/x/;UID=1")',
                                  'CATENATE (TEXT {1+}\r\nx )', 'CATENATE (TEXT {1+}\r\nx) x', 'CATENATE (FOO {1+}\r\nx)', 'CATENATE TEXT {1+}\r\nx', 'CATENATE ({1+}\r\nx)',
                                  'CATENATE (TEXT {1+}\r\nx  TEXT {1+}\r\nx)', '(CATENATE (TEXT {1+}\r\nx))', 'CATENATE (UTF8 ({1+}\r\nx))', 'CATENATE (TEXT {1+}\r\na\0)'])
def test_malformed(d, args):
    d.c.send('m1 APPEND Drafts %s\r\n' % args)
    d.c.pending.append(('m1', 'APPEND'))
    assert d.c.end('m1').status == 'BAD'
    d.c.ok('NOOP')
    assert count(d.c) == 1


def test_utf8_parts(d):
    """RFC 6855 4."""
    d.c.no('APPEND Drafts CATENATE (UTF8 (', Lit(b'a: b\r\n\r\n', binary=True, plus=True), '))', code='CANNOT')
    d.c.enable('UTF8=ACCEPT')
    r = d.c.ok('APPEND Drafts CATENATE (UTF8 (', Lit('Subject: gr\u00fcn\r\n\r\n'.encode(), binary=True), ') ' + d.part('1') + ')')
    assert d.made(r) == 'Subject: gr\u00fcn\r\n\r\n'.encode() + PART1


def test_too_many_parts(d):
    d.c.no('APPEND Drafts CATENATE (' + ' '.join(['URL "/Drafts/;UID=1"'] * 1001) + ')', code='LIMIT')
    r = d.c.ok('APPEND Drafts CATENATE (' + ' '.join(['URL "/Drafts/;UID=1/;SECTION=1"'] * 1000) + ')')
    assert d.made(r) == PART1 * 1000


def test_too_big(imap):
    """RFC 4469 4.2: the sum counts, also what URLs name, and nothing is made of it."""
    most = int([c for c in imap.capabilities() if c.startswith('APPENDLIMIT=')][0].split('=')[1])
    big = mail.sized(4 * 1024 * 1024)
    uid = imap.append(big)
    times = most // len(big) + 1
    assert times < 1000
    imap.no('APPEND INBOX CATENATE (' + ' '.join(['URL "/INBOX/;UID=%d"' % uid] * times) + ')', code='TOOBIG')
    imap.no('APPEND INBOX CATENATE (TEXT {%d}' % (most + 1), code='TOOBIG')
    assert count(imap, 'INBOX') == 1


def test_large_parts(imap):
    """Streamed, in order, byte for byte; pipelined commands are answered in turn."""
    big = mail.sized(3 * 1024 * 1024)
    uid = imap.append(big)
    imap.select()
    tags = [imap.begin('APPEND INBOX CATENATE (URL ";UID=%d" TEXT ' % uid, Lit(b'between\r\n', plus=True), ' URL "/INBOX/;UID=%d/;PARTIAL=1000000.1500000" TEXT ' % uid,
                       Lit(b'end\r\n', plus=True), ')'), imap.begin('NOOP'), imap.begin('APPEND INBOX CATENATE (URL ";UID=%d/;PARTIAL=5.6")' % uid)]
    assert [imap.end(t).status for t in tags] == ['OK'] * 3
    assert imap.body(2) == big + b'between\r\n' + big[1000000:2500000] + b'end\r\n'
    assert imap.body(3) == big[5:11]


def test_rights(server, connect):
    """Another's mailbox needs the right r; without it, or without l, the answer is that of none (RFC 4314 6)."""
    owner_name, other_name = server.user(), server.user()
    owner, other = connect(user=owner_name, name='o'), connect(user=other_name, name='x')
    owner.ok('CREATE box')
    owner.append(DRAFT, 'box')
    url = '/Other%%20Users/%s/box/;UID=1' % owner_name
    for rights in ('', 'l', 'lsi'):
        if rights:
            owner.ok('SETACL box %s %s' % (other_name, rights))
        assert badurl(other, 'APPEND INBOX CATENATE (URL "%s")' % url) == url
    owner.ok('SETACL box %s lr' % other_name)
    other.ok('APPEND INBOX CATENATE (URL "%s/;SECTION=1" TEXT ' % url, Lit(b'x'), ')')
    other.select()
    assert other.body(1) == PART1 + b'x'


def test_destination(d):
    """As APPEND: TRYCREATE, also when no literal is in the command, and before one is asked for."""
    d.c.no('APPEND nowhere CATENATE (' + d.part() + ')', code='TRYCREATE')
    d.c.no('APPEND nowhere CATENATE (' + d.part() + ' TEXT ', Lit(b'x'), ')', code='TRYCREATE')
    assert 'nowhere' not in d.c.ok('LIST "" *').list()


def test_replace(d):
    """RFC 8508 4.2: a header is put before a draft, which goes."""
    d.c.select('Drafts')
    to = b'To: Mitzy <miss.mitzy@example.org>\r\nSubject: My view of the fireworks\r\n'
    r = d.c.ok('UID REPLACE %d Drafts CATENATE (TEXT ' % d.uid, Lit(to), ' URL "/Drafts/;UID=%d")' % d.uid)
    assert r.expunged() == [1]
    assert d.c.body(1) == to + DRAFT
    r = d.c.ok('REPLACE 1 Drafts (\\Seen) CATENATE (URL ";UID=%d/;SECTION=TEXT")' % r.codes()['APPENDUID'][1])
    assert r.expunged() == [1]
    badurl(d.c, 'REPLACE 1 Drafts CATENATE (URL ";UID=4000000000")')
    d.c.bad('REPLACE 1 Drafts CATENATE (TEXT ', Lit(b'x', plus=True), ') ', Lit(b'y', plus=True))
    assert d.c.ok('SEARCH ALL').search() == [1]


def test_absolute_urls_of_this_server(d, user):
    """RFC 5092 7: an absolute URL that names this server and this user; the demo server is called localhost."""
    for url in ('imap://%s@localhost%s', 'IMAP://%s@LOCALHOST:143%s', '//%s@localhost%s'):
        assert d.made(d.c.ok('APPEND Drafts CATENATE (URL "%s")' % (url % (user, d.url)))) == DRAFT
    badurl(d.c, 'APPEND Drafts CATENATE (URL "imap://somebody@localhost%s")' % d.url)
