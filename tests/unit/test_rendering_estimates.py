"""The backbone's texts: some estimate, with the right observation; the tasks' own sets never do."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from othink_mr1.config.sources import RenderedSource
from othink_mr1.data.rendering.estimates import angle_at_a_glance, count_at_a_glance
from othink_mr1.data.rendering.geometry import render_geometry
from othink_mr1.data.rendering.items import RenderedItem
from othink_mr1.data.rendering.scenes import render_scenes


def source(**settings: object) -> RenderedSource:
    usual = {"kind": "rendered", "split": "backbone", "items": 200, "seed": 1, "reasoning": True}
    return RenderedSource.model_validate(usual | settings)


def estimating(items: list[RenderedItem]) -> list[RenderedItem]:
    return [item for item in items if item.reasoning.startswith("At a glance: ")]


@pytest.mark.parametrize("renderer", ["scenes", "geometry"])
def test_the_share_of_estimates_is_the_setting(renderer: str) -> None:
    render = {"scenes": render_scenes, "geometry": render_geometry}[renderer]
    kinds = ["straight_line", "inscribed_angle"] if renderer == "geometry" else []
    assert not estimating(list(render(source(renderer=renderer, kinds=kinds))))
    items = list(render(source(renderer=renderer, kinds=kinds, estimates=0.6)))
    assert 0.5 < len(estimating(items)) / len(items) < 0.7
    assert all(item.reasoning.startswith(("At a glance: ", "Step by step: ")) for item in items)


def test_estimates_see_the_rows_but_only_few_objects_are_counted_right() -> None:
    for item in estimating(list(render_scenes(source(renderer="scenes", estimates=1.0)))):
        rows, answer = item.reasoning.removeprefix("At a glance: ").removesuffix(".").split(". About ")
        count = sum(map(int, rows))
        assert answer == item.gold
        assert int(item.gold) == (count if count <= 5 else 8)


def test_estimates_are_exact_up_to_their_limit() -> None:
    assert count_at_a_glance("2111", 5).answer == "5"
    assert count_at_a_glance("2121", 6).answer == "8"
    assert angle_at_a_glance("a circle", 30, 60).answer == "60°"
    assert angle_at_a_glance("a circle", 35, 70).answer == "90°"
    assert angle_at_a_glance("a circle", 35, 70).reasoning == "At a glance: a circle. About 90."


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_tasks_sets_cannot_estimate(split: str) -> None:
    with pytest.raises(ValidationError, match="whose golds are true"):
        source(renderer="scenes", split=split, estimates=0.1)
