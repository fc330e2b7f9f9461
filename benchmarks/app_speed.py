"""How soon ``vtlab debug`` shows a dub that is in the store, how soon a turned knob is heard, and the memory it takes.

    PYTHONPATH=tests python benchmarks/app_speed.py [CLIP --pair pt en] [--settings FILE] [--rounds 3] [--turns 4]

Needs Debian's chromium. The first view is compared with that of an app that shows one word. A knob of stage 6 is
turned to values that were never dubbed; the new sound is there when the page's player can play the new video.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from browser import free_port, opened, served
from playwright.sync_api import Page, expect

CLIP = Path(__file__).parents[1] / "datasets" / "people" / "clips" / "sentences_pt.mp4"
EMPTY = """
import marimo
app = marimo.App(width="full")

@app.cell
def _():
    import marimo as mo
    mo.md("Nothing")
    return
"""
# a widget's video is in a root of its own
VIDEO = """(function video(root) {
  for (const at of root.querySelectorAll("*")) {
    const found = at.tagName === "VIDEO" ? at : at.shadowRoot && video(at.shadowRoot);
    if (found) return found;
  }
})(document)"""
ADDRESS = f"() => {VIDEO}?.currentSrc"
PLAYABLE = f"old => {{ const at = {VIDEO}; return at?.currentSrc && at.currentSrc !== old && at.readyState >= 2; }}"


class Memory:
    """The most memory (PSS, MB) that this process's children took together: browser and app apart."""

    def __init__(self) -> None:
        self.most = {"app": 0.0, "browser": 0.0}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            now = {"app": 0.0, "browser": 0.0}
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    name = child.name()
                    if name.startswith("chrom"):
                        now["browser"] += child.memory_full_info().pss / 1e6
                    elif name.startswith(("python", "vtlab", "marimo", "ffmpeg")):
                        now["app"] += child.memory_full_info().pss / 1e6
            self.most = {who: max(self.most[who], now[who]) for who in now}


@contextlib.contextmanager
def empty(folder: Path) -> Iterator[str]:
    port = free_port()
    notebook = folder / "empty.py"
    notebook.write_text(EMPTY, encoding="utf-8")
    command = [sys.executable, "-m", "marimo", "run", str(notebook), "--headless", f"--port={port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def shown(page: Page, address: str, what: str) -> float:
    """Seconds from asking for the page to ``what``, a selector, being visible in it."""
    began = time.perf_counter()
    page.goto(address)
    expect(page.locator(what).first).to_be_visible()
    return time.perf_counter() - began


def turned(page: Page, value: str) -> float:
    """Seconds from turning ``gap_s`` of stage 6 to the new video being ready to play."""
    knob = page.locator('input[aria-label*="<code>gap_s</code>"]').first
    knob.fill(value)
    old = page.evaluate(ADDRESS)
    began = time.perf_counter()
    knob.press("Enter")
    page.wait_for_function(PLAYABLE, arg=old, polling=20)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?", default=CLIP)
    parser.add_argument("--pair", nargs=2, default=("pt", "en"))
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=4, help="of the knob, a round")
    parser.add_argument("--store", type=Path, help="One that holds the clip's dub; an own one by default.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = arguments.store or folder / "store"
        os.environ["VTLAB_STORE"] = str(store.resolve())
        words = [str(arguments.clip.resolve()), f"--from={arguments.pair[0]}", f"--to={arguments.pair[1]}"]
        words += [f"--settings={arguments.settings.resolve()}"] if arguments.settings else []
        dub = [sys.executable, "-m", "vtlab", "dub", *words, "--set", "audio_sync.keep_speech_track=true"]
        subprocess.run([*dub, "--out", str(folder / "dub")], check=False)
        nothing, first, heard = [], [], []
        for number in range(arguments.rounds):
            with empty(folder) as address, opened("about:blank") as page:
                nothing.append(shown(page, address, "text=Nothing"))
            with Memory() as memory, served(["debug", *words], folder, {}) as address, opened("about:blank") as page:
                first.append(shown(page, address, "video"))
                time.sleep(5)  # until the page is quiet
                for heading in page.locator("h2").all():  # pictures are drawn when they come into view
                    heading.scroll_into_view_if_needed()
                    time.sleep(2)
                for _ in range(arguments.turns):
                    heard.append(turned(page, f"{0.11 + 0.01 * len(heard):.2f}"))
                    time.sleep(3)
            print(
                f"round {number}: empty app {nothing[-1]:.2f} s, first view {first[-1]:.2f} s, "
                f"knobs {', '.join(f'{seconds:.2f}' for seconds in heard[len(heard) - arguments.turns :])} s, "
                f"memory of the app {memory.most['app']:.0f} MB, of the browser {memory.most['browser']:.0f} MB",
                flush=True,
            )
    after = statistics.median(first) - statistics.median(nothing)
    print(f"first view {after:.2f} s after an empty app's")
    if heard:
        print(
            f"from a knob of stage 6 to its sound {statistics.median(heard):.2f} s "
            f"(median of {len(heard)}), {max(heard):.2f} s at most"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
