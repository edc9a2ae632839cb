"""Every value of config.yaml is changed, one at a time: what Snakemake then plans is what its field declares.

The paper's study is complete, by placeholders. Expected is what the config's fields declare
(config/reruns.py, expected_reruns.py); planned is what `snakemake -n all` prints. `what_if` must say the
same, file by file.
"""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from expected_reruns import Graph, Grids, after_changed_grids, keys, seeds

from forked_snakemake import DryJob, dry_run
from othink_mr1.config.load import load_study
from othink_mr1.config.reruns import Branch, Leaf, Reruns, RerunsNothing, Stage, leaves
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.study.needs import needs_of
from othink_mr1.study.workflow import Study
from placeholder_results import copy_without_times, exhibit_text, write_placeholders
from snakemake_runs import REPOSITORY, copy_repository

pytestmark = pytest.mark.workflow

PAPER: dict[str, Any] = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
DECLARED = list(leaves(StudyConfig))
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
    "trackers": "wandb",
    "train": "clevr_70k",
    "test": "other_test",
    "kind": "rendered",
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
    if value in OTHER_NAME:
        return OTHER_NAME[value]
    return float(value) * 2  # 1e-6, which YAML takes for text


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
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        (self.checkout / "config.yaml").write_text(text)
        return load_study([self.checkout / "config.yaml"])

    def planned(self, *arguments: str) -> list[DryJob]:
        return dry_run(self.checkout, "all", *arguments)

    def what_if(
        self, config: StudyConfig, monkeypatch: pytest.MonkeyPatch
    ) -> set[tuple[str, tuple[str, ...]]]:
        """Rule and outputs of each job that what_if lists."""
        monkeypatch.chdir(self.checkout)
        needs = needs_of(Study(config))
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
    write_placeholders(config, checkout / config.results)


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
    value = another(path, value_at(path)) if path != ("methods", "base", "trainer") else "sft"
    changed = tmp_path / "config.yaml"
    changed.write_text(yaml.safe_dump(replaced(PAPER, path, value)))
    with pytest.raises(UserError, match=r"config\.yaml"):
        load_study([changed])


# What every one of the tests above relies on, and what no change may do.


def trained(jobs: Iterable[DryJob]) -> list[DryJob]:
    """Jobs that take more than seconds: all but those that draw."""
    return [job for job in jobs if not any("made_of" in file for file in job.outputs)]


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
    wanted = site.graph.after(seeds_of("methods", "grpo", "adam_beta1", graph=site.graph))
    assert keys(site.planned()) == wanted


def seeds_of(*path: str, graph: Graph) -> set[str]:
    (effect,) = declared(path).effects
    assert isinstance(effect, Reruns)
    return seeds(graph, effect, path, Grids(PAPER))


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
    fill(own.checkout)
    assert own.planned() == []
    own.write(PAPER)
    back = own.planned()
    assert back
    assert trained(back) == []
    fill(own.checkout)
    assert own.planned() == []
    assert_exhibits_are_of_plan(own)


def test_there_and_back_without_snakemakes_records(own: Site) -> None:
    own.write(changed_config(B))
    fill(own.checkout)
    shutil.rmtree(own.checkout / ".snakemake", ignore_errors=True)
    own.write(PAPER)
    assert trained(own.planned()) == []
    fill(own.checkout)
    assert own.planned() == []
    assert_exhibits_are_of_plan(own)


def assert_exhibits_are_of_plan(site: Site) -> None:
    results = site.checkout / "results"
    needs = needs_of(Study(load_study([site.checkout / "config.yaml"])))
    exhibits = [job for job in needs.jobs if job.exhibit]
    assert len(exhibits) == 21
    for job in exhibits:
        plan = needs.plans[str(job.exhibit)]
        for file in job.outputs:
            if not file.startswith("made_of/"):
                assert (results / file).read_text() == exhibit_text(plan), file
        assert json.loads((results / "made_of" / f"{job.exhibit}.json").read_text()) == plan


def test_two_checkouts_with_other_configs_share_one_results_folder(own: Site, tmp_path: Path) -> None:
    other = copy_repository(tmp_path / "other")
    (other / "results").symlink_to(own.checkout / "results")
    Site(other, own.graph).write(changed_config(B))
    fill(other)
    assert own.planned()
    assert trained(own.planned()) == []


def test_copied_moved_touched_with_another_clock(own: Site, tmp_path: Path) -> None:
    """Only exhibits that are drawn from a csv may be drawn again: Snakemake knows but their times."""
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
    copied.write(changed_config(("methods", "grpo-d", "kl_schedule", "maximum")))
    for path in copied.checkout.rglob("*.csv"):
        os.utime(path, (4e9, 4e9))  # made by a clock that is decades ahead
    wanted = copied.graph.after(seeds_of("methods", "grpo-d", "kl_schedule", "maximum", graph=copied.graph))
    planned = keys(copied.planned())
    assert wanted <= planned
    assert_only_redrawn(planned - wanted)


def assert_only_redrawn(jobs: Iterable[DryJob | tuple[str, Any]]) -> None:
    rules = {job.rule if isinstance(job, DryJob) else job[0] for job in jobs}
    assert rules <= {"draw_figure", "make_table", "check_claims"}


def test_a_flag_and_an_input_more_retrain_nothing(own: Site) -> None:
    rules = own.checkout / "rules" / "train.smk"
    text = rules.read_text()
    assert text.count("python workflow_scripts/train_grpo.py --run") == 1
    text = text.replace("train_grpo.py --run", "train_grpo.py --new-flag --run")
    text = text.replace(
        "        backbone=lambda wildcards: ancient(study.run_backbone(wildcards.run)),",
        "        backbone=lambda wildcards: ancient(study.run_backbone(wildcards.run)),\n"
        '        more=ancient("config.yaml"),',
    )
    rules.write_text(text)
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


@pytest.mark.parametrize("seed", range(8))
def test_what_if_agrees_with_any_files_present(own: Site, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some files are gone, some are younger, some exhibits lost their records."""
    draw = random.Random(seed)
    config = own.write(PAPER if seed % 2 else changed_config(B))
    own.planned()
    files = sorted(
        path
        for path in (own.checkout / "results").rglob("*")
        if path.is_file() and "plans" not in path.parts and path.name[0] != "." and path.name != "content"
    )
    for path in draw.sample(files, 30):
        path.unlink()
    for path in draw.sample([path for path in files if path.exists()], 40):
        path.touch()
    planned = {(job.rule, job.outputs) for job in own.planned()}
    assert planned
    assert planned == own.what_if(config, monkeypatch)


@pytest.mark.parametrize("overlay", ["mini/study.yaml", "tests/study.yaml"])
def test_what_if_agrees_about_the_smaller_studies(
    complete: Site, tmp_path: Path, overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They render, and pretrain a backbone; with nothing there, and after some of it was lost."""
    site = Site(copy_repository(tmp_path), complete.graph)
    config = load_study([site.checkout / "config.yaml", site.checkout / overlay])
    root = site.checkout / config.results

    def planned() -> list[str]:
        jobs = site.planned("--configfile", overlay)
        assert {(job.rule, job.outputs) for job in jobs} == site.what_if(config, monkeypatch)
        return [job.rule for job in jobs]

    assert {"render_source", "pretrain_backbone", "train_sft", "draw_figure"} <= set(planned())
    write_placeholders(config, root)
    assert planned() == []
    shutil.rmtree(next(root.glob("data/rendered_geometry-*")))
    shutil.rmtree(next(root.glob("backbones/small_qwen2_vl-*")))
    (root / "same_task.csv").unlink()
    for scores in root.glob("scores/geometry-sft-*/*/*.csv"):
        scores.unlink()
    assert "score_answers" in planned()
