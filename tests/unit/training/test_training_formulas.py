"""The formulas of training: KL schedule, advantages, rewards, loss, learning rate, data order."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from othink_mr1.config.methods import ConstantKL, CosineKL, DynamicKL, LinearKL, NoKL, PiecewiseKL, TargetKL
from othink_mr1.training.advantages import group_advantages
from othink_mr1.training.data_order import example_indices
from othink_mr1.training.kl_schedule import KLWeights, kl_weight
from othink_mr1.training.learning_rate import learning_rate_factor
from othink_mr1.training.loss import completion_means, token_losses
from othink_mr1.training.rewards import score_completions
from tiny import grpo_settings


def dynamic(exploration_steps: int) -> DynamicKL:
    return DynamicKL(kind="dynamic", minimum=0.01, maximum=0.05, exploration_steps=exploration_steps)


@pytest.mark.parametrize(
    ("exploration", "step", "weight"),
    [
        (40, 0, 0.03),  # β_mid before the first update
        (40, 20, 0.02),
        (40, 40, 0.01),  # the branches meet at β_min
        (40, 70, 0.03),
        (40, 100, 0.05),  # the last update has β_max
        (0, 0, 0.01),  # w = 0: the second branch only
        (0, 50, 0.03),
        (0, 100, 0.05),
        (100, 50, 0.02),  # w = t: the first branch only
        (100, 100, 0.01),
    ],
)
def test_dynamic_kl_is_eq_3(exploration: int, step: int, weight: float) -> None:
    assert kl_weight(dynamic(exploration), step, 100) == pytest.approx(weight, abs=1e-12)


def test_dynamic_kl_moves_evenly_and_turns_once() -> None:
    weights = [kl_weight(dynamic(40), step, 100) for step in range(101)]
    falls = [after - before for before, after in pairwise(weights)]
    assert all(fall == pytest.approx(-0.02 / 40) for fall in falls[:40])
    assert all(rise == pytest.approx(0.04 / 60) for rise in falls[40:])


@pytest.mark.parametrize(
    ("step", "weight"), [(1, 0.02 - 0.02 / 4), (4, 0.0), (5, 0.005), (8, 0.02), (12, 0.04), (11, 0.035)]
)
def test_piecewise_kl_has_straight_lines_between_its_points(step: int, weight: float) -> None:
    schedule = PiecewiseKL(kind="piecewise", points=[[0, 0.02], [4, 0.0], [12, 0.04]])
    assert kl_weight(schedule, step, 12) == pytest.approx(weight, abs=1e-12)


def test_eq_3_is_a_piecewise_schedule_too() -> None:
    same = PiecewiseKL(kind="piecewise", points=[[0, 0.03], [40, 0.01], [100, 0.05]])
    for step in range(1, 101):
        assert kl_weight(same, step, 100) == pytest.approx(kl_weight(dynamic(40), step, 100), abs=1e-12)


def test_constant_kl() -> None:
    schedule = ConstantKL(kind="constant", weight=0.04)
    assert {kl_weight(schedule, step, 9) for step in range(1, 10)} == {0.04}


def test_no_kl() -> None:
    assert {kl_weight(NoKL(kind="none"), step, 9) for step in range(1, 10)} == {0.0}


@pytest.mark.parametrize(("step", "weight"), [(0, 0.08), (25, 0.06), (50, 0.04), (100, 0.0)])
def test_linear_kl(step: int, weight: float) -> None:
    schedule = LinearKL(kind="linear", start=0.08, end=0.0)
    assert kl_weight(schedule, step, 100) == pytest.approx(weight, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 0.08), (25, 0.02 + 0.03 * (1 + math.sqrt(0.5))), (50, 0.05), (100, 0.02)]
)
def test_cosine_kl(step: int, weight: float) -> None:
    schedule = CosineKL(kind="cosine", start=0.08, end=0.02)
    assert kl_weight(schedule, step, 100) == pytest.approx(weight, abs=1e-12)


def controlled(kls: list[float], notes: dict[str, float] | None = None) -> list[float]:
    """β of each update, if the updates' KL are these; the last is of the update after them."""
    schedule = TargetKL(kind="target", initial=0.1, target=0.5, horizon=10)
    weights = KLWeights(schedule, 100, notes or {})
    found = []
    for step, kl in enumerate(kls, start=1):
        found.append(weights.at(step))
        weights.observe(kl)
    return [*found, weights.notes()["kl_weight"]]


def test_the_controller_on_made_up_kls() -> None:
    assert controlled([0.5, 0.5]) == [0.1, 0.1, 0.1]  # at the target it rests
    assert controlled([0.55]) == pytest.approx([0.1, 0.1 * 1.01])  # 10 % above: up by 10 % / horizon
    assert controlled([0.45]) == pytest.approx([0.1, 0.1 * 0.99])
    # At most 20 % count, however far the KL is: 0, ten times the target, infinite.
    assert controlled([0.0]) == pytest.approx([0.1, 0.1 * 0.98])
    assert controlled([5.0]) == controlled([math.inf]) == pytest.approx([0.1, 0.1 * 1.02])
    assert controlled([5.0] * 3)[-1] == pytest.approx(0.1 * 1.02**3)


def test_the_controller_goes_on_from_its_notes() -> None:
    kls = [0.9, 0.1, 0.55, 3.0, 0.2]
    whole = controlled(kls)
    assert controlled(kls[2:], {"kl_weight": whole[2]}) == whole[2:]


def test_only_a_controller_remembers() -> None:
    weights = KLWeights(ConstantKL(kind="constant", weight=0.04), 9, {})
    weights.observe(7.0)
    assert (weights.at(5), weights.notes()) == (0.04, {})


def test_advantages_are_eq_2() -> None:
    rewards = torch.tensor([[2.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    std = math.sqrt(2 / 3)  # divisor G - 1
    advantages = group_advantages(rewards, epsilon=1e-4)
    assert advantages[0].tolist() == pytest.approx([1 / (std + 1e-4), 0, -1 / (std + 1e-4), 0])
    assert advantages[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("completion", "accuracy", "format_reward"),
    [
        ("<think>2 + 1</think> <answer> 3 </answer>", 1, 1),
        ("<think>2 + 1</think>\n<answer>3</answer>", 1, 1),  # white space between the tags is free
        ("<think>2 + 2</think> <answer> 4 </answer>", 0, 1),  # wrong, in format
        ("<answer> 3 </answer>", 1, 0),  # right, without thinking
        ("So: <think>2 + 1</think> <answer> 3 </answer>", 1, 0),  # the whole completion must match
        ("<think>2 + 1</think> <answer> 3", 1, 0),  # cut off; math-verify still finds the number
        ("", 0, 0),
    ],
)
def test_rewards_of_literal_completions(completion: str, accuracy: float, format_reward: float) -> None:
    for weight in (0.0, 0.25, 1.0):
        settings = grpo_settings(format_weight=weight)
        rewards = score_completions([completion], ["3"], "counting", settings, 1, 1)
        assert rewards.accuracy.tolist() == [accuracy]
        assert rewards.format.tolist() == [format_reward]
        assert rewards.total.tolist() == [accuracy + weight * format_reward]


def test_geometry_reward() -> None:
    completion = "<think>A straight line: 180 - 35 = 145.</think> <answer> 145° </answer>"
    rewards = score_completions([completion] * 2, ["145°", "35°"], "geometry", grpo_settings(), 1, 1)
    assert rewards.total.tolist() == [2, 1]
    alone = grpo_settings(accuracy_weight=0)
    rewards = score_completions([completion] * 2, ["145°", "35°"], "geometry", alone, 1, 1)
    assert rewards.total.tolist() == [1, 1]  # the format's
    assert rewards.accuracy.tolist() == [1, 0]  # and the log shows what it would have been


def test_a_random_reward_knows_nothing_of_the_answer() -> None:
    coin = grpo_settings(reward_scorer="random", format_weight=0.0)

    def tossed(texts: list[str], seed: int = 1, rollout: int = 1) -> list[float]:
        return score_completions(texts, ["3"] * len(texts), "counting", coin, seed, rollout).total.tolist()

    right = tossed(["<think>2 + 1</think> <answer> 3 </answer>"] * 400)
    assert right == tossed(["no"] * 400)
    assert set(right) == {0, 1}
    assert 160 < sum(right) < 240
    assert len({tuple(right), tuple(tossed(["no"] * 400, 2)), tuple(tossed(["no"] * 400, 1, 2))}) == 3
    assert tossed(["no"] * 8) == right[:8]


def test_token_loss_is_eqs_4_and_5() -> None:
    ratio, kl_ratio = 1.5, 0.8  # π/π_old and π_ref/π
    current = torch.log(torch.tensor([[0.3]]))
    old, reference = current - math.log(ratio), current + math.log(kl_ratio)
    kl = kl_ratio - math.log(kl_ratio) - 1
    for advantage, objective, clipped in (
        (1.0, 1.2, True),  # a gain beyond 1 + ε counts no further
        (-1.0, -1.5, False),  # a loss counts in full
    ):
        terms = token_losses(current, old, reference, torch.tensor([advantage]), 0.2, 0.04)
        assert terms.loss.item() == pytest.approx(-objective + 0.04 * kl, abs=1e-6)
        assert terms.kl.item() == pytest.approx(kl, abs=1e-6)
        assert terms.clipped.item() is clipped
    below = token_losses(current, current + math.log(2), None, torch.tensor([-1.0]), 0.2, 0.04)  # ratio 1/2
    assert below.loss.item() == pytest.approx(0.8)
    assert below.clipped.item()
    assert below.kl is None


def test_completions_count_alike_whatever_their_length() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 99.0, torch.inf]])  # 99, inf: behind the end
    assert completion_means(values, torch.tensor([3, 1])).tolist() == [2.0, 4.0]


def test_learning_rates() -> None:
    def factors(schedule, warmup):
        return [learning_rate_factor(schedule, warmup, step, 10) for step in range(1, 11)]

    assert factors("constant", 0.0) == [1.0] * 10
    assert factors("linear", 0.0) == pytest.approx([1 - step / 10 for step in range(10)])
    assert factors("linear", 0.2)[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert factors("cosine", 0.0)[5] == pytest.approx(0.5)
    assert factors("linear", 1.0)[-1] == 1.0
    assert all(0 < factor <= 1 for name in ("linear", "cosine") for factor in factors(name, 0.3))


def test_data_order_visits_all_examples_each_epoch() -> None:
    order = [index for step in range(1, 8) for index in example_indices(step, 3, 7, seed=1)]  # 21 places
    epochs = [order[:7], order[7:14], order[14:]]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    other = [index for step in range(1, 8) for index in example_indices(step, 3, 7, seed=2)]
    assert order != other


def test_data_order_needs_no_memory() -> None:
    assert example_indices(5, 4, 11, seed=3) == example_indices(5, 4, 11, seed=3)
    assert example_indices(2, 4, 100, seed=3) == example_indices(1, 8, 100, seed=3)[4:]
