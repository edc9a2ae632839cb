"""Copies of the repository to run Snakemake in."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakemake_runs import copy_repository


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def own_checkout(tmp_path: Path) -> Path:
    return copy_repository(tmp_path / "checkout")
