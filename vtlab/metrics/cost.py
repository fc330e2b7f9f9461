"""What a dub cost, by its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtlab.record import Record


TOGETHER = frozenset({"transcription", "translation", "tts"})  # lines flow from one to the next: they run side by side


def costs(record: Record) -> dict[str, float]:
    """Costs by the names of the table. Stages that run side by side add up to more wall time than the whole.

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
