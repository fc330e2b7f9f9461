"""Stage 1: everything a run needs is found, verified and hashed before any work; nothing is loaded yet."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vtlab.engines import engine_class, engine_options
from vtlab.engines.choice.casting import choose_voices as cast_voices
from vtlab.engines.choice.route import choose as choose_route
from vtlab.engines.tts import Voice
from vtlab.errors import EngineError, LanguageError, ResourceError, SettingsError, WeightsError
from vtlab.events import Finding, Severity
from vtlab.languages import language_name
from vtlab.resources import check_disk
from vtlab.settings import EngineOptions, InitializationSettings, Settings
from vtlab.weights import Weights

STAGE = "initialization"

STORE_MB_PER_MINUTE = 12.0  # speech of the lines, the mix and the transcripts of a minute of video
FIXED_MB = 50.0


@dataclass(frozen=True)
class Choice:
    """An engine as it will run: its name, class, validated options and the weights it will load."""

    kind: str
    name: str
    engine: Any
    options: BaseModel
    weights: tuple[Weights, ...]


@dataclass(frozen=True)
class Leg:
    """A translator and the pair it translates."""

    choice: Choice
    source: str
    target: str


@dataclass(frozen=True)
class Cast:
    """An engine that speaks the target language, and its voice for each speaker; ``lead`` is that of the first."""

    choice: Choice
    lead: Voice
    voice_of: Callable[[str | None], Voice]


def resolve(
    kind: str, name: str, options: EngineOptions, initialization: InitializationSettings, *weights_of: Any
) -> Choice:
    """The engine of that name with its weights; ``weights_of`` is what its ``weights`` takes besides the options.

    Raises ``EngineError``, ``SettingsError`` or ``WeightsError``, each with the command that mends it.
    """
    engine = engine_class(kind, name)
    checked = engine_options(kind, name, options, offline=initialization.offline)
    try:
        found = engine.weights(checked, *weights_of)
    except ModuleNotFoundError as error:
        fix = engine.status(checked).fix
        raise EngineError(f"The {kind} engine {name!r} needs the package {error.name!r}: {fix}") from error
    return Choice(kind, name, engine, checked, found)


def choose_listeners(settings: Settings) -> tuple[Choice, Choice]:
    """The voice activity and the recogniser that the settings name."""
    section = settings.transcription
    activity = section.voice_activity
    return (
        resolve("voice_activity", activity.engine, activity.options, settings.initialization),
        resolve("transcription", section.engine, section.options, settings.initialization),
    )


def choose_translators(settings: Settings, source: str, target: str) -> tuple[Leg, ...]:
    """One translator for the pair, or two that meet in the pivot language, each with its weights."""
    section, initialization = settings.translation, settings.initialization
    return tuple(
        Leg(
            resolve("translation", leg.engine, section.options, initialization, leg.source, leg.target),
            leg.source,
            leg.target,
        )
        for leg in choose_route(section, source, target, initialization.offline)
    )


def choose_voices(settings: Settings, target: str, on_finding: Callable[[Finding], None]) -> tuple[Cast, ...]:
    """Every engine of the list that speaks the language here, first the one that will, and their voices.

    Raises ``LanguageError`` or ``EngineError`` that says what was tried and what to install.
    """
    initialization = settings.initialization
    casting = cast_voices(settings.tts, target, initialization.offline)
    for message in casting.warnings:
        on_finding(Finding(STAGE, "last_resort_voice", Severity.WARNING, message))
    casts = []
    for number, engine in enumerate(casting.engines):
        lead = casting.voice(number, None, 0)
        try:
            choice = resolve("tts", engine.name, settings.tts.options, initialization, lead)
        except WeightsError:
            if number == 0:
                raise
            continue  # a stand-in whose weights are not here cannot stand in
        casts.append(Cast(choice, lead, _Roles(partial(casting.voice, number))))
    return tuple(casts)


class _Roles:
    """Who speaks with which voice: each new speaker gets the next one."""

    def __init__(self, voice: Callable[[str | None, int], Voice]) -> None:
        self._voice = voice
        self._order: dict[str | None, int] = {}
        self._lock = threading.Lock()

    def __call__(self, speaker: str | None) -> Voice:
        with self._lock:
            return self._voice(speaker, self._order.setdefault(speaker, len(self._order)))


def target_language(settings: Settings) -> str:
    """The language to dub into; ``SettingsError`` where none is set, ``LanguageError`` where it is the source's."""
    target = settings.target_language
    if target is None:
        raise SettingsError("No target language: say --to en, or set target_language.")
    check_pair(settings.source_language, target)
    return target


def check_pair(source: str | None, target: str) -> None:
    """``LanguageError`` where source and target are one language."""
    if source == target:
        name = language_name(target)
        raise LanguageError(f"The video is in {name} already ({target}): source and target language are the same.")


def check_room(video: Path, seconds: float, out: Path, store: Path) -> None:
    """``ResourceError`` where nothing can be written to ``out``, or the result or the store would not fit."""
    _check_writable(out)
    check_disk(out, 1.2 * video.stat().st_size / 2**20 + FIXED_MB)
    check_disk(store, STORE_MB_PER_MINUTE * seconds / 60 + FIXED_MB)


def _check_writable(folder: Path) -> None:
    """Makes nothing: the folder is made when there is something to put into it."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ResourceError(f"{existing} is a file, so {folder} cannot hold the results: choose another folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ResourceError(f"Nothing may be written to {existing}: choose another folder for the results.")
