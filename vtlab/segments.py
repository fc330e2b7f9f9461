"""What flows between the stages: words, segments and cues.

Each stage adds by composition and a type of its own, so that a signature says how far along the data is:
``Segment`` → ``TranslatedSegment`` → ``SpokenSegment`` → ``PlacedSegment``. Times are seconds on the picture's
clock; spans are half-open. All of them but ``SpokenSegment`` (which holds sound) survive a JSON round trip exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vtlab.audio import Audio


@dataclass(frozen=True)
class Interval:
    """A span of time in seconds, ``end`` not included."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def overlap(self, other: Interval) -> float:
        """Return the seconds that both spans share; 0 when they do not touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


def merge_intervals(intervals: Iterable[Interval], gap_s: float = 0.0) -> list[Interval]:
    """Return the intervals in order; those that meet, overlap, or are less than ``gap_s`` apart become one."""
    out: list[Interval] = []
    for interval in sorted(intervals, key=lambda interval: interval.start):
        if out and (interval.start <= out[-1].end or interval.start - out[-1].end < gap_s):
            out[-1] = Interval(out[-1].start, max(out[-1].end, interval.end))
        else:
            out.append(interval)
    return out


@dataclass(frozen=True)
class Word:
    """One recognised word, its times in seconds; ``probability`` 0…1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """One sentence (or breath) of the source: what is said in it, and when in seconds."""

    id: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    language: str | None = None
    confidence: float | None = None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    @property
    def interval(self) -> Interval:
        """Span of time."""
        return Interval(self.start, self.end)


@dataclass(frozen=True)
class TranslatedSegment:
    """A segment with its translation; ``candidates`` are those considered, best first, ``text`` among them."""

    source: Segment
    text: str
    language: str
    engine: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpokenSegment:
    """A translated segment with its speech.

    Attributes:
        source: The translated segment.
        text: The translation that is spoken, as written; it may be a shorter candidate than ``source.text``.
        audio: The speech, trimmed of silence at both ends; empty where there is nothing to say.
        rate: The speaking rate asked of the voice; 1 is natural.
        engine: The engine that spoke.
        voice: The voice by name; absent where there is nothing to say.
        attempts: How often an engine was asked.
        failed: The reason, where no engine could speak it.
    """

    source: TranslatedSegment
    text: str
    audio: Audio
    rate: float = 1.0
    engine: str | None = None
    voice: str | None = None
    attempts: int = 0
    failed: str | None = None

    @property
    def silent(self) -> bool:
        """Whether there is no speech in it."""
        return len(self.audio.samples) == 0


@dataclass(frozen=True)
class PlacedSegment:
    """A spoken segment at its place in the dub.

    Attributes:
        spoken: The spoken segment.
        start: Where it starts on the picture's clock, seconds.
        end: Where it ends, seconds.
        audio: Its sound in the dub: stretched, levelled, faded, mono, as long as ``end − start``.
        stretch: The change of its speed after the voice spoke; above 1 is faster.
        heard: Where it is audible in ``audio``, as measured; absent where the sound was not made in this run.
    """

    spoken: SpokenSegment
    start: float
    end: float
    audio: Audio
    stretch: float = 1.0
    heard: Interval | None = None

    @property
    def speed(self) -> float:
        """Native rate and stretching together; 1 is natural."""
        return self.spoken.rate * self.stretch


@dataclass(frozen=True)
class Cue:
    """One subtitle, as in WebVTT; ``text`` holds its line breaks."""

    start: float
    end: float
    text: str


def segment_to_json(segment: Segment) -> dict[str, Any]:
    """Return a segment as plain data."""
    return asdict(segment)


def segment_from_json(data: Mapping[str, Any]) -> Segment:
    """Return the segment that ``segment_to_json`` made plain data of."""
    words = tuple(Word(**word) for word in data["words"])
    return Segment(**{**data, "words": words})


def translated_to_json(segment: TranslatedSegment) -> dict[str, Any]:
    """Return a translated segment as plain data."""
    return asdict(segment)


def translated_from_json(data: Mapping[str, Any]) -> TranslatedSegment:
    """Return the translated segment that ``translated_to_json`` made plain data of."""
    return TranslatedSegment(
        **{**data, "source": segment_from_json(data["source"]), "candidates": tuple(data["candidates"])}
    )
