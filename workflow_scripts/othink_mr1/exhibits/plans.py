"""The plan files, which list an exhibit's inputs. Paths in them are relative to the results root."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from othink_mr1.errors import UserError
from othink_mr1.plan.runs import varied_text


class _Entry(BaseModel):
    # Plans have more keys than are read here: the others are not an error.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _OfPoint(_Entry):
    """An entry that is averaged with the other seeds of its point."""

    point: str = Field(description="digest of the identity without the seed")
    varied: dict[str, str] = Field(description="settings in which the exhibit's runs of this method differ")
    backbone: str
    method: str
    run: str
    format_weight: float | None
    kl_weight: float | None = Field(description="β where it is constant")
    kl_schedule: str | None


class EvaluationEntry(_OfPoint):
    """A checkpoint and the task it is tested on."""

    trained_on: str | None = Field(description="None for the backbone as it is")
    tested_on: str
    seed: int | None
    step: int | None = Field(description="None for the final checkpoint")
    steps: int = Field(description="length of the run in optimiser updates; 0 without training")
    scores: str
    answers: str
    examples: str
    leaks: str | None = Field(description="the test items that the run was trained on; None for the backbone")

    def columns(self) -> dict[str, Any]:
        """All but the paths, as in a csv: text that does not apply is ""."""
        return {
            **self.model_dump(exclude={"scores", "answers", "examples", "leaks"}),
            "varied": varied_text(self.varied),
            "trained_on": self.trained_on or "",
            "kl_schedule": self.kl_schedule or "",
            "seed": "" if self.seed is None else str(self.seed),
        }


def lowest_seeds(entries: Iterable[EvaluationEntry]) -> list[EvaluationEntry]:
    """The final checkpoint of each backbone, method, setting and pair of tasks, of the lowest seed."""
    chosen: dict[tuple[str | None, ...], EvaluationEntry] = {}
    for entry in entries:
        if entry.step is None:
            setting = varied_text(entry.varied)
            key = (entry.backbone, entry.method, setting, entry.trained_on, entry.tested_on)
            if key not in chosen or (entry.seed or 0) < (chosen[key].seed or 0):
                chosen[key] = entry
    return list(chosen.values())


class NotedPlan(_Entry):
    """Any plan whose exhibit shows the study's note."""

    note: str = Field("", description="what a reader should know first; empty if there is nothing")


class StudyPlan(NotedPlan):
    """The inputs of a study's csv, or of the scorer audit, which has the evaluations of all studies."""

    exhibit: str = Field(description="the study's name")
    evaluations: list[EvaluationEntry] = Field(min_length=1)


class StudiesPlan(NotedPlan):
    """The studies that an exhibit is made of."""

    studies: list[StudyPlan] = Field(min_length=1)


class ComparedTask(_Entry):
    """A task that methods are trained on: the names under which it is tested."""

    own: str = Field(description="the task itself")
    validation: str = Field(description="its validation items")


class Compared(_Entry):
    """How a comparison of methods is read."""

    baseline: str = Field(description="the method with which the others are compared")
    tasks: dict[str, ComparedTask]


class ComparisonPlan(Compared, NotedPlan):
    """The inputs of a comparison of methods, each with the best of its candidate settings."""

    study: StudyPlan


class CasesPlan(StudiesPlan):
    """The studies from which figures 3 and 8 choose cases."""

    proposed: str = Field(description="the method that the study proposes")
    against: str = Field(description="the method whose answers stand beside it")
    cases: int = Field(description="items per pair of tasks")


class TablePlan(NotedPlan):
    """What table 1 marks."""

    proposed: str
    baselines: list[str] = Field(description="the best of these is underlined")


class ExamplesEntry(_Entry):
    """A task's test set."""

    examples: str


class ExamplesPlan(_Entry):
    """The inputs of figure 2."""

    tasks: dict[str, ExamplesEntry] = Field(min_length=1)


class RunEntry(_OfPoint):
    """A trained run."""

    task: str
    seed: int
    folder: str
    settings: dict[str, Any]


class RunsPlan(_Entry):
    """The inputs of runs.csv and reward_curves.csv. Empty if the study trains nothing."""

    runs: list[RunEntry]


class ReportPlan(TablePlan):
    """What report.html is made of. Whatever of it is not there yet is shown as missing."""

    backbone: str = Field(description="whose results the page shows")
    against: str = Field(description="the method with which the proposed one is compared item by item")
    studies: list[StudyPlan]
    runs: list[RunEntry]
    compared: dict[str, Compared] = Field({}, description="the studies whose methods are compared")


class LeaksPair(_Entry):
    """A training and a test set."""

    train_task: str
    test_task: str
    leaks: str


class LeaksPlan(_Entry):
    """The inputs of leaks.csv."""

    pairs: list[LeaksPair]


class DataSet(_Entry):
    """A task's training or test set."""

    source: str = Field(description="its name in the config")
    folder: str
    raw: list[str] = Field(description="the folders of its raw files")


class Prompts(_Entry):
    """The texts around the questions."""

    train: str
    test: str


class DataCardPlan(_Entry):
    """The inputs of a task's data card."""

    task: str
    train: DataSet
    test: DataSet
    prompts: Prompts
    leaks: str


Plan = TypeVar("Plan", bound=_Entry)


def read_plan(path: Path, kind: type[Plan]) -> Plan:
    """Read and check a plan file. UserError names the file and the first key that is wrong."""
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:  # before ValueError, its base class
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {key}: {first['msg']}; let snakemake write the plan again") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is not JSON; let snakemake write the plan again") from None
