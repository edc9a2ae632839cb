"""The csv files between collecting and drawing: their columns, writing and reading."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.csv_cells import guarded
from othink_mr1.errors import UserError
from othink_mr1.scoring.outcomes import OUTCOMES

ALL_SEEDS = "all"

# Column of a weight -> its path in a method's settings.
WEIGHT_PATHS = {"format_weight": "format_weight", "kl_weight": "kl_schedule.weight"}

# Outcome of the exact scorer -> the study's column that counts it.
OUTCOME_COUNTS = {
    outcome: "exact_correct" if outcome == "correct" else f"outcome_{outcome}" for outcome in OUTCOMES
}

# One row per evaluation. A point with several seeds has one more row, with seed "all": mean accuracies, but
# no counts, as each seed answers the same items. Accuracies are in 0..1, low and high their 95 % interval
# (docs/statistics.md). Empty: step for a final checkpoint, shared items for the untrained backbone.
STUDY_COLUMNS = (
    "point",  # digest of the evaluation's identity without the seed
    "backbone",
    "method",
    "trained_on",
    "tested_on",
    "seed",
    "step",
    "steps",
    "run",
    "format_weight",
    "kl_weight",
    "kl_schedule",
    "varied",  # settings in which the study's runs of this method and task differ: path=value; ...
    "seeds",
    "items",
    "spread",  # what the intervals cover: items, or items and seeds (below three seeds: only items)
    "shared_items",  # test items that the run was trained on: same picture, same question
    "near_shared_items",  # test items that it was nearly trained on: similar picture, same question
    "r1v_correct",
    "r1v_accuracy",
    "r1v_low",
    "r1v_high",
    "r1v_minimum",  # over the seeds
    "r1v_maximum",
    "exact_correct",
    "exact_accuracy",
    "exact_low",
    "exact_high",
    *(column for column in OUTCOME_COUNTS.values() if column != "exact_correct"),
    "format_ok",
    "format_accuracy",
    "format_low",
    "format_high",
    "well_formed",  # answers of all the row's seeds that follow the format; accuracy among them:
    "well_formed_accuracy",  # by r1v
    "well_formed_low",
    "well_formed_high",
    "truncated",  # answers cut at the task's max_new_tokens
    "truncated_share",
    "truncated_low",
    "truncated_high",
    "paper_backbone",
    "paper_version",
    "paper_source",
    "paper_correct",
    "paper_items",
    "paper_accuracy",
    "paper_low",  # Wilson's interval of the paper's count; empty where the count is unknown
    "paper_high",
    "paper_format_accuracy",
    "note",  # what a reader should know of the whole study; empty if there is nothing
)
REWARD_COLUMNS = (
    "backbone",
    "run",
    "method",
    "task",
    "seed",
    "format_weight",
    "kl_schedule",
    "varied",
    "step",
    "accuracy_reward",
    "format_reward",
    "reward",
    "kl",
    "kl_weight",
)
# One row per training task, method and tested task (method_comparison.py). The untrained backbone has no
# training task and no seeds, the baseline no difference.
COMPARISON_COLUMNS = (
    "backbone",
    "trained_on",
    "method",
    "setting",  # the candidate that was chosen: path=value; ...
    "candidates",  # how many there were
    "validation_accuracy",  # by which it was chosen
    "tested_on",
    "own_task",  # 1 if that is the task trained on
    "seeds",
    "items",
    "r1v_accuracy",
    "r1v_low",
    "r1v_high",
    "r1v_minimum",  # over the seeds
    "r1v_maximum",
    "exact_accuracy",
    "kl",  # to the reference, nats: mean over the last tenth of the updates, then over the runs
    "kl_low",
    "kl_high",
    "difference",  # of r1v_accuracy from the baseline's
    "difference_low",
    "difference_high",
    "p",
    "p_holm",  # corrected for all of the csv
    "detectable_difference",  # the smallest that these seeds and items find with 80 % power
    "chance_of_best",  # among the methods trained on the same task
    "runs",
    "note",
)
# One row per pair of tasks and number of seeds (seeds_needed.py). Empty where the paper has no value.
SEEDS_COLUMNS = (
    "backbone",
    "trained_on",
    "tested_on",
    "pictures",
    "seeds",
    "detectable_difference",  # the smallest that this number of seeds finds with 80 % power
    "paper_items",
    "paper_difference",  # of GRPO-D from GRPO
    "paper_seeds_needed",  # to find it on its items, if seeds spread as here; empty: these items are too few
    "paper_smallest",  # the smallest difference that any number of seeds finds on its items
    "note",
)
_TEXT = (
    "point",
    "varied",
    "spread",
    "backbone",
    "method",
    "trained_on",
    "tested_on",
    "task",
    "seed",
    "run",
    "runs",
    "setting",
    "kl_schedule",
    "paper_backbone",
    "paper_version",
    "paper_source",
    "note",
)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a csv atomically, with its manifest: numbers with six significant digits, formulas disarmed."""
    texts = frame.select_dtypes(include=["object", "string"])
    frame = frame.assign(**{str(column): texts[column].map(guarded) for column in texts})
    write_sealed_text(path, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_study(path: Path) -> pd.DataFrame:
    """Read a study's csv. Empty cells are "" in text columns, nan in number columns.

    UserError if it is not a study's csv, or does not match its manifest.
    """
    return _read(path, STUDY_COLUMNS)


def read_reward_curves(path: Path) -> pd.DataFrame:
    """Read reward_curves.csv. UserError as in read_study."""
    return _read(path, REWARD_COLUMNS)


def read_comparison(path: Path) -> pd.DataFrame:
    """Read <study>_comparison.csv. UserError as in read_study."""
    return _read(path, COMPARISON_COLUMNS)


def read_seeds(path: Path) -> pd.DataFrame:
    """Read <study>_seeds.csv. UserError as in read_study."""
    return _read(path, SEEDS_COLUMNS)


def final(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of final checkpoints: a study with `curves: true` has others too."""
    return frame[frame.step.isna()]


def pooled(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per point: the row of all seeds if there are several, else the only row."""
    several = frame.assign(pooled=frame.seed == ALL_SEEDS).groupby("point").pooled.transform("any")
    return frame[(frame.seed == ALL_SEEDS) | ~several]


def by_setting(frame: pd.DataFrame, axis: str = "") -> pd.DataFrame:
    """The frame with the varied settings appended to the method's name: `sft, learning_rate=0.001`.

    So figures and tables that show one entry per method show one per setting. axis: path of a setting that
    is left out.
    """
    methods = []
    for method, varied in zip(frame.method, frame.varied, strict=True):
        shown = [part for part in varied.split("; ") if part and not part.startswith(f"{axis}=")]
        methods.append(", ".join([method, *shown]))
    return frame.assign(method=methods)


def single_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of single seeds if there are several; empty for a study of one seed."""
    return frame[~frame.index.isin(pooled(frame).index)]


def read_csv(path: Path, columns: Iterable[str], again: str, **options: Any) -> pd.DataFrame:
    """A csv that has these columns. options: those of pandas.read_csv.

    UserError if it is not a csv, or lacks a column. again: what the user should do then.
    """
    try:
        frame = pd.read_csv(path, **options)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise UserError(f"{path}: is no csv; {again}") from None
    for column in columns:
        if column not in frame:
            raise UserError(f"{path}: has no column {column!r}; {again}")
    return frame


def _read(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    verify_sealed(path, "let snakemake collect it")
    again = "remove it and let snakemake collect it again"
    texts = dict.fromkeys(_TEXT, str)
    # Only an empty cell is absent: a method or a note may be `null`.
    frame = read_csv(path, columns, again, dtype=texts, keep_default_na=False, na_values=[""])
    return frame.fillna({column: "" for column in _TEXT if column in frame})
