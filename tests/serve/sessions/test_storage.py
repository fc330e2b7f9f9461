"""Disks that are full, gone or read-only: every session ends, and the server goes on once they are mended."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_sessions import CLIP, Serving, all_states, dubbed, once, run

from serve.sessions.registry import Phase, Registry, Row
from serve.sessions.sessions import Sessions
from serve.state import Insight, State, Status
from vtlab.events import StageStarted

INSIGHT = Insight("a:x", "warning", "t", "d", "low", "2026-01-01T00:00:00.000000Z")


def row(session_id: str, **changes: object) -> Row:
    state = State(session_id, Status.PROCESSING, message="working")
    values = {"phase": Phase.RUNNING, "file": Path("/f"), "source_lang": "en", "target_lang": "pt"}
    return Row(id=session_id, voice_gender="neutral", state=state, created=1.0, **{**values, **changes})  # type: ignore[arg-type]


def close_for_writing(registry: Registry) -> None:
    """From now on sqlite refuses to write, as on a disk that was mounted anew to be read only."""
    registry._db.execute("PRAGMA query_only = ON")


def mend(registry: Registry) -> None:
    registry._db.execute("PRAGMA query_only = OFF")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    yield Serving(tmp_path)


def test_what_cannot_be_written_is_remembered_and_written_later(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "sessions.sqlite")
    registry.put(row("a"))
    close_for_writing(registry)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        registry._write_row(row("b"))
    registry.put(row("c"), [INSIGHT])
    registry.put(row("c", phase=Phase.COMPLETED))
    assert not registry.writable
    known = registry.get("c")
    assert known is not None and known.phase is Phase.COMPLETED
    assert registry.load_insights("c") == (INSIGHT,)
    mend(registry)
    registry.write()
    assert registry.writable
    registry.close()
    again = Registry(tmp_path / "sessions.sqlite")
    assert (again.get("c"), again.load_insights("c")) == (known, (INSIGHT,))
    assert again.get("b") is None
    again.close()


def test_a_registry_that_cannot_be_written_ends_no_session_and_takes_no_new_one(serving: Serving) -> None:
    async def closed() -> None:
        async with serving.sessions() as sessions:
            registry = sessions._registry
            serving.heard.at = once(
                lambda: close_for_writing(registry), lambda happened: isinstance(happened, StageStarted)
            )
            assert (await dubbed(sessions, "under-way")).status is Status.COMPLETED
            assert not sessions.writable
            refused = await dubbed(sessions, "new")
            assert (refused.status, refused.code) == (Status.FAILED, "E_BUSY")
            assert "cannot write to its disk" in refused.current_step
            mend(registry)
            registry.write()
            assert sessions.writable
            assert (await dubbed(sessions, "new")).status is Status.COMPLETED

    run(closed())


def test_artifacts_that_cannot_be_written_fail_their_session_alone(serving: Serving) -> None:
    def lose() -> None:
        serving.artifacts.rename(serving.root / "kept")
        serving.artifacts.write_bytes(b"")

    async def lost() -> None:
        async with serving.sessions() as sessions:
            serving.heard.at = once(
                lose, lambda happened: isinstance(happened, StageStarted) and happened.stage == "tts"
            )
            last = await dubbed(sessions, "lost")
            assert (last.status, last.code) == (Status.FAILED, "E_STORAGE")
            assert last.current_step.startswith("The server cannot store the result (")
            again = await dubbed(sessions, "still-lost")
            assert (again.status, again.code) == (Status.FAILED, "E_STORAGE")
            serving.artifacts.unlink()
            (serving.root / "kept").rename(serving.artifacts)
            assert (await dubbed(sessions, "lost")).status is Status.COMPLETED

    run(lost())


def test_a_task_that_goes_wrong_begins_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Sessions, *arguments: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("a fault of ours")

    async def going() -> None:
        monkeypatch.setattr(Sessions, "_dub", wrong)
        async with serving.sessions() as sessions:
            last = await dubbed(sessions, "hit")
            assert (last.status, last.code) == (Status.FAILED, "E_INTERNAL")
            assert (await dubbed(sessions, "next")).status is Status.COMPLETED

    run(going())


def test_a_video_that_goes_or_is_swapped_is_told(serving: Serving) -> None:
    secret = serving.root / "secret.mp4"
    shutil.copyfile(CLIP, secret)
    gone, swapped = serving.root / "gone.mp4", serving.root / "swapped.mp4"
    for upload in (gone, swapped):
        shutil.copyfile(CLIP, upload)

    async def changed() -> None:
        async with serving.sessions() as sessions:
            await sessions.start("first", CLIP, "en", "pt")
            for upload in (gone, swapped):
                await sessions.start(upload.stem, upload, "en", "pt")
            gone.unlink()
            swapped.unlink()
            swapped.symlink_to(secret)
            for name, what in (("gone", "is not there any more"), ("swapped", "was replaced")):
                last = (await all_states(sessions, name))[-1]
                assert (last.status, last.code) == (Status.FAILED, "E_NO_FILE")
                assert last.current_step.startswith(f"{name}.mp4 {what}")
            assert (await all_states(sessions, "first"))[-1].status is Status.COMPLETED

    run(changed())


def test_what_was_told_is_known_after_a_crash(serving: Serving) -> None:
    """Progress does not fall, and a preview that was announced stays announced."""
    told: list[State] = []

    async def crash() -> None:
        async with serving.sessions() as sessions:
            await sessions.start("crashed", CLIP, "en", "pt")
            async for state in sessions.follow("crashed"):
                told.append(state)
                if state.early_preview:
                    return
        # its worker is killed and nobody is told: what is left is what a crash of the server leaves

    async def again() -> None:
        async with serving.sessions() as sessions:
            await sessions.start("crashed", CLIP, "en", "pt")
            states = await all_states(sessions, "crashed")
            assert states[-1].status is Status.COMPLETED
            assert states[0].progress >= told[-1].progress
            assert {state.early_preview for state in states} == {told[-1].early_preview}

    run(crash())
    assert told[-1].early_preview
    run(again())


def test_an_insight_once_told_stays_as_it_is(serving: Serving) -> None:
    """A browser drops an insight whose id it has seen."""

    async def watched() -> None:
        seen: dict[str, Insight] = {}
        async with serving.sessions() as sessions:
            await sessions.start("watched", CLIP, "en", "pt")
            async for _ in sessions.follow("watched"):
                told = sessions.insights("watched")
                assert isinstance(told, tuple) and told
                for insight in told:
                    assert seen.setdefault(insight.id, insight) == insight
                await asyncio.sleep(0)

    run(watched())
