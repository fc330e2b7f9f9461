"""A time line of the segments of source and dub, their speed and drift; a click plays a segment from both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vtlab.record import Record


class Timeline(anywidget.AnyWidget):
    """Draw segments, and ask Python for the sound of the one that is clicked, so that no page holds a whole file.

    Attributes:
        segments: See `timeline_segments`.
        seconds: Length of the source.
        preferred: Lowest and highest preferred speed; they and the limits give segments their colour.
        limits: Lowest and highest speed.
        asked: Set by a click: `{"segment": id, "count": n}`.
        answer: The same with `source` and `dub`, URLs of sounds that the page then plays one after the other.
    """

    _esm = Path(__file__).with_name("timeline.js")
    _css = Path(__file__).with_name("timeline.css")
    segments: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    seconds = traitlets.Float().tag(sync=True)
    preferred = traitlets.Tuple().tag(sync=True)
    limits = traitlets.Tuple().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, record: Record, sounds: Callable[[int], tuple[str, str]]) -> None:
        """Draw a dub's segments; `sounds` returns the URLs of a segment's sound in source and dub."""
        preferred, limits = record.speed_ranges()
        super().__init__(
            segments=timeline_segments(record), seconds=record.source.seconds, preferred=preferred, limits=limits
        )
        self._sounds = sounds
        self.observe(self._play, names="asked")

    def _play(self, change: dict[str, Any]) -> None:
        asked = change["new"]
        source, dub = self._sounds(asked["segment"])
        self.answer = {**asked, "source": source, "dub": dub}


def timeline_segments(record: Record) -> list[dict[str, Any]]:
    """Return what the time line draws of each segment; times in seconds, drift in milliseconds."""
    return [
        {
            "id": segment.id,
            "source": [segment.start, segment.end],
            "dub": [segment.planned_start, segment.planned_end],
            "speed": round(segment.speed, 3),
            "drift": round(
                1000 * max(abs(segment.planned_start - segment.start), abs(segment.planned_end - segment.end))
            ),
            "late": round(1000 * (segment.planned_start - segment.start)),
            "text": segment.text,
            "translation": segment.spoken_text,
            "failed": segment.failed is not None,
        }
        for segment in record.segments
    ]
