from pathlib import Path

import pytest

from vtlab.audio import Audio, cut
from vtlab.engines.transcription.faster_whisper import FasterWhisper
from vtlab.errors import EngineError, WeightsError
from vtlab.evaluation.dataset import load_dataset
from vtlab.media import choose_audio, decode_speech, probe
from vtlab.metrics.recognition import error_rates
from vtlab.segments import Interval

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def whisper() -> FasterWhisper:
    return FasterWhisper(FasterWhisper.Options(batch_size=2), 2)


@pytest.fixture(scope="module")
def bakery() -> Audio:
    clip = load_dataset(ROOT / "datasets" / "spoken").clip("pt_bakery")
    info = probe(clip.path)
    return decode_speech(clip.path, choose_audio(info, None, None), info.duration_s)


SPANS = [Interval(1.5, 9.4), Interval(10.2, 18.0), Interval(18.3, 28.0)]


def test_each_span_has_its_own_words_in_order(whisper: FasterWhisper, bakery: Audio) -> None:
    heard = list(whisper.transcribe(bakery, SPANS, "pt"))
    assert len(heard) == len(SPANS)
    words = [[word for utterance in utterances for word in utterance.words] for utterances in heard]
    for span, inside in zip(SPANS, words, strict=True):
        assert inside
        assert all(span.start - 0.1 <= word.start <= word.end <= span.end + 0.1 for word in inside)
        assert all(0 < word.probability <= 1 for word in inside)
    reference = load_dataset(ROOT / "datasets" / "spoken").clip("pt_bakery")
    said = " ".join(word.text for inside in words for word in inside)
    rates = error_rates([" ".join(segment.text for segment in reference.segments)], [said], "pt")
    assert rates.wer is not None
    assert rates.wer < 0.15


@pytest.mark.parametrize(
    ("spans", "batch_size", "threads", "sizes"),
    [
        (6, 4, 2, [3, 3]),  # even batches: no core waits for the last
        (1, 4, 2, [1]),
        (2, 4, 2, [1, 1]),
        (17, 4, 2, [3, 3, 3, 3, 3, 2]),
        (8, 8, 1, [8]),
        (0, 4, 2, []),
    ],
)
def test_batches(spans: int, batch_size: int, threads: int, sizes: list[int]) -> None:
    engine = FasterWhisper(FasterWhisper.Options(batch_size=batch_size), threads)
    batches = engine._batches([Interval(n, n + 1) for n in range(spans)])
    assert [len(batch) for batch in batches] == sizes


def test_the_language_is_heard(whisper: FasterWhisper, bakery: Audio) -> None:
    probabilities = whisper.detect_language(cut(bakery, 1.5, 9.4))
    assert max(probabilities, key=lambda code: probabilities[code]) == "pt"


def test_weights_that_are_nowhere_are_told_with_every_place_tried(tmp_path: Path) -> None:
    options = FasterWhisper.Options(model="medium", offline=True)
    with pytest.raises(WeightsError, match=r"whisper/medium") as error:
        FasterWhisper.weights(options)
    for place in ("folder medium", "packages that ship", "hub cache"):
        assert place in str(error.value)
    assert not FasterWhisper.status(options).ready
    with pytest.raises(WeightsError, match=r"holds no model\.bin"):
        FasterWhisper.weights(FasterWhisper.Options(model=str(tmp_path)))


def test_weights_that_are_no_model_are_told(tmp_path: Path, bakery: Audio) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")
    engine = FasterWhisper(FasterWhisper.Options(model=str(tmp_path)), 1)
    with pytest.raises(EngineError, match="does not load"):
        list(engine.transcribe(bakery, SPANS, "pt"))
