"""The command that measures a dub, whoever made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtlab.cli.terminal import AsJson, Debug, say

if TYPE_CHECKING:
    from vtlab.measurement.results import Measurement
    from vtlab.metrics.rows import ReferenceSegment
    from vtlab.record import Record
    from vtlab.segments import Cue


def measure(
    dubbed: Annotated[Path, typer.Argument(metavar="DUBBED", help="The dubbed file, of any tool.")],
    source: Annotated[Path, typer.Option("--source", metavar="VIDEO", help="What was dubbed.")],
    source_language: Annotated[str, typer.Option("--from", metavar="LANGUAGE", help="Spoken in the source.")],
    target_language: Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Spoken in the dub.")],
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
    from vtlab.languages import language_code
    from vtlab.measurement.inspection import measure as measured

    own = Path(f"{dubbed.with_suffix('')}.dub.json")
    made = _record(record) if record is not None else _record_of(dubbed, own)
    folder = (record or own).parent
    lines, cues = ([], None) if reference is None else _reference(reference, source)
    target = language_code(target_language)
    found = measured(
        dubbed,
        source,
        language_code(source_language),
        target,
        reference=lines or None,
        reference_subtitles=cues,
        record=made,
        speech_track=speech_track or _output(made, folder, "speech_track"),
        subtitles=subtitles or _output(made, folder, f"subtitles_{target}_srt"),
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()],
    )
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        _print_table(found)
    if made is not None and record is None:
        say(f"With the record beside it, {own}.")


def _record(file: Path) -> Record:
    from pydantic import ValidationError

    from vtlab.errors import InputError
    from vtlab.record import Record

    try:
        return Record.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a *.dub.json of this vtlab"
        raise InputError(f"The record {file} cannot be read: {why}. Dub again, or leave --record out.") from error


def _record_of(dubbed: Path, file: Path) -> Record | None:
    """The record beside the dub, where it is of this very file."""
    if not file.is_file() or not dubbed.is_file():
        return None
    import hashlib

    record = _record(file)
    with dubbed.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return record if any(output.sha256 == digest for output in record.outputs) else None


def _output(record: Record | None, folder: Path, kind: str) -> Path | None:
    for output in () if record is None else record.outputs:
        if output.kind == kind and (folder / output.file).is_file():
            return folder / output.file
    return None


def _reference(file: Path, source: Path) -> tuple[list[ReferenceSegment], list[Cue] | None]:
    """The lines of the reference; cues where it is a subtitle file, whose times are those of reading, not of speech."""
    from vtlab.errors import InputError
    from vtlab.metrics.rows import ReferenceSegment
    from vtlab.metrics.subtitles import read_subtitles

    if file.suffix.lower() in (".srt", ".vtt"):
        cues = read_subtitles(file)
        texts = [" ".join(cue.text.split()) for cue in cues]
        return [ReferenceSegment(text="", translation=text) for text in texts if text], cues
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The reference {file} cannot be read as UTF-8 text: {error}.") from error
    if content.lstrip().startswith("{"):
        return _of_manifest(content, file, source), None
    texts = [" ".join(line.split()) for line in content.splitlines()]
    return [ReferenceSegment(text="", translation=text) for text in texts if text], None


def _of_manifest(content: str, file: Path, source: Path) -> list[ReferenceSegment]:
    """The segments of one clip, or of the one among several whose file is the source."""
    import json

    from pydantic import ValidationError

    from vtlab.errors import InputError
    from vtlab.metrics.rows import ReferenceSegment

    try:
        try:
            clips = [json.loads(content)]
        except json.JSONDecodeError:
            clips = [json.loads(line) for line in content.splitlines() if line.strip()]
        own = clips if len(clips) == 1 else [clip for clip in clips if Path(str(clip["file"])).name == source.name]
        if len(own) != 1:
            raise InputError(f"{file} has no clip of the file {source.name}; give its line alone as --reference.")
        return [ReferenceSegment.model_validate(segment) for segment in own[0]["segments"]]
    except (json.JSONDecodeError, ValidationError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The reference {file} is no line of a manifest: {reason}.") from error


# ---------------------------------------------------------------- the table


def _print_table(found: Measurement) -> None:
    from rich.console import Console
    from rich.table import Table

    from vtlab.metrics.display import format_target, format_unit, format_value, format_verdict
    from vtlab.metrics.registry import METRICS

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
        table.add_row(name, written, format_unit(name), format_target(name), verdict, METRICS[name].means)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
    if found.absent:
        console.print("\nNot measured:")
        for reason, names in _by_reason(found.absent).items():
            console.print(f"  {', '.join(names)}: {reason}", highlight=False)


def _by_reason(absent: dict[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for name, reason in absent.items():
        reasons.setdefault(reason, []).append(name)
    return reasons
