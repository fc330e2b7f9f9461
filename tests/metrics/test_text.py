import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.metrics.text import bleu, chrf, error_rates, normalise, resegment


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Olá, MUNDO!", "pt", "olá mundo"),
        ("cafe\u0301 — café", "pt", "café café"),
        ("Don't stop; it’s fine.", "en", "dont stop its fine"),
        ("more than 4,000 visitors", "en", "more than four thousand visitors"),
        ("mais de 4.000 e mais de 4 mil", "pt", "mais de quatro mil e mais de quatro mil"),
        ("19 reais", "pt", "dezenove reais"),
        ("cresceram 25%", "pt", "cresceram vinte e cinco por cento"),
        ("May 24th", "en", "may twenty fourth"),
        ("2,5 litros", "pt", "dois vírgula cinco litros"),
        ("...", "en", ""),
        ("42 чи 42", "xx", "42 чи 42"),
    ],
)
def test_normalise(text: str, language: str, expected: str) -> None:
    assert normalise(text, language) == expected


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text, "xx")
    assert normalise(once, "xx") == once


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "sub", "ins", "dele", "wer"),
    [
        (["", "", "hello world", "hello world"], ["", "thank you", "", "hello world"], 4, 0, 2, 2, 1.0),
        ([""], ["thank you"], 0, 0, 2, 0, None),
        (["", ""], ["", ""], 0, 0, 0, 0, None),
        (["...", "—", "yes"], ["", "", "yes"], 1, 0, 0, 0, 0.0),
        (["cafe\u0301"], ["caf\u00e9"], 1, 0, 0, 0, 0.0),
        (["hello world"], [""], 2, 0, 0, 2, 1.0),
        (["one two three four"], ["one too three"], 4, 1, 0, 1, 0.5),
        ([], [], 0, 0, 0, 0, None),
    ],
)
def test_error_rates(
    reference: list[str], hypothesis: list[str], words: int, sub: int, ins: int, dele: int, wer: float | None
) -> None:
    scores = error_rates(reference, hypothesis, "en")
    assert (scores.reference_words, scores.substitutions, scores.insertions, scores.deletions) == (
        words,
        sub,
        ins,
        dele,
    )
    assert scores.wer == (None if wer is None else pytest.approx(wer))
    assert scores.signature.startswith("jiwer:") and scores.signature.endswith("|norm:vtlab-1")


def test_character_errors_need_no_spaces() -> None:
    scores = error_rates(["秋天 总是"], ["秋天总事"], "zh")
    assert scores.cer == pytest.approx(0.25)


def test_lists_of_different_length_are_refused() -> None:
    for measure in (lambda r, h: error_rates(r, h, "en"), lambda r, h: bleu(r, h, "en"), chrf):
        with pytest.raises(ValueError, match="2 references, 1 hypotheses"):
            measure(["one", "two"], ["one"])


def test_translation_scores() -> None:
    right = ["the cat sat on the mat today"]
    assert bleu(right, right, "en").value == pytest.approx(100)
    assert chrf(right, right).value == pytest.approx(100)
    assert bleu(["hello there my friend"], [""], "en").value == 0.0
    assert bleu([], [], "en").value is None and chrf([], []).value is None
    assert "tok:13a" in bleu(right, right, "pt").signature
    assert "tok:zh" in bleu(["你好"], ["你好"], "zh").signature
    # "ab" against "abc": both have orders 1 and 2 (2 of 2 and 1 of 1 right, 2 of 3 and 1 of 2 found); beta is 2
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    assert chrf(["abc"], ["ab"]).value == pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))


@pytest.mark.parametrize(
    ("references", "hypothesis", "expected"),
    [
        (["good morning", "how are you"], "Good morning. How are you?", ["Good morning.", "How are you?"]),
        (["good morning", "how are you"], "Good day. Are you?", ["Good day.", "Are you?"]),
        (["good morning", "how are you"], "Good morning my friend. So, how are you?", None),
        (["a b", "c d", "e f"], "a b e f", ["a b", "", "e f"]),
        (["a b", "c d"], "", ["", ""]),
        ([], "a b", []),
        (["", "a b"], "a b", ["", "a b"]),
        (["...", "a b"], "a b", ["", "a b"]),
    ],
)
def test_resegment(references: list[str], hypothesis: str, expected: list[str] | None) -> None:
    cut = resegment(references, hypothesis, "en")
    assert cut == (["Good morning my friend.", "So, how are you?"] if expected is None else expected)


def test_resegment_without_spaces() -> None:
    assert resegment(["秋天总是", "富有诗意"], "秋天总是。富有诗意", "zh") == ["秋天总是。", "富有诗意"]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d."]), max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=5), WORDS)
def test_resegmenting_loses_nothing(references: list[list[str]], hypothesis: list[str]) -> None:
    cut = resegment([" ".join(words) for words in references], " ".join(hypothesis), "en")
    assert len(cut) == len(references)
    assert " ".join(" ".join(cut).split()) == " ".join(hypothesis)
