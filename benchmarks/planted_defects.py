"""Can the numbers be trusted? Defects planted into good dubs, and which metric finds them.

    PYTHONPATH=tests python benchmarks/planted_defects.py [--out FOLDER] [--clips a,b] [--readme FILE]

Dubs every Portuguese and English clip of up to a minute of ``datasets/spoken`` and ``datasets/people`` in several ways
(``WAYS``), plants the ten defects of ``defects.py``, at each of their strengths, into the first of them, and measures
all as any dub is measured: the mix encoded to AAC, the speech track, the record, the reference. Then ``RULES`` decide:
one limit per metric, the same for every clip. The limits were chosen on one half of the clips (``chosen_on``); what is
reported was counted on the other half. FOLDER keeps the dubs and ``measured.jsonl``; what is in it is not made again.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation.defects import DEFECTS, Parts, taken_apart, write_mix, write_track

from vtlab.audio import Audio
from vtlab.engines import engine_class
from vtlab.engines.pool import EnginePool
from vtlab.evaluation.dataset import Clip, load_dataset
from vtlab.measurement.inspection import measure
from vtlab.measurement.recognizer import Recognizer
from vtlab.measurement.results import Measurement
from vtlab.metrics.registry import METRICS
from vtlab.pipeline import dub
from vtlab.record import Record
from vtlab.settings import load_settings

ROOT = Path(__file__).parents[1]
LONGEST_S = 60.0  # longer clips only take longer

REPLAYED = [
    "transcription.engine=reference",
    "transcription.options.reference.file={manifest}",
    "transcription.options.reference.clip={clip}",
    "translation.engines=[reference]",
    "translation.options.reference.file={manifest}",
]
# how the good dubs are made; defects are planted into the first, the others are there for false alarms only
WAYS: dict[str, dict[str, list[str]]] = {
    "default": {"en": [], "pt": []},
    "replayed": {"en": REPLAYED, "pt": REPLAYED},
    "other_voice": {
        "en": [*REPLAYED, "tts.engines=[kokoro]", "tts.voice=af_heart"],
        "pt": [*REPLAYED, "tts.voice=pm_alex"],
    },
}
FIRST = next(iter(WAYS))
AGAIN_KBPS = 64  # a good dub encoded to AAC once more is a good dub

# what is measured together, and which defects could move it
GROUPS: dict[str, tuple[str, ...]] = {
    "lines": (
        "chrf",
        "translation_quality",
        "sync_onset_mean_abs_ms",
        "sync_within_150ms",
        "sync_drift_p95_ms",
        "sync_drift_max_ms",
        "speech_overlap",
        "speech_iou",
        "uncovered_s",
        "invented_lines",
        "duration_compliance_20",
        "speed_min",
        "speed_max",
        "speed_step_max",
        "overruns",
        "tail_cut_max_s",
        "completeness",
        "loudness_spread_db",
    ),
    "sound": ("source_leak_db", "background_loss_db"),
    "ear": (
        "asr_chrf",
        "tts_wer",
        "truncated_words",
    ),  # the dub is recognised again: dear, so at the bold strengths only
}


@dataclass(frozen=True)
class Measured:
    """What was measured on one dub; ``defect`` is empty where it is untouched, ``strength`` 0."""

    clip: str
    way: str
    defect: str
    strength: float
    values: dict[str, float]

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


# limits just beyond what the untouched dubs of the choosing half reach (``--spread`` prints that)
RULES = {
    "sync_within_150ms": Rule(low=0.8),
    "sync_onset_mean_abs_ms": Rule(high=100.0),
    "speed_max": Rule(high=1.25),
    "tail_cut_max_s": Rule(high=0.05),
    "completeness": Rule(low=1.0),
    "overruns": Rule(high=0.0),
    "invented_lines": Rule(high=0.0),
    "translation_quality": Rule(low=97.0),
    "tts_wer": Rule(high=0.25),
    "background_loss_db": Rule(high=6.0),
    "source_leak_db": Rule(high=-50.0),
}


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
        chosen = [setting.format(manifest=clip.path.parents[1] / "manifest.jsonl", clip=clip.id) for setting in chosen]
        dub(clip.path, settings=load_settings(assignments=chosen, environment={}), out=folder, pool=pool)
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


@dataclass(frozen=True)
class Variant:
    """A dub to be measured; ``make`` gives it, or ``None`` where the defect has no place in the clip."""

    way: str
    defect: str
    strength: float
    make: Callable[[], Parts | None]
    kbps: int | None = None


def variants(clip: Clip, ways: Sequence[str], out: Path, pool: EnginePool) -> Iterator[Variant]:
    """Untouched dubs, then the planted ones."""
    first = cache(partial(good_dub, clip, FIRST, out, pool))
    yield Variant(FIRST, "", 0.0, first)
    yield Variant("encoded_again", "", 0.0, first, AGAIN_KBPS)
    for way in ways:
        if way != FIRST and (clip.translated or WAYS[way][clip.target_language][:1] != REPLAYED[:1]):
            yield Variant(way, "", 0.0, partial(good_dub, clip, way, out, pool))
    for name, defect in DEFECTS.items():
        for strength in defect.strengths:
            yield Variant(FIRST, name, strength, lambda plant=defect.plant, at=strength: plant(first(), at))


def measured(dubbed: Parts, metrics: Sequence[str], recognizer: Recognizer, kbps: int | None = None) -> Measurement:
    """What ``vtlab measure`` finds in a dub, from files."""
    clip = dubbed.clip
    with TemporaryDirectory() as folder:
        mix, track = write_mix(dubbed, Path(folder) / "mix", kbps), write_track(dubbed, Path(folder) / "speech.flac")
        return measure(
            mix,
            clip.path,
            clip.source_language,
            clip.target_language,
            reference=clip.segments,
            record=dubbed.record,
            speech_track=track,
            metrics=metrics,
            recognizer=recognizer,
        )


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
        f"False alarms: {share(len(false), len(untouched))} of the untouched dubs"
        f" ({', '.join(f'{group} measured on {of_group(untouched, group)}' for group in GROUPS)}).",
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


def of_group(rows: Sequence[Measured], group: str) -> int:
    """How many of the dubs were measured so."""
    return sum(not row.values.keys().isdisjoint(GROUPS[group]) for row in rows)


def share(part: int, of: int) -> str:
    return f"{part} of {of} ({part / of:.0%})" if of else "none of none"


# ---------------------------------------------------------------- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/planted"))
    parser.add_argument("--clips", help="ids, separated by commas; none: all")
    parser.add_argument("--ways", default=",".join(WAYS), help="how good dubs are made, separated by commas")
    parser.add_argument("--defects", help="names, separated by commas; none: all")
    parser.add_argument("--groups", default=",".join(GROUPS), help="of metrics, separated by commas")
    parser.add_argument("--count", action="store_true", help="measure nothing more, only count")
    parser.add_argument("--spread", action="store_true", help="print what limits are chosen by")
    parser.add_argument("--readme", type=Path, help="write the tables into this file, between its marks")
    options = parser.parse_args()
    if not options.count:
        clips = [clip for clip in suitable() if not options.clips or clip.id in options.clips.split(",")]
        defects = options.defects.split(",") if options.defects else list(DEFECTS)
        for group in options.groups.split(","):
            measure_all(clips, options.ways.split(","), defects, group, options.out)
    rows = read(options.out)
    print(spread(rows) if options.spread else table(rows))
    if options.readme:
        text = options.readme.read_text(encoding="utf-8")
        for mark, content in (("rules", rules_table()), ("defects", table(rows))):
            before, start, rest = text.partition(f"<!-- {mark} -->\n")
            _, end, after = rest.partition(f"<!-- end of {mark} -->")
            text = f"{before}{start}{content}{end}{after}"
        options.readme.write_text(text, encoding="utf-8")


def suitable() -> list[Clip]:
    """The clips that good dubs are made of, short ones first."""
    clips = [clip for name in ("people", "spoken") for clip in load_dataset(ROOT / "datasets" / name).clips]
    chosen = [clip for clip in clips if {clip.source_language, clip.target_language} == {"en", "pt"}]
    return sorted(
        (clip for clip in chosen if clip.seconds <= LONGEST_S and "hurried" not in clip.tags), key=lambda c: c.seconds
    )


def measure_all(clips: Sequence[Clip], ways: Sequence[str], defects: Sequence[str], group: str, out: Path) -> None:
    """Measures every dub that was not yet measured so, and keeps what was found."""
    folder = out / "measured"
    folder.mkdir(parents=True, exist_ok=True)
    pool, recognizer = EnginePool(), Recognizer()
    for clip in clips:
        for each in variants(clip, ways, out, pool):
            bold = not each.defect or each.strength == DEFECTS[each.defect].nominal
            wanted = (not each.defect or each.defect in defects) and (bold or group != "ear")
            file = folder / f"{clip.id}.{each.way}.{each.defect or 'untouched'}.{each.strength:g}.{group}.json"
            if not wanted or file.exists():
                continue
            dubbed = each.make()
            if dubbed is not None:
                found = measured(dubbed, GROUPS[group], recognizer, each.kbps)
                file.write_text(found.model_dump_json(), encoding="utf-8")
                print(file.name, alarms(found.values), file=sys.stderr)


def read(out: Path) -> list[Measured]:
    """What was measured, all groups of a dub together."""
    rows: dict[tuple[str, str, str, float], Measured] = {}
    for file in sorted((out / "measured").glob("*.json")):
        clip, way, defect, *strength, _ = file.stem.split(".")
        values = Measurement.model_validate_json(file.read_text(encoding="utf-8")).values
        row = Measured(clip, way, "" if defect == "untouched" else defect, float(".".join(strength)), {})
        rows.setdefault(row.key, row).values.update(values)
    return list(rows.values())


if __name__ == "__main__":
    main()
