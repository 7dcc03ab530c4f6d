PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCHEMA := search_spaces/study.schema.json --defaults tests/trainables/defaults.json \
	--paper analysis/paper/settings.json
LAUNCHES := $(shell grep -lE '^from tests.study.(launching|services)' tests/study/test_*.py)
UNIT := tests/trainables tests/analysis tests/study $(LAUNCHES:%=--ignore=%) \
	--ignore=tests/trainables/test_compilation.py
HOUSE := tests/test_rooms.py tests/test_public_names.py tests/test_architecture.py \
	tests/test_fakes.py tests/test_ignores.py tests/test_vocabulary.py

.PHONY: study test test-cuda-host test-slow check docs format coverage paper-quick bench bench-short \
	schema clean

study: $(VENV)/installed  ## set everything up and run the main job
	$(BIN)/python -m study.launch search_spaces/beta.yaml

# Tests that launch studies have Ray to themselves; all others share the cores, a thread each.
test: $(VENV)/installed  ## set everything up and pass the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not gpu and not cuda_host" -n 2 --dist loadfile \
		tests $(LAUNCHES:%=--ignore=%)
	$(BIN)/python -m pytest -m "not slow and not gpu and not cuda_host" $(LAUNCHES)

# Torch's CUDA build on its host side: without a GPU, kernels do nothing. HOST=cuda_host runs all.
HOST ?= cuda_host and not slow
test-cuda-host: $(VENV)/installed  ## what a GPU is asked for: needs gcc and torch's CUDA build
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		$(BIN)/python -m tests.cuda_host.build "$$folder" && \
		OMP_NUM_THREADS=1 "$$folder/run" $(BIN)/python -m pytest -m "$(HOST)" \
			tests/cuda_host

test-slow: $(VENV)/installed  ## the tests that take minutes each: kills, full disks, clusters
	$(BIN)/python -m pytest -m "slow and not gpu and not cuda_host"

check: docs  ## linter, formatter, types, dependencies, rooms, schema in step, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/deptry tests --exclude '^$$' --ignore DEP002,DEP004
	$(BIN)/python -m study.schema --check $(SCHEMA)
	$(BIN)/python -m pytest $(HOUSE)

docs: $(VENV)/installed  ## write the documentation to build/docs; a warning is an error
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/docs

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/installed  ## write what follows from the settings: the JSON Schema, new defaults
	$(BIN)/python -m study.schema $(SCHEMA)

coverage: $(VENV)/installed  ## what share of the code the tests reach that start no Ray cluster
	$(BIN)/python -m pytest -m "not slow and not gpu and not cuda_host" $(UNIT) --cov --cov-report=term

paper-quick: $(VENV)/installed  ## every table and figure of the paper at its quick scale
	for file in search_spaces/paper/*.yaml; do \
		$(BIN)/python -m study.launch $$file --scale quick || exit; \
		$(BIN)/python -m analysis.report $$(basename $$file .yaml) --scale quick || exit; \
	done

bench: $(VENV)/installed  ## measure speed and overhead against the bars
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-short: $(VENV)/installed  ## the same with fewer repeats
	$(BIN)/python -m tests.benchmarks --short $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info build

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
		|| (echo "Python 3.11 to 3.14 is needed; give one with PYTHON=…" && false)
	$(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch, Ray, Optuna, MLflow and what they need into $(VENV): 7 GB on disk once done."
	@echo "That takes minutes, and longer by a slow line; nothing more is printed until it is done."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
