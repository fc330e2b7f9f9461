"""Pages to mail: a comparison with its pictures, and a run with its worst segments to listen to.

Each is one file that asks the network for nothing: pictures are SVG in the page, sounds are AAC in data URIs. It reads
in light and dark, on a telephone, and on paper: where it is narrow, a table's row becomes a few lines, and pictures
scroll rather than shrink.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtlab import __version__, media, plots
from vtlab.audio import Audio, cut, fade
from vtlab.errors import InputError
from vtlab.evaluation.compare import listening
from vtlab.evaluation.compare.comparison import STAGES_LOST, Candidate, Comparison, Loss, Pairing, load, losses
from vtlab.evaluation.show import terminal as shown
from vtlab.evaluation.suite.model import Gate
from vtlab.evaluation.sweep.results import RESULT, ClipResult, read_result
from vtlab.files import atomic_write, check_kind
from vtlab.languages import language_name
from vtlab.measurement.results import Measurement
from vtlab.metrics.bootstrap import intervals
from vtlab.metrics.pooling import pool
from vtlab.metrics.registry import METRICS, find_metric, in_order
from vtlab.metrics.units import Unit, units_of
from vtlab.record import Record

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup
    from matplotlib.figure import Figure

WORST = 10  # segments to listen to
AROUND_S = 0.3  # heard before and after a segment
LONGEST_S = 12.0  # of a snippet
SOUND_KBPS = 40
FADE_S = 0.02
LATE_MS = plots.ONSET_MS
MISHEARD, UNLIKE = 0.2, 50.0  # word errors above, chrF below: worth telling
SHARE_OF_PLOT = 24  # metrics that the picture of differences shows at most


@dataclass(frozen=True)
class WorstSegment:
    """A segment worth listening to: what is wrong with it, and how badly (for the order)."""

    clip: str
    unit: Unit
    reasons: tuple[str, ...]
    badness: float


@dataclass(frozen=True)
class Page:
    """What a run's page shows.

    ``media``: per clip the source and the dubbed file, where they are at hand; ``listened``: what listeners said of it,
    in sentences.
    """

    candidate: Candidate
    gates: dict[str, Gate] = field(default_factory=dict)
    settings: str = ""
    origin: tuple[tuple[str, str], ...] = ()
    weights: tuple[tuple[str, str], ...] = ()
    media: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    listened: tuple[str, ...] = ()


def write(file: Path, page: str) -> None:
    """Writes a page; ``InputError`` where its folder cannot take it."""
    try:
        check_kind(file, "an HTML page", [b"<!doctype html", b"<html"])
        atomic_write(file, page)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {error.strerror}. Choose another file.", code="E_REPORT"
        ) from error


# ---------------------------------------------------------------- a comparison


def comparison_page(found: Comparison) -> str:
    """The comparison as a page."""
    pictures = {pairing.name: _picture(forest(pairing)) for pairing in found.pairings if _judged(pairing)}
    return _template("comparison").render(
        found=found,
        pictures=pictures,
        trade=_picture(trade(found)),
        lost=_picture(lost(found.losses)),
        stages=STAGES_LOST,
        metrics=in_order(name for one in found.candidates for name in one.values),
        made=_made(),
        **_writing(),
    )


def _judged(pairing: Pairing) -> list[Any]:
    return [one for one in pairing.differences if one.low is not None and one.high is not None]


def forest(pairing: Pairing) -> Figure:
    changes = []
    for one in _judged(pairing)[:SHARE_OF_PLOT]:
        better = find_metric(one.metric).better
        text = f"{shown.number(one.metric, one.difference, signed=True)} {shown.unit(one.metric)}".strip()
        text += f"  {shown.span(one.metric, one.low, one.high, signed=True)}"
        sign = {"higher": 1, "lower": -1, "target": 0}[better]
        changes.append(plots.Change(one.metric, one.difference, one.low, one.high, sign, text))
    return plots.differences(
        changes, "Differences with 95 % intervals; filled where one is shown, a scale for each metric"
    )


def trade(found: Comparison) -> Figure | None:
    quality, cost = found.quality, found.cost
    if quality is None or cost is None:
        return None
    points = [plots.Point(one.name, one.values[quality], one.values[cost], one.best) for one in found.candidates]
    return plots.pareto(points, quality, cost, lower_is_better=find_metric(quality).better == "lower")


def lost(found: Sequence[Loss]) -> Figure | None:
    if not found:
        return None
    return plots.losses(
        [plots.Estimate(STAGES_LOST[one.name], one.candidate, one.value, one.low, one.high) for one in found]
    )


# ---------------------------------------------------------------- a run


def load_page(run: str, results: Path = Path("out/eval"), *, uri: str | None = None) -> Page:
    """What the page of a run needs, whatever its name means (see ``vtlab.evaluation.compare.comparison.load``).

    Sounds come from a folder of results: the run's own, or ``results``, where ``vtlab eval`` left it.
    """
    candidates = load(run, uri=uri)
    if len(candidates) > 1:
        listed = ", ".join(candidate.name for candidate in candidates)
        raise InputError(f"{run} holds several configurations ({listed}); name the folder of one.", code="E_RUN")
    candidate = candidates[0]
    if Path(run).is_file():
        return Page(candidate, origin=(("file", run),))
    if Path(run).is_dir():
        return _page_of_folder(candidate, Path(run))
    return _page_of_tracked(candidate, run, results, uri)


def _page_of_folder(candidate: Candidate, folder: Path) -> Page:
    import yaml

    found = _results(folder)
    records = [record for result in found if (record := _record(folder / result.clip, result)) is not None]
    first = found[0]
    weights = {
        (f"{weight['name']} ({engine.stage})", weight["sha256"])
        for record in records
        for engine in record.engines
        for weight in engine.weights
    }
    settings = records[0].settings if records else {}
    return Page(
        candidate,
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True) if settings else "",
        origin=(
            ("suite / configuration", candidate.name),
            ("fingerprint", records[0].fingerprint if records else first.fingerprint),
            ("data set", f"{first.dataset}, digest {first.dataset_digest}"),
            ("folder", str(folder)),
        ),
        weights=tuple(sorted(weights)),
        media=_media(folder, candidate),
    )


def _page_of_tracked(candidate: Candidate, run: str, results: Path, uri: str | None) -> Page:
    import yaml

    from vtlab.evaluation.tracking import runs as tracking

    tracked = tracking.load_run(run, uri=uri)
    folder = results / tracked.suite / tracked.name
    here = {result.clip: result.key for result in _results(folder)} if folder.is_dir() else {}
    same = {result.clip for result in tracked.results if here.get(result.clip) == result.key}
    commit = (tracked.commit or "unknown") + (" and changes that were not committed" if tracked.dirty else "")
    return Page(
        candidate,
        gates=tracked.gates,
        settings=yaml.safe_dump(tracked.settings, sort_keys=False, allow_unicode=True),
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
        media={clip: files for clip, files in _media(folder, candidate).items() if clip in same},
        listened=tuple(listening.told_of(tracked.listened, tracked.listened_against)),
    )


def _results(folder: Path) -> list[ClipResult]:
    found = (read_result(file.parent) for file in sorted(folder.glob(f"*/{RESULT}")))
    return [result for result in found if result is not None]


def _record(home: Path, result: ClipResult) -> Record | None:
    if result.record is None or not (home / result.record).is_file():
        return None
    return Record.model_validate_json((home / result.record).read_text(encoding="utf-8"))


def _media(folder: Path, candidate: Candidate) -> dict[str, tuple[Path, Path]]:
    """Source and dub of each clip; clips of which one is gone are left out."""
    found = {}
    for result in _results(folder) if folder.is_dir() else ():
        record = _record(folder / result.clip, result)
        dubbed = result.outputs.get("video") or result.outputs.get("audio")
        if record is None or dubbed is None or result.clip not in candidate.clips:
            continue
        pair = (Path(record.source.file), folder / result.clip / dubbed)
        if all(file.is_file() for file in pair):
            found[result.clip] = pair
    return found


def run_page(page: Page) -> str:
    """The run as a page."""
    candidate = page.candidate
    measured = list(candidate.clips.values())
    scores = pool(measured)
    worst = worst_segments(candidate.clips)
    timed = {clip: one for clip, one in candidate.clips.items() if any(row.start is not None for row in one.segments)}
    speeds = [line.speed for one in measured for line in one.dub_segments if line.speed is not None]
    return _template("run").render(
        page=page,
        candidate=candidate,
        values=scores.values,
        signatures=scores.signatures,
        intervals=intervals(candidate.clips),
        metrics=METRICS,
        absent=_absent(measured),
        pairs=dict.fromkeys(
            f"{language_name(one.source_language)} to {language_name(one.target_language)}" for one in measured
        ),
        worst=[(one, _sounds(one, page.media)) for one in worst],
        silent=[clip for clip in dict.fromkeys(one.clip for one in worst) if clip not in page.media],
        drift=_picture(plots.drift(timed) if timed else None),
        speeds=_picture(plots.speed_histogram({candidate.name: speeds}) if speeds else None),
        lost=_picture(lost(losses(candidate))),
        made=_made(),
        **_writing(),
    )


def worst_segments(clips: Mapping[str, Measurement], most: int = WORST) -> list[WorstSegment]:
    """The segments with most wrong about them, worst first; one with nothing wrong is not among them."""
    found = [_judge(unit) for unit in units_of(clips, "segments")]
    bad = [segment for segment in found if segment.reasons]
    return sorted(bad, key=lambda segment: -segment.badness)[:most]


def _judge(unit: Unit) -> WorstSegment:
    """Each reason weighs how far it is beyond what is tolerable; being silent weighs most."""
    row, reasons, badness = unit.segment, [], 0.0
    assert row is not None  # units of segments have one

    def tell(reason: str, weight: float) -> None:
        nonlocal badness
        reasons.append(reason)
        badness += weight

    if row.start is not None and row.dubbed_start is None and unit.measured.dubbed_speech is not None:
        tell("not heard in the dub", 10)
    if row.onset_ms is not None and abs(row.onset_ms) > LATE_MS:
        side = "late" if row.onset_ms > 0 else "early"
        tell(f"starts {abs(row.onset_ms):.0f} ms {side}", abs(row.onset_ms) / LATE_MS)
    if row.offset_ms is not None and abs(row.offset_ms) > 3 * LATE_MS:
        side = "late" if row.offset_ms > 0 else "early"
        tell(f"ends {abs(row.offset_ms):.0f} ms {side}", abs(row.offset_ms) / LATE_MS / 3)
    if row.text and row.recognised is not None:
        errors = find_metric("wer").value([unit])
        if errors is not None and errors > MISHEARD:
            tell(f"misheard: {errors:.0%} of the words", 4 * errors)
    for name, said in (("chrf", "translated unlike the reference"), ("asr_chrf", "heard unlike the reference")):
        score = find_metric(name).value([unit])
        if score is not None and score < UNLIKE and (name == "chrf" or row.heard):
            tell(f"{said}: chrF {score:.0f}", (UNLIKE - score) / 15)
    low, high = plots.BEARABLE
    for line in unit.dub_segments:
        if line.speed is not None and not low - 1e-9 <= line.speed <= high + 1e-9:
            tell(
                f"spoken at {line.speed:.2f} times the natural speed", 2 + 10 * max(line.speed - high, low - line.speed)
            )
    lost = find_metric("truncated_words").value([unit])
    if lost:
        tell(f"{lost:.0f} word{'s' * (lost > 1)} missing at the end", 2 * lost)
    return WorstSegment(unit.clip, unit, tuple(reasons), badness)


def _sounds(segment: WorstSegment, files: Mapping[str, tuple[Path, Path]]) -> tuple[str, str] | None:
    """The segment in the source and in the dub, as data URIs; ``None`` where the files are not at hand."""
    row = segment.unit.segment
    if segment.clip not in files or row is None or row.start is None or row.end is None:
        return None
    source, dubbed = (_decoded(file) for file in files[segment.clip])
    start = row.start if row.dubbed_start is None else row.dubbed_start
    end = row.end if row.dubbed_end is None else row.dubbed_end
    return _uri(_snippet(source, row.start, row.end)), _uri(_snippet(dubbed, start, end))


def _snippet(audio: Audio, start: float, end: float) -> Audio:
    return fade(cut(audio, start - AROUND_S, min(end + AROUND_S, start + LONGEST_S)), FADE_S)


@cache
def _decoded(file: Path) -> Audio:
    from vtlab.evaluation.tracking.artifacts import decoded

    return decoded(file)


def _uri(audio: Audio) -> str:
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="vtlab-") as folder:
        out = Path(folder) / "sound.m4a"
        media.write_aac([audio.samples.astype(np.float32)[:, None]], audio.rate, 1, SOUND_KBPS, out)
        return "data:audio/mp4;base64," + base64.b64encode(out.read_bytes()).decode()


def _absent(measured: Sequence[Measurement]) -> list[tuple[str, str, int]]:
    """Metrics that were asked for and not measured: name, why, on how many clips."""
    counts: dict[tuple[str, str], int] = {}
    for one in measured:
        for name, why in one.absent.items():
            counts[name, why] = counts.get((name, why), 0) + 1
    return [(name, why, count) for (name, why), count in counts.items()]


# ---------------------------------------------------------------- pages


def _picture(figure: Figure | None) -> str:
    from markupsafe import Markup

    return Markup(plots.svg(figure)) if figure is not None else Markup("")


def _made() -> str:
    return f"vtlab {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _writing() -> dict[str, Any]:
    """What the templates write numbers with."""
    names = ("number", "unit", "target", "span", "probability", "summary", "basis", "method")
    return {name: getattr(shown, name) for name in names}


def _breakable(name: str) -> Markup:
    """A metric's or a configuration's name, which may go on in the next line after these signs."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([_,=/])", r"\1<wbr>", str(escape(name))))


@cache
def _template(name: str) -> Template:
    from jinja2 import DictLoader, Environment, StrictUndefined

    environment = Environment(
        loader=DictLoader({"frame": FRAME, "comparison": COMPARISON, "run": RUN}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template(name)


FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{% endblock %}</title>
<style>
:root { color-scheme: light dark; --ink: #1b1e23; --soft: #5c6370; --line: #d9dce1; --ground: #fff; --panel: #f5f6f8;
  --good: #00614a; --bad: #a63c00; --more: #0003; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a2a9b4; --line: #3a3f47; --ground: #16181c;
  --panel: #1f2227; --good: #46c39f; --bad: #ff8f4d; --more: #fff4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; } h1, h2, p { overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; max-width: 48rem; } .soft { color: var(--soft); } small { color: var(--soft); }
/* what scrolls sideways is shaded at the edge behind which there is more: covers that scroll along hide the shades */
.wide, figure { overflow-x: auto; background: linear-gradient(90deg, var(--ground) 40%, transparent) 0 0 / 2.5rem 100%
  no-repeat local, linear-gradient(270deg, var(--ground) 40%, transparent) 100% 0 / 2.5rem 100% no-repeat local,
  linear-gradient(90deg, var(--more), transparent) 0 0 / 1rem 100% no-repeat,
  linear-gradient(270deg, var(--more), transparent) 100% 0 / 1rem 100% no-repeat; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .28em .7em .28em 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } .n { text-align: right; } .n, td.name { white-space: nowrap; }
.wide th:first-child, .wide td:first-child { position: sticky; left: 0; background: var(--ground); }
.means { min-width: 10em; line-height: 1.3; } figure.half { max-width: 46rem; }
.better, .met { color: var(--good); font-weight: 600; } .worse, .missed { color: var(--bad); font-weight: 600; }
figure { margin: .8rem 0; } svg { width: 100%; min-width: var(--least, 0); height: auto; display: block; }
.card { background: var(--panel); border-radius: 8px; padding: .8rem 1rem; margin: .8rem 0; break-inside: avoid; }
.card p { margin: .2rem 0; } .two { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem 1.2rem; }
audio { width: 100%; height: 36px; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--panel); padding: .8rem 1rem; border-radius: 8px; overflow-x: auto; font-size: .85rem; }
@media screen and (max-width: 63rem) { .stack tr { display: flex; flex-wrap: wrap; gap: 0 .9rem; padding: .4rem 0;
  border-bottom: 1px solid var(--line); } .stack tr:first-child, .stack td:empty { display: none; }
  .stack td { order: 2; padding: 0; border: 0; text-align: left; } .stack td.means { order: 3; flex-basis: 100%; }
  .stack td:first-child { font-weight: 600; } .stack td.name, .stack td.said { order: 0; }
  .stack tr::after { content: ""; order: 1; flex-basis: 100%; } /* the verdict beside the name, the rest below */
  .stack td[data-is]::before { content: attr(data-is) " "; color: var(--soft); font-size: .83em; font-weight: 400; } }
@media (max-width: 40rem) { .two { grid-template-columns: 1fr; } dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --ground: #fff; --panel: #fff; --line: #bbb;
  --good: #00614a; --bad: #a63c00; } body { max-width: none; padding: 0; font-size: 10pt; } table { font-size: 7.5pt; }
  .wide, figure { overflow: visible; background: none; } svg { min-width: 0; } audio { display: none; }
  .card { border: 1px solid var(--line); } figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  pre { white-space: pre-wrap; } }
</style>
</head>
<body>
{% block body %}{% endblock %}
<p class="soft"><small>{{ made }}</small></p>
</body>
</html>
"""

COMPARISON = """{% extends "frame" %}
{% block title %}Comparison of {{ found.candidates | map(attribute="name") | join(", ") }}{% endblock %}
{% block body %}
<h1>{{ found.candidates | map(attribute="name") | map("breakable") | join(" · ") }}</h1>
<p class="soft">{{ method(found) }}</p>
{% for pairing in found.pairings %}<p>{{ summary(pairing) }}</p>{% endfor %}

{% if trade %}
<figure class="half">{{ trade }}</figure>
{% endif %}

{% for pairing in found.pairings %}
<h2>{{ pairing.name | breakable }} against {{ pairing.baseline | breakable }}</h2>
<p class="soft">{{ basis(pairing) }}{% for note in pairing.notes %}<br>{{ note }}{% endfor %}</p>
{% if pairing.name in pictures %}<figure>{{ pictures[pairing.name] }}</figure>{% endif %}
<div class="wide"><table class="stack">
<tr><th>metric</th><th>verdict</th><th class="n">{{ pairing.baseline | breakable }}</th>
<th class="n">{{ pairing.name | breakable }}</th><th class="n">difference</th>
<th class="n">95 % interval</th><th class="n">p</th><th class="n">n</th></tr>
{% for one in pairing.differences %}
<tr><td class="name">{{ one.metric | breakable }} <small>{{ unit(one.metric) }}</small></td>
<td class="name said {{ one.verdict | replace(' ', '-') }}">{{ one.verdict }}</td>
<td class="n" data-is="{{ pairing.baseline }}">{{ number(one.metric, one.baseline) }}</td>
<td class="n" data-is="{{ pairing.name }}">{{ number(one.metric, one.value) }}</td>
<td class="n" data-is="difference">{{ number(one.metric, one.difference, True) }}</td>
<td class="n" data-is="95 %">{{ span(one.metric, one.low, one.high, True) }}</td>
<td class="n" data-is="p">{{ probability(one.p) }}</td>
<td class="n" data-is="n">{{ one.units }} <small>{{ one.over }}</small></td></tr>
{% endfor %}
</table></div>
{% endfor %}

{% if lost %}
<figure>{{ lost }}</figure>
<p class="soft">BLEU of the dubbed speech, recognised again, that comes back with the reference in place of a stage.</p>
{% endif %}

{% if found.listened %}
<h2>What listeners say</h2>
{% for sentence in found.listened.said %}<p>{{ sentence }}</p>{% endfor %}
{% if found.listened.agreements %}
<p class="soft">Rank correlation (Spearman) of what listeners prefer and what a metric prefers, segment by segment.</p>
<div class="wide"><table>
<tr><th>metric</th><th class="n">rank correlation</th><th class="n">p</th><th class="n">pairs</th></tr>
{% for one in found.listened.agreements %}
<tr><td class="name">{{ one.metric | breakable }}</td><td class="n">{{ "%+.2f" | format(one.rho) }}</td>
<td class="n">{{ probability(one.p) }}</td><td class="n">{{ one.pairs }}</td></tr>
{% endfor %}
</table></div>
{% endif %}
{% endif %}

<h2>Each one’s numbers</h2>
<p class="soft">Over the clips that all have: {{ found.clips | join(", ") or "none" }}. In brackets, 95 % intervals.</p>
<div class="wide"><table>
<tr><th>metric</th>{% for one in found.candidates %}<th class="n">{{ one.name | breakable }}</th>{% endfor %}</tr>
{% for name in metrics %}
<tr><td class="name">{{ name | breakable }} <small>{{ unit(name) }}</small></td>
{% for one in found.candidates %}
<td class="n">{{ number(name, one.values.get(name)) }}
{%- if name in one.intervals %}<br><small>{{ span(name, one.intervals[name][0], one.intervals[name][1]) }}</small>
{%- endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</table></div>
{% if found.notes %}
<h2>Mind</h2>
{% for note in found.notes %}<p>{{ note }}</p>{% endfor %}
{% endif %}
{% endblock %}
"""

RUN = """{% extends "frame" %}
{% block title %}{{ candidate.name }}{% endblock %}
{% block body %}
<h1>{{ candidate.name | breakable }}</h1>
<p class="soft">{{ candidate.clips | length }} {{ "clip" if candidate.clips | length == 1 else "clips" }} measured
{%- for pair in pairs %}, {{ pair }}{% endfor %}
{%- if candidate.failed %}, {{ candidate.failed | length }} failed{% endif %}</p>
{% for clip, why in candidate.failed.items() %}<p class="missed">{{ clip }} failed: {{ why }}</p>{% endfor %}

<h2>Numbers</h2>
<div class="wide"><table class="stack">
<tr><th>metric</th><th class="n">value</th><th class="n">95 % interval</th><th class="n">target</th><th></th>
{% if page.gates %}<th class="n">gate</th><th></th>{% endif %}<th>means</th></tr>
{% for name, value in values.items() %}
{% set verdict = {True: "met", False: "missed", None: ""}[metrics[name].verdict(value)] %}
{% set gate = page.gates.get(name) %}
<tr title="{{ signatures.get(name, '') }}"><td class="name">{{ name }}</td>
<td class="n">{{ number(name, value) }} <small>{{ unit(name) }}</small></td>
<td class="n" data-is="95 %">
{%- if name in intervals %}{{ span(name, intervals[name][0], intervals[name][1]) }}{% endif %}</td>
<td class="n" data-is="target">{{ target(name) }}</td>
<td class="said {{ verdict }}" data-is="target">{{ verdict }}</td>
{% if page.gates %}
<td class="n" data-is="gate">{{ gate if gate else "" }}</td>
<td data-is="gate" class="said {{ '' if not gate else 'met' if gate.holds(value) else 'missed' }}">
{{- '' if not gate else 'passed' if gate.holds(value) else 'failed' }}</td>
{% endif %}
<td class="means"><small>{{ metrics[name].means }}</small></td></tr>
{% endfor %}
</table></div>
{% for name in page.gates if name not in values %}
<p class="missed">The gate {{ name }} {{ page.gates[name] }} is not passed: nobody measured it.</p>
{% endfor %}
{% for name, why, count in absent %}
<p class="soft">{{ name }} is absent on {{ count }} clip{{ "s" if count > 1 }}: {{ why }}</p>
{% endfor %}

{% if page.listened %}
<h2>What listeners say</h2>
{% for sentence in page.listened %}<p>{{ sentence }}</p>{% endfor %}
{% endif %}

<h2>The worst segments</h2>
{% if not worst %}<p>Nothing is wrong with any segment, as far as it is measured.</p>{% endif %}
{% for one, sounds in worst %}
{% set row = one.unit.segment %}
<div class="card">
<p><strong>{{ one.clip }}, segment {{ row.index }}</strong>
{%- if row.start is not none %} <span class="soft">at {{ "%.1f" | format(row.start) }} s</span>{% endif %}</p>
<p class="missed">{{ one.reasons | join("; ") }}</p>
<div class="two">
<div>{% if row.text %}<p><small>said</small><br>{{ row.text }}</p>{% endif %}
{% if row.recognised is not none and row.recognised != row.text %}<p><small>recognised</small><br>
{{ row.recognised }}</p>{% endif %}
{% if sounds %}<p><small>source</small><br>
<audio controls preload="metadata" src="{{ sounds[0] }}"></audio></p>{% endif %}
</div>
<div>{% if row.translation %}<p><small>reference translation</small><br>{{ row.translation }}</p>{% endif %}
{% if row.translated %}<p><small>translated</small><br>{{ row.translated }}</p>{% endif %}
{% if row.heard is not none %}<p><small>heard in the dub</small><br>{{ row.heard or "nothing" }}</p>{% endif %}
{% if sounds %}<p><small>dub</small><br>
<audio controls preload="metadata" src="{{ sounds[1] }}"></audio></p>{% endif %}
</div>
</div>
</div>
{% endfor %}
{% if silent %}
<p class="soft">No sound of {{ silent | join(", ") }}: its source or its dub is not where the record says,
as seen from the folder that this page was made in.</p>
{% endif %}

{% if drift or speeds or lost %}<h2>Pictures</h2>{% endif %}
{% if lost %}<figure>{{ lost }}</figure>{% endif %}
{% if drift %}<figure>{{ drift }}</figure>{% endif %}
{% if speeds %}<figure>{{ speeds }}</figure>{% endif %}

<h2>Where it comes from</h2>
<dl>
{% for name, what in page.origin %}<dt>{{ name }}</dt><dd>{{ what }}</dd>{% endfor %}
{% for name, hash in page.weights %}<dt>weights, {{ name }}</dt><dd>sha256 {{ hash }}</dd>{% endfor %}
</dl>
{% if page.settings %}
<h2>Settings</h2>
<pre>{{ page.settings }}</pre>
{% endif %}
{% endblock %}
"""
