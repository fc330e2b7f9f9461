"""The eight stages in order on one video.

``dub`` is the whole story: each stage is a function of ``vtlab.stages``, given what the one before made, an engine and
its own section of the settings. Lines flow through stages 3, 4 and 5 as they come. What each stage made is kept in the
store under a key made of everything it depends on: a second run computes nothing, a killed one goes on where it was.
Only this module and its books (``vtlab.run``) know the store.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vtlab import __version__, media, resources
from vtlab.audio import Audio
from vtlab.background import in_background
from vtlab.engines.pool import EnginePool
from vtlab.errors import InputError
from vtlab.events import Listener, Log, ignore
from vtlab.findings import Finding, Severity
from vtlab.record import EngineRun, Output, Record, SegmentRecord, Source, WordRecord
from vtlab.run import Run
from vtlab.segments import (
    Interval,
    PlacedSegment,
    Segment,
    SpokenSegment,
    TranslatedSegment,
    segment_from_json,
    segment_to_json,
    translated_from_json,
    translated_to_json,
)
from vtlab.settings import Settings, fingerprint
from vtlab.stages import (
    audio_extraction,
    audio_sync,
    initialization,
    subtitle_generation,
    transcription,
    translation,
    tts,
    video_combination,
)
from vtlab.stages.initialization import Choice
from vtlab.store import Store
from vtlab.stored import (
    Identity,
    OnFirstUse,
    StoredSynthesizer,
    StoredTranscriber,
    StoredTranslator,
    StoredVoiceActivity,
)
from vtlab.weights import content_hash

NAME_BYTES = 255  # the longest file name that common file systems take


@dataclass(frozen=True)
class Dub:
    """A finished dub: its files by kind, its record, and whether any line is missing from it."""

    outputs: dict[str, Path]
    record: Record

    @property
    def degraded(self) -> bool:
        return self.record.degraded


def dub(
    video: Path,
    settings: Settings,
    out: Path,
    *,
    on_event: Listener = ignore,
    checkpoint: Callable[[], None] = lambda: None,
    pool: EnginePool | None = None,
) -> Dub:
    """Dubs ``video`` into ``settings.target_language``; files named after the video appear in the folder ``out``.

    ``checkpoint`` is called at least once per line; it may block (paused) or raise ``Cancelled``. ``pool`` keeps loaded
    engines between dubs. Raises a ``UserError`` where the input, the settings or the machine must be changed first;
    nothing half-written stays behind, and what was computed is found again by the next run.
    """
    began = time.perf_counter()
    run = Run(settings, Store.of(settings.store), pool or EnginePool(memory_budget_mb(settings)), on_event, checkpoint)

    with run.stage("initialization"):
        target = initialization.target_language(settings)
        info = media.probe(video)
        out.mkdir(parents=True, exist_ok=True)
        initialization.check_room(video, info.duration_s, out, run.store.folder)
        listeners = initialization.choose_listeners(settings)
        voices = initialization.choose_voices(settings, target, run.found)
        if settings.source_language is not None:
            initialization.choose_translators(settings, settings.source_language, target)

    with run.stage("audio_extraction"):
        extraction = audio_extraction.extract(video, settings.audio_extraction, settings.source_language)
        for finding in extraction.findings:
            run.found(finding)
    source = _Source(extraction, content_hash(video))

    transcript = _transcribe(run, source, listeners)
    initialization.check_pair(transcript.language, target)
    translators = initialization.choose_translators(settings, transcript.language, target)
    translated = in_background(_translate(run, transcript, source, translators, target))
    spoken = list(_speak(run, translated, transcript, voices, info.duration_s))

    with _work_folder(out) as work:
        mixed = _mix(run, spoken, transcript, source, work)
        with run.stage("subtitle_generation"):
            subtitles = _subtitles(run, mixed.placed, transcript.language, target, source, work)
        with run.stage("video_combination"):
            suffix = video_combination.output_suffix(info, settings.video_combination)
            dubbed = work / f"dub{suffix}"
            for finding in video_combination.combine(
                extraction, mixed.file, subtitles, settings.video_combination, dubbed, work, checkpoint
            ):
                run.found(finding)
        files = {"video" if info.video else "audio": (dubbed, f"{target}{suffix}")}
