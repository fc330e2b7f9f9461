"""The words of German that ``num2words`` lacks."""

from __future__ import annotations

from vtlab.text.verbalization.words import Money, Words, units

WORDS = Words(
    point="Komma", percent="Prozent", to="bis", and_="und", of="", minus="minus", number="Nummer",
    money={
        "US$": Money("Dollar", "Dollar", "Cent", "Cent"), "$": Money("Dollar", "Dollar", "Cent", "Cent"),
        "€": Money("Euro", "Euro", "Cent", "Cent"), "£": Money("Pfund", "Pfund", "Penny", "Pence"),
        "¥": Money("Yen", "Yen", "Sen", "Sen"),
    },
    units=units(
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
)  # fmt: skip
