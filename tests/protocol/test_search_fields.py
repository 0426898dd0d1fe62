"""SEARCH of address and subject fields, which is decided by what is stored of them where it can be, in every size of mailbox."""

import pytest

from harness.imap import Lit

COUNT = 330     # enough that it is stored


def message(i):
    head = [b'From: "Sender %d" <sender%d@example.org>' % (i % 10, i % 10), b'Subject: Topic %d' % i, b'To: everybody@example.net']
    if i % 50 == 1:
        head.append(b'To: second%d@example.com' % i)
    if i % 50 == 2:
        head.append(b'Cc: ' + b', '.join(b'member%d@lists.example' % n for n in range(200)) + b', last%d@lists.example' % i)
    if i % 50 == 3:
        head[1] = b'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_%d?=' % i
    if i % 50 == 4:
        del head[1]
    return b'\r\n'.join(head) + b'\r\n\r\nText of %d.\r\n' % i


@pytest.fixture
def filled(imap):
    imap.ok('APPEND INBOX', *[part for i in range(1, COUNT + 1) for part in (' ', Lit(message(i), plus=True))])
    imap.select()
    return imap


def found(c, *keys):
    return c.ok('SEARCH ', *keys).search()


def at(rest):
    return [i for i in range(1, COUNT + 1) if i % 50 == rest]


def test_fields(filled):
    c = filled
    for _ in range(2):      # made the first time, at hand the second
        assert found(c, 'FROM "sender7@"') == [i for i in range(1, COUNT + 1) if i % 10 == 7]
        assert found(c, 'FROM "SENDER 7"') == [i for i in range(1, COUNT + 1) if i % 10 == 7]
        assert found(c, 'HEADER From "sender7@"') == found(c, 'FROM "sender7@"')
        assert found(c, 'TO "second"') == at(1)
        assert found(c, 'TO "everybody@example.netsecond"') == []
        assert found(c, 'CC "member199@lists"') == at(2) and found(c, 'CC "last102@"') == [102]
        assert found(c, 'CC ""') == at(2) and found(c, 'NOT SUBJECT ""') == at(4)
        assert found(c, 'CHARSET UTF-8 SUBJECT ', Lit('Grüße'.encode())) == at(3)
        assert found(c, 'CHARSET UTF-8 SUBJECT ', Lit('gRÜßE'.encode())) == at(3)
        assert found(c, 'BCC ""') == []


def test_with_other_keys(filled):
    c = filled
    assert found(c, 'FROM "sender7@" TEXT "Text of 17."') == [17]
    assert found(c, 'OR SUBJECT "Topic 5" CC "last102"') == sorted(set(
        i for i in range(1, COUNT + 1) if str(i).startswith('5') and i % 50 not in (3, 4)) | {102})
    assert found(c, 'NOT FROM "sender" ALL') == []
    assert found(c, '100:200 FROM "sender1@" HEADER Message-ID ""') == []
    assert found(c, 'UID 1:* FROM "sender1@" 320:*') == [321]
    assert found(c, 'NOT (FROM "sender1@") 1:11') == [2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_after_expunge(filled):
    c = filled
    assert len(found(c, 'SUBJECT "Topic"')) == COUNT - len(at(3)) - len(at(4))
    c.ok(r'STORE 1:100 +FLAGS.SILENT (\Deleted)')
    c.ok('EXPUNGE')
    assert found(c, 'FROM "sender7@"') == [i - 100 for i in range(101, COUNT + 1) if i % 10 == 7]
    c.append(message(7))
    c.ok('NOOP')
    assert found(c, 'FROM "sender7@"')[-1] == COUNT - 99
