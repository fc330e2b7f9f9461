"""Blind listening tests: the same line from two runs, sides hidden; what listeners chose, with its certainty.

A pair is a line that both runs were heard to say. Every listener hears the pairs in an order of their own, and which
run is on the left is drawn anew for each pair. Votes are kept one by one: a test can be left and taken up again. A
vote knows which results it is about: those of a run made anew are listened to again.

The outcome is a sign test over pairs (Dixon & Mood 1946): listeners' votes on one pair are no independent evidence, so
each pair counts once, for the run that more of them preferred; undecided pairs count for neither.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vtlab.errors import InputError, UserError
from vtlab.evaluation.sweep.results import load_results
from vtlab.files import check_kind
from vtlab.metrics.bootstrap import LEVEL, MIN_UNITS
from vtlab.metrics.rows import SegmentMeasure

Which = Literal["a", "b"]
SCALES = ("naturalness", "intelligibility", "sync")
RESAMPLES = 1000
PERMUTATIONS = 9999  # of a rank correlation; up to seven pairs have fewer, and there all are taken


class Ratings(BaseModel):
    """One to five on each scale, 5 the best; empty where the listener gave none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    naturalness: int | None = Field(None, ge=1, le=5)
    intelligibility: int | None = Field(None, ge=1, le=5)
    sync: int | None = Field(None, ge=1, le=5)


class Vote(BaseModel):
    """What one listener said of one pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listener: str = Field(min_length=1)
    pair: str
    left: Which = Field(description="which run stood on the left")
    preferred: Literal["a", "b", "same"]
    ratings: dict[Which, Ratings] = Field(default_factory=dict)
    of: str = Field("", description="the results it is about, see ``about``; empty in files that did not say so yet")
    at: str = Field(description="UTC, ISO 8601")

    @property
    def clip(self) -> str:
        return self.pair.rpartition(":")[0]


@dataclass(frozen=True)
class Span:
    """A line in a run's result: the video or sound, the seconds in it, and the result's key."""

    file: Path
    start: float
    end: float
    key: str


@dataclass(frozen=True)
class Pair:
    """The same line of the same clip from both runs; ``text`` is its reference translation, where there is one."""

    clip: str
    segment: int
    text: str
    a: Span
    b: Span

    @property
    def id(self) -> str:
        return f"{self.clip}:{self.segment}"

    @property
    def of(self) -> str:
        return about(self.a.key, self.b.key)


@dataclass(frozen=True)
class Showing:
    """A pair as a listener meets it."""

    pair: Pair
    left: Which


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Mark:
    """The mean of marks over pairs with its 95 % interval, which fewer than ``MIN_UNITS`` pairs do not have."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def spread(self) -> str:
        return "" if self.low is None or self.high is None else f" ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Outcome:
    """What the votes say: ``preferred_a`` is the share of decided pairs that prefer run a, absent without any."""

    listeners: int
    votes: int
    pairs: int
    undecided: int
    preferred_a: Estimate | None
    p: float | None
    ratings: dict[Which, dict[str, Mark]]


def spans(run: str | Path, folder: Path) -> dict[tuple[str, int], tuple[Span, SegmentMeasure]]:
    """Every line that a run is heard to say, by clip and number.

    ``run`` is ``suite/configuration`` below ``folder``, or the folder of its results.

    Raises ``InputError`` (``E_RUN``) where no result with its video lies there.
    """
    home = Path(run) if Path(run).is_dir() else folder / str(run)
    found: dict[tuple[str, int], tuple[Span, SegmentMeasure]] = {}
    for result in load_results(home.parent.parent, home.parent.name, home.name):
        clip = home / result.clip
        output = result.outputs.get("video") or result.outputs.get("audio")
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


def pairs(run_a: str | Path, run_b: str | Path, folder: Path) -> list[Pair]:
    """The lines that both runs say, in the order of the clips. Raises ``InputError`` where there is none."""
    ours, theirs = spans(run_a, folder), spans(run_b, folder)
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        raise InputError(f"{run_a} and {run_b} have no line in common: their clips differ.", code="E_RUN")
    return [
        Pair(clip, number, ours[clip, number][1].translation or "", ours[clip, number][0], theirs[clip, number][0])
        for clip, number in both
    ]


def about(key_a: str, key_b: str) -> str:
    """What a vote says it is about: a short hash of both results' keys, whichever of them is named first."""
    return hashlib.sha256("\n".join(sorted((key_a, key_b))).encode()).hexdigest()[:12]


def present(votes: Iterable[Vote], of: Mapping[str, str]) -> list[Vote]:
    """The votes about the results that are there now; ``of`` is what ``about`` says of them, by clip."""
    return [made for made in votes if made.clip in of and of[made.clip] == made.of]


def told_of_earlier(number: int) -> str:
    """Says of so many votes that they are about other results than those there are now."""
    verbs = ("is", "does") if number == 1 else ("are", "do")
    return f"{counted(number, 'vote')} {verbs[0]} about earlier results of these runs and {verbs[1]} not count."


def order(pairs: Sequence[Pair], listener: str, seed: int = 0) -> list[Showing]:
    """The pairs as this listener meets them: shuffled, sides drawn; the same again for the same listener and seed."""
    draw = random.Random(f"{seed}:{listener}")
    shown = list(pairs)
    draw.shuffle(shown)
    return [Showing(pair, "a" if draw.random() < 0.5 else "b") for pair in shown]


def vote(
    showing: Showing,
    listener: str,
    choice: Literal["left", "right", "same"],
    left: Ratings | None = None,
    right: Ratings | None = None,
) -> Vote:
    """What a listener chose by side, as a vote by run."""
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
        of=showing.pair.of,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def votes_file(run_a: str, run_b: str) -> Path:
    """Where ``vtlab listen`` keeps the votes on two runs unless told otherwise."""
    names = "-against-".join(run.strip("/").replace("/", "-") for run in (run_a, run_b))
    return Path("out") / "listen" / names / "votes.jsonl"


def votes_on(run_a: str, run_b: str) -> list[Vote]:
    """The votes that ``vtlab listen`` left on two runs, whichever of them it was told first."""
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
    """The votes in a file, one JSON object a line; of two on the same results by the same listener the later one.

    Raises ``InputError`` (``E_VOTES``) that names the line which is none. A last line cut off by a crash is left out.
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
            made = Vote.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):  # no line break after it
                continue
            raise InputError(
                f"{file}, line {number}, is no vote: {error.errors()[0]['msg']}.", code="E_VOTES"
            ) from error
        kept[made.listener, made.pair, made.of] = made
    return list(kept.values())


def add_vote(file: Path, made: Vote) -> None:
    """Adds a vote to the file, whole, one after the other where several listen at once.

    Raises ``UserError`` (``E_VOTES``) where it cannot be written.
    """
    check_kind(file, "a file of votes", [b'{"listener"'])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b") as out:
            with contextlib.suppress(OSError):  # file systems without locks
                fcntl.flock(out, fcntl.LOCK_EX)
            out.seek(0)
            content = out.read()
            if not content.endswith(b"\n"):  # the last one was cut off by a crash
                out.truncate(content.rfind(b"\n") + 1)
            out.write(made.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise UserError(f"The vote cannot be kept in {file}: {error.strerror}.", code="E_VOTES") from error


def outcome(votes: Sequence[Vote], seed: int = 0) -> Outcome:
    """Preference by sign test over pairs, ratings as means over pairs with bootstrap intervals."""
    from scipy.stats import binomtest

    scores = preferences(votes)
    for_a, decided = sum(score > 0 for score in scores.values()), sum(score != 0 for score in scores.values())
    preferred = p = None
    if decided:
        test = binomtest(for_a, decided)
        interval = test.proportion_ci(LEVEL, method="wilson")
        preferred, p = Estimate(for_a / decided, float(interval.low), float(interval.high)), float(test.pvalue)
    draw = np.random.default_rng(seed)
    return Outcome(
        listeners=len({made.listener for made in votes}),
        votes=len(votes),
        pairs=len(scores),
        undecided=len(scores) - decided,
        preferred_a=preferred,
        p=p,
        ratings={run: _rated(votes, run, draw) for run in ("a", "b")},
    )


def preferences(votes: Iterable[Vote]) -> dict[str, float]:
    """Per pair, how far the listeners lean to run a: the mean of 1 (a), −1 (b) and 0 (same)."""
    given: dict[str, list[int]] = {}
    for made in votes:
        given.setdefault(made.pair, []).append({"a": 1, "b": -1, "same": 0}[made.preferred])
    return {pair: sum(values) / len(values) for pair, values in given.items()}


def correlation(votes: Iterable[Vote], better_a: Mapping[str, float], seed: int = 0) -> tuple[float, float] | None:
    """Spearman's rank correlation, with its p, of the listeners' leaning and how much better run a is by a metric.

    ``better_a`` is by pair, positive where a is better. p is two-sided, by permutation of the pairs: the t distribution
    is far off for few of them. ``None`` with fewer than ``MIN_UNITS`` pairs, or no difference in either.
    """
    from scipy.stats import permutation_test, rankdata

    leaning = preferences(votes)
    both = sorted(leaning.keys() & better_a.keys())
    ours, metric = [leaning[pair] for pair in both], [better_a[pair] for pair in both]
    if len(both) < MIN_UNITS or len(set(ours)) < 2 or len(set(metric)) < 2:
        return None
    ranks, others = (rankdata(values) - (len(both) + 1) / 2 for values in (ours, metric))
    size = np.sqrt((ranks @ ranks) * (others @ others))
    found = permutation_test(
        (ranks,),
        lambda drawn, axis: drawn @ others / size,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=1000,
        random_state=np.random.default_rng(seed),
    )
    return float(found.statistic), float(found.pvalue)


def sentences(run_a: str, run_b: str, outcome: Outcome) -> list[str]:
    """The outcome in words, for a terminal or a page."""
    votes, listeners = counted(outcome.votes, "vote"), counted(outcome.listeners, "listener")
    said = [f"{votes} of {listeners} on {counted(outcome.pairs, 'pair')}."]
    if outcome.preferred_a is None or outcome.p is None:
        return [*said, "No pair was decided for either run: no difference shown."]
    share = outcome.preferred_a
    said.append(
        f"{run_a} is preferred in {share.value:.0%} of {counted(outcome.pairs - outcome.undecided, 'decided pair')} "
        f"(95 % interval {share.low:.0%} to {share.high:.0%}, p = {outcome.p:.3g})."
    )
    if share.low <= 0.5 <= share.high:
        said.append("No difference shown.")
    else:
        said.append(f"Listeners prefer {run_a if share.value > 0.5 else run_b}.")
    for scale in SCALES:
        a, b = outcome.ratings["a"].get(scale), outcome.ratings["b"].get(scale)
        if a is not None and b is not None:
            said.append(f"{scale}: {run_a} {a.value:.2f}{a.spread}, {run_b} {b.value:.2f}{b.spread}.")
    return said


def log_outcome(run_a: str, run_b: str, outcome: Outcome, votes: Path) -> str:
    """Puts the outcome on both runs in MLflow, with the votes as an artifact; returns a sentence that says where.

    Raises ``InputError`` (``E_VOTES``) where nobody voted.
    """
    from vtlab.evaluation.tracking import runs as tracking

    if not outcome.votes:
        raise InputError(f"There are no votes on {run_a} and {run_b} as they are now, so none to log.", code="E_VOTES")
    named: list[tuple[Which, str, str]] = [("a", run_a, run_b), ("b", run_b, run_a)]
    logged = []
    for which, name, other in named:
        run = tracking.load_run(name)
        tracking.add_values(run.run_id, values_for(outcome, which), {"vtlab.listened_against": other})
        tracking.attach(run.run_id, [votes], "listening")
        logged.append(run.run_id)
    return f"Logged to MLflow at {tracking.tracking_uri()}: runs {logged[0]} and {logged[1]}."


def values_for(outcome: Outcome, run: Which) -> dict[str, float]:
    """What MLflow gets for one of the two runs; what nobody said is absent."""
    values: dict[str, float] = {"listen_listeners": outcome.listeners, "listen_pairs": outcome.pairs}
    if outcome.preferred_a is not None and outcome.p is not None:
        ours = outcome.preferred_a
        if run == "b":
            ours = Estimate(1 - ours.value, 1 - ours.high, 1 - ours.low)
        values |= _named("listen_preferred", ours) | {"listen_p": outcome.p}
    for scale, rated in outcome.ratings[run].items():
        values |= _named(f"listen_{scale}", rated)
    return values


def told_of(values: Mapping[str, float], other: str) -> list[str]:
    """What ``values_for`` gave of a run, listened to against ``other``, in words."""
    if not values:
        return []
    listeners, pairs = round(values["listen_listeners"]), round(values["listen_pairs"])
    said = [f"{counted(listeners, 'listener')} heard it against {other}, on {counted(pairs, 'pair')} of lines."]
    if "listen_preferred" in values:
        low, high = values["listen_preferred_low"], values["listen_preferred_high"]
        verdict = "no difference shown" if low <= 0.5 <= high else "a difference is shown"
        said.append(
            f"It is preferred in {values['listen_preferred']:.0%} of the decided pairs "
            f"(95 % interval {low:.0%} to {high:.0%}, p = {values['listen_p']:.3g}): {verdict}."
        )
    else:
        said.append("No pair was decided for either run: no difference shown.")
    for scale in SCALES:
        if (name := f"listen_{scale}") in values:
            mark = Mark(values[name], values.get(f"{name}_low"), values.get(f"{name}_high"))
            said.append(f"{scale}: {mark.value:.2f} of 5{mark.spread}.")
    return said


def counted(number: int, what: str) -> str:
    """``1 vote``, ``2 votes``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _named(name: str, estimate: Estimate | Mark) -> dict[str, float]:
    values = {name: estimate.value}
    if estimate.low is not None and estimate.high is not None:
        values |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return values


def _rated(votes: Sequence[Vote], run: Which, draw: np.random.Generator) -> dict[str, Mark]:
    found = {}
    for scale in SCALES:
        by_pair: dict[str, list[int]] = {}
        for made in votes:
            value = getattr(made.ratings.get(run), scale, None)
            if value is not None:
                by_pair.setdefault(made.pair, []).append(value)
        means = np.array([sum(values) / len(values) for values in by_pair.values()])
        if len(means) >= MIN_UNITS:
            samples = means[draw.integers(0, len(means), (RESAMPLES, len(means)))].mean(axis=1)
            low, high = np.percentile(samples, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
            found[scale] = Mark(float(means.mean()), float(low), float(high))
        elif len(means):
            found[scale] = Mark(float(means.mean()))
    return found
