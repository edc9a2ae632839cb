"""What trainings are tested on."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trainings import (
    BATCHES,
    INTERRUPTED_SETTINGS,
    SETTINGS,
    TRAINERS,
    NewRun,
    Run,
    StoppedRun,
    Train,
    interrupted,
    let_rewards_differ,
)

from othink_mr1.data.examples import write_examples
from tiny import EXAMPLES, Tiny


@pytest.fixture(autouse=True)
def hangups_are_heard() -> Iterator[None]:
    """As in a terminal, also when the tests are started by nohup, which ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def examples_file(tmp_path: Path) -> Path:
    write_examples(EXAMPLES, tmp_path / "examples.parquet")
    return tmp_path / "examples.parquet"


@pytest.fixture
def rewards_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    let_rewards_differ(monkeypatch)


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


@pytest.fixture(scope="session")
def undisturbed(_built: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By trainer: what a run of `new_run` becomes if nothing happens to it. Only to be read."""
    with pytest.MonkeyPatch.context() as patch:
        let_rewards_differ(patch)
        return {trainer: _shared_run(trainer, _built, tmp_path_factory).start() for trainer in TRAINERS}


@pytest.fixture(scope="session")
def stopped_run(_built: Tiny, tmp_path_factory: pytest.TempPathFactory) -> StoppedRun:
    """Gives what a run of `new_run` leaves if SIGTERM comes in that step. To be copied."""

    @functools.cache
    def stopped_run(trainer: str, at_step: int) -> Run:
        run = _shared_run(trainer, _built, tmp_path_factory)
        with pytest.MonkeyPatch.context() as patch:
            let_rewards_differ(patch)
            interrupted(patch, BATCHES[trainer], at_step, run.start)
        return run

    return stopped_run


def _shared_run(trainer: str, built: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(trainer)
    write_examples(EXAMPLES, folder / "examples.parquet")
    return Run(INTERRUPTED_SETTINGS[trainer], built.folder, folder / "examples.parquet", folder / "run")
