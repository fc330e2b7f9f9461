"""The scripts of ``examples/``, run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CLIP = ROOT / "datasets" / "people" / "clips" / "fox_pt.flac"


def run(name: str, folder: Path, *arguments: object) -> str:
    """Return what the example prints, run in an empty folder."""
    environment = {**os.environ, "VTLAB_STORE": str(folder / "store"), "PYTHONPATH": f"{ROOT}:{EXAMPLES}"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dubbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which ``examples/dub.py`` has dubbed the clip."""
    folder = tmp_path_factory.mktemp("example")
    printed = run("dub", folder, CLIP, "--from", "pt", "--to", "en")
    assert "fox_pt.en.m4a" in printed and "translation" in printed
    return folder


def test_examples_are_short() -> None:
    for file in EXAMPLES.glob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 40, file.name


def test_measure_any(dubbed: Path) -> None:
    printed = run(
        "measure_any", dubbed, dubbed / "dubbed/fox_pt.en.m4a", "--source", CLIP, "--from", "pt", "--to", "en"
    )
    assert "speed_mean" in printed


def test_own_engine(dubbed: Path) -> None:
    assert "1 rows" in run("own_engine", dubbed, CLIP, "en", "pt")


def test_own_metric(dubbed: Path) -> None:
    manifest = ROOT / "datasets" / "people" / "manifest.jsonl"
    assert "no number is spoken" in run("own_metric", dubbed, dubbed / "dubbed/fox_pt.en.m4a", CLIP, manifest)


def test_own_dataset(dubbed: Path) -> None:
    subtitles = [dubbed / "dubbed" / f"fox_pt.{language}.srt" for language in ("pt", "en")]
    printed = run("own_dataset", dubbed, "mine", CLIP, *subtitles, "pt", "en")
    assert "fox_pt" in printed and "sync_within_150ms" in printed
