"""Systems: what is compared, each a configuration or any tool, with its measurements by clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from vtlab.errors import InputError
from vtlab.evaluation.suite.loss_definitions import Gold
from vtlab.evaluation.sweep.results import CLIP_RESULTS, RESULT, ClipResult, gold_measurements, measurements
from vtlab.measurement.results import Measurement


@dataclass(frozen=True)
class System:
    """The measurements of a configuration or tool.

    Attributes:
        clips: Measurements by clip.
        failed: Why a clip has none, by clip.
        gold: Measurements with the reference in place of a stage's output, by clip.
        suite: The suite of a configuration.
        dataset_digest: The digest of its data set.
        keys: The keys of its results by clip; a measurement alone has none.
    """

    name: str
    clips: dict[str, Measurement]
    failed: dict[str, str] = field(default_factory=dict)
    gold: dict[Gold, dict[str, Measurement]] = field(default_factory=dict)
    suite: str = ""
    dataset_digest: str = ""
    keys: dict[str, str] = field(default_factory=dict)


def from_results(name: str, results: Iterable[ClipResult]) -> System:
    """Return the system of a configuration, from the results of its clips."""
    results = list(results)
    return System(
        name=name,
        clips=measurements(results),
        failed={result.clip: result.error or result.status for result in results if result.measurement is None},
        gold=gold_measurements(results),
        suite=results[0].suite if results else "",
        dataset_digest=results[0].dataset_digest if results else "",
        keys={result.clip: result.key for result in results},
    )


def read_systems(path: Path) -> list[System]:
    """Return the systems in a file or folder.

    Args:
        path: A file of `vtlab measure --json`, a configuration's folder of results, or a suite's, which has several.

    Raises:
        InputError: `E_RUN`; it holds no results, or results of another version of vtlab.
    """
    if path.is_file():
        return [_from_file(path)]
    folders = sorted({result.parent.parent for result in path.glob(f"*/{RESULT}")})
    folders = folders or sorted({result.parent.parent for result in path.glob(f"*/*/{RESULT}")})
    if not folders:
        raise InputError(
            f"{path} holds no results; give a suite's folder or a configuration's, such as out/eval/pt-en/base.",
            code="E_RUN",
        )
    return [_from_folder(folder) for folder in folders]


def shorten_names(systems: Sequence[System]) -> list[System]:
    """Shorten names to their distinguishing part, and number equal ones."""
    suites = {system.suite for system in systems if system.suite}
    short = [system.name.removeprefix(f"{system.suite}/") if len(suites) == 1 else system.name for system in systems]
    if len(set(short)) < len(short):
        short = [system.name for system in systems]
    return [
        replace(system, name=name if short.count(name) == 1 else f"{name} ({short[: place + 1].count(name)})")
        for place, (system, name) in enumerate(zip(systems, short, strict=True))
    ]


def _from_file(path: Path) -> System:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a measurement: {error}.", code="E_RUN") from error
    try:
        measured = Measurement.model_validate_json(text)
    except ValidationError as error:
        try:
            results: Iterable[ClipResult] = [ClipResult.model_validate_json(text)]
        except ValidationError:
            try:
                results = CLIP_RESULTS.validate_json(text)
            except ValidationError:
                problem = error.errors()[0]
                where = ".".join(map(str, problem["loc"])) or "its top"
                raise InputError(
                    f"{path} is no measurement ({where}: {problem['msg']}); make one with 'vtlab measure DUBBED "
                    f"--source VIDEO --json > {path.name}'.",
                    code="E_RUN",
                ) from error
        return from_results(str(path), results)
    return System(str(path), {path.name.split(".")[0]: measured})


def _from_folder(folder: Path) -> System:
    results = []
    for file in sorted(folder.glob(f"*/{RESULT}")):
        try:
            results.append(ClipResult.model_validate_json(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise InputError(
                f"{file} is of another version of vtlab; run its suite again, which computes only what is missing.",
                code="E_RUN",
            ) from error
    return from_results(f"{results[0].suite}/{results[0].configuration}", results)
