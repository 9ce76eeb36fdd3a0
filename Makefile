# The commands of this project. They need python3 (3.10 or newer) and make; the rest they install
# into folders of this checkout.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .venv-demo
REQUIREMENTS := tests/requirements.txt

# Here the tests write down what they ran with: docs/coverage.md comes from it.
export XTRACE_TEST_LIBRARIES := $(CURDIR)/.cache/libraries

.DEFAULT_GOAL := help
.PHONY: help demo quickstart test fresh check unit interpreters versions coverage bench screenshots docs format lock clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Make an empty virtual environment. A Debian without python3-venv can make none; root can install it.
define environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	{ echo "xtrace needs Python 3.10 or newer; choose one with: make PYTHON=python3.11"; exit 1; }
@$(PYTHON) -m venv $(1) >/dev/null 2>&1 || { apt-get -qq update && apt-get -qq install -y python3-venv; } \
	|| { echo "python3 can't make virtual environments; install python3-venv"; exit 1; }
@$(PYTHON) -m venv $(1)
endef

$(VENV)/ready: $(REQUIREMENTS) tests/packages.txt pyproject.toml
	$(call environment,$(VENV))
	@$(PYTHON) tests/support/packages.py
	@echo "Installing the development environment into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r $(REQUIREMENTS)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

# The demo needs a fraction of that, and should be on the screen within a minute.
$(DEMO)/ready: $(REQUIREMENTS) examples/requirements.txt pyproject.toml
	$(call environment,$(DEMO))
	@echo "Installing what the demo needs into $(DEMO) ..."
	@$(DEMO)/bin/python -m pip install -q --disable-pip-version-check -c $(REQUIREMENTS) \
		-r examples/requirements.txt -e '.[aws,collector,fast]'
	@touch $@

demo: $(DEMO)/ready  ## a shop of seven services, with visitors, and their traces (ARGS=--chaos: see examples/shop)
	@$(DEMO)/bin/python examples/shop $(ARGS)

quickstart: $(DEMO)/ready  ## a small one: two services, a collector, twenty requests, and their traces
	@$(DEMO)/bin/python examples/quickstart/demo.py

test: fresh check unit interpreters versions  ## everything that CI runs
	$(BIN)/python tests/support/coverage.py $(XTRACE_TEST_LIBRARIES) --check

fresh:
	@rm -rf $(XTRACE_TEST_LIBRARIES)

check: $(VENV)/ready  ## lint, types, and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

unit: $(VENV)/ready  ## the tests, on this Python
	$(BIN)/python -m pytest -q -n auto tests

interpreters: $(VENV)/ready  ## the core's tests, on each other supported Python that is found
	$(BIN)/python tests/support/interpreters.py

versions: $(VENV)/ready  ## integrations' tests, with the oldest supported versions of the libraries
	$(BIN)/python tests/support/versions.py

coverage: $(VENV)/ready  ## make docs/coverage.md of what `make test` ran
	$(BIN)/python tests/support/coverage.py $(XTRACE_TEST_LIBRARIES)

bench: $(VENV)/ready  ## xtrace against its peers (see docs/performance.md)
	$(BIN)/python tests/bench $(BENCH)

screenshots: $(VENV)/ready  ## the pictures in docs, of the shop and of its traces in the console
	$(BIN)/python tests/browser/screenshots.py
	$(BIN)/python docs/tutorial/pictures/take.py

docs: $(VENV)/ready  ## run the code in README.md and docs/
	$(BIN)/python -m pytest -q tests/test_docs.py

format: $(VENV)/ready  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/ready  ## refresh the pinned development dependencies
	$(BIN)/python tests/support/lock.py $(REQUIREMENTS)

clean:  ## remove what these commands made
	rm -rf $(VENV) .venv-* .bench .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
