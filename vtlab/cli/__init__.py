"""The `vtlab` command: parse, call one function, print.

This module is the table of commands; the other modules hold those of one subject each. What a command needs is imported
when it runs, so that `vtlab --help` answers at once. Errors are not caught here: `vtlab.__main__` turns them into a
sentence and an exit code.
"""

from __future__ import annotations

from typing import Annotated

import typer

from vtlab import __version__
from vtlab.cli import apps, comparing, datasets, dubbing, evaluating, measuring, releasing, serving
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


app.command()(dubbing.dub)
app.command()(dubbing.engines)
app.add_typer(dubbing.weights_app, name="weights", invoke_without_command=True)
app.add_typer(dubbing.store_app, name="store", invoke_without_command=True)
app.command("settings")(dubbing.show_settings)
app.command()(dubbing.doctor)
app.command()(measuring.measure)
app.command()(measuring.metrics)
app.command("eval")(evaluating.evaluate)
app.add_typer(datasets.dataset_app, name="dataset")
app.command()(datasets.datasets)
app.command()(comparing.compare)
app.command()(comparing.report)
app.command()(serving.serve)
app.command()(apps.debug)
app.command()(apps.listen)
app.command()(releasing.promote)
app.command()(releasing.rollback)
app.command()(releasing.releases)
