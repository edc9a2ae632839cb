"""A disk that is full at any write: one line, and nothing damaged is taken for whole afterwards."""

from __future__ import annotations

import random
import re
from pathlib import Path

from faults import FAULTS, Undisturbed, all_pass
from small_study import start

from file_faults import Operation

# What needs room on the disk.
_NEEDS_SPACE = ("open", "write", "copy", "fallocate", "mkdir", "symlink", "fsync")
# `make test-crash` tries every one, `make test` some. SFT writes as GRPO does: there some are enough.
_EVERY = FAULTS >= 50


def test_no_space_at_any_write_loses_nothing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    chosen = [operation for operation in undisturbed.operations if operation.name in _NEEDS_SPACE]
    assert len(chosen) > 20
    if not _EVERY or undisturbed.kind == "sft":
        chosen = random.Random(1).sample(chosen, FAULTS)

    def attempt(index: int) -> None:
        operation: Operation = chosen[index]
        results = tmp_path / str(index)
        # The disk is full from there on; or once, and then somebody made room.
        fault = {"no_space_from" if index % 2 else "no_space_only_at": operation.number}
        full = start(undisturbed.job(results), results, **fault, short_write=index % 3 == 0)
        said = full.stderr
        assert full.returncode in (0, 1), said
        assert "Traceback" not in said, said
        if full.returncode == 1:
            last = said.strip().splitlines()[-1]
            assert re.match(r"error: /.+: .*(No space left|os error 28).*; make room on", last), last
        undisturbed.finish_and_compare(results)

    assert all_pass(attempt, range(len(chosen))) == len(chosen)
