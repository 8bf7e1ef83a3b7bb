# Everything a developer or CI runs. `make` alone explains.
#
# PYTHON  the interpreter the virtualenv is made from (3.11 or later)
# JOBS    test processes
# ARGS    more arguments for pytest, or for `akashi lab up`
PYTHON ?= python3
JOBS   ?= 2
ARGS   ?=

VENV := .venv
BIN  := $(VENV)/bin
# Newer than pyproject.toml and constraints.txt when the virtualenv holds what they ask for.
READY := $(VENV)/.ready

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv lab test test-accelerated accelerate check format bench fuzz endurance resilience ede-table install uninstall clean

help:
	@echo 'make lab      a mini-Internet and a resolver in the foreground; needs no root; Ctrl-C stops all'
	@echo 'make test     all tests (as root also installs the Debian packages they talk to; without them tests skip)'
	@echo 'make accelerate  the wheel with a compiled core, for which a C compiler is needed (docs/PERFORMANCE.md)'
	@echo 'make test-accelerated  all tests with that core; make test runs those of the core with both'
	@echo 'make check    format, lint, types, import contracts, generated files fresh'
	@echo 'make format   apply ruff format and the fixes of ruff check'
	@echo 'make bench    figures beside the installed peers, in minutes; ARGS=--full takes hours (docs/PERFORMANCE.md)'
	@echo 'make resilience  every hostile authority against Akashi, Unbound and BIND, into docs/RESILIENCE.md; half an hour'
	@echo 'make endurance  a minute of load while workers are killed, the configuration is reloaded, NTAs come and go'
	@echo 'make install  as root: into /opt/akashi, with systemd unit (PREFIX=, DESTDIR=, WHEELS=; docs/OPERATIONS.md)'
	@echo 'make ede-table  what Akashi and the installed peers say of every published fault, into docs/EDE.md'
	@echo 'make fuzz     random octets at every door; ARGS="--inputs 10000000" for a long run'
	@echo 'make venv     only the virtualenv in $(VENV)'
	@echo 'make clean    stop the lab, remove $(VENV), .lab and every cache'
	@echo
	@echo 'PYTHON=python3.12 make …   another interpreter    make test ARGS="-k nsec3"   a choice of tests'

venv: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Akashi needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	    echo "Name another one: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make a virtualenv. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing into $(VENV) …'
	@# The build backend is pinned like everything else, hence installed first and no build isolation.
	@$(BIN)/python -m pip install -q -c constraints.txt pip setuptools
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[test,check]'
	@touch $@

lab: $(READY)
	@exec $(BIN)/akashi lab up --serve $(ARGS)

# The same tests with the core compiled. Of a choice of tests (ARGS) only the plain ones run.
CORE_TESTS := tests/test_accelerator.py tests/wire tests/trust tests/rfc tests/scenarios $(wildcard tests/resolver/test_*.py) \
    $(addprefix tests/resolver/,cache iteration policy protect resolve server) tests/e2e/test_daemon_lab.py
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
ACCELERATE := $(BIN)/python tools/accelerate.py

test: $(READY)
	@tools/install-debian-packages.sh
	@$(if $(ARGS),true,echo 'the compiled core:' && AKASHI_OPTIMISE=1 $(ACCELERATE) --optional -- $(PYTEST) -q -o 'pythonpath=build/accelerated .' $(CORE_TESTS))
	@$(PYTEST) $(ARGS)

test-accelerated: $(READY)
	@tools/install-debian-packages.sh
	@$(ACCELERATE) -- $(PYTEST) -o 'pythonpath=build/accelerated .' $(ARGS)

accelerate: $(READY)
	@$(ACCELERATE)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m resolver.config.generate --check
	$(BIN)/python -m resolver.daemon.metrics.document --check

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	@tools/install-debian-packages.sh later
	@$(ACCELERATE) --optional
	@$(BIN)/python -m bench run $(ARGS)

endurance: $(READY)
	@tools/install-debian-packages.sh
	@$(BIN)/python -m bench.endurance $(ARGS)

resilience: $(READY)
	@tools/install-debian-packages.sh
	@$(BIN)/python -m bench.resilience $(ARGS)
	@$(BIN)/python -m bench.resilience.hostile_clients

install uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' PYTHON='$(PYTHON)' WHEELS='$(WHEELS)' tools/install.sh $@

fuzz: $(READY)
	@$(BIN)/python -m tests.fuzz --jobs $(JOBS) $(ARGS)

ede-table: $(READY)
	@tools/install-debian-packages.sh later
	@$(BIN)/python -m bench.ede_table $(ARGS)

clean:
	@if [ -d .lab ] && [ -x $(BIN)/akashi ]; then $(BIN)/akashi lab down || true; fi
	rm -rf $(VENV) .lab build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
