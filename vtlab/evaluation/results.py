"""The result of one clip under one configuration, as a file: what a sweep leaves behind, and what is compared.

Written once, whole, under its final name: a file that is there is finished.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from vtlab.measured import Measurement


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageCount(_Part):
    """Answers of one stage's engine (lines, sentences, windows), by where they came from."""

    computed: int
    reused: int
    seconds: float


class ClipResult(_Part):
    """One clip dubbed and measured; or why it could not be."""

    suite: str
    configuration: str = Field(description="its name in the suite")
    fingerprint: str = Field(description="of its resolved settings, with the clip's languages")
    dataset: str
    dataset_digest: str
    clip: str
    key: str = Field(description="hash of all the result depends on; another key, another result")
    status: Literal["finished", "degraded", "failed"]
    error: str | None = Field(None, description="why it failed, one sentence")
    error_code: str | None = None
    measurement: Measurement | None = None
    stages: dict[str, StageCount] = Field(default_factory=dict)
    outputs: dict[str, Path] = Field(default_factory=dict, description="files by kind, relative to the result's folder")
    record: Path | None = Field(None, description="the dub's record, relative to the result's folder")
