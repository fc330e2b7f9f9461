"""Metrics of the translation, as text and as it is heard in the dub: BLEU and chrF of ``sacrebleu``, and lengths.

A corpus score is made of sums of sufficient statistics (n-gram counts), as sacrebleu's own significance tests do it
(``_extract_corpus_statistics`` and ``_compute_score_from_stats`` of sacrebleu/metrics/base.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from vtlab.errors import EngineError
from vtlab.metrics.metric import Numbers, Row, SumMetric, summed
from vtlab.metrics.needs import RECOGNITION, RECORD, REFERENCE, TEXT, TRANSLATION, Need
from vtlab.metrics.recognition import Pair, check_parallel
from vtlab.metrics.text import library
from vtlab.metrics.units import Unit

COMPLIANCE = (0.9, 1.1)  # of length_compliance_10: translation ÷ source characters
TOKENISERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
DEFAULT_TOKENISER = "13a"


def tokeniser(language: str) -> str:
    """Return the name of sacrebleu's tokeniser for BLEU in that language."""
    return TOKENISERS.get(language, DEFAULT_TOKENISER)


@cache
def _bleu(tokenise: str) -> Any:
    try:
        return library("sacrebleu.metrics.bleu").BLEU(tokenize=tokenise)
    except (ImportError, RuntimeError) as error:
        language = tokenise.partition("-")[0]
        raise EngineError(
            f"BLEU for {language!r} needs a tokeniser that is not installed: pip install 'sacrebleu[{language}]'"
        ) from error


@cache
def _chrf() -> Any:
    """ChrF2: character n-grams up to 6, no word n-grams (Popović 2015)."""
    return library("sacrebleu.metrics.chrf").CHRF()


def _bleu_of(language: str) -> Any:
    return _bleu(tokeniser(language))


def _chrf_of(language: str) -> Any:
    return _chrf()


ScorerOf = Callable[[str], Any]  # language to one of sacrebleu's metrics


@lru_cache(maxsize=1 << 16)
def _statistics(scorer_of: ScorerOf, reference: str, hypothesis: str, language: str) -> Row:
    (counts,) = scorer_of(language)._extract_corpus_statistics([hypothesis], [[reference]])
    return tuple(map(float, counts))


def _score(scorer_of: ScorerOf, sums: Numbers) -> Numbers:
    scorer = scorer_of("en")  # no tokeniser has a part in this half
    return np.array([scorer._compute_score_from_stats([int(n) for n in row]).score for row in sums])


def _signature(scorer_of: ScorerOf, language: str) -> str:
    scorer = scorer_of(language)
    scorer.corpus_score(["a"], [["a"]])  # it signs what it has scored
    return str(scorer.get_signature())


@dataclass(frozen=True)
class TextScore:
    """A corpus score 0…100 with its signature; ``None`` over no segments."""

    value: float | None
    signature: str


def bleu(references: Sequence[str], hypotheses: Sequence[str], language: str) -> TextScore:
    """Return corpus BLEU of parallel segments; an empty translation counts as a bad one.

    Raises:
        ValueError: Their numbers differ.
        EngineError: sacrebleu or the language's tokeniser is not installed; names the command.
    """
    return _corpus_score(_bleu_of, references, hypotheses, language)


def chrf(references: Sequence[str], hypotheses: Sequence[str]) -> TextScore:
    """Return corpus chrF2 of parallel segments.

    Raises:
        ValueError: Their numbers differ.
        EngineError: sacrebleu is not installed.
    """
    return _corpus_score(_chrf_of, references, hypotheses, "")


def _corpus_score(
    scorer_of: ScorerOf, references: Sequence[str], hypotheses: Sequence[str], language: str
) -> TextScore:
    check_parallel(references, hypotheses)
    signature = _signature(scorer_of, language)
    rows = [_statistics(scorer_of, *pair, language) for pair in zip(references, hypotheses, strict=True)]
    return TextScore(float(_score(scorer_of, np.sum([rows], axis=1))[0]) if rows else None, signature)


def length_compliance(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return the share of translations with 0.9 to 1.1 times their source's characters (isometric, IWSLT 2022).

    Pairs, (source, translation), without a source are left out.
    """
    low, high = COMPLIANCE
    ratios = [len(translation.strip()) / len(source.strip()) for source, translation in pairs if source.strip()]
    return sum(low - 1e-9 <= ratio <= high + 1e-9 for ratio in ratios) / len(ratios) if ratios else None


# ---------------------------------------------------------------- the metrics


def _translated(unit: Unit) -> Pair | None:
    row = unit.segment
    if row is None or row.translation is None or row.translated is None:
        return None
    return row.translation, row.translated, unit.clip_rows.target_language


def _translated_from_gold(unit: Unit) -> Pair | None:
    return _translated(unit) if unit.segment is not None and unit.segment.gold_transcript else None


def _heard(unit: Unit) -> Pair | None:
    row = unit.segment
    if row is None or row.translation is None or row.heard is None:
        return None
    return row.translation, row.heard, unit.clip_rows.target_language


def _corpus_metric(
    name: str,
    means: str,
    scorer_of: ScorerOf,
    pair_of: Callable[[Unit], Pair | None],
    needs: tuple[Need, ...],
    group: str,
    nothing: str = "there is no segment to score",
    headline: int | None = None,
) -> SumMetric:
    def counts(unit: Unit) -> Row | None:
        pair = pair_of(unit)
        return None if pair is None else _statistics(scorer_of, *pair)

    def signature(units: Sequence[Unit]) -> str:
        pairs = [pair for unit in units if (pair := pair_of(unit)) is not None]
        return f"{_signature(scorer_of, pairs[0][2])}|segments:{len(pairs)}"

    return SumMetric(
        name,
        "0-100",
        "higher",
        means,
        needs=(REFERENCE, *needs),
        group=group,
        nothing=nothing,
        headline=headline,
        decides=headline is not None,
        counts=counts,
        score=lambda sums: _score(scorer_of, sums),
        kind=(lambda unit: tokeniser(unit.clip_rows.target_language)) if scorer_of is _bleu_of else lambda unit: "",
        signature=signature,
    )


def _compliant_lengths(unit: Unit) -> list[float] | None:
    if not unit.timed:
        return None
    shares = [length_compliance([(segment.source_text or "", segment.text)]) for segment in unit.recorded]
    return [share for share in shares if share is not None]


METRICS = (
    _corpus_metric(
        "bleu",
        "corpus BLEU of the translation",
        _bleu_of,
        _translated,
        (TRANSLATION, TEXT),
        "text",
        headline=40,
    ),
    _corpus_metric(
        "chrf",
        "corpus chrF2 of the translation",
        _chrf_of,
        _translated,
        (TRANSLATION, TEXT),
        "text",
        headline=30,
    ),
    _corpus_metric(
        "bleu_gold_transcript",
        "corpus BLEU of the reference transcript, translated",
        _bleu_of,
        _translated_from_gold,
        (RECORD, TRANSLATION),
        "",
        "needs a dub whose transcription is the reference's own",
    ),
    _corpus_metric(
        "asr_bleu",
        "corpus BLEU of the dubbed speech, recognised again",
        _bleu_of,
        _heard,
        (TRANSLATION, RECOGNITION),
        "speech",
        headline=20,
    ),
    _corpus_metric(
        "asr_chrf",
        "corpus chrF2 of the dubbed speech, recognised again",
        _chrf_of,
        _heard,
        (TRANSLATION, RECOGNITION),
        "speech",
        headline=10,
    ),
    SumMetric(
        "length_compliance_10",
        "1",
        "higher",
        "share of segments whose translation has 0.9 to 1.1 times the source's characters",
        group="text",
        needs=(RECORD,),
        counts=summed(_compliant_lengths),
    ),
)
