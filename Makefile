# The commands of the project. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= data
LISTEN ?= 127.0.0.1:8750

.DEFAULT_GOAL := help
.PHONY: help install demo serve test check coverage clean

help: ## List the commands.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# The virtual environment follows the dependency lists: it is brought up to date when they change.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Countenance needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

install: $(VENV)/.installed ## Make the virtual environment, install Countenance and its face models.
	$(BIN)/countenance models install

demo: install ## Enrol and search sample portraits through boto3 against a real server.
	$(BIN)/python -m demo

serve: install ## Start the server and leave it running (DATA=folder, LISTEN=host:port).
	$(BIN)/countenance serve --data $(DATA) --listen $(LISTEN)

$(VENV)/.test-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group test
	@touch $@

test: install $(VENV)/.test-installed ## Run all tests (COUNTENANCE_TEST_DATA=folder adds those on the larger photo sets).
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: install $(VENV)/.test-installed ## Lint, types, direction of imports, freshness of generated files.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m countenance.aws.coverage --check
	$(BIN)/python -m countenance.transparency.schemas --check
	$(BIN)/python -m countenance.fairness.schemas --check

coverage: install ## Write COVERAGE.md, and the JSON Schemas in docs: what works here, and what stands in the ledger.
	$(BIN)/python -m countenance.aws.coverage
	$(BIN)/python -m countenance.transparency.schemas
	$(BIN)/python -m countenance.fairness.schemas

clean: ## Remove the virtual environment and caches.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
