# `make` shows what there is; every target makes the environment it needs.

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .bench-env
CONSTRAINTS ?= constraints.txt

BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint docs wheel bench-env clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.fast ## Fuse twelve classifiers of handwritten digits, without labels
	$(BIN)/deem demo

test: $(VENV)/.test ## Run all tests and the examples in the docstrings, on all cores
	$(BIN)/python -m pytest -n auto --dist loadfile

coverage: $(VENV)/.test ## Run all tests and report which lines they miss
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

lint: $(VENV)/.lint ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs ## Build the documentation in docs/_build/html, warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

wheel: $(VENV)/bin/python ## Build the package in dist
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

bench-env: $(BENCH_VENV)/.peers ## Make the environment of the published peers (their own)

clean: ## Remove environments and everything that was built
	rm -rf $(VENV) $(BENCH_VENV) build dist docs/_build docs/api/generated demo_output
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# One stamp an extra: $(VENV)/.test says that `.[test]` is installed as these files ask for.
$(VENV)/.%: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install -c $(CONSTRAINTS) -e ".[$*]"
	touch $@

# One of the peers has the import name deem, so they never enter $(VENV).
$(BENCH_VENV)/.peers: benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -r benchmarks/requirements.txt
	touch $@
