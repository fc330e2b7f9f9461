"""One time line with the lines of source and dub, their speed and drift; a click plays a line from both tracks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vtlab.record import Record


class Timeline(anywidget.AnyWidget):
    """Draws ``lines``, and asks Python for the sound of the one that is clicked, so that no page holds a whole file.

    ``natural`` and ``bearable``, lowest and highest speed each, give lines their colour. ``asked`` is ``{"line": id,
    "count": n}``, set by a click; ``answer`` is the same with ``source`` and ``dub``, both addresses of sounds that the
    page then plays one after the other.
    """

    _esm = Path(__file__).with_name("timeline.js")
    _css = Path(__file__).with_name("timeline.css")
    lines: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    seconds = traitlets.Float().tag(sync=True)
    natural = traitlets.Tuple().tag(sync=True)
    bearable = traitlets.Tuple().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, record: Record, sounds: Callable[[int], tuple[str, str]], **kwargs: Any) -> None:
        natural, bearable = record.speed_ranges()
        super().__init__(
            lines=timeline_lines(record), seconds=record.source.seconds, natural=natural, bearable=bearable, **kwargs
        )
        self._sounds = sounds
        self.observe(self._play, names="asked")

    def _play(self, change: dict[str, Any]) -> None:
        asked = change["new"]
        source, dub = self._sounds(asked["line"])
        self.answer = {**asked, "source": source, "dub": dub}


def timeline_lines(record: Record) -> list[dict[str, Any]]:
    """What the time line draws of each line; times in seconds, drift in milliseconds."""
    return [
        {
            "id": line.id,
            "source": [line.start, line.end],
            "dub": [line.planned_start, line.planned_end],
            "speed": round(line.speed, 3),
            "drift": round(1000 * max(abs(line.planned_start - line.start), abs(line.planned_end - line.end))),
            "late": round(1000 * (line.planned_start - line.start)),
            "text": line.text,
            "translation": line.spoken_text,
            "failed": line.failed is not None,
        }
        for line in record.segments
    ]
