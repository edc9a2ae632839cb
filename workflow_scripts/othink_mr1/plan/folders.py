"""Paths of results relative to the results root: files and folders, with digests in their names."""

from __future__ import annotations

from pathlib import Path

from othink_mr1.config.study import StudyConfig
from othink_mr1.plan import versions
from othink_mr1.plan.identity import (
    backbone_identity,
    data_identity,
    digest,
    generation_identity,
    raw_identity,
)
from othink_mr1.plan.per_config import per_config


@per_config
def raw_folder(config: StudyConfig, source: str) -> str:
    return f"raw/{source}-{digest(raw_identity(config, source))}"


@per_config
def data_folder(config: StudyConfig, source: str) -> str:
    return f"data/{source}-{digest(data_identity(config, source))}"


def examples_file(config: StudyConfig, source: str) -> str:
    return f"{data_folder(config, source)}/examples.parquet"


@per_config
def leaks_file(config: StudyConfig, train: str, test: str) -> str:
    """The report of test items that also appear in a training set."""
    sets = "--".join(Path(data_folder(config, source)).name for source in (train, test))
    return f"data/leaks/{sets}-{versions.LEAKS}.csv"


@per_config
def backbone_folder(config: StudyConfig, backbone: str) -> str:
    return f"backbones/{backbone}-{digest(backbone_identity(config, backbone))}"


@per_config
def tested_task(config: StudyConfig, task: str) -> str:
    """The answers folder's name: task and digest of what determines the answers, `geometry-1a2b3c4d5e`."""
    return f"{task}-{digest(generation_identity(config, task))}"
