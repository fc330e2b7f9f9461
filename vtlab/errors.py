"""One family of errors; each says what happened and what to do about it.

    VtlabError
    ├── UserError             the user must fix something (exit code 2)
    │   ├── InputError        the media file cannot be dubbed
    │   ├── SettingsError     a setting is unknown or out of range
    │   ├── LanguageError     a language or a pair nobody here speaks
    │   ├── EngineError       an engine is not installed, or does not know the option
    │   ├── WeightsError      weights are missing or are not what they should be
    │   ├── ResourceError     not enough disk or memory for this job
    │   └── OutputError       standard output cannot be written
    ├── TransientError        worth another try: a time-out, a refused connection
    ├── LineError             one segment failed for good; the rest goes on
    └── Cancelled             the user or the server asked to stop

Every error carries a stable ``code``; ``str(error)`` is the sentence shown to the user, free of secrets (``redact``).
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote

HIDDEN = "***"
SHORTEST_SECRET = 6  # characters; a shorter value of the environment may be part of any word
# scheme://user:password@host; a password may hold the characters that a URI should escape. `\"` is a quote in JSON
_USER_INFORMATION = re.compile(
    r"""(?<=://)(?:(?:[^\s/?#"'<>\\]|\\(?!["']))*|[^\s:/?#@\["'<>\\]*:(?!\d*/)(?:[^\s@"'<>\\]|\\(?!["']))*)@"""
)
_SECRET_WORD = r"(?:token|secret|passw|pwd|signature|sig|credential|auth|api_?-?key|access_?-?key)"
_SECRET_PARAMETER = re.compile(
    rf"""((?:[?&#;]|&amp;)(?:[\w.%-]{{0,40}}{_SECRET_WORD}[\w.%-]{{0,40}}|key)=)[^\s&;#"'<>\\]+""", re.IGNORECASE
)
_BEFORE_QUERY = re.compile(r"""/[^\s"'<>]*$""")
_BEFORE_CHARS = 2000  # of a URI, in which its path is looked for
_AUTHORIZATION = re.compile(r"""(authorization["']?\s*[:=]\s*["']?)(?:\w+\s+)?[\w.~+/=%*-]+""", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(
    r"\w*(?:token|secret|password|passwd|passphrase|credentials?|(?:api|access|private)_?key|headers)", re.IGNORECASE
)
_VARIABLE_WITH_USER = re.compile(r"(?:[\w.+-]+://)?[^\s:/@]*:(?P<password>.+)@")


def redact(text: str) -> str:
    """Return ``text`` with ``***`` for user information of URIs, tokens in queries, and the environment's secrets.

    Everything that leaves the program passes through here: messages, pages, notebooks, records, logs.
    """
    for secret in _environment_secrets():
        text = text.replace(secret, HIDDEN)
    text = _USER_INFORMATION.sub(f"{HIDDEN}@", text)
    text = _SECRET_PARAMETER.sub(_redact_parameter, text)
    return _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)


def _redact_parameter(found: re.Match[str]) -> str:
    before = found.string[max(found.start() - _BEFORE_CHARS, 0) : found.start()]
    return found[1] + HIDDEN if _BEFORE_QUERY.search(before) else found[0]  # a program may say `a&key=b`


def redacted_traceback(error: BaseException) -> str:
    """Return the traceback as Python prints it, without secrets."""
    return redact("".join(traceback.format_exception(error)))


class RedactedOutput(io.TextIOWrapper):
    """Standard output or error that writes no secret, whether this program or a library prints.

    What standard error cannot take is lost: there is no other place to say so.
    """

    def write(self, text: str) -> int:
        """Write ``text`` without secrets.

        Raises:
            OutputError: Standard output cannot be written.
        """
        with _output_errors(self.name):
            super().write(redact(text))
        return len(text)

    def flush(self) -> None:
        """Pass on all that was written.

        Raises:
            OutputError: Standard output cannot be written.
        """
        with _output_errors(self.name):
            super().flush()


def redact_output() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that write no secret, and any text in any encoding."""
    codecs.register_error("vtlab.escape", _escape)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            redacted = RedactedOutput(
                stream.buffer,
                stream.encoding,
                "vtlab.escape",
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,  # under PYTHONUNBUFFERED
            )
            setattr(sys, name, redacted)


@contextmanager
def _output_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if name == "<stdout>":
            raise OutputError(
                f"The output cannot be written: {error.strerror}.",
                code="E_PIPE" if isinstance(error, BrokenPipeError) else None,
            ) from error


def _escape(error: UnicodeError) -> tuple[bytes, int]:
    """Encode what the encoding lacks as JSON does, and bytes of a file's name that are no text as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    written = (
        bytes([ord(letter) - 0xDC00]) if "\udc80" <= letter <= "\udcff" else json.dumps(letter)[1:-1].encode()
        for letter in letters
    )
    return b"".join(written), error.end


def _environment_secrets() -> Iterator[str]:
    """Yield the values that variables such as ``HF_TOKEN`` hold, and the passwords of addresses in any variable."""
    for name, value in os.environ.items():
        found = []
        if ("://" in value or "PROXY" in name.upper()) and (user := _VARIABLE_WITH_USER.match(value)):
            found = [user["password"]]
        elif _SECRET_VARIABLE.fullmatch(name) and not value.startswith("/"):
            # headers: name=value,name=value
            found = [item.partition("=")[2] for item in value.split(",")] if "HEADERS" in name.upper() else [value]
        for secret in found:
            for form in {secret, unquote(secret)}:
                if len(form) >= SHORTEST_SECRET and not form.isdigit():
                    yield form


class VtlabError(Exception):
    """Base of the family; on its own, a fault of this program."""

    code = "E_INTERNAL"
    exit_code = 1

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(redact(message))
        if code is not None:
            self.code = code


class UserError(VtlabError):
    """The user must fix something; shown without a traceback."""

    code = "E_USER"
    exit_code = 2


class InputError(UserError):
    """The media file cannot be dubbed.

    Codes: ``E_NO_FILE``, ``E_EMPTY``, ``E_NO_AUDIO``, ``E_NO_SPEECH``, ``E_UNREADABLE``, ``E_PLAYLIST``.
    """

    code = "E_INPUT"


@contextmanager
def name_file(file: Path) -> Iterator[None]:
    """Put a file's name before the message of an ``InputError`` raised in the block by code that knows no files."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{file}: {error}", code=error.code) from error


class SettingsError(UserError):
    """A setting is unknown, misspelt or out of range."""

    code = "E_SETTINGS"


class LanguageError(UserError):
    """A language code that is unknown, or a pair that no installed engine speaks."""

    code = "E_LANGUAGE"


class EngineError(UserError):
    """An engine is unknown or its package is not installed."""

    code = "E_ENGINE"


class WeightsError(UserError):
    """Weights are missing, or their content is not what it should be."""

    code = "E_WEIGHTS"


class ResourceError(UserError):
    """The machine lacks the disk or memory that the job needs."""

    code = "E_RESOURCES"


class OutputError(UserError):
    """Standard output cannot be written: its disk is full, or its reader is gone (``E_PIPE``)."""

    code = "E_OUTPUT"


class TransientError(VtlabError):
    """The same call may succeed later: a time-out, or a refusal of a busy service.

    Attributes:
        retry_after_s: How long the service asked to wait, where it said so, seconds.
    """

    code = "E_TRANSIENT"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class LineError(VtlabError):
    """One segment could not be done by this engine, and trying again would not help."""

    code = "E_LINE"


class Cancelled(VtlabError):
    """The work was stopped on request."""

    code = "E_CANCELLED"
    exit_code = 130


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the known word nearest to ``word``, or an empty text."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
