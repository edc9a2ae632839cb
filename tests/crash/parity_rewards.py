"""Run an entry point with rewards that differ: a tiny random model earns none that do.

Usage: python parity_rewards.py ENTRY_POINT [ARGUMENTS OF THE ENTRY POINT]

SLOW_STATES, a variable of the environment: seconds that each file of a state takes, as on a slow disk, after
the next step, however long that takes here.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from othink_mr1.scoring.workers import Question  # noqa: E402  # after the path to it
from othink_mr1.training import rewards  # noqa: E402


def parity(questions: Sequence[Question]) -> list[float]:
    """1 for completions of odd length."""
    return [float(len(question.completion) % 2) for question in questions]


def run(arguments: Sequence[str]) -> None:
    """Run an entry point: its file's name, and its arguments."""
    rewards.accuracy_rewards = parity
    if "SLOW_STATES" in os.environ:
        _slow_down_states(float(os.environ["SLOW_STATES"]))
    script = SCRIPTS / arguments[0]
    sys.argv = [str(script), *arguments[1:]]
    runpy.run_path(str(script), run_name="__main__")


def _slow_down_states(seconds: float) -> None:
    # Imported here: the entry points import torch late, too.
    from othink_mr1.training import training_state

    save = training_state._save

    def slowly(folder: Path, *arguments: Any) -> None:
        run = folder.parent.with_name(folder.parent.name.removeprefix(".").removesuffix(".states"))
        step = int(folder.name.removeprefix(".step-").partition(".")[0])
        hung = time.monotonic() + 60
        while len((run / "metrics.csv").read_text().splitlines()) <= 1 + step and time.monotonic() < hung:
            time.sleep(0.01)
        time.sleep(seconds)
        save(folder, *arguments)

    training_state._save = slowly


if __name__ == "__main__":
    run(sys.argv[1:])
