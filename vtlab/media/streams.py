"""Streams of a media file: what it holds, which sound is dubbed, and how long it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab.errors import InputError, LanguageError
from vtlab.languages import language_code
from vtlab.media.container import open_container, start_time
from vtlab.media.integrity import check_kind, check_size

if TYPE_CHECKING:
    from av.container import InputContainer

TRUNCATED_S = 3.0  # data that ends this much before the length in the header is cut off
TRUNCATED_EXACT_S = 0.25  # the same for formats whose header says when the last picture or sound ends
TIMED = ("audio", "video", "subtitle")  # streams that decide how long a file is; a timecode track is one long packet
ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC


@dataclass(frozen=True)
class VideoStream:
    """The picture of a file; ``frames`` is absent where the container does not say."""

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
    """The streams of a file; an attached cover picture is no video. ``subtitles`` are codec names."""

    path: Path
    container: str
    duration_s: float
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    subtitles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extraction:
    """A file and its sound that is dubbed."""

    info: MediaInfo
    stream: AudioStream

    @property
    def duration_s(self) -> float:
        """Length of the file, seconds."""
        return self.info.duration_s


def probe(path: Path) -> MediaInfo:
    """Return the streams and the length of a file.

    Raises:
        InputError: The file is missing or a folder (``E_NO_FILE``), empty (``E_EMPTY``), a playlist (``E_PLAYLIST``),
            no media or cut off (``E_UNREADABLE``), or without sound (``E_NO_AUDIO``).
    """
    check_kind(path)
    with open_container(path) as container:
        if not container.streams.audio:
            raise InputError(f"{path} has no sound, so there is nothing to dub.", code="E_NO_AUDIO")
        start = start_time(container)
        audio = tuple(
            _audio(stream, index, start)
            for index, stream in enumerate(container.streams.audio)
            if stream.codec_context is not None and stream.codec_context.sample_rate
        )
        if not audio:
            raise InputError(f"The sound of {path} is in a format that nobody here can decode.", code="E_UNREADABLE")
        check_size(path)
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
    """Return the audio stream of a number, else one in the language, else the default one, else the first.

    Raises:
        InputError: There is no stream of that number.
    """
    if stream is not None:
        for audio in info.audio:
            if audio.index == stream:
                return audio
        numbers = ", ".join(str(audio.index) for audio in info.audio)
        raise InputError(f"{info.path} has no audio stream number {stream}; there is {numbers}.")
    spoken = [audio for audio in info.audio if language is not None and audio.language == language]
    flagged = [audio for audio in info.audio if audio.default]
    return (spoken or flagged or list(info.audio))[0]


def _duration(container: InputContainer, path: Path) -> float:
    """Return the seconds from the file's first timestamp to its last; check that the data reaches it."""
    name, start = container.format.name, start_time(container)
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
    """Return whether the first frame of an MP3 gives its length, which else is a guess by the bit rate."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # sizes of seven bits a byte (ID3v2, 3.1)
            tag = sum(byte << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
            file.seek(10 + tag)
            head = b""
        head += file.read(256)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def _end_of_data(container: InputContainer, path: Path, declared: float | None) -> float:
    """Return where the last picture, sound or subtitle ends; with ``declared``, read only the end of the file."""
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
    return last - start_time(container)


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
    """Return how many frames of the picture are shown; an edit list may hide some.

    Counts packets, which for every codec that is dubbed are frames.
    """
    with open_container(path) as container:
        pictures = [stream for stream in container.streams.video if not int(stream.disposition) & ATTACHED_PICTURE]
        if not pictures:
            return 0
        return sum(1 for packet in container.demux(pictures[0]) if packet.size and not packet.is_discard)
