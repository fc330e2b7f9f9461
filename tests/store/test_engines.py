from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtlab.audio import Audio, silence
from vtlab.engines import transcription, translation, tts, voice_activity
from vtlab.engines.transcription import Utterance
from vtlab.engines.translation import Sentence
from vtlab.engines.tts import Voice
from vtlab.segments import Interval, Word
from vtlab.settings import Section
from vtlab.store.engines import (
    Identity,
    LazyEngine,
    StoredSynthesizer,
    StoredTranscriber,
    StoredTranslator,
    StoredVoiceActivity,
    Tally,
)
from vtlab.store.results import Store


class Options(Section):
    beam: int = 5


class Counting:
    """An engine of every kind that counts its answers; real ones stand behind these classes in test_pipeline."""

    network, parallel, max_chars, rates = False, 1, 100, (0.5, 2.0)

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        self.asked.append(threshold)
        return [Interval(0.1, 0.9)]

    def detect_language(self, audio: Audio) -> dict[str, float]:
        self.asked.append(audio.duration)
        return {"pt": 0.9}

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        self.asked.append(len(spans))
        for span in spans:
            yield [Utterance((Word(f"{span.start:g}", span.start, span.end, 0.1 + 0.2),))]

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        self.asked.append([sentence.text for sentence in sentences])
        return [(sentence.text.upper(),) * candidates for sentence in sentences]

    def units(self, text: str, voice: Voice) -> float:
        self.asked.append(text)
        return len(text) / 3

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        self.asked.append((text, rate))
        return Audio(np.full(100, rate, np.float32), 22050)


def first_use(engine: Counting, tally: Tally) -> LazyEngine[Any]:
    return LazyEngine(lambda: engine, lambda: None, tally)


def spans(*starts: float) -> list[Interval]:
    return [Interval(start, start + 1) for start in starts]


SOUND = silence(3, 16000)
IDENTITY = Identity("counting", Options())
VOICE = Voice("joe", "en", "male")


def translator(engine: LazyEngine[Any], store: Store, tally: Tally) -> StoredTranslator:
    return StoredTranslator(engine, IDENTITY, "pt-en", False, store, tally)


def synthesizer(engine: LazyEngine[Any], store: Store, tally: Tally) -> StoredSynthesizer:
    return StoredSynthesizer(engine, Counting, lambda voice: IDENTITY, store, tally)  # type: ignore[arg-type]


def test_voice_activity(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    stored = StoredVoiceActivity(first_use(engine, tally), IDENTITY, Store(tmp_path), tally, "sound")
    for _ in range(2):
        assert stored.speech(SOUND, 0.5, 0.25, 0.1) == [Interval(0.1, 0.9)]
    stored.speech(SOUND, 0.4, 0.25, 0.1)
    assert engine.asked == [0.5, 0.4]
    assert (tally.reused, tally.computed) == (1, 2)


def test_recognition_asks_once_for_all_spans_in_a_row_that_nobody_heard(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    stored = StoredTranscriber(first_use(engine, tally), IDENTITY, Store(tmp_path), tally, "sound")
    list(stored.transcribe(SOUND, spans(2, 5), "pt"))
    heard = [utterances[0].words[0] for utterances in stored.transcribe(SOUND, spans(0, 1, 2, 3, 4, 5, 6), "pt")]
    assert [word.text for word in heard] == list("0123456")
    assert heard[2].probability == 0.1 + 0.2  # exact to the bit
    assert engine.asked == [2, 2, 2, 1]
    assert (tally.reused, tally.computed) == (2, 7)
    list(stored.transcribe(SOUND, spans(0), "en"))
    assert engine.asked[-1] == 1


def test_what_was_heard_before_a_run_was_killed_is_known(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    stored = StoredTranscriber(first_use(engine, tally), IDENTITY, Store(tmp_path), tally, "sound")
    lines = stored.transcribe(SOUND, spans(0, 1, 2, 3), "pt")
    next(lines)
    next(lines)
    del lines
    list(stored.transcribe(SOUND, spans(0, 1, 2, 3), "pt"))
    assert engine.asked == [4, 2]


def test_spans_that_an_engine_hears_together_are_kept_together(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    store = Store(tmp_path)
    stored = StoredTranscriber(first_use(engine, tally), IDENTITY, store, tally, "sound", together=True)
    for _ in range(2):
        assert len(list(stored.transcribe(SOUND, spans(0, 1, 2), "pt"))) == 3
    list(stored.transcribe(SOUND, spans(1), "pt"))
    assert engine.asked == [3, 1]
    assert (tally.reused, tally.computed) == (3, 4)


@settings(max_examples=20, deadline=None)
@given(known=st.sets(st.integers(0, 7)), wanted=st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True))
def test_spans_come_in_order_whatever_is_known(tmp_path_factory: Any, known: set[int], wanted: list[int]) -> None:
    tally = Tally()
    store = Store(tmp_path_factory.mktemp("store"))
    stored = StoredTranscriber(first_use(Counting(), tally), IDENTITY, store, tally, "sound")
    list(stored.transcribe(SOUND, spans(*known), "pt"))
    heard = list(stored.transcribe(SOUND, spans(*wanted), "pt"))
    assert [utterances[0].words[0].start for utterances in heard] == wanted


def test_translation_asks_for_what_is_missing_only(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    stored = translator(first_use(engine, tally), Store(tmp_path), tally)
    stored.translate([Sentence("b")], 2)
    assert stored.translate([Sentence("a"), Sentence("b"), Sentence("c")], 2) == [("A",) * 2, ("B",) * 2, ("C",) * 2]
    assert engine.asked == [["b"], ["a", "c"]]
    # the speech counts for an engine that listens to it
    stored.translate([Sentence("a", SOUND)], 2)
    assert engine.asked[-1] == ["a"]


def test_speech_by_voice_text_and_rate(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    joe, ana = VOICE, Voice("ana", "en", "female")
    stored = synthesizer(first_use(engine, tally), Store(tmp_path), tally)
    for text, voice, rate in [("Hi.", joe, 1.0), ("Hi.", ana, 1.0), ("Hi.", joe, 1.1), ("Hi.", joe, 1.0)]:
        assert stored.speak(text, voice, rate).samples[0] == np.float32(rate)
    assert engine.asked == [("Hi.", 1.0), ("Hi.", 1.0), ("Hi.", 1.1)]
    assert stored.units("Hi.", joe) == stored.units("Hi.", joe) == 1.0
    assert engine.asked[-1] == "Hi."
    assert (stored.network, stored.parallel, stored.max_chars, stored.rates) == (False, 1, 100, (0.5, 2.0))


def test_other_options_are_another_engine(tmp_path: Path) -> None:
    engine, tally = Counting(), Tally()
    for beam in (5, 1):
        identity = Identity("counting", Options(beam=beam))
        StoredTranslator(first_use(engine, tally), identity, "pt-en", False, Store(tmp_path), tally).translate(
            [Sentence("a")], 1
        )
    assert len(engine.asked) == 2


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (voice_activity, lambda *given: StoredVoiceActivity(*given, "s").speech(SOUND, 1, 1, 1)),
        (transcription, lambda *given: StoredTranscriber(*given, "s").detect_language(SOUND)),
        (transcription, lambda *given: list(StoredTranscriber(*given, "s").transcribe(SOUND, spans(0), "pt"))),
        (transcription, lambda *given: list(StoredTranscriber(*given, "s", True).transcribe(SOUND, spans(0), "pt"))),
        (translation, lambda engine, _, *store: translator(engine, *store).translate([Sentence("a")], 1)),
        (tts, lambda engine, _, *store: synthesizer(engine, *store).units("Hi.", VOICE)),
        (tts, lambda engine, _, *store: synthesizer(engine, *store).speak("Hi.", VOICE, 1.0)),
    ],
)
def test_answers_of_another_version_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ModuleType, asked: Callable[..., Any]
) -> None:
    engine, store, tally = Counting(), Store(tmp_path), Tally()
    for _ in range(2):
        asked(first_use(engine, tally), IDENTITY, store, tally)
    assert len(engine.asked) == 1
    monkeypatch.setattr(kind, "VERSION", kind.VERSION + 1)
    asked(first_use(engine, tally), IDENTITY, store, tally)
    assert len(engine.asked) == 2


def test_an_engine_is_borrowed_once_whatever_thread_asks_and_given_back_once() -> None:
    borrowed: list[int] = []
    returned: list[int] = []
    engine = LazyEngine(lambda: borrowed.append(1) or "engine", lambda: returned.append(1), Tally())
    engine.release()
    assert returned == []  # nobody had asked for it
    threads = [threading.Thread(target=engine) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert borrowed == [1]
    engine.release()
    engine.release()
    assert returned == [1]
