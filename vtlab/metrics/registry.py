"""The metrics by name: those of this package, those that installed packages announce, and any by its dotted path.

A package announces a metric by an entry point of the group ``vtlab.metrics``: its name is the metric's, its value is
``module:attribute``. Without one, the dotted path itself, ``mypackage.pitch:Pitch``, is the name. The attribute is a
``Metric``, or a class or function that makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from vtlab.errors import SettingsError, nearest
from vtlab.metrics import cost, quality, recognition, sound, subtitles, timing, translation
from vtlab.metrics.metric import Metric

ENTRY_POINTS = "vtlab.metrics"
MODULES = (recognition, translation, quality, timing, sound, subtitles, cost)

METRICS: dict[str, Metric] = {metric.name: metric for module in MODULES for metric in module.METRICS}

# Two are dear in a suite: for ``speech`` every dub is recognised again; for ``cost`` it is made again by itself, from
# nothing, since the times of a dub that finds half of it in the store say nothing.
GROUPS = ("text", "speech", "sync", "sound", "subtitles", "cost")


@cache
def metric_entry_points() -> dict[str, EntryPoint]:
    """Return the metrics that installed packages announce; a name of this package's own is not among them."""
    points = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value))
    return {point.name: point for point in points if point.name not in METRICS}


def all_metrics() -> Iterator[Metric]:
    """Yield the metrics of this package, then those that installed packages announce.

    Raises:
        SettingsError: A package announces what cannot be loaded.
    """
    yield from METRICS.values()
    yield from map(find_metric, metric_entry_points())


def find_metric(name: str) -> Metric:
    """Return the metric of that name or dotted path.

    Raises:
        SettingsError: There is none, or its package is missing; names the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    if name in metric_entry_points():
        return _load(name, metric_entry_points()[name].value)
    if ":" in name:
        return _load(name, name)
    known = [*METRICS, *metric_entry_points()]
    raise SettingsError(f"There is no metric {name!r}.{nearest(name, [*known, *GROUPS])} Groups: {', '.join(GROUPS)}.")


def source_of(name: str) -> Path | None:
    """Return the file that a metric of another package comes from; ``None`` for those of this package.

    Raises:
        SettingsError: There is no such metric.
    """
    if name in METRICS:
        return None
    find_metric(name)
    path = metric_entry_points()[name].value if name in metric_entry_points() else name
    spec = find_spec(path.partition(":")[0])
    return None if spec is None or spec.origin is None else Path(spec.origin)


def is_metric(name: str) -> bool:
    """Return whether there is a metric of that name."""
    try:
        find_metric(name)
    except SettingsError:
        return False
    return True


@cache
def _load(name: str, path: str) -> Metric:
    module, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise SettingsError(f"The metric {name!r} cannot be loaded from {path!r}: {error}.") from error
    try:
        metric = found() if callable(found) else found
    except TypeError as error:
        raise SettingsError(f"The metric {name!r} cannot be loaded from {path!r}: {error}.") from error
    if not isinstance(metric, Metric):
        raise SettingsError(f"{path!r} is no metric but {type(metric).__name__}; make it a vtlab.metrics Metric.")
    metric = copy(metric)
    object.__setattr__(metric, "name", name)  # replace() would call an __init__ of the author's own
    return metric


def expand_word(word: str) -> tuple[str, ...]:
    """Return the names that a word stands for: a group's, or the one metric; nothing where it is neither."""
    if word in GROUPS:
        return tuple(name for name, metric in METRICS.items() if metric.group == word)
    return (word,) if is_metric(word) else ()


def resolve_metrics(words: Sequence[str] | None) -> list[str]:
    """Return the metrics that names and groups stand for, in the table's order; all of this package for ``None``.

    Raises:
        SettingsError: A word is neither; names the nearest.
    """
    if words is None:
        return list(METRICS)
    return sort_metrics(name for word in words for name in (expand_word(word) or (find_metric(word).name,)))


def sort_metrics(names: Iterable[str]) -> list[str]:
    """Return the names once each: those of this package in the table's order, then others by name."""
    wanted = set(names)
    return [name for name in METRICS if name in wanted] + sorted(wanted - METRICS.keys())


def choose_headlines(names: Iterable[str]) -> list[str]:
    """Return those of the names that are looked at first, the first one first."""
    places = {name: find_metric(name).headline for name in sort_metrics(names) if is_metric(name)}
    known = {name: place for name, place in places.items() if place is not None}
    return sorted(known, key=known.__getitem__)


def sort_headlines_first(names: Iterable[str]) -> list[str]:
    """Return the names once each: first the headlines, then the others in the table's order."""
    wanted = set(names)
    headlines = choose_headlines(wanted)
    return headlines + sort_metrics(wanted.difference(headlines))


def choose_decisive(names: Iterable[str]) -> list[str]:
    """Return those of the names that may decide which of two dubs is better, the one that says most first."""
    return [name for name in sort_headlines_first(names) if is_metric(name) and find_metric(name).decides]


def choose_costs(names: Iterable[str]) -> list[str]:
    """Return those of the names that are what quality is weighed against, headlines first."""
    found = {name: find_metric(name) for name in sort_headlines_first(names) if is_metric(name)}
    return [name for name, metric in found.items() if metric.group == "cost" and metric.better == "lower"]
