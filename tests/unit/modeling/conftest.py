"""A backbone whose answers are of many kinds and lengths, and prompts for it."""

from __future__ import annotations

import pytest
import torch
from plain_path import stock_model

from othink_mr1.modeling.prompts import PromptMaker
from tiny import QUESTIONS, Tiny, picture

SIZES = ((56, 56), (112, 84), (84, 56), (56, 112))


@pytest.fixture
def lively(tiny: Tiny) -> tuple[Tiny, torch.nn.Module]:
    """The tiny backbone and transformers' own, with weights that make greedy answers wander and end."""
    # Random weights repeat one token; scaled up they wander, and some sequences end early.
    weights = {name: weight * 3 for name, weight in tiny.model.state_dict().items() if "weight" in name}
    tiny.model.load_state_dict(weights, strict=False)
    stock = stock_model(tiny)
    stock.load_state_dict(weights, strict=False)
    return tiny, stock


@pytest.fixture
def several(lively) -> list:
    """Twenty prompts of different lengths, with pictures of different sizes."""
    tiny, _ = lively
    maker = PromptMaker(tiny.model, tiny.processor)
    return [
        maker.make([picture(n % 5, *SIZES[n % 4])], [f"{n} and {QUESTIONS[n % 2]} {'so ' * (n % 3)}"])[0]
        for n in range(20)
    ]
