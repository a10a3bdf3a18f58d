# Every target sets up what it needs on a fresh machine: a virtual environment in this folder, with locked versions.
PYTHON ?= python3
CONSTRAINTS ?= requirements.lock
# TORCH_INDEX=URL is one more index for pip, for builds of torch that the usual index does not have: the wheels for
# CPUs are a tenth of the usual ones, which bring libraries for GPUs.
TORCH_INDEX ?=
# TRAIN='--epochs 3' is given to `resunit train`.
TRAIN ?=
BIN := .venv/bin

run: .venv/run  ## train a pre-activation network on CIFAR-10 and report its test error
	@echo "Training on CIFAR-10. For a shorter run stop with Ctrl-C: make run TRAIN='--epochs 3'"
	$(BIN)/resunit train $(TRAIN)

check: format types  ## formatting, lint, imports and types

format: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: .venv/test
	$(BIN)/basedpyright --pythonpath $(BIN)/python

test: format  ## what `check` does and the everyday tests; types are checked while the tests run
	$(MAKE) --no-print-directory --jobs=2 types pytest

pytest: .venv/test
	$(BIN)/pytest

test-avx2: .venv/test  ## the tests of all arithmetic, as an x86-64 processor without AVX-512 computes
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/pytest tests/ops tests/inference tests/training

test-full: check docs chromium  ## all tests, with the full data set and a browser, the floor of coverage, and the site
	$(BIN)/pytest -m 'not gpu' --cov --cov-report=term

docs: .venv/test  ## the documentation site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# FAULTS='--kills 20' is given to the program; `make faults FAULTS=--help` lists the counts.
FAULTS ?=
faults: .venv/test  ## kill, starve and damage runs many times; prints a table
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults $(FAULTS)

# A machine with a GPU often has a torch of its own: without .venv, these two install nothing and take that of PYTHON.
GPU_PYTHON = PYTHONPATH=src $(if $(wildcard .venv/test),$(BIN)/python,$(PYTHON))
test-gpu:  ## what only a GPU can show; says so in one line where there is none
	@$(GPU_PYTHON) -m tests.gpu

bench-gpu:  ## measure training steps on the GPU of this machine
	@$(GPU_PYTHON) -m benchmarks gpu

SUBJECTS := train program growth memory infer serving busy startup watch accuracy sweep
bench: .venv/test  ## measure everything, on an idle machine; writes docs/performance.md
	for subject in $(SUBJECTS); do $(BIN)/python -m benchmarks $$subject || exit; done
	$(BIN)/python -m benchmarks document

bench-avx2: .venv/test  ## measure the steps again, as an x86-64 processor without AVX-512 computes
	for subject in train infer serving; do \
		ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m benchmarks $$subject || exit; done
	$(BIN)/python -m benchmarks document

chromium:
	@command -v chromium >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends chromium)

.venv/run: EXTRAS := parquet,reproduce
.venv/run: SIZES := 6 GB, or 1.5 GB with torch for CPUs
.venv/test: EXTRAS := dev
.venv/test: SIZES := 7 GB, or 2.5 GB with torch for CPUs
.venv/run .venv/test: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit("resunit needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@echo "Installing resunit[$(EXTRAS)] and torch into .venv: about $(SIZES); 5 to 20 minutes, once."
	@echo "$(if $(TORCH_INDEX),torch may come from TORCH_INDEX=$(TORCH_INDEX).,For torch for CPUs stop and give its package index: make $(notdir $@) TORCH_INDEX=URL)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --constraint $(CONSTRAINTS) $(addprefix --extra-index-url ,$(TORCH_INDEX)) --editable '.[$(EXTRAS)]'
	touch $@

.PHONY: run check format types test pytest test-avx2 test-full docs test-gpu faults bench bench-avx2 bench-gpu chromium
