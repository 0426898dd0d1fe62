"""URLAUTH (RFC 4467) with the access identifiers of RFC 5593: GENURLAUTH, URLFETCH, RESETKEY."""

import calendar
import hashlib
import re
import time

import pytest

from harness import mail
from harness.imap import Lit, quote, text
from harness.server import Server

TOKEN = '01' + 'ab' * 32


def url(user, uid, rest='', mailbox='INBOX', access='anonymous', host='localhost'):
    return 'imap://%s@%s/%s/;uid=%d%s;urlauth=%s' % (user, host, mailbox, uid, rest, access)


def generate(c, *rumps):
    """The URLs that GENURLAUTH makes."""
    r = c.ok('GENURLAUTH ' + ' '.join('%s INTERNAL' % quote(u) for u in rumps)).one('GENURLAUTH')
    made = [text(u) for u in r.data]
    assert len(made) == len(rumps)
    for rump, full in zip(rumps, made):
        assert re.fullmatch(re.escape(rump) + ':internal:[0-9a-f]{32,}', full)
    return made


def fetch(c, *urls):
    """URL → what URLFETCH gives: bytes, or None."""
    out = {}
    for r in c.ok('URLFETCH ' + ' '.join(quote(u) for u in urls)).all('URLFETCH'):
        for name, value in zip(r.data[::2], r.data[1::2]):
            out[text(name)] = value
    assert sorted(out) == sorted(set(urls))
    return out


def get(c, one):
    return fetch(c, one)[one]


class Box:
    """A connection of a user whose INBOX has a message."""

    def __init__(self, c, user):
        self.c, self.user = c, user
        self.uid = c.append(mail.NESTED)

    def url(self, *a, **more):
        return url(self.user, self.uid, *a, **more)

    def make(self, *a, **more):
        return generate(self.c, self.url(*a, **more))[0]


@pytest.fixture
def joe(imap, user):
    return Box(imap, user)


@pytest.fixture
def fred(server, connect):
    """A connection of somebody else, and his name."""
    name = server.user()
    c = connect(user=name)
    c.name = name
    return c


def test_announced(imap):
    assert 'URLAUTH' in imap.capabilities()


# GENURLAUTH: the examples of RFC 4467 7, and each of its checks.


def test_examples(joe, fred):
    whole = 'imap://%s@localhost/INBOX/;uid=%d/;section=1' % (joe.user, joe.uid)
    joe.c.bad('GENURLAUTH %s INTERNAL' % quote(whole))                                                                # no access identifier
    joe.c.bad('GENURLAUTH "imap://localhost/INBOX/;uid=%d/;section=1;urlauth=submit+fred" INTERNAL' % joe.uid)         # no owner
    made = generate(joe.c, whole + ';urlauth=user+' + fred.name)[0]
    assert get(fred, made) == b'Part one.'


def test_generate_checks(joe, fred, login):
    for bad in (joe.url(mailbox='Nowhere'),                                  # (1) no such mailbox
                url(fred.name, joe.uid), url('nobody', joe.uid),              # (2) somebody else's, nobody's
                joe.url(host='elsewhere.example'), joe.url(host='localhost:993'),
                joe.url(access=''), joe.url(access='submit'), joe.url(access='submit+'), joe.url(access='user'), joe.url(access='authuser+x'),
                joe.url(access='anonymous+x'), joe.url(access='stream+x'), joe.url(access='unknown'), joe.url(access='unknown+x'),      # (3)
                'imap://%s@localhost/;urlauth=anonymous' % joe.user, 'imap://%s@localhost/INBOX;urlauth=anonymous' % joe.user,
                'imap://%s@localhost/INBOX?SUBJECT%%20x;urlauth=anonymous' % joe.user, 'imap://%s@localhost/*;TYPE=LIST;urlauth=anonymous' % joe.user,
                '/INBOX/;uid=1;urlauth=anonymous', '//%s@localhost/INBOX/;uid=1;urlauth=anonymous' % joe.user, 'http://x/', 'x',
                joe.url(rest='/;section=zz'), joe.url(rest='/'), joe.url(rest=';expire=tomorrow'), joe.url(rest=';expire=2027-02-30T00:00:00Z'),
                'imap://%s@localhost/INBOX/;uid=1;urlauth=anonymous;expire=2027-01-01T00:00:00Z' % joe.user,
                joe.url() + ':internal:' + TOKEN):
        c = login()
        c.bad('GENURLAUTH %s INTERNAL' % quote(bad))
        # All or none.
        assert not c.bad('GENURLAUTH %s INTERNAL %s INTERNAL' % (quote(joe.url()), quote(bad))).all('GENURLAUTH')
    for unknown in ('XSAMPLE', 'internalx'):
        joe.c.no('GENURLAUTH %s %s' % (quote(joe.url()), unknown))


@pytest.mark.parametrize('bad', [
    'GENURLAUTH', 'GENURLAUTH x', 'GENURLAUTH "x" ', 'GENURLAUTH x INTERNAL ', 'GENURLAUTH (x INTERNAL)', 'URLFETCH', 'URLFETCH ', 'URLFETCH a  b', 'URLFETCH (a',
                'RESETKEY ', 'RESETKEY INBOX ', 'RESETKEY INBOX "INTERNAL"', 'RESETKEY INBOX (INTERNAL)'])
def test_syntax(imap, bad):
    imap.bad(bad)


def test_states(anon, joe):
    """Only in the authenticated and selected states."""
    for command in ('GENURLAUTH x INTERNAL', 'URLFETCH x', 'RESETKEY'):
        anon.bad(command)
    made = joe.make()
    joe.c.select()
    assert get(joe.c, made) == mail.NESTED


def test_several(joe):
    made = generate(joe.c, joe.url(), joe.url('/;section=1'), joe.url('/;section=1.MIME'))
    assert len(set(u[-64:] for u in made)) == 3
    got = fetch(joe.c, *made, made[0] + '0', 'nonsense')
    assert [got[u] for u in made] == [mail.NESTED, b'Part one.', joe.c.select() and joe.c.body(1, '1.MIME')]
    assert got[made[0] + '0'] is None and got['nonsense'] is None


def test_literals(joe):
    """A url is an astring."""
    made = joe.make('/;section=1')
    assert joe.c.ok('URLFETCH ', Lit(made)).one('URLFETCH').data[1] == b'Part one.'
    assert joe.c.ok('GENURLAUTH ', Lit(joe.url()), ' internal').one('GENURLAUTH')


# URLFETCH.


@pytest.mark.parametrize('section', ['', 'HEADER', 'TEXT', '1', '1.MIME', '2', '3', '3.HEADER', '3.TEXT', '4.2.HEADER', 'HEADER.FIELDS%20(Subject%20To)'])
def test_sections(joe, fred, section):
    """What FETCH BODY.PEEK gives, and pieces of it (RFC 5092 6); \\Seen is left alone."""
    joe.c.select()
    name = section.replace('%20', ' ')
    want = next(v for k, v in joe.c.ok('UID FETCH %d BODY.PEEK[%s]' % (joe.uid, name)).fetch().items() if k.startswith('BODY['))
    part = '/;section=' + section if section else ''
    assert get(fred, joe.make(part)) == want
    assert get(fred, joe.make(part + '/;partial=2.5')) == want[2:7]
    assert get(fred, joe.make(part + '/;partial=3')) == want[3:]
    assert get(fred, joe.make(part + '/;partial=100000')) == b''
    assert '\\Seen' not in map(str, joe.c.flags()[1])


@pytest.mark.parametrize('rest', ['/;section=9', '/;section=1.1', '/;section=1.HEADER'])
def test_no_such_part(joe, rest):
    assert get(joe.c, joe.make(rest)) is None


def test_nil(joe, fred):
    """RFC 4467 7: NIL for whatever is not right, without a word more; always OK."""
    made = joe.make('/;section=1')
    head, token = made.rsplit(':', 1)
    wrong = [made[:-1], made + '0', head, head + ':', head + ':' + token[:-1] + ('0' if token[-1] != '0' else '1'), head + ':' + TOKEN, head + ':00' + token[2:],
             head.replace(':internal', ':other') + ':' + token,
             made.replace(';section=1', ';section=2'), made.replace('INBOX', 'inbox'), made.replace('imap://', 'IMAP://'), made.replace('localhost', 'LOCALHOST'),
             made.replace('urlauth=', 'URLAUTH='), made.replace('anonymous', 'authuser'), made.replace('INBOX', 'INBO%58'), made.replace(joe.user, fred.name),
             made.replace(joe.user, 'nobody'), made.replace('INBOX', 'Nowhere'), made.replace('@localhost', '@elsewhere'), made.replace(joe.user + '@', ''),
             joe.url(), 'imap://%s@localhost/' % joe.user, 'imap://%s@localhost/INBOX' % joe.user, 'imap://%s@localhost/INBOX?SUBJECT' % joe.user,
             'imap://%s@localhost/*;TYPE=LIST' % joe.user, '/INBOX/;uid=%d' % joe.uid, 'imap://%s@localhost/INBOX/;uid=%d' % (joe.user, joe.uid), 'x', 'a' * 9000]
    for w in wrong:
        assert get(joe.c, w) is None and get(fred, w) is None, w
    assert get(fred, made) == b'Part one.'
    # Hexadecimal digits are what they are in capitals too.
    assert get(fred, head + ':' + token.upper()) == b'Part one.'


def test_message_gone(joe, fred):
    made, other = joe.make(), url(joe.user, joe.uid + 1)
    missing = generate(joe.c, other)[0]
    assert get(fred, missing) is None
    joe.c.select()
    joe.c.ok('STORE 1 +FLAGS (\\Deleted)')
    assert get(fred, made) == mail.NESTED
    joe.c.ok('EXPUNGE')
    assert get(fred, made) is None


def test_uidvalidity(joe):
    validity = joe.c.status('INBOX', 'UIDVALIDITY')['UIDVALIDITY']
    right, wrong = (joe.url().replace('/;uid', ';UIDVALIDITY=%d/;uid' % v) for v in (validity, validity + 1))
    right, wrong = generate(joe.c, right, wrong)
    assert get(joe.c, right) == mail.NESTED and get(joe.c, wrong) is None


def test_renamed_and_deleted(joe, fred):
    """The name in the URL must be that of the mailbox that it was made of."""
    joe.c.ok('CREATE box')
    uid = joe.c.append(mail.numbered(1), 'box')
    made = generate(joe.c, url(joe.user, uid, mailbox='box'))[0]
    assert get(fred, made) == mail.numbered(1)
    joe.c.ok('RENAME box other')
    assert get(fred, made) is None
    joe.c.ok('CREATE box')
    assert joe.c.append(mail.numbered(2), 'box') == uid
    assert get(fred, made) is None
    joe.c.ok('DELETE box')
    joe.c.ok('RENAME other box')
    assert get(fred, made) == mail.numbered(1)
    # Deleted while it has a child, it leaves a level; a mailbox made in its place is another one, whatever its number.
    joe.c.ok('CREATE box/child')
    joe.c.ok('DELETE box')
    assert get(fred, made) is None
    joe.c.ok('CREATE box')
    assert joe.c.append(mail.numbered(2), 'box') == uid
    assert get(fred, made) is None


def test_rename_inbox(joe, fred):
    made = joe.make()
    joe.c.ok('RENAME INBOX old')
    assert get(fred, made) is None
    moved = generate(joe.c, url(joe.user, 1, mailbox='old'))[0]
    assert get(fred, moved) == mail.NESTED


def test_names(joe, fred):
    """Names of mailboxes are percent-encoded UTF-8 (RFC 5092 8)."""
    joe.c.ok('CREATE "a;b c/&AOk-"')
    uid = joe.c.append(mail.numbered(1), 'a;b c/&AOk-')
    made = generate(joe.c, url(joe.user, uid, mailbox='a%3Bb%20c/%C3%A9'))[0]
    assert get(fred, made) == mail.numbered(1)


def test_large(joe, fred):
    """Bytes are streamed as they are."""
    body = b'Subject: large\r\n\r\n' + b''.join(b'%070d\r\n' % n for n in range(50000))
    uid = joe.c.append(body)
    made = generate(joe.c, url(joe.user, uid), url(joe.user, uid, '/;section=TEXT/;partial=1000000.100'))
    got = fetch(fred, *made)
    assert hashlib.sha256(got[made[0]]).digest() == hashlib.sha256(body).digest()
    assert got[made[1]] == body[1000018:1000118]


def test_many_urls(joe):
    made = joe.make('/;section=1')
    r = joe.c.ok('URLFETCH ' + ' '.join([quote(made)] * 100)).all('URLFETCH')
    assert len(r) == 100 and all(x.data[1] == b'Part one.' for x in r)
    joe.c.no('URLFETCH ' + ' '.join(['x'] * 1001), code='LIMIT')


def test_selected_mailbox_is_left_alone(joe, fred):
    fred.append(mail.numbered(7))
    fred.select()
    made = joe.make('/;section=1')
    assert get(fred, made) == b'Part one.'
    assert fred.body(1) == mail.numbered(7)


# Expiry (RFC 4467 3).


def stamp(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))


def test_expire(joe, fred):
    good = [joe.make(';expire=' + s) for s in (stamp(3600), '2199-12-31T23:59:60+23:59', '2199-01-01t00:00:00.123z')]
    bad = [joe.make(';expire=' + s) for s in (stamp(-3600), '1994-07-17T02:44:25-07:00', '2001-01-01T00:00:00.5Z')]
    got = fetch(fred, *good, *bad)
    assert all(got[u] == mail.NESTED for u in good) and not any(got[u] for u in bad)
    # It is part of what the token is made of.
    assert get(fred, bad[0].replace(re.search('expire=([^;]*)', bad[0]).group(1), stamp(7200))) is None


def test_expires_while_it_is_used(joe):
    """In the second after it: waited for without a clock of our own, for the test knows only what the server says."""
    made = joe.make(';expire=' + stamp(2))
    assert get(joe.c, made) == mail.NESTED
    until = calendar.timegm(time.strptime(re.search('expire=([^;]*)Z', made).group(1), '%Y-%m-%dT%H:%M:%S')) + 30
    while get(joe.c, made) is not None:
        assert time.time() < until


# Access identifiers.


def test_access_identifiers(joe, fred, server, connect):
    third = connect(user=server.user())
    made = dict((a, joe.make(access=a)) for a in ('anonymous', 'authuser', 'user+' + fred.name, 'USER+' + fred.name.upper(), 'user+' + joe.user, 'submit+' + fred.name, 'stream'))
    may = {'anonymous': (1, 1, 1), 'authuser': (1, 1, 1), 'user+' + fred.name: (0, 1, 0), 'USER+' + fred.name.upper(): (0, 1, 0), 'user+' + joe.user: (1, 0, 0),
           'submit+' + fred.name: (0, 0, 0), 'stream': (0, 0, 0)}
    for access, u in made.items():
        for c, allowed in zip((joe.c, fred, third), may[access]):
            assert get(c, u) == (mail.NESTED if allowed else None), access


def test_user_that_is_not_there(joe):
    """Nobody learns from GENURLAUTH who has an account."""
    assert get(joe.c, joe.make(access='user+nobody-at-all')) is None


@pytest.mark.own_server
def test_applications():
    server = Server(users=6, args=['--set', 'urlauth_entities={"submit+=user4", "stream=user5", "print=user6", "fax+=user6", "submit+=user6"}'])
    server.start()
    try:
        joe = Box(server.login('user1'), 'user1')
        clients = dict((n, server.login('user%d' % n)) for n in (1, 2, 4, 5, 6))
        for access, users in (('submit+user2', {4, 6}), ('stream', {5}), ('print', {6}), ('fax+user2', {6}), ('SUBMIT+nobody', {4, 6})):
            u = joe.make(access=access)
            assert set(n for n, c in clients.items() if get(c, u) == mail.NESTED) == users, access
        for unknown in ('print+user2', 'fax', 'stream+user5', 'x'):
            joe.c.bad('GENURLAUTH %s INTERNAL' % quote(joe.url(access=unknown)))
        # The log says who used what (RFC 5593 3.2).
        assert re.search(r'event=urlfetch .*user=user5 owner=user1 application=stream', server.log())
        for c in clients.values():
            c.close()
        joe.c.close()
    finally:
        server.close()


# RESETKEY.


def test_resetkey(joe, fred):
    joe.c.ok('CREATE box')
    uid = joe.c.append(mail.numbered(1), 'box')
    inbox, box = joe.make(), generate(joe.c, url(joe.user, uid, mailbox='box'))[0]
    r = joe.c.ok('RESETKEY INBOX')
    assert [str(w) for w in r.code] == ['URLMECH', 'INTERNAL']
    assert get(fred, inbox) is None and get(fred, box) == mail.numbered(1)
    again = joe.make()
    assert again != inbox and get(fred, again) == mail.NESTED
    joe.c.ok('RESETKEY box INTERNAL', code='URLMECH')
    assert get(fred, box) is None and get(fred, again) == mail.NESTED
    joe.c.ok('RESETKEY')
    assert get(fred, again) is None
    assert joe.make() not in (inbox, again)
    for wrong in ('RESETKEY Nowhere', 'RESETKEY INBOX XSAMPLE', 'RESETKEY INBOX INTERNAL XSAMPLE'):
        joe.c.no(wrong)


def test_key_stays(joe):
    """URLs are made by the same key until it is reset."""
    assert joe.make() == joe.make()


def told(r):
    return [str(w) for u in r.untagged if u.code and str(u.code[0]) == 'URLMECH' for w in u.code]


def test_urlmech_on_select(joe):
    for command in ('SELECT INBOX', 'EXAMINE INBOX'):
        assert told(joe.c.ok(command)) == ['URLMECH', 'INTERNAL']


def test_sessions_with_it_selected_are_told(joe, login):
    one, two, three = login(), login(), login()
    one.select()
    two.ok('EXAMINE INBOX')
    three.ok('SELECT Drafts')
    joe.make()
    joe.c.ok('RESETKEY INBOX')
    assert told(one.ok('NOOP')) == told(two.ok('NOOP')) == ['URLMECH', 'INTERNAL'] and told(three.ok('NOOP')) == []
    assert told(one.ok('NOOP')) == []
    tag = one.idle()
    joe.c.ok('RESETKEY')
    one.wait(lambda r: r.code and str(r.code[0]) == 'URLMECH')
    one.done(tag)
    # Its own answer says it.
    assert told(two.ok('NOOP')) == ['URLMECH', 'INTERNAL']
    r = two.ok('RESETKEY INBOX')
    assert r.code and told(r) == []
    assert told(two.ok('NOOP')) == []


def test_keys_are_no_annotations(joe):
    joe.c.ok('ENABLE METADATA')
    assert not joe.c.ok('GENURLAUTH %s INTERNAL' % quote(joe.url())).all('METADATA')
    for name in ('""', 'INBOX'):
        r = joe.c.ok('GETMETADATA (DEPTH infinity) %s (/private /shared)' % name)
        assert not [w for m in r.all('METADATA') for w in m.data[1][1::2] if w is not None]


# Sharing: the URL grants what its user has, when it is fetched (RFC 4467 7).


def test_shared_mailbox(joe, fred, server, connect):
    third = connect(user=server.user())
    theirs = 'Other%%20Users/%s/INBOX' % joe.user
    rump = url(fred.name, joe.uid, mailbox=theirs)
    fred.bad('GENURLAUTH %s INTERNAL' % quote(rump))
    joe.c.ok('SETACL INBOX %s l' % fred.name)
    fred.bad('GENURLAUTH %s INTERNAL' % quote(rump))
    joe.c.ok('SETACL INBOX %s lr' % fred.name)
    made, own = generate(fred, rump)[0], joe.make()
    assert get(third, made) == mail.NESTED
    # Each has a key of his own (RFC 4467 2.2).
    joe.c.ok('RESETKEY INBOX')
    assert get(third, own) is None and get(third, made) == mail.NESTED
    own = joe.make()
    fred.ok('RESETKEY "Other Users/%s/INBOX"' % joe.user)
    assert get(third, own) == mail.NESTED and get(third, made) is None
    made = generate(fred, rump)[0]
    assert get(third, made) == mail.NESTED
    joe.c.ok('DELETEACL INBOX %s' % fred.name)
    assert get(third, made) is None and get(fred, made) is None
    joe.c.ok('SETACL INBOX %s lr' % fred.name)
    assert get(third, made) == mail.NESTED
    fred.ok('RESETKEY')
    assert get(third, made) is None


def test_owner_takes_his_own_right(joe, fred):
    made = joe.make()
    joe.c.ok('SETACL INBOX %s la' % joe.user)
    assert get(fred, made) is None
    joe.c.ok('SETACL INBOX %s lra' % joe.user)
    assert get(fred, made) == mail.NESTED


# With others.


def test_after_unauthenticate(joe, server):
    made = joe.make(access='user+' + joe.user)
    joe.c.ok('UNAUTHENTICATE')
    joe.c.bad('URLFETCH ' + quote(made))
    other = server.user()
    joe.c.login(other, server.password)
    assert get(joe.c, made) is None


def test_catenate_takes_none(joe):
    """RFC 4469 3: CATENATE reads as the user, by URLs that need no token."""
    made = joe.make('/;section=1')
    joe.c.no('APPEND INBOX CATENATE (URL %s)' % quote(made), code='BADURL')


def test_utf8_and_rev2(login, user):
    c = login()
    c.enable('IMAP4rev2', 'UTF8=ACCEPT')
    joe = Box(c, user)
    assert get(c, joe.make()) == mail.NESTED


def test_delivered_message(server, lmtp, connect):
    user = server.user()
    assert [r.code for r in lmtp.deliver(mail.NESTED, [user])] == [250]
    c = connect(user=user)
    c.select()
    made = generate(c, url(user, 1), url(user, 1, '/;section=HEADER'))
    got = fetch(c, *made)
    assert got[made[0]] == c.body(1) and got[made[1]] == c.body(1, 'HEADER')


@pytest.mark.own_server
def test_keys_outlive_the_server():
    server = Server(users=2)
    server.start()
    try:
        joe = Box(server.login('user1'), 'user1')
        made, gone = joe.make(), joe.make('/;section=1')
        assert get(joe.c, made) == mail.NESTED
        server.crash()
        server.launch()
        c = server.login('user2')
        assert get(c, made) == mail.NESTED
        again = server.login('user1')
        again.ok('RESETKEY INBOX')
        server.crash()
        server.launch()
        c = server.login('user2')
        assert get(c, made) is None and get(c, gone) is None
    finally:
        server.close()
