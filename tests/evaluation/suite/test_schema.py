"""The schemas and the page of manifests and suites say what the models take."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from vtlab.cli import app
from vtlab.evaluation.dataset import Clip
from vtlab.evaluation.suite.model import Suite

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "data-and-suites.md"


def fields(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    models = [schema, *schema["$defs"].values()]
    return [(key, field) for model in models for key, field in model["properties"].items()]


def test_the_schema_of_a_suite_describes_each_key_and_takes_the_bundled_suites() -> None:
    schema = json.loads(CliRunner().invoke(app, ["eval", "--schema"]).stdout)
    assert schema["required"] == ["dataset"]
    assert "file" not in schema["properties"] and "configurations" in schema["properties"]
    assert {option.get("type", "$ref") for option in schema["properties"]["clips"]["anyOf"]} == {"$ref", "array"}
    for key, field in fields(schema):
        assert field.get("description"), key
    for file in (ROOT / "evals").glob("*.yaml"):
        assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) <= set(schema["properties"])


def test_the_page_is_made_of_the_models() -> None:
    spec = importlib.util.spec_from_file_location("data_and_suites", PAGE.with_name("data_and_suites.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = PAGE.read_text(encoding="utf-8")
    assert module.with_tables(page) == page, "run python docs/reference/data_and_suites.py"
    for key, _ in [*fields(Clip.model_json_schema()), *fields(Suite.model_json_schema())]:
        assert f"| `{key}` |" in page


def test_the_examples_of_the_page_are_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    (line,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert Clip.model_validate_json(line).segments[0].end == 1.6
    suite, _ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert Suite.model_validate(yaml.safe_load(suite)).losses is True
