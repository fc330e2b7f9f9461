"""Memory, disk and CPU of this process and its machine; what fits.

Megabytes are 2²⁰ bytes. A limit is the smallest one that holds: the machine's, or that of a control group around this
process (a container), whichever would end it first.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from vtlab.errors import ResourceError

MB = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # of a disk
ABANDONED_S = 24 * 3600  # unfinished files older than this were left by a process that died
HIGH_SHARE = 0.8  # of the memory budget: from here on memory counts as high
WATCH_S = 10.0
CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def rss_mb() -> float:
    """Return the memory that this process and its children take now (resident set size), MB."""
    import psutil

    process = psutil.Process()
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended between listing and asking
            total += child.memory_info().rss
    return float(total / MB)


def peak_rss_mb() -> float:
    """Return the most memory that this program alone ever took, MB.

    Not ``ru_maxrss`` on Linux, which begins with the peak of whatever program started this one (getrusage(2)).
    """
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MB if sys.platform == "darwin" else peak / 1024  # other systems count in kilobytes


def cpu_s() -> float:
    """Return the processor time of this process and its ended children, user and system, seconds."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def memory_limit_mb() -> float:
    """Return the most memory that this process can have, MB: the machine's, or a control group's where that is less."""
    import psutil

    return float(min([psutil.virtual_memory().total, *_cgroup_limits()]) / MB)


def cores() -> int:
    """Return how many cores this process may keep busy: those it is bound to, or a control group's share of them."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *map(math.floor, _cgroup_cores())]))


def disk_free_mb(path: Path) -> float:
    """Return the free space where ``path`` is or would be made, MB."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free / MB


def check_disk(path: Path, needed_mb: float) -> None:
    """Check that there is room where ``path`` is or would be made.

    Raises:
        ResourceError: Less than ``needed_mb`` is free.
    """
    free = disk_free_mb(path)
    if free < needed_mb:
        raise ResourceError(
            f"{path} has {free:.0f} MB free and about {needed_mb:.0f} MB are needed. Free some space or choose another "
            "folder."
        )


class Watch:
    """Measure memory at intervals while a ``with`` block runs.

    Args:
        budget_mb: The memory budget.
        on_high: Called in the watching thread with the MB in use each time they are above ``HIGH_SHARE`` of the budget.
        every_s: Seconds between two measurements.
        measure: Returns the MB in use.

    Attributes:
        peak_mb: The most that was measured of this process and its children together.
    """

    def __init__(
        self,
        budget_mb: float,
        on_high: Callable[[float], None],
        every_s: float = WATCH_S,
        measure: Callable[[], float] = rss_mb,
    ) -> None:
        self.peak_mb = 0.0
        self._budget_mb, self._on_high, self._every_s, self._measure = budget_mb, on_high, every_s, measure
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            now = self._measure()
            self.peak_mb = max(self.peak_mb, now)
            if now > HIGH_SHARE * self._budget_mb:
                self._on_high(now)
            if self._ended.wait(self._every_s):
                return


def _cgroup_limits(groups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> list[int]:
    """Limits in bytes of the control groups around this process, version 2 (``memory.max``) or 1."""
    texts = _cgroup_files("memory", "memory.max", "memory.limit_in_bytes", groups, membership)
    return [int(text) for text in texts if text != "max"]


def _cgroup_cores(groups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> list[float]:
    """Cores that the control groups around this process allow; ``cpu.max`` holds "quota period" or "max period"."""
    texts = [text.split() for text in _cgroup_files("cpu", "cpu.max", "", groups, membership)]
    return [int(quota) / int(period) for quota, period in texts if quota != "max"]


def _cgroup_files(controller: str, name: str, name_1: str, groups: Path, membership: Path) -> list[str]:
    """Return what the control groups around this process say in the file ``name``, or ``name_1`` in version 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []  # no control groups here: not Linux
    texts = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, file = groups, name
        elif controller in controllers.split(",") and name_1:
            root, file = groups / controller, name_1
        else:
            continue
        # a parent's limit holds for its children; inside a container the path may name folders not mounted here
        inside = Path(path.lstrip("/"))
        for folder in (root / part for part in (inside, *inside.parents)):
            with contextlib.suppress(OSError):  # no such group here, or no limit of this kind
                texts.append((folder / file).read_text().strip())
    return texts


def disk_full(folder: Path) -> ResourceError:
    """Return the error for a write that failed with one of ``FULL``."""
    return ResourceError(f"The disk of {folder} is full; free some space and run again: what is done is kept.")


def cache_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's cache folder for vtlab (XDG), where its folders are unless a variable names others."""
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "vtlab"


def kill_children() -> None:
    """Kill every process that this one began, and theirs."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
