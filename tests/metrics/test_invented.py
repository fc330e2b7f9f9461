from __future__ import annotations

import pytest

from vtlab.metrics.timing import count_invented_segments
from vtlab.segments import Interval

SOURCE = [(1.0, 3.0), (5.0, 6.0)]


@pytest.mark.parametrize(
    ("dubbed", "invented"),
    [
        ([], 0),
        ([(1.0, 3.0), (5.0, 6.0)], 0),
        ([(0.5, 1.5), (5.9, 8.0)], 0),  # early, late, long: still of the source
        ([(1.0, 3.0), (3.2, 4.0)], 0),  # goes on after a breath
        ([(1.0, 3.0), (3.5, 4.0), (5.0, 6.0)], 1),
        ([(0.1, 0.6), (1.0, 3.0), (7.0, 7.5), (8.0, 8.5)], 3),
        ([(3.0, 5.0)], 1),  # exactly between
    ],
)
def test_lines_that_nobody_said(dubbed: list[tuple[float, float]], invented: int) -> None:
    assert (
        count_invented_segments([Interval(*span) for span in SOURCE], [Interval(*span) for span in dubbed]) == invented
    )
