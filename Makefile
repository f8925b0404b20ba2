# Everything runs from .venv, which tools/venv.sh makes and keeps up to date.
# Another Python: make PYTHON=python3.12 …

BIN := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test lab-vm lint docs bench fuzz wheel pyz clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1  /p' Makefile | awk '{ name = $$1; $$1 = ""; printf "make %-6s%s\n", name, $$0 }'

demo:  ## install, then diagnose an example
	@tools/venv.sh
	@tools/demo.sh

test:  ## the tests; as root also those that break and mend real networks
	@tools/venv.sh test
	$(BIN)/python -m pytest -n 5 --dist loadgroup -m "not vm" --cov --cov-report=term:skip-covered --timeout=300 $(PYTEST_ARGS)

lab-vm:  ## what only Debian's kernel can show, in an emulated machine; as root
	@tools/venv.sh test
	$(BIN)/python -m pytest tests/lab -m vm $(PYTEST_ARGS)

lint:  ## ruff, mypy, the import contracts, the rulebase
	@tools/venv.sh test dev
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/diagnose rules lint

docs:  ## docs/failure-modes, from the rules, their playbooks and their proofs
	@tools/venv.sh
	$(BIN)/diagnose rules docs -o docs/failure-modes --proofs .

bench:  ## time the program against its limits
	@tools/venv.sh
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

fuzz:  ## compare the walk with this kernel on thousands of random packets; needs root
	@tools/venv.sh test
	$(BIN)/python -m tests.fuzz --probes 5000 $(FUZZ_ARGS)

wheel:  ## dist/noroute-*.whl
	@tools/venv.sh
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .

pyz:  ## dist/diagnose.pyz: one file for nodes with Python but without pip and compiler
	@tools/venv.sh
	$(BIN)/python tools/pyz.py dist/diagnose.pyz

clean:  ## remove what the other targets made
	rm -rf .venv build dist *.egg-info .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
