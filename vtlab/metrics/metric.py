"""What a metric is: its unit, which way is better, its target, and how clips become a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pool = Literal["rows", "sum", "time", "worst"]
ROUNDING = 0.002  # of a target: files round their times to milliseconds


@dataclass(frozen=True)
class Metric:
    """What a number means, and what to think of it.

    ``unit``: ``1`` for shares and ratios. ``better``: which way is better; ``target``: towards its target. ``target``:
    lowest and highest value of a good dub, either open; none where that depends on the material. ``pool``, how clips
    become a corpus: ``rows`` computed from the lines of all clips together, ``sum``, ``time`` the mean weighted by the
    clips' lengths, ``worst`` the worst clip.
    """

    unit: str
    better: Literal["higher", "lower", "target"]
    needs_reference: bool
    means: str
    pool: Pool = "rows"
    target: tuple[float | None, float | None] | None = None

    def verdict(self, value: float) -> bool | None:
        """Whether the target is met; ``None`` without one."""
        if self.target is None:
            return None
        low, high = self.target
        room = ROUNDING * max(abs(limit) for limit in self.target if limit is not None)
        return (low is None or value >= low - room) and (high is None or value <= high + room)
