"""FETCH of many messages at once: records and texts are read ahead, in batches, and come as those of one message do."""

from harness import mail

COUNT = 200


def messages():
    """Of all sizes, some longer than what is read ahead, in an order that has nothing to do with their size."""
    for i in range(COUNT):
        lines = 3000 if i % 60 == 7 else i * 37 % 150
        yield (b'From: <a%d@example.org>\r\nSubject: number %d\r\n\r\n' % (i, i)) + b'A line of text, number %d.\r\n' % i * lines


def fill(c):
    texts = list(messages())
    for text in texts:
        c.append(text)
    c.select()
    return texts


def test_texts_and_what_is_known_of_them(imap):
    texts = fill(imap)
    got = imap.ok('FETCH 1:* (BODY.PEEK[] RFC822.SIZE ENVELOPE)').fetches()
    assert sorted(got) == list(range(1, COUNT + 1))
    for n, text in enumerate(texts, 1):
        assert got[n]['BODY[]'] == text and got[n]['RFC822.SIZE'] == len(text)
        assert got[n]['ENVELOPE'][1] == b'number %d' % (n - 1)
    got = imap.ok('FETCH 1:* (BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[]<30.50>)').fetches()
    for n, text in enumerate(texts, 1):
        header, body = text.split(b'\r\n\r\n', 1)
        assert got[n]['BODY[HEADER]'] == header + b'\r\n\r\n'
        assert got[n]['BODY[TEXT]'] == body and got[n]['BODY[1]'] == body
        assert got[n]['BODY[]<30>'] == text[30:80]
    got = imap.ok('FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])').fetches()
    for n in range(1, COUNT + 1):
        assert got[n]['BODY[HEADER.FIELDS (SUBJECT)]'] == b'Subject: number %d\r\n\r\n' % (n - 1)
    many = 'subject ' + ' '.join('X-Other-%d' % i for i in range(20))
    for fields in ('SUBJECT X-Other', many):
        got = imap.ok('FETCH 1:* (UID FLAGS BODY.PEEK[HEADER] BODY.PEEK[HEADER.FIELDS.NOT (%s)]<1.9>)' % fields).fetches()
        for n, text in enumerate(texts, 1):
            assert got[n]['BODY[HEADER]'] == text.split(b'\r\n\r\n', 1)[0] + b'\r\n\r\n'
            assert [v for k, v in got[n].items() if 'FIELDS.NOT' in k] == [text[1:10]]


def test_what_the_mailbox_knows(pair):
    """UID, FLAGS and sizes of many are what they are of each alone, with gaps, keywords, \\Recent and what is gone untold."""
    one, two = pair
    fill(one)
    two.ok('NOOP')
    two.ok(r'STORE 2:* +FLAGS.SILENT (\Seen)')
    two.ok(r'STORE 30:40,129 +FLAGS.SILENT (\Flagged $Forwarded other)')
    two.ok(r'STORE 64:66,70:140 +FLAGS.SILENT (\Deleted)')
    two.ok('EXPUNGE')
    one.ok('NOOP')
    two.ok(r'STORE 7:9 +FLAGS.SILENT (\Deleted)')
    two.ok('EXPUNGE')
    for items in ('UID', 'FLAGS', 'RFC822.SIZE', '(FLAGS UID)', '(RFC822.SIZE FLAGS)', '(UID RFC822.SIZE FLAGS)'):
        for numbers in ('1:*', '3:5,9:12,60:70,100,*', '20'):
            many = one.cmd('FETCH %s %s' % (numbers, items)).fetches()
            full = one.cmd('FETCH %s (UID FLAGS RFC822.SIZE INTERNALDATE)' % numbers).fetches()
            assert sorted(many) == sorted(full) and len(many) > 0
            for n in many:
                for item in ('UID', 'FLAGS', 'RFC822.SIZE'):
                    assert (item in many[n]) == (item in items)
                    if item in items:
                        assert many[n][item] == full[n][item], (n, item)


def test_some_of_them_and_copies(imap):
    """Copies have their originals' records, so numbers of records neither ascend nor are each there once."""
    texts = fill(imap)
    imap.ok('COPY 100:150,3 INBOX')
    imap.ok('NOOP')
    expected = texts + [texts[2]] + texts[99:150]
    got = imap.ok('FETCH 2,50:%d BODY.PEEK[]' % len(expected)).fetches()
    assert sorted(got) == [2] + list(range(50, len(expected) + 1))
    for n, items in got.items():
        assert items['BODY[]'] == expected[n - 1]


def test_seen_is_set_and_told(imap):
    texts = fill(imap)
    imap.ok(r'STORE 1:* -FLAGS.SILENT (\Seen)')
    got = imap.ok('FETCH 1:* BODY[]').fetches()
    for n, text in enumerate(texts, 1):
        assert got[n]['BODY[]'] == text and r'\Seen' in map(str, got[n]['FLAGS'])


def test_expunged_meanwhile(pair):
    """What another session expunged, and this one was not told of, is answered as far as it is there (RFC 2180 4.1)."""
    one, two = pair
    texts = fill(one)
    n = COUNT + 4
    two.ok('NOOP')
    two.ok(r'STORE 20:120 +FLAGS.SILENT (\Deleted)')
    two.ok('EXPUNGE')
    got = one.cmd('FETCH 1:* BODY.PEEK[]').fetches()
    assert set(got) >= set(range(1, 20)) | set(range(121, n + 1))
    for i, items in got.items():
        assert i <= 4 or items['BODY[]'] == texts[i - 5]


def test_delivered_with_a_prefix(lmtp, user, login):
    """What LMTP adds at delivery stands before the message's own bytes."""
    lmtp.lhlo()
    for i in range(40):
        assert lmtp.deliver(mail.simple('delivered %d' % i), [user])[0].code == 250
    c = login()
    c.select()
    whole = c.ok('FETCH 1:40 (BODY.PEEK[] BODY.PEEK[TEXT] RFC822.SIZE)').fetches()
    assert len(whole) == 40
    for i, items in whole.items():
        text = items['BODY[]']
        assert text.startswith(b'Return-Path:') and len(text) == items['RFC822.SIZE'] and b'delivered %d' % (i - 1) in text
        assert text.endswith(items['BODY[TEXT]']) and c.ok('FETCH %d BODY.PEEK[]' % i).fetch(i)['BODY[]'] == text
