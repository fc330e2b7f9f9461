"""Losses per stage with their intervals, from the dubs in which the reference stands in for a stage's output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vtlab.evaluation.suite.loss_definitions import LOSS_METRIC, LOSSES, PERFECT_BLEU, Gold
from vtlab.measurement.results import Measurement
from vtlab.metrics.bootstrap import SAMPLES, SEED, Sampled, sample, sample_both
from vtlab.metrics.partition import list_units


@dataclass(frozen=True)
class Loss:
    """BLEU points of the dubbed speech that would come back with the reference in place of a stage's output."""

    name: str
    system: str
    value: float
    low: float | None
    high: float | None
    segments: int


def find_losses(
    system: str,
    clips: Mapping[str, Measurement],
    gold: Mapping[Gold, Mapping[str, Measurement]],
    samples: int = SAMPLES,
    seed: int = SEED,
) -> list[Loss]:
    """Return the losses per stage, each over the segments that have both of its sides.

    Args:
        system: The name of what was dubbed.
        clips: Measurements by clip.
        gold: Measurements with the reference in place of a stage's output, by clip.
        samples: Draws of the bootstrap; fewer change intervals, not values.
        seed: Seed of the draws.
    """
    found = []
    for name, loss in LOSSES.items():
        before = clips if loss.before is None else gold.get(loss.before, {})
        if loss.after is None:
            reached = sample(LOSS_METRIC, list_units(before, "segments"), samples, seed)
            lost = reached and replace(reached, value=PERFECT_BLEU - reached.value, draws=PERFECT_BLEU - reached.draws)
        else:
            lost = _gain(before, gold.get(loss.after, {}), samples, seed)
        if lost is not None:
            low, high = lost.interval() or (None, None)
            found.append(Loss(name, system, lost.value, low, high, lost.units))
    return found


def _gain(
    before: Mapping[str, Measurement], after: Mapping[str, Measurement], samples: int, seed: int
) -> Sampled | None:
    clips = [clip for clip in before if clip in after]
    ones, others = (list_units({clip: side[clip] for clip in clips}, "segments") for side in (before, after))
    pair = sample_both(LOSS_METRIC, ones, others, samples, seed)
    if pair is None:
        return None
    own, gold = pair
    return replace(gold, value=gold.value - own.value, draws=gold.draws - own.draws)
