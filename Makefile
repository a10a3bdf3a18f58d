# Both set up everything on a fresh machine: a virtual environment in this folder, with locked versions.
PYTHON ?= python3
BIN := .venv/bin

run: .venv/run  ## train a pre-activation network on CIFAR-10 and report its test error
	$(BIN)/resunit train

test: .venv/test  ## formatting, lint, types and the everyday tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/pytest

test-full: test chromium  ## everything, with the full data set and a browser
	$(BIN)/pytest -m full

SUBJECTS := train program growth memory infer startup accuracy sweep
bench: .venv/test  ## measure everything, about a quarter of an hour on two idle cores; writes docs/performance.md
	for subject in $(SUBJECTS); do $(BIN)/resunit bench $$subject || exit; done
	$(BIN)/resunit bench document

chromium:
	@command -v chromium >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends chromium)

.venv/run .venv/test: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("resunit needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.$(if $(findstring test,$@),[dev])'
	touch $@

.PHONY: run test test-full bench chromium
