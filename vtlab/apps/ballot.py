"""A blind pair and the keys to vote on it: left, right or no difference, and marks from 1 to 5 for either side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vtlab.apps.sounds import data_url
from vtlab.evaluation.listening import SCALES, Ratings, Showing, Span, Vote, vote

AROUND_S = 0.3  # of the video before and after a line


class Ballot(anywidget.AnyWidget):
    """Shows one pair after the other; each vote goes to ``on_vote`` before the next pair comes.

    ``showing`` holds what the page may know: number, total, text and both sides' sounds, never which run is which.
    """

    _esm = Path(__file__).with_name("ballot.js")
    _css = Path(__file__).with_name("ballot.css")
    scales: traitlets.List[str] = traitlets.List(list(SCALES)).tag(sync=True)
    showing = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)

    def __init__(
        self, shows: list[Showing], listener: str, already: int, work: Path, on_vote: Callable[[Vote], None]
    ) -> None:
        """``shows`` are the pairs still to be heard, ``already`` how many this listener has heard before."""
        super().__init__()
        self._shows, self._listener, self._already, self._work, self._on_vote = shows, listener, already, work, on_vote
        self._at = 0
        self.observe(self._count, names="chosen")
        self._show()

    def _show(self) -> None:
        total = self._already + len(self._shows)
        if self._at == len(self._shows):
            self.showing = {"number": total, "total": total, "done": True}
            return
        showing = self._shows[self._at]
        left, right = (showing.pair.a, showing.pair.b) if showing.left == "a" else (showing.pair.b, showing.pair.a)
        self.showing = {
            "number": self._already + self._at + 1,
            "total": total,
            "done": False,
            "text": showing.pair.text,
            "left": data_url(_piece(left, self._work), "video/mp4"),
            "right": data_url(_piece(right, self._work), "video/mp4"),
        }

    def _count(self, change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen.get("number") != self._already + self._at + 1 or self._at == len(self._shows):
            return  # pressed twice
        left, right = (
            Ratings(**{k: v for k, v in chosen[side].items() if v}) for side in ("left_marks", "right_marks")
        )
        self._on_vote(vote(self._shows[self._at], self._listener, chosen["choice"], left, right))
        self._at += 1
        self._show()


def _piece(span: Span, work: Path) -> bytes:
    from vtlab import media

    work.mkdir(parents=True, exist_ok=True)
    out = work / "piece.mp4"
    media.piece(media.probe(span.file), out, max(0.0, span.start - AROUND_S), span.end + AROUND_S, work)
    content = out.read_bytes()
    out.unlink()
    return content
