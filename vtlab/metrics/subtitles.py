"""Metrics of subtitles: whether a reader can follow them, and how far they are from a reference's.

Targets are those of style guides (BBC, Netflix). A wide character (an
ideograph) counts as two, a line break as the space that it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vtlab.errors import InputError
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.material import Material
from vtlab.metrics.metric import SumMetric, total
from vtlab.metrics.needs import SUBTITLES, TIMED_TRANSLATION
from vtlab.metrics.percentile_metric import PercentileMetric
from vtlab.metrics.rows import ClipRows, CueMeasure
from vtlab.metrics.text import library, version_of
from vtlab.metrics.timing import percentile
from vtlab.metrics.units import Unit
from vtlab.segments import Cue
from vtlab.text.sentences import count_columns, ends_sentence

WHOLE_COLUMNS, WHOLE_S = 84, 7.0  # a sentence of this size fits one cue: two lines of 42, seven seconds
ARROW = re.compile(r"^[\d:.,]+\s+-->\s+[\d:.,]+", re.MULTILINE)


def read_subtitles(path: Path) -> list[Cue]:
    """Read the cues of an SRT or WebVTT file, without formatting.

    Raises:
        InputError: `E_SUBTITLES`; it cannot be read.
    """
    import pysubs2

    try:
        file = pysubs2.load(str(path), encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pysubs2.exceptions.Pysubs2Error) as error:
        raise InputError(f"{path} cannot be read as subtitles: {error}.", code="E_SUBTITLES") from error
    return [Cue(event.start / 1000, event.end / 1000, event.plaintext) for event in file if not event.is_comment]


def srt_valid(path: Path) -> float | None:
    """Return 1 where ``pysubs2`` reads back as many cues as the file has times, each with a text and a length; else 0.

    Without a file it is ``None``.
    """
    if not path.is_file():
        return None
    try:
        cues = read_subtitles(path)
        written = len(ARROW.findall(path.read_text(encoding="utf-8-sig")))
    except InputError:
        return 0.0
    return float(bool(cues) and len(cues) == written and all(cue.end > cue.start and cue.text.strip() for cue in cues))


def reading_speed_p95(cues: Sequence[Cue]) -> float | None:
    """Return the 95th percentile over cues of characters a second; ``None`` without cues."""
    return percentile([count_columns(cue.text) / (cue.end - cue.start) for cue in cues if cue.end > cue.start], 95)


def longest_line(cues: Sequence[Cue]) -> int | None:
    """Return the characters of the longest line; ``None`` without cues."""
    return max((count_columns(line) for cue in cues for line in cue.text.split("\n")), default=None)


def most_lines(cues: Sequence[Cue]) -> int | None:
    """Return the most lines of a cue; ``None`` without cues."""
    return max((len(cue.text.strip().split("\n")) for cue in cues), default=None)


def overlaps(cues: Sequence[Cue]) -> int | None:
    """Count the cues that begin before an earlier one ends; a millisecond is the resolution of files."""
    if not cues:
        return None
    count, last_end = 0, 0.0
    for cue in sorted(cues, key=lambda cue: cue.start):
        count += cue.start < last_end - 0.0005
        last_end = max(last_end, cue.end)
    return count


def shortest(cues: Sequence[Cue]) -> float | None:
    """Return the length of the shortest cue in seconds; ``None`` without cues."""
    return min((cue.end - cue.start for cue in cues), default=None)


def incomplete_sentences(cues: Sequence[Cue]) -> int | None:
    """Count the cues that break off inside a sentence for no need.

    A sentence that a single cue could hold (``WHOLE_COLUMNS``, ``WHOLE_S``) should stand in one, and every sentence
    should end. Cutting a longer one is no fault.
    """
    if not cues:
        return None
    count = 0
    sentence: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: cue.start):
        sentence.append(cue)
        if ends_sentence(cue.text):
            size = count_columns(" ".join(part.text for part in sentence))
            whole = size <= WHOLE_COLUMNS and cue.end - sentence[0].start <= WHOLE_S
            count += len(sentence) - 1 if whole else 0
            sentence = []
    return count + bool(sentence)


def suber(references: Sequence[Sequence[Cue]], hypotheses: Sequence[Sequence[Cue]], language: str) -> float | None:
    """Return SubER (Wilken, Georgakopoulou and Matusov, IWSLT 2022) of parallel files, by ``subtitle-edit-rate``.

    Edits of words, line and block breaks, and shifts, ÷ the reference's words and breaks, times 100, case and
    punctuation aside; words align only where their cues overlap in time. Line breaks count where the reference has
    any: a reference of plain lines says nothing about them. ``None`` without reference cues. Raises ``EngineError``
    where the package is not installed.
    """
    suber_library = library("suber.metrics.suber")
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} reference files, {len(hypotheses)} hypothesis files; pair them first")
    if not any(references):
        return None
    said: list[Any] = []
    shown: list[Any] = []
    at = 0.0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        broken = any("\n" in cue.text.strip() for cue in reference)
        said += _library_cues(reference, at, broken)
        shown += _library_cues(hypothesis, at, broken)
        at = max((cue.end_time for cue in (*said, *shown)), default=at) + 60.0  # files do not touch
    return float(suber_library.calculate_SubER(hypothesis=shown, reference=said, metric="SubER", language=language))


def suber_signature(references: Sequence[Sequence[Cue]]) -> str:
    """Return the version of the library, and which breaks were counted."""
    broken = any("\n" in cue.text.strip() for cues in references for cue in cues)
    breaks = "lines and blocks" if broken else "blocks"
    return f"subtitle-edit-rate:{version_of('subtitle-edit-rate')}|breaks:{breaks}"


def _library_cues(cues: Sequence[Cue], offset: float, broken: bool) -> list[Any]:
    types = library("suber.data_types")
    out: list[Any] = []
    for cue in sorted(cues, key=lambda cue: cue.start):
        lines = [line.split() for line in cue.text.split("\n") if line.split()]
        if not broken:
            lines = [[word for line in lines for word in line]] if lines else []
        start, end = cue.start + offset, cue.end + offset
        words = []
        for number, line in enumerate(lines, 1):
            for word in line:
                words.append(
                    types.TimedWord(word, types.LineBreak.NONE, subtitle_start_time=start, subtitle_end_time=end)
                )
            words[-1].line_break = types.LineBreak.END_OF_BLOCK if number == len(lines) else types.LineBreak.END_OF_LINE
        if words:
            out.append(types.Subtitle(word_list=words, index=len(out) + 1, start_time=start, end_time=end))
    return out


# ---------------------------------------------------------------- the metrics


def _cues(rows: Sequence[CueMeasure]) -> list[Cue]:
    return [Cue(row.start, row.end, row.text) for row in rows]


def _per_unit(of: Callable[[Sequence[Cue]], float | None]) -> Callable[[Unit], list[float] | None]:
    """A number of every single cue."""

    def values(unit: Unit) -> list[float] | None:
        if not unit.timed:
            return None
        return [value for cue in _cues(unit.cues) if (value := of([cue])) is not None]

    return values


def _count(of: Callable[[Sequence[Cue]], int | None]) -> Callable[[Unit], tuple[float, float] | None]:
    """A number of all cues of a clip together."""

    def counts(unit: Unit) -> tuple[float, float] | None:
        found = of(_cues(unit.cues))
        return None if found is None else (float(found), 1.0)

    return counts


def _number_of_cues(units: Sequence[Unit]) -> str:
    return f"cues:{sum(len(unit.cues) for unit in units)}"


def _suber(material: Material) -> tuple[float | None, str | None]:
    if not material.cues or not material.reference_cues:
        return None, None
    references = [material.reference_cues]
    return suber(references, [material.cues], material.target_language), suber_signature(references)


def _words_and_breaks(rows: ClipRows) -> float:
    """Return what SubER divides by: one break ends a cue, one stands for each further line."""
    lines = [line for cue in rows.reference_cues for line in cue.text.strip().split("\n")]
    return float(sum(len(line.split()) for line in lines) + len(lines))


def _srt_valid(material: Material) -> tuple[float | None, str | None]:
    return None if material.subtitles is None else srt_valid(material.subtitles), None


_percentile = partial(
    PercentileMetric,
    group="subtitles",
    needs=(SUBTITLES,),
    signature=_number_of_cues,
    nothing="the subtitles are empty",
)
_total = partial(
    SumMetric, group="subtitles", needs=(SUBTITLES,), signature=_number_of_cues, nothing="the subtitles are empty",
    over="clips", score=total,
)  # fmt: skip

METRICS = (
    FileMetric(
        "suber", "0-100", "lower", "edits that turn the subtitles into the reference's ÷ its words and breaks",
        group="subtitles", needs=(SUBTITLES, TIMED_TRANSLATION), nothing="the subtitles are empty",
        measure=_suber, over_clips="mean", weight=_words_and_breaks,
    ),
    _percentile(
        "subtitle_cps_p95", "1/s", "lower", "95th percentile of characters a second",
        target=(None, 17.0), unit_values=_per_unit(reading_speed_p95), percent=95,
    ),
    _percentile(
        "subtitle_max_line_chars", "characters", "lower", "longest line",
        target=(None, 42.0), unit_values=_per_unit(longest_line), percent=100,
    ),
    _percentile(
        "subtitle_max_lines", "lines", "lower", "most lines of a cue",
        target=(None, 2.0), unit_values=_per_unit(most_lines), percent=100,
    ),
    _total(
        "subtitle_overlaps", "cues", "lower", "cues that begin before an earlier one ends",
        target=(None, 0.0), counts=_count(overlaps),
    ),
    _percentile(
        "subtitle_min_duration_s", "s", "higher", "shortest cue",
        target=(1.0, None), unit_values=_per_unit(shortest), percent=0,
    ),
    _total(
        "subtitle_incomplete_sentences", "cues", "lower", "cues that break off inside a sentence",
        counts=_count(incomplete_sentences),
    ),
    FileMetric(
        "srt_valid", "1", "higher", "1 where the subtitle file reads back whole, else 0",
        target=(1.0, None), group="subtitles", needs=(SUBTITLES,), measure=_srt_valid, over_clips="worst",
    ),
)  # fmt: skip
