"""Corpus scores from the rows of measurements: of one clip, or of many together.

Corpus scores do not average: error rates sum errors, BLEU counts n-grams, percentiles need every line. What a metric
of the table with ``pool="rows"`` is, it is by this module alone, so that a clip's own value and the pool of that one
clip are the same number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vtlab.errors import EngineError
from vtlab.metrics import subtitles, sync, text
from vtlab.metrics.registry import METRICS
from vtlab.metrics.rows import ClipRows, CueMeasure, DubSegment, SegmentMeasure
from vtlab.segments import Cue, Interval, merge_intervals


@dataclass
class Scores:
    """Values and signatures by metric; ``problems``: why one could not be computed."""

    values: dict[str, float]
    signatures: dict[str, str]
    problems: dict[str, str]


def pool(measurements: Sequence[ClipRows]) -> Scores:
    """Every metric that any of the measurements has, over all of them; those that nobody measured are not there."""
    known = {name for measurement in measurements for name in measurement.values}
    scores = from_rows(measurements, [name for name in METRICS if name in known and METRICS[name].pool == "rows"])
    for name in METRICS:
        having = [measurement for measurement in measurements if name in measurement.values]
        if not having or METRICS[name].pool == "rows":
            continue
        scores.values[name] = _of_clips(name, having)
        signed = {measurement.signatures[name] for measurement in having if name in measurement.signatures}
        if signed:
            scores.signatures[name] = " / ".join(sorted(signed))
    for name in scores.values:
        ears = {_ear(measurement.signatures.get(name, "")) for measurement in measurements} - {""}
        if ears:
            scores.signatures[name] = _signed(scores.signatures.get(name), " / ".join(sorted(ears)))
        used = sum(name in measurement.values for measurement in measurements)
        if used < len(measurements):
            scores.signatures[name] = _signed(scores.signatures.get(name), f"clips:{used}/{len(measurements)}")
    return scores


def from_rows(measurements: Sequence[ClipRows], wanted: Sequence[str]) -> Scores:
    """The wanted metrics of ``pool="rows"`` over the rows of the measurements."""
    scores = Scores({}, {}, {})
    for names, compute in _GROUPS.items():
        asked = [name for name in names if name in wanted]
        if not asked:
            continue
        try:
            values, signature = compute(measurements)
        except EngineError as error:
            scores.problems.update(dict.fromkeys(asked, str(error)))
            continue
        for name in asked:
            value = values.get(name)
            if value is not None and math.isfinite(value):
                scores.values[name] = float(value)
                if signature:
                    scores.signatures[name] = signature
    return scores


Values = tuple[dict[str, float | None], str | None]
Group = Callable[[Sequence[ClipRows]], Values]


def _of_clips(name: str, having: Sequence[ClipRows]) -> float:
    metric = METRICS[name]
    values = [measurement.values[name] for measurement in having]
    if metric.pool == "sum":
        return sum(values)
    if metric.pool == "time":
        seconds = [measurement.seconds for measurement in having]
        # one clip's value is its own to the bit
        return values[0] if len(values) == 1 else sum(map(math.prod, zip(values, seconds, strict=True))) / sum(seconds)
    if metric.better == "target" and metric.target is not None:
        low, high = metric.target
        middle = ((low if low is not None else high or 0.0) + (high if high is not None else low or 0.0)) / 2
        return max(values, key=lambda value: abs(value - middle))
    return min(values) if metric.better == "higher" else max(values)


def _ear(signature: str) -> str:
    """The part of a signature that names the recogniser, which no row knows."""
    at = signature.find("ear:")
    return "" if at < 0 else signature[at:].split("|clips:")[0]


def _signed(*parts: str | None) -> str:
    return "|".join(part for part in parts if part)


# ---------------------------------------------------------------- text


@dataclass(frozen=True)
class _Pairs:
    """Parallel texts of one language after another, in the order of the clips."""

    references: list[str]
    hypotheses: list[str]
    languages: list[str]


def _pairs(
    measurements: Sequence[ClipRows],
    read: Callable[[SegmentMeasure], tuple[str | None, str | None]],
    language: Callable[[ClipRows], str],
) -> _Pairs:
    pairs = _Pairs([], [], [])
    for measurement in measurements:
        for segment in measurement.segments:
            reference, hypothesis = read(segment)
            if reference is not None and hypothesis is not None:
                pairs.references.append(reference)
                pairs.hypotheses.append(hypothesis)
                pairs.languages.append(language(measurement))
    return pairs


def _recognition(measurements: Sequence[ClipRows]) -> Values:
    pairs = _pairs(measurements, lambda row: (row.text, row.recognised), lambda m: m.source_language)
    if not pairs.references:
        return {}, None
    scores = text.error_rates(pairs.references, pairs.hypotheses, pairs.languages)
    return {
        "wer": scores.wer,
        "cer": scores.cer,
        "wer_sub": scores.wer_sub,
        "wer_ins": scores.wer_ins,
        "wer_del": scores.wer_del,
    }, _signed(scores.signature, f"segments:{len(pairs.references)}")


def _bleu_of(name: str, read: Callable[[SegmentMeasure], tuple[str | None, str | None]]) -> Group:
    def compute(measurements: Sequence[ClipRows]) -> Values:
        pairs = _pairs(measurements, read, lambda m: m.target_language)
        if not pairs.references:
            return {}, None
        tokenisers = {text.tokeniser(language) for language in pairs.languages}
        if len(tokenisers) > 1:
            raise EngineError(f"BLEU over languages of several tokenisers ({', '.join(sorted(tokenisers))}) is none.")
        score = text.bleu(pairs.references, pairs.hypotheses, pairs.languages[0])
        return {name: score.value}, _signed(score.signature, f"segments:{len(pairs.references)}")

    return compute


def _chrf_of(name: str, read: Callable[[SegmentMeasure], tuple[str | None, str | None]]) -> Group:
    def compute(measurements: Sequence[ClipRows]) -> Values:
        pairs = _pairs(measurements, read, lambda m: m.target_language)
        if not pairs.references:
            return {}, None
        score = text.chrf(pairs.references, pairs.hypotheses)
        return {name: score.value}, _signed(score.signature, f"segments:{len(pairs.references)}")

    return compute


def _translated(row: SegmentMeasure) -> tuple[str | None, str | None]:
    return row.translation, row.translated


def _translated_from_gold(row: SegmentMeasure) -> tuple[str | None, str | None]:
    return (row.translation, row.translated) if row.gold_transcript else (None, None)


def _heard(row: SegmentMeasure) -> tuple[str | None, str | None]:
    return row.translation, row.heard


def _spoken(measurements: Sequence[ClipRows]) -> Values:
    """``tts_wer``: what was heard of each line against what was given to the voice."""
    given, heard, languages = [], [], []
    for measurement in measurements:
        for line in measurement.dub_segments:
            if line.source_text is not None and line.heard is not None:
                given.append(line.text)
                heard.append(line.heard)
                languages.append(measurement.target_language)
    if not given:
        return {}, None
    scores = text.error_rates(given, heard, languages)
    return {"tts_wer": scores.wer}, _signed(scores.signature, f"lines:{len(given)}")


def _truncated(measurements: Sequence[ClipRows]) -> Values:
    lines = [
        (line, measurement.target_language)
        for measurement in measurements
        for line in measurement.dub_segments
        if line.source_text is not None and line.heard is not None
    ]
    if not lines:
        return {}, None
    lost = sum(
        text.words_lost(line.text, line.heard or "", line.cut_s, _duration(line), language) for line, language in lines
    )
    return {"truncated_words": lost}, f"norm:{text.normaliser([language for _, language in lines])}|lines:{len(lines)}"


def _tails(measurements: Sequence[ClipRows]) -> Values:
    cuts = [line.cut_s for m in measurements for line in m.dub_segments if line.cut_s is not None]
    return {"tail_cut_max_s": max(cuts, default=None)}, f"lines:{len(cuts)}"


def _lengths(measurements: Sequence[ClipRows]) -> Values:
    pairs = [
        (line.source_text, line.text)
        for measurement in measurements
        for line in measurement.dub_segments
        if line.source_text is not None
    ]
    return {"length_compliance_10": text.length_compliance(pairs)}, None


# ---------------------------------------------------------------- time


def _drift(measurements: Sequence[ClipRows]) -> Values:
    source, dubbed = [], []
    for measurement in measurements:
        for row in measurement.segments:
            if row.start is not None and row.end is not None and measurement.dubbed_speech is not None:
                source.append(Interval(row.start, row.end))
                dubbed.append(_span(row.dubbed_start, row.dubbed_end))
    if not source:
        return {}, None
    scores = sync.drift(source, dubbed)
    return {
        "sync_onset_ms": sync.mean(scores.sync_onset_ms),
        "sync_offset_ms": sync.mean(scores.sync_offset_ms),
        "sync_onset_mean_abs_ms": scores.sync_onset_mean_abs_ms,
        "sync_drift_mean_ms": scores.sync_drift_mean_ms,
        "sync_drift_p95_ms": scores.sync_drift_p95_ms,
        "sync_drift_max_ms": scores.sync_drift_max_ms,
        "sync_within_150ms": scores.sync_within_150ms,
        "duration_compliance_20": scores.duration_compliance_20,
    }, f"segments:{scores.segments}|not heard:{scores.unmatched}"


def _coverage(measurements: Sequence[ClipRows]) -> Values:
    both = source_s = dubbed_s = total = 0.0
    for measurement in measurements:
        if measurement.source_speech is None or measurement.dubbed_speech is None:
            continue
        said, dub = (
            merge_intervals(sync.clipped([Interval(*span) for span in spans], measurement.seconds))
            for spans in (measurement.source_speech, measurement.dubbed_speech)
        )
        both += sync.shared_s(said, dub)
        source_s += sum(span.duration for span in said)
        dubbed_s += sum(span.duration for span in dub)
        total += measurement.seconds
    if total == 0:
        return {}, None
    scores = sync.isochrony(both, source_s, dubbed_s, total)
    return {
        "speech_overlap": scores.speech_overlap,
        "speech_iou": scores.speech_iou,
        "uncovered_s": scores.uncovered_s,
    }, None


def _speeds(measurements: Sequence[ClipRows]) -> Values:
    values: list[float] = []
    steps: list[float] = []
    for measurement in measurements:
        own = [
            line.speed
            for line in sorted(measurement.dub_segments, key=lambda line: line.start)
            if line.speed is not None and has_words(line.text)
        ]
        values += own
        step = sync.speeds(own).speed_step_max
        steps += [] if step is None else [step]
    scores = sync.speeds(values)
    return {
        "speed_mean": scores.speed_mean,
        "speed_p95": scores.speed_p95,
        "speed_min": scores.speed_min,
        "speed_max": scores.speed_max,
        "speed_step_max": max(steps, default=None),
    }, f"lines:{len(values)}"


def _overruns(measurements: Sequence[ClipRows]) -> Values:
    known = [m for m in measurements if any(line.source_text is not None for line in m.dub_segments)]
    counts = [
        sync.overruns([Interval(line.start, line.end) for line in m.dub_segments if has_words(line.text)])
        for m in known
    ]
    return {"overruns": float(sum(counts)) if known else None}, None


def _completeness(measurements: Sequence[ClipRows]) -> Values:
    """Of the tool's own lines where they are known, of the source's lines where not."""
    due = spoken = 0
    by_source = False
    for measurement in measurements:
        if measurement.dubbed_speech is None:
            continue
        own = [line for line in measurement.dub_segments if line.source_text is not None]
        if own:
            with_words = [line for line in own if has_words(line.text)]
            due += len(with_words)
            spoken += sum(line.heard_start is not None for line in with_words)
        else:
            timed = [row for row in measurement.segments if row.start is not None]
            by_source |= bool(timed)
            due += len(timed)
            spoken += sum(row.dubbed_start is not None for row in timed)
    lines = "the source's lines" if by_source else "the tool's lines"
    return {"completeness": spoken / due if due else None}, f"of:{lines}|lines:{due}"


def _spread(measurements: Sequence[ClipRows]) -> Values:
    """Over lines, each against the mean of its own clip."""
    squares: list[float] = []
    for measurement in measurements:
        levels = [line.loudness_lufs for line in measurement.dub_segments if line.loudness_lufs is not None]
        if len(levels) > 1:
            middle = sum(levels) / len(levels)
            squares += [(level - middle) ** 2 for level in levels]
    return {"loudness_spread_db": math.sqrt(sum(squares) / len(squares)) if squares else None}, None


def has_words(written: str) -> bool:
    """Whether there is anything to say in it."""
    return any(letter.isalnum() for letter in written)


def _duration(line: DubSegment) -> float | None:
    if line.heard_start is None or line.heard_end is None:
        return None
    return line.heard_end - line.heard_start


def _span(start: float | None, end: float | None) -> Interval | None:
    return None if start is None or end is None else Interval(start, end)


# ---------------------------------------------------------------- subtitles


def _subtitles(measurements: Sequence[ClipRows]) -> Values:
    files = [_cues(measurement.cues) for measurement in measurements if measurement.cues]
    every = [cue for cues in files for cue in cues]
    if not files:
        return {}, None
    return {
        "subtitle_cps_p95": subtitles.reading_speed_p95(every),
        "subtitle_max_line_chars": subtitles.longest_line(every),
        "subtitle_max_lines": subtitles.most_lines(every),
        "subtitle_overlaps": sum(subtitles.overlaps(cues) or 0 for cues in files),
        "subtitle_min_duration_s": subtitles.shortest(every),
        "subtitle_incomplete_sentences": sum(subtitles.incomplete_sentences(cues) or 0 for cues in files),
    }, f"cues:{len(every)}"


def _suber(measurements: Sequence[ClipRows]) -> Values:
    paired = [m for m in measurements if m.cues and m.reference_cues]
    if not paired:
        return {}, None
    references = [_cues(m.reference_cues) for m in paired]
    languages = {m.target_language for m in paired}
    language = languages.pop() if len(languages) == 1 else "en"  # it only tells ja, ko and zh from others
    value = subtitles.suber(references, [_cues(m.cues) for m in paired], language)
    return {"suber": value}, subtitles.suber_signature(references)


def _cues(rows: Sequence[CueMeasure]) -> list[Cue]:
    return [Cue(row.start, row.end, row.text) for row in rows]


_GROUPS: dict[tuple[str, ...], Group] = {
    ("wer", "cer", "wer_sub", "wer_ins", "wer_del"): _recognition,
    ("bleu",): _bleu_of("bleu", _translated),
    ("bleu_gold_transcript",): _bleu_of("bleu_gold_transcript", _translated_from_gold),
    ("chrf",): _chrf_of("chrf", _translated),
    ("asr_bleu",): _bleu_of("asr_bleu", _heard),
    ("asr_chrf",): _chrf_of("asr_chrf", _heard),
    ("tts_wer",): _spoken,
    ("truncated_words",): _truncated,
    ("tail_cut_max_s",): _tails,
    ("length_compliance_10",): _lengths,
    (
        "sync_onset_ms",
        "sync_offset_ms",
        "sync_onset_mean_abs_ms",
        "sync_drift_mean_ms",
        "sync_drift_p95_ms",
        "sync_drift_max_ms",
        "sync_within_150ms",
        "duration_compliance_20",
    ): _drift,
    ("speech_overlap", "speech_iou", "uncovered_s"): _coverage,
    ("speed_mean", "speed_p95", "speed_min", "speed_max", "speed_step_max"): _speeds,
    ("overruns",): _overruns,
    ("completeness",): _completeness,
    ("loudness_spread_db",): _spread,
    (
        "subtitle_cps_p95",
        "subtitle_max_line_chars",
        "subtitle_max_lines",
        "subtitle_overlaps",
        "subtitle_min_duration_s",
        "subtitle_incomplete_sentences",
    ): _subtitles,
    ("suber",): _suber,
}
