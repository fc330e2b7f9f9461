from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab.errors import LanguageError
from vtlab.languages import ALIASES, LANGUAGES, UNSPACED, language_code, language_name, three_letters


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pt", "pt"),
        ("PT", "pt"),
        (" pt-BR ", "pt"),
        ("pt_BR", "pt"),
        ("por", "pt"),
        ("Portuguese", "pt"),
        ("en-GB", "en"),
        ("fre", "fr"),
        ("no", "nb"),
        ("zh-Hant", "zh"),
        ("cmn", "zh"),
    ],
)
def test_what_is_understood(text: str, code: str) -> None:
    assert language_code(text) == code


@pytest.mark.parametrize(
    ("text", "said"), [("portugese", "'portuguese'"), ("xx", "'xx'"), ("", "''"), ("klingon", "'klingon'")]
)
def test_what_is_not_names_the_nearest(text: str, said: str) -> None:
    with pytest.raises(LanguageError) as raised:
        language_code(text)
    assert said in str(raised.value)


@given(code=st.sampled_from(sorted(LANGUAGES)))
def test_codes_names_and_three_letters_lead_back(code: str) -> None:
    assert language_code(language_name(code)) == code
    assert language_code(three_letters(code)) == code


def test_tables_agree() -> None:
    assert set(ALIASES.values()) <= set(LANGUAGES)
    assert set(LANGUAGES) >= UNSPACED
    assert not set(ALIASES) & set(LANGUAGES)


def test_unknown_codes_stay_as_they_are() -> None:
    assert language_name("tlh") == "tlh"
    assert three_letters("tlh") == "und"
