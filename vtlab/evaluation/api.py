"""Evaluations and comparisons as the package's own functions: `vtlab.evaluate`, `vtlab.compare` and their kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from vtlab.evaluation.compare.comparison import compare_systems
from vtlab.evaluation.compare.systems import from_results
from vtlab.evaluation.compare.votes import find_votes, read_votes
from vtlab.evaluation.show.comparison import Comparison
from vtlab.evaluation.show.run import RESULTS, Run, load_run
from vtlab.evaluation.show.terminal import describe_result
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.suite.model import Suite
from vtlab.evaluation.sweep.clip import Bench, evaluate_clip
from vtlab.evaluation.sweep.forecast import Forecast, forecast_sweep
from vtlab.evaluation.sweep.plan import plan_sweep
from vtlab.evaluation.sweep.rescoring import rescore_results
from vtlab.evaluation.sweep.run import Sweep, Workers, run_sweep
from vtlab.evaluation.sweep.workers import run_in_processes
from vtlab.evaluation.tracking.connection import create_store
from vtlab.evaluation.tracking.machine_load import sample_load
from vtlab.evaluation.tracking.notebook import execute_evaluation
from vtlab.evaluation.tracking.runs import attach_trade, log_configuration
from vtlab.evaluation.tracking.systems import load_systems
from vtlab.metrics.bootstrap import SAMPLES, SEED

__all__ = ["compare", "evaluate", "evaluate_configuration", "forecast", "load_run", "load_suite"]

Report = Callable[[str], None]


def _print_to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def evaluate(
    suite: str | Path | Suite,
    jobs: int = 1,
    on: str | None = None,
    limit: int = 0,
    *,
    resume: bool = True,
    rescore: bool = False,
    out: str | Path = RESULTS,
    report: Report = _print_to_stderr,
) -> Sweep:
    """Run a suite: dub every clip with every configuration, measure, and log each configuration to MLflow.

    Run again after an interruption, it goes on from there; clips that failed are tried again.

    Args:
        suite: The suite, or its YAML file.
        jobs: The number of processes that dub side by side.
        on: A Ray cluster instead: `ray` for one on this machine, or `ray://host:port` or `host:port`. Results and store
            are then in folders that all machines share.
        limit: The first clips only; 0 for all.
        resume: Keep the results that are there.
        rescore: Dub nothing: measure the dubs that are kept with the metrics that the suite names now.
        out: Where the results go.
        report: Takes a sentence on each new result and each fault; by default it is printed to stderr.

    Returns:
        The results by configuration; `Sweep.to_frame()` is their table.

    Raises:
        UserError: The suite is faulty, no clip could be dubbed under some configuration, or a dub to measure again is
            not kept (`E_NOT_KEPT`).

    Examples:
        >>> import vtlab
        >>> sweep = vtlab.evaluate("evals/smoke.yaml", limit=1)
        >>> sweep.to_frame()[["wer", "chrf"]].shape
        (2, 2)
    """
    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    create_store()
    if rescore:
        rescore_results(suite, Path(out), limit=limit, report=report)
    done = run_sweep(
        suite,
        Path(out),
        _choose_workers(jobs, on),
        on_result=lambda *news: report(describe_result(*news)),
        report=report,
        track=execute_evaluation,
        limit=limit,
        resume=resume,
    )
    attach_trade({one.run_id: one.results for one in done.outcomes if one.run_id is not None})
    return done


def forecast(suite: str | Path | Suite, limit: int = 0, *, resume: bool = True, out: str | Path = RESULTS) -> Forecast:
    """Return what `evaluate` would do with the same arguments, and about how long it would take.

    Nothing is dubbed or written, and no model is loaded.

    Args:
        suite: The suite, or its YAML file.
        limit: The first clips only; 0 for all.
        resume: Keep the results that are there.
        out: Where the results are.

    Returns:
        The forecast: its plan, the work of each stage, and the seconds it takes.

    Raises:
        UserError: The suite is faulty, or no clip could be dubbed under some configuration.

    Examples:
        >>> import vtlab
        >>> found = vtlab.forecast("evals/smoke.yaml", out="nowhere")
        >>> found.plan.total, found.basis
        (4, 'documented rates of a machine with two cores')
    """
    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    return forecast_sweep(plan_sweep(suite, Path(out), limit=limit, resume=resume))


def evaluate_configuration(
    suite: str | Path | Suite,
    configuration: str,
    *,
    limit: int = 0,
    out: str | Path = RESULTS,
    tracking_uri: str | None = None,
) -> Run:
    """Dub and measure the clips of a suite under one configuration in this process, and log it to MLflow.

    Results that are there are read.

    Args:
        suite: The suite, or its YAML file.
        configuration: The name of one of its configurations.
        limit: The first clips only; 0 for all.
        out: Where the results go.
        tracking_uri: The MLflow store; by default `$MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder.

    Returns:
        The run; `Run.to_frame()` is its table of metrics, `Run.run_id` its id in MLflow.

    Raises:
        SettingsError: The suite is faulty, or has no such configuration.

    Examples:
        >>> import vtlab
        >>> run = vtlab.evaluate_configuration("evals/smoke.yaml", "beam_size=1", limit=1)
        >>> run.clips().status.to_dict()
        {'hello_video_en': 'finished'}
    """
    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    chosen = suite.configuration(configuration)
    dataset = suite.load_dataset()
    folder, bench = Path(out), Bench()
    with sample_load() as load:
        results = [
            evaluate_clip(suite, chosen, clip, folder, dataset=dataset, bench=bench)
            for clip in suite.select_clips(dataset)[: limit or None]
        ]
    run_id = log_configuration(suite, chosen, dataset, results, folder, uri=tracking_uri, load=load)
    return Run(from_results(f"{suite.name}/{chosen.name}", results), tuple(results), gates=suite.gates, run_id=run_id)


def compare(
    *runs: str | Path | Run,
    suite: str | None = None,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    votes: str | Path | None = None,
    seed: int = SEED,
    samples: int = SAMPLES,
    tracking_uri: str | None = None,
) -> Comparison:
    """Compare runs with a baseline: by how much they differ, how surely, and at what cost.

    Runs are compared on the clips and segments that both have, by paired bootstrap. Where the 95 % interval of a
    difference holds 0, no difference is shown.

    Args:
        runs: Runs, or names of runs in MLflow (id, name, or `suite/configuration`), folders of results such as
            `out/eval/pt-en/base`, or files of `vtlab measure --json`, of any tool's dub.
        suite: The newest run of each configuration of this suite, too.
        baseline: The run that the others are compared with; the first by default.
        metrics: Names of metrics, or groups (`text`, `speech`, `sync`, `sound`, `subtitles`, `cost`); all by default.
        votes: A file of votes by listeners; by default where `vtlab listen` leaves those on the two runs.
        seed: Seed of the draws.
        samples: Draws of the bootstrap.
        tracking_uri: The MLflow store; by default `$MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder.

    Returns:
        The comparison; `Comparison.differences()` is its table, and a notebook shows it as a page.

    Raises:
        InputError: There is no such run, or nothing to compare.
        SettingsError: An unknown metric.

    Examples:
        >>> import vtlab
        >>> comparison = vtlab.compare("smoke/beam_size=1", "smoke/beam_size=5")
        >>> "chrf" in set(comparison.differences().metric)
        True
    """
    named = [run.system if isinstance(run, Run) else run for run in runs]
    systems, first = load_systems(named, suite, baseline, uri=tracking_uri)
    if votes is not None:
        given = read_votes(Path(votes))
    elif len(systems) == 2:
        names = [one.name if "/" in one.name or not one.suite else f"{one.suite}/{one.name}" for one in systems]
        given = find_votes(names[0], names[1])
    else:
        given = []
    found = compare_systems(systems, baseline=first, metrics=metrics, votes=given, samples=samples, seed=seed)
    return Comparison(**vars(found))


def _choose_workers(jobs: int, on: str | None) -> Workers:
    if on is None:
        return partial(run_in_processes, jobs)
    from vtlab.evaluation.sweep.cluster import run_on_ray

    return partial(run_on_ray, on)
