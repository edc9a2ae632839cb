"""The study as tables, in which the rules look up the names in their paths.

Every name here is part of a path below the results root, with its digest.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from othink_mr1.config.sources import (
    LocalSource,
    PartSource,
    PromptsSource,
    RenderedSource,
    SmallBackbone,
    TableSource,
)
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.data import raw_parts
from othink_mr1.plan.evaluations import Evaluation, all_evaluations, evaluations, leaks_of, scores_file
from othink_mr1.plan.folders import backbone_folder, data_folder, leaks_file, raw_folder, tested_task
from othink_mr1.plan.identity import canonical, local_content
from othink_mr1.plan.runs import all_runs, description

Row = TypeVar("Row")


class Table(dict[str, Row], Generic[Row]):
    """Rows by name. UserError for a name that the config does not define."""

    def __missing__(self, name: str) -> Row:
        raise UserError(f"{name}: this config defines no such name; `snakemake -n all` lists what it defines")


@dataclass(frozen=True)
class RawFolder:
    """raw/<name>. kind: the source's; settings: the source's, as JSON."""

    kind: str
    settings: str


@dataclass(frozen=True)
class DataFolder:
    """data/<name>. raw: names of the raw sets that it is made from, prompts before images.

    arguments: for the preparation's command line.
    """

    raw: tuple[str, ...]
    arguments: str


@dataclass(frozen=True)
class PartFolder:
    """data/<name>, a part of a prepared training set. whole: that set. arguments: for the command line."""

    whole: str
    arguments: str


@dataclass(frozen=True)
class BackboneFolder:
    """backbones/<name>. kind: hub, local or pretrained; settings: as JSON.

    examples: share of the pretraining -> data set. content: sha256 of a local one's files, else empty.
    """

    kind: str
    settings: str
    examples: dict[str, str]
    content: str


@dataclass(frozen=True)
class RunFolder:
    """runs/<name>. settings: the run's description for the training, as JSON."""

    examples: str
    backbone: str
    settings: str


@dataclass(frozen=True)
class AnswersFolder:
    """answers/<checkpoint>/<tested_task>: a checkpoint's answers on a task.

    made_of: the folder of its run or backbone; weights: their path in that folder (`.`: the folder itself).
    examples: the test set. task: the task's description for the generation, as JSON. scores: the name of the
    scores file. leaks: the leak report of training and test set; None for the untrained backbone.
    """

    checkpoint: str
    tested_task: str
    made_of: str
    weights: str
    examples: str
    task: str
    scorer: str
    scores: str
    leaks: str | None


@dataclass(frozen=True)
class LeakReport:
    """data/leaks/<name>.csv. train, test: data sets. arguments: source names, for the command line."""

    train: str
    test: str
    arguments: str


def raw_sets(config: StudyConfig) -> Table[RawFolder]:
    """All downloaded and rendered sets."""
    return Table(
        (
            Path(raw_folder(config, name)).name,
            RawFolder(source.kind, canonical(source.model_dump(mode="json"))),
        )
        for name, source in config.sources.items()
        if not isinstance(source, PromptsSource | PartSource | LocalSource)
    )


def data_sets(config: StudyConfig) -> Table[DataFolder]:
    """All sets that are prepared from raw ones."""
    return Table(
        (
            Path(data_folder(config, name)).name,
            DataFolder(
                tuple(Path(raw_folder(config, part)).name for part in raw_parts(config, name).values()),
                _preparation(config, name),
            ),
        )
        for name, source in config.sources.items()
        if not isinstance(source, PartSource)
    )


def parts(config: StudyConfig) -> Table[PartFolder]:
    """The validation items, and the rest, of training sets that are split."""
    return Table(
        (
            Path(data_folder(config, name)).name,
            PartFolder(
                Path(data_folder(config, source.of)).name,
                f"--part {source.part} --share {source.validation.share!r} --seed {source.validation.seed}",
            ),
        )
        for name, source in config.sources.items()
        if isinstance(source, PartSource)
    )


def backbones(config: StudyConfig) -> Table[BackboneFolder]:
    """All backbones from which runs start."""
    return Table(
        (
            Path(backbone_folder(config, name)).name,
            BackboneFolder(
                backbone.kind,
                canonical(backbone.model_dump(mode="json")),
                {
                    share: Path(data_folder(config, declared.source)).name
                    for share, declared in (
                        backbone.pretraining.items() if isinstance(backbone, SmallBackbone) else ()
                    )
                },
                local_content(config, name, "backbones") if backbone.kind == "local" else "",
            ),
        )
        for name, backbone in config.backbones.items()
    )


def runs(config: StudyConfig, trainer: str | None = None) -> Table[RunFolder]:
    """All trained runs, or those of one trainer."""
    return Table(
        (
            run.name,
            RunFolder(
                Path(data_folder(config, config.tasks[run.task].train)).name,
                Path(backbone_folder(config, run.backbone)).name,
                canonical(description(config, run).model_dump(mode="json")),
            ),
        )
        for run in all_runs(config)
        if run.task is not None and trainer in (None, run.settings.trainer)
    )


def answers(config: StudyConfig) -> Table[list[AnswersFolder]]:
    """Study -> the answers that its exhibits use."""
    return Table(
        (study, [_answers(config, evaluation) for evaluation in evaluations(config, study)])
        for study in config.studies
    )


def answers_by_folder(studies: Mapping[str, list[AnswersFolder]]) -> Table[AnswersFolder]:
    """`<checkpoint>/<tested task>` -> the answers; answers used by several studies appear once."""
    return Table((f"{one.checkpoint}/{one.tested_task}", one) for found in studies.values() for one in found)


def leak_pairs(config: StudyConfig) -> Table[LeakReport]:
    """The pairs of a training set and a test set: of all tasks without variants, and of all evaluations."""
    tasks = [(trained, tested) for trained in config.own_tasks for tested in config.own_tasks]
    tasks += [(found.run.task, found.tested_on) for found in all_evaluations(config) if found.run.task]
    pairs: Table[LeakReport] = Table()
    for train, test in dict.fromkeys((config.tasks[a].train, config.tasks[b].test) for a, b in tasks):
        # If both are rendered here, a shared picture is a mistake. Real sets may share some.
        drawn = all(
            isinstance(config.sources[config.whole_set(name)], RenderedSource) for name in (train, test)
        )
        pairs[Path(leaks_file(config, train, test)).stem] = LeakReport(
            Path(data_folder(config, train)).name,
            Path(data_folder(config, test)).name,
            f"--train-name {train} --test-name {test}{' --refuse' if drawn else ''}",
        )
    return pairs


def sets_of_task(config: StudyConfig, task: str) -> list[str]:
    """The training set and the test set of a task."""
    declared = config.tasks[task]
    return [Path(data_folder(config, name)).name for name in (declared.train, declared.test)]


def raw_of_task(config: StudyConfig, task: str) -> list[str]:
    """The raw sets of a task's training set and of its test set."""
    declared = config.tasks[task]
    parts_of = (raw_parts(config, name).values() for name in (declared.train, declared.test))
    return [Path(raw_folder(config, part)).name for found in parts_of for part in found]


def leak_pair_of_task(config: StudyConfig, task: str) -> str:
    """The leak report of a task's two sets."""
    declared = config.tasks[task]
    return Path(leaks_file(config, declared.train, declared.test)).stem


def any_of(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names, or nothing if there are none."""
    return "|".join(re.escape(name) for name in sorted(names)) or "(?!)"


def any_digest_of(names: Iterable[str]) -> str:
    """Like any_of for names of runs, but matches any seed and digest.

    Snakemake inserts the expression into each path pattern: with a list of all names, planning time would
    grow with the square of their number.
    """
    beginnings = {re.escape(name.rsplit("-", 2)[0]) for name in names}
    return "|".join(rf"{beginning}-s\d+-[0-9a-f]+" for beginning in sorted(beginnings)) or "(?!)"


def _answers(config: StudyConfig, evaluation: Evaluation) -> AnswersFolder:
    run, name = evaluation.run, evaluation.tested_on
    task = config.tasks[name]
    told = {"name": name, "prompt": task.test_prompt, "max_new_tokens": task.max_new_tokens}
    step = "checkpoint" if evaluation.step is None else f"checkpoint-{evaluation.step}"
    leaks = leaks_of(config, evaluation)
    return AnswersFolder(
        checkpoint=evaluation.checkpoint,
        tested_task=tested_task(config, name),
        made_of=f"runs/{run.name}" if run.trained else backbone_folder(config, run.weights),
        weights=step if run.trained else ".",
        examples=Path(data_folder(config, task.test)).name,
        task=canonical(told),
        scorer=f"{name}={task.scorer}",
        scores=Path(scores_file(config, evaluation)).stem,
        leaks=Path(leaks).stem if leaks is not None else None,
    )


def _preparation(config: StudyConfig, name: str) -> str:
    source, limits = config.sources[name], config.preparation
    prompts = isinstance(source, PromptsSource) or (
        isinstance(source, RenderedSource) and source.split == "test"
    )
    is_test = name in {task.test for task in config.tasks.values()}
    parts = [
        f"--form {'prompts' if prompts else 'table'} --max-pixels {limits.max_pixels}",
        f"--max-prompt-tokens {limits.max_prompt_tokens}",
        f"--largest-unusable-share {0.0 if is_test else limits.largest_unusable_share}",
    ]
    if isinstance(source, TableSource):
        choice = source.model_dump(mode="json", include={"columns", "split", "config"})
        parts.append(f"--table {shlex.quote(canonical(choice))}")
    if isinstance(source, LocalSource):
        parts.append(f"--local {shlex.quote(source.path)} --sha256 {local_content(config, name)}")
    scorers = {
        task.scorer
        for task in config.tasks.values()
        if name in map(config.whole_set, (task.train, task.test))
    }
    if scorers:
        parts.append(f"--scorers {' '.join(sorted(scorers))}")
    if isinstance(source, PromptsSource):
        parts.append(f"--expect-rows {source.expect_rows}")
    if isinstance(source, RenderedSource):
        parts.append(f"--expect-rows {source.items}")
    return " ".join(parts)
