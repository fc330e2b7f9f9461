"""The division of clips into units: which of the dub's segments and cues belong to a segment of the source."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vtlab.metrics.rows import ClipRows, CueMeasure, DubSegment, SegmentMeasure
from vtlab.metrics.units import Over, Unit
from vtlab.segments import Interval


def list_units(clips: Mapping[str, ClipRows], over: Over) -> list[Unit]:
    """Return the units of these clips, sorted by the clips' names: the same draws in whatever order they came."""
    clips = dict(sorted(clips.items()))
    if over == "clips":
        return [Unit(clip, rows, None, rows.dub_segments, rows.cues) for clip, rows in clips.items()]
    return [unit for clip, rows in clips.items() for unit in _segments(clip, rows)]


def _segments(clip: str, measured: ClipRows) -> list[Unit]:
    """Each segment with the dub's segments and cues that share most time with it."""
    rows = list(measured.segments)
    timed = [(place, Interval(row.start, row.end or 0.0)) for place, row in enumerate(rows) if row.start is not None]
    if not timed and (measured.dub_segments or measured.cues):
        # without times of segments, the dub's segments and cues are drawn clip by clip
        rows.append(SegmentMeasure(index=len(rows), start=0.0, end=measured.seconds))
        timed = [(len(rows) - 1, Interval(0.0, measured.seconds))]
    places = [place for place, _ in timed]
    spans = np.array([(span.start, span.end) for _, span in timed]).reshape(-1, 2)
    dub_segments: dict[int, list[DubSegment]] = {}
    cues: dict[int, list[CueMeasure]] = {}
    for segment in measured.dub_segments:
        nearest = places[_nearest(segment.source_start, segment.source_end, spans)]
        dub_segments.setdefault(nearest, []).append(segment)
    for cue in measured.cues:
        cues.setdefault(places[_nearest(cue.start, cue.end, spans)], []).append(cue)
    return [
        Unit(clip, measured, row, tuple(dub_segments.get(place, ())), tuple(cues.get(place, ())))
        for place, row in enumerate(rows)
    ]


def _nearest(start: float, end: float, spans: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
    """The span that shares most time; of those that share as much, the one whose middle is closest."""
    shared = np.maximum(0.0, np.minimum(end, spans[:, 1]) - np.maximum(start, spans[:, 0]))
    distance = np.where(shared == shared.max(), np.abs((start + end) - spans.sum(axis=1)), np.inf)
    return int(distance.argmin())
