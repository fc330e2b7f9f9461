from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import METRICS
from vtlab.metrics.rows import ClipRows, DubSegment, SegmentMeasure
from vtlab.metrics.timing import count_overruns, intersect, percentile
from vtlab.segments import Interval


def spans(*pairs: tuple[float, float]) -> list[Interval]:
    return [Interval(start, end) for start, end in pairs]


def rows(
    source: list[Interval] | None = None,
    dubbed: list[Interval | None] | None = None,
    speeds: Sequence[float] = (),
    speech: tuple[list[Interval], list[Interval]] = ([], []),
) -> ClipRows:
    """A clip of ten seconds with these segments, heard there in the dub, and speech of source and dub."""
    said, dub = (tuple((span.start, span.end) for span in spans) for spans in speech)
    return ClipRows(
        source_language="pt",
        target_language="en",
        seconds=10.0,
        values={},
        signatures={},
        segments=tuple(
            SegmentMeasure(
                index=index, start=span.start, end=span.end, dubbed_start=own and own.start, dubbed_end=own and own.end
            )
            for index, (span, own) in enumerate(zip(source or [], dubbed or [], strict=True))
        ),
        dub_segments=tuple(
            DubSegment(
                id=i, source_start=i, source_end=i + 1, source_text="a", start=i, end=i + 1, text="a", speed=speed
            )
            for i, speed in enumerate(speeds)
        ),
        source_speech=said,
        dubbed_speech=dub,
    )  # fmt: skip


def value(name: str, clip: ClipRows) -> float | None:
    return METRICS[name].value(list_units({"clip": clip}, METRICS[name].over))


def test_drift_of_three_segments_by_hand() -> None:
    source = spans((1.0, 3.0), (4.0, 6.0), (7.0, 8.0))
    clip = rows(source, [*spans((1.1, 2.9), (3.85, 6.4), (7.5, 9.0))])
    units = list_units({"clip": clip}, "segments")
    assert [METRICS["sync_onset_ms"].value([unit]) for unit in units] == pytest.approx([100, -150, 500])
    assert [METRICS["sync_offset_ms"].value([unit]) for unit in units] == pytest.approx([-100, 400, 1000])
    assert value("sync_onset_mean_abs_ms", clip) == pytest.approx(250)
    assert value("sync_drift_mean_ms", clip) == pytest.approx(500)
    assert value("sync_drift_max_ms", clip) == pytest.approx(1000)
    assert value("sync_drift_p95_ms", clip) == pytest.approx(940)  # 400 + 0.9 · 600
    assert value("sync_within_150ms", clip) == pytest.approx(2 / 3)
    assert value("duration_compliance_20", clip) == pytest.approx(1 / 3)  # 0.9, 1.275, 1.5


def test_a_segment_that_is_missing_is_not_on_time() -> None:
    clip = rows(spans((1.0, 3.0), (4.0, 6.0)), [Interval(1.0, 3.1), None])
    assert METRICS["sync_onset_ms"].signature(list_units({"clip": clip}, "segments")) == "segments:2|not heard:1"
    assert value("sync_within_150ms", clip) == 0.5
    assert value("sync_onset_mean_abs_ms", clip) == 0.0
    assert value("sync_drift_max_ms", clip) == pytest.approx(100)


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
    clip = rows(speech=(source, dubbed))
    assert value("speech_overlap", clip) == pytest.approx(overlap)
    assert value("speech_iou", clip) == (None if iou is None else pytest.approx(iou))
    assert value("uncovered_s", clip) == pytest.approx(uncovered)


def test_speeds_by_hand() -> None:
    clip = rows(speeds=[1.0, 1.1, 0.88, 1.02])
    assert value("speed_mean", clip) == pytest.approx(1.0)
    assert (value("speed_min", clip), value("speed_max", clip)) == (0.88, 1.1)
    assert value("speed_p95", clip) == pytest.approx(1.088)  # 1.02 + 0.85 · 0.08
    assert value("speed_step_max", clip) == pytest.approx(1.25)


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
    assert count_overruns(dubbed) == count


def test_common_time() -> None:
    assert intersect(spans((0, 2), (3, 6)), spans((1, 4), (5, 9))) == spans((1, 2), (3, 4), (5, 6))
    assert intersect(spans((0, 1)), spans((1, 2))) == []


def test_nothing_measured_is_absent() -> None:
    assert value("sync_within_150ms", rows()) is None and value("sync_drift_p95_ms", rows()) is None
    assert value("speed_mean", rows()) is None and value("speed_step_max", rows(speeds=[1.2])) is None
    assert percentile([], 95) is None


INTERVALS = st.lists(
    st.tuples(st.floats(0, 20), st.floats(0.01, 5)).map(lambda pair: Interval(pair[0], pair[0] + pair[1])), max_size=8
)


@given(INTERVALS, INTERVALS)
def test_coverage_is_a_share_and_symmetric(source: list[Interval], dubbed: list[Interval]) -> None:
    one, other = (
        rows(speech=both).model_copy(update={"seconds": 20.0}) for both in ((source, dubbed), (dubbed, source))
    )
    overlap, iou, uncovered = (value(name, one) for name in ("speech_overlap", "speech_iou", "uncovered_s"))
    assert overlap is not None and -1e-9 <= overlap <= 1 + 1e-9
    assert overlap == pytest.approx(value("speech_overlap", other))
    assert iou is None or iou == pytest.approx(value("speech_iou", other))
    assert uncovered is not None and uncovered >= -1e-9
