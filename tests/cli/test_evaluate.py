import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sweeping import suite_data, write_dataset, write_suite
from typer.testing import CliRunner

from vtlab.evaluation.dataset import load_dataset
from vtlab.evaluation.show.terminal import sweep_data, sweep_table
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.suite.model import Suite
from vtlab.evaluation.sweep.results import ClipResult, Corpus, StageCount
from vtlab.evaluation.sweep.run import Outcome, Sweep
from vtlab.metrics.registry import METRICS
from vtlab.releases.evidence import judge_gates

LIMIT_S = 600  # only ends a hang


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("eval")
    gates = {"wer": {"max": 0.1}, "chrf": {"min": 50}}
    matrix = {"tts.options.espeak.wpm": [150]}
    return write_suite(home / "small.yaml", suite_data(write_dataset(home / "data"), gates=gates, matrix=matrix))


def outcome(suite: Suite, values: dict[str, float], *, failed: int = 0) -> Outcome:
    (configuration,) = suite.configurations()
    facts = {
        "suite": "small", "configuration": configuration.name, "fingerprint": "f", "dataset": "data",
        "dataset_digest": "d", "key": "k",
    }  # fmt: skip
    stages = {"transcription": StageCount(computed=3, reused=1, dubs_computed=1, dubs_reused=0, seconds=2.0)}
    results = [ClipResult(**facts, clip="one", status="finished", stages=stages, seconds=2.5)]
    if failed:
        results.append(
            ClipResult(**facts, clip="two", status="failed", error="It is silent.", error_code="E_NO_SPEECH")
        )
    gates = tuple(judge_gates(suite.gates, values))
    return Outcome(configuration, tuple(results), Corpus(values, {}, 1, failed), gates, stages, "0123")


def swept(suite: Suite, *outcomes: Outcome) -> Sweep:
    dataset = load_dataset(suite.dataset_folder)
    return Sweep(suite, dataset, dataset.clips, outcomes, 2, 0, 5.0)


def test_the_table(suite: Path) -> None:
    loaded = load_suite(suite)
    lines = sweep_table(swept(loaded, outcome(loaded, {"wer": 0.25, "chrf": 61.234, "completeness": 1.0}, failed=1)))
    assert lines == [
        "small: 1 configuration on 2 clips of data",
        "",
        "configuration  clips          chrf  wer    completeness  gates  computed s",
        "wpm=150        1/2, 1 failed  61.2  0.250  1.000         1/2    2.5",
        "",
        "wpm=150",
        "  two: It is silent.",
        "  gate wer 0.250 (failed: ≤ 0.1)",
        "",
        "What stages did, over all dubs:",
        "stage          dubs computed  dubs reused  answers computed  answers reused",
        "transcription  1              0            3                 1",
        "",
        "2 results made, 0 found, 5.0 s",
    ]


def test_the_table_has_the_gates_and_a_cost_however_many_headlines_there_are(suite: Path) -> None:
    loaded = load_suite(suite)
    values = {name: 1.0 for name, metric in METRICS.items() if metric.headline is not None} | {"wer": 0.05}
    header = sweep_table(swept(loaded, outcome(loaded, values)))[2].split()
    assert {"rtf", *loaded.gates} <= set(header) and "voice_mos" not in header
    assert header.index("asr_chrf") < header.index("wer") < header.index("rtf")


def test_the_data(suite: Path) -> None:
    loaded = load_suite(suite)
    done = swept(loaded, outcome(loaded, {"wer": 0.05}, failed=1))
    data = json.loads(json.dumps(sweep_data(done)))
    (configuration,) = data["configurations"]
    assert configuration["clips"] == {"finished": 1, "degraded": 0, "failed": 1}
    assert configuration["failures"] == [{"clip": "two", "code": "E_NO_SPEECH", "error": "It is silent."}]
    assert configuration["gates"] == [
        {"metric": "wer", "min": None, "max": 0.1, "value": 0.05, "passed": True},
        {"metric": "chrf", "min": 50, "max": None, "value": None, "passed": False},
    ]
    assert configuration["run_id"] == "0123"
    assert data["stages"]["transcription"]["computed"] == 3
    assert data["clips"] == ["one", "two"]


@pytest.mark.parametrize(
    ("values", "failed", "good"),
    [
        ([{"wer": 0.05, "chrf": 60.0}], 0, True),
        ([{"wer": 0.05, "chrf": 60.0}], 1, False),
        ([{"wer": 0.2, "chrf": 60.0}], 0, False),
        ([{"wer": 0.05}], 0, False),
        ([{"wer": 0.2, "chrf": 60.0}, {"wer": 0.05, "chrf": 60.0}], 0, True),
    ],
)
def test_good_is_no_failure_and_one_that_passes(
    suite: Path, values: list[dict[str, float]], failed: int, good: bool
) -> None:
    loaded = load_suite(suite)
    assert swept(loaded, *(outcome(loaded, one, failed=failed) for one in values)).good is good


def test_what_is_wrong_with_a_suite_is_an_error(tmp_path: Path, suite: Path) -> None:
    from vtlab.cli import app
    from vtlab.errors import SettingsError

    wrong = write_suite(tmp_path / "wrong.yaml", suite_data(suite.parent / "data", metrics=["txt"]))
    result = CliRunner().invoke(app, ["eval", str(wrong)])
    assert isinstance(result.exception, SettingsError)
    assert "Did you mean 'text'?" in str(result.exception)


def test_stopped_by_ctrl_c_it_goes_on_later_and_reports(suite: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "VTLAB_STORE": str(tmp_path / "store"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    command = [sys.executable, "-m", "vtlab", "eval", str(suite), "--out", str(tmp_path / "out"), "--json"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
        )

    stopped = start()
    assert stopped.stderr is not None
    for line in stopped.stderr:
        if re.match(r"\[1/2\]", line):
            stopped.send_signal(signal.SIGINT)
            break
    out, err = stopped.communicate(timeout=LIMIT_S)
    assert stopped.returncode == 130, err
    assert "Stopped." in err and "Traceback" not in err
    assert out == ""

    finished = start()
    out, err = finished.communicate(timeout=LIMIT_S)
    assert finished.returncode == 0, err
    data = json.loads(out)
    assert data["results_found"] >= 1
    assert data["results_made"] + data["results_found"] == 2
    (configuration,) = data["configurations"]
    assert configuration["passed"] and configuration["run_id"]
    assert (tmp_path / "out" / "small" / "wpm=150" / "evaluate.html").is_file()
