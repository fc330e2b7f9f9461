"""Text to speech: voices, by language and gender, and the sound of a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.weights import Weights

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
    """An engine that speaks. Safe to call from several threads at once; ``parallel`` says how many are worth it."""

    Options: ClassVar[type[BaseModel]]
    licence: ClassVar[str]
    network: ClassVar[bool]  # asks a service: paced, retried, and left alone when it keeps failing
    parallel: ClassVar[int]
    max_chars: ClassVar[int]  # longer text is split at sentences before it gets here
    rates: ClassVar[tuple[float, float]]  # slowest and fastest native speaking rate

    @classmethod
    def status(cls, options: BaseModel) -> Status: ...

    @classmethod
    def voices(cls, options: BaseModel, language: str) -> tuple[Voice, ...]:
        """Voices that speak the language here, preferred first; empty where there are none. Loads nothing heavy."""
        ...

    @classmethod
    def weights(cls, options: BaseModel, voice: Voice) -> tuple[Weights, ...]: ...

    def __init__(self, options: BaseModel, threads: int) -> None: ...

    def units(self, text: str, voice: Voice) -> float:
        """How long ``text`` is in the engine's own measure of length (phonemes, where it has them).

        Duration at rate 1 is close to proportional to it; the stage learns the factor from the lines before.
        """
        ...

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Mono speech at ``rate`` times the natural speed.

        Raises ``TransientError`` where another try may help and ``LineError`` where it will not.
        """
        ...
