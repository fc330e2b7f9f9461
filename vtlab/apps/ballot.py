"""A blind pair and the keys to vote on it: left, right or no difference, and marks from 1 to 5 for either side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vtlab.apps.sounds import data_url
from vtlab.errors import ResourceError, VtlabError
from vtlab.evaluation.compare.votes import SCALES, Ratings, Showing, Span, Vote, make_vote

AROUND_S = 0.3  # of the video before and after a line
OF_PICTURES = ("sync",)  # scales that say nothing of sound alone


@dataclass(frozen=True)
class Piece:
    """A line cut out of a dub, as MP4; ``picture``: whether it has one."""

    content: bytes
    picture: bool


class Ballot(anywidget.AnyWidget):
    """Shows one pair after the other; each vote goes to ``on_vote`` before the next pair comes.

    ``showing`` holds what the page may know: number, total, text and both sides' sounds, never which run is which; or
    ``trouble``, why the pair cannot be heard. ``not_kept`` is why the last vote could not be kept: it can be given
    again.
    """

    _esm = Path(__file__).with_name("ballot.js")
    _css = Path(__file__).with_name("ballot.css")
    showing = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    not_kept = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, shows: list[Showing], listener: str, already: int, work: Path, on_vote: Callable[[Vote], None]
    ) -> None:
        """``shows`` are the pairs still to be heard, ``already`` how many this listener has heard before."""
        super().__init__()
        self._shows, self._listener, self._already, self._work, self._on_vote = shows, listener, already, work, on_vote
        self._at = self._skipped = 0
        self.observe(self._count, names="chosen")
        self.showing = self._page(0)

    def _page(self, at: int) -> dict[str, Any]:
        total = self._already + len(self._shows)
        if at == len(self._shows):
            return {"number": total, "total": total, "done": True, "skipped": self._skipped}
        showing = self._shows[at]
        number = self._already + at + 1
        page: dict[str, Any] = {"number": number, "total": total, "done": False, "text": showing.pair.text}
        left, right = (showing.pair.a, showing.pair.b) if showing.left == "a" else (showing.pair.b, showing.pair.a)
        for side, span in (("left", left), ("right", right)):
            try:
                page[side] = _side(_piece(span, self._work))
            except VtlabError as error:
                # the path would tell which run it is
                said = str(error).replace(str(span.file.absolute()), "it").replace(str(span.file), "it")
                page["trouble"] = f"The dub on the {side} cannot be heard: {said}"
                break
        return page

    def _count(self, change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen.get("number") != self._already + self._at + 1 or self._at == len(self._shows):
            return  # pressed twice
        if "trouble" in self.showing:
            self._skipped += 1
        page = self._page(self._at + 1)  # before the vote is kept, which can be given again if this fails
        if "trouble" not in self.showing:
            left, right = (
                Ratings(**{k: v for k, v in chosen[side].items() if v}) for side in ("left_marks", "right_marks")
            )
            try:
                self._on_vote(make_vote(self._shows[self._at], self._listener, chosen["choice"], left, right))
            except VtlabError as error:
                self.not_kept = str(error)
                return
        self.not_kept = ""
        self._at += 1
        self.showing = page


def _side(piece: Piece) -> dict[str, Any]:
    return {
        "kind": "video" if piece.picture else "audio",
        "address": data_url(piece.content, "video/mp4" if piece.picture else "audio/mp4"),
        "scales": [scale for scale in SCALES if piece.picture or scale not in OF_PICTURES],
    }


def _piece(span: Span, work: Path) -> Piece:
    """The line, cut in a folder of its own in ``work``: several listen at once."""
    from vtlab import media

    info = media.probe(span.file)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            out = Path(folder) / "piece.mp4"
            media.excerpt(info, out, max(0.0, span.start - AROUND_S), span.end + AROUND_S, Path(folder))
            return Piece(out.read_bytes(), info.video is not None)
    except OSError as error:
        raise ResourceError(f"No line can be cut in {work}: {error.strerror}.") from error
