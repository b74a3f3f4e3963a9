# Every command of the project. Each does its own set-up on a bare machine: python3 (3.11-3.13) with venv, git, make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The tests that look at the tree, not at what it does: `check` runs them.
CHECKED := tests/unit/test_shape.py tests/unit/test_docs.py
UV := uv==0.13.9

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check docs format drill compose-drill pooler-drill lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Prepare .venv with everything, from the hash-pinned lock

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(UV)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Start the stack, ingest the samples, ask three questions, stop everything
	$(BIN)/citewell demo

up: $(STAMP) ## Start the whole stack on this machine, without Docker or keys
	$(BIN)/citewell up

check: $(STAMP) docs ## Format, lint, types, import contracts, deployment files, shape, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy --cache-dir .mypy_cache/benchmarks benchmarks/*.py
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint deploy/docker/Dockerfile tests/faults/compose/qdrant.Dockerfile
	$(BIN)/pytest -q $(CHECKED)

docs: $(STAMP) ## Build the docs site into build/docs; any warning is an error
	$(BIN)/sphinx-build --builder html --quiet --fresh-env --fail-on-warning --keep-going \
		--doctree-dir build/doctrees docs build/docs

format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check ## Check, then every suite (about 15 minutes on two cores)
	$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report= tests/integration tests/contract tests/unit $(CHECKED:%=--ignore=%)
	$(BIN)/coverage report --format total --fail-under 95
	$(BIN)/pytest -n 3 --dist loadfile tests/acceptance tests/faults -m "not drill and not compose"

drill: $(STAMP) ## The long fault drills, about half an hour; sizes and seed by environment (CONTRIBUTING.md)
	$(BIN)/pytest tests/faults -m drill -s --durations=0

compose-drill: $(STAMP) ## The compose file on this machine's Docker engine: load, ask, kill, down, up
	$(BIN)/pytest tests/faults/compose -m compose -s

pooler-drill: $(STAMP) ## The suite's databases behind PgBouncer in transaction mode (Debian: apt-get install pgbouncer)
	CITEWELL_TEST_POOLER=1 $(BIN)/pytest -q -n 2 --dist loadfile tests/integration

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: $(STAMP) ## Resolve requirements/ anew: dev from pyproject.toml, the images' as parts of it
	$(COMPILE) --upgrade --extra dev --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra query --extra local --output-file requirements/query.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra ingest --extra local --extra ocr --output-file requirements/ingest.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --output-file requirements/build.txt requirements/build.in

clean: ## Remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
