"""The notebooks themselves, each executed on a short clip, and how they are executed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from vtlab.errors import InputError, SettingsError, UserError, VtlabError
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep import notebooks
from vtlab.evaluation.sweep.results import load_results
from vtlab.evaluation.tracking import lookup
from vtlab.evaluation.tracking import runs as tracking
from vtlab.evaluation.tracking.connection import connect
from vtlab.evaluation.tracking.notebook import execute_evaluation
from vtlab.metrics.display import format_value
from vtlab.record import Record

ROOT = Path(__file__).parents[2]
COMMITTED = sorted((ROOT / "notebooks").glob("*.ipynb"))
CLIP = "hello_video_en"


def a_notebook(folder: Path, parameters: str | None, *sources: str) -> Path:
    cells = [new_code_cell(source) for source in sources]
    if parameters is not None:
        cells.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    file = folder / "made.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    return file


PARAMETERS = """clip = ...  # which one
beam = 5  # width; 1 = greedy
speed = 1.0  # of the voice
burn = False  # into the picture
names = []  # more
"""


@pytest.mark.parametrize(
    "parameters, given, told",
    [
        (PARAMETERS, {"clip": "a", "baem": 1}, "has no parameter 'baem'. Did you mean 'beam'?"),
        (PARAMETERS, {"beam": 1}, "needs 'clip'"),
        (PARAMETERS, {"clip": "a", "beam": "1"}, "Parameter 'beam' of made.ipynb is '1'; give it as int, such as 5."),
        (PARAMETERS, {"clip": "a", "beam": True}, "give it as int"),
        (PARAMETERS, {"clip": "a", "names": "b"}, "give it as list"),
        (PARAMETERS, {"clip": {1, 2}}, "cannot be a set"),
        (None, {"clip": "a"}, "has no cell tagged 'parameters'"),
        ("clip = 1", {"clip": 1}, "'clip = 1' is not a literal with a comment"),
        ("clip = open('x')  # a file", {"clip": 1}, "is not a literal with a comment"),
        ("import os  # paths", {}, "is not a literal with a comment"),
    ],
)
def test_wrong_parameters_are_told_before_anything_runs(parameters, given, told, tmp_path):
    notebook = a_notebook(tmp_path, parameters, f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(SettingsError) as error:
        notebooks.execute(notebook, given, tmp_path / "out.ipynb")
    assert told in str(error.value)
    assert error.value.code == "E_PARAMETERS"
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize(
    "given",
    [{"clip": "a"}, {"clip": None, "beam": 2, "speed": 2, "burn": True, "names": ["b"]}, {"clip": "a", "names": None}],
)
def test_right_parameters(given, tmp_path):
    notebooks.check_parameters(a_notebook(tmp_path, PARAMETERS), given)


def test_a_notebook_that_is_not_there_is_told_with_the_nearest():
    assert notebooks.find_notebook("evaluate") == ROOT / "notebooks" / "evaluate.ipynb"
    with pytest.raises(InputError, match=r"Did you mean 'evaluate'\? vtlab has: compare, dub, evaluate"):
        notebooks.find_notebook("evaluat.ipynb")


def test_it_runs_in_this_interpreter_whatever_kernels_are_installed(tmp_path, monkeypatch, capfd):
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    notebook = a_notebook(tmp_path, "name = ''  # any", "import sys; print(sys.executable, name)")
    out = notebooks.execute(notebook, {"name": "a 'quoted' {name}"}, tmp_path / "{odd} name" / "out.ipynb")
    said = [output.text for cell in nbformat.read(out, 4).cells for output in cell.outputs]
    assert said == [f"{sys.executable} a 'quoted' {{name}}\n"]
    assert "quoted" in out.with_suffix(".html").read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "raised, kind, told",
    [
        ("1 / 0", VtlabError, "ZeroDivisionError: division by zero"),
        ("from vtlab.errors import InputError; raise InputError('No such clip.')", UserError, "No such clip."),
    ],
)
def test_a_failed_notebook_stays_and_its_cell_is_named(raised, kind, told, tmp_path):
    notebook = a_notebook(tmp_path, "name = ''  # any", "print('before')", f"one = 1\n{raised}", "print('after')")
    out = tmp_path / "out.ipynb"
    with pytest.raises(VtlabError) as error:
        notebooks.execute(notebook, {}, out)
    assert type(error.value) is kind and error.value.code == "E_NOTEBOOK"
    assert f"made.ipynb failed in cell 3 ('{raised}'" in str(error.value).replace('"', "'")
    assert told in str(error.value) and str(out) in str(error.value)
    said = [output.get("text") for cell in nbformat.read(out, 4).cells for output in cell.get("outputs", [])]
    assert "before\n" in said and "after\n" not in said
    assert out.with_suffix(".html").is_file()


def test_interrupted_it_ends_with_its_kernel_and_without_jupyters_tracebacks(tmp_path):
    began = tmp_path / "began"
    notebook = a_notebook(
        tmp_path,
        "name = ''  # any",
        f"import os, pathlib, time; pathlib.Path({str(began)!r}).write_text(f'{{os.getpid()}} ')\ntime.sleep(600)",
    )
    code = (
        "import pathlib, sys; from vtlab.evaluation.sweep import notebooks\n"
        "try: notebooks.execute(sys.argv[1], {}, pathlib.Path(sys.argv[2]))\n"
        "except KeyboardInterrupt: sys.exit(130)"
    )
    words = [sys.executable, "-c", code, notebook, tmp_path / "out.ipynb"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not (began.exists() and began.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


@pytest.mark.parametrize("notebook", COMMITTED, ids=lambda file: file.stem)
def test_committed_as_they_should_be(notebook):
    cells = nbformat.read(notebook, 4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in cells) == 1
    assert not [cell.source for cell in cells if cell.cell_type == "code" and "def " in cell.source]
    assert cells[0].source.startswith("# ")
    notebooks.check_parameters(
        notebook, {name: "x" for name, default in notebooks._declared(notebook).items() if default is ...}
    )


@pytest.mark.parametrize("notebook", COMMITTED, ids=lambda file: file.stem)
def test_papermill_lists_each_parameter_with_type_and_meaning(notebook):
    command = [sys.executable, "-m", "papermill", "--help-notebook", notebook]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Unable to parse" not in done.stdout + done.stderr
    listed = re.findall(r"^  (\w+): ([\w ]+) \(default .*?\)\s+(\S.*)$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in listed] == list(notebooks._declared(notebook))
    assert {kind for _, kind, _ in listed} <= {"str", "int", "float", "list", "dict"}


@pytest.mark.parametrize("notebook", COMMITTED, ids=lambda file: file.stem)
def test_notebooks_use_the_face_alone(notebook):
    source = "\n".join(cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code")
    imports = {line for line in source.splitlines() if re.match(r"\s*(import|from) ", line)}
    assert {line for line in imports if "IPython.display" not in line} == {"import vtlab", "from vtlab import plots"}


@pytest.mark.parametrize("app", ["debug", "listen"])
def test_apps_run_without_arguments(app, tmp_path):
    """Every cell, in an interpreter alone: a browser would show an empty page where one cannot import."""
    script = [sys.executable, ROOT / "notebooks" / f"{app}.py"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, a store for what stages make, and a tracking store."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "short.yaml").write_text(
        f"dataset: {ROOT / 'datasets' / 'people'}\nclips: [{CLIP}]\nsettings: {{tts.engines: [espeak]}}\n"
        "configurations:\n  - name: quick\n    settings: {transcription.options.faster_whisper.beam_size: 1}\n"
        "metrics: [wer, chrf, sync_within_150ms]\ngates: {wer: {max: 1}}\n",
        encoding="utf-8",
    )
    return folder


def test_dub(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("VTLAB_STORE", str(bench / "store"))
    given = {
        "video": ROOT / "datasets" / "people" / "clips" / f"{CLIP}.mp4",
        "source_language": "en",
        "target_language": "pt",
        "overrides": {"tts.engines": ["espeak"], "transcription": {"options": {"faster_whisper": {"beam_size": 1}}}},
        "out": tmp_path,
    }
    out = notebooks.execute("dub", given, tmp_path / "dub.ipynb")
    cells = nbformat.read(out, 4).cells
    pictures = [output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert len(pictures) == 6
    record = Record.model_validate_json((tmp_path / f"{CLIP}.pt.dub.json").read_text(encoding="utf-8"))
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    assert all(segment.spoken_text in page for segment in record.segments)
    assert page.count("<audio ") == 2 * len(record.segments)


def test_evaluate_and_compare(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("VTLAB_STORE", str(bench / "store"))
    uri = f"sqlite:///{bench}/mlflow.db"
    suite = load_suite(bench / "short.yaml")
    configuration, dataset = suite.configuration("quick"), suite.load_dataset()
    run_id = execute_evaluation(suite, configuration, dataset, bench / "eval", uri=uri)
    run = lookup.load_tracked_run("short/quick", uri=uri)
    assert run.run_id == run_id
    assert set(run.values) == {"wer", "chrf", "sync_within_150ms"}
    assert run.engines == {"transcription": "faster_whisper, silero", "translation": "firefox", "tts": "espeak"}
    kept = {file.path for file in connect(uri).list_artifacts(run_id, "notebook")}
    assert kept == {"notebook/evaluate.ipynb", "notebook/evaluate.html"}
    results = load_results(bench / "eval", "short", "quick")
    assert tracking.log_configuration(suite, configuration, dataset, results, bench / "eval", uri=uri) == run_id

    other = tmp_path / f"{CLIP}.json"
    assert results[0].measurement is not None
    other.write_text(results[0].measurement.model_dump_json(), encoding="utf-8")
    given = {"suite": "short", "runs": [other]}
    compared = notebooks.execute("compare", given, tmp_path / "compare.ipynb", {"MLFLOW_TRACKING_URI": uri})
    page = compared.with_suffix(".html").read_text(encoding="utf-8")
    assert "2 systems on 1 clips" in page
    assert page.count(f">{format_value('chrf', run.values['chrf'])}<") >= 2


def test_a_failed_evaluation_is_a_failed_run_with_its_notebook(bench, monkeypatch):
    uri = f"sqlite:///{bench}/mlflow.db"
    suite = load_suite(bench / "short.yaml")
    configuration, dataset = suite.configuration("quick"), suite.load_dataset()
    lost = suite.model_copy(update={"file": bench / "gone.yaml", "name": "gone"})
    with pytest.raises(UserError, match=r"evaluate\.ipynb failed in cell 3 .*gone\.yaml cannot be read"):
        execute_evaluation(lost, configuration, dataset, bench / "eval", uri=uri)
    client = connect(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("gone").experiment_id])
    assert run.info.status == "FAILED" and "gone.yaml cannot be read" in run.data.tags["error"]
    kept = {file.path for file in client.list_artifacts(run.info.run_id, "notebook")}
    assert kept == {"notebook/evaluate.ipynb", "notebook/evaluate.html"}


def test_a_secret_reaches_the_notebook_and_is_in_nothing_that_is_kept(tmp_path):
    secret = "open $HOME ${sesame} $$"
    notebook = a_notebook(
        tmp_path,
        "clip = ''  # which one",
        f"import os; assert os.environ['STORE'] == 'postgresql://aladdin:' + {secret!r} + '@host/x'",
        "print(os.environ['STORE'].replace(' ', ''))",
        "raise ValueError(os.environ['STORE'].replace(' ', ''))",
    )
    out = tmp_path / "out.ipynb"
    with pytest.raises(VtlabError, match=r"ValueError: postgresql://\*\*\*@host/x") as raised:
        notebooks.execute(notebook, {}, out, {"STORE": f"postgresql://aladdin:{secret}@host/x"})
    for kept in (out.read_text(), out.with_suffix(".html").read_text(), str(raised.value)):
        assert "***@host/x" in kept and "aladdin:open" not in kept
