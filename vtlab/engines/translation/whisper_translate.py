"""Whisper's own translation: any language it knows into English, straight from the speech.

It hears what the recogniser may have misread, so it makes a second candidate beside a text model; it knows no other
target than English.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.backends import whisper
from vtlab.engines.translation import Sentence, TranslationEngine
from vtlab.errors import EngineError, LineError, SettingsError, WeightsError
from vtlab.languages import LANGUAGES
from vtlab.settings import Section
from vtlab.weights import Weights

RATE_HZ = 16_000
SETTING = "translation.options.whisper_translate.model"
# ours that Whisper does not know (its tokenizer lists 99 languages and Cantonese)
UNKNOWN_TO_WHISPER = frozenset({"ga", "zu"})
WHISPER_CODES = {"nb": "no"}


class WhisperTranslateOptions(Section):
    """Options of ``translation.whisper_translate``."""

    model: str = Field(
        "base", description="a multilingual Whisper: a faster-whisper name (large-v3), a hub id, a folder"
    )
    offline: bool = Field(False, description="true: never ask the hub")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    compute_type: str = Field("auto", description="int8, float16 …; auto: int8 on a CPU, float16 on a GPU")
    beam_size: int = Field(5, ge=1, description="hypotheses searched")


class WhisperTranslate(TranslationEngine):
    """Translate speech of one language into English text; one candidate per segment.

    One call at a time; others wait.
    """

    Options = WhisperTranslateOptions
    licence = "MIT"
    listens = True

    @classmethod
    def status(cls, options: WhisperTranslateOptions) -> Status:
        if find_spec("faster_whisper") is None:
            return Status(False, problem="the package faster-whisper is missing", fix="pip install faster-whisper")
        pairs = tuple(f"{code}-en" for code in LANGUAGES if code != "en" and code not in UNKNOWN_TO_WHISPER)
        if whisper.find_local(options.model) is not None:
            return Status(True, pairs)
        problem = f"Whisper {options.model} is not here"
        return Status(False, pairs, problem=problem, fix=whisper.fetch_command(options.model))

    @classmethod
    def speaks(cls, options: WhisperTranslateOptions, source: str, target: str) -> bool:
        if target != "en" or source == "en" or source in UNKNOWN_TO_WHISPER or find_spec("faster_whisper") is None:
            return False
        return not options.model.endswith(".en") and (
            not options.offline or whisper.find_local(options.model) is not None
        )

    @classmethod
    def weights(cls, options: WhisperTranslateOptions, source: str, target: str) -> tuple[Weights, ...]:
        return (whisper.find_model(options.model, offline=options.offline),)

    def __init__(self, options: WhisperTranslateOptions, source: str, target: str, threads: int) -> None:
        from faster_whisper import WhisperModel

        if target != "en":
            raise EngineError(f"whisper_translate knows English as its only target, not {target!r}.")
        (found,) = self.weights(options, source, target)
        device, compute_type = whisper.device_and_type(options.device, options.compute_type)
        try:
            self._model = WhisperModel(
                str(found.path), device=device, compute_type=compute_type, cpu_threads=threads, local_files_only=True
            )
        except (ValueError, RuntimeError) as error:
            raise WeightsError(f"Whisper {options.model} in {found.path} does not load: {error}") from error
        if not self._model.model.is_multilingual:
            raise SettingsError(f"Setting {SETTING}: {options.model} knows English only; take a model without '.en'.")
        self._language = WHISPER_CODES.get(source, source)
        self._beam_size = options.beam_size
        self._lock = threading.Lock()

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return one translation of the ``speech`` of each sentence.

        Raises:
            LineError: A sentence has no speech.
        """
        return [(self._translate_sentence(sentence),) for sentence in sentences]

    def _translate_sentence(self, sentence: Sentence) -> str:
        speech = sentence.speech
        if speech is None or len(speech.samples) == 0:
            raise LineError(f"whisper_translate translates speech, and there is none for {sentence.text[:60]!r}.")
        if speech.rate != RATE_HZ or speech.channels != 1:
            raise ValueError(f"speech of {speech.channels} channels at {speech.rate} Hz; mono at {RATE_HZ} is wanted")
        return self._decode(speech)

    def _decode(self, speech: Audio) -> str:
        with self._lock:
            segments, _ = self._model.transcribe(
                speech.samples,
                language=self._language,
                task="translate",
                beam_size=self._beam_size,
                condition_on_previous_text=False,  # segments are independent, and it is what makes Whisper loop
                vad_filter=False,
            )
            return " ".join(segment.text.strip() for segment in segments).strip()
