"""Tables of a dub's record for notebooks, as pandas frames."""

from __future__ import annotations

import pandas as pd

from vtlab.record import Record

DIGITS = 4


def engines(record: Record) -> pd.DataFrame:
    """Return a row per engine that the dub is made of, with its weights."""
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
    """Return a row per segment: source and translation, and the ratio of their lengths."""
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
    """Return a row per segment: its voice, the number of attempts, and its speed."""
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
    """Return the findings of a stage; one row that says so where there are none."""
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
    """Return a row per stage: its time, and what came from the store."""
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
