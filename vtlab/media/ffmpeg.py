"""The ffmpeg program: which one, what it offers, and running it with a time limit."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vtlab import resources
from vtlab.errors import EngineError, VtlabError
from vtlab.media.container import local_url

# bytes of a file name that are not UTF-8, as Python has them in a string, and private characters to stand for them
FROM_BYTES = {0xDC00 + byte: 0x10FE00 + byte for byte in range(0x80, 0x100)}
TO_BYTES = {private: byte for byte, private in FROM_BYTES.items()}
MUXING = ("aac", "mov_text", "srt")  # encoders that a result is made with
BURNING = ("libx264", "subtitles", "pad")  # and those, with filters, for subtitles drawn into the picture
FFMPEG_START_S = 60.0
FFMPEG_PER_SECOND = 20.0  # time limit per second of media: x264 on a slow machine


def ffmpeg_binary() -> str:
    """Return the ffmpeg to run: the one that imageio-ffmpeg ships, or ``$VTLAB_FFMPEG``.

    The system's own is not looked for: another version gives other files of the same video.
    """
    chosen = os.environ.get("VTLAB_FFMPEG")
    if not chosen:
        import imageio_ffmpeg

        chosen = imageio_ffmpeg.get_ffmpeg_exe()
    return str(chosen)


@dataclass(frozen=True)
class FfmpegBuild:
    """An ffmpeg: the program, its version, and the names of its encoders and filters."""

    program: str
    version: str
    offers: frozenset[str]

    def lacking(self, features: Iterable[str]) -> list[str]:
        """Return which of these encoders and filters it does not have."""
        return [feature for feature in features if feature not in self.offers]


def inspect_ffmpeg() -> FfmpegBuild:
    """Return what the ffmpeg to run is and has; asked once for each program.

    Raises:
        EngineError: It does not run.
    """
    return _inspect(ffmpeg_binary())


def check_ffmpeg(*, burn: bool) -> None:
    """Check that an ffmpeg of the user's choice has what a dub needs; the one that is shipped has it.

    Args:
        burn: Subtitles are drawn into the picture, which takes an encoder and filters more.

    Raises:
        EngineError: It does not run, or lacks an encoder or a filter; names them and the cure.
    """
    if not os.environ.get("VTLAB_FFMPEG"):
        return
    build = inspect_ffmpeg()
    lacking = build.lacking((*MUXING, *(BURNING if burn else ())))
    if lacking:
        raise EngineError(
            f"ffmpeg {build.version} ({build.program}) lacks {', '.join(lacking)}. Unset VTLAB_FFMPEG to use the one "
            "that comes with vtlab, or let it name another."
        )


def ffmpeg_version() -> str:
    """Return the version of the ffmpeg to run; of the shipped one, without starting it."""
    shipped = None if os.environ.get("VTLAB_FFMPEG") else re.search(r"-v([\d.]+)", Path(ffmpeg_binary()).name)
    return inspect_ffmpeg().version if shipped is None else shipped[1].rstrip(".")


@cache
def _inspect(program: str) -> FfmpegBuild:
    try:
        first, *listings = [
            subprocess.run(
                [program, "-hide_banner", listing], capture_output=True, text=True, timeout=FFMPEG_START_S, check=True
            ).stdout
            for listing in ("-version", "-encoders", "-filters")
        ]
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"ffmpeg does not run ({program}): {error}") from error
    words = first.split()
    version = words[2] if words[:2] == ["ffmpeg", "version"] else "of unknown version"
    # a line of both listings is: flags, name, description
    offers = (line.split()[1] for line in "\n".join(listings).splitlines() if len(line.split()) > 1)
    return FfmpegBuild(program, version, frozenset(offers))


def run_ffmpeg(spec: Any, timeout_s: float, checkpoint: Callable[[], None], folder: Path) -> None:
    """Run one ffmpeg; it dies with the dub, and at its time limit.

    Args:
        spec: The command, as ffmpeg-python makes it.
        timeout_s: The time limit, pauses not counted, seconds.
        checkpoint: Called again and again; blocks while the dub is paused, and raises to end it.
        folder: Where ffmpeg runs.

    Raises:
        VtlabError: It failed or took too long (``E_FFMPEG``); holds the end of what it printed.
        ResourceError: The disk is full.
        EngineError: It cannot be started.
    """
    command = [ffmpeg_binary(), "-nostdin", "-hide_banner", "-loglevel", "error", *spec.get_args()]
    command = [argument.translate(TO_BYTES) for argument in command]
    with tempfile.TemporaryFile() as messages:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, cwd=folder)
        except OSError as error:
            message = f"ffmpeg cannot be started ({command[0]}: {error.strerror}); let VTLAB_FFMPEG name one that can."
            raise EngineError(message) from error
        began = time.monotonic()
        try:
            while True:
                asked = time.monotonic()
                checkpoint()
                began += time.monotonic() - asked
                try:
                    code = process.wait(timeout=0.05)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() - began > timeout_s:
                        message = f"ffmpeg took longer than {timeout_s:.0f} s and was stopped."
                        raise VtlabError(message, code="E_FFMPEG") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            messages.seek(0)
            tail = " ".join(messages.read().decode(errors="replace").strip().splitlines()[-3:])
            if "No space left on device" in tail:
                raise resources.disk_full(folder)
            raise VtlabError(f"ffmpeg failed ({code}): {tail}", code="E_FFMPEG")


def ffmpeg_path(path: Path) -> str:
    """Return the path as ffmpeg-python takes it, which wants valid Unicode; ``run_ffmpeg`` turns it back."""
    return local_url(path).translate(FROM_BYTES)


def time_limit(media_s: float) -> float:
    """Return how long ffmpeg may take for media of ``media_s`` seconds, seconds."""
    return FFMPEG_START_S + FFMPEG_PER_SECOND * media_s
