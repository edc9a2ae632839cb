"""Evaluations: which checkpoint is tested on which task, and the paths of its answers and scores."""

from __future__ import annotations

from dataclasses import dataclass

from othink_mr1.config.study import StudyConfig, validation_of
from othink_mr1.plan import versions
from othink_mr1.plan.folders import leaks_file, tested_task
from othink_mr1.plan.identity import digest
from othink_mr1.plan.per_config import per_config
from othink_mr1.plan.runs import Run, grid_runs


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
    folder = tested_task(config, evaluation.tested_on)
    return f"answers/{evaluation.checkpoint}/{folder}/answers.jsonl"


def scores_file(config: StudyConfig, evaluation: Evaluation) -> str:
    folder = tested_task(config, evaluation.tested_on)
    scorer = config.tasks[evaluation.tested_on].scorer
    return f"scores/{evaluation.checkpoint}/{folder}/{scorer}-{versions.SCORER}.csv"


def leaks_of(config: StudyConfig, evaluation: Evaluation) -> str | None:
    """The report of test items in the evaluated run's training set; None for the untrained backbone."""
    if evaluation.run.task is None:
        return None
    trained_on = config.tasks[evaluation.run.task].train
    return leaks_file(config, trained_on, config.tasks[evaluation.tested_on].test)


@per_config
def evaluations(config: StudyConfig, study: str) -> list[Evaluation]:
    """All evaluations of a study, in the order of its runs."""
    grid = config.studies[study]
    found: list[Evaluation] = []
    for run in grid_runs(config, study):
        if grid.choice is not None and run.task is not None and run.seed in grid.choice.seeds:
            tasks = [validation_of(run.task)]
        elif isinstance(grid.tested_on, list):
            tasks = grid.tested_on
        elif grid.tested_on == "all":
            tasks = config.own_tasks
        elif grid.tested_on == "own":
            tasks = [run.shown_task] if run.shown_task is not None else grid.tasks
        else:  # the untrained backbone is tested on all tasks
            own = run.shown_task and (config.tasks[run.shown_task].variant_of or run.shown_task)
            tasks = [task for task in config.own_tasks if task != own]
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


def point(config: StudyConfig, evaluation: Evaluation) -> str:
    """Digest of the evaluation's identity without the seed: what is tested, and on what."""
    tested = tested_task(config, evaluation.tested_on)
    return digest({"run": evaluation.run.point, "step": evaluation.step, "tested_on": tested})
