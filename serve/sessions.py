"""Sessions: who waits, who is dubbed by which worker, and what those who ask are told.

One event loop owns everything here; dubbing happens in worker processes (``serve.worker``), and what must survive a
crash is in the registry (``serve.registry``). Sessions know no protobuf.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from serve.progress import Answer, Detection, Insight, Refusal, Result, State
from vtlab.events import Event
from vtlab.settings import Settings


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


@dataclass(frozen=True)
class Served:
    """The configuration that a session runs, and what it is called: ``release 3 (pt-en/base)``."""

    settings: Settings
    name: str


Listener = Callable[[str, Event | State], None]
"""Told everything, with the session's id: events of dubs, and the state at each change of status."""


class Sessions:
    """All sessions of one server; an async context manager. Called from one event loop only."""

    def __init__(
        self,
        folders: Folders,
        served: Callable[[], Served],
        limits: Limits = Limits(),
        listener: Listener = lambda session_id, happened: None,
    ) -> None:
        """``served`` is asked for the configuration whenever the work on a session begins."""
        raise NotImplementedError

    async def __aenter__(self) -> Sessions:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def start(
        self, session_id: str, file: Path, source_lang: str | None, target_lang: str, voice_gender: str = "neutral"
    ) -> State:
        """Starts, resumes or finds the session and returns its state; ``follow`` tells the rest.

        ``file`` is trusted: it was checked to lie in the uploads folder. Never raises for what is wrong with it: the
        session fails and says why.
        """
        raise NotImplementedError

    def follow(self, session_id: str) -> AsyncIterator[State]:
        """The current state at once, every change, a heartbeat at least once a second; ends after the final state.

        ``KeyError`` where the session is unknown.
        """
        raise NotImplementedError

    def state(self, session_id: str) -> State | None:
        raise NotImplementedError

    def result(self, session_id: str) -> Result | Refusal:
        raise NotImplementedError

    async def cancel(self, session_id: str) -> Answer:
        """Ends the work; when this returns, its processes are quiet and no part of a result is left."""
        raise NotImplementedError

    async def control(self, session_id: str, action: str) -> Answer:
        """``pause``, ``resume`` or ``cancel``."""
        raise NotImplementedError

    def insights(self, session_id: str) -> tuple[Insight, ...] | Refusal:
        raise NotImplementedError

    async def detect_language(self, file: Path) -> Detection:
        raise NotImplementedError

    async def drain(self) -> None:
        """Takes no new sessions; those under way finish within the grace time, or are parked to be resumed."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        raise NotImplementedError

    @property
    def running(self) -> int:
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """Number of sessions by status, of those that the registry knows."""
        raise NotImplementedError

    @property
    def memory_mb(self) -> float:
        """Memory of the server and its workers, as last watched."""
        raise NotImplementedError
