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
    from vtlab.evaluation.api import compare as compare
    from vtlab.evaluation.api import evaluate as evaluate
    from vtlab.evaluation.api import evaluate_configuration as evaluate_configuration
    from vtlab.evaluation.api import forecast as forecast
    from vtlab.evaluation.dataset import Dataset as Dataset
    from vtlab.evaluation.dataset import load_dataset as load_dataset
    from vtlab.evaluation.promotion import promote as promote
    from vtlab.evaluation.promotion import rollback as rollback
    from vtlab.evaluation.show.comparison import Comparison as Comparison
    from vtlab.evaluation.show.run import Run as Run
    from vtlab.evaluation.show.run import load_run as load_run
    from vtlab.evaluation.suite.loader import load_suite as load_suite
    from vtlab.evaluation.suite.model import Suite as Suite
    from vtlab.evaluation.sweep.run import Sweep as Sweep
    from vtlab.measurement.inspection import measure as measure
    from vtlab.measurement.results import Measurement as Measurement
    from vtlab.outputs import Dub as Dub
    from vtlab.pipeline import dub as dub
    from vtlab.releases.store import Release as Release
    from vtlab.settings import Settings as Settings
    from vtlab.settings import load_settings as load_settings

__version__ = "0.2.0"

_HOME = {
    "Comparison": "vtlab.evaluation.show.comparison",
    "Dataset": "vtlab.evaluation.dataset",
    "Dub": "vtlab.outputs",
    "Measurement": "vtlab.measurement.results",
    "Release": "vtlab.releases.store",
    "Run": "vtlab.evaluation.show.run",
    "Settings": "vtlab.settings",
    "Suite": "vtlab.evaluation.suite.model",
    "Sweep": "vtlab.evaluation.sweep.run",
    "compare": "vtlab.evaluation.api",
    "dub": "vtlab.pipeline",
    "evaluate": "vtlab.evaluation.api",
    "evaluate_configuration": "vtlab.evaluation.api",
    "forecast": "vtlab.evaluation.api",
    "load_dataset": "vtlab.evaluation.dataset",
    "load_run": "vtlab.evaluation.show.run",
    "load_settings": "vtlab.settings",
    "load_suite": "vtlab.evaluation.suite.loader",
    "measure": "vtlab.measurement.inspection",
    "promote": "vtlab.evaluation.promotion",
    "rollback": "vtlab.evaluation.promotion",
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


if not TYPE_CHECKING:  # a type checker knows the names above, and no others

    def __getattr__(name: str) -> Any:
        if name in _HOME:
            return getattr(import_module(_HOME[name]), name)
        if name in _PACKAGES:
            return import_module(f"vtlab.{name}")
        raise AttributeError(f"module 'vtlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
