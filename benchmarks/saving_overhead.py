"""What saving states and verifying artefacts costs the miniature's trainings.

    make mini
    PYTHONPATH=workflow_scripts .venv/bin/python benchmarks/saving_overhead.py

One run of each task and method is trained again into a temporary folder, with its own settings and execution:
as it is, and without saved states, verification, digests and syncs. How long the training waits for them is
measured inside the first (without what is written in the background); the two totals, interleaved, stand
beside it. No other program should run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from othink_mr1.artefacts import artefact as artefacts
from othink_mr1.artefacts import atomic_files
from othink_mr1.config.load import load_study
from othink_mr1.data import examples as prepared_sets
from othink_mr1.modeling import backbone
from othink_mr1.plan.folders import backbone_folder, examples_file
from othink_mr1.plan.runs import RunDescription
from othink_mr1.training import runs, session
from othink_mr1.training.background_saving import BackgroundWriter
from othink_mr1.training.grpo_runs import train_grpo_run
from othink_mr1.training.saved_states import SavedStates
from othink_mr1.training.sft_runs import train_sft_run

# Where, by which name, and what stands for it when it is left out.
COSTS: list[tuple[Any, str, Any]] = [
    (session.TrainingSession, "_save_state", None),
    (BackgroundWriter, "wait", None),
    (SavedStates, "newest", None),
    (session, "sha256_of", "0" * 64),
    (runs, "verify_weights", "0" * 64),
    (runs, "verify_file", "0" * 64),
    (backbone, "verify_weights", "0" * 64),
    (prepared_sets, "verify_file", "0" * 64),
    (artefacts, "entry_of", {}),
    (artefacts, "sync", None),
    (atomic_files, "sync", None),
]


class Clock:
    """Seconds of the main thread within functions; those that one of them calls count once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **named)
            started = time.perf_counter()
            self._depth += 1
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - started

        return timed


@contextmanager
def replaced(by: Callable[[Callable[..., Any], Any], Callable[..., Any]]) -> Iterator[None]:
    """All functions that cost something, replaced."""
    with ExitStack() as stack:
        for where, name, stand_in in COSTS:
            stack.enter_context(patch.object(where, name, by(getattr(where, name), stand_in)))
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    config = load_study([Path("config.yaml"), Path("mini/study.yaml")])
    results = Path(config.results)
    base = results / backbone_folder(config, config.backbone)
    chosen: dict[str, Path] = {}
    for path in sorted(results.glob("runs/*/manifest.json")):
        run = json.loads(path.read_text())["run"]
        chosen.setdefault(f"{run['task']} {run['method']}", path)
    print("run                  steps  whole, s  saving and verifying, s  share  without, s  ratio")
    for name, path in chosen.items():
        run = RunDescription.model_validate(json.loads(path.read_text())["run"])
        examples = results / examples_file(config, config.tasks[run.task].train)
        train = train_sft_run if run.settings.trainer == "sft" else train_grpo_run
        wholes, insides, withouts = [], [], []
        for number in range(2 * arguments.rounds):
            with tempfile.TemporaryDirectory(dir=results) as folder:
                clock = Clock()
                by = (
                    (lambda function, _, clock=clock: clock.around(function))
                    if number % 2 == 0
                    else (lambda _, stand_in: lambda *a, **b: stand_in)
                )
                with replaced(by):
                    started = time.perf_counter()
                    train(run, config.execution.train, examples, base, Path(folder) / "run")
                    taken = time.perf_counter() - started
                if number % 2 == 0:
                    wholes.append(taken)
                    insides.append(clock.seconds)
                else:
                    withouts.append(taken)
        whole, inside, without = map(statistics.median, (wholes, insides, withouts))
        print(
            f"{name:<20} {run.settings.steps:>5} {whole:>9.2f} {inside:>24.3f} {inside / whole:>6.2%}"
            f" {without:>11.2f} {whole / without:>6.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
