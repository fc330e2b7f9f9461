"""The books of one dub: which stage runs since when, what was found, how much came from the store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from vtlab.engines.pool import EnginePool
from vtlab.events import Found, Listener, Log, SegmentDone, StageFinished, StageStarted
from vtlab.findings import Finding, Severity
from vtlab.record import FindingRecord, StageRecord
from vtlab.settings import Settings
from vtlab.store import Store
from vtlab.stored import Tally

STAGES = (
    "initialization",
    "audio_extraction",
    "transcription",
    "translation",
    "tts",
    "audio_sync",
    "subtitle_generation",
    "video_combination",
)

Item = TypeVar("Item")
Line = TypeVar("Line")


@dataclass
class Run:
    """One dub under way; safe to use from the threads of stages that overlap."""

    settings: Settings
    store: Store
    pool: EnginePool
    on_event: Listener
    checkpoint: Callable[[], None]
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=lambda: {stage: Tally() for stage in STAGES})
    stages: dict[str, StageRecord] = field(default_factory=dict)
    total_lines: int | None = None
    _started: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, stage: str) -> Iterator[Tally]:
        """Times a stage; it counts as reused where its tally shows answers from the store and no computed one."""
        self.start(stage)
        yield self.tallies[stage]
        self.finish(stage)

    def start(self, stage: str) -> None:
        self.checkpoint()
        self._started[stage] = (time.perf_counter(), _cpu_s())
        self.on_event(StageStarted(stage, STAGES.index(stage) + 1, len(STAGES)))

    def finish(self, stage: str) -> None:
        began, cpu = self._started[stage]
        tally = self.tallies[stage]
        seconds = time.perf_counter() - began
        reused = tally.computed == 0 and tally.reused > 0
        self.stages[stage] = StageRecord(
            stage=stage,
            seconds=round(seconds, 3),
            cpu_s=round(_cpu_s() - cpu, 3),
            load_s=round(tally.load_s, 3),
            reused=tally.reused,
            computed=tally.computed,
            from_store=reused,
        )
        self.on_event(StageFinished(stage, STAGES.index(stage) + 1, len(STAGES), seconds, reused))

    def found(self, finding: Finding) -> None:
        """Takes one finding and tells the listener."""
        with self._lock:
            self.findings.append(finding)
        self.on_event(Found(finding))

    def found_again(self, findings: Iterable[dict[str, Any]], stage: str) -> None:
        """Takes the findings of a stage as they were kept."""
        for finding in findings:
            if finding["stage"] == stage:
                self.found(Finding(**{**finding, "severity": Severity(finding["severity"])}))

    def kept_lines(
        self,
        stage: str,
        key: str,
        source: Iterable[Item],
        make: Callable[[Iterable[Item]], Iterator[Line]],
        encode: Callable[[Line], dict[str, Any]],
        decode: Callable[[dict[str, Any], Any], Line | None],
        *,
        worth_keeping: Callable[[list[dict[str, Any]]], bool] = lambda lines: True,
    ) -> Iterator[Line]:
        """The lines of a stage, from the store or made of ``source`` and then kept, with what was found on the way.

        ``decode`` takes a stored line and, where ``source`` has lines of its own, the one it was made of; where it
        gives nothing (the store lost a part of it), all lines are made anew.
        """
        if stage not in self._started:
            self.start(stage)
        known = self.store.get_json(key)
        lines: list[Line] | None = None
        if known is not None:
            source = list(source)
            items: list[Item | None] = [*source] or [None] * len(known["lines"])
            decoded = [decode(data, item) for data, item in zip(known["lines"], items, strict=True)]
            if all(line is not None for line in decoded):
                lines = [line for line in decoded if line is not None]
        if lines is not None:
            self.tallies[stage].count(reused=len(lines))
            self.found_again(known["findings"], stage)
            for done, line in enumerate(lines, 1):
                self.checkpoint()
                yield line
                self.on_event(SegmentDone(stage, done, len(lines), True))
        else:
            before = len(self.findings)
            encoded = []
            for line in make(source):
                self.checkpoint()
                encoded.append(encode(line))
                yield line
                self.on_event(SegmentDone(stage, len(encoded), self.total_lines, False))
            found = [asdict(finding) for finding in self.findings[before:] if finding.stage == stage]
            if worth_keeping(encoded):
                self.store.put_json(key, {"lines": encoded, "findings": found})
        self.finish(stage)

    def note(self, stage: str, message: str) -> None:
        """A line for people."""
        self.on_event(Log(stage, message))

    def finding_records(self) -> list[FindingRecord]:
        return [FindingRecord(**asdict(finding)) for finding in self.findings]


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
