"""Plots of dubs and evaluations, each a figure of its own.

Figures are made without pyplot, so no global state is left: show one as the last value of a notebook's cell, or take
its `png` or `svg`. Colours are those of Okabe and Ito (2008, "Color Universal Design") for all kinds of colour vision,
and shape, place or a label repeats whatever a colour means. Times are seconds on the video's clock.
"""

from __future__ import annotations

import html
import io
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vtlab import media
from vtlab.audio import LOUDNESS_HOP_S, SHORT_TERM_HOPS, LoudnessMeter
from vtlab.errors import InputError
from vtlab.measurement.results import Measurement
from vtlab.media.snippets import data_url, segment_sound
from vtlab.metrics.timing import ONSET_TOLERANCE_MS
from vtlab.outputs import Dub
from vtlab.record import Record, SegmentRecord
from vtlab.segments import Interval
from vtlab.settings import AudioSyncSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame
    from pandas.io.formats.style import Styler

INK, GREY, SHADE, GROUND = "#1b1e23", "#7f7f7f", "#bdbdbd", "#fefefe"
BLUE, ORANGE, GREEN, SKY, PURPLE = "#0072b2", "#e69f00", "#009e73", "#56b4e9", "#cc79a7"
RED = "#d55e00"  # vermillion: only for what misses its target
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY)
ON_DARK, ON_LIGHT = "#ffffff", "#000000"  # letters on a coloured bar; black is 5.4:1 on red, 9.3:1 on orange
SIZE = 9.0  # of text, points
LEAST_PX = 10.0  # of text on a page: a narrower window scrolls the picture
WIDTH = 10.0  # inches
ONSET_MS = ONSET_TOLERANCE_MS  # an onset further off is heard as late or early
# the same for every configuration, whatever its own limits are
NATURAL, BEARABLE = AudioSyncSettings().preferred_speeds, AudioSyncSettings().speed_limits
TARGET_LUFS, TOLERANCE_LU = -23.0, 2.0
DOUBTED = 0.5  # a word less probable than this
WORD_ROW_S, SEGMENT_ROW_S = 10.0, 20.0  # a row of a long time line
LETTERS_A_SECOND = 7.0  # that the bar of a segment has room for
LETTER_S = 0.069  # room of a letter in a row of words, seconds
WORD_LEVELS = (0.3, -0.32, 0.6, -0.62)  # heights at which words are written; the bars are at 0
ROWS = 6  # of a time line at most: more is no picture
PANELS = 8  # clips that one picture shows at most
COLUMNS = 1600  # of a waveform
SILENT_LUFS = -60.0  # the floor of the loudness picture


Range = tuple[float, float]


class Picture(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self)


@dataclass(frozen=True)
class Point:
    """A configuration's quality and cost; `best`: no other is as good at less cost."""

    name: str
    quality: float
    cost: float
    best: bool


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; `name` is its panel, `group` the configuration."""

    name: str
    group: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Change:
    """A metric's difference, its interval and label; `sign`: 1 where more is better, −1 where less is, 0 neither."""

    name: str
    value: float
    low: float
    high: float
    sign: int
    text: str


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Return the figure as PNG on white."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, facecolor="white")
    return out.getvalue()


def svg(figure: Figure) -> str:
    """Return the figure as an `<svg>` element for a page, transparent, in the colour of the page's text.

    Its headline is its label for screen readers; `--least` is the width below which its letters are too small to read.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    least = figure.get_figwidth() * 72 * LEAST_PX / SIZE
    named = f'<svg role="img" aria-label="{html.escape(figure.get_suptitle())}" style="--least: {least:.0f}px"'
    text = text.replace("<svg", named, 1)
    return text.replace(INK, "currentColor").replace(GROUND, "var(--ground, white)")


def drift(clips: Mapping[str, Measurement]) -> Figure:
    """Draw how late (above) or early segments start (dots) and end (rings), for the `PANELS` clips that drift most.

    A segment that is not heard is a cross on the zero line.

    Args:
        clips: Measurements by clip.
    """
    shown = sorted(clips, key=lambda name: -_worst(clips[name]))[:PANELS]
    names = [name for name in clips if name in shown]
    figure, panels = _figure(max(len(names), 1), 1.5, sharey=True)
    for axes, name in zip(panels, names, strict=False):
        _draw_drift(axes, clips[name])
        axes.set_title(name, loc="left", fontsize=SIZE, color=INK)
    late = [
        value for name in names for segment in clips[name].segments for value in (segment.onset_ms, segment.offset_ms)
    ]
    far = [value for value in late if value is not None]
    panels[0].set_ylim(1.15 * min([*far, -1.4 * ONSET_MS]), 1.15 * max([*far, 1.4 * ONSET_MS]))
    panels[-1].set_xlabel("seconds into the clip")
    left_out = f"; the {len(names)} of {len(clips)} clips that drift most" if len(names) < len(clips) else ""
    figure.supylabel("late, ms", fontsize=SIZE, color=INK)
    _headline(figure, f"Drift per segment: start (dot) and end (ring), ±{ONSET_MS:g} ms shaded{left_out}")
    return figure


def speed_histogram(groups: Mapping[str, Sequence[float]]) -> Figure:
    """Draw a histogram of the segments' speeds, a panel per configuration; 1 is the voice's natural speed."""
    figure, panels = _figure(max(len(groups), 1), 1.4, sharex=True)
    every = [speed for group in groups.values() for speed in group]
    low, high = min([*every, BEARABLE[0]]) - 0.05, max([*every, BEARABLE[1]]) + 0.05
    # whole steps of 0.05 around 1, so that no bar straddles a limit
    edges = np.arange(np.floor(low * 20), np.ceil(high * 20) + 1) / 20
    for axes, (name, group), colour in zip(panels, groups.items(), itertools.cycle(SERIES), strict=False):
        axes.axvspan(*NATURAL, color=SHADE, alpha=0.35, linewidth=0)
        axes.hist(group, bins=list(edges), color=colour, alpha=0.9, edgecolor=GROUND, linewidth=0.5)
        for limit in BEARABLE:
            axes.axvline(limit, color=RED, linewidth=1, linestyle=(0, (4, 3)))
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        label = (
            f"median {np.median(group):.2f}, 95th percentile {np.percentile(group, 95):.2f}" if group else "no speeds"
        )
        axes.set_title(f"{name}: {label}", loc="left", fontsize=SIZE, color=INK)
        axes.set_ylabel("segments", fontsize=SIZE)
    panels[-1].set_xlabel("speed of the voice (1 = natural)")
    _headline(figure, "Speed of the segments: preferred range shaded, limits dashed")
    return figure


def pareto(points: Sequence[Point], quality: str, cost: str, *, lower_is_better: bool = False) -> Figure:
    """Draw quality (up is better) against cost (left is better), the Pareto set filled and joined."""
    figure, (axes,) = _figure(1, 4.2, width=7.5)
    best = sorted((point for point in points if point.best), key=lambda point: point.cost)
    rest = [point for point in points if not point.best]
    axes.plot([p.cost for p in best], [p.quality for p in best], color=BLUE, linewidth=1.2, drawstyle="steps-post")
    axes.scatter([p.cost for p in best], [p.quality for p in best], s=55, color=BLUE, zorder=3)
    axes.scatter([p.cost for p in rest], [p.quality for p in rest], s=45, facecolors="none", edgecolors=GREY, zorder=2)
    axes.margins(x=0.15, y=0.15)
    if lower_is_better:
        axes.invert_yaxis()
    axes.set_xlabel(f"{cost} (left is cheaper)")
    axes.set_ylabel(f"{quality} (up is better)")
    _label_points(axes, points)
    _headline(figure, "Quality against cost: filled, nothing is as good for less")
    return figure


def losses(estimates: Sequence[Estimate]) -> Figure:
    """Draw the losses, a panel per stage (`name`) and a bar per configuration (`group`)."""
    stages = list(dict.fromkeys(estimate.name for estimate in estimates))
    groups = list(dict.fromkeys(estimate.group for estimate in estimates))
    figure, panels = _figure(max(len(stages), 1), 0.45 + 0.32 * max(len(groups), 1), sharex=True)
    for axes, stage, colour in zip(panels, stages, itertools.cycle(SERIES), strict=False):
        for estimate in (estimate for estimate in estimates if estimate.name == stage):
            row = len(groups) - 1 - groups.index(estimate.group)
            axes.barh(row, estimate.value, height=0.62, color=colour)
            reach = estimate.value
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [row, row], color=INK, linewidth=1.4, solid_capstyle="butt")
                reach = max(estimate.high, estimate.value)
            axes.annotate(
                f"{estimate.value:.1f}", (max(reach, 0), row), (5, 0), textcoords="offset points", va="center",
                fontsize=SIZE, color=INK,
            )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(groups)), groups[::-1] if len(groups) > 1 else [""])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.6, len(groups) - 0.4)
        axes.set_title(stage, loc="left", fontsize=SIZE, color=INK)
        axes.margins(x=0.08)
    panels[-1].set_xlabel("BLEU points lost (line: 95 % interval)")
    _headline(figure, "Where the end-to-end loss comes from")
    return figure


def differences(changes: Sequence[Change], title: str) -> Figure:
    """Draw differences with their intervals, a row and a scale of its own per metric, turned so that right is better.

    Filled where the interval leaves out zero, else a grey ring. Metrics of which neither way is better stand below, as
    diamonds; there right is more.
    """
    judged = [change for change in changes if change.sign != 0]
    others = [change for change in changes if change.sign == 0]
    groups = [group for group in (judged, others) if group] or [[]]
    heights = [max(len(group), 1) + 0.4 for group in groups]
    size = (WIDTH * 0.9, 0.2 + 0.37 * len(groups) + 0.27 * sum(heights))
    figure = Picture(figsize=size, layout="constrained")
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, group in zip(panels, groups, strict=True):
        _style_axes(axes)
        _draw_differences(axes, group)
        axes.set_xticks([-0.55, 0.55], ["← less", "more →"] if group is others else ["← worse", "better →"])
        if group is others:
            axes.set_title("neither way is better", loc="left", fontsize=SIZE, color=INK)
    _headline(figure, title)
    return figure


def waveform(blocks: Iterable[NDArray[np.float32]], rate: int, seconds: float, speech: Sequence[Interval]) -> Figure:
    """Draw the envelope of mono sound, read block by block so that an hour needs no memory, and the spans of speech."""
    figure, (axes,) = _figure(1, 1.9)
    low, high, at = _envelope(blocks, rate, seconds)
    axes.fill_between(at, low, high, color=GREY, linewidth=0, step="mid")
    spans = [(interval.start, interval.duration) for interval in speech]
    axes.broken_barh(spans, (-1.12, 2.27), color=SKY, alpha=0.35, linewidth=0)
    axes.broken_barh(spans, (1.04, 0.04), color=BLUE, linewidth=0)
    axes.set_xlim(0, max(seconds, 1e-3))
    axes.set_ylim(-1.12, 1.15)
    axes.set_yticks([-1, 0, 1])
    axes.set_xlabel("seconds")
    spoken = sum(interval.duration for interval in speech)
    _headline(figure, f"Sound, and speech in blue: {_count_spans(len(speech))}, {spoken:.1f} s of {seconds:.1f} s")
    return figure


def source_waveform(dub: Dub) -> Figure:
    """Draw the source's sound, and the spans in which voice activity found speech."""
    stream = media.probe(dub.source).audio[dub.record.source.audio_stream]
    seconds = dub.record.source.seconds
    speech = [Interval(start, end) for start, end in dub.record.speech]
    return waveform(media.speech_blocks(dub.source, stream, seconds), media.SPEECH_HZ, seconds, speech)


def words(record: Record, start: float = 0.0, end: float | None = None) -> Figure:
    """Draw each recognised word at its time, sentence by sentence; words less probable than `DOUBTED` stand out.

    Up to ``ROWS`` rows of ``WORD_ROW_S`` seconds from ``start``.
    """
    rows, clipped = _rows(record, start, end, WORD_ROW_S)
    figure, panels = _figure(len(rows), 1.2)
    for axes, (first, last) in zip(panels, rows, strict=True):
        shown = [
            (number, word)
            for number, segment in enumerate(record.segments)
            for word in segment.words
            if word.end > first and word.start < last
        ]
        free = dict.fromkeys(WORD_LEVELS, first)  # from when on each level has room for text
        for number, word in shown:
            doubted = word.probability < DOUBTED
            axes.barh(
                0,
                word.end - word.start,
                left=word.start,
                height=0.3,
                color=RED if doubted else (BLUE, GREEN)[number % 2],  # neighbouring sentences differ
                hatch="///" if doubted else None,
                edgecolor=GROUND,
                linewidth=0.8,
            )
            text, at = word.text.strip(), max(word.start, first)
            level = next((level for level in WORD_LEVELS if free[level] <= at), max(free, key=lambda x: -free[x]))
            free[level] = at + (len(text) + 1.5) * LETTER_S
            _text(axes, at, level, text, va="center", size=SIZE - 1)
        axes.set_ylim(-0.85, 0.75)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlim(first, last)
    panels[-1].set_xlabel("seconds")
    _headline(figure, f"Words as recognised; colour changes with the sentence, hatched: doubted{clipped}")
    return figure


def placements(record: Record, start: float = 0.0, end: float | None = None) -> Figure:
    """Draw the segments of source and dub at their times, with their speed, in `ROWS` rows at most."""
    rows, clipped = _rows(record, start, end, SEGMENT_ROW_S)
    natural, bearable = record.speed_ranges()
    figure, panels = _figure(len(rows), 1.25)
    for axes, (first, last) in zip(panels, rows, strict=True):
        axes.set_xlim(first, last)
        for segment in record.segments:
            if min(segment.start, segment.planned_start) >= last or max(segment.end, segment.planned_end) <= first:
                continue
            _bar(axes, segment.start, segment.end, 1, SHADE, segment.text)
            if segment.planned_end <= segment.planned_start:
                continue
            colour = _speed_colour(segment.speed, natural, bearable)
            _bar(axes, segment.planned_start, segment.planned_end, 0, colour, _describe_dub(segment))
            for source, dub in ((segment.start, segment.planned_start), (segment.end, segment.planned_end)):
                axes.plot([source, dub], [0.62, 0.38], color=INK, linewidth=0.8)
        axes.set_yticks([0, 1], [f"dub ({record.target_language})", f"source ({record.source_language})"])
        axes.set_ylim(-0.55, 1.55)
    panels[-1].set_xlabel("seconds")
    _headline(
        figure,
        f"Segments of source and dub, with speed: blue {natural[0]}–{natural[1]}, orange up to the limits "
        f"({bearable[0]}, {bearable[1]}), red and dashed beyond{clipped}",
    )
    return figure


def speeds(record: Record) -> Figure:
    """Draw the speed of each segment over time; a fast segment among slow ones is heard."""
    natural, bearable = record.speed_ranges()
    figure, (axes,) = _figure(1, 2.2)
    axes.axhspan(*natural, color=SHADE, alpha=0.35, linewidth=0)
    for limit in bearable:
        axes.axhline(limit, color=RED, linewidth=1, linestyle=(0, (4, 3)))
    shown = [segment for segment in record.segments if segment.planned_end > segment.planned_start]
    for segment in shown:
        axes.plot(
            [segment.planned_start, segment.planned_end], [segment.speed] * 2,
            color=_speed_colour(segment.speed, natural, bearable), linewidth=4, solid_capstyle="butt",
        )  # fmt: skip
    for before, after in itertools.pairwise(shown):
        axes.plot([before.planned_end, after.planned_start], [before.speed, after.speed], color=GREY, linewidth=0.8)
    for segment in _extremes(shown):
        fast = segment.speed >= 1
        axes.annotate(
            f"segment {segment.id}: {segment.speed:.2f}",
            ((segment.planned_start + segment.planned_end) / 2, segment.speed),
            (0, 5 if fast else -5),
            textcoords="offset points",
            ha="center",
            va="bottom" if fast else "top",
            fontsize=SIZE - 1,
            color=INK,
        )
    axes.set_ylim(
        min([bearable[0] - 0.05, *(s.speed - 0.1 for s in shown)]),
        max([bearable[1] + 0.1, *(s.speed + 0.12 for s in shown)]),
    )
    axes.set_xlim(0, record.source.seconds)
    axes.set_xlabel("seconds")
    axes.set_ylabel("speed (1 = natural)")
    _headline(figure, "Speed of each segment: preferred range shaded, limits dashed")
    return figure


def loudness(meter: LoudnessMeter, target_lufs: float = TARGET_LUFS) -> Figure:
    """Draw the short-term loudness (3 s, EBU Tech 3341) of metered sound, against the target ± 2 LU."""
    figure, (axes,) = _figure(1, 2.2)
    axes.axhspan(target_lufs - TOLERANCE_LU, target_lufs + TOLERANCE_LU, color=SHADE, alpha=0.35, linewidth=0)
    values = meter.short_term()
    at = (np.arange(len(values)) + SHORT_TERM_HOPS / 2) * LOUDNESS_HOP_S
    axes.plot(at, np.where(values > SILENT_LUFS, values, np.nan), color=BLUE, linewidth=1.6)
    integrated = meter.lufs()
    label = "silence"
    if integrated is not None:
        axes.axhline(integrated, color=INK, linewidth=0.8)
        label = f"{integrated:.1f} LUFS integrated (line)"
    axes.set_xlim(0, max(meter.seconds, 1e-3))
    loudest = float(values.max(initial=TARGET_LUFS))
    axes.set_ylim(SILENT_LUFS, max(-14.0, loudest + 2))
    axes.set_xlabel("seconds")
    axes.set_ylabel("LUFS")
    _headline(figure, f"Loudness over 3 s: {label}, target {target_lufs:g} ± {TOLERANCE_LU:g} shaded")
    return figure


def dub_loudness(dub: Dub) -> Figure:
    """Draw the loudness of the dubbed video or sound, against the target of its settings."""
    info = media.probe(dub.media)
    stream = info.audio[0]
    meter = LoudnessMeter(stream.rate, stream.channels)
    for block in media.decode_blocks(dub.media, stream, stream.rate, stream.channels, info.duration_s):
        meter.add(block)
    return loudness(meter, dub.record.settings["audio_sync"]["loudness_lufs"])


def subtitle_frame(video: Path, time_s: float, subtitles: Path | None = None) -> Figure:
    """Draw the frame at `time_s` with its cue from the file `subtitles`, else from the video, in the dub's language.

    Raises:
        InputError: The file has no picture, or none that late.
    """
    image = _frame_at(video, time_s)
    cue = _cue_in_file(subtitles, time_s) if subtitles is not None else _cue_in_video(video, time_s)
    height = WIDTH * 0.75 * image.shape[0] / image.shape[1]
    figure = Picture(figsize=(WIDTH * 0.75, height + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(image)
    axes.set_axis_off()
    if cue:
        _text(
            axes, image.shape[1] / 2, image.shape[0] * 0.95, cue, ha="center", va="bottom", size=14, colour="white",
            clip=False, bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 4},
        )  # fmt: skip
    _headline(figure, f"{time_s:.1f} s" + ("" if cue else ", no subtitle here"))
    return figure


def table(frame: DataFrame) -> Styler:
    """Return a table that a notebook shows whole: every row, no text cut off, fractions with two decimals."""
    return frame.style.format(precision=2, na_rep="", escape="html")


def segments(dub: Dub, start: float = 0.0, end: float = math.inf) -> Styler:
    """Return a table of the segments from `start` to `end`, seconds, with a player for source and dub of each."""
    rows = [segment for segment in dub.record.segments if segment.end > start and segment.start < end]
    frame = dub.lines().loc[[segment.id for segment in rows], ["text", "translation", "speed", "onset_drift_s"]]
    stream = dub.record.source.audio_stream
    frame.insert(1, "source", [_audio(dub.source, row.start, row.end, stream) for row in rows])
    frame.insert(3, "dub", [_audio(dub.media, row.planned_start, row.planned_end) for row in rows])
    return table(frame).format(subset=["source", "dub"])


def _audio(file: Path, start: float, end: float, stream: int = 0) -> str:
    if end <= start:
        return ""
    url = data_url(segment_sound(file, start, end, stream), "audio/wav")
    return f"<audio controls preload='none' style='width: 12em' src='{url}'></audio>"


def _figure(
    rows: int, row_height: float, width: float = WIDTH, *, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    figure = Picture(figsize=(width, 0.75 + rows * row_height), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, 1, squeeze=False, sharex=sharex, sharey=sharey)[:, 0])
    for axes in panels:
        _style_axes(axes)
    return figure, panels


def _style_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(labelsize=SIZE, colors=INK, length=3)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(SIZE)
        label.set_color(INK)


def _headline(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=SIZE + 1, fontweight="bold", color=INK)


def _text(
    axes: Axes, x: float, y: float, text: str, *, size: float = SIZE, colour: str = INK, clip: bool = True, **how: Any
) -> Text:
    # a dollar sign is money here, not mathematics
    return axes.text(
        x, y, text, fontsize=size, color=colour, clip_on=clip, fontfamily=_fonts(), parse_math=False, **how
    )


@cache
def _fonts() -> tuple[str, ...]:
    """Return matplotlib's own font, then an installed one with Chinese, Japanese and Korean letters."""
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    wanted = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "Droid Sans Fallback")
    return ("DejaVu Sans", *(name for name in wanted if name in installed))


def _worst(measured: Measurement) -> float:
    return max((abs(segment.onset_ms) for segment in measured.segments if segment.onset_ms is not None), default=0.0)


def _draw_drift(axes: Axes, measured: Measurement) -> None:
    axes.axhspan(-ONSET_MS, ONSET_MS, color=SHADE, alpha=0.35, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    worst = None
    for segment in measured.segments:
        if segment.start is None:
            continue
        if segment.onset_ms is None:
            axes.plot(segment.start, 0, marker="x", color=RED, markersize=7, markeredgewidth=2)
            continue
        colour = BLUE if abs(segment.onset_ms) <= ONSET_MS else RED
        axes.plot([segment.start] * 2, [0, segment.onset_ms], color=colour, linewidth=1)
        axes.plot(segment.start, segment.onset_ms, marker="o", color=colour, markersize=5)
        if segment.offset_ms is not None and segment.end is not None:
            axes.plot(segment.end, segment.offset_ms, marker="o", color=GREY, markersize=4, markerfacecolor="none")
        if worst is None or abs(segment.onset_ms) > abs(worst.onset_ms or 0):
            worst = segment
    if worst is not None and worst.onset_ms is not None and abs(worst.onset_ms) > ONSET_MS:
        axes.annotate(
            f"segment {worst.index}: {worst.onset_ms:+.0f} ms", (worst.start or 0.0, worst.onset_ms), (6, 0),
            textcoords="offset points", va="center", fontsize=SIZE - 1, color=INK,
        )  # fmt: skip
    axes.set_xlim(0, measured.seconds)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.0f}" if value else "0"))


def _draw_differences(axes: Axes, changes: Sequence[Change]) -> None:
    for row, change in enumerate(reversed(changes)):
        sign = change.sign or 1
        low, high = sorted((sign * change.low, sign * change.high))
        value = sign * change.value
        scale = max(abs(low), abs(high), abs(value)) or 1.0
        shown = low > 0 or high < 0
        colour = GREY if not shown or change.sign == 0 else BLUE if value > 0 else RED
        axes.plot([low / scale, high / scale], [row, row], color=colour, linewidth=2.2 if shown else 1.2)
        axes.plot(
            value / scale, row, marker="D" if change.sign == 0 else "o", markersize=6, color=colour,
            markerfacecolor=colour if shown else GROUND,
        )  # fmt: skip
        axes.text(1.08, row, change.text, va="center", fontsize=SIZE, color=INK, clip_on=False)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(-0.7, max(len(changes), 1) - 0.3)
    axes.set_yticks(range(len(changes)), [change.name for change in reversed(changes)])
    axes.tick_params(length=0)


def _label_points(axes: Axes, points: Sequence[Point]) -> None:
    """Write each name to the right above its point, higher where another name or point is in the way."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = 72 / axes.figure.dpi  # a point in pixels
    place = {point: scale * axes.transData.transform((point.cost, point.quality)) for point in points}
    taken = [(x - 4, x + 4, y - 4, y + 4) for x, y in place.values()]
    for point in sorted(points, key=lambda point: place[point][1]):
        x, y = place[point]
        width, shift = 0.66 * SIZE * len(point.name), 3.0
        while any(
            x + 5 < right and left < x + 5 + width and y + shift < high and low < y + shift + SIZE
            for left, right, low, high in taken
        ):
            shift += 2
        taken.append((x + 5, x + 5 + width, y + shift, y + shift + SIZE))
        axes.annotate(
            point.name,
            (point.cost, point.quality),
            (5, shift),
            textcoords="offset points",
            va="bottom",
            fontsize=SIZE,
            color=INK,
            fontweight="bold" if point.best else "normal",
        )


def _count_spans(spans: int) -> str:
    return "1 span" if spans == 1 else f"{spans} spans"


def _envelope(
    blocks: Iterable[NDArray[np.float32]], rate: int, seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return lowest and highest sample of each column of the picture, and the column's time."""
    size = max(1, round(seconds * rate / COLUMNS))
    lows, highs = [np.zeros(0)], [np.zeros(0)]
    rest = np.zeros(0, np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block])
        whole = len(samples) // size * size
        columns, rest = samples[:whole].reshape(-1, size), samples[whole:]
        lows.append(columns.min(axis=1))
        highs.append(columns.max(axis=1))
    low, high = np.concatenate(lows), np.concatenate(highs)
    if len(low) == 0:
        return np.zeros(1), np.zeros(1), np.zeros(1)
    return low, high, (np.arange(len(low)) + 0.5) * size / rate


def _rows(record: Record, start: float, end: float | None, row_s: float) -> tuple[list[tuple[float, float]], str]:
    """Return the rows of a time line, and a note where it ends before the video does."""
    last = record.source.seconds if end is None else min(end, record.source.seconds)
    count = max(1, int(np.ceil((last - start) / row_s - 1e-9)))
    rows = [(start + index * row_s, start + (index + 1) * row_s) for index in range(min(count, ROWS))]
    shown = rows[-1][1]
    return rows, "" if shown >= last else f" (to {shown:g} s of {record.source.seconds:g} s)"


def _bar(axes: Axes, start: float, end: float, row: int, colour: str, text: str) -> None:
    edge: dict[str, Any] = {"edgecolor": GROUND, "linewidth": 0.8}
    if colour == RED:  # told from orange by more than its colour
        edge = {"edgecolor": INK, "linewidth": 1.4, "linestyle": (0, (4, 2))}
    (bar,) = axes.barh(row, end - start, left=start, height=0.76, color=colour, **edge)
    first, last = axes.get_xlim()
    room = int((min(end, last) - max(start, first)) * LETTERS_A_SECOND)
    shown = text if len(text) <= room else text[: max(0, room - 1)] + "…"
    letters = ON_DARK if colour == BLUE else ON_LIGHT
    label = _text(
        axes, max(start, first) + 0.08, row, shown if room > 3 else "", va="center", size=SIZE - 2, colour=letters
    )
    label.set_clip_path(bar)  # wide letters, which would be seen beside it


def _describe_dub(segment: SegmentRecord) -> str:
    return f"{segment.speed:.2f}×  {segment.spoken_text}"


def _speed_colour(speed: float, natural: Range, bearable: Range) -> str:
    if natural[0] - 1e-9 <= speed <= natural[1] + 1e-9:
        return BLUE
    return ORANGE if bearable[0] - 1e-9 <= speed <= bearable[1] + 1e-9 else RED


def _extremes(segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    if not segments:
        return []
    slowest, fastest = (pick(segments, key=lambda segment: segment.speed) for pick in (min, max))
    return [slowest] if slowest is fastest else [slowest, fastest]


def _frame_at(video: Path, time_s: float) -> NDArray[np.uint8]:
    import av

    with av.open(str(video)) as container:
        if not container.streams.video:
            raise InputError(f"{video} has no picture to show subtitles on; give the dubbed video.")
        container.seek(int(max(time_s, 0) * 1_000_000))
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= time_s - 1e-6:
                return np.asarray(frame.to_ndarray(format="rgb24"))
    raise InputError(f"{video} has no picture at {time_s:g} s; choose an earlier time.")


def _cue_in_file(subtitles: Path, time_s: float) -> str:
    import pysubs2

    shown = [e for e in pysubs2.load(str(subtitles)) if e.start <= 1000 * time_s < e.end]
    return "\n".join(event.plaintext for event in shown)


def _cue_in_video(video: Path, time_s: float) -> str:
    import av

    with av.open(str(video)) as container:
        if not container.streams.subtitles:
            return ""
        spoken = [stream.language for stream in container.streams.audio[:1]]  # of several texts, that of what is label
        texts = container.streams.subtitles
        stream = next((text for text in texts if text.language in spoken), texts[0])
        for packet in container.demux(stream):
            if packet.pts is None or packet.duration is None or stream.time_base is None:
                continue
            start = float(packet.pts * stream.time_base)
            if start <= time_s < start + float(packet.duration * stream.time_base):
                return "\n".join(_plain_text(part) for part in packet.decode())
    return ""


def _plain_text(part: Any) -> str:
    """Return the text of an ASS event, which follows its eighth comma."""
    raw = getattr(part, "ass", b"")
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return text.split(",", 8)[-1].replace("\\N", "\n").strip()
