"""Queue the messages that wait for one follower of a session."""

from __future__ import annotations

import asyncio
from collections import deque

from serve.state import State

PENDING = 32  # states that wait for a follower, the most


class Mailbox:
    """Hold states for one follower in the order in which they were drawn, so that none comes after a newer one.

    A follower that does not read costs a bounded amount of memory: where too many states wait, those go first that the
    next one replaces without the loss of a stage or a status. The newest always stays.
    """

    def __init__(self) -> None:
        """Make an empty mailbox."""
        self._pending: deque[tuple[State, int]] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of states that wait."""
        return len(self._pending)

    def put(self, state: State, logged: int) -> None:
        """Add a state, and how many entries the log of the session had then."""
        self._pending.append((state, logged))
        if len(self._pending) > PENDING:
            del self._pending[self._replaceable()]
        self._filled.set()

    async def get(self) -> tuple[State, int]:
        """Wait for the oldest state and take it out."""
        while not self._pending:
            self._filled.clear()
            await self._filled.wait()
        return self._pending.popleft()

    def _replaceable(self) -> int:
        kinds = [(state.stage, state.status) for state, _ in self._pending]
        return next((index for index in range(len(kinds) - 1) if kinds[index] == kinds[index + 1]), 0)
