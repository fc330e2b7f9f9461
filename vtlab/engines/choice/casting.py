"""Who speaks: which engine of the list, and which of its voices for each speaker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vtlab.engines import Status, engine_class, engine_options, table
from vtlab.engines.tts import Voice
from vtlab.errors import EngineError, LanguageError, SettingsError, nearest
from vtlab.languages import language_name
from vtlab.settings import TtsSettings

LAST_RESORT = frozenset({"espeak"})  # understood, but nobody takes it for a person


@dataclass(frozen=True)
class CastEngine:
    """An engine that is ready, and its voices of the language in the order in which speakers get them."""

    name: str
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class Casting:
    """The engines that speak the language here, first the one that will; ``warnings`` are worth telling."""

    engines: tuple[CastEngine, ...]
    speakers: dict[str, str]
    warnings: tuple[str, ...] = ()

    def voice(self, number: int, speaker: str | None, order: int) -> Voice:
        """The voice of engine ``number`` for a speaker; ``order`` counts speakers as they appear, from 0.

        A speaker named in the settings has the voice named there; the others get the remaining ones in turn, a
        different one each while they last.
        """
        voices = self.engines[number].voices
        wanted = self.speakers.get(speaker) if speaker is not None else None
        for voice in voices:
            if voice.name == wanted:
                return voice
        free = [voice for voice in voices if voice.name not in self.speakers.values()] or list(voices)
        return free[order % len(free)]


def choose_voices(settings: TtsSettings, language: str, offline: bool) -> Casting:
    """The first engine of the list that is ready, speaks the language and has the voice or gender asked for.

    The others that are ready follow as stand-ins. Raises ``SettingsError`` for a voice that nobody has, ``EngineError``
    where no engine of the list is ready, ``LanguageError`` where none of them speaks the language; each says what was
    tried and what mends it.
    """
    ready, refusals = [], []
    for name in _names(settings):
        engine, refusal = _asked(name, settings, language, offline)
        if engine is not None:
            ready.append(engine)
        elif name in settings.engines:
            refusals.append((name, refusal))
    if not any(engine.name in settings.engines for engine in ready) and settings.voice is None:
        raise _nobody(language, refusals)
    wanted = [name for name in (settings.voice, *settings.speakers.values()) if name is not None]
    if wanted:
        ready = _with_voices(ready, wanted, language)
    ready = [engine for place, engine in enumerate(ready) if engine.name in settings.engines or place == 0]
    warnings = []
    if settings.voice is not None:
        ready = [_led_by(engine, settings.voice) for engine in ready]
    elif settings.voice_gender != "neutral" and not settings.speakers:
        ready = _by_gender(ready, settings.voice_gender)
        if all(voice.gender != settings.voice_gender for voice in ready[0].voices):
            warnings.append(
                f"No {settings.voice_gender} voice speaks {language_name(language)} here; {ready[0].voices[0].name} of "
                f"{ready[0].name} speaks instead. See 'vtlab engines' for more voices."
            )
    if ready[0].name in LAST_RESORT and settings.engines[0] not in LAST_RESORT:
        warnings.append(_robotic(ready[0].name, language, refusals))
    return Casting(tuple(ready), dict(settings.speakers), tuple(warnings))


def _names(settings: TtsSettings) -> Iterator[str]:
    """The engines of the list; where a voice is asked for by name, all others, too."""
    yield from settings.engines
    if settings.voice is not None:
        yield from (name for name in table("tts") if name not in settings.engines)


def _asked(name: str, settings: TtsSettings, language: str, offline: bool) -> tuple[CastEngine | None, str]:
    """The engine where it can speak the language, else why it cannot."""
    engine = engine_class("tts", name)
    options = engine_options("tts", name, settings.options, offline=offline)
    if offline and engine.network:
        return None, "it needs the network, and initialization.offline is set"
    status: Status = engine.status(options)
    if not status.ready:
        return None, f"{status.problem} ({status.fix})"
    voices: tuple[Voice, ...] = engine.voices(options, language)
    if hasattr(engine, "named"):  # a service that has more voices than it lists here
        known = {voice.name for voice in voices}
        asked = {name for name in (settings.voice, *settings.speakers.values()) if name is not None} - known
        voices += tuple(voice for name in sorted(asked) if (voice := engine.named(name, language)) is not None)
    if not voices:
        return None, f"it speaks {', '.join(status.languages[:12])}{' …' if len(status.languages) > 12 else ''}"
    return CastEngine(name, voices), ""


def _nobody(language: str, refusals: Sequence[tuple[str, str]]) -> EngineError | LanguageError:
    tried = "; ".join(f"{name}: {refusal}" for name, refusal in refusals)
    said = f"No voice speaks {language_name(language)} ({language}) here. Tried {tried}."
    if all(refusal.startswith("it speaks ") for _, refusal in refusals):
        return LanguageError(f"{said} Add a voice for it, or another engine to tts.engines.")
    return EngineError(said)


def _with_voices(ready: Sequence[CastEngine], wanted: Sequence[str], language: str) -> list[CastEngine]:
    """The engines, first the one that has every voice asked for by name."""
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


def _led_by(engine: CastEngine, name: str) -> CastEngine:
    """The voice asked for is everybody's, unless ``tts.speakers`` says otherwise."""
    named = tuple(voice for voice in engine.voices if voice.name == name)
    return engine if not named else replace(engine, voices=named)


def _by_gender(ready: Sequence[CastEngine], gender: str) -> list[CastEngine]:
    """Voices of that gender first, and first of all an engine that has one; a robot does not lead for its gender."""

    def sorted_voices(engine: CastEngine) -> CastEngine:
        fitting = tuple(voice for voice in engine.voices if voice.gender == gender)
        return replace(engine, voices=fitting) if fitting else engine

    def rank(engine: CastEngine) -> tuple[bool, bool]:
        return engine.name in LAST_RESORT, all(voice.gender != gender for voice in engine.voices)

    if ready[0].name in LAST_RESORT:
        return [sorted_voices(engine) for engine in ready]
    return [sorted_voices(engine) for engine in sorted(ready, key=rank)]


def _robotic(name: str, language: str, refusals: Sequence[tuple[str, str]]) -> str:
    others = "; ".join(f"{engine}: {refusal}" for engine, refusal in refusals)
    return (
        f"{name} speaks {language_name(language)}: a robotic last resort. For a better voice add a Piper voice of that "
        f"language (tts.options.piper.voices), or put edge first in tts.engines. {others}".rstrip()
    )
