"""One session with reports made by hand: the order of its states, its log, its evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from serve.sessions import session as session_module
from serve.sessions.options import Configuration
from serve.sessions.registry import Phase, Registry, Row
from serve.sessions.session import Session
from serve.state import Hardware, Result, State, Status
from serve.worker.protocol import Done, Happened, Opened, SegmentReached
from vtlab.events import STAGES, Log, SegmentDone, StageFinished, StageStarted
from vtlab.settings import Settings

RELEASE = Configuration(Settings(), "release 3", (("pt", "en"),))
DONE = Done(
    job=1, paths={}, artifacts=(), source_language="fr", duration_s=1.0, output_bytes=1, original_bytes=1,
    quality=None, absent={}, pieces=(), more={},
)  # fmt: skip


def session(tmp_path: Path, source: str | None = "pt") -> Session:
    row = Row("a", Phase.WAITING, Path("/a.mp4"), source, "en", "neutral", State("a", Status.PROCESSING), 1.0)
    registry = Registry(tmp_path / "sessions.sqlite")
    return Session(row, registry, Hardware("x", "none", 0, 8), lambda *_: None, lambda _: 0)


async def work(made: Session, moment: Callable[[], object]) -> None:
    """All reports of a dub, in a hurry, once more after a worker that died half way."""
    made.begin(Settings(), RELEASE)
    for attempt in range(2):
        for number, stage in enumerate(STAGES, 1):
            made.take(Happened(1, StageStarted(stage, number, len(STAGES))))
            for done in range(20):
                made.take(Happened(1, SegmentDone(stage, done, 20, False)))
                made.take(SegmentReached(1, stage, float(done)))
                made.take(Opened(1, 20.0 + done))  # the share of a stage falls with a longer video
                await asyncio.sleep(0.002)
            if attempt == 0 and stage == "audio_sync":
                break
            made.take(Happened(1, StageFinished(stage, number, len(STAGES), 0.1, 0.0)))
            moment()
        if attempt == 0:
            made.begin_again("The worker process ended unexpectedly")
    made.end(Phase.CANCELLED, "Cancelled")


def test_no_follower_gets_an_older_state_after_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "HEARTBEAT_S", 0.005)
    made = session(tmp_path)

    async def follow(pause_s: float) -> list[State]:
        states = []
        async for state in made.follow():
            states.append(state)
            await asyncio.sleep(pause_s)
        return states

    async def both() -> list[list[State]]:
        followers = [asyncio.ensure_future(follow(pause_s)) for pause_s in (0, 0.003, 0.02)]
        await asyncio.sleep(0)
        await work(made, lambda: None)
        return await asyncio.gather(*followers)

    for states in asyncio.run(asyncio.wait_for(both(), 60)):
        for before, after in pairwise(states):
            assert before.elapsed_s <= after.elapsed_s
            assert before.progress <= after.progress
            assert before.stage_number <= after.stage_number
            if before.stage == after.stage:
                assert before.stage_progress <= after.stage_progress
        assert list(dict.fromkeys(state.stage for state in states)) == list(STAGES)
        assert states[-1].status is Status.CANCELLED


def test_a_follower_that_does_not_read_gets_each_entry_once_and_the_newest_state(tmp_path: Path) -> None:
    made = session(tmp_path)

    async def sleepy() -> list[State]:
        states = []
        async for state in made.follow():
            states.append(state)
            if len(states) == 1:
                await work(made, lambda: None)
        return states

    states = asyncio.run(asyncio.wait_for(sleepy(), 60))
    entries = [entry for state in states for entry in state.log]
    assert len({entry.timestamp for entry in entries}) == len(entries) > 20
    assert list(entries) == list(made._registry.load_log("a"))
    assert states[-1].status is Status.CANCELLED


def test_a_log_in_memory_is_bounded_and_its_last_entries_are_sent(tmp_path: Path) -> None:
    made = session(tmp_path)
    count = 3 * session_module.LOG_KEPT

    async def sleepy() -> list[str]:
        messages = []
        async for state in made.follow():
            if not messages:
                for number in range(count):
                    made.take(Happened(1, Log("tts", f"entry {number}")))
                made.end(Phase.CANCELLED, "Cancelled")
            messages += [entry.message for entry in state.log] or [""]
        return messages

    messages = asyncio.run(asyncio.wait_for(sleepy(), 60))
    assert len(made._log) <= 2 * session_module.LOG_KEPT
    assert messages[-2:] == [f"entry {count - 1}", "Cancelled"]
    assert len(set(messages)) == len(messages) >= session_module.LOG_KEPT


@pytest.mark.parametrize(
    ("source", "measured", "before", "after"),
    [
        ("pt", (("pt", "en"),), False, False),
        ("en", (("pt", "en"),), True, True),
        (None, (("pt", "en"),), False, True),  # French, as it turns out
        (None, (("fr", "en"),), False, False),
    ],
)
def test_an_unmeasured_pair_is_logged_and_an_insight(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    source: str | None,
    measured: tuple[tuple[str, str], ...],
    before: bool,
    after: bool,
) -> None:
    made = session(tmp_path, source)

    def unmeasured() -> tuple[bool, bool, bool]:
        insight = any(insight.id == "a:unmeasured" for insight in made.insights())
        entry = any(entry.message.startswith("Nobody has measured") for entry in made._registry.load_log("a"))
        return insight, entry, "Nobody has measured" in caplog.text

    async def dub() -> None:
        made.begin(Settings(), replace(RELEASE, measured_pairs=measured))
        assert unmeasured() == (before,) * 3
        made.complete(Result("a", "/o", "/s", "/t", 1.0, 1, 1, 1.0), DONE)
        assert unmeasured() == (after,) * 3

    asyncio.run(dub())
