"""Previews: the beginning of a dub while it is being made, and pieces of the finished one.

The early preview holds the first segments as the dub will say and show them: placed, mixed and subtitled by the same
functions of the stages, over the beginning of the source, at a small size. A thread makes it while the dub goes on.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from serve.worker.artifacts import publish
from serve.worker.background import BackgroundTask, Checkpoint
from vtlab import media
from vtlab.audio import Audio
from vtlab.events import Finding
from vtlab.segments import Cue, SpokenSegment
from vtlab.settings import Settings
from vtlab.stages import audio_extraction, audio_sync, subtitle_generation, video_combination

LEAST_S, MOST_S = 10.0, 30.0  # of an early preview
LEAD_S = 1.0  # heard before the first segment, where that comes late
LATE_S = 5.0  # a first segment later than this is late
TAIL_S = 0.5  # shown after the last segment, where nobody speaks
LEAST_PIECE_S = 0.5  # what is left at the end is no piece of its own
PIECE_S = 30.0  # how long the gateway takes a segment preview to be


class EarlyPreview:
    """Collect the first segments as they are spoken, and render them once they fill a preview."""

    def __init__(
        self,
        video: Path,
        settings: Settings,
        out: Path,
        work: Path,
        checkpoint: Checkpoint,
        on_ready: Callable[[Path], None],
    ) -> None:
        """Prepare a preview of `video`.

        Args:
            video: The source.
            settings: Of the dub.
            out: Where it goes; it appears whole or not at all.
            work: A folder for files under way.
            checkpoint: Called by the rendering thread.
            on_ready: Called with `out`, in the rendering thread, once it is there.
        """
        self._video, self._settings, self._out, self._work = video, settings, out, work
        self._on_ready = on_ready
        self._segments: list[SpokenSegment] = []
        self._rendering = BackgroundTask("early preview", checkpoint)
        self._made = out.exists()  # by an earlier attempt

    @property
    def problem(self) -> str | None:
        """Why there is no preview, for people; `None` where nothing went wrong."""
        return self._rendering.problem

    def add(self, segment: SpokenSegment) -> None:
        """Take the next segment; called in the order of their times."""
        if self._made or self._rendering.started:
            return
        if span := preview_span(self._segments, segment):
            self._render(*span)
        else:
            self._segments.append(segment)

    def finish(self) -> None:
        """Make the preview of what there is: no more segments follow."""
        if not self._made and not self._rendering.started and any(not one.silent for one in self._segments):
            start = _start(self._segments)
            self._render(start, start + MOST_S)  # or to the end of the file

    @contextmanager
    def join_at_exit(self) -> Iterator[None]:
        """Wait for the rendering at the end of the block; stop it where the block fails."""
        if self._made:
            self._on_ready(self._out)
        with self._rendering.join_at_exit():
            yield

    def _render(self, start: float, end: float) -> None:
        self._rendering.start(partial(self._make, start, end))

    def _make(self, start: float, end: float, checkpoint: Checkpoint) -> None:
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            made = render(self._video, self._settings, self._segments, start, end, self._work, checkpoint)
            publish(made, self._out)
            self._on_ready(self._out)
        finally:
            self._segments = []
            shutil.rmtree(self._work, ignore_errors=True)


def preview_span(segments: list[SpokenSegment], following: SpokenSegment) -> tuple[float, float] | None:
    """Return start and end (s) of a preview of `segments`; `None` while it would be shorter than `LEAST_S`.

    It ends in the silence between the last of them and `following`; inside a segment only where `MOST_S` ends there.
    """
    if not any(not segment.silent for segment in segments):
        return None
    start = _start(segments)
    last, next_start = segments[-1].source.source.end, following.source.source.start
    if last - start >= MOST_S:
        return start, start + MOST_S
    end = min(max(last, next_start - 0.1), last + TAIL_S, start + MOST_S)
    return (start, end) if end - start >= LEAST_S else None


def _start(segments: list[SpokenSegment]) -> float:
    first = next(segment.source.source.start for segment in segments if not segment.silent)
    return 0.0 if first <= LATE_S else first - LEAD_S


def render(
    video: Path,
    settings: Settings,
    segments: list[SpokenSegment],
    start: float,
    end: float,
    work: Path,
    checkpoint: Checkpoint,
) -> Path:
    """Render the segments over the source from `start` to `end` (s), and return the MP4, a file in `work`."""
    whole = media.probe(video)
    end = min(end, whole.duration_s)
    start = max(0.0, min(start, end - LEAST_S))  # where somebody speaks only at the end
    info = replace(whole, duration_s=end)
    extraction = audio_extraction.extract(info, settings.audio_extraction, settings.source_language, _ignore)
    blocks = []
    for block in media.speech_blocks(video, extraction.stream, end, read_on=False):
        checkpoint()
        blocks.append(block)
    original = Audio(np.concatenate(blocks), media.SPEECH_HZ)
    placed = audio_sync.synchronise(segments, original, end, settings.audio_sync, _ignore, checkpoint)
    sound = work / "preview.m4a"
    video_combination.mix(
        extraction, placed, (), settings.audio_sync, settings.video_combination, sound, work, checkpoint, _ignore
    )
    frame_s = float(1 / info.video.fps) if info.video else 0.04
    cues = subtitle_generation.target_cues(placed, settings.subtitle_generation, frame_s, end)
    shown = [Cue(max(0.0, cue.start - start), cue.end - start, cue.text) for cue in cues if cue.end > start]
    burn = None
    if shown and settings.video_combination.burn_subtitles:
        burn = subtitle_generation.write_subtitles(shown, work / "preview.srt")
    return media.preview(
        info, sound, work / "preview.mp4", start, end, burn=burn, folder=work, checkpoint=checkpoint
    )  # fmt: skip


def cut_pieces(result: Path, folder: Path, checkpoint: Checkpoint) -> list[str]:
    """Cut the result into `seg_001.mp4` … of `PIECE_S` in `folder`, and return their names without the suffix."""
    info = media.probe(result)
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run
    folder.mkdir(parents=True)
    count = max(1, math.ceil((info.duration_s - LEAST_PIECE_S) / PIECE_S))
    digits = max(3, len(str(count)))  # they are taken in the order of their names
    names = []
    for number in range(count):
        name = f"seg_{number + 1:0{digits}d}"
        unfinished = folder / f".{name}.mp4"
        end = min((number + 1) * PIECE_S, info.duration_s)
        media.excerpt(info, unfinished, number * PIECE_S, end, folder, checkpoint)
        unfinished.replace(folder / f"{name}.mp4")
        names.append(name)
    return names


def _ignore(finding: Finding) -> None:
    """Drop a finding: the dub itself reports them."""
