"""Which engines do the work: the recogniser, the translators on the way from source to target, and the voices.

Everything that an engine will load is found and hashed here, before any work; nothing is loaded yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from vtlab.engines import engine_class, engine_options
from vtlab.errors import EngineError
from vtlab.settings import EngineOptions, InitializationSettings, Settings
from vtlab.weights import Weights


@dataclass(frozen=True)
class Choice:
    """An engine as it will run: its name, class, validated options and the weights it will load."""

    kind: str
    name: str
    engine: Any
    options: BaseModel
    weights: tuple[Weights, ...]


def resolve(
    kind: str, name: str, options: EngineOptions, initialization: InitializationSettings, *weights_of: Any
) -> Choice:
    """Return the engine of that name with the weights it would load.

    Args:
        kind: One of ``vtlab.engines.KINDS``.
        name: A name of ``vtlab engines`` or a dotted path.
        options: The section's ``options``, by engine name.
        initialization: Says whether a network may be asked.
        weights_of: What the engine's ``weights`` takes besides its options: the pair, or the voice.

    Raises:
        EngineError: The engine is unknown, or a package of it is missing.
        SettingsError: An option is unknown or out of range.
        WeightsError: Its weights are nowhere.
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
    """Return the voice activity and the recogniser that the settings name."""
    section = settings.transcription
    activity = section.voice_activity
    return (
        resolve("voice_activity", activity.engine, activity.options, settings.initialization),
        resolve("transcription", section.engine, section.options, settings.initialization),
    )
