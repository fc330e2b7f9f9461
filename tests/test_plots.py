"""Plots: what is drawn, by the artists of the figure; how it looks is for eyes."""

from __future__ import annotations

import base64
import io
import re
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from dubbing import Dubbing
from evaluation.made_up import measurement
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from pandas import DataFrame

from vtlab import plots
from vtlab.audio import LoudnessMeter
from vtlab.errors import InputError
from vtlab.measurement.results import Measurement
from vtlab.media.snippets import AROUND_S
from vtlab.metrics.rows import SegmentMeasure
from vtlab.outputs import Dub
from vtlab.plots import BLUE, GREY, ORANGE, RED, SHADE, Change, Estimate, Point
from vtlab.record import Record, SegmentRecord, Source, WordRecord
from vtlab.segments import Interval

CASES = Path(__file__).parent / "cases"


def test_drift_draws_each_segment_where_and_as_late_as_it_is() -> None:
    rows = (
        SegmentMeasure(index=0, start=1.0, end=2.0, onset_ms=40.0, offset_ms=-20.0),
        SegmentMeasure(index=1, start=3.0, end=4.0, onset_ms=-180.0, offset_ms=10.0),
        SegmentMeasure(index=2, start=5.0, end=6.0),  # not heard
    )
    (axes,) = plots.drift({"clip": _measured(rows)}).axes
    marks = {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_marker(), to_hex(line.get_color()))
        for line in axes.lines
        if line.get_marker() not in ("None", None, "")
    }
    assert marks == {
        (1.0, 40.0, "o", BLUE), (2.0, -20.0, "o", GREY), (3.0, -180.0, "o", RED), (4.0, 10.0, "o", GREY),
        (5.0, 0.0, "x", RED),
    }  # fmt: skip
    assert [text.get_text() for text in axes.texts] == ["segment 1: -180 ms"]


def test_drift_shows_the_clips_that_drift_most_and_says_so() -> None:
    clips = {f"clip_{n}": _measured((SegmentMeasure(index=0, start=1.0, end=2.0, onset_ms=n),)) for n in range(12)}
    figure = plots.drift(clips)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"clip_{n}" for n in range(4, 12)]
    assert "the 8 of 12 clips that drift most" in _headline(figure)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_a_table_is_whole() -> None:
    page = plots.table(DataFrame({"text": ["<b>" + "word " * 100] * 100, "seconds": [1.23456] * 100})).to_html()
    assert page.count("&lt;b&gt;" + "word " * 100) == 100 and page.count(">1.23<") == 100


def test_segments_have_players_of_source_and_dub(sentences: tuple[Dubbing, Dub]) -> None:
    dub = sentences[1]
    second = dub.record.segments[1]
    page = plots.segments(dub, second.start, second.end).to_html()
    (source, dubbed) = re.findall(r"<audio [^>]*src='data:audio/wav;base64,([^']+)'", page)
    for sound, (start, end) in (
        (source, (second.start, second.end)),
        (dubbed, (second.planned_start, second.planned_end)),
    ):
        with wave.open(io.BytesIO(base64.b64decode(sound))) as file:
            seconds = file.getnframes() / file.getframerate()
        assert seconds == pytest.approx(end - start + 2 * AROUND_S, abs=0.01)
    assert second.text in page and second.translation in page and dub.record.segments[0].text not in page


def test_source_and_dub_are_drawn_from_their_files(sentences: tuple[Dubbing, Dub]) -> None:
    dub = sentences[1]
    assert f"of {dub.record.source.seconds:.1f} s" in _headline(plots.source_waveform(dub))
    assert f"{dub.record.loudness_lufs:.1f} LUFS" in _headline(plots.dub_loudness(dub))


def test_speed_histogram_counts_every_line() -> None:
    figure = plots.speed_histogram({"a": [0.9, 1.0, 1.0, 1.31], "b": [1.0]})
    counts = [sum(patch.get_height() for patch in axes.patches if patch.get_width() < 0.1) for axes in figure.axes]
    assert counts == [4, 1]
    assert figure.axes[0].get_title(loc="left").startswith("a: median 1.00")


def test_pareto_joins_the_best_and_names_all() -> None:
    points = [Point("a", 60, 0.1, True), Point("b", 61, 0.3, False), Point("c", 67, 0.2, True)]
    (axes,) = plots.pareto(points, "chrf", "rtf").axes
    assert list(axes.lines[0].get_xdata()) == [0.1, 0.2]
    assert {text.get_text() for text in axes.texts} == {"a", "b", "c"}
    filled, hollow = axes.collections
    assert (len(filled.get_offsets()), len(hollow.get_offsets())) == (2, 1)
    (axes,) = plots.pareto(points, "wer", "rtf", lower_is_better=True).axes
    assert axes.yaxis_inverted()


def test_losses_have_a_panel_per_stage_and_a_bar_per_configuration() -> None:
    estimates = [Estimate(s, g, v, v - 1, v + 1) for s, v in (("recogniser", 4.0), ("voice", -2.0)) for g in ("x", "y")]
    figure = plots.losses(estimates)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["recogniser", "voice"]
    assert [[patch.get_width() for patch in axes.patches] for axes in figure.axes] == [[4.0, 4.0], [-2.0, -2.0]]


@pytest.mark.parametrize(
    ("change", "place", "colour", "filled"),
    [
        (Change("wer", -0.1, -0.2, -0.05, -1, ""), 0.5, BLUE, True),  # less is better: to the right
        (Change("bleu", -2.0, -4.0, -1.0, 1, ""), -0.5, RED, True),
        (Change("chrf", 1.0, -1.0, 2.0, 1, ""), 0.5, GREY, False),
        (Change("speed_mean", 0.1, 0.05, 0.2, 0, ""), 0.5, GREY, True),
        (Change("wer_ins", 0.0, 0.0, 0.0, -1, ""), 0.0, GREY, False),
    ],
)
def test_differences(change: Change, place: float, colour: str, filled: bool) -> None:
    (axes,) = plots.differences([change], "title").axes
    (mark,) = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    assert float(np.ravel(mark.get_xdata())[0]) == pytest.approx(place)
    assert to_hex(mark.get_color()) == colour
    assert (to_hex(mark.get_markerfacecolor()) == colour) == filled


def test_differences_of_which_neither_way_is_better_stand_apart() -> None:
    changes = [Change(name, 0.1, 0.05, 0.2, sign, "") for name, sign in (("wer", -1), ("speed_mean", 0), ("bleu", 1))]
    judged, others = plots.differences(changes, "title").axes
    assert _ticks(judged) == (["bleu", "wer"], ["← worse", "better →"])
    assert _ticks(others) == (["speed_mean"], ["← less", "more →"])
    assert others.get_title(loc="left") == "neither way is better"
    (alone,) = plots.differences(changes[1:2], "title").axes
    assert _ticks(alone) == _ticks(others)


def test_waveform_marks_speech() -> None:
    samples = np.sin(np.arange(32000) / 20).astype(np.float32) * np.float32(0.5)
    samples[8000:8010] = 0.9
    figure = plots.waveform(np.array_split(samples, 7), 16000, 2.0, [Interval(0.25, 0.75), Interval(1.0, 1.5)])
    (axes,) = figure.axes
    sound, shade, bars = axes.collections
    for spans in (shade, bars):
        edges = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in spans.get_paths()]
        assert edges == [(0.25, 0.75), (1.0, 1.5)]
    outline = sound.get_paths()[0].vertices
    assert outline[outline[:, 1].argmax()] == pytest.approx((0.5, 0.9), abs=0.002)
    assert "2 spans, 1.0 s of 2.0 s" in _headline(figure)
    plots.waveform([], 16000, 0.0, [])  # nothing at all is drawable


def test_words_stand_at_their_times_and_doubted_ones_out() -> None:
    record = _record([_line(0, 0.5, 2.0, "hello there", [("hello", 0.5, 1.0, 0.9), ("there", 1.2, 2.0, 0.2)])])
    (axes,) = plots.words(record).axes
    bars = [(patch.get_x(), patch.get_width(), to_hex(patch.get_facecolor())) for patch in axes.patches]
    assert bars == [(0.5, 0.5, BLUE), (1.2, pytest.approx(0.8), RED)]
    assert [text.get_text() for text in axes.texts] == ["hello", "there"]


def test_a_long_time_line_says_where_it_stops() -> None:
    record = _record([_line(0, 0.5, 2.0, "hello", [])], seconds=600.0)
    figure = plots.placements(record)
    assert len(figure.axes) == plots.ROWS
    assert "(to 120 s of 600 s)" in _headline(figure)
    assert len(plots.placements(record, 580.0, 600.0).axes) == 1


def test_placements_and_speeds() -> None:
    record = _record([_line(0, 1.0, 3.0, "one", [], speed=1.0), _line(1, 5.0, 7.0, "two", [], speed=1.4)])
    (axes,) = plots.placements(record).axes
    assert [(patch.get_x(), patch.get_width(), to_hex(patch.get_facecolor())) for patch in axes.patches] == [
        (1.0, 2.0, SHADE), (1.1, 2.0, BLUE), (5.0, 2.0, SHADE), (5.1, 2.0, RED),
    ]  # fmt: skip
    (axes,) = plots.speeds(record).axes
    assert {text.get_text() for text in axes.texts} == {"segment 0: 1.00", "segment 1: 1.40"}
    wider = record.model_copy(update={"settings": {"audio_sync": {"preferred_max_speed": 1.2, "max_speed": 1.5}}})
    (axes,) = plots.placements(wider).axes
    assert to_hex(axes.patches[-1].get_facecolor()) == ORANGE  # within the limits that it was made with


def test_letters_on_bars_can_be_read_and_what_is_beyond_the_limits_is_dashed() -> None:
    lines = [_line(n, 3 * n, 3 * n + 2, "words", [], speed) for n, speed in enumerate((1.0, 1.2, 1.6))]
    record = _record(lines, 10.0)
    wider = record.model_copy(update={"settings": {"audio_sync": {"max_speed": 1.5}}})
    (axes,) = plots.placements(wider).axes
    bars = {to_hex(bar.get_facecolor()): bar for bar in axes.patches}
    assert bars.keys() == {SHADE, BLUE, ORANGE, RED}
    assert {colour for colour, bar in bars.items() if bar.get_linestyle() != "solid"} == {RED}
    for bar, text in zip(axes.patches, axes.texts, strict=True):
        assert bar.get_x() <= text.get_position()[0] <= bar.get_x() + bar.get_width()
        assert _contrast(text.get_color(), to_hex(bar.get_facecolor())) >= 4.5, text.get_text()


def test_loudness_is_told_in_the_headline() -> None:
    tone, none = LoudnessMeter(48000, 1), LoudnessMeter(48000, 1)
    tone.add((0.1 * np.sin(2 * np.pi * 997 * np.arange(48000 * 5) / 48000)).astype(np.float32)[:, None])
    none.add(np.zeros((48000, 1), np.float32))
    figure = plots.loudness(tone)
    (axes,) = figure.axes
    assert axes.get_xlim() == (0, pytest.approx(5.0))
    assert f"{tone.lufs():.1f} LUFS integrated" in _headline(figure)
    assert "silence" in _headline(plots.loudness(none))


def test_subtitle_frame(tmp_path: Path) -> None:
    cues = tmp_path / "cues.srt"
    cues.write_text("1\n00:00:00,500 --> 00:00:02,000\nCosts $5\nor $6\n", encoding="utf-8")
    (axes,) = plots.subtitle_frame(CASES / "odd_names_plain.mp4", 1.0, cues).axes
    assert [text.get_text() for text in axes.texts] == ["Costs $5\nor $6"]
    assert len(axes.images) == 1
    with pytest.raises(InputError, match="no picture at 99"):
        plots.subtitle_frame(CASES / "odd_names_plain.mp4", 99.0)


def test_an_svg_takes_the_pages_colour_and_needs_nothing_from_outside() -> None:
    picture = plots.svg(plots.drift({"clip": measurement(1)}))
    assert picture.startswith('<svg role="img" aria-label="Drift per segment')
    assert 'style="--least: 800px"' in picture  # letters of 9 points, 720 points wide
    assert "currentColor" in picture and plots.INK not in picture
    assert not re.findall(r'(?:href|src)="(?!#)', picture)


def test_a_figure_shows_itself_in_a_notebook_and_leaves_nothing_behind() -> None:
    figure = plots.speed_histogram({"a": [1.0]})
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def _ticks(axes: Axes) -> tuple[list[str], list[str]]:
    return [text.get_text() for text in axes.get_yticklabels()], [text.get_text() for text in axes.get_xticklabels()]


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""

    def luminance(colour: str) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _headline(figure: Figure) -> str:
    return str(figure.get_suptitle())


def _measured(rows: tuple[SegmentMeasure, ...]) -> Measurement:
    return Measurement(
        source_language="pt", target_language="en", seconds=10.0, values={}, signatures={}, segments=rows
    )  # fmt: skip


def _line(
    number: int, start: float, end: float, text: str, words: list[tuple[str, float, float, float]], speed: float = 1.0
) -> SegmentRecord:
    return SegmentRecord(
        id=number, start=start, end=end, text=text, speaker=None, confidence=None, translation=text, candidates=[text],
        words=[WordRecord(text=w, start=a, end=b, probability=p) for w, a, b, p in words], spoken_text=text,
        voice="v", engine="e", attempts=1, failed=None, rate=1.0, speed=speed, planned_start=start + 0.1,
        planned_end=end + 0.1, measured_start=None, measured_end=None,
    )  # fmt: skip


def _record(lines: list[SegmentRecord], seconds: float = 8.0) -> Record:
    source = Source.model_construct(seconds=seconds)
    return Record.model_construct(
        source=source, source_language="pt", target_language="en", settings={}, segments=lines, speech=[]
    )


def test_axes_have_no_chart_junk() -> None:
    axes: Axes = plots.drift({"clip": measurement(1)}).axes[0]
    assert not axes.spines["top"].get_visible() and not axes.spines["right"].get_visible()
