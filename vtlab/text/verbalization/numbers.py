"""Numbers in words, by ``num2words`` where it knows the language."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

from vtlab.text.verbalization.agreement import agree
from vtlab.text.verbalization.languages import WORDS

NUM2WORDS = {"nb": "no"}  # codes that num2words spells its own way
# languages beside those of WORDS that write 1.299,50
DECIMAL_COMMA = frozenset({
    "af", "az", "be", "bg", "bs", "ca", "cs", "da", "el", "et", "eu", "fi", "gl", "hr", "hu", "hy", "id", "is", "ka",
    "kk", "lt", "lv", "mk", "nb", "nl", "pl", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "tr", "uk", "uz", "vi",
})  # fmt: skip

# those that group thousands with a space: "12 345,6"; elsewhere two numbers stand side by side
SPACED_THOUSANDS = frozenset({
    "be", "bg", "cs", "et", "fi", "fr", "hu", "hy", "ka", "kk", "lt", "lv", "nb", "pl", "ru", "sk", "sv", "uk",
})  # fmt: skip


@cache
def digits_pattern(language: str) -> str:
    """Return the regular expression of a number in figures, with the marks between thousands and before decimals."""
    space = " " if language in SPACED_THOUSANDS else ""
    return rf"(?:\d{{1,3}}(?:[.,\u00a0\u202f'{space}]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"


class Numbers:
    """Write numbers of one language in words."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._words = WORDS.get(language)
        dialect = self._words.dialect if self._words is not None else ""
        self._code = dialect or NUM2WORDS.get(language, language)
        self._comma = self._words.decimal_comma if self._words is not None else language in DECIMAL_COMMA
        self.known = self._code in _languages()

    def parse(self, written: str) -> Decimal | None:
        """Return the number by the separators of the language: ``1.299,50`` or ``1,299.50``; ``None`` for no number."""
        digits = re.sub(r"[ \u00a0\u202f']", "", written)
        point, group = (",", ".") if self._comma else (".", ",")
        if digits.count(group) == 1 and point not in digits and len(digits.rpartition(group)[2]) != 3:
            point, group = group, point  # "3.5" in a language that writes "3,5": not a thousand
        digits = digits.replace(group, "").replace(point, ".")
        return Decimal(digits) if re.fullmatch(r"-?\d+(?:\.\d+)?", digits) else None

    def say(self, written: str) -> str:
        """Return the number in words, telephone numbers and the like figure by figure; else as it is written."""
        bare = written.lstrip("-")
        if bare.isdigit() and (len(bare) > 9 or (len(bare) > 1 and bare[0] == "0")):
            return " ".join(self.cardinal(int(figure)) for figure in bare)
        value = self.parse(written)
        return written if value is None else self.decimal(value, written)

    def decimal(self, value: Decimal, written: str = "") -> str:
        """Return a number in words, its decimals too; ``written`` where the language has none."""
        if value == value.to_integral_value():
            return self.cardinal(int(value))
        if self._words is None:
            return self._spell(value, "cardinal") or written
        sign = f"{self._words.minus} " if value < 0 else ""
        whole, _, fraction = format(abs(value).normalize(), "f").partition(".")
        zeros = len(fraction) - len(fraction.lstrip("0"))
        if self._words.digits_after_point or len(fraction) > 2:
            after = [self.cardinal(int(figure)) for figure in fraction]
        else:
            after = [self.cardinal(0)] * zeros + [self.cardinal(int(fraction))]
        return f"{sign}{self.cardinal(int(whole))} {self._words.point} {' '.join(after)}"

    def cardinal(self, value: int) -> str:
        """Return a cardinal in words; in figures where the language has none."""
        return self._spell(value, "cardinal") or str(value)

    def count(self, value: Decimal, one: str, many: str) -> str:
        """Return so many of a thing that has this singular and plural, in words."""
        noun = one if value == 1 else many
        spelt = self.decimal(value)
        if value == value.to_integral_value():
            spelt = agree(spelt, self._language, "", f" {noun}")
        return f"{spelt} {noun}"

    def ordinal(self, value: int) -> str:
        """Return an ordinal in words; in figures where the language has none."""
        return self._spell(value, "ordinal") or str(value)

    def year(self, value: int) -> str:
        """Return a year in words."""
        spelt = self._spell(value, "year") if self._code in ("en", "de") else None
        return spelt or self.cardinal(value)

    def feminine(self, value: int) -> str:
        """Return the cardinal before a feminine noun, such as hours."""
        spelt = self.cardinal(value)
        for masculine, feminine in (
            ("um", "uma"),
            ("dois", "duas"),
            ("uno", "una"),
            ("veintiuno", "veintiuna"),
            ("un", "une"),
        ):
            spelt = re.sub(rf"\b{masculine}$", feminine, spelt)
        return spelt

    def _spell(self, value: int | Decimal, form: str) -> str | None:
        from num2words import num2words

        try:
            spelt = str(num2words(value, lang=self._code, to=form))
        except (NotImplementedError, OverflowError, KeyError, IndexError, TypeError, ValueError):
            return None  # the library raises any of these for forms or sizes that a language lacks
        return spelt.replace(",", "").replace("\xad", "")


@cache
def _languages() -> frozenset[str]:
    from num2words import CONVERTER_CLASSES

    return frozenset(CONVERTER_CLASSES)


def separate(match: re.Match[str], spelt: str) -> str:
    """Return the words of a match with spaces where letters touch its digits (``4K``)."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return f"{' ' if _latin(before) else ''}{spelt}{' ' if _latin(after) else ''}"


def _latin(letter: str) -> bool:
    return letter.isascii() and letter.isalpha()
