import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from vtlab.errors import InputError, LanguageError, VtlabError
from vtlab.evaluation.dataset import NewClip, check, load_dataset, new

ROOT = Path(__file__).parents[2]
BAKERY = load_dataset(ROOT / "datasets" / "spoken").clip("pt_bakery")
FOX = ROOT / "datasets" / "people" / "clips" / "fox_pt.flac"  # 4.43 s
FOX_TEXT = "Uma raposa velha não consegue aprender nenhum ofício."


def srt(file: Path, cues: Iterable[tuple[float, float, str]]) -> Path:
    def stamp(seconds: float) -> str:
        return f"00:00:{int(seconds):02d},{round(seconds % 1 * 1000):03d}"

    file.write_text(
        "".join(f"{n}\n{stamp(a)} --> {stamp(b)}\n{text}\n\n" for n, (a, b, text) in enumerate(cues, 1)),
        encoding="utf-8",
    )
    return file


def bakery(folder: Path) -> NewClip:
    """The bakery with subtitles as people make them: early, late to go, the translation in halves."""
    said, translated = [], []
    for segment in BAKERY.segments:
        assert segment.start is not None and segment.end is not None and segment.translation
        start, end = segment.start - 0.3, segment.end + 0.5
        said.append((start, end, segment.text))
        words, middle = segment.translation.split(), (start + end) / 2
        half = len(words) // 2
        translated += [(start, middle, " ".join(words[:half])), (middle, end, " ".join(words[half:]))]
    return NewClip(
        BAKERY.path, "pt", "en", srt(folder / "a.srt", said), srt(folder / "b.srt", translated),
        id="bakery", licence="CC0-1.0", origin="this project", tags=("plain",),
    )  # fmt: skip


def fox(folder: Path, **changes: object) -> NewClip:
    transcript = srt(folder / "fox.pt.srt", [(0.2, 4.0, FOX_TEXT)])
    return NewClip(
        **{"video": FOX, "source_language": "pt", "target_language": "en", "transcript": transcript} | changes
    )  # type: ignore[arg-type]


def test_subtitles_become_the_reference_that_the_data_set_had(tmp_path: Path) -> None:
    (added,) = new(tmp_path / "mine", [bakery(tmp_path)])
    assert added.warnings == ()
    (clip,) = load_dataset(tmp_path / "mine").clips
    assert clip == added.clip
    assert clip.path == tmp_path / "mine" / "clips" / "bakery.mp4"
    assert clip.path.read_bytes() == BAKERY.path.read_bytes()
    assert clip.seconds == pytest.approx(BAKERY.seconds, abs=0.05)
    texts = [(segment.text, segment.translation) for segment in clip.segments]
    assert texts == [(segment.text, segment.translation) for segment in BAKERY.segments]
    for ours, known in zip(clip.segments, BAKERY.segments, strict=True):
        assert ours.start == pytest.approx(known.start, abs=0.15)
        assert ours.end == pytest.approx(known.end, abs=0.25)
    assert check(tmp_path / "mine").faults == ()


def test_exact_keeps_the_subtitles_times(tmp_path: Path) -> None:
    (added,) = new(tmp_path / "mine", [fox(tmp_path)], exact=True)
    assert [(one.start, one.end) for one in added.clip.segments] == [(0.2, 4.0)]


def test_a_data_set_grows_and_nothing_is_written_over(tmp_path: Path) -> None:
    new(tmp_path / "mine", [fox(tmp_path)], link=True)
    before = (tmp_path / "mine" / "manifest.jsonl").read_bytes()
    assert (tmp_path / "mine" / "clips" / "fox_pt.flac").is_symlink()
    with pytest.raises(InputError, match="has a clip 'fox_pt' already; give this one another id"):
        new(tmp_path / "mine", [fox(tmp_path, id="other"), fox(tmp_path)])
    assert (tmp_path / "mine" / "manifest.jsonl").read_bytes() == before
    assert [file.name for file in (tmp_path / "mine" / "clips").iterdir()] == ["fox_pt.flac"]
    (tmp_path / "mine" / "clips" / "third.flac").write_bytes(b"somebody's")
    with pytest.raises(InputError, match=r"third\.flac is there already; give the clip another id"):
        new(tmp_path / "mine", [fox(tmp_path, id="third")])
    new(tmp_path / "mine", [fox(tmp_path, id="other")])
    assert [clip.id for clip in load_dataset(tmp_path / "mine").clips] == ["fox_pt", "other"]
    assert (tmp_path / "mine" / "manifest.jsonl").read_bytes().startswith(before)


def test_two_clips_of_one_call_have_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has a clip 'fox_pt' already"):
        new(tmp_path / "mine", [fox(tmp_path), fox(tmp_path)])
    assert not (tmp_path / "mine" / "manifest.jsonl").exists()


def test_a_name_is_made_of_any_file_name(tmp_path: Path) -> None:
    video = shutil.copy(FOX, tmp_path / "-Aula nº 1 [final], parte 2?.flac")
    (added,) = new(tmp_path / "mine", [fox(tmp_path, video=Path(video))])
    assert added.clip.id == "-Aula nº 1 _final_ parte 2_"
    assert load_dataset(tmp_path / "mine").clips[0].path.is_file()


def test_texts_have_no_times(tmp_path: Path) -> None:
    said, translated = tmp_path / "a.txt", tmp_path / "b.txt"
    said.write_text(FOX_TEXT + "\n", encoding="utf-8")
    translated.write_text("An old fox cannot learn any trade.\n", encoding="utf-16")
    (added,) = new(tmp_path / "mine", [fox(tmp_path, transcript=said, translation=translated)])
    (segment,) = added.clip.segments
    assert (segment.start, segment.translation) == (None, "An old fox cannot learn any trade.")


def test_what_is_missing_is_a_warning(tmp_path: Path) -> None:
    cues = [(0.2, 4.0, "An old fox cannot learn any trade."), (4.1, 6.0, "Late.")]
    translation = srt(tmp_path / "fox.en.srt", cues)
    (added,) = new(tmp_path / "mine", [fox(tmp_path, translation=translation)])
    assert added.warnings == (
        "fox.en.srt: cue 2 is cut at the clip's end, 4.43 s",
        "fox.en.srt: the cue at 4.1 s ('Late.') shares its time with nothing in the transcript and was left out",
        "no licence is given; add it before anybody else uses the clip",
        "no origin is given; add it before anybody else uses the clip",
    )
    bare = fox(tmp_path, id="bare", transcript=None, licence="CC0-1.0", origin="a test")
    (added,) = new(tmp_path / "mine", [bare])
    assert added.warnings == ("it has no transcript: nothing that needs a reference can be measured",)
    (added,) = new(tmp_path / "mine", [fox(tmp_path, id="half", licence="CC0-1.0", origin="a test")])
    assert added.warnings == ("it has no translation: translations cannot be scored",)


def test_a_transcript_of_something_else_is_heard(tmp_path: Path) -> None:
    transcript = srt(tmp_path / "a.srt", [(0.05, 0.3, "Nada."), (0.3, 4.0, FOX_TEXT)])
    (added,) = new(tmp_path / "mine", [fox(tmp_path, transcript=transcript)])
    assert "nobody is heard to speak at 0.05 s, where the transcript says 'Nada.'" in added.warnings


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"video": Path("none.mp4")}, InputError, "none.mp4"),
        ({"video": ROOT / "README.md"}, InputError, r"README\.md"),
        ({"transcript": Path("none.srt")}, InputError, r"none\.srt cannot be read"),
        ({"source_language": "portugese"}, LanguageError, "Did you mean 'portuguese'"),
        ({"target_language": "por"}, InputError, "source and target language are both 'pt'"),
        ({"transcript": None, "translation": Path("b.srt")}, InputError, "a translation and no transcript"),
        ({"id": "a/b"}, InputError, "id: String should match pattern"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, object], error: type[VtlabError], said: str
) -> None:
    with pytest.raises(error, match=said):
        new(tmp_path / "mine", [fox(tmp_path, **changes)])
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("cues", [[(0.2, 9.0, FOX_TEXT)], [(0.2, 2.0, "Uma"), (4.5, 4.8, "raposa")]])
def test_a_transcript_longer_than_the_clip_is_refused(tmp_path: Path, cues: list[tuple[float, float, str]]) -> None:
    with pytest.raises(InputError, match=r"a\.srt: cue \d .* and the clip lasts 4\.43 s\. Is it of another video\?"):
        new(tmp_path / "mine", [fox(tmp_path, transcript=srt(tmp_path / "a.srt", cues))])


def test_texts_of_other_lengths_are_refused_with_both_counts(tmp_path: Path) -> None:
    said, translated = tmp_path / "a.txt", tmp_path / "b.txt"
    said.write_text("Um.\nDois.\n", encoding="utf-8")
    translated.write_text("One.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.txt, .*b\.txt: The transcript has 2 lines and the translation 1\."):
        new(tmp_path / "mine", [fox(tmp_path, transcript=said, translation=translated)])


def test_a_video_that_lies_in_the_data_set_stays_there(tmp_path: Path) -> None:
    (tmp_path / "mine" / "clips").mkdir(parents=True)
    video = Path(shutil.copy(FOX, tmp_path / "mine" / "clips" / "fox.flac"))
    before = video.stat()
    new(tmp_path / "mine", [fox(tmp_path, video=video)])
    assert video.stat() == before
    assert load_dataset(tmp_path / "mine").clip("fox").path == video
    assert check(tmp_path / "mine").sound


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a file", encoding="utf-8")
    with pytest.raises(InputError, match="mine cannot be written: File exists"):
        new(tmp_path / "mine", [fox(tmp_path)])


def test_a_faulty_manifest_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "manifest.jsonl").write_text("{not json\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: Invalid JSON.* Mend it before adding clips"):
        new(folder, [fox(tmp_path)])
    assert (folder / "manifest.jsonl").read_text(encoding="utf-8") == "{not json\n"


def faulty(folder: Path) -> Path:
    """A data set with every fault that can be in one."""
    shutil.copy(FOX, folder / "fox.flac")
    (folder / "text.flac").write_text("no sound", encoding="utf-8")
    (folder / "clips").mkdir()
    shutil.copy(FOX, folder / "clips" / "stray.flac")
    line = {"text": FOX_TEXT, "start": 0.4, "end": 3.6, "translation": "An old fox."}
    base = {
        "id": "good", "file": "fox.flac", "source_language": "pt", "target_language": "en", "seconds": 4.428,
        "segments": [line], "licence": "MIT", "origin": "here",
    }  # fmt: skip
    rows = [
        base,
        base | {"id": "long", "seconds": 6.0},
        base | {"id": "order", "segments": [line, {"text": " ", "start": 0.1, "end": 9.0}]},
        base | {"id": "same", "target_language": "pt"},
        base | {"id": "media", "file": "text.flac"},
        base | {"id": "missing", "file": "none.flac"},
        base,
        base | {"id": "bare", "segments": [], "licence": None, "origin": None},
        base | {"id": "parts", "segments": [{"text": "Uma"}, line]},
        base | {"id": "extra", "segmnets": []},
        base | {"id": "tongue", "source_language": "portugese"},
    ]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_every_fault_is_found_with_its_line(tmp_path: Path) -> None:
    report = check(faulty(tmp_path))
    assert not report.sound
    manifest = str(tmp_path / "manifest.jsonl")
    found = [str(fault).removeprefix(manifest) for fault in report.faults]
    assert found == [
        ', line 2: error: fox.flac lasts 4.428 s, not 6 s; write "seconds": 4.428.',
        ", line 3: error: segment 2 has no text; write what is said, or leave the segment out.",
        ", line 3: error: segment 2 starts at 0.1 s, before the one above it; sort them.",
        ", line 3: error: segment 2 ends at 9 s, after the clip (4.428 s); correct one of them.",
        ", line 4: error: source and target language are both 'pt'; correct one.",
        next(line for line in found if line.startswith(", line 5: error: ") and "text.flac" in line),
        f", line 6: error: clip 'missing' has no file {tmp_path / 'none.flac'}; correct 'file' or add it.",
        ", line 7: error: a second clip 'good'; rename it.",
        ", line 8: warning: no licence is given; add 'licence' before anybody else uses the clip.",
        ", line 8: warning: no origin is given; add 'origin' before anybody else uses the clip.",
        ", line 8: warning: it has no segments; add what is said, or nothing that needs a reference is measured.",
        ", line 9: warning: 1 of 2 segments have no translation.",
        ", line 9: warning: 1 of 2 segments have no times: sync is measured against voice activity in the source, and "
        "there are no losses per stage.",
        ", line 10: error: unknown field 'segmnets'. Did you mean 'segments'?",
        next(line for line in found if line.startswith(", line 11: error: Unknown language 'portugese'")),
        ": warning: clips/stray.flac is no clip's file; add a line for it, or remove it.",
    ]


def test_missing_parts_cost_the_metrics_that_need_them(tmp_path: Path) -> None:
    plain, translated = tmp_path / "a.txt", tmp_path / "b.txt"
    plain.write_text(FOX_TEXT, encoding="utf-8")
    translated.write_text("An old fox.", encoding="utf-8")
    translation = srt(tmp_path / "b.srt", [(0.2, 4.0, "An old fox.")])
    new(
        tmp_path / "mine",
        [
            fox(tmp_path, id="bare", transcript=None),
            fox(tmp_path, id="said"),
            fox(tmp_path, id="text", transcript=plain, translation=translated),
            fox(tmp_path, id="whole", translation=translation),
        ],
    )
    lost = {one.missing: one for one in check(tmp_path / "mine").lost}
    assert {missing: one.clips for missing, one in lost.items()} == {
        "segments": ("bare",), "translation": ("said",), "times": ("text",),
    }  # fmt: skip
    scored = {"bleu", "chrf", "asr_bleu", "asr_chrf", "bleu_gold_transcript", "suber"}
    assert set(lost["translation"].metrics) == scored
    assert set(lost["segments"].metrics) == scored | {"wer", "cer", "wer_sub", "wer_ins", "wer_del"}
    assert lost["times"].metrics == ("suber",)
    assert str(lost["times"]) == "no times in text: not measured there: suber"


def test_an_empty_data_set_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("\n", encoding="utf-8")
    assert [fault.message for fault in check(tmp_path).faults] == ["it lists no clips; write one JSON object a line."]
