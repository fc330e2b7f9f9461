"""Runs in the tracking store, found by suite and read back whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vtlab.errors import InputError, nearest
from vtlab.evaluation.sweep.results import CLIP_RESULTS, ClipResult
from vtlab.evaluation.tracking.connection import connect, search_runs, tracking_uri, translate_errors
from vtlab.metrics.registry import is_metric
from vtlab.releases.evidence import GATES, Gate

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class FoundRun:
    """A configuration's run as the list of runs shows it; `name` is the configuration's."""

    run_id: str
    name: str
    suite: str
    fingerprint: str
    status: str
    started: datetime
    dataset: str
    dataset_digest: str
    commit: str | None


@dataclass(frozen=True)
class TrackedRun(FoundRun):
    """A run with all it holds.

    Attributes:
        settings: The configuration's settings as plain data.
        results: The result of each clip.
        values: Values over all clips, by metric.
        intervals: 95 % intervals, by metric.
        engines: The engines that really ran, by stage, separated by `, `.
        weights: SHA-256 of weights, by name.
        dirty: Whether files differed from the commit.
        listened: Metrics of the latest listening test.
        listened_against: The other run of that test.
    """

    settings: dict[str, Any]
    results: tuple[ClipResult, ...]
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    gates: dict[str, Gate]
    engines: dict[str, str]
    weights: dict[str, str]
    dirty: bool
    listened: dict[str, float]
    listened_against: str


def find_runs(suite: str | None = None, *, uri: str | None = None) -> list[FoundRun]:
    """Return the finished runs of a suite, or of all suites, newest first."""
    address = tracking_uri(uri)
    return [_found(run) for run in _finished(connect(address), address, suite)]


def load_tracked_run(run: str, *, uri: str | None = None) -> TrackedRun:
    """Load a finished run, the newest one of that name.

    Args:
        run: The run's id, `suite/configuration`, or the configuration's name.
        uri: The tracking store; see `tracking_uri`.

    Raises:
        InputError: `E_RUN`; there is no such run, or its files are gone. Names the nearest run.
    """
    address = tracking_uri(uri)
    client = connect(address)
    runs = _finished(client, address, None)
    for one in runs:
        found = _found(one)
        if run in (found.run_id, f"{found.suite}/{found.name}", found.name):
            return _load(client, address, one)
    known = {name for one in map(_found, runs) for name in (f"{one.suite}/{one.name}", one.name)}
    listed = f" Runs here: {', '.join(sorted(name for name in known if '/' in name))}." if known else ""
    raise InputError(f"There is no finished run {run!r} in {address}.{nearest(run, known)}{listed}", code="E_RUN")


def _finished(client: MlflowClient, address: str, suite: str | None) -> list[Run]:
    with translate_errors(address):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        wanted = "attributes.status = 'FINISHED' and tags.`vtlab.key` != ''"
        if suite is not None:
            wanted += f" and tags.`vtlab.suite` = '{suite}'"
        return search_runs(client, experiments, wanted)


def _found(run: Run) -> FoundRun:
    return FoundRun(**_facts(run))


def _facts(run: Run) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "run_id": run.info.run_id,
        "name": tags["vtlab.configuration"],
        "suite": tags["vtlab.suite"],
        "fingerprint": tags["vtlab.fingerprint"],
        "status": run.info.status,
        "started": datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        "dataset": tags["vtlab.dataset"],
        "dataset_digest": tags["vtlab.dataset_digest"],
        "commit": tags.get("vtlab.commit"),
    }


def _load(client: MlflowClient, address: str, run: Run) -> TrackedRun:
    tags = run.data.tags

    def text(name: str) -> str:
        return Path(client.download_artifacts(run.info.run_id, name)).read_text(encoding="utf-8")

    with translate_errors(address):
        try:
            results, settings = text("results.json"), text("settings.yaml")
            gates, intervals = json.loads(text("suite.json"))["gates"], json.loads(text("intervals.json"))
        except OSError as error:
            raise InputError(
                f"The files of run {run.info.run_id} are gone ({error}); run its suite again.", code="E_RUN"
            ) from error
    return TrackedRun(
        **_facts(run),
        settings=yaml.safe_load(settings),
        results=CLIP_RESULTS.validate_json(results),
        values={name: value for name, value in run.data.metrics.items() if name.startswith("loss_") or is_metric(name)},
        intervals={name: (low, high) for name, (low, high) in intervals.items()},
        gates=GATES.validate_python(gates),
        engines={key.removeprefix("engine."): value for key, value in tags.items() if key.startswith("engine.")},
        weights={key.removeprefix("weights."): value for key, value in tags.items() if key.startswith("weights.")},
        dirty=tags.get("vtlab.dirty") == "true",
        listened={name: value for name, value in run.data.metrics.items() if name.startswith("listen_")},
        listened_against=tags.get("vtlab.listened_against", ""),
    )
