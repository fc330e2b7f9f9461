"""Files that others see: whole under their names, or not at all."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)


def unfinished(path: Path) -> Path:
    """Where a file lies on its way to its name."""
    return path.with_name(f".{path.name}.part")


def publish(made: Path, to: Path) -> None:
    """Moves a finished file to its name, across file systems too: who looks sees all of it or nothing."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.move(made, unfinished(to))
        unfinished(to).replace(to)
    except BaseException:
        unfinished(to).unlink(missing_ok=True)
        raise


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders; one that cannot be removed is told in the log, and ends nothing."""
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
