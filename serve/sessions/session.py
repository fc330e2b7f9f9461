"""One session under way: the reports of its worker become its state, its log and its insights, for all its followers.

It knows neither processes nor queues: `serve.sessions.sessions` decides when it waits, runs and ends.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from serve.observe.insights import Evidence, list_insights
from serve.sessions.mailbox import Mailbox
from serve.sessions.options import Configuration
from serve.sessions.progress import SEGMENT_STAGES, TITLES, ProgressTracker
from serve.sessions.registry import Phase, Registry, Row
from serve.state import Hardware, Insight, Level, LogEntry, Result, State, Status
from serve.worker.client import Worker
from serve.worker.protocol import Done, Happened, Opened, PreviewReady, Progress, SegmentReached
from vtlab.events import STAGES, Event, Finding, Found, Log, Severity, StageFinished, StageStarted
from vtlab.settings import Settings

logger = logging.getLogger(__name__)

HEARTBEAT_S = 0.6  # at least one message a second is promised, also by a machine that is busy
PUBLISHED_S = 0.2  # segments that are done in a burst are published together
MESSAGE_CHARS = 300
STEP_CHARS = 160  # of the phrase that the user reads
LOG_KEPT = 1000  # entries of a log in memory for those who follow slowly; the gateway keeps 200
# the gateway's page takes an entry that holds one of these for a problem, whatever its level
ALARMING = re.compile("error|failed|warning", re.IGNORECASE)

SENTENCES = re.compile(r"(?<=[.!?]) ")
# of failures that the server explains in its own words, which are for users as a whole
OWN_CODES = frozenset({"", "E_BUSY", "E_INTERNAL", "E_INTERRUPTED", "E_STORAGE", "E_WORKER"})

Listener = Callable[[str, Event | State | Result], None]
"""Called with the id of a session and what happens: events of its dub, its state at each new status, its result."""

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
        self, row: Row, registry: Registry, hardware: Hardware, listener: Listener, before: Callable[[str], int]
    ) -> None:
        """Take up a session where `row` leaves it; its progress never falls below that of the row.

        Args:
            row: The session as it is kept.
            registry: Keeps its changes.
            hardware: The machine, for users.
            listener: Called with what happens in it.
            before: Returns how many sessions are before the one with that id.
        """
        self.row = row
        self.settings: Settings | None = None
        self.worker: Worker | None = None  # that is at work on it
        self.stopping: Phase | None = None  # what it is asked to stop for
        self.idle = asyncio.Event()  # set while it neither has a worker nor waits for one
        self.idle.set()
        self._registry, self._hardware, self._listener, self._before = registry, hardware, listener, before
        self._tracker = ProgressTracker(registry.speeds())
        self._progress_floor = row.state.progress
        self._stage_floors = dict.fromkeys(STAGES, 0.0)
        self._furthest = 0  # the number of the last stage that was published: a new worker begins with the first again
        self._findings: list[tuple[str, Finding]] = []  # with the time of each
        self._detected: str | None = None  # the source language
        self._log: list[LogEntry] = []  # the last entries
        self._log_dropped = 0  # the number of entries before those
        self._followers: set[Mailbox] = set()
        self._followed = False
        self._final: State | None = None
        self._elapsed_from = time.monotonic()
        self._stood_still_s = 0.0  # of the clock of the stages: paused, or without a worker
        self._still_since: float | None = time.monotonic()
        self._early_preview = row.state.early_preview
        self._pieces: tuple[str, ...] = row.state.available_segments
        self._soon: asyncio.TimerHandle | None = None
        self._kept_progress = -1.0
        self._last_timestamp = datetime.min.replace(tzinfo=UTC)

    @property
    def id(self) -> str:
        """Its id."""
        return self.row.id

    @property
    def phase(self) -> Phase:
        """Its phase."""
        return self.row.phase

    @property
    def worked_s(self) -> float:
        """How long it has been worked on (s): without waiting, without pauses."""
        return max(0.0, self._now() - self._elapsed_from)

    # ------------------------------------------------------------ what happens to it

    def enter(self, phase: Phase, message: str = "", level: Level = Level.INFO) -> None:
        """Let the session wait, run or be paused from now on, with an entry in its log."""
        self.row = replace(self.row, phase=phase)
        self._run_clock(phase is Phase.RUNNING)
        if message:
            self.log(level, self._stage, message)
        self.publish()
        self._keep()
        self._listener(self.id, self.state())

    def begin(self, settings: Settings, configuration: Configuration) -> None:
        """Begin the work, or go on with it, with these settings, made from that configuration."""
        self.settings = settings
        self.row = replace(
            self.row,
            configuration=configuration.name,
            measured_pairs=configuration.measured_pairs,
            settings=settings.model_dump(mode="json"),
        )
        self._tracker = ProgressTracker(self._registry.speeds(), total_s=self._tracker.total_s)
        self._findings.clear()
        self._report_evidence()
        phase = Phase.PAUSED if self.phase is Phase.PAUSED else Phase.RUNNING  # paused on its way to the worker
        self.enter(phase, f"Dubbing with the configuration of {configuration.name}")

    def begin_again(self, message: str) -> None:
        """Begin in a new worker: what the old one had finished comes from the store, the rest is lost."""
        self._tracker = ProgressTracker(self._registry.speeds(), total_s=self._tracker.total_s)
        self._findings.clear()
        self.enter(self.phase, message, Level.WARNING)

    def take(self, report: Progress) -> None:
        """Take a report of the worker on its progress."""
        match report:
            case Happened():
                self._take_event(report.event)
            case SegmentReached():
                self._tracker.segment(report.stage, report.end_s)
                self._publish_soon()
            case Opened():
                self._tracker.total_s = report.seconds
                self._publish_soon()
            case PreviewReady():
                self._early_preview = report.path
                self.log(Level.SUCCESS, self._stage, "The early preview can be watched")
                self._keep()  # it stays announced, also by a server that is started again
                self.publish()

    def complete(self, result: Result, done: Done) -> None:
        """End the session with its result, which is in its place."""
        self._pieces = done.pieces
        self.row = replace(self.row, result=result)
        if self.row.source_lang is None:
            self._detected = done.source_language
            self._report_evidence()
        for stage, speed in self._tracker.stage_speeds().items():
            self._registry.note_speed(stage, speed)
        self.log(Level.SUCCESS, STAGES[-1], "The dub is complete")
        self._end(Phase.COMPLETED, "Completed", "", done)
        self._listener(self.id, result)

    def end(self, phase: Phase, message: str, code: str = "") -> None:
        """End the session without a result."""
        level = Level.ERROR if phase is Phase.FAILED else Level.INFO
        self.log(level, self._stage, message)
        self._end(phase, message, code)

    def leave(self, message: str) -> None:
        """Send followers a last message; the session stays as it is, paused, while the server goes down."""
        self._final = replace(self.state(), status=Status.FAILED, current_step=message, message=message)
        self._send(self._final)

    def log(
        self, level: Level, stage: str, message: str, chunk_id: str = "", data: Mapping[str, object] | None = None
    ) -> None:
        """Add an entry to the log of the session; times rise, so that no two are the same."""
        if level in (Level.DEBUG, Level.INFO, Level.SUCCESS):
            message = ALARMING.sub("problem", message)
        now = max(datetime.now(UTC), self._last_timestamp + timedelta(microseconds=1))
        self._last_timestamp = now
        entry = LogEntry(_timestamp(now), level, stage, message[:MESSAGE_CHARS], chunk_id, data or {})
        self._log.append(entry)
        if len(self._log) > 2 * LOG_KEPT:
            self._log_dropped += len(self._log) - LOG_KEPT
            del self._log[:-LOG_KEPT]
        self._registry.log(self.id, entry)

    # ------------------------------------------------------------ what its followers see

    def state(self) -> State:
        """Return the state as it is now, without log entries."""
        if self._final is not None:
            return self._final
        return self._draw(STATUS[self.phase], self._stage, self._step())

    def insights(self, state: State | None = None) -> tuple[Insight, ...]:
        """Return the insights of the session as it is now, or in the state that it was left in."""
        return self._insights(state or self.state())

    async def follow(self) -> AsyncGenerator[State, None]:
        """Yield the state at once, then every change and a heartbeat, up to the final state.

        The first follower gets the log from its beginning, a later one from then on. States come in the order in which
        they were drawn, heartbeats too: none is older than the one before.
        """
        sent = self._logged if self._followed else 0
        self._followed = True
        mailbox = Mailbox()
        mailbox.put(self.state(), self._logged)
        self._followers.add(mailbox)
        try:
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        state, logged = await mailbox.get()
                except TimeoutError:
                    mailbox.put(self.state(), self._logged)  # behind what came meanwhile
                    continue
                self._keep_progress(state)
                yield replace(state, log=self._entries(sent, logged))
                sent = max(sent, logged)
                if state.status.final:
                    return
        finally:
            self._followers.discard(mailbox)

    def publish(self) -> None:
        """Send all followers the state as it is now."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._send(self.state())

    # ------------------------------------------------------------ within

    def _take_event(self, event: Event) -> None:
        now = self._now()
        entered = self._tracker.event(event, now)
        match event:
            case StageStarted():
                self.log(Level.INFO, event.stage, f"{TITLES[event.stage]}: begun")
            case StageFinished():
                how = "from the store" if event.reused else f"{event.seconds:.1f} s"
                self.log(Level.SUCCESS, event.stage, f"{TITLES[event.stage]}: done ({how})")
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
        for stage in entered:  # each gets a message, however short it was
            if STAGES.index(stage) > self._furthest:
                self._furthest = STAGES.index(stage)
                self._send(self._draw(STATUS[self.phase], stage, self._step()))
        self._publish_soon()

    def _draw(self, status: Status, stage: str, step: str) -> State:
        """Return the state of this moment; progress is never less than in a state drawn before."""
        now, tracker = self._now(), self._tracker
        self._progress_floor = max(self._progress_floor, tracker.progress(now))
        self._stage_floors[stage] = max(self._stage_floors[stage], 100 * tracker.share(stage, now))
        total = tracker.total_segments or tracker.done.get("transcription", 0)
        done = tracker.done.get(stage, total if stage not in SEGMENT_STAGES else 0)
        spoken = tracker.done.get("tts", 0)
        speaking_s = tracker.finished.get("tts", now) - tracker.started.get("transcription", now)
        chunks_per_minute = 60 * spoken / speaking_s if spoken and speaking_s > 0 else 0.0
        left = tracker.left_s(now) if self.phase is Phase.RUNNING else None
        return State(
            session_id=self.id,
            status=status,
            progress=round(self._progress_floor, 2),
            current_step=step,
            message=step,
            stage=stage,
            stage_number=STAGES.index(stage) + 1,
            stage_progress=round(self._stage_floors[stage], 2),
            current_chunk=min(done, max(total - 1, 0)) if total else done,
            total_chunks=total,
            chunks_per_minute=round(chunks_per_minute, 2),
            segments_processed=spoken,
            current_time_s=round(tracker.current_s(now), 3),
            total_duration_s=tracker.total_s or 0.0,
            elapsed_s=round(time.monotonic() - self._elapsed_from, 3),
            eta_s=None if left is None else round(left, 1),
            early_preview=self._early_preview,
            available_segments=self._pieces,
            hardware=self._hardware,
        )

    @property
    def _stage(self) -> str:
        return STAGES[max(self._furthest, STAGES.index(self._tracker.stage))]

    def _step(self) -> str:
        match self.phase:
            case Phase.WAITING:
                before = self._before(self.id)
                if before == 0:
                    return "Starting"
                return f"Waiting: {before} {'session' if before == 1 else 'sessions'} ahead of this one"
            case Phase.PAUSED:
                return "Paused"
            case _:
                stage = self._stage
                total, done = self._tracker.total_segments, self._tracker.done.get(stage, 0)
                if stage in SEGMENT_STAGES and total:
                    return f"{TITLES[stage]}: {min(done + 1, total)} of {total}"
                return TITLES[stage]

    @property
    def _logged(self) -> int:
        """How many entries the log has had."""
        return self._log_dropped + len(self._log)

    def _entries(self, start: int, end: int) -> tuple[LogEntry, ...]:
        """Return the entries of the log by their numbers, but for those that are not kept any more."""
        return tuple(self._log[max(0, start - self._log_dropped) : max(0, end - self._log_dropped)])

    @property
    def _evidence(self) -> Evidence:
        row = self.row
        return Evidence(row.configuration, (row.source_lang, row.target_lang), row.measured_pairs, self._detected)

    def _report_evidence(self) -> None:
        """Log where no evaluation stands for these languages."""
        sentence = self._evidence.gap()
        if sentence is not None:
            self.log(Level.INFO, self._stage, sentence)
            release = self.row.configuration
            logger.warning("%s", sentence, extra={"event": "unmeasured", "session_id": self.id, "release": release})

    def _end(self, phase: Phase, message: str, code: str, done: Done | None = None) -> None:
        stage = self._stage
        step = shortened(message) if code in OWN_CODES else first_sentence(message)
        state = replace(self._draw(STATUS[phase], stage, step), message=message, eta_s=None, code=code)
        if phase is Phase.COMPLETED:
            total = state.total_duration_s
            state = replace(state, progress=100.0, stage_progress=100.0, current_time_s=total, eta_s=0.0)
        self._final = state
        kept = self.row.settings if phase is Phase.INTERRUPTED else None  # that it is to go on with
        self.row = replace(self.row, phase=phase, ended=time.time(), state=state, settings=kept)
        self._registry.put(self.row, self._insights(state, done))
        self._listener(self.id, state)
        self._send(state)

    def _insights(self, state: State, done: Done | None = None) -> tuple[Insight, ...]:
        # a kind of finding becomes an insight once no more of it come: a browser drops an id that it has seen
        settled = [
            (timestamp, finding)
            for timestamp, finding in self._findings
            if state.status.final or finding.stage in self._tracker.finished
        ]
        return list_insights(
            state,
            self._evidence,
            settled,
            _timestamp(datetime.fromtimestamp(self.row.created, UTC)),
            _timestamp(datetime.fromtimestamp(self.row.ended or time.time(), UTC)),
            quality=None if done is None else done.quality,
            absent={} if done is None else done.absent,
            more={} if done is None else done.more,
        )

    def _send(self, state: State) -> None:
        for mailbox in self._followers:
            mailbox.put(state, self._logged)

    def _publish_soon(self) -> None:
        if self._soon is None and self._final is None:
            self._soon = asyncio.get_running_loop().call_later(PUBLISHED_S, self._publish_now)

    def _publish_now(self) -> None:
        self._soon = None
        if self._final is None:
            self.publish()

    def _keep_progress(self, state: State) -> None:
        """Write progress before it is sent: after a crash it is not less."""
        if state.progress > self._kept_progress and self._final is None:
            self._kept_progress = state.progress
            self._keep()

    def _keep(self) -> None:
        self.row = replace(self.row, state=self.state())
        self._registry.put(self.row)

    def _now(self) -> float:
        """Return the seconds on the clock of the stages, which stands still while nobody works on them."""
        return (self._still_since or time.monotonic()) - self._stood_still_s

    def _run_clock(self, runs: bool) -> None:
        if runs and self._still_since is not None:
            self._stood_still_s += time.monotonic() - self._still_since
            self._still_since = None
        elif not runs and self._still_since is None:
            self._still_since = time.monotonic()


def make_refusal(row: Row, message: str, hardware: Hardware) -> tuple[Row, tuple[Insight, ...]]:
    """Return a session that cannot be taken, in the state that its client gets, and its insights."""
    now = _timestamp(datetime.now(UTC))
    state = replace(
        row.state,
        status=Status.FAILED,
        current_step=shortened(message),
        message=message,
        code="E_BUSY",
        hardware=hardware,
        log=(LogEntry(now, Level.ERROR, STAGES[0], message[:MESSAGE_CHARS]),),
    )
    insights = list_insights(state, Evidence(None, (row.source_lang, row.target_lang)), (), now, now)
    return replace(row, phase=Phase.FAILED, state=state), insights


def _timestamp(moment: datetime) -> str:
    """Return the moment in UTC, always of one width: the page sorts the text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def first_sentence(message: str) -> str:
    """Return what happened; what to install or to set is for the operator."""
    return SENTENCES.split(message)[0]


def shortened(message: str) -> str:
    """Return the first sentences, as many as make a short phrase, and at least one."""
    phrase, *others = SENTENCES.split(message)
    for sentence in others:
        if len(phrase) + 1 + len(sentence) > STEP_CHARS:
            break
        phrase += f" {sentence}"
    return phrase
