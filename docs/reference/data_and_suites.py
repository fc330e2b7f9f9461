"""Write the tables of `data-and-suites.md` from the models that read manifests and suites.

python docs/reference/data_and_suites.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vtlab.evaluation.dataset import Clip
from vtlab.evaluation.suite.model import Suite

PAGE = Path(__file__).with_name("data-and-suites.md")
TABLE = re.compile(r"(<!-- table (\w+)\.(\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
NAMED = {
    "ReferenceSegment": "[segment](#a-segment)",
    "ClipSelection": "[conditions](#clips)",
    "ListedConfiguration": "[configuration](#configurations)",
    "Gate": "[gate](#gates)",
}
MODELS: dict[str, type[BaseModel]] = {"manifest": Clip, "suite": Suite}


def with_tables(page: str) -> str:
    """Return the page with its tables made anew; `<!-- table suite.Gate -->` marks one by its file and model."""

    def table(match: re.Match[str]) -> str:
        schema = MODELS[match[2]].model_json_schema()
        model = schema if schema["title"] == match[3] else schema["$defs"][match[3]]
        return match[1] + "\n".join(rows(model)) + "\n" + match[4]

    return TABLE.sub(table, page)


def rows(model: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a model's table: key, type, default, description."""
    yield "| key | type | default | what it is |"
    yield "|---|---|---|---|"
    for key, field in model["properties"].items():
        if key in model.get("required", ()):
            default = "**required**"
        else:
            default = "`false`" if field.get("default") is False else ""
        yield f"| `{key}` | {kind(field)} | {default} | {field['description']} |"


def kind(field: dict[str, Any]) -> str:
    """Return a field's type in words."""
    if "$ref" in field:
        return NAMED[field["$ref"].rpartition("/")[2]]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(kind(option) for option in field["anyOf"]))
    if field["type"] == "array":
        return f"list of {kind(field['items'])}"
    if field["type"] == "object":
        values = field.get("additionalProperties")
        return f"mapping to {kind(values)}" if isinstance(values, dict) and values else "mapping"
    limits = [f"> {field['exclusiveMinimum']:g}"] if "exclusiveMinimum" in field else []
    limits += [f"≥ {field['minimum']:g}"] if "minimum" in field else []
    return " ".join([{"boolean": "true or false", "string": "text"}.get(field["type"], field["type"]), *limits])


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
