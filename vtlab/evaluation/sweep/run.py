"""A sweep: every configuration of a suite on every clip, dubbed, measured, and kept.

Work is handed out clip by clip: the configurations of a clip follow each other in one process with its engines loaded,
and the store gives each of them what an earlier one has computed, so each distinct stage result is computed once. A
result with the same key (a hash of all it depends on) is not made again, so a sweep that was killed goes on from there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vtlab.errors import Cancelled, VtlabError
from vtlab.evaluation.dataset import Clip, Dataset
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.clip import Job
from vtlab.evaluation.sweep.forecast import TimeLeft
from vtlab.evaluation.sweep.plan import Plan, Task, plan_sweep
from vtlab.evaluation.sweep.results import ClipResult, Corpus, StageCount, add_counts, aggregate_results, load_results
from vtlab.releases.evidence import GateOutcome, judge_gates

if TYPE_CHECKING:
    from pandas import DataFrame

Report = Callable[[str], None]
"""Takes a sentence for people."""
Workers = Callable[[Job, Sequence[Task], Callable[[ClipResult], None], Report], None]
"""Does tasks somewhere, and passes on each result as it is finished."""
Tracker = Callable[[Suite, Configuration, Dataset, Path, int], str]
"""Logs a configuration (suite, configuration, data set, folder of results, limit) and returns its run's id."""


@dataclass(frozen=True)
class Outcome:
    """The results of one configuration.

    Attributes:
        run_id: The id of its MLflow run.
        problem: Why there is no run.
    """

    configuration: Configuration
    results: tuple[ClipResult, ...]
    corpus: Corpus
    gates: tuple[GateOutcome, ...]
    stages: dict[str, StageCount]
    run_id: str | None = None
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every gate is passed."""
        return all(gate.passed for gate in self.gates)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Attributes:
        suite: The suite.
        dataset: Its data set.
        clips: The clips it ran on.
        outcomes: The results of each configuration.
        made: The number of results made now.
        found: The number of results that were kept already.
        seconds: How long it took.

    Examples:
        >>> import vtlab
        >>> sweep = vtlab.evaluate("evals/smoke.yaml", limit=1)
        >>> [outcome.configuration.name for outcome in sweep.outcomes]
        ['beam_size=1', 'beam_size=5']
    """

    suite: Suite
    dataset: Dataset
    clips: tuple[Clip, ...]
    outcomes: tuple[Outcome, ...]
    made: int
    found: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether no clip failed and some configuration passes its gates."""
        return all(outcome.corpus.failed == 0 for outcome in self.outcomes) and any(
            outcome.passed for outcome in self.outcomes
        )

    def to_frame(self) -> DataFrame:
        """Return a row per configuration: every metric over all clips, gates passed, and the id of its MLflow run."""
        import pandas as pd

        rows = [
            {
                "configuration": outcome.configuration.name,
                **outcome.corpus.values,
                "failed clips": outcome.corpus.failed,
                "passed": outcome.passed,
                "run": outcome.run_id,
            }
            for outcome in self.outcomes
        ]
        return pd.DataFrame(rows).set_index("configuration")

    def _repr_html_(self) -> str:
        return str(self.to_frame()._repr_html_())


def run_sweep(
    suite: Suite,
    folder: Path,
    workers: Workers,
    *,
    on_result: Callable[[ClipResult, int, int, float], None] = lambda result, done, total, left_s: None,
    report: Report = lambda sentence: None,
    track: Tracker | None = None,
    limit: int = 0,
    resume: bool = True,
) -> Sweep:
    """Dub and measure every clip under every configuration, then log each configuration.

    Args:
        suite: The suite, checked.
        folder: Holds the results of suites.
        workers: Does the tasks, in processes or on a cluster.
        on_result: Takes each new result, how many there are, how many there will be, and about how many seconds that
            takes.
        report: Takes sentences for people, such as that a process died and its clip is tried again.
        track: Logs a configuration.
        limit: The first clips only; 0 for all.
        resume: Keep results that are there, except those of clips that failed.

    Raises:
        UserError: No clip could be dubbed under some configuration; nothing was started.
    """
    began = time.perf_counter()
    plan = plan_sweep(suite, folder, limit=limit, resume=resume)
    for home in plan.outdated:
        shutil.rmtree(home)
    done, time_left = plan.found, TimeLeft(plan)

    def take(result: ClipResult) -> None:
        nonlocal done
        done += 1
        on_result(result, done, plan.total, time_left.after(result))

    if plan.found:
        report(f"{plan.found} of {plan.total} results are there already.")
    if plan.tasks:
        workers(plan.job, plan.tasks, take, report)
    outcomes = tuple(_outcome(plan, configuration, track, limit, report) for configuration in plan.configurations)
    seconds = round(time.perf_counter() - began, 3)
    return Sweep(suite, plan.job.dataset, plan.clips, outcomes, plan.total - plan.found, plan.found, seconds)


def _outcome(plan: Plan, configuration: Configuration, track: Tracker | None, limit: int, report: Report) -> Outcome:
    job = plan.job
    results = load_results(job.folder, job.suite.name, configuration.name, [clip.id for clip in plan.clips])
    corpus = aggregate_results(results)
    run_id = problem = None
    if track is not None:
        report(f"report of {configuration.name}")
        try:
            run_id = track(job.suite, configuration, job.dataset, job.folder, limit)
        except VtlabError as error:
            if isinstance(error, Cancelled):
                raise
            problem = str(error)
            report(problem)
    return Outcome(
        configuration,
        tuple(results),
        corpus,
        tuple(judge_gates(job.suite.gates, corpus.values)),
        add_counts(result.stages for result in results),
        run_id,
        problem,
    )
