"""Stage 5: every line spoken, once, at the rate that fits its slot.

How long a line will be is predicted first, from its phonemes and the lines spoken before it; the placement of the
lines around it then says how fast it should go, and the voice is asked for that rate. What is left is small enough to
stretch. Rates never depend on which thread was quicker: for line i only lines up to i − 4 count as spoken.

No line is lost. What one engine cannot speak goes to the next of the list, as a finding; what none can speak is marked,
and the dub is degraded.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from vtlab.audio import Audio, silence, trim
from vtlab.engines.translation.sentences import clauses, split_sentences
from vtlab.engines.tts import Synthesizer, Voice
from vtlab.errors import LineError, TransientError
from vtlab.findings import Finding, Severity
from vtlab.languages import UNSPACED
from vtlab.segments import SpokenSegment, TranslatedSegment
from vtlab.settings import AudioSyncSettings, TtsSettings
from vtlab.spoken_text import speakable, spell_out
from vtlab.timeline import plan_rates

STAGE = "tts"
VERSION = 1

LAG = 4  # lines before this one whose real length may not be known yet
BEHIND, AHEAD = 3, 6  # lines around this one that the plan looks at
LEARNT_UNITS = 40.0  # units after which what was measured of a voice outweighs what was assumed of it
WORTH_SHORTER = 0.95  # a candidate must be this much shorter to be taken
JOIN_S = 0.12  # pause between pieces of a text that was split
CLIPPED, CLIPPED_SHARE = 0.999, 0.01
LEAST_S_PER_CHAR, MOST_S_PER_CHAR = 0.02, 0.35  # outside of this a line was cut off or fell into a loop
CHECKED_CHARS = 8
EMPTY = np.zeros(0, np.float32)
SILENT_HZ = 24000


@dataclass(frozen=True)
class VoiceEngine:
    """An engine that speaks the language here, and the voice that it gives to a speaker."""

    name: str
    engine: Synthesizer
    voice_of: Callable[[str | None], Voice]
    seconds_per_unit: float  # before anything is known of the voice


def speak(
    segments: Iterable[TranslatedSegment],
    engines: Sequence[VoiceEngine],
    settings: TtsSettings,
    sync: AudioSyncSettings,
    total_s: float,
    on_finding: Callable[[Finding], None],
) -> Iterator[SpokenSegment]:
    """Every line with its speech, in order, spoken by as many threads as the first engine is worth.

    ``total_s`` is the length of the video. Stopping early stops the threads after the line they are at.
    """
    lines = _Lines(engines, settings, sync, total_s)
    mouth = _Mouth(engines, settings, on_finding)
    spoken: list[Future[SpokenSegment]] = []
    given = iter(segments)
    yielded = 0
    with ThreadPoolExecutor(max(1, engines[0].engine.parallel), "tts") as threads:
        try:
            while lines.take(given, upto=len(spoken) + 1 + AHEAD) > len(spoken):
                index = len(spoken)
                known = [future.result() for future in spoken[: max(0, index - LAG + 1)]]
                text, rate = lines.plan(index, known)
                spoken.append(threads.submit(mouth.say, lines.segments[index], text, rate))
                while yielded < len(spoken) and spoken[yielded].done():
                    yield spoken[yielded].result()
                    yielded += 1
            for future in spoken[yielded:]:
                yield future.result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


class _Lines:
    """The lines that came so far, what may be said for each, and how long that would take."""

    def __init__(
        self, engines: Sequence[VoiceEngine], settings: TtsSettings, sync: AudioSyncSettings, total_s: float
    ) -> None:
        self.segments: list[TranslatedSegment] = []
        self._first = engines[0]
        self._settings, self._sync, self._total_s = settings, sync, total_s
        self._texts: list[str] = []  # what is said, or planned to be said
        self._ended = False

    def take(self, given: Iterator[TranslatedSegment], upto: int) -> int:
        """Takes lines until there are ``upto`` or no more; returns how many there are."""
        while not self._ended and len(self.segments) < upto:
            segment = next(given, None)
            if segment is None:
                self._ended = True
            else:
                self.segments.append(segment)
                self._texts.append(_said(segment.text, segment.language))
        return len(self.segments)

    def plan(self, index: int, known: Sequence[SpokenSegment]) -> tuple[str, float]:
        """What line ``index`` says and at which rate; the empty text where it says nothing."""
        if not self._texts[index]:
            return "", 1.0
        speed = self._speed(index, self._texts[index], known)
        if speed > self._sync.preferred_max_speed + 0.01:
            speed = self._shorter(index, speed, known)
        low = max(self._settings.min_rate, self._first.engine.rates[0])
        high = min(self._settings.max_rate, self._first.engine.rates[1])
        return self._texts[index], round(min(max(speed, low), high), 2)

    def _shorter(self, index: int, speed: float, known: Sequence[SpokenSegment]) -> float:
        """Takes the longest candidate that needs no more than the preferred speed, or the shortest of all."""
        segment = self.segments[index]
        length = self._units(index, self._texts[index])
        options = {_said(candidate, segment.language) for candidate in segment.candidates} - {"", self._texts[index]}
        shorter = sorted(
            (option for option in options if self._units(index, option) <= WORTH_SHORTER * length),
            key=lambda option: (-self._units(index, option), option),
        )
        for option in shorter:
            self._texts[index], speed = option, self._speed(index, option, known)
            if speed <= self._sync.preferred_max_speed + 0.01:
                break
        return speed

    def _speed(self, index: int, text: str, known: Sequence[SpokenSegment]) -> float:
        around = range(max(0, index - BEHIND), min(len(self.segments), index + AHEAD + 1))
        asked = [line for line in around if self._texts[line]]
        per_unit = self._seconds_per_unit(index, known)
        natural = []
        for line in asked:
            if line < len(known) and not known[line].silent:
                natural.append(known[line].audio.duration * known[line].rate)
            else:
                said = text if line == index else self._texts[line]
                natural.append(max(0.1, per_unit * self._units(line, said)))
        windows = [self.segments[line].source.interval for line in asked]
        total = self._total_s if self._ended and around.stop == len(self.segments) else None
        return plan_rates(windows, natural, self._sync, total)[asked.index(index)]

    def _seconds_per_unit(self, index: int, known: Sequence[SpokenSegment]) -> float:
        """What the voice of this line was measured to take for a unit, leaning on what was assumed of it."""
        voice = self._voice(index).name
        seconds, units = LEARNT_UNITS * self._first.seconds_per_unit, LEARNT_UNITS
        for line, spoken in enumerate(known):
            if spoken.voice == voice and not spoken.silent and spoken.engine == self._first.name:
                seconds += spoken.audio.duration * spoken.rate
                units += self._units(line, spoken.text)
        return seconds / units

    def _units(self, index: int, text: str) -> float:
        return self._first.engine.units(text, self._voice(index))

    def _voice(self, index: int) -> Voice:
        return self._first.voice_of(self.segments[index].source.speaker)


class _Mouth:
    """Speaks single lines: one engine after the other, each with its own patience. Used by several threads."""

    def __init__(
        self, engines: Sequence[VoiceEngine], settings: TtsSettings, on_finding: Callable[[Finding], None]
    ) -> None:
        self._engines, self._settings, self._on_finding = engines, settings, on_finding
        self._networks = {voice.name: _Network(settings) for voice in engines if voice.engine.network}

    def say(self, segment: TranslatedSegment, text: str, rate: float) -> SpokenSegment:
        if not text:
            return SpokenSegment(segment, "", Audio(EMPTY, SILENT_HZ))
        number = segment.source.id
        if text != _said(segment.text, segment.language):
            message = f"A shorter translation is spoken to fit: {text!r}."
            self._on_finding(Finding(STAGE, "condensed", Severity.INFO, message, number))
        attempts, reasons = 0, []
        for voice_engine in self._engines:
            voice = voice_engine.voice_of(segment.source.speaker)
            for split in (False, True):  # a line that came out wrong is tried once more, clause by clause
                try:
                    audio, tries = self._spoken(voice_engine, text, segment.language, voice, rate, split, number)
                except (LineError, TransientError) as error:
                    attempts += self._settings.attempts if voice_engine.engine.network else 1
                    reasons.append(f"{voice_engine.name}: {error}")
                    break
                attempts += tries
                wrong = _wrong(audio, text, rate, segment.language)
                if wrong is None:
                    if reasons:
                        message = f"Spoken by {voice_engine.name} ({voice.name}) instead: {reasons[0]}"
                        self._on_finding(Finding(STAGE, "fallback_voice", Severity.WARNING, message, number))
                    return SpokenSegment(segment, text, audio, rate, voice_engine.name, voice.name, attempts)
                reasons.append(f"{voice_engine.name}: {wrong}")
        reason = "; ".join(dict.fromkeys(reasons))
        message = f"No voice could speak {text!r}: {reason}"
        self._on_finding(Finding(STAGE, "not_spoken", Severity.DEGRADED, message, number))
        return SpokenSegment(segment, text, Audio(EMPTY, SILENT_HZ), rate, attempts=attempts, failed=reason)

    def _spoken(
        self, voice_engine: VoiceEngine, text: str, language: str, voice: Voice, rate: float, split: bool, number: int
    ) -> tuple[Audio, int]:
        engine = voice_engine.engine
        parts, tries = [], 0
        for piece in _pieces(text, language, engine.max_chars, split):
            network = self._networks.get(voice_engine.name)
            if network is None:
                audio, more = engine.speak(piece, voice, rate), 1
            else:
                audio, more = network.ask(partial(engine.speak, piece, voice, rate), number)
            tries += more
            parts.append(trim(audio))
        return _joined(parts, rate), tries


class _Network:
    """Patience with a service: one request at a time, apart; waits that double, with jitter; then none at all."""

    def __init__(self, settings: TtsSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._last = -float("inf")
        self._failures = 0

    def ask(self, request: Callable[[], Audio], seed: int) -> tuple[Audio, int]:
        """The answer, and how many tries it took; ``LineError`` once the service is left alone."""
        from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt

        with self._lock:
            if self._failures >= self._settings.breaker:
                raise LineError(f"it failed {self._failures} times in a row and is left alone")
            jitter = random.Random(seed)
            settings = self._settings
            tries = 0
            retrying = Retrying(
                retry=retry_if_exception_type(TransientError),
                stop=stop_after_attempt(settings.attempts),
                wait=lambda state: (
                    jitter.uniform(1.0, 1.3)
                    * min(settings.backoff_s * 2 ** (state.attempt_number - 1), settings.max_backoff_s)
                ),
            )
            try:
                for attempt in retrying:
                    with attempt:
                        tries += 1
                        time.sleep(max(0.0, self._last + settings.pace_s - time.monotonic()))
                        self._last = time.monotonic()
                        audio = request()
            except RetryError as error:
                self._failures += 1
                raise LineError(str(error.last_attempt.exception())) from error
            except LineError:
                self._failures += 1
                raise
            self._failures = 0
            return audio, tries


def _said(text: str, language: str) -> str:
    """What the voice is given: without notes and tags, numbers in words."""
    return spell_out(speakable(text), language)


def _pieces(text: str, language: str, most: int, split: bool) -> list[str]:
    """The text in pieces that the engine takes: whole, else by sentences, else by clauses."""
    if split:
        return clauses(text) or [text]
    if len(text) <= most:
        return [text]
    pieces: list[str] = []
    for sentence in split_sentences(text):
        for part in [sentence] if len(sentence) <= most else clauses(sentence):
            if pieces and len(pieces[-1]) + len(part) < most:
                pieces[-1] = f"{pieces[-1]} {part}"
            else:
                pieces.append(part)
    return [part[at : at + most] for part in pieces for at in range(0, len(part), most)]


def _joined(parts: Sequence[Audio], rate: float) -> Audio:
    if len(parts) == 1:
        return parts[0]
    hertz = parts[0].rate
    pause = silence(JOIN_S / rate, hertz).samples
    samples = [samples for part in parts for samples in (part.samples, pause)]
    return Audio(np.concatenate(samples[:-1]), hertz)


def _wrong(audio: Audio, text: str, rate: float, language: str) -> str | None:
    """Why this cannot be the line, or nothing."""
    if len(audio.samples) == 0:
        return "nothing was heard"
    clipped = float(np.mean(np.abs(audio.samples) >= CLIPPED))
    if clipped > CLIPPED_SHARE:
        return f"{clipped:.0%} of it is clipped"
    per_char = audio.duration * rate / len(text)
    most = MOST_S_PER_CHAR * (3 if language in UNSPACED else 1)
    if len(text) >= CHECKED_CHARS and not LEAST_S_PER_CHAR <= per_char <= most:
        return f"{audio.duration:.1f} s for {len(text)} characters is not that text"
    return None
