"""Write files whole or not at all, lock them, hash them.

A file is written under a hidden name in its own folder, synced to the disk, and renamed. A reader therefore sees the
old content or all of the new one, also after a crash or a power cut.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from vtlab.errors import InputError

BLOCK = 1 << 20
SNIFFED = 4096  # bytes of a file that tell its kind


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def hash_text(text: str, digits: int = 64) -> str:
    """Return the first hexadecimal ``digits`` of the SHA-256 of a text as UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def hash_json(value: Any, digits: int = 64) -> str:
    """Return the first hexadecimal ``digits`` of the SHA-256 of plain data as JSON, whatever the order of its keys."""
    return hash_text(json.dumps(value, sort_keys=True), digits)


def unfinished_name(path: Path) -> Path:
    """Return a hidden path in the folder of ``path`` that no other writer uses."""
    return path.with_name(f".{path.name[:16]}-{os.getpid()}-{threading.get_ident()}-{uuid.uuid4().hex}")


def sync(path: Path) -> None:
    """Flush a file to the disk, or a folder, so that renames in it survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_writer(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file to be written; it appears at ``path``, whole, when the block ends without an error.

    The folder is made where it is missing. Where the block fails, nothing is left and ``path`` stays as it was.

    Args:
        path: Where the file goes; a file there is replaced.
        durable: Whether to sync content and name to the disk. Without it a power cut may leave an empty file.
    """
    unfinished = unfinished_name(path)
    try:
        try:
            file = unfinished.open("xb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = unfinished.open("xb")
        with file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        if durable:
            sync(path.parent)
    except BaseException:
        with suppress(OSError):  # what could not be made cannot be removed either
            unfinished.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, content: bytes | str, *, durable: bool = True) -> Path:
    """Write ``content`` (text as UTF-8) to ``path``, whole, and return ``path``; see ``atomic_writer``."""
    with atomic_writer(path, durable=durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def copy(source: Path, into: BinaryIO) -> str:
    """Copy a file's content into an open file and return its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
            into.write(block)
    return digest.hexdigest()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder to be filled; it appears at ``path`` when the block ends without an error.

    Raises:
        OSError: Another writer was first and its folder is not empty; that folder stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_name(path)
    try:
        unfinished.mkdir()
        yield unfinished
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file or folder, alone among the processes that ask for it.

    The system frees the lock when its holder ends, however that happens. On a file system without locks, a caller that
    waits goes on without one.

    Args:
        path: An existing folder, or a file, made where it is missing.
        wait: Whether to wait for another holder.

    Raises:
        BlockingIOError: Another process holds the lock and ``wait`` is false.
        OSError: The path cannot be opened, or ``wait`` is false and the file system has no locks.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if wait:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def check_kind(file: Path, kind: str, begins: Iterable[bytes]) -> None:
    """Refuse to write a file the user named where another kind of file has that name.

    An empty file, a device and a pipe may be written to. Case and leading white space do not count.

    Args:
        file: The file to be written.
        kind: The kind of file that may be replaced or added to, for the message: ``an HTML page``.
        begins: How a file of that kind may begin, in lower case.

    Raises:
        InputError: ``E_EXISTS``: the file begins otherwise, or cannot be read.
    """
    if not file.is_file():
        return
    try:
        with file.open("rb") as content:
            start = content.read(SNIFFED)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}. Choose another file.", code="E_EXISTS") from error
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    # a file that was cut off may end within its first word
    if start and not any(start.startswith(word) or word.startswith(start) for word in begins):
        raise InputError(
            f"{file} is there already and is not {kind}, so it is left as it is. Choose another file, or move it away.",
            code="E_EXISTS",
        )
