# `make` prints what there is; every target creates what it needs.
# Distributions build Python with profile-guided optimisation; one that was compiled by hand mostly lacks it, and took a
# quarter to a third longer for the same simulated seeds.
PYTHON ?= $(or $(shell for each in /usr/bin/python3.11 python3.11 python3; do \
  "$$each" -c "import ensurepip" 2>/dev/null && command -v "$$each" && break; done),python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# All tests were compiled once here, before three workers would each do it; what changes later is little.
COMPILED := $(VENV)/.compiled
N      ?= 20
SEEDS  ?= 200
PARALLEL ?= -n 3 --dist loadgroup

# Tests start many processes; without bytecode on disk each of them would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup crds lint types layers checks unit sim test honesty demo soak soak-busy bench manifests clean
.PHONY: kind-up kind-down node-image images e2e e2e-smoke bench-kube

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "skerry needs Python 3.11 or newer; say where it is: make PYTHON=/path/to/python3.11"; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP) ## create the environment from the lock file

lint: $(STAMP) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## strict type checks
	$(BIN)/mypy
	$(BIN)/mypy --strict injector/skerry_injector.py hack/lock_subset.py hack/manifests.py

layers: $(STAMP) ## the architecture, as import contracts
	$(BIN)/lint-imports

checks: lint types layers

$(COMPILED): $(STAMP)
	@$(BIN)/pytest --collect-only -qq > /dev/null || true # what is wrong the workers say themselves
	@touch $@

unit: $(STAMP) ## every test that needs no cluster, without the simulated seeds
	$(BIN)/pytest -m "not e2e and not sim and not long" $(PARALLEL)

sim: $(STAMP) ## SEEDS simulated clusters with every invariant on
	SKERRY_SEEDS=$(SEEDS) $(BIN)/pytest -m sim -n 2

test: $(STAMP) ## lint, types, layers, and every test that needs no cluster
	@$(MAKE) --no-print-directory -j 2 --output-sync=target checks $(COMPILED)
	SKERRY_SEEDS=$(SEEDS) $(BIN)/pytest -m "not e2e and not long" $(PARALLEL)

honesty: $(STAMP) ## on real processes every lie, and each fault with each acks: `make test` asks a part of it
	$(BIN)/pytest -m long -n 2

crds: $(STAMP) ## write what is generated from the models: the CRD, the experiment reference
	$(BIN)/python hack/generate.py

manifests: $(STAMP) ## write dist/skerry.yaml, for people without Helm (HELM_ARGS: values)
	$(BIN)/python hack/manifests.py $(HELM_ARGS)

demo: $(STAMP) ## run experiments/01-leader-isolation.yaml on three local broker processes
	$(BIN)/skerry run experiments/01-leader-isolation.yaml --world local --out out/demo

soak: $(STAMP) ## run 01 and 04a N times each in the local world; one JSON line a run
	$(BIN)/python bench/soak.py --runs $(N)

soak-busy: $(STAMP) ## run every document N times in the local world beside two busy processes (an hour for N=5)
	$(BIN)/python bench/soak.py experiments --runs $(N) --busy 2 --results bench/results/soak-busy.jsonl

bench: $(STAMP) ## measure everything that has a goal; prints a table, writes JSON
	$(BIN)/python bench/run.py

kind-up: ## kind cluster with brokers and operator; AIRGAP=0|1 overrides whether images are pulled
	@PYTHONPATH=hack $(PYTHON) -m kind kind-up

kind-down: ## delete that cluster; KIND_DOWN_DOCKER=1 also stops a dockerd that kind-up started
	@PYTHONPATH=hack $(PYTHON) -m kind kind-down

node-image: ## build the node image that is used where none can be pulled
	@PYTHONPATH=hack $(PYTHON) -m kind node-image

images: ## build the images of broker, operator and injector
	@PYTHONPATH=hack $(PYTHON) -m kind images

e2e-smoke: $(STAMP) kind-up ## the end-to-end tests of continuous integration, on that cluster
	$(BIN)/pytest tests/chart tests/e2e/crd -n 0
	$(BIN)/pytest -m "e2e and smoke" -n 0

e2e: $(STAMP) kind-up ## every end-to-end test, on that cluster
	$(BIN)/pytest -m e2e -n 0

bench-kube: $(STAMP) kind-up ## run 01, 04a and 04b N times each on that cluster; prints a table, writes JSON
	$(BIN)/python bench/kube.py --runs $(N)

clean: ## remove the environment and all output
	rm -rf $(VENV) out report .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
