"""The `vtlab` command: parse, call one function, print.

This module is the table of commands; the other modules hold those of one subject each. What a command needs is imported
when it runs, so that `vtlab --help` answers at once. Errors are not caught here: `vtlab.__main__` turns them into a
sentence and an exit code.
"""

from __future__ import annotations

from typing import Annotated

import typer

from vtlab import __version__
from vtlab.cli import apps, compare, datasets, dub, evaluate, measure, release, serve
from vtlab.cli.terminal import Debug


def _version(value: bool) -> None:
    if value:
        print(f"vtlab {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="vtlab",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes half a second to draw boxes
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def vtlab(
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Dub videos into another language, and measure how well."""


app.command()(dub.dub)
app.command()(dub.engines)
app.add_typer(dub.weights_app, name="weights", invoke_without_command=True)
app.add_typer(dub.store_app, name="store", invoke_without_command=True)
app.command("settings")(dub.show_settings)
app.command()(dub.doctor)
app.command()(measure.measure)
app.command()(measure.metrics)
app.command("eval")(evaluate.evaluate)
app.add_typer(datasets.dataset_app, name="dataset")
app.command()(datasets.datasets)
app.command()(compare.compare)
app.command()(compare.report)
app.command()(serve.serve)
app.command()(apps.debug)
app.command()(apps.listen)
app.command()(release.promote)
app.command()(release.rollback)
app.command()(release.releases)
