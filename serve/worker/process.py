"""The worker process: it dubs one session at a time and keeps its engines loaded between them.

The server starts `python -m serve.worker DESCRIPTOR` with one end of a socket, over which both sides send the messages
of `serve.worker.protocol`. The process opens no files of other sessions, and ends when the server does, however that
happens.
"""

from __future__ import annotations

import errno
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from serve.worker.protocol import (
    INTERNAL,
    Cancel,
    Detect,
    Detected,
    Dub,
    Failed,
    Job,
    Order,
    Pause,
    Report,
    Resume,
    Stopped,
    Warm,
    decode,
    encode,
)
from serve.worker.upload import hide_folders, open_upload
from vtlab import resources
from vtlab.errors import Cancelled, ResourceError, UserError, VtlabError, redact_output
from vtlab.settings import Settings, settings_from_dict

if TYPE_CHECKING:
    from vtlab.engines.pool import EnginePool

NICE = 5
OUT_OF_MEMORY_FIRST = 500  # where the kernel must end a process, rather a worker than the server
# of a disk that is full, gone or not ours to write to
STORAGE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EEXIST}
)
LATER = "Try again later, or tell its operator."


class Control:
    """Pause, resume and cancel the job under way."""

    def __init__(self) -> None:
        """Begin without an order."""
        self._going = threading.Event()
        self._going.set()
        self._cancelled = threading.Event()
        self._signalling = threading.Lock()  # so that the last signal is that of the last order

    def reset(self) -> None:
        """Forget the orders for the job before."""
        self._cancelled.clear()
        self._going.set()

    def pause(self) -> None:
        """Hold the job and every ffmpeg of it."""
        with self._signalling:
            self._going.clear()
            signal_ffmpeg(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the job go on."""
        with self._signalling:
            self._going.set()
            signal_ffmpeg(signal.SIGCONT)

    def cancel(self) -> None:
        """End the job at its next checkpoint."""
        self._cancelled.set()
        self.resume()

    def checkpoint(self) -> None:
        """Block while the job is paused; raise `Cancelled` where it was cancelled."""
        if not self._going.is_set():
            with self._signalling:
                if not self._going.is_set():
                    signal_ffmpeg(signal.SIGSTOP)  # one that was started just now
            self._going.wait()
        if self._cancelled.is_set():
            raise Cancelled("Cancelled.")


def signal_ffmpeg(number: signal.Signals) -> None:
    """Send a signal to every ffmpeg below this process."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "ffmpeg" in child.name():
                child.send_signal(number)


class WorkerProcess:
    """Read orders in a thread, and work on jobs in the main thread."""

    # What a job needs is imported when one comes: it takes seconds, in which orders must be read.

    def __init__(self, connection: socket.socket) -> None:
        """Prepare a worker for the server at the other end of the connection."""
        self._connection = connection
        self._sending = threading.Lock()
        self._jobs: queue.Queue[Job] = queue.Queue()
        self._control = Control()
        self._pool: EnginePool | None = None

    def run(self) -> None:
        """Work on jobs until the server is gone."""
        threading.Thread(target=self._listen, name="server", daemon=True).start()
        while True:
            job = self._jobs.get()
            match job:
                case Dub():
                    self._dub(job)
                case Detect():
                    self._detect(job)
                case Warm():
                    self._warm(job)

    def _listen(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                order = decode(line)
                assert isinstance(order, Order)
                match order:
                    case Pause():
                        self._control.pause()
                    case Resume():
                        self._control.resume()
                    case Cancel():
                        self._control.cancel()
                    case _:
                        self._control.reset()  # here, not when it is taken up: a cancel may follow at once
                        self._jobs.put(order)
        _exit()  # the server is gone

    def _send(self, report: Report) -> None:
        try:
            with self._sending:
                self._connection.sendall(encode(report))
        except OSError:
            _exit()

    def _dub(self, job: Dub) -> None:
        give_way()
        link = job.folder / "upload" / job.file.name
        with report_failure(job.job, self._send, job.file, link):
            from serve.worker.job import dub

            settings = settings_from_dict(job.settings)
            with open_upload(job.file, link, job.identity) as file:
                done = dub(job, file, settings, self._engines(settings), self._send, self._control.checkpoint)
            self._send(done)

    def _detect(self, job: Detect) -> None:
        link = job.folder / job.file.name
        with report_failure(job.job, self._send, job.file, link):
            from serve.worker.detection import detect

            settings = settings_from_dict(job.settings)
            with open_upload(job.file, link) as file:
                language, confidence = detect(file, settings, self._engines(settings))
            self._send(Detected(job.job, language, confidence))

    def _warm(self, job: Warm) -> None:
        try:
            from serve.worker.detection import borrow_listeners

            settings = settings_from_dict(job.settings)
            with borrow_listeners(settings, self._engines(settings)):
                pass
        except Exception:  # the first session will report what is wrong
            traceback.print_exc()

    def _engines(self, settings: Settings) -> EnginePool:
        from vtlab.engines.pool import EnginePool
        from vtlab.run import memory_budget_mb

        if self._pool is None:
            self._pool = EnginePool()
        self._pool.budget_mb = memory_budget_mb(settings)
        return self._pool


@contextmanager
def report_failure(job: int, send: Callable[[Report], None], *paths: Path) -> Iterator[None]:
    """Report how a job failed, in words for its user, with the names of files for these paths; the process goes on."""
    try:
        yield
    except Cancelled:
        send(Stopped(job))
    except Exception as error:  # a fault of ours must end this session only
        if isinstance(error, UserError) and not isinstance(error, ResourceError):
            send(Failed(job, error.code, hide_folders(str(error), *paths)))
            return
        traceback.print_exc()
        if isinstance(error, ResourceError):  # names folders of the server, and what its operator can do
            send(Failed(job, "E_STORAGE", f"The server has no room for the result. {LATER}"))
        elif isinstance(error, OSError) and error.errno in STORAGE:
            what = os.strerror(error.errno).lower()
            send(Failed(job, "E_STORAGE", f"The server cannot store the result ({what}). {LATER}"))
        else:
            code = error.code if isinstance(error, VtlabError) else "E_INTERNAL"
            send(Failed(job, code, INTERNAL.format(code)))


def give_way() -> None:
    """Let the server, and language detection, run before this process from now on; ffmpeg inherits that."""
    if os.getpriority(os.PRIO_PROCESS, 0) < NICE:  # to go up is not allowed
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def _exit() -> None:
    """End at once, children first: nobody is left who would want what they make."""
    resources.kill_children()
    os._exit(0)


def main() -> None:
    """Run the worker process."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OUT_OF_MEMORY_FIRST))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    redact_output()
    WorkerProcess(socket.socket(fileno=int(sys.argv[1]))).run()
