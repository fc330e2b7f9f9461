"""Gates and their outcomes."""

import pytest

from vtlab.releases.evidence import Gate, judge_gates


@pytest.mark.parametrize(
    ("gate", "value", "holds"),
    [(Gate(min=0.9), 0.9, True), (Gate(min=0.9), 0.89, False), (Gate(max=2), 2, True), (Gate(min=1, max=2), 3, False)],
)
def test_a_gate_holds_within_its_bounds(gate: Gate, value: float, holds: bool) -> None:
    assert gate.holds(value) is holds


def test_outcomes() -> None:
    passed, failed, unmeasured = judge_gates(
        {"wer": Gate(max=0.1), "chrf": Gate(min=60), "voice_mos": Gate(min=3)}, {"wer": 0.1, "chrf": 59.9}
    )
    assert passed.passed and str(passed) == "wer 0.1 (passed: ≤ 0.1)"
    assert not failed.passed and str(failed) == "chrf 59.9 (failed: ≥ 60)"
    assert not unmeasured.passed and str(unmeasured) == "voice_mos not measured (failed: ≥ 3)"
