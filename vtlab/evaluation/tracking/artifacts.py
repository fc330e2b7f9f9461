"""The files of a run: what a person opens in the MLflow UI, and what gives the run back to ``vtlab compare``."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vtlab import media, plots
from vtlab.audio import Audio, cut, fade, silence
from vtlab.evaluation.compare.comparison import COSTS, QUALITIES, first_of_all, losses, of_results, undominated
from vtlab.evaluation.dataset import Dataset
from vtlab.evaluation.show.pages import lost
from vtlab.evaluation.suite.model import Configuration, Gate, Suite
from vtlab.evaluation.sweep.results import ClipResult, added, corpus, gate_outcomes
from vtlab.measurement.results import Measurement
from vtlab.metrics.bootstrap import intervals
from vtlab.metrics.pooling import pool
from vtlab.metrics.registry import find_metric
from vtlab.metrics.rows import SegmentMeasure
from vtlab.settings import dump_yaml

PLOTS = "plots"  # the folder of a run's pictures
COMPARISON_S = 30.0  # of source and dub in turn, at most
COMPARISON_HZ = 24_000
PAUSE_S = 0.4  # between the two
FADE_S = 0.02
COLUMNS = tuple(SegmentMeasure.model_fields)
Rows = dict[str, list[Any]]  # a table by its columns


@dataclass(frozen=True)
class Pooled:
    """A configuration's numbers over all clips that could be measured.

    ``intervals`` are 95 % ones, of the metrics that have one; ``counts`` are of clips, of answers by where they came
    from, and of gates (1 passed, 0 failed).
    """

    values: dict[str, float]
    signatures: dict[str, str]
    intervals: dict[str, tuple[float, float]]
    counts: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """All of it by metric name; MLflow shows names with the same beginning up to a slash together."""
        bounds: dict[str, float] = {}
        for name, (low, high) in self.intervals.items():
            bounds |= {f"interval/{name}_low": low, f"interval/{name}_high": high}
        return self.values | bounds | self.counts


def pooled(results: Sequence[ClipResult], gates: Mapping[str, Gate] | None = None) -> Pooled:
    """The numbers of a configuration from the results of its clips."""
    statuses = Counter(result.status for result in results)
    counts: dict[str, float] = {f"clips/{status}": statuses[status] for status in ("finished", "degraded", "failed")}
    for stage, count in added(result.stages for result in results).items():
        counts |= {
            f"answers/{stage}_computed": count.computed,
            f"answers/{stage}_reused": count.reused,
            f"dubs/{stage}_computed": count.dubs_computed,
            f"dubs/{stage}_reused": count.dubs_reused,
        }
    whole = corpus(results)
    counts |= {f"gate/{one.metric}": float(one.passed) for one in gate_outcomes(gates or {}, whole.values)}
    return Pooled(whole.values, whole.signatures, intervals(measured(results), whole.values), counts)


def measured(results: Sequence[ClipResult]) -> dict[str, Measurement]:
    """The measurements by clip, of the clips that have one."""
    return {result.clip: result.measurement for result in results if result.measurement is not None}


def write_run(
    folder: Path, suite: Suite, configuration: Configuration, results: Sequence[ClipResult], numbers: Pooled
) -> None:
    """The configuration's own files: settings, suite, results, signatures, intervals, plots."""
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(dump_yaml(configuration.settings), encoding="utf-8")
    (folder / "suite.json").write_text(suite.model_dump_json(indent=1, by_alias=True), encoding="utf-8")
    (folder / "results.json").write_text(
        "[\n" + ",\n".join(result.model_dump_json() for result in results) + "\n]\n", encoding="utf-8"
    )
    (folder / "signatures.json").write_text(json.dumps(numbers.signatures, indent=1), encoding="utf-8")
    (folder / "intervals.json").write_text(json.dumps(numbers.intervals, indent=1), encoding="utf-8")
    clips = measured(results)
    if not clips:
        return
    (folder / PLOTS).mkdir()
    speeds = [line.speed for clip in clips.values() for line in clip.dub_segments if line.speed is not None]
    drawn = {"drift": plots.drift(clips), "speeds": plots.speed_histogram({configuration.name: speeds})}
    where_lost = lost(losses(of_results(configuration.name, results)))
    if where_lost is not None:
        drawn["losses"] = where_lost
    for name, figure in drawn.items():
        (folder / PLOTS / f"{name}.png").write_bytes(plots.png(figure))


def write_trade(file: Path, configurations: Iterable[Sequence[ClipResult]]) -> bool:
    """Quality against cost of a suite's configurations, from the results of each; whether two of them could be drawn.

    Quality and cost are those that ``compare`` chooses, over the clips that all have; a configuration that failed on
    every clip has no place in it.
    """
    candidates = (of_results(results[0].configuration, results) for results in configurations if results)
    found = [one for one in candidates if one.clips]
    shared = [clip for clip in found[0].clips if all(clip in one.clips for one in found)] if found else []
    if len(found) < 2 or not shared:
        return False
    values = [pool([one.clips[clip] for clip in shared]).values for one in found]
    quality, cost = (first_of_all(names, values) for names in (QUALITIES, COSTS))
    if quality is None or cost is None:
        return False
    best = undominated(values, quality, cost)
    points = [
        plots.Point(one.name, own[quality], own[cost], place in best)
        for place, (one, own) in enumerate(zip(found, values, strict=True))
    ]
    figure = plots.pareto(points, quality, cost, lower_is_better=find_metric(quality).better == "lower")
    file.write_bytes(plots.png(figure))
    return True


def write_clip(folder: Path, dataset: Dataset, result: ClipResult, home: Path) -> None:
    """A clip's files: its result, its record, its subtitles, and source and dub to listen to in turn.

    ``home`` is the folder that the result's own files are relative to.
    """
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result.model_dump_json(indent=1), encoding="utf-8")
    if result.record is not None:
        shutil.copy(home / result.record, folder)
    for kind, file in result.outputs.items():
        if kind.startswith("subtitles"):
            (folder / "subtitles").mkdir(exist_ok=True)
            shutil.copy(home / file, folder / "subtitles")
    dubbed = result.outputs.get("video") or result.outputs.get("audio")
    if dubbed is not None and result.measurement is not None:
        compared = comparison(dataset.clip(result.clip).path, home / dubbed, result.measurement)
        if compared.duration > 0:
            media.write_flac([compared.samples], compared.rate, folder / "source_then_dub.flac")


def comparison(source: Path, dubbed: Path, measurement: Measurement) -> Audio:
    """Line by line the source and then the dub, mono, as many lines as fit into ``COMPARISON_S``; maybe none."""
    chosen: list[SegmentMeasure] = []
    length = 0.0
    for line in measurement.segments:
        if line.start is None or line.end is None or line.dubbed_start is None or line.dubbed_end is None:
            continue
        length += line.end - line.start + line.dubbed_end - line.dubbed_start + 3 * PAUSE_S
        if length > COMPARISON_S:
            break
        chosen.append(line)
    if not chosen:
        return silence(0.0, COMPARISON_HZ)
    until = max(max(line.end or 0.0, line.dubbed_end or 0.0) for line in chosen)
    said, dub = (decoded(file, until + PAUSE_S) for file in (source, dubbed))
    pause = silence(PAUSE_S, COMPARISON_HZ).samples
    pieces = []
    for line in chosen:
        pieces += [_piece(said, line.start, line.end), pause, _piece(dub, line.dubbed_start, line.dubbed_end)]
        pieces += [pause, pause]
    return Audio(np.concatenate(pieces[:-2]), COMPARISON_HZ)


def segment_table(results: Sequence[ClipResult]) -> Rows:
    """Every line of every clip: the clip, and the fields of ``SegmentMeasure``."""
    rows = [
        (result.clip, *(getattr(line, column) for column in COLUMNS))
        for result in results
        if result.measurement is not None
        for line in result.measurement.segments
    ]
    return {column: [row[place] for row in rows] for place, column in enumerate(("clip", *COLUMNS))}


def decoded(file: Path, until_s: float | None = None) -> Audio:
    """The sound that is heard by default, mono at ``COMPARISON_HZ``; up to ``until_s`` seconds, or all of it."""
    info = media.probe(file)
    stream = media.choose_audio(info, None, None)
    length = info.duration_s if until_s is None else min(info.duration_s, until_s)
    blocks = list(media.decode_blocks(file, stream, COMPARISON_HZ, 1, length))
    return Audio(np.concatenate(blocks).reshape(-1), COMPARISON_HZ)


def _piece(audio: Audio, start: float | None, end: float | None) -> np.ndarray[Any, np.dtype[np.float32]]:
    return fade(cut(audio, start or 0.0, end or 0.0), FADE_S).samples
