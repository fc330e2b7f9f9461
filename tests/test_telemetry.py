"""Libraries that report to their makers are told not to before they load, so nothing of theirs is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vtlab
from vtlab.weights import cache_folder

ROOT = Path(vtlab.__file__).parents[1]
FOX = ROOT / "datasets" / "people" / "clips" / "fox_pt.flac"

MLFLOW = """
from vtlab.evaluation.tracking.connection import create_store
create_store("sqlite:///mlflow.db", ["one"])
from mlflow.telemetry.client import get_telemetry_client
assert get_telemetry_client() is None
"""
HUB = """
from huggingface_hub import constants
assert constants.HF_HUB_DISABLE_TELEMETRY
"""
RAY = """
from ray._common.usage.usage_lib import usage_stats_enabled
assert not usage_stats_enabled()
"""


def environment(home: Path, **chosen: str) -> dict[str, str]:
    """This process's environment with an empty home, as if vtlab had never been imported here."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # mlflow sends nothing where it sees that it is tested
        if name not in vtlab.TELEMETRY_OFF and not name.startswith(("XDG_", "PYTEST_", "HF_", "CI"))
    }
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "VTLAB_WEIGHTS": str(cache_folder()), **chosen}


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def run(command: list[str], home: Path, folder: Path, **chosen: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], env=environment(home, **chosen), cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "program",
    ["import onnxruntime", "import faster_whisper", MLFLOW, HUB, RAY],
    ids=["onnxruntime", "faster_whisper", "mlflow", "hub", "ray"],
)
def test_a_library_that_loads_after_vtlab_leaves_nothing_in_the_home(program: str, home: Path, tmp_path: Path) -> None:
    run(["-c", f"import vtlab\n{program}"], home, tmp_path)
    assert files(home) == []


def test_a_dub_leaves_nothing_in_the_home(home: Path, tmp_path: Path) -> None:
    command = ["-m", "vtlab", "dub", str(FOX), "--from", "pt", "--to", "en", "--out", str(tmp_path / "out")]
    run([*command, "--set", "initialization.offline=true"], home, tmp_path, VTLAB_STORE=str(tmp_path / "store"))
    assert list((tmp_path / "out").iterdir())
    assert files(home) == []


def test_what_the_user_has_set_stays(home: Path, tmp_path: Path) -> None:
    program = "import vtlab, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    run(["-c", program], home, tmp_path, ORT_DISABLE_TELEMETRY="0")


def test_a_notebook_is_opened_without_asking_for_updates(home: Path, tmp_path: Path) -> None:
    # marimo asks its maker for the newest version where it edits, unless this is set as it starts
    program = "import vtlab, os; assert os.getenv('MARIMO_SKIP_UPDATE_CHECK') == '1'"
    run(["-c", program], home, tmp_path)
