"""Losses per stage with their intervals, from the dubs in which the reference stands in for a stage's output."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.suite.losses import LOSS_METRIC, LOSSES, PERFECT_BLEU, Gold
from vtlab.measurement.results import Measurement
from vtlab.metrics import bootstrap
from vtlab.metrics.bootstrap import SAMPLES, SEED, Sampled
from vtlab.metrics.units import units_of


@dataclass(frozen=True)
class Loss:
    """BLEU points of the dubbed speech that would come back with the reference in place of a stage's output."""

    name: str
    system: str
    value: float
    low: float | None
    high: float | None
    segments: int


def find_losses(system: System, samples: int = SAMPLES, seed: int = SEED) -> list[Loss]:
    """Return the losses per stage that the system was dubbed again for, over the segments that have both sides."""

    def clips(gold: Gold | None) -> dict[str, Measurement]:
        return system.clips if gold is None else system.gold.get(gold, {})

    found = []
    for name, loss in LOSSES.items():
        before = clips(loss.before)
        if loss.after is None:
            reached = bootstrap.sample(LOSS_METRIC, units_of(before, "segments"), samples, seed)
            lost = reached and replace(reached, value=PERFECT_BLEU - reached.value, draws=PERFECT_BLEU - reached.draws)
        else:
            lost = _gain(before, clips(loss.after), samples, seed)
        if lost is not None:
            low, high = lost.interval() or (None, None)
            found.append(Loss(name, system.name, lost.value, low, high, lost.units))
    return found


def _gain(before: dict[str, Measurement], after: dict[str, Measurement], samples: int, seed: int) -> Sampled | None:
    clips = [clip for clip in before if clip in after]
    ones, others = (units_of({clip: side[clip] for clip in clips}, "segments") for side in (before, after))
    pair = bootstrap.sample_both(LOSS_METRIC, ones, others, samples, seed)
    if pair is None:
        return None
    own, gold = pair
    return replace(gold, value=gold.value - own.value, draws=gold.draws - own.draws)
