"""The data sets that come with the project are what their READMEs say."""

from pathlib import Path

import av
import pytest
import yaml

from vtlab.evaluation.dataset import Clip, Dataset, load_dataset

DATASETS = Path(__file__).parents[1] / "datasets"
FREE = ("CC0-1.0", "Apache-2.0", "MIT", "CC-BY-3.0", "CC-BY-4.0", "LicenseRef-public-domain")


@pytest.fixture(scope="module", params=["spoken", "people"])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return load_dataset(DATASETS / request.param)


def test_media_are_as_long_as_the_manifest_says_and_have_sound(dataset: Dataset) -> None:
    for clip in dataset.clips:
        with av.open(str(clip.path)) as media:
            assert media.streams.audio, clip.id
            assert media.duration is not None
            assert media.duration / av.time_base == pytest.approx(clip.seconds, abs=0.1), clip.id


def test_licences_let_the_clips_stand_here_and_are_named_in_the_readme(dataset: Dataset) -> None:
    readme = (DATASETS / dataset.name / "README.md").read_text(encoding="utf-8")
    for clip in dataset.clips:
        assert clip.licence.startswith(FREE), clip.id
        assert clip.id in readme
    listed = {clip.path.name for clip in dataset.clips}
    assert {file.name for file in (DATASETS / dataset.name / "clips").iterdir()} == listed


def test_the_folders_stay_small(dataset: Dataset) -> None:
    assert sum(clip.path.stat().st_size for clip in dataset.clips) < 12e6


def test_spoken_has_exact_times_and_translations_in_both_directions() -> None:
    clips = load_dataset(DATASETS / "spoken").clips
    assert all(clip.timed and clip.translated for clip in clips)
    for pair in (("pt", "en"), ("en", "pt")):
        ours = [clip for clip in clips if (clip.source_language, clip.target_language) == pair]
        assert len(ours) >= 6
        assert max(clip.seconds for clip in ours) >= 138
        assert sum("hurried" in clip.tags for clip in ours) == 1
        assert any(len({segment.speaker for segment in clip.segments}) == 2 for clip in ours)


def test_spoken_was_built_from_its_texts() -> None:
    written = yaml.safe_load((DATASETS / "spoken" / "texts.yaml").read_text(encoding="utf-8"))
    built = load_dataset(DATASETS / "spoken").clips
    assert [clip.id for clip in built] == [text["id"] for text in written]
    for clip, text in zip(built, written, strict=True):
        lines = [(line["text"], line["translation"]) for line in text["lines"]]
        assert [(segment.text, segment.translation) for segment in clip.segments] == lines
        assert pauses(clip) == pytest.approx([line.get("pause", text["pause"]) for line in text["lines"]][1:], abs=2e-3)


def pauses(clip: Clip) -> list[float]:
    """Silence between lines, in seconds."""
    return [
        after.start - before.end
        for before, after in zip(clip.segments, clip.segments[1:], strict=False)
        if after.start is not None and before.end is not None
    ]
