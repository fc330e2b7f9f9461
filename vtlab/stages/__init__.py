"""The eight stages, each a function of its own: segments, an engine and a section of the settings in, an iterator out.

``vtlab.stages.translation`` loads that stage alone. Engines come from ``vtlab.engines``, or are a class of your own.
"""

from importlib import import_module
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    from vtlab.events import STAGES

    if name in STAGES:
        return import_module(f"vtlab.stages.{name}")
    raise AttributeError(f"module 'vtlab.stages' has no attribute {name!r}")
