"""Sessions: who waits, who is dubbed by which worker, and what those who ask are told.

One event loop owns everything here; dubbing happens in worker processes (``serve.worker``), and what must survive a
crash is in the registry (``serve.sessions.registry``). Sessions know no protobuf.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from serve.observe.machine import hardware
from serve.sessions.registry import Phase, Registry, Row
from serve.sessions.session import STATUS, Listener, Session, named
from serve.state import Answer, Detection, Insight, Quality, Refusal, Result, State, Status
from serve.worker.process import INTERNAL, Message, Worker
from serve.worker.publishing import remove, unfinished
from vtlab import resources
from vtlab.errors import LanguageError, SettingsError, VtlabError
from vtlab.languages import language_code, language_name
from vtlab.settings import Settings, settings_from_dict
from vtlab.store.results import Store

__all__ = ["Folders", "Limits", "Listener", "Served", "Sessions"]

log = logging.getLogger(__name__)

REGISTRY = "sessions.sqlite"
STORE = "store"
ATTEMPTS = 2  # a worker that dies is replaced once, then its session fails
GIVES_UP_S = 1.0  # a worker that computes on for so long after it was told to stop is killed
PARKED_S = 600.0  # a session paused for longer gives its worker back
WATCH_S = 10.0
AGAIN_S = 1.0  # a task that went wrong begins again after so long
RESULTS = ("translated.mp4", "subtitles.srt", "translated_subtitles.srt")  # artifacts of a completed session
SWEEP_S = 3600.0
REFUSE_SHARE = 0.9  # of the memory: new sessions are refused, after idle workers have gone
DETECTION_S = 50.0  # the gateway waits for 60 s
USUAL_S = 120.0  # how long a session takes, before any has been seen
STORE_UNUSED_S = 7 * 24 * 3600.0
FORGOTTEN_S = 30 * 24 * 3600.0  # failed and cancelled sessions are known for so long
DISK_GONE = "The server cannot write to its disk. Try again in about 5 minutes, or tell its operator."
RESUMABLE = frozenset({Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED})


@dataclass(frozen=True)
class Folders:
    """Where sessions keep what: ``artifacts`` is shared with the gateway; ``state`` outlives a restart."""

    artifacts: Path
    temp_work: Path
    state: Path  # the registry, the store of stage results


@dataclass(frozen=True)
class Limits:
    """What the machine is asked to bear."""

    workers: int = 1  # sessions dubbed at once
    queue: int = 100  # sessions that may wait; the next one fails at once
    memory_mb: float | None = None  # empty: the machine's or its control group's
    disk_free_mb: float = 500.0  # new sessions are refused below this
    drain_s: float = 30.0  # how long sessions may go on once the server is told to stop
    keep_s: float = 24 * 3600.0  # session folders are swept this long after their end
    store_mb: float = 20_000.0  # the store of stage results is pruned to this
    warm: bool = True  # workers start, and load what every session needs, before the first one comes


@dataclass(frozen=True)
class Served:
    """The configuration that a session runs, and what it is called: ``release 3 (pt-en/base)``."""

    settings: Settings
    name: str


@dataclass
class _Slot:
    """A place for a worker process, and the session it works on."""

    worker: Worker
    session: Session | None = None


class Sessions:
    """All sessions of one server; an async context manager. Called from one event loop only."""

    def __init__(
        self,
        folders: Folders,
        served: Callable[[], Served],
        limits: Limits = Limits(),
        listener: Listener = lambda session_id, happened: None,
    ) -> None:
        """``served`` is asked, in a thread, for the configuration whenever the work on a session begins."""
        self._folders, self._served, self._limits, self._listener = folders, served, limits, listener
        self._memory_limit_mb = limits.memory_mb or resources.memory_limit_mb()
        self._live: dict[str, Session] = {}
        self._queue: list[Session] = []
        workers = folders.state / "workers"
        self._slots = [_Slot(Worker(workers / f"{number + 1}.log")) for number in range(limits.workers)]
        self._detector = Worker(workers / "detection.log")
        self._detecting = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._jobs = count(1)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._memory_mb = 0.0
        self._registry: Registry
        self._hardware = hardware()

    async def __aenter__(self) -> Sessions:
        """Raises ``ResourceError`` where the registry cannot be used."""
        for folder in (self._folders.artifacts, self._folders.temp_work, self._folders.state):
            folder.mkdir(parents=True, exist_ok=True)
        self._registry = Registry(self._folders.state / REGISTRY)
        for row in self._registry.in_phase(Phase.WAITING, Phase.RUNNING):
            self._interrupted(row)
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
        await asyncio.gather(*(slot.worker.end() for slot in self._slots), self._detector.end())
        self._registry.close()

    # ------------------------------------------------------------ what clients ask for

    async def start(
        self, session_id: str, file: Path, source_lang: str | None, target_lang: str, voice_gender: str = "neutral"
    ) -> State:
        """Starts, resumes or finds the session and returns its state; ``follow`` tells the rest.

        ``file`` is trusted: it was checked to lie in the uploads folder. Never raises for what is wrong with it: the
        session fails and says why.
        """
        live = self._live.get(session_id)
        if live is not None:
            if live.phase is Phase.PAUSED:
                await self._resume(live)
            return live.state()
        known = self._registry.get(session_id)
        if known is not None and known.phase is Phase.COMPLETED and _still_there(known):
            return known.state
        row = Row(
            session_id, Phase.WAITING, file, _language(source_lang), _language(target_lang) or "", voice_gender,
            State(session_id, Status.PROCESSING), time.time(),
        )  # fmt: skip
        if known is not None and known.phase in RESUMABLE and _same_work(known, row):
            row = replace(row, state=replace(row.state, progress=known.state.progress))
            if known.phase is Phase.INTERRUPTED:  # it was under way: it ends with what it began with
                row = replace(row, served=known.served, settings=known.settings)
            if known.state.early_preview and Path(known.state.early_preview).is_file():
                row = replace(row, state=replace(row.state, early_preview=known.state.early_preview))
        else:
            await asyncio.to_thread(remove, [self._artifact(session_id, "early_preview.mp4")])
        if session_id in self._live:  # another client asked for it meanwhile
            return self._live[session_id].state()
        refusal = self._refusal()
        session = self._session(row)
        self._live[session_id] = session
        if refusal is not None:
            interrupted = known is not None and known.phase is Phase.INTERRUPTED and row.settings is not None
            self._end(session, Phase.INTERRUPTED if interrupted else Phase.FAILED, refusal, "E_BUSY")
            return session.state()
        session.rested.clear()
        self._queue.append(session)
        session.enter(Phase.WAITING)
        self._make_room()
        self._wake.set()
        return session.state()

    async def follow(self, session_id: str) -> AsyncGenerator[State, None]:
        """The current state at once, every change, a heartbeat at least once a second; ends after the final state.

        ``KeyError`` where the session is unknown.
        """
        live = self._live.get(session_id)
        if live is not None:
            async with aclosing(live.follow()) as states:
                async for state in states:
                    yield state
        elif (row := self._registry.get(session_id)) is not None:
            yield replace(row.state, log=self._registry.log_of(session_id))
        else:
            raise KeyError(session_id)

    def state(self, session_id: str) -> State | None:
        live = self._live.get(session_id)
        if live is not None:
            return live.state()
        row = self._registry.get(session_id)
        return None if row is None else row.state

    def result(self, session_id: str) -> Result | Refusal:
        live = self._live.get(session_id)
        if live is not None:
            state = live.state()
            if state.status.final:  # left as it was, paused, while the server goes down
                return Refusal(state.message)
            return Refusal(f"The video is still being translated ({state.progress:.0f} %): {state.current_step}.")
        row = self._registry.get(session_id)
        if row is None:
            return Refusal("There is no such session.", unknown=True)
        if row.phase is Phase.COMPLETED and row.result is not None:
            return row.result
        if row.phase is Phase.CANCELLED:
            return Refusal("The translation was cancelled.")
        return Refusal(row.state.current_step)

    async def cancel(self, session_id: str) -> Answer:
        """Ends the work; when this returns, its processes are quiet and no part of a result is left."""
        live = self._live.get(session_id)
        if live is None:
            row = self._registry.get(session_id)
            if row is None:
                return Answer(False, False, "There is no such session.")
            if row.phase is not Phase.INTERRUPTED:
                return Answer(False, False, f"The session has ended already ({row.state.status}).")
            live = self._live[session_id] = self._session(row)
        live.stopping = Phase.CANCELLED  # from now on nobody resumes it
        if live in self._queue:
            self._queue.remove(live)
            live.rested.set()
            self._told_of_queue()
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
        """``pause``, ``resume`` or ``cancel``."""
        if action == "cancel":
            return await self.cancel(session_id)
        live = self._live.get(session_id)
        if action not in ("pause", "resume"):
            paused = live is not None and live.phase is Phase.PAUSED
            return Answer(False, paused, f"Unknown action {action[:40]!r}: it is pause, resume or cancel.")
        if live is None:
            known = self._registry.get(session_id)
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
        live = self._live.get(session_id)
        if live is not None:
            return live.insights()
        row = self._registry.get(session_id)
        if row is None:
            return Refusal("There is no such session.", unknown=True)
        return self._registry.insights_of(session_id) or self._session(row).insights(row.state)

    async def detect_language(self, file: Path) -> Detection:
        """From the first 30 s that hold speech, in a process of its own: dubs under way do not hold it up."""
        if self._draining:
            return Detection(None, None, "The server is shutting down; ask again in a minute.")
        try:
            async with asyncio.timeout(DETECTION_S):
                async with self._detecting:
                    try:
                        return await self._detected(file)
                    except BaseException:  # it took too long, or nobody waits any more: it would answer the next one
                        await self._detector.end()
                        raise
        except TimeoutError:
            return Detection(None, None, f"{file.name}: the language was not found within {DETECTION_S:.0f} s.")
        except VtlabError as error:
            return Detection(None, None, named(str(error), file))

    async def drain(self) -> None:
        """Takes no new sessions; those under way finish within the grace time, or are parked to be resumed."""
        self._draining = True
        for session in [session for session in self._queue if session.phase is Phase.WAITING]:
            self._queue.remove(session)
            session.rested.set()
            self._interrupt(session)
        working = [slot.session for slot in self._slots if slot.session is not None]
        if working:
            with suppress(TimeoutError):
                going = [session for session in working if session.phase is not Phase.PAUSED]
                async with asyncio.timeout(self._limits.drain_s):
                    await asyncio.gather(*(session.rested.wait() for session in going))
        await asyncio.gather(*(self._park(session) for session in working))
        for session in list(self._live.values()):
            if session.phase is Phase.PAUSED:
                session.leave("The server was shut down while this was paused. Start it again: it goes on from there.")

    # ------------------------------------------------------------ what the operator sees

    @property
    def waiting(self) -> int:
        return sum(session.phase is Phase.WAITING for session in self._queue)

    @property
    def running(self) -> int:
        return sum(slot.session is not None for slot in self._slots)

    def counts(self) -> dict[str, int]:
        """Number of sessions by status, of those that the registry knows."""
        counts: dict[str, int] = {}
        for phase, number in self._registry.counts().items():
            status = STATUS[Phase(phase)]
            counts[status] = counts.get(status, 0) + number
        return counts

    @property
    def memory_mb(self) -> float:
        """Memory of the server and its workers, as last watched."""
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
        """Takes sessions one after the other, as long as the server runs."""
        if self._limits.warm:
            await self._warm(slot.worker)
        while True:
            session = next((waiting for waiting in self._queue if waiting.phase is Phase.WAITING), None)
            if session is None or self._draining:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._queue.remove(session)
            self._told_of_queue()
            slot.session = session
            try:
                await self._dub(slot, session)
            except VtlabError as error:
                await self._fail(session, named(str(error), session.row.file), error.code)
            except Exception:
                log.exception("session %s", session.id)
                await slot.worker.end()  # whatever it is at, nobody wants it any more
                await self._fail(session, INTERNAL.format("E_INTERNAL"), "E_INTERNAL")
            finally:
                slot.session = None
                session.rested.set()

    async def _dub(self, slot: _Slot, session: Session) -> None:
        settings, served = await self._configuration(session)
        session.begin(settings, served)
        for attempt in range(ATTEMPTS):
            outcome = await self._outcome(slot.worker, session)
            if session.stopping is Phase.CANCELLED:
                await self._clean(session.id)
                return self._end(session, Phase.CANCELLED, "Cancelled")
            match outcome["is"]:
                case "done":
                    return self._complete(session, outcome)
                case "cancelled":
                    return self._stopped(session)
                case "failed":
                    return await self._fail(session, named(outcome["message"], session.row.file), outcome["code"])
            if session.stopping is not None:
                return self._stopped(session)
            log.error(
                "session %s: its worker ended with %s", session.id, outcome["status"], extra={"event": "worker_died"}
            )
            if attempt + 1 < ATTEMPTS:
                session.begin_again("The worker process ended unexpectedly; the work goes on in a new one")
        message = (
            f"The worker process ended unexpectedly, twice ({_ending(outcome['status'])}). Start it again later: what "
            "was finished is kept."
        )
        return await self._fail(session, message, "E_WORKER")

    async def _configuration(self, session: Session) -> tuple[Settings, str]:
        """What the session runs: its own, where it began before; else what is served now. With its languages."""
        row = session.row
        if row.settings is not None and row.served is not None:
            with suppress(SettingsError):  # of another version of this server: then what is served now
                return settings_from_dict(row.settings), row.served
        async with self._asking:
            served = await asyncio.to_thread(self._served)
        if not row.target_lang:
            raise LanguageError("No target language was chosen.", code="E_LANGUAGE")
        source = None if row.source_lang is None else language_code(row.source_lang)
        settings = served.settings
        data = settings.model_dump(mode="json")
        data |= {"source_language": source, "target_language": language_code(row.target_lang)}
        data["tts"]["voice_gender"] = row.voice_gender
        data["store"]["folder"] = str(self._folders.state / STORE)
        if settings.initialization.memory_budget_mb is None:
            share = self._memory_limit_mb / (self._limits.workers + 1)
            data["initialization"]["memory_budget_mb"] = max(256, int(share))
        return settings_from_dict(data), served.name

    async def _outcome(self, worker: Worker, session: Session) -> Message:
        """What the worker says last about the session; ``died`` where it ended instead."""
        if not worker.alive:
            await worker.start()
        if session.stopping is not None:
            return {"is": "cancelled"}
        assert session.settings is not None
        job = next(self._jobs)
        session.worker = worker
        worker.send(
            "dub",
            job=job,
            session_id=session.id,
            file=str(session.row.file),
            settings=session.settings.model_dump(mode="json"),
            folder=str(self._folders.temp_work / session.id),
            artifacts=str(self._folders.artifacts),
        )
        if session.phase is Phase.PAUSED:
            worker.send("pause")
        try:
            async with aclosing(worker.messages()) as messages:
                async for message in messages:
                    if message.get("job") != job:
                        continue
                    if message["is"] in ("done", "failed", "cancelled"):
                        return message
                    session.hear(message)
            return {"is": "died", "status": await worker.end()}
        finally:
            session.worker = None

    def _complete(self, session: Session, made: Message) -> None:
        quality = None if made["quality"] is None else Quality(**made["quality"])
        result = Result(
            session_id=session.id,
            output_path=made["paths"]["output"],
            original_srt=made["paths"]["original_srt"],
            translated_srt=made["paths"]["translated_srt"],
            duration_s=made["duration_s"],
            output_bytes=made["output_bytes"],
            original_bytes=made["original_bytes"],
            processing_s=round(session.worked_s, 3),
            quality=quality,
        )
        try:
            session.complete(result, tuple(made["pieces"]), made["absent"], made["more"])
        finally:
            self._live.pop(session.id, None)

    def _stopped(self, session: Session) -> None:
        """It was asked to stop, not to end."""
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
            session.worker.send("pause")
        session.enter(Phase.PAUSED, "Paused")
        if not session.rested.is_set() and session not in self._queue:
            self._make_room()
            self._spawn(self._park_later(session))
        self._told_of_queue()

    async def _resume(self, session: Session) -> str | None:
        """Why it stays paused, where it does."""
        if session.stopping is Phase.PAUSED:  # on its way out of its worker
            await session.rested.wait()
        if session.stopping is Phase.CANCELLED:
            return "It is being cancelled."
        if session.phase is not Phase.PAUSED:
            return None
        if self._draining:
            return "The server is shutting down. Start the session again in a minute."
        queued = session in self._queue
        if not queued and not session.rested.is_set():
            if session.worker is not None:
                session.worker.send("resume")
            session.enter(Phase.RUNNING, "Resumed")
            return None
        if (busy := self._full()) is not None:
            return busy
        if not queued:
            session.rested.clear()
            self._queue.insert(0, session)
        session.enter(Phase.WAITING, "Resumed")
        self._wake.set()
        return None

    def _make_room(self) -> None:
        """A paused session gives its worker to one that waits."""
        if self.waiting > sum(slot.session is None for slot in self._slots):
            for slot in self._slots:
                if slot.session is not None and slot.session.phase is Phase.PAUSED and slot.session.stopping is None:
                    self._spawn(self._park(slot.session))

    async def _park_later(self, session: Session) -> None:
        await asyncio.sleep(PARKED_S)
        if session.phase is Phase.PAUSED:  # in its worker or, meanwhile, in the queue
            await self._park(session)

    async def _park(self, session: Session) -> None:
        """Takes the session from its worker; it stays paused, or is to be resumed after a restart."""
        await self._stop(session, Phase.PAUSED if session.phase is Phase.PAUSED else Phase.INTERRUPTED)

    async def _stop(self, session: Session, towards: Phase) -> None:
        """Returns once no worker is at work on the session."""
        if session.rested.is_set() or session in self._queue:
            return
        if session.stopping is None or towards is Phase.CANCELLED:
            session.stopping = towards
        if session.worker is not None:
            session.worker.send("cancel")
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVES_UP_S):
                await session.rested.wait()
                return
        if session.worker is not None:  # a model that computes cannot be asked to stop
            await session.worker.end()
        await session.rested.wait()

    async def _clean(self, session_id: str) -> None:
        """No part of a result stays; the early preview is whole, and was announced."""
        results = [self._artifact(session_id, name) for name in RESULTS]
        await asyncio.to_thread(remove, [*results, *self._parts(session_id), self._folders.temp_work / session_id])

    def _parts(self, session_id: str) -> list[Path]:
        """Artifacts on their way to their names."""
        made = [self._artifact(session_id, name) for name in (*RESULTS, "early_preview.mp4")]
        return [unfinished(artifact) for artifact in made]

    def _artifact(self, session_id: str, name: str) -> Path:
        return self._folders.artifacts / f"{session_id}_{name}"

    # ------------------------------------------------------------ queue and limits

    def _session(self, row: Row) -> Session:
        return Session(row, self._registry, self._hardware, self._listener, self._ahead)

    def _ahead(self, session_id: str) -> int:
        before = 0
        for session in self._queue:
            if session.id == session_id:
                break
            before += session.phase is Phase.WAITING
        return before + (self.running if self.running == len(self._slots) else 0)

    def _told_of_queue(self) -> None:
        for session in self._queue:
            session.publish()

    def _refusal(self) -> str | None:
        """Why no session can be taken now, and when to try again."""
        if self._draining:
            return "The server is shutting down. Try again in a minute."
        if (busy := self._full()) is not None:
            return busy
        if self._memory_mb > REFUSE_SHARE * self._memory_limit_mb:
            return "The server is short of memory. Try again in about 5 minutes."
        if not self._registry.writable:
            return DISK_GONE
        try:
            for folder in (self._folders.temp_work, self._folders.artifacts, self._folders.state):
                if resources.disk_free_mb(folder) < self._limits.disk_free_mb:
                    return "The server is short of disk space. Try again in an hour, or tell its operator."
        except OSError:
            return DISK_GONE
        return None

    def _full(self) -> str | None:
        """Why no session can wait, and when to try again."""
        idle = sum(slot.session is None for slot in self._slots)
        if self.waiting - idle < self._limits.queue:
            return None
        each_s = self._registry.mean_seconds() or USUAL_S
        minutes = max(1, round(each_s * max(1, self.waiting) / len(self._slots) / 60))
        waiting = "1 session is" if self.waiting == 1 else f"{self.waiting} sessions are"
        return f"The server is busy: {waiting} waiting. Try again in about {_minutes(minutes)}."

    def _interrupted(self, row: Row) -> None:
        """It was under way when the server died."""
        message = f"The server was restarted at {row.state.progress:.0f} %. Start it again: it goes on from there."
        state = replace(row.state, status=Status.FAILED, current_step=message, message=message, code="E_INTERRUPTED")
        row = replace(row, phase=Phase.INTERRUPTED, state=replace(state, eta_s=None), ended=time.time())
        self._registry.put(row, self._session(row).insights(row.state))
        remove(self._parts(row.id))

    # ------------------------------------------------------------ workers, detection, watch

    async def _warm(self, worker: Worker) -> None:
        try:
            async with self._asking:
                served = await asyncio.to_thread(self._served)
            await worker.start()
        except (VtlabError, OSError) as error:
            log.warning("no worker was warmed: %s", error, extra={"event": "warm"})
            return  # each session will say so
        worker.send("warm", job=0, settings=served.settings.model_dump(mode="json"))

    async def _detected(self, file: Path) -> Detection:
        worker = self._detector
        async with self._asking:
            settings = (await asyncio.to_thread(self._served)).settings
        if not worker.alive:
            await worker.start()
        job = next(self._jobs)
        worker.send("detect", job=job, file=str(file), settings=settings.model_dump(mode="json"))
        async with aclosing(worker.messages()) as messages:
            async for message in messages:
                if message.get("job") != job:
                    continue
                if message["is"] == "failed":
                    return Detection(None, None, named(message["message"], file))
                language, confidence = message["language"], message["confidence"]
                return Detection(language, confidence, f"{language_name(language)}, {confidence:.0%} certain.")
        await worker.end()
        return Detection(None, None, "The process that detects languages ended unexpectedly; ask again.")

    async def _watch(self) -> None:
        """Idle models go before the machine suffers, and what could not be kept is kept."""
        if self._limits.warm:
            async with self._detecting:
                await self._warm(self._detector)
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
        if self._detector.alive and not self._detecting.locked():
            ended += 1
            await self._detector.end()
        log.warning(
            "%.0f of %.0f MB in use: %d idle processes were ended", self._memory_mb, self._memory_limit_mb, ended,
            extra={"event": "memory"},
        )  # fmt: skip

    async def _sweep(self) -> None:
        """Session folders go some time after the session has ended; artifacts never."""
        while True:
            for session_id in self._registry.to_sweep(time.time() - self._limits.keep_s):
                if session_id not in self._live:
                    await asyncio.to_thread(remove, [self._folders.temp_work / session_id])
                    self._registry.swept(session_id)
            self._registry.forget(time.time() - FORGOTTEN_S)
            store = Store(self._folders.state / STORE)
            with suppress(OSError):
                await asyncio.to_thread(store.prune, STORE_UNUSED_S, int(self._limits.store_mb * resources.MB))
            await asyncio.sleep(SWEEP_S)

    async def _lasting(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work that ends with the server only: what goes wrong in it is told, and it begins anew."""
        while True:
            try:
                return await work()
            except Exception:
                log.exception("a task of the server ended; it is started again")
                await asyncio.sleep(AGAIN_S)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the server ended: %s", error, exc_info=error)


def _same_work(known: Row, asked: Row) -> bool:
    return (known.file, known.source_lang, known.target_lang, known.voice_gender) == (
        asked.file, asked.source_lang, asked.target_lang, asked.voice_gender,
    )  # fmt: skip


def _still_there(row: Row) -> bool:
    return row.result is not None and Path(row.result.output_path).is_file()


def _ending(status: int) -> str:
    return "most often for want of memory" if status == -9 else f"status {status}"


def _language(text: str | None) -> str | None:
    """Its code; nothing where it is to be detected; as written where nobody knows it, which the session will tell."""
    if text is None or text.strip().lower() in ("", "auto"):
        return None
    try:
        return language_code(text)
    except LanguageError:
        return text


def _minutes(number: int) -> str:
    return f"{number} minute" if number == 1 else f"{number} minutes"
