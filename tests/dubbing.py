"""A dub as tests run it, again and again with other settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vtlab.engines.pool import EnginePool
from vtlab.events import Event, Log
from vtlab.outputs import Dub
from vtlab.pipeline import dub
from vtlab.settings import Settings, settings_from_dict

PEOPLE = Path(__file__).parents[1] / "datasets" / "people" / "clips"


@dataclass
class Dubbing:
    """A store, the results of dubs into ``out``, and the events of the last one."""

    store: Path
    out: Path
    pool: EnginePool
    video: Path
    pair: tuple[str | None, str]
    events: list[Event] = field(default_factory=list)

    def settings(self, **sections: Any) -> Settings:
        tts = {"engines": ["piper"], **sections.pop("tts", {})}
        source, target = self.pair
        languages = {"source_language": source, "target_language": target}
        return settings_from_dict({**languages, "store": {"folder": self.store}, "tts": tts, **sections})

    def run(self, *, pool: EnginePool | None = None, **sections: Any) -> Dub:
        self.events.clear()
        return dub(
            self.video,
            settings=self.settings(**sections),
            out=self.out,
            on_event=self.events.append,
            pool=pool or self.pool,
        )

    def messages(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Log)]
