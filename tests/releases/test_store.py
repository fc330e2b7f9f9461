"""Releases: written whole or not at all, in force one at a time, told when damaged."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vtlab.releases import store as promotion
from vtlab.releases.evidence import Contest, Evidence, GateOutcome
from vtlab.releases.store import (
    Proposal,
    ReleasedWeights,
    ReleaseError,
    add_release,
    current,
    history,
    list_releases,
    load,
    read_result_lines,
    releases_folder,
    restore_release,
    verify,
)
from vtlab.settings import fingerprint, settings_from_dict

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)
RESULTS = ('{"clip": "one"}', '{"clip": "zwei", "text": "ação"}')


def proposal(name: str = "fast", settings: dict[str, Any] | None = None, **facts: Any) -> Proposal:
    chosen = settings_from_dict({"transcription": {"max_segment_s": 9.0}} if settings is None else settings)
    evidence = Evidence(
        values={"bleu": 31.5, "wer": 0.12},
        intervals={"bleu": (28.0, 35.25)},
        signatures={"bleu": "nrefs:1|tok:13a"},
        gates=(GateOutcome(metric="bleu", limit="≥ 20", value=31.5, passed=True),),
        contests=(
            Contest(
                release=1,
                metric="bleu",
                baseline=29.5,
                value=31.5,
                difference=2.0,
                low=0.5,
                high=3.5,
                p=0.01,
                verdict="better",
            ),
        ),
        clips=2,
    )
    data = {
        "name": name,
        "suite": "pt-en",
        "run_id": "0123abcd",
        "fingerprint": fingerprint(chosen),
        "dataset": "spoken",
        "dataset_digest": "feedbeefcafe",
        "pairs": (("pt", "en"),),
        "weights": (ReleasedWeights(name="whisper/base", sha256="00ff"),),
        "evidence": evidence,
        "commit": "abc",
        "vtlab": "0",
        "who": "ada@host",
        "when": WHEN,
        "settings": chosen,
        "results": RESULTS,
    }
    return Proposal(**{**data, **facts})


def promoted(folder: Path, name: str = "fast", **facts: Any) -> promotion.Release:
    return add_release(folder, lambda: proposal(name, **facts))


def force(folder: Path) -> str | None:
    release = current(folder)
    return None if release is None else release.name


def test_nothing_is_in_force_before_the_first_promotion(tmp_path: Path) -> None:
    folder = tmp_path / "releases"
    assert current(folder) is None
    assert history(folder) == []
    assert not folder.exists()


def test_a_release_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = promoted(tmp_path)
    read = load(tmp_path, 1)
    assert read == made == current(tmp_path)
    assert read.number == 1
    assert read.settings.transcription.max_segment_s == 9.0
    assert read.evidence == proposal().evidence
    assert read.when == WHEN
    assert tuple(read_result_lines(read)) == RESULTS
    assert [(move.release, move.action, move.who, move.when) for move in history(tmp_path)] == [
        (1, "promotion", "ada@host", WHEN)
    ]
    assert sorted(file.name for file in (tmp_path / "0001").iterdir()) == [
        "release.json",
        "results.jsonl",
        "settings.yaml",
    ]


def test_languages_and_the_store_are_left_to_the_server(tmp_path: Path) -> None:
    settings = {"source_language": "pt", "target_language": "en", "store": {"folder": str(tmp_path / "store")}}
    read = load(tmp_path, promoted(tmp_path, settings=settings).number).settings
    assert (read.source_language, read.target_language, read.store.folder) == (None, None, None)


def test_the_glossary_goes_with_the_release(tmp_path: Path) -> None:
    glossary = tmp_path / "terms.yaml"
    glossary.write_text("casa: home\n")
    folder = tmp_path / "releases"
    made = promoted(folder, settings={"translation": {"glossary": str(glossary)}})
    glossary.unlink()
    read = load(folder, 1)
    assert read == made
    assert read.settings.translation.glossary is not None
    assert read.settings.translation.glossary.read_text() == "casa: home\n"
    (folder / "0001" / "glossary.yaml").write_text("casa: hut\n")
    with pytest.raises(ReleaseError, match=r"glossary\.yaml was changed"):
        load(folder, 1)


def test_a_glossary_that_is_gone_prevents_the_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"nowhere\.yaml cannot be read"):
        promoted(tmp_path, settings={"translation": {"glossary": str(tmp_path / "nowhere.yaml")}})
    assert current(tmp_path) is None


def test_rollback_goes_back_one_release_each_time(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        promoted(tmp_path, name)
    assert restore_release(tmp_path, "bob@host", LATER, "too slow").name == "two"
    assert restore_release(tmp_path, "bob@host", LATER).name == "one"
    with pytest.raises(ReleaseError, match="Release 1 has none before it"):
        restore_release(tmp_path, "bob@host", LATER)
    assert force(tmp_path) == "one"
    promoted(tmp_path, "four")
    assert restore_release(tmp_path, "bob@host", LATER).name == "one"  # what was rolled back is not what was before
    assert restore_release(tmp_path, "bob@host", LATER, to=3).name == "three"
    assert restore_release(tmp_path, "bob@host", LATER).name == "one"
    assert restore_release(tmp_path, "bob@host", LATER, to=1).name == "one"  # in force already: nothing moves
    moves = history(tmp_path)
    assert [move.release for move in moves] == [1, 2, 3, 2, 1, 4, 1, 3, 1]
    assert (moves[3].action, moves[3].who, moves[3].when, moves[3].reason) == (
        "rollback",
        "bob@host",
        LATER,
        "too slow",
    )


def test_there_is_nothing_to_roll_back_to(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="holds no release yet"):
        restore_release(tmp_path, "bob@host", LATER)
    promoted(tmp_path)
    with pytest.raises(ReleaseError, match=r"holds no release 7\. Releases there: 1"):
        restore_release(tmp_path, "bob@host", LATER, to=7)


def test_a_proposal_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    promoted(tmp_path, "one")

    def refuse() -> Proposal:
        raise ReleaseError("It is not better.")

    with pytest.raises(ReleaseError, match="not better"):
        add_release(tmp_path, refuse)
    assert force(tmp_path) == "one"
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] == ["0001"]


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("release", lambda home: (home / "release.json").write_text("{}"), r"release\.json was changed"),
    ("settings", lambda home: (home / "settings.yaml").open("a").write(" "), r"settings\.yaml was changed"),
    ("no settings", lambda home: (home / "settings.yaml").unlink(), r"settings\.yaml is missing"),
    ("results", lambda home: (home / "results.jsonl").write_text(""), r"results\.jsonl was changed"),
    ("folder", lambda home: home.rename(home.with_name("elsewhere")), r"release\.json is missing"),
]


@pytest.mark.parametrize(("damage", "told"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_damage_is_told_and_can_be_left_behind(tmp_path: Path, damage: Callable[[Path], object], told: str) -> None:
    promoted(tmp_path, "one")
    promoted(tmp_path, "two")
    damage(tmp_path / "0002")
    promotion._current.cache_clear()  # another process reads
    with pytest.raises(ReleaseError, match=f"Release 2 is damaged: .*{told}.*rollback"):
        current(tmp_path)
    assert restore_release(tmp_path, "bob@host", LATER).name == "one"
    assert force(tmp_path) == "one"
    with pytest.raises(ReleaseError, match="Release 2 is damaged"):
        restore_release(tmp_path, "bob@host", LATER, to=2)
    assert promoted(tmp_path, "three").number == 3
    assert force(tmp_path) == "three"


def test_a_damaged_history_names_the_line(tmp_path: Path) -> None:
    promoted(tmp_path, "one")
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write("{]\n")
    with pytest.raises(ReleaseError, match=r"history\.jsonl, line 2"):
        current(tmp_path)


def test_settings_of_another_version_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = promotion.dump_yaml
    monkeypatch.setattr(promotion, "dump_yaml", lambda settings: written(settings) + "tomorrow: true\n")
    promoted(tmp_path)
    with pytest.raises(ReleaseError, match="do not fit this version of vtlab: Unknown setting 'tomorrow'"):
        load(tmp_path, 1)


def test_current_reads_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promoted(tmp_path, "one")
    first = current(tmp_path)
    read: list[str] = []
    monkeypatch.setattr(promotion, "load", lambda folder, number: read.append("again"))
    assert current(tmp_path) is first
    assert read == []
    monkeypatch.undo()
    promoted(tmp_path, "two")
    assert force(tmp_path) == "two"


def test_numbers_are_not_used_twice(tmp_path: Path) -> None:
    promoted(tmp_path, "one")
    (tmp_path / "0007").mkdir()  # of a promotion that died before it was in force
    (tmp_path / "notes").mkdir()
    assert promoted(tmp_path, "two").number == 8
    with pytest.raises(ReleaseError, match="holds no release 7"):
        load(tmp_path, 7)


def test_the_folder_is_that_of_the_environment() -> None:
    assert releases_folder({}) == Path("releases")
    assert releases_folder({"VTLAB_RELEASES": ""}) == Path("releases")
    assert releases_folder({"VTLAB_RELEASES": "/srv/releases"}) == Path("/srv/releases")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReleaseError, match="VTLAB_RELEASES"):
        promoted(tmp_path / "file" / "releases")


# ---------------------------------------------------------------- deaths and races


STEPS = {"os.mkdir", "os.rename", "os.remove", "os.chmod", "open"}


def dies_at(step: int, folder: Path, work: Callable[[], object]) -> bool:
    """Runs ``work`` in a child that is killed at the ``step``-th touch of the folder; whether it got so far."""
    child = os.fork()
    if child == 0:
        left = step

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and str(folder) in str(arguments[0]):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("action", ["first promotion", "promotion", "rollback"])
def test_killed_at_any_step_the_old_release_is_in_force_or_the_new_one(tmp_path: Path, action: str) -> None:
    before = {"first promotion": None, "promotion": "two", "rollback": "two"}[action]
    after = {"first promotion": "three", "promotion": "three", "rollback": "one"}[action]
    template = tmp_path / "template"
    template.mkdir()
    if before is not None:
        promoted(template, "one")
        promoted(template, "two")
    moves = history(template)
    seen: list[str | None] = []
    for step in itertools.count(1):
        folder = Path(shutil.copytree(template, tmp_path / str(step)))

        def work(folder: Path = folder) -> None:
            if action == "rollback":
                restore_release(folder, "bob@host", LATER)
            else:
                promoted(folder, "three")

        died = dies_at(step, folder, work)
        assert force(folder) in (before, after)
        assert history(folder)[: len(moves)] == moves
        seen.append(force(folder))
        # whoever comes next finds nothing in the way, and sweeps
        assert promoted(folder, "next").name == force(folder) == "next"
        assert not list(folder.glob(".unfinished-*"))
        if not died:
            break
    assert seen[0] == before
    assert seen[-1] == after
    assert seen == sorted(seen, key=lambda name: name == after)  # never back again
    assert len(seen) > 4


def test_promotions_at_once_are_all_in_the_history_and_one_is_in_force(tmp_path: Path) -> None:
    started = threading.Barrier(8)

    def work(name: str) -> None:
        started.wait()
        promoted(tmp_path, name)

    threads = [threading.Thread(target=work, args=(f"c{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moves = history(tmp_path)
    assert [move.release for move in moves] == list(range(1, 9))
    assert {load(tmp_path, number).name for number in range(1, 9)} == {f"c{number}" for number in range(8)}
    assert force(tmp_path) == load(tmp_path, 8).name


def test_a_proposal_sees_the_release_that_it_replaces(tmp_path: Path) -> None:
    seen: list[str | None] = []
    first_is_proposing, second_has_started = threading.Event(), threading.Event()

    def first() -> Proposal:
        first_is_proposing.set()
        second_has_started.wait()
        seen.append(force(tmp_path))
        return proposal("one")

    def second() -> Proposal:
        seen.append(force(tmp_path))
        return proposal("two")

    def other() -> None:
        first_is_proposing.wait()
        second_has_started.set()
        add_release(tmp_path, second)

    thread = threading.Thread(target=other)
    thread.start()
    add_release(tmp_path, first)
    thread.join()
    assert seen == [None, "one"]


# ---------------------------------------------------------------- weights


def test_weights_are_compared_with_those_of_this_machine(tmp_path: Path) -> None:
    from vtlab.engines.choice import choose_listeners
    from vtlab.engines.choice.translators import choose_translators

    settings = settings_from_dict({"transcription": {"max_segment_s": 9.0}})
    here = [weights for choice in choose_listeners(settings) for weights in choice.weights]
    here += [weights for leg in choose_translators(settings, "pt", "en") for weights in leg.choice.weights]
    evaluated = tuple(ReleasedWeights(name=weights.name, sha256=weights.sha256) for weights in here)
    assert len(evaluated) >= 3
    assert verify(promoted(tmp_path, weights=evaluated)) == []

    other = (*evaluated[:1], ReleasedWeights(name=evaluated[1].name, sha256="0" * 64))
    gone = ReleasedWeights(name="whisper/gone", sha256="1" * 64)
    differences = verify(promoted(tmp_path, weights=(*other, gone)))
    assert [(one.name, one.expected, one.found) for one in differences] == [
        (evaluated[1].name, "0" * 64, evaluated[1].sha256),
        ("whisper/gone", "1" * 64, None),
    ]
    assert "evaluate and promote" in differences[0].message
    assert "not here" in differences[1].message


def test_an_engine_that_cannot_be_had_says_so(tmp_path: Path) -> None:
    release = promoted(
        tmp_path,
        settings={"transcription": {"options": {"faster_whisper": {"model": str(tmp_path / "nowhere")}}}},
        weights=(ReleasedWeights(name="whisper/nowhere", sha256="1" * 64),),
    )
    [difference] = verify(release)
    assert difference.found is None
    assert str(tmp_path / "nowhere") in difference.message


def test_every_release_is_listed_a_damaged_one_with_what_is_wrong(tmp_path: Path) -> None:
    assert list_releases(tmp_path).active is None
    assert list_releases(tmp_path).to_dict() == {
        "folder": str(tmp_path), "in_force": None, "releases": [], "history": []
    }  # fmt: skip
    broken, whole = promoted(tmp_path, "one"), promoted(tmp_path, "two")
    (broken.folder / "results.jsonl").unlink()
    found = list_releases(tmp_path)
    assert found.active == 2 and found.releases[2] == whole
    listed = found.to_dict()
    assert listed["releases"][0]["number"] == 1 and "is missing" in listed["releases"][0]["damaged"]
    assert listed["releases"][1] == json.loads(whole.model_dump_json())
    assert [move["action"] for move in listed["history"]] == ["promotion", "promotion"]
