"""Comparisons in words."""

from __future__ import annotations

from vtlab.evaluation.compare.comparison import ComparisonData, Pairing


def summarize_pairing(pairing: Pairing) -> str:
    """Return a sentence with the metrics in which a system is better, worse, or not shown to differ."""

    def names(verdict: str) -> str:
        return ", ".join(one.metric for one in pairing.differences if one.verdict == verdict)

    parts = [f"{verdict} in {names(verdict)}" for verdict in ("better", "worse", "different") if names(verdict)]
    unclear = sum(one.verdict == "no difference shown" for one in pairing.differences)
    if unclear:
        parts.append(f"no difference shown in {unclear} metric{'s' * (unclear > 1)}")
    return f"{pairing.name} against {pairing.baseline}: {'; '.join(parts) or 'nothing to judge'}."


def describe_basis(pairing: Pairing) -> str:
    """Return the number of segments and clips that a pairing rests on."""
    clips = len(pairing.clips)
    return f"{pairing.segments} segments of {clips} clip{'s' * (clips > 1)}"


def describe_method(found: ComparisonData) -> str:
    """Return how intervals and p were computed."""
    return f"Paired bootstrap, {found.samples} draws, seed {found.seed}; intervals of 95 %, p two-sided."
