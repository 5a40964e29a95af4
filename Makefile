# FleetOps. `make help` lists what there is. Everything sets itself up on first use.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTBED := .testbed

.PHONY: help setup demo demo-cluster test check format bench fuzz docs testbed testbed-stop clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment and install everything, pinned

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FleetOps needs Python 3.11 or newer; set PYTHON=python3.11")'
	@echo "setup: virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing (a few minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup ## Watch a cold plate clog, be found, be explained, and its node drained
	@$(BIN)/fleetops demo

demo-cluster: setup testbed ## The seven scenarios over real Kafka, ClickHouse's engine and real Slurm
	@deploy/testbed/demo-cluster.sh $(TESTBED)

test: setup ## Run every test; what needs a service that is not here is skipped, saying so
	@$(BIN)/python -m pytest

check: setup ## ruff, mypy --strict and the layer contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 12; exit $${PIPESTATUS[0]}

format: setup ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup ## Measure, as ratios against a baseline in the same run
	@$(BIN)/fleetops bench ingest
	@$(BIN)/fleetops bench peers
	@$(BIN)/fleetops bench collect

fuzz: setup ## Give each of the 25 decoders 5,000 mutated payloads
	@FLEETOPS_FUZZ_EXAMPLES=5000 $(BIN)/python -m pytest -q -n auto --timeout=3600 tests/fuzz

docs: setup ## Write the generated reference pages anew
	@$(BIN)/python -m fleetops_schemas.reference --write docs/reference
	@$(BIN)/python -m fleetops.core.config_reference
	@$(BIN)/python -m fleetops.api.openapi > docs/reference/openapi.json

testbed: setup ## Start a real Kafka broker, ClickHouse's engine and Slurm, without containers
	@deploy/testbed/start.sh $(TESTBED)

testbed-stop: ## Stop what `make testbed` started
	@deploy/testbed/stop.sh $(TESTBED)

clean: ## Remove the virtual environment and all state
	rm -rf $(VENV) .fleetops .artifacts .mypy_cache .pytest_cache .ruff_cache
