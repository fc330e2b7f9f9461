"""Measure how much of the source's speech is left in a dub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio, cut
from vtlab.segments import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAK_PIECE_S = 4.0  # how much speech is compared at once
LEAK_DELAY_S = 0.03  # how much later or earlier a leak may be …
LEAK_ALL = 1 - 1e-3  # of the result: nothing else is heard
LEAK_FAR_S = 0.4  # … and how far from it chance is measured
LINE_SIGMA, LINE_SHARE = 12.0, 0.03  # a line of source speech; other speech of the same voice reaches 17 and 0.001
PRE_EMPHASIS = 0.95
EXPLAINING_TAPS = 16


def source_leak_db(mix: Audio, source: Audio, both: Sequence[Interval], track: Audio | None = None) -> float | None:
    """Return the level of the source's speech left in the result where both speak (``both``), relative to the dub, dB.

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
        gain = float(np.abs(self._products_near_zero()).max()) / self.energy
        return gain**2 * self.source

    def stands_out(self) -> bool:
        near = self._products_near_zero()
        outside = np.concatenate([self.products[: len(self.products) // 4], self.products[-len(self.products) // 4 :]])
        clear = float(np.abs(near).max()) > LINE_SIGMA * float(outside.std())
        return clear and self.leak() > LINE_SHARE * self.dub

    def _products_near_zero(self) -> NDArray[np.float64]:
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
