"""Silero voice activity detection (MIT), the model that comes inside faster-whisper.

The network gives a probability of speech per 32 ms; edges are then moved to where the level really rises and falls,
which brings them from about 50 ms to about 15 ms of the truth on clean speech.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import FRAME_S, Audio, levels_db
from vtlab.engines import Status
from vtlab.engines.voice_activity import VoiceActivityEngine
from vtlab.segments import Interval, merge_intervals
from vtlab.settings import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from vtlab.weights import Weights

RATE_HZ = 16000
HYSTERESIS = 0.15  # speech ends below threshold − this, as in the authors' own reference code
EDGE_REACH_S = 0.16  # how far an edge may move to the level's edge: three frames of the network
EDGE_DB = 12.0  # an edge is where the level passes this much above the noise around it …
EDGE_BELOW_PEAK_DB = 35.0  # … or this much below the loudest frame nearby, whichever is higher


class Silero(VoiceActivityEngine):
    """Voice activity by the Silero network on ONNX runtime, one thread."""

    licence = "MIT"

    class Options(Section):
        """None: threshold and durations are the stage's own settings."""

    @classmethod
    def status(cls, options: BaseModel) -> Status:
        from importlib.util import find_spec

        if find_spec("faster_whisper") is None:
            return Status(False, problem="package faster-whisper is missing", fix="pip install faster-whisper")
        return Status(True, languages=("any",))

    @classmethod
    def weights(cls, options: BaseModel) -> tuple[Weights, ...]:
        from pathlib import Path

        import faster_whisper.utils

        from vtlab.weights import hash_weights

        folder = Path(faster_whisper.utils.get_assets_path())
        return (hash_weights("silero", next(folder.glob("silero_vad*.onnx")), "package faster-whisper"),)

    def __init__(self, options: BaseModel, threads: int) -> None:
        from faster_whisper.vad import get_vad_model

        self._model = get_vad_model()

    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        """Return the spans of speech in 16 kHz mono sound, unpadded, in order.

        Raises:
            ValueError: The sound has another rate, or more channels.
        """
        return self.find_spans(audio, self.probabilities(audio), threshold, min_speech_s, min_silence_s)

    def probabilities(self, audio: Audio) -> NDArray[np.float32]:
        """Return the probability of speech in every 512 samples of 16 kHz mono sound.

        The network is fed in parts, each with a lead-in that is thrown away, since faster-whisper's wrapper holds all
        windows of its input in memory at once.

        Raises:
            ValueError: The sound has another rate, or more channels.
        """
        if audio.rate != RATE_HZ or audio.samples.ndim != 1:
            raise ValueError(f"voice activity needs 16 kHz mono, not {audio.rate} Hz with {audio.channels} channels")
        samples = audio.samples
        window, part, lead = 512, 512 * 1875 * 10, 512 * 64  # parts of ten minutes, a lead of two seconds
        out = []
        for start in range(0, max(len(samples), 1), part):
            first = max(0, start - lead)
            piece = samples[first : start + part]
            piece = np.pad(piece, (0, -len(piece) % window or (window if len(piece) == 0 else 0)))
            out.append(np.asarray(self._model(piece)).reshape(-1)[(start - first) // window :])
        return np.concatenate(out)

    @staticmethod
    def find_spans(
        audio: Audio, probabilities: NDArray[np.float32], threshold: float, min_speech_s: float, min_silence_s: float
    ) -> list[Interval]:
        """Return the spans of speech, given the network's probabilities, which several settings can share."""
        rough = _join_frames(probabilities, threshold, min_silence_s)
        levels = levels_db(audio)
        edged = [_to_level_edges(span, levels, audio.duration) for span in rough]
        return merge_intervals([span for span in edged if span.duration >= min_speech_s])


def _join_frames(probabilities: NDArray[np.float32], threshold: float, min_silence_s: float) -> list[Interval]:
    """Join frames above the threshold into spans; a span ends at ``min_silence_s`` below the lower threshold."""
    frame_s = 512 / RATE_HZ
    spans: list[Interval] = []
    start: int | None = None
    quiet_since: int | None = None
    for index, probability in enumerate(probabilities):
        if probability >= threshold:
            start = index if start is None else start
            quiet_since = None
        elif start is not None and probability < threshold - HYSTERESIS:
            quiet_since = index if quiet_since is None else quiet_since
            if (index - quiet_since + 1) * frame_s >= min_silence_s:
                spans.append(Interval(start * frame_s, quiet_since * frame_s))
                start = quiet_since = None
    if start is not None:
        end = len(probabilities) if quiet_since is None else quiet_since
        spans.append(Interval(start * frame_s, end * frame_s))
    return spans


def _to_level_edges(span: Interval, levels: NDArray[np.float64], duration: float) -> Interval:
    """Move the edges of a span to where the level passes between noise and speech, at most ``EDGE_REACH_S`` away."""
    reach = round(EDGE_REACH_S / FRAME_S)
    first, last = round(span.start / FRAME_S), min(round(span.end / FRAME_S), len(levels))
    inside = levels[first:last]
    if len(inside) == 0:
        return span
    start = _edge(levels, first, reach, float(np.percentile(inside, 90)), before=True)
    end = _edge(levels, last, reach, float(np.percentile(inside, 90)), before=False)
    start_s = max(0.0, start * FRAME_S)
    return Interval(start_s, min(max(end * FRAME_S, start_s), duration))


def _edge(levels: NDArray[np.float64], at: int, reach: int, speech_db: float, *, before: bool) -> int:
    """Return the frame where speech begins (``before``) or ends, near frame ``at``."""
    low, high = max(0, at - reach), min(len(levels), at + reach)
    around = levels[low:high]
    outside = around[: max(1, at - low)] if before else around[max(0, at - low) :]
    if len(outside) == 0:
        return at
    noise_db = float(np.percentile(outside, 20))
    limit = max(noise_db + EDGE_DB, speech_db - EDGE_BELOW_PEAK_DB)
    if limit > speech_db - 6:
        return at  # speech hardly stands out of the noise: the network knows better
    loud = np.flatnonzero(around > limit)
    if len(loud) == 0:
        return at
    return int(low + loud[0]) if before else int(low + loud[-1] + 1)
