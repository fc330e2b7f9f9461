"""Promotions: the evidence of a run, gathered for the policy of releases, and releases put in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from vtlab import __version__
from vtlab.errors import InputError, VtlabError
from vtlab.evaluation.compare.comparison import compare_systems
from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.sweep.results import ClipResult, aggregate_results, measurements
from vtlab.evaluation.tracking.connection import connect, lock_store, store_exists, tracking_uri, translate_errors
from vtlab.evaluation.tracking.lookup import TrackedRun, find_runs, load_tracked_run
from vtlab.releases import policy, registry, store
from vtlab.releases.evidence import Contest, Evidence, Gate, judge_gates
from vtlab.releases.store import Proposal, Release, ReleasedWeights, ReleaseError
from vtlab.settings import settings_from_dict

if TYPE_CHECKING:
    from vtlab.evaluation.show.run import Run  # draws with matplotlib, which a server has not

Report = Callable[[str], None]


def promote(
    run: str | Run,
    gates: str | Path | Mapping[str, Gate] | None = None,
    by: str | None = None,
    force: str | None = None,
    releases: str | Path | None = None,
    *,
    report: Report = lambda sentence: None,
) -> Release:
    """Put a run's configuration into production: a release, which servers pick up by themselves.

    It must pass its gates and be better than the active release, on the same clips and by more than chance. The
    tracking store gets the release as a version of the registered model `vtlab-dub`, where there is one.

    Args:
        run: A run in MLflow, or its id, `suite/configuration`, or its configuration's name.
        gates: Gates to use instead of those of the run's suite: a mapping, or a YAML file.
        by: The metric that decides which is better; by default the first metric of quality with a gate.
        force: Why to release it in spite of objections.
        releases: The folder of releases; `$VTLAB_RELEASES` or `releases/` by default.
        report: Takes a sentence on what the tracking store was told.

    Returns:
        The release, which is in force.

    Raises:
        PromotionError: There are objections, and `force` gives no reason to overrule them. Nothing has changed.
        InputError: There is no such run in MLflow.
        EngineError: The configuration repeats the data set's own text.

    Examples:
        >>> import vtlab
        >>> vtlab.promote("smoke/beam_size=1", by="chrf").number
        1
    """
    folder = store.releases_folder() if releases is None else Path(releases)
    name = run if isinstance(run, str) else run.run_id
    if name is None:
        raise InputError("This run is not in MLflow; evaluate its suite, or name a run.", code="E_RUN")
    tracked = load_tracked_run(name)
    if gates is None:
        limits: Mapping[str, Gate] = tracked.gates
    else:
        limits = gates if isinstance(gates, Mapping) else policy.read_gates(Path(gates))
    metric = policy.choose_metric(limits, tracked.values, by)
    release = store.add_release(folder, lambda: _propose(tracked, limits, metric, force, folder))
    _register(release, report)
    return release


def rollback(
    to: int | None = None,
    reason: str | None = None,
    releases: str | Path | None = None,
    *,
    report: Report = lambda sentence: None,
) -> Release:
    """Put the release before the active one back in force; servers pick it up by themselves.

    Args:
        to: The number of a release; by default the one before.
        reason: Kept in the history.
        releases: The folder of releases; `$VTLAB_RELEASES` or `releases/` by default.
        report: Takes a sentence on what the tracking store was told.

    Returns:
        The release, which is in force.

    Raises:
        ReleaseError: There is nothing to go back to, or it is damaged.

    Examples:
        >>> import vtlab
        >>> vtlab.promote("smoke/beam_size=5", force="to show how to go back").number
        2
        >>> vtlab.rollback(reason="shown").number
        1
    """
    folder = store.releases_folder() if releases is None else Path(releases)
    release = store.restore_release(folder, store.author(), datetime.now(UTC), reason, to)
    _register(release, report)
    return release


def _propose(tracked: TrackedRun, limits: Mapping[str, Gate], metric: str, force: str | None, folder: Path) -> Proposal:
    """Return the run as a proposal; raise `PromotionError` where there are objections and no reason."""
    name = f"{tracked.suite}/{tracked.name}"
    policy.reject_reference_engines(name, tracked.engines)
    contests, disputes = _contest(tracked, [metric, *(other for other in limits if other != metric)], folder)
    failed = [result.clip for result in tracked.results if result.status == "failed"]
    evidence = Evidence(
        values=tracked.values,
        intervals=tracked.intervals,
        signatures=aggregate_results(tracked.results).signatures,
        gates=tuple(judge_gates(limits, tracked.values)),
        contests=tuple(contests),
        clips=len(tracked.results),
        failed_clips=len(failed),
    )
    objections = (*policy.object_to_evidence(evidence, failed), *disputes)
    if objections and force is None:
        raise policy.PromotionError(name, objections)
    measured = measurements(tracked.results).values()
    return Proposal(
        name=tracked.name,
        suite=tracked.suite,
        run_id=tracked.run_id,
        fingerprint=tracked.fingerprint,
        dataset=tracked.dataset,
        dataset_digest=tracked.dataset_digest,
        pairs=tuple(sorted({(one.source_language, one.target_language) for one in measured})),
        weights=tuple(ReleasedWeights(name=name, sha256=sha256) for name, sha256 in sorted(tracked.weights.items())),
        evidence=evidence.model_copy(update={"objections": objections}),
        commit=tracked.commit,
        dirty=tracked.dirty,
        vtlab=__version__,
        who=store.author(),
        when=datetime.now(UTC),
        forced=force,
        settings=settings_from_dict(tracked.settings),
        results=tuple(result.model_dump_json() for result in tracked.results),
    )


def _contest(tracked: TrackedRun, metrics: Sequence[str], folder: Path) -> tuple[list[Contest], list[str]]:
    """Return the run against the active release, metric by metric, and the objections; the first metric decides."""
    try:
        release = store.current(folder)
        if release is None:
            return [], []
        if release.fingerprint == tracked.fingerprint:
            return [], [f"The same settings are in force already, as release {release.number}."]
        results = _find_results(release, tracked)
    except ReleaseError as error:
        return [], [f"The release in force cannot be compared with. {error}"]
    if results is None:
        return [], [
            f"Release {release.number}, in force, was evaluated on other clips ({release.dataset}, digest "
            f"{release.dataset_digest}) than this run ({tracked.dataset}, digest {tracked.dataset_digest}). Add its "
            f"settings to the suite and evaluate both: {release.folder / store.SETTINGS}."
        ]
    ours, theirs = measurements(tracked.results), measurements(results)
    missing = [clip for clip in theirs if clip not in {result.clip for result in tracked.results}]
    objections = []
    if missing:
        objections.append(
            f"Release {release.number}, in force, was also evaluated on {', '.join(missing)}: evaluate all clips."
        )
    if not ours.keys() & theirs.keys():
        return [], [*objections, f"No clip was dubbed by both this run and release {release.number}, in force."]
    systems = [System(f"release {release.number}", theirs), System(tracked.name, ours)]
    [pairing] = compare_systems(systems, metrics=list(metrics)).pairings
    contests = [
        Contest(**vars(difference), release=release.number)
        for difference in sorted(pairing.differences, key=lambda difference: metrics.index(difference.metric))
    ]
    return contests, [*objections, *policy.object_to_contests(contests, metrics[0], release.number)]


def _find_results(release: Release, tracked: TrackedRun) -> Sequence[ClipResult] | None:
    """Return the active release's results on the run's data set: its own evidence, else those of a newer run."""
    if release.dataset_digest == tracked.dataset_digest:
        try:
            return [ClipResult.model_validate_json(line) for line in store.read_result_lines(release)]
        except ValidationError as error:
            raise ReleaseError(
                f"The evidence of release {release.number} is of another version of vtlab, {release.vtlab}."
            ) from error
    for run in find_runs():
        if (run.fingerprint, run.dataset_digest) == (release.fingerprint, tracked.dataset_digest):
            return load_tracked_run(run.run_id).results
    return None


def _register(release: Release, report: Report) -> None:
    """Register a release, which is in force already, with the tracking store; a failure is only reported."""
    address = tracking_uri()
    if not store_exists(address):  # a server's machine needs no tracking store
        report(f"The tracking store was not told: there is none at {address}.")
        return
    try:
        client = connect(address)
        with lock_store(address), translate_errors(address):
            version = registry.register_release(client, release.run_id, release.folder, release.number)
    except ImportError as error:
        report(f"The tracking store was not told: {error.name} is not installed here.")
    except VtlabError as error:
        report(
            f"The tracking store was not told: {error} The release is in force all the same; once that is mended, "
            f"'vtlab rollback --to {release.number}' tells it."
        )
    else:
        report(f"In the tracking store it is version {version} of the model vtlab-dub, alias production.")
