"""The worst segments of a run: which are worth listening to, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vtlab import plots
from vtlab.measurement.results import Measurement
from vtlab.metrics.display import format_number, format_share, format_value
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import METRICS
from vtlab.metrics.units import Unit

MOST = 10
LATE_MS = plots.ONSET_MS
MISHEARD, UNLIKE = 0.2, 50.0  # word errors above, chrF below are reported


@dataclass(frozen=True)
class WorstSegment:
    """A segment, what is wrong with it, and how badly (for the order)."""

    clip: str
    unit: Unit
    reasons: tuple[str, ...]
    badness: float


def worst_segments(clips: Mapping[str, Measurement], most: int = MOST) -> list[WorstSegment]:
    """Return the segments with most faults, worst first; segments without a fault are left out."""
    found = [_judge(unit) for unit in list_units(clips, "segments")]
    bad = [segment for segment in found if segment.reasons]
    return sorted(bad, key=lambda segment: -segment.badness)[:most]


def _judge(unit: Unit) -> WorstSegment:
    """Return a segment with its faults, each weighted by how far it is beyond the tolerable; silence weighs most."""
    row, reasons, badness = unit.segment, [], 0.0
    assert row is not None  # units of segments have one

    def add(reason: str, weight: float) -> None:
        nonlocal badness
        reasons.append(reason)
        badness += weight

    if row.start is not None and row.dubbed_start is None and unit.clip_rows.dubbed_speech is not None:
        add("not heard in the dub", 10)
    if row.onset_ms is not None and abs(row.onset_ms) > LATE_MS:
        side = "late" if row.onset_ms > 0 else "early"
        add(f"starts {format_number(abs(row.onset_ms), 'ms')} ms {side}", abs(row.onset_ms) / LATE_MS)
    if row.offset_ms is not None and abs(row.offset_ms) > 3 * LATE_MS:
        side = "late" if row.offset_ms > 0 else "early"
        add(f"ends {format_number(abs(row.offset_ms), 'ms')} ms {side}", abs(row.offset_ms) / LATE_MS / 3)
    if row.text and row.recognised is not None:
        errors = METRICS["wer"].value([unit])
        if errors is not None and errors > MISHEARD:
            add(f"misheard: {format_share(errors)} of the words", 4 * errors)
    for name, reason in (("chrf", "translated unlike the reference"), ("asr_chrf", "heard unlike the reference")):
        score = METRICS[name].value([unit])
        if score is not None and score < UNLIKE and (name == "chrf" or row.heard):
            add(f"{reason}: chrF {format_value(name, score)}", (UNLIKE - score) / 15)
    low, high = plots.BEARABLE
    for line in unit.dub_segments:
        if line.speed is not None and not low - 1e-9 <= line.speed <= high + 1e-9:
            speed = format_value("speed_max", line.speed)
            add(f"spoken at {speed} times the natural speed", 2 + 10 * max(line.speed - high, low - line.speed))
    lost = METRICS["truncated_words"].value([unit])
    if lost:
        add(f"{format_value('truncated_words', lost)} word{'s' * (lost > 1)} missing at the end", 2 * lost)
    return WorstSegment(unit.clip, unit, tuple(reasons), badness)
