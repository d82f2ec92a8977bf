# The same without make: python scripts/bootstrap.py demo --port 8123
PYTHON ?= python3
ARGS ?=
PYTEST_ARGS ?=
BIN = .venv/bin
# Tests start many processes; what they import is compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo install test test-long test-long-together test-long-alone coverage lint bytecode format clean screenshots
.SILENT:

help:
	echo 'make demo [ARGS="--port 8123 --mines 20"]   start the demo'
	echo 'make test                                   checks and tests'
	echo 'make test-long                              fault campaigns, soaks'
	echo 'make coverage                               every branch of the engine, 6 min'
	echo 'make screenshots                            pictures of the main pages'
	echo 'make lint | format | clean'

demo: python
	$(PYTHON) scripts/bootstrap.py demo -- $(ARGS)

install: python
	$(PYTHON) scripts/bootstrap.py install --dev

# Five for two cores: tests mostly wait for servers.
test:
	$(MAKE) --no-print-directory -j 2 lint bytecode
	$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder \
		-m "not long" $(PYTEST_ARGS)

# What needs the machine for itself comes last. 5 = nothing collected, which is no
# failure of these targets.
test-long:
	$(MAKE) --no-print-directory test-long-together
	$(MAKE) --no-print-directory test-long-alone

test-long-together: install
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder \
		-m "long and not alone" $(PYTEST_ARGS) || [ $$? -eq 5 ]

test-long-alone: install
	$(BIN)/python -m pytest -m "long and alone" $(PYTEST_ARGS) || [ $$? -eq 5 ]

# Fails where a branch of gasmon/alarms is taken by none of these.
coverage: install
	CI=true $(BIN)/python -m pytest -n 4 --dist loadfile -m "not long" \
		tests/unit/alarms tests/unit/commands tests/unit/pipeline tests/property \
		--cov=gasmon.alarms --cov-branch --cov-report=term-missing:skip-covered \
		--cov-fail-under=100

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Beside mypy, which uses one core: otherwise each worker compiles all tests first.
bytecode: install
	$(BIN)/python -m pytest --collect-only -qq > /dev/null || true

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: install
	$(BIN)/python -m benchmarks.screenshots $(ARGS)

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist htmlcov .coverage
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

.PHONY: python
python:
	command -v $(PYTHON) > /dev/null || \
		{ echo 'gasmon: no $(PYTHON) on the path; Python 3.11 or newer is needed' \
		'(or: make demo PYTHON=/path/to/python)' >&2; exit 3; }
