"""Stage 3: what is said and when, cut into lines.

Voice activity finds the speech; spans of up to 28 s go to the recogniser; what comes back is cut again into lines, at
sentence ends and at the pauses that the voice activity shows, and each line's edges are snapped to the voice activity.
Where lines are cut decides how well a dub keeps time, more than how they are placed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

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
VERSION = 2

SPAN_S = 28.0  # Whisper's window is 30 s; the rest is room for padding
SPAN_GAP_S = 3.0  # a longer silence inside a span invites invented text
FINE_SILENCE_S = 0.1  # the shortest pause that is looked at as a place to cut
FINE_SPEECH_S = 0.06
MISSED_S = 1.5  # speech this long without a word is given to the recogniser once more
SEAM_REACH_S = 0.12  # how far from the word boundary two touching sentences may be parted
WORD_OFF_S = 0.8  # how far the first and last word of a span may be from where its speech begins and ends
GAP_REACH_S = 0.5  # a pause belongs to a gap between words no further away than this
SENTENCE_PULL_S, COMMA_PULL_S = 0.35, 0.15  # a pause goes that much further to find the end of a sentence or clause
COMMA_PAUSE_SHARE = 0.6  # of the pause that cuts anywhere: enough to cut after a comma, or a line already long
LONG_LINE_S = 5.0
LEAST_LINE_S = 0.5
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
    """Where somebody speaks in 16 kHz mono sound, pauses of 0.1 s and more left out.

    Raises ``InputError`` (``E_NO_SPEECH``) where nobody does.
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
    """The language spoken, by vote over up to ``detection_windows`` spans of speech spread over the sound.

    Music and silence have no vote. Where the first span and the last leave no doubt, the others are not asked: that
    takes about as long as recognising them. A narrow vote is a finding.
    """
    spans = spans_of(audio, speech, settings.voice_activity)
    picks = np.unique(np.linspace(0, len(spans) - 1, min(settings.detection_windows, len(spans))).round().astype(int))
    windows = [
        cut(audio, spans[pick].start, min(spans[pick].end, spans[pick].start + DETECTION_WINDOW_S))
        for pick in (*picks[:1], *picks[:0:-1])  # the first, then from the last back
    ]
    with ThreadPoolExecutor(SURE_WINDOWS, "detection") as threads:
        heard = list(threads.map(engine.detect_language, windows[:SURE_WINDOWS]))
    if not _sure(heard):
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


def _sure(heard: Sequence[dict[str, float]]) -> bool:
    best = {max(probabilities, key=lambda language: probabilities[language]) for probabilities in heard}
    return len(best) == 1 and all(max(probabilities.values()) >= SURE_LANGUAGE for probabilities in heard)


def spans_of(audio: Audio, speech: Sequence[Interval], settings: VoiceActivitySettings) -> list[Interval]:
    """Spans of at most 28 s for the recogniser, padded, cut at the longest pauses; all speech is in one of them."""
    spans: list[Interval] = []
    for stretch in merge_intervals(speech, SPAN_GAP_S):
        parts = [part for part in speech if stretch.start <= part.start < stretch.end]
        spans += _packed(audio, parts)
    return [_padded(span, index, spans, settings.pad_s, audio.duration) for index, span in enumerate(spans)]


def transcribe(
    audio: Audio,
    speech: Sequence[Interval],
    engine: Transcriber,
    settings: TranscriptionSettings,
    language: str,
    on_finding: Callable[[Finding], None],
) -> Iterator[Segment]:
    """Lines of the speech in 16 kHz mono sound, in order, ids from 0, as they are recognised.

    Raises ``InputError`` (``E_NO_SPEECH``) where the recogniser hears no word in any of it.
    """
    spans = spans_of(audio, speech, settings.voice_activity)
    cutter = _Cutter(audio, speech, settings, language, on_finding)
    count = 0
    for index, (span, utterances) in enumerate(zip(spans, engine.transcribe(audio, spans, language), strict=True)):
        heard = [*utterances, *_missed(audio, span, speech, utterances, engine, language, on_finding)]
        following = spans[index + 1].start if index + 1 < len(spans) else None
        for segment in cutter.lines(sorted(heard, key=_start), following):
            yield replace(segment, id=count)
            count += 1
    if count == 0:
        raise InputError(
            "No word was understood in the speech of this file. Name its language, or choose a larger model.",
            code="E_NO_SPEECH",
        )


# ---------------------------------------------------------------- spans


def _packed(audio: Audio, parts: Sequence[Interval]) -> list[Interval]:
    """Parts of speech packed into as few spans as hold them, each cut at the longest pause of its second half."""
    spans: list[Interval] = []
    rest = list(parts)
    while rest:
        start = rest[0].start
        if rest[-1].end - start <= SPAN_S:
            return [*spans, Interval(start, rest[-1].end)]
        pauses = [
            (rest[i + 1].start - rest[i].end, i)
            for i in range(len(rest) - 1)
            if SPAN_S / 2 <= rest[i].end - start <= SPAN_S
        ]
        if pauses:
            _, last = max(pauses)
            spans.append(Interval(start, rest[last].end))
            rest = rest[last + 1 :]
        else:
            at = _quietest(audio, start + SPAN_S * 0.75, start + SPAN_S)
            spans.append(Interval(start, at))
            rest = [Interval(max(part.start, at), part.end) for part in rest if part.end > at]
    return spans


def _padded(span: Interval, index: int, spans: Sequence[Interval], pad_s: float, duration: float) -> Interval:
    """The span with ``pad_s`` on both sides, or half of the silence where that is shorter."""
    before = span.start - spans[index - 1].end if index else span.start
    after = (spans[index + 1].start if index + 1 < len(spans) else duration) - span.end
    return Interval(span.start - max(0.0, min(pad_s, before / 2)), span.end + max(0.0, min(pad_s, after / 2)))


def _quietest(audio: Audio, start: float, end: float) -> float:
    """The time of the quietest 30 ms from ``start`` to ``end``."""
    levels = levels_db(cut(audio, start, end))
    if len(levels) < 3:
        return (start + end) / 2
    smooth = np.convolve(levels, np.ones(3) / 3, mode="valid")
    return start + (int(np.argmin(smooth)) + 1.5) * FRAME_S


def _missed(
    audio: Audio,
    span: Interval,
    speech: Sequence[Interval],
    heard: Sequence[Utterance],
    engine: Transcriber,
    language: str,
    on_finding: Callable[[Finding], None],
) -> list[Utterance]:
    """What the recogniser hears when speech it passed over is given to it alone."""
    if any(utterance.exact for utterance in heard):
        return []
    words = sorted((word for utterance in heard for word in utterance.words), key=lambda word: word.start)
    inside = [Interval(max(p.start, span.start), min(p.end, span.end)) for p in speech if p.overlap(span) > 0]
    gaps = _without_words(merge_intervals(inside, 0.5), words)
    found: list[Utterance] = []
    for gap in gaps:
        again = [u for batch in engine.transcribe(audio, [gap], language) for u in batch]
        inside_gap = [u for u in again if u.words and _confidence(u.words, u.no_speech_probability) >= 0.4]
        found += [_clipped(utterance, gap) for utterance in inside_gap]
        if not inside_gap:
            message = f"Speech from {gap.start:.1f} s to {gap.end:.1f} s was not understood."
            on_finding(Finding(STAGE, "not_understood", Severity.WARNING, message, None, gap.duration, MISSED_S))
    return [utterance for utterance in found if utterance.words]


def _without_words(speech: Sequence[Interval], words: Sequence[Word]) -> list[Interval]:
    """Stretches of speech of ``MISSED_S`` and more in which no word is."""
    out = []
    for stretch in speech:
        edge = stretch.start
        for word in words:
            if word.end <= stretch.start or word.start >= stretch.end:
                continue
            if word.start - edge >= MISSED_S:
                out.append(Interval(edge, word.start))
            edge = max(edge, word.end)
        if stretch.end - edge >= MISSED_S:
            out.append(Interval(edge, stretch.end))
    return out


def _clipped(utterance: Utterance, span: Interval) -> Utterance:
    words = tuple(word for word in utterance.words if span.start - 0.1 <= (word.start + word.end) / 2 <= span.end + 0.1)
    return replace(utterance, words=words)


def _start(utterance: Utterance) -> float:
    return utterance.words[0].start if utterance.words else 0.0


# ---------------------------------------------------------------- lines


@dataclass(frozen=True)
class _Heard:
    """A word, with what is known of the utterance it came in."""

    word: Word
    no_speech: float
    speaker: str | None


class _Cutter:
    """Cuts words into lines, span by span; what may go on in the next span waits for it."""

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
        self._waiting: list[_Heard] = []
        self._said: list[str] = []
        self._last_end = 0.0

    def lines(self, utterances: Sequence[Utterance], following: float | None) -> Iterator[Segment]:
        """Segments (ids not yet set) for one span; ``following`` is where the next span starts, if there is one."""
        for utterance in utterances:
            if utterance.exact:
                yield from self._exact(utterance)
                continue
            self._waiting += [_Heard(w, utterance.no_speech_probability, utterance.speaker) for w in utterance.words]
        words = self._waiting
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

    def _exact(self, utterance: Utterance) -> Iterator[Segment]:
        words = utterance.words
        yield Segment(
            0,
            words[0].start,
            words[-1].end,
            _text(words, self._language),
            words,
            utterance.speaker,
            self._language,
            1.0,
        )

    def _groups(self, heard: list[_Heard]) -> list[_Group]:
        pauses = self._pauses([item.word for item in heard])
        settings = self._settings
        groups = [_Group(heard[:1], pauses.get(0), None)]
        for index in range(1, len(heard)):
            before, after, pause = heard[index - 1], heard[index], pauses.get(index)
            length = pause.duration if pause else 0.0
            mark = before.word.text.rstrip(CLOSING)[-1:]
            enough = settings.cut_pause_s
            if mark in COMMA or _duration(groups[-1].words) > LONG_LINE_S:
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
        """An empty pause where two sentences touch: the quietest moment near the word boundary."""
        middle = (before.end + after.start) / 2
        at = _quietest(self._audio, max(middle - SEAM_REACH_S, before.start), min(middle + SEAM_REACH_S, after.end))
        return Interval(at, at)

    def _pauses(self, words: Sequence[Word]) -> dict[int, Interval]:
        """The silence before each word that has one, by the word's index (their count: the silence after the last).

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
        return found

    def _without_scraps(self, groups: list[_Group]) -> list[_Group]:
        """Lines of less than half a second that end no sentence, joined to the nearer neighbour."""
        out: list[_Group] = []
        for group in groups:
            scrap = bool(out) and (
                _duration(out[-1].words) < LEAST_LINE_S
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
        """The line, cut at its best places until no part is longer than ``max_segment_s``."""
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
        """Where the line is spoken, by the voice activity where it shows an edge nearby, else by the words."""
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
        """The edge nearest to ``at``: that of the speech around the word, if it is at most ``WORD_OFF_S`` away, or
        another within ``snap_s``; else ``at`` itself."""
        middle = (word.start + word.end) / 2
        around = [edge for part, edge in zip(self._speech, edges, strict=True) if part.start <= middle <= part.end]
        near = [edge for edge in around if abs(edge - at) <= WORD_OFF_S]
        near = near or [edge for edge in edges if abs(edge - at) <= self._settings.snap_s]
        return min(near, key=lambda edge: abs(edge - at), default=at)


@dataclass(frozen=True)
class _Group:
    """The words of a line, and the silences before and after it where there are any."""

    words: list[_Heard]
    before: Interval | None
    after: Interval | None


def _duration(words: Sequence[_Heard]) -> float:
    return words[-1].word.end - words[0].word.start


def _ends_sentence(text: str) -> bool:
    """A speaker who trails off (``…``) has not ended the sentence."""
    return ends_sentence(text) and not text.rstrip().rstrip(CLOSING).endswith(("...", "…"))


def _text(words: Sequence[Word], language: str) -> str:
    return ("" if language in UNSPACED else " ").join(word.text for word in words)


def _confidence(words: Sequence[Word], no_speech_probability: float) -> float:
    """Mean of (1 − no-speech probability) and the mean probability of the words."""
    return ((1 - no_speech_probability) + float(np.mean([word.probability for word in words]))) / 2
