"""Write numbers for people: one formatter for terminal, pages, notebooks and apps."""

from __future__ import annotations

import math

from vtlab.metrics.metric import Metric
from vtlab.metrics.registry import find_metric, is_metric

DECIMALS = {"1": 3, "ms": 0, "0-100": 1, "1-5": 2, "s": 1, "MB": 0, "LUFS": 1, "dB": 1, "dBTP": 1, "1/s": 1}
COUNTED = ("lines", "words", "characters", "cues", "frames", "results")  # written whole
DIGITS = 4  # significant ones, of values in any other unit
UNITS = {"1": "", "0-100": "", "1-5": "", "1/s": "characters/s"}  # others are written as they are
VERDICTS = {True: "met", False: "missed", None: ""}
ABSENT = "–"
NEGLIGIBLE = 1e-6  # a smaller number is the rest of a rounding


def format_value(name: str, value: float | None, signed: bool = False) -> str:
    """Return a metric's value with the decimals of its unit; a dash for ``None``.

    Args:
        name: A metric, or a loss (``loss_tts_bleu``), which is in points of BLEU.
        value: The value in the metric's unit.
        signed: Write a plus, too, as for differences.
    """
    if value is None:
        return ABSENT
    metric = _metric(name)
    return format_number(value, "0-100" if metric is None else metric.unit, signed)


def format_number(value: float, unit: str, signed: bool = False) -> str:
    """Return a number, without its unit, with the decimals that metrics of that unit have."""
    decimals = _decimals(unit, value)
    rounded = round(value, decimals) + 0.0  # no minus zero
    sign = "+" if signed else ""
    if rounded == 0 and abs(value) > NEGLIGIBLE:  # an interval ends on one side of 0 or the other
        return f"{value:{sign}.1g}"
    return f"{rounded:{sign}.{decimals}f}"


def format_interval(name: str, low: float | None, high: float | None, signed: bool = False) -> str:
    """Return an interval of a metric in brackets; a dash where an end is ``None``."""
    if low is None or high is None:
        return ABSENT
    return f"[{format_value(name, low, signed)}, {format_value(name, high, signed)}]"


def format_unit(name: str) -> str:
    """Return the metric's unit; nothing for shares, ratios and scores, whose unit says nothing."""
    metric = _metric(name)
    return "" if metric is None else UNITS.get(metric.unit, metric.unit)


def format_target(name: str) -> str:
    """Return the bounds of the metric's target; nothing where it has none."""
    metric = _metric(name)
    if metric is None or metric.target is None:
        return ""
    low, high = metric.target
    if low is None or high is None:
        return f"≥ {low:g}" if low is not None else f"≤ {high:g}"
    return f"{low:g} … {high:g}" if low != high else f"{low:g}"


def format_share(share: float) -> str:
    """Return a share of things that are counted, such as pairs, in percent: ``67%``."""
    return f"{share:.0%}"


def format_p(p: float | None) -> str:
    """Return a p value with three decimals; a dash for `None`."""
    return ABSENT if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def format_verdict(name: str, value: float) -> str:
    """Return ``met`` or ``missed``; nothing where the metric has no target."""
    metric = _metric(name)
    return "" if metric is None else VERDICTS[metric.verdict(value)]


def describe(name: str) -> str:
    """Return what the metric means; nothing for other numbers, such as losses."""
    metric = _metric(name)
    return "" if metric is None else metric.means


def _decimals(unit: str, value: float) -> int:
    if unit in DECIMALS:
        return DECIMALS[unit]
    if unit in COUNTED or value == 0 or not math.isfinite(value):
        return 0
    return max(0, DIGITS - 1 - math.floor(math.log10(abs(value))))


def _metric(name: str) -> Metric | None:
    return find_metric(name) if is_metric(name) else None
