"""A segment of a reference: what ought to be said, and when."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ReferenceSegment(BaseModel):
    """A segment of a clip's reference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: float | None = Field(
        None, ge=0, description="Its first audible moment in seconds; null, as `end`, where nobody knows."
    )
    end: float | None = Field(None, gt=0, description="Its last audible moment in seconds.")
    text: str = Field(description="What is said. It is empty only where `vtlab measure` is given a translation alone.")
    translation: str | None = Field(None, description="How it ought to be translated; null where nobody knows.")
    speaker: str | None = Field(None, description="Who says it, by any name that is the same throughout the clip.")

    @model_validator(mode="after")
    def _span(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("give both start and end, or null for both")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"it ends at {self.end:g} s, before it starts at {self.start:g} s; swap or correct them")
        return self
