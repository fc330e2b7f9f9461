"""From written text to what a voice is given: what is not speech is left out, numbers and signs become words.

Two steps, so that each can be had alone. ``speakable`` drops notes, tags, stage directions and emoji, and returns the
empty text for a line with nothing to say. ``spell_out`` says numbers, dates, times, money, units, abbreviations and
addresses in words of the language, by ``num2words`` where it knows it and by the tables below; what neither knows stays
as it is written, since most voices read plain digits themselves.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from vtlab.text.number_gender import agreeing

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


def speakable(text: str) -> str:
    """What is said of a line: without tags, ``[sounds]``, notes and emoji; empty where nothing is left to say.

    Text in round brackets is a stage direction at the start of a line, or where it names a sound; else it is speech.
    """
    shown = " ".join(part for line in text.splitlines() if (part := _line(line)))
    return shown if any(letter.isalnum() for letter in shown) else ""


def _line(text: str) -> str:
    shown = _LONE_JOINER.sub("", _shown_all(text))
    # entities last, so that an escaped "<" does not begin a tag
    shown = _ENTITY.sub(lambda match: _shown_all(html.unescape(match.group())), _SQUARE.sub(" ", _TAG.sub("", shown)))
    shown = _SOUND.sub(" ", shown)
    while (match := _ROUND_AT_START.match(shown)) is not None:
        shown = shown[match.end() :]
    shown = _HASH_NOTE.sub("", _EMPHASIS.sub("", shown))
    return _DIALOGUE_DASH.sub("", " ".join(shown.split()))


def _shown_all(text: str) -> str:
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    """The letter, a space for a control character, nothing for what is only seen."""
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


@dataclass(frozen=True)
class Money:
    """A currency in words: singular, plural, its hundredth part in both."""

    one: str
    many: str
    cent: str
    cents: str


@dataclass(frozen=True)
class Words:
    """The words of one language that ``num2words`` lacks. Money by sign, units by sign, months in order."""

    point: str
    percent: str
    to: str  # between the ends of a range
    and_: str
    of: str  # between a million and what there are a million of; empty where nothing stands there
    minus: str
    number: str
    money: dict[str, Money]
    units: dict[str, tuple[str, str]]
    months: tuple[str, ...]
    date: str  # with {day}, {month} and {year}
    hours: tuple[str, str, str]  # one o'clock, n o'clock, with minutes; {h} and {m} are words
    address: dict[str, str]
    abbreviations: dict[str, str]
    magnitudes: tuple[str, ...] = ()
    decimal_comma: bool = True
    feminine_hours: bool = False
    digits_after_point: bool = False  # "three point one four" rather than "three point fourteen"
    ordinals: str = r"(?!)"
    signs: dict[str, str] = field(default_factory=dict)  # between or before figures
    fractions: dict[str, str] = field(default_factory=dict)  # by "1/2"
    short_magnitudes: dict[str, str] = field(default_factory=dict)  # after an amount of money
    dialect: str = ""  # of num2words, where it differs from the code


def _units(**words: tuple[str, str]) -> dict[str, tuple[str, str]]:
    signs = {"kmh": "km/h", "ms_": "m/s", "degc": "°C", "degf": "°F", "m2": "m²", "km2": "km²", "m3": "m³", "deg": "°"}
    return {signs.get(sign, sign): pair for sign, pair in words.items()}


WORDS = {
    "en": Words(
        point="point", percent="percent", to="to", and_="and", of="", minus="minus", number="number",
        money={
            "R$": Money("real", "reais", "centavo", "centavos"), "US$": Money("dollar", "dollars", "cent", "cents"),
            "$": Money("dollar", "dollars", "cent", "cents"), "€": Money("euro", "euros", "cent", "cents"),
            "£": Money("pound", "pounds", "penny", "pence"), "¥": Money("yen", "yen", "sen", "sen"),
        },
        units=_units(
            km=("kilometre", "kilometres"), m=("metre", "metres"), cm=("centimetre", "centimetres"),
            mm=("millimetre", "millimetres"), kg=("kilogram", "kilograms"), g=("gram", "grams"),
            kmh=("kilometre per hour", "kilometres per hour"),
            ms_=("metre per second", "metres per second"), mph=("mile per hour", "miles per hour"),
            degc=("degree Celsius", "degrees Celsius"), degf=("degree Fahrenheit", "degrees Fahrenheit"),
            deg=("degree", "degrees"), l=("litre", "litres"), ml=("millilitre", "millilitres"),
            min=("minute", "minutes"), s=("second", "seconds"), ms=("millisecond", "milliseconds"),
            h=("hour", "hours"), kWh=("kilowatt hour", "kilowatt hours"), kW=("kilowatt", "kilowatts"),
            GB=("gigabyte", "gigabytes"), MB=("megabyte", "megabytes"), ft=("foot", "feet"), lb=("pound", "pounds"),
            m2=("square metre", "square metres"), km2=("square kilometre", "square kilometres"),
            m3=("cubic metre", "cubic metres"),
        ),
        months=(
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
        date="{month} {day}, {year}", hours=("{h} o'clock", "{h} o'clock", "{h} {m}"),
        address={"@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore"},
        abbreviations={
            "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Dr.": "Doctor", "Prof.": "Professor",
            "e.g.": "for example", "i.e.": "that is", "vs.": "versus", "etc.": "et cetera", "approx.": "approximately",
                    },
        magnitudes=("thousand", "million", "billion", "trillion"), decimal_comma=False, digits_after_point=True,
        ordinals=r"(\d+)(?:st|nd|rd|th)\b",
        signs={"+": "plus", "=": "equals", "×": "times", "±": "plus or minus"},
        fractions={
            "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
        },
        short_magnitudes={"k": "thousand", "K": "thousand", "M": "million", "bn": "billion", "B": "billion"},
    ),
    "pt": Words(
        point="vírgula", percent="por cento", to="a", and_="e", of="de", minus="menos", number="número",
        money={
            "R$": Money("real", "reais", "centavo", "centavos"),
            "US$": Money("dólar", "dólares", "centavo", "centavos"),
            "$": Money("dólar", "dólares", "centavo", "centavos"), "€": Money("euro", "euros", "cêntimo", "cêntimos"),
            "£": Money("libra", "libras", "centavo", "centavos"), "¥": Money("iene", "ienes", "sen", "sen"),
        },
        units=_units(
            km=("quilômetro", "quilômetros"), m=("metro", "metros"), cm=("centímetro", "centímetros"),
            mm=("milímetro", "milímetros"), kg=("quilo", "quilos"), g=("grama", "gramas"),
            kmh=("quilômetro por hora", "quilômetros por hora"),
            ms_=("metro por segundo", "metros por segundo"), mph=("milha por hora", "milhas por hora"),
            degc=("grau Celsius", "graus Celsius"), degf=("grau Fahrenheit", "graus Fahrenheit"),
            deg=("grau", "graus"), l=("litro", "litros"), ml=("mililitro", "mililitros"), min=("minuto", "minutos"),
            s=("segundo", "segundos"), ms=("milissegundo", "milissegundos"), kWh=("quilowatt-hora", "quilowatts-hora"),
            kW=("quilowatt", "quilowatts"), GB=("gigabyte", "gigabytes"), MB=("megabyte", "megabytes"),
            m2=("metro quadrado", "metros quadrados"), km2=("quilômetro quadrado", "quilômetros quadrados"),
            m3=("metro cúbico", "metros cúbicos"),
        ),
        months=(
            "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
            "novembro", "dezembro",
        ),
        date="{day} de {month} de {year}", hours=("{h} hora", "{h} horas", "{h} e {m}"),
        address={"@": "arroba", ".": "ponto", "/": "barra", "-": "hífen", "_": "sublinhado"},
        abbreviations={
            "Sr.": "Senhor", "Sra.": "Senhora", "Srta.": "Senhorita", "Dr.": "Doutor", "Dra.": "Doutora",
            "Prof.": "Professor", "Profa.": "Professora", "Av.": "Avenida", "p. ex.": "por exemplo", "etc.": "etcétera",
            "nº": "número", "n.º": "número", "séc.": "século", "pág.": "página", "aprox.": "aproximadamente",
        },
        magnitudes=("mil", "milhão", "milhões", "bilhão", "bilhões", "trilhão", "trilhões"), feminine_hours=True,
        ordinals=r"(\d+)\.?(º|ª|°(?!\s*[CF]))", dialect="pt_BR",
        signs={"+": "mais", "=": "igual a", "×": "vezes", "±": "mais ou menos"},
        fractions={"1/2": "meio", "1/3": "um terço", "2/3": "dois terços", "1/4": "um quarto", "3/4": "três quartos"},
        short_magnitudes={"mi": "milhões", "bi": "bilhões", "M": "milhões"},
    ),
    "es": Words(
        point="coma", percent="por ciento", to="a", and_="y", of="de", minus="menos", number="número",
        money={
            "R$": Money("real", "reales", "centavo", "centavos"),
            "US$": Money("dólar", "dólares", "centavo", "centavos"),
            "$": Money("dólar", "dólares", "centavo", "centavos"), "€": Money("euro", "euros", "céntimo", "céntimos"),
            "£": Money("libra", "libras", "penique", "peniques"), "¥": Money("yen", "yenes", "sen", "sen"),
        },
        units=_units(
            km=("kilómetro", "kilómetros"), m=("metro", "metros"), cm=("centímetro", "centímetros"),
            mm=("milímetro", "milímetros"), kg=("kilo", "kilos"), g=("gramo", "gramos"),
            kmh=("kilómetro por hora", "kilómetros por hora"),
            ms_=("metro por segundo", "metros por segundo"), degc=("grado Celsius", "grados Celsius"),
            degf=("grado Fahrenheit", "grados Fahrenheit"), deg=("grado", "grados"), l=("litro", "litros"),
            ml=("mililitro", "mililitros"), min=("minuto", "minutos"), s=("segundo", "segundos"),
            GB=("gigabyte", "gigabytes"), MB=("megabyte", "megabytes"),
            m2=("metro cuadrado", "metros cuadrados"), km2=("kilómetro cuadrado", "kilómetros cuadrados"),
        ),
        months=(
            "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
            "noviembre", "diciembre",
        ),
        date="{day} de {month} de {year}", hours=("{h}", "{h}", "{h} y {m}"),
        address={"@": "arroba", ".": "punto", "/": "barra", "-": "guion", "_": "guion bajo"},
        abbreviations={
            "Sr.": "Señor", "Sra.": "Señora", "Srta.": "Señorita", "Dr.": "Doctor", "Dra.": "Doctora", "Ud.": "usted",
            "Uds.": "ustedes", "p. ej.": "por ejemplo", "etc.": "etcétera", "nº": "número", "n.º": "número",
        },
        magnitudes=("mil", "millón", "millones"), feminine_hours=True, ordinals=r"(\d+)\.?(º|ª|er\b)",
        signs={"+": "más", "=": "igual a", "×": "por", "±": "más o menos"},
        fractions={"1/2": "medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto", "3/4": "tres cuartos"},
        short_magnitudes={"M": "millones"},
    ),
    "fr": Words(
        point="virgule", percent="pour cent", to="à", and_="et", of="de", minus="moins", number="numéro",
        money={
            "US$": Money("dollar", "dollars", "cent", "cents"), "$": Money("dollar", "dollars", "cent", "cents"),
            "€": Money("euro", "euros", "centime", "centimes"), "£": Money("livre", "livres", "penny", "pence"),
            "¥": Money("yen", "yens", "sen", "sen"),
        },
        units=_units(
            km=("kilomètre", "kilomètres"), m=("mètre", "mètres"), cm=("centimètre", "centimètres"),
            mm=("millimètre", "millimètres"), kg=("kilo", "kilos"), g=("gramme", "grammes"),
            kmh=("kilomètre heure", "kilomètres heure"),
            ms_=("mètre par seconde", "mètres par seconde"), degc=("degré Celsius", "degrés Celsius"),
            deg=("degré", "degrés"), l=("litre", "litres"), ml=("millilitre", "millilitres"),
            min=("minute", "minutes"), s=("seconde", "secondes"), GB=("gigaoctet", "gigaoctets"),
            m2=("mètre carré", "mètres carrés"), km2=("kilomètre carré", "kilomètres carrés"),
        ),
        months=(
            "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
            "décembre",
        ),
        date="{day} {month} {year}", hours=("{h} heure", "{h} heures", "{h} heures {m}"),
        address={"@": "arobase", ".": "point", "/": "barre oblique", "-": "tiret", "_": "tiret bas"},
        abbreviations={
            "M.": "Monsieur", "Mme": "Madame", "Mlle": "Mademoiselle", "Dr": "Docteur", "etc.": "et cetera",
            "p. ex.": "par exemple", "n°": "numéro",
        },
        magnitudes=("mille", "million", "millions", "milliard", "milliards"), feminine_hours=True,
        ordinals=r"(\d+)(?:er|ère|e|ème)\b",
        signs={"+": "plus", "=": "égale", "×": "fois", "±": "plus ou moins"},
        fractions={"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart", "3/4": "trois quarts"},
        short_magnitudes={"M": "millions", "Md": "milliards"},
    ),
    "de": Words(
        point="Komma", percent="Prozent", to="bis", and_="und", of="", minus="minus", number="Nummer",
        money={
            "US$": Money("Dollar", "Dollar", "Cent", "Cent"), "$": Money("Dollar", "Dollar", "Cent", "Cent"),
            "€": Money("Euro", "Euro", "Cent", "Cent"), "£": Money("Pfund", "Pfund", "Penny", "Pence"),
            "¥": Money("Yen", "Yen", "Sen", "Sen"),
        },
        units=_units(
            km=("Kilometer", "Kilometer"), m=("Meter", "Meter"), cm=("Zentimeter", "Zentimeter"),
            mm=("Millimeter", "Millimeter"), kg=("Kilogramm", "Kilogramm"), g=("Gramm", "Gramm"),
            kmh=("Kilometer pro Stunde", "Kilometer pro Stunde"),
            ms_=("Meter pro Sekunde", "Meter pro Sekunde"), degc=("Grad Celsius", "Grad Celsius"),
            deg=("Grad", "Grad"), l=("Liter", "Liter"), ml=("Milliliter", "Milliliter"), min=("Minute", "Minuten"),
            s=("Sekunde", "Sekunden"), GB=("Gigabyte", "Gigabyte"),
            m2=("Quadratmeter", "Quadratmeter"), km2=("Quadratkilometer", "Quadratkilometer"),
        ),
        months=(
            "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
            "Dezember",
        ),
        date="{day} {month} {year}", hours=("ein Uhr", "{h} Uhr", "{h} Uhr {m}"),
        address={"@": "at", ".": "Punkt", "/": "Schrägstrich", "-": "Bindestrich", "_": "Unterstrich"},
        abbreviations={
            "z. B.": "zum Beispiel", "z.B.": "zum Beispiel", "d. h.": "das heißt", "d.h.": "das heißt",
            "usw.": "und so weiter", "bzw.": "beziehungsweise", "ca.": "circa", "Dr.": "Doktor",
            "Prof.": "Professor", "Hr.": "Herr", "Fr.": "Frau", "Nr.": "Nummer",
        },
        magnitudes=("Tausend", "Million", "Millionen", "Milliarde", "Milliarden"), digits_after_point=True,
        signs={"+": "plus", "=": "gleich", "×": "mal", "±": "plus minus"},
        fractions={
            "1/2": "einhalb", "1/3": "ein Drittel", "2/3": "zwei Drittel", "1/4": "ein Viertel", "3/4": "drei Viertel",
        },
        short_magnitudes={"Mio.": "Millionen", "Mrd.": "Milliarden"},
    ),
    "it": Words(
        point="virgola", percent="per cento", to="a", and_="e", of="di", minus="meno", number="numero",
        money={
            "US$": Money("dollaro", "dollari", "centesimo", "centesimi"),
            "$": Money("dollaro", "dollari", "centesimo", "centesimi"),
            "€": Money("euro", "euro", "centesimo", "centesimi"), "£": Money("sterlina", "sterline", "penny", "pence"),
            "¥": Money("yen", "yen", "sen", "sen"),
        },
        units=_units(
            km=("chilometro", "chilometri"), m=("metro", "metri"), cm=("centimetro", "centimetri"),
            mm=("millimetro", "millimetri"), kg=("chilo", "chili"), g=("grammo", "grammi"),
            kmh=("chilometro all'ora", "chilometri all'ora"),
            ms_=("metro al secondo", "metri al secondo"), degc=("grado Celsius", "gradi Celsius"),
            deg=("grado", "gradi"), l=("litro", "litri"), ml=("millilitro", "millilitri"), min=("minuto", "minuti"),
            s=("secondo", "secondi"), GB=("gigabyte", "gigabyte"),
            m2=("metro quadrato", "metri quadrati"), km2=("chilometro quadrato", "chilometri quadrati"),
        ),
        months=(
            "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
            "novembre", "dicembre",
        ),
        date="{day} {month} {year}", hours=("{h}", "{h}", "{h} e {m}"),
        address={"@": "chiocciola", ".": "punto", "/": "barra", "-": "trattino", "_": "trattino basso"},
        abbreviations={
            "Sig.": "Signor", "Sig.ra": "Signora", "Dott.": "Dottor", "Dott.ssa": "Dottoressa", "Prof.": "Professor",
            "ecc.": "eccetera", "es.": "esempio",
        },
        magnitudes=("mila", "milione", "milioni", "miliardo", "miliardi"), ordinals=r"(\d+)\.?(º|ª|°(?!\s*[CF]))",
        signs={"+": "più", "=": "uguale", "×": "per", "±": "più o meno"},
        fractions={"1/2": "mezzo", "1/3": "un terzo", "2/3": "due terzi", "1/4": "un quarto", "3/4": "tre quarti"},
        short_magnitudes={"mln": "milioni", "mld": "miliardi"},
    ),
}  # fmt: skip

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
VULGAR_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4"}

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
_RANGE = re.compile(r"(?<![\d.,/-])(\d{1,4})\s?[-–]\s?(\d{1,4})(?![\d/-]|[.,]\d)")
_VERSION = re.compile(r"(?<![\d.,])\d+(?:\.\d+){2,}(?!\w|,\d)")
_FRACTION = re.compile(r"(\d[ ]?)?(?:([½⅓⅔¼¾])|(?<![\d/.,])(\d+)/(\d+)(?![\d/]|[.,]\d))")
_SIGN = re.compile(r"(?<=\d)\s?([+=×±*x])\s?(?=[\d+±])|(?<![\w+])([+±])(?=\d)")


def spell_out(text: str, language: str) -> str:
    """The text with numbers, money, dates, times, units, abbreviations and addresses in words of ``language``."""
    words = WORDS.get(language)
    numbers = _Numbers(language)
    text = re.sub(r"−(?=\d)", "-", text)
    if words is not None:
        text = _ADDRESS.sub(lambda match: _address(match.group(), words), text)
        for short, long in words.abbreviations.items():
            text = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", long, text)
        for rule in (
            _dates,
            _phones,
            _versions,
            _clocks,
            _money,
            _ranges,
            _fractions,
            _years,
            _ordinals,
            _signs,
            _measures,
        ):
            text = rule(text, language, words, numbers)
    if not numbers.known:
        return text

    def said(match: re.Match[str]) -> str:
        before, after = match.string[: match.start()], match.string[match.end() :]
        return _apart(match, agreeing(numbers.say(match.group()), language, before, after))

    digits = _digits(language)
    return re.sub(rf"(?<![\w.,])-?{digits}(?!\w)|{digits}", said, text)


@cache
def _digits(language: str) -> str:
    """Regular expression of a number in figures, with the marks between thousands and before decimals."""
    space = " " if language in SPACED_THOUSANDS else ""
    return rf"(?:\d{{1,3}}(?:[.,\u00a0\u202f'{space}]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"


class _Numbers:
    """Numbers of one language in words."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._words = WORDS.get(language)
        dialect = self._words.dialect if self._words is not None else ""
        self._code = dialect or NUM2WORDS.get(language, language)
        self._comma = self._words.decimal_comma if self._words is not None else language in DECIMAL_COMMA
        self.known = self._code in _languages()

    def parse(self, written: str) -> Decimal | None:
        """The number, by the separators of the language: ``1.299,50`` or ``1,299.50``; nothing where it is none."""
        digits = re.sub(r"[ \u00a0\u202f']", "", written)
        point, group = (",", ".") if self._comma else (".", ",")
        if digits.count(group) == 1 and point not in digits and len(digits.rpartition(group)[2]) != 3:
            point, group = group, point  # "3.5" in a language that writes "3,5": not a thousand
        digits = digits.replace(group, "").replace(point, ".")
        return Decimal(digits) if re.fullmatch(r"-?\d+(?:\.\d+)?", digits) else None

    def say(self, written: str) -> str:
        """The number in words; figures of telephone numbers and the like one by one; else as it is written."""
        bare = written.lstrip("-")
        if bare.isdigit() and (len(bare) > 9 or (len(bare) > 1 and bare[0] == "0")):
            return " ".join(self.cardinal(int(figure)) for figure in bare)
        value = self.parse(written)
        return written if value is None else self.decimal(value, written)

    def decimal(self, value: Decimal, written: str = "") -> str:
        if value == value.to_integral_value():
            return self.cardinal(int(value))
        if self._words is None:
            return self._asked(value, "cardinal") or written
        sign = f"{self._words.minus} " if value < 0 else ""
        whole, _, fraction = format(abs(value).normalize(), "f").partition(".")
        zeros = len(fraction) - len(fraction.lstrip("0"))
        if self._words.digits_after_point or len(fraction) > 2:
            after = [self.cardinal(int(figure)) for figure in fraction]
        else:
            after = [self.cardinal(0)] * zeros + [self.cardinal(int(fraction))]
        return f"{sign}{self.cardinal(int(whole))} {self._words.point} {' '.join(after)}"

    def cardinal(self, value: int) -> str:
        return self._asked(value, "cardinal") or str(value)

    def counted(self, value: Decimal, one: str, many: str) -> str:
        """So many of a thing that has this singular and plural."""
        noun = one if value == 1 else many
        said = self.decimal(value)
        if value == value.to_integral_value():
            said = agreeing(said, self._language, "", f" {noun}")
        return f"{said} {noun}"

    def ordinal(self, value: int) -> str:
        return self._asked(value, "ordinal") or str(value)

    def year(self, value: int) -> str:
        said = self._asked(value, "year") if self._code in ("en", "de") else None
        return said or self.cardinal(value)

    def feminine(self, value: int) -> str:
        """The cardinal before a feminine noun, such as hours."""
        said = self.cardinal(value)
        for masculine, feminine in (
            ("um", "uma"),
            ("dois", "duas"),
            ("uno", "una"),
            ("veintiuno", "veintiuna"),
            ("un", "une"),
        ):
            said = re.sub(rf"\b{masculine}$", feminine, said)
        return said

    def _asked(self, value: int | Decimal, form: str) -> str | None:
        from num2words import num2words

        try:
            said = str(num2words(value, lang=self._code, to=form))
        except (NotImplementedError, OverflowError, KeyError, IndexError, TypeError, ValueError):
            return None  # the library raises any of these for forms or sizes that a language lacks
        return said.replace(",", "").replace("\xad", "")


@cache
def _languages() -> frozenset[str]:
    from num2words import CONVERTER_CLASSES

    return frozenset(CONVERTER_CLASSES)


def _apart(match: re.Match[str], said: str) -> str:
    """The words, kept apart from letters that touch the digits (``4K``)."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return f"{' ' if _latin(before) else ''}{said}{' ' if _latin(after) else ''}"


def _latin(letter: str) -> bool:
    return letter.isascii() and letter.isalpha()


def _address(written: str, words: Words) -> str:
    """An address as one reads it out: ``ana@exemplo.com`` is "ana arroba exemplo ponto com"."""
    core = written.rstrip(".,;:!?)")
    rest = written[len(core) :]
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", core).rstrip("/")
    said = re.sub(r"[@./_-]", lambda match: f" {words.address[match.group()]} ", bare)
    return " ".join(said.split()) + rest


def _dates(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str], year: int, month: int, day: int) -> str:
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
        return said(match, year, one if month_first else two, two if month_first else one)

    text = _ISO_DATE.sub(lambda match: said(match, *(int(part) for part in match.groups())), text)
    return _DOTTED_DATE.sub(day_and_month, _SLASHED_DATE.sub(day_and_month, text))


def _german_ordinal(ordinal: str, before: str) -> str:
    """``der dritte``, ``am dritten``."""
    return ordinal if re.search(r"\b(?:der|die|das)\s$", before, re.IGNORECASE) else f"{ordinal}n"


def _phones(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    """Telephone numbers figure by figure, with a pause between their groups."""

    def said(match: re.Match[str]) -> str:
        groups = re.findall(r"\d+", match.group())
        years = [1000 <= int(group) <= 2100 for group in groups] == [True, True]
        if sum(map(len, groups)) < 7 or years:
            return match.group()
        plus = f"{words.signs['+']} " if match.group().startswith("+") else ""
        return plus + ", ".join(" ".join(numbers.cardinal(int(figure)) for figure in group) for group in groups)

    return _PHONE.sub(said, text)


def _versions(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str]) -> str:
        parts = match.group().split(".")
        if words.decimal_comma and all(len(part) == 3 for part in parts[1:]):
            return match.group()  # thousands
        return _apart(match, f" {words.address['.']} ".join(numbers.cardinal(int(part)) for part in parts))

    return _VERSION.sub(said, text)


def _clocks(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str]) -> str:
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

    text = _CLOCK.sub(said, text)
    if language == "en":
        text = _HALF_DAY.sub(lambda match: f"{numbers.cardinal(int(match[1]))} {match[2].lower()}.m.", text)
    return _RATIO.sub(rf"\1 {words.to} \2", text)


def _money(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    signs = "|".join(re.escape(sign) for sign in sorted(words.money, key=len, reverse=True))
    short = "|".join(re.escape(sign) for sign in words.short_magnitudes)
    digits, magnitude = _digits(language), rf"(?:\s?({'|'.join(words.magnitudes)}|{short})(?!\w))?"
    pattern = rf"(?<!\w)({signs})\s?({digits}){magnitude}|({digits}){magnitude}\s?({signs})(?!\w)"

    def said(match: re.Match[str]) -> str:
        money, written, size = words.money[match[1] or match[6]], match[2] or match[4], match[3] or match[5]
        value = numbers.parse(written)
        if value is None:
            return match.group()
        if size:
            size = words.short_magnitudes.get(size, size)
            of = f"{words.of} " if words.of and size not in ("mil", "mille", "mila") else ""
            return f"{numbers.decimal(value)} {size} {of}{money.many}"
        whole, cents = int(value), int((value % 1) * 100)
        parts = [numbers.counted(Decimal(whole), money.one, money.many)] if whole or not cents else []
        if cents:
            parts.append(numbers.counted(Decimal(cents), money.cent, money.cents))
        return f" {words.and_} ".join(parts)

    return re.sub(pattern, said, text)


def _ranges(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str]) -> str:
        phone = len(match[1]) == 3 and len(match[2]) == 4
        return f"{match[1]} {words.to} {match[2]}" if int(match[1]) < int(match[2]) and not phone else match.group()

    return _RANGE.sub(said, text)


def _fractions(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str]) -> str:
        written = VULGAR_FRACTIONS[match[2]] if match[2] else f"{match[3]}/{match[4]}"
        fraction = words.fractions.get(written)
        if fraction is None:  # "24/7"
            return f"{match[1] or ''}{numbers.cardinal(int(match[3]))} {numbers.cardinal(int(match[4]))}"
        return f"{match[1].strip()} {words.and_} {fraction}" if match[1] else fraction

    return _FRACTION.sub(said, text)


def _signs(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str]) -> str:
        sign = match[1] or match[2]
        return f"{' ' if match[1] else ''}{words.signs['×' if sign in 'x*' else sign]} "

    return _SIGN.sub(said, text)


def _years(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    """English and German read years in pairs; English has decades and days of a month in the ordinal, too."""
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


def _ordinals(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    def said(match: re.Match[str]) -> str:
        ordinal = numbers.ordinal(int(match[1]))
        feminine = (match.lastindex or 0) > 1 and match[2] == "ª"
        if language == "es" and re.match(r"\s[^\W\d]", match.string[match.end() :]):
            ordinal = re.sub(r"(primer|tercer)o$", r"\1", ordinal) if not feminine else ordinal
        return re.sub(r"o\b", "a", ordinal) if feminine else ordinal

    text = re.sub(rf"(?<![\w.,]){words.ordinals}", said, text)
    if language == "en":
        text = re.sub(r"\bNo\.\s?(?=\d)", f"{words.number} ", text)
    return re.sub(r"(?:№|#)\s?(?=\d)", f"{words.number} ", text)


def _measures(text: str, language: str, words: Words, numbers: _Numbers) -> str:
    units = "|".join(re.escape(unit) for unit in sorted(words.units, key=len, reverse=True))
    text = re.sub(r"(?<=\d)\s?%", f" {words.percent}", text)

    def said(match: re.Match[str]) -> str:
        value = numbers.parse(match[1])
        if value is None:
            return match.group()
        return numbers.counted(value, *words.units[match[2]])

    return re.sub(rf"(?<![\w.,])(-?{_digits(language)})\s?({units})(?!\w)", said, text)
