"""Keep engines' answers in the store.

Each class here has the protocol of its engine, looks an answer up by key, and asks the real engine only where there is
none; the real engine is built on the first such miss. A stage sees an engine like any other, a killed dub finds all
that was answered before, and a dub that finds everything loads no model.

Keys are made of the ``VERSION`` of its kind's answers, the engine's name, options and weights' hashes, and of what it
was asked.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from vtlab.audio import Audio
from vtlab.engines import transcription, translation, tts, voice_activity
from vtlab.engines.choice import Choice
from vtlab.engines.transcription import Transcriber, Utterance
from vtlab.engines.translation import Sentence, Translator
from vtlab.engines.tts import Synthesizer, TtsEngine, Voice
from vtlab.engines.voice_activity import VoiceActivity
from vtlab.segments import Interval, Word
from vtlab.store.results import Store
from vtlab.weights import Weights

Engine = TypeVar("Engine")


@dataclass(frozen=True)
class Identity:
    """What an engine's answers depend on besides the question."""

    name: str
    options: BaseModel
    weights: tuple[Weights, ...] = ()

    @classmethod
    def from_choice(cls, choice: Choice) -> Identity:
        """Return the identity of a chosen engine."""
        return cls(choice.name, choice.options, choice.weights)

    def parts(self) -> list[Any]:
        """Return the identity as plain data, for a key."""
        return [self.name, self.options.model_dump(mode="json"), [weights.sha256 for weights in self.weights]]


@dataclass
class Tally:
    """Counts of answers that the store had and of those computed, and the seconds that loading took."""

    reused: int = 0
    computed: int = 0
    load_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, *, reused: int = 0, computed: int = 0, load_s: float = 0.0) -> None:
        """Add to the counts."""
        with self._lock:
            self.reused += reused
            self.computed += computed
            self.load_s += load_s


class LazyEngine(Generic[Engine]):
    """An engine that is borrowed when it is first needed, once, whatever thread asks, and given back at the end."""

    def __init__(self, borrow: Callable[[], Engine], give_back: Callable[[], None], tally: Tally) -> None:
        self._borrow, self._give_back, self._tally = borrow, give_back, tally
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Engine:
        """Return the engine, borrowed now where it was not before."""
        with self._lock:
            if self._engine is None:
                start = time.perf_counter()
                self._engine = self._borrow()
                self._tally.count(load_s=time.perf_counter() - start)
            return self._engine

    def release(self) -> None:
        """Give the engine back; it may be unloaded."""
        with self._lock:
            if self._engine is not None:
                self._engine = None
                self._give_back()


class StoredVoiceActivity:
    """Voice activity of one sound, kept under ``sound`` (what names the sound, such as its file's hash)."""

    def __init__(
        self, engine: LazyEngine[VoiceActivity], identity: Identity, store: Store, tally: Tally, sound: str
    ) -> None:
        self._engine, self._identity, self._store, self._tally, self._sound = engine, identity, store, tally, sound

    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        """Return the spans of speech."""
        key = self._store.key(
            "voice_activity",
            voice_activity.VERSION,
            *self._identity.parts(),
            self._sound,
            threshold,
            min_speech_s,
            min_silence_s,
        )
        known = self._store.get_json(key)
        if known is None:
            found = self._engine().speech(audio, threshold, min_speech_s, min_silence_s)
            known = [asdict(interval) for interval in found]
            self._store.put_json(key, known)
            self._tally.count(computed=1)
        else:
            self._tally.count(reused=1)
        return [Interval(**interval) for interval in known]


class StoredTranscriber:
    """Recognition of one sound, kept span by span; all spans as one where the engine hears them ``together``."""

    def __init__(
        self,
        engine: LazyEngine[Transcriber],
        identity: Identity,
        store: Store,
        tally: Tally,
        sound: str,
        together: bool = False,
    ) -> None:
        self._engine, self._identity, self._store, self._tally, self._sound = engine, identity, store, tally, sound
        self._together = together

    def detect_language(self, audio: Audio) -> dict[str, float]:
        """Return the probability by language code."""
        key = self._store.key("detect_language", transcription.VERSION, *self._identity.parts(), sound_hash(audio))
        known = self._store.get_json(key)
        if known is None:
            known = self._engine().detect_language(audio)
            self._store.put_json(key, known)
        return dict(known)

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        """Yield the utterances in each span."""
        if self._together:
            yield from self._transcribe_together(audio, spans, language)
            return
        keys = [self._key(asdict(span), language) for span in spans]
        at = 0
        while at < len(spans):
            known = self._store.get_json(keys[at])
            if known is not None:
                self._tally.count(reused=1)
                yield [_utterance(data) for data in known]
                at += 1
                continue
            # one call for all spans in a row that nobody has heard yet: the engine batches them
            last = at + 1
            while last < len(spans) and self._store.get_json(keys[last]) is None:
                last += 1
            for key, heard in zip(
                keys[at:last], self._engine().transcribe(audio, spans[at:last], language), strict=True
            ):
                self._store.put_json(key, [asdict(utterance) for utterance in heard])
                self._tally.count(computed=1)
                yield heard
            at = last

    def _transcribe_together(self, audio: Audio, spans: Sequence[Interval], language: str) -> list[list[Utterance]]:
        key = self._key([asdict(span) for span in spans], language)
        known = self._store.get_json(key)
        if known is not None:
            self._tally.count(reused=len(spans))
            return [[_utterance(data) for data in utterances] for utterances in known]
        heard = list(self._engine().transcribe(audio, spans, language))
        self._store.put_json(key, [[asdict(utterance) for utterance in utterances] for utterances in heard])
        self._tally.count(computed=len(spans))
        return heard

    def _key(self, asked: Any, language: str) -> str:
        parts = self._identity.parts()
        return self._store.key("transcription", transcription.VERSION, *parts, self._sound, asked, language)


class StoredTranslator:
    """Translations, kept sentence by sentence."""

    def __init__(
        self, engine: LazyEngine[Translator], identity: Identity, pair: str, listens: bool, store: Store, tally: Tally
    ) -> None:
        self._engine, self._identity, self._pair, self._listens = engine, identity, pair, listens
        self._store, self._tally = store, tally

    @property
    def listens(self) -> bool:
        """Whether the engine translates from the speech."""
        return self._listens

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return the translations of each sentence, best first."""
        keys = [self._key(sentence, candidates) for sentence in sentences]
        answers = [self._store.get_json(key) for key in keys]
        missing = [index for index, answer in enumerate(answers) if answer is None]
        if missing:
            found = self._engine().translate([sentences[index] for index in missing], candidates)
            for index, translations in zip(missing, found, strict=True):
                answers[index] = list(translations)
                self._store.put_json(keys[index], answers[index])
        self._tally.count(reused=len(keys) - len(missing), computed=len(missing))
        return [tuple(answer) for answer in answers]

    def _key(self, sentence: Sentence, candidates: int) -> str:
        speech = None if sentence.speech is None else sound_hash(sentence.speech)
        asked = (self._pair, sentence.text, speech, candidates)
        return self._store.key("translation", translation.VERSION, *self._identity.parts(), *asked)


class StoredSynthesizer:
    """Speech, kept segment by segment."""

    def __init__(
        self,
        engine: LazyEngine[Synthesizer],
        engine_class: type[TtsEngine],
        identity: Callable[[Voice], Identity],
        store: Store,
        tally: Tally,
    ) -> None:
        self._engine, self._class, self._identity = engine, engine_class, identity
        self._store, self._tally = store, tally

    @property
    def network(self) -> bool:
        """Whether the engine asks a service."""
        return bool(self._class.network)

    @property
    def parallel(self) -> int:
        """How many texts at once are worth it."""
        return int(self._class.parallel)

    @property
    def max_chars(self) -> int:
        """The longest text that the engine is given."""
        return int(self._class.max_chars)

    @property
    def rates(self) -> tuple[float, float]:
        """Slowest and fastest native speaking rate."""
        slowest, fastest = self._class.rates
        return slowest, fastest

    def units(self, text: str, voice: Voice) -> float:
        """Return the length of a text in the engine's own measure."""
        key = self._store.key("tts_units", tts.VERSION, *self._identity(voice).parts(), voice.name, text)
        known = self._store.get_json(key)
        if known is None:
            known = self._engine().units(text, voice)
            self._store.put_json(key, known)
        return float(known)

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Return the speech of a text."""
        key = self._store.key("tts", tts.VERSION, *self._identity(voice).parts(), voice.name, text, rate)
        known = self._store.get_audio(key)
        if known is not None:
            self._tally.count(reused=1)
            return known
        audio = self._engine().speak(text, voice, rate)
        self._store.put_audio(key, audio)
        self._tally.count(computed=1)
        return audio


def sound_hash(audio: Audio) -> str:
    """Return the SHA-256 of samples and rate."""
    return hashlib.sha256(audio.samples.tobytes() + str(audio.rate).encode()).hexdigest()


def _utterance(data: dict[str, Any]) -> Utterance:
    return Utterance(**{**data, "words": tuple(Word(**word) for word in data["words"])})
