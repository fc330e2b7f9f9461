"""Engines: what does the work of a stage, found by name in a table or by dotted path.

Each kind (``transcription``, ``translation``, ``tts``, ``voice_activity``) is a folder: its protocol and its table
``ENGINES`` of name → ``"module:Class"`` stand in the folder's ``__init__``; each engine is one module. A class is
imported when it is first asked for; a dotted path such as ``"mypackage.voices:Robot"`` works wherever a name does,
so an engine of your own needs no registration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ValidationError

from vtlab.errors import EngineError, SettingsError, nearest
from vtlab.settings import EngineOptions, Settings, explain

KINDS = ("voice_activity", "transcription", "translation", "tts")


@dataclass(frozen=True)
class Status:
    """Whether an engine can work here, as ``vtlab engines`` shows it.

    ``languages`` are codes, or pairs such as ``pt-en`` for translation; ``fix`` is the command that makes it ready.
    """

    ready: bool
    languages: tuple[str, ...] = ()
    problem: str | None = None
    fix: str | None = None


class EngineClass(Protocol):
    """What every engine class says of itself without loading anything.

    ``Options`` are its own options, closed to unknown keys; ``weights`` (options, and for translation the pair, for
    tts the voice) resolves and hashes what it would load, and raises ``WeightsError`` where that is nowhere.
    """

    Options: ClassVar[type[BaseModel]]
    licence: ClassVar[str]

    @classmethod
    def status(cls, options: BaseModel) -> Status: ...


def table(kind: str) -> Mapping[str, str]:
    """The engines of a kind by name."""
    engines: Mapping[str, str] = import_module(f"vtlab.engines.{kind}").ENGINES
    return engines


def engine_class(kind: str, name: str) -> Any:
    """The class behind a name or dotted path; ``EngineError`` names the nearest one."""
    path = table(kind).get(name, name)
    module_name, _, class_name = path.partition(":")
    if not class_name:
        known = sorted(table(kind))
        raise EngineError(f"Unknown {kind} engine {name!r}.{nearest(name, known)} Engines here: {', '.join(known)}.")
    try:
        return getattr(import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise EngineError(f"Engine {path!r} needs the package {error.name!r}: pip install {error.name}") from error
        raise EngineError(f"Engine {path!r}: there is no module {module_name!r}.") from error
    except AttributeError as error:
        raise EngineError(f"Engine {path!r}: module {module_name!r} has no {class_name!r}.") from error


def engine_options(kind: str, name: str, options: Mapping[str, Mapping[str, Any]], *, offline: bool = False) -> Any:
    """An engine's own validated options out of a section's ``options`` (engine name → options).

    ``offline`` of ``initialization`` holds for every engine that could ask a hub, whatever its own options say.
    """
    model: type[BaseModel] = engine_class(kind, name).Options
    try:
        checked = model.model_validate(dict(options.get(name, {})))
    except ValidationError as error:
        raise SettingsError(explain(error, model, prefix=f"{kind}.options.{name}.")) from error
    return checked.model_copy(update={"offline": True}) if offline and "offline" in model.model_fields else checked


def chosen(kind: str, settings: Settings) -> tuple[tuple[str, ...], EngineOptions]:
    """The engines of a kind that the settings name, in their order, and the options they give to engines by name."""
    match kind:
        case "voice_activity":
            activity = settings.transcription.voice_activity
            return (activity.engine,), activity.options
        case "transcription":
            return (settings.transcription.engine,), settings.transcription.options
        case "translation":
            return settings.translation.engines, settings.translation.options
        case _:
            return settings.tts.engines, settings.tts.options
