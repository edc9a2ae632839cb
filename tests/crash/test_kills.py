"""Jobs killed at random points, also while they save, also twice in a row: the same results to the bit."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from faults import FAULTS, Undisturbed, all_pass
from small_study import (
    SLOW_SECONDS,
    being_written,
    start,
    start_and_kill,
    start_and_kill_beside_a_write,
)

from file_faults import Operation, lose_unsynced

HOWS = ("emptied", "half", "zeroed")


def test_killed_anywhere_it_goes_on_to_the_bit(undisturbed: Undisturbed, tmp_path: Path) -> None:
    operations = undisturbed.operations
    saving = [operation for operation in operations if _saves(operation)]
    assert saving

    def attempt(number: int) -> None:
        draw = random.Random(number)
        results = tmp_path / str(number)
        job = undisturbed.job(results)
        # In turn: before any file operation; while something is saved; at any moment, computing or not.
        for again in range(1 + number % 2):  # every second one twice in a row
            way = (number // 2 + again) % 3
            if way == 2:
                code = start_and_kill(job, results, draw.uniform(0, undisturbed.seconds))
                killed = code != 0
            else:
                chosen = draw.choice(saving if way == 1 else operations)
                killed = start(job, results, kill_before=chosen.number).returncode == -9
            assert killed or again or way == 2, "the second attempt has fewer operations, the first has not"
        undisturbed.finish_and_compare(results)

    assert all_pass(attempt, range(FAULTS)) == FAULTS


@pytest.mark.parametrize("undisturbed", ["sft", "grpo"], indirect=True)
def test_killed_while_a_state_is_written_beside_the_steps(undisturbed: Undisturbed, tmp_path: Path) -> None:
    def attempt(number: int) -> None:
        draw = random.Random(2000 + number)
        results = tmp_path / str(number)
        job = undisturbed.job(results)
        assert job.steps is not None
        # The last step has no state.
        step = 1 + number % (job.steps - 1)
        after = draw.uniform(0, 3 * SLOW_SECONDS)
        assert start_and_kill_beside_a_write(job, results, step, after) == -9
        assert being_written(results / job.folders[0], step)
        undisturbed.finish_and_compare(results)

    assert all_pass(attempt, range(FAULTS)) == FAULTS


def test_a_power_loss_costs_at_most_what_was_not_on_the_disk(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    numbers = [operation.number for operation in undisturbed.operations]

    def attempt(number: int) -> None:
        draw = random.Random(1000 + number)
        results = tmp_path / str(number)
        killed = start(undisturbed.job(results), results, kill_before=draw.choice(numbers))
        assert killed.returncode == -9
        lose_unsynced(killed.operations, results, HOWS[number % len(HOWS)])
        undisturbed.finish_and_compare(results, power_lost=True)

    assert all_pass(attempt, range(FAULTS)) == FAULTS


def test_two_jobs_on_one_folder_are_one_writer_after_the_other(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    def attempt(number: int) -> None:
        time.sleep(number * 0.05)  # a job takes half a second: neither has ended when the other starts
        done = start(undisturbed.job(tmp_path / "both"), tmp_path / "both")
        assert done.returncode == 0, done.stderr

    assert all_pass(attempt, range(2)) == 2
    undisturbed.finish_and_compare(tmp_path / "both")


def _saves(operation: Operation) -> bool:
    """Whether it is part of saving: a state, a checkpoint, kept answers, a manifest."""
    text = f"{operation.path} {operation.other or ''}"
    return any(name in text for name in (".states/", "checkpoint", ".answered", "manifest.json"))
