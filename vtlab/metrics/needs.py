"""The names of what a metric may need, and why it is absent where that is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtlab.metrics.material import Material


@dataclass(frozen=True)
class Need:
    """Something that must be there: its name, the sentence where it is missing, and the test for it."""

    name: str
    missing: str
    met: Callable[[Material], bool]


RECORD = Need(
    "record",
    "needs the tool's record (--record), which says what it recognised, spoke and took",
    lambda material: material.record is not None,
)
REFERENCE = Need("reference", "needs a reference (--reference)", lambda material: bool(material.reference))
TRANSCRIPT = Need(
    "reference transcript",
    "the reference has no transcript",
    lambda material: any(segment.text for segment in material.reference or ()),
)
TRANSLATION = Need(
    "reference translation",
    "the reference has no translation",
    lambda material: any(segment.translation for segment in material.reference or ()),
)
TIMED_TRANSLATION = Need(
    "reference with times and translations",
    "needs a reference with times and translations",
    lambda material: bool(material.reference_cues),
)
SUBTITLES = Need(
    "subtitles",
    "needs subtitles in the target language (--subtitles)",
    lambda material: material.subtitles is not None,
)
TEXT = Need(
    "record or subtitles",
    "needs the tool's record (--record) or subtitles (--subtitles)",
    lambda material: material.record is not None or material.subtitles is not None,
)
# these two are always met; they cost time, and are only done where a metric needs them
TIMES = Need("times of speech", "there is no speech to measure it on", lambda material: True)
RECOGNITION = Need("recognition of the dub", "nothing was recognised in the dub", lambda material: True)
