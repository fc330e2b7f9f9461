"""Runs that are killed, stopped, or two at once: as processes, since that is what happens to them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from dubbing import Dubbing

from vtlab import media
from vtlab.outputs import Dub

CLIP = Path(__file__).parent / "cases" / "delayed_audio.mp4"
ARGUMENTS = ["--from=en", "--to=pt", "--set=tts.engines=[espeak]"]
MOMENTS = [
    r"\[1/8\]",
    r"\[2/8\]",
    "loading faster_whisper",
    "loading firefox",
    r"\[3/8\]",
    "loading espeak",
    r"\[5/8\]",
    r"\[6/8\]",
    r"\[7/8\]",
]


@dataclass
class Process:
    """A ``vtlab dub`` of its own."""

    store: Path
    out: Path

    def start(self, *arguments: str, clip: Path = CLIP) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "vtlab", "dub", str(clip), *(arguments or ARGUMENTS), f"--out={self.out}"]
        environment = {**os.environ, "VTLAB_STORE": str(self.store)}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    def finished(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(path.name for path in self.out.iterdir() if not path.name.startswith("."))
        return []

    def unfinished(self) -> list[Path]:
        return list(self.out.glob(".*")) if self.out.exists() else []


def await_line(process: subprocess.Popen[str], pattern: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(pattern, line):
            return
    raise AssertionError(f"{pattern} was never said")


def results(folder: Path) -> dict[str, str]:
    record = json.loads(next(folder.glob("*.dub.json")).read_text(encoding="utf-8"))
    return {output["file"]: output["sha256"] for output in record["outputs"]}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Process:
    """Two runs of the same video at once, with one store and one folder of results."""
    folder = tmp_path_factory.mktemp("together")
    both = Process(folder / "store", folder / "out")
    processes = [both.start(), both.start()]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    return both


def test_two_runs_at_once_both_finish(together: Process) -> None:
    assert together.unfinished() == []
    assert len(together.finished()) == 6
    for name, digest in results(together.out).items():
        assert hashlib.sha256((together.out / name).read_bytes()).hexdigest() == digest
    assert not [path for path in together.store.rglob(".*") if path.is_file()]


def test_killed_at_any_moment_it_goes_on_and_makes_the_same(together: Process, tmp_path: Path) -> None:
    run = Process(tmp_path / "store", tmp_path / "out")
    for moment in MOMENTS:
        process = run.start()
        await_line(process, moment)
        process.kill()
        process.communicate()
        assert run.finished() == [], moment
    assert len(run.unfinished()) <= 1  # each run sweeps what the one before it left
    process = run.start("--json", *ARGUMENTS)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert sum(stage["reused"] for stage in json.loads(out)["stages"]) > 0
    assert "loading" not in err
    assert run.unfinished() == []
    assert results(run.out) == results(together.out)
    first, again = (media.probe(folder.out / "delayed_audio.pt.mp4") for folder in (together, run))
    assert (first.video, first.audio, first.subtitles) == (again.video, again.audio, again.subtitles)


def living(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def assert_stopped(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)  # to it alone, as a service manager does
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Stopped." in err
    assert out == ""
    assert living(process.pid) == []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Process]:
    yield Process(tmp_path / "store", tmp_path / "out")


@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGINT, "loading faster_whisper"), (signal.SIGTERM, r"\[3/8\]")]
)
def test_stopped_it_ends_at_once_and_goes_on_later(
    together: Process, run: Process, number: signal.Signals, moment: str
) -> None:
    process = run.start()
    await_line(process, moment)
    assert_stopped(process, number)
    assert run.finished() == run.unfinished() == []
    process = run.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert results(run.out) == results(together.out)


def test_stopped_twice_it_waits_for_no_model(run: Process) -> None:
    process = run.start()
    await_line(process, "loading faster_whisper")
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)  # held until both are there: between two it might come to its orderly end
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped." not in err  # which is said once threads and models have come to their end
    assert run.finished() == []


def test_stopped_while_the_picture_is_encoded_nothing_goes_on(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> None:
    dubbing, _ = sentences
    run = Process(dubbing.store, tmp_path / "out")
    burn = ["--from=pt", "--to=en", "--set=tts.engines=[piper]", "--set=video_combination.burn_subtitles=true"]
    process = run.start(*burn, clip=dubbing.video)
    await_line(process, r"\[7/8\]")
    while not [child for child in living(process.pid) if "ffmpeg" in child.name()]:
        assert process.poll() is None, "it was too quick for this test"
        time.sleep(0.01)
    assert_stopped(process, signal.SIGTERM)
    assert run.finished() == run.unfinished() == []
