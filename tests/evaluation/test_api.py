"""The package's own functions for evaluations, on results that lie in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation.made_up import clips

from vtlab.errors import InputError
from vtlab.evaluation import api
from vtlab.evaluation.promotion import promote
from vtlab.evaluation.sweep.results import ClipResult, write_result
from vtlab.metrics.registry import sort_headlines_first


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, mistakes in (("good", 0.02), ("bad", 0.3)):
        for clip, measured in clips(3, tool=len(name), mistakes=mistakes).items():
            result = ClipResult(
                suite="try", configuration=name, fingerprint="f", dataset="d", dataset_digest="0", clip=clip, key="k",
                status="finished", measurement=measured,
            )  # fmt: skip
            write_result(result, tmp_path / "try" / name / clip)
    return tmp_path / "try"


def test_a_comparison_is_a_table_and_a_page(folder: Path, tmp_path: Path) -> None:
    comparison = api.compare(folder / "good", folder / "bad", baseline=str(folder / "bad"), samples=200)
    table = comparison.differences().set_index("metric")
    wer = table.loc["wer"]
    assert (wer["system"], wer["baseline"], wer["verdict"]) == ("good", "bad", "better")
    assert wer["low"] <= wer["difference"] == wer["value"] - wer["baseline value"] <= wer["high"] < 0
    assert wer["p"] < 0.05 and wer["n"] == 24
    values = comparison.to_frame()
    assert list(values.columns) == ["bad", "good"] and values.loc["wer", "good"] == wer["value"]
    shown = comparison._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and "&lt;!doctype html&gt;" in shown and "<svg" not in shown
    comparison.write(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_run_begins_with_its_headlines(folder: Path) -> None:
    run = api.load_run(folder / "good")
    table = run.to_frame()
    assert list(table.index) == sort_headlines_first(run.corpus.values)
    assert table.index[0] == "asr_chrf"
    assert list(run.clips().index) == ["clip_0", "clip_1", "clip_2"]
    assert run.plot_drift() is not None and run.plot_speeds() is not None and run.plot_losses() is None
    assert run._repr_html_().startswith("<iframe srcdoc=")
    with pytest.raises(InputError, match="several configurations"):
        api.load_run(folder)


def test_runs_are_compared_as_they_are(folder: Path) -> None:
    runs = [api.load_run(folder / name) for name in ("good", "bad")]
    named = api.compare(folder / "good", folder / "bad", metrics=["wer"], samples=50)
    assert api.compare(*runs, metrics=["wer"], samples=50) == named
    with pytest.raises(InputError, match="not in MLflow"):
        promote(runs[0])


def test_a_comparison_reads_what_listeners_left(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vtlab.evaluation.compare.votes import Vote, add_vote, hash_results, votes_file

    monkeypatch.chdir(tmp_path)
    vote = Vote(listener="ana", pair="clip_0:0", left="a", preferred="a", of=hash_results("k", "k"), at="now")
    add_vote(votes_file("try/good", "try/bad"), vote)
    listened = api.compare(folder / "good", folder / "bad", metrics=["chrf"], samples=50).listened
    assert listened is not None and listened.sentences[0] == "1 vote of 1 listener on 1 pair."


def test_tables_are_written_with_the_decimals_of_their_metric(folder: Path) -> None:
    comparison = api.compare(folder / "good", folder / "bad", metrics=["wer", "chrf"], samples=200)
    raw, text = (comparison.differences(text=text).set_index("metric") for text in (False, True))
    assert text.loc["wer", "value"] == f"{raw.loc['wer', 'value']:.3f}"
    assert text.loc["chrf", "difference"] == f"{raw.loc['chrf', 'difference']:+.1f}"
    assert text.loc["chrf", "95 % interval"].startswith("[") and "low" not in text
    assert comparison.to_frame(text=True).loc["wer", "good"] == f"{comparison.to_frame().loc['wer', 'good']:.3f}"
    run = api.load_run(folder / "good")
    assert run.to_frame(text=True).loc["chrf", "value"] == f"{run.to_frame().loc['chrf', 'value']:.1f}"
