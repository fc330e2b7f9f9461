"""Comparing: what is paired with what, what is said of it, and where systems come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluation.made_up import clips, measurement
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.errors import InputError, SettingsError
from vtlab.evaluation.compare.comparison import compare_systems, pareto_set
from vtlab.evaluation.compare.listening import relate_votes
from vtlab.evaluation.compare.systems import System, from_results, shorten_names
from vtlab.evaluation.compare.votes import Vote
from vtlab.evaluation.sweep.results import ClipResult, write_result
from vtlab.evaluation.tracking.systems import load_system, load_systems
from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.bootstrap import score_each_unit
from vtlab.metrics.partition import list_units
from vtlab.metrics.rows import SegmentMeasure

SAMPLES = 200


def test_a_better_tool_is_better() -> None:
    good, bad = clips(4, mistakes=0.02), clips(4, tool=1, mistakes=0.3, late_ms=200)
    found = compare_systems([System("bad", bad), System("good", good)], samples=SAMPLES)
    verdicts = {one.metric: one.verdict for one in found.pairings[0].differences}
    assert {
        name for name in ("wer", "cer", "bleu", "chrf", "asr_chrf", "sync_within_150ms") if verdicts[name] != "better"
    } == set()
    assert verdicts["speed_max"] == "no interval"
    back = compare_systems([System("bad", bad), System("good", good)], baseline="good", samples=SAMPLES)
    assert {one.metric: one.verdict for one in back.pairings[0].differences}["wer"] == "worse"


def test_itself_never_differs() -> None:
    made = clips(2)
    found = compare_systems([System("a", made), System("b", dict(made))], samples=SAMPLES)
    assert {one.verdict for one in found.pairings[0].differences} <= {"no difference shown", "no interval"}
    assert {one.difference for one in found.pairings[0].differences} == {0.0}
    assert {one.p for one in found.pairings[0].differences} <= {1.0, None}


def test_values_are_those_of_the_clips_both_have() -> None:
    one, other = clips(3), clips(2, tool=1)
    pairing = compare_systems([System("a", one), System("b", other)], samples=SAMPLES).pairings[0]
    values = {found.metric: (found.baseline, found.value) for found in pairing.differences}
    assert pairing.clips == ("clip_0", "clip_1")
    both = [aggregate([side["clip_0"], side["clip_1"]]).values for side in (one, other)]
    for name in ("wer", "bleu", "speed_max", "uncovered_s"):
        assert values[name] == pytest.approx((both[0][name], both[1][name]))
    assert any("clip_2" in note for note in pairing.notes)


def test_metrics_by_name_and_group() -> None:
    systems = [System("a", clips(1)), System("b", clips(1, tool=1))]
    found = compare_systems(systems, metrics=["wer", "speech"], samples=SAMPLES)
    assert [one.metric for one in found.pairings[0].differences] == ["wer", "tts_wer", "asr_bleu", "asr_chrf"]
    with pytest.raises(SettingsError, match="Did you mean 'bleu'"):
        compare_systems(systems, metrics=["blue"])


def test_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="name two runs"):
        compare_systems([System("a", clips(1))])
    with pytest.raises(InputError, match="no clip in common"):
        compare_systems([System("a", clips(1)), System("b", {"other": measurement(9)})])
    with pytest.raises(InputError, match="Did you mean 'first'"):
        compare_systems([System("first", clips(1)), System("other", clips(1))], baseline="frist")


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([(60, 0.1), (66, 0.2), (65, 0.5), (67, 0.6)], {0, 1, 3}),
        ([(60, 0.1), (60, 0.1)], {0, 1}),  # equal ones do not beat each other
        ([(60, 0.1), (60, 0.2)], {0}),
        ([(70, 0.1), (60, 0.2)], {0}),
    ],
)
def test_undominated(points: list[tuple[float, float]], best: set[int]) -> None:
    assert pareto_set([{"chrf": quality, "rtf": cost} for quality, cost in points], "chrf", "rtf") == best
    # an error rate is better where it is lower
    assert pareto_set([{"wer": -quality, "rtf": cost} for quality, cost in points], "wer", "rtf") == best


def test_no_axis_where_a_candidate_lacks_every_cost() -> None:
    found = compare_systems([System("a", clips(1)), System("b", clips(1, tool=1, costs=None))], samples=SAMPLES)
    assert (found.quality, found.cost) == ("asr_chrf", None)
    assert not any(one.best for one in found.systems)


def test_names_are_as_short_as_can_be() -> None:
    def names(*given: tuple[str, str]) -> list[str]:
        return [one.name for one in shorten_names([System(name, {}, suite=suite) for name, suite in given])]

    assert names(("pt-en/a", "pt-en"), ("pt-en/b", "pt-en")) == ["a", "b"]
    assert names(("pt-en/a", "pt-en"), ("en-pt/a", "en-pt")) == ["pt-en/a", "en-pt/a"]
    assert names(("pt-en/a", "pt-en"), ("straight.json", "")) == ["a", "straight.json"]
    assert names(("pt-en/a", "pt-en"), ("pt-en/a", "pt-en")) == ["pt-en/a (1)", "pt-en/a (2)"]


def test_stretches_of_speech_are_no_segments_of_the_reference() -> None:
    def untimed(measured: Measurement) -> Measurement:
        """The rows of a reference without times: its segments, then the stretches of speech of the source."""
        said = [row.model_copy(update={"start": None, "end": None}) for row in measured.segments]
        stretches = [
            SegmentMeasure(index=len(said) + number, start=row.start, end=row.end)
            for number, row in enumerate(measured.segments[:5])
        ]
        return measured.model_copy(update={"segments": (*said, *stretches)})

    systems = [System(name, {"clip": untimed(measurement(1, tool=tool))}) for tool, name in enumerate("ab")]
    (pairing,) = compare_systems(systems, metrics=["wer"], samples=SAMPLES).pairings
    assert pairing.segments == 8


def test_a_file_of_measure_stands_beside_a_folder_of_results(tmp_path: Path) -> None:
    """Any tool's dub is compared on the clip whose source it is, whatever the file is called."""
    for clip, measured in clips(3).items():
        write_result(_result("base", clip, measured), tmp_path / "try" / "base" / clip)
    theirs = measurement(1, tool=4, own_lines=False, costs=None)
    (tmp_path / "straight.json").write_text(theirs.model_dump_json(), encoding="utf-8")
    systems, _ = load_systems([str(tmp_path / "try" / "base"), str(tmp_path / "straight.json")])
    pairing = compare_systems(systems, samples=SAMPLES).pairings[0]
    assert pairing.clips == ("clip_1",)
    assert pairing.segments == len(theirs.segments)
    assert "speed_mean" not in {one.metric for one in pairing.differences}  # the other tool tells nothing of its speeds


def test_a_folder_of_a_suite_is_all_its_configurations(tmp_path: Path) -> None:
    for name in ("quick", "careful"):
        write_result(_result(name, "clip_0", measurement(0)), tmp_path / "try" / name / "clip_0")
    assert [one.name for one in load_system(str(tmp_path / "try"))] == ["try/careful", "try/quick"]
    with pytest.raises(InputError, match="holds no results"):
        load_system(str(tmp_path))


def test_a_failed_clip_is_told() -> None:
    failed = _result("base", "clip_1", None).model_copy(update={"status": "failed", "error": "Nobody speaks."})
    system = from_results("base", [_result("base", "clip_0", measurement(0)), failed])
    found = compare_systems([System("other", clips(1, tool=1)), system], samples=SAMPLES)
    assert "base failed on clip_1: Nobody speaks." in found.notes


@pytest.mark.parametrize("text", ["", "{}", "[]x", '{"values": {}}'])
def test_a_file_that_is_no_measurement(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="vtlab measure DUBBED"):
        load_system(str(file))


def test_listeners_stand_beside_the_metrics_that_agree_with_them() -> None:
    """Listeners who prefer the line with fewer errors agree with chrF; the votes' first run is the first system."""
    one, other = clips(3, mistakes=0.1), clips(3, tool=1, mistakes=0.2)
    scores = {
        f"{unit.clip}:{unit.segment.index}": (a, b)
        for unit, a, b in score_each_unit("chrf", list_units(one, "segments"), list_units(other, "segments"))
        if unit.segment is not None
    }
    assert len(scores) == 24
    votes = [
        Vote(listener="l", pair=pair, left="a", preferred="a" if a > b else "b" if b > a else "same", at="now")
        for pair, (a, b) in scores.items()
    ]
    found = compare_systems([System("a", one), System("b", other)], metrics=["text", "sync"], votes=votes, samples=50)
    assert found.listened is not None
    agreed = {agreement.metric: agreement for agreement in found.listened.agreements}
    assert agreed["chrf"].rho > 0.8 and agreed["chrf"].p < 0.001 and agreed["chrf"].pairs == 24
    assert found.listened.agreements[0].metric in ("chrf", "bleu")
    assert abs(agreed["sync_drift_mean_ms"].rho) < 0.6
    with pytest.raises(InputError, match="about two runs"):
        relate_votes([System("a", one)] * 3, votes, ["chrf"])


def test_command(tmp_path: Path) -> None:
    for name, tool in (("a", 0), ("b", 1)):
        for clip, measured in clips(2, tool=tool, mistakes=0.1 + 0.1 * tool).items():
            write_result(_result(name, clip, measured), tmp_path / "try" / name / clip)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(
        app, ["compare", str(tmp_path / "try"), "--baseline", "b", "--metrics", "wer,sync", "--html", str(page)]
    )
    assert done.exit_code == 0, done.output
    rows = [line for line in done.stdout.splitlines() if line.startswith("wer ")]
    assert len(rows) == 1 and "better" in rows[0]
    assert max(map(len, rows)) < 160 and "\x1b" not in done.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "try"), "--metrics", "wer", "--seed", "3", "--json"])
    data = json.loads(done.stdout)
    assert (data["seed"], data["samples"]) == (3, 1000)
    (wer,) = data["pairings"][0]["differences"]
    assert wer["low"] <= wer["difference"] <= wer["high"] and 0 < wer["p"] <= 1


def _result(configuration: str, clip: str, measured: Measurement | None, **gold: Measurement) -> ClipResult:
    return ClipResult(
        suite="try", configuration=configuration, fingerprint="f", dataset="d", dataset_digest="0", clip=clip, key="k",
        status="finished", measurement=measured, gold=gold,
    )  # fmt: skip
