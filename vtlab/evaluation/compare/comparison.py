"""Is one configuration better than another, by how much, how surely, and at what cost?

``compare`` takes candidates, whatever they came from: runs in MLflow, folders of results, files of ``vtlab measure
--json`` (any tool's dub). Each is compared with the baseline on the clips and segments that both have, by the paired
bootstrap of ``vtlab.metrics.bootstrap``. Where the interval of a difference holds 0, no difference is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from vtlab.errors import InputError, nearest
from vtlab.evaluation.compare import listening
from vtlab.evaluation.compare.listening import Vote
from vtlab.evaluation.sweep.results import PERFECT_BLEU, RESULT, ClipResult, Gold
from vtlab.measurement.results import Measurement
from vtlab.metrics import bootstrap
from vtlab.metrics.bootstrap import SAMPLES, SEED, Sampled
from vtlab.metrics.pooling import pool
from vtlab.metrics.registry import chosen, find_metric, in_order
from vtlab.metrics.units import Over, units_of

FEW_SEGMENTS = 100  # simulated: of 40, 60 and 150 segments 6.7, 6.1 and 5.1 % show a difference where there is none
FEW_CLIPS = 10  # a bootstrap over fewer is coarse
SAME_LENGTH_S = 0.1  # sources that differ by more are not the same clip
# what stands on the axes of quality against cost: the first that every candidate has
QUALITIES = ("asr_chrf", "asr_bleu", "chrf", "bleu", "wer", "sync_within_150ms", "sync_onset_mean_abs_ms")
COSTS = ("rtf", "cpu_s", "wall_s")
STAGES_LOST = {
    "loss_transcription_bleu": "transcription: gained by the reference transcript",
    "loss_translation_bleu": "translation: gained by the reference translation on top",
    "loss_tts_bleu": "speech: still lost with a perfect text",
    "loss_timings_bleu": "timing of lines: gained by the reference's times alone",
}

Verdict = Literal["better", "worse", "different", "no difference shown", "no interval"]
_RESULTS = TypeAdapter(list[ClipResult])


@dataclass(frozen=True)
class Candidate:
    """What is compared: the measurements of one configuration or tool, by clip; ``failed``: why a clip has none.

    ``keys``: of its results, by clip; a measurement alone has none.
    """

    name: str
    clips: dict[str, Measurement]
    failed: dict[str, str] = field(default_factory=dict)
    gold: dict[Gold, dict[str, Measurement]] = field(default_factory=dict)
    suite: str = ""
    dataset_digest: str = ""
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One metric of a candidate against the baseline, over the ``units`` segments or clips that both have.

    ``low`` … ``high`` is the interval of ``difference``, ``p`` two-sided; both are absent where nothing can be drawn:
    extremes, and what fewer than ``bootstrap.MIN_UNITS`` units have.
    """

    metric: str
    baseline: float
    value: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    units: int
    over: Over
    verdict: Verdict


@dataclass(frozen=True)
class Pairing:
    """A candidate against the baseline, on ``clips`` and their ``segments``."""

    name: str
    baseline: str
    clips: tuple[str, ...]
    segments: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """A candidate's own numbers over the clips that all candidates have; ``best``: no other is as good for less."""

    name: str
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    best: bool


@dataclass(frozen=True)
class Loss:
    """BLEU points of the dubbed speech that would come back with the reference in place of a stage's output."""

    name: str
    candidate: str
    value: float
    low: float | None
    high: float | None
    segments: int


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation, over ``pairs`` segments, of what listeners prefer and what a metric prefers.

    ``p`` is by permutation; what fewer than ``bootstrap.MIN_UNITS`` segments have is absent.
    """

    metric: str
    rho: float
    p: float
    pairs: int


@dataclass(frozen=True)
class Listened:
    """What listeners said of two candidates, in words, and the metrics that agree with them, most first."""

    said: tuple[str, ...]
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True)
class Comparison:
    """All of it. ``quality`` and ``cost`` are what ``best`` weighs; ``None`` where some candidate lacks every one."""

    clips: tuple[str, ...]
    candidates: tuple[Scored, ...]
    pairings: tuple[Pairing, ...]
    quality: str | None
    cost: str | None
    losses: tuple[Loss, ...]
    notes: tuple[str, ...]
    samples: int
    seed: int
    listened: Listened | None = None


def compare(
    candidates: Sequence[Candidate],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    votes: Sequence[Vote] = (),
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Compares every candidate with the baseline (the first, or the one of that name).

    ``metrics``: names, or groups as in a suite; all by default. ``votes``: of a listening test of the two candidates,
    the first of which is its run a. Raises ``InputError`` where there is nothing to
    compare, ``SettingsError`` for a metric that nobody knows.
    """
    measured = (name for candidate in candidates for clip in candidate.clips.values() for name in clip.values)
    wanted = in_order(measured) if metrics is None else chosen(metrics)
    if len(candidates) < 2:
        raise InputError("There is nothing to compare; name two runs, folders of results or files.", code="E_RUN")
    names = [candidate.name for candidate in candidates]
    if baseline is not None and baseline not in names:
        raise InputError(
            f"The baseline {baseline!r} is not among what is compared.{nearest(baseline, names)} There are: "
            f"{', '.join(names)}.",
            code="E_RUN",
        )
    first = candidates[0 if baseline is None else names.index(baseline)]
    named = [first, *(_with_clips_of(first, other) for other in candidates if other is not first)]
    pairings = [_paired(first, other, wanted, samples, seed) for other in named[1:]]
    shared = [clip for clip in first.clips if all(clip in other.clips for other in named)]
    over = [{clip: candidate.clips[clip] for clip in shared} for candidate in named]
    values = [pool(list(clips.values())).values if clips else {} for clips in over]
    quality = first_of_all([name for name in QUALITIES if metrics is None or name in wanted], values)
    cost = first_of_all(COSTS, values)
    best = undominated(values, quality, cost)
    scored = [
        Scored(
            name=candidate.name,
            values={name: value for name, value in own.items() if name in wanted or name in (quality, cost)},
            intervals=bootstrap.intervals(clips, wanted, samples, seed),
            best=place in best,
        )
        for place, (candidate, own, clips) in enumerate(zip(named, values, over, strict=True))
    ]
    return Comparison(
        clips=tuple(shared),
        candidates=tuple(scored),
        pairings=tuple(pairings),
        quality=quality,
        cost=cost,
        losses=tuple(loss for candidate in named for loss in losses(candidate, samples, seed)),
        notes=tuple(_notes(named, pairings)),
        samples=samples,
        seed=seed,
        listened=listened(candidates, votes, wanted, seed) if votes else None,
    )


def listened(
    candidates: Sequence[Candidate], votes: Sequence[Vote], wanted: Sequence[str], seed: int = SEED
) -> Listened:
    """What the listeners of the two candidates said, and how far each metric of segments agrees with them.

    Votes about other results than the candidates' are left out; of measurements alone nobody knows.
    """
    if len(candidates) != 2:
        raise InputError(
            f"Votes are about two runs, and {len(candidates)} are compared; name the two that were listened to.",
            code="E_VOTES",
        )
    one, other = candidates
    given = len(votes)
    if one.keys and other.keys:
        both = one.keys.keys() & other.keys.keys()
        votes = listening.present(votes, {clip: listening.about(one.keys[clip], other.keys[clip]) for clip in both})
    ours, theirs = (units_of(candidate.clips, "segments") for candidate in candidates)
    agreements = []
    for name in wanted:
        metric = find_metric(name)
        if not metric.drawn or metric.over != "segments" or metric.better == "target":
            continue
        up = 1 if metric.better == "higher" else -1
        better_a = {
            f"{unit.clip}:{unit.segment.index}": up * (a - b)  # as vtlab.evaluation.compare.listening names its pairs
            for unit, a, b in bootstrap.each(name, ours, theirs)
            if unit.segment is not None
        }
        found = listening.correlation(votes, better_a, seed)
        if found is not None:
            pairs = len(better_a.keys() & {vote.pair for vote in votes})
            agreements.append(Agreement(name, *found, pairs))
    said = listening.sentences(one.name, other.name, listening.outcome(votes)) if votes else []
    if len(votes) < given:
        said.append(listening.told_of_earlier(given - len(votes)))
    return Listened(tuple(said), tuple(sorted(agreements, key=lambda agreement: -agreement.rho)))


def losses(candidate: Candidate, samples: int = SAMPLES, seed: int = SEED) -> list[Loss]:
    """Where the end-to-end loss comes from, as ``vtlab.evaluation.sweep.results.losses`` defines it."""
    transcript, translation, timings = (
        candidate.gold.get(kind, {}) for kind in ("gold_transcript", "gold_translation", "gold_timings")
    )
    found = [
        _gained("loss_transcription_bleu", candidate.name, candidate.clips, transcript, samples, seed),
        _gained("loss_translation_bleu", candidate.name, transcript, translation, samples, seed),
    ]
    spoken = bootstrap.sample("asr_bleu", units_of(translation, "segments"), samples, seed)
    if spoken is not None:
        left = changed(spoken, value=PERFECT_BLEU - spoken.value, draws=PERFECT_BLEU - spoken.draws)
        found.append(_loss("loss_tts_bleu", candidate.name, left))
    found.append(_gained("loss_timings_bleu", candidate.name, candidate.clips, timings, samples, seed))
    return [loss for loss in found if loss is not None]


def undominated(values: Sequence[Mapping[str, float]], quality: str | None, cost: str | None) -> set[int]:
    """Places of those that no other beats in quality or cost without losing in the other: the Pareto set."""
    if quality is None or cost is None:
        return set()
    up = 1 if find_metric(quality).better == "higher" else -1
    points = [(up * one[quality], -one[cost]) for one in values]

    def beaten(point: tuple[float, float]) -> bool:
        return any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in points)

    return {place for place, point in enumerate(points) if not beaten(point)}


# ---------------------------------------------------------------- where candidates come from


def candidates_of(
    runs: Sequence[str], suite: str | None = None, baseline: str | None = None, *, uri: str | None = None
) -> tuple[list[Candidate], str | None]:
    """What names on the command line mean, each once, with names as short as can be; and the baseline's.

    A baseline that is not among the runs is added to them.
    """
    found = [candidate for run in runs for candidate in load(run, uri=uri)]
    if suite is not None:
        found += load_suite_runs(suite, uri=uri)
    place = None
    if baseline is not None:
        named = [place for place, one in enumerate(found) if baseline in (one.name, one.name.rpartition("/")[2])]
        if not named:
            found = [*load(baseline, uri=uri), *found]
        place = named[0] if named else 0
    kept = [one for number, one in enumerate(found) if one not in found[:number]]
    at = None if place is None else kept.index(found[place])
    short = shortened(kept)
    return short, None if at is None else short[at].name


def load(run: str, *, uri: str | None = None) -> list[Candidate]:
    """What a name on the command line means.

    A file of ``vtlab measure --json``; a folder of results, of one configuration (``<suite>/<configuration>``) or of a
    whole suite; else a run in MLflow. Raises ``InputError`` that says what else there is.
    """
    path = Path(run)
    if path.is_file():
        return [_of_file(path, run)]
    if path.is_dir():
        folders = sorted({result.parent.parent for result in path.glob(f"*/{RESULT}")})
        folders = folders or sorted({result.parent.parent for result in path.glob(f"*/*/{RESULT}")})
        if not folders:
            raise InputError(
                f"{path} holds no results; give a suite's folder or a configuration's, such as out/eval/pt-en/base.",
                code="E_RUN",
            )
        return [_of_folder(folder) for folder in folders]
    from vtlab.evaluation.tracking import runs as tracking

    tracked = tracking.load_run(run, uri=uri)
    return [of_results(f"{tracked.suite}/{tracked.name}", tracked.results)]


def load_suite_runs(suite: str, *, uri: str | None = None) -> list[Candidate]:
    """The newest run of each configuration of a suite, oldest first; ``InputError`` where there is none."""
    from vtlab.evaluation.tracking import runs as tracking

    newest: dict[str, str] = {}
    for run in tracking.find_runs(suite, uri=uri):
        newest.setdefault(run.name, run.run_id)
    if not newest:
        known = {run.suite for run in tracking.find_runs(uri=uri)}
        raise InputError(
            f"There are no finished runs of suite {suite!r} in {tracking.tracking_uri(uri)}.{nearest(suite, known)} "
            f"Run it: vtlab eval evals/{suite}.yaml",
            code="E_RUN",
        )
    return [candidate for run_id in reversed(newest.values()) for candidate in load(run_id, uri=uri)]


def shortened(candidates: Sequence[Candidate]) -> list[Candidate]:
    """With names that are no longer than it takes to tell them apart; equal ones are numbered."""
    suites = {candidate.suite for candidate in candidates if candidate.suite}
    short = [
        candidate.name.removeprefix(f"{candidate.suite}/") if len(suites) == 1 else candidate.name
        for candidate in candidates
    ]
    if len(set(short)) < len(short):
        short = [candidate.name for candidate in candidates]
    return [
        changed(candidate, name=name if short.count(name) == 1 else f"{name} ({short[: place + 1].count(name)})")
        for place, (candidate, name) in enumerate(zip(candidates, short, strict=True))
    ]


def _of_file(path: Path, name: str) -> Candidate:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a measurement: {error}.", code="E_RUN") from error
    try:
        measured = Measurement.model_validate_json(text)
    except ValidationError as error:
        try:
            results = [ClipResult.model_validate_json(text)]
        except ValidationError:
            try:
                results = _RESULTS.validate_json(text)
            except ValidationError:
                problem = error.errors()[0]
                where = ".".join(map(str, problem["loc"])) or "its top"
                raise InputError(
                    f"{path} is no measurement ({where}: {problem['msg']}); make one with 'vtlab measure DUBBED "
                    f"--source VIDEO --json > {path.name}'.",
                    code="E_RUN",
                ) from error
        return of_results(name, results)
    return Candidate(name, {path.name.split(".")[0]: measured})


def _of_folder(folder: Path) -> Candidate:
    results = []
    for file in sorted(folder.glob(f"*/{RESULT}")):
        try:
            results.append(ClipResult.model_validate_json(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise InputError(
                f"{file} is of another version of vtlab; run its suite again, which computes only what is missing.",
                code="E_RUN",
            ) from error
    return of_results(f"{results[0].suite}/{results[0].configuration}", results)


def of_results(name: str, results: Iterable[ClipResult]) -> Candidate:
    """A configuration as one that is compared, from the results of its clips."""
    results = list(results)
    gold: dict[Gold, dict[str, Measurement]] = {}
    for result in results:
        for kind, measured in result.gold.items():
            gold.setdefault(kind, {})[result.clip] = measured
    return Candidate(
        name=name,
        clips={result.clip: result.measurement for result in results if result.measurement is not None},
        failed={result.clip: result.error or result.status for result in results if result.measurement is None},
        gold=gold,
        suite=results[0].suite if results else "",
        dataset_digest=results[0].dataset_digest if results else "",
        keys={result.clip: result.key for result in results},
    )


# ---------------------------------------------------------------- two candidates


def _paired(first: Candidate, other: Candidate, wanted: Sequence[str], samples: int, seed: int) -> Pairing:
    clips = [clip for clip in first.clips if clip in other.clips]
    if not clips:
        raise InputError(
            f"{other.name} and {first.name} have no clip in common: {_some(other.clips)}; {_some(first.clips)}.",
            code="E_RUN",
        )
    both = [{clip: candidate.clips[clip] for clip in clips} for candidate in (first, other)]
    kinds: tuple[Over, ...] = ("segments", "clips")
    units = {over: [units_of(side, over) for side in both] for over in kinds}
    keys = {unit.key for unit in units["segments"][0]} & {unit.key for unit in units["segments"][1]}
    extremes = [pool(list(side.values())).values for side in both]
    differences = []
    for name in wanted:
        if not all(any(name in measured.values for measured in side.values()) for side in both):
            continue
        if find_metric(name).drawn:
            ones, others = units[find_metric(name).over]
            pair = bootstrap.sample_both(name, ones, others, samples, seed)
            if pair is not None:
                differences.append(_difference(name, *pair))
        elif all(name in values for values in extremes):
            before, after = (values[name] for values in extremes)
            differences.append(
                Difference(name, before, after, after - before, None, None, None, len(clips), "clips", "no interval")
            )
    return Pairing(other.name, first.name, tuple(clips), len(keys), tuple(differences), tuple(_left_out(first, other)))


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


def _with_clips_of(first: Candidate, other: Candidate) -> Candidate:
    """The other with its clips called as in the first, where their names differ and their sources are the same.

    A file says nothing of a clip's name: it is the one whose languages, length and reference lines are the same, if
    there is one.
    """
    names = {}
    for name, measured in other.clips.items():
        same = [clip for clip, one in first.clips.items() if _same_source(one, measured)]
        names[name] = name if name in first.clips or len(same) != 1 else same[0]
    if len(set(names.values())) < len(names):
        return other
    return changed(other, clips={names[name]: measured for name, measured in other.clips.items()})


def _same_source(one: Measurement, other: Measurement) -> bool:
    def said(measured: Measurement) -> list[str | None]:
        return [segment.text for segment in measured.segments if segment.text is not None]

    return (
        (one.source_language, one.target_language) == (other.source_language, other.target_language)
        and abs(one.seconds - other.seconds) < SAME_LENGTH_S
        and said(one) == said(other)
    )


def _gained(
    name: str,
    candidate: str,
    before: Mapping[str, Measurement],
    after: Mapping[str, Measurement],
    samples: int,
    seed: int,
) -> Loss | None:
    clips = [clip for clip in before if clip in after]
    ones, others = (units_of({clip: side[clip] for clip in clips}, "segments") for side in (before, after))
    pair = bootstrap.sample_both("asr_bleu", ones, others, samples, seed)
    if pair is None:
        return None
    own, gold = pair
    return _loss(name, candidate, changed(gold, value=gold.value - own.value, draws=gold.draws - own.draws))


def _loss(name: str, candidate: str, sampled: Sampled) -> Loss:
    low, high = sampled.interval() or (None, None)
    return Loss(name, candidate, sampled.value, low, high, sampled.units)


# ---------------------------------------------------------------- what is asked, what is said


def first_of_all(names: Iterable[str], values: Sequence[Mapping[str, float]]) -> str | None:
    """The first metric that all have."""
    return next((name for name in names if all(name in one for one in values)), None)


def _left_out(first: Candidate, other: Candidate) -> list[str]:
    said = []
    for one, two in ((first, other), (other, first)):
        missing = [clip for clip in one.clips if clip not in two.clips]
        if missing:
            what = "1 clip" if len(missing) == 1 else f"{len(missing)} clips"
            said.append(f"Left out: {what} of {one.name} that {two.name} has not, {_some(missing)}.")
    return said


def _notes(candidates: Sequence[Candidate], pairings: Sequence[Pairing]) -> list[str]:
    said = [
        f"{candidate.name} failed on {clip}: {why}"
        for candidate in candidates
        for clip, why in candidate.failed.items()
    ]
    digests = {candidate.dataset_digest for candidate in candidates if candidate.dataset_digest}
    if len(digests) > 1:
        said.append("The data set changed between these runs; only segments that are the same are compared.")
    judged = max((sum(one.p is not None for one in pairing.differences) for pairing in pairings), default=0)
    by_chance = judged * (1 - bootstrap.LEVEL)
    if judged > 1:
        said.append(
            f"p is not corrected for the {judged} metrics compared: where nothing differs, about {by_chance:.1f} of "
            "them would look different by chance."
        )
    if any(one.verdict == "no interval" for pairing in pairings for one in pairing.differences):
        said.append(
            f"No interval: extremes (the fastest line, the worst clip), and what fewer than {bootstrap.MIN_UNITS} "
            "segments or clips have."
        )
    segments = [one.units for p in pairings for one in p.differences if one.over == "segments" and one.p is not None]
    if segments and min(segments) < FEW_SEGMENTS:
        said.append(
            f"With as few as {min(segments)} segments intervals are a bit too narrow: of 40, 7 % instead of 5 % show a "
            "difference where there is none."
        )
    if any(one.over == "clips" and one.p is not None for pairing in pairings for one in pairing.differences):
        fewest = min(one.units for p in pairings for one in p.differences if one.over == "clips" and one.p is not None)
        if fewest < FEW_CLIPS:
            said.append(f"Numbers of whole clips are drawn from {fewest} clips only: take their intervals with care.")
    return said


def _some(clips: Iterable[str], most: int = 4) -> str:
    names = list(clips)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
