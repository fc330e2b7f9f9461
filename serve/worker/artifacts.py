"""Artifacts: the files of a session that the gateway serves, each whole under its name or not there.

Their names are the contract's, all in one folder. A file reaches the disk before it gets its name, so that a power cut
leaves no short one.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serve.state import Artifact, FileIdentity
from vtlab.files import copy, sha256_of, sync

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artifacts:
    """Name the artifacts of one session."""

    folder: Path
    session_id: str

    @property
    def video(self) -> Path:
        """The dubbed video."""
        return self._path("translated.mp4")

    @property
    def source_subtitles(self) -> Path:
        """Subtitles in the language of the source."""
        return self._path("subtitles.srt")

    @property
    def target_subtitles(self) -> Path:
        """Subtitles in the language of the dub."""
        return self._path("translated_subtitles.srt")

    @property
    def early_preview(self) -> Path:
        """The beginning of the dub, there before the rest."""
        return self._path("early_preview.mp4")

    @property
    def results(self) -> tuple[Path, ...]:
        """The files of a completed session."""
        return self.video, self.source_subtitles, self.target_subtitles

    @property
    def unfinished(self) -> tuple[Path, ...]:
        """Artifacts on their way to their names."""
        return tuple(unfinished(path) for path in (*self.results, self.early_preview))

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.session_id}_{name}"


def unfinished(path: Path) -> Path:
    """Return where a file lies on its way to `path`: one name for each, so that a crash leaves no unknown ones."""
    return path.with_name(f".{path.name}.part")


def publish(made: Path, to: Path) -> None:
    """Move a finished file to its name, also across file systems; content and name are on the disk on return."""
    to.parent.mkdir(parents=True, exist_ok=True)
    part = unfinished(to)
    try:
        if made.stat().st_dev == to.parent.stat().st_dev:
            made.replace(part)
        else:
            with part.open("wb") as out:
                copy(made, out)
        sync(part)
        part.replace(to)
        sync(to.parent)
        made.unlink(missing_ok=True)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def artifact(path: Path, sha256: str) -> Artifact:
    """Return what a published file, of that content, must be like to be served."""
    return Artifact(str(path), sha256, FileIdentity.from_stat(path.stat()))


def have_their_sizes(artifacts: Iterable[Artifact]) -> bool:
    """Return whether all files are there, none of them shorter or longer than it was published."""
    return all(_identity(one) is not None for one in artifacts)


def are_whole(artifacts: Iterable[Artifact]) -> bool:
    """Return whether all files are there as they were published; one that was touched since is read and hashed."""
    for one in artifacts:
        identity = _identity(one)
        if identity is None:
            return False
        if identity != one.identity and one.sha256 is not None and sha256_of(Path(one.path)) != one.sha256:
            return False
    return True


def _identity(one: Artifact) -> FileIdentity | None:
    """Return the identity of the file as it is now; `None` where it is gone, empty or of another size."""
    try:
        identity = FileIdentity.from_stat(Path(one.path).stat())
    except OSError:
        return None
    return identity if 0 < identity.bytes == one.identity.bytes else None


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders; one that cannot be removed is logged, and the others go all the same."""
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except (FileNotFoundError, NotADirectoryError):
            continue  # its folder is gone, too
        except OSError as error:
            log.error("%s cannot be removed: %s", path, error, extra={"event": "storage"})
