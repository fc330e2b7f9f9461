"""Quality without a reference: of a translation, and what a server shows of a dub it has just made.

Shares and scores become 0 to 100 here; what was not measured is ``None``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vtlab.languages import UNSPACED
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.material import Material
from vtlab.metrics.needs import RECORD
from vtlab.metrics.timing import mean
from vtlab.metrics.translation import chrf
from vtlab.text.sentences import COMPARED_WORDS, copied_share, has_letters, is_looped

LENGTH_RATIO = (0.5, 1.5)  # translation ÷ source characters beyond which something was lost or invented
COPIED_SHARE = 0.5  # of the source's words standing unchanged in its translation: it was not translated
FRAME_TOLERANCE = 1.0  # of duration_match


@dataclass(frozen=True)
class TranslationQuality:
    """The score 0…100 and its parts, each a share of the segments with something to say."""

    score: float
    round_trip: float | None
    completeness: float
    length_ok: float
    not_repeating: float
    translated: float
    signature: str


def translation_quality(
    sources: Sequence[str],
    translations: Sequence[str],
    source_language: str,
    target_language: str,
    back: Sequence[str] | None = None,
) -> TranslationQuality | None:
    """Return how good parallel translations are, 0 to 100, without a reference; ``None`` without anything to translate.

    A segment passes where it (1) is there at all (completeness), (2) has 0.5 to 1.5 times its source's characters, from
    three words on and between scripts with spaces, (3) repeats no phrase that its source does not repeat, and (4)
    leaves less than half of the source's lower-case words as they were. ``back`` are the translations translated back,
    where a model for that direction is there.

    Score = 100 × Σ w·p·s ÷ Σ w over segments: ``w`` the source's characters, ``p`` 1 where the segment passes all four
    and 0 where not, ``s`` chrF ÷ 100 of ``back`` against the source, or 1 without ``back``. So without a reverse model
    it is the share of the text that nothing is wrong with, and 100 for most translations; with one, it is below 100 for
    every translation, and only scores of the same kind compare: ``signature`` says which.

    How far to trust it: Firefox translations of the clips of ``datasets/spoken`` and ``people`` between Portuguese and
    English, as they are and damaged in five ways (lines cut short, left untranslated, shuffled, looping, words
    replaced; 126 variants of 21 clips), against their chrF: with round trip Pearson's r is 0.79 (``spoken`` 0.76,
    ``people`` 0.86), by the checks alone 0.43 (0.38, 0.56). It tells broken translations from sound ones; between sound
    ones it says little: r is 0.31 over the 21 untouched clips, 0.19 over the single lines of ``spoken``.
    """
    if not len(sources) == len(translations) == len(back if back is not None else translations):
        raise ValueError(f"{len(sources)} sources, {len(translations)} translations; pair them first")
    rows = [index for index, source in enumerate(sources) if has_letters(source)]
    if not rows:
        return None
    weights = [len(sources[index].strip()) for index in rows]
    there = [has_letters(translations[index]) for index in rows]
    length = [length_ok(sources[i], translations[i], source_language, target_language) for i in rows]
    steady = [not is_looped(sources[index], translations[index]) for index in rows]
    changed = [(copied_share(sources[index], translations[index]) or 0) < COPIED_SHARE for index in rows]
    similar = None if back is None else [_similarity(sources[index], back[index]) for index in rows]
    passed = [all(checks) for checks in zip(there, length, steady, changed, strict=True)]
    scores = [float(ok) * (1.0 if similar is None else similar[number]) for number, ok in enumerate(passed)]
    return TranslationQuality(
        score=100 * sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights),
        round_trip=None if similar is None else mean(similar),
        completeness=sum(there) / len(rows),
        length_ok=sum(length) / len(rows),
        not_repeating=sum(steady) / len(rows),
        translated=sum(changed) / len(rows),
        signature=f"vtlab-1|round trip:{'no' if back is None else 'chrF2'}|lines:{len(rows)}",
    )


def length_ok(source: str, translation: str, source_language: str, target_language: str) -> bool:
    """Return whether the translation is about as long as its source; true where lengths do not compare."""
    if (source_language in UNSPACED) != (target_language in UNSPACED) or len(source.split()) < COMPARED_WORDS:
        return True
    low, high = LENGTH_RATIO
    return low <= len(translation.strip()) / len(source.strip()) <= high


def lip_sync_accuracy(sync_within_150ms: float | None) -> float | None:
    """Return the share of segments that start on time, 0 to 100."""
    return None if sync_within_150ms is None else 100 * sync_within_150ms


def voice_quality(voice_mos: float | None) -> float | None:
    """Return DNSMOS (1 to 5) as 0 to 100."""
    return None if voice_mos is None else 25 * (voice_mos - 1)


def duration_match(duration_error_frames: float | None) -> bool | None:
    """Return whether the dub is as long as its source, to the frame."""
    return None if duration_error_frames is None else duration_error_frames <= FRAME_TOLERANCE


def segments_condensed(lines: Sequence[tuple[str, str]]) -> int:
    """Count the segments spoken in a shorter translation than the best; each is (best translation, spoken text)."""
    return sum(len(spoken.strip()) < len(best.strip()) for best, spoken in lines)


def _similarity(source: str, back: str) -> float:
    value = chrf([source], [back]).value
    return 0.0 if value is None else value / 100


def _measure(material: Material) -> tuple[float | None, str | None]:
    if material.record is None:
        return None, None
    sources = [segment.text for segment in material.record.segments]
    translations = [segment.translation for segment in material.record.segments]
    back = None if material.translate_back is None else material.translate_back(translations)
    found = translation_quality(sources, translations, material.source_language, material.target_language, back)
    return (None, None) if found is None else (found.score, found.signature)


METRICS = (
    FileMetric(
        "translation_quality",
        "0-100",
        "higher",
        "translation judged without a reference",
        group="text",
        needs=(RECORD,),
        nothing="the record has nothing to translate",
        measure=_measure,
        over_clips="mean",
    ),
)
