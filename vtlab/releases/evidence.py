"""The evidence for a release: what was measured, which gates it passed, and how it did against the active release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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


class GateOutcome(_Part):
    """A gate, the value reached, and whether the gate is passed."""

    metric: str
    limit: str = Field(description="the gate as people read it: ≥ 20")
    value: float | None = Field(description="null: not measured, so not passed")
    passed: bool

    def __str__(self) -> str:
        value = "not measured" if self.value is None else f"{self.value:.4g}"
        return f"{self.metric} {value} ({'passed' if self.passed else 'failed'}: {self.limit})"


class Contest(_Part):
    """One metric of a configuration against the active release, on the segments that both have."""

    release: int
    metric: str
    baseline: float = Field(description="of the active release, over those segments")
    value: float = Field(description="of the configuration to be released")
    difference: float
    low: float | None = Field(description="95 % interval of the difference; null: the metric has none")
    high: float | None
    p: float | None
    verdict: str = Field(description="better, worse, no difference shown …")


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
