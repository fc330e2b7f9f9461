"""Choose who speaks: an engine of the list, and one of its voices for each speaker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vtlab.engines import engine_class, engine_options, table
from vtlab.engines.choice import Choice, resolve
from vtlab.engines.tts import TtsEngine, Voice
from vtlab.errors import EngineError, LanguageError, SettingsError, WeightsError, nearest
from vtlab.events import Finding, Severity
from vtlab.languages import language_name
from vtlab.settings import Settings, TtsSettings

STAGE = "initialization"  # the stage of the findings
LAST_RESORT = frozenset({"espeak"})  # understood, but nobody takes it for a person


@dataclass(frozen=True)
class Cast:
    """An engine that speaks the target language, and its voices in the order in which speakers get them.

    A speaker whom the settings name has the voice named there. The others get the remaining ones in turn as they
    appear, a different one each while they last; ``lead`` is the first of those.
    """

    choice: Choice[TtsEngine]
    voices: tuple[Voice, ...]
    named: Mapping[str, str]  # voice by speaker, of the settings
    _order: dict[str | None, int] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def lead(self) -> Voice:
        """The voice of the first speaker whom the settings do not name."""
        return _unnamed_voices(self.voices, self.named)[0]

    def assign_voice(self, speaker: str | None) -> Voice:
        """Return the voice of a speaker, the same one each time; safe from several threads."""
        with self._lock:
            order = self._order.setdefault(speaker, len(self._order))
        wanted = self.named.get(speaker) if speaker is not None else None
        for voice in self.voices:
            if voice.name == wanted:
                return voice
        free = _unnamed_voices(self.voices, self.named)
        return free[order % len(free)]


@dataclass(frozen=True)
class _Candidate:
    """An engine that is ready, and its voices of the language."""

    name: str
    engine: type[TtsEngine]
    voices: tuple[Voice, ...]


def choose_voices(settings: Settings, language: str, on_finding: Callable[[Finding], None]) -> tuple[Cast, ...]:
    """Return every engine of the list that speaks ``language``, first the one that will, and their voices.

    The first is the one of the list that is ready and has the voice or gender asked for; the others that are ready
    follow as stand-ins. A voice that is only a last resort goes to ``on_finding``.

    Raises:
        SettingsError: Nobody has a voice that the settings name, or an option is wrong.
        EngineError: No engine of the list is ready; says what was tried and what to install.
        LanguageError: None of them speaks the language.
        WeightsError: The weights of the first one are nowhere.
    """
    section, initialization = settings.tts, settings.initialization
    candidates, warnings = _candidates(section, language, initialization.offline)
    for message in warnings:
        on_finding(Finding(STAGE, "last_resort_voice", Severity.WARNING, message))
    casts: list[Cast] = []
    for number, candidate in enumerate(candidates):
        lead = _unnamed_voices(candidate.voices, section.speakers)[0]
        try:
            choice = resolve("tts", candidate.name, candidate.engine, section.options, initialization, lead)
        except WeightsError:
            if number == 0:
                raise
            continue  # a stand-in whose weights are not here cannot stand in
        casts.append(Cast(choice, candidate.voices, section.speakers))
    return tuple(casts)


def _unnamed_voices(voices: Sequence[Voice], named: Mapping[str, str]) -> Sequence[Voice]:
    """Return the voices that the settings give to no speaker by name; all where that leaves none."""
    return [voice for voice in voices if voice.name not in named.values()] or voices


def _candidates(settings: TtsSettings, language: str, offline: bool) -> tuple[list[_Candidate], list[str]]:
    """Return the engines that can speak, best first, and warnings about the first."""
    ready, refusals = [], []
    for name in _engine_names(settings):
        engine, refusal = _find_candidate(name, settings, language, offline)
        if engine is not None:
            ready.append(engine)
        elif name in settings.engines:
            refusals.append((name, refusal))
    if not any(engine.name in settings.engines for engine in ready) and settings.voice is None:
        raise _no_voice(language, refusals)
    wanted = [name for name in (settings.voice, *settings.speakers.values()) if name is not None]
    if wanted:
        ready = _lead_by_names(ready, wanted, language)
    ready = [engine for place, engine in enumerate(ready) if engine.name in settings.engines or place == 0]
    warnings = []
    if settings.voice is not None:
        ready = [_lead_with(engine, settings.voice) for engine in ready]
    elif settings.voice_gender != "neutral" and not settings.speakers:
        ready = _prefer_gender(ready, settings.voice_gender)
        if all(voice.gender != settings.voice_gender for voice in ready[0].voices):
            warnings.append(
                f"No {settings.voice_gender} voice speaks {language_name(language)} here; {ready[0].voices[0].name} of "
                f"{ready[0].name} speaks instead. See 'vtlab engines' for more voices."
            )
    if ready[0].name in LAST_RESORT and settings.engines[0] not in LAST_RESORT:
        warnings.append(_robotic_warning(ready[0].name, language, refusals))
    return ready, warnings


def _engine_names(settings: TtsSettings) -> Iterator[str]:
    """Yield the engines of the list; where a voice is set by name, all others, too."""
    yield from settings.engines
    if settings.voice is not None:
        yield from (name for name in table("tts") if name not in settings.engines)


def _find_candidate(name: str, settings: TtsSettings, language: str, offline: bool) -> tuple[_Candidate | None, str]:
    """Return the engine where it can speak the language, else the reason it cannot."""
    engine = engine_class("tts", name)
    options = engine_options("tts", name, settings.options, offline=offline)
    if offline and engine.network:
        return None, "it needs the network, and initialization.offline is set"
    status = engine.status(options)
    if not status.ready:
        return None, f"{status.problem} ({status.fix})"
    voices = engine.voices(options, language)
    known = {voice.name for voice in voices}
    asked = {name for name in (settings.voice, *settings.speakers.values()) if name is not None} - known
    voices += tuple(voice for name in sorted(asked) if (voice := engine.find_voice(name, language)) is not None)
    if not voices:
        return None, f"it speaks {', '.join(status.languages[:12])}{' …' if len(status.languages) > 12 else ''}"
    return _Candidate(name, engine, voices), ""


def _no_voice(language: str, refusals: Sequence[tuple[str, str]]) -> EngineError | LanguageError:
    tried = "; ".join(f"{name}: {refusal}" for name, refusal in refusals)
    message = f"No voice speaks {language_name(language)} ({language}) here. Tried {tried}."
    if all(refusal.startswith("it speaks ") for _, refusal in refusals):
        return LanguageError(f"{message} Add a voice for it, or another engine to tts.engines.")
    return EngineError(message)


def _lead_by_names(ready: Sequence[_Candidate], wanted: Sequence[str], language: str) -> list[_Candidate]:
    """Return the engines, first the one that has every voice set by name."""
    for name in wanted:
        if not any(name == voice.name for engine in ready for voice in engine.voices):
            known = [voice.name for engine in ready for voice in engine.voices]
            raise SettingsError(
                f"No engine here has a voice {name!r} for {language_name(language)}.{nearest(name, known)} "
                f"Voices here: {', '.join(known[:20])}{' …' if len(known) > 20 else ''}."
            )
    for engine in ready:
        if set(wanted) <= {voice.name for voice in engine.voices}:
            return [engine, *(other for other in ready if other is not engine)]
    raise SettingsError(
        f"The voices {', '.join(wanted)} belong to different engines; name voices of one engine in tts.voice and "
        "tts.speakers."
    )


def _lead_with(engine: _Candidate, name: str) -> _Candidate:
    """Give the voice set in ``tts.voice`` to every speaker that ``tts.speakers`` does not name."""
    named = tuple(voice for voice in engine.voices if voice.name == name)
    return engine if not named else replace(engine, voices=named)


def _prefer_gender(ready: Sequence[_Candidate], gender: str) -> list[_Candidate]:
    """Put voices of a gender first, and the engine that has one; a last resort does not lead for its gender."""

    def sorted_voices(engine: _Candidate) -> _Candidate:
        fitting = tuple(voice for voice in engine.voices if voice.gender == gender)
        return replace(engine, voices=fitting) if fitting else engine

    def rank(engine: _Candidate) -> tuple[bool, bool]:
        return engine.name in LAST_RESORT, all(voice.gender != gender for voice in engine.voices)

    if ready[0].name in LAST_RESORT:
        return [sorted_voices(engine) for engine in ready]
    return [sorted_voices(engine) for engine in sorted(ready, key=rank)]


def _robotic_warning(name: str, language: str, refusals: Sequence[tuple[str, str]]) -> str:
    others = "; ".join(f"{engine}: {refusal}" for engine, refusal in refusals)
    return (
        f"{name} speaks {language_name(language)}: a robotic last resort. For a better voice add a Piper voice of that "
        f"language (tts.options.piper.voices), or put edge first in tts.engines. {others}".rstrip()
    )
