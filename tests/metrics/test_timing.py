import pytest
from hypothesis import given
from hypothesis import strategies as st
from vtlab.metrics.sync import common, coverage, drift, overruns, percentile, speeds

from vtlab.segments import Interval


def spans(*pairs: tuple[float, float]) -> list[Interval]:
    return [Interval(start, end) for start, end in pairs]


def test_drift_of_three_lines_by_hand() -> None:
    source = spans((1.0, 3.0), (4.0, 6.0), (7.0, 8.0))
    dubbed = spans((1.1, 2.9), (3.85, 6.4), (7.5, 9.0))
    scores = drift(source, dubbed)
    assert scores.sync_onset_ms == pytest.approx((100, -150, 500))
    assert scores.sync_offset_ms == pytest.approx((-100, 400, 1000))
    assert scores.sync_onset_mean_abs_ms == pytest.approx(250)
    assert scores.sync_drift_mean_ms == pytest.approx(500)
    assert scores.sync_drift_max_ms == pytest.approx(1000)
    assert scores.sync_drift_p95_ms == pytest.approx(940)  # 400 + 0.9 · 600
    assert scores.sync_within_150ms == pytest.approx(2 / 3)
    assert scores.duration_compliance_20 == pytest.approx(1 / 3)  # 0.9, 1.275, 1.5
    assert scores.overruns == 0


def test_a_line_that_is_missing_is_not_on_time() -> None:
    scores = drift(spans((1.0, 3.0), (4.0, 6.0)), [Interval(1.0, 3.1), None])
    assert (scores.segments, scores.unmatched) == (2, 1)
    assert scores.sync_within_150ms == 0.5
    assert scores.sync_onset_mean_abs_ms == 0.0
    assert scores.sync_drift_max_ms == pytest.approx(100)


@pytest.mark.parametrize(
    ("source", "dubbed", "overlap", "iou", "uncovered"),
    [
        (spans((1, 3)), spans((1, 3)), 1.0, 1.0, 0.0),
        (spans((1, 3)), spans((2, 4)), 0.8, 1 / 3, 1.0),
        (spans((0, 5)), spans((5, 10)), 0.0, 0.0, 5.0),
        (spans((1, 3), (2, 4)), spans((1, 4), (9, 12)), 0.9, 0.75, 0.0),  # overlapping and overhanging intervals
        ([], [], 1.0, None, 0.0),
    ],
)
def test_coverage_of_ten_seconds(
    source: list[Interval], dubbed: list[Interval], overlap: float, iou: float | None, uncovered: float
) -> None:
    scores = coverage(source, dubbed, 10.0)
    assert scores.speech_overlap == pytest.approx(overlap)
    assert scores.speech_iou == (None if iou is None else pytest.approx(iou))
    assert scores.uncovered_s == pytest.approx(uncovered)


def test_speeds_by_hand() -> None:
    scores = speeds([1.0, 1.1, 0.88, 1.02])
    assert scores.speed_mean == pytest.approx(1.0)
    assert (scores.speed_min, scores.speed_max) == (0.88, 1.1)
    assert scores.speed_p95 == pytest.approx(1.088)  # 1.02 + 0.85 · 0.08
    assert scores.speed_step_max == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("dubbed", "count"),
    [
        (spans((0, 1), (1, 2)), 0),
        (spans((0, 1.005), (1, 2)), 0),
        (spans((0, 1.2), (1, 2)), 1),
        (spans((0, 5), (1, 2), (3, 4)), 2),
        ([], 0),
    ],
)
def test_overruns(dubbed: list[Interval], count: int) -> None:
    assert overruns(dubbed) == count


def test_common_time() -> None:
    assert common(spans((0, 2), (3, 6)), spans((1, 4), (5, 9))) == spans((1, 2), (3, 4), (5, 6))
    assert common(spans((0, 1)), spans((1, 2))) == []


def test_nothing_measured_is_absent() -> None:
    scores = drift([], [])
    assert scores.sync_within_150ms is None and scores.sync_drift_p95_ms is None
    assert speeds([]).speed_mean is None and speeds([1.2]).speed_step_max is None
    assert percentile([], 95) is None
    with pytest.raises(ValueError, match="2 source segments, 1 dubbed"):
        drift(spans((0, 1), (1, 2)), spans((0, 1)))


INTERVALS = st.lists(
    st.tuples(st.floats(0, 20), st.floats(0.01, 5)).map(lambda pair: Interval(pair[0], pair[0] + pair[1])), max_size=8
)


@given(INTERVALS, INTERVALS)
def test_coverage_is_a_share_and_symmetric(source: list[Interval], dubbed: list[Interval]) -> None:
    one, other = coverage(source, dubbed, 20.0), coverage(dubbed, source, 20.0)
    assert one.speech_overlap is not None and -1e-9 <= one.speech_overlap <= 1 + 1e-9
    assert one.speech_overlap == pytest.approx(other.speech_overlap)
    assert one.speech_iou is None or one.speech_iou == pytest.approx(other.speech_iou)
    assert one.uncovered_s >= -1e-9
