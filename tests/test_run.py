from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, LineError
from vtlab.events import Event, Finding, Found, SegmentDone, Severity, StageFinished
from vtlab.record import Source
from vtlab.run import STAGES, DubContext
from vtlab.segments import Interval
from vtlab.settings import Settings
from vtlab.store.results import Store
from vtlab.store.stages import Mix, StoredSegments


@dataclass(frozen=True)
class Line:
    text: str


class Stage:
    """A stage that writes in capitals, counts how often it does, and finds something in every "b"."""

    def __init__(self, context: DubContext, stage: str = "tts") -> None:
        self.context, self.stage, self.made = context, stage, 0
        self.lost: set[str] = set()

    def capitals(self, lines: Iterable[Line]) -> Generator[Line, None, None]:
        for line in lines:
            self.made += 1
            if line.text == "b":
                self.context.report(Finding(self.stage, "a_b", Severity.INFO, "There is a b.", 1, 0.5, None))
            yield Line(line.text.upper())

    def lines(self, source: Iterable[Line], worth_keeping: bool = True) -> Generator[Line, None, None]:
        self.context.start(self.stage)
        stored: StoredSegments[Any] = StoredSegments(
            self.context.store,
            f"{self.stage}/" + "0" * 64,
            asdict,
            lambda data, _: None if data["text"] in self.lost else Line(**data),
            lambda encoded: worth_keeping,
        )
        return self.context.stored_segments(self.stage, stored, source, self.capitals)


def context_on(store: Path, events: list[Event] | None = None, pool: EnginePool | None = None) -> DubContext:
    on_event = (lambda event: None) if events is None else events.append
    return DubContext(Settings(), Store(store), pool or EnginePool(), on_event, lambda: None)


ABC = [Line("a"), Line("b"), Line("c")]
CAPITALS = [Line("A"), Line("B"), Line("C")]


def test_lines_are_made_once_and_come_back_with_their_findings(tmp_path: Path) -> None:
    for made in (3, 0):
        events: list[Event] = []
        stage = Stage(context_on(tmp_path, events))
        assert list(stage.lines(iter(ABC))) == CAPITALS
        assert stage.made == made
        assert [event.finding.code for event in events if isinstance(event, Found)] == ["a_b"]
        assert [event.done for event in events if isinstance(event, SegmentDone)] == [1, 2, 3]
        (finished,) = [event for event in events if isinstance(event, StageFinished)]
        assert finished.reused == (made == 0)


@pytest.mark.parametrize("source", [ABC[:2], [*ABC, Line("d")], [*ABC[:2], Line("z")], ABC[::-1]])
def test_lines_made_of_another_source_are_not_taken_for_these(tmp_path: Path, source: list[Line]) -> None:
    list(Stage(context_on(tmp_path)).lines(ABC))
    stage = Stage(context_on(tmp_path))
    assert list(stage.lines(source)) == [Line(line.text.upper()) for line in source]
    assert stage.made == len(source)


def test_where_a_part_is_lost_all_lines_are_made_again(tmp_path: Path) -> None:
    list(Stage(context_on(tmp_path)).lines(ABC))
    stage = Stage(context_on(tmp_path))
    stage.lost = {"B"}
    assert list(stage.lines(iter(ABC))) == CAPITALS
    assert stage.made == 3
    assert len(stage.context.findings) == 1


def test_what_is_not_worth_keeping_is_made_again(tmp_path: Path) -> None:
    for _ in range(2):
        stage = Stage(context_on(tmp_path))
        list(stage.lines(ABC, worth_keeping=False))
        assert stage.made == 3


def test_half_a_result_is_not_kept(tmp_path: Path) -> None:
    lines = Stage(context_on(tmp_path)).lines(ABC)
    next(lines)
    lines.close()
    stage = Stage(context_on(tmp_path))
    assert list(stage.lines(ABC)) == CAPITALS
    assert stage.made == 3


def test_the_last_recognised_line_tells_how_many_there_are(tmp_path: Path) -> None:
    context = context_on(tmp_path)
    assert context.segments is None
    list(Stage(context, "transcription").lines(ABC))
    assert context.segments == 3


def test_where_the_reader_fails_the_threads_behind_it_stop(tmp_path: Path) -> None:
    context = context_on(tmp_path)
    before = threading.active_count()
    stopped: list[str] = []

    def endless(name: str) -> Generator[int, None, None]:
        try:
            number = 0
            while True:
                context.checkpoint()
                yield number
                number += 1
        except Cancelled:
            stopped.append(name)
            raise

    def second() -> Generator[int, None, None]:
        with context.prefetch(endless("first")) as numbers:
            for number in numbers:
                context.checkpoint()
                yield number

    with pytest.raises(LineError, match="the reader"), context.prefetch(second()) as numbers:
        assert next(numbers) == 0
        raise LineError("the reader")
    assert threading.active_count() == before
    with pytest.raises(Cancelled):
        context.checkpoint()


def test_engines_go_back_when_their_stage_is_finished_and_at_the_end(tmp_path: Path) -> None:
    pool = EnginePool(budget_mb=1)  # less than this process has, so all that is idle goes
    context = context_on(tmp_path, pool=pool)
    with context.active():
        engine = context.engine("tts", ("tts", "a"), object)
        other = context.engine("translation", ("translation", "b"), object)
        context.start("tts")
        assert engine() is engine()
        other()
        pool.unload()  # the run's own watch may have been first
        assert set(pool.loaded()) == {("tts", "a"), ("translation", "b")}
        context.finish("tts")
        pool.unload()
        assert pool.loaded() == [("translation", "b")]
    pool.unload()
    assert pool.loaded() == []


def test_memory_is_watched_while_a_run_is_under_way(tmp_path: Path) -> None:
    pool, events = EnginePool(budget_mb=1), []
    pool.borrow(("tts", "idle"), object)
    pool.give_back(("tts", "idle"))
    told = threading.Event()

    def on_event(event: Any) -> None:
        events.append(event.message)
        told.set()

    with DubContext(Settings(), Store(tmp_path), pool, on_event, lambda: None).active():
        assert told.wait(60)
    assert pool.loaded() == []
    assert events[0].startswith("unloading idle")


def test_speech_that_nobody_understood_counts_against_completeness(tmp_path: Path) -> None:
    context = context_on(tmp_path)
    for stage in STAGES:
        with context.stage(stage):
            pass
    source = Source(
        file="talk.mp4", sha256="", seconds=20, container="mp4", video=None, audio_stream=0, audio_streams=1,
        language="pt", language_confidence=None,
    )  # fmt: skip
    speech, mix = [Interval(0, 6), Interval(8, 12)], Mix(tmp_path / "mix.flac", None, None, None)
    assert context.record(source, "en", [], [], speech, mix).completeness == 1
    music = Finding("transcription", "not_understood", Severity.WARNING, "♪", None, 2.0, 0.8, 0.0, 2.0)
    lost = Finding("transcription", "not_understood", Severity.DEGRADED, "Lost.", None, 2.5, 0.8, 9.0, 11.5)
    context.report(music)
    context.report(lost)
    record = context.record(source, "en", [], [], speech, mix)
    assert record.completeness == pytest.approx(0.75)
    assert record.unheard_s == 2.5
    assert record.degraded
    assert (record.findings[-1].start, record.findings[-1].end) == (9.0, 11.5)
