"""Dubs that a sweep has kept, measured again: with new metrics or a corrected reference, without dubbing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vtlab.errors import InputError
from vtlab.evaluation.dataset import Clip
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.clip import Job, dub_key, result_key
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, read_result, write_result
from vtlab.measurement.inspection import read_record, rescore
from vtlab.measurement.recognizer import Recognizer
from vtlab.measurement.results import Measurement

SHOWN = 4  # of the dubs that are missing


def rescore_results(
    suite: Suite, folder: Path, *, limit: int = 0, report: Callable[[str], None] = lambda sentence: None
) -> int:
    """Measure the kept dubs of a suite again, with the metrics that it names now.

    Costs stay as they were measured, since only dubbing tells them. A result that is up to date is left alone.

    Args:
        suite: The suite.
        folder: Holds the results of suites.
        limit: The first clips only; 0 for all.
        report: Takes a sentence on each dub that was measured.

    Returns:
        The number of dubs that were measured.

    Raises:
        InputError: `E_NOT_KEPT`; dubs of this suite, as it is now, are missing. Nothing was measured.
    """
    dataset = suite.load_dataset()
    job = Job(suite, dataset, folder)
    wanted = sorted(suite.wanted_metrics())
    outdated: list[tuple[Path, Clip, ClipResult, str]] = []
    missing: list[str] = []
    for clip in suite.select_clips(dataset)[: limit or None]:
        for configuration in suite.configurations():
            home = clip_folder(folder, suite.name, configuration.name, clip.id)
            known, key = read_result(home), result_key(job, configuration, clip)
            if known is None or not _is_kept(known, home, configuration, clip):
                missing.append(f"{configuration.name}/{clip.id}")
            elif known.key != key:
                outdated.append((home, clip, known, key))
    if missing:
        names = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        raise InputError(
            f"These dubs are not in {folder} as the suite has them now: {names}. Run it without --rescore.",
            code="E_NOT_KEPT",
        )
    recognizer = Recognizer()
    for home, clip, known, key in outdated:
        measured = _measure(known.measurement, home, clip, wanted, recognizer)
        gold = {
            kind: _measure(one, home / kind, clip, wanted, recognizer) if (home / kind).is_dir() else one
            for kind, one in known.gold.items()
        }
        changes = {"key": key, "measurement": measured, "gold": gold, "dataset_digest": dataset.digest}
        write_result(known.model_copy(update=changes), home)
        report(f"{known.configuration}/{clip.id}: measured again")
    return len(outdated)


def _is_kept(known: ClipResult, home: Path, configuration: Configuration, clip: Clip) -> bool:
    files = [known.record, *known.outputs.values()]
    return (
        known.measurement is not None
        and known.dub_key == dub_key(configuration, clip)
        and all(file is not None and (home / file).is_file() for file in files)
    )


def _measure(
    kept: Measurement | None, home: Path, clip: Clip, wanted: list[str], recognizer: Recognizer
) -> Measurement:
    (record,) = home.glob("*.dub.json")
    media = next(output for output in read_record(record).outputs if output.kind in ("video", "audio"))
    costs = {} if kept is None else kept.values
    return rescore(costs, home / media.file, clip, wanted, record=record, recognizer=recognizer)
