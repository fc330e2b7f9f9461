"""The store of releases: the configuration in production, its evidence and its history, as plain files.

    releases/
      history.jsonl       a move a line: which release was put in force, by promotion or rollback; the last one is
      0001/release.json   evidence and origin; hashes of the weights and of the other files
      0001/settings.yaml
      0001/results.jsonl  the evidence clip by clip: what the next proposal is compared with
      0001/glossary.yaml  where the settings name one

A release is written in a folder of another name, which is renamed when it is complete; then the history is replaced, in
one step too. A process that dies on the way leaves the former release in force. Writers wait for each other; readers
need no lock. The history holds the hash of each `release.json`, which holds those of the other files: a release that
was damaged or changed is reported and never served.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vtlab.errors import EngineError, LanguageError, SettingsError, UserError, WeightsError
from vtlab.files import atomic_write, locked, sync
from vtlab.releases.evidence import Evidence
from vtlab.settings import Settings, StoreSettings, dump_yaml, settings_from_dict

if TYPE_CHECKING:
    from vtlab.engines.choice import Choice

HISTORY = "history.jsonl"
RELEASE = "release.json"
SETTINGS = "settings.yaml"
RESULTS = "results.jsonl"
GLOSSARY = "glossary.yaml"
UNFINISHED = ".unfinished-"


class ReleaseError(UserError):
    """A release is not there, is damaged, or does not fit this program."""

    code = "E_RELEASE"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReleasedWeights(_Part):
    """Weights that the evidence was measured with."""

    name: str
    sha256: str


class Proposal(_Part):
    """A configuration with its evidence, proposed as a release."""

    name: str = Field(description="of the configuration in its suite")
    suite: str
    run_id: str = Field(description="of the run in the tracking store")
    fingerprint: str = Field(description="of the settings as they were evaluated")
    dataset: str
    dataset_digest: str
    pairs: tuple[tuple[str, str], ...] = Field(description="source and target languages evaluated")
    weights: tuple[ReleasedWeights, ...]
    evidence: Evidence
    commit: str | None = Field(description="git commit that was evaluated; null: not in a repository")
    dirty: bool = Field(False, description="files differed from that commit")
    vtlab: str = Field(description="version that wrote the release")
    who: str
    when: datetime
    forced: str | None = Field(None, description="why it was released against the objections")
    settings: Settings = Field(exclude=True, repr=False)
    results: tuple[str, ...] = Field((), exclude=True, repr=False, description="JSON of each clip's result")


class Release(Proposal):
    """A configuration that is or was in production; `results` stay on disk, see `read_result_lines`.

    Examples:
        >>> import vtlab
        >>> vtlab.rollback(to=1).suite
        'smoke'
    """

    number: int
    files: dict[str, str] = Field(description="SHA-256 of the files beside it, by name")
    folder: Path = Field(exclude=True)


class Move(_Part):
    """A release was put in force."""

    release: int
    action: Literal["promotion", "rollback"]
    who: str
    when: datetime
    reason: str | None = None
    sha256: str = Field(description="of its release.json")


@dataclass(frozen=True)
class ReleaseList:
    """Every release of a folder.

    Attributes:
        folder: The folder.
        releases: By number; in place of a damaged one, what is wrong with it.
        history: Every promotion and rollback, in order.
    """

    folder: Path
    releases: dict[int, Release | str]
    history: tuple[Move, ...]

    @property
    def active(self) -> int | None:
        """The number of the release in force; `None` before the first promotion."""
        return self.history[-1].release if self.history else None

    def to_dict(self) -> dict[str, Any]:
        """Return the list as plain data."""
        rows = [
            {"number": number, "damaged": release} if isinstance(release, str) else release.model_dump(mode="json")
            for number, release in self.releases.items()
        ]
        moves = [move.model_dump(mode="json") for move in self.history]
        return {"folder": str(self.folder), "in_force": self.active, "releases": rows, "history": moves}


@dataclass(frozen=True)
class WeightsMismatch:
    """Weights that differ from those the release was evaluated with; `found` is the hash here, `None` if missing."""

    name: str
    expected: str
    found: str | None
    message: str


def releases_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return `$VTLAB_RELEASES`, else `releases` in the working folder."""
    return Path(environment.get("VTLAB_RELEASES") or "releases").expanduser()


def author() -> str:
    """Return `user@host`, for the history of releases."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


# ---------------------------------------------------------------- reading


def current(folder: Path) -> Release | None:
    """Return the active release, or `None` before the first promotion; reads one file's status while nothing changes.

    Raises:
        ReleaseError: It is damaged.
    """
    folder = folder.absolute()
    try:
        status = (folder / HISTORY).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(folder / HISTORY, error) from error
    return _current(folder, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=8)
def _current(folder: Path, stamp: tuple[int, int, int]) -> Release | None:
    moves = history(folder)
    return load(folder, moves[-1].release) if moves else None


def history(folder: Path) -> list[Move]:
    """Return every promotion and rollback in order; raise `ReleaseError` that names a line which is none."""
    file = folder / HISTORY
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error
    moves = []
    for number, line in enumerate(lines, 1):
        try:
            moves.append(Move.model_validate_json(line))
        except ValidationError as error:
            raise ReleaseError(
                f"{file}, line {number}: not a move of a release. Restore the file from a backup, or delete this line "
                "where the ones above it are what you want in force."
            ) from error
    return moves


def load(folder: Path, number: int) -> Release:
    """Load a release that was in force, verified file by file.

    Raises:
        ReleaseError: It was never in force, is damaged, or has settings that this version does not know.
    """
    moves = [move for move in history(folder) if move.release == number]
    if not moves:
        known = sorted({move.release for move in history(folder)})
        there = f"Releases there: {', '.join(map(str, known))}." if known else "There is none yet: vtlab promote RUN."
        raise ReleaseError(f"{folder} holds no release {number}. {there}")
    home = _home(folder, number)
    content = _verified(home / RELEASE, moves[-1].sha256, number)
    try:
        data = json.loads(content)
        settings = _settings(home, _verified(home / SETTINGS, data["files"][SETTINGS], number), number)
        for name, sha256 in data["files"].items():
            _verified(home / name, sha256, number)
        return Release.model_validate({**data, "settings": settings, "folder": home})
    except (ValueError, KeyError) as error:
        raise ReleaseError(
            f"{home / RELEASE} is not a release as this version of vtlab writes it. Put another one in force with "
            "'vtlab rollback', or promote again."
        ) from error


def list_releases(folder: Path) -> ReleaseList:
    """Return every release that was in force, and the history; raise `ReleaseError` where that cannot be read."""

    def load_or_explain(number: int) -> Release | str:
        try:
            return load(folder, number)
        except ReleaseError as error:
            return str(error)

    moves = history(folder)
    numbers = sorted({move.release for move in moves})
    return ReleaseList(folder, {number: load_or_explain(number) for number in numbers}, tuple(moves))


def read_result_lines(release: Release) -> list[str]:
    """Return the evidence clip by clip, as JSON lines; raise `ReleaseError` where the file is damaged."""
    return _verified(release.folder / RESULTS, release.files[RESULTS], release.number).decode().splitlines()


def verify(release: Release) -> list[WeightsMismatch]:
    """Return the weights that are missing here or differ from those that the release was evaluated with.

    They are found as a dub of each evaluated pair of languages finds them: hashed, not loaded.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for look in _looks(release):
        try:
            found.update((weights.name, weights.sha256) for choice in look() for weights in choice.weights)
        except (EngineError, LanguageError, WeightsError) as error:
            problems.append(str(error))
    differences = []
    for weights in release.weights:
        here = found.get(weights.name)
        if here is None:
            why = " ".join(dict.fromkeys(problems)) or "No engine of these settings looks for them here."
            message = f"Weights {weights.name} are not here. {why}"
        elif here != weights.sha256:
            message = (
                f"Weights {weights.name} here have sha256 {here}; release {release.number} was evaluated with "
                f"{weights.sha256}. Bring those, or evaluate and promote with these."
            )
        else:
            continue
        differences.append(WeightsMismatch(weights.name, weights.sha256, here, message))
    return differences


def _looks(release: Release) -> Iterator[Callable[[], Iterable[Choice]]]:
    from vtlab.engines.choice import choose_listeners
    from vtlab.engines.choice.translators import choose_translators
    from vtlab.engines.choice.voices import choose_voices

    def translators(source: str, target: str) -> list[Choice]:
        return [leg.choice for leg in choose_translators(release.settings, source, target)]

    def voices(target: str) -> list[Choice]:
        return [cast.choice for cast in choose_voices(release.settings, target, lambda finding: None)]

    yield partial(choose_listeners, release.settings)
    for source, target in release.pairs:
        yield partial(translators, source, target)
        yield partial(voices, target)


# ---------------------------------------------------------------- writing


def add_release(folder: Path, propose: Callable[[], Proposal]) -> Release:
    """Write a proposal as a new release and put it in force.

    Args:
        folder: Holds the releases.
        propose: Called while no other promotion or rollback runs, so the release that it finds active is the one it
            replaces. An error it raises ends the promotion, and nothing has changed.
    """
    with _writer_lock(folder):
        proposal = propose()
        moves = history(folder)
        with _explained(folder):
            release = _write(folder, _next_number(folder, moves), proposal)
            _put_in_force(folder, moves, release, "promotion", proposal.who, proposal.when, proposal.forced)
    return release


def restore_release(
    folder: Path, who: str, when: datetime, reason: str | None = None, to: int | None = None
) -> Release:
    """Put the release before the active one in force, or the one numbered `to`, and return it.

    Twice in a row goes back by two; where `to` is active already, nothing changes.

    Raises:
        ReleaseError: There is nothing to go back to, or it is damaged.
    """
    with _writer_lock(folder):
        moves = history(folder)
        release = load(folder, to if to is not None else _before(folder, moves))
        if release.number != moves[-1].release:
            with _explained(folder):
                _put_in_force(folder, moves, release, "rollback", who, when, reason)
    return release


def _before(folder: Path, moves: Sequence[Move]) -> int:
    """Return the number of the release that the active one replaced, ignoring what was rolled back."""
    stack: list[int] = []
    for move in moves:
        if move.action == "rollback" and move.release in stack:
            del stack[stack.index(move.release) + 1 :]
        else:
            stack.append(move.release)
    if not stack:
        raise ReleaseError(f"{folder} holds no release yet, so there is nothing to go back to.")
    if len(stack) == 1:
        raise ReleaseError(
            f"Release {stack[0]} has none before it to go back to. Name another one: vtlab rollback --to NUMBER; "
            "'vtlab releases' lists them."
        )
    return stack[-2]


def _next_number(folder: Path, moves: Sequence[Move]) -> int:
    """Return a number above all others; a folder whose promotion died before it was in force keeps its own."""
    folders = [int(home.name) for home in folder.iterdir() if home.name.isdecimal()]
    return 1 + max([move.release for move in moves] + folders, default=0)


def _write(folder: Path, number: int, proposal: Proposal) -> Release:
    """Write the release into its folder, without putting it in force."""
    home = _home(folder, number)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    settings = proposal.settings
    # sessions name their languages and the server its store
    settings = settings.model_copy(
        update={"source_language": None, "target_language": None, "store": StoreSettings(folder=None)}
    )
    contents = {RESULTS: "".join(f"{line}\n" for line in proposal.results).encode()}
    if settings.translation.glossary is not None:
        try:
            contents[GLOSSARY] = settings.translation.glossary.read_bytes()
        except OSError as error:
            raise _unreadable(settings.translation.glossary, error) from error
        settings = _with_glossary(settings, Path(GLOSSARY))
    contents[SETTINGS] = dump_yaml(settings).encode()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    data = {**proposal.model_dump(mode="json"), "number": number, "files": hashes}
    contents[RELEASE] = (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode()
    for name, content in contents.items():
        atomic_write(unfinished / name, content)
    unfinished.chmod(0o755)
    unfinished.rename(home)
    sync(folder)
    if GLOSSARY in contents:
        settings = _with_glossary(settings, home / GLOSSARY)
    return Release.model_validate({**data, "settings": settings, "folder": home})


def _put_in_force(
    folder: Path,
    moves: Sequence[Move],
    release: Release,
    action: Literal["promotion", "rollback"],
    who: str,
    when: datetime,
    reason: str | None,
) -> None:
    sha256 = hashlib.sha256((release.folder / RELEASE).read_bytes()).hexdigest()
    move = Move(release=release.number, action=action, who=who, when=when, reason=reason, sha256=sha256)
    content = "".join(f"{move.model_dump_json()}\n" for move in [*moves, move])
    atomic_write(folder / HISTORY, content)


@contextmanager
def _writer_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock against other writers, and remove what killed ones left unfinished."""
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        with _explained(folder):
            for left in (*folder.glob(f"{UNFINISHED}*"), *folder.glob(f".{HISTORY}-*")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReleaseError(
            f"{folder} cannot be written: {error.strerror}. The release in force is the one before; free some space or "
            "set VTLAB_RELEASES to a folder that can be written."
        ) from error


# ---------------------------------------------------------------- files


def _home(folder: Path, number: int) -> Path:
    return folder.absolute() / f"{number:04d}"


def _settings(home: Path, content: bytes, number: int) -> Settings:
    try:
        settings = settings_from_dict(yaml.safe_load(content))
    except SettingsError as error:
        raise ReleaseError(
            f"The settings of release {number} do not fit this version of vtlab: {error} Serve it with the version "
            "that its release.json names, or evaluate and promote again."
        ) from error
    return settings if settings.translation.glossary is None else _with_glossary(settings, home / GLOSSARY)


def _with_glossary(settings: Settings, file: Path) -> Settings:
    return settings.model_copy(update={"translation": settings.translation.model_copy(update={"glossary": file})})


def _verified(file: Path, sha256: str, number: int) -> bytes:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        problem = "is missing"
    except OSError as error:
        raise _unreadable(file, error) from error
    else:
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
        problem = "was changed after it was written"
    raise ReleaseError(
        f"Release {number} is damaged: {file} {problem}. Restore it from a backup, or put another release in force "
        "with 'vtlab rollback' or 'vtlab promote'."
    )


def _unreadable(file: Path, error: Any) -> ReleaseError:
    return ReleaseError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}. Mend that and try again.")
