"""Whisper through faster-whisper (MIT) on CTranslate2: any model name, folder, or weights that a package ships.

Spans are decoded in batches: windows that share each step of the decoder keep the cores busier than one after another.
Where there are several batches, as many run side by side as there are cores, each on one thread, on one copy of the
weights: on two cores 12 s where one batch at a time on two threads took 16 s. Batched decoding has no temperature
fallback, so a span whose text loops is done once more with repeated n-grams forbidden.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.backends import whisper
from vtlab.engines.transcription import TranscriptionEngine, Utterance
from vtlab.errors import EngineError, WeightsError
from vtlab.segments import Interval, Word
from vtlab.settings import Section

if TYPE_CHECKING:
    from pydantic import BaseModel

    from vtlab.weights import Weights

LOOP_COMPRESSION = (
    2.4  # text that gzip makes this much smaller is a loop: the threshold of Whisper's paper, section 4.5
)
LOOP_NGRAM = 4  # words of a loop are no longer than this many tokens, as a rule


class FasterWhisper(TranscriptionEngine):
    """A Whisper model in CTranslate2's format; safe to call from several threads."""

    licence = "MIT"

    class Options(Section):
        """Options of ``transcription.faster_whisper``."""

        model: str = Field(
            "base", description="a faster-whisper model name (tiny … large-v3, turbo), a hub id or a folder"
        )
        device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where it runs")
        compute_type: str = Field("auto", description="int8, float16 …; auto: int8 on a CPU, float16 on a GPU")
        beam_size: int = Field(5, ge=1, description="hypotheses kept while decoding")
        batch_size: int = Field(4, ge=1, description="spans decoded together")
        offline: bool = Field(False, description="true: never ask the hub")

    @classmethod
    def status(cls, options: BaseModel) -> Status:
        from importlib.util import find_spec

        if find_spec("faster_whisper") is None:
            return Status(False, problem="package faster-whisper is missing", fix="pip install faster-whisper")
        model = _check_options(options).model
        try:
            found = whisper.find_local(model)
        except WeightsError as error:
            return Status(False, problem=str(error), fix=whisper.fetch_command(model))
        if found is None:
            return Status(False, problem=f"Whisper {model} is not here", fix=whisper.fetch_command(model))
        return Status(True, languages=("en",) if model.endswith(".en") else ("99 languages",))

    @classmethod
    def weights(cls, options: BaseModel) -> tuple[Weights, ...]:
        checked = _check_options(options)
        return (whisper.find_model(checked.model, offline=checked.offline),)

    def __init__(self, options: BaseModel, threads: int) -> None:
        self._options = _check_options(options)
        (self._weights,) = self.weights(self._options)
        self._device, self._compute_type = whisper.device_and_type(self._options.device, self._options.compute_type)
        self._threads = threads if self._device == "cpu" else 1
        self._models: dict[int, Any] = {}
        self._lock = threading.Lock()

    def detect_language(self, audio: Audio) -> dict[str, float]:
        """Return the probability of each language, by code, for 16 kHz mono speech of at most 30 s."""
        model = self._model(workers=None)
        if not model.model.is_multilingual:
            return {"en": 1.0}
        _, _, probabilities = model.detect_language(audio.samples)
        return {code: float(probability) for code, probability in probabilities}

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        """Yield the utterances of each span (at most 30 s of 16 kHz mono sound), in order, as batches finish."""
        batches = self._batches(spans)
        workers = min(self._threads, len(batches))
        model = self._model(workers)
        if not model.model.is_multilingual and language != "en":
            name = self._options.model
            raise EngineError(f"Whisper model {name!r} knows English only, not {language!r}; take 'base'.")
        with ThreadPoolExecutor(max(workers, 1), "whisper") as threads:
            under_way = [threads.submit(self._transcribe_batch, model, audio, batch, language) for batch in batches]
            try:
                for batch in under_way:
                    yield from batch.result()
            finally:
                threads.shutdown(wait=True, cancel_futures=True)

    def _batches(self, spans: Sequence[Interval]) -> list[Sequence[Interval]]:
        """Return the spans in batches of equal size, at most ``batch_size``, so that no core waits for the last."""
        rounds = -(-len(spans) // (self._options.batch_size * self._threads))
        size = max(1, -(-len(spans) // max(rounds * self._threads, 1)))
        return [spans[first : first + size] for first in range(0, len(spans), size)]

    def _model(self, workers: int | None) -> Any:
        """Return the model, loaded for ``workers`` batches side by side; where that is ``None``, any that is loaded."""
        with self._lock:
            if workers is None:
                workers = next(iter(self._models), self._threads)
            if workers not in self._models:
                from faster_whisper import WhisperModel

                try:
                    self._models[workers] = WhisperModel(
                        str(self._weights.path),
                        device=self._device,
                        compute_type=self._compute_type,
                        cpu_threads=max(1, self._threads // max(workers, 1)),
                        num_workers=max(workers, 1),
                        local_files_only=True,
                    )
                except (ValueError, RuntimeError) as error:
                    raise EngineError(f"Whisper model {self._weights.path} does not load: {error}") from error
            return self._models[workers]

    def _transcribe_batch(
        self, model: Any, audio: Audio, spans: Sequence[Interval], language: str
    ) -> list[list[Utterance]]:
        heard = self._decode(model, audio, spans, language)
        for number, span in enumerate(spans):
            if any(utterance.compression_ratio > LOOP_COMPRESSION for utterance in heard[number]):
                heard[number] = self._decode(model, audio, [span], language, no_repeat_ngram_size=LOOP_NGRAM)[0]
        return heard

    def _decode(
        self, model: Any, audio: Audio, spans: Sequence[Interval], language: str, **redo: int
    ) -> list[list[Utterance]]:
        from faster_whisper import BatchedInferencePipeline

        segments, _ = BatchedInferencePipeline(model).transcribe(
            audio.samples,
            language=language,
            beam_size=self._options.beam_size,
            word_timestamps=True,
            vad_filter=False,
            clip_timestamps=[{"start": span.start, "end": span.end} for span in spans],
            batch_size=len(spans),
            **redo,
        )
        heard: list[list[Utterance]] = [[] for _ in spans]
        for segment in segments:
            # `seek` is the span's offset in frames of 10 ms, rounded down
            span = min(range(len(spans)), key=lambda i: abs(spans[i].start * 100 - segment.seek))
            heard[span].append(_utterance(segment))
        return heard


def _check_options(options: BaseModel) -> FasterWhisper.Options:
    if not isinstance(options, FasterWhisper.Options):
        raise TypeError(f"FasterWhisper.Options expected, not {type(options).__name__}")
    return options


def _utterance(segment: Any) -> Utterance:
    words = tuple(
        Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
        for word in segment.words or ()
        if word.word.strip()
    )
    return Utterance(words, float(segment.no_speech_prob), float(segment.compression_ratio))
