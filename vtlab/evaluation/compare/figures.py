"""Pictures of comparisons: differences with intervals, quality against cost, losses per stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtlab import plots
from vtlab.evaluation.compare.comparison import ComparisonData, Pairing, pareto_set
from vtlab.evaluation.suite.loss_definitions import LOSSES
from vtlab.evaluation.sweep.losses import Loss
from vtlab.metrics.display import format_interval, format_unit, format_value
from vtlab.metrics.registry import find_metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DIFFERENCES = 24  # metrics in the picture of differences


def plot_differences(pairing: Pairing) -> Figure | None:
    """Draw the differences that have an interval, each on a scale of its own; `None` without any."""
    changes = []
    for one in pairing.differences:
        if one.low is None or one.high is None:
            continue
        sign = {"higher": 1, "lower": -1, "target": 0}[find_metric(one.metric).better]
        text = f"{format_value(one.metric, one.difference, signed=True)} {format_unit(one.metric)}".strip()
        text += f"  {format_interval(one.metric, one.low, one.high, signed=True)}"
        changes.append(plots.Change(one.metric, one.difference, one.low, one.high, sign, text))
    if not changes:
        return None
    title = "Differences with 95 % intervals; filled where one is shown, a scale for each metric"
    return plots.differences(changes[:MOST_DIFFERENCES], title)


def plot_trade(found: ComparisonData) -> Figure | None:
    """Draw quality against cost of each system; `None` where some system lacks one of them."""
    if found.quality is None or found.cost is None:
        return None
    values = {system.name: (system.values[found.quality], system.values[found.cost]) for system in found.systems}
    return plot_quality_and_cost(values, found.quality, found.cost)


def plot_quality_and_cost(values: dict[str, tuple[float, float]], quality: str, cost: str) -> Figure:
    """Draw quality against cost, the Pareto set filled.

    Args:
        values: Quality and cost by system.
        quality: The metric of quality.
        cost: The metric of cost.
    """
    best = pareto_set([{quality: good, cost: dear} for good, dear in values.values()], quality, cost)
    points = [plots.Point(name, *both, place in best) for place, (name, both) in enumerate(values.items())]
    return plots.pareto(points, quality, cost, lower_is_better=find_metric(quality).better == "lower")


def plot_losses(found: Sequence[Loss]) -> Figure | None:
    """Draw the losses per stage; `None` without any."""
    if not found:
        return None
    return plots.losses(
        [plots.Estimate(LOSSES[one.name].means, one.system, one.value, one.low, one.high) for one in found]
    )
