"""Stage 3: what is said and when, cut into segments.

Voice activity finds the speech, and spans of it of up to 28 s go to the recogniser. Batched decoding sometimes skips a
whole sentence between two pauses, and the words beside it then stretch over the hole: speech that the words cannot fill
goes to the recogniser once more, in smaller windows. The words are cut into segments, at sentence ends and at the
pauses that the voice activity shows, and each segment's edges are snapped to the voice activity. Where segments are cut
decides how well a dub keeps time, more than how they are placed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, pairwise

import numpy as np

from vtlab.audio import FRAME_S, Audio, cut, levels_db
from vtlab.engines.transcription import Transcriber, Utterance
from vtlab.engines.voice_activity import VoiceActivity
from vtlab.errors import InputError
from vtlab.events import Finding, Severity
from vtlab.languages import UNSPACED
from vtlab.segments import Interval, Segment, Word, merge_intervals
from vtlab.settings import TranscriptionSettings, VoiceActivitySettings
from vtlab.text.sentences import CLOSING, SENTENCE_ENDS, ends_sentence

STAGE = "transcription"
VERSION = 3
UNHEARD = "not_understood"  # the code of a finding about speech without words

SPAN_S = 28.0  # Whisper's window is 30 s; the rest is room for padding
SPAN_GAP_S = 3.0  # a longer silence inside a span invites invented text
FINE_SILENCE_S = 0.1  # the shortest pause that is looked at as a place to cut
FINE_SPEECH_S = 0.06
PIECE_PAUSE_S = 0.4  # no word goes on across a pause this long; speech between two of them is a piece
REDO_S = 10.0  # the longest window of the second decoding
MISSED_S = 0.7  # so much speech in a row that no word fills calls for a second decoding …
UNHEARD_S = 0.8  # … and is a finding where that did not help; "uh" is shorter
SPREAD_S = 0.5  # so much more speech in a piece than all of its words can fill calls for one, too
CROSSING_S = 0.2  # a word with so much speech on both sides of a pause has swallowed others: 1 of 8,000 words
EDGE_S = 0.15  # how far the words' times may be off
WORD_S, UNSPACED_WORD_S = 0.15, 0.1  # the longest that one takes to say a word: this …
LETTER_S, SYLLABLE_S, SIGN_S = 0.09, 0.2, 0.5  # … and so much for each letter, character of East Asia, figure or sign
SPELT, FIRST_SYLLABLE = "%€$£", "\u2e80"  # the signs; where the characters of East Asia begin
REPEATED = 4  # words beside a second decoding that are compared with its own
CRAMMED = 0.25  # of the longest that one takes to say words: nobody says them in less …
CRAMMED_LETTERS = 3  # … if they have so many letters
LEAST_GAIN_S = 0.2  # so much more speech must have words after a second decoding
BELIEVED = 0.4  # confidence below which a second decoding is not believed
NO_SPEECH = 0.6  # probability above which Whisper takes it that nobody speaks (Radford et al. 2022, section 4.5)
SEAM_REACH_S = 0.12  # how far from the word boundary two touching sentences may be parted
WORD_OFF_S = 0.8  # how far the first and last word of a span may be from where its speech begins and ends
GAP_REACH_S = 0.5  # a pause belongs to a gap between words no further away than this
WIDE_GAP_S = 1.0  # a gap between words wide enough for speech that nobody understood
SENTENCE_PULL_S, COMMA_PULL_S = 0.35, 0.15  # a pause goes that much further to find the end of a sentence or clause
COMMA_PAUSE_SHARE = 0.6  # of the pause that cuts anywhere: enough to cut after a comma, or a segment already long
LONG_SEGMENT_S = 5.0
LEAST_SEGMENT_S = 0.5
DETECTION_WINDOW_S = 30.0
DOUBTED_LANGUAGE = 0.5
SURE_WINDOWS, SURE_LANGUAGE = 2, 0.9  # so many windows, all this sure of one language, settle it

COMMA = ",;:、，；：—–"


@dataclass(frozen=True)
class Detection:
    """The language that several windows of speech voted for, and the mean probability they gave it."""

    language: str
    confidence: float


def find_speech(audio: Audio, engine: VoiceActivity, settings: VoiceActivitySettings) -> list[Interval]:
    """Return where somebody speaks, without the pauses of 0.1 s and more.

    Args:
        audio: 16 kHz mono sound.
        engine: The voice activity detector.
        settings: Thresholds; speech shorter than ``min_speech_s`` is left out.

    Raises:
        InputError: ``E_NO_SPEECH``, nobody speaks.
    """
    fine = engine.speech(audio, settings.threshold, FINE_SPEECH_S, FINE_SILENCE_S)
    loud_enough = [
        part
        for stretch in merge_intervals(fine, settings.min_silence_s)
        if stretch.duration >= settings.min_speech_s
        for part in fine
        if stretch.start <= part.start and part.end <= stretch.end
    ]
    if not loud_enough:
        raise InputError(
            "Nobody speaks in this file: there is only silence, music or noise. Choose another one, or another of its "
            "audio streams; where somebody does speak, set transcription.voice_activity.threshold lower.",
            code="E_NO_SPEECH",
        )
    return loud_enough


def detect_language(
    audio: Audio,
    speech: Sequence[Interval],
    engine: Transcriber,
    settings: TranscriptionSettings,
    on_finding: Callable[[Finding], None],
) -> Detection:
    """Return the language spoken, by vote over up to ``detection_windows`` spans of speech spread over the sound.

    Music and silence have no vote. Where the first span and the last leave no doubt, the others are not asked: that
    takes about as long as recognising them. A narrow vote is a finding.

    Args:
        audio: 16 kHz mono sound.
        speech: Where somebody speaks, as ``find_speech`` returns it.
        engine: The recogniser.
        settings: The number of windows and the padding of spans.
        on_finding: Called with ``language_doubted``.
    """
    spans = plan_spans(audio, speech, settings.voice_activity)
    picks = np.unique(np.linspace(0, len(spans) - 1, min(settings.detection_windows, len(spans))).round().astype(int))
    windows = [
        cut(audio, spans[pick].start, min(spans[pick].end, spans[pick].start + DETECTION_WINDOW_S))
        for pick in (*picks[:1], *picks[:0:-1])  # the first, then from the last back
    ]
    with ThreadPoolExecutor(SURE_WINDOWS, "detection") as threads:
        heard = list(threads.map(engine.detect_language, windows[:SURE_WINDOWS]))
    if not _is_sure(heard):
        heard += map(engine.detect_language, windows[SURE_WINDOWS:])
    votes: dict[str, float] = {}
    for probabilities in heard:
        for language, probability in probabilities.items():
            votes[language] = votes.get(language, 0.0) + probability / len(heard)
    language, confidence = max(votes.items(), key=lambda vote: vote[1])
    if confidence < DOUBTED_LANGUAGE:
        message = f"The language is taken for {language!r}, with little confidence; name it if that is wrong."
        on_finding(Finding(STAGE, "language_doubted", Severity.WARNING, message, None, confidence, DOUBTED_LANGUAGE))
    return Detection(language, confidence)


def _is_sure(heard: Sequence[dict[str, float]]) -> bool:
    best = {max(probabilities, key=lambda language: probabilities[language]) for probabilities in heard}
    return len(best) == 1 and all(max(probabilities.values()) >= SURE_LANGUAGE for probabilities in heard)


def plan_spans(audio: Audio, speech: Sequence[Interval], settings: VoiceActivitySettings) -> list[Interval]:
    """Return the padded spans for the recogniser: at most 28 s each, cut at the longest pauses, all speech in one."""
    spans: list[Interval] = []
    for stretch in merge_intervals(speech, SPAN_GAP_S):
        parts = [part for part in speech if stretch.start <= part.start < stretch.end]
        spans += _pack(audio, parts)
    return [_pad(span, index, spans, settings.pad_s, audio.duration) for index, span in enumerate(spans)]


def transcribe(
    audio: Audio,
    speech: Sequence[Interval],
    engine: Transcriber,
    settings: TranscriptionSettings,
    language: str,
    on_finding: Callable[[Finding], None],
) -> Iterator[Segment]:
    """Yield the segments of the speech in order, ids from 0, as they are recognised.

    Args:
        audio: 16 kHz mono sound.
        speech: Where somebody speaks, as ``find_speech`` returns it.
        engine: The recogniser; asked once more for speech that its words cannot fill.
        settings: Where segments are cut, and below which confidence they are doubted.
        language: ISO 639-1 code of what is spoken.
        on_finding: Called with ``not_understood`` (speech without words, with its times), ``doubtful``,
            ``invented_text`` and ``repeated_text``.

    Raises:
        InputError: ``E_NO_SPEECH``, the recogniser hears no word in any of it.
    """
    spans = plan_spans(audio, speech, settings.voice_activity)
    cutter = _Cutter(audio, speech, settings, language, on_finding)

    def decode_again(pieces: Sequence[_Piece]) -> list[list[Utterance]]:
        windows = [(n, window) for n, piece in enumerate(pieces) for window in _pack(audio, piece.parts, REDO_S)]
        bare = [window for _, window in windows]
        pad_s = min(settings.voice_activity.pad_s, PIECE_PAUSE_S / 2)
        padded = [_pad(window, n, bare, pad_s, audio.duration) for n, window in enumerate(bare)]
        heard: list[list[Utterance]] = [[] for _ in pieces]
        for (piece, _), utterances in zip(windows, engine.transcribe(audio, padded, language), strict=True):
            heard[piece] += utterances
        return heard

    count = 0
    for index, (span, utterances) in enumerate(zip(spans, engine.transcribe(audio, spans, language), strict=True)):
        following = spans[index + 1].start if index + 1 < len(spans) else None
        if any(utterance.exact for utterance in utterances):
            segments = cutter.exact(utterances)
        else:
            words = _complete_words(span, speech, utterances, decode_again, language, on_finding)
            segments = cutter.segments(words, following)
        for segment in segments:
            yield replace(segment, id=count)
            count += 1
    if count == 0:
        raise InputError(
            "No word was understood in the speech of this file. Name its language, or choose a larger model.",
            code="E_NO_SPEECH",
        )


def unheard_s(findings: Iterable[Finding]) -> float:
    """Return the seconds of speech that were not understood, as far as they make a dub incomplete."""
    lost = [finding for finding in findings if finding.code == UNHEARD and finding.severity is Severity.DEGRADED]
    return sum(finding.value or 0.0 for finding in lost)


# ---------------------------------------------------------------- spans


def _pack(audio: Audio, parts: Sequence[Interval], longest_s: float = SPAN_S) -> list[Interval]:
    """Pack parts of speech into as few spans as hold them, each cut at the longest pause of its second half."""
    spans: list[Interval] = []
    rest = list(parts)
    while rest:
        start = rest[0].start
        if rest[-1].end - start <= longest_s:
            return [*spans, Interval(start, rest[-1].end)]
        pauses = [
            (rest[i + 1].start - rest[i].end, i)
            for i in range(len(rest) - 1)
            if longest_s / 2 <= rest[i].end - start <= longest_s
        ]
        if pauses:
            _, last = max(pauses)
            spans.append(Interval(start, rest[last].end))
            rest = rest[last + 1 :]
        else:
            at = _quietest(audio, start + longest_s * 0.75, start + longest_s)
            spans.append(Interval(start, at))
            rest = [Interval(max(part.start, at), part.end) for part in rest if part.end > at]
    return spans


def _pad(span: Interval, index: int, spans: Sequence[Interval], pad_s: float, duration: float) -> Interval:
    """Pad a span by ``pad_s`` on both sides, or by half of the silence where that is shorter."""
    before = span.start - spans[index - 1].end if index else span.start
    after = (spans[index + 1].start if index + 1 < len(spans) else duration) - span.end
    return Interval(span.start - max(0.0, min(pad_s, before / 2)), span.end + max(0.0, min(pad_s, after / 2)))


def _quietest(audio: Audio, start: float, end: float) -> float:
    """Return the time of the quietest 30 ms from ``start`` to ``end``."""
    levels = levels_db(cut(audio, start, end))
    if len(levels) < 3:
        return (start + end) / 2
    smooth = np.convolve(levels, np.ones(3) / 3, mode="valid")
    return start + (int(np.argmin(smooth)) + 1.5) * FRAME_S


# ---------------------------------------------------------------- speech that no word accounts for


@dataclass(frozen=True)
class _HeardWord:
    """A word, with what is known of the utterance it came in."""

    word: Word
    no_speech: float
    speaker: str | None


@dataclass(frozen=True)
class _Piece:
    """Speech between two pauses that no word can span; ``parts`` are its voice activity, finer pauses left out."""

    parts: tuple[Interval, ...]

    @property
    def interval(self) -> Interval:
        return Interval(self.parts[0].start, self.parts[-1].end)

    def speech_s(self, span: Interval | Word) -> float:
        return sum(part.overlap(Interval(span.start, span.end)) for part in self.parts)


def _complete_words(
    span: Interval,
    speech: Sequence[Interval],
    utterances: Sequence[Utterance],
    decode_again: Callable[[Sequence[_Piece]], list[list[Utterance]]],
    language: str,
    on_finding: Callable[[Finding], None],
) -> list[_HeardWord]:
    """Return the words of a span in order, those of a second decoding where the first left speech without words.

    Speech that has no words after it either is a finding with its times.
    """
    words = _words(utterances)
    inside = [Interval(max(p.start, span.start), min(p.end, span.end)) for p in speech if p.overlap(span) > 0]
    joint = merge_intervals(inside, PIECE_PAUSE_S)
    pieces = [_Piece(tuple(part for part in inside if part.overlap(piece) > 0)) for piece in joint]
    doubted = _find_doubted(pieces, words, language)
    again: dict[int, list[Utterance]] = {}
    for _ in range(2):
        new = sorted(doubted - again.keys())
        if new:
            again |= zip(new, decode_again([pieces[index] for index in new]), strict=True)
        doubted |= _displaced(pieces, words, {index: _words(_credible(found)) for index, found in again.items()})
    for zone in _runs(sorted(again)):
        words = _replace(pieces, zone, words, _words(_credible(u for index in zone for u in again[index])), language)
    for index in sorted(again):
        unheard = _list_gaps(pieces[index], pieces, words, language)
        seconds = sum(pieces[index].speech_s(gap) for gap in unheard)
        if seconds < UNHEARD_S:
            continue
        start, end = unheard[0].start, unheard[-1].end
        nobody = bool(again[index]) and all(_is_non_speech(utterance) for utterance in again[index])
        severity = Severity.WARNING if nobody else Severity.DEGRADED
        message = f"Speech from {start:.1f} s to {end:.1f} s was not understood."
        on_finding(Finding(STAGE, UNHEARD, severity, message, None, seconds, UNHEARD_S, start, end))
    return words


def _words(utterances: Iterable[Utterance]) -> list[_HeardWord]:
    """Return the words of all utterances in order of time."""
    heard = [_HeardWord(word, u.no_speech_probability, u.speaker) for u in utterances for word in u.words]
    return sorted(heard, key=lambda item: item.word.start)


def _credible(utterances: Iterable[Utterance]) -> list[Utterance]:
    return [u for u in utterances if u.words and _confidence(u.words, u.no_speech_probability) >= BELIEVED]


def _find_doubted(pieces: Sequence[_Piece], words: Sequence[_HeardWord], language: str) -> set[int]:
    """Return the indices of the pieces whose words cannot fill them, or are in another piece as well."""
    crossed = {
        index
        for item in words
        if _crosses(item.word, pieces)
        for index, piece in enumerate(pieces)
        if piece.speech_s(item.word) >= CROSSING_S
    }
    return crossed | {index for index, piece in enumerate(pieces) if _list_gaps(piece, pieces, words, language)}


def _crosses(word: Word, pieces: Sequence[_Piece]) -> bool:
    return sum(piece.speech_s(word) >= CROSSING_S for piece in pieces) > 1


def _list_gaps(piece: _Piece, pieces: Sequence[_Piece], words: Sequence[_HeardWord], language: str) -> list[Interval]:
    """Return the spans of a piece with ``MISSED_S`` of speech and more that none of the words fills.

    A word fills no more than its letters take to say, and nothing where it is in another piece as well.
    """
    inside = [item.word for item in words if piece.speech_s(item.word) > 0 and not _crosses(item.word, pieces)]
    filled = []
    for number, word in enumerate(inside):
        longest = _longest_s(word.text, language)
        if piece.speech_s(word) > longest + EDGE_S:
            end = min(word.end, piece.interval.end)
            filled.append(Interval(end - longest, end))
            continue
        before = inside[number - 1].end if number else 0.0
        after = inside[number + 1].start if number + 1 < len(inside) else piece.interval.end
        start, end = max(word.start - EDGE_S, min(before, word.start)), min(word.end + EDGE_S, max(after, word.end))
        filled.append(Interval(start, end))
    gaps = [gap for gap in _subtract(piece.interval, merge_intervals(filled)) if piece.speech_s(gap) >= MISSED_S]
    together = sum(_longest_s(word.text, language) for word in inside)
    if inside and not gaps and piece.speech_s(piece.interval) - together >= SPREAD_S:
        return [piece.interval]  # few words, spread over all of it
    return gaps


def _subtract(span: Interval, others: Sequence[Interval]) -> Iterator[Interval]:
    """Yield what is left of a span outside the others, which are in order and do not overlap."""
    edge = span.start
    for other in others:
        if other.overlap(span) > 0:
            if other.start > edge:
                yield Interval(edge, other.start)
            edge = max(edge, other.end)
    if edge < span.end:
        yield Interval(edge, span.end)


def _longest_s(text: str, language: str) -> float:
    """Return the longest that one takes to say a word, in seconds."""
    letters = sum(_longest_letter_s(letter) for letter in text if letter.isalnum() or letter in SPELT)
    return letters + (UNSPACED_WORD_S if language in UNSPACED else WORD_S)


def _longest_letter_s(letter: str) -> float:
    if letter.isdigit() or letter in SPELT:
        return SIGN_S
    return SYLLABLE_S if letter >= FIRST_SYLLABLE else LETTER_S


def _displaced(
    pieces: Sequence[_Piece], words: Sequence[_HeardWord], again: Mapping[int, Sequence[_HeardWord]]
) -> set[int]:
    """Return the neighbours of pieces whose first words the second decoding has not: the words may be theirs."""
    found: set[int] = set()
    for zone in _runs(sorted(again)):
        first = [item for item in words if _find_piece(pieces, item.word) in zone]
        second = [item for index in zone for item in again[index]]
        if second and _count_common(first, second) < len(first) / 2:
            found |= {zone[0] - 1, zone[-1] + 1} & set(range(len(pieces)))
    return found


def _count_common(first: Sequence[_HeardWord], second: Sequence[_HeardWord]) -> int:
    """Count the words that both have in the same order."""
    texts, others = ([_letters(item.word.text) for item in words] for words in (first, second))
    return sum(block.size for block in SequenceMatcher(None, texts, others, autojunk=False).get_matching_blocks())


def _replace(
    pieces: Sequence[_Piece], zone: Sequence[int], words: list[_HeardWord], second: list[_HeardWord], language: str
) -> list[_HeardWord]:
    """Put the second decoding's words into the pieces of the zone, if they leave less speech without words."""

    def unfilled_s(words: Sequence[_HeardWord]) -> float:
        gaps = {index: _list_gaps(pieces[index], pieces, words, language) for index in zone}
        return sum(pieces[index].speech_s(gap) for index in zone for gap in gaps[index])

    homes = [_find_piece(pieces, item.word) for item in words]
    before = [item for item, home in zip(words, homes, strict=True) if home < zone[0]]
    after = [item for item, home in zip(words, homes, strict=True) if home > zone[-1]]
    for count in range(REPEATED, 0, -1):
        if _are_crammed(before[-count:], language) and _are_in(before[-count:], second):
            del before[-count:]
        if _are_crammed(after[:count], language) and _are_in(after[:count], second):
            del after[:count]
    replaced = [*before, *second, *after]
    return replaced if unfilled_s(replaced) < unfilled_s(words) - LEAST_GAIN_S else words


def _find_piece(pieces: Sequence[_Piece], word: Word) -> int:
    """Return the index of the piece that has most of a word, or is nearest to it."""
    middle = (word.start + word.end) / 2

    def nearness(index: int) -> tuple[float, float]:
        span = pieces[index].interval
        return pieces[index].speech_s(word), -max(span.start - middle, middle - span.end)

    return max(range(len(pieces)), key=nearness)


def _are_in(words: Sequence[_HeardWord], others: Sequence[_HeardWord]) -> bool:
    """Return whether the words stand among the others, one right after the other."""
    sought, texts = (" ".join(_letters(item.word.text) for item in side) for side in (words, others))
    return f" {sought} " in f" {texts} "


def _are_crammed(words: Sequence[_HeardWord], language: str) -> bool:
    """Return whether the words have less time than it takes to say them."""
    texts = [item.word.text for item in words]
    seconds = sum(item.word.end - item.word.start for item in words)
    letters = sum(len(_letters(text)) for text in texts)
    return letters >= CRAMMED_LETTERS and seconds < CRAMMED * sum(_longest_s(text, language) for text in texts)


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _is_non_speech(utterance: Utterance) -> bool:
    """Return whether the recogniser itself finds no speech, or no letter but marks of music."""
    return utterance.no_speech_probability >= NO_SPEECH or not any(map(_letters, (w.text for w in utterance.words)))


def _runs(indices: Sequence[int]) -> list[list[int]]:
    """Return the indices, in order, as runs without a gap."""
    return [[index for _, index in run] for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0])]


# ---------------------------------------------------------------- segments


class _Cutter:
    """Cut words into segments, span by span; a sentence that may go on in the next span waits for it."""

    def __init__(
        self,
        audio: Audio,
        speech: Sequence[Interval],
        settings: TranscriptionSettings,
        language: str,
        on_finding: Callable[[Finding], None],
    ) -> None:
        self._audio = audio
        self._speech = speech
        self._silences = [Interval(a.end, b.start) for a, b in pairwise(speech)]
        self._settings = settings
        self._language = language
        self._on_finding = on_finding
        self._waiting: list[_HeardWord] = []
        self._said: list[str] = []
        self._last_end = 0.0

    def segments(self, heard: Sequence[_HeardWord], following: float | None) -> Iterator[Segment]:
        """Yield the segments of one span, ids not yet set; ``following`` is where the next span starts, if any does."""
        words = [*self._waiting, *heard]
        if not words:
            return
        groups = self._groups(words)
        self._waiting = []
        goes_on = (
            following is not None
            and not _ends_sentence(words[-1].word.text)
            and following - words[-1].word.end < self._settings.cut_pause_s
            and sum(len(group.words) for group in groups[-1:]) < 40
        )
        if goes_on:
            self._waiting = groups.pop().words
        for group in groups:
            segment = self._segment(group)
            if segment is not None:
                yield segment

    def exact(self, utterances: Sequence[Utterance]) -> Iterator[Segment]:
        """Yield utterances that already are segments as they are, ids not yet set."""
        for utterance in utterances:
            words, language = utterance.words, self._language
            start, end, text = words[0].start, words[-1].end, _text(words, language)
            yield Segment(0, start, end, text, words, utterance.speaker, language, 1.0)

    def _groups(self, heard: list[_HeardWord]) -> list[_Group]:
        pauses = self._pauses([item.word for item in heard])
        settings = self._settings
        groups = [_Group(heard[:1], pauses.get(0), None)]
        for index in range(1, len(heard)):
            before, after, pause = heard[index - 1], heard[index], pauses.get(index)
            length = pause.duration if pause else 0.0
            mark = before.word.text.rstrip(CLOSING)[-1:]
            enough = settings.cut_pause_s
            if mark in COMMA or _duration(groups[-1].words) > LONG_SEGMENT_S:
                enough *= COMMA_PAUSE_SHARE
            cuts = _ends_sentence(before.word.text) or before.speaker != after.speaker or length >= enough
            if cuts:
                if pause is None:
                    pause = self._seam(before.word, after.word)
                groups[-1] = replace(groups[-1], after=pause)
                groups.append(_Group([after], pause, None))
            else:
                groups[-1].words.append(after)
        groups[-1] = replace(groups[-1], after=pauses.get(len(heard)))
        groups = self._without_scraps(groups)
        return [part for group in groups for part in self._short_enough(group)]

    def _seam(self, before: Word, after: Word) -> Interval:
        """Return an empty pause where two sentences touch: the quietest moment near the word boundary."""
        middle = (before.end + after.start) / 2
        at = _quietest(self._audio, max(middle - SEAM_REACH_S, before.start), min(middle + SEAM_REACH_S, after.end))
        return Interval(at, at)

    def _pauses(self, words: Sequence[Word]) -> dict[int, Interval]:
        """Return the silence before each word that has one, by the word's index; after the last, by their count.

        Word times are off by 100–250 ms around pauses, silences are not: each silence goes to the nearest gap between
        words, one after punctuation preferred.
        """
        found: dict[int, Interval] = {}
        for silence in self._silences:
            if silence.end < words[0].start - GAP_REACH_S or silence.start > words[-1].end + GAP_REACH_S:
                continue
            best, best_cost = None, GAP_REACH_S
            for index in range(len(words) + 1):
                left = words[index - 1].end if index else words[0].start
                right = words[index].start if index < len(words) else words[-1].end
                middle = (left + right) / 2
                apart = max(0.0, silence.start - middle, middle - silence.end)
                if apart > GAP_REACH_S:
                    continue
                # a span's own ends are pauses as good as any after a sentence
                mark = words[index - 1].text.rstrip(CLOSING)[-1:] if 0 < index < len(words) else SENTENCE_ENDS[0]
                cost = apart - (SENTENCE_PULL_S if mark in SENTENCE_ENDS else COMMA_PULL_S if mark in COMMA else 0.0)
                if cost < best_cost:
                    best, best_cost = index, cost
            if best is not None and (best not in found or found[best].duration < silence.duration):
                found[best] = silence
        for index, (before, after) in enumerate(pairwise(words), 1):
            if after.start - before.end >= WIDE_GAP_S:
                inside = [s for s in self._silences if before.end <= (s.start + s.end) / 2 <= after.start]
                if len(inside) > 1:
                    # speech without words: the segments beside it reach into none of it
                    found = {at: pause for at, pause in found.items() if pause not in inside}
                    found[index] = Interval(inside[0].start, inside[-1].end)
        return found

    def _without_scraps(self, groups: list[_Group]) -> list[_Group]:
        """Join segments of less than half a second that end no sentence to the nearer neighbour."""
        out: list[_Group] = []
        for group in groups:
            scrap = bool(out) and (
                _duration(out[-1].words) < LEAST_SEGMENT_S
                and not _ends_sentence(out[-1].words[-1].word.text)
                and out[-1].words[-1].speaker == group.words[0].speaker
                and (out[-1].after is None or out[-1].after.duration < self._settings.join_gap_s)
            )
            if scrap:
                out[-1] = _Group([*out[-1].words, *group.words], out[-1].before, group.after)
            else:
                out.append(group)
        return out

    def _short_enough(self, group: _Group) -> list[_Group]:
        """Cut a group at its best places until no part is longer than ``max_segment_s``."""
        words = group.words
        if _duration(words) <= self._settings.max_segment_s or len(words) < 2:
            return [group]
        pauses = self._pauses([item.word for item in words])
        whole = _duration(words)

        def worth(index: int) -> float:
            pause = pauses[index].duration if index in pauses else 0.0
            mark = words[index - 1].word.text.rstrip(CLOSING)[-1:]
            balance = min(_duration(words[:index]), _duration(words[index:])) / whole
            return min(pause, 0.5) + (0.2 if mark in COMMA else 0.0) + 0.6 * balance

        best = max(range(1, len(words)), key=worth)
        pause = pauses.get(best)
        first, second = _Group(words[:best], group.before, pause), _Group(words[best:], pause, group.after)
        return [*self._short_enough(first), *self._short_enough(second)]

    def _segment(self, group: _Group) -> Segment | None:
        words = tuple(item.word for item in group.words)
        start, end = self._edges(group)
        text = _text(words, self._language)
        confidence = _confidence(words, float(np.mean([item.no_speech for item in group.words])))
        around = Interval(words[0].start - GAP_REACH_S, words[-1].end + GAP_REACH_S)
        spoken = sum(part.overlap(around) for part in self._speech)
        if spoken < 0.05 or (confidence < self._settings.min_confidence and spoken < 0.3 * (end - start)):
            message = f"{text!r} was left out: nobody speaks there."
            self._on_finding(Finding(STAGE, "invented_text", Severity.INFO, message, None, spoken, 0.05))
            return None
        if self._said[-2:] == [text, text] and len(text) / max(end - start, 0.01) > 30:
            self._on_finding(Finding(STAGE, "repeated_text", Severity.INFO, f"{text!r} was left out: a loop."))
            return None
        self._said.append(text)
        if confidence < self._settings.min_confidence:
            message = f"Doubtful: {text!r}."
            limit = self._settings.min_confidence
            self._on_finding(Finding(STAGE, "doubtful", Severity.WARNING, message, None, confidence, limit))
        self._last_end = end
        inside = tuple(replace(w, start=min(max(w.start, start), end), end=max(min(w.end, end), start)) for w in words)
        return Segment(0, start, end, text, inside, group.words[0].speaker, self._language, confidence)

    def _edges(self, group: _Group) -> tuple[float, float]:
        """Return where a group is spoken, by the voice activity where it shows an edge nearby, else by the words."""
        first, last = group.words[0].word, group.words[-1].word
        if group.before is not None:
            start = group.before.end
        else:
            start = self._edge(first, first.start, [part.start for part in self._speech])
        if group.after is not None:
            end = group.after.start
        else:
            end = self._edge(last, last.end, [part.end for part in self._speech])
        start = max(start, self._last_end)
        return start, max(end, start + 0.1)

    def _edge(self, word: Word, at: float, edges: Sequence[float]) -> float:
        """Return the edge of speech nearest to ``at``, or ``at`` itself.

        An edge of the speech around the word counts up to ``WORD_OFF_S`` away, another one up to ``snap_s``.
        """
        middle = (word.start + word.end) / 2
        around = [edge for part, edge in zip(self._speech, edges, strict=True) if part.start <= middle <= part.end]
        near = [edge for edge in around if abs(edge - at) <= WORD_OFF_S]
        near = near or [edge for edge in edges if abs(edge - at) <= self._settings.snap_s]
        return min(near, key=lambda edge: abs(edge - at), default=at)


@dataclass(frozen=True)
class _Group:
    """The words of a segment, and the silences before and after it where there are any."""

    words: list[_HeardWord]
    before: Interval | None
    after: Interval | None


def _duration(words: Sequence[_HeardWord]) -> float:
    return words[-1].word.end - words[0].word.start


def _ends_sentence(text: str) -> bool:
    """Return whether a word ends a sentence; a speaker who trails off (``…``) has not ended it."""
    return ends_sentence(text) and not text.rstrip().rstrip(CLOSING).endswith(("...", "…"))


def _text(words: Sequence[Word], language: str) -> str:
    return ("" if language in UNSPACED else " ").join(word.text for word in words)


def _confidence(words: Sequence[Word], no_speech_probability: float) -> float:
    """Return the mean of (1 − no-speech probability) and the mean probability of the words."""
    return ((1 - no_speech_probability) + float(np.mean([word.probability for word in words]))) / 2
