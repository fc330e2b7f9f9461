"""The tables that notebooks show, as pandas frames; what was not measured is an empty field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from vtlab.evaluation.compare.comparison import Comparison, Pairing
from vtlab.evaluation.show import terminal as shown
from vtlab.evaluation.sweep.results import ClipResult, added
from vtlab.evaluation.tracking.artifacts import Pooled
from vtlab.metrics.registry import find_metric, in_order, is_metric
from vtlab.record import Record

VERDICTS = {True: "met", False: "missed", None: ""}
DIGITS = 4


def values(numbers: Pooled) -> pd.DataFrame:
    """A row per metric: value, 95 % interval, target and whether it is met, what it means, how it was computed."""
    rows = []
    for name, value in numbers.values.items():
        metric = find_metric(name) if is_metric(name) else None
        rows.append(
            {
                "metric": name,
                "value": shown.number(name, value),
                "95 % interval": shown.span(name, *numbers.intervals.get(name, (None, None))),
                "unit": shown.unit(name),
                "target": shown.target(name),
                "verdict": "" if metric is None else VERDICTS[metric.verdict(value)],
                "means": "" if metric is None else metric.means,
                "signature": numbers.signatures.get(name, ""),
            }
        )
    return pd.DataFrame(rows).set_index("metric") if rows else pd.DataFrame()


def clips(results: Sequence[ClipResult], metrics: Sequence[str]) -> pd.DataFrame:
    """A row per clip: what became of it, and these of its values."""
    rows = []
    for result in results:
        got = {} if result.measurement is None else result.measurement.values
        values = {name: shown.number(name, got[name]) for name in metrics if name in got}
        rows.append({"clip": result.clip, "status": result.status, **values, "why": result.error or ""})
    return pd.DataFrame(rows).set_index("clip").fillna("")


def answers(results: Sequence[ClipResult]) -> pd.DataFrame:
    """A row per stage: answers of its engine and whole dubs, by whether they were computed or in the store."""
    rows = {stage: count.model_dump() for stage, count in added(result.stages for result in results).items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def absent(results: Sequence[ClipResult]) -> pd.DataFrame:
    """A row per metric and reason: on how many clips it could not be measured."""
    counts = Counter(reason for result in results if result.measurement for reason in result.measurement.absent.items())
    rows = [{"metric": name, "clips": count, "why": why} for (name, why), count in counts.items()]
    return pd.DataFrame(rows or [{"metric": "", "clips": 0, "why": "nothing"}]).set_index("metric")


def candidates(found: Comparison) -> pd.DataFrame:
    """A row per metric, a column per candidate, over the clips that all of them have."""
    columns = {
        one.name: {name: shown.number(name, value) for name, value in one.values.items()} for one in found.candidates
    }
    named = in_order(name for values in columns.values() for name in values)
    frame = pd.DataFrame(columns, index=named).fillna(shown.ABSENT)
    frame["unit"] = [shown.unit(name) for name in named]
    return frame


def differences(pairing: Pairing) -> pd.DataFrame:
    """A row per metric: both values, the difference with its interval and p, and the verdict."""
    rows = [
        {
            "metric": one.metric,
            "baseline": shown.number(one.metric, one.baseline),
            "this": shown.number(one.metric, one.value),
            "difference": shown.number(one.metric, one.difference, signed=True),
            "95 % interval": shown.span(one.metric, one.low, one.high, signed=True),
            "p": shown.probability(one.p),
            "n": one.units,
            "verdict": one.verdict,
        }
        for one in pairing.differences
    ]
    return pd.DataFrame(rows).set_index("metric") if rows else pd.DataFrame()


def engines(record: Record) -> pd.DataFrame:
    """A row per engine whose answers the dub is made of, with its weights."""
    return pd.DataFrame(
        [
            {
                "stage": run.stage,
                "engine": run.engine,
                "languages": run.languages,
                "weights": ", ".join(weights["name"] for weights in run.weights),
                "sha256": ", ".join(weights["sha256"][:12] for weights in run.weights),
            }
            for run in record.engines
        ]
    ).set_index("stage")


def lines(record: Record) -> pd.DataFrame:
    """A row per line: source and dub side by side, and how much longer the translation is."""
    return pd.DataFrame(
        [
            {
                "line": line.id,
                "start": round(line.start, 2),
                "source": line.text,
                "translation": line.translation,
                "length ratio": round(len(line.translation) / len(line.text), 2) if line.text else None,
                "candidates": len(line.candidates),
            }
            for line in record.segments
        ]
    ).set_index("line")


def voices(record: Record) -> pd.DataFrame:
    """A row per line: who speaks it, how often that was tried, and how fast it goes."""
    return pd.DataFrame(
        [
            {
                "line": line.id,
                "said": line.spoken_text,
                "engine": line.engine or "",
                "voice": line.voice or "",
                "attempts": line.attempts,
                "rate": line.rate,
                "speed": line.speed,
                "failed": line.failed or "",
            }
            for line in record.segments
        ]
    ).set_index("line")


def findings(record: Record, stage: str) -> pd.DataFrame:
    """What the checks of a stage found; one row that says so where they found nothing."""
    found = [finding for finding in record.findings if finding.stage == stage]
    if not found:
        return pd.DataFrame([{"severity": "", "finding": "nothing found"}]).set_index("severity")
    return pd.DataFrame(
        [
            {
                "severity": finding.severity,
                "finding": finding.message,
                "line": "" if finding.segment is None else finding.segment,
                "value": "" if finding.value is None else round(finding.value, DIGITS),
                "limit": "" if finding.limit is None else round(finding.limit, DIGITS),
            }
            for finding in found
        ]
    ).set_index("severity")


def stages(record: Record) -> pd.DataFrame:
    """A row per stage: its time, and what came from the store."""
    return pd.DataFrame(
        [
            {
                "stage": stage.stage,
                "seconds": round(stage.seconds, 2),
                "processor": round(stage.cpu_s, 2),
                "loading": round(stage.load_s, 2),
                "computed": stage.computed,
                "reused": stage.reused,
            }
            for stage in record.stages
        ]
    ).set_index("stage")
