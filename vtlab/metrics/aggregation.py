"""Many clips as one corpus: values from the rows of all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vtlab.errors import EngineError, SettingsError
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.metric import Metric
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import find_metric, sort_metrics
from vtlab.metrics.rows import ClipRows
from vtlab.metrics.units import Over, Unit


@dataclass
class Scores:
    """Values and signatures by metric; ``problems``: why one could not be computed."""

    values: dict[str, float]
    signatures: dict[str, str]
    problems: dict[str, str]


def aggregate(clips: Sequence[ClipRows]) -> Scores:
    """Return every metric that any of the clips has, over all of them; of one clip, its own values."""
    known = sort_metrics(name for clip in clips for name in clip.values)
    scores = score(clips, known)
    for name in scores.values:
        recognizers = {_recognizer(clip.signatures.get(name, "")) for clip in clips} - {""}
        used = sum(name in clip.values for clip in clips)
        parts = (
            scores.signatures.get(name, ""),
            " / ".join(sorted(recognizers)),
            f"clips:{used}/{len(clips)}" if used < len(clips) else "",
        )
        if any(parts):
            scores.signatures[name] = "|".join(filter(None, parts))
    return scores


def score(clips: Sequence[ClipRows], metrics: Iterable[str]) -> Scores:
    """Return these metrics over the clips; those that are measured on files from the clips' values."""
    scores = Scores({}, {}, {})
    by_name = dict(enumerate(clips))
    units: Mapping[Over, list[Unit]] = {
        "segments": list_units({f"{number:09}": clip for number, clip in by_name.items()}, "segments"),
        "clips": list_units({f"{number:09}": clip for number, clip in by_name.items()}, "clips"),
    }
    for name in metrics:
        try:
            metric = find_metric(name)
            value = metric.value(units[metric.over])
            signature = None if value is None else _signature(metric, units[metric.over])
        except (EngineError, SettingsError) as error:
            scores.problems[name] = str(error)
            continue
        if value is not None:
            scores.values[name] = value
            if signature:
                scores.signatures[name] = signature
    return scores


def _signature(metric: Metric, units: Sequence[Unit]) -> str | None:
    if not isinstance(metric, FileMetric):
        return metric.signature(units)
    signed = {unit.clip_rows.signatures[metric.name] for unit in units if metric.name in unit.clip_rows.signatures}
    return " / ".join(sorted(signed))


def _recognizer(signature: str) -> str:
    """The part of a signature that names the recogniser, which no row knows."""
    at = signature.find("recogniser:")
    return "" if at < 0 else signature[at:].split("|clips:")[0]
