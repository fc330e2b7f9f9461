"""Stage 2: choose the sound that is dubbed, and decode it as recognisers want it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from vtlab.audio import Audio, levels_db, loudness_lufs, peak_db
from vtlab.events import Finding, Severity
from vtlab.languages import language_name
from vtlab.media import Extraction, MediaInfo, choose_audio, decode_speech
from vtlab.settings import AudioExtractionSettings
from vtlab.weights import content_hash

STAGE = "audio_extraction"
VERSION = 2

CLIPPED = 0.999  # a sample this near full scale was cut off by it
CLIPPED_SHARE = 0.001
SILENCE_DBFS = -60.0
QUIET_DBFS = -40.0  # a peak below this is hardly a recording
ENDS_EARLY_S = 1.0  # a picture that goes on this long after its sound is worth saying


def extract(
    info: MediaInfo, settings: AudioExtractionSettings, language: str | None, on_finding: Callable[[Finding], None]
) -> Extraction:
    """Return the stream to dub: the one set, else one in the source language, else the default one, else the first.

    Raises:
        InputError: The setting names a stream that is not there.

    Examples:
        >>> from pathlib import Path
        >>> from vtlab import media
        >>> from vtlab.settings import AudioExtractionSettings
        >>> from vtlab.stages import audio_extraction
        >>> info = media.probe(Path("talk.mp4"))
        >>> extraction = audio_extraction.extract(info, AudioExtractionSettings(), "pt", print)
        >>> extraction.stream.index, extraction.stream.channels
        (0, 1)
    """
    stream = choose_audio(info, settings.stream, language)
    if len(info.audio) > 1:
        spoken = f" ({language_name(stream.language)})" if stream.language else ""
        message = f"Of {len(info.audio)} audio streams, number {stream.index}{spoken} is dubbed."
        on_finding(Finding(STAGE, "stream_chosen", Severity.INFO, message, None, stream.index, len(info.audio)))
    if info.subtitles:
        message = f"Subtitles that were in the file ({', '.join(info.subtitles)}) are left out of the dub."
        on_finding(Finding(STAGE, "subtitles_left_out", Severity.INFO, message))
    return Extraction(info, stream)


def decode_source_speech(extraction: Extraction, on_finding: Callable[[Finding], None]) -> Audio:
    """Return the sound of the chosen stream: 16 kHz mono on the picture's clock, as long as the file.

    Where a little cannot be decoded, that is silent and a finding.

    Raises:
        InputError: Much of it cannot be decoded.
    """

    def on_damage(packets: int) -> None:
        message = f"The sound is damaged: {packets} pieces of it cannot be decoded, and are silent in the dub."
        on_finding(Finding(STAGE, "damaged", Severity.WARNING, message, None, packets, 0))

    audio = decode_speech(extraction.info.path, extraction.stream, extraction.duration_s, on_damage)
    _check(audio, on_finding)
    return audio


class SourceSound:
    """The sound that is dubbed, its name by content, and its speech: 16 kHz mono, on the picture's clock."""

    def __init__(self, extraction: Extraction) -> None:
        self.extraction = extraction
        self.sha256 = content_hash(extraction.info.path)
        self.name = f"{self.sha256}:{extraction.stream.index}:{VERSION}"
        self._lock = threading.Lock()
        self._speech: Audio | None = None

    def decode(self, on_finding: Callable[[Finding], None]) -> None:
        """Decode and check the speech."""
        self._speech = decode_source_speech(self.extraction, on_finding)

    @property
    def speech(self) -> Audio:
        """The speech, decoded now where no stage has needed it before."""
        with self._lock:
            if self._speech is None:
                self.decode(lambda finding: None)
            assert self._speech is not None
            return self._speech

    def release(self) -> None:
        """Free the memory of the speech: 230 MB an hour."""
        with self._lock:
            self._speech = None


def _check(audio: Audio, on_finding: Callable[[Finding], None]) -> None:
    peak = peak_db(audio)
    if peak is None or peak < QUIET_DBFS:
        message = "The sound is silent." if peak is None else f"The sound is very quiet: its peak is {peak:.0f} dBFS."
        on_finding(Finding(STAGE, "quiet", Severity.WARNING, message, None, peak, QUIET_DBFS))
        return
    on_finding(Finding(STAGE, "peak_dbfs", Severity.INFO, f"The sound's peak is {peak:.1f} dBFS.", None, peak))
    loudness = loudness_lufs(audio)
    if loudness is not None:
        message = f"The sound's loudness is {loudness:.1f} LUFS."
        on_finding(Finding(STAGE, "loudness_lufs", Severity.INFO, message, None, loudness))
    clipped = float(np.mean(np.abs(audio.samples) >= CLIPPED))
    if clipped > CLIPPED_SHARE:
        message = f"The sound is clipped: {clipped:.1%} of it is at full scale."
        on_finding(Finding(STAGE, "clipped", Severity.WARNING, message, None, clipped, CLIPPED_SHARE))
    silent = float(np.mean(levels_db(audio) < SILENCE_DBFS))
    on_finding(Finding(STAGE, "silence_share", Severity.INFO, f"{silent:.0%} of the sound is silence.", None, silent))
    ends = (int(np.flatnonzero(audio.samples)[-1]) + 1) / audio.rate
    if audio.duration - ends > ENDS_EARLY_S:
        message = f"The sound ends at {ends:.1f} s, the file at {audio.duration:.1f} s."
        on_finding(Finding(STAGE, "ends_early", Severity.INFO, message, None, ends, audio.duration))
