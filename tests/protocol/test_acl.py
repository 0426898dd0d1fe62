"""Access control lists (RFC 4314), LIST-MYRIGHTS (RFC 8440): the commands, and what a right that is missing forbids."""

import pytest

from harness import mail
from harness.imap import Lit, quote, text

ALL = 'lrswipkxteancd'


def acl(c, mailbox):
    """Identifier → set of letters, of GETACL."""
    r = c.ok('GETACL ' + quote(mailbox)).one('ACL')
    assert text(r.data[0]) == mailbox
    words = [text(w) for w in r.data[1:]]
    assert len(words) % 2 == 0
    return dict((i, ''.join(sorted(rights))) for i, rights in zip(words[::2], words[1::2]))


def letters(rights):
    return ''.join(sorted(rights))


def myrights(c, mailbox):
    r = c.ok('MYRIGHTS ' + quote(mailbox)).one('MYRIGHTS')
    assert text(r.data[0]) == mailbox
    return letters(text(r.data[1]))


class Two:
    """An owner with a mailbox `box` that holds three messages, and somebody else, who knows it as `theirs`."""

    def __init__(self, server, connect):
        self.owner_name, self.other_name = server.user(), server.user()
        self.owner = connect(user=self.owner_name, name='o')
        self.other = connect(user=self.other_name, name='x')
        self.owner.ok('CREATE box')
        self.uids = [self.owner.append(mail.numbered(n), 'box') for n in (1, 2, 3)]
        self.theirs = 'Other Users/%s/box' % self.owner_name

    def grant(self, rights, mailbox='box'):
        self.owner.ok('SETACL %s %s %s' % (mailbox, self.other_name, rights or '""'))


@pytest.fixture
def two(server, connect):
    return Two(server, connect)


# The commands.


def test_capability(imap):
    """RFC 4314 5.1.1: t, e, x, k and n (RFC 5257 4.10), and none of the rights of RFC 2086. RFC 8440."""
    caps = imap.capabilities()
    assert 'ACL' in caps and 'LIST-MYRIGHTS' in caps
    rights = [c[7:].lower() for c in caps if c.startswith('RIGHTS=')]
    assert len(rights) == 1 and letters(rights[0]) == 'ekntx'


def test_owner_has_all(imap, user):
    assert acl(imap, 'INBOX') == {user: letters(ALL)}
    assert myrights(imap, 'INBOX') == letters(ALL)


def test_setacl_replaces_adds_removes(imap, user):
    """RFC 4314 3.1, its examples."""
    imap.ok('CREATE Drafts2')
    imap.ok('SETACL Drafts2 chris lrswi')
    assert acl(imap, 'Drafts2')['chris'] == letters('lrswi')
    imap.ok('SETACL Drafts2 chris +cda')
    assert acl(imap, 'Drafts2')['chris'] == letters('lrswikxteacd')
    imap.ok('SETACL Drafts2 chris -swkx')
    assert acl(imap, 'Drafts2')['chris'] == letters('lrieatd')
    imap.ok('SETACL Drafts2 chris lr')
    assert acl(imap, 'Drafts2')['chris'] == 'lr'


def test_virtual_rights(imap):
    """RFC 4314 2.1.1: d is e and t, c is k and x; c and d are told when any member is there."""
    imap.ok('SetAcl INBOX David lrswida')
    assert acl(imap, 'INBOX')['david'] == letters('lrswideta')
    imap.ok('Setacl INBOX Byron lrswikda')
    assert acl(imap, 'INBOX')['byron'] == letters('lrswikcdeta')
    imap.ok('SETACL INBOX carl lc')
    assert acl(imap, 'INBOX')['carl'] == letters('lkxc')


@pytest.mark.parametrize('rights', ['lrq', 'LR', 'l0', '++l', 'l+', '-l-', 'é'])
def test_unknown_rights(imap, rights):
    """RFC 4314 3.1: an unrecognised right MUST be answered with BAD; capitals are not allowed (2)."""
    imap.bad('SETACL INBOX fred', ' ', Lit(rights.encode()))
    assert list(acl(imap, 'INBOX').values()) == [letters(ALL)]


@pytest.mark.parametrize('identifier', ['""', '"-"', '"$"', '"a b"', '"--fred"', '"a\x07"'])
def test_bad_identifiers(imap, identifier):
    """RFC 4314 3: what SASLprep makes nothing of MUST be answered with BAD."""
    imap.bad('SETACL INBOX %s lr' % identifier)
    imap.bad('DELETEACL INBOX ' + identifier)
    imap.bad('LISTRIGHTS INBOX ' + identifier)


def test_identifier_is_prepared(imap):
    """RFC 4314 3: SASLprep; LISTRIGHTS tells what the client wrote (3.4)."""
    imap.ok('SETACL INBOX', ' ', Lit('Ⅸ'.encode()), ' lr')
    assert acl(imap, 'INBOX')['ix'] == 'lr'
    r = imap.ok('LISTRIGHTS INBOX FRED').one('LISTRIGHTS')
    assert text(r.data[1]) == 'FRED'


def test_deleteacl(imap, user):
    """RFC 4314 3.2, its example: only the identifier's own entry goes; negative rights are another."""
    imap.ok('SETACL INBOX fred rwipsld')
    imap.ok('SETACL INBOX -fred wetd')
    imap.ok('SETACL INBOX $team w')
    imap.ok('DeleteAcl INBOX Fred')
    assert acl(imap, 'INBOX') == {user: letters(ALL), '-fred': letters('wetd'), '$team': 'w'}
    imap.ok('DELETEACL INBOX nobody')


def test_owner_keeps_l_and_a(imap, user):
    """What LISTRIGHTS calls required is kept, whatever is asked for (RFC 4314 2, 3.7)."""
    required = text(imap.ok('LISTRIGHTS INBOX ' + user).one('LISTRIGHTS').data[2])
    assert letters(required) == 'al'
    imap.ok('SETACL INBOX %s r' % user)
    assert myrights(imap, 'INBOX') == letters('lra')
    imap.ok('DELETEACL INBOX ' + user)
    assert myrights(imap, 'INBOX') == 'al'
    imap.no('STATUS INBOX (MESSAGES)', code='NOPERM')
    imap.ok('SETACL INBOX -%s la' % user)
    assert myrights(imap, 'INBOX') == 'al'
    imap.ok('SETACL INBOX %s +%s' % (user, ALL))
    assert myrights(imap, 'INBOX') == letters(ALL)


def test_listrights(imap, user):
    """RFC 4314 3.7: no right twice, none missing; c and d among them (2.1.1)."""
    for identifier in ('fred', 'anyone', '$team', '-fred', user):
        data = [text(w) for w in imap.ok('LISTRIGHTS INBOX ' + identifier).one('LISTRIGHTS').data]
        assert data[:2] == ['INBOX', identifier]
        assert letters(''.join(data[2:])) == letters(ALL)


def test_list_myrights(imap, user):
    """RFC 8440 3, 4: MYRIGHTS behind its LIST; none for what is no mailbox or does not match itself."""
    imap.ok('CREATE foo/bar')
    imap.ok('DELETE foo')
    imap.ok('SETACL foo/bar %s lrs' % user)
    r = imap.ok('LIST "" (% foo/%) RETURN (MYRIGHTS)')
    told = [(u.name, text(u.data[2] if u.name == 'LIST' else u.data[0])) for u in r.untagged]
    assert ('LIST', 'foo') in told and ('MYRIGHTS', 'foo') not in told
    for name in ('INBOX', 'foo/bar'):
        assert told.index(('LIST', name)) + 1 == told.index(('MYRIGHTS', name))
    rights = dict((text(u.data[0]), letters(text(u.data[1]))) for u in r.all('MYRIGHTS'))
    assert rights['INBOX'] == letters(ALL) and rights['foo/bar'] == letters('lrsa')
    imap.ok('SUBSCRIBE foo/bar')
    r = imap.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" foo RETURN (MYRIGHTS)')
    assert 'foo' in r.list() and not r.all('MYRIGHTS')


def test_children_inherit(imap):
    """RFC 4314 4, CREATE: the ACL of the parent; RENAME leaves it alone; DELETE takes it along."""
    imap.ok('CREATE top')
    imap.ok('SETACL top fred lr')
    imap.ok('CREATE top/a/b')
    assert acl(imap, 'top/a/b')['fred'] == 'lr' and acl(imap, 'top/a')['fred'] == 'lr'
    imap.ok('SETACL top/a fred lrs')
    assert acl(imap, 'top/a/b')['fred'] == 'lr'
    imap.ok('RENAME top/a other')
    assert acl(imap, 'other')['fred'] == 'lrs' and acl(imap, 'other/b')['fred'] == 'lr'
    imap.ok('DELETE other/b')
    imap.ok('DELETE other')
    imap.ok('CREATE other')
    assert 'fred' not in acl(imap, 'other')


def test_many_entries(imap):
    """The list is bounded; what is refused changes nothing."""
    for i in range(127):
        imap.ok('SETACL INBOX u%d l' % i)
    imap.ok('SETACL INBOX u0 lr')
    for i in range(127, 140):
        last = imap.cmd('SETACL INBOX u%d l' % i)
    assert last.status == 'NO' and last.code[0] == 'LIMIT'
    assert acl(imap, 'INBOX')['u0'] == 'lr'


def test_no_such_mailbox(imap):
    for command in ('SETACL nope fred l', 'DELETEACL nope fred', 'GETACL nope', 'LISTRIGHTS nope fred', 'MYRIGHTS nope'):
        imap.no(command, code='NONEXISTENT')


def test_syntax(imap):
    for command in ('SETACL', 'SETACL INBOX', 'SETACL INBOX fred', 'SETACL INBOX fred l x', 'DELETEACL INBOX', 'GETACL',
                    'GETACL INBOX x', 'LISTRIGHTS INBOX', 'MYRIGHTS', 'MYRIGHTS INBOX x'):
        imap.bad(command)


# How entries add up.


def test_anyone(two):
    two.owner.ok('SETACL box anyone lr')
    assert myrights(two.other, two.theirs) == 'lr'
    two.grant('ls')
    assert myrights(two.other, two.theirs) == 'lrs'
    two.owner.ok('SETACL box -%s r' % two.other_name)
    assert myrights(two.other, two.theirs) == 'ls'
    two.owner.ok('SETACL box -anyone ls')
    two.other.no('MYRIGHTS ' + quote(two.theirs), code='NONEXISTENT')


# The table of RFC 4314 4: every command, every right that it needs.

# What is sent, on which connection state, the rights that it needs. MYRIGHTS needs any of several, and is below.
COMMANDS = [
    ('SELECT {box}', 'r'),
    ('EXAMINE {box}', 'r'),
    ('STATUS {box} (MESSAGES)', 'r'),
    ('DELETE {box}', 'x'),
    ('RENAME {box} {box}2', 'x'),
    ('SETACL {box} fred l', 'a'),
    ('DELETEACL {box} fred', 'a'),
    ('GETACL {box}', 'a'),
    ('LISTRIGHTS {box} fred', 'a'),
]
INTO = [
    ('COPY 1 {box}', 'i'),
    ('UID COPY 1:* {box}', 'i'),
    ('MOVE 1 {box}', 'i'),
    ('UID MOVE 1:* {box}', 'i'),
]


def same_words(a, b):
    """Two refusals that a client can't tell apart."""
    return (a.status, a.code, a.text) == (b.status, b.code, b.text)


@pytest.mark.parametrize('command,need', COMMANDS, ids=[c.split(' ')[0] for c, _ in COMMANDS])
def test_right_is_needed(two, command, need):
    """Without it, but with l: NO [NOPERM]. Without l: exactly the answer of a mailbox that is not there (RFC 4314 6)."""
    ghost = two.other.cmd(command.format(box=quote(two.theirs + 'ghost')).replace('"2', '2"'))
    assert ghost.status == 'NO'
    have = ''.join(r for r in 'lrswipkxtea' if r != need)
    line = command.format(box=quote(two.theirs)).replace('"2', '2"')
    two.grant(have)
    two.other.no(line, code='NOPERM')
    two.grant(have.replace('l', ''))
    assert same_words(two.other.cmd(line), ghost)
    two.owner.ok('DELETEACL box ' + two.other_name)
    assert same_words(two.other.cmd(line), ghost)
    # What is right with it: it goes as far as it can go.
    two.grant(need)
    r = two.other.cmd(line)
    assert r.status == 'OK' or (command.startswith('RENAME') and r.code[0] == 'NOPERM')


@pytest.mark.parametrize('command,need', INTO, ids=[c.replace(' ', '') for c, _ in INTO])
def test_right_is_needed_to_insert(two, command, need):
    two.other.append(mail.numbered(9))
    two.other.select()
    ghost = two.other.cmd(command.format(box=quote(two.theirs + 'ghost')))
    assert ghost.status == 'NO' and ghost.code[0] == 'TRYCREATE'
    two.grant('lrswpkxtea')
    two.other.no(command.format(box=quote(two.theirs)), code='NOPERM')
    two.grant('rswpkxtea')
    assert same_words(two.other.cmd(command.format(box=quote(two.theirs))), ghost)
    two.grant('i')
    two.other.ok(command.format(box=quote(two.theirs)))
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 4]


def test_append_needs_i(two):
    line, ghost = 'APPEND %s ' % quote(two.theirs), 'APPEND %s ' % quote(two.theirs + 'ghost')
    message = Lit(mail.numbered(9))
    two.grant('lrswpkxtea')
    two.other.no(line, message, code='NOPERM')
    two.grant('rswpkxtea')
    refused = two.other.no(line, message, code='TRYCREATE')
    assert same_words(refused, two.other.no(ghost, message))
    two.grant('i')
    two.other.ok(line, message)


@pytest.mark.parametrize('rights,is_told', [('i', False), ('li', False), ('ir', True)])
@pytest.mark.parametrize('command', ['APPEND', 'COPY', 'MOVE', 'REPLACE'])
def test_uids_are_told_to_who_can_select(two, rights, is_told, command):
    """RFC 9051 6.3.12, 6.4.7: of a mailbox that one can't SELECT no APPENDUID and no COPYUID MUST be sent."""
    message = Lit(mail.numbered(9))
    two.other.append(mail.numbered(8))
    two.other.select()
    two.grant(rights)
    line = '%s %s%s' % (command, '' if command == 'APPEND' else '1 ', quote(two.theirs))
    r = two.other.ok(line + ' ', message) if command in ('APPEND', 'REPLACE') else two.other.ok(line)
    assert bool({'APPENDUID', 'COPYUID'} & set(r.codes())) == is_told
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 4]
    assert r.expunged() == ([1] if command in ('MOVE', 'REPLACE') else [])


def test_right_is_lost_during_an_upload(two):
    """What counts is the right when the message is put in, not when its first byte came."""
    data = mail.numbered(9)
    two.grant('lri')
    tag = two.other.begin('APPEND %s {%d}' % (quote(two.theirs), len(data)))
    assert two.other.response().tag == '+'
    two.grant('lr')
    two.other.send(data + b'\r\n')
    r = two.other.end(tag)
    assert r.status == 'NO' and r.code[0] == 'NOPERM'
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 3]


def test_create_needs_k(two):
    """RFC 4314 4: on the nearest parent that is there. Nothing is said of parents that may not be known."""
    child, deep = quote(two.theirs + '/child'), quote(two.theirs + '/no/deep')
    two.grant('lrswipxtea')
    two.other.no('CREATE ' + child, code='NOPERM')
    hidden = two.other.no('CREATE ' + quote('Other Users/%s/nothing/child' % two.owner_name))
    two.grant('rswipxtea')
    assert same_words(two.other.no('CREATE ' + child), hidden)
    two.grant('k')
    two.other.ok('CREATE ' + child)
    two.other.ok('CREATE ' + deep)
    assert acl(two.owner, 'box/child')[two.other_name] == letters('kc')
    two.other.no('CREATE ' + quote('Other Users/%s/top' % two.owner_name), code='NOPERM')
    two.other.no('CREATE ' + quote('Other Users/nobody-here/top'), code='NOPERM')


def test_rename_needs_x_and_k(two):
    """RFC 4314 4: x on the mailbox, k on the new parent."""
    two.owner.ok('CREATE to')
    into = quote('Other Users/%s/to/box' % two.owner_name)
    two.grant('lx')
    two.owner.ok('SETACL to %s lrswipxtea' % two.other_name)
    two.other.no('RENAME %s %s' % (quote(two.theirs), into), code='NOPERM')
    two.owner.ok('SETACL to %s k' % two.other_name)
    two.other.ok('RENAME %s %s' % (quote(two.theirs), into))
    assert two.owner.ok('STATUS to/box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 3]
    two.other.no('RENAME %s mine' % into, code='CANNOT')
    assert acl(two.owner, 'to/box')[two.other_name] == letters('lxc')


@pytest.mark.parametrize('right', 'lrikxa')
def test_myrights_needs_any(two, right):
    """RFC 4314 4: any of l, r, i, k, x, a."""
    two.grant(right)
    assert right in myrights(two.other, two.theirs)


@pytest.mark.parametrize('right', 'swpte')
def test_myrights_with_none_of_those(two, right):
    two.grant(right)
    refused = two.other.no('MYRIGHTS ' + quote(two.theirs))
    assert same_words(refused, two.other.no('MYRIGHTS ' + quote(two.theirs + 'ghost')))


def test_nobody_knows_users(two):
    """Accounts that are there and names that nobody has answer alike."""
    for command in ('SELECT %s', 'MYRIGHTS %s', 'GETACL %s', 'STATUS %s (MESSAGES)', 'DELETE %s'):
        there = two.other.no(command % quote('Other Users/%s/INBOX' % two.owner_name))
        none = two.other.no(command % quote('Other Users/nobody-of-that-name/INBOX'))
        assert same_words(there, none)


# In the selected state.


def test_read_only_without_writing_rights(two):
    """RFC 4314 5.2: READ-ONLY without any of i, e and the rights of flags that others see, else READ-WRITE."""
    two.grant('lr')
    r = two.other.select(two.theirs)
    assert r.code[0] == 'READ-ONLY' and r.codes()['PERMANENTFLAGS'] == [[]]
    two.other.no('STORE 1 +FLAGS (\\Flagged)', code='NOPERM')
    for seen, writing in ('private', 'iewt'), ('shared', 'iewst'):
        two.owner.ok('SETMETADATA box (/shared/vendor/posthorn/seen "%s")' % seen)
        for right in 'iewst':
            two.grant('lr' + right)
            assert two.other.select(two.theirs).code[0] == ('READ-WRITE' if right in writing else 'READ-ONLY')


@pytest.mark.parametrize('rights,flags', [
    ('s', ['\\Seen']), ('t', ['\\Deleted']), ('w', ['\\Answered', '\\Flagged', '\\Draft', '\\*']),
    ('st', ['\\Seen', '\\Deleted']), ('i', [])])
def test_permanentflags(two, rights, flags):
    """RFC 4314 5.1.1: they tell what this user can change."""
    two.grant('lr' + rights)
    told = two.other.select(two.theirs).codes()['PERMANENTFLAGS'][0]
    assert set(f for f in told if f.startswith('\\')) == set(flags)
    assert any(f.startswith('$') for f in told) == ('w' in rights)


@pytest.mark.parametrize('right,flag', [('s', '\\Seen'), ('t', '\\Deleted'), ('w', '\\Flagged'), ('w', 'word')])
def test_store_needs_the_right_of_the_flag(two, right, flag):
    """RFC 4314 4: t for \\Deleted, s for \\Seen, w for all others; the flags without a right are passed over."""
    others = ''.join(r for r in 'swt' if r != right)
    two.grant('lr' + others + 'e')
    two.other.select(two.theirs)
    two.other.no('STORE 1 +FLAGS (%s)' % flag, code='NOPERM')
    two.other.no('STORE 1 FLAGS (%s)' % flag, code='NOPERM')
    other = {'s': '\\Seen', 'w': '\\Answered', 't': '\\Deleted'}[others[0]]
    r = two.other.ok('STORE 2 +FLAGS (%s %s)' % (flag, other))
    assert [f for f in r.fetch(2)['FLAGS'] if f != '\\Recent'] == [other]
    two.grant('lr' + right)
    two.other.select(two.theirs)
    r = two.other.ok('STORE 1 +FLAGS (%s)' % flag)
    assert flag in r.fetch(1)['FLAGS']


def test_store_keeps_what_it_may_not_change(two):
    """Replacing flags leaves those without a right as they are."""
    two.owner.select('box')
    two.owner.ok('STORE 1 FLAGS (\\Deleted \\Flagged word)')
    two.grant('lrs')
    two.other.select(two.theirs)
    r = two.other.ok('STORE 1 FLAGS (\\Seen)')
    assert set(r.fetch(1)['FLAGS']) - {'\\Recent'} == {'\\Deleted', '\\Flagged', 'word', '\\Seen'}
    r = two.other.ok('STORE 1 FLAGS ()')
    assert set(r.fetch(1)['FLAGS']) - {'\\Recent'} == {'\\Deleted', '\\Flagged', 'word'}


def test_fetch_does_not_set_seen(two):
    """RFC 4314 4: without s a FETCH that implies \\Seen MUST NOT set it."""
    two.grant('lrwte')
    two.other.select(two.theirs)
    two.other.ok('FETCH 1 BODY[]')
    assert '\\Seen' not in two.other.ok('FETCH 1 FLAGS').fetch(1)['FLAGS']
    two.grant('lrs')
    two.other.select(two.theirs)
    two.other.ok('FETCH 1 BODY[]')
    assert '\\Seen' in two.other.ok('FETCH 1 FLAGS').fetch(1)['FLAGS']


def test_expunge_and_close_need_e(two):
    """RFC 4314 4: EXPUNGE is refused; CLOSE leaves the messages and says OK."""
    two.grant('lrt')
    two.other.select(two.theirs)
    two.other.ok('STORE 1 +FLAGS (\\Deleted)')
    two.other.no('EXPUNGE', code='NOPERM')
    two.other.no('UID EXPUNGE 1:*', code='NOPERM')
    two.other.ok('CLOSE')
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 3]
    two.grant('lre')
    two.other.select(two.theirs)
    assert two.other.ok('EXPUNGE').expunged() == [1]


@pytest.mark.parametrize('rights', ['lrt', 'lre', 'lrsw'])
def test_move_needs_t_and_e(two, rights):
    """RFC 6851 4.2: what STORE of \\Deleted, COPY and EXPUNGE need."""
    two.grant(rights)
    two.other.select(two.theirs)
    two.other.no('MOVE 1 INBOX', code='NOPERM')
    two.grant('lrte')
    two.other.select(two.theirs)
    assert two.other.ok('MOVE 1 INBOX').expunged() == [1]


@pytest.mark.parametrize('rights,expected', [
    ('rwis', [['\\Draft'], ['\\Answered'], ['$Forwarded', '\\Seen']]),
    ('rsti', [['\\Deleted'], [], ['\\Seen']])])
@pytest.mark.parametrize('how', ['COPY', 'MOVE', 'APPEND'])
def test_copied_flags(two, rights, expected, how):
    """RFC 4314 4, its example: flags without a right are left behind, and nothing fails for it."""
    given = ['\\Draft \\Deleted', '\\Answered', '$Forwarded \\Seen']
    two.grant(rights)
    for n, flags in enumerate(given):
        if how == 'APPEND':
            two.other.append(mail.numbered(n), two.theirs, flags=flags)
        else:
            two.other.append(mail.numbered(n), flags=flags)
    if how != 'APPEND':
        two.other.select()
        two.other.ok('%s 1:3 %s' % (how, quote(two.theirs)))
    two.other.select(two.theirs)
    found = two.other.ok('FETCH 4:6 (FLAGS)').fetches()
    assert [sorted(set(found[n]['FLAGS']) - {'\\Recent'}) for n in (4, 5, 6)] == [sorted(e) for e in expected]


def test_rights_change_while_selected(two):
    """RFC 4314 5.1.1: FLAGS and PERMANENTFLAGS are sent when they have changed, and count at once."""
    two.grant('lrsw')
    two.other.select(two.theirs)
    two.grant('lrs')
    r = two.other.ok('NOOP')
    assert [f for f in r.codes()['PERMANENTFLAGS'][0] if f.startswith('\\')] == ['\\Seen']
    two.other.no('STORE 1 +FLAGS (\\Flagged)', code='NOPERM')
    two.grant('lrsw')
    r = two.other.ok('NOOP')
    assert '\\Flagged' in r.codes()['PERMANENTFLAGS'][0]
    two.other.ok('STORE 1 +FLAGS (\\Flagged)')


def test_a_right_that_is_lost_is_lost_at_once(two):
    """No command changes anything with a right that was taken away before it."""
    two.grant('lrswte')
    two.other.select(two.theirs)
    two.grant('lrste')
    two.other.no('STORE 1 +FLAGS (\\Flagged)', code='NOPERM')
    two.grant('lrst')
    two.other.ok('STORE 1 +FLAGS (\\Deleted)')
    two.other.no('EXPUNGE', code='NOPERM')
    two.grant('lre')
    two.other.no('MOVE 1 INBOX', code='NOPERM')
    assert two.other.ok('EXPUNGE').expunged() == [1]


def test_right_to_read_is_lost(two):
    """The messages vanish where EXPUNGE may be told; nothing can be changed any more."""
    two.grant('lrswte')
    two.other.select(two.theirs)
    two.grant('l')
    r = two.other.ok('FETCH 1:3 FLAGS')
    assert not r.expunged()
    assert len(two.other.ok('NOOP').expunged()) == 3
    two.other.no('UID EXPUNGE 1:*', code='NONEXISTENT')
    two.other.no('UID STORE 1:* +FLAGS (\\Flagged)', code='NONEXISTENT')
    two.other.no('SELECT ' + quote(two.theirs), code='NOPERM')
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 3]


def test_right_to_read_is_lost_while_idling(two):
    two.grant('lr')
    two.other.select(two.theirs)
    two.other.idle()
    two.owner.ok('DELETEACL box ' + two.other_name)
    two.other.wait(lambda r: len([u for u in two.other.untagged if u.name == 'EXPUNGE']) == 3)
