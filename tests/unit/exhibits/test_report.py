"""report.html: what is there is shown, what is not is missing, and no text becomes markup."""

from __future__ import annotations

import base64
import csv
import gzip
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from compared_results import OTHER, OWN, VALIDATION, ComparedResults, drawn
from report_results import make_results

from othink_mr1.data.leaks import COLUMNS as LEAKS_COLUMNS
from othink_mr1.errors import UserError
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.frames import read_study, write_frame
from othink_mr1.exhibits.method_comparison import compare_methods
from othink_mr1.exhibits.plans import ReportPlan
from othink_mr1.exhibits.seeds_needed import seeds_frame
from othink_mr1.plan.exhibits import REPORT, all_plans
from othink_mr1.report.charts import chart_groups
from othink_mr1.report.claims import axis_ticks, claims
from othink_mr1.report.curves import MOST_POINTS, curves
from othink_mr1.report.inputs import Inputs
from othink_mr1.report.items import (
    LONGEST,
    R1V,
    ItemRun,
    Pictures,
    TaskItems,
    _cut,
    packed_items,
    pictures,
    task_items,
)
from othink_mr1.report.page import report_page
from othink_mr1.report.tables import matrices, outcomes
from repository import study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportPlan, Path]:
    root = tmp_path_factory.mktemp("results")
    return make_results(root, seeds=(42, 43, 44)), root


def test_the_same_results_give_the_same_page(made: tuple[ReportPlan, Path]) -> None:
    page = report_page(Inputs(*made))
    assert page == report_page(Inputs(*made))
    for text in (
        "Do the paper’s claims hold?",
        "made up",
        "Table 1.",
        "Figure 1.",
        "Figure 7.",
        "Deviations",
    ):
        assert text in page
    assert "](" not in page.partition('id="deviations"')[2].partition("</section>")[0]
    # There is no leaks.csv here; nothing else is missing.
    assert "Not there yet: data/leaks.csv." in page


def test_a_study_that_has_only_begun(made: tuple[ReportPlan, Path], tmp_path: Path) -> None:
    plan, root = made
    (tmp_path / "runs").mkdir()
    first = plan.runs[0]
    (tmp_path / first.folder).mkdir()
    lines = (root / first.folder / "metrics.csv").read_text().splitlines(True)
    (tmp_path / first.folder / "metrics.csv").write_text("".join(lines[:4]) + lines[4][:5])  # half a line
    page = report_page(Inputs(plan, tmp_path))
    assert page.count('class="missing"') >= 6
    for said in ("No study’s csv is there yet.", "No answers are scored yet.", "No run is complete yet."):
        assert f'<p class="missing">{said}</p>' in page
    (curve,) = curves(Inputs(plan, tmp_path))
    assert curve["step"] == [1, 2, 3]


@pytest.mark.parametrize(
    "content",
    [b"step,loss\n1,\xff\n", b"loss\n1\n", b"step,loss\n1x,2\n", b'step,loss\n1,"' + 200_000 * b"0\n"],
    ids=["encoding", "column", "number", "quote"],
)
def test_damaged_metrics_end_in_one_line(
    content: bytes, made: tuple[ReportPlan, Path], tmp_path: Path
) -> None:
    csv.field_size_limit(2**17)  # Python's own; reading data sets raises it
    (tmp_path / made[0].runs[0].folder).mkdir(parents=True)
    (tmp_path / made[0].runs[0].folder / "metrics.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.csv: is damaged \("):
        curves(Inputs(made[0], tmp_path))


def test_claims_lie_on_one_axis(made: tuple[ReportPlan, Path]) -> None:
    found = claims(Inputs(*made))
    assert found is not None
    rows = [row for _, listed in found.groups for row in listed]
    assert sum(found.counts.values()) == len(rows) == 21
    for row in rows:
        for effect in (row.ours, row.paper):
            if effect is not None:
                assert 0 <= effect.x <= 220
                assert effect.x == pytest.approx(110 + 100 * effect.value / found.reach, abs=0.1)
    assert [label for _, label in axis_ticks(62.0)] == ["−60", "−40", "−20", "0", "+20", "+40", "+60"]


def test_tables_count_the_items(made: tuple[ReportPlan, Path]) -> None:
    inputs = Inputs(*made)
    tasks = task_items(inputs)
    assert {task.task: len(task.examples) for task in tasks} == {"counting": 12, "geometry": 12}
    for one in outcomes(tasks, made[0]):
        runs = {
            run.method: run
            for task in tasks
            if task.task == one.tested_on
            for run in task.runs
            if run.trained_on == one.trained_on
        }
        counts = one.outcomes
        assert counts.items == 12
        assert counts.both + counts.only_proposed == sum(runs["grpo-d"].right)
        assert counts.both + counts.only_against == sum(runs["sft"].right)
    by_method = {matrix.method: matrix for matrix in matrices(inputs)}
    assert set(by_method) == {"sft", "grpo", "grpo-d"}
    assert [trained for trained, _ in by_method["sft"].rows] == ["", "counting", "geometry"]
    assert [cell.own for cell in by_method["sft"].rows[1][1]] == [True, False]


def test_each_claim_says_what_its_interval_is_of(made: tuple[ReportPlan, Path], tmp_path: Path) -> None:
    """The page said `95 %, of items and seeds` of all."""
    said = []
    for plan, root in (made, (make_results(tmp_path), tmp_path)):
        found = claims(Inputs(plan, root))
        assert found is not None
        said.append({row.name: row.interval for _, listed in found.groups for row in listed if row.ours})
    three, one = (set(each.values()) for each in said)
    assert three == {
        "95 %, of items and seeds",
        "90 %, of items and seeds",
        "98.8 %, of items and seeds",
    }
    assert one == {"95 %, of items", "90 %, of items", "98.8 %, of items"}
    assert "95 %, of items and seeds</small>" in report_page(Inputs(*made))


def test_what_was_said_is_counted_in_whole_completions(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completions of more than LONGEST characters were cut first, and their answer with them."""

    def charts() -> list[Any]:
        inputs = Inputs(*made)
        return [one.panels for one in chart_groups(inputs, task_items(inputs)) if one.name == "said-counting"]

    whole = charts()
    monkeypatch.setattr("othink_mr1.report.items.LONGEST", 10)
    assert charts() == whole
    packed = json.loads(gzip.decompress(base64.b64decode(packed_items(task_items(Inputs(*made))[0]))))
    assert all("characters …" in answer for run in packed["runs"] for answer in run["answer"])


def test_outcomes_are_of_the_first_setting_or_of_an_untrained_method(
    made: tuple[ReportPlan, Path],
) -> None:
    def answers(method: str, trained_on: str, setting: str, right: bool) -> ItemRun:
        return ItemRun(method, trained_on, setting, "", [""], [R1V * right], [""])

    runs = [
        answers("base", "", "", False),
        answers("sft", "counting", "", True),
        answers("grpo-d", "counting", "learning_rate=1", True),
        answers("grpo-d", "counting", "learning_rate=2", False),
    ]
    tasks = [TaskItems("counting", [], runs)]
    (found,) = outcomes(tasks, made[0])
    assert (found.trained_on, found.outcomes.both) == ("counting", 1)
    (found,) = outcomes(tasks, made[0].model_copy(update={"against": "base"}))
    assert (found.trained_on, found.outcomes.only_proposed) == ("counting", 1)
    assert not outcomes([TaskItems("counting", [], runs[:1])], made[0])


def test_a_matrix_names_what_was_not_trained(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Inputs(*made)
    frames = [frame for name in ("same_task", "cross_task") if (frame := inputs.points(name)) is not None]
    raw = frames[0][frames[0].method == "base"].assign(method="raw", point=["raw 1", "raw 2"])
    monkeypatch.setattr(
        inputs, "points", {"same_task": pd.concat([frames[0], raw]), "cross_task": frames[1]}.get
    )
    assert {one.method: one.untrained for one in matrices(inputs)} == {
        "sft": "base",
        "grpo": "base",
        "grpo-d": "base",
        "raw": "raw",
    }
    page = report_page(inputs)
    assert page.count("nothing (base)") == 3
    assert page.count("nothing (raw)") == 1


def test_texts_and_pictures_are_bounded(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _cut("x" * LONGEST) == "x" * LONGEST
    assert len(_cut("x" * 100_000)) < LONGEST + 40
    tasks = task_items(Inputs(*made))
    assert isinstance(pictures(tasks)[0], Pictures)
    monkeypatch.setattr("othink_mr1.report.items.PICTURE_BYTES", 1)
    assert {one.side for one in pictures(tasks)} == {96}


def test_curves_of_thousands_of_steps_are_thinned(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Inputs(*made)
    frame = inputs.reward_curves()
    assert frame is not None
    runs = [run.loc[run.index.repeat(50)] for _, run in frame.groupby("run", sort=False)]
    long = pd.concat([run.assign(step=range(1, len(run) + 1)) for run in runs])
    assert len(long) > 20_000
    monkeypatch.setattr(inputs, "reward_curves", lambda: long)
    (group,) = [one for one in chart_groups(inputs, []) if one.name == "figure5"]
    assert group.caption.startswith("12 runs of GRPO and GRPO-D. ")
    for panel in group.panels:
        (rows,) = [one["values"] for one in panel.spec["data"] if "values" in one]
        shown = pd.DataFrame(rows).groupby("run").step
        assert shown.size().max() <= MOST_POINTS
        assert shown.max().to_dict() == long.groupby("run").step.max().to_dict()
        assert shown.size().min() > MOST_POINTS / 2


def test_the_caption_of_curves_compares_steps_where_both_are_there(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Inputs(*made)
    frame = inputs.study("learning_curves")
    assert frame is not None
    for methods, both in (({"base", "sft", "grpo"}, True), ({"base", "sft"}, False)):
        rows = frame[frame.method.isin(methods)]
        monkeypatch.setattr(inputs, "study", {"learning_curves": rows}.get)
        (group,) = [one for one in chart_groups(inputs, []) if one.name == "figure1"]
        assert ("a step of GRPO" in group.caption) == both


def test_the_caption_of_rewards_names_the_methods_that_are_there(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Inputs(*made)
    frame = inputs.reward_curves()
    assert frame is not None
    monkeypatch.setattr(inputs, "reward_curves", lambda: frame[frame.run == frame.run.iloc[0]])
    (group,) = [one for one in chart_groups(inputs, []) if one.name == "figure5"]
    assert group.caption.startswith("1 run of GRPO. ")


def test_each_method_has_a_colour_and_each_place_a_name_of_its_own(
    made: tuple[ReportPlan, Path], tmp_path: Path
) -> None:
    """`a_b` had the colour of `a-b`, an untrained one none; a study called `data` ended the page's script."""
    plan, root = made
    frame = read_study(root / "kl_weight_sweep.csv")
    frame = frame.assign(varied=[f"kl_schedule.weight={weight}" for weight in frame.kl_weight])
    write_frame(tmp_path / "data.csv", frame)
    sweep = next(one for one in plan.studies if one.exhibit == "kl_weight_sweep")
    renamed = [
        entry.model_copy(update={"method": ("a_b", "a-b", "raw")[number % 3], "trained_on": None})
        for number, entry in enumerate(sweep.evaluations)
    ]
    mine = sweep.model_copy(update={"exhibit": "data", "evaluations": renamed})
    page = report_page(Inputs(plan.model_copy(update={"studies": [mine]}), tmp_path))
    colours = re.findall(r":root\{(--m-[^:]+):(#\w+)\}", page)
    assert [name for name, _ in colours] == ["--m-a-b", "--m-a_b", "--m-raw"]
    assert len(dict(colours)) == len({colour for _, colour in colours}) == 3
    places = re.findall(r'<[a-z]+ [^<>]*?\bid="([^"]*)"', page.rpartition("</main>")[0] + '<p id="data">')
    assert "study-data" in places
    assert len(places) == len(set(places))


def test_the_page_says_one_of_one_and_no_backbone_that_is_not_there(
    made: tuple[ReportPlan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Inputs(*made)
    audit = inputs.table("scorer_audit.csv")
    assert audit is not None
    tables = {
        "scorer_audit.csv": audit.head(1).assign(kind="item"),
        "data/leaks.csv": pd.DataFrame([dict.fromkeys(LEAKS_COLUMNS, "x")]),
    }
    monkeypatch.setattr(inputs, "table", tables.get)
    page = report_page(inputs)
    assert "1 of 1 disagreement<" in page
    assert "1 item, 1 shown" in page
    tasks = task_items(inputs)
    trained = [replace(one, runs=[run for run in one.runs if run.method != "base"]) for one in tasks]
    for shown, said in ((tasks, True), (trained, False)):
        captions = [group.caption for group in chart_groups(inputs, shown) if group.name.startswith("said-")]
        assert captions
        assert all(("and the untrained backbone" in caption) == said for caption in captions)


def test_no_text_becomes_markup(tmp_path: Path) -> None:
    page = report_page(Inputs(make_results(tmp_path, hostile=True), tmp_path))
    scripts = re.findall(r"<script[^>]*>", page)
    assert len(scripts) == len(re.findall(r"</script>", page))
    assert 'onerror="document' not in page
    assert "document.title='gone'" not in re.sub(r"<script type=\"[^\"]*\".*?</script>", "", page, flags=re.S)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.S)[1])  # type: ignore[index]
    assert data["longest"] == LONGEST
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "unsafe" not in html.unescape(policy[1])


def test_the_plan_of_the_study_is_a_report_plan() -> None:
    plan = ReportPlan.model_validate(all_plans(study("mini/study.yaml"))[REPORT])
    assert "miniature" in plan.note
    assert len(plan.runs) == 29


def test_a_comparison_has_its_section(tmp_path: Path) -> None:
    results = ComparedResults(tmp_path)
    for number, method in enumerate(("constant", "<b>rising")):
        tested = {VALIDATION: [[1]], OWN: drawn([0.5] * 3, 40, number), OTHER: drawn([0.2] * 3, 40, number)}
        for setting in ("1", "2"):
            results.add(method, setting, tested, [[0.1]] * 3)
    plan = results.plan()
    frame, methods = compare_methods(plan, tmp_path)
    write_frame(tmp_path / "mine_comparison.csv", frame)
    write_frame(tmp_path / "mine.csv", collect_study(plan.study, tmp_path))
    about = {"backbone": "small", "studies": [plan.study.model_dump()], "runs": []}
    about |= {"proposed": "rising", "against": "constant"}
    compared = {"mine": plan.model_dump(include={"baseline", "tasks"})}
    report = ReportPlan.model_validate(about | {"baselines": [], "compared": compared})
    page = report_page(Inputs(report, tmp_path))
    assert 'id="compared"' not in page
    assert "mine_seeds.csv" in page  # as missing
    write_frame(tmp_path / "mine_seeds.csv", seeds_frame(methods, plan))
    page = report_page(Inputs(report, tmp_path))
    assert "mine: trained on visual counting" in page
    assert "&lt;b&gt;rising" in page
    assert "<b>rising" not in page
    # Without that section, its settings would be a sweep.
    assert not chart_groups(Inputs(report, tmp_path), [])
    assert chart_groups(Inputs(report.model_copy(update={"compared": {}}), tmp_path), [])
