"""Make the items of an iterator ahead of its reader, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

_END = object()


def prefetch(items: Iterable[Item], ahead: int = 1000) -> Generator[Item, None, None]:
    """Yield the same items, made in a thread while the reader is busy, at most ``ahead`` of them in advance.

    What ``items`` raises is raised here. Closed early, it waits until the thread has made the item it is at and has
    closed ``items``: afterwards no thread is left.
    """
    made: queue.Queue[object] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()
    raised: list[BaseException] = []

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            try:
                for item in items:
                    if not put(item):
                        break
            finally:
                if isinstance(items, Generator):
                    items.close()
        except BaseException as error:  # handed to the reader, whatever it is
            raised.append(error)
        finally:
            put(_END)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            yield item  # type: ignore[misc]  # the queue also holds the end mark
        if raised:
            raise raised[0]
    finally:
        stopped.set()
        thread.join()
