"""UIDBATCHES (RFC 10022): ranges of UIDs that part a mailbox into batches, the newest first."""

import random

import pytest

from harness import mail
from harness.imap import text


def fill(c, count):
    """So many messages in INBOX, which is selected; UIDs without gaps."""
    c.append(mail.numbered(1))
    c.select()
    have = 1
    while have < count:
        more = min(have, count - have)
        c.ok('COPY 1:%d INBOX' % more)
        have += more
    assert c.exists == count


def expunge(c, uids):
    c.ok('UID STORE %s +FLAGS.SILENT (\\Deleted)' % uids)
    c.ok('UID EXPUNGE %s' % uids)


def batches(c, args):
    """The ranges, highest first; that there is one line, with the right tag, is checked."""
    r = c.ok('UIDBATCHES ' + args)
    line = r.one('UIDBATCHES').data
    assert [text(w) for w in line[0]] == ['TAG', r.tagged.tag]
    if len(line) == 1:
        return []
    assert len(line) == 2
    return [tuple(int(n) for n in part.split(':')) for part in str(line[1]).split(',')]


def counts(c, ranges):
    return [c.ok('UID SEARCH RETURN (COUNT) UID %d:%d' % r).esearch()['COUNT'] for r in ranges]


def test_announced(imap):
    assert 'UIDBATCHES' in imap.capabilities()


def test_example_of_3_1_1(imap):
    """6,823 messages in batches of 2,000: four ranges that follow each other down to 1, the last with 823 messages."""
    fill(imap, 8000)
    gone = sorted(random.Random(7).sample(range(2, 8000), 8000 - 6823))
    expunge(imap, ','.join(map(str, gone)))
    ranges = batches(imap, '2000')
    assert counts(imap, ranges) == [2000, 2000, 2000, 823]
    assert ranges[0][0] == 8000 and ranges[-1][1] == 1
    assert all(above[1] == below[0] + 1 for above, below in zip(ranges, ranges[1:]))
    # Batches 3 and 4 alone are the same (3.1.5), and what does not exist is an empty answer (3.1.6).
    imap.select()
    assert batches(imap, '2000 3:4') == ranges[2:]
    assert batches(imap, '2000 6:8') == []


def test_ranges_of_batches(imap):
    """RFC 10022 3.1.5: 7,000 messages have four batches of 2,000."""
    fill(imap, 7000)
    assert batches(imap, '2000 1:5') == [(7000, 5001), (5000, 3001), (3000, 1001), (1000, 1)]
    imap.select()
    assert batches(imap, '2000 2:3') == [(5000, 3001), (3000, 1001)]
    assert batches(imap, '2000 3:4') == [(3000, 1001), (1000, 1)]
    assert batches(imap, '2000 6:8') == []


@pytest.mark.parametrize('size', [500, 501, 999, 1000, 1001, 1499, 4294967295])
def test_sizes(imap, size):
    """As many as were asked for, but for the last; one range of all when the batch is as large as the mailbox."""
    fill(imap, 1000)
    full, rest = divmod(1000, size)
    assert counts(imap, batches(imap, str(size))) == [size] * full + [rest] * (rest > 0)


def test_empty_mailbox(box):
    """RFC 10022 3.1.6."""
    assert batches(box, '2000') == []
    assert batches(box, '500 3:4') == []


def test_one_message_with_a_high_uid(imap):
    """3.1.4: the last batch ends with UID 1."""
    fill(imap, 302)
    expunge(imap, '1:301')
    assert batches(imap, '500') == [(302, 1)]


@pytest.mark.parametrize('size', [1, 499])
def test_too_few(box3, size):
    """RFC 10022 3.1.3.2."""
    box3.no('UIDBATCHES %d' % size, code='TOOFEW')
    box3.no('UIDBATCHES %d 1:2' % size, code='TOOFEW')


def test_too_many(box3):
    """RFC 10022 3.1.5: batches of more than 100,000 messages together; without a range there is no limit."""
    box3.no('UIDBATCHES 2000 1:100', code='TOOMANY')
    box3.no('UIDBATCHES 4294967295 1:4294967295', code='TOOMANY')
    assert batches(box3, '2000 1:50') == [(3, 1)]
    assert batches(box3, '2000000000') == [(3, 1)]


def test_wrong_order(box3):
    """RFC 10022 3.1.5."""
    box3.bad('UIDBATCHES 2000 4:1', code='CLIENTBUG')
    box3.bad('UIDBATCHES 2000 2:1', code='CLIENTBUG')


@pytest.mark.parametrize('args', ['', '0', '-1', '2000 ', '2000 1', '2000 0:1', '2000 1:0', '2000 1:*', '2000 1,2', '2000 1:2 3', '4294967296',
                                  '2000  1:2', '(2000)', '2000 1:2:3'])
def test_syntax(box3, args):
    box3.bad('UIDBATCHES %s' % args if args else 'UIDBATCHES')


def test_only_in_selected_state(imap):
    imap.bad('UIDBATCHES 2000')
    imap.select()
    imap.ok('UIDBATCHES 2000')
    imap.bad('UID UIDBATCHES 2000')


def test_asked_again(imap):
    """RFC 10022 3.1.1: the same again is refused with LIMIT until a mailbox is selected anew, or half a batch came or went."""
    fill(imap, 1200)
    first = batches(imap, '500')
    imap.no('UIDBATCHES 500', code='LIMIT')
    imap.no('UIDBATCHES 500 2:3', code='LIMIT')
    expunge(imap, '1:250')
    imap.no('UIDBATCHES 500', code='LIMIT')
    expunge(imap, '251')
    assert batches(imap, '500') == [(1200, 701), (700, 1)] != first
    imap.no('UIDBATCHES 500', code='LIMIT')
    imap.ok('COPY 1:250 INBOX')
    imap.no('UIDBATCHES 500', code='LIMIT')
    imap.ok('COPY 1 INBOX')
    assert batches(imap, '500')[0][0] == 1451
    imap.select()
    assert batches(imap, '500')[0][0] == 1451


def test_consecutive_and_overlapping_ranges(imap):
    """RFC 10022 3.1.5: 1:2, 2:3, 3:4 are different questions."""
    fill(imap, 2000)
    assert batches(imap, '500 1:2') == [(2000, 1501), (1500, 1001)]
    assert batches(imap, '500 2:3') == [(1500, 1001), (1000, 501)]
    assert batches(imap, '500 4:4') == [(500, 1)]
    imap.no('UIDBATCHES 500 1:4', code='LIMIT')


def test_uidonly(imap):
    """RFC 10022 3.3."""
    fill(imap, 600)
    imap.ok('ENABLE UIDONLY')
    assert batches(imap, '500') == [(600, 101), (100, 1)]
    assert imap.ok('UID FETCH 600:600 (FLAGS)').all('UIDFETCH') != []


def test_saved_result_stays(box3):
    """RFC 10022 3.4."""
    box3.ok('UID SEARCH RETURN (SAVE) UID %d' % box3.test_uids[1])
    batches(box3, '500')
    assert box3.ok('UID SEARCH $').search() == [box3.test_uids[1]]


def test_changes_are_told(pair):
    """Numbers are not in the answer, so EXPUNGE may come with it; the batches are those of before or after."""
    one, two = pair
    expunge(one, str(one.test_uids[3]))
    r = two.ok('UIDBATCHES 500')
    assert r.expunged() == [4]
