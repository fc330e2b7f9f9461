"""How numbers and comparisons are written for people: in a terminal, in a pipe, and in the reports' tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vtlab.evaluation.compare.comparison import STAGES_LOST, Comparison, Difference, Listened, Pairing
from vtlab.metrics.registry import METRICS

DECIMALS = {"1": 3, "ms": 0, "0-100": 1, "1-5": 2, "s": 1, "MB": 0, "LUFS": 1, "dB": 1, "dBTP": 1, "1/s": 1}
UNITS = {"1": "", "0-100": "", "1-5": "", "1/s": "characters/s"}  # others are written as they are
PIPE_WIDTH = 160  # columns of a table that no terminal bounds
STYLES = {"better": "green", "worse": "red", "different": "yellow", "no difference shown": "dim", "no interval": "dim"}
ABSENT = "–"
NOTHING = 1e-6  # below it, a number is the rest of a rounding


def number(name: str, value: float | None, signed: bool = False) -> str:
    """A value of a metric with as many decimals as it deserves; a dash where there is none."""
    if value is None:
        return ABSENT
    metric = METRICS.get(name)
    decimals = DECIMALS.get("0-100" if metric is None else metric.unit, 0)
    rounded = round(value, decimals) + 0.0  # no minus zero
    sign = "+" if signed else ""
    if rounded == 0 and abs(value) > NOTHING:  # an interval ends on one side of 0 or the other
        return f"{value:{sign}.1g}"
    return f"{rounded:{sign}.{decimals}f}"


def unit(name: str) -> str:
    """The unit, where it is worth writing."""
    metric = METRICS.get(name)
    return "" if metric is None else UNITS.get(metric.unit, metric.unit)


def target(name: str) -> str:
    """The metric's target, as bounds."""
    bounds = METRICS[name].target if name in METRICS else None
    if bounds is None:
        return ""
    low, high = bounds
    if low is None or high is None:
        return f"≥ {low:g}" if low is not None else f"≤ {high:g}"
    return f"{low:g} … {high:g}"


def span(name: str, low: float | None, high: float | None, signed: bool = False) -> str:
    """An interval, or a dash."""
    if low is None or high is None:
        return ABSENT
    return f"[{number(name, low, signed)}, {number(name, high, signed)}]"


def probability(p: float | None) -> str:
    return ABSENT if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def summary(pairing: Pairing) -> str:
    """One sentence: in what the candidate is better, worse, and not shown to differ."""

    def names(verdict: str) -> str:
        return ", ".join(one.metric for one in pairing.differences if one.verdict == verdict)

    parts = [f"{verdict} in {names(verdict)}" for verdict in ("better", "worse", "different") if names(verdict)]
    open_ones = sum(one.verdict == "no difference shown" for one in pairing.differences)
    if open_ones:
        parts.append(f"no difference shown in {open_ones} metric{'s' * (open_ones > 1)}")
    return f"{pairing.name} against {pairing.baseline}: {'; '.join(parts) or 'nothing to judge'}."


def basis(pairing: Pairing) -> str:
    """What a pairing rests on."""
    clips = len(pairing.clips)
    return f"{pairing.segments} segments of {clips} clip{'s' * (clips > 1)}"


def as_json(found: Comparison) -> str:
    return json.dumps(asdict(found), ensure_ascii=False, indent=1)


def print_comparison(found: Comparison) -> None:
    """The comparison on standard output; in a pipe plain, and as wide as it needs to be."""
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH, no_color=True, highlight=False)
    for pairing in found.pairings:
        console.print(Text(f"{pairing.name} against {pairing.baseline} ({basis(pairing)})", style="bold"))
        console.print(_differences(pairing.differences, console))
        console.print(Text(summary(pairing)), soft_wrap=not console.is_terminal)
        for note in pairing.notes:
            console.print(Text(note, style="dim"))
        console.print()
    if found.quality is not None and found.cost is not None:
        console.print(Text(f"Quality ({found.quality}) against cost ({found.cost})", style="bold"))
        console.print(_trade(found, console))
        console.print(Text("*: nothing is as good for less"))
        console.print()
    if found.losses:
        console.print(Text("Where the end-to-end loss comes from, BLEU of the dubbed speech", style="bold"))
        console.print(_losses(found, console))
        console.print()
    if found.listened is not None:
        console.print(Text("What listeners say, and which metrics agree with them", style="bold"))
        for sentence in found.listened.said:
            console.print(Text(sentence))
        if found.listened.agreements:
            console.print(_agreements(found.listened, console))
        else:
            console.print(Text("Too few pairs, or pairs too much alike, to tell which metrics agree with them."))
        console.print()
    for note in found.notes:
        console.print(Text(note, style="dim"))
    console.print(Text(method(found), style="dim"))


def method(found: Comparison) -> str:
    """How the intervals and p were made."""
    return f"Paired bootstrap, {found.samples} draws, seed {found.seed}; intervals of 95 %, p two-sided."


def _table(console: Console, *columns: tuple[str, str]) -> Table:
    shape = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=shape, pad_edge=False, header_style="bold")
    for title, side in columns:
        table.add_column(title, justify="right" if side == "right" else "left", no_wrap=title != "verdict")
    return table


def _differences(differences: Sequence[Difference], console: Console) -> Table:
    table = _table(
        console,
        ("metric", "left"), ("", "left"), ("baseline", "right"), ("this", "right"), ("difference", "right"),
        ("95 % interval", "right"), ("p", "right"), ("n", "right"), ("verdict", "left"),
    )  # fmt: skip
    for one in differences:
        table.add_row(
            one.metric,
            unit(one.metric),
            number(one.metric, one.baseline),
            number(one.metric, one.value),
            number(one.metric, one.difference, signed=True),
            span(one.metric, one.low, one.high, signed=True),
            probability(one.p),
            str(one.units),
            Text(one.verdict, style=STYLES[one.verdict]),
        )
    return table


def _trade(found: Comparison, console: Console) -> Table:
    quality, cost = found.quality or "", found.cost or ""
    table = _table(
        console, ("", "left"), ("", "left"), (quality, "right"), ("95 % interval", "right"), (cost, "right")
    )  # fmt: skip
    for one in sorted(found.candidates, key=lambda one: one.values[cost]):
        bounds = one.intervals.get(quality, (None, None))
        table.add_row(
            "*" if one.best else "",
            one.name,
            number(quality, one.values[quality]),
            span(quality, *bounds),
            number(cost, one.values[cost]),
        )
    return table


def _losses(found: Comparison, console: Console) -> Table:
    table = _table(
        console, ("", "left"), ("stage", "left"), ("points", "right"), ("95 % interval", "right"), ("n", "right")
    )  # fmt: skip
    for loss in found.losses:
        table.add_row(
            loss.candidate,
            STAGES_LOST[loss.name],
            number(loss.name, loss.value, signed=True),
            span(loss.name, loss.low, loss.high, signed=True),
            str(loss.segments),
        )
    return table


def _agreements(listened: Listened, console: Console) -> Table:
    table = _table(console, ("metric", "left"), ("rank correlation", "right"), ("p", "right"), ("pairs", "right"))
    for one in listened.agreements:
        table.add_row(one.metric, f"{one.rho:+.2f}", probability(one.p), str(one.pairs))
    return table
