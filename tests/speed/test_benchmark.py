import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from benchmark import Figures, pooled, shown, speed_needed, tables  # noqa: E402

from vtlab.measure import DubbedLine  # noqa: E402
from vtlab.segments import Interval  # noqa: E402


def line(start: float, end: float, speed: float) -> DubbedLine:
    return DubbedLine(Interval(start, end), Interval(start, end), speed, "words")


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


def test_the_straight_script_dubs_a_sentence(tmp_path: Path) -> None:
    clip = HERE.parents[1] / "datasets" / "people" / "clips" / "fox_pt.flac"
    command = [sys.executable, str(HERE / "straight_script.py"), str(clip), "--from", "pt", "--to", "en"]
    subprocess.run([*command, "--out", str(tmp_path)], check=True, timeout=300)
    (spoken,) = json.loads((tmp_path / "fox_pt.en.lines.json").read_text(encoding="utf-8"))["lines"]
    assert "fox" in spoken["translation"].lower()
    assert spoken["placed_end"] > spoken["placed_start"] == pytest.approx(spoken["start"], abs=1e-3)
    assert 1.0 <= spoken["speed"] <= 1.1
    assert (tmp_path / "fox_pt.en.mp4").stat().st_size > 10_000
