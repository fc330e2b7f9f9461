"""A blind pair and the keys to vote on it: left, right or no difference, and ratings from 1 to 5 for either side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vtlab.errors import ResourceError, VtlabError
from vtlab.evaluation.compare.listening import count_noun
from vtlab.evaluation.compare.votes import (
    SCALES,
    Ratings,
    Showing,
    Span,
    Vote,
    add_vote,
    current_votes,
    find_pairs,
    make_vote,
    read_votes,
    shuffle_pairs,
)
from vtlab.media.snippets import data_url

AROUND_S = 0.3  # of the video before and after a segment
PICTURE_SCALES = ("sync",)  # scales that a sound without a picture has no rating on


@dataclass(frozen=True)
class Excerpt:
    """A segment cut out of a dub, as MP4; `picture`: whether it has one."""

    content: bytes
    picture: bool


class ListeningTest:
    """The pairs of two runs, and the votes on them.

    Args:
        run_a: `suite/configuration`, or a folder of results.
        run_b: The other run.
        results: Where `vtlab eval` left its results.
        votes: The file of votes.
        seed: Decides the order of pairs and sides.

    Raises:
        InputError: The runs have no segment in common, or the file is none of votes.
    """

    def __init__(self, run_a: str, run_b: str, results: Path, votes: Path, seed: int = 0) -> None:
        self._pairs, self._votes, self._seed = find_pairs(run_a, run_b, results), votes, seed
        read_votes(votes)

    @property
    def size(self) -> str:
        """The number of segments, in words."""
        return count_noun(len(self._pairs), "segment")

    def ballot(self, listener: str) -> Ballot:
        """Return the ballot of the pairs on which a listener has not voted."""
        hashes = {pair.clip: pair.results_hash for pair in self._pairs}
        heard = {vote.pair for vote in current_votes(read_votes(self._votes), hashes) if vote.listener == listener}
        left = [one for one in shuffle_pairs(self._pairs, listener, self._seed) if one.pair.id not in heard]
        return Ballot(left, listener, len(heard), self._votes.parent / "work", partial(add_vote, self._votes))


class Ballot(anywidget.AnyWidget):
    """Show one pair after the other, and hand each vote to `on_vote` before the next pair comes.

    Attributes:
        showing: What the page may know: number, total, text and both sides' excerpts, never which run is which; or
            `trouble`, why the pair cannot be heard.
        chosen: What the page sends: number, choice and ratings; no choice where the browser could not play the pair.
        not_kept: Why the last vote could not be kept; it can be given again.
    """

    _esm = Path(__file__).with_name("ballot.js")
    _css = Path(__file__).with_name("ballot.css")
    showing = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    not_kept = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, pairs: Sequence[Showing], listener: str, heard: int, work: Path, on_vote: Callable[[Vote], None]
    ) -> None:
        """Show the first pair.

        Args:
            pairs: The pairs still to be heard, in order.
            listener: The listener's name.
            heard: The number of pairs that this listener has heard before.
            work: A folder for excerpts while they are cut.
            on_vote: Keeps a vote, or raises `VtlabError`.
        """
        super().__init__()
        self._pairs, self._listener, self._heard, self._work, self._on_vote = pairs, listener, heard, work, on_vote
        self._position = self._skipped = 0
        self.observe(self._take_vote, names="chosen")
        self.showing = self._page(0)

    def _page(self, position: int) -> dict[str, Any]:
        total = self._heard + len(self._pairs)
        if position == len(self._pairs):
            return {"number": total, "total": total, "done": True, "skipped": self._skipped}
        showing = self._pairs[position]
        number = self._heard + position + 1
        page: dict[str, Any] = {"number": number, "total": total, "done": False, "text": showing.pair.text}
        left, right = (showing.pair.a, showing.pair.b) if showing.left == "a" else (showing.pair.b, showing.pair.a)
        for side, span in (("left", left), ("right", right)):
            try:
                page[side] = _side(_excerpt(span, self._work))
            except VtlabError as error:
                reason = str(error)
                for path in (span.file, self._work):  # they would name the run
                    reason = reason.replace(str(path.absolute()), "it").replace(str(path), "it")
                page["trouble"] = f"The dub on the {side} cannot be heard: {reason}"
                break
        return page

    def _take_vote(self, change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen.get("number") != self._heard + self._position + 1 or self._position == len(self._pairs):
            return  # pressed twice
        skipped = "choice" not in chosen
        self._skipped += skipped
        page = self._page(self._position + 1)  # before the vote is kept, which can be given again if this fails
        if not skipped:
            left, right = (
                Ratings(**{scale: rating for scale, rating in chosen[side].items() if rating})
                for side in ("left_ratings", "right_ratings")
            )
            try:
                self._on_vote(make_vote(self._pairs[self._position], self._listener, chosen["choice"], left, right))
            except VtlabError as error:
                # its own sentence has the path of the votes, which names the runs
                cause = f": {error.__cause__.strerror}" if isinstance(error.__cause__, OSError) else ""
                self.not_kept = f"The vote could not be kept{cause}."
                return
        self.not_kept = ""
        self._position += 1
        self.showing = page


def _side(excerpt: Excerpt) -> dict[str, Any]:
    return {
        "kind": "video" if excerpt.picture else "audio",
        "address": data_url(excerpt.content, "video/mp4" if excerpt.picture else "audio/mp4"),
        "scales": [scale for scale in SCALES if excerpt.picture or scale not in PICTURE_SCALES],
    }


def _excerpt(span: Span, work: Path) -> Excerpt:
    """Cut the segment in a folder of its own in `work`, since several may listen at once."""
    from vtlab import media

    info = media.probe(span.file)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            out = Path(folder) / "excerpt.mp4"
            media.excerpt(info, out, max(0.0, span.start - AROUND_S), span.end + AROUND_S, Path(folder))
            return Excerpt(out.read_bytes(), info.video is not None)
    except OSError as error:
        raise ResourceError(f"No segment can be cut in {work}: {error.strerror}.") from error
