"""Evaluations in MLflow: an experiment per suite, a run per configuration, a nested run per clip.

A run is written when its results are there, whole, in one go: ``results.json`` among its files gives all of it back to
``load_run``. Writing the same results again finds the run that is there. What a killed process left unfinished is taken
away and written anew, and so is a run some of whose clips had failed; so no sweep has a configuration twice. Other
results (of other code, other settings, or measured once more) are another run.

MLflow's own store breaks when several processes create it at once (``table … already exists``), so it is opened under a
lock on a file beside it, and written to under the same lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import logging
import math
import os
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter

from vtlab import __version__
from vtlab.errors import InputError, UserError, nearest
from vtlab.evaluation.suite.model import Configuration, Gate, Suite
from vtlab.evaluation.sweep.results import ClipResult, clip_folder
from vtlab.metrics.registry import is_metric
from vtlab.record import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from vtlab.evaluation.dataset import Dataset

VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_FILE = "mlflow.db"
ARTIFACTS = "mlruns"  # folder beside an sqlite store
MODEL = "vtlab-dub"  # the registered model whose versions are the releases
ALIAS = "production"
# limits of MLflow (mlflow/utils/validation.py)
PARAMETER_CHARS, TAG_CHARS = 6000, 8000
PARAMETERS_PER_BATCH, METRICS_PER_BATCH = 100, 500
SAMPLE_EVERY_S = 5.0  # of the machine's load, while it is watched
QUIET = ("mlflow", "alembic")  # loggers that tell of every table they make

_RESULTS = TypeAdapter(tuple[ClipResult, ...])
_GATES = TypeAdapter(dict[str, Gate])

Sample = tuple[int, dict[str, float]]  # milliseconds since 1970, values by the name of the metric


@dataclass(frozen=True)
class FoundRun:
    """A configuration's run as the list of runs shows it; ``name`` is that of the configuration."""

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
    """A run with all it holds; ``values`` are pooled over its clips, ``engines`` those that really ran, by stage.

    ``listened`` are the numbers of the latest listening test of it, ``listened_against`` the other run there.
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


# ---------------------------------------------------------------- the store


def tracking_uri(uri: str | None = None) -> str:
    """The store's address: ``uri``, else ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working folder.

    The file of an sqlite store is made absolute, so that processes in other folders mean the same.
    """
    given = uri or os.environ.get(VARIABLE) or f"sqlite:///{DEFAULT_FILE}"
    file = _sqlite_file(given)
    return given if file is None else f"sqlite:///{file}"


def create_store(uri: str | None = None, experiments: Iterable[str] = ()) -> None:
    """Makes the store and the experiments where they are missing; called once before workers start."""
    address = tracking_uri(uri)
    client = _client(address)
    with _alone(address), _explained(address):
        for name in experiments:
            _experiment(client, address, name)


def _sqlite_file(uri: str) -> Path | None:
    path = uri.removeprefix("sqlite:///")
    return None if path == uri or path.startswith(":memory:") or not path else Path(path).absolute()


@functools.lru_cache(maxsize=8)
def _client(address: str) -> MlflowClient:
    """A client whose store is there: made on first use in each process, while no other process makes or opens it."""
    # read when mlflow is imported: no minutes of retries against a server that is not there
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    file = _sqlite_file(address)
    if file is not None:  # seconds of imports that need not wait for one another
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    with _alone(address), _explained(address):
        client = MlflowClient(address, registry_uri=address)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
        if file is not None:
            _let_readers_in(file)
    return client


def _let_readers_in(file: Path) -> None:
    """Puts an sqlite file into write-ahead mode, where who reads (the UI) does not hold up who writes.

    The file remembers it. Where somebody has the file open, or the file system cannot, it stays as it was.
    """
    import sqlite3

    with contextlib.closing(sqlite3.connect(file, timeout=1)) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode=wal")


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """Holds the store against other processes that use this module; not to be nested."""
    file = _sqlite_file(address)
    if file is not None:
        lock = file.with_name(f"{file.name}.lock")
    else:
        lock = Path(tempfile.gettempdir()) / f"vtlab-{hashlib.sha256(address.encode()).hexdigest()[:12]}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(
            f"The tracking store {address} cannot be written: {error.strerror}. Set {VARIABLE} to another one.",
            code="E_TRACKING",
        ) from error
    try:
        with contextlib.suppress(OSError):  # file systems without locks: as safe as MLflow alone
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """MLflow's errors as ours."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise UserError(
            f"The tracking store {address} cannot be used: {str(error).strip()} Set {VARIABLE} to another one, or mend "
            "what it says.",
            code="E_TRACKING",
        ) from error


def _experiment(client: MlflowClient, address: str, name: str) -> str:
    """The experiment's id; files of an sqlite store go beside it, not into whatever folder the process is in."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    file = _sqlite_file(address)
    location = None if file is None else (file.parent / ARTIFACTS / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


# ---------------------------------------------------------------- writing


def log_run(
    experiment: str,
    name: str,
    parameters: Mapping[str, Any],
    values: Mapping[str, float | None],
    tags: Mapping[str, str],
    *,
    uri: str | None = None,
) -> str:
    """A finished run of its own; returns its id.

    A parameter too long for MLflow is cut and says so, and ``parameters.json`` holds all of them whole. A value that
    is missing or no finite number is not logged.
    """
    address = tracking_uri(uri)
    client = _client(address)
    with _alone(address), _explained(address):
        run = client.create_run(_experiment(client, address, name=experiment), run_name=name)
        _log(client, run.info.run_id, parameters, values, tags)
        client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def log_configuration(
    suite: Suite,
    configuration: Configuration,
    dataset: Dataset,
    results: Sequence[ClipResult],
    folder: Path,
    *,
    uri: str | None = None,
    load: Sequence[Sample] = (),
) -> str:
    """Writes a configuration's results as its run, with a nested run per clip; returns the run's id.

    ``folder`` holds the suites' results, ``<suite>/<configuration>/<clip>/``; ``load`` comes from ``watched``.
    Where these very results are in the store, nothing is written.
    """
    from vtlab.evaluation.tracking import artifacts

    address = tracking_uri(uri)
    client = _client(address)
    key, content = run_key(suite, configuration, dataset, [result.clip for result in results]), _content(results)
    with tempfile.TemporaryDirectory(prefix="vtlab-") as made:
        written = Path(made)
        numbers = artifacts.pooled(results, suite.gates)
        records = {
            result.clip: _record(_home(folder, result) / result.record)
            for result in results
            if result.record is not None
        }
        artifacts.write_run(written / "run", suite, configuration, results, numbers)
        for result in results:
            artifacts.write_clip(written / "clips" / result.clip, dataset, result, _home(folder, result))
        with _alone(address), _explained(address):
            experiment = _experiment(client, address, suite.name)
            for run in _search(client, [experiment], f"tags.`vtlab.key` = '{key}'"):
                finished = run.info.status == "FINISHED"
                if finished and run.data.tags.get("vtlab.results") == content:
                    return str(run.info.run_id)
                if not finished or run.data.metrics.get("clips/failed"):
                    _delete(client, experiment, run.info.run_id)
            tags = _run_tags(suite, configuration, dataset, records.values())
            tags |= {"vtlab.key": key, "vtlab.results": content}
            parent = str(client.create_run(experiment, run_name=configuration.name, tags=tags).info.run_id)
            _log_dataset(client, parent, dataset)
            _log(
                client, parent, _parameters(configuration), numbers.metrics(),
                {f"signature.{name}": said for name, said in numbers.signatures.items()},
            )  # fmt: skip
            _log_load(client, parent, load)
            client.log_artifacts(parent, str(written / "run"))
            client.log_table(parent, artifacts.segment_table(results), "segments.json")
            for result in results:
                _log_clip(client, experiment, parent, result, written / "clips" / result.clip)
            client.set_terminated(parent, "FINISHED" if numbers.values else "FAILED")
    return parent


def log_failure(
    suite: Suite,
    configuration: Configuration,
    dataset: Dataset,
    clips: Iterable[str],
    reason: str,
    *,
    uri: str | None = None,
) -> str:
    """A failed run for a configuration whose results never came to be; the next try takes its place."""
    address = tracking_uri(uri)
    client = _client(address)
    key = run_key(suite, configuration, dataset, clips)
    with _alone(address), _explained(address):
        experiment = _experiment(client, address, suite.name)
        for run in _search(client, [experiment], f"tags.`vtlab.key` = '{key}'"):
            if run.info.status != "FINISHED":
                _delete(client, experiment, run.info.run_id)
        tags = _run_tags(suite, configuration, dataset, ()) | {"vtlab.key": key}
        run_id = str(client.create_run(experiment, run_name=configuration.name, tags=tags).info.run_id)
        _log(client, run_id, _parameters(configuration), {}, {"mlflow.note.content": reason, "error": reason})
        client.set_terminated(run_id, "FAILED")
    return run_id


def attach(run_id: str, files: Iterable[Path], folder: str, *, uri: str | None = None) -> None:
    """Puts files into a folder of the run's artifacts, over those of the same name."""
    address = tracking_uri(uri)
    client = _client(address)
    with _alone(address), _explained(address):
        for file in files:
            client.log_artifact(run_id, str(file), folder)


def attach_trade(runs: Mapping[str, Sequence[ClipResult]], *, uri: str | None = None) -> None:
    """Quality against cost of a suite's configurations into each one's plots, as far as two have both.

    ``runs``: the results of each configuration by its run's id.
    """
    from vtlab.evaluation.tracking import artifacts

    with tempfile.TemporaryDirectory(prefix="vtlab-") as made:
        file = Path(made) / "pareto.png"
        if artifacts.write_trade(file, runs.values()):
            for run_id in runs:
                attach(run_id, [file], artifacts.PLOTS, uri=uri)


def add_values(
    run_id: str, values: Mapping[str, float | None], tags: Mapping[str, str], *, uri: str | None = None
) -> None:
    """Adds to a finished run what became known later; a value that is missing or no finite number is left out."""
    address = tracking_uri(uri)
    client = _client(address)
    with _alone(address), _explained(address):
        _log(client, run_id, {}, values, tags)


def run_key(suite: Suite, configuration: Configuration, dataset: Dataset, clips: Iterable[str]) -> str:
    """What names a configuration's run across tries: suite, settings, data and clips, but neither code nor time."""
    return _hash(suite.name, configuration.name, configuration.fingerprint, dataset.digest, sorted(clips))


def _content(results: Sequence[ClipResult]) -> str:
    """What names the results themselves, as they read from their files: there 1 and 1.0 are the same number."""
    read = [ClipResult.model_validate_json(result.model_dump_json()) for result in results]
    return _hash(sorted((result.model_dump(mode="json") for result in read), key=lambda one: str(one["clip"])))


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _home(folder: Path, result: ClipResult) -> Path:
    return clip_folder(folder, result.suite, result.configuration, result.clip)


def _record(file: Path) -> Record:
    return Record.model_validate_json(file.read_text(encoding="utf-8"))


def _parameters(configuration: Configuration) -> dict[str, Any]:
    """The resolved settings by dotted key, without the store's folder, which changes no result."""
    data = configuration.settings.model_dump(mode="json", exclude={"store", "source_language", "target_language"})
    return dict(_flat(data))


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _run_tags(
    suite: Suite, configuration: Configuration, dataset: Dataset, records: Iterable[Record]
) -> dict[str, str]:
    tags = {
        "vtlab.suite": suite.name,
        "vtlab.suite_digest": suite.digest(),
        "vtlab.configuration": configuration.name,
        "vtlab.fingerprint": configuration.fingerprint,
        "vtlab.version": __version__,
        "vtlab.dataset": dataset.name,
        "vtlab.dataset_digest": dataset.digest,
        "mlflow.source.name": "vtlab eval",
        "mlflow.source.type": "LOCAL",
    }
    code = code_version()
    if code is not None:
        commit, dirty = code
        tags |= {"vtlab.commit": commit, "vtlab.dirty": str(dirty).lower(), "mlflow.source.git.commit": commit}
    engines: dict[str, set[str]] = {}
    for record in records:
        for engine in record.engines:
            engines.setdefault(engine.stage, set()).add(engine.engine)
            for weights in engine.weights:
                tags[f"weights.{weights['name']}"] = weights["sha256"]
    return tags | {f"engine.{stage}": ", ".join(sorted(names)) for stage, names in engines.items()}


@functools.cache
def code_version() -> tuple[str, bool] | None:
    """Commit of the running code and whether files differ from it; ``None`` where it is no checkout."""
    package = Path(__file__).parents[2]

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=package, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # else an installed package inside somebody's repository
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None


def _log(
    client: MlflowClient,
    run_id: str,
    parameters: Mapping[str, Any],
    values: Mapping[str, float | None],
    tags: Mapping[str, str],
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    said = {_name(key): _text(value) for key, value in parameters.items()}
    if any(len(text) > PARAMETER_CHARS for text in said.values()):
        client.log_dict(run_id, dict(parameters), "parameters.json")
    now = _now_ms()
    params = [Param(key, _cut(text, PARAMETER_CHARS, "parameters.json")) for key, text in said.items()]
    metrics = [
        Metric(_name(key), value, now, 0) for key, value in values.items() if value is not None and math.isfinite(value)
    ]
    labels = [RunTag(_name(key), _cut(text, TAG_CHARS, "the artifacts")) for key, text in tags.items()]
    for some in _batches(params, PARAMETERS_PER_BATCH):
        client.log_batch(run_id, params=some)
    for some in _batches(labels, PARAMETERS_PER_BATCH):
        client.log_batch(run_id, tags=some)
    for some in _batches(metrics, METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=some)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str, limit: int, whole: str) -> str:
    if len(text) <= limit:
        return text
    note = f" … (cut: {len(text)} characters, whole in {whole})"
    return text[: limit - len(note)] + note


def _name(key: str) -> str:
    """A key of the signs that MLflow takes."""
    return "".join(sign if sign.isalnum() or sign in "_-. /:" else "_" for sign in key)[:250]


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _now_ms() -> int:
    return round(time.time() * 1000)


def _log_dataset(client: MlflowClient, run_id: str, dataset: Dataset) -> None:
    """The data set's lines by its digest; in the UI they are a schema, a size and where they came from."""
    import mlflow.data
    import pandas as pd
    from mlflow.entities import Dataset as Logged
    from mlflow.entities import DatasetInput, InputTag

    lines = pd.DataFrame(
        {"clip": clip.id, "source_language": clip.source_language, "target_language": clip.target_language}
        | segment.model_dump()
        for clip in dataset.clips
        for segment in clip.segments
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a path is a path, in several ways
        described = mlflow.data.from_pandas(
            lines, source=str(dataset.manifest.absolute()), name=dataset.name, digest=dataset.digest
        )
    logged = DatasetInput(Logged(**described.to_dict()), [InputTag("mlflow.data.context", "evaluation")])
    client.log_inputs(run_id, [logged])


def _log_load(client: MlflowClient, run_id: str, load: Sequence[Sample]) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(f"system/{name}", value, at, step)
        for step, (at, values) in enumerate(load)
        for name, value in values.items()
    ]
    for some in _batches(metrics, METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=some)


def _log_clip(client: MlflowClient, experiment: str, parent: str, result: ClipResult, files: Path) -> None:
    from mlflow.entities import Metric
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    tags = {MLFLOW_PARENT_RUN_ID: parent, "vtlab.clip": result.clip, "vtlab.status": result.status}
    if result.error is not None:
        tags |= {"error": result.error, "error_code": result.error_code or "", "mlflow.note.content": result.error}
    run_id = str(client.create_run(experiment, run_name=result.clip, tags=tags).info.run_id)
    measured = result.measurement
    if measured is not None:
        parameters = {
            "source_language": measured.source_language,
            "target_language": measured.target_language,
            "seconds": measured.seconds,
        }
        _log(client, run_id, parameters, measured.values, {})
        now = _now_ms()
        rows = [("line/onset_ms", line.index, line.onset_ms) for line in measured.segments]
        rows += [("line/offset_ms", line.index, line.offset_ms) for line in measured.segments]
        rows += [("line/speed", step, line.speed) for step, line in enumerate(measured.dub_segments)]
        steps = [
            Metric(name, value, now, step) for name, step, value in rows if value is not None and math.isfinite(value)
        ]
        for some in _batches(steps, METRICS_PER_BATCH):
            client.log_batch(run_id, metrics=some)
    if files.is_dir():
        client.log_artifacts(run_id, str(files))
    client.set_terminated(run_id, "FAILED" if result.status == "failed" else "FINISHED")


def _delete(client: MlflowClient, experiment: str, run_id: str) -> None:
    for nested in _search(client, [experiment], f"tags.mlflow.parentRunId = '{run_id}'"):
        client.delete_run(nested.info.run_id)
    client.delete_run(run_id)


def _search(client: MlflowClient, experiments: list[str], wanted: str) -> list[Run]:
    """Runs that are not deleted, newest first."""
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(experiments, wanted, order_by=["attributes.start_time DESC"], page_token=token)
        found += page
        token = page.token
        if not token:
            return found


@contextmanager
def watched() -> Iterator[list[Sample]]:
    """Samples of the machine's load while the body runs, as MLflow measures it: processor, memory, disk, network."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    samples: list[Sample] = []
    over = threading.Event()

    def sample() -> None:
        values: dict[str, float] = {}
        for monitor in monitors:
            monitor.collect_metrics()
            values |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        samples.append((_now_ms(), values))

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            sample()

    watcher = threading.Thread(target=watch, name="machine's load", daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()
        sample()


# ---------------------------------------------------------------- reading


def find_runs(suite: str | None = None, *, uri: str | None = None) -> list[FoundRun]:
    """The finished runs of a suite, or of all of them, newest first."""
    address = tracking_uri(uri)
    return [_found(run) for run in _finished(_client(address), address, suite)]


def load_run(run: str, *, uri: str | None = None) -> TrackedRun:
    """A finished run by its id, by ``suite/configuration`` or by its configuration's name; of several the newest.

    Raises ``InputError`` (``E_RUN``) that names the nearest one.
    """
    address = tracking_uri(uri)
    client = _client(address)
    runs = _finished(client, address, None)
    for candidate in runs:
        found = _found(candidate)
        if run in (found.run_id, f"{found.suite}/{found.name}", found.name):
            return _loaded(client, address, candidate)
    known = {name for one in map(_found, runs) for name in (f"{one.suite}/{one.name}", one.name)}
    listed = f" Runs here: {', '.join(sorted(name for name in known if '/' in name))}." if known else ""
    raise InputError(f"There is no finished run {run!r} in {address}.{nearest(run, known)}{listed}", code="E_RUN")


def _finished(client: MlflowClient, address: str, suite: str | None) -> list[Run]:
    with _explained(address):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        wanted = "attributes.status = 'FINISHED' and tags.`vtlab.key` != ''"
        if suite is not None:
            wanted += f" and tags.`vtlab.suite` = '{suite}'"
        return _search(client, experiments, wanted)


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


def _loaded(client: MlflowClient, address: str, run: Run) -> TrackedRun:
    tags = run.data.tags

    def text(name: str) -> str:
        return Path(client.download_artifacts(run.info.run_id, name)).read_text(encoding="utf-8")

    with _explained(address):
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
        results=_RESULTS.validate_json(results),
        values={name: value for name, value in run.data.metrics.items() if name.startswith("loss_") or is_metric(name)},
        intervals={name: (low, high) for name, (low, high) in intervals.items()},
        gates=_GATES.validate_python(gates),
        engines={key.removeprefix("engine."): value for key, value in tags.items() if key.startswith("engine.")},
        weights={key.removeprefix("weights."): value for key, value in tags.items() if key.startswith("weights.")},
        dirty=tags.get("vtlab.dirty") == "true",
        listened={name: value for name, value in run.data.metrics.items() if name.startswith("listen_")},
        listened_against=tags.get("vtlab.listened_against", ""),
    )


# ---------------------------------------------------------------- releases


def register_release(run_id: str, folder: Path, number: int, *, description: str = "", uri: str | None = None) -> str:
    """Makes a release a version of the registered model, with the alias ``production``; returns the version.

    ``folder``, the release's own, becomes the artifact ``release-<number>`` of the run that it comes from. A release
    that is registered already is only given the alias.
    """
    address = tracking_uri(uri)
    client = _client(address)
    with _alone(address), _explained(address):
        version = _version(client, number)
        if version is None:
            _create_model(client)
            client.log_artifacts(run_id, str(folder), f"release-{number}")
            source = f"runs:/{run_id}/release-{number}"
            run = client.get_run(run_id)
            tags = {"release": str(number)}
            for name in ("suite", "configuration", "fingerprint", "dataset_digest"):
                tags[name] = run.data.tags.get(f"vtlab.{name}", "")
            made = client.create_model_version(MODEL, source, run_id, tags=tags, description=description)
            version = str(made.version)
        client.set_registered_model_alias(MODEL, ALIAS, version)
    return version


def _create_model(client: MlflowClient) -> None:
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(MODEL, description="Configurations of vtlab that were promoted to production.")


def _version(client: MlflowClient, number: int) -> str | None:
    versions = client.search_model_versions(f"name = '{MODEL}'")
    return next((str(one.version) for one in versions if one.tags.get("release") == str(number)), None)
