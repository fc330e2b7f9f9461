"""The material that metrics measure: files, sounds, texts and times of a dub and its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from vtlab.audio import Audio
from vtlab.media import AudioStream, MediaInfo
from vtlab.metrics.reference import ReferenceSegment
from vtlab.record import Record
from vtlab.segments import Cue, Interval

Translate = Callable[[Sequence[str]], Sequence[str]]


class Material(Protocol):
    """The files of a dub and of its source; each is decoded, and each model asked, when it is first needed, once.

    All sounds are mono at 16 kHz from the picture's start, all times seconds on its clock.
    """

    @property
    def dubbed(self) -> Path: ...
    @property
    def dubbed_info(self) -> MediaInfo: ...
    @property
    def dubbed_stream(self) -> AudioStream:
        """The stream of the dub that is measured."""

    @property
    def source(self) -> Path: ...
    @property
    def source_info(self) -> MediaInfo: ...
    @property
    def source_language(self) -> str: ...
    @property
    def target_language(self) -> str: ...
    @property
    def record(self) -> Record | None:
        """What the dubbing tool recorded of its work."""

    @property
    def reference(self) -> Sequence[ReferenceSegment] | None: ...
    @property
    def subtitles(self) -> Path | None:
        """The dub's subtitles in the target language."""

    @property
    def cues(self) -> Sequence[Cue]:
        """Those of ``subtitles``."""

    @property
    def reference_cues(self) -> Sequence[Cue]:
        """Subtitles of the reference translation; empty where its times are not known."""

    @property
    def source_sound(self) -> Audio:
        """What was dubbed."""

    @property
    def mix(self) -> Audio:
        """The sound of the dub."""

    @property
    def speech(self) -> Audio:
        """The dubbed speech alone where there is a track of it, else the whole mix."""

    @property
    def speech_track(self) -> Path | None: ...
    @property
    def source_activity(self) -> Sequence[Interval]:
        """Where somebody speaks in the source, by voice activity."""

    @property
    def source_speech(self) -> Sequence[Interval]:
        """The same within the reference's segments, where their times are known."""

    @property
    def dubbed_speech(self) -> Sequence[Interval]:
        """Where somebody speaks in the dub, by voice activity."""

    @property
    def translate_back(self) -> Translate | None:
        """Translates target texts into the source language."""
