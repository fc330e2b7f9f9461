"""Comparisons of systems: by how much they differ, how surely, and at what cost.

Each system is compared with the baseline on the clips and segments that both have, by the paired bootstrap of
`vtlab.metrics.bootstrap`. Where the interval of a difference holds 0, no difference is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from vtlab.errors import InputError, nearest
from vtlab.evaluation.compare.listening import Listening, relate_votes
from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.compare.votes import Vote
from vtlab.evaluation.sweep.losses import Loss, find_losses
from vtlab.measurement.results import Measurement
from vtlab.metrics import bootstrap
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.bootstrap import SAMPLES, SEED, Sampled
from vtlab.metrics.display import format_interval, format_p, format_value
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import choose_costs, choose_decisive, find_metric, resolve_metrics, sort_metrics
from vtlab.metrics.text import library
from vtlab.metrics.units import Over
from vtlab.releases.evidence import Difference, Verdict

if TYPE_CHECKING:
    from pandas import DataFrame

FEW_SEGMENTS = 100  # simulated: of 40, 60 and 150 segments 6.7, 6.1 and 5.1 % show a difference where there is none
FEW_CLIPS = 10  # a bootstrap over fewer is coarse
SAME_LENGTH_S = 0.1  # sources that differ by more are not the same clip


@dataclass(frozen=True)
class Pairing:
    """A system against the baseline, on the clips and segments that both have."""

    name: str
    baseline: str
    clips: tuple[str, ...]
    segments: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """A system's values over the clips that all systems have; `best`: no other is as good at less cost."""

    name: str
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    best: bool


@dataclass(frozen=True)
class ComparisonData:
    """The numbers of a comparison.

    Attributes:
        clips: The clips that all systems have.
        systems: Each system's own values over those clips.
        pairings: Each system against the baseline.
        quality: The metric of quality on which `best` is decided; `None` where some system lacks every one.
        cost: The metric of cost on which `best` is decided.
        losses: Losses per stage of systems that were dubbed again with references.
        notes: Caveats, in sentences.
        samples: Draws of the bootstrap.
        seed: Seed of the draws.
        listened: What listeners preferred, where there are votes.
    """

    clips: tuple[str, ...]
    systems: tuple[Score, ...]
    pairings: tuple[Pairing, ...]
    quality: str | None
    cost: str | None
    losses: tuple[Loss, ...]
    notes: tuple[str, ...]
    samples: int
    seed: int
    listened: Listening | None = None

    def differences(self, text: bool = False) -> DataFrame:
        """Return a row per system and metric: both values, difference, 95 % interval, p, n, and the verdict.

        Args:
            text: Write numbers as people read them, with the decimals of their metric.
        """
        rows: list[dict[str, object]] = []
        for pairing in self.pairings:
            for one in pairing.differences:
                name = one.metric
                row: dict[str, object] = {"metric": name, "system": pairing.name, "baseline": pairing.baseline}
                if text:
                    row |= {
                        "baseline value": format_value(name, one.baseline),
                        "value": format_value(name, one.value),
                        "difference": format_value(name, one.difference, signed=True),
                        "95 % interval": format_interval(name, one.low, one.high, signed=True),
                        "p": format_p(one.p),
                    }
                else:
                    row |= {"baseline value": one.baseline, "value": one.value, "difference": one.difference}
                    row |= {"low": one.low, "high": one.high, "p": one.p}
                rows.append(row | {"n": one.units, "verdict": one.verdict})
        frame: DataFrame = library("pandas").DataFrame(rows)
        return frame

    def to_frame(self, text: bool = False) -> DataFrame:
        """Return a row per metric and a column per system, over the clips that all systems have.

        Args:
            text: Write numbers as people read them, with the decimals of their metric.
        """
        names = sort_metrics(name for system in self.systems for name in system.values)
        columns: dict[str, object] = {
            system.name: [
                format_value(name, system.values.get(name)) if text else system.values.get(name) for name in names
            ]
            for system in self.systems
        }
        frame: DataFrame = library("pandas").DataFrame(columns, index=names)
        return frame


def compare_systems(
    systems: Sequence[System],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    votes: Sequence[Vote] = (),
    samples: int = SAMPLES,
    seed: int = SEED,
) -> ComparisonData:
    """Compare every system with the baseline.

    Args:
        systems: Two or more, each with a name of its own.
        baseline: The name of the baseline; the first system by default.
        metrics: Names of metrics, or groups as in a suite; all by default.
        votes: Of a listening test of the two systems, the first of which is its run a.
        samples: Draws of the bootstrap.
        seed: Seed of the draws.

    Raises:
        InputError: `E_RUN`; fewer than two systems, an unknown baseline, or no clip in common.
        SettingsError: An unknown metric.
    """
    measured = (name for system in systems for clip in system.clips.values() for name in clip.values)
    wanted = sort_metrics(measured) if metrics is None else resolve_metrics(metrics)
    if len(systems) < 2:
        raise InputError("There is nothing to compare; name two runs, folders of results or files.", code="E_RUN")
    names = [system.name for system in systems]
    if baseline is not None and baseline not in names:
        raise InputError(
            f"The baseline {baseline!r} is not among what is compared.{nearest(baseline, names)} There are: "
            f"{', '.join(names)}.",
            code="E_RUN",
        )
    first = systems[0 if baseline is None else names.index(baseline)]
    named = [first, *(_match_clips(first, other) for other in systems if other is not first)]
    pairings = [_pair(first, other, wanted, samples, seed) for other in named[1:]]
    shared = [clip for clip in first.clips if all(clip in other.clips for other in named)]
    over = [{clip: system.clips[clip] for clip in shared} for system in named]
    values = [aggregate(list(clips.values())).values if clips else {} for clips in over]
    quality = find_shared(choose_decisive(wanted), values)
    cost = find_shared(choose_costs(values[0]), values)
    best = pareto_set(values, quality, cost)
    scored = [
        Score(
            name=system.name,
            values={name: value for name, value in own.items() if name in wanted or name in (quality, cost)},
            intervals=bootstrap.intervals(clips, wanted, samples, seed),
            best=place in best,
        )
        for place, (system, own, clips) in enumerate(zip(named, values, over, strict=True))
    ]
    return ComparisonData(
        clips=tuple(shared),
        systems=tuple(scored),
        pairings=tuple(pairings),
        quality=quality,
        cost=cost,
        losses=tuple(loss for one in named for loss in find_losses(one.name, one.clips, one.gold, samples, seed)),
        notes=tuple(_notes(named, pairings)),
        samples=samples,
        seed=seed,
        listened=relate_votes(systems, votes, wanted, seed) if votes else None,
    )


def pareto_set(values: Sequence[Mapping[str, float]], quality: str | None, cost: str | None) -> set[int]:
    """Return the indices of the Pareto set: whatever no other beats in one axis without losing in the other."""
    if quality is None or cost is None:
        return set()
    up = 1 if find_metric(quality).better == "higher" else -1
    points = [(up * one[quality], -one[cost]) for one in values]

    def beaten(point: tuple[float, float]) -> bool:
        return any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)

    return {place for place, point in enumerate(points) if not beaten(point)}


def _pair(first: System, other: System, wanted: Sequence[str], samples: int, seed: int) -> Pairing:
    clips = [clip for clip in first.clips if clip in other.clips]
    if not clips:
        raise InputError(
            f"{other.name} and {first.name} have no clip in common: {_list_some(other.clips)}; "
            f"{_list_some(first.clips)}.",
            code="E_RUN",
        )
    both = [{clip: system.clips[clip] for clip in clips} for system in (first, other)]
    kinds: tuple[Over, ...] = ("segments", "clips")
    units = {over: [list_units(side, over) for side in both] for over in kinds}
    keys = {unit.key for unit in units["segments"][0]} & {unit.key for unit in units["segments"][1]}
    extremes = [aggregate(list(side.values())).values for side in both]
    differences = []
    for name in wanted:
        if not all(any(name in measured.values for measured in side.values()) for side in both):
            continue
        metric = find_metric(name)
        if metric.has_interval:
            ones, others = units[metric.over]
            pair = bootstrap.sample_both(name, ones, others, samples, seed)
            if pair is not None:
                differences.append(_difference(name, *pair))
        elif all(name in values for values in extremes):
            before, after = (values[name] for values in extremes)
            differences.append(
                Difference(
                    metric=name,
                    baseline=before,
                    value=after,
                    difference=after - before,
                    low=None,
                    high=None,
                    p=None,
                    units=len(clips),
                    over="clips",
                    verdict="no interval",
                )
            )
    # a reference without times brings stretches of speech along, which are no segments of it
    segments = [unit for unit in units["segments"][0] if unit.key in keys and unit.reference] or keys
    notes = tuple(_note_missing_clips(first, other))
    return Pairing(other.name, first.name, tuple(clips), len(segments), tuple(differences), notes)


def _difference(name: str, before: Sampled, after: Sampled) -> Difference:
    draws = after.draws - before.draws
    bounds = bootstrap.interval(draws)
    low, high = bounds or (None, None)
    better = find_metric(name).better
    verdict: Verdict = "no difference shown"
    if low is None or high is None:
        verdict = "no interval"
    elif low > 0 or high < 0:
        up = low > 0
        verdict = "different" if better == "target" else "better" if up == (better == "higher") else "worse"
    return Difference(
        metric=name,
        baseline=before.value,
        value=after.value,
        difference=after.value - before.value,
        low=low,
        high=high,
        p=None if bounds is None else bootstrap.p_value(draws),
        units=before.units,
        over=before.over,
        verdict=verdict,
    )


def _match_clips(first: System, other: System) -> System:
    """Return `other` with its clips named as in `first`.

    A file of one measurement has no name of a clip: it is the clip with the same languages, length and reference, where
    there is exactly one.
    """
    names = {}
    for name, measured in other.clips.items():
        same = [clip for clip, one in first.clips.items() if _same_source(one, measured)]
        names[name] = name if name in first.clips or len(same) != 1 else same[0]
    if len(set(names.values())) < len(names):
        return other
    return replace(other, clips={names[name]: measured for name, measured in other.clips.items()})


def _same_source(one: Measurement, other: Measurement) -> bool:
    def texts(measured: Measurement) -> list[str | None]:
        return [segment.text for segment in measured.segments if segment.text is not None]

    return (
        (one.source_language, one.target_language) == (other.source_language, other.target_language)
        and abs(one.seconds - other.seconds) < SAME_LENGTH_S
        and texts(one) == texts(other)
    )


def find_shared(names: Iterable[str], values: Sequence[Mapping[str, float]]) -> str | None:
    """Return the first of `names` that all have a value of; `None` without one."""
    return next((name for name in names if all(name in one for one in values)), None)


def _note_missing_clips(first: System, other: System) -> list[str]:
    notes = []
    for one, two in ((first, other), (other, first)):
        missing = [clip for clip in one.clips if clip not in two.clips]
        if missing:
            what = "1 clip" if len(missing) == 1 else f"{len(missing)} clips"
            notes.append(f"Left out: {what} of {one.name} that {two.name} has not, {_list_some(missing)}.")
    return notes


def _notes(systems: Sequence[System], pairings: Sequence[Pairing]) -> list[str]:
    notes = [f"{system.name} failed on {clip}: {why}" for system in systems for clip, why in system.failed.items()]
    digests = {system.dataset_digest for system in systems if system.dataset_digest}
    if len(digests) > 1:
        notes.append("The data set changed between these runs; only segments that are the same are compared.")
    judged = max((sum(one.p is not None for one in pairing.differences) for pairing in pairings), default=0)
    by_chance = judged * (1 - bootstrap.LEVEL)
    if judged > 1:
        notes.append(
            f"p is not corrected for the {judged} metrics compared: where nothing differs, about {by_chance:.1f} of "
            "them would look different by chance."
        )
    if any(one.verdict == "no interval" for pairing in pairings for one in pairing.differences):
        notes.append(
            f"No interval: extremes (the fastest line, the worst clip), and what fewer than {bootstrap.MIN_UNITS} "
            "segments or clips have."
        )
    segments, clips = (_fewest_units(pairings, over) for over in get_args(Over))
    if segments is not None and segments < FEW_SEGMENTS:
        notes.append(
            f"With as few as {segments} segments intervals are a bit too narrow: of 40, 7 % instead of 5 % show a "
            "difference where there is none."
        )
    if clips is not None and clips < FEW_CLIPS:
        notes.append(f"Numbers of whole clips are drawn from {clips} clips only: take their intervals with care.")
    return notes


def _fewest_units(pairings: Sequence[Pairing], over: Over) -> int | None:
    """Return the fewest segments or clips that a p rests on; `None` without any p."""
    differences = (one for pairing in pairings for one in pairing.differences if one.over == over)
    return min((one.units for one in differences if one.units is not None and one.p is not None), default=None)


def _list_some(clips: Iterable[str], most: int = 4) -> str:
    names = list(clips)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
