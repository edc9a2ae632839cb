"""Every value of config.yaml is changed, one at a time: what Snakemake then plans is what its field declares.

The paper's study is complete, by placeholders. Expected is what the config's fields declare (study/reruns.py,
expected_reruns.py); planned is what `snakemake -n all` prints; `what_if` must say the same as that, file by file.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from expected_reruns import Graph, Grids, after_changed_grids, keys, seeds
from forked_snakemake import DryJob, dry_run
from othink_mr1.errors import UserError
from othink_mr1.study.config import StudyConfig
from othink_mr1.study.load_config import load_study
from othink_mr1.study.needs import needs_of
from othink_mr1.study.reruns import Branch, Leaf, RerunsNothing, Stage, leaves
from othink_mr1.study.workflow import Study
from placeholder_results import write_placeholders
from snakemake_runs import REPOSITORY, copy_repository

pytestmark = pytest.mark.workflow

PAPER: dict[str, Any] = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
DECLARED = list(leaves(StudyConfig))
# What tells entries of different kinds from another: they have other keys, too, so alone it cannot be changed.
TELLING = ("kind", "trainer", "inherits", "gpus")


Keys = tuple[str | int, ...]


def scalars(content: Any, path: Keys = ()) -> Iterator[Keys]:
    """The path of every value, those within lists by their number."""
    entries: Any = ()
    if isinstance(content, dict):
        entries = content.items()
    elif isinstance(content, list):
        entries = enumerate(content)
    else:
        yield path
    for key, value in entries:
        yield from scalars(value, (*path, key))


def declared(path: Keys, content: Any = PAPER) -> Leaf:
    """The field of the config's models that a value is of."""
    found = [leaf for leaf in DECLARED if _fits(leaf, path) and _has_kind(leaf, path, content)]
    assert found, f"{path}: no field declares what it reruns"
    return found[0]


def _fits(leaf: Leaf, path: Keys) -> bool:
    """Whether a value is a field's, or is in its list or mapping; by_task holds the same settings again."""
    keys = [key for key in path if isinstance(key, str)]
    if keys[0] == "methods" and "by_task" in keys:
        keys = [*keys[:2], *keys[4:]]
    if keys[0] == "methods" and keys[-1] == "inherits":
        keys[-1] = "trainer"  # whose settings it has, too
    return len(keys) >= len(leaf.path) and all(
        one == key or one.startswith("<") for one, key in zip(leaf.path, keys, strict=False)
    )


def _has_kind(leaf: Leaf, path: Keys, content: Any) -> bool:
    if leaf.kind is None or path[0] == "methods":
        return True
    key, _, kind = leaf.kind.partition(": ")
    return content[path[0]][path[1]].get(key) == kind


WORDS = {
    "results": "elsewhere",
    "backbone": "another",
    "precision": "fp32",
    "learning_rate_schedule": "constant",
    "reward_scorer": "exact",
    "device": "cpu",
    "attention": "eager",
    "repository": "somebody/something",
    "repository_type": "dataset",
    "revision": "f" * 40,
    "base_url": "https://mirror.example",
    "path": "elsewhere.jsonl",
    "sha256": "a" * 64,
    "train_prompt": "{question} Answer.",
    "test_prompt": "{question} Answer.",
    "train": "clevr_70k",
    "test": "other_test",
    "kind": "rendered",
    "trainer": "sft",
    "inherits": "sft",
}
OTHER_NAME = {
    "counting": "geometry",
    "geometry": "counting",
    "r1v_geoqa_prompts": "r1v_superclevr_prompts",
    "r1v_superclevr_prompts": "r1v_geoqa_prompts",
    "geo170k_images": "superclevr_images",
    "superclevr_images": "geo170k_images",
    "own": "all",
    "other": "own",
    "base": "grpo-d",
    "sft": "grpo-d",
    "grpo": "sft",
    "grpo-d": "base",
}


def another(path: Keys, value: Any) -> Any:
    """Another value that is sound, where one alone can be."""
    key = next(key for key in reversed(path) if isinstance(key, str))
    if isinstance(value, bool):
        return not value
    if key == "gpus":
        return 0
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.125
    if key in WORDS:
        return WORDS[key]
    if key == "files":
        return "other.zip"
    if value in OTHER_NAME:
        return OTHER_NAME[value]
    return f"{float(value) * 2:g}"  # 1e-6, which YAML takes for text


def replaced(content: Any, path: Keys, value: Any) -> Any:
    """A copy with another value."""
    changed = copy.deepcopy(content)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def changed_config(path: Keys) -> dict[str, Any]:
    """The paper's config with another value at the path, and the entry that it names if that is a new one."""
    value = another(path, value_at(path))
    changed = replaced(PAPER, path, value)
    if value == "another":
        changed["backbones"]["another"] = {**PAPER["backbones"][PAPER["backbone"]], "revision": "e" * 40}
    if value == "other_test":
        former = PAPER["sources"][value_at(path)]
        changed["sources"]["other_test"] = {**former, "images": "superclevr_all_images"}
    return changed


def value_at(path: Keys) -> Any:
    value: Any = PAPER
    for key in path:
        value = value[key]
    return value


def renamed(path: Keys) -> dict[str, str]:
    """What a change changes in names that a reader chooses or sees: new -> as it was."""
    last = next(key for key in reversed(path) if isinstance(key, str))
    if last == "seeds":
        return {"-s43-": "-s42-"}
    if last == "checkpoint_steps":
        return {f"-step{another(path, value_at(path))}/": f"-step{value_at(path)}/"}
    if last == "backbone":
        return {"backbones/another-": f"backbones/{PAPER['backbone']}-"}
    if path[0] == "tasks" and last == "train":
        return {"clevr_70k": value_at(path)}
    if path[0] == "tasks" and last == "test":
        return {"other_test": value_at(path), "superclevr_all_images": images_of(path)}
    return {}


def images_of(path: Keys) -> str:
    return str(PAPER["sources"][value_at(path)]["images"])


ALL = [path for path in scalars(PAPER)]
ALONE = [path for path in ALL if path[-1] not in TELLING]


def name_of(path: Keys) -> str:
    return ".".join(map(str, path))


@dataclass
class Site:
    """A checkout with the complete study of A, the paper's."""

    checkout: Path
    graph: Graph
    timings: list[float] = field(default_factory=list)

    def write(self, config: dict[str, Any]) -> StudyConfig:
        """Write config.yaml; returns the study."""
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        (self.checkout / "config.yaml").write_text(text)
        return load_study([self.checkout / "config.yaml"])

    def planned(self, *arguments: str) -> list[DryJob]:
        started = time.monotonic()
        jobs = dry_run(self.checkout, "all", *arguments)
        self.timings.append(time.monotonic() - started)
        return jobs

    def what_if(self, config: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, tuple[str, ...]]]:
        """Rule and outputs of each job that what_if lists."""
        monkeypatch.chdir(self.checkout)
        needs = needs_of(Study(config), self.checkout / "workflow_scripts")
        return {(job.rule, tuple(f"{config.results}/{file}" for file in job.outputs)) for job in needs.to_run}


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Site:
    checkout = copy_repository(tmp_path_factory.mktemp("complete"))
    shutil.copy(REPOSITORY / "config.yaml", checkout)
    graph = Graph(dry_run(checkout, "all"))
    site = Site(checkout, graph)
    fill(checkout)
    return site


def fill(checkout: Path) -> None:
    """Make the checkout's study complete."""
    config = load_study([checkout / "config.yaml"])
    write_placeholders(Study(config), checkout / config.results, checkout / "workflow_scripts")


@pytest.fixture
def site(complete: Site) -> Iterator[Site]:
    yield complete
    shutil.copy(REPOSITORY / "config.yaml", complete.checkout)


def expected(graph: Graph, path: Keys, config: dict[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    """What must run, as the field of the value declares it."""
    before, after = Grids(PAPER), Grids(config)
    found: set[tuple[str, tuple[str, ...]]] = set()
    for effect in declared(path).effects:
        if isinstance(effect, RerunsNothing):
            continue
        if effect.branch == Branch.ROOT:
            return graph.all()
        if effect.branch in (Branch.POINTS, Branch.TESTS):
            found |= after_changed_grids(graph, before, after)
        elif effect.branch == Branch.METHOD and before.all_points() != after.all_points():
            assert effect.stage == Stage.TRAIN
            found |= after_changed_grids(graph, before, after)
        elif effect.branch == Branch.CHOSEN_BACKBONE:
            found |= graph.after(graph.matching(rf"backbones/{PAPER['backbone']}-\*/.*"))
        elif effect.branch == Branch.TRAINING_SET:
            found |= graph.after(graph.matching(rf"raw/{value_at(path)}-\*/.*"))
        elif effect.branch == Branch.TEST_SET:
            found |= graph.after(graph.matching(rf"raw/{images_of(path)}-\*/.*"))
        else:
            places = tuple(str(key) for key in path if isinstance(key, str))
            found |= graph.after(seeds(graph, effect, places, before))
    return found


@pytest.mark.parametrize("path", ALONE, ids=name_of)
def test_a_changed_value_reruns_what_it_declares(
    site: Site, path: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = changed_config(path)
    config = site.write(content)
    jobs = site.planned()
    planned = keys(jobs, f"{config.results}/", renamed(path))
    wanted = expected(site.graph, path, content)
    assert planned - wanted == set(), "superfluous"
    assert wanted - planned == set(), "missed"
    assert {(job.rule, job.outputs) for job in jobs} == site.what_if(config, monkeypatch)


@pytest.mark.parametrize("path", [path for path in ALL if path[-1] in TELLING], ids=name_of)
def test_what_tells_kinds_apart_cannot_change_alone(tmp_path: Path, path: Keys) -> None:
    if path[0] == "execution" and value_at((*path[:-1], "device")) != "cuda":
        pytest.skip("no GPU is asked for")
    changed = tmp_path / "config.yaml"
    changed.write_text(yaml.safe_dump(replaced(PAPER, path, another(path, value_at(path)))))
    with pytest.raises(UserError, match=r"config\.yaml"):
        load_study([changed])
