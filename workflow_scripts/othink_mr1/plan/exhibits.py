"""The plans of exhibits: the files that each is made from. All paths are relative to the results root.

An exhibit has a fixed name (`same_task.csv`), while its inputs have names with digests. So each exhibit has a
plan file (plan_files.py) that lists the identities of all its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from othink_mr1.config.methods import GRPO, ConstantKL
from othink_mr1.config.study import StudyConfig, validation_of
from othink_mr1.plan import versions
from othink_mr1.plan.data import LEAKS, data_card, data_card_plan, leaks_plan
from othink_mr1.plan.evaluations import (
    Evaluation,
    all_evaluations,
    answers_file,
    evaluations,
    leaks_of,
    point,
    scores_file,
)
from othink_mr1.plan.folders import examples_file
from othink_mr1.plan.per_config import per_config
from othink_mr1.plan.runs import Run, all_runs, grid_runs, varied_settings

SAME_TASK, CROSS_TASK = "same_task", "cross_task"
FORMAT_SWEEP, KL_SWEEP = "format_weight_sweep", "kl_weight_sweep"
CURVES = "learning_curves"
FIGURE_KINDS = ("svg", "pdf", "png", "md", "tex", "csv")

# The paper's figures -> the studies that each is drawn from. Figure 2 shows examples of the sets.
_PAPER_FIGURES: dict[str, tuple[str, ...]] = {
    "figure1": (CURVES,),
    "figure2": (),
    "figure3": (SAME_TASK,),
    "figure4": (FORMAT_SWEEP,),
    "figure5": (SAME_TASK,),
    "figure6": (KL_SWEEP,),
    "figure7": (CROSS_TASK,),
    "figure8": (CROSS_TASK,),
}
# Figures that the paper does not have: what the trainings did, which numbers were said, all pairs of tasks.
TRAINING, COUNTS, MATRIX = "training", "counts", "matrix"
REPORT = "report"  # the page that shows all of it
AUDIT = "scorer_audit"  # compares r1v with exact on all evaluations
CLAIMS_NEED = (SAME_TASK, CROSS_TASK, FORMAT_SWEEP, KL_SWEEP)
REWARD_CURVES_OF = SAME_TASK  # figure 5: the reward curves of table 1's GRPO runs


def study_plan(config: StudyConfig, study: str) -> dict[str, Any]:
    """The plan of a study's csv: one entry per evaluation."""
    return evaluations_plan(config, study, evaluations(config, study))


def evaluations_plan(config: StudyConfig, name: str, found: Sequence[Evaluation]) -> dict[str, Any]:
    """The plan of any evaluations, like a study's."""
    varied = varied_settings(evaluation.run for evaluation in found)
    rows = [_row(config, evaluation, varied[evaluation.run.name]) for evaluation in found]
    return {"exhibit": name, "evaluations": rows}


@per_config
def runs_plan(config: StudyConfig, exhibit: str) -> dict[str, Any]:
    """The plan of `runs.csv` (every run) or `reward_curves.csv` (the GRPO runs of one study)."""
    runs = listed_runs(config, exhibit)
    varied = varied_settings(runs)
    return {"exhibit": exhibit, "runs": [_run_row(run, varied[run.name]) for run in runs]}


@per_config
def listed_runs(config: StudyConfig, exhibit: str) -> list[Run]:
    """The runs of `runs.csv` or `reward_curves.csv`."""
    if exhibit == "runs":
        return [run for run in all_runs(config) if run.trained]
    return [run for run in grid_runs(config, REWARD_CURVES_OF) if isinstance(run.settings, GRPO)]


def examples_plan(config: StudyConfig) -> dict[str, Any]:
    """The plan of figure 2: the test set of each task."""
    return {
        "exhibit": "figure2",
        "tasks": {
            name: {"examples": examples_file(config, config.tasks[name].test)} for name in config.own_tasks
        },
    }


@per_config
def figures(config: StudyConfig) -> dict[str, tuple[str, ...]]:
    """The figures that the config's studies are sufficient for -> those studies.

    A study that varies settings has a figure of its name; figures 4 and 6 are those of the paper's sweeps.
    """
    wanted = {**_PAPER_FIGURES, TRAINING: (SAME_TASK,), COUNTS: (SAME_TASK,)}
    wanted |= {MATRIX: (SAME_TASK, CROSS_TASK)}
    found = {name: needed for name, needed in wanted.items() if set(needed) <= set(config.studies)}
    for study in config.studies:
        varied = varied_settings(evaluation.run for evaluation in evaluations(config, study))
        if any(varied.values()) and study not in (FORMAT_SWEEP, KL_SWEEP):
            found[study] = (study,)
    return found


def comparison(study: str) -> str:
    """The exhibit that compares a study's methods, each with the best of its candidate settings."""
    return f"{study}_comparison"


def seeds_needed(study: str) -> str:
    """The csv beside a comparison: differences that more seeds would find."""
    return f"{study}_seeds"


def compared_studies(config: StudyConfig) -> list[str]:
    """The studies with candidate settings."""
    return [name for name, grid in config.studies.items() if grid.choice is not None]


def compared_runs(config: StudyConfig, study: str) -> list[Run]:
    """The trained runs of a comparison: their metrics have the KL."""
    return [run for run in grid_runs(config, study) if run.trained]


def comparison_plan(config: StudyConfig, study: str) -> dict[str, Any]:
    grid = config.studies[study]
    assert grid.choice is not None
    tested = {evaluation.tested_on for evaluation in evaluations(config, study)}
    tasks = {
        task: {
            "own": task if task in tested else config.tasks[task].variant_of,
            "validation": validation_of(task),
        }
        for task in grid.tasks
    }
    exhibit = {"exhibit": comparison(study), "study": study_plan(config, study)}
    return exhibit | {"baseline": grid.choice.baseline, "tasks": tasks}


def figure_plan(figure: str) -> str:
    """The name of a figure's plan; the csv of its study may have the figure's own name."""
    return f"figures.{figure}" if figure not in _PAPER_FIGURES else figure


def has_claims(config: StudyConfig) -> bool:
    """Whether the config's studies are sufficient for checking the claims."""
    return set(CLAIMS_NEED) <= set(config.studies)


def drawn_from(config: StudyConfig, figure: str) -> tuple[str, ...]:
    """The csv files, without suffix, that a figure is drawn from."""
    if figure in compared_studies(config):
        return (comparison(figure), seeds_needed(figure))
    if figure in ("figure5", TRAINING):
        return ("reward_curves",)
    if figure == MATRIX:
        return (SAME_TASK, CROSS_TASK)
    return () if figure == COUNTS else _PAPER_FIGURES.get(figure, (figure,))


def shows_items(figure: str) -> bool:
    """Whether a figure shows answers to single items."""
    return figure in ("figure3", "figure8", COUNTS)


def shown_in_report(config: StudyConfig) -> list[str]:
    """The csv files that the page shows, relative to the results root."""
    files = [f"{name}.csv" for name in collected_exhibits(config) if name != "runs"]
    files += ["claims.csv"] if has_claims(config) else []
    for name in compared_studies(config):
        files += [f"{comparison(name)}.csv", f"{seeds_needed(name)}.csv"]
    return [*files, "scorer_audit.csv", "data/leaks.csv"]


def items_in_report(config: StudyConfig) -> list[str]:
    """The studies whose answers the page shows item by item."""
    return [name for name in (SAME_TASK, CROSS_TASK) if name in config.studies]


def exhibit_files(config: StudyConfig) -> list[str]:
    """Every exhibit that the config's studies are sufficient for, relative to the results root."""
    files = [f"{name}.csv" for name in collected_exhibits(config)]
    files += ["scorer_audit.csv", "data/leaks.csv", "report.html"]
    files += [f"tables/{name}.md" for name in config.studies]
    for name in compared_studies(config):
        files += [f"{comparison(name)}.csv", f"{seeds_needed(name)}.csv", f"tables/{comparison(name)}.md"]
    files += [f"data/{task}.{kind}" for task in config.own_tasks for kind in ("md", "svg")]
    files += ["claims.csv"] if has_claims(config) else []
    files += ["tables/table1.md", "tables/table1.tex"] if SAME_TASK in config.studies else []
    return files + [f"figures/{name}.{kind}" for name in figures(config) for kind in FIGURE_KINDS]


def named_exhibits(config: StudyConfig) -> dict[str, list[str]]:
    """The name of an exhibit, as `table1` or `cross_task` -> its files: a target of Snakemake."""
    found: dict[str, list[str]] = {}
    for file in exhibit_files(config):
        found.setdefault(Path(file).stem, []).append(file)
    return found


def collected_exhibits(config: StudyConfig) -> list[str]:
    """The csv files: one per study, the runs, and the reward curves if their study exists."""
    return [*config.studies, "runs", *(["reward_curves"] if REWARD_CURVES_OF in config.studies else [])]


@per_config
def all_plans(config: StudyConfig) -> dict[str, dict[str, Any]]:
    """Exhibit -> its plan."""
    shown = config.exhibits
    note = {"note": shown.note}
    marks = {"proposed": shown.proposed, "baselines": shown.baselines}
    cases = {"proposed": shown.proposed, "against": shown.against, "cases": shown.cases}
    plans: dict[str, dict[str, Any]] = {study: study_plan(config, study) | note for study in config.studies}
    for exhibit in collected_exhibits(config):
        if exhibit not in plans:
            plans[exhibit] = runs_plan(config, exhibit)
    for figure, needed in figures(config).items():
        plan: dict[str, Any] = {"exhibit": figure, "studies": [plans[study] for study in needed]}
        if figure == "figure2":
            plan = examples_plan(config)
        elif drawn_from(config, figure) == ("reward_curves",):
            plan = {"exhibit": figure, "runs": plans["reward_curves"]["runs"]}
        elif figure in ("figure3", "figure8"):
            plan |= cases
        plans[figure_plan(figure)] = plan | note
    for study in compared_studies(config):
        plans[comparison(study)] = comparison_plan(config, study) | note
    if has_claims(config):
        plans["claims"] = {"exhibit": "claims", "studies": [plans[name] for name in CLAIMS_NEED]} | note
    if SAME_TASK in config.studies:
        plans["table1"] = {"exhibit": "table1", "studies": [plans[SAME_TASK]]} | marks | note
    plans[AUDIT] = evaluations_plan(config, AUDIT, all_evaluations(config))
    plans[LEAKS] = leaks_plan(config)
    plans[REPORT] = {
        "exhibit": REPORT,
        "backbone": config.backbone,
        **note,
        **marks,
        "against": shown.against,
        "studies": [plans[study] for study in config.studies],
        "runs": runs_plan(config, "runs")["runs"],
        "compared": {
            study: {key: plans[comparison(study)][key] for key in ("baseline", "tasks")}
            for study in compared_studies(config)
        },
    }
    plans |= {data_card(task): data_card_plan(config, task) for task in config.own_tasks}
    return {exhibit: plan | {"version": versions.EXHIBITS} for exhibit, plan in plans.items()}


def _row(config: StudyConfig, evaluation: Evaluation, varied: dict[str, str]) -> dict[str, Any]:
    run = evaluation.run
    return {
        "point": point(config, evaluation),
        "varied": varied,
        "backbone": run.backbone,
        "method": run.method,
        "trained_on": run.shown_task,
        "tested_on": evaluation.tested_on,
        "seed": run.seed,
        "step": evaluation.step,
        "steps": run.settings.steps if run.trained else 0,
        "run": run.name,
        **_weights(run),
        "scores": scores_file(config, evaluation),
        "answers": answers_file(config, evaluation),
        "examples": examples_file(config, config.tasks[evaluation.tested_on].test),
        "leaks": leaks_of(config, evaluation),
    }


def _run_row(run: Run, varied: dict[str, str]) -> dict[str, Any]:
    return {
        "point": run.point,
        "varied": varied,
        "backbone": run.backbone,
        "run": run.name,
        "method": run.method,
        "task": run.task,
        "seed": run.seed,
        "folder": f"runs/{run.name}",
        **_weights(run),
        "settings": run.settings.model_dump(mode="json"),
    }


def _weights(run: Run) -> dict[str, Any]:
    """α and the constant β of a GRPO run, the axes of the sweeps; None if the run has none."""
    if not isinstance(run.settings, GRPO):
        return {"format_weight": None, "kl_weight": None, "kl_schedule": None}
    schedule = run.settings.kl_schedule
    return {
        "format_weight": run.settings.format_weight,
        "kl_weight": schedule.weight if isinstance(schedule, ConstantKL) else None,
        "kl_schedule": schedule.kind,
    }
