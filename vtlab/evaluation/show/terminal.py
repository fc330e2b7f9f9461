"""Comparisons and sweeps as text: tables for a terminal or a pipe, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vtlab.evaluation.compare.comparison import ComparisonData
from vtlab.evaluation.compare.listening import Listening
from vtlab.evaluation.show.words import describe_basis, describe_method, summarize_pairing
from vtlab.evaluation.suite.loss_definitions import LOSSES
from vtlab.evaluation.sweep.forecast import Forecast
from vtlab.evaluation.sweep.results import ClipResult, StageCount, add_counts
from vtlab.evaluation.sweep.run import Outcome, Sweep
from vtlab.metrics.display import format_interval, format_number, format_p, format_unit, format_value
from vtlab.metrics.registry import choose_costs, choose_headlines, sort_headlines_first
from vtlab.releases.evidence import Difference

PIPE_WIDTH = 160  # columns of a table that no terminal bounds
STYLES = {"better": "green", "worse": "red", "different": "yellow", "no difference shown": "dim", "no interval": "dim"}
# in the table of a sweep besides the gates' metrics, as far as they were measured and there is room
COLUMNS = 8


def comparison_json(found: ComparisonData) -> str:
    """Return a comparison as JSON, in which systems are called candidates and sentences `said`."""
    data = asdict(found)
    data["candidates"] = data.pop("systems")
    for loss in data["losses"]:
        loss["candidate"] = loss.pop("system")
    if found.listened is not None:
        data["listened"]["said"] = data["listened"].pop("sentences")
    return json.dumps(data, ensure_ascii=False, indent=1)


def print_comparison(found: ComparisonData) -> None:
    """Print a comparison; into a pipe without colours, and as wide as it needs to be."""
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH, no_color=True, highlight=False)
    for pairing in found.pairings:
        console.print(Text(f"{pairing.name} against {pairing.baseline} ({describe_basis(pairing)})", style="bold"))
        console.print(_differences(pairing.differences, console))
        console.print(Text(summarize_pairing(pairing)), soft_wrap=not console.is_terminal)
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
        for sentence in found.listened.sentences:
            console.print(Text(sentence))
        if found.listened.agreements:
            console.print(_agreements(found.listened, console))
        else:
            console.print(Text("Too few pairs, or pairs too much alike, to tell which metrics agree with them."))
        console.print()
    for note in found.notes:
        console.print(Text(note, style="dim"))
    console.print(Text(describe_method(found), style="dim"))


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
            format_unit(one.metric),
            format_value(one.metric, one.baseline),
            format_value(one.metric, one.value),
            format_value(one.metric, one.difference, signed=True),
            format_interval(one.metric, one.low, one.high, signed=True),
            format_p(one.p),
            str(one.units),
            Text(one.verdict, style=STYLES[one.verdict]),
        )
    return table


def _trade(found: ComparisonData, console: Console) -> Table:
    quality, cost = found.quality or "", found.cost or ""
    table = _table(
        console, ("", "left"), ("", "left"), (quality, "right"), ("95 % interval", "right"), (cost, "right")
    )  # fmt: skip
    for one in sorted(found.systems, key=lambda one: one.values[cost]):
        bounds = one.intervals.get(quality, (None, None))
        table.add_row(
            "*" if one.best else "",
            one.name,
            format_value(quality, one.values[quality]),
            format_interval(quality, *bounds),
            format_value(cost, one.values[cost]),
        )
    return table


def _losses(found: ComparisonData, console: Console) -> Table:
    table = _table(
        console, ("", "left"), ("stage", "left"), ("points", "right"), ("95 % interval", "right"), ("n", "right")
    )  # fmt: skip
    for loss in found.losses:
        table.add_row(
            loss.system,
            LOSSES[loss.name].means,
            format_value(loss.name, loss.value, signed=True),
            format_interval(loss.name, loss.low, loss.high, signed=True),
            str(loss.segments),
        )
    return table


def _agreements(listened: Listening, console: Console) -> Table:
    table = _table(console, ("metric", "left"), ("rank correlation", "right"), ("p", "right"), ("pairs", "right"))
    for one in listened.agreements:
        table.add_row(one.metric, format_number(one.rho, "1", signed=True), format_p(one.p), str(one.pairs))
    return table


def describe_result(result: ClipResult, done: int, total: int, left_s: float) -> str:
    """Return a line on a new result: `[3/8] clip, configuration: finished in 4.2 s; about 20 s left`."""
    took = "" if result.seconds is None else f" in {format_number(result.seconds, 's')} s"
    outcome = result.status if result.error is None else f"failed: {result.error}"
    left = f"; about {format_duration(left_s)} left" if done < total else ""
    return f"[{done}/{total}] {result.clip}, {result.configuration}: {outcome}{took}{left}"


def format_duration(seconds: float) -> str:
    """Return a duration as people say it: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def forecast_data(found: Forecast) -> dict[str, Any]:
    """Return a forecast as plain data."""
    plan = found.plan
    return {
        "suite": plan.job.suite.name,
        "dataset": plan.job.dataset.name,
        "clips": [clip.id for clip in plan.clips],
        "configurations": [configuration.name for configuration in plan.configurations],
        "metrics": sorted(plan.job.suite.wanted_metrics()),
        "losses": plan.job.suite.losses,
        "results_to_make": len(found.expected),
        "results_found": plan.found,
        "stages": {one.stage: {"needed": one.needed, "made_before": one.made} for one in found.stages},
        "seconds": round(found.seconds, 1),
        "basis": found.basis,
    }


def forecast_table(found: Forecast) -> list[str]:
    """Return a forecast for people: what is tried on what, the work of each stage, the time."""
    plan = found.plan
    suite = plan.job.suite
    seconds = sum(clip.seconds for clip in plan.clips)
    named = [
        ("configurations", [configuration.name for configuration in plan.configurations]),
        ("clips", [clip.id for clip in plan.clips]),
        ("metrics", sorted(suite.wanted_metrics())),
    ]
    lines = [
        f"{suite.name}: {_count(len(plan.configurations), 'configuration')} on {_count(len(plan.clips), 'clip')} of "
        f"{plan.job.dataset.name} ({format_number(seconds, 's')} s)",
        *(f"{name}: {', '.join(items)}" for name, items in named),
    ]
    if suite.losses:
        lines.append("losses: each clip is dubbed up to three times more, with the reference in place of a stage")
    rows = [[one.stage, str(one.needed), str(one.made)] for one in found.stages]
    lines += ["", *align_columns(["stage", "results needed", "made before"], rows), ""]
    kept = f"{plan.found} of {_count(plan.total, 'result')} are there already"
    if not found.expected:
        return [*lines, f"{kept}: nothing is left to do."]
    return [
        *lines,
        f"{kept}; the other {len(found.expected)} take about {format_duration(found.seconds)}, one after another "
        f"(by {found.basis}).",
    ]


def sweep_data(done: Sweep) -> dict[str, Any]:
    """Return the summary of a sweep as plain data."""
    return {
        "suite": done.suite.name,
        "dataset": done.dataset.name,
        "dataset_digest": done.dataset.digest,
        "clips": [clip.id for clip in done.clips],
        "results_made": done.made,
        "results_found": done.found,
        "seconds": done.seconds,
        "stages": {stage: count.model_dump() for stage, count in _all_stages(done).items()},
        "configurations": [
            {
                "name": outcome.configuration.name,
                "fingerprint": outcome.configuration.fingerprint,
                "overrides": outcome.configuration.overrides,
                "clips": _statuses(outcome),
                "failures": [
                    {"clip": result.clip, "code": result.error_code, "error": result.error}
                    for result in outcome.results
                    if result.status == "failed"
                ],
                "values": outcome.corpus.values,
                "signatures": outcome.corpus.signatures,
                "gates": [
                    {
                        "metric": one.metric,
                        **done.suite.gates[one.metric].model_dump(),
                        "value": one.value,
                        "passed": one.passed,
                    }
                    for one in outcome.gates
                ],
                "passed": outcome.passed,
                "stages": {stage: count.model_dump() for stage, count in outcome.stages.items()},
                "run_id": outcome.run_id,
                "problem": outcome.problem,
            }
            for outcome in done.outcomes
        ],
    }


def sweep_table(done: Sweep) -> list[str]:
    """Return the lines of a sweep's summary: a row per configuration, failures, and what each stage computed."""
    clips = len(done.clips)
    tried, on = _count(len(done.outcomes), "configuration"), _count(clips, "clip")
    lines = [f"{done.suite.name}: {tried} on {on} of {done.dataset.name}", ""]
    measured = _columns(done)
    header = ["configuration", "clips", *measured, "gates", "computed s"]
    rows = [
        [
            outcome.configuration.name,
            _clips(outcome, clips),
            *(format_value(name, outcome.corpus.values.get(name)) for name in measured),
            _gates(outcome),
            format_number(sum(result.seconds or 0 for result in outcome.results), "s"),
        ]
        for outcome in done.outcomes
    ]
    lines += align_columns(header, rows)
    for outcome in done.outcomes:
        failed = [f"  {result.clip}: {result.error}" for result in outcome.results if result.status == "failed"]
        failed += [f"  gate {gate}" for gate in outcome.gates if not gate.passed]
        failed += [f"  {outcome.problem}"] * (outcome.problem is not None)
        if failed:
            lines += ["", outcome.configuration.name, *failed]
    lines += ["", f"What stages did, over all dubs{', the gold ones among them' if done.suite.losses else ''}:"]
    lines += align_columns(
        ["stage", "dubs computed", "dubs reused", "answers computed", "answers reused"],
        [
            [stage, *map(str, (count.dubs_computed, count.dubs_reused, count.computed, count.reused))]
            for stage, count in _all_stages(done).items()
            if count.computed or count.reused
        ],
    )
    made = f"{done.made} results made, {done.found} found"
    return [*lines, "", f"{made}, {format_number(done.seconds, 's')} s"]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _all_stages(done: Sweep) -> dict[str, StageCount]:
    return add_counts(outcome.stages for outcome in done.outcomes)


def _columns(done: Sweep) -> list[str]:
    measured = {name for outcome in done.outcomes for name in outcome.corpus.values}
    names = dict.fromkeys([*done.suite.gates, *choose_costs(measured)[:1], *choose_headlines(measured)])
    return sort_headlines_first(list(names)[:COLUMNS])


def _statuses(outcome: Outcome) -> dict[str, int]:
    return {
        status: sum(result.status == status for result in outcome.results)
        for status in ("finished", "degraded", "failed")
    }


def _clips(outcome: Outcome, clips: int) -> str:
    counts = _statuses(outcome)
    bad = [f"{counts[status]} {status}" for status in ("degraded", "failed") if counts[status]]
    return ", ".join([f"{counts['finished'] + counts['degraded']}/{clips}", *bad])


def _gates(outcome: Outcome) -> str:
    if not outcome.gates:
        return "-"
    passed = sum(gate.passed for gate in outcome.gates)
    return f"{passed}/{len(outcome.gates)}"


def align_columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns are as wide as their widest cell."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
