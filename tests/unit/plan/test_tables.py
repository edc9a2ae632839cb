"""The tables that the rules look up."""

from __future__ import annotations

import re

import pytest

from othink_mr1.errors import UserError
from othink_mr1.plan import tables
from repository import study

OVERLAYS = [
    [],
    ["mini/study.yaml"],
    ["studies/controls.yaml"],
    ["studies/readings.yaml"],
    ["studies/seeds.yaml"],
]


@pytest.mark.parametrize("overlays", OVERLAYS, ids=str)
def test_the_rules_of_the_trainers_share_no_run(overlays: list[str]) -> None:
    config = study(*overlays)
    rows = {trainer: tables.runs(config, trainer) for trainer in ("sft", "grpo")}
    patterns = {trainer: re.compile(tables.any_digest_of(names)) for trainer, names in rows.items()}
    for trainer, names in rows.items():
        for name in names:
            assert [kind for kind, pattern in patterns.items() if pattern.fullmatch(name)] == [trainer]


def test_a_run_is_in_the_table_of_its_trainer_alone() -> None:
    """By names alone they may be taken for each other: a method `grpo-d-alpha1` that inherits sft."""
    config = study()
    both = [tables.runs(config, trainer) for trainer in ("sft", "grpo")]
    assert {**both[0], **both[1]} == tables.runs(config)
    assert not both[0].keys() & both[1].keys()


def test_patterns_stay_short_with_many_seeds() -> None:
    rows = tables.runs(study(seeds=list(range(100))))
    assert len(rows) == 1500
    assert len(tables.any_digest_of(rows)) < 1500


def test_no_names_match_nothing() -> None:
    for pattern in (tables.any_of([]), tables.any_digest_of([])):
        assert not re.fullmatch(pattern, "")
    assert re.fullmatch(tables.any_of(["a.b", "c"]), "a.b")
    assert not re.fullmatch(tables.any_of(["a.b", "c"]), "axb")


def test_an_unknown_name_is_refused_in_one_line() -> None:
    with pytest.raises(UserError) as caught:
        tables.runs(study())["geometry-grpo-s1-0123456789"]
    assert str(caught.value) == (
        "geometry-grpo-s1-0123456789: this config defines no such name; "
        "`snakemake -n all` lists what it defines"
    )


def test_a_run_and_its_answers_name_the_same_backbone_and_sets() -> None:
    config = study()
    runs, sets, backbones = tables.runs(config), tables.data_sets(config), tables.backbones(config)
    for row in runs.values():
        assert row.examples in sets
        assert row.backbone in backbones
    for entry in tables.answers_by_folder(tables.answers(config)).values():
        assert entry.examples in sets
        folder, _, name = entry.made_of.partition("/")
        assert name in (runs if folder == "runs" else backbones)
        assert entry.checkpoint.startswith(name) or folder == "backbones"
