"""One clip, dubbed again and again with other settings: what the debugging app runs and shows.

The store is the only cache: a dub with one setting changed computes that setting's stage and those after it.
"""

from __future__ import annotations

import hashlib
import queue
import shlex
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vtlab import pipeline
from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, InputError, UserError
from vtlab.evaluation.dataset import DATASETS, MANIFEST, Clip, load_dataset
from vtlab.events import STAGES, Event, Listener
from vtlab.files import atomic_write
from vtlab.metrics.metric import Metric
from vtlab.metrics.rows import ReferenceSegment
from vtlab.outputs import Dub
from vtlab.record import FindingRecord, Record
from vtlab.run import memory_budget_mb
from vtlab.settings import Settings, list_settings, load_settings

OUT = Path("out") / "debug"
QUICK = ("audio_sync", "subtitle_generation", "video_combination")  # run as soon as a knob of theirs is turned
OVERLAPPING = ("transcription", "translation", "tts")  # each line goes on as soon as it is there
# without a reference, without recognising the dub again, in a second or so
QUICKLY_MEASURED = (
    "sync_onset_mean_abs_ms", "sync_drift_mean_ms", "sync_drift_p95_ms", "sync_within_150ms", "speech_overlap",
    "uncovered_s", "duration_compliance_20", "length_compliance_10", "speed_mean", "speed_p95", "speed_max",
    "speed_step_max", "overruns", "completeness", "loudness_lufs", "true_peak_dbtp", "loudness_spread_db",
    "subtitle_cps_p95", "subtitle_max_line_chars", "subtitle_overlaps",
)  # fmt: skip
WITH_REFERENCE = ("wer", "bleu", "chrf")
SHOWN_EVERY_S = 0.1  # how long the app waits for the next event before it looks whether somebody stopped it


def known_clips(folder: Path = DATASETS) -> dict[str, Clip]:
    """The clips of all data sets in ``folder``, by ``data set/clip``."""
    names = sorted(manifest.parent.name for manifest in folder.glob(f"*/{MANIFEST}"))
    return {f"{name}/{clip.id}": clip for name in names for clip in load_dataset(folder / name).clips}


@cache
def shared_pool() -> EnginePool:
    """Engines for every page that is open, loaded once; idle ones go where memory grows short."""
    return EnginePool(memory_budget_mb(Settings()))


def page_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for the dubs of one page, which no other page overwrites; gone when the page is, or the app."""
    OUT.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="page-", dir=OUT, ignore_cleanup_errors=True)


def results_folder(page: Path, video: Path, which: str) -> Path:
    """Where a page's dubs of ``video`` go; videos of the same name in other folders have others."""
    place = hashlib.sha256(str(video.absolute()).encode(errors="surrogateescape")).hexdigest()[:8]
    return page / f"{video.stem[:60]}-{place}" / which


def command(video: Path, settings: Settings, file: Path) -> str:
    """The command that dubs the video as it is dubbed here, with the settings saved in ``file``."""
    words = ["vtlab", "dub", str(video), "--to", str(settings.target_language), "--settings", str(file)]
    words += ["--from", settings.source_language] if settings.source_language else []
    return shlex.join(words)


def changes(base: Settings, settings: Settings) -> list[dict[str, Any]]:
    """The settings that differ from the base's, a row each."""
    before = {setting.key: setting.value for setting in list_settings(base)}
    return [
        {"setting": setting.key, "base": str(before[setting.key]), "now": str(setting.value)}
        for setting in list_settings(settings)
        if setting.value != before[setting.key]
    ]


def uploaded(name: str, content: bytes, folder: Path = OUT / "uploads") -> Path:
    """A file that came through the browser, kept under its own name in a folder named by its content."""
    kept = folder / hashlib.sha256(content).hexdigest()[:12] / Path(name).name
    if not kept.exists():
        atomic_write(kept, content)
    return kept


def dubbed(
    video: Path,
    settings: Settings,
    folder: Path,
    pool: EnginePool,
    show: Listener,
    stop: threading.Event | None = None,
) -> Dub:
    """Dubs ``video``; every event goes to ``show`` in the caller's own thread, which is the one an app may draw from.

    The speech track is kept, since the app plays from it. Once ``stop`` is set, or the caller is interrupted, the dub
    stops at its next line; then this raises ``Cancelled``.
    """
    stopped = stop or threading.Event()
    settings = settings.model_copy(
        update={"audio_sync": settings.audio_sync.model_copy(update={"keep_speech_track": True})}
    )
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def checkpoint() -> None:
        if stopped.is_set():
            raise Cancelled("Stopped. Press Run to go on from there.")

    with ThreadPoolExecutor(1) as executor:
        work = executor.submit(
            pipeline.dub,
            video,
            settings=settings,
            out=folder,
            on_event=events.put,
            checkpoint=checkpoint,
            pool=pool,
            overwrite=True,
        )  # the folder is the page's own
        work.add_done_callback(lambda _: events.put(None))  # the end is no later than the last event
        try:
            while not work.done() or not events.empty():
                with suppress(queue.Empty):
                    if (event := events.get(timeout=SHOWN_EVERY_S)) is not None:
                        show(event)
        except BaseException:
            stopped.set()
            raise
    return work.result()


def first_changed(before: Settings, after: Settings) -> str | None:
    """The earliest stage that other settings make run again; ``None`` where they are the same."""
    if (before.source_language, before.target_language) != (after.source_language, after.target_language):
        return STAGES[0]
    return next((stage for stage in STAGES if getattr(before, stage) != getattr(after, stage)), None)


def runs_at_once(before: Settings | None, after: Settings) -> bool:
    """Whether the change is quick enough to run without being asked."""
    if before is None:
        return False
    changed = first_changed(before, after)
    return changed is None or changed in QUICK


@dataclass(frozen=True)
class StageSummary:
    """How one stage went: its time, and how many of its answers were computed or came from the store."""

    stage: str
    seconds: float
    computed: int
    reused: int
    from_store: bool
    findings: tuple[FindingRecord, ...]

    @property
    def sentence(self) -> str:
        beside = " with the stages beside it" if self.stage in OVERLAPPING else ""
        if self.from_store:
            return f"{self.seconds:.2f} s{beside}, from the store"
        if self.reused:
            return f"{self.seconds:.2f} s{beside}, {self.computed} computed, {self.reused} from the store"
        return f"{self.seconds:.2f} s{beside}, computed"


def summaries(record: Record) -> dict[str, StageSummary]:
    """One summary per stage, in their order."""
    return {
        stage.stage: StageSummary(
            stage.stage,
            stage.seconds,
            stage.computed,
            stage.reused,
            stage.from_store,
            tuple(finding for finding in record.findings if finding.stage == stage.stage),
        )
        for stage in record.stages
    }


def text_rows(record: Record) -> list[dict[str, Any]]:
    """Source and translation side by side, a row per line, lengths in characters."""
    return [
        {
            "line": line.id,
            "source": line.text,
            "translation": line.translation,
            "spoken": line.spoken_text if line.spoken_text != line.translation else "",
            "length": round(len(line.translation) / len(line.text), 2) if line.text else None,
            "other candidates": " | ".join(text for text in line.candidates if text != line.translation),
        }
        for line in record.segments
    ]


def sync_rows(record: Record) -> list[dict[str, Any]]:
    """Where each line is said, a row per line: seconds, speed, and how far it drifts from its source in ms."""
    return [
        {
            "line": line.id,
            "source start": round(line.start, 2),
            "source end": round(line.end, 2),
            "dub start": round(line.planned_start, 2),
            "dub end": round(line.planned_end, 2),
            "onset ms": round(1000 * (line.planned_start - line.start)),
            "offset ms": round(1000 * (line.planned_end - line.end)),
            "speed": round(line.speed, 2),
            "voice": line.voice or "",
            "text": line.spoken_text,
        }
        for line in record.segments
    ]


def finding_rows(findings: Sequence[FindingRecord]) -> list[dict[str, Any]]:
    return [
        {
            "severity": finding.severity,
            "what": finding.code,
            "line": "" if finding.segment is None else finding.segment,
            "message": finding.message,
            "value": _rounded(finding.value),
            "limit": _rounded(finding.limit),
        }
        for finding in findings
    ]


def metric_differences(
    video: Path, base: Dub, changed: Dub, reference: Sequence[ReferenceSegment] | None = None
) -> list[dict[str, Any]]:
    """What can be measured in a moment, of both dubs and their difference; text too, where there is a reference."""
    from vtlab.measurement.inspection import measure
    from vtlab.metrics.registry import METRICS

    asked = QUICKLY_MEASURED if reference is None else (*WITH_REFERENCE, *QUICKLY_MEASURED)

    def values(dub: Dub) -> dict[str, float]:
        return measure(dub, video, reference=None if reference is None else list(reference), metrics=asked).values

    before, after = values(base), values(changed)
    return [
        {
            "metric": name,
            "base": _rounded(before.get(name)),
            "now": _rounded(after.get(name)),
            "difference": _rounded(after[name] - before[name]) if name in before and name in after else None,
            "verdict": _verdict(METRICS[name], before.get(name), after.get(name)),
            "unit": METRICS[name].unit,
            "what it is": METRICS[name].means,
        }
        for name in METRICS
        if name in before or name in after
    ]


def _verdict(metric: Metric, before: float | None, after: float | None) -> str:
    if before is None or after is None or _rounded(before) == _rounded(after):
        return ""
    if metric.better == "target":
        return "different"
    return "better" if (after > before) == (metric.better == "higher") else "worse"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def save_settings(settings: Settings, file: Path) -> Path:
    """Writes a settings file for ``vtlab dub --settings`` and for a suite; ``InputError`` where it cannot be written.

    Languages and the store's folder are left out: they belong to a run.
    """
    if not file.name or file.is_dir():
        raise InputError(f"{file} is a folder; name a file in it, such as settings.yaml.")
    data = settings.model_dump(mode="json", exclude={"store", "source_language", "target_language"})
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    try:
        _check_settings(file)
        return atomic_write(file, text)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}. Choose another place.") from error


def _check_settings(file: Path) -> None:
    """Raise ``InputError`` where the file is there and holds something else than settings."""
    if not file.is_file() or not file.stat().st_size:
        return
    try:
        load_settings(file, environment={})
    except UserError as error:
        raise InputError(
            f"{file} is there already and is not a settings file, so it is left as it is. Choose another place.",
            code="E_EXISTS",
        ) from error


def progress(show: Callable[[str, float], None]) -> Listener:
    """A listener that tells ``show`` what runs (a phrase) and how far the dub is, 0…1."""
    from vtlab.events import SHARES, SegmentDone, StageFinished, StageStarted

    done = dict.fromkeys(STAGES, 0.0)

    def listen(event: Event) -> None:
        match event:
            case StageStarted():
                phrase = event.stage.replace("_", " ")
            case SegmentDone():
                done[event.stage] = event.done / event.total if event.total else done[event.stage]
                phrase = f"{event.stage.replace('_', ' ')}: line {event.done}"
            case StageFinished():
                done[event.stage] = 1.0
                phrase = event.stage.replace("_", " ")
            case _:
                return
        show(phrase, sum(SHARES[stage] * part for stage, part in done.items()) / sum(SHARES.values()))

    return listen
