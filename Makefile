# make demo      the whole way on simulated hospitals, ending in an index of pages
# make test      formatting, types and tests
# make test-all  the tests that take minutes, too
# make test-faults  every fault of tests/federation/faults.toml, on real processes
# make docs      the documentation site, in site/
# make wheelhouse  all wheels for an installation without internet, in wheelhouse/
# make gpu       TensorFlow with CUDA instead of the CPU build
# Each makes the virtual environment first. make PYTHON=python3.13 demo picks an interpreter.
VERSIONS = 3.11 3.12 3.13
PYTHON ?= $(shell for v in $(VERSIONS); do python$$v -c '' 2>/dev/null && echo python$$v && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
OUT ?= flame-demo
READY = $(VENV)/.ready
DEV = $(VENV)/.ready-dev
SUPPORTED = 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
PIP = $(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-all test-faults lint docs paper wheelhouse gpu clean

demo: $(READY)
	$(BIN)/flame demo --out $(OUT)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

test-all: lint
	$(BIN)/pytest -n 2 --dist loadfile -m ""

test-faults: $(DEV)
	$(BIN)/pytest -m "" $$(sed -n 's#^test = "\(.*\)"#tests/federation/flare/\1#p' tests/federation/faults.toml)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pydoclint --quiet flame models pipelines preprocessing
	$(BIN)/mypy

# torch first and alone: a free torch would bring several GB of CUDA packages with it.
$(READY): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c $(SUPPORTED) || \
		{ echo "FLAME needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python has no venv here: apt install python3-venv, then make again"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=24" "setuptools>=77" wheel
	$(PIP) torch
	$(PIP) -e .
	touch $@

$(DEV): $(READY)
	$(PIP) -e ".[dev]"
	touch $@

docs: $(READY)
	$(PIP) -e ".[docs]"
	$(BIN)/python docs/generate_reference.py
	$(BIN)/python docs/generate_licences.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

paper: $(READY)
	$(BIN)/python docs/renew_tables.py docs/explanation/evidence-gossip.md docs/benchmarks/detectors.md

wheelhouse: $(READY)
	$(BIN)/pip wheel --quiet --disable-pip-version-check -c constraints.txt -w wheelhouse torch
	$(BIN)/pip wheel --quiet --disable-pip-version-check -c constraints.txt -w wheelhouse .

gpu: $(READY)
	$(BIN)/pip uninstall --quiet --yes tensorflow-cpu
	$(PIP) --force-reinstall --no-deps tensorflow
	$(PIP) "tensorflow[and-cuda]"

clean:
	rm -rf $(VENV) build dist *.egg-info
