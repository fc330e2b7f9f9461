"""espeak-ng: a formant voice for a hundred languages; understood, but robotic, so a last resort.

The library keeps global state, and Piper's and Kokoro's phonemes come from copies of it in this process. Each segment
is spoken by a process of its own (``backends/espeak_process.py``, some 50 ms), with the library that the package
``espeakng-loader`` brings, or by the system's ``espeak-ng`` program: nothing is shared, and a crash costs a segment,
not the dub.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import wave
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pydantic import Field

from vtlab import weights
from vtlab.audio import Audio, trim
from vtlab.engines import Status
from vtlab.engines.backends import espeak_process
from vtlab.engines.tts import Gender, TtsEngine, Voice
from vtlab.errors import EngineError, LineError
from vtlab.languages import LANGUAGES
from vtlab.settings import Section
from vtlab.weights import Weights

INSTALL = "pip install espeakng-loader, or install the program espeak-ng (on Debian: apt-get install espeak-ng)"
# what espeak-ng calls a language, preferred first, where that is not our code
CODES = {
    "en": ("en-us", "en-gb"),
    "es": ("es", "es-419"),
    "fr": ("fr-fr", "fr"),
    "pt": ("pt-br", "pt"),
    "zh": ("cmn", "zh"),
}
VARIANTS: dict[str, Gender] = {"m3": "male", "f2": "female", "m1": "male", "f4": "female", "m7": "male", "f5": "female"}
SPEAKER = Path(espeak_process.__file__)
SLOWEST_WPM, FASTEST_WPM = 80, 450  # what espeak-ng takes


class EspeakOptions(Section):
    """Options of ``tts.espeak``."""

    wpm: int = Field(165, ge=100, le=225, description="words a minute at natural speed")
    program: Path | None = Field(
        None, description="an espeak-ng program; empty: the library of espeakng-loader, then espeak-ng on the PATH"
    )


class Espeak(TtsEngine):
    """Speak with espeak-ng in processes of its own; three male and three female variants of each language."""

    Options = EspeakOptions
    licence = "GPL-3.0"
    parallel = min(2, os.cpu_count() or 1)
    max_chars = 2000
    rates = (0.5, 2.0)
    seconds_per_unit = 1.0

    @classmethod
    def status(cls, options: EspeakOptions) -> Status:
        command = _command(options)
        if command is None:
            return Status(False, problem="espeak-ng is missing", fix=INSTALL)
        known = _list_languages(command)
        return Status(True, tuple(code for code in LANGUAGES if _code(code, known) is not None))

    @classmethod
    def voices(cls, options: EspeakOptions, language: str) -> tuple[Voice, ...]:
        command = _command(options)
        code = None if command is None else _code(language, _list_languages(command))
        if code is None:
            return ()
        return tuple(Voice(f"{code}+{variant}", language, gender, code) for variant, gender in VARIANTS.items())

    @classmethod
    def weights(cls, options: EspeakOptions, voice: Voice) -> tuple[Weights, ...]:
        command = _command(options)
        if command is None:
            raise EngineError(f"espeak-ng is missing. To fix this: {INSTALL}")
        library = Path(command[-2] if len(command) > 1 else command[0])
        return (weights.hash_weights("espeak-ng", library, "package" if len(command) > 1 else f"program {library}"),)

    def __init__(self, options: EspeakOptions, threads: int) -> None:
        command = _command(options)
        if command is None:
            raise EngineError(f"espeak-ng is missing. To fix this: {INSTALL}")
        self._command, self._wpm = command, options.wpm
        self._natural = lru_cache(maxsize=2000)(self._measure)

    def units(self, text: str, voice: Voice) -> float:
        """Return the seconds at natural speed, measured: speaking is as quick as counting."""
        return self._natural(text, voice)

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Return mono speech, 22 kHz, at ``rate`` times the natural speed.

        Raises:
            LineError: espeak-ng fails on the text.
        """
        wpm = min(max(round(self._wpm * rate), SLOWEST_WPM), FASTEST_WPM)
        command = [*self._command, "-v", voice.name, "-s", str(wpm), "--stdin", "--stdout"]
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=10 + 0.02 * len(text), check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LineError(f"espeak-ng hung on {text!r}.") from error
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise LineError(f"espeak-ng cannot speak {text!r} with {voice.name}: {reason}")
        return _decode(done.stdout)

    def _measure(self, text: str, voice: Voice) -> float:
        return trim(self.speak(text, voice, 1.0)).duration


def _command(options: EspeakOptions) -> tuple[str, ...] | None:
    """Return the program to run, or Python with ``espeak_process.py``, the library and its data as last words."""
    if options.program is not None:
        found = shutil.which(str(options.program.expanduser()))
        return None if found is None else (found,)
    spec = find_spec("espeakng_loader")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations)))
        library = next((file for file in sorted(folder.iterdir()) if file.suffix in (".so", ".dylib", ".dll")), None)
        if library is not None:
            return (sys.executable, "-I", str(SPEAKER), str(library), str(folder / "espeak-ng-data"))
    found = shutil.which("espeak-ng")
    return None if found is None else (found,)


@cache
def _list_languages(command: tuple[str, ...]) -> frozenset[str]:
    """Return the languages that this espeak-ng speaks, by its own names of them."""
    if len(command) > 1:
        lines = [
            line
            for file in (Path(command[-1]) / "lang").rglob("*")
            if file.is_file()
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        ]
        return frozenset(line.split()[1].lower() for line in lines if line.strip().startswith("language "))
    listed = subprocess.run([*command, "--voices"], capture_output=True, text=True, timeout=10, check=False).stdout
    return frozenset(line.split()[1].lower() for line in listed.splitlines()[1:] if len(line.split()) > 1)


def _code(language: str, known: frozenset[str]) -> str | None:
    return next((code for code in CODES.get(language, (language,)) if code in known), None)


def _decode(wav: bytes) -> Audio:
    # written to a pipe, so the lengths in the header are not known and `readframes` must be asked for all there is
    with wave.open(io.BytesIO(wav)) as sound:
        samples = np.frombuffer(sound.readframes(len(wav) // 2), "<i2")
        return Audio(samples.astype(np.float32) / np.float32(32768), sound.getframerate())
