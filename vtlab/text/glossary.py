"""Keep what must come through a translation unharmed: addresses, codes, placeholders, numbers and glossary terms.

A model is first left to translate the sentence as it stands, since most spans survive by themselves and a sentence
reads best whole. What did not survive is replaced by a short code word that translation models copy (``X1``), and put
back afterwards. Subtitle tags say nothing aloud and are taken off before all this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from vtlab.errors import SettingsError
from vtlab.settings import read_yaml

TAG = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}")  # <i>, </font>, <v Anna>, {\an8}

_LITERAL = re.compile(
    r"""
    (?P<url>(?:https?://|www\.)[^\s<>"”»]+)
  | (?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
  | (?P<domain>\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|info|io|eu|br|pt|uk|de|fr|es)\b(?:/[^\s<>"”»]*)?)
  | (?P<hole>\$?\{[^{}\s]*\}|%\(\w+\)[sd]|(?<![\d%])%[sd]\b)
  | (?P<handle>(?<!\w)[@\#]\w+)
  | (?P<code>(?<![\w.,-])(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z\d](?:[A-Za-z\d-]*[A-Za-z\d])?(?![\w]))
  | (?P<digits>(?<![\w.,])\d+(?:[-/]\d+)+(?!\w)|(?<![\w.,])\d+(?:\.\d+){2,}(?![\w]))
    """,
    re.VERBOSE,
)
_ORDINAL = re.compile(r"\d+(?:ST|ND|RD|TH|S)$", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?P<time>(?<![\w.,])\d{1,2}(?::\d\d|h(?:\d\d)?)(?![\w:])|(?<![\w.,])\d{1,2}(?=\s*[ap]\.?m\b))"
    r"|(?P<number>(?<![A-Z\d])\d+(?:[.,]\d+)*)"
)
_DECIMAL_POINT = frozenset(
    {"en", "zh", "ja", "ko", "th", "he", "hi", "bn", "ta", "te", "ms", "ga", "cy", "mt", "sw", "ur", "tl"}
)
_CLOCK_WITH_H = frozenset({"pt", "fr", "es", "ca", "gl"})  # write 19h30

CODE_WORDS = ("X{}", "Q{}Z")  # in the order tried; Firefox en↔pt copied each of them in all of our trials


@dataclass(frozen=True)
class ProtectedSpan:
    """One span of a sentence, and what must stand for it in the translation."""

    start: int
    end: int
    wanted: str
    kind: Literal["literal", "number", "term"]


def find_protected_spans(text: str, terms: Mapping[str, str], source: str, target: str) -> list[ProtectedSpan]:
    """Return the spans of ``text`` that a translation must keep, in order and without overlap; terms before numbers.

    Args:
        text: A sentence.
        terms: The glossary: source term → target term.
        source: Language of the sentence.
        target: Language of the translation.
    """
    spans: list[ProtectedSpan] = []

    def add(span: ProtectedSpan) -> None:
        if span.end > span.start and all(span.end <= other.start or span.start >= other.end for other in spans):
            spans.append(span)

    for match in _LITERAL.finditer(text):
        word = match.group().rstrip(".,;:!?)'’") if match.lastgroup in ("url", "domain") else match.group()
        if not (match.lastgroup == "code" and _ORDINAL.match(word)):
            add(ProtectedSpan(match.start(), match.start() + len(word), word, "literal"))
    for term in sorted(terms, key=len, reverse=True):
        for match in re.finditer(rf"(?<!\w){_spaces_pattern(term)}(?!\w)", text, re.IGNORECASE):
            add(ProtectedSpan(match.start(), match.end(), terms[term], "term"))
    for match in _NUMBER.finditer(text):
        add(ProtectedSpan(match.start(), match.end(), _localise(text, match, source, target), "number"))
    return sorted(spans, key=lambda span: span.start)


def find_lost(spans: Sequence[ProtectedSpan], text: str, translation: str, target: str) -> list[ProtectedSpan]:
    """Return the spans whose ``wanted`` form the translation lacks, or holds less often than the source does.

    Literals count byte for byte, terms in any case, numbers in any notation, or spelt out where that is a plain number.
    """
    missing = []
    for span in spans:
        times = sum(1 for other in spans if other.wanted == span.wanted and other.kind == span.kind)
        if span.kind == "number":
            found = _count_times(text[span.start : span.end], translation, target)
        else:
            flags = re.IGNORECASE if span.kind == "term" else 0
            found = len(re.findall(rf"(?<!\w){re.escape(span.wanted)}(?!\w)", translation, flags))
        if found < times:
            missing.append(span)
    return missing


def mask(text: str, spans: Iterable[ProtectedSpan], form: str) -> tuple[str, dict[str, str]]:
    """Return ``text`` with each span replaced by a code word that it does not hold, and what each code word stands for.

    Args:
        text: A sentence.
        spans: Those to replace, in order.
        form: One of ``CODE_WORDS``, with a place for a number.
    """
    words: dict[str, str] = {}
    number, at, out = 1, 0, ""
    for span in spans:
        while form.format(number) in text:
            number += 1
        word = form.format(number)
        number += 1
        words[word] = span.wanted
        out += text[at : span.start] + word
        at = span.end
    return out + text[at:], words


def unmask(translation: str, words: Mapping[str, str]) -> str | None:
    """Return the translation with its code words replaced; ``None`` unless each of them stands there once."""
    for word, wanted in words.items():
        pattern = rf"(?<!\w){re.escape(word)}(?!\w)"
        if len(re.findall(pattern, translation)) != 1:
            return None
        translation = re.sub(pattern, lambda _, wanted=wanted: wanted, translation)  # type: ignore[misc]
    return translation


def localise_numbers(text: str, translation: str, source: str, target: str) -> str:
    """Return the translation with numbers in the target's notation.

    Some keep that of the source, or half of it (``1,299,00``).
    """
    for match in _NUMBER.finditer(text):
        number = match["number"]
        if number is None or number.isdigit() or (value := _parse_number(number, source)) is None:
            continue
        wanted = _localise(text, match, source, target)

        def right(found: re.Match[str], wanted: str = wanted, value: Decimal = value) -> str:
            same = found["number"] is not None and _digits(found.group()) == _digits(wanted)
            return wanted if same and _parse_number(found.group(), target) != value else found.group()

        translation = _NUMBER.sub(right, translation)
    return translation


def load_glossary(file: Path | None) -> dict[str, str]:
    """Return the terms of a YAML file ``{source term: target term}``; none without a file.

    Raises:
        SettingsError: The file cannot be read, or holds something else; see ``vtlab.settings.read_yaml``.
    """
    if file is None:
        return {}
    try:
        data = read_yaml(file)
    except OSError as error:
        raise SettingsError(f"Glossary {file} cannot be read: {error.strerror}.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"Glossary {file} holds no terms; write one a line, as 'source term: target term'.")
    for term, wanted in data.items():
        if not (isinstance(term, str) and isinstance(wanted, str) and term.strip() and wanted.strip()):
            raise SettingsError(f"Glossary {file}: {term!r}: {wanted!r} is no pair of terms; put both in quotes.")
    return {term.strip(): wanted.strip() for term, wanted in data.items()}


def _spaces_pattern(term: str) -> str:
    return r"\s+".join(map(re.escape, term.split()))


def _count_times(number: str, translation: str, target: str) -> int:
    clock = _clock(number)
    found = 0
    for match in _NUMBER.finditer(translation):
        if _digits(match.group()) == _digits(number):
            found += 1
        elif clock is not None and (other := _clock(match.group())) is not None:
            found += other[0] % 12 == clock[0] % 12 and other[1] == clock[1]
    if found or not number.isdigit():
        return found
    spoken = translation.casefold()
    return max((spoken.count(word) for word in _number_words(int(number), target)), default=0)


def _clock(number: str) -> tuple[int, int] | None:
    parts = [part for part in re.split(r"[:h]", number) if part]
    if not all(part.isdigit() for part in parts) or len(parts) > 2 or int(parts[0]) > 24:
        return None
    return int(parts[0]), int(parts[1]) if len(parts) == 2 else 0


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number).lstrip("0") or "0"


@cache
def _number_words(number: int, language: str) -> tuple[str, ...]:
    """Return a number in words, as cardinal and ordinal; empty where the language's words are not known."""
    if number > 1000:
        return ()
    from num2words import num2words

    words = set()
    for to in ("cardinal", "ordinal"):
        try:
            words.add(num2words(number, lang=language, to=to).casefold())
        except (NotImplementedError, KeyError, IndexError, ValueError):
            continue
    feminine = {"um": "uma", "dois": "duas", "un": "una", "uno": "una", "ein": "eine"}
    return tuple(words | {feminine[word] for word in words if word in feminine})


def _localise(text: str, match: re.Match[str], source: str, target: str) -> str:
    """Return a number as the target language writes it; versions (``version 3.11``) and times stay as they are."""
    number: str = match.group()
    if "h" in number and target not in _CLOCK_WITH_H:
        hours, _, minutes = number.partition("h")
        return f"{hours}:{minutes or '00'}"
    value = None if match["number"] is None or number.isdigit() else _parse_number(number, source)
    if value is None or re.search(r"\b(?:version|versão|versión|v)\.?\s*$", text[: match.start()], re.IGNORECASE):
        return number
    decimals = max(0, -int(value.as_tuple().exponent))
    english = f"{value:,.{decimals}f}" if re.search(r"\d[.,]\d{3}(?!\d)", number) else f"{value:.{decimals}f}"
    return english if target in _DECIMAL_POINT else english.translate(str.maketrans(",.", ".,"))


def _parse_number(number: str, language: str) -> Decimal | None:
    """Return the value of a number in figures; ``None`` where the language does not write it so."""
    group, point = (",", ".") if language in _DECIMAL_POINT else (".", ",")
    if not re.fullmatch(rf"(?:\d{{1,3}}(?:\{group}\d{{3}})+|\d+)(?:\{point}\d+)?", number):
        return None
    return Decimal(number.replace(group, "").replace(point, "."))
