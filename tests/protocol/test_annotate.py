"""ANNOTATE-EXPERIMENT-1 (RFC 5257): annotations of messages and their parts."""

import pytest

from harness import mail
from harness.imap import Lit, quote, text

MULTIPART = (b'From: a@example.org\r\nSubject: two parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n'
             b'--x\r\n\r\none\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\r\ntwo one\r\n--y--\r\n--x--\r\n')


def notes(value):
    """ANNOTATION of a FETCH: entry → attribute → value."""
    out = {}
    for name, atts in zip(value[::2], value[1::2]):
        assert text(name) not in out, 'an entry twice'
        out[text(name)] = dict((text(a), v if v is None else text(v)) for a, v in zip(atts[::2], atts[1::2]))
    return out


def fetched(c, number, what):
    got = c.ok('FETCH %d (ANNOTATION (%s))' % (number, what)).fetch(number)
    return notes(got['ANNOTATION']) if 'ANNOTATION' in got else {}


def store(c, number, entries, **more):
    return c.ok('STORE %s ANNOTATION (%s)' % (number, entries), **more)


def names(update):
    return [text(n) for n in update.attrs['ANNOTATION']]


def test_announced(imap):
    """RFC 5257 1; 4.10: the right n."""
    caps = imap.capabilities()
    assert 'ANNOTATE-EXPERIMENT-1' in caps
    assert any(c.startswith('RIGHTS=') and 'N' in c[7:] for c in caps)


def test_select(imap):
    """4.1, 4.2: how long annotations can be; READ-ONLY under EXAMINE. With the parameter and without."""
    for command in ('SELECT INBOX', 'SELECT INBOX (ANNOTATE)', 'SELECT INBOX (ANNOTATE CONDSTORE)', 'SELECT INBOX (CONDSTORE ANNOTATE)'):
        code = imap.ok(command).codes()['ANNOTATIONS']
        assert len(code) == 1 and int(code[0]) >= 1024
    assert [str(a) for a in imap.ok('EXAMINE INBOX (ANNOTATE)').codes()['ANNOTATIONS']] == ['READ-ONLY']
    imap.bad('SELECT INBOX (ANNOTATION)')
    imap.bad('SELECT INBOX ()')


def test_examples_of_4_3(box3):
    """FETCH, 4.3: by name, by wildcards, several entries and attributes."""
    c = box3
    store(c, 1, '/comment (value.priv "My comment" value.shared "Group note")')
    r = c.ok('FETCH 1 (ANNOTATION (/comment value))')
    assert b'(value.priv "My comment" value.shared "Group note")' in b''.join(c.log[-3:])
    assert notes(r.fetch(1)['ANNOTATION']) == {'/comment': {'value.priv': 'My comment', 'value.shared': 'Group note'}}
    store(c, 1, '/comment (value.priv NIL value.shared NIL)')

    store(c, 2, '/comment (value.priv "My comment") /altsubject (value.priv "Rhinoceroses!") /vendor/foobar/label '
                '(value.priv "label43") /vendor/foobar/personality (value.priv "Tallulah Bankhead")')
    got = c.ok('UID FETCH %d (UID ANNOTATION (/* (value.priv size.priv)))' % c.test_uids[1]).fetch(2)
    assert got['UID'] == c.test_uids[1]
    assert notes(got['ANNOTATION']) == {
        '/comment': {'value.priv': 'My comment', 'size.priv': '10'},
        '/altsubject': {'value.priv': 'Rhinoceroses!', 'size.priv': '13'},
        '/vendor/foobar/label': {'value.priv': 'label43', 'size.priv': '7'},
        '/vendor/foobar/personality': {'value.priv': 'Tallulah Bankhead', 'size.priv': '17'}}

    store(c, 3, '/comment (value.shared "Patch Mangler") /altsubject (value.shared "Patches?  We don\'t need no steenkin patches!") '
                '/vendor/foobar/x (value.shared "deep") /1/comment (value.shared "of a part")')
    assert fetched(c, 3, '/% value.shared') == {'/comment': {'value.shared': 'Patch Mangler'},
                                                '/altsubject': {'value.shared': "Patches?  We don't need no steenkin patches!"}}

    store(c, 3, '/comment (value.priv "What a chowder-head") /altsubject (value.priv "How to crush beer cans")')
    assert fetched(c, 3, '(/comment /altsubject) value.priv') == {
        '/comment': {'value.priv': 'What a chowder-head'}, '/altsubject': {'value.priv': 'How to crush beer cans'}}


def test_examples_of_4_4(box3):
    """What has no value is NIL, its size "0"."""
    c = box3
    store(c, 1, '/comment (value.priv "My comment") /altsubject (value.priv "My subject")')
    assert fetched(c, 1, '/comment value') == {'/comment': {'value.priv': 'My comment', 'value.shared': None}}
    assert fetched(c, 1, '(/comment /altsubject) value') == {
        '/comment': {'value.priv': 'My comment', 'value.shared': None}, '/altsubject': {'value.priv': 'My subject', 'value.shared': None}}
    assert fetched(c, 1, '/comment (value size)') == {
        '/comment': {'value.priv': 'My comment', 'value.shared': None, 'size.priv': '10', 'size.shared': '0'}}
    assert b'(value.priv "My comment" value.shared NIL size.priv "10" size.shared "0")' in b''.join(c.log[-3:])
    # A message without any, and an entry that nobody made.
    assert fetched(c, 2, '/comment (value size)') == {
        '/comment': {'value.priv': None, 'value.shared': None, 'size.priv': '0', 'size.shared': '0'}}
    assert fetched(c, 2, '/* value') == {}
    assert fetched(c, 2, '(/* /comment) value.priv') == {'/comment': {'value.priv': None}}


def test_unsolicited(login):
    """4.4: who selected with ANNOTATE is told the names, without values, of what others change; others are told no names."""
    one, two, three = login(name='a'), login(name='b'), login(name='c')
    one.append(mail.numbered(1))
    one.select()
    two.ok('SELECT INBOX (ANNOTATE)')
    three.select()
    store(one, 1, '/comment (value.priv "mine") /altsubject (value.shared "ours")')
    r = two.ok('STORE 1 +FLAGS (\\Seen)')
    update = [u for u in r.all('FETCH') if 'ANNOTATION' in u.attrs]
    assert len(update) == 1 and sorted(names(update[0])) == ['/altsubject', '/comment'] and 'FLAGS' in update[0].attrs
    assert all('ANNOTATION' not in u.attrs for u in three.ok('NOOP').all('FETCH'))
    # Removed, and one that stays as it is.
    store(one, 1, '/comment (value.priv NIL) /altsubject (value.shared "ours")')
    assert names(two.ok('NOOP').one('FETCH')) == ['/comment']
    # One's own are not told.
    assert store(two, 1, '/comment (value.priv "back")').all('FETCH') == []
    assert two.ok('NOOP').all('FETCH') == []
    # While it idles.
    tag = two.begin('IDLE')
    assert two.response().tag == '+'
    store(one, 1, '/comment (value.priv "again")')
    assert names(two.wait(lambda r: r.name == 'FETCH')) == ['/comment']
    two.send('DONE\r\n')
    two.end(tag)
    # The parameter is of one SELECT.
    two.select()
    store(one, 1, '/comment (value.priv "for nobody")')
    assert all('ANNOTATION' not in u.attrs for u in two.ok('NOOP').all('FETCH'))


def test_examples_of_4_5(box3):
    """STORE, 4.5."""
    c = box3
    r = store(c, 1, '/comment (value.priv "My new comment")')
    assert r.all('FETCH') == []
    assert fetched(c, 1, '/comment value.priv') == {'/comment': {'value.priv': 'My new comment'}}
    store(c, 1, '/comment (value.shared "will go")')
    store(c, 1, '/comment (value.shared NIL)')
    assert fetched(c, 1, '/comment value') == {'/comment': {'value.priv': 'My new comment', 'value.shared': None}}
    store(c, 1, '/comment (value.priv "Get tix Tuesday") /altsubject (value.priv "Wots On")')
    assert fetched(c, 1, '/* value.priv') == {'/comment': {'value.priv': 'Get tix Tuesday'}, '/altsubject': {'value.priv': 'Wots On'}}
    store(c, 1, '/comment (value.priv "My new comment" value.shared "foo\'s bar")')
    assert fetched(c, 1, '/comment value') == {'/comment': {'value.priv': 'My new comment', 'value.shared': "foo's bar"}}


def test_store_forms(box3):
    """Several messages; UID STORE; what is empty is a value; the last of two for the same wins; names with case."""
    c = box3
    store(c, '1:3', '/comment (value.shared "all")')
    assert [fetched(c, n, '/comment value.shared')['/comment']['value.shared'] for n in (1, 2, 3)] == ['all'] * 3
    c.ok('UID STORE %d ANNOTATION (/comment (value.shared ""))' % c.test_uids[0])
    assert fetched(c, 1, '/* (value.shared size.shared)') == {'/comment': {'value.shared': '', 'size.shared': '0'}}
    store(c, 2, '/comment (value.shared "a" value.shared "b") /comment (value.shared "c")')
    assert fetched(c, 2, '/comment value.shared') == {'/comment': {'value.shared': 'c'}}
    store(c, 3, '/vendor/x/A (value.priv "big") /vendor/x/a (value.priv "small")')
    assert fetched(c, 3, '/vendor/* value.priv') == {'/vendor/x/A': {'value.priv': 'big'}, '/vendor/x/a': {'value.priv': 'small'}}


def test_binary_and_literals(box3):
    """3.2.2: any bytes, in a literal8; strings and names as literals."""
    c = box3
    data = bytes(range(256))
    c.ok('STORE 1 ANNOTATION (/vendor/x/icon (value.shared ', Lit(data, binary=True), '))')
    got = c.ok('FETCH 1 (ANNOTATION (/vendor/x/icon (value.shared size.shared)))').fetch(1)['ANNOTATION']
    assert got[1][1] == data and text(got[1][3]) == '256'
    assert b'~{256}' in b''.join(c.log)
    c.ok('STORE 1 ANNOTATION (', Lit(b'/comment'), ' (value.priv ', Lit('zwei\r\nZeilen äöü'.encode()), '))')
    assert c.ok('FETCH 1 (ANNOTATION (/comment value.priv))').fetch(1)['ANNOTATION'][1][1].decode() == 'zwei\r\nZeilen äöü'
    c.ok('FETCH 1 (ANNOTATION (', Lit(b'/%'), ' value.priv))')


@pytest.mark.parametrize('entries', [
    '', '/comment', '/comment ()', '/comment (value "x")', '/comment (value.priv)', '/comment (size.priv "1")', '/comment (value.both "x")',
    '/comment (VALUE.PRIV "x")', '/Comment (value.priv "x")', 'comment (value.priv "x")', '//comment (value.priv "x")',
    '/comment/ (value.priv "x")', '/vendor//x (value.priv "x")', '/* (value.priv "x")', '/comm% (value.priv "x")', '/ (value.priv "x")',
    '/flags (value.priv "1")', '/flags/seen (value.priv "1")', '/unknown (value.priv "x")', '/vendor (value.priv "x")',
    '/comment/deeper (value.priv "x")', '/1 (value.priv "x")', '/1/altsubject (value.priv "x")', '/0/comment (value.priv "x")',
    '/1./comment (value.priv "x")', '/.1/comment (value.priv "x")', '/1..1/comment (value.priv "x")', '/01/comment (value.priv "x")',
    '/1x/comment (value.priv "x")', '/1/flags (value.priv "1")', '/1/flags/deleted (value.priv "1")', '/1/flags/seen (value.priv "2")',
    '/1/flags/seen (value.priv "")', '"/com\\"ment" (value.priv "x"', '/comment (value.priv "x") ', '/comment(value.priv "x")',
    '/comment  (value.priv "x")', '/comment (value.priv.priv "x")'])
def test_bad_store(box3, entries):
    """3.2, 3.2.1: names and attributes that are none, and what clients may not use."""
    box3.bad('STORE 1 ANNOTATION (%s)' % entries)
    assert fetched(box3, 1, '/* value') == {}


@pytest.mark.parametrize('what', [
    '/comment', '/comment ()', '() value', '/comment (value)x', '/comment value.both', '/comment VALUE', 'comment value', '//comment value',
    '/comment/ value', '/flags value', '/flags/seen value', '/0/comment value', '/1./comment value', '/comment val%', '//* value',
    '/comment value size', '(/comment) (value', ''])
def test_bad_fetch(box3, what):
    box3.bad('FETCH 1 (ANNOTATION (%s))' % what)


@pytest.mark.parametrize('name', ['/unknown', '/vendor', '/comment/deeper', '/1/altsubject', '/1/flags/deleted'])
def test_names_that_are_not_registered(box3, name):
    """3.2.1: nothing is stored under them. To ask for one is to ask for an entry that does not exist: 3.2.2 demands NIL, and "0" for its size."""
    none = {name: {'value.priv': None, 'value.shared': None, 'size.priv': '0', 'size.shared': '0'}}
    box3.bad('STORE 1 ANNOTATION (%s (value.priv "x"))' % name)
    assert fetched(box3, 1, name + ' (value size)') == none
    assert box3.ok('SEARCH ANNOTATION %s value.priv "x"' % name).search() == []


def test_names_that_are_not_ascii(box3):
    """3.2: BAD."""
    box3.bad('STORE 1 ANNOTATION (', Lit('/vendor/ä'.encode()), ' (value.priv "x"))')
    box3.bad('FETCH 1 (ANNOTATION (', Lit('/ä'.encode()), ' value))')


def test_parts(imap):
    """3.2.1: parts that there are; BAD for others, in STORE and FETCH; flags of parts are "0", "1" or NIL."""
    imap.append(MULTIPART)
    imap.append(mail.numbered(1))
    imap.select()
    store(imap, 1, '/1/comment (value.priv "one") /2.1/comment (value.shared "two one") /2/flags/seen (value.priv "1") '
                   '/1/flags/answered (value.priv "0") /1/flags/flagged (value.shared "1") /1/flags/forwarded (value.shared "1") '
                   '/1/vendor/x/y (value.priv "v")')
    assert fetched(imap, 1, '/2.1/comment value.shared') == {'/2.1/comment': {'value.shared': 'two one'}}
    assert set(fetched(imap, 1, '/1/* value')) == {'/1/comment', '/1/flags/answered', '/1/flags/flagged', '/1/flags/forwarded', '/1/vendor/x/y'}
    assert set(fetched(imap, 1, '/%/comment value')) == {'/1/comment', '/2.1/comment'}
    store(imap, 1, '/1/flags/flagged (value.shared NIL)')
    imap.bad('STORE 1 ANNOTATION (/3/comment (value.priv "no such part"))')
    imap.bad('STORE 1 ANNOTATION (/2.2/comment (value.priv "no such part"))')
    imap.bad('STORE 1:2 ANNOTATION (/2/comment (value.priv "not in the second"))')
    assert '/2/comment' not in fetched(imap, 1, '/* value')
    imap.bad('FETCH 1 (ANNOTATION (/3/comment value))')
    # A message that is no multipart has part 1.
    store(imap, 2, '/1/comment (value.priv "all of it")')


def test_too_big_and_too_many(box3):
    """4.5: [ANNOTATE TOOBIG] and [ANNOTATE TOOMANY]; nothing is changed."""
    c = box3
    most = int(c.select().codes()['ANNOTATIONS'][0])
    c.ok('STORE 1 ANNOTATION (/comment (value.priv ', Lit(b'x' * most), '))')
    r = c.no('STORE 1:2 ANNOTATION (/altsubject (value.priv "y") /comment (value.shared ', Lit(b'x' * (most + 1)), '))', code='ANNOTATE')
    assert str(r.code[1]) == 'TOOBIG'
    assert fetched(c, 1, '/altsubject value.priv') == {'/altsubject': {'value.priv': None}}
    stored = 0
    for n in range(0, 300, 50):
        r = c.cmd('STORE 2 ANNOTATION (%s)' % ' '.join('/vendor/x/%d (value.priv "v")' % i for i in range(n, n + 50)))
        if r.status != 'OK':
            break
        stored = n + 50
    assert (r.status, [str(w) for w in r.code]) == ('NO', ['ANNOTATE', 'TOOMANY']) and 10 <= stored < 300
    assert len(fetched(c, 2, '/* value.priv')) == stored


def test_append(imap):
    """APPEND, 4.7, with its example; MULTIAPPEND; with flags, a date, literals."""
    imap.ok('CREATE drafts')
    imap.ok('APPEND drafts ANNOTATION (/comment (value.priv "Don\'t send until I say so")) ', Lit(mail.numbered(1)))
    imap.ok('APPEND drafts (\\Seen) " 1-Jan-2020 00:00:00 +0000" ANNOTATION (/comment (value.shared ', Lit(b'a literal'),
            ') /1/comment (value.priv ', Lit(b'another\0', binary=True), ')) ', Lit(mail.numbered(2)),
            ' ANNOTATION (/altsubject (value.priv NIL value.shared "third")) ', Lit(mail.numbered(3)), ' (\\Flagged) ', Lit(mail.numbered(4)))
    imap.select('drafts')
    assert fetched(imap, 1, '/* value') == {'/comment': {'value.priv': "Don't send until I say so", 'value.shared': None}}
    assert fetched(imap, 2, '/* value') == {'/comment': {'value.priv': None, 'value.shared': 'a literal'},
                                            '/1/comment': {'value.priv': 'another\0', 'value.shared': None}}
    assert fetched(imap, 3, '/* value') == {'/altsubject': {'value.priv': None, 'value.shared': 'third'}}
    assert fetched(imap, 4, '/* value') == {}
    assert imap.ok('FETCH 2 (FLAGS INTERNALDATE)').fetch(2)['FLAGS'] and imap.exists == 4
    imap.ok('REPLACE 1 drafts ANNOTATION (/comment (value.priv "new"))', ' ', Lit(mail.numbered(5)))
    assert fetched(imap, 4, '/comment value.priv') == {'/comment': {'value.priv': 'new'}}
    imap.ok('APPEND drafts ANNOTATION (/comment (value.priv "put together")) CATENATE (TEXT ', Lit(mail.numbered(6)), ')')
    assert fetched(imap, 5, '/comment value.priv') == {'/comment': {'value.priv': 'put together'}}


def test_bad_append(imap):
    for words in ('ANNOTATION ', 'ANNOTATION () ', 'ANNOTATION (/comment (value "x")) ', 'ANNOTATION (/flags (value.priv "1")) ',
                  'ANNOTATION (/comment (value.priv "x"))'):
        imap.bad('APPEND INBOX ' + words, Lit(mail.numbered(1)))
    imap.bad('APPEND INBOX ANNOTATION (/2/comment (value.priv "no such part")) ', Lit(mail.numbered(1)))
    r = imap.no('APPEND INBOX ANNOTATION (/comment (value.priv ', Lit(b'x' * 40000), ')) ', Lit(mail.numbered(1)), code='ANNOTATE')
    assert str(r.code[1]) == 'TOOBIG'
    assert imap.ok('STATUS INBOX (MESSAGES)').one('STATUS').data[1][1] == 0


def test_examples_of_4_8(imap):
    """SEARCH, 4.8: a substring of values, by entry and attribute."""
    for n in range(1, 25):
        imap.append(mail.numbered(n))
    imap.select()
    primes, fibonacci = [2, 3, 5, 7, 11, 13, 17, 19, 23], [1, 2, 3, 5, 8, 13, 21]
    store(imap, ','.join(map(str, primes[:5])), '/comment (value.priv "about imap4 and more")')
    store(imap, ','.join(map(str, primes[5:])), '/comment (value.shared "IMAP4")')
    store(imap, ','.join(map(str, fibonacci)), '/vendor/x/y (value.priv "IMAP4rev1")')
    assert imap.ok('SEARCH ANNOTATION /comment value "IMAP4"').search() == primes
    assert imap.ok('SEARCH ANNOTATION * value.priv "IMAP4"').search() == sorted(set(primes[:5]) | set(fibonacci))
    assert imap.ok('SEARCH ANNOTATION /comment value.shared "IMAP4"').search() == primes[5:]
    assert imap.ok('SEARCH ANNOTATION /% value.priv "imap4"').search() == primes[:5]
    assert imap.ok('SEARCH NOT ANNOTATION * value "" ALL').search() == sorted(set(range(1, 25)) - set(primes) - set(fibonacci))
    assert imap.ok('SEARCH ANNOTATION * value NIL').search() == sorted(set(range(1, 25)) - set(primes) - set(fibonacci))
    assert imap.ok('SEARCH RETURN (COUNT) ANNOTATION /vendor/* value "rev1" 1:10').esearch()['COUNT'] == 5
    assert imap.ok('SEARCH ANNOTATION /comment value "nothing"').search() == []
    assert imap.ok('SEARCH FUZZY ANNOTATION /comment value.priv "abuot"').search() == primes[:5]
    for bad in ('/comment size "1"', '/comment size.priv "1"', '/comment value.both "x"', '/comment value', 'comment value "x"',
                '/flags value "x"', '//x value "x"', '/comment VALUE "x"'):
        imap.bad('SEARCH ANNOTATION ' + bad)


def test_search_charsets(box3):
    """7: texts compare as others do: charsets, and the session's collation."""
    box3.ok('STORE 1 ANNOTATION (/comment (value.priv ', Lit('Grüße'.encode()), '))')
    assert box3.ok('SEARCH CHARSET UTF-8 ANNOTATION /comment value ', Lit('GRÜSSE'.encode())).search() == []
    assert box3.ok('SEARCH CHARSET UTF-8 ANNOTATION /comment value ', Lit('GRÜ'.encode())).search() == [1]
    assert box3.ok('SEARCH CHARSET ISO-8859-1 ANNOTATION /comment value ', Lit('grü'.encode('latin-1'))).search() == [1]
    box3.ok('COMPARATOR i;octet')
    assert box3.ok('SEARCH CHARSET UTF-8 ANNOTATION /comment value ', Lit('GRÜ'.encode())).search() == []
    assert box3.ok('SEARCH CHARSET UTF-8 ANNOTATION /comment value ', Lit('Grü'.encode(), binary=True)).search() == [1]


def test_example_of_4_9(imap):
    """SORT, 4.9: by the value of one entry; what has none comes first."""
    for n in range(1, 12):
        imap.append(mail.numbered(n))
    imap.select()
    order = [2, 3, 4, 5, 1, 11, 10, 6, 7, 9, 8]
    for place, n in enumerate(order):
        store(imap, n, '/altsubject (value.shared "%c" value.priv "%c")' % (ord('a') + place, ord('z') - place))

    def sort(criteria):
        return [int(n) for n in imap.ok('SORT (%s) UTF-8 ALL' % criteria).one('SORT').data]

    assert sort('ANNOTATION /altsubject value.shared') == order
    assert sort('ANNOTATION /altsubject value.priv') == order[::-1]
    assert sort('REVERSE ANNOTATION /altsubject value.shared') == order[::-1]
    store(imap, 7, '/altsubject (value.shared NIL)')
    store(imap, 8, '/altsubject (value.shared "B")')
    assert sort('ANNOTATION /altsubject value.shared')[:4] == [7, 2, 3, 8]
    assert sort('ANNOTATION /comment value.shared REVERSE ANNOTATION /altsubject value.shared')[-1] == 7
    for bad in ('ANNOTATION /altsubject value', 'ANNOTATION /altsubject size.priv', 'ANNOTATION /* value.priv', 'ANNOTATION /altsubject',
                'ANNOTATION altsubject value.priv'):
        imap.bad('SORT (%s) UTF-8 ALL' % bad)


def test_condstore(pair):
    """4.5, RFC 7162: a change has a new modseq, which is told; UNCHANGEDSINCE; CHANGEDSINCE."""
    one, two = pair
    one.ok('ENABLE CONDSTORE')
    before = int(one.select().codes()['HIGHESTMODSEQ'][0])
    r = store(one, 1, '/comment (value.priv "x")')
    told = r.fetch(1)
    after = int(told['MODSEQ'][0])
    assert after > before and 'ANNOTATION' not in told
    assert list(one.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE %d)' % before).fetches()) == [1]
    # Stored again, nothing changes.
    assert store(one, 1, '/comment (value.priv "x")').all('FETCH') == []
    r = one.cmd('STORE 1:2 (UNCHANGEDSINCE %d) ANNOTATION (/comment (value.priv "y"))' % before)
    assert r.status == 'OK' and [str(w) for w in r.code] == ['MODIFIED', '1']
    assert fetched(one, 1, '/comment value.priv') == {'/comment': {'value.priv': 'x'}}
    assert fetched(one, 2, '/comment value.priv') == {'/comment': {'value.priv': 'y'}}
    assert one.ok('SEARCH MODSEQ %d' % after).search() == [1, 2]


def test_qresync(login):
    """A client that was away learns by the modseq that it must look again."""
    one, two = login(name='a'), login(name='b')
    one.append(mail.numbered(1))
    one.append(mail.numbered(2))
    two.ok('ENABLE QRESYNC')
    codes = two.select().codes()
    two.ok('CLOSE')
    one.select()
    store(one, 2, '/comment (value.priv "meanwhile")')
    r = two.ok('SELECT INBOX (QRESYNC (%s %s) ANNOTATE)' % (codes['UIDVALIDITY'][0], codes['HIGHESTMODSEQ'][0]))
    assert list(r.fetches()) == [2]


def test_copy_and_move(box3):
    """4.6: annotations go along; REPLACE and a new message have none of the old."""
    c = box3
    c.ok('CREATE other')
    store(c, 1, '/comment (value.priv "mine" value.shared "ours") /vendor/x/y (value.shared "more")')
    store(c, 2, '/altsubject (value.shared "second")')
    c.ok('COPY 1:3 other')
    c.ok('MOVE 2 other')
    c.select('other')
    assert fetched(c, 1, '/* value') == {'/comment': {'value.priv': 'mine', 'value.shared': 'ours'},
                                         '/vendor/x/y': {'value.priv': None, 'value.shared': 'more'}}
    assert fetched(c, 2, '/* value.shared') == fetched(c, 4, '/* value.shared') == {'/altsubject': {'value.shared': 'second'}}
    assert fetched(c, 3, '/* value') == {}
    c.ok('RENAME other renamed')
    c.select('renamed')
    assert fetched(c, 1, '/comment value.priv') == {'/comment': {'value.priv': 'mine'}}
    c.select()
    assert fetched(c, 1, '/comment value.priv') == {'/comment': {'value.priv': 'mine'}}
    c.ok('RENAME INBOX elsewhere')
    c.select('elsewhere')
    assert fetched(c, 1, '/comment value') == {'/comment': {'value.priv': 'mine', 'value.shared': 'ours'}}


def test_expunged_ones_go(box3):
    """UIDs are not used again, and a new message begins without annotations."""
    c = box3
    store(c, '1:*', '/comment (value.priv "x")')
    c.ok('STORE 3 +FLAGS (\\Deleted)')
    c.ok('EXPUNGE')
    c.append(mail.numbered(9))
    c.ok('NOOP')
    assert fetched(c, 3, '/* value') == {} and fetched(c, 2, '/comment value.priv') == {'/comment': {'value.priv': 'x'}}


def test_examine(box3):
    """4.1: READ-ONLY."""
    store(box3, 1, '/comment (value.priv "x")')
    box3.ok('EXAMINE INBOX')
    assert fetched(box3, 1, '/comment value.priv') == {'/comment': {'value.priv': 'x'}}
    box3.no('STORE 1 ANNOTATION (/comment (value.priv "y"))')


def test_uidonly(box3):
    box3.ok('ENABLE UIDONLY')
    box3.bad('STORE 1 ANNOTATION (/comment (value.priv "y"))', code='UIDREQUIRED')
    box3.ok('UID STORE %d ANNOTATION (/comment (value.priv "y"))' % box3.test_uids[0])
    r = box3.ok('UID FETCH %d (ANNOTATION (/comment value.priv))' % box3.test_uids[0])
    assert notes(r.one('UIDFETCH').attrs['ANNOTATION']) == {'/comment': {'value.priv': 'y'}}


def test_partial_and_other_items(box3):
    """Beside other items, twice, and with PARTIAL."""
    store(box3, 2, '/comment (value.priv "c") /altsubject (value.priv "s")')
    got = box3.ok('FETCH 2 (FLAGS ANNOTATION (/comment value.priv) UID BODY.PEEK[TEXT] MODSEQ)').fetch(2)
    assert notes(got['ANNOTATION']) == {'/comment': {'value.priv': 'c'}} and {'FLAGS', 'UID', 'BODY[TEXT]', 'MODSEQ'} <= set(got)
    r = box3.ok('UID FETCH 1:* (ANNOTATION (/* value.priv)) (PARTIAL 2:2)')
    assert list(r.fetches()) == [2]
    box3.ok('FETCH 2 ANNOTATION (/comment value)')


class Shared:
    """A mailbox of one user that another may use, with changing rights."""

    def __init__(self, connect, server):
        self.user, self.other = server.user(), server.user()
        self.a, self.b = connect(user=self.user, name='a'), connect(user=self.other, name='b')
        self.a.ok('CREATE box')
        self.box = quote('Other Users/%s/box' % self.user)
        self.a.append(mail.numbered(1), mailbox='box')
        self.a.append(mail.numbered(2), mailbox='box')

    def grant(self, rights):
        self.a.ok('SETACL box %s %s' % (self.other, rights))


@pytest.fixture
def shared(connect, server):
    return Shared(connect, server)


def test_private_and_shared(shared):
    """3.3, 3.4: private values are each user's own; shared ones are changed with n alone."""
    shared.grant('lrn')
    a, b = shared.a, shared.b
    a.select('box')
    b.ok('SELECT %s (ANNOTATE)' % shared.box)
    store(a, 1, '/comment (value.priv "a private" value.shared "for all")')
    told = [names(u) for u in b.ok('NOOP').all('FETCH') if 'ANNOTATION' in u.attrs]
    assert told == [['/comment']]
    assert fetched(b, 1, '/comment value') == {'/comment': {'value.priv': None, 'value.shared': 'for all'}}
    store(b, 1, '/comment (value.priv "b private" value.shared "changed") /altsubject (value.priv "b alone")')
    a.ok('NOOP')
    assert fetched(a, 1, '/* value') == {'/comment': {'value.priv': 'a private', 'value.shared': 'changed'}}
    assert fetched(b, 1, '/* value') == {'/comment': {'value.priv': 'b private', 'value.shared': 'changed'},
                                         '/altsubject': {'value.priv': 'b alone', 'value.shared': None}}
    assert a.ok('SEARCH ANNOTATION * value "b private"').search() == []
    assert b.ok('SEARCH ANNOTATION * value "b private"').search() == [1]
    # A change of another's private value is told to nobody by name.
    store(a, 1, '/altsubject (value.priv "a alone")')
    assert all('ANNOTATION' not in u.attrs for u in b.ok('NOOP').all('FETCH'))


def test_right_n(shared):
    """3.4: without n NO, and nothing is changed; private values need r alone."""
    shared.grant('lr')
    b = shared.b
    b.ok('SELECT ' + shared.box)
    b.no('STORE 1 ANNOTATION (/comment (value.shared "x"))', code='NOPERM')
    b.no('STORE 1 ANNOTATION (/comment (value.priv "y" value.shared "x"))', code='NOPERM')
    store(b, 1, '/comment (value.priv "y")')
    assert fetched(b, 1, '/comment value') == {'/comment': {'value.priv': 'y', 'value.shared': None}}
    shared.grant('lrn')
    b.ok('SELECT ' + shared.box, code='READ-WRITE')
    store(b, 1, '/comment (value.shared "x")')
    assert 'n' in ''.join(text(w) for w in shared.a.ok('GETACL box').one('ACL').data[1:])


def test_right_n_in_append_and_copy(shared):
    """3.4, 4.6: APPEND without n is refused; COPY leaves shared ones behind, and takes along nobody else's private ones."""
    a, b = shared.a, shared.b
    shared.grant('lri')
    b.no('APPEND %s ANNOTATION (/comment (value.shared "x")) ' % shared.box, Lit(mail.numbered(3)), code='NOPERM')
    b.ok('APPEND %s ANNOTATION (/comment (value.priv "x")) ' % shared.box, Lit(mail.numbered(3)))
    b.append(mail.numbered(4))
    b.select()
    store(b, 1, '/comment (value.priv "mine" value.shared "ours")')
    b.ok('COPY 1 ' + shared.box)
    shared.grant('lrin')
    b.ok('COPY 1 ' + shared.box)
    shared.grant('lin')
    b.ok('COPY 1 ' + shared.box)
    shared.grant('lrinte')
    b.ok('SELECT ' + shared.box)
    assert fetched(b, 3, '/* value') == {'/comment': {'value.priv': 'x', 'value.shared': None}}
    assert fetched(b, 4, '/* value') == {'/comment': {'value.priv': 'mine', 'value.shared': None}}
    assert fetched(b, 5, '/* value') == {'/comment': {'value.priv': 'mine', 'value.shared': 'ours'}}
    assert fetched(b, 6, '/* value') == {'/comment': {'value.priv': None, 'value.shared': 'ours'}}
    # The owner copies and moves what another annotated for himself.
    a.select('box')
    store(a, 5, '/altsubject (value.priv "the owner\'s")')
    a.ok('COPY 5 INBOX')
    a.ok('MOVE 4 INBOX')
    a.select()
    assert fetched(a, 1, '/* value') == {'/comment': {'value.priv': None, 'value.shared': 'ours'},
                                         '/altsubject': {'value.priv': "the owner's", 'value.shared': None}}
    assert fetched(a, 2, '/* value') == {}
    # From the mailbox of another into one's own.
    b.ok('SELECT ' + shared.box)
    b.ok('COPY 3:4 Drafts')
    b.select('Drafts')
    assert fetched(b, 1, '/* value.priv') == {'/comment': {'value.priv': 'x'}}
    assert fetched(b, 2, '/* value') == {'/comment': {'value.priv': 'mine', 'value.shared': 'ours'}}


def test_searched_elsewhere(shared):
    """ESEARCH of another's mailbox (RFC 7377) sees the private annotations of who asks."""
    shared.grant('lr')
    shared.b.ok('SELECT ' + shared.box)
    store(shared.b, 2, '/comment (value.priv "find me")')
    shared.b.select()
    r = shared.b.ok('ESEARCH IN (mailboxes %s) RETURN (COUNT) ANNOTATION /comment value.priv "find"' % shared.box)
    assert r.esearch()['COUNT'] == 1
    shared.a.select()
    assert shared.a.ok('ESEARCH IN (mailboxes box) RETURN (COUNT) ANNOTATION * value "find"').all('ESEARCH') == []


def test_contexts(pair):
    """RFC 5267: a search for annotations, and an order by them, are kept up to date."""
    one, two = pair
    r = one.ok('UID SEARCH RETURN (UPDATE ALL) ANNOTATION /comment value "x"')
    tag = r.tagged.tag
    store(two, 2, '/comment (value.priv "xx")')
    data = one.ok('NOOP').one('ESEARCH').data
    assert text(data[0][1]) == tag and 'ADDTO' in [str(w) for w in data]
    store(two, 2, '/comment (value.priv NIL)')
    assert 'REMOVEFROM' in [str(w) for w in one.ok('NOOP').one('ESEARCH').data]


def test_many_messages(imap):
    """More than one commit; what is refused is refused before anything is changed."""
    imap.append(mail.numbered(1))
    imap.select()
    have = 1
    while have < 5000:
        more = min(have, 5000 - have)
        imap.ok('COPY 1:%d INBOX' % more)
        have += more
    store(imap, '1:*', '/comment (value.shared "all of them")')
    assert imap.ok('SEARCH RETURN (COUNT) ANNOTATION /comment value "them"').esearch()['COUNT'] == 5000
    # 5,000 times 32,768 bytes are more than an account may have.
    imap.no('STORE 1:* ANNOTATION (/altsubject (value.shared ', Lit(b'x' * 32768), '))', code='OVERQUOTA')
    assert imap.ok('SEARCH RETURN (COUNT) NOT ANNOTATION /altsubject value NIL').esearch()['COUNT'] == 0
    store(imap, '1:*', '/comment (value.shared NIL)')
    assert imap.ok('SEARCH RETURN (COUNT) ANNOTATION * value ""').esearch()['COUNT'] == 0


def test_asked_for_in_advance(login):
    """RFC 5465 5.2 with 4.3: the annotations of new messages come with them."""
    one, two = login(), login()
    one.select()
    one.ok('NOTIFY SET (selected (MessageNew (UID ANNOTATION (/comment value.shared)) MessageExpunge))')
    two.ok('APPEND INBOX () ANNOTATION (/comment (value.shared "for all")) ', Lit(mail.numbered(1)))
    got = one.ok('NOOP').fetch(1)
    assert notes(got['ANNOTATION']) == {'/comment': {'value.shared': 'for all'}}


def test_too_many_wildcards(box3):
    box3.ok('FETCH 1 (ANNOTATION ((%s) value))' % ' '.join('/vendor/x%d/*' % n for n in range(16)))
    box3.no('FETCH 1 (ANNOTATION ((%s) value))' % ' '.join('/vendor/x%d/*' % n for n in range(17)), code='LIMIT')


def test_copied_with_what_was_seen(connect, server):
    """A copy over the edge of a page, of messages with annotations, into a mailbox where each user has read marks of his own."""
    names_ = server.user(), server.user()
    owner, guest = connect(user=names_[0], name='owner'), connect(user=names_[1], name='guest')
    owner.ok('CREATE box')
    owner.ok('SETACL box %s lrswinte' % names_[1])
    for _ in range(62):
        owner.append(mail.numbered(1), 'box')
    for n in (1, 2):
        guest.append(mail.numbered(n), flags='\\Seen')
    guest.select()
    store(guest, 1, '/comment (value.priv "mine")')
    theirs = 'Other Users/%s/box' % names_[0]
    guest.ok('COPY 1:2 "%s"' % theirs)
    guest.select(theirs)
    assert guest.ok('UID SEARCH SEEN').search() == [63, 64]
    for _ in range(64):
        owner.append(mail.numbered(1), 'box')
    guest.ok('NOOP')
    assert guest.ok('UID SEARCH SEEN').search() == [63, 64]
    assert guest.status(theirs, 'UNSEEN')['UNSEEN'] == 126
