"""Files that point at others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_files import CASES, refused

from vtlab import media
from vtlab.errors import InputError


def test_the_demuxer_of_playlists_is_shut_too(tmp_path: Path) -> None:
    """Where the first bytes do not betray one: a byte-order mark and a comment before it."""
    shutil.copy(CASES / "disguised_playlist" / "neighbour.ts", tmp_path)
    for text in ("\ufeff# list\nffconcat version 1.0\nfile neighbour.ts\n", "file neighbour.ts\n", "\0#EXTM3U\n"):
        (tmp_path / "odd.mp4").write_text(text)
        assert refused(tmp_path / "odd.mp4").code in ("E_PLAYLIST", "E_UNREADABLE")


def test_references_inside_mp4_are_not_followed(made: Callable[[str], Path], tmp_path: Path) -> None:
    """Sound that lies in another file by a data reference (ISO 14496-12, 8.7.2), which players may follow."""
    import av

    data = made("plain.mp4").read_bytes()
    (tmp_path / "other.mp4").write_bytes(data)
    at = data.index(b"mdat")
    size = int.from_bytes(data[at - 4 : at])
    emptied = data[: at + 4] + bytes(size - 8) + data[at - 4 + size :]
    path = tmp_path / "points.mp4"
    path.write_bytes(pointing_at("other.mp4", emptied))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        assert np.abs(next(container.decode(audio=0)).to_ndarray()).max() >= 0  # the reference is a good one
    info = media.probe(path)
    with pytest.raises(InputError, match="nothing that can be decoded"):
        media.decode_speech(path, info.audio[0], info.duration_s)


def pointing_at(name: str, mp4: bytes) -> bytes:
    """The MP4 with its last track's data in another file beside it, by an alias as QuickTime writes it."""
    record = name.encode()
    alias = bytes(14) + b"\4disk".ljust(28, b"\0") + bytes(12) + bytes([len(record)]) + record.ljust(63, b"\0")
    alias += bytes(16) + b"\0\1\0\1" + bytes(16)  # the levels from and to the folder that both are in
    alias += b"\0\2" + (len(record) + 1).to_bytes(2) + b"/" + record + bytes((len(record) + 1) % 2) + b"\xff\xff\0\0"
    entry = (8 + len(alias)).to_bytes(4) + b"alis" + alias
    own = b"\0\0\0\x0curl \0\0\0\1"
    at = mp4.rindex(own)
    data = bytearray(mp4)
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        box = data.rindex(parent, 0, at) - 4
        data[box : box + 4] = (int.from_bytes(data[box : box + 4]) + len(entry) - len(own)).to_bytes(4)
    return bytes(data[:at]) + entry + bytes(data[at + len(own) :])
