"""States in order, and not too many of them."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from serve.sessions.mailbox import PENDING, Mailbox
from serve.state import State, Status
from vtlab.events import STAGES


def test_a_follower_that_does_not_read_costs_little_and_misses_no_stage() -> None:
    mailbox = Mailbox()
    count = 0
    for stage in STAGES:
        for _ in range(1000):
            count += 1
            mailbox.put(State("a", Status.PROCESSING, elapsed_s=count, stage=stage), count)
    mailbox.put(State("a", Status.COMPLETED, elapsed_s=count + 1, stage=STAGES[-1]), count)
    assert len(mailbox) <= PENDING

    async def read() -> list[State]:
        return [(await mailbox.get())[0] for _ in range(len(mailbox))]

    states = asyncio.run(read())
    assert list(dict.fromkeys(state.stage for state in states)) == list(STAGES)
    assert all(before.elapsed_s < after.elapsed_s for before, after in pairwise(states))
    assert states[-1].status is Status.COMPLETED
