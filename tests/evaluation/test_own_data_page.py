"""The page `docs/how-to/own-data.md` is followed as a reader would, up to the sweep itself."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.evaluation.suite.loader import load_suite

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-data.md"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SWEEPS = ("eval mine.yaml", "compare --suite mine")  # a minute of dubbing, which other tests do


def test_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = []
    for kind, title, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if title:
            Path(title).write_text(text, encoding="utf-8")
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), {})
        elif kind == "console":
            for block in text.replace("\\\n", " ").split("$ ")[1:]:
                line, _, shown = block.partition("\n")
                words = shlex.split(line)[1:]
                if " ".join(words) in SWEEPS:
                    continue
                result = CliRunner().invoke(app, words)
                assert result.exit_code == 0, result.exception
                if shown:
                    assert result.stdout == shown, line
                ran.append(words[0])
    assert ran.count("dataset") == 2
    assert [one.name for one in load_suite("mine.yaml").configurations()] == ["beam_size=1", "beam_size=5"]
