"""docs/fidelity.md says what config.yaml and the overlays say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from othink_mr1.config.methods import GRPO
from othink_mr1.cost.set_lengths import set_items
from othink_mr1.plan.exhibits import all_evaluations
from othink_mr1.plan.runs import all_runs
from repository import REPOSITORY, study

PAGE = (REPOSITORY / "docs/fidelity.md").read_text(encoding="utf-8")
OVERLAYS = sorted(path.name for path in (REPOSITORY / "studies").glob("*.yaml"))
GROUPS = ("backbone", "seeds", "backbones", "preparation", "tasks", "methods", "evaluation", "studies")


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, content


def test_every_value_of_the_config_is_on_the_page() -> None:
    yaml = YAML(typ="safe")
    config = yaml.load(REPOSITORY / "config.yaml")
    expected = dict(leaves({key: config[key] for key in GROUPS}))
    rows = re.findall(r"^\| `([a-z][\w.-]*)` \| `(.+?)` \| (.*) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    said = {key: value for key, value, *_ in rows}
    assert said.keys() == expected.keys()
    for key, value in expected.items():
        assert said[key] == value if isinstance(value, str) else yaml.load(said[key]) == value, key


def costs(*overlays: str) -> tuple[dict[str, Any], dict[tuple[str, str], int]]:
    """The runs of a study by name, and the answers of its evaluations."""
    config = study(*(f"studies/{name}" for name in overlays))
    runs = {run.name: run.settings for run in all_runs(config) if run.trained}
    answers = {
        (entry.checkpoint, entry.tested_on): set_items(config, config.tasks[entry.tested_on].test)
        for entry in all_evaluations(config)
    }
    return runs, answers


def row(settings: list[Any], answers: int) -> list[str]:
    grpo = [one for one in settings if isinstance(one, GRPO)]
    sft = sum(one.steps * one.batch_size for one in settings if not isinstance(one, GRPO))
    sampled = sum(
        one.steps // one.updates_per_rollout * one.prompts_per_step * one.group_size for one in grpo
    )
    numbers = (len(settings), sft, sum(one.steps for one in grpo), sampled, answers)
    return [f"{number:,}" for number in numbers]


def test_what_each_overlay_adds_is_on_the_page() -> None:
    rows = re.findall(r"^\| `(config\.yaml|studies/\w+\.yaml)` \|[^|]*\| (.+) \|$", PAGE, re.MULTILINE)
    said = {name.removeprefix("studies/"): cells.split(" | ") for name, cells in rows}
    assert sorted(said) == sorted(["config.yaml", *OVERLAYS])
    runs, answers = costs()
    assert said["config.yaml"] == row([*runs.values()], sum(answers.values()))
    for name in OVERLAYS:
        all_its_runs, all_its_answers = costs(name)
        assert runs.items() <= all_its_runs.items(), f"{name} changes the paper's runs"
        assert answers.items() <= all_its_answers.items()
        added = [settings for run, settings in all_its_runs.items() if run not in runs]
        more = sum(all_its_answers.values()) - sum(answers.values())
        assert said[name] == row(added, more), name


def test_the_readings_are_what_the_page_says() -> None:
    from benchmarks.draw_readings import READINGS, curve, readings, weighted_mean

    for method, settings in readings().items():
        beta = curve(settings)
        values = (beta[0], beta[250], beta[-1], beta.mean(), weighted_mean(settings))
        cells = " | ".join(f"{value:.4f}" for value in values)
        assert f"| {READINGS[method]} | {cells} |" in PAGE


def test_the_controls_constants_are_the_means_of_the_dynamic_weight() -> None:
    from benchmarks.draw_readings import curve, weighted_mean

    config = study("studies/controls.yaml")
    by_name = {(run.method, run.task): run.settings for run in all_runs(config) if run.trained}
    for task in ("counting", "geometry"):
        dynamic = by_name["grpo-d", task]
        for method, mean in (
            ("grpo-mean", curve(dynamic).mean()),
            ("grpo-weighted-mean", weighted_mean(dynamic)),
        ):
            assert round(float(mean), 4) == by_name[method, task].kl_schedule.weight
