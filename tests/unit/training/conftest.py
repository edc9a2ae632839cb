"""What trainings are tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trainings import INTERRUPTED_SETTINGS, SETTINGS, NewRun, Run, Train

from othink_mr1.data.examples import write_examples
from tiny import EXAMPLES, Tiny


@pytest.fixture
def examples_file(tmp_path: Path) -> Path:
    write_examples(EXAMPLES, tmp_path / "examples.parquet")
    return tmp_path / "examples.parquet"


@pytest.fixture
def rewards_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny random model earns no real reward, and equal rewards move nothing."""
    monkeypatch.setattr(
        "othink_mr1.training.rewards.accuracy_rewards",
        lambda questions: [float(len(question.completion) % 2) for question in questions],
    )


@pytest.fixture
def train(tiny: Tiny, examples_file: Path, tmp_path: Path) -> Train:
    """Trains in a folder of that name, and returns it; changes are those of the execution."""

    def train(trainer: str, settings: Any = None, name: str = "run", **changes: Any) -> Path:
        run = Run(settings or SETTINGS[trainer](), tiny.folder, examples_file, tmp_path / name)
        return run.start(**changes)

    return train


@pytest.fixture
def new_run(tiny: Tiny, examples_file: Path, tmp_path: Path) -> NewRun:
    """A run in a folder of that name, which has checkpoints and states and is started by the test."""

    def new_run(trainer: str, name: str = "run") -> Run:
        return Run(INTERRUPTED_SETTINGS[trainer], tiny.folder, examples_file, tmp_path / name)

    return new_run
