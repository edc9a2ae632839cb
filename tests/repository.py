"""The repository under test, and the studies of its config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = REPOSITORY / "workflow_scripts"


def study(*overlays: str, **overrides: Any) -> StudyConfig:
    """config.yaml with these overlays (files of the repository), and changes as on the command line."""
    return load_study([REPOSITORY / name for name in ("config.yaml", *overlays)], overrides)
