"""Runs written to the tracking store: an experiment per suite, a run per configuration, a nested run per clip.

A run is written when its results are complete: `results.json` among its files gives all of it back to `lookup`. Writing
the same results again finds the run that is there. What a killed process left unfinished is deleted and written anew,
and so is a run some of whose clips had failed; so no sweep has a configuration twice. Other results (of other code,
other settings, or measured once more) are another run.
"""

from __future__ import annotations

import functools
import json
import math
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import __version__
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.results import ClipResult, clip_folder
from vtlab.evaluation.tracking import artifacts
from vtlab.evaluation.tracking.connection import (
    connect,
    find_experiment,
    lock_store,
    search_runs,
    tracking_uri,
    translate_errors,
)
from vtlab.evaluation.tracking.machine_load import Sample
from vtlab.files import hash_json
from vtlab.record import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from vtlab.evaluation.dataset import Dataset

# limits of MLflow (mlflow/utils/validation.py)
PARAMETER_CHARS, TAG_CHARS = 6000, 8000
PARAMETERS_PER_BATCH, METRICS_PER_BATCH = 100, 500
KEY_DIGITS = 16  # of the hashes that runs are found by


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
    """Write a configuration's results as its run, with a nested run per clip, and return the run's id.

    Where the same results are in the store already, nothing is written.

    Args:
        suite: The suite, which names the experiment.
        configuration: One of its configurations.
        dataset: The suite's data set.
        results: The result of each clip.
        folder: Holds the results of suites, `<suite>/<configuration>/<clip>/`.
        uri: The tracking store; see `tracking_uri`.
        load: Samples of the machine's load, from `sample_load`.
    """
    address = tracking_uri(uri)
    client = connect(address)
    key, content = run_key(suite, configuration, dataset, [result.clip for result in results]), _content(results)
    with tempfile.TemporaryDirectory(prefix="vtlab-") as temporary:
        written = Path(temporary)
        numbers = artifacts.summarize(results, suite.gates)
        records = {
            result.clip: _read_record(_home(folder, result) / result.record)
            for result in results
            if result.record is not None
        }
        artifacts.write_run(written / "run", suite, configuration, results, numbers)
        for result in results:
            artifacts.write_clip(written / "clips" / result.clip, dataset, result, _home(folder, result))
        with lock_store(address), translate_errors(address):
            experiment = find_experiment(client, address, suite.name)
            for run in search_runs(client, [experiment], f"tags.`vtlab.key` = '{key}'"):
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
                {f"signature.{name}": signature for name, signature in numbers.signatures.items()},
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
    """Write a failed run for a configuration without results, and return its id; the next try replaces it."""
    address = tracking_uri(uri)
    client = connect(address)
    key = run_key(suite, configuration, dataset, clips)
    with lock_store(address), translate_errors(address):
        experiment = find_experiment(client, address, suite.name)
        for run in search_runs(client, [experiment], f"tags.`vtlab.key` = '{key}'"):
            if run.info.status != "FINISHED":
                _delete(client, experiment, run.info.run_id)
        tags = _run_tags(suite, configuration, dataset, ()) | {"vtlab.key": key}
        run_id = str(client.create_run(experiment, run_name=configuration.name, tags=tags).info.run_id)
        _log(client, run_id, _parameters(configuration), {}, {"mlflow.note.content": reason, "error": reason})
        client.set_terminated(run_id, "FAILED")
    return run_id


def attach(run_id: str, files: Iterable[Path], folder: str, *, uri: str | None = None) -> None:
    """Put files into a folder of the run's artifacts, over those of the same name."""
    address = tracking_uri(uri)
    client = connect(address)
    with lock_store(address), translate_errors(address):
        for file in files:
            client.log_artifact(run_id, str(file), folder)


def attach_trade(runs: Mapping[str, Sequence[ClipResult]], *, uri: str | None = None) -> None:
    """Put a picture of quality against cost into each run's plots, where two configurations have both.

    Args:
        runs: The results of each configuration, by its run's id.
        uri: The tracking store; see `tracking_uri`.
    """
    with tempfile.TemporaryDirectory(prefix="vtlab-") as temporary:
        file = Path(temporary) / "pareto.png"
        if artifacts.write_trade(file, runs.values()):
            for run_id in runs:
                attach(run_id, [file], artifacts.PLOTS, uri=uri)


def add_values(
    run_id: str, values: Mapping[str, float | None], tags: Mapping[str, str], *, uri: str | None = None
) -> None:
    """Add metrics and tags to a finished run; a value that is `None` or not finite is left out."""
    address = tracking_uri(uri)
    client = connect(address)
    with lock_store(address), translate_errors(address):
        _log(client, run_id, {}, values, tags)


def run_key(suite: Suite, configuration: Configuration, dataset: Dataset, clips: Iterable[str]) -> str:
    """Return a hash of suite, settings, data and clips, the same for every try of a configuration."""
    return hash_json(
        [suite.name, configuration.name, configuration.fingerprint, dataset.digest, sorted(clips)], KEY_DIGITS
    )


def _content(results: Sequence[ClipResult]) -> str:
    """Return a hash of the results as read from their files, where 1 and 1.0 are the same number."""
    read = [ClipResult.model_validate_json(result.model_dump_json()) for result in results]
    return hash_json([sorted((result.model_dump(mode="json") for result in read), key=_clip_id)], KEY_DIGITS)


def _clip_id(result: dict[str, Any]) -> str:
    return str(result["clip"])


def _home(folder: Path, result: ClipResult) -> Path:
    return clip_folder(folder, result.suite, result.configuration, result.clip)


def _read_record(file: Path) -> Record:
    return Record.model_validate_json(file.read_text(encoding="utf-8"))


def _parameters(configuration: Configuration) -> dict[str, Any]:
    """Return the settings by dotted key, without the store's folder, which changes no result."""
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
    """Return the commit of the running code and whether files differ from it; `None` where it is no checkout."""
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

    texts = {_name(key): _text(value) for key, value in parameters.items()}
    if any(len(text) > PARAMETER_CHARS for text in texts.values()):
        client.log_dict(run_id, dict(parameters), "parameters.json")
    now = _now_ms()
    params = [Param(key, _cut(text, PARAMETER_CHARS, "parameters.json")) for key, text in texts.items()]
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
    """Return a key with only the characters that MLflow takes."""
    return "".join(sign if sign.isalnum() or sign in "_-. /:" else "_" for sign in key)[:250]


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _now_ms() -> int:
    return round(time.time() * 1000)


def _log_dataset(client: MlflowClient, run_id: str, dataset: Dataset) -> None:
    """Log the data set's segments under its digest; the UI shows their schema, number and origin."""
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
    for nested in search_runs(client, [experiment], f"tags.mlflow.parentRunId = '{run_id}'"):
        client.delete_run(nested.info.run_id)
    client.delete_run(run_id)
