import json
from pathlib import Path
from typing import Any

import pytest
from sweeping import run, suite_data, write_dataset, write_suite
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.evaluation.api import forecast
from vtlab.evaluation.show.terminal import format_duration
from vtlab.evaluation.sweep.forecast import DUB, MEASURE, Forecast


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set, and the results of a sweep of two voices over it."""
    home = tmp_path_factory.mktemp("forecast")
    write_dataset(home / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VTLAB_STORE", str(home / "store"))
        run(suite(home), home / "out")
    return home


def suite(home: Path, **more: Any) -> Path:
    return write_suite(home / f"suite{len(list(home.glob('*.yaml')))}.yaml", suite_data(home / "data", **more))


def stages(found: Forecast) -> dict[str, tuple[int, int]]:
    return {one.stage: (one.needed, one.made) for one in found.stages}


def test_configurations_share_what_does_not_depend_on_them(home: Path, tmp_path: Path) -> None:
    found = forecast(suite(home), out=tmp_path)
    # both clips are the same file
    assert stages(found)["transcription"] == stages(found)["translation"] == (1, 0)
    assert stages(found)["tts"] == stages(found)["video_combination"] == (2, 0)
    assert found.basis == "documented rates of a machine with two cores"
    assert list(found.expected) == [("one", "wpm=150"), ("one", "wpm=180"), ("two", "wpm=150"), ("two", "wpm=180")]
    first, voice, *again = found.expected.values()
    assert first == pytest.approx(3.572 * (DUB + MEASURE))
    assert first > voice > again[0] == again[1] == pytest.approx(3.572 * MEASURE)
    assert found.seconds == pytest.approx(sum(found.expected.values()))


def test_finished_results_are_not_forecast(home: Path) -> None:
    found = forecast(suite(home), out=home / "out")
    assert (found.plan.found, found.expected) == (4, {})


def test_earlier_results_tell_what_is_in_the_store_and_how_long_it_takes(home: Path) -> None:
    found = forecast(suite(home, matrix={"tts.options.espeak.wpm": [150, 200]}), out=home / "out")
    assert found.plan.found == 2
    assert stages(found)["translation"] == (1, 1)
    assert stages(found)["tts"] == (1, 0)
    assert found.basis.startswith("earlier results of this suite")
    assert all(0 < seconds < 60 for seconds in found.expected.values())
    other = forecast(suite(home, name="other", matrix={"tts.options.espeak.wpm": [150, 200]}), out=home / "out")
    assert stages(other)["tts"] == (2, 1)
    assert other.basis.startswith("earlier results of other suites")


def test_losses_and_costs_take_longer(home: Path, tmp_path: Path) -> None:
    plain = forecast(suite(home), out=tmp_path).seconds
    assert forecast(suite(home, losses=True), out=tmp_path).seconds > plain
    assert forecast(suite(home, metrics=["wer", "cost"]), out=tmp_path).seconds > plain
    assert forecast(suite(home), limit=1, out=tmp_path).seconds < plain


def test_time_left_falls_to_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTLAB_STORE", str(home / "store"))
    _, lines = run(suite(home), tmp_path / "out")
    assert lines.left_s[-1] == 0
    assert all(left > 0 for left in lines.left_s[:-1])


def test_a_dry_run_makes_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VTLAB_STORE", str(tmp_path / "store"))
    options = {"sweeping:Fragile": {"refuses": True, "file": str(home / "data" / "lines.json")}}
    refusing = {"transcription": {"engine": "sweeping:Fragile", "options": options}}
    file = str(suite(home, matrix={"a": {"refusing": refusing}}))
    shown = CliRunner().invoke(app, ["eval", file, "--dry-run"])
    assert shown.exit_code == 0, shown.exception
    assert "small: 1 configuration on 2 clips of data (7.1 s)" in shown.stdout
    assert "0 of 2 results are there already; the other 2 take about" in shown.stdout
    data = json.loads(CliRunner().invoke(app, ["eval", file, "--dry-run", "--json"]).stdout)
    assert (data["results_to_make"], data["results_found"]) == (2, 0)
    assert data["stages"]["transcription"] == {"needed": 1, "made_before": 0}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (42.4, "42 s"), (99, "99 s"), (100, "2 min"), (3600, "1 h 0 min"), (12060, "3 h 21 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said
