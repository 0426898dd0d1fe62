"""What ENABLE IMAP4rev2 changes (RFC 9051, appendix E), and what stays."""

import pytest

from harness import mail
from harness.imap import Lit, text


@pytest.fixture
def rev2(imap):
    imap.test_uids = [imap.append(mail.numbered(n)) for n in (1, 2, 3)]
    assert 'IMAP4REV2' in [str(a).upper() for a in imap.enable('IMAP4rev2').one('ENABLED').data]
    return imap


def oldnames(r):
    """Mailbox name → OLDNAME of the LIST responses."""
    out = {}
    for x in r.all('LIST'):
        for i, item in enumerate(x.data[3][::2] if len(x.data) > 3 else []):
            if text(item).upper() == 'OLDNAME':
                out[text(x.data[2])] = text(x.data[3][2 * i + 1][0])
    return out


def test_oldname_when_a_name_is_normalised(rev2):
    """RFC 9051 6.3.2, 6.3.4, 6.3.9.7: LIST with OLDNAME tells what became of the name that was given."""
    decomposed = 'Cafe\u0301'
    assert oldnames(rev2.ok('CREATE "%s"' % decomposed)) == {'Café': decomposed}
    assert oldnames(rev2.ok('SELECT "%s"' % decomposed)) == {'Café': decomposed}
    assert oldnames(rev2.ok('CREATE plain')) == {}


def test_oldname_of_other_commands(rev2):
    """RFC 9051 6.3.5, 6.3.6, 6.3.12: DELETE (\\NonExistent), RENAME (what was given for the old name), APPEND."""
    decomposed = 'Cafe\u0301'
    message = Lit(mail.numbered(4))
    rev2.ok('CREATE plain')
    assert oldnames(rev2.ok('RENAME plain "%s"' % decomposed)) == {'Café': 'plain'}
    assert oldnames(rev2.ok('APPEND "%s" ' % decomposed, message)) == {'Café': decomposed}
    large = Lit(mail.numbered(5) + b'x' * 500000)   # what was said before it is long gone
    assert oldnames(rev2.ok('APPEND "%s" ' % decomposed, large, ' ', large)) == {'Café': decomposed}
    rev2.select()
    assert oldnames(rev2.ok('REPLACE 1 "%s" ' % decomposed, message)) == {'Café': decomposed}
    assert oldnames(rev2.ok('RENAME "%s" plain' % decomposed)) == {'plain': decomposed}
    assert oldnames(rev2.ok('RENAME plain "Café"')) == {}
    assert oldnames(rev2.ok('APPEND "Café" ', message)) == {}
    r = rev2.ok('DELETE "%s"' % decomposed)
    assert oldnames(r) == {'Café': decomposed} and '\\nonexistent' in r.list()['Café']
    rev2.ok('CREATE "Café/below"')
    r = rev2.ok('DELETE "%s"' % decomposed)
    assert oldnames(r) == {'Café': decomposed} and '\\nonexistent' in r.list()['Café']
    assert oldnames(rev2.ok('DELETE "Café/below"')) == {}


def test_search_text_is_utf8_without_charset(rev2):
    """RFC 9051 6.4.4: without CHARSET an IMAP4rev2 server MUST assume UTF-8."""
    rev2.append(mail.UTF8_TEXT)
    rev2.select()
    assert rev2.ok('SEARCH SUBJECT ', Lit('Übergröße')).search() == [4]
    assert rev2.ok('SEARCH BODY "日本語"').search() == [4]


def test_both_revisions_are_advertised(anon):
    """RFC 9051 A: a server of both says both."""
    assert {'IMAP4REV1', 'IMAP4REV2'} <= anon.capabilities()


def test_select(rev2):
    """E.9 to E.12: no RECENT, no UNSEEN code, an untagged LIST for the mailbox."""
    r = rev2.select()
    assert r.all('RECENT') == [] and 'UNSEEN' not in r.codes()
    assert set(r.list()) == {'INBOX'}
    assert r.one('EXISTS').number == 3
    codes = r.codes()
    assert codes['UIDNEXT'] and codes['UIDVALIDITY'] and 'PERMANENTFLAGS' in codes


def test_select_in_odd_case_lists_the_name(rev2):
    """RFC 9051 6.3.2: LIST tells the name as the server has it."""
    r = rev2.ok('SELECT inbox')
    assert set(r.list()) == {'INBOX'}


def test_reselect_tells_closed(rev2):
    """E.9: [CLOSED] comes before anything of the new mailbox."""
    rev2.select()
    r = rev2.ok('SELECT Drafts')
    kinds = [x.code[0] if x.code else x.name for x in r.untagged]
    assert kinds[0] == 'CLOSED'
    rev2.select()
    r = rev2.no('SELECT nowhere')
    assert 'CLOSED' in r.codes()


def test_no_recent_flag(rev2):
    """E.12: \\Recent is not shown."""
    rev2.select()
    for a in rev2.ok('FETCH 1:3 FLAGS').fetches().values():
        assert '\\recent' not in [str(f).lower() for f in a['FLAGS']]


@pytest.mark.parametrize('command', ['SEARCH ALL', 'SEARCH SUBJECT "Message 2"', 'UID SEARCH ALL', 'SEARCH SUBJECT nothinglikethis'])
def test_search_answers_esearch(rev2, command):
    """E.4: ESEARCH, also when nothing is found."""
    rev2.select()
    r = rev2.ok(command)
    assert r.all('SEARCH') == []
    e = r.esearch()
    assert e['TAG'] == r.tagged.tag
    assert ('UID' in e) == command.startswith('UID')
    assert ('ALL' in e) == ('nothing' not in command)


def test_unsolicited_fetch_has_uid(rev2, login):
    """E.21."""
    rev2.select()
    other = login()
    other.select()
    other.ok('STORE 2 +FLAGS (\\Seen)')
    assert rev2.ok('NOOP').fetch(2)['UID'] == rev2.test_uids[1]


def test_unsolicited_fetch_in_idle_has_uid(rev2, login):
    rev2.select()
    tag = rev2.idle()
    other = login()
    other.select()
    other.ok('STORE 1 +FLAGS (\\Flagged)')
    assert rev2.wait_name('FETCH', 1).attrs['UID'] == rev2.test_uids[0]
    rev2.done(tag)


def test_utf8_names(rev2):
    """E.16: mailbox names are UTF-8, both ways, and the modified UTF-7 of others is the same mailbox."""
    rev2.ok('CREATE "Größe/日本"')
    assert {'Größe', 'Größe/日本'} <= set(rev2.ok('LIST "" "Gr*"').list())
    assert rev2.status('Größe', 'MESSAGES') == {'MESSAGES': 0}
    rev2.ok('SELECT "Größe/日本"')


def test_utf8_names_seen_from_rev1(rev2, login):
    """RFC 9051 A.1: the other revision sees the same name in modified UTF-7."""
    rev2.ok('CREATE "Größe"')
    assert 'Gr&APYA3w-e' in login().ok('LIST "" Gr*').list()
    login().ok('SELECT Gr&APYA3w-e')


def test_ampersand_is_itself(rev2, login):
    """RFC 9051 5.1: & means nothing special in rev2."""
    rev2.ok('CREATE "Q&A"')
    assert 'Q&A' in rev2.ok('LIST "" "Q*"').list()
    assert 'Q&-A' in login().ok('LIST "" Q*').list()


def test_status_items(rev2):
    """E.3: SIZE and DELETED are in the base."""
    s = rev2.status('INBOX', 'MESSAGES', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', 'DELETED', 'SIZE')
    assert s['DELETED'] == 0 and s['SIZE'] == sum(len(mail.numbered(n)) for n in (1, 2, 3))


def test_old_names_still_work(rev2):
    """Deprecated is not forbidden: clients that enable rev2 and still say these are served or refused, and never broken."""
    rev2.select()
    for command in ('CHECK', 'LSUB "" *', 'FETCH 1 RFC822.HEADER', 'STATUS INBOX (RECENT)', 'SEARCH NEW'):
        rev2.cmd(command)
    rev2.ok('NOOP')


def test_binary_is_in_the_base(rev2):
    rev2.select()
    assert rev2.ok('FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])').fetch()['BINARY.SIZE[1]'] > 0


def test_searchres_and_move_are_in_the_base(rev2):
    rev2.select()
    rev2.ok('SEARCH RETURN (SAVE) SUBJECT "Message 2"')
    assert rev2.ok('MOVE $ Archive').expunged() == [2]


def test_copyuid_of_move_is_untagged(rev2):
    """E.7."""
    rev2.select()
    r = rev2.ok('UID MOVE %d Archive' % rev2.test_uids[0])
    assert any(x.code and x.code[0] == 'COPYUID' for x in r.untagged)


def test_trycreate(rev2):
    """E.8."""
    rev2.select()
    rev2.no('COPY 1 nowhere', code='TRYCREATE')
    rev2.no('MOVE 1 nowhere', code='TRYCREATE')


def test_namespace_and_list_extended(rev2):
    rev2.ok('NAMESPACE').one('NAMESPACE')
    rev2.ok('LIST (SUBSCRIBED) "" * RETURN (SPECIAL-USE CHILDREN STATUS (MESSAGES))')


def test_old_session_is_unchanged(imap):
    """RFC 9051 A: without ENABLE everything is as RFC 3501 says."""
    r = imap.select()
    r.one('RECENT')
    assert r.all('LIST') == []
    imap.ok('SEARCH ALL').one('SEARCH')


def test_keywords_every_server_should_take(rev2):
    """E.15."""
    rev2.select()
    rev2.ok('STORE 1 +FLAGS ($MDNSent $Forwarded $Junk)')
    rev2.ok('STORE 1 FLAGS ($NonJunk $Phishing)')
    assert rev2.flags('1') == {1: {'$nonjunk', '$phishing'}}


def test_enable_twice(rev2):
    """RFC 5161 3.1: what is enabled already is not listed again, or is; it does no harm."""
    rev2.ok('ENABLE IMAP4rev2')
    rev2.select()
    assert rev2.ok('SEARCH ALL').search() == [1, 2, 3]
