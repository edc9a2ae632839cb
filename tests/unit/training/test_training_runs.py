"""Whole training runs of a few steps: SFT, GRPO, pretraining and generation, through their run functions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.utils import set_seed
from ruamel.yaml import YAML
from safetensors.torch import load_file
from trainings import SETTINGS, TRAINERS, NewRun, Train, one_step

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.errors import UserError
from othink_mr1.evaluation.generate import generate_answers
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.training.pretraining import (
    mixture_order,
    pretrain_backbone,
    untagged_places,
    untagged_text,
)
from othink_mr1.training.session import TrainingSession
from othink_mr1.training.sft_runs import train_sft_run
from run_contents import metrics
from tiny import (
    EXAMPLES,
    GENERATION,
    TEMPLATE,
    Tiny,
    description,
    execution,
    grpo_settings,
    tiny_settings,
)

pytestmark = pytest.mark.usefixtures("rewards_that_differ")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_run_fills_its_folder_and_repeats_to_the_bit(trainer: str, train: Train, tiny: Tiny) -> None:
    first = train(trainer, name="first")
    # No state between two steps: nothing is drawn from the generators that all of the process shares.
    set_seed(5)
    again = train(trainer, name="again")
    assert [row["step"] for row in metrics(first)] == ["1", "2", "3"]
    assert metrics(first) == metrics(again)
    for checkpoint in ("checkpoint", "checkpoint-2"):
        model = f"{checkpoint}/model.safetensors"
        assert (first / model).read_bytes() == (again / model).read_bytes()
        assert (first / checkpoint / "tokenizer.json").exists()
    assert any(
        not torch.equal(weight, weights(tiny.folder)[name])
        for name, weight in weights(first / "checkpoint").items()
    )
    manifest = read_manifest(first)
    assert manifest["run"]["seed"] == 7
    assert manifest["execution"]["row_tokens"] == 4096
    assert manifest["threads"] == 1
    assert "checkpoint/model.safetensors" in manifest["files"]
    assert "run.yaml" in manifest["files"]
    assert YAML(typ="safe").load(first / "run.yaml") == manifest["run"]
    assert list((first / "tensorboard").iterdir())


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize(
    "changes", [{"row_tokens": 150}, {"gradient_checkpointing": True}], ids=["row_tokens", "checkpointing"]
)
def test_the_execution_changes_rounding_only(trainer: str, changes: dict, train: Train) -> None:
    # One step, sampled from the same weights: a longer run parts at the first flipped token.
    settings = one_step(trainer)
    one = metrics(train(trainer, settings, "one"))[0]
    other = metrics(train(trainer, settings, "other", **changes))[0]
    for column, value in one.items():
        assert float(other[column]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), column


@pytest.mark.parametrize("trainer", TRAINERS)
def test_bf16_keeps_fp32_weights(trainer: str, train: Train) -> None:
    folder = train(trainer, one_step(trainer, precision="bf16"))
    assert {weight.dtype for weight in weights(folder / "checkpoint").values()} == {torch.float32}
    assert float(metrics(folder)[0]["gradient_norm"]) > 0


@pytest.mark.parametrize("trainer", TRAINERS)
def test_checkpoints_in_bf16_change_nothing_else(
    trainer: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training, its states and its metrics are the same; what is kept is rounded, and answers."""
    room: list[tuple[int, int]] = []
    require = TrainingSession._require_space

    def noted(self: TrainingSession, state_bytes: int, checkpoint_bytes: int) -> None:
        room.append((state_bytes, checkpoint_bytes))
        require(self, state_bytes, checkpoint_bytes)

    monkeypatch.setattr(TrainingSession, "_require_space", noted)
    whole = train(trainer, name="whole")
    halved = train(trainer, SETTINGS[trainer](checkpoint_precision="bf16"), "halved")
    assert metrics(halved) == metrics(whole)
    for checkpoint in ("checkpoint-2", "checkpoint"):
        for name, weight in weights(halved / checkpoint).items():
            assert torch.equal(weight, weights(whole / checkpoint)[name].bfloat16()), name
    assert room[1] == (room[0][0], room[0][1] // 2)
    task = GenerationTask(name="geometry", prompt=TEMPLATE, max_new_tokens=5)
    examples_file = tmp_path / "examples.parquet"
    output = tmp_path / "answers"
    generate_answers(halved / "checkpoint", "halved", GENERATION, "fp32", task, examples_file, output)
    assert len((output / "answers.jsonl").read_text().splitlines()) == len(EXAMPLES)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("trained", [True, False])
def test_vision_tower_is_trained_or_frozen(trainer: str, trained: bool, train: Train, tiny: Tiny) -> None:
    after = weights(train(trainer, one_step(trainer, train_vision_tower=trained)) / "checkpoint")
    before = weights(tiny.folder)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("visual" in name for name in moved) == trained
    assert any("visual" not in name for name in moved)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_frozen_images_change_rounding_only_and_spare_the_tower(
    trainer: str, train: Train, tiny: Tiny, monkeypatch
) -> None:
    tower = type(tiny.model.model.visual)
    original, calls = tower.forward, []

    def count(self, pixel_values, *args, **kwargs):
        calls.append(len(pixel_values))
        return original(self, pixel_values, *args, **kwargs)

    monkeypatch.setattr(tower, "forward", count)
    # One step, sampled from the same weights: a longer run parts at the first flipped token.
    settings = one_step(trainer, train_vision_tower=False)
    remembered = metrics(train(trainer, settings, "remembered"))[0]
    spared = sum(calls)
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr("othink_mr1.training.runs._frozen_images", lambda *_: None)
        anew = metrics(train(trainer, settings, "anew"))[0]
    # GRPO encodes for the rollout, the reference and the policy, SFT once in any case.
    assert sum(calls) == spared * {"sft": 1, "grpo": 3}[trainer]
    for column, value in anew.items():
        assert float(remembered[column]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), column

    calls.clear()
    several = SETTINGS[trainer](train_vision_tower=False, steps=6, checkpoint_steps=[])
    train(trainer, several, "several")
    # 4 x 4 patches of each picture, 6 x 4 of the one of 84 x 56 pixels: each once, though steps repeat.
    assert sum(calls) <= 16 * (len(EXAMPLES) - 1) + 24


def test_grpo_metrics_and_schedule(train: Train) -> None:
    schedule = {"kind": "dynamic", "minimum": 0.0, "maximum": 0.1, "exploration_steps": 2}
    settings = grpo_settings(kl_schedule=schedule, steps=4, updates_per_rollout=2, learning_rate=0.01)
    rows = metrics(train("grpo", settings))
    assert [float(row["kl_weight"]) for row in rows] == pytest.approx([0.025, 0.0, 0.05, 0.1])
    # One rollout serves two updates; the first of all is on-policy and at the reference.
    assert rows[0]["completion_tokens"] == rows[1]["completion_tokens"]
    assert rows[0]["reward"] == rows[1]["reward"]
    assert float(rows[0]["kl"]) == pytest.approx(0, abs=1e-9)
    assert float(rows[0]["clip_fraction"]) == 0
    assert float(rows[1]["kl"]) > 0
    assert float(rows[1]["clip_fraction"]) > 0  # the second measures against the policy that sampled
    for row in rows:
        assert 0 <= float(row["truncated_fraction"]) <= 1
        assert float(row["reward"]) == pytest.approx(
            float(row["accuracy_reward"]) + float(row["format_reward"])
        )


def test_without_kl_weight_there_is_no_reference(train: Train) -> None:
    settings = grpo_settings(kl_schedule={"kind": "constant", "weight": 0.0}, steps=1, checkpoint_steps=[])
    rows = metrics(train("grpo", settings))
    assert [row["kl"] for row in rows] == [""]


def test_no_kl_trains_as_a_weight_of_0_and_measures_the_kl(train: Train) -> None:
    changes = {"steps": 3, "checkpoint_steps": [], "learning_rate": 0.01}
    measured = train("grpo", grpo_settings(kl_schedule={"kind": "none"}, **changes), "measured")
    never = {"kind": "constant", "weight": 0.0}
    without = train("grpo", grpo_settings(kl_schedule=never, **changes), "without")
    ours = weights(measured / "checkpoint")
    assert all(torch.equal(ours[name], tensor) for name, tensor in weights(without / "checkpoint").items())
    assert [row["kl_weight"] for row in metrics(measured)] == ["0.0"] * 3
    assert all(float(row["kl"]) > 0 for row in metrics(measured)[1:])


def test_wrong_trainer_and_missing_examples_are_errors(new_run: NewRun, tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train_sft\.py takes sft"):
        train_sft_run(description(grpo_settings()), execution(), tmp_path, tiny.folder, tmp_path / "run")
    with pytest.raises(UserError, match=r"none\.parquet: there is no such file"):
        replace(new_run("sft"), examples_file=tmp_path / "none.parquet").start()


def test_pretraining_makes_a_backbone_that_trains_and_answers(examples_file: Path, tmp_path: Path) -> None:
    backbone = tmp_path / "backbone"
    files = {"scenes": examples_file, "geometry": examples_file}
    pretrain_backbone(tiny_settings(), execution(), files, backbone)
    assert read_manifest(backbone)["backbone"]["hidden_size"] == 64
    assert len(metrics(backbone)) == 3
    again = tmp_path / "again"
    pretrain_backbone(tiny_settings(), execution(), files, again)
    assert (again / "model.safetensors").read_bytes() == (backbone / "model.safetensors").read_bytes()
    assert (again / "tokenizer.json").read_bytes() == (backbone / "tokenizer.json").read_bytes()

    task = GenerationTask(name="geometry", prompt=TEMPLATE, max_new_tokens=5)
    generate_answers(backbone, "base", GENERATION, "fp32", task, examples_file, tmp_path / "answers")
    lines = (tmp_path / "answers/answers.jsonl").read_text().splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["id"] for answer in answers] == [example.id for example in EXAMPLES]
    assert set(answers[0]) == {"id", "task", "question", "gold", "completion", "truncated"}
    assert answers[1]["gold"] == "145°"
    assert {answer["task"] for answer in answers} == {"geometry"}
    assert read_manifest(tmp_path / "answers")["run"] == "base"


def test_pretraining_wants_every_source(examples_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one file for each of geometry, scenes, got scenes"):
        pretrain_backbone(tiny_settings(), execution(), {"scenes": examples_file}, tmp_path / "backbone")


def test_untagged_texts_follow_the_shares_and_leave_the_mixture_as_it_is() -> None:
    share = {"source": "anything", "prompt": TEMPLATE, "share": 1.0}
    shares = {"scenes": share | {"untagged": 0.3}, "geometry": share}
    settings, without = (
        tiny_settings(pretraining=entries, steps=100, batch_size=20)
        for entries in (shares, {"scenes": share, "geometry": share})
    )
    mixture = mixture_order(settings, {"scenes": 100, "geometry": 50})
    assert mixture == mixture_order(without, {"scenes": 100, "geometry": 50})
    untagged = untagged_places(settings, mixture)
    assert {mixture[place][0] for place, is_untagged in enumerate(untagged) if is_untagged} == {"scenes"}
    assert sum(untagged) / 1000 == pytest.approx(0.3, abs=0.04)
    assert not any(untagged_places(without, mixture))


def test_untagged_text_says_the_same() -> None:
    assert untagged_text("Row by row: 21.", "3") == "Row by row: 21. The answer is 3."
    assert untagged_text(None, "3") == "The answer is 3."


def test_a_backbone_of_untagged_texts_is_another(examples_file: Path, tmp_path: Path) -> None:
    files = {"scenes": examples_file, "geometry": examples_file}
    share = {"source": "anything", "prompt": TEMPLATE, "share": 1.0}
    for name, untagged in (("tagged", 0.0), ("plain", 1.0)):
        shares = dict.fromkeys(files, share | {"untagged": untagged})
        pretrain_backbone(tiny_settings(pretraining=shares), execution(), files, tmp_path / name)
    tagged, plain = (
        [row["target_tokens"] for row in metrics(tmp_path / name)] for name in ("tagged", "plain")
    )
    assert tagged != plain


def test_mixture_follows_the_shares() -> None:
    share = {"source": "anything", "prompt": TEMPLATE}
    settings = tiny_settings(
        pretraining={"scenes": share | {"share": 3.0}, "geometry": share | {"share": 1.0}},
        steps=100,
        batch_size=20,
    )
    order = mixture_order(settings, {"scenes": 100, "geometry": 50})
    scenes = [index for name, index in order if name == "scenes"]
    assert len(order) == 2000
    assert len(scenes) / 2000 == pytest.approx(0.75, abs=0.04)
    assert sorted(scenes[:100]) == list(range(100))  # an epoch before any repetition
