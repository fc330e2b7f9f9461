import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from evaluation.made_up import clips
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.errors import SettingsError
from vtlab.evaluation.compare.comparison import compare_systems
from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.suite.loader import load_suite
from vtlab.measurement.inspection import measure
from vtlab.metrics.aggregation import aggregate, score
from vtlab.metrics.bootstrap import intervals
from vtlab.metrics.registry import (
    GROUPS,
    METRICS,
    choose_costs,
    choose_decisive,
    choose_headlines,
    expand_word,
    find_metric,
    is_metric,
    metric_entry_points,
    resolve_metrics,
    sort_headlines_first,
    sort_metrics,
    source_of,
)

PEOPLE = Path(__file__).parents[2] / "datasets" / "people"

# what a stranger writes to add two metrics: one from rows, one from files
PITCH = """
from vtlab.metrics.needs import TIMES
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.metric import SumMetric, summed


def pauses(unit):
    row = unit.segment
    return None if row is None or row.dubbed_start is None else [row.dubbed_start - row.start]


lag = SumMetric("lag_s", "s", "lower", "mean delay of segments", needs=(TIMES,), counts=summed(pauses))


class Length(FileMetric):
    def __init__(self):
        super().__init__(
            "length_s", "s", "target", "length of the dub", over_clips="sum",
            measure=lambda material: (material.dubbed_info.duration_s, "by its container"),
        )
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with metrics, which announces one of them."""
    (tmp_path / "strangers_pitch.py").write_text(PITCH, encoding="utf-8")
    installed = tmp_path / "strangers_pitch-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers-pitch\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[vtlab.metrics]\nlag_s = strangers_pitch:lag\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    metric_entry_points.cache_clear()
    yield
    metric_entry_points.cache_clear()


LAG, LENGTH = "strangers_pitch:lag", "strangers_pitch:Length"


@pytest.mark.usefixtures("package")
def test_a_metric_by_its_dotted_path_is_measured_pooled_and_compared() -> None:
    clip = PEOPLE / "clips" / "hello_video_en.mp4"
    found = measure(clip, clip, "en", "pt", metrics=[LAG, LENGTH, "wer"])
    assert abs(found[LAG].value or 0) < 0.05 and found.values[LENGTH] == pytest.approx(9.967, abs=0.05)
    assert found.signatures[LENGTH] == "by its container"
    assert found["wer"].value is None and "--reference" in (found["wer"].why_absent or "")
    assert aggregate([found, found]).values[LENGTH] == pytest.approx(2 * found.values[LENGTH])
    segments = found.lines()  # a stranger's metric of segments has a column, one of clips has none
    assert segments[LAG].mean() == pytest.approx(found.values[LAG]) and LENGTH not in segments

    def scored(tool: int) -> dict[str, object]:
        made = clips(3, tool=tool, late_ms=20.0 + 200 * tool)
        return {
            name: clip.model_copy(update={"values": clip.values | score([clip], [LAG]).values})
            for name, clip in made.items()
        }

    one, other = System("one", scored(0)), System("other", scored(1))
    assert LAG in intervals(one.clips)
    compared = compare_systems([one, other], metrics=[LAG]).pairings[0].differences
    assert [(each.metric, each.verdict) for each in compared] == [(LAG, "worse")]
    assert LAG in {
        each.metric for each in compare_systems([one, other]).pairings[0].differences
    }  # also where nobody chose


@pytest.mark.usefixtures("package")
def test_packages_announce_metrics() -> None:
    assert find_metric("lag_s").means == "mean delay of segments"
    sources = [source_of(name) for name in ("lag_s", LENGTH, "wer")]
    assert [file and file.name for file in sources] == ["strangers_pitch.py", "strangers_pitch.py", None]
    assert expand_word("lag_s") == ("lag_s",) and is_metric("lag_s") and is_metric(LENGTH)
    listed = CliRunner().invoke(app, ["metrics", "--json"])
    assert listed.exit_code == 0, listed.output
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert set(rows) == {*METRICS, "lag_s"}
    assert rows["lag_s"]["needs"] == ["times of speech"] and rows["tts_wer"]["needs"] == [
        "record",
        "recognition of the dub",
    ]
    assert rows["completeness"]["target"] == [1.0, None] and rows["rtf"]["group"] == "cost"
    table = CliRunner().invoke(app, ["metrics"]).output
    assert "lag_s" in table and "mean delay of segments" in table


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("were", "Did you mean 'wer'"),
        ("no.such.package:metric", "cannot be loaded from 'no.such.package:metric': No module named"),
        ("strangers_pitch:other", "has no attribute 'other'"),
        ("strangers_pitch:pauses", "cannot be loaded"),
        ("strangers_pitch:TIMES", "is no metric but Need"),
    ],
)
@pytest.mark.usefixtures("package")
def test_what_is_no_metric_is_refused(name: str, message: str) -> None:
    assert not is_metric(name)
    with pytest.raises(SettingsError, match=message):
        find_metric(name)


def test_names_groups_and_their_order() -> None:
    assert resolve_metrics(["rtf", "wer", "wer"]) == ["wer", "rtf"]
    assert resolve_metrics(None) == list(METRICS)
    assert sort_headlines_first(["rtf", "cer", "wer", "chrf"]) == ["chrf", "wer", "rtf", "cer"]
    assert sort_metrics(["b:c", "rtf", "a:b", "wer"]) == ["wer", "rtf", "a:b", "b:c"]
    assert {metric.group for metric in METRICS.values()} == {*GROUPS, ""}
    for name, metric in METRICS.items():
        assert metric.name == name and metric.means and metric.better in ("higher", "lower", "target")


def test_metrics_tell_what_decides_and_what_is_a_cost() -> None:
    deciding = ["asr_chrf", "asr_bleu", "chrf", "bleu", "wer", "sync_within_150ms", "sync_onset_mean_abs_ms"]
    assert choose_decisive(METRICS) == deciding
    assert choose_decisive(["rtf", "wer", "completeness", "chrf", "loss_tts_bleu"]) == ["chrf", "wer"]
    assert choose_costs(["cpu_s", "cache_hits", "wer", "rtf"]) == ["rtf", "cpu_s"]
    assert choose_headlines(["cer", "rtf", "wer", "no_metric"]) == ["wer", "rtf"]


@pytest.mark.usefixtures("package")
def test_a_suite_names_metrics_and_gates_by_dotted_paths(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    text = f"dataset: {PEOPLE}\nclips: [hello_video_en]\nmetrics: [wer, '{LAG}']\ngates:\n  '{LENGTH}': {{max: 20}}\n"
    file.write_text(text, encoding="utf-8")
    assert load_suite(file).wanted_metrics() == {"wer", LAG, LENGTH}
    file.write_text(text.replace(LENGTH, "strangers_pitch:Lenght"), encoding="utf-8")
    with pytest.raises(SettingsError, match="there is no metric 'strangers_pitch:Lenght'"):
        load_suite(file)
