"""Releases: the configuration in production, its evidence and its history. Plain files, all that a server needs.

    releases/
      history.jsonl       a move a line: which release was put in force, by promotion or rollback; the last one is
      0001/release.json   what was measured, on what, by whom; hashes of the weights, and of the files beside it
      0001/settings.yaml
      0001/results.jsonl  the evidence clip by clip: what the next candidate is compared with
      0001/glossary.yaml  where the settings name one

A release is written in a folder of another name, which is renamed when it is whole; then the history is replaced, in
one step too. So whoever dies on the way leaves the release in force that was there before. Who writes waits for its
turn; readers need none. The history holds the hash of each ``release.json``, and this those of the other files: a
release that was damaged or changed is told as such and never served.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
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
    """Weights that the evidence was made with."""

    name: str
    sha256: str


class GateOutcome(_Part):
    """A limit that the suite sets, and whether the run keeps it."""

    metric: str
    limit: str = Field(description="as people read it: at least 20")
    value: float | None = Field(description="null: not measured, so not passed")
    passed: bool


class Contest(_Part):
    """The candidate against the release that was in force, on the segments that both have."""

    release: int
    metric: str
    baseline: float = Field(description="of the release that was in force, over those segments")
    value: float = Field(description="of the candidate")
    difference: float
    low: float | None = Field(description="95 % interval of the difference; null: the metric has none")
    high: float | None
    p: float | None
    verdict: str = Field(description="better, worse, no difference shown …")


class Evidence(_Part):
    """What was measured before this configuration was released."""

    values: dict[str, float] = Field(description="over the whole data set; what was not measured is absent")
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict, description="95 %, by metric")
    signatures: dict[str, str] = Field(default_factory=dict, description="how each value was computed")
    gates: tuple[GateOutcome, ...] = ()
    contests: tuple[Contest, ...] = Field(
        (), description="the one that decides first; empty: nothing in force to compare with, or not comparable"
    )
    objections: tuple[str, ...] = Field((), description="what spoke against it, overruled by the reason given")
    clips: int
    failed_clips: int = 0


class Candidate(_Part):
    """A configuration with its evidence, about to become a release."""

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


class Release(Candidate):
    """A configuration as it is or was in production; ``results`` stay on disk, see ``results_of``."""

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
class Difference:
    """Weights that are not on this machine what they were when the release was evaluated; ``found`` is their hash."""

    name: str
    expected: str
    found: str | None
    message: str


def releases_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """``$VTLAB_RELEASES``, else ``releases`` in the working folder."""
    return Path(environment.get("VTLAB_RELEASES") or "releases").expanduser()


# ---------------------------------------------------------------- reading


def current(folder: Path) -> Release | None:
    """The release in force, or ``None`` before the first promotion; costs a look at one file while nothing changes.

    Raises ``ReleaseError`` where it is damaged.
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
    """Every promotion and rollback, the first one first; ``ReleaseError`` names a line that cannot be read."""
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
    """A release that was in force, verified file by file.

    Raises ``ReleaseError`` where it was never in force, is damaged, or has settings that this program does not know.
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


def results_of(release: Release) -> list[str]:
    """The evidence clip by clip, as JSON lines; ``ReleaseError`` where the file was damaged."""
    return _verified(release.folder / RESULTS, release.files[RESULTS], release.number).decode().splitlines()


def verify(release: Release) -> list[Difference]:
    """Weights of the release that are missing here or are others than those evaluated; empty where all is as it was.

    They are looked for as a dub of each evaluated pair of languages looks for them: hashed, not loaded.
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
        differences.append(Difference(weights.name, weights.sha256, here, message))
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


def promote(folder: Path, propose: Callable[[], Candidate]) -> Release:
    """Writes what ``propose`` returns as a new release and puts it in force.

    Promotions and rollbacks wait for each other, and ``propose`` is called when it is this one's turn: the release that
    it finds in force is the one it replaces. What it raises ends the promotion, and nothing has changed.
    """
    with _alone(folder):
        candidate = propose()
        moves = history(folder)
        with _writing(folder):
            release = _write(folder, _next_number(folder, moves), candidate)
            _put_in_force(folder, moves, release, "promotion", candidate.who, candidate.when, candidate.forced)
    return release


def rollback(folder: Path, who: str, when: datetime, reason: str | None = None, to: int | None = None) -> Release:
    """Puts the release in force that was there before the current one, or the one numbered ``to``.

    Twice in a row goes back by two; where ``to`` is in force already, nothing moves. Raises ``ReleaseError`` where
    there is nothing to go back to, or it is damaged.
    """
    with _alone(folder):
        moves = history(folder)
        release = load(folder, to if to is not None else _before(folder, moves))
        if release.number != moves[-1].release:
            with _writing(folder):
                _put_in_force(folder, moves, release, "rollback", who, when, reason)
    return release


def _before(folder: Path, moves: Sequence[Move]) -> int:
    """The number of the release that the one in force replaced, seen without what was rolled back."""
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
    """Above all there are: a folder whose promotion died before it was in force keeps its number."""
    folders = [int(home.name) for home in folder.iterdir() if home.name.isdecimal()]
    return 1 + max([move.release for move in moves] + folders, default=0)


def _write(folder: Path, number: int, candidate: Candidate) -> Release:
    """The release in its folder, whole, but not in force."""
    home = _home(folder, number)
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    settings = candidate.settings
    # sessions name their languages and the server its store
    settings = settings.model_copy(
        update={"source_language": None, "target_language": None, "store": StoreSettings(folder=None)}
    )
    contents = {RESULTS: "".join(f"{line}\n" for line in candidate.results).encode()}
    if settings.translation.glossary is not None:
        try:
            contents[GLOSSARY] = settings.translation.glossary.read_bytes()
        except OSError as error:
            raise _unreadable(settings.translation.glossary, error) from error
        settings = _with_glossary(settings, Path(GLOSSARY))
    contents[SETTINGS] = dump_yaml(settings).encode()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    data = {**candidate.model_dump(mode="json"), "number": number, "files": hashes}
    contents[RELEASE] = (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode()
    for name, content in contents.items():
        _write_file(made / name, content)
    made.chmod(0o755)
    _sync_folder(made)
    made.rename(home)
    _sync_folder(folder)
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
    unfinished = folder / f"{UNFINISHED}{HISTORY}"
    _write_file(unfinished, content.encode())
    unfinished.replace(folder / HISTORY)
    _sync_folder(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """This process's turn to write; what others left unfinished is gone."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _writing(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in folder.glob(f"{UNFINISHED}*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
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


def _write_file(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _sync_folder(folder: Path) -> None:
    """So that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
