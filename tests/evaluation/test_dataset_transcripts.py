import codecs
from pathlib import Path

import pytest

from vtlab.errors import InputError
from vtlab.evaluation.dataset.transcripts import Cue, join, read_transcript, trim
from vtlab.metrics.reference import ReferenceSegment
from vtlab.segments import Interval

SRT = "1\n00:00:01,000 --> 00:00:02,500\n<i>Olá,</i>\nmundo.\n\n2\n00:00:03,000 --> 00:00:04,000\nAté já!\n"
SAID = [Cue("Olá, mundo.", Interval(1.0, 2.5)), Cue("Até já!", Interval(3.0, 4.0))]
VTT = """WEBVTT
Kind: captions

NOTE made by hand

first
00:01.000 --> 00:02.500 align:start
<v Ana>Olá,</v>
mundo &amp; todos.

NOTE nobody says this

second
00:03.000 --> 00:04.000
Até<00:03.200><c> já</c><00:03.600><c>!</c>
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,Até já!
Comment: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,not said
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ana,0,0,0,,{\\i1}Olá,{\\i0}\\Nmundo.
"""


def written(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    "content",
    [
        SRT.encode(),
        codecs.BOM_UTF8 + SRT.encode(),
        SRT.encode("utf-16"),
        codecs.BOM_UTF16_BE + SRT.encode("utf-16-be"),
        SRT.replace("\n", "\r\n").encode(),
    ],
)
def test_subtitles_are_read_in_any_unicode(tmp_path: Path, content: bytes) -> None:
    assert read_transcript(written(tmp_path / "a.srt", content)) == SAID


def test_webvtt_keeps_speakers_and_drops_notes_names_and_word_times(tmp_path: Path) -> None:
    assert read_transcript(written(tmp_path / "a.vtt", VTT)) == [
        Cue("Olá, mundo & todos.", Interval(1.0, 2.5), "Ana"),
        Cue("Até já!", Interval(3.0, 4.0)),
    ]


def test_ass_is_sorted_and_keeps_actors(tmp_path: Path) -> None:
    assert read_transcript(written(tmp_path / "a.ass", ASS)) == [
        Cue("Olá, mundo.", Interval(1.0, 2.5), "Ana"),
        Cue("Até já!", Interval(3.0, 4.0)),
    ]


def test_text_is_a_sentence_a_line(tmp_path: Path) -> None:
    text = "Olá, mundo.\n\n  Até   já!\n"
    assert read_transcript(written(tmp_path / "a.txt", text)) == [Cue("Olá, mundo."), Cue("Até já!")]


def test_sounds_and_songs_are_not_said(tmp_path: Path) -> None:
    texts = ["[music]", "(applause)", "♪ la la ♪", "...", "Hello (again)."]
    cues = "".join(f"00:00:0{n},000 --> 00:00:0{n},900\n{text}\n\n" for n, text in enumerate(texts))
    assert [cue.text for cue in read_transcript(written(tmp_path / "a.srt", cues))] == ["Hello (again)."]


def test_rolling_captions_say_each_line_once(tmp_path: Path) -> None:
    lines = ["one", "one\ntwo", "two", "two\nthree", "three\nfour"]
    cues = "".join(f"00:00:0{n},000 --> 00:00:0{n},900\n{text}\n\n" for n, text in enumerate(lines))
    read = read_transcript(written(tmp_path / "a.vtt", "WEBVTT\n\n" + cues.replace(",", ".")))
    assert [cue.text for cue in read] == ["one", "two", "three", "four"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.srt", b"", "a.srt is in no subtitle format that is known"),
        ("a.srt", b"only words", r"a text of one sentence a line is named \.txt"),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n\n", "says nothing: it has no cues with text"),
        ("a.srt", b"1\n00:00:02,000 --> 00:00:01,000\nBack.\n", "the cue 'Back.' at 2 s ends before it starts"),
        ("a.srt", SRT.encode("latin-1"), "neither UTF-8 nor UTF-16; save it as UTF-8"),
        ("a.srt", SRT.encode("utf-16-le"), "UTF-16 without its byte-order mark|neither UTF-8 nor UTF-16"),
        ("a.txt", b" \n\n", "says nothing: it has no lines with text"),
        ("a.txt", SRT.encode(), r"holds the times of subtitles; rename it to end in \.srt or \.vtt"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_transcript(written(tmp_path / name, content))
    assert caught.value.code == "E_SUBTITLES"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.srt cannot be read: No such file"):
        read_transcript(tmp_path / "none.srt")


def cues(*rows: tuple[float, float, str]) -> list[Cue]:
    return [Cue(text, Interval(start, end)) for start, end, text in rows]


@pytest.mark.parametrize(
    ("said", "answers", "joined", "left"),
    [
        # one to one, the translation half a second late
        ([(0, 2, "A"), (2, 4, "B")], [(0.5, 2.5, "a"), (2.5, 4.5, "b")], [(0, 2, "A", "a"), (2, 4, "B", "b")], []),
        # one to two, two to one
        ([(0, 4, "A")], [(0, 2, "a"), (2, 4, "b")], [(0, 4, "A", "a b")], []),
        ([(0, 2, "A"), (2, 4, "B")], [(0, 4, "a")], [(0, 4, "A B", "a")], []),
        # cut at other places: nothing is parted from its translation
        ([(0, 2, "A"), (2, 4, "B"), (6, 8, "C")], [(0, 3, "a"), (3, 4, "b"), (6, 8, "c")],
         [(0, 4, "A B", "a b"), (6, 8, "C", "c")], []),
        # a cue that only brushes its neighbour's translation has none
        ([(0, 2, "A"), (2, 4, "B")], [(0, 2.05, "a")], [(0, 2, "A", "a"), (2, 4, "B", None)], []),
        # less than half shared, and no better partner
        ([(0, 2, "A")], [(1.4, 4, "a")], [(0, 2, "A", "a")], []),
        ([(0, 2, "A")], [(0, 2, "a"), (5, 6, "b")], [(0, 2, "A", "a")], ["b"]),
    ],
)  # fmt: skip
def test_cues_are_joined_by_the_time_they_share(
    said: list[tuple[float, float, str]],
    answers: list[tuple[float, float, str]],
    joined: list[tuple[float, float, str, str | None]],
    left: list[str],
) -> None:
    segments, unmatched = join(cues(*said), cues(*answers), "pt", "en")
    assert [(one.start, one.end, one.text, one.translation) for one in segments] == joined
    assert [cue.text for cue in unmatched] == left


def test_languages_without_spaces_are_joined_without() -> None:
    (segment,), _ = join(cues((0, 2, "你好"), (2, 4, "世界")), cues((0, 4, "Hello world")), "zh", "en")
    assert (segment.text, segment.translation) == ("你好世界", "Hello world")


def test_a_speaker_is_known_where_all_cues_are_theirs() -> None:
    one, two = Cue("A", Interval(0, 1), "ana"), Cue("B", Interval(1, 2), "rui")
    (segment,), _ = join([one, two], cues((0, 2, "a")), "pt", "en")
    assert segment.speaker is None
    first, second = join([one, two], None, "pt", "en")[0]
    assert (first.speaker, second.speaker) == ("ana", "rui")


def test_without_times_lines_are_joined_in_their_order() -> None:
    segments, _ = join([Cue("A"), Cue("B")], [Cue("a"), Cue("b")], "pt", "en")
    assert [(one.text, one.translation, one.start) for one in segments] == [("A", "a", None), ("B", "b", None)]
    segments, _ = join([Cue("A"), Cue("B")], cues((0, 1, "a"), (1, 2, "b")), "pt", "en")
    assert [(one.translation, one.start, one.end) for one in segments] == [("a", 0, 1), ("b", 1, 2)]
    with pytest.raises(InputError, match="The transcript has 2 lines and the translation 1"):
        join([Cue("A"), Cue("B")], [Cue("a")], "pt", "en")


def test_times_are_narrowed_to_speech_and_never_widened() -> None:
    segments = [ReferenceSegment(start=start, end=end, text="x") for start, end in ((0, 2), (2, 4), (8, 9))]
    speech = [Interval(0.5, 1.0), Interval(1.2, 1.7), Interval(1.9, 5.0)]
    trimmed, silent = trim(segments, speech)
    assert [(one.start, one.end) for one in trimmed] == [(0.5, 2), (2, 4), (8, 9)]
    assert silent == [segments[2]]
