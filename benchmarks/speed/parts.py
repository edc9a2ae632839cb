"""The parts of the benchmark: what each measures, and the csv it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks.speed.evaluation import measure_evaluation
from benchmarks.speed.floor_check import check_floor
from benchmarks.speed.grpo import SYSTEMS, Measured, measure_grpo
from benchmarks.speed.machine import SgemmPeak
from benchmarks.speed.memory import measure_memory
from benchmarks.speed.rounds import summary, tell
from benchmarks.speed.scaling import measure_scaling
from benchmarks.speed.sft import measure_sft
from benchmarks.speed.shapes import (
    EVALUATION,
    GRPO_SHAPES,
    MEMORY_SHAPES,
    QUICK,
    SUPERVISED_SHAPES,
    SWEEPS,
    EvaluationShape,
    GRPOShape,
    SupervisedShape,
    Sweep,
)
from othink_mr1.artefacts.atomic_files import written_aside


@dataclass(frozen=True)
class Plan:
    """What is measured, and how often."""

    grpo_shapes: tuple[GRPOShape, ...]
    grpo_rounds: int
    memory_shapes: tuple[GRPOShape, ...]
    memory_systems: tuple[str, ...]
    evaluation: EvaluationShape
    evaluation_rounds: int
    supervised_shapes: tuple[SupervisedShape, ...]
    supervised_rounds: int
    sweeps: tuple[Sweep, ...]
    scaling_rounds: int

    def with_rounds(self, rounds: int) -> Plan:
        """The same, every comparison as often as this."""
        return replace(
            self,
            grpo_rounds=rounds,
            evaluation_rounds=rounds,
            supervised_rounds=rounds,
            scaling_rounds=rounds,
        )

    def with_shapes(self, names: list[str]) -> Plan:
        """The same, with these GRPO steps only."""
        return replace(self, grpo_shapes=tuple(shape for shape in self.grpo_shapes if shape.name in names))


def full_plan() -> Plan:
    """What docs/speed.md shows; up to 20 minutes."""
    return Plan(
        grpo_shapes=GRPO_SHAPES,
        grpo_rounds=7,
        memory_shapes=MEMORY_SHAPES,
        memory_systems=SYSTEMS,
        evaluation=EVALUATION,
        evaluation_rounds=5,
        supervised_shapes=SUPERVISED_SHAPES,
        supervised_rounds=15,
        sweeps=SWEEPS,
        scaling_rounds=3,
    )


def quick_plan() -> Plan:
    """Every part once, with as little work as it takes."""
    return Plan(
        grpo_shapes=(QUICK,),
        grpo_rounds=1,
        memory_shapes=(QUICK,),
        memory_systems=SYSTEMS[:2],
        evaluation=replace(EVALUATION, items=8, mean_answer=16, longest_answer=32, batch_size=4),
        evaluation_rounds=1,
        supervised_shapes=SUPERVISED_SHAPES[1:],
        supervised_rounds=1,
        sweeps=tuple(replace(sweep, values=sweep.values[:2]) for sweep in SWEEPS[:1]),
        scaling_rounds=1,
    )


# plan, backbone's folder, scratch folder, sgemm peak, output folder
Part = Callable[[Plan, Path, Path, SgemmPeak, Path], None]


def grpo(plan: Plan, backbone: Path, scratch: Path, peak: SgemmPeak, output: Path) -> None:
    """GRPO steps: grpo_step.csv."""
    check_floor(backbone)
    measured = measure_grpo(backbone, scratch, plan.grpo_shapes, plan.grpo_rounds)
    _write_summary(measured, peak, output, "grpo_step")


def memory(plan: Plan, backbone: Path, scratch: Path, peak: SgemmPeak, output: Path) -> None:
    """Peak memory: memory.csv."""
    _write(output / "memory.csv", measure_memory(backbone, scratch, plan.memory_shapes, plan.memory_systems))


def evaluation(plan: Plan, backbone: Path, scratch: Path, peak: SgemmPeak, output: Path) -> None:
    """Evaluation: evaluation.csv."""
    measured = measure_evaluation(backbone, plan.evaluation, plan.evaluation_rounds)
    _write_summary(measured, peak, output, "evaluation")


def sft(plan: Plan, backbone: Path, scratch: Path, peak: SgemmPeak, output: Path) -> None:
    """SFT steps: sft.csv."""
    measured = measure_sft(backbone, scratch, plan.supervised_shapes, plan.supervised_rounds)
    _write_summary(measured, peak, output, "sft")


def scaling(plan: Plan, backbone: Path, scratch: Path, peak: SgemmPeak, output: Path) -> None:
    """Cost as work grows: scaling.csv."""
    measured = measure_scaling(backbone, scratch, plan.sweeps, plan.scaling_rounds)
    rows = summary(measured.rounds, measured.floors, peak.measure())
    names = rows["case"].str.split("=", expand=True)
    rows.insert(0, "sweep", names[0])
    rows.insert(1, "value", names[1].astype(int))
    _write(output / "scaling.csv", rows)


PARTS: dict[str, Part] = {
    "grpo": grpo,
    "memory": memory,
    "evaluation": evaluation,
    "sft": sft,
    "scaling": scaling,
}


def _write_summary(measured: Measured, peak: SgemmPeak, output: Path, name: str) -> None:
    rows = summary(measured.rounds, measured.floors, peak.measure())
    tell(rows)
    _write(output / f"{name}.csv", rows)
    _write(output / f"{name}_rounds.csv", measured.rounds)


def _write(path: Path, frame: pd.DataFrame) -> None:
    with written_aside(path) as aside:
        frame.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")
