"""Mailboxes of others (RFC 2342, RFC 4314): the namespaces, how LIST shows them, subscriptions, and that all else works there."""

import pytest

from harness import mail
from harness.imap import quote, text


def others(name, mailbox=''):
    return 'Other Users/' + name + ('/' + mailbox if mailbox else '')


class Two:
    def __init__(self, server, connect):
        self.owner_name, self.other_name = server.user(), server.user()
        self.connect = connect
        self.owner = connect(user=self.owner_name, name='o')
        self.other = connect(user=self.other_name, name='x')
        self.owner.ok('CREATE box')
        self.uids = [self.owner.append(mail.numbered(n), 'box') for n in (1, 2, 3)]
        self.theirs = others(self.owner_name, 'box')

    def grant(self, rights='lrswipkxtea', mailbox='box'):
        self.owner.ok('SETACL %s %s %s' % (mailbox, self.other_name, rights))


@pytest.fixture
def two(server, connect):
    return Two(server, connect)


def foreign(listed):
    return dict((n, a) for n, a in listed.items() if n.startswith(('Other Users', 'Shared')))


def test_namespace(imap):
    """RFC 2342 5: the prefixes with their separators."""
    r = imap.ok('NAMESPACE').one('NAMESPACE')
    assert [[[text(w) for w in one] for one in space] for space in r.data] == [
        [['', '/']], [['Other Users/', '/']], [['Shared/', '/']]]


# LIST.


def test_nothing_shared_nothing_listed(two):
    assert foreign(two.other.ok('LIST "" *').list()) == {}
    assert foreign(two.other.ok('LIST "" %').list()) == {}


def test_list_shows_what_has_l(two):
    """RFC 4314 4, LIST; levels above are no mailboxes, with \\NonExistent only for who knows it (RFC 9051 6.3.9.5)."""
    two.owner.ok('CREATE box/in/deep')
    two.owner.ok('CREATE hidden')
    two.grant('l')
    two.grant('lr', 'box/in/deep')
    two.grant('r', 'hidden')
    listed = foreign(two.other.ok('LIST "" *').list())
    assert listed == {
        'Other Users': {'\\noselect', '\\haschildren'},
        others(two.owner_name): {'\\noselect', '\\haschildren'},
        two.theirs: {'\\haschildren'},
        two.theirs + '/in': {'\\noselect', '\\haschildren'},
        two.theirs + '/in/deep': {'\\hasnochildren'},
    }
    listed = foreign(two.other.ok('LIST "" (*) RETURN (CHILDREN)').list())
    assert listed['Other Users'] == {'\\nonexistent', '\\haschildren'}


def test_list_parent_that_may_not_be_known(two):
    """RFC 4314 4: as if the mailbox "A" did not exist."""
    two.owner.ok('CREATE box/in')
    two.grant('lr', 'box/in')
    listed = foreign(two.other.ok('LIST "" *').list())
    assert listed[two.theirs] == {'\\noselect', '\\haschildren'}
    two.other.no('SELECT ' + quote(two.theirs), code='NONEXISTENT')


def test_list_percent(two):
    two.owner.ok('CREATE box/in')
    two.grant('l')
    assert foreign(two.other.ok('LIST "" %').list()) == {'Other Users': {'\\noselect', '\\haschildren'}}
    assert list(two.other.ok('LIST "" "Other Users/%"').list()) == [others(two.owner_name)]
    assert list(two.other.ok('LIST "Other Users/" %/%').list()) == [two.theirs]
    # The child has no ACL of its own: it was made before.
    assert two.other.ok('LIST "" %s' % quote(two.theirs)).list() == {two.theirs: {'\\hasnochildren'}}


def test_list_comes_and_goes(two):
    """As soon as the command that grants or takes is answered, also over another connection of the same users."""
    for _ in range(3):
        two.grant('lr')
        assert two.theirs in two.other.ok('LIST "" *').list()
        two.owner.ok('DELETEACL box ' + two.other_name)
        assert foreign(two.other.ok('LIST "" *').list()) == {}
    two.owner.ok('SETACL box anyone l')
    assert two.theirs in two.other.ok('LIST "" *').list()
    two.owner.ok('DELETE box')
    assert two.theirs not in two.other.ok('LIST "" *').list()


def test_own_names_are_not_listed_twice(two):
    two.grant('lr', 'INBOX')
    listed = two.owner.ok('LIST "" *').list()
    assert foreign(listed) == {}
    two.owner.no('SELECT ' + quote(others(two.owner_name, 'INBOX')), code='NONEXISTENT')


def test_special_uses_of_others(two):
    """Their Sent is not where one's own client stores what it sent (RFC 6154)."""
    two.grant('lr', 'Sent')
    theirs = others(two.owner_name, 'Sent')
    assert two.other.ok('LIST "" *').list()[theirs] == {'\\hasnochildren'}
    assert theirs not in two.other.ok('LIST (SPECIAL-USE) "" *').list()
    two.other.no('CREATE %s (USE (\\Junk))' % quote(theirs + '/x'))


def test_list_status_and_myrights(two):
    two.owner.ok('CREATE second')
    two.grant('lrs')
    two.grant('l', 'second')
    r = two.other.ok('LIST "" "Other Users/*" RETURN (STATUS (MESSAGES) MYRIGHTS)')
    assert [(text(u.data[0]), u.data[1]) for u in r.all('STATUS')] == [(two.theirs, ['MESSAGES', 3])]
    assert dict((text(u.data[0]), text(u.data[1])) for u in r.all('MYRIGHTS')) == {
        two.theirs: 'lrs', others(two.owner_name, 'second'): 'l'}


def test_inbox_in_any_case(two):
    two.grant('lr', 'INBOX')
    two.other.select(others(two.owner_name, 'inbox'))
    two.other.select(others(two.owner_name.upper(), 'Inbox'))
    r = two.other.ok('STATUS %s (MESSAGES)' % quote(others(two.owner_name, 'inbox')))
    assert text(r.one('STATUS').data[0]) == others(two.owner_name, 'INBOX')


def test_oldname(two):
    """RFC 9051 6.3.9.7: a name in another spelling."""
    two.grant('lr', 'INBOX')
    two.other.enable('IMAP4rev2')
    r = two.other.select(others(two.owner_name.upper(), 'INBOX'))
    told = r.one('LIST')
    assert text(told.data[2]) == others(two.owner_name, 'INBOX')
    assert text(told.data[3][1][0]) == others(two.owner_name.upper(), 'INBOX')


# Subscriptions.


def test_subscriptions(two):
    """They are one's own: the owner's are another matter. LSUB and LIST tell them, also when the mailbox is gone."""
    two.grant('lr')
    two.owner.ok('UNSUBSCRIBE box')
    two.other.ok('SUBSCRIBE ' + quote(two.theirs))
    assert two.theirs in [text(r.data[2]) for r in two.other.ok('LSUB "" *').all('LSUB')]
    assert two.other.ok('LIST (SUBSCRIBED) "" "Other*"').list() == {two.theirs: {'\\subscribed', '\\hasnochildren'}}
    assert 'box' not in two.owner.ok('LIST (SUBSCRIBED) "" *').list()
    two.owner.ok('DELETEACL box ' + two.other_name)
    listed = two.other.ok('LIST (SUBSCRIBED) "" "Other*"').list()
    assert listed == {two.theirs: {'\\subscribed', '\\nonexistent', '\\hasnochildren'}}
    assert foreign(two.other.ok('LIST "" *').list()) == {}
    two.other.ok('UNSUBSCRIBE ' + quote(two.theirs))
    assert two.other.ok('LIST (SUBSCRIBED) "" "Other*"').list() == {}
    assert foreign(two.other.ok('LIST "" *').list()) == {}


def test_recursivematch(two):
    two.grant('lr')
    two.other.ok('SUBSCRIBE ' + quote(two.theirs))
    r = two.other.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" %')
    mine = [u for u in r.all('LIST') if text(u.data[2]) == 'Other Users']
    assert len(mine) == 1 and text(mine[0].data[3][0]).upper() == 'CHILDINFO'


# All else.


def test_names_of_namespaces_are_taken(imap):
    for name in ('"Other Users"', '"Other Users/x"', 'Shared', 'Shared/x'):
        imap.no('CREATE ' + name, code='NOPERM')
        imap.no('RENAME Drafts ' + name, code='NOPERM')
        imap.no('SELECT ' + name, code='NONEXISTENT')
        imap.no('DELETE ' + name, code='NONEXISTENT')


def test_changes_are_told_both_ways(two):
    two.grant()
    two.owner.select('box')
    two.other.select(two.theirs)
    two.other.ok('STORE 2 +FLAGS (\\Flagged)')
    assert '\\Flagged' in two.owner.ok('NOOP').fetch(2)['FLAGS']
    two.owner.append(mail.numbered(4), 'box')
    assert two.other.ok('NOOP').one('EXISTS').number == 4
    two.other.append(mail.numbered(5), two.theirs)
    assert two.owner.ok('NOOP').one('EXISTS').number == 5
    two.other.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    assert two.other.ok('EXPUNGE').expunged() == [1]
    assert two.owner.ok('NOOP').expunged() == [1]


def test_idle_on_a_shared_mailbox(two):
    two.grant()
    two.other.select(two.theirs)
    two.other.idle()
    two.owner.append(mail.numbered(4), 'box')
    two.other.wait_name('EXISTS', 4)


def test_own_account_still_works_beside(two):
    two.grant()
    two.other.select(two.theirs)
    two.other.append(mail.numbered(7))
    two.other.ok('CREATE mine')
    assert two.other.ok('STATUS INBOX (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 1]
    two.other.ok('STORE 1 +FLAGS (\\Answered)')
    two.other.select('INBOX')
    assert two.other.ok('FETCH 1 FLAGS').fetch(1)['FLAGS'] == ['\\Recent']


def test_pipelined_behind_a_change(two):
    """What a client sends behind its own change sees it, before it is durable too, in any account."""
    two.grant()
    commands = ['CREATE %s' % quote(two.theirs + '/new'), 'SELECT %s' % quote(two.theirs + '/new'),
                'CREATE own', 'SELECT %s' % quote(two.theirs), 'COPY 1:* %s' % quote(two.theirs + '/new'), 'COPY 1 own',
                'STATUS %s (MESSAGES)' % quote(two.theirs + '/new'), 'STATUS own (MESSAGES)', 'MOVE 1:* own', 'UNSELECT',
                'STATUS own (MESSAGES)', 'DELETE %s' % quote(two.theirs + '/new')]
    two.other.checking = False
    two.other.send(''.join('p%d %s\r\n' % (i, c) for i, c in enumerate(commands)))
    two.other.pending += [('p%d' % i, c) for i, c in enumerate(commands)]
    results = [two.other.end('p%d' % i) for i in range(len(commands))]
    assert [r.status for r in results] == ['OK'] * len(commands)
    assert results[6].one('STATUS').data[1] == ['MESSAGES', 3]
    assert results[7].one('STATUS').data[1] == ['MESSAGES', 1]
    assert results[10].one('STATUS').data[1] == ['MESSAGES', 4]


def test_copy_and_move_between_accounts(two):
    """COPYUID is the same for another account; a moved message is in one of the two."""
    two.grant()
    two.other.ok('CREATE kept')
    two.other.select(two.theirs)
    code = two.other.ok('UID MOVE %d kept' % two.uids[0]).codes()['COPYUID']
    assert str(code[1]) == str(two.uids[0])
    two.other.ok('COPY 1:2 kept')
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 2]
    two.other.select('kept')
    assert two.other.exists == 3
    body = two.other.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]').fetch(1)
    assert b'1' in next(v for k, v in body.items() if k.startswith('BODY'))
    two.other.ok('MOVE 1:3 ' + quote(two.theirs))
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 5]


def test_create_rename_delete_in_anothers_account(two):
    two.grant()
    a, b = quote(two.theirs + '/a'), quote(two.theirs + '/b')
    assert 'MAILBOXID' in two.other.ok('CREATE ' + a).codes()
    two.other.ok('RENAME %s %s' % (a, b))
    assert {'box/b'} == set(n for n in two.owner.ok('LIST "" box/*').list())
    two.other.no('CREATE ' + b, code='ALREADYEXISTS')
    two.other.ok('DELETE ' + b)
    assert two.owner.ok('LIST "" box/*').list() == {}


def test_mailboxids_differ(server, connect, two):
    """RFC 8474 4: never the same MAILBOXID for two mailboxes; SELECT, STATUS, LIST and CREATE tell the same."""
    two.grant()
    for n in range(30):
        two.owner.ok('CREATE box/%d' % n)
    name = server.user()
    late = connect(user=name, name='l')
    for user in two.other_name, name:
        two.owner.ok('SETACL INBOX %s lr' % user)
        two.owner.ok('SETACL box/29 %s lr' % user)
    for c in two.other, late:
        r = c.ok('LIST "" * RETURN (STATUS (MAILBOXID))')
        ids = dict((text(s.data[0]), text(s.data[1][1][0])) for s in r.all('STATUS'))
        assert others(two.owner_name, 'INBOX') in ids and len(set(ids.values())) == len(ids)
    ids = dict((text(s.data[0]), text(s.data[1][1][0])) for s in two.other.ok('LIST "" * RETURN (STATUS (MAILBOXID))').all('STATUS'))
    for name in 'INBOX', two.theirs:
        assert text(two.other.select(name).codes()['MAILBOXID'][0][0]) == ids[name]
        assert text(two.other.ok('STATUS %s (MAILBOXID)' % quote(name)).one('STATUS').data[1][1][0]) == ids[name]
    code = two.other.ok('CREATE ' + quote(two.theirs + '/new')).codes()['MAILBOXID'][0][0]
    assert text(two.other.select(two.theirs + '/new').codes()['MAILBOXID'][0][0]) == text(code)


def test_highestmodseq_of_a_twin(server, connect):
    """STATUS tells the mailbox's own: two INBOXes made in the same second have the same UIDVALIDITY, as their names."""
    for _ in range(30):
        names = [server.user(), server.user()]
        one, other = [connect(user=name) for name in names]
        if one.status('INBOX', 'UIDVALIDITY') == other.status('INBOX', 'UIDVALIDITY'):
            break
    else:
        pytest.skip('no two accounts were made in the same second')
    for n in range(3):
        other.append(mail.numbered(n))
    other.ok('SETACL INBOX %s lr' % names[0])
    one.select()
    theirs = others(names[1], 'INBOX')
    told = one.status(theirs, 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
    assert told == one.select(theirs).codes()['HIGHESTMODSEQ'][0]
    mine = one.status('INBOX', 'HIGHESTMODSEQ')['HIGHESTMODSEQ']
    assert mine == one.select().codes()['HIGHESTMODSEQ'][0]


def test_renamed_while_selected(two):
    """The mailbox is held by what it is, not by its name."""
    two.grant()
    two.other.select(two.theirs)
    two.owner.ok('RENAME box moved')
    two.other.ok('STORE 1 +FLAGS (\\Flagged)')
    two.owner.ok('DELETE moved')
    assert two.other.ok('NOOP').expunged() == [3, 2, 1]


def test_qresync(two):
    """RFC 7162 3.2.5 works on others' mailboxes as on one's own."""
    two.grant()
    two.other.enable('QRESYNC')
    codes = two.other.select(two.theirs).codes()
    validity, modseq = codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0]
    two.other.ok('UNSELECT')
    two.owner.select('box')
    two.owner.ok('STORE 1 +FLAGS (\\Deleted)')
    two.owner.ok('STORE 2 +FLAGS (\\Flagged)')
    two.owner.ok('EXPUNGE')
    r = two.other.ok('SELECT %s (QRESYNC (%s %s))' % (quote(two.theirs), validity, modseq))
    assert [str(w) for w in r.one('VANISHED').data[-1:]] == [str(two.uids[0])]
    assert [f.attrs['UID'] for f in r.all('FETCH')] == [two.uids[1]]


def test_search_and_searchres(two):
    two.grant()
    two.other.select(two.theirs)
    two.other.ok('SEARCH RETURN (SAVE) SUBJECT 2')
    r = two.other.ok('FETCH $ (FLAGS)')
    assert list(r.fetches()) == [2]


def test_account_that_is_not_open(server, connect, two):
    """Everything waits until the other account is read, APPEND before it asks for a byte."""
    two.grant()
    fresh = server.user()
    two.owner.ok('SETACL box %s lrsi' % fresh)
    c = connect(user=fresh)
    c.append(mail.numbered(8), two.theirs)
    assert two.owner.ok('STATUS box (MESSAGES)').one('STATUS').data[1] == ['MESSAGES', 4]


def test_unauthenticate(server, connect, two):
    """RFC 8437: nothing of what was shared with one user is left for the next."""
    two.grant('lr')
    two.other.select(two.theirs)
    assert two.theirs in two.other.ok('LIST "" *').list()
    two.other.ok('UNAUTHENTICATE')
    two.other.exists, two.other.uids = None, {}
    two.other.login(server.user(), server.password)
    two.other.no('SELECT ' + quote(two.theirs), code='NONEXISTENT')
    assert foreign(two.other.ok('LIST "" *').list()) == {}


def test_sort_and_thread(two):
    two.grant('lr')
    two.other.select(two.theirs)
    r = two.other.ok('SORT (REVERSE ARRIVAL) UTF-8 ALL')
    assert len(r.one('SORT').data) == 3
    two.other.ok('THREAD REFERENCES UTF-8 ALL')


def test_two_accounts_at_a_time(two):
    """Each session is told of the account whose mailbox it has selected, whatever happens in its own."""
    two.grant()
    two.other.select(two.theirs)
    second = two.connect(user=two.other_name)
    second.append(mail.numbered(1))
    assert not two.other.ok('NOOP').all('EXISTS')
    two.owner.append(mail.numbered(9), 'box')
    assert two.other.ok('NOOP').one('EXISTS').number == 4
    two.other.idle()
    second.append(mail.numbered(2), two.theirs)
    two.other.wait_name('EXISTS', 5)
