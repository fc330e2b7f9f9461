"""Choose the engines that do the work: the recogniser, the translators from source to target, and the voices.

Everything that an engine will load is found and hashed here, before any work; nothing is loaded yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from pydantic import BaseModel
from typing_extensions import TypeVar

from vtlab.engines import Engine, engine_class, engine_options
from vtlab.engines.transcription import TranscriptionEngine
from vtlab.engines.tts import Voice
from vtlab.engines.voice_activity import VoiceActivityEngine
from vtlab.errors import EngineError
from vtlab.settings import EngineOptions, InitializationSettings, Settings
from vtlab.weights import Weights

EngineT = TypeVar("EngineT", bound=Engine, default=Engine, covariant=True)


@dataclass(frozen=True)
class Choice(Generic[EngineT]):
    """An engine as it will run: its name, class, validated options and the weights it will load."""

    kind: str
    name: str
    engine: type[EngineT]
    options: BaseModel
    weights: tuple[Weights, ...]


def resolve(
    kind: str,
    name: str,
    engine: type[EngineT],
    options: EngineOptions,
    initialization: InitializationSettings,
    *subject: str | Voice,
) -> Choice[EngineT]:
    """Return an engine with the weights it would load.

    Args:
        kind: One of ``vtlab.engines.KINDS``.
        name: Its name in the settings.
        engine: Its class.
        options: The section's ``options``, by engine name.
        initialization: Says whether a network may be asked.
        subject: What the engine's ``weights`` takes besides its options: source and target, or the voice.

    Raises:
        EngineError: A package of the engine is missing.
        SettingsError: An option is unknown or out of range.
        WeightsError: Its weights are nowhere.
    """
    checked = engine_options(kind, name, options, offline=initialization.offline)
    try:
        found = engine.weights(checked, *subject)
    except ModuleNotFoundError as error:
        fix = engine.status(checked).fix
        raise EngineError(f"The {kind} engine {name!r} needs the package {error.name!r}: {fix}") from error
    return Choice(kind, name, engine, checked, found)


def choose_listeners(settings: Settings) -> tuple[Choice[VoiceActivityEngine], Choice[TranscriptionEngine]]:
    """Return the voice activity and the recogniser that the settings name.

    Raises:
        EngineError: One of them is unknown, or a package is missing.
        SettingsError: An option is unknown or out of range.
        WeightsError: Weights of one of them are nowhere.
    """
    section, initialization = settings.transcription, settings.initialization
    activity, name = section.voice_activity, section.engine
    activity_class = engine_class("voice_activity", activity.engine)
    return (
        resolve("voice_activity", activity.engine, activity_class, activity.options, initialization),
        resolve("transcription", name, engine_class("transcription", name), section.options, initialization),
    )
