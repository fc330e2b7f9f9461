import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.errors import InputError

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "datasets" / "people" / "clips"
FOX, JFK = CLIPS / "fox_pt.flac", CLIPS / "jfk_en.flac"


def invoke(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.exception
    return result


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("Uma raposa.\n", encoding="utf-8")
    two.write_text("A fox.\n", encoding="utf-8")
    return one, two


def test_two_videos_become_a_data_set(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    one, two = texts
    made = invoke(
        "dataset", "new", tmp_path / "mine", "--clip", FOX, "--transcript", one, "--translation", two,
        "--clip", JFK, "--transcript", two, "--translation", one, "--from", "pt", "--to", "en", "--from", "en",
        "--to", "pt", "--licence", "MIT", "--tag", "short",
    )  # fmt: skip
    assert made.stdout.splitlines() == [
        f"fox_pt: pt-en, 4.4 s, 1 segments, {tmp_path}/mine/clips/fox_pt.flac",
        f"jfk_en: en-pt, 11.0 s, 1 segments, {tmp_path}/mine/clips/jfk_en.flac",
    ]
    assert "fox_pt: no origin is given" in made.stderr
    first, second = map(json.loads, (tmp_path / "mine" / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    assert first["segments"] == [{"text": "Uma raposa.", "translation": "A fox."}]
    assert second["segments"] == [{"text": "A fox.", "translation": "Uma raposa."}]
    assert first["licence"] == second["licence"] == "MIT" and first["tags"] == second["tags"] == ["short"]

    checked = invoke("dataset", "check", tmp_path / "mine")
    assert "line 1: warning: no origin is given" in checked.stdout
    assert checked.stdout.splitlines()[-1] == f"{tmp_path}/mine: 2 clips, 15.4 s, 2 segments"
    (listed,) = json.loads(invoke("datasets", tmp_path, "--json").stdout)
    assert listed == {
        "name": "mine", "clips": 2, "seconds": 15.4, "segments": 2, "pairs": ["en-pt", "pt-en"], "licences": ["MIT"],
        "folder": str(tmp_path / "mine"),
    }  # fmt: skip


def test_an_option_is_given_for_each_clip_or_for_all(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    words = ["dataset", "new", tmp_path / "mine", "--clip", FOX, "--clip", JFK, "--from", "pt", "--to", "en"]
    error = invoke(*words, "--transcript", texts[0], code=1).exception
    assert isinstance(error, InputError)
    assert "--transcript is given 1 times and --clip 2 times; give one for each clip" in str(error)
    assert not (tmp_path / "mine").exists()


def test_errors_are_exit_code_2(tmp_path: Path) -> None:
    shutil.copy(FOX, tmp_path / "fox.flac")
    clip = {
        "id": "fox", "file": "fox.flac", "source_language": "pt", "target_language": "en", "seconds": 9,
        "segments": [], "licence": "MIT", "origin": "here",
    }  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text(json.dumps(clip), encoding="utf-8")
    data = json.loads(invoke("dataset", "check", tmp_path, "--json", code=2).stdout)
    assert data["sound"] is False
    assert data["clips"][0]["segments"] == 0
    assert [(fault["line"], fault["clip"], fault["severity"]) for fault in data["faults"]] == [
        (1, "fox", "error"), (1, "fox", "warning"),
    ]  # fmt: skip


def test_what_cannot_be_read_is_listed_as_such(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.jsonl").write_text("{", encoding="utf-8")
    listed = invoke("datasets", tmp_path)
    assert "broken: " in listed.stderr and "line 1: Invalid JSON" in listed.stderr
    assert "No data set is in" in invoke("datasets", tmp_path / "broken" / "none").stderr


def test_the_bundled_ones_are_listed_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [row["name"] for row in json.loads(invoke("datasets", "--json").stdout)]
    assert names == ["people", "spoken"]
    table = invoke("datasets").stdout.splitlines()
    assert table[0].split() == ["data", "set", "clips", "seconds", "segments", "pairs", "licences", "folder"]
    assert table[2].split()[:4] == ["spoken", "16", "670.2", "174"]


def test_the_schema_takes_what_manifests_hold() -> None:
    schema = json.loads(invoke("dataset", "schema").stdout)
    assert set(schema["required"]) == {
        "id", "file", "source_language", "target_language", "seconds", "segments",
    }  # fmt: skip
    described = [*schema["properties"].values(), *schema["$defs"]["ReferenceSegment"]["properties"].values()]
    assert all(field.get("description") for field in described)
    for name in ("people", "spoken"):
        for line in (ROOT / "datasets" / name / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
            assert set(json.loads(line)) <= set(schema["properties"])
