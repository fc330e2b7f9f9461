"""Results by their key: get, put, list, prune.

A key is the stage's name and the hash of everything the result depends on, so an entry never grows stale: it is right
or it is not looked up. An entry is written under a name unique to its writer and renamed, and carries the hash of its
content, verified whenever it is read. A process that dies at any moment, a full disk or a damaged file therefore lead
to a miss, never to a wrong answer; several processes may share a store.

Layout: ``<stage>/<2 hex digits>/<64 hex digits>.<kind>``, where the kind is ``json``, ``audio`` or ``file``. An entry
of kind ``file`` names the content's own file, which stands beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vtlab import resources
from vtlab.audio import Audio
from vtlab.errors import ResourceError
from vtlab.files import atomic_writer, copy, hash_text, sha256_of
from vtlab.settings import StoreSettings

FORMAT = 1  # of the entries on disk; part of every key, so that another format is another entry
MARK = b"vtlab-store "
HASH_DIGITS = 64
OWN_NAME = re.compile(r"[0-9a-f]{64}\.(json|audio|file|[0-9a-f]{16}(\.\w+)?)")
UNFINISHED_NAME = re.compile(r"\.[0-9a-f]{16}-\d+-\d+-[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """One result on disk: its stage, files, size in bytes, and when it was last put or got (seconds since 1970)."""

    stage: str
    digest: str
    files: tuple[Path, ...]
    size: int
    used: float


def store_folder(settings: StoreSettings, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the settings, else ``$VTLAB_STORE``, else the user's cache."""
    if settings.folder is not None:
        return settings.folder.expanduser()
    if environment.get("VTLAB_STORE"):
        return Path(environment["VTLAB_STORE"]).expanduser()
    return resources.cache_home(environment) / "store"


class Store:
    """Results of stages in a folder, which is made by the first put. Safe for threads and for several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def from_settings(cls, settings: StoreSettings) -> Store:
        """Return the store that the settings and the environment name."""
        return cls(store_folder(settings))

    def key(self, stage: str, *parts: Any) -> str:
        """Return the key of a result.

        Equal parts give equal keys in every process; tuples count as lists.

        Args:
            stage: What made it.
            parts: All that it depends on, the stage's version among it, as JSON can write it.

        Raises:
            TypeError: A part that JSON cannot write, such as a set.
            ValueError: A part that is not a number (NaN), or a stage that is no word.
        """
        if not re.fullmatch(r"\w+", stage):
            raise ValueError(f"A stage is named by letters, digits and underscores, not {stage!r}")
        canonical = json.dumps([FORMAT, stage, parts], sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"{stage}/{hash_text(canonical)}"

    def get_json(self, key: str) -> Any:
        """Return what ``put_json`` kept, or ``None``."""
        content = self._read(self._path(key, "json"))
        return None if content is None else json.loads(content)

    def put_json(self, key: str, value: Any) -> None:
        """Keep a value other than ``None`` that JSON can write; tuples come back as lists, floats exactly."""
        if value is None:
            raise ValueError("None stands for a result that is not there and cannot be kept")
        self._write(self._path(key, "json"), json.dumps(value, ensure_ascii=False).encode())

    def get_audio(self, key: str) -> Audio | None:
        """Return what ``put_audio`` kept, exact to the bit, or ``None``."""
        content = self._read(self._path(key, "audio"))
        if content is None:
            return None
        head, _, samples = content.partition(b"\n")
        about = json.loads(head)
        # a copy, since an array over bytes cannot be written to and its owner may want to
        return Audio(np.frombuffer(samples, "<f4").reshape(about["shape"]).astype(np.float32), about["rate"])

    def put_audio(self, key: str, audio: Audio) -> None:
        """Keep a sound."""
        head = json.dumps({"rate": audio.rate, "shape": audio.samples.shape})
        samples = np.ascontiguousarray(audio.samples, dtype="<f4")
        self._write(self._path(key, "audio"), head.encode() + b"\n" + samples.tobytes())

    def get_file(self, key: str) -> Path | None:
        """Return the kept file, to be read and not changed, or ``None``."""
        path = self._path(key, "file")
        content = self._read(path)
        if content is None:
            return None
        about = json.loads(content)
        kept: Path = path.parent / about["name"]
        try:
            if sha256_of(kept) == about["sha256"]:
                os.utime(kept)
                return kept
        except FileNotFoundError:
            pass
        path.unlink(missing_ok=True)
        kept.unlink(missing_ok=True)
        return None

    def put_file(self, key: str, source: Path, suffix: str) -> Path:
        """Keep a copy of ``source`` under a name that ends in ``suffix`` (``.flac``); return the copy's path."""
        path = self._path(key, "file")
        digest = sha256_of(source)
        # named by its content: when two processes put different files under one key, neither's is mixed with the
        # other's entry
        kept = path.parent / f"{path.stem}.{digest[:16]}{suffix}"
        try:
            with atomic_writer(kept) as file:  # synced: one large result of a whole stage, worth the wait
                copy(source, file)
        except OSError as error:
            raise self._unwritable(error) from error
        self._write(path, json.dumps({"name": kept.name, "sha256": digest}).encode())
        return kept

    def entries(self) -> Iterator[Entry]:
        """Yield all that is kept, in no particular order."""
        for shard in self.folder.glob("*/[0-9a-f][0-9a-f]"):
            by_digest: dict[str, list[Path]] = {}
            for path in _list_folder(shard):
                if OWN_NAME.fullmatch(path.name):  # a folder named by mistake holds files of the user
                    by_digest.setdefault(path.name[:HASH_DIGITS], []).append(path)
            for digest, paths in by_digest.items():
                with contextlib.suppress(FileNotFoundError):  # another process prunes at the same time
                    statuses = [path.stat() for path in paths]
                    size, used = sum(s.st_size for s in statuses), max(s.st_mtime for s in statuses)
                    yield Entry(shard.parent.name, digest, tuple(sorted(paths)), size, used)

    def prune(
        self, older_than_s: float | None = None, max_bytes: int | None = None, now: float | None = None
    ) -> list[Entry]:
        """Delete what ``to_evict`` chooses, and what dead processes left unfinished; return the entries deleted."""
        now = time.time() if now is None else now
        evicted = to_evict(self.entries(), now, older_than_s, max_bytes)
        self._delete(evicted)
        for path in self.folder.glob("*/[0-9a-f][0-9a-f]/.*"):
            if not UNFINISHED_NAME.fullmatch(path.name):
                continue
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > resources.ABANDONED_S:
                    path.unlink()
        return evicted

    def clear(self) -> list[Entry]:
        """Delete every entry; return them."""
        entries = list(self.entries())
        self._delete(entries)
        return entries

    def _delete(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            # the entry goes before the file that it names: read in between, it is a miss
            for path in sorted(entry.files, key=lambda path: path.suffix != ".file"):
                path.unlink(missing_ok=True)

    def _path(self, key: str, kind: str) -> Path:
        stage, _, digest = key.partition("/")
        return self.folder / stage / digest[:2] / f"{digest}.{kind}"

    def _read(self, path: Path) -> bytes | None:
        try:
            whole = path.read_bytes()
        except FileNotFoundError:
            return None
        start = len(MARK) + HASH_DIGITS + 1
        head, content = whole[:start], whole[start:]
        if head != _head(content):
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(FileNotFoundError, PermissionError):  # pruned just now; a store of somebody else
            os.utime(path)
        return content

    def _write(self, path: Path, content: bytes) -> None:
        # not synced to the disk: that is 3 ms for each of hundreds of entries, and what a power cut loses or tears is
        # found by its hash and made again
        try:
            with atomic_writer(path, durable=False) as file:
                file.write(_head(content))
                file.write(content)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ResourceError:
        if error.errno in resources.FULL:
            return ResourceError(
                f"The disk of the store {self.folder} is full. Free some space, run 'vtlab store prune --max-size 1GB' "
                "or choose another folder with VTLAB_STORE; what was kept so far is sound and will be used again."
            )
        return ResourceError(
            f"The store {self.folder} cannot be written: {error.strerror}. Choose another folder with VTLAB_STORE."
        )


def to_evict(
    entries: Iterable[Entry], now: float, older_than_s: float | None = None, max_bytes: int | None = None
) -> list[Entry]:
    """Return the entries to delete: those unused for too long, and those unused longest beyond a size.

    Args:
        entries: All that is kept.
        now: Seconds since 1970.
        older_than_s: How long an entry may be unused.
        max_bytes: The size that all others may have.

    What is kept was used later than all that goes for its size, so equal stores are pruned equally.
    """
    evicted: list[Entry] = []
    total = 0
    for entry in sorted(entries, key=lambda entry: (-entry.used, entry.stage, entry.digest)):
        total += entry.size
        too_old = older_than_s is not None and now - entry.used > older_than_s
        if too_old or (max_bytes is not None and total > max_bytes):
            evicted.append(entry)
    return evicted


def _head(content: bytes) -> bytes:
    return MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"


def _list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
