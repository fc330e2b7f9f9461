"""A metric is one object: what it means, what it needs, what it counts, and how counts become a value.

Everything follows from it. With ``rows`` as its counts over units (segments, or whole clips), the value over a corpus
is ``score(sum of rows)``, a draw of the bootstrap ``score(draw @ rows)``, and a segment's own value ``score(its row)``;
why a metric is absent follows from ``needs``. Most are a ``SumMetric``: an error rate, a mean, BLEU. The others are a
``PercentileMetric`` (``vtlab.metrics.percentile_metric``) or a ``FileMetric`` (``vtlab.metrics.file_metric``).

A number that could not be measured is ``None``, or NaN within arrays; never 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vtlab.metrics.units import Over, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.metrics.material import Material
    from vtlab.metrics.needs import Need

ROUNDING = 0.002  # of a target: files round their times to milliseconds

Better = Literal["higher", "lower", "target"]
Row = tuple[float, ...]
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def ratio(sums: Numbers) -> Numbers:
    """Return the first column ÷ the second; NaN over nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan))


def total(sums: Numbers) -> Numbers:
    """Return the first column; NaN where the second, the number of what was counted, is 0."""
    return np.asarray(np.where(sums[:, 1] > 0, sums[:, 0], np.nan))


@dataclass(frozen=True)
class Metric(ABC):
    """Describe a number; a kind of metric says how it is computed.

    Attributes:
        name: Its name in suites, gates, MLflow and JSON.
        unit: ``1`` for shares and ratios.
        better: Which way is better; ``target`` is towards its target.
        means: One line for people.
        target: Lowest and highest value of a good dub, either open; none where that depends on the material.
        needs: What must be there to measure it, in the order in which what is missing is told.
        group: The word that stands for it and others in a suite. Those of ``cost`` are what quality is weighed against.
        headline: Its place among the numbers that are looked at first, the lowest first; none for the others.
        decides: Whether it says which of two dubs is better, so that a release may depend on it alone.
        nothing: Why it is absent where everything it needs was there.
        signature: How a value over these units was computed: versions, tokeniser, number of segments.
    """

    name: str
    unit: str
    better: Better
    means: str
    _: KW_ONLY
    target: tuple[float | None, float | None] | None = None
    needs: tuple[Need, ...] = ()
    group: str = ""
    headline: int | None = None
    decides: bool = False
    nothing: str = "there is no speech to measure it on"
    signature: Callable[[Sequence[Unit]], str | None] = lambda units: None
    over: Over = "segments"

    @property
    def has_interval(self) -> bool:
        """Whether the bootstrap holds for it: not for extremes."""
        return True

    @abstractmethod
    def read(self, units: Sequence[Unit]) -> tuple[Numbers, NDArray[np.bool_]]:
        """Return a row of numbers for each unit, and to which units the metric applies."""

    @abstractmethod
    def values(self, rows: Numbers, draws: Numbers) -> Numbers:
        """Return a value for each draw, NaN where it has none.

        Args:
            rows: Rows of units that the metric applies to, ``(units, k)``.
            draws: How often each unit is in each draw, ``(draws, units)``.
        """

    def value(self, units: Sequence[Unit]) -> float | None:
        """Return the value over all of these units; ``None`` where it cannot be measured on them."""
        rows, applies = self.read(units)
        if not applies.any():
            return None
        value = float(self.values(rows[applies], np.ones((1, int(applies.sum()))))[0])
        return value if np.isfinite(value) else None

    def verdict(self, value: float) -> bool | None:
        """Return whether the target is met; ``None`` without a target."""
        if self.target is None:
            return None
        low, high = self.target
        room = ROUNDING * max(abs(limit) for limit in self.target if limit is not None)
        return (low is None or value >= low - room) and (high is None or value <= high + room)

    def why_absent(self, material: Material) -> str:
        """Return the reason why it could not be measured on this material."""
        return next((need.missing for need in self.needs if not need.met(material)), self.nothing)


@dataclass(frozen=True)
class SumMetric(Metric):
    """Compute a metric that is a function of sums.

    Attributes:
        counts: A unit's row of numbers; ``None`` where the metric does not apply to it.
        score: Sums of rows, ``(draws, k)``, to values, ``(draws,)``; by default the first column ÷ the second.
        kind: Only rows of one kind can be summed; of several kinds (tokenisers, say) there is no value.
    """

    _: KW_ONLY
    counts: Callable[[Unit], Row | None]
    score: Callable[[Numbers], Numbers] = ratio
    kind: Callable[[Unit], str] = lambda unit: ""

    def read(self, units: Sequence[Unit]) -> tuple[Numbers, NDArray[np.bool_]]:
        rows = [self.counts(unit) for unit in units]
        if len({self.kind(unit) for unit, row in zip(units, rows, strict=True) if row is not None}) > 1:
            rows = [None] * len(rows)
        width = next((len(row) for row in rows if row is not None), 1)
        numbers = np.array([(np.nan,) * width if row is None else row for row in rows], dtype=float)
        return numbers.reshape(-1, width), np.array([row is not None for row in rows], dtype=bool)

    def values(self, rows: Numbers, draws: Numbers) -> Numbers:
        return self.score(draws @ rows)


def summed(values: Callable[[Unit], Sequence[float] | None]) -> Callable[[Unit], Row | None]:
    """Make the counts of a mean or a total: the sum of a unit's values, and how many they are."""

    def counts(unit: Unit) -> Row | None:
        known = values(unit)
        return None if known is None else (float(sum(known)), float(len(known)))

    return counts
