"""Name, protect and publish the files of a dub.

Results lie beside files that are not ours. A file is replaced only where a record beside it (``*.dub.json``) is of the
same video and lists the file with the content it has now; the video itself is never replaced.

Finished files are published in two steps: they are brought together in a hidden folder, with their record as the
list of what is in it, and then moved to their names, the record last. Where a process ends between the steps, or within
the second, the next dub into that folder completes the second one first.
"""

from __future__ import annotations

import json
import mimetypes
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import resources
from vtlab.errors import InputError, ResourceError
from vtlab.files import atomic_write, hash_text, locked, sha256_of, sync
from vtlab.languages import LANGUAGES, language_name
from vtlab.media import SubtitleTrack
from vtlab.media.snippets import data_url
from vtlab.record import Output, Record, printable
from vtlab.weights import content_hash

if TYPE_CHECKING:
    import pandas as pd

NAME_BYTES = 255  # the longest file name that common file systems take
RECORD = "dub.json"
WORK_PREFIX = ".vtlab-"  # of folders of unfinished files beside the results
WORK_FOLDER = re.compile(r"\.vtlab-\d+-\w+")
READY = "ready"  # in a work folder: finished files under their final names


@dataclass(frozen=True)
class Dub:
    """A finished dub: its files, and the record of how it was made.

    Attributes:
        source: The video or sound that was dubbed.
        video: The dubbed video; ``None`` where the source has no picture.
        audio: The dubbed sound where the source has no picture, else ``None``.
        subtitles: SRT files by language: the source's and the target's.
        webvtt: The same as WebVTT.
        speech_track: The dubbed speech alone, where ``audio_sync.keep_speech_track`` asks for it.
        record: How the dub was made and how it came out.
        record_file: The record as a file (``*.dub.json``).

    Examples:
        >>> import vtlab
        >>> dub = vtlab.dub("talk.mp4", to="en", source="pt", out="dubbed", tts={"engines": ["piper"]})
        >>> dub.subtitles["en"].name, dub.degraded
        ('talk.en.srt', False)
        >>> len(dub.stages())
        8
    """

    source: Path
    video: Path | None
    audio: Path | None
    subtitles: Mapping[str, Path]
    webvtt: Mapping[str, Path]
    speech_track: Path | None
    record: Record
    record_file: Path

    @property
    def media(self) -> Path:
        """The dubbed video, or the dubbed sound where there is no picture."""
        file = self.video or self.audio
        assert file is not None
        return file

    @property
    def files(self) -> dict[str, Path]:
        """Every file by its kind in the record (``video``, ``subtitles_pt_srt`` …), and the record's own."""
        files = {"video": self.video, "audio": self.audio}
        for language, path in self.subtitles.items():
            files |= {f"subtitles_{language}_srt": path, f"subtitles_{language}_vtt": self.webvtt[language]}
        files |= {"speech_track": self.speech_track, "record": self.record_file}
        return {kind: path for kind, path in files.items() if path is not None}

    @property
    def degraded(self) -> bool:
        """Whether something is missing from the dub; the findings say what."""
        return self.record.degraded

    def lines(self) -> pd.DataFrame:
        """Return a row for each segment: times in seconds, texts, voice, speaker, speeds and drift.

        ``onset_drift_s`` and ``offset_drift_s`` say how much later than its source the segment begins and ends as it
        is heard; they are absent for a segment without sound.
        """
        import pandas as pd

        rows = [
            {
                "start": segment.start,
                "end": segment.end,
                "text": segment.text,
                "translation": segment.translation,
                "spoken_text": segment.spoken_text,
                "speaker": segment.speaker,
                "voice": segment.voice,
                "engine": segment.engine,
                "confidence": segment.confidence,
                "rate": segment.rate,
                "speed": segment.speed,
                "planned_start": segment.planned_start,
                "planned_end": segment.planned_end,
                "measured_start": segment.measured_start,
                "measured_end": segment.measured_end,
                "onset_drift_s": _difference(segment.measured_start, segment.start),
                "offset_drift_s": _difference(segment.measured_end, segment.end),
                "failed": segment.failed,
            }
            for segment in self.record.segments
        ]
        return pd.DataFrame(rows, index=pd.Index([segment.id for segment in self.record.segments], name="segment"))

    def findings(self) -> pd.DataFrame:
        """Return a row for each finding: stage, code, severity, segment, message, value and limit."""
        import pandas as pd

        columns = ["stage", "code", "severity", "segment", "message", "value", "limit"]
        return pd.DataFrame([finding.model_dump() for finding in self.record.findings], columns=columns)

    def stages(self) -> pd.DataFrame:
        """Return a row for each stage: its engines, its times in seconds, and answers computed or from the store."""
        import pandas as pd

        engines: dict[str, list[str]] = {}
        for engine in self.record.engines:
            weights = "".join(f", {weights['name']}" for weights in engine.weights)
            engines.setdefault(engine.stage, []).append(f"{engine.engine} {engine.languages}".strip() + weights)
        rows = [
            {
                "engines": "; ".join(engines.get(stage.stage, [])),
                "seconds": stage.seconds,
                "cpu_s": stage.cpu_s,
                "load_s": stage.load_s,
                "computed": stage.computed,
                "reused": stage.reused,
            }
            for stage in self.record.stages
        ]
        return pd.DataFrame(rows, index=pd.Index([stage.stage for stage in self.record.stages], name="stage"))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: source and dub to play, the time line, and the findings."""
        record = self.record
        name = f"dub-{hash_text(str(self.record_file), 8)}"
        players = _player(self.source, f"{name}-source", record.source_language)
        players += _player(self.media, f"{name}-dub", record.target_language)
        worst_first = sorted(record.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        rows = [
            (finding.severity, finding.stage, "" if finding.segment is None else finding.segment, finding.message)
            for finding in worst_first
        ]
        table = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
        length = f"{len(record.segments)} segments, {record.source.seconds:.1f} s, dubbed in {record.wall_s:.1f} s"
        return (
            f"<div><p><b>{escape(self.media.name)}</b>: {length}{', <b>degraded</b>' if self.degraded else ''}</p>"
            f"<div style='display:flex;gap:1em;flex-wrap:wrap'>{players}</div>{_time_line(record, name)}"
            f"<details{' open' if self.degraded else ''}><summary>{len(rows)} findings</summary>"
            f"<table>{table}</table></details></div>"
        )


SEVERITIES = ("degraded", "warning", "info")
EMBEDDED_BYTES = 20_000_000  # a larger file is named, not laid into the notebook
TIME_LINE_PX = 900


def _player(file: Path, name: str, language: str) -> str:
    caption = f"<figcaption>{escape(file.name)} ({language})</figcaption>"
    if not file.is_file() or file.stat().st_size > EMBEDDED_BYTES:
        return f"<figure style='margin:0'>{caption}</figure>"
    kind = mimetypes.guess_type(file.name)[0] or "video/mp4"
    element = "audio" if kind.startswith("audio/") else "video"
    return (
        f"<figure style='margin:0'><{element} id='{name}' controls preload='metadata' style='max-width:430px' "
        f"src='{data_url(file.read_bytes(), kind)}'></{element}>{caption}</figure>"
    )


def _time_line(record: Record, name: str) -> str:
    """Return an SVG of source segments above dubbed ones; a click plays from there."""
    scale = TIME_LINE_PX / max(record.source.seconds, 0.1)
    bars = []
    for segment in record.segments:
        source = (0, segment.start, segment.end, "#7f7f7f", "source", segment.text)
        dubbed = (22, segment.planned_start, segment.planned_end, "#0072b2", "dub", segment.translation)
        for top, start, end, colour, player, text in (source, dubbed):
            element = f"document.getElementById('{name}-{player}')"
            play = f"const p = {element}; if (p) {{p.currentTime = {start:.2f}; p.play()}}"
            bars.append(
                f"<rect x='{start * scale:.1f}' y='{top}' width='{max((end - start) * scale, 1):.1f}' height='18' "
                f"fill='{colour}' style='cursor:pointer' onclick=\"{play}\">"
                f"<title>{start:.1f}–{end:.1f} s: {escape(text)}</title></rect>"
            )
    return (
        f"<svg viewBox='0 0 {TIME_LINE_PX} 40' style='width:100%;max-width:{TIME_LINE_PX}px' role='img' "
        f"aria-label='Source segments above, dubbed segments below'>{''.join(bars)}</svg>"
    )


def _difference(later: float | None, earlier: float) -> float | None:
    return None if later is None else later - earlier


# ---------------------------------------------------------------- names


def file_names(video: Path, endings: Iterable[str]) -> dict[str, str]:
    """Map each ending to a file name after the video, its stem cut where the longest would not fit a file system."""
    endings = list(endings)
    room = NAME_BYTES - max(len(os.fsencode(f".{ending}")) for ending in endings)
    stem = video.stem
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return {ending: f"{stem}.{ending}" for ending in endings}


def result_endings(source: str, target: str, suffix: str, speech_track: bool) -> dict[str, str]:
    """Map the kind of each result to the ending of its name; ``suffix`` is that of the picture or sound (``.mp4``)."""
    endings = {_media_kind(suffix): f"{target}{suffix}"}
    for language in (source, target):
        for kind in ("srt", "vtt"):
            endings[f"subtitles_{language}_{kind}"] = f"{language}.{kind}"
    if speech_track:
        endings["speech_track"] = f"{target}.speech.flac"
    return {**endings, "record": f"{target}.{RECORD}"}


def _media_kind(suffix: str) -> str:
    return "audio" if suffix == ".m4a" else "video"


# ---------------------------------------------------------------- what may be replaced


class Destination:
    """The folder where the results of one video go, and which of the files there they may replace.

    Args:
        video: The file that is dubbed.
        folder: Where the results go; it need not exist.
        overwrite: Whether files may be replaced that no dub of this video made. The video itself never is.
    """

    def __init__(self, video: Path, folder: Path, *, overwrite: bool = False) -> None:
        self.video, self.folder, self.overwrite = video, folder, overwrite

    def check(self, source: str | None, target: str, suffix: str, speech_track: bool) -> None:
        """Raise ``InputError`` (``E_EXISTS``) where a result would replace a file that is not this video's dub.

        While the source language is unknown, subtitles in any language count.
        """
        if not self.folder.is_dir():
            return
        _complete_interrupted(self.folder)
        names: dict[str, str] = {}
        for language in [source] if source else [code for code in LANGUAGES if code != target]:
            for name in file_names(
                self.video, result_endings(language, target, suffix, speech_track).values()
            ).values():
                names.setdefault(name, language)
        assumed = {
            name: language
            for name, language in names.items()
            if name.endswith((f".{language}.srt", f".{language}.vtt"))
        }
        self.check_names(names, {} if source else assumed)

    def check_names(self, names: Iterable[str], assumed: Mapping[str, str] | None = None) -> None:
        """Raise an error where one of these files may not be replaced.

        Args:
            names: Names of files in the folder.
            assumed: The source language in which alone a file would be written, by name.

        Raises:
            InputError: ``E_EXISTS``, with the file, the reason and what to do.
        """
        there = [path for path in (self.folder / name for name in names) if os.path.lexists(path)]
        for path in there:
            if _same(path, self.video):
                raise InputError(
                    f"{_shown(path)} is the video itself, and a result would replace it. Choose another folder with "
                    "--out, or give the video another name.",
                    code="E_EXISTS",
                )
            if not stat.S_ISREG(path.lstat().st_mode) and not path.is_symlink():
                raise InputError(
                    f"{_shown(path)} is not a file, so no result can have its name. Choose another folder with --out.",
                    code="E_EXISTS",
                )
        if self.overwrite or not there:
            return
        sha256, records = content_hash(self.video), _records(self.folder)
        reasons = {path: reason for path in there if (reason := _objection(path, sha256, records)) is not None}
        for path, reason in reasons.items():
            others = ", ".join(printable(other.name) for other in reasons if other != path)
            language = None if assumed is None else assumed.get(path.name)
            raise InputError(
                f"{_shown(path)} {reason}, so it is not replaced{f' (nor {others})' if others else ''}. Choose another "
                "folder with --out, move it away, or allow it to be replaced with --overwrite"
                + (
                    f"; or name the video's language with --from, where it is not {language_name(language)}."
                    if language
                    else "."
                ),
                code="E_EXISTS",
            )


def _shown(path: Path) -> str:
    return printable(str(path))


def _objection(path: Path, source: str, records: Mapping[Path, _Listing]) -> str | None:
    """Return why a dub of the video with the hash ``source`` may not replace the file; ``None`` where it may."""
    if path.is_symlink():
        return "is a link to another file"
    if (own := records.get(path)) is not None:
        return (
            None
            if own.source == source
            else f"is the record of another video (or of this one before it was changed), {own.video}"
        )
    name = printable(path.name)
    listed = [
        (listing, output)
        for listing in records.values()
        for output in listing.outputs
        if output.file == name
        or (output.file.casefold() == name.casefold() and _same(path, path.with_name(output.file)))
    ]
    size = path.stat().st_size
    sha256 = sha256_of(path) if any(output.bytes == size for _, output in listed) else None
    made_from = {listing.source: listing.video for listing, output in listed if output.sha256 == sha256}
    if source in made_from:
        return None
    if made_from:
        return f"was made from another video (or this one before it was changed), {next(iter(made_from.values()))}"
    if any(listing.source == source for listing, _ in listed):
        return "was changed after a dub had made it"
    return "was not made by a dub of this video"


@dataclass(frozen=True)
class _Listing:
    """What a record says of files: the source's hash and path, and the files beside it that are its video's."""

    source: str
    video: str
    outputs: tuple[Output, ...]


def _records(folder: Path) -> dict[Path, _Listing]:
    """Return the records in the folder; files that only bear the name of one are left out."""
    listings = {path: _listing(path) for path in sorted(folder.glob(f"*.{RECORD}"))}
    return {path: listing for path, listing in listings.items() if listing is not None}


def _listing(path: Path) -> _Listing | None:
    """Read a record of this or any other version of vtlab; ``None`` where the file is no record."""
    try:
        data: Any = json.loads(path.read_bytes())
        listed = [*data["outputs"], *data.get("earlier_outputs", [])]
        outputs = tuple(Output(**{field: output[field] for field in Output.model_fields}) for output in listed)
        return _Listing(str(data["source"]["sha256"]), str(data["source"]["file"]), outputs)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _same(one: Path, other: Path) -> bool:
    """Return whether both paths lead to one file that exists."""
    try:
        return one.samefile(other)
    except OSError:
        return False


# ---------------------------------------------------------------- publishing


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Make a folder in ``out`` for unfinished files, gone at the end; folders of killed processes go, too.

    Its owner holds a lock on it: unlike a process's number, that tells the living from the dead across containers.

    Raises:
        ResourceError: Nothing can be made in ``out``, or its disk gets full.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _complete_interrupted(out)
        made = Path(tempfile.mkdtemp(prefix=".new-vtlab-", dir=out))
    except OSError as error:
        raise ResourceError(f"{out} cannot hold the results: {error.strerror}. Choose another folder.") from error
    with locked(made):
        work = made.rename(out / f"{WORK_PREFIX}{os.getpid()}-{made.name[-8:]}")  # sweepable only now that it is locked
        try:
            yield work
        except OSError as error:
            if error.errno not in resources.FULL:
                raise
            raise resources.disk_full(out) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class FinishedFiles:
    """The files of a dub before they have their names: picture or sound, subtitles, and the speech alone if wanted."""

    media: Path
    subtitles: tuple[SubtitleTrack, ...]
    speech_track: Path | None

    def by_kind(self) -> dict[str, Path]:
        """Return the files by their kind in the record (``video``, ``subtitles_pt_srt`` …)."""
        files = {_media_kind(self.media.suffix): self.media}
        files |= {f"subtitles_{track.language}_{track.path.suffix[1:]}": track.path for track in self.subtitles}
        return files if self.speech_track is None else {**files, "speech_track": self.speech_track}


def publish(work: Path, destination: Destination, files: FinishedFiles, record: Record) -> Dub:
    """Move the finished files to their names in the destination, and write their record.

    Raises:
        InputError: ``E_EXISTS``: meanwhile a file has appeared that may not be replaced.
    """
    languages = (record.source_language, record.target_language)
    kinds = result_endings(*languages, files.media.suffix, files.speech_track is not None)
    names = file_names(destination.video, kinds.values())
    making, ready = work / "making", work / READY
    making.mkdir()
    written, finished = [], {}
    for kind, path in files.by_kind().items():
        file = making / names[kinds[kind]]
        if path.parent == work:
            path.replace(file)
        else:  # what lies in the store stays there
            shutil.copy(path, file)
        sync(file)
        size = file.stat().st_size
        written.append(Output(kind=kind, file=printable(file.name), sha256=sha256_of(file), bytes=size))
        finished[kind] = destination.folder / file.name
    finished["record"] = destination.folder / names[kinds["record"]]
    with locked(destination.folder):  # so that record and files are of one dub, when two of other settings end at once
        destination.check_names(path.name for path in finished.values())
        earlier = _earlier(finished["record"], record.source.sha256, written)
        record = record.model_copy(update={"outputs": written, "earlier_outputs": earlier})
        atomic_write(making / finished["record"].name, record.model_dump_json(indent=1) + "\n")
        making.rename(ready)
        sync(work)
        _move_all(ready, destination.folder)
    return Dub(
        source=destination.video,
        video=finished.get("video"),
        audio=finished.get("audio"),
        subtitles={language: finished[f"subtitles_{language}_srt"] for language in languages},
        webvtt={language: finished[f"subtitles_{language}_vtt"] for language in languages},
        speech_track=finished.get("speech_track"),
        record=record,
        record_file=finished["record"],
    )


def _earlier(path: Path, source: str, written: Sequence[Output]) -> list[Output]:
    """Return files that the record at ``path`` lists and the new one does not, and that are still there.

    Without them a later dub could not tell them from files of the user.
    """
    before = _listing(path)
    if before is None or before.source != source:
        return []
    names = {output.file for output in written}
    return [out for out in before.outputs if out.file not in names and (path.parent / out.file).is_file()]


def _move_all(ready: Path, out: Path) -> None:
    """Move finished files to their names, the record last: where it is, all is there."""
    for file in sorted(ready.iterdir(), key=lambda file: (file.name.endswith(f".{RECORD}"), file.name)):
        file.replace(out / file.name)
    sync(out)


def _complete_interrupted(out: Path) -> None:
    """Publish what killed processes had finished, and remove their work folders."""
    for left in out.glob(f"{WORK_PREFIX}*"):
        if not WORK_FOLDER.fullmatch(left.name) or left.is_symlink():
            continue  # a name of the user's own
        with suppress(OSError), locked(left, wait=False):  # its owner is at work, or another process is here, too
            with suppress(InputError), locked(out):
                _complete(left / READY, out)
            shutil.rmtree(left, ignore_errors=True)


def _complete(ready: Path, out: Path) -> None:
    """Move what is left of finished files to their names, unless one of them would replace a file of the user."""
    for path, listing in _records(ready).items():
        known = {**_records(out), path: listing}
        there = [out / file.name for file in ready.iterdir() if os.path.lexists(out / file.name)]
        if not any(file.is_dir() or _objection(file, listing.source, known) for file in there):
            _move_all(ready, out)
