import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.text.sentences import (
    clauses,
    copied_share,
    ends_sentence,
    is_looped,
    is_truncated,
    split_clauses,
    split_sentences,
    word_count,
)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Boa noite. A chuva chegou.", ["Boa noite.", "A chuva chegou."]),
        ("Wait... what?", ["Wait... what?"]),
        ("Wait… What?! No!", ["Wait…", "What?!", "No!"]),
        ("Dr. Silva e a Sra. Costa saíram. Fim.", ["Dr. Silva e a Sra. Costa saíram.", "Fim."]),
        ("J. Smith paid 3.50 for no. 5. No. I did.", ["J. Smith paid 3.50 for no. 5.", "No.", "I did."]),
        ("“Where are you?” he asked.", ["“Where are you?” he asked."]),
        ('He said, "Go home." She left.', ['He said, "Go home."', "She left."]),
        ("— Quem é? — Sou eu.", ["— Quem é?", "— Sou eu."]),
        ("¿Qué? ¡No!", ["¿Qué?", "¡No!"]),
        ("See example.org. Bye", ["See example.org.", "Bye"]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("Բարեւ։ Ինչպե՞ս ես։", ["Բարեւ։", "Ինչպե՞ս ես։"]),
        ("नमस्ते। ठीक है।", ["नमस्ते।", "ठीक है।"]),
        ("It was I. Then we left.", ["It was I.", "Then we left."]),
        ("", []),
    ],
)
def test_split_sentences(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Yes.", True),
        ("Go…”", True),
        ("what?!", True),
        ("and then", False),
        ("one,", False),
        ("Dr.", False),
        ("", False),
    ],
)
def test_ends_sentence(text, ends):
    assert ends_sentence(text) is ends


texts = st.text(alphabet="aBé .,;!?…—\"()'1\n", max_size=80)


@given(texts)
def test_sentences_hold_every_word_in_order(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@given(texts, st.integers(1, 12))
def test_clauses_hold_every_word_and_keep_to_the_limit(text, limit):
    pieces = split_clauses(text, limit)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(word_count(piece) <= limit for piece in pieces)
    assert "".join("".join(clauses(text)).split()) == "".join(text.split())


def test_clauses_are_cut_at_their_marks_rather_than_between_words():
    text = "when it rains, we stay at home; when it does not, we walk to the river"
    assert split_clauses(text, 8) == [
        "when it rains, we stay at home;",
        "when it does not, we walk to the river",
    ] or all(piece[-1] in ",;" for piece in split_clauses(text, 8)[:-1])
    assert split_clauses("short enough", 8) == ["short enough"]
    assert split_clauses("at 10:45, for 1,000 euros", 3) == ["at 10:45,", "for 1,000 euros"]


@pytest.mark.parametrize(
    ("source", "translation", "is_loop"),
    [
        ("Close the valve.", "Feche a válvula feche a válvula feche a válvula.", True),
        ("Close it.", "a a a a a", True),
        ("No, no, no, no!", "Não, não, não, não!", False),
        ("It was very, very good.", "Foi muito, muito, muito bom.", False),
        ("In step 1 we go. In step 2 we go.", "No passo 1 vamos. No passo 2 vamos.", False),
    ],
)
def test_looped(source, translation, is_loop):
    assert is_looped(source, translation) is is_loop


@pytest.mark.parametrize(
    ("source", "translation", "is_cut"),
    [
        ("The rain has reached the city tonight.", "A chuva.", True),
        ("Good evening, everybody.", "Olá.", False),
        ("The rain has reached the city tonight.", "今夜雨下", False),
    ],
)
def test_truncated(source, translation, is_cut):
    assert is_truncated(source, translation) is is_cut


@pytest.mark.parametrize(
    ("text", "translation", "share"),
    [
        ("we go home now", "we go home now", 1.0),
        ("we go home now", "vamos para casa now", 0.25),
        ("Anna Maria Silva 25", "Anna Maria Silva 25", None),  # names and numbers are the same everywhere
        ("ha ha ha", "ha ha ha", None),
    ],
)
def test_copied_share(text, translation, share):
    assert copied_share(text, translation) == share
