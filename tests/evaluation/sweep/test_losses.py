"""Losses per stage: differences of what is heard, with intervals around them."""

import pytest
from evaluation.made_up import clips

from vtlab.evaluation.sweep.losses import find_losses
from vtlab.metrics.aggregation import aggregate

SAMPLES = 200


def heard(side: dict) -> float:
    return aggregate(list(side.values())).values["asr_bleu"]


def test_a_loss_is_the_difference_of_two_dubs_of_the_same_clips() -> None:
    own, transcript, translation = clips(3), clips(3, tool=1, mistakes=0.1), clips(3, tool=2, mistakes=0.02)
    found = find_losses("base", own, {"gold_transcript": transcript, "gold_translation": translation}, SAMPLES)
    assert {loss.name: loss.value for loss in found} == pytest.approx(
        {
            "loss_transcription_bleu": heard(transcript) - heard(own),
            "loss_translation_bleu": heard(translation) - heard(transcript),
            "loss_tts_bleu": 100 - heard(translation),
        },
        abs=1e-9,
    )
    for loss in found:
        assert loss.system == "base"
        assert loss.low is not None and loss.high is not None and loss.low < loss.value < loss.high


def test_a_loss_is_taken_over_the_clips_that_have_both_sides() -> None:
    own, timings = clips(3), clips(2, tool=3)
    (loss,) = find_losses("base", own, {"gold_timings": timings}, SAMPLES)
    assert loss.name == "loss_timings_bleu"
    assert loss.value == pytest.approx(heard(timings) - heard({clip: own[clip] for clip in timings}), abs=1e-9)
    assert find_losses("base", own, {}) == []
