"""How sure a number is, and a difference of two: the bootstrap over rows, the same rows for both sides.

What is drawn again and again, with replacement, are the segments of the source with all that belongs to them: texts,
times, the tool's lines and subtitles there. A corpus score is computed anew from each draw's sufficient statistics
(n-gram counts, edit counts, sums), so it is a corpus score every time (Koehn 2004, "Statistical significance tests for
machine translation evaluation"; Efron and Tibshirani 1993, chapter 13). Numbers that only a whole clip has are drawn by
clips. An extreme (the fastest line, the worst clip) has no interval: the bootstrap does not hold for extremes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vtlab.languages import UNSPACED
from vtlab.measurement.results import Measurement
from vtlab.metrics import subtitles, sync, text
from vtlab.metrics.pooling import has_words
from vtlab.metrics.registry import METRICS
from vtlab.metrics.rows import CueMeasure, DubSegment, SegmentMeasure
from vtlab.segments import Cue, Interval, merge_intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

SAMPLES = 1000
SEED = 12345  # sacrebleu's own
LEVEL = 0.95
MIN_UNITS = 6  # fewer cannot show a difference at this level even where all agree: 2 · 2⁻⁵ is above 0.05

Over = Literal["segments", "clips"]


@dataclass(frozen=True)
class Unit:
    """What is drawn: a segment of a clip with what belongs to it, or a whole clip (``segment`` is ``None``)."""

    clip: str
    measured: Measurement
    segment: SegmentMeasure | None
    dub_segments: tuple[DubSegment, ...]
    cues: tuple[CueMeasure, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for the same segment of two measurements with the same reference."""
        if self.segment is None:
            return (self.clip,)
        start = None if self.segment.start is None else round(self.segment.start, 2)
        return (self.clip, self.segment.index, start, self.segment.text, self.segment.translation)


@dataclass(frozen=True)
class Sampled:
    """A metric's value over ``units`` units, and over each draw of as many; a draw without a value is NaN."""

    value: float
    draws: Numbers
    units: int
    over: Over

    def interval(self) -> tuple[float, float] | None:
        return interval(self.draws)


@dataclass(frozen=True)
class _Sums:
    """A metric that is a function of sums: one row of numbers per unit, NaN where the metric does not apply to it."""

    over: Over
    rows: Callable[[Sequence[Unit]], Numbers]
    score: Callable[[Numbers], Numbers]  # sums (draws, k) to values (draws,)

    def read(self, units: Sequence[Unit]) -> tuple[Numbers, NDArray[np.bool_]]:
        rows = self.rows(units)
        return rows, np.asarray(~np.isnan(rows).any(axis=1))

    def values(self, rows: Numbers, draws: Numbers) -> Numbers:
        return self.score(draws @ rows)


@dataclass(frozen=True)
class _Percentile:
    """A percentile of all values that the units bring; ``bring`` is ``None`` where the metric does not apply."""

    over: Over
    bring: Callable[[Unit], Sequence[float] | None]
    percent: float

    def read(self, units: Sequence[Unit]) -> tuple[Numbers, NDArray[np.bool_]]:
        brought = [self.bring(unit) for unit in units]
        most = max((len(values) for values in brought if values is not None), default=0)
        rows = np.full((len(units), most), np.nan)
        for row, values in zip(rows, brought, strict=True):
            row[: len(values or ())] = values or ()
        return rows, np.array([values is not None for values in brought], dtype=bool)

    def values(self, rows: Numbers, draws: Numbers) -> Numbers:
        owner, place = np.nonzero(~np.isnan(rows))
        known = rows[owner, place]
        if not len(known):
            return np.full(len(draws), np.nan)
        order = np.argsort(known)
        ranked, times = known[order], draws[:, owner[order]]
        # between the closest ranks, as numpy's own percentile, without laying out every draw
        upto = np.cumsum(times, axis=1)
        rank = (upto[:, -1] - 1) * self.percent / 100
        lower, upper = (
            ranked[np.minimum((upto <= at[:, None]).sum(axis=1), len(ranked) - 1)]
            for at in (np.floor(rank), np.ceil(rank))
        )
        values = lower + (rank - np.floor(rank)) * (upper - lower)
        return np.where(upto[:, -1] > 0, values, np.nan)


def draw(units: int, samples: int, seed: int) -> Numbers:
    """How often each unit is in each draw, shape ``(samples, units)``: the draws that sacrebleu makes of this seed."""
    chosen = np.random.default_rng(seed).choice(units, size=(samples, units), replace=True)
    counts = np.bincount((chosen + units * np.arange(samples)[:, None]).ravel(), minlength=samples * units)
    return counts.reshape(samples, units).astype(np.float64)


def interval(draws: Numbers, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval; ``None`` where too few draws have a value.

    Its ends are draws themselves, chosen so that it leaves out 0 exactly where ``p_value`` is below ``1 − level``.
    """
    known = np.sort(draws[~np.isnan(draws)])
    # the most draws that may lie beyond an end while 2 · (beyond + 1) / (draws + 1) stays below 1 − level
    beyond = math.ceil((1 - level) / 2 * (len(known) + 1) - 1e-9) - 2
    if beyond < 0 or 2 * len(known) < len(draws):
        return None
    return float(known[beyond]), float(known[-1 - beyond])


def p_value(differences: Numbers) -> float:
    """Two-sided p of "there is no difference": twice the share of draws on the rarer side of 0 (Koehn 2004).

    One is added to both counts, so that p is never 0 (Davison and Hinkley 1997, section 4.2; sacrebleu does so, too).
    Draws of exactly 0 count for both sides.
    """
    known = differences[~np.isnan(differences)]
    rarer = min(int(np.count_nonzero(known <= 0)), int(np.count_nonzero(known >= 0)))
    return min(1.0, 2 * (rarer + 1) / (len(known) + 1))


def units_of(clips: Mapping[str, Measurement], over: Over) -> list[Unit]:
    """The units of these clips, by the clips' names: the same draws in whatever order they came."""
    clips = dict(sorted(clips.items()))
    if over == "clips":
        return [Unit(clip, measured, None, measured.dub_segments, measured.cues) for clip, measured in clips.items()]
    return [unit for clip, measured in clips.items() for unit in _segments(clip, measured)]


def sample(name: str, units: Sequence[Unit], samples: int = SAMPLES, seed: int = SEED) -> Sampled | None:
    """A metric over units of its kind (``over``), and over draws of them; ``None`` where it has no value there.

    Of fewer than ``MIN_UNITS`` units all draws are NaN.
    """
    estimator = estimators().get(name)
    if estimator is None or not units:
        return None
    rows, applies = estimator.read(units)
    return _sampled(estimator, rows[applies], samples, seed)


def sample_both(
    name: str, ones: Sequence[Unit], others: Sequence[Unit], samples: int = SAMPLES, seed: int = SEED
) -> tuple[Sampled, Sampled] | None:
    """The same for two sides, over the same draws of the units that both have and the metric applies to in both."""
    estimator = estimators().get(name)
    theirs = {unit.key: unit for unit in others}
    pairs = [(unit, theirs[unit.key]) for unit in ones if unit.key in theirs]
    if estimator is None or not pairs:
        return None
    (left, here), (right, there) = (estimator.read([pair[side] for pair in pairs]) for side in (0, 1))
    one, other = (_sampled(estimator, rows[here & there], samples, seed) for rows in (left, right))
    return None if one is None or other is None else (one, other)


def each(name: str, ones: Sequence[Unit], others: Sequence[Unit]) -> list[tuple[Unit, float, float]]:
    """A metric of each unit by itself, on both sides, where both have a value."""
    estimator = estimators().get(name)
    theirs = {unit.key: unit for unit in others}
    pairs = [(unit, theirs[unit.key]) for unit in ones if unit.key in theirs]
    if estimator is None or not pairs:
        return []
    sides = []
    for side in (0, 1):
        rows, applies = estimator.read([pair[side] for pair in pairs])
        values = np.full(len(pairs), np.nan)
        values[applies] = estimator.values(rows[applies], np.eye(int(applies.sum())))
        sides.append(values.tolist())
    known = zip((unit for unit, _ in pairs), *sides, strict=True)
    return [(unit, one, other) for unit, one, other in known if not (math.isnan(one) or math.isnan(other))]


def _sampled(estimator: Estimator, rows: Numbers, samples: int, seed: int) -> Sampled | None:
    if not len(rows):
        return None
    value = float(estimator.values(rows, np.ones((1, len(rows))))[0])
    if math.isnan(value):
        return None
    enough = len(rows) >= MIN_UNITS
    draws = estimator.values(rows, draw(len(rows), samples, seed)) if enough else np.full(samples, np.nan)
    return Sampled(value, draws, len(rows), estimator.over)


def intervals(
    clips: Mapping[str, Measurement], metrics: Iterable[str] | None = None, samples: int = SAMPLES, seed: int = SEED
) -> dict[str, tuple[float, float]]:
    """The interval of each metric that was measured on these clips and can be drawn; all by default."""
    wanted = METRICS if metrics is None else set(metrics)
    kinds: tuple[Over, ...] = ("segments", "clips")
    by_kind = {kind: units_of(clips, kind) for kind in kinds}
    found = {}
    for name, estimator in estimators().items():
        if name not in wanted or not any(name in measured.values for measured in clips.values()):
            continue
        sampled = sample(name, by_kind[estimator.over], samples, seed)
        bounds = None if sampled is None else sampled.interval()
        if bounds is not None:
            found[name] = bounds
    return found


def _segments(clip: str, measured: Measurement) -> list[Unit]:
    """Each segment with the tool's lines and subtitles that belong to it: those it shares most time with."""
    timed = [(place, row) for place, row in enumerate(measured.segments) if row.start is not None]
    lines: dict[int, list[DubSegment]] = {}
    cues: dict[int, list[CueMeasure]] = {}
    rows = list(measured.segments)
    if not timed and (measured.dub_segments or measured.cues):
        # nobody knows when the segments are: lines and subtitles are drawn clip by clip
        timed = [(len(rows), SegmentMeasure(index=len(rows), start=0.0, end=measured.seconds))]
        rows.append(timed[0][1])
    spans = [(place, Interval(row.start or 0.0, row.end or 0.0)) for place, row in timed]
    for line in measured.dub_segments:
        lines.setdefault(_nearest(Interval(line.source_start, line.source_end), spans), []).append(line)
    for cue in measured.cues:
        cues.setdefault(_nearest(Interval(cue.start, cue.end), spans), []).append(cue)
    return [
        Unit(clip, measured, row, tuple(lines.get(place, ())), tuple(cues.get(place, ())))
        for place, row in enumerate(rows)
    ]


def _nearest(span: Interval, spans: Sequence[tuple[int, Interval]]) -> int:
    def closeness(place: int) -> tuple[float, float]:
        other = spans[place][1]
        return span.overlap(other), -abs((span.start + span.end) - (other.start + other.end))

    return spans[max(range(len(spans)), key=closeness)][0]


# ---------------------------------------------------------------- the metrics


Estimator = _Sums | _Percentile


def estimators() -> dict[str, Estimator]:
    """Of each metric that can be drawn, how; extremes are not among them."""
    table: dict[str, Estimator] = {
        "wer": _rate(_word_errors, (1, 2, 3), _recognised),
        "wer_sub": _rate(_word_errors, (1,), _recognised),
        "wer_del": _rate(_word_errors, (2,), _recognised),
        "wer_ins": _rate(_word_errors, (3,), _recognised),
        "cer": _rate(_character_errors, (1, 2, 3), _recognised),
        "tts_wer": _rate(_word_errors, (1, 2, 3), _spoken),
        "bleu": _sacrebleu(_bleu, _translated, text.tokeniser),
        "bleu_gold_transcript": _sacrebleu(_bleu, _translated_from_gold, text.tokeniser),
        "asr_bleu": _sacrebleu(_bleu, _heard, text.tokeniser),
        "chrf": _sacrebleu(_chrf, _translated, _no_tokeniser),
        "asr_chrf": _sacrebleu(_chrf, _heard, _no_tokeniser),
        "length_compliance_10": _mean(_compliant_lengths),
        "truncated_words": _total(_words_lost),
        "completeness": _mean(_said),
        "sync_onset_ms": _mean(partial(_sync, lambda onset, offset: onset)),
        "sync_offset_ms": _mean(partial(_sync, lambda onset, offset: offset)),
        "sync_onset_mean_abs_ms": _mean(partial(_sync, lambda onset, offset: abs(onset))),
        "sync_drift_mean_ms": _mean(partial(_sync, _worse)),
        "sync_drift_p95_ms": _Percentile("segments", partial(_sync, _worse), 95),
        "sync_within_150ms": _mean(_on_time),
        "duration_compliance_20": _mean(_compliant_durations),
        "speed_mean": _mean(_speeds),
        "speed_p95": _Percentile("segments", _speeds, 95),
        "loudness_spread_db": _Sums("segments", partial(_each, _squared_deviations), lambda s: np.sqrt(_ratio(s))),
        "subtitle_cps_p95": _Percentile("segments", _reading_speeds, 95),
        "overruns": _total(_overruns, "clips"),
        "subtitle_overlaps": _total(_cue_overlaps, "clips"),
        "subtitle_incomplete_sentences": _total(_incomplete, "clips"),
        "suber": _Sums("clips", partial(_each, _subtitle_edits), _ratio),
        "speech_overlap": _Sums("clips", partial(_each, _isochrony), lambda s: (s[:, 0] + s[:, 2] - s[:, 1]) / s[:, 2]),
        "speech_iou": _Sums("clips", partial(_each, _isochrony), _ratio),
        "uncovered_s": _Sums("clips", partial(_each, _isochrony), lambda s: s[:, 3]),
    }
    for name, metric in METRICS.items():
        if metric.pool == "sum":
            table[name] = _total(partial(_of_clip, name), "clips")
        elif metric.pool == "time":
            table[name] = _Sums("clips", partial(_each, partial(_timed, name)), _ratio)
    return table


def _ratio(sums: Numbers) -> Numbers:
    """First column ÷ second; NaN over nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan))


Row = tuple[float, ...]


def _each(row: Callable[[Unit], Row | None], units: Sequence[Unit]) -> Numbers:
    """The units' rows one under another; NaN where there is none."""
    rows = [row(unit) for unit in units]
    width = next((len(known) for known in rows if known is not None), 1)
    return np.array([(np.nan,) * width if known is None else known for known in rows], dtype=float).reshape(-1, width)


def _mean(values: Callable[[Unit], Sequence[float] | None]) -> _Sums:
    def row(unit: Unit) -> Row | None:
        known = values(unit)
        return None if known is None else (sum(known), len(known))

    return _Sums("segments", partial(_each, row), _ratio)


def _total(count: Callable[[Unit], float | None], over: Over = "segments") -> _Sums:
    def row(unit: Unit) -> Row | None:
        known = count(unit)
        return None if known is None else (known,)

    return _Sums(over, partial(_each, row), lambda sums: sums[:, 0])


Pair = tuple[str, str, str]  # reference, hypothesis, language
Pairs = list[Pair]
Read = Callable[[Unit], Pairs | None]


def _recognised(unit: Unit) -> Pairs | None:
    row = unit.segment
    if row is None or row.text is None or row.recognised is None:
        return None
    return [(row.text, row.recognised, unit.measured.source_language)]


def _translated(unit: Unit) -> Pairs | None:
    row = unit.segment
    if row is None or row.translation is None or row.translated is None:
        return None
    return [(row.translation, row.translated, unit.measured.target_language)]


def _translated_from_gold(unit: Unit) -> Pairs | None:
    return _translated(unit) if unit.segment is not None and unit.segment.gold_transcript else None


def _heard(unit: Unit) -> Pairs | None:
    row = unit.segment
    if row is None or row.translation is None or row.heard is None:
        return None
    return [(row.translation, row.heard, unit.measured.target_language)]


def _spoken(unit: Unit) -> Pairs | None:
    if not _has_time(unit):
        return None
    return [(line.text, line.heard, unit.measured.target_language) for line in _own(unit) if line.heard is not None]


def _rate(count: Callable[[tuple[Pair, ...]], Numbers], wrong: tuple[int, ...], read: Read) -> _Sums:
    """Edits of these kinds ÷ the reference's tokens."""

    def rows(units: Sequence[Unit]) -> Numbers:
        texts = [read(unit) for unit in units]
        counts = count(tuple(pair for pairs in texts for pair in pairs or ()))
        out = np.full((len(units), 2), np.nan)
        at = 0
        for number, pairs in enumerate(texts):
            if pairs is not None:
                own = counts[at : at + len(pairs)]
                at += len(pairs)
                out[number] = own[:, list(wrong)].sum(), own[:, :3].sum()
        return out

    return _Sums("segments", rows, _ratio)


@lru_cache(maxsize=256)  # four rates are made of the same counts
def _word_errors(pairs: tuple[Pair, ...]) -> Numbers:
    """Hits, substitutions, deletions and insertions of words, a row per pair."""
    import jiwer

    if not pairs:
        return np.zeros((0, 4))
    references, hypotheses = _normalised(pairs)
    return _edits(jiwer.process_words(references, hypotheses))


@lru_cache(maxsize=256)
def _character_errors(pairs: tuple[Pair, ...]) -> Numbers:
    import jiwer

    if not pairs:
        return np.zeros((0, 4))
    references, hypotheses = (
        [said.replace(" ", "") if pair[2] in UNSPACED else said for said, pair in zip(side, pairs, strict=True)]
        for side in _normalised(pairs)
    )
    return _edits(jiwer.process_characters(references, hypotheses))


def _normalised(pairs: tuple[Pair, ...]) -> tuple[list[str], list[str]]:
    references = [_normal(reference, language) for reference, _, language in pairs]
    return references, [_normal(hypothesis, language) for _, hypothesis, language in pairs]


_normal = lru_cache(maxsize=1 << 16)(text.normalise)


def _edits(output: Any) -> Numbers:
    kinds = {"equal": 0, "substitute": 1, "delete": 2, "insert": 3}
    counts = np.zeros((len(output.alignments), 4))
    for row, chunks in zip(counts, output.alignments, strict=True):
        for chunk in chunks:
            length = max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            row[kinds[chunk.type]] += length
    return counts


def _sacrebleu(make: Callable[[str], Any], read: Read, tokeniser: Callable[[str], str]) -> _Sums:
    """A corpus score of sacrebleu from its own statistics, as its significance tests compute it; of languages with
    several tokenisers there is none.

    (``_extract_corpus_statistics`` and ``_compute_score_from_stats`` of sacrebleu/metrics/base.py.)
    """

    def rows(units: Sequence[Unit]) -> Numbers:
        texts = [read(unit) for unit in units]
        known = [pairs[0] for pairs in texts if pairs]
        if not known or len({tokeniser(language) for *_, language in known}) > 1:
            return np.full((len(units), 1), np.nan)
        references, hypotheses, languages = map(list, zip(*known, strict=True))
        statistics = iter(make(languages[0])._extract_corpus_statistics(hypotheses, [references]))
        return _each(lambda unit: tuple(next(statistics)) if read(unit) else None, units)

    def score(sums: Numbers) -> Numbers:
        metric = make("en")  # no tokeniser has a part in this half
        return np.array([metric._compute_score_from_stats([int(n) for n in row]).score for row in sums])

    return _Sums("segments", rows, score)


def _bleu(language: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=text.tokeniser(language))


def _no_tokeniser(language: str) -> str:
    return "characters"


def _chrf(language: str) -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _has_time(unit: Unit) -> bool:
    return unit.segment is None or unit.segment.start is not None


def _own(unit: Unit) -> list[DubSegment]:
    """The lines that the tool itself tells of, rather than stretches of speech in its dub."""
    return [line for line in unit.dub_segments if line.source_text is not None]


def _compliant_lengths(unit: Unit) -> list[float] | None:
    if not _has_time(unit):
        return None
    shares = [text.length_compliance([(line.source_text or "", line.text)]) for line in _own(unit)]
    return [share for share in shares if share is not None]


def _words_lost(unit: Unit) -> float | None:
    if not _has_time(unit):
        return None
    lost = 0
    for line in _own(unit):
        if line.heard is not None:
            both = line.heard_start is not None and line.heard_end is not None
            heard_s = (line.heard_end or 0.0) - (line.heard_start or 0.0) if both else None
            lost += text.words_lost(line.text, line.heard, line.cut_s, heard_s, unit.measured.target_language)
    return lost


def _said(unit: Unit) -> list[float] | None:
    """Of the lines that have something to say, whether they are heard."""
    if unit.measured.dubbed_speech is None or unit.segment is None or unit.segment.start is None:
        return None
    if any(line.source_text is not None for line in unit.measured.dub_segments):
        return [float(line.heard_start is not None) for line in _own(unit) if has_words(line.text)]
    return [float(unit.segment.dubbed_start is not None)]


def _scores(unit: Unit) -> sync.SyncScores | None:
    row = unit.segment
    if row is None or row.start is None or row.end is None or unit.measured.dubbed_speech is None:
        return None
    heard = row.dubbed_start is not None and row.dubbed_end is not None
    return sync.drift(
        [Interval(row.start, row.end)], [Interval(row.dubbed_start or 0.0, row.dubbed_end or 0.0) if heard else None]
    )


def _sync(value: Callable[[float, float], float], unit: Unit) -> list[float] | None:
    """Of onset and offset in ms; nothing where the line is not heard."""
    scores = _scores(unit)
    if scores is None:
        return None
    return [value(*both) for both in zip(scores.sync_onset_ms, scores.sync_offset_ms, strict=True)]


def _worse(onset: float, offset: float) -> float:
    return max(abs(onset), abs(offset))


def _on_time(unit: Unit) -> list[float] | None:
    scores = _scores(unit)
    return None if scores is None or scores.sync_within_150ms is None else [scores.sync_within_150ms]


def _compliant_durations(unit: Unit) -> list[float] | None:
    scores = _scores(unit)
    if scores is None:
        return None
    return [] if scores.duration_compliance_20 is None else [scores.duration_compliance_20]


def _speeds(unit: Unit) -> list[float] | None:
    if not _has_time(unit):
        return None
    return [line.speed for line in unit.dub_segments if line.speed is not None and has_words(line.text)]


def _squared_deviations(unit: Unit) -> Row | None:
    if not _has_time(unit):
        return None
    clip = [line.loudness_lufs for line in unit.measured.dub_segments if line.loudness_lufs is not None]
    own = [line.loudness_lufs for line in unit.dub_segments if line.loudness_lufs is not None]
    if len(clip) < 2:
        return (0.0, 0.0)
    middle = sum(clip) / len(clip)
    return (sum((level - middle) ** 2 for level in own), len(own))


def _reading_speeds(unit: Unit) -> list[float] | None:
    if not _has_time(unit):
        return None
    speeds = [subtitles.reading_speed_p95([cue]) for cue in _cues(unit.cues)]
    return [speed for speed in speeds if speed is not None]


def _overruns(unit: Unit) -> float | None:
    lines = _own(unit)
    if not lines:
        return None
    return sync.overruns([Interval(line.start, line.end) for line in unit.dub_segments if has_words(line.text)])


def _cue_overlaps(unit: Unit) -> float | None:
    return subtitles.overlaps(_cues(unit.cues))


def _incomplete(unit: Unit) -> float | None:
    return subtitles.incomplete_sentences(_cues(unit.cues))


def _subtitle_edits(unit: Unit) -> Row | None:
    value = unit.measured.values.get("suber")
    if value is None:
        return None
    lines = [line for cue in unit.measured.reference_cues for line in cue.text.strip().split("\n")]
    words = sum(len(line.split()) for line in lines)
    breaks = len(lines)  # one that ends the cue, one for each further line
    return (value * (words + breaks), words + breaks)


def _isochrony(unit: Unit) -> Row | None:
    """Seconds: both speak, either does, in all, only the source does."""
    measured = unit.measured
    if measured.source_speech is None or measured.dubbed_speech is None:
        return None
    said, dub = (
        merge_intervals(sync.clipped([Interval(*span) for span in spans], measured.seconds))
        for spans in (measured.source_speech, measured.dubbed_speech)
    )
    both = sync.shared_s(said, dub)
    source_s, dubbed_s = (sum(span.duration for span in spans) for spans in (said, dub))
    return both, source_s + dubbed_s - both, measured.seconds, source_s - both


def _of_clip(name: str, unit: Unit) -> float | None:
    return unit.measured.values.get(name)


def _timed(name: str, unit: Unit) -> Row | None:
    value = unit.measured.values.get(name)
    return None if value is None else (value * unit.measured.seconds, unit.measured.seconds)


def _cues(rows: Sequence[CueMeasure]) -> list[Cue]:
    return [Cue(row.start, row.end, row.text) for row in rows]
