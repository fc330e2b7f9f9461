"""Translation: one sentence at a time, best candidate first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.weights import Weights

ENGINES = {
    "firefox": "vtlab.engines.translation.firefox:Firefox",
    "opus_mt": "vtlab.engines.translation.opus_mt:OpusMt",
    "nllb": "vtlab.engines.translation.nllb:Nllb",
    "whisper_translate": "vtlab.engines.translation.whisper_translate:WhisperTranslate",
    "reference": "vtlab.engines.translation.reference:Reference",
}


@dataclass(frozen=True)
class Sentence:
    """One sentence to translate; ``speech`` is its 16 kHz mono sound, given only to engines that listen."""

    text: str
    speech: Audio | None = None


class Translator(Protocol):
    """A translator for one pair of languages.

    Built and used in one thread. ``listens`` says that it translates from the speech rather than the text.
    """

    Options: ClassVar[type[BaseModel]]
    licence: ClassVar[str]
    listens: ClassVar[bool]

    @classmethod
    def status(cls, options: BaseModel) -> Status: ...

    @classmethod
    def speaks(cls, options: BaseModel, source: str, target: str) -> bool:
        """Whether this engine, as installed and configured here, translates the pair; loads nothing heavy."""
        ...

    @classmethod
    def weights(cls, options: BaseModel, source: str, target: str) -> tuple[Weights, ...]:
        """The weights of the pair, resolved and hashed; ``WeightsError`` names every place tried and the fix."""
        ...

    def __init__(self, options: BaseModel, source: str, target: str, threads: int) -> None: ...

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """For each sentence at least one translation, best first, at most ``candidates`` of them."""
        ...
