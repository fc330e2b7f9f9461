"""Whether a dub says what nobody said."""

from __future__ import annotations

from collections.abc import Sequence

from vtlab.segments import Interval, merge_intervals

PAUSE_S = 0.3  # a shorter pause does not part a line: what goes on after the source has stopped belongs to it


def invented_lines(source: Sequence[Interval], dubbed: Sequence[Interval]) -> int:
    """Lines of the dub during which the source says nothing at all, not even as they begin or end.

    Both are where somebody speaks, by voice activity, in order.
    """
    return sum(not any(line.overlap(said) > 0 for said in source) for line in merge_intervals(dubbed, PAUSE_S))
