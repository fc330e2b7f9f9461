from __future__ import annotations

import pytest

from vtlab import errors
from vtlab.errors import Cancelled, InputError, LineError, UserError, VtlabError, nearest

FAMILY = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, VtlabError)]


def test_codes_are_unique_and_stable() -> None:
    codes = [error.code for error in FAMILY]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("E_") and code == code.upper() for code in codes)


@pytest.mark.parametrize("error", FAMILY)
def test_exit_codes(error: type[VtlabError]) -> None:
    expected = 2 if issubclass(error, UserError) else 130 if error is Cancelled else 1
    assert error("x").exit_code == expected


def test_an_error_may_have_a_code_of_its_own() -> None:
    error = InputError("a.mp4 has no sound.", code="E_NO_AUDIO")
    assert (error.code, InputError.code, str(error)) == ("E_NO_AUDIO", "E_INPUT", "a.mp4 has no sound.")
    assert LineError("x").code == "E_LINE"


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("voce", ["voice", "rate"], " Did you mean 'voice'?"),
        ("zzz", ["voice", "rate"], ""),
        ("voice", [], ""),
    ],
)
def test_nearest(word: str, known: list[str], said: str) -> None:
    assert nearest(word, known) == said
