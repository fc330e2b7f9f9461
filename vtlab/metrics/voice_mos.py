"""Judge by a network how good a voice sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vtlab.audio import Audio
from vtlab.errors import EngineError
from vtlab.segments import Interval

MOS_RATE_HZ = 16_000
MOS_WINDOW_S = 9.01  # the network's input
MOS_EVERY_S, MOS_WINDOWS = 15.0, 6  # one window for so much sound, so many at most
MOS_POLYNOMIAL = (-0.06766283, 1.11546468, 0.04602535)  # of the overall score, speechmos/dnsmos.py


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
        """Return the mean over windows; ``None`` for silence.

        Args:
            speech: Speech at 16 kHz, mono.
            spoken: When somebody speaks: windows with less than a third of speech are left out.
            checkpoint: Called before each window.

        Raises:
            ValueError: The sound has another rate, or several channels.
        """
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
    """Return the version of the network and how its windows lie."""
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
