"""A study that runs in a second after its imports: what the crash tests kill, through its entry points."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import file_faults
import warm_python
from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.config.execution import GenerationExecution
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.plan.identity import canonical
from othink_mr1.plan.runs import RunDescription
from tiny import QUESTIONS, TEMPLATE, build_backbone, execution, grpo_settings, picture, sft_settings

HERE = Path(__file__).parent
STEPS = 3
ITEMS = 12
SECONDS = 120.0
SLOW_SECONDS = 0.3  # for each of the five files of a state, if the disk is slow

_EXAMPLES = [
    Example(str(n), picture(n % 5), QUESTIONS[n % 2], str(n % 5), "Row by row: 2 1. Together 3.")
    for n in range(ITEMS)
]
_LENGTH = {"steps": STEPS, "checkpoint_steps": [2]}
_SETTINGS = {
    "sft": sft_settings(**_LENGTH),
    # Two updates on each rollout, so that states are saved in the middle of one, too.
    "grpo": grpo_settings(**_LENGTH | {"steps": STEPS + 1}, updates_per_rollout=2, learning_rate=0.01),
}


@dataclass(frozen=True)
class Job:
    """One job of the study: an entry point with its arguments, and the folders that it fills."""

    arguments: list[str]
    folders: list[str]  # below the results root
    steps: int | None  # of a training

    @property
    def program(self) -> list[str]:
        """The Python program with its arguments."""
        return [str(HERE / "parity_rewards.py"), *self.arguments]


class SmallStudy:
    """Backbone and examples, and the jobs that work with them in any results root."""

    def __init__(self, root: Path) -> None:
        """root: a folder for what all attempts read."""
        from othink_mr1.modeling.backbone import save_checkpoint

        self.root = root
        save_checkpoint(*build_backbone(), root / "backbone")
        write_manifest(root / "backbone")
        write_examples(_EXAMPLES, root / "set" / "examples.parquet")
        write_manifest(root / "set")

    def training(self, trainer: str, results: Path) -> Job:
        """A training by sft or grpo, which saves its state after every step."""
        settings = _SETTINGS[trainer]
        run = RunDescription(
            name=f"counting-{trainer}-s7-0123456789",
            digest="0123456789",
            backbone="tiny",
            task="counting",
            method=trainer,
            seed=7,
            training_prompt=TEMPLATE,
            scorer="counting",
            settings=settings,
        )
        arguments = [
            f"train_{trainer}.py",
            "--run",
            canonical(run.model_dump(mode="json")),
            "--execution",
            canonical(execution(save_every_minutes=0).model_dump(mode="json")),
            "--examples",
            str(self.root / "set" / "examples.parquet"),
            "--backbone",
            str(self.root / "backbone"),
            "--output",
            str(results / "runs" / run.name),
        ]
        return Job(arguments, [f"runs/{run.name}"], settings.steps)

    def generation(self, results: Path) -> Job:
        """Answers of the backbone to a task."""
        how = GenerationExecution.model_validate(
            {
                "cpus": 1,
                "memory_gb": 1,
                "hours": 1,
                "device": "cpu",
                "gpus": 0,
            }
        )
        arguments = [
            "generate_answers.py",
            "--checkpoint",
            str(self.root / "backbone"),
            "--run-name",
            "base",
            "--execution",
            canonical(how.model_dump(mode="json")),
            "--precision",
            "fp32",
            "--examples",
            str(self.root / "set" / "examples.parquet"),
        ]
        folder = "answers/base/geometry-0123456789"
        task = {"name": "geometry", "prompt": TEMPLATE, "max_new_tokens": 9}
        arguments += ["--task", canonical(task), "--output", str(results / folder)]
        return Job(arguments, [folder], None)

    def job(self, kind: str, results: Path) -> Job:
        """kind: sft, grpo or answers."""
        return self.generation(results) if kind == "answers" else self.training(kind, results)


def start(job: Job, results: Path, **faults: object) -> file_faults.Outcome:
    """Run a job to its end, with a fault or without."""
    results.mkdir(parents=True, exist_ok=True)
    return file_faults.run(
        job.program,
        results,
        timeout=SECONDS,
        env=environment(),
        forked=True,
        **faults,  # type: ignore[arg-type]
    )


def start_and_kill(job: Job, results: Path, after_seconds: float) -> int:
    """Run a job and kill it by SIGKILL after some time; returns its code, which is 0 if it ended before."""
    with _started(job, results) as process:
        try:
            process.communicate(timeout=after_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode


def start_and_kill_beside_a_write(job: Job, results: Path, step: int, after_seconds: float) -> int:
    """Kill a training while it writes the state of a step, on a slow disk, and has finished the next step.

    after_seconds: from then on. Returns its code.
    """
    run = results / job.folders[0]
    with _started(job, results, SLOW_STATES=str(SLOW_SECONDS)) as process:
        while process.poll() is None and not (being_written(run, step) and _finished_steps(run) > step):
            time.sleep(0.002)
        time.sleep(after_seconds)
        process.kill()
    return process.returncode


@contextmanager
def _started(job: Job, results: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A job in a fork; at the end waits until its processes have ended, too, if it was killed."""
    results.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        warm_python.command(*job.program),
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        yield process
        process.communicate()


def being_written(run: Path, step: int) -> bool:
    """Whether the state of that step is unfinished."""
    return any(run.with_name(f".{run.name}.states").glob(f".step-{step}.*.partial"))


def _finished_steps(run: Path) -> int:
    metrics = run / "metrics.csv"
    return len(metrics.read_text().splitlines()) - 1 if metrics.exists() else 0


def start_forked(job: Job, results: Path) -> int:
    """Run a job without a fault, in a fork of a process that has imported torch; returns its code."""
    results.mkdir(parents=True, exist_ok=True)
    with open(results / "stderr", "a") as log:
        return subprocess.run(
            warm_python.command(*job.program), env=environment(), stderr=log, timeout=SECONDS
        ).returncode


def environment() -> dict[str, str]:
    """One thread, as the jobs' execution says; two jobs at a time are tested side by side."""
    return os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def remove(results: Path) -> None:
    """Forget an attempt's results: there are hundreds of them."""
    shutil.rmtree(results)
