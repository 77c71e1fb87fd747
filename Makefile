# All commands; `make help` lists them.
PYTHON ?= python3
PYTHONS ?= 3.12 3.13
VENV   := .venv
BIN    := $(VENV)/bin
ifdef CI
PIP_QUIET := --quiet
endif

.DEFAULT_GOAL := help
.PRECIOUS: .venv-%/.dev # kept though only made on the way
.PHONY: help setup demo run test mutants faults bench check unit pythons coverage format docs modules lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Muster needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.dev ## create .venv with the locked packages

demo: $(VENV)/.runtime ## run a whole scenario on embedded servers, from member file to turnout; ARGS=question: to answers
	$(BIN)/muster demo $(ARGS)

run: $(VENV)/.runtime ## start Muster (web, worker, embedded servers, sandbox) and stay up
	$(BIN)/muster run $(ARGS)

check: $(VENV)/.dev ## format, lint, types, layers, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/squawk --config .squawk.toml */migrations/*.sql

unit: $(VENV)/.dev ## the quick tests only
	$(BIN)/pytest tests/unit $(ARGS)

pythons: $(PYTHONS:%=unit-on-%) ## the quick tests on the other Pythons that Muster runs on (PYTHONS="3.12 3.13")

unit-on-%: .venv-%/.dev
	.venv-$*/bin/python -m pytest -n 2 tests/unit $(ARGS)

.venv-%/.dev: requirements-dev.lock pyproject.toml
	@python="$$(bash .ci/python $*)" && "$$python" -m venv --clear .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-dev.lock
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

test: check ## every check and every test
	@bash .ci/chromium
	@bash .ci/postfix
	@bash .ci/postgresql
	@bash .ci/pgbouncer
	@bash .ci/redis
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

coverage: $(VENV)/.dev ## run the unit and integration tests and print which branches they take, by package
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile tests/unit tests/integration $(ARGS)
	$(BIN)/python -m tools.branch_coverage

bench: $(VENV)/.dev ## how fast, beside others in the same run; ARGS="email" runs one of them
	$(BIN)/python -m tests.bench $(ARGS)

mutants: $(VENV)/.dev ## do the tests notice mistakes? changes code and SQL one by one; hours (ARGS="campaigns.replies.*wish*")
	-$(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results
	$(if $(ARGS),,$(BIN)/python -m tests.mutants)

faults: $(VENV)/.dev ## knock over every process and provider under a campaign; about half an hour (ARGS="--short")
	@$(BIN)/python -m tests.faults $(ARGS)

format: $(VENV)/.dev ## put every file in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.runtime ## write docs/settings.md, and the catalogue in docs/events.md, anew from the code
	$(BIN)/python -m tools.settings_page
	$(BIN)/python -m tools.events_page

modules: $(VENV)/.runtime ## print each module with its first sentence; ARGS=campaigns.replies for one package
	@$(BIN)/python -m tools.module_list $(ARGS)

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links pyproject.toml --group build
lock: ## renew requirements.lock and requirements-dev.lock (needs uv)
	$(LOCK) --upgrade -o requirements.lock
	$(LOCK) --upgrade --group dev -o requirements-dev.lock

clean: ## forget the virtual environment and caches (never .muster, your data)
	rm -rf $(VENV) $(PYTHONS:%=.venv-%) .coverage-data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants
