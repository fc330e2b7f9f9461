"""Decoding of sound (PyAV): onto the picture's clock, for recognition, for the mix, and for players.

One clock for everything: seconds since the file's first timestamp, which is what the picture is shown by. Sound that
starts late or has holes keeps its place on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtlab.audio import Audio
from vtlab.errors import InputError
from vtlab.media.container import open_container, start_time
from vtlab.media.streams import AudioStream

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer
    from numpy.typing import NDArray

    Block = NDArray[np.float32]  # (samples, channels)

SPEECH_HZ = 16000
HOLE_S = 0.03  # timestamps of sound this far off are a hole or an overlap, not rounding
DAMAGED_SHARE = 0.2  # sound of which more packets than this cannot be decoded is refused
SPEECH_MIX_S = 1.0  # the mono mix for recognition is decided for this long at a time
OUT_OF_PHASE = 0.1  # a mono mix with less than this share of its loudest channel's power cancels itself


def decode_speech(
    path: Path, stream: AudioStream, duration_s: float, on_damage: Callable[[int], None] = lambda packets: None
) -> Audio:
    """Return the sound for recognition, 16 kHz mono, exactly ``round(duration_s × 16000)`` samples on the file's clock.

    Of surround sound the centre leads; where channels cancel each other, one of them is taken.

    Args:
        path: The file.
        stream: Its sound that is decoded.
        duration_s: How long the file is.
        on_damage: Called with the number of packets that cannot be decoded, which are silence.

    Raises:
        InputError: Too many packets cannot be decoded (``E_UNREADABLE``).
    """
    samples = np.zeros(round(duration_s * SPEECH_HZ), np.float32)
    at = 0
    for block in speech_blocks(path, stream, duration_s, on_damage):
        samples[at : at + len(block)] = block
        at += len(block)
    return Audio(samples, SPEECH_HZ)


def speech_blocks(
    path: Path,
    stream: AudioStream,
    duration_s: float,
    on_damage: Callable[[int], None] = lambda packets: None,
    *,
    read_on: bool = True,
) -> Iterator[NDArray[np.float32]]:
    """Yield what ``decode_speech`` returns, second by second, decoded as it is asked for.

    Args:
        path: The file.
        stream: Its sound that is decoded.
        duration_s: How long the file is.
        on_damage: Called with the number of packets that cannot be decoded, which are silence.
        read_on: Whether to read what the file holds beyond ``duration_s``, too, to count all of its damage.

    Raises:
        InputError: Too many packets cannot be decoded (``E_UNREADABLE``).
    """
    for block, names in _decode_on_clock(path, stream, SPEECH_HZ, None, duration_s, SPEECH_MIX_S, on_damage, read_on):
        yield _mix_speech(block, names)


def _mix_speech(block: Block, names: Sequence[str]) -> NDArray[np.float32]:
    """Mix the channels of ``block``, called ``names``, down to one for recognition."""
    if block.shape[1] == 1:
        return block[:, 0]
    others = [name for name in names if name != "LFE"]
    weights = {"FC": 1.0, "FL": 0.5, "FR": 0.5} if "FC" in names else dict.fromkeys(others, 1 / len(others))
    taken = [number for number, name in enumerate(names) if name in weights]
    mixed = block[:, taken] @ np.array([weights[names[number]] for number in taken], np.float32)
    mixed /= max(1.0, np.abs(mixed).max(initial=0.0))
    powers = np.square(block[:, taken], dtype=np.float64).mean(axis=0)
    if np.square(mixed, dtype=np.float64).mean() < OUT_OF_PHASE * powers.max():
        # the first that is nearly as loud as the loudest: one and the same from second to second
        mixed = block[:, taken[int(np.flatnonzero(powers > 0.5 * powers.max())[0])]]
    return np.asarray(mixed, np.float32)


def decode_blocks(
    path: Path, stream: AudioStream, rate: int, channels: int, duration_s: float, block_s: float = 10.0
) -> Iterator[Block]:
    """Yield the sound at full quality, ``round(duration_s × rate)`` samples in all, on the file's clock.

    Args:
        path: The file.
        stream: Its sound that is decoded.
        rate: Of the result, Hz.
        channels: 1 or 2; surround sound is mixed down.
        duration_s: How long the file is.
        block_s: Length of a block, seconds; its shape is ``(n, channels)``.
    """
    layout = "mono" if channels == 1 else "stereo"
    for block, _ in _decode_on_clock(path, stream, rate, layout, duration_s, block_s, lambda packets: None, False):
        yield block


def decode_span(path: Path, start: float, end: float, stream: int = 0) -> Audio:
    """Return the sound from ``start`` to ``end`` seconds on the file's clock, decoded from there only: for players.

    Args:
        path: The file.
        start: Where it begins; what lies outside the file is silence.
        end: Where it ends.
        stream: Which of the audio streams, counted from 0.

    Raises:
        InputError: There is no such sound, or it is damaged.
    """
    import av

    with open_container(path) as container:
        if stream >= len(container.streams.audio):
            raise InputError(f"{path} has no audio stream {stream}.", code="E_NO_AUDIO")
        sound, origin = container.streams.audio[stream], start_time(container)
        rate = sound.rate
        samples = np.zeros((max(0, round((end - start) * rate)), sound.channels), np.float32)
        planar = av.AudioResampler(format="fltp", layout=sound.layout, rate=rate)
        try:
            container.seek(max(0, int((start + origin) * av.time_base)), backward=True)
            at: int | None = None
            for frame in container.decode(sound):
                if frame.time is None or frame.time - origin >= end:
                    break
                due = round((frame.time - origin - start) * rate)
                at = due if at is None or abs(due - at) > HOLE_S * rate else at
                for block in _resample(planar, frame):
                    low, high = max(at, 0), min(at + len(block), len(samples))
                    if low < high:
                        samples[low:high] = block[low - at : high - at]
                    at += len(block)
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"The sound of {path} is damaged at {start:.0f} s.", code="E_UNREADABLE") from error
    return Audio(samples[:, 0] if samples.shape[1] == 1 else samples, rate)


def _decode_on_clock(
    path: Path,
    stream: AudioStream,
    rate: int,
    layout: str | None,
    duration_s: float,
    block_s: float,
    on_damage: Callable[[int], None],
    read_on: bool,
) -> Iterator[tuple[Block, tuple[str, ...]]]:
    """Yield blocks of sound without holes or overlaps, with the channels' names; what is missing is silence."""
    total, size = round(duration_s * rate), round(block_s * rate)
    pieces = _decode_timed(path, stream, rate, layout, on_damage)
    piece = next(pieces, None)
    names = ("FC",) if piece is None else piece[2]
    waiting: list[tuple[int, Block]] = []
    for first in range(0, total, size):
        last = min(first + size, total)
        while piece is not None and piece[0] < last:
            waiting.append(piece[:2])
            piece = next(pieces, None)
        block = np.zeros((last - first, len(names)), np.float32)
        for at, sound in waiting:
            low, high = max(at, first), min(at + len(sound), last)
            if low < high:
                block[low - first : high - first] = sound[low - at : high - at]
        waiting = [(at, sound) for at, sound in waiting if at + len(sound) > last]
        yield block, names
    if read_on:  # what lies beyond the end; damage is told when all has been read
        for _ in pieces:
            pass


def _decode_timed(
    path: Path, stream: AudioStream, rate: int, layout: str | None, on_damage: Callable[[int], None]
) -> Iterator[tuple[int, Block, tuple[str, ...]]]:
    """Yield decoded sound at ``rate``, the sample number at which it belongs, and its channels' names.

    Where timestamps jump or the format changes, the resampler is emptied and what follows is put at its own time.
    """
    import av

    with open_container(path) as container:
        start = start_time(container)
        resampler: AudioResampler | None = None
        kind: tuple[str, str, int] | None = None
        names: tuple[str, ...] = ()
        at, expected = 0, 0.0
        for frame in _decode_frames(container, path, stream, on_damage):
            begins = expected if frame.time is None else frame.time - start
            if resampler is None or abs(begins - expected) > HOLE_S or kind != _kind(frame):
                if resampler is not None:
                    for block in _resample(resampler, None):
                        yield at, block, names
                        at += len(block)
                if layout is None:
                    layout = frame.layout.name  # a stream that changes its channels keeps those it began with
                    names = tuple(channel.name for channel in frame.layout.channels)
                elif not names:
                    names = tuple(channel.name for channel in av.AudioLayout(layout).channels)
                kind = _kind(frame)
                resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
                at, expected = round(begins * rate), begins
            for block in _resample(resampler, frame):
                yield at, block, names
                at += len(block)
            expected += frame.samples / frame.sample_rate
        if resampler is not None:
            for block in _resample(resampler, None):
                yield at, block, names
                at += len(block)


def _decode_frames(
    container: InputContainer, path: Path, stream: AudioStream, on_damage: Callable[[int], None]
) -> Iterator[AudioFrame]:
    """Yield the frames of the sound; a packet that cannot be decoded is passed over, as players do."""
    import av

    packets = damaged = decoded = 0
    demuxer = container.demux(container.streams.audio[stream.index])
    while True:
        try:
            packet = next(demuxer, None)
        except (av.FFmpegError, OSError):  # what follows cannot be found any more
            damaged += 1
            break
        if packet is None:
            break
        packets += 1
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            damaged += 1
            continue
        decoded += len(frames)
        yield from frames
    if decoded == 0:  # as where it lies in another file, which is not opened
        raise InputError(f"The sound of {path} holds nothing that can be decoded.", code="E_UNREADABLE")
    if damaged > DAMAGED_SHARE * packets:
        raise InputError(
            f"The sound of {path} is damaged: {damaged} of {packets} pieces cannot be decoded. "
            "Copy or download it again.",
            code="E_UNREADABLE",
        )
    if damaged:
        on_damage(damaged)


def _kind(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _resample(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Block]:
    for out in resampler.resample(frame):
        block = out.to_ndarray().T.astype(np.float32, copy=False)
        if len(block):
            yield block
