"""Stage 6: place every segment: where it starts, how fast it goes, how loud it is.

All segments are placed at once on the picture's clock (``vtlab.placement``). What the voice's own rate did not do is
done by a pitch-keeping stretch; then each segment is brought to one level, following the original's, and faded at its
edges. No segment is ever cut.
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

FOLLOWED_DB = 4.0  # a segment gets at most this much louder or softer than the others by following the original
STRETCH_HEARD = 0.005  # a stretch smaller than this is left to the silence after the segment
PEAK_DB = -1.0


def synchronise(
    spoken: Sequence[SpokenSegment],
    original: Audio,
    total_s: float,
    settings: AudioSyncSettings,
    on_finding: Callable[[Finding], None] = lambda finding: None,
    checkpoint: Callable[[], None] = lambda: None,
) -> list[PlacedSegment]:
    """Place, stretch, level and fade all segments; return them in order.

    Args:
        spoken: The segments, in the order of their sources.
        original: The source's sound, mono, at any rate, read for the loudness of the segments there.
        total_s: Length of the video; the last segment ends within it.
        settings: Speeds, gaps, levels and fades.
        on_finding: Gets ``rushed`` and ``off_onset``.
        checkpoint: Called for each segment; may block or raise ``Cancelled``.

    Examples:
        >>> import numpy as np
        >>> from vtlab.audio import Audio, silence
        >>> from vtlab.segments import Segment, SpokenSegment, TranslatedSegment
        >>> from vtlab.settings import AudioSyncSettings
        >>> from vtlab.stages import audio_sync
        >>> translated = TranslatedSegment(Segment(0, 1.0, 2.0, "Bom dia."), "Good morning.", "en", "mine")
        >>> speech = Audio(0.1 * np.sin(np.arange(24000) / 10).astype(np.float32), 24000)
        >>> spoken = SpokenSegment(translated, "Good morning.", speech)
        >>> (placed,) = audio_sync.synchronise([spoken], silence(3.0, 16000), 3.0, AudioSyncSettings())
        >>> round(placed.start, 2), round(placed.end, 2), placed.speed
        (1.0, 2.0, 1.0)
    """
    audible = [segment for segment in spoken if not segment.silent]
    windows = [segment.source.source.interval for segment in audible]
    natural = [segment.audio.duration * segment.rate for segment in audible]
    placements = dict(zip(map(id, audible), place(windows, natural, total_s, settings), strict=True))
    levels = _levels(audible, original, settings)
    placed = []
    for segment in spoken:
        checkpoint()
        if segment.silent:
            at = min(segment.source.source.start, total_s)
            placed.append(PlacedSegment(segment, at, at, segment.audio))
            continue
        placed.append(_render(segment, placements[id(segment)], levels[id(segment)], settings))
    _check(placed, settings, on_finding)
    return placed


def _levels(segments: Sequence[SpokenSegment], original: Audio, settings: AudioSyncSettings) -> dict[int, float]:
    """Return the wanted loudness of each segment, LUFS, by its ``id``: the original's, moved by how loud its source is.

    Segments at the original's level keep the balance with the background; the whole mix gets its loudness later.
    """
    heard = [loudness_lufs(cut(original, *_span(segment.source.source.interval))) for segment in segments]
    known = [level for level in heard if level is not None]
    middle = float(np.median(known)) if known else settings.loudness_lufs
    moved = [0.0 if level is None else settings.follow_loudness * (level - middle) for level in heard]
    return {
        id(segment): middle + float(np.clip(move, -FOLLOWED_DB, FOLLOWED_DB))
        for segment, move in zip(segments, moved, strict=True)
    }


def _span(interval: Interval) -> tuple[float, float]:
    return interval.start, interval.end


def _render(segment: SpokenSegment, placement: Placement, level: float, settings: AudioSyncSettings) -> PlacedSegment:
    audio = segment.audio
    speed = placement.speed / segment.rate
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
    return PlacedSegment(segment, start, start + audio.duration, audio, speed, _find_audible(audio, start))


def _find_audible(audio: Audio, start: float) -> Interval | None:
    """Return the span from the first to the last frame within ``AUDIBLE_DB`` of the loudest."""
    levels = levels_db(audio)
    loud = np.flatnonzero(levels > levels.max(initial=-120.0) + AUDIBLE_DB)
    if len(loud) == 0:
        return None
    return Interval(start + loud[0] * FRAME_S, start + min((loud[-1] + 1) * FRAME_S, audio.duration))


def _check(placed: Sequence[PlacedSegment], settings: AudioSyncSettings, on_finding: Callable[[Finding], None]) -> None:
    rushed = [segment for segment in placed if not segment.spoken.silent and segment.speed > settings.max_speed * 1.005]
    for segment in rushed:
        message = f"Spoken at {segment.speed:.2f} times its natural speed: the segments around it leave no more time."
        number = segment.spoken.source.source.id
        on_finding(Finding(STAGE, "rushed", Severity.WARNING, message, number, segment.speed, settings.max_speed))
    for segment in placed:
        source = segment.spoken.source.source
        late = segment.start - source.start
        if not segment.spoken.silent and abs(late) > settings.onset_tolerance_s + 0.001:
            message = f"Starts {abs(late):.2f} s {'after' if late > 0 else 'before'} its source."
            limit = settings.onset_tolerance_s
            on_finding(Finding(STAGE, "off_onset", Severity.INFO, message, source.id, late, limit))
