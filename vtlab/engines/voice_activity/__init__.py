"""Voice activity: where somebody speaks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from vtlab.audio import Audio
from vtlab.engines import Engine
from vtlab.segments import Interval

VERSION = 1  # of answers, for the store's keys; rises when an engine of this kind answers otherwise

ENGINES = {"silero": "vtlab.engines.voice_activity.silero:Silero"}


class VoiceActivity(Protocol):
    """An engine that tells speech from everything else, as stages see it."""

    @abstractmethod
    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        """Return the stretches of speech in 16 kHz mono sound, unpadded, in order."""
        ...


class VoiceActivityEngine(Engine, VoiceActivity, Protocol):
    """The class of a voice activity, built as ``Engine(options, threads)``."""


PROTOCOL = VoiceActivityEngine
