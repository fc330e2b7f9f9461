"""Suites read from their files, with everything in them checked before anything runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vtlab.engines import check_engines
from vtlab.errors import EngineError, InputError, LanguageError, SettingsError, nearest
from vtlab.evaluation.dataset.manifest import plain_message
from vtlab.evaluation.suite.loss_definitions import LOSS_VALUES
from vtlab.evaluation.suite.model import (
    ClipSelection,
    KeyPath,
    ListedConfiguration,
    Suite,
    is_setting,
    merge,
)
from vtlab.metrics.registry import GROUPS, METRICS, expand_word, is_metric
from vtlab.releases.evidence import Gate
from vtlab.settings import Settings, parse_yaml, settings_from_dict

NAME = re.compile(r"[\w.=,+-][\w.=,+ -]*")
LANGUAGES = ("source_language", "target_language")
PARTS: dict[str, type[BaseModel]] = {"clips": ClipSelection, "gates": Gate, "configurations": ListedConfiguration}


def load_suite(path: Path | str) -> Suite:
    """Load a suite and check its settings, engines' options, metrics and clips.

    Args:
        path: The YAML file; `vtlab.evaluation.suite.model` describes its keys.

    Returns:
        The suite; `Suite.configurations()` lists what it tries.

    Raises:
        SettingsError: `E_SUITE`; names the file, the line and the change to make.
        InputError: `E_DATASET`; the data set is faulty, or has no such clip or tag.

    Examples:
        >>> load_suite("evals/smoke.yaml").name
        'smoke'
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        known = sorted(str(other) for other in file.parent.glob("*.yaml"))
        raise _fault(f"Suite {file} cannot be read: {reason}.{nearest(str(file), known)}") from error
    try:
        data = parse_yaml(text, f"{file}")
    except SettingsError as error:
        raise _fault(str(error)) from error
    lines = _lines(text)
    if not isinstance(data, dict):
        raise _fault(f"{file} holds no mapping; write 'dataset:', 'matrix:', 'metrics:' at its top.")
    where = _LineFinder(file, lines)
    _check_keys(data, where)
    try:
        suite = Suite.model_validate({"name": file.stem, **data})
    except ValidationError as error:
        raise _explained(error, where) from error
    except LanguageError as error:
        raise _fault(f"{where(['clips', 'pair'])}: {error}") from error
    suite = suite.model_copy(update={"file": file})
    _check_names(suite, where)
    _check_metrics(suite, where)
    _check_clips(suite, where)
    _check_settings(suite, where)
    return suite


@dataclass(frozen=True)
class _LineFinder:
    """Line numbers of a file by key path."""

    file: Path
    lines: Mapping[KeyPath, int]

    def __call__(self, place: Sequence[Any]) -> str:
        """Return `file, line n` of the key path, or of its nearest parent that has a line."""
        path = tuple(str(part) for part in place)
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}, line {self.lines[path]}" if path else str(self.file)


def _lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key, from 1."""
    lines: dict[KeyPath, int] = {}

    def visit(node: yaml.Node, path: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = (*path, key.value if isinstance(key, yaml.ScalarNode) else "")
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


def _fault(sentence: str) -> SettingsError:
    return SettingsError(sentence, code="E_SUITE")


def _check_keys(data: Mapping[Any, Any], where: _LineFinder) -> None:
    known = [field.alias or name for name, field in Suite.model_fields.items() if name != "file"]
    for key in data:
        if key not in known:
            listed = ", ".join(known)
            raise _fault(f"{where([key])}: unknown key {key!r}.{nearest(str(key), known)} A suite has: {listed}.")
    if "dataset" not in data:
        raise _fault(f"{where.file} names no data set; add 'dataset: spoken'.")


def _explained(error: ValidationError, where: _LineFinder) -> SettingsError:
    problem = error.errors()[0]  # one thing to mend at a time, with its line
    place = problem["loc"]
    name = ".".join(str(part) for part in place)
    if problem["type"] == "extra_forbidden":
        known = PARTS.get(str(place[0]), Suite).model_fields
        sentence = f"unknown key {name!r}.{nearest(str(place[-1]), known)} There may be: {', '.join(known)}."
    elif problem["type"] == "missing":
        sentence = f"{name!r} is missing; add it."
    else:
        sentence = f"{name + ': ' if name else ''}{plain_message(problem)}."
    return _fault(f"{where(place)}: {sentence}")


def _check_names(suite: Suite, where: _LineFinder) -> None:
    if not NAME.fullmatch(suite.name):
        raise _fault(f"{where(['name'])}: a suite's name names a folder: {suite.name!r} has other signs than - _ . =")
    if suite.matrix is not None and not suite.matrix:
        raise _fault(f"{where(['matrix'])}: the matrix is empty; give it an axis, such as 'tts.voice: [a, b]'.")
    if suite.listed is not None and not suite.listed:
        raise _fault(f"{where(['configurations'])}: there are no configurations; add one, or remove the key.")
    for key, values in (suite.matrix or {}).items():
        place = where(["matrix", key])
        if not isinstance(values, (list, Mapping)):
            raise _fault(f"{place}: axis {key!r} takes a list of values, or a mapping of names to values.")
        if not values:
            raise _fault(f"{place}: axis {key!r} has no values; give it some or remove it.")
        if not is_setting(key):
            wanted = f"{key!r} is no setting.{nearest(key, Settings.model_fields)}"
            if not isinstance(values, Mapping) or not all(isinstance(value, Mapping) for value in values.values()):
                raise _fault(
                    f"{place}: {wanted} If it names a choice, give each value a name and a mapping of settings."
                )
    seen: dict[str, list[KeyPath]] = {}
    for name, _, places in suite.variants():
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise _fault(f"{where(places[0])}: {name!r} names a folder; use letters, digits and - _ . = + only.")
        if name in seen:
            raise _fault(f"{where(places[0])}: a second configuration is called {name!r}; give each a name of its own.")
        seen[name] = places


def _check_metrics(suite: Suite, where: _LineFinder) -> None:
    if suite.metrics is not None and not suite.metrics:
        raise _fault(f"{where(['metrics'])}: nothing is to be measured; name metrics or groups, or remove the key.")
    for number, word in enumerate(suite.metrics or ()):
        if not expand_word(word) and word not in LOSS_VALUES:
            raise _fault(
                f"{where(['metrics', number])}: there is no metric {word!r}.{nearest(word, [*METRICS, *GROUPS])} "
                f"Groups: {', '.join(GROUPS)}."
            )
    for name in suite.gates:
        if name not in LOSS_VALUES and not is_metric(name):
            raise _fault(
                f"{where(['gates', name])}: there is no metric {name!r}.{nearest(name, [*METRICS, *LOSS_VALUES])}"
            )
    named: list[tuple[list[Any], str]] = [
        (["metrics", number], word) for number, word in enumerate(suite.metrics or ())
    ]
    named += [(["gates", name], name) for name in suite.gates]
    for place, name in named:
        if name in LOSS_VALUES and not suite.losses:
            raise _fault(f"{where(place)}: {name} takes gold runs; add 'losses: true'.")


def _check_clips(suite: Suite, where: _LineFinder) -> None:
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
    for key, named in (("tags", suite.clips.tags), ("without", suite.clips.without)):
        for number, tag in enumerate(named):
            if tag not in tags:
                raise InputError(
                    f"{where(['clips', key, number])}: no clip of {dataset.name!r} bears the tag {tag!r}."
                    f"{nearest(tag, tags)} Its tags: {', '.join(sorted(tags))}.",
                    code="E_DATASET",
                )
    if not suite.select_clips(dataset):
        raise InputError(
            f"{where(['clips'])}: no clip of {dataset.name!r} is all of this; take a condition away. "
            f"Its pairs: {', '.join(dataset.pairs)}.",
            code="E_DATASET",
        )


def _check_settings(suite: Suite, where: _LineFinder) -> None:
    try:
        base = suite.base_settings()
        _check_languages(base)
        check_engines(settings_from_dict(base))
    except (SettingsError, EngineError) as error:
        place = "settings"
        raise type(error)(f"{where(_named_in(error, [(place,)], where))}: {error}", code="E_SUITE") from error
    for name, overrides, places in suite.variants():
        data = json.loads(json.dumps(base, default=str))
        merge(data, overrides)
        try:
            _check_languages(overrides)
            check_engines(settings_from_dict(data))
        except (SettingsError, EngineError) as error:
            at = where(_named_in(error, places, where))
            raise type(error)(f"{at}, configuration {name!r}: {error}", code="E_SUITE") from error


def _check_languages(data: Mapping[str, Any]) -> None:
    for key in LANGUAGES:
        if key in data:
            raise SettingsError(f"{key} is that of each clip; remove it.")


def _named_in(error: Exception, places: Sequence[KeyPath], where: _LineFinder) -> KeyPath:
    """Return the key path that the error names, among those a configuration is made of; else the first."""
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
