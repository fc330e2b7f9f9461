"""Where weights are found, verified and hashed.

Looked for in this order: a path in the settings, a package that ships them, the local hub cache, a hub download.
(first version of the data type; the search follows)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Weights:
    """Weights as found: ``path`` (file or folder), ``sha256`` of their content, ``place`` in words (``package x``)."""

    name: str
    path: Path
    sha256: str
    place: str
