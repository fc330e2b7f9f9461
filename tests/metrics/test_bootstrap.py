"""The bootstrap: its draws are those of sacrebleu, and its intervals and p hold what they promise."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from evaluation.made_up import clips, measurement
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from vtlab.measurement.results import Measurement
from vtlab.metrics import bootstrap
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.bootstrap import draw, interval, p_value, sample, sample_both
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import METRICS
from vtlab.metrics.rows import SegmentMeasure

EXTREMES = {
    "sync_drift_max_ms", "speed_min", "speed_max", "speed_step_max", "subtitle_max_line_chars", "subtitle_max_lines",
    "subtitle_min_duration_s",
    "tail_cut_max_s",
}  # fmt: skip


def test_all_but_extremes_are_drawn() -> None:
    made = clips(3)
    values = aggregate(list(made.values())).values
    assert len(values) > 30
    for name, value in values.items():
        metric = METRICS[name]
        assert metric.has_interval == (
            name not in EXTREMES and not (isinstance(metric, FileMetric) and metric.over_clips == "worst")
        )
        sampled = sample(name, list_units(made, metric.over), samples=1)
        assert (sampled is not None) == metric.has_interval
        assert sampled is None or sampled.value == pytest.approx(value, rel=1e-12), name


def test_draws_are_those_of_sacrebleu() -> None:
    counts = draw(7, 5, seed=12345)
    chosen = np.random.default_rng(12345).choice(7, size=(5, 7), replace=True)
    assert [[int(np.count_nonzero(row == unit)) for unit in range(7)] for row in chosen] == counts.tolist()


@pytest.mark.parametrize(("name", "metric"), [("bleu", BLEU()), ("chrf", CHRF())])
def test_agrees_with_sacrebleus_paired_bootstrap(name: str, metric: BLEU | CHRF) -> None:
    """Same draws, same scores: its p follows from ours by its own formula, and so does its mean."""
    one, other = clips(5), clips(5, tool=1, mistakes=0.19)
    segments = [[row for made in side.values() for row in made.segments] for side in (one, other)]
    hypotheses = [[row.translated or "" for row in side] for side in segments]
    references = [row.translation or "" for row in segments[0]]
    _, theirs = PairedTest(
        [("baseline", hypotheses[0]), ("this", hypotheses[1])], {name: metric}, [references], "bs", 300
    )()
    key = next(key for key in theirs if key != "System")
    ours = sample_both(name, list_units(one, "segments"), list_units(other, "segments"), samples=300)
    assert ours is not None
    before, after = ours
    assert (before.value, after.value) == pytest.approx([result.score for result in theirs[key]])
    assert after.draws.mean() == pytest.approx(theirs[key][1].mean)
    differences = np.abs(after.draws - before.draws)
    beyond = np.count_nonzero(differences - differences.mean() > abs(after.value - before.value))
    assert theirs[key][1].p_value == pytest.approx((beyond + 1) / 301)


def test_interval_leaves_out_zero_exactly_where_p_is_small() -> None:
    for wrong in range(60):
        differences = np.concatenate([np.full(wrong, -1.0), np.full(1000 - wrong, 1.0)])
        bounds = interval(differences)
        assert bounds is not None
        assert (bounds[0] > 0) == (p_value(differences) < 0.05), wrong


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        (np.ones(999), 2 / 1000),  # never 0
        (np.zeros(999), 1.0),  # the same on both sides
        (np.concatenate([np.full(9, -1.0), np.ones(990)]), 20 / 1000),
        (-np.concatenate([np.full(9, -1.0), np.ones(990)]), 20 / 1000),
        (np.array([np.nan] * 500 + [1.0] * 499), 2 / 500),  # draws without a value do not count
    ],
)
def test_p_value(differences: np.ndarray, p: float) -> None:
    assert p_value(differences) == pytest.approx(p)


def test_no_interval_of_too_few_draws() -> None:
    assert interval(np.array([1.0, 2.0, 3.0])) is None
    assert interval(np.full(1000, np.nan)) is None
    assert interval(np.array([1.0] * 400 + [np.nan] * 600)) is None


EXPERIMENTS, SEGMENTS = 1500, 150


def _experiments(true_ms: float) -> list[np.ndarray]:
    """Differences of a mean in the draws of each of many experiments: two dubs of the same segments."""
    counts = draw(SEGMENTS, bootstrap.SAMPLES, seed=7)
    found = []
    for seed in range(EXPERIMENTS):
        rng = np.random.default_rng(seed)
        hard = rng.normal(0, 80, SEGMENTS)  # what makes a segment late whoever dubs it
        one, other = (hard + rng.normal(mean, 60, SEGMENTS) for mean in (0.0, true_ms))
        found.append((counts @ other - counts @ one) / SEGMENTS)
    return found


def test_intervals_hold_a_known_difference_as_often_as_they_say() -> None:
    """In 95 % of experiments, within three standard errors."""
    bounds = [interval(differences) for differences in _experiments(50.0)]
    held = np.mean([known is not None and known[0] <= 50.0 <= known[1] for known in bounds])
    assert abs(held - 0.95) < 3 * np.sqrt(0.95 * 0.05 / EXPERIMENTS)


def test_p_is_uniform_where_nothing_differs() -> None:
    values = np.sort([p_value(differences) for differences in _experiments(0.0)])
    expected = np.arange(1, EXPERIMENTS + 1) / EXPERIMENTS
    # Kolmogorov–Smirnov: 1.63 / √n is the 1 % limit
    assert np.abs(values - expected).max() < 1.63 / np.sqrt(EXPERIMENTS)
    assert abs(np.mean(values < 0.05) - 0.05) < 3 * np.sqrt(0.95 * 0.05 / EXPERIMENTS)


def test_both_sides_have_the_same_draws() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 80, 20), rng.normal(50, 80, 20)
    pair = sample_both(
        "sync_onset_ms", *(list_units({"clip": _with_onsets(side)}, "segments") for side in (one, other)), 50, 7
    )
    assert pair is not None
    counts = draw(20, 50, seed=7)
    assert pair[0].draws == pytest.approx(counts @ one / 20)
    assert pair[1].draws - pair[0].draws == pytest.approx(counts @ (other - one) / 20)


def _with_onsets(onsets_ms: np.ndarray) -> Measurement:
    rows = tuple(
        SegmentMeasure.model_construct(
            index=index, start=10.0 * index, end=10.0 * index + 5, dubbed_start=10.0 * index + onset / 1000,
            dubbed_end=10.0 * index + 5, text="a", translation="b", recognised=None, translated=None, heard=None,
        )
        for index, onset in enumerate(onsets_ms)
    )  # fmt: skip
    return Measurement.model_construct(
        source_language="pt", target_language="en", seconds=600.0, values={}, signatures={}, absent={}, segments=rows,
        dub_segments=(), cues=(), dubbed_speech=(), source_speech=(),
    )  # fmt: skip


def test_percentiles_of_draws_are_numpys() -> None:
    made = list_units(clips(2), "segments")
    sampled = sample("speed_p95", made, samples=40, seed=3)
    assert sampled is not None
    counts = draw(len(made), 40, seed=3).astype(int)
    for value, times in zip(sampled.draws, counts, strict=True):
        speeds = [
            line.speed
            for unit, repeats in zip(made, times, strict=True)
            for line in unit.dub_segments
            for _ in range(repeats)
        ]
        assert value == pytest.approx(np.percentile([speed for speed in speeds if speed is not None], 95))


def test_pairs_only_what_both_have() -> None:
    one, other = clips(2), clips(2, tool=1)
    cut = other["clip_1"].model_copy(update={"segments": other["clip_1"].segments[:3]})
    pair = sample_both(
        "sync_within_150ms",
        list_units(one, "segments"),
        list_units({"clip_0": other["clip_0"], "clip_1": cut}, "segments"),
    )
    assert pair is not None
    assert pair[0].units == pair[1].units == len(one["clip_0"].segments) + 3


def test_a_segment_of_another_reference_is_another_segment() -> None:
    one = clips(1)
    rows = tuple(row.model_copy(update={"text": f"{row.text} or so"}) for row in one["clip_0"].segments)
    other = {"clip_0": one["clip_0"].model_copy(update={"segments": rows})}
    assert sample_both("wer", list_units(one, "segments"), list_units(other, "segments")) is None


def test_fewer_units_than_could_show_anything_have_no_interval() -> None:
    for count, there in ((bootstrap.MIN_UNITS - 1, False), (bootstrap.MIN_UNITS, True)):
        made = {"clip": measurement(1, segments=count, silent=0.0)}
        sampled = sample("wer", list_units(made, "segments"))
        assert sampled is not None
        assert (sampled.interval() is not None) == there
    assert "wall_s" not in bootstrap.intervals(clips(2))


def test_lines_without_times_of_segments_are_drawn_clip_by_clip() -> None:
    made = measurement(1)
    rows = tuple(row.model_copy(update={"start": None, "end": None}) for row in made.segments)
    untimed = {"clip": made.model_copy(update={"segments": rows})}
    sampled = sample("speed_mean", list_units(untimed, "segments"))
    assert sampled is not None
    assert (sampled.units, sampled.value) == (1, pytest.approx(made.values["speed_mean"]))


def test_bleu_of_several_tokenisers_is_none() -> None:
    made = clips(2)
    made["clip_1"] = made["clip_1"].model_copy(update={"target_language": "zh"})
    assert sample("bleu", list_units(made, "segments")) is None
    assert sample("chrf", list_units(made, "segments")) is not None


def test_the_seed_is_an_argument() -> None:
    made = list_units(clips(2), "segments")
    one, same, other = (sample("chrf", made, seed=seed) for seed in (1, 1, 2))
    assert one is not None and same is not None and other is not None
    assert np.array_equal(one.draws, same.draws)
    assert not np.array_equal(one.draws, other.draws)


def test_unknown_metrics_have_no_draws() -> None:
    assert list(filter(None, map(partial(sample, units=list_units(clips(1), "segments")), EXTREMES))) == []
