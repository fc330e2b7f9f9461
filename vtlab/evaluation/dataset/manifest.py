"""Read a data set: clips with what is said in them, when, and how it ought to be translated.

A data set is a folder with a ``manifest.jsonl``, one ``Clip`` a line as JSON; ``docs/reference/data-and-suites.md``
lists every key. Times and translations may be null: what nobody knows exactly is left out, and metrics that need it are
absent.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import ErrorDetails

from vtlab.errors import InputError, LanguageError, nearest
from vtlab.files import sha256_of
from vtlab.languages import language_code
from vtlab.metrics.reference import ReferenceSegment

if TYPE_CHECKING:
    from pandas import DataFrame

DATASETS = Path("datasets")  # where a bare name is looked for, under the working folder
# in a checkout all of them, in an installed package `people`
_CHECKOUT = Path(__file__).parents[3] / "datasets"
BUNDLED = _CHECKOUT if _CHECKOUT.is_dir() else Path(sysconfig.get_path("data")) / "share" / "vtlab" / "datasets"
MANIFEST = "manifest.jsonl"
EXPECTED = {  # by pydantic's type of error
    "tuple_type": "write a list, such as [a, b]",
    "dict_type": "write a mapping, such as {key: value}",
    "model_type": "write a mapping, such as {key: value}",
    "model_attributes_type": "write a mapping, such as {key: value}",
    "bool_parsing": "write true or false",
}
LENGTH_TOLERANCE_S = 0.1  # containers round their lengths to frames


class Clip(BaseModel):
    """One recording with its reference: a line of the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        pattern=r"^[\w+-][\w.+ -]*$",
        description="The clip's name, one of its own in the data set. It names folders, so it holds no slashes.",
    )
    file: Path = Field(description="The video or audio file, relative to the manifest's folder.")
    source_language: str = Field(description="The language that is spoken: an ISO 639-1 code such as `pt`.")
    target_language: str = Field(description="The language that the clip is dubbed into, and of the translations.")
    seconds: float = Field(gt=0, description="Length of the file in seconds.")
    segments: tuple[ReferenceSegment, ...] = Field(description="What is said, in the order of the starts.")
    licence: str | None = Field(
        None, min_length=1, description="Under which licence the clip may be used, best as an SPDX name: `CC0-1.0`."
    )
    origin: str | None = Field(None, min_length=1, description="Where clip, transcript and translation come from.")
    tags: tuple[str, ...] = Field((), description="Words by which a suite chooses clips, such as `dialogue`.")
    path: SkipJsonSchema[Path] = Field(Path(), exclude=True)

    @field_validator("source_language", "target_language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        return language_code(value)

    @model_validator(mode="after")
    def _within(self) -> Self:
        problems, before = [], 0.0
        for number, segment in enumerate(self.segments, 1):
            if not segment.text.strip():
                problems.append(f"segment {number} has no text; write what is said, or leave the segment out")
            if segment.start is None or segment.end is None:
                continue
            if segment.start < before:
                problems.append(f"segment {number} starts at {segment.start:g} s, before the one above it; sort them")
            if segment.end > self.seconds + LENGTH_TOLERANCE_S:
                problems.append(
                    f"segment {number} ends at {segment.end:g} s, after the clip ({self.seconds:g} s); "
                    "correct one of them"
                )
            before = segment.start
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def pair(self) -> str:
        """Source and target language, such as ``pt-en``."""
        return f"{self.source_language}-{self.target_language}"

    @property
    def timed(self) -> bool:
        """Whether every segment has its times."""
        return bool(self.segments) and all(segment.start is not None for segment in self.segments)

    @property
    def translated(self) -> bool:
        """Whether every segment has its translation."""
        return bool(self.segments) and all(segment.translation for segment in self.segments)


@dataclass(frozen=True)
class Dataset:
    """The clips of one folder.

    Attributes:
        name: The folder's name.
        clips: The clips, in the manifest's order; each one's ``path`` is its file.
        digest: 12 hexadecimal digits that change with any reference or file.
        folder: Where the manifest lies.

    Examples:
        >>> import vtlab
        >>> vtlab.load_dataset("people").clip("jfk_en").pair
        'en-pt'
    """

    name: str
    clips: tuple[Clip, ...]
    digest: str
    folder: Path = Path()

    @property
    def manifest(self) -> Path:
        """The file of the references."""
        return self.folder / MANIFEST

    @property
    def seconds(self) -> float:
        """Length of all clips together."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def segment_count(self) -> int:
        """Number of reference segments of all clips together."""
        return sum(len(clip.segments) for clip in self.clips)

    @property
    def pairs(self) -> tuple[str, ...]:
        """Language pairs such as ``pt-en``, each once, sorted."""
        return tuple(sorted({clip.pair for clip in self.clips}))

    def clip(self, id: str) -> Clip:
        """Return the clip of that name; ``InputError`` names the nearest one."""
        for clip in self.clips:
            if clip.id == id:
                return clip
        known = [clip.id for clip in self.clips]
        raise InputError(
            f"Data set {self.name!r} has no clip {id!r}.{nearest(id, known)} Its clips: {', '.join(known)}.",
            code="E_DATASET",
        )

    def to_frame(self) -> DataFrame:
        """Return a table with a row per segment.

        Returns:
            Columns ``clip``, ``segment`` (from 1), ``start`` and ``end`` (seconds, NaN where unknown), ``text``,
            ``translation``, ``speaker``, ``source_language`` and ``target_language``.

        Examples:
            >>> frame = load_dataset("spoken").to_frame()
            >>> frame[frame["clip"] == "pt_bakery"].start.tolist()
            [1.7, 6.8, 10.46, 15.71, 18.59, 23.85]
        """
        from pandas import DataFrame

        return DataFrame(
            {
                "clip": clip.id,
                "segment": number,
                **segment.model_dump(),
                "source_language": clip.source_language,
                "target_language": clip.target_language,
            }
            for clip in self.clips
            for number, segment in enumerate(clip.segments, 1)
        )


@dataclass(frozen=True)
class Line:
    """A line of a manifest, read: the clip, or the sentences that say what is wrong with it and how to mend it."""

    number: int
    clip: Clip | None
    problems: tuple[str, ...] = ()


def load_dataset(folder_or_name: Path | str) -> Dataset:
    """Return the data set in a folder, or the one of that name.

    Args:
        folder_or_name: A folder with a ``manifest.jsonl``, or the name of one in ``datasets/`` of the working folder
            or among the bundled ones.

    Returns:
        The data set; `Dataset.to_frame()` is its table of segments.

    Raises:
        InputError: (``E_DATASET``) There is none, or a line of its manifest is wrong; the sentence names the line and
            what to change.

    Examples:
        >>> people = load_dataset("people")
        >>> len(people.clips), people.clip("jfk_en").segments[0].end
        (12, 10.5)
    """
    folder = dataset_folder(folder_or_name)
    clips = []
    for line in read_manifest(folder):
        if line.problems:
            raise InputError(f"{folder / MANIFEST}, line {line.number}: {' '.join(line.problems)}", code="E_DATASET")
        assert line.clip is not None
        clips.append(line.clip)
    if not clips:
        raise InputError(f"{folder / MANIFEST} lists no clips; write one JSON object a line.", code="E_DATASET")
    return Dataset(folder.resolve().name, tuple(clips), _digest(clips), folder)


def dataset_folder(folder_or_name: Path | str) -> Path:
    """Return the folder of a data set that is named by its folder or its name; ``InputError`` names those there are."""
    given = Path(folder_or_name)
    for folder in (given, DATASETS / given, BUNDLED / given):
        if (folder / MANIFEST).is_file():
            return folder
    here, bundled = ([folder.name for folder in dataset_folders(place)] for place in (DATASETS, BUNDLED))
    listed = f" Data sets here: {', '.join(here)}." if here else ""
    if bundled and DATASETS.resolve() != BUNDLED:
        listed += f" Bundled: {', '.join(bundled)}."
    raise InputError(
        f"There is no {MANIFEST} in {given} or {DATASETS / given}.{nearest(str(given), [*here, *bundled])}{listed}",
        code="E_DATASET",
    )


def dataset_folders(place: Path) -> list[Path]:
    """Return the folders of the data sets in a folder, by name; the folder itself where it is one."""
    if (place / MANIFEST).is_file():
        return [place]
    return sorted(file.parent for file in place.glob(f"*/{MANIFEST}"))


def find_datasets(place: Path | None = None) -> list[Path]:
    """Return the folders of the data sets in a folder; by default those of ``datasets/`` here and the bundled ones."""
    if place is not None:
        return dataset_folders(place)
    found = {folder.resolve(): folder for where in (BUNDLED, DATASETS) for folder in dataset_folders(where)}
    return sorted(found.values(), key=lambda folder: folder.name)


def list_datasets(place: Path | None = None) -> list[dict[str, Any]]:
    """Return a row of plain data per data set in a folder; by default those here and the bundled ones.

    Returns:
        Keys `name`, `clips`, `seconds`, `segments` (numbers), `pairs`, `licences` and `folder`; of a faulty one `name`,
        `folder` and `problem`.
    """
    rows: list[dict[str, Any]] = []
    for folder in find_datasets(place):
        try:
            dataset = load_dataset(folder)
        except InputError as error:
            rows.append({"name": folder.name, "folder": str(folder), "problem": str(error)})
            continue
        rows.append(
            {
                "name": dataset.name,
                "clips": len(dataset.clips),
                "seconds": round(dataset.seconds, 1),
                "segments": dataset.segment_count,
                "pairs": list(dataset.pairs),
                "licences": sorted({clip.licence or "unknown" for clip in dataset.clips}),
                "folder": str(folder),
            }
        )
    return rows


def read_manifest(folder: Path) -> Iterator[Line]:
    """Yield the lines of a folder's manifest but for empty ones; ``InputError`` where it cannot be read."""
    manifest = folder / MANIFEST
    try:
        lines = manifest.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{manifest} cannot be read as UTF-8 text: {error}.", code="E_DATASET") from error
    ids = set()
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        line = _line(number, text, folder)
        if line.clip is not None and line.clip.id in ids:
            line = Line(number, line.clip, (f"a second clip {line.clip.id!r}; rename it.", *line.problems))
        if line.clip is not None:
            ids.add(line.clip.id)
        yield line


def _line(number: int, text: str, folder: Path) -> Line:
    try:
        clip = Clip.model_validate_json(text)
    except ValidationError as error:
        return Line(number, None, tuple(_explain(error)))
    except LanguageError as error:
        return Line(number, None, (str(error),))
    clip = clip.model_copy(update={"path": folder / clip.file})
    if not clip.path.is_file():
        return Line(number, clip, (f"clip {clip.id!r} has no file {clip.path}; correct 'file' or add it.",))
    return Line(number, clip)


def _explain(error: ValidationError) -> Iterator[str]:
    """Yield a sentence per problem."""
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = ReferenceSegment.model_fields if len(problem["loc"]) > 1 else Clip.model_json_schema()["properties"]
            yield f"unknown field {name!r}.{nearest(str(problem['loc'][-1]), known)}"
        elif problem["type"] == "missing":
            yield f"field {name!r} is missing; add it."
        else:
            for sentence in plain_message(problem).splitlines():
                yield f"{name + ': ' if name else ''}{sentence}."


def plain_message(problem: ErrorDetails) -> str:
    """Return what is wrong with a value in the words of YAML and JSON instead of Python's."""
    return EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")


def clip_digest(clip: Clip) -> str:
    """Return the SHA-256 of a clip's reference and file, in hexadecimal digits."""
    return hashlib.sha256(_content(clip)).hexdigest()


def _digest(clips: list[Clip]) -> str:
    total = hashlib.sha256()
    for clip in clips:
        total.update(_content(clip))
    return total.hexdigest()[:12]


def _content(clip: Clip) -> bytes:
    return clip.model_dump_json().encode() + bytes.fromhex(sha256_of(clip.path))
