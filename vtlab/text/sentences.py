"""Find where sentences and clauses end, and tell whether a translation went round in circles.

Translation models are trained on single sentences: given two they may silently drop one, given too long a one they
loop. So the stage and the engines cut text here first. Rules rather than a model: a wrong cut costs a little
fluency, a missing one costs a whole segment of the dub.
"""

from __future__ import annotations

import re
import unicodedata

SENTENCE_ENDS = ".!?…։።।؟。！？"  # Armenian, Ethiopic, Devanagari, Arabic and Chinese marks among them
CLOSING = "\"'”’»)]"
_END = re.compile(rf"(?P<mark>[.!?…։።।؟]+|[。！？]+)[{re.escape(CLOSING)}]*")
_OPENING = " \t\"'“‘«([¿¡—–-"
_CLAUSE_END = re.compile(r"[,;:،、，；：][\"”’»)]?\s*|\s+[—–-]\s+")

# followed by a name, so the full stop ends nothing (English, Portuguese, Spanish, French, German)
TITLES = frozenset({
    "mr", "mrs", "ms", "mx", "dr", "dra", "drs", "prof", "profa", "sr", "sra", "srs", "sras", "srta", "st",
    "sta", "sto", "gen", "col", "sgt", "lt", "capt", "cap", "rev", "gov", "sen", "rep", "pres", "d", "eng",
    "av", "exmo", "exma", "mme", "mlle", "hr", "fr",
})  # fmt: skip
# followed by a number
COUNTED = frozenset({
    "no", "nº", "n", "nr", "p", "pp", "pg", "pág", "pag", "art", "fig", "vol", "cap", "ch", "sec", "núm", "num",
    "tel",
})  # fmt: skip

RUN_LENGTH = 3  # a phrase said this often in a row is a loop (single words: once more), unless the source does it too
COMPARED_WORDS = 3  # with fewer, a segment's length says nothing, and a title is the same in any language
TRUNCATED_BELOW = 0.3  # a translation shorter than this share of its source has lost something


def has_letters(text: str) -> bool:
    """Return whether there is anything to translate: notes, dots, digits and emoji alone are not."""
    return any(letter.isalpha() for letter in text)


def ends_sentence(text: str) -> bool:
    """Return whether ``text`` ends with the mark of a finished sentence (``.``, ``?!``, ``…”``); a colon ends none."""
    stripped = text.rstrip().rstrip(CLOSING)
    if not stripped or stripped[-1] not in SENTENCE_ENDS:
        return False
    return not (stripped.endswith(".") and _last_word(stripped[:-1]).casefold() in TITLES)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of ``text`` in order, stripped; joined with spaces they hold every word of it.

    A mark ends a sentence when space follows and what comes after does not begin in lower case (``"Where?" he
    asked`` is one), except after titles (``Dr.``), initials (``J.``) and counted words (``no. 5``).
    """
    sentences, start = [], 0
    for match in _END.finditer(text):
        if match.start() < start or not _cuts(text, match):
            continue
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _cuts(text: str, match: re.Match[str]) -> bool:
    mark, after = match["mark"], text[match.end() :]
    if mark[0] in "。！？":
        return bool(after.strip())
    if not after or not after[0].isspace():
        return False
    following = after.lstrip(_OPENING + "\n")
    if not following or following[0].islower():
        return False
    if mark != ".":
        return True
    word = _last_word(text[: match.start()])
    if word.casefold() in TITLES or (len(word) == 1 and word.isupper() and word != "I"):
        return False
    return not (word.casefold() in COUNTED and following[0].isdigit())


def _last_word(text: str) -> str:
    match = re.search(r"[^\W\d_]+$", text)
    return match.group() if match else ""


def word_count(text: str) -> int:
    """Return the number of words; where a script writes no spaces, every two characters count as one."""
    return sum(max(1, len(word) // 2 if _unspaced(word) else 1) for word in text.split())


def _unspaced(word: str) -> bool:
    return any(
        "\u0e00" <= letter <= "\u0eff" or "\u1000" <= letter <= "\u109f" or letter >= "\u3040" for letter in word
    )


def split_clauses(text: str, max_words: int) -> list[str]:
    """Return ``text`` in pieces of at most ``max_words``, cut after clauses, or between words where there are none.

    The cuts lie as evenly as the clauses allow; a short text stays in one piece.
    """
    words = word_count(text)
    if words <= max_words:
        return [text.strip()] if text.strip() else []
    parts = -(-words // max_words)
    target = words / parts
    pieces, current = [], ""
    for clause in _clauses(text):
        for part in _by_words(clause, max_words):
            together = word_count(current) + word_count(part)
            if current and (together > max_words or word_count(current) >= target):
                pieces.append(current)
                current = ""
            current = f"{current} {part}".strip()
    return [*pieces, current] if current else pieces


def clauses(text: str) -> list[str]:
    """Return the clauses of a sentence, each of at least three words.

    The last resort for a sentence that a model loops on.
    """
    joined: list[str] = []
    for clause in _clauses(text):
        if joined and (word_count(joined[-1]) < 3 or word_count(clause) < 3):
            joined[-1] = f"{joined[-1]} {clause}"
        else:
            joined.append(clause)
    if len(joined) > 1:
        return joined
    words = text.split()
    half = len(words) // 2
    return [" ".join(words[:half]), " ".join(words[half:])] if len(words) >= 6 else [text.strip()]


def _clauses(text: str) -> list[str]:
    pieces, start = [], 0
    for match in _CLAUSE_END.finditer(text):
        between_digits = (
            text[match.start() - 1 : match.start()].isdigit() and text[match.end() : match.end() + 1].isdigit()
        )
        if between_digits or (match.group() in ":," and text[match.end() : match.end() + 1].isalnum()):
            continue
        pieces.append(text[start : match.end()].strip())
        start = match.end()
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def _by_words(clause: str, max_words: int) -> list[str]:
    words = clause.split()
    if word_count(clause) <= max_words:
        return [clause]
    if len(words) == 1:  # a script without spaces, or one endless word
        size = 2 * max_words
        return [clause[at : at + size] for at in range(0, len(clause), size)]
    half = len(words) // 2
    return _by_words(" ".join(words[:half]), max_words) + _by_words(" ".join(words[half:]), max_words)


def is_looped(source: str, translation: str) -> bool:
    """Return whether the translation repeats a phrase of up to eight words over and over, which the source does not."""
    runs = _longest_runs(translation)
    if all(count < RUN_LENGTH + (period == 1) for period, count in runs.items()):
        return False
    return max(runs.values()) > max(_longest_runs(source).values())


def _longest_runs(text: str) -> dict[int, int]:
    """Return for each phrase length of 1 to 8 words how often a phrase is repeated in a row."""
    words = re.findall(r"\w+", text.casefold())
    runs = {}
    for period in range(1, 9):
        longest = same = 0
        for word, earlier in zip(words[period:], words, strict=False):
            same = same + 1 if word == earlier else 0
            longest = max(longest, same)
        runs[period] = 1 + longest // period
    return runs


def is_truncated(source: str, translation: str) -> bool:
    """Return whether a translation is so short that part of its source must be missing.

    Texts of under five words never are, nor is a pair of a script with spaces and one without, whose lengths do not
    compare.
    """
    if word_count(source) < 5 or any(map(_unspaced, (source, translation))):
        return False
    return len(translation) < TRUNCATED_BELOW * len(source)


def copied_share(text: str, translation: str) -> float | None:
    """Return the share of words that stand unchanged in the translation; names, numbers and codes aside.

    ``None`` where fewer than three different words are left to compare: a title or a list of names is the same in any
    language.
    """
    words = {word for word in re.findall(r"[^\W\d_]+", text) if word.islower() and len(word) > 1}
    if len(words) < COMPARED_WORDS:
        return None
    there = set(re.findall(r"[^\W\d_]+", translation.casefold()))
    return sum(word in there for word in words) / len(words)


def count_columns(text: str) -> int:
    """Return the number of characters, a wide one twice; a line break is the space that it stands for."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text.strip())
