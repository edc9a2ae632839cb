"""One cluster for all tests here. Where Slurm is not installed they are skipped; in CI they fail instead."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import PACKAGES, SlurmCluster, missing_programs, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    if missing := missing_programs():
        reason = f"not installed: {', '.join(missing)}; Debian and Ubuntu have them in {PACKAGES}"
        # An empty CI, as a shell may have it, is none.
        if os.environ.get("CI"):
            pytest.fail(f"CI must run the Slurm tests; {reason}")
        pytest.skip(reason)
    # Not pytest's own folder: the path of a socket has at most 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder,
        running_cluster(Path(folder)) as started,
    ):
        yield started
