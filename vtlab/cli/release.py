"""Commands that put a configuration into production: promote a run, go back, show the releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtlab.cli.terminal import GATE_EXIT, AsJson, Debug, print_lines, say

if TYPE_CHECKING:
    from vtlab.releases.store import Move, Release

SHOWN_OBJECTIONS = 20

Releases = Annotated[
    Path | None,
    typer.Option("--releases", metavar="FOLDER", help="Where releases are; $VTLAB_RELEASES or releases/ by default."),
]


def promote(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, suite/configuration, or configuration.")],
    gates: Annotated[
        Path | None,
        typer.Option("--gates", metavar="FILE", help="YAML file of gates to use instead of those of the run's suite."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="METRIC", help="What decides which is better; by default the suite's main gate."),
    ] = None,
    force: Annotated[
        str | None, typer.Option("--force", metavar="REASON", help="Release it in spite of what speaks against it.")
    ] = None,
    releases: Releases = None,
    debug: Debug = False,
) -> None:
    """Put a run's configuration into production: a release, which servers pick up by themselves.

    It must keep the gates of its suite and be better than the release in force, on the same clips and by more than
    chance; else what speaks against it is told and nothing changes (exit code 3). What decides is --by, else the first
    of the gates on the translation and its timing, in the order in which a table of the run shows them. The tracking
    store gets the release as a version of the registered model vtlab-dub.
    """
    from vtlab.evaluation import promotion
    from vtlab.releases.policy import PromotionError

    notes: list[str] = []
    try:
        release = promotion.promote(run, gates, by, force, releases, report=notes.append)
    except PromotionError as refusal:
        say(f"{refusal.name} was not released:")
        for objection in refusal.objections[:SHOWN_OBJECTIONS]:
            say(f"- {objection}")
        say('To release it all the same: --force "why".')
        raise typer.Exit(GATE_EXIT) from refusal
    print(f"Release {release.number} is in force: {release.suite}/{release.name}")
    print_lines(_evidence(release))
    say(f"It is in {release.folder}.")
    for note in notes:
        say(note)


def rollback(
    to: Annotated[
        int | None, typer.Option("--to", metavar="NUMBER", help="Which release; by default the one before.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept in the history.")] = None,
    releases: Releases = None,
    debug: Debug = False,
) -> None:
    """Put the release before the current one back in force; servers pick it up by themselves.

    Again, it goes back one more. The tracking store follows where it can be reached.
    """
    from vtlab.evaluation import promotion

    notes: list[str] = []
    release = promotion.rollback(to, reason, releases, report=notes.append)
    print(f"Release {release.number} is in force again: {release.suite}/{release.name}")
    for note in notes:
        say(note)


def releases(releases: Releases = None, as_json: AsJson = False) -> None:
    """Show every release: what it is, how it did, who released it and when, and which one is in force."""
    from vtlab.releases import store

    found = store.list_releases(releases or store.releases_folder())
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
        return
    if not found.history:
        say(f"{found.folder} holds no release yet. Make one with 'vtlab promote RUN'.")
        return
    for number, release in found.releases.items():
        print(f"{'→' if number == found.active else ' '} {number:>3}  ", end="")
        if isinstance(release, str):
            print(release)
            continue
        print(f"{release.suite}/{release.name}  {_format_time(release.when)} by {release.who}")
        print_lines(_evidence(release))
    print()
    print_lines(map(_describe_move, found.history))


def _evidence(release: Release) -> Iterator[str]:
    from vtlab.metrics.display import format_interval, format_value
    from vtlab.releases.policy import describe_contest

    evidence = release.evidence
    if release.forced is not None:
        yield f"       forced: {release.forced}"
    for objection in evidence.objections:
        yield f"       against it: {objection}"
    clips = f"{evidence.clips} clips of {release.dataset}"
    yield f"       {clips}{f', of which {evidence.failed_clips} failed' if evidence.failed_clips else ''}"
    for gate in evidence.gates:
        value = "not measured" if gate.value is None else format_value(gate.metric, gate.value)
        if gate.metric in evidence.intervals:
            value += f" {format_interval(gate.metric, *evidence.intervals[gate.metric])}"
        yield f"       {gate.metric:<24} {value}  gate {gate.limit}{'' if gate.passed else ', failed'}"
    for contest in evidence.contests:
        yield f"       {contest.metric:<24} {describe_contest(contest)} (against release {contest.release})"


def _describe_move(move: Move) -> str:
    action = "promoted" if move.action == "promotion" else "put back"
    reason = f": {move.reason}" if move.reason else ""
    return f"{_format_time(move.when)}  release {move.release} {action} by {move.who}{reason}"


def _format_time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
