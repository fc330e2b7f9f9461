"""Encoding of sound (PyAV): AAC in MP4 for the result, FLAC for the speech alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vtlab import resources
from vtlab.media.container import local_url

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtlab.media.decoding import Block

AAC_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def write_aac(blocks: Iterable[Block], rate: int, channels: int, bitrate_kbps: int, out: Path) -> Path:
    """Write AAC in MP4; the encoder's lead-in is marked, so the sound starts at 0. Return ``out``.

    Args:
        blocks: Sound, float32 of shape ``(n, channels)``.
        rate: One of those that AAC has; see ``aac_rate``.
        channels: 1 or 2.
        bitrate_kbps: Bit rate.
        out: The file to write.
    """
    options = {"b": str(bitrate_kbps * 1000), "aac_coder": "fast"}
    return _write(blocks, rate, channels, out, "mp4", "aac", "fltp", options)


def aac_rate(rate: int) -> int:
    """Return the rate that AAC has for sound of ``rate``: the same, else the next higher one, else its highest."""
    return min((known for known in AAC_HZ if known >= rate), default=AAC_HZ[-1])


def write_flac(blocks: Iterable[Block], rate: int, out: Path) -> Path:
    """Write FLAC, 16 bit mono, from float32 blocks ``(n,)`` or ``(n, 1)``; return ``out``."""
    shaped = (block.reshape(-1, 1) for block in blocks)
    return _write(shaped, rate, 1, out, "flac", "flac", "s16", {})


def _write(
    blocks: Iterable[Block],
    rate: int,
    channels: int,
    out: Path,
    form: str,
    codec: str,
    sample: str,
    options: dict[str, str],
) -> Path:
    import av

    with discard_on_failure(out), av.open(local_url(out), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options)
        stream.layout = "mono" if channels == 1 else "stereo"
        stream.format = sample
        at = 0
        for block in blocks:
            samples: NDArray[Any] = np.ascontiguousarray(block.T)
            if sample == "s16":
                samples = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format=sample, layout="mono" if channels == 1 else "stereo")
            frame.sample_rate = rate
            frame.pts = at
            frame.time_base = Fraction(1, rate)
            at += block.shape[0]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out


@contextmanager
def discard_on_failure(out: Path) -> Iterator[None]:
    """Remove ``out`` when the block that writes it fails, so that nothing half-written stays.

    Raises:
        ResourceError: The disk is full.
    """
    try:
        yield
    except BaseException as error:  # Ctrl-C too
        out.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in resources.FULL:
            raise resources.disk_full(out.parent) from error
        raise
