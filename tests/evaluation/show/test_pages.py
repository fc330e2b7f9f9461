"""Pages: whole in one file, with what they promise; and what counts as a bad segment."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import needs_browser, opened
from evaluation.made_up import clips, measurement

from vtlab import media, plots
from vtlab.errors import InputError
from vtlab.evaluation.compare.comparison import compare_systems
from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.show import worst
from vtlab.evaluation.show.comparison import Comparison
from vtlab.evaluation.show.pages import write_page
from vtlab.evaluation.show.run import Run, load_run
from vtlab.evaluation.show.worst import worst_segments
from vtlab.releases.evidence import Gate

NAME = "<b>a & b</b>"  # of a configuration: text, not markup


class _Links(HTMLParser):
    """Everything that a page would fetch, and whether its tags close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in ("meta", "br", "wbr", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _whole(page: str) -> list[str]:
    """Asserts that the page needs nothing from outside; returns its sounds."""
    links = _Links(page)
    assert links.open == []
    outside = [link for link in links.fetched if not link.startswith(("#", "data:"))]
    assert outside == []
    assert not re.findall(r"url\((?!#|&quot;#)", page) and "@import" not in page
    return [link for link in links.fetched if link.startswith("data:audio/")]


def compared(*systems: System) -> Comparison:
    return Comparison(**vars(compare_systems(systems, samples=100)))


def test_a_comparison_is_one_whole_file() -> None:
    page = compared(System("base", clips(2)), System(NAME, clips(2, tool=1))).page()
    assert _whole(page) == []
    assert page.count("<svg") == 2  # quality against cost, differences
    assert NAME not in page and "&lt;b&gt;a &amp; b&lt;/b&gt;" in page
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_a_run_has_its_numbers_gates_worst_segments_and_origin(tmp_path: Path) -> None:
    made = {"clip": measurement(3)}
    sound = tmp_path / "sound.flac"
    rng = np.random.default_rng(1)
    media.write_flac([(0.1 * rng.standard_normal((24000 * 30, 1))).astype(np.float32)], 24000, sound)
    page = Run(
        System(NAME, made, failed={"other": "Nobody speaks in it."}),
        gates={"wer": Gate(max=0.5), "bleu": Gate(min=99), "duration_error_frames": Gate(max=1)},
        settings="tts:\n  voice: x\n",
        origin=(("commit", "abc123"),),
        weights=(("base", "0123456789"),),
        media={"clip": (sound, sound)},
    ).page()
    sounds = _whole(page)
    assert 2 <= len(sounds) <= 2 * worst.MOST and len(sounds) % 2 == 0
    assert max(map(len, sounds)) < 120_000
    for said in (
        "1 clip measured, Portuguese to English",
        "abc123",
        "sha256 0123456789",
        "voice: x",
        "Nobody speaks in it.",
        "nobody measured it",
    ):
        assert said in page
    assert page.count(">passed<") == 1 and page.count(">failed<") == 1


def test_a_run_without_sounds_says_so() -> None:
    page = Run(System("a", {"clip": measurement(3)})).page()
    assert _whole(page) == []
    assert "No sound of clip" in page


def test_the_worst_come_first_with_reasons() -> None:
    made = measurement(1, segments=4, mistakes=0.0, spread_ms=1.0, silent=0.0)
    assert worst_segments({"clip": made}) == []
    rows = list(made.segments)
    start, end = rows[1].start or 0.0, rows[1].end or 0.0
    late = {"dubbed_start": start + 0.3, "dubbed_end": end + 0.3, "onset_ms": 300.0, "offset_ms": 300.0}
    silent = {"dubbed_start": None, "dubbed_end": None, "onset_ms": None, "offset_ms": None, "heard": ""}
    rows[1], rows[2] = rows[1].model_copy(update=late), rows[2].model_copy(update=silent)
    lines = [line.model_copy(update={"speed": 1.5 if line.id == 3 else 1.0}) for line in made.dub_segments]
    found = worst_segments({"clip": made.model_copy(update={"segments": tuple(rows), "dub_segments": tuple(lines)})})
    assert [(one.unit.segment.index, one.reasons) for one in found if one.unit.segment] == [
        (2, ("not heard in the dub",)),
        (3, ("spoken at 1.500 times the natural speed",)),
        (1, ("starts 300 ms late",)),
    ]


LONG = "engines=kokoro,voice=large_and_slow"
LAID_OUT = """() => {
    const wide = (all) => [...all].filter((one) => one.scrollWidth > one.clientWidth).length;
    const verdicts = [...document.querySelectorAll(".stack .said:not(:empty)")];
    return {
        page: document.documentElement.scrollWidth,
        tables: wide(document.querySelectorAll(".wide:has(.stack)")),
        pictures: wide(document.querySelectorAll("figure")),
        letters: Math.min(...[...document.querySelectorAll("svg")].map(
            (one) => 9 * one.getBoundingClientRect().width / one.viewBox.baseVal.width)),
        verdicts: verdicts.filter((one) => one.getBoundingClientRect().right <= document.body.clientWidth).length
            / verdicts.length,
    };
}"""


@needs_browser
@pytest.mark.parametrize(("width", "scrolled"), [(400, True), (700, True), (1200, False)])
def test_pages_read_at_any_width(tmp_path: Path, width: int, scrolled: bool) -> None:
    gates = {"wer": Gate(max=0.5), "bleu": Gate(min=99)}
    pages = {
        "comparison": compared(System("base", clips(2)), System(LONG, clips(2, tool=1))).page(),
        "run": Run(System(f"suite/{LONG}", clips(2)), gates=gates).page(),
    }
    for name, page in pages.items():
        file = tmp_path / f"{name}.html"
        write_page(file, page)
        with opened(file.as_uri(), width=width) as shown:
            found = shown.evaluate(LAID_OUT)
        assert found["letters"] >= plots.LEAST_PX - 0.1, name
        assert (found["pictures"] > 0) == scrolled, name
        assert (found["page"], found["tables"], found["verdicts"]) == (width, 0, 1), name


def test_a_page_of_a_file_and_one_of_too_many(tmp_path: Path) -> None:
    file = tmp_path / "straight.json"
    file.write_text(measurement(1).model_dump_json(), encoding="utf-8")
    assert list(load_run(file).system.clips) == ["straight"]
    with pytest.raises(InputError, match="Choose another file"):
        write_page(file / "page.html", "")


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path) -> None:
    page = compared(System("a", clips(2)), System("b", clips(2, tool=1))).page()
    write_page(tmp_path / "new" / "page.html", page)
    write_page(tmp_path / "new" / "page.html", page)
    (tmp_path / "talk.mp4").write_bytes(b"\0\0\0 ftypisom")
    with pytest.raises(InputError, match=r"talk\.mp4 is there already and is not an HTML page"):
        write_page(tmp_path / "talk.mp4", page)
    assert (tmp_path / "talk.mp4").read_bytes() == b"\0\0\0 ftypisom"
