"""The comparison of methods: the choice of candidates, its numbers against plain ones, its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from compared_results import OTHER, OWN, SPLIT, VALIDATION, ComparedResults, drawn
from entry_points import run
from scipy.stats import t

from othink_mr1.errors import UserError
from othink_mr1.exhibits import comparison_figure, frames
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.comparison_table import comparison_table
from othink_mr1.exhibits.figure_files import FigureInputs, as_svg
from othink_mr1.exhibits.method_comparison import compare_methods
from othink_mr1.exhibits.paired_comparisons import compare
from othink_mr1.exhibits.plans import ComparisonPlan
from othink_mr1.exhibits.read_points import read_points
from othink_mr1.exhibits.seeds_needed import seeds_frame
from othink_mr1.exhibits.study_table import study_table

ITEMS = 60
KL = [[0.5] * 18 + [0.02, 0.04], [0.5] * 18 + [0.03, 0.05], [0.5] * 18 + [0.04, 0.06]]


class Compared(NamedTuple):
    """Results, and what is made of them. Only to be read."""

    results: ComparedResults
    plan: ComparisonPlan
    frame: pd.DataFrame


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Three methods, two with candidates. On validation 0.3 and 1 win, whatever the test says."""
    made = ComparedResults(tmp_path_factory.mktemp("compared") / "results")
    made.add_untrained({OWN: [0, 1] * (ITEMS // 2), OTHER: [0, 0, 1] * (ITEMS // 3)})
    made.add(
        "none",
        "",
        {VALIDATION: [[0, 0], [0, 1]], OWN: drawn([0.5] * 3, ITEMS, 1), OTHER: drawn([0.2] * 3, ITEMS, 2)},
        KL,
    )
    for method, chosen, own in (("constant", "0.3", 0.6), ("rising", "1", 0.9)):
        for setting in ("0.3", "1"):
            of_validation = [[1, 1], [1, 0]] if setting == chosen else [[1, 0], [1, 0]]
            share = own if setting == chosen else 1.0  # the other one would do better on the test
            seed = len(method) + len(setting)
            made.add(
                method,
                setting,
                {
                    VALIDATION: of_validation,
                    OWN: drawn([share] * 3, ITEMS, seed),
                    OTHER: drawn([0.3] * 3, ITEMS, seed + 50),
                },
                KL,
            )
    plan = made.plan()
    return Compared(made, plan, compare_methods(plan, made.root)[0])


@pytest.fixture
def results(compared: Compared, tmp_path: Path) -> ComparedResults:
    """A copy to write to."""
    made = ComparedResults(tmp_path / "results")
    shutil.copytree(compared.results.root, made.root)
    made.entries += compared.results.entries
    return made


def test_the_choice_is_by_validation_alone(compared: Compared) -> None:
    results, _, frame = compared
    own = frame[(frame.trained_on == SPLIT) & (frame.own_task == 1)].set_index("method")
    assert list(own.index) == ["none", "constant", "rising"]
    assert list(own.setting) == ["", "kl_schedule.weight=0.3", "kl_schedule.weight=1"]
    assert list(own.candidates) == [1, 2, 2]
    assert list(own.validation_accuracy) == [0.25, 0.75, 0.75]
    assert own.loc["rising", "runs"].split() == [results.run("rising", "1", seed) for seed in (101, 102, 103)]
    assert own.loc["rising", "r1v_accuracy"] < 1


def test_of_equal_candidates_the_first_is_chosen(tmp_path: Path) -> None:
    made = ComparedResults(tmp_path)
    for method in ("constant", "rising"):
        for setting in ("3", "1"):
            made.add(method, setting, {VALIDATION: [[1, 0]], OWN: drawn([0.5] * 3, 9, 1)}, KL)
    frame, _ = compare_methods(made.plan(), tmp_path)
    assert set(frame.setting) == {"kl_schedule.weight=3"}
    assert "of as many candidates per method, the best" in comparison_table(
        made.plan(), frame, seeds_frame([], made.plan())
    )


def test_the_texts_say_that_a_method_may_have_no_candidates(compared: Compared, tmp_path: Path) -> None:
    needed = seeds_frame([], compared.plan)
    assert "per method, if it has some, the best" in comparison_table(compared.plan, compared.frame, needed)
    for name, table in (("mine_comparison", compared.frame), ("mine_seeds", needed)):
        frames.write_frame(tmp_path / f"{name}.csv", table)
    data = {name: tmp_path / f"{name}.csv" for name in ("mine_comparison", "mine_seeds")}
    (line, *_) = comparison_figure.draw(FigureInputs(data, None, tmp_path), "mine").caption
    assert "the best of its candidate settings, if it has some, chosen" in line


def test_its_numbers_are_those_of_the_points(compared: Compared) -> None:
    results, plan, frame = compared
    points = {point.entries[0].point: point.scores() for point in read_points(plan.study, results.root)}
    for task in (OWN, OTHER):
        row = frame[(frame.method == "rising") & (frame.tested_on == task)].iloc[0]
        ours, baseline = points[f"rising-1-{task}"], points[f"constant-0.3-{task}"]
        assert (row.seeds, row["items"]) == (3, ITEMS)
        assert row.r1v_accuracy == ours.r1v_correct.mean()
        against = compare(ours, baseline)
        assert (row.difference, row.p, row.difference_low) == (against.difference, against.p, against.low)
        assert row.detectable_difference == against.detectable
    base = frame[(frame.method == "base") & (frame.tested_on == OWN)].iloc[0]
    assert (base.trained_on, base.seeds, base.r1v_accuracy) == ("", 0, 0.5)
    assert frame[frame.method == "constant"].p.isna().all()


def test_holm_is_over_the_whole_csv(compared: Compared) -> None:
    frame = compared.frame
    ps = frame.p.dropna().astype(float)
    assert len(ps) == 4
    order = ps.sort_values()
    expected = np.minimum(1, np.maximum.accumulate([p * (4 - rank) for rank, p in enumerate(order)]))
    assert frame.p_holm[order.index].to_numpy() == pytest.approx(expected)


def test_the_kl_reached_is_the_mean_of_the_last_tenth(compared: Compared) -> None:
    frame = compared.frame
    reached = [0.03, 0.04, 0.05]
    half = t.ppf(0.975, 2) * np.std(reached, ddof=1) / 3**0.5
    for row in frame[frame.trained_on == SPLIT].itertuples():
        assert (row.kl, row.kl_low, row.kl_high) == pytest.approx((0.04, 0.04 - half, 0.04 + half))


def test_a_run_that_measured_no_kl_has_none(results: ComparedResults) -> None:
    everything = {VALIDATION: [[1, 1]], OWN: [[1] * ITEMS] * 2, OTHER: [[1] * ITEMS] * 2}
    results.add("off", "", everything, [[""]] * 2)
    frame, _ = compare_methods(results.plan(), results.root)
    assert frame[frame.method == "off"].kl.isna().all()
    assert "– |" in comparison_table(results.plan(), frame, seeds_frame([], results.plan()))


def test_methods_without_a_kl_are_compared_all_the_same(tmp_path: Path) -> None:
    made = ComparedResults(tmp_path)
    for seed, method in enumerate(("constant", "sft")):
        tested = {VALIDATION: [[1]], OWN: drawn([0.5] * 3, 30, seed)}
        made.add(method, "", tested, [[0.5]] * 3, column="loss")
    plan = made.plan()
    frame, methods = compare_methods(plan, tmp_path)
    assert frame.kl.isna().all()
    assert frame.p.notna().sum() == 1
    for name, table in (("mine_comparison", frame), ("mine_seeds", seeds_frame(methods, plan))):
        frames.write_frame(tmp_path / f"{name}.csv", table)
    data = {name: tmp_path / f"{name}.csv" for name in ("mine_comparison", "mine_seeds")}
    drawing = comparison_figure.draw(FigureInputs(data=data, plan=None, results=tmp_path), "mine")
    assert "</svg>" in as_svg(drawing.chart)


def test_the_chances_of_being_best_are_of_the_methods_of_a_task(compared: Compared) -> None:
    frame = compared.frame
    own = frame[frame.own_task == 1].set_index("method").chance_of_best
    assert own.sum() == pytest.approx(1)
    assert own["rising"] > 0.99
    other = frame[frame.own_task == 0].set_index("method").chance_of_best
    assert other.sum() == pytest.approx(1)
    assert other.between(0.001, 0.95).all()


def test_a_run_without_metrics_is_named(results: ComparedResults) -> None:
    plan = results.plan()
    (results.root / "runs" / results.run("rising", "1", 102) / "metrics.csv").write_text("step,kl\n1,0.9\n")
    with pytest.raises(UserError, match="rising-1-s102"):
        compare_methods(plan, results.root)


def test_the_program_writes_what_the_figure_is_drawn_from(results: ComparedResults) -> None:
    plan = results.plan()
    root = results.root
    given = ("--plan", root / "plan.json", "--results", root)
    files = ("--output", root / "mine_comparison.csv", "--seeds", root / "mine_seeds.csv")
    assert run("compare_methods", *given, *files, "--table", root / "mine.md") is None
    frame = frames.read_comparison(root / "mine_comparison.csv")
    assert set(frame.note) == {"made up"}
    frames.write_frame(root / "seeds.csv", seeds_frame(compare_methods(plan, root)[1], plan))
    assert (root / "mine_seeds.csv").read_bytes() == (root / "seeds.csv").read_bytes()
    text = (root / "mine.md").read_text()
    assert "## Trained on visual counting, small" in text
    assert "| rising | kl\\_schedule.weight=1 | visual counting | " in text
    data = ("--data", *(f"{name}={root}/{name}.csv" for name in ("mine_comparison", "mine_seeds")))
    stem = root / "figures" / "mine"
    assert run("draw_figure", "--figure", "mine", *given, *data, "--output-stem", stem) is None
    svg = stem.with_suffix(".svg").read_text()
    assert "trained on visual counting" in svg
    assert "rising, weight=1" in svg


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_the_texts_say_how_many_seeds_there_are(tmp_path: Path, seeds: int) -> None:
    """They said `items and seeds` of one seed too, and `nan` where a number of seeds finds nothing."""
    made = ComparedResults(tmp_path)
    for place, shares in enumerate(([0.05, 0.9, 0.95], [0.95, 0.9, 0.05])):
        tested = {VALIDATION: [[1], [0]], OWN: drawn(shares[:seeds], 40, place)}
        made.add(("constant", "rising")[place], "", tested, [[0.1]] * seeds)
    plan = made.plan()
    frame, methods = compare_methods(plan, tmp_path)
    needed = seeds_frame(methods, plan)
    text = comparison_table(plan, frame, needed)
    for name, table in (("mine_comparison", frame), ("mine_seeds", needed)):
        frames.write_frame(tmp_path / f"{name}.csv", table)
    data = {name: tmp_path / f"{name}.csv" for name in ("mine_comparison", "mine_seeds")}
    caption = " ".join(comparison_figure.draw(FigureInputs(data, None, tmp_path), "mine").caption)
    for said in (text, caption):
        assert f"{seeds} seed{'s' if seeds > 1 else ''} " in said.replace(";", " ")
        assert ("of items and seeds" in said) == (seeds == 3)
        assert ("fewer than three seeds" in said) == (seeds < 3)
    assert ("had other seeds" in text) == (seeds > 1)
    assert ("smallest difference" in caption) == (seeds == 3)
    assert "nan" not in text
    assert ("3 seeds not even 100, 10 seeds " in text) == (seeds == 3)
    study = study_table("mine", collect_study(plan.study, tmp_path))
    assert f"means over seeds 1, 2 or {', '.join(['101', '102', '103'][:seeds])}" in study
