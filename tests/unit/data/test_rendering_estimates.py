"""The backbone's texts: some estimate, with the right observation; the tasks' own sets never do."""

from __future__ import annotations

import re
from functools import partial

import pytest
from pydantic import ValidationError
from raw_sets import rendered_source

from othink_mr1.data.rendering.estimates import angle_by_eye, count_at_a_glance
from othink_mr1.data.rendering.geometry import render_geometry
from othink_mr1.data.rendering.items import RenderedItem
from othink_mr1.data.rendering.scenes import render_scenes

source = partial(rendered_source, split="backbone", items=200)


RENDER = {"scenes": render_scenes, "geometry": render_geometry}
# Careless and careful.
OPENINGS = {"scenes": ("At a glance: ", "Row by row: "), "geometry": ("By eye: ", "In full: ")}


def rendered(renderer: str, **settings: object) -> list[RenderedItem]:
    kinds = ["straight_line", "inscribed_angle"] if renderer == "geometry" else []
    return list(RENDER[renderer](source(renderer=renderer, kinds=kinds, **settings)))


def estimating(items: list[RenderedItem]) -> list[RenderedItem]:
    return [item for item in items if item.reasoning.startswith(("At a glance: ", "By eye: "))]


@pytest.mark.parametrize("renderer", ["scenes", "geometry"])
def test_the_share_of_estimates_is_the_setting(renderer: str) -> None:
    assert not estimating(rendered(renderer))
    items = rendered(renderer, estimates=0.6)
    assert 0.5 < len(estimating(items)) / len(items) < 0.7
    assert all(item.reasoning.startswith(OPENINGS[renderer]) for item in items)


def test_the_tasks_share_no_word_of_their_ways() -> None:
    """Else what one task's training does to the other would be built in. (To the tokenizer By is not by.)"""
    counting, geometry = (
        {
            word
            for item in rendered(renderer, estimates=0.5)
            for part in item.reasoning.replace(",", ".").split(". ")
            for word in re.findall("[A-Za-z]+", part.partition(":")[0])
        }
        for renderer in ("scenes", "geometry")
    )
    assert {"Row", "by", "At", "glance", "Together", "About"} <= counting
    assert {"In", "full", "By", "eye", "Roughly"} <= geometry
    assert counting & geometry <= {"a"}


def test_estimates_see_the_rows_but_only_few_objects_are_counted_right() -> None:
    for item in estimating(list(render_scenes(source(renderer="scenes", estimates=1.0)))):
        rows, answer = item.reasoning.removeprefix("At a glance: ").removesuffix(".").split(". About ")
        count = sum(map(int, rows))
        assert answer == item.gold
        assert int(item.gold) == (count if count <= 4 else 8)


def test_estimates_are_exact_up_to_their_limit() -> None:
    assert count_at_a_glance("2110", 4).answer == "4"
    assert count_at_a_glance("2111", 5).answer == "8"
    assert angle_by_eye("a circle", 30, 60).answer == "60°"
    assert angle_by_eye("a circle", 35, 70).answer == "90°"
    assert angle_by_eye("a circle", 35, 70).reasoning == "By eye: a circle. Roughly 90."


@pytest.mark.parametrize("split", ["train", "held_out", "test"])
def test_the_tasks_sets_cannot_estimate(split: str) -> None:
    with pytest.raises(ValidationError, match="whose golds are true"):
        source(renderer="scenes", split=split, estimates=0.1)
