"""Promise 2: the power goes at any instant. The real daemon on a file system that then forgets what was not synced: all of it, all but the
names, or what chance picks, by pages, by sectors, or torn at a byte (powerfs.c)."""

import asyncio
import os
import random
import time

import pytest

from harness import ledger
from harness.crowd import Crowd
from harness.power import KINDS, PowerServer

pytestmark = pytest.mark.own_server

ROUNDS = int(os.environ.get('POSTHORN_TEST_CUTS', 12))
CHANGES_MAX = 400           # writes, syncs and names until the cut
ROUND_SECONDS = 300


async def cut(server, crowd, chance, totals):
    """One round: work, the power goes, it comes back, all is compared."""
    load = crowd.begin()
    assert await server.tell('arm %d' % int(CHANGES_MAX ** chance.random())) == ['armed']
    frozen = asyncio.ensure_future(server.fs.stdout.readline())
    while not frozen.done() and not all(t.done() for t in load):
        await asyncio.wait([frozen], timeout=0.5)
    # What is already on its way to the clients may still arrive.
    await asyncio.sleep(chance.random() * 0.01)
    base = server.base
    server.crash()
    crowd.is_over = True
    await crowd.end(load)
    assert await frozen == b'frozen\n'
    await server.cut(chance, totals)
    while chance.random() < 0.3 and await server.is_cut_while_starting(base, chance, totals):
        pass
    if server.proc is None:
        server.start(base)
    await crowd.settle(True)


async def rounds(crowd_of, count, chance, totals, lie=False):
    server = PowerServer(users=20)
    why = await server.mount()
    if why is not None:
        os.rmdir(server.data)
        server.close()
        pytest.skip(why)
    try:
        server.start()
        crowd = crowd_of(server)
        await crowd.prepare()
        await crowd.settle()
        if lie:
            await server.tell('lie on')
        for _ in range(count):
            await asyncio.wait_for(cut(server, crowd, chance, totals), ROUND_SECONDS)
        return crowd
    finally:
        try:
            if server.proc is not None:
                server.expect_errors = True
                server.crash()
        finally:
            await server.unmount()
            server.close()


def seeded():
    seed = int(os.environ.get('POSTHORN_TEST_SEED', time.time()))
    print('POSTHORN_TEST_SEED=%d' % seed)
    return random.Random(seed)


def test_power_cuts():
    """Whatever a cut leaves of what was not synced: everything acknowledged is there, and everything else whole or not at all."""
    chance = seeded()
    totals = [[0, 0, 0] for _ in KINDS]
    started = time.monotonic()
    crowd = asyncio.run(rounds(lambda server: Crowd(server, chance.random()), ROUNDS, chance, totals))
    print('%d cuts in %.0f s: %d changes acknowledged, %d in flight, %d messages compared byte for byte; nothing lost'
          % (ROUNDS, time.monotonic() - started, crowd.acknowledged, crowd.in_flight, crowd.looked_at))
    for kind, (times, lost_bytes, lost_names) in zip(KINDS, totals):
        print('%12s: %d cuts lost %d unsynced bytes and %d names' % (kind, times, lost_bytes, lost_names))
    # The cuts must have had something to take.
    assert crowd.acknowledged > ROUNDS and sum(t[1] for t in totals) > 0


def test_the_test_finds_a_disk_that_lies():
    """On a disk that says it has synced and has not, mail is lost, and these tests must see it."""
    chance = seeded()
    with pytest.raises((ledger.Broken, AssertionError)) as e:
        asyncio.run(rounds(lambda server: Crowd(server, chance.random(), people=4, agents=1), 40, chance, [[0, 0, 0] for _ in KINDS],
                           lie=True))
    print('found: %s' % str(e.value)[:200])
