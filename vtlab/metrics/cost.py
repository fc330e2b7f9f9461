"""Metrics of cost, by the record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.material import Material
from vtlab.metrics.needs import RECORD
from vtlab.record import Record

TOGETHER = frozenset(
    {"transcription", "translation", "tts"}
)  # segments flow from one to the next: they run side by side


def costs(record: Record) -> dict[str, float]:
    """Return costs by the names of metrics. Stages that run side by side add up to more wall time than the whole.

    A stage's processor time is the whole program's in its span, so of those side by side the longest counts alone.
    """
    side_by_side = max((stage.cpu_s for stage in record.stages if stage.stage in TOGETHER), default=0.0)
    found = {
        "wall_s": record.wall_s,
        "cpu_s": side_by_side + sum(stage.cpu_s for stage in record.stages if stage.stage not in TOGETHER),
        "peak_rss_mb": record.peak_rss_mb,
        "model_load_s": sum(stage.load_s for stage in record.stages),
        "cache_hits": float(sum(stage.reused for stage in record.stages)),
    }
    if record.first_line_s is not None:
        found["time_to_preview_s"] = record.first_line_s
    if record.source.seconds > 0:
        found["rtf"] = record.wall_s / record.source.seconds
    return found | {f"stage_{stage.stage}_s": stage.seconds for stage in record.stages}


# ---------------------------------------------------------------- the metrics


def _cost(name: str) -> Callable[[Material], tuple[float | None, str | None]]:
    def measure(material: Material) -> tuple[float | None, str | None]:
        return None if material.record is None else costs(material.record).get(name), None

    return measure


_metric = partial(FileMetric, group="cost", needs=(RECORD,), nothing="the record does not tell it")


def _stage(stage: str, means: str = "time of the stage") -> FileMetric:
    name = f"stage_{stage}_s"
    return _metric(name, "s", "lower", means, measure=_cost(name), over_clips="sum")


METRICS = (
    _metric("wall_s", "s", "lower", "time from start to end", measure=_cost("wall_s"), over_clips="sum"),
    _metric(
        "rtf", "1", "lower", "wall time ÷ length of the source",
        headline=110, measure=_cost("rtf"), over_clips="mean",
    ),
    _metric("cpu_s", "s", "lower", "processor time of all stages", measure=_cost("cpu_s"), over_clips="sum"),
    _metric("peak_rss_mb", "MB", "lower", "largest resident memory", measure=_cost("peak_rss_mb"), over_clips="worst"),
    _metric(
        "model_load_s", "s", "lower", "loading of models, within the stages",
        measure=_cost("model_load_s"), over_clips="sum",
    ),
    _metric(
        "time_to_preview_s", "s", "lower", "time until the first segment was spoken: what a preview waits for",
        measure=_cost("time_to_preview_s"), over_clips="worst",
    ),
    _metric(
        "cache_hits", "results", "higher", "results taken from the store", measure=_cost("cache_hits"), over_clips="sum"
    ),
    _stage("initialization", "time of the stage; stages 3 to 5 overlap"),
    *map(
        _stage,
        (
            "audio_extraction", "transcription", "translation", "tts", "audio_sync", "subtitle_generation",
            "video_combination",
        ),
    ),
)  # fmt: skip
