"""The NestJS client (``gateway.js``) and a server, each a process of its own, as tests drive them."""

from __future__ import annotations

import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "serve" / "rpc" / "translation.proto"
HANGS_S = 300  # nothing takes so long; only to end a hang

Message = dict[str, Any]


class Call:
    """A call under way: its ``messages`` so far and when they came (``times``, ms since the call), and how it ended."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.times: list[float] = []
        self.error: Message | None = None
        self.ended = False
        self._changed = threading.Condition()

    def take(self, line: Message) -> None:
        with self._changed:
            if "message" in line:
                self.messages.append(line["message"])
                self.times.append(line["ms"])
            else:
                self.error = line.get("error")
                self.ended = True
            self._changed.notify_all()

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The first message that is ``wanted``, now or later; fails where the call ends without it."""
        seen = 0
        with self._changed:
            while True:
                for message in self.messages[seen:]:
                    if wanted(message):
                        return message
                seen = len(self.messages)
                assert not self.ended, f"ended by {self.error} after {self.messages[-1:]}"
                assert self._changed.wait(HANGS_S), f"nothing came for {HANGS_S} s"

    def end(self) -> Call:
        """Waits for the end."""
        with self._changed:
            while not self.ended:
                assert self._changed.wait(HANGS_S), f"nothing came for {HANGS_S} s"
        return self

    def answer(self) -> Message:
        """The one message of a call that must not fail."""
        self.end()
        assert self.error is None, self.error
        (message,) = self.messages
        return message


class Gateway:
    """The client's process; ``trace`` are the lines that gRPC writes about its connection, where it was asked to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._calls: dict[int, Call] = {}
        self._ids = itertools.count(1)
        self._known: queue.Queue[list[str]] = queue.Queue()
        self.trace: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_trace, daemon=True).start()
        self.methods = self._known.get(timeout=HANGS_S)

    def call(self, method: str, **request: Any) -> Call:
        number, call = next(self._ids), Call()
        self._calls[number] = call
        self._tell({"id": number, "call": method, "request": request})
        return call

    def drop(self, call: Call) -> None:
        """Ends a call as a gateway does that dies."""
        (number,) = (number for number, one in self._calls.items() if one is call)
        self._tell({"id": number, "drop": True})

    def _tell(self, line: Message) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            if "methods" in line:
                self._known.put(line["methods"])
            else:
                self._calls[line["id"]].take(line)

    def _read_trace(self) -> None:
        assert self._process.stderr is not None
        self.trace.extend(iter(self._process.stderr.readline, ""))


@contextmanager
def gateway(port: int, proto: Path = PROTO, environment: Mapping[str, str] = os.environ) -> Iterator[Gateway]:
    """A running client of the server on that port of this machine."""
    process = subprocess.Popen(
        ["node", "gateway.js", str(proto), f"localhost:{port}"],
        cwd=HERE,
        env={**environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Gateway(process)
    finally:
        process.kill()
        process.wait()


class Server:
    """``vtlab serve`` in a folder; started again, it listens on the same port."""

    def __init__(self, folder: Path) -> None:
        self.uploads, self.artifacts, self.temp_work = (folder / name for name in ("uploads", "artifacts", "temp_work"))
        self.uploads.mkdir(parents=True)
        self.releases = folder / "releases"
        self.port = 0
        self.log = folder / "log.jsonl"
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "UPLOADS_DIR": str(self.uploads),
            "ARTIFACTS_DIR": str(self.artifacts),
            "TEMP_WORK_DIR": str(self.temp_work),
            "GRPC_PORT": str(self.port),
            "VTLAB_STORE": str(self._folder / "store"),
            "VTLAB_RELEASES": str(self.releases),
            "LOG_FILE": str(self.log),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vtlab", "serve"],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            listening = re.search(r"Listening on port (\d+)", line)
            if listening:
                self.port = int(listening[1])
                return
        raise AssertionError(f"vtlab serve ended with {self._process.wait()}: {''.join(said)}")

    def kill(self) -> list[psutil.Process]:
        """``kill -9``; returns its workers, which are left to find out."""
        assert self._process is not None
        workers = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        return workers

    def stop(self) -> int:
        """Asks it to end, as an operator does; returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(HANGS_S)
        finally:
            self._process.kill()


def older(proto: Path = PROTO) -> str:
    """The text of the proto as older clients have it: without what was added later."""
    text = proto.read_text(encoding="utf-8")
    text = re.sub(r"message LogEntry \{.*?\n\}\n", "", text, flags=re.DOTALL)

    def without(message: str, numbers: range) -> str:
        fields = "|".join(map(str, numbers))
        return re.sub(
            rf"message {message} \{{.*?\n\}}\n",
            lambda found: re.sub(rf"^  [\w ]+ = ({fields});\n", "", found[0], flags=re.MULTILINE),
            text,
            flags=re.DOTALL,
        )

    text = without("TranslationRequest", range(5, 6))
    return without("TranslationProgress", range(14, 25))


def wait_for(true: Callable[[], bool]) -> None:
    """Waits until it is true."""
    until = time.monotonic() + HANGS_S
    while not true():
        assert time.monotonic() < until, f"not within {HANGS_S} s"
        time.sleep(0.02)
