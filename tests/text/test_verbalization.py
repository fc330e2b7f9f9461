from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.text.markup import strip_markup
from vtlab.text.verbalization import spell_out
from vtlab.text.verbalization.languages import WORDS

CASES = json.loads((Path(__file__).parents[1] / "cases" / "unspeakable_lines.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", CASES["silent"], ids=repr)
def test_nothing_to_say(text: str) -> None:
    assert strip_markup(text) == ""


@pytest.mark.parametrize("case", CASES["spoken"], ids=lambda case: case["say"])
def test_exactly_this_is_said(case: dict[str, str]) -> None:
    assert strip_markup(case["text"]) == case["say"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("(laughs) Well, hello", "Well, hello"),
        ("The bridge (built in 1890) fell.", "The bridge (built in 1890) fell."),
        ("- Olá! Tudo bem?", "Olá! Tudo bem?"),
        ("-5 graus", "-5 graus"),
        ("*really* good", "really good"),
        ("2*3=6", "2*3=6"),
        ("<i>Oi</i>, <b>gente</b>", "Oi, gente"),
        ("{\\an8}No alto", "No alto"),
        ("👨‍👩‍👧 family ❤️", "family"),
        ("می‌خواهم", "می‌خواهم"),  # a joiner inside a word belongs to it
        ("क्‍ष", "क्‍ष"),
        ("20 °C", "20 °C"),
        ("- Hi!\n- Bye!", "Hi! Bye!"),
        ("Pois é (risos)", "Pois é"),
        ("*sighs* Fine.", "Fine."),
        ("# Happy days #", "Happy days"),
        ("We're #1", "We're #1"),
        ("R&amp;D &lt; 5", "R&D < 5"),
    ],
)
def test_strip_markup(text: str, said: str) -> None:
    assert strip_markup(text) == said


@given(st.text(max_size=60))
def test_what_is_left_has_something_to_say_and_stays(text: str) -> None:
    said = strip_markup(text)
    assert said == "" or any(letter.isalnum() for letter in said)
    assert said == " ".join(said.split())


@pytest.mark.parametrize(
    "language, text, said",
    [
        ("en", "It cost $1,299.50.", "It cost one thousand two hundred and ninety-nine dollars and fifty cents."),
        ("pt", "Custou R$ 1.299,50.", "Custou mil duzentos e noventa e nove reais e cinquenta centavos."),
        ("pt", "R$ 0,50 e R$ 1,01", "cinquenta centavos e um real e um centavo"),
        ("de", "1.299,50 €", "eintausendzweihundertneunundneunzig Euro und fünfzig Cent"),
        ("en", "$5 million", "five million dollars"),
        ("pt", "US$ 2,5 milhões", "dois vírgula cinco milhões de dólares"),
        ("en", "12.5% more", "twelve point five percent more"),
        ("pt", "12,5% a mais", "doze vírgula cinco por cento a mais"),
        ("it", "12,5% e 20 €", "dodici virgola cinque per cento e venti euro"),
        ("en", "pi is 3.14", "pi is three point one four"),
        ("fr", "3,14 m", "trois virgule quatorze mètres"),
        ("pt", "3,05 m", "três vírgula zero cinco metros"),
        ("en", "1,000,000 people", "one million people"),
        ("pt", "100.000 pessoas", "cem mil pessoas"),
        ("pt", "nota 3.5", "nota três vírgula cinco"),
        ("en", "in 1984 and 2005", "in nineteen eighty-four and two thousand and five"),
        ("de", "1984", "neunzehnhundertvierundachtzig"),
        ("pt", "em 1984", "em mil novecentos e oitenta e quatro"),
        ("en", "the 1990s, the '80s", "the nineteen nineties, the eighties"),
        ("pt", "nos anos 90", "nos anos noventa"),
        ("en", "March 15, 2005", "March fifteenth, two thousand and five"),
        ("en", "3/15/2024", "March fifteenth, twenty twenty-four"),
        ("pt", "15/03/2024", "quinze de março de dois mil e vinte e quatro"),
        ("pt", "2023-02-01", "primeiro de fevereiro de dois mil e vinte e três"),
        ("de", "am 3. März", "am dritten März"),
        ("en", "9:05 am", "nine oh five a.m."),
        ("en", "at 9:00 or 14:30", "at nine o'clock or fourteen thirty"),
        ("pt", "às 14:30, às 9h, às 2h15", "às catorze e trinta, às nove horas, às duas e quinze"),
        ("fr", "à 14h30", "à quatorze heures trente"),
        ("en", "the 3rd and the 21st", "the third and the twenty-first"),
        ("pt", "a 3ª rua, o 21º andar", "a terceira rua, o vigésimo primeiro andar"),
        ("fr", "le 1er mai", "le premier mai"),
        ("pt", "90 km/h, 1 km, 20 °C", "noventa quilômetros por hora, um quilômetro, vinte graus Celsius"),
        ("en", "10-15 people", "ten to fifteen people"),
        ("en", "-5 degrees", "minus five degrees"),
        ("en", "room 007", "room zero zero seven"),
        ("en", "Dr. Smith vs. Mr. Jones", "Doctor Smith versus Mister Jones"),
        ("pt", "a Dra. Ana, p. ex.", "a Doutora Ana, por exemplo"),
        ("pt", "ana.silva@exemplo.com.br", "ana ponto silva arroba exemplo ponto com ponto br"),
        ("en", "See https://www.example.com/a-b.", "See example dot com slash a dash b."),
        ("en", "4K video", "four K video"),
        ("en", "I have 2 cats.", "I have two cats."),
        ("en", "No. 2 is it. No. I said no.", "number two is it. No. I said no."),
        ("en", "In 2019 100 people came", "In twenty nineteen one hundred people came"),
        ("fr", "en 2019 100 personnes", "en deux mille dix-neuf cent personnes"),
        ("fr", "12 345,6 km", "douze mille trois cent quarante-cinq virgule six kilomètres"),
        ("en", "Call 555-1234.", "Call five five five, one two three four."),
        ("en", "1990-2005", "nineteen ninety to two thousand and five"),
        ("en", "version 2.0.1, out", "version two dot zero dot one, out"),
        ("en", "3/4 cup, 2½ cups, 24/7", "three quarters cup, two and one half cups, twenty-four seven"),
        ("pt", "2 1/2 copos", "dois e meio copos"),
        ("en", "2+2=4", "two plus two equals four"),
        ("en", "won 3:2 at 6pm", "won three to two at six p.m."),
        ("en", "10:30:15", "ten thirty and fifteen seconds"),
        ("pt", "às 8h30min", "às oito e trinta"),
        ("es", "a las 14:00", "a las catorce"),
        ("it", "alle 14:00", "alle quattordici"),
        ("de", "um 14:05 Uhr", "um vierzehn Uhr fünf"),
        ("de", "am 3.10.1990, der 2. Platz", "am dritten Oktober neunzehnhundertneunzig, der zweite Platz"),
        ("es", "el 1.º piso", "el primer piso"),
        ("en", "$1.5M", "one point five million dollars"),
        ("pt", "R$10mil e US$ 2 mi", "dez mil reais e dois milhões de dólares"),
        ("de", "2,5 Mio. €", "zwei Komma fünf Millionen Euro"),
        ("pt", "1 pessoa, 22 mulheres, 200.000 vidas", "uma pessoa, vinte e duas mulheres, duzentas mil vidas"),
        ("pt", "2 dias, capítulo 1 trata", "dois dias, capítulo um trata"),
        ("pt", "2 milhas e £1", "duas milhas e uma libra"),
        ("es", "1 gato, 21 casas, 200 personas", "un gato, veintiuna casas, doscientas personas"),
        ("it", "1 gatto, 1 casa", "un gatto, una casa"),
        ("de", "1 Uhr, 1 €, Kapitel 1", "ein Uhr, ein Euro, Kapitel eins"),
        ("ja", "3人", "三人"),
        ("nl", "3,5 km", "drie komma vijf km"),
        ("hy", "3 տուն", "3 տուն"),  # num2words knows no Armenian: the voice reads the figure
        ("en", "Nothing to do here.", "Nothing to do here."),
    ],
)
def test_spell_out(language: str, text: str, said: str) -> None:
    assert spell_out(text, language) == said


@given(
    st.text(alphabet="0123456789.,:/-%$€R ºªhkmg°Cé@", max_size=30), st.sampled_from([*WORDS, "ru", "ja", "hi", "nl"])
)
def test_no_figure_brings_it_down(text: str, language: str) -> None:
    spell_out(text, language)


@pytest.mark.parametrize("language", WORDS)
def test_languages_have_all_their_words(language: str) -> None:
    words = WORDS[language]
    assert len(words.months) == 12
    assert set(words.address) == set("@./-_")
    assert {"$", "€", "£", "¥", "US$"} <= set(words.money)
