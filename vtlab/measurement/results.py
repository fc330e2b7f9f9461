"""What was measured on one dub, and how it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from vtlab.metrics.bootstrap import intervals
from vtlab.metrics.display import format_interval, format_target, format_unit, format_value, format_verdict
from vtlab.metrics.metric import Metric
from vtlab.metrics.partition import list_units
from vtlab.metrics.registry import GROUPS, METRICS, find_metric, is_metric, sort_headlines_first
from vtlab.metrics.rows import ClipRows
from vtlab.metrics.text import library
from vtlab.metrics.units import Unit

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class MetricScore:
    """One metric of a measurement; ``value`` is ``None`` where it could not be measured, ``why_absent`` the reason."""

    metric: Metric
    measurement: Measurement

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.metric.name

    @property
    def value(self) -> float | None:
        """The value in the metric's unit."""
        return self.measurement.values.get(self.name)

    @property
    def unit(self) -> str:
        """The metric's unit; ``1`` for shares and ratios."""
        return self.metric.unit

    @property
    def target(self) -> tuple[float | None, float | None] | None:
        """Lowest and highest value of a good dub, either open."""
        return self.metric.target

    @property
    def verdict(self) -> bool | None:
        """Whether the target is met; ``None`` without a value or a target."""
        return None if self.value is None else self.metric.verdict(self.value)

    @property
    def why_absent(self) -> str | None:
        """The reason why it was not measured; ``None`` where it was."""
        if self.value is not None:
            return None
        return self.measurement.absent.get(self.name, "it was not asked for")

    @property
    def signature(self) -> str | None:
        """How it was computed: versions, tokeniser, normaliser, number of segments."""
        return self.measurement.signatures.get(self.name)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval over the segments of the clip; ``None`` for extremes, and of too few segments."""
        return intervals({"": self.measurement}, [self.name]).get(self.name)

    def __str__(self) -> str:
        written = format_value(self.name, self.value)
        return f"{self.name} {written} {format_unit(self.name)}".rstrip()


class Measurement(ClipRows):
    """Hold what was measured on a dub: values, signatures, reasons for what is absent, and the rows behind them.

    ``measurement["wer"]`` is one metric; ``to_frame()`` a table of all; ``lines()`` a table of the segments.
    """

    def __getitem__(self, name: str) -> MetricScore:
        """Return one metric.

        Raises:
            SettingsError: There is no metric of that name; names the nearest.
        """
        return MetricScore(find_metric(name), self)

    def scores(self) -> Iterator[MetricScore]:
        """Yield every metric that was measured, then those that could not be, headlines first."""
        for names in (self.values, self.absent):
            for name in sort_headlines_first(names):
                yield self[name]

    def to_frame(self) -> DataFrame:
        """Return a row for each metric, headlines first: value, interval, unit, target, verdict, meaning, signature."""
        bounds = intervals({"": self})
        rows = [
            {
                "metric": score.name,
                "value": score.value,
                "low": bounds.get(score.name, (None, None))[0],
                "high": bounds.get(score.name, (None, None))[1],
                "unit": score.unit,
                "target": format_target(score.name),
                "verdict": "" if score.value is None else format_verdict(score.name, score.value),
                "means": score.metric.means,
                "why_absent": score.why_absent or "",
                "signature": score.signature or "",
            }
            for score in self.scores()
        ]
        frame: DataFrame = library("pandas").DataFrame(rows)
        return frame.set_index("metric") if rows else frame

    def lines(self) -> DataFrame:
        """Return a row for each segment: times, texts, voice, drift, speed, and its own scores."""
        frame: DataFrame = library("pandas").DataFrame(
            [self._line(unit) for unit in list_units({"": self}, "segments")]
        )
        return frame

    def _line(self, unit: Unit) -> dict[str, object]:
        assert unit.segment is not None  # units of segments have one
        row = unit.segment.model_dump(exclude={"gold_transcript"})
        speeds = [segment.speed for segment in unit.dub_segments if segment.speed is not None]
        voices = dict.fromkeys(segment.voice for segment in unit.dub_segments if segment.voice is not None)
        row["spoken"] = " ".join(segment.text for segment in unit.dub_segments if segment.text) or None
        row["voice"] = ", ".join(voices) or None
        row["speed"] = sum(speeds) / len(speeds) if speeds else None
        known = ((name, find_metric(name)) for name in sort_headlines_first(self.values) if is_metric(name))
        # of this package's only the headlines: all would be three dozen columns
        own = ((n, metric) for n, metric in known if metric.headline is not None or n not in METRICS)
        return row | {name: metric.value([unit]) for name, metric in own if metric.over == "segments"}

    def _repr_html_(self) -> str:
        """Return a table by subject, as notebooks show it."""
        scores, bounds = list(self.scores()), intervals({"": self})
        rows = []
        for group in (*GROUPS, ""):
            own = [score for score in scores if score.value is not None and score.metric.group == group]
            if own:
                rows.append(f"<tr><th colspan='4' style='text-align:left'>{group or 'more'}</th></tr>")
                rows += [_html_row(score, bounds.get(score.name)) for score in own]
        absent = "".join(
            f"<li>{escape(', '.join(names))}: {escape(why)}</li>" for why, names in self.absent_by_reason().items()
        )
        table = f"<table><tbody>{''.join(rows)}</tbody></table>"
        return table + (f"<details><summary>Not measured</summary><ul>{absent}</ul></details>" if absent else "")

    def absent_by_reason(self) -> dict[str, list[str]]:
        """Return the metrics that could not be measured, by the reason."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.absent.items():
            reasons.setdefault(reason, []).append(name)
        return reasons


def _html_row(score: MetricScore, bounds: tuple[float, float] | None) -> str:
    interval = "" if bounds is None else format_interval(score.name, *bounds)
    verdict = "" if score.value is None else format_verdict(score.name, score.value)
    cells = (f"{score} {interval}".rstrip(), format_target(score.name), verdict, score.metric.means)
    return "<tr>" + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells) + "</tr>"
