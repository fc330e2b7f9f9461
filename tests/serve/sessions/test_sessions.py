"""Sessions with real worker processes: what those who follow are told, and what is left when things go wrong."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from live_sessions import (
    CASES,
    CLIP,
    Serving,
    all_states,
    box_order,
    dubbed,
    kill,
    once,
    quiet,
    run,
    settings,
)

from serve.sessions import sessions as sessions_module
from serve.sessions.options import Configuration
from serve.sessions.registry import Registry
from serve.sessions.sessions import Sessions
from serve.state import Insight, Level, Refusal, Result, State, Status
from serve.worker.artifacts import remove
from vtlab import media, resources
from vtlab.events import STAGES, Event, StageFinished, StageStarted

RESULTS = ["ID_early_preview.mp4", "ID_subtitles.srt", "ID_translated.mp4", "ID_translated_subtitles.srt"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Serving, list[State]]:
    """A session that nobody disturbs, with what was told while it ran."""
    serving = Serving(tmp_path_factory.mktemp("undisturbed"))

    async def whole() -> list[State]:
        async with serving.sessions() as sessions:
            await sessions.start("calm", CLIP, "en", "pt", "neutral")
            return await all_states(sessions, "calm")

    return serving, run(whole())


@pytest.fixture
def serving(undisturbed: tuple[Serving, list[State]], tmp_path: Path) -> Iterator[Serving]:
    """The same folders with another listener: what was computed once is found in the store."""
    known, _ = undisturbed
    yield Serving(known.root)


def result_hash(serving: Serving, session_id: str) -> str:
    return hashlib.sha256((serving.artifacts / f"{session_id}_translated.mp4").read_bytes()).hexdigest()


# ---------------------------------------------------------------- progress


def test_progress_never_falls_and_names_every_stage_in_order(undisturbed: tuple[Serving, list[State]]) -> None:
    _, states = undisturbed
    assert all(before.progress <= after.progress for before, after in pairwise(states))
    assert all(before.stage_number <= after.stage_number for before, after in pairwise(states))
    assert list(dict.fromkeys(state.stage for state in states)) == list(STAGES)
    assert all(STAGES[state.stage_number - 1] == state.stage and state.total_stages == 8 for state in states)
    assert all(state.current_step and state.hardware and 0 <= state.stage_progress <= 100 for state in states)
    assert [state.status for state in states[:-1]] == [Status.PROCESSING] * (len(states) - 1)
    last = states[-1]
    assert (last.status, last.progress, last.total_chunks, last.current_chunk) == (Status.COMPLETED, 100.0, 2, 1)
    assert last.current_time_s == last.total_duration_s == pytest.approx(9.7, abs=0.1)
    assert last.available_segments == ("seg_001",)


@pytest.mark.parametrize(
    ("stage", "low", "high"),
    [("audio_extraction", 5, 10), ("transcription", 15, 30), ("translation", 30, 70), ("tts", 30, 70),
     ("audio_sync", 70, 85), ("subtitle_generation", 85, 100), ("video_combination", 85, 100)],
)  # fmt: skip
def test_overall_progress_is_in_the_band_of_the_stage(
    undisturbed: tuple[Serving, list[State]], stage: str, low: float, high: float
) -> None:
    _, states = undisturbed
    assert all(low <= state.progress <= high for state in states if state.stage == stage)


def test_log_entries_come_once_in_one_format(undisturbed: tuple[Serving, list[State]]) -> None:
    _, states = undisturbed
    lines = [line for state in states for line in state.log]
    assert len({(line.timestamp, line.message) for line in lines}) == len(lines) > 16
    assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.timestamp)
        assert line.stage in STAGES
        if line.level in (Level.DEBUG, Level.INFO, Level.SUCCESS):
            assert not re.search("error|failed|warning", line.message, re.IGNORECASE)


def test_preview_is_announced_before_the_end_and_stays(undisturbed: tuple[Serving, list[State]]) -> None:
    serving, states = undisturbed
    announced = [state.early_preview for state in states]
    first = next(index for index, path in enumerate(announced) if path)
    assert first < len(states) - 1
    assert set(announced[first:]) == {str(serving.artifacts / "calm_early_preview.mp4")}


# ---------------------------------------------------------------- results


def test_result_lies_where_the_gateway_looks(undisturbed: tuple[Serving, list[State]], serving: Serving) -> None:
    async def ask() -> Result | Refusal:
        async with serving.sessions() as sessions:
            return sessions.result("calm")

    result = run(ask())
    assert isinstance(result, Result)
    assert serving.files("calm") == RESULTS
    assert Path(result.output_path) == serving.artifacts / "calm_translated.mp4"
    assert result.output_bytes == Path(result.output_path).stat().st_size
    assert result.original_bytes == CLIP.stat().st_size
    assert result.duration_s == pytest.approx(9.7, abs=0.1)
    assert result.processing_s > 0
    made = media.probe(Path(result.output_path))
    assert made.video is not None
    assert (made.video.codec, made.audio[0].codec) == ("h264", "aac")
    order = box_order(Path(result.output_path))
    assert order.index("moov") < order.index("mdat")
    for srt in (result.original_srt, result.translated_srt):
        blocks = Path(srt).read_text(encoding="utf-8").strip().split("\n\n")
        assert all(len(block.split("\n")) >= 3 and "-->" in block.split("\n")[1] for block in blocks)
    pieces = list((serving.temp_work / "calm" / "previews").iterdir())
    assert [piece.name for piece in pieces] == ["seg_001.mp4"]
    assert not (serving.temp_work / "calm" / "out").exists()


def test_quality_is_measured_or_an_insight_says_why_not(
    undisturbed: tuple[Serving, list[State]], serving: Serving
) -> None:
    async def ask() -> tuple[Result | Refusal, tuple[Insight, ...] | Refusal]:
        async with serving.sessions() as sessions:
            return sessions.result("calm"), sessions.insights("calm")

    result, insights = run(ask())
    assert isinstance(result, Result)
    assert isinstance(insights, tuple)
    if result.quality is None:
        assert [insight for insight in insights if insight.id.startswith("calm:absent-")]
    else:
        assert 0 <= result.quality.lip_sync_accuracy <= 100
        assert 0 <= result.quality.voice_quality <= 100
        assert 0 <= result.quality.translation_quality <= 100
        assert result.quality.duration_match
    assert len({insight.id for insight in insights}) == len(insights)
    assert all(insight.id.startswith("calm:") for insight in insights)


def test_sound_alone_becomes_an_mp4_all_the_same(serving: Serving) -> None:
    upload = serving.root / "sound.m4a"
    info = media.probe(CLIP)
    stream = info.audio[0]
    blocks = media.decode_blocks(CLIP, stream, stream.rate, 1, info.duration_s)
    media.write_aac(blocks, stream.rate, 1, 96, upload)

    async def sound() -> State:
        async with serving.sessions() as sessions:
            return await dubbed(sessions, "sound", upload)

    assert run(sound()).status is Status.COMPLETED
    assert serving.files("sound") == RESULTS
    for name in ("translated", "early_preview"):
        file = serving.artifacts / f"sound_{name}.mp4"
        made = media.probe(file)
        assert (made.video, made.audio[0].codec) == (None, "aac")
        order = box_order(file)
        assert order.index("moov") < order.index("mdat")


def test_completed_session_tells_its_last_state_at_once(serving: Serving) -> None:
    async def again() -> list[State]:
        async with serving.sessions() as sessions:
            await sessions.start("calm", CLIP, "en", "pt")
            return await all_states(sessions, "calm")

    (state,) = run(again())
    assert (state.status, state.progress) == (Status.COMPLETED, 100.0)
    assert serving.heard.happened == []


def test_two_who_follow_are_told_the_same(serving: Serving) -> None:
    async def both() -> tuple[list[State], list[State]]:
        async with serving.sessions() as sessions:
            await sessions.start("shared", CLIP, "en", "pt")
            first = asyncio.ensure_future(all_states(sessions, "shared"))
            await asyncio.sleep(0)
            await sessions.start("shared", CLIP, "en", "pt")
            return await first, await all_states(sessions, "shared")

    first, second = run(both())
    assert first[-1].status is Status.COMPLETED
    assert second[-1] == first[-1] or second[-1].progress == 100
    assert result_hash(serving, "shared") == result_hash(serving, "calm")


def test_what_nobody_knows_is_refused(serving: Serving) -> None:
    async def ask() -> None:
        async with serving.sessions() as sessions:
            refusal = sessions.result("nobody")
            assert isinstance(refusal, Refusal)
            assert refusal.unknown
            assert isinstance(sessions.insights("nobody"), Refusal)
            assert sessions.state("nobody") is None
            assert not (await sessions.cancel("nobody")).success
            assert not (await sessions.control("nobody", "pause")).success
            assert not (await sessions.control("calm", "pause")).success
            assert not (await sessions.control("calm", "dance")).success
            assert not (await sessions.cancel("calm")).success
            with pytest.raises(KeyError):
                await all_states(sessions, "nobody")

    run(ask())


# ---------------------------------------------------------------- pause and cancel


def test_paused_it_holds_and_resumed_it_completes(serving: Serving) -> None:
    async def paused() -> State:
        async with serving.sessions() as sessions:
            reached = asyncio.Event()
            serving.heard.at = once(reached.set, lambda happened: isinstance(happened, StageStarted))
            await sessions.start("paused", CLIP, "en", "pt")
            follower = asyncio.ensure_future(all_states(sessions, "paused"))
            await reached.wait()
            answer = await sessions.control("paused", "pause")
            assert (answer.success, answer.paused) == (True, True)
            assert sessions.state("paused").status is Status.PAUSED  # type: ignore[union-attr]
            assert sessions.insights("paused")
            assert isinstance(sessions.result("paused"), Refusal)
            await quiet(sessions.worker_pids[0])
            before = len(serving.heard.happened)
            await quiet(sessions.worker_pids[0])
            assert len(serving.heard.happened) == before
            answer = await sessions.control("paused", "resume")
            assert (answer.success, answer.paused) == (True, False)
            states = await follower
            assert Status.PAUSED in {state.status for state in states}
            assert all(one.progress <= other.progress for one, other in pairwise(states))
            return states[-1]

    assert run(paused()).status is Status.COMPLETED
    assert result_hash(serving, "paused") == result_hash(serving, "calm")


def test_paused_it_makes_room_and_goes_on_later(serving: Serving) -> None:
    async def two() -> None:
        async with serving.sessions() as sessions:
            reached = asyncio.Event()
            serving.heard.at = once(reached.set, lambda happened: isinstance(happened, StageStarted))
            await sessions.start("first", CLIP, "en", "pt")
            await reached.wait()
            await sessions.control("first", "pause")
            assert (await dubbed(sessions, "second")).status is Status.COMPLETED
            assert sessions.state("first").status is Status.PAUSED  # type: ignore[union-attr]
            # asked for again, a paused session goes on
            assert (await dubbed(sessions, "first")).status is Status.COMPLETED

    run(two())


@pytest.fixture
def never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that has a worker keeps it."""

    async def dub(self: Sessions, slot: object, session: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Sessions, "_dub", dub)


def test_paused_while_it_waits_it_cannot_be_parked_and_is_resumed(serving: Serving, never_done: None) -> None:
    async def paused() -> None:
        async with serving.sessions() as sessions:
            for name in ("busy", "waiting"):
                await sessions.start(name, CLIP, "en", "pt")
            await sessions.control("waiting", "pause")
            # the timer of an earlier pause comes to its end
            await asyncio.wait_for(sessions._park(sessions._live["waiting"]), 60)
            answer = await asyncio.wait_for(sessions.control("waiting", "resume"), 60)
            assert (answer.success, sessions.waiting) == (True, 1)

    run(paused())


def test_who_is_being_cancelled_is_not_resumed(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = threading.Event()

    def slowly(paths: Iterable[Path]) -> None:
        slow.wait(60)
        remove(paths)

    async def both() -> None:
        async with serving.sessions() as sessions:
            reached = asyncio.Event()
            serving.heard.at = once(reached.set, lambda happened: isinstance(happened, StageStarted))
            await sessions.start("torn", CLIP, "en", "pt")
            await reached.wait()
            await sessions.control("torn", "pause")
            await sessions._park(sessions._live["torn"])
            monkeypatch.setattr(sessions_module, "remove", slowly)
            cancelling = asyncio.ensure_future(sessions.cancel("torn"))
            await asyncio.sleep(0)
            answer = await sessions.control("torn", "resume")
            assert not answer.success
            await sessions.start("torn", CLIP, "en", "pt")  # follows it to its end
            slow.set()
            assert (await cancelling).success
            assert sessions.waiting == sessions.running == 0
            assert sessions.state("torn").status is Status.CANCELLED  # type: ignore[union-attr]

    run(both())


@pytest.mark.parametrize("moment", ["transcription", "video_combination"])
def test_cancelled_it_is_quiet_and_leaves_nothing(serving: Serving, moment: str) -> None:
    name = f"gone-{moment}"

    async def cancelled() -> None:
        async with serving.sessions() as sessions:
            reached = asyncio.Event()

            def wanted(happened: Event | State) -> bool:
                return isinstance(happened, StageStarted) and happened.stage == moment

            serving.heard.at = once(reached.set, wanted)
            await sessions.start(name, CLIP, "en", "pt")
            follower = asyncio.ensure_future(all_states(sessions, name))
            await reached.wait()
            answer = await sessions.cancel(name)
            assert answer.success, answer.message
            for pid in sessions.worker_pids:
                await quiet(pid)
            last = (await follower)[-1]
            assert (last.status, last.current_step) == (Status.CANCELLED, "Cancelled")
            assert not {"ID_translated.mp4", "ID_subtitles.srt"} & set(serving.files(name))
            assert not [name for name in serving.files(name) if name.endswith(".part")]
            assert not (serving.temp_work / name).exists()
            refusal = sessions.result(name)
            assert isinstance(refusal, Refusal)
            assert not refusal.unknown
            assert not (await sessions.cancel(name)).success
            assert (await dubbed(sessions, name)).status is Status.COMPLETED

    run(cancelled())
    assert result_hash(serving, name) == result_hash(serving, "calm")


# ---------------------------------------------------------------- crashes


@pytest.mark.parametrize("moment", ["initialization", "tts", "video_combination"])
def test_killed_worker_costs_nothing_but_time(serving: Serving, moment: str) -> None:
    """The others are in ``benchmarks/server_chaos.py``."""

    async def killed() -> list[State]:
        async with serving.sessions() as sessions:

            def wanted(happened: Event | State) -> bool:
                return isinstance(happened, StageStarted) and happened.stage == moment

            serving.heard.at = once(lambda: kill(sessions.worker_pids[0]), wanted)
            await sessions.start(f"killed-{moment}", CLIP, "en", "pt")
            return await all_states(sessions, f"killed-{moment}")

    states = run(killed())
    assert states[-1].status is Status.COMPLETED
    assert all(before.progress <= after.progress for before, after in pairwise(states))
    assert all(before.stage_number <= after.stage_number for before, after in pairwise(states))
    assert any("ended unexpectedly" in line.message for state in states for line in state.log)
    assert result_hash(serving, f"killed-{moment}") == result_hash(serving, "calm")


def test_worker_that_dies_twice_fails_its_session_alone(serving: Serving) -> None:
    async def doomed() -> None:
        async with serving.sessions() as sessions:

            def die(session_id: str, happened: Event | State) -> None:
                if session_id == "doomed" and isinstance(happened, StageStarted) and happened.stage == "tts":
                    for pid in sessions.worker_pids:
                        kill(pid)

            serving.heard.at = die
            await sessions.start("doomed", CLIP, "en", "pt")
            await sessions.start("beside", CLIP, "en", "pt")
            last = (await all_states(sessions, "doomed"))[-1]
            assert (last.status, last.code) == (Status.FAILED, "E_WORKER")
            assert "twice" in last.current_step
            assert set(serving.files("doomed")) <= {"ID_early_preview.mp4"}
            assert (await all_states(sessions, "beside"))[-1].status is Status.COMPLETED

    run(doomed())


def test_restarted_server_knows_what_was_and_goes_on(serving: Serving) -> None:
    async def first() -> None:
        async with serving.sessions() as sessions:
            reached = asyncio.Event()
            serving.heard.at = once(reached.set, lambda happened: isinstance(happened, StageFinished))
            await sessions.start("broken", CLIP, "en", "pt")
            await sessions.start("waiting", CLIP, "en", "pt")
            await reached.wait()
        # its workers are killed, nothing is told: what a crash of the server leaves

    async def second() -> None:
        later = settings(tts={"engines": ["espeak"], "voice_gender": "female"})
        serving.served = Configuration(later, "a later release")
        async with serving.sessions() as sessions:
            assert isinstance(sessions.result("calm"), Result)
            for session_id in ("broken", "waiting"):
                refusal = sessions.result(session_id)
                assert isinstance(refusal, Refusal)
                assert "restarted" in refusal.message
                assert sessions.insights(session_id)
            assert sessions.counts()["failed"] >= 2
            last = await dubbed(sessions, "broken")
            assert last.status is Status.COMPLETED
            told = sessions.insights("broken")
            assert isinstance(told, tuple)
            assert any("the tests' settings" in insight.description for insight in told)

    run(first())
    run(second())
    assert result_hash(serving, "broken") == result_hash(serving, "calm")


def test_drained_it_parks_what_it_cannot_finish(serving: Serving) -> None:
    async def drained() -> None:
        async with serving.sessions(drain_s=0) as sessions:
            reached = asyncio.Event()
            serving.heard.at = once(reached.set, lambda happened: isinstance(happened, StageStarted))
            await sessions.start("parked", CLIP, "en", "pt")
            await sessions.start("queued", CLIP, "en", "pt")
            followers = [asyncio.ensure_future(all_states(sessions, name)) for name in ("parked", "queued")]
            await reached.wait()
            await sessions.start("held", CLIP, "en", "pt")
            await sessions.control("held", "pause")
            await sessions.drain()
            answer = await sessions.control("held", "resume")
            assert (answer.success, answer.paused) == (False, True)
            assert "shutting down" in answer.message
            refusal = sessions.result("held")
            assert isinstance(refusal, Refusal)
            assert "goes on from there" in refusal.message
            for follower in followers:
                last = (await follower)[-1]
                assert (last.status, last.code) == (Status.FAILED, "E_INTERRUPTED")
                assert "goes on from there" in last.current_step
            assert (await sessions.start("late", CLIP, "en", "pt")).status is Status.FAILED
            assert sessions.running == sessions.waiting == 0
        async with serving.sessions() as sessions:
            assert (await dubbed(sessions, "parked")).status is Status.COMPLETED

    run(drained())


# ---------------------------------------------------------------- queue and limits


def test_queue_has_a_limit_and_says_when_to_come_back(serving: Serving) -> None:
    async def crowd() -> None:
        async with serving.sessions(queue=2) as sessions:
            for number in range(3):
                assert (await sessions.start(f"crowd-{number}", CLIP, "en", "pt")).status is Status.PROCESSING
            refused = await sessions.start("crowd-3", CLIP, "en", "pt")
            assert (refused.status, refused.code) == (Status.FAILED, "E_BUSY")
            assert re.search(r"[23] sessions are waiting. Try again in about \d+ minute", refused.current_step)
            (last,) = await all_states(sessions, "crowd-3")
            assert last.status is Status.FAILED
            assert [line.message for line in last.log] == [last.message]  # who is refused at once is told all the same
            assert "2 sessions ahead" in sessions.state("crowd-2").current_step  # type: ignore[union-attr]
            assert sessions.insights("crowd-2")
            await sessions.control("crowd-2", "pause")
            assert sessions.state("crowd-2").status is Status.PAUSED  # type: ignore[union-attr]
            await sessions.control("crowd-2", "resume")
            for number in (2, 1, 0):
                assert (await sessions.cancel(f"crowd-{number}")).success
            assert sessions.waiting == sessions.running == 0

    run(crowd())


def test_pausing_makes_no_room_in_the_queue(serving: Serving, never_done: None) -> None:
    async def pausing() -> None:
        async with serving.sessions(queue=2) as sessions:
            for number in range(5):
                await sessions.start(f"pausing-{number}", CLIP, "en", "pt")
                if number:
                    await sessions.control(f"pausing-{number}", "pause")
            answers = [await sessions.control(f"pausing-{number}", "resume") for number in range(1, 5)]
            assert [answer.success for answer in answers] == [True, True, False, False]
            assert "The server is busy: 2 sessions are waiting." in answers[-1].message
            for number in range(1, 5):
                await sessions.cancel(f"pausing-{number}")

    run(pausing())


def test_a_disk_that_cannot_be_asked_refuses_and_leaves_nothing(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(folder: Path) -> float:
        raise OSError(errno.ESTALE, "Stale file handle")

    async def asked() -> None:
        async with serving.sessions() as sessions:
            with monkeypatch.context() as patched:
                patched.setattr(resources, "disk_free_mb", stale)
                refused = await dubbed(sessions, "stale")
            assert (refused.status, refused.code) == (Status.FAILED, "E_BUSY")
            assert "cannot write to its disk" in refused.current_step
            assert (await dubbed(sessions, "stale")).status is Status.COMPLETED

    run(asked())


def test_hundred_sessions_that_wait_and_are_cancelled_end_in_the_right_state(serving: Serving) -> None:
    async def many() -> None:
        async with serving.sessions() as sessions:
            names = [f"many-{number}" for number in range(100)]
            for name in names:
                await sessions.start(name, CLIP, "en", "pt")
            followers = [asyncio.ensure_future(all_states(sessions, name)) for name in names]
            for name in reversed(names):
                assert (await sessions.cancel(name)).success
            assert {(await follower)[-1].status for follower in followers} == {Status.CANCELLED}

    run(many())


def test_full_disk_refuses_new_sessions(serving: Serving) -> None:
    async def full() -> State:
        async with serving.sessions(disk_free_mb=1e12) as sessions:
            return await sessions.start("no-room", CLIP, "en", "pt")

    state = run(full())
    assert (state.status, state.code) == (Status.FAILED, "E_BUSY")
    assert "disk" in state.current_step


def test_full_memory_refuses_new_sessions(tmp_path: Path) -> None:
    async def full() -> State:
        async with Serving(tmp_path).sessions(memory_mb=1) as sessions:
            while sessions.memory_mb == 0:
                await asyncio.sleep(0.01)
            return await sessions.start("no-room", CLIP, "en", "pt")

    state = run(full())
    assert (state.status, state.code) == (Status.FAILED, "E_BUSY")
    assert "memory" in state.message


def test_folders_of_ended_sessions_are_swept_but_no_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[list[str]] = []
    to_sweep = Registry.to_sweep

    def told(self: Registry, before: float) -> list[str]:
        swept.append(to_sweep(self, before))
        return swept[-1]

    monkeypatch.setattr(Registry, "to_sweep", told)
    serving = Serving(tmp_path)
    folder, artifact = serving.temp_work / "old" / "previews", serving.artifacts / "old_translated.mp4"
    other = serving.temp_work / "not-a-session"

    async def ended() -> None:
        async with serving.sessions() as sessions:
            await dubbed(sessions, "old", CLIP, ("en", ""))
        folder.mkdir(parents=True)
        other.mkdir()
        artifact.write_bytes(b"a result")
        swept.clear()
        async with serving.sessions(keep_s=3600):
            while not swept:
                await asyncio.sleep(0.01)
        assert swept[0] == []
        assert folder.exists()
        async with serving.sessions(keep_s=0) as sessions:
            while folder.exists():
                await asyncio.sleep(0.01)
            assert sessions.state("old") is not None

    run(ended())
    assert not folder.parent.exists()
    assert other.exists()
    assert artifact.exists()


# ---------------------------------------------------------------- bad input


BAD_FILES = {
    "playlist.mp4": ((CASES / "disguised_playlist" / "playlist_http.m3u8").read_bytes(), "E_PLAYLIST"),
    "concat.mp4": ((CASES / "disguised_playlist" / "concat.mp4").read_bytes(), "E_PLAYLIST"),
    "empty.mp4": (b"", "E_EMPTY"),
    "text.mp4": (b"not a video", "E_UNREADABLE"),
    "cut.mp4": (CLIP.read_bytes()[:20000], "E_UNREADABLE"),
    "missing.mp4": (None, "E_NO_FILE"),
}


def test_what_cannot_be_dubbed_fails_with_a_sentence(serving: Serving) -> None:
    async def bad() -> None:
        async with serving.sessions() as sessions:
            for name, (content, code) in BAD_FILES.items():
                upload = serving.root / name
                if content is not None:
                    upload.write_bytes(content)
                state = await dubbed(sessions, f"bad-{code}", upload)
                assert (state.status, state.code) == (Status.FAILED, code), name
                assert name in state.message
                assert str(serving.root) not in state.message
                assert state.message.startswith(state.current_step)
                result = sessions.result(f"bad-{code}")
                assert isinstance(result, Refusal)
                assert result.message == state.current_step
                assert serving.files(f"bad-{code}") == []
            for pair in (("en", "xx"), ("en", "en")):
                state = await dubbed(sessions, "babel", CLIP, pair)
                assert (state.status, state.code) == (Status.FAILED, "E_LANGUAGE")

    run(bad())


# ---------------------------------------------------------------- detection


def test_languages_are_taken_as_they_are_written(serving: Serving) -> None:
    async def written() -> None:
        async with serving.sessions() as sessions:
            await sessions.start("tongues", CLIP, "Auto", "PT-br")
            await sessions.control("tongues", "pause")
            told = sessions.insights("tongues")
            assert isinstance(told, tuple)
            assert told[0].description.startswith("From the language that is spoken to Portuguese")
            none = await dubbed(sessions, "none", CLIP, ("en", ""))
            assert (none.status, none.current_step) == (Status.FAILED, "No target language was chosen.")

    run(written())


def test_language_is_detected_or_the_reason_told(serving: Serving) -> None:
    serving.served = Configuration(settings(transcription={}), "the packaged recogniser")
    silent = CASES / "disguised_playlist" / "playlist.mp4"

    async def ask() -> None:
        async with serving.sessions() as sessions:
            found = await sessions.detect_language(CLIP)
            assert found.language == "en"
            assert found.confidence is not None
            assert found.confidence > 0.5
            none = await sessions.detect_language(silent)
            assert (none.language, none.confidence) == (None, None)
            assert "playlist" in none.message
            late = await sessions.detect_language(CASES / "late_speech.mp4")
            assert late.language == "es"

    run(ask())
