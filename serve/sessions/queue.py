"""The queue of sessions for a worker."""

from __future__ import annotations

from collections.abc import Iterator

from serve.sessions.registry import Phase
from serve.sessions.session import Session


class Queue:
    """Hold sessions in the order in which they get a worker; a paused one keeps its place and is passed by."""

    def __init__(self) -> None:
        """Make an empty queue."""
        self._sessions: list[Session] = []

    def __contains__(self, session: Session) -> bool:
        """Return whether the session waits."""
        return session in self._sessions

    def __iter__(self) -> Iterator[Session]:
        """Yield a copy of the queue, the next session first."""
        return iter(list(self._sessions))

    @property
    def waiting(self) -> int:
        """How many wait for a worker."""
        return sum(session.phase is Phase.WAITING for session in self._sessions)

    def waiting_before(self, session_id: str) -> int:
        """Return how many wait before this session; where it is not in the queue, how many there are."""
        before = 0
        for session in self._sessions:
            if session.id == session_id:
                break
            before += session.phase is Phase.WAITING
        return before

    def add(self, session: Session, *, first: bool = False) -> None:
        """Put a session, which has no worker from now on, at the end or at the beginning."""
        session.idle.clear()
        self._sessions.insert(0 if first else len(self._sessions), session)

    def remove(self, session: Session) -> None:
        """Take a session out that is not to get a worker."""
        self._sessions.remove(session)
        session.idle.set()
        self.publish()

    def next(self) -> Session | None:
        """Take the next session that waits out, for a worker; `None` where none does."""
        session = next((waiting for waiting in self._sessions if waiting.phase is Phase.WAITING), None)
        if session is not None:
            self._sessions.remove(session)
        return session

    def publish(self) -> None:
        """Send followers of sessions in the queue their place in it."""
        for session in self._sessions:
            session.publish()
