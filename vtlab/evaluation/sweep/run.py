"""A sweep: every configuration of a suite on every clip, dubbed, measured, and kept.

``evaluate`` is one clip under one configuration. ``sweep`` is all of them, handed out clip by clip: the configurations
of a clip follow each other in one process with its engines loaded, and the store gives each of them what an earlier one
has made already, so each distinct stage result is computed once. A result that is there with the same key (a hash of
all it depends on) is not made again, so a sweep that was killed goes on where it was.

Where a suite wants ``losses``, a clip is dubbed again with the reference in place of a stage's output: a gold
transcript; gold transcript and translation; gold timings (the recogniser's own words on the reference's times).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vtlab import __version__
from vtlab.engines.choice import choose_listeners
from vtlab.engines.choice.translators import choose_translators
from vtlab.engines.choice.voices import choose_voices
from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, UserError, VtlabError, redact, redacted_traceback
from vtlab.evaluation.dataset import Clip, Dataset, clip_digest
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.results import (
    ClipResult,
    Corpus,
    GateOutcome,
    Gold,
    StageCount,
    added,
    clip_folder,
    corpus,
    gate_outcomes,
    load_results,
    read_result,
    stage_counts,
    write_result,
)
from vtlab.events import ignore
from vtlab.metrics.registry import metrics_of
from vtlab.outputs import Dub
from vtlab.pipeline import dub
from vtlab.record import Record
from vtlab.run import memory_budget_mb
from vtlab.settings import ENVIRONMENT_PREFIX, NOT_SETTINGS, Settings, dump_yaml, fingerprint
from vtlab.stages import (
    audio_extraction,
    audio_sync,
    initialization,
    subtitle_generation,
    transcription,
    translation,
    tts,
    video_combination,
)
from vtlab.text.glossary import load_glossary

if TYPE_CHECKING:
    from vtlab.measurement.recognizer import Recognizer
    from vtlab.measurement.results import Measurement

VERSION = 1  # of what is done here; rises when results of the same settings would be others
FAULT = "E_INTERNAL"
PACKAGE = Path(__file__).parents[2]
TIMED = frozenset(metrics_of("cost"))
POLL_S = 0.1  # how often a program that is timed is looked after
Checkpoint = Callable[[], None]


@dataclass(frozen=True)
class Task:
    """One clip and the configurations that are still to be done on it, in the order of the suite."""

    clip: Clip
    configurations: tuple[Configuration, ...]


@dataclass(frozen=True)
class Job:
    """What all tasks of a sweep share; plain data that goes to other processes and machines."""

    suite: Suite
    dataset: Dataset
    folder: Path


@dataclass
class Bench:
    """What a process keeps from task to task: loaded engines, and the evaluation's own recogniser."""

    pool: EnginePool | None = None
    threads: int | None = None  # per engine, where several processes share the cores
    recognizer: Recognizer | None = field(default=None)


@dataclass(frozen=True)
class Outcome:
    """What became of one configuration.

    ``run_id`` is that of its MLflow run; ``problem`` why there is none.
    """

    configuration: Configuration
    results: tuple[ClipResult, ...]
    corpus: Corpus
    gates: tuple[GateOutcome, ...]
    stages: dict[str, StageCount]
    run_id: str | None = None
    problem: str | None = None

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep; ``made`` counts the results made now, ``found`` those that were there."""

    suite: Suite
    dataset: Dataset
    clips: tuple[Clip, ...]
    outcomes: tuple[Outcome, ...]
    made: int
    found: int
    seconds: float

    @property
    def good(self) -> bool:
        """No clip failed, and some configuration passes its gates."""
        return all(outcome.corpus.failed == 0 for outcome in self.outcomes) and any(
            outcome.passed for outcome in self.outcomes
        )


class Watcher(Protocol):
    """Who is told how a sweep goes on."""

    def finished(self, result: ClipResult, done: int, total: int) -> None:
        """One more result is there."""

    def said(self, sentence: str) -> None:
        """Something for people: a worker that died, a clip that is tried again."""


Report = Callable[[Suite, Configuration, Dataset, Path, int], str]
"""Writes the report of a configuration (the suite, it, the data set, the results' folder, the limit): its run's id."""
Workers = Callable[[Job, Sequence[Task], Callable[[ClipResult], None], Callable[[str], None]], None]
"""Does tasks somewhere, and hands back each result and sentences for people."""


# ---------------------------------------------------------------- one clip, one configuration


def evaluate(
    suite: Suite,
    configuration: Configuration,
    clip: Clip,
    folder: Path,
    *,
    dataset: Dataset | None = None,
    bench: Bench | None = None,
    checkpoint: Checkpoint = lambda: None,
) -> ClipResult:
    """The result of a clip under a configuration: read where it is there with the same key, else made and kept.

    Whatever goes wrong is in the result, but for ``Cancelled``, which ``checkpoint`` raises where work is to stop.
    """
    job = Job(suite, dataset or suite.load_dataset(), folder)
    place = clip_folder(folder, suite.name, configuration.name, clip.id)
    key = result_key(job, configuration, clip)
    known = read_result(place)
    if known is not None and known.key == key:
        return known
    if known is not None:
        shutil.rmtree(place)  # files of other settings
    bench = bench or Bench()
    try:
        result = _made(job, configuration, clip, key, place, bench, checkpoint)
    except Cancelled:
        raise
    except VtlabError as error:
        result = failed(job, configuration, clip, key, str(error), error.code)
    except Exception as error:
        place.mkdir(parents=True, exist_ok=True)
        kept = place / "traceback.txt"
        kept.write_text(redacted_traceback(error), encoding="utf-8", errors="backslashreplace")
        said = redact(f"A fault in vtlab ({type(error).__name__}: {error}). The traceback is in {kept}.")
        result = failed(job, configuration, clip, key, said, FAULT)
    write_result(result, place)
    return result


def failed(job: Job, configuration: Configuration, clip: Clip, key: str, error: str, code: str) -> ClipResult:
    """The result of a clip that could not be done."""
    return ClipResult(**_named(job, configuration, clip, key), status="failed", error=error, error_code=code)


def result_key(job: Job, configuration: Configuration, clip: Clip) -> str:
    """A hash of all that a result depends on: settings, weights, glossary, clip, metrics, and the code's versions."""
    settings = configuration.for_clip(clip)
    versions = [module.VERSION for module in (
        audio_extraction, transcription, translation, tts, audio_sync, subtitle_generation, video_combination
    )]  # fmt: skip
    depends = {
        "run": VERSION,
        "vtlab": __version__,
        "stages": versions,
        "measuring": code_of_measuring(),
        "settings": fingerprint(settings),
        "engines": engine_weights(settings),
        "clip": clip_digest(clip),
        "metrics": sorted(job.suite.measured()),
        "losses": job.suite.losses,
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


@cache
def code_of_measuring() -> str:
    """A hash of the code that measures: what other code has measured is measured again."""
    files = sorted(file for room in ("measurement", "metrics") for file in (PACKAGE / room).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def engine_weights(settings: Settings) -> list[Any]:
    """The engines that settings lead to, with the hashes of their weights and the glossary; or why there are none."""
    try:
        choices = chosen_engines(settings)
        glossary: Any = load_glossary(settings.translation.glossary)
    except UserError as error:
        return [str(error)]
    return [[kind, name, [one.sha256 for one in weights]] for kind, name, weights in choices] + [glossary]


def chosen_engines(settings: Settings) -> list[tuple[str, str, Sequence[Any]]]:
    """Kind, name and weights of each engine; raises the ``UserError`` of the stage that finds none."""
    source, target = settings.source_language, initialization.target_language(settings)
    assert source is not None  # clips name theirs
    choices = [*choose_listeners(settings)]
    choices += [leg.choice for leg in choose_translators(settings, source, target)]
    choices += [cast.choice for cast in choose_voices(settings, target, lambda finding: None)]
    return [(choice.kind, choice.name, choice.weights) for choice in choices]


def _made(
    job: Job, configuration: Configuration, clip: Clip, key: str, place: Path, bench: Bench, checkpoint: Checkpoint
) -> ClipResult:
    began = time.perf_counter()
    wanted = job.suite.measured()
    settings = configuration.for_clip(clip)
    work = partial(_dubbed, clip, bench=bench, checkpoint=checkpoint)
    made = work(settings, place)
    record = made.record
    if wanted & TIMED:
        record = _with_costs_of(record, timed_record(settings, clip.path, checkpoint))
    measurement = _measured(made, record, clip, wanted, bench)
    golds: dict[Gold, Measurement] = {}
    absent: dict[Gold, str] = {}
    records = [made.record]
    if job.suite.losses:
        for kind in ("gold_transcript", "gold_translation", "gold_timings"):
            gold = _gold_settings(kind, settings, job, clip, measurement)
            if isinstance(gold, str):
                absent[kind] = gold
                continue
            checkpoint()
            again = work(gold, place / kind)
            records.append(again.record)
            golds[kind] = _measured(again, again.record, clip, wanted - TIMED, bench)
    outputs = {kind: path.relative_to(place) for kind, path in made.files.items()}
    return ClipResult(
        **_named(job, configuration, clip, key),
        status="degraded" if made.degraded else "finished",
        measurement=measurement,
        gold=golds,
        gold_absent=absent,
        stages=stage_counts(records),
        seconds=round(time.perf_counter() - began, 3),
        record=outputs.pop("record"),
        outputs=outputs,
    )


def _named(job: Job, configuration: Configuration, clip: Clip, key: str) -> dict[str, Any]:
    return {
        "suite": job.suite.name,
        "configuration": configuration.name,
        "fingerprint": fingerprint(configuration.for_clip(clip)),
        "dataset": job.dataset.name,
        "dataset_digest": job.dataset.digest,
        "clip": clip.id,
        "key": key,
    }


def _dubbed(clip: Clip, settings: Settings, out: Path, *, bench: Bench, checkpoint: Checkpoint) -> Dub:
    """A dub with its speech alone beside it, which is what timing is measured on."""
    if bench.pool is None:
        bench.pool = EnginePool(memory_budget_mb(settings))
    if bench.threads is not None and settings.initialization.threads is None:
        settings = _with(settings, "initialization", threads=bench.threads)
    settings = _with(settings, "audio_sync", keep_speech_track=True)
    return dub(
        clip.path,
        settings=settings,
        out=out,
        on_event=ignore,
        checkpoint=checkpoint,
        pool=bench.pool,
        overwrite=True,  # the folder is the clip's own
    )


def _with(settings: Settings, section: str, **changes: Any) -> Settings:
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=changes)})


def _measured(made: Dub, record: Record, clip: Clip, wanted: frozenset[str], bench: Bench) -> Measurement:
    from vtlab.measurement.inspection import measure
    from vtlab.measurement.recognizer import Recognizer

    if bench.recognizer is None:
        bench.recognizer = Recognizer(threads=bench.threads)
    return measure(
        made.media,
        clip.path,
        clip.source_language,
        clip.target_language,
        reference=clip.segments,
        record=record,
        speech_track=made.speech_track,
        subtitles=made.subtitles[clip.target_language],
        metrics=sorted(wanted),
        recognizer=bench.recognizer,
    )


# ---------------------------------------------------------------- what a dub costs


def timed_record(settings: Settings, video: Path, checkpoint: Checkpoint) -> Record:
    """The record of a dub made from nothing in a program of its own: its times and memory are those of a user's."""
    with tempfile.TemporaryDirectory(prefix="vtlab-") as folder:
        home = Path(folder)
        alone = _with(settings, "store", folder=home / "store")
        (home / "settings.yaml").write_text(dump_yaml(alone), encoding="utf-8")
        command = [sys.executable, "-m", "vtlab", "dub", "--json", "--overwrite"]
        command += ["--settings", str(home / "settings.yaml"), "--out", str(home / "out"), "--", str(video.absolute())]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS
        }
        with (home / "out.json").open("wb") as out, (home / "err.txt").open("wb") as err:
            program = subprocess.Popen(command, stdout=out, stderr=err, env=kept)
            try:
                while program.poll() is None:
                    checkpoint()
                    time.sleep(POLL_S)
            except BaseException:
                program.terminate()
                program.wait()
                raise
        text = (home / "out.json").read_text(encoding="utf-8")
        if not text.strip():
            said = (home / "err.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise VtlabError(
                f"The dub that is timed ended with {program.returncode}: {said[-1] if said else 'no word'}"
            )
        return Record.model_validate_json(text)


def _with_costs_of(record: Record, timed: Record) -> Record:
    costs = {name: getattr(timed, name) for name in ("stages", "wall_s", "first_line_s", "peak_rss_mb")}
    return record.model_copy(update=costs)


# ---------------------------------------------------------------- gold in place of a stage


def _gold_settings(kind: Gold, settings: Settings, job: Job, clip: Clip, measured: Measurement) -> Settings | str:
    """The settings with the reference in place of a stage's output, or why the clip has none for it."""
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
        replayed: dict[str, Any] = {"file": str(_kept_lines(job, lines))}
    else:
        replayed = {"file": str(manifest), "clip": clip.id}
    options = {**settings.transcription.options, "reference": replayed}
    gold = _with(settings, "transcription", engine="reference", options=options)
    if kind == "gold_translation":
        options = {**settings.translation.options, "reference": {"file": str(manifest)}}
        gold = _with(gold, "translation", engines=("reference",), options=options)
    return gold


def _kept_lines(job: Job, lines: list[dict[str, Any]]) -> Path:
    """A file of these lines, named by them: configurations that hear the same share what is made of it."""
    text = json.dumps(lines, ensure_ascii=False, indent=1)
    folder = (job.folder / job.suite.name / ".timings").resolve()
    file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)
    return file


# ---------------------------------------------------------------- the sweep


def sweep(
    suite: Suite,
    folder: Path,
    workers: Workers,
    watcher: Watcher,
    *,
    report: Report | None = None,
    limit: int = 0,
    resume: bool = True,
) -> Sweep:
    """Every configuration on every clip, then a report per configuration.

    ``limit``: the first clips only, 0 for all. Results that are there are kept where ``resume`` says so, but for those
    of clips that failed, which are tried again. Raises a ``UserError`` before any work where no clip could be dubbed
    under some configuration.
    """
    began = time.perf_counter()
    dataset = suite.load_dataset()
    job = Job(suite, dataset, folder)
    clips = suite.chosen(dataset)[: limit or None]
    configurations = suite.configurations()
    for configuration in configurations:
        _check_engines(configuration, clips)
    tasks, found = _open_tasks(job, clips, configurations, resume)
    total = len(clips) * len(configurations)
    done = found

    def take(result: ClipResult) -> None:
        nonlocal done
        done += 1
        watcher.finished(result, done, total)

    if found:
        watcher.said(f"{found} of {total} results are there already.")
    if tasks:
        workers(job, tasks, take, watcher.said)
    outcomes = tuple(_outcome(job, configuration, clips, report, limit, watcher) for configuration in configurations)
    return Sweep(suite, dataset, clips, outcomes, total - found, found, round(time.perf_counter() - began, 3))


def _check_engines(configuration: Configuration, clips: Iterable[Clip]) -> None:
    """Raises what is wrong with a configuration under which no clip could be dubbed."""
    by_pair = {(clip.source_language, clip.target_language): clip for clip in clips}
    problems = []
    for clip in by_pair.values():
        try:
            chosen_engines(configuration.for_clip(clip))
            load_glossary(configuration.settings.translation.glossary)
        except UserError as error:
            problems.append(error)
    if problems and len(problems) == len(by_pair):
        first = problems[0]
        raise type(first)(f"Configuration {configuration.name!r}: {first}", code=first.code) from first


def _open_tasks(
    job: Job, clips: Sequence[Clip], configurations: Sequence[Configuration], resume: bool
) -> tuple[list[Task], int]:
    """What is still to be done, and how many results are there."""
    tasks, found = [], 0
    for clip in clips:
        missing = []
        for configuration in configurations:
            place = clip_folder(job.folder, job.suite.name, configuration.name, clip.id)
            known = read_result(place)
            if known is not None and (not resume or known.status == "failed"):
                shutil.rmtree(place)
            elif known is not None and known.key == result_key(job, configuration, clip):
                found += 1
                continue
            missing.append(configuration)
        if missing:
            tasks.append(Task(clip, tuple(missing)))
    return tasks, found


def _outcome(
    job: Job, configuration: Configuration, clips: Sequence[Clip], report: Report | None, limit: int, watcher: Watcher
) -> Outcome:
    results = load_results(job.folder, job.suite.name, configuration.name, [clip.id for clip in clips])
    values = corpus(results)
    run_id = problem = None
    if report is not None:
        watcher.said(f"report of {configuration.name}")
        try:
            run_id = report(job.suite, configuration, job.dataset, job.folder, limit)
        except VtlabError as error:
            if isinstance(error, Cancelled):
                raise
            problem = str(error)
            watcher.said(problem)
    return Outcome(
        configuration,
        tuple(results),
        values,
        tuple(gate_outcomes(job.suite.gates, values.values)),
        added(result.stages for result in results),
        run_id,
        problem,
    )
