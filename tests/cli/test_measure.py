import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.errors import InputError
from vtlab.evaluation.dataset import load_dataset
from vtlab.measurement.references import read_reference
from vtlab.measurement.results import Measurement

PEOPLE = Path(__file__).parents[2] / "datasets" / "people"
CLIP = PEOPLE / "clips" / "hello_video_en.mp4"
ASKED = [str(CLIP), "--source", str(CLIP), "--from", "en", "--to", "pt"]


def test_the_table_has_values_targets_and_verdicts() -> None:
    names = "sync_within_150ms,true_peak_dbtp,duration_error_frames,wer,wall_s"
    done = CliRunner().invoke(app, ["measure", *ASKED, "--metrics", names])
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line for line in done.output.splitlines() if line.strip()}
    assert "≥ 0.97" in rows["sync_within_150ms"] and "met" in rows["sync_within_150ms"]
    assert "frames" in rows["duration_error_frames"] and "≤ 1" in rows["duration_error_frames"]
    assert "wer: needs a reference (--reference)" in done.output
    assert "wall_s: needs the tool's record (--record)" in done.output


def test_json_is_a_measurement() -> None:
    manifest = PEOPLE / "manifest.jsonl"
    asked = [*ASKED, "--reference", str(manifest), "--metrics", "sync_onset_ms", "--json"]
    done = CliRunner().invoke(app, ["measure", *asked])
    assert done.exit_code == 0, done.output
    found = Measurement.model_validate_json(done.stdout)
    assert len(found.segments) == len(load_dataset(PEOPLE).clip("hello_video_en").segments)
    assert set(found.values) == {"sync_onset_ms"}


def test_references_of_every_kind(tmp_path: Path) -> None:
    manifest = PEOPLE / "manifest.jsonl"
    lines, cues = read_reference(manifest, CLIP)
    assert lines[0].start is not None and cues is None
    one = tmp_path / "one.json"
    clip = json.loads(next(line for line in manifest.read_text("utf-8").splitlines() if "hello_video_en" in line))
    one.write_text(json.dumps(clip, indent=1), encoding="utf-8")
    assert read_reference(one, Path("another.mp4"))[0] == lines
    srt = tmp_path / "one.srt"
    srt.write_text("1\n00:00:01,000 --> 00:00:02,000\nBom\ndia.\n", encoding="utf-8")
    lines, cues = read_reference(srt, CLIP)
    assert [line.translation for line in lines] == ["Bom dia."] and lines[0].start is None
    assert cues is not None and cues[0].text == "Bom\ndia."
    text = tmp_path / "one.txt"
    text.write_text("Bom dia.\n\nAté logo.\n", encoding="utf-8")
    assert [line.translation for line in read_reference(text, CLIP)[0]] == ["Bom dia.", "Até logo."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": 1}', "is no line of a manifest"),
        ('{"file": "a"}\n{"file": "b"}', "has no clip of the file hello_video"),
    ],
)
def test_a_wrong_reference_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "ref.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_reference(file, CLIP)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["measure", *ASKED, "--record", str(tmp_path / "none.dub.json")])
    assert isinstance(done.exception, InputError) and "none.dub.json" in str(done.exception)
