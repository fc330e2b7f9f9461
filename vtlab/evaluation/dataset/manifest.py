"""A data set: clips with what is said in them, when, and how it ought to be translated.

A folder ``datasets/<name>/`` with a ``manifest.jsonl``, one clip a line: ``id``, ``file`` (relative to the folder),
``source_language``, ``target_language``, ``seconds``, ``segments`` (``start``, ``end``, ``text``, ``translation``,
``speaker``), ``licence``, ``origin`` and optional ``tags``. Times and translations may be null: what nobody knows
exactly is not there, and measures that need it are absent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vtlab.errors import InputError, LanguageError, nearest
from vtlab.languages import language_code
from vtlab.metrics.rows import ReferenceSegment

DATASETS = Path("datasets")  # where a bare name is looked for, under the working folder
MANIFEST = "manifest.jsonl"


class Clip(BaseModel):
    """One recording with its reference; ``path`` is the file itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[\w+-][\w.+ -]*$", description="names a folder, so no slashes")
    file: Path
    source_language: str
    target_language: str
    seconds: float = Field(gt=0)
    segments: tuple[ReferenceSegment, ...]
    licence: str = Field(min_length=1)
    origin: str = Field(min_length=1)
    tags: tuple[str, ...] = ()
    path: Path = Field(Path(), exclude=True)

    @field_validator("source_language", "target_language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        return language_code(value)

    @model_validator(mode="after")
    def _within(self) -> Self:
        before = 0.0
        for number, segment in enumerate(self.segments, 1):
            if not segment.text:
                raise ValueError(f"segment {number} has no text; write what is said, or leave the segment out")
            if segment.start is None or segment.end is None:
                continue
            if segment.start < before:
                raise ValueError(f"segment {number} starts at {segment.start:g} s, before the one above it; sort them")
            if segment.end > self.seconds + 0.1:
                raise ValueError(f"segment {number} ends at {segment.end:g} s, after the clip ({self.seconds:g} s)")
            before = segment.start
        return self

    @property
    def timed(self) -> bool:
        """Whether every line has its times."""
        return bool(self.segments) and all(segment.start is not None for segment in self.segments)

    @property
    def translated(self) -> bool:
        """Whether every line has its translation."""
        return bool(self.segments) and all(segment.translation for segment in self.segments)


@dataclass(frozen=True)
class Dataset:
    """Clips of one folder; ``digest`` (12 hexadecimal digits) names their references and media together."""

    name: str
    clips: tuple[Clip, ...]
    digest: str
    folder: Path = Path()

    @property
    def manifest(self) -> Path:
        """The file of the references."""
        return self.folder / MANIFEST

    def clip(self, id: str) -> Clip:
        """The clip of that name; ``InputError`` names the nearest one."""
        for clip in self.clips:
            if clip.id == id:
                return clip
        known = [clip.id for clip in self.clips]
        raise InputError(
            f"Data set {self.name!r} has no clip {id!r}.{nearest(id, known)} Its clips: {', '.join(known)}.",
            code="E_DATASET",
        )


def load_dataset(folder_or_name: Path | str) -> Dataset:
    """The data set in a folder, or the one of that name in ``datasets/``.

    Raises ``InputError`` (``E_DATASET``) that names the manifest, the line and what to change.
    """
    folder = _folder(folder_or_name)
    manifest = folder / MANIFEST
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{manifest} cannot be read as UTF-8 text: {error}.", code="E_DATASET") from error
    clips: dict[str, Clip] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        clip = _clip(line, folder, f"{manifest}, line {number}")
        if clip.id in clips:
            raise InputError(f"{manifest}, line {number}: a second clip {clip.id!r}; rename it.", code="E_DATASET")
        clips[clip.id] = clip
    if not clips:
        raise InputError(f"{manifest} lists no clips; write one JSON object a line.", code="E_DATASET")
    return Dataset(folder.resolve().name, tuple(clips.values()), _digest(tuple(clips.values())), folder)


def _folder(folder_or_name: Path | str) -> Path:
    given = Path(folder_or_name)
    for folder in (given, DATASETS / given):
        if (folder / MANIFEST).is_file():
            return folder
    known = sorted(file.parent.name for file in DATASETS.glob(f"*/{MANIFEST}"))
    listed = f" Data sets here: {', '.join(known)}." if known else ""
    raise InputError(
        f"There is no {MANIFEST} in {given} or {DATASETS / given}.{nearest(str(given), known)}{listed}",
        code="E_DATASET",
    )


def _clip(line: str, folder: Path, where: str) -> Clip:
    try:
        clip = Clip.model_validate_json(line)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error)}", code="E_DATASET") from error
    except LanguageError as error:
        raise InputError(f"{where}: {error}", code="E_DATASET") from error
    path = folder / clip.file
    if not path.is_file():
        raise InputError(f"{where}: clip {clip.id!r} has no file {path}; correct 'file' or add it.", code="E_DATASET")
    return clip.model_copy(update={"path": path})


def _explain(error: ValidationError) -> str:
    sentences = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            fields = (*Clip.model_fields, *ReferenceSegment.model_fields)
            sentences.append(f"unknown field {name!r}.{nearest(str(problem['loc'][-1]), fields)}")
        elif problem["type"] == "missing":
            sentences.append(f"field {name!r} is missing; add it.")
        else:
            sentences.append(f"{name + ': ' if name else ''}{problem['msg'].removeprefix('Value error, ')}.")
    return " ".join(sentences)


def clip_digest(clip: Clip) -> str:
    """SHA-256 of a clip's reference and media, in hexadecimal digits."""
    return hashlib.sha256(_content(clip)).hexdigest()


def _digest(clips: tuple[Clip, ...]) -> str:
    total = hashlib.sha256()
    for clip in clips:
        total.update(_content(clip))
    return total.hexdigest()[:12]


def _content(clip: Clip) -> bytes:
    with clip.path.open("rb") as file:
        return clip.model_dump_json().encode() + hashlib.file_digest(file, "sha256").digest()
