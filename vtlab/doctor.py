"""What is there, what is missing, and the command that fixes it: the facts behind ``vtlab doctor`` and its sisters."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from vtlab import resources
from vtlab.engines import (
    KINDS,
    SECTIONS,
    check_engines,
    chosen_engines,
    engine_class,
    engine_options,
    list_options,
    table,
)
from vtlab.errors import EngineError, UserError, WeightsError, nearest
from vtlab.settings import Setting, Settings, list_settings
from vtlab.store.results import Store
from vtlab.weights import PACKAGED, find_packaged

LEAST_DISK_MB = 500.0
LEAST_MEMORY_MB = 2000.0  # the default configuration stays under this


@dataclass(frozen=True)
class EngineReport:
    """An engine as it is on this machine; ``fix`` is the command that makes it ready."""

    kind: str
    name: str
    ready: bool
    languages: tuple[str, ...]
    licence: str | None
    problem: str | None
    fix: str | None
    options: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class WeightReport:
    """Weights that packages carry; ``path`` is absent where they are missing or not what they should be."""

    name: str
    path: Path | None
    place: str
    sha256: str
    licence: str
    command: str
    problem: str | None = None


@dataclass(frozen=True)
class Check:
    """One check of the machine; ``needed`` where no dub can run without it."""

    name: str
    ok: bool
    needed: bool
    detail: str
    fix: str | None = None


def engine_reports(settings: Settings, name: str | None = None) -> list[EngineReport]:
    """Return a report on every engine, or on those of one name, with the options that the settings give them.

    Args:
        settings: Whose ``options`` hold.
        name: A short name, which may stand for engines of several kinds, or a dotted path.

    Raises:
        EngineError: No engine has that name; the nearest one is named.
    """
    if name is None:
        return [_engine_report(kind, one, settings) for kind in KINDS for one in table(kind)]
    kinds = [kind for kind in KINDS if name in table(kind)]
    if kinds:
        return [_engine_report(kind, name, settings) for kind in kinds]
    return [_engine_report(_kind_of(name), name, settings)]


def explain_settings(settings: Settings) -> Iterator[Setting]:
    """Yield every setting, and after each ``options`` those of the engines that it may hold options of.

    Raises:
        EngineError: The settings name an engine that is unknown.
        SettingsError: They hold an unknown option.
    """
    check_engines(settings)
    kinds = {f"{SECTIONS.get(kind, kind)}.options": kind for kind in KINDS}
    for setting in list_settings(settings):
        yield setting
        kind = kinds.get(setting.key)
        if kind is not None:
            for name in dict.fromkeys([*table(kind), *setting.value]):
                with contextlib.suppress(EngineError):  # a package announces what it lacks; 'vtlab engines' shows it
                    yield from list_options(kind, name, setting.value)


def weight_reports() -> list[WeightReport]:
    """Return a report on all weights that packages carry, verified (and joined, the first time) where present."""
    return [_weight_report(name) for name in PACKAGED]


def checks(settings: Settings) -> Iterator[Check]:
    """Yield the checks of everything that a dub needs, then of what it may use."""
    yield _python()
    yield from _packages()
    yield from _ffmpeg()
    yield from _engines(settings)
    yield from _weights()
    yield from _room(settings)


def _engine_report(kind: str, name: str, settings: Settings) -> EngineReport:
    _, options = chosen_engines(kind, settings)
    licence: str | None = None
    try:
        engine = engine_class(kind, name)
        licence = engine.licence
        status = engine.status(engine_options(kind, name, options, offline=settings.initialization.offline))
        own = tuple(list_options(kind, name, options))
    except UserError as error:
        return EngineReport(kind, name, False, (), licence, str(error), None)
    return EngineReport(kind, name, status.ready, status.languages, licence, status.problem, status.fix, own)


def _kind_of(path: str) -> str:
    """The kind of an engine by its dotted path."""
    errors = []
    for kind in KINDS:
        try:
            engine_class(kind, path)
        except EngineError as error:
            errors.append(error)
        else:
            return kind
    if ":" in path:
        raise errors[-1]
    known = sorted({name for kind in KINDS for name in table(kind)})
    raise EngineError(f"There is no engine {path!r}.{nearest(path, known)} Engines: {', '.join(known)}.")


def _weight_report(name: str) -> WeightReport:
    carried = PACKAGED[name]
    facts: Mapping[str, str] = {
        "place": carried.place,
        "sha256": carried.sha256,
        "licence": carried.licence,
        "command": carried.command,
    }
    try:
        return WeightReport(name, find_packaged(name), **facts)
    except WeightsError as error:
        return WeightReport(name, None, **facts, problem=str(error))


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), True, version, "install Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    from packaging.requirements import Requirement

    for text in metadata.requires("vtlab") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check(requirement.name, False, True, "not installed", f"pip install '{requirement}'")
            continue
        right = requirement.specifier.contains(version, prereleases=True)
        if not right:
            detail = f"{version} is installed, {requirement.specifier} is needed"
            yield Check(requirement.name, False, True, detail, f"pip install '{requirement}'")
    yield Check("vtlab", True, True, metadata.version("vtlab"))


def _ffmpeg() -> Iterator[Check]:
    """The ffmpeg that a dub would run, and whether it has what is asked of it."""
    from vtlab.media import ffmpeg

    fix = "pip install imageio-ffmpeg, and unset VTLAB_FFMPEG, or let it name another ffmpeg"
    try:
        build = ffmpeg.inspect_ffmpeg()
    except (ImportError, RuntimeError, EngineError) as error:
        yield Check("ffmpeg", False, True, str(error), fix)
        return
    shown = f"{build.version}, {build.program}"
    for name, features, needed in (
        ("ffmpeg", ffmpeg.MUXING, True),
        ("ffmpeg, to burn subtitles", ffmpeg.BURNING, False),
    ):
        lacking = build.lacking(features)
        yield Check(name, not lacking, needed, f"{shown} lacks {', '.join(lacking)}" if lacking else shown, fix)


def _engines(settings: Settings) -> Iterator[Check]:
    for kind in KINDS:
        reports = [report for report in engine_reports(settings) if report.kind == kind]
        wanted, _ = chosen_engines(kind, settings)
        ready = [report.name for report in reports if report.ready and report.name in wanted]
        detail = f"{', '.join(ready)} ready" if ready else f"none of {', '.join(wanted)} is ready"
        fixes = [report.fix for report in reports if report.name in wanted and report.fix is not None]
        yield Check(kind, bool(ready), True, detail, fixes[0] if fixes else None)
        for report in reports:
            if not report.ready:
                problem = report.problem or "not ready"
                yield Check(f"{kind}: {report.name}", False, False, problem, report.fix)


def _weights() -> Iterator[Check]:
    for report in weight_reports():
        detail = str(report.path) if report.path is not None else report.problem or "not here"
        yield Check(f"weights {report.name}", report.path is not None, False, detail, report.command)


def _room(settings: Settings) -> Iterator[Check]:
    folder = Store.from_settings(settings.store).folder
    free = resources.disk_free_mb(folder)
    yield Check(
        "disk", free >= LEAST_DISK_MB, True, f"{free:.0f} MB free at {folder}", "free some space or set VTLAB_STORE"
    )
    memory = resources.memory_limit_mb()
    yield Check(
        "memory", memory >= LEAST_MEMORY_MB, False, f"{memory:.0f} MB", f"give this machine {LEAST_MEMORY_MB:.0f} MB"
    )
    yield _writable(folder)


def _writable(folder: Path) -> Check:
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("store", False, True, f"{folder} cannot be written: {error.strerror}", "set VTLAB_STORE")
    return Check("store", True, True, str(folder))
