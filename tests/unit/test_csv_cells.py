"""No text in any csv is taken for a formula, and what reads it back gets the text."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from othink_mr1.csv_cells import guarded, unguarded
from othink_mr1.data.leaks import Leak, read_leaks, write_leaks
from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.scoring.scores import Score, write_scores

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "\t=1", "'=1", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", [*FORMULAS, "\r=1", "\n=1"])
def test_a_formula_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "1=1", "a", "∠B - 1", "°"])
def test_other_texts_stay(text: str) -> None:
    assert guarded(text) == unguarded(text) == text


def test_every_csv(tmp_path: Path) -> None:
    write_frame(tmp_path / "frame.csv", pd.DataFrame({"a": FORMULAS, "b": -1.0}))
    assert list(pd.read_csv(tmp_path / "frame.csv").b) == [-1.0] * len(FORMULAS)  # a number is none
    leaks = [Leak("=a", "+b", "-1", "@2", "near", 3, "same", text, text, "") for text in FORMULAS]
    write_leaks(tmp_path / "leaks.csv", leaks)
    assert read_leaks(tmp_path / "leaks.csv") == leaks
    scores = [Score(text, "counting", True, True, True, "correct", "", False) for text in FORMULAS]
    write_scores(tmp_path / "scores.csv", scores, "")
    assert (
        list(read_scores(tmp_path / "scores.csv", "counting", tmp_path / "none/answers.jsonl").id) == FORMULAS
    )
    for name, columns in (("frame", ["a"]), ("leaks", ["train_set", "test_id"]), ("scores", ["id"])):
        with open(tmp_path / f"{name}.csv", newline="") as stream:
            for row in csv.DictReader(stream):
                assert all(row[column].startswith("'") for column in columns if column in row), row
