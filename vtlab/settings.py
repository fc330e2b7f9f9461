"""All settings, one section per stage; load, override, dump, fingerprint.

Order of strength: default < YAML file < environment (``VTLAB_TTS__VOICE=…``) < ``--set tts.voice=…``. An unknown key
is an error that names the nearest known one. The fingerprint of the resolved settings names a configuration.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vtlab.errors import SettingsError, nearest, redact
from vtlab.languages import language_code

ENVIRONMENT_PREFIX = "VTLAB_"
# variables of that prefix which are not settings: folders, read where they are used
NOT_SETTINGS = frozenset({"VTLAB_STORE", "VTLAB_WEIGHTS", "VTLAB_FFMPEG", "VTLAB_RELEASES"})

EngineOptions = dict[str, dict[str, Any]]


class Section(BaseModel):
    """A part of the settings: immutable, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class InitializationSettings(Section):
    memory_budget_mb: int | None = Field(
        None, ge=256, description="memory that loaded engines may take, MB; empty: the machine's or cgroup's limit"
    )
    threads: int | None = Field(None, ge=1, description="threads per engine; empty: one per core")
    offline: bool = Field(False, description="true: never ask a model hub or a network voice")


class AudioExtractionSettings(Section):
    stream: int | None = Field(
        None, ge=0, description="audio stream to dub, counted from 0; empty: by source language, then the default one"
    )


class VoiceActivitySettings(Section):
    engine: str = Field("silero", description="what tells speech from silence")
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability above which a frame is speech")
    min_speech_s: float = Field(0.25, ge=0, description="shorter speech is ignored, seconds")
    min_silence_s: float = Field(
        0.5, ge=0, description="shorter silence does not end a stretch for recognition, seconds"
    )
    pad_s: float = Field(0.2, ge=0, description="added around stretches given to the recogniser, seconds")


class TranscriptionSettings(Section):
    engine: str = Field("faster_whisper", description="recogniser: a name of `vtlab engines` or a dotted path")
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    voice_activity: VoiceActivitySettings = Field(default_factory=VoiceActivitySettings, description="voice activity")
    detection_windows: int = Field(5, ge=1, description="speech windows that vote on the language")
    join_gap_s: float = Field(1.0, ge=0, description="a sentence goes on across pauses up to this long, seconds")
    cut_pause_s: float = Field(
        0.5, gt=0, description="a pause this long ends a line, even without punctuation, seconds"
    )
    snap_s: float = Field(0.4, ge=0, description="line edges move to voice activity edges this near, seconds")
    max_segment_s: float = Field(12.0, gt=1, le=30, description="longer lines are cut at their best pause, seconds")
    min_confidence: float = Field(0.3, ge=0, le=1, description="below this a line is doubted and checked")


class TranslationSettings(Section):
    engines: tuple[str, ...] = Field(
        ("firefox", "opus_mt", "nllb"), min_length=1, description="the first that speaks the pair translates"
    )
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    pivot: str | None = Field("en", description="language to go through where no engine speaks the pair; empty: none")
    glossary: Path | None = Field(None, description="YAML file of terms: {source term: target term}")
    candidates: int = Field(4, ge=1, le=16, description="alternatives asked of engines that give n-best")
    min_length_ratio: float = Field(0.5, gt=0, description="translations shorter than this × source are findings")
    max_length_ratio: float = Field(1.5, gt=0, description="translations longer than this × source are findings")
    join_gap_s: float = Field(
        1.0, ge=0, description="a sentence cut into several lines is translated whole across pauses up to this, seconds"
    )


class TtsSettings(Section):
    engines: tuple[str, ...] = Field(
        ("piper", "kokoro", "espeak", "edge"),
        min_length=1,
        description="the first that speaks the language is the voice, the next ones stand in for lines it fails on",
    )
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    voice: str | None = Field(None, description="a voice by name; empty: by language, gender and speaker")
    voice_gender: Literal["neutral", "male", "female"] = Field("neutral", description="neutral takes any")
    speakers: dict[str, str] = Field(default_factory=dict, description="voice name per speaker of the transcript")
    min_rate: float = Field(0.85, gt=0, le=1, description="slowest speaking rate asked of a voice (1 = natural)")
    max_rate: float = Field(1.25, ge=1, description="fastest speaking rate asked of a voice")
    pace_s: float = Field(0.5, ge=0, description="least time between requests to a network voice, seconds")
    attempts: int = Field(5, ge=1, description="tries per line on a network voice")
    backoff_s: float = Field(0.5, gt=0, description="wait after a first refusal, doubled each time, seconds")
    max_backoff_s: float = Field(4.0, gt=0, description="longest such wait, seconds")
    breaker: int = Field(5, ge=1, description="failures in a row after which a voice is left alone")


class AudioSyncSettings(Section):
    onset_tolerance_s: float = Field(0.15, gt=0, description="a line that starts within this of its source is on time")
    preferred_min_speed: float = Field(0.9, gt=0, le=1, description="slower than this costs in the placement")
    preferred_max_speed: float = Field(1.1, ge=1, description="faster than this costs in the placement")
    min_speed: float = Field(0.85, gt=0, le=1, description="never slower than this")
    max_speed: float = Field(1.3, ge=1, description="faster only where a whole stretch cannot fit otherwise")
    gap_s: float = Field(0.03, ge=0, description="silence between lines, seconds")
    fade_s: float = Field(0.02, ge=0, description="fades at line edges, seconds")
    loudness_lufs: float = Field(-23.0, ge=-40, le=-10, description="integrated loudness of the result, EBU R128")
    peak_dbtp: float = Field(-1.0, le=0, description="highest true peak of the result")
    keep_speech_track: bool = Field(False, description="write the dubbed speech alone beside the result, as FLAC")
    follow_loudness: float = Field(
        0.5, ge=0, le=1, description="how far lines follow the loudness of the original ones"
    )

    @property
    def preferred_speeds(self) -> tuple[float, float]:
        return self.preferred_min_speed, self.preferred_max_speed

    @property
    def speed_limits(self) -> tuple[float, float]:
        return self.min_speed, self.max_speed


class SubtitleSettings(Section):
    max_line_chars: int = Field(42, ge=10, description="characters a line")
    max_lines: int = Field(2, ge=1, le=4, description="lines a cue")
    max_cps: float = Field(17.0, gt=0, description="reading speed, characters a second")
    min_duration_s: float = Field(1.0, gt=0, description="shortest cue, seconds")
    max_duration_s: float = Field(7.0, gt=0, description="longest cue, seconds")
    gap_frames: int = Field(2, ge=0, description="least gap between cues, frames")


class VideoCombinationSettings(Section):
    background: Literal["duck", "none"] = Field(
        "duck", description="duck: the original where nobody speaks, silence under speech; none: dub alone"
    )
    burn_subtitles: bool = Field(False, description="draw target subtitles into the picture (encodes it again, x264)")
    soft_subtitles: bool = Field(True, description="subtitle tracks in both languages")
    keep_original_audio: bool = Field(False, description="the original as a second audio track")
    browser_safe: bool = Field(False, description="transcode a picture that browsers cannot play to H.264")
    audio_bitrate_kbps: int = Field(160, ge=32, description="AAC bit rate of the dub")
    crf: int = Field(20, ge=0, le=51, description="x264 quality where the picture is encoded again")


class StoreSettings(Section):
    folder: Path | None = Field(
        None, description="where stage results are kept; empty: $VTLAB_STORE, then the user's cache"
    )


class Settings(Section):
    """Everything that decides what a dub becomes."""

    source_language: str | None = Field(None, description="language spoken in the video; empty: detected")
    target_language: str | None = Field(None, description="language to dub into")
    initialization: InitializationSettings = Field(default_factory=InitializationSettings)
    audio_extraction: AudioExtractionSettings = Field(default_factory=AudioExtractionSettings)
    transcription: TranscriptionSettings = Field(default_factory=TranscriptionSettings)
    translation: TranslationSettings = Field(default_factory=TranslationSettings)
    tts: TtsSettings = Field(default_factory=TtsSettings)
    audio_sync: AudioSyncSettings = Field(default_factory=AudioSyncSettings)
    subtitle_generation: SubtitleSettings = Field(default_factory=SubtitleSettings)
    video_combination: VideoCombinationSettings = Field(default_factory=VideoCombinationSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)

    @field_validator("source_language", "target_language", mode="before")
    @classmethod
    def _known_language(cls, value: Any) -> Any:
        if value is False:
            return language_code("no")  # unquoted, Norwegian's code is a boolean in YAML
        return language_code(value) if isinstance(value, str) else value


def load_settings(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Resolved settings from a YAML file, the environment and ``key.path=value`` overrides.

    Raises ``SettingsError`` that names the key, where it came from and the nearest known key.
    """
    data: dict[str, Any] = {}
    origins: dict[str, str] = {}  # of keys, where they do not go without saying
    if file is not None:
        _merge(data, _read_yaml(file), f"{file}")
        origins |= dict.fromkeys(_dotted(data), f"{file}")
    for name, path, value in _from_environment(os.environ if environment is None else environment):
        _put(data, path, value)
        origins[".".join(path)] = f"the variable {name}, where __ sets sections apart"
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise SettingsError(f"--set {override!r} has no value; write it as section.key=value.")
        _put(data, key.strip().split("."), _scalar(value))
        origins[key.strip()] = f"--set {override}"
    return settings_from_dict(data, origins)


def resolve_settings(settings: Settings | Path | str | None, changes: Mapping[str, Any]) -> Settings:
    """Return settings with changes made in Python.

    Args:
        settings: Settings as they are; or a YAML file; or ``None``, for the defaults. The environment
            (``VTLAB_TTS__VOICE``) goes before a file and the defaults.
        changes: Values by dotted key (``{"tts.voice": "pf_dora"}``) or by section (``{"tts": {"voice": "pf_dora"}}``);
            they go before all else.

    Raises:
        SettingsError: A key is unknown, or a value out of range; names the nearest known key.
    """
    file = None if settings is None or isinstance(settings, Settings) else Path(settings)
    resolved = settings if isinstance(settings, Settings) else load_settings(file)
    if not changes:
        return resolved
    data = resolved.model_dump()
    for key, value in changes.items():
        change = copy.deepcopy(value)
        for part in reversed(key.split(".")):
            change = {part: change}
        _merge(data, change, key)
    return settings_from_dict(data)


def settings_from_dict(data: Mapping[str, Any], origins: Mapping[str, str] | None = None) -> Settings:
    """Validated settings from plain data; ``SettingsError`` names each wrong key and the nearest known one.

    ``origins`` tells of dotted keys where they come from. Settings stand in records, releases and MLflow, so they may
    hold no secret.
    """
    for key, value in _texts(data):
        if redact(value) != value:
            raise SettingsError(
                f"Setting {key!r} holds a password or a token, and settings stand in records and releases. Leave it "
                "out, and give a proxy as the variable HTTPS_PROXY."
            )
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(explain(error, Settings, origins=origins)) from error


def explain(
    error: ValidationError, model: type[BaseModel], prefix: str = "", origins: Mapping[str, str] | None = None
) -> str:
    """One sentence per problem of a validation, with the nearest key for an unknown one."""
    sentences = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        name = prefix + ".".join(path)
        places = [".".join(path[:length]) for length in range(len(path), 0, -1)]
        origin = next((f" ({origins[place]})" for place in places if origins and place in origins), "")
        if problem["type"] == "extra_forbidden":
            known = _keys_at(model, path[:-1])
            sentences.append(f"Unknown setting {name!r}{origin}.{nearest(path[-1], known)}")
        else:
            sentences.append(f"Setting {name!r}{origin}: {problem['msg']} (got {problem['input']!r}).")
    return " ".join(sentences)


def dump_yaml(settings: Settings) -> str:
    """The settings as a YAML file that loads to the same settings."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def described(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every resolved setting as ``(dotted key, value, explanation)``, in the order of the model."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Section):
            yield from described(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field.description or ""


def fingerprint(settings: Settings) -> str:
    """12 hexadecimal digits that name a configuration: the same settings, the same name.

    Where results are kept changes no result, so the store's folder is left out.
    """
    data = settings.model_dump(mode="json", exclude={"store"})
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"Settings file {file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"Settings file {file} is not YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"Settings file {file} holds no mapping; write sections such as 'tts:' at its top.")
    return data


def _texts(data: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in plain data with the dotted key that it stands under."""
    if isinstance(data, str):
        yield key, data
    elif isinstance(data, Mapping):
        for name, value in data.items():
            yield from _texts(value, f"{key}.{name}" if key else f"{name}")
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _texts(value, key)


def _dotted(data: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in data.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, list[str], Any]]:
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS:
            yield name, name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"), _scalar(environment[name])


def _scalar(text: str) -> Any:
    """A value as YAML reads it (``1.2``, ``true``, ``[a, b]``), or the text itself where it is not YAML."""
    try:
        return yaml.safe_load(text) if text != "" else None
    except yaml.YAMLError:
        return text


def _merge(into: dict[str, Any], data: Mapping[str, Any], origin: str) -> None:
    for key, value in data.items():
        if not isinstance(key, str):
            raise SettingsError(f"{origin}: setting names are words, not {key!r}.")
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, origin)
        else:
            into[key] = value


def _put(data: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for depth, part in enumerate(path[:-1]):
        below = data.setdefault(part, {})
        if not isinstance(below, dict):
            raise SettingsError(f"Setting {'.'.join(path)!r}: {'.'.join(path[: depth + 1])!r} is no section.")
        data = below
    data[path[-1]] = value


def _keys_at(model: type[BaseModel], path: Iterable[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)
