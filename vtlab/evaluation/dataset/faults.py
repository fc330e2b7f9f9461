"""Check a data set: what is wrong with it, what it lacks, and which metrics that costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vtlab.errors import InputError
from vtlab.evaluation.dataset.manifest import (
    LENGTH_TOLERANCE_S,
    MANIFEST,
    Clip,
    Line,
    dataset_folder,
    read_manifest,
)
from vtlab.metrics.needs import REFERENCE, TIMED_TRANSLATION, TRANSLATION

# what a metric may need of a clip's reference, by the part without which it is not there
LOST_NEEDS = {
    "segments": frozenset({REFERENCE, TRANSLATION, TIMED_TRANSLATION}),
    "translation": frozenset({TRANSLATION, TIMED_TRANSLATION}),
    "times": frozenset({TIMED_TRANSLATION}),
}


@dataclass(frozen=True)
class Fault:
    """One thing to mend.

    Attributes:
        file: The manifest.
        line: The line of it, from 1; ``None`` where it is about the whole data set.
        clip: The clip's id, where it could be read.
        severity: ``error``: the data set or this clip cannot be used. ``warning``: it can, and something is missing.
        message: What is wrong and what to do about it.
    """

    file: Path
    line: int | None
    clip: str | None
    severity: Literal["error", "warning"]
    message: str

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.severity}: {self.message}"


@dataclass(frozen=True)
class LostMetrics:
    """Metrics that cannot be measured on some clips.

    Attributes:
        missing: What the clips lack: `segments`, `translation` or `times`.
        clips: The ids of those clips.
        metrics: The names of the metrics.
    """

    missing: str
    clips: tuple[str, ...]
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        return f"no {self.missing} in {', '.join(self.clips)}: not measured there: {', '.join(self.metrics)}"


@dataclass(frozen=True)
class Report:
    """What ``check`` found.

    Attributes:
        folder: The data set's folder.
        clips: The clips that could be read.
        faults: What is wrong, in the manifest's order.
        lost: The metrics that missing parts cost.
    """

    folder: Path
    clips: tuple[Clip, ...]
    faults: tuple[Fault, ...]
    lost: tuple[LostMetrics, ...]

    @property
    def sound(self) -> bool:
        """Whether there are warnings at most."""
        return all(fault.severity == "warning" for fault in self.faults)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, with a summary of each clip."""
        return {
            "folder": str(self.folder),
            "sound": self.sound,
            "clips": [
                {
                    "id": clip.id,
                    "source_language": clip.source_language,
                    "target_language": clip.target_language,
                    "seconds": clip.seconds,
                    "segments": len(clip.segments),
                    "timed": clip.timed,
                    "translated": clip.translated,
                    "licence": clip.licence,
                }
                for clip in self.clips
            ],
            "faults": [asdict(fault) | {"file": str(fault.file)} for fault in self.faults],
            "lost": [asdict(lost) for lost in self.lost],
        }


def check(folder_or_name: Path | str) -> Report:
    """Return everything that is wrong with a data set.

    Manifest and files are read whole: keys, languages, ids, times and texts of segments, and each file's own length.

    Args:
        folder_or_name: As ``load_dataset`` takes it.

    Raises:
        InputError: (``E_DATASET``) There is no such data set, or its manifest is no text.

    Examples:
        >>> report = check("people")
        >>> report.sound, report.faults[-1].clip, report.faults[-1].message
        (True, 'autumn_zh', '1 of 1 segments have no translation.')
    """
    folder = dataset_folder(folder_or_name)
    manifest = folder / MANIFEST
    clips: list[Clip] = []
    faults: list[Fault] = []
    for line in read_manifest(folder):
        id = None if line.clip is None else line.clip.id
        if line.clip is not None:
            clips.append(line.clip)
        faults += [Fault(manifest, line.number, id, "error", message) for message in _errors(line)]
        if line.clip is not None:
            faults += [Fault(manifest, line.number, id, "warning", message) for message in _warnings(line.clip)]
    if not clips and not faults:
        faults.append(Fault(manifest, None, None, "error", "it lists no clips; write one JSON object a line."))
    faults += [Fault(manifest, None, None, "warning", message) for message in _unlisted(folder, clips)]
    return Report(folder, tuple(clips), tuple(faults), tuple(_lost(clips)))


def _lost(clips: Sequence[Clip]) -> Iterator[LostMetrics]:
    from vtlab.metrics.registry import METRICS

    for missing, needs in LOST_NEEDS.items():
        lacking = tuple(clip.id for clip in clips if _first_missing(clip) == missing)
        if lacking:
            names = tuple(name for name, metric in METRICS.items() if not needs.isdisjoint(metric.needs))
            yield LostMetrics(missing, lacking, names)


def _first_missing(clip: Clip) -> str | None:
    if not clip.segments:
        return "segments"
    if not any(segment.translation for segment in clip.segments):
        return "translation"
    return None if clip.timed else "times"


def _errors(line: Line) -> Iterator[str]:
    yield from line.problems
    clip = line.clip
    if clip is None:
        return
    if clip.source_language == clip.target_language:
        yield f"source and target language are both {clip.source_language!r}; correct one."
    if not clip.path.is_file():
        return
    from vtlab.media.streams import probe

    try:
        seconds = probe(clip.path).duration_s
    except InputError as error:
        yield str(error)
        return
    if abs(seconds - clip.seconds) > LENGTH_TOLERANCE_S:
        yield f'{clip.file} lasts {seconds:.3f} s, not {clip.seconds:g} s; write "seconds": {seconds:.3f}.'


def _warnings(clip: Clip) -> Iterator[str]:
    for name, value in (("licence", clip.licence), ("origin", clip.origin)):
        if value is None:
            yield f"no {name} is given; add '{name}' before anybody else uses the clip."
    count = len(clip.segments)
    if not count:
        yield "it has no segments; add what is said, or nothing that needs a reference is measured."
        return
    untranslated = sum(not segment.translation for segment in clip.segments)
    if untranslated:
        yield f"{untranslated} of {count} segments have no translation."
    untimed = sum(segment.start is None for segment in clip.segments)
    if untimed:
        yield (
            f"{untimed} of {count} segments have no times: sync is measured against voice activity in the source, and "
            "there are no losses per stage."
        )


def _unlisted(folder: Path, clips: list[Clip]) -> Iterator[str]:
    listed = {clip.path.resolve() for clip in clips} | {clip.path.absolute() for clip in clips}
    for file in sorted((folder / "clips").glob("*")):
        if file.is_file() and file.absolute() not in listed and not file.name.startswith("."):
            yield f"{file.relative_to(folder)} is no clip's file; add a line for it, or remove it."
