"""Table and figures, as the commands make them: complete, repeatable, and drawn whatever the study lacks."""

import json
import math
import re
import shutil
import xml.etree.ElementTree
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
import vl_convert
from entry_points import run
from PIL import Image
from synthetic_results import SyntheticResults, three_tasks

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.artefacts.made_of import ANSWERS_DIGEST
from othink_mr1.artefacts.manifests import manifest_beside, seal, write_sealed_text
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.data.examples import Example, read_examples, write_examples
from othink_mr1.data.leaks import Leak, write_leaks
from othink_mr1.errors import UserError
from othink_mr1.exhibits import (
    counts_figure,
    figure1,
    figure2,
    figure3,
    figure4,
    figure5,
    figure6,
    figure7,
    figure8,
    matrix_figure,
    study_figure,
    training_figure,
)
from othink_mr1.exhibits.captions import leaks_note
from othink_mr1.exhibits.case_panels import cases_figure
from othink_mr1.exhibits.cases import Outcomes, cases_frame, find_cases
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.collected_tables import collect_reward_curves
from othink_mr1.exhibits.figure_files import FigureInputs, write_figure
from othink_mr1.exhibits.frames import read_reward_curves, read_study, write_frame
from othink_mr1.exhibits.labels import METHODS
from othink_mr1.exhibits.marks import count_axis
from othink_mr1.exhibits.plans import CasesPlan, RunsPlan, StudyPlan, TablePlan, read_plan
from othink_mr1.exhibits.sweep_panel import sweep_panel
from othink_mr1.exhibits.table1 import latex, markdown, table1
from othink_mr1.exhibits.text import BOX
from othink_mr1.report.charts import _confusion
from othink_mr1.report.items import ItemRun, TaskItems

OTHERS = {"training": training_figure, "counts": counts_figure, "matrix": matrix_figure}
NUMBERED = (figure1, figure2, figure3, figure4, figure5, figure6, figure7, figure8)
FIGURES = OTHERS | dict(enumerate(NUMBERED, start=1))
STUDIES = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep", "learning_curves")


def make(root, **settings):
    SyntheticResults(root, items=12, **settings).write_all()
    collect(root)
    return root


def collect(root):
    for study in STUDIES:
        plan = read_plan(root / f"plans/{study}.json", StudyPlan)
        write_frame(root / f"{study}.csv", collect_study(plan, root))
    plan = read_plan(root / "plans/reward_curves.json", RunsPlan)
    write_frame(root / "reward_curves.csv", collect_reward_curves(plan, root))


def inputs(root, number):
    data = {name: root / f"{name}.csv" for name in (*STUDIES, "reward_curves")}
    plan = "figures.counts" if number == "counts" else f"figure{number}"
    return FigureInputs(data=data, plan=root / f"plans/{plan}.json", results=root)


def shown_text(figure):
    """All texts of a figure's specification: titles, data, labels."""
    return json.dumps(figure.chart.to_dict(), ensure_ascii=False)


TABLE = TablePlan(proposed="grpo-d", baselines=["base", "sft", "grpo"])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return make(tmp_path_factory.mktemp("seeds"), seeds=(42, 43))


@pytest.fixture(scope="module")
def without_skill(tmp_path_factory):
    return make(tmp_path_factory.mktemp("without_skill"), skill=0.0)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    with three_tasks():
        return make(tmp_path_factory.mktemp("tasks"), seeds=(42, 43, 44))


@pytest.fixture(scope="module")
def drawn(request, tmp_path_factory):
    """Draws a figure of a study once, however many tests look at it. Returns it and its folder."""

    @cache
    def draw(number, study):
        figure = FIGURES[number].draw(inputs(request.getfixturevalue(study), number))
        folder = tmp_path_factory.mktemp(f"{study}-{number}")
        write_figure(figure, folder / "figure")
        return figure, folder

    return draw


@pytest.mark.parametrize("number", FIGURES)
@pytest.mark.parametrize("study", ["seeds", "without_skill", "tasks"])
def test_every_figure_is_drawn(number, study, drawn):
    figure, folder = drawn(number, study)
    svg = (folder / "figure.svg").read_text()
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    assert set(re.findall(r'font-family="([^"]*)"', svg)) == {"Study Sans"}
    assert BOX not in svg  # what the font lacks is drawn so
    with Image.open(folder / "figure.png") as picture:
        assert picture.width > 600
        assert len(picture.convert("L").resize((64, 64)).getcolors()) > 8  # something is on it
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF-")
    assert len(pd.read_csv(folder / "figure.csv")) == len(figure.data) > 0
    # The caption stands beside the picture, not in it.
    caption = (folder / "figure.md").read_text()
    assert figure.name == ("" if number in OTHERS else f"Figure {number}")
    assert caption.startswith(f"**{figure.name}. " if figure.name else "**")
    assert (folder / "figure.tex").read_text().startswith(r"\caption{" + figure.title[:8])
    assert all(sentence.endswith(".") for sentence in figure.sentences)
    shown = shown_text(figure)
    assert not any(line in shown for line in figure.caption if len(line) > 40)


def test_accuracies_end_at_100_percent(results, tmp_path):
    """Axes went to 118 %: of numbers that stand above the plot."""
    frame = read_study(results / "kl_weight_sweep.csv")
    full = frame.assign(r1v_accuracy=1.0, r1v_high=1.0, r1v_low=0.99)
    write_frame(tmp_path / "kl_weight_sweep.csv", full)
    chart = figure6.draw(FigureInputs({"kl_weight_sweep": tmp_path / "kl_weight_sweep.csv"}, None, tmp_path))
    ends = re.findall(r'"scale": \{"domain": \[([0-9.]+), ([0-9.]+)\], "nice": false\}', shown_text(chart))
    assert {end for _, end in ends} >= {"1.0"}
    assert all(float(end) <= 1 for _, end in ends)


def test_a_far_paper_value_does_not_crush_our_effect(results):
    """The paper's 30 % beside our 80 to 85 left little of the plot's height to the effect."""
    frame = read_study(results / "kl_weight_sweep.csv")
    frame = frame.assign(r1v_accuracy=frame.r1v_accuracy * 0.05 + 0.8, r1v_low=0.8, r1v_high=0.86)
    frame = frame.assign(value=frame.kl_weight)
    chart = sweep_panel(frame, "kl_schedule.weight", "β", "r1v", "accuracy", "paper_accuracy").to_dict()
    ours, theirs = (panel["layer"][1]["encoding"]["y"]["scale"]["domain"] for panel in chart["hconcat"])
    assert ours[1] - ours[0] == pytest.approx(theirs[1] - theirs[0])
    assert ours[1] - ours[0] < 0.1


def test_all_panels_of_figure7_have_one_scale(results):
    chart = figure7.draw(inputs(results, 7)).chart.to_dict()
    domains = {
        tuple(layer["encoding"]["y"]["scale"]["domain"])
        for panel in chart["concat"]
        for layer in panel["layer"]
        if "scale" in layer["encoding"]["y"]
    }
    assert len(domains) == 1


def test_three_tasks_have_room(tasks, drawn):
    chart = figure7.draw(inputs(tasks, 7)).chart.to_dict()
    assert (len(chart["concat"]), chart["columns"]) == (6, 3)
    table = table1(read_study(tasks / "same_task.csv"), TABLE)
    assert table.tasks == ("counting", "geometry", "charts")
    assert r"\cmidrule(lr){12-16}" in latex(table)
    assert len(find_cases(read_plan(tasks / "plans/figure8.json", CasesPlan), tasks, ["sft"])) == 6
    _, folder = drawn(2, "tasks")
    with Image.open(folder / "figure.png") as picture:
        assert picture.height > picture.width / 2  # the third card stands below the first


def test_a_study_that_varies_a_setting_has_a_figure(results, tmp_path):
    frame = read_study(results / "kl_weight_sweep.csv")
    frame["varied"] = [f"group_size={2 + number}; target={'ab'[number % 2]}" for number in range(len(frame))]
    write_frame(tmp_path / "groups.csv", frame)
    figure = study_figure.draw(FigureInputs({"groups": tmp_path / "groups.csv"}, None, tmp_path), "groups")
    write_figure(figure, tmp_path / "figure")
    assert study_figure.varied_paths(frame) == ["group_size", "target"]
    assert len(figure.chart.to_dict()["concat"]) == 2
    assert "the paper, Qwen2" not in shown_text(figure)  # the paper's value is of other settings


@pytest.mark.parametrize(("number", "study"), [(4, "format_weight_sweep"), (6, "kl_weight_sweep")])
def test_a_sweep_shows_and_names_the_methods_that_have_its_weight(number, study, results, tmp_path):
    """One without it, as base has none, ended in a traceback; the titles said GRPO of any method."""
    frame = read_study(results / f"{study}.csv")
    same_task = read_study(results / "same_task.csv")
    base = same_task[(same_task.method == "base") & (same_task.tested_on == "geometry")]
    other = frame.assign(method="mine", point=frame.point + "-mine")
    write_frame(tmp_path / f"{study}.csv", pd.concat([base, frame, other]))
    figure = FIGURES[number].draw(FigureInputs({study: tmp_path / f"{study}.csv"}, None, tmp_path))
    write_figure(figure, tmp_path / "figure")
    assert figure.title.endswith(" (GRPO and mine)")
    assert set(figure.data.method) == {"grpo", "mine"}


def test_titles_of_trainings_name_their_methods(results, tmp_path):
    frame = read_reward_curves(results / "reward_curves.csv")
    write_frame(tmp_path / "reward_curves.csv", frame.replace({"method": {"grpo": "mine"}}))
    found = FigureInputs({"reward_curves": tmp_path / "reward_curves.csv"}, None, tmp_path)
    assert figure5.draw(found).title == "Rewards over training steps (mine, α = 1)"
    assert training_figure.draw(found).title == "The trainings of GRPO-D and mine"
    assert training_figure.draw(inputs(results, "training")).title == "The trainings of GRPO and GRPO-D"


def test_figure5_keeps_methods_and_seeds_apart(seeds):
    """Two methods with a constant β, of two seeds each: two lines, not one of four runs."""
    frame = read_reward_curves(seeds / "reward_curves.csv")
    other = frame.assign(method="other", run=frame.run + "-other", format_reward=0.0)
    curves = figure5.chosen_curves(pd.concat([frame, other], ignore_index=True))
    assert set(zip(curves.method, curves.runs, curves.seeds, strict=True)) == {
        ("grpo", 2, "42, 43"),
        ("other", 2, "42, 43"),
    }
    assert (curves.format_reward[curves.method == "other"] == 0).all()
    assert (curves.format_reward_low <= curves.format_reward).all()


def test_counts_are_of_runs_that_were_trained_on_the_task(results, tmp_path):
    plan = json.loads((results / "plans/figures.counts.json").read_text())
    across = json.loads((results / "plans/cross_task.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({"studies": [across, *plan["studies"]]}))
    own = counts_figure.draw(inputs(results, "counts")).data
    both = counts_figure.draw(FigureInputs(data={}, plan=tmp_path / "plan.json", results=results)).data
    order = ["method", "true", "said"]
    own, both = (frame.sort_values(order, ignore_index=True) for frame in (own, both))
    pd.testing.assert_frame_equal(own, both)


def test_a_chart_holds_any_number_of_rows_and_any_number():
    """Altair stops at 5000 rows: two trainings of 4724 steps, as config.yaml has, had no picture."""
    frame = pd.DataFrame({"kl": [math.inf, math.nan, *range(5000)], "step": pd.array([None] * 5002, "Int64")})
    (rows,) = alt.Chart(frame).mark_point().to_dict()["datasets"].values()
    assert rows[:3] == [{"kl": None, "step": None}] * 2 + [{"kl": 0, "step": None}]
    assert len(rows) == 5002


def test_counts_say_how_many_items_they_leave_out(results, tmp_path):
    """Items of other golds were left out silently, as `145` beside `45` is."""
    root = tmp_path / "results"
    shutil.copytree(results, root)
    for path in ("counting", "geometry"):
        file = root / "data" / path / "examples.parquet"
        examples = [
            Example(each.id, each.image, each.question, "145" if number < 5 else "45", each.reasoning)
            for number, each in enumerate(read_examples(file))
        ]
        file.unlink()
        write_examples(examples, file)
        write_manifest(file.parent)
    caption = counts_figure.draw(inputs(root, "counts")).caption
    assert [line for line in caption if "not shown" in line] == [
        f"{task}: 5 of {len(examples)} items are not shown, as their gold is no whole number up to 99"
        for task in ("visual counting", "geometry reasoning")
    ]
    (group,) = _confusion([TaskItems("counting", examples, [_said_nothing(len(examples))])])
    assert f"Visual counting: 5 of {len(examples)} items are not shown" in group.caption
    all_shown = counts_figure.draw(inputs(results, "counts")).caption
    assert not [line for line in all_shown if "visual counting:" in line]


def _said_nothing(items: int) -> ItemRun:
    return ItemRun("base", "", "", "", [""] * items, [0] * items, [""] * items)


def test_counts_are_of_whole_numbers(tmp_path):
    golds = ["3", "3", "4", "many"]
    examples = list(read_examples(make_set(tmp_path / "set.parquet", golds)))
    said = ["<answer> 3 </answer>", "<answer>04</answer>", "four", "<answer>9</answer>"]
    counts = counts_figure.said_counts(examples, said).set_index(["true", "said"])
    assert counts["items"].to_dict() == {(3, "3"): 1, (3, "4"): 1, (4, "other"): 1}
    assert counts.share.to_dict() == {(3, "3"): 0.5, (3, "4"): 0.5, (4, "other"): 1}


@pytest.mark.parametrize("number", [1, 4, 5, 6, 7])
def test_an_empty_study_is_drawn_and_says_so(number, results, tmp_path):
    data = {}
    for name in (*STUDIES, "reward_curves"):
        data[name] = tmp_path / f"{name}.csv"
        write_sealed_text(data[name], (results / f"{name}.csv").read_text().splitlines()[0] + "\n")
    figure = FIGURES[number].draw(FigureInputs(data=data, plan=None, results=tmp_path))
    write_figure(figure, tmp_path / "figure")
    assert "this study" in shown_text(figure)


@pytest.mark.parametrize("number", [1, 8])
def test_the_same_data_gives_the_same_bytes(number, seeds, drawn, tmp_path):
    _, folder = drawn(number, "seeds")
    write_figure(FIGURES[number].draw(inputs(seeds, number)), tmp_path / "figure")
    for kind in ("svg", "png", "pdf", "md", "tex", "csv"):
        name = f"figure.{kind}"
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), kind


def test_an_axis_of_thousands_of_steps_begins_at_0():
    steps = pd.DataFrame({"step": [0, 8000]})
    chart = alt.Chart(steps).mark_point().encode(x=alt.X("step:Q", axis=count_axis(6)))
    labels = re.findall(r">([\d.]+k?)</text>", vl_convert.vegalite_to_svg(chart.to_dict()))
    assert labels == ["0", *(f"{thousands}k" for thousands in range(1, 9))]


def test_figure1_curves_start_at_the_backbone(results):
    points = FIGURES[1].draw(inputs(results, 1)).data
    assert list(points[points.method == "sft"].at_step) == [0, 30, 60, 90, 120]
    base = read_study(results / "same_task.csv").set_index(["method", "tested_on"])
    starts = points[points.at_step == 0]
    assert set(starts.method) == {"sft", "grpo"}
    assert set(starts.r1v_correct) == {base.r1v_correct["base", "geometry"]}
    assert points[points.paper_accuracy.notna()].at_step.tolist() == [200, 120]  # GRPO, SFT: final values


def test_figure2_shows_the_median_gold(tmp_path):
    golds = ["9", "many", "3", "5", "4", "5"]
    image = next(read_examples(make_set(tmp_path / "image.parquet", ["1"]))).image
    path = make_set(tmp_path / "set.parquet", golds, image)
    assert figure2.median_example(path).id == "e3"  # sorted: 3 4 5 5 9 many; the third is the first 5


def make_set(path, golds, image=None):
    if image is None:
        Image.new("RGB", (8, 8)).save(path.with_suffix(".png"))
        image = path.with_suffix(".png").read_bytes()
    write_examples([Example(f"e{n}", image, "how many?", gold, None) for n, gold in enumerate(golds)], path)
    return path


@pytest.mark.parametrize(("number", "methods"), [(3, ["sft", "grpo-d"]), (8, ["base", "sft", "grpo-d"])])
def test_cases_follow_their_rule(number, methods, results):
    plan = read_plan(results / f"plans/figure{number}.json", CasesPlan)
    both = [read_plan(results / f"plans/{study}.json", StudyPlan) for study in ("same_task", "cross_task")]
    cases = find_cases(plan, results, methods)
    # A study may test on all tasks: then a method has been trained on each of them, and tested on each.
    shown = {"proposed": "grpo-d", "against": "sft", "cases": 1}
    in_all = find_cases(CasesPlan(studies=both, **shown), results, methods)
    three = find_cases(plan.model_copy(update={"cases": 3}), results, methods)
    assert [case for case in in_all if (case.trained_on == case.tested_on) == (number == 3)] == cases
    assert {(case.trained_on == case.tested_on) for case in cases} == {number == 3}
    assert len(cases) == 2
    entries = plan.studies[0].evaluations
    for case, more in zip(cases, three, strict=True):
        scores = {
            entry.method: pd.read_csv(results / entry.scores).set_index("id").r1v_correct
            for entry in entries
            if entry.tested_on == case.tested_on and entry.trained_on in (None, case.trained_on)
        }
        order = [example.id for example in read_examples(results / f"data/{case.tested_on}/examples.parquet")]
        wanted = [name for name in order if scores["grpo-d"][name] and not scores["sft"][name]]
        (item,) = case.items
        assert item.example.id == wanted[0]
        assert [shown.method for shown in item.shown] == methods
        assert [shown.correct for shown in item.shown] == [bool(scores[m][wanted[0]]) for m in methods]
        assert [item.example.id for item in more.items] == wanted[:3]
        right, others = (set(scores[m].index[scores[m] == 1]) for m in ("grpo-d", "sft"))
        counts = (right & others, right - others, others - right, set(order) - right - others)
        assert case.outcomes == Outcomes(*map(len, counts))


@pytest.mark.parametrize("number", [3, 8])
def test_no_case_is_said(number, without_skill, results, tmp_path):
    figure = FIGURES[number].draw(inputs(without_skill, number))
    assert shown_text(figure).count("no such case: there is no item that GRPO-D answers correctly") == 2
    assert figure.data.missing.str.startswith("no such case").all()
    plan = json.loads((results / f"plans/figure{number}.json").read_text())
    study = plan["studies"][0]
    for method, said in (("sft", "has no SFT here"), ("grpo-d", "has no GRPO-D here")):
        rows = [row for row in study["evaluations"] if row["method"] != method]
        (tmp_path / "plan.json").write_text(json.dumps(plan | {"studies": [study | {"evaluations": rows}]}))
        lacking = FIGURES[number].draw(FigureInputs(data={}, plan=tmp_path / "plan.json", results=results))
        assert shown_text(lacking).count(said) == 2


def test_completions_cannot_leave_the_page(results, tmp_path):
    """A completion is untrusted text: it must not become markup, nor break the files."""
    root = tmp_path / "results"
    shutil.copytree(results, root)
    hostile = (
        "<think></script><script>alert(1)</script>]]>&\x00\x1b\u202e\ud800"
        + "x" * 5000
        + "</think> <answer> 7 </answer>"
    )
    entries = read_plan(root / "plans/figure3.json", CasesPlan).studies[0].evaluations
    for entry in entries:
        path = root / entry.answers
        lines = [json.loads(line) | {"completion": hostile} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        write_manifest(path.parent)
        seal(root / entry.scores, {ANSWERS_DIGEST: sha256_of(path)})
    figure = figure3.draw(inputs(root, 3))
    assert len(figure.data) == 4
    write_figure(figure, tmp_path / "figure")
    xml.etree.ElementTree.parse(tmp_path / "figure.svg")
    assert "<script" not in (tmp_path / "figure.svg").read_text()
    longest = max(shown_text(figure).split('"'), key=lambda text: text.count("x"))
    assert longest.count("x") < 1000  # cut


def test_a_damaged_image_is_one_line(results, tmp_path):
    path = make_set(tmp_path / "set.parquet", ["1"], b"no image")
    (tmp_path / "plan.json").write_text(json.dumps({"tasks": {"counting": {"examples": str(path)}}}))
    with pytest.raises(UserError, match="counting item e0: the image cannot be read"):
        figure2.draw(FigureInputs(data={}, plan=tmp_path / "plan.json", results=results))


def test_methods_stay_apart_in_grey():
    def grey(colour):
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    greys = [grey(style.colour) for style in METHODS.values()]
    assert all(lighter - darker > 15 for lighter, darker in pairwise(greys))
    assert len({style.shape for style in METHODS.values()}) == len(METHODS)


def same_task_frame(exact=(), **accuracies):
    """Rows of one task; accuracy per method, `-` for `_`. exact: it by the exact scorer, else 0.1 less."""
    rows = []
    for name, accuracy in accuracies.items():
        base = name == "base"
        shares = {
            "r1v": (accuracy, 0.05),
            "exact": (dict(exact).get(name, accuracy - 0.1), 0.05),
            "well_formed": (accuracy + 0.1, 0.1),
        }
        row = {"backbone": "b_1", "method": name.replace("_", "-"), "point": name, "varied": ""}
        row |= {"trained_on": "" if base else "counting", "tested_on": "counting"}
        row |= {"seed": "" if base else "42", "items": 200, "well_formed": 100, "spread": "items"}
        row |= {"truncated_share": 0.02, "truncated_low": 0.01, "truncated_high": 0.05}
        for share, (value, half) in shares.items():
            row |= {f"{share}_accuracy": value, f"{share}_low": value - half, f"{share}_high": value + half}
        rows.append(row | {"paper_backbone": "P", "paper_version": "v1"})
    columns = ["step", "format_weight", "kl_weight", "kl_schedule", "shared_items"]
    columns += ["paper_accuracy", "paper_items"]
    return pd.DataFrame(rows).assign(**dict.fromkeys(columns, float("nan")))


CUT, SEVENTY = "2.00 [1.0–5.0]", "**<u>70.00</u>** [60.0–80.0]"


def test_table1_marks():
    frame = same_task_frame(base=0.4, sft=0.6, grpo=0.6, grpo_d=0.5, exact={"grpo_d": 0.7})
    table = table1(frame, TABLE)
    assert markdown(table).splitlines()[:7] == [
        "| Accuracy (%) | VC, ours, r1v | VC, ours, exact | VC, well-formed | VC, cut | VC, paper |",
        "|---|---:|---:|---:|---:|---:|",
        "| *b_1* | | | | | |",
        f"| base | 40.00 [35.0–45.0] | 30.00 [25.0–35.0] | 50.00 [40.0–60.0] | {CUT} | – |",
        # The best may be a baseline.
        f"| SFT | **<u>60.00</u>** [55.0–65.0] | <u>50.00</u> [45.0–55.0] | {SEVENTY} | {CUT} | – |",
        f"| GRPO | **<u>60.00</u>** [55.0–65.0] | <u>50.00</u> [45.0–55.0] | {SEVENTY} | {CUT} | – |",
        f"| GRPO-D | 50.00 [45.0–55.0] | **70.00** [65.0–75.0] | 60.00 [50.0–70.0] | {CUT} | – |",
    ]
    text = latex(table)
    assert r"SFT & \textbf{\underline{60.00}} {\footnotesize [55.0--65.0]} & \underline{50.00} {" in text
    assert r"\emph{b\_1}" in text
    assert text.count("&") == 1 + 5 + 4 * 5
    missing = markdown(table1(same_task_frame(base=0.4, grpo_d=0.5), TABLE))
    assert "| SFT | – | – | – | – | – |" in missing
    assert "| base | <u>40.00</u> [35.0–45.0] | <u>30.00</u> [25.0–35.0] | <u>50.00</u> [" in missing
    assert "paper's values" not in missing  # it has none
    # Which methods are baselines is the config's.
    other = markdown(table1(frame, TABLE.model_copy(update={"baselines": ["base"]})))
    assert "| base | <u>40.00</u>" in other
    assert "| SFT | **60.00**" in other


def test_table1_without_baselines_underlines_none(results):
    frame = read_study(results / "same_task.csv")
    assert "Bold: best of the column; underlined: strongest" in markdown(table1(frame, TABLE))
    text = markdown(table1(frame, TABLE.model_copy(update={"baselines": []})))
    assert "Bold: best of the column.  " in text
    assert "underlined" not in text


def test_table1_is_latex(results):
    """Every row has as many columns as the table is said to have, and what opens is closed."""
    text = latex(table1(read_study(results / "same_task.csv"), TABLE))
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert r"\par\footnotesize VC: visual counting" in body
    assert r"\begin{tabular}{lrrrrrrrrrr}" in body
    assert r"\cmidrule(lr){2-6}" in body
    assert r"\cmidrule(lr){7-11}" in body
    assert "\n & ours, r1v & ours, exact & well-formed & cut & paper & ours, r1v & ours, exact" in body
    for row in [line for line in body.splitlines() if line.endswith(r"\\")]:
        spans = [int(columns) for columns in re.findall(r"\\multicolumn\{(\d+)\}", row)]
        assert row.count("&") + 1 + sum(spans) - len(spans) == 11, row
    assert body.count("{") == body.count("}")
    assert re.findall(r"\\(?:begin|end)\{(\w+)\}", body) == ["tabular", "tabular"]


def test_table1_says_what_its_scorers_are(results):
    table = table1(read_study(results / "same_task.csv"), TABLE)
    note = "r1v: the published scorer, its faults included. exact: the answer tag alone, compared by value."
    assert f"\n{note}  \n" in markdown(table)
    assert f" {note} " in latex(table)


LEAKS = "test items that also stand in the training set: "


def test_notes_say_what_the_runs_were_trained_on(results, seeds):
    own = "visual counting 1 of 12 (2 near), geometry reasoning 1 of 12 (2 near)"
    table = table1(read_study(results / "same_task.csv"), TABLE)
    assert f"\nT{LEAKS[1:]}{own}.  \n" in markdown(table)
    assert f" T{LEAKS[1:]}{own}." in latex(table)
    for number in (1, 4, 6):
        # Of several seeds the items are the same.
        assert f"{LEAKS}geometry reasoning 1 of 12 (2 near)" in said(
            FIGURES[number].draw(inputs(seeds, number))
        )
    across = said(FIGURES[7].draw(inputs(seeds, 7)))
    assert f"{LEAKS}VC → GR 0 of 12 (0 near), GR → VC 0 of 12 (0 near)" in across
    base = read_study(results / "same_task.csv").query("method == 'base'")
    assert LEAKS.capitalize() not in markdown(table1(base, TABLE))


def said(figure):
    return "; ".join(figure.caption)


def test_a_note_counts_the_items_of_one_seed(seeds):
    frame = read_study(seeds / "same_task.csv")
    assert leaks_note(frame.iloc[::-1]) == [
        f"{LEAKS}geometry reasoning 1 of 12 (2 near), visual counting 1 of 12 (2 near)"
    ]
    assert leaks_note(frame[frame.method == "base"]) == []


@pytest.mark.parametrize(
    ("picture", "question", "leak", "words"),
    [
        ("same", "same", "same", "it also stands in the training set"),
        ("near", "same", "near", "the training set has a picture that looks alike, with the same question"),
        ("same", "other", "", ")"),
    ],
)
def test_cases_say_whether_the_methods_were_trained_on_them(
    picture, question, leak, words, results, tmp_path
):
    plan = json.loads((results / "plans/figure3.json").read_text())
    (case, *_) = find_cases(CasesPlan.model_validate(plan), results, ["sft"])
    same_picture = "0" if picture == "same" else ""
    found = Leak("a", "b", case.items[0].example.id, "0", picture, 0, question, "q", "q", same_picture)
    write_leaks(tmp_path / "leaks.csv", [replace(found, test_id="another"), found])
    for entry in plan["studies"][0]["evaluations"]:
        entry["leaks"] = str(tmp_path / "leaks.csv")
    shown = CasesPlan.model_validate(plan)
    (case, *_) = cases = find_cases(shown, results, ["sft"])
    assert case.items[0].leak == leak
    assert set(cases_frame([case]).in_training_set) == {leak}
    figure = cases_figure("", "cases", shown, cases[:1], lambda _: "own task", results)
    text = shown_text(figure)
    where = f"(test item {case.items[0].example.id}"
    shown = text[text.index(where) + len(where) :]
    assert shown.replace("\\n", " ").startswith(f"; {words})" if leak else words)


def test_table1_of_the_paper(results):
    text = markdown(table1(read_study(results / "same_task.csv"), TABLE))
    papers = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()[3:7]]
    assert [(row[1], row[6], row[11]) for row in papers] == [
        ("base", "42.50", "15.52"),
        ("SFT", "<u>68.50</u>", "<u>32.49</u>"),
        ("GRPO", "64.50", "30.24"),
        ("GRPO-D", "**76.50**", "**34.35**"),
    ]


def test_the_commands(results, tmp_path):
    """Each command once, as the rules call them."""
    out, plans = tmp_path / "out", results / "plans"
    studies = {name: results / f"{name}.csv" for name in STUDIES}
    collected = {"same_task": "study", "runs": "runs", "reward_curves": "reward_curves"}
    for exhibit, what in collected.items():
        files = ("--plan", plans / f"{exhibit}.json", "--results", results)
        files += ("--output", out / f"{exhibit}.csv")
        table = ("--table", out / "tables" / f"{exhibit}.md") if what == "study" else ()
        assert run(f"collect_{what}", *files, *table) is None
    table = (
        "--plan",
        plans / "table1.json",
        "--results",
        results,
        "--output-markdown",
        out / "table.md",
        "--output-latex",
        out / "table.tex",
    )
    assert run("make_table", "--same-task", out / "same_task.csv", *table) is None
    given = ("--plan", plans / "claims.json", "--results", results, "--output", out / "claims.csv")
    assert run("check_claims", *given) is None
    data = ("--data", f"kl_weight_sweep={studies['kl_weight_sweep']}")
    stem = ("--results", results, "--output-stem", out / "figures/figure6")
    assert run("draw_figure", "--figure", "figure6", *data, *stem) is None

    made = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    figure = {f"figures/figure6.{kind}" for kind in ("svg", "pdf", "png", "md", "tex", "csv")}
    tables = {"same_task.csv", "runs.csv", "reward_curves.csv", "claims.csv"}
    exhibits = tables | {"tables/same_task.md", "table.md", "table.tex"} | figure
    assert made == exhibits | {manifest_beside(Path(name)).as_posix() for name in exhibits}
    for name in exhibits:
        verify_sealed(out / name)
    assert (out / "same_task.csv").read_bytes() == studies["same_task"].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--figure", "figure6"), "--data: this figure needs kl_weight_sweep=CSV"),
        (("--figure", "figure3"), "--plan: this figure needs its plan file"),
        (("--figure", "figure6", "--data", "kl_weight_sweep"), "must be NAME=CSV"),
        (
            ("--figure", "figure6", "--data", "kl_weight_sweep=missing.csv"),
            "missing.csv: there is no such file",
        ),
        (
            ("--figure", "figure6", "--data", f"kl_weight_sweep={__file__}"),
            "has no .test_exhibits.py.manifest.json beside it, so it may be damaged; if the workflow ",
        ),
    ],
)
def test_mistakes_end_in_one_line(arguments, said, tmp_path):
    message = run("draw_figure", *arguments, "--results", tmp_path, "--output-stem", tmp_path / "figure")
    assert said in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_the_matrix_has_every_pair_of_tasks_and_others_checkpoints(tasks, tmp_path):
    given = inputs(tasks, "matrix")
    frame = matrix_figure.draw(given).data
    trained = frame[(frame.method == "grpo") & (frame.seed == "all")]
    assert len(trained) == 9
    assert len(set(zip(trained.trained_on, trained.tested_on, strict=True))) == 9
    # Another's checkpoint that was trained on no task here has its own row, not the backbone's.
    same = read_study(tasks / "same_task.csv")
    theirs = same[same.method == "base"].assign(method="theirs", r1v_accuracy=0.987)
    theirs = theirs.assign(point="theirs" + theirs.tested_on)
    write_frame(tmp_path / "same_task.csv", pd.concat([same, theirs]))
    given = replace(given, data={**given.data, "same_task": tmp_path / "same_task.csv"})
    texts = json.dumps(matrix_figure.draw(given).chart.to_dict()["datasets"])
    assert texts.count('"98.7"') == 3
