# The commands of this checkout. Each makes .venv first if need be; nothing outside this folder is changed, except that
# asv describes the machine in ~/.asv-machine.json.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
STAMPS := build/make
FLOORS := build/floors/bin/python -m pip --disable-pip-version-check --quiet install --constraint build/floors/lowest.txt
CORES = $(shell $(BIN)/python -c 'from gradstep import threads; print(threads.usable_cores())')
# The files of tests in several processes side by side; tests/conftest.py says in how many.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile

# What the installation is made from. It links these files one by one, so it is made again when a file is added, removed
# or renamed; after an edit only where something has to be compiled.
MODULES := $(sort $(shell find src/gradstep kernels -name '*.py' -o -name '*.pyi' -o -name '*.json' -o -path '*/assets/*'))
COMPILED := setup.py pyproject.toml $(sort $(wildcard src/gradstep/*.pyx kernels/*.pyx kernels/*.pxd kernels/*.pxi kernels/vector/*.h))

.DELETE_ON_ERROR:
.PHONY: help compare report test test-minutes test-regressions test-floors torture check targets bench bench-check \
    bench-compare dashboard dashboard-serve picture docs clean always

help:
	@echo "make compare   compare the kernels on a real data set and on a grid of sizes"
	@echo "make report    the same, and write report.html: charts and tables in one file"
	@echo "make test      run the tests; make test ARGS='-k threads -n 0' runs some of them, in one process"
	@echo "make test-minutes  run the tests that build and install packages; takes some minutes"
	@echo "make test-floors   run the tests with the lowest versions that pyproject.toml allows; takes ten minutes"
	@echo "make torture   treat gradstep badly for a quarter of an hour; make torture PART=interrupts is one part"
	@echo "make check     format, lint, types, imports, spelling; changes nothing"
	@echo "make targets   measure what the speed of gradstep must be and should be"
	@echo "make picture   measure again; write the README's tables and draw its picture"
	@echo "make docs      build the site of docs/ and print the address of its first page"
	@echo "make bench     time a step of each kernel and of each peer that is installed, grouped by shape"
	@echo "make bench-check  check that asv can read the suite of benchmarks/"
	@echo "make dashboard  measure the current commit, or RANGE=a..b, and show it as pages; BENCH=startup measures less"
	@echo "make dashboard-serve   serve these pages on http://127.0.0.1:8080, or another PORT"
	@echo "make bench-compare BASE=main   measure two commits interleaved; fails if the current one is slower"
	@echo "make test-regressions  check that bench-compare flags a slowdown and no noise; takes half an hour"
	@echo "make clean     remove .venv and everything that was built"
	@echo "PYTHON=python3.12 before or after a target chooses the Python that .venv is made from."

compare: $(STAMPS)/compare
	@$(RUN) gradstep compare $(ARGS)

report: $(STAMPS)/report
	@$(RUN) gradstep compare --html report.html $(ARGS)
	@echo "Open file://$(CURDIR)/report.html"

test: $(STAMPS)/test
	@$(RUN) python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-minutes: $(STAMPS)/test
	@$(RUN) python -m pytest tests/minutes --ignore=tests/minutes/test_regressions.py $(ARGS)

test-regressions: $(STAMPS)/test
	@$(RUN) python -m pytest tests/minutes/test_regressions.py -s -v $(ARGS)

# In an environment of its own. Not editable, because the build uses the lowest Cython and setuptools as well. Old
# releases use what newer ones of their own dependencies have deprecated.
test-floors: $(VENV)/pyvenv.cfg
	@echo "Installing the lowest versions in build/floors ..."
	@$(BIN)/python -m venv --clear build/floors
	@$(BIN)/python tools/floors.py > build/floors/lowest.txt
	@$(FLOORS) setuptools Cython
	@$(FLOORS) --no-build-isolation '.[test]'
	@PATH="$(CURDIR)/build/floors/bin:$$PATH" python -m pytest -W ignore::DeprecationWarning $(SIDE_BY_SIDE) $(ARGS)

torture: $(STAMPS)/test
	@$(RUN) python -m tools.torture $(PART) $(ARGS)

check: $(STAMPS)/compare $(STAMPS)/dev
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy --strict -p gradstep
	@$(RUN) lint-imports
	@$(RUN) cython-lint kernels src
	@$(RUN) clang-format --dry-run -Werror kernels/vector/*.h
	@$(RUN) codespell
	@$(RUN) check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# The table of docs/performance.md, which `python -m tools.targets.page build/targets.json docs/performance.md` puts there.
# It takes ten minutes.
targets: $(STAMPS)/compare $(STAMPS)/peers
	@$(RUN) python -m tools.targets --json build/targets.json $(ARGS)

bench: $(STAMPS)/test
	@$(RUN) python -m pytest tests/test_performance.py -q --benchmark-enable --benchmark-group-by=group \
	    --benchmark-sort=min --benchmark-columns=median,iqr,min,rounds $(ARGS)

bench-check: $(STAMPS)/bench
	@$(RUN) asv check -E existing

# RANGE=a..b: the commits, instead of the current one. BENCH=regex: only these benchmarks. MACHINE=name: what asv calls
# this machine.
dashboard: $(STAMPS)/bench
	@$(RUN) python -m tools.dashboard $(if $(RANGE),--range '$(RANGE)') $(if $(BENCH),--bench '$(BENCH)') \
	    $(if $(MACHINE),--machine '$(MACHINE)')

dashboard-serve: $(STAMPS)/bench
	@$(RUN) python -m tools.dashboard.serve $(or $(PORT),8080)

bench-compare: $(STAMPS)/bench
	@$(if $(BASE),,echo "Name the commit to compare with: make bench-compare BASE=main" >&2; exit 2)
	@$(RUN) python -m tools.bench_compare '$(BASE)' $(if $(HEAD),--head '$(HEAD)') $(if $(BENCH),--bench '$(BENCH)') \
	    $(if $(FACTOR),--factor $(FACTOR)) $(if $(MICROSECONDS),--microseconds $(MICROSECONDS)) \
	    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(MACHINE),--machine '$(MACHINE)')

# The README's picture and tables, the record that they come from, and what make compare shows. It takes three minutes;
# within the limit of 20 s the Python loops are timed with X of 80 MB as well.
picture: $(STAMPS)/report $(STAMPS)/peers
	@$(RUN) gradstep compare > build/compare.txt
	@$(RUN) gradstep compare --preset scaling --peers all --threads 1,$(CORES) --limit 20 --json docs/comparison.json
	@$(RUN) python -m tools.update_readme docs/comparison.json build/compare.txt README.md docs/comparison.svg

# Every warning is an error. Nothing is fetched: the pages need no network, and neither does building them.
SITE := build/docs/html
docs: $(STAMPS)/docs
	@$(RUN) python -m sphinx --quiet --fail-on-warning --keep-going -b html -d build/docs/doctrees docs $(SITE)
	@echo "The site is built: file://$(CURDIR)/$(SITE)/index.html"

clean:
	rm -rf $(VENV) build dist src/*.egg-info .asv .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage coverage.xml
	find src kernels tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c '' || { echo "No Python called '$(PYTHON)' was found. Name one: make PYTHON=python3.12 ..."; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "gradstep needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name one: make PYTHON=python3.12 ..."; \
	    exit 1; } >&2
	@echo "Making $(VENV) with $$($(PYTHON) -V) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	    echo "The virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; } >&2

# Written anew only when the names have changed, so that an edit of a module does not make the installation stale.
$(STAMPS)/modules: always
	@mkdir -p $(STAMPS)
	@echo $(MODULES) | cmp -s - $@ || echo $(MODULES) > $@

$(STAMPS)/package: $(VENV)/pyvenv.cfg $(STAMPS)/modules $(COMPILED)
	@echo "Installing gradstep: downloads what it needs, compiles the Cython kernel ..."
	@$(PIP) --editable . --config-settings editable_mode=strict
	@touch $@

# gradstep is installed already, so these add only what the extra asks for.
$(STAMPS)/compare $(STAMPS)/test $(STAMPS)/dev $(STAMPS)/report $(STAMPS)/peers $(STAMPS)/bench $(STAMPS)/docs: \
    $(STAMPS)/package
	@echo "Installing what 'make $(firstword $(MAKECMDGOALS))' needs: extra $(@F) ..."
	@$(PIP) "gradstep[$(@F)]"
	@touch $@
