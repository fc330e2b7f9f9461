"""Votes of blind listening tests: the same segment from two dubs, sides hidden, and which one a listener preferred.

A pair is a segment that is heard in both runs. Each listener hears the pairs in an order of their own, and the run on
the left is drawn anew for each pair. Votes are written one by one: a test can be left and taken up again. A vote names
the results it is about: a run whose results were made again is listened to again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vtlab.errors import InputError, UserError
from vtlab.evaluation.sweep.results import load_results
from vtlab.files import check_kind, hash_text, locked
from vtlab.metrics.rows import SegmentMeasure

Which = Literal["a", "b"]


class Ratings(BaseModel):
    """Ratings of 1 to 5 on each scale, 5 the best; `None` where the listener gave none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    naturalness: int | None = Field(None, ge=1, le=5)
    intelligibility: int | None = Field(None, ge=1, le=5)
    sync: int | None = Field(None, ge=1, le=5)

    def given(self) -> dict[str, int]:
        """Return the ratings that the listener gave, by scale."""
        return self.model_dump(exclude_none=True)


SCALES = tuple(Ratings.model_fields)


class Vote(BaseModel):
    """One listener's vote on one pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listener: str = Field(min_length=1)
    pair: str
    left: Which = Field(description="which run stood on the left")
    preferred: Literal["a", "b", "same"]
    ratings: dict[Which, Ratings] = Field(default_factory=dict)
    of: str = Field("", description="the results it is about, see `hash_results`; empty in files of before")
    at: str = Field(description="UTC, ISO 8601")

    @property
    def clip(self) -> str:
        """The name of the pair's clip."""
        return self.pair.rpartition(":")[0]


@dataclass(frozen=True)
class Span:
    """A segment in a dubbed file: the file, the seconds in it, and the key of the result."""

    file: Path
    start: float
    end: float
    key: str


@dataclass(frozen=True)
class Pair:
    """The same segment of the same clip in both runs; `text` is its reference translation, where there is one."""

    clip: str
    segment: int
    text: str
    a: Span
    b: Span

    @property
    def id(self) -> str:
        """The pair's name in votes: `clip:segment`."""
        return f"{self.clip}:{self.segment}"

    @property
    def results_hash(self) -> str:
        """The hash of the two results; see `hash_results`."""
        return hash_results(self.a.key, self.b.key)


@dataclass(frozen=True)
class Showing:
    """A pair and the run on its left side."""

    pair: Pair
    left: Which


def find_spans(run: str | Path, folder: Path) -> dict[tuple[str, int], tuple[Span, SegmentMeasure]]:
    """Return the segments that are heard in a run's dubs, by clip and index.

    Args:
        run: `suite/configuration` below `folder`, or the folder of its results.
        folder: Holds the results of suites.

    Raises:
        InputError: `E_RUN`; no result with its dub is there.
    """
    home = Path(run) if Path(run).is_dir() else folder / str(run)
    found: dict[tuple[str, int], tuple[Span, SegmentMeasure]] = {}
    for result in load_results(home.parent.parent, home.parent.name, home.name):
        clip = home / result.clip
        output = result.media
        if result.measurement is None or output is None or not (clip / output).is_file():
            continue
        for line in result.measurement.segments:
            if line.dubbed_start is not None and line.dubbed_end is not None:
                span = Span(clip / output, line.dubbed_start, line.dubbed_end, result.key)
                found[result.clip, line.index] = span, line
    if not found:
        raise InputError(
            f"There are no dubbed lines in {home}. Name a run as suite/configuration, and the folder of its results "
            "with --results (out/eval by default); 'vtlab eval' makes them.",
            code="E_RUN",
        )
    return found


def find_pairs(run_a: str | Path, run_b: str | Path, folder: Path) -> list[Pair]:
    """Return the segments heard in both runs, in the order of the clips; raise `InputError` without any."""
    ours, theirs = find_spans(run_a, folder), find_spans(run_b, folder)
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        raise InputError(f"{run_a} and {run_b} have no line in common: their clips differ.", code="E_RUN")
    return [
        Pair(clip, number, ours[clip, number][1].translation or "", ours[clip, number][0], theirs[clip, number][0])
        for clip, number in both
    ]


def hash_results(key_a: str, key_b: str) -> str:
    """Return a short hash of two results' keys, the same in either order: what a vote is about."""
    return hash_text("\n".join(sorted((key_a, key_b))), 12)


def current_votes(votes: Iterable[Vote], hashes: Mapping[str, str]) -> list[Vote]:
    """Return the votes about the current results, whose hashes are given by clip; see `hash_results`."""
    return [vote for vote in votes if vote.clip in hashes and hashes[vote.clip] == vote.of]


def shuffle_pairs(pairs: Sequence[Pair], listener: str, seed: int = 0) -> list[Showing]:
    """Return the pairs shuffled, with sides drawn; the same again for the same listener and seed."""
    draw = random.Random(f"{seed}:{listener}")
    shown = list(pairs)
    draw.shuffle(shown)
    return [Showing(pair, "a" if draw.random() < 0.5 else "b") for pair in shown]


def make_vote(
    showing: Showing,
    listener: str,
    choice: Literal["left", "right", "same"],
    left: Ratings | None = None,
    right: Ratings | None = None,
) -> Vote:
    """Return the vote by run of a listener who chose by side."""
    sides: dict[str, Which] = {"left": showing.left, "right": "b" if showing.left == "a" else "a"}
    given: dict[Which, Ratings] = {}
    for side, ratings in (("left", left), ("right", right)):
        if ratings is not None:
            given[sides[side]] = ratings
    return Vote(
        listener=listener,
        pair=showing.pair.id,
        left=showing.left,
        preferred="same" if choice == "same" else sides[choice],
        ratings=given,
        of=showing.pair.results_hash,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def votes_file(run_a: str, run_b: str) -> Path:
    """Return the file in which `vtlab listen` keeps the votes on two runs by default."""
    names = "-against-".join(run.strip("/").replace("/", "-") for run in (run_a, run_b))
    return Path("out") / "listen" / names / "votes.jsonl"


def find_votes(run_a: str, run_b: str) -> list[Vote]:
    """Return the votes that `vtlab listen` kept on two runs, in whichever order they were named."""
    turned: dict[str, Which] = {"a": "b", "b": "a"}
    others = [
        vote.model_copy(
            update={
                "left": turned[vote.left],
                "preferred": turned.get(vote.preferred, vote.preferred),
                "ratings": {turned[run]: ratings for run, ratings in vote.ratings.items()},
            }
        )
        for vote in read_votes(votes_file(run_b, run_a))
    ]
    return [*read_votes(votes_file(run_a, run_b)), *others]


def read_votes(file: Path) -> list[Vote]:
    """Return the votes in a file, one JSON object a line.

    Of two votes by a listener on the same results the later one counts. A last line cut off by a crash is left out.

    Raises:
        InputError: `E_VOTES`; names the line that is no vote.
    """
    if not file.exists():
        return []
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as votes: {error}.", code="E_VOTES") from error
    kept: dict[tuple[str, str, str], Vote] = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            vote = Vote.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):  # no line break after it
                continue
            raise InputError(
                f"{file}, line {number}, is no vote: {error.errors()[0]['msg']}.", code="E_VOTES"
            ) from error
        kept[vote.listener, vote.pair, vote.of] = vote
    return list(kept.values())


def add_vote(file: Path, vote: Vote) -> None:
    """Append a vote to the file under a lock, since several may listen at once.

    Raises:
        UserError: `E_VOTES`; the file cannot be written.
    """
    check_kind(file, "a file of votes", [b'{"listener"'])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file), file.open("a+b") as out:
            out.seek(0)
            content = out.read()
            if not content.endswith(b"\n"):  # the last one was cut off by a crash
                out.truncate(content.rfind(b"\n") + 1)
            out.write(vote.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise UserError(f"The vote cannot be kept in {file}: {error.strerror}.", code="E_VOTES") from error
