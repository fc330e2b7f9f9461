"""The units that metrics are summed over and the bootstrap draws: the segments of clips, or whole clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vtlab.metrics.rows import ClipRows, CueMeasure, DubSegment, SegmentMeasure

Over = Literal["segments", "clips"]


@dataclass(frozen=True)
class Unit:
    """A segment of a clip with the dub's segments and cues that belong to it, or a whole clip (``segment`` is None)."""

    clip: str
    clip_rows: ClipRows
    segment: SegmentMeasure | None
    dub_segments: tuple[DubSegment, ...]
    cues: tuple[CueMeasure, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for the same segment of two measurements with the same reference."""
        if self.segment is None:
            return (self.clip,)
        start = None if self.segment.start is None else round(self.segment.start, 2)
        return (self.clip, self.segment.index, start, self.segment.text, self.segment.translation)

    @property
    def reference(self) -> bool:
        """Whether it is a segment of the reference, rather than a stretch of speech in the source."""
        return self.segment is not None and (self.segment.text is not None or self.segment.translation is not None)

    @property
    def timed(self) -> bool:
        """Whether it is known when the source says it: then the dub's segments and cues are with it."""
        return self.segment is None or self.segment.start is not None

    @property
    def recorded(self) -> list[DubSegment]:
        """The segments that the dubbing tool itself recorded, rather than stretches of speech in its dub."""
        return [segment for segment in self.dub_segments if segment.source_text is not None]
