"""Hold what sessions are given: folders, limits, and the configuration to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vtlab.settings import Settings


@dataclass(frozen=True)
class Folders:
    """Where sessions keep their files.

    Attributes:
        artifacts: Results, shared with the gateway.
        temp_work: Work under way, a folder for each session.
        state: The registry and the store of stage results; outlives a restart.
    """

    artifacts: Path
    temp_work: Path
    state: Path


@dataclass(frozen=True)
class Limits:
    """Limit what the machine may be asked to bear.

    Attributes:
        workers: Sessions dubbed at once.
        queue: Sessions that may wait; the next one fails at once.
        memory_mb: Of the server and its workers; `None`: the machine's, or its control group's.
        disk_free_mb: New sessions are refused below this.
        drain_s: How long sessions may go on once the server is to stop.
        keep_s: Folders of sessions are removed this long after their end.
        store_mb: The store of stage results is pruned to this.
        warm: Whether workers start, and load what every session needs, before the first one comes.
    """

    workers: int = 1
    queue: int = 100
    memory_mb: float | None = None
    disk_free_mb: float = 500.0
    drain_s: float = 30.0
    keep_s: float = 24 * 3600.0
    store_mb: float = 20_000.0
    warm: bool = True


@dataclass(frozen=True)
class Configuration:
    """The settings that a session runs.

    Attributes:
        name: For people: `release 3 (pt-en/base)`.
        measured_pairs: The pairs of languages (source, target) that an evaluation stands for.
    """

    settings: Settings
    name: str
    measured_pairs: tuple[tuple[str, str], ...] = ()


ConfigurationSource = Callable[[], Configuration]
"""Returns the configuration that is active now; may block."""
