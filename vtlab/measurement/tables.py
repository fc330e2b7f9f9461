"""The rows that metrics are computed from: the source's segments and the dub's, with texts and times of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from vtlab.audio import cut, loudness_lufs
from vtlab.measurement.activity import SEGMENT_PAUSE_S
from vtlab.measurement.matching import find_audible_spans, match_segments
from vtlab.measurement.results import Measurement
from vtlab.metrics.reference import ReferenceSegment
from vtlab.metrics.rows import CueMeasure, DubSegment, SegmentMeasure
from vtlab.metrics.text import resegment
from vtlab.segments import Cue, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.measurement.tracks import MediaTracks
    from vtlab.record import SegmentRecord

SPEED_CHANGED = 0.05  # a segment heard so much shorter or longer than its record was changed after it was made


def build_rows(tracks: MediaTracks, timed: bool, heard: str | None) -> Measurement:
    """Return a measurement that has rows and no values yet.

    Args:
        tracks: The files.
        timed: Find out when the source and the dub speak; else no row of the source has times.
        heard: The text of the dubbed speech, where it was recognised.
    """
    dub_segments = _dub_segments(tracks, timed, heard)
    return Measurement(
        source_language=tracks.source_language,
        target_language=tracks.target_language,
        seconds=tracks.source_info.duration_s,
        values={},
        signatures={},
        segments=tuple(_segments(tracks, timed, dub_segments, heard)),
        dub_segments=tuple(dub_segments),
        cues=_cues(tracks.cues),
        reference_cues=_cues(tracks.reference_cues),
        source_speech=as_pairs(tracks.source_speech) if timed else None,
        dubbed_speech=as_pairs(tracks.dubbed_speech) if timed else None,
    )


def _cues(cues: Sequence[Cue]) -> tuple[CueMeasure, ...]:
    return tuple(CueMeasure(start=cue.start, end=cue.end, text=cue.text) for cue in cues)


def as_pairs(intervals: Sequence[Interval]) -> tuple[tuple[float, float], ...]:
    """Return intervals as a measurement keeps them."""
    return tuple((interval.start, interval.end) for interval in intervals)


# ---------------------------------------------------------------- the dub's segments


def _dub_segments(tracks: MediaTracks, timed: bool, heard: str | None) -> list[DubSegment]:
    record = tracks.record
    if record is None:
        return _stretches(tracks) if timed else []
    segments = sorted(record.segments, key=lambda segment: segment.planned_start)
    spans: list[Interval | None] = [None] * len(segments)
    if timed:
        spans = find_audible_spans(tracks.levels, [Interval(s.planned_start, s.planned_end) for s in segments])
    texts = cut_to([segment.spoken_text for segment in segments], heard, tracks.target_language)
    return [
        DubSegment(
            id=segment.id,
            source_start=segment.start,
            source_end=segment.end,
            source_text=segment.text,
            start=segment.planned_start,
            end=segment.planned_end,
            heard_start=None if span is None else span.start,
            heard_end=None if span is None else span.end,
            text=segment.spoken_text,
            heard=text,
            speed=_speed(segment, span) if timed else segment.speed,
            cut_s=_cut(segment, span),
            loudness_lufs=None if span is None else loudness_lufs(cut(tracks.speech, span.start, span.end)),
            voice=segment.voice,
        )
        for segment, span, text in zip(segments, spans, texts, strict=True)
    ]


def _stretches(tracks: MediaTracks) -> list[DubSegment]:
    """Without a record, a segment is a stretch of speech between pauses, and says what the source says meanwhile."""
    return [
        DubSegment(
            id=number,
            source_start=span.start,
            source_end=span.end,
            start=span.start,
            end=span.end,
            heard_start=span.start,
            heard_end=span.end,
            text="",
            loudness_lufs=loudness_lufs(cut(tracks.speech, span.start, span.end)),
        )
        for number, span in enumerate(tracks.dub_speaking.speech(SEGMENT_PAUSE_S))
    ]


def _speed(segment: SegmentRecord, heard: Interval | None) -> float:
    """The record's speed; what the sound says where it is clearly another than the recorded one."""
    if segment.measured_start is None or segment.measured_end is None or heard is None:
        return segment.speed
    change = (segment.measured_end - segment.measured_start) / heard.duration
    return segment.speed * change if abs(change - 1) > SPEED_CHANGED else segment.speed


def _cut(segment: SegmentRecord, heard: Interval | None) -> float | None:
    if segment.measured_start is None or segment.measured_end is None or heard is None:
        return None
    moved = heard.start - segment.measured_start
    return max(0.0, segment.measured_end + moved - heard.end)


# ---------------------------------------------------------------- the source's segments


class Times(TypedDict, total=False):
    """When a segment is said in the source, and in the dub where it is heard there."""

    start: float
    end: float
    dubbed_start: float
    dubbed_end: float
    onset_ms: float
    offset_ms: float


def match_times(
    places: Sequence[Interval], dub_segments: Sequence[DubSegment], levels: NDArray[np.float64]
) -> list[Times]:
    """Return the times of the source's segments: ``places``, and where the dub's segments say them.

    ``levels`` are those of the dubbed speech.
    """
    sources = [Interval(segment.source_start, segment.source_end) for segment in dub_segments]
    spans = [
        None if s.heard_start is None or s.heard_end is None else Interval(s.heard_start, s.heard_end)
        for s in dub_segments
    ]
    return [_times(*both) for both in zip(places, match_segments(places, sources, spans, levels), strict=True)]


def _times(place: Interval, match: Interval | None) -> Times:
    if match is None:
        return {"start": place.start, "end": place.end}
    return {
        "start": place.start,
        "end": place.end,
        "dubbed_start": match.start,
        "dubbed_end": match.end,
        "onset_ms": 1000 * (match.start - place.start),
        "offset_ms": 1000 * (match.end - place.end),
    }


def _segments(
    tracks: MediaTracks, timed: bool, dub_segments: Sequence[DubSegment], heard: str | None
) -> list[SegmentMeasure]:
    times = match_times(tracks.source_segments, dub_segments, tracks.levels) if timed else []
    reference = tracks.reference
    if reference is None:
        return [SegmentMeasure(index=index, **time) for index, time in enumerate(times)]
    transcript, translation = _tools_texts(tracks)
    translations = [_translation(segment) for segment in reference]
    recognised = cut_to([segment.text for segment in reference], transcript, tracks.source_language)
    translated = cut_to(translations, translation, tracks.target_language)
    heard_again = cut_to(translations, heard, tracks.target_language)
    exact = tracks.reference_times is not None
    engines = {} if tracks.record is None else {run.stage: run.engine for run in tracks.record.engines}
    gold = engines.get("transcription") == "reference" and engines.get("translation") != "reference"
    rows = [
        SegmentMeasure(
            index=index,
            speaker=segment.speaker,
            text=segment.text or None,
            translation=segment.translation,
            recognised=recognised[index],
            translated=translated[index],
            gold_transcript=gold,
            heard=heard_again[index],
            **(times[index] if exact and timed else {}),
        )
        for index, segment in enumerate(reference)
    ]
    extra = [] if exact else [SegmentMeasure(index=index, **time) for index, time in enumerate(times, len(rows))]
    return rows + extra


def _translation(segment: ReferenceSegment) -> str:
    return " ".join((segment.translation or "").split())


def _tools_texts(tracks: MediaTracks) -> tuple[str | None, str | None]:
    """The tool's transcript and translation, whole; its subtitles tell the translation where no record does."""
    if tracks.record is not None:
        segments = tracks.record.segments
        return " ".join(s.text for s in segments), " ".join(s.translation for s in segments)
    return None, " ".join(" ".join(cue.text.split()) for cue in tracks.cues) if tracks.cues else None


def cut_to(segments: Sequence[str], text: str | None, language: str) -> list[str | None]:
    """Return the text cut to these segments; ``None`` for each where there is no text."""
    return [None] * len(segments) if text is None else [*resegment(segments, text, language)]
