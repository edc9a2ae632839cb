"""What the table says of studies, and the page that shows it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from othink_mr1.cluster.facts import ClusterFacts
from othink_mr1.cluster.preflight import warn_of_small_cards
from othink_mr1.cost.cards import A100, H100
from othink_mr1.cost.costs import Cost, evaluation_cost, run_cost
from othink_mr1.cost.memory import copy_bytes, gathered_bytes, reference_bytes
from othink_mr1.cost.model_shape import PUBLISHED
from othink_mr1.cost.table import cost_table, scaled, study_jobs
from othink_mr1.plan.evaluations import all_evaluations
from othink_mr1.plan.runs import all_runs
from repository import REPOSITORY, study

WIDTH = 100
PAGE = (REPOSITORY / "docs/cost.md").read_text(encoding="utf-8")


def row(lines: list[str], label: str) -> list[str]:
    """The cells of the only line that begins with a label."""
    (found,) = [line for line in lines if re.match(rf" *{re.escape(label)}  ", line)]
    return found.split(label)[1].split()


def test_the_page_shows_the_table_of_today() -> None:
    command, _, rest = PAGE.partition("```text\n")
    shown = rest.partition("\n```")[0]
    assert "what_if.py --whole" in command
    assert shown == "\n".join(line.rstrip() for line in cost_table(study()))


@pytest.mark.parametrize(
    "overlays", [[], ["mini/study.yaml"], ["studies/baselines.yaml"], ["tests/study.yaml"]]
)
def test_every_line_fits(overlays: list[str]) -> None:
    assert max(len(line) for line in cost_table(study(*overlays))) <= WIDTH


def test_the_papers_study() -> None:
    lines = list(cost_table(study()))
    # README: 15 runs of five checkpoints of 8.8 GB, and four states of 27 GB for the training that runs.
    assert row(lines, "the whole study")[0] == "46"
    assert row(lines, "the whole study")[-5:-3] == ["663", "106"]
    assert row(lines, "geometry grpo")[0] == "9"
    # Its weight of 0 needs no reference.
    assert row(lines, "geometry grpo, kl_schedule.weight=0")[0] == "1"


def test_only_what_would_run_is_summed() -> None:
    config = study()
    name = next(run.name for run in all_runs(config) if run.method == "grpo" and run.task == "counting")
    lines = list(cost_table(config, {f"runs/{name}", "scores/something"}))
    assert row(lines, "all of these") == row(lines, "counting grpo")
    assert row(lines, "the whole study") == row(list(cost_table(config)), "the whole study")
    assert row(list(cost_table(config, set())), "all of these")[0] == "0"


def test_the_miniature_names_no_gpu() -> None:
    lines = list(cost_table(study("mini/study.yaml")))
    assert row(lines, "the whole study")[-3:] == ["-"] * 3
    assert any("runs these jobs on the CPU" in line for line in lines)
    assert not any("TFLOP/s" in line for line in lines)


def test_a_backbone_of_unknown_size_is_one_line() -> None:
    other = {"qwen2_vl_2b_instruct": {"repository": "Qwen/Qwen2-VL-72B-Instruct"}}
    lines = list(cost_table(study(backbones=other)))
    assert len([line for line in lines if "snakemake download" in line]) == 1
    assert row(lines, "the whole study")[0] == "0"


def test_settings_that_cost_more_cost_more() -> None:
    def cost(**changes: object) -> Cost:
        config = study(methods={"grpo": changes})
        run = next(run for run in all_runs(config) if (run.task, run.method) == ("counting", "grpo"))
        return run_cost(config, run)

    usual = cost()
    assert cost(group_size=16).flop > 1.7 * usual.flop
    assert cost(group_size=16).hours(A100) > 1.5 * usual.hours(A100)
    assert cost(updates_per_rollout=2).read == usual.read / 2
    assert cost(train_vision_tower=False).gpu < usual.gpu
    assert cost(precision="fp32").gpu > usual.gpu
    assert cost(checkpoint_steps=[]).stays == usual.stays / 5
    assert usual.hours(H100) < usual.hours(A100)


def test_groups_longer_than_a_row_compute_their_prompt_again() -> None:
    def cost(row_tokens: int) -> Cost:
        config = study(execution={"train": {"row_tokens": row_tokens}})
        run = next(run for run in all_runs(config) if (run.task, run.method) == ("counting", "grpo"))
        return run_cost(config, run)

    whole, parts = cost(8192), cost(500)
    assert cost(16384).flop == whole.flop
    assert parts.flop > 1.5 * whole.flop  # eight parts of 227 and 256 tokens, of a group of 2275
    assert parts.read == whole.read


def test_several_processes_share_prompts_and_each_reads_the_weights() -> None:
    def cost(method: str, **train: object) -> Cost:
        config = study(execution={"train": {"hours": 1, **train}})
        run = next(run for run in all_runs(config) if (run.task, run.method) == ("counting", method))
        return run_cost(config, run)

    shape = PUBLISHED["Qwen/Qwen2-VL-2B-Instruct"]
    alone, eight, sharded = (
        cost("grpo", **changes) for changes in ({}, {"gpus": 8}, {"gpus": 8, "sharding": "fsdp2"})
    )
    assert eight.flop == sharded.flop == alone.flop
    # The keys and values that are read are the same.
    settings = next(
        run.settings for run in all_runs(study()) if (run.task, run.method) == ("counting", "grpo")
    )
    tokens = settings.steps * settings.max_completion_tokens
    assert eight.read - alone.read == pytest.approx(7 * tokens * copy_bytes(shape, "bf16"))
    assert alone.gpu * 0.95 < eight.gpu < alone.gpu
    # A rollout has all weights beside its own eighth of weights and moments.
    assert sharded.gpu < eight.gpu / 2
    assert sharded.gpu > 4 * shape.parameters * (1 + 3 / 8) + reference_bytes(shape, "bf16", True)
    # Without rollouts there is an eighth of weights, gradients and moments.
    without = cost("sft", gpus=8).gpu - cost("sft", gpus=8, sharding="fsdp2").gpu
    assert without > 4 * 4 * shape.parameters * 7 / 8 - gathered_bytes(shape, True)


def test_several_processes_of_an_evaluation() -> None:
    def cost(gpus: int) -> Cost:
        config = study(execution={"generate": {"gpus": gpus}})
        return evaluation_cost(config, next(iter(all_evaluations(config))))

    assert cost(8).flop == cost(1).flop
    assert cost(8).gpu < cost(1).gpu
    assert cost(8).read > cost(1).read


def test_hours_of_decoding_are_bound_by_memory_or_by_products() -> None:
    idle = Cost(flop=0, decoded=0, read=0, gpu=0, stays=0, states=0)
    by_products = replace(idle, flop=H100.tflops * 1e12 * 3600 * 0.3, decoded=0)
    by_memory = replace(idle, flop=1e12, decoded=1e12, read=H100.terabytes_per_second * 1e12 * 3600 * 0.5)
    assert by_products.hours(H100) == pytest.approx(1)
    assert by_memory.hours(H100) == pytest.approx(1)


def test_numbers_with_prefixes() -> None:
    assert [scaled(number) for number in (3.521e18, 61e15, 12.34e12, 258310656, 7.0)] == [
        "3.52 E",
        "61.0 P",
        "12.3 T",
        "258 M",
        "7",
    ]


def made(method: str) -> list[str]:
    """The manifests of the paper's runs of a method."""
    return [f"results/runs/{run.name}/manifest.json" for run in all_runs(study()) if run.method == method]


@pytest.mark.parametrize(
    ("gpu_type", "warned"), [("rtx_4090", True), ("a100_40gb", True), ("h100", False), ("v100", False)]
)
def test_a_card_too_small_is_warned_of(
    gpu_type: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_small_cards(study(), ClusterFacts(gpu_type=gpu_type), made("grpo"))
    said = capsys.readouterr().err
    assert bool(said) == warned
    if warned:
        assert said.startswith("warning: runs/")
        assert said.count("\n") == 1
        assert f"and {gpu_type} has " in said


def test_no_warning_without_jobs_or_a_known_card(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_small_cards(study(), ClusterFacts(), made("grpo"))
    warn_of_small_cards(study(), ClusterFacts(gpu_type="rtx_4090"), [])
    warn_of_small_cards(study("mini/study.yaml"), ClusterFacts(gpu_type="rtx_4090"), [])
    assert capsys.readouterr().err == ""
    assert study_jobs(study())[1] == []
