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
        return self.end - self.start

    def overlap(self, other: Interval) -> float:
        """Seconds that both spans share; 0 when they do not touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


def merge_intervals(intervals: Iterable[Interval], gap_s: float = 0.0) -> list[Interval]:
    """The same time as intervals in order, those as one that meet, overlap, or are less than ``gap_s`` apart."""
    out: list[Interval] = []
    for interval in sorted(intervals, key=lambda interval: interval.start):
        if out and (interval.start <= out[-1].end or interval.start - out[-1].end < gap_s):
            out[-1] = Interval(out[-1].start, max(out[-1].end, interval.end))
        else:
            out.append(interval)
    return out


@dataclass(frozen=True)
class Word:
    """One recognised word; ``probability`` 0…1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """One sentence (or breath) of the source, as said and when."""

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
        return self.end - self.start

    @property
    def interval(self) -> Interval:
        return Interval(self.start, self.end)


@dataclass(frozen=True)
class TranslatedSegment:
    """A segment with its translation; ``candidates``: what was considered, best first, ``text`` among it."""

    source: Segment
    text: str
    language: str
    engine: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpokenSegment:
    """A translated segment with its speech.

    ``audio`` is trimmed of silence at both ends; ``rate`` is the speaking rate asked of the voice (1.0 = natural);
    ``text`` is the translation that was spoken, as written: it may be a shorter candidate than ``source.text``. A line
    with nothing to say has empty audio and no voice; one that no engine could speak has ``failed`` set to the reason.
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
        return len(self.audio.samples) == 0


@dataclass(frozen=True)
class PlacedSegment:
    """A spoken segment at its place in the dub.

    ``stretch`` is what was done to its speed after the voice spoke; ``audio`` is the line as it sounds in the dub:
    stretched, levelled, faded, mono, starting at ``start`` and as long as ``end − start``. ``heard`` is where it is
    audible in that sound, as measured; absent where the sound was not made in this run.
    """

    spoken: SpokenSegment
    start: float
    end: float
    audio: Audio
    stretch: float = 1.0
    heard: Interval | None = None

    @property
    def speed(self) -> float:
        """Native rate and stretching together (1.0 = natural)."""
        return self.spoken.rate * self.stretch


@dataclass(frozen=True)
class Cue:
    """One subtitle, as in WebVTT; ``text`` holds its line breaks."""

    start: float
    end: float
    text: str


def segment_to_json(segment: Segment) -> dict[str, Any]:
    return asdict(segment)


def segment_from_json(data: Mapping[str, Any]) -> Segment:
    words = tuple(Word(**word) for word in data["words"])
    return Segment(**{**data, "words": words})


def translated_to_json(segment: TranslatedSegment) -> dict[str, Any]:
    return asdict(segment)


def translated_from_json(data: Mapping[str, Any]) -> TranslatedSegment:
    return TranslatedSegment(
        **{**data, "source": segment_from_json(data["source"]), "candidates": tuple(data["candidates"])}
    )
