"""What tests of whole dubs share: loaded engines, and one dub made before."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from dubbing import PEOPLE, Dubbing
from hypothesis import settings

from vtlab.engines.pool import EnginePool
from vtlab.outputs import Dub

# how long an example takes says more of the machine than of the code
settings.register_profile("vtlab", deadline=None)
settings.load_profile("vtlab")


@pytest.fixture(scope="session")
def pool() -> EnginePool:
    """Engines loaded once for all tests of whole dubs."""
    return EnginePool()


@pytest.fixture(scope="session")
def sentences(pool: EnginePool, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dubbing, Dub]:
    """A video of several lines, dubbed once; its store is not to be damaged."""
    folder = tmp_path_factory.mktemp("sentences")
    dubbing = Dubbing(folder / "store", folder / "out", pool, PEOPLE / "sentences_pt.mp4", ("pt", "en"))
    return dubbing, dubbing.run()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fails where a test leaves threads of a dub behind; a loaded Firefox model keeps its own thread."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if not thread.name.startswith("firefox")]
    assert left == []
