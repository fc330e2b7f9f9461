"""Decide whether a session can be taken now."""

from __future__ import annotations

from dataclasses import dataclass

from serve.sessions.options import Folders, Limits
from serve.sessions.registry import Registry
from vtlab import resources

REFUSE_SHARE = 0.9  # of the memory: new sessions are refused, after idle workers have gone
USUAL_S = 120.0  # how long a session takes, before any has been seen
DISK_GONE = "The server cannot write to its disk. Try again in about 5 minutes, or tell its operator."


@dataclass(frozen=True)
class Admission:
    """Take sessions while the machine can bear them."""

    folders: Folders
    limits: Limits
    registry: Registry
    memory_limit_mb: float

    def refusal(self, waiting: int, idle_workers: int, memory_mb: float) -> str | None:
        """Return why no session can be taken now, and when to try again; `None` where one can.

        Args:
            waiting: Sessions that wait for a worker.
            idle_workers: Workers without a session.
            memory_mb: Memory of the server and its workers.
        """
        if (busy := self.full(waiting, idle_workers)) is not None:
            return busy
        if memory_mb > REFUSE_SHARE * self.memory_limit_mb:
            return "The server is short of memory. Try again in about 5 minutes."
        if not self.registry.writable:
            return DISK_GONE
        try:
            for folder in (self.folders.temp_work, self.folders.artifacts, self.folders.state):
                if resources.disk_free_mb(folder) < self.limits.disk_free_mb:
                    return "The server is short of disk space. Try again in an hour, or tell its operator."
        except OSError:
            return DISK_GONE
        return None

    def full(self, waiting: int, idle_workers: int) -> str | None:
        """Return why no session can wait, and when to try again; `None` where one can."""
        if waiting - idle_workers < self.limits.queue:
            return None
        each_s = self.registry.mean_seconds() or USUAL_S
        minutes = max(1, round(each_s * max(1, waiting) / self.limits.workers / 60))
        sessions = "1 session is" if waiting == 1 else f"{waiting} sessions are"
        return f"The server is busy: {sessions} waiting. Try again in about {_minutes(minutes)}."


def _minutes(number: int) -> str:
    return f"{number} minute" if number == 1 else f"{number} minutes"
