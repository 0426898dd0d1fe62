"""LANGUAGE (RFC 5255 3): the words for people in responses, and translated namespaces."""

import pytest

from harness import tls
from harness.imap import Lit, text
from harness.server import Server

LANGUAGES = ['i-default', 'en', 'de', 'es', 'fr', 'ja', 'zh']


def spoken(r):
    """The languages of the LANGUAGE response."""
    data = r.one('LANGUAGE').data
    assert len(data) == 1 and isinstance(data[0], list)
    return [text(t).lower() for t in data[0]]


def words(r):
    return [text(u.text) for u in r.untagged + [r.tagged] if u.text]


def is_ascii(word):
    return all(ord(c) < 128 for c in word)


def test_capability(anon, imap):
    """3.1: in the greeting, and in CAPABILITY; NAMESPACE is there too."""
    assert 'LANGUAGE' in [str(w) for w in anon.greeting.code]
    assert 'LANGUAGE' in anon.capabilities() and {'LANGUAGE', 'NAMESPACE'} <= imap.capabilities()


def test_rfc5255_examples(imap):
    """The examples of 3.2, in their order, as far as this server speaks the same languages."""
    assert is_ascii(imap.ok('NOOP').text)
    # A002: a language that no server supports; what was spoken before is still spoken.
    r = imap.no('LANGUAGE MUL')
    assert not r.all('LANGUAGE') and is_ascii(r.text)
    # A003: which there are.
    assert sorted(spoken(imap.ok('LANGUAGE'))) == sorted(LANGUAGES)
    # C001: from the response on.
    r = imap.ok('LANGUAGE DE')
    assert spoken(r) == ['de'] and 'Deutsch' in r.text
    personal, other, shared = r.one('NAMESPACE').data
    assert personal == [[b'', b'/']] and other[0][:2] == [b'Other Users/', b'/'] and shared[0][:2] == [b'Shared/', b'/']
    assert [text(w) for w in (other[0][2], *other[0][3])] == ['TRANSLATION', 'Andere Benutzer/']
    assert [text(w) for w in (shared[0][2], *shared[0][3])] == ['TRANSLATION', 'Gemeinsam/']
    # D001: refused in the language that is spoken.
    r = imap.no('LANGUAGE MUL')
    assert not r.all('LANGUAGE') and 'Sprachen' in r.text
    # D002: German as spoken in Italy is looked up as German.
    assert spoken(imap.ok('LANGUAGE DE-IT')) == ['de']
    # D003: what the administrator likes best; here that is what was spoken at first.
    assert spoken(imap.ok('LANGUAGE "default"')) == ['i-default']
    # E001: the first range that is known.
    r = imap.ok('LANGUAGE MUL-CA EN-CA')
    assert spoken(r) == ['en'] and is_ascii(r.text)


@pytest.mark.parametrize('ranges, answer', [
    ('de-CH-1996', 'de'), ('zh-Hant-x-private', 'zh'), ('zh-CN', 'zh'), ('ZH-hans-cn', 'zh'), ('I-DEFAULT', 'i-default'), ('DEFAULT', 'i-default'),
    ('"*"', 'i-default'), ('tlh ja-JP en', 'ja'), ('"fr-*" de', 'fr'), ('"es"', 'es'), ('en-a-bbb-x-a-ccc', 'en'), ('tlh "*" de', 'i-default')])
def test_matching(imap, ranges, answer):
    """RFC 4647 2 and 3.4: ranges in their order, each shortened until something matches."""
    assert spoken(imap.ok('LANGUAGE ' + ranges)) == [answer]


@pytest.mark.parametrize('ranges', ['i', 'tlh', 'd', 'deu', 'tlh-de', '"*-DE"', 'en1 tlh', 'x-de'])
def test_not_spoken(imap, ranges):
    if ranges.startswith('en1'):
        imap.bad('LANGUAGE ' + ranges)
    else:
        imap.no('LANGUAGE ' + ranges)


@pytest.mark.parametrize('ranges', ['', '""', 'de_CH', 'de-', '-de', 'de--ch', 'abcdefghi', 'de-abcdefghi', 'd3', '(de)', 'de,fr', 'de ', ' '.join(['de'] * 200)])
def test_wrong_arguments(imap, ranges):
    imap.refused('LANGUAGE ' + ranges)
    assert is_ascii(imap.ok('NOOP').text)


def test_literal(imap):
    assert spoken(imap.ok('LANGUAGE ', Lit('fr'))) == ['fr']


def test_before_login(anon, server):
    """3.1: valid in all states; no namespaces are told to who has not logged in."""
    user = server.user()
    r = anon.ok('LANGUAGE fr')
    assert spoken(r) == ['fr'] and not r.all('NAMESPACE')
    assert anon.cmd('LOGIN %s wrong-password' % user).text == 'L’authentification a échoué.'
    assert anon.ok('LOGIN %s %s' % (user, server.password)).text == 'Connecté.'
    assert anon.ok('CREATE boite').text == 'CREATE effectué.'
    assert anon.no('SELECT nowhere', code='NONEXISTENT').text == 'Cette boîte aux lettres n’existe pas.'
    assert anon.bad('FETCH').text != 'Syntax error.'


@pytest.mark.parametrize('language', LANGUAGES[2:])
def test_all_is_said_in_it(login, language):
    """3.2: all words that come in the course of some commands are in the language; i-default and en are the same English, in ASCII."""
    one, two = login(), login()
    assert spoken(one.ok('LANGUAGE ' + language)) == [language]
    commands = ['CREATE a', 'SELECT a', 'SELECT INBOX', 'STATUS a (MESSAGES)', 'LIST "" *', 'FETCH 1:* (FLAGS)', 'FETCH 9 FLAGS', 'NONSENSE', 'LIST', 'LOGIN a b',
                'STORE 1 FLAGS ()', 'RENAME a a/b', 'DELETE INBOX', 'SEARCH CHARSET X-NONE ALL', 'SEARCH FILTER x', 'CANCELUPDATE "x"', 'COMPARATOR x',
                'SETMETADATA "" (/shared/x "y")', 'GETQUOTA x', 'UID NOOP', 'EXAMINE a', 'STORE 1 +FLAGS (x)', 'EXPUNGE', 'UNSELECT', 'EXPUNGE', 'LOGOUT']
    for command in commands:
        own = [text(u.text) for u in one.cmd(command).untagged if u.text] if command == 'LOGOUT' else words(one.cmd(command))
        english = [text(u.text) for u in two.cmd(command).untagged if u.text] if command == 'LOGOUT' else words(two.cmd(command))
        assert len(own) == len(english), command
        for a, b in zip(own, english):
            assert a != b, (command, a)
            assert is_ascii(b) and (is_ascii(a) or language != 'i-default')
            assert '?' not in a and '\ufffd' not in a


def test_translation_is_in_modified_utf7(imap):
    """3.4: whatever else is enabled."""
    imap.enable('UTF8=ACCEPT')
    imap.ok('LANGUAGE ja')
    _, other, shared = imap.ok('NAMESPACE').one('NAMESPACE').data
    assert text(other[0][3][0]) == '&TtYwbjDmMPwwtjD8-/' and text(shared[0][3][0]) == '&UXFnCQ-/'
    imap.ok('LANGUAGE en')
    assert all(len(s[0]) == 2 for s in imap.ok('NAMESPACE').one('NAMESPACE').data)


def test_no_translation_by_default(imap):
    assert all(len(s[0]) == 2 for s in imap.ok('NAMESPACE').one('NAMESPACE').data)


def test_unauthenticate(imap, server):
    """RFC 8437 3: all is as before login, the language too."""
    imap.ok('LANGUAGE de')
    imap.ok('UNAUTHENTICATE')
    assert imap.no('LOGIN x y').text == 'Authentication failed.'


def test_starttls(connect, server):
    """3.1, 7: what was negotiated before TLS may be somebody else's choice."""
    c = connect()
    if 'STARTTLS' not in c.capabilities():
        pytest.skip('no STARTTLS here')
    c.ok('LANGUAGE de')
    c.starttls(tls.context())
    assert is_ascii(c.ok('NOOP').text) and c.ok('NOOP').text == 'NOOP completed.'


def test_preferred():
    """3.2: "default" is what the administrator has said; nobody gets it who has not asked."""
    server = Server(users=1, args=['--set', 'language=ja', '--set', 'namespace_shared=Team'])
    server.start()
    try:
        c = server.login(server.user())
        assert c.ok('NOOP').text == 'NOOP completed.'
        r = c.ok('LANGUAGE default')
        assert spoken(r) == ['ja'] and r.text == 'これより日本語で応答します。'
        # A name of the administrator's own is not translated.
        _, other, shared = r.one('NAMESPACE').data
        assert len(other[0]) == 4 and shared == [[b'Team/', b'/']]
        c.close()
    finally:
        server.close()
