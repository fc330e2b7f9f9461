"""The apps in a real browser. The pictures of the README are made here: SCREENSHOTS=FOLDER keeps them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from browser import hear_both, needs_browser, opened, served
from dubbing import PEOPLE, Dubbing
from playwright.sync_api import Locator, Page, expect

from vtlab.apps import debugger
from vtlab.engines.pool import EnginePool
from vtlab.evaluation.compare import votes as ballots
from vtlab.evaluation.show.run import load_run
from vtlab.evaluation.suite.loader import load_suite
from vtlab.evaluation.sweep.clip import evaluate_clip
from vtlab.evaluation.tracking import lookup
from vtlab.evaluation.tracking import runs as tracking
from vtlab.outputs import Dub
from vtlab.settings import StoreSettings, load_settings

pytestmark = needs_browser
CLIP = PEOPLE / "sentences_pt.mp4"
PLAYED = "video => new Promise(done => { video.ontimeupdate = () => video.currentTime > 0.2 && done(true) })"
# of settings, that a control of marimo, in a root of its own, lies in
COLUMN = """function column(at) {
  return getComputedStyle(at).overflowY === "auto" ? at : column(at.parentElement ?? at.getRootNode().host);
}"""
ROOT = Path(__file__).parents[2]


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder is not None:
        page.screenshot(path=Path(folder) / f"{name}.png")


def knob(page: Page, setting: str) -> Locator:
    return page.locator(f'input[aria-label*="<code>{setting}</code>"]').first


def summary(page: Page, stage: str) -> Locator:
    return page.locator("h2", has_text=stage).locator("xpath=ancestor::*[contains(., 's, ')][1]")


def test_turn_a_knob_hear_a_line_save_the_settings(
    sentences: tuple[Dubbing, Dub], pool: EnginePool, tmp_path: Path
) -> None:
    dubbing, _ = sentences
    store = tmp_path / "store"
    shutil.copytree(dubbing.store, store)
    settings = tmp_path / "base.yaml"
    settings.write_text("tts: {engines: [piper]}\n", encoding="utf-8")
    base = load_settings(settings).model_copy(
        update={"source_language": "pt", "target_language": "en", "store": StoreSettings(folder=store)}
    )
    debugger.dub_clip(CLIP, base, tmp_path / "before", pool, lambda event: None)  # the app finds it in the store
    words = ["debug", str(CLIP), "--from=pt", "--to=en", f"--settings={settings}"]
    with served(words, tmp_path, {"VTLAB_STORE": str(store)}) as address, opened(address) as page:
        # the dub is in the store: it opens without being asked, and no stage that makes a line runs
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()
        expect(page.locator("video")).to_be_visible()
        for stage in ("3 transcription", "4 translation", "5 tts", "6 audio sync"):
            expect(summary(page, stage)).to_contain_text("from the store")
        picture(page, "debug")
        # every picture is drawn as it comes into view
        for heading in page.locator("h2").all():
            heading.scroll_into_view_if_needed()
        for said in ("Sound, and speech", "Words as recognised", "Speed of each segment", "Loudness over 3 s"):
            expect(page.locator(f"img[alt^='{said}']")).to_be_visible()
        assert page.get_by_text("failed with exception").count() == 0

        # the time line is looked at somewhere, the dub at five seconds
        page.locator(".vtlab-timeline").evaluate("frame => { frame.scrollLeft = 60 }")
        page.locator("video").evaluate("v => new Promise(done => { v.onseeked = done; v.currentTime = 5 })")

        # a knob of stage 6: the stages before it come from the store, stage 6 and those after it run at once
        gap = knob(page, "gap_s")
        gap.evaluate(f"input => {{ ({COLUMN})(input).scrollTop = 150 }}")
        gap.fill("0.2")
        gap.press("Enter")
        expect(summary(page, "6 audio sync")).to_contain_text("computed")
        expect(summary(page, "5 tts")).to_contain_text("from the store")
        expect(knob(page, "gap_s")).to_have_value("0.2")
        expect(page.locator(".vtlab-timeline")).to_have_js_property("scrollLeft", 60)  # and still there
        expect(page.locator("video")).to_have_js_property("currentTime", 5)
        assert knob(page, "gap_s").evaluate(f"input => ({COLUMN})(input).scrollTop") == 150

        # a knob of stage 3 waits for the button
        snap = knob(page, "snap_s")
        snap.fill("0.3")
        snap.press("Enter")
        expect(page.get_by_text("Press Run: transcription and the stages after it")).to_be_visible()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()

        # what is wrong is said, and what is shown stays
        voices = page.get_by_label("engines").nth(1)
        voices.fill("nobody")
        voices.press("Enter")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_text("'nobody'").first).to_be_visible()
        voices.fill("[piper]")
        voices.press("Enter")
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()

        # a click on the time line plays the line from both tracks
        line = page.locator(".vtlab-segment").nth(1).locator("rect").first
        line.scroll_into_view_if_needed()
        line.click()
        expect(page.locator(".vtlab-timeline-status")).to_have_text("Segment 1: played source and dub")
        picture(page, "debug_timeline")

        # the dub plays, with its subtitles over it
        video = page.locator("video").first
        video.scroll_into_view_if_needed()
        video.evaluate("video => { video.muted = true; video.play() }")
        assert video.evaluate(PLAYED)
        assert video.evaluate("v => Array.from(v.textTracks, track => track.mode)") == ["showing"]

        page.get_by_role("button", name="Save as settings").click()
        expect(page.get_by_text("Saved out/debug/settings.yaml")).to_be_visible()
        page.get_by_role("button", name="Measure against the base configuration").click()
        expect(page.get_by_text("sync_within_150ms").first).to_be_visible()
        picture(page, "debug_metrics")

        # knobs stay as they were turned when another clip is chosen
        page.get_by_label("or a file's path").fill(str(PEOPLE / "fox_pt.flac"))
        page.get_by_label("or a file's path").press("Enter")
        expect(page.get_by_text("Press Run")).to_be_visible()
        page.get_by_role("button", name="audio sync").click()
        expect(knob(page, "gap_s")).to_have_value("0.2")
    saved = load_settings(tmp_path / "out" / "debug" / "settings.yaml")
    assert saved.audio_sync.gap_s == 0.2
    assert saved.transcription.snap_s == 0.3


def test_a_dub_is_stopped_and_goes_on(tmp_path: Path) -> None:
    words = ["debug", str(CLIP), "--from=pt", "--to=en"]
    with served(words, tmp_path, {"VTLAB_STORE": str(tmp_path / "store")}) as address, opened(address) as page:
        stop, run = (page.get_by_role("button", name=name, exact=True) for name in ("Stop", "Run"))
        stop.click()  # engines are loading still
        expect(page.get_by_text("Stopped. Press Run to go on from there.")).to_be_visible()
        expect(stop).to_have_count(0)
        run.click()
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()
        expect(page.locator("video")).to_be_visible()


def test_a_clip_of_a_data_set_brings_its_languages_and_its_reference(tmp_path: Path) -> None:
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    words = ["debug", str(CLIP), "--from=pt", "--to=en"]
    with served(words, tmp_path, {"VTLAB_STORE": str(tmp_path / "store")}) as address, opened(address) as page:
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()
        # another clip: what was shown is not its own, and goes
        page.get_by_text("clip of a data set").locator("xpath=following::button[1]").click()
        page.get_by_role("option", name="people/hello_video_en", exact=True).click()
        expect(page.get_by_text("from English into Portuguese")).to_be_visible()
        expect(page.locator("video")).to_have_count(0)
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()
        page.get_by_role("button", name="Measure against the base configuration").click()
        expect(page.get_by_text("chrf", exact=True)).to_be_visible()
        # a path that is typed later counts
        page.get_by_label("or a file's path").fill(str(PEOPLE / "fox_pt.flac"))
        page.get_by_label("or a file's path").press("Enter")
        expect(page.get_by_text("fox_pt.flac, from Portuguese")).to_be_visible()


def test_settings_stand_above_results_in_a_narrow_window(sentences: tuple[Dubbing, Dub], tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(sentences[0].store, store)
    words = ["debug", str(CLIP), "--from=pt", "--to=en"]
    with (
        served(words, tmp_path, {"VTLAB_STORE": str(store)}) as address,
        opened(address, width=700) as page,
    ):
        expect(page.get_by_text("What is below was made with these settings.")).to_be_visible()
        timeline = page.locator(".vtlab-timeline")
        timeline.scroll_into_view_if_needed()
        frame, control = timeline.bounding_box(), knob(page, "gap_s").bounding_box()
        assert frame is not None and control is not None
        assert control["y"] + control["height"] <= frame["y"]
        assert frame["x"] + frame["width"] <= 700


def test_without_a_clip_there_are_knobs_all_the_same(tmp_path: Path) -> None:
    with served(["debug"], tmp_path, {"VTLAB_STORE": str(tmp_path / "store")}) as address, opened(address) as page:
        expect(page.get_by_text("Choose a clip")).to_be_visible()
        page.get_by_role("button", name="audio sync").click()
        expect(knob(page, "gap_s")).to_be_visible()
        assert page.get_by_role("button", name="Save as settings").count() == 0
        page.get_by_label("or a file's path").fill("gone.mp4")
        page.get_by_label("or a file's path").press("Enter")
        expect(page.get_by_text("Choose the language to dub into.")).to_be_visible()


@pytest.mark.parametrize("name", ["take=2.mp4", "1_0", "-- --from=es.mp4"])
def test_a_file_of_any_name_opens(name: str, tmp_path: Path) -> None:
    shutil.copy(PEOPLE / "hello_video_en.mp4", tmp_path / name)
    words = ["debug", "--from=en", "--", name]
    with served(words, tmp_path, {"VTLAB_STORE": str(tmp_path / "store")}) as address, opened(address) as page:
        expect(page.get_by_label("or a file's path")).to_have_value(name)
        expect(page.get_by_text("Choose the language to dub into.")).to_be_visible()


def test_vote_by_key_and_find_it_in_mlflow(
    sentences: tuple[Dubbing, Dub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dubbing, _ = sentences
    store = tmp_path / "store"
    shutil.copytree(dubbing.store, store)
    monkeypatch.setenv("VTLAB_STORE", str(store))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    suite_file = tmp_path / "gaps.yaml"
    suite_file.write_text(
        yaml.safe_dump(
            {
                "name": "gaps",
                "dataset": str(ROOT / "datasets" / "people"),
                "clips": ["sentences_pt"],
                "settings": {"tts.engines": ["piper"]},
                "matrix": {"audio_sync.gap_s": {"near": 0.03, "far": 0.2}},
                "metrics": ["sync_within_150ms"],
            }
        ),
        encoding="utf-8",
    )
    suite = load_suite(suite_file)
    dataset = suite.load_dataset()
    results = tmp_path / "out" / "eval"
    for configuration in suite.configurations():
        made = evaluate_clip(suite, configuration, dataset.clip("sentences_pt"), results, dataset=dataset)
        assert made.status == "finished", made.error
        tracking.log_configuration(suite, configuration, dataset, [made], results)

    pairs = ballots.find_pairs("gaps/near", "gaps/far", results)
    with served(["listen", "gaps/near", "gaps/far"], tmp_path, {}) as address:
        with opened(address, height=1100) as page:
            page.get_by_placeholder("any name, the same each time").fill("ana")
            page.get_by_placeholder("any name, the same each time").press("Enter")
            expect(page.get_by_text(f"Pair 1 of {len(pairs)}")).to_be_visible()
            left = page.locator(".vtlab-side video").first
            page.locator(".vtlab-ballot").press("a")
            assert left.evaluate(
                "v => new Promise(done => { v.ontimeupdate = () => v.currentTime > 0.2 && done(true) })"
            )
            assert "near" not in page.locator(".vtlab-ballot").inner_html().split("base64")[0]
            page.get_by_label("left naturalness 4").click()
            picture(page, "listen")
            hear_both(page)
            page.locator(".vtlab-ballot").focus()
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("Enter")
            expect(page.get_by_text(f"Pair 2 of {len(pairs)}")).to_be_visible()
        # left and taken up again, where it was; another listener begins at the first pair
        with opened(address, height=1100) as page:
            page.get_by_placeholder("any name, the same each time").fill("ana")
            page.get_by_placeholder("any name, the same each time").press("Enter")
            for number in range(2, len(pairs) + 1):
                expect(page.get_by_text(f"Pair {number} of {len(pairs)}")).to_be_visible()
                hear_both(page)
                page.locator(".vtlab-ballot").focus()
                page.keyboard.press("ArrowDown")
                page.keyboard.press("Enter")
            expect(page.get_by_text(f"That was the last of {len(pairs)} pairs")).to_be_visible()
    closed = subprocess.run(
        [sys.executable, "-m", "vtlab", "listen", "gaps/near", "gaps/far", "--close"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"{len(pairs)} votes of 1 listener on {len(pairs)} pairs." in closed.stdout
    assert "Logged to MLflow" in closed.stdout
    votes = ballots.read_votes(tmp_path / "out" / "listen" / "gaps-near-against-gaps-far" / "votes.jsonl")
    assert [vote.listener for vote in votes] == ["ana"] * len(pairs)
    first = votes[0]
    assert first.preferred == first.left
    assert first.ratings[first.left].naturalness == 4
    preferred = {name: _metrics(f"gaps/{name}", uri) for name in ("near", "far")}
    winner = {"a": "near", "b": "far"}[first.preferred]
    assert preferred[winner]["listen_preferred"] == 1.0
    assert preferred[winner]["listen_naturalness"] == 4.0
    assert preferred[winner]["listen_pairs"] == len(pairs)
    shown = load_run(f"gaps/{winner}", results, uri=uri).page()
    assert "1 listener heard it against gaps/" in shown
    assert "naturalness: 4.00 of 5" in shown


def _metrics(run: str, uri: str) -> dict[str, float]:
    from mlflow import MlflowClient

    return dict(MlflowClient(uri).get_run(lookup.load_tracked_run(run).run_id).data.metrics)
