"""Promotions and rollbacks where there is no laboratory; what is promoted and what is not is in test_releasing."""

import subprocess
import sys

LABORATORY = "{'jinja2', 'matplotlib', 'mlflow', 'pandas', 'papermill'}"


def test_a_rollback_needs_no_laboratory() -> None:
    program = f"import sys, vtlab.evaluation.promotion; sys.exit(', '.join({LABORATORY} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
