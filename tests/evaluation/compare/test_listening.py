from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from evaluation.made_up import clips
from hypothesis import given
from hypothesis import strategies as st

from vtlab.errors import InputError, UserError
from vtlab.evaluation.compare import listening
from vtlab.evaluation.compare import votes as ballots
from vtlab.evaluation.compare.listening import relate_votes
from vtlab.evaluation.compare.systems import System
from vtlab.evaluation.compare.votes import Pair, Ratings, Span, Vote
from vtlab.evaluation.sweep.results import ClipResult, clip_folder, write_result
from vtlab.evaluation.tracking.listening import log_outcome
from vtlab.measurement.results import Measurement
from vtlab.metrics.bootstrap import MIN_UNITS
from vtlab.metrics.rows import SegmentMeasure

SPAN = Span(Path("dub.mp4"), 0.0, 1.0, "k")
PAIRS = [Pair("clip", number, f"line {number}", SPAN, SPAN) for number in range(20)]


def ballot(pair: str, preferred: Any, listener: str = "ana", of: str = "", **ratings: Ratings) -> Vote:
    return Vote(
        listener=listener, pair=pair, left="a", preferred=preferred, ratings=ratings, of=of, at="2026-01-01T00:00:00Z"
    )


def result(configuration: str, clip: str, lines: dict[int, float | None], key: str = "k") -> ClipResult:
    segments = [
        SegmentMeasure(
            index=index,
            start=0,
            end=1,
            dubbed_start=start,
            dubbed_end=None if start is None else start + 1,
            translation="x",
        )
        for index, start in lines.items()
    ]
    measured = Measurement(
        source_language="pt", target_language="en", seconds=9, values={}, signatures={}, segments=tuple(segments)
    )
    return ClipResult(
        suite="s", configuration=configuration, fingerprint="f", dataset="d", dataset_digest="1", clip=clip, key=key,
        status="finished", measurement=measured, outputs={"video": Path("dub.mp4")},
    )  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for configuration, clip, lines in [
        ("one", "p", {0: 0.5, 1: 2.0, 2: None}),
        ("one", "q", {0: 1.0}),
        ("two", "p", {0: 0.7, 1: None, 2: 4.0}),
        ("three", "r", {0: 0.0}),
    ]:
        folder = clip_folder(tmp_path, "s", configuration, clip)
        write_result(result(configuration, clip, lines), folder)
        (folder / "dub.mp4").touch()
    return tmp_path


def test_a_pair_is_a_line_that_both_runs_are_heard_to_say(runs: Path) -> None:
    (pair,) = ballots.find_pairs("s/one", runs / "s" / "two", runs)
    assert (pair.id, pair.text) == ("p:0", "x")
    assert pair.a == Span(runs / "s" / "one" / "p" / "dub.mp4", 0.5, 1.5, "k")
    assert pair.b.start == 0.7


@pytest.mark.parametrize(
    ("other", "message"), [("s/three", "no line in common"), ("s/absent", "'vtlab eval' makes them")]
)
def test_runs_without_pairs_are_refused(runs: Path, other: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ballots.find_pairs("s/one", other, runs)


def test_every_listener_has_an_order_and_sides_of_their_own_and_the_same_again() -> None:
    ana, ana_again, eva = (ballots.shuffle_pairs(PAIRS, name) for name in ("ana", "ana", "eva"))
    assert ana == ana_again
    assert ana != eva
    assert sorted(show.pair.segment for show in ana) == list(range(20))
    assert {show.left for show in ana} == {"a", "b"}
    assert ballots.shuffle_pairs(PAIRS, "ana", seed=1) != ana


@pytest.mark.parametrize(
    ("left", "choice", "preferred"),
    [("a", "left", "a"), ("a", "right", "b"), ("b", "left", "b"), ("b", "right", "a"), ("b", "same", "same")],
)
def test_a_choice_by_side_is_a_vote_by_run(left: Any, choice: Any, preferred: str) -> None:
    made = ballots.make_vote(ballots.Showing(PAIRS[0], left), "ana", choice, Ratings(sync=2), Ratings(sync=5))
    assert made.preferred == preferred
    assert made.ratings[left].sync == 2


def test_votes_are_kept_one_by_one_and_the_later_one_counts(tmp_path: Path) -> None:
    file = tmp_path / "new" / "votes.jsonl"
    assert ballots.read_votes(file) == []
    for made in (ballot("p:0", "a"), ballot("p:1", "b"), ballot("p:0", "same"), ballot("p:0", "a", "eva")):
        ballots.add_vote(file, made)
    assert {(v.listener, v.pair, v.preferred) for v in ballots.read_votes(file)} == {
        ("ana", "p:0", "same"),
        ("ana", "p:1", "b"),
        ("eva", "p:0", "a"),
    }


def test_a_vote_knows_which_results_it_is_about(runs: Path) -> None:
    """A run made anew under the same name is listened to again; votes on what was there before stay in the file."""
    file = runs / "votes.jsonl"
    (pair,) = ballots.find_pairs("s/one", "s/two", runs)
    ballots.add_vote(file, ballot(pair.id, "b", "eva"))  # of before votes said what they are about
    ballots.add_vote(file, ballots.make_vote(ballots.Showing(pair, "a"), "ana", "left"))
    assert [made.listener for made in ballots.current_votes(ballots.read_votes(file), {"p": pair.results_hash})] == [
        "ana"
    ]

    write_result(result("two", "p", {0: 0.7}, key="made anew"), clip_folder(runs, "s", "two", "p"))
    (again,) = ballots.find_pairs("s/one", "s/two", runs)
    assert again.id == pair.id
    assert ballots.current_votes(ballots.read_votes(file), {"p": again.results_hash}) == []
    made = ballots.make_vote(ballots.Showing(again, "a"), "ana", "right")
    ballots.add_vote(file, made)
    assert ballots.current_votes(ballots.read_votes(file), {"p": again.results_hash}) == [made]
    assert len(ballots.read_votes(file)) == 3
    (turned,) = ballots.find_pairs("s/two", "s/one", runs)
    assert turned.results_hash == again.results_hash
    assert ballots.current_votes([ballot("q:0", "a", of=again.results_hash)], {"p": again.results_hash}) == []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "1 vote is about earlier results of these runs and does not count."),
        (2, "2 votes are about earlier results of these runs and do not count."),
    ],
)
def test_votes_about_earlier_results_are_told_of(number: int, said: str) -> None:
    assert listening.describe_earlier(number) == said


def test_votes_about_earlier_results_do_not_count_in_a_comparison() -> None:
    made = clips(1)
    keys = [{"clip_0": "one"}, {"clip_0": "two"}]
    systems = [System(name, made, keys=of) for name, of in zip("ab", keys, strict=True)]
    votes = [ballot(f"clip_0:{n}", "a", of=ballots.hash_results("two", "one")) for n in range(2)]
    earlier = [ballot("clip_0:0", "b", of=ballots.hash_results("one", "before")), ballot("clip_0:1", "b", "eva")]
    found = relate_votes(systems, [*votes, *earlier], ["chrf"])
    assert found.sentences[0] == "2 votes of 1 listener on 2 pairs."
    assert "a is preferred in 100% of 2 decided pairs" in found.sentences[1]
    assert found.sentences[-1] == listening.describe_earlier(2)
    assert relate_votes(systems, earlier, ["chrf"]).sentences == (listening.describe_earlier(2),)
    # of a measurement alone nobody knows
    of_files = [System("a", made), System("b", made)]
    assert relate_votes(of_files, [*votes, *earlier], ["chrf"]).sentences[0] == "4 votes of 2 listeners on 2 pairs."


def test_votes_of_many_at_once_are_all_kept(tmp_path: Path) -> None:
    """Also where the last one before them was cut off by a crash."""
    file = tmp_path / "votes.jsonl"
    for turn in range(20):
        with file.open("a", encoding="utf-8") as out:
            out.write('{"listener": "an')
        votes = [ballot(f"p:{turn}", "a", listener) for listener in "abcdefgh"]
        with ThreadPoolExecutor(len(votes)) as pool:
            list(pool.map(partial(ballots.add_vote, file), votes))
    assert len(ballots.read_votes(file)) == 160


def test_a_vote_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").mkdir()
    with pytest.raises(UserError, match=r"cannot be kept in .*: Is a directory"):
        ballots.add_vote(tmp_path / "votes.jsonl", ballot("p:0", "a"))


def test_a_vote_cut_off_by_a_crash_is_left_out_and_the_next_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    ballots.add_vote(file, ballot("p:0", "a"))
    file.write_text(file.read_text(encoding="utf-8") + '{"listener": "an', encoding="utf-8")
    assert len(ballots.read_votes(file)) == 1
    ballots.add_vote(file, ballot("p:1", "b"))
    assert len(ballots.read_votes(file)) == 2


@pytest.mark.parametrize("content", ["mine, without a line break", '{"name": "vtlab"}'])
def test_votes_are_not_written_into_a_file_of_the_user(tmp_path: Path, content: str) -> None:
    (tmp_path / "notes.json").write_text(content)
    with pytest.raises(InputError, match="is not a file of votes"):
        ballots.add_vote(tmp_path / "notes.json", ballot("p:0", "a"))
    assert (tmp_path / "notes.json").read_text() == content


def test_what_is_no_vote_is_named(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_text('{"listener": "ana"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 1, is no vote"):
        ballots.read_votes(file)


def test_the_sign_test_counts_each_pair_once() -> None:
    # 8 of 9 decided pairs for a: two-sided binomial p = 2 × (9 + 1) / 2⁹
    votes = [ballot(f"p:{n}", "a") for n in range(8)] + [ballot("p:8", "b"), ballot("p:9", "same")]
    votes += [ballot("p:0", "a", "eva"), ballot("p:9", "a", "eva"), ballot("p:9", "b", "kim")]
    found = listening.summarize_votes(votes)
    assert (found.listeners, found.votes, found.pairs, found.undecided) == (3, 13, 10, 1)
    assert found.p == pytest.approx(20 / 512)
    assert found.preferred_a is not None
    assert found.preferred_a.value == pytest.approx(8 / 9)
    # Wilson, z = 1.95996, n = 9, k = 8
    assert (found.preferred_a.low, found.preferred_a.high) == pytest.approx((0.5650, 0.9801), abs=1e-4)
    assert listening.describe_outcome("s/one", "s/two", found)[0] == "13 votes of 3 listeners on 10 pairs."
    assert "Listeners prefer s/one." in listening.describe_outcome("s/one", "s/two", found)
    assert listening.outcome_values(found, "b")["listen_preferred"] == pytest.approx(1 / 9)
    assert listening.outcome_values(found, "b")["listen_preferred_low"] == pytest.approx(1 - 0.9801, abs=1e-4)
    assert listening.describe_values(listening.outcome_values(found, "b"), "s/one") == [
        "3 listeners heard it against s/one, on 10 pairs of lines.",
        "It is preferred in 11% of the decided pairs (95 % interval 2% to 43%, p 0.039): a difference is shown.",
    ]


def test_nobody_decided_is_no_preference() -> None:
    found = listening.summarize_votes([ballot("p:0", "same")])
    assert found.preferred_a is None
    assert "listen_preferred" not in listening.outcome_values(found, "a")
    assert listening.describe_values(listening.outcome_values(found, "a"), "two") == [
        "1 listener heard it against two, on 1 pair of lines.",
        "No pair was decided for either run: no difference shown.",
    ]
    assert listening.describe_values({}, "") == []
    assert listening.describe_outcome("one", "two", found) == [
        "1 vote of 1 listener on 1 pair.",
        "No pair was decided for either run: no difference shown.",
    ]
    assert listening.summarize_votes([]).pairs == 0


def test_marks_are_means_over_pairs_and_absent_without_any() -> None:
    votes = [
        ballot("p:0", "a", a=Ratings(naturalness=5), b=Ratings(naturalness=3)),
        ballot("p:0", "a", "eva", a=Ratings(naturalness=4)),
        ballot("p:1", "a", a=Ratings(naturalness=2)),
    ]
    rated = listening.summarize_votes(votes).ratings
    assert rated["a"]["naturalness"].value == pytest.approx((4.5 + 2) / 2)
    assert rated["b"]["naturalness"].value == 3
    assert "sync" not in rated["a"]


@pytest.mark.parametrize(("pairs", "there"), [(MIN_UNITS - 1, False), (MIN_UNITS, True)])
def test_marks_of_few_pairs_have_no_interval(pairs: int, there: bool) -> None:
    votes = [
        ballot(f"p:{n}", "a", a=Ratings(naturalness=3 + n % 2), b=Ratings(naturalness=2 + n % 2)) for n in range(pairs)
    ]
    found = listening.summarize_votes(votes)
    mark = found.ratings["a"]["naturalness"]
    assert mark.value == pytest.approx(3 + (pairs // 2) / pairs)
    assert (mark.low is not None, mark.high is not None) == (there, there)
    values = listening.outcome_values(found, "a")
    assert values["listen_naturalness"] == mark.value
    assert ("listen_naturalness_low" in values, "listen_naturalness_high" in values) == (there, there)
    (said,) = [line for line in listening.describe_values(values, "two") if line.startswith("naturalness")]
    assert said == f"naturalness: {mark.value:.2f} of 5{mark.spread}."
    (said,) = [line for line in listening.describe_outcome("one", "two", found) if line.startswith("naturalness")]
    assert (" to " in said) == there
    if not there:
        assert said == "naturalness: one 3.40, two 2.40."


def test_nothing_is_logged_where_nobody_voted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no votes on one and two as they are now"):
        log_outcome("one", "two", listening.summarize_votes([]), tmp_path / "votes.jsonl")


def test_rank_correlation_with_a_metric() -> None:
    votes = [ballot(f"p:{n}", preferred) for n, preferred in enumerate(["a", "a", "same", "same", "b", "b"])]
    found = listening.correlation(votes, {f"p:{n}": value for n, value in enumerate([3, 3, 1, 1, -9, -9, 0])})
    assert found is not None
    # of the 6! orders 2 · 2 · 2 put both in agreement
    assert found == pytest.approx((1.0, 2 * 8 / 720))
    assert listening.correlation(votes, {f"p:{n}": 3.0 for n in range(6)}) is None
    assert listening.correlation(votes, {f"p:{n}": float(n) for n in range(MIN_UNITS - 1)}) is None


def test_p_of_a_rank_correlation_is_drawn_from_a_seed() -> None:
    votes = [ballot(f"p:{n}", "a" if n % 3 else "b") for n in range(12)]
    better_a = {f"p:{n}": float((5 * n) % 12) for n in range(12)}
    assert listening.correlation(votes, better_a, 1) == listening.correlation(votes, better_a, 1)
    assert listening.correlation(votes, better_a, 1) != listening.correlation(votes, better_a, 2)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "same"]), st.sampled_from("xyz"))))
def test_turning_the_runs_round_turns_the_outcome_round(given_votes: list[tuple[int, str, str]]) -> None:
    turned = {"a": "b", "b": "a", "same": "same"}
    one = listening.summarize_votes([ballot(f"p:{n}", choice, who) for n, choice, who in given_votes])
    other = listening.summarize_votes([ballot(f"p:{n}", turned[choice], who) for n, choice, who in given_votes])
    assert one.p == pytest.approx(other.p)
    if one.preferred_a is not None and other.preferred_a is not None:
        assert one.preferred_a.value == pytest.approx(1 - other.preferred_a.value)
        assert one.preferred_a.low <= one.preferred_a.value <= one.preferred_a.high


def test_votes_are_found_whichever_run_was_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = ballot("clip:0", "a", a=Ratings(naturalness=4))
    ballots.add_vote(ballots.votes_file("s/one", "s/two/"), made)
    assert ballots.find_votes("s/one", "s/two") == [made]
    (turned,) = ballots.find_votes("s/two", "s/one")
    assert (turned.preferred, turned.left, turned.ratings) == ("b", "b", {"b": Ratings(naturalness=4)})
    assert ballots.find_votes("s/one", "s/three") == []
