"""Checks of a file's bytes before any demuxer opens it: kind, emptiness, playlists, and data that is cut off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from vtlab.errors import InputError

SNIFFED_BYTES = 4096


def check_kind(path: Path) -> None:
    """Refuse by its first bytes what is no file of media, before a demuxer sees it.

    Raises:
        InputError: The file is missing or is a folder (``E_NO_FILE``), is empty (``E_EMPTY``), a playlist
            (``E_PLAYLIST``), or text (``E_UNREADABLE``).
    """
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


def check_size(path: Path) -> None:
    """Refuse a file that ends before its container says so.

    Raises:
        InputError: The file is cut off (``E_UNREADABLE``).
    """
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
    """Return where the last box of media or index ends (ISO 14496-12, 4.2)."""
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
    """Return where the last RIFF chunk ends; large AVI files have several. A size of 0 or all ones is not filled in.

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
    """Return where the segment ends; 0 where its size is not filled in (RFC 8794, RFC 9559)."""
    file.seek(4)
    header_size, _ = _variable_int(file)
    file.seek(header_size, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, unknown = _variable_int(file)
    return 0 if unknown else file.tell() + length


def _variable_int(file: BinaryIO) -> tuple[int, bool]:
    """Read an EBML size; return it, and whether it is the one that means unknown."""
    first = (file.read(1) or b"\0")[0]
    extra = 8 - first.bit_length()
    if extra > 7:
        return 0, True
    value = int.from_bytes(bytes([first & (0x7F >> extra)]) + file.read(extra))
    return value, value == (1 << 7 * (extra + 1)) - 1
