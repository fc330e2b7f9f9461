import doctest
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vtlab.errors import InputError
from vtlab.evaluation.dataset import creation, faults, find_datasets, list_datasets, load_dataset, manifest, transcripts

CLIP: dict[str, Any] = {
    "id": "one",
    "file": "clips/one.flac",
    "source_language": "pt-BR",
    "target_language": "en",
    "seconds": 4.0,
    "segments": [
        {"start": 0.5, "end": 1.5, "text": "Bom dia.", "translation": "Good morning.", "speaker": "ana"},
        {"start": None, "end": None, "text": "Tudo bem?", "translation": None, "speaker": None},
    ],
    "licence": "CC0-1.0",
    "origin": "this test",
}


def write(folder: Path, *clips: dict[str, Any] | str) -> Path:
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "one.flac").write_bytes(b"sound")
    lines = [clip if isinstance(clip, str) else json.dumps(clip) for clip in clips]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def with_segment(**changes: Any) -> dict[str, Any]:
    return CLIP | {"segments": [CLIP["segments"][0] | changes]}


def test_a_manifest_is_read_and_its_files_are_found(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path / "mine", CLIP))
    (clip,) = dataset.clips
    assert dataset.name == "mine"
    assert clip.path == tmp_path / "mine" / "clips" / "one.flac"
    assert clip.source_language == "pt"
    assert not clip.timed and not clip.translated
    assert dataset.clip("one") is clip


def test_a_bare_name_is_looked_for_in_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "datasets" / "mine", CLIP)
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mine").name == "mine"
    with pytest.raises(InputError, match=r"Did you mean 'mine'\? Data sets here: mine\."):
        load_dataset("mime")


def test_the_digest_follows_references_and_media(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", CLIP)
    first = load_dataset(folder).digest
    assert load_dataset(folder).digest == first
    (folder / "clips" / "one.flac").write_bytes(b"other sound")
    second = load_dataset(folder).digest
    (folder / "manifest.jsonl").write_text(json.dumps(CLIP | {"origin": "elsewhere"}), encoding="utf-8")
    assert len({first, second, load_dataset(folder).digest}) == 3


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        ("{not json", r"line 2: Invalid JSON"),
        ({k: v for k, v in CLIP.items() if k != "seconds"}, r"line 2: field 'seconds' is missing; add it\."),
        (CLIP | {"id": "two", "license": "x"}, r"line 2: unknown field 'license'\. Did you mean 'licence'\?"),
        (CLIP | {"id": "two", "source_language": "portugese"}, r"line 2: Unknown language 'portugese'\. Did you mean"),
        (CLIP | {"id": "two", "file": "clips/two.flac"}, r"line 2: clip 'two' has no file .*two\.flac; correct 'file'"),
        (with_segment(end=0.2), r"line 2: segments\.0: it ends at 0\.2 s, before it starts at 0\.5 s"),
        (with_segment(end=9.0), r"line 2: segment 1 ends at 9 s, after the clip \(4 s\)"),
        (with_segment(end=None), r"line 2: segments\.0: give both start and end, or null for both"),
        (with_segment(text=""), r"line 2: segment 1 has no text; write what is said"),
        (CLIP, r"line 2: a second clip 'one'; rename it"),
        (CLIP | {"segments": "x"}, r"line 2: segments: write a list"),
        (CLIP | {"segments": ["x"]}, r"line 2: segments\.0: write a mapping"),
    ],
)
def test_errors_name_the_line_and_the_cure(tmp_path: Path, clip: dict[str, Any] | str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        load_dataset(write(tmp_path / "mine", CLIP, clip))
    assert caught.value.code == "E_DATASET"


def test_lines_out_of_order_are_refused(tmp_path: Path) -> None:
    swapped = CLIP | {"segments": [{"start": 2, "end": 3, "text": "b"}, {"start": 1, "end": 2, "text": "a"}]}
    with pytest.raises(InputError, match="segment 2 starts at 1 s, before the one above it; sort them"):
        load_dataset(write(tmp_path / "mine", swapped))


def test_an_empty_manifest_and_an_unknown_clip(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lists no clips"):
        load_dataset(write(tmp_path / "empty", ""))
    with pytest.raises(InputError, match=r"no clip 'onee'\. Did you mean 'one'\?"):
        load_dataset(write(tmp_path / "mine", CLIP)).clip("onee")


def test_licence_and_origin_may_be_left_out(tmp_path: Path) -> None:
    bare = {key: value for key, value in CLIP.items() if key not in ("licence", "origin")}
    (clip,) = load_dataset(write(tmp_path / "mine", bare)).clips
    assert clip.licence is None and clip.origin is None


def test_a_table_has_a_row_per_segment(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path / "mine", CLIP))
    frame = dataset.to_frame()
    assert frame["clip"].tolist() == ["one", "one"]
    assert frame.segment.tolist() == [1, 2]
    assert frame.start[0] == 0.5 and frame.start.isna()[1]
    assert frame.source_language.tolist() == ["pt", "pt"]
    assert dataset.segment_count == len(frame) == 2
    assert dataset.seconds == 4.0 and dataset.pairs == ("pt-en",)


def test_data_sets_are_found_by_folder(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", CLIP)
    write(tmp_path / "also", CLIP)
    assert [folder.name for folder in find_datasets(tmp_path)] == ["also", "mine"]
    assert find_datasets(mine) == [mine]


def test_data_sets_are_listed_a_faulty_one_with_what_is_wrong(tmp_path: Path) -> None:
    mine, empty = write(tmp_path / "mine", CLIP), tmp_path / "empty"
    empty.mkdir()
    (empty / "manifest.jsonl").touch()
    faulty, good = list_datasets(tmp_path)
    assert good == {
        "name": "mine", "clips": 1, "seconds": 4.0, "segments": 2, "pairs": ["pt-en"],
        "licences": [load_dataset(mine).clips[0].licence or "unknown"], "folder": str(mine),
    }  # fmt: skip
    assert faulty["folder"] == str(empty) and "lists no clips" in faulty["problem"]


@pytest.mark.parametrize("module", [manifest, faults, creation, transcripts])
def test_examples_in_docstrings(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0
