# make mini   the whole study in miniature on this machine's CPU; results in results/mini
# make run    the paper's study, on a machine with a GPU; OVERLAY="studies/seeds.yaml": with that overlay
#             SET="methods.grpo.learning_rate=2e-6 seeds=[1,2]", also of make mini: with these changes
# make tournament  compares eight KL schedules in miniature, with ten seeds: an estimated four hours on two
#             cores; stopped, it goes on where it was
# make verify reads all results of the paper's study and lists what is sound and what is damaged;
#             make verify OVERLAY=mini/study.yaml: those of the study in miniature
# make status shows the progress of each training, read from files, also while jobs run; OVERLAY as for verify
# make what-if shows what would run now, and what it costs (docs/cost.md);
#             SET="methods.grpo.learning_rate=2e-6 seeds=[1,2]": what would run after that change; OVERLAY as for
#             verify. Runs nothing
# make report  makes <results>/report.html of what is there, also while jobs run; OVERLAY as for verify
# make inspect-logs  writes every answer as a log for `inspect view`, into <results>/inspect; OVERLAY as for verify
# make prune  lists, with sizes, what neither the study nor the further ones in studies/ use; OVERLAY as for
#             verify. Deletes nothing
# make test   unit tests, dry runs and the smoke study: minutes
# make test-slow  the rest: crashes, the hub, a real Slurm, the results of make mini if they are there
# make test-all   both
# make test-crash  the crash tests with 50 kills each and a full disk at every write, over an hour
# make check  style and types
# make gpu-check  tests whether this machine's GPU does what the study needs, and how fast: minutes, no network;
#             ONLY="correctness attention": only these sections. docs/gpu.md
# make gpu-wheels downloads into tests/gpu/wheels what gpu-check needs on a machine without .venv
# make gpu-page   rewrites docs/gpu.md; ADD=results/gpu-check/gpu_check.json adds that file
# make bench  speed and memory compared with TRL, R1-V and transformers; results in results/bench
# make help  prints this list
# make clean-environment  deletes .venv
# make environment   creates only the environment, .venv
# Everything is installed into .venv on first use; nothing else on the machine is touched. What only reads
# (verify, status, what-if, prune, inspect-logs) installs nothing.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
.SHELLFLAGS := -eu -o pipefail -c
SHELL := bash
# A user who sets it would keep the programs from their own package, which is beside them.
unexport PYTHONSAFEPATH

.PHONY: help environment run mini tournament verify status what-if report inspect-logs prune test test-slow test-all \
	test-crash check bench gpu-check gpu-wheels gpu-page clean-environment

# Bars per rule on a terminal; elsewhere Snakemake's own lines, as that plugin prints nothing there. `eta`, in
# workflow_scripts, says every minute how long it still takes.
progress = --logger $(shell test -t 2 && echo rich) eta
installed = @test -e .venv/runtime-installed || { echo "$@: nothing is installed yet; run make environment" >&2; exit 2; }

changes = $(if $(SET),--config set='$(SET)')

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

environment: .venv/runtime-installed

run: .venv/runtime-installed
	.venv/bin/python workflow_scripts/check_config.py $(addprefix --overlay ,$(OVERLAY)) --set '$(SET)'
	PYTHONPATH=workflow_scripts .venv/bin/snakemake all $(progress) $(if $(OVERLAY),--configfile $(OVERLAY)) $(changes)

mini: .venv/runtime-installed
	.venv/bin/python workflow_scripts/check_config.py --overlay mini/study.yaml --set '$(SET)'
	PYTHONPATH=workflow_scripts .venv/bin/snakemake --profile mini all $(progress) $(changes)

TOURNAMENT := mini/study.yaml mini/kl_schedules.yaml
tournament: .venv/runtime-installed
	.venv/bin/python workflow_scripts/check_config.py --config config.yaml \
	  $(addprefix --overlay ,$(TOURNAMENT))
	PYTHONPATH=workflow_scripts .venv/bin/snakemake --profile mini --configfile $(TOURNAMENT) \
	  --quiet rules progress $(progress) -- $(addprefix results/mini/,kl_schedules_comparison.csv figures/kl_schedules.svg)

verify:
	$(installed)
	.venv/bin/python workflow_scripts/verify_results.py --config config.yaml $(addprefix --overlay ,$(OVERLAY))

status:
	$(installed)
	.venv/bin/python workflow_scripts/status.py --config config.yaml $(addprefix --overlay ,$(OVERLAY))

what-if:
	$(installed)
	.venv/bin/python workflow_scripts/what_if.py $(addprefix --overlay ,$(OVERLAY)) $(foreach change,$(SET),--set '$(change)')

report:
	$(installed)
	.venv/bin/python workflow_scripts/make_report.py --config config.yaml $(addprefix --overlay ,$(OVERLAY))

inspect-logs:
	$(installed)
	.venv/bin/python workflow_scripts/inspect_logs.py --config config.yaml $(addprefix --overlay ,$(OVERLAY))

prune:
	$(installed)
	.venv/bin/python workflow_scripts/prune.py --config config.yaml $(addprefix --overlay ,$(OVERLAY))

# One thread per test: two tests run at a time. The threads of a test that wants two must not spin while they wait
# for each other: on cores that another test uses, that took ten times the time.
test: .venv/development-installed
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE .venv/bin/pytest -n 2 tests/unit tests/gpu tests/workflow/test_dry_runs.py tests/workflow/test_reruns.py
	.venv/bin/pytest tests/workflow/test_smoke.py

# The preflight's limits in seconds are those of a machine that does nothing else. The other tests of Slurm mostly
# wait, so three files run at a time. They come first, as they are the longest; each worker has its own cluster.
test-slow: .venv/development-installed
	.venv/bin/pytest tests/slurm/test_preflight.py
	.venv/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 30 --ignore tests/slurm/test_preflight.py \
	  tests/slurm tests/crash tests/workflow/slow tests/miniature

test-all: test test-slow

test-crash: .venv/development-installed
	CRASH_TEST_FAULTS=50 .venv/bin/pytest -s tests/crash

check: .venv/development-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/mypy --num-workers auto
	.venv/bin/snakemake --lint

bench: .venv/development-installed
	PYTHONPATH=workflow_scripts .venv/bin/python -m benchmarks.speed

# Without .venv: python3 with the wheels, unpacked because one of them contains a compiled module.
gpu-check:
	@if [ -x .venv/bin/python ]; then python=.venv/bin/python; \
	elif ! compgen -G 'tests/gpu/wheels/*.whl' >/dev/null; then \
	  echo "gpu-check: no .venv and no tests/gpu/wheels/*.whl; make gpu-wheels fetches them" >&2; exit 2; \
	else \
	  for wheel in tests/gpu/wheels/*.whl; do \
	    python3 -m zipfile --extract "$$wheel" tests/gpu/wheels/unpacked; \
	  done; \
	  export PYTHONPATH="$$PWD/tests/gpu/wheels/unpacked" python=python3; \
	fi; \
	"$$python" tests/gpu/check.py $(addprefix --commit ,$(COMMIT)) $(if $(ONLY),--only $(ONLY))

gpu-wheels: .venv/bin/python
	rm -rf tests/gpu/wheels
	.venv/bin/python -m pip download --quiet --no-deps --only-binary :all: --implementation cp --python-version 3.12 \
	  --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --dest tests/gpu/wheels \
	  --requirement tests/gpu/wheels.txt
	du -sh tests/gpu/wheels

gpu-page:
	'$(PYTHON)' tests/gpu/document.py $(addprefix --add ,$(ADD))

.venv/bin/python:
	@'$(PYTHON)' -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "make: needs Python 3.11 with ensurepip (Debian: python3-venv); $(or $(PYTHON),none found) is not that;" \
	    "make $(or $(MAKECMDGOALS),environment) PYTHON=/path/to/python3.11" >&2; exit 2; }
	'$(PYTHON)' -m venv .venv

# First a recent pip: Debian's, of 2023, takes a third longer.
.venv/runtime-installed: requirements.txt constraints.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --constraint constraints.txt pip
	.venv/bin/python -m pip install --quiet --requirement requirements.txt --constraint constraints.txt
	touch $@

.venv/development-installed: requirements-dev.txt .venv/runtime-installed
	.venv/bin/python -m pip install --quiet --requirement requirements-dev.txt --constraint constraints.txt
	touch $@

clean-environment:
	rm -rf .venv
