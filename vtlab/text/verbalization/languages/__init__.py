"""The words that ``num2words`` lacks, one module per language."""

from __future__ import annotations

from vtlab.text.verbalization.languages import de, en, es, fr, it, pt
from vtlab.text.verbalization.words import Words

WORDS: dict[str, Words] = {
    "en": en.WORDS,
    "pt": pt.WORDS,
    "es": es.WORDS,
    "fr": fr.WORDS,
    "de": de.WORDS,
    "it": it.WORDS,
}
