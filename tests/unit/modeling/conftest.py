"""A backbone whose answers are of many kinds and lengths, and prompts for it."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from plain_path import generated, stock_model

from othink_mr1.modeling.processor import stop_tokens
from othink_mr1.modeling.prompts import Prompt, PromptMaker
from tiny import QUESTIONS, Tiny, picture


class Answers(NamedTuple):
    """Greedy answers, and the tokens that end one."""

    stops: list[int]
    tokens: list[list[int]]


SIZES = ((56, 56), (112, 84), (84, 56), (56, 112))


@pytest.fixture(scope="session")
def _lively(_built: Tiny) -> tuple[Tiny, torch.nn.Module]:
    # Random weights repeat one token; scaled up they wander, and some sequences end early.
    tiny = Tiny(_built.folder, copy.deepcopy(_built.model), _built.processor)
    weights = {name: weight * 3 for name, weight in tiny.model.state_dict().items() if "weight" in name}
    stock = stock_model(tiny)
    for model in (tiny.model, stock):
        model.load_state_dict(weights, strict=False)
    return tiny, stock


@pytest.fixture
def lively(_lively: tuple[Tiny, torch.nn.Module]) -> tuple[Tiny, torch.nn.Module]:
    """The tiny backbone and transformers' own, with weights that make greedy answers wander and end."""
    tiny, stock = _lively
    return Tiny(tiny.folder, copy.deepcopy(tiny.model), tiny.processor), copy.deepcopy(stock)


@pytest.fixture(scope="session")
def several(_lively: tuple[Tiny, torch.nn.Module]) -> list[Prompt]:
    """Twenty prompts of different lengths, with pictures of different sizes. Only to be read."""
    tiny, _ = _lively
    maker = PromptMaker(tiny.model, tiny.processor)
    return [
        maker.make([picture(n % 5, *SIZES[n % 4])], [f"{n} and {QUESTIONS[n % 2]} {'so ' * (n % 3)}"])[0]
        for n in range(20)
    ]


@pytest.fixture(scope="session")
def answers_of_several(_lively: tuple[Tiny, torch.nn.Module], several: list[Prompt]) -> Answers:
    """The answers that transformers' generate gives to these prompts, of at most 70 tokens."""
    tiny, stock = _lively
    # More tokens than usual end one, so that answers have many lengths.
    stops = [*stop_tokens(tiny.processor), *range(60, 360, 30)]
    return Answers(stops, generated(tiny, stock, several, 70, stops))
