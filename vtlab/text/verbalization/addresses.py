"""Addresses of mail and the web, abbreviations, telephone numbers and versions as one reads them out."""

from __future__ import annotations

import re

from vtlab.text.verbalization.numbers import Numbers, separate
from vtlab.text.verbalization.words import Words

_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail
    r"|https?://\S+|www\.\S+"
    r"|\b[\w-]+\.(?:com|org|net|br|io)\b(?:\.[a-z]{2})?(?:/\S*)?"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IP
)
_PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[\s.-])?(?:\(\d{2,4}\)[\s.-]?|\d{2,4}[\s.-])?\d{3,5}-\d{4}(?![\w-])"
    r"|(?<!\w)\+\d{1,3}(?:[\s.-]\(?\d{1,5}\)?){2,5}(?![\w-])"
)
_VERSION = re.compile(r"(?<![\d.,])\d+(?:\.\d+){2,}(?!\w|,\d)")


def spell_addresses(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with addresses as one reads them out: ``ana@exemplo.com`` is "ana arroba exemplo ponto com"."""

    def spell(match: re.Match[str]) -> str:
        core = match.group().rstrip(".,;:!?)")
        rest = match.group()[len(core) :]
        bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", core).rstrip("/")
        spoken = re.sub(r"[@./_-]", lambda mark: f" {words.address[mark.group()]} ", bare)
        return " ".join(spoken.split()) + rest

    return _ADDRESS.sub(spell, text)


def spell_phones(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with telephone numbers figure by figure, a pause between their groups."""

    def spell(match: re.Match[str]) -> str:
        groups = re.findall(r"\d+", match.group())
        years = [1000 <= int(group) <= 2100 for group in groups] == [True, True]
        if sum(map(len, groups)) < 7 or years:
            return match.group()
        plus = f"{words.signs['+']} " if match.group().startswith("+") else ""
        return plus + ", ".join(" ".join(numbers.cardinal(int(figure)) for figure in group) for group in groups)

    return _PHONE.sub(spell, text)


def spell_versions(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with versions (``3.11.2``) in words, part by part."""

    def spell(match: re.Match[str]) -> str:
        parts = match.group().split(".")
        if words.decimal_comma and all(len(part) == 3 for part in parts[1:]):
            return match.group()  # thousands
        return separate(match, f" {words.address['.']} ".join(numbers.cardinal(int(part)) for part in parts))

    return _VERSION.sub(spell, text)


def spell_abbreviations(text: str, language: str, words: Words, numbers: Numbers) -> str:
    """Return ``text`` with the abbreviations of the language written out."""
    for short, long in words.abbreviations.items():
        text = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", long, text)
    return text
