"""All sessions of a server: which of them wait, which worker dubs which, and the answers to what clients ask.

One event loop owns everything here. Dubbing happens in worker processes (`serve.worker`); what must survive a crash is
in the registry (`serve.sessions.registry`). Sessions know no protobuf.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from serve.observe.machine import hardware
from serve.sessions.admission import Admission
from serve.sessions.detection import LanguageDetector
from serve.sessions.options import Configuration, ConfigurationSource, Folders, Limits
from serve.sessions.queue import Queue
from serve.sessions.registry import Phase, Registry, Row
from serve.sessions.session import STATUS, Listener, Session, make_refusal
from serve.sessions.upkeep import sweep
from serve.state import Answer, Detection, Insight, Refusal, Result, State, Status
from serve.worker.artifacts import Artifacts, are_whole, have_their_sizes, remove
from serve.worker.client import Worker
from serve.worker.protocol import INTERNAL, Cancel, Done, Dub, Failed, Outcome, Pause, Resume, Stopped, Warm
from serve.worker.upload import identify
from vtlab import resources
from vtlab.errors import LanguageError, SettingsError, VtlabError
from vtlab.languages import language_code
from vtlab.settings import Settings, settings_from_dict

log = logging.getLogger(__name__)

REGISTRY = "sessions.sqlite"
STORE = "store"
ATTEMPTS = 2  # a worker that dies is replaced once, then its session fails
GIVES_UP_S = 1.0  # a worker that computes on for so long after an order to stop is killed
PARKED_S = 600.0  # a session paused for longer gives its worker back
WATCH_S = 10.0
AGAIN_S = 1.0  # a task that went wrong begins again after so long
SWEEP_S = 3600.0
REFUSED_KEPT = 1000  # sessions that were refused and are known, in memory only
RESULT_GONE = "The result was removed or damaged. Start the translation again."
USUAL_LIMITS = Limits()
RESUMABLE = frozenset({Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED})


@dataclass
class _Slot:
    """A place for a worker process, and the session it works on."""

    worker: Worker
    session: Session | None = None


class SessionConflictError(Exception):
    """A session is asked for that is under way with other work; `str()` is a sentence for the client."""


class Sessions:
    """All sessions of one server; an async context manager. Called from one event loop only."""

    def __init__(
        self,
        folders: Folders,
        source: ConfigurationSource,
        limits: Limits = USUAL_LIMITS,
        listener: Listener = lambda session_id, happened: None,
    ) -> None:
        """Prepare the sessions of a server.

        Args:
            folders: Where files go; made where they are missing.
            source: Asked, in a thread, for the configuration whenever the work on a session begins.
            limits: What the machine may be asked to bear.
            listener: Called with what happens in every session; must not raise.
        """
        self._folders, self._source, self._limits, self._listener = folders, source, limits, listener
        self._memory_limit_mb = limits.memory_mb or resources.memory_limit_mb()
        self._live: dict[str, Session] = {}
        self._refused: OrderedDict[str, tuple[Row, tuple[Insight, ...]]] = OrderedDict()  # the latest last
        self._queue = Queue()
        workers = folders.state / "workers"
        self._slots = [_Slot(Worker(workers / f"{number + 1}.log")) for number in range(limits.workers)]
        self._detector = LanguageDetector(
            Worker(workers / "detection.log"), folders.state / "detection", self._active_configuration
        )
        self._asking = asyncio.Lock()
        self._jobs = count(1)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._memory_mb = 0.0
        self._registry: Registry
        self._admission: Admission
        self._hardware = hardware()

    async def __aenter__(self) -> Sessions:
        """Open the registry and start to work.

        Raises:
            ResourceError: The registry cannot be used.
        """
        for folder in (self._folders.artifacts, self._folders.temp_work, self._folders.state):
            folder.mkdir(parents=True, exist_ok=True)
        self._registry = Registry(self._folders.state / REGISTRY)
        self._admission = Admission(self._folders, self._limits, self._registry, self._memory_limit_mb)
        for row in self._registry.in_phase(Phase.WAITING, Phase.RUNNING):
            self._mark_interrupted(row)
        for row in self._registry.in_phase(Phase.PAUSED):
            self._live[row.id] = self._session(row)
        for slot in self._slots:
            self._spawn(self._lasting(partial(self._work_on, slot)))
        self._spawn(self._lasting(self._watch))
        self._spawn(self._lasting(self._sweep))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(slot.worker.end() for slot in self._slots), self._detector.worker.end())
        self._registry.close()

    # ------------------------------------------------------------ what clients ask for

    async def start(
        self, session_id: str, file: Path, source_lang: str | None, target_lang: str, voice_gender: str = "neutral"
    ) -> State:
        """Start, resume or find a session, and return its state; `follow` yields the states after it.

        A session that has ended and is asked for with another video, language or voice is dubbed anew: nobody gets the
        dub of something else. What is wrong with the video or a language is no exception: the session fails.

        Args:
            session_id: Names the session from now on.
            file: The video: an absolute path without links, checked to lie in the uploads folder.
            source_lang: Code or name; `None`: detected.
            target_lang: Code or name.
            voice_gender: `male`, `female` or `neutral`.

        Raises:
            SessionConflictError: The session is under way with another video, language or voice.
        """
        row = Row(
            session_id, Phase.WAITING, file, _language(source_lang), _language(target_lang) or "", voice_gender,
            State(session_id, Status.PROCESSING), time.time(), await asyncio.to_thread(identify, file),
        )  # fmt: skip
        if session_id in self._live:
            return await self._attach(self._live[session_id], row)
        known = self._registry.get(session_id)
        same = known is not None and known.same_work(row)
        if known is not None and same and known.phase is Phase.COMPLETED:
            if known.result is not None and await asyncio.to_thread(are_whole, known.result.artifacts):
                return known.state
        elif known is not None and same and known.phase in RESUMABLE:
            row = row.resuming(known)
        if (refusal := self._refusal()) is not None and session_id not in self._live:
            return self._refuse(row, refusal)
        artifacts = self._artifacts(session_id)  # of work before this one, which the gateway would serve
        old = artifacts.results if row.state.early_preview else (artifacts.early_preview, *artifacts.results)
        await asyncio.to_thread(remove, old)
        if session_id in self._live:  # another client asked for it meanwhile
            return await self._attach(self._live[session_id], row)
        if (refusal := self._refusal()) is not None:
            return self._refuse(row, refusal)
        self._refused.pop(session_id, None)
        session = self._live[session_id] = self._session(row)
        self._queue.add(session)
        session.enter(Phase.WAITING)
        self._make_room()
        self._wake.set()
        return session.state()

    async def _attach(self, session: Session, asked: Row) -> State:
        """Return the state of a session under way, which goes on where it is paused."""
        if not session.row.same_work(asked):
            raise SessionConflictError(
                "This session is under way with another video, language or voice. Take another session_id, or cancel "
                "this session first."
            )
        if session.phase is Phase.PAUSED:
            await self._resume(session)
        return session.state()

    def _refuse(self, row: Row, message: str) -> State:
        """Fail a session that cannot be taken now. The registry knows nothing of it, and stays as small as it is."""
        row, insights = make_refusal(row, message, self._hardware)
        self._refused[row.id] = row, insights
        self._refused.move_to_end(row.id)
        if len(self._refused) > REFUSED_KEPT:
            self._refused.popitem(last=False)
        self._listener(row.id, row.state)
        return row.state

    def _ended(self, session_id: str) -> Row | None:
        """Return a session that is not under way; `None` where it is unknown."""
        if session_id in self._refused:
            return self._refused[session_id][0]
        return self._registry.get(session_id)

    async def follow(self, session_id: str) -> AsyncGenerator[State, None]:
        """Yield the state at once, then every change, at least one a second, up to the final one.

        Raises:
            KeyError: The session is unknown.
        """
        live = self._live.get(session_id)
        if live is not None:
            async with aclosing(live.follow()) as states:
                async for state in states:
                    yield state
        elif (row := self._ended(session_id)) is not None:
            yield replace(row.state, log=row.state.log or self._registry.load_log(session_id))
        else:
            raise KeyError(session_id)

    def state(self, session_id: str) -> State | None:
        """Return the state of a session; `None` where it is unknown."""
        live = self._live.get(session_id)
        if live is not None:
            return live.state()
        row = self._ended(session_id)
        return None if row is None else row.state

    def result(self, session_id: str) -> Result | Refusal:
        """Return the files of a completed session, or why there are none."""
        live = self._live.get(session_id)
        if live is not None:
            state = live.state()
            if state.status.final:  # left as it was, paused, while the server goes down
                return Refusal(state.message)
            return Refusal(f"The video is still being translated ({state.progress:.0f} %): {state.current_step}.")
        row = self._ended(session_id)
        if row is None:
            return Refusal("There is no such session.", unknown=True)
        if row.phase is Phase.COMPLETED and row.result is not None:
            return row.result if have_their_sizes(row.result.artifacts) else Refusal(RESULT_GONE)
        if row.phase is Phase.CANCELLED:
            return Refusal("The translation was cancelled.")
        return Refusal(row.state.current_step)

    async def cancel(self, session_id: str) -> Answer:
        """End the work on a session; on return its processes are quiet and no part of a result is left."""
        live = self._live.get(session_id)
        if live is None:
            row = self._ended(session_id)
            if row is None:
                return Answer(False, False, "There is no such session.")
            if row.phase is not Phase.INTERRUPTED:
                return Answer(False, False, f"The session has ended already ({row.state.status}).")
            live = self._live[session_id] = self._session(row)
        live.stopping = Phase.CANCELLED  # from now on nobody resumes it
        if live in self._queue:
            self._queue.remove(live)
        else:
            await self._stop(live, Phase.CANCELLED)
        if not live.phase.final or live.phase is Phase.INTERRUPTED:
            await self._clean(session_id)
        if not live.phase.final or live.phase is Phase.INTERRUPTED:  # nobody else has ended it meanwhile
            self._end(live, Phase.CANCELLED, "Cancelled")
        if live.phase is not Phase.CANCELLED:  # it came to its end meanwhile
            return Answer(False, False, f"The session has ended already ({STATUS[live.phase]}).")
        return Answer(True, False, "Cancelled. What was computed is kept for a while; start it again to go on.")

    async def control(self, session_id: str, action: str) -> Answer:
        """Pause, resume or cancel a session: `action` is one of these words."""
        if action == "cancel":
            return await self.cancel(session_id)
        live = self._live.get(session_id)
        if action not in ("pause", "resume"):
            paused = live is not None and live.phase is Phase.PAUSED
            return Answer(False, paused, f"Unknown action {action[:40]!r}: it is pause, resume or cancel.")
        if live is None:
            known = self._ended(session_id)
            message = "There is no such session." if known is None else "The session is not under way."
            return Answer(False, False, message)
        if action == "pause":
            if live.phase is Phase.PAUSED:
                return Answer(True, True, "It is paused already.")
            self._pause(live)
            return Answer(True, True, "Paused.")
        if live.phase is not Phase.PAUSED:
            return Answer(False, False, "It is not paused.")
        refusal = await self._resume(live)
        return Answer(True, False, "Goes on.") if refusal is None else Answer(False, True, refusal)

    def insights(self, session_id: str) -> tuple[Insight, ...] | Refusal:
        """Return what is worth telling about a session, at least one insight; or that the session is unknown."""
        live = self._live.get(session_id)
        if live is not None:
            return live.insights()
        if session_id in self._refused:
            return self._refused[session_id][1]
        row = self._registry.get(session_id)
        if row is None:
            return Refusal("There is no such session.", unknown=True)
        return self._registry.load_insights(session_id) or self._session(row).insights(row.state)

    async def detect_language(self, file: Path) -> Detection:
        """Return the language spoken in a file: an absolute path without links, inside the uploads folder."""
        if self._draining:
            return Detection(None, None, "The server is shutting down; ask again in a minute.")
        return await self._detector.detect(file)

    async def drain(self) -> None:
        """Take no new sessions; those under way end within `Limits.drain_s`, or are parked to be resumed."""
        self._draining = True
        for session in self._queue:
            if session.phase is Phase.WAITING:
                self._queue.remove(session)
                self._interrupt(session)
        working = [slot.session for slot in self._slots if slot.session is not None]
        if working:
            with suppress(TimeoutError):
                going = [session for session in working if session.phase is not Phase.PAUSED]
                async with asyncio.timeout(self._limits.drain_s):
                    await asyncio.gather(*(session.idle.wait() for session in going))
        await asyncio.gather(*(self._park(session) for session in working))
        for session in list(self._live.values()):
            if session.phase is Phase.PAUSED:
                session.leave("The server was shut down while this was paused. Start it again: it goes on from there.")

    # ------------------------------------------------------------ what the operator sees

    @property
    def waiting(self) -> int:
        """Number of sessions that wait for a worker."""
        return self._queue.waiting

    @property
    def running(self) -> int:
        """Number of sessions that have a worker."""
        return sum(slot.session is not None for slot in self._slots)

    def counts(self) -> dict[str, int]:
        """Return the number of sessions by status, of those that the registry knows."""
        counts: dict[str, int] = {}
        for phase, number in self._registry.counts().items():
            status = STATUS[Phase(phase)]
            counts[status] = counts.get(status, 0) + number
        return counts

    @property
    def memory_mb(self) -> float:
        """Memory of the server and its workers (MB), as last watched."""
        return self._memory_mb

    @property
    def writable(self) -> bool:
        """Whether what happens to sessions can be kept on disk."""
        return self._registry.writable

    @property
    def worker_pids(self) -> list[int]:
        """Processes of the workers that run."""
        return [slot.worker.pid for slot in self._slots if slot.worker.alive and slot.worker.pid is not None]

    # ------------------------------------------------------------ work

    async def _work_on(self, slot: _Slot) -> None:
        """Dub sessions one after the other, as long as the server runs."""
        if self._limits.warm:
            await self._warm(slot.worker)
        while True:
            session = None if self._draining else self._queue.next()
            if session is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            slot.session = session
            self._queue.publish()
            try:
                await self._dub(slot, session)
            except VtlabError as error:
                await self._fail(session, str(error), error.code)
            except Exception:
                log.exception("session %s", session.id)
                await slot.worker.end()  # whatever it is at, nobody wants it any more
                await self._fail(session, INTERNAL.format("E_INTERNAL"), "E_INTERNAL")
            finally:
                slot.session = None
                session.idle.set()

    async def _dub(self, slot: _Slot, session: Session) -> None:
        settings, configuration = await self._configuration(session)
        session.begin(settings, configuration)
        status = 0
        for attempt in range(ATTEMPTS):
            outcome = await self._outcome(slot.worker, session)
            if session.stopping is Phase.CANCELLED:
                await self._clean(session.id)
                return self._end(session, Phase.CANCELLED, "Cancelled")
            match outcome:
                case Done():
                    return self._complete(session, outcome)
                case Stopped():
                    return self._stopped(session)
                case Failed():
                    return await self._fail(session, outcome.message, outcome.code)
            status = await slot.worker.end()
            if session.stopping is not None:
                return self._stopped(session)
            log.error("session %s: its worker ended with %s", session.id, status, extra={"event": "worker_died"})
            if attempt + 1 < ATTEMPTS:
                session.begin_again("The worker process ended unexpectedly; the work goes on in a new one")
        message = (
            f"The worker process ended unexpectedly, twice ({_ending(status)}). Start it again later: what was "
            "finished is kept."
        )
        return await self._fail(session, message, "E_WORKER")

    async def _active_configuration(self) -> Configuration:
        async with self._asking:
            return await asyncio.to_thread(self._source)

    async def _configuration(self, session: Session) -> tuple[Settings, Configuration]:
        """Return what the session runs, with its languages: what it began with, else what is active now."""
        row = session.row
        if row.settings is not None and row.configuration is not None:
            with suppress(SettingsError):  # of another version of this server: then what is active now
                settings = settings_from_dict(row.settings)
                return settings, Configuration(settings, row.configuration, row.measured_pairs)
        active = await self._active_configuration()
        if not row.target_lang:
            raise LanguageError("No target language was chosen.", code="E_LANGUAGE")
        source = None if row.source_lang is None else language_code(row.source_lang)
        data = active.settings.model_dump(mode="json")
        data |= {"source_language": source, "target_language": language_code(row.target_lang)}
        data["tts"]["voice_gender"] = row.voice_gender
        data["store"]["folder"] = str(self._folders.state / STORE)
        if active.settings.initialization.memory_budget_mb is None:
            share = self._memory_limit_mb / (self._limits.workers + 1)
            data["initialization"]["memory_budget_mb"] = max(256, int(share))
        return settings_from_dict(data), active

    async def _outcome(self, worker: Worker, session: Session) -> Outcome | None:
        """Return what comes of the session in the worker; `None` where the worker ends instead."""
        if not worker.alive:
            await worker.start()
        job = next(self._jobs)
        if session.stopping is not None:
            return Stopped(job)
        assert session.settings is not None
        session.worker = worker
        worker.send(
            Dub(
                job=job,
                session_id=session.id,
                file=session.row.file,
                identity=session.row.identity,
                settings=session.settings.model_dump(mode="json"),
                folder=self._folders.temp_work / session.id,
                artifacts_folder=self._folders.artifacts,
            )
        )
        if session.phase is Phase.PAUSED:
            worker.send(Pause())
        try:
            async with aclosing(worker.reports()) as reports:
                async for report in reports:
                    if report.job != job:
                        continue
                    if isinstance(report, Outcome):
                        return report
                    session.take(report)
            return None
        finally:
            session.worker = None

    def _complete(self, session: Session, done: Done) -> None:
        result = Result(
            session_id=session.id,
            output_path=done.paths["output"],
            original_srt=done.paths["original_srt"],
            translated_srt=done.paths["translated_srt"],
            duration_s=done.duration_s,
            output_bytes=done.output_bytes,
            original_bytes=done.original_bytes,
            processing_s=round(session.worked_s, 3),
            quality=done.quality,
            artifacts=done.artifacts,
        )
        try:
            session.complete(result, done)
        finally:
            self._live.pop(session.id, None)

    def _stopped(self, session: Session) -> None:
        """Park the session: it was asked to stop, not to end."""
        if session.stopping is Phase.INTERRUPTED:
            self._interrupt(session)
        session.stopping = None

    async def _fail(self, session: Session, message: str, code: str) -> None:
        if not session.phase.final:
            await self._clean(session.id)
        if not session.phase.final:  # nobody else has ended it meanwhile
            self._end(session, Phase.FAILED, message, code)

    def _interrupt(self, session: Session) -> None:
        message = (
            f"The server was shut down at {session.state().progress:.0f} %. Start it again: it goes on from there."
        )
        self._end(session, Phase.INTERRUPTED, message, "E_INTERRUPTED")

    def _end(self, session: Session, phase: Phase, message: str, code: str = "") -> None:
        try:
            session.end(phase, message, code)
        finally:
            self._live.pop(session.id, None)

    # ------------------------------------------------------------ pause, resume, stop

    def _pause(self, session: Session) -> None:
        if session.worker is not None:
            session.worker.send(Pause())
        session.enter(Phase.PAUSED, "Paused")
        if not session.idle.is_set() and session not in self._queue:
            self._make_room()
            self._spawn(self._park_later(session))
        self._queue.publish()

    async def _resume(self, session: Session) -> str | None:
        """Let the session go on; return why it stays paused, or `None`."""
        if session.stopping is Phase.PAUSED:  # on its way out of its worker
            await session.idle.wait()
        if session.stopping is Phase.CANCELLED:
            return "It is being cancelled."
        if session.phase is not Phase.PAUSED:
            return None
        if self._draining:
            return "The server is shutting down. Start the session again in a minute."
        queued = session in self._queue
        if not queued and not session.idle.is_set():
            if session.worker is not None:
                session.worker.send(Resume())
            session.enter(Phase.RUNNING, "Resumed")
            return None
        if (busy := self._admission.full(self.waiting, self._idle_workers)) is not None:
            return busy
        if not queued:
            self._queue.add(session, first=True)
        session.enter(Phase.WAITING, "Resumed")
        self._wake.set()
        return None

    def _make_room(self) -> None:
        """Take workers from paused sessions for those that wait."""
        if self.waiting > self._idle_workers:
            for slot in self._slots:
                if slot.session is not None and slot.session.phase is Phase.PAUSED and slot.session.stopping is None:
                    self._spawn(self._park(slot.session))

    async def _park_later(self, session: Session) -> None:
        await asyncio.sleep(PARKED_S)
        if session.phase is Phase.PAUSED:  # in its worker or, meanwhile, in the queue
            await self._park(session)

    async def _park(self, session: Session) -> None:
        """Take the session from its worker; it stays paused, or is to be resumed after a restart."""
        await self._stop(session, Phase.PAUSED if session.phase is Phase.PAUSED else Phase.INTERRUPTED)

    async def _stop(self, session: Session, towards: Phase) -> None:
        """Stop the work on the session; on return no worker is at it."""
        if session.idle.is_set() or session in self._queue:
            return
        if session.stopping is None or towards is Phase.CANCELLED:
            session.stopping = towards
        if session.worker is not None:
            session.worker.send(Cancel())
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVES_UP_S):
                await session.idle.wait()
                return
        if session.worker is not None:  # a model that computes cannot be asked to stop
            await session.worker.end()
        await session.idle.wait()

    async def _clean(self, session_id: str) -> None:
        """Remove all parts of a result; the early preview stays: it is whole, and was announced."""
        artifacts = self._artifacts(session_id)
        folder = self._folders.temp_work / session_id
        await asyncio.to_thread(remove, [*artifacts.results, *artifacts.unfinished, folder])

    def _artifacts(self, session_id: str) -> Artifacts:
        return Artifacts(self._folders.artifacts, session_id)

    # ------------------------------------------------------------ queue and limits

    def _session(self, row: Row) -> Session:
        return Session(row, self._registry, self._hardware, self._listener, self._before)

    def _before(self, session_id: str) -> int:
        """Return how many sessions are before this one, those that occupy all workers included."""
        return self._queue.waiting_before(session_id) + (self.running if self.running == len(self._slots) else 0)

    def _refusal(self) -> str | None:
        """Return why no session can be taken now, and when to try again; `None` where one can."""
        if self._draining:
            return "The server is shutting down. Try again in a minute."
        return self._admission.refusal(self.waiting, self._idle_workers, self._memory_mb)

    @property
    def _idle_workers(self) -> int:
        return len(self._slots) - self.running

    def _mark_interrupted(self, row: Row) -> None:
        """Let a session that was under way when the server died be resumed."""
        message = f"The server was restarted at {row.state.progress:.0f} %. Start it again: it goes on from there."
        state = replace(row.state, status=Status.FAILED, current_step=message, message=message, code="E_INTERRUPTED")
        row = replace(row, phase=Phase.INTERRUPTED, state=replace(state, eta_s=None), ended=time.time())
        self._registry.put(row, self._session(row).insights(row.state))
        remove(self._artifacts(row.id).unfinished)

    # ------------------------------------------------------------ workers, detection, watch

    async def _warm(self, worker: Worker) -> None:
        try:
            settings = (await self._active_configuration()).settings
            await worker.start()
        except (VtlabError, OSError) as error:
            log.warning("no worker was warmed: %s", error, extra={"event": "warm"})
            return  # each session will say so
        worker.send(Warm(settings.model_dump(mode="json")))

    async def _watch(self) -> None:
        """End idle workers where memory is short, and write what the registry could not write before."""
        if self._limits.warm:
            async with self._detector.lock:
                await self._warm(self._detector.worker)
        while True:
            self._registry.write()
            self._memory_mb = await asyncio.to_thread(resources.rss_mb)
            if self._memory_mb > resources.HIGH_SHARE * self._memory_limit_mb:
                await self._unload()
            await asyncio.sleep(WATCH_S)

    async def _unload(self) -> None:
        ended = 0
        for slot in self._slots:
            if slot.session is None and slot.worker.alive:  # as it is now: ending another one took a while
                ended += 1
                await slot.worker.end()
        if self._detector.worker.alive and not self._detector.lock.locked():
            ended += 1
            await self._detector.worker.end()
        log.warning(
            "%.0f of %.0f MB in use: %d idle processes were ended", self._memory_mb, self._memory_limit_mb, ended,
            extra={"event": "memory"},
        )  # fmt: skip

    async def _sweep(self) -> None:
        while True:
            await sweep(self._registry, self._folders, self._limits, self._folders.state / STORE, self._live)
            await asyncio.sleep(SWEEP_S)

    async def _lasting(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do work that ends with the server only: a fault in it is logged, and it begins anew."""
        while True:
            try:
                return await work()
            except Exception:
                log.exception("a task of the server ended; it is started again")
                await asyncio.sleep(AGAIN_S)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the server ended: %s", error, exc_info=error)


def _ending(status: int) -> str:
    """Return the end of a process in words."""
    return "most often for want of memory" if status == -9 else f"status {status}"


def _language(text: str | None) -> str | None:
    """Return the code of a language; `None` where it is to be detected; an unknown one as it is, which then fails."""
    if text is None or text.strip().lower() in ("", "auto"):
        return None
    try:
        return language_code(text)
    except LanguageError:
        return text
