"""Measure what a dub costs a user: its time and memory when nothing is in the store and no engine is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vtlab.errors import VtlabError
from vtlab.record import Record
from vtlab.settings import ENVIRONMENT_PREFIX, NOT_SETTINGS, Settings, dump_yaml

POLL_S = 0.1  # between looks at the program that is timed


def time_dub(settings: Settings, video: Path, checkpoint: Callable[[], None]) -> Record:
    """Dub `video` in a program of its own with an empty store, and return the record.

    Args:
        settings: Those of the dub, languages among them.
        video: The file to dub.
        checkpoint: Called every `POLL_S` seconds; what it raises ends the program.

    Raises:
        VtlabError: The program ended without a record.
    """
    with tempfile.TemporaryDirectory(prefix="vtlab-") as folder:
        home = Path(folder)
        alone = settings.model_copy(update={"store": settings.store.model_copy(update={"folder": home / "store"})})
        (home / "settings.yaml").write_text(dump_yaml(alone), encoding="utf-8")
        command = [sys.executable, "-m", "vtlab", "dub", "--json", "--overwrite"]
        command += ["--settings", str(home / "settings.yaml"), "--out", str(home / "out"), "--", str(video.absolute())]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS
        }
        with (home / "out.json").open("wb") as out, (home / "err.txt").open("wb") as err:
            program = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
            try:
                while program.poll() is None:
                    checkpoint()
                    time.sleep(POLL_S)
            except BaseException:
                program.terminate()
                program.wait()
                raise
        text = (home / "out.json").read_text(encoding="utf-8")
        if not text.strip():
            errors = (home / "err.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise VtlabError(
                f"The dub that is timed ended with {program.returncode}: {errors[-1] if errors else 'no message'}"
            )
        return Record.model_validate_json(text)


def replace_costs(record: Record, timed: Record) -> Record:
    """Return `record` with the times and the memory of `timed`."""
    return record.model_copy(
        update={
            "stages": timed.stages,
            "wall_s": timed.wall_s,
            "first_line_s": timed.first_line_s,
            "peak_rss_mb": timed.peak_rss_mb,
        }
    )
