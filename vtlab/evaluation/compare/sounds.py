"""Sounds to listen to: whole files as mono, and segments of source and dub in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vtlab import media
from vtlab.audio import Audio, cut, fade, silence
from vtlab.measurement.results import Measurement

LISTENING_HZ = 24_000
MOST_S = 30.0  # of source and dub in turn
PAUSE_S = 0.4  # between the two
FADE_S = 0.02


def decode_sound(file: Path, until_s: float | None = None) -> Audio:
    """Decode the default sound of a file, mono at `LISTENING_HZ`, up to `until_s` seconds or whole."""
    info = media.probe(file)
    stream = media.choose_audio(info, None, None)
    length = info.duration_s if until_s is None else min(info.duration_s, until_s)
    blocks = list(media.decode_blocks(file, stream, LISTENING_HZ, 1, length))
    return Audio(np.concatenate(blocks).reshape(-1), LISTENING_HZ)


def alternate_segments(source: Path, dubbed: Path, measurement: Measurement) -> Audio:
    """Return each segment of the source followed by its dub, mono, up to `MOST_S`; empty without any that is heard."""
    spans: list[tuple[float, float, float, float]] = []
    length = 0.0
    for segment in measurement.segments:
        start, end, dubbed_start, dubbed_end = segment.start, segment.end, segment.dubbed_start, segment.dubbed_end
        if start is None or end is None or dubbed_start is None or dubbed_end is None:
            continue
        length += end - start + dubbed_end - dubbed_start + 3 * PAUSE_S
        if length > MOST_S:
            break
        spans.append((start, end, dubbed_start, dubbed_end))
    if not spans:
        return silence(0.0, LISTENING_HZ)
    until = max(max(end, dubbed_end) for _, end, _, dubbed_end in spans)
    original, dub = (decode_sound(file, until + PAUSE_S) for file in (source, dubbed))
    pause = silence(PAUSE_S, LISTENING_HZ).samples
    pieces = []
    for start, end, dubbed_start, dubbed_end in spans:
        pieces += [fade(cut(original, start, end), FADE_S).samples, pause]
        pieces += [fade(cut(dub, dubbed_start, dubbed_end), FADE_S).samples, pause, pause]
    return Audio(np.concatenate(pieces[:-2]), LISTENING_HZ)
