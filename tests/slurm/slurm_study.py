"""A training run of the smoke study, on a cluster and on this machine, with what it is made from."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from othink_mr1.config.load import load_study
from othink_mr1.plan.runs import all_runs
from slurm_cluster import SlurmCluster
from snakemake_runs import REPOSITORY, copy_repository

SECONDS = 400
# Steps of SFT, whose weights change with each.
STEPS = 40
# What a step waits on the cluster, so that a fault comes while the run trains, and so that its job runs into
# a limit of a minute. Waiting leaves the processor to the tests beside.
STEP_SECONDS = 0.4
LONG_STEP_SECONDS = 5.0
# One GPU of the cluster, which does not compute: the trainings compute on the CPU.
EXECUTION = {"train": {"gpus": 1, "save_every_minutes": 0.005}}
IMPATIENT_SNAKEMAKE = (sys.executable, str(Path(__file__).with_name("impatient_snakemake.py")))
# Several processes find each other by the loopback.
THREADS = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


@functools.cache  # who waits for a run asks for its name five times a second
def run_name(steps: int) -> str:
    files = [REPOSITORY / "config.yaml", REPOSITORY / "tests" / "study.yaml"]
    overrides = {"methods": {"sft": {"steps": steps}}, "execution": EXECUTION}
    return next(run.name for run in all_runs(load_study(files, overrides)) if run.method == "sft")


def manifest_of(steps: int) -> str:
    return f"results/smoke/runs/{run_name(steps)}/manifest.json"


def arguments_for(steps: int, execution: dict[str, Any] = EXECUTION) -> list[str]:
    configs = [f"methods={json.dumps({'sft': {'steps': steps}})}", f"execution={json.dumps(execution)}"]
    return ["--configfile", "tests/study.yaml", "--cores", "2", manifest_of(steps), "--config", *configs]


class SlurmStudy:
    """A checkout whose results hold all that the runs are trained from."""

    def __init__(self, folder: Path, cluster: SlurmCluster, made: Path, warning_seconds: int) -> None:
        """made: a results root whose sets and backbone are copied. warning_seconds: before the time limit."""
        self.execution = EXECUTION
        self.checkout = copy_repository(folder)
        self.cluster = cluster
        self.results = self.checkout / "results" / "smoke"
        self._slow = self.checkout / "slow"  # steps wait while it is there
        # Without what is of another Snakemake, which may still be at work there.
        others = shutil.ignore_patterns("runs", "logs", "benchmarks", ".snakemake.*")
        shutil.copytree(made, self.results, ignore=others)
        profile = self.checkout / "slurm" / "config.yaml"
        text = profile.read_text()
        for old, new in (
            ("URG@300", f"URG@{warning_seconds}"),
            ("status-checks: 20", "status-checks: 2"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        profile.write_text(text)

    def slow_down(self, seconds: float) -> None:
        """Let every step of a training wait so long, as on a slower machine, until `hurry`."""
        file = self.checkout / "workflow_scripts/othink_mr1/training/supervised.py"
        text, step = file.read_text(), "            lessons = lessons_of(step)\n"
        assert text.count(step) == 1
        self._slow.touch()
        wait = f"__import__('os').path.exists({str(self._slow)!r}) and __import__('time').sleep({seconds})"
        file.write_text(text.replace(step, f"            {wait}\n{step}"))

    def hurry(self) -> None:
        """Let no step wait any more: what is to be seen was seen."""
        self._slow.unlink()

    def start(self, steps: int, *arguments: str) -> subprocess.Popen[str]:
        """Start the run of so many steps through Slurm."""
        return subprocess.Popen(
            self._command([*arguments_for(steps, self.execution), "--profile", "slurm", *arguments]),
            cwd=self.checkout,
            env={"HOME": os.environ.get("HOME", "/"), **self.cluster.environment, **THREADS},
            stdout=(self.checkout / "output").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def started(self, steps: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The same; whatever happens, nothing of it runs after the block."""
        process = self.start(steps, *arguments)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Wait until Snakemake has made what it was to make."""
        assert process.wait(SECONDS) == 0, self.output()

    def wait_until(self, process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
        """Wait for something that comes about while Snakemake runs."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.2)

    def is_training(self, steps: int) -> bool:
        """Whether a state of the run has been saved."""
        return any((self.results / "runs").glob(f".{run_name(steps)}.states/step-*/manifest.json"))

    def has_resumed(self, steps: int) -> bool:
        """Whether another attempt has gone on from a saved state: the one before has ended."""
        return "resumes after step" in self.log(steps)

    def job(self, steps: int) -> dict[str, str]:
        """The running Slurm job of a run."""
        (found,) = [job for job in self.jobs(steps) if job["state"] == "RUNNING"]
        return found

    def jobs(self, steps: int) -> list[dict[str, str]]:
        """All Slurm jobs of a run's that there have been, finished ones too, of this study alone."""
        mine = self.output()
        jobs = [job for job in self.cluster.jobs("all") if run_name(steps) in job["comment"]]
        return [job for job in jobs if f"SLURM jobid {job['id']} " in mine]

    def log(self, steps: int) -> str:
        """The training's log; a second job's Snakemake deletes the first one's before it starts its own."""
        try:
            file = self.results / "logs" / "train_sft" / f"{run_name(steps)}.log"
            return file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def attempts(self, steps: int) -> list[dict[str, Any]]:
        """How often the run was started, by its manifest."""
        manifest = json.loads((self.checkout / manifest_of(steps)).read_text())
        attempts: list[dict[str, Any]] = manifest["attempts"]
        return attempts

    def run(self, steps: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run snakemake to its end, with these further arguments."""
        return subprocess.run(
            self._command([*arguments_for(steps, self.execution), "--profile", "slurm", *arguments]),
            cwd=self.checkout,
            env={"HOME": os.environ.get("HOME", "/"), **self.cluster.environment, **THREADS},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def output(self) -> str:
        """What all Snakemakes printed."""
        return (self.checkout / "output").read_text()

    @staticmethod
    def _command(arguments: Sequence[str]) -> list[str]:
        return [*IMPATIENT_SNAKEMAKE, *arguments]
