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
from vtlab.metrics.reference import ReferenceSegment
from vtlab.outputs import Dub
from vtlab.record import FindingRecord, Record
from vtlab.run import memory_budget_mb
from vtlab.settings import Settings, list_settings, load_settings

OUT = Path("out") / "debug"
QUICK_STAGES = ("audio_sync", "subtitle_generation", "video_combination")  # they run without being asked
OVERLAPPING_STAGES = ("transcription", "translation", "tts")  # a segment goes on to the next as soon as it is done
# measured in a second or so: no reference, no recognition of the dub
QUICK_METRICS = (
    "sync_onset_mean_abs_ms", "sync_drift_mean_ms", "sync_drift_p95_ms", "sync_within_150ms", "speech_overlap",
    "uncovered_s", "duration_compliance_20", "length_compliance_10", "speed_mean", "speed_p95", "speed_max",
    "speed_step_max", "overruns", "completeness", "loudness_lufs", "true_peak_dbtp", "loudness_spread_db",
    "subtitle_cps_p95", "subtitle_max_line_chars", "subtitle_overlaps",
)  # fmt: skip
REFERENCE_METRICS = ("wer", "bleu", "chrf")
POLL_S = 0.1  # how long to wait for an event before looking whether the dub is done


def list_clips(folder: Path = DATASETS) -> dict[str, Clip]:
    """Return the clips of all data sets in a folder, by `data set/clip`."""
    names = sorted(manifest.parent.name for manifest in folder.glob(f"*/{MANIFEST}"))
    return {f"{name}/{clip.id}": clip for name in names for clip in load_dataset(folder / name).clips}


@cache
def shared_pool() -> EnginePool:
    """Return the pool that all open pages share; idle engines are unloaded where memory grows short."""
    return EnginePool(memory_budget_mb(Settings()))


def make_page_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder for the dubs of one page, which no other page overwrites; it goes with the page."""
    OUT.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="page-", dir=OUT, ignore_cleanup_errors=True)


def results_folder(page: Path, video: Path, which: str) -> Path:
    """Return the folder in `page` for dubs of a video; videos of one name in two folders have two."""
    place = hashlib.sha256(str(video.absolute()).encode(errors="surrogateescape")).hexdigest()[:8]
    return page / f"{video.stem[:60]}-{place}" / which


def format_command(video: Path, settings: Settings, file: Path) -> str:
    """Return the command that dubs the video with the settings saved in `file`."""
    words = ["vtlab", "dub", str(video), "--to", str(settings.target_language), "--settings", str(file)]
    words += ["--from", settings.source_language] if settings.source_language else []
    return shlex.join(words)


def list_changes(base: Settings, settings: Settings) -> list[dict[str, Any]]:
    """Return a row for each setting that differs from the base's."""
    before = {setting.key: setting.value for setting in list_settings(base)}
    return [
        {"setting": setting.key, "base": str(before[setting.key]), "now": str(setting.value)}
        for setting in list_settings(settings)
        if setting.value != before[setting.key]
    ]


def keep_upload(name: str, content: bytes, folder: Path = OUT / "uploads") -> Path:
    """Write an uploaded file under its own name into a folder named by its content, and return its path."""
    kept = folder / hashlib.sha256(content).hexdigest()[:12] / Path(name).name
    if not kept.exists():
        atomic_write(kept, content)
    return kept


def dub_clip(
    video: Path,
    settings: Settings,
    folder: Path,
    pool: EnginePool,
    show: Listener,
    stop: threading.Event | None = None,
) -> Dub:
    """Dub a video in another thread, and keep the speech track, which the app plays from.

    Args:
        video: The video to dub.
        settings: The settings, languages among them.
        folder: Folder for the results; files there are replaced.
        pool: Holds loaded engines.
        show: Takes each event in the caller's thread, the one that an app may draw from.
        stop: Stops the dub at its next segment once it is set, as does an interruption of the caller.

    Raises:
        Cancelled: The dub was stopped.
        VtlabError: The dub failed.
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
                    if (event := events.get(timeout=POLL_S)) is not None:
                        show(event)
        except BaseException:
            stopped.set()
            raise
    return work.result()


def first_changed_stage(before: Settings, after: Settings) -> str | None:
    """Return the earliest stage that the change of settings makes run again; `None` without a change."""
    if (before.source_language, before.target_language) != (after.source_language, after.target_language):
        return STAGES[0]
    old, new = dict(before), dict(after)
    return next((stage for stage in STAGES if old[stage] != new[stage]), None)


def runs_at_once(before: Settings | None, after: Settings) -> bool:
    """Return whether the change of settings is quick enough to dub without being asked."""
    if before is None:
        return False
    changed = first_changed_stage(before, after)
    return changed is None or changed in QUICK_STAGES


@dataclass(frozen=True)
class StageSummary:
    """One stage's time and findings, and the number of its answers that were computed or came from the store."""

    stage: str
    seconds: float
    computed: int
    reused: int
    from_store: bool
    findings: tuple[FindingRecord, ...]

    @property
    def sentence(self) -> str:
        """Time and origin in words."""
        overlap = " with the stages beside it" if self.stage in OVERLAPPING_STAGES else ""
        if self.from_store:
            return f"{self.seconds:.2f} s{overlap}, from the store"
        if self.reused:
            return f"{self.seconds:.2f} s{overlap}, {self.computed} computed, {self.reused} from the store"
        return f"{self.seconds:.2f} s{overlap}, computed"


def summarize_stages(record: Record) -> dict[str, StageSummary]:
    """Return the summaries of a dub's stages, in their order."""
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
    """Return a row per segment with its texts; `length` is that of the translation over the source's, in characters."""
    return [
        {
            "segment": segment.id,
            "source": segment.text,
            "translation": segment.translation,
            "spoken": segment.spoken_text if segment.spoken_text != segment.translation else "",
            "length": round(len(segment.translation) / len(segment.text), 2) if segment.text else None,
            "other candidates": " | ".join(text for text in segment.candidates if text != segment.translation),
        }
        for segment in record.segments
    ]


def sync_rows(record: Record) -> list[dict[str, Any]]:
    """Return a row per segment with its times in seconds, its speed, and its drift in milliseconds."""
    return [
        {
            "segment": segment.id,
            "source start": round(segment.start, 2),
            "source end": round(segment.end, 2),
            "dub start": round(segment.planned_start, 2),
            "dub end": round(segment.planned_end, 2),
            "onset ms": round(1000 * (segment.planned_start - segment.start)),
            "offset ms": round(1000 * (segment.planned_end - segment.end)),
            "speed": round(segment.speed, 2),
            "voice": segment.voice or "",
            "text": segment.spoken_text,
        }
        for segment in record.segments
    ]


def finding_rows(findings: Sequence[FindingRecord]) -> list[dict[str, Any]]:
    """Return a row per finding."""
    return [
        {
            "severity": finding.severity,
            "code": finding.code,
            "segment": "" if finding.segment is None else finding.segment,
            "message": finding.message,
            "value": _round(finding.value),
            "limit": _round(finding.limit),
        }
        for finding in findings
    ]


def compare_metrics(
    video: Path, base: Dub, changed: Dub, reference: Sequence[ReferenceSegment] | None = None
) -> list[dict[str, Any]]:
    """Return a row per metric that is measured quickly: both dubs' values, their difference, and the verdict.

    Args:
        video: The source of both dubs.
        base: The dub with the base configuration.
        changed: The dub with the settings as they are now.
        reference: The reference, which WER, BLEU and chrF need.
    """
    from vtlab.measurement.inspection import measure
    from vtlab.metrics.display import format_unit, format_value
    from vtlab.metrics.registry import METRICS

    asked = QUICK_METRICS if reference is None else (*REFERENCE_METRICS, *QUICK_METRICS)

    def values(dub: Dub) -> dict[str, float]:
        return measure(dub, video, reference=None if reference is None else list(reference), metrics=asked).values

    before, after = values(base), values(changed)
    return [
        {
            "metric": name,
            "base": format_value(name, before.get(name)),
            "now": format_value(name, after.get(name)),
            "difference": format_value(name, _difference(before.get(name), after.get(name)), signed=True),
            "verdict": _verdict(METRICS[name], before.get(name), after.get(name)),
            "unit": format_unit(name),
            "meaning": METRICS[name].means,
        }
        for name in METRICS
        if name in before or name in after
    ]


def _verdict(metric: Metric, before: float | None, after: float | None) -> str:
    from vtlab.metrics.display import format_value

    if before is None or after is None or format_value(metric.name, before) == format_value(metric.name, after):
        return ""
    if metric.better == "target":
        return "different"
    return "better" if (after > before) == (metric.better == "higher") else "worse"


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def save_settings(settings: Settings, file: Path) -> Path:
    """Write a settings file for `vtlab dub --settings` and for a suite, and return its path.

    Languages and the store's folder are left out: they belong to a dub.

    Raises:
        InputError: The file cannot be written, or holds something else than settings.
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


def track_progress(show: Callable[[str, float], None]) -> Listener:
    """Return a listener that calls `show` with what runs, a phrase, and the share of the dub that is done, 0 to 1."""
    from vtlab.events import SHARES, SegmentDone, StageFinished, StageStarted

    done = dict.fromkeys(STAGES, 0.0)

    def listen(event: Event) -> None:
        match event:
            case StageStarted():
                phrase = event.stage.replace("_", " ")
            case SegmentDone():
                done[event.stage] = event.done / event.total if event.total else done[event.stage]
                phrase = f"{event.stage.replace('_', ' ')}: segment {event.done}"
            case StageFinished():
                done[event.stage] = 1.0
                phrase = event.stage.replace("_", " ")
            case _:
                return
        show(phrase, sum(SHARES[stage] * part for stage, part in done.items()) / sum(SHARES.values()))

    return listen
