# The commands of Winnow. Each one sets up what it needs on a machine with Python 3.11 or 3.12 and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help env up test lint pytest check-deploy soak simulate chromium clean

SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for name in python3.11 python3.12 python3; do \
	$$name -c '$(SUITABLE)' >/dev/null 2>&1 && echo $$name && break; done)
RUN := .venv/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet
# Values that only checks need: nothing is served with them.
CHECK_ENV := SECRET_KEY=$${SECRET_KEY:-checks-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLM} \
	DATABASE_URL=$${DATABASE_URL:-postgresql:///checks-only} DATABASE_POOL=false

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1\t\2/p' Makefile | expand -t 14

env: .venv/.dev  ## Make .venv with everything that running, testing and checking needs

up: .venv/.run  ## Set up and serve Winnow: make up HOST=0.0.0.0 PORT=8000
	@$(RUN) manage.py up

test: .venv/.dev lint chromium pytest  ## Lint and every test; ARGS="tests/common -k lease" for some

lint: .venv/.dev  ## ruff, mypy (strict on apps and config), import contracts, pending migrations
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	@$(CHECK_ENV) $(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

pytest: .venv/.dev
	$(RUN) -m pytest -n 2 $(ARGS)

soak: .venv/.dev chromium  ## The long tests: many trials of every race, large sets
	$(RUN) -m pytest -m soak $(ARGS)

check-deploy: .venv/.run  ## Django's deployment checks, as behind https
	@SITE_URL=$${SITE_URL:-https://winnow.example.org} $(CHECK_ENV) \
		$(RUN) manage.py check --deploy --fail-level WARNING

simulate: .venv/.run  ## The whole loop with an oracle for a labeler: make simulate ARGS="--help"
	@$(RUN) manage.py simulate $(ARGS)

chromium:
	@for name in $$CHROMIUM chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "Installing Chromium for the browser tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
		echo "The browser tests need Chromium: apt-get install chromium as root, or CHROMIUM=/path/to/chrome make test"; exit 1; \
	fi

clean:  ## Remove .venv and caches; var/ (your data) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis winnow.egg-info

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Winnow needs Python 3.11 or 3.12 with venv: install it, or PYTHON=/path/to/python make"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing what Winnow needs to run"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt sdk/pyproject.toml | .venv/bin/python
	@echo "Installing what Winnow needs to run and to be tested"
	@$(PIP) install -c constraints.txt -e ".[dev]" -e sdk
	@touch $@ .venv/.run
