"""The recogniser that hears a dub again: one model for every measurement, so that scores compare."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vtlab.audio import Audio, mono, resample
from vtlab.errors import EngineError
from vtlab.segments import Word

if TYPE_CHECKING:
    from vtlab.store.results import Store

SPEECH_RATE_HZ = 16_000


class Recognizer:
    """Recognise dubbed speech, with the same model whatever the dub was made with: Whisper base, beam 5.

    The model is loaded on first use. Answers are kept in the store by the sound's hash, so that no sound is recognised
    twice.
    """

    VERSION = 1
    MODEL, BEAM = "base", 5

    def __init__(self, store: Store | None = None, threads: int | None = None) -> None:
        from vtlab.resources import cores
        from vtlab.settings import StoreSettings
        from vtlab.store.results import Store

        self._store = Store.from_settings(StoreSettings()) if store is None else store
        self._threads = threads or cores()
        self._model: Any = None

    @cached_property
    def _weights(self) -> Any:
        from vtlab.engines.transcription.faster_whisper import FasterWhisper

        return FasterWhisper.weights(FasterWhisper.Options(model=self.MODEL))[0]

    @property
    def signature(self) -> str:
        """The model, its weights, and the version of its library."""
        from importlib.metadata import version

        weights = self._weights.sha256[:8]
        return f"recogniser:whisper-{self.MODEL}.{weights}|beam:{self.BEAM}|faster-whisper:{version('faster-whisper')}"

    def recognize(self, speech: Audio, language: str) -> tuple[Word, ...]:
        """Return the words of the sound with their times.

        Raises:
            WeightsError: The model is not on this machine.
            EngineError: Whisper does not know the language.
        """
        from vtlab.store.engines import sound_hash

        sound = resample(mono(speech), SPEECH_RATE_HZ)
        key = self._store.key("recognition", self.VERSION, self._weights.sha256, self.BEAM, sound_hash(sound), language)
        known = self._store.get_json(key)
        if known is None:
            known = [asdict(word) for word in self._transcribe(sound, language)]
            self._store.put_json(key, known)
        return tuple(Word(**word) for word in known)

    def _transcribe(self, sound: Audio, language: str) -> list[Word]:
        if self._model is None:
            from faster_whisper import WhisperModel

            self._model = WhisperModel(
                str(self._weights.path), device="cpu", compute_type="int8", cpu_threads=self._threads
            )
        try:
            segments, _ = self._model.transcribe(
                sound.samples,
                language=language,
                beam_size=self.BEAM,
                vad_filter=True,
                word_timestamps=True,
                condition_on_previous_text=False,
            )
        except ValueError as error:
            raise EngineError(f"Whisper cannot recognise {language!r}: {error}") from error
        return [
            Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
            for segment in segments
            for word in segment.words or ()
            if word.word.strip()
        ]
