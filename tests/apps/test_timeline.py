from __future__ import annotations

from dubbing import Dubbing

from vtlab.apps.timeline import Timeline, timeline_segments
from vtlab.outputs import Dub


def test_a_click_brings_the_sound_of_that_line_from_both_tracks(sentences: tuple[Dubbing, Dub]) -> None:
    record = sentences[1].record
    asked: list[int] = []

    def sounds(segment: int) -> tuple[str, str]:
        asked.append(segment)
        return f"source {segment}", f"dub {segment}"

    timeline = Timeline(record, sounds)
    assert timeline.segments == timeline_segments(record)
    assert timeline.seconds == record.source.seconds
    timeline.asked = {"segment": 2, "count": 1}
    assert asked == [2]
    assert timeline.answer == {"segment": 2, "count": 1, "source": "source 2", "dub": "dub 2"}
    first = timeline.segments[0]
    line = record.segments[0]
    worst = max(abs(line.planned_start - line.start), abs(line.planned_end - line.end))
    assert first["drift"] == round(1000 * worst)
    assert first["dub"] == [line.planned_start, line.planned_end]
