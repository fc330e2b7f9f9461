"""Where somebody speaks in a sound."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio, mono, resample
from vtlab.measurement.recognizer import SPEECH_RATE_HZ
from vtlab.segments import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.engines.voice_activity.silero import Silero

# for coverage: on clips with known times, 0.2 s of silence agrees best with them (0.974 of the time)
THRESHOLD, MIN_SPEECH_S, MIN_SILENCE_S = 0.5, 0.1, 0.2
SEGMENT_PAUSE_S = 0.5  # parts segments where nothing tells them but the sound


class SpeechActivity:
    """Find where somebody speaks, by Silero, without padding; the network runs once, on first use."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def speech(self, min_silence_s: float = MIN_SILENCE_S) -> list[Interval]:
        """Return the stretches of speech; shorter silences part none."""
        sound, probabilities = self._probabilities
        return self._silero.find_spans(sound, probabilities, THRESHOLD, MIN_SPEECH_S, min_silence_s)

    @cached_property
    def _silero(self) -> Silero:
        from vtlab.engines.voice_activity.silero import Silero

        return Silero(Silero.Options(), 1)

    @cached_property
    def _probabilities(self) -> tuple[Audio, NDArray[np.float32]]:
        sound = resample(mono(self._audio), SPEECH_RATE_HZ)
        return sound, self._silero.probabilities(sound)


def voice_activity(audio: Audio) -> list[Interval]:
    """Return where somebody speaks, by Silero, without padding."""
    return SpeechActivity(audio).speech()
