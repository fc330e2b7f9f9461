"""One family of errors; each says what happened and what to do about it.

    VtlabError
    ├── UserError             the user must fix something (exit code 2)
    │   ├── InputError        the media file cannot be dubbed
    │   ├── SettingsError     a setting is unknown or out of range
    │   ├── LanguageError     a language or a pair nobody here speaks
    │   ├── EngineError       an engine is not installed, or does not know the option
    │   ├── WeightsError      weights are missing or are not what they should be
    │   └── ResourceError     not enough disk or memory for this job
    ├── TransientError        worth another try: a time-out, a refused connection
    ├── LineError             one line failed for good; the rest goes on
    └── Cancelled             the user or the server asked to stop

Every error carries a stable ``code``; ``str(error)`` is the sentence shown to the user.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class VtlabError(Exception):
    """Base of the family; on its own, a fault of this program."""

    code = "E_INTERNAL"
    exit_code = 1

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
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


class SettingsError(UserError):
    """A setting is unknown, misspelt or out of range."""

    code = "E_SETTINGS"


class LanguageError(UserError):
    """A language code nobody knows, or a pair that no installed engine speaks."""

    code = "E_LANGUAGE"


class EngineError(UserError):
    """An engine is unknown or its package is not installed."""

    code = "E_ENGINE"


class WeightsError(UserError):
    """Weights were found nowhere, or their content is not what it should be."""

    code = "E_WEIGHTS"


class ResourceError(UserError):
    """The machine lacks the disk or memory that the job needs."""

    code = "E_RESOURCES"


class TransientError(VtlabError):
    """The same call may succeed later: time-outs, refusals of a busy service.

    ``retry_after_s``: how long the service asked to be left alone, where it said so.
    """

    code = "E_TRANSIENT"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class LineError(VtlabError):
    """One line could not be done by this engine, and trying again would not help."""

    code = "E_LINE"


class Cancelled(VtlabError):
    """The work was stopped on request."""

    code = "E_CANCELLED"
    exit_code = 130


def nearest(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the known word nearest to ``word``, or an empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
