"""Measurements out of nothing, for tests of what is done with them: texts, times and sounds by a seed."""

from __future__ import annotations

import random
import re

from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import score
from vtlab.metrics.file_metric import FileMetric
from vtlab.metrics.registry import METRICS
from vtlab.metrics.rows import CueMeasure, DubSegment, SegmentMeasure

WORDS = re.findall(
    r"\w+",
    "the old boat goes down river today while nobody looks because rain has come and people stay at home "
    "with their dogs bread milk coffee morning evening winter light stone garden letter window",
)


def measurement(
    seed: int,
    *,
    segments: int = 8,
    tool: int = 0,
    mistakes: float = 0.15,
    late_ms: float = 20.0,
    spread_ms: float = 60.0,
    speed: float = 1.0,
    silent: float = 0.05,
    own_lines: bool = True,
    costs: float | None = 1.0,
) -> Measurement:
    """A clip of this ``seed`` dubbed by tool number ``tool``: the same clip whatever the tool."""
    clip, dub = random.Random(f"clip {seed}"), random.Random(f"dub {seed} {tool}")

    def garbled(words: list[str]) -> str:
        kept = [dub.choice(WORDS) if dub.random() < mistakes else word for word in words if dub.random() > mistakes / 3]
        return " ".join(kept) or dub.choice(WORDS)

    rows, lines, cues, at = [], [], [], 0.5
    for index in range(segments):
        length = clip.uniform(1.5, 4.0)
        said = [clip.choice(WORDS) for _ in range(clip.randint(4, 11))]
        meant = [clip.choice(WORDS) for _ in range(clip.randint(4, 11))]
        start, end = round(at, 3), round(at + length, 3)
        onset = dub.gauss(late_ms, spread_ms) / 1000
        offset = dub.gauss(-40, 2 * spread_ms) / 1000
        heard = None if dub.random() < silent else (round(start + onset, 3), round(end + offset, 3))
        translated, own, again = garbled(meant), garbled(said), garbled(meant)
        rows.append(
            SegmentMeasure(
                index=index,
                start=start,
                end=end,
                dubbed_start=heard and heard[0],
                dubbed_end=heard and heard[1],
                text=" ".join(said),
                recognised=own,
                translation=" ".join(meant),
                translated=translated,
                heard=again if heard else "",
                onset_ms=heard and 1000 * (heard[0] - start),
                offset_ms=heard and 1000 * (heard[1] - end),
            )
        )
        lines.append(
            DubSegment(
                id=index,
                source_start=start + 0.05,
                source_end=end - 0.05,
                source_text=own if own_lines else None,
                start=start + onset,
                end=end + offset + (0.9 if dub.random() < 0.05 else 0.0),
                heard_start=heard and heard[0],
                heard_end=heard and heard[1],
                text=translated if own_lines else "",
                heard=garbled(translated.split()) if heard else None,
                speed=max(0.7, dub.gauss(speed, 0.07)) if own_lines else None,
                loudness_lufs=dub.gauss(-23, 1.2) if heard else None,
            )
        )
        cues.append(CueMeasure(start=start, end=end + (0.6 if dub.random() < 0.1 else 0.0), text=translated + "."))
        at += length + clip.uniform(0.4, 1.0)
    measured = Measurement(
        source_language="pt",
        target_language="en",
        seconds=round(at + 0.5, 3),
        values={},
        signatures={},
        segments=tuple(rows),
        dub_segments=tuple(lines),
        cues=tuple(cues),
        source_speech=tuple((row.start or 0.0, row.end or 0.0) for row in rows),
        dubbed_speech=tuple((row.dubbed_start, row.dubbed_end or 0.0) for row in rows if row.dubbed_start is not None),
    )
    names = [name for name, metric in METRICS.items() if not isinstance(metric, FileMetric)]
    scores = score([measured], names)
    values = dict(scores.values)
    if costs is not None:
        wall = costs * measured.seconds * dub.uniform(0.18, 0.22)
        values |= {"wall_s": wall, "rtf": wall / measured.seconds, "cpu_s": 1.7 * wall}
        values |= {"loudness_lufs": dub.gauss(-23, 0.2), "voice_mos": dub.gauss(3.6, 0.1)}
    return measured.model_copy(update={"values": values, "signatures": scores.signatures})


def clips(count: int = 4, **how: float) -> dict[str, Measurement]:
    """Clips ``clip_0`` … of one tool."""
    return {f"clip_{number}": measurement(number, **how) for number in range(count)}  # type: ignore[arg-type]
