"""The words of Italian that ``num2words`` lacks."""

from __future__ import annotations

from vtlab.text.verbalization.words import Money, Words, units

WORDS = Words(
    point="virgola", percent="per cento", to="a", and_="e", of="di", minus="meno", number="numero",
    money={
        "US$": Money("dollaro", "dollari", "centesimo", "centesimi"),
        "$": Money("dollaro", "dollari", "centesimo", "centesimi"),
        "€": Money("euro", "euro", "centesimo", "centesimi"), "£": Money("sterlina", "sterline", "penny", "pence"),
        "¥": Money("yen", "yen", "sen", "sen"),
    },
    units=units(
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
)  # fmt: skip
