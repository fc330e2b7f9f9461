"""Find speech with an engine of one's own: PYTHONPATH=examples python examples/own_engine.py VIDEO en pt (to, from)."""

import sys

import vtlab
from vtlab.audio import FRAME_S, Audio, levels_db
from vtlab.engines import Status
from vtlab.engines.voice_activity import VoiceActivityEngine
from vtlab.segments import Interval, merge_intervals
from vtlab.settings import Section


class LoudOptions(Section):
    level_db: float = -40.0  # louder frames are speech, dBFS


class Loud(VoiceActivityEngine):
    Options = LoudOptions
    licence = "Apache-2.0"

    @classmethod
    def status(cls, options: LoudOptions) -> Status:
        return Status(ready=True)

    @classmethod
    def weights(cls, options: LoudOptions) -> tuple[()]:
        return ()

    def __init__(self, options: LoudOptions, threads: int) -> None:
        self.options = options

    def speech(self, audio: Audio, threshold: float, min_speech_s: float, min_silence_s: float) -> list[Interval]:
        starts = (levels_db(audio) > self.options.level_db).nonzero()[0] * FRAME_S
        spans = merge_intervals([Interval(start, start + FRAME_S) for start in starts], min_silence_s)
        return [span for span in spans if span.duration >= min_speech_s]


if __name__ == "__main__":
    print(vtlab.dub(*sys.argv[1:4], **{"transcription.voice_activity.engine": "own_engine:Loud"}).lines())
