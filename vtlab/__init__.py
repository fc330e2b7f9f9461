"""vtlab: video dubbing whose quality is measured, stage by stage."""

__version__ = "0.1.0"
