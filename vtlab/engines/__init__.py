"""Engines: what does the work of a stage, found by a short name or by dotted path.

Each kind (``voice_activity``, ``transcription``, ``translation``, ``tts``) is a folder. Its ``__init__`` holds the
kind's protocol and the table ``ENGINES`` of name → ``"module:Class"``; each engine is one module, imported when it is
first asked for. An engine of your own needs no registration: a dotted path such as ``"mypackage.voices:Robot"`` works
wherever a name does. A package that is installed gives its engine a short name by an entry point::

    [project.entry-points."vtlab.engines.tts"]
    robot = "mypackage.voices:Robot"
"""

from __future__ import annotations

import sys
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, overload

from pydantic import BaseModel, ValidationError

from vtlab.errors import EngineError, SettingsError, nearest
from vtlab.settings import EngineOptions, Setting, Settings, explain, list_settings

if TYPE_CHECKING:
    from vtlab.engines.transcription import TranscriptionEngine
    from vtlab.engines.translation import TranslationEngine
    from vtlab.engines.tts import TtsEngine
    from vtlab.engines.voice_activity import VoiceActivityEngine
    from vtlab.weights import Weights

KINDS = ("voice_activity", "transcription", "translation", "tts")
SECTIONS = {"voice_activity": "transcription.voice_activity"}  # where a kind's settings are not under its own name


@dataclass(frozen=True)
class Status:
    """Whether an engine can work on this machine, as ``vtlab engines`` shows it.

    ``languages`` are codes, or pairs such as ``pt-en`` for translation; ``fix`` is the command that makes it ready.
    """

    ready: bool
    languages: tuple[str, ...] = ()
    problem: str | None = None
    fix: str | None = None


class Engine(Protocol):
    """What the class of every engine tells without loading anything; each kind adds its own members.

    The protocol of a kind gives defaults to the members that are optional. An engine inherits them, or is given them
    when it is loaded.

    Attributes:
        Options: The engine's own options. Derive them from ``vtlab.settings.Section``; the module that holds them must
            be light to import, so import what is heavy in the constructor.
        licence: Of the engine and of its weights, in words.
        weights: Class method that finds and hashes what the engine would load, given its options (for translation also
            source and target, for tts also the voice); raises ``WeightsError`` where that is nowhere.
    """

    Options: ClassVar[type[BaseModel]]
    licence: ClassVar[str]
    weights: ClassVar[Callable[..., tuple[Weights, ...]]]

    def __init__(self, options: Any, *arguments: Any) -> None: ...

    @classmethod
    @abstractmethod
    def status(cls, options: Any) -> Status:
        """Return whether the engine can work on this machine with these ``Options``."""
        ...


def table(kind: str) -> Mapping[str, str]:
    """Return the engines of a kind: name → ``"module:Class"``; vtlab's own, then those that packages announce.

    A name that vtlab has already keeps its meaning: the other engine is had by its dotted path.
    """
    announced = dict(_entry_points(kind, tuple(sys.path)))
    return {**import_module(f"vtlab.engines.{kind}").ENGINES, **announced}


@overload
def engine_class(kind: Literal["voice_activity"], name: str) -> type[VoiceActivityEngine]: ...
@overload
def engine_class(kind: Literal["transcription"], name: str) -> type[TranscriptionEngine]: ...
@overload
def engine_class(kind: Literal["translation"], name: str) -> type[TranslationEngine]: ...
@overload
def engine_class(kind: Literal["tts"], name: str) -> type[TtsEngine]: ...
@overload
def engine_class(kind: str, name: str) -> type[Engine]: ...
def engine_class(kind: str, name: str) -> type[Engine]:
    """Return the class behind a name or dotted path.

    Raises:
        EngineError: The name is unknown (the nearest one is named), a package is missing, or the class lacks members
            of its kind's protocol.
    """
    path = table(kind).get(name, name)
    module_name, _, class_name = path.partition(":")
    if not class_name:
        known = sorted(table(kind))
        raise EngineError(f"Unknown {kind} engine {name!r}.{nearest(name, known)} Engines here: {', '.join(known)}.")
    try:
        found: type = getattr(import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise EngineError(f"Engine {path!r} needs the package {error.name!r}: pip install {error.name}") from error
        raise EngineError(f"Engine {path!r}: there is no module {module_name!r}.") from error
    except AttributeError as error:
        raise EngineError(f"Engine {path!r}: module {module_name!r} has no {class_name!r}.") from error
    return _with_defaults(found, import_module(f"vtlab.engines.{kind}").PROTOCOL, path)


def engine_options(kind: str, name: str, options: EngineOptions, *, offline: bool = False) -> BaseModel:
    """Return an engine's own options, validated.

    Args:
        kind: One of ``KINDS``.
        name: A name of ``table(kind)`` or a dotted path.
        options: A section's ``options``: engine name → options.
        offline: That of ``initialization``; holds for every engine that could ask a hub, whatever its own options say.

    Raises:
        EngineError: The engine is unknown.
        SettingsError: An option is unknown (the nearest one is named) or out of range.
    """
    model, given = engine_class(kind, name).Options, dict(options.get(name, {}))
    prefix = f"{_section(kind)}.options.{name}."
    for key in given:
        if key not in model.model_fields and model.model_config.get("extra") != "allow":
            raise SettingsError(f"Unknown setting {prefix + key!r}.{nearest(key, model.model_fields)}")
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        raise SettingsError(explain(error, model, prefix=prefix)) from error
    return checked.model_copy(update={"offline": True}) if offline and "offline" in model.model_fields else checked


def chosen_engines(kind: str, settings: Settings) -> tuple[tuple[str, ...], EngineOptions]:
    """Return the engines of a kind that the settings name, in their order, and the options by engine name."""
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


def check_engines(settings: Settings) -> None:
    """Check every engine that the settings name, and every entry of their ``options``, used or not.

    Raises:
        EngineError: An engine is unknown; the nearest one is named.
        SettingsError: An option is unknown or out of range.
    """
    for kind in KINDS:
        engines, options = chosen_engines(kind, settings)
        for name in dict.fromkeys([*engines, *options]):
            engine_options(kind, name, options)


def list_options(kind: str, name: str, options: EngineOptions) -> Iterator[Setting]:
    """Yield an engine's options as settings, such as ``tts.options.piper.voices``, with what ``options`` set."""
    yield from list_settings(engine_options(kind, name, options), f"{_section(kind)}.options.{name}.")


def _section(kind: str) -> str:
    return SECTIONS.get(kind, kind)


@cache
def _entry_points(kind: str, path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return names and classes of the entry points of a kind; ``path`` is where packages are looked for."""
    own = import_module(f"vtlab.engines.{kind}").ENGINES
    found = sorted(entry_points(group=f"vtlab.engines.{kind}"), key=lambda point: (point.name, point.value))
    return tuple((point.name, f"{point.module}:{point.attr}") for point in found if point.name not in own)


def _with_defaults(found: type, protocol: ABCMeta, path: str) -> type[Engine]:
    """Return the class, with the protocol's defaults for optional members that it lacks."""
    if protocol in found.__mro__:
        return found
    bases = [base for base in reversed(protocol.__mro__) if base.__module__.startswith("vtlab.")]
    declared = {name: value for base in bases for name, value in vars(base).items() if not name.startswith("_")}
    required = set(protocol.__abstractmethods__)
    defaults = {name: value for name, value in declared.items() if name not in required}
    required |= {name for base in bases for name in base.__annotations__ if name not in declared}
    present = set(dir(found))
    if lacking := sorted(required - present):
        raise EngineError(
            f"Engine {path!r} lacks {', '.join(lacking)}: see {protocol.__module__}.{protocol.__name__} for what an "
            "engine of its kind has."
        )
    optional = {name: value for name, value in defaults.items() if name not in present}
    return type(found.__name__, (found,), optional) if optional else found
