"""The exact scorer on a labelled set of answers, all gold forms of the published sets among them.

labelled_geometry.tsv was written by hand, with a reason on each line.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

from othink_mr1.scoring import geometry

with open(Path(__file__).with_name("labelled_geometry.tsv"), encoding="utf-8", newline="") as stream:
    CASES = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_set_is_large_and_has_both_verdicts_for_every_gold():
    assert len(CASES) >= 600
    by_gold = Counter((case["gold"], case["outcome"] == "correct") for case in CASES)
    for gold in {case["gold"] for case in CASES}:
        assert by_gold[gold, True] >= 2, gold
        assert by_gold[gold, False] >= 1, gold


@pytest.mark.parametrize("spaces", [" {} ", "{}", "\n{}\n"])
def test_labelled_answers(spaces):
    wrong = []
    for case in CASES:
        completion = f"<think>It could be 1.</think> <answer>{spaces.format(case['answer'])}</answer>"
        judgement = geometry.exact_outcome(completion, case["gold"])
        if judgement.outcome != case["outcome"]:
            wrong.append((case, judgement))
    assert not wrong


def test_every_gold_is_correct_as_it_stands():
    for gold in {case["gold"] for case in CASES}:
        assert geometry.exact_reward(f"<answer> {gold} </answer>", gold) == 1.0
        for other in {case["gold"] for case in CASES}:
            if other != gold:
                equal = {gold, other} in EQUAL
                assert geometry.exact_reward(f"<answer> {gold} </answer>", other) == float(equal), (
                    gold,
                    other,
                )


# Of two golds of one value, or one without its unit, each is right for the other.
EQUAL = [{"5cm^2^", "5cm²"}]
