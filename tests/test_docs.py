"""What the documentation names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vtlab

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for folder in (ROOT, ROOT / "docs", ROOT / "evals", ROOT / "serve", ROOT / "datasets")
    for page in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
# written by docs/reference/generate.py while the site is built
GENERATED = {"commands", "settings", "metrics", "engines", "record", "operate-the-server"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_included_files_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    wanted = {(page.parent / link).resolve() for link in links}
    missing = {path for path in wanted if not path.exists() and path.stem not in GENERATED}
    assert missing == set()
    for line in (line for line in text.splitlines() if "examples/" in line and "8" in line and "<" in line):
        assert (match := re.fullmatch(r'--8<-- "(.+)"', line)), line  # a formatter has torn such lines before
        assert (ROOT / match[1]).is_file()


def test_the_readme_calls_functions_that_exist() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    compile(code, "README.md", "exec")
    called = set(re.findall(r"vtlab\.(\w+)\(", code))
    assert called and called <= set(vtlab.__all__)
