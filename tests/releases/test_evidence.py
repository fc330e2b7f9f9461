"""Gates and their outcomes."""

import pytest
from pydantic import ValidationError

from vtlab.releases.evidence import Contest, Evidence, Gate, judge_gates


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
    assert passed.passed and str(passed) == "wer 0.100 (passed: ≤ 0.1)"
    assert not failed.passed and str(failed) == "chrf 59.9 (failed: ≥ 60)"
    assert not unmeasured.passed and str(unmeasured) == "voice_mos not measured (failed: ≥ 3)"


def test_a_contest_of_before_units_were_kept_is_read() -> None:
    written = '{"release":1,"metric":"wer","baseline":0.2,"value":0.1,"difference":-0.1,"low":null,"high":null,"p":null'
    contest = Evidence.model_validate_json(f'{{"values":{{}},"clips":1,"contests":[{written},"verdict":"better"}}]}}')
    assert contest.contests[0] == Contest(
        release=1,
        metric="wer",
        baseline=0.2,
        value=0.1,
        difference=-0.1,
        low=None,
        high=None,
        p=None,
        verdict="better",
    )
    with pytest.raises(ValidationError, match="unexpected"):
        Evidence.model_validate_json(f'{{"values":{{}},"clips":1,"contests":[{written},"verdict":"better","a":1}}]}}')
