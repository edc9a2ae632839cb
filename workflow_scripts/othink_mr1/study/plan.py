"""The plan: which files each exhibit is made of. All paths are relative to the results root.

An exhibit has a fixed name (`same_task.csv`), while what it is made of has names with digests. So each
exhibit gets a plan file (plan_files.py) that lists the identities of all it needs, down to the code that
draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from othink_mr1.study import versions
from othink_mr1.study.code_of_stages import Stage, exhibit_code
from othink_mr1.study.config import StudyConfig
from othink_mr1.study.data_plan import LEAKS, Lineage, data_card, data_card_plan, leaks_plan, set_lineage
from othink_mr1.study.folders import examples_file, leaks_file, tested_task
from othink_mr1.study.identity import digest
from othink_mr1.study.lineage import run_lineage
from othink_mr1.study.manifests import MANIFEST
from othink_mr1.study.methods import GRPO, ConstantKL
from othink_mr1.study.module_digests import Modules
from othink_mr1.study.per_config import per_config
from othink_mr1.study.runs import Run, all_runs, grid_runs, varied_settings

SAME_TASK, CROSS_TASK = "same_task", "cross_task"
FORMAT_SWEEP, KL_SWEEP = "format_weight_sweep", "kl_weight_sweep"
CURVES = "learning_curves"

# Exhibit -> the studies whose csv it is drawn from. Figure 2 shows examples of the sets and needs none.
FIGURES: dict[str, tuple[str, ...]] = {
    "figure1": (CURVES,),
    "figure2": (),
    "figure3": (SAME_TASK,),
    "figure4": (FORMAT_SWEEP,),
    "figure5": (SAME_TASK,),
    "figure6": (KL_SWEEP,),
    "figure7": (CROSS_TASK,),
    "figure8": (CROSS_TASK,),
}
FIND_LEAKS = Stage("find_leaks")
AUDIT = "scorer_audit"  # r1v against exact, of all evaluations
CLAIMS_NEED = (SAME_TASK, CROSS_TASK, FORMAT_SWEEP, KL_SWEEP)
_ENTRY_POINTS = {
    **dict.fromkeys(FIGURES, "draw_figure"),
    "table1": "make_table",
    "claims": "check_claims",
    "runs": "collect_runs",
    "reward_curves": "collect_reward_curves",
    AUDIT: "audit_scores",
    LEAKS: "collect_leaks",
}
REWARD_CURVES_OF = SAME_TASK  # figure 5: the reward curves of table 1's GRPO runs


@dataclass(frozen=True)
class Evaluation:
    """A checkpoint and the task it is tested on. step: None for the final checkpoint."""

    run: Run
    step: int | None
    tested_on: str

    @property
    def checkpoint(self) -> str:
        """The checkpoint's name: the run's, with the step unless it is the final one."""
        return self.run.name if self.step is None else f"{self.run.name}-step{self.step}"


def answers_file(config: StudyConfig, evaluation: Evaluation) -> str:
    """The evaluation's answers."""
    folder = tested_task(config, evaluation.tested_on)
    return f"answers/{evaluation.checkpoint}/{folder}/answers.jsonl"


def answers_manifest(config: StudyConfig, evaluation: Evaluation) -> str:
    """The manifest of the evaluation's answers."""
    return str(Path(answers_file(config, evaluation)).with_name(MANIFEST))


def scoring(config: StudyConfig, evaluation: Evaluation) -> Stage:
    """What makes the evaluation's scores."""
    return Stage("score", config.tasks[evaluation.tested_on].scorer)


def scores_file(config: StudyConfig, evaluation: Evaluation) -> str:
    """The evaluation's scores."""
    folder = tested_task(config, evaluation.tested_on)
    scorer = config.tasks[evaluation.tested_on].scorer
    return f"scores/{evaluation.checkpoint}/{folder}/{scorer}-{versions.SCORER}.csv"


def leaks_of(config: StudyConfig, evaluation: Evaluation) -> str | None:
    """The report of the test items that the evaluated run was trained on; None for the backbone as it is."""
    if evaluation.run.task is None:
        return None
    trained_on = config.tasks[evaluation.run.task].train
    return leaks_file(config, trained_on, config.tasks[evaluation.tested_on].test)


def evaluation_lineage(config: StudyConfig, evaluation: Evaluation) -> Lineage:
    """The evaluation's scores, answers and leaks, its test set, and all that its run comes from."""
    own = {
        scores_file(config, evaluation): scoring(config, evaluation),
        str(Path(answers_file(config, evaluation)).parent): Stage("generate"),
    }
    if (leaks := leaks_of(config, evaluation)) is not None:
        own[leaks] = FIND_LEAKS
    test = set_lineage(config, config.tasks[evaluation.tested_on].test)
    return own | test | run_lineage(config, evaluation.run)


@per_config
def evaluations(config: StudyConfig, study: str) -> list[Evaluation]:
    """All evaluations of a study, in the order of its runs."""
    grid = config.studies[study]
    found: list[Evaluation] = []
    for run in grid_runs(config, study):
        if isinstance(grid.tested_on, list):
            tasks = grid.tested_on
        elif grid.tested_on == "all":
            tasks = config.own_tasks
        elif grid.tested_on == "own":
            tasks = [run.task] if run.task is not None else grid.tasks
        else:  # the backbone as it is, trained on no task, is tested on all of them
            tasks = [task for task in config.own_tasks if task != run.task]
        steps = (*run.checkpoint_steps, None) if grid.curves else (None,)
        found.extend(Evaluation(run, step, task) for step in steps for task in tasks)
    return found


@per_config
def all_evaluations(config: StudyConfig) -> list[Evaluation]:
    """Every evaluation of every study, each once."""
    found = {
        (evaluation.checkpoint, evaluation.tested_on): evaluation
        for study in config.studies
        for evaluation in evaluations(config, study)
    }
    return list(found.values())


@per_config
def tested_tasks_by_checkpoint(config: StudyConfig) -> dict[str, tuple[Run, int | None, tuple[str, ...]]]:
    """Checkpoint name -> its run, its step and all tasks that one generation job tests it on."""
    found: dict[str, tuple[Run, int | None, tuple[str, ...]]] = {}
    for evaluation in all_evaluations(config):
        tasks = found.get(evaluation.checkpoint, (evaluation.run, None, ()))[2]
        together = tuple(task for task in config.tasks if task in (*tasks, evaluation.tested_on))
        found[evaluation.checkpoint] = (evaluation.run, evaluation.step, together)
    return found


def study_plan(config: StudyConfig, study: str) -> dict[str, Any]:
    """The plan of a study's csv: one entry per evaluation."""
    found = evaluations(config, study)
    return {"exhibit": study, "evaluations": _rows(config, found)}


@per_config
def runs_plan(config: StudyConfig, exhibit: str) -> dict[str, Any]:
    """The plan of `runs.csv` (every run) or `reward_curves.csv` (GRPO's runs of one study)."""
    runs = listed_runs(config, exhibit)
    varied = varied_settings(runs)
    return {"exhibit": exhibit, "runs": [_run_row(config, run, varied[run.name]) for run in runs]}


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
            name: {
                "examples": examples_file(config, config.tasks[name].test),
                "artefacts": sorted(set_lineage(config, config.tasks[name].test)),
            }
            for name in config.own_tasks
        },
    }


def drawn_exhibits(config: StudyConfig) -> dict[str, tuple[str, ...]]:
    """The tables, figures and claims that the config's studies suffice for -> those studies."""
    all_drawn = {"table1": (SAME_TASK,), **FIGURES, "claims": CLAIMS_NEED}
    return {name: needed for name, needed in all_drawn.items() if set(needed) <= set(config.studies)}


def collected_exhibits(config: StudyConfig) -> list[str]:
    """The csv files: one per study, the runs, and the reward curves where their study exists."""
    return [*config.studies, "runs", *(["reward_curves"] if REWARD_CURVES_OF in config.studies else [])]


def all_plans(config: StudyConfig, modules: Modules) -> dict[str, dict[str, Any]]:
    """Exhibit -> its plan. modules: the code that there is, which is part of the plan."""
    plans: dict[str, dict[str, Any]] = {study: study_plan(config, study) for study in config.studies}
    for exhibit in collected_exhibits(config):
        if exhibit not in plans:
            plans[exhibit] = runs_plan(config, exhibit)
    for exhibit, needed in drawn_exhibits(config).items():
        plans[exhibit] = {"exhibit": exhibit, "studies": [plans[study] for study in needed]}
    if "figure2" in plans:
        plans["figure2"] = examples_plan(config)
    if "figure5" in plans:
        plans["figure5"] = {"exhibit": "figure5", "runs": plans["reward_curves"]["runs"]}
    plans[AUDIT] = {
        "exhibit": AUDIT,
        "evaluations": _rows(config, all_evaluations(config)),
    }
    plans[LEAKS] = leaks_plan(config)
    plans |= {data_card(task): data_card_plan(config, task) for task in config.own_tasks}
    return {exhibit: plan | {"code": _code(config, exhibit, modules)} for exhibit, plan in plans.items()}


def _code(config: StudyConfig, exhibit: str, modules: Modules) -> dict[str, str]:
    """What makes an exhibit, and what makes what it is made of -> digest of that code.

    That of the stages before is there because exhibits say what was made by older code.
    """
    if exhibit in config.studies:
        return exhibit_code((entry_point(exhibit),), _study_stages(config, exhibit), modules)
    if exhibit == AUDIT:
        return exhibit_code((entry_point(exhibit),), _stages(config, all_evaluations(config)), modules)
    if exhibit in ("runs", "reward_curves"):
        runs = listed_runs(config, exhibit)
        stages = {stage for run in runs for stage in run_lineage(config, run).values()}
        return exhibit_code((entry_point(exhibit),), stages, modules)
    if exhibit == LEAKS:
        return exhibit_code((entry_point(exhibit),), [FIND_LEAKS], modules)
    for task, declared in config.tasks.items():
        if exhibit == data_card(task):
            sets = [set_lineage(config, source) for source in (declared.train, declared.test)]
            stages = {FIND_LEAKS, *(stage for found in sets for stage in found.values())}
            return exhibit_code((entry_point(exhibit),), stages, modules)
    return _drawn_code(config, exhibit, modules)


def _drawn_code(config: StudyConfig, exhibit: str, modules: Modules) -> dict[str, str]:
    """The code of a table, a figure or the claims, and that of the csv files that it is drawn from."""
    # The program loads a figure's module by its name.
    own = (entry_point(exhibit), *([f"exhibits.{exhibit}"] if exhibit in FIGURES else []))
    if exhibit == "figure2":
        sets = [set_lineage(config, config.tasks[task].test) for task in config.own_tasks]
        return exhibit_code(own, {stage for found in sets for stage in found.values()}, modules)
    csv = ["reward_curves"] if exhibit == "figure5" else drawn_exhibits(config)[exhibit]
    below = {name: code for file in csv for name, code in _code(config, file, modules).items()}
    return below | exhibit_code(own, [], modules)


@per_config
def _study_stages(config: StudyConfig, study: str) -> set[Stage]:
    """What makes all that a study's exhibits are made of."""
    return _stages(config, evaluations(config, study))


def _stages(config: StudyConfig, found: Iterable[Evaluation]) -> set[Stage]:
    return {stage for evaluation in found for stage in evaluation_lineage(config, evaluation).values()}


def entry_point(exhibit: str) -> str:
    """The rule and the program that make an exhibit; a name that is no other's is a study's."""
    if exhibit.startswith(data_card("")):
        return "write_data_card"
    return _ENTRY_POINTS.get(exhibit, "collect_study")


def _rows(config: StudyConfig, found: Sequence[Evaluation]) -> list[dict[str, Any]]:
    varied = varied_settings(evaluation.run for evaluation in found)
    return [_row(config, evaluation, varied[evaluation.run.name]) for evaluation in found]


def point(config: StudyConfig, evaluation: Evaluation) -> str:
    """Digest of all that the evaluation's identity has but the seed: what is tested, and on what."""
    tested = tested_task(config, evaluation.tested_on)
    return digest({"run": evaluation.run.point, "step": evaluation.step, "tested_on": tested})


def _row(config: StudyConfig, evaluation: Evaluation, varied: dict[str, str]) -> dict[str, Any]:
    run = evaluation.run
    return {
        "point": point(config, evaluation),
        "varied": varied,
        "backbone": run.backbone,
        "method": run.method,
        "trained_on": run.task,
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
        "artefacts": sorted(evaluation_lineage(config, evaluation)),
    }


def _run_row(config: StudyConfig, run: Run, varied: dict[str, str]) -> dict[str, Any]:
    return {
        "point": run.point,
        "varied": varied,
        "backbone": run.backbone,
        "run": run.name,
        "method": run.method,
        "task": run.task,
        "seed": run.seed,
        "folder": f"runs/{run.name}",
        "artefacts": sorted(run_lineage(config, run)),
        **_weights(run),
        "settings": run.settings.model_dump(mode="json"),
    }


def _weights(run: Run) -> dict[str, Any]:
    """α and the constant β of a GRPO run, the axes of the sweeps; None where a run has none."""
    if not isinstance(run.settings, GRPO):
        return {"format_weight": None, "kl_weight": None, "kl_schedule": None}
    schedule = run.settings.kl_schedule
    return {
        "format_weight": run.settings.format_weight,
        "kl_weight": schedule.weight if isinstance(schedule, ConstantKL) else None,
        "kl_schedule": schedule.kind,
    }
