"""Which slow tests may run beside which: those of one file, and all that need Slurm, follow each other."""

from __future__ import annotations

import pytest


# First, as pytest-xdist reads the groups in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = "slurm" if "slurm" in item.path.parts else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
