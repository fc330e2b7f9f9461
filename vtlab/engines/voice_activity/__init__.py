"""Voice activity: where somebody speaks."""

from __future__ import annotations

from typing import ClassVar, Protocol

from pydantic import BaseModel

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.segments import Interval
from vtlab.weights import Weights

ENGINES = {"silero": "vtlab.engines.voice_activity.silero:Silero"}


class VoiceActivity(Protocol):
    """An engine that tells speech from everything else."""

    Options: ClassVar[type[BaseModel]]
    licence: ClassVar[str]

    @classmethod
    def status(cls, options: BaseModel) -> Status: ...

    @classmethod
    def weights(cls, options: BaseModel) -> tuple[Weights, ...]: ...

    def __init__(self, options: BaseModel, threads: int) -> None: ...

    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        """Stretches of speech in 16 kHz mono sound, unpadded, in order."""
        ...
