# make demo    real calls on a private Asterisk, then what was recorded, proven and counted
# make up      the same set-up stays up for calls of your own
# make test    everything: lint, types, architecture, unit, integration and end-to-end tests
# make bench   timings, printed as figures and ratios
# make lock    resolve the dependencies anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo up test lint unit bench lock clean

demo: $(READY)
	$(BIN)/python -m lab.demo

up: $(READY)
	$(BIN)/python -m lab.up

test: lint unit
	REQUIRE_ASTERISK=1 $(BIN)/python -m pytest tests/integration tests/e2e

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/make_consent.py --check

unit: $(READY)
	$(BIN)/python -m pytest --numprocesses 4 tests/unit

bench: $(READY)
	$(BIN)/python -m bench.latency

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) lab/python_version.py
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

# The machine's own index and download folders must not get into the lock files.
COMPILE := env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-header

lock:
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .cache .run .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
