"""What a sweep plans to do, without doing any of it."""

from pathlib import Path

from sweeping import suite_data, write_dataset, write_suite

from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep.clip import Job, failed_result, result_key
from vtlab.evaluation.sweep.plan import plan_sweep
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, write_result


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_what_is_kept_what_is_missing_and_what_failed(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "small.yaml", suite_data(write_dataset(tmp_path / "data"))))
    out = tmp_path / "out"
    plan = plan_sweep(suite, out)
    assert (plan.found, plan.total, plan.outdated) == (0, 4, ())
    assert [(task.clip.id, [one.name for one in task.configurations]) for task in plan.tasks] == [
        ("one", ["wpm=150", "wpm=180"]), ("two", ["wpm=150", "wpm=180"]),
    ]  # fmt: skip

    job = Job(suite, plan.job.dataset, out)
    slow, fast = plan.configurations
    one, two = plan.clips
    for configuration, clip, status in ((slow, one, "finished"), (fast, one, "failed"), (slow, two, "outdated")):
        key = result_key(job, configuration, clip) if status != "outdated" else "of other settings"
        made: ClipResult = failed_result(job, configuration, clip, key, "It is silent.", "E_NO_SPEECH")
        if status != "failed":
            made = made.model_copy(update={"status": "finished", "error": None, "error_code": None})
        write_result(made, clip_folder(out, suite.name, configuration.name, clip.id))
    before = files(tmp_path)
    plan = plan_sweep(suite, out)
    assert plan.found == 1
    assert plan.outdated == (clip_folder(out, "small", fast.name, "one"),)
    assert [(task.clip.id, [one.name for one in task.configurations]) for task in plan.tasks] == [
        ("one", ["wpm=180"]), ("two", ["wpm=150", "wpm=180"]),
    ]  # fmt: skip
    assert len(plan_sweep(suite, out, resume=False).outdated) == 3
    assert plan_sweep(suite, out, limit=1).total == 2
    assert files(tmp_path) == before
