"""Stage 6: every line at its place: where it starts, how fast it goes, how loud it is.

All lines are placed at once on the picture's clock (``vtlab.placement``). What the voice's own rate did not do is done
by a pitch-keeping stretch; then each line is brought to one level, following the original's, and faded at its edges.
No line is ever cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vtlab.audio import AUDIBLE_DB, FRAME_S, Audio, cut, fade, gain, levels_db, loudness_lufs, peak_db, stretch
from vtlab.events import Finding, Severity
from vtlab.placement import Placement, place
from vtlab.segments import Interval, PlacedSegment, SpokenSegment
from vtlab.settings import AudioSyncSettings

STAGE = "audio_sync"
VERSION = 2

FOLLOWED_DB = 4.0  # a line gets at most this much louder or softer than the others by following the original
STRETCH_HEARD = 0.005  # a stretch smaller than this is left to the silence after the line
PEAK_DB = -1.0


def synchronise(
    spoken: Sequence[SpokenSegment],
    original: Audio,
    total_s: float,
    settings: AudioSyncSettings,
    on_finding: Callable[[Finding], None],
    checkpoint: Callable[[], None],
) -> list[PlacedSegment]:
    """All lines placed, stretched, levelled and faded, in order, ending within ``total_s`` seconds.

    ``original`` is the source's sound (any rate, mono), read for the loudness of the lines there.
    """
    audible = [line for line in spoken if not line.silent]
    windows = [line.source.source.interval for line in audible]
    natural = [line.audio.duration * line.rate for line in audible]
    placements = dict(zip(map(id, audible), place(windows, natural, total_s, settings), strict=True))
    levels = _levels(audible, original, settings)
    placed = []
    for line in spoken:
        checkpoint()
        if line.silent:
            at = min(line.source.source.start, total_s)
            placed.append(PlacedSegment(line, at, at, line.audio))
            continue
        placed.append(_render(line, placements[id(line)], levels[id(line)], settings))
    _check(placed, settings, on_finding)
    return placed


def _levels(lines: Sequence[SpokenSegment], original: Audio, settings: AudioSyncSettings) -> dict[int, float]:
    """Wanted loudness of each line, LUFS: that of the original lines, each line moved by how loud its original is.

    Lines at the original's level keep the balance with the background; the whole mix gets its loudness later.
    """
    heard = [loudness_lufs(cut(original, *_span(line.source.source.interval))) for line in lines]
    known = [level for level in heard if level is not None]
    middle = float(np.median(known)) if known else settings.loudness_lufs
    moved = [0.0 if level is None else settings.follow_loudness * (level - middle) for level in heard]
    return {
        id(line): middle + float(np.clip(move, -FOLLOWED_DB, FOLLOWED_DB))
        for line, move in zip(lines, moved, strict=True)
    }


def _span(interval: Interval) -> tuple[float, float]:
    return interval.start, interval.end


def _render(line: SpokenSegment, placement: Placement, level: float, settings: AudioSyncSettings) -> PlacedSegment:
    audio = line.audio
    speed = placement.speed / line.rate
    if abs(speed - 1) > STRETCH_HEARD:
        audio = stretch(audio, speed, int((placement.end - placement.start) * audio.rate))
    else:
        speed = 1.0
    loudness = loudness_lufs(audio)
    if loudness is not None:
        peak = peak_db(audio)
        room = np.inf if peak is None else PEAK_DB - peak
        audio = gain(audio, min(level - loudness, room))
    audio = fade(audio, settings.fade_s)
    start = placement.start
    return PlacedSegment(line, start, start + audio.duration, audio, speed, _heard(audio, start))


def _heard(audio: Audio, start: float) -> Interval | None:
    """From the first to the last frame within ``AUDIBLE_DB`` of the loudest."""
    levels = levels_db(audio)
    loud = np.flatnonzero(levels > levels.max(initial=-120.0) + AUDIBLE_DB)
    if len(loud) == 0:
        return None
    return Interval(start + loud[0] * FRAME_S, start + min((loud[-1] + 1) * FRAME_S, audio.duration))


def _check(placed: Sequence[PlacedSegment], settings: AudioSyncSettings, on_finding: Callable[[Finding], None]) -> None:
    rushed = [line for line in placed if not line.spoken.silent and line.speed > settings.max_speed * 1.005]
    for line in rushed:
        message = f"Spoken at {line.speed:.2f} times its natural speed: the lines around it leave no more time."
        number = line.spoken.source.source.id
        on_finding(Finding(STAGE, "rushed", Severity.WARNING, message, number, line.speed, settings.max_speed))
    for line in placed:
        source = line.spoken.source.source
        late = line.start - source.start
        if not line.spoken.silent and abs(late) > settings.onset_tolerance_s + 0.001:
            message = f"Starts {abs(late):.2f} s {'after' if late > 0 else 'before'} its source."
            limit = settings.onset_tolerance_s
            on_finding(Finding(STAGE, "off_onset", Severity.INFO, message, source.id, late, limit))
