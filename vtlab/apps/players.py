"""Sound and pictures for a browser: short pieces of long files, never a whole file at once."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio, mono, resample

if TYPE_CHECKING:
    from marimo import Html

SNIPPET_HZ = 24_000
AROUND_S = 0.15  # of what comes before and after a line
WHOLE_BYTES = 64 * 1024 * 1024  # a longer result is left to the system's own player: a page would take it whole


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


def player(file: Path, subtitles: Path | None, language: str) -> Html:
    """The result in the page, with its subtitles (WebVTT) over it; of a long one its place only."""
    import marimo as mo

    size = file.stat().st_size
    if size > WHOLE_BYTES:
        return mo.md(f"`{file}` is {size / 1e6:.0f} MB: open it in a video player. Lines play in the time line above.")
    if file.suffix != ".mp4":
        return mo.audio(file)
    shown = mo.video(file, width="100%").text
    track = ""
    if subtitles is not None:
        address = data_url(subtitles.read_bytes(), "text/vtt")
        track = f'<track kind="subtitles" srclang="{language}" label="{language}" src="{address}" default>'
    return mo.Html(shown.replace("</video>", f"{track}</video>"))
