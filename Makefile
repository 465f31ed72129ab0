SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help book test chapters times lab colab bench serve pdf weigh clean

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PORT ?= 8000
ENVIRONMENTS ?= book
# Two test processes, one thread each: two torch kernels must not fight over the same cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -rfEs --durations=8 --durations-min=1

help: ## list these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(INSTALLED): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "Python 3.11 or newer is needed; found $$("$(PYTHON)" --version 2>&1)." \
	     "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

book: $(INSTALLED) ## build the site from a clean _build, warnings as errors, and check its links
	@rm -rf _build
	@$(BIN)/jupyter-book build . -W -n --keep-going -q
	@$(BIN)/python tools/site/linkcheck.py _build/html
	@echo "The book: _build/html/index.html   (to read it with its search: make serve)"

test: $(INSTALLED) ## style, unit tests, site tests, then every chapter executed and compared
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(PYTEST)
	$(PYTEST) --nbval -o addopts= book

chapters: $(INSTALLED) ## execute the chapters that changed and store their outputs
	@$(BIN)/python tools/chapters.py run

times: $(INSTALLED) ## measure every chapter's run time and compare with the one it states
	@$(BIN)/python tools/chapters.py time

lab: $(INSTALLED) ## open JupyterLab on the book (the first time, install it)
	@test -x $(BIN)/jupyter-lab || $(BIN)/python -m pip install -q -c constraints.txt -e '.[lab]'
	@$(BIN)/jupyter-lab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/book

colab: $(INSTALLED) ## run every chapter as Colab would (ENVIRONMENTS="book newest oldest")
	@$(BIN)/python tools/colab.py $(ENVIRONMENTS)

bench: $(INSTALLED) ## time the package on this machine
	@$(BIN)/python tools/bench

serve: $(INSTALLED) ## serve the built site on http://localhost:8000 (PORT=... for another)
	@test -d _build/html || $(MAKE) book
	@$(BIN)/python tools/site/browsing.py $(PORT)

pdf: $(INSTALLED) ## print the built site as one book, _build/book.pdf (needs Chromium)
	@test -d _build/html || $(MAKE) book
	@$(BIN)/python tools/site/book_pdf.py

weigh: $(INSTALLED) ## bytes, requests and times of the site's pages, and the time of a build
	@test -d _build/html || $(MAKE) book
	@$(BIN)/python tools/site/weigh.py

clean: ## remove what was built; .venv and .text stay
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
