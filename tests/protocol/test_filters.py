"""FILTERS (RFC 5466): searches by name, kept as annotations of the server."""

import pytest

from harness import mail
from harness.imap import Lit, esearch, quote, text
from harness.server import Server


def define(c, name, program):
    c.ok('SETMETADATA "" (/private/filters/values/%s ' % name, Lit(program), ')')


def undefined(r, name):
    """3.1: NO, with the name of the filter that is not there."""
    assert r.status == 'NO' and [text(w) for w in r.code] == ['UNDEFINED-FILTER', name]


@pytest.fixture
def some(imap):
    """Five messages: 1 and 3 from the boss, 4 is long, 5 has an umlaut in its subject."""
    for n in range(1, 6):
        imap.append(mail.simple('=?utf-8?Q?Gr=C3=BC=C3=9Fe?=' if n == 5 else 'Subject %d' % n, 'x' * (9000 if n in (3, 4) else 10) + '\n',
                                sender='boss@example.com' if n in (1, 3) else 'a@example.org'))
    imap.select()
    return imap


def test_capability(imap):
    assert {'FILTERS', 'METADATA-SERVER'} <= imap.capabilities()


def test_rfc5466_examples(some):
    """The example of 3.2 makes a filter, that of 3.1 uses it: its words stand where FILTER stood."""
    some.ok('SETMETADATA "" ("/private/filters/values/on-the-road" "OR SMALLER 5000 FROM \\"boss@example.com\\"")')
    uids = some.ok('UID SEARCH ALL').search()
    found = some.ok('SEARCH UID %d:%d FILTER on-the-road SINCE "3-Dec-2002"' % (uids[1], uids[4])).search()
    assert found == some.ok('SEARCH UID %d:%d OR SMALLER 5000 FROM "boss@example.com" SINCE "3-Dec-2002"' % (uids[1], uids[4])).search() == [2, 3, 5]
    # Names have no case; what was stored is told.
    assert some.ok('SEARCH FILTER ON-THE-ROAD').search() == [1, 2, 3, 5]
    r = some.ok('GETMETADATA "" /private/filters/values/on-the-road').one('METADATA')
    assert r.data[1][1] == b'OR SMALLER 5000 FROM "boss@example.com"'


def test_words_stand_in_their_place(some):
    """3.1: inserted verbatim, so of several keys NOT takes the first and OR the first two."""
    define(some, 'two', 'FROM boss LARGER 5000')
    assert some.ok('SEARCH FILTER two').search() == [3]
    assert some.ok('SEARCH NOT FILTER two').search() == some.ok('SEARCH NOT FROM boss LARGER 5000').search() == [4]
    assert some.ok('SEARCH NOT (FILTER two)').search() == [1, 2, 4, 5]
    assert some.ok('SEARCH OR FILTER two').search() == [1, 3, 4]
    assert some.ok('SEARCH (FILTER two) 1:3').search() == [3]
    some.bad('SEARCH OR FILTER two FILTER')
    define(some, 'one', 'FROM boss')
    some.bad('SEARCH OR FILTER one')
    assert some.ok('SEARCH OR FILTER one SUBJECT "Subject 2"').search() == [1, 2, 3]


def test_everywhere(some):
    """In SEARCH, SORT, THREAD and ESEARCH, by UID too, and in results that are kept up to date."""
    define(some, 'b', '(FROM boss)')
    uids = some.ok('UID SEARCH ALL').search()
    assert some.ok('UID SEARCH RETURN (ALL) FILTER b').search() == [uids[0], uids[2]]
    assert [n for n in some.ok('SORT (REVERSE SUBJECT) UTF-8 FILTER b').one('SORT').data if isinstance(n, int)] == [3, 1]
    assert some.ok('THREAD REFERENCES US-ASCII FILTER b').one('THREAD')
    assert some.ok('ESEARCH IN (personal) RETURN (COUNT) FILTER b').esearch()['COUNT'] == 2
    some.ok('SEARCH RETURN (UPDATE COUNT) FILTER b')
    # It is the program of when it was asked for.
    define(some, 'b', 'FLAGGED')
    r = some.ok('APPEND INBOX ', Lit(mail.simple('new', sender='boss@example.com')))
    assert esearch(r.one('ESEARCH'))['ADDTO'] == [0, 6]


def test_undefined(some):
    undefined(some.cmd('SEARCH FILTER nowhere'), 'nowhere')
    undefined(some.cmd('UID SEARCH RETURN (COUNT) OR SEEN (NOT FILTER no.where)'), 'no.where')
    undefined(some.cmd('SORT (DATE) UTF-8 FILTER x'), 'x')
    undefined(some.cmd('THREAD REFERENCES UTF-8 FILTER x'), 'x')
    define(some, 'a', 'SEEN FILTER inner')
    undefined(some.cmd('SEARCH FILTER a'), 'inner')
    # One that is deleted is gone.
    some.ok('SETMETADATA "" (/private/filters/values/a NIL)')
    undefined(some.cmd('SEARCH FILTER a'), 'a')


def test_saved_is_forgotten(some):
    """RFC 5182 2.1: a SEARCH with SAVE that fails with NO leaves nothing saved."""
    some.ok('SEARCH RETURN (SAVE) 1')
    undefined(some.cmd('SEARCH RETURN (SAVE) FILTER nothing'), 'nothing')
    assert some.ok('SEARCH $').search() == []


def test_private(connect, server):
    """A private filter is of its user alone."""
    a, b = connect(user=server.user()), connect(user=server.user())
    define(a, 'mine', 'SEEN')
    b.select()
    undefined(b.cmd('SEARCH FILTER mine'), 'mine')


def test_filters_in_filters(some):
    """3.1: at least three substitutions; a loop is as if the filter did not exist."""
    define(some, 'f1', 'FROM boss')
    for n in range(2, 6):
        define(some, 'f%d' % n, 'LARGER 1 FILTER f%d UNDELETED' % (n - 1))
    assert some.ok('SEARCH FILTER f5').search() == [1, 3]
    define(some, 'f1', 'SEEN FILTER f3')
    undefined(some.cmd('SEARCH FILTER f5'), 'f3')
    define(some, 'self', 'FILTER Self')
    undefined(some.cmd('SEARCH FILTER self'), 'Self')
    # Deep, but no loop: there is a bound, and the answer is the same.
    define(some, 'd0', 'ALL')
    for n in range(1, 40):
        define(some, 'd%d' % n, 'FILTER d%d' % (n - 1))
    assert some.cmd('SEARCH FILTER d39').code[0] == 'UNDEFINED-FILTER'
    # Wide: each names the next sixteen times.
    define(some, 'w0', 'ALL')
    for n in range(1, 6):
        define(some, 'w%d' % n, ' '.join(['FILTER w%d' % (n - 1)] * 16))
    assert some.ok('SEARCH FILTER w2').search() == [1, 2, 3, 4, 5]
    some.no('SEARCH FILTER w5', code='LIMIT')


def test_charset(some):
    """3.1: FILTER implies UTF-8; another CHARSET is answered with BAD [BADCHARSET]."""
    define(some, 'umlaut', 'SUBJECT "Grüße"')
    assert some.ok('SEARCH FILTER umlaut').search() == [5]
    assert some.ok('SEARCH CHARSET UTF-8 FILTER umlaut').search() == [5]
    assert some.ok('SEARCH CHARSET US-ASCII FILTER umlaut').search() == [5]
    some.bad('SEARCH CHARSET ISO-8859-1 FILTER umlaut', code='BADCHARSET')
    some.bad('SORT (DATE) KOI8-R FILTER umlaut', code='BADCHARSET')
    some.bad('SEARCH CHARSET ISO-8859-1 FILTER nothing', code='BADCHARSET')
    # Literals may be in a value.
    define(some, 'lit', b'SUBJECT {7}\r\n' + 'Grüße'.encode())
    assert some.ok('SEARCH FILTER lit 1:*').search() == [5]


@pytest.mark.parametrize('program', ['', ' ', 'OR SMALLER', 'OR SMALLER 5000', 'FROM', 'NOT', '(SEEN', 'SEEN)', 'SEEN  FLAGGED', ' SEEN', 'SEEN ',
                                     'NONSENSE', 'CHARSET UTF-8 ALL', 'RETURN (ALL) ALL', 'LARGER x', 'FILTER', 'FILTER a/b', 'SUBJECT {5}\r\nabc',
                                     b'SUBJECT "gr\xfc"', 'ALL\r\nALL', '(' * 200 + 'ALL' + ')' * 200])
def test_bad_programs_are_refused(some, program):
    """3.2: the server should verify that it is a full and correct search criterion."""
    some.no('SETMETADATA "" (/private/filters/values/bad ', Lit(program), ')')
    undefined(some.cmd('SEARCH FILTER bad'), 'bad')


@pytest.mark.parametrize('name', ['', 'a/b', 'a b', 'a]b', 'ä'])
def test_bad_names(some, name):
    """4: ATOM-CHARs but "/"."""
    some.refused('SETMETADATA "" (', Lit('/private/filters/values/' + name), ' "ALL")')
    some.refused('SEARCH FILTER ' + (name or '""'))


def test_descriptions(some):
    """3.2: for people, in UTF-8; with language tags of Unicode."""
    value = '\U000E0001\U000E0072\U000E0075Важное'.encode()
    some.ok('SETMETADATA "" (/private/filters/descriptions/road ', Lit(value), ')')
    assert some.ok('GETMETADATA "" /private/filters/descriptions/road').one('METADATA').data[1][1] == value
    some.no('SETMETADATA "" (/private/filters/descriptions/road ', Lit(b'\xff\xfe'), ')')
    some.no('SETMETADATA "" (/private/filters/descriptions/a/b "x")')


def test_too_many(some):
    """3.2: [METADATA TOOMANY] when no more filters can be made."""
    for n in range(300):
        r = some.cmd('SETMETADATA "" (/private/filters/values/n%d "ALL")' % n)
        if r.status != 'OK':
            break
    assert r.status == 'NO' and [text(w) for w in r.code] == ['METADATA', 'TOOMANY'] and n >= 50
    assert some.ok('SEARCH FILTER n0').search() == [1, 2, 3, 4, 5]


def test_public():
    """3.1: those of all users are the administrator's; the user's own goes before one of the same name."""
    server = Server(users=2, args=['--set', 'shared_filters={"boss FROM boss", "wrong OR SEEN", "both FLAGGED"}',
                                   '--set', 'shared_filter_descriptions={"boss Mail from above"}'])
    server.start()
    try:
        c = server.login(server.user())
        c.append(mail.simple('1', sender='boss@example.com'))
        c.append(mail.simple('2'))
        c.select()
        assert c.ok('SEARCH FILTER boss').search() == [1]
        undefined(c.cmd('SEARCH FILTER wrong'), 'wrong')
        assert c.ok('SEARCH FILTER both').search() == []
        define(c, 'both', 'ALL')
        assert c.ok('SEARCH FILTER both').search() == [1, 2]
        define(c, 'mine', 'NOT FILTER boss')
        assert c.ok('SEARCH FILTER mine').search() == [2]
        c.no('SETMETADATA "" (/shared/filters/values/boss "ALL")', code='NOPERM')
        r = c.ok('GETMETADATA (DEPTH infinity) "" /shared/filters').one('METADATA')
        told = dict(zip(map(text, r.data[1][::2]), r.data[1][1::2]))
        assert told['/shared/filters/values/boss'] == b'FROM boss' and told['/shared/filters/descriptions/boss'] == b'Mail from above'
        assert quote(text(c.ok('GETMETADATA "" /shared/filters/values/boss').one('METADATA').data[1][1])) == '"FROM boss"'
        c.close()
        assert 'event=filter-invalid' in server.log() and 'filter="wrong OR SEEN"' in server.log()
    finally:
        server.close()
