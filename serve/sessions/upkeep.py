"""Remove what nobody needs any more: folders of sessions, old sessions, old results in the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from serve.sessions.options import Folders, Limits
from serve.sessions.registry import Registry
from serve.worker.artifacts import remove
from vtlab import resources
from vtlab.store.results import Store

STORE_UNUSED_S = 7 * 24 * 3600.0
FORGOTTEN_S = 30 * 24 * 3600.0  # failed and cancelled sessions are known for so long


async def sweep(registry: Registry, folders: Folders, limits: Limits, store: Path, live: Container[str]) -> None:
    """Remove the folders of sessions that ended `limits.keep_s` ago, and what else is old; artifacts stay.

    Args:
        registry: Knows which sessions have ended.
        folders: Of the sessions.
        limits: How much is kept, and how long.
        store: Folder of the store of stage results.
        live: Ids of the sessions under way.
    """
    for session_id in registry.to_sweep(time.time() - limits.keep_s):
        if session_id not in live:
            await asyncio.to_thread(remove, [folders.temp_work / session_id])
            registry.mark_swept(session_id)
    registry.forget(time.time() - FORGOTTEN_S)
    with suppress(OSError):
        await asyncio.to_thread(Store(store).prune, STORE_UNUSED_S, int(limits.store_mb * resources.MB))
