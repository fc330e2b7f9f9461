"""References as people have them: a clip of a data set, its line in a manifest, subtitles, or lines of text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from vtlab.errors import InputError
from vtlab.metrics.reference import ReferenceSegment
from vtlab.metrics.subtitles import read_subtitles
from vtlab.segments import Cue


class ReferenceClip(Protocol):
    """A clip of a data set."""

    @property
    def path(self) -> Path:
        """The file that is dubbed."""

    @property
    def source_language(self) -> str:
        """The language that is spoken."""

    @property
    def target_language(self) -> str:
        """The language of the translations."""

    @property
    def segments(self) -> Sequence[ReferenceSegment]:
        """What is said."""


def read_reference(file: Path, source: Path) -> tuple[list[ReferenceSegment], list[Cue] | None]:
    """Read the segments of a reference from a file.

    Args:
        file: A line of a manifest as JSON, a manifest, or the translation as SRT, WebVTT or text, one line a sentence.
        source: The source; of a manifest, the clip of that file is taken.

    Returns:
        The segments; and the cues of a subtitle file, whose times are those of reading, not of speech.

    Raises:
        InputError: The file cannot be read, says nothing, or has no clip of that source.
    """
    segments, cues = _read(file, source)
    if not segments:
        raise InputError(f"The reference {file} is empty; leave it out, or give one that says something.")
    return segments, cues


def _read(file: Path, source: Path) -> tuple[list[ReferenceSegment], list[Cue] | None]:
    if file.suffix.lower() in (".srt", ".vtt"):
        cues = read_subtitles(file)
        return _translations(cue.text for cue in cues), cues
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The reference {file} cannot be read as UTF-8 text: {error}.") from error
    if content.lstrip().startswith("{"):
        return _from_manifest(content, file, source), None
    return _translations(content.splitlines()), None


def _translations(lines: Iterable[str]) -> list[ReferenceSegment]:
    texts = [" ".join(line.split()) for line in lines]
    return [ReferenceSegment(text="", translation=text) for text in texts if text]


def _from_manifest(content: str, file: Path, source: Path) -> list[ReferenceSegment]:
    """The segments of one clip, or of the one among several whose file is the source."""
    try:
        try:
            clips = [json.loads(content)]
        except json.JSONDecodeError:
            clips = [json.loads(line) for line in content.splitlines() if line.strip()]
        own = clips if len(clips) == 1 else [clip for clip in clips if Path(str(clip["file"])).name == source.name]
        if len(own) != 1:
            raise InputError(f"{file} has no clip of the file {source.name}; give its line alone as the reference.")
        return [ReferenceSegment.model_validate(segment) for segment in own[0]["segments"]]
    except (json.JSONDecodeError, ValidationError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The reference {file} is no line of a manifest: {reason}.") from error
