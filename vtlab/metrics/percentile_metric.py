"""A percentile of all values of segments or clips, 0 and 100 being the extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from vtlab.metrics.metric import Metric, Numbers
from vtlab.metrics.units import Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PercentileMetric(Metric):
    """Compute a percentile of all values that the units have, between the closest ranks (Hyndman and Fan 1996, type 7).

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
        known_values = [self.unit_values(unit) for unit in units]
        most = max((len(values) for values in known_values if values is not None), default=0)
        rows = np.full((len(units), most), np.nan)
        for row, values in zip(rows, known_values, strict=True):
            row[: len(values or ())] = values or ()
        return rows, np.array([values is not None for values in known_values], dtype=bool)

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
