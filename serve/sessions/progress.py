"""Progress of a dub: percent, the stage at work and the time left, from the events of its stages.

The bands of overall progress are the gateway's: its interface draws its time line by them. The progress of a stage
follows from the segments that it has finished, or else from the time that it took other sessions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vtlab.events import STAGES, Event, SegmentDone, StageFinished, StageStarted

BANDS = {
    "initialization": (0.0, 5.0),
    "audio_extraction": (5.0, 10.0),
    "transcription": (15.0, 30.0),
    "translation": (30.0, 70.0),
    "tts": (30.0, 70.0),
    "audio_sync": (70.0, 85.0),
    "subtitle_generation": (85.0, 88.0),
    "video_combination": (88.0, 99.0),  # 100 is for a result that is in its place
}
SPOKEN_SHARE = 0.7  # of the band that translation and tts share
MOST_BY_TIME = 0.98  # the most that time alone lets a stage reach
IN_TIME = 0.7  # up to here progress by time is even, then slower and slower
OVERDUE = 0.2  # a stage that takes longer than expected will take this share of its time more
REUSED_SHARE = 0.1  # of answers from the store, which cost nothing: with more of them a stage's speed is not measured
SEGMENTS = "lines"  # stages 3 to 5, which overlap, as one: the name under which registries keep their speed
SEGMENT_STAGES = ("transcription", "translation", "tts")
# seconds for each second of video, until this machine has measured its own: two cores, the bundled clips
SPEEDS = {
    "initialization": 0.005,
    "audio_extraction": 0.02,
    SEGMENTS: 0.2,
    "audio_sync": 0.01,
    "subtitle_generation": 0.001,
    "video_combination": 0.15,
}
TITLES = {
    "initialization": "Preparing",
    "audio_extraction": "Extracting the sound",
    "transcription": "Listening to what is said",
    "translation": "Translating",
    "tts": "Speaking",
    "audio_sync": "Placing the speech",
    "subtitle_generation": "Writing subtitles",
    "video_combination": "Putting the video together",
}


@dataclass
class ProgressTracker:
    """Follow the stages of one dub. Every `now` is in seconds of a clock that stands still while the session is paused.

    Attributes:
        speeds: Seconds that a stage took other sessions for each second of video, by stage.
        total_s: Length of the video; `None` until it was opened.
        total_segments: Known once the last one was recognised.
        done: Segments finished, by stage.
        reached_s: End of the last finished segment in the video, by stage.
        reused: Stages with more than `REUSED_SHARE` from the store.
    """

    speeds: Mapping[str, float]
    total_s: float | None = None
    total_segments: int | None = None
    done: dict[str, int] = field(default_factory=dict)
    reached_s: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)

    def event(self, event: Event, now: float) -> list[str]:
        """Take an event; return the stages that became the one at work by it, in order."""
        before = STAGES.index(self.stage)
        match event:
            case StageStarted():
                self.started.setdefault(event.stage, now)
            case SegmentDone():
                self.done[event.stage] = event.done
                if event.stage == "transcription" and event.total is not None:
                    self.total_segments = event.total
            case StageFinished():
                self.finished[event.stage] = now
                if event.reused_share > REUSED_SHARE:
                    self.reused.add(event.stage)
                if event.stage == "transcription":
                    self.total_segments = self.done.get("transcription", 0)
        return list(STAGES[before + 1 : STAGES.index(self.stage) + 1])

    def segment(self, stage: str, end_s: float) -> None:
        """Take a segment that left the stage and ends there in the video."""
        self.reached_s[stage] = max(end_s, self.reached_s.get(stage, 0.0))

    @property
    def stage(self) -> str:
        """The earliest stage that is not finished; at the end the last one."""
        return next((stage for stage in STAGES if stage not in self.finished), STAGES[-1])

    def share(self, stage: str, now: float) -> float:
        """Return how much of a stage is done, 0–1."""
        if stage in self.finished:
            return 1.0
        if stage not in self.started:
            return 0.0
        if stage in ("translation", "tts") and self.total_segments:
            return min(1.0, self.done.get(stage, 0) / self.total_segments)
        heard = self.reached_s.get(stage, 0.0) / self.total_s if self.total_s else 0.0
        if stage in ("translation", "tts"):
            return min(heard, MOST_BY_TIME)
        expected = self._expected(stage)
        passed = (now - self.started[stage]) / expected if expected else 0.0
        if passed > IN_TIME:
            passed = MOST_BY_TIME - (MOST_BY_TIME - IN_TIME) * math.exp(-(passed - IN_TIME))
        return min(max(heard, passed), MOST_BY_TIME)

    def progress(self, now: float) -> float:
        """Return the progress of the whole dub, percent."""
        stage = self.stage
        low, high = BANDS[stage]
        if stage in ("translation", "tts"):
            share = (1 - SPOKEN_SHARE) * self.share("translation", now) + SPOKEN_SHARE * self.share("tts", now)
        else:
            share = self.share(stage, now)
        return low + share * (high - low)

    def left_s(self, now: float) -> float | None:
        """Return the seconds to the end; `None` until the length of the video is known."""
        if not self.total_s:
            return None
        groups = [stage for stage in STAGES if stage not in SEGMENT_STAGES]
        left = sum(self._left(stage, now) for stage in groups if stage not in self.finished)
        return left + (self._segments_left(now) if "tts" not in self.finished else 0.0)

    def current_s(self, now: float) -> float:
        """Return how far into the video (s) the stage at work has come."""
        stage = self.stage
        if stage in SEGMENT_STAGES:
            return self.reached_s.get(stage, 0.0)
        return self.share(stage, now) * (self.total_s or 0.0)

    def stage_speeds(self) -> dict[str, float]:
        """Return the seconds that each stage took for a second of video, but for stages with answers from the store."""
        if not self.total_s:
            return {}
        times = {
            stage: self.finished[stage] - self.started[stage]
            for stage in STAGES
            if stage not in SEGMENT_STAGES and stage in self.finished and stage not in self.reused
        }
        if not self.reused.intersection(SEGMENT_STAGES) and "tts" in self.finished:
            times[SEGMENTS] = self.finished["tts"] - self.started["transcription"]
        return {stage: seconds / self.total_s for stage, seconds in times.items()}

    def _left(self, stage: str, now: float) -> float:
        expected = self._expected(stage)
        passed = now - self.started[stage] if stage in self.started else 0.0
        return max(expected - passed, OVERDUE * passed)

    def _segments_left(self, now: float) -> float:
        expected = self._expected(SEGMENTS)
        if "transcription" not in self.started or not self.total_s:
            return expected
        passed = now - self.started["transcription"]
        spoken = self.share("tts", now)
        left = max(expected - passed, OVERDUE * passed)
        if spoken == 0:
            return left
        # The first segments come late, after a whole batch was recognised. Their own speed is trusted more the more
        # there are of them, and the less other sessions' speed can still be right.
        trust = max(spoken**2, min(1.0, passed / expected) ** 4 if expected else 1.0)
        return trust * passed * (1 - spoken) / spoken + (1 - trust) * left

    def _expected(self, stage: str) -> float:
        if not self.total_s:
            return 0.0
        per_second = 0.6 * self._speed(SEGMENTS) if stage == "transcription" else self._speed(stage)
        return per_second * self.total_s

    def _speed(self, stage: str) -> float:
        return self.speeds.get(stage, SPEEDS[stage])
