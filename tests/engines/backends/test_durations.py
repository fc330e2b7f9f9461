from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtlab import weights
from vtlab.engines.backends.durations import extract_before, find_rate, load_session
from vtlab.errors import WeightsError


def test_the_part_that_decides_is_small_and_counts_the_frames_of_the_whole() -> None:
    folder = weights.find_packaged("piper/en_US-joe-medium")
    assert folder is not None
    whole = folder / "en_US-joe-medium.onnx"
    part, name = extract_before(whole, "Ceil")
    assert len(part) < whole.stat().st_size / 2
    inputs = {
        "input": np.array([[1, 0, 20, 0, 59, 0, 24, 0, 61, 0, 10, 0, 2]], np.int64),
        "input_lengths": np.array([13], np.int64),
        "scales": np.array([0.0, 1.3, 0.0], np.float32),
    }
    (durations,) = load_session(part).run([name], inputs)
    (sound,) = load_session(whole).run(None, inputs)
    assert sound.size == 256 * np.ceil(durations).sum()


@pytest.mark.parametrize("operator, nodes", [("Nonesuch", "0"), ("Conv", r"[1-9]\d+")])
def test_a_model_without_its_one_place_is_told(operator: str, nodes: str) -> None:
    folder = weights.find_packaged("piper/en_US-joe-medium")
    assert folder is not None
    with pytest.raises(WeightsError, match=f"has {nodes} nodes '{operator}'"):
        extract_before(folder / "en_US-joe-medium.onnx", operator)


def test_no_model() -> None:
    with pytest.raises(WeightsError, match="does not load"):
        load_session(b"nothing of the kind")


@given(
    st.lists(st.floats(0.2, 12), min_size=10, max_size=60),
    st.floats(0.8, 1.4),
)
def test_the_rate_found_gives_the_frames_wanted(durations: list[float], rate: float) -> None:
    decided = np.array(durations)

    def frames_at(asked: float) -> float:
        return float(np.maximum(np.ceil(decided / asked), 1).sum())

    wanted = frames_at(1.0) / rate
    found = frames_at(find_rate(wanted, frames_at))
    fewest = frames_at(5.0)  # every phoneme has at least a frame: faster than that there is nothing
    steps = np.unique([frames_at(asked) for asked in np.linspace(0.25, 5, 800)])
    assert abs(found - wanted) <= max(fewest - wanted, np.abs(steps - wanted).min() + 1)
