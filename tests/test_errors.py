from __future__ import annotations

import subprocess
import sys

import pytest

from vtlab import errors
from vtlab.errors import Cancelled, InputError, LineError, UserError, VtlabError, nearest, redact

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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@host/x is not there", "postgresql://***@host/x is not there"),
        ("postgresql://u:p@ss@host/x", "postgresql://***@host/x"),
        ("postgresql://u:p/w@host/x?a=b", "postgresql://***@host/x?a=b"),
        ("ssh://git@host/x.git", "ssh://***@host/x.git"),
        ("'http://u:p@h' and 'c@d'", "'http://***@h' and 'c@d'"),
        ("http://u:p@h:1/x, http://v:w@i/", "http://***@h:1/x, http://***@i/"),
        ("with url: /a/b?x=1&token=abc&y=2 (Caused by)", "with url: /a/b?x=1&token=***&y=2 (Caused by)"),
        ("https://x/y?api_key=ZZ and more", "https://x/y?api_key=*** and more"),
        ("https://x/y#access_token=Z&b=c", "https://x/y#access_token=***&b=c"),
        ("https://x/y?a=1&amp;sig=Z", "https://x/y?a=1&amp;sig=***"),
        (
            "https://s3/x?X-Amz-Credential=AA%2F&X-Amz-Signature=12&part=1",
            "https://s3/x?X-Amz-Credential=***&X-Amz-Signature=***&part=1",
        ),
        (r'{"a": "raise E(\"http://u:p@h/?token=t\")"}', r'{"a": "raise E(\"http://***@h/?token=***\")"}'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("{'authorization': 'Basic dXNlcg=='}", "{'authorization': '***'}"),
    ],
)
def test_secrets_of_addresses_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/path@x", "https://host/kokoro@1", "file:///tmp/a:b@c", "sqlite:////tmp/a:b@c/x.db",
        "http://[::1]:80/x@y", "a basic understanding of it", "why/how ? this : that?key=1",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_secrets_of_the_environment_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdef")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://bob:open%20sesame@host/x")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ninety-nine,x-more=a")
    monkeypatch.setenv("HTTP_PROXY", "bob:let-me-in@proxy:3128")
    monkeypatch.setenv("TOKENIZER", "firefox")
    assert redact("hf_abcdef open sesame open%20sesame ninety-nine let-me-in firefox") == "*** *** *** *** *** firefox"


def test_an_error_shows_no_secret() -> None:
    assert str(InputError("http://u:p@host is not there.")) == "http://***@host is not there."


def test_redacting_long_text_takes_time_in_proportion_to_its_length() -> None:
    # what made quadratic patterns slow: the pieces that a secret begins with, and no secret after them
    text = "/a/b" * 100_000 + "a&b;c" * 100_000 + "a://" * 100_000 + "x" * 5_000_000
    assert redact(text) == text


def test_no_secret_leaves_by_the_streams() -> None:
    program = (
        "import logging, sys\nfrom vtlab.errors import redact_output\nredact_output()\n"
        "print('http://u:planted@host')\nlogging.warning('http://u:planted@host')\nprint(1 / 0, 'http://u:planted@host')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "http://***@host" in done.stdout
    assert "http://***@host" in done.stderr
    assert "planted" not in done.stdout + done.stderr.replace(program.splitlines()[-1], "")
