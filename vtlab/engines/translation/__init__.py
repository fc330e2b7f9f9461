"""Translation: one sentence at a time, best candidate first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from vtlab.audio import Audio
from vtlab.engines import Engine

VERSION = 1  # of answers, for the store's keys; rises when an engine of this kind answers otherwise

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
    """A translator for one pair of languages, as stages see it."""

    @property
    @abstractmethod
    def listens(self) -> bool:
        """Whether it translates from the speech rather than the text."""
        ...

    @abstractmethod
    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return for each sentence at least one translation, best first, at most ``candidates`` of them."""
        ...


class TranslationEngine(Engine, Translator, Protocol):
    """The class of a translator, built as ``Engine(options, source, target, threads)``.

    ``weights`` takes source and target, too.
    """

    listens: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def speaks(cls, options: Any, source: str, target: str) -> bool:
        """Return whether it translates the pair, as installed and configured on this machine; loads nothing heavy."""
        ...


PROTOCOL = TranslationEngine
