"""The worker process and the server's side of it, where a whole session would show nothing, or too rarely."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from serve.worker import process as worker
from serve.worker.process import NICE, Message, Worker
from vtlab.errors import InputError, ResourceError


def test_who_goes_on_at_the_very_moment_of_a_pause_is_not_left_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    signals: list[signal.Signals] = []
    stopping = threading.Event()

    def slowly(number: signal.Signals) -> None:
        if number == signal.SIGSTOP:
            stopping.set()
            time.sleep(0.05)  # the children are looked for
        signals.append(number)

    monkeypatch.setattr(worker, "_signal_ffmpeg", slowly)
    control = worker._Control()
    control.pause()
    stopping.clear()
    at_work = threading.Thread(target=control.checkpoint)
    at_work.start()
    assert stopping.wait(60)
    control.resume()
    at_work.join(60)
    assert signals[-1] == signal.SIGCONT


@pytest.mark.parametrize("before", [0, NICE, NICE + 5])
def test_it_gives_way_and_never_asks_for_more(before: int) -> None:
    code = (
        "import os; from serve.worker.process import _give_way; _give_way(); print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run(
        ["nice", "-n", str(before), sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == min(19, max(os.getpriority(os.PRIO_PROCESS, 0) + before, NICE))


def told(error: BaseException, file: Path) -> Message:
    sent: list[Message] = []

    def send(what: str, **message: Any) -> None:
        sent.append({"is": what, **message})

    with worker._Process._told(None, send, file):  # type: ignore[arg-type]  # it asks nothing of the process
        raise error
    (message,) = sent
    return message


def test_a_file_that_cannot_be_looked_for_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(self: Path, **how: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", stat)
    message = told(InputError("a.mp4 cannot be read: Permission denied.", code="E_UNREADABLE"), tmp_path / "a.mp4")
    assert message == {"is": "failed", "code": "E_UNREADABLE", "message": "a.mp4 cannot be read: Permission denied."}


def test_folders_of_the_server_are_not_told(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.touch()
    message = told(ResourceError(f"{tmp_path}/out has 1 MB free and about 900 MB are needed."), file)
    assert message["code"] == "E_STORAGE"
    assert str(tmp_path) not in message["message"]
    assert "no room" in message["message"]


def test_half_a_line_is_the_end_of_a_worker(tmp_path: Path) -> None:
    async def heard() -> list[Message]:
        reader = asyncio.StreamReader()
        reader.feed_data(b'{"is": "ready"}\n{"is": "done", "pat')
        reader.feed_eof()
        made = Worker(tmp_path / "1.log")
        made._reader = reader
        return [message async for message in made.messages()]

    assert asyncio.run(heard()) == [{"is": "ready"}]


def test_a_long_log_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOG_BYTES", 10)
    log = tmp_path / "1.log"
    log.write_bytes(b"what libraries print")

    async def begun() -> None:
        made = Worker(log)
        await made.start()
        await made.end()

    asyncio.run(begun())
    assert (tmp_path / "1.old.log").read_bytes() == b"what libraries print"
    assert b"what libraries print" not in log.read_bytes()
