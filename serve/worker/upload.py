"""Uploads, opened once: what was checked is what is read, whatever becomes of its name meanwhile.

The server resolves a path, finds it inside the uploads folder and notes which file lies there. The worker opens that
path later, following no link in any part of it, compares the file with the note, and reads it through the open handle.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve.state import FileIdentity
from vtlab.errors import InputError

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a pipe would wait for its writer
LINKED = frozenset({errno.ELOOP, errno.ENOTDIR})  # of O_NOFOLLOW for a link, and for one in place of a folder


def identify(file: Path) -> FileIdentity | None:
    """Return the identity of the file at a path; `None` where it cannot be looked at."""
    try:
        return FileIdentity.from_stat(file.stat())
    except OSError:
        return None


@contextmanager
def open_upload(file: Path, link: Path, identity: FileIdentity | None = None) -> Iterator[Path]:
    """Open an upload, and yield `link`, a path that reads the open file; child processes can read it, too.

    Args:
        file: An absolute path without links.
        link: A path in a folder that only this server writes; a link into `/proc` during the block.
        identity: The file that is expected at the path; `None`: any.

    Raises:
        InputError: There is no such file any more, it is another one, a link is on its path, or it cannot be read.
    """
    descriptor = _open(file)
    try:
        if identity not in (None, FileIdentity.from_stat(os.fstat(descriptor))):
            raise _replaced(file)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
        try:
            yield link
        finally:
            link.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def hide_folders(message: str, *paths: Path) -> str:
    """Return the message with the names of files for their paths, which are the server's own business."""
    for path in paths:
        message = message.replace(str(path), path.name)
    return message


def _open(file: Path) -> int:
    """Return a descriptor of the file, reached folder by folder without following a link."""
    *folders, name = file.parts[1:]
    at = os.open("/", FOLDER)
    try:
        for part in folders:
            inner = os.open(part, FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(name, FILE, dir_fd=at)
    except FileNotFoundError as error:
        raise InputError(f"{file} is not there any more. Upload it again.", code="E_NO_FILE") from error
    except OSError as error:
        if error.errno in LINKED:
            raise _replaced(file) from error
        raise InputError(f"{file} cannot be read: {error.strerror}.", code="E_UNREADABLE") from error
    finally:
        os.close(at)


def _replaced(file: Path) -> InputError:
    return InputError(f"{file} was replaced. Upload it again.", code="E_NO_FILE")
