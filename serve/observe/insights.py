"""What is worth telling about a session: from what its checks found, each with its value, its limit and what to change.

Findings of one kind become one insight. Nothing is invented: a session under way tells what was decided, a finished one
also what was measured, and which scores could not be.
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
class Kind:
    """What a finding is about, for people, and what would change it."""

    title: str
    change: str
    type: str = "warning"
    impact: str = "medium"


# by stage and code of the finding; one that is not here is told in its own words
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
    ("transcription", "doubtful"): Kind("Lines that may be misheard", "A larger recognition model hears more."),
    ("transcription", "invented_text"): Kind(
        "Text without speech was left out", "Nothing: nobody speaks there.", "optimization", "low"
    ),
    ("transcription", "repeated_text"): Kind(
        "A loop of the recogniser was left out", "A larger recognition model loops less.", "optimization", "low"
    ),
    ("translation", "failed"): Kind(
        "Lines without a translation", "Install a second translation engine for the pair.", impact="high"
    ),
    ("translation", "empty"): Kind(
        "Lines without a translation", "Install a second translation engine for the pair.", impact="high"
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
        "Lines that no voice could speak", "Install a second voice for the language.", impact="high"
    ),
    ("tts", "fallback_voice"): Kind(
        "A second voice stood in", "See why the first one does not speak these lines.", impact="medium"
    ),
    ("tts", "respoken"): Kind("Lines spoken at the second try", "Nothing: they were spoken.", "optimization", "low"),
    ("audio_sync", "rushed"): Kind(
        "Lines spoken fast", "Shorter translations or a faster voice would give them time.", impact="medium"
    ),
    ("audio_sync", "off_onset"): Kind(
        "Lines that start early or late", "Shorter translations would keep time.", "optimization", "low"
    ),
    ("video_combination", "too_quiet"): Kind("The dub is quieter than wanted", "Lower audio_sync.loudness_lufs."),
    ("video_combination", "frames_off"): Kind("Frames differ from the source", "Check the source for damage."),
    ("video_combination", "duration_off"): Kind("Another length than the source", "Check the source for damage."),
}


def insights_of(
    state: State,
    served: str | None,
    findings: Sequence[tuple[str, Finding]],
    begun: str,
    ended: str,
    *,
    pair: tuple[str | None, str],
    quality: Quality | None = None,
    absent: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[Insight, ...]:
    """All insights of a session as it stands, the most important first; never none.

    ``findings`` with the time of each; ``begun``, ``ended``: of the session, ``ended`` is not looked at before its end.
    ``absent``: scores that could not be measured, and why; ``more``: other things to tell, by code.
    """
    told = [_decision(state, served, begun, pair)]
    told += _kinds(state, findings)
    if state.status is Status.COMPLETED:
        told += _measured(state, quality, absent or {}, ended)
    if state.status is Status.FAILED:
        told.append(_insight(state, "failed", "warning", "high", "Not dubbed", state.message, ended, {}))
    for code, message in (more or {}).items():
        told.append(_insight(state, code, "warning", "low", "Worth knowing", message, ended, {}))
    return tuple(sorted(told, key=lambda insight: ("high", "medium", "low").index(insight.impact)))


def _decision(state: State, served: str | None, timestamp: str, pair: tuple[str | None, str]) -> Insight:
    source = "the language that is spoken" if pair[0] is None else language_name(pair[0])
    what = f"From {source} to {language_name(pair[1])}"
    how = f", with the configuration of {served}." if served else "; the configuration is chosen when the work begins."
    data = {"source": pair[0], "target": pair[1], "configuration": served}
    title = "How this video is dubbed"
    # who saw the first one looks at the second one only under another name
    code = "decision" if served else "wanted"
    return _insight(state, code, "decision", "medium", title, what + how, timestamp, data)


def _kinds(state: State, findings: Iterable[tuple[str, Finding]]) -> list[Insight]:
    """One insight for each kind of finding, of the time of its last."""
    by_kind: dict[tuple[str, str], list[Finding]] = {}
    last: dict[tuple[str, str], str] = {}
    for timestamp, finding in findings:
        by_kind.setdefault((finding.stage, finding.code), []).append(finding)
        last[finding.stage, finding.code] = timestamp
    told = []
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
        told.append(
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
    return told


def _measured(state: State, quality: Quality | None, absent: Mapping[str, str], timestamp: str) -> list[Insight]:
    told = [
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
        return told
    target = METRICS["sync_within_150ms"].target
    assert target is not None and target[0] is not None
    target_sync = 100 * target[0]
    rows = (
        ("lip_sync", quality.lip_sync_accuracy, target_sync, "lines start within 150 ms of the source", "%",
         "Shorter translations or a faster voice would keep time."),
        ("voice", quality.voice_quality, GOOD_VOICE, "quality of the voice, of 100", "",
         "Another voice or engine may sound better."),
        ("translation", quality.translation_quality, GOOD_TRANSLATION, "quality of the translation, of 100", "",
         "A larger translation model or a glossary may help."),
    )  # fmt: skip
    for code, value, limit, what, unit, change in rows:
        good = value >= limit
        description = f"{value:.0f}{unit}: {what}; {'at least ' if good else 'a good dub has '}{limit:.0f}{unit}."
        told.append(
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
    return told


def _worst(found: Sequence[Finding]) -> dict[str, object]:
    """The value furthest from its limit, and the limit."""
    known = [(f.value, f.limit) for f in found if f.value is not None and f.limit is not None]
    if not known:
        return {}
    value, limit = max(known, key=lambda pair: abs(pair[0] - pair[1]))
    return {"value": round(value, 4), "limit": limit}


def _sentence(finding: Finding) -> str:
    text = finding.message[:1].upper() + finding.message[1:]
    where = "" if finding.segment is None else f"Line {finding.segment + 1}: "
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
