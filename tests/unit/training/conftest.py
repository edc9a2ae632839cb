"""What trainings are tested on."""

from __future__ import annotations

from pathlib import Path

import pytest

from othink_mr1.data.examples import write_examples
from tiny import EXAMPLES


@pytest.fixture
def examples_file(tmp_path: Path) -> Path:
    write_examples(EXAMPLES, tmp_path / "examples.parquet")
    return tmp_path / "examples.parquet"


@pytest.fixture
def rewards_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny random model earns no real reward, and equal rewards move nothing."""
    monkeypatch.setattr(
        "othink_mr1.training.rewards.accuracy_rewards",
        lambda questions: [float(len(question.completion) % 2) for question in questions],
    )
