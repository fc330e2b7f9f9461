"""The command that measures a dub, whoever made it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtlab.cli.terminal import AsJson, Debug, say

if TYPE_CHECKING:
    from vtlab.measurement.results import Measurement

PIPE_WIDTH = 160  # columns of a table that no terminal bounds
WRAPPED = ("what it is", "needs")


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
    """Measure a dub: every metric that the files allow, its target, and whether it is met.

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


def metrics(as_json: AsJson = False, debug: Debug = False) -> None:
    """Show every metric: its group, unit, target, what it means and what it needs; those of other packages, too."""
    from vtlab.metrics.display import format_target, format_unit
    from vtlab.metrics.registry import all_metrics

    found = list(all_metrics())
    if as_json:
        listed = [
            {
                "name": metric.name,
                "group": metric.group,
                "unit": metric.unit,
                "better": metric.better,
                "target": metric.target,
                "needs": [need.name for need in metric.needs],
                "means": metric.means,
            }
            for metric in found
        ]
        return print(json.dumps(listed, ensure_ascii=False, indent=1))
    rows = [
        (metric.name, metric.group, format_unit(metric.name), metric.better, format_target(metric.name), metric.means,
         ", ".join(need.name for need in metric.needs))
        for metric in found
    ]  # fmt: skip
    return _print_rows(("metric", "group", "unit", "better", "target", "what it is", "needs"), rows)


def _print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        justify = "right" if heading == "value" else "left"
        table.add_column(heading, justify=justify, no_wrap=heading not in WRAPPED)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(table)


def _print_table(found: Measurement) -> None:
    from vtlab.metrics.display import describe, format_target, format_unit, format_value, format_verdict

    rows = []
    for name, value in found.values.items():
        verdict = format_verdict(name, value).replace("missed", "[bold]MISSED[/bold]")
        rows.append((name, format_value(name, value), format_unit(name), format_target(name), verdict, describe(name)))
    _print_rows(("metric", "value", "unit", "target", "", "what it is"), rows)
    if found.absent:
        print("\nNot measured:")
        for reason, names in found.absent_by_reason().items():
            print(f"  {', '.join(names)}: {reason}")
