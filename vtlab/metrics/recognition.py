"""Metrics of recognition: the source's by the dubbing tool, the dub's by the evaluation's own recogniser.

Error rates are errors ÷ reference words, summed over the corpus (``jiwer``), after one normaliser for reference and
hypothesis. Without reference words there is no rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vtlab.languages import UNSPACED
from vtlab.metrics.metric import Row, SumMetric, summed, total
from vtlab.metrics.needs import RECOGNITION, RECORD, REFERENCE, TIMES, TRANSCRIPT
from vtlab.metrics.rows import DubSegment
from vtlab.metrics.text import library, normalise, normaliser, version_of
from vtlab.metrics.units import Unit

CUT_S = 0.06  # sound that ends so much before its record lacks something; less is the edge of a level

Pair = tuple[str, str, str]  # reference, hypothesis, language
Edits = tuple[int, int, int, int]  # hits, substitutions, deletions, insertions
HITS, SUBSTITUTIONS, DELETIONS, INSERTIONS = range(4)
ERRORS = (SUBSTITUTIONS, DELETIONS, INSERTIONS)


@lru_cache(maxsize=1 << 16)  # several rates are made of the same counts, and reports ask for segments again
def word_edits(reference: str, hypothesis: str, language: str) -> Edits:
    """Count hits and edits of words, after normalisation."""
    jiwer = library("jiwer")
    return _edits(jiwer.process_words([_normal(reference, language)], [_normal(hypothesis, language)]))


@lru_cache(maxsize=1 << 16)
def character_edits(reference: str, hypothesis: str, language: str) -> Edits:
    """Count hits and edits of characters, after normalisation; spaces do not count where a language has none."""
    jiwer = library("jiwer")
    texts = [_normal(text, language) for text in (reference, hypothesis)]
    if language in UNSPACED:
        texts = [text.replace(" ", "") for text in texts]
    return _edits(jiwer.process_characters(texts[:1], texts[1:]))


def words_lost(given: str, heard: str, cut_s: float | None, heard_s: float | None, language: str) -> int:
    """Count the words missing from the end of a segment: those after the last one that was heard as given.

    A recogniser mishears ends for reasons of its own, so words count where nothing at all was heard in their place, or
    where the segment's sound ends ``cut_s`` seconds early and they take no more time than that.
    """
    jiwer = library("jiwer")
    said, got = normalise(given, language), normalise(heard, language)
    if not said or not got:
        return 0  # where nothing is understood, the end is not the problem
    tail = 0
    words = said.split()
    for chunk in reversed(jiwer.process_words(said, got).alignments[0]):
        if chunk.type == "equal":
            break
        if chunk.type == "delete":
            tail += chunk.ref_end_idx - chunk.ref_start_idx
    last_heard = bool(got.split()) and got.split()[-1] == words[-1]
    if not tail and cut_s is not None and heard_s is not None and cut_s > CUT_S and not last_heard:
        characters = cut_s / (cut_s + heard_s) * len(said)
        while words and characters > len(words[-1]) / 2:
            characters -= len(words.pop()) + 1
            tail += 1
    return tail


@dataclass(frozen=True)
class ErrorScores:
    """Errors over a corpus: rates over reference words (characters for ``cer``), ``None`` without any."""

    wer: float | None
    cer: float | None
    wer_sub: float | None
    wer_ins: float | None
    wer_del: float | None
    reference_words: int
    substitutions: int
    insertions: int
    deletions: int
    signature: str


def error_rates(references: Sequence[str], hypotheses: Sequence[str], language: str | Sequence[str]) -> ErrorScores:
    """Return word and character errors of parallel texts, in one language or each in its own.

    Raises:
        ValueError: Their numbers differ.
        EngineError: jiwer is not installed.
    """
    check_parallel(references, hypotheses)
    languages = [language] * len(references) if isinstance(language, str) else language
    pairs = list(zip(references, hypotheses, languages, strict=True))
    hits, substitutions, deletions, insertions = _sum(word_edits, pairs)
    characters = _sum(character_edits, pairs)
    words = hits + substitutions + deletions
    total_characters = sum(characters[:INSERTIONS])

    def share(count: int) -> float | None:
        return count / words if words else None

    return ErrorScores(
        wer=share(substitutions + deletions + insertions),
        cer=sum(characters[SUBSTITUTIONS:]) / total_characters if total_characters else None,
        wer_sub=share(substitutions),
        wer_ins=share(insertions),
        wer_del=share(deletions),
        reference_words=words,
        substitutions=substitutions,
        insertions=insertions,
        deletions=deletions,
        signature=_signature(pairs),
    )


def check_parallel(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    """Raise ``ValueError`` where there are more of one than of the other."""
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses; resegment or pair them first")


_normal = lru_cache(maxsize=1 << 16)(normalise)


def _edits(output: Any) -> Edits:
    return output.hits, output.substitutions, output.deletions, output.insertions


def _sum(edits: Callable[[str, str, str], Edits], pairs: Sequence[Pair]) -> Edits:
    counts = np.array([edits(*pair) for pair in pairs], dtype=int).reshape(-1, 4).sum(axis=0).tolist()
    return counts[0], counts[1], counts[2], counts[3]


def _signature(pairs: Sequence[Pair]) -> str:
    return f"jiwer:{version_of('jiwer')}|norm:{normaliser([language for *_, language in pairs])}"


# ---------------------------------------------------------------- the metrics

Pairs = Callable[[Unit], list[Pair] | None]


def _recognised(unit: Unit) -> list[Pair] | None:
    row = unit.segment
    if row is None or row.text is None or row.recognised is None:
        return None
    return [(row.text, row.recognised, unit.clip_rows.source_language)]


def _spoken(unit: Unit) -> list[Pair] | None:
    if not unit.timed:
        return None
    language = unit.clip_rows.target_language
    return [(segment.text, segment.heard, language) for segment in unit.recorded if segment.heard is not None]


def _rate(
    pairs: Pairs, edits: Callable[[str, str, str], Edits] = word_edits, kinds: Sequence[int] = ERRORS
) -> Callable[[Unit], Row | None]:
    """Edits of these kinds, and the reference's words or characters."""

    def counts(unit: Unit) -> Row | None:
        known = pairs(unit)
        if known is None:
            return None
        found = _sum(edits, known)
        return float(sum(found[kind] for kind in kinds)), float(sum(found[:INSERTIONS]))

    return counts


def _signed(pairs: Pairs, unit_name: str) -> Callable[[Sequence[Unit]], str]:
    def signature(units: Sequence[Unit]) -> str:
        known = [pair for unit in units for pair in pairs(unit) or ()]
        return f"{_signature(known)}|{unit_name}:{len(known)}"

    return signature


def _rate_metric(name: str, means: str, counts: Callable[[Unit], Row | None], headline: int | None = None) -> SumMetric:
    return SumMetric(
        name,
        "1",
        "lower",
        means,
        group="text",
        headline=headline,
        decides=headline is not None,
        needs=(REFERENCE, TRANSCRIPT, RECORD),
        counts=counts,
        signature=_signed(_recognised, "segments"),
    )


def _heard(unit: Unit) -> list[DubSegment]:
    return [segment for segment in unit.recorded if segment.heard is not None]


def _words_lost(unit: Unit) -> list[int] | None:
    if not unit.timed:
        return None
    language = unit.clip_rows.target_language
    return [
        words_lost(segment.text, segment.heard or "", segment.cut_s, segment.heard_s, language)
        for segment in _heard(unit)
    ]


def _signature_of_lost(units: Sequence[Unit]) -> str:
    languages = [unit.clip_rows.target_language for unit in units for _ in _heard(unit)]
    return f"norm:{normaliser(languages)}|lines:{len(languages)}"


METRICS = (
    _rate_metric("wer", "word errors ÷ reference words", _rate(_recognised), headline=50),
    _rate_metric("cer", "character errors ÷ reference characters", _rate(_recognised, character_edits)),
    _rate_metric("wer_sub", "words taken for others ÷ reference words", _rate(_recognised, kinds=(SUBSTITUTIONS,))),
    _rate_metric("wer_ins", "words nobody said ÷ reference words", _rate(_recognised, kinds=(INSERTIONS,))),
    _rate_metric("wer_del", "words missed ÷ reference words", _rate(_recognised, kinds=(DELETIONS,))),
    SumMetric(
        "tts_wer",
        "1",
        "lower",
        "word errors of the dubbed speech against the text given to the voice",
        group="speech",
        headline=60,
        needs=(RECORD, RECOGNITION),
        counts=_rate(_spoken),
        signature=_signed(_spoken, "lines"),
    ),
    SumMetric(
        "truncated_words",
        "words",
        "lower",
        "words missing from the ends of segments",
        target=(None, 0.0),
        group="sync",
        needs=(RECORD, TIMES, RECOGNITION),
        counts=summed(_words_lost),
        score=total,
        signature=_signature_of_lost,
    ),
)
