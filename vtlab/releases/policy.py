"""The policy of releases: which metric decides, and what is an objection to releasing a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from vtlab.errors import EngineError, SettingsError, UserError, nearest
from vtlab.metrics.display import format_interval, format_p, format_value
from vtlab.metrics.registry import METRICS, choose_decisive, is_metric
from vtlab.releases.evidence import GATES, Contest, Evidence, Gate
from vtlab.settings import read_yaml


class PromotionError(UserError):
    """There are objections to a release, and no reason to overrule them was given."""

    code = "E_GATES"
    exit_code = 3

    def __init__(self, name: str, objections: Sequence[str]) -> None:
        self.name, self.objections = name, tuple(objections)
        super().__init__(f"{name} was not released: {' '.join(objections)}")


def choose_metric(gates: Iterable[str], measured: Iterable[str], by: str | None = None) -> str:
    """Return the metric that decides whether a run is better than the active release.

    Args:
        gates: Metrics with a gate.
        measured: Metrics with a value.
        by: The metric asked for.

    Returns:
        `by`, else the first metric of quality (`Metric.decides`) with a gate, else the first one measured, else any
        with a gate.

    Raises:
        SettingsError: `by` is no metric.
    """
    if by is not None and not is_metric(by):
        raise SettingsError(f"--by {by!r} is no metric.{nearest(by, METRICS)}")
    gates = list(gates)
    chief = [*choose_decisive(gates), *choose_decisive(measured)]
    return by or next(iter([*chief, *gates]), choose_decisive(METRICS)[0])


def reject_reference_engines(name: str, engines: Mapping[str, str]) -> None:
    """Raise `EngineError` where an engine repeats the data set's own text, with which no other video can be dubbed.

    Args:
        name: The run, for the message.
        engines: The engines of each stage, separated by `, `.
    """
    for stage, used in engines.items():
        if "reference" in used.split(", "):
            raise EngineError(
                f"{name} cannot be released: its {stage} repeats the data set's own text, and no other video has one. "
                "Promote a configuration without the engine 'reference'."
            )


def object_to_evidence(evidence: Evidence, failed: Sequence[str]) -> list[str]:
    """Return the objections that follow from a run's own evidence.

    Args:
        evidence: The run's values and gates.
        failed: The clips that failed.
    """
    objections = []
    if failed:
        objections.append(
            f"{len(failed)} of {evidence.clips} clips failed, and the values leave them out: {', '.join(failed)}."
        )
    if not evidence.gates:
        objections.append(
            "Its suite sets no gates, so nothing says what is good enough. Add some, or give --gates FILE."
        )
    for outcome in evidence.gates:
        if not outcome.passed:
            value = "was not measured" if outcome.value is None else f"is {format_value(outcome.metric, outcome.value)}"
            objections.append(f"{outcome.metric} {value}; the gate is {outcome.limit}.")
    return objections


def object_to_contests(contests: Sequence[Contest], metric: str, release: int) -> list[str]:
    """Return the objection to a run that is not better than the active release in the metric that decides, if any."""
    decides = next((contest for contest in contests if contest.metric == metric), None)
    if decides is None:
        return [
            f"{metric}, the metric that decides, was not measured both in this run and in release {release}, in force."
        ]
    if decides.verdict != "better":
        return [
            f"{metric}, the metric that decides, is not better than in release {release}, in force: "
            f"{describe_contest(decides)}."
        ]
    return []


def describe_contest(contest: Contest) -> str:
    """Return a contest in words: `31.5 against 29.5, +2.0 [+0.5, +3.5], p 0.010: better`."""
    value, baseline = format_value(contest.metric, contest.value), format_value(contest.metric, contest.baseline)
    words = f"{value} against {baseline}, {format_value(contest.metric, contest.difference, signed=True)}"
    if contest.low is not None and contest.high is not None:
        words += f" {format_interval(contest.metric, contest.low, contest.high, signed=True)}"
        words += "" if contest.p is None else f", p {format_p(contest.p)}"
    return f"{words}: {contest.verdict}"


def read_gates(file: Path) -> dict[str, Gate]:
    """Return the gates in a YAML file, either a mapping of metrics to bounds or a suite.

    Raises:
        SettingsError: The file cannot be read, is no such mapping, or names an unknown metric.
    """
    try:
        data = read_yaml(file)
    except (OSError, SettingsError) as error:
        raise SettingsError(f"Gates file {file} cannot be read: {error}") from error
    data = data.get("gates", data) if isinstance(data, dict) else data
    try:
        gates = GATES.validate_python(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise SettingsError(
            f"Gates file {file}: {where + ': ' if where else ''}{problem['msg']}. Write metrics with their bounds, "
            "such as 'wer: {max: 0.1}'."
        ) from error
    for metric in gates:
        if not is_metric(metric):
            raise SettingsError(f"Gates file {file}: unknown metric {metric!r}.{nearest(metric, METRICS)}")
    return gates
