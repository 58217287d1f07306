# make demo: set everything up and run the main job.   make test: set up and run the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Keras and matplotlib write their settings here and not into the home folder.
export KERAS_HOME := $(CURDIR)/$(VENV)/keras
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/matplotlib
export KERAS_BACKEND ?= jax

.PHONY: demo test check clean

demo: $(VENV)/demo.stamp
	$(BIN)/refrain compare

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

# torch is pinned: its CPU build serves the tests that compare backends.
$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/demo.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

clean:
	rm -rf $(VENV)
