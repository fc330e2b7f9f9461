"""The evidence for a release: what was measured, which gates it passed, and how it did against the active release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from vtlab.metrics.display import format_value
from vtlab.metrics.units import Over

Verdict = Literal["better", "worse", "different", "no difference shown", "no interval"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Gate(_Part):
    """Bounds that a metric must keep, inclusive."""

    min: float | None = Field(None, allow_inf_nan=False, description="The least that is good enough.")
    max: float | None = Field(None, allow_inf_nan=False, description="The most that is good enough.")

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"nothing is at least {self.min:g} and at most {self.max:g}")
        return self

    def holds(self, value: float) -> bool:
        """Return whether `value` is within the bounds."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        bounds = [f"≥ {self.min:g}" if self.min is not None else "", f"≤ {self.max:g}" if self.max is not None else ""]
        return " and ".join(filter(None, bounds))


GATES = TypeAdapter(dict[str, Gate])
"""Gates by metric, to be read from plain data."""


class GateOutcome(_Part):
    """A gate, the value reached, and whether the gate is passed."""

    metric: str
    limit: str = Field(description="the gate as people read it: ≥ 20")
    value: float | None = Field(description="null: not measured, so not passed")
    passed: bool

    def __str__(self) -> str:
        value = "not measured" if self.value is None else format_value(self.metric, self.value)
        return f"{self.metric} {value} ({'passed' if self.passed else 'failed'}: {self.limit})"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of a system against a baseline.

    Attributes:
        metric: The metric's name.
        baseline: The baseline's value over the units that both have.
        value: The system's value over the same units.
        difference: `value` minus `baseline`.
        low: Lower end of the 95 % interval of `difference`; `None` for extremes and below `bootstrap.MIN_UNITS` units.
        high: Upper end.
        p: Two-sided; `None` where there is no interval.
        units: The number of segments or clips that both have; `None` in releases of before it was kept.
        over: Whether units are segments or clips.
        verdict: Whether the system is shown to be better.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    metric: str
    baseline: float
    value: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    units: int | None = None
    over: Over | None = None
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Contest(Difference):
    """One metric of a configuration against the active release, which is the baseline."""

    release: int


class Evidence(_Part):
    """What was measured before a configuration was released."""

    values: dict[str, float] = Field(description="over the whole data set; what was not measured is absent")
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict, description="95 %, by metric")
    signatures: dict[str, str] = Field(default_factory=dict, description="how each value was computed")
    gates: tuple[GateOutcome, ...] = ()
    contests: tuple[Contest, ...] = Field(
        (), description="the one that decides first; empty: no active release to compare with, or not comparable"
    )
    objections: tuple[str, ...] = Field((), description="arguments against it, overruled by the reason given")
    clips: int
    failed_clips: int = 0


def judge_gates(gates: Mapping[str, Gate], values: Mapping[str, float]) -> list[GateOutcome]:
    """Return the outcome of each gate; a metric without a value passes none."""
    return [
        GateOutcome(
            metric=metric,
            limit=str(gate),
            value=values.get(metric),
            passed=metric in values and gate.holds(values[metric]),
        )
        for metric, gate in gates.items()
    ]
