"""From events to percent, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.sessions.progress import BANDS, ProgressTracker
from vtlab.events import STAGES, Event, SegmentDone, StageFinished, StageStarted


def started(stage: str) -> StageStarted:
    return StageStarted(stage, STAGES.index(stage) + 1, 8)


def finished(stage: str, *, reused_share: float = 0.0) -> StageFinished:
    return StageFinished(stage, STAGES.index(stage) + 1, 8, 1.0, reused_share)


def tracker(events: list[tuple[Event, float]], total_s: float | None = 100.0) -> ProgressTracker:
    made = ProgressTracker({}, total_s=total_s)
    for event, now in events:
        made.event(event, now)
    return made


BEFORE = [
    (started("initialization"), 0.0), (finished("initialization"), 1.0),
    (started("audio_extraction"), 1.0), (finished("audio_extraction"), 3.0),
    (started("transcription"), 3.0), (started("translation"), 3.0), (started("tts"), 3.0),
]  # fmt: skip
RECOGNISED = [(SegmentDone("transcription", n, None, False), 3.0 + n) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("events", "stage", "progress"),
    [
        ([], "initialization", 0.0),
        (BEFORE[:2], "audio_extraction", 5.0),
        (BEFORE, "transcription", 15.0),
        # 10 lines known; half of them translated, a fifth spoken: 30 + 40 × (0.3 × 0.5 + 0.7 × 0.2)
        (
            [*BEFORE, *RECOGNISED, (finished("transcription"), 13.0), (SegmentDone("translation", 5, 10, False), 14.0),
             (SegmentDone("tts", 2, 10, False), 14.0)],
            "translation",
            41.6,
        ),
        (
            [*BEFORE, *RECOGNISED, *((finished(stage), 20.0) for stage in ("transcription", "translation", "tts"))],
            "audio_sync",
            70.0,
        ),
        ([(finished(stage), 0.0) for stage in STAGES], "video_combination", 99.0),
    ],
)  # fmt: skip
def test_stage_at_work_and_progress(events: list[tuple[Event, float]], stage: str, progress: float) -> None:
    made = tracker(events)
    assert made.stage == stage
    assert made.progress(3.0) == pytest.approx(progress)


def test_each_stage_is_named_even_where_several_end_at_once() -> None:
    made = tracker(BEFORE)
    assert made.event(finished("tts"), 4.0) == []
    assert made.event(finished("translation"), 4.0) == []
    assert made.event(finished("transcription"), 4.0) == ["translation", "tts", "audio_sync"]


def test_lines_tell_the_time_left_by_their_own_speed() -> None:
    events = [*BEFORE, *RECOGNISED, (finished("transcription"), 13.0), (finished("translation"), 13.0)]
    made = tracker([*events, (SegmentDone("tts", 5, 10, False), 23.0)])
    made.speeds = {"audio_sync": 0.01, "subtitle_generation": 0.0, "video_combination": 0.09}
    # half of the lines took 20 s, so the other half takes 20 s more; then 1 + 9 s of other stages
    assert made.left_s(23.0) == pytest.approx(30.0)


def test_nothing_is_said_of_the_time_left_before_the_length_is_known() -> None:
    assert tracker(BEFORE, total_s=None).left_s(3.0) is None


def test_overdue_stage_goes_on_to_take_a_share_of_its_time() -> None:
    made = tracker([(started("initialization"), 0.0)])
    rest = made.left_s(0.0)
    later = made.left_s(50.0)
    assert rest is not None
    assert later is not None
    assert later > rest


@pytest.mark.parametrize("share", [1.0, 0.5])  # all of it; the mix, while the picture was made
def test_speeds_are_measured_without_what_came_from_the_store(share: float) -> None:
    done = [(started(stage), 0.0) for stage in STAGES] + [(finished(stage), 10.0) for stage in STAGES[:-1]]
    made = tracker([*done, (finished("video_combination", reused_share=share), 10.0)])
    assert made.stage_speeds() == {
        "initialization": 0.1, "audio_extraction": 0.1, "lines": 0.1, "audio_sync": 0.1, "subtitle_generation": 0.1,
    }  # fmt: skip
    made.reused.add("tts")
    assert "lines" not in made.stage_speeds()


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20).map(sorted), st.integers(1, 50))
def test_progress_within_a_stage_rises_and_stays_in_its_band(times: list[float], lines: int) -> None:
    made = tracker(BEFORE)
    last = 0.0
    for number, now in enumerate(times):
        made.segment("transcription", min(100.0, number * 100 / lines))
        progress = made.progress(3.0 + now)
        low, high = BANDS["transcription"]
        assert low <= progress <= high
        assert progress >= last
        last = progress
