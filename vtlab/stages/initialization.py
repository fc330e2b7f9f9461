"""Stage 1: check languages, disk and folders before any work; ``vtlab.engines.choice`` finds engines and weights."""

from __future__ import annotations

import os
from pathlib import Path

from vtlab.errors import LanguageError, ResourceError, SettingsError
from vtlab.languages import language_name
from vtlab.resources import check_disk
from vtlab.settings import Settings

STAGE = "initialization"

STORE_MB_PER_MINUTE = 12.0  # speech of the segments, the mix and the transcripts of a minute of video
FIXED_MB = 50.0


def target_language(settings: Settings) -> str:
    """Return the language to dub into.

    Raises:
        SettingsError: None is set.
        LanguageError: It is the source's.
    """
    target = settings.target_language
    if target is None:
        raise SettingsError("No target language: say --to en, or set target_language.")
    check_pair(settings.source_language, target)
    return target


def check_pair(source: str | None, target: str) -> None:
    """Raise ``LanguageError`` where source and target are one language."""
    if source == target:
        name = language_name(target)
        raise LanguageError(f"The video is in {name} already ({target}): source and target language are the same.")


def check_room(video: Path, seconds: float, out: Path, store: Path) -> None:
    """Raise ``ResourceError`` where nothing can be written to ``out``, or the result or the store would not fit."""
    _check_writable(out)
    check_disk(out, 1.2 * video.stat().st_size / 2**20 + FIXED_MB)
    check_disk(store, STORE_MB_PER_MINUTE * seconds / 60 + FIXED_MB)


def _check_writable(folder: Path) -> None:
    """Look at the nearest folder that exists: ``folder`` is made when there is something to put into it."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ResourceError(f"{existing} is a file, so {folder} cannot hold the results: choose another folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ResourceError(f"Nothing may be written to {existing}: choose another folder for the results.")
