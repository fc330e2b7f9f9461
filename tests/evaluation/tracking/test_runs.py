"""A store for all tests, in it an experiment for each."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation import logged
from evaluation.logged import CLIPS, ROOT, a_result, a_suite
from evaluation.made_up import measurement

from vtlab.errors import InputError, UserError
from vtlab.evaluation.dataset import Dataset
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.results import ClipResult, aggregate_results
from vtlab.evaluation.tracking import connection, lookup
from vtlab.evaluation.tracking import runs as tracking
from vtlab.evaluation.tracking.connection import connect, lock_store, translate_errors
from vtlab.evaluation.tracking.machine_load import sample_load
from vtlab.releases import registry
from vtlab.settings import settings_from_dict

CASE = json.loads((ROOT / "tests" / "cases" / "tracking_store.json").read_text(encoding="utf-8"))
HANGS_S = 600  # only to end what would never end


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    address = f"sqlite:///{tmp_path_factory.mktemp('tracking')}/mlflow.db"
    connection.create_store(address, ["made before"])
    return address


@pytest.fixture
def finished(
    tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[Suite, Configuration, Dataset, list[ClipResult], Path]:
    suite = a_suite(tmp_path, request.node.name)
    dataset = suite.load_dataset()
    configuration = suite.configurations()[0]
    results = [a_result(suite, configuration, dataset, clip, tmp_path / "eval") for clip in CLIPS]
    return suite, configuration, dataset, results, tmp_path / "eval"


def runs_of(uri: str, experiment: str) -> list:
    client = connect(uri)
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else client.search_runs([found.experiment_id])


@pytest.mark.parametrize(
    "given, variable, expected",
    [
        (None, None, "sqlite:///{here}/mlflow.db"),
        (None, "http://tracker:5000", "http://tracker:5000"),
        (None, "sqlite:///deep/store.db", "sqlite:///{here}/deep/store.db"),
        ("sqlite:////abs/store.db", "http://tracker:5000", "sqlite:////abs/store.db"),
    ],
)
def test_where_the_store_is(given, variable, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(connection.VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(connection.VARIABLE, variable)
    assert connection.tracking_uri(given) == expected.format(here=tmp_path)


def test_processes_that_start_at_once_on_an_absent_store(tmp_path):
    address = f"sqlite:///{tmp_path}/mlflow.db"
    each, after = CASE["each"], CASE["after"]
    values = each["metrics"] | {name: float(said) for name, said in each["metrics_that_could_not_be_computed"].items()}
    context = multiprocessing.get_context("forkserver")  # with the imports done, all of them are there at once
    context.set_forkserver_preload(["vtlab.evaluation.tracking.runs", "mlflow.store.tracking.sqlalchemy_store"])
    processes = [
        context.Process(
            target=logged.log_plain_run, args=("case", str(number), each["params"], values, {}), kwargs={"uri": address}
        )
        for number in range(CASE["processes"])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(HANGS_S)
    assert [process.exitcode for process in processes] == [0] * CASE["processes"]
    runs = runs_of(address, "case")
    assert len(runs) == after["runs"]
    for run in runs:
        assert run.info.status == after["status"]
        assert run.data.metrics == each["metrics"]
        assert len(run.data.metrics) == after["metrics_each"]
        assert run.data.params["voice"] == each["params"]["voice"]
        long = each["params"]["settings"]
        assert len(run.data.params["settings"]) == tracking.PARAMETER_CHARS
        assert run.data.params["settings"].endswith(f"(cut: {len(long)} characters, whole in parameters.json)")
        kept = connect(address).download_artifacts(run.info.run_id, "parameters.json")
        assert json.loads(Path(kept).read_text(encoding="utf-8"))["settings"] == long


def test_a_configuration_is_a_run_and_each_clip_one_in_it(finished, uri):
    suite, configuration, dataset, results, _ = finished
    with sample_load() as load:
        pass
    run_id = tracking.log_configuration(*finished, uri=uri, load=load)
    client = connect(uri)
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == (configuration.name, "FINISHED")
    assert run.data.params["transcription.voice_activity.threshold"] == "0.5"
    assert json.loads(run.data.params["tts.engines"]) == list(configuration.settings.tts.engines)
    tags = run.data.tags
    assert tags["vtlab.fingerprint"] == configuration.fingerprint
    assert tags["vtlab.dataset_digest"] == dataset.digest
    assert (tags.get("vtlab.commit") is None) == (tracking.code_version() is None)
    assert tags["signature.wer"] == aggregate_results(results).signatures["wer"]
    pooled = aggregate_results(results).values
    assert {name: run.data.metrics[name] for name in pooled} == pytest.approx(pooled)
    assert run.data.metrics["interval/wer_low"] <= pooled["wer"] <= run.data.metrics["interval/wer_high"]
    assert (run.data.metrics["gate/speed_p95"], run.data.metrics["gate/wer"]) == (1, 0)
    assert (run.data.metrics["answers/tts_computed"], run.data.metrics["answers/tts_reused"]) == (6, 2)
    assert "system/cpu_utilization_percentage" in run.data.metrics
    source = run.inputs.dataset_inputs[0].dataset
    assert (source.name, source.digest) == ("people", dataset.digest)
    files = {file.path for file in client.list_artifacts(run_id)}
    assert files >= {"settings.yaml", "suite.json", "results.json", "segments.json", "signatures.json", "plots"}
    table = json.loads(Path(client.download_artifacts(run_id, "segments.json")).read_text(encoding="utf-8"))
    assert len(table["data"]) == sum(len(result.measurement.segments) for result in results)

    nested = [one for one in runs_of(uri, suite.name) if one.data.tags.get("mlflow.parentRunId") == run_id]
    assert {one.info.run_name: one.info.status for one in nested} == dict.fromkeys(CLIPS, "FINISHED")
    first = next(one for one in nested if one.info.run_name == CLIPS[0])
    onsets = client.get_metric_history(first.info.run_id, "line/onset_ms")
    said = [line.onset_ms for line in results[0].measurement.segments if line.onset_ms is not None]
    assert [one.value for one in sorted(onsets, key=lambda one: one.step)] == pytest.approx(said)
    clip_files = {file.path for file in client.list_artifacts(first.info.run_id)}
    assert clip_files == {"result.json", "subtitles", "source_then_dub.flac"}


def test_a_run_gives_back_what_was_logged(finished, uri):
    suite, configuration, _, results, _ = finished
    run_id = tracking.log_configuration(*finished, uri=uri)
    for name in (run_id, f"{suite.name}/{configuration.name}"):
        run = lookup.load_tracked_run(name, uri=uri)
        assert (run.run_id, run.name, run.suite) == (run_id, configuration.name, suite.name)
        assert list(run.results) == results
        assert run.values == pytest.approx(aggregate_results(results).values)
        assert run.gates == suite.gates
        assert settings_from_dict(run.settings) == configuration.settings
    assert [run.run_id for run in lookup.find_runs(suite.name, uri=uri)] == [run_id]


def test_logged_again_it_is_the_same_run(finished, uri):
    suite, *_ = finished
    first = tracking.log_configuration(*finished, uri=uri)
    assert tracking.log_configuration(*finished, uri=uri) == first
    assert len(runs_of(uri, suite.name)) == 1 + len(CLIPS)


def test_other_results_of_the_same_settings_are_another_run(finished, uri):
    suite, configuration, dataset, results, folder = finished
    first = tracking.log_configuration(*finished, uri=uri)
    measured = results[0].model_copy(update={"measurement": measurement(7)})
    second = tracking.log_configuration(suite, configuration, dataset, [measured, results[1]], folder, uri=uri)
    assert [run.run_id for run in lookup.find_runs(suite.name, uri=uri)] == [second, first]
    assert lookup.load_tracked_run(f"{suite.name}/{configuration.name}", uri=uri).run_id == second


def test_what_a_killed_process_left_is_written_anew(finished, uri):
    suite, configuration, dataset, _, _ = finished
    connection.create_store(uri, [suite.name])
    client = connect(uri)
    experiment = client.get_experiment_by_name(suite.name).experiment_id
    key = tracking.run_key(suite, configuration, dataset, CLIPS)
    left = client.create_run(experiment, run_name=configuration.name, tags={"vtlab.key": key}).info.run_id
    client.create_run(experiment, run_name=CLIPS[0], tags={"mlflow.parentRunId": left})
    run_id = tracking.log_configuration(*finished, uri=uri)
    runs = runs_of(uri, suite.name)
    assert {run.info.run_id for run in runs if run.data.tags.get("mlflow.parentRunId") is None} == {run_id}
    assert len(runs) == 1 + len(CLIPS)


def test_a_failed_clip_is_a_failed_run_until_it_is_tried_again(finished, uri):
    suite, configuration, dataset, results, folder = finished
    why = "Nobody speaks in it."
    failed = results[0].model_copy(
        update={"status": "failed", "error": why, "error_code": "E_NO_SPEECH", "measurement": None, "outputs": {}}
    )
    first = tracking.log_configuration(suite, configuration, dataset, [failed, results[1]], folder, uri=uri)
    nested = {run.info.run_name: run for run in runs_of(uri, suite.name) if run.info.run_id != first}
    assert {name: run.info.status for name, run in nested.items()} == {CLIPS[0]: "FAILED", CLIPS[1]: "FINISHED"}
    assert (nested[CLIPS[0]].data.tags["error"], nested[CLIPS[0]].data.tags["error_code"]) == (why, "E_NO_SPEECH")
    assert nested[CLIPS[0]].data.metrics == {}
    second = tracking.log_configuration(*finished, uri=uri)
    assert [run.run_id for run in lookup.find_runs(suite.name, uri=uri)] == [second]
    assert len(runs_of(uri, suite.name)) == 1 + len(CLIPS)


def test_a_configuration_without_results_is_a_failed_run_until_it_has_some(finished, uri):
    suite, configuration, dataset, _, _ = finished
    for _ in range(2):
        tracking.log_failure(suite, configuration, dataset, CLIPS, "cell 3 failed", uri=uri)
    assert [run.info.status for run in runs_of(uri, suite.name)] == ["FAILED"]
    assert lookup.find_runs(suite.name, uri=uri) == []
    tracking.log_configuration(*finished, uri=uri)
    assert {run.info.status for run in runs_of(uri, suite.name)} == {"FINISHED"}


def test_an_unknown_run_is_told_with_the_nearest(finished, uri):
    suite, configuration, *_ = finished
    tracking.log_configuration(*finished, uri=uri)
    with pytest.raises(InputError, match=f"Did you mean '{suite.name}/{configuration.name}'"):
        lookup.load_tracked_run(f"{suite.name}/{configuration.name}s", uri=uri)


def test_pictures_of_losses_and_of_quality_against_cost(finished, uri):
    suite, configuration, dataset, results, folder = finished
    kinds = ("gold_transcript", "gold_translation", "gold_timings")
    gold = [
        one.model_copy(update={"gold": {kind: measurement(place, tool=tool) for tool, kind in enumerate(kinds, 5)}})
        for place, one in enumerate(results)
    ]
    other = suite.configurations()[1]
    others = [a_result(suite, other, dataset, clip, folder, tool=1) for clip in CLIPS]
    failed = others[0].model_copy(update={"status": "failed", "error": "It is silent.", "measurement": None})
    runs = {
        tracking.log_configuration(suite, configuration, dataset, gold, folder, uri=uri): gold,
        tracking.log_configuration(suite, other, dataset, [failed, others[1]], folder, uri=uri): [failed, others[1]],
    }

    def pictures() -> list[set[str]]:
        client = connect(uri)
        return [{Path(file.path).stem for file in client.list_artifacts(run_id, "plots")} for run_id in runs]

    assert pictures() == [{"drift", "speeds", "losses"}, {"drift", "speeds"}]
    first, second = runs
    tracking.attach_trade({first: gold}, uri=uri)
    tracking.attach_trade({first: gold, second: [failed]}, uri=uri)
    assert pictures() == [{"drift", "speeds", "losses"}, {"drift", "speeds"}]  # one point is no trade
    tracking.attach_trade(runs, uri=uri)
    assert pictures() == [{"drift", "speeds", "losses", "pareto"}, {"drift", "speeds", "pareto"}]


def test_what_became_known_later(finished, uri):
    run_id = tracking.log_configuration(*finished, uri=uri)
    tracking.add_values(run_id, {"heard": 0.7, "nobody": None}, {"by": "five people"}, uri=uri)
    run = connect(uri).get_run(run_id)
    assert (run.data.metrics["heard"], run.data.tags["by"]) == (0.7, "five people")
    assert "nobody" not in run.data.metrics


def register(run_id: str, release: Path, number: int, uri: str) -> str:
    with lock_store(uri), translate_errors(uri):
        return registry.register_release(connect(uri), run_id, release, number)


def test_a_release_is_a_version_and_the_alias_says_which_is_in_force(finished, uri, tmp_path):
    run_id = tracking.log_configuration(*finished, uri=uri)
    client = connect(uri)
    versions = {}
    for number in (1, 2):
        release = tmp_path / f"{number:04}"
        release.mkdir()
        (release / "release.json").write_text(json.dumps({"number": number}), encoding="utf-8")
        versions[number] = register(run_id, release, number, uri)
    assert str(client.get_model_version_by_alias(registry.MODEL, registry.ALIAS).version) == versions[2]
    assert register(run_id, tmp_path / "0001", 1, uri) == versions[1]  # a rollback
    in_force = client.get_model_version_by_alias(registry.MODEL, registry.ALIAS)
    assert (str(in_force.version), in_force.run_id, in_force.tags["release"]) == (versions[1], run_id, "1")
    kept = client.download_artifacts(run_id, "release-1/release.json")
    assert json.loads(Path(kept).read_text(encoding="utf-8")) == {"number": 1}


def test_settings_too_long_for_a_parameter(finished, uri):
    suite, configuration, dataset, results, folder = finished
    long = "x" * 7000
    settings = settings_from_dict({"tts": {"options": {"piper": {"prompt": long}}}})
    run_id = tracking.log_configuration(
        suite, replace(configuration, settings=settings), dataset, results, folder, uri=uri
    )
    assert connect(uri).get_run(run_id).data.params["tts.options.piper.prompt"].endswith("parameters.json)")
    assert lookup.load_tracked_run(run_id, uri=uri).settings["tts"]["options"]["piper"]["prompt"] == long


def test_a_store_that_cannot_be_written():
    with pytest.raises(UserError, match="cannot be written") as told:
        connection.create_store("sqlite:////proc/nowhere/mlflow.db")
    assert told.value.code == "E_TRACKING"
