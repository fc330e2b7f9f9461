"""A suite: which settings are tried on which clips, what is measured, and what is good enough. One YAML file.

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
      ears:                         #   or it has a name of its own, and each named value is a mapping of settings
        base: {transcription.engine: faster_whisper}
        gold: {transcription.engine: mypackage.ears:Listener}
    configurations:                 # instead of a matrix: each one with its name; without both there is one, ``base``
      - name: quick
        settings: {transcription.options.faster_whisper.beam_size: 1}
    metrics: [text, sync, speech]   # names or groups (text speech sync sound subtitles cost); default: all but cost
    gates:                          # what a configuration must reach, over all clips
      sync_within_150ms: {min: 0.95}
      wer: {max: 0.1}
    losses: true                    # also with the reference in place of a stage: what each stage loses (see run.py)

Configurations are named after their values: ``beam_size=1,woman,base``. Languages are those of each clip. The
environment changes nothing here: a suite says all, apart from where the store is. Everything is checked before anything
runs, and an error names the file, the line and what to change.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vtlab.engines import KINDS, chosen, engine_options
from vtlab.errors import EngineError, InputError, SettingsError, nearest
from vtlab.evaluation.dataset import DATASETS, MANIFEST, Clip, Dataset, load_dataset
from vtlab.languages import language_code
from vtlab.metrics.registry import GROUPS, METRICS, is_metric, metrics_of
from vtlab.settings import Settings, fingerprint, load_settings, settings_from_dict

ONLY = "base"  # the name of the configuration of a suite that names none
NAME = re.compile(r"[\w.=,+-][\w.=,+ -]*")
LANGUAGES = ("source_language", "target_language")

LOSS_METRICS = frozenset({"bleu", "asr_bleu"})  # what losses are differences of
# what ``losses`` adds to the values of a configuration (see results.py)
LOSSES = (
    "bleu_gold_transcript",
    "loss_transcription_bleu",
    "loss_translation_bleu",
    "loss_tts_bleu",
    "loss_timings_bleu",
)

KeyPath = tuple[str, ...]  # of keys in the YAML file, list indices as text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clips(_Part):
    """Which clips of the data set; every condition that is given must hold."""

    pair: str | None = None
    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

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

    def hold(self, clip: Clip) -> bool:
        """Whether the clip is chosen."""
        return (
            (self.pair is None or self.pair == f"{clip.source_language}-{clip.target_language}")
            and (not self.tags or not set(self.tags).isdisjoint(clip.tags))
            and set(self.without).isdisjoint(clip.tags)
            and (not self.ids or clip.id in self.ids)
        )


class Gate(_Part):
    """Bounds that a metric must keep, inclusive."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"nothing is at least {self.min:g} and at most {self.max:g}")
        return self

    def holds(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def __str__(self) -> str:
        bounds = [f"≥ {self.min:g}" if self.min is not None else "", f"≤ {self.max:g}" if self.max is not None else ""]
        return " and ".join(filter(None, bounds))


class Listed(_Part):
    """A configuration written out."""

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """One set of settings of a suite; ``overrides`` is what it says beyond the base, as nested plain data.

    ``fingerprint`` is that of the settings, languages unset: clips bring theirs.
    """

    name: str
    settings: Settings
    overrides: dict[str, Any]
    fingerprint: str

    def for_clip(self, clip: Clip) -> Settings:
        """The settings with the clip's languages."""
        languages = {"source_language": clip.source_language, "target_language": clip.target_language}
        return self.settings.model_copy(update=languages)


class Suite(_Part):
    """A suite as its file says it, checked; ``file`` is where it stands."""

    name: str
    about: str = ""
    dataset: str
    clips: Clips = Clips()
    settings: dict[str, Any] | Path = Field(default_factory=dict)
    matrix: dict[str, Any] | None = None  # of lists and mappings
    listed: tuple[Listed, ...] | None = Field(None, alias="configurations")
    metrics: tuple[str, ...] | None = None
    gates: dict[str, Gate] = Field(default_factory=dict)
    losses: bool = False
    file: Path = Field(Path(), exclude=True)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.matrix is not None and self.listed is not None:
            raise ValueError("give either matrix or configurations, not both")
        return self

    @property
    def dataset_folder(self) -> Path:
        """The data set's folder: beside the suite, in the working folder, or in ``datasets/``."""
        for folder in (self.file.parent / self.dataset, Path(self.dataset), DATASETS / self.dataset):
            if (folder / MANIFEST).is_file():
                return folder
        return Path(self.dataset)  # whose loading says what there is

    def load_dataset(self) -> Dataset:
        """The whole data set; ``InputError`` where it is not there or not sound."""
        return load_dataset(self.dataset_folder)

    def chosen(self, dataset: Dataset) -> tuple[Clip, ...]:
        """The clips that the suite runs on, in the data set's order."""
        return tuple(clip for clip in dataset.clips if self.clips.hold(clip))

    def configurations(self) -> list[Configuration]:
        """Every configuration, in the order of the file; the last axis of a matrix changes fastest."""
        base = self._base()
        made = []
        for name, overrides, _ in self._variants():
            data = json.loads(json.dumps(base))
            _merge(data, overrides)
            settings = settings_from_dict(data)
            made.append(Configuration(name, settings, overrides, fingerprint(settings)))
        return made

    def measured(self) -> frozenset[str]:
        """The metrics asked for, with those that gates and losses need."""
        words = [group for group in GROUPS if group != "cost"] if self.metrics is None else self.metrics
        names = itertools.chain.from_iterable(map(metrics_of, words))
        wanted = frozenset(names) | frozenset(self.gates) | (LOSS_METRICS if self.losses else frozenset())
        return wanted - frozenset(LOSSES)

    def digest(self) -> str:
        """12 hexadecimal digits that name what the suite says, wherever it stands."""
        said = self.model_dump_json() + json.dumps(self._base(), sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def _base(self) -> dict[str, Any]:
        if isinstance(self.settings, Path):
            file = self.file.parent / self.settings
            return load_settings(file, environment={}).model_dump(mode="json", exclude_unset=True)
        return nested(self.settings)

    def _variants(self) -> Iterator[tuple[str, dict[str, Any], list[KeyPath]]]:
        """Name, overrides and the places in the file of each configuration."""
        if self.listed is not None:
            for number, listed in enumerate(self.listed):
                yield listed.name, nested(listed.settings), [("configurations", str(number), "settings")]
            return
        axes = [list(_axis(key, values)) for key, values in (self.matrix or {}).items()]
        for combination in itertools.product(*axes):
            overrides: dict[str, Any] = {}
            for _, settings, _ in combination:
                _merge(overrides, settings)
            yield ",".join(name for name, _, _ in combination) or ONLY, overrides, [place for *_, place in combination]


def load_suite(path: Path | str) -> Suite:
    """The suite in a YAML file, with everything in it checked: settings, engines' options, metrics, clips.

    Raises ``SettingsError`` (``E_SUITE``) or ``InputError`` (``E_DATASET``) that names the line and what to change.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        known = sorted(str(other) for other in file.parent.glob("*.yaml"))
        raise _wrong(f"Suite {file} cannot be read: {reason}.{nearest(str(file), known)}") from error
    try:
        data, lines = yaml.safe_load(text), _lines(text, file)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{file}, line {mark.line + 1}" if mark is not None else str(file)
        raise _wrong(f"{at}: this is no YAML: {getattr(error, 'problem', None) or error}.") from error
    if not isinstance(data, dict):
        raise _wrong(f"{file} holds no mapping; write 'dataset:', 'matrix:', 'metrics:' at its top.")
    where = _Where(file, lines)
    _check_keys(data, where)
    try:
        suite = Suite.model_validate({"name": file.stem, **data})
    except ValidationError as error:
        raise _explained(error, where) from error
    suite = suite.model_copy(update={"file": file})
    _check_names(suite, where)
    _check_metrics(suite, where)
    _check_clips(suite, where)
    _check_settings(suite, where)
    return suite


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with dotted keys as nested plain data."""
    data: dict[str, Any] = {}
    for key, value in settings.items():
        path = str(key).split(".")
        below: Any = nested(value) if isinstance(value, Mapping) else value
        for part in reversed(path):
            below = {part: below}
        _merge(data, below)
    return data


def _merge(into: dict[str, Any], data: Mapping[str, Any]) -> None:
    for key, value in data.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = json.loads(json.dumps(value, default=str)) if isinstance(value, Mapping) else value


def _axis(key: str, values: Sequence[Any] | Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], KeyPath]]:
    """The values of an axis: name, settings, place in the file."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            settings = nested({key: value} if is_setting(key) else value)
            yield str(name), settings, ("matrix", key, str(name))
    else:
        for number, value in enumerate(values):
            yield f"{key.rpartition('.')[2]}={shown(value)}", nested({key: value}), ("matrix", key, str(number))


def is_setting(key: str) -> bool:
    """Whether an axis is a setting (dotted, or a key at the top of the tree) rather than a name of its own."""
    return "." in key or key in Settings.model_fields


def shown(value: Any) -> str:
    """A value as part of a name: what a folder and a command line take without quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "+".join(map(shown, value))
    if isinstance(value, Mapping):
        return "+".join(f"{key}-{shown(below)}" for key, below in value.items())
    return re.sub(r"[^\w.+-]+", "-", str(value)).strip("-") or "empty"


# ---------------------------------------------------------------- checks, each with the line


@dataclass(frozen=True)
class _Where:
    """Lines of a file by the path of keys that leads there."""

    file: Path
    lines: Mapping[KeyPath, int]

    def __call__(self, place: Sequence[Any]) -> str:
        """``file, line n`` of the place, or of the nearest one above it."""
        path = tuple(str(part) for part in place)
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}, line {self.lines[path]}" if path else str(self.file)


def _lines(text: str, file: Path) -> dict[KeyPath, int]:
    """Where every key of the file stands, from 1; a key given twice is an error, of which YAML would keep the last."""
    lines: dict[KeyPath, int] = {}

    def visit(node: yaml.Node, path: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = (*path, str(getattr(key, "value", "")))
                if below in lines:
                    raise _wrong(
                        f"{file}, line {key.start_mark.line + 1}: {below[-1]!r} is given a second time (first in line "
                        f"{lines[below]}); remove or rename one."
                    )
                lines[below] = key.start_mark.line + 1
                visit(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                lines[(*path, str(number))] = value.start_mark.line + 1
                visit(value, (*path, str(number)))

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        visit(root, ())
    return lines


def _wrong(sentence: str) -> SettingsError:
    return SettingsError(sentence, code="E_SUITE")


def _check_keys(data: Mapping[Any, Any], where: _Where) -> None:
    known = [field.alias or name for name, field in Suite.model_fields.items() if name != "file"]
    for key in data:
        if key not in known:
            listed = ", ".join(known)
            raise _wrong(f"{where([key])}: unknown key {key!r}.{nearest(str(key), known)} A suite has: {listed}.")
    if "dataset" not in data:
        raise _wrong(f"{where.file} names no data set; add 'dataset: spoken'.")


def _explained(error: ValidationError, where: _Where) -> SettingsError:
    problem = error.errors()[0]  # one thing to mend at a time, with its line
    place = problem["loc"]
    name = ".".join(str(part) for part in place)
    if problem["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"clips": Clips, "gates": Gate, "configurations": Listed}
        known = parts.get(str(place[0]), Suite).model_fields
        said = f"unknown key {name!r}.{nearest(str(place[-1]), known)} There may be: {', '.join(known)}."
    elif problem["type"] == "missing":
        said = f"{name!r} is missing; add it."
    else:
        said = f"{name + ': ' if name else ''}{problem['msg'].removeprefix('Value error, ')}."
    return _wrong(f"{where(place)}: {said}")


def _check_names(suite: Suite, where: _Where) -> None:
    if not NAME.fullmatch(suite.name):
        raise _wrong(f"{where(['name'])}: a suite's name names a folder: {suite.name!r} has other signs than - _ . =")
    if suite.matrix is not None and not suite.matrix:
        raise _wrong(f"{where(['matrix'])}: the matrix is empty; give it an axis, such as 'tts.voice: [a, b]'.")
    if suite.listed is not None and not suite.listed:
        raise _wrong(f"{where(['configurations'])}: there are no configurations; add one, or remove the key.")
    for key, values in (suite.matrix or {}).items():
        place = where(["matrix", key])
        if not isinstance(values, (list, Mapping)):
            raise _wrong(f"{place}: axis {key!r} takes a list of values, or a mapping of names to values.")
        if not values:
            raise _wrong(f"{place}: axis {key!r} has no values; give it some or remove it.")
        if not is_setting(key):
            wanted = f"{key!r} is no setting.{nearest(key, Settings.model_fields)}"
            if not isinstance(values, Mapping) or not all(isinstance(value, Mapping) for value in values.values()):
                raise _wrong(
                    f"{place}: {wanted} If it names a choice, give each value a name and a mapping of settings."
                )
    seen: dict[str, list[KeyPath]] = {}
    for name, _, places in suite._variants():
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise _wrong(f"{where(places[0])}: {name!r} names a folder; use letters, digits and - _ . = + only.")
        if name in seen:
            raise _wrong(f"{where(places[0])}: a second configuration is called {name!r}; give each a name of its own.")
        seen[name] = places


def _check_metrics(suite: Suite, where: _Where) -> None:
    if suite.metrics is not None and not suite.metrics:
        raise _wrong(f"{where(['metrics'])}: nothing is to be measured; name metrics or groups, or remove the key.")
    for number, word in enumerate(suite.metrics or ()):
        if not metrics_of(word) and word not in LOSSES:
            raise _wrong(
                f"{where(['metrics', number])}: there is no metric {word!r}.{nearest(word, [*METRICS, *GROUPS])} "
                f"Groups: {', '.join(GROUPS)}."
            )
    for name in suite.gates:
        if name not in LOSSES and not is_metric(name):
            raise _wrong(f"{where(['gates', name])}: there is no metric {name!r}.{nearest(name, [*METRICS, *LOSSES])}")
    named: list[tuple[list[Any], str]] = [
        (["metrics", number], word) for number, word in enumerate(suite.metrics or ())
    ]
    named += [(["gates", name], name) for name in suite.gates]
    for place, name in named:
        if name in LOSSES and not suite.losses:
            raise _wrong(f"{where(place)}: {name} takes gold runs; add 'losses: true'.")


def _check_clips(suite: Suite, where: _Where) -> None:
    try:
        dataset = suite.load_dataset()
    except InputError as error:
        raise InputError(f"{where(['dataset'])}: {error}", code=error.code) from error
    for number, id in enumerate(suite.clips.ids):
        try:
            dataset.clip(id)
        except InputError as error:
            place = where(["clips", "ids", number] if ("clips", "ids") in where.lines else ["clips", number])
            raise InputError(f"{place}: {error}", code=error.code) from error
    tags = {tag for clip in dataset.clips for tag in clip.tags}
    for key in ("tags", "without"):
        for number, tag in enumerate(getattr(suite.clips, key)):
            if tag not in tags:
                raise InputError(
                    f"{where(['clips', key, number])}: no clip of {dataset.name!r} bears the tag {tag!r}."
                    f"{nearest(tag, tags)} Its tags: {', '.join(sorted(tags))}.",
                    code="E_DATASET",
                )
    if not suite.chosen(dataset):
        raise InputError(
            f"{where(['clips'])}: no clip of {dataset.name!r} is all of this; take a condition away.", code="E_DATASET"
        )


def _check_settings(suite: Suite, where: _Where) -> None:
    try:
        base = suite._base()
        _check_languages(base)
        check_options(settings_from_dict(base))
    except (SettingsError, EngineError) as error:
        place = "settings"
        raise type(error)(f"{where(_named_in(error, [(place,)], where))}: {error}", code="E_SUITE") from error
    for name, overrides, places in suite._variants():
        data = json.loads(json.dumps(base, default=str))
        _merge(data, overrides)
        try:
            _check_languages(overrides)
            check_options(settings_from_dict(data))
        except (SettingsError, EngineError) as error:
            at = where(_named_in(error, places, where))
            raise type(error)(f"{at}, configuration {name!r}: {error}", code="E_SUITE") from error


def _check_languages(data: Mapping[str, Any]) -> None:
    for key in LANGUAGES:
        if key in data:
            raise SettingsError(f"{key} is that of each clip; remove it.")


def _named_in(error: Exception, places: Sequence[KeyPath], where: _Where) -> KeyPath:
    """Of the places that a configuration is made of the one whose key the error names, else the first."""
    named = re.search(r"'([\w.:/-]+)'", str(error))
    last = named[1].rpartition(".")[2] if named else ""
    for place in places:
        for path in where.lines:
            if path[: len(place)] == place and last and last in path[-1].split("."):
                return path
    for place in places:
        if last and any(last in part.split(".") for part in place):
            return place
    return places[0] if places else ()


def check_options(settings: Settings) -> None:
    """``SettingsError`` or ``EngineError`` where an engine is unknown or does not know an option given to it."""
    for kind in KINDS:
        engines, options = chosen(kind, settings)
        for name in dict.fromkeys([*engines, *options]):
            engine_options(kind, name, options)
