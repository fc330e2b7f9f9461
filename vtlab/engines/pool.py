"""Pool of loaded engines that the dubs of a process share: each is loaded once, the least recently used goes first."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UNLOAD_TO = 0.7  # of the memory budget: where it is high, engines are dropped down to here
KEPT_LONGEST = "transcription"  # the slowest to load and the most often used


@dataclass
class _Loaded:
    engine: Any
    users: int = 0


class EnginePool:
    """Hold engines by key ``(kind, name, …)``; safe to use from several threads.

    Whoever borrows an engine gives it back; one in use is never unloaded, since that would free nothing.
    """

    def __init__(self, budget_mb: float | None = None) -> None:
        self.budget_mb = budget_mb
        self._loaded: OrderedDict[tuple[str, ...], _Loaded] = OrderedDict()
        self._lock = threading.RLock()

    def borrow(self, key: tuple[str, ...], build: Callable[[], Any]) -> Any:
        """Return the engine of a key, built by ``build`` where it is not loaded."""
        with self._lock:
            if key not in self._loaded:
                self.unload()
                self._loaded[key] = _Loaded(build())
            self._loaded.move_to_end(key)
            self._loaded[key].users += 1
            return self._loaded[key].engine

    def give_back(self, key: tuple[str, ...]) -> None:
        """End one use of an engine; it stays loaded while there is memory for it."""
        with self._lock:
            self._loaded[key].users -= 1

    def loaded(self) -> list[tuple[str, ...]]:
        """Return the keys of the loaded engines, least recently used first."""
        with self._lock:
            return list(self._loaded)

    def unload(self) -> list[tuple[str, ...]]:
        """Unload unused engines while memory is above the budget, and return their keys."""
        from vtlab.resources import HIGH_SHARE, rss_mb

        dropped: list[tuple[str, ...]] = []
        if self.budget_mb is None or rss_mb() <= HIGH_SHARE * self.budget_mb:
            return dropped
        with self._lock:
            idle = [key for key, loaded in self._loaded.items() if loaded.users == 0]
            for key in sorted(idle, key=lambda key: key[0] == KEPT_LONGEST):  # stable: by last use within
                del self._loaded[key]
                dropped.append(key)
                gc.collect()
                if rss_mb() <= UNLOAD_TO * self.budget_mb:
                    break
        return dropped
