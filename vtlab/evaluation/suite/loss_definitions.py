"""Losses per stage: BLEU of the dubbed speech that comes back when the reference stands in for a stage's output.

The end of the chain is `asr_bleu`, what a listener can get. It is measured again on dubs of a gold transcript, of a
gold transcript and translation, and of the recogniser's own words at the reference's times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Gold = Literal["gold_transcript", "gold_translation", "gold_timings"]
LOSS_METRIC = "asr_bleu"
PERFECT_BLEU = 100.0
GOLD_BLEU = "bleu_gold_transcript"  # BLEU of the translation of a gold transcript: what translation alone reaches


@dataclass(frozen=True)
class LossDefinition:
    """A difference of `LOSS_METRIC` between two dubs of the same clips, `after` minus `before`.

    Attributes:
        name: The name of the value.
        means: The stage it belongs to, and what the difference is.
        before: The reference that the lower side is made of; `None`: the dub itself.
        after: The reference that the upper side is made of; `None`: a perfect 100.
    """

    name: str
    means: str
    before: Gold | None
    after: Gold | None


LOSSES = {
    loss.name: loss
    for loss in (
        LossDefinition(
            "loss_transcription_bleu", "transcription: gained by the reference transcript", None, "gold_transcript"
        ),
        LossDefinition(
            "loss_translation_bleu",
            "translation: gained by the reference translation on top",
            "gold_transcript",
            "gold_translation",
        ),
        LossDefinition("loss_tts_bleu", "speech: still lost with a perfect text", "gold_translation", None),
        LossDefinition(
            "loss_timings_bleu", "timing of lines: gained by the reference's times alone", None, "gold_timings"
        ),
    )
}
"""Every loss by name, in the order of the stages."""

LOSS_VALUES = (GOLD_BLEU, *LOSSES)
"""The values that `losses: true` adds to those of a configuration."""
