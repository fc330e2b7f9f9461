import json
from pathlib import Path

import pytest

from vtlab.evaluation.sweep.results import (
    ClipResult,
    StageCount,
    add_counts,
    aggregate_results,
    clip_folder,
    load_results,
    loss_values,
    read_result,
    write_result,
)
from vtlab.measurement.results import Measurement
from vtlab.metrics.aggregation import aggregate
from vtlab.metrics.rows import SegmentMeasure

REFERENCE = "the cat sat on the mat in the old house"
HALF = "the cat sat on the mat in a new flat"


def heard(text: str, translated: str = REFERENCE, gold_transcript: bool = False) -> Measurement:
    """A clip of one segment, of which ``text`` is heard in the dub."""
    line = SegmentMeasure(
        index=0, start=0.0, end=2.0, text="o gato", recognised="o gato", translation=REFERENCE, translated=translated,
        heard=text, gold_transcript=gold_transcript,
    )  # fmt: skip
    measured = Measurement(
        source_language="pt", target_language="en", seconds=2.0, values={}, signatures={}, segments=(line,)
    )
    return measured.model_copy(update={"values": {"asr_bleu": 0.0, "bleu": 0.0, **aggregate([measured]).values}})


def result(clip: str, **fields: object) -> ClipResult:
    return ClipResult.model_validate(
        {
            "suite": "s", "configuration": "c", "fingerprint": "f", "dataset": "d", "dataset_digest": "0", "clip": clip,
            "key": "k", "status": "finished", **fields,
        }
    )  # fmt: skip


def bleu(text: str) -> float:
    return aggregate([heard(text)]).values["asr_bleu"]


def test_losses_are_differences_of_what_is_heard() -> None:
    gold = {
        "gold_transcript": heard("the cat sat on the mat in the old flat", HALF, gold_transcript=True),
        "gold_translation": heard(REFERENCE),
    }
    found = loss_values([result("a", measurement=heard(HALF), gold=gold)])
    transcript = bleu("the cat sat on the mat in the old flat")
    assert found["loss_transcription_bleu"] == pytest.approx(transcript - bleu(HALF))
    assert found["loss_translation_bleu"] == pytest.approx(100 - transcript)
    assert found["loss_tts_bleu"] == pytest.approx(0)
    assert found["bleu_gold_transcript"] == pytest.approx(bleu(HALF))
    assert "loss_timings_bleu" not in found


def test_losses_are_taken_over_clips_that_have_both_sides() -> None:
    one = result("a", measurement=heard(HALF), gold={"gold_transcript": heard(REFERENCE)})
    without = result("b", measurement=heard("nothing of it"))
    assert loss_values([one, without])["loss_transcription_bleu"] == pytest.approx(100 - bleu(HALF))
    assert loss_values([without]) == {}
    assert loss_values([]) == {}


def test_a_clip_that_failed_counts_in_no_value() -> None:
    values = aggregate_results(
        [result("a", measurement=heard(REFERENCE)), result("b", status="failed", error="It is silent.")]
    )
    assert (values.clips, values.failed) == (1, 1)
    assert values.values["asr_bleu"] == pytest.approx(100)
    assert aggregate_results([]).values == {}


def test_counts_add_up_in_the_order_of_stages() -> None:
    one = StageCount(computed=3, reused=0, dubs_computed=1, seconds=1.5)
    other = StageCount(computed=0, reused=2, dubs_reused=1, seconds=0.25)
    total = add_counts([{"tts": one}, {"transcription": one, "tts": other}])
    assert list(total) == ["transcription", "tts"]
    assert total["tts"] == StageCount(computed=3, reused=2, dubs_computed=1, dubs_reused=1, seconds=1.75)


def test_results_are_files(tmp_path: Path) -> None:
    for clip in ("b", "a"):
        write_result(result(clip, measurement=heard(HALF)), clip_folder(tmp_path, "s", "c", clip))
    assert [one.clip for one in load_results(tmp_path, "s", "c")] == ["a", "b"]
    assert [one.clip for one in load_results(tmp_path, "s", "c", ["b", "missing", "a"])] == ["b", "a"]
    assert read_result(clip_folder(tmp_path, "s", "c", "a")) == result("a", measurement=heard(HALF))
    assert read_result(tmp_path) is None
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(("kind", "name"), [("video", "p.en.mp4"), ("audio", "p.en.m4a")])
def test_a_result_of_before_its_media_were_named_is_read(kind: str, name: str) -> None:
    written = {
        "suite": "s", "configuration": "c", "fingerprint": "f", "dataset": "d", "dataset_digest": "0", "clip": "p",
        "key": "k", "status": "finished", "outputs": {"subtitles_en_srt": "p.en.srt", kind: name},
    }  # fmt: skip
    result = ClipResult.model_validate_json(json.dumps(written))
    assert result.media == Path(name)
    assert ClipResult.model_validate_json(result.model_dump_json()) == result
    assert ClipResult.model_validate({**written, "status": "failed", "outputs": {}}).media is None
