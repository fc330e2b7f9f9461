import json
import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from vtlab.audio import Audio
from vtlab.errors import VtlabError
from vtlab.segments import Cue, PlacedSegment, Segment, SpokenSegment, TranslatedSegment, Word
from vtlab.settings import SubtitleSettings
from vtlab.stages.subtitle_generation import check, source_cues, target_cues, write_subtitles

CASES = Path(__file__).parent.parent / "cases"
CLOCK = json.loads((CASES / "subtitle_clock.json").read_text(encoding="utf-8"))
DEFAULTS = SubtitleSettings()
FRAME_S = 0.04


def segment(start: float, end: float, text: str, words: tuple[Word, ...] = (), number: int = 0) -> Segment:
    return Segment(number, start, end, text, words)


def placed(source: Segment, text: str, start: float, end: float, failed: str | None = None) -> PlacedSegment:
    """A line of the dub; one that failed, or has nothing to say, has no sound."""
    audio = Audio(np.zeros(round((end - start) * 100), np.float32), 100)
    spoken = SpokenSegment(TranslatedSegment(source, text, "pt", "test"), text, audio, failed=failed)
    return PlacedSegment(spoken, start, end, audio)


def cues(*segments: Segment, duration_s: float = 60.0) -> list[Cue]:
    return source_cues(segments, DEFAULTS, FRAME_S, duration_s)


def flat(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Good evening.", "Good evening."),
        ("The first line\nand the second line.", "The first line and the second line."),
        ("The rain came in from the sea last night, and by noon it had gone.",
         "The rain came in from the sea last night,\nand by noon it had gone."),
        ("He said that the man in the grey house by the river was his uncle",
         "He said that the man in the grey\nhouse by the river was his uncle"),
        ("<i>Come here</i>, <font color=red>she</font> said.", "Come here, she said."),
        (r"{\an8}Up here\Nand there", "Up here and there"),
        ("if a<b and c>d then <b or >", "if a<b and c>d then <b or >"),
        ("this --> that", "this → that"),
        ("♪ ♪", "♪ ♪"),
        ("A" * 90, "A" * 42 + "|" + "A" * 42 + "\n" + "A" * 6),
    ],
)  # fmt: skip
def test_text_of_a_cue(text: str, shown: str) -> None:
    made = cues(segment(0.0, 6.0, text))
    assert flat("|".join(cue.text for cue in made).replace("\n", "/")) == flat(shown.replace("\n", "/"))


@pytest.mark.parametrize(
    "text",
    [
        "今日はとても天気がいいので、みんなで公園に行ってお弁当を食べながら、ゆっくりと話をしようと思っています。" * 3,
        "我在 Google 工作了五年，后来回到北京，开了一家小小的咖啡店，每天早上六点开门，一直到晚上十点才关门休息。" * 3,
        "วันนี้อากาศดีมาก เราจึงไปเดินเล่นที่สวนสาธารณะ และนั่งกินข้าวกลางวันด้วยกันอย่างมีความสุข" * 3,
    ],
)
def test_scripts_without_spaces(text: str) -> None:
    made = cues(segment(0.0, 20.0, text))
    assert len(made) >= 2
    assert "".join("".join(cue.text for cue in made).split()) == "".join(text.split())
    lines = [line for cue in made for line in cue.text.split("\n")]
    wide = [sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line) for line in lines]
    assert max(wide) <= 42  # an ideograph is as wide as two letters
    assert max(cue.text.count("\n") for cue in made) <= 1
    assert not any(re.match(r"[、。，\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]", line) for line in lines)  # marks lean back


def test_words_of_other_scripts_among_them_stay_whole() -> None:
    made = cues(
        segment(0.0, 6.0, "他在二〇二六年五月十八日星期一的早上打开了那台旧的收音机然后听到了 Wonderful 这首很老的歌")
    )
    assert "Wonderful" in " ".join(line for cue in made for line in cue.text.split("\n"))


def test_texts_of_the_case_kept_in_translation_fit_their_cues() -> None:
    case = json.loads((CASES / "kept_in_translation.json").read_text(encoding="utf-8"))
    texts = [line["text"] for line in case["segments"]]
    made = cues(*(segment(20.0 * n, 20.0 * n + 6, text) for n, text in enumerate(texts)), duration_s=400.0)
    assert all(cue.text.count("\n") <= 1 and r"\n" not in cue.text.lower() for cue in made)
    said = flat(" ".join(cue.text for cue in made))
    assert flat(texts[-1]) in said  # the long one: nothing is dropped
    assert sum(not text.strip() for text in texts) == 2
    assert "♪ ♪" in said


# ---------------------------------------------------------------- time


def test_long_lines_are_cut_at_clauses_at_the_times_of_their_words() -> None:
    first = "When the storm was over and the sea had calmed down again,"
    second = "the fishermen of the village went out to look for their boats."
    tokens = f"{first} {second}".split()
    starts = [0.3 * n + (2.0 if n >= len(first.split()) else 0.0) for n in range(len(tokens))]
    words = tuple(Word(token, at, at + 0.2, 1.0) for token, at in zip(tokens, starts, strict=True))
    made = cues(segment(0.0, starts[-1] + 0.2, f"{first} {second}", words))
    assert [flat(cue.text) for cue in made] == [first, second]
    assert made[1].start == pytest.approx(starts[len(first.split())], abs=0.01)


def test_long_lines_of_the_dub_are_cut_by_their_characters() -> None:
    first = "Quando a tempestade passou e o mar finalmente se acalmou,"
    second = "os pescadores da aldeia foram procurar os seus barcos todos."
    line = placed(segment(0.0, 10.0, "x"), f"{first} {second}", 2.0, 12.0)
    made = target_cues([line], DEFAULTS, FRAME_S, 60.0)
    assert [flat(cue.text) for cue in made] == [first, second]
    assert made[0].start == 2.0
    assert made[1].start == pytest.approx(2 + 10 * len(first) / (len(first) + len(second)), abs=0.1)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1.0, 1.3, "Yes.")], [(1.0, 2.0)]),  # at least a second
        ([(1.0, 2.0, "x" * 34)], [(1.0, 3.0)]),  # time to read, out of the silence after it
        ([(1.0, 2.0, "x" * 34), (2.5, 4.0, "No.")], [(1.0, 2.42), (2.5, 4.0)]),  # as far as the next one lets it
        ([(58.0, 59.8, "x" * 40)], [(58.0, 60.0)]),  # not beyond the end
        ([(1.0, 20.0, "Nooo!")], [(1.0, 8.0)]),  # at most seven seconds
        ([(-0.5, 1.5, "Early.")], [(0.0, 1.5)]),
    ],
)
def test_cues_stay_long_enough_to_read(
    spans: list[tuple[float, float, str]], expected: list[tuple[float, float]]
) -> None:
    made = cues(*(segment(*span) for span in spans))
    assert [(cue.start, cue.end) for cue in made] == [pytest.approx(span) for span in expected]


def test_a_cue_too_short_to_read_joins_its_neighbour() -> None:
    after = cues(segment(1.0, 2.0, "Come in, please."), segment(2.1, 2.4, "Sit."), segment(2.5, 5.0, "How are you?"))
    assert [cue.text for cue in after] == ["Come in, please. Sit.", "How are you?"]
    before = cues(segment(1.0, 2.0, "Long ago."), segment(9.0, 9.2, "Well,"), segment(9.4, 12.0, "let us see."))
    assert [(cue.text, cue.start) for cue in before] == [("Long ago.", 1.0), ("Well, let us see.", 9.0)]


def test_two_people_at_once_do_not_cover_each_other() -> None:
    made = cues(segment(12.0, 14.0, "I said that first, and you know it."), segment(12.0, 15.0, "No, I did!"))
    assert [(flat(cue.text), cue.start, cue.end) for cue in made] == [
        ("I said that first, and you know it. No, I did!", 12.0, 15.0)
    ]


def test_a_line_whose_speech_failed_keeps_its_cue() -> None:
    source = segment(3.0, 5.0, "Good evening.")
    made = target_cues([placed(source, "Boa noite.", 3.0, 3.0, failed="no voice")], DEFAULTS, FRAME_S, 60.0)
    assert made == [Cue(3.0, 5.0, "Boa noite.")]


def test_unspeakable_lines_keep_their_cues() -> None:
    case = json.loads((CASES / "unspeakable_lines.json").read_text(encoding="utf-8"))
    lines = [
        placed(segment(4.0 * n, 4.0 * n + 2, text, number=n), text, 4.0 * n, 4.0 * n)
        for n, text in enumerate(case["silent"])
    ]
    made = target_cues(lines, DEFAULTS, FRAME_S, 90.0)
    visible = [text for text in case["silent"] if text.strip()]
    assert [cue.text for cue in made] == visible


def test_a_cue_that_can_join_nobody_does_not_flash_by() -> None:
    """The next one, too long to join, comes half a second late."""
    long = "The fishermen of the village went out in the morning to look for all of their boats"
    made = cues(segment(1.0, 1.1, "Oh yes."), segment(1.12, 6.0, long))
    assert [(flat(cue.text), cue.start) for cue in made] == [("Oh yes.", 1.0), (long, pytest.approx(1.58))]
    assert made[0].end == pytest.approx(1.5)


def test_a_few_words_said_slowly_are_one_cue() -> None:
    assert [cue.text for cue in cues(segment(0.0, 20.0, "Yes, I know."))] == ["Yes, I know."]


spans = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 12), st.text(st.characters(codec="utf-8"), max_size=150)), max_size=8
)


@given(spans)
@examples(max_examples=60, deadline=None)
def test_cues_are_apart_in_order_and_hold_every_word(spans: list[tuple[float, float, str]]) -> None:
    segments, at = [], 0.0
    for pause, length, text in spans:
        at += pause
        segments.append(segment(at, at + length, text, number=len(segments)))
        at += length
    made = cues(*segments, duration_s=at + 10)
    gap = DEFAULTS.gap_frames * FRAME_S
    for before, after in pairwise(made):
        assert after.start >= before.end + gap - 1e-9
    for cue in made:
        assert 0 <= cue.start < cue.end <= at + 10 + 1e-9
        assert cue.end - cue.start <= DEFAULTS.max_duration_s + 1e-9
        lines = cue.text.split("\n")
        assert len(lines) <= DEFAULTS.max_lines
        assert all(line.strip() and len(line) <= DEFAULTS.max_line_chars for line in lines)


@given(st.lists(st.from_regex(r"[a-zçã]{1,12}[,.]?", fullmatch=True), min_size=1, max_size=60), st.floats(0.5, 30))
@examples(max_examples=60, deadline=None)
def test_no_word_is_lost(words: list[str], seconds: float) -> None:
    made = cues(segment(0.0, seconds, " ".join(words)))
    assert flat(" ".join(cue.text for cue in made)).split() == words


# ---------------------------------------------------------------- checks


def test_checks() -> None:
    fast = Cue(0.0, 1.0, "x" * 30)
    wide = Cue(2.0, 8.0, "x" * 50)
    short = Cue(9.0, 9.5, "Yes.")
    good = Cue(10.0, 12.0, "Good evening.")
    found = check([fast, wide, short, good], DEFAULTS, "en")
    assert [(finding.code, finding.value, finding.limit) for finding in found] == [
        ("reading_speed", 30.0, 17.0), ("line_chars", 50.0, 42.0), ("cue_short", 0.5, 1.0),
    ]  # fmt: skip


# ---------------------------------------------------------------- files


def lines_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if "-->" in line]


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_clock(tmp_path: Path, suffix: str) -> None:
    """Case subtitle-clock."""
    exact = [Cue(row["start"], row["end"], "x") for row in CLOCK["exact"]]
    for cue, row in zip(exact, CLOCK["exact"], strict=True):
        path = write_subtitles([cue], tmp_path / f"one.{suffix}")
        # WebVTT may leave out the hours
        assert lines_of(path)[0].replace(" 00:", " ").removeprefix("00:") in (
            row[suffix].replace(" 00:", " ").removeprefix("00:"),
            row[suffix],
        )
        assert not re.search(r"[,.]1000|:60", lines_of(path)[0])


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_cues_that_meet_do_not_overlap(tmp_path: Path, suffix: str) -> None:
    meeting = [Cue(start, end, "x") for start, end in CLOCK["one_after_another"]]
    first, second = lines_of(write_subtitles(meeting, tmp_path / f"two.{suffix}"))
    assert first.split(" --> ")[1] <= second.split(" --> ")[0]


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_no_cue_lasts_no_time(tmp_path: Path, suffix: str) -> None:
    (start, end), *_ = CLOCK["too_short_to_see"]
    (line,) = lines_of(write_subtitles([Cue(start, end, "x")], tmp_path / f"short.{suffix}"))
    assert re.search(r"05[,.]000 --> (00:)?00:06[,.]000", line)


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_beyond_the_clock_is_refused(tmp_path: Path, suffix: str) -> None:
    row = CLOCK["beyond_the_clock"]
    with pytest.raises(VtlabError, match="100 hours") as raised:
        write_subtitles([Cue(row["start"], row["end"], "x")], tmp_path / f"late.{suffix}")
    assert raised.value.code == "E_SUBTITLES"


def test_marks_of_the_formats_are_text(tmp_path: Path) -> None:
    cue = Cue(1.0, 2.0, "Tom & Jerry <3\na < b")
    assert "Tom & Jerry <3\na < b\n" in write_subtitles([cue], tmp_path / "a.srt").read_text(encoding="utf-8")
    assert "Tom &amp; Jerry &lt;3\na &lt; b\n" in write_subtitles([cue], tmp_path / "a.vtt").read_text(encoding="utf-8")
    assert (tmp_path / "a.vtt").read_text(encoding="utf-8").startswith("WEBVTT")


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
@pytest.mark.parametrize(
    "text",
    ["Tom & Jerry <3", "if a < b", "{braces} and \\N", "1 --> 2", "<i>sung</i>", "a < b, c > d", "¿Qué? 日本 😀"],
)
def test_players_read_what_was_meant(tmp_path: Path, text: str, suffix: str) -> None:
    import html

    import pysubs2

    (cue,) = cues(segment(1.0, 3.0, text))
    path = write_subtitles([cue], tmp_path / f"a.{suffix}")
    (read,) = pysubs2.load(str(path))
    shown = html.unescape(read.plaintext) if suffix == "vtt" else read.plaintext.replace("‹", "<").replace("›", ">")
    assert shown == cue.text
    assert (read.start, read.end) == (1000, 3000)


def test_no_cues_make_an_empty_file(tmp_path: Path) -> None:
    assert lines_of(write_subtitles([], tmp_path / "none.srt")) == []
