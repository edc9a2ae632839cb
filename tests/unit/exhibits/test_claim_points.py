"""The verdicts behind claims.csv, as they stand in the score tables."""

import json

import pytest
from synthetic_results import SyntheticResults

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.data.examples import read_examples, write_examples
from othink_mr1.errors import UserError
from othink_mr1.exhibits.claims import check_claims, claim_points
from othink_mr1.exhibits.plans import StudiesPlan, read_plan


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    SyntheticResults(root, items=20, seeds=(42, 43, 44)).write_all()
    return root


def claims(results):
    plan = read_plan(results / "plans/claims.json", StudiesPlan)
    return check_claims(claim_points(plan, results))


def test_seeds_are_rows_of_one_point(results):
    plan = read_plan(results / "plans/claims.json", StudiesPlan)
    points = {(p.method, p.tested_on): p for p in claim_points(plan, results)["same_task"]}
    sft, base = points["sft", "counting"].scores, points["base", "counting"].scores
    assert (sft.seeds, sft.r1v_correct.shape) == ((42, 43, 44), (3, 20))
    assert (base.seeds, base.r1v_correct.shape) == ((None,), (1, 20))
    assert sft.items == base.items
    entry = next(e for e in plan.studies[0].evaluations if e.method == "sft" and e.tested_on == "counting")
    lines = (results / entry.scores).read_text().splitlines()
    header = lines[0].split(",")
    rows = {line.split(",")[0]: line.split(",")[header.index("r1v_correct")] for line in lines[1:]}
    assert [str(int(v)) for v in sft.r1v_correct[0]] == [
        {"True": "1", "False": "0"}.get(rows[i], rows[i]) for i in sft.items
    ]


def test_items_of_one_picture_share_its_identity(tmp_path):
    root = tmp_path / "results"
    made = SyntheticResults(root, items=6)
    made.write_all()
    examples = root / "data/counting/examples.parquet"
    items = list(read_examples(examples))
    write_examples(
        [items[0], *(type(i)(i.id, items[0].image, i.question, i.gold, None) for i in items[1:])], examples
    )
    write_manifest(examples.parent, code={})
    plan = read_plan(root / "plans/claims.json", StudiesPlan)
    point = next(p for p in claim_points(plan, root)["same_task"] if p.tested_on == "counting")
    assert len(set(point.scores.pictures)) == 1


def test_scores_of_other_items_are_refused(tmp_path):
    root = tmp_path / "results"
    SyntheticResults(root, items=6).write_all()
    examples = root / "data/counting/examples.parquet"
    items = list(read_examples(examples))
    write_examples(items[1:], examples)
    write_manifest(examples.parent, code={})
    with pytest.raises(UserError, match="does not have"):
        claims(root)


def test_no_text_stands_for_a_number_that_is_none(results, tmp_path):
    rows = claims(results)
    assert set(rows.value_seeds.dropna()) == {3}
    text = rows.to_csv(index=False)
    assert not {"nan", "inf", "<NA>", "None"} & set(text.replace("\n", ",").split(","))
    assert json.dumps(rows["items"].dropna().tolist()) == json.dumps([20] * rows["items"].notna().sum())
