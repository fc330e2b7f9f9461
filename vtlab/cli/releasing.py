"""Commands that put a configuration into production: promote a run, go back, show the releases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtlab.cli.terminal import GATE_EXIT, AsJson, Debug, print_lines, say

if TYPE_CHECKING:
    from vtlab.evaluation.suite.model import Gate
    from vtlab.evaluation.sweep.results import ClipResult
    from vtlab.evaluation.tracking.runs import TrackedRun
    from vtlab.releases.store import Candidate, Contest, GateOutcome, Move, Release

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
    chance; else what speaks against it is told and nothing changes (exit code 3). What decides is the first of the
    gates' metrics in this order: asr_chrf, asr_bleu, chrf, bleu, wer, sync_within_150ms, sync_onset_mean_abs_ms. The
    tracking store gets the release as a version of the registered model vtlab-dub.
    """
    from vtlab.evaluation.tracking.runs import load_run
    from vtlab.releases import store as promotion

    folder = releases or promotion.releases_folder()
    tracked = load_run(run)
    limits = tracked.gates if gates is None else _gates_in(gates)
    decides = _deciding(tracked, limits, by)
    release = promotion.promote(folder, lambda: _candidate(tracked, limits, decides, force, folder))
    print(f"Release {release.number} is in force: {release.suite}/{release.name}")
    print_lines(_evidence(release))
    say(f"It is in {release.folder}.")
    _register(release)


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
    from vtlab.releases import store as promotion

    release = promotion.rollback(releases or promotion.releases_folder(), _who(), _now(), reason, to)
    print(f"Release {release.number} is in force again: {release.suite}/{release.name}")
    _register(release)


def releases(releases: Releases = None, as_json: AsJson = False) -> None:
    """Show every release: what it is, how it did, who released it and when, and which one is in force."""
    from vtlab.releases import store as promotion

    folder = releases or promotion.releases_folder()
    moves = promotion.history(folder)
    found = {number: _loaded(folder, number) for number in sorted({move.release for move in moves})}
    in_force = moves[-1].release if moves else None
    if as_json:
        rows = [
            {"number": number, "damaged": one} if isinstance(one, str) else one.model_dump(mode="json")
            for number, one in found.items()
        ]
        shown = {"folder": str(folder), "in_force": in_force, "releases": rows}
        history = [move.model_dump(mode="json") for move in moves]
        print(json.dumps({**shown, "history": history}, ensure_ascii=False, indent=1))
        return
    if not moves:
        say(f"{folder} holds no release yet. Make one with 'vtlab promote RUN'.")
        return
    for number, one in found.items():
        print(f"{'→' if number == in_force else ' '} {number:>3}  ", end="")
        if isinstance(one, str):
            print(one)
            continue
        print(f"{one.suite}/{one.name}  {_moment(one.when)} by {one.who}")
        print_lines(_evidence(one))
    print()
    print_lines(map(_told, moves))


def _loaded(folder: Path, number: int) -> Release | str:
    from vtlab.releases import store as promotion

    try:
        return promotion.load(folder, number)
    except promotion.ReleaseError as error:
        return str(error)


# ---------------------------------------------------------------- may it be released?


def _deciding(tracked: TrackedRun, limits: Mapping[str, Gate], by: str | None) -> str:
    """The metric that decides: the one asked for, else the chief one of the gates, else the chief one measured."""
    from vtlab.errors import SettingsError, nearest
    from vtlab.evaluation.compare.comparison import QUALITIES
    from vtlab.metrics.registry import METRICS, is_metric

    if by is not None and not is_metric(by):
        raise SettingsError(f"--by {by!r} is no metric.{nearest(by, METRICS)}")
    chief = [name for known in (limits, tracked.values) for name in QUALITIES if name in known]
    return by or next(iter([*chief, *limits]), QUALITIES[0])


def _candidate(
    tracked: TrackedRun, limits: Mapping[str, Gate], decides: str, force: str | None, folder: Path
) -> Candidate:
    """The run as a candidate; ends the command where something speaks against it and nobody gave a reason."""
    from vtlab import __version__
    from vtlab.evaluation.sweep.results import corpus, gate_outcomes
    from vtlab.releases.store import Candidate, Evidence, GateOutcome, ReleasedWeights
    from vtlab.settings import settings_from_dict

    settings = settings_from_dict(tracked.settings)
    _check_engines(tracked)
    outcomes = [
        GateOutcome(metric=one.metric, limit=str(one.gate), value=one.value, passed=one.passed)
        for one in gate_outcomes(limits, tracked.values)
    ]
    contests, disputes = _contests(tracked, [decides, *(metric for metric in limits if metric != decides)], folder)
    objections = [*_shortcomings(tracked, outcomes), *disputes]
    if objections and force is None:
        say(f"{tracked.suite}/{tracked.name} was not released:")
        for objection in objections[:SHOWN_OBJECTIONS]:
            say(f"- {objection}")
        say('To release it all the same: --force "why".')
        raise typer.Exit(GATE_EXIT)
    measured = [result.measurement for result in tracked.results if result.measurement is not None]
    return Candidate(
        name=tracked.name,
        suite=tracked.suite,
        run_id=tracked.run_id,
        fingerprint=tracked.fingerprint,
        dataset=tracked.dataset,
        dataset_digest=tracked.dataset_digest,
        pairs=tuple(sorted({(one.source_language, one.target_language) for one in measured})),
        weights=tuple(ReleasedWeights(name=name, sha256=sha256) for name, sha256 in sorted(tracked.weights.items())),
        evidence=Evidence(
            values=tracked.values,
            intervals=tracked.intervals,
            signatures=corpus(tracked.results).signatures,
            gates=tuple(outcomes),
            contests=tuple(contests),
            objections=tuple(objections),
            clips=len(tracked.results),
            failed_clips=len(_failed(tracked)),
        ),
        commit=tracked.commit,
        dirty=tracked.dirty,
        vtlab=__version__,
        who=_who(),
        when=_now(),
        forced=force,
        settings=settings,
        results=tuple(result.model_dump_json() for result in tracked.results),
    )


def _check_engines(tracked: TrackedRun) -> None:
    """``EngineError`` where an engine repeats the data set's own text: no other video can be dubbed with that."""
    from vtlab.errors import EngineError

    for stage, engine in tracked.engines.items():
        if "reference" in engine.split(", "):
            raise EngineError(
                f"{tracked.suite}/{tracked.name} cannot be released: its {stage} repeats the data set's own text, and "
                "no other video has one. Promote a configuration without the engine 'reference'."
            )


def _failed(tracked: TrackedRun) -> list[ClipResult]:
    return [result for result in tracked.results if result.status == "failed"]


def _shortcomings(tracked: TrackedRun, outcomes: Sequence[GateOutcome]) -> Iterator[str]:
    failed = _failed(tracked)
    if failed:
        yield (
            f"{len(failed)} of {len(tracked.results)} clips failed, and the values leave them out: "
            f"{', '.join(result.clip for result in failed)}."
        )
    if not outcomes:
        yield "Its suite sets no gates, so nothing says what is good enough. Add some, or give --gates FILE."
    for outcome in outcomes:
        if not outcome.passed:
            value = "was not measured" if outcome.value is None else f"is {_number(outcome.value)}"
            yield f"{outcome.metric} {value}; the gate is {outcome.limit}."


def _gates_in(file: Path) -> dict[str, Gate]:
    """The gates in a YAML file: a mapping as suites hold it, or a suite."""
    import yaml
    from pydantic import TypeAdapter, ValidationError

    from vtlab.errors import SettingsError, nearest
    from vtlab.evaluation.suite.model import Gate
    from vtlab.metrics.registry import METRICS, is_metric

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"Gates file {file} cannot be read: {error}") from error
    data = data.get("gates", data) if isinstance(data, dict) else data
    try:
        gates = TypeAdapter(dict[str, Gate]).validate_python(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise SettingsError(
            f"Gates file {file}: {where + ': ' if where else ''}{problem['msg']}. Write metrics with their bounds, "
            "such as 'wer: {max: 0.1}'."
        ) from error
    for metric in gates:
        if not is_metric(metric):
            raise SettingsError(f"Gates file {file}: unknown metric {metric!r}.{nearest(metric, METRICS)}")
    return gates


# ---------------------------------------------------------------- is it better than what is in force?


def _contests(tracked: TrackedRun, metrics: Sequence[str], folder: Path) -> tuple[list[Contest], list[str]]:
    """The candidate against the release in force, metric by metric, and what speaks against the candidate.

    The first metric decides: it must be better there, by more than chance.
    """
    from vtlab.releases import store as promotion

    try:
        release = promotion.current(folder)
        if release is None:
            return [], []
        if release.fingerprint == tracked.fingerprint:
            return [], [f"The same settings are in force already, as release {release.number}."]
        results = _results_in_force(release, tracked)
    except promotion.ReleaseError as error:
        return [], [f"The release in force cannot be compared with. {error}"]
    if results is None:
        return [], [
            f"Release {release.number}, in force, was evaluated on other clips ({release.dataset}, digest "
            f"{release.dataset_digest}) than this run ({tracked.dataset}, digest {tracked.dataset_digest}). Add its "
            f"settings to the suite and evaluate both: {release.folder / promotion.SETTINGS}."
        ]
    return _compared(release, results, tracked, metrics)


def _compared(
    release: Release, results: Sequence[ClipResult], tracked: TrackedRun, metrics: Sequence[str]
) -> tuple[list[Contest], list[str]]:
    from vtlab.evaluation.compare.comparison import Candidate, compare
    from vtlab.releases.store import Contest

    ours, theirs = (
        {one.clip: one.measurement for one in some if one.measurement is not None}
        for some in (tracked.results, results)
    )
    missing = [clip for clip in theirs if clip not in {result.clip for result in tracked.results}]
    objections = []
    if missing:
        objections.append(
            f"Release {release.number}, in force, was also evaluated on {', '.join(missing)}: evaluate all clips."
        )
    if not ours.keys() & theirs.keys():
        return [], [*objections, f"No clip was dubbed by both this run and release {release.number}, in force."]
    candidates = [Candidate(f"release {release.number}", theirs), Candidate(tracked.name, ours)]
    [pairing] = compare(candidates, metrics=list(metrics)).pairings
    contests = [
        Contest(
            release=release.number,
            metric=one.metric,
            baseline=one.baseline,
            value=one.value,
            difference=one.difference,
            low=one.low,
            high=one.high,
            p=one.p,
            verdict=one.verdict,
        )
        for one in sorted(pairing.differences, key=lambda one: metrics.index(one.metric))
    ]
    decides = next((contest for contest in contests if contest.metric == metrics[0]), None)
    if decides is None:
        objections.append(
            f"{metrics[0]}, the metric that decides, was not measured both in this run and in release "
            f"{release.number}, in force."
        )
    elif decides.verdict != "better":
        objections.append(
            f"{decides.metric}, the metric that decides, is not better than in release {release.number}, in force: "
            f"{_difference(decides)}."
        )
    return contests, objections


def _results_in_force(release: Release, tracked: TrackedRun) -> Sequence[ClipResult] | None:
    """The results of the release in force on the candidate's data set: its own evidence, else those of a newer run."""
    from pydantic import ValidationError

    from vtlab.evaluation.sweep.results import ClipResult
    from vtlab.evaluation.tracking.runs import find_runs, load_run
    from vtlab.releases import store as promotion

    if release.dataset_digest == tracked.dataset_digest:
        try:
            return [ClipResult.model_validate_json(line) for line in promotion.results_of(release)]
        except ValidationError as error:
            raise promotion.ReleaseError(
                f"The evidence of release {release.number} is of another version of vtlab, {release.vtlab}."
            ) from error
    for run in find_runs():
        if (run.fingerprint, run.dataset_digest) == (release.fingerprint, tracked.dataset_digest):
            return load_run(run.run_id).results
    return None


# ---------------------------------------------------------------- the tracking store


def _register(release: Release) -> None:
    """Tells the tracking store. The release is in force whatever comes of it, so a failure is only told."""
    from vtlab.errors import VtlabError

    try:
        from vtlab.evaluation.tracking.runs import register_release, tracking_uri

        if not _store_is_there(tracking_uri()):
            say(f"The tracking store was not told: there is none at {tracking_uri()}.")
            return
        version = register_release(release.run_id, release.folder, release.number)
    except ImportError as error:
        say(f"The tracking store was not told: {error.name} is not installed here.")
    except VtlabError as error:
        say(
            f"The tracking store was not told: {error} The release is in force all the same; once that is mended, "
            f"'vtlab rollback --to {release.number}' tells it."
        )
    else:
        say(f"In the tracking store it is version {version} of the model vtlab-dub, alias production.")


def _store_is_there(uri: str) -> bool:
    """False for a file that would have to be made: a server's machine needs no tracking store."""
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).exists()


# ---------------------------------------------------------------- how it is shown


def _evidence(release: Release) -> Iterator[str]:
    evidence = release.evidence
    if release.forced is not None:
        yield f"       forced: {release.forced}"
    for objection in evidence.objections:
        yield f"       against it: {objection}"
    clips = f"{evidence.clips} clips of {release.dataset}"
    yield f"       {clips}{f', of which {evidence.failed_clips} failed' if evidence.failed_clips else ''}"
    for gate in evidence.gates:
        value = "not measured" if gate.value is None else _number(gate.value)
        low, high = evidence.intervals.get(gate.metric, (None, None))
        between = f" ({_number(low)} to {_number(high)})" if low is not None and high is not None else ""
        yield f"       {gate.metric:<24} {value}{between}  gate {gate.limit}{'' if gate.passed else ', failed'}"
    for contest in evidence.contests:
        yield f"       {contest.metric:<24} {_difference(contest)} (against release {contest.release})"


def _difference(contest: Contest) -> str:
    """``31.5 against 29.5, +2 (+0.5 to +3.5, p 0.010): better``."""
    sure = ""
    if contest.low is not None and contest.high is not None:
        sure = f" ({contest.low:+.4g} to {contest.high:+.4g}{'' if contest.p is None else f', p {contest.p:.3f}'})"
    values = f"{_number(contest.value)} against {_number(contest.baseline)}"
    return f"{values}, {contest.difference:+.4g}{sure}: {contest.verdict}"


def _told(move: Move) -> str:
    what = "promoted" if move.action == "promotion" else "put back"
    why = f": {move.reason}" if move.reason else ""
    return f"{_moment(move.when)}  release {move.release} {what} by {move.who}{why}"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _who() -> str:
    import getpass
    import os
    import socket

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _now() -> datetime:
    return datetime.now(UTC)
