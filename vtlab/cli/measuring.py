"""The command that measures a dub, whoever made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtlab.cli.terminal import AsJson, Debug, say

if TYPE_CHECKING:
    from vtlab.measurement.results import Measurement


def measure(
    dubbed: Annotated[Path, typer.Argument(metavar="DUBBED", help="The dubbed file, of any tool.")],
    source: Annotated[
        Path | None, typer.Option("--source", metavar="VIDEO", help="What was dubbed; by default the record's.")
    ] = None,
    source_language: Annotated[
        str | None, typer.Option("--from", metavar="LANGUAGE", help="Spoken in the source; by default the record's.")
    ] = None,
    target_language: Annotated[
        str | None, typer.Option("--to", metavar="LANGUAGE", help="Spoken in the dub; by default the record's.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            metavar="FILE",
            help="What is said: a line of a data set's manifest as JSON, the manifest itself, "
            "or the translation as SRT, WebVTT or text, one line a sentence.",
        ),
    ] = None,
    subtitles: Annotated[
        Path | None,
        typer.Option(
            "--subtitles", metavar="FILE", help="The dub's subtitles, SRT or WebVTT; by default its record's."
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="The *.dub.json beside the dub; found by its name by default."),
    ] = None,
    speech_track: Annotated[
        Path | None,
        typer.Option("--speech-track", metavar="FILE", help="The dubbed speech alone; by default the record's."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="A,B", help="Only these; what they do not need is not done.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure a dub: every metric that can be told from the files, its target, and whether it is met.

    A record that lies beside DUBBED is used where it is of that very file; with it come its subtitles and speech track.
    """
    from vtlab.measurement.inspection import find_record, record_file
    from vtlab.measurement.inspection import measure as measure_dub

    beside = record_file(dubbed) if record is None and find_record(dubbed) is not None else None
    found = measure_dub(
        dubbed,
        source,
        source_language,
        target_language,
        reference=reference,
        record=record or beside,
        speech_track=speech_track,
        subtitles=subtitles,
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()],
    )
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        _print_table(found)
    if beside is not None:
        say(f"With the record beside it, {beside}.")


# ---------------------------------------------------------------- the table


def _print_table(found: Measurement) -> None:
    from rich.console import Console
    from rich.table import Table

    from vtlab.metrics.display import format_target, format_unit, format_value, format_verdict
    from vtlab.metrics.registry import find_metric

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, justify in (
        ("metric", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("target", "left"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("what it is")
    for name, value in found.values.items():
        verdict = format_verdict(name, value).replace("missed", "[bold]MISSED[/bold]")
        written = format_value(name, value)
        table.add_row(name, written, format_unit(name), format_target(name), verdict, find_metric(name).means)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
    if found.absent:
        console.print("\nNot measured:")
        for reason, names in found.absent_by_reason().items():
            console.print(f"  {', '.join(names)}: {reason}", highlight=False)
