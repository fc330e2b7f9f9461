"""A process that dubs one session at a time and keeps its engines loaded between them.

The server starts it with one end of a socket; both sides send lines of JSON. ``Worker`` is the server's side,
``python -m serve.worker DESCRIPTOR`` the process itself. It asks for no other session's files, and ends when the server
does, however that happens.

To the worker: ``dub``, ``pause``, ``resume``, ``cancel``, ``detect``, ``warm``. From it: ``ready``; while it dubs
``opened``, ``event``, ``line``, ``preview``; at the end of a job one of ``done``, ``failed``, ``cancelled``,
``detected``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import queue
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import resources
from vtlab.errors import Cancelled, InputError, ResourceError, UserError, VtlabError, redact_output
from vtlab.events import Event, Finding, Found, Log, SegmentDone, Severity, StageFinished, StageStarted, event_to_json

if TYPE_CHECKING:
    from serve.worker.preview import EarlyPreview
    from serve.worker.quality import Judge
    from vtlab.engines.pool import EnginePool
    from vtlab.outputs import Dub
    from vtlab.segments import PlacedSegment, Segment, SpokenSegment, TranslatedSegment
    from vtlab.settings import Settings

Message = dict[str, Any]
Send = Callable[..., None]

MESSAGE_BYTES = 1 << 24
LOG_BYTES = 10 << 20  # a log of what libraries print that is longer is begun anew
DETECTED_S = 30.0  # of speech, the most that is listened to for the language
SEARCHED_S = 900.0  # of sound, in which that speech is looked for …
LOOKED_S = 30.0  # … so much at a time
NICE = 5
OUT_OF_MEMORY_FIRST = 500  # where the kernel must end a process, rather a worker than the server
EVENTS = {kind.__name__: kind for kind in (StageStarted, SegmentDone, StageFinished, Log)}
# of a disk that is full, gone or not ours to write to
STORAGE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EEXIST}
)
LATER = "Try again later, or tell its operator."
INTERNAL = "Something went wrong inside the server ({}). Try again; its operator finds more in the log of the worker."


class Worker:
    """The server's side of a worker process; ``log`` is the file for what its libraries print."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        process = self._process
        return process is not None and process is not self._ended and process.returncode is None

    async def start(self) -> None:
        """Starts the process; it is ready for jobs when its first message says so, and takes them before."""
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

    def send(self, do: str, **what: Any) -> None:
        """Nothing happens where the process is gone: ``messages`` tells that."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps({"do": do, **what}).encode() + b"\n")

    async def messages(self) -> AsyncGenerator[Message, None]:
        """What the process says, until it ends."""
        assert self._reader is not None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (line := await self._reader.readline()).endswith(b"\n"):  # half a line: it was killed as it spoke
                yield json.loads(line)

    async def end(self) -> int:
        """Kills the process and its children, if it still runs; returns its exit status."""
        process, writer = self._process, self._writer  # another one may be started before this one is gone
        if process is None:
            return 0
        if self._ended is process:  # its number may be another's by now
            return await process.wait()
        self._ended = process
        # the group stays while any of its processes does, so a killed worker's ffmpeg goes, too
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = await process.wait()
        if writer is not None:
            writer.close()
        return status


def event_from_json(data: Message) -> Event:
    """What ``event_to_json`` made."""
    fields = {name: value for name, value in data.items() if name not in ("event", "time")}
    if data["event"] == Found.__name__:
        finding = fields["finding"]
        return Found(Finding(**{**finding, "severity": Severity(finding["severity"])}))
    event: Event = EVENTS[data["event"]](**fields)
    return event


# ---------------------------------------------------------------- the process


class _Control:
    """Whether the job may go on."""

    def __init__(self) -> None:
        self._going = threading.Event()
        self._going.set()
        self._cancelled = threading.Event()
        self._signalling = threading.Lock()  # so that the last signal is that of the last word

    def begin(self) -> None:
        self._cancelled.clear()
        self._going.set()

    def pause(self) -> None:
        with self._signalling:
            self._going.clear()
            _signal_ffmpeg(signal.SIGSTOP)

    def resume(self) -> None:
        with self._signalling:
            self._going.set()
            _signal_ffmpeg(signal.SIGCONT)

    def cancel(self) -> None:
        self._cancelled.set()
        self.resume()

    def checkpoint(self) -> None:
        """Blocks while paused; raises ``Cancelled``."""
        if not self._going.is_set():
            with self._signalling:
                if not self._going.is_set():
                    _signal_ffmpeg(signal.SIGSTOP)  # one that was started just now
            self._going.wait()
        if self._cancelled.is_set():
            raise Cancelled("Cancelled.")


def _signal_ffmpeg(number: signal.Signals) -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "ffmpeg" in child.name():
                child.send_signal(number)


class _Process:
    """The worker process: a thread reads what the server wants, the main thread works."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._jobs: queue.Queue[Message] = queue.Queue()
        self._control = _Control()
        self._pool: EnginePool | None = None

    def run(self) -> None:
        threading.Thread(target=self._listen, name="server", daemon=True).start()
        self._send("ready")
        while True:
            job = self._jobs.get()
            match job["do"]:
                case "dub":
                    self._dub(job)
                case "detect":
                    self._detect(job)
                case "warm":
                    self._warm(job)

    def _listen(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                match message["do"]:
                    case "pause":
                        self._control.pause()
                    case "resume":
                        self._control.resume()
                    case "cancel":
                        self._control.cancel()
                    case _:
                        self._control.begin()  # here, not when it is taken up: a cancel may follow at once
                        self._jobs.put(message)
        _end()  # the server is gone

    def _send(self, what: str, **message: Any) -> None:
        """``job``, in all but ``ready``, is the number that the server gave the job: it knows what comes late."""
        data = json.dumps({"is": what, **message}).encode() + b"\n"
        try:
            with self._sending:
                self._connection.sendall(data)
        except OSError:
            _end()

    # ------------------------------------------------------------ jobs

    def _dub(self, job: Message) -> None:
        send = partial(self._send, job=job["job"])
        _give_way()
        with self._told(send, Path(job["file"])):
            send("done", **self._dubbed(job, send))

    @contextlib.contextmanager
    def _told(self, send: Send, file: Path) -> Iterator[None]:
        """Tells how a job on ``file`` failed; this process goes on."""
        try:
            yield
        except Cancelled:
            send("cancelled")
        except Exception as error:  # a fault of ours must end this session only
            if _is_gone(file):
                send("failed", code="E_NO_FILE", message=f"{file.name} is not there any more. Upload it again.")
                return
            if isinstance(error, UserError) and not isinstance(error, ResourceError):
                send("failed", code=error.code, message=str(error))
                return
            traceback.print_exc()
            if isinstance(error, ResourceError):  # names folders of the server, and what its operator can do
                send("failed", code="E_STORAGE", message=f"The server has no room for the result. {LATER}")
                return
            if isinstance(error, OSError) and error.errno in STORAGE:
                what = os.strerror(error.errno).lower()
                send("failed", code="E_STORAGE", message=f"The server cannot store the result ({what}). {LATER}")
                return
            code = error.code if isinstance(error, VtlabError) else "E_INTERNAL"
            send("failed", code=code, message=INTERNAL.format(code))

    def _dubbed(self, job: Message, send: Send) -> Message:
        from serve.worker.preview import EarlyPreview
        from serve.worker.quality import Judge
        from vtlab.pipeline import dub
        from vtlab.settings import settings_from_dict

        session_id, file = job["session_id"], Path(job["file"])
        settings = settings_from_dict(job["settings"])
        folder, artifacts = Path(job["folder"]), Path(job["artifacts"])
        checkpoint = self._control.checkpoint
        if file.resolve() != file:  # a link was put in its place while the session waited
            raise InputError(f"{file.name} was replaced. Upload it again.", code="E_NO_FILE")
        preview = EarlyPreview(
            file,
            settings,
            artifacts / f"{session_id}_early_preview.mp4",
            folder / "early",
            checkpoint,
            lambda path: send("preview", path=str(path)),
        )
        judge = Judge(file, settings, checkpoint)
        threading.Thread(target=_tell_length, args=(file, send), daemon=True).start()
        with preview.under_way(), judge.under_way():
            made = dub(
                file,
                settings=settings,
                out=folder / "out",
                on_event=_Heard(send, preview, judge),
                checkpoint=checkpoint,
                on_segment=_Lines(send, preview, judge),
                pool=self._engines(settings),
                overwrite=True,  # the session's own folder
            )
        record = made.record
        pieces, more = self._pieces(made, folder / "previews")
        quality, absent = judge.quality(made)
        if preview.problem is not None:
            more["no-preview"] = f"There is no early preview: {preview.problem}"
        checkpoint()
        paths = publish_result(made, artifacts, session_id)
        (folder / "dub.json").write_bytes(made.record_file.read_bytes())
        shutil.rmtree(folder / "out", ignore_errors=True)
        return {
            "paths": {kind: str(path) for kind, path in paths.items()},
            "duration_s": record.source.seconds,
            "output_bytes": paths["output"].stat().st_size,
            "original_bytes": file.stat().st_size,
            "quality": None if quality is None else asdict(quality),
            "absent": absent,
            "pieces": pieces,
            "more": more,
        }

    def _pieces(self, made: Dub, folder: Path) -> tuple[list[str], dict[str, str]]:
        """Their names; or none, and why: they are no reason for a dub to fail."""
        from serve.worker.preview import cut_pieces

        try:
            return cut_pieces(made.media, folder, self._control.checkpoint), {}
        except Cancelled:
            raise
        except VtlabError as error:
            return [], {"no-pieces": f"There are no segment previews: {error}"}

    def _warm(self, job: Message) -> None:
        from vtlab.settings import settings_from_dict

        try:
            import vtlab.pipeline  # noqa: F401  # takes a second or two, before anybody waits for it

            settings = settings_from_dict(job["settings"])
            _recogniser(settings, self._engines(settings))
        except Exception:  # the first session will tell its user what is wrong
            traceback.print_exc()

    def _detect(self, job: Message) -> None:
        from vtlab.settings import settings_from_dict

        send = partial(self._send, job=job["job"])
        with self._told(send, Path(job["file"])):
            settings = settings_from_dict(job["settings"])
            language, confidence = detect(Path(job["file"]), settings, self._engines(settings))
            send("detected", language=language, confidence=confidence)

    def _engines(self, settings: Settings) -> EnginePool:
        from vtlab.engines.pool import EnginePool
        from vtlab.run import memory_budget_mb

        if self._pool is None:
            self._pool = EnginePool()
        self._pool.budget_mb = memory_budget_mb(settings)
        return self._pool


def _is_gone(file: Path) -> bool:
    """Whether there is no such file; one that cannot be looked for may be there."""
    try:
        return not file.exists()
    except OSError:
        return False


def _give_way() -> None:
    """From now on the server, and who asks for a language, come before this process; ffmpeg inherits it."""
    if os.getpriority(os.PRIO_PROCESS, 0) < NICE:  # to go up is not allowed
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def _tell_length(file: Path, send: Send) -> None:
    from vtlab import media

    with contextlib.suppress(VtlabError):  # which the dub itself will say
        send("opened", seconds=media.probe(file).duration_s)


class _Heard:
    """Tells the server of events, the preview of the last line, and the judge that all are at their places."""

    def __init__(self, send: Send, preview: EarlyPreview, judge: Judge) -> None:
        self._send, self._preview, self._judge = send, preview, judge

    def __call__(self, event: Event) -> None:
        self._send("event", event=event_to_json(event))
        match event:
            case StageFinished(stage="tts"):
                self._preview.finish()
            case StageFinished(stage="audio_sync"):
                self._judge.begin()


class _Lines:
    """Tells the server how far into the video each stage has come, the preview what is spoken, the judge where."""

    def __init__(self, send: Send, preview: EarlyPreview, judge: Judge) -> None:
        self._send, self._preview, self._judge = send, preview, judge

    def __call__(self, line: Segment | TranslatedSegment | SpokenSegment | PlacedSegment) -> None:
        from vtlab.segments import PlacedSegment, SpokenSegment, TranslatedSegment

        if isinstance(line, PlacedSegment):
            self._judge.add(line)
            return
        if isinstance(line, SpokenSegment):
            self._preview.add(line)
            stage, source = "tts", line.source.source
        elif isinstance(line, TranslatedSegment):
            stage, source = "translation", line.source
        else:
            stage, source = "transcription", line
        self._send("line", stage=stage, end_s=source.end)


def _end() -> None:
    """At once, children first: nobody is left who would want what they make."""
    resources.kill_children()
    os._exit(0)


# ---------------------------------------------------------------- what jobs are made of


def detect(file: Path, settings: Settings, pool: EnginePool) -> tuple[str, float]:
    """The language of the first 30 s that hold speech, and how probable it is; reads no more than it needs.

    Raises a ``UserError`` where the file cannot be read or nobody speaks in its first ``SEARCHED_S``.
    """
    import numpy as np

    from vtlab import media
    from vtlab.audio import Audio, cut
    from vtlab.segments import Interval
    from vtlab.stages import audio_extraction, transcription

    info = media.probe(file)
    extraction = audio_extraction.extract(info, settings.audio_extraction, None, lambda finding: None)
    section = settings.transcription
    searched_s = min(info.duration_s, SEARCHED_S)
    with _listeners(settings, pool) as (voice_activity, recogniser):
        blocks, speech, looked_s, heard_s = [], [], 0.0, 0.0
        for block in media.speech_blocks(file, extraction.stream, searched_s, read_on=False):
            blocks.append(block)
            heard_s += len(block) / media.SPEECH_HZ
            if heard_s - looked_s < LOOKED_S and heard_s < searched_s - 0.5:
                continue
            audio = Audio(np.concatenate(blocks), media.SPEECH_HZ)
            with contextlib.suppress(InputError):
                new = transcription.find_speech(cut(audio, looked_s, heard_s), voice_activity, section.voice_activity)
                speech += [Interval(looked_s + part.start, looked_s + part.end) for part in new]
            looked_s = heard_s
            if sum(part.duration for part in speech) >= DETECTED_S / 2:
                break
        if not speech:
            where = file if searched_s == info.duration_s else f"the first {searched_s / 60:.0f} minutes of {file}"
            raise InputError(f"Nobody speaks in {where}.", code="E_NO_SPEECH")
        one = section.model_copy(update={"detection_windows": 1})
        found = transcription.detect_language(audio, speech, recogniser, one, lambda finding: None)
    return found.language, found.confidence


@contextlib.contextmanager
def _listeners(settings: Settings, pool: EnginePool) -> Iterator[tuple[Any, Any]]:
    """Voice activity and recogniser, borrowed from the pool."""
    from vtlab.engines.choice import choose_listeners
    from vtlab.run import pool_entry

    borrowed = [pool_entry(settings, choice) for choice in choose_listeners(settings)]
    activity, recogniser = (pool.borrow(key, build) for key, build in borrowed)
    try:
        yield activity, recogniser
    finally:
        for key, _ in borrowed:
            pool.give_back(key)


def _recogniser(settings: Settings, pool: EnginePool) -> None:
    """Loads what every session needs, whatever its languages."""
    with _listeners(settings, pool):
        pass


def publish_result(made: Dub, artifacts: Path, session_id: str) -> dict[str, Path]:
    """Puts video and subtitles where the gateway looks for them; the video last, since it says that all is there."""
    from serve.worker.publishing import publish

    record = made.record
    files = {
        "original_srt": (made.subtitles[record.source_language], f"{session_id}_subtitles.srt"),
        "translated_srt": (
            made.subtitles[record.target_language],
            f"{session_id}_translated_subtitles.srt",
        ),
        "output": (made.media, f"{session_id}_translated.mp4"),
    }
    paths = {}
    for kind, (made_file, name) in files.items():
        paths[kind] = artifacts / name
        publish(made_file, paths[kind])
    return paths


def main() -> None:
    """The worker process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OUT_OF_MEMORY_FIRST))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    redact_output()
    _Process(socket.socket(fileno=int(sys.argv[1]))).run()
