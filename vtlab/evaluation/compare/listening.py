"""The outcome of a listening test, and the metrics that agree with it.

The outcome is a sign test over pairs (Dixon & Mood 1946): listeners' votes on one pair are no independent evidence, so
each pair counts once, for the run that more of them preferred; undecided pairs count for neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vtlab.errors import InputError
from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.compare.votes import SCALES, Ratings, Vote, Which, current_votes, hash_results
from vtlab.metrics import bootstrap
from vtlab.metrics.bootstrap import LEVEL, MIN_UNITS, SEED
from vtlab.metrics.display import format_number, format_p, format_share
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import find_metric

RESAMPLES = 1000
PERMUTATIONS = 9999  # of a rank correlation; up to seven pairs have fewer, and there all are taken


@dataclass(frozen=True)
class PreferredShare:
    """The share of decided pairs in which a run is preferred, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeanRating:
    """The mean rating over pairs with its 95 % interval, which fewer than `MIN_UNITS` pairs do not have."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def spread(self) -> str:
        """The interval in words; empty without one."""
        return "" if self.low is None or self.high is None else f" ({_rating(self.low)} to {_rating(self.high)})"


@dataclass(frozen=True)
class ListeningOutcome:
    """The votes in numbers; `preferred_a` is the share of decided pairs that prefer run a, `None` without any."""

    listeners: int
    votes: int
    pairs: int
    undecided: int
    preferred_a: PreferredShare | None
    p: float | None
    ratings: dict[Which, dict[str, MeanRating]]


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation of listeners' preference and a metric's, over segments.

    Attributes:
        rho: The correlation.
        p: Two-sided, by permutation.
        pairs: The number of segments, at least `bootstrap.MIN_UNITS`.
    """

    metric: str
    rho: float
    p: float
    pairs: int


@dataclass(frozen=True)
class Listening:
    """What listeners preferred, in sentences, and the metrics that agree with them, those that agree most first."""

    sentences: tuple[str, ...]
    agreements: tuple[Agreement, ...]


def relate_votes(
    systems: Sequence[System], votes: Sequence[Vote], wanted: Sequence[str], seed: int = SEED
) -> Listening:
    """Return what listeners of two systems preferred, and how far each metric of segments agrees with them.

    Votes about other results than the systems' are left out, where the systems have keys of results.

    Raises:
        InputError: `E_VOTES`; there are not two systems.
    """
    if len(systems) != 2:
        raise InputError(
            f"Votes are about two runs, and {len(systems)} are compared; name the two that were listened to.",
            code="E_VOTES",
        )
    one, other = systems
    given = len(votes)
    if one.keys and other.keys:
        both = one.keys.keys() & other.keys.keys()
        votes = current_votes(votes, {clip: hash_results(one.keys[clip], other.keys[clip]) for clip in both})
    ours, theirs = (list_units(system.clips, "segments") for system in systems)
    agreements = []
    for name in wanted:
        metric = find_metric(name)
        if not metric.has_interval or metric.over != "segments" or metric.better == "target":
            continue
        up = 1 if metric.better == "higher" else -1
        better_a = {
            f"{unit.clip}:{unit.segment.index}": up * (a - b)  # as in votes.Pair
            for unit, a, b in bootstrap.score_each_unit(name, ours, theirs)
            if unit.segment is not None
        }
        found = correlation(votes, better_a, seed)
        if found is not None:
            pairs = len(better_a.keys() & {vote.pair for vote in votes})
            agreements.append(Agreement(name, *found, pairs))
    sentences = describe_outcome(one.name, other.name, summarize_votes(votes)) if votes else []
    if len(votes) < given:
        sentences.append(describe_earlier(given - len(votes)))
    return Listening(tuple(sentences), tuple(sorted(agreements, key=lambda agreement: -agreement.rho)))


def describe_earlier(number: int) -> str:
    """Return a sentence on the number of votes about earlier results."""
    verbs = ("is", "does") if number == 1 else ("are", "do")
    return f"{count_noun(number, 'vote')} {verbs[0]} about earlier results of these runs and {verbs[1]} not count."


def summarize_votes(votes: Sequence[Vote], seed: int = 0) -> ListeningOutcome:
    """Return the preference by sign test over pairs, and mean ratings over pairs with bootstrap intervals."""
    from scipy.stats import binomtest

    scores = preferences(votes)
    for_a, decided = sum(score > 0 for score in scores.values()), sum(score != 0 for score in scores.values())
    preferred = p = None
    if decided:
        test = binomtest(for_a, decided)
        interval = test.proportion_ci(LEVEL, method="wilson")
        preferred, p = PreferredShare(for_a / decided, interval.low, interval.high), float(test.pvalue)
    draw = np.random.default_rng(seed)
    return ListeningOutcome(
        listeners=len({vote.listener for vote in votes}),
        votes=len(votes),
        pairs=len(scores),
        undecided=len(scores) - decided,
        preferred_a=preferred,
        p=p,
        ratings={run: _rated(votes, run, draw) for run in ("a", "b")},
    )


def preferences(votes: Iterable[Vote]) -> dict[str, float]:
    """Return the mean preference for run a by pair: of 1 (a), −1 (b) and 0 (same)."""
    given: dict[str, list[int]] = {}
    for vote in votes:
        given.setdefault(vote.pair, []).append({"a": 1, "b": -1, "same": 0}[vote.preferred])
    return {pair: sum(values) / len(values) for pair, values in given.items()}


def correlation(votes: Iterable[Vote], better_a: Mapping[str, float], seed: int = 0) -> tuple[float, float] | None:
    """Return Spearman's rank correlation of listeners' preference and a metric's, and its p.

    p is two-sided, by permutation of the pairs: the t distribution is far off for few of them.

    Args:
        votes: Of listeners, on both runs.
        better_a: How much better run a is by the metric, by pair.
        seed: Seed of the permutations.

    Returns:
        Correlation and p; `None` below `MIN_UNITS` pairs, or where either has no differences.
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


def describe_outcome(run_a: str, run_b: str, outcome: ListeningOutcome) -> list[str]:
    """Return the outcome in sentences."""
    votes, listeners = count_noun(outcome.votes, "vote"), count_noun(outcome.listeners, "listener")
    sentences = [f"{votes} of {listeners} on {count_noun(outcome.pairs, 'pair')}."]
    if outcome.preferred_a is None or outcome.p is None:
        return [*sentences, "No pair was decided for either run: no difference shown."]
    share, decided = outcome.preferred_a, count_noun(outcome.pairs - outcome.undecided, "decided pair")
    sentences.append(
        f"{run_a} is preferred in {format_share(share.value)} of {decided} "
        f"(95 % interval {format_share(share.low)} to {format_share(share.high)}, p {format_p(outcome.p)})."
    )
    if share.low <= 0.5 <= share.high:
        sentences.append("No difference shown.")
    else:
        sentences.append(f"Listeners prefer {run_a if share.value > 0.5 else run_b}.")
    for scale in SCALES:
        a, b = outcome.ratings["a"].get(scale), outcome.ratings["b"].get(scale)
        if a is not None and b is not None:
            sentences.append(f"{scale}: {run_a} {_rating(a.value)}{a.spread}, {run_b} {_rating(b.value)}{b.spread}.")
    return sentences


def outcome_values(outcome: ListeningOutcome, run: Which) -> dict[str, float]:
    """Return the outcome as metrics of one of the two runs; what nobody rated is absent."""
    values: dict[str, float] = {"listen_listeners": outcome.listeners, "listen_pairs": outcome.pairs}
    if outcome.preferred_a is not None and outcome.p is not None:
        ours = outcome.preferred_a
        if run == "b":
            ours = PreferredShare(1 - ours.value, 1 - ours.high, 1 - ours.low)
        values |= _named("listen_preferred", ours) | {"listen_p": outcome.p}
    for scale, rated in outcome.ratings[run].items():
        values |= _named(f"listen_{scale}", rated)
    return values


def describe_values(values: Mapping[str, float], other: str) -> list[str]:
    """Return the values of `outcome_values` in sentences; `other` is the other run of the test."""
    if not values:
        return []
    listeners, pairs = round(values["listen_listeners"]), round(values["listen_pairs"])
    sentences = [
        f"{count_noun(listeners, 'listener')} heard it against {other}, on {count_noun(pairs, 'pair')} of lines."
    ]
    if "listen_preferred" in values:
        low, high = values["listen_preferred_low"], values["listen_preferred_high"]
        verdict = "no difference shown" if low <= 0.5 <= high else "a difference is shown"
        sentences.append(
            f"It is preferred in {format_share(values['listen_preferred'])} of the decided pairs "
            f"(95 % interval {format_share(low)} to {format_share(high)}, p {format_p(values['listen_p'])}): {verdict}."
        )
    else:
        sentences.append("No pair was decided for either run: no difference shown.")
    for scale in SCALES:
        if (name := f"listen_{scale}") in values:
            mark = MeanRating(values[name], values.get(f"{name}_low"), values.get(f"{name}_high"))
            sentences.append(f"{scale}: {_rating(mark.value)} of 5{mark.spread}.")
    return sentences


def count_noun(number: int, what: str) -> str:
    """Return `1 vote` or `2 votes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _rating(value: float) -> str:
    return format_number(value, "1-5")


def _named(name: str, estimate: PreferredShare | MeanRating) -> dict[str, float]:
    values = {name: estimate.value}
    if estimate.low is not None and estimate.high is not None:
        values |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return values


def _rated(votes: Sequence[Vote], run: Which, draw: np.random.Generator) -> dict[str, MeanRating]:
    found = {}
    for scale in SCALES:
        by_pair: dict[str, list[int]] = {}
        for vote in votes:
            rating = vote.ratings.get(run, Ratings()).given().get(scale)
            if rating is not None:
                by_pair.setdefault(vote.pair, []).append(rating)
        means = np.array([sum(values) / len(values) for values in by_pair.values()])
        if len(means) >= MIN_UNITS:
            samples = means[draw.integers(0, len(means), (RESAMPLES, len(means)))].mean(axis=1)
            low, high = np.percentile(samples, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
            found[scale] = MeanRating(float(means.mean()), float(low), float(high))
        elif len(means):
            found[scale] = MeanRating(float(means.mean()))
    return found
