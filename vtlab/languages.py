"""Language codes and names, nothing else.

Codes are ISO 639-1 (``pt``); regional forms (``pt-BR``, ``pt_BR``) and the three-letter codes that media
containers carry (``por``) are reduced to them.
"""

from __future__ import annotations

from vtlab.errors import LanguageError, nearest

# code: (English name, ISO 639-2 code as written in Matroska and MP4)
LANGUAGES: dict[str, tuple[str, str]] = {
    "af": ("Afrikaans", "afr"), "am": ("Amharic", "amh"), "ar": ("Arabic", "ara"), "az": ("Azerbaijani", "aze"),
    "be": ("Belarusian", "bel"), "bg": ("Bulgarian", "bul"), "bn": ("Bengali", "ben"), "bs": ("Bosnian", "bos"),
    "ca": ("Catalan", "cat"), "cs": ("Czech", "ces"), "cy": ("Welsh", "cym"), "da": ("Danish", "dan"),
    "de": ("German", "deu"), "el": ("Greek", "ell"), "en": ("English", "eng"), "es": ("Spanish", "spa"),
    "et": ("Estonian", "est"), "eu": ("Basque", "eus"), "fa": ("Persian", "fas"), "fi": ("Finnish", "fin"),
    "fr": ("French", "fra"), "ga": ("Irish", "gle"), "gl": ("Galician", "glg"), "gu": ("Gujarati", "guj"),
    "he": ("Hebrew", "heb"), "hi": ("Hindi", "hin"), "hr": ("Croatian", "hrv"), "hu": ("Hungarian", "hun"),
    "hy": ("Armenian", "hye"), "id": ("Indonesian", "ind"), "is": ("Icelandic", "isl"), "it": ("Italian", "ita"),
    "ja": ("Japanese", "jpn"), "ka": ("Georgian", "kat"), "kk": ("Kazakh", "kaz"), "km": ("Khmer", "khm"),
    "kn": ("Kannada", "kan"), "ko": ("Korean", "kor"), "lo": ("Lao", "lao"), "lt": ("Lithuanian", "lit"),
    "lv": ("Latvian", "lav"), "mk": ("Macedonian", "mkd"), "ml": ("Malayalam", "mal"), "mn": ("Mongolian", "mon"),
    "mr": ("Marathi", "mar"), "ms": ("Malay", "msa"), "mt": ("Maltese", "mlt"), "my": ("Burmese", "mya"),
    "nb": ("Norwegian", "nob"), "ne": ("Nepali", "nep"), "nl": ("Dutch", "nld"), "pa": ("Punjabi", "pan"),
    "pl": ("Polish", "pol"), "ps": ("Pashto", "pus"), "pt": ("Portuguese", "por"), "ro": ("Romanian", "ron"),
    "ru": ("Russian", "rus"), "si": ("Sinhala", "sin"), "sk": ("Slovak", "slk"), "sl": ("Slovenian", "slv"),
    "so": ("Somali", "som"), "sq": ("Albanian", "sqi"), "sr": ("Serbian", "srp"), "sv": ("Swedish", "swe"),
    "sw": ("Swahili", "swa"), "ta": ("Tamil", "tam"), "te": ("Telugu", "tel"), "th": ("Thai", "tha"),
    "tl": ("Tagalog", "tgl"), "tr": ("Turkish", "tur"), "uk": ("Ukrainian", "ukr"), "ur": ("Urdu", "urd"),
    "uz": ("Uzbek", "uzb"), "vi": ("Vietnamese", "vie"), "yo": ("Yoruba", "yor"), "zh": ("Chinese", "zho"),
    "zu": ("Zulu", "zul"),
}  # fmt: skip

# bibliographic ISO 639-2 codes and older names that files still carry
ALIASES = {
    "fre": "fr", "ger": "de", "dut": "nl", "chi": "zh", "cze": "cs", "gre": "el", "ice": "is", "rum": "ro", "slo": "sk",
    "arm": "hy", "geo": "ka", "per": "fa", "alb": "sq", "baq": "eu", "bur": "my", "mac": "mk", "may": "ms", "wel": "cy",
    "nor": "nb", "no": "nb", "iw": "he", "in": "id", "cmn": "zh", "fil": "tl",
}  # fmt: skip

# written without spaces between words: lengths are counted in characters, errors too
UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})

_BY_THREE = {three: code for code, (_, three) in LANGUAGES.items()}
_BY_NAME = {name.lower(): code for code, (name, _) in LANGUAGES.items()}


def language_code(text: str) -> str:
    """Return the ISO 639-1 code for a code, a regional code or an English name.

    Raises:
        LanguageError: The language is unknown; the nearest one is named.
    """
    key = text.strip().lower().replace("_", "-")
    base = key.split("-")[0]
    for candidate in (key, base):
        if candidate in LANGUAGES:
            return candidate
        for table in (ALIASES, _BY_THREE, _BY_NAME):
            if candidate in table:
                return table[candidate]
    close = nearest(key, [*LANGUAGES, *_BY_NAME])
    raise LanguageError(f"Unknown language {text!r}.{close} Languages are written as ISO codes, such as 'pt' or 'en'.")


def language_name(code: str) -> str:
    """Return the English name of a code: ``Portuguese`` for ``pt``; the code itself where it is unknown."""
    return LANGUAGES[code][0] if code in LANGUAGES else code


def three_letters(code: str) -> str:
    """Return the ISO 639-2 code that media containers carry: ``por`` for ``pt``, ``und`` when there is none."""
    return LANGUAGES[code][1] if code in LANGUAGES else "und"
