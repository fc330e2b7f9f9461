"""Stage 5: speak every segment, once, at the rate that fits its slot.

The length of a segment is predicted first, from its phonemes and the segments spoken before it. The placement of the
segments around it gives the rate, and the voice is asked for that; what is left is small enough to stretch. Rates never
depend on which thread was quicker: for segment i only segments up to i − 4 count as spoken.

No segment is lost. One that comes out wrong is tried once more another way, then goes to the next engine of the list,
as a finding; what none can speak is marked, and the dub is degraded.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from vtlab.audio import Audio, silence, trim
from vtlab.engines.choice.voices import LAST_RESORT
from vtlab.engines.tts import Synthesizer, Voice
from vtlab.errors import LineError, TransientError
from vtlab.events import Finding, Severity
from vtlab.languages import UNSPACED
from vtlab.placement import NO_WINDOW_S, plan_rates
from vtlab.segments import SpokenSegment, TranslatedSegment
from vtlab.settings import AudioSyncSettings, TtsSettings
from vtlab.text.markup import strip_markup
from vtlab.text.sentences import clauses, split_clauses, split_sentences, word_count
from vtlab.text.verbalization import spell_out

STAGE = "tts"
VERSION = 3

LAG = 4  # segments before this one whose real length may not be known yet
BEHIND, AHEAD = 3, 6  # segments around this one that the plan looks at
LEARNT_S = 4.0  # speech after which what was measured of a voice outweighs what was assumed of it
WORTH_SHORTER = 0.95  # a candidate must be this much shorter to be taken
LEAST_NATURAL_S = 0.1  # no segment is predicted to be shorter
JOIN_S = 0.15  # pause between pieces of a text that was split
CLIPPED, CLIPPED_SHARE = 0.999, 0.01  # samples at full scale, and the share of them that is no longer a peak
# seconds per character of the text as it is said, outside of which a segment was cut off or fell into a loop; where
# words are not spaced a character is a syllable or two
LEAST_S_PER_CHAR, MOST_S_PER_CHAR = 0.02, 0.2
LEAST_S_PER_SYLLABLE, MOST_S_PER_SYLLABLE = 0.06, 0.6
DIGIT_LETTERS = 6  # a figure that was not spelt out takes as long as so many letters
SHORT_S = 1.5  # more than that per character is nothing to wonder about below this
LONGEST_RETRY_AFTER_S = 60.0
EMPTY = Audio(np.zeros(0, np.float32), 24000)


@dataclass(frozen=True)
class VoiceEngine:
    """An engine that speaks the target language, and the voice that it gives to a speaker.

    Attributes:
        name: The engine's name, for findings and records.
        engine: Speaks; a class of your own will do.
        assign_voice: Returns the voice of a speaker; ``None`` is a speaker whom nobody told apart.
        seconds_per_unit: What a unit of ``engine.units`` lasts, before anything is known of the voice.
    """

    name: str
    engine: Synthesizer
    assign_voice: Callable[[str | None], Voice]
    seconds_per_unit: float


def speak(
    segments: Iterable[TranslatedSegment],
    engines: Sequence[VoiceEngine],
    settings: TtsSettings,
    sync: AudioSyncSettings,
    total_s: float,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> Iterator[SpokenSegment]:
    """Speak segments, in order, with as many threads as the first engine is worth.

    A segment is taken up when the six after it have come or there are no more. Stopping early stops the threads after
    the request they are at. What an engine raises besides ``TransientError`` and ``LineError`` is raised here.

    Args:
        segments: Translated segments, as they come.
        engines: The engine that speaks, then those that stand in for it.
        settings: Rates, tries and waits.
        sync: Speeds that the placement will prefer.
        total_s: Length of the video.
        on_finding: Gets ``condensed``, ``respoken``, ``fallback_voice``, and ``not_spoken``, which degrades the dub.

    Yields:
        Each segment with its speech; with ``failed`` set where no engine could speak it.

    Examples:
        >>> import numpy as np
        >>> from vtlab.audio import Audio
        >>> from vtlab.engines.tts import Voice
        >>> from vtlab.segments import Segment, TranslatedSegment
        >>> from vtlab.settings import AudioSyncSettings, TtsSettings
        >>> from vtlab.stages import tts
        >>> class Hum:
        ...     network, parallel, max_chars, rates = False, 1, 200, (0.5, 2.0)
        ...     def units(self, text, voice):
        ...         return float(len(text))
        ...     def speak(self, text, voice, rate):
        ...         return Audio(np.full(int(1600 * len(text) / rate), 0.1, np.float32), 16000)
        >>> voice = tts.VoiceEngine("hum", Hum(), lambda speaker: Voice("low", "en", "male"), seconds_per_unit=0.1)
        >>> segments = [TranslatedSegment(Segment(0, 0.0, 1.3, "Bom dia."), "Good morning.", "en", "mine")]
        >>> (spoken,) = tts.speak(segments, [voice], TtsSettings(), AudioSyncSettings(), total_s=2.0)
        >>> spoken.voice, round(spoken.audio.duration, 2)
        ('low', 1.3)
    """
    plan = _SpeechPlan(engines, settings, sync, total_s)
    stopped = threading.Event()
    worker = _SpeechWorker(engines, settings, stopped)
    pending: list[Future[_Outcome]] = []
    given = iter(segments)
    yielded = 0
    threads = ThreadPoolExecutor(max(1, engines[0].engine.parallel), "tts")
    try:
        while plan.take(given, upto=len(pending) + 1 + AHEAD) > len(pending):
            index = len(pending)
            if index >= LAG:
                plan.learn(index - LAG, pending[index - LAG].result().segment)
            planned, rate = plan.next(index)
            pending.append(threads.submit(worker.speak, planned, rate))
            while yielded < len(pending) and pending[yielded].done():
                yield pending[yielded].result().report(on_finding)
                yielded += 1
        for future in pending[yielded:]:
            yield future.result().report(on_finding)
    finally:
        stopped.set()
        threads.shutdown(wait=True, cancel_futures=True)


@dataclass
class _PlannedSegment:
    """A segment that is to be spoken.

    Attributes:
        segment: The translated segment.
        text: What is spoken, as written: the translation, or a shorter candidate.
        spoken_form: The same as the voice gets it, numbers in words.
        leader: The engine that is to speak it; the others stand in.
        voice: Its voice.
    """

    segment: TranslatedSegment
    text: str
    spoken_form: str
    leader: VoiceEngine
    voice: Voice

    @property
    def id(self) -> int:
        return self.segment.source.id

    @property
    def condensed(self) -> bool:
        return self.text != self.segment.text


@dataclass
class _Outcome:
    """A spoken segment, and its findings, kept until the segments before it have reported theirs."""

    segment: SpokenSegment
    findings: list[Finding] = field(default_factory=list)

    def report(self, on_finding: Callable[[Finding], None]) -> SpokenSegment:
        for finding in self.findings:
            on_finding(finding)
        return self.segment


# ---------------------------------------------------------------- what is said, and how fast


class _SpeechPlan:
    """The text and the rate of each segment, from measured and predicted lengths of those around it."""

    def __init__(
        self, engines: Sequence[VoiceEngine], settings: TtsSettings, sync: AudioSyncSettings, total_s: float
    ) -> None:
        self._casting = _Casting(engines, settings)
        self._settings, self._sync, self._total_s = settings, sync, total_s
        self._segments: list[_PlannedSegment] = []
        self._ended = False
        self._measured_s: dict[int, float] = {}  # natural seconds by segment
        self._pace: dict[tuple[str, str], tuple[float, float]] = {}  # seconds and units spoken by each engine and voice
        self._units: dict[tuple[str, str, str], float] = {}

    def take(self, given: Iterator[TranslatedSegment], upto: int) -> int:
        """Read segments until there are ``upto`` or no more; return how many there are."""
        while not self._ended and len(self._segments) < upto:
            segment = next(given, None)
            if segment is None:
                self._ended = True
            else:
                spoken_form = _make_spoken_form(segment.text, segment.language)
                role = self._casting.role(segment.source.speaker)
                self._segments.append(_PlannedSegment(segment, segment.text, spoken_form, *role))
        return len(self._segments)

    def learn(self, index: int, spoken: SpokenSegment) -> None:
        """Note how long a segment really was."""
        if spoken.silent:
            return
        natural_s = spoken.audio.duration * spoken.rate
        self._measured_s[index] = natural_s
        planned = self._segments[index]
        role = (planned.leader.name, planned.voice.name)
        if role == (spoken.engine, spoken.voice):
            seconds, units = self._pace.get(role, (0.0, 0.0))
            self._pace[role] = (seconds + natural_s, units + self._length(index, planned.spoken_form))

    def next(self, index: int) -> tuple[_PlannedSegment, float]:
        """Return segment ``index`` with its text settled, and the rate to ask of its voice."""
        planned = self._segments[index]
        if not planned.spoken_form:
            return planned, 1.0
        speed = self._planned_speed(index)
        if max(speed, self._needed_speed(index)) > self._preferred_limit:
            speed = self._condense(index, speed)
        slowest, fastest = planned.leader.engine.rates
        low, high = max(self._settings.min_rate, slowest), min(self._settings.max_rate, fastest)
        return planned, round(min(max(speed, low), high), 2)

    @property
    def _preferred_limit(self) -> float:
        return self._sync.preferred_max_speed + 0.01

    def _condense(self, index: int, speed: float) -> float:
        """Choose the longest candidate that needs no more than the preferred speed, or the shortest of all."""
        planned = self._segments[index]
        enough = WORTH_SHORTER * self._length(index, planned.spoken_form)
        options: dict[str, str] = {}
        for candidate in planned.segment.candidates:
            spoken_form = _make_spoken_form(candidate, planned.segment.language)
            if spoken_form and self._length(index, spoken_form) <= enough:
                options.setdefault(spoken_form, candidate)
        for spoken_form in sorted(options, key=lambda option: (-self._length(index, option), option)):
            planned.text, planned.spoken_form = options[spoken_form], spoken_form
            speed = self._planned_speed(index)
            if max(speed, self._needed_speed(index)) <= self._preferred_limit:
                break
        return speed

    def _needed_speed(self, index: int) -> float:
        """Return the speed at which the segment would end with its source; 0 where the source's span is empty."""
        seconds = self._segments[index].segment.source.duration
        return self._natural_s(index) / seconds if seconds > NO_WINDOW_S else 0.0

    def _planned_speed(self, index: int) -> float:
        around = range(max(0, index - BEHIND), min(len(self._segments), index + AHEAD + 1))
        asked = [at for at in around if self._segments[at].spoken_form]
        windows = [self._segments[at].segment.source.interval for at in asked]
        total_s = self._total_s if self._ended and around.stop == len(self._segments) else None
        return plan_rates(windows, [self._natural_s(at) for at in asked], self._sync, total_s)[asked.index(index)]

    def _natural_s(self, index: int) -> float:
        if index in self._measured_s:
            return self._measured_s[index]
        planned = self._segments[index]
        seconds, units = self._pace.get((planned.leader.name, planned.voice.name), (0.0, 0.0))
        per_unit = (LEARNT_S + seconds) / (LEARNT_S / planned.leader.seconds_per_unit + units)
        return max(LEAST_NATURAL_S, per_unit * self._length(index, planned.spoken_form))

    def _length(self, index: int, spoken_form: str) -> float:
        leader, voice = self._segments[index].leader, self._segments[index].voice
        key = (leader.name, voice.name, spoken_form)
        if key not in self._units:
            self._units[key] = leader.engine.units(spoken_form, voice)
        return self._units[key]


class _Casting:
    """Give each speaker an engine and a voice: of the first engine, until all its voices are taken.

    A second speaker with the voice of the first is worse than one of another engine of the list; but a robot's voice,
    or a service's, is not taken for that, and a voice that the settings name is everybody's.
    """

    def __init__(self, engines: Sequence[VoiceEngine], settings: TtsSettings) -> None:
        first, *others = engines
        alike = [other for other in others if not other.engine.network and other.name not in LAST_RESORT]
        self._engines = [first] if settings.voice is not None else [first, *alike]
        self._roles: dict[str | None, tuple[VoiceEngine, Voice]] = {}

    def role(self, speaker: str | None) -> tuple[VoiceEngine, Voice]:
        """Return the engine and voice of a speaker, the same for every segment of theirs."""
        if speaker not in self._roles:
            taken = {(engine.name, voice.name) for engine, voice in self._roles.values()}
            first = self._engines[0]
            self._roles[speaker] = first, first.assign_voice(speaker)
            for engine in self._engines:
                voice = engine.assign_voice(speaker)
                if (engine.name, voice.name) not in taken:
                    self._roles[speaker] = engine, voice
                    break
        return self._roles[speaker]


def _make_spoken_form(text: str, language: str) -> str:
    """Return the text as a voice is given it: without notes and tags, numbers in words."""
    return spell_out(strip_markup(text), language)


# ---------------------------------------------------------------- speaking a segment


class _SpeechWorker:
    """Speak single segments: one engine after the other, each with its own retry policy. Safe for threads."""

    def __init__(self, engines: Sequence[VoiceEngine], settings: TtsSettings, stopped: threading.Event) -> None:
        self._engines = engines
        self._retries = {voice.name: _RetryPolicy(settings, voice.engine.network, stopped) for voice in engines}

    def speak(self, planned: _PlannedSegment, rate: float) -> _Outcome:
        if not planned.spoken_form:
            return _Outcome(SpokenSegment(planned.segment, "", EMPTY))
        findings = []
        if planned.condensed:
            message = f"A shorter translation fits: {planned.text!r}."
            findings.append(_finding("condensed", Severity.INFO, message, planned))
        tries, reasons = 0, []
        for voice_engine in (planned.leader, *(other for other in self._engines if other is not planned.leader)):
            speaker = planned.segment.source.speaker
            voice = planned.voice if voice_engine is planned.leader else voice_engine.assign_voice(speaker)
            slowest, fastest = voice_engine.engine.rates
            possible = min(max(rate, slowest), fastest)
            for pieces in _splits(planned.spoken_form, voice_engine.engine.max_chars):
                attempt = _Attempt(voice_engine.engine, voice, possible, planned, self._retries[voice_engine.name])
                try:
                    audio = attempt.speak(pieces)
                except TransientError as error:
                    reasons.append(f"{voice_engine.name}: {error}")
                    break
                except LineError as error:
                    reasons.append(f"{voice_engine.name}: {error}")
                    continue
                finally:
                    tries += attempt.tries
                if reasons:
                    findings.append(_recovery(voice_engine, voice, planned, reasons))
                spoken = SpokenSegment(
                    planned.segment, planned.text, audio, possible, voice_engine.name, voice.name, attempts=tries
                )
                return _Outcome(spoken, findings)
        reason = "; ".join(dict.fromkeys(reasons))
        message = f"No voice could speak {planned.spoken_form!r}: {reason}"
        findings.append(_finding("not_spoken", Severity.DEGRADED, message, planned))
        silent = SpokenSegment(planned.segment, planned.text, EMPTY, rate, attempts=tries, failed=reason)
        return _Outcome(silent, findings)


def _finding(code: str, severity: Severity, message: str, planned: _PlannedSegment) -> Finding:
    return Finding(STAGE, code, severity, message, planned.id)


def _recovery(spoke: VoiceEngine, voice: Voice, planned: _PlannedSegment, reasons: Sequence[str]) -> Finding:
    if spoke is planned.leader:
        return _finding("respoken", Severity.INFO, f"Spoken at the second try: {reasons[0]}", planned)
    message = f"Spoken by {spoke.name} ({voice.name}) instead: {reasons[0]}"
    return _finding("fallback_voice", Severity.WARNING, message, planned)


@dataclass
class _Attempt:
    """One way of speaking a segment with one voice; ``tries`` counts requests."""

    engine: Synthesizer
    voice: Voice
    rate: float
    planned: _PlannedSegment
    retries: _RetryPolicy
    tries: int = 0

    def speak(self, pieces: Sequence[str]) -> Audio:
        """Return the speech, piece by piece, trimmed; raise ``LineError`` where it is not what was asked for."""
        parts = []
        for piece in pieces:
            part = trim(self.retries.ask(partial(self._request, piece), self.planned.id))
            wrong = _defect(part, piece, self.rate, self.planned.segment.language)
            if wrong is not None:
                raise LineError(wrong)
            parts.append(part)
        return _join(parts, self.rate)

    def _request(self, piece: str) -> Audio:
        self.tries += 1
        return self.engine.speak(piece, self.voice, self.rate)


class _RetryPolicy:
    """Ask an engine again after a passing failure, with waits that double.

    A service gets one request at a time, some seconds apart, and none at all after too many segments failed in a row.
    """

    def __init__(self, settings: TtsSettings, network: bool, stopped: threading.Event) -> None:
        self._settings, self._network, self._stopped = settings, network, stopped
        self._turn = threading.Lock() if network else nullcontext()
        self._last = -float("inf")
        self._failures = 0

    def ask(self, request: Callable[[], Audio], seed: int) -> Audio:
        """Return the answer; raise ``TransientError`` after the last try. ``seed`` makes the jitter repeatable."""
        with self._turn:
            if self._network and self._failures >= self._settings.breaker:
                raise TransientError(f"it failed on {self._failures} segments in a row and is left alone")
            retrying = Retrying(
                retry=retry_if_exception_type(TransientError),
                stop=stop_after_attempt(self._settings.attempts) | stop_when_event_set(self._stopped),
                wait=partial(self._wait_s, random.Random(seed)),
                sleep=sleep_using_event(self._stopped),
            )
            try:
                answer = retrying(self._request_paced, request)
            except RetryError as error:
                self._failures += 1
                failure = error.last_attempt.exception()
                raise TransientError(str(failure)) from failure
            self._failures = 0
            return answer

    def _request_paced(self, request: Callable[[], Audio]) -> Audio:
        if self._network:
            self._stopped.wait(max(0.0, self._last + self._settings.pace_s - time.monotonic()))
            self._last = time.monotonic()
        return request()

    def _wait_s(self, jitter: random.Random, state: RetryCallState) -> float:
        settings = self._settings
        doubled = settings.backoff_s * 2.0 ** (state.attempt_number - 1)
        wait_s = jitter.uniform(0.75, 1.25) * min(doubled, settings.max_backoff_s)
        failure = state.outcome.exception() if state.outcome is not None else None
        asked_s = failure.retry_after_s if isinstance(failure, TransientError) else None
        return max(wait_s, min(asked_s or 0.0, LONGEST_RETRY_AFTER_S))


# ---------------------------------------------------------------- pieces, and whether they are right


def _splits(spoken_form: str, most: int) -> Iterator[list[str]]:
    """Yield the ways to give a text to a voice: as it is; then clause by clause, or with plainer punctuation."""
    pieces = _pieces(spoken_form, most)
    yield pieces
    parts = [part for clause in clauses(spoken_form) for part in _pieces(clause, most)]
    plain = re.sub(r"[^\w\s'’-]+", " ", spoken_form).strip()
    other = parts if len(parts) > len(pieces) else _pieces(f"{' '.join(plain.split())}.", most)
    if other != pieces and plain:
        yield other


def _pieces(text: str, most: int) -> list[str]:
    """Return pieces of at most ``most`` characters, cut at sentences, else at clauses, else between words."""
    if len(text) <= most:
        return [text]
    pieces: list[str] = []
    for sentence in split_sentences(text):
        for part in _cut(sentence, most):
            if pieces and len(pieces[-1]) + 1 + len(part) <= most:
                pieces[-1] = f"{pieces[-1]} {part}"
            else:
                pieces.append(part)
    return pieces


def _cut(sentence: str, most: int) -> list[str]:
    words = word_count(sentence)
    for parts in range(-(-len(sentence) // most), words + 1):
        pieces = split_clauses(sentence, -(-words // parts))
        if all(len(piece) <= most for piece in pieces):
            return pieces
    return [sentence[at : at + most] for at in range(0, len(sentence), most)]  # one endless word


def _join(parts: Sequence[Audio], rate: float) -> Audio:
    if len(parts) == 1:
        return parts[0]
    hertz = parts[0].rate
    pause = silence(JOIN_S / rate, hertz).samples
    samples = [samples for part in parts for samples in (part.samples, pause)]
    return Audio(np.concatenate(samples[:-1]), hertz)


def _defect(audio: Audio, text: str, rate: float, language: str) -> str | None:
    """Return why this sound cannot be the text, or ``None``."""
    if len(audio.samples) == 0:
        return f"there is no sound for {text!r}"
    clipped = float(np.mean(np.abs(audio.samples) >= CLIPPED))
    if clipped > CLIPPED_SHARE:
        return f"{clipped:.0%} of the sound for {text!r} is clipped"
    natural_s = audio.duration * rate
    least, most = LEAST_S_PER_CHAR, MOST_S_PER_CHAR
    if language in UNSPACED:
        least, most = LEAST_S_PER_SYLLABLE, MOST_S_PER_SYLLABLE
    letters = sum(letter.isalnum() for letter in text)
    at_most = letters + (DIGIT_LETTERS - 1) * sum(letter.isdigit() for letter in text)
    if natural_s < least * letters or natural_s > max(SHORT_S, most * at_most):
        return f"{natural_s:.1f} s cannot be the {letters} letters of {text!r}"
    return None
