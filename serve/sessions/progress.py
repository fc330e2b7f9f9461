"""How far a dub is: from the events of its stages to percent, stage names and the time left.

The bands of overall progress are the gateway's: its interface draws its time line by them. Where a stage counts lines,
these say how far it is; where it does not, the time does that it took other sessions.
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
SPOKEN_SHARE = 0.7  # of the band that translation and speech share
MOST_BY_TIME = 0.98  # what time alone lets a stage come to
IN_TIME = 0.7  # up to here a stage goes as fast as the clock, then slower and slower
OVERDUE = 0.2  # a stage that takes longer than expected will take this share of its time more
REUSED_SHARE = 0.1  # what comes from the store costs nothing: a stage with more of it says nothing of its speed
LINES = "lines"  # stages 3 to 5 overlap: their speed is measured from the first's start to the last's end
LINE_STAGES = ("transcription", "translation", "tts")
# seconds for each second of video, until this machine has measured its own: two cores, the bundled clips
SPEEDS = {
    "initialization": 0.005,
    "audio_extraction": 0.02,
    LINES: 0.2,
    "audio_sync": 0.01,
    "subtitle_generation": 0.001,
    "video_combination": 0.15,
}
NAMES = {
    "initialization": "Preparing",
    "audio_extraction": "Extracting the sound",
    "transcription": "Listening to what is said",
    "translation": "Translating",
    "tts": "Speaking the lines",
    "audio_sync": "Placing the lines",
    "subtitle_generation": "Writing subtitles",
    "video_combination": "Putting the video together",
}


@dataclass
class Tracker:
    """The stages of one dub. Every ``now`` is in seconds of a clock that stands still while the session is paused."""

    speeds: Mapping[str, float]
    total_s: float | None = None  # of the video, once it was opened
    total_lines: int | None = None
    done: dict[str, int] = field(default_factory=dict)  # lines by stage
    reached_s: dict[str, float] = field(default_factory=dict)  # end of the last line by stage
    started: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)  # stages that had more than ``REUSED_SHARE`` from the store

    def event(self, event: Event, now: float) -> list[str]:
        """Takes an event; returns the stages that became the one at work by it, in order."""
        before = STAGES.index(self.stage)
        match event:
            case StageStarted():
                self.started.setdefault(event.stage, now)
            case SegmentDone():
                self.done[event.stage] = event.done
                if event.stage == "transcription" and event.total is not None:
                    self.total_lines = event.total
            case StageFinished():
                self.finished[event.stage] = now
                if event.reused_share > REUSED_SHARE:
                    self.reused.add(event.stage)
                if event.stage == "transcription":
                    self.total_lines = self.done.get("transcription", 0)
        return list(STAGES[before + 1 : STAGES.index(self.stage) + 1])

    def line(self, stage: str, end_s: float) -> None:
        """A line that ends there in the video left the stage."""
        self.reached_s[stage] = max(end_s, self.reached_s.get(stage, 0.0))

    @property
    def stage(self) -> str:
        """The earliest that is not finished, the last one at the end."""
        return next((stage for stage in STAGES if stage not in self.finished), STAGES[-1])

    def share(self, stage: str, now: float) -> float:
        """How much of a stage is done, 0…1."""
        if stage in self.finished:
            return 1.0
        if stage not in self.started:
            return 0.0
        if stage in ("translation", "tts") and self.total_lines:
            return min(1.0, self.done.get(stage, 0) / self.total_lines)
        heard = self.reached_s.get(stage, 0.0) / self.total_s if self.total_s else 0.0
        if stage in ("translation", "tts"):
            return min(heard, MOST_BY_TIME)
        expected = self._expected(stage)
        passed = (now - self.started[stage]) / expected if expected else 0.0
        if passed > IN_TIME:
            passed = MOST_BY_TIME - (MOST_BY_TIME - IN_TIME) * math.exp(-(passed - IN_TIME))
        return min(max(heard, passed), MOST_BY_TIME)

    def progress(self, now: float) -> float:
        """Of the whole dub, percent."""
        stage = self.stage
        low, high = BANDS[stage]
        if stage in ("translation", "tts"):
            share = (1 - SPOKEN_SHARE) * self.share("translation", now) + SPOKEN_SHARE * self.share("tts", now)
        else:
            share = self.share(stage, now)
        return low + share * (high - low)

    def left_s(self, now: float) -> float | None:
        """Seconds to the end; nothing until the length of the video is known."""
        if not self.total_s:
            return None
        groups = [stage for stage in STAGES if stage not in LINE_STAGES]
        left = sum(self._left(stage, now) for stage in groups if stage not in self.finished)
        return left + (self._lines_left(now) if "tts" not in self.finished else 0.0)

    def current_s(self, now: float) -> float:
        """How far into the video the stage at work has come."""
        stage = self.stage
        if stage in LINE_STAGES:
            return self.reached_s.get(stage, 0.0)
        return self.share(stage, now) * (self.total_s or 0.0)

    def measured(self) -> dict[str, float]:
        """Seconds that this dub took for each second of video, by stage; without what came from the store."""
        if not self.total_s:
            return {}
        times = {
            stage: self.finished[stage] - self.started[stage]
            for stage in STAGES
            if stage not in LINE_STAGES and stage in self.finished and stage not in self.reused
        }
        if not self.reused.intersection(LINE_STAGES) and "tts" in self.finished:
            times[LINES] = self.finished["tts"] - self.started["transcription"]
        return {stage: seconds / self.total_s for stage, seconds in times.items()}

    def _left(self, stage: str, now: float) -> float:
        expected = self._expected(stage)
        passed = now - self.started[stage] if stage in self.started else 0.0
        return max(expected - passed, OVERDUE * passed)

    def _lines_left(self, now: float) -> float:
        expected = self._expected(LINES)
        if "transcription" not in self.started or not self.total_s:
            return expected
        passed = now - self.started["transcription"]
        spoken = self.share("tts", now)
        left = max(expected - passed, OVERDUE * passed)
        if spoken == 0:
            return left
        # The first lines come late, after a whole batch was recognised. Their own speed is trusted more the more there
        # are of them, and the less other sessions' speed can still be right.
        trust = max(spoken**2, min(1.0, passed / expected) ** 4 if expected else 1.0)
        return trust * passed * (1 - spoken) / spoken + (1 - trust) * left

    def _expected(self, stage: str) -> float:
        if not self.total_s:
            return 0.0
        per_second = self.speeds.get(LINES, SPEEDS[LINES]) * 0.6 if stage == "transcription" else self._speed(stage)
        return per_second * self.total_s

    def _speed(self, stage: str) -> float:
        return self.speeds.get(stage, SPEEDS[stage])
