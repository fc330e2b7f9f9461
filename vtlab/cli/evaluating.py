"""The command that runs suites."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtlab.cli.terminal import GATE_EXIT, AsJson, Debug, print_lines, say

if TYPE_CHECKING:
    from vtlab.evaluation.sweep.results import ClipResult
    from vtlab.evaluation.sweep.run import Outcome, Sweep, Workers

FAULT_EXIT = 1
# shown in the table besides the gates' metrics, as far as they were measured and there is room
SHOWN = ("wer", "chrf", "asr_chrf", "sync_within_150ms", "speech_overlap", "speed_p95", "voice_mos", "rtf")
COLUMNS = 8


def evaluate(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="The suite's YAML file, such as evals/smoke.yaml.")],
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="The first N clips only; 0: all.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that dub side by side.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Keep the results that are there, or make them anew.")
    ] = True,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="CLUSTER", help="'ray' on this machine, or ray://host:port or host:port."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the results go.")] = Path("out/eval"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run a suite: dub every clip with every configuration, measure, and report each to MLflow.

    Run again after an interruption, it goes on where it was; clips that failed are tried again. What stages made is
    taken from the store, also with --no-resume. On a cluster, the results and the store (VTLAB_STORE) are in folders
    that all machines share. Exit code 3: a clip failed, or no configuration passes its gates.
    """
    from vtlab.evaluation.suite.model import load_suite
    from vtlab.evaluation.sweep import notebooks
    from vtlab.evaluation.sweep.run import sweep
    from vtlab.evaluation.tracking import runs as tracking

    loaded = load_suite(suite)
    tracking.create_store()
    done = sweep(loaded, out, _workers(jobs, on), _Lines(), report=notebooks.evaluate, limit=limit, resume=resume)
    if as_json:
        print(json.dumps(as_data(done), ensure_ascii=False, indent=1))
    else:
        print_lines(table(done))
    tracking.attach_trade({one.run_id: one.results for one in done.outcomes if one.run_id is not None})
    if any(outcome.problem for outcome in done.outcomes):
        raise typer.Exit(FAULT_EXIT)
    if not done.good:
        say(
            "A clip failed."
            if any(one.corpus.failed for one in done.outcomes)
            else "No configuration passes its gates."
        )
        raise typer.Exit(GATE_EXIT)


def _workers(jobs: int, on: str | None) -> Workers:
    from functools import partial

    if on is not None:
        from vtlab.evaluation.sweep.cluster import on_ray

        return partial(on_ray, on)
    from vtlab.evaluation.sweep.workers import in_processes

    return partial(in_processes, jobs)


class _Lines:
    """A line per result on stderr."""

    def finished(self, result: ClipResult, done: int, total: int) -> None:
        took = "" if result.seconds is None else f" in {result.seconds:.1f} s"
        what = result.status if result.error is None else f"failed: {result.error}"
        say(f"[{done}/{total}] {result.clip}, {result.configuration}: {what}{took}")

    def said(self, sentence: str) -> None:
        say(sentence)


def as_data(done: Sweep) -> dict[str, Any]:
    """The summary as plain data."""
    return {
        "suite": done.suite.name,
        "dataset": done.dataset.name,
        "dataset_digest": done.dataset.digest,
        "clips": [clip.id for clip in done.clips],
        "results_made": done.made,
        "results_found": done.found,
        "seconds": done.seconds,
        "stages": {stage: count.model_dump() for stage, count in _all_stages(done).items()},
        "configurations": [
            {
                "name": outcome.configuration.name,
                "fingerprint": outcome.configuration.fingerprint,
                "overrides": outcome.configuration.overrides,
                "clips": _statuses(outcome),
                "failures": [
                    {"clip": result.clip, "code": result.error_code, "error": result.error}
                    for result in outcome.results
                    if result.status == "failed"
                ],
                "values": outcome.corpus.values,
                "signatures": outcome.corpus.signatures,
                "gates": [
                    {"metric": one.metric, **one.gate.model_dump(), "value": one.value, "passed": one.passed}
                    for one in outcome.gates
                ],
                "passed": outcome.passed,
                "stages": {stage: count.model_dump() for stage, count in outcome.stages.items()},
                "run_id": outcome.run_id,
                "problem": outcome.problem,
            }
            for outcome in done.outcomes
        ],
    }


def table(done: Sweep) -> list[str]:
    """The summary for people: a row per configuration, gates that failed, what each stage did."""
    clips = len(done.clips)
    tried, on = _count(len(done.outcomes), "configuration"), _count(clips, "clip")
    lines = [f"{done.suite.name}: {tried} on {on} of {done.dataset.name}", ""]
    measured = _columns(done)
    header = ["configuration", "clips", *measured, "gates", "computed s"]
    rows = [
        [
            outcome.configuration.name,
            _clips(outcome, clips),
            *(_number(outcome.corpus.values.get(name)) for name in measured),
            _gates(outcome),
            f"{sum(result.seconds or 0 for result in outcome.results):.1f}",
        ]
        for outcome in done.outcomes
    ]
    lines += _aligned(header, rows)
    for outcome in done.outcomes:
        failed = [f"  {result.clip}: {result.error}" for result in outcome.results if result.status == "failed"]
        failed += [f"  gate {gate}" for gate in outcome.gates if not gate.passed]
        failed += [f"  {outcome.problem}"] * (outcome.problem is not None)
        if failed:
            lines += ["", outcome.configuration.name, *failed]
    lines += ["", f"What stages did, over all dubs{', the gold ones among them' if done.suite.losses else ''}:"]
    lines += _aligned(
        ["stage", "dubs computed", "dubs reused", "answers computed", "answers reused"],
        [
            [stage, *map(str, (count.dubs_computed, count.dubs_reused, count.computed, count.reused))]
            for stage, count in _all_stages(done).items()
            if count.computed or count.reused
        ],
    )
    made = f"{done.made} results made, {done.found} found"
    return [*lines, "", f"{made}, {done.seconds:.1f} s"]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _all_stages(done: Sweep) -> dict[str, Any]:
    from vtlab.evaluation.sweep.results import added

    return added(outcome.stages for outcome in done.outcomes)


def _columns(done: Sweep) -> list[str]:
    measured = {name for outcome in done.outcomes for name in outcome.corpus.values}
    names = dict.fromkeys([*(name for name in SHOWN if name in measured), *done.suite.gates])
    return list(names)[:COLUMNS]


def _statuses(outcome: Outcome) -> dict[str, int]:
    return {
        status: sum(result.status == status for result in outcome.results)
        for status in ("finished", "degraded", "failed")
    }


def _clips(outcome: Outcome, clips: int) -> str:
    counts = _statuses(outcome)
    bad = [f"{counts[status]} {status}" for status in ("degraded", "failed") if counts[status]]
    return ", ".join([f"{counts['finished'] + counts['degraded']}/{clips}", *bad])


def _gates(outcome: Outcome) -> str:
    if not outcome.gates:
        return "-"
    passed = sum(gate.passed for gate in outcome.gates)
    return f"{passed}/{len(outcome.gates)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _aligned(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
