"""Make a data set from videos with transcripts and translations, or add to one.

Everything is read and checked before anything is written, and nothing is written over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from vtlab.errors import InputError
from vtlab.evaluation.dataset.manifest import LENGTH_TOLERANCE_S, MANIFEST, Clip, read_manifest
from vtlab.evaluation.dataset.transcripts import Cue, join, read_transcript, trim
from vtlab.files import atomic_write, atomic_writer, copy, locked
from vtlab.languages import language_code
from vtlab.metrics.reference import ReferenceSegment

CLIPS = "clips"
LINGERS_S = 2.0  # a last cue may stay this much longer than the clip; then it is cut


@dataclass(frozen=True)
class NewClip:
    """A video and what is known of it.

    Attributes:
        video: The video or audio file.
        source_language: The language that is spoken, as a code or a name.
        target_language: The language it is to be dubbed into.
        transcript: Subtitles, or a ``.txt`` file with one sentence a line, of what is said.
        translation: The same of how it ought to be translated.
        id: The clip's name in the data set; the video's name where it is left out.
        licence: Under which licence the clip may be used.
        origin: Where it comes from.
        tags: Words by which suites choose clips.
    """

    video: Path
    source_language: str
    target_language: str
    transcript: Path | None = None
    translation: Path | None = None
    id: str | None = None
    licence: str | None = None
    origin: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddedClip:
    """A clip as it stands in the manifest now, and what its maker may want to look at."""

    clip: Clip
    warnings: tuple[str, ...]


def new(folder: Path | str, clips: Sequence[NewClip], *, link: bool = False, exact: bool = False) -> list[AddedClip]:
    """Make a data set of clips, or add them to the one in a folder.

    Transcript and translation are joined by time, or line by line where one has no times. The videos go into
    ``clips/`` of the folder, and each gets a line in its ``manifest.jsonl``.

    Args:
        folder: The data set's folder; it is made where it is missing.
        clips: What to add.
        link: Link to the videos instead of copying them.
        exact: The times of the subtitles are those of the speech. Otherwise each is narrowed to where voice activity
            hears speech, since subtitles come early and stay long.

    Returns:
        The clips as they were added.

    Raises:
        InputError: A file is missing or cannot be read, the transcript is longer than the video, transcript and
            translation do not match, or the id is taken. Nothing was written.
        LanguageError: A language is unknown.

    Examples:
        >>> subtitles = {"transcript": Path("talk.pt.srt"), "translation": Path("talk.en.srt")}
        >>> (added,) = new("mine", [NewClip(Path("talk.mp4"), "pt", "en", **subtitles)])  # doctest: +SKIP
    """
    folder = Path(folder)
    prepared = [_prepared(clip, exact) for clip in clips]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _write(folder, clips, prepared, link)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}. Choose another folder.") from error
    return [
        AddedClip(added.clip.model_copy(update={"path": folder / added.clip.file}), added.warnings)
        for added in prepared
    ]


# ---------------------------------------------------------------- before anything is written


def _prepared(given: NewClip, exact: bool) -> AddedClip:
    from vtlab.media.streams import probe

    source, target = language_code(given.source_language), language_code(given.target_language)
    if source == target:
        raise InputError(f"{given.video}: source and target language are both {source!r}; they must differ.")
    if given.translation is not None and given.transcript is None:
        raise InputError(f"{given.video} has a translation and no transcript; add its transcript.", code="E_SUBTITLES")
    info = probe(given.video)
    warnings = []
    segments: list[ReferenceSegment] = []
    if given.transcript is None:
        warnings.append("it has no transcript: nothing that needs a reference can be measured")
    else:
        said = _fitted(given.transcript, info.duration_s, warnings)
        answers = None if given.translation is None else _fitted(given.translation, info.duration_s, warnings)
        try:
            segments, unmatched = join(said, answers, source, target)
        except InputError as error:
            raise InputError(f"{given.transcript}, {given.translation}: {error}", code=error.code) from error
        warnings += _unanswered(segments, given, unmatched)
        if not exact:
            segments = _trimmed(given.video, segments, source, warnings)
    for name, value in (("licence", given.licence), ("origin", given.origin)):
        if value is None:
            warnings.append(f"no {name} is given; add it before anybody else uses the clip")
    id = given.id or re.sub(r"[^\w.+ -]+", "_", given.video.stem).lstrip(". ") or "clip"
    try:
        clip = Clip(
            id=id,
            file=Path(CLIPS) / f"{id}{given.video.suffix.lower()}",
            source_language=source,
            target_language=target,
            seconds=round(info.duration_s, 3),
            segments=tuple(segments),
            licence=given.licence,
            origin=given.origin,
            tags=given.tags,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        place = "".join(f"{part}: " for part in problem["loc"])
        raise InputError(f"{given.video}: {place}{problem['msg']}.", code="E_DATASET") from error
    return AddedClip(clip, tuple(warnings))


def _fitted(file: Path, seconds: float, warnings: list[str]) -> list[Cue]:
    """Return a file's cues within the clip; refuse them where they belong to a longer one."""
    cues = read_transcript(file)
    fitted = []
    for number, cue in enumerate(cues, 1):
        if cue.time is not None and cue.time.end > seconds + LENGTH_TOLERANCE_S:
            if cue.time.start >= seconds or cue.time.end > seconds + LINGERS_S:
                raise InputError(
                    f"{file}: cue {number} ({cue.text[:40]!r}) ends at {cue.time.end:g} s, and the clip lasts "
                    f"{seconds:.2f} s. Is it of another video? Cut it to the clip.",
                    code="E_SUBTITLES",
                )
            warnings.append(f"{file.name}: cue {number} is cut at the clip's end, {seconds:.2f} s")
            cue = Cue(cue.text, type(cue.time)(cue.time.start, round(seconds, 3)), cue.speaker)
        fitted.append(cue)
    return fitted


def _unanswered(segments: Sequence[ReferenceSegment], given: NewClip, unmatched: Sequence[Cue]) -> Iterator[str]:
    if given.translation is None:
        yield "it has no translation: translations cannot be scored"
        return
    for cue in unmatched:
        assert cue.time is not None
        yield (
            f"{given.translation.name}: the cue at {cue.time.start:g} s ({cue.text[:40]!r}) shares its time with "
            "nothing in the transcript and was left out"
        )
    for number, segment in enumerate(segments, 1):
        if segment.translation is None:
            yield f"segment {number} ({segment.text[:40]!r}) has no translation"


def _trimmed(
    video: Path, segments: list[ReferenceSegment], language: str, warnings: list[str]
) -> list[ReferenceSegment]:
    if all(segment.start is None for segment in segments):
        return segments
    from vtlab.measurement.activity import voice_activity
    from vtlab.media.decoding import decode_speech
    from vtlab.media.streams import choose_audio, probe

    info = probe(video)
    speech = voice_activity(decode_speech(video, choose_audio(info, None, language), info.duration_s))
    trimmed, silent = trim(segments, speech)
    warnings += [
        f"nobody is heard to speak at {segment.start:g} s, where the transcript says {segment.text[:40]!r}"
        for segment in silent
    ]
    return trimmed


# ---------------------------------------------------------------- writing


def _write(folder: Path, clips: Sequence[NewClip], prepared: Sequence[AddedClip], link: bool) -> None:
    _refuse_taken(folder, clips, prepared)
    with ExitStack() as undo:
        for given, added in zip(clips, prepared, strict=True):
            file = folder / added.clip.file
            if not _is_there(given.video, file):
                _place(given.video, file, link)
                undo.callback(file.unlink)
        manifest = folder / MANIFEST
        before = manifest.read_text(encoding="utf-8-sig") if manifest.is_file() else ""
        lines = [*before.splitlines(), *(added.clip.model_dump_json(exclude_none=True) for added in prepared)]
        atomic_write(manifest, "\n".join(lines) + "\n")
        undo.pop_all()


def _refuse_taken(folder: Path, clips: Sequence[NewClip], prepared: Sequence[AddedClip]) -> None:
    taken = set()
    if (folder / MANIFEST).is_file():
        for line in read_manifest(folder):
            if line.clip is None:
                raise InputError(
                    f"{folder / MANIFEST}, line {line.number}: {' '.join(line.problems)} Mend it before adding clips.",
                    code="E_DATASET",
                )
            taken.add(line.clip.id)
    for given, added in zip(clips, prepared, strict=True):
        clip = added.clip
        if clip.id in taken:
            raise InputError(f"{folder} has a clip {clip.id!r} already; give this one another id.", code="E_DATASET")
        if os.path.lexists(folder / clip.file) and not _is_there(given.video, folder / clip.file):
            raise InputError(f"{folder / clip.file} is there already; give the clip another id.", code="E_DATASET")
        taken.add(clip.id)


def _is_there(video: Path, file: Path) -> bool:
    """Return whether the video lies in the data set already."""
    return file.exists() and file.samefile(video)


def _place(video: Path, into: Path, link: bool) -> None:
    """Copy or link the video; it appears whole."""
    into.parent.mkdir(exist_ok=True)
    if link:
        into.symlink_to(video.resolve())
        return
    with atomic_writer(into) as file:
        copy(video, file)
