"""The server's side of a worker process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serve.worker import client
from serve.worker.client import Worker
from serve.worker.protocol import Report, Stopped, encode


def test_half_a_line_is_the_end_of_a_worker(tmp_path: Path) -> None:
    async def heard() -> list[Report]:
        reader = asyncio.StreamReader()
        reader.feed_data(encode(Stopped(1)) + b'{"is": "Done", "pat')
        reader.feed_eof()
        made = Worker(tmp_path / "1.log")
        made._reader = reader
        return [report async for report in made.reports()]

    assert asyncio.run(heard()) == [Stopped(1)]


def test_a_long_log_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LOG_BYTES", 10)
    log = tmp_path / "1.log"
    log.write_bytes(b"what libraries print")

    async def begun() -> None:
        made = Worker(log)
        await made.start()
        await made.end()

    asyncio.run(begun())
    assert (tmp_path / "1.old.log").read_bytes() == b"what libraries print"
    assert b"what libraries print" not in log.read_bytes()
