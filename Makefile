# Everything lives in this folder, most of it in $(VENV).

PYTHON ?= python3
VENV ?= .venv
NOTEBOOK ?= notebooks/00-index.ipynb
ARGS ?=
ENVIRONMENT ?= ordinary

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What asks nothing of the kernel or of who we are, root has tested.
ONCE := $(if $(filter root,$(ENVIRONMENT)),,-m "not anywhere")
SOURCES := pyproject.toml $(wildcard nsexplore/_csrc/*)
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo show lab test test-as lint format bench bench-ls bench-explore bench-hosts pictures bench-course site wheel clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: show lab ## Set everything up, run a process in new namespaces, open JupyterLab

show: $(VENV)/.lab ## The first half of demo: run a process, print its tables, and end
	@$(BIN)/nsexplore run -- id; code=$$?; \
	if [ $$code = 125 ]; then \
		echo; echo "The default ID map needs root. What an ordinary user may do, --rootless:"; echo; \
		$(BIN)/nsexplore run --rootless -- id; code=$$?; \
	fi; \
	if [ $$code = 125 ]; then \
		echo; echo "Nothing may be started in new namespaces here. What would be asked of the kernel:"; echo; \
		$(BIN)/nsexplore plan --rootless -- id; code=$$?; \
	fi; exit $$code

lab: $(VENV)/.lab ## The second half of demo: JupyterLab on the index of the course, until Ctrl-C
	@[ "$$(id -u)" = 0 ] || echo "Most notebooks want root: to others they show recordings. 10-why-not.ipynb runs for everybody."
	@$(BIN)/jupyter trust notebooks/*.ipynb >/dev/null  # or the saved pictures show as plain text
	@$(BIN)/nsexplore lab $(NOTEBOOK)

test: $(VENV)/.test ## Set everything up and run all tests (ARGS="-k name" for some)
	$(BIN)/python -m pytest $(ARGS)

test-as: $(VENV)/.test ## The same as somebody else: ENVIRONMENT=ordinary, subids, locked-down
	$(BIN)/python tests/environments.py $(ENVIRONMENT) $(BIN)/python -m pytest $(ONCE) $(ARGS)

lint: $(VENV)/.test ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test ## Put the code and the notebooks in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python tests/notebook_tool.py --format

bench: $(VENV)/.test ## Measure the starts side by side with Go's
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-ls: $(VENV)/.test ## Measure discovery side by side with lsns
	$(BIN)/python benchmarks/discovery.py $(ARGS)

bench-explore: $(VENV)/.test ## Measure the explorer in a kernel and in a browser
	$(BIN)/python benchmarks/explorer.py $(ARGS)

bench-hosts: $(VENV)/.test ## Measure the merging of a thousand hosts
	$(BIN)/python benchmarks/hosts.py $(ARGS)

pictures: $(VENV)/.test ## Take the README's picture of the explorer anew, in a browser
	$(BIN)/python -m pytest -q tests/test_explorer_browser.py -k flips
	cp .artifacts/notebooks/explorer-readme.png docs/explorer.png

bench-course: $(VENV)/.test ## Measure how long the notebooks take, one after the other
	$(BIN)/python tests/whole_course.py

site: $(VENV)/.test ## The course as pages to read without running it, in build/site
	$(BIN)/python docs/make_site.py

wheel: $(VENV)/.test ## Build the sdist and the wheel into dist/
	$(BIN)/python -m build

clean: ## Remove what was built, the virtual environment included
	rm -rf $(VENV) build dist *.egg-info nsexplore/_spawn*.so .mypy_cache .pytest_cache .ruff_cache
	find nsexplore tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each set of dependencies; they share the environment.
$(VENV)/.lab $(VENV)/.test: $(VENV)/.%: $(SOURCES) | $(VENV)/bin/python
	@echo "Installing into $(VENV); the first time this takes a minute or two"
	@$(INSTALL) --editable '.[$*]'
	@$(BIN)/python -c 'import nsexplore._spawn' || { \
		echo "The C extension was not built: $(BIN)/python -m pip install -v -e . shows why" >&2; exit 1; }
	@touch $@

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there; say which Python to use: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' || { \
		echo "CPython 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1); say which: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { \
		echo "$(PYTHON) has no C headers; on Debian and Ubuntu: apt install python3-dev" >&2; exit 1; }
	@command -v $(CC) >/dev/null || { \
		echo "There is no C compiler ($(CC)); on Debian and Ubuntu: apt install gcc libc6-dev" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
