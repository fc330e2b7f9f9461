"""How a dub sounds: loudness, peaks, how good the voice is, and what is left of the source's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio, cut, loudness_lufs
from vtlab.errors import EngineError
from vtlab.segments import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERSAMPLING = 4  # ITU-R BS.1770-4, annex 2
BLOCK_S = 10.0  # oversampled at once: keeps an hour of stereo out of memory
MARGIN_S = 0.01  # of the neighbouring blocks, so that the filter does not see edges that are not there
LEAK_PIECE_S = 4.0  # how much speech is compared at once
LEAK_DELAY_S = 0.03  # how much later or earlier a leak may be …
LEAK_ALL = 1 - 1e-3  # of the result: nothing else is heard
LEAK_FAR_S = 0.4  # … and how far from it chance is measured
LINE_SIGMA, LINE_SHARE = 12.0, 0.03  # a line of source speech; other speech of the same voice reaches 17 and 0.001
PRE_EMPHASIS = 0.95
EXPLAINING_TAPS = 16
MOS_RATE_HZ = 16_000
MOS_WINDOW_S = 9.01  # the network's input
MOS_EVERY_S, MOS_WINDOWS = 15.0, 6  # one window for so much sound, so many at most
MOS_POLYNOMIAL = (-0.06766283, 1.11546468, 0.04602535)  # of the overall score, speechmos/dnsmos.py


def true_peak_dbtp(audio: Audio) -> float | None:
    """Highest level, between the samples too, by fourfold oversampling (BS.1770-4, annex 2); ``None`` for silence."""
    from scipy.signal import resample_poly

    highest = 0.0
    for start in np.arange(0.0, audio.duration, BLOCK_S):
        block = cut(audio, start - MARGIN_S, start + BLOCK_S + MARGIN_S).samples
        highest = max(highest, float(np.abs(resample_poly(block, OVERSAMPLING, 1, axis=0)).max(initial=0.0)))
    return 20 * float(np.log10(highest)) if highest > 0 else None


def loudness_spread_db(speech: Audio, segments: Sequence[Interval]) -> float | None:
    """Standard deviation over segments of the loudness of each; ``None`` with fewer than two audible ones."""
    levels = [loudness_lufs(cut(speech, segment.start, segment.end)) for segment in segments]
    known = [level for level in levels if level is not None]
    return float(np.std(known)) if len(known) > 1 else None


class VoiceMos:
    """DNSMOS P.835 (Reddy, Gopal and Cutler, ICASSP 2022): how good 16 kHz mono speech sounds, 1 to 5, overall.

    The network and polynomial of ``speechmos`` on ONNX runtime, over a window of 9.01 s for every ``MOS_EVERY_S`` of
    sound, ``MOS_WINDOWS`` at most, evenly spread: each costs 0.4 s of processor time. speechmos takes one every second,
    and computes a second network that nobody here reads; on 20 recordings of 10 to 120 s its score was 0.05 away on
    average, 0.15 at most, as it was with twice as many windows.
    Raises ``EngineError`` where speechmos is not installed.
    """

    def __init__(self, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others want the processor, too
        self._network = onnxruntime.InferenceSession(str(_dnsmos_file()), options, providers=["CPUExecutionProvider"])

    def __call__(
        self,
        speech: Audio,
        spoken: Sequence[Interval] | None = None,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> float | None:
        """The mean over windows; ``None`` for silence. Windows with less than a third of speech are left out, where
        ``spoken`` says when somebody speaks. ``checkpoint`` is called before each. ``ValueError`` at another rate."""
        if speech.rate != MOS_RATE_HZ or speech.samples.ndim != 1:
            raise ValueError(f"DNSMOS needs 16 kHz mono, not {speech.rate} Hz with {speech.channels} channels")
        if not np.any(speech.samples):
            return None
        length = int(MOS_WINDOW_S * MOS_RATE_HZ)
        samples = np.clip(speech.samples, -1, 1)
        if len(samples) < length:
            samples = np.resize(samples, length)  # said again and again, as speechmos does
        count = min(max(round(len(samples) / MOS_RATE_HZ / MOS_EVERY_S), 1), MOS_WINDOWS)
        starts = _evenly(len(samples) - length, count)
        if spoken is not None and len(samples) == len(speech.samples):
            busy = [start for start in starts if _spoken_s(spoken, start / MOS_RATE_HZ) >= MOS_WINDOW_S / 3]
            starts = busy or starts
        scores = []
        for start in starts:
            checkpoint()
            window = samples[start : start + length]
            raw = self._network.run(None, {"input_1": window[np.newaxis].astype(np.float32)})[0][0][2]
            scores.append(float(np.polyval(MOS_POLYNOMIAL, raw)))
        return float(np.mean(scores))


def mos_signature() -> str:
    from importlib.metadata import version

    return f"speechmos:{version('speechmos')}|dnsmos:ovrl|windows:{MOS_WINDOWS}|every:{MOS_EVERY_S:g}s"


def _dnsmos_file() -> Path:
    from importlib.util import find_spec

    found = find_spec("speechmos")  # without importing it: that would import librosa
    if found is None or found.submodule_search_locations is None:
        raise EngineError("Package speechmos is missing; run: pip install 'vtlab[lab]'")
    return Path(found.submodule_search_locations[0]) / "dnsmos_models" / "sig_bak_ovr.onnx"


def _evenly(last: int, count: int) -> list[int]:
    """Starts of ``count`` windows from 0 to ``last``."""
    return [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]


def _spoken_s(spoken: Sequence[Interval], start: float) -> float:
    window = Interval(start, start + MOS_WINDOW_S)
    return sum(window.overlap(span) for span in spoken)


def source_leak_db(mix: Audio, source: Audio, both: Sequence[Interval], track: Audio | None = None) -> float | None:
    """Level of the source's speech left in the result where both speak (``both``), relative to the dub, dB.

    A leak is the source's own waveform: the result is correlated with it, after pre-emphasis, over delays of up to
    ``LEAK_DELAY_S``; the gain at the highest correlation is that of the leak. Other speech is alike by chance only: in
    10 s it looks like a leak of about −40 dB, so a value down there means that none was found. With the speech
    ``track`` what it explains of the result is taken away first (least squares, ``EXPLAINING_TAPS`` each way), and
    leaks are told down to about −80 dB. A single line of source speech counts where it stands out of chance by
    ``LINE_SIGMA``, be it in the track itself. Mixing recordings at known levels, −10 to −40 dB, gave them back to 1 dB
    (2 dB at −40 without a track). Music that is kept under the dub counts too, by as much as it is in the source.

    All sounds mono at one rate, from the picture's start. ``None`` where both never speak at once.
    """
    rates = {audio.rate for audio in (mix, source, *(() if track is None else (track,)))}
    if len(rates) > 1 or mix.samples.ndim != 1 or source.samples.ndim != 1:
        raise ValueError(f"a leak is looked for in mono sounds at one rate, not at {sorted(rates)} Hz")
    pieces = [piece for span in both for piece in _pieces(span) if piece.duration >= LEAK_PIECE_S / 10]
    looks = [
        look
        for piece in pieces
        if (look := _Correlation.of(*(cut(sound, piece.start, piece.end) for sound in (mix, source)))) is not None
    ]
    if not looks:
        return None
    dub = sum(look.dub for look in looks)
    explained = looks
    if track is not None:
        rest = [
            _Correlation.of(_unexplained(mix, track, piece), cut(source, piece.start, piece.end)) for piece in pieces
        ]
        explained = [look for look in rest if look is not None]
    whole = _Correlation(
        np.sum([look.products for look in explained], axis=0),
        sum(look.energy for look in explained),
        sum(look.source for look in explained),
        dub,
    )
    alone = sum(look.leak() for look in looks if look.stands_out())
    power = min(max(whole.leak(), alone), LEAK_ALL * dub)
    return 10 * float(np.log10(max(power / (dub - power), 1e-12)))


@dataclass(frozen=True, eq=False)
class _Correlation:
    """One piece of the result against the source's: products per lag, and energies in the piece."""

    products: NDArray[np.float64]  # −LEAK_FAR_S … LEAK_FAR_S
    energy: float  # of the source, pre-emphasised
    source: float  # of the source as it is
    dub: float  # of the result as it is

    @classmethod
    def of(cls, mix: Audio, source: Audio) -> _Correlation | None:
        far = round(LEAK_FAR_S * mix.rate)
        one, other = mix.samples.astype(np.float64), source.samples.astype(np.float64)
        length = min(len(one), len(other))
        one, other = one[:length], other[:length]
        if length == 0 or not np.any(one) or not np.any(other):
            return None
        sharp, sharp_other = _emphasised(one), _emphasised(other)
        size = 1 << (length + far).bit_length()
        product = np.fft.irfft(np.fft.rfft(sharp, size) * np.conj(np.fft.rfft(sharp_other, size)), size)
        lags = np.concatenate([product[-far:], product[: far + 1]])
        return cls(lags, float(sharp_other @ sharp_other), float(other @ other), float(one @ one))

    def leak(self) -> float:
        """Energy of the source speech in the result."""
        gain = float(np.abs(self._near()).max()) / self.energy
        return gain**2 * self.source

    def stands_out(self) -> bool:
        near = self._near()
        outside = np.concatenate([self.products[: len(self.products) // 4], self.products[-len(self.products) // 4 :]])
        clear = float(np.abs(near).max()) > LINE_SIGMA * float(outside.std())
        return clear and self.leak() > LINE_SHARE * self.dub

    def _near(self) -> NDArray[np.float64]:
        middle = len(self.products) // 2
        reach = round(middle * LEAK_DELAY_S / LEAK_FAR_S)
        return self.products[middle - reach : middle + reach + 1]


def _pieces(span: Interval) -> list[Interval]:
    count = max(1, round(span.duration / LEAK_PIECE_S))
    edges = np.linspace(span.start, span.end, count + 1)
    return [Interval(float(a), float(b)) for a, b in pairwise(edges)]


def _emphasised(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speech has most of its energy in few harmonics; evened out, chance correlates far less."""
    return np.append(samples[:1], samples[1:] - PRE_EMPHASIS * samples[:-1])


def _unexplained(mix: Audio, track: Audio, piece: Interval) -> Audio:
    """The piece of the mix without what the track explains of it by any short filter."""
    first = round(piece.start * mix.rate)
    wanted = cut(mix, piece.start, piece.end).samples.astype(np.float64)
    taps = EXPLAINING_TAPS
    around = np.zeros(len(wanted) + 2 * taps)
    low, high = max(0, first - taps), min(first + len(wanted) + taps, len(track.samples))
    if high > low:
        around[low - first + taps : high - first + taps] = track.samples[low:high]
    shifted = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(around, len(wanted)))
    products = shifted @ shifted.T
    products += np.eye(len(products)) * 1e-9 * max(float(np.trace(products)), 1e-12)
    left = wanted - np.linalg.solve(products, shifted @ wanted) @ shifted
    return Audio(left.astype(np.float32), mix.rate)
