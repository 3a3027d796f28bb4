# Everything a newcomer runs; each target makes its own environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SEEDS ?= 20
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults lint bench lock docs clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(INSTALLED): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $(INSTALLED)

demo: $(INSTALLED) ## 10,000 synthetic messages from an embedded S3 to a verified, de-identified lake
	$(BIN)/python -m jobs demo --out demo

test: $(INSTALLED) ## Every test but the kills and the storage faults
	$(BIN)/python -m pytest -m "not faults and not cluster" -n $(WORKERS) --dist loadgroup

test-faults: $(INSTALLED) ## Kills of workers and drivers at SEEDS points, and storage faults
	CLINRAY_FAULT_SEEDS=$(SEEDS) $(BIN)/python -m pytest -m faults

lint: $(INSTALLED) ## Style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## Measure against the peers; writes benchmarks/results.json and RESULTS.md
	$(BIN)/python -m benchmarks

docs: $(INSTALLED) ## Write the generated documents anew
	$(BIN)/python -m jobs.documents
	$(BIN)/python -m k8s.schema

lock: ## Resolve the dependencies anew (wants uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements-dev.lock

clean: ## Remove the environment and what was made
	rm -rf $(VENV) demo build *.egg-info
