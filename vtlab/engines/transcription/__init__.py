"""Transcription: the words of speech, with their times."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from vtlab.audio import Audio
from vtlab.engines import Engine
from vtlab.segments import Interval, Word

VERSION = 1  # of answers, for the store's keys; rises when an engine of this kind answers otherwise

ENGINES = {
    "faster_whisper": "vtlab.engines.transcription.faster_whisper:FasterWhisper",
    "reference": "vtlab.engines.transcription.reference:Reference",
}


@dataclass(frozen=True)
class Utterance:
    """The words that a recogniser found in one stretch; the stage cuts them into sentences.

    Attributes:
        words: The words, their times on the whole sound.
        no_speech_probability: As Whisper defines it.
        compression_ratio: As Whisper defines it.
        speaker: Who speaks, where that is known.
        exact: Whether the utterance is one segment with exact times already (a reference transcript), and must not be
            cut or moved.
    """

    words: tuple[Word, ...]
    no_speech_probability: float = 0.0
    compression_ratio: float = 1.0
    speaker: str | None = None
    exact: bool = False


class Transcriber(Protocol):
    """A recogniser, as stages see it."""

    @abstractmethod
    def detect_language(self, audio: Audio) -> dict[str, float]:
        """Return the probability by language code for 16 kHz mono speech of at most 30 s."""
        ...

    @abstractmethod
    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        """Yield for each span, in order, the utterances in it, their times on the whole sound.

        Args:
            audio: 16 kHz mono sound.
            spans: Parts of it to recognise, at most 30 s each.
            language: Code of the language spoken.
        """
        ...


class TranscriptionEngine(Engine, Transcriber, Protocol):
    """The class of a recogniser, built as ``Engine(options, threads)``.

    Attributes:
        together: Whether its answer for one span depends on the others asked for with it.
    """

    together: ClassVar[bool] = False


PROTOCOL = TranscriptionEngine
