import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtlab.placement import place, plan_rates
from vtlab.segments import Interval
from vtlab.settings import AudioSyncSettings

CASES = Path(__file__).parent / "cases"
DEFAULTS = AudioSyncSettings()


def test_lines_that_fit_stay_where_they_are() -> None:
    windows = [Interval(1.0, 3.0), Interval(4.0, 6.0)]
    placed = place(windows, [2.0, 2.0], 10.0, DEFAULTS)
    assert [(p.start, p.end, p.speed) for p in placed] == [(1.0, 3.0, 1.0), (4.0, 6.0, 1.0)]


@pytest.mark.parametrize(
    ("natural", "speed"),
    [
        (2.1, 1.05),  # a little too long: spoken a little faster, ends with its source
        (1.9, 0.95),
        (3.0, 1.1),  # much too long, but silence follows: it runs on into the silence
        (1.0, 0.85),  # much too short: no slower than the limit
    ],
)
def test_a_line_alone(natural: float, speed: float) -> None:
    (placed,) = place([Interval(5.0, 7.0)], [natural], 20.0, DEFAULTS)
    assert placed.start == pytest.approx(5.0, abs=1e-6)
    assert placed.speed == pytest.approx(speed, abs=0.005)


def test_a_crowded_stretch_shares_its_speed_evenly() -> None:
    """Twelve lines of 3 s in slots of 2.1 s: each needs 1.4 times the speed and more is put on none."""
    windows = [Interval(0.5 + 2.13 * n, 0.5 + 2.13 * n + 2.1) for n in range(12)]
    end = windows[-1].end
    placed = place(windows, [2.94] * 12, end, DEFAULTS)
    needed = 12 * 2.94 / (end - windows[0].start - 11 * DEFAULTS.gap_s)
    speeds = [p.speed for p in placed]
    assert max(speeds) <= 1.05 * needed
    assert max(a / b for a, b in pairwise(speeds)) <= 1.1


def test_rates_are_the_speeds_of_the_placement() -> None:
    windows, natural = [Interval(0, 2), Interval(2.1, 4)], [2.3, 1.8]
    assert plan_rates(windows, natural, DEFAULTS) == [p.speed for p in place(windows, natural, None, DEFAULTS)]


def test_nothing_to_place() -> None:
    assert place([], [], 10.0, DEFAULTS) == []


def test_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="2 windows for 1 lines"):
        place([Interval(0, 1), Interval(1, 2)], [1.0], 3.0, DEFAULTS)


def test_impossible_windows() -> None:
    case = json.loads((CASES / "impossible_windows.json").read_text(encoding="utf-8"))
    rows = case["segments"]
    slowest, fastest = case["speed"]
    natural = [row["natural_seconds"] for row in rows]
    placed = place([Interval(row["start"], row["end"]) for row in rows], natural, case["video_seconds"], DEFAULTS)
    assert all(slowest - 1e-6 <= p.speed <= fastest + 1e-6 for p in placed)
    for before, after in pairwise(placed):
        assert before.end <= after.start
    assert all(placed[row].speed <= 1.1 + 1e-6 for row in (1, 2, 5, 7))  # silence follows them
    assert placed[6].end - placed[6].start <= 0.67
    low, high = case["last_start_between"]
    assert low - 1e-6 <= placed[-1].start <= high + 1e-3
    assert placed[-1].end <= case["video_seconds"] + 1e-9


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 6), st.floats(0.2, 8)), min_size=1, max_size=12))
def test_whatever_the_windows_every_line_is_placed_whole_in_order_and_apart(
    lines: list[tuple[float, float, float]],
) -> None:
    windows, at = [], 0.0
    for pause, length, _ in lines:
        windows.append(Interval(at + pause, at + pause + length))
        at += pause + length
    natural = [seconds for _, _, seconds in lines]
    total = at + 1.0
    placed = place(windows, natural, total, DEFAULTS)
    assert placed[0].start >= 0
    assert placed[-1].end <= total + 1e-6
    for before, after in pairwise(placed):
        assert before.end <= after.start + 1e-9
    for p, seconds in zip(placed, natural, strict=True):
        assert (p.end - p.start) * p.speed == pytest.approx(seconds)
        assert p.speed >= DEFAULTS.min_speed - 1e-6
