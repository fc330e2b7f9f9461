"""Results: a file for each clip under each configuration, and the values of a configuration over its clips.

``<folder>/<suite>/<configuration>/<clip>/result.json``, beside it the dub's files. Written once, whole, under its final
name: a file that is there is finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from vtlab.evaluation.suite.loss_definitions import GOLD_BLEU, Gold
from vtlab.evaluation.sweep.losses import find_losses
from vtlab.events import STAGES
from vtlab.files import atomic_write
from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import aggregate, score
from vtlab.record import Record

RESULT = "result.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageCount(_Part):
    """What one stage computed and reused for a result, over all dubs that the result took."""

    computed: int = Field(description="answers of its engine: lines, sentences, windows")
    reused: int = Field(description="answers from the store")
    dubs_computed: int = Field(0, description="dubs for which it computed anything")
    dubs_reused: int = Field(0, description="dubs for which everything came from the store")
    seconds: float


class ClipResult(_Part):
    """One clip dubbed and measured, or the error that prevented it."""

    suite: str
    configuration: str = Field(description="its name in the suite")
    fingerprint: str = Field(description="of its resolved settings, with the clip's languages")
    dataset: str
    dataset_digest: str
    clip: str
    key: str = Field(description="hash of all the result depends on; another key, another result")
    dub_key: str | None = Field(None, description="hash of all the dub depends on; null: of before this was kept")
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
    media: Path | None = Field(None, description="the dubbed video or sound, relative to the result's folder")
    record: Path | None = Field(None, description="the dub's record, relative to the result's folder")

    @model_validator(mode="before")
    @classmethod
    def _earlier_media(cls, data: Any) -> Any:
        """Find `media` in a result of before it was kept; a dub has either of the two files."""
        if not isinstance(data, dict) or "media" in data:
            return data
        files = [path for kind, path in data.get("outputs", {}).items() if kind in ("video", "audio")]
        return {**data, "media": files[0]} if files else data


CLIP_RESULTS = TypeAdapter(tuple[ClipResult, ...])


@dataclass(frozen=True)
class Corpus:
    """Values over all clips of one configuration.

    Attributes:
        values: By metric; what was not measured is absent.
        signatures: How each value was computed, by metric.
        clips: The number of clips measured.
        failed: The number of clips that failed.
    """

    values: dict[str, float]
    signatures: dict[str, str]
    clips: int
    failed: int


# ---------------------------------------------------------------- files


def clip_folder(folder: Path, suite: str, configuration: str, clip: str) -> Path:
    """Return the folder of a clip's result."""
    return folder / suite / configuration / clip


def write_result(result: ClipResult, folder: Path) -> Path:
    """Write a result into its clip's folder in one step, and return the file."""
    return atomic_write(folder / RESULT, result.model_dump_json(indent=1) + "\n")


def read_result(folder: Path) -> ClipResult | None:
    """Return the result in a clip's folder; `None` without one, or if another version of vtlab wrote it."""
    try:
        return ClipResult.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def load_results(folder: Path, suite: str, configuration: str, clips: Sequence[str] | None = None) -> list[ClipResult]:
    """Return the results of a configuration in the order of `clips`, else by name; missing ones are left out."""
    if clips is None:
        clips = sorted(path.parent.name for path in (folder / suite / configuration).glob(f"*/{RESULT}"))
    found = (read_result(clip_folder(folder, suite, configuration, clip)) for clip in clips)
    return [result for result in found if result is not None]


# ---------------------------------------------------------------- counts


def stage_counts(records: Iterable[Record]) -> dict[str, StageCount]:
    """Return what each stage computed and reused, over the dubs of these records."""
    return add_counts(
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


def add_counts(counts: Iterable[Mapping[str, StageCount]]) -> dict[str, StageCount]:
    """Return the sum of counts, stage by stage, in the pipeline's order."""
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


def measurements(results: Iterable[ClipResult]) -> dict[str, Measurement]:
    """Return the measurements by clip, of the clips that have one."""
    return {result.clip: result.measurement for result in results if result.measurement is not None}


def aggregate_results(results: Sequence[ClipResult]) -> Corpus:
    """Return the values over all clips that were measured, with the losses per stage."""
    measured = list(measurements(results).values())
    scores = aggregate(measured)
    values = scores.values | loss_values(results)
    return Corpus(values, scores.signatures, len(measured), sum(result.status == "failed" for result in results))


def gold_measurements(results: Iterable[ClipResult]) -> dict[Gold, dict[str, Measurement]]:
    """Return the measurements with the reference in place of a stage's output, by clip."""
    found: dict[Gold, dict[str, Measurement]] = {}
    for result in results:
        for kind, measured in result.gold.items():
            found.setdefault(kind, {})[result.clip] = measured
    return found


def loss_values(results: Sequence[ClipResult]) -> dict[str, float]:
    """Return the losses per stage, and the BLEU of gold transcripts; what no clip was dubbed again for is absent."""
    gold = gold_measurements(results)
    transcripts = list(gold.get("gold_transcript", {}).values())
    translated = score(transcripts, [GOLD_BLEU]).values.get(GOLD_BLEU)
    found = {} if translated is None else {GOLD_BLEU: translated}
    lost = find_losses("", measurements(results), gold, samples=1)  # intervals are not asked for
    return found | {loss.name: loss.value for loss in lost}
