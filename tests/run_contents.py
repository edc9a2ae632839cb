"""What must be bit-identical in two runs or two sets of answers: everything but times."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from othink_mr1.artefacts.verification import verify_folder, visible_files

# Of a manifest: times, and what depends on how often the run was interrupted.
_OF_THE_CLOCK = ("made", "wall_seconds", "gpu_hours", "attempts", "answered_before")
_NEVER_EQUAL = ("manifest.json", "metrics.csv")


def contents(folder: Path) -> dict[str, object]:
    """By file name: bytes, metrics without their seconds, facts of the manifest.

    The folder must be complete and undamaged. TensorBoard's files are left out: no result depends on them.
    """
    manifest = verify_folder(folder)
    found: dict[str, object] = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in visible_files(folder)
        if "tensorboard" not in path.parts and path.name not in _NEVER_EQUAL
    }
    found["manifest.json"] = {
        key: value for key, value in manifest.items() if key not in _OF_THE_CLOCK and key != "files"
    }
    if (folder / "metrics.csv").exists():
        found["metrics.csv"] = metrics(folder)
    return found


def metrics(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without `seconds`, which must be positive."""
    rows = list(csv.DictReader(io.StringIO((folder / "metrics.csv").read_text())))
    for row in rows:
        assert float(row.pop("seconds")) > 0
    return rows


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """TensorBoard's curves, as its own reader returns them: for each curve, the value of every step.

    After a restart a step may be reported a second time: then it must have the same value.
    """
    events = EventAccumulator(str(folder / "tensorboard"), purge_orphaned_data=False)
    events.Reload()
    found: dict[str, dict[int, float]] = {}
    for tag in events.Tags()["scalars"]:
        values = found.setdefault(tag, {})
        for event in events.Scalars(tag):
            assert values.setdefault(event.step, event.value) == event.value, f"{folder}: {tag}"
    return found


def assert_same(folder: Path, reference: Path) -> None:
    """The two are bit-identical; otherwise, names the file that differs."""
    ours, theirs = contents(folder), contents(reference)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert ours[name] == theirs[name], (
            f"{folder}: {name} differs: {ours[name]!r:.2000} {theirs[name]!r:.2000}"
        )


def assert_every_step_once(folder: Path, steps: int) -> None:
    """The metrics have each step exactly once, in order."""
    assert [int(row["step"]) for row in metrics(folder)] == list(range(1, steps + 1))
