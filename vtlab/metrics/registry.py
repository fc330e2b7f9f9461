"""The metrics by name, and the groups that a word stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vtlab.errors import SettingsError, nearest
from vtlab.metrics.metric import Metric

METRICS = {
    # text
    "wer": Metric("1", "lower", True, "word errors ÷ reference words"),
    "cer": Metric("1", "lower", True, "character errors ÷ reference characters"),
    "wer_sub": Metric("1", "lower", True, "words taken for others ÷ reference words"),
    "wer_ins": Metric("1", "lower", True, "words nobody said ÷ reference words"),
    "wer_del": Metric("1", "lower", True, "words missed ÷ reference words"),
    "bleu": Metric("0-100", "higher", True, "corpus BLEU of the translation"),
    "chrf": Metric("0-100", "higher", True, "corpus chrF2 of the translation"),
    "bleu_gold_transcript": Metric("0-100", "higher", True, "corpus BLEU of the reference transcript, translated"),
    "asr_bleu": Metric("0-100", "higher", True, "corpus BLEU of the dubbed speech, recognised again"),
    "asr_chrf": Metric("0-100", "higher", True, "corpus chrF2 of the dubbed speech, recognised again"),
    "tts_wer": Metric("1", "lower", False, "word errors of the dubbed speech against the text given to the voice"),
    "length_compliance_10": Metric(
        "1", "higher", False, "share of lines whose translation has 0.9 to 1.1 times the source's characters"
    ),
    "translation_quality": Metric("0-100", "higher", False, "translation judged without a reference", "time"),
    # time
    "sync_onset_ms": Metric("ms", "target", False, "mean of dubbed start − source start, per line in the table"),
    "sync_offset_ms": Metric("ms", "target", False, "mean of dubbed end − source end, per line in the table"),
    "sync_onset_mean_abs_ms": Metric(
        "ms", "lower", False, "mean distance of line starts, dub to source", target=(None, 60.0)
    ),
    "sync_drift_mean_ms": Metric("ms", "lower", False, "mean over lines of the worse of onset and offset drift"),
    "sync_drift_p95_ms": Metric("ms", "lower", False, "95th percentile of the same"),
    "sync_drift_max_ms": Metric("ms", "lower", False, "largest of the same"),
    "sync_within_150ms": Metric(
        "1", "higher", False, "share of lines that start within ±150 ms of the source", target=(0.97, None)
    ),
    "speech_overlap": Metric("1", "higher", False, "time in which both or neither speak ÷ total", target=(0.92, None)),
    "speech_iou": Metric(
        "1", "higher", False, "time in which both speak ÷ time in which either does", target=(0.7, None)
    ),
    "uncovered_s": Metric("s", "lower", False, "time in which only the source speaks"),
    "invented_lines": Metric(
        "lines", "lower", False, "lines that the dub says while the source is silent", "sum", (None, 0.0)
    ),
    "duration_compliance_20": Metric("1", "higher", False, "share of lines 0.8 to 1.2 times as long as the source's"),
    "speed_mean": Metric("1", "target", False, "mean speed of the voice, 1 = natural", target=(0.9, 1.1)),
    "speed_p95": Metric("1", "lower", False, "95th percentile of the speed", target=(None, 1.2)),
    "speed_min": Metric("1", "higher", False, "slowest line", target=(0.85, None)),
    "speed_max": Metric("1", "lower", False, "fastest line", target=(None, 1.3)),
    "speed_step_max": Metric("1", "lower", False, "largest ratio of speed between neighbouring lines"),
    "overruns": Metric("lines", "lower", False, "lines that begin before an earlier one has ended", target=(None, 0.0)),
    "truncated_words": Metric("words", "lower", False, "words missing from the ends of lines", target=(None, 0.0)),
    "tail_cut_max_s": Metric(
        "s", "lower", False, "most that the end of a line is heard too early, by its record", target=(None, 0.05)
    ),
    "completeness": Metric(
        "1", "higher", False, "lines heard in the dub ÷ lines that have something to say", target=(1.0, None)
    ),
    "duration_error_frames": Metric(
        "frames", "lower", False, "difference of length, dub to source", "worst", (None, 1.0)
    ),
    # sound
    "loudness_lufs": Metric(
        "LUFS", "target", False, "integrated loudness of the final mix, EBU R128", "worst", (-25.0, -21.0)
    ),
    "true_peak_dbtp": Metric("dBTP", "lower", False, "true peak of the final mix", "worst", (None, -1.0)),
    "loudness_spread_db": Metric(
        "dB", "lower", False, "standard deviation of the loudness of lines", "rows", (None, 2.0)
    ),
    "voice_mos": Metric("1-5", "higher", False, "DNSMOS of the dubbed speech, overall", "time"),
    "source_leak_db": Metric(
        "dB", "lower", False, "source speech left under the dub, relative to it", "worst", (None, -30.0)
    ),
    "background_loss_db": Metric(
        "dB", "lower", False, "how much softer the background is than the source's", "worst", (None, 6.0)
    ),
    # subtitles
    "suber": Metric(
        "0-100", "lower", True, "edits that turn the subtitles into the reference's ÷ its words and breaks"
    ),
    "subtitle_cps_p95": Metric("1/s", "lower", False, "95th percentile of characters a second", target=(None, 17.0)),
    "subtitle_max_line_chars": Metric("characters", "lower", False, "longest line", target=(None, 42.0)),
    "subtitle_max_lines": Metric("lines", "lower", False, "most lines of a cue", target=(None, 2.0)),
    "subtitle_overlaps": Metric(
        "cues", "lower", False, "cues that begin before an earlier one ends", target=(None, 0.0)
    ),
    "subtitle_min_duration_s": Metric("s", "higher", False, "shortest cue", target=(1.0, None)),
    "subtitle_incomplete_sentences": Metric("cues", "lower", False, "cues that break off inside a sentence"),
    "srt_valid": Metric(
        "1", "higher", False, "1 where the subtitle file reads back whole, else 0", "worst", (1.0, None)
    ),
    # cost
    "wall_s": Metric("s", "lower", False, "time from start to end", "sum"),
    "rtf": Metric("1", "lower", False, "wall time ÷ length of the source", "time"),
    "cpu_s": Metric("s", "lower", False, "processor time of all stages", "sum"),
    "peak_rss_mb": Metric("MB", "lower", False, "largest resident memory", "worst"),
    "model_load_s": Metric("s", "lower", False, "loading of models, within the stages", "sum"),
    "time_to_preview_s": Metric(
        "s", "lower", False, "time until the first line was spoken: what a preview waits for", "worst"
    ),
    "cache_hits": Metric("results", "higher", False, "results taken from the store", "sum"),
    "stage_initialization_s": Metric("s", "lower", False, "time of the stage; stages 3 to 5 overlap", "sum"),
    "stage_audio_extraction_s": Metric("s", "lower", False, "time of the stage", "sum"),
    "stage_transcription_s": Metric("s", "lower", False, "time of the stage", "sum"),
    "stage_translation_s": Metric("s", "lower", False, "time of the stage", "sum"),
    "stage_tts_s": Metric("s", "lower", False, "time of the stage", "sum"),
    "stage_audio_sync_s": Metric("s", "lower", False, "time of the stage", "sum"),
    "stage_subtitle_generation_s": Metric("s", "lower", False, "time of the stage", "sum"),
    "stage_video_combination_s": Metric("s", "lower", False, "time of the stage", "sum"),
}

# What a word stands for where metrics are named. Two are dear in a suite: for ``speech`` every dub is recognised again;
# for ``cost`` it is made again by itself, from nothing, since the times of a dub that finds half of it in the store say
# nothing.
GROUPS: dict[str, tuple[str, ...]] = {
    "text": ("wer", "cer", "wer_*", "bleu", "chrf", "length_compliance_10", "translation_quality"),
    "speech": ("asr_bleu", "asr_chrf", "tts_wer"),
    "sync": (
        "sync_*", "speech_overlap", "speech_iou", "uncovered_s", "invented_lines", "duration_*", "speed_*", "overruns",
        "truncated_words", "tail_cut_max_s", "completeness",
    ),
    "sound": ("loudness_*", "true_peak_dbtp", "voice_mos", "source_leak_db", "background_*"),
    "subtitles": ("suber", "subtitle_*", "srt_valid"),
    "cost": ("wall_s", "rtf", "stage_*_s", "cpu_s", "peak_rss_mb", "model_load_s", "time_to_preview_s", "cache_hits"),
}  # fmt: skip


def metrics_of(word: str) -> tuple[str, ...]:
    """The metrics that a name or a group stands for; nothing where it is neither."""
    if word in METRICS:
        return (word,)
    patterns = [re.compile(pattern.replace("*", r"\w+")) for pattern in GROUPS.get(word, ())]
    return tuple(name for name in METRICS if any(pattern.fullmatch(name) for pattern in patterns))


def chosen(words: Sequence[str] | None) -> list[str]:
    """The metrics that names and groups stand for, in the order of the table; all where nobody chose.

    Raises ``SettingsError`` with the nearest name for a word that is neither.
    """
    if words is None:
        return list(METRICS)
    found: set[str] = set()
    for word in words:
        names = metrics_of(word)
        if not names:
            raise SettingsError(
                f"There is no metric {word!r}.{nearest(word, [*METRICS, *GROUPS])} Groups: {', '.join(GROUPS)}."
            )
        found |= set(names)
    return [name for name in METRICS if name in found]
