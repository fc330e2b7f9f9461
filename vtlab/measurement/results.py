"""What was measured on one dub."""

from __future__ import annotations

from vtlab.metrics.rows import ClipRows


class Measurement(ClipRows):
    """Hold the values, their signatures, the reasons for those that are absent, and the rows they come from."""
