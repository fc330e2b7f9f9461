"""The command that runs suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vtlab.cli.terminal import FAULT_EXIT, GATE_EXIT, AsJson, Debug, print_lines, say


def _print_schema(value: bool) -> None:
    if value:
        from vtlab.evaluation.suite.model import Suite

        print(json.dumps(Suite.model_json_schema(), ensure_ascii=False, indent=1))
        raise typer.Exit


def evaluate(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="The suite's YAML file, such as evals/smoke.yaml.")],
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="The first N clips only; 0: all.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that dub side by side.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Keep the results that are there, or make them anew.")
    ] = True,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Dub nothing: measure the dubs that are kept, with the suite's metrics.")
    ] = False,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="CLUSTER", help="'ray' on this machine, or ray://host:port or host:port."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the results go.")] = Path("out/eval"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be computed, and about how long it would take.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", callback=_print_schema, is_eager=True, help="Print the JSON schema of a suite.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run a suite: dub every clip with every configuration, measure, and report each to MLflow.

    Run again after an interruption, it goes on where it was; clips that failed are tried again. What stages made is
    taken from the store, also with --no-resume. On a cluster, the results and the store (VTLAB_STORE) are in folders
    that all machines share. Exit code 3: a clip failed, or no configuration passes its gates.
    """
    from vtlab.evaluation import api
    from vtlab.evaluation.show.terminal import forecast_data, forecast_table, sweep_data, sweep_table

    if dry_run:
        found = api.forecast(suite, limit, resume=resume, out=out)
        if as_json:
            print(json.dumps(forecast_data(found), ensure_ascii=False, indent=1))
        else:
            print_lines(forecast_table(found))
        return
    done = api.evaluate(suite, jobs, on, limit, resume=resume, rescore=rescore, out=out, report=say)
    if as_json:
        print(json.dumps(sweep_data(done), ensure_ascii=False, indent=1))
    else:
        print_lines(sweep_table(done))
    if any(outcome.problem for outcome in done.outcomes):
        raise typer.Exit(FAULT_EXIT)
    if not done.good:
        failed = any(outcome.corpus.failed for outcome in done.outcomes)
        say("A clip failed." if failed else "No configuration passes its gates.")
        raise typer.Exit(GATE_EXIT)
