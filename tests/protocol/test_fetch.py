"""FETCH: every item of RFC 3501 6.4.5 and RFC 9051 6.4.5, BINARY (RFC 3516), OBJECTID (RFC 8474), SAVEDATE (RFC 8514),
PREVIEW (RFC 8970)."""

import base64
import re

import pytest

from harness import mail
from harness.imap import text

NIL = None


def only(c, message, items, **append):
    """Appends a message to INBOX and returns what FETCH says of it."""
    c.append(message, **append)
    n = c.select().one('EXISTS').number
    return c.ok('FETCH %d %s' % (n, items)).fetch(n)


def low(value):
    """Strings of a structure in small letters, since types, subtypes and encodings are case-insensitive."""
    if isinstance(value, list):
        return [low(v) for v in value]
    return value.lower() if isinstance(value, bytes) else value


def test_uid_and_flags(box3):
    got = box3.ok('FETCH 1:3 (UID FLAGS)').fetches()
    assert [got[n]['UID'] for n in (1, 2, 3)] == box3.test_uids
    for n in (1, 2, 3):
        assert set(map(str, got[n]['FLAGS'])) <= {'\\Recent'}


@pytest.mark.parametrize('macro, items', [
    ('ALL', {'FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'}),
    ('FAST', {'FLAGS', 'INTERNALDATE', 'RFC822.SIZE'}),
    ('FULL', {'FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'}),
])
def test_macros(box3, macro, items):
    assert set(box3.ok('FETCH 2 ' + macro).fetch()) == items
    assert set(box3.ok('UID FETCH %d %s' % (box3.test_uids[1], macro)).fetch()) == items | {'UID'}


def test_macro_in_a_list_is_bad(box3):
    """RFC 3501 6.4.5: a macro is used by itself."""
    box3.bad('FETCH 1 (ALL)')
    box3.bad('FETCH 1 (FLAGS FAST)')


def test_rfc822_size_is_exact(imap):
    for message in (mail.RFC3501, mail.NESTED, mail.simple(), mail.sized(100000)):
        got = only(imap, message, '(RFC822.SIZE BODY.PEEK[])')
        assert got['RFC822.SIZE'] == len(message) and got['BODY[]'] == message


def test_envelope(imap):
    """The example of RFC 3501 8."""
    env = only(imap, mail.RFC3501, 'ENVELOPE')['ENVELOPE']
    gray = [[b'Terry Gray', NIL, b'gray', b'cac.washington.edu']]
    assert env == [
        b'Wed, 17 Jul 1996 02:23:25 -0700 (PDT)', b'IMAP4rev1 WG mtg summary and minutes', gray, gray, gray,
        [[NIL, NIL, b'imap', b'cac.washington.edu']],
        [[NIL, NIL, b'minutes', b'CNRI.Reston.VA.US'], [b'John Klensin', NIL, b'KLENSIN', b'MIT.EDU']],
        NIL, NIL, b'<B27397-0100000@cac.washington.edu>']


def test_envelope_groups_and_quotes(imap):
    """RFC 3501 7.4.2: a group is a start with NIL host, members, an end with NIL mailbox and host."""
    env = only(imap, mail.ADDRESSES, 'ENVELOPE')['ENVELOPE']
    assert env[1] == b'=?utf-8?q?caf=C3=A9?= au lait'
    assert env[2] == [[b'Smith, J.', NIL, b'smith', b'example.org'], [NIL, NIL, b'plain', b'example.org']]
    assert env[3] == [[b'The Sender', NIL, b'sender', b'example.org']]
    assert env[4] == [[NIL, NIL, b'reply', b'example.org']]
    assert env[5] == [[NIL, NIL, b'Friends', NIL], [NIL, NIL, b'a', b'example.org'], [b'B "Quote" B', NIL, b'b', b'example.org'],
                      [NIL, NIL, NIL, NIL], [NIL, NIL, b'c', b'example.org']]
    assert env[6] == [[NIL, NIL, b'undisclosed-recipients', NIL], [NIL, NIL, NIL, NIL]]
    assert env[7] == [[NIL, NIL, b'hidden', b'example.org']]
    assert env[8] == b'<before@example.org>' and env[9] == b'<this@example.org>'


def test_envelope_without_headers(imap):
    """RFC 3501 7.4.2: absent is NIL; sender and reply-to fall back to from."""
    assert only(imap, b'X-Only: this\r\n\r\nText\r\n', 'ENVELOPE')['ENVELOPE'] == [NIL] * 10
    env = only(imap, b'From: a@example.org\r\n\r\n', 'ENVELOPE')['ENVELOPE']
    assert env[2] == env[3] == env[4] == [[NIL, NIL, b'a', b'example.org']]
    assert env[5:] == [NIL] * 5


def test_envelope_present_but_empty(imap):
    """RFC 3501 7.4.2: a header line that is there but empty is an empty string where the format has a string."""
    env = only(imap, b'From: a@example.org\r\nSubject:\r\nTo:\r\n\r\n', 'ENVELOPE')['ENVELOPE']
    assert env[1] == b'' and env[5] is NIL


def test_body_of_text(imap):
    got = only(imap, mail.RFC3501, '(BODY BODYSTRUCTURE)')
    assert low(got['BODY']) == [b'text', b'plain', [b'charset', b'us-ascii'], NIL, NIL, b'7bit', 28, 2]
    assert low(got['BODYSTRUCTURE'][:8]) == low(got['BODY'])
    assert got['BODYSTRUCTURE'][8:] in ([NIL, NIL, NIL, NIL], [NIL, NIL, NIL], [NIL, NIL], [NIL], [])


def test_body_defaults(imap):
    """RFC 2045 5.2: without Content-Type it is text/plain in US-ASCII."""
    assert low(only(imap, b'Subject: x\r\n\r\na\r\nb\r\n', 'BODY')['BODY']) == \
        [b'text', b'plain', [b'charset', b'us-ascii'], NIL, NIL, b'7bit', 6, 2]


def test_body_of_nested(imap):
    """The shapes of RFC 3501 7.4.2: multipart, attachment, message/rfc822 with envelope, body and lines."""
    b = only(imap, mail.NESTED, '(BODY BODYSTRUCTURE)')
    body, full = b['BODY'], b['BODYSTRUCTURE']
    assert low(body[-1]) == b'mixed' and len(body) == 5
    assert low(body[0]) == [b'text', b'plain', [b'charset', b'us-ascii'], NIL, b'first', b'7bit', 9, 0] or body[0][6:] in ([9, 0], [9, 1])
    assert low(body[1]) == [b'application', b'octet-stream', [b'name', b'two.bin'], b'<two@example.org>', NIL, b'base64', 16]
    three = body[2]
    assert low(three[:2]) == [b'message', b'rfc822'] and three[7][1] == b'inner three'
    assert low(three[8][-1]) == b'alternative' and low(three[8][1][:2]) == [b'text', b'html']
    four = body[3]
    assert low(four[-1]) == b'mixed' and low(four[0][:2]) == [b'image', b'gif'] and low(four[1][:2]) == [b'message', b'rfc822']
    assert four[1][7][1] == b'deep' and low(four[1][8][:2]) == [b'text', b'plain']
    # The extension data of BODYSTRUCTURE.
    assert low(full[5]) == [b'boundary', b'outer']
    assert full[1][7] is NIL and low(full[1][8]) == [b'attachment', [b'filename', b'two.bin']]
    html = full[2][8][1]
    assert html[9] is NIL and low(html[10]) == [b'en', b'de'] and html[11] == b'http://example.org/three'
    assert full[3][0][7] == b'Q2hlY2sgSW50ZWdyaXR5IQ=='


def test_one_language_is_a_string_or_list(imap):
    s = only(imap, b'Content-Type: text/plain\r\nContent-Language: en\r\n\r\nx\r\n', 'BODYSTRUCTURE')['BODYSTRUCTURE']
    assert s[10] in (b'en', [b'en'])


SECTIONS = [
    ('1', b'Part one.'), ('2', b'AAECAwQFBgcICQ=='), ('3.1', b'Three one.'), ('3.2', b'<p>caf=C3=A9</p>'), ('4.1', b'R0lGODlh'),
    ('4.2.1', b'Four two text.'), ('3.1.MIME', b'Content-Type: text/plain\r\n\r\n'), ('4.2.TEXT', b'Four two text.'),
    ('4.2.HEADER', b'From: deep@example.org\r\nSubject: deep\r\nContent-Type: text/plain\r\n\r\n'),
    ('3.HEADER.FIELDS (Subject)', b'Subject: inner three\r\n\r\n'),
    ('3.HEADER.FIELDS.NOT (Subject Content-Type MIME-Version)', b'From: inner@example.org\r\n\r\n'),
    ('4.1.MIME', b'Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n\r\n'),
    ('HEADER.FIELDS (SUBJECT X-NONE)', b'Subject: nested\r\n\r\n'),
    ('HEADER.FIELDS (X-None)', b'\r\n'),
]


@pytest.mark.parametrize('section, expected', SECTIONS)
def test_section(imap, section, expected):
    """RFC 3501 6.4.5: the sections of its example."""
    got = only(imap, mail.NESTED, 'BODY.PEEK[%s]' % section)
    assert list(v for k, v in got.items() if k.startswith('BODY[')) == [expected]


def test_sections_make_the_whole(imap):
    got = only(imap, mail.NESTED, '(BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] RFC822.HEADER)')
    assert got['BODY[HEADER]'] + got['BODY[TEXT]'] == got['BODY[]'] == mail.NESTED
    assert got['RFC822.HEADER'] == got['BODY[HEADER]']


def test_section_of_what_is_not_there(imap):
    """A part that does not exist is NIL (or empty), not an error."""
    got = only(imap, mail.NESTED, '(BODY.PEEK[9] BODY.PEEK[1.1.1] BODY.PEEK[4.2.7])')
    assert all(v in (None, b'') for k, v in got.items() if k.startswith('BODY['))


def test_part_1_of_a_message_that_is_no_multipart(imap):
    """RFC 3501 6.4.5: every message has at least one part number."""
    assert only(imap, mail.RFC3501, 'BODY.PEEK[1]')['BODY[1]'] == b'Body line 1.\r\nBody line 2.\r\n'


@pytest.mark.parametrize('start, count', [(0, 10), (5, 1), (0, 100000), (20, 2 ** 32 - 1), (27, 50)])
def test_partial(imap, start, count):
    """RFC 3501 6.4.5: <start.count>, answered with <start>; beyond the end it is cut."""
    got = only(imap, mail.RFC3501, 'BODY.PEEK[TEXT]<%d.%d>' % (start, count))
    assert got['BODY[TEXT]<%d>' % start] == b'Body line 1.\r\nBody line 2.\r\n'[start:start + count]


def test_partial_beyond_the_end_is_empty(imap):
    """RFC 3501 6.4.5: a start beyond the end gives an empty string."""
    assert only(imap, mail.RFC3501, 'BODY.PEEK[TEXT]<1000.5>')['BODY[TEXT]<1000>'] == b''


def test_partial_of_header_fields(imap):
    got = only(imap, mail.RFC3501, 'BODY.PEEK[HEADER.FIELDS (Subject)]<3.4>')
    assert list(got.values())[0] == b'ject'


@pytest.mark.parametrize('item', ['BODY[]', 'BODY[TEXT]', 'BODY[HEADER]', 'BODY[1]', 'RFC822', 'RFC822.TEXT', 'BINARY[1]', 'BODY[]<0.1>'])
def test_body_sets_seen_and_says_so(imap, item):
    """RFC 3501 6.4.5: \\Seen is set, and the changed flags SHOULD come with the FETCH responses."""
    imap.append(mail.RFC3501)
    imap.select()
    r = imap.ok('FETCH 1 ' + item)
    assert '\\Seen' in r.fetch()['FLAGS']
    assert imap.flags() == {1: {'\\seen'}}


@pytest.mark.parametrize('item', ['BODY.PEEK[]', 'BODY.PEEK[1]', 'RFC822.HEADER', 'RFC822.SIZE', 'BINARY.PEEK[1]', 'BINARY.SIZE[1]', 'ENVELOPE', 'BODY',
                                  'PREVIEW'])
def test_peek_does_not_set_seen(imap, item):
    imap.append(mail.RFC3501)
    imap.select()
    imap.ok('FETCH 1 ' + item)
    assert imap.flags() == {1: set()}


def test_seen_stays_in_examined(imap):
    imap.append(mail.RFC3501)
    imap.ok('EXAMINE INBOX')
    imap.ok('FETCH 1 BODY[]')
    assert imap.flags() == {1: set()}


def test_rfc822_items(imap):
    got = only(imap, mail.RFC3501, '(RFC822 RFC822.TEXT RFC822.HEADER)')
    assert got['RFC822'] == mail.RFC3501 and got['RFC822.HEADER'] + got['RFC822.TEXT'] == mail.RFC3501


def test_internaldate_is_kept_as_given(imap):
    """RFC 3501 2.3.3; the zone too, which some clients compare."""
    got = only(imap, mail.simple(), 'INTERNALDATE', date=' 7-Feb-1994 21:52:25 -0800')
    assert got['INTERNALDATE'] in (b' 7-Feb-1994 21:52:25 -0800', b'07-Feb-1994 21:52:25 -0800')
    got = only(imap, mail.simple(), 'INTERNALDATE', date='17-Jul-2031 23:59:60 +1345')
    assert re.fullmatch(rb'1[78]-Jul-2031 (23:59:(59|60)|00:00:00) \+1345', got['INTERNALDATE'])


def test_internaldate_has_the_form_of_the_grammar(imap):
    assert re.fullmatch(rb'[ 0-3][0-9]-[A-Z][a-z]{2}-[0-9]{4} [0-9:]{8} [+-][0-9]{4}', only(imap, mail.simple(), 'INTERNALDATE')['INTERNALDATE'])


def test_binary(imap):
    """RFC 3516 4: decoded bytes, their size, partial on decoded bytes."""
    data = bytes(range(10))
    got = only(imap, mail.NESTED, '(BINARY.PEEK[2] BINARY.SIZE[2] BINARY.PEEK[3.2])')
    assert got['BINARY[2]'] == data and got['BINARY.SIZE[2]'] == 10
    assert got['BINARY[3.2]'] == '<p>café</p>'.encode()
    assert imap.ok('FETCH 1 BINARY.PEEK[2]<3.4>').fetch()['BINARY[2]<3>'] == data[3:7]
    assert imap.ok('FETCH 1 BINARY.PEEK[2]<30.4>').fetch()['BINARY[2]<30>'] == b''


def test_binary_of_the_whole(imap):
    """RFC 3516 4.2 allows an empty section: the whole message."""
    assert only(imap, mail.RFC3501, 'BINARY.PEEK[]')['BINARY[]'] == mail.RFC3501


def test_binary_of_an_encoded_message(imap):
    """RFC 6532 3.7: a message/global may have any encoding, which BINARY undoes (RFC 3516 4.2); RFC 2045 6.4: a message/rfc822 has none."""
    inner = 'Subject: Grüße\r\n\r\nbody\r\n'.encode()
    encoded = base64.encodebytes(inner).strip().replace(b'\n', b'\r\n')
    part = b'Content-Type: message/%s\r\nContent-Transfer-Encoding: base64\r\n\r\n' + encoded + b'\r\n'
    imap.append(b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n' + part % b'global' + b'--b\r\n' + part % b'rfc822' + b'--b--\r\n')
    imap.select()
    got = imap.ok('FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1] BODY.PEEK[1] BINARY.PEEK[2])').fetch()
    assert got['BINARY[1]'] == inner and got['BINARY.SIZE[1]'] == len(inner)
    assert got['BODY[1]'] == got['BINARY[2]'] == encoded


def test_binary_unknown_encoding(imap):
    """RFC 3516 4.3: UNKNOWN-CTE."""
    imap.append(b'Content-Type: text/plain\r\nContent-Transfer-Encoding: x-what\r\n\r\nabc\r\n')
    imap.select()
    imap.no('FETCH 1 BINARY.PEEK[1]', code='UNKNOWN-CTE')
    imap.ok('FETCH 1 BODY.PEEK[1]')


def test_objectid(imap):
    """RFC 8474 5: EMAILID and THREADID are in parentheses, and stay with a copy."""
    imap.append(mail.RFC3501)
    imap.select()
    got = imap.ok('FETCH 1 (EMAILID THREADID)').fetch()
    assert len(got['EMAILID']) == 1 and re.fullmatch('[A-Za-z0-9_-]{1,255}', text(got['EMAILID'][0]))
    assert got['THREADID'] is None or len(got['THREADID']) == 1
    imap.ok('COPY 1 Archive')
    imap.select('Archive')
    assert imap.ok('FETCH 1 (EMAILID THREADID)').fetch() == got


def test_emailids_differ(imap):
    imap.append(mail.numbered(1))
    imap.append(mail.numbered(2))
    imap.select()
    got = imap.ok('FETCH 1:2 EMAILID').fetches()
    assert got[1] != got[2]


def test_threadid_joins_replies(imap):
    imap.append(mail.simple('first'))
    imap.append(mail.simple('Re: first', extra='In-Reply-To: <first@example.org>\nReferences: <first@example.org>\n'))
    imap.append(mail.simple('other'))
    imap.select()
    got = imap.ok('FETCH 1:3 THREADID').fetches()
    if got[1]['THREADID'] is not None:
        assert got[1] == got[2] != got[3]


def test_savedate(imap):
    """RFC 8514: when it came into this mailbox; COPY gives a new one."""
    got = only(imap, mail.simple(), '(SAVEDATE INTERNALDATE)', date=' 7-Feb-1994 21:52:25 -0800')
    assert re.fullmatch(rb'[ 0-3][0-9]-[A-Z][a-z]{2}-20[0-9]{2} [0-9:]{8} [+-][0-9]{4}', got['SAVEDATE'])


def test_preview(imap):
    """RFC 8970: text of the body without markup, at most 256 characters; LAZY may be NIL."""
    got = only(imap, mail.simple(body='The quick brown fox.\n' + 'y' * 2000 + '\n'), 'PREVIEW')
    preview = got['PREVIEW'].decode()
    assert preview.startswith('The quick brown fox.') and len(preview) <= 256
    lazy = imap.ok('FETCH 1 (PREVIEW (LAZY))').fetch()['PREVIEW']
    assert lazy is None or lazy == got['PREVIEW']


def test_preview_of_encoded_html(imap):
    html = 'Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n'.encode() + \
        base64.b64encode('<html><style>p{}</style><body><p>Größe &amp; Gewicht</p></body></html>'.encode()) + b'\r\n'
    preview = only(imap, html, 'PREVIEW')['PREVIEW'].decode()
    assert 'Größe & Gewicht' in preview and '<' not in preview and 'p{}' not in preview


def test_modseq_item(imap):
    """RFC 7162 3.1.4.2: MODSEQ is in parentheses."""
    got = only(imap, mail.simple(), 'MODSEQ')
    assert isinstance(got['MODSEQ'], list) and got['MODSEQ'][0] > 0


@pytest.mark.parametrize('items', ['', '()', '(', 'NOPE', '(FLAGS', 'FLAGS UID', '(FLAGS) x', 'BODY[', 'BODY[]<', 'BODY[]<1>', 'BODY[]<1.0>', 'BODY[]<1.2.3>',
                                   'BODY[0]', 'BODY[1.0]', 'BODY[1.]', 'BODY[.1]', 'BODY[MIME]', 'BODY[HEADER.FIELDS]', 'BODY[HEADER.FIELDS ()]',
                                   'BODY[HEADER.FIELDS (a b]', 'BODY[TEXT.1]', 'BODY[NOPE]', 'BODY[1.NOPE]', 'BINARY[TEXT]', 'BINARY[1.MIME]', 'BINARY.SIZE[1]<0.1>',
                                   'RFC822.PEEK', 'UID[1]', 'BODY[99999999999]', 'BODY[]<-1.5>', 'PREVIEW (NOPE)', 'FLAGS (CHANGEDSINCE)', 'FLAGS (CHANGEDSINCE x)',
                                   'FLAGS (NOPE 1)'])
def test_malformed_items_are_bad(box3, items):
    box3.bad('FETCH 1 ' + items)
    box3.ok('NOOP')


@pytest.mark.parametrize('seqs', ['', '0', '1:', ':1', '1,,2', ',1', '1,', 'a', '1:2:3', '-1', '4294967296', '1:0', '1 2', '*:', '$$', '1:*:2', '01:a'])
def test_malformed_sequence_sets_are_bad(box3, seqs):
    box3.bad('FETCH %s FLAGS' % seqs)
    box3.bad('STORE %s FLAGS ()' % seqs)
    box3.bad('UID FETCH %s FLAGS' % seqs)
    box3.ok('NOOP')


@pytest.mark.parametrize('seqs, expected', [('1', {1}), ('3:1', {1, 2, 3}), ('*', {3}), ('*:1', {1, 2, 3}), ('2:*', {2, 3}), ('1,3', {1, 3}), ('3,1,1,2:3', {1, 2, 3}),
                                            ('*:*', {3})])
def test_sequence_sets(box3, seqs, expected):
    """RFC 3501 9, seq-range: the order of the two ends does not matter, repeats neither."""
    r = box3.ok('FETCH %s UID' % seqs)
    assert set(r.fetches()) == expected
    assert len(r.all('FETCH')) == len(expected)


def test_sequence_numbers_beyond_the_end(box3):
    """RFC 3501 9: a number that is greater than the count is an error; RFC 9051 6.4.5 the same (BAD)."""
    box3.refused('FETCH 4 FLAGS')
    box3.refused('FETCH 1,9 FLAGS')


def test_uid_fetch_ignores_missing(box3):
    """RFC 3501 6.4.8: a UID that is not there is ignored without an error."""
    r = box3.ok('UID FETCH %d,4000000000 FLAGS' % box3.test_uids[0])
    assert [a['UID'] for a in r.fetches().values()] == [box3.test_uids[0]]
    assert box3.ok('UID FETCH 4000000000 FLAGS').fetches() == {}


def test_uid_fetch_star_is_the_last(box3):
    """RFC 3501 6.4.8: n:* always has the last message, also when n is beyond it."""
    last = box3.test_uids[-1]
    for seqs in ('*', '4000000000:*', '*:4000000000'):
        assert [a['UID'] for a in box3.ok('UID FETCH %s FLAGS' % seqs).fetches().values()] == [last]


def test_uid_fetch_always_has_uid(box3):
    """RFC 3501 6.4.8: the UID is in the answer even when it was not asked for."""
    for item in ('FLAGS', '(UID FLAGS)', 'BODY.PEEK[]'):
        for attrs in box3.ok('UID FETCH 1:* ' + item).fetches().values():
            assert 'UID' in attrs


def test_fetch_on_empty_mailbox(box):
    """Clients send 1:* to empty mailboxes. By the grammar `*` names nothing then: OK without responses, or BAD."""
    assert box.cmd('FETCH 1:* FLAGS').fetches() == {}
    assert box.ok('UID FETCH 1:* FLAGS').fetches() == {}


def test_very_long_sequence_set(box3):
    r = box3.ok('UID FETCH %s FLAGS' % ','.join(str(n) for n in range(1, 9000, 2)))
    assert all(a['UID'] % 2 for a in r.fetches().values())


def test_item_names_are_case_insensitive(box3):
    got = box3.ok('fetch 1 (flags Rfc822.Size body.peek[header.fields (SUBJECT)] internalDate)').fetch()
    assert {'FLAGS', 'RFC822.SIZE', 'INTERNALDATE'} <= set(got)


def test_an_item_twice(box3):
    """Asking twice is no error."""
    box3.ok('FETCH 1 (FLAGS FLAGS UID)')


def test_many_items_of_many_messages(imap):
    for n in range(1, 31):
        imap.append(mail.numbered(n))
    imap.select()
    got = imap.ok('FETCH 1:30 (UID FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE BODY.PEEK[] MODSEQ EMAILID PREVIEW SAVEDATE)').fetches()
    for n in range(1, 31):
        assert got[n]['BODY[]'] == mail.numbered(n) and got[n]['ENVELOPE'][1] == b'Message %d' % n


def test_header_fields_with_odd_names(imap):
    got = only(imap, mail.RFC3501, 'BODY.PEEK[HEADER.FIELDS ("Subject" {2+}\r\nTo)]')
    assert list(got.values())[0].startswith(b'To: imap@') or b'Subject:' in list(got.values())[0]


def test_folded_headers_come_whole(imap):
    message = b'Subject: one\r\n two\r\n\tthree\r\nTo: x@example.org\r\n\r\n.\r\n'
    got = only(imap, message, '(BODY.PEEK[HEADER.FIELDS (Subject)] ENVELOPE)')
    assert got['BODY[HEADER.FIELDS (SUBJECT)]'] == b'Subject: one\r\n two\r\n\tthree\r\n\r\n'
    assert got['ENVELOPE'][1] in (b'one two\tthree', b'one two three', b'one\r\n two\r\n\tthree')


@pytest.mark.parametrize('message', [
    b'\r\n', b'\r\nonly body\r\n', b'no header at all', b'Subject: no end', b'Subject: x\n\nbare LF\nlines\n', b'Subject: x\r\rbare CR\r',
    b'Content-Type: multipart/mixed\r\n\r\nno boundary\r\n', b'Content-Type: multipart/mixed; boundary=x\r\n\r\nnever starts\r\n',
    b'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nunclosed', b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx\r\n----\r\n',
    b'Content-Type: text\r\n\r\nx', b'Content-Type: ;;;\r\n\r\nx', b'Content-Transfer-Encoding: base64\r\n\r\n!!not base64!!\r\n',
    b'Content-Type: message/rfc822\r\n\r\n', b'From: <<<>>>@@\r\nTo: "unclosed\r\nDate: yesterday\r\n\r\nx\r\n',
    b'Subject: \xe4\xf6\xfc \xff\r\nFrom: J\xfcrgen <a@b>\r\n\r\n8-bit \xff\xfe\r\n', b'X: ' + b'y' * 70000 + b'\r\n\r\nlong\r\n',
    b''.join(b'Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i) for i in range(150)),
])
def test_odd_messages_are_shown_whole(imap, message):
    """Never refuse to show bytes: whatever the structure, all items have an answer and the bytes come back."""
    got = only(imap, message, '(UID RFC822.SIZE BODY BODYSTRUCTURE ENVELOPE PREVIEW BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[])')
    assert got['BODY[]'] == message or got['BODY[]'] == re.sub(rb'(?<!\r)\n', b'\r\n', message)
    assert got['RFC822.SIZE'] == len(got['BODY[]'])
    assert got['BODY[HEADER]'] + got['BODY[TEXT]'] == got['BODY[]']
