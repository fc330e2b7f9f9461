"""Whether the background of the source is still there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vtlab.audio import FRAME_S, Audio, levels_db, loudness_lufs
from vtlab.segments import Interval, merge_intervals

EDGE_S = 0.25  # around speech: breaths, reverberation, and the ramps of a background that makes room for it
LEAST_S = 0.2  # of silence in all, to say anything
HEARD_DB = -45.0  # from the loudness of the source: a softer background nobody would miss


def background_loss_db(dubbed: Audio, source: Audio, spoken: Sequence[Interval]) -> float | None:
    """How much softer the background is in the dub than in the source, each against its own loudness, in dB.

    The median over frames of 10 ms in which nobody speaks: ``spoken`` is where the source does or the dub. ``None``
    where that is nowhere, or the source has no background there that anybody would miss.
    """
    loudness, loudness_before = loudness_lufs(dubbed), loudness_lufs(source)
    if loudness is None or loudness_before is None:
        return None
    now, before = levels_db(dubbed), levels_db(source)
    quiet = np.ones(min(len(now), len(before)), bool)
    for span in merge_intervals(spoken):
        quiet[max(0, round((span.start - EDGE_S) / FRAME_S)) : max(0, round((span.end + EDGE_S) / FRAME_S))] = False
    if quiet.sum() * FRAME_S < LEAST_S:
        return None
    before, now = before[: len(quiet)][quiet] - loudness_before, now[: len(quiet)][quiet] - loudness
    if np.median(before) < HEARD_DB:
        return None
    return float(np.median(before - now))
