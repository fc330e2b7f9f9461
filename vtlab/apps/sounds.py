"""Lines to be heard in a browser: short pieces of long files, never a whole file at once."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path

import numpy as np

from vtlab.audio import Audio, mono, resample

SNIPPET_HZ = 24_000
AROUND_S = 0.15  # of what comes before and after a line


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
