"""The files of a dub and of its source, decoded as metrics ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio, levels_db
from vtlab.measurement.activity import SEGMENT_PAUSE_S, SpeechActivity
from vtlab.measurement.matching import within
from vtlab.measurement.recognizer import Recognizer
from vtlab.media import AudioStream, MediaInfo, choose_audio, decode_speech, probe
from vtlab.metrics.material import Translate
from vtlab.metrics.reference import ReferenceSegment
from vtlab.metrics.subtitles import read_subtitles
from vtlab.metrics.timing import intersect
from vtlab.record import Record
from vtlab.segments import Cue, Interval, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(eq=False)
class MediaTracks:
    """What there is to measure (``vtlab.metrics.material.Material``).

    Each file is decoded, and each model asked, when it is first needed, once. Sounds are mono at 16 kHz.
    """

    dubbed: Path
    source: Path
    source_language: str
    target_language: str
    reference: Sequence[ReferenceSegment] | None = None
    reference_subtitles: Sequence[Cue] | None = None
    record: Record | None = None
    speech_track: Path | None = None
    subtitles: Path | None = None
    recognizer: Recognizer | None = None
    translate_back: Translate | None = None

    @cached_property
    def source_info(self) -> MediaInfo:
        return probe(self.source)

    @cached_property
    def dubbed_info(self) -> MediaInfo:
        return probe(self.dubbed)

    @cached_property
    def dubbed_stream(self) -> AudioStream:
        return choose_audio(self.dubbed_info, None, self.target_language)

    @cached_property
    def source_sound(self) -> Audio:
        number = None if self.record is None else self.record.source.audio_stream
        stream = choose_audio(self.source_info, number, self.source_language)
        return decode_speech(self.source, stream, self.source_info.duration_s)

    @cached_property
    def mix(self) -> Audio:
        return decode_speech(self.dubbed, self.dubbed_stream, self.dubbed_info.duration_s)

    @cached_property
    def speech(self) -> Audio:
        if self.speech_track is None:
            return self.mix
        info = probe(self.speech_track)
        return decode_speech(self.speech_track, info.audio[0], info.duration_s)

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """Levels of the dubbed speech, dBFS; of a mix only where somebody speaks."""
        levels = levels_db(self.speech)
        return levels if self.speech_track is not None else within(levels, self.dubbed_speech)

    @cached_property
    def source_speaking(self) -> SpeechActivity:
        return SpeechActivity(self.source_sound)

    @cached_property
    def dub_speaking(self) -> SpeechActivity:
        return SpeechActivity(self.speech)

    @cached_property
    def source_activity(self) -> Sequence[Interval]:
        return self.source_speaking.speech()

    @cached_property
    def dubbed_speech(self) -> Sequence[Interval]:
        return self.dub_speaking.speech()

    @cached_property
    def reference_times(self) -> list[Interval] | None:
        """When the reference's segments are said, where that is known of all of them."""
        reference = self.reference
        times = [Interval(s.start, s.end) for s in reference or () if s.start is not None and s.end is not None]
        return times if reference and len(times) == len(reference) else None

    @cached_property
    def source_segments(self) -> Sequence[Interval]:
        return source_segments(self.source_speaking, self.reference_times)

    @cached_property
    def source_speech(self) -> Sequence[Interval]:
        return source_speech(self.source_speaking, self.reference_times)

    def recognize(self) -> tuple[Word, ...]:
        """Recognise the dubbed speech.

        Raises:
            WeightsError: The recogniser's model is not on this machine.
            EngineError: The recogniser does not know the language.
        """
        if self.recognizer is None:
            self.recognizer = Recognizer()
        return self.recognizer.recognize(self.speech, self.target_language)

    @cached_property
    def cues(self) -> Sequence[Cue]:
        return [] if self.subtitles is None else read_subtitles(self.subtitles)

    @cached_property
    def reference_cues(self) -> Sequence[Cue]:
        if self.reference_subtitles is not None:
            return list(self.reference_subtitles)
        pairs = zip(self.reference_times or (), self.reference or (), strict=False)
        return [Cue(span.start, span.end, line.translation) for span, line in pairs if line.translation]


def source_segments(source: SpeechActivity, reference: Sequence[Interval] | None) -> Sequence[Interval]:
    """Return the reference's segments, or else the stretches of speech between pauses."""
    return source.speech(SEGMENT_PAUSE_S) if reference is None else reference


def source_speech(source: SpeechActivity, reference: Sequence[Interval] | None) -> list[Interval]:
    """Return where the source speaks, within the reference's segments: one may be a page with pauses."""
    return source.speech() if reference is None else intersect(source.speech(), reference)
