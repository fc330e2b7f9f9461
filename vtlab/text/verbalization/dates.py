"""Dates, years, decades and times of the day in words."""

from __future__ import annotations

import re

from vtlab.text.verbalization.numbers import Numbers
from vtlab.text.verbalization.words import Words

_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_SLASHED_DATE = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_DOTTED_DATE = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\b")
_CLOCK = re.compile(
    r"\b(\d{1,2}):(\d{2})(?::(\d{2}))?\b(?:\s*([ap])\.?m\b\.?|\s?Uhr\b)?"
    r"|\b(\d{1,2})h(?:(\d{2})(?:min)?)?\b",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(r"\b(\d{1,2})\s?([ap])\.?m\b\.?", re.IGNORECASE)
_RATIO = re.compile(r"(?<![\d:])(\d{1,3}):(\d{1,3})(?![\d:])")


def spell_dates(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with dates in words."""

    def spell(match: re.Match[str], year: int, month: int, day: int) -> str:
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return match.group()
        if language == "de":
            spoken_day = _german_ordinal(numbers.ordinal(day), match.string[: match.start()])
        elif language == "en" or (day == 1 and language in ("pt", "fr", "it")):
            spoken_day = numbers.ordinal(day)
        else:
            spoken_day = numbers.cardinal(day)
        return words.date.format(day=spoken_day, month=words.months[month - 1], year=numbers.year(year))

    def day_and_month(match: re.Match[str]) -> str:
        one, two, year = (int(part) for part in match.groups())
        month_first = language == "en" and "/" in match.group() and one <= 12
        return spell(match, year, one if month_first else two, two if month_first else one)

    text = _ISO_DATE.sub(lambda match: spell(match, *(int(part) for part in match.groups())), text)
    return _DOTTED_DATE.sub(day_and_month, _SLASHED_DATE.sub(day_and_month, text))


def _german_ordinal(ordinal: str, before: str) -> str:
    """Return the ordinal with the ending that the word before asks for: ``der dritte``, ``am dritten``."""
    return ordinal if re.search(r"\b(?:der|die|das)\s$", before, re.IGNORECASE) else f"{ordinal}n"


def spell_clocks(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with times of the day in words."""

    def spell(match: re.Match[str]) -> str:
        hour = int(match[1] or match[5])
        minute, second = int(match[2] or match[6] or 0), int(match[3] or 0)
        if hour > 24 or minute > 59 or second > 59 or (match[5] and language not in ("pt", "fr")):
            return match.group()
        spoken = numbers.feminine(hour) if words.feminine_hours else numbers.cardinal(hour)
        half = f" {match[4].lower()}.m." if match[4] else ""
        seconds = f" {words.and_} {numbers.cardinal(second)} {words.units['s'][second != 1]}" if second else ""
        if minute == 0 and not second:
            return f"{spoken}{half}" if half else words.hours[hour != 1].format(h=spoken)
        minutes = numbers.cardinal(minute)
        if language == "en" and minute < 10:
            minutes = f"oh {minutes}"
        return words.hours[2].format(h=spoken, m=minutes) + seconds + half

    text = _CLOCK.sub(spell, text)
    if language == "en":
        text = _HALF_DAY.sub(lambda match: f"{numbers.cardinal(int(match[1]))} {match[2].lower()}.m.", text)
    return _RATIO.sub(rf"\1 {words.to} \2", text)


def spell_years(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with years in pairs, as English and German read them.

    English also has decades, and days of a month as ordinals; German has ordinals written with a full stop.
    """
    if language == "en":
        text = re.sub(
            r"(?<![\w.,])['’]?((?:1[1-9]|20)?\d0)['’]?s\b", lambda match: _decade(numbers.year(int(match[1]))), text
        )
        months = "|".join(words.months)
        text = re.sub(
            rf"\b({months}) (\d{{1,2}})\b(?![.,:]?\d)",
            lambda match: f"{match[1]} {numbers.ordinal(int(match[2]))}",
            text,
        )
    if language == "de":
        months = "|".join(words.months)
        text = re.sub(
            rf"\b(\d{{1,2}})\. (?={months}\b)"
            r"|(?<=\b[Dd]er )(\d{1,3})\. (?=[A-ZÄÖÜ])|(?<=\b[Dd]ie )(\d{1,3})\. (?=[A-ZÄÖÜ])"
            r"|(?<=\b[Dd]as )(\d{1,3})\. (?=[A-ZÄÖÜ])|(?<=\b(?:am|im) )(\d{1,3})\. (?=[A-ZÄÖÜ])"
            r"|(?<=\b(?:dem|den|des|vom|zum) )(\d{1,3})\. (?=[A-ZÄÖÜ])",
            lambda match: (
                _german_ordinal(numbers.ordinal(int(match[match.lastindex or 0])), match.string[: match.start()]) + " "
            ),
            text,
        )
    if language in ("en", "de"):
        text = re.sub(
            r"(?<![\w.,:/-])(1[1-9]\d\d|20\d\d)(?![\w:/-]|[.,]\d)", lambda match: numbers.year(int(match[1])), text
        )
    return text


def _decade(year: str) -> str:
    return f"{year[:-1]}ies" if year.endswith("y") else f"{year}s"
