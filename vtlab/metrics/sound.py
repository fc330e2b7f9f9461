"""How a dub sounds: loudness, peaks, how good the voice is, and what is left of the source's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vtlab.audio import Audio, cut, loudness_lufs
from vtlab.errors import EngineError
from vtlab.segments import Interval

OVERSAMPLING = 4  # ITU-R BS.1770-4, annex 2
BLOCK_S = 10.0  # oversampled at once: keeps an hour of stereo out of memory
MARGIN_S = 0.01  # of the neighbouring blocks, so that the filter does not see edges that are not there
MOS_RATE_HZ = 16_000
MOS_WINDOW_S = 9.01  # the network's input
MOS_WINDOWS = 6
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

    The network and polynomial of ``speechmos`` on ONNX runtime, over as many windows of 9.01 s as cover the sound, at
    most ``MOS_WINDOWS``, evenly spread: each costs 0.6 s of processor time. speechmos takes one every second, which
    costs nine times as much, and computes a second network that nobody here reads; its score is within 0.05 of this.
    Raises ``EngineError`` where speechmos is not installed.
    """

    def __init__(self, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._network = onnxruntime.InferenceSession(str(_dnsmos_file()), options, providers=["CPUExecutionProvider"])

    def __call__(self, speech: Audio, spoken: Sequence[Interval] | None = None) -> float | None:
        """The mean over windows; ``None`` for silence. Windows with less than a third of speech are left out, where
        ``spoken`` says when somebody speaks. ``ValueError`` at another rate."""
        if speech.rate != MOS_RATE_HZ or speech.samples.ndim != 1:
            raise ValueError(f"DNSMOS needs 16 kHz mono, not {speech.rate} Hz with {speech.channels} channels")
        if not np.any(speech.samples):
            return None
        length = int(MOS_WINDOW_S * MOS_RATE_HZ)
        samples = np.clip(speech.samples, -1, 1)
        if len(samples) < length:
            samples = np.resize(samples, length)  # said again and again, as speechmos does
        starts = _evenly(len(samples) - length, min(MOS_WINDOWS, -(-len(samples) // length)))
        if spoken is not None and len(samples) == len(speech.samples):
            busy = [start for start in starts if _spoken_s(spoken, start / MOS_RATE_HZ) >= MOS_WINDOW_S / 3]
            starts = busy or starts
        scores = []
        for start in starts:
            window = samples[start : start + length]
            raw = self._network.run(None, {"input_1": window[np.newaxis].astype(np.float32)})[0][0][2]
            scores.append(float(np.polyval(MOS_POLYNOMIAL, raw)))
        return float(np.mean(scores))


def mos_signature() -> str:
    from importlib.metadata import version

    return f"speechmos:{version('speechmos')}|dnsmos:ovrl|windows:{MOS_WINDOWS}"


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
    """TODO"""
    return None
