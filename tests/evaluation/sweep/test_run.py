import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import sweeping
from sweeping import numbers, run, suite_data, write_dataset, write_suite

from vtlab.errors import Cancelled, EngineError, InputError
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep.clip import Job, evaluate_clip, result_key
from vtlab.evaluation.sweep.rescoring import rescore_results
from vtlab.evaluation.sweep.results import clip_folder, read_result
from vtlab.evaluation.sweep.run import Sweep
from vtlab.evaluation.sweep.timing import time_dub

TESTS = Path(__file__).parents[2]
FRAGILE = "sweeping:Fragile"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module", autouse=True)
def store(home: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VTLAB_STORE", str(home / "store"))
        yield


@pytest.fixture(scope="module")
def suite(home: Path) -> Path:
    return write_suite(home / "small.yaml", suite_data(write_dataset(home / "data")))


@pytest.fixture(scope="module")
def undisturbed(suite: Path, home: Path) -> Sweep:
    done, _ = run(suite, home / "out")
    return done


def test_every_clip_under_every_configuration(undisturbed: Sweep, home: Path) -> None:
    assert [outcome.configuration.name for outcome in undisturbed.outcomes] == ["wpm=150", "wpm=180"]
    for outcome in undisturbed.outcomes:
        assert [result.clip for result in outcome.results] == ["one", "two"]
        assert outcome.corpus.values["wer"] == 0
        assert outcome.corpus.values["chrf"] == pytest.approx(100)
        assert outcome.corpus.values["completeness"] == 1
        for result in outcome.results:
            place = clip_folder(home / "out", "small", outcome.configuration.name, result.clip)
            assert result.record is not None and (place / result.record).is_file()
            assert set(result.outputs) >= {"video", "speech_track", "subtitles_pt_srt"}
            assert all((place / path).is_file() for path in result.outputs.values())
    assert undisturbed.good


def test_each_distinct_stage_result_is_computed_once(undisturbed: Sweep) -> None:
    one, other = undisturbed.outcomes
    # both clips are the same file: it is heard and translated once in all, and spoken once by each voice
    assert [one.stages[stage].dubs_computed for stage in ("transcription", "translation", "tts")] == [1, 1, 1]
    assert [other.stages[stage].dubs_computed for stage in ("transcription", "translation", "tts")] == [0, 0, 1]
    assert other.stages["transcription"].dubs_reused == 2
    assert other.stages["tts"].dubs_reused == 1


def test_what_is_there_is_not_made_again(undisturbed: Sweep, suite: Path, home: Path) -> None:
    again, lines = run(suite, home / "out")
    assert (again.made, again.found) == (0, 4)
    assert lines.results == []
    assert lines.sentences == ["4 of 4 results are there already."]
    assert numbers(again) == numbers(undisturbed)


def test_a_limit_takes_the_first_clips(undisturbed: Sweep, suite: Path, home: Path) -> None:
    again, _ = run(suite, home / "out", limit=1)
    assert [clip.id for clip in again.clips] == ["one"]
    assert again.found == 2


def test_made_anew_when_asked_by_two_processes(undisturbed: Sweep, suite: Path, home: Path) -> None:
    again, _ = run(suite, home / "out", jobs=2, resume=False)
    assert (again.made, again.found) == (4, 0)
    assert numbers(again) == numbers(undisturbed)
    assert sum(outcome.stages["tts"].computed for outcome in again.outcomes) == 0


def test_the_key_follows_all_that_the_result_depends_on(suite: Path, home: Path) -> None:
    def key(**more: Any) -> str:
        file = write_suite(home / "other.yaml", suite_data(home / "data", **more))
        loaded = load_suite(file)
        dataset = loaded.load_dataset()
        return result_key(Job(loaded, dataset, home), loaded.configurations()[0], dataset.clips[0])

    first = key()
    assert key(about="another sentence", name="else") == first
    assert key(metrics=["wer"]) != first
    assert key(losses=True, metrics=["wer"]) != key(metrics=["wer"])
    assert key(matrix={"tts.options.espeak.wpm": [151]}) != first
    lines = home / "data" / "lines.json"
    known = lines.read_text()
    lines.write_text(known + "\n")
    try:
        assert key() != first
    finally:
        lines.write_text(known)


def test_evaluate_reads_what_the_sweep_has_left(undisturbed: Sweep, suite: Path, home: Path) -> None:
    loaded = load_suite(suite)
    dataset = loaded.load_dataset()
    (configuration, _) = loaded.configurations()
    place = clip_folder(home / "out", "small", "wpm=150", "two")
    known = (place / "result.json").read_bytes()
    assert evaluate_clip(loaded, configuration, dataset.clip("two"), home / "out") == read_result(place)
    assert (place / "result.json").read_bytes() == known


def broken(home: Path, name: str, **options: Any) -> Path:
    """A suite whose second configuration has a recogniser with these options."""
    lines = {"file": str(home / "data" / "lines.json")}
    recognisers = {
        "sound": {"transcription.engine": "reference"},
        "broken": {"transcription": {"engine": FRAGILE, "options": {FRAGILE: {**lines, **options}}}},
    }
    return write_suite(home / f"{name}.yaml", suite_data(home / "data", name=name, matrix={"recogniser": recognisers}))


def test_a_clip_that_fails_is_recorded_and_the_rest_goes_on(undisturbed: Sweep, home: Path) -> None:
    suite = broken(home, "refusing", refuses=True)
    done, lines = run(suite, home / "out")
    sound, refused = done.outcomes
    assert [result.status for result in sound.results] == ["finished", "finished"]
    assert [(one.status, one.error, one.error_code) for one in refused.results] == [
        ("failed", "This engine refuses.", "E_ENGINE")
    ] * 2
    assert refused.corpus.values == {} and refused.corpus.failed == 2
    assert not done.good
    again, lines = run(suite, home / "out")  # what failed is tried again, what is there is not
    assert (again.made, again.found) == (2, 2)
    assert len(lines.results) == 2


@pytest.mark.parametrize(("deaths", "failures", "said"), [(1, 0, 1), (2, 1, 1)])
def test_a_process_that_dies_is_replaced(undisturbed: Sweep, home: Path, deaths: int, failures: int, said: int) -> None:
    left = home / f"deaths-{deaths}"
    left.write_text(str(deaths))
    done, lines = run(broken(home, f"dying-{deaths}", deaths=str(left)), home / "out")
    assert left.read_text() == "0"
    sound, dying = done.outcomes
    assert [result.status for result in sound.results] == ["finished", "finished"]
    assert [result.status for result in dying.results] == ["failed"] * failures + ["finished"] * (2 - failures)
    assert [sentence for sentence in lines.sentences if "SIGKILL" in sentence] == [
        "one, broken: its process died (SIGKILL); once more"
    ] * said
    if failures:
        assert dying.results[0].error_code == "E_WORKER"
        assert "died 2 times (SIGKILL)" in (dying.results[0].error or "")


def test_an_engine_that_is_nowhere_is_told_before_anything_runs(home: Path) -> None:
    data = suite_data(home / "data", name="nowhere", matrix={"tts.engines": [["espeak"], ["espeak", "edge"]]})
    data["settings"]["transcription"]["options"] = {"reference": {"file": str(home / "no-such-file.json")}}
    with pytest.raises(Exception, match=r"Configuration 'engines=espeak': .*no-such-file"):
        run(write_suite(home / "nowhere.yaml", data), home / "elsewhere")
    assert not (home / "elsewhere").exists()


def test_gold_runs_say_what_each_stage_loses(home: Path, undisturbed: Sweep) -> None:
    (home / "heard.json").write_text((home / "data" / "lines.json").read_text().replace("library", "factory"))
    data = suite_data(home / "data", name="gold", losses=True, matrix={"tts.options.espeak.wpm": [150]})
    data["settings"]["transcription"]["options"] = {"reference": {"file": str(home / "heard.json")}}
    data["settings"]["translation"]["options"] = {"reference": {"file": str(home / "heard.json")}}
    done, _ = run(write_suite(home / "gold.yaml", data), home / "out", limit=1)
    (outcome,) = done.outcomes
    (result,) = outcome.results
    assert set(result.gold) == {"gold_transcript", "gold_translation", "gold_timings"} - set(result.gold_absent)
    assert result.measurement is not None
    assert [line.recognised for line in result.measurement.segments] == ["The factory opens on Monday morning."]
    assert [line.recognised for line in result.gold["gold_transcript"].segments] == [sweeping.LINE["text"]]
    assert outcome.corpus.values["wer"] == pytest.approx(1 / 6)
    heard = outcome.corpus.values
    assert heard["loss_tts_bleu"] + result.gold["gold_translation"].values["asr_bleu"] == pytest.approx(100)


def test_a_dub_that_is_timed_finds_nothing_in_the_store(suite: Path) -> None:
    loaded = load_suite(suite)
    (configuration, _) = loaded.configurations()
    clip = loaded.load_dataset().clip("one")
    record = time_dub(configuration.for_clip(clip), clip.path, lambda: None)
    assert {stage.reused for stage in record.stages} == {0}
    assert record.wall_s > 0

    def stop() -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        time_dub(configuration.for_clip(clip), clip.path, stop)


def start(suite: Path, folder: Path, store: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "VTLAB_STORE": str(store), "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    command = [sys.executable, "-m", "sweeping", str(suite), str(folder)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)


def test_killed_and_begun_again_it_equals_an_undisturbed_one(
    undisturbed: Sweep, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def results() -> int:
        # no deeper: folders of dubs under way come and go
        return len(list((tmp_path / "out").glob("*/*/*/result.json")))

    moments = (lambda: any((tmp_path / "store").rglob("*.json")), lambda: results() >= 1, lambda: results() >= 3)
    for moment in moments:
        process = start(suite, tmp_path / "out", tmp_path / "store")
        while process.poll() is None and not moment():
            time.sleep(0.02)
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.communicate()
        psutil.wait_procs(workers)  # they end with it
    monkeypatch.setenv("VTLAB_STORE", str(tmp_path / "store"))
    done, _ = run(suite, tmp_path / "out")
    assert done.found > 0
    assert numbers(done) == numbers(undisturbed)
    assert not list((tmp_path / "out").rglob(".result*"))


def test_a_result_of_another_version_is_made_anew(undisturbed: Sweep, suite: Path, home: Path) -> None:
    place = clip_folder(home / "out", "small", "wpm=150", "one")
    known = (place / "result.json").read_text()
    (place / "result.json").write_text('{"suite": "small"')
    assert read_result(place) is None
    done, _ = run(suite, home / "out", limit=1)
    assert (done.made, done.found) == (1, 1)
    assert (place / "result.json").read_text() != known
    assert numbers(done).items() <= numbers(undisturbed).items()


def test_errors_keep_their_kind(home: Path) -> None:
    data = suite_data(home / "data", name="unknown", settings={"tts.engines": ["nothing.here:Voice"]})
    with pytest.raises(EngineError, match="no module 'nothing"):
        load_suite(write_suite(home / "unknown.yaml", data))


def test_kept_dubs_are_measured_with_new_metrics(undisturbed: Sweep, home: Path) -> None:
    """Last: it changes the results of the small suite."""
    out, metrics = home / "out", ["wer", "chrf", "sync_within_150ms", "sweeping:Loudest"]
    file = write_suite(home / "rescored.yaml", suite_data(home / "data", name="small", metrics=metrics))
    suite = load_suite(file)
    place = clip_folder(out, "small", "wpm=150", "one")
    before = read_result(place)
    assert before is not None and before.measurement is not None
    video = place / before.outputs["video"]
    made = video.stat().st_mtime_ns
    assert rescore_results(suite, out) == 4
    after = read_result(place)
    assert after is not None and after.measurement is not None
    assert video.stat().st_mtime_ns == made and after.seconds == before.seconds
    assert set(after.measurement.values) == {"wer", "chrf", "sync_within_150ms", "sweeping:Loudest"}
    assert after.measurement.values["chrf"] == before.measurement.values["chrf"]
    again, _ = run(file, out)
    assert (again.made, again.found) == (0, 4)
    assert again.outcomes[0].corpus.values["sweeping:Loudest"] < 0
    assert rescore_results(suite, out) == 0

    other = load_suite(write_suite(home / "slower.yaml", suite_data(home / "data", name="small", matrix={
        "tts.options.espeak.wpm": [149]
    })))  # fmt: skip
    with pytest.raises(InputError, match=r"not in .* as the suite has them now: wpm=149/one, wpm=149/two"):
        rescore_results(other, out)
