"""Markup of subtitles and transcripts: notes, tags, stage directions and emoji, none of which is spoken."""

from __future__ import annotations

import html
import re
import unicodedata

# written without a meaning of their own in speech, or with one that is read ("20 °C", "№ 5")
READ_SYMBOLS = frozenset("°©®™№℃℉")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}")
_SQUARE = re.compile(r"\[[^\[\]]*\]|【[^【】]*】|［[^［］]*］")
_ROUND_AT_START = re.compile(r"^\s*[(（][^()（）]*[)）]\s*")
# what hearing-impaired subtitles and transcripts write for a sound, told by its word wherever it stands
_SOUND = re.compile(
    r"[(（*]\s*(?:laugh(?:s|ter|ing)?|applau(?:se|ds)|music(?: playing)?|sighs?|coughs?|cheer(?:s|ing)|gasps?|sobs?"
    r"|risos?|risadas?|aplausos?|m[uú]sica|suspir[ao]|tosse?|choro|risas?|rires?|applaudissements|musique|soupire?"
    r"|gelächter|lacht|applaus|beifall|musik|seufzt|risate?|ride|applausi|musica)\s*[)）*]",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_HASH_NOTE = re.compile(r"(?<!\w)#+(?!\w)|(?<=\s)#+$")
_EMPHASIS = re.compile(r"(?<!\d)\*+|\*+(?!\d)")
# joiners shape words of some scripts, and glue emoji together
_LONE_JOINER = re.compile(r"(?<![\w\u0900-\u0dff])[\u200c\u200d]+|[\u200c\u200d]+(?!\w)")
_DIALOGUE_DASH = re.compile(r"^(?:[-–—•>]\s*)+(?=[^\W\d])|^(?:[-–—•>]\s+)+")


def strip_markup(text: str) -> str:
    """Return a text as it is spoken: without tags, ``[sounds]``, notes and emoji; empty where nothing is left to say.

    Text in round brackets is a stage direction at the start of a line, or where it names a sound; else it is speech.
    """
    shown = " ".join(part for line in text.splitlines() if (part := _line(line)))
    return shown if any(letter.isalnum() for letter in shown) else ""


def _line(text: str) -> str:
    shown = _LONE_JOINER.sub("", _readable(text))
    # entities last, so that an escaped "<" does not begin a tag
    shown = _ENTITY.sub(lambda match: _readable(html.unescape(match.group())), _SQUARE.sub(" ", _TAG.sub("", shown)))
    shown = _SOUND.sub(" ", shown)
    while (match := _ROUND_AT_START.match(shown)) is not None:
        shown = shown[match.end() :]
    shown = _HASH_NOTE.sub("", _EMPHASIS.sub("", shown))
    return _DIALOGUE_DASH.sub("", " ".join(shown.split()))


def _readable(text: str) -> str:
    return "".join(map(_read_letter, text))


def _read_letter(letter: str) -> str:
    """Return the letter, a space for a control character, or nothing for a symbol that is not read out."""
    category = unicodedata.category(letter)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category == "So" and letter not in READ_SYMBOLS:
        return ""
    # format characters (zero width, joiners), variation selectors, skin tones, key caps
    if category == "Cf" and letter not in "\u200c\u200d":
        return ""
    if "\ufe00" <= letter <= "\ufe0f" or "\U0001f3fb" <= letter <= "\U0001f3ff" or letter == "\u20e3":
        return ""
    return letter
