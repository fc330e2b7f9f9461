"""vtlab against the straight script, on every Portuguese and English clip of the data sets.

    python benchmarks/benchmark.py [--clips a,b] [--datasets spoken,people] [--runs N] [--out FOLDER]

Both run as programs of their own, one after the other on the same machine, vtlab with an empty store and then once
more with the full one. What is measured comes from the files they wrote. Writes ``benchmark.json`` (every figure of
every clip, with the machine and the versions) and ``benchmark.md`` (tables) into FOLDER. Clips of two minutes or more
are timed ``N`` times, straight script and vtlab in turn; the others once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from provenance import provenance

from vtlab.audio import Audio, loudness_lufs, mono, resample
from vtlab.evaluation.dataset import Clip, load_dataset
from vtlab.measurement.inspection import measure_speech
from vtlab.measurement.matching import PlannedSegment
from vtlab.metrics.recognition import error_rates
from vtlab.metrics.sound import true_peak_dbtp
from vtlab.metrics.text import resegment
from vtlab.metrics.timing import percentile
from vtlab.metrics.translation import chrf
from vtlab.record import Record
from vtlab.segments import Interval
from vtlab.weights import fetch

ROOT = Path(__file__).parents[1]
PAIRS = {("pt", "en"), ("en", "pt")}
LONG_S = 120.0  # clips of this length or more are the ones speed is measured on
GAP_S = 0.03  # between lines, left out when asking how fast a crowded stretch must be
TOOLS = ("straight", "vtlab")


@dataclass
class Figures:
    """What one tool did with one clip; ``None`` and empty where it could not be measured."""

    clip: str
    tool: str
    tags: tuple[str, ...] = ()
    failed: str | None = None
    wall_s: list[float] = field(default_factory=list)
    again_s: float | None = None
    peak_rss_mb: float | None = None
    lines: int = 0
    unmatched: int = 0
    onsets_ms: list[float] = field(default_factory=list)
    within_150ms: float | None = None
    overlap: float | None = None
    seconds: float = 0.0
    speeds: list[float] = field(default_factory=list)
    speed_step_max: float | None = None
    speed_needed: float | None = None
    overruns: int = 0
    completeness: float | None = None
    tts_wer: float | None = None
    references: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)
    frames_off: int | None = None
    duration_off_frames: float | None = None
    lufs: float | None = None
    peak_dbtp: float | None = None
    findings: dict[str, int] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", help="ids, separated by commas; none: all")
    parser.add_argument("--datasets", default="spoken,people")
    parser.add_argument("--runs", type=int, default=1, help="timed runs of clips of two minutes or more")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="a setting for vtlab")
    parser.add_argument("--out", type=Path, default=Path("benchmark"))
    options = parser.parse_args()
    wanted = options.clips.split(",") if options.clips else None
    tools = options.tools.split(",")
    options.out.mkdir(parents=True, exist_ok=True)

    hear = recogniser()
    results: list[Figures] = []
    for name in options.datasets.split(","):
        for clip in load_dataset(ROOT / "datasets" / name).clips:
            if (clip.source_language, clip.target_language) not in PAIRS or (wanted and clip.id not in wanted):
                continue
            runs = options.runs if clip.seconds >= LONG_S else 1
            for figures, lines, track, result in dub(clip, name, tools, runs, options.set, options.out / "dubs"):
                if figures.failed is None:
                    measure(figures, clip, lines, decode(track), result, hear)
                results.append(figures)
                print(f"{clip.id} {figures.tool} {min(figures.wall_s, default=0):.1f} s", file=sys.stderr)
            write(results, options.out)


# ---------------------------------------------------------------- running

Dubbed = tuple[Figures, list[PlannedSegment], Path, Path]


def dub(
    clip: Clip, dataset: str, tools: Sequence[str], runs: int, settings: Sequence[str], out: Path
) -> Iterable[Dubbed]:
    """Runs the tools in turn ``runs`` times; per tool its figures so far, its lines, speech track and result."""
    figures = {
        tool: Figures(clip.id, tool, (dataset, clip.source_language, *clip.tags), seconds=clip.seconds)
        for tool in tools
    }
    commands = {"straight": straight_command(clip, out), "vtlab": vtlab_command(clip, settings, out)}
    store = out / "store"
    for _ in range(runs):
        for tool in tools:
            shutil.rmtree(store, ignore_errors=True)
            if figures[tool].failed is None:
                run(figures[tool], commands[tool], store)
    if "vtlab" in tools and figures["vtlab"].failed is None:
        if tools[-1] != "vtlab":
            run(Figures(clip.id, "vtlab"), commands["vtlab"], store)
        second = Figures(clip.id, "vtlab")
        run(second, commands["vtlab"], store)
        figures["vtlab"].again_s = None if second.failed else second.wall_s[0]
    for tool in tools:
        found = straight_result(clip, out) if tool == "straight" else vtlab_result(figures[tool], clip, out)
        if figures[tool].failed is not None:
            yield figures[tool], [], Path(), Path()
        else:
            yield figures[tool], *found


def run(figures: Figures, command: Sequence[str], store: Path) -> None:
    """Runs a program to its end; wall time and peak memory, or why it failed."""
    began = time.perf_counter()
    environment = {**os.environ, "VTLAB_STORE": str(store)}
    log = store.parent / "run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sink, stderr=sink)
        _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 3):  # 3: degraded, which the figures will show
        figures.failed = f"exit {code}: {log.read_text(errors='replace')[-400:]}"
        return
    figures.wall_s.append(time.perf_counter() - began)
    figures.peak_rss_mb = max(figures.peak_rss_mb or 0.0, usage.ru_maxrss / 1024)


def straight_command(clip: Clip, out: Path) -> list[str]:
    script = str(Path(__file__).with_name("straight_script.py"))
    pair = ["--from", clip.source_language, "--to", clip.target_language]
    return [sys.executable, script, str(clip.path), *pair, "--out", str((out / "straight").resolve())]


def vtlab_command(clip: Clip, settings: Sequence[str], out: Path) -> list[str]:
    pair = ["--from", clip.source_language, "--to", clip.target_language]
    chosen = ["audio_sync.keep_speech_track=true", *settings]
    sets = [word for setting in chosen for word in ("--set", setting)]
    return [sys.executable, "-m", "vtlab", "dub", str(clip.path), *pair, "--out", str((out / "vtlab").resolve()), *sets]


def straight_result(clip: Clip, out: Path) -> tuple[list[PlannedSegment], Path, Path]:
    stem = out / "straight" / f"{clip.path.stem}.{clip.target_language}"
    file = Path(f"{stem}.lines.json")
    data = json.loads(file.read_text(encoding="utf-8"))["lines"] if file.exists() else []
    lines = [
        PlannedSegment(
            Interval(line["start"], line["end"]),
            Interval(line["placed_start"], line["placed_end"]),
            line["speed"],
            line["translation"],
        )
        for line in data
    ]
    return lines, Path(f"{stem}.speech.wav"), Path(f"{stem}.mp4")


def vtlab_result(figures: Figures, clip: Clip, out: Path) -> tuple[list[PlannedSegment], Path, Path]:
    stem = out / "vtlab" / f"{clip.path.stem}.{clip.target_language}"
    if figures.failed is not None:
        return [], Path(), Path()
    record = Record.model_validate_json(Path(f"{stem}.dub.json").read_text(encoding="utf-8"))
    figures.findings = dict(Counter(finding.code for finding in record.findings))
    lines = [
        PlannedSegment(
            Interval(segment.start, segment.end),
            Interval(segment.planned_start, segment.planned_end),
            segment.speed,
            segment.spoken_text,
        )
        for segment in record.segments
    ]
    result = next(output.file for output in record.outputs if output.kind in ("video", "audio"))
    return lines, Path(f"{stem}.speech.flac"), out / "vtlab" / Path(result).name


# ---------------------------------------------------------------- measuring


def measure(
    figures: Figures,
    clip: Clip,
    lines: list[PlannedSegment],
    track: Audio,
    result: Path,
    hear: Callable[[Audio, str], str],
) -> None:
    reference = [Interval(s.start, s.end) for s in clip.segments if s.start is not None and s.end is not None]
    found = measure_speech(track, lines, decode(clip.path), reference if clip.timed else None)
    onsets = [row.onset_ms for row in found.segments]
    figures.lines, figures.unmatched = len(onsets), onsets.count(None)
    figures.onsets_ms = [round(value, 1) for value in onsets if value is not None]
    figures.within_150ms = found.values.get("sync_within_150ms")
    figures.overlap = found.values.get("speech_overlap")
    figures.speeds = [line.speed for line in sorted(lines, key=lambda line: line.planned.start)]
    figures.speed_step_max = found.values.get("speed_step_max")
    figures.speed_needed = speed_needed(lines)
    figures.overruns = int(found.values.get("overruns", 0))
    figures.completeness = found.values.get("completeness")

    heard = hear(track, clip.target_language)
    given = " ".join(line.text for line in lines)
    figures.tts_wer = error_rates([given], [heard], clip.target_language).wer
    if clip.translated:
        figures.references = [segment.translation or "" for segment in clip.segments]
        figures.hypotheses = resegment(figures.references, heard, clip.target_language)

    mix = decode(result)
    figures.lufs, figures.peak_dbtp = loudness_lufs(mix), true_peak_dbtp(mix)
    frames, fps, duration = picture(clip.path)
    frames_out, _, duration_out = picture(result)
    if fps:
        figures.frames_off = frames_out - frames
    figures.duration_off_frames = round((duration_out - duration) * (fps or 25.0), 2)


def speed_needed(lines: Sequence[PlannedSegment]) -> float | None:
    """Speed at which all lines, one after the other, fill the time from the first one's start to the last one's end."""
    if not lines:
        return None
    natural = sum(line.planned.duration * line.speed for line in lines)
    span = max(line.planned.end for line in lines) - min(line.planned.start for line in lines)
    return natural / (span - GAP_S * (len(lines) - 1))


def recogniser() -> Callable[[Audio, str], str]:
    """The evaluation's own recogniser: Whisper base, beam 5, on what was spoken."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(fetch("whisper/base")), device="cpu", compute_type="int8")

    def hear(audio: Audio, language: str) -> str:
        sound = resample(mono(audio), 16_000).samples
        segments, _ = model.transcribe(
            sound, language=language, beam_size=5, vad_filter=True, condition_on_previous_text=False
        )
        return " ".join(segment.text.strip() for segment in segments)

    return hear


def decode(path: Path) -> Audio:
    """The first audio stream, at its own rate, float32 of shape ``(n, channels)``."""
    with av.open(str(path)) as media:
        stream = media.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        parts = [p.to_ndarray() for frame in media.decode(stream) for p in resampler.resample(frame)]
        parts += [p.to_ndarray() for p in resampler.resample(None)]
        samples = np.concatenate(parts, axis=1).T.astype(np.float32)
        return Audio(samples[:, 0] if samples.shape[1] == 1 else samples, stream.rate)


def picture(path: Path) -> tuple[int, float | None, float]:
    """Video frames, frames a second (``None`` without a picture) and the file's length in seconds."""
    with av.open(str(path)) as media:
        video = next((s for s in media.streams.video if not s.disposition & av.stream.Disposition.attached_pic), None)
        seconds = (media.duration or 0) / av.time_base
        if video is None:
            return 0, None, seconds
        frames = sum(packet.size > 0 for packet in media.demux(video))
        rate = float(video.average_rate or 25)
        if video.duration is not None and video.time_base is not None:
            seconds = float(video.duration * video.time_base)
        return frames, rate, seconds


# ---------------------------------------------------------------- tables


def write(results: Sequence[Figures], out: Path) -> None:
    data = {"of": provenance(), "results": [asdict(figures) for figures in results]}
    (out / "benchmark.json").write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
    head = "\n".join(f"- {key}: {value}" for key, value in data["of"].items())
    (out / "benchmark.md").write_text(f"{head}\n\n{tables(results)}", encoding="utf-8")


def tables(results: Sequence[Figures]) -> str:
    """Quality over groups of clips, speed on the long ones, and every clip."""
    groups = {
        "spoken": [f for f in results if "spoken" in f.tags and "hurried" not in f.tags],
        "people": [f for f in results if "people" in f.tags],
        "hurried": [f for f in results if "hurried" in f.tags],
        "spoken and people, not hurried": [f for f in results if "hurried" not in f.tags],
    }
    text = []
    for name, figures in groups.items():
        if figures:
            text += [f"### {name}", "", *quality_table(figures), ""]
    long = [f for f in results if f.seconds >= LONG_S]
    if long:
        text += ["### Speed (clips of two minutes or more)", "", *speed_table(long), ""]
    text += ["### Every clip", "", *clip_table(results), ""]
    failed = [f"- {f.clip} ({f.tool}): {f.failed}" for f in results if f.failed]
    return "\n".join([*text, *(["### Failed", "", *failed] if failed else [])]) + "\n"


def quality_table(figures: Sequence[Figures]) -> list[str]:
    columns = [pooled([f for f in figures if f.tool == tool and f.failed is None]) for tool in TOOLS]
    rows = ["| measure | straight script | vtlab |", "| --- | --- | --- |"]
    return rows + [f"| {name} | {shown(columns[0][name])} | {shown(columns[1][name])} |" for name in columns[0]]


def pooled(figures: Sequence[Figures]) -> dict[str, float | None]:
    """Figures over all lines of all clips (times and speeds), or over clips by their length (overlap)."""
    onsets = [abs(value) for f in figures for value in f.onsets_ms]
    speeds = [value for f in figures for value in f.speeds]
    lines = sum(f.lines for f in figures)
    on_time = sum((f.within_150ms or 0.0) * f.lines for f in figures)
    overlapped = [(f.overlap, f.seconds) for f in figures if f.overlap is not None]
    references = [text for f in figures for text in f.references]
    hypotheses = [text for f in figures for text in f.hypotheses]
    crowded = [(max(f.speeds), f.speed_needed) for f in figures if f.speeds and f.speed_needed is not None]
    rush = [fastest / needed for fastest, needed in crowded if needed > 1]
    return {
        "clips": float(len(figures)),
        "lines": float(lines),
        "lines not found in the dub": float(sum(f.unmatched for f in figures)),
        "onsets within ±150 ms": on_time / lines if lines else None,
        "mean onset error, ms": statistics.fmean(onsets) if onsets else None,
        "speech overlap": sum(o * s for o, s in overlapped) / sum(s for _, s in overlapped) if overlapped else None,
        "speed, 95th percentile": percentile(speeds, 95),
        "speed, highest": max(speeds, default=None),
        "speed, lowest": min(speeds, default=None),
        "speed step between neighbours, highest": max(
            (f.speed_step_max for f in figures if f.speed_step_max), default=None
        ),
        "highest speed ÷ what all lines in a row need": max(rush, default=None),
        "lines that run into another": float(sum(f.overruns for f in figures)),
        "completeness, lowest": min((f.completeness for f in figures if f.completeness is not None), default=None),
        "chrF of the recognised dub": chrf(references, hypotheses).value,
        "words of the dub not recognised as given (WER)": _mean([f.tts_wer for f in figures]),
        "clips with another number of frames": float(sum(bool(f.frames_off) for f in figures)),
        "length off by more than a frame, clips": float(sum(abs(f.duration_off_frames or 0) > 1 for f in figures)),
        "loudness, lowest LUFS": min((f.lufs for f in figures if f.lufs is not None), default=None),
        "loudness, highest LUFS": max((f.lufs for f in figures if f.lufs is not None), default=None),
        "true peak, highest dBTP": max((f.peak_dbtp for f in figures if f.peak_dbtp is not None), default=None),
        "peak memory, MB": max((f.peak_rss_mb for f in figures if f.peak_rss_mb is not None), default=None),
    }


def speed_table(figures: Sequence[Figures]) -> list[str]:
    rows = [
        "| clip | straight script, best (median) s | vtlab, best (median) s | ratio of bests | again ÷ first | "
        "memory, straight, MB | memory, vtlab, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for clip in dict.fromkeys(f.clip for f in figures):
        by = {f.tool: f for f in figures if f.clip == clip and f.wall_s}
        times = [f"{min(by[t].wall_s):.1f} ({statistics.median(by[t].wall_s):.1f})" if t in by else "" for t in TOOLS]
        ratio = min(by["vtlab"].wall_s) / min(by["straight"].wall_s) if len(by) == len(TOOLS) else None
        ours = by.get("vtlab")
        again = ours.again_s / min(ours.wall_s) if ours and ours.again_s else None
        memory = [shown(by[t].peak_rss_mb) if t in by else "" for t in TOOLS]
        rows.append(f"| {clip} | {times[0]} | {times[1]} | {shown(ratio)} | {shown(again)} | {' | '.join(memory)} |")
    return rows


def clip_table(figures: Sequence[Figures]) -> list[str]:
    rows = [
        "| clip | tool | lines (not found) | within ±150 ms | mean onset, ms | overlap | speed p95 / max / min "
        "| overruns | complete | chrF | frames off | length off, frames | LUFS | dBTP | wall, s | again, s "
        "| findings |",
        "| --- " * 17 + "|",
    ]
    for f in figures:
        onset = statistics.fmean(map(abs, f.onsets_ms)) if f.onsets_ms else None
        speed = " / ".join(
            shown(v) for v in (percentile(f.speeds, 95), max(f.speeds, default=None), min(f.speeds, default=None))
        )
        cells = [
            f.clip, f.tool, f"{f.lines} ({f.unmatched})", shown(f.within_150ms), shown(onset), shown(f.overlap), speed,
            str(f.overruns), shown(f.completeness), shown(chrf(f.references, f.hypotheses).value), shown(f.frames_off),
            shown(f.duration_off_frames), shown(f.lufs), shown(f.peak_dbtp), shown(min(f.wall_s, default=None)),
            shown(f.again_s), ", ".join(f"{code} {count}" for code, count in sorted(f.findings.items())),
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def shown(value: Any) -> str:
    """Three digits that matter; nothing where nothing was measured."""
    if value is None:
        return ""
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


if __name__ == "__main__":
    main()
