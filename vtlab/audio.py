"""Samples with their rate, and arithmetic on them.

Samples are float32, full scale −1…1, shape ``(n,)`` for mono or ``(n, channels)``. Nothing here changes its input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

AUDIBLE_DB = -40.0  # below a segment's loudest frame: what a listener no longer hears as speech
SILENCE_DB = -50.0  # below the loudest frame: what trimming takes for silence
FRAME_S = 0.01  # length of a frame in level measurements
LOUDNESS_HOP_S, SHORT_TERM_HOPS = 0.1, 30  # loudness: blocks of 400 ms by this hop; short-term, 3 s (EBU Tech 3341)


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound: ``samples``, float32 of shape ``(n,)`` or ``(n, channels)``, −1…1, at ``rate`` Hz."""

    samples: Samples
    rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if self.samples.ndim == 1 else self.samples.shape[1]


def silence(seconds: float, rate: int) -> Audio:
    """Return mono silence, rounded to a whole number of samples."""
    return Audio(np.zeros(round(seconds * rate), np.float32), rate)


def mono(audio: Audio) -> Audio:
    """Return the mean of all channels."""
    if audio.samples.ndim == 1:
        return audio
    return Audio(audio.samples.mean(axis=1, dtype=np.float32), audio.rate)


def resample(audio: Audio, rate: int) -> Audio:
    """Return the same sound at another rate, by polyphase filtering; its length is rounded up to whole samples."""
    if rate == audio.rate or len(audio.samples) == 0:
        return Audio(audio.samples, rate)
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(rate, audio.rate)
    samples = resample_poly(audio.samples, rate // common, audio.rate // common, axis=0)
    return Audio(samples.astype(np.float32), rate)


def cut(audio: Audio, start: float, end: float) -> Audio:
    """Return the sound from ``start`` to ``end`` seconds, both held within it."""
    first, last = (min(max(round(at * audio.rate), 0), len(audio.samples)) for at in (start, end))
    return Audio(audio.samples[first : max(first, last)], audio.rate)


def levels_db(audio: Audio, frame_s: float = FRAME_S) -> NDArray[np.float64]:
    """Return the RMS level of each frame in dBFS, shape ``(frames,)``; a silent frame is −120."""
    frame = max(1, round(frame_s * audio.rate))
    samples = mono(audio).samples
    whole = len(samples) // frame * frame
    frames = [samples[:whole].reshape(-1, frame)] if whole else []
    power = [np.mean(np.square(part, dtype=np.float64), axis=1) for part in frames]
    if whole < len(samples):
        power.append(np.array([np.mean(np.square(samples[whole:], dtype=np.float64))]))
    return np.asarray(10 * np.log10(np.maximum(np.concatenate(power) if power else np.zeros(0), 1e-12)))


def trim(audio: Audio, below_db: float = SILENCE_DB, keep_s: float = 0.01) -> Audio:
    """Return the sound without leading and trailing silence; of silence nothing is left.

    Args:
        audio: The sound.
        below_db: Frames this much below the loudest one are silent, dB (negative).
        keep_s: Silence left on both sides, seconds, so that a soft consonant keeps its attack.
    """
    levels = levels_db(audio)
    if len(levels) == 0 or levels.max() <= -100:
        return Audio(audio.samples[:0], audio.rate)
    loud = np.flatnonzero(levels > levels.max() + below_db)
    frame_s = max(1, round(FRAME_S * audio.rate)) / audio.rate  # whole samples: at 22050 Hz less than FRAME_S
    return cut(audio, loud[0] * frame_s - keep_s, (loud[-1] + 1) * frame_s + keep_s)


def fade(audio: Audio, seconds: float) -> Audio:
    """Return the sound faded in and out by raised cosines of ``seconds`` each, at most half the sound."""
    length = min(round(seconds * audio.rate), len(audio.samples) // 2)
    if length == 0:
        return audio
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    samples = audio.samples.copy()
    shape = (-1,) + (1,) * (samples.ndim - 1)
    samples[:length] *= ramp.reshape(shape)
    samples[-length:] *= ramp[::-1].reshape(shape)
    return Audio(samples, audio.rate)


def gain(audio: Audio, decibels: float) -> Audio:
    """Return the sound louder or softer by ``decibels``."""
    return Audio(audio.samples * np.float32(10 ** (decibels / 20)), audio.rate)


def peak_db(audio: Audio) -> float | None:
    """Return the sample peak in dBFS; ``None`` for silence."""
    highest = float(np.abs(audio.samples).max()) if audio.samples.size else 0.0
    return 20 * float(np.log10(highest)) if highest > 0 else None


def loudness_lufs(audio: Audio) -> float | None:
    """Return the integrated loudness by ITU-R BS.1770-4 (EBU R128); ``None`` where all is below its −70 LUFS gate.

    Sound shorter than the 400 ms that a measuring block needs is repeated to fill one.
    """
    import pyloudnorm

    samples = audio.samples
    if len(samples) == 0:
        return None
    block = int(0.4 * audio.rate) + 1
    if len(samples) < block:
        samples = np.resize(samples, (block, *samples.shape[1:]))
    with np.errstate(divide="ignore"):
        loudness = float(pyloudnorm.Meter(audio.rate).integrated_loudness(samples))
    return loudness if np.isfinite(loudness) else None


def stretch(audio: Audio, speed: float, length: int | None = None) -> Audio:
    """Return the sound faster or slower at the same pitch.

    By the phase vocoder of Signalsmith Stretch, in this process: a child process per segment costs more than it.

    Args:
        audio: The sound.
        speed: Above 1 is faster.
        length: Samples of the result; ``round(n / speed)`` where it is left out.
    """
    wanted = round(len(audio.samples) / speed) if length is None else length
    if wanted == len(audio.samples) or len(audio.samples) == 0:
        return audio
    from python_stretch import Signalsmith

    engine = Signalsmith.Stretch()
    engine.preset(1, audio.rate)
    engine.timeFactor = len(audio.samples) / wanted
    out: Samples = np.asarray(engine.process(mono(audio).samples.reshape(1, -1)))[0].astype(np.float32)
    return Audio(out[:wanted] if len(out) >= wanted else np.pad(out, (0, wanted - len(out))), audio.rate)


class LoudnessMeter:
    """Measure the integrated loudness of sound that comes in blocks: ITU-R BS.1770-4, as EBU R128 uses it.

    Two filters (a shelf of 4 dB above 1.5 kHz, a high-pass at 38 Hz), energy in blocks of 400 ms that overlap by three
    quarters, gates at −70 LUFS and 10 LU below the mean.
    """

    def __init__(self, rate: int, channels: int) -> None:
        from pyloudnorm import IIRfilter
        from scipy.signal import tf2sos

        shelf = IIRfilter(4.0, 1 / np.sqrt(2), 1500.0, rate, "high_shelf")
        high_pass = IIRfilter(0.0, 0.5, 38.0, rate, "high_pass")
        self._filters = np.vstack([tf2sos(stage.b, stage.a) for stage in (shelf, high_pass)])
        self._state = np.zeros((len(self._filters), 2, channels))
        self._step = round(LOUDNESS_HOP_S * rate)
        self._rest = np.zeros((0, channels))
        self._energies: list[NDArray[np.float64]] = []

    @classmethod
    def from_audio(cls, audio: Audio) -> LoudnessMeter:
        """Return a meter that was given all of ``audio``."""
        meter = cls(audio.rate, audio.channels)
        meter.add(audio.samples.reshape(-1, audio.channels))
        return meter

    def add(self, block: Samples) -> None:
        """Take the next samples, shape ``(n, channels)``."""
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(self._filters, block, axis=0, zi=self._state)
        weighted = np.concatenate([self._rest, weighted])
        whole = len(weighted) // self._step * self._step
        self._rest = weighted[whole:]
        steps = weighted[:whole].reshape(-1, self._step, weighted.shape[1])
        self._energies.append(np.einsum("hsc,hsc->h", steps, steps) / self._step)

    def lufs(self) -> float | None:
        """Return the loudness of all samples so far; ``None`` below the gate or under 400 ms."""
        hops = np.concatenate(self._energies) if self._energies else np.zeros(0)
        if len(hops) < 4:
            return None
        blocks = np.convolve(hops, np.ones(4) / 4, mode="valid")
        loud = blocks[blocks > _energy(-70.0)]
        if len(loud) == 0:
            return None
        loud = loud[loud > loud.mean() * 0.1]
        return float(10 * np.log10(loud.mean()) - 0.691)

    def short_term(self) -> NDArray[np.float64]:
        """Return the loudness of each 3 s, a value every 0.1 s, LUFS without gates (EBU Tech 3341).

        Digital silence is −120. Sound of less than 3 s has one value, of less than 0.1 s none.
        """
        hops = np.concatenate(self._energies) if self._energies else np.zeros(0)
        if len(hops) == 0:
            return hops
        sums = np.concatenate([[0.0], np.cumsum(hops)])
        window = min(SHORT_TERM_HOPS, len(hops))
        means = (sums[window:] - sums[:-window]) / window
        return np.asarray(10 * np.log10(np.maximum(means, 1e-12)) - 0.691)

    @property
    def seconds(self) -> float:
        """Return how many seconds of sound were added, to 0.1 s."""
        return sum(map(len, self._energies)) * LOUDNESS_HOP_S


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))
