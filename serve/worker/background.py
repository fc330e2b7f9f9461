"""Run work in a thread during a dub; it ends with the dub and never makes it fail."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vtlab.errors import Cancelled, VtlabError

Checkpoint = Callable[[], None]
"""Called now and then by work under way; may block, or raise `Cancelled`."""


class BackgroundTask:
    """Do one piece of work in a thread of its own.

    Attributes:
        problem: What went wrong in it, for people; `None` where nothing did.
    """

    def __init__(self, name: str, checkpoint: Checkpoint) -> None:
        """Prepare a thread of that name, whose work the checkpoint may end."""
        self.problem: str | None = None
        self._name, self._checkpoint = name, checkpoint
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    @property
    def started(self) -> bool:
        """Whether the work was started."""
        return self._thread is not None

    def start(self, work: Callable[[Checkpoint], None]) -> None:
        """Run `work` in a thread; it must call the checkpoint that it is given."""
        self._thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
        self._thread.start()

    @contextmanager
    def join_at_exit(self) -> Iterator[None]:
        """Wait for the work at the end of the block, where it was started; stop it where the block fails."""
        try:
            yield
        except BaseException:
            self._ended.set()
            raise
        finally:
            if self._thread is not None:
                self._thread.join()

    def _run(self, work: Callable[[Checkpoint], None]) -> None:
        try:
            work(self._check)
        except Cancelled:
            pass
        except (VtlabError, OSError) as error:
            self.problem = str(error)
        except Exception:  # a fault of ours is no reason for the dub to fail either
            traceback.print_exc()
            self.problem = f"something went wrong inside the server ({self._name})"

    def _check(self) -> None:
        if self._ended.is_set():
            raise Cancelled("The dub ended.")
        self._checkpoint()
