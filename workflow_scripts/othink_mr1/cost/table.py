"""The table of costs that `make what-if` prints: a line per kind of training and per task that is tested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from othink_mr1.config.sources import SmallBackbone
from othink_mr1.config.study import StudyConfig
from othink_mr1.cost.assumptions import (
    EVALUATION_BATCH,
    MEAN_BY_LONGEST,
    SHARE_OF_BANDWIDTH,
    SHARE_OF_PEAK,
)
from othink_mr1.cost.cards import SHOWN
from othink_mr1.cost.costs import Cost, evaluation_cost, pretraining_cost, run_cost
from othink_mr1.cost.set_lengths import set_lengths
from othink_mr1.errors import UserError
from othink_mr1.plan.data import used_backbones
from othink_mr1.plan.evaluations import all_evaluations, answers_file
from othink_mr1.plan.folders import backbone_folder
from othink_mr1.plan.runs import all_runs, varied_settings, varied_text

_WIDTHS = (35, 4, 8, 8, 10, 11, *(7 for _ in SHOWN))
_WIDTH = sum(_WIDTHS) + 2
_HEAD = (
    "cost (how: docs/cost.md)",
    "n",
    "FLOP",
    "GPU GB",
    "stays GB",
    "states GB",
    *(f"h {card.name.split()[0]}" for card in SHOWN),
)


@dataclass(frozen=True)
class Job:
    """A job that computes with a model: its folder below the results, its line of the table, its cost."""

    folder: str
    line: str
    stage: str  # its part of `execution`
    cost: Cost


def study_jobs(config: StudyConfig) -> tuple[list[Job], list[str]]:
    """All jobs of a study, whether their results are there or not; and why others have no known cost."""
    jobs, problems = [], []
    backbones = used_backbones(config)

    def of(backbone: str) -> str:
        return f" {backbone}" if len(backbones) > 1 else ""

    for name in backbones:
        if isinstance(config.backbones[name], SmallBackbone):
            cost = pretraining_cost(config, name)
            jobs.append(Job(backbone_folder(config, name), f"{name} pretraining", "pretrain", cost))
    for run in (run for run in all_runs(config) if run.trained):
        line = f"{run.task} {run.method}{of(run.backbone)}"
        try:
            jobs.append(Job(f"runs/{run.name}", line, "train", run_cost(config, run)))
        except UserError as error:
            problems.append(str(error))
    for evaluation in all_evaluations(config):
        folder = answers_file(config, evaluation).rpartition("/")[0]
        line = f"answers: {evaluation.tested_on}{of(evaluation.run.weights)}"
        try:
            jobs.append(Job(folder, line, "generate", evaluation_cost(config, evaluation)))
        except UserError as error:
            problems.append(str(error))
    return jobs, list(dict.fromkeys(problems))


def cost_table(config: StudyConfig, pending: Collection[str] | None = None) -> Iterator[str]:
    """The lines. pending: folders below the results of what would run; None: all of the study, no more."""
    jobs, problems = study_jobs(config)
    run = jobs if pending is None else [job for job in jobs if job.folder in pending]
    yield from _row(*_HEAD)
    lines: dict[tuple[str, Cost], list[Job]] = defaultdict(list)
    for job in run:
        lines[job.line, job.cost].append(job)
    settings = varied_settings(all_runs(config))
    for (line, cost), alike in lines.items():
        others = [
            job for (name, its), found in lines.items() if name == line and its != cost for job in found
        ]
        yield from _summed(config, f"{line}{_difference(alike, others, settings)}", alike)
    if pending is not None:
        yield from _summed(config, "all of these", run)
    yield from _summed(config, "the whole study", jobs)
    yield from problems
    yield from _notes(config, jobs)


def _difference(alike: Sequence[Job], others: Sequence[Job], settings: Mapping[str, dict[str, str]]) -> str:
    """What distinguishes trainings from others of their task and method whose cost differs."""

    def of(job: Job) -> set[tuple[str, str]]:
        return set(settings.get(job.folder.removeprefix("runs/"), {}).items())

    if not others:
        return ""
    own = of(alike[0]).intersection(*map(of, alike)).difference(*map(of, others))
    return f", {varied_text(dict(sorted(own)))}" if own else ""


def _summed(config: StudyConfig, line: str, jobs: Sequence[Job]) -> Iterator[str]:
    """A row of sums; memory, and states, which only running trainings have, of the largest job."""
    on_gpu = [job for job in jobs if getattr(config.execution, job.stage).gpus]
    memory = max((job.cost.gpu for job in on_gpu), default=0.0)
    hours = [sum(job.cost.hours(card) for job in on_gpu) for card in SHOWN]
    yield from _row(
        line,
        f"{len(jobs):,}",
        scaled(sum(job.cost.flop for job in jobs)),
        _gb(memory),
        _gb(sum(job.cost.stays for job in jobs)),
        _gb(max((job.cost.states for job in jobs), default=0.0)),
        *(
            f"{_short(spent)}{'!' if memory > card.memory_gb * 1e9 else ''}" if on_gpu else "-"
            for spent, card in zip(hours, SHOWN, strict=True)
        ),
    )


def _notes(config: StudyConfig, jobs: Sequence[Job]) -> Iterator[str]:
    """What the numbers assume."""
    said = ["n: jobs. stays GB: checkpoints. GPU GB, and states GB while it trains: of the largest job."]
    if any(getattr(config.execution, job.stage).gpus for job in jobs):
        peaks = ", ".join(f"{card.name} {card.tflops:g}" for card in SHOWN)
        said.append(
            f"h: GPU-hours at {SHARE_OF_PEAK:g} of the bf16 peak ({peaks} TFLOP/s), decoding at "
            f"{SHARE_OF_BANDWIDTH:g} of the memory bandwidth. Both shares are estimates and were never "
            "measured; starting kernels, sampling and saving take more. !: more than the card's memory, by "
            "this estimate."
        )
    else:
        said.append("No memory and hours of a GPU: `execution` runs these jobs on the CPU.")
    said.append(
        f"Assumed: answers have {MEAN_BY_LONGEST:g} of the longest length on average; an evaluation makes "
        f"{EVALUATION_BATCH} at a time; tokens of a picture, and of the whole prompt:"
    )
    for paragraph in said:
        yield from wrap(paragraph, _WIDTH)
    used = (name for task in config.tasks.values() for name in (task.train, task.test))
    sets = dict.fromkeys(map(config.whole_set, used))
    for name in sets:
        found = set_lengths(config, name)
        yield f"  {found.said}: {found.image}, {found.prompt}"


def scaled(number: float) -> str:
    """Three digits and a prefix: 3.52 E (1e18), 61 P, 12 T."""
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M")):
        if number >= 10**power:
            return f"{_short(number / 10**power)} {prefix}"
    return f"{number:.0f}"


def _gb(number: float) -> str:
    return _short(number / 1e9) if number else "-"


def _short(number: float) -> str:
    """Three digits at least."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _row(first: str, *cells: str) -> Iterator[str]:
    """A line; two if the first cell is too long."""
    if len(first) > _WIDTHS[0]:
        yield f"  {first}"
        first = ""
    ordered = (cell.rjust(width) for cell, width in zip(cells, _WIDTHS[1:], strict=True))
    yield f"  {first.ljust(_WIDTHS[0])}{''.join(ordered)}"
