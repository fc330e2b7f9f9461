"""The machine that dubs, as users are shown it."""

from __future__ import annotations

import platform
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from serve.state import Hardware
from vtlab.resources import cores, memory_limit_mb

TIMEOUT_S = 5.0


@cache
def hardware() -> Hardware:
    """Return processor, graphics card (`none` where there is none) and the memory that this process can have."""
    gpu, vram_mb = _graphics()
    return Hardware(f"{_processor()}, {cores()} cores", gpu, vram_mb // 1024, round(memory_limit_mb() / 1024))


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def _graphics() -> tuple[str, int]:
    program = shutil.which("nvidia-smi")
    if program is not None:
        command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        with suppress(OSError, subprocess.SubprocessError, ValueError):
            output = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
            name, _, memory = output.splitlines()[0].rpartition(",")
            return name.strip(), int(memory)
    return "none", 0
