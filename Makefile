# Needs Python >= 3.11 with venv, and make. Everything else goes into .venv, which is made again
# only when pyproject.toml has changed.

PYTHON ?= python3
WORKERS ?= 3
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip -qq --disable-pip-version-check install
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
# More processes than cores, since many tests wait for clusters; who is done takes over what another has not begun.
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist worksteal
TESTS_MANAGE := DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo serve screenshots test test-sqlite test-postgres battery lint types contracts migrations-check docs format bench bench-peers bench-everything bench-sweep bench-scale bench-memory bench-clusters clean simulate chaos security

CHAOS = --workflows 2000 --every 1 --spread 110

help:
	@echo "make demo              run the example project once, to see what this is"
	@echo "make serve             run the example project until Ctrl-C"
	@echo "make test              what a change must pass each time"
	@echo "make battery           the long ones: deaths at every statement, chaos, simulation, fuzzing, on both databases"
	@echo "make test-sqlite       the tests on SQLite      (ARGS='-k name' for some of them)"
	@echo "make test-postgres     the tests on PostgreSQL  (DATABASE_URL for a server of yours)"
	@echo "make chaos             2,000 workflows while processes and databases are killed (ARGS='--seed 7' to repeat a run)"
	@echo "make lint security types contracts migrations-check docs    the other parts of make test"
	@echo "make screenshots       make the pictures of the admin in docs/images anew"
	@echo "make simulate          seeded schedules of the engine with deaths and lost messages (SEEDS=2000, SEED=17 for one)"
	@echo "make format            put the code in order"
	@echo "make bench             measure the engine beside the database alone (a few minutes)"
	@echo "make bench-peers       the same beside other engines, installed from PyPI"
	@echo "make bench-scale       beside a million sleeping and a million finished workflows; bench-memory and bench-clusters"
	@echo "make bench-everything  all of that, written into the documentation (half an hour); bench-sweep: others' settings"
	@echo "make clean             remove everything that was made, .venv too"

$(RUN): pyproject.toml
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --editable '.[api]'
	@touch $@

$(DEV): $(RUN)
	@echo "Installing what the tests need ..."
	@$(INSTALL) --editable '.[dev]'
	@touch $@

demo: $(RUN)
	@$(PY) manage.py demo

serve: $(RUN)
	@$(PY) manage.py serve

test: lint security types contracts migrations-check docs test-sqlite test-postgres

lint: $(DEV)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

security: $(DEV)
	@$(PY) -m bandit -q -ll -c pyproject.toml -r django_workflows
	@$(PY) -m tests.audit

types: $(DEV)
	@$(PY) -m mypy

contracts: $(DEV)
	@$(VENV)/bin/lint-imports --no-logo

migrations-check: $(DEV)
	@$(TESTS_MANAGE) makemigrations --check --dry-run django_workflows weather onboarding approvals series countries jobs

docs: $(DEV)
	@if [ -f docs/conf.py ]; then $(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html; fi

test-sqlite: $(DEV)
	@DJANGO_WORKFLOWS_TEST_DB=sqlite $(PYTEST) -m "not battery" $(ARGS)

test-postgres: $(DEV)
	@DJANGO_WORKFLOWS_TEST_DB=postgres $(PYTEST) -m "not battery" $(ARGS)

battery: $(DEV)
	@DJANGO_WORKFLOWS_TEST_DB=sqlite $(PYTEST) -m battery $(ARGS)
	@DJANGO_WORKFLOWS_TEST_DB=postgres $(PYTEST) -m battery $(ARGS)

screenshots: $(DEV)
	@DJANGO_WORKFLOWS_SCREENSHOTS=docs/images $(PY) -m pytest -q tests/browser/test_pages.py -k every_page_is_accessible

# A failing seed prints its schedule; SEED=... runs it again.
SEEDS ?= 2000
simulate: $(DEV)
	@DJANGO_WORKFLOWS_TEST_DB=sqlite DJANGO_WORKFLOWS_TEST_SEEDS=$(SEEDS) $(if $(SEED),DJANGO_WORKFLOWS_TEST_SEED=$(SEED)) \
		$(PYTEST) tests/battery/test_simulation.py $(ARGS)

chaos: $(DEV)
	@$(PY) -m tests.chaos --database sqlite $(CHAOS) $(ARGS)
	@$(PY) -m tests.chaos --database postgres $(CHAOS) $(ARGS)

format: $(DEV)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(DEV)
	@$(PY) -m benchmarks $(ARGS)

bench-peers: $(DEV)
	@$(INSTALL) --editable '.[bench]'
	@$(PY) -m benchmarks --peers $(ARGS)

bench-everything bench-sweep: $(DEV)
	@$(INSTALL) --editable '.[bench]'
	@$(PY) -m benchmarks.$(@:bench-%=%) $(ARGS)

bench-scale bench-memory bench-clusters: $(DEV)
	@$(PY) -m benchmarks.$(@:bench-%=%) $(ARGS)

clean:
	@rm -rf $(VENV) build dist docs/_build htmlcov .coverage .coverage.* .hypothesis
	@rm -rf .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
