# make mini   the whole study in miniature on this machine's CPU; results in results/mini
# make test   all tests
# make check  style and types
# make bench  speed and memory beside TRL, R1-V and transformers; results in results/bench
# make environment   only the environment, .venv
# Everything is installed into .venv on first use; nothing else on the machine is touched.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
.SHELLFLAGS := -eu -o pipefail -c
SHELL := bash

.PHONY: environment mini test check bench clean-environment

environment: .venv/runtime-installed

mini: .venv/runtime-installed
	.venv/bin/python workflow_scripts/check_config.py --config config.yaml --overlay mini/study.yaml
	.venv/bin/snakemake --profile mini all

test: .venv/development-installed
	.venv/bin/pytest

check: .venv/development-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/mypy
	.venv/bin/snakemake --lint

bench: .venv/development-installed
	PYTHONPATH=workflow_scripts .venv/bin/python -m benchmarks.speed

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime-installed: requirements.txt constraints.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --requirement requirements.txt --constraint constraints.txt
	touch $@

.venv/development-installed: requirements-dev.txt .venv/runtime-installed
	.venv/bin/python -m pip install --quiet --requirement requirements-dev.txt --constraint constraints.txt
	touch $@

clean-environment:
	rm -rf .venv
