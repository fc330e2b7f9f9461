"""Match the sound of a dub with segments: when each is really heard, and which segment of the source it says.

Edges are those of the sound; a plan only tells which sound is which segment. Recogniser and dub cut segments where they
like, so the reference's own segments are looked up in theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import AUDIBLE_DB, FRAME_S
from vtlab.segments import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Levels = NDArray[np.float64]

SILENT_DBFS = -80.0  # a segment that never gets louder than this is not heard
MIN_HEARD_S = 0.05  # ignore segments heard for less in their planned time: it is the last breath of the neighbour
REACH_S = 0.3  # how far from its plan the edges of a segment are looked for
SENTENCE_PAUSE_S = 0.08  # a shorter silence inside a segment does not part two sentences
SHARED = 0.5  # a dubbed segment says a source segment when they share this much of either's time
NOTHING_DB = -120.0  # level of digital silence


@dataclass(frozen=True)
class PlannedSegment:
    """A segment as a tool planned it: where the ``source`` says it, where the dub should, ``speed`` 1 = natural."""

    source: Interval
    planned: Interval
    speed: float | None
    text: str


def find_audible_spans(levels: Levels, planned: Sequence[Interval]) -> list[Interval | None]:
    """Return the first to last audible moment of each planned segment; ``None`` where all is silent.

    It is looked for within ``REACH_S`` of the plan, but not where the neighbouring segment should be.

    Args:
        levels: Levels of the dub, dBFS per ``FRAME_S``.
        planned: The segments in order of their starts.
    """
    ends_before = [-1.0, *np.maximum.accumulate([line.end for line in planned])][: len(planned)]
    starts_after = [line.start for line in planned[1:]] + [len(levels) * FRAME_S + 1.0] * bool(planned)
    found = []
    for line, before, after in zip(planned, ends_before, starts_after, strict=True):
        # segments on top of each other cannot be told apart by their sound: the plan's edge is taken
        first = line.start if before > line.start else max(before, line.start - REACH_S)
        last = line.end if after < line.end else min(after, line.end + REACH_S)
        found.append(_audible(levels, line, first, last))
    return found


def match_segments(
    reference: Sequence[Interval], sources: Sequence[Interval], heard: Sequence[Interval | None], levels: Levels
) -> list[Interval | None]:
    """Return when the dub says each segment of the reference; ``None`` where that cannot be heard.

    A tool's segment that holds several segments of the reference is parted at its longest pauses; without such pauses
    it counts for the first of them only.

    Args:
        reference: When the source says the reference's segments.
        sources: When the source says the tool's segments.
        heard: When the dub says the tool's segments.
        levels: Levels of the dub, dBFS per ``FRAME_S``.
    """
    parts: list[list[Interval]] = [[] for _ in reference]
    for source, span in zip(sources, heard, strict=True):
        if span is None:
            continue
        said = [index for index, line in enumerate(reference) if _shares(source, line)]
        if not said and reference:
            nearest = max(range(len(reference)), key=lambda index: source.overlap(reference[index]))
            said = [nearest] if source.overlap(reference[nearest]) > 0 else []
        for index, part in zip(said, _parted(levels, span, len(said)), strict=False):
            parts[index].append(part)
    return [Interval(min(p.start for p in got), max(p.end for p in got)) if got else None for got in parts]


def within(levels: Levels, speech: Sequence[Interval]) -> Levels:
    """Return the levels where somebody speaks, ``NOTHING_DB`` elsewhere: a mix without its background."""
    kept = np.full_like(levels, NOTHING_DB)
    for span in speech:
        first, last = round(span.start / FRAME_S), round(span.end / FRAME_S)
        kept[first:last] = levels[first:last]
    return kept


def _shares(source: Interval, line: Interval) -> bool:
    return source.overlap(line) >= SHARED * min(source.duration, line.duration) > 0


def _audible(levels: Levels, planned: Interval, start: float, end: float) -> Interval | None:
    first, last = max(0, round(start / FRAME_S)), round(end / FRAME_S)
    inside = levels[first:last]
    if len(inside) == 0 or inside.max() < SILENT_DBFS:
        return None
    loud = first + np.flatnonzero(inside > inside.max() + AUDIBLE_DB)
    due = (loud >= round(planned.start / FRAME_S)) & (loud < round(planned.end / FRAME_S))
    if np.count_nonzero(due) * FRAME_S < MIN_HEARD_S:
        return None
    return Interval(int(loud[0]) * FRAME_S, (int(loud[-1]) + 1) * FRAME_S)


def _parted(levels: Levels, span: Interval, count: int) -> list[Interval]:
    """The span cut at its ``count − 1`` longest pauses, or whole where it has fewer."""
    if count <= 1:
        return [span][:count]
    first = round(span.start / FRAME_S)
    inside = levels[first : round(span.end / FRAME_S)]
    loud = np.flatnonzero(inside > inside.max() + AUDIBLE_DB)
    pauses = [Interval((a + 1) * FRAME_S, b * FRAME_S) for a, b in pairwise(loud.tolist())]
    longest = sorted((p for p in pauses if p.duration >= SENTENCE_PAUSE_S), key=lambda p: -p.duration)[: count - 1]
    if len(longest) < count - 1:
        return [span]
    cuts = sorted(longest, key=lambda pause: pause.start)
    starts = [span.start, *(span.start + pause.end for pause in cuts)]
    ends = [*(span.start + pause.start for pause in cuts), span.end]
    return [Interval(start, end) for start, end in zip(starts, ends, strict=True)]
