# Starts from a bare machine with Python 3.11 or newer, pip and make.
#
#   make demo    set up, fetch the default model, write a program with it in turns;
#                in another language with LANGUAGE=js, go, java, c or cpp
#   make quick   set up, pass the tests that take a moment: at each save
#   make test    set up, pass the tests
#   make check   all that CI runs
#   make slow    the proofs that take minutes: kills, soaks, random orders
#   make docs    the documentation site, into site/
#   make wheel   a wheel for this platform that needs no compiler, into dist/

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-ready
DEVELOP := $(VENV)/.develop-ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
FIND_COMPILER := $(BIN)/python -c 'import sys; \
  from multiturn.models.native.compilers import find_compiler; sys.exit(find_compiler() is None)'
LANGUAGE ?= python
SPECIFICATION ?= $(if $(filter python,$(LANGUAGE)),examples/demo.yaml,examples/languages/demo.yaml)
QUICK := $(addprefix tests/,core text synthesis benchmarks sandbox engines) $(wildcard tests/test_*.py)
CPP := $(shell find src bench tests -name '*.cc' -o -name '*.h')
CPP_FLAGS = -std=c++20 -Wno-psabi -isystem $(shell $(BIN)/python -c 'import jax.ffi; print(jax.ffi.include_dir())')

.PHONY: help demo setup quick test check format static slow docs wheel parity lock clean

help:
	@sed -n '3,10s/^#   //p' Makefile

demo: $(RUNTIME)
	@$(BIN)/multiturn synth $(SPECIFICATION) --language $(LANGUAGE) --demo

setup: $(DEVELOP)

quick: $(DEVELOP)
	$(BIN)/python -m pytest $(QUICK) -m "not slow and not real" -n auto --dist loadfile --no-loadscope-reorder -q

test: $(DEVELOP)
	@echo "Running the tests; they fetch a small model (94 MB) once and take about ten minutes on two cores."
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile --no-loadscope-reorder

check: $(DEVELOP) static test

static: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run --Werror $(CPP)
	$(BIN)/clang-tidy --quiet $(filter src/%.cc,$(CPP)) -- $(CPP_FLAGS)

slow: $(DEVELOP)
	@echo "Running the slow proofs; they take about an hour on two cores."
	$(BIN)/python -m pytest -m slow -n auto --timeout 3600
	$(BIN)/python -m pytest -m "hypothesis and not slow" -n auto --timeout 3600 --hypothesis-profile thorough

docs: $(DEVELOP)
	@$(PIP) install --constraint constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The site is in site/index.html."

wheel: $(DEVELOP)
	$(BIN)/python tools/prebuild_kernels.py
	@$(PIP) wheel --no-deps --wheel-dir dist .

# The live comparison with transformers. Elsewhere than in CI, torch brings gigabytes.
parity: $(DEVELOP)
	@$(PIP) install --constraint constraints.txt --group peers
	$(BIN)/python bench/parity.py

format: $(DEVELOP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CPP)

# Every version, with no word of where it comes from: that is the reader's pip's business.
lock: $(DEVELOP)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group docs --group peers --universal \
	  --python-version 3.11 --no-annotate --no-header --no-emit-index-url --upgrade \
	  --output-file constraints.txt

# Debian ships Python without ensurepip; there pip itself puts pip into the environment.
$(BIN)/python:
	@echo "Making a virtual environment in $(VENV)."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; fix: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
	  { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	    $(PYTHON) -m pip --quiet --python $(BIN)/python install pip; } || \
	  { rm -rf $(VENV); \
	    echo "error: no pip to be had; fix: see that pip reaches a package index"; exit 2; }

$(RUNTIME): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Multiturn and its CPU engines (280 MB on disk, about half a minute)."
	@$(PIP) install --upgrade --constraint constraints.txt pip
	@$(PIP) install --constraint constraints.txt --editable '.[llama,native,science,languages]'
	@$(FIND_COMPILER) || { \
	  echo "Installing a C++ compiler as a package, for the kernels (101 MB, 410 MB on disk)."; \
	  $(PIP) install --constraint constraints.txt ziglang || \
	  echo "Continuing without it: llama.cpp runs the model, more slowly."; }
	@sh tools/openmp.sh $(VENV)
	@touch $@

$(DEVELOP): $(RUNTIME)
	@echo "Installing JAX and what training, corpora and the tests need (1.5 GB on disk, about two minutes)."
	@$(PIP) install --constraint constraints.txt --editable '.[llama,native,science,languages,jax,train,data,bigquery,cluster,report,serve,notebook]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
