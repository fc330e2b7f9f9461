"""A metric is one object: what it means, what it needs, what it counts, and how counts become a value.

Everything follows from it. With ``rows`` as its counts over units (segments, or whole clips), the value over a corpus
is ``score(sum of rows)``, a draw of the bootstrap ``score(draw @ rows)``, and a segment's own value ``score(its row)``;
why a metric is absent follows from ``needs``. There are three kinds:

- ``SumMetric``: a function of sums, such as an error rate, a mean or BLEU;
- ``PercentileMetric``: a percentile of all values, 0 and 100 being the extremes;
- ``FileMetric``: measured on the files of a clip, such as loudness, and then taken over clips.

A number that could not be measured is ``None``, or NaN within arrays; never 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vtlab.metrics.rows import ClipRows
from vtlab.metrics.units import Over, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.metrics.material import Material, Need

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
    """Describe a number; the three kinds below say how it is computed.

    Attributes:
        name: Its name in suites, gates, MLflow and JSON.
        unit: ``1`` for shares and ratios.
        better: Which way is better; ``target`` is towards its target.
        means: One line for people.
        target: Lowest and highest value of a good dub, either open; none where that depends on the material.
        needs: What must be there to measure it, in the order in which what is missing is told.
        group: The word that stands for it and others in a suite.
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
    """A metric that is a function of sums.

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


@dataclass(frozen=True)
class PercentileMetric(Metric):
    """A percentile of all values that the units bring, between the closest ranks (Hyndman and Fan 1996, type 7).

    Attributes:
        unit_values: A unit's values; ``None`` where the metric does not apply to it.
        percent: 0 is the least of all values and 100 the greatest.
    """

    _: KW_ONLY
    unit_values: Callable[[Unit], Sequence[float] | None]
    percent: float

    @property
    def has_interval(self) -> bool:
        return 0 < self.percent < 100

    def read(self, units: Sequence[Unit]) -> tuple[Numbers, NDArray[np.bool_]]:
        brought = [self.unit_values(unit) for unit in units]
        most = max((len(values) for values in brought if values is not None), default=0)
        rows = np.full((len(units), most), np.nan)
        for row, values in zip(rows, brought, strict=True):
            row[: len(values or ())] = values or ()
        return rows, np.array([values is not None for values in brought], dtype=bool)

    def values(self, rows: Numbers, draws: Numbers) -> Numbers:
        owner, place = np.nonzero(~np.isnan(rows))
        known = rows[owner, place]
        if not len(known):
            return np.full(len(draws), np.nan)
        order = np.argsort(known)
        ranked, times = known[order], draws[:, owner[order]]
        # between the closest ranks, as numpy's own percentile, without laying out every draw
        upto = np.cumsum(times, axis=1)
        rank = (upto[:, -1] - 1) * self.percent / 100
        lower, upper = (
            ranked[np.minimum((upto <= at[:, None]).sum(axis=1), len(ranked) - 1)]
            for at in (np.floor(rank), np.ceil(rank))
        )
        values = lower + (rank - np.floor(rank)) * (upper - lower)
        return np.where(upto[:, -1] > 0, values, np.nan)


@dataclass(frozen=True)
class FileMetric(Metric):
    """A metric that is measured on a clip's files, and kept in the clip's ``values``.

    Attributes:
        measure: The value, or ``None``, and how it was computed.
        over_clips: How clips become a corpus: their ``sum``, their ``mean``, or the ``worst`` of them.
        weight: What a clip weighs in the mean; by default its length.
    """

    _: KW_ONLY
    measure: Callable[[Material], tuple[float | None, str | None]]
    over_clips: Literal["sum", "mean", "worst"]
    weight: Callable[[ClipRows], float] = lambda rows: rows.seconds
    over: Over = "clips"

    @property
    def has_interval(self) -> bool:
        return self.over_clips != "worst"

    def read(self, units: Sequence[Unit]) -> tuple[Numbers, NDArray[np.bool_]]:
        values = [unit.clip_rows.values.get(self.name, np.nan) for unit in units]
        weights = [self.weight(unit.clip_rows) if self.over_clips == "mean" else 1.0 for unit in units]
        rows = np.array([(value * weight, weight) for value, weight in zip(values, weights, strict=True)])
        return rows.reshape(-1, 2), ~np.isnan(np.array(values, dtype=float))

    def values(self, rows: Numbers, draws: Numbers) -> Numbers:
        if self.over_clips == "worst":
            return np.array([self._worst(rows[drawn > 0, 0]) for drawn in draws])
        sums = draws @ rows
        return ratio(sums) if self.over_clips == "mean" else np.asarray(sums[:, 0])

    def value(self, units: Sequence[Unit]) -> float | None:
        own = [unit.clip_rows.values[self.name] for unit in units if self.name in unit.clip_rows.values]
        return own[0] if len(own) == 1 else super().value(units)  # one clip's value is its own to the bit

    def _worst(self, values: Numbers) -> float:
        if self.better == "target" and self.target is not None:
            low, high = self.target
            middle = ((low if low is not None else high or 0.0) + (high if high is not None else low or 0.0)) / 2
            return float(values[np.abs(values - middle).argmax()])
        return float(values.min() if self.better == "higher" else values.max())


def summed(values: Callable[[Unit], Sequence[float] | None]) -> Callable[[Unit], Row | None]:
    """Make the counts of a mean or a total: the sum of a unit's values, and how many they are."""

    def counts(unit: Unit) -> Row | None:
        known = values(unit)
        return None if known is None else (float(sum(known)), float(len(known)))

    return counts
