import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.audio import Audio
from vtlab.engines.translation import Sentence
from vtlab.engines.translation.firefox import Firefox, FirefoxOptions
from vtlab.engines.translation.reference import Reference, ReferenceOptions
from vtlab.errors import LineError
from vtlab.events import Finding, Severity
from vtlab.segments import Segment
from vtlab.settings import TranslationSettings
from vtlab.stages.translation import split_by_shares, tidy, translate

CASE = Path(__file__).parents[1] / "cases" / "kept_in_translation.json"
SETTINGS = TranslationSettings()


def lines(*texts: str, gap: float = 0.5, speakers: Sequence[str | None] = ()) -> list[Segment]:
    who = [*speakers, *[None] * len(texts)]
    return [Segment(n, n * (2 + gap), n * (2 + gap) + 2, text, speaker=who[n]) for n, text in enumerate(texts)]


@pytest.fixture(scope="module")
def en_pt():
    return Firefox(FirefoxOptions(offline=True), "en", "pt", 1)


@pytest.fixture(scope="module")
def pt_en():
    return Firefox(FirefoxOptions(offline=True), "pt", "en", 1)


def dubbed(engine, source, target, *texts, settings=SETTINGS, glossary=None, **how):
    found: list[Finding] = []
    segments = lines(*texts, **how)
    given = {"engine_name": "e", "glossary": glossary, "on_finding": found.append}
    out = list(translate(segments, engine, settings, source, target, **given))
    assert [line.source for line in out] == segments
    return [line.text for line in out], found


# Real models


def test_kept_in_translation(en_pt):
    case = json.loads(CASE.read_text(encoding="utf-8"))
    segments = [Segment(row["id"], 3.0 * row["id"], 3.0 * row["id"] + 2.5, row["text"]) for row in case["segments"]]
    found: list[Finding] = []
    out = list(translate(segments, en_pt, SETTINGS, "en", "pt", engine_name="firefox", on_finding=found.append))
    assert [line.source.id for line in out] == list(range(case["segments_out"]))
    for line, row in zip(out, case["segments"], strict=True):
        assert all(part in line.text for part in row.get("must_contain", ())), line.text
        choices = row.get("must_contain_one_of", ())
        assert all(any(choice in line.text for choice in group) for group in choices), line.text
        assert not any(part in line.text for part in row.get("must_not_contain", ())), line.text
        assert line.text == row.get("equals", line.text)
        assert line.text.strip() == row.get("equals_stripped", line.text.strip())
        assert len(line.text.split()) <= row.get("words_at_most", 9999)
        assert len(line.text.splitlines()) <= row.get("lines_in_cue_at_most", 9999)
        low, high = row.get("length_ratio", (0, 9999))
        assert low <= len(line.text) / max(1, len(row["text"])) <= high
    assert "310" in out[-1].text[-70:]
    assert found == []


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("Wait...", "Aguarde..."),  # the model alone: Aguarde o...
        ("Thank you so much", "Muito obrigado por tudo"),  # Obrigado por enviar uma edição.
        ("Thanks.", "Obrigado."),  # Obrigado por uma mensagem.
        ("HELP ME PLEASE, I CANNOT SWIM!", "AJUDE-ME POR FAVOR, NÃO POSSO NADAR!"),  # AJUDA POR FAZEM, não posso SWIM!
        ("- Who is it? - Me.", "- Quem é isso? - Eu."),
        ("♪ Happy birthday to you ♪", "♪ Feliz aniversário para você ♪"),
        ("It costs 5.5%.", "Custa 5,5%."),
        (r"{\an8}Hey, {name}, your code is %s.", "Hey, {name}, seu código é %s."),
        ("hello", "olá"),
        ("BBC", "BBC"),
        ("♪ 12 ♪", "♪ 12 ♪"),
        ("<b>…</b>", "…"),
    ],
)
def test_lines_of_english(en_pt, text, translation):
    assert dubbed(en_pt, "en", "pt", text) == ([translation], [])


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("Sim.", "Yes."),  # the model alone: Yes, I's.
        ("Claro!", "Of course!"),  # Of course it is!
        ("Escreva para ana@exemplo.pt.", "Write for ana@exemplo.pt."),  # Write it to ana-example.pt.
        ("Custa R$ 1.299,00, ou 5,5%.", "It costs R$ 1,299.00, or 5.5%."),
        ("O voo TP1234 sai do portão 4B às 10h45.", "Flight TP1234 leaves the gate 4B at 10:45."),
        ("SOCORRO, NÃO SEI NADAR!", "I HELP, I DON'T KNOW HOW TO SWIM!"),  # SOCORRO, NOT IS NADAR!
        ("— Quem é? — Sou eu.", "— Who is it? — It is me."),
    ],
)
def test_lines_of_portuguese(pt_en, text, translation):
    assert dubbed(pt_en, "pt", "en", text)[0] == [translation]


def test_a_sentence_cut_in_three_is_translated_whole_and_cut_again(pt_en):
    texts, found = dubbed(
        pt_en, "pt", "en", "Quando eu era pequeno,", "a minha avó contava histórias", "todas as noites."
    )
    assert " ".join(texts) == "When I was small, my grandmother told stories every night."
    assert all(texts) and found == []


@pytest.mark.parametrize("how", [{"gap": 1.5}, {"speakers": ["a", "b"]}])
def test_a_pause_or_another_speaker_keeps_lines_apart(en_pt, how):
    texts, _ = dubbed(en_pt, "en", "pt", "I went home and", "then we ate.", **how)
    apart = [dubbed(en_pt, "en", "pt", text)[0][0] for text in ("I went home and", "then we ate.")]
    assert texts == apart


def test_lines_come_out_as_soon_as_their_sentence_is_whole(en_pt):
    taken = []

    def spoken() -> Iterator[Segment]:
        for segment in lines("Yes.", "I went home and", "then we ate.", "No."):
            taken.append(segment.id)
            yield segment

    out = translate(spoken(), en_pt, SETTINGS, "en", "pt", engine_name="firefox")
    seen = [(next(out).source.id, max(taken)) for _ in range(4)]
    assert seen == [(0, 0), (1, 2), (2, 2), (3, 3)]


def test_a_glossary_is_kept(en_pt):
    glossary = {"dashboard": "painel de instrumentos", "John": "João"}
    ((first, second, third), found) = dubbed(
        en_pt, "en", "pt", "Open the Dashboard.", "The dashboards are new.", "I saw John.", glossary=glossary
    )
    assert "painel de instrumentos" in first
    assert "painel de instrumentos" not in second
    assert "João" in third
    assert found == []


# Stand-ins, for faults that real models show too rarely


class Scripted:
    """Answers from a table, and the text itself where that has none; remembers what it was asked."""

    listens = False

    def __init__(self, **answers: str | tuple[str, ...]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        self.calls.append([sentence.text for sentence in sentences])
        answers = [self.answers.get(sentence.text, sentence.text) for sentence in sentences]
        return [answer if isinstance(answer, tuple) else (answer,) for answer in answers]


class Refusing(Scripted):
    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        if any("bad" in sentence.text for sentence in sentences):
            raise LineError("it will not")
        return super().translate(sentences, candidates)


def test_one_refused_line_keeps_its_words_and_the_others_go_on():
    texts, found = dubbed(
        Refusing(**{"A good one.": "Uma boa."}), "en", "pt", "A good one.", "A bad one.", "A good one."
    )
    assert texts == ["Uma boa.", "A bad one.", "Uma boa."]
    assert [(finding.code, finding.severity, finding.segment) for finding in found] == [
        ("failed", Severity.DEGRADED, 1)
    ]


def test_an_empty_translation_keeps_the_line_and_degrades():
    engine = Scripted(**{"Come here, my good friend.": "", "Come here, my": "", "good friend.": ""})
    engine.answers |= dict.fromkeys(("Come here,", "my good friend."), "")
    texts, found = dubbed(engine, "en", "pt", "Come here, my good friend.")
    assert texts == ["Come here, my good friend."]
    assert [(finding.code, finding.severity) for finding in found] == [("empty", Severity.DEGRADED)]


def test_a_loop_is_redone_by_clauses():
    engine = Scripted(
        **{
            "When it is late, we go home.": "vai vai vai vai vai",
            "When it is late,": "Quando é tarde,",
            "we go home.": "vamos para casa.",
        }
    )
    assert dubbed(engine, "en", "pt", "When it is late, we go home.") == (["Quando é tarde, vamos para casa."], [])


def test_code_words_then_cutting_around_keep_what_must_be_kept():
    text = "Write to a@b.org today please."
    hidden = Scripted(**{text: "Escreva para a @ b. org hoje.", "Write to X1 today please.": "Escreva para X1 hoje."})
    assert dubbed(hidden, "en", "pt", text) == (["Escreva para a@b.org hoje."], [])
    parts = {"Write to": "Escreva para", "today please.": "hoje por favor."}
    stubborn = Scripted(
        **{text: "Escreva.", "Write to X1 today please.": "Nada.", "Write to Q1Z today please.": "Nada.", **parts}
    )
    texts, found = dubbed(stubborn, "en", "pt", text)
    assert texts == ["Escreva para a@b.org hoje por favor."]
    assert [(finding.code, finding.severity) for finding in found] == [("split_around", Severity.INFO)]


def test_candidates_are_carried_and_those_that_lose_a_number_are_not():
    engine = Scripted(**{"I have 3 dogs.": ("Tenho 3 cães.", "Tenho cães.", "Tenho três cães.")})
    (line,) = translate(lines("I have 3 dogs."), engine, SETTINGS, "en", "pt", engine_name="x")
    assert (line.text, line.candidates) == ("Tenho 3 cães.", ("Tenho 3 cães.", "Tenho três cães."))
    assert (line.engine, line.language) == ("x", "pt")


def test_a_shorter_form_is_one_more_candidate():
    engine = Scripted(**{"Não sei.": "I do not know."})
    (line,) = translate(lines("Não sei."), engine, SETTINGS, "pt", "en", engine_name="x")
    assert (line.text, line.candidates) == ("I do not know.", ("I do not know.", "I don't know."))


def test_a_lost_number_is_a_finding():
    engine = Scripted(**dict.fromkeys(("I have 31 dogs.", "I have X1 dogs.", "I have Q1Z dogs."), "Tenho cães demais."))
    texts, found = dubbed(engine, "en", "pt", "I have 31 dogs.")
    assert texts == ["Tenho cães demais."]
    assert [(finding.code, finding.segment) for finding in found] == [("not_kept", 0)]


def test_the_same_sentence_is_asked_once_and_lists_go_in_batches():
    engine = Scripted(**{"We are here now.": "Estamos aqui agora.", "You are not there.": "Tu não estás lá."})
    texts, _ = dubbed(engine, "en", "pt", "We are here now.", "You are not there.", "We are here  now.")
    assert texts == ["Estamos aqui agora.", "Tu não estás lá.", "Estamos aqui agora."]
    assert engine.calls == [["We are here now.", "You are not there."]]


@pytest.mark.parametrize(
    ("translation", "code"),
    [
        ("Vamos para casa agora, que já é muito tarde e está frio.", "length_ratio"),
        ("We go home now", "untranslated"),
    ],
)
def test_what_looks_wrong_is_a_finding_with_its_value(translation, code):
    _, (finding,) = dubbed(Scripted(**{"We go home now.": translation}), "en", "pt", "We go home now.")
    assert (finding.stage, finding.code, finding.severity) == ("translation", code, Severity.WARNING)
    assert finding.value is not None and finding.limit is not None


@given(st.lists(st.text(alphabet="aBé .,!?…♪1-", max_size=30), max_size=6))
def test_one_line_out_for_each_in_and_none_is_lost(texts):
    segments = lines(*texts)
    out = list(translate(segments, Scripted(), SETTINGS, "en", "pt", engine_name="echo"))
    assert [line.source for line in out] == segments
    for line in out:
        assert bool(line.text.strip()) == bool(line.source.text.strip())
        assert line.candidates[0] == line.text
        if not any(letter.isalpha() for letter in line.source.text):
            assert line.text == line.source.text


def test_engines_that_listen_get_whole_lines_with_their_sound(tmp_path):
    file = tmp_path / "lines.json"
    file.write_text('[{"text": "Olá. Tudo bem?", "translation": "Hi, all right?"}]', encoding="utf-8")
    engine = Reference(ReferenceOptions(file=file), "pt", "en", 1)
    asked = []

    def speech(segment: Segment) -> Audio:
        asked.append(segment.id)
        return Audio(np.zeros(16000, np.float32), 16000)

    found: list[Finding] = []
    segments = lines("Olá. Tudo bem?", "♪", "Mais nada.")
    out = translate(segments, engine, SETTINGS, "pt", "en", engine_name="r", speech=speech, on_finding=found.append)
    assert [line.text for line in out] == ["Hi, all right?", "♪", "Mais nada."]
    assert asked == [0, 2]
    assert [(finding.code, finding.segment) for finding in found] == [("failed", 2)]


# Its parts


@pytest.mark.parametrize(
    ("translation", "text", "target", "tidied"),
    [
        ("US $ 30", "$30", "pt", "US$ 30"),
        ("Olá , mundo .", "Hello, world.", "pt", "Olá, mundo."),
        ("Bonjour !", "Hello!", "fr", "Bonjour !"),
        ("onde está.", "Where is it?", "pt", "Onde está?"),
        ("Bye (", "Bye", "pt", "Bye"),
        ("( risos )", "(laughs)", "pt", "(risos)"),
        ("Olá lá.", "hello there.", "pt", "olá lá."),
        ("I went home.", "fui para casa.", "en", "I went home."),
        ("Das Haus", "the house", "de", "Das Haus"),
        ('"Que dia é hoje".', '"What day is it?"', "pt", '"Que dia é hoje?"'),
    ],
)
def test_tidy(translation, text, target, tidied):
    assert tidy(translation, text, target) == tidied


@pytest.mark.parametrize(
    ("text", "shares", "language", "parts"),
    [
        ("When I was young, I played ball", [14, 17], "en", ["When I was young,", "I played ball"]),
        ("one two three", [1, 100, 1], "en", ["one", "two", "three"]),
        ("one two", [1, 1, 1], "en", None),
        ("今天下雨我在家", [4, 3], "zh", ["今天下雨", "我在家"]),
    ],
)
def test_split_by_shares(text, shares, language, parts):
    assert split_by_shares(text, shares, language) == parts


@given(
    st.lists(st.text(alphabet="ab,.", min_size=1, max_size=6), min_size=1, max_size=9),
    st.lists(st.integers(1, 50), min_size=1, max_size=3),
)
def test_parts_make_up_the_text(words, shares):
    text = " ".join(words)
    parts = split_by_shares(text, shares, "en")
    if len(words) < len(shares):
        assert parts is None
    else:
        assert parts is not None and len(parts) == len(shares)
        assert " ".join(parts) == text and all(parts)
