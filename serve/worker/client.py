"""The server's side of a worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from serve.worker.protocol import Order, Report, decode, encode

MESSAGE_BYTES = 1 << 24
LOG_BYTES = 10 << 20  # a longer log is moved aside when the process starts


class Worker:
    """Run a worker process, started when it is needed. Used from one event loop."""

    def __init__(self, log: Path) -> None:
        """Prepare a worker; what its libraries print goes to the file `log`."""
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, also after its end; `None` before its start."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        process = self._process
        return process is not None and process is not self._ended and process.returncode is None

    async def start(self) -> None:
        """Start the process; it takes jobs at once and works on them when its imports are done."""
        ours, theirs = socket.socketpair()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_suffix(".old.log"))
        with theirs, self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "serve.worker", str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=MESSAGE_BYTES)

    def send(self, order: Order) -> None:
        """Send an order; nothing happens where the process is gone, which `reports` shows."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(order))

    async def reports(self) -> AsyncGenerator[Report, None]:
        """Yield what the process reports, until it ends."""
        assert self._reader is not None
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (line := await self._reader.readline()).endswith(b"\n"):  # half a line: it was killed meanwhile
                report = decode(line)
                assert isinstance(report, Report)
                yield report

    async def end(self) -> int:
        """Kill the process and its children, if it still runs, and return its exit status."""
        process, writer = self._process, self._writer  # another one may be started before this one is gone
        if process is None:
            return 0
        if self._ended is process:  # its number may be another's by now
            return await process.wait()
        self._ended = process
        # the group stays while any of its processes does, so a killed worker's ffmpeg goes, too
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = await process.wait()
        if writer is not None:
            writer.close()
        return status
