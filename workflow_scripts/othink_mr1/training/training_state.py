"""The state of a training between two steps, on disk: everything that the next step depends on.

That is the trained weights, AdamW's moments, the step (which determines data order, samples and learning
rate) and what a trainer carries from one step to the next. No random generator has a state between two steps:
each is newly seeded for its purpose. Safetensors and JSON, no pickles. The manifest is written last.

accelerate's save_state is not used: it writes pickles, and only while the training waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.atomic_files import give_usual_mode
from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.artefacts.verification import verify_folder
from othink_mr1.errors import Damaged, UserError, rust_disk_errors
from othink_mr1.modeling.finite import first_not_finite
from othink_mr1.training.optimisation import Optimisation

METRICS = "metrics.csv"
_NOTES = "notes.json"
_CARRIED = "carried"


@dataclass(frozen=True)
class Carried:
    """What a trainer carries from one step to the next besides weights: JSON values and tensors, by name."""

    notes: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def with_notes(self, notes: Mapping[str, Any]) -> Carried:
        """The same with more notes."""
        return Carried({**self.notes, **notes}, self.tensors)

    def on_host(self) -> Carried:
        """The same with its tensors in host memory. There they need no copy: nothing changes them."""
        return Carried(self.notes, {name: tensor.detach().cpu() for name, tensor in self.tensors.items()})


def require_finite_state(folder: Path, optimisation: Optimisation) -> None:
    """UserError if what the folder is to keep has nan or infinite numbers."""
    if (bad := _part_not_finite(optimisation)) is not None:
        raise UserError(
            f"{folder}: no state is saved, since {bad} hold nan or infinite numbers; lower `learning_rate` "
            "in config.yaml, which starts a new run"
        )


def write_state(
    folder: Path,
    tensors: Mapping[str, Mapping[str, Tensor]],
    carried: Carried,
    metrics: bytes,
    facts: Mapping[str, Any],
) -> None:
    """Write the files of a state; no other thread may change the tensors meanwhile.

    tensors: as Optimisation.tensors() gives them, in host memory; metrics: metrics.csv so far; facts: for the
    manifest.
    """
    for name, group in tensors.items():
        _save(folder, name, group)
    _save(folder, _CARRIED, carried.tensors)
    (folder / _NOTES).write_text(json.dumps({"carried": carried.notes}), encoding="utf-8")
    (folder / METRICS).write_bytes(metrics)
    write_manifest(folder, **facts)


def verify_state(folder: Path) -> dict[str, Any]:
    """The manifest of a state, after checking that every file is as it was written.

    Damaged if a file is not, UserError if one cannot be read.
    """
    if not (folder / MANIFEST).exists():
        raise Damaged(f"{folder / MANIFEST}: missing")
    return verify_folder(folder)


def restore_state(folder: Path, optimisation: Optimisation) -> Carried:
    """Restore a verified state: load weights and moments.

    UserError if it has nan or infinite numbers, which early versions could save.
    """
    optimisation.restore(lambda name: _load(folder, name))
    if (bad := _part_not_finite(optimisation)) is not None:
        raise UserError(
            f"{folder}: {bad} hold nan or infinite numbers; delete it, so that the training resumes from an "
            "older state"
        )
    notes = json.loads((folder / _NOTES).read_text(encoding="utf-8"))
    return Carried(notes["carried"], _load(folder, _CARRIED))


def _part_not_finite(optimisation: Optimisation) -> str | None:
    """`weights of model.norm`, if that is the first with nan or infinite numbers."""
    for name, tensors in optimisation.tensors().items():
        if (bad := first_not_finite(tensors)) is not None:
            return f"{name} of {bad}"
    return None


def _save(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    file = folder / f"{name}.safetensors"
    with rust_disk_errors(SafetensorError, file):
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
    give_usual_mode(file)


def _load(folder: Path, name: str) -> dict[str, Tensor]:
    file = folder / f"{name}.safetensors"
    try:
        with safe_open(file, framework="pt") as stream:
            return {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118  # no mapping
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{file}: cannot be read ({error}); delete {folder} and run snakemake again"
        ) from None
