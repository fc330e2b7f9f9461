"""The tables that metrics are computed from: the source's segments, the dub's segments and its cues.

Corpus scores do not average: sums and resampling go back to the rows, so a measurement keeps them. A value that was
not measured is ``None`` in a row and absent from ``values``.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentMeasure(_Part):
    """A segment of the reference; without one, a stretch of speech in the source.

    A reference without times gives two kinds of rows: its segments (texts, no times), then the stretches of speech
    of the source (times, no texts).
    """

    index: int
    start: float | None = Field(None, description="where the source says it, seconds")
    end: float | None = None
    dubbed_start: float | None = Field(None, description="where the dub is heard to say it, seconds; null: it is not")
    dubbed_end: float | None = None
    speaker: str | None = None
    text: str | None = Field(None, description="what is said: the reference transcript")
    recognised: str | None = Field(None, description="the dubbing tool's own transcript, cut to this line")
    translation: str | None = Field(None, description="the reference translation")
    translated: str | None = Field(None, description="the dubbing tool's translation, cut to this line")
    gold_transcript: bool = Field(False, description="the tool was given the reference transcript to translate")
    heard: str | None = Field(None, description="the dubbed speech recognised again, cut to this line")
    onset_ms: float | None = Field(None, description="dubbed start − source start")
    offset_ms: float | None = Field(None, description="dubbed end − source end")


class DubSegment(_Part):
    """A segment as the dubbing tool made it; without its record, a stretch of speech in the dub."""

    id: int
    source_start: float
    source_end: float
    source_text: str | None = Field(None, description="the tool's own transcript of the line")
    start: float = Field(description="where the tool put it, seconds; without its record, where it is heard")
    end: float
    heard_start: float | None = Field(None, description="first audible moment; null: nothing is heard")
    heard_end: float | None = None
    text: str = Field(description="what was given to the voice; empty where nobody knows")
    heard: str | None = Field(None, description="what the recogniser heard of it")
    speed: float | None = Field(None, description="rate and stretching together, 1 = natural; null: not known")
    cut_s: float | None = Field(None, description="seconds that its end is heard too early, by the record")
    loudness_lufs: float | None = None
    voice: str | None = Field(None, description="the voice that speaks it, by the record")

    @property
    def heard_s(self) -> float | None:
        """How long it is heard."""
        return None if self.heard_start is None or self.heard_end is None else self.heard_end - self.heard_start

    @property
    def has_words(self) -> bool:
        """Whether there is anything to say in it."""
        return any(letter.isalnum() for letter in self.text)


class CueMeasure(_Part):
    """A subtitle in the target language."""

    start: float
    end: float
    text: str = Field(description="with its line breaks, without formatting")


class ClipRows(_Part):
    """Hold what the metrics of one dub are computed from, and the values that were measured on its files."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    source_language: str
    target_language: str
    seconds: float = Field(description="length of the source")
    values: dict[str, float]
    signatures: dict[str, str] = Field(description="per metric, how it was computed: versions, tokeniser, normaliser")
    absent: dict[str, str] = Field(default_factory=dict, description="metrics asked for and not measured, and why")
    segments: tuple[SegmentMeasure, ...] = ()
    dub_segments: tuple[DubSegment, ...] = Field(
        (), validation_alias="lines", serialization_alias="lines", description="as the dubbing tool made them"
    )
    cues: tuple[CueMeasure, ...] = Field((), description="the target-language subtitles, where there are any")
    reference_cues: tuple[CueMeasure, ...] = Field((), description="subtitles of the reference translation")
    source_speech: tuple[tuple[float, float], ...] | None = Field(
        None, description="where the source speaks, seconds; null: not looked for"
    )
    dubbed_speech: tuple[tuple[float, float], ...] | None = Field(None, description="where the dub speaks")

    @field_validator("signatures", mode="after")
    @classmethod
    def _rename_recognizer(cls, signatures: dict[str, str]) -> dict[str, str]:
        """Measurements of before called the recogniser an ear; the two must compare."""
        return {name: re.sub(r"(^|\|)ear:", r"\1recogniser:", text) for name, text in signatures.items()}
