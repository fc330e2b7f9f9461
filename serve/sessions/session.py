"""One session under way: what its worker says becomes its state, its log and its insights, for all who follow it.

It knows neither processes nor queues: ``serve.sessions`` says when it waits, runs and ends.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from serve.observe.insights import insights_of
from serve.sessions.progress import LINE_STAGES, NAMES, Tracker
from serve.sessions.registry import Phase, Registry, Row
from serve.state import Hardware, Insight, Level, LogLine, Quality, Result, State, Status
from serve.worker.process import Worker, event_from_json
from vtlab.events import STAGES, Event, Finding, Found, Log, Severity, StageFinished, StageStarted
from vtlab.settings import Settings

HEARTBEAT_S = 0.6  # at least one message a second is promised, also by a machine that is busy
PUBLISHED_S = 0.2  # lines that are done in a burst are told together
MESSAGE_CHARS = 300
STEP_CHARS = 160  # of the phrase that the user reads
# the gateway's page takes an entry that holds one of these for a problem, whatever its level
ALARMING = re.compile("error|failed|warning", re.IGNORECASE)

SENTENCES = re.compile(r"(?<=[.!?]) ")
# of failures that the server tells in its own words, which are for users as a whole
OWN_CODES = frozenset({"", "E_BUSY", "E_INTERNAL", "E_INTERRUPTED", "E_STORAGE", "E_WORKER"})

Listener = Callable[[str, Event | State], None]
"""Told everything, with the session's id: events of dubs, and the state at each change of status."""

STATUS = {
    Phase.WAITING: Status.PROCESSING,
    Phase.RUNNING: Status.PROCESSING,
    Phase.PAUSED: Status.PAUSED,
    Phase.COMPLETED: Status.COMPLETED,
    Phase.FAILED: Status.FAILED,
    Phase.CANCELLED: Status.CANCELLED,
    Phase.INTERRUPTED: Status.FAILED,
}


class Session:
    """A session from when it is asked for to its last message. Used from one event loop."""

    def __init__(
        self, row: Row, registry: Registry, hardware: Hardware, listener: Listener, ahead: Callable[[str], int]
    ) -> None:
        """``ahead`` tells how many sessions wait before this one. The progress of ``row`` is never fallen below."""
        self.row = row
        self.settings: Settings | None = None
        self.worker: Worker | None = None  # that is at work on it
        self.stopping: Phase | None = None  # where it is asked to stop for
        self.rested = asyncio.Event()  # no worker is at work on it
        self.rested.set()
        self._registry, self._hardware, self._listener, self._ahead = registry, hardware, listener, ahead
        self._tracker = Tracker(registry.speeds())
        self._floor = row.state.progress
        self._furthest = 0  # the number of the stage told last: one that is begun again in a new worker is not told
        self._findings: list[tuple[str, Finding]] = []  # with the time of each
        self._log: list[LogLine] = []
        self._followers: set[asyncio.Queue[tuple[State, int]]] = set()
        self._followed = False
        self._final: State | None = None
        self._elapsed_from = time.monotonic()
        self._stood_still_s = 0.0  # of the clock of the stages: paused, or without a worker
        self._still_since: float | None = time.monotonic()
        self._early_preview = row.state.early_preview
        self._segments: tuple[str, ...] = row.state.available_segments
        self._soon: asyncio.TimerHandle | None = None
        self._kept_progress = -1.0
        self._last_timestamp = datetime.min.replace(tzinfo=UTC)

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def phase(self) -> Phase:
        return self.row.phase

    @property
    def worked_s(self) -> float:
        """How long it has been worked on: without waiting, without pauses."""
        return max(0.0, self._now() - self._elapsed_from)

    # ------------------------------------------------------------ what happens to it

    def enter(self, phase: Phase, message: str = "", level: Level = Level.INFO) -> None:
        """Waits, runs or is paused from now on."""
        self.row = replace(self.row, phase=phase)
        self._run_clock(phase is Phase.RUNNING)
        if message:
            self.log(level, self._stage, message)
        self.publish()
        self._keep()
        self._listener(self.id, self.state())

    def begin(self, settings: Settings, served: str) -> None:
        """The work begins, or goes on, with this configuration."""
        self.settings = settings
        self.row = replace(self.row, served=served, settings=settings.model_dump(mode="json"))
        self._tracker = Tracker(self._registry.speeds(), total_s=self._tracker.total_s)
        self._findings.clear()
        phase = Phase.PAUSED if self.phase is Phase.PAUSED else Phase.RUNNING  # paused on its way to the worker
        self.enter(phase, f"Dubbing with the configuration of {served}")

    def begin_again(self, message: str) -> None:
        """What the worker had begun is lost; what it had finished comes from the store."""
        self._tracker = Tracker(self._registry.speeds(), total_s=self._tracker.total_s)
        self._findings.clear()
        self.enter(self.phase, message, Level.WARNING)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Takes what the worker says about its progress."""
        match message["is"]:
            case "event":
                self._hear_event(event_from_json(message["event"]))
            case "line":
                self._tracker.line(message["stage"], message["end_s"])
                self._publish_soon()
            case "opened":
                self._tracker.total_s = message["seconds"]
                self._publish_soon()
            case "preview":
                self._early_preview = message["path"]
                self.log(Level.SUCCESS, self._stage, "The early preview can be watched")
                self._keep()  # it stays announced, also by a server that is started again
                self.publish()

    def complete(
        self, result: Result, pieces: tuple[str, ...], absent: Mapping[str, str], more: Mapping[str, str]
    ) -> None:
        """The result is in its place."""
        self._segments = pieces
        self.row = replace(self.row, result=result)
        for stage, speed in self._tracker.measured().items():
            self._registry.measured(stage, speed)
        self.log(Level.SUCCESS, STAGES[-1], "The dub is complete")
        self._end(Phase.COMPLETED, "Completed", "", quality=result.quality, absent=absent, more=more)

    def end(self, phase: Phase, message: str, code: str = "") -> None:
        """The last word of a session without a result."""
        level = Level.ERROR if phase is Phase.FAILED else Level.INFO
        self.log(level, self._stage, message)
        self._end(phase, message, code)

    def leave(self, message: str) -> None:
        """The server goes down and the session, paused, stays as it is; those who follow it are told."""
        self._final = replace(self.state(), status=Status.FAILED, current_step=message, message=message)
        self._tell(self._final)

    def log(
        self, level: Level, stage: str, message: str, chunk_id: str = "", data: Mapping[str, object] | None = None
    ) -> None:
        """Adds an entry; times rise, so that no two are the same."""
        if level in (Level.DEBUG, Level.INFO, Level.SUCCESS):
            message = ALARMING.sub("problem", message)
        now = max(datetime.now(UTC), self._last_timestamp + timedelta(microseconds=1))
        self._last_timestamp = now
        line = LogLine(_timestamp(now), level, stage, message[:MESSAGE_CHARS], chunk_id, data or {})
        self._log.append(line)
        self._registry.log(self.id, line)

    # ------------------------------------------------------------ what it tells

    def state(self) -> State:
        """As it is now, without log entries."""
        if self._final is not None:
            return self._final
        return self._state(STATUS[self.phase], self._stage, self._step())

    def insights(self, state: State | None = None) -> tuple[Insight, ...]:
        """Of the session as it is now, or in a state that it was left in."""
        return self._insights(state or self.state())

    async def follow(self) -> AsyncGenerator[State, None]:
        """The state at once, then every change and a heartbeat, up to the final one.

        Who is the first to follow gets the log from its beginning, who comes later from then on.
        """
        told = len(self._log) if self._followed else 0
        self._followed = True
        changes: asyncio.Queue[tuple[State, int]] = asyncio.Queue()
        self._followers.add(changes)
        try:
            state, count = self.state(), len(self._log)
            while True:
                self._keep_progress(state)
                yield replace(state, log=tuple(self._log[told:count]))
                told = max(told, count)
                if state.status.final:
                    return
                try:
                    state, count = await asyncio.wait_for(changes.get(), HEARTBEAT_S)
                except TimeoutError:
                    state, count = self.state(), len(self._log)
        finally:
            self._followers.discard(changes)

    def publish(self) -> None:
        """Tells all followers how it stands."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._tell(self.state())

    # ------------------------------------------------------------ within

    def _hear_event(self, event: Event) -> None:
        now = self._now()
        entered = self._tracker.event(event, now)
        match event:
            case StageStarted():
                self.log(Level.INFO, event.stage, f"{NAMES[event.stage]}: begun")
            case StageFinished():
                how = "from the store" if event.reused else f"{event.seconds:.1f} s"
                self.log(Level.SUCCESS, event.stage, f"{NAMES[event.stage]}: done ({how})")
            case Log():
                self.log(Level.DEBUG, event.stage, event.message)
            case Found(finding):
                self._findings.append((_timestamp(datetime.now(UTC)), finding))
                if finding.severity is not Severity.INFO:
                    chunk = "" if finding.segment is None else str(finding.segment)
                    data = {"code": finding.code, "value": finding.value, "limit": finding.limit}
                    known = {name: value for name, value in data.items() if value is not None}
                    self.log(Level.WARNING, finding.stage, finding.message, chunk, known)
        self._listener(self.id, event)
        for stage in entered:  # each is named, however short it was
            if STAGES.index(stage) > self._furthest:
                self._furthest = STAGES.index(stage)
                self._tell(self._state(STATUS[self.phase], stage, self._step()))
        self._publish_soon()

    def _state(self, status: Status, stage: str, step: str) -> State:
        now, tracker = self._now(), self._tracker
        self._floor = max(self._floor, tracker.progress(now))
        total = tracker.total_lines or tracker.done.get("transcription", 0)
        done = tracker.done.get(stage, total if stage not in LINE_STAGES else 0)
        spoken = tracker.done.get("tts", 0)
        lines_s = tracker.finished.get("tts", now) - tracker.started.get("transcription", now)
        chunks_per_minute = 60 * spoken / lines_s if spoken and lines_s > 0 else 0.0
        left = tracker.left_s(now) if self.phase is Phase.RUNNING else None
        return State(
            session_id=self.id,
            status=status,
            progress=round(self._floor, 2),
            current_step=step,
            message=step,
            stage=stage,
            stage_number=STAGES.index(stage) + 1,
            stage_progress=round(100 * tracker.share(stage, now), 2),
            current_chunk=min(done, max(total - 1, 0)) if total else done,
            total_chunks=total,
            chunks_per_minute=round(chunks_per_minute, 2),
            segments_processed=spoken,
            current_time_s=round(tracker.current_s(now), 3),
            total_duration_s=tracker.total_s or 0.0,
            elapsed_s=round(time.monotonic() - self._elapsed_from, 3),
            eta_s=None if left is None else round(left, 1),
            early_preview=self._early_preview,
            available_segments=self._segments,
            hardware=self._hardware,
        )

    @property
    def _stage(self) -> str:
        return STAGES[max(self._furthest, STAGES.index(self._tracker.stage))]

    def _step(self) -> str:
        match self.phase:
            case Phase.WAITING:
                ahead = self._ahead(self.id)
                if ahead == 0:
                    return "Starting"
                return f"Waiting: {ahead} {'session' if ahead == 1 else 'sessions'} ahead of this one"
            case Phase.PAUSED:
                return "Paused"
            case _:
                stage = self._stage
                total, done = self._tracker.total_lines, self._tracker.done.get(stage, 0)
                if stage in LINE_STAGES and total:
                    return f"{NAMES[stage]}: {min(done + 1, total)} of {total}"
                return NAMES[stage]

    def _end(
        self,
        phase: Phase,
        message: str,
        code: str,
        *,
        quality: Quality | None = None,
        absent: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        stage = self._stage
        step = shortened(message) if code in OWN_CODES else first_sentence(message)
        state = replace(self._state(STATUS[phase], stage, step), message=message, eta_s=None, code=code)
        if phase is Phase.COMPLETED:
            total = state.total_duration_s
            state = replace(state, progress=100.0, stage_progress=100.0, current_time_s=total, eta_s=0.0)
        self._final = state
        kept = self.row.settings if phase is Phase.INTERRUPTED else None  # that it is to go on with
        self.row = replace(self.row, phase=phase, ended=time.time(), state=state, settings=kept)
        self._registry.put(self.row, self._insights(state, quality, absent, more))
        self._listener(self.id, state)
        self._tell(state)

    def _insights(
        self,
        state: State,
        quality: Quality | None = None,
        absent: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> tuple[Insight, ...]:
        pair = (self.row.source_lang, self.row.target_lang)
        begun = _timestamp(datetime.fromtimestamp(self.row.created, UTC))
        ended = _timestamp(datetime.fromtimestamp(self.row.ended or time.time(), UTC))
        # a kind of finding is told once no more of it come: whoever saw an insight does not look at it again
        settled = [
            (timestamp, finding)
            for timestamp, finding in self._findings
            if state.status.final or finding.stage in self._tracker.finished
        ]
        return insights_of(
            state, self.row.served, settled, begun, ended, pair=pair, quality=quality, absent=absent, more=more
        )

    def _tell(self, state: State) -> None:
        for changes in self._followers:
            changes.put_nowait((state, len(self._log)))

    def _publish_soon(self) -> None:
        if self._soon is None and self._final is None:
            self._soon = asyncio.get_running_loop().call_later(PUBLISHED_S, self._publish_now)

    def _publish_now(self) -> None:
        self._soon = None
        if self._final is None:
            self.publish()

    def _keep_progress(self, state: State) -> None:
        """What is told is kept before: after a crash nobody hears of less."""
        if state.progress > self._kept_progress and self._final is None:
            self._kept_progress = state.progress
            self._keep()

    def _keep(self) -> None:
        self.row = replace(self.row, state=self.state())
        self._registry.put(self.row)

    def _now(self) -> float:
        """Seconds on the clock of the stages, which stands still while nobody works on them."""
        return (self._still_since or time.monotonic()) - self._stood_still_s

    def _run_clock(self, runs: bool) -> None:
        if runs and self._still_since is not None:
            self._stood_still_s += time.monotonic() - self._still_since
            self._still_since = None
        elif not runs and self._still_since is None:
            self._still_since = time.monotonic()


def _timestamp(moment: datetime) -> str:
    """UTC, of one width: the page sorts the text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def named(message: str, file: Path) -> str:
    """The sentence with the file's name for its path, which is the server's own business."""
    return message.replace(str(file), file.name)


def first_sentence(message: str) -> str:
    """What happened; what to install or to set is for the operator."""
    return SENTENCES.split(message)[0]


def shortened(message: str) -> str:
    """The first sentences, as many as make a short phrase, and at least one."""
    phrase, *others = SENTENCES.split(message)
    for sentence in others:
        if len(phrase) + 1 + len(sentence) > STEP_CHARS:
            break
        phrase += f" {sentence}"
    return phrase
