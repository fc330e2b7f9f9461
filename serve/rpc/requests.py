"""Check what a client sends; nothing goes further that was not checked here."""

from __future__ import annotations

import re
from pathlib import Path

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,34}")  # codes and names; whether anybody speaks it is found out later
GENDERS = ("neutral", "male", "female")
LONGEST_PATH = 4096  # bytes, PATH_MAX of Linux

NO_SESSION_ID = "session_id must be 1 to 64 of A–Z, a–z, 0–9, '_' and '-', and not end in '_translated'."
NO_UPLOAD = "file_path must be the absolute path of a file in the uploads folder."


class RequestError(Exception):
    """A request that is refused; `str()` is the reason."""


def check_session_id(text: str) -> str:
    """Return the session id.

    Raises:
        RequestError: It has other characters, or ends in `_translated`: the subtitles of `a_translated` would take the
            name of the translated subtitles of `a`.
    """
    if SESSION_ID.fullmatch(text) is None or text.endswith("_translated"):
        raise RequestError(NO_SESSION_ID)
    return text


def check_language(text: str) -> str:
    """Return a language as it was sent, or nothing. An unknown one passes: the session fails, and its user reads why.

    Raises:
        RequestError: It is neither code nor name.
    """
    if text and LANGUAGE.fullmatch(text) is None:
        raise RequestError("source_lang and target_lang must be ISO 639-1 codes, such as 'pt'.")
    return text


def check_gender(text: str) -> str:
    """Return the gender of the voice; `neutral` where none was sent.

    Raises:
        RequestError: There is no such gender.
    """
    if text and text not in GENDERS:
        raise RequestError(f"voice_gender must be one of {', '.join(GENDERS)}, or empty.")
    return text or GENDERS[0]


def check_upload(text: str, uploads: Path) -> Path:
    """Return an absolute path without links, inside `uploads`; the file need not be there.

    Blocks where the folder is on a slow disk. Whoever opens the path must follow no link in it: `serve.worker.upload`.

    Raises:
        RequestError: It leads out of the folder, or is no path.
    """
    if not text or len(text.encode("utf-8", "replace")) > LONGEST_PATH or "\0" in text:
        raise RequestError(NO_UPLOAD)
    path = Path(text)
    if not path.is_absolute():
        raise RequestError(NO_UPLOAD)
    try:
        resolved, root = path.resolve(), uploads.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise RequestError(NO_UPLOAD) from error
    if resolved == root or not resolved.is_relative_to(root):
        raise RequestError(NO_UPLOAD)
    return resolved
