"""What a check found: severity, message, and the value beside its limit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a failed check does to the dub."""

    INFO = "info"  # worth knowing
    WARNING = "warning"  # worth looking at; the dub is whole
    DEGRADED = "degraded"  # something is missing from the dub


@dataclass(frozen=True)
class Finding:
    """One result of a check. ``code`` is stable (``rushed``), ``segment`` the id of the line it is about."""

    stage: str
    code: str
    severity: Severity
    message: str
    segment: int | None = None
    value: float | None = None
    limit: float | None = None
