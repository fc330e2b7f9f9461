"""Translation: one sentence at a time, best candidate first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel

from vtlab.audio import Audio
from vtlab.engines import EngineClass

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
    """A translator for one pair of languages, built as ``Engine(options, source, target, threads)``."""

    @property
    def listens(self) -> bool:
        """Whether it translates from the speech rather than the text; an attribute of the class, too."""
        ...

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """For each sentence at least one translation, best first, at most ``candidates`` of them."""
        ...


class TranslatorClass(EngineClass, Protocol):
    """What the class of a translator says of itself before it is built; ``weights`` takes the pair, too."""

    listens: ClassVar[bool]

    @classmethod
    def speaks(cls, options: BaseModel, source: str, target: str) -> bool:
        """Whether this engine, as installed and configured here, translates the pair; loads nothing heavy."""
        ...
