"""Scores of recognised and translated text, each with the signature that says how it was computed.

Error rates are summed over the corpus, not averaged per clip (``jiwer``), after one normaliser for reference and
hypothesis. BLEU and chrF are corpus scores of ``sacrebleu``. Where there is nothing to score the rate is ``None``.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from vtlab.errors import EngineError
from vtlab.languages import UNSPACED
from vtlab.text.sentences import SENTENCE_ENDS

NORMALISER = "vtlab-2"  # rises with every change of what `normalise` answers
ENGLISH = "whisper-normalizer"  # English goes through Whisper's own normaliser, where contractions and spellings agree

# num2words' own names where they differ: "pt" is European Portuguese there (dezanove for dezenove)
_NUMBER_LANGUAGE = {"pt": "pt_BR", "nb": "no"}
_PERCENT = {
    "pt": "por cento",
    "es": "por ciento",
    "fr": "pour cent",
    "de": "prozent",
    "it": "per cento",
}
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,\u00a0 ]\d{3})+(?![\d])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_TOKENISERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
DEFAULT_TOKENISER = "13a"
COMPLIANCE = (0.9, 1.1)  # of length_compliance_10: translation ÷ source characters
CUT_S = 0.06  # sound that ends so much before its record lacks something; less is the edge of a level


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


@dataclass(frozen=True)
class Score:
    """A corpus score 0…100 with its signature; ``None`` over no segments."""

    value: float | None
    signature: str


def error_rates(references: Sequence[str], hypotheses: Sequence[str], language: str | Sequence[str]) -> ErrorScores:
    """Word and character errors of parallel texts, in one language or each in its own.

    Raises ``ValueError`` where their numbers differ.
    """
    jiwer = library("jiwer")
    _same_length(references, hypotheses)
    languages = [language] * len(references) if isinstance(language, str) else language
    said = [normalise(text, spoken) for text, spoken in zip(references, languages, strict=True)]
    heard = [normalise(text, spoken) for text, spoken in zip(hypotheses, languages, strict=True)]
    signature = f"jiwer:{_version('jiwer')}|norm:{normaliser(languages)}"
    if not said:
        return ErrorScores(None, None, None, None, None, 0, 0, 0, 0, signature)
    words = jiwer.process_words(said, heard)
    characters = jiwer.process_characters(_unspaced(said, languages), _unspaced(heard, languages))
    total = words.hits + words.substitutions + words.deletions
    wrong = characters.substitutions + characters.insertions + characters.deletions
    total_characters = characters.hits + characters.substitutions + characters.deletions

    def share(count: int) -> float | None:
        # jiwer answers with a count where the reference is empty; a count is no rate
        return count / total if total else None

    return ErrorScores(
        wer=share(words.substitutions + words.insertions + words.deletions),
        cer=wrong / total_characters if total_characters else None,
        wer_sub=share(words.substitutions),
        wer_ins=share(words.insertions),
        wer_del=share(words.deletions),
        reference_words=total,
        substitutions=words.substitutions,
        insertions=words.insertions,
        deletions=words.deletions,
        signature=signature,
    )


def bleu(references: Sequence[str], hypotheses: Sequence[str], language: str) -> Score:
    """Corpus BLEU of parallel segments; an empty translation counts as a bad one.

    Raises ``EngineError`` with the command to run where sacrebleu or the language's tokeniser is not installed.
    """
    bleu_class = library("sacrebleu.metrics.bleu").BLEU
    _same_length(references, hypotheses)
    chosen = tokeniser(language)
    try:
        metric = bleu_class(tokenize=chosen)
    except (ImportError, RuntimeError) as error:
        raise EngineError(
            f"BLEU for {language!r} needs a tokeniser that is not installed: pip install 'sacrebleu[{language}]'"
        ) from error
    if not references:
        return Score(None, f"tok:{chosen}|version:{_version('sacrebleu')}")
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score(value, str(metric.get_signature()))


def chrf(references: Sequence[str], hypotheses: Sequence[str]) -> Score:
    """Corpus chrF2 (character n-grams up to 6, no word n-grams; Popović 2015) of parallel segments."""
    chrf_class = library("sacrebleu.metrics.chrf").CHRF
    _same_length(references, hypotheses)
    metric = chrf_class()
    if not references:
        return Score(None, f"nc:6|nw:0|version:{_version('sacrebleu')}")
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score(value, str(metric.get_signature()))


def tokeniser(language: str) -> str:
    """The name of sacrebleu's tokeniser for BLEU in that language."""
    return _TOKENISERS.get(language, DEFAULT_TOKENISER)


def length_compliance(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Share of translations with 0.9 to 1.1 times their source's characters (isometric translation, IWSLT 2022)."""
    ratios = [len(translation.strip()) / len(source.strip()) for source, translation in pairs if source.strip()]
    if not ratios:
        return None
    low, high = COMPLIANCE
    return sum(low - 1e-9 <= ratio <= high + 1e-9 for ratio in ratios) / len(ratios)


def words_lost(given: str, heard: str, cut_s: float | None, heard_s: float | None, language: str) -> int:
    """Words missing from the end of a line: those after the last one that was heard as given.

    A recogniser mishears ends for reasons of its own, so words count where nothing at all was heard in their place, or
    where the line's sound ends ``cut_s`` seconds early and they take no more time than that.
    """
    jiwer = library("jiwer")
    said, got = normalise(given, language), normalise(heard, language)
    if not said or not got:
        return 0  # a line of which nothing is understood is no matter of its end
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


def resegment(references: Sequence[str], hypothesis: str, language: str) -> list[str]:
    """The hypothesis cut into as many segments as the reference, with the least word error in all.

    The idea of mwerSegmenter (Matusov et al., IWSLT 2005): the alignment of both texts as one sequence of words says
    which hypothesis words belong to which reference segment. Words that belong to neither of two neighbours go to the
    first up to the end of its sentence, the rest to the second.

    Done with jiwer's alignment and not by the library mweralign: on transcripts and translations of 20 dubs (3,432
    words) it reaches the least error there is (682; mweralign 684), in a tenth of the time, sees sentence ends, and
    prints nothing to the process's standard error. A test compares the two.
    """
    jiwer = library("jiwer")
    join = "" if language in UNSPACED else " "
    pieces = _pieces(hypothesis, language)
    if not references:
        return []
    said = [[_plain(piece) for piece in _pieces(text, language)] for text in references]
    flat = [word for words in said for word in words]
    if not flat or not pieces:
        return [join.join(pieces), *[""] * (len(references) - 1)]
    chunks = jiwer.process_words(" ".join(flat), " ".join(_plain(piece) for piece in pieces)).alignments[0]
    cuts = [0]
    passed = 0
    for words in said[:-1]:
        passed += len(words)
        cuts.append(max(cuts[-1], _cut(chunks, passed, pieces)))
    cuts.append(len(pieces))
    return [join.join(pieces[a:b]) for a, b in itertools.pairwise(cuts)]


def normaliser(languages: Sequence[str]) -> str:
    """The name and version of what ``normalise`` does to these languages."""
    names = {f"{ENGLISH}-{_version(ENGLISH)}" if language == "en" else NORMALISER for language in languages}
    return "+".join(sorted(names)) or NORMALISER


def normalise(text: str, language: str) -> str:
    """Unicode NFKC, lower case, numbers spelt alike, no punctuation, single spaces.

    English by Whisper's normaliser (Radford et al. 2022, appendix C), which writes numbers in figures, contractions in
    full and spellings the American way; other languages spell numbers out. Raises ``EngineError`` where the package of
    the English one is not installed.
    """
    text = unicodedata.normalize("NFKC", text)
    if language == "en":
        # it knows contractions by the straight apostrophe only, and keeps dots and signs that stand alone
        words = _english()(text.replace("’", "'")).split()
        return " ".join(word for word in words if any(letter.isalnum() for letter in word))
    text = text.lower().replace("%", f" {_PERCENT.get(language, '')} ")
    text = _spell(text, language)
    text = re.sub(r"(?<=\w)['’](?=\w)", "", text)  # an apostrophe is no space, however it is written
    kept = (" " if unicodedata.category(letter)[0] in "PSZC" else letter for letter in text)
    return " ".join("".join(kept).split())


@cache
def _english() -> Callable[[str], str]:
    normalizer: Callable[[str], str] = library("whisper_normalizer.english").EnglishTextNormalizer()
    return normalizer


def _spell(text: str, language: str) -> str:
    """Figures as words, so that ``4.000``, ``4 mil`` and ``quatro mil`` are alike; untouched where nobody knows how."""
    if not any(letter.isdigit() for letter in text):
        return text
    from num2words import num2words

    name = _NUMBER_LANGUAGE.get(language, language)

    def words(figures: str) -> str:
        try:
            number = float(figures.replace(",", ".")) if re.search("[.,]", figures) else int(figures)
            spelt = str(num2words(number, lang=name))
        except (NotImplementedError, OverflowError):
            return figures
        return f" {spelt} "

    text = _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    return _NUMBER.sub(lambda found: words(found[0]), text)


def _cut(chunks: Sequence[object], passed: int, pieces: Sequence[str]) -> int:
    """Where in the hypothesis the reference's word number ``passed`` begins, by jiwer's alignment chunks."""
    first = last = 0
    for chunk in chunks:
        ref_start, ref_end, hyp_start, hyp_end = (
            getattr(chunk, name) for name in ("ref_start_idx", "ref_end_idx", "hyp_start_idx", "hyp_end_idx")
        )
        if ref_start < passed <= ref_end:  # the last word of the segment is in here
            first = last = min(hyp_start + passed - ref_start, hyp_end)
        elif ref_start == ref_end == passed:  # words that the reference does not have, just after it
            last = hyp_end
    if first > 0 and pieces[first - 1][-1] in SENTENCE_ENDS:
        return first
    for index in range(first, last):
        if pieces[index][-1] in SENTENCE_ENDS:
            return index + 1
    return last


def _pieces(text: str, language: str) -> list[str]:
    return list("".join(text.split())) if language in UNSPACED else text.split()


def _plain(piece: str) -> str:
    """A word without case and punctuation, or itself where nothing would be left (jiwer's words are never empty)."""
    letters = "".join(letter for letter in unicodedata.normalize("NFKC", piece).lower() if letter.isalnum())
    return letters or piece


def _unspaced(texts: Sequence[str], languages: Sequence[str]) -> list[str]:
    return [
        text.replace(" ", "") if language in UNSPACED else text for text, language in zip(texts, languages, strict=True)
    ]


def _same_length(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses; resegment or pair them first")


def library(name: str) -> Any:
    """A module of the packages that measure; ``EngineError`` with the command where it is not installed."""
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise EngineError(f"Package {error.name} is missing; run: pip install 'vtlab[lab]'") from error


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)
