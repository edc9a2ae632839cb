"""What crash tests compare with, and how many faults they try."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from small_study import Job, SmallStudy, remove, start_forked

from file_faults import Operation
from run_contents import assert_every_step_once, assert_same, curves

# `make test-crash` tries many more than `make test`.
FAULTS = int(os.environ.get("CRASH_TEST_FAULTS", "6"))


@dataclass(frozen=True)
class Undisturbed:
    """A job that nothing disturbed: its results, and its file operations below their root."""

    study: SmallStudy
    kind: str
    results: Path
    operations: tuple[Operation, ...]
    seconds: float  # of the whole job

    def job(self, results: Path) -> Job:
        """The same job, for another results root."""
        return self.study.job(self.kind, results)

    def finish_and_compare(self, results: Path, power_lost: bool = False) -> None:
        """Start the job once more, without a fault; then everything must be as if there had been none.

        power_lost: what was lost of TensorBoard's files is not written again.
        """
        job = self.job(results)
        assert start_forked(job, results) == 0, (results / "stderr").read_text()
        for folder in job.folders:
            assert_same(results / folder, self.results / folder)
            if job.steps is not None:
                assert_every_step_once(results / folder, job.steps)
                assert power_lost or curves(results / folder) == curves(self.results / folder)
        left = [path for path in results.rglob("*") if path.name.endswith((".states", ".answered.jsonl"))]
        assert left == []
        remove(results)


def all_pass(attempt: Callable[[int], None], numbers: Iterable[int]) -> int:
    """Try every number, two at a time; returns how many passed, and raises the first failure after all."""
    failures = []
    passed = 0
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(attempt, number) for number in numbers]:
            if (error := future.exception()) is None:
                passed += 1
            else:
                failures.append(error)
    print(f"{passed} of {passed + len(failures)} as the undisturbed one")
    if failures:
        raise failures[0]
    return passed
