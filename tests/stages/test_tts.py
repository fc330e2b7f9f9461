"""The stage with voices of known length, where every right rate can be worked out, and with real ones."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import Audio
from vtlab.engines.tts import Voice
from vtlab.engines.tts.piper import Piper
from vtlab.errors import LineError, TransientError
from vtlab.events import Finding, Severity
from vtlab.segments import Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import AudioSyncSettings, TtsSettings
from vtlab.stages.tts import VoiceEngine, speak

CASES = Path(__file__).parents[1] / "cases"
HZ = 24000
SECONDS_PER_CHAR = 0.07
QUICK = TtsSettings(pace_s=0.0, backoff_s=0.001, max_backoff_s=0.002)


class Metronome:
    """Speaks every character in the same time; what it is asked is written down."""

    network = False
    parallel = 2
    max_chars = 200
    rates = (0.5, 2.0)

    def __init__(self, fails: Callable[[str, int], Audio | Exception | None] = lambda text, count: None) -> None:
        self.fails = fails
        self.asked: list[tuple[str, str, float]] = []
        self.lock = threading.Lock()

    def units(self, text: str, voice: Voice) -> float:
        return float(len(text))

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        with self.lock:
            self.asked.append((text, voice.name, rate))
            count = sum(asked[0] == text for asked in self.asked)
        failure = self.fails(text, count)
        if isinstance(failure, Exception):
            raise failure
        return failure or hum(len(text) * SECONDS_PER_CHAR / rate)


class Service(Metronome):
    network = True
    parallel = 1


def hum(seconds: float, level: float = 0.3) -> Audio:
    return Audio((level * np.sin(0.05 * np.arange(round(seconds * HZ)))).astype(np.float32), HZ)


def lines(*said: tuple[float, float, str], speakers: Sequence[str | None] = ()) -> list[TranslatedSegment]:
    named = [*speakers, *[None] * len(said)]
    return [
        TranslatedSegment(Segment(n, start, end, "…", speaker=named[n]), text, "en", "firefox", (text,))
        for n, (start, end, text) in enumerate(said)
    ]


def spoken(
    segments: Sequence[TranslatedSegment], *engines: Metronome, settings: TtsSettings = QUICK, total: float = 100.0
) -> tuple[list[SpokenSegment], list[Finding]]:
    findings: list[Finding] = []
    voices = [
        VoiceEngine(f"engine{n}", engine, lambda speaker: Voice(f"voice of {speaker}", "en", "male"), SECONDS_PER_CHAR)
        for n, engine in enumerate(engines)
    ]
    return list(speak(segments, voices, settings, AudioSyncSettings(), total, findings.append)), findings


TEXT = "twenty characters ok"  # 1.4 s at the natural rate


@pytest.mark.parametrize(
    ("slot", "rate"),
    [
        (1.4, 1.0),
        (1.33, 1.05),
        (1.47, 0.95),
        (4.0, 0.85),  # a slow speaker is not imitated without end
    ],
)
def test_a_line_is_asked_for_at_the_rate_that_fits_its_slot(slot: float, rate: float) -> None:
    engine = Metronome()
    (line,), _ = spoken(lines((1.0, 1.0 + slot, TEXT)), engine)
    assert line.rate == pytest.approx(rate, abs=0.011)
    assert [asked[0] for asked in engine.asked] == [TEXT]  # once


def test_the_rate_of_the_voice_is_learnt_from_the_lines_before() -> None:
    """The voice takes twice what was assumed: by the last lines it is asked for the rate that really fits."""

    class Slow(Metronome):
        def speak(self, text: str, voice: Voice, rate: float) -> Audio:
            super().speak(text, voice, rate)
            return hum(2 * len(text) * SECONDS_PER_CHAR / rate)

    said = [(4.0 * n, 4.0 * n + 2.6, TEXT) for n in range(40)]
    result, _ = spoken(lines(*said), Slow(), total=200.0)
    assert result[0].rate == pytest.approx(0.85)
    assert result[-1].rate == pytest.approx(2.8 / 2.6, rel=0.06)


def test_rates_do_not_depend_on_which_thread_is_quicker() -> None:
    def rates(delay: Callable[[str], float]) -> list[float]:
        class Delayed(Metronome):
            def speak(self, text: str, voice: Voice, rate: float) -> Audio:
                time.sleep(delay(text))
                return super().speak(text, voice, rate)

        said = [(1.5 * n, 1.5 * n + 1.4, "word " * (3 + n % 4)) for n in range(12)]
        return [line.rate for line in spoken(lines(*said), Delayed())[0]]

    assert rates(lambda text: 0.0) == rates(lambda text: 0.02 if len(text) > 20 else 0.0)


def test_a_shorter_candidate_comes_before_speed() -> None:
    text = "a translation that is a good deal too long for its slot"
    short = "a translation that fits its slot now"
    shortest = "it fits"
    (segment,) = lines((1.0, 3.5, text))
    follower = lines((0, 1, ""), (3.6, 6.0, "and there is no silence after it at all"))[1]
    segment = TranslatedSegment(segment.source, text, "en", "opus_mt", (text, shortest, short))
    result, findings = spoken([segment, follower], Metronome())
    assert result[0].text == short
    assert [finding.code for finding in findings] == ["condensed"]


def test_a_line_with_nothing_to_say_asks_no_voice() -> None:
    case = json.loads((CASES / "unspeakable_lines.json").read_text(encoding="utf-8"))
    engine = Metronome()
    said = [(3.0 * n, 3.0 * n + 2, text) for n, text in enumerate(case["silent"])]
    result, findings = spoken(lines(*said), engine)
    assert all(line.silent and line.failed is None for line in result)
    assert len(result) == len(case["silent"])
    assert engine.asked == []
    assert findings == []


def test_what_one_engine_cannot_speak_goes_to_the_next() -> None:
    broken = Metronome(lambda text, count: LineError("it has no such letters") if "second" in text else None)
    said = [(0, 2, "the first line is fine"), (3, 5, "the second line is not"), (6, 8, "the third is fine again")]
    result, findings = spoken(lines(*said), broken, Metronome())
    assert [line.engine for line in result] == ["engine0", "engine1", "engine0"]
    (finding,) = findings
    assert (finding.code, finding.severity, finding.segment) == ("fallback_voice", Severity.WARNING, 1)
    assert "no such letters" in finding.message


def test_a_line_that_nobody_can_speak_is_not_lost() -> None:
    broken = Metronome(lambda text, count: LineError("no"))
    result, findings = spoken(lines((0, 2, "this cannot be said")), broken, broken)
    assert result[0].silent
    assert result[0].failed is not None
    assert result[0].source.text == "this cannot be said"
    assert [(finding.code, finding.severity) for finding in findings] == [("not_spoken", Severity.DEGRADED)]


@pytest.mark.parametrize(
    "wrong",
    [
        Audio(np.zeros(HZ, np.float32), HZ),  # silence
        Audio(np.ones(HZ, np.float32), HZ),  # clipped
        hum(0.05),  # cut off
        hum(60),  # a loop
    ],
)
def test_speech_that_cannot_be_the_line_is_tried_once_more_in_pieces(wrong: Audio) -> None:
    text = "when the rain stops, we will go out"
    engine = Metronome(lambda said, count: wrong if said == text else None)
    (line,), _ = spoken(lines((0, 3, text)), engine)
    assert line.failed is None
    assert line.attempts == 3
    assert [asked[0] for asked in engine.asked[1:]] == ["when the rain stops,", "we will go out"]


def test_text_over_the_limit_is_split_at_sentences() -> None:
    text = " ".join(f"This is the sentence with the number {n} in it." for n in range(12))
    engine = Metronome()
    (line,), _ = spoken(lines((0, 60, text)), engine)
    assert len(engine.asked) > 1
    assert all(len(asked[0]) <= engine.max_chars and asked[0].endswith(".") for asked in engine.asked)
    assert sum(asked[0].count("sentence") for asked in engine.asked) == 12
    assert not line.silent


def test_a_service_is_asked_again_with_patience() -> None:
    service = Service(lambda text, count: TransientError("503") if count < 3 else None)
    result, findings = spoken(lines((0, 2, "try this line again")), service)
    assert result[0].attempts == 3
    assert findings == []


def test_a_service_that_keeps_failing_is_left_alone() -> None:
    service = Service(lambda text, count: TransientError("403"))
    said = [(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(6)]
    settings = QUICK.model_copy(update={"attempts": 2, "breaker": 3})
    result, findings = spoken(lines(*said), service, Metronome(), settings=settings)
    assert len(service.asked) == 3 * 2
    assert [line.engine for line in result] == ["engine1"] * 6
    assert sum("left alone" in finding.message for finding in findings) == 3


def test_a_service_is_left_in_peace_for_as_long_as_it_asks() -> None:
    times: list[float] = []

    def busy(text: str, count: int) -> TransientError | None:
        times.append(time.monotonic())
        return TransientError("429", retry_after_s=0.3) if count == 1 else None

    (line,), _ = spoken(lines((0, 2, "try this line again")), Service(busy))
    assert line.attempts == 2
    assert times[1] - times[0] >= 0.3


def test_a_text_that_a_service_refuses_does_not_count_against_it() -> None:
    service = Service(lambda text, count: LineError("no sound") if "odd" in text else None)
    said = [(3.0 * n, 3.0 * n + 2, f"this is odd line number {n}") for n in range(4)] + [(12, 14, "this one is fine")]
    result, _ = spoken(lines(*said), service, Metronome(), settings=QUICK.model_copy(update={"breaker": 2}))
    assert [line.engine for line in result] == ["engine1"] * 4 + ["engine0"]


def test_a_refused_text_is_given_another_way_to_the_same_voice_first() -> None:
    engine = Metronome(lambda text, count: LineError("no sound") if "—" in text else None)
    (line,), findings = spoken(lines((0, 2, "wait — what")), engine, Metronome())
    assert (line.engine, engine.asked[-1][0]) == ("engine0", "wait what.")
    assert [(finding.code, finding.severity) for finding in findings] == [("respoken", Severity.INFO)]


def test_numbers_are_said_in_words_and_kept_in_figures() -> None:
    engine = Metronome()
    (line,), _ = spoken(lines((0, 4, "[bell] It cost $1,299.50 in 1984.")), engine)
    assert engine.asked[0][0] == (
        "It cost one thousand two hundred and ninety-nine dollars and fifty cents in nineteen eighty-four."
    )
    assert line.text == "[bell] It cost $1,299.50 in 1984."


@pytest.mark.parametrize("case", json.loads((CASES / "unspeakable_lines.json").read_text("utf-8"))["spoken"])
def test_lines_that_only_look_unspeakable_are_spoken(case: dict[str, str]) -> None:
    (line,), findings = spoken(lines((0, 3, case["text"])), Metronome())
    assert not line.silent
    assert findings == []


def test_a_stand_in_is_asked_within_its_own_rates() -> None:
    class Stiff(Metronome):
        rates = (1.0, 1.0)

    broken = Metronome(lambda text, count: LineError("no"))
    (line,), _ = spoken(lines((0, 1.6, TEXT)), broken, Stiff())
    assert line.rate == 1.0


def test_an_error_of_the_program_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        spoken(lines((0, 2, "this line")), Metronome(lambda text, count: ZeroDivisionError()))


def test_stopping_ends_the_wait_for_a_service() -> None:
    service = Service(lambda text, count: TransientError("503"))
    patient = TtsSettings(pace_s=0.0, backoff_s=60, max_backoff_s=60)
    voice = VoiceEngine("m", service, lambda speaker: Voice("v", "en", "male"), SECONDS_PER_CHAR)
    said = [(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(30)]

    def interrupted() -> Iterator[TranslatedSegment]:
        yield from lines(*said)[:8]
        while not service.asked:
            time.sleep(0.01)
        raise KeyboardInterrupt

    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(speak(interrupted(), [voice], patient, AudioSyncSettings(), 1000.0, lambda finding: None))
    assert time.monotonic() - before < 30  # and not the minutes that the service would be waited for


def test_lines_flow_before_the_last_has_come() -> None:
    taken: list[int] = []

    def coming() -> Iterator[TranslatedSegment]:
        for segment in lines(*[(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(60)]):
            taken.append(segment.source.id)
            yield segment

    voice = VoiceEngine("m", Metronome(), lambda speaker: Voice("v", "en", "male"), SECONDS_PER_CHAR)
    stage = speak(coming(), [voice], QUICK, AudioSyncSettings(), 1000.0, lambda finding: None)
    assert next(stage).source.source.id == 0
    assert len(taken) < 20
    assert [line.source.source.id for line in stage] == list(range(1, 60))


def test_requests_to_a_service_are_apart() -> None:
    times: list[float] = []
    service = Service(lambda text, count: times.append(time.monotonic()))
    said = [(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(3)]
    spoken(lines(*said), service, settings=QUICK.model_copy(update={"pace_s": 0.1}))
    assert min(np.diff(times)) >= 0.095


def test_each_speaker_keeps_a_voice() -> None:
    engine = Metronome()
    said = [(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(3)]
    result, _ = spoken(lines(*said, speakers=("ana", "rui", "ana")), engine)
    assert [line.voice for line in result] == ["voice of ana", "voice of rui", "voice of ana"]


def test_a_second_speaker_has_another_voice_even_of_another_engine() -> None:
    def voice_engine(name: str, engine: Metronome, *voices: str) -> VoiceEngine:
        order: list[str | None] = []

        def assign_voice(speaker: str | None) -> Voice:
            if speaker not in order:
                order.append(speaker)
            return Voice(voices[order.index(speaker) % len(voices)], "en", "male")

        return VoiceEngine(name, engine, assign_voice, SECONDS_PER_CHAR)

    def cast(settings: TtsSettings) -> list[tuple[str | None, str | None]]:
        engines = [
            voice_engine("one", Metronome(), "joe"),
            voice_engine("espeak", Metronome(), "robot"),
            voice_engine("service", Service(), "far"),
            voice_engine("many", Metronome(), "heart", "michael"),
        ]
        said = [(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(5)]
        segments = lines(*said, speakers=("ana", "rui", "ana", "eva", "leo"))
        return [
            (line.engine, line.voice)
            for line in speak(segments, engines, settings, AudioSyncSettings(), 100.0, lambda finding: None)
        ]

    joe = ("one", "joe")
    assert cast(QUICK) == [joe, ("many", "heart"), joe, ("many", "michael"), joe]
    assert cast(QUICK.model_copy(update={"voice": "joe"})) == [joe] * 5


def test_stopping_early_stops_the_voices() -> None:
    engine = Metronome()
    said = [(3.0 * n, 3.0 * n + 2, f"this is line number {n} of them") for n in range(200)]
    voice = VoiceEngine("m", engine, lambda speaker: Voice("v", "en", "male"), SECONDS_PER_CHAR)
    stage = speak(iter(lines(*said)), [voice], QUICK, AudioSyncSettings(), 1000.0, lambda finding: None)
    next(stage)
    stage.close()  # type: ignore[attr-defined]
    assert len(engine.asked) < 30
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tts")]


def test_a_real_voice_fits_real_slots() -> None:
    engine = Piper(Piper.Options(), 1)
    (voice, *_) = Piper.voices(Piper.Options(), "en")
    texts = [
        "The smell of bread woke up the whole street.",
        "She knew each one of them by name.",
        "When somebody could not pay, she said that they would settle it later.",
        "Today the bakery is mine, and I keep doing the same thing.",
    ] * 3
    slots = [2.2, 1.7, 3.4, 3.0] * 3
    starts = np.cumsum([0.5, *[slot + 0.5 for slot in slots]])
    said = [(float(s), float(s) + slot, text) for s, slot, text in zip(starts, slots, texts, strict=False)]
    findings: list[Finding] = []
    voices = [VoiceEngine("piper", engine, lambda speaker: voice, engine.seconds_per_unit)]
    result = list(speak(lines(*said), voices, QUICK, AudioSyncSettings(), 100.0, findings.append))
    assert findings == []
    for line, slot in list(zip(result, slots, strict=True))[4:]:
        assert line.audio.duration == pytest.approx(slot, rel=0.15)
