"""What programs do without: packages that take seconds to import, or hundreds of megabytes of memory."""

from __future__ import annotations

import pytest
from entry_points import python

from repository import SCRIPTS

EXHIBITS = sorted(path.stem for path in (SCRIPTS / "othink_mr1/exhibits").glob("[a-z]*.py"))
ENTRY_POINTS = sorted(path.stem for path in SCRIPTS.glob("*.py"))


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (["othink_mr1.config.execution"], {"accelerate"}),
        # Scoring and Snakemake's own reading have no use for pictures.
        (
            ["othink_mr1.data.examples", "othink_mr1.plan.runs", "othink_mr1.scoring.scores"],
            {"datasets", "torch"},
        ),
        ([f"othink_mr1.exhibits.{name}" for name in EXHIBITS], {"torch", "transformers"}),
        (["verify_results"], {"torch", "transformers", "snakemake", "pandas", "pyarrow"}),
        # Scoring workers import the main module of the program that they belong to, which is one of these.
        (ENTRY_POINTS, {"torch"}),
    ],
    ids=["config", "examples", "exhibits", "verify", "entry points"],
)
def test_imports(modules: list[str], absent: set[str]) -> None:
    assert "figure1" in EXHIBITS
    assert "train_grpo" in ENTRY_POINTS
    done = python(
        f"import sys, {', '.join(modules)}; sys.exit(', '.join({absent} & set(sys.modules)) or None)"
    )
    assert done.returncode == 0, done.stderr
