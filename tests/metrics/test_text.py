import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.errors import EngineError
from vtlab.evaluation.dataset import load_dataset
from vtlab.metrics.recognition import error_rates, words_lost
from vtlab.metrics.text import normalise, resegment
from vtlab.metrics.translation import bleu, chrf, length_compliance

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Olá, MUNDO!", "pt", "olá mundo"),
        ("cafe\u0301 — café", "pt", "café café"),
        ("Don't stop; it’s fine.", "en", "do not stop it is fine"),
        ("L’eau d'ici.", "fr", "leau dici"),
        ("more than 4,000 visitors", "en", "more than 4000 visitors"),
        ("More than four thousand visitors.", "en", "more than 4000 visitors"),
        ("the colour grey", "en", "the color gray"),
        ("mais de 4.000 e mais de 4 mil", "pt", "mais de quatro mil e mais de quatro mil"),
        ("19 reais", "pt", "dezenove reais"),
        ("cresceram 25%", "pt", "cresceram vinte e cinco por cento"),
        ("May 24th", "en", "may 24th"),
        ("May twenty fourth", "en", "may 24th"),
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
        (["red green blue gray"], ["red grin blue"], 4, 1, 0, 1, 0.5),
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
    assert scores.signature.startswith("jiwer:")
    assert not reference or "|norm:whisper-normalizer-" in scores.signature


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


@pytest.mark.parametrize("corpus", json.loads((ROOT / "tests/cases/empty_reference.json").read_text())["corpora"])
def test_empty_references_and_hypotheses(corpus: dict[str, object]) -> None:
    scores = error_rates(corpus["reference"], corpus["hypothesis"], "en")  # type: ignore[arg-type]
    for name in ("reference_words", "insertions", "deletions", "substitutions"):
        if name in corpus:
            assert getattr(scores, name) == corpus[name]
    assert scores.wer == (None if corpus["wer"] == "absent" else corpus["wer"])


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_a_missing_tokeniser_is_named_with_its_command(language: str) -> None:
    package = {"ja": "MeCab", "ko": "mecab_ko"}[language]
    if importlib.util.find_spec(package) is not None:
        assert f"tok:{language}-mecab" in bleu(["a"], ["a"], language).signature
        return
    with pytest.raises(EngineError, match=rf"pip install 'sacrebleu\[{language}\]'"):
        bleu(["a"], ["a"], language)


def _corpus() -> tuple[list[str], list[str]]:
    """Portuguese lines, and the same with words lost, doubled, changed; a line is empty."""
    lines = [segment.text for clip in load_dataset(ROOT / "datasets/spoken").clips[:3] for segment in clip.segments]
    changed = []
    for number, line in enumerate(lines):
        words = line.split()
        changed.append(
            " ".join([*words[: number % 4], "talvez", *words[number % 4 + 1 :]] if number % 3 else words[1:])
        )
    return lines, [*changed[:-1], ""]


def test_error_rates_are_those_of_the_command_jiwer(tmp_path: Path) -> None:
    references, hypotheses = (lines[:-1] for lines in _corpus())  # the command skips empty lines
    files = []
    for name, lines in (("r", references), ("h", hypotheses)):
        files.append(tmp_path / name)
        files[-1].write_text("".join(f"{normalise(line, 'pt')}\n" for line in lines), encoding="utf-8")
    ours = error_rates(references, hypotheses, "pt")
    for flag, value in (([], ours.wer), (["-c"], ours.cer)):
        command = [sys.executable, "-c", "from jiwer.cli import cli; cli()", "-r", str(files[0]), "-h", str(files[1])]
        printed = subprocess.run([*command, *flag], capture_output=True, text=True, check=True).stdout
        assert float(printed) == value


def test_translation_scores_are_those_of_the_command_sacrebleu(tmp_path: Path) -> None:
    references, hypotheses = _corpus()
    for name, lines in (("r", references), ("h", hypotheses)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", str(tmp_path / "r"), "-i", str(tmp_path / "h"), "-m", "bleu", "chrf"]
    printed = subprocess.run([*command, "-w", "12"], capture_output=True, text=True, check=True).stdout
    theirs = {score["name"]: score for score in json.loads(printed)}
    ours = {"BLEU": bleu(references, hypotheses, "pt"), "chrF2": chrf(references, hypotheses)}
    for name, score in ours.items():
        assert round(score.value or 0, 12) == theirs[name]["score"]
        assert score.signature == theirs[name]["signature"]


MWERALIGN = """
import sys
from mweralign import align_texts
print(align_texts(sys.argv[1], sys.argv[2]))
"""


def test_resegmenting_makes_no_more_errors_than_mweralign() -> None:
    references, hypotheses = ([normalise(line, "pt") for line in lines] for lines in _corpus())
    whole = " ".join(" ".join(hypotheses).split())
    command = [sys.executable, "-c", MWERALIGN, "\n".join(references), whole]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n").split("\n")
    theirs += [""] * (len(references) - len(theirs))
    ours = resegment(references, whole, "pt")
    assert (error_rates(references, ours, "pt").wer or 0) <= (error_rates(references, theirs, "pt").wer or 0)


def test_words_after_the_end_of_a_sentence_go_to_the_next_line() -> None:
    assert resegment(["a long trip", "me by a window"], "a long trip. I sat by a window", "en") == [
        "a long trip.",
        "I sat by a window",
    ]


@pytest.mark.parametrize(
    ("given", "heard", "cut_s", "heard_s", "lost"),
    [
        ("we went to the river", "we went to the river", None, None, 0),
        ("we went to the river", "we went to the", None, None, 1),
        ("we went to the river", "we went", None, None, 3),
        ("we went to the river", "we sent to the rival", None, None, 0),  # misheard is not lost
        ("we went to the river", "", None, None, 0),  # nothing understood: no matter of the end
        ("we went to the river", "we went to the rib", 0.3, 0.9, 1),  # a quarter of the sound is gone
        ("we went to the river", "we went to the river", 0.3, 0.9, 0),
    ],
)
def test_words_lost(given: str, heard: str, cut_s: float | None, heard_s: float | None, lost: int) -> None:
    assert words_lost(given, heard, cut_s, heard_s, "en") == lost


def test_length_compliance() -> None:
    pairs = [("0123456789", "012345678"), ("0123456789", "01234567890"), ("0123456789", "01234567"), ("", "a")]
    assert length_compliance(pairs) == pytest.approx(2 / 3)
    assert length_compliance([]) is None
