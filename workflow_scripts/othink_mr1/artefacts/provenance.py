"""Provenance of an artefact: commit and package versions, for its manifest."""

from __future__ import annotations

import platform
import subprocess
import time
from contextlib import suppress
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

# The packages whose version can change a number; recorded with every artefact.
RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "tokenizers",
    "numpy",
    "pandas",
    "pillow",
    "math-verify",
    "altair",
)


def provenance() -> dict[str, Any]:
    """The time (UTC), the commit, and the versions of Python and of the packages."""
    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": _package_versions(),
    }


@cache
def _commit() -> str | None:
    """The repository's commit, with `+` if files differ from it; None outside a checkout."""
    # Each call has a timeout: a manifest must not hang on a slow file system.
    ask = partial(subprocess.run, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    try:
        commit = ask(["git", "rev-parse", "HEAD"], timeout=10).stdout.strip()
        changed = ask(["git", "status", "--porcelain", "--untracked-files=no"], timeout=30).stdout
    except (FileNotFoundError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return commit + ("+" if changed else "")


@cache
def _package_versions() -> dict[str, str]:
    versions = {}
    for package in RECORDED_PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
