"""How loud a dub is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vtlab.audio import Audio, cut, loudness_lufs
from vtlab.segments import Interval

OVERSAMPLING = 4  # ITU-R BS.1770-4, annex 2
BLOCK_S = 10.0  # oversampled at once: keeps an hour of stereo out of memory
MARGIN_S = 0.01  # of the neighbouring blocks, so that the filter does not see edges that are not there


def true_peak_dbtp(audio: Audio) -> float | None:
    """Highest level, between the samples too, by fourfold oversampling (BS.1770-4, annex 2); ``None`` for silence."""
    from scipy.signal import resample_poly

    highest = 0.0
    for start in np.arange(0.0, audio.duration, BLOCK_S):
        block = cut(audio, start - MARGIN_S, start + BLOCK_S + MARGIN_S).samples
        highest = max(highest, float(np.abs(resample_poly(block, OVERSAMPLING, 1, axis=0)).max(initial=0.0)))
    return 20 * float(np.log10(highest)) if highest > 0 else None


def loudness_spread_db(speech: Audio, segments: Sequence[Interval]) -> float | None:
    """Standard deviation over segments of the loudness of each; ``None`` with fewer than two audible ones."""
    levels = [loudness_lufs(cut(speech, segment.start, segment.end)) for segment in segments]
    known = [level for level in levels if level is not None]
    return float(np.std(known)) if len(known) > 1 else None
