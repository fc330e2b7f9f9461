"""Media files: probe and decode (PyAV); encode, mux and burn (ffmpeg, the only module that starts it).

One clock for everything: seconds since the file's first timestamp, which is what the picture is shown by. Sound that
starts late or has holes keeps its place on it. Only plain local containers are opened: what points elsewhere
(playlists, concat scripts, external references) is refused before a demuxer sees it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from vtlab import resources
from vtlab.audio import Audio
from vtlab.errors import EngineError, InputError, LanguageError, VtlabError
from vtlab.languages import language_code, three_letters

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer
    from numpy.typing import NDArray

    Block = NDArray[np.float32]  # (samples, channels)

SPEECH_HZ = 16000
SNIFFED_BYTES = 4096
# names of libavformat's demuxers that read one local file and nothing else
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,wav,w64,flac,mp3,aac,aiff,caf,au,amr,"
    "ac3,eac3,dv,mxf,nut,wv,tta,ape,gif"
)
# codecs that MP4 holds and players find there; anything else goes to Matroska
MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "h263"})
HOLE_S = 0.03  # timestamps of sound this far off are a hole or an overlap, not rounding
TRUNCATED_S = 3.0  # data that ends this much before the length in the header is cut off
TRUNCATED_EXACT_S = 0.25  # the same for formats whose header says when the last picture or sound ends
DAMAGED_SHARE = 0.2  # sound of which more packets than this cannot be decoded is refused
AAC_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
TIMED = ("audio", "video", "subtitle")  # streams that decide how long a file is; a timecode track is one long packet
ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC
SPEECH_MIX_S = 1.0  # the mono mix for recognition is decided for this long at a time
OUT_OF_PHASE = 0.1  # a mono mix with less than this share of its loudest channel's power cancels itself
# bytes of a file name that are not UTF-8, as Python has them in a string, and private characters to stand for them
FROM_BYTES = {0xDC00 + byte: 0x10FE00 + byte for byte in range(0x80, 0x100)}
TO_BYTES = {private: byte for byte, private in FROM_BYTES.items()}
PREVIEW_HEIGHT = 360
PREVIEW_CRF = 28
FFMPEG_START_S = 60.0
FFMPEG_PER_SECOND = 20.0  # time limit per second of media: x264 on a slow machine


@dataclass(frozen=True)
class VideoStream:
    """The picture; ``frames`` is absent where the container does not say."""

    codec: str
    width: int
    height: int
    fps: Fraction
    frames: int | None
    pixel_format: str | None


@dataclass(frozen=True)
class AudioStream:
    """A sound track; ``index`` counts audio streams from 0, ``start_s`` is on the file's clock."""

    index: int
    codec: str
    rate: int
    channels: int
    language: str | None
    default: bool
    start_s: float


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds; an attached cover picture is no video. ``subtitles`` are codec names."""

    path: Path
    container: str
    duration_s: float
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    subtitles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extraction:
    """A file and the sound of it that is dubbed."""

    info: MediaInfo
    stream: AudioStream

    @property
    def duration_s(self) -> float:
        return self.info.duration_s


# ---------------------------------------------------------------- probe


def probe(path: Path) -> MediaInfo:
    """What the file holds.

    Raises ``InputError``: ``E_NO_FILE`` (missing, a folder), ``E_EMPTY``, ``E_PLAYLIST``, ``E_UNREADABLE`` (no media,
    or cut off), ``E_NO_AUDIO``.
    """
    _sniff(path)
    with _opened(path) as container:
        if not container.streams.audio:
            raise InputError(f"{path} has no sound, so there is nothing to dub.", code="E_NO_AUDIO")
        start = _start(container)
        audio = tuple(
            _audio(stream, index, start)
            for index, stream in enumerate(container.streams.audio)
            if stream.codec_context is not None and stream.codec_context.sample_rate
        )
        if not audio:
            raise InputError(f"The sound of {path} is in a format that nobody here can decode.", code="E_UNREADABLE")
        _refuse_cut_off(path)
        duration = _duration(container, path)
        return MediaInfo(
            path,
            container.format.name,
            duration,
            _video(container, path),
            audio,
            tuple(stream.codec_context.name for stream in container.streams.subtitles if stream.codec_context),
        )


def choose_audio(info: MediaInfo, stream: int | None, language: str | None) -> AudioStream:
    """The stream of that number, else one in the language, else the default one, else the first."""
    if stream is not None:
        for audio in info.audio:
            if audio.index == stream:
                return audio
        numbers = ", ".join(str(audio.index) for audio in info.audio)
        raise InputError(f"{info.path} has no audio stream number {stream}; there is {numbers}.")
    spoken = [audio for audio in info.audio if language is not None and audio.language == language]
    flagged = [audio for audio in info.audio if audio.default]
    return (spoken or flagged or list(info.audio))[0]


def _sniff(path: Path) -> None:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would wait for its writer
            raise InputError(f"{path} is not a file; save the video and name it.", code="E_NO_FILE")
        with path.open("rb") as file:
            head = file.read(SNIFFED_BYTES)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", code="E_NO_FILE") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name a video in it.", code="E_NO_FILE") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", code="E_NO_FILE") from error
    if not head:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again.", code="E_EMPTY")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"#extm3u", b"ffconcat", b"[playlist]", b"[reference]", b"v=0", b"rtsptext")) or (
        text.startswith(b"<")
        and any(mark in text for mark in (b"<mpd", b"<asx", b"<smil", b"smoothstreaming", b"xspf"))
    ):
        raise InputError(
            f"{path} is a playlist: playlists are not opened, since they point at other files. Name the video itself.",
            code="E_PLAYLIST",
        )
    if b"\0" not in head and _is_text(head):
        raise InputError(f"{path} is a text file, not a video or a sound file.", code="E_UNREADABLE")


def _is_text(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut by the end of what was read
    return True


def _refuse_cut_off(path: Path) -> None:
    """Raises where the container's own chunk of data should reach beyond the end of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
            needed = _mp4_needs(file, size)
        elif head[:4] in (b"RIFF", b"RF64"):
            needed = _riff_needs(file, size)
        elif head[:4] == b"\x1a\x45\xdf\xa3":
            needed = _matroska_needs(file)
        else:
            return
    if needed > size:
        raise InputError(
            f"{path} is cut off: it should have {needed} bytes, but has {size}. Copy or download it again.",
            code="E_UNREADABLE",
        )


def _mp4_needs(file: BinaryIO, size: int) -> int:
    """Where the last box of media or index ends (ISO 14496-12, 4.2)."""
    at = needed = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4])
        if length == 1:
            length = int.from_bytes(header[8:16])
        if length < 8:  # 0: up to the end of the file, whatever that is
            break
        at += length
        if header[4:8] in (b"mdat", b"moov", b"moof"):
            needed = at
    return needed


def _riff_needs(file: BinaryIO, size: int) -> int:
    """Where the last RIFF ends; large AVI files have several. A size of 0 or all ones was never filled in.

    Eight bytes less, since some writers count the header of the chunk among its content.
    """
    at = needed = 0
    while at + 12 <= size:
        file.seek(at)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            break
        needed = at + length
        at += 8 + length + length % 2
    return needed


def _matroska_needs(file: BinaryIO) -> int:
    """Where the segment ends; 0 where its size was never filled in (RFC 8794, RFC 9559)."""
    file.seek(4)
    header_size, _ = _variable_int(file)
    file.seek(header_size, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, unknown = _variable_int(file)
    return 0 if unknown else file.tell() + length


def _variable_int(file: BinaryIO) -> tuple[int, bool]:
    """An EBML size, and whether it is the one that means unknown."""
    first = (file.read(1) or b"\0")[0]
    extra = 8 - first.bit_length()
    if extra > 7:
        return 0, True
    value = int.from_bytes(bytes([first & (0x7F >> extra)]) + file.read(extra))
    return value, value == (1 << 7 * (extra + 1)) - 1


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": DEMUXERS,
        "enable_drefs": "0",
        "use_absolute_path": "0",
    }
    try:
        container = av.open(_url(path), options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as video or sound ({error.strerror or error}): it is damaged, cut off, or of a "
            "kind that is not supported.",
            code="E_UNREADABLE",
        ) from error
    with container:
        yield container


def _url(path: Path) -> str:
    """The path for ffmpeg, safe against leading dashes and names that look like protocols."""
    return f"file:{path.absolute()}"


def _start(container: InputContainer) -> float:
    return (container.start_time or 0) / 1_000_000


def _duration(container: InputContainer, path: Path) -> float:
    """Seconds from the file's first timestamp to its last; the data must be there up to it."""
    name, start = container.format.name, _start(container)
    declared = None if container.duration is None else container.duration / 1_000_000
    if declared is not None and declared <= 0:
        declared = None
    if declared is not None and "matroska" in name:
        declared -= start  # its length counts from 0, not from its first timestamp
    by_header = any(known in name for known in ("mov", "matroska", "avi", "flv", "flac", "aiff")) or (
        name == "mp3" and _tells_length(path)
    )
    if declared is not None and not by_header and name not in ("mp3", "aac"):
        return declared
    seekable = any(known in name for known in ("mov", "matroska", "avi"))
    seconds = _end_of_data(container, path, declared if seekable else None)
    if seconds <= 0:
        raise InputError(f"{path} holds no data; copy or download it again.", code="E_UNREADABLE")
    if declared is None or not by_header:  # an estimate from the bit rate
        return seconds
    if seconds < declared - (max(TRUNCATED_S, 0.02 * declared) if seekable else TRUNCATED_EXACT_S):
        raise InputError(
            f"{path} is cut off: it should last {declared:.1f} s, but its data ends at {seconds:.1f} s. "
            "Copy or download it again.",
            code="E_UNREADABLE",
        )
    return declared


def _tells_length(path: Path) -> bool:
    """Whether an MP3 says in its first frame how long it is; without, its length is a guess by its bit rate."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # sizes of seven bits a byte (ID3v2, 3.1)
            tag = sum(byte << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
            file.seek(10 + tag)
            head = b""
        head += file.read(256)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def _end_of_data(container: InputContainer, path: Path, declared: float | None) -> float:
    """Where the last picture, sound or subtitle ends; with ``declared``, only the end of the file is read."""
    import av

    if declared is not None and declared > 2 * TRUNCATED_S:
        container.seek(int((declared - TRUNCATED_S) * 1_000_000) + (container.start_time or 0))
    last = 0.0
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None and packet.stream.type in TIMED:
                last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except (av.FFmpegError, OSError) as error:
        if last == 0:
            raise InputError(f"{path} is damaged: {error.strerror or error}.", code="E_UNREADABLE") from error
    return last - _start(container)


def _video(container: InputContainer, path: Path) -> VideoStream | None:
    pictures = [stream for stream in container.streams.video if not int(stream.disposition) & ATTACHED_PICTURE]
    if not pictures:
        return None
    stream = pictures[0]
    if stream.codec_context is None:
        raise InputError(f"The picture of {path} is in a format that nobody here knows.", code="E_UNREADABLE")
    if not stream.codec_context.width:
        raise InputError(f"The picture of {path} cannot be decoded: no key frame in it.", code="E_UNREADABLE")
    fps = stream.average_rate or stream.guessed_rate or Fraction(25)
    return VideoStream(
        stream.codec_context.name,
        stream.codec_context.width,
        stream.codec_context.height,
        Fraction(fps),
        stream.frames or None,
        stream.codec_context.pix_fmt,
    )


def _audio(stream: Any, index: int, start: float) -> AudioStream:
    context = stream.codec_context
    begins = 0.0 if stream.start_time is None else float(stream.start_time * stream.time_base) - start
    return AudioStream(
        index,
        context.name,
        context.sample_rate,
        context.channels,
        _language(stream.metadata.get("language")),
        bool(int(stream.disposition) & 1),
        max(0.0, begins),
    )


def _language(tag: str | None) -> str | None:
    if tag is None or tag in ("und", "mul", "zxx"):
        return None
    try:
        return language_code(tag)
    except LanguageError:
        return None


def count_frames(path: Path) -> int:
    """Packets of the picture that are shown (an edit list may hide some), which for every codec here are its frames."""
    with _opened(path) as container:
        pictures = [stream for stream in container.streams.video if not int(stream.disposition) & ATTACHED_PICTURE]
        if not pictures:
            return 0
        return sum(1 for packet in container.demux(pictures[0]) if packet.size and not packet.is_discard)


# ---------------------------------------------------------------- decode


def decode_speech(
    path: Path, stream: AudioStream, duration_s: float, on_damage: Callable[[int], None] = lambda packets: None
) -> Audio:
    """16 kHz mono float32 on the file's clock, exactly ``round(duration_s × 16000)`` samples.

    Of surround sound the centre leads; where channels cancel each other, one of them is taken. Packets that cannot be
    decoded are silence, and their number goes to ``on_damage``. Raises ``InputError`` (``E_UNREADABLE``) where too many
    are.
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
    """The same second by second, decoded as it is asked for.

    ``read_on``: reads what the file holds beyond ``duration_s``, too, to tell all of its damage.
    """
    for block, names in _on_clock(path, stream, SPEECH_HZ, None, duration_s, SPEECH_MIX_S, on_damage, read_on):
        yield _speech_mix(block, names)


def _speech_mix(block: Block, names: Sequence[str]) -> NDArray[np.float32]:
    """One channel for recognition, out of ``block``, whose channels are called ``names``."""
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
    """The sound at full quality in blocks of ``block_s``, shape ``(n, channels)``, on the file's clock.

    ``round(duration_s × rate)`` samples in all; 1 or 2 channels, surround sound mixed down.
    """
    layout = "mono" if channels == 1 else "stereo"
    for block, _ in _on_clock(path, stream, rate, layout, duration_s, block_s, lambda packets: None, False):
        yield block


def decode_span(path: Path, start: float, end: float, stream: int = 0) -> Audio:
    """The sound from ``start`` to ``end`` seconds on the file's clock, decoded from there only: for players.

    ``stream`` counts audio streams. What lies outside the file is silence. Raises ``InputError`` where there is no such
    sound.
    """
    import av

    with _opened(path) as container:
        if stream >= len(container.streams.audio):
            raise InputError(f"{path} has no audio stream {stream}.", code="E_NO_AUDIO")
        sound, origin = container.streams.audio[stream], _start(container)
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
                for block in _resampled(planar, frame):
                    low, high = max(at, 0), min(at + len(block), len(samples))
                    if low < high:
                        samples[low:high] = block[low - at : high - at]
                    at += len(block)
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"The sound of {path} is damaged at {start:.0f} s.", code="E_UNREADABLE") from error
    return Audio(samples[:, 0] if samples.shape[1] == 1 else samples, rate)


def _on_clock(
    path: Path,
    stream: AudioStream,
    rate: int,
    layout: str | None,
    duration_s: float,
    block_s: float,
    on_damage: Callable[[int], None],
    read_on: bool,
) -> Iterator[tuple[Block, tuple[str, ...]]]:
    """Blocks of sound without holes or overlaps, each with its channels' names: what is missing is silence."""
    total, size = round(duration_s * rate), round(block_s * rate)
    pieces = _timed(path, stream, rate, layout, on_damage)
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


def _timed(
    path: Path, stream: AudioStream, rate: int, layout: str | None, on_damage: Callable[[int], None]
) -> Iterator[tuple[int, Block, tuple[str, ...]]]:
    """Decoded sound at ``rate``, with the sample number at which it belongs and its channels' names.

    Where timestamps jump or the format changes, the resampler is emptied and what follows is put at its own time.
    """
    import av

    with _opened(path) as container:
        start = _start(container)
        resampler: AudioResampler | None = None
        kind: tuple[str, str, int] | None = None
        names: tuple[str, ...] = ()
        at, expected = 0, 0.0
        for frame in _decoded(container, path, stream, on_damage):
            begins = expected if frame.time is None else frame.time - start
            if resampler is None or abs(begins - expected) > HOLE_S or kind != _kind(frame):
                if resampler is not None:
                    for block in _resampled(resampler, None):
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
            for block in _resampled(resampler, frame):
                yield at, block, names
                at += len(block)
            expected += frame.samples / frame.sample_rate
        if resampler is not None:
            for block in _resampled(resampler, None):
                yield at, block, names
                at += len(block)


def _decoded(
    container: InputContainer, path: Path, stream: AudioStream, on_damage: Callable[[int], None]
) -> Iterator[AudioFrame]:
    """The frames of the sound; a packet that cannot be decoded is passed over, as players do."""
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


def _resampled(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Block]:
    for out in resampler.resample(frame):
        block = out.to_ndarray().T.astype(np.float32, copy=False)
        if len(block):
            yield block


# ---------------------------------------------------------------- encode


def write_aac(blocks: Iterable[Block], rate: int, channels: int, bitrate_kbps: int, out: Path) -> Path:
    """AAC in MP4 from float32 blocks ``(n, channels)``; the encoder's lead-in is marked, so the sound starts at 0.

    ``rate`` is one of those that AAC has: see ``aac_rate``.
    """
    options = {"b": str(bitrate_kbps * 1000), "aac_coder": "fast"}
    return _write(blocks, rate, channels, out, "mp4", "aac", "fltp", options)


def aac_rate(rate: int) -> int:
    """The rate that AAC has for sound of ``rate``: the same, else the next higher one, else its highest."""
    return min((known for known in AAC_HZ if known >= rate), default=AAC_HZ[-1])


def write_flac(blocks: Iterable[Block], rate: int, out: Path) -> Path:
    """FLAC, 16 bit mono, from float32 blocks ``(n,)`` or ``(n, 1)``."""
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

    with whole(out), av.open(_url(out), "w", format=form) as container:
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
def whole(out: Path) -> Iterator[None]:
    """Leaves nothing half-written at ``out`` when what writes it fails; ``ResourceError`` where the disk is full."""
    try:
        yield
    except BaseException as error:  # Ctrl-C too
        out.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in resources.FULL:
            raise resources.disk_full(out.parent) from error
        raise


# ---------------------------------------------------------------- ffmpeg


def ffmpeg_binary() -> str:
    """The ffmpeg to run: ``$VTLAB_FFMPEG``, the system's, or the one that imageio-ffmpeg ships."""
    chosen = os.environ.get("VTLAB_FFMPEG") or shutil.which("ffmpeg")
    if chosen is None:
        import imageio_ffmpeg

        chosen = imageio_ffmpeg.get_ffmpeg_exe()
    return str(chosen)


@dataclass(frozen=True)
class SubtitleTrack:
    """A subtitle file to put into the result, with its language."""

    language: str
    path: Path


def mux(
    info: MediaInfo,
    dub: Path,
    out: Path,
    *,
    language: str,
    subtitles: Sequence[SubtitleTrack] = (),
    original: AudioStream | None = None,
    burn: Path | None = None,
    encode: bool = False,
    crf: int = 20,
    folder: Path,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """The picture with the dub as its first sound, optional original sound and soft subtitles, into ``out``.

    The picture is copied unless ``burn`` names subtitles to draw or ``encode`` asks for H.264. Streams other than the
    picture and the chosen sound are left out. ``folder`` is the run's own, for temporary files.
    """
    import ffmpeg

    # genpts: AVI has no presentation times, and the muxers want them
    source = ffmpeg.input(_named(info.path), protocol_whitelist="file", format_whitelist=DEMUXERS, fflags="+genpts")
    sound = ffmpeg.input(_named(dub), protocol_whitelist="file", format="mov")
    streams: list[Any] = []
    options: dict[str, Any] = {"c:a": "copy", "map_metadata": 0, "map_chapters": 0}
    if info.video is not None:
        picture = source["V:0"]
        if burn is not None or encode:
            picture = picture.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2")
            if burn is not None:
                shutil.copyfile(burn, folder / "burn.srt")
                picture = picture.filter("subtitles", "burn.srt")
            options |= {
                "c:v": "libx264",
                "crf": crf,
                "preset": "veryfast",
                "pix_fmt": "yuv420p",
                "fps_mode": "passthrough",
            }
        else:
            options |= {"c:v": "copy", "copyinkf": None}  # also what a recording shows before its first key frame
            if info.video.codec == "hevc" and out.suffix == ".mp4":
                options["tag:v"] = "hvc1"  # the tag that Apple's players ask for
        streams.append(picture)
    streams.append(sound["a:0"])
    options |= {"metadata:s:a:0": _tag(language), "disposition:a:0": "default"}
    if original is not None:
        kept = source[f"a:{original.index}"].filter("aresample", **{"async": 1, "first_pts": 0})  # holes stay holes
        streams.append(kept)
        options |= {"metadata:s:a:1": _tag(original.language), "disposition:a:1": "0", "c:a:1": "aac"}
    for number, track in enumerate(subtitles):
        streams.append(ffmpeg.input(_named(track.path), protocol_whitelist="file", format="srt")["s:0"])
        options[f"metadata:s:s:{number}"] = _tag(track.language)
        options[f"disposition:s:{number}"] = "0"  # there to be chosen: players show a default one unasked
    if subtitles:
        options["c:s"] = "mov_text" if out.suffix in (".mp4", ".m4a", ".mov") else "srt"
    if out.suffix in (".mp4", ".m4a", ".mov"):
        options |= {"movflags": "+faststart", "write_tmcd": 0}
    spec = ffmpeg.output(*streams, _named(out), **options).overwrite_output()
    with whole(out):
        run_ffmpeg(spec, _time_limit(info.duration_s), checkpoint, folder)
    return out


def preview(
    info: MediaInfo,
    sound: Path,
    out: Path,
    start_s: float,
    end_s: float,
    *,
    burn: Path | None = None,
    folder: Path,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """A small MP4 (H.264 of at most ``PREVIEW_HEIGHT`` lines, AAC, index first) from ``start_s`` to ``end_s``.

    ``sound`` (AAC in MP4) is on the file's clock and need not reach beyond ``end_s``; ``burn`` names subtitles that
    count from ``start_s``. Without a picture it is sound alone.
    """
    import ffmpeg

    span = {"ss": round(start_s, 3), "t": round(end_s - start_s, 3)}
    streams: list[Any] = []
    options: dict[str, Any] = {"c:a": "copy", "movflags": "+faststart", "map_metadata": -1, "write_tmcd": 0}
    if info.video is not None:
        whitelist = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS, "fflags": "+genpts"}
        picture = ffmpeg.input(_named(info.path), **whitelist, **span)["V:0"]
        picture = picture.filter("scale", "-2", f"min({PREVIEW_HEIGHT},ceil(ih/2)*2)")
        if burn is not None:
            shutil.copyfile(burn, folder / "burn.srt")
            picture = picture.filter("subtitles", "burn.srt")
        streams.append(picture)
        options |= {"c:v": "libx264", "crf": PREVIEW_CRF, "preset": "ultrafast", "pix_fmt": "yuv420p"}
    streams.append(ffmpeg.input(_named(sound), protocol_whitelist="file", format="mov", **span)["a:0"])
    spec = ffmpeg.output(*streams, _named(out), **options).overwrite_output()
    with whole(out):
        run_ffmpeg(spec, _time_limit(end_s), checkpoint, folder)
    return out


def piece(
    info: MediaInfo,
    out: Path,
    start_s: float,
    end_s: float,
    folder: Path,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """Picture and first sound of an MP4 from ``start_s`` to ``end_s``, copied; it shows nothing before that."""
    import ffmpeg

    span = {"ss": round(start_s, 3), "t": round(end_s - start_s, 3)}
    source = ffmpeg.input(_named(info.path), protocol_whitelist="file", format="mov", **span)
    streams = [source["V:0"]] if info.video is not None else []
    spec = ffmpeg.output(*streams, source["a:0"], _named(out), c="copy", movflags="+faststart", write_tmcd=0)
    with whole(out):
        run_ffmpeg(spec.overwrite_output(), _time_limit(end_s - start_s), checkpoint, folder)
    return out


def _named(path: Path) -> str:
    """The path as ffmpeg-python takes it, which wants valid Unicode; ``run_ffmpeg`` turns it back."""
    return _url(path).translate(FROM_BYTES)


def _tag(language: str | None) -> str:
    return f"language={'und' if language is None else three_letters(language)}"


def _time_limit(media_s: float) -> float:
    return FFMPEG_START_S + FFMPEG_PER_SECOND * media_s


def ffmpeg_offers() -> frozenset[str]:
    """Names of the encoders and filters that the ffmpeg here has; ``EngineError`` where it does not run."""
    program = ffmpeg_binary()
    try:
        said = [
            subprocess.run(
                [program, "-hide_banner", listing], capture_output=True, text=True, timeout=FFMPEG_START_S, check=True
            ).stdout
            for listing in ("-encoders", "-filters")
        ]
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"ffmpeg does not run ({program}): {error}") from error
    # a line of both listings is: flags, name, description
    return frozenset(line.split()[1] for line in "\n".join(said).splitlines() if len(line.split()) > 1)


def run_ffmpeg(spec: Any, timeout_s: float, checkpoint: Callable[[], None], folder: Path) -> None:
    """Runs one ffmpeg in ``folder``; it dies with the run, and at its time limit, pauses not counted.

    Raises ``VtlabError`` (``E_FFMPEG``) with the end of what it printed, ``ResourceError`` where the disk is full,
    ``EngineError`` where ffmpeg cannot be started.
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
