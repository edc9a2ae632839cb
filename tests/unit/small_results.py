"""A results root with one artefact of each kind, a few kilobytes, for the tests of verification.

Written by the functions that the workflow writes with; weights and pictures of exhibits are made up.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from raw_sets import picture, rendered_source

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import sha256_of, write_json, write_text
from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.artefacts.verification import contents_digest, verify_folder, verify_part
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.data.fingerprints import fingerprint_set
from othink_mr1.data.leaks import Leak, write_leaks
from othink_mr1.data.rendering.render_source import render_source
from othink_mr1.exhibits.frames import STUDY_COLUMNS, write_frame
from othink_mr1.scoring.scores import Score, write_scores

RAW, DATA = "raw/scenes-0123456789", "data/scenes-123456789a"
EXAMPLES = f"{DATA}/examples.parquet"
FINGERPRINTS, LEAKS = "data/fingerprints/scenes-123456789a-1.parquet", "data/leaks/a--b-1.csv"
BACKBONE = "backbones/small-23456789ab"
RUN, BASE = "counting-sft-s1-3456789abc", "base-456789abcd"
TASK = "counting-56789abcde"
SCORES = f"scores/{RUN}/{TASK}/counting-1.csv"
SCORED = f"answers/{RUN}/{TASK}/answers.jsonl"
EXHIBITS = (
    "same_task.csv",
    "tables/table1.md",
    "tables/table1.tex",
    *(f"figures/figure6.{form}" for form in ("svg", "pdf", "png", "md", "tex", "csv")),
    "figures/training.svg",
    "data/leaks.csv",
    "data/counting.md",
    "data/counting.svg",
)
PLANS = ("same_task", "table1", "figure6", "figures.training", "leaks", "data.counting")


def answers(checkpoint: str) -> str:
    """The folder of a checkpoint's answers."""
    return f"answers/{checkpoint}/{TASK}"


def write_small_results(root: Path) -> Path:
    """Write all of it; returns the root."""
    render_source(rendered_source("scenes", items=2, image_size=56), root / RAW)
    examples = [Example(f"{n:06d}", picture(colour=(n, 0, 0)), "How many ?", "3", None) for n in range(2)]
    with filling(root / DATA, {"form": "parquet"}) as artefact:
        write_examples(examples, root / EXAMPLES)
        artefact.finish(raw_rows=2, unusable={})
    fingerprint_set(root / EXAMPLES, root / FINGERPRINTS)
    leak = Leak("a", "b", "000000", "000001", "near", 3, "same", "q", "q", "")
    write_leaks(root / LEAKS, [leak])
    write_backbone(root)
    write_run(root)
    for checkpoint in (RUN, f"{RUN}-step5", BASE):
        write_answers(root, checkpoint)
    write_scores(
        root / SCORES,
        [Score("000000", "counting", True, True, True, "correct", "", False)],
        sha256_of(root / SCORED),
    )
    write_frame(root / EXHIBITS[0], pd.DataFrame([dict.fromkeys(STUDY_COLUMNS, "")]))
    for name in EXHIBITS[1:]:
        write_sealed_text(root / name, f"an exhibit, {name}\n")
    for plan in PLANS:
        write_json(root / "plans" / f"{plan}-0123456789.json", {"exhibit": plan})
    return root


def write_backbone(root: Path, weights: str = "weights") -> None:
    """A backbone, made up."""
    with filling(root / BACKBONE, {}) as artefact:
        for name in ("config.json", "model.safetensors"):
            write_text(root / BACKBONE / name, weights)
        artefact.finish()


def write_run(root: Path, weights: str = "weights") -> None:
    """A run with two checkpoints, made up."""
    folder = root / "runs" / RUN
    with filling(folder, {"run": {"name": RUN}}) as artefact:
        for part in ("checkpoint", "checkpoint-5"):
            write_text(folder / part / "model.safetensors", f"{weights} of {part}")
        write_text(folder / "metrics.csv", "step,loss\n1,0.5\n")
        made_of = {"backbone": weights_digest(root, BASE), "examples": sha256_of(root / EXAMPLES)}
        artefact.finish(made_of=made_of)


def write_answers(root: Path, checkpoint: str) -> None:
    """A checkpoint's answers, with what they were made of as generate_answers notes it."""
    made_of = {"checkpoint": weights_digest(root, checkpoint), "examples": sha256_of(root / EXAMPLES)}
    line = {"id": "000000", "task": "counting", "question": "q", "gold": "3", "completion": "3"}
    with filling(root / answers(checkpoint), {"run": checkpoint, "made_of": made_of}) as artefact:
        write_text(artefact.folder / "answers.jsonl", json.dumps(line) + "\n")
        artefact.finish()


def weights_digest(root: Path, checkpoint: str) -> str:
    """The digest of a checkpoint's weights."""
    if checkpoint == BASE:
        files = verify_folder(root / BACKBONE)["files"]
        return contents_digest({name: entry["sha256"] for name, entry in files.items()})
    part = "checkpoint-5" if checkpoint.endswith("-step5") else "checkpoint"
    return contents_digest(verify_part(root / "runs" / RUN, part))
