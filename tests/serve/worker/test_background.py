from __future__ import annotations

import threading

import pytest

from serve.worker.background import BackgroundTask, Checkpoint
from vtlab.errors import Cancelled, InputError


def raising(error: BaseException) -> object:
    def work(checkpoint: Checkpoint) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (InputError("There is no sound."), "There is no sound."),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ValueError("need at least one array"), "something went wrong inside the server (preview)"),
        (Cancelled("Cancelled."), None),
    ],
)
def test_what_goes_wrong_is_kept(error: BaseException, problem: str | None) -> None:
    task = BackgroundTask("preview", lambda: None)
    with task.join_at_exit():
        task.start(raising(error))  # type: ignore[arg-type]
    assert task.problem == problem


def test_the_work_is_whole_after_the_block() -> None:
    done: list[int] = []
    task = BackgroundTask("numbers", lambda: None)
    assert not task.started
    with task.join_at_exit():
        task.start(lambda checkpoint: done.extend(range(1000)))
    assert task.started
    assert len(done) == 1000


def test_it_stops_where_the_block_fails() -> None:
    def endless(checkpoint: Checkpoint) -> None:
        while True:
            checkpoint()

    task = BackgroundTask("endless", lambda: None)
    with pytest.raises(RuntimeError, match="the dub failed"), task.join_at_exit():
        task.start(endless)
        raise RuntimeError("the dub failed")
    assert "endless" not in {thread.name for thread in threading.enumerate()}
