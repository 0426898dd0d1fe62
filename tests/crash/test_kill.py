"""Promise 1: kill -9 at any instant, twenty people with two devices each and a transfer agent at work."""

import asyncio
import os
import random
import time

import pytest

from harness.crowd import Crowd
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
            if server.role_pid('mail') is not None:
                server.kill_role('mail')
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
