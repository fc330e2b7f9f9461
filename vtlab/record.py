"""The record of a dub, ``*.dub.json``: one schema for notebooks, server and ``vtlab measure``.

``python -m vtlab.record`` prints the JSON schema. Times are seconds on the picture's clock; a value that was not
measured is null. The number of the schema rises when a field changes its meaning or goes away.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from vtlab.settings import AudioSyncSettings

if TYPE_CHECKING:
    from vtlab.media import Extraction
    from vtlab.segments import PlacedSegment

SCHEMA = 1


def printable(name: str) -> str:
    """Return the name as text, with bytes that are none spelt out, as JSON cannot hold them."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """The file that was dubbed."""

    file: str = Field(description="path as it was given")
    sha256: str
    seconds: float
    container: str
    video: dict[str, Any] | None = Field(description="codec, width, height, frames a second; null for sound alone")
    audio_stream: int = Field(description="the audio stream that was dubbed, counted from 0")
    audio_streams: int
    language: str
    language_confidence: float | None = Field(description="0…1 where it was detected, null where it was given")

    @classmethod
    def from_extraction(cls, extraction: Extraction, sha256: str, language: str, confidence: float | None) -> Source:
        """Return the record of the stream that is dubbed."""
        info, video = extraction.info, extraction.info.video
        return cls(
            file=printable(str(info.path)),
            sha256=sha256,
            seconds=info.duration_s,
            container=info.container,
            video=None
            if video is None
            else {"codec": video.codec, "width": video.width, "height": video.height, "fps": float(video.fps)},
            audio_stream=extraction.stream.index,
            audio_streams=len(info.audio),
            language=language,
            language_confidence=confidence,
        )


class EngineRun(_Part):
    """An engine whose answers the dub is made of."""

    stage: str
    engine: str = Field(description="the engine whose answers the dub is made of; of the voices those heard in it")
    options: dict[str, Any]
    weights: list[dict[str, str]] = Field(description="name, path, sha256 and where it was found")
    languages: str = Field(description="pt, or pt-en for a translation")


class FindingRecord(_Part):
    """What a check of a stage found."""

    stage: str
    code: str
    severity: str
    message: str
    segment: int | None
    value: float | None
    limit: float | None
    start: float | None = Field(None, description="where the source has what it is about, if it is about a stretch")
    end: float | None = None


class WordRecord(_Part):
    """A recognised word, its times in the source."""

    text: str
    start: float
    end: float
    probability: float


class SegmentRecord(_Part):
    """A segment: as recognised, translated, spoken and placed."""

    id: int
    start: float = Field(description="where the source says it")
    end: float
    text: str
    words: list[WordRecord]
    speaker: str | None
    confidence: float | None
    translation: str
    candidates: list[str] = Field(description="translations considered, best first")
    spoken_text: str = Field(description="what was given to the voice")
    voice: str | None
    engine: str | None
    attempts: int
    failed: str | None = Field(description="why the segment is silent, if no engine could speak it")
    rate: float = Field(description="speaking rate asked of the voice, 1 = natural")
    speed: float = Field(description="rate and stretching together")
    planned_start: float = Field(description="where the dub says it")
    planned_end: float
    measured_start: float | None = Field(description="where it is heard in its sound as mixed; null: not mixed")
    measured_end: float | None

    @classmethod
    def from_placed(cls, segment: PlacedSegment) -> SegmentRecord:
        """Return the record of a segment at its place."""
        spoken = segment.spoken
        translated = spoken.source
        source = translated.source
        return cls(
            id=source.id,
            start=source.start,
            end=source.end,
            text=source.text,
            words=[WordRecord(**asdict(word)) for word in source.words],
            speaker=source.speaker,
            confidence=source.confidence,
            translation=translated.text,
            candidates=list(translated.candidates),
            spoken_text=spoken.text,
            voice=spoken.voice,
            engine=spoken.engine,
            attempts=spoken.attempts,
            failed=spoken.failed,
            rate=spoken.rate,
            speed=round(segment.speed, 4),
            planned_start=segment.start,
            planned_end=segment.end,
            measured_start=None if segment.heard is None else segment.heard.start,
            measured_end=None if segment.heard is None else segment.heard.end,
        )


class StageRecord(_Part):
    """What a stage took, and how much of it came from the store."""

    stage: str
    seconds: float = Field(description="from its start to its end; stages 3 to 5 overlap")
    cpu_s: float = Field(description="processor time of the whole program in that span")
    load_s: float = Field(description="loading of engines within it")
    reused: int = Field(description="answers that came from the store")
    computed: int
    from_store: bool = Field(description="nothing was computed")


class Output(_Part):
    """A file of the dub, beside its record."""

    kind: str = Field(description="video, audio, subtitles_pt, speech_track …")
    file: str
    sha256: str
    bytes: int


class Record(_Part):
    """How a dub was made and how it came out."""

    schema_version: int = SCHEMA
    vtlab: str
    ffmpeg: str | None = Field(None, description="version of the ffmpeg that wrote the files")
    created: str = Field(description="UTC, ISO 8601")
    source: Source
    source_language: str
    target_language: str
    settings: dict[str, Any]
    fingerprint: str = Field(description="names the settings, but for the store's folder")
    engines: list[EngineRun]
    segments: list[SegmentRecord]
    speech: list[tuple[float, float]] = Field(description="where the source speaks, by voice activity")
    findings: list[FindingRecord]
    stages: list[StageRecord]
    loudness_lufs: float | None = Field(description="integrated loudness of the result, EBU R128")
    true_peak_dbtp: float | None
    completeness: float = Field(
        description="segments spoken ÷ those with something to say, times the share of the speech that was understood"
    )
    unheard_s: float = Field(0.0, description="seconds of speech that the recogniser did not understand")
    degraded: bool = Field(description="something is missing from the dub; the findings say what")
    wall_s: float = Field(description="from the call to the finished files")
    first_line_s: float | None = Field(
        None, description="from the call until the first segment was spoken: a preview can be heard no sooner"
    )
    peak_rss_mb: float = Field(description="the most memory this process had taken by the end, MB of 2²⁰ bytes")
    outputs: list[Output]
    earlier_outputs: list[Output] = Field(
        default_factory=list, description="of earlier dubs of this video, still beside it and not replaced by this one"
    )

    def speed_ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the preferred speeds and the limits, lowest and highest, that the dub was made with.

        Records of other tools do not tell them: then they are the defaults.
        """
        made_with = AudioSyncSettings().model_copy(update=self.settings.get("audio_sync", {}))
        return made_with.preferred_speeds, made_with.speed_limits


if __name__ == "__main__":
    print(json.dumps(Record.model_json_schema(), indent=1))
