"""Insights: facts about a session that users are shown with its progress.

Findings of one kind become one insight, with the value, its limit and what to change. Nothing is invented: a session
under way shows what was decided, a finished one also what was measured, and which scores could not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serve.state import Insight, Quality, State, Status
from vtlab.events import Finding, Severity
from vtlab.languages import language_name
from vtlab.metrics.registry import METRICS

SHOWN = 3  # of the findings of one kind, the most that are quoted
GOOD_VOICE = 70.0  # of 100
GOOD_TRANSLATION = 85.0  # from here on the gateway calls it high


@dataclass(frozen=True)
class Evidence:
    """Hold the configuration that dubs a session, and what an evaluation of it stands for.

    Attributes:
        configuration: Its name; `None` before the work begins.
        pair: The languages that were asked for, source and target; the source is `None` where it is to be detected.
        measured_pairs: The pairs that the configuration was measured on.
        detected: The source language as it was detected.
    """

    configuration: str | None
    pair: tuple[str | None, str]
    measured_pairs: tuple[tuple[str, str], ...] = ()
    detected: str | None = None

    def gap(self) -> str | None:
        """Return in a sentence that the configuration was not measured on this pair; `None` where it was."""
        source, target = self.pair[0] or self.detected, self.pair[1]
        if self.configuration is None or source is None or (source, target) in self.measured_pairs:
            return None
        languages = f"{language_name(source)} to {language_name(target)}"
        if not self.measured_pairs:
            return f"Nobody has measured how well {self.configuration} dubs, neither {languages} nor anything else."
        measured = ", ".join(" to ".join(map(language_name, pair)) for pair in self.measured_pairs)
        return f"Nobody has measured how well {self.configuration} dubs {languages}: it was measured on {measured}."


@dataclass(frozen=True)
class Kind:
    """Describe a kind of finding for people: its subject, and what would change it."""

    title: str
    change: str
    type: str = "warning"
    impact: str = "medium"


# by stage and code of the finding; one that is not here keeps its own words
KINDS = {
    ("initialization", "last_resort_voice"): Kind(
        "A stand-in voice",
        "Install a better voice for the language; 'vtlab engines' names them.",
        impact="high",
    ),
    ("audio_extraction", "stream_chosen"): Kind(
        "One of several sound tracks was dubbed", "audio_extraction.stream chooses another one.", "decision", "low"
    ),
    ("audio_extraction", "subtitles_left_out"): Kind(
        "Subtitles of the source were left out", "The dub has subtitles of its own.", "decision", "low"
    ),
    ("audio_extraction", "damaged"): Kind("The sound is damaged", "Upload an undamaged copy.", impact="high"),
    ("audio_extraction", "quiet"): Kind("A quiet recording", "Record closer to the microphone."),
    ("audio_extraction", "clipped"): Kind("A clipped recording", "Record with a lower level."),
    ("transcription", "language_doubted"): Kind(
        "The language is not certain", "Choose the source language instead of having it detected.", impact="high"
    ),
    ("transcription", "not_understood"): Kind(
        "Speech that was not understood", "A larger recognition model may understand it.", impact="high"
    ),
    ("transcription", "doubtful"): Kind("Segments that may be misheard", "A larger recognition model hears more."),
    ("transcription", "invented_text"): Kind(
        "Text without speech was left out", "Nothing: nobody speaks there.", "optimization", "low"
    ),
    ("transcription", "repeated_text"): Kind(
        "A loop of the recogniser was left out", "A larger recognition model loops less.", "optimization", "low"
    ),
    ("translation", "failed"): Kind(
        "Segments without a translation", "Install a second translation engine for the pair.", impact="high"
    ),
    ("translation", "empty"): Kind(
        "Segments without a translation", "Install a second translation engine for the pair.", impact="high"
    ),
    ("translation", "untranslated"): Kind("Words left in the source language", "Add them to the glossary."),
    ("translation", "not_kept"): Kind("A name or number may be lost", "Check it; add it to the glossary."),
    ("translation", "repeats"): Kind("A translation repeats itself", "Another translation engine may not."),
    ("translation", "length_ratio"): Kind(
        "A translation of unusual length", "Check it; candidates give the placement more to choose from.", impact="low"
    ),
    ("tts", "condensed"): Kind(
        "Shorter translations were chosen to keep time", "Nothing: they fit the time there is.", "optimization", "low"
    ),
    ("tts", "not_spoken"): Kind(
        "Segments that no voice could speak", "Install a second voice for the language.", impact="high"
    ),
    ("tts", "fallback_voice"): Kind(
        "A second voice stood in", "See why the first one does not speak these segments.", impact="medium"
    ),
    ("tts", "respoken"): Kind("Segments spoken at the second try", "Nothing: they were spoken.", "optimization", "low"),
    ("audio_sync", "rushed"): Kind(
        "Segments spoken fast", "Shorter translations or a faster voice would give them time.", impact="medium"
    ),
    ("audio_sync", "off_onset"): Kind(
        "Segments that start early or late", "Shorter translations would keep time.", "optimization", "low"
    ),
    ("video_combination", "too_quiet"): Kind("The dub is quieter than wanted", "Lower audio_sync.loudness_lufs."),
    ("video_combination", "frames_off"): Kind("Frames differ from the source", "Check the source for damage."),
    ("video_combination", "duration_off"): Kind("Another length than the source", "Check the source for damage."),
}


def list_insights(
    state: State,
    evidence: Evidence,
    findings: Sequence[tuple[str, Finding]],
    begun: str,
    ended: str,
    *,
    quality: Quality | None = None,
    absent: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[Insight, ...]:
    """Return all insights of a session in a state, the most important first; never none.

    Args:
        state: The session as it stands.
        evidence: What dubs it, and what that was measured on.
        findings: Each with its time.
        begun: When the session was asked for.
        ended: When it ended; not read before its end.
        quality: What was measured, of a completed session.
        absent: The scores that could not be measured, and why.
        more: Other things worth an insight, by code.
    """
    insights = [_decision(state, evidence, begun), *_unmeasured(state, evidence, begun)]
    insights += _kinds(state, findings)
    if state.status is Status.COMPLETED:
        insights += _measured(state, quality, absent or {}, ended)
    if state.status is Status.FAILED:
        insights.append(_insight(state, "failed", "warning", "high", "Not dubbed", state.message, ended, {}))
    for code, message in (more or {}).items():
        insights.append(_insight(state, code, "warning", "low", "Worth knowing", message, ended, {}))
    return tuple(sorted(insights, key=lambda insight: ("high", "medium", "low").index(insight.impact)))


def _decision(state: State, evidence: Evidence, timestamp: str) -> Insight:
    spoken, target = evidence.pair
    source = "the language that is spoken" if spoken is None else language_name(spoken)
    what = f"From {source} to {language_name(target)}"
    name = evidence.configuration
    how = f", with the configuration of {name}." if name else "; the configuration is chosen when the work begins."
    data = {"source": spoken, "target": target, "configuration": name}
    # a browser that has seen the first one takes the second one only under another id
    code = "decision" if name else "wanted"
    return _insight(state, code, "decision", "medium", "How this video is dubbed", what + how, timestamp, data)


def _unmeasured(state: State, evidence: Evidence, timestamp: str) -> list[Insight]:
    sentence = evidence.gap()
    if sentence is None:
        return []
    description = f"{sentence} Evaluate a configuration on these languages and promote it."
    data = {"source": evidence.pair[0] or evidence.detected, "target": evidence.pair[1]}
    title = "Not measured for these languages"
    return [_insight(state, "unmeasured", "warning", "medium", title, description, timestamp, data)]


def _kinds(state: State, findings: Iterable[tuple[str, Finding]]) -> list[Insight]:
    """Return an insight for each kind of finding, with the time of the last."""
    by_kind: dict[tuple[str, str], list[Finding]] = {}
    last: dict[tuple[str, str], str] = {}
    for timestamp, finding in findings:
        by_kind.setdefault((finding.stage, finding.code), []).append(finding)
        last[finding.stage, finding.code] = timestamp
    insights = []
    for (stage, code), found in by_kind.items():
        kind = KINDS.get((stage, code))
        grave = any(finding.severity is not Severity.INFO for finding in found)
        if kind is None:
            if not grave:
                continue  # a measured value within its limits
            kind = Kind(code.replace("_", " ").capitalize(), "")
        messages = " ".join(_sentence(finding) for finding in found[:SHOWN])
        rest = f" And {len(found) - SHOWN} more." if len(found) > SHOWN else ""
        description = f"{messages}{rest} {kind.change}".strip()
        degraded = any(finding.severity is Severity.DEGRADED for finding in found)
        insights.append(
            _insight(
                state,
                f"{stage}-{code}",
                "warning" if degraded else kind.type,
                "high" if degraded else kind.impact,
                kind.title,
                description,
                last[stage, code],
                {"stage": stage, "count": len(found), **_worst(found)},
            )
        )
    return insights


def _measured(state: State, quality: Quality | None, absent: Mapping[str, str], timestamp: str) -> list[Insight]:
    insights = [
        _insight(
            state,
            f"absent-{score}",
            "warning",
            "low",
            f"Not measured: {score.replace('_', ' ')}",
            f"{reason or 'There is no reason known.'} So no quality is shown.",
            timestamp,
            {"score": score},
        )
        for score, reason in absent.items()
    ]
    if quality is None:
        return insights
    target = METRICS["sync_within_150ms"].target
    assert target is not None and target[0] is not None
    target_sync = 100 * target[0]
    rows = (
        ("lip_sync", quality.lip_sync_accuracy, target_sync, "segments start within 150 ms of the source", "%",
         "Shorter translations or a faster voice would keep time."),
        ("voice", quality.voice_quality, GOOD_VOICE, "quality of the voice, of 100", "",
         "Another voice or engine may sound better."),
        ("translation", quality.translation_quality, GOOD_TRANSLATION, "quality of the translation, of 100", "",
         "A larger translation model or a glossary may help."),
    )  # fmt: skip
    for code, value, limit, what, unit, change in rows:
        good = value >= limit
        description = f"{value:.0f}{unit}: {what}; {'at least ' if good else 'a good dub has '}{limit:.0f}{unit}."
        insights.append(
            _insight(
                state,
                f"measured-{code}",
                "success" if good else "optimization",
                "low" if good else "medium",
                f"{code.replace('_', ' ').capitalize()}: {'good' if good else 'could be better'}",
                description if good else f"{description} {change}",
                timestamp,
                {"value": round(value, 2), "limit": limit},
            )
        )
    return insights


def _worst(found: Sequence[Finding]) -> dict[str, object]:
    """Return the value furthest from its limit, and the limit."""
    known = [(f.value, f.limit) for f in found if f.value is not None and f.limit is not None]
    if not known:
        return {}
    value, limit = max(known, key=lambda pair: abs(pair[0] - pair[1]))
    return {"value": round(value, 4), "limit": limit}


def _sentence(finding: Finding) -> str:
    text = finding.message[:1].upper() + finding.message[1:]
    where = "" if finding.segment is None else f"Segment {finding.segment + 1}: "
    return f"{where}{text}{'' if text.endswith(('.', '!', '?', '…')) else '.'}"


def _insight(
    state: State,
    code: str,
    kind: str,
    impact: str,
    title: str,
    description: str,
    timestamp: str,
    data: Mapping[str, object],
) -> Insight:
    # a colon is in no session's id, so no two sessions share an insight's
    return Insight(f"{state.session_id}:{code}", kind, title, description, impact, timestamp, data)
