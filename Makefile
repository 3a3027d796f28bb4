# Everything a newcomer runs; each target makes its own environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SEEDS ?= 20
WORKERS ?= 2
IMAGE ?= localhost/clinray:dev
BUILDER ?= $(or $(shell docker info >/dev/null 2>&1 && command -v docker),$(shell command -v podman),$(shell command -v buildah))
NUMBA_CPU ?= $(if $(filter aarch64 arm64,$(shell uname -m)),generic,x86-64-v3)
CLUSTER_TESTS ?= cluster

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-k8s image kind lint bench lock docs clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(INSTALLED): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m jobs compile
	touch $(INSTALLED)

demo: $(INSTALLED) ## 10,000 synthetic messages from an embedded S3 to a verified, de-identified lake
	$(BIN)/python -m jobs demo --out demo

test: $(INSTALLED) ## Every test but the kills and the storage faults
	$(BIN)/python -m pytest -m "not faults and not cluster" -n $(WORKERS) --dist worksteal

test-faults: $(INSTALLED) ## Kills of workers and drivers at SEEDS points, and storage faults
	CLINRAY_FAULT_SEEDS=$(SEEDS) $(BIN)/python -m pytest -m faults

test-k8s: $(INSTALLED) ## On the cluster of KUBECONFIG, else on one that kind makes; CLUSTER_TESTS=cluster_ci for the shortest
	@set -e; [ -n "$$KUBECONFIG" ] || { line=$$(IMAGE=$(IMAGE) bash k8s/kind/up.sh); eval "$$line"; }; \
	kubectl get crd rayjobs.ray.io >/dev/null || { echo "the cluster has no KubeRay" >&2; exit 1; }; \
	CLINRAY_IMAGE=$(IMAGE) $(BIN)/python -m pytest -m "$(CLUSTER_TESTS)" --durations=0 tests/cluster

image: ## The container image, by docker, podman or buildah
	@[ -n "$(BUILDER)" ] || { echo "make image wants docker, podman or buildah" >&2; exit 1; }
	$(BUILDER) build --build-arg NUMBA_CPU=$(NUMBA_CPU) \
		--build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
		--build-arg REVISION=$$(git describe --always --dirty --abbrev=40 2>/dev/null || echo unknown) \
		$(IMAGE_ARGS) -t $(IMAGE) .

kind: $(INSTALLED) ## A kind cluster with KubeRay, an S3 with 10,000 messages, and the chart's run on them
	@set -e; line=$$(IMAGE=$(IMAGE) bash k8s/kind/up.sh); eval "$$line"; \
	IMAGE=$(IMAGE) PYTHON=$(abspath $(BIN)/python) bash k8s/kind/demo.sh

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
