"""What is measured: the table of metrics, each defined once in the module of its subject.

``sync`` (drift, coverage, speed), ``text`` (errors, BLEU, chrF), ``sound`` (loudness): pure functions over intervals,
texts and samples. A metric that could not be computed is ``None`` there and absent wherever results are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """What a number means: its unit (``1`` for shares and ratios), which way is better, and what it takes."""

    unit: str
    better: Literal["higher", "lower", "target"]
    needs_reference: bool
    means: str


METRICS = {
    "wer": Metric("1", "lower", True, "word errors ÷ reference words"),
    "cer": Metric("1", "lower", True, "character errors ÷ reference characters"),
    "wer_sub": Metric("1", "lower", True, "words taken for others ÷ reference words"),
    "wer_ins": Metric("1", "lower", True, "words nobody said ÷ reference words"),
    "wer_del": Metric("1", "lower", True, "words missed ÷ reference words"),
    "bleu": Metric("0-100", "higher", True, "corpus BLEU of the translation"),
    "chrf": Metric("0-100", "higher", True, "corpus chrF2 of the translation"),
    "asr_bleu": Metric("0-100", "higher", True, "corpus BLEU of the dubbed speech, recognised again"),
    "asr_chrf": Metric("0-100", "higher", True, "corpus chrF2 of the dubbed speech, recognised again"),
    "tts_wer": Metric("1", "lower", False, "word errors of the dubbed speech against the text given to the voice"),
    "sync_onset_mean_abs_ms": Metric("ms", "lower", False, "mean distance of line starts, dub to source"),
    "sync_drift_mean_ms": Metric("ms", "lower", False, "mean over lines of the worse of onset and offset drift"),
    "sync_drift_p95_ms": Metric("ms", "lower", False, "95th percentile of the same"),
    "sync_drift_max_ms": Metric("ms", "lower", False, "largest of the same"),
    "sync_within_150ms": Metric("1", "higher", False, "share of lines that start within ±150 ms of the source"),
    "speech_overlap": Metric("1", "higher", False, "time in which both or neither speak ÷ total"),
    "speech_iou": Metric("1", "higher", False, "time in which both speak ÷ time in which either does"),
    "uncovered_s": Metric("s", "lower", False, "time in which only the source speaks"),
    "duration_compliance_20": Metric("1", "higher", False, "share of lines 0.8 to 1.2 times as long as the source's"),
    "speed_mean": Metric("1", "target", False, "mean speed of the voice, 1 = natural"),
    "speed_p95": Metric("1", "lower", False, "95th percentile of the speed"),
    "speed_min": Metric("1", "higher", False, "slowest line"),
    "speed_max": Metric("1", "lower", False, "fastest line"),
    "speed_step_max": Metric("1", "lower", False, "largest ratio of speed between neighbouring lines"),
    "overruns": Metric("lines", "lower", False, "lines that begin before an earlier one has ended"),
    "completeness": Metric("1", "higher", False, "lines heard in the dub ÷ lines that have something to say"),
    "duration_error_frames": Metric("frames", "lower", False, "difference of length, dub to source"),
    "loudness_lufs": Metric("LUFS", "target", False, "integrated loudness of the final mix, EBU R128"),
    "true_peak_dbtp": Metric("dBTP", "lower", False, "true peak of the final mix"),
    "loudness_spread_db": Metric("dB", "lower", False, "standard deviation of the loudness of lines"),
    "wall_s": Metric("s", "lower", False, "time from start to end"),
    "peak_rss_mb": Metric("MB", "lower", False, "largest resident memory"),
}
