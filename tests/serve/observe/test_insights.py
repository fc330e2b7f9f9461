"""Insights: of what was found, never of nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serve.observe.insights import KINDS, Evidence, list_insights
from serve.state import Insight, Quality, State, Status
from vtlab.events import Finding, Severity

BEGUN, FOUND, ENDED = (f"2026-01-01T00:0{minute}:00.000000Z" for minute in range(3))


MEASURED = Evidence("release 3", ("pt", "en"), (("pt", "en"),))


def told(
    status: Status = Status.PROCESSING,
    findings: tuple[Finding, ...] = (),
    quality: Quality | None = None,
    absent: dict[str, str] | None = None,
    evidence: Evidence = MEASURED,
) -> dict[str, Insight]:
    state = State("abc", status, message="The video has no sound.")
    timed = [(FOUND, finding) for finding in findings]
    made = list_insights(state, evidence, timed, BEGUN, ENDED, quality=quality, absent=absent)
    assert len({insight.id for insight in made}) == len(made) > 0
    for insight in made:
        assert insight.type in ("decision", "optimization", "warning", "success")
        assert insight.impact in ("high", "medium", "low")
        assert insight.title
        assert insight.description
    return {insight.id.removeprefix("abc:"): insight for insight in made}


def test_session_under_way_tells_what_was_decided() -> None:
    (decision,) = told().values()
    assert decision.type == "decision"
    assert decision.timestamp == BEGUN
    assert decision.description == "From Portuguese to English, with the configuration of release 3."


def test_findings_of_one_kind_are_one_insight_with_the_worst_value() -> None:
    rushed = [
        Finding("audio_sync", "rushed", Severity.WARNING, f"Spoken at {speed} times its natural speed.", n, speed, 1.3)
        for n, speed in enumerate((1.4, 1.7, 1.5, 1.35))
    ]
    insight = told(findings=tuple(rushed))["audio_sync-rushed"]
    assert insight.data == {"stage": "audio_sync", "count": 4, "value": 1.7, "limit": 1.3}
    assert insight.description.startswith("Segment 1: Spoken at 1.4")
    assert "And 1 more." in insight.description
    assert insight.description.endswith(KINDS["audio_sync", "rushed"].change)


def test_what_is_missing_from_the_dub_is_grave() -> None:
    finding = Finding("tts", "not_spoken", Severity.DEGRADED, "No voice could speak 'x': no", 2)
    insight = told(findings=(finding,))["tts-not_spoken"]
    assert (insight.type, insight.impact, insight.timestamp) == ("warning", "high", FOUND)


def test_measured_values_within_limits_are_no_insight() -> None:
    assert list(told(findings=(Finding("x", "y", Severity.INFO, "fine", None, 1.0, 2.0),))) == ["decision"]


def test_failure_says_why() -> None:
    insight = told(Status.FAILED)["failed"]
    assert (insight.description, insight.timestamp) == ("The video has no sound.", ENDED)


@pytest.mark.parametrize(
    ("quality", "types"),
    [
        (Quality(99, 80, 90, True), {"success"}),
        (Quality(50, 40, 60, True), {"optimization"}),
    ],
)
def test_scores_are_told_with_their_limits(quality: Quality, types: set[str]) -> None:
    made = told(Status.COMPLETED, quality=quality)
    scores = [insight for code, insight in made.items() if code.startswith("measured-")]
    assert {insight.type for insight in scores} == types
    assert len(scores) == 3
    assert all(set(insight.data) == {"value", "limit"} for insight in scores)


def test_score_that_was_not_measured_says_why() -> None:
    insight = told(Status.COMPLETED, absent={"voice_quality": "Package speechmos is missing."})["absent-voice_quality"]
    assert insight.description == "Package speechmos is missing. So no quality is shown."


@pytest.mark.parametrize(
    ("evidence", "description"),
    [
        (MEASURED, None),
        (replace(MEASURED, pair=(None, "en")), None),  # not known yet
        (replace(MEASURED, pair=(None, "en"), detected="pt"), None),
        (
            replace(MEASURED, pair=("en", "hy")),
            "Nobody has measured how well release 3 dubs English to Armenian: it was measured on Portuguese",
        ),
        (
            replace(MEASURED, pair=(None, "en"), detected="fr"),
            "Nobody has measured how well release 3 dubs French to English: it was measured on Portuguese to English.",
        ),
        (
            Evidence("packaged default", ("pt", "en")),
            "Nobody has measured how well packaged default dubs, neither Portuguese to English nor anything else.",
        ),
    ],
)
def test_a_pair_that_no_evaluation_stands_for_is_a_warning(evidence: Evidence, description: str | None) -> None:
    insight = told(evidence=evidence).get("unmeasured")
    if description is None:
        assert insight is None
    else:
        assert insight is not None
        assert (insight.type, insight.impact) == ("warning", "medium")
        assert insight.description.startswith(description)
