"""All settings, one section per stage; load, override, list, dump, fingerprint.

Order of strength: default < YAML file < environment (``VTLAB_TTS__VOICE=…``) < ``--set tts.voice=…``. An unknown key
is an error that names the nearest known one; a key given twice in one place is an error, too. The fingerprint of the
resolved settings names a configuration.
"""

from __future__ import annotations

import copy
import os
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from vtlab.errors import SettingsError, nearest, redact
from vtlab.files import hash_json
from vtlab.languages import language_code

ENVIRONMENT_PREFIX = "VTLAB_"
# variables of that prefix which are not settings: folders, read where they are used
NOT_SETTINGS = frozenset({"VTLAB_STORE", "VTLAB_WEIGHTS", "VTLAB_FFMPEG", "VTLAB_RELEASES"})

MOST_VALUES = 100_000  # in a YAML file, those that aliases repeat counted each time
TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", type(None): "empty"}

EngineOptions = dict[str, dict[str, Any]]


class Section(BaseModel):
    """A part of the settings: immutable, closed to unknown keys, its numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class InitializationSettings(Section):
    """Stage 1: memory, threads and network."""

    memory_budget_mb: int | None = Field(
        None, ge=256, description="memory that loaded engines may take, MB; empty: the machine's or cgroup's limit"
    )
    threads: int | None = Field(None, ge=1, description="threads per engine; empty: one per core")
    offline: bool = Field(False, description="true: never ask a model hub or a network voice")


class AudioExtractionSettings(Section):
    """Stage 2: which sound is dubbed."""

    stream: int | None = Field(
        None, ge=0, description="audio stream to dub, counted from 0; empty: by source language, then the default one"
    )


class VoiceActivitySettings(Section):
    """Voice activity, a part of stage 3."""

    engine: str = Field("silero", description="what tells speech from silence")
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability above which a frame is speech")
    min_speech_s: float = Field(0.25, ge=0, description="shorter speech is ignored, seconds")
    min_silence_s: float = Field(
        0.5, ge=0, description="shorter silence does not end a stretch for recognition, seconds"
    )
    pad_s: float = Field(0.2, ge=0, description="added around stretches given to the recogniser, seconds")


class TranscriptionSettings(Section):
    """Stage 3: recognition and the cutting into segments."""

    engine: str = Field("faster_whisper", description="recogniser: a name of `vtlab engines` or a dotted path")
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    voice_activity: VoiceActivitySettings = Field(default_factory=VoiceActivitySettings, description="voice activity")
    detection_windows: int = Field(5, ge=1, description="speech windows that vote on the language")
    join_gap_s: float = Field(1.0, ge=0, description="a sentence goes on across pauses up to this long, seconds")
    cut_pause_s: float = Field(
        0.5, gt=0, description="a pause this long ends a segment, even without punctuation, seconds"
    )
    snap_s: float = Field(0.4, ge=0, description="segment edges move to voice activity edges this near, seconds")
    max_segment_s: float = Field(12.0, gt=1, le=30, description="longer segments are cut at their best pause, seconds")
    min_confidence: float = Field(0.3, ge=0, le=1, description="below this a segment is doubted and checked")


class TranslationSettings(Section):
    """Stage 4: translators, pivot and glossary."""

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
        1.0,
        ge=0,
        description="a sentence of several segments is translated whole across pauses up to this, seconds",
    )


class TtsSettings(Section):
    """Stage 5: voices, their rates, and patience with network voices."""

    engines: tuple[str, ...] = Field(
        ("piper", "kokoro", "espeak", "edge"),
        min_length=1,
        description="the first that speaks the language is the voice, the next ones stand in for segments it fails on",
    )
    options: EngineOptions = Field(default_factory=dict, description="options per engine name")
    voice: str | None = Field(None, description="a voice by name; empty: by language, gender and speaker")
    voice_gender: Literal["neutral", "male", "female"] = Field("neutral", description="neutral takes any")
    speakers: dict[str, str] = Field(default_factory=dict, description="voice name per speaker of the transcript")
    min_rate: float = Field(0.85, gt=0, le=1, description="slowest speaking rate asked of a voice (1 = natural)")
    max_rate: float = Field(1.25, ge=1, description="fastest speaking rate asked of a voice")
    pace_s: float = Field(0.5, ge=0, description="least time between requests to a network voice, seconds")
    attempts: int = Field(5, ge=1, description="tries per segment on a network voice")
    backoff_s: float = Field(0.5, gt=0, description="wait after a first refusal, doubled each time, seconds")
    max_backoff_s: float = Field(4.0, gt=0, description="longest such wait, seconds")
    breaker: int = Field(5, ge=1, description="failures in a row after which a voice is left alone")


class AudioSyncSettings(Section):
    """Stage 6: placement, speed and loudness of the speech."""

    onset_tolerance_s: float = Field(0.15, gt=0, description="a segment that starts this near its source is on time")
    preferred_min_speed: float = Field(0.9, gt=0, le=1, description="slower than this costs in the placement")
    preferred_max_speed: float = Field(1.1, ge=1, description="faster than this costs in the placement")
    min_speed: float = Field(0.85, gt=0, le=1, description="never slower than this")
    max_speed: float = Field(1.3, ge=1, description="faster only where a whole stretch cannot fit otherwise")
    gap_s: float = Field(0.03, ge=0, description="silence between segments, seconds")
    fade_s: float = Field(0.02, ge=0, description="fades at segment edges, seconds")
    loudness_lufs: float = Field(-23.0, ge=-40, le=-10, description="integrated loudness of the result, EBU R128")
    peak_dbtp: float = Field(-1.0, le=0, description="highest true peak of the result")
    keep_speech_track: bool = Field(False, description="write the dubbed speech alone beside the result, as FLAC")
    follow_loudness: float = Field(
        0.5, ge=0, le=1, description="how far segments follow the loudness of the original ones"
    )

    @property
    def preferred_speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed that costs nothing in the placement."""
        return self.preferred_min_speed, self.preferred_max_speed

    @property
    def speed_limits(self) -> tuple[float, float]:
        """Slowest and fastest speed."""
        return self.min_speed, self.max_speed


class SubtitleSettings(Section):
    """Stage 7: size and times of cues."""

    max_line_chars: int = Field(42, ge=10, description="characters a line")
    max_lines: int = Field(2, ge=1, le=4, description="lines a cue")
    max_cps: float = Field(17.0, gt=0, description="reading speed, characters a second")
    min_duration_s: float = Field(1.0, gt=0, description="shortest cue, seconds")
    max_duration_s: float = Field(7.0, gt=0, description="longest cue, seconds")
    gap_frames: int = Field(2, ge=0, description="least gap between cues, frames")


class VideoCombinationSettings(Section):
    """Stage 8: background, subtitles and codecs of the result."""

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
    """Where results of stages are kept."""

    folder: Path | None = Field(
        None, description="where stage results are kept; empty: $VTLAB_STORE, then the user's cache"
    )


class Settings(Section):
    """All settings that decide what a dub becomes.

    Examples:
        >>> import vtlab
        >>> settings = vtlab.Settings(target_language="english", tts={"max_rate": 1.1})
        >>> settings.target_language, settings.tts.max_rate, settings.tts.min_rate
        ('en', 1.1, 0.85)
    """

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


@dataclass(frozen=True)
class Setting:
    """One setting as it resolved: dotted key, its type and range in words, value, default, and what it does."""

    key: str
    type: str
    value: Any
    default: Any
    description: str


def load_settings(
    file: Path | str | None = None,
    assignments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    **overrides: Any,
) -> Settings:
    """Return the settings resolved from a YAML file, the environment, assignments and overrides; later ones count.

    Args:
        file: A YAML file with sections such as ``tts:``; see ``read_yaml``.
        assignments: ``key.path=value``, the value as YAML, as on the command line; a later one is stronger.
        environment: Variables; those of this process where it is left out.
        **overrides: Sections as dictionaries (``tts={"voice": "pf_dora"}``) or dotted keys.

    Returns:
        The settings, validated.

    Raises:
        SettingsError: A key is unknown, given twice in one place, or out of range. Names the key, where it came from
            and the nearest known key.

    Examples:
        >>> load_settings(tts={"voice": "pf_dora"}).tts.voice
        'pf_dora'
    """
    data: dict[str, Any] = {}
    origins: dict[str, str] = {}  # of keys, where they do not go without saying
    if file is not None:
        _merge(data, _read_settings(Path(file)), f"{file}")
        origins |= dict.fromkeys(_dotted(data), f"{file}")
    variables: dict[str, str] = {}
    for name, path, value in _from_environment(os.environ if environment is None else environment):
        key = ".".join(path)
        if key in variables:
            raise SettingsError(f"Setting {key!r} is given by two variables, {variables[key]} and {name}; unset one.")
        variables[key] = name
        _put(data, path, value)
        origins[key] = f"the variable {name}, where __ sets sections apart"
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise SettingsError(f"--set {assignment!r} has no value; write it as section.key=value.")
        _put(data, key.strip().split("."), _scalar(value))
        origins[key.strip()] = f"--set {assignment}"
    return resolve_settings(settings_from_dict(data, origins), overrides)


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
    """Return validated settings from plain data.

    Args:
        data: Sections by name, as in a settings file.
        origins: Where dotted keys come from, for the error.

    Raises:
        SettingsError: A key is unknown (the nearest known one is named) or a value is out of range; or a value holds a
            password or a token, since settings stand in records, releases and MLflow.
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
    """Return one sentence per problem of a validation, with the nearest key for an unknown one.

    Args:
        error: What pydantic raised.
        model: The model that was validated.
        prefix: Dotted path of the model in the settings, with its last dot.
        origins: Where dotted keys come from.
    """
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
    """Return the settings as a YAML file that loads to the same settings."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def list_settings(settings: BaseModel, prefix: str = "") -> Iterator[Setting]:
    """Yield every setting of a section and of those in it, in the order of the model."""
    for name, field in type(settings).model_fields.items():
        value = dict(settings)[name]
        if isinstance(value, Section):
            yield from list_settings(value, f"{prefix}{name}.")
        else:
            default = field.get_default(call_default_factory=True)
            yield Setting(f"{prefix}{name}", _type_in_words(field), value, default, field.description or "")


def fingerprint(settings: Settings) -> str:
    """Return 12 hexadecimal digits that name a configuration: the same settings, the same name.

    Where results are kept changes no result, so the store's folder is left out.
    """
    data = settings.model_dump(mode="json", exclude={"store"})
    return hash_json(data, 12)


def read_yaml(file: Path) -> Any:
    """Return what a YAML file holds; a byte-order mark is passed over.

    Raises:
        OSError: The file cannot be read.
        SettingsError: It is not UTF-8 or not YAML, a key is given twice in it, or a part of it holds itself; names the
            line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not YAML: {error}") from error
    return parse_yaml(text, f"{file}")


def parse_yaml(text: str, origin: str) -> Any:
    """Return what YAML text holds; ``origin`` names its file in errors.

    Raises:
        SettingsError: As ``read_yaml``.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _count_values(origin, root, frozenset(), {})
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise SettingsError(f"{origin}{line} is not YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{origin} is not YAML: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{origin} is nested too deeply to be read.") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # dates and tags that PyYAML fails on
        raise SettingsError(f"{origin} holds a value that cannot be read: {error}.") from error


def _count_values(origin: str, node: yaml.Node, above: frozenset[int], counts: dict[int, int]) -> int:
    """Values in a node, those that aliases repeat counted each time; refuses what no settings file holds."""
    line = node.start_mark.line + 1
    if id(node) in above:
        raise SettingsError(f"{origin}, line {line}: this part holds itself; remove the alias (*).")
    if id(node) in counts:
        return counts[id(node)]
    inside = above | {id(node)}
    count = 1
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                _refuse_second(origin, key, first)
            count += _count_values(origin, value, inside, counts)
    elif isinstance(node, yaml.SequenceNode):
        count += sum(_count_values(origin, value, inside, counts) for value in node.value)
    if count > MOST_VALUES:
        raise SettingsError(
            f"{origin}, line {line}: this part holds more than {MOST_VALUES} values through its aliases."
        )
    counts[id(node)] = count
    return count


def _refuse_second(origin: str, key: yaml.ScalarNode, first: dict[str, int]) -> None:
    line = key.start_mark.line + 1
    if key.value in first:
        raise SettingsError(
            f"{origin}, line {line}: {key.value!r} is given a second time (first in line {first[key.value]}); remove "
            "or rename one."
        )
    first[key.value] = line


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        data = read_yaml(file)
    except OSError as error:
        raise SettingsError(f"Settings file {file} cannot be read: {error.strerror}.") from error
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
        return parse_yaml(text, "the value") if text != "" else None
    except SettingsError:
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


def _type_in_words(field: FieldInfo) -> str:
    """Type and range, such as ``number, > 0`` or ``neutral | male | female``."""
    limits = [f"{sign} {limit}" for part in field.metadata for sign, limit in _limits(part)]
    return ", ".join([_annotation_in_words(field.annotation), *limits])


def _limits(part: Any) -> Iterator[tuple[str, Any]]:
    match part:
        case annotated_types.Ge(ge=limit):
            yield ">=", limit
        case annotated_types.Gt(gt=limit):
            yield ">", limit
        case annotated_types.Le(le=limit):
            yield "<=", limit
        case annotated_types.Lt(lt=limit):
            yield "<", limit


def _annotation_in_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(map(_annotation_in_words, arguments))
    if origin is tuple:
        return f"list of {_annotation_in_words(arguments[0])}"
    if origin is dict:
        return "mapping"
    return TYPES.get(annotation, str(annotation))
