"""Sound and pictures for a browser: short pieces of long files, never a whole file at once."""

from __future__ import annotations

import base64
import io
import math
import tempfile
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio, mono, resample
from vtlab.segments import Cue

if TYPE_CHECKING:
    from marimo import Html

SNIPPET_HZ = 24_000
AROUND_S = 0.15  # of what comes before and after a line
WHOLE_BYTES = 64 * 1024 * 1024  # a page takes a file whole: a larger one is shown in parts
PART_S = 120.0
MP4 = (".mp4", ".m4a")  # what parts are cut from without encoding


def snippet(file: Path, start: float, end: float) -> Audio:
    """The sound of ``file`` from ``start`` to ``end`` seconds on its own clock, mono, decoded from there only.

    Raises ``InputError`` where the file holds no sound. What lies outside the file is left out.
    """
    from vtlab.media import decode_span

    return resample(mono(decode_span(file, max(0.0, start), end)), SNIPPET_HZ)


def line_sound(file: Path, start: float, end: float) -> bytes:
    """A line with a breath around it, as WAV."""
    return wav(snippet(file, start - AROUND_S, end + AROUND_S))


def wav(audio: Audio) -> bytes:
    """16-bit WAV; samples beyond full scale are cut there."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(audio.channels)
        out.setsampwidth(2)
        out.setframerate(audio.rate)
        out.writeframes((np.clip(audio.samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def data_url(content: bytes, kind: str) -> str:
    """The content itself as an address, of MIME type ``kind``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def parts(file: Path) -> int:
    """In how many parts of ``PART_S`` a page shows ``file``: one where it can hold the whole."""
    from vtlab.media import probe

    if file.stat().st_size <= WHOLE_BYTES or file.suffix not in MP4:
        return 1
    return math.ceil(probe(file).duration_s / PART_S)


def player(file: Path, subtitles: Path | None, language: str, part: int = 0) -> Html:
    """The result in the page, with its subtitles (WebVTT) over it; of a long one the given part, counted from 0."""
    import marimo as mo

    size = file.stat().st_size
    if size > WHOLE_BYTES and file.suffix not in MP4:
        return mo.md(f"`{file}` is {size / 1e6:.0f} MB: open it in a video player. Lines play in the time line above.")
    with tempfile.TemporaryDirectory() as folder:
        if size > WHOLE_BYTES:
            file, subtitles = _part(file, subtitles, part, Path(folder))
        if file.suffix != ".mp4":
            return mo.audio(file)
        shown = mo.video(file, width="100%").text
        track = ""
        if subtitles is not None:
            address = data_url(subtitles.read_bytes(), "text/vtt")
            track = f'<track kind="subtitles" srclang="{language}" label="{language}" src="{address}" default>'
        return mo.Html(shown.replace("</video>", f"{track}</video>"))


def _part(file: Path, subtitles: Path | None, part: int, folder: Path) -> tuple[Path, Path | None]:
    """A part of an MP4, and its subtitles on that part's clock, as files in ``folder``."""
    from vtlab.media import piece, probe
    from vtlab.metrics.subtitles import read_subtitles
    from vtlab.stages.subtitle_generation import write_subtitles

    info = probe(file)
    start, end = part * PART_S, min((part + 1) * PART_S, info.duration_s)
    shown = piece(info, folder / f"part{file.suffix}", start, end, folder)
    if subtitles is None:
        return shown, None
    cues = [cue for cue in read_subtitles(subtitles) if cue.end > start and cue.start < end]
    shifted = [Cue(max(0.0, cue.start - start), min(cue.end, end) - start, cue.text) for cue in cues]
    return shown, write_subtitles(shifted, folder / "part.vtt")
