"""Money, measures, ranges, fractions, ordinals and signs of arithmetic in words."""

from __future__ import annotations

import re
from decimal import Decimal

from vtlab.text.verbalization.numbers import Numbers, digits_pattern
from vtlab.text.verbalization.words import Words

VULGAR_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4"}
_RANGE = re.compile(r"(?<![\d.,/-])(\d{1,4})\s?[-–]\s?(\d{1,4})(?![\d/-]|[.,]\d)")
_FRACTION = re.compile(r"(\d[ ]?)?(?:([½⅓⅔¼¾])|(?<![\d/.,])(\d+)/(\d+)(?![\d/]|[.,]\d))")
_SIGN = re.compile(r"(?<=\d)\s?([+=×±*x])\s?(?=[\d+±])|(?<![\w+])([+±])(?=\d)")


def spell_money(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with amounts of money in words."""
    signs = "|".join(re.escape(sign) for sign in sorted(words.money, key=len, reverse=True))
    short = "|".join(re.escape(sign) for sign in words.short_magnitudes)
    digits, magnitude = digits_pattern(language), rf"(?:\s?({'|'.join(words.magnitudes)}|{short})(?!\w))?"
    pattern = rf"(?<!\w)({signs})\s?({digits}){magnitude}|({digits}){magnitude}\s?({signs})(?!\w)"

    def spell(match: re.Match[str]) -> str:
        money, written, size = words.money[match[1] or match[6]], match[2] or match[4], match[3] or match[5]
        value = numbers.parse(written)
        if value is None:
            return match.group()
        if size:
            size = words.short_magnitudes.get(size, size)
            of = f"{words.of} " if words.of and size not in ("mil", "mille", "mila") else ""
            return f"{numbers.decimal(value)} {size} {of}{money.many}"
        whole, cents = int(value), int((value % 1) * 100)
        parts = [numbers.count(Decimal(whole), money.one, money.many)] if whole or not cents else []
        if cents:
            parts.append(numbers.count(Decimal(cents), money.cent, money.cents))
        return f" {words.and_} ".join(parts)

    return re.sub(pattern, spell, text)


def spell_ranges(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with the word between the ends of a range (``5-7``)."""

    def spell(match: re.Match[str]) -> str:
        phone = len(match[1]) == 3 and len(match[2]) == 4
        return f"{match[1]} {words.to} {match[2]}" if int(match[1]) < int(match[2]) and not phone else match.group()

    return _RANGE.sub(spell, text)


def spell_fractions(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with fractions in words."""

    def spell(match: re.Match[str]) -> str:
        written = VULGAR_FRACTIONS[match[2]] if match[2] else f"{match[3]}/{match[4]}"
        fraction = words.fractions.get(written)
        if fraction is None:  # "24/7"
            return f"{match[1] or ''}{numbers.cardinal(int(match[3]))} {numbers.cardinal(int(match[4]))}"
        return f"{match[1].strip()} {words.and_} {fraction}" if match[1] else fraction

    return _FRACTION.sub(spell, text)


def spell_signs(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with signs of arithmetic in words."""

    def spell(match: re.Match[str]) -> str:
        sign = match[1] or match[2]
        return f"{' ' if match[1] else ''}{words.signs['×' if sign in 'x*' else sign]} "

    return _SIGN.sub(spell, text)


def spell_ordinals(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with ordinals (``3rd``, ``1º``) and signs of a number (``№ 5``) in words."""

    def spell(match: re.Match[str]) -> str:
        ordinal = numbers.ordinal(int(match[1]))
        feminine = (match.lastindex or 0) > 1 and match[2] == "ª"
        if language == "es" and re.match(r"\s[^\W\d]", match.string[match.end() :]):
            ordinal = re.sub(r"(primer|tercer)o$", r"\1", ordinal) if not feminine else ordinal
        return re.sub(r"o\b", "a", ordinal) if feminine else ordinal

    text = re.sub(rf"(?<![\w.,]){words.ordinals}", spell, text)
    if language == "en":
        text = re.sub(r"\bNo\.\s?(?=\d)", f"{words.number} ", text)
    return re.sub(r"(?:№|#)\s?(?=\d)", f"{words.number} ", text)


def spell_measures(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with percentages and measures (``20 °C``) in words."""
    units = "|".join(re.escape(unit) for unit in sorted(words.units, key=len, reverse=True))
    text = re.sub(r"(?<=\d)\s?%", f" {words.percent}", text)

    def spell(match: re.Match[str]) -> str:
        value = numbers.parse(match[1])
        if value is None:
            return match.group()
        return numbers.count(value, *words.units[match[2]])

    return re.sub(rf"(?<![\w.,])(-?{digits_pattern(language)})\s?({units})(?!\w)", spell, text)
