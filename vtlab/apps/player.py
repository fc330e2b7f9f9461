"""A player of a finished dub with its subtitles; a long dub is played in parts."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import traitlets

from vtlab.media.snippets import data_url
from vtlab.segments import Cue

if TYPE_CHECKING:
    from marimo import Html

WHOLE_BYTES = 64 * 1024 * 1024  # a page takes a file whole: a larger one is shown in parts
PART_S = 120.0
MP4 = (".mp4", ".m4a")  # what parts are cut from without encoding


class Player(anywidget.AnyWidget):
    """Play a video or sound from the second where an earlier player in its place was left.

    Attributes:
        kind: The HTML element, `video` or `audio`.
        source: URL of the file.
        subtitles: URL of its WebVTT, or empty.
        language: Language of the subtitles.
        place: Players with the same place go on where the one before them was.
    """

    _esm = Path(__file__).with_name("player.js")
    kind = traitlets.Unicode().tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    subtitles = traitlets.Unicode().tag(sync=True)
    language = traitlets.Unicode().tag(sync=True)
    place = traitlets.Unicode().tag(sync=True)


def count_parts(file: Path) -> int:
    """Return the number of parts of `PART_S` in which a page plays a file: one where it can hold the whole."""
    from vtlab.media import probe

    if file.stat().st_size <= WHOLE_BYTES or file.suffix not in MP4:
        return 1
    return math.ceil(probe(file).duration_s / PART_S)


def show_part(file: Path, subtitles: Path | None, language: str, part: int = 0) -> Html:
    """Return a player.

    Args:
        file: The dubbed video or sound.
        subtitles: WebVTT to show over it.
        language: Language of the subtitles.
        part: Which part of a long file, counted from 0.
    """
    import marimo as mo

    size = file.stat().st_size
    if size > WHOLE_BYTES and file.suffix not in MP4:
        return mo.md(
            f"`{file}` is {size / 1e6:.0f} MB: open it in a video player. Segments play in the time line above."
        )
    place = f"{file.parent} {part}"  # other dubs of the same video go there, too
    with tempfile.TemporaryDirectory() as folder:
        if size > WHOLE_BYTES:
            file, subtitles = _cut_part(file, subtitles, part, Path(folder))
        shown = Player(
            kind="video" if file.suffix == ".mp4" else "audio",
            source=_served_url(file),
            subtitles="" if subtitles is None else data_url(subtitles.read_bytes(), "text/vtt"),
            language=language,
            place=place,
        )
    return mo.ui.anywidget(shown)


def _served_url(file: Path) -> str:
    """Return the URL at which marimo serves the file, from its own player: no function of marimo returns it alone."""
    import marimo as mo

    found = re.search(r"src='([^']+)'", mo.video(file).text)
    assert found is not None, "marimo writes its players another way"
    return found[1]


def _cut_part(file: Path, subtitles: Path | None, part: int, folder: Path) -> tuple[Path, Path | None]:
    """Write a part of an MP4, and its subtitles on that part's clock, as files in `folder`."""
    from vtlab.media import excerpt, probe
    from vtlab.metrics.subtitles import read_subtitles
    from vtlab.stages.subtitle_generation import write_subtitles

    info = probe(file)
    start, end = part * PART_S, min((part + 1) * PART_S, info.duration_s)
    shown = excerpt(info, folder / f"part{file.suffix}", start, end, folder)
    if subtitles is None:
        return shown, None
    cues = [cue for cue in read_subtitles(subtitles) if cue.end > start and cue.start < end]
    shifted = [Cue(max(0.0, cue.start - start), min(cue.end, end) - start, cue.text) for cue in cues]
    return shown, write_subtitles(shifted, folder / "part.vtt")
