"""What programs do without: packages that take seconds to import, or hundreds of megabytes of memory."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap

import pytest
from entry_points import python

from othink_mr1.own_python import put_own_python_on_path
from repository import SCRIPTS

EXHIBITS = sorted(path.stem for path in (SCRIPTS / "othink_mr1/exhibits").glob("[a-z]*.py"))
TABLES = ["audit_scores", "check_claims", "compare_methods", "make_table"]
TABLES += sorted(path.stem for path in SCRIPTS.glob("collect_*.py"))
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
        (TABLES, {"altair", "fontTools", "vl_convert"}),
        (["verify_results"], {"torch", "transformers", "snakemake", "pandas", "pyarrow"}),
        # Scoring workers import the main module of the program that they belong to, which is one of these.
        (ENTRY_POINTS, {"torch"}),
    ],
    ids=["config", "examples", "exhibits", "tables", "verify", "entry points"],
)
def test_imports(modules: list[str], absent: set[str]) -> None:
    assert "figure1" in EXHIBITS
    assert "train_grpo" in ENTRY_POINTS
    done = python(
        f"import sys, {', '.join(modules)}; sys.exit(', '.join({absent} & set(sys.modules)) or None)"
    )
    assert done.returncode == 0, done.stderr


COMPUTE = ["train_grpo", "train_sft", "generate_answers", "pretrain_backbone"]


def test_programs_that_compute_with_torch_import_no_tables() -> None:
    """A second of every job's start, before. What they do without can be imported later.

    Runs each program's own block of late imports. One process does, as what is imported stays.
    """
    code = "import gc, sys\nfrom othink_mr1.imports import torch_imports\n"
    for name in COMPUTE:
        source = (SCRIPTS / f"{name}.py").read_text()
        (block,) = re.findall(r"^ +with torch_imports\(\):\n(?:  +.*\n)+", source, re.MULTILINE)
        code += f"import {name}\n{textwrap.dedent(block)}"
        code += f"print({name!r}, *{{'scipy', 'pandas', 'datasets'}} & set(sys.modules))\n"
    code += "assert gc.isenabled()\nimport scipy.stats; print(scipy.stats.norm.cdf(0))\n"
    code += "import transformers.models; print(hasattr(transformers.models, '_import_structure'))"
    done = python(code)
    assert (done.returncode, done.stdout.splitlines()) == (0, [*COMPUTE, "0.5", "False"]), done.stderr


def test_a_package_that_is_there_stays() -> None:
    done = python(
        "import scipy, sys; from othink_mr1.imports import torch_imports\n"
        "with torch_imports():\n    assert sys.modules['scipy'] is scipy\n"
        "assert sys.modules['scipy'] is scipy"
    )
    assert done.returncode == 0, done.stderr


def test_jobs_find_the_package_beside_their_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user's environment keeps Python from looking there."""
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    put_own_python_on_path()
    subprocess.run(["python", SCRIPTS / "status.py", "--help"], capture_output=True, check=True)
