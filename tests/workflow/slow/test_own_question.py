"""Own data, another's checkpoint and a third task become rows and a figure, at smoke size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

import warm_python
from repository import REPOSITORY
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke

SMOKE = ["tests/study.yaml", "own.yaml"]


def make(checkout: Path, target: str, overlays: Sequence[str]) -> None:
    arguments = ["--configfile", *overlays, "--cores", "2", "--", target]
    done = run_snakemake(checkout, arguments, timeout=600, variables=warm_python.variables())
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def lock(checkout: Path, overlays: Sequence[str]) -> None:
    named = [part for overlay in overlays for part in ("--overlay", overlay)]
    subprocess.run([sys.executable, "workflow_scripts/lock_local_data.py", *named], cwd=checkout, check=True)


def write_overlay(checkout: Path, content: dict[str, object]) -> None:
    with (checkout / "own.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(content, stream)


def test_own_sets_and_a_checkpoint_of_trl_become_rows(tmp_path: Path) -> None:
    sys.path.insert(0, str(REPOSITORY / "tests/unit/data"))
    from own_sets import own_source  # a test's module: its folder is on no path here

    checkout = copy_repository(tmp_path / "checkout")
    tested = ("parquet_file", "saved", "imagefolder_csv")
    names = ("chinese_csv", *tested)
    sources = {name: own_source(name, tmp_path / name) for name in names}
    task = {"variant_of": "geometry", "train": "chinese_csv"}
    study = {
        "tasks": [tested[0]],
        "methods": ["base", "sft", "theirs"],
        "tested_on": [*tested],
        "seeds": [42],
    }
    overlay: dict[str, dict[str, object] | str] = {
        "results": "results/own",
        "sources": sources,
        "tasks": {name: task | {"test": name} for name in tested},
        "preparation": {"largest_unusable_share": 0.05},
        "studies": {"own": study | {"methods": ["base", "sft"]}},
    }
    write_overlay(checkout, overlay)
    lock(checkout, SMOKE)
    make(checkout, "results/own/own.csv", SMOKE)
    frame = pd.read_csv(checkout / "results/own/own.csv")
    assert set(zip(frame.method, frame.tested_on, strict=True)) == {
        (method, name) for method in ("base", "sft") for name in tested
    }
    assert set(frame["items"]) == {20}

    (backbone,) = (checkout / "results/own/backbones").glob("small_qwen2_vl-*")
    theirs = tmp_path / "theirs"
    trl = str(REPOSITORY / "tests/train_by_trl.py")
    subprocess.run(warm_python.command(trl, str(backbone), str(theirs)), check=True)
    overlay["backbones"] = {"of-trl": {"kind": "local", "path": str(theirs)}}
    overlay["methods"] = {"theirs": {"trainer": "none", "backbone": "of-trl", "trained_on": "counting"}}
    overlay["studies"] = {"own": study}
    write_overlay(checkout, overlay)
    lock(checkout, SMOKE)
    make(checkout, "results/own/own.csv", SMOKE)
    frame = pd.read_csv(checkout / "results/own/own.csv")
    rows = frame[frame.method == "theirs"]
    assert list(rows.tested_on) == [*tested]
    assert set(rows.trained_on) == {"counting"}
    assert rows.seed.isna().all()
    answers = list((checkout / "results/own/answers").glob("of-trl-*/*/answers.jsonl"))
    assert len(answers) == len(tested)
    (imported,) = (checkout / "results/own/backbones").glob("of-trl-*")
    assert not (imported / "training_args.bin").exists()


def test_the_example_of_a_third_task(tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path)
    subprocess.run([sys.executable, "examples/bar_charts/draw_charts.py"], cwd=checkout, check=True)
    write_overlay(checkout, {"tasks": {"charts": {"max_new_tokens": 8}}})
    overlays = ["tests/study.yaml", "examples/bar_charts/study.yaml", "own.yaml"]
    lock(checkout, overlays)
    make(checkout, "results/bar_charts/figures/matrix.svg", overlays)
    frame = pd.read_csv(checkout / "results/bar_charts/figures/matrix.csv")
    tasks = {"counting", "geometry", "charts"}
    for method in ("sft", "grpo"):
        rows = frame[frame.method == method]
        pairs = set(zip(rows.trained_on, rows.tested_on, strict=True))
        assert pairs == {(trained, tested) for trained in tasks for tested in tasks}
