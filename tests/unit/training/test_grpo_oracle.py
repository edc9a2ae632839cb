"""GRPO against TRL 1.16: advantages, loss and gradient on the same completions."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from othink_mr1.modeling.processor import stop_tokens
from othink_mr1.modeling.prompts import Prompt, PromptMaker
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.advantages import group_advantages
from othink_mr1.training.grpo import grpo_backward, packed_rollout
from othink_mr1.training.log_probabilities import completion_log_probabilities
from tiny import Tiny, grpo_settings, picture

trl = pytest.importorskip("trl")

GROUP = 4
TEXTS = ("How many items are there? Output the thinking process", "angle A = 80.0")
# One reward per completion; the second group has no spread, the first has ties.
REWARDS = [2.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def completions(tiny: Tiny) -> list[list[int]]:
    """Some end with the end of the message, others are cut off."""
    end = stop_tokens(tiny.processor)[0]
    return [
        [70, 71, 72, end],
        [80, end],
        [60, 61, 62, 63, 64, 65],
        [66, 67, end],
        [end],
        [90, 91, 92, 93, 94, end],
        [75, 76, end],
        [77, 78, 79, 80, 81, 82],
    ]


@pytest.fixture
def trl_trainer(tiny: Tiny, tmp_path):
    from datasets import Dataset
    from transformers import Qwen2VLForConditionalGeneration

    rows = [
        {
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
            "image": Image.open(io.BytesIO(picture(items))),
        }
        for items, text in enumerate(TEXTS, start=2)
    ]
    trainer = trl.GRPOTrainer(
        model=Qwen2VLForConditionalGeneration.from_pretrained(tiny.folder, attn_implementation="sdpa"),
        reward_funcs=lambda prompts, completions, **_: REWARDS,
        args=trl.GRPOConfig(
            output_dir=str(tmp_path),
            loss_type="grpo",
            scale_rewards="group",
            beta=0.04,
            epsilon=0.2,
            use_bias_correction_kl=False,
            num_generations=GROUP,
            per_device_train_batch_size=len(REWARDS),
            max_completion_length=6,
            temperature=0.9,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
        ),
        train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in rows]),
        processing_class=tiny.processor,
    )
    trainer._generate_single_turn = lambda *_, **__: (completions(tiny), None)
    batch = [row for row in rows for _ in range(GROUP)]
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1  # set by train(), which is not called
    return trainer, trainer._generate_and_score_completions(batch)


def changed(model, scale: float) -> None:
    """Move the policy away from the reference, so that ratios and the KL term are not trivial."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for _, weight in sorted(model.named_parameters()):
            weight += scale * weight.std() * torch.randn(weight.shape, generator=generator)


@pytest.mark.parametrize("old_policy_differs", [False, True], ids=["on-policy", "off-policy"])
@pytest.mark.parametrize("row_tokens", [45, 10_000], ids=["several rows", "one row"])
def test_loss_and_gradient_equal_trl(
    tiny: Tiny, trl_trainer, old_policy_differs: bool, row_tokens: int
) -> None:
    trainer, inputs = trl_trainer
    settings = grpo_settings(group_size=GROUP, temperature=0.9, clip_range=0.2)
    prompts: list[Prompt] = PromptMaker(tiny.model, tiny.processor).make([picture(2), picture(3)], TEXTS)
    tokens = completions(tiny)

    advantages = group_advantages(torch.tensor(REWARDS).view(-1, GROUP), settings.advantage_epsilon).flatten()
    assert torch.allclose(advantages, inputs["advantages"], atol=1e-6)
    assert advantages[GROUP:].tolist() == [0.0] * GROUP

    rows = packed_rollout(prompts, tokens, row_tokens, tiny.model.device)
    assert (len(rows) > 2) == (row_tokens < 1000)

    def log_probabilities() -> list[torch.Tensor]:
        with torch.no_grad():
            return [completion_log_probabilities(tiny.model, row, settings.temperature) for row in rows]

    reference = log_probabilities()
    old = None
    if old_policy_differs:
        changed(tiny.model, 0.7)
        old = log_probabilities()
        mask = inputs["completion_mask"].bool()
        old_rows = [row for values in old for row in values]
        flat = torch.cat([row[: len(completion)] for row, completion in zip(old_rows, tokens, strict=True)])
        inputs["old_per_token_logps"] = torch.zeros(mask.shape).masked_scatter(mask, flat)
    changed(tiny.model, 0.7)
    trainer.model.load_state_dict(tiny.model.state_dict())

    accelerator = new_accelerator("cpu")
    sums = grpo_backward(accelerator, tiny.model, rows, advantages, old, reference, settings, beta=0.04)
    trl_loss = trainer._compute_loss(trainer.model, inputs)
    trl_loss.backward()

    assert sums.kl is not None
    assert sums.kl > 0.005  # the penalty counts here
    assert (sums.clip_fraction > 0.02) == old_policy_differs
    assert sums.loss == pytest.approx(trl_loss.item(), abs=1e-6)
    trl_gradients = dict(trainer.model.named_parameters())
    names = [name for name, _ in tiny.model.named_parameters()]
    ours = torch.cat([tiny.model.get_parameter(name).grad.flatten() for name in names])
    theirs = torch.cat([trl_gradients[name].grad.flatten() for name in names])
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()
