"""From written text to what a voice is given: numbers and signs become words.

``spell_out`` writes numbers, dates, times, money, units, abbreviations and addresses in words of the language, by
``num2words`` where it knows the language and by the tables of ``languages``. What neither knows stays as it is written,
since most voices read plain digits themselves.
"""

from __future__ import annotations

import re

from vtlab.text.verbalization.addresses import spell_abbreviations, spell_addresses, spell_phones, spell_versions
from vtlab.text.verbalization.agreement import agree
from vtlab.text.verbalization.dates import spell_clocks, spell_dates, spell_years
from vtlab.text.verbalization.languages import WORDS
from vtlab.text.verbalization.numbers import Numbers, digits_pattern, separate
from vtlab.text.verbalization.quantities import (
    spell_fractions,
    spell_measures,
    spell_money,
    spell_ordinals,
    spell_ranges,
    spell_signs,
)

# in this order: each takes what it knows out of the figures that the later ones would read another way
RULES = (
    spell_addresses,
    spell_abbreviations,
    spell_dates,
    spell_phones,
    spell_versions,
    spell_clocks,
    spell_money,
    spell_ranges,
    spell_fractions,
    spell_years,
    spell_ordinals,
    spell_signs,
    spell_measures,
)


def spell_out(text: str, language: str) -> str:
    """Return ``text`` with numbers and signs in words, for a voice to read.

    Args:
        text: What ``vtlab.text.markup.strip_markup`` left of a segment.
        language: Code of the language it is written in; of one that neither ``num2words`` nor ``languages`` knows the
            figures stay as they are.
    """
    words = WORDS.get(language)
    numbers = Numbers(language)
    text = re.sub(r"−(?=\d)", "-", text)
    if words is not None:
        for rule in RULES:
            text = rule(text, language, words, numbers)
    if not numbers.known:
        return text

    def spell(match: re.Match[str]) -> str:
        before, after = match.string[: match.start()], match.string[match.end() :]
        return separate(match, agree(numbers.say(match.group()), language, before, after))

    digits = digits_pattern(language)
    return re.sub(rf"(?<![\w.,])-?{digits}(?!\w)|{digits}", spell, text)
