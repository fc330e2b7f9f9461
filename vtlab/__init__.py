"""vtlab: video dubbing whose quality is measured, stage by stage."""

import os

__version__ = "0.1.0"

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
