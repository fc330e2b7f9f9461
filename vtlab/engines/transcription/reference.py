"""The data set's own transcript, replayed: what the other stages would make of a perfect recogniser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.transcription import TranscriptionEngine, Utterance
from vtlab.errors import SettingsError, WeightsError, nearest
from vtlab.segments import Interval, Word
from vtlab.settings import Section

if TYPE_CHECKING:
    from vtlab.weights import Weights

SETTING = "transcription.options.reference"


class ReferenceOptions(Section):
    """Options of ``transcription.reference``."""

    file: Path | None = Field(None, description="a data set's manifest.jsonl, or a JSON list of {start, end, text}")
    clip: str | None = Field(None, description="which clip of the manifest; not needed where it has one")


class _Line(BaseModel):
    start: float | None = None
    end: float | None = None
    text: str
    speaker: str | None = None


class _Clip(BaseModel):
    id: str = ""
    source_language: str | None = None
    segments: tuple[_Line, ...]


class Reference(TranscriptionEngine):
    """Replay a transcript's segments with their exact times and speakers, which the stage neither cuts nor moves."""

    Options = ReferenceOptions
    licence = "that of the data set"
    together = True  # a line goes to the nearest of the spans that are asked for

    @classmethod
    def status(cls, options: ReferenceOptions) -> Status:
        if options.file is None or not options.file.is_file():
            problem = "no data set is named" if options.file is None else f"{options.file} is not a file"
            return Status(False, problem=problem, fix=f"--set {SETTING}.file=datasets/spoken/manifest.jsonl")
        return Status(True, ("those of the data set",))

    @classmethod
    def weights(cls, options: ReferenceOptions) -> tuple[Weights, ...]:
        from vtlab import weights

        if options.file is None or not options.file.is_file():
            raise weights.missing_weights(
                "reference transcript", [str(options.file or "not set")], f"set {SETTING}.file"
            )
        return (weights.hash_weights(options.file.name, options.file, f"file {options.file}"),)

    def __init__(self, options: ReferenceOptions, threads: int) -> None:
        self._clip = _clip(options)
        if any(line.start is None or line.end is None for line in self._clip.segments):
            raise SettingsError(
                f"Clip {self._clip.id!r} of {options.file} has lines without times: it cannot be replayed."
            )

    def detect_language(self, audio: Audio) -> dict[str, float]:
        """Return the clip's own language.

        Raises:
            SettingsError: The file does not name it.
        """
        if self._clip.source_language is None:
            raise SettingsError(f"{SETTING}.file names no language; set source_language.")
        return {self._clip.source_language: 1.0}

    def transcribe(self, audio: Audio, spans: Sequence[Interval], language: str) -> Iterator[list[Utterance]]:
        """Yield every segment of the clip with the span nearest to its middle."""
        heard: list[list[Utterance]] = [[] for _ in spans]
        for line in self._clip.segments:
            assert line.start is not None
            assert line.end is not None
            middle = (line.start + line.end) / 2
            nearest_span = min(range(len(spans)), key=lambda i: max(spans[i].start - middle, middle - spans[i].end, 0))
            heard[nearest_span].append(
                Utterance(_words(line.text, line.start, line.end), speaker=line.speaker, exact=True)
            )
        yield from heard


def _words(text: str, start: float, end: float) -> tuple[Word, ...]:
    """Return the words of a segment, its time shared out by their lengths."""
    words = text.split()
    per_char = (end - start) / max(sum(len(word) + 1 for word in words) - 1, 1)
    placed, at = [], start
    for word in words:
        placed.append(Word(word, at, min(at + len(word) * per_char, end), 1.0))
        at += (len(word) + 1) * per_char
    return tuple(placed)


def _clip(options: ReferenceOptions) -> _Clip:
    if options.file is None:
        raise SettingsError(f"The reference recogniser has nothing to replay: set {SETTING}.file.")
    try:
        text = options.file.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            return _Clip(segments=TypeAdapter(tuple[_Line, ...]).validate_python(json.loads(text)))
        clips = {clip.id: clip for clip in map(_Clip.model_validate_json, filter(str.strip, text.splitlines()))}
    except OSError as error:
        raise WeightsError(f"{SETTING}.file: {options.file} cannot be read: {error.strerror}.") from error
    except (ValidationError, ValueError) as error:
        raise WeightsError(f"{SETTING}.file: {options.file} is no manifest and no list of lines: {error}") from error
    if options.clip is None and len(clips) == 1:
        return next(iter(clips.values()))
    if options.clip not in clips:
        close = nearest(options.clip or "", clips)
        raise SettingsError(
            f"{options.file} has no clip {options.clip!r}.{close} Set {SETTING}.clip to one of {len(clips)}."
        )
    return clips[options.clip]
