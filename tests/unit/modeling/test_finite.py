"""The largest absolute value, by which a diverged training is noticed."""

from __future__ import annotations

import math

import pytest
import torch

from othink_mr1.modeling.finite import first_not_finite, largest


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_largest_of_all_and_of_either_sign(dtype: torch.dtype) -> None:
    small = torch.linspace(-1, 1, 6000).view(60, 100).to(dtype)
    for value in (-3.0, 3.0):
        assert largest([small, torch.tensor([0.0, value], dtype=dtype), small.t()]) == 3.0
    assert largest(iter([torch.tensor(-2.0, dtype=dtype)])) == 2.0


@pytest.mark.parametrize("place", [0, 3000, 5999])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_single_value_that_is_no_number_is_seen(value: float, place: int) -> None:
    weights = torch.randn(60, 100)
    weights.view(-1)[place] = value
    found = largest([torch.ones(3), weights, torch.ones(3)])
    assert math.isnan(found) if math.isnan(value) else found == math.inf
    assert first_not_finite({"first": torch.ones(3), "second": weights}) == "second"
    assert first_not_finite({"first": torch.ones(3)}) is None


def test_a_process_may_have_no_part_of_a_tensor() -> None:
    nothing = torch.zeros(0, 4)
    assert largest([nothing]) == 0.0
    assert largest([nothing, torch.tensor([-5.0])]) == 5.0
