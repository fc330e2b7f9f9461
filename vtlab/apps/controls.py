"""Controls for a section of the settings, made from its model: its names, ranges and descriptions."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError

from vtlab.engines import engine_options, table
from vtlab.errors import SettingsError
from vtlab.settings import Section, Settings, explain, parse_yaml, settings_from_dict

if TYPE_CHECKING:
    from marimo import Html
    from marimo._plugins.ui import dictionary
    from pydantic.fields import FieldInfo

# settings that name one engine, and the kind of engine they name
ENGINE_FIELDS = {("transcription", "engine"): "transcription", ("voice_activity", "engine"): "voice_activity"}
OPTIONS = "options"  # of a section named as a kind of engine: engine name → its own options


def make_controls(name: str, section: BaseModel) -> dictionary:
    """Return a control for each setting of a section; nested sections nest, as do the options of each engine.

    Numbers keep the bounds of the model, choices are choices; lists of engines and whatever may be empty are text, read
    as YAML.

    Args:
        name: The section's name in the settings.
        section: The section, whose values the controls begin with.
    """
    import marimo as mo

    elements: dict[str, Any] = {}
    for key, value in section:
        if isinstance(value, Section):
            elements[key] = make_controls(key, value)
        elif key == OPTIONS:
            engines = {engine: engine_options(name, engine, value) for engine in _engines(name, value)}
            elements[key] = mo.ui.dictionary({engine: make_controls(engine, own) for engine, own in engines.items()})
        else:
            elements[key] = _control(name, key, type(section).model_fields[key], value)
    return mo.ui.dictionary(elements)


def explain_controls(name: str, section: BaseModel, controls: dictionary) -> Html:
    """Lay out the controls of `make_controls` below one another, each with its range and description.

    Args:
        name: The section's name in the settings.
        section: The section that the controls were made from.
        controls: The controls.
    """
    import marimo as mo

    rows: list[Any] = []
    for key, value in section:
        control = controls.elements[key]
        if isinstance(value, Section):
            rows.append(
                mo.accordion({key.replace("_", " "): explain_controls(key, value, cast("dictionary", control))})
            )
        elif key == OPTIONS:
            own = cast("Mapping[str, dictionary]", cast("dictionary", control).elements)
            parts = {
                f"{engine}: options": explain_controls(engine, engine_options(name, engine, value), own[engine])
                for engine in own
                if own[engine].elements
            }
            rows.append(mo.accordion(parts, multiple=True, lazy=True))
        else:
            field = type(section).model_fields[key]
            description = "; ".join(part for part in (field.description, _describe_range(field)) if part)
            rows.append(mo.vstack([control, mo.md(f"<small>{description}</small>")], gap=0))
    return mo.vstack(rows, gap=0.6)


def apply_controls(base: Settings, chosen: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Return settings with the values of controls.

    Args:
        base: The settings that the controls were made from.
        chosen: The values of each section's controls, by section.

    Raises:
        SettingsError: Names the setting and what is wrong with it.
    """
    data, sections = base.model_dump(mode="json"), dict(base)
    for name, values in chosen.items():
        data[name] = _read(name, sections[name], values, f"{name}.")
    return settings_from_dict(data)


def _read(name: str, base: BaseModel, values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    section, before_of, read = type(base), dict(base), dict[str, Any]()
    for key, value in values.items():
        field, before = section.model_fields[key], before_of[key]
        if isinstance(before, Section):
            read[key] = _read(key, before, value, f"{prefix}{key}.")
        elif key == OPTIONS:
            read[key] = _options(name, before, value, f"{prefix}{key}.")
        elif isinstance(value, str) and not _is_choice(field):
            read[key] = _from_text(value, field, f"{prefix}{key}")
        else:
            read[key] = value
    try:
        section.model_validate(read)
    except ValidationError as error:
        raise SettingsError(explain(error, section, prefix)) from error
    return read


def _engines(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Return the engines of the table, then those that have options without being in it."""
    return list(dict.fromkeys([*table(kind), *options]))


def _options(
    kind: str, before: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Mapping[str, Any]], prefix: str
) -> dict[str, dict[str, Any]]:
    """Return options by engine: those that were changed, and those that the base names; the others stay out."""
    found = {}
    for engine, values in chosen.items():
        plain = engine_options(kind, engine, {})
        own = type(plain).model_validate(_read(engine, plain, values, f"{prefix}{engine}."))
        given, usual = own.model_dump(mode="json"), plain.model_dump(mode="json")
        named = {key: value for key, value in given.items() if value != usual[key] or key in before.get(engine, {})}
        if named:
            found[engine] = named
    return found


def _control(section: str, key: str, field: FieldInfo, value: Any) -> Any:
    import marimo as mo

    label = f"`{key}`"
    options = _choices(field)
    engines = ENGINE_FIELDS.get((section, key))
    if engines is not None:
        options = list(dict.fromkeys([*table(engines), value]))
    if options is not None:
        return mo.ui.dropdown(options, value=value, label=label)
    if isinstance(value, bool):
        return mo.ui.checkbox(value=value, label=label)
    if isinstance(value, int | float) and not _may_be_empty(field):
        low, high = _bounds(field)
        step = 1 if isinstance(value, int) else _step(value, low, high)
        if low is not None and high is not None:
            return mo.ui.slider(
                low, high, step, value=value, label=label, show_value=True, debounce=True, full_width=True
            )
        return mo.ui.number(low, high, step, value=value, label=label, debounce=True, full_width=True)
    return mo.ui.text(value=_to_text(value), label=label, full_width=True)


def _step(value: float, low: float | None, high: float | None) -> float:
    """Return the step of a number's control: fine enough to be heard, and no finer."""
    span = high - low if low is not None and high is not None else 2 * abs(value)
    return 0.01 if span <= 2 else 0.1 if span <= 20 else 0.5


def _describe_range(field: FieldInfo) -> str:
    return " ".join(f"{word} {limit:g}" for word, limit in _limits(field).items())


def _limits(field: FieldInfo) -> dict[str, float]:
    """Return the bounds of a number, by the word that says what they are."""
    limits: dict[str, Any] = {}
    for part in field.metadata:
        match part:
            case Ge(ge=limit):
                limits["from"] = limit
            case Gt(gt=limit):
                limits["above"] = limit
            case Le(le=limit):
                limits["to"] = limit
            case Lt(lt=limit):
                limits["below"] = limit
    return limits


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple | list | dict):
        plain = yaml.safe_dump(
            list(value) if isinstance(value, tuple) else value, default_flow_style=True, allow_unicode=True, width=1000
        )
        return "" if value == {} else plain.strip()
    return str(value)


def _from_text(text: str, field: FieldInfo, name: str) -> Any:
    if text.strip() == "":
        return {} if _is_mapping(field) else None
    if any(kind in (str, Path) for kind in _arguments(field)):
        return text.strip()
    listed = any(get_origin(kind) is tuple for kind in _arguments(field)) and not text.lstrip().startswith("[")
    try:
        return parse_yaml(f"[{text}]" if listed else text, name)
    except SettingsError as error:
        raise SettingsError(f"Setting {name!r}: {text!r} is not YAML.") from error


def _arguments(field: FieldInfo) -> Sequence[Any]:
    """Return the types of the annotation, without `None` and `Annotated`."""
    kind = field.annotation
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return [get_args(one)[0] if get_origin(one) is Annotated else one for one in kinds if one is not type(None)]


def _choices(field: FieldInfo) -> list[Any] | None:
    kinds = _arguments(field)
    return list(get_args(kinds[0])) if len(kinds) == 1 and get_origin(kinds[0]) is Literal else None


def _is_choice(field: FieldInfo) -> bool:
    return _choices(field) is not None


def _is_mapping(field: FieldInfo) -> bool:
    return any(kind is dict or get_origin(kind) is dict for kind in _arguments(field))


def _may_be_empty(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the lowest and highest value that a control offers; an open bound is taken a step inside."""
    limits, step = _limits(field), 0.01 if field.annotation is float else 1
    low, high = limits.get("from"), limits.get("to")
    if "above" in limits:
        low = limits["above"] + step
    if "below" in limits:
        high = limits["below"] - step
    return low, high
