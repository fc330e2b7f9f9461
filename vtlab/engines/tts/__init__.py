"""Text to speech: voices, by language and gender, and the sound of a segment."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from vtlab.audio import Audio
from vtlab.engines import Engine

VERSION = 2  # of answers, for the store's keys; rises when an engine of this kind answers otherwise

ENGINES = {
    "piper": "vtlab.engines.tts.piper:Piper",
    "kokoro": "vtlab.engines.tts.kokoro:Kokoro",
    "espeak": "vtlab.engines.tts.espeak:Espeak",
    "edge": "vtlab.engines.tts.edge:Edge",
}

Gender = Literal["male", "female", "neutral"]


@dataclass(frozen=True)
class Voice:
    """A voice of an engine; ``locale`` is its full code (``pt-BR``), ``language`` the short one (``pt``)."""

    name: str
    language: str
    gender: Gender
    locale: str = ""


class Synthesizer(Protocol):
    """An engine that speaks, as stages see it. Safe to call from several threads at once."""

    @property
    @abstractmethod
    def network(self) -> bool:
        """Whether it asks a service: paced, retried, and left alone when it keeps failing."""
        ...

    @property
    @abstractmethod
    def parallel(self) -> int:
        """How many segments at once are worth it."""
        ...

    @property
    @abstractmethod
    def max_chars(self) -> int:
        """Length above which a text is split at sentences before the engine gets it."""
        ...

    @property
    @abstractmethod
    def rates(self) -> tuple[float, float]:
        """Slowest and fastest native speaking rate; 1 is natural."""
        ...

    @abstractmethod
    def units(self, text: str, voice: Voice) -> float:
        """Return the length of ``text`` in the engine's own measure: seconds where its model tells them, or letters.

        Duration at rate 1 is close to proportional to it; the stage learns the factor from the segments before.
        """
        ...

    @abstractmethod
    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Return mono speech at ``rate`` times the natural speed.

        Raises:
            TransientError: Another try may help.
            LineError: The text cannot be spoken, and another try will not help.
        """
        ...


class TtsEngine(Engine, Synthesizer, Protocol):
    """The class of a voice engine, built as ``Engine(options, threads)``; ``weights`` takes the voice, too.

    Attributes:
        seconds_per_unit: How long a unit of text lasts at rate 1, before anything is known of the voice.
    """

    network: ClassVar[bool] = False
    parallel: ClassVar[int] = 1
    max_chars: ClassVar[int] = 600
    rates: ClassVar[tuple[float, float]]
    seconds_per_unit: ClassVar[float]

    @classmethod
    @abstractmethod
    def voices(cls, options: Any, language: str) -> tuple[Voice, ...]:
        """Return the voices that speak the language, preferred first; loads nothing heavy."""
        ...

    @classmethod
    def find_voice(cls, name: str, language: str) -> Voice | None:
        """Return the voice of that full name, where a service has more voices than ``voices`` lists."""
        return None


PROTOCOL = TtsEngine
