"""The files of a run: what people open in the MLflow UI, and what `lookup` reads a run back from."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtlab import media, plots
from vtlab.evaluation.compare.comparison import find_shared
from vtlab.evaluation.compare.figures import plot_losses, plot_quality_and_cost
from vtlab.evaluation.compare.sounds import alternate_segments
from vtlab.evaluation.compare.systems import from_results
from vtlab.evaluation.dataset import Dataset
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.losses import find_losses
from vtlab.evaluation.sweep.results import ClipResult, add_counts, aggregate_results, gold_measurements, measurements
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.bootstrap import intervals
from vtlab.metrics.registry import choose_costs, choose_decisive
from vtlab.metrics.rows import SegmentMeasure
from vtlab.releases.evidence import Gate, judge_gates
from vtlab.settings import dump_yaml

PLOTS = "plots"  # the folder of a run's pictures
COLUMNS = tuple(SegmentMeasure.model_fields)
Rows = dict[str, list[Any]]  # a table by its columns


@dataclass(frozen=True)
class Summary:
    """A configuration's values over all clips that were measured.

    Attributes:
        values: By metric.
        signatures: How each value was computed, by metric.
        intervals: 95 %, of the metrics that have one.
        counts: Clips by status, answers computed and reused by stage, gates (1 passed, 0 failed).
    """

    values: dict[str, float]
    signatures: dict[str, str]
    intervals: dict[str, tuple[float, float]]
    counts: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """Return all of it by metric name; MLflow groups names by their beginning up to a slash."""
        bounds: dict[str, float] = {}
        for name, (low, high) in self.intervals.items():
            bounds |= {f"interval/{name}_low": low, f"interval/{name}_high": high}
        return self.values | bounds | self.counts


def summarize(results: Sequence[ClipResult], gates: Mapping[str, Gate] | None = None) -> Summary:
    """Return the values of a configuration from the results of its clips."""
    statuses = Counter(result.status for result in results)
    counts: dict[str, float] = {f"clips/{status}": statuses[status] for status in ("finished", "degraded", "failed")}
    for stage, count in add_counts(result.stages for result in results).items():
        counts |= {
            f"answers/{stage}_computed": count.computed,
            f"answers/{stage}_reused": count.reused,
            f"dubs/{stage}_computed": count.dubs_computed,
            f"dubs/{stage}_reused": count.dubs_reused,
        }
    corpus = aggregate_results(results)
    counts |= {f"gate/{one.metric}": float(one.passed) for one in judge_gates(gates or {}, corpus.values)}
    return Summary(corpus.values, corpus.signatures, intervals(measurements(results), corpus.values), counts)


def write_run(
    folder: Path, suite: Suite, configuration: Configuration, results: Sequence[ClipResult], summary: Summary
) -> None:
    """Write the configuration's own files: settings, suite, results, signatures, intervals, plots."""
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(dump_yaml(configuration.settings), encoding="utf-8")
    (folder / "suite.json").write_text(suite.model_dump_json(indent=1, by_alias=True), encoding="utf-8")
    (folder / "results.json").write_text(
        "[\n" + ",\n".join(result.model_dump_json() for result in results) + "\n]\n", encoding="utf-8"
    )
    (folder / "signatures.json").write_text(json.dumps(summary.signatures, indent=1), encoding="utf-8")
    (folder / "intervals.json").write_text(json.dumps(summary.intervals, indent=1), encoding="utf-8")
    clips = measurements(results)
    if not clips:
        return
    (folder / PLOTS).mkdir()
    speeds = [line.speed for clip in clips.values() for line in clip.dub_segments if line.speed is not None]
    drawn = {"drift": plots.drift(clips), "speeds": plots.speed_histogram({configuration.name: speeds})}
    losses = plot_losses(find_losses(configuration.name, clips, gold_measurements(results)))
    if losses is not None:
        drawn["losses"] = losses
    for name, figure in drawn.items():
        (folder / PLOTS / f"{name}.png").write_bytes(plots.png(figure))


def write_trade(file: Path, configurations: Iterable[Sequence[ClipResult]]) -> bool:
    """Draw quality against cost of a suite's configurations; return whether two of them could be drawn.

    The metrics are those that comparisons choose, over the clips that all have; a configuration that failed on every
    clip is left out.
    """
    systems = (from_results(results[0].configuration, results) for results in configurations if results)
    found = [system for system in systems if system.clips]
    shared = [clip for clip in found[0].clips if all(clip in system.clips for system in found)] if found else []
    if len(found) < 2 or not shared:
        return False
    values = [aggregate([system.clips[clip] for clip in shared]).values for system in found]
    quality, cost = (find_shared(choose(values[0]), values) for choose in (choose_decisive, choose_costs))
    if quality is None or cost is None:
        return False
    both = {system.name: (own[quality], own[cost]) for system, own in zip(found, values, strict=True)}
    file.write_bytes(plots.png(plot_quality_and_cost(both, quality, cost)))
    return True


def write_clip(folder: Path, dataset: Dataset, result: ClipResult, home: Path) -> None:
    """Write a clip's files: its result, record and subtitles, and source and dub to listen to in turn.

    Args:
        folder: Where they go; it is made.
        dataset: The data set, which has the source.
        result: The clip's result.
        home: The folder that the result's files are relative to.
    """
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result.model_dump_json(indent=1), encoding="utf-8")
    if result.record is not None:
        shutil.copy(home / result.record, folder)
    for kind, file in result.outputs.items():
        if kind.startswith("subtitles"):
            (folder / "subtitles").mkdir(exist_ok=True)
            shutil.copy(home / file, folder / "subtitles")
    if result.media is not None and result.measurement is not None:
        sound = alternate_segments(dataset.clip(result.clip).path, home / result.media, result.measurement)
        if sound.duration > 0:
            media.write_flac([sound.samples], sound.rate, folder / "source_then_dub.flac")


def segment_table(results: Sequence[ClipResult]) -> Rows:
    """Return every segment of every clip by columns: the clip, and the fields of `SegmentMeasure`."""
    rows = [
        (result.clip, *(value for _, value in segment))
        for result in results
        if result.measurement is not None
        for segment in result.measurement.segments
    ]
    return {column: [row[place] for row in rows] for place, column in enumerate(("clip", *COLUMNS))}
