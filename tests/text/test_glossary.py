import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.errors import SettingsError
from vtlab.text.glossary import (
    CODE_WORDS,
    TAG,
    find_lost,
    find_protected_spans,
    load_glossary,
    localise_numbers,
    mask,
    unmask,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "Write to a.b@example.org, or see https://example.org/a?b=1&c=2.",
            ["a.b@example.org", "https://example.org/a?b=1&c=2"],
        ),
        ("Room 4B costs 1,299.50 euros.", ["4B", "1.299,50"]),
        ("TP1234 leaves at 07:05 from B22.", ["TP1234", "07:05", "B22"]),
        ("Hi {name}, %s and %(n)d; 50% on #sale from @shop", ["{name}", "%s", "%(n)d", "50", "#sale", "@shop"]),
        ("On 2026-03-14, call 555-0199; version 3.11, 10.0.0.1", ["2026-03-14", "555-0199", "3.11", "10.0.0.1"]),
        ("The 2nd of the 90s, 25kg", ["2", "90", "25"]),
        ("visit example.org/help now", ["example.org/help"]),
        ("Plan B is on TV.", []),
    ],
)
def test_kept_spans(text, wanted):
    assert [span.wanted for span in find_protected_spans(text, {}, "en", "pt")] == wanted


@pytest.mark.parametrize(
    ("text", "translation", "missing"),
    [
        ("Mail a@example.org.", "Escreva a@example. org.", ["a@example.org"]),
        ("It is 19:30.", "É 7:30 da noite.", []),
        ("It is 3 p.m.", "São 15 horas.", []),
        ("I have two cats and 3 dogs.", "Tenho dois gatos e três cães.", []),
        ("I have 3 dogs.", "Tenho cães.", ["3"]),
        ("1,000 and 2", "1.000 e 2", []),
        ("Room 4B or 4B", "Quarto 4B", ["4B", "4B"]),
        ("Room 4B", "Quarto 14B", ["4B"]),
        ("Open the dashboard.", "Abra o Painel de Controlo.", []),
        ("Open the Dashboard.", "Abra o painel.", ["painel de controlo"]),
    ],
)
def test_lost(text, translation, missing):
    spans = find_protected_spans(text, {"dashboard": "painel de controlo"}, "en", "pt")
    assert [span.wanted for span in find_lost(spans, text, translation, "pt")] == missing


@pytest.mark.parametrize(
    ("text", "translation", "source", "target", "right"),
    [
        ("R$ 1.299,00, ou 5,5%", "R$ 1,299,00, or 5.5%", "pt", "en", "R$ 1,299.00, or 5.5%"),
        ("3.14159 of 1,000", "3.14159 de 1,000", "en", "pt", "3,14159 de 1.000"),
        ("version 3.11", "versão 3.11", "en", "pt", "versão 3.11"),
        ("in 2026 at 7:05", "em 2026 às 7:05", "en", "pt", "em 2026 às 7:05"),
        ("1.5 km", "1.5 km", "en", "hi", "1.5 km"),
    ],
)
def test_localised_numbers(text, translation, source, target, right):
    assert localise_numbers(text, translation, source, target) == right


@given(st.text(alphabet="X1Q2Z ab@.org4B", max_size=40), st.sampled_from(CODE_WORDS))
def test_what_is_masked_comes_back(text, form):
    text += " 4B a@b.org"
    spans = find_protected_spans(text, {}, "en", "en")
    hidden, words = mask(text, spans, form)
    assert all(word not in text for word in words)
    whole = list(text)
    for span in reversed(spans):
        whole[span.start : span.end] = span.wanted
    restored = unmask(hidden, words)
    assert restored is None or restored == "".join(whole)


def test_a_code_word_that_is_lost_or_doubled_is_told():
    assert unmask("see X1", {"X1": "4B", "X2": "5C"}) is None
    assert unmask("see X1 and X1", {"X1": "4B"}) is None
    assert unmask("see X12", {"X1": "4B"}) is None


@pytest.mark.parametrize(
    ("text", "bare"),
    [("<i>Come</i> here", "Come here"), (r"{\an8}Hey {name}", "Hey {name}"), ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2")],
)
def test_tags(text, bare):
    assert TAG.sub("", text) == bare


def test_load_glossary(tmp_path):
    file = tmp_path / "terms.yaml"
    file.write_text("dashboard: painel\nstart-up: ' empresa nova '\n")
    assert load_glossary(file) == {"dashboard": "painel", "start-up": "empresa nova"}
    assert load_glossary(None) == {}
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())  # a byte-order mark
    assert load_glossary(file) == {"dashboard": "painel", "start-up": "empresa nova"}
    file.write_text("")
    assert load_glossary(file) == {}


@pytest.mark.parametrize("content", ["- a\n- b", "a: [b]", "a: 3", "no: yes", "a: ''", "{", "a"])
def test_a_bad_glossary_is_named(tmp_path, content):
    file = tmp_path / "terms.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"terms\.yaml"):
        load_glossary(file)


def test_a_missing_glossary_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_glossary(tmp_path / "none.yaml")
