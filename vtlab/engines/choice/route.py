"""Which engines translate a pair: the first of the list that speaks it, or two of them through a pivot language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vtlab.engines import engine_class, engine_options
from vtlab.errors import LanguageError, nearest
from vtlab.languages import language_name
from vtlab.settings import TranslationSettings


@dataclass(frozen=True)
class Leg:
    """One engine, by its name in the settings, and the pair it translates."""

    engine: str
    source: str
    target: str


def choose(settings: TranslationSettings, source: str, target: str, offline: bool) -> tuple[Leg, ...]:
    """The way from ``source`` to ``target``: the first engine of the list that speaks the pair, else the first two that
    meet in ``settings.pivot``.

    With ``offline`` nothing is asked of a network. Raises ``LanguageError`` that names the nearest pair and lists those
    there are, ``EngineError`` and ``SettingsError`` for a wrong name or option in the settings.
    """
    direct = _leg(settings, source, target, offline)
    if direct is not None:
        return (direct,)
    if settings.pivot is not None and settings.pivot not in (source, target):
        first = _leg(settings, source, settings.pivot, offline)
        second = _leg(settings, settings.pivot, target, offline) if first is not None else None
        if first is not None and second is not None:
            return (first, second)
    raise _nobody(settings, source, target, offline)


def _leg(settings: TranslationSettings, source: str, target: str, offline: bool) -> Leg | None:
    for name in settings.engines:
        engine, options = _engine(settings, name, offline)
        if engine.speaks(options, source, target):
            return Leg(name, source, target)
    return None


def _engine(settings: TranslationSettings, name: str, offline: bool) -> tuple[Any, Any]:
    engine = engine_class("translation", name)
    return engine, engine_options("translation", name, settings.options, offline=offline)


def _nobody(settings: TranslationSettings, source: str, target: str, offline: bool) -> LanguageError:
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
