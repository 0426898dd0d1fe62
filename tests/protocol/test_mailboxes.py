"""Mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, XLIST, STATUS, NAMESPACE, SELECT, EXAMINE
(RFC 3501 6.3, RFC 9051 6.3, RFC 5258, RFC 5819, RFC 6154, RFC 8438, RFC 3348, RFC 2342)."""

import pytest

from harness import mail
from harness.imap import Lit, quote, text

SPECIAL = {'\\drafts': 'Drafts', '\\sent': 'Sent', '\\junk': 'Junk', '\\trash': 'Trash', '\\archive': 'Archive'}


def names(r):
    return set(r.list())


def subscribed(imap, pattern):
    return {text(r.data[2]) for r in imap.ok('LSUB "" ' + pattern).all('LSUB')}


def test_new_account_has_special_mailboxes(imap):
    """RFC 6154: the server says which mailbox is which; plain LIST tells it too, for clients that never ask."""
    listed = imap.ok('LIST "" *').list()
    assert 'INBOX' in listed
    for use, name in SPECIAL.items():
        assert use in listed[name]


def test_list_inbox_in_any_case(imap):
    """RFC 3501 5.1: INBOX is case-insensitive."""
    assert names(imap.ok('LIST "" inbox')) == {'INBOX'}
    assert names(imap.ok('LIST "" InBoX')) == {'INBOX'}
    imap.ok('SELECT iNbOx')


def test_list_empty_pattern_tells_delimiter(imap):
    """RFC 3501 6.3.8: an empty mailbox name asks for the delimiter and the root, with \\Noselect."""
    r = imap.ok('LIST "" ""').one('LIST')
    assert [a.lower() for a in r.data[0]] == ['\\noselect']
    assert r.data[1] is not None and len(text(r.data[1])) == 1
    assert text(r.data[2]) == ''


@pytest.mark.parametrize('form', ['LIST (SUBSCRIBED) "" ""', 'LIST () "" ""', 'LIST "" ("")', 'LIST "" "" RETURN (CHILDREN)', 'LIST () INBOX "" RETURN ()'])
def test_list_empty_pattern_with_options(imap, form):
    """RFC 5258 3: "any extended LIST command ... MUST NOT treat the empty mailbox name as such a special request"."""
    imap.ok('SUBSCRIBE INBOX')
    assert imap.ok(form).all('LIST') == []


def test_list_passes_over_patterns(imap):
    """RFC 9051 6.3.9: a pattern that is not accepted "results in no LIST responses, and the LIST command still returns a tagged OK"."""
    imap.ok('CREATE "R&-D"')
    for pattern in 'R&D', '&*', '"&AOk"', '&Jjo!-%':
        for form in 'LIST "" %s', 'LSUB "" %s', 'XLIST "" %s', 'LIST "" (%s) RETURN (STATUS (MESSAGES))':
            r = imap.ok(form % pattern)
            assert [u for name in ('LIST', 'LSUB', 'XLIST') for u in r.all(name)] == []
    assert names(imap.ok('LIST "" (R&D "R&-D" &*)')) == {'R&-D'}
    imap.enable('UTF8=ACCEPT')
    assert names(imap.ok('LIST "" (R&D)')) == {'R&D'}


def test_list_wildcards(imap):
    for name in ('a', 'a/b', 'a/b/c', 'ab', 'b/a'):
        imap.ok('CREATE ' + name)
    assert names(imap.ok('LIST "" a*')) == {'a', 'a/b', 'a/b/c', 'ab'}
    assert names(imap.ok('LIST "" a%')) == {'a', 'ab'}
    assert names(imap.ok('LIST "" a/%')) == {'a/b'}
    assert names(imap.ok('LIST "" %/a')) == {'b/a'}
    assert names(imap.ok('LIST "" %/%')) == {'a/b', 'b/a'}
    assert names(imap.ok('LIST "" *c')) == {'a/b/c'}
    assert names(imap.ok('LIST "" a/*/c')) == {'a/b/c'}
    assert names(imap.ok('LIST "" *b')) == {'a/b', 'ab', 'b'}    # CREATE b/a made b
    assert names(imap.ok('LIST "" nothing*')) == set()
    assert {'a', 'ab', 'b'} <= names(imap.ok('LIST "" %'))
    assert 'a/b' not in names(imap.ok('LIST "" %'))


def test_list_reference(imap):
    """RFC 3501 6.3.8: the reference is the context in which the name is read."""
    for name in ('a/b', 'a/bb'):
        imap.ok('CREATE ' + name)
    assert names(imap.ok('LIST a/ %')) == {'a/b', 'a/bb'}
    assert names(imap.ok('LIST "a/" b')) == {'a/b'}


def test_list_many_wildcards_is_quick(imap):
    """A pattern of many stars must not take exponential time."""
    imap.ok('CREATE ' + 'a' * 100)
    imap.ok('LIST "" ' + '*a' * 60 + 'b')
    imap.ok('LIST "" ' + '%*' * 60 + 'b')


def test_list_patterns_in_quotes_and_literals(imap):
    imap.ok('CREATE q')
    assert names(imap.ok('LIST "" "q"')) == {'q'}
    assert names(imap.ok('LIST "" ', Lit('q'))) == {'q'}


def test_children_attributes(imap):
    """RFC 3348, RFC 5258 4: \\HasChildren and \\HasNoChildren, and never both."""
    imap.ok('CREATE p/q')
    listed = imap.ok('LIST "" p*').list()
    assert '\\haschildren' in listed['p'] and '\\hasnochildren' not in listed['p']
    assert '\\hasnochildren' in listed['p/q'] and '\\haschildren' not in listed['p/q']


def test_create_makes_parents(imap):
    """RFC 3501 6.3.3: superior names that are missing SHOULD be made."""
    imap.ok('CREATE x/y/z')
    assert names(imap.ok('LIST "" x*')) == {'x', 'x/y', 'x/y/z'}


def test_create_with_trailing_delimiter(imap):
    """RFC 3501 6.3.3: it declares that names will be made under it; the name made is without the delimiter."""
    imap.ok('CREATE tree/')
    imap.ok('CREATE tree/leaf')
    assert 'tree/leaf' in names(imap.ok('LIST "" tree/*'))
    assert 'tree' in names(imap.ok('LIST "" tree'))


def test_create_existing(imap):
    """RFC 5530: ALREADYEXISTS."""
    imap.ok('CREATE once')
    imap.no('CREATE once', code='ALREADYEXISTS')
    imap.no('CREATE INBOX')
    imap.no('CREATE inbox')


@pytest.mark.parametrize('name', ['""', '"/"', '"a//b"', '"/a"', '"a\\\\\x01"', '"&"', '"&AAA"', '"&-&"', '"&Jjo!"', '"&ZeVnLIqe"',
                                  '"&AGE-"', '"a&"', '"&2D0-"'])
def test_create_impossible_name(imap, name):
    """RFC 3501 5.1.3, RFC 9051 5.1: control characters, wildcards, empty levels, modified UTF-7 that is none."""
    r = imap.refused('CREATE ' + name)
    if r.status == 'NO':
        assert r.code is None or r.code[0] in ('CANNOT', 'ALREADYEXISTS', 'CLIENTBUG')
    imap.ok('NOOP')


def test_create_name_far_too_long(imap):
    imap.refused('CREATE ', Lit('x' * 5000))
    imap.refused('CREATE ', Lit('x/' * 2000 + 'x'))
    imap.ok('NOOP')


@pytest.mark.parametrize('name', ['with space', 'quote"inside', 'back\\slash', 'paren(s)', 'brace{3}', 'dot.dot', '..', '~tilde', '#news', "it's", '$x', 'a]b[c',
                                  '&-', '&ZeVnLIqe-', 'T&AOQ-st', '&U,BTFw-', 'nil', '+', ' lead', 'trail ', '-'])
def test_any_name_survives(imap, name):
    """A name that may be made is listed, selected, given status and deleted just as it was made."""
    imap.ok('CREATE ' + quote(name))
    assert name in names(imap.ok('LIST "" *'))
    assert imap.status(name, 'MESSAGES') == {'MESSAGES': 0}
    imap.select(name)
    imap.ok('UNSELECT')
    imap.ok('DELETE ' + quote(name))
    assert name not in names(imap.ok('LIST "" *'))


def test_names_differ_in_case(imap):
    """RFC 3501 5.1: names other than INBOX are case-sensitive or not as the server likes; ours are kept as given."""
    imap.ok('CREATE Case')
    assert 'Case' in names(imap.ok('LIST "" *'))
    assert 'case' not in names(imap.ok('LIST "" *'))


def test_inbox_has_children(imap):
    imap.ok('CREATE INBOX/sub')
    listed = imap.ok('LIST "" INBOX*').list()
    assert '\\haschildren' in listed['INBOX']
    assert 'INBOX/sub' in listed


def test_delete(imap):
    imap.ok('CREATE gone')
    imap.append(mail.numbered(1), 'gone')
    imap.ok('DELETE gone')
    assert 'gone' not in names(imap.ok('LIST "" *'))
    imap.no('SELECT gone', code='NONEXISTENT')


def test_delete_what_is_not_there(imap):
    imap.no('DELETE nowhere', code='NONEXISTENT')


def test_delete_inbox(imap):
    """RFC 3501 6.3.4: it is an error to delete INBOX."""
    imap.no('DELETE INBOX')
    imap.no('DELETE inbox')


def test_delete_parent_keeps_children(imap):
    """RFC 3501 6.3.4: children are not removed; the name stays as \\Noselect, and may not be deleted again."""
    imap.ok('CREATE d/e')
    imap.append(mail.numbered(1), 'd/e')
    imap.ok('DELETE d')
    listed = imap.ok('LIST "" d*').list()
    assert 'd/e' in listed
    if 'd' in listed:
        assert listed['d'] & {'\\noselect', '\\nonexistent'}
    imap.no('SELECT d')
    imap.no('DELETE d')
    assert imap.status('d/e', 'MESSAGES')['MESSAGES'] == 1


def test_deleted_name_made_again_has_a_new_uidvalidity(imap):
    """RFC 3501 2.3.1.1, 6.3.4: a new mailbox of the old name must not be taken for the old one."""
    imap.ok('CREATE again')
    imap.append(mail.numbered(1), 'again')
    before = imap.status('again', 'UIDVALIDITY', 'UIDNEXT')
    imap.ok('DELETE again')
    imap.ok('CREATE again')
    after = imap.status('again', 'UIDVALIDITY', 'UIDNEXT', 'MESSAGES')
    assert after['MESSAGES'] == 0
    assert after['UIDVALIDITY'] > before['UIDVALIDITY'] or after['UIDNEXT'] >= before['UIDNEXT']
    assert after['UIDVALIDITY'] != before['UIDVALIDITY']


def test_uidvalidity_is_a_positive_32_bit_number(imap):
    v = imap.status('INBOX', 'UIDVALIDITY')['UIDVALIDITY']
    assert 0 < v < 2 ** 32


def test_rename(imap):
    imap.ok('CREATE old')
    uid = imap.append(mail.numbered(1), 'old')
    before = imap.status('old', 'UIDVALIDITY', 'UIDNEXT', 'MESSAGES')
    imap.ok('RENAME old new')
    assert 'old' not in names(imap.ok('LIST "" *'))
    after = imap.status('new', 'UIDVALIDITY', 'UIDNEXT', 'MESSAGES')
    assert after['MESSAGES'] == 1
    imap.select('new')
    if after['UIDVALIDITY'] == before['UIDVALIDITY']:
        assert imap.uid_map() == {uid: 1}
    imap.no('STATUS old (MESSAGES)', code='NONEXISTENT')


def test_rename_renames_children(imap):
    """RFC 3501 6.3.5: inferior names MUST be renamed too."""
    for name in ('foo', 'foo/bar', 'foo/bar/baz', 'foobar'):
        imap.ok('CREATE ' + name)
    imap.ok('RENAME foo zap')
    assert {'zap', 'zap/bar', 'zap/bar/baz', 'foobar'} <= names(imap.ok('LIST "" *'))
    assert names(imap.ok('LIST "" foo*')) == {'foobar'}


def test_rename_makes_parents(imap):
    """RFC 3501 6.3.5: RENAME baz/rag/zowie foo/a/b makes the superior names."""
    imap.ok('CREATE lone')
    imap.ok('RENAME lone up/and/down')
    assert {'up', 'up/and', 'up/and/down'} <= names(imap.ok('LIST "" *'))


def test_rename_into_itself_is_refused(imap):
    imap.ok('CREATE loop/x')
    imap.no('RENAME loop loop/x/y')
    imap.no('RENAME loop loop')
    assert {'loop', 'loop/x'} <= names(imap.ok('LIST "" *'))


def test_what_is_only_subscribed_to_is_not_there(imap):
    """RFC 9051 6.3.5, 6.3.6: to delete, or to rename, a name that does not exist is an error; and a subscription stays (6.3.7)."""
    imap.ok('SUBSCRIBE no/such')
    for name in 'no', 'no/such':
        assert names(imap.ok('LIST "" ' + name)) == set()
        imap.no('DELETE ' + name, code='NONEXISTENT')
        imap.no('RENAME %s yes' % name, code='NONEXISTENT')
    assert subscribed(imap, 'no/*') == {'no/such'}


def test_delete_when_only_a_subscription_is_left_below(imap):
    imap.ok('CREATE a/b')
    imap.ok('SUBSCRIBE a/b')
    imap.ok('DELETE a')
    imap.no('DELETE a', code='HASCHILDREN')
    imap.ok('DELETE a/b')
    imap.no('DELETE a', code='NONEXISTENT')


def test_rename_to_a_name_that_is_subscribed_to(imap):
    """RFC 9051 6.3.7: the server MUST NOT unilaterally remove a name from the list of subscriptions."""
    for name in 'there', 'there/x', 'there/y/z':
        imap.ok('SUBSCRIBE ' + name)
    for name in 'one', 'one/x', 'one/new':
        imap.ok('CREATE ' + name)
    imap.ok('RENAME one there')
    assert names(imap.ok('LIST "" there*')) == {'there', 'there/x', 'there/new'}
    assert subscribed(imap, 'there*') == {'there', 'there/x', 'there/y/z'}
    imap.ok('CREATE there/y/z')
    imap.no('RENAME INBOX there', code='ALREADYEXISTS')


def test_rename_errors(imap):
    imap.ok('CREATE one')
    imap.ok('CREATE two')
    imap.no('RENAME nowhere three', code='NONEXISTENT')
    imap.no('RENAME one two', code='ALREADYEXISTS')
    imap.no('RENAME one INBOX', code='ALREADYEXISTS')
    imap.no('RENAME one "a//b"')
    imap.bad('RENAME one')
    imap.bad('RENAME')
    imap.bad('RENAME one two three')


def test_rename_inbox_moves_messages(imap):
    """RFC 3501 6.3.5: the messages move to the new name, INBOX stays and is empty, its children stay."""
    imap.ok('CREATE INBOX/child')
    imap.append(mail.numbered(1), flags='\\Flagged')
    imap.append(mail.numbered(2))
    imap.ok('RENAME INBOX saved')
    assert imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 0
    assert imap.status('saved', 'MESSAGES')['MESSAGES'] == 2
    listed = names(imap.ok('LIST "" *'))
    assert {'INBOX', 'INBOX/child', 'saved'} <= listed and 'saved/child' not in listed
    imap.select('saved')
    assert imap.flags() == {1: {'\\flagged'}, 2: set()}


def test_rename_leaves_subscriptions(imap):
    """RFC 9051 6.3.6: renaming doesn't update subscription information on the original name, nor on those of child mailboxes."""
    for name in 'a', 'a/x', 'a/y/z', 'b/x':
        imap.ok('CREATE ' + name)
    for name in 'a', 'a/y/z', 'a/none', 'c/x':
        imap.ok('SUBSCRIBE ' + name)
    imap.ok('RENAME a c')
    assert subscribed(imap, 'a*') == {'a', 'a/y/z', 'a/none'}
    assert subscribed(imap, 'c*') == {'c/x'}
    assert {'c', 'c/x', 'c/y/z'} <= set(names(imap.ok('LIST "" c*')))
    assert not names(imap.ok('LIST "" a*'))
    listed = imap.ok('LIST (SUBSCRIBED) "" *').list()
    assert '\\nonexistent' in listed['a'] and '\\nonexistent' not in listed['c/x']
    imap.no('SELECT a', code='NONEXISTENT')
    imap.ok('RENAME c a')       # as it was
    assert subscribed(imap, 'a*') == {'a', 'a/y/z', 'a/none'} and subscribed(imap, 'c*') == {'c/x'}
    imap.ok('RENAME b a/none')
    assert subscribed(imap, 'a*') == {'a', 'a/y/z', 'a/none'}
    imap.ok('UNSUBSCRIBE a')
    imap.ok('RENAME a d')
    assert subscribed(imap, 'a*') == {'a/y/z', 'a/none'} and subscribed(imap, 'd*') == set()


def test_subscribe(imap):
    """RFC 3501 6.3.6, 6.3.9: LSUB and LIST (SUBSCRIBED) tell the subscribed names."""
    imap.ok('CREATE sub')
    imap.ok('SUBSCRIBE sub')
    assert 'sub' in [text(r.data[2]) for r in imap.ok('LSUB "" *').all('LSUB')]
    assert 'sub' in names(imap.ok('LIST (SUBSCRIBED) "" *'))
    imap.ok('SUBSCRIBE sub')
    imap.ok('UNSUBSCRIBE sub')
    assert 'sub' not in [text(r.data[2]) for r in imap.ok('LSUB "" *').all('LSUB')]
    assert 'sub' in names(imap.ok('LIST "" sub'))


def test_subscription_outlives_the_mailbox(imap):
    """RFC 3501 6.3.6: a server MUST NOT unsubscribe a name by itself because the mailbox is gone."""
    imap.ok('CREATE brief')
    imap.ok('SUBSCRIBE brief')
    imap.ok('DELETE brief')
    assert 'brief' in [text(r.data[2]) for r in imap.ok('LSUB "" *').all('LSUB')]
    listed = imap.ok('LIST (SUBSCRIBED) "" brief').list()
    assert '\\nonexistent' in listed['brief']
    imap.ok('UNSUBSCRIBE brief')
    assert 'brief' not in [text(r.data[2]) for r in imap.ok('LSUB "" *').all('LSUB')]


def test_lsub_percent_shows_parents_as_noselect(imap):
    """RFC 3501 6.3.9: with % a name that is not subscribed but has subscribed children is shown with \\Noselect."""
    imap.ok('CREATE top/sub')
    imap.ok('SUBSCRIBE top/sub')
    rs = [r for r in imap.ok('LSUB "" t%').all('LSUB')]
    assert [text(r.data[2]) for r in rs] == ['top']
    assert '\\noselect' in [a.lower() for a in rs[0].data[0]]


def test_lsub_star_shows_only_what_is_subscribed(imap):
    """RFC 3501 6.3.9: a parent stands for its children only where their names do not match themselves."""
    imap.ok('CREATE top/mid/sub')
    imap.ok('SUBSCRIBE top/mid/sub')
    assert [text(r.data[2]) for r in imap.ok('LSUB "" t*').all('LSUB')] == ['top/mid/sub']
    assert [text(r.data[2]) for r in imap.ok('LSUB "" top/%').all('LSUB')] == ['top/mid']
    assert [text(r.data[2]) for r in imap.ok('LSUB "" %/sub').all('LSUB')] == []


def test_xlist_for_old_clients(imap):
    rs = imap.ok('XLIST "" *').all('XLIST')
    uses = dict((text(r.data[2]), set(a.lower() for a in r.data[0])) for r in rs)
    assert '\\inbox' in uses.get('INBOX', uses.get('Inbox', set()))
    for use in ('\\drafts', '\\sent', '\\trash'):
        assert use in uses[SPECIAL[use]]


@pytest.mark.parametrize('command', ['LIST', 'LIST ""', 'LIST "" "a" b', 'LIST (SUBSCRIBED "" *', 'LIST (NOPE) "" *', 'LIST "" (', 'LIST "" ()', 'LIST (RECURSIVEMATCH) "" *',
                                     'LIST "" * RETURN', 'LIST "" * RETURN (NOPE)', 'LIST "" * RETURN (STATUS)', 'LIST "" * RETURN (STATUS ())', 'LSUB', 'LSUB ""', 'XLIST',
                                     'CREATE', 'CREATE a b', 'DELETE', 'DELETE a b', 'SUBSCRIBE', 'UNSUBSCRIBE', 'SUBSCRIBE a b', 'STATUS', 'STATUS INBOX',
                                     'STATUS INBOX ()', 'STATUS INBOX MESSAGES', 'STATUS INBOX (NOPE)', 'STATUS INBOX (MESSAGES', 'STATUS INBOX (MESSAGES) x',
                                     'SELECT', 'SELECT a b', 'EXAMINE', 'EXAMINE (', 'SELECT INBOX (NOPE)', 'NAMESPACE x', 'CREATE a (USE)', 'CREATE a (NOPE 1)'])
def test_malformed_is_bad(imap, command):
    imap.bad(command)
    imap.ok('NOOP')


# LIST-EXTENDED (RFC 5258).

def test_list_several_patterns(imap):
    imap.ok('CREATE m1')
    imap.ok('CREATE m2')
    assert names(imap.ok('LIST "" (m1 m2 m*)')) == {'m1', 'm2'}


def test_list_extended_empty_pattern_lists_nothing(imap):
    """RFC 5258 3: in the extended form an empty pattern is not the request for the delimiter."""
    assert '' not in names(imap.ok('LIST "" (INBOX)'))
    assert names(imap.ok('LIST () "" "INBOX"')) == {'INBOX'}


def test_list_return_subscribed_and_children(imap):
    imap.ok('CREATE r/s')
    imap.ok('SUBSCRIBE r/s')
    listed = imap.ok('LIST "" r* RETURN (SUBSCRIBED CHILDREN)').list()
    assert '\\subscribed' in listed['r/s'] and '\\subscribed' not in listed['r']
    assert '\\haschildren' in listed['r'] and '\\hasnochildren' in listed['r/s']


def test_list_selection_subscribed_implies_return(imap):
    """RFC 5258 3.1: SUBSCRIBED as a selection option implies the return option."""
    imap.ok('CREATE s1')
    imap.ok('SUBSCRIBE s1')
    assert '\\subscribed' in imap.ok('LIST (SUBSCRIBED) "" s1').list()['s1']


def test_list_recursivematch(imap):
    """RFC 5258 5 example 9: CHILDINFO names what matched below."""
    imap.ok('CREATE food/fruit')
    imap.ok('SUBSCRIBE food/fruit')
    r = imap.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" foo%')
    assert names(r) == {'food'}
    info = r.one('LIST').data[3]
    assert str(info[0]).upper() == 'CHILDINFO' or text(info[0]).upper() == 'CHILDINFO'
    assert [text(x).upper() for x in info[1]] == ['SUBSCRIBED']
    assert '\\subscribed' not in r.list()['food']


def test_list_recursivematch_alone_is_bad(imap):
    imap.bad('LIST (RECURSIVEMATCH) "" *')
    imap.bad('LIST (RECURSIVEMATCH REMOTE) "" *')


def test_list_remote_is_taken(imap):
    imap.ok('LIST (REMOTE) "" *')
    imap.ok('LIST (REMOTE SUBSCRIBED) "" %')


def test_list_status(imap):
    """RFC 5819: a STATUS for each selectable mailbox, none for the others."""
    imap.ok('CREATE ls/one')
    imap.append(mail.numbered(1), 'ls/one')
    imap.ok('DELETE ls')
    r = imap.ok('LIST "" ls* RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))')
    statuses = dict((text(s.data[0]), s.attrs) for s in r.all('STATUS'))
    assert statuses['ls/one']['MESSAGES'] == 1 and statuses['ls/one']['UNSEEN'] == 1
    assert 'ls' not in statuses
    imap.no('STATUS ls (MESSAGES)')


def test_status_follows_its_list(imap):
    """RFC 5819 2: for each mailbox the STATUS comes behind its LIST."""
    imap.ok('CREATE o1')
    imap.ok('CREATE o2')
    seen = []
    for r in imap.ok('LIST "" o% RETURN (STATUS (MESSAGES))').untagged:
        seen.append((r.name, text(r.data[2] if r.name == 'LIST' else r.data[0])))
    for name in ('o1', 'o2'):
        assert seen.index(('LIST', name)) < seen.index(('STATUS', name))


def test_options_given_twice_count_once(imap):
    """RFC 5258 3: the server MUST act as if the option was given once."""
    imap.ok('CREATE twice')
    r = imap.ok('LIST (SUBSCRIBED SUBSCRIBED) "" * RETURN (CHILDREN CHILDREN SUBSCRIBED)')
    assert names(imap.ok('LIST "" (twice twice) RETURN (CHILDREN CHILDREN)')) == {'twice'}


def test_list_status_with_children(imap):
    r = imap.ok('LIST "" INBOX RETURN (CHILDREN STATUS (MESSAGES))')
    assert r.one('STATUS').attrs == {'MESSAGES': 0}


def test_list_special_use_selection(imap):
    """RFC 6154 2: LIST (SPECIAL-USE) lists only these."""
    listed = imap.ok('LIST (SPECIAL-USE) "" *').list()
    assert set(SPECIAL.values()) <= set(listed)
    assert 'INBOX' not in listed


def test_list_special_use_return(imap):
    listed = imap.ok('LIST "" % RETURN (SPECIAL-USE)').list()
    assert '\\sent' in listed['Sent']


def test_create_special_use(imap):
    """RFC 6154 3: CREATE with USE, and refusal with USEATTR."""
    r = imap.cmd('CREATE Stuff (USE (\\Archive))')
    if r.status == 'OK':
        assert '\\archive' in imap.ok('LIST (SPECIAL-USE) "" Stuff').list()['Stuff']
    else:
        assert r.code[0] == 'USEATTR'
        assert 'Stuff' not in names(imap.ok('LIST "" Stuff'))
    imap.no('CREATE Nope (USE (\\Unheardof))', code='USEATTR')
    assert 'Nope' not in names(imap.ok('LIST "" Nope'))


def test_special_use_follows_rename(imap):
    imap.ok('RENAME Junk Spam')
    assert '\\junk' in imap.ok('LIST "" Spam').list()['Spam']


# STATUS.

def test_status_all_items(imap):
    imap.append(mail.numbered(1), flags='\\Seen')
    imap.append(mail.numbered(2), flags='\\Deleted')
    s = imap.status('INBOX', 'MESSAGES', 'RECENT', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', 'SIZE', 'DELETED', 'HIGHESTMODSEQ', 'MAILBOXID', 'APPENDLIMIT')
    assert s['MESSAGES'] == 2 and s['UNSEEN'] == 1 and s['DELETED'] == 1
    assert s['SIZE'] == len(mail.numbered(1)) + len(mail.numbered(2))
    assert s['UIDNEXT'] >= 3 and s['HIGHESTMODSEQ'] > 0
    assert isinstance(s['MAILBOXID'], list) and len(s['MAILBOXID']) == 1


def test_status_of_nowhere(imap):
    imap.no('STATUS nowhere (MESSAGES)', code='NONEXISTENT')


def test_status_of_selected_mailbox(box3):
    """RFC 9051 6.3.11: it works, though clients should not; Apple Mail does it."""
    assert box3.status('INBOX', 'MESSAGES', 'UNSEEN') == {'MESSAGES': 3, 'UNSEEN': 3}


def test_status_does_not_change_recent(imap):
    """RFC 3501 6.3.10: STATUS must not make a message lose \\Recent."""
    imap.append(mail.numbered(1))
    imap.status('INBOX', 'RECENT', 'MESSAGES')
    assert imap.select().one('RECENT').number == 1


def test_status_name_comes_back(imap):
    imap.ok('CREATE "st at"')
    assert text(imap.ok('STATUS "st at" (MESSAGES)').one('STATUS').data[0]) == 'st at'


def test_size_follows_changes(imap):
    """RFC 8438: SIZE is the sum of the RFC822.SIZE of all messages."""
    sizes = [len(mail.numbered(n)) for n in (1, 2, 3)]
    for n in (1, 2, 3):
        imap.append(mail.numbered(n))
    assert imap.status('INBOX', 'SIZE')['SIZE'] == sum(sizes)
    imap.select()
    imap.ok('STORE 2 +FLAGS (\\Deleted)')
    imap.ok('EXPUNGE')
    assert imap.status('INBOX', 'SIZE')['SIZE'] == sizes[0] + sizes[2]


# SELECT and EXAMINE.

def test_select_answers(imap):
    """RFC 3501 6.3.1: FLAGS, EXISTS, RECENT, UNSEEN, PERMANENTFLAGS, UIDNEXT, UIDVALIDITY."""
    imap.append(mail.numbered(1), flags='\\Seen')
    imap.append(mail.numbered(2))
    imap.append(mail.numbered(3))
    r = imap.select()
    codes = r.codes()
    assert r.one('EXISTS').number == 3
    assert r.one('RECENT').number == 3
    assert {'\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'} <= set(map(str, r.one('FLAGS').data[0]))
    assert '\\*' in codes['PERMANENTFLAGS'][0]
    assert codes['UNSEEN'] == [2]
    assert codes['UIDNEXT'][0] >= 4
    assert codes['UIDVALIDITY'][0] > 0
    assert codes['HIGHESTMODSEQ'][0] > 0
    assert r.code[0] == 'READ-WRITE'


def test_select_empty_mailbox_has_no_unseen(imap):
    """RFC 3501 7.1: UNSEEN names the first unseen message; there is none."""
    assert 'UNSEEN' not in imap.select().codes()


def test_select_tells_mailboxid(imap):
    """RFC 8474 4.2."""
    assert len(imap.select().codes()['MAILBOXID'][0]) == 1


def test_select_lists_used_keywords(imap):
    """RFC 3501 7.2.6: FLAGS lists the flags that are applicable: keywords in use are among them."""
    imap.append(mail.numbered(1), flags='MyWord')
    assert 'MyWord' in list(map(str, imap.select().one('FLAGS').data[0]))


def test_examine_is_read_only(imap):
    """RFC 3501 6.3.2: nothing changes, also not \\Recent and \\Seen."""
    imap.append(mail.numbered(1))
    r = imap.ok('EXAMINE INBOX')
    assert r.code[0] == 'READ-ONLY'
    assert r.codes().get('PERMANENTFLAGS') in ([[]], None)
    imap.no('STORE 1 +FLAGS (\\Seen)')
    imap.no('EXPUNGE')
    imap.ok('FETCH 1 BODY[]')
    assert imap.flags() == {1: set()}
    imap.no('MOVE 1 Trash')
    imap.ok('COPY 1 Trash')
    imap.ok('CLOSE')
    assert imap.select().one('RECENT').number == 1


def test_close_of_examined_expunges_nothing(imap):
    """RFC 3501 6.4.2: a mailbox that is open read-only is closed without expunging."""
    imap.append(mail.numbered(1), flags='\\Deleted')
    imap.ok('EXAMINE INBOX')
    imap.ok('CLOSE')
    assert imap.status('INBOX', 'MESSAGES')['MESSAGES'] == 1


def test_select_of_nowhere_leaves_nothing_selected(box):
    """RFC 3501 6.3.1: a failed SELECT leaves no mailbox selected."""
    box.no('SELECT nowhere', code='NONEXISTENT')
    box.bad('FETCH 1 FLAGS')


@pytest.mark.parametrize('name', [Lit(b'a\r\nb'), '"a//b"', '"\x01"', '"a%b"'])
def test_select_of_no_name_leaves_nothing_selected(box, name):
    """The same for what can be no mailbox's name at all."""
    box.enable('QRESYNC')
    r = box.no('SELECT ', name)
    assert 'CLOSED' in r.codes()
    box.bad('FETCH 1 FLAGS')


def test_reselect_says_closed(box):
    """RFC 7162 3.2.11, RFC 9051 7.1: [CLOSED] parts the responses of the old mailbox from those of the new, once QRESYNC or
    IMAP4rev2 is enabled."""
    box.enable('QRESYNC')
    assert 'CLOSED' in box.ok('SELECT Drafts').codes()


def test_select_noselect(imap):
    imap.ok('CREATE up/down')
    imap.ok('DELETE up')
    imap.no('SELECT up')


def test_recent_is_told_to_one_session(login):
    """RFC 3501 2.3.2: \\Recent is set in the first session that is told of the message, and in no later one."""
    one = login()
    one.append(mail.numbered(1))
    assert one.select().one('RECENT').number == 1
    two = login()
    assert two.select().one('RECENT').number == 0


# CLOSE, UNSELECT, CHECK.

def test_close_expunges_silently(box3):
    """RFC 3501 6.4.2: \\Deleted messages are removed, without EXPUNGE responses."""
    box3.ok('STORE 2 +FLAGS (\\Deleted)')
    r = box3.ok('CLOSE')
    assert r.expunged() == []
    box3.bad('FETCH 1 FLAGS')
    assert box3.status('INBOX', 'MESSAGES')['MESSAGES'] == 2


def test_unselect_expunges_nothing(box3):
    """RFC 3691."""
    box3.ok('STORE 2 +FLAGS (\\Deleted)')
    box3.ok('UNSELECT')
    box3.bad('FETCH 1 FLAGS')
    assert box3.status('INBOX', 'MESSAGES')['MESSAGES'] == 3


@pytest.mark.parametrize('command', ['CHECK x', 'CLOSE x', 'UNSELECT x', 'EXPUNGE 1', 'NOOP x', 'LOGOUT x', 'CAPABILITY x', 'IDLE x'])
def test_commands_without_arguments_take_none(box, command):
    box.bad(command)
    box.ok('CHECK')


# NAMESPACE, ID, ENABLE.

def test_namespace(imap):
    """RFC 2342: three lists; the personal one has a prefix and a delimiter."""
    data = imap.ok('NAMESPACE').one('NAMESPACE').data
    assert len(data) == 3
    prefix, delimiter = data[0][0][:2]
    assert text(prefix) == '' and len(text(delimiter)) == 1
    assert text(delimiter) == text(imap.ok('LIST "" ""').one('LIST').data[1])


@pytest.mark.parametrize('args', ['NIL', '("name" "test")', '("name" "x" "version" NIL)', '()'])
def test_id(anon, args):
    """RFC 2971: in any state; the answer is one list or NIL."""
    data = anon.ok('ID ' + args).one('ID').data
    assert len(data) == 1 and (data[0] is None or len(data[0]) % 2 == 0)


@pytest.mark.parametrize('args', ['', ' x', ' (a b)', ' ("a")', ' ("a" "b"', ' (' + ' '.join('"k%d" "v"' % i for i in range(40)) + ')',
                                  ' ("' + 'k' * 31 + '" "v")', ' ("k" "' + 'v' * 1025 + '")'])
def test_id_malformed_or_over_its_limits(anon, args):
    """RFC 2971 3.3: at most 30 pairs, names of 30 octets, values of 1024: over that the server may refuse, and must not fail."""
    anon.send('i1 ID%s\r\n' % args)
    anon.pending.append(('i1', 'ID'))
    assert anon.end('i1').status in (('BAD',) if len(args) < 30 else ('OK', 'NO', 'BAD'))
    anon.ok('NOOP')


def test_enable(imap):
    """RFC 5161: ENABLED lists what this command enabled; unknown names are ignored."""
    r = imap.ok('ENABLE CONDSTORE X-NO-SUCH-THING')
    assert [str(a).upper() for a in r.one('ENABLED').data] == ['CONDSTORE']
    # RFC 9051 6.3.1: the response comes also when nothing was enabled.
    assert imap.ok('ENABLE X-NO-SUCH-THING').one('ENABLED').data == []


@pytest.mark.parametrize('name', ['CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'IMAP4rev2'])
def test_enable_does_not_change_capabilities(imap, name):
    """RFC 5161 3.1: the server MUST NOT change the CAPABILITY list as a result of ENABLE."""
    before = imap.capabilities()
    imap.enable(name)
    assert imap.capabilities() == before


def test_enable_names_are_case_insensitive(imap):
    assert [str(a).upper() for a in imap.ok('ENABLE qresync').one('ENABLED').data][0] in ('QRESYNC', 'CONDSTORE')


def test_enable_without_argument_is_bad(imap):
    imap.bad('ENABLE')


def test_enable_what_needs_no_enabling(imap):
    """RFC 5161 3.1: capabilities that need no ENABLE are not listed."""
    assert imap.ok('ENABLE IDLE MOVE').one('ENABLED').data == []
