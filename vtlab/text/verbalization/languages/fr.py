"""The words of French that ``num2words`` lacks."""

from __future__ import annotations

from vtlab.text.verbalization.words import Money, Words, units

WORDS = Words(
    point="virgule", percent="pour cent", to="à", and_="et", of="de", minus="moins", number="numéro",
    money={
        "US$": Money("dollar", "dollars", "cent", "cents"), "$": Money("dollar", "dollars", "cent", "cents"),
        "€": Money("euro", "euros", "centime", "centimes"), "£": Money("livre", "livres", "penny", "pence"),
        "¥": Money("yen", "yens", "sen", "sen"),
    },
    units=units(
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
)  # fmt: skip
