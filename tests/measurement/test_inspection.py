from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dubbing import Dubbing

from vtlab.audio import Audio
from vtlab.errors import InputError, SettingsError
from vtlab.evaluation.dataset import load_dataset
from vtlab.measurement.inspection import measure, measure_speech
from vtlab.measurement.matching import PlannedSegment
from vtlab.measurement.recognizer import Recognizer
from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.reference import ReferenceSegment
from vtlab.metrics.registry import METRICS
from vtlab.outputs import Dub
from vtlab.segments import Interval
from vtlab.store.results import Store

RATE = 16_000
SPOKEN = Path(__file__).parents[2] / "datasets" / "spoken"


def test_a_clip_as_its_own_dub_is_in_sync() -> None:
    import av

    clip = load_dataset(SPOKEN).clip("pt_station_dialogue")
    with av.open(str(clip.path)) as media:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [part.to_ndarray()[0] for frame in media.decode(audio=0) for part in resampler.resample(frame)]
    sound = Audio(np.concatenate(frames), RATE)
    reference = [Interval(s.start, s.end) for s in clip.segments if s.start is not None and s.end is not None]
    lines = [
        PlannedSegment(span, span, 1.0, segment.text) for span, segment in zip(reference, clip.segments, strict=True)
    ]
    scores = measure_speech(sound, lines, sound, reference).values
    assert scores["sync_within_150ms"] == 1.0
    assert scores["sync_drift_max_ms"] <= 30
    assert scores["speech_overlap"] > 0.97
    assert scores["completeness"] == 1.0 and scores["overruns"] == 0

    gone = sound.samples.copy()
    gone[round(reference[2].start * RATE) - 800 : round(reference[2].end * RATE) + 800] = 0
    without = measure_speech(Audio(gone, RATE), lines, sound, reference)
    assert without.dub_segments[2].heard_start is None
    assert without.signatures["sync_onset_ms"].endswith("|not heard:1")
    assert without.values["completeness"] == pytest.approx(8 / 9)
    assert without.values["uncovered_s"] > 1.0

    late = Audio(np.concatenate([np.zeros(round(0.3 * RATE), np.float32), sound.samples]), RATE)
    moved = [replace(line, planned=Interval(line.planned.start + 0.3, line.planned.end + 0.3)) for line in lines]
    shifted = measure_speech(late, moved, sound, reference).values
    assert shifted["sync_within_150ms"] == 0.0
    assert shifted["sync_onset_mean_abs_ms"] == pytest.approx(300, abs=20)


CHEAP = ["sync_within_150ms", "sync_onset_ms", "speech_overlap", "completeness", "loudness_lufs", "true_peak_dbtp",
         "duration_error_frames", "source_leak_db", "wer", "speed_max", "suber", "srt_valid", "wall_s",
         "bleu"]  # fmt: skip


def test_a_clip_measured_as_its_own_dub() -> None:
    clip = load_dataset(SPOKEN).clip("pt_two_friends")
    found = measure(clip.path, clip.path, "pt", "en", reference=clip.segments, metrics=CHEAP)
    assert found.values["sync_within_150ms"] == 1 and abs(found.values["sync_onset_ms"]) < 30
    assert found.values["speech_overlap"] > 0.97 and found.values["completeness"] == 1
    assert found.values["duration_error_frames"] == 0
    assert -25 < found.values["loudness_lufs"] < -15
    assert found.values["source_leak_db"] > 25  # nothing but the source
    assert found.absent.keys() == {"wer", "speed_max", "suber", "srt_valid", "wall_s", "bleu"}
    assert "--record" in found.absent["wer"] and "--subtitles" in found.absent["srt_valid"]
    assert [row.text for row in found.segments] == [segment.text for segment in clip.segments]
    assert set(found.values) | set(found.absent) == set(CHEAP)
    pooled = aggregate([found])
    assert (pooled.values, pooled.signatures) == (found.values, found.signatures)
    assert Measurement.model_validate_json(found.model_dump_json()) == found


def test_a_reference_without_times_has_rows_of_its_own(tmp_path: Path) -> None:
    clip = load_dataset(SPOKEN).clip("pt_two_friends")
    lines = [ReferenceSegment(text="", translation=segment.translation) for segment in clip.segments]
    file = tmp_path / "dub.srt"
    file.write_text(f"1\n00:00:01,500 --> 00:00:04,000\n{clip.segments[0].translation}\n", encoding="utf-8")
    names = ["sync_within_150ms", "bleu", "chrf", "srt_valid", "subtitle_max_lines", "suber"]
    found = measure(clip.path, clip.path, "pt", "en", reference=lines, subtitles=file, metrics=names)
    texts = [row for row in found.segments if row.translation is not None]
    assert len(texts) == len(lines) and texts[0].translated == clip.segments[0].translation
    assert all(row.start is None for row in texts) and found.values["sync_within_150ms"] == 1
    assert 0 < found.values["chrf"] < 60 and found.values["srt_valid"] == 1
    assert found.absent.keys() == {"suber"}


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'wer'"):
        measure(Path("a"), Path("b"), "pt", "en", metrics=["were"])


def test_the_ear_hears_a_dub_once(tmp_path: Path) -> None:
    clip = load_dataset(SPOKEN.parent / "people").clip("hello_video_en")
    lines = [segment.model_copy(update={"translation": segment.text}) for segment in clip.segments]
    recognizer = Recognizer(Store(tmp_path))
    found = measure(
        clip.path, clip.path, "pt", "en", reference=lines, metrics=["asr_bleu", "asr_chrf"], recognizer=recognizer
    )
    assert found.values["asr_chrf"] > 60 and found.signatures["asr_chrf"].startswith("nrefs:1|")
    assert "recogniser:whisper-base" in found.signatures["asr_chrf"]
    pooled = aggregate([found])
    assert (pooled.values, pooled.signatures) == (found.values, found.signatures)
    again = Recognizer(Store(tmp_path))
    assert measure(clip.path, clip.path, "pt", "en", reference=lines, metrics=["asr_chrf"], recognizer=again).values
    assert again._model is None


def test_every_metric_is_measured_or_says_why() -> None:
    for metric in METRICS.values():
        assert metric.target is None or any(limit is not None for limit in metric.target)
    assert METRICS["loudness_lufs"].verdict(-23) is True and METRICS["loudness_lufs"].verdict(-18) is False
    assert METRICS["subtitle_cps_p95"].verdict(17.004) is True and METRICS["subtitle_cps_p95"].verdict(17.1) is False
    assert METRICS["wer"].verdict(0.1) is None


def test_a_dub_and_its_file_are_measured_alike(sentences: tuple[Dubbing, Dub]) -> None:
    """The record beside the file tells the rest: source, languages, what was said and spoken."""
    clip = load_dataset(SPOKEN.parent / "people").clip("sentences_pt")
    dub, names = sentences[1], ["wer", "chrf", "completeness", "subtitle_max_lines", "rtf"]
    found = measure(dub, reference=clip, metrics=names)
    assert set(found.values) == set(names) and found.dub_segments[0].voice is not None
    assert measure(dub.media, clip.path, reference=clip, metrics=names).values == found.values
    assert measure(str(dub.media), clip.path, reference=clip, record=dub.record_file, metrics=names) == found
    without = measure(dub, reference=list(clip.segments[:1]), metrics=["wer"], record=dub.record)
    assert [row.text for row in without.segments] == [clip.segments[0].text]


def test_a_file_without_a_record_needs_its_source_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no record beside .*--source"):
        measure(tmp_path / "dub.mp4", metrics=["wer"])
