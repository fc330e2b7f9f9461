"""Loaded engines of this process, shared by its runs: each is loaded once, the least recently used goes first."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

UNLOAD_ABOVE = 0.8  # of the memory budget: engines are dropped from here …
UNLOAD_TO = 0.7  # … down to here
KEPT_LONGEST = "transcription"  # the slowest to load and the most often used


class EnginePool:
    """Engines by key ``(kind, name, …)``. Safe to use from several threads; an engine in use survives its dropping."""

    def __init__(self, budget_mb: float | None = None) -> None:
        self.budget_mb = budget_mb
        self._engines: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: tuple[str, ...], build: Callable[[], Any]) -> Any:
        """The engine of that key, built by ``build`` where it is not loaded."""
        with self._lock:
            if key not in self._engines:
                self.trim()
                self._engines[key] = build()
            self._engines.move_to_end(key)
            return self._engines[key]

    def loaded(self) -> list[tuple[str, ...]]:
        """Keys of the loaded engines, least recently used first."""
        with self._lock:
            return list(self._engines)

    def trim(self) -> list[tuple[str, ...]]:
        """Drops engines while memory is above the budget; returns the keys dropped."""
        from vtlab.resources import rss_mb

        dropped: list[tuple[str, ...]] = []
        if self.budget_mb is None or rss_mb() <= UNLOAD_ABOVE * self.budget_mb:
            return dropped
        with self._lock:
            order = sorted(self._engines, key=lambda key: key[0] == KEPT_LONGEST)  # stable: by last use within
            for key in order:
                del self._engines[key]
                dropped.append(key)
                gc.collect()
                if rss_mb() <= UNLOAD_TO * self.budget_mb:
                    break
        return dropped
