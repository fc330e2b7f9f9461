from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vtlab import resources
from vtlab.errors import ResourceError


def test_memory_is_seen_with_that_of_children() -> None:
    alone = resources.rss_mb()
    hungry = "x = bytearray(200 << 20); print(len(x), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", hungry], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert resources.rss_mb() > alone + 150
    child.communicate(b"\n")


def test_the_peak_is_no_less_than_what_was_taken() -> None:
    taken = bytearray(50 << 20)
    taken[::4096] = b"x" * len(taken[::4096])
    assert 50 < resources.peak_rss_mb() < resources.memory_limit_mb()


def test_processor_time_counts_ended_children() -> None:
    before = resources.cpu_s()
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert resources.cpu_s() > before


@pytest.mark.parametrize(
    ("membership", "files", "limits"),
    [
        ("0::/box/inner", {"box/memory.max": "1000", "box/inner/memory.max": "max"}, [1000]),
        ("0::/not/mounted", {"memory.max": "3000"}, [3000]),
        ("4:memory:/box\n3:cpu:/box", {"memory/box/memory.limit_in_bytes": "2000", "memory.max": "1"}, [2000]),
        ("0::/", {}, []),
    ],
)
def test_control_groups(tmp_path: Path, membership: str, files: dict[str, str], limits: list[int]) -> None:
    (tmp_path / "self").write_text(membership)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert resources._cgroup_limits(tmp_path, tmp_path / "self") == limits


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"box/cpu.max": "150000 100000", "cpu.max": "max 100000"}, [1.5]),
        ({"box/cpu.max": "50000 100000", "cpu.max": "400000 100000"}, [0.5, 4.0]),
        ({}, []),
    ],
)
def test_cores_of_control_groups(tmp_path: Path, files: dict[str, str], cores: list[float]) -> None:
    (tmp_path / "self").write_text("0::/box")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert resources._cgroup_cores(tmp_path, tmp_path / "self") == cores


def test_there_is_at_least_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= resources.cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(resources, "_cgroup_cores", lambda: [0.5])
    assert resources.cores() == 1


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert resources._cgroup_limits(tmp_path, tmp_path / "nothing") == []


def test_disk(tmp_path: Path) -> None:
    not_yet = tmp_path / "a" / "b"
    assert resources.disk_free_mb(not_yet) > 0
    resources.check_disk(not_yet, 1)
    with pytest.raises(ResourceError, match=rf"{not_yet} has \d+ MB free and about 1000000000000 MB are needed"):
        resources.check_disk(not_yet, 1e12)


@pytest.mark.parametrize(("taken_mb", "called"), [(79.0, False), (81.0, True)])
def test_the_watch_calls_above_four_fifths_of_the_budget(taken_mb: float, called: bool) -> None:
    seen: list[float] = []
    measured = threading.Event()

    def measure() -> float:
        if len(seen) > 1 or not called:
            measured.set()
        return taken_mb

    with resources.Watch(100.0, seen.append, every_s=0.01, measure=measure) as watch:
        assert measured.wait(60)
    assert watch.peak_mb == taken_mb
    assert bool(seen) == called
    assert all(value == taken_mb for value in seen)


def test_the_peak_is_not_that_of_whoever_started_the_program() -> None:
    taken = bytearray(b"x" * (400 << 20))
    words = [sys.executable, "-c", "from vtlab.resources import peak_rss_mb; print(peak_rss_mb())"]
    peak = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert 5 < peak < len(taken) / 2**20 / 2
