from pathlib import Path

import pytest

from vtlab.errors import InputError
from vtlab.metrics.subtitles import (
    incomplete_sentences,
    longest_line,
    most_lines,
    overlaps,
    read_subtitles,
    reading_speed_p95,
    shortest,
    srt_valid,
    suber,
)
from vtlab.segments import Cue

SRT = """1
00:00:01,000 --> 00:00:03,000
<i>Good morning,</i>
everybody.

2
00:00:03,500 --> 00:00:05,000
So it begins.
"""


def test_an_srt_file_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "a.srt"
    file.write_text(SRT, encoding="utf-8")
    assert read_subtitles(file) == [Cue(1, 3, "Good morning,\neverybody."), Cue(3.5, 5, "So it begins.")]
    assert srt_valid(file) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        SRT.replace("03,500 --> 00:00:05,000", "05,000 --> 00:00:05,000"),  # lasts no time
        SRT.replace("So it begins.", ""),  # says nothing
    ],
)
def test_a_broken_file_is_not_valid(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.srt"
    file.write_text(text, encoding="utf-8")
    assert srt_valid(file) == 0.0


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    assert srt_valid(tmp_path / "none.srt") is None
    file = tmp_path / "a.srt"
    file.write_bytes(b"\xff\xfe\x00\xd8")
    assert srt_valid(file) == 0.0
    with pytest.raises(InputError, match="cannot be read as subtitles"):
        read_subtitles(file)


CUES = [Cue(0, 2, "Ten chars."), Cue(2, 3, "Ten chars.\nAnd more"), Cue(2.5, 5.5, "木曜日")]


def test_what_a_reader_has_to_cope_with() -> None:
    # 5, 19 and 2 characters a second; linear between the two highest at 0.9 of the way
    assert reading_speed_p95(CUES) == pytest.approx(5 + 0.9 * (19 - 5))
    assert longest_line(CUES) == 10
    assert longest_line([CUES[2]]) == 6
    assert most_lines(CUES) == 2
    assert overlaps(CUES) == 1
    assert shortest(CUES) == 1
    assert all(measure([]) is None for measure in (reading_speed_p95, longest_line, most_lines, overlaps, shortest))


@pytest.mark.parametrize(
    ("texts", "incomplete"),
    [
        (["One.", "Two!"], 0),
        (["One and", "a half."], 1),  # one cue would have held it
        (["One and", "a half of what it takes"], 1),  # it never ends
        (["x" * 50 + ",", "y" * 50 + "."], 0),  # too long for one
    ],
)
def test_incomplete_sentences(texts: list[str], incomplete: int) -> None:
    assert incomplete_sentences([Cue(2 * at, 2 * at + 1.9, text) for at, text in enumerate(texts)]) == incomplete
    assert incomplete_sentences([]) is None


def test_suber() -> None:
    reference = [Cue(0, 2, "one two three"), Cue(3, 5, "four five")]
    assert suber([reference], [reference], "en") == 0.0
    # five words and two block breaks; one word is wrong
    assert suber([reference], [[Cue(0, 2, "one two tree"), Cue(3, 5, "four five")]], "en") == pytest.approx(
        100 / 7, abs=1e-3
    )
    # line breaks are no errors where the reference has none …
    assert suber([reference], [[Cue(0, 2, "one\ntwo three"), Cue(3, 5, "four five")]], "en") == 0.0
    # … and are where it has: eight tokens, one missing
    broken = [Cue(0, 2, "one\ntwo three"), Cue(3, 5, "four five")]
    assert suber([broken], [reference], "en") == pytest.approx(100 / 8, abs=1e-3)
    # words at another time do not align: three words and a break are deleted, and inserted
    late = [Cue(6, 8, "one two three"), Cue(3, 5, "four five")]
    assert suber([reference], [late], "en") == pytest.approx(800 / 7, abs=1e-3)
    # files do not touch
    assert suber([reference, reference], [reference, []], "en") == pytest.approx(50)
    assert suber([[]], [reference], "en") is None


def test_suber_is_the_librarys_own_on_its_files(tmp_path: Path) -> None:
    from suber.file_readers import SRTFileReader
    from suber.metrics.suber import calculate_SubER

    files = [tmp_path / "r.srt", tmp_path / "h.srt"]
    files[0].write_text(SRT, encoding="utf-8")
    files[1].write_text(SRT.replace("So it", "Now it all").replace("<i>", "").replace("</i>", ""), encoding="utf-8")
    own = suber([read_subtitles(files[0])], [read_subtitles(files[1])], "en")
    plain = files[0].with_name("plain.srt")
    plain.write_text(SRT.replace("<i>", "").replace("</i>", ""), encoding="utf-8")
    theirs = calculate_SubER(SRTFileReader(str(files[1])).read(), SRTFileReader(str(plain)).read(), language="en")
    assert own == theirs
