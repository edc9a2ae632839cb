"""Trackers: the names that config.yaml may say, what is missing, and what they are told."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from accelerate.utils import DynamoBackend, LoggerType
from pydantic import ValidationError
from trainings import Train

from othink_mr1.config.execution import TRACKERS
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.training import trackers
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.trackers import make_trackers, tracking
from othink_mr1.training.training_log import TrainingLog
from run_contents import curves, metrics
from tiny import execution


def test_the_names_are_those_that_accelerate_knows() -> None:
    known = {str(name) for name in LoggerType} - {"all"}
    assert set(TRACKERS) == known == set(LOGGER_TYPE_TO_CLASS) == set(trackers._ways("run", "folder"))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="1: unknown tracker 'tensorbord'; did you mean tensorboard"):
        execution(trackers=["wandb", "tensorbord"])


def test_a_package_that_is_not_installed_is_told_before_training(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: [LoggerType.TENSORBOARD])
    with pytest.raises(UserError, match=r"^trackers: wandb, aim: not installed; pip install wandb aim, or "):
        train("sft", trackers=["wandb", "tensorboard", "aim"])
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.parametrize("name", sorted(set(TRACKERS) - {"tensorboard"}))
def test_the_others_are_offline_in_the_runs_folder_unless_the_user_says_otherwise(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accelerate's own classes are made; they import their packages only when they start."""
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: list(LoggerType))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    (tracker,) = make_trackers([name, name], tmp_path, "run")
    assert tracker.name == name
    _, variables = trackers._ways("run", str(tmp_path / ".trackers"))[name]
    assert all(os.environ[variable] == value for variable, value in variables.items())
    for variable in variables:
        os.environ[variable] = "the user's"
        make_trackers([name], tmp_path, "run")
        assert os.environ[variable] == "the user's"
    assert [path.name for path in tmp_path.iterdir()] == [".trackers"]


def test_their_makers_are_told_nothing() -> None:
    """Offline, mlflow 3.17 asked for what to report of its use, and comet_ml 3 sent its errors."""
    ways = trackers._ways("run", "folder")
    assert ways["mlflow"][1]["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert ways["comet_ml"][1]["COMET_ERROR_TRACKING_ENABLE"] == "false"


def test_wandb_writes_no_logs_into_the_users_home() -> None:
    assert trackers._ways("run", "folder")["wandb"][1]["WANDB_CACHE_DIR"] == "folder"


class Recorder(GeneralTracker):
    """Keeps what it is told."""

    name = "recorder"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int | None, dict[str, Any]]] = []
        self.calls: list[str] = []

    @property
    def tracker(self) -> None:
        return None

    def start(self) -> None:
        self.calls.append("start")

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.told.append((step, values))

    def finish(self) -> None:
        self.calls.append("finish")


def test_a_tracker_is_told_every_step_and_finished(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr("othink_mr1.training.session.make_trackers", lambda *_: [recorder])
    rows = metrics(train("sft"))
    assert recorder.calls == ["start", "finish"]
    assert [
        {"step": str(step), **{k: str(v) for k, v in told.items()}} for step, told in recorder.told
    ] == rows


def test_without_trackers_the_run_is_the_same(train: Train) -> None:
    without = train("sft", name="without", trackers=[])
    drawn = train("sft", name="drawn")
    assert not (without / "tensorboard").exists()
    weights = "checkpoint/model.safetensors"
    assert (without / weights).read_bytes() == (drawn / weights).read_bytes()
    losses = curves(drawn)["loss"]
    assert losses == {int(row["step"]): torch.tensor(float(row["loss"])).item() for row in metrics(without)}


@pytest.mark.parametrize("at", ["start", "a step"])
def test_a_full_disk_is_one_line_although_tensorboard_writes_in_a_thread(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.compat.tensorflow_stub.io.gfile import LocalFileSystem

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def main() -> None:
        accelerator = new_accelerator("cpu", make_trackers(["tensorboard"], tmp_path, "run"))
        with monkeypatch.context() as patch:
            if at == "start":
                patch.setattr(LocalFileSystem, "_write", full)
            log = TrainingLog(tmp_path, "run", ["loss"], 2, accelerator)
            with tracking(accelerator, tmp_path):
                log.step(1, {"loss": 1.0})
                patch.setattr(LocalFileSystem, "_write", full)
                log.step(2, {"loss": 1.0})

    with pytest.raises(SystemExit) as caught:
        run_entry_point(main)
    assert re.match(rf"error: {tmp_path}/tensorboard: No space left on device; make room", str(caught.value))
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_of_accelerates_environment_reaches_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    AcceleratorState._reset_state()
    accelerator = new_accelerator("cpu")
    weight = torch.ones((), requires_grad=True)
    accelerator.backward(3 * weight)
    assert weight.grad == 3
    assert accelerator.mixed_precision == "no"
    assert accelerator.state.dynamo_plugin.backend == DynamoBackend.NO
    AcceleratorState._reset_state()
