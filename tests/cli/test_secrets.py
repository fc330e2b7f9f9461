"""Passwords and tokens planted in the environment, looked for in every file and word that real commands leave."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import HANGS_S, free_port
from sweeping import suite_data, write_dataset, write_suite

PLANTED = {"password": "open-sesame", "token": "hf_sesame_street", "user": "aladdin"}


@contextlib.contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """MLflow's server, which takes any password; yields host and port."""
    port = free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/files"]
    with (folder / "server.log").open("wb") as sink:
        server = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink)
    try:
        until = time.monotonic() + HANGS_S
        while True:
            assert server.poll() is None and time.monotonic() < until, (folder / "server.log").read_text()
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30).close()
                break
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)


def run(folder: Path, uri: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "VTLAB_STORE": str(folder / "store"),
        "VTLAB_RELEASES": str(folder / "releases"),
        "TMPDIR": str(folder),
        "MLFLOW_TRACKING_URI": uri,
        "HF_TOKEN": PLANTED["token"],
    }
    command = [sys.executable, "-m", "vtlab", *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)


def leaks(folder: Path, *done: subprocess.CompletedProcess[str]) -> list[str]:
    """Where something planted stands: files under the folder, and outputs by their command."""
    said = {" ".join(one.args[3:]): (one.stdout + one.stderr).encode() for one in done}
    written = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return [
        f"{place} holds the {what}"
        for place, content in (said | written).items()
        for what, secret in PLANTED.items()
        if secret.encode() in content
    ]


def test_nothing_that_an_evaluation_leaves_holds_a_secret(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    data = suite_data(write_dataset(folder / "data", ["one"]), matrix={"tts.options.espeak.wpm": [150]})
    suite = write_suite(tmp_path / "work.yaml", data)
    with tracking_server(tmp_path / "server") as address:
        uri = f"http://{PLANTED['user']}:{PLANTED['password']}@{address}"
        done = [
            run(folder, uri, *arguments)
            for arguments in (
                ("eval", str(suite)),
                ("report", "small/wpm=150", "--html", "report.html"),
                ("compare", "nothing"),
                ("promote", "small/wpm=150"),
                ("doctor",),
            )
        ]
    assert [one.returncode for one in done[:4]] == [0, 0, 2, 2], [one.stderr for one in done]
    assert "There is no finished run 'nothing' in http://***@127.0.0.1" in done[2].stderr
    assert (folder / "report.html").is_file() and (folder / "out/eval/small/wpm=150/evaluate.html").is_file()
    # the server is gone: what is said of that
    done.append(run(folder, uri, "report", "x", "--html", "x.html", "--debug"))
    assert done[-1].returncode == 2 and "Traceback" in done[-1].stderr
    assert leaks(tmp_path, *done) == []  # the server's log, database and artifacts too


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mysql+pymysql://aladdin:open-sesame@127.0.0.1:1/x", "the package pymysql is missing: pip install pymysql."),
        ("s3://aladdin:open-sesame@host/x", "no store of the kind 's3'"),
        ("http://aladdin:open-sesame@127.0.0.1:1", "the connection is refused"),
        ("http://127.0.0.1:1/?token=open-sesame", "the connection is refused"),
    ],
)
def test_a_tracking_store_that_cannot_be_used_is_said_before_anything_is_dubbed(
    uri: str, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    suite = write_suite(tmp_path / "work.yaml", suite_data(write_dataset(folder / "data")))
    done = run(folder, uri, "eval", str(suite))
    assert done.returncode == 2
    assert said in done.stderr and "MLFLOW_TRACKING_URI" in done.stderr
    assert not (folder / "out").exists()
    assert leaks(folder, done) == []


def test_a_tracking_server_that_is_silent_is_said_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        done = run(
            tmp_path, f"http://aladdin:open-sesame@127.0.0.1:{silent.getsockname()[1]}", "compare", "--suite", "x"
        )
        took = time.monotonic() - start
    assert done.returncode == 2
    assert "does not answer within" in done.stderr
    assert took < HANGS_S, "it waited for what never comes"
    assert leaks(tmp_path, done) == []


def test_a_fault_of_ours_leaves_no_secret_in_its_traceback(tmp_path: Path) -> None:
    program = (
        "import sys, vtlab.__main__ as main\n"
        "def broken(): raise RuntimeError('postgresql://aladdin:' + 'open-' + 'sesame@host is gone')\n"
        "main.app = broken\nmain.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    (kept,) = tmp_path.glob("vtlab-*.traceback.txt")
    assert done.returncode == 1
    assert "postgresql://***@host is gone" in done.stderr and "postgresql://***@host is gone" in kept.read_text()
    assert leaks(tmp_path, done) == []
