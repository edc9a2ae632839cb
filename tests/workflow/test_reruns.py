"""Every value of config.yaml is changed, one at a time: Snakemake then plans what depends on it, and no more.

The paper's study is complete, by placeholders. Expected is what expected_reruns.py says; planned is what
`snakemake -n all` prints.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from expected_reruns import Graph, Grids, expected, keys
from ruamel.yaml import YAML

from forked_snakemake import DryJob, dry_run
from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.plan_files import made_of, plan_inputs
from placeholder_results import copy_without_times, write_placeholders
from snakemake_runs import REPOSITORY, copy_repository

pytestmark = pytest.mark.workflow

PAPER: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / "config.yaml")
# What tells kinds of entries from another: these have other keys, too, so alone it cannot be changed.
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


WORDS = {
    "results": "elsewhere",
    "backbone": "another",
    "precision": "fp32",
    "learning_rate_schedule": "constant",
    "reward_scorer": "exact",
    "device": "cpu",
    "repository": "somebody/something",
    "repository_type": "dataset",
    "revision": "f" * 40,
    "base_url": "https://mirror.example",
    "path": "elsewhere.jsonl",
    "sha256": "a" * 64,
    "train_prompt": "{question} Answer.",
    "test_prompt": "{question} Answer.",
    "trackers": "wandb",
    "train": "clevr_70k",
    "test": "other_test",
    "kind": "rendered",
    "note": "Read this first.",
    "trainer": "none",
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
    "answer": "reasoning",
    "reasoning": "r1v",
    "r1v": "answer",
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
        return value / 2 or 0.03
    if key in WORDS:
        return WORDS[key]
    if key == "files":
        return "other.zip"
    if path[-2:] == ("methods", 0) and value == "grpo":
        return "grpo-2"  # sweeps vary what no other method has
    return OTHER_NAME[value]


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
    assert value != value_at(path)
    changed = replaced(PAPER, path, value)
    if value == "another":
        changed["backbones"]["another"] = {**PAPER["backbones"][PAPER["backbone"]], "revision": "e" * 40}
    if value == "grpo-2":
        changed["methods"]["grpo-2"] = {"inherits": "grpo"}
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


ALL = list(scalars(PAPER))
ALONE = [path for path in ALL if path[-1] not in TELLING]


def name_of(path: Keys) -> str:
    return ".".join(map(str, path))


@dataclass
class Site:
    """A checkout with the complete study of A, the paper's."""

    checkout: Path
    graph: Graph

    def write(self, config: dict[str, Any]) -> StudyConfig:
        """Write config.yaml; returns the study."""
        (self.checkout / "config.yaml").write_text(json.dumps(config))  # which is YAML, too
        return load_study([self.checkout / "config.yaml"])

    def planned(self, *arguments: str) -> list[DryJob]:
        return dry_run(self.checkout, "all", *arguments)

    def fill(self, *arguments: str) -> None:
        """Do all that is planned."""
        overlays = [self.checkout / argument for argument in arguments if argument.endswith(".yaml")]
        config = load_study([self.checkout / "config.yaml", *overlays])
        write_placeholders(config, self.checkout, self.planned(*arguments))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Site:
    checkout = copy_repository(tmp_path_factory.mktemp("complete"))
    shutil.copy(REPOSITORY / "config.yaml", checkout)
    graph = Graph(dry_run(checkout, "all"))
    site = Site(checkout, graph)
    site.fill()
    return site


@pytest.fixture
def site(complete: Site) -> Iterator[Site]:
    yield complete
    shutil.copy(REPOSITORY / "config.yaml", complete.checkout)


@pytest.mark.parametrize("path", ALONE, ids=name_of)
def test_a_changed_value_reruns_what_depends_on_it(site: Site, path: Keys) -> None:
    content = changed_config(path)
    config = site.write(content)
    planned = keys(site.planned(), f"{config.results}/", renamed(path))
    wanted = expected(site.graph, path, Grids(PAPER), Grids(content))
    assert planned - wanted == set(), "superfluous"
    assert wanted - planned == set(), "missed"


@pytest.mark.parametrize("path", [path for path in ALL if path[-1] in TELLING], ids=name_of)
def test_what_tells_kinds_apart_cannot_change_alone(tmp_path: Path, path: Keys) -> None:
    value = another(path, value_at(path)) if path != ("methods", "base", "trainer") else "sft"
    changed = tmp_path / "config.yaml"
    changed.write_text(json.dumps(replaced(PAPER, path, value)))
    with pytest.raises(UserError, match=r"config\.yaml"):
        load_study([changed])


# What every one of the tests above relies on, and what no change may do.


def is_plan(file: str) -> bool:
    return Path(file).parent.name.startswith("plans")


def drawn(jobs: Iterable[DryJob]) -> list[DryJob]:
    """Jobs that make exhibits, in seconds."""
    return [job for job in jobs if any(map(is_plan, job.inputs))]


def trained(jobs: Iterable[DryJob]) -> list[DryJob]:
    """All other jobs."""
    return [job for job in jobs if not any(map(is_plan, job.inputs))]


@pytest.fixture
def own(complete: Site, tmp_path: Path) -> Site:
    """A site whose results a test may change."""
    site = Site(tmp_path / "site", complete.graph)
    shutil.copytree(complete.checkout, site.checkout, symlinks=True, ignore=ignore_snakemakes_records)
    site.write(PAPER)
    return site


def ignore_snakemakes_records(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == ".snakemake"]


def test_a_complete_study_runs_nothing(site: Site) -> None:
    assert site.planned() == []


def test_swapped_values_are_two_changes(site: Site) -> None:
    """Snakemake's own record of parameters is a set: it would not see this."""
    grpo = PAPER["methods"]["grpo"]
    config = copy.deepcopy(PAPER)
    config["methods"]["grpo"] |= {"adam_beta1": grpo["adam_beta2"], "adam_beta2": grpo["adam_beta1"]}
    site.write(config)
    wanted = expected(site.graph, ("methods", "grpo", "adam_beta1"), Grids(PAPER), Grids(config))
    assert keys(site.planned()) == wanted


def reordered(content: Any, top: bool = True) -> Any:
    """The same with all keys in reverse, but for tasks and studies: exhibits have their order."""
    if not isinstance(content, dict):
        return content
    entries = {key: reordered(value, top=False) for key, value in reversed(content.items())}
    if not top:
        return entries
    listed = ("tasks", "studies")
    return entries | {key: dict(reversed(entries[key].items())) for key in listed}


def test_the_order_of_keys_and_comments_rerun_nothing(site: Site) -> None:
    site.write(reordered(PAPER))
    assert site.planned() == []
    text = (REPOSITORY / "config.yaml").read_text()
    assert "# Each study is a grid" in text
    changed = text.replace("# Each study is a grid", "# Another comment\n\n# Each study is a grid")
    (site.checkout / "config.yaml").write_text(changed)
    assert site.planned() == []


def test_another_order_of_tasks_and_studies_redraws_at_most(site: Site) -> None:
    order = {key: dict(reversed(PAPER[key].items())) for key in ("tasks", "studies")}
    site.write({**PAPER, **order})
    assert trained(site.planned()) == []


B = ("methods", "grpo", "learning_rate")


def test_there_and_back_reruns_nothing(own: Site) -> None:
    """Also when B was only looked at, and when it was made."""
    own.write(changed_config(B))
    assert trained(own.planned())
    own.write(PAPER)
    assert own.planned() == []
    own.write(changed_config(B))
    own.fill()
    assert own.planned() == []
    own.write(PAPER)
    back = own.planned()
    assert back
    assert trained(back) == []
    own.fill()
    assert own.planned() == []
    assert_exhibits_are_of_plan(own)


def test_there_and_back_without_snakemakes_records(own: Site) -> None:
    own.write(changed_config(B))
    own.fill()
    shutil.rmtree(own.checkout / ".snakemake", ignore_errors=True)
    own.write(PAPER)
    assert trained(own.planned()) == []
    own.fill()
    assert own.planned() == []
    assert_exhibits_are_of_plan(own)


def assert_exhibits_are_of_plan(site: Site) -> None:
    """Every exhibit was made with the one plan file that it has now."""
    with contextlib.chdir(site.checkout):
        plans = plan_inputs(load_study([Path("config.yaml")]), newer=False)
    names = {exhibit: Path(path).name for exhibit, path in plans.items()}
    assert {path.name for path in (site.checkout / "results" / "plans").iterdir()} == set(names.values())
    exhibits = drawn(site.graph.jobs)
    assert len(exhibits) == len(plans) == 25
    for job in exhibits:
        exhibit = next(Path(file).name for file in job.inputs if is_plan(file)).rpartition("-")[0]
        for file in job.outputs:
            text = (site.checkout / "results" / file).read_text()
            assert text == f"results/{file} of {names[exhibit]}\n"


def test_two_checkouts_with_other_configs_share_one_results_folder(own: Site, tmp_path: Path) -> None:
    other = copy_repository(tmp_path / "other")
    (other / "results").symlink_to(own.checkout / "results")
    Site(other, own.graph).write(changed_config(B))
    Site(other, own.graph).fill()
    assert own.planned()
    assert trained(own.planned()) == []


def test_copied_moved_touched_with_another_clock(own: Site, tmp_path: Path) -> None:
    """Only exhibits that are drawn from a csv may be drawn again: of them Snakemake knows but their times."""
    copied = Site(copy_repository(tmp_path / "copied"), own.graph)
    copy_without_times(own.checkout / "results", copied.checkout / "results")
    assert_only_redrawn(copied.planned())
    shutil.rmtree(copied.checkout / "results")
    shutil.move(own.checkout / "results", copied.checkout / "results")
    assert copied.planned() == []
    now = time.time()
    for seconds, path in enumerate(sorted(copied.checkout.rglob("*"), reverse=True)):
        os.utime(path, (now + seconds, now + seconds), follow_symlinks=False)  # sources after what they made
    assert_only_redrawn(copied.planned())
    for path in copied.checkout.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)  # all of it as old as Unix
    assert copied.planned() == []
    maximum = ("methods", "grpo-d", "kl_schedule", "maximum")
    changed = changed_config(maximum)
    copied.write(changed)
    for path in copied.checkout.rglob("*.csv"):
        os.utime(path, (2e9, 2e9))  # made by a clock that is years ahead
    wanted = expected(copied.graph, maximum, Grids(PAPER), Grids(changed))
    planned = keys(copied.planned())
    assert wanted <= planned
    assert_only_redrawn(planned - wanted)


def assert_only_redrawn(jobs: Iterable[DryJob | tuple[str, Any]]) -> None:
    rules = {job.rule if isinstance(job, DryJob) else job[0] for job in jobs}
    assert rules <= {"draw_figure", "make_table", "check_claims", "make_report"}


def test_an_exhibit_that_was_interrupted_is_made_again_whatever_the_times(own: Site) -> None:
    """Its former plan is not kept, so neither a copy nor the way back takes its files for whole."""
    (plan,) = (own.checkout / "results/plans").glob("same_task-*.json")
    with pytest.raises(KeyboardInterrupt), made_of(plan, own.checkout / "results"):
        raise KeyboardInterrupt
    for path in own.checkout.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert {"collect_study", "make_table", "draw_figure"} <= {job.rule for job in own.planned()}
    assert trained(own.planned()) == []


def test_a_flag_and_an_input_more_retrain_nothing(own: Site) -> None:
    rules = own.checkout / "rules" / "train.smk"
    before, rule, after = rules.read_text().partition("rule train_grpo:\n    input:\n")
    assert after.count("workflow_scripts/train_grpo.py --run") == 1
    after = after.replace("train_grpo.py --run", "train_grpo.py --new-flag --run")
    rules.write_text(f'{before}{rule}        more=ancient("config.yaml"),\n{after}')
    assert own.planned() == []


def test_what_is_added_is_all_that_runs(site: Site) -> None:
    """A seed, a sweep point, a method, a task; and of what is taken away nothing is deleted."""
    results = site.checkout / "results"
    before = {path for path in results.rglob("*") if "plans" not in path.parts}
    geometry = PAPER["studies"]["kl_weight_sweep"]
    for change, runs in (
        ({"seeds": [42, 43]}, 15),
        ({"studies": {"kl_weight_sweep": {**geometry, "vary": {"kl_schedule.weight": [0, 0.06]}}}}, 1),
        ({"methods": {"grpo-2": {"inherits": "grpo"}}}, 0),
        (
            {
                "methods": {"grpo-2": {"inherits": "grpo"}},
                "studies": {"more": {"tasks": ["counting"], "methods": ["grpo-2"], "tested_on": "own"}},
            },
            1,
        ),
        ({"tasks": {"third": {**PAPER["tasks"]["counting"], "train": "clevr_70k"}}}, 0),
        ({"backbones": {"more": {"kind": "hub", "repository": "a/b", "revision": "c" * 40}}}, 0),
        ({"seeds": [42], "studies": {"kl_weight_sweep": {**geometry, "vary": {}}}}, 0),
    ):
        site.write({key: merged(value, change.get(key)) for key, value in PAPER.items()})
        assert sum(job.rule.startswith("train_") for job in site.planned()) == runs, change
    assert before <= set(results.rglob("*"))


def merged(value: Any, change: Any) -> Any:
    if change is None:
        return value
    return {**value, **change} if isinstance(value, dict) else change


@pytest.mark.parametrize("overlay", ["mini/study.yaml", "tests/study.yaml"])
def test_the_smaller_studies(complete: Site, tmp_path: Path, overlay: str) -> None:
    """They render, and pretrain a backbone; a lost file is made again, and nothing that is complete."""
    site = Site(copy_repository(tmp_path), complete.graph)
    arguments = ("--configfile", overlay)
    rules = {job.rule for job in site.planned(*arguments)}
    assert {"render_source", "pretrain_backbone", "train_sft", "draw_figure"} <= rules
    site.fill(*arguments)
    assert site.planned(*arguments) == []
    root = site.checkout / load_study([site.checkout / "config.yaml", site.checkout / overlay]).results
    (root / "same_task.csv").unlink()
    for scores in root.glob("scores/geometry-sft-*/*/*.csv"):
        scores.unlink()
    planned = {job.rule for job in site.planned(*arguments)}
    assert {"score_answers", "collect_study"} <= planned
    assert not {rule for rule in planned if rule.startswith(("train", "generate", "prepare"))}
