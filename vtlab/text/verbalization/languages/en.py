"""The words of English that ``num2words`` lacks."""

from __future__ import annotations

from vtlab.text.verbalization.words import Money, Words, units

WORDS = Words(
    point="point", percent="percent", to="to", and_="and", of="", minus="minus", number="number",
    money={
        "R$": Money("real", "reais", "centavo", "centavos"), "US$": Money("dollar", "dollars", "cent", "cents"),
        "$": Money("dollar", "dollars", "cent", "cents"), "€": Money("euro", "euros", "cent", "cents"),
        "£": Money("pound", "pounds", "penny", "pence"), "¥": Money("yen", "yen", "sen", "sen"),
    },
    units=units(
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
)  # fmt: skip
