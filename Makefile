PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# `mlflow run --env-manager local` starts `python`: the environment's comes first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help env demo test test-cluster mutants fire kills audit lint docs ui bench clean lock mlproject

help:            ## what can be made
	@grep -E '^[a-z-]+: .*##' Makefile | sed 's/:.*##/\t/'

.venv/done: requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q $$(grep '^uv==' requirements.txt)
	$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode -r requirements-dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-build-isolation --no-deps -e .
	@touch $@

env: .venv/done  ## the environment alone

demo: .venv/done ## the environment, then the whole way on the phantom through mlflow run
	$(BIN)/mlflow run . --env-manager local

test: .venv/done ## all tests; with COVERAGE=1 also the branches they go through, in build/coverage
	$(BIN)/python -m pytest -n 2 --dist loadfile $(if $(COVERAGE),--cov --cov-report=html:build/coverage)

test-cluster: .venv/done ## the same on a real Slurm of three nodes, PostgreSQL, an MLflow server and Dask, of Debian's packages
	$(BIN)/python -m pytest -x --timeout 600 --durations 10 tests/cluster/on_a_cluster.py

mutants: .venv/done ## is what is judged by tested? Changed copies of it that no test notices
	HYPOTHESIS_PROFILE=mutants $(BIN)/mutmut run
	$(BIN)/python -m tests.helpers.mutants

fire: .venv/done ## hostile inputs by the hundred thousand and faults below, twenty minutes; the first goes on where it was stopped
	$(BIN)/python -m tests.fire
	$(BIN)/python -m tests.fire.faults

kills: .venv/done ## main killed 30 times at random moments: is what the same command then gives what it would have been?
	$(BIN)/python -m tests.fire.kills --count 30 --seed 1

audit: .venv/done ## known weaknesses of the locked packages (where PyPI's answer can be had), and their licences
	$(BIN)/uv tool run pip-licenses --python $(BIN)/python --from mixed --format markdown --order license \
	  --packages $$(sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/\1/p' requirements.txt)
	$(BIN)/uv tool run pip-audit -r requirements.txt --no-deps --disable-pip --progress-spinner off

lint: .venv/done ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: .venv/done ## the documentation with a reference of every function, as a site in build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

ui: .venv/done   ## the MLflow UI, with links to the views that matter
	$(BIN)/python -m hemo ui

bench: .venv/done ## the benchmarks, as ratios within one run
	$(BIN)/python -m benchmarks

mlproject: .venv/done ## MLproject, made of the click commands
	$(BIN)/python -m hemo.commands.mlproject

lock:            ## lock the newest versions that pyproject.toml allows
	uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header pyproject.toml -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	(sed '/^  - pip:/q' conda.yaml; sed 's/.*/      - "&"/' requirements.txt) > conda.yaml.new && mv conda.yaml.new conda.yaml

clean:           ## remove runs, models, phantom and stores (not the environment)
	rm -rf data out mlflow.db mlruns/*/ optuna.db mutants .coverage .coverage.*
