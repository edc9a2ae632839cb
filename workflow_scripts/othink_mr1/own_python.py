"""The Python that runs the rules' programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def put_own_python_on_path() -> None:
    """Make `python` in the rules the one that runs Snakemake; `.venv/bin/snakemake` alone does not do that.

    It is put on PATH, so that the environment of --sdm conda or apptainer, activated later, takes precedence.
    And let it find the programs' package, which is beside them.
    """
    os.environ.pop("PYTHONSAFEPATH", None)
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, *filter(None, [os.environ.get("PATH")])])
