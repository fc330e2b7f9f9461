"""Runs as people see them: tables, pictures, and a page with the worst segments to listen to."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from vtlab import media, plots
from vtlab.audio import Audio, cut, fade
from vtlab.errors import InputError
from vtlab.evaluation.compare.figures import plot_losses
from vtlab.evaluation.compare.listening import describe_values
from vtlab.evaluation.compare.sounds import FADE_S, decode_sound
from vtlab.evaluation.compare.systems import System, from_results
from vtlab.evaluation.show.pages import HtmlPage, draw, render_page
from vtlab.evaluation.show.worst import WorstSegment, worst_segments
from vtlab.evaluation.sweep.losses import find_losses
from vtlab.evaluation.sweep.results import RESULT, ClipResult, Corpus, add_counts, aggregate_results, read_result
from vtlab.evaluation.tracking.lookup import load_tracked_run
from vtlab.evaluation.tracking.systems import load_system
from vtlab.languages import language_name
from vtlab.media.snippets import data_url
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.bootstrap import intervals
from vtlab.metrics.display import describe, format_interval, format_target, format_unit, format_value, format_verdict
from vtlab.metrics.registry import choose_headlines, sort_headlines_first
from vtlab.metrics.text import library
from vtlab.record import Record
from vtlab.releases.evidence import Gate

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

RESULTS = Path("out/eval")  # where `vtlab eval` leaves results by default
AROUND_S = 0.3  # heard before and after a segment
LONGEST_S = 12.0  # of a snippet
SOUND_KBPS = 40


@dataclass(frozen=True)
class Run(HtmlPage):
    """A configuration's results, or a measurement of any tool's dub; a notebook shows it as its page.

    Attributes:
        system: Its measurements by clip.
        results: The result of each clip; empty for a measurement alone.
        gates: The gates of its suite.
        settings: Its settings as YAML.
        origin: Where it comes from, name and value.
        weights: SHA-256 of weights, by name.
        media: Source and dub of each clip, where both files are there.
        listened: What listeners preferred, in sentences.
        run_id: Its id in MLflow.

    Examples:
        >>> import vtlab
        >>> vtlab.load_run("smoke/beam_size=1").write("run.html")
    """

    system: System
    results: tuple[ClipResult, ...] = ()
    gates: dict[str, Gate] = field(default_factory=dict)
    settings: str = ""
    origin: tuple[tuple[str, str], ...] = ()
    weights: tuple[tuple[str, str], ...] = ()
    media: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    listened: tuple[str, ...] = ()
    run_id: str | None = None

    @property
    def name(self) -> str:
        """The name of the configuration or file."""
        return self.system.name

    @property
    def corpus(self) -> Corpus:
        """The values over all clips, losses per stage among them."""
        if self.results:
            return aggregate_results(self.results)
        scores = aggregate(list(self.system.clips.values()))
        return Corpus(scores.values, scores.signatures, len(self.system.clips), 0)

    def to_frame(self, text: bool = False) -> DataFrame:
        """Return a row per metric, headlines first: value, 95 % interval, unit, target, verdict, meaning, signature.

        Args:
            text: Write numbers as people read them, with the decimals of their metric.
        """
        corpus = self.corpus
        bounds = intervals(self.system.clips, corpus.values)
        rows = []
        for name in sort_headlines_first(corpus.values):
            value, (low, high) = corpus.values[name], bounds.get(name, (None, None))
            row: dict[str, object] = {"metric": name, "value": value, "low": low, "high": high}
            if text:
                interval = format_interval(name, low, high)
                row = {"metric": name, "value": format_value(name, value), "95 % interval": interval}
            rows.append(
                row
                | {
                    "unit": format_unit(name),
                    "target": format_target(name),
                    "verdict": format_verdict(name, value),
                    "means": describe(name),
                    "signature": corpus.signatures.get(name, ""),
                }
            )
        frame: DataFrame = library("pandas").DataFrame(rows)
        return frame.set_index("metric") if rows else frame

    def clips(self, metrics: Iterable[str] | None = None) -> DataFrame:
        """Return a row per clip: its status, these metrics (by default the headlines), and why it failed."""
        import pandas as pd

        rows = []
        for result in self.results:
            got = {} if result.measurement is None else result.measurement.values
            names = choose_headlines(got) if metrics is None else metrics
            values = {name: format_value(name, got[name]) for name in names if name in got}
            rows.append({"clip": result.clip, "status": result.status, **values, "why": result.error or ""})
        return pd.DataFrame(rows).set_index("clip").fillna("") if rows else pd.DataFrame()

    def answers(self) -> DataFrame:
        """Return a row per stage: answers of its engine and whole dubs, computed or from the store."""
        import pandas as pd

        counts = add_counts(result.stages for result in self.results)
        return pd.DataFrame.from_dict({stage: count.model_dump() for stage, count in counts.items()}, orient="index")

    def absent(self) -> DataFrame:
        """Return a row per metric that could not be measured and reason, with the number of clips."""
        import pandas as pd

        rows = [{"metric": name, "clips": count, "why": why} for (name, why), count in self._absent().items()]
        return pd.DataFrame(rows or [{"metric": "", "clips": 0, "why": "nothing"}]).set_index("metric")

    def plot_drift(self) -> Figure | None:
        """Draw how late each segment of each clip starts and ends; `None` where no times are known."""
        timed = {
            clip: one for clip, one in self.system.clips.items() if any(row.start is not None for row in one.segments)
        }
        return plots.drift(timed) if timed else None

    def plot_speeds(self) -> Figure | None:
        """Draw a histogram of the segments' speeds; `None` where no speed is known."""
        measured = self.system.clips.values()
        speeds = [line.speed for one in measured for line in one.dub_segments if line.speed is not None]
        return plots.speed_histogram({self.name: speeds}) if speeds else None

    def plot_losses(self) -> Figure | None:
        """Draw the losses per stage; `None` without any."""
        return plot_losses(find_losses(self.name, self.system.clips, self.system.gold))

    def page(self) -> str:
        """Return the run as one HTML page."""
        measured = list(self.system.clips.values())
        scores = aggregate(measured)
        worst = worst_segments(self.system.clips)
        pairs = (f"{language_name(one.source_language)} to {language_name(one.target_language)}" for one in measured)
        return render_page(
            "run",
            run=self,
            values=scores.values,
            signatures=scores.signatures,
            intervals=intervals(self.system.clips),
            absent=[(name, why, count) for (name, why), count in self._absent().items()],
            pairs=dict.fromkeys(pairs),
            worst=[(one, self._sounds(one)) for one in worst],
            silent=[clip for clip in dict.fromkeys(one.clip for one in worst) if clip not in self.media],
            drift=draw(self.plot_drift()),
            speeds=draw(self.plot_speeds()),
            lost=draw(self.plot_losses()),
        )

    def _absent(self) -> Counter[tuple[str, str]]:
        return Counter(reason for one in self.system.clips.values() for reason in one.absent.items())

    def _sounds(self, segment: WorstSegment) -> tuple[str, str] | None:
        """Return the segment in source and dub as data URIs; `None` where the files are missing."""
        row = segment.unit.segment
        if segment.clip not in self.media or row is None or row.start is None or row.end is None:
            return None
        source, dubbed = (_decode(file) for file in self.media[segment.clip])
        start = row.start if row.dubbed_start is None else row.dubbed_start
        end = row.end if row.dubbed_end is None else row.dubbed_end
        return _snippet(source, row.start, row.end), _snippet(dubbed, start, end)


def load_run(run: str | Path, results: str | Path = RESULTS, *, uri: str | None = None) -> Run:
    """Load a run to look at its numbers, pictures and worst segments.

    Args:
        run: A run in MLflow (its id, `suite/configuration`, or its configuration's name), a configuration's folder of
            results, or a file of `vtlab measure --json`.
        results: Where `vtlab eval` left the dubs, for the players of a run in MLflow.
        uri: The tracking store; by default `$MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder.

    Returns:
        The run; `Run.to_frame()` is its table of metrics, and a notebook shows it as a page.

    Raises:
        InputError: `E_RUN`; there is no such run, or a folder holds several configurations.

    Examples:
        >>> import vtlab
        >>> run = vtlab.load_run("smoke/beam_size=1")
        >>> float(run.to_frame().loc["completeness", "value"])
        1.0
    """
    path = Path(run)
    if not path.exists():
        return _from_tracking(str(run), Path(results), uri)
    systems = load_system(path)
    if len(systems) > 1:
        listed = ", ".join(system.name for system in systems)
        raise InputError(f"{run} holds several configurations ({listed}); name the folder of one.", code="E_RUN")
    return _from_folder(systems[0], path) if path.is_dir() else Run(systems[0], origin=(("file", str(run)),))


def _from_folder(system: System, folder: Path) -> Run:
    results = _read_results(folder)
    records = [record for result in results if (record := _read_record(folder / result.clip, result)) is not None]
    first = results[0]
    weights = {
        (f"{weight['name']} ({engine.stage})", weight["sha256"])
        for record in records
        for engine in record.engines
        for weight in engine.weights
    }
    return Run(
        system,
        tuple(results),
        settings=_yaml(records[0].settings) if records and records[0].settings else "",
        origin=(
            ("suite / configuration", system.name),
            ("fingerprint", records[0].fingerprint if records else first.fingerprint),
            ("data set", f"{first.dataset}, digest {first.dataset_digest}"),
            ("folder", str(folder)),
        ),
        weights=tuple(sorted(weights)),
        media=_find_media(folder, system),
    )


def _from_tracking(run: str, results: Path, uri: str | None) -> Run:
    tracked = load_tracked_run(run, uri=uri)
    system = from_results(f"{tracked.suite}/{tracked.name}", tracked.results)
    folder = results / tracked.suite / tracked.name
    kept = {result.clip: result.key for result in _read_results(folder)}
    same = {result.clip for result in tracked.results if kept.get(result.clip) == result.key}
    commit = (tracked.commit or "unknown") + (" and changes that were not committed" if tracked.dirty else "")
    return Run(
        system,
        tracked.results,
        gates=tracked.gates,
        settings=_yaml(tracked.settings),
        origin=(
            ("suite / configuration", f"{tracked.suite} / {tracked.name}"),
            ("MLflow run", tracked.run_id),
            ("started", f"{tracked.started:%Y-%m-%d %H:%M} UTC"),
            ("fingerprint", tracked.fingerprint),
            ("commit", commit),
            ("data set", f"{tracked.dataset}, digest {tracked.dataset_digest}"),
            *(("engine, " + stage, engine) for stage, engine in sorted(tracked.engines.items())),
        ),
        weights=tuple(sorted(tracked.weights.items())),
        media={clip: files for clip, files in _find_media(folder, system).items() if clip in same},
        listened=tuple(describe_values(tracked.listened, tracked.listened_against)),
        run_id=tracked.run_id,
    )


def _yaml(settings: dict[str, object]) -> str:
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _read_results(folder: Path) -> list[ClipResult]:
    found = (read_result(file.parent) for file in sorted(folder.glob(f"*/{RESULT}")))
    return [result for result in found if result is not None]


def _read_record(home: Path, result: ClipResult) -> Record | None:
    if result.record is None or not (home / result.record).is_file():
        return None
    return Record.model_validate_json((home / result.record).read_text(encoding="utf-8"))


def _find_media(folder: Path, system: System) -> dict[str, tuple[Path, Path]]:
    """Return source and dub of each clip that has both."""
    found = {}
    for result in _read_results(folder):
        record = _read_record(folder / result.clip, result)
        if record is None or result.media is None or result.clip not in system.clips:
            continue
        pair = (Path(record.source.file), folder / result.clip / result.media)
        if all(file.is_file() for file in pair):
            found[result.clip] = pair
    return found


@cache
def _decode(file: Path) -> Audio:
    return decode_sound(file)


def _snippet(audio: Audio, start: float, end: float) -> str:
    """Return the sound from `start` to `end`, seconds, and a little around it, as a data URI."""
    piece = fade(cut(audio, start - AROUND_S, min(end + AROUND_S, start + LONGEST_S)), FADE_S)
    with tempfile.TemporaryDirectory(prefix="vtlab-") as folder:
        out = Path(folder) / "sound.m4a"
        media.write_aac([piece.samples.astype(np.float32)[:, None]], piece.rate, 1, SOUND_KBPS, out)
        return data_url(out.read_bytes(), "audio/mp4")
