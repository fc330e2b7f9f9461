"""Dub videos into another language, measure the dubs, and compare what makes them.

Nothing is imported until it is used: ``import vtlab`` takes no time, and a name below loads its module at first use.

Example:
    >>> import vtlab
    >>> dub = vtlab.dub("talk.mp4", to="en", source="pt", out="dubbed")
    >>> vtlab.measure(dub)["sync_within_150ms"].value
    1.0
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vtlab import engines as engines
    from vtlab import metrics as metrics
    from vtlab import plots as plots
    from vtlab import stages as stages
    from vtlab.evaluation.dataset import Dataset as Dataset
    from vtlab.evaluation.dataset import load_dataset as load_dataset
    from vtlab.measurement.inspection import measure as measure
    from vtlab.measurement.results import Measurement as Measurement
    from vtlab.outputs import Dub as Dub
    from vtlab.pipeline import dub as dub
    from vtlab.settings import Settings as Settings
    from vtlab.settings import load_settings as load_settings

__version__ = "0.2.0"

_HOME = {
    "Dataset": "vtlab.evaluation.dataset",
    "Dub": "vtlab.outputs",
    "Measurement": "vtlab.measurement.results",
    "Settings": "vtlab.settings",
    "dub": "vtlab.pipeline",
    "load_dataset": "vtlab.evaluation.dataset",
    "load_settings": "vtlab.settings",
    "measure": "vtlab.measurement.inspection",
}
_PACKAGES = ("engines", "metrics", "plots", "stages")

__all__ = [*_HOME, *_PACKAGES]

# The libraries beneath report to their makers unless told not to before they load; children inherit this.
# A variable that the user has set stays as it is.
TELEMETRY_OFF = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MARIMO_SKIP_UPDATE_CHECK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # its `disable_telemetry_events` comes after a device id is written
    "RAY_USAGE_STATS_ENABLED": "0",
}
for _name, _off in TELEMETRY_OFF.items():
    os.environ.setdefault(_name, _off)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _PACKAGES:
        return import_module(f"vtlab.{name}")
    raise AttributeError(f"module 'vtlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
