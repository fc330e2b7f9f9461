"""A suite: configurations to try, clips to try them on, metrics to measure, gates to pass. One YAML file.

    name: pt-en                     # default: the file's name
    about: Which voice for English? # default: nothing; a sentence for people
    dataset: spoken                 # a folder beside this file or in the working folder, or a name in datasets/
    clips:                          # default: all; every condition that is given must hold
      pair: pt-en                   #   source and target language
      tags: [plain, dialogue]       #   clips that bear any of these
      without: [hurried]            #   and none of these
      ids: [pt_bakery]              #   these alone; a plain list, clips: [pt_bakery], says the same
    settings:                       # base, of every configuration: a mapping, or the name of a settings file beside
      tts.engines: [piper]          #   this one; keys may be dotted (tts.voice) or nested as in a settings file
    matrix:                         # every combination is a configuration. Either an axis is a setting ...
      transcription.options.faster_whisper.beam_size: [1, 5]
      tts.voice:                    #   ... with a list of values, or with names for them,
        woman: pf_dora
        man: pm_alex
      recogniser:                   #   or it has a name of its own, and each named value is a mapping of settings
        base: {transcription.engine: faster_whisper}
        gold: {transcription.engine: mypackage.recogniser:Mine}
    configurations:                 # instead of a matrix: each one with its name; without both there is one, ``base``
      - name: quick
        settings: {transcription.options.faster_whisper.beam_size: 1}
    metrics: [text, sync, speech]   # names or groups (text speech sync sound subtitles cost); default: all but cost
    gates:                          # what a configuration must reach, over all clips
      sync_within_150ms: {min: 0.95}
      wer: {max: 0.1}
    losses: true                    # also with the reference in place of a stage (see sweep/clip.py): its loss

Configurations are named after their values: ``beam_size=1,woman,base``. Languages are those of each clip. The
environment changes nothing here, apart from the store's folder. ``loader`` reads and checks the file.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from vtlab.errors import SettingsError, nearest
from vtlab.evaluation.dataset import DATASETS, MANIFEST, Clip, Dataset, load_dataset
from vtlab.evaluation.suite.loss_definitions import LOSS_METRIC, LOSS_VALUES
from vtlab.files import hash_text
from vtlab.languages import language_code
from vtlab.metrics.registry import GROUPS, expand_word
from vtlab.releases.evidence import Gate
from vtlab.settings import Settings, fingerprint, load_settings, settings_from_dict

DEFAULT_NAME = "base"  # of the configuration of a suite that names none

KeyPath = tuple[str, ...]  # of keys in the YAML file, list indices as text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClipSelection(_Part):
    """Conditions that select clips of the data set; all that are given must hold."""

    pair: str | None = Field(None, description="Source and target language, such as `pt-en`.")
    tags: tuple[str, ...] = Field((), description="Clips that bear any of these tags.")
    without: tuple[str, ...] = Field((), description="No clips that bear any of these tags.")
    ids: tuple[str, ...] = Field((), description="These clips alone.")

    @model_validator(mode="before")
    @classmethod
    def _plain_list(cls, value: Any) -> Any:
        return {"ids": value} if isinstance(value, list) else value

    @field_validator("pair")
    @classmethod
    def _two_languages(cls, value: str | None) -> str | None:
        if value is None:
            return None
        source, dash, target = value.partition("-")
        if not dash:
            raise ValueError(f"a pair is two languages, such as pt-en, not {value!r}")
        return f"{language_code(source)}-{language_code(target)}"

    def selects(self, clip: Clip) -> bool:
        """Return whether the clip meets every condition."""
        return (
            (self.pair is None or self.pair == f"{clip.source_language}-{clip.target_language}")
            and (not self.tags or not set(self.tags).isdisjoint(clip.tags))
            and set(self.without).isdisjoint(clip.tags)
            and (not self.ids or clip.id in self.ids)
        )


def _or_list_of_ids(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, {"type": "array", "items": {"type": "string"}}]


class ListedConfiguration(_Part):
    """A configuration written out in the list `configurations`."""

    name: str = Field(description="The configuration's name, one of its own in the suite. It names folders and runs.")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="What differs from the suite's `settings`; keys may be dotted or nested."
    )


@dataclass(frozen=True)
class Configuration:
    """One set of settings of a suite.

    Attributes:
        name: Names its folder of results and its run in MLflow.
        settings: The resolved settings, without languages: each clip has its own.
        overrides: The settings beyond the suite's base, as nested plain data.
        fingerprint: The fingerprint of `settings`.
    """

    name: str
    settings: Settings
    overrides: dict[str, Any]
    fingerprint: str

    def for_clip(self, clip: Clip) -> Settings:
        """Return the settings with the clip's languages."""
        languages = {"source_language": clip.source_language, "target_language": clip.target_language}
        return self.settings.model_copy(update=languages)


class Suite(_Part):
    """A suite as its file has it; `file` is that file.

    Examples:
        >>> import vtlab
        >>> vtlab.load_suite("evals/smoke.yaml").configuration("beam_size=1").overrides
        {'transcription': {'options': {'faster_whisper': {'beam_size': 1}}}}
    """

    name: str = Field("", description="Names the suite's folder of results and its runs; by default the file's name.")
    about: str = Field("", description="A sentence for people: the question that the suite answers.")
    dataset: str = Field(
        description="A data set's folder, beside the suite or in the working folder, or the name of one in `datasets/`."
    )
    clips: ClipSelection = Field(
        ClipSelection(), description="Which clips of it; by default all.", json_schema_extra=_or_list_of_ids
    )
    settings: dict[str, Any] | Path = Field(
        default_factory=dict,
        description="Settings of every configuration: a mapping with dotted or nested keys, or the path of a settings "
        "file, relative to the suite.",
    )
    matrix: dict[str, Any] | None = Field(
        None, description="Axes, each with its values; every combination is a configuration."
    )
    listed: tuple[ListedConfiguration, ...] | None = Field(
        None, alias="configurations", description="Configurations written out, in place of a matrix."
    )
    metrics: tuple[str, ...] | None = Field(
        None,
        description="What is measured: names of metrics or groups (`text`, `speech`, `sync`, `sound`, `subtitles`, "
        "`cost`); by default all but `cost`. For `speech` every dub is recognised again, for `cost` it is made again.",
    )
    gates: dict[str, Gate] = Field(
        default_factory=dict, description="Bounds of metrics that a configuration must keep to be promoted."
    )
    losses: bool = Field(False, description="Also dub with the reference in place of a stage: what each stage loses.")
    file: SkipJsonSchema[Path] = Field(Path(), exclude=True)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.matrix is not None and self.listed is not None:
            raise ValueError("give either matrix or configurations, not both")
        return self

    @property
    def dataset_folder(self) -> Path:
        """The data set's folder: beside the suite's file, in the working folder, or in `datasets/`."""
        for folder in (self.file.parent / self.dataset, Path(self.dataset), DATASETS / self.dataset):
            if (folder / MANIFEST).is_file():
                return folder
        return Path(self.dataset)  # loading it raises the error that lists the data sets

    def load_dataset(self) -> Dataset:
        """Load the whole data set; raise `InputError` where it is missing or faulty."""
        return load_dataset(self.dataset_folder)

    def select_clips(self, dataset: Dataset) -> tuple[Clip, ...]:
        """Return the clips that the suite runs on, in the data set's order."""
        return tuple(clip for clip in dataset.clips if self.clips.selects(clip))

    def configurations(self) -> list[Configuration]:
        """Return every configuration in the order of the file; the last axis of a matrix changes fastest."""
        base = self.base_settings()
        found = []
        for name, overrides, _ in self.variants():
            data = json.loads(json.dumps(base))
            merge(data, overrides)
            settings = settings_from_dict(data)
            found.append(Configuration(name, settings, overrides, fingerprint(settings)))
        return found

    def configuration(self, name: str) -> Configuration:
        """Return the configuration of that name; raise `SettingsError` (`E_SUITE`) that names the nearest one."""
        known = {configuration.name: configuration for configuration in self.configurations()}
        if name not in known:
            raise SettingsError(
                f"Suite {self.name!r} has no configuration {name!r}.{nearest(name, known)} It has: {', '.join(known)}.",
                code="E_SUITE",
            )
        return known[name]

    def wanted_metrics(self) -> frozenset[str]:
        """Return the metrics asked for, with those that gates and losses need."""
        words = [group for group in GROUPS if group != "cost"] if self.metrics is None else self.metrics
        names = itertools.chain.from_iterable(map(expand_word, words))
        wanted = frozenset(names) | frozenset(self.gates) | ({"bleu", LOSS_METRIC} if self.losses else frozenset())
        return wanted - frozenset(LOSS_VALUES)

    def digest(self) -> str:
        """Return 12 hexadecimal digits that identify the suite's content, whatever its path."""
        content = self.model_dump_json() + json.dumps(self.base_settings(), sort_keys=True, default=str)
        return hash_text(content, 12)

    def base_settings(self) -> dict[str, Any]:
        """Return the settings that all configurations share, as nested plain data."""
        if isinstance(self.settings, Path):
            file = self.file.parent / self.settings
            return load_settings(file, environment={}).model_dump(mode="json", exclude_unset=True)
        return nested(self.settings)

    def variants(self) -> Iterator[tuple[str, dict[str, Any], list[KeyPath]]]:
        """Yield each configuration's name, overrides, and key paths in the file."""
        if self.listed is not None:
            for number, listed in enumerate(self.listed):
                yield listed.name, nested(listed.settings), [("configurations", str(number), "settings")]
            return
        axes = [list(_axis(key, values)) for key, values in (self.matrix or {}).items()]
        for combination in itertools.product(*axes):
            overrides: dict[str, Any] = {}
            for _, settings, _ in combination:
                merge(overrides, settings)
            yield (
                ",".join(name for name, _, _ in combination) or DEFAULT_NAME,
                overrides,
                [place for *_, place in combination],
            )


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with dotted keys as nested plain data."""
    data: dict[str, Any] = {}
    for key, value in settings.items():
        path = str(key).split(".")
        below: Any = nested(value) if isinstance(value, Mapping) else value
        for part in reversed(path):
            below = {part: below}
        merge(data, below)
    return data


def merge(into: dict[str, Any], data: Mapping[str, Any]) -> None:
    """Merge nested plain `data` into `into`, which changes in place."""
    for key, value in data.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = json.loads(json.dumps(value, default=str)) if isinstance(value, Mapping) else value


def _axis(key: str, values: Sequence[Any] | Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], KeyPath]]:
    """Yield name, settings and key path of each value of an axis."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            settings = nested({key: value} if is_setting(key) else value)
            yield str(name), settings, ("matrix", key, str(name))
    else:
        for number, value in enumerate(values):
            yield f"{key.rpartition('.')[2]}={name_part(value)}", nested({key: value}), ("matrix", key, str(number))


def is_setting(key: str) -> bool:
    """Return whether an axis is a setting (dotted, or a top-level section) rather than a name of its own."""
    return "." in key or key in Settings.model_fields


def name_part(value: Any) -> str:
    """Return a value as part of a configuration's name, which folders and shells take without quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "+".join(map(name_part, value))
    if isinstance(value, Mapping):
        return "+".join(f"{key}-{name_part(below)}" for key, below in value.items())
    return re.sub(r"[^\w.+-]+", "-", str(value)).strip("-") or "empty"
