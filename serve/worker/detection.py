"""Detect the language of a file, reading no more of it than that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from vtlab import media
from vtlab.audio import Audio, cut
from vtlab.engines.choice import choose_listeners
from vtlab.engines.pool import EnginePool
from vtlab.engines.transcription import Transcriber
from vtlab.engines.voice_activity import VoiceActivity
from vtlab.errors import InputError
from vtlab.events import Finding
from vtlab.run import pool_entry
from vtlab.segments import Interval
from vtlab.settings import Settings
from vtlab.stages import audio_extraction, transcription

DETECTED_S = 30.0  # of speech, the most that is listened to for the language
SEARCHED_S = 900.0  # of sound, in which that speech is looked for …
BLOCK_S = 30.0  # … so much at a time


def detect(file: Path, settings: Settings, pool: EnginePool) -> tuple[str, float]:
    """Return the language (ISO 639-1) of the first 30 s that hold speech, and its probability.

    Raises:
        UserError: The file cannot be read, or nobody speaks in its first `SEARCHED_S` seconds.
    """
    info = media.probe(file)
    extraction = audio_extraction.extract(info, settings.audio_extraction, None, _ignore)
    section = settings.transcription
    searched_s = min(info.duration_s, SEARCHED_S)
    with borrow_listeners(settings, pool) as (voice_activity, recogniser):
        blocks: list[np.ndarray] = []
        speech: list[Interval] = []
        looked_s = heard_s = 0.0
        for block in media.speech_blocks(file, extraction.stream, searched_s, read_on=False):
            blocks.append(block)
            heard_s += len(block) / media.SPEECH_HZ
            if heard_s - looked_s < BLOCK_S and heard_s < searched_s - 0.5:
                continue
            audio = Audio(np.concatenate(blocks), media.SPEECH_HZ)
            with suppress(InputError):
                new = transcription.find_speech(cut(audio, looked_s, heard_s), voice_activity, section.voice_activity)
                speech += [Interval(looked_s + part.start, looked_s + part.end) for part in new]
            looked_s = heard_s
            if sum(part.duration for part in speech) >= DETECTED_S / 2:
                break
        if not speech:
            where = file if searched_s == info.duration_s else f"the first {searched_s / 60:.0f} minutes of {file}"
            raise InputError(f"Nobody speaks in {where}.", code="E_NO_SPEECH")
        one_window = section.model_copy(update={"detection_windows": 1})
        found = transcription.detect_language(audio, speech, recogniser, one_window, _ignore)
    return found.language, found.confidence


@contextmanager
def borrow_listeners(settings: Settings, pool: EnginePool) -> Iterator[tuple[VoiceActivity, Transcriber]]:
    """Borrow voice activity and recogniser, the engines that every session needs, from the pool."""
    borrowed = [pool_entry(settings, choice) for choice in choose_listeners(settings)]
    activity, recogniser = (pool.borrow(key, build) for key, build in borrowed)
    try:
        yield activity, recogniser
    finally:
        for key, _ in borrowed:
            pool.give_back(key)


def _ignore(finding: Finding) -> None:
    """Drop a finding: the dub itself reports them."""
