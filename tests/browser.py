"""Debian's chromium, driven by Playwright, and pages served to it: what tests of apps share."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
NEEDED = "needs a browser: apt-get install chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
HEAR = """async players => {
  for (const player of players) {
    const ended = new Promise(done => player.addEventListener("ended", done, { once: true }));
    Object.assign(player, { loop: false, playbackRate: 8 });
    await player.play();
    await ended;
  }
}"""
HANGS_S = 300  # nothing takes so long that is not stuck, on any machine

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason=NEEDED)


@contextlib.contextmanager
def opened(address: str, width: int = 1400, height: int = 1000) -> Iterator[Page]:
    """The page at ``address`` in a browser of its own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=HANGS_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(HANGS_S * 1000)
        page.goto(address)
        yield page
        browser.close()


def hear_both(page: Page) -> None:
    """Plays both sides of a ballot to their end."""
    page.locator(".vtlab-side video, .vtlab-side audio").evaluate_all(HEAR)


@contextlib.contextmanager
def served(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Runs ``vtlab`` with these words and a port of its own in ``folder`` until the block ends; yields the address."""
    port = free_port()
    log = folder / "served.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "vtlab", words[0], "--headless", f"--port={port}", *words[1:]],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=sink,
            stderr=sink,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _await(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + HANGS_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(address, timeout=30):
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} never answered: {log.read_text(errors='replace')}")
