"""What may be released and what may not, and that the tracking store follows where it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from evaluation.logged import log_plain_run
from evaluation.made_up import measurement
from typer.testing import CliRunner, Result

from vtlab.cli import app
from vtlab.errors import InputError, UserError
from vtlab.evaluation import promotion
from vtlab.evaluation.sweep.results import ClipResult, aggregate_results
from vtlab.evaluation.tracking.lookup import TrackedRun
from vtlab.releases import registry
from vtlab.releases import store as releases
from vtlab.releases.evidence import Gate
from vtlab.settings import fingerprint, settings_from_dict

GATES = {"wer": Gate(max=0.5), "sync_within_150ms": Gate(min=0.5)}
QUALITY = {"completeness": Gate(min=0.1), **GATES}
GOOD, BAD = 0.05, 0.25  # share of wrong words


def tracked(name: str, mistakes: float, *, clips: range = range(4), failed: int = 0, **facts: Any) -> TrackedRun:
    return replace(_tracked(name, mistakes, clips, failed), **facts)


@cache
def _tracked(name: str, mistakes: float, clips: range, failed: int) -> TrackedRun:
    settings = settings_from_dict({"transcription": {"max_segment_s": 8.0 + len(name)}})
    about = {
        "suite": "pt-en",
        "configuration": name,
        "fingerprint": fingerprint(settings),
        "dataset": "spoken",
        "dataset_digest": "feedbeefcafe",
        "key": "0",
    }
    tool = sum(map(ord, name))
    results = [
        ClipResult(
            **about, clip=f"clip{seed}", status="finished", measurement=measurement(seed, tool=tool, mistakes=mistakes)
        )
        for seed in clips
    ]
    results += [
        ClipResult(**about, clip=f"broken{number}", status="failed", error="No speech.", error_code="E_NO_SPEECH")
        for number in range(failed)
    ]
    return TrackedRun(
        run_id=f"id-{name}",
        name=name,
        suite="pt-en",
        fingerprint=fingerprint(settings),
        status="FINISHED",
        started=datetime(2026, 1, 2, tzinfo=UTC),
        dataset="spoken",
        dataset_digest="feedbeefcafe",
        commit="abc",
        settings=settings.model_dump(mode="json"),
        results=tuple(results),
        values=aggregate_results(results).values,
        intervals={"wer": (0.01, 0.4)},
        gates=QUALITY,
        engines={"transcription": "faster_whisper, silero", "translation": "firefox"},
        weights={"whisper/base": "00ff"},
        dirty=False,
        listened={},
        listened_against="",
    )


class Store:
    """A tracking store in memory; ``told`` are the releases it was told of."""

    def __init__(self) -> None:
        self.runs: list[TrackedRun] = []
        self.told: list[int] = []

    def add(self, run: TrackedRun) -> None:
        self.runs.insert(0, run)

    def load_run(self, run: str) -> TrackedRun:
        for one in self.runs:
            if run in (one.run_id, one.name, f"{one.suite}/{one.name}"):
                return one
        raise InputError(f"There is no finished run {run!r}.")

    def register_release(self, client: object, run_id: str, folder: Path, number: int) -> str:
        assert (folder / "release.json").is_file()
        self.told.append(number)
        return f"{len(set(self.told))}"


def replace_store(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """A tracking store in memory in place of MLflow's."""
    monkeypatch.setattr(promotion, "load_tracked_run", store.load_run)
    monkeypatch.setattr(promotion, "find_runs", lambda: store.runs)
    monkeypatch.setattr(promotion, "store_exists", lambda address: True)
    monkeypatch.setattr(promotion, "connect", lambda address: None)
    monkeypatch.setattr(promotion, "lock_store", nullcontext)
    monkeypatch.setattr(promotion, "translate_errors", nullcontext)
    monkeypatch.setattr(registry, "register_release", store.register_release)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    made = Store()
    replace_store(monkeypatch, made)
    monkeypatch.setenv("VTLAB_RELEASES", str(tmp_path / "releases"))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "releases"


def vtlab(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (3, "")
    return " ".join(result.stderr.split())


def test_the_first_release_needs_only_its_gates(store: Store, folder: Path) -> None:
    run = tracked("good", GOOD)
    store.add(run)
    result = vtlab("promote", "good")
    assert result.exit_code == 0
    assert "Release 1 is in force: pt-en/good" in result.stdout
    assert "version 1 of the model vtlab-dub" in result.stderr
    release = releases.current(folder)
    assert release is not None
    assert (release.fingerprint, release.run_id, release.commit, release.dirty) == (
        run.fingerprint,
        "id-good",
        "abc",
        False,
    )
    assert fingerprint(release.settings) == run.fingerprint
    assert release.pairs == ((run.results[0].measurement.source_language, run.results[0].measurement.target_language),)
    assert [(one.name, one.sha256) for one in release.weights] == [("whisper/base", "00ff")]
    assert [(one.metric, one.limit, one.passed) for one in release.evidence.gates] == [
        ("completeness", "≥ 0.1", True),
        ("wer", "≤ 0.5", True),
        ("sync_within_150ms", "≥ 0.5", True),
    ]
    assert release.evidence.values == run.values
    assert (release.evidence.clips, release.evidence.contests, release.evidence.objections) == (4, (), ())
    assert [ClipResult.model_validate_json(line) for line in releases.read_result_lines(release)] == list(run.results)
    assert store.told == [1]


def test_a_better_run_takes_its_place(store: Store, folder: Path) -> None:
    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    assert vtlab("promote", "bad").exit_code == 0
    result = vtlab("promote", "pt-en/good")
    assert result.exit_code == 0
    release = releases.current(folder)
    assert release is not None
    wer, *others = release.evidence.contests
    assert (wer.release, wer.metric, wer.verdict) == (1, "wer", "better")  # gates come in any order
    assert [one.metric for one in others] == ["completeness", "sync_within_150ms"]
    assert wer.high is not None
    assert wer.difference < 0
    assert wer.high < 0
    assert wer.value == pytest.approx(release.evidence.values["wer"])
    assert "against release 1" in result.stdout


def test_a_worse_run_does_not(store: Store, folder: Path) -> None:
    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    assert vtlab("promote", "good").exit_code == 0
    told = refused(vtlab("promote", "bad"))
    assert "- wer, the metric that decides, is not better than in release 1, in force:" in told
    assert ": worse." in told
    assert [move.release for move in releases.history(folder)] == [1]
    assert store.told == [1]


def test_nor_does_one_that_is_only_luckier(store: Store) -> None:
    store.add(tracked("good", GOOD))
    store.add(tracked("goodd", GOOD))
    assert vtlab("promote", "good").exit_code == 0
    assert "no difference shown." in refused(vtlab("promote", "goodd"))


def test_a_reason_overrules_and_is_kept(store: Store, folder: Path) -> None:
    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    vtlab("promote", "good")
    result = vtlab("promote", "bad", "--force", "a licence ran out")
    assert result.exit_code == 0
    assert "forced: a licence ran out" in result.stdout
    release = releases.current(folder)
    assert release is not None
    assert (release.name, release.forced) == ("bad", "a licence ran out")
    (objection,) = release.evidence.objections
    assert "not better than in release 1" in objection
    assert releases.history(folder)[-1].reason == "a licence ran out"


OBJECTIONS: list[tuple[str, Callable[[TrackedRun], TrackedRun], str]] = [
    ("gate", lambda run: replace(run, gates={"wer": Gate(max=0.001)}), "the gate is ≤ 0.001"),
    ("unmeasured", lambda run: replace(run, gates={"suber": Gate(max=50)}), "suber was not measured; the gate is ≤ 50"),
    ("no gates", lambda run: replace(run, gates={}), "no gates"),
    (
        "failed",
        lambda run: tracked("good", GOOD, failed=2),
        "2 of 6 clips failed",
    ),
]


@pytest.mark.parametrize(("change", "told"), [case[1:] for case in OBJECTIONS], ids=[case[0] for case in OBJECTIONS])
def test_what_speaks_against_a_first_release(
    store: Store, folder: Path, change: Callable[[TrackedRun], TrackedRun], told: str
) -> None:
    store.add(change(tracked("good", GOOD)))
    assert told in refused(vtlab("promote", "good"))
    assert releases.current(folder) is None


def test_what_cannot_be_compared_is_not_better(store: Store, folder: Path) -> None:
    store.add(tracked("bad", BAD))
    assert vtlab("promote", "bad").exit_code == 0
    good = tracked("good", GOOD)
    for run, told in (
        (tracked("bad", GOOD), "The same settings are in force already, as release 1."),
        (replace(good, dataset="people", dataset_digest="0"), "was evaluated on other clips (spoken, digest feedbeef"),
        (tracked("good", GOOD, clips=range(2)), "was also evaluated on clip2, clip3: evaluate all clips."),
        (tracked("good", GOOD, clips=range(7, 9)), "No clip was dubbed by both"),
    ):
        store.add(run)
        assert told in refused(vtlab("promote", run.name))
    store.add(good)
    assert "suber, the metric that decides, was not measured both in" in refused(
        vtlab("promote", "good", "--by", "suber")
    )
    (folder / "0001" / "results.jsonl").write_text("")
    releases._current.cache_clear()
    assert "The release in force cannot be compared with. Release 1 is damaged" in refused(vtlab("promote", "good"))
    assert vtlab("promote", "good", "--force", "the disk broke").exit_code == 0


def test_a_run_of_the_released_settings_on_the_new_clips_is_compared_with(store: Store) -> None:
    store.add(tracked("bad", BAD))
    assert vtlab("promote", "bad").exit_code == 0
    store.add(tracked("bad", BAD, clips=range(20, 24), dataset_digest="0"))
    store.add(tracked("good", GOOD, clips=range(20, 24), dataset_digest="0"))
    assert vtlab("promote", "good").exit_code == 0


def test_another_metric_may_decide(store: Store, folder: Path) -> None:
    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    assert vtlab("promote", "bad").exit_code == 0
    assert "speed_mean, the metric that decides" in refused(vtlab("promote", "good", "--by", "speed_mean"))
    assert vtlab("promote", "good", "--by", "asr_bleu").exit_code == 0
    release = releases.current(folder)
    assert release is not None
    assert [one.metric for one in release.evidence.contests] == ["asr_bleu", *QUALITY]
    result = vtlab("promote", "good", "--by", "were")
    assert "Did you mean 'wer'?" in str(result.exception)


def test_without_a_gate_on_quality_what_was_measured_of_it_decides(store: Store, folder: Path) -> None:
    for name, mistakes in (("bad", BAD), ("good", GOOD)):
        store.add(replace(tracked(name, mistakes), gates={"completeness": Gate(min=0.1)}))
        assert vtlab("promote", name).exit_code == 0
    release = releases.current(folder)
    assert release is not None
    assert release.evidence.contests[0].metric == "asr_chrf"


def test_gates_of_a_file(store: Store, tmp_path: Path) -> None:
    store.add(tracked("good", GOOD))
    file = tmp_path / "gates.yaml"
    for text, told in (
        ("wer: {max: 0.001}", "the gate is ≤ 0.001"),
        ("name: strict\ngates: {wer: {max: 0.001}}", "the gate is ≤ 0.001"),
    ):
        file.write_text(text)
        assert told in refused(vtlab("promote", "good", "--gates", str(file)))
    for text, told in (
        ("werr: {max: 1}", "unknown metric 'werr'. Did you mean 'wer'?"),
        ("wer: 0.1", "such as 'wer: {max: 0.1}'"),
        ("wer: {max: 0.1", "cannot be read"),
        ("- wer", "Write metrics with their bounds"),
    ):
        file.write_text(text)
        result = vtlab("promote", "good", "--gates", str(file))
        assert isinstance(result.exception, UserError)
        assert told in str(result.exception)


def test_an_engine_that_repeats_the_reference_is_never_released(store: Store, folder: Path) -> None:
    store.add(replace(tracked("gold", GOOD), engines={"transcription": "reference, silero"}))
    result = vtlab("promote", "gold", "--force", "it is so good")
    assert isinstance(result.exception, UserError)
    assert "repeats the data set's own text" in str(result.exception)
    assert releases.current(folder) is None


def test_rollback_and_the_list_of_releases(store: Store) -> None:
    assert "holds no release yet" in vtlab("releases").stderr
    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    vtlab("promote", "bad")
    vtlab("promote", "good")
    result = vtlab("rollback", "--reason", "complaints")
    assert (result.exit_code, result.stdout) == (0, "Release 1 is in force again: pt-en/bad\n")
    assert store.told == [1, 2, 1]
    shown = vtlab("releases").stdout
    assert "→   1  pt-en/bad" in shown
    assert "    2  pt-en/good" in shown
    assert "release 1 put back by" in shown
    assert ": complaints" in shown
    data = json.loads(vtlab("releases", "--json").stdout)
    assert data["in_force"] == 1
    assert [row["name"] for row in data["releases"]] == ["bad", "good"]
    assert [(move["release"], move["action"]) for move in data["history"]] == [
        (1, "promotion"),
        (2, "promotion"),
        (1, "rollback"),
    ]


def test_a_damaged_release_is_listed_as_such(store: Store, folder: Path) -> None:
    store.add(tracked("good", GOOD))
    vtlab("promote", "good")
    (folder / "0001" / "settings.yaml").unlink()
    assert "Release 1 is damaged" in vtlab("releases").stdout
    assert "Release 1 is damaged" in json.loads(vtlab("releases", "--json").stdout)["releases"][0]["damaged"]


@pytest.mark.parametrize("failure", [UserError("The tracking store is down."), ModuleNotFoundError(name="mlflow")])
def test_a_release_does_not_depend_on_the_tracking_store(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object) -> str:
        raise failure

    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    vtlab("promote", "bad")
    monkeypatch.setattr(registry, "register_release", fail)
    for words in (("promote", "good"), ("rollback",)):
        result = vtlab(*words)
        assert result.exit_code == 0
        assert "The tracking store was not told" in result.stderr
    assert [move.release for move in releases.history(folder)] == [1, 2, 1]


def test_the_registered_model_follows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    runs = Store()
    monkeypatch.setattr(promotion, "load_tracked_run", runs.load_run)
    for name, mistakes in (("bad", BAD), ("good", GOOD)):
        run_id = log_plain_run("pt-en", name, {}, {}, {})
        runs.add(replace(tracked(name, mistakes), run_id=run_id))
        assert vtlab("promote", name).exit_code == 0
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db", f"sqlite:///{tmp_path}/mlflow.db")

    def in_production() -> tuple[str, str]:
        version = client.get_model_version_by_alias("vtlab-dub", "production")
        return str(version.version), version.tags["release"]

    assert in_production() == ("2", "2")
    result = vtlab("rollback")
    assert result.exit_code == 0
    assert in_production() == ("1", "1")


def test_no_tracking_store_is_made_for_a_rollback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    runs = Store()
    with monkeypatch.context() as patched:
        replace_store(patched, runs)
        for name, mistakes in (("bad", BAD), ("good", GOOD)):
            runs.add(tracked(name, mistakes))
            assert vtlab("promote", name).exit_code == 0
    result = vtlab("rollback")
    assert result.exit_code == 0
    assert "there is none at" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["releases"]


def test_evidence_of_another_version_is_told(store: Store, folder: Path) -> None:
    store.add(tracked("bad", BAD))
    store.add(tracked("good", GOOD))
    vtlab("promote", "bad")
    release = releases.current(folder)
    assert release is not None
    older = [f'{{"yesterday": true, {line[1:]}' for line in releases.read_result_lines(release)]
    changed = release.model_copy(update={"results": tuple(older)})
    releases.add_release(folder, lambda: changed)
    assert "is of another version of vtlab" in refused(vtlab("promote", "good"))
