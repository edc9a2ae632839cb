"""The rule by which the miniature's backbone was chosen: benchmarks/choose_backbone.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.choose_backbone import HELD_OUT, Measured, measured

from othink_mr1.data.examples import Example
from repository import study
from tiny import QUESTIONS, Tiny, picture


@pytest.mark.parametrize("task", ["counting", "geometry"])
def test_a_backbone_is_measured(tiny: Tiny, task: str) -> None:
    config = study("tests/study.yaml")
    examples = [Example(str(items), picture(items), QUESTIONS[0], str(items), None) for items in (1, 2)]
    found = measured(config, task, (tiny.model, tiny.processor), examples)
    assert found == Measured(greedy=0.0, pass_at_8=0.0, format=0.0, greedy_format=0.0)


def test_the_rule_has_bounds_on_both_sides() -> None:
    good = Measured(greedy=0.3, pass_at_8=0.9, format=0.6, greedy_format=1.0)
    assert good.passes()
    for change in ({"greedy": 0.2}, {"greedy": 0.5}, {"pass_at_8": 0.7}, {"format": 0.4}, {"format": 0.8}):
        assert not replace(good, **change).passes()


def test_the_held_out_sets_are_no_tasks_sets() -> None:
    config = study("mini/study.yaml")
    for task, name in HELD_OUT.items():
        assert config.sources[name].split == "held_out"
        assert config.sources[name].renderer == config.sources[config.tasks[task].test].renderer
