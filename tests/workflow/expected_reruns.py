"""What a changed value must make anew, from its path in config.yaml and from the shape of the study.

Nothing here looks at identities or at the config's models: what a value makes anew first is looked up among
the names that a dry run of the unchanged study prints, and what depends on it follows the edges that
Snakemake prints. Grids are expanded by a small model of its own (`Grids`), as changed grids have points that
the unchanged study has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from forked_snakemake import DryJob

_DIGEST = re.compile(r"-[0-9a-f]{10}(?=[-/.]|$)")
_SCORES = re.compile(r"^(scores/[^/]+/[^/]+)/.*")

# A value's path -> what is made anew first; what is made of that follows. The first row that fits holds.
# name: the path's second key. value: before the change. images: of the source that the value names.
_DRAWN, _REPORT = r"(figures|tables)/.*", r"report\.html"
_FIRST_ANEW = {
    r"execution\..*": [],
    r"sources\.\w+\.(base_url|path|expect_rows)": [],
    r"preparation\.largest_unusable_share": [],
    r"results": [r".*"],
    r"backbone": [r"backbones/{value}-\*/.*"],
    r"backbones\..*": [r"backbones/{name}-\*/.*"],
    r"seeds\..*": [r"runs/.*"],
    r"sources\.\w+\.(prompts|images)": [r"data/{name}-\*/manifest.json"],
    r"sources\..*": [r"raw/{name}-\*/.*"],
    r"preparation\..*": [r"data/[^/]+/manifest.json"],
    r"tasks\.\w+\.train": [r"raw/{value}-\*/.*"],
    r"tasks\.\w+\.test": [r"raw/{images}-\*/.*"],
    r"tasks\.\w+\.train_prompt": [r"runs/{name}-.*", r"data/{name}\.md"],
    r"tasks\.\w+\.test_prompt": [r"answers/[^/]+/{name}-.*", r"data/{name}\.md"],
    r"tasks\.\w+\.max_new_tokens": [r"answers/[^/]+/{name}-.*"],
    r"tasks\.\w+\.scorer": [r"runs/{name}-grpo.*", r"scores/[^/]+/{name}-.*"],  # it is the reward, too
    r"evaluation\..*": [r"answers/.*"],
    r"exhibits\.note": [
        r"[a-z_]+_(task|sweep)\.csv",
        r"learning_curves\.csv",
        r"claims\.csv",
        _DRAWN,
        _REPORT,
    ],
    r"exhibits\.proposed": [r"tables/table1\..*", r"figures/figure[38]\..*", _REPORT],
    r"exhibits\.baselines\..*": [r"tables/table1\..*", _REPORT],
    r"exhibits\.against": [r"figures/figure[38]\..*", _REPORT],
    r"exhibits\.cases": [r"figures/figure[38]\..*"],
}

Files = tuple[str, ...]
JobKey = tuple[str, Files]


def plain(file: str, root: str = "results/") -> str:
    """A file's name without the results root, digests and the scorer's version."""
    return _SCORES.sub(r"\1/*", _DIGEST.sub("-*", file.removeprefix(root)))


def keys(
    jobs: Iterable[DryJob], root: str = "results/", renamed: dict[str, str] | None = None
) -> set[JobKey]:
    """Rule and outputs of each job. renamed: parts of names that the change changes -> as they were."""
    found = set()
    for job in jobs:
        outputs = tuple(plain(file, root) for file in job.outputs)
        for new, old in (renamed or {}).items():
            outputs = tuple(file.replace(new, old) for file in outputs)
        found.add((job.rule, outputs))
    return found


class Graph:
    """The jobs of the unchanged study, all of them, as a dry run in an empty results root prints them."""

    def __init__(self, jobs: Iterable[DryJob]) -> None:
        self.jobs = [
            DryJob(job.rule, tuple(map(plain, job.inputs)), tuple(map(plain, job.outputs))) for job in jobs
        ]
        self.files = [file for job in self.jobs for file in job.outputs]

    def all(self) -> set[JobKey]:
        return {(job.rule, job.outputs) for job in self.jobs}

    def matching(self, pattern: str) -> set[str]:
        """The files whose whole name matches a regular expression."""
        return {file for file in self.files if re.fullmatch(pattern, file)}

    def after(self, files: set[str]) -> set[JobKey]:
        """The jobs that make the files and all that is made of them."""
        made = set(files)
        while True:
            more = {output for job in self.jobs if made.intersection(job.inputs) for output in job.outputs}
            if more <= made:
                break
            made |= more
        return {(job.rule, job.outputs) for job in self.jobs if made.intersection(job.outputs)}


class Point(NamedTuple):
    """A run by what tells it from others; weights as they stand in its name."""

    method: str
    task: str | None
    seed: int | None = None
    alpha: str | None = None
    beta: str | None = None

    def name(self) -> str:
        if self.task is None:
            return "base-*"
        weights = [f"{key}{value}" for key, value in (("alpha", self.alpha), ("beta", self.beta)) if value]
        return "-".join([self.task, self.method, *weights, f"s{self.seed}", "*"])


@dataclass(frozen=True)
class Grids:
    """The grids of a config, as it is written (its merged YAML)."""

    config: dict[str, Any]

    def chain(self, method: str) -> list[str]:
        """The method and those that it inherits from, the first of these first."""
        parent = self.config["methods"][method].get("inherits")
        return [*(self.chain(parent) if parent else []), method]

    def layers(self, method: str, task: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
        """Where a method's settings for a task are written, the weakest place first."""
        methods = self.config["methods"]
        found = []
        for name in self.chain(method):
            found.append((("methods", name), methods[name]))
            found.append((("methods", name, "by_task", task), methods[name].get("by_task", {}).get(task, {})))
        return found

    def setting(self, method: str, task: str, *path: str) -> tuple[Any, tuple[str, ...]]:
        """A setting's value and where it is written; (None, ()) if the method has none."""
        value, place, kind = None, (), None
        for where, layer in self.layers(method, task):
            here: Any = layer
            for key in path[:-1]:
                here = here.get(key, {})
            if path[:-1] and here.get("kind", kind) != kind:
                value, place, kind = None, (), here["kind"]
            if path[-1] in here:
                value, place = here[path[-1]], (*where, *path)
        return value, place

    def points(self, study: str) -> list[Point]:
        grid = self.config["studies"][study]
        found: dict[Point, None] = {}
        for method in grid["methods"]:
            if self.config["methods"][method].get("trainer") == "none":
                found[Point(method, None)] = None
                continue
            for task in grid["tasks"]:
                for seed in self.config["seeds"]:
                    for changes in _combinations(grid):
                        found[self._point(method, task, seed, changes)] = None
        return list(found)

    def all_points(self) -> list[Point]:
        return list(dict.fromkeys(point for study in self.config["studies"] for point in self.points(study)))

    def evaluations(self, study: str) -> list[tuple[Point, int | None, str]]:
        """Run, step (None: the last) and task of each test of a study."""
        grid = self.config["studies"][study]
        found = []
        for point in self.points(study):
            tasks = list(self.config["tasks"])
            if grid["tested_on"] == "own":
                tasks = [point.task] if point.task else grid["tasks"]
            elif grid["tested_on"] == "other":
                tasks = [task for task in tasks if task != point.task]
            steps: list[int | None] = [None]
            if grid.get("curves") and point.task:
                steps = [*self.setting(point.method, point.task, "checkpoint_steps")[0], None]
            found += [(point, step, task) for step in steps for task in tasks]
        return found

    def all_evaluations(self) -> list[tuple[Point, int | None, str]]:
        return list(
            dict.fromkeys(test for study in self.config["studies"] for test in self.evaluations(study))
        )

    def _point(self, method: str, task: str, seed: int, changes: dict[str, Any]) -> Point:
        if not any(name == "grpo" for name in self.chain(method)):
            return Point(method, task, seed)
        alpha = changes.get("format_weight", self.setting(method, task, "format_weight")[0])
        weight = self.setting(method, task, "kl_schedule", "weight")[0]
        beta = changes.get("kl_schedule.weight", weight)
        return Point(method, task, seed, f"{alpha:g}", None if weight is None else f"{beta:g}")


def _combinations(grid: dict[str, Any]) -> list[dict[str, Any]]:
    found = [dict(grid.get("fix", {}))]
    for setting, values in grid.get("vary", {}).items():
        found = [{**changes, setting: value} for value in values for changes in found]
    return found


def after_changed_grids(graph: Graph, before: Grids, after: Grids) -> set[JobKey]:
    """What runs when points or tests of grids changed and nothing else did."""
    points, tests = set(before.all_points()), set(before.all_evaluations())
    found: set[JobKey] = set()
    for point in after.all_points():
        if point not in points:
            rule = "train_sft" if point.method == "sft" else "train_grpo"
            found.add((rule, (f"runs/{point.name()}/manifest.json",)))
    for point, step, task in after.all_evaluations():
        if (point, step, task) not in tests:
            name = _checkpoint(point, step)
            found.add(("generate_answers", (f"answers/{name}/{task}-*/manifest.json",)))
            found.add(("score_answers", (f"scores/{name}/{task}-*/*",)))
    redrawn = {
        f"{study}.csv"
        for study in after.config["studies"]
        if after.evaluations(study) != before.evaluations(study)
    }
    if "same_task.csv" in redrawn:
        redrawn.add("figures/counts.svg")  # made of its answers
    if after.all_points() != before.all_points():
        redrawn |= {"runs.csv", "report.html"}
    if after.all_evaluations() != before.all_evaluations():
        redrawn |= {"scorer_audit.csv", "report.html"}
    if _rewarded(after) != _rewarded(before):
        redrawn.add("reward_curves.csv")
    return found | graph.after(redrawn)


def _checkpoint(point: Point, step: int | None) -> str:
    return point.name() if step is None else f"{point.name()}-step{step}"


def _rewarded(grids: Grids) -> list[Point]:
    return [point for point in grids.points("same_task") if "grpo" in point.method]


def expected(graph: Graph, path: tuple[str | int, ...], before: Grids, after: Grids) -> set[JobKey]:
    """The jobs that must run after a change of the value at the path, and no others."""
    if path[0] == "studies" or (path[0] == "methods" and before.all_points() != after.all_points()):
        return after_changed_grids(graph, before, after)
    if path[0] == "methods":
        return graph.after(_runs_with(graph, tuple(key for key in path if isinstance(key, str)), before))
    value: Any = before.config
    for key in path:
        value = value[key]
    dotted = ".".join(map(str, path))
    first = next((rows for row, rows in _FIRST_ANEW.items() if re.fullmatch(row, dotted)), None)
    assert first is not None, f"{dotted}: say in _FIRST_ANEW what it makes anew"
    source = before.config["sources"].get(value) if isinstance(value, str) else None
    names = {"name": path[1] if len(path) > 1 else "", "value": value, "images": (source or {}).get("images")}
    return graph.after({file for pattern in first for file in graph.matching(pattern.format(**names))})


def _runs_with(graph: Graph, path: tuple[str, ...], grids: Grids) -> set[str]:
    """The runs whose setting is the one that is written at the path."""
    below = 4 if "by_task" in path else 2
    setting = path[below:]
    return {
        file
        for point in grids.all_points()
        if point.task and grids.setting(point.method, point.task, *setting)[1] == path
        for file in graph.matching(re.escape(f"runs/{point.name()}/manifest.json"))
    }
