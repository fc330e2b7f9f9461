"""The result of one clip under one configuration, as a file: what a sweep leaves behind, and what is compared.

``<folder>/<suite>/<configuration>/<clip>/result.json``, beside it the dub's files. Written once, whole, under its final
name: a file that is there is finished.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vtlab.evaluation.suite.model import Gate
from vtlab.events import STAGES
from vtlab.measurement.results import Measurement
from vtlab.metrics.pooling import pool
from vtlab.record import Record

RESULT = "result.json"
Gold = Literal["gold_transcript", "gold_translation", "gold_timings"]
PERFECT_BLEU = 100.0


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageCount(_Part):
    """What one stage did for a result, by where its answers came from; over all dubs that the result took."""

    computed: int = Field(description="answers of its engine: lines, sentences, windows")
    reused: int = Field(description="answers from the store")
    dubs_computed: int = Field(0, description="dubs for which it computed anything")
    dubs_reused: int = Field(0, description="dubs for which everything came from the store")
    seconds: float


class ClipResult(_Part):
    """One clip dubbed and measured; or why it could not be."""

    suite: str
    configuration: str = Field(description="its name in the suite")
    fingerprint: str = Field(description="of its resolved settings, with the clip's languages")
    dataset: str
    dataset_digest: str
    clip: str
    key: str = Field(description="hash of all the result depends on; another key, another result")
    status: Literal["finished", "degraded", "failed"]
    error: str | None = Field(None, description="why it failed, one sentence")
    error_code: str | None = None
    measurement: Measurement | None = None
    gold: dict[Gold, Measurement] = Field(
        default_factory=dict, description="the same with the reference in place of a stage's output"
    )
    gold_absent: dict[Gold, str] = Field(default_factory=dict, description="why one of these is not there")
    stages: dict[str, StageCount] = Field(default_factory=dict)
    seconds: float | None = Field(None, description="wall time of dubbing and measuring, as it was: much may be reused")
    outputs: dict[str, Path] = Field(default_factory=dict, description="files by kind, relative to the result's folder")
    record: Path | None = Field(None, description="the dub's record, relative to the result's folder")


@dataclass(frozen=True)
class GateOutcome:
    """A gate and what was reached; ``value`` is ``None`` where nobody measured it, which passes no gate."""

    metric: str
    gate: Gate
    value: float | None
    passed: bool

    def __str__(self) -> str:
        value = "not measured" if self.value is None else f"{self.value:.4g}"
        return f"{self.metric} {value} ({'passed' if self.passed else 'failed'}: {self.gate})"


@dataclass(frozen=True)
class Corpus:
    """Values over all clips of one configuration, how each was computed, and how many clips they are made of."""

    values: dict[str, float]
    signatures: dict[str, str]
    clips: int
    failed: int


# ---------------------------------------------------------------- files


def clip_folder(folder: Path, suite: str, configuration: str, clip: str) -> Path:
    """Where the result of a clip lies."""
    return folder / suite / configuration / clip


def write_result(result: ClipResult, folder: Path) -> Path:
    """Writes the result whole under its final name; ``folder`` is the clip's own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULT
    unfinished = folder / f".{RESULT}-{os.getpid()}-{uuid.uuid4().hex}"
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(result.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_result(folder: Path) -> ClipResult | None:
    """The result in a clip's folder; ``None`` where there is none, or one of another version of vtlab."""
    try:
        return ClipResult.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def load_results(folder: Path, suite: str, configuration: str, clips: Sequence[str] | None = None) -> list[ClipResult]:
    """Results of a configuration, in the order of ``clips`` or by name; those that are not there are left out."""
    if clips is None:
        clips = sorted(path.parent.name for path in (folder / suite / configuration).glob(f"*/{RESULT}"))
    found = (read_result(clip_folder(folder, suite, configuration, clip)) for clip in clips)
    return [result for result in found if result is not None]


# ---------------------------------------------------------------- counts


def stage_counts(records: Iterable[Record]) -> dict[str, StageCount]:
    """What each stage did for dubs with these records."""
    return added(
        {
            stage.stage: StageCount(
                computed=stage.computed,
                reused=stage.reused,
                dubs_computed=int(stage.computed > 0),
                dubs_reused=int(stage.from_store),
                seconds=stage.seconds,
            )
            for stage in record.stages
        }
        for record in records
    )


def added(counts: Iterable[Mapping[str, StageCount]]) -> dict[str, StageCount]:
    """The sum, stage by stage, in the pipeline's order."""
    total: dict[str, StageCount] = {}
    for each in counts:
        for stage, count in each.items():
            so_far = total.get(stage)
            if so_far is None:
                total[stage] = count
                continue
            total[stage] = StageCount(
                computed=so_far.computed + count.computed,
                reused=so_far.reused + count.reused,
                dubs_computed=so_far.dubs_computed + count.dubs_computed,
                dubs_reused=so_far.dubs_reused + count.dubs_reused,
                seconds=round(so_far.seconds + count.seconds, 3),
            )
    return {stage: total[stage] for stage in STAGES if stage in total}


# ---------------------------------------------------------------- values of a whole configuration


def corpus(results: Sequence[ClipResult]) -> Corpus:
    """Values over all clips that could be measured, losses among them; no value of a clip that failed counts."""
    measured = [result.measurement for result in results if result.measurement is not None]
    scores = pool(measured)
    values = {**scores.values, **losses(results)}
    return Corpus(values, scores.signatures, len(measured), sum(result.status == "failed" for result in results))


def losses(results: Sequence[ClipResult]) -> dict[str, float]:
    """Which stage costs what: BLEU that is gained when the reference stands in for its output.

    The end of the chain is ``asr_bleu``, what a listener can get. ``loss_transcription_bleu`` is gained by a gold
    transcript, ``loss_translation_bleu`` by a gold translation on top, ``loss_tts_bleu`` is what the voice, and the
    recogniser that hears it, still lose of a perfect 100; ``loss_timings_bleu`` is gained by the reference's times
    around the recogniser's own words. ``bleu_gold_transcript`` is what translation alone reaches. Each is taken over
    the clips that have both sides; without any it is absent.
    """

    own = [result.measurement for result in results]
    transcript, translation, timings = (
        [result.gold.get(kind) for result in results]
        for kind in ("gold_transcript", "gold_translation", "gold_timings")
    )
    perfect_text = _pooled("asr_bleu", translation)
    found = {
        "bleu_gold_transcript": _pooled("bleu", transcript),
        "loss_transcription_bleu": _gained("asr_bleu", transcript, own),
        "loss_translation_bleu": _gained("asr_bleu", translation, transcript),
        "loss_tts_bleu": None if perfect_text is None else PERFECT_BLEU - perfect_text,
        "loss_timings_bleu": _gained("asr_bleu", timings, own),
    }
    return {name: value for name, value in found.items() if value is not None}


def gate_outcomes(gates: Mapping[str, Gate], values: Mapping[str, float]) -> list[GateOutcome]:
    """What became of each gate."""
    return [
        GateOutcome(metric, gate, values.get(metric), metric in values and gate.holds(values[metric]))
        for metric, gate in gates.items()
    ]


def _pooled(metric: str, measurements: Iterable[Measurement | None]) -> float | None:
    measured = [one for one in measurements if one is not None]
    return pool(measured).values.get(metric)


def _gained(metric: str, after: Sequence[Measurement | None], before: Sequence[Measurement | None]) -> float | None:
    """The difference, over the clips that have both."""
    both = [(one, other) for one, other in zip(after, before, strict=True) if one is not None and other is not None]
    high, low = _pooled(metric, [one for one, _ in both]), _pooled(metric, [other for _, other in both])
    return None if high is None or low is None else high - low
