"""The books of one dub: which stage runs since when, what was found, how much came from the store, what is in use."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled
from vtlab.events import STAGES, Finding, Found, Listener, Log, SegmentDone, Severity, StageFinished, StageStarted
from vtlab.prefetch import prefetch
from vtlab.record import FindingRecord, StageRecord
from vtlab.resources import Watch, cpu_s
from vtlab.segments import PlacedSegment, Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import Settings
from vtlab.store.engines import OnFirstUse, Tally
from vtlab.store.results import Store

SegmentListener = Callable[[Segment | TranslatedSegment | SpokenSegment | PlacedSegment], None]

Item = TypeVar("Item")
Line = TypeVar("Line")


@dataclass
class Run:
    """One dub under way; safe to use from the threads of stages that overlap."""

    settings: Settings
    store: Store
    pool: EnginePool
    on_event: Listener
    on_checkpoint: Callable[[], None]
    on_segment: SegmentListener = lambda segment: None
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=lambda: {stage: Tally() for stage in STAGES})
    stages: dict[str, StageRecord] = field(default_factory=dict)
    total_lines: int | None = None  # known once the last line was recognised
    first_spoken: float | None = None  # when the first line had been spoken, by ``time.perf_counter``
    _started: dict[str, tuple[float, float]] = field(default_factory=dict)
    _engines: list[tuple[str, OnFirstUse[Any]]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Memory is watched, and engines that no stage uses are unloaded where it grows short; all are given back."""
        budget_mb = self.pool.budget_mb
        watch = nullcontext() if budget_mb is None else Watch(budget_mb, self._trim)
        try:
            with watch:
                yield
        finally:
            for stage in STAGES:
                self._release(stage)

    # ------------------------------------------------------------ stages and lines

    def checkpoint(self) -> None:
        """Blocks while the caller has paused; raises ``Cancelled`` where the caller wants it or the run has failed."""
        if self._ended.is_set():
            raise Cancelled("The run ended with an error elsewhere.")
        self.on_checkpoint()

    @contextmanager
    def stage(self, stage: str) -> Iterator[Tally]:
        """Times a stage; it counts as reused where its tally shows answers from the store and no computed one."""
        self.start(stage)
        yield self.tallies[stage]
        self.finish(stage)

    def start(self, stage: str) -> None:
        self.checkpoint()
        self._started[stage] = (time.perf_counter(), cpu_s())
        self.on_event(StageStarted(stage, STAGES.index(stage) + 1, len(STAGES)))

    def finish(self, stage: str) -> None:
        self._release(stage)
        began, cpu = self._started[stage]
        tally = self.tallies[stage]
        seconds = time.perf_counter() - began
        reused_share = tally.reused / max(1, tally.reused + tally.computed)
        self.stages[stage] = StageRecord(
            stage=stage,
            seconds=round(seconds, 3),
            cpu_s=round(cpu_s() - cpu, 3),
            load_s=round(tally.load_s, 3),
            reused=tally.reused,
            computed=tally.computed,
            from_store=reused_share == 1,
        )
        self.on_event(StageFinished(stage, STAGES.index(stage) + 1, len(STAGES), seconds, reused_share))

    @contextmanager
    def ahead(self, lines: Iterable[Line]) -> Iterator[Iterator[Line]]:
        """The same lines, made in a thread of their own. Where the reader fails, that thread and those behind it stop
        at their next line; at the end of the block none is left."""
        with closing(prefetch(lines)) as reader:
            try:
                yield reader
            except BaseException:
                self._ended.set()
                raise

    def kept_lines(
        self,
        stage: str,
        key: str,
        source: Iterable[Item],
        make: Callable[[Iterable[Item]], Generator[Line, None, None]],
        encode: Callable[[Line], dict[str, Any]],
        decode: Callable[[dict[str, Any], Any], Line | None],
        *,
        worth_keeping: Callable[[Sequence[dict[str, Any]]], bool] = lambda lines: True,
    ) -> Generator[Line, None, None]:
        """The lines of a stage, from the store or made of ``source`` and then kept, with what was found on the way.

        ``decode`` takes a stored line and, where ``source`` has lines of its own, the one it was made of. What is
        kept is used where it was made of the very same ``source`` and ``decode`` finds every part of every line;
        otherwise all lines are made anew.
        """
        known = self.store.get_json(key)
        lines: list[Line] | None = None
        if known is not None:
            source = list(source)
            lines = _decoded(known, source, decode)
        if known is not None and lines is not None:
            self.tallies[stage].count(reused=len(lines))
            self.found_again(known["findings"])
            self._count(stage, len(lines))
            for done, line in enumerate(lines, 1):
                self.checkpoint()
                yield line
                self._left(line)
                self.on_event(SegmentDone(stage, done, len(lines), True))
        else:
            before = len(self.findings)
            encoded: list[dict[str, Any]] = []
            origin = _Fingerprint()
            with closing(make(origin.passed(source))) as made:
                for line in made:
                    self.checkpoint()
                    encoded.append(encode(line))
                    yield line
                    self._left(line)
                    self.on_event(SegmentDone(stage, len(encoded), self.total_lines, False))
            self._count(stage, len(encoded))
            if worth_keeping(encoded):
                kept = {"of": origin.hexdigest(), "lines": encoded, "findings": self.found_since(before, stage)}
                self.store.put_json(key, kept)
        self.finish(stage)

    def _left(self, line: object) -> None:
        if isinstance(line, SpokenSegment) and not line.silent and self.first_spoken is None:
            self.first_spoken = time.perf_counter()
        if isinstance(line, Segment | TranslatedSegment | SpokenSegment):
            self.on_segment(line)

    def _count(self, stage: str, lines: int) -> None:
        if stage == "transcription":
            self.total_lines = lines

    # ------------------------------------------------------------ findings and messages

    def found(self, finding: Finding) -> None:
        """Takes one finding and tells the listener."""
        with self._lock:
            self.findings.append(finding)
        self.on_event(Found(finding))

    def found_since(self, before: int, *stages: str) -> list[dict[str, Any]]:
        """What these stages found after the first ``before`` findings, as plain data to be kept."""
        return [asdict(finding) for finding in self.findings[before:] if finding.stage in stages]

    def found_again(self, findings: Iterable[dict[str, Any]]) -> None:
        """Takes findings as they were kept."""
        for finding in findings:
            self.found(Finding(**{**finding, "severity": Severity(finding["severity"])}))

    def finding_records(self) -> list[FindingRecord]:
        return [FindingRecord(**asdict(finding)) for finding in self.findings]

    def note(self, stage: str, message: str) -> None:
        """A line for people."""
        self.on_event(Log(stage, message))

    # ------------------------------------------------------------ engines

    def engine(self, stage: str, key: tuple[str, ...], build: Callable[[], Any]) -> OnFirstUse[Any]:
        """An engine of the pool, borrowed at its first use and given back when the stage is finished."""
        borrow = partial(self.pool.borrow, key, build)
        engine: OnFirstUse[Any] = OnFirstUse(borrow, partial(self.pool.give_back, key), self.tallies[stage])
        self._engines.append((stage, engine))
        return engine

    def _trim(self, used_mb: float) -> None:
        for kind, name, *_ in self.pool.unload():
            self.note(kind, f"unloading {name}: {used_mb:.0f} MB in use")

    def _release(self, stage: str) -> None:
        for user, engine in self._engines:
            if user == stage:
                engine.release()


class _Fingerprint:
    """A hash of lines as they pass by."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def passed(self, lines: Iterable[Item]) -> Iterator[Item]:
        for line in lines:
            self._digest.update(json.dumps(asdict(line), sort_keys=True).encode())  # type: ignore[call-overload]
            yield line

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _decoded(
    known: dict[str, Any], source: Sequence[Item], decode: Callable[[dict[str, Any], Any], Line | None]
) -> list[Line] | None:
    """The kept lines; nothing where they were made of another source, or one of them is not whole any more."""
    origin = _Fingerprint()
    items: list[Any] = list(origin.passed(source)) or [None] * len(known["lines"])
    if known.get("of") != origin.hexdigest() or len(items) != len(known["lines"]):
        return None
    lines: list[Line] = []
    for data, item in zip(known["lines"], items, strict=True):
        line = decode(data, item)
        if line is None:
            return None
        lines.append(line)
    return lines
