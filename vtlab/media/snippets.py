"""Snippets to be heard in a browser: short pieces of long files, never a whole file at once."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path

import numpy as np

from vtlab.audio import Audio, mono, resample
from vtlab.media.decoding import decode_span

SNIPPET_HZ = 24_000
AROUND_S = 0.15  # of what comes before and after a segment


def snippet(file: Path, start: float, end: float, stream: int = 0) -> Audio:
    """Return the sound of a file from `start` to `end`, seconds on its own clock, mono, decoded from there only.

    Raises:
        InputError: The file holds no such stream of sound.
    """
    return resample(mono(decode_span(file, max(0.0, start), end, stream)), SNIPPET_HZ)


def segment_sound(file: Path, start: float, end: float, stream: int = 0) -> bytes:
    """Return a segment and `AROUND_S` on either side as WAV."""
    return wav(snippet(file, start - AROUND_S, end + AROUND_S, stream))


def wav(audio: Audio) -> bytes:
    """Return a sound as 16-bit WAV; samples beyond full scale are cut there."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(audio.channels)
        out.setsampwidth(2)
        out.setframerate(audio.rate)
        out.writeframes((np.clip(audio.samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def data_url(content: bytes, kind: str) -> str:
    """Return a `data:` URL of MIME type `kind` that holds the content."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
