"""Progress, findings and log records as one stream of events, and the listeners that show them.

A pipeline calls one plain function, ``on_event(Event)``; a terminal, a JSONL file or a server listens behind it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, TextIO

# the stages in their order, with the share of a dub's time that each takes on the bundled clips, in percent
SHARES = {
    "initialization": 1, "audio_extraction": 4, "transcription": 45, "translation": 5,
    "tts": 30, "audio_sync": 5, "subtitle_generation": 1, "video_combination": 9,
}  # fmt: skip
STAGES = tuple(SHARES)


class Severity(StrEnum):
    """The consequence of a failed check for the dub."""

    INFO = "info"  # worth knowing
    WARNING = "warning"  # worth looking at; the dub is whole
    DEGRADED = "degraded"  # something is missing from the dub


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    ``code`` is stable (``rushed``), ``segment`` the id of the segment concerned, ``start`` and ``end`` the seconds
    of the source where it concerns a stretch of it.
    """

    stage: str
    code: str
    severity: Severity
    message: str
    segment: int | None = None
    value: float | None = None
    limit: float | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class StageStarted:
    """A stage began; ``number`` counts from 1."""

    stage: str
    number: int
    total: int


@dataclass(frozen=True)
class SegmentDone:
    """One more segment left a stage; ``total`` is absent while their number is unknown."""

    stage: str
    done: int
    total: int | None
    reused: bool


@dataclass(frozen=True)
class StageFinished:
    """A stage ended; ``reused_share`` of its answers, 0 to 1, came from the store."""

    stage: str
    number: int
    total: int
    seconds: float
    reused_share: float

    @property
    def reused(self) -> bool:
        """Whether its whole result came from the store."""
        return self.reused_share == 1


@dataclass(frozen=True)
class Found:
    """A check has a finding."""

    finding: Finding


@dataclass(frozen=True)
class Log:
    """A message for people: a choice that was made, or why something takes long."""

    stage: str
    message: str


Event = StageStarted | SegmentDone | StageFinished | Found | Log
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Do nothing with an event: the listener where nothing is shown."""


def event_to_json(event: Event) -> dict[str, Any]:
    """Return an event as plain data, with its kind and the time."""
    return {
        "event": type(event).__name__,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        **asdict(event),
    }


@dataclass
class PlainLines:
    """Print a line per stage and finding, for logs and pipes; safe from several threads."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, event: Event) -> None:
        """Print the line of an event, where it has one."""
        text = _line(event)
        if text is not None:
            with self._lock:
                print(text, file=self.stream, flush=True)


@dataclass
class JsonLines:
    """Print every event as one JSON object a line; safe from several threads."""

    stream: TextIO
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, event: Event) -> None:
        """Print an event."""
        with self._lock:
            print(json.dumps(event_to_json(event), ensure_ascii=False), file=self.stream, flush=True)


class ProgressBar:
    """Show a live bar with stage, segment and time left in a terminal, findings above it; a context manager."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            TextColumn("{task.fields[segments]:>9}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("starting", total=100, segments="")
        self._stages: dict[str, float] = {}

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Move the bar to where an event is."""
        match event:
            case StageStarted():
                self._stages.setdefault(event.stage, 0.0)
                self._progress.update(self._task, description=event.stage)
            case SegmentDone():
                if event.total:
                    self._stages[event.stage] = event.done / event.total
                count = f"{event.done}/{event.total}" if event.total else str(event.done)
                self._progress.update(self._task, description=event.stage, segments=count)
            case StageFinished():
                self._stages[event.stage] = 1.0
            case Found() | Log():
                if (text := _line(event)) is not None:
                    self._progress.console.print(text, markup=False, highlight=False)
        self._progress.update(self._task, completed=sum(SHARES.get(s, 0) * part for s, part in self._stages.items()))


@contextmanager
def progress_shown() -> Iterator[Listener]:
    """Show a progress bar in a terminal or a notebook, and nothing elsewhere."""
    # in a notebook rich draws with ipywidgets, and warns at every step where they are not there
    notebook = "ipykernel" in sys.modules and find_spec("ipywidgets") is not None
    if not (notebook or sys.stderr.isatty()):
        yield ignore
        return
    with ProgressBar() as bar:
        yield bar


def _line(event: Event) -> str | None:
    match event:
        case StageFinished():
            how = "from the store" if event.reused else f"{event.seconds:.1f} s"
            return f"[{event.number}/{event.total}] {event.stage}: {how}"
        case Found(finding):
            if finding.severity is Severity.INFO:
                return None
            where = f" segment {finding.segment}:" if finding.segment is not None else ""
            return f"{finding.severity}: {finding.stage}:{where} {finding.message}"
        case Log():
            return f"{event.stage}: {event.message}"
        case _:
            return None
