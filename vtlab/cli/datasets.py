"""The commands that make, check and list data sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from vtlab.cli.terminal import USER_EXIT, AsJson, Debug, print_lines, say

T = TypeVar("T")

dataset_app = typer.Typer(
    help="Make a data set from your own videos, check it, and print the schema of its manifest.", no_args_is_help=True
)


@dataset_app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The data set; it is made, or grows.")],
    clips: Annotated[list[Path], typer.Option("--clip", metavar="VIDEO", help="A video or audio file; repeatable.")],
    source: Annotated[list[str], typer.Option("--from", metavar="LANGUAGE", help="Spoken in the clips.")],
    target: Annotated[list[str], typer.Option("--to", metavar="LANGUAGE", help="To be dubbed into.")],
    transcript: Annotated[
        list[Path] | None,
        typer.Option("--transcript", metavar="FILE", help="What is said: subtitles, or .txt, one sentence a line."),
    ] = None,
    translation: Annotated[
        list[Path] | None, typer.Option("--translation", metavar="FILE", help="The same in the target language.")
    ] = None,
    id: Annotated[
        list[str] | None, typer.Option("--id", metavar="NAME", help="The clip's name; by default its file's.")
    ] = None,
    licence: Annotated[
        list[str] | None, typer.Option("--licence", metavar="TEXT", help="Such as CC-BY-4.0; of who may use the clip.")
    ] = None,
    origin: Annotated[list[str] | None, typer.Option("--origin", metavar="TEXT", help="Where it comes from.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="WORD", help="For all clips of this call; repeatable.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Link to the videos instead of copying them.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Keep the subtitles' times, instead of narrowing them to the speech.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Make a data set of videos with subtitles, or add to one.

    The first --transcript belongs to the first --clip, the second to the second; so do the other options. A language,
    licence or origin that is given once is that of all. Where a clip lacks what others have, add it by a call of its
    own. Subtitles of the two languages are joined by time, texts line by line.
    """
    from vtlab.evaluation import dataset

    count = len(clips)
    transcripts, translations = (
        _spread(name, files, count) for name, files in (("--transcript", transcript), ("--translation", translation))
    )
    ids = _spread("--id", id, count)
    sources, targets, licences, origins = (
        _spread(name, values, count, shared=True)
        for name, values in (("--from", source), ("--to", target), ("--licence", licence), ("--origin", origin))
    )
    wanted = [
        dataset.NewClip(
            video=video,
            source_language=sources[place] or "",
            target_language=targets[place] or "",
            transcript=transcripts[place],
            translation=translations[place],
            id=ids[place],
            licence=licences[place],
            origin=origins[place],
            tags=tuple(tags or ()),
        )
        for place, video in enumerate(clips)
    ]
    for added in dataset.new(folder, wanted, link=link, exact=exact):
        clip = added.clip
        for warning in added.warnings:
            say(f"{clip.id}: {warning}.")
        print(f"{clip.id}: {clip.pair}, {clip.seconds:.1f} s, {len(clip.segments)} segments, {clip.path}")


def _spread(name: str, values: Sequence[T] | None, count: int, shared: bool = False) -> Sequence[T | None]:
    """Return a value per clip; one for all where it may be shared."""
    if not values:
        return [None] * count
    if shared and len(values) == 1:
        return list(values) * count
    if len(values) != count:
        from vtlab.errors import InputError

        raise InputError(
            f"{name} is given {len(values)} times and --clip {count} times; give one for each clip, "
            f"{'or one for all, ' if shared else ''}or add the clips by calls of their own."
        )
    return values


@dataset_app.command()
def check(
    folder: Annotated[str, typer.Argument(metavar="FOLDER|NAME", help="The data set.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check a data set: every fault with its line and the cure, and which metrics cannot be measured.

    Exit code 2: there are errors; 0: there are warnings at most.
    """
    from vtlab.evaluation import dataset

    report = dataset.check(folder)
    if as_json:
        print(json.dumps(report.to_dict(), ensure_ascii=False, indent=1))
    else:
        print_lines(map(str, [*report.faults, *report.lost]))
        seconds, segments = sum(clip.seconds for clip in report.clips), sum(len(c.segments) for c in report.clips)
        print(f"{report.folder}: {len(report.clips)} clips, {seconds:.1f} s, {segments} segments")
    if not report.sound:
        raise typer.Exit(USER_EXIT)


@dataset_app.command()
def schema() -> None:
    """Print the JSON schema of a line of a manifest."""
    from vtlab.evaluation.dataset import Clip

    print(json.dumps(Clip.model_json_schema(), ensure_ascii=False, indent=1))


def datasets(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Where to look; else datasets/ and the bundled ones."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List data sets: clips, length, segments, language pairs and licences."""
    from vtlab.evaluation.dataset import list_datasets

    rows = list_datasets(folder)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    if not rows:
        say(f"No data set is in {folder or 'datasets'}; make one with: vtlab dataset new FOLDER --clip VIDEO ...")
        return
    sound = [row for row in rows if "problem" not in row]
    header = ["data set", "clips", "seconds", "segments", "pairs", "licences", "folder"]
    cells = [
        [
            row["name"], str(row["clips"]), f"{row['seconds']:.1f}", str(row["segments"]), ", ".join(row["pairs"]),
            ", ".join(row["licences"]), row["folder"],
        ]
        for row in sound
    ]  # fmt: skip
    from vtlab.evaluation.show.terminal import align_columns

    print_lines(align_columns(header, cells))
    for row in rows:
        if "problem" in row:
            say(f"{row['name']}: {row['problem']}")
