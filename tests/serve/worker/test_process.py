"""The worker process, where a whole session would show nothing, or too rarely."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from serve.worker import process
from serve.worker.process import NICE, Control, report_failure
from serve.worker.protocol import Failed, Report
from vtlab.errors import InputError, ResourceError


def test_a_resume_at_the_very_moment_of_a_pause_leaves_nothing_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    signals: list[signal.Signals] = []
    stopping = threading.Event()

    def slowly(number: signal.Signals) -> None:
        if number == signal.SIGSTOP:
            stopping.set()
            time.sleep(0.05)  # the children are looked for
        signals.append(number)

    monkeypatch.setattr(process, "signal_ffmpeg", slowly)
    control = Control()
    control.pause()
    stopping.clear()
    at_work = threading.Thread(target=control.checkpoint)
    at_work.start()
    assert stopping.wait(60)
    control.resume()
    at_work.join(60)
    assert signals[-1] == signal.SIGCONT


@pytest.mark.parametrize("before", [0, NICE, NICE + 5])
def test_it_gives_way_and_never_asks_for_more(before: int) -> None:
    code = "from serve.worker.process import give_way; import os; give_way(); print(os.getpriority(0, 0))"
    done = subprocess.run(
        ["nice", "-n", str(before), sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == min(19, max(os.getpriority(os.PRIO_PROCESS, 0) + before, NICE))


def failure(error: BaseException, *paths: Path) -> Failed:
    sent: list[Report] = []
    with report_failure(7, sent.append, *paths):
        raise error
    (report,) = sent
    assert isinstance(report, Failed)
    return report


def test_users_read_names_of_files_and_not_their_paths(tmp_path: Path) -> None:
    file, link = tmp_path / "uploads" / "a.mp4", tmp_path / "work" / "a.mp4"
    error = InputError(f"{link} has no sound. Check {file}.", code="E_NO_AUDIO")
    assert failure(error, file, link) == Failed(7, "E_NO_AUDIO", "a.mp4 has no sound. Check a.mp4.")


def test_folders_of_the_server_are_not_named(tmp_path: Path) -> None:
    report = failure(ResourceError(f"{tmp_path}/out has 1 MB free and about 900 MB are needed."), tmp_path / "a.mp4")
    assert report.code == "E_STORAGE"
    assert str(tmp_path) not in report.message
    assert "no room" in report.message
