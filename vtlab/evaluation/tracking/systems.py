"""Systems by the names that people give them: runs in MLflow, folders of results, files of `vtlab measure --json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vtlab.errors import InputError, nearest
from vtlab.evaluation.compare.systems import System, from_results, read_systems, shorten_names
from vtlab.evaluation.tracking.connection import tracking_uri
from vtlab.evaluation.tracking.lookup import find_runs, load_tracked_run


def load_systems(
    runs: Sequence[str | Path | System],
    suite: str | None = None,
    baseline: str | None = None,
    *,
    uri: str | None = None,
) -> tuple[list[System], str | None]:
    """Return each system once, with names as short as can be, and the baseline's name.

    Args:
        runs: Systems, or names of runs, folders or files; see `load_system`.
        suite: The newest run of each configuration of this suite, too.
        baseline: A run among these, or one more.
        uri: The tracking store; see `tracking_uri`.

    Raises:
        InputError: `E_RUN`; there is no such run.
    """
    found = []
    for run in runs:
        found += [run] if isinstance(run, System) else load_system(run, uri=uri)
    if suite is not None:
        found += load_suite_systems(suite, uri=uri)
    place = None
    if baseline is not None:
        named = [place for place, one in enumerate(found) if baseline in (one.name, one.name.rpartition("/")[2])]
        if not named:
            found = [*load_system(baseline, uri=uri), *found]
        place = named[0] if named else 0
    distinct = [one for number, one in enumerate(found) if one not in found[:number]]
    at = None if place is None else distinct.index(found[place])
    short = shorten_names(distinct)
    return short, None if at is None else short[at].name


def load_system(run: str | Path, *, uri: str | None = None) -> list[System]:
    """Return the systems that a name stands for; a suite's folder has several.

    Args:
        run: A file of `vtlab measure --json`; a folder of results, of a configuration or a suite; else a run in MLflow.
        uri: The tracking store; see `tracking_uri`.

    Raises:
        InputError: `E_RUN`; names the nearest run.
    """
    if Path(run).exists():
        return read_systems(Path(run))
    tracked = load_tracked_run(str(run), uri=uri)
    return [from_results(f"{tracked.suite}/{tracked.name}", tracked.results)]


def load_suite_systems(suite: str, *, uri: str | None = None) -> list[System]:
    """Return the newest run of each configuration of a suite, oldest first; raise `InputError` without any."""
    newest: dict[str, str] = {}
    for run in find_runs(suite, uri=uri):
        newest.setdefault(run.name, run.run_id)
    if not newest:
        known = {run.suite for run in find_runs(uri=uri)}
        raise InputError(
            f"There are no finished runs of suite {suite!r} in {tracking_uri(uri)}.{nearest(suite, known)} "
            f"Run it: vtlab eval evals/{suite}.yaml",
            code="E_RUN",
        )
    return [system for run_id in reversed(newest.values()) for system in load_system(run_id, uri=uri)]
