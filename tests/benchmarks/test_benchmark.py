import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from benchmark import Figures, pooled, shown, speed_needed, tables, vtlab_result  # noqa: E402

from vtlab.evaluation.dataset import load_dataset  # noqa: E402
from vtlab.measurement.matching import PlannedSegment  # noqa: E402
from vtlab.record import FindingRecord, Output, Record, SegmentRecord, Source  # noqa: E402
from vtlab.segments import Interval  # noqa: E402


def line(start: float, end: float, speed: float) -> PlannedSegment:
    return PlannedSegment(Interval(start, end), Interval(start, end), speed, "words")


def figures(tool: str, **values: object) -> Figures:
    return Figures("clip", tool, ("spoken", "pt"), **values)  # type: ignore[arg-type]


def test_figures_are_pooled_over_lines_and_over_time() -> None:
    one = figures("vtlab", lines=3, within_150ms=1.0, onsets_ms=[10.0, -20.0, 30.0], overlap=0.9, seconds=30.0)
    other = figures("vtlab", lines=1, unmatched=1, within_150ms=0.0, overlap=0.6, seconds=10.0)
    together = pooled([one, other])
    assert together["onsets within ±150 ms"] == 0.75
    assert together["mean onset error, ms"] == 20.0
    assert together["speech overlap"] == pytest.approx(0.825)
    assert together["lines not found in the dub"] == 1
    assert together["chrF of the recognised dub"] is None and together["completeness, lowest"] is None


def test_the_speed_that_a_crowded_stretch_needs() -> None:
    # 2 s and 3 s at 1.2 are 6 s of natural speech in 5 s less one gap
    assert speed_needed([line(1, 3, 1.2), line(3, 6, 1.2)]) == pytest.approx(6 / 4.97)
    assert speed_needed([]) is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (3.0, "3"), (0.9716, "0.972"), (31.25, "31.2"), (534.4, "534")]
)
def test_shown(value: float | None, text: str) -> None:
    assert shown(value) == text


def test_a_tool_that_failed_is_named_and_not_counted() -> None:
    text = tables([figures("straight", lines=2, within_150ms=0.5), figures("vtlab", failed="exit 1: no weights")])
    assert "| onsets within ±150 ms | 0.500 |  |" in text
    assert "- clip (vtlab): exit 1: no weights" in text


def test_the_record_of_a_dub_is_read(tmp_path: Path) -> None:
    clip = load_dataset(ROOT / "datasets" / "people").clip("fox_pt")
    segment = SegmentRecord(
        id=0, start=0.4, end=3.6, text="Uma raposa.", words=[], speaker=None, confidence=0.9, translation="A fox.",
        candidates=["A fox."], spoken_text="A fox!", voice="joe", engine="piper", attempts=1, failed=None, rate=1.1,
        speed=1.2, planned_start=0.5, planned_end=3.0, measured_start=None, measured_end=None,
    )  # fmt: skip
    source = Source(
        file="fox_pt.flac", sha256="", seconds=4.4, container="flac", video=None, audio_stream=0, audio_streams=1,
        language="pt", language_confidence=None,
    )  # fmt: skip
    finding = FindingRecord(
        stage="audio_sync", code="rushed", severity="warning", message="", segment=0, value=1.3, limit=1.2
    )
    record = Record(
        vtlab="0", created="", source=source, source_language="pt", target_language="en", settings={}, fingerprint="",
        engines=[], segments=[segment], speech=[], findings=[finding, finding], stages=[], loudness_lufs=None,
        true_peak_dbtp=None, completeness=1.0, degraded=False, wall_s=1.0, peak_rss_mb=1.0,
        outputs=[Output(kind="audio", file="/elsewhere/fox_pt.en.m4a", sha256="", bytes=1)],
    )  # fmt: skip
    (tmp_path / "vtlab").mkdir()
    (tmp_path / "vtlab" / "fox_pt.en.dub.json").write_text(record.model_dump_json(), encoding="utf-8")
    ours = figures("vtlab")
    lines, track, result = vtlab_result(ours, clip, tmp_path)
    assert lines == [PlannedSegment(Interval(0.4, 3.6), Interval(0.5, 3.0), 1.2, "A fox!")]
    assert (track, result) == (tmp_path / "vtlab" / "fox_pt.en.speech.flac", tmp_path / "vtlab" / "fox_pt.en.m4a")
    assert ours.findings == {"rushed": 2}


def test_the_straight_script_dubs_a_sentence(tmp_path: Path) -> None:
    clip = ROOT / "datasets" / "people" / "clips" / "fox_pt.flac"
    command = [sys.executable, str(ROOT / "benchmarks" / "straight_script.py"), str(clip), "--from", "pt", "--to", "en"]
    subprocess.run([*command, "--out", str(tmp_path)], check=True, timeout=300)
    (spoken,) = json.loads((tmp_path / "fox_pt.en.lines.json").read_text(encoding="utf-8"))["lines"]
    assert "fox" in spoken["translation"].lower()
    assert spoken["placed_end"] > spoken["placed_start"] == pytest.approx(spoken["start"], abs=1e-3)
    assert 1.0 <= spoken["speed"] <= 1.1
    assert (tmp_path / "fox_pt.en.mp4").stat().st_size > 10_000
