"""Media containers: opening local files with PyAV, and the clock of a file.

Only plain local containers are opened: what points elsewhere (playlists, concat scripts, external references) is
refused before a demuxer sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vtlab.errors import InputError

if TYPE_CHECKING:
    from av.container import InputContainer

# names of libavformat's demuxers that read one local file and nothing else
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,wav,w64,flac,mp3,aac,aiff,caf,au,amr,"
    "ac3,eac3,dv,mxf,nut,wv,tta,ape,gif"
)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a local file as a container of media, closed at the end of the ``with`` block.

    Raises:
        InputError: It is no container that is opened here, or is damaged (``E_UNREADABLE``).
    """
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": DEMUXERS,
        "enable_drefs": "0",
        "use_absolute_path": "0",
    }
    try:
        container = av.open(local_url(path), options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as video or sound ({error.strerror or error}): it is damaged, cut off, or of a "
            "kind that is not supported.",
            code="E_UNREADABLE",
        ) from error
    with container:
        yield container


def local_url(path: Path) -> str:
    """Return the path as ffmpeg takes it, safe against leading dashes and names that look like protocols."""
    return f"file:{path.absolute()}"


def start_time(container: InputContainer) -> float:
    """Return the file's first timestamp, seconds: the start of its clock."""
    return (container.start_time or 0) / 1_000_000
