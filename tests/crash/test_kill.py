"""Promise 1: kill -9 at any instant, twenty people with two devices each and a transfer agent at work."""

import asyncio
import os
import random
import threading
import time

import pytest

from harness import mail
from harness.crowd import Crowd
from harness.imap import Closed, quote, text
from harness.server import Server

pytestmark = pytest.mark.own_server

ROUNDS = int(os.environ.get('POSTHORN_TEST_KILLS', 25))
THOROUGH_EVERY = 10         # rounds: then the bytes of all messages are compared, not only of new ones
FRESH_EVERY = 8             # rounds: then everything is killed; more deaths of one process in a minute would be held back
ROUND_SECONDS = 300         # far more than any round takes; a hang must not last for ever


async def round_of(server, crowd, n, chance):
    load = crowd.begin()
    # Some rounds end while people log in, most at work.
    before, enough = crowd.acknowledged, chance.choice((0, 1, 10, 50, 100, 200))
    while crowd.acknowledged - before < enough and not all(t.done() for t in load):
        await asyncio.sleep(0.002)
    await asyncio.sleep(chance.random() * 0.02)
    if n % FRESH_EVERY == FRESH_EVERY - 1:
        base = server.base
        server.crash()
        crowd.is_over = True
        await crowd.end(load)
        server.start(base)
    else:
        server.kill_role('mail')
        crowd.is_over = True
        ended = asyncio.ensure_future(crowd.end(load))
        if chance.random() < 0.15:
            # Once more, while the next process starts.
            await asyncio.sleep(chance.random() * 0.03)
            server.kill_role_if_any('mail')
        await ended
    await crowd.settle(n % THOROUGH_EVERY == 0 or n == ROUNDS - 1)


async def rounds(server, crowd, count, chance):
    await crowd.prepare()
    await crowd.settle()
    for n in range(count):
        await asyncio.wait_for(round_of(server, crowd, n, chance), ROUND_SECONDS)


def test_kill_at_any_instant():
    """Everything acknowledged is there unchanged, what was in flight is there whole or not at all, no number goes back or is given
    again, and resynchronising gives what fetching all gives."""
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time()))
    print('POSTHORN_TEST_SEED=%d' % seed)
    chance = random.Random(seed)
    server = Server(users=20)
    server.start()
    try:
        crowd = Crowd(server, chance.random())
        started = time.monotonic()
        asyncio.run(rounds(server, crowd, ROUNDS, chance))
        print('%d rounds in %.0f s: %d changes acknowledged, %d in flight, %d messages compared byte for byte; nothing lost'
              % (ROUNDS, time.monotonic() - started, crowd.acknowledged, crowd.in_flight, crowd.looked_at))
        # A run in which hardly anything was at stake would prove nothing.
        assert crowd.acknowledged > ROUNDS and crowd.in_flight > 0
    finally:
        server.close()


class Reader(threading.Thread):
    """Marks messages of a mailbox as read and unread, and knows which marks the server has acknowledged."""

    def __init__(self, server, user, box, marks, chance):
        super().__init__(daemon=True)
        self.imap = server.login(user)
        self.imap.select(box)
        self.marks, self.chance, self.doubtful, self.acknowledged = marks, random.Random(chance.random()), set(), 0
        self.start()

    def run(self):
        try:
            while True:
                first = self.chance.randrange(1, len(self.marks) + 1)
                some = range(first, min(first + self.chance.randrange(1, 9), len(self.marks) + 1))
                value = self.chance.random() < 0.5
                self.doubtful = set(some)
                self.imap.ok('STORE %d:%d %sFLAGS.SILENT (\\Seen)' % (some[0], some[-1], '+' if value else '-'))
                self.doubtful = set()
                self.marks.update((n, value) for n in some)
                self.acknowledged += 1
        except (Closed, OSError):
            pass

    def look(self, server, user, box):
        """What is there is what was acknowledged, or what was on its way; counts agree."""
        c = server.login(user)
        c.select(box)
        there = dict((n, '\\seen' in flags) for n, flags in c.flags().items())
        for n, value in there.items():
            assert value == self.marks[n] or n in self.doubtful, (user, n, value)
        assert c.status(box, 'UNSEEN')['UNSEEN'] == sum(not v for v in there.values())
        self.marks.update(there)
        c.close()


def test_kill_while_everybody_reads():
    """What each user of a mailbox has read is as durable as all else, and everybody's own."""
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time()))
    print('POSTHORN_TEST_SEED=%d' % seed)
    chance = random.Random(seed)
    server = Server(users=3)
    server.start()
    try:
        users = ['user1', 'user2', 'user3']
        owner = server.login(users[0])
        owner.ok('CREATE box')
        for user in users[1:]:
            owner.ok('SETACL box %s lrs' % user)
        for n in range(150):
            owner.append(mail.numbered(n), 'box')
        owner.close()
        boxes = ['box'] + ['Other Users/user1/box'] * 2
        marks = [dict.fromkeys(range(1, 151), False) for _ in users]
        for n in range(max(4, ROUNDS // 4)):
            readers = [Reader(server, *args, chance) for args in zip(users, boxes, marks)]
            enough = chance.choice((1, 5, 30))
            while any(r.acknowledged < enough and r.is_alive() for r in readers):
                time.sleep(0.002)
            if n % 3 == 2:
                base = server.base
                server.crash()
                server.start(base)
            else:
                server.kill_role('mail')
            for r in readers:
                r.join()
            for r, user, box in zip(readers, users, boxes):
                r.look(server, user, box)
        assert len(set(tuple(sorted(m.items())) for m in marks)) == 3
    finally:
        server.close()


class Writer(threading.Thread):
    """Annotates messages, or with `box` its mailbox, and knows which values the server has acknowledged; None: it has none."""

    def __init__(self, server, user, values, chance, box=None):
        super().__init__(daemon=True)
        self.imap = server.login(user)
        self.imap.select('box')
        self.values, self.chance, self.box = values, random.Random(chance.random()), box
        self.doubtful, self.acknowledged = {}, 0
        self.start()

    def run(self):
        try:
            while True:
                n = self.chance.choice(list(self.values))
                value = None if self.chance.random() < 0.2 else 'v%d %s' % (self.chance.randrange(10 ** 9), 'x' * self.chance.choice((0, 50, 900)))
                told = 'NIL' if value is None else quote(value)
                self.doubtful = {n: value}
                if self.box is None:
                    self.imap.ok('STORE %d ANNOTATION (/comment (value.priv %s))' % (n, told))
                else:
                    self.imap.ok('SETMETADATA %s (/private/vendor/test/n%d %s)' % (self.box, n, told))
                self.values[n], self.doubtful = value, {}
                self.acknowledged += 1
        except (Closed, OSError):
            pass

    def read(self, c, n):
        if self.box is None:
            found = c.ok('FETCH %d (ANNOTATION (/comment value.priv))' % n).fetch(n).get('ANNOTATION')
            return found and found[1][1] and text(found[1][1])
        found = c.ok('GETMETADATA %s /private/vendor/test/n%d' % (self.box, n)).all('METADATA')
        return found[0].data[1][1] and text(found[0].data[1][1]) if found else None

    def look(self, server, user):
        """What is there is what was acknowledged, or what was on its way."""
        c = server.login(user)
        c.select('box')
        for n in self.values:
            there = self.read(c, n)
            assert there in (self.values[n], self.doubtful.get(n, self.values[n])), (user, self.box, n, there)
            self.values[n] = there
        c.close()


def test_kill_while_notes_are_taken():
    """Annotations of messages (RFC 5257) and of mailboxes (RFC 5464) are as durable as all else."""
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time()))
    print('POSTHORN_TEST_SEED=%d' % seed)
    chance = random.Random(seed)
    server = Server(users=2)
    server.start()
    changes = 0
    try:
        users = ['user1', 'user2']
        for user in users:
            c = server.login(user)
            c.ok('CREATE box')
            for n in range(20):
                c.append(mail.numbered(n), 'box')
            c.close()
        values = [(user, box, dict.fromkeys(range(1, 21))) for user in users for box in (None, 'box')]
        for n in range(max(4, ROUNDS // 4)):
            writers = [Writer(server, user, known, chance, box) for user, box, known in values]
            enough = chance.choice((1, 10, 60))
            while any(w.acknowledged < enough and w.is_alive() for w in writers):
                time.sleep(0.002)
            if n % 3 == 2:
                base = server.base
                server.crash()
                server.start(base)
            else:
                server.kill_role('mail')
            for w in writers:
                w.join()
            for w, (user, _, _) in zip(writers, values):
                w.look(server, user)
                changes += w.acknowledged
        print('%d changes of annotations acknowledged, none lost' % changes)
        assert changes > ROUNDS and any(v is not None for _, _, known in values for v in known.values())
    finally:
        server.close()
