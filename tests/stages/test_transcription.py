"""The stage on made-up words and silences, where every right answer is known, and on real clips."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from vtlab.audio import Audio, cut, fade, silence
from vtlab.engines.transcription import Utterance
from vtlab.engines.transcription.faster_whisper import FasterWhisper
from vtlab.engines.voice_activity.silero import Silero
from vtlab.errors import InputError
from vtlab.evaluation.dataset import load_dataset
from vtlab.events import Finding, Severity
from vtlab.media import choose_audio, decode_speech, probe
from vtlab.segments import Interval, Segment, Word
from vtlab.settings import TranscriptionSettings, VoiceActivitySettings
from vtlab.stages.transcription import detect_language, find_speech, plan_spans, transcribe, unheard_s

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases"
EXPECTED = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
SETTINGS = TranscriptionSettings()


class Replay:
    """A recogniser that hears given words, once; then, asked again, nothing."""

    def __init__(self, *utterances: Utterance) -> None:
        self.utterances = list(utterances)
        self.asked: list[Interval] = []

    def detect_language(self, audio: Audio) -> dict[str, float]:
        return {"en": 0.6, "pt": 0.4}

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        self.asked += spans
        for span in spans:
            heard = [u for u in self.utterances if span.start - 0.3 <= u.words[0].start < span.end]
            self.utterances = [u for u in self.utterances if u not in heard]
            yield heard


def words(text: str, start: float, per_word: float = 0.3) -> tuple[Word, ...]:
    return tuple(
        Word(word, round(start + n * per_word, 3), round(start + (n + 1) * per_word, 3), 0.9)
        for n, word in enumerate(text.split())
    )


def heard(
    speech: Sequence[tuple[float, float]], *said: tuple[Word, ...], language: str = "en"
) -> tuple[list[Segment], list[Finding]]:
    intervals = [Interval(*span) for span in speech]
    audio = silence(intervals[-1].end + 2, 16000)
    findings: list[Finding] = []
    engine = Replay(*(Utterance(words) for words in said))
    lines = list(transcribe(audio, intervals, engine, SETTINGS, language, findings.append))
    return lines, findings


def test_a_pause_after_a_sentence_cuts_and_edges_go_to_the_voice_activity() -> None:
    lines, _ = heard([(1.0, 2.1), (2.6, 3.6)], words("The door opens. A man comes in.", 0.9))
    assert [(line.text, line.start, line.end) for line in lines] == [
        ("The door opens.", 1.0, 2.1),
        ("A man comes in.", 2.6, 3.6),
    ]
    assert [line.id for line in lines] == [0, 1]


@pytest.mark.parametrize("mark", [".", "?!", "։", "።", "।", "؟", "。"])
def test_every_script_has_its_full_stop(mark: str) -> None:
    lines, _ = heard([(1.0, 2.2)], words(f"one two{mark} three four", 1.0))
    assert [line.text for line in lines] == [f"one two{mark}", "three four"]


def test_who_trails_off_has_not_ended_the_sentence() -> None:
    lines, _ = heard([(1.0, 2.2)], words("I think… that it is.", 1.0))
    assert [line.text for line in lines] == ["I think… that it is."]


def test_sentences_without_a_pause_between_them_meet() -> None:
    lines, _ = heard([(1.0, 2.8)], words("One two three. Four five six.", 1.0))
    first, second = lines
    assert first.text == "One two three."
    assert first.end == second.start
    assert abs(first.end - 1.9) < 0.15


def test_a_short_pause_inside_a_sentence_does_not_cut() -> None:
    lines, _ = heard([(1.0, 2.0), (2.3, 3.0)], words("We walked slowly to the old house", 1.0, 0.28))
    assert [line.text for line in lines] == ["We walked slowly to the old house"]


def test_a_long_pause_inside_a_sentence_cuts() -> None:
    lines, _ = heard([(1.0, 2.0), (2.8, 4.0)], words("We walked slowly", 1.0) + words("to the old house", 2.8))
    assert [(line.text, line.start) for line in lines] == [("We walked slowly", 1.0), ("to the old house", 2.8)]


def test_an_abbreviation_ends_no_sentence() -> None:
    lines, _ = heard([(1.0, 2.5)], words("Dr. Lima met Mrs. Costa.", 1.0))
    assert [line.text for line in lines] == ["Dr. Lima met Mrs. Costa."]


def test_fast_speech_without_punctuation_is_cut_at_its_pauses() -> None:
    speech = [(0.5 + 3 * n, 0.5 + 3 * n + 2.8) for n in range(8)]
    said = tuple(word for n in range(8) for word in words("so we went on and on and on", 0.5 + 3 * n, 0.35))
    lines, _ = heard(speech, said)
    assert all(line.duration <= SETTINGS.max_segment_s for line in lines)
    starts = [start for start, _ in speech]
    assert all(min(abs(line.start - start) for start in starts) < 0.01 for line in lines)
    assert " ".join(line.text for line in lines) == " ".join(word.text for word in said)


def test_words_where_nobody_speaks_are_left_out_and_told() -> None:
    said = words("Good morning all.", 1.0), words("Thanks for watching!", 3.1, 0.05), words("Come in, please.", 4.5)
    lines, findings = heard([(1.0, 2.0), (4.5, 5.5)], *said)
    assert [line.text for line in lines] == ["Good morning all.", "Come in, please."]
    assert [finding.code for finding in findings] == ["invented_text"]


def test_no_word_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="No word was understood") as error:
        heard([(1.0, 2.0)])
    assert error.value.code == "E_NO_SPEECH"


class SecondDecoding(Replay):
    """A recogniser that hears ``first`` in whole spans and ``second`` when it is asked again for a part of one."""

    def __init__(self, first: tuple[Word, ...], second: Sequence[tuple[Word, ...]], no_speech: float = 0.0) -> None:
        super().__init__()
        self.first, self.second, self.no_speech = first, second, no_speech

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        again = bool(self.asked)
        self.asked += spans
        for span in spans:
            inside = [words for words in self.second if span.start - 0.3 <= words[0].start < span.end]
            yield [Utterance(words, self.no_speech) for words in (inside if again else [self.first])]


def decoded_twice(
    speech: Sequence[tuple[float, float]], engine: SecondDecoding, language: str = "en"
) -> tuple[list[tuple[str, float]], list[Finding], int]:
    """Return the lines' texts and starts, the findings, and how many parts were asked for again."""
    intervals = [Interval(*span) for span in speech]
    findings: list[Finding] = []
    audio = silence(intervals[-1].end + 2, 16000)
    lines = transcribe(audio, intervals, engine, SETTINGS, language, findings.append)
    return [(line.text, line.start) for line in lines], findings, len(engine.asked) - 1


THREE = [(1.0, 2.2), (3.4, 5.2), (6.4, 7.6)]
FIRST, SECOND, THIRD = (
    words("The very first line.", 1.0),
    words("Nobody has heard this.", 3.4, 0.45),
    words("The last one.", 6.4),
)
LINES = [("The very first line.", 1.0), ("Nobody has heard this.", 3.4), ("The last one.", 6.4)]


@pytest.mark.parametrize(
    "third",
    [
        THIRD,
        (replace(THIRD[0], start=3.1), *THIRD[1:]),  # the word after the hole stretches over it …
        (replace(THIRD[0], start=3.1, end=5.0), replace(THIRD[1], start=5.0), THIRD[2]),  # … or slips into it
    ],
)
def test_a_sentence_that_was_swallowed_is_asked_for_again(third: tuple[Word, ...]) -> None:
    lines, findings, asked = decoded_twice(THREE, SecondDecoding(FIRST + third, [FIRST, SECOND, THIRD]))
    assert lines == LINES
    assert not findings
    assert 1 <= asked <= 2  # not the first line: its words fill it


def test_nothing_is_said_twice_where_a_word_slipped_out_of_the_part_that_is_heard_again() -> None:
    first = *FIRST, Word("The", 2.2, 2.23, 0.9), Word("last", 3.4, 7.0, 0.9), THIRD[2]
    lines, _, _ = decoded_twice(THREE, SecondDecoding(first, [FIRST, SECOND, THIRD]))
    assert lines == LINES


def test_words_said_twice_stay() -> None:
    again = words("The very first line.", 3.4, 0.45)
    first = (*FIRST, replace(THIRD[0], start=3.1), *THIRD[1:])
    lines, _, _ = decoded_twice(THREE, SecondDecoding(first, [FIRST, again, THIRD]))
    assert lines == [LINES[0], ("The very first line.", 3.4), LINES[2]]


def test_speech_that_nobody_understands_is_a_finding_with_its_times() -> None:
    lines, findings, _ = decoded_twice(THREE, SecondDecoding(FIRST + THIRD, [FIRST, THIRD]))
    assert lines == [LINES[0], LINES[2]]
    (finding,) = findings
    assert (finding.code, finding.severity) == ("not_understood", Severity.DEGRADED)
    assert (finding.start, finding.end, finding.value) == (3.4, 5.2, pytest.approx(1.8))
    assert unheard_s(findings) == pytest.approx(1.8)


def test_what_the_recogniser_calls_no_speech_does_not_make_the_dub_incomplete() -> None:
    _, findings, _ = decoded_twice(THREE, SecondDecoding(FIRST + THIRD, [words("♪ ♪", 3.4)], no_speech=0.9))
    assert [finding.severity for finding in findings] == [Severity.WARNING]
    assert unheard_s(findings) == 0


@pytest.mark.parametrize(
    ("text", "seconds", "language"),
    [
        ("Donaudampfschifffahrtsgesellschaft", 3.0, "de"),
        ("Es war 1883.", 2.4, "de"),
        ("Sobe 25% hoje.", 2.4, "pt"),
        ("秋 天 来 了", 1.2, "zh"),
        ("So we went on and on and on", 1.1, "en"),
    ],
)
def test_words_fill_what_their_letters_take_to_say(text: str, seconds: float, language: str) -> None:
    said = words(text, 1.0, seconds / len(text.split()))
    _, findings, asked = decoded_twice([(1.0, 1.0 + seconds)], SecondDecoding(said, []), language)
    assert not findings
    assert asked == 0


@pytest.mark.parametrize(("text", "language"), [("Yes.", "en"), ("秋", "zh"), ("Sim 5.", "pt")])
def test_words_fill_no_more_than_that(text: str, language: str) -> None:
    said = words(text, 1.0, 3.0 / len(text.split()))
    _, findings, asked = decoded_twice([(1.0, 4.0)], SecondDecoding(said, []), language)
    assert asked == 1
    assert [finding.code for finding in findings] == ["not_understood"]


def test_an_exact_transcript_is_neither_cut_nor_moved() -> None:
    said = Utterance(words("One. Two. Three.", 1.07), speaker="ana", exact=True)
    (line,) = transcribe(silence(4, 16000), [Interval(1.2, 2.5)], Replay(said), SETTINGS, "en", lambda finding: None)
    assert (line.text, line.start, line.speaker) == ("One. Two. Three.", 1.07, "ana")


def test_japanese_is_joined_without_spaces() -> None:
    lines, _ = heard([(1.0, 2.0)], words("これ は ランプ です。", 1.0, 0.25), language="ja")
    assert [line.text for line in lines] == ["これはランプです。"]


@pytest.mark.parametrize(
    ("speech", "spans"),
    [
        ([(1, 5), (6, 9)], 1),  # packed together
        ([(1, 5), (20, 24)], 2),  # a long silence invites invented text
        ([(n * 6.0, n * 6.0 + 5.5) for n in range(10)], 3),  # a minute: cut at pauses
        ([(0, 70)], 3),  # a minute without a pause: cut at the quietest moment
    ],
)
def test_spans_hold_all_speech_and_are_short_enough(speech: list[tuple[float, float]], spans: int) -> None:
    intervals = [Interval(*span) for span in speech]
    audio = Audio(np.random.default_rng(0).normal(0, 0.1, 16000 * 75).astype(np.float32), 16000)
    found = plan_spans(audio, intervals, VoiceActivitySettings())
    assert len(found) == spans
    assert all(span.duration <= 30 for span in found)
    for interval in intervals:
        covered = sum(span.overlap(interval) for span in found)
        assert covered == pytest.approx(interval.duration, abs=0.01)


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_nobody_speaks(kind: str) -> None:
    time = np.arange(16000 * 5) / 16000
    sound = {
        "silence": np.zeros_like(time),
        "noise": np.random.default_rng(1).normal(0, 0.05, len(time)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time),
    }[kind]
    with pytest.raises(InputError, match="Nobody speaks"):
        find_speech(Audio(sound.astype(np.float32), 16000), Silero(Silero.Options(), 1), VoiceActivitySettings())


# ---------------------------------------------------------------- real speech


@pytest.fixture(scope="module")
def whisper() -> FasterWhisper:
    return FasterWhisper(FasterWhisper.Options(), 2)


@pytest.fixture(scope="module")
def silero() -> Silero:
    return Silero(Silero.Options(), 1)


def speech_of(path: Path) -> Audio:
    info = probe(path)
    return decode_speech(path, choose_audio(info, None, None), info.duration_s)


@pytest.mark.parametrize("clip", ["pt_station_dialogue", "en_questions", "pt_hurry"])
def test_every_sentence_of_a_spoken_clip_starts_where_it_was_said(
    clip: str, whisper: FasterWhisper, silero: Silero
) -> None:
    reference = load_dataset(ROOT / "datasets" / "spoken").clip(clip)
    audio = speech_of(reference.path)
    speech = find_speech(audio, silero, SETTINGS.voice_activity)
    lines = list(transcribe(audio, speech, whisper, SETTINGS, reference.source_language, lambda finding: None))
    for segment in reference.segments:
        assert segment.start is not None
        assert min(abs(line.start - segment.start) for line in lines) < 0.15, segment.text


SWALLOWED = {  # cuts of clips that the recogniser, given together with pauses between them, does not hear all of
    "pt": [
        ("spoken/clips/pt_river_long.mp4", 58.71, 62.44, "Alguns eram de casas, outros eram de oficinas."),
        ("spoken/clips/pt_station_dialogue.mp4", 6.36, 8.12, "Para hoje ou para amanhã?"),
        ("spoken/clips/pt_station_dialogue.mp4", 18.83, 21.38, "Tudo bem, eu durmo a viagem inteira mesmo."),
    ],
    "fr": [
        ("people/clips/story_crocodile_fr.mp4", 20.13, 23.55, "Après cela, sa faim est calmée, et il est content."),
        ("people/clips/programmer_fr.m4a", 1.56, 2.7, "Je m'appelle Éric Joanis."),
        ("people/clips/programmer_fr.m4a", 3.02, 7.14, "Je suis programmeur au sein de l'équipe des technologies."),
    ],
    "en": [
        ("people/clips/story_city_en.mp4", 186.41, 197.63, "The return bus was filling up quickly."),
        ("spoken/clips/en_hurry.mp4", 22.91, 26.09, "If anyone asks about refunds, send them to the desk."),
    ],
}  # fmt: skip


@pytest.mark.parametrize("language", SWALLOWED)
def test_no_utterance_between_pauses_is_lost_or_moved(language: str, whisper: FasterWhisper, silero: Silero) -> None:
    pause_s, at, said, sounds = 1.4, 0.5, [], [silence(0.5, 16000).samples]
    for file, start, end, text in SWALLOWED[language]:
        sounds += [
            fade(cut(speech_of(ROOT / "datasets" / file), start, end), 0.05).samples,
            silence(pause_s, 16000).samples,
        ]
        said.append((at, text))
        at += end - start + pause_s
    audio = Audio(np.concatenate(sounds), 16000)
    findings: list[Finding] = []
    speech = find_speech(audio, silero, SETTINGS.voice_activity)
    lines = list(transcribe(audio, speech, whisper, SETTINGS, language, findings.append))
    for start, text in said:
        nearest = min(lines, key=lambda line: abs(line.start - start))
        assert abs(nearest.start - start) < 0.3, text
        alike = SequenceMatcher(None, nearest.text.lower(), text.lower(), autojunk=False)
        assert sum(block.size for block in alike.get_matching_blocks()) > 0.5 * min(len(text), len(nearest.text)), text
    assert unheard_s(findings) == 0
    texts = [line.text for line in lines]
    assert len(set(texts)) == len(texts)


def test_a_long_pause_stays_silent(whisper: FasterWhisper, silero: Silero) -> None:
    case = EXPECTED["long-pause"]
    audio = speech_of(CASES / "long_pause.mp4")
    speech = find_speech(audio, silero, SETTINGS.voice_activity)
    lines = list(transcribe(audio, speech, whisper, SETTINGS, "en", lambda finding: None))
    assert len(lines) == 2
    silent = Interval(*case["silent"])
    for line in lines:
        assert line.interval.overlap(silent) < 0.1
        assert all(silent.overlap(Interval(word.start, word.end)) < 0.1 for word in line.words)
    assert lines[1].start == pytest.approx(case["lines"][1]["start"], abs=case["onset_tolerance_s"])


def test_speech_after_half_a_minute_of_music(whisper: FasterWhisper, silero: Silero) -> None:
    case = EXPECTED["late-speech"]
    audio = speech_of(CASES / "late_speech.mp4")
    speech = find_speech(audio, silero, SETTINGS.voice_activity)
    assert detect_language(audio, speech, whisper, SETTINGS, lambda finding: None).language == "es"
    lines = list(transcribe(audio, speech, whisper, SETTINGS, "es", lambda finding: None))
    assert lines[0].start >= case["music"][1] + 0.5
    assert "chocolate" in " ".join(line.text for line in lines).lower()


@pytest.mark.parametrize("clip", ["jfk_en", "fox_pt"])
def test_the_language_of_a_recording_is_heard(clip: str, whisper: FasterWhisper, silero: Silero) -> None:
    reference = load_dataset(ROOT / "datasets" / "people").clip(clip)
    audio = speech_of(reference.path)
    speech = find_speech(audio, silero, SETTINGS.voice_activity)
    detection = detect_language(audio, speech, whisper, SETTINGS, lambda finding: None)
    assert detection.language == reference.source_language
    assert detection.confidence > 0.5
