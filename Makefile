# make run | test | check | serve | up | sbom | audit | clean. Each makes .venv and installs what is missing first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
CONFIG ?= configs/default.toml
BIN := .venv/bin
STAMP := .venv/.installed
DOCTESTS = $(shell grep -rlE --include='*.py' '^ *>>> ' data models validation serving flows)

# Telemetry off, patient time-outs, no job runners that nobody asked for.
export BENTOML_DO_NOT_TRACK ?= True
export DO_NOT_TRACK ?= 1
export GX_ANALYTICS_ENABLED ?= false
export HF_HUB_OFFLINE ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION ?= false
export MPLBACKEND ?= Agg
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS ?= 120
export TOKENIZERS_PARALLELISM ?= false
# uv reads no pip.conf; where pip was told of a folder of wheels, tell uv too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: help run test check serve up sbom audit clean static lint types doctests

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(STAMP) ## retrain on the default data and promote the winner; CONFIG=configs/smoke.toml for another run
	$(BIN)/encore retrain $(CONFIG)

serve: $(STAMP) ## serve the champion over HTTP
	$(BIN)/encore serve

up: $(STAMP) ## Prefect server, MLflow and the champion's service in one terminal
	$(BIN)/encore up

check: static ## lint, types, doctests, fast tests
	$(BIN)/pytest -q -m "not slow"

test: static ## everything, servers and kills included
	@# three at a time on two cores: many wait for servers
	$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=15

static: $(STAMP)
	@$(MAKE) --no-print-directory -j 2 lint types doctests

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

doctests:
	$(BIN)/pytest -q --doctest-modules $(DOCTESTS)

sbom: $(STAMP) ## var/sbom.json: what a service is made of, as CycloneDX
	@mkdir -p var
	$(BIN)/python deploy/sbom.py encore serving > var/sbom.json

audit: sbom ## known vulnerabilities of all pins; needs a vulnerability service
	$(BIN)/uv tool run pip-audit==2.10.1 --strict --no-deps --disable-pip -r constraints.txt

clean: ## remove .venv and caches; var/, with the ledger and the models, stays
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv \
	  && VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install --quiet --compile-bytecode -c constraints.txt -e '.[dev,models]' \
	  || $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,models]'
	touch $@
