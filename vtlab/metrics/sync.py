"""How well a dub keeps the time of its source: pure arithmetic on intervals in seconds.

``source`` and ``dubbed`` are parallel where a function speaks of segments (the same line said twice), and independent
sets of speech intervals where it speaks of coverage. A measure over nothing is ``None``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vtlab.segments import Interval, merge_intervals

ONSET_TOLERANCE_MS = 150.0  # of sync_within_150ms
COMPLIANCE = (0.8, 1.2)  # of duration_compliance_20: dubbed ÷ source length
OVERRUN_S = 0.01  # lines closer than this do not run into each other: a frame of the level measurement


@dataclass(frozen=True)
class SyncScores:
    """Drift over segments; every field in the unit of its name, shares of ``segments``.

    ``unmatched`` segments have no dubbed counterpart: they are not on time, and no mean counts them.
    """

    segments: int
    unmatched: int
    sync_onset_ms: tuple[float, ...]
    sync_offset_ms: tuple[float, ...]
    sync_onset_mean_abs_ms: float | None
    sync_drift_mean_ms: float | None
    sync_drift_p95_ms: float | None
    sync_drift_max_ms: float | None
    sync_within_150ms: float | None
    duration_compliance_20: float | None
    overruns: int


@dataclass(frozen=True)
class CoverageScores:
    """Isochrony: when source and dub speak, whoever says what."""

    speech_overlap: float | None
    speech_iou: float | None
    uncovered_s: float


@dataclass(frozen=True)
class SpeedScores:
    """Time scale put on the voice, native rate and stretching together (1.0 = natural)."""

    speed_mean: float | None
    speed_p95: float | None
    speed_min: float | None
    speed_max: float | None
    speed_step_max: float | None


def drift(source: Sequence[Interval], dubbed: Sequence[Interval | None]) -> SyncScores:
    """Drift of each dubbed segment from its source segment, ``None`` where the dub does not say it.

    Raises ``ValueError`` where their numbers differ.
    """
    if len(source) != len(dubbed):
        raise ValueError(f"{len(source)} source segments, {len(dubbed)} dubbed ones; pair them first")
    pairs = [(said, dub) for said, dub in zip(source, dubbed, strict=True) if dub is not None]
    onset = [1000 * (dub.start - said.start) for said, dub in pairs]
    offset = [1000 * (dub.end - said.end) for said, dub in pairs]
    worst = [max(abs(a), abs(b)) for a, b in zip(onset, offset, strict=True)]
    # differences of binary fractions: a line at exactly 150 ms is within 150 ms
    on_time = sum(abs(value) <= ONSET_TOLERANCE_MS + 1e-6 for value in onset)
    compliant = [COMPLIANCE[0] - 1e-9 <= dub.duration / said.duration <= COMPLIANCE[1] + 1e-9 for said, dub in pairs]
    return SyncScores(
        segments=len(source),
        unmatched=len(source) - len(pairs),
        sync_onset_ms=tuple(onset),
        sync_offset_ms=tuple(offset),
        sync_onset_mean_abs_ms=mean([abs(value) for value in onset]),
        sync_drift_mean_ms=mean(worst),
        sync_drift_p95_ms=percentile(worst, 95),
        sync_drift_max_ms=max(worst, default=None),
        sync_within_150ms=on_time / len(source) if source else None,
        duration_compliance_20=mean(compliant),
        overruns=overruns([dub for _, dub in pairs]),
    )


def coverage(source: Sequence[Interval], dubbed: Sequence[Interval], total_s: float) -> CoverageScores:
    """Isochrony of two sets of speech intervals within ``0…total_s`` seconds.

    ``speech_overlap`` is the time in which both or neither speak ÷ total time; ``speech_iou`` the time in which both
    speak ÷ time in which either does; ``uncovered_s`` the time in which only the source speaks.
    """
    said, dub = (merge_intervals(clipped(intervals, total_s)) for intervals in (source, dubbed))
    source_s, dubbed_s = (sum(interval.duration for interval in intervals) for intervals in (said, dub))
    return isochrony(shared_s(said, dub), source_s, dubbed_s, total_s)


def isochrony(both: float, source_s: float, dubbed_s: float, total_s: float) -> CoverageScores:
    """The same from seconds: in which both speak, the source does, the dub does, and in all."""
    either = source_s + dubbed_s - both
    return CoverageScores(
        speech_overlap=(both + total_s - either) / total_s if total_s > 0 else None,
        speech_iou=both / either if either > 0 else None,
        uncovered_s=source_s - both,
    )


def speeds(values: Sequence[float]) -> SpeedScores:
    """Statistics of the speeds of neighbouring segments, in their order."""
    steps = [max(a, b) / min(a, b) for a, b in itertools.pairwise(values)]
    return SpeedScores(
        speed_mean=mean(values),
        speed_p95=percentile(values, 95),
        speed_min=min(values, default=None),
        speed_max=max(values, default=None),
        speed_step_max=max(steps, default=None),
    )


def overruns(dubbed: Sequence[Interval]) -> int:
    """Segments that begin before an earlier one has ended."""
    count = 0
    last_end = -math.inf
    for interval in sorted(dubbed, key=lambda interval: interval.start):
        count += interval.start < last_end - OVERRUN_S
        last_end = max(last_end, interval.end)
    return count


def common(ones: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """The time that both sets of intervals hold."""
    spans = (
        Interval(max(a.start, b.start), min(a.end, b.end))
        for a in merge_intervals(ones)
        for b in merge_intervals(others)
        if a.overlap(b) > 0
    )
    return list(spans)


def shared_s(ones: Sequence[Interval], others: Sequence[Interval]) -> float:
    """Seconds that lie in both sets, each of intervals that do not overlap."""
    return sum(a.overlap(b) for a in ones for b in others)


def clipped(intervals: Sequence[Interval], total_s: float) -> list[Interval]:
    """The parts of the intervals within ``0…total_s``."""
    inside = (Interval(max(interval.start, 0.0), min(interval.end, total_s)) for interval in intervals)
    return [interval for interval in inside if interval.end > interval.start]


def percentile(values: Sequence[float], percent: float) -> float | None:
    """By linear interpolation between the closest ranks (Hyndman and Fan 1996, type 7); ``None`` over nothing."""
    return float(np.percentile(values, percent)) if len(values) else None


def mean(values: Sequence[float]) -> float | None:
    """``None`` over nothing."""
    return sum(values) / len(values) if len(values) else None
