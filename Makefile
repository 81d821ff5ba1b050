# Every target sets itself up: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PYTEST_ADDOPTS ?=

.DEFAULT_GOAL := help
.PHONY: help setup rgp ggt signet browser notebooks test test-slow check coverage format bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv with everything that the other targets need

$(READY): setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt torch setuptools
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $(READY)

rgp: $(READY)  ## run the main job: graphprune rgp --ratio 0.9
	$(BIN)/graphprune rgp --ratio 0.9

ggt: $(READY)  ## train a bank on digits, attack, calibrate, detect, and compare detectors (minutes)
	$(BIN)/ggt train --bank runs/ggt/bank --models 5 --jobs 2
	$(BIN)/ggt attack --bank runs/ggt/bank --attack deepfool --count 100 --out runs/ggt/adv.npy --force
	$(BIN)/ggt calibrate --bank runs/ggt/bank
	$(BIN)/ggt detect --bank runs/ggt/bank --samples runs/ggt/adv.npy --exit-zero
	$(BIN)/ggt bench --bank runs/ggt/bank --count 100 --controls 3 --jobs 2

signet: $(READY)  ## generate signals, audit, train, prune, classify, compare (minutes)
	$(BIN)/signet generate --mode faithful --frames 40 --jobs 2 --out runs/signet/frames.h5 --force
	$(BIN)/signet audit runs/signet/frames.h5 --exit-zero
	$(BIN)/signet train --data runs/signet/frames.h5 --threads 2
	$(BIN)/signet train --data runs/signet/frames.h5 --model signet2-250k --ratio 0.9 --epochs 8 --controls small-dense --threads 2
	$(BIN)/signet generate --classes QPSK --snr 10 --frames 100 --out runs/signet/recording --force
	$(BIN)/signet classify runs/signet/recording/*.sigmf-meta --merge
	$(BIN)/signet bench $$(ls -td runs/signet-frames-*/ | head -n 2) --baselines extra-trees,resnet1d --threads 2

browser:  ## see to a browser that tests of reports can use (Debian: installs chromium)
	command -v chromium || command -v chromium-browser || command -v google-chrome || command -v chrome || \
		{ apt-get update -qq && apt-get install -y -qq chromium; }

test: $(READY)  ## run the tests, except those marked slow, in two processes
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: $(READY)  ## run the slow tests
	$(BIN)/python -m pytest -q -m slow

notebooks: $(READY)  ## run the notebooks (minutes); notebooks/run.py stores what they show
	$(BIN)/python -m pytest -q -m slow tests/test_notebooks.py

check: $(READY)  ## ruff, mypy, import-linter and the layout test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_layout.py

coverage: $(READY)  ## graph and mask tests without compilation, at full branch coverage
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run -m pytest -q tests/test_graph_*.py tests/test_mask.py tests/test_allocation.py
	$(BIN)/coverage report --fail-under=100

format: $(READY)  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## measure path lengths, search, start-up, main job and compact networks beside their peers (minutes)
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev,bench]'
	$(BIN)/python benchmarks/aspl_evaluation.py
	$(BIN)/python benchmarks/swap_evaluations.py
	$(BIN)/python benchmarks/search_ten_seconds.py
	$(BIN)/python benchmarks/first_search.py
	$(BIN)/python benchmarks/evenness.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/compact_linear.py
	$(BIN)/python benchmarks/compact_latency.py --threads 1

clean:  ## remove the environment, caches and runs
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
