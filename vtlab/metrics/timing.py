"""Metrics of timing: starts and ends of segments, coverage of speech, speed of the voice.

Times are seconds; drift is in milliseconds, dub − source. A segment that is not heard in the dub is not on time, and no
mean counts it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from vtlab.media import count_frames
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.material import Material
from vtlab.metrics.metric import Row, SumMetric, ratio, summed, total
from vtlab.metrics.needs import RECORD, TIMES
from vtlab.metrics.percentile_metric import PercentileMetric
from vtlab.metrics.units import Unit
from vtlab.segments import Interval, merge_intervals

ONSET_TOLERANCE_MS = 150.0  # of sync_within_150ms
COMPLIANCE = (0.8, 1.2)  # of duration_compliance_20: dubbed ÷ source length
OVERRUN_S = 0.01  # segments closer than this do not run into each other: a frame of the level measurement
PAUSE_S = 0.3  # a shorter pause does not part what is invented: it belongs to what goes on
ASSUMED_FPS = 25.0  # for lengths in frames of files without a picture


def count_overruns(dubbed: Sequence[Interval]) -> int:
    """Count the segments that begin before an earlier one has ended."""
    count = 0
    last_end = -math.inf
    for interval in sorted(dubbed, key=lambda interval: interval.start):
        count += interval.start < last_end - OVERRUN_S
        last_end = max(last_end, interval.end)
    return count


def count_invented_segments(source: Sequence[Interval], dubbed: Sequence[Interval]) -> int:
    """Count the stretches of the dub during which the source says nothing at all, not even as they begin or end.

    Both are where somebody speaks, by voice activity, in order.
    """
    return sum(not any(line.overlap(said) > 0 for said in source) for line in merge_intervals(dubbed, PAUSE_S))


def intersect(ones: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """Return the time that both sets of intervals hold."""
    spans = (
        Interval(max(a.start, b.start), min(a.end, b.end))
        for a in merge_intervals(ones)
        for b in merge_intervals(others)
        if a.overlap(b) > 0
    )
    return list(spans)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile between the closest ranks (Hyndman and Fan 1996, type 7); ``None`` over nothing."""
    return float(np.percentile(values, percent)) if len(values) else None


def mean(values: Sequence[float]) -> float | None:
    """Return the mean; ``None`` over nothing."""
    return sum(values) / len(values) if len(values) else None


# ---------------------------------------------------------------- drift of segments


def _spans(unit: Unit) -> tuple[Interval, Interval | None] | None:
    """When the source says the segment, and when the dub does; ``None`` where nobody looked."""
    row = unit.segment
    if row is None or row.start is None or row.end is None or unit.clip_rows.dubbed_speech is None:
        return None
    silent = row.dubbed_start is None or row.dubbed_end is None
    return Interval(row.start, row.end), None if silent else Interval(row.dubbed_start or 0.0, row.dubbed_end or 0.0)


def _heard(of: Callable[[Interval, Interval], float], unit: Unit) -> list[float] | None:
    """A value of the segment, where it is heard."""
    spans = _spans(unit)
    if spans is None:
        return None
    said, dub = spans
    return [] if dub is None else [of(said, dub)]


def _onset_ms(said: Interval, dub: Interval) -> float:
    return 1000 * (dub.start - said.start)


def _offset_ms(said: Interval, dub: Interval) -> float:
    return 1000 * (dub.end - said.end)


def _onset_distance_ms(said: Interval, dub: Interval) -> float:
    return abs(_onset_ms(said, dub))


def _drift_ms(said: Interval, dub: Interval) -> float:
    return max(abs(_onset_ms(said, dub)), abs(_offset_ms(said, dub)))


def _compliant(said: Interval, dub: Interval) -> float:
    return float(COMPLIANCE[0] - 1e-9 <= dub.duration / said.duration <= COMPLIANCE[1] + 1e-9)


def _on_time(unit: Unit) -> list[float] | None:
    spans = _spans(unit)
    if spans is None:
        return None
    said, dub = spans
    # differences of binary fractions: a segment at exactly 150 ms is within 150 ms
    return [float(dub is not None and _onset_distance_ms(said, dub) <= ONSET_TOLERANCE_MS + 1e-6)]


def _matched(units: Sequence[Unit]) -> str:
    spans = [known for unit in units if (known := _spans(unit)) is not None]
    return f"segments:{len(spans)}|not heard:{sum(dub is None for _, dub in spans)}"


_drift_sum = partial(SumMetric, group="sync", needs=(TIMES,), signature=_matched)
_drift_percentile = partial(
    PercentileMetric, group="sync", needs=(TIMES,), signature=_matched, unit_values=partial(_heard, _drift_ms)
)


# ---------------------------------------------------------------- coverage of speech


def _coverage(unit: Unit) -> Row | None:
    """Seconds in which both speak, either does, there are in all, and only the source speaks."""
    measured = unit.clip_rows
    if measured.source_speech is None or measured.dubbed_speech is None:
        return None
    said, dub = (
        merge_intervals(_clipped([Interval(*span) for span in spans], measured.seconds))
        for spans in (measured.source_speech, measured.dubbed_speech)
    )
    both = sum(a.overlap(b) for a in said for b in dub)
    source_s, dubbed_s = (sum(span.duration for span in spans) for spans in (said, dub))
    return both, source_s + dubbed_s - both, measured.seconds, source_s - both


def _clipped(intervals: Sequence[Interval], total_s: float) -> list[Interval]:
    """The parts of the intervals within ``0…total_s``."""
    inside = (Interval(max(interval.start, 0.0), min(interval.end, total_s)) for interval in intervals)
    return [interval for interval in inside if interval.end > interval.start]


_coverage_metric = partial(SumMetric, group="sync", needs=(TIMES,), over="clips", counts=_coverage)


# ---------------------------------------------------------------- speeds and counts of the dub's segments


def _speeds(unit: Unit) -> list[float] | None:
    if not unit.timed:
        return None
    return [segment.speed for segment in unit.dub_segments if segment.speed is not None and segment.has_words]


def _steps(unit: Unit) -> list[float]:
    segments = sorted(unit.dub_segments, key=lambda segment: segment.start)
    speeds = [segment.speed for segment in segments if segment.speed is not None and segment.has_words]
    return [max(a, b) / min(a, b) for a, b in itertools.pairwise(speeds)]


def _number_of_speeds(units: Sequence[Unit]) -> str:
    return f"lines:{sum(len(_speeds(unit) or ()) for unit in units)}"


_speed_percentile = partial(
    PercentileMetric, group="sync", needs=(RECORD, TIMES), signature=_number_of_speeds, unit_values=_speeds
)


def _overruns(unit: Unit) -> Row | None:
    if not unit.recorded:
        return None
    spans = [Interval(segment.start, segment.end) for segment in unit.dub_segments if segment.has_words]
    return count_overruns(spans), 1.0


def _tails(unit: Unit) -> list[float] | None:
    return [s.cut_s for s in unit.dub_segments if s.cut_s is not None] if unit.timed else None


def _is_heard(unit: Unit) -> list[float] | None:
    """Return 1 for each of the tool's segments that is heard, else 0; without its record, for the source's segment."""
    if unit.clip_rows.dubbed_speech is None or unit.segment is None or unit.segment.start is None:
        return None
    if any(segment.source_text is not None for segment in unit.clip_rows.dub_segments):
        return [float(segment.heard_start is not None) for segment in unit.recorded if segment.has_words]
    return [float(unit.segment.dubbed_start is not None)]


def _heard_signature(units: Sequence[Unit]) -> str:
    by_source = any(all(s.source_text is None for s in unit.clip_rows.dub_segments) for unit in units)
    whose = "the source's lines" if by_source else "the tool's lines"
    return f"of:{whose}|lines:{sum(len(_is_heard(unit) or ()) for unit in units)}"


# ---------------------------------------------------------------- files


def _duration_error(material: Material) -> tuple[float | None, str | None]:
    """By the pictures' frames where both have one, else by the files' lengths."""
    before, after = material.source_info, material.dubbed_info
    if before.video is not None and after.video is not None:
        frames = abs(count_frames(material.dubbed) - count_frames(material.source))
        return float(max(frames, abs(after.duration_s - before.duration_s) * float(before.video.fps))), None
    return abs(after.duration_s - before.duration_s) * ASSUMED_FPS, f"frames of 1/{ASSUMED_FPS:g} s: no picture"


def _invented(material: Material) -> tuple[float | None, str | None]:
    return float(count_invented_segments(material.source_activity, material.dubbed_speech)), None


METRICS = (
    _drift_sum(
        "sync_onset_ms", "ms", "target", "mean of dubbed start − source start, per segment in the table",
        counts=summed(partial(_heard, _onset_ms)),
    ),
    _drift_sum(
        "sync_offset_ms", "ms", "target", "mean of dubbed end − source end, per segment in the table",
        counts=summed(partial(_heard, _offset_ms)),
    ),
    _drift_sum(
        "sync_onset_mean_abs_ms", "ms", "lower", "mean distance of segments' starts, dub to source",
        target=(None, 60.0), headline=80, decides=True, counts=summed(partial(_heard, _onset_distance_ms)),
    ),
    _drift_sum(
        "sync_drift_mean_ms", "ms", "lower", "mean over segments of the worse of onset and offset drift",
        counts=summed(partial(_heard, _drift_ms)),
    ),
    _drift_percentile(
        "sync_drift_p95_ms", "ms", "lower", "95th percentile of the same",
        percent=95,
    ),
    _drift_percentile(
        "sync_drift_max_ms", "ms", "lower", "largest of the same", percent=100
    ),
    _drift_sum(
        "sync_within_150ms", "1", "higher", "share of segments that start within ±150 ms of the source",
        target=(0.97, None), headline=70, decides=True, counts=summed(_on_time),
    ),
    _coverage_metric(
        "speech_overlap", "1", "higher", "time in which both or neither speak ÷ total",
        target=(0.92, None), score=lambda sums: (sums[:, 0] + sums[:, 2] - sums[:, 1]) / sums[:, 2],
    ),
    _coverage_metric(
        "speech_iou", "1", "higher", "time in which both speak ÷ time in which either does",
        target=(0.7, None), score=ratio,
    ),
    _coverage_metric(
        "uncovered_s", "s", "lower", "time in which only the source speaks", score=lambda sums: sums[:, 3]
    ),
    FileMetric(
        "invented_lines", "lines", "lower", "lines that the dub says while the source is silent",
        target=(None, 0.0), group="sync", measure=_invented, over_clips="sum",
    ),
    _drift_sum(
        "duration_compliance_20", "1", "higher", "share of segments 0.8 to 1.2 times as long as the source's",
        counts=summed(partial(_heard, _compliant)),
    ),
    SumMetric(
        "speed_mean", "1", "target", "mean speed of the voice, 1 = natural",
        target=(0.9, 1.1), counts=summed(_speeds), group="sync", needs=(RECORD, TIMES), signature=_number_of_speeds,
    ),
    _speed_percentile(
        "speed_p95", "1", "lower", "95th percentile of the speed",
        target=(None, 1.2), percent=95,
    ),
    _speed_percentile(
        "speed_min", "1", "higher", "slowest segment", target=(0.85, None), percent=0
    ),
    _speed_percentile(
        "speed_max", "1", "lower", "fastest segment", target=(None, 1.3), percent=100
    ),
    _speed_percentile(
        "speed_step_max", "1", "lower", "largest ratio of speed between neighbouring segments",
        unit_values=_steps, percent=100, over="clips",
    ),
    SumMetric(
        "overruns", "lines", "lower", "segments that begin before an earlier one has ended",
        target=(None, 0.0), group="sync", needs=(RECORD, TIMES), over="clips", counts=_overruns, score=total,
    ),
    PercentileMetric(
        "tail_cut_max_s", "s", "lower", "most that the end of a segment is heard too early, by its record",
        target=(None, 0.05), group="sync", needs=(RECORD, TIMES), unit_values=_tails, percent=100,
        signature=lambda units: f"lines:{sum(len(_tails(unit) or ()) for unit in units)}",
    ),
    SumMetric(
        "completeness", "1", "higher", "segments heard in the dub ÷ segments that have something to say",
        target=(1.0, None), group="sync", headline=90, needs=(TIMES,), counts=summed(_is_heard),
        signature=_heard_signature,
    ),
    FileMetric(
        "duration_error_frames", "frames", "lower", "difference of length, dub to source",
        target=(None, 1.0), group="sync", measure=_duration_error, over_clips="worst",
    ),
)  # fmt: skip
