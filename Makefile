# Every target sets up .venv by itself; nothing but Python 3.11 or later is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := $(wildcard receiver/native/src/*.rs receiver/native/src/*/*.rs) receiver/native/Cargo.toml receiver/native/Cargo.lock

.PHONY: help install run test test-slow check bench lock clean

help:
	@echo "make install   .venv with everything, so that .venv/bin/spanruns is there"
	@echo "make run       start spanruns and send it real agents (stop with Ctrl-C)"
	@echo "make test      the tests"
	@echo "make test-slow variants that take long"
	@echo "make check     formatting, lint, types"
	@echo "make bench     the benchmarks"
	@echo "make lock      requirements.lock anew, after a change of dependencies"

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "spanruns needs Python 3.11 or later; say which: make PYTHON=python3.12 install")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (the first time takes a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --prerelease=allow -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

run: install
	@$(BIN)/spanruns demo --up

# What holds a time runs by itself, after everything else.
test: install
	@status=0; \
	$(BIN)/python -m pytest -q -m "not slow and not timed" --numprocesses logical --maxprocesses 4 --dist loadfile || status=1; \
	$(BIN)/python -m pytest -q -m "timed and not slow" || status=1; \
	exit $$status

test-slow: install
	@$(BIN)/python -m pytest -q -m slow

check: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests benchmarks

bench: install
	@$(BIN)/python -m benchmarks

lock: install
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--prerelease=allow --no-emit-index-url --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .spanruns build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
