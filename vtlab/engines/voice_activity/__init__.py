"""Voice activity: where somebody speaks."""

from __future__ import annotations

from typing import Protocol

from vtlab.audio import Audio
from vtlab.segments import Interval

ENGINES = {"silero": "vtlab.engines.voice_activity.silero:Silero"}


class VoiceActivity(Protocol):
    """An engine that tells speech from everything else."""

    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        """Stretches of speech in 16 kHz mono sound, unpadded, in order."""
        ...
