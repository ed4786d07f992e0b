# make demo [IMAGES=~/photos]   set everything up and run the main job on real images
# make test                     the whole test suite and the docs build
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
IMAGES ?=
DEMO := demo/$(if $(IMAGES),$(notdir $(patsubst %/,%,$(IMAGES))),tux-stamps).vd
PROOFS := $(patsubst proofs/%.py,%,$(wildcard proofs/*.py))

UI := src/veduta/app/ui
PAGES := src/veduta/app/static/index.html

.PHONY: demo test lint docs ui bench prove clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Veduta needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed ui
	@source='$(IMAGES)'; if [ -z "$$source" ]; then source=$$($(BIN)/veduta samples get tux-stamps) || exit 1; fi; \
	mkdir -p demo && $(BIN)/veduta curate "$$source" -o "$(DEMO)" && \
	echo && echo "(the veduta command is in $(BIN); to have it at hand: . $(BIN)/activate)"

test: $(VENV)/.dev docs ui
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered --cov-fail-under=85

lint: $(VENV)/.dev
	$(BIN)/ruff format --check src tests proofs benchmarks
	$(BIN)/ruff check src tests proofs benchmarks
	$(BIN)/pyright
	$(BIN)/lint-imports
	@if [ -d $(UI)/node_modules ]; then cd $(UI) && npm run --silent check; fi

# The pages of `veduta view`; a wheel brings them built. Everything else works without them.
ui:
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory $(PAGES); \
	else echo "the web app is not built: that takes node 20 or newer and npm; everything else works without it"; fi

$(UI)/node_modules/.package-lock.json: $(UI)/package.json $(UI)/package-lock.json
	cd $(UI) && npm ci --silent

$(PAGES): $(UI)/node_modules/.package-lock.json $(shell find $(UI)/src -type f 2> /dev/null) $(UI)/index.html $(UI)/vite.config.ts
	cd $(UI) && npm run --silent build -- --logLevel warn

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --quiet --strict

.venv-peers/.installed:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet cleanvision imagededup torchvision webdataset datasets
	@touch $@

bench: $(VENV)/.dev .venv-peers/.installed
	$(BIN)/python -m benchmarks

prove: $(VENV)/.dev
	@for slug in $(PROOFS); do $(BIN)/veduta prove $$slug || failed="$$failed $$slug"; done; \
	if [ -n "$$failed" ]; then echo "claims that do not hold:$$failed"; exit 1; fi

clean:
	rm -rf demo site build dist .coverage* .pytest_cache .ruff_cache .hypothesis
