"""A metric of a clip's files, such as loudness, and how the values of clips become a corpus's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vtlab.metrics.metric import Metric, Numbers, ratio
from vtlab.metrics.rows import ClipRows
from vtlab.metrics.units import Over, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.metrics.material import Material


@dataclass(frozen=True)
class FileMetric(Metric):
    """Measure a metric on a clip's files, and keep it in the clip's ``values``.

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
