"""Text to speech: voices, by language and gender, and the sound of a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel

from vtlab.audio import Audio
from vtlab.engines import EngineClass

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
    """An engine that speaks. Safe to call from several threads at once."""

    @property
    def network(self) -> bool:
        """Whether it asks a service: paced, retried, and left alone when it keeps failing."""
        ...

    @property
    def parallel(self) -> int:
        """How many lines at once are worth it."""
        ...

    @property
    def max_chars(self) -> int:
        """Longer text is split at sentences before it gets here."""
        ...

    @property
    def rates(self) -> tuple[float, float]:
        """Slowest and fastest native speaking rate."""
        ...

    def units(self, text: str, voice: Voice) -> float:
        """How long ``text`` is in the engine's own measure of length: seconds where its model tells them, or letters.

        Duration at rate 1 is close to proportional to it; the stage learns the factor from the lines before.
        """
        ...

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Mono speech at ``rate`` times the natural speed.

        Raises ``TransientError`` where another try may help and ``LineError`` where it will not.
        """
        ...


class SynthesizerClass(EngineClass, Protocol):
    """What the class of a voice engine says of itself before it is built; ``weights`` takes the voice, too."""

    network: ClassVar[bool]
    parallel: ClassVar[int]
    max_chars: ClassVar[int]
    rates: ClassVar[tuple[float, float]]
    seconds_per_unit: ClassVar[float]  # what a unit of text lasts at rate 1, before anything is known of the voice

    @classmethod
    def voices(cls, options: BaseModel, language: str) -> tuple[Voice, ...]:
        """Voices that speak the language here, preferred first; empty where there are none. Loads nothing heavy."""
        ...
