"""The forecast of a sweep: the work that is left, and about how long it takes.

A stage's result depends on the clip and on the settings of that stage and of those before it. So configurations that
differ only in later settings share it, and what earlier results were made of is in the store unless it was pruned.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from pydantic import ValidationError

from vtlab.evaluation.suite.model import Suite
from vtlab.evaluation.sweep.clip import KEPT_STAGES
from vtlab.evaluation.sweep.plan import Plan
from vtlab.evaluation.sweep.results import RESULT, ClipResult, read_result
from vtlab.files import sha256_of
from vtlab.metrics.registry import expand_word
from vtlab.record import Record

NOTHING = "nothing"  # in place of a stage: everything comes from the store, only measuring is left

# Seconds per second of a clip on two cores, for results that were never made here; see docs/explanation/speed.md.
# Voices differ most: a dub takes 0.2 with Piper and 1.1 with Kokoro.
DUB = 0.6
MEASURE = 0.15
RECOGNISE = 0.2
SHARE_LEFT = {"translation": 0.7, "tts": 0.6, "audio_sync": 0.1}  # of a dub from this stage on; before them all of it
GOLD_DUBS = 1.5  # dubs that `losses` adds: three, which share their first stages


@dataclass(frozen=True)
class StageForecast:
    """What one stage has to do.

    Attributes:
        stage: The stage's name.
        needed: Distinct results that the sweep needs of it.
        made: Those of them that earlier results in the same folder were made of.
    """

    stage: str
    needed: int
    made: int


@dataclass(frozen=True)
class Forecast:
    """What is left of a sweep.

    Attributes:
        plan: The plan of it.
        stages: The work of each stage, in their order.
        expected: Seconds for each result, by clip and configuration, in the order of the work.
        basis: Where the seconds come from.
    """

    plan: Plan
    stages: tuple[StageForecast, ...]
    expected: dict[tuple[str, str], float]
    basis: str

    @property
    def seconds(self) -> float:
        """Seconds for all results, one after another."""
        return sum(self.expected.values())


def forecast_sweep(plan: Plan) -> Forecast:
    """Return the forecast of a sweep; no model is loaded.

    Times are those of earlier results of the suite in the plan's folder, by the first stage that had something to
    compute; where there are none, those of other suites there; else documented rates.
    """
    suite, folder = plan.job.suite, plan.job.folder
    results = list(_results(folder))
    stored = {key for result, home in results for key in _stored_keys(result, home)}
    known, distinct, expected = set(stored), set[tuple[str, str]](), {}
    own = [result for result, _ in results if result.suite == suite.name]
    rates = _rates(own) or _rates(result for result, _ in results)
    measured = 0
    for task in plan.tasks:
        sound = sha256_of(task.clip.path)
        for configuration in task.configurations:
            keys = _keys(sound, configuration.for_clip(task.clip).model_dump(mode="json"))
            first = next((stage for stage, key in keys if (stage, key) not in known), NOTHING)
            known.update(keys)
            distinct.update(keys)
            rate = rates.get(first)
            measured += rate is not None
            seconds = task.clip.seconds * (_documented(first, suite) if rate is None else rate)
            expected[task.clip.id, configuration.name] = seconds
    stages = tuple(
        StageForecast(
            stage,
            sum(one == stage for one, _ in distinct),
            sum(one == stage for one, _ in distinct & stored),
        )
        for stage in KEPT_STAGES
    )
    return Forecast(plan, stages, expected, _basis(measured, len(expected), bool(_rates(own))))


class TimeLeft:
    """The time left of a sweep that runs: its forecast, at the speed of the results made so far."""

    def __init__(self, plan: Plan) -> None:
        self._expected = dict(forecast_sweep(plan).expected)
        self._began, self._done = time.perf_counter(), 0.0

    def after(self, result: ClipResult) -> float:
        """Return the seconds left after this result."""
        self._done += self._expected.pop((result.clip, result.configuration), 0.0)
        left = sum(self._expected.values())
        return (time.perf_counter() - self._began) / self._done * left if self._done else left


def _keys(sha256: str, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each stage with a key of all that its result depends on: the clip's hash and the settings so far."""
    depends: list[Any] = [sha256, settings["source_language"], settings["target_language"]]
    keys = []
    for stage in KEPT_STAGES:
        # a sweep keeps the speech track whatever its configurations say
        depends.append({key: value for key, value in settings.get(stage, {}).items() if key != "keep_speech_track"})
        keys.append((stage, json.dumps(depends, sort_keys=True)))
    return keys


def _results(folder: Path) -> Iterator[tuple[ClipResult, Path]]:
    """Yield the results of all suites in the folder, with their own folders."""
    for file in sorted(folder.glob(f"*/*/*/{RESULT}")):
        result = read_result(file.parent)
        if result is not None and result.status != "failed":
            yield result, file.parent


def _stored_keys(result: ClipResult, home: Path) -> list[tuple[str, str]]:
    if result.record is None:
        return []
    try:
        record = Record.model_validate_json((home / result.record).read_text(encoding="utf-8"))
    except (OSError, ValidationError):  # removed, or of another version
        return []
    return _keys(record.source.sha256, record.settings)


def _rates(results: Iterable[ClipResult]) -> dict[str, float]:
    """Return seconds per second of clip by the first stage that had something to compute."""
    found: dict[str, list[float]] = {}
    for result in results:
        if result.seconds is not None and result.measurement is not None:
            computed = (stage for stage in KEPT_STAGES if stage in result.stages and result.stages[stage].computed)
            found.setdefault(next(computed, NOTHING), []).append(result.seconds / result.measurement.seconds)
    return {stage: mean(rates) for stage, rates in found.items()}


def _documented(first: str, suite: Suite) -> float:
    wanted = suite.wanted_metrics()
    dub = 0.0 if first == NOTHING else DUB * SHARE_LEFT.get(first, 1.0 if first in KEPT_STAGES[:2] else 0.05)
    speech = RECOGNISE if wanted & set(expand_word("speech")) else 0.0
    alone = DUB if wanted & set(expand_word("cost")) else 0.0
    golds = GOLD_DUBS * (DUB + speech) if suite.losses else 0.0
    return dub + MEASURE + speech + alone + golds


def _basis(measured: int, total: int, own: bool) -> str:
    if not measured:
        return "documented rates of a machine with two cores"
    earlier = "earlier results of this suite" if own else "earlier results of other suites"
    return earlier if measured == total else f"{earlier}, and documented rates for {total - measured} of {total}"
