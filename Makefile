# make demo   the whole way on simulated hospitals, ending in a report
# make test   the tests
# Both make the virtual environment first. make PYTHON=python3.11 demo picks an interpreter.
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
OUT ?= flame-demo
READY = $(VENV)/.ready

.PHONY: demo test test-slow lint clean

demo: $(READY)
	$(BIN)/flame demo --out $(OUT)

test: $(READY) lint
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch first and alone: a free torch would bring several GB of CUDA packages with it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), "FLAME is tried on Python 3.11; make PYTHON=/path/to/python3.11 ..."'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=24" "setuptools>=77" wheel
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
