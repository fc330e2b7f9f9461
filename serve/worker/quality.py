"""Score a dub for the gateway's page, without a reference, while the dub is being made.

Its speech is measured in a thread as soon as the segments are placed, while the video is put together: the scores are
there when the file is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serve.state import Quality
from serve.worker.background import BackgroundTask, Checkpoint
from vtlab import media, resources
from vtlab.audio import Audio
from vtlab.errors import VtlabError
from vtlab.events import Finding
from vtlab.measurement.inspection import measure, measure_speech
from vtlab.measurement.matching import PlannedSegment
from vtlab.metrics import quality
from vtlab.metrics.voice_mos import VoiceMos
from vtlab.segments import Interval, PlacedSegment
from vtlab.settings import Settings
from vtlab.stages import audio_extraction, video_combination

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.outputs import Dub

# each score that the gateway shows, and the metric that it is made of
PAGE_SCORES = {
    "lip_sync_accuracy": "sync_within_150ms",
    "voice_quality": "voice_mos",
    "translation_quality": "translation_quality",
    "duration_match": "duration_error_frames",
}
SPEECH_METRICS = ("sync_within_150ms", "voice_mos")
LISTENED_S = 3600.0  # more of a long dub is not measured: an hour of sound takes 230 MB, twice


class QualityMeter:
    """Collect placed segments, and measure their sound in a thread during the rest of the dub."""

    def __init__(self, source: Path, settings: Settings, checkpoint: Checkpoint) -> None:
        """Prepare to measure a dub of `source` with these settings."""
        self._source, self._settings, self._checkpoint = source, settings, checkpoint
        self._segments: list[PlacedSegment] = []
        self._values: dict[str, float] = {}
        self._listening = BackgroundTask("quality", checkpoint)

    def add(self, segment: PlacedSegment) -> None:
        """Take the next segment, with its sound."""
        self._segments.append(segment)

    def start(self) -> None:
        """Measure the segments in a thread; without any (their mix was in the store) `scores` measures the file."""
        if self._segments:
            self._listening.start(self._listen)

    def join_at_exit(self) -> AbstractContextManager[None]:
        """Wait for the thread at the end of the block; stop it where the block fails."""
        return self._listening.join_at_exit()

    def scores(self, made: Dub) -> tuple[Quality | None, dict[str, str]]:
        """Return the scores of the finished dub; or `None`, and which scores could not be measured and why."""
        self._checkpoint()
        try:
            return self._scores(made)
        except VtlabError as error:
            return None, dict.fromkeys(PAGE_SCORES, str(error))

    # ------------------------------------------------------------ within

    def _listen(self, checkpoint: Checkpoint) -> None:
        try:
            self._values = measure_segments(self._segments, self._source, self._settings, checkpoint)
        finally:
            self._segments = []

    def _scores(self, made: Dub) -> tuple[Quality | None, dict[str, str]]:
        record = made.record
        asked = [
            metric for metric in PAGE_SCORES.values() if not self._listening.started or metric not in SPEECH_METRICS
        ]
        found = measure(made, self._source, metrics=asked)
        values = {**self._values, **found.values}
        reasons: Mapping[str, str] = found.absent
        if self._listening.problem is not None:
            reasons = {**reasons, **dict.fromkeys(SPEECH_METRICS, self._listening.problem)}
        sync = quality.lip_sync_accuracy(values.get(PAGE_SCORES["lip_sync_accuracy"]))
        voice = quality.voice_quality(values.get(PAGE_SCORES["voice_quality"]))
        translation = values.get(PAGE_SCORES["translation_quality"])
        match = quality.duration_match(values.get(PAGE_SCORES["duration_match"]))
        if sync is None or voice is None or translation is None or match is None:
            none = "there is no speech to measure it on"
            return None, {
                score: reasons.get(metric, none) for score, metric in PAGE_SCORES.items() if metric not in values
            }
        spoken = [line for line in record.segments if line.failed is None and line.spoken_text]
        return Quality(
            lip_sync_accuracy=round(sync, 2),
            voice_quality=round(voice, 2),
            translation_quality=round(translation, 2),
            duration_match=match,
            avg_lufs=record.loudness_lufs,
            avg_atempo=round(sum(line.speed for line in spoken) / len(spoken), 4) if spoken else None,
            segments_condensed=quality.segments_condensed([(line.translation, line.spoken_text) for line in spoken]),
        ), {}


def measure_segments(
    placed: list[PlacedSegment], source: Path, settings: Settings, checkpoint: Checkpoint
) -> dict[str, float]:
    """Return the metrics `SPEECH_METRICS` of the segments in the first `LISTENED_S`; absent: nothing to measure."""
    whole = media.probe(source)
    seconds = min(whole.duration_s, LISTENED_S)
    info = replace(whole, duration_s=seconds)
    stream = audio_extraction.extract(info, settings.audio_extraction, settings.source_language, _ignore).stream
    placed = [line for line in placed if line.start < seconds]
    track = _sound(video_combination.speech_track(placed, media.SPEECH_HZ, seconds), checkpoint)
    original = _sound(media.speech_blocks(source, stream, seconds, read_on=False), checkpoint)
    lines = [
        PlannedSegment(
            line.spoken.source.source.interval, Interval(line.start, line.end), line.speed, line.spoken.text or ""
        )
        for line in placed
    ]
    found = measure_speech(track, lines, original)
    speech = [Interval(*span) for span in found.dubbed_speech or ()]
    mos = VoiceMos(resources.cores())(track, speech, checkpoint)
    values = {"sync_within_150ms": found.values.get("sync_within_150ms"), "voice_mos": mos}
    return {name: value for name, value in values.items() if value is not None}


def _sound(blocks: Iterable[NDArray[np.float32]], checkpoint: Checkpoint) -> Audio:
    parts = []
    for block in blocks:
        checkpoint()
        parts.append(block)
    return Audio(np.concatenate(parts), media.SPEECH_HZ)


def _ignore(finding: Finding) -> None:
    """Drop a finding: the dub itself reports them."""
