"""Choose the engines that translate a pair: the first that speaks it, or two of them through a pivot language."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from vtlab.engines import engine_class, engine_options
from vtlab.engines.choice import Choice, resolve
from vtlab.engines.translation import TranslationEngine
from vtlab.errors import LanguageError, nearest
from vtlab.languages import language_name
from vtlab.settings import Settings, TranslationSettings


@dataclass(frozen=True)
class Leg:
    """A translator and the pair it translates."""

    choice: Choice[TranslationEngine]
    source: str
    target: str


def choose_translators(settings: Settings, source: str, target: str) -> tuple[Leg, ...]:
    """Return the first engine of the list that speaks the pair, else two that meet in ``translation.pivot``.

    Where ``initialization.offline`` is set nothing is asked of a network.

    Raises:
        LanguageError: No engine of the list speaks the pair; names the nearest pair and lists those there are.
        EngineError: A name of the list is unknown, or a package is missing.
        SettingsError: An option is unknown or out of range.
        WeightsError: The weights of the engine chosen are nowhere.
    """
    section, initialization = settings.translation, settings.initialization
    return tuple(
        Leg(resolve("translation", name, engine, section.options, initialization, *pair), *pair)
        for name, engine, pair in _route(section, source, target, initialization.offline)
    )


_Route = list[tuple[str, type[TranslationEngine], tuple[str, str]]]  # name, class and pair of each leg


def _route(settings: TranslationSettings, source: str, target: str, offline: bool) -> _Route:
    if direct := _find_leg(settings, source, target, offline):
        return direct
    pivot = settings.pivot
    if pivot is not None and pivot not in (source, target):
        first = _find_leg(settings, source, pivot, offline)
        second = _find_leg(settings, pivot, target, offline) if first else []
        if first and second:
            return first + second
    raise _no_translator(settings, source, target, offline)


def _find_leg(settings: TranslationSettings, source: str, target: str, offline: bool) -> _Route:
    for name in settings.engines:
        engine, options = _engine(settings, name, offline)
        if engine.speaks(options, source, target):
            return [(name, engine, (source, target))]
    return []


def _engine(settings: TranslationSettings, name: str, offline: bool) -> tuple[type[TranslationEngine], BaseModel]:
    engine = engine_class("translation", name)
    return engine, engine_options("translation", name, settings.options, offline=offline)


def _no_translator(settings: TranslationSettings, source: str, target: str, offline: bool) -> LanguageError:
    pairs: set[str] = set()
    notes = []
    for name in settings.engines:
        engine, options = _engine(settings, name, offline)
        status = engine.status(options)
        if status.ready:
            pairs |= {pair for pair in status.languages if "-" in pair}
        elif status.problem is not None:
            notes.append(f"{name}: {status.problem} ({status.fix})")
    pair = f"{source}-{target}"
    pivots = settings.pivot is not None and settings.pivot not in (source, target)
    through = f", directly or through {language_name(settings.pivot or '')}" if pivots else ""
    there = f" Pairs here: {', '.join(sorted(pairs))}." if pairs else " No pair is installed."
    missing = f" Not ready: {'; '.join(notes)}." if notes else ""
    return LanguageError(
        f"No engine translates {language_name(source)} to {language_name(target)} ({pair}){through}."
        f"{nearest(pair, sorted(pairs))}{there}{missing}"
    )
