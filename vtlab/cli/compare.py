"""Commands that say which configuration is better, and what a run came to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtlab.cli.terminal import AsJson, Debug, say

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN]...",
        help="A run in MLflow (its id, its name, or suite/configuration), a folder of results such as "
        "out/eval/pt-en/base, or a file of 'vtlab measure --json': any tool's dub.",
    ),
]


def compare(
    runs: Runs = None,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="NAME", help="The newest run of each configuration of a suite.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="RUN", help="What the others are compared with; default: first.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="A,B", help="Only these metrics, or groups of them: text, speech, sync …"),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a report with pictures.")
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(
            "--votes",
            metavar="FILE",
            help="Votes of 'vtlab listen RUN RUN': do the metrics agree with them? Default: where that left them.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the bootstrap's draws.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say which run is better, by how much, how surely, and at what cost.

    Runs are compared on the clips and segments that both have, by paired bootstrap: difference, 95 % interval, p. Where
    the interval holds 0, no difference is shown.
    """
    from vtlab.evaluation import api
    from vtlab.evaluation.show.terminal import comparison_json, print_comparison
    from vtlab.metrics.bootstrap import SEED

    wanted = None if metrics is None else [word.strip() for word in metrics.split(",") if word.strip()]
    found = api.compare(
        *(runs or ()),
        suite=suite,
        baseline=baseline,
        metrics=wanted,
        votes=votes,
        seed=SEED if seed is None else seed,
    )
    if html is not None:
        found.write(html)
        say(f"Report: {html}")
    if as_json:
        print(comparison_json(found))
    else:
        print_comparison(found)


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run in MLflow, a folder of results, or a file of 'vtlab measure --json'."
        ),
    ],
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="Where the page goes.")],
    results: Annotated[
        Path,
        typer.Option(
            "--results", metavar="FOLDER", help="Where 'vtlab eval' left the dubs, for the players of an MLflow run."
        ),
    ] = Path("out/eval"),
    debug: Debug = False,
) -> None:
    """Write a run's page, one file to mail: numbers, the worst segments to listen to, pictures, settings, origin."""
    from vtlab.evaluation.show.run import load_run

    load_run(run, results).write(html)
    print(html)
