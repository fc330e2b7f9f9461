"""Outcomes of listening tests on runs in the tracking store."""

from __future__ import annotations

from pathlib import Path

from vtlab.errors import InputError, redact
from vtlab.evaluation.compare.listening import (
    ListeningOutcome,
    describe_earlier,
    describe_outcome,
    outcome_values,
    summarize_votes,
)
from vtlab.evaluation.compare.votes import Which, current_votes, find_pairs, read_votes
from vtlab.evaluation.tracking.connection import tracking_uri
from vtlab.evaluation.tracking.lookup import load_tracked_run
from vtlab.evaluation.tracking.runs import add_values, attach


def close_test(run_a: str, run_b: str, results: Path, votes: Path) -> list[str]:
    """Log the outcome of a listening test to both runs, and return it in sentences.

    Args:
        run_a: `suite/configuration`, or a folder of results.
        run_b: The other run.
        results: Where `vtlab eval` left its results.
        votes: The file of votes; those about earlier results do not count.

    Raises:
        InputError: There are no votes, or no such run in MLflow.
    """
    hashes = {pair.clip: pair.results_hash for pair in find_pairs(run_a, run_b, results)}
    given = read_votes(votes)
    counted = current_votes(given, hashes)
    outcome = summarize_votes(counted)
    logged = log_outcome(run_a, run_b, outcome, votes)
    earlier = [describe_earlier(len(given) - len(counted))] if len(counted) < len(given) else []
    return [*describe_outcome(run_a, run_b, outcome), *earlier, logged]


def log_outcome(run_a: str, run_b: str, outcome: ListeningOutcome, votes: Path) -> str:
    """Log the outcome on both runs, the votes as an artifact, and return a sentence that names the runs.

    Raises:
        InputError: `E_VOTES`; there are no votes.
    """
    if not outcome.votes:
        raise InputError(f"There are no votes on {run_a} and {run_b} as they are now, so none to log.", code="E_VOTES")
    named: list[tuple[Which, str, str]] = [("a", run_a, run_b), ("b", run_b, run_a)]
    logged = []
    for which, name, other in named:
        run = load_tracked_run(name)
        add_values(run.run_id, outcome_values(outcome, which), {"vtlab.listened_against": other})
        attach(run.run_id, [votes], "listening")
        logged.append(run.run_id)
    return redact(f"Logged to MLflow at {tracking_uri()}: runs {logged[0]} and {logged[1]}.")
