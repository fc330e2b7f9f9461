"""The words of Portuguese that ``num2words`` lacks."""

from __future__ import annotations

from vtlab.text.verbalization.words import Money, Words, units

WORDS = Words(
    point="vírgula", percent="por cento", to="a", and_="e", of="de", minus="menos", number="número",
    money={
        "R$": Money("real", "reais", "centavo", "centavos"),
        "US$": Money("dólar", "dólares", "centavo", "centavos"),
        "$": Money("dólar", "dólares", "centavo", "centavos"), "€": Money("euro", "euros", "cêntimo", "cêntimos"),
        "£": Money("libra", "libras", "centavo", "centavos"), "¥": Money("iene", "ienes", "sen", "sen"),
    },
    units=units(
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
)  # fmt: skip
