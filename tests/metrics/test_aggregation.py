from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import aggregate, score
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.registry import METRICS
from vtlab.metrics.rows import CueMeasure, DubSegment, SegmentMeasure

ROWS = [name for name, metric in METRICS.items() if not isinstance(metric, FileMetric)]


def measurement(
    segments: list[SegmentMeasure],
    lines: Sequence[DubSegment] = (),
    seconds: float = 10.0,
    **values: float,
) -> Measurement:
    made = Measurement(
        source_language="pt",
        target_language="en",
        seconds=seconds,
        values={},
        signatures={},
        segments=tuple(segments),
        dub_segments=tuple(lines),
        cues=(CueMeasure(start=1, end=2, text="A cue."),),
        reference_cues=(CueMeasure(start=1, end=2, text="A cue"),),
        source_speech=((1.0, 2.0), (4.0, 6.0)),
        dubbed_speech=((1.0, 3.0), (4.0, 5.0)),
    )
    scores = score([made], ROWS)
    return made.model_copy(update={"values": scores.values | values, "signatures": scores.signatures})


def segment(index: int, onset: float, words: str = "a b c d", heard: str = "a b c d") -> SegmentMeasure:
    return SegmentMeasure(
        index=index, start=index, end=index + 0.5, dubbed_start=index + onset, dubbed_end=index + 0.5 + onset,
        text=words, recognised=heard, translation="one two three four", translated="one two three four",
    )  # fmt: skip


def line(number: int, speed: float, loudness: float | None = -20.0) -> DubSegment:
    return DubSegment(
        id=number, source_start=number, source_end=number + 0.5, source_text="um dois", start=number, end=number + 0.6,
        heard_start=number, heard_end=number + 0.6, text="one two", heard="one two", speed=speed,
        loudness_lufs=loudness,
    )  # fmt: skip


def test_corpora_sum_errors_and_see_every_line() -> None:
    first = measurement([segment(1, 0.1, "um dois três quatro", "um dois")], [line(1, 1.0), line(2, 1.2)])
    second = measurement([segment(1, 0.3, "cinco", "cinco"), segment(2, 0.1, "seis", "seis")], [line(1, 0.9, -30.0)])
    values, signatures = (scores := aggregate([first, second])).values, scores.signatures
    assert values["wer"] == pytest.approx(2 / 6)  # not the mean of 0.5 and 0
    assert values["sync_within_150ms"] == pytest.approx(2 / 3)
    assert values["sync_onset_mean_abs_ms"] == pytest.approx(500 / 3)
    assert values["speed_mean"] == pytest.approx((1.0 + 1.2 + 0.9) / 3)
    assert values["speed_step_max"] == pytest.approx(1.2)  # neighbours are of one clip
    assert values["speech_overlap"] == pytest.approx(0.8) and values["speech_iou"] == pytest.approx(0.5)
    assert values["uncovered_s"] == pytest.approx(2.0)
    assert values["tts_wer"] == 0 and values["completeness"] == 1 and values["overruns"] == 0
    assert values["loudness_spread_db"] == 0  # within a clip; one line alone has none
    assert values["subtitle_cps_p95"] == pytest.approx(6)
    assert "segments:3" in signatures["wer"]


def test_costs_add_up_and_levels_are_the_worst() -> None:
    first = measurement([], seconds=10.0, wall_s=5.0, rtf=0.5, loudness_lufs=-23.5, true_peak_dbtp=-1.5, voice_mos=3.0)
    second = measurement([], seconds=30.0, wall_s=3.0, rtf=0.1, loudness_lufs=-20.0, true_peak_dbtp=-2.5, voice_mos=4.0)
    third = measurement([], seconds=30.0)
    scores = aggregate([first, second, third])
    assert scores.values["wall_s"] == 8 and scores.values["rtf"] == pytest.approx(8 / 40)
    assert scores.values["loudness_lufs"] == -20 and scores.values["true_peak_dbtp"] == -1.5
    assert scores.values["voice_mos"] == pytest.approx(3.75)
    assert scores.signatures["wall_s"] == "clips:2/3"
    assert "peak_rss_mb" not in scores.values


def test_the_worst_cut_of_any_line_counts() -> None:
    lines = [line(number, 1.0).model_copy(update={"cut_s": cut}) for number, cut in enumerate((0.0, 0.2, None))]
    scores = aggregate([measurement([], lines), measurement([], [line(1, 1.0)])])
    assert (scores.values["tail_cut_max_s"], scores.signatures["tail_cut_max_s"]) == (0.2, "lines:2|clips:1/2")
    assert "tail_cut_max_s" not in aggregate([measurement([], [line(1, 1.0)])]).values  # no record tells


def test_nothing_measured_is_nothing_pooled() -> None:
    assert aggregate([]).values == {}
    empty = Measurement(source_language="pt", target_language="en", seconds=1, values={}, signatures={})
    assert aggregate([empty]).values == {}


WORDS = st.lists(st.sampled_from(["um", "dois", "sol"]), max_size=4).map(" ".join)
SEGMENTS = st.lists(st.tuples(st.floats(-0.4, 0.4), WORDS, WORDS), max_size=4)
LINES = st.lists(st.tuples(st.floats(0.8, 1.3), st.none() | st.floats(-40, -10)), max_size=4)


@settings(deadline=None, max_examples=40)
@given(SEGMENTS, LINES, st.floats(0, 100), st.floats(-30, -10))
def test_one_clip_pooled_is_that_clip(
    rows: list[tuple[float, str, str]], lines: list[tuple[float, float | None]], wall: float, loud: float
) -> None:
    one = measurement(
        [segment(index, onset, said, heard) for index, (onset, said, heard) in enumerate(rows)],
        [line(number, speed, level) for number, (speed, level) in enumerate(lines)],
        wall_s=wall, rtf=wall / 10, loudness_lufs=loud,
    )  # fmt: skip
    scores = aggregate([one])
    assert scores.values == one.values and scores.signatures == one.signatures
