"""The pictures of the README, made from a real dub.

    python benchmarks/pictures.py [--out FOLDER]

Dubs one clip of ``spoken``, then draws ``timeline.png`` (where the source and the dub speak, and how fast each line
goes) and ``frame.png`` (a frame of the dub with its subtitles burned in).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import av
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from vtlab.evaluation.dataset import load_dataset
from vtlab.pipeline import dub
from vtlab.record import Record
from vtlab.settings import load_settings

ROOT = Path(__file__).parents[1]
CLIP = "pt_two_friends"
SHOWN_S = 28.0
SOURCE, DUB = "#7f7f7f", "#0072b2"  # apart for the colour-blind, too (Okabe and Ito)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    clip = load_dataset(ROOT / "datasets" / "spoken").clip(CLIP)
    settings = load_settings(
        assignments=[
            f"source_language={clip.source_language}",
            f"target_language={clip.target_language}",
            "video_combination.burn_subtitles=true",
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        made = dub(clip.path, settings=settings, out=folder)
        draw_timeline(made.record, out / "timeline.png")
        draw_frame(made.video, made.record.segments[1].planned_start + 1.0, out / "frame.png")


def draw_timeline(record: Record, out: Path) -> None:
    figure, (lines, speeds) = plt.subplots(
        2, 1, figsize=(10, 3.6), sharex=True, height_ratios=[2, 1.2], layout="constrained"
    )
    for segment in record.segments:
        _bar(lines, segment.start, segment.end, 1, SOURCE, segment.text)
        _bar(lines, segment.planned_start, segment.planned_end, 0, DUB, segment.spoken_text)
        speeds.hlines(segment.speed, segment.planned_start, segment.planned_end, color=DUB, linewidth=4)
    lines.set_yticks([0, 1], [f"dub ({record.target_language})", f"source ({record.source_language})"])
    lines.set_ylim(-0.6, 1.6)
    speeds.axhspan(0.9, 1.1, color=SOURCE, alpha=0.2, linewidth=0)
    speeds.set_ylim(0.8, 1.35)
    speeds.set_ylabel("speed")
    speeds.set_xlabel("seconds")
    speeds.set_xlim(0, min(SHOWN_S, record.source.seconds))
    for axes in (lines, speeds):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _bar(axes: Axes, start: float, end: float, row: int, colour: str, text: str) -> None:
    axes.barh(row, end - start, left=start, height=0.7, color=colour, alpha=0.85)
    room = int((end - start) * 5.2)
    shown = text if len(text) <= room else text[: max(0, room - 1)] + "…"
    axes.text(start + 0.1, row, shown, va="center", fontsize=7, color="white", clip_on=True)


def draw_frame(video: Path, at: float, out: Path) -> None:
    with av.open(str(video)) as container:
        container.seek(int(at * 1_000_000))
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= at:
                frame.to_image().resize((640, 360)).save(out)
                return


if __name__ == "__main__":
    main()
