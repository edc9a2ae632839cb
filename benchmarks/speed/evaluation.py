"""Evaluation: the project's own decoding beside transformers' `generate`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.floor import Sizes, evaluation_floor
from benchmarks.speed.grpo import Measured
from benchmarks.speed.ours import OursEvaluation
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.plain_generate import PlainGenerate
from benchmarks.speed.rounds import interleaved
from benchmarks.speed.shapes import EvaluationShape
from benchmarks.speed.workload import evaluation_workload
from othink_mr1.modeling.processor import load_processor

CASE = "evaluation"


def measure_evaluation(backbone: Path, shape: EvaluationShape, rounds: int) -> Measured:
    """Compare the answers, then time both."""
    workload = evaluation_workload(load_processor(backbone), shape)
    systems: dict[str, OursEvaluation | PlainGenerate] = {
        "ours": OursEvaluation(backbone),
        "generate": PlainGenerate(backbone),
    }
    answers = [system.answer(workload, PhaseClock()) for system in systems.values()]
    same = sum(one == other for one, other in zip(*answers, strict=True))
    # Rounding can part two nearly equal tokens, rarely.
    print(f"{CASE}: {same} of {len(workload.images)} answers are the same", file=sys.stderr, flush=True)
    if same < 0.9 * len(workload.images):
        raise RuntimeError("the two ways of decoding give other answers")
    steps = {
        name: lambda clock, system=system: system.answer(workload, clock) for name, system in systems.items()
    }
    floor = evaluation_floor(Sizes.of(load_stock(backbone).config), workload)
    return Measured(interleaved(CASE, steps, rounds), {CASE: floor})
