"""The words of Spanish that ``num2words`` lacks."""

from __future__ import annotations

from vtlab.text.verbalization.words import Money, Words, units

WORDS = Words(
    point="coma", percent="por ciento", to="a", and_="y", of="de", minus="menos", number="número",
    money={
        "R$": Money("real", "reales", "centavo", "centavos"),
        "US$": Money("dólar", "dólares", "centavo", "centavos"),
        "$": Money("dólar", "dólares", "centavo", "centavos"), "€": Money("euro", "euros", "céntimo", "céntimos"),
        "£": Money("libra", "libras", "penique", "peniques"), "¥": Money("yen", "yenes", "sen", "sen"),
    },
    units=units(
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
)  # fmt: skip
