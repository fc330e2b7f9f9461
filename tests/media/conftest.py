"""Files of all formats, each made once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from media_files import FORMATS, ffmpeg


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A file of ``FORMATS`` by its name, made once."""
    folder = tmp_path_factory.mktemp("formats")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            ffmpeg(*FORMATS[name], path)
        return path

    return make
