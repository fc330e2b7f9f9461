"""Intervals of numbers and of differences: the bootstrap over rows, the same rows for both sides.

What is drawn again and again, with replacement, are the segments of the source with all that belongs to them: texts,
times, the dub's segments and cues. A corpus score is computed anew from the sums of each draw (n-gram counts, edit
counts), so it is a corpus score every time (Koehn 2004, "Statistical significance tests for
machine translation evaluation"; Efron and Tibshirani 1993, chapter 13). Numbers that only a whole clip has are drawn by
clips. An extreme (the fastest segment, the worst clip) has no interval: the bootstrap does not hold for extremes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vtlab.metrics.metric import Metric, Numbers
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import find_metric, is_metric, sort_metrics
from vtlab.metrics.rows import ClipRows
from vtlab.metrics.units import Over, Unit

SAMPLES = 1000
SEED = 12345  # sacrebleu's own
LEVEL = 0.95
MIN_UNITS = 6  # fewer cannot show a difference at this level even where all agree: 2 · 2⁻⁵ is above 0.05


@dataclass(frozen=True)
class Sampled:
    """A metric's value over ``units`` units, and over each draw of as many; a draw without a value is NaN."""

    value: float
    draws: Numbers
    units: int
    over: Over

    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval of the value."""
        return interval(self.draws)


@lru_cache(maxsize=4)  # metrics over the same units share their draws
def draw(units: int, samples: int, seed: int) -> Numbers:
    """Return how often each unit is in each draw, ``(samples, units)``: the draws that sacrebleu makes of this seed."""
    chosen = np.random.default_rng(seed).choice(units, size=(samples, units), replace=True)
    counts = np.bincount((chosen + units * np.arange(samples)[:, None]).ravel(), minlength=samples * units)
    return counts.reshape(samples, units).astype(np.float64)


def interval(draws: Numbers, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the percentile interval; ``None`` where too few draws have a value.

    Its ends are draws themselves, chosen so that it leaves out 0 exactly where ``p_value`` is below ``1 − level``.
    """
    known = np.sort(draws[~np.isnan(draws)])
    # the most draws that may lie beyond an end while 2 · (beyond + 1) / (draws + 1) stays below 1 − level
    beyond = math.ceil((1 - level) / 2 * (len(known) + 1) - 1e-9) - 2
    if beyond < 0 or 2 * len(known) < len(draws):
        return None
    return float(known[beyond]), float(known[-1 - beyond])


def p_value(differences: Numbers) -> float:
    """Return the two-sided p of "there is no difference": twice the share of draws on the rarer side of 0 (Koehn 2004).

    One is added to both counts, so that p is never 0 (Davison and Hinkley 1997, section 4.2; sacrebleu does so, too).
    Draws of exactly 0 count for both sides.
    """
    known = differences[~np.isnan(differences)]
    rarer = min(int(np.count_nonzero(known <= 0)), int(np.count_nonzero(known >= 0)))
    return min(1.0, 2 * (rarer + 1) / (len(known) + 1))


def sample(name: str, units: Sequence[Unit], samples: int = SAMPLES, seed: int = SEED) -> Sampled | None:
    """Return a metric over units of its kind (``over``), and over draws of them; ``None`` where it has no value there.

    Of fewer than ``MIN_UNITS`` units all draws are NaN.
    """
    metric = _find_with_interval(name)
    if metric is None or not units:
        return None
    rows, applies = metric.read(units)
    return _sampled(metric, rows[applies], samples, seed)


def sample_both(
    name: str, ones: Sequence[Unit], others: Sequence[Unit], samples: int = SAMPLES, seed: int = SEED
) -> tuple[Sampled, Sampled] | None:
    """Return the same for two sides, over the same draws of the units that the metric applies to on both."""
    metric = _find_with_interval(name)
    theirs = {unit.key: unit for unit in others}
    pairs = [(unit, theirs[unit.key]) for unit in ones if unit.key in theirs]
    if metric is None or not pairs:
        return None
    (left, here), (right, there) = (metric.read([pair[side] for pair in pairs]) for side in (0, 1))
    one, other = (_sampled(metric, rows[here & there], samples, seed) for rows in (left, right))
    return None if one is None or other is None else (one, other)


def score_each_unit(name: str, ones: Sequence[Unit], others: Sequence[Unit]) -> list[tuple[Unit, float, float]]:
    """Return a metric of each unit by itself, on both sides, where both have a value."""
    metric = _find_with_interval(name)
    theirs = {unit.key: unit for unit in others}
    pairs = [(unit, theirs[unit.key]) for unit in ones if unit.key in theirs]
    if metric is None or not pairs:
        return []
    sides = []
    for side in (0, 1):
        rows, applies = metric.read([pair[side] for pair in pairs])
        values = np.full(len(pairs), np.nan)
        values[applies] = metric.values(rows[applies], np.eye(int(applies.sum())))
        sides.append(values.tolist())
    known = zip((unit for unit, _ in pairs), *sides, strict=True)
    return [(unit, one, other) for unit, one, other in known if not (math.isnan(one) or math.isnan(other))]


def intervals(
    clips: Mapping[str, ClipRows], metrics: Iterable[str] | None = None, samples: int = SAMPLES, seed: int = SEED
) -> dict[str, tuple[float, float]]:
    """Return the interval of each metric that was measured on these clips and can be drawn; of all by default."""
    kinds: tuple[Over, ...] = ("segments", "clips")
    units = {over: list_units(clips, over) for over in kinds}
    measured = sort_metrics(name for clip in clips.values() for name in clip.values)
    found = {}
    for name in measured if metrics is None else [name for name in measured if name in set(metrics)]:
        sampled = sample(name, units[find_metric(name).over], samples, seed) if is_metric(name) else None
        bounds = None if sampled is None else sampled.interval()
        if bounds is not None:
            found[name] = bounds
    return found


def _find_with_interval(name: str) -> Metric | None:
    metric = find_metric(name)
    return metric if metric.has_interval else None


def _sampled(metric: Metric, rows: Numbers, samples: int, seed: int) -> Sampled | None:
    if not len(rows):
        return None
    value = float(metric.values(rows, np.ones((1, len(rows))))[0])
    if math.isnan(value):
        return None
    enough = len(rows) >= MIN_UNITS
    draws = metric.values(rows, draw(len(rows), samples, seed)) if enough else np.full(samples, np.nan)
    return Sampled(value, draws, len(rows), metric.over)
