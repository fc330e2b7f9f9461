"""Write the reference pages that are made from the code; run by MkDocs (plugin gen-files)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mkdocs_gen_files
from pydantic import BaseModel

from vtlab.engines import KINDS, engine_class, table
from vtlab.metrics.display import format_target
from vtlab.metrics.registry import GROUPS, METRICS
from vtlab.record import Record
from vtlab.settings import ENVIRONMENT_PREFIX, Section, Settings

ROOT = Path(__file__).parents[2]
EXECUTED_TUTORIAL = ROOT / "out" / "tutorial" / "tutorial.ipynb"  # made by `make docs`


def main() -> None:
    pages = {
        "commands": commands(),
        "settings": settings(),
        "metrics": metrics(),
        "engines": engines(),
        "record": record(),
    }
    for name, lines in pages.items():
        with mkdocs_gen_files.open(f"reference/{name}.md", "w") as page:
            page.write("\n".join(lines) + "\n")
    with mkdocs_gen_files.open("how-to/operate-the-server.md", "w") as page:
        page.write(server())
    notebooks = {f"notebooks/{file.name}": file for file in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if EXECUTED_TUTORIAL.is_file():
        notebooks["tutorial.ipynb"] = EXECUTED_TUTORIAL
    for name, notebook in notebooks.items():
        with mkdocs_gen_files.open(name, "w") as page:
            page.write(notebook.read_text(encoding="utf-8"))


def server() -> str:
    """Return the operator's page: the README of the server, which lies beside its code."""
    text = (ROOT / "serve" / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)", r"`\1`", text)  # links to files beside it lead nowhere here


def commands() -> Iterator[str]:
    """Yield the page of the command line, made from its help."""
    command = [sys.executable, "-m", "typer", "vtlab.cli", "utils", "docs", "--name", "vtlab", "--title", "Commands"]
    yield subprocess.run(command, check=True, capture_output=True, text=True).stdout.replace("&#x27;", "'")


def settings() -> Iterator[str]:
    """Yield the page of settings: one table per section."""
    yield "# Settings"
    yield (
        "\nA setting comes from its default, a YAML file (`--settings FILE`), the environment "
        f"(`{ENVIRONMENT_PREFIX}TTS__VOICE=pf_dora`), the command line (`--set tts.voice=pf_dora`) or an argument "
        '(`vtlab.dub(…, tts={"voice": "pf_dora"})`); the later one counts. `vtlab settings` shows every value as it '
        "resolves on a machine, and an unknown key is an error that names the nearest one.\n"
    )
    yield from section_tables(Settings, "")


def section_tables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the table of a section's own keys, then those of the sections in it."""
    fields = model.model_fields.items()
    inner = {name: field for name, field in fields if is_section(field.annotation)}
    own = [(name, field) for name, field in fields if name not in inner]
    if own:
        yield f"\n## {prefix.rstrip('.') or 'Top level'}\n"
        yield from option_table([(f"{prefix}{name}", field) for name, field in own])
    for name, field in inner.items():
        yield from section_tables(field.annotation, f"{prefix}{name}.")


def is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def option_table(fields: Iterable[tuple[str, Any]]) -> Iterator[str]:
    rows = []
    for name, field in fields:
        default = field.get_default(call_default_factory=True)
        shown = "(empty)" if default is None else f"`{json.dumps(default, ensure_ascii=False, default=str)}`"
        limits = ", ".join(limit_text(part) for part in field.metadata)
        rows.append((f"`{name}`", shown, limits, field.description or ""))
    yield from markdown_table(("key", "default", "limits", "what it does"), rows)


def limit_text(part: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
    return ", ".join(f"{sign} {getattr(part, name)}" for name, sign in signs.items() if hasattr(part, name))


def metrics() -> Iterator[str]:
    """Yield the page of metrics: one table per subject."""
    yield "# Metrics"
    yield "\nWhat could not be measured is absent, never 0. `vtlab metrics` lists those of installed packages too.\n"
    for group in GROUPS:
        yield f"\n## {group}\n"
        rows = [
            (
                f"`{metric.name}`",
                metric.unit,
                metric.better,
                format_target(metric.name),
                ", ".join(need.name for need in metric.needs),
                metric.means,
            )
            for metric in METRICS.values()
            if metric.group == group
        ]
        yield from markdown_table(("metric", "unit", "better", "target", "needs", "what it is"), rows)


def engines() -> Iterator[str]:
    """Yield the page of engines: per kind, each engine's licence and options."""
    yield "# Engines"
    for kind in KINDS:
        yield f"\n## {kind}\n"
        for name in table(kind):
            engine = engine_class(kind, name)
            yield f"\n### {name}\n\n{(engine.__doc__ or '').strip()}\n\nLicence: {engine.licence}.\n"
            fields = [(f"{name}.{key}", field) for key, field in engine.Options.model_fields.items()]
            if fields:
                yield from option_table(fields)


def record() -> Iterator[str]:
    """Yield the page of the record, from its JSON schema."""
    schema = Record.model_json_schema()
    yield "# The record (`*.dub.json`)"
    yield "\nTimes are seconds on the picture's clock. A value that was not measured is null.\n"
    for name, model in {"Record": schema, **schema.get("$defs", {})}.items():
        yield f"\n## {name}\n"
        rows = [(f"`{key}`", type_text(part), part.get("description", "")) for key, part in model["properties"].items()]
        yield from markdown_table(("field", "type", "what it is"), rows)


def type_text(part: dict[str, Any]) -> str:
    if "$ref" in part:
        return str(part["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in part:
        return " or ".join(type_text(one) for one in part["anyOf"])
    if part.get("type") == "array" and "items" in part:
        return f"list of {type_text(part['items'])}"
    return str(part.get("type", "any"))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


main()
