"""Values are changed one after the other in a smoke study that really runs: only the affected jobs run.

Each test goes on from the results that the one before left, as a user's day does.
"""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import warm_python
from snakemake_runs import REPOSITORY, copy_repository, job_counts, run_snakemake

pytestmark = pytest.mark.smoke

# On geometry base, SFT, GRPO at two weights α, and GRPO-D; on counting SFT.
START: dict[str, Any] = {
    "methods": {"grpo": {"learning_rate": 1e-3}, "grpo-d": {"kl_schedule": {"maximum": 0.04}}},
    "tasks": {"geometry": {"max_new_tokens": 8}},
    "sources": {"rendered_scenes": {"seed": 1}},
    "studies": {
        "cross_task": {"methods": ["base"]},
        "format_weight_sweep": {"vary": {"format_weight": [1, 0.5]}},
        "learning_curves": {"tasks": ["counting"], "methods": ["sft"], "curves": False},
    },
}
VERSIONS = "workflow_scripts/othink_mr1/plan/versions.py"
TARGETS = ("same_task.csv", "learning_curves.csv", "figures/figure4.svg")


@dataclass
class Day:
    """A checkout, its overlay as it is now, and what the targets held at first."""

    checkout: Path
    overlay: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(START))
    first: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> dict[str, int]:
        """Run the targets; returns the jobs per rule."""
        (self.checkout / "day.yaml").write_text(json.dumps(self.overlay))
        files = ["--configfile", "tests/study.yaml", "day.yaml", "--cores", "2"]
        targets = [f"results/smoke/{target}" for target in TARGETS]
        done = run_snakemake(
            self.checkout,
            [*files, *targets],
            timeout=600,
            variables={"OMP_NUM_THREADS": "1", **warm_python.variables()},
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        counts = job_counts(done.stdout + done.stderr)
        counts.pop("total", None)
        return counts

    def held(self) -> dict[str, bytes]:
        return {target: (self.checkout / "results/smoke" / target).read_bytes() for target in TARGETS}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    found = Day(copy_repository(tmp_path_factory.mktemp("day")))
    ran = found.run()
    assert (ran["train_grpo"], ran["train_sft"], ran["generate_answers"], ran["score_answers"]) == (
        3,
        2,
        6,
        6,
    )
    found.first = found.held()
    return found


def test_a_learning_rate_trains_its_method_and_what_inherits_it(day: Day) -> None:
    day.overlay["methods"]["grpo"]["learning_rate"] = 2e-3
    expected = {
        "train_grpo": 3,
        "generate_answers": 3,
        "score_answers": 3,
        "collect_study": 2,
        "draw_figure": 1,
    }
    assert day.run() == expected
    assert day.run() == {}


def test_a_schedules_maximum_trains_grpo_d_alone(day: Day) -> None:
    day.overlay["methods"]["grpo-d"]["kl_schedule"]["maximum"] = 0.08
    assert day.run() == {"train_grpo": 1, "generate_answers": 1, "score_answers": 1, "collect_study": 1}


def test_a_point_of_a_sweep_trains_one_run(day: Day) -> None:
    day.overlay["studies"]["format_weight_sweep"]["vary"]["format_weight"] = [1, 0.25]
    expected = {
        "train_grpo": 1,
        "generate_answers": 1,
        "score_answers": 1,
        "collect_study": 1,
        "draw_figure": 1,
    }
    assert day.run() == expected


def test_the_length_of_answers_trains_nothing(day: Day) -> None:
    day.overlay["tasks"]["geometry"]["max_new_tokens"] = 6
    assert day.run() == {"generate_answers": 5, "score_answers": 5, "collect_study": 2, "draw_figure": 1}


def test_a_scorer_generates_nothing(day: Day) -> None:
    versions = day.checkout / VERSIONS
    text = versions.read_text()
    assert text.count("SCORER = ") == 1
    versions.write_text(text.replace("SCORER = ", "SCORER = 'raised' or "))
    assert day.run() == {"score_answers": 6, "collect_study": 3, "draw_figure": 1}


def test_code_reruns_nothing_by_itself_and_the_exhibits_number_draws_alone(day: Day) -> None:
    chart = day.checkout / "workflow_scripts/othink_mr1/exhibits/figure4.py"
    chart.write_text(chart.read_text() + '\nCOLOUR = "red"\n')
    assert day.run() == {}
    versions = day.checkout / VERSIONS
    text = versions.read_text()
    assert text.count("EXHIBITS = ") == 1
    versions.write_text(text.replace("EXHIBITS = ", "EXHIBITS = 1000 + "))
    assert day.run() == {"collect_study": 3, "draw_figure": 1}


def test_a_training_sets_seed_leaves_the_other_task_alone(day: Day) -> None:
    day.overlay["sources"]["rendered_scenes"]["seed"] = 11
    assert day.run() == {
        "render_source": 1,
        "prepare_dataset": 1,
        "fingerprint_dataset": 1,
        "find_leaks": 1,
        "train_sft": 1,
        "generate_answers": 1,
        "score_answers": 1,
        "collect_study": 1,
    }


def test_back_at_the_start_every_exhibit_is_the_starts(day: Day) -> None:
    shutil.rmtree(day.checkout / ".snakemake")
    assert day.held() != day.first
    day.overlay = copy.deepcopy(START)
    shutil.copy(REPOSITORY / VERSIONS, day.checkout / VERSIONS)
    assert set(day.run()) == {"collect_study", "draw_figure"}
    assert day.held() == day.first
    assert day.run() == {}


def test_exhibits_that_another_checkout_made_on_this_folder_are_made_again(day: Day, tmp_path: Path) -> None:
    """Snakemake's records here say that they were made of the plan that is asked for."""
    other = Day(copy_repository(tmp_path))
    (other.checkout / "results").symlink_to(day.checkout / "results")
    other.overlay["methods"]["grpo"]["learning_rate"] = 2e-3
    assert other.run() == {"collect_study": 2, "draw_figure": 1}
    assert day.held() != day.first
    assert day.run() == {"collect_study": 2, "draw_figure": 1}
    assert day.held() == day.first
