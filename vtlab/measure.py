"""What a dub is worth, measured from what came out.

``measure_speech`` takes the dubbed speech alone (the track that is mixed into the result) and the plan of its lines,
and finds when each line of the source is really heard: edges are those of the sound, the plan only says which sound is
which line. Recogniser and dub cut lines where they like; the reference's own lines are looked up in theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import FRAME_S, Audio, levels_db, mono, resample
from vtlab.metrics.sound import loudness_spread_db
from vtlab.metrics.sync import CoverageScores, SpeedScores, SyncScores, common, coverage, drift, overruns, speeds
from vtlab.segments import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

AUDIBLE_DB = -40.0  # below a line's loudest frame: what a listener no longer hears as speech
SILENT_DBFS = -80.0  # a line that never gets louder than this is not there …
MIN_HEARD_S = 0.05  # … nor is one of which less than this is heard in its planned time: the neighbour's last breath
REACH_S = 0.3  # how far from its plan the edges of a line are looked for
SENTENCE_PAUSE_S = 0.08  # a shorter silence inside a line does not part two sentences
SHARED = 0.5  # a dubbed line says a source line when they share this much of either's time
# voice activity for coverage: on clips with known times, 0.2 s agrees best with them (0.974 of the time)
THRESHOLD, MIN_SPEECH_S, MIN_SILENCE_S = 0.5, 0.1, 0.2
LINE_PAUSE_S = 0.5  # of the source, where nobody knows its lines: what parts them
SPEECH_RATE_HZ = 16_000


@dataclass(frozen=True)
class DubbedLine:
    """A line as a tool planned it: where the ``source`` says it, where the dub should, ``speed`` 1 = natural."""

    source: Interval
    planned: Interval
    speed: float
    text: str


@dataclass(frozen=True)
class SpeechScores:
    """Scores of a dubbed speech track.

    ``heard`` is parallel to the dubbed lines (``None``: silent), ``lines`` and ``matched`` to the source's lines.
    """

    heard: tuple[Interval | None, ...]
    lines: tuple[Interval, ...]
    matched: tuple[Interval | None, ...]
    sync: SyncScores
    coverage: CoverageScores
    speed: SpeedScores
    overruns: int
    completeness: float | None
    loudness_spread_db: float | None


def measure_speech(
    track: Audio, lines: Sequence[DubbedLine], source: Audio, reference: Sequence[Interval] | None = None
) -> SpeechScores:
    """Scores of a dubbed speech track against the sound of its source.

    ``track`` and ``source`` start with the picture, at any rate; ``reference`` are the exact times of the source's
    lines. Without them the lines are what voice activity finds in the source between pauses of ``LINE_PAUSE_S``.
    Source speech for coverage is the voice activity within the reference's lines: a line may be a page with pauses.
    Speeds and overruns are those of the plan, which no sound can tell.
    """
    lines = sorted(lines, key=lambda line: line.planned.start)
    heard = heard_lines(track, [line.planned for line in lines])
    levels = levels_db(track)
    if reference is None:
        reference = voice_activity(source, LINE_PAUSE_S)
        said = voice_activity(source)
    else:
        said = common(voice_activity(source), reference)
    matched = match_lines(reference, [line.source for line in lines], heard, levels)
    spoken = [line for line in lines if any(letter.isalnum() for letter in line.text)]
    sounding = [span for span in heard if span is not None]
    silent = sum(span is None for line, span in zip(lines, heard, strict=True) if line in spoken)
    return SpeechScores(
        heard=tuple(heard),
        lines=tuple(reference),
        matched=tuple(matched),
        sync=drift(reference, matched),
        coverage=coverage(said, voice_activity(track), source.duration),
        speed=speeds([line.speed for line in spoken]),
        overruns=overruns([line.planned for line in lines]),
        completeness=1 - silent / len(spoken) if spoken else None,
        loudness_spread_db=loudness_spread_db(mono(track), sounding),
    )


def heard_lines(track: Audio, planned: Sequence[Interval]) -> list[Interval | None]:
    """First to last audible moment of each planned line, in order of their starts; ``None`` where all is silent.

    Looked for within ``REACH_S`` of the plan, but not where the neighbouring line should be.
    """
    levels = levels_db(track)
    ends_before = [-1.0, *np.maximum.accumulate([line.end for line in planned])][: len(planned)]
    starts_after = [line.start for line in planned[1:]] + [track.duration + 1.0] * bool(planned)
    found = []
    for line, before, after in zip(planned, ends_before, starts_after, strict=True):
        # lines on top of each other cannot be told apart by ear: the plan's edge is taken
        first = line.start if before > line.start else max(before, line.start - REACH_S)
        last = line.end if after < line.end else min(after, line.end + REACH_S)
        found.append(_audible(levels, line, first, last))
    return found


def match_lines(
    reference: Sequence[Interval],
    sources: Sequence[Interval],
    heard: Sequence[Interval | None],
    levels: NDArray[np.float64],
) -> list[Interval | None]:
    """When the dub says each line of the reference; ``None`` where that cannot be heard.

    ``sources`` is where the tool's lines are said in the source, ``heard`` where in the dub, ``levels`` of the dub per
    ``FRAME_S``. A tool's line that holds several lines of the reference is parted at its longest pauses; without such
    pauses it counts for the first of them only.
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


def voice_activity(audio: Audio, min_silence_s: float = MIN_SILENCE_S) -> list[Interval]:
    """Where somebody speaks, by Silero, no padding."""
    from vtlab.engines.voice_activity.silero import Silero

    sound = resample(mono(audio), SPEECH_RATE_HZ)
    return Silero(Silero.Options(), 1).speech(sound, THRESHOLD, MIN_SPEECH_S, min_silence_s)


def _shares(source: Interval, line: Interval) -> bool:
    return source.overlap(line) >= SHARED * min(source.duration, line.duration) > 0


def _audible(levels: NDArray[np.float64], planned: Interval, start: float, end: float) -> Interval | None:
    first, last = max(0, round(start / FRAME_S)), round(end / FRAME_S)
    inside = levels[first:last]
    if len(inside) == 0 or inside.max() < SILENT_DBFS:
        return None
    loud = first + np.flatnonzero(inside > inside.max() + AUDIBLE_DB)
    due = (loud >= round(planned.start / FRAME_S)) & (loud < round(planned.end / FRAME_S))
    if np.count_nonzero(due) * FRAME_S < MIN_HEARD_S:
        return None
    return Interval(int(loud[0]) * FRAME_S, (int(loud[-1]) + 1) * FRAME_S)


def _parted(levels: NDArray[np.float64], span: Interval, count: int) -> list[Interval]:
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
