from __future__ import annotations

import numpy as np
import pytest

from vtlab.audio import Audio, silence
from vtlab.metrics.sound import background_loss_db
from vtlab.segments import Interval

RATE = 16_000
SPOKEN = [Interval(1.0, 2.0)]


def sound(noise_db: float, speech_db: float = -20.0, seconds: float = 4.0) -> Audio:
    """Noise throughout, and a tone where somebody speaks."""
    generator = np.random.default_rng(1)
    samples = generator.normal(0, 10 ** (noise_db / 20), round(seconds * RATE))
    span = slice(RATE, 2 * RATE)
    samples[span] += 10 ** (speech_db / 20) * np.sqrt(2) * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
    return Audio(samples.astype(np.float32), RATE)


@pytest.mark.parametrize("loss_db", [0.0, 6.0, 20.0])
def test_what_is_softer(loss_db: float) -> None:
    assert background_loss_db(sound(-40 - loss_db), sound(-40), SPOKEN) == pytest.approx(loss_db, abs=0.5)


def test_a_softer_dub_as_a_whole_has_lost_nothing() -> None:
    assert background_loss_db(sound(-50, -30), sound(-40, -20), SPOKEN) == pytest.approx(0, abs=0.5)


def test_gone() -> None:
    found = background_loss_db(sound(-200), sound(-40), SPOKEN)
    assert found is not None and found > 50


@pytest.mark.parametrize(
    ("source", "spoken"),
    [
        (sound(-90), SPOKEN),  # no background in the source
        (sound(-40), [Interval(0.0, 4.0)]),  # somebody speaks all the time
        (silence(4.0, RATE), SPOKEN),
    ],
)
def test_nothing_to_compare(source: Audio, spoken: list[Interval]) -> None:
    assert background_loss_db(sound(-40), source, spoken) is None
