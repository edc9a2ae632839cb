"""Which python the rules' programs are run by."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def put_own_python_on_path() -> None:
    """Let `python` in the rules be the one that runs Snakemake; `.venv/bin/snakemake` alone does not.

    In the environment, so that the environment of --sdm conda or apptainer, activated later, comes first.
    """
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, *filter(None, [os.environ.get("PATH")])])
