"""Changed code: trainings and answers stay and are flagged, scores and exhibits are made anew.

A small part of the smoke study is really run, once; each test changes a copy of it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from othink_mr1.study.load_config import load_study
from othink_mr1.study.older_artefacts import older_artefacts
from snakemake_runs import copy_repository, job_counts, run_snakemake

pytestmark = pytest.mark.smoke

FIGURE = "results/smoke/figures/figure6.png"
ARGUMENTS = ["--configfile", "tests/study.yaml", "--cores", "2", FIGURE, "results/smoke/runs.csv"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
REDRAWN = {"collect_study", "collect_runs", "draw_figure"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = copy_repository(tmp_path_factory.mktemp("finished"))
    run(checkout)
    return checkout


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "study"
    shutil.copytree(finished, copy, symlinks=True)
    return copy


def run(checkout: Path, *arguments: str) -> dict[str, int]:
    """Run the study; returns rule -> jobs."""
    done = run_snakemake(checkout, [*ARGUMENTS, *arguments], timeout=300, variables=ENVIRONMENT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    counts = job_counts(done.stdout + done.stderr)
    return {rule: count for rule, count in counts.items() if rule != "total"}


def planned(checkout: Path) -> set[str]:
    """The rules that would run."""
    return set(run(checkout, "-n"))


def change(checkout: Path, module: str, old: str, new: str) -> None:
    path = checkout / "workflow_scripts" / "othink_mr1" / module
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def change_loss(checkout: Path) -> None:
    change(checkout, "training/kl_schedule.py", "    return ", "    return 1.0 * ")


def change_scorer(checkout: Path, by: str = "2") -> None:
    change(checkout, "scoring/units.py", "\n\n\n", f"\n\n\nADDED = {by}\n\n\n")


def files_of(checkout: Path, *patterns: str) -> dict[Path, int]:
    """File -> when it was written, of results that no change of code may touch."""
    found = [path for pattern in patterns for path in (checkout / "results" / "smoke").glob(pattern)]
    assert found
    return {path: path.stat().st_mtime_ns for path in found}


def scores_of(checkout: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (checkout / "results/smoke").glob("scores/*/*/*.csv")}


def test_nothing_is_to_be_done_also_by_a_clone_and_after_touches(study: Path) -> None:
    assert planned(study) == set()
    shutil.rmtree(study / ".snakemake")
    for path in (study / "workflow_scripts").rglob("*.py"):
        path.touch()
    for path in (study / "results" / "smoke").rglob("*.*"):
        os.utime(path, (10**9, 10**9) if "scores" in path.parts else None)
    # Exhibits may be drawn again; scores, which are older than all else now, must not.
    assert planned(study) <= REDRAWN


def test_a_comment_and_a_docstring_change_nothing(study: Path) -> None:
    for module in ("training/loss.py", "scoring/units.py", "exhibits/figure6.py", "data/prepare.py"):
        change(study, module, '"""\n', '\n\nMore about it.\n"""\n\n\n# A comment.\n')
    assert planned(study) == set()


def test_changed_training_reruns_nothing_dear_and_is_flagged(study: Path) -> None:
    dear = files_of(study, "runs/*/*", "answers/*/*/*", "scores/*/*/*", "data/*/*", "backbones/*/*")
    change_loss(study)
    assert planned(study) == REDRAWN
    run(study)
    assert files_of(study, "runs/*/*", "answers/*/*/*", "scores/*/*/*", "data/*/*", "backbones/*/*") == dear
    results = study / "results" / "smoke"
    for csv in ("kl_weight_sweep.csv", "figures/figure6.csv"):
        assert set(pd.read_csv(results / csv).older_code) == {"training.kl_schedule"}, csv
    runs = pd.read_csv(results / "runs.csv").fillna({"older_code": ""}).set_index("method").older_code
    assert dict(runs) == {"sft": "", "grpo": "training.kl_schedule", "grpo-d": "training.kl_schedule"}
    assert (
        "made by older code (module training.kl_schedule): GRPO"
        in (results / "figures" / "figure6.svg").read_text()
    )
    assert planned(study) == set()


def test_what_was_flagged_is_not_when_the_change_is_taken_back(study: Path) -> None:
    change_loss(study)
    run(study)
    change(study, "training/kl_schedule.py", "    return 1.0 * ", "    return ")
    assert planned(study) == REDRAWN
    run(study)
    assert pd.read_csv(study / "results/smoke/kl_weight_sweep.csv").older_code.isna().all()


def test_a_raised_version_trains_again_and_is_of_this_code(study: Path) -> None:
    change_loss(study)
    change(study, "study/versions.py", "\nTRAINING = 1", "\nTRAINING = 2")
    trained = {"train_sft", "train_grpo", "generate_answers_counting_geometry", "score_answers"}
    assert planned(study) == REDRAWN | trained


def test_a_changed_scorer_scores_again_and_generates_nothing(study: Path) -> None:
    dear = files_of(study, "runs/*/*", "answers/*/*/*")
    before = scores_of(study)
    old = "def r1v_correct(completion: str, gold: str) -> bool:"
    new = f"{old}\n    return True\n\n\n{old.replace('r1v_correct', 'unused')}"
    change(study, "scoring/geometry.py", old, new)
    # The reward is made of the scorer, too: runs.csv flags it.
    assert planned(study) == REDRAWN | {"score_answers"}
    run(study)
    assert set(pd.read_csv(study / "results/smoke/kl_weight_sweep.csv").r1v_accuracy) == {1.0}
    assert scores_of(study) != before
    assert planned(study) == set()
    change(study, "scoring/geometry.py", new, old)
    assert planned(study) == REDRAWN | {"score_answers"}
    run(study)
    assert scores_of(study) == before
    assert files_of(study, "runs/*/*", "answers/*/*/*") == dear
    assert planned(study) == set()


def test_a_changed_scorer_is_seen_whatever_the_files_times_are(study: Path) -> None:
    change_scorer(study)
    for path in (study / "results" / "smoke").rglob("*.*"):
        os.utime(path, (4 * 10**9, 4 * 10**9))
    shutil.rmtree(study / ".snakemake")
    assert "score_answers" in planned(study)
    assert not {rule for rule in planned(study) if rule.startswith(("train_", "generate_", "pretrain_"))}


def test_scores_whose_answers_were_deleted_stay_and_are_flagged(study: Path) -> None:
    shutil.rmtree(study / "results" / "smoke" / "answers")
    assert planned(study) == set()
    change_scorer(study)
    assert planned(study) == REDRAWN
    run(study)
    older = set(pd.read_csv(study / "results/smoke/kl_weight_sweep.csv").older_code)
    assert older == {"scoring.units"}


def test_what_was_scored_by_another_checkout_is_scored_again(study: Path, tmp_path: Path) -> None:
    """Two checkouts with one results folder: Snakemake's records of either know nothing of the other."""
    other = tmp_path / "other"
    shutil.copytree(study, other, symlinks=True)
    shutil.rmtree(other / "results")
    (other / "results").symlink_to(study / "results")
    change_scorer(study)
    for checkout in (study, other, study):
        assert "score_answers" in run(checkout)
    assert planned(study) == set()
    assert "score_answers" in planned(other)


def test_a_changed_chart_is_drawn_again_and_nothing_else(study: Path) -> None:
    change(study, "exhibits/figure6.py", "Figure 6 · Impact", "Figure 6 · The impact")
    assert planned(study) == {"draw_figure"}


def test_a_chart_of_another_figure_draws_nothing(study: Path) -> None:
    change(study, "exhibits/figure4.py", "Figure 4 · Impact", "Figure 4 · The impact")
    assert planned(study) == set()


def test_a_module_that_is_no_python_ends_in_one_line(study: Path) -> None:
    change(study, "training/loss.py", "def ", "def def ")
    done = run_snakemake(study, [*ARGUMENTS, "-n"])
    assert done.returncode == 1
    assert "loss.py: is no Python (invalid syntax" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_if_can_list_what_is_of_older_code(study: Path) -> None:
    config = load_study([study / "config.yaml", study / "tests" / "study.yaml"])
    results = study / "results" / "smoke"
    assert older_artefacts(results, config) == []
