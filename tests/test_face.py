"""What ``import vtlab`` offers, and what it costs."""

from __future__ import annotations

import doctest
import inspect
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dubbing import Dubbing

import vtlab
from vtlab.outputs import Dub

ROOT = Path(__file__).parents[1]
EXAMPLES_IN_ORDER = (
    "dub",
    "measure",
    "load_settings",
    "load_dataset",
    "load_suite",
    "forecast",
    "evaluate",
    "evaluate_configuration",
    "compare",
    "load_run",
    "promote",
    "rollback",
)
CLASSES_WITH_EXAMPLES = ("Dub", "Settings", "Comparison", "Run", "Sweep", "Suite", "Release", "Dataset")
HEAVY = ("numpy", "pydantic", "av", "yaml", "vtlab.settings", "vtlab.pipeline")


def test_importing_vtlab_imports_nothing_heavy() -> None:
    code = f"import sys, vtlab; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", vtlab.__all__)
def test_every_name_is_there_and_explained(name: str) -> None:
    offered = getattr(vtlab, name)
    assert offered.__doc__
    if callable(offered) and not isinstance(offered, type):
        assert "Examples:" in offered.__doc__ and "Args:" in offered.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'dubb'"):
        _ = vtlab.dubb


def test_stages_are_loaded_by_name() -> None:
    assert callable(vtlab.stages.transcription.transcribe)
    with pytest.raises(AttributeError):
        _ = vtlab.stages.transcriptions


def test_the_examples_run(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The examples of all functions, then of classes, one after another as a newcomer would try them."""
    monkeypatch.setenv("VTLAB_STORE", str(sentences[0].store))
    monkeypatch.chdir(tmp_path)
    shutil.copy(sentences[0].video, "talk.mp4")
    (tmp_path / "evals").symlink_to(ROOT / "evals")
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for name in (*EXAMPLES_IN_ORDER, *CLASSES_WITH_EXAMPLES):
        (example,) = [case for case in finder.find(getattr(vtlab, name), name) if case.examples]
        assert runner.run(example).failed == 0, capfd.readouterr().out
    functions = {name for name in vtlab.__all__ if inspect.isfunction(getattr(vtlab, name))}
    assert functions == set(EXAMPLES_IN_ORDER)


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_notebook_shows_players_time_line_and_findings(sentences: tuple[Dubbing, Dub]) -> None:
    made = sentences[1]
    page = made._repr_html_()
    tags = _Tags(page)
    assert tags.open == []  # every tag is closed
    assert tags.seen.count("video") == 2
    assert tags.seen.count("rect") == 2 * len(made.record.segments)
    assert tags.seen.count("tr") == len(made.record.findings)
    assert made.record.segments[0].text in page
