"""A study's table in Markdown, and what is said of answers that were cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_results import SyntheticResults, collected, write_verdicts

from othink_mr1.exhibits.captions import cut_note
from othink_mr1.exhibits.study_table import HEADS, study_table


def rows_of(text: str) -> list[dict[str, str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """Counting: SFT with two seeds and two rates; 20 items, of which cut and well-formed are as below."""
    made = SyntheticResults(tmp_path, items=12)

    def entry(method: str, rate: str, seed: int | None, right: int, cut: int) -> dict[str, Any]:
        task = None if method == "base" else "counting"
        plan = made.evaluation("sft" if task else "base", task, "counting", seed, 0.5)
        file = f"{method}-{rate}-{seed}.csv"
        # The last ones are cut, and these do not follow the format.
        rows = [f"{int(n < 20 - cut)},{int(n < right)},0,wrong,,{int(n >= 20 - cut)}" for n in range(20)]
        write_verdicts(tmp_path, file, "own.parquet", "counting", rows)
        about = {"varied": {"learning_rate": rate} if rate else {}, "point": f"{method}{rate}"}
        return (
            plan
            | about
            | {
                "scores": file,
                "answers": "deleted/answers.jsonl",
                "examples": "own.parquet",
                "run": file,
                "leaks": None,
            }
        )

    plan = [
        entry("base", "", None, 4, 0),
        entry("sft", "0.1", 1, 9, 10),
        entry("sft", "0.1", 2, 5, 10),
        entry("sft", "1", 1, 1, 18),
        entry("sft", "1", 2, 1, 18),
    ]
    return collected(plan, tmp_path)


def test_every_point_has_a_row_with_items_seeds_and_intervals(frame: pd.DataFrame) -> None:
    text = study_table("mine", frame)
    rows = rows_of(text)
    assert text.startswith("# mine\n")
    assert list(rows[0]) == list(HEADS)
    assert [(row["method"], row["seeds"], row["items"]) for row in rows] == [
        ("base", "–", "20"),
        (r"SFT, learning\_rate=0.1", "2", "20"),
        (r"SFT, learning\_rate=1", "2", "20"),
    ]
    assert [row["r1v"].split(" ")[0] for row in rows] == ["20.00", "35.00", "5.00"]
    assert [row["cut"].split(" ")[0] for row in rows] == ["0.00", "50.00", "90.00"]
    # Of the well-formed answers alone: 4 of 20, 14 of 2 x 10, 2 of 2 x 2.
    among = [row["r1v, well-formed only"] for row in rows]
    assert [text.split(" ")[0] for text in among] == ["20.00", "70.00", "50.00"]
    assert [text.split(" of ")[1] for text in among] == ["20", "20", "4"]
    assert all("[" in row[name] for row in rows for name in ("r1v", "exact", "format", "cut"))
    assert "R1-V's own, of Qwen2-VL-2B-Instruct: base on counting 48.0% (README" in text


def test_captions_say_whose_answers_were_cut(frame: pd.DataFrame) -> None:
    said = "answers cut at max_new_tokens: SFT, learning_rate=1 VC 90.0%, SFT, learning_rate=0.1 VC 50.0%"
    assert cut_note(frame) == said
    assert cut_note(frame[frame.method == "base"]) == "no answer was cut at max_new_tokens"
    assert f"A{said[1:]}." in study_table("mine", frame)


def test_the_csv_has_the_cut_answers_of_each_seed(frame: pd.DataFrame) -> None:
    first, second, together = frame[frame.varied == "learning_rate=0.1"].to_dict("records")
    assert (first["truncated"], second["truncated"]) == (10, 10)
    assert pd.isna(together["truncated"])
    assert together["truncated_share"] == 0.5
    assert together["truncated_low"] < 0.5 < together["truncated_high"]
    assert (first["well_formed"], together["well_formed"]) == (10, 20)
    assert first["well_formed_accuracy"] == 0.9
    nothing = frame[(frame.varied == "learning_rate=1") & (frame.seed == "1")].iloc[0]
    assert (nothing["well_formed"], nothing["well_formed_accuracy"]) == (2, 0.5)
