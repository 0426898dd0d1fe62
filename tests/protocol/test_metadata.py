"""Annotations: METADATA, METADATA-SERVER (RFC 5464), LIST-METADATA (RFC 9590), special uses by them (RFC 6154 4)."""

import pytest

from harness.imap import Lit, quote, text
from harness.server import Server

VALUE_MAX = 32768
ENTRIES_MAX = 100


def pairs(r):
    """Entry → value (bytes; None: NIL) of a METADATA response with values."""
    assert len(r.data) == 2, r
    words = r.data[1]
    assert len(words) % 2 == 0
    return dict((text(n), None if v is None else v if isinstance(v, bytes) else str(v).encode()) for n, v in zip(words[::2], words[1::2]))


def get(c, mailbox, entries, options=''):
    r = c.ok('GETMETADATA %s%s %s' % (options and options + ' ', quote(mailbox), entries)).one('METADATA')
    assert text(r.data[0]) == mailbox
    return pairs(r)


def put(c, mailbox, entry, value):
    c.ok('SETMETADATA %s (%s ' % (quote(mailbox), quote(entry)), Lit(value), ')')


def code(r):
    """The words of the response code."""
    return [text(w) for w in r.code]


def changed(r, mailbox):
    """Names in the unsolicited responses about a mailbox, small."""
    return sorted(text(n).lower() for m in r.all('METADATA') if text(m.data[0]) == mailbox for n in m.data[1:])


def test_capability(imap):
    assert {'METADATA', 'METADATA-SERVER', 'LIST-METADATA'} <= set(imap.capabilities())


# Setting and getting: the examples of RFC 5464 4.2 and 4.3.


def test_set_and_get(imap):
    assert get(imap, 'INBOX', '/private/comment') == {'/private/comment': None}
    imap.ok('SETMETADATA INBOX (/private/comment ', Lit('My new comment across\r\ntwo lines.\r\n'), ')')
    assert get(imap, 'INBOX', '/private/comment') == {'/private/comment': b'My new comment across\r\ntwo lines.\r\n'}
    imap.ok('SETMETADATA INBOX (/private/comment "My new comment" /shared/comment "This one is for you!")')
    assert get(imap, 'INBOX', '(/shared/comment /private/comment)') == {
        '/private/comment': b'My new comment', '/shared/comment': b'This one is for you!'}
    assert get(imap, 'INBOX', '/private/comment /shared/comment') == {
        '/private/comment': b'My new comment', '/shared/comment': b'This one is for you!'}
    imap.ok('SETMETADATA INBOX (/private/comment NIL)')
    assert get(imap, 'INBOX', '(/shared/comment /private/comment)') == {
        '/private/comment': None, '/shared/comment': b'This one is for you!'}


@pytest.mark.parametrize('place', ['INBOX', ''])
def test_names_any_case(imap, place):
    entry = '/Private/Vendor/Acme/Colour'
    put(imap, place, entry, 'red')
    put(imap, place, entry.upper(), 'blue')
    assert get(imap, place, entry.lower()) == {entry.lower(): b'blue'}
    assert list(get(imap, place, '/private', '(DEPTH infinity)').values()) == [b'blue']


def test_maxsize(imap):
    """RFC 5464 4.2.1, before the mailbox as in the grammar and behind it as in the example."""
    put(imap, 'INBOX', '/shared/comment', 'x' * 2199)
    put(imap, 'INBOX', '/private/comment', 'My own comment')
    for command in ('(MAXSIZE 1024) INBOX (/shared/comment /private/comment)', 'INBOX (MAXSIZE 1024) (/shared/comment /private/comment)'):
        r = imap.ok('GETMETADATA ' + command)
        assert pairs(r.one('METADATA')) == {'/private/comment': b'My own comment'}
        assert code(r) == ['METADATA', 'LONGENTRIES', '2199']
    assert len(get(imap, 'INBOX', '(/shared/comment /private/comment)', '(MAXSIZE 2199)')) == 2
    r = imap.ok('GETMETADATA (MAXSIZE 0) INBOX /shared/comment')
    assert r.all('METADATA') == []


def test_depth(imap):
    """RFC 5464 4.2.2."""
    base = '/private/filters/values'
    for entry, value in ((base + '/small', 'SMALLER 5000'), (base + '/boss', 'FROM "boss@example.com"'), (base + '/boss/deep', 'd'),
                         (base + 'x', 'no')):
        put(imap, 'INBOX', entry, value)
    one = {base + '/small': b'SMALLER 5000', base + '/boss': b'FROM "boss@example.com"'}
    assert get(imap, 'INBOX', '(%s)' % base, '(DEPTH 1)') == one
    assert get(imap, 'INBOX', '(%s)' % base, '(DEPTH infinity)') == dict(one, **{base + '/boss/deep': b'd'})
    assert get(imap, 'INBOX', base, '(DEPTH 0)') == {base: None}
    assert get(imap, 'INBOX', '(%s %s/boss)' % (base, base), '(DEPTH 1 MAXSIZE 5)') == {base + '/boss/deep': b'd'}


@pytest.mark.parametrize('value', [b'', b'a' * VALUE_MAX, 'grün ☃'.encode(), b'"\\"', b'\r\n\r\n', bytes(range(1, 256))])
def test_values(imap, value):
    put(imap, 'INBOX', '/private/comment', value)
    assert get(imap, 'INBOX', '/private/comment') == {'/private/comment': value}


def test_binary(imap):
    """A literal8 may have NUL; no other string may."""
    imap.ok('SETMETADATA INBOX (/private/vendor/x/icon ', Lit(b'\x89PNG\0\0\xff', binary=True), ')')
    assert get(imap, 'INBOX', '/private/vendor/x/icon') == {'/private/vendor/x/icon': b'\x89PNG\0\0\xff'}
    imap.bad('SETMETADATA INBOX (/private/vendor/x/icon ', Lit(b'a\0b'), ')')


@pytest.mark.parametrize('entry', ['comment', '/comment', '/other/comment', '/private//a', '/private/a/', '/shared/a*', '/shared/a%b', '/privatex/a',
                                   '/', '//', '"/shared/\x01"', '/shared/' + 'a' * 1020])
def test_bad_names(imap, entry):
    """RFC 5464 3.2: BAD in any command."""
    imap.bad('GETMETADATA INBOX ' + entry)
    imap.bad('SETMETADATA INBOX (%s NIL)' % entry)
    imap.bad('LIST "" * RETURN (METADATA (%s))' % entry)


def test_name_not_ascii(imap):
    for command in ('GETMETADATA INBOX ', 'GETMETADATA "" '):
        imap.bad(command, Lit('/private/grün'))


@pytest.mark.parametrize('entry', ['/private', '/shared', '/private/vendor/acme', '/shared/vendor'])
def test_names_too_short_to_set(imap, entry):
    imap.bad('SETMETADATA INBOX (%s "a")' % entry)


@pytest.mark.parametrize('args', ['', ' INBOX', ' INBOX ()', ' (DEPTH 2) INBOX /shared/a', ' (DEPTH -1) INBOX /shared/a', ' (MAXSIZE) INBOX /shared/a',
                                  ' (SIZE 1) INBOX /shared/a', ' () INBOX', ' INBOX (DEPTH 1)', ' INBOX /shared/a x'])
def test_get_syntax(imap, args):
    imap.bad('GETMETADATA' + args)


@pytest.mark.parametrize('args', ['', ' INBOX', ' INBOX ()', ' INBOX /shared/a "b"', ' INBOX (/shared/a)', ' INBOX (/shared/a b)',
                                  ' INBOX (/shared/a "b" /shared/c)', ' INBOX (/shared/a "b") x'])
def test_set_syntax(imap, args):
    imap.bad('SETMETADATA' + args)


def test_no_such_mailbox(imap):
    imap.no('GETMETADATA nowhere /shared/comment', code='NONEXISTENT')
    imap.no('SETMETADATA nowhere (/shared/comment "a")', code='NONEXISTENT')


# Limits.


@pytest.mark.parametrize('size', [VALUE_MAX + 1, 65536, 65537, 1000000])
def test_too_long(imap, size):
    """RFC 5464 4.3, whether the server reads the literal or not; nothing else of the command is done."""
    put(imap, 'INBOX', '/private/a', 'old')
    tag = imap.begin('SETMETADATA INBOX (/private/a "new" /private/b ', Lit(b'x' * size, plus=True), ')')
    r = imap.end(tag)
    assert r.status == 'NO' and code(r) == ['METADATA', 'MAXSIZE', str(VALUE_MAX)], r
    assert get(imap, 'INBOX', '(/private/a /private/b)') == {'/private/a': b'old', '/private/b': None}


def test_too_many(imap):
    """RFC 5464 4.3: a hundred of each scope, so that others keep their room; removing makes room."""
    many = ['/private/n%d' % n for n in range(ENTRIES_MAX)]
    imap.ok('SETMETADATA INBOX (%s)' % ' '.join(n + ' "v"' for n in many))
    r = imap.no('SETMETADATA INBOX (/private/n0 "changed" /private/more "v")')
    assert code(r) == ['METADATA', 'TOOMANY']
    assert get(imap, 'INBOX', '(/private/n0 /private/more)') == {'/private/n0': b'v', '/private/more': None}
    imap.ok('SETMETADATA INBOX (/shared/comment "v")')
    imap.ok('SETMETADATA INBOX (/private/n1 NIL /private/more "v")')
    assert len(get(imap, 'INBOX', '/private', '(DEPTH infinity)')) == ENTRIES_MAX


def test_too_much(imap):
    """All values of a mailbox together are bounded too."""
    for n in range(7):
        put(imap, 'INBOX', '/private/n%d' % n, b'x' * VALUE_MAX)
    r = imap.no('SETMETADATA INBOX (/private/more ', Lit(b'x' * VALUE_MAX), ')')
    assert code(r) == ['METADATA', 'TOOMANY']
    put(imap, 'INBOX', '/private/more', b'x')


# What becomes of the mailbox.


def test_delete(imap):
    imap.ok('CREATE box')
    put(imap, 'box', '/shared/comment', 'a')
    imap.ok('DELETE box')
    imap.ok('CREATE box')
    assert get(imap, 'box', '/shared/comment') == {'/shared/comment': None}


def test_highestmodseq(login):
    """RFC 7162 3.2: SETMETADATA MUST increment it when it changes an annotation of the mailbox; those of the server are not."""
    a, b = login(), login()
    a.ok('CREATE box')
    a.append(b'Subject: a\r\n\r\nb\r\n', 'box')
    b.enable('QRESYNC')
    b.select('box')
    last = a.status('box', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
    for command in ('box (/private/comment "a")', 'box (/shared/comment "b")', 'box (/private/comment NIL)', 'box (/private/specialuse NIL /shared/comment "c")',
                    'box (/shared/vendor/posthorn/seen "private")'):
        a.ok('SETMETADATA ' + command)
        now = a.status('box', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
        assert now > last, command
        last = now
    a.ok('SETMETADATA box (/private/nothing/here NIL)')
    a.ok('SETMETADATA "" (/private/comment "d")')
    assert a.status('box', 'HIGHESTMODSEQ')['HIGHESTMODSEQ'] == last
    before = a.status('INBOX', 'HIGHESTMODSEQ')
    a.ok('SETMETADATA "" (/private/comment "e")')
    assert a.status('INBOX', 'HIGHESTMODSEQ') == before
    assert not b.ok('NOOP').all('FETCH')
    b.ok('UNSELECT')
    assert b.select('box').codes()['HIGHESTMODSEQ'][0] == last


def test_rename(imap):
    imap.ok('CREATE a')
    put(imap, 'a', '/shared/comment', 'kept')
    imap.ok('RENAME a b/c')
    assert get(imap, 'b/c', '/shared/comment') == {'/shared/comment': b'kept'}
    assert get(imap, 'b', '/shared/comment') == {'/shared/comment': None}


def test_rename_inbox(imap):
    """RFC 5464 4.1: they are copied. The server's stay."""
    put(imap, 'INBOX', '/shared/comment', 'kept')
    put(imap, '', '/private/vendor/x/y', 'mine')
    imap.ok('RENAME INBOX old')
    for name in ('INBOX', 'old'):
        assert get(imap, name, '/shared', '(DEPTH infinity)') == {'/shared/comment': b'kept'}
    assert get(imap, '', '/private/vendor/x/y') == {'/private/vendor/x/y': b'mine'}


def test_rename_inbox_to_level(imap):
    """They are copied as well where a name was there that was none of a mailbox; its own go, as in every RENAME."""
    imap.ok('SUBSCRIBE old')
    put(imap, 'INBOX', '/shared/comment', 'kept')
    put(imap, 'old', '/private/comment', 'level')
    imap.ok('RENAME INBOX old')
    assert get(imap, 'old', '/shared/comment') == {'/shared/comment': b'kept'}
    assert get(imap, 'old', '/private/comment') == {'/private/comment': None}


def test_rename_inbox_too_much(imap):
    """All of an account's are bounded, by 4 MiB: nothing is renamed when a copy is more than that."""
    for n in range(7):
        put(imap, 'INBOX', '/private/n%d' % n, b'x' * VALUE_MAX)
    imap.append(b'Subject: a\r\n\r\nb\r\n')
    made = 0
    while imap.cmd('RENAME INBOX old%d' % made).status == 'OK':
        made += 1
        assert (made + 1) * 7 * VALUE_MAX <= 4 << 20
    imap.no('RENAME INBOX more', code='LIMIT')
    assert made > 1 and 'more' not in imap.ok('LIST "" *').list()
    imap.append(b'Subject: a\r\n\r\nb\r\n')
    assert imap.ok('STATUS INBOX (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 1]
    imap.ok('DELETE old0')
    imap.ok('RENAME INBOX more')
    assert len(get(imap, 'more', '/private', '(DEPTH infinity)')) == 7


def test_level(imap):
    """RFC 5464 4.1: names without a mailbox have annotations too."""
    imap.ok('CREATE a/b')
    imap.ok('DELETE a')
    put(imap, 'a', '/private/comment', 'level')
    assert get(imap, 'a', '/private/comment') == {'/private/comment': b'level'}


def test_other_changes_keep_them(imap):
    imap.ok('CREATE a')
    put(imap, 'a', '/private/comment', 'kept')
    imap.ok('SUBSCRIBE a')
    imap.ok('SETACL a somebody lr')
    imap.append(b'Subject: a\r\n\r\nb\r\n', 'a')
    imap.select('a')
    imap.ok('STORE 1 +FLAGS (new-keyword)')
    assert get(imap, 'a', '/private/comment') == {'/private/comment': b'kept'}


# Names in UTF-8.


def test_utf8(login):
    c = login()
    c.enable('UTF8=ACCEPT')
    c.ok('CREATE "Bücher"'.encode())
    c.ok('SETMETADATA "Bücher" (/private/comment "grün")'.encode())
    r = c.ok('GETMETADATA "Bücher" /private/comment'.encode()).one('METADATA')
    assert text(r.data[0]) == 'Bücher' and text(r.data[1][1]) == 'grün'
    old = login()
    r = old.ok('GETMETADATA B&APw-cher /private/comment').one('METADATA')
    assert text(r.data[0]) == 'B&APw-cher' and pairs(r) == {'/private/comment': 'grün'.encode()}


# Rights (RFC 5464 3.3) and whose they are.


class Two:
    def __init__(self, server, connect):
        self.owner_name, self.other_name = server.user(), server.user()
        self.owner = connect(user=self.owner_name, name='o')
        self.other = connect(user=self.other_name, name='x')
        self.owner.ok('CREATE box')
        self.theirs = 'Other Users/%s/box' % self.owner_name

    def grant(self, rights):
        self.owner.ok('SETACL box %s %s' % (self.other_name, rights or '""'))


@pytest.fixture
def two(server, connect):
    return Two(server, connect)


def test_private_and_shared(two):
    two.grant('lrw')
    put(two.owner, 'box', '/private/comment', 'of the owner')
    put(two.owner, 'box', '/shared/comment', 'of all')
    assert get(two.other, two.theirs, '(/private/comment /shared/comment)') == {'/private/comment': None, '/shared/comment': b'of all'}
    put(two.other, two.theirs, '/private/comment', 'of the other')
    put(two.other, two.theirs, '/shared/comment', 'changed')
    assert get(two.owner, 'box', '(/private/comment /shared/comment)') == {
        '/private/comment': b'of the owner', '/shared/comment': b'changed'}
    assert get(two.other, two.theirs, '/private', '(DEPTH infinity)') == {'/private/comment': b'of the other'}


@pytest.mark.parametrize('rights,may_get,may_share', [('lr', True, False), ('ls', True, False), ('lw', True, True), ('li', True, False), ('lp', True, False),
                                                      ('l', False, False), ('la', False, False), ('lkxte', False, False)])
def test_rights(two, rights, may_get, may_share):
    two.grant(rights)
    where = quote(two.theirs)
    for command, may in (('GETMETADATA %s /shared/comment', may_get), ('SETMETADATA %s (/private/comment "a")', may_get),
                         ('SETMETADATA %s (/shared/comment "a")', may_share)):
        if may:
            two.other.ok(command % where)
        else:
            two.other.no(command % where, code='NOPERM')


@pytest.mark.parametrize('rights', ['', 'rswip'])
def test_no_right_to_know(two, rights):
    """Without `l` it is as if there was none."""
    two.grant(rights)
    two.other.no('GETMETADATA %s /shared/comment' % quote(two.theirs), code='NONEXISTENT')
    two.other.no('SETMETADATA %s (/private/comment "a")' % quote(two.theirs), code='NONEXISTENT')


# The server's.


def test_server(login):
    one, two = login(), login()
    put(one, '', '/private/vendor/acme/x', 'mine')
    assert get(two, '', '/private/vendor/acme/x') == {'/private/vendor/acme/x': b'mine'}
    assert get(one, 'INBOX', '/private', '(DEPTH infinity)') == {'/private': None}
    assert get(one, '', '(/shared/comment /shared/admin)') == {'/shared/comment': None, '/shared/admin': None}
    one.ok('SETMETADATA "" (/private/vendor/acme/x NIL)')
    assert get(two, '', '/private/vendor/acme/x') == {'/private/vendor/acme/x': None}


@pytest.mark.parametrize('entry', ['/shared/comment', '/shared/admin', '/shared/vendor/acme/x'])
def test_server_shared_is_read_only(imap, entry):
    imap.no('SETMETADATA "" (/private/a "b" %s "c")' % entry, code='NOPERM')
    assert get(imap, '', '/private/a') == {'/private/a': None}


def test_server_private_is_private(server, connect):
    a, b = connect(user=server.user()), connect(user=server.user())
    put(a, '', '/private/comment', 'a')
    assert get(b, '', '/private/comment') == {'/private/comment': None}


@pytest.mark.own_server
def test_server_settings():
    """RFC 5464 3.2.1.1: what the administrator says."""
    options = {'admin_uri': '"mailto:postmaster@example.org"', 'server_comment': '"Down on Sunday"'}
    server = Server(users=2, args=[w for n, v in options.items() for w in ('--set', '%s=%s' % (n, v))])
    server.start()
    try:
        c = server.login('user1')
        assert get(c, '', '(/shared/admin /shared/comment)') == {
            '/shared/admin': b'mailto:postmaster@example.org', '/shared/comment': b'Down on Sunday'}
        assert get(c, '', '/shared', '(DEPTH 1 MAXSIZE 20)') == {'/shared/comment': b'Down on Sunday'}
        assert get(c, 'INBOX', '/shared/admin') == {'/shared/admin': None}
        c.no('SETMETADATA "" (/shared/admin NIL)', code='NOPERM')
        put(c, '', '/private/comment', 'kept')
        put(c, 'INBOX', '/shared/comment', 'kept too')
        c.close()
        server.stop()
        server.start()
        c = server.login('user1')
        assert get(c, '', '/private/comment') == {'/private/comment': b'kept'}
        assert get(c, 'INBOX', '/shared/comment') == {'/shared/comment': b'kept too'}
        c.close()
    finally:
        server.close()


# Special uses (RFC 6154 4, 5.4).


def test_specialuse(imap):
    imap.ok('CREATE MyDrafts')
    assert get(imap, 'MyDrafts', '/private/specialuse') == {'/private/specialuse': None}
    uses = [n for n, a in imap.ok('LIST (SPECIAL-USE) "" *').list().items() if '\\drafts' in a]
    for n in uses:
        imap.no('SETMETADATA MyDrafts (/private/specialuse "\\\\Drafts" /private/comment "a")', code='USEATTR')
        assert get(imap, 'MyDrafts', '/private/comment') == {'/private/comment': None}
        assert get(imap, n, '/private/specialuse') == {'/private/specialuse': b'\\Drafts'}
        imap.ok('SETMETADATA %s (/private/specialuse NIL)' % quote(n))
    imap.ok('SETMETADATA MyDrafts (/private/specialuse "\\\\Drafts")')
    assert get(imap, 'MyDrafts', '/private', '(DEPTH 1)') == {'/private/specialuse': b'\\Drafts'}
    assert list(imap.ok('LIST (SPECIAL-USE) "" MyDrafts').list()) == ['MyDrafts']


@pytest.mark.parametrize('value', ['\\\\Nonsense', 'Drafts', '\\\\All', '\\\\Flagged', '\\\\Sent x'])
def test_specialuse_invalid(imap, value):
    imap.ok('CREATE box')
    imap.no('SETMETADATA box (/private/specialuse "%s")' % value, code='USEATTR')


def test_specialuse_of_others(two):
    two.grant('lrw')
    two.other.no('SETMETADATA %s (/private/specialuse "\\\\Archive")' % quote(two.theirs), code='USEATTR')


# Being told (RFC 5464 4.4.2).


def test_told_of_mailbox(login):
    c, other = login(), login()
    c.enable('METADATA')
    c.select()
    put(other, 'INBOX', '/shared/comment', 'a')
    put(other, 'INBOX', '/private/comment', 'a')
    assert changed(c.ok('NOOP'), 'INBOX') == ['/private/comment', '/shared/comment']
    assert c.ok('NOOP').all('METADATA') == []
    put(other, 'INBOX', '/shared/comment', 'b')
    assert changed(c.ok('NOOP'), 'INBOX') == ['/shared/comment']
    other.ok('SETMETADATA INBOX (/shared/comment NIL)')
    assert changed(c.ok('NOOP'), 'INBOX') == ['/shared/comment']


def test_not_told(login):
    """Who has not enabled it; of one's own changes; of what is the same as before; of mailboxes that are not selected."""
    c, silent, other = login(), login(), login()
    c.enable('METADATA')
    other.ok('CREATE box')
    for s in (c, silent):
        s.select()
    assert c.ok('SETMETADATA INBOX (/shared/comment "mine")').all('METADATA') == []
    assert c.ok('NOOP').all('METADATA') == []
    put(other, 'INBOX', '/shared/comment', 'mine')
    put(other, 'box', '/shared/comment', 'a')
    assert c.ok('NOOP').all('METADATA') == []
    put(other, 'INBOX', '/shared/comment', 'theirs')
    assert changed(c.ok('NOOP'), 'INBOX') == ['/shared/comment']
    assert silent.ok('NOOP').all('METADATA') == []


def test_told_while_idle(login):
    c, other = login(), login()
    c.enable('METADATA')
    c.select()
    tag = c.idle()
    put(other, 'INBOX', '/shared/comment', 'a')
    r = c.wait_name('METADATA')
    assert text(r.data[1]) == '/shared/comment'
    c.done(tag)


def test_told_of_server(login):
    c, other = login(), login()
    c.enable('METADATA-SERVER')
    put(other, '', '/private/comment', 'a')
    put(other, 'INBOX', '/private/comment', 'a')
    assert changed(c.ok('NOOP'), '') == ['/private/comment']
    assert c.ok('SETMETADATA "" (/private/comment "b")').all('METADATA') == []
    assert c.ok('NOOP').all('METADATA') == []


def test_told_of_anothers(two):
    two.grant('lrw')
    two.other.enable('METADATA')
    two.other.select(two.theirs)
    put(two.owner, 'box', '/private/comment', 'not seen')
    put(two.owner, 'box', '/shared/comment', 'seen')
    assert changed(two.other.ok('NOOP'), two.theirs) == ['/shared/comment']


def test_told_of_specialuse(login):
    c, other = login(), login()
    c.ok('CREATE box')
    c.enable('METADATA')
    c.select('box')
    other.ok('SETMETADATA box (/private/specialuse "\\\\Important")')
    assert changed(c.ok('NOOP'), 'box') == ['/private/specialuse']


# RFC 9590 4.


def test_list(imap):
    for name in ('foo', 'bar', 'bar/below'):
        imap.ok('CREATE ' + name)
    imap.ok('DELETE bar')
    put(imap, 'INBOX', '/shared/vendor/cmu/cyrus-imapd/color', '#b71c1c')
    entry = '/shared/vendor/cmu/cyrus-imapd/color'
    r = imap.ok('LIST "" (INBOX foo bar) RETURN (METADATA ("%s"))' % entry)
    names = [(u.name, text(u.data[-1] if u.name == 'LIST' else u.data[0])) for u in r.untagged]
    assert names == [('LIST', 'INBOX'), ('METADATA', 'INBOX'), ('LIST', 'bar'), ('LIST', 'foo'), ('METADATA', 'foo')]
    assert [pairs(m) for m in r.all('METADATA')] == [{entry: b'#b71c1c'}, {entry: None}]


def test_list_criteria(imap):
    """Nothing of what is listed for its children only."""
    imap.ok('CREATE foo/below')
    imap.ok('SUBSCRIBE foo/below')
    imap.ok('SUBSCRIBE INBOX')
    r = imap.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX foo) RETURN (METADATA (/shared/comment))')
    assert sorted(r.list()) == ['INBOX', 'foo']
    assert [text(m.data[0]) for m in r.all('METADATA')] == ['INBOX']


def test_list_others(two):
    two.grant('l')
    command = 'LIST "" %s RETURN (METADATA (/shared/comment))' % quote(two.theirs)
    assert two.other.ok(command).all('METADATA') == []
    two.grant('lr')
    put(two.owner, 'box', '/shared/comment', 'a')
    assert pairs(two.other.ok(command).one('METADATA')) == {'/shared/comment': b'a'}


@pytest.mark.parametrize('option', ['METADATA', 'METADATA ()', 'METADATA /shared/comment', 'METADATA (DEPTH 1 /shared/comment)'])
def test_list_syntax(imap, option):
    imap.bad('LIST "" * RETURN (%s)' % option)
