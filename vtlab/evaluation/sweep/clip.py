"""One clip under one configuration: dubbed, measured, and its result kept.

Where a suite wants `losses`, a clip is dubbed again with the reference in place of a stage's output: a gold transcript;
gold transcript and translation; gold timings (the recogniser's own words at the reference's times).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import __version__
from vtlab.engines.choice import choose_listeners
from vtlab.engines.choice.translators import choose_translators
from vtlab.engines.choice.voices import choose_voices
from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, UserError, VtlabError, redact, redacted_traceback
from vtlab.evaluation.dataset import Clip, Dataset, clip_digest
from vtlab.evaluation.suite.loss_definitions import Gold
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, read_result, stage_counts, write_result
from vtlab.evaluation.sweep.timing import replace_costs, time_dub
from vtlab.events import STAGES, ignore
from vtlab.files import atomic_write, hash_json, hash_text, sha256_of
from vtlab.metrics.registry import expand_word, is_metric, source_of
from vtlab.outputs import Dub
from vtlab.pipeline import dub
from vtlab.record import Record
from vtlab.run import memory_budget_mb
from vtlab.settings import Settings, fingerprint
from vtlab.stages import initialization
from vtlab.text.glossary import load_glossary

if TYPE_CHECKING:
    from vtlab.measurement.recognizer import Recognizer
    from vtlab.measurement.results import Measurement

VERSION = 1  # of this module's work; rises when the same settings would give other results
FAULT = "E_INTERNAL"
PACKAGE = Path(__file__).parents[2]
COST_METRICS = frozenset(expand_word("cost"))
KEPT_STAGES = tuple(stage for stage in STAGES if stage != "initialization")
"""The stages whose results the store keeps."""
Checkpoint = Callable[[], None]


@dataclass(frozen=True)
class Job:
    """What all tasks of a sweep share; plain data that goes to other processes and machines."""

    suite: Suite
    dataset: Dataset
    folder: Path


@dataclass
class Bench:
    """What a process keeps from clip to clip: loaded engines, and the evaluation's own recogniser."""

    pool: EnginePool | None = None
    threads: int | None = None  # per engine, where several processes share the cores
    recognizer: Recognizer | None = field(default=None)


def evaluate_clip(
    suite: Suite,
    configuration: Configuration,
    clip: Clip,
    folder: Path,
    *,
    dataset: Dataset | None = None,
    bench: Bench | None = None,
    checkpoint: Checkpoint = lambda: None,
) -> ClipResult:
    """Return the result of a clip under a configuration, reading it where one with the same key is kept.

    Errors become part of the result.

    Args:
        suite: The suite, with the metrics wanted.
        configuration: One of its configurations.
        clip: The clip to dub.
        folder: Holds the results of suites, `<suite>/<configuration>/<clip>/`.
        dataset: The suite's data set, where it is loaded already.
        bench: Engines loaded for an earlier clip.
        checkpoint: Called at least once per segment; raises `Cancelled` to stop.

    Raises:
        Cancelled: Whatever `checkpoint` raised it for.
    """
    job = Job(suite, dataset or suite.load_dataset(), folder)
    home = clip_folder(folder, suite.name, configuration.name, clip.id)
    key = result_key(job, configuration, clip)
    known = read_result(home)
    if known is not None and known.key == key:
        return known
    if known is not None:
        shutil.rmtree(home)  # files of other settings
    bench = bench or Bench()
    try:
        result = _dub_and_measure(job, configuration, clip, key, home, bench, checkpoint)
    except Cancelled:
        raise
    except VtlabError as error:
        result = failed_result(job, configuration, clip, key, str(error), error.code)
    except Exception as error:
        home.mkdir(parents=True, exist_ok=True)
        file = home / "traceback.txt"
        file.write_text(redacted_traceback(error), encoding="utf-8", errors="backslashreplace")
        sentence = redact(f"A fault in vtlab ({type(error).__name__}: {error}). The traceback is in {file}.")
        result = failed_result(job, configuration, clip, key, sentence, FAULT)
    write_result(result, home)
    return result


def failed_result(job: Job, configuration: Configuration, clip: Clip, key: str, error: str, code: str) -> ClipResult:
    """Return the result of a clip that could not be dubbed or measured."""
    return ClipResult(**_origin(job, configuration, clip, key), status="failed", error=error, error_code=code)


def result_key(job: Job, configuration: Configuration, clip: Clip) -> str:
    """Return a hash of all that a result depends on: what its dub does, the clip's reference, metrics, losses."""
    return hash_json(
        {
            "dub": dub_key(configuration, clip),
            "measuring": hash_of_measuring_code(),
            "clip": clip_digest(clip),
            "metrics": [[name, _hash_of_source(name)] for name in sorted(job.suite.wanted_metrics())],
            "losses": job.suite.losses,
        }
    )


def dub_key(configuration: Configuration, clip: Clip) -> str:
    """Return a hash of all that a dub depends on: settings, weights, glossary, the clip's file, versions of code."""
    settings = configuration.for_clip(clip)
    versions = [import_module(f"vtlab.stages.{stage}").VERSION for stage in KEPT_STAGES]
    depends = {
        "run": VERSION,
        "vtlab": __version__,
        "stages": versions,
        "settings": fingerprint(settings),
        "engines": _hashes_of_engines(settings),
        "file": sha256_of(clip.path),
    }
    return hash_json(depends)


def _hash_of_source(metric: str) -> str:
    """The hash of the code of a metric from another package, whose own code ``hash_of_measuring_code`` does not see."""
    file = source_of(metric) if is_metric(metric) else None  # losses are none
    return "" if file is None else sha256_of(file)


@cache
def hash_of_measuring_code() -> str:
    """Return a hash of the code that measures; results measured by other code are measured again."""
    files = sorted(file for room in ("measurement", "metrics") for file in (PACKAGE / room).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _hashes_of_engines(settings: Settings) -> list[Any]:
    """Return kind, name and hashes of weights of each engine, then the glossary; or the error of choosing them."""
    try:
        choices = choose_engines(settings)
        glossary: Any = load_glossary(settings.translation.glossary)
    except UserError as error:
        return [str(error)]
    return [[kind, name, [one.sha256 for one in weights]] for kind, name, weights in choices] + [glossary]


def choose_engines(settings: Settings) -> list[tuple[str, str, Sequence[Any]]]:
    """Return kind, name and weights of each engine a dub would use; raise the `UserError` of a stage without one."""
    source, target = settings.source_language, initialization.target_language(settings)
    assert source is not None  # each clip names its own
    choices = [*choose_listeners(settings)]
    choices += [leg.choice for leg in choose_translators(settings, source, target)]
    choices += [cast.choice for cast in choose_voices(settings, target, lambda finding: None)]
    return [(choice.kind, choice.name, choice.weights) for choice in choices]


def _dub_and_measure(
    job: Job, configuration: Configuration, clip: Clip, key: str, home: Path, bench: Bench, checkpoint: Checkpoint
) -> ClipResult:
    began = time.perf_counter()
    wanted = job.suite.wanted_metrics()
    settings = configuration.for_clip(clip)
    dub_clip = partial(_dub, clip, bench=bench, checkpoint=checkpoint)
    dubbed = dub_clip(settings, home)
    record = dubbed.record
    if wanted & COST_METRICS:
        record = replace_costs(record, time_dub(settings, clip.path, checkpoint))
    measurement = _measure(dubbed, record, clip, wanted, bench)
    golds: dict[Gold, Measurement] = {}
    absent: dict[Gold, str] = {}
    records = [dubbed.record]
    if job.suite.losses:
        for kind in ("gold_transcript", "gold_translation", "gold_timings"):
            gold = _gold_settings(kind, settings, job, clip, measurement)
            if isinstance(gold, str):
                absent[kind] = gold
                continue
            checkpoint()
            again = dub_clip(gold, home / kind)
            records.append(again.record)
            golds[kind] = _measure(again, again.record, clip, wanted - COST_METRICS, bench)
    outputs = {kind: path.relative_to(home) for kind, path in dubbed.files.items()}
    return ClipResult(
        **_origin(job, configuration, clip, key),
        status="degraded" if dubbed.degraded else "finished",
        measurement=measurement,
        gold=golds,
        gold_absent=absent,
        stages=stage_counts(records),
        seconds=round(time.perf_counter() - began, 3),
        record=outputs.pop("record"),
        outputs=outputs,
        media=dubbed.media.relative_to(home),
    )


def _origin(job: Job, configuration: Configuration, clip: Clip, key: str) -> dict[str, Any]:
    return {
        "suite": job.suite.name,
        "configuration": configuration.name,
        "fingerprint": fingerprint(configuration.for_clip(clip)),
        "dataset": job.dataset.name,
        "dataset_digest": job.dataset.digest,
        "clip": clip.id,
        "key": key,
        "dub_key": dub_key(configuration, clip),
    }


def _dub(clip: Clip, settings: Settings, out: Path, *, bench: Bench, checkpoint: Checkpoint) -> Dub:
    """Dub a clip and keep its speech track, on which timing is measured."""
    if bench.pool is None:
        bench.pool = EnginePool(memory_budget_mb(settings))
    changes: dict[str, Any] = {"audio_sync": settings.audio_sync.model_copy(update={"keep_speech_track": True})}
    if bench.threads is not None and settings.initialization.threads is None:
        changes["initialization"] = settings.initialization.model_copy(update={"threads": bench.threads})
    return dub(
        clip.path,
        settings=settings.model_copy(update=changes),
        out=out,
        on_event=ignore,
        checkpoint=checkpoint,
        pool=bench.pool,
        overwrite=True,  # the folder is the clip's own
    )


def _measure(dubbed: Dub, record: Record, clip: Clip, wanted: frozenset[str], bench: Bench) -> Measurement:
    from vtlab.measurement.inspection import measure
    from vtlab.measurement.recognizer import Recognizer

    if bench.recognizer is None:
        bench.recognizer = Recognizer(threads=bench.threads)
    return measure(
        dubbed,
        clip.path,
        reference=clip,
        record=record,
        metrics=sorted(wanted),
        recognizer=bench.recognizer,
    )


# ---------------------------------------------------------------- the reference in place of a stage


def _gold_settings(kind: Gold, settings: Settings, job: Job, clip: Clip, measured: Measurement) -> Settings | str:
    """Return settings with the reference in place of a stage's output, or why the clip has no such reference."""
    if not clip.timed:
        return "the reference has no times"
    if kind == "gold_translation" and not clip.translated:
        return "the reference has no translation of every line"
    manifest = job.dataset.manifest.resolve()
    if kind == "gold_timings":
        lines = [
            {"start": line.start, "end": line.end, "text": line.recognised.strip(), "speaker": line.speaker}
            for line in measured.segments
            if line.recognised and line.recognised.strip() and line.start is not None
        ]
        if not lines:
            return "the transcript was not measured, or nothing was heard"
        replayed: dict[str, Any] = {"file": str(_write_lines(job, lines))}
    else:
        replayed = {"file": str(manifest), "clip": clip.id}
    recogniser = {"engine": "reference", "options": {**settings.transcription.options, "reference": replayed}}
    changes: dict[str, Any] = {"transcription": settings.transcription.model_copy(update=recogniser)}
    if kind == "gold_translation":
        options = {**settings.translation.options, "reference": {"file": str(manifest)}}
        translator = {"engines": ("reference",), "options": options}
        changes["translation"] = settings.translation.model_copy(update=translator)
    return settings.model_copy(update=changes)


def _write_lines(job: Job, lines: list[dict[str, Any]]) -> Path:
    """Write the lines to a file named by their hash, so that configurations that hear the same share its results."""
    text = json.dumps(lines, ensure_ascii=False, indent=1)
    folder = (job.folder / job.suite.name / ".timings").resolve()
    file = folder / f"{hash_text(text, 16)}.json"
    if not file.is_file():
        atomic_write(file, text)
    return file
