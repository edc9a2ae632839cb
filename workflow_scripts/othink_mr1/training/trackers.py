"""Trackers: programs that show a training's curves, fed through accelerate's tracker classes.

Their data is also in metrics.csv, and no result depends on them. After a restart they may get some
steps a second time. None of them sends a training's data from this machine, unless the user's environment
says so; clearml asks for its newest version, which cannot be turned off.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers

from othink_mr1.errors import UserError, naming

TENSORBOARD = "tensorboard"  # its folder in the run's folder
OTHERS = ".trackers"  # folder of the other trackers; hidden, so that no manifest lists it
_PROJECT = "othink-mr1"


def make_trackers(names: Sequence[str], run_folder: Path, run: str) -> list[GeneralTracker]:
    """The trackers of a run, not started yet. UserError if the package of one is not installed."""
    installed = {str(name) for name in get_available_trackers()}
    if missing := [name for name in names if name not in installed]:
        raise UserError(
            f"trackers: {', '.join(missing)}: not installed; pip install {' '.join(missing)}, or take it out "
            "of execution.train.trackers and execution.pretrain.trackers"
        )
    others = run_folder.absolute() / OTHERS
    if set(names) - {TENSORBOARD}:
        others.mkdir(exist_ok=True)
    trackers = []
    for name in dict.fromkeys(names):
        arguments, environment = _ways(run, str(others))[name]
        for variable, value in environment.items():
            os.environ.setdefault(variable, value)
        kind = LOGGER_TYPE_TO_CLASS[name]
        if name == TENSORBOARD:
            trackers.append(kind(TENSORBOARD, str(run_folder)))
        elif kind.requires_logging_directory:
            trackers.append(kind(_PROJECT, str(others), **arguments))
        else:
            trackers.append(kind(_PROJECT, **arguments))
    return trackers


def _ways(run: str, folder: str) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
    """For each tracker: arguments of its class, and variables that keep it offline and in the folder.

    A variable that the user has set is not changed.
    """
    return {
        TENSORBOARD: ({}, {}),
        "aim": ({}, {}),
        "clearml": ({"task_name": run}, {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": folder}),
        "comet_ml": (
            {},
            {
                "COMET_START_ONLINE": "false",
                "COMET_ERROR_TRACKING_ENABLE": "false",
                "COMET_OFFLINE_DIRECTORY": folder,
                "COMET_EXPERIMENT_NAME": run,
            },
        ),
        # Must not change a git or DVC repository.
        "dvclive": ({"dir": f"{folder}/dvclive", "dvcyaml": None, "save_dvc_exp": False}, {}),
        "mlflow": (
            {"run_name": run},
            {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"},
        ),
        "swanlab": ({"experiment_name": run}, {"SWANLAB_MODE": "offline", "SWANLAB_LOG_DIR": folder}),
        "trackio": ({"name": run}, {"TRACKIO_DIR": folder}),
        "wandb": (
            {"name": run},
            {"WANDB_MODE": "offline", "WANDB_DIR": folder, "WANDB_CACHE_DIR": folder},
        ),
    }


@contextmanager
def tracking(accelerator: Accelerator, run_folder: Path) -> Iterator[None]:
    """Start the accelerator's trackers, and finish them after the block."""
    before = threading.excepthook
    threading.excepthook = _except_tensorboards
    with naming(run_folder / TENSORBOARD):
        accelerator.init_trackers(_PROJECT)
    try:
        yield
    finally:
        accelerator.end_training()
        threading.excepthook = before


def _except_tensorboards(raised: threading.ExceptHookArgs) -> None:
    """Print no traceback of TensorBoard's thread: the same error is raised in our thread at the same step."""
    if not type(raised.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(raised)
