# The hub from a bare checkout: Python >= 3.11 and make are enough.
#
#   make demo    the whole hub with simulated homes, until Ctrl-C
#   make test    the whole test suite        (ARGS="-k fall" goes to pytest)
#   make check   ruff, mypy, import contracts
#   make smoke   a scripted run that ends by itself: one JSON object
#   make bench   the figures, as JSON and as a table
#   make soak    the long form of the fault tests
#   make setup   only installs; everything else does that first
#   make clean   removes what make made

.DEFAULT_GOAL := setup
.PHONY: setup check test demo smoke bench soak clean broker browser

# Only the pinned uv and the machine's own Python: nothing else is fetched behind one's back.
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONHOME PYTHONPATH

BIN := .venv/bin
READY := .venv/.ready

setup: $(READY)

# What installing says goes to stderr: the output of smoke and bench is JSON and nothing else.
$(READY): uv.lock pyproject.toml bootstrap/uv.py bootstrap/python
	@python=$$(bootstrap/python) && \
	"$$python" bootstrap/uv.py && \
	.tools/bin/uv sync --locked --quiet --python "$$python" >&2 && \
	touch $@

broker: $(READY)
	@$(BIN)/python bootstrap/mosquitto.py

browser:
	@bootstrap/chromium

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY) broker browser
	$(BIN)/python -m pytest $(ARGS)

demo: $(READY) broker
	@exec $(BIN)/telecare up --demo $(ARGS)

smoke: $(READY) broker
	@exec $(BIN)/python -m tests.smoke $(ARGS)

bench: $(READY) broker
	@exec $(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(READY) broker
	TELECARE_SOAK=1 $(BIN)/python -m pytest -m "soak or service" $(ARGS)

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
