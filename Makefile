# b12qa: ask an article, get its own words.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INDEX ?= index
CORPUS ?= corpus
# What a build leaves in INDEX. A generation is a folder of 16 hexadecimal digits.
HEX4 := [0-9a-f][0-9a-f][0-9a-f][0-9a-f]
BUILT := $(HEX4)$(HEX4)$(HEX4)$(HEX4) encoders CURRENT PREVIOUS ROLLED-BACK .lock .lock-owner .parts-* .building-*
# Modules are compiled when they are first imported, and once: pip would compile ten times as many.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help chat build test lint types measure scale bench clean

help: ## List these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

chat: $(VENV)/.chat ## Install, build the index when missing or stale, open the chat
	$(BIN)/b12qa chat --build --open --index "$(INDEX)" --corpus "$(CORPUS)"

build: $(VENV)/.chat ## Build the index
	$(BIN)/b12qa build --index "$(INDEX)" --corpus "$(CORPUS)"

test: lint ## Run everything that decides whether a change is good
	$(MAKE) --no-print-directory --jobs 2 types build
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 40

lint: $(VENV)/.test ## Style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test ## Types, strictly
	$(BIN)/mypy

measure: $(VENV)/.test ## Measure the numbers of the README on this machine
	$(BIN)/python benchmarks/measure.py

scale: $(VENV)/.test ## Measure questions and builds as the corpus grows
	$(BIN)/python benchmarks/scale.py

bench: $(VENV)/.test ## Run b12qa beside its peers; make bench BENCH=--quick takes 5 minutes
	$(BIN)/python benchmarks/bench.py $(BENCH)

clean: ## Remove what the other targets made
	$(if $(strip $(INDEX)),,$(error INDEX is empty. Name the folder of the index: make clean INDEX=index))
	rm -rf $(foreach name,$(BUILT),"$(INDEX)"/$(name))
	rm -rf $(VENV) benchmarks/.peers .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "b12qa needs Python 3.11 or later; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.chat: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[test]'
	touch $@ $(VENV)/.chat
