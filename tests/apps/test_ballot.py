"""A blind pair: what the page gets, by itself, from several threads and in a real browser."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from browser import hear_both, needs_browser, opened, served
from dubbing import PEOPLE
from playwright.sync_api import Page, expect

from vtlab import media
from vtlab.apps.ballot import Ballot, _excerpt
from vtlab.errors import UserError, VtlabError
from vtlab.evaluation.compare import votes as ballots
from vtlab.evaluation.compare.votes import Ratings, Showing, Span, Vote, Which
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, write_result
from vtlab.evaluation.tracking.listening import close_test
from vtlab.measurement.results import Measurement
from vtlab.media.snippets import data_url
from vtlab.metrics.rows import SegmentMeasure

VIDEO = PEOPLE / "sentences_pt.mp4"
LINES = 6
PLAYS = "player => new Promise(done => { player.ontimeupdate = () => player.currentTime > 0.1 && done(true) })"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dub without a picture."""
    out = tmp_path_factory.mktemp("sound") / "dub.m4a"
    subprocess.run([media.ffmpeg_binary(), "-v", "error", "-i", VIDEO, "-vn", "-c:a", "copy", out], check=True)
    return out


def spans(file: Path, later_s: float = 0.0) -> list[Span]:
    return [Span(file, 0.3 + line + later_s, 1.2 + line + later_s, "k") for line in range(LINES)]


def showings(file: Path, other: Path | None = None) -> list[Showing]:
    pairs = zip(spans(file), spans(other or file, 0.4), strict=True)
    return [
        Showing(ballots.Pair("clip", n, f"line {n}", a, b), "a" if n % 2 == 0 else "b")
        for n, (a, b) in enumerate(pairs)
    ]


def chosen(number: int, choice: str = "left", press: int = 1, **marks: int) -> dict[str, Any]:
    return {"number": number, "press": press, "choice": choice, "left_ratings": marks, "right_ratings": {}}


# ---------------------------------------------------------------- without a browser


def test_many_at_once_hear_their_own_lines(tmp_path: Path) -> None:
    asked = [*spans(VIDEO), *spans(VIDEO, 0.4)] * 2
    alone = [_excerpt(span, tmp_path / "alone") for span in asked]
    assert len({excerpt.content for excerpt in alone}) == 2 * LINES
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda span: _excerpt(span, tmp_path / "work"), asked))
    assert together == alone
    assert list((tmp_path / "work").iterdir()) == []


def test_listeners_at_once_go_through_their_pairs(tmp_path: Path) -> None:
    def heard(listener: str, work: Path) -> tuple[list[Any], list[Vote]]:
        votes: list[Vote] = []
        shows = showings(VIDEO)[:: 1 if listener == "ana" else -1]
        ballot = Ballot(shows, listener, 0, work, votes.append)
        pages = []
        for number in range(1, LINES + 1):
            pages.append(
                (ballot.showing["text"], ballot.showing["left"]["address"], ballot.showing["right"]["address"])
            )
            ballot.chosen = chosen(number)
            ballot.chosen = chosen(number, press=2)  # pressed twice
        assert ballot.showing["done"]
        return pages, votes

    listeners = ["ana", "eva", "kim"]
    alone = [heard(listener, tmp_path / "alone")[0] for listener in listeners]
    with ThreadPoolExecutor(len(listeners)) as pool:
        together = list(pool.map(lambda listener: heard(listener, tmp_path / "work"), listeners))
    assert [pages for pages, _ in together] == alone
    for _, votes in together:
        assert sorted(made.pair for made in votes) == [f"clip:{line}" for line in range(LINES)]


def test_a_pair_that_cannot_be_heard_is_said_and_passed(tmp_path: Path) -> None:
    """No vote before or after it is lost or doubled, and the page does not tell which run it is."""
    shows = showings(VIDEO)[:3]
    gone = Span(tmp_path / "careful" / "gone.mp4", 0, 1, "k")
    shows[1] = Showing(ballots.Pair("clip", 1, "line 1", gone, gone), "a")
    votes: list[Vote] = []
    ballot = Ballot(shows, "ana", 4, tmp_path, votes.append)
    ballot.chosen = chosen(5)
    assert [made.pair for made in votes] == ["clip:0"]
    assert ballot.showing["trouble"] == "The dub on the left cannot be heard: it does not exist."
    assert "careful" not in str(ballot.showing)
    ballot.chosen = {"number": 6, "press": 2}
    ballot.chosen = {"number": 6, "press": 3}
    assert ballot.showing["number"] == 7 and "trouble" not in ballot.showing
    ballot.chosen = chosen(7, "right", naturalness=4)
    assert [(made.pair, made.preferred) for made in votes] == [("clip:0", "a"), ("clip:2", "b")]
    assert votes[1].ratings["a"] == Ratings(naturalness=4)
    assert ballot.showing == {"number": 7, "total": 7, "done": True, "skipped": 1}


def test_a_disk_that_takes_no_excerpt_is_said(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    with pytest.raises(VtlabError, match=r"No segment can be cut in .*work: File exists"):
        _excerpt(spans(VIDEO)[0], tmp_path / "work")


def test_a_vote_that_cannot_be_kept_can_be_given_again(tmp_path: Path) -> None:
    votes: list[Vote] = []
    full = True

    def keep(made: Vote) -> None:
        if full:
            full_disk = OSError(28, "No space left on device")
            raise UserError("The vote cannot be kept in careful/votes.jsonl.") from full_disk
        votes.append(made)

    ballot = Ballot(showings(VIDEO)[:2], "ana", 0, tmp_path, keep)
    first = ballot.showing
    ballot.chosen = chosen(1)
    assert ballot.not_kept == "The vote could not be kept: No space left on device."
    assert ballot.showing == first
    full = False
    ballot.chosen = chosen(1, press=2)
    assert (len(votes), ballot.not_kept, ballot.showing["number"]) == (1, "", 2)


def test_sound_alone_is_no_black_picture_and_not_in_sync_with_one(tmp_path: Path, sound: Path) -> None:
    page = Ballot(showings(sound)[:1], "ana", 0, tmp_path, lambda made: None).showing
    for side in (page["left"], page["right"]):
        assert (side["kind"], side["scales"]) == ("audio", ["naturalness", "intelligibility"])
        assert side["address"].startswith("data:audio/mp4;base64,")
    page = Ballot(showings(VIDEO)[:1], "ana", 0, tmp_path, lambda made: None).showing
    assert (page["left"]["kind"], page["left"]["scales"]) == ("video", list(ballots.SCALES))


# ---------------------------------------------------------------- in a browser


def lay(
    folder: Path,
    dub: Path,
    kind: str = "video",
    key: str = "k",
    lines: int = LINES,
    names: tuple[str, str] = ("near", "far"),
) -> None:
    """Results of two runs, as if ``vtlab eval`` had made them."""
    for configuration, later_s in zip(names, (0.0, 0.4), strict=True):
        place = clip_folder(folder / "out" / "eval", "s", configuration, "clip")
        rows = [
            SegmentMeasure(
                index=n, start=span.start, end=span.end, dubbed_start=span.start, dubbed_end=span.end, translation="x"
            )
            for n, span in enumerate(spans(dub, later_s)[:lines])
        ]
        measured = Measurement(
            source_language="pt", target_language="en", seconds=9, values={}, signatures={}, segments=tuple(rows)
        )
        made = ClipResult(
            suite="s", configuration=configuration, fingerprint="f", dataset="d", dataset_digest="1", clip="clip",
            key=key, status="finished", measurement=measured, outputs={kind: Path(dub.name)},
        )  # fmt: skip
        write_result(made, place)
        (place / dub.name).write_bytes(dub.read_bytes())


def begin(page: Page, listener: str) -> None:
    name = page.get_by_placeholder("any name, the same each time")
    name.fill(listener)
    name.press("Enter")
    expect(page.locator(".vtlab-count")).to_be_visible()


def pressed(page: Page, label: str) -> None:
    expect(page.get_by_label(label, exact=True)).to_have_attribute("aria-pressed", "true")


@needs_browser
def test_two_listen_at_once_and_again_when_a_run_was_made_anew(tmp_path: Path) -> None:
    lay(tmp_path, VIDEO)
    votes = tmp_path / ballots.votes_file("s/near", "s/far")
    pairs = ballots.find_pairs("s/near", "s/far", tmp_path / "out" / "eval")
    pieces = {span: _excerpt(span, tmp_path).content for pair in pairs for span in (pair.a, pair.b)}
    with served(["listen", "s/near", "s/far"], tmp_path, {}) as address:
        with opened(address) as first:
            assert first.context.browser is not None
            second = first.context.browser.new_page()
            second.goto(address)
            pages = {"ana": first, "eva": second}
            for listener, page in pages.items():
                begin(page, listener)
            for number in range(LINES):
                for listener, page in pages.items():
                    expect(page.get_by_text(f"Pair {number + 1} of {LINES}")).to_be_visible()
                    shown = ballots.shuffle_pairs(pairs, listener)[number]
                    sides = (shown.pair.a, shown.pair.b) if shown.left == "a" else (shown.pair.b, shown.pair.a)
                    for player, span in zip(page.locator(".vtlab-side video").all(), sides, strict=True):
                        assert player.get_attribute("src") == data_url(pieces[span], "video/mp4")
                    hear_both(page)
                for page in pages.values():  # both are cut at once
                    page.locator(".vtlab-ballot").press("ArrowLeft")
                    page.locator(".vtlab-ballot").press("Enter")
            for page in pages.values():
                expect(page.get_by_text(f"That was the last of {LINES} pairs")).to_be_visible()
        kept = ballots.read_votes(votes)
        assert len(kept) == 2 * LINES == len({(made.listener, made.pair) for made in kept})

        lay(tmp_path, VIDEO, key="made anew", lines=1)
        with opened(address) as page:
            expect(page.get_by_text("You hear two dubs of 1 segment.")).to_be_visible()
            begin(page, "ana")
            expect(page.get_by_text("Pair 1 of 1")).to_be_visible()
            with pytest.raises(UserError, match="There are no votes on s/near and s/far as they are now"):
                close_test("s/near", "s/far", tmp_path / "out" / "eval", votes)
            hear_both(page)
            page.locator(".vtlab-ballot").press("ArrowLeft")
            page.locator(".vtlab-ballot").press("Enter")
            expect(page.get_by_text("That was the last of 1 pair.")).to_be_visible()
    assert len(ballots.read_votes(votes)) == 2 * LINES + 1


@needs_browser
def test_one_side_plays_at_a_time_and_keys_give_marks(tmp_path: Path) -> None:
    lay(tmp_path, VIDEO, lines=2)
    with served(["listen", "s/near", "s/far"], tmp_path, {}) as address, opened(address, height=1300) as page:
        begin(page, "ana")
        ballot, (left, right) = page.locator(".vtlab-ballot"), page.locator(".vtlab-side video").all()
        for player in (left, right):  # a line is over before the other is listened to
            player.evaluate("player => { player.loop = true }")
        expect(page.get_by_text("1 to 5: mark the side played last")).to_be_visible()
        ballot.press("4")  # nothing was played yet
        expect(page.locator("[aria-pressed=true]")).to_have_count(0)
        # as the players' own buttons do
        left.evaluate("player => player.play()")
        assert left.evaluate(PLAYS)
        expect(page.get_by_text("Keys 1 to 5 mark: left, naturalness")).to_be_visible()
        right.evaluate("player => player.play()")
        assert right.evaluate(PLAYS)
        assert left.evaluate("player => player.paused")
        assert not right.evaluate("player => player.paused")

        expect(page.get_by_text("Keys 1 to 5 mark: right, naturalness")).to_be_visible()
        for mark in (4, 5, 1):
            ballot.press(str(mark))
        for label in ("right naturalness 4", "right intelligibility 5", "right sync 1"):
            pressed(page, label)
        ballot.press("Backspace")
        expect(page.get_by_label("right sync 1", exact=True)).to_have_attribute("aria-pressed", "false")
        ballot.press("2")
        pressed(page, "right sync 2")
        ballot.press("a")
        expect(page.get_by_text("Keys 1 to 5 mark: left, naturalness")).to_be_visible()
        assert right.evaluate("player => player.paused")
        ballot.press("3")
        pressed(page, "left naturalness 3")
        page.get_by_label("right naturalness 5", exact=True).click()  # by mouse, and what follows by keys
        page.keyboard.press("1")
        pressed(page, "right intelligibility 1")
        # no vote before both were played to the end
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.get_by_text("To choose, play to the end: left, right")).to_be_visible()
        expect(page.get_by_role("button", name="No difference")).to_be_disabled()
        expect(page.get_by_text("Pair 1 of 2")).to_be_visible()
        hear_both(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Pair 2 of 2")).to_be_visible()
        expect(page.get_by_text("To choose, play to the end: left, right")).to_be_visible()
    (made,) = ballots.read_votes(tmp_path / ballots.votes_file("s/near", "s/far"))
    other: Which = "b" if made.left == "a" else "a"
    assert made.preferred == other
    assert made.ratings == {
        made.left: Ratings(naturalness=3),
        other: Ratings(naturalness=5, intelligibility=1, sync=2),
    }


@needs_browser
def test_sound_alone_and_a_line_that_cannot_be_heard(tmp_path: Path, sound: Path) -> None:
    lay(tmp_path, sound, "audio", lines=3)
    with served(["listen", "s/near", "s/far"], tmp_path, {}) as address, opened(address) as page:
        begin(page, "ana")
        expect(page.locator(".vtlab-side audio")).to_have_count(2)
        expect(page.locator(".vtlab-side video")).to_have_count(0)
        expect(page.get_by_text("intelligibility", exact=True)).to_have_count(2)
        expect(page.get_by_text("sync", exact=True)).to_have_count(0)
        page.locator(".vtlab-ballot").press("l")
        assert page.locator("audio").nth(1).evaluate(PLAYS)
        dub = tmp_path / "out" / "eval" / "s" / "far" / "clip" / sound.name
        dub.rename(dub.with_suffix(".away"))
        hear_both(page)
        page.locator(".vtlab-ballot").press("ArrowDown")
        page.locator(".vtlab-ballot").press("Enter")
        expect(page.get_by_text("cannot be heard: it does not exist.")).to_be_visible()
        dub.with_suffix(".away").rename(dub)
        page.locator(".vtlab-ballot").press("Enter")
        expect(page.get_by_text("Pair 3 of 3")).to_be_visible()
        hear_both(page)
        page.locator(".vtlab-ballot").press("ArrowDown")
        page.locator(".vtlab-ballot").press("Enter")
        expect(page.get_by_text("That was the last of 3 pairs. 1 of them could not be heard.")).to_be_visible()
        # it is heard when the listener comes again
        page.reload()
        begin(page, "ana")
        expect(page.get_by_text("Pair 3 of 3")).to_be_visible()


@needs_browser
def test_the_page_is_told_neither_the_names_of_the_runs_nor_the_votes(tmp_path: Path) -> None:
    """Configurations of a matrix have names with ``=``, by default."""
    names = ("beam_size=1", "beam_size=5")
    lay(tmp_path, VIDEO, lines=2, names=names)
    received: list[str] = []
    with served(["listen", *(f"s/{name}" for name in names)], tmp_path, {}) as address, opened("about:blank") as page:
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(str(frame))))
        page.on("response", lambda response: received.append(response.url))
        page.goto(address)
        expect(page.get_by_text("You hear two dubs of 2 segments.")).to_be_visible()
        begin(page, "ana")
        hear_both(page)
        page.locator(".vtlab-ballot").press("ArrowLeft")
        page.locator(".vtlab-ballot").press("Enter")
        expect(page.get_by_text("Pair 2 of 2")).to_be_visible()
        received.append(page.content())
    assert len(received) > 10
    assert not [text for text in received if "beam_size" in text]
    (vote,) = ballots.read_votes(tmp_path / ballots.votes_file(*(f"s/{name}" for name in names)))
    assert vote.preferred == vote.left


@needs_browser
def test_what_the_browser_cannot_play_is_passed(tmp_path: Path) -> None:
    lay(tmp_path, VIDEO, lines=2)
    with served(["listen", "s/near", "s/far"], tmp_path, {}) as address, opened(address) as page:
        begin(page, "ana")
        page.locator(".vtlab-side video").first.evaluate("player => { player.src = 'data:video/mp4;base64,AAAA' }")
        expect(page.get_by_text("This browser cannot play the dub on the left.")).to_be_visible()
        page.locator(".vtlab-ballot").press("Enter")
        expect(page.get_by_text("Pair 2 of 2")).to_be_visible()
        hear_both(page)
        page.locator(".vtlab-ballot").press("ArrowDown")
        page.locator(".vtlab-ballot").press("Enter")
        expect(page.get_by_text("That was the last of 2 pairs. 1 of them could not be heard.")).to_be_visible()
    assert len(ballots.read_votes(tmp_path / ballots.votes_file("s/near", "s/far"))) == 1
