"""Can the numbers be trusted? Defects planted into good dubs, and which metric finds them.

    PYTHONPATH=tests python tests/evaluation/planted_defects.py [--out FOLDER] [--clips a,b] [--readme evals/README.md]

Dubs every Portuguese and English clip of up to a minute of ``datasets/spoken`` and ``datasets/people`` in several ways
(``WAYS``), plants the ten defects of ``defects.py``, at each of their strengths, into the first of them, and measures
all as any dub is measured: the mix encoded to AAC, the speech track, the record, the reference. Then ``RULES`` decide:
one limit per metric, the same for every clip. The limits were chosen on one half of the clips (``chosen_on``); what is
reported was counted on the other half. FOLDER keeps the dubs and ``measured.jsonl``; what is in it is not made again.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation.defects import DEFECTS, Parts, taken_apart, write_mix, write_track

from vtlab.audio import Audio
from vtlab.engines import engine_class
from vtlab.engines.pool import EnginePool
from vtlab.evaluation.dataset import Clip, load_dataset
from vtlab.measure import Ear, measure
from vtlab.metrics import METRICS
from vtlab.pipeline import dub
from vtlab.record import Record
from vtlab.settings import load_settings

ROOT = Path(__file__).parents[2]
LONGEST_S = 60.0  # longer clips only take longer

# how the good dubs are made; defects are planted into the first, the others are there for false alarms only
QUICKER = [
    "transcription.options.faster_whisper.beam_size=1",
    "audio_sync.follow_loudness=1.0",
    "audio_sync.max_speed=1.2",
    "video_combination.audio_bitrate_kbps=96",
]
WAYS: dict[str, dict[str, list[str]]] = {
    "default": {"en": [], "pt": []},
    "other_settings": {"en": QUICKER, "pt": QUICKER},
    "other_voice": {"en": ["tts.engines=[kokoro]", "tts.voice=af_heart"], "pt": ["tts.voice=pm_alex"]},
}
AGAIN_KBPS = 64  # a good dub encoded once more is a good dub


@dataclass(frozen=True)
class Measured:
    """What was measured on one dub; ``defect`` is empty where it is untouched, ``strength`` 0."""

    clip: str
    way: str
    defect: str
    strength: float
    values: dict[str, float]
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, float]:
        return self.clip, self.way, self.defect, self.strength


@dataclass(frozen=True)
class Rule:
    """An alarm: the metric is below ``low`` or above ``high``."""

    low: float = float("-inf")
    high: float = float("inf")

    def broken(self, value: float | None) -> bool:
        return value is not None and not self.low <= value <= self.high


RULES: dict[str, Rule] = {}

# all that could tell; the cost of a dub and its subtitles cannot
MEASURED = tuple(
    name for name in METRICS if not name.startswith(("stage_", "subtitle_", "speed_", "sync_on", "sync_off"))
)


def alarms(values: dict[str, float]) -> list[str]:
    """The metrics whose rule is broken."""
    return [name for name, rule in RULES.items() if rule.broken(values.get(name))]


def chosen_on(clip: str) -> bool:
    """Whether the clip is of the half on which limits were chosen."""
    return zlib.crc32(clip.encode()) % 2 == 0


# ---------------------------------------------------------------- making and measuring


def good_dub(clip: Clip, way: str, out: Path, pool: EnginePool) -> Parts:
    """The clip dubbed that way, taken apart; found in ``out`` where it was made before."""
    folder = out / "dubs" / way / clip.path.parents[1].name
    found = list(folder.glob(f"{clip.path.stem}.{clip.target_language}.dub.json"))
    if not found:
        languages = [f"source_language={clip.source_language}", f"target_language={clip.target_language}"]
        chosen = [*languages, "audio_sync.keep_speech_track=true", *WAYS[way][clip.target_language]]
        dub(clip.path, load_settings(overrides=chosen, environment={}), folder, pool=pool)
        found = list(folder.glob(f"{clip.path.stem}.{clip.target_language}.dub.json"))
    record = Record.model_validate_json(found[0].read_text(encoding="utf-8"))
    files = {output.kind: folder / output.file for output in record.outputs}
    sound = files["video" if "video" in files else "audio"]
    return taken_apart(clip, sound, record, files["speech_track"], voice(record))


def voice(record: Record) -> Callable[[str], Audio]:
    """The voice of a dub's first line, to say something else with."""
    first = next(segment for segment in record.segments if segment.engine is not None)
    kind = engine_class("tts", first.engine or "")
    options = kind.Options()
    speaker = next(each for each in kind.voices(options, record.target_language) if each.name == first.voice)
    engines: list[object] = []

    def say(text: str) -> Audio:
        if not engines:
            engines.append(kind(options, 1))
        return engines[0].speak(text, speaker, 1.0)  # type: ignore[attr-defined]

    return say


def variants(clip: Clip, out: Path, pool: EnginePool) -> Iterator[tuple[str, str, float, Parts, int]]:
    """Way, defect, strength, the dub itself and the bit rate it is to be encoded at: untouched ones first."""
    first = good_dub(clip, next(iter(WAYS)), out, pool)
    for way in WAYS:
        yield way, "", 0.0, first if way == next(iter(WAYS)) else good_dub(clip, way, out, pool), 160
    yield "encoded_again", "", 0.0, first, AGAIN_KBPS
    for name, defect in DEFECTS.items():
        for strength in defect.strengths:
            planted = defect.plant(first, strength)
            if planted is not None:
                yield next(iter(WAYS)), name, strength, planted, 160


def measured(
    dubbed: Parts, metrics: Sequence[str], ear: Ear, kbps: int = 160
) -> tuple[dict[str, float], dict[str, str]]:
    """Values, and why some are absent, of a dub as it would lie on a disk."""
    clip = dubbed.clip
    with TemporaryDirectory() as folder:
        mix, track = write_mix(dubbed, Path(folder) / "mix.m4a", kbps), write_track(dubbed, Path(folder) / "s.flac")
        found = measure(
            mix,
            clip.path,
            clip.source_language,
            clip.target_language,
            reference=clip.segments,
            record=dubbed.record,
            speech_track=track,
            metrics=metrics,
            ear=ear,
        )
    return found.values, found.absent


# ---------------------------------------------------------------- the table


def table(rows: Sequence[Measured]) -> str:
    """Detection by defect and strength, and false alarms by kind of untouched dub, of the reporting half."""
    reported = [row for row in rows if not chosen_on(row.clip)]
    lines = [
        "| defect | strength: found of planted | found by, at the strength in bold |",
        "| --- | --- | --- |",
    ]
    nominal: list[bool] = []
    for name, defect in DEFECTS.items():
        cells = []
        for strength in defect.strengths:
            hits = [bool(alarms(row.values)) for row in reported if (row.defect, row.strength) == (name, strength)]
            cell = f"{strength:g}: {sum(hits)}/{len(hits)}"
            cells.append(f"**{cell}**" if strength == defect.nominal else cell)
        at = [alarms(row.values) for row in reported if (row.defect, row.strength) == (name, defect.nominal)]
        nominal += [bool(found) for found in at]
        by = {metric: sum(metric in found for found in at) for metric in RULES}
        named = ", ".join(f"`{m}` {n}" for m, n in sorted(by.items(), key=lambda each: -each[1]) if n)
        lines.append(f"| {defect.says}, {defect.unit} | {', '.join(cells)} | {named or 'nothing'} |")
    untouched = [row for row in reported if not row.defect]
    false = [row for row in untouched if alarms(row.values)]
    lines += [
        "",
        f"Found at the strengths in bold: {share(sum(nominal), len(nominal))}. "
        f"False alarms: {share(len(false), len(untouched))} of the untouched dubs.",
        "",
        "| untouched dubs | alarms | by |",
        "| --- | --- | --- |",
    ]
    for way in dict.fromkeys(row.way for row in untouched):
        group = [row for row in untouched if row.way == way]
        raised = [(row.clip, alarms(row.values)) for row in group if alarms(row.values)]
        told = "; ".join(f"{clip}: {', '.join(f'`{metric}`' for metric in found)}" for clip, found in raised)
        lines.append(f"| {way.replace('_', ' ')} | {len(raised)}/{len(group)} | {told} |")
    return "\n".join(lines) + "\n"


def rules_table() -> str:
    """The limits, and what each metric is."""
    lines = ["| metric | alarm | unit | what it is |", "| --- | --- | --- | --- |"]
    for name, rule in RULES.items():
        sides = [f"below {rule.low:g}"] * (rule.low > float("-inf")) + [f"above {rule.high:g}"] * (
            rule.high < float("inf")
        )
        lines.append(f"| `{name}` | {' or '.join(sides)} | {METRICS[name].unit} | {METRICS[name].means} |")
    return "\n".join(lines) + "\n"


def spread(rows: Sequence[Measured]) -> str:
    """What the choosing half shows of each metric: untouched dubs' extremes, and defects' medians; to choose by."""
    half = [row for row in rows if chosen_on(row.clip)]
    lines = []
    for name in METRICS:
        calm = sorted(row.values[name] for row in half if not row.defect and name in row.values)
        if not calm:
            continue
        lines.append(f"{name}: untouched {' '.join(f'{value:.3g}' for value in (*calm[:3], *calm[-3:]))}")
        for defect, about in DEFECTS.items():
            for strength in about.strengths:
                found = sorted(
                    row.values[name]
                    for row in half
                    if (row.defect, row.strength) == (defect, strength) and name in row.values
                )
                if found and (found[0] < calm[0] or found[-1] > calm[-1]):
                    middle = found[len(found) // 2]
                    lines.append(f"    {defect} {strength:g}: {found[0]:.3g} … {middle:.3g} … {found[-1]:.3g}")
    return "\n".join(lines) + "\n"


def share(part: int, of: int) -> str:
    return f"{part} of {of} ({part / of:.0%})" if of else "none of none"


# ---------------------------------------------------------------- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/planted"))
    parser.add_argument("--clips", help="ids, separated by commas; none: all")
    parser.add_argument("--readme", type=Path, help="write the tables into this file, between its marks")
    parser.add_argument("--spread", action="store_true", help="print what limits are chosen by")
    parser.add_argument("--measured", action="store_true", help="measure nothing more, only count")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "measured.jsonl"
    rows = read(kept)
    if not options.measured:
        known = {row.key for row in rows}
        wanted = options.clips.split(",") if options.clips else None
        with kept.open("a", encoding="utf-8") as file:
            for row in measure_all(options.out, wanted, known):
                file.write(json.dumps(row.__dict__) + "\n")
                file.flush()
                rows.append(row)
                print(row.clip, row.way, row.defect, row.strength, alarms(row.values), file=sys.stderr)
    if options.spread:
        print(spread(rows))
    print(table(rows))
    if options.readme:
        text = options.readme.read_text(encoding="utf-8")
        for mark, content in (("rules", rules_table()), ("defects", table(rows))):
            before, start, rest = text.partition(f"<!-- {mark} -->\n")
            _, end, after = rest.partition(f"<!-- end of {mark} -->")
            text = f"{before}{start}{content}{end}{after}"
        options.readme.write_text(text, encoding="utf-8")


def read(file: Path) -> list[Measured]:
    if not file.exists():
        return []
    return [Measured(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def measure_all(out: Path, wanted: Sequence[str] | None, known: set[tuple[str, str, str, float]]) -> Iterator[Measured]:
    """Every dub that was not measured yet, clip by clip, short clips first."""
    pool, ear = EnginePool(), Ear()
    clips = [clip for name in ("people", "spoken") for clip in load_dataset(ROOT / "datasets" / name).clips]
    for clip in sorted(clips, key=lambda clip: clip.seconds):
        pair = {clip.source_language, clip.target_language}
        skipped = pair != {"en", "pt"} or clip.seconds > LONGEST_S or "hurried" in clip.tags
        if skipped or (wanted and clip.id not in wanted):
            continue
        for way, defect, strength, dubbed, kbps in variants(clip, out, pool):
            if (clip.id, way, defect, strength) not in known:
                values, absent = measured(dubbed, MEASURED, ear, kbps)
                yield Measured(clip.id, way, defect, strength, values, absent)


if __name__ == "__main__":
    main()
