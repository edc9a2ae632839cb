"""A checkpoint as a folder to give away: for transformers' Auto classes anywhere, with its model card."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.verification import visible_files
from othink_mr1.errors import UserError, naming
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint, verify_weights

CARD = "README.md"  # the hub shows it as the repository's page


def refuse_existing(folder: Path) -> None:
    """UserError if there is something at the path already."""
    if folder.exists():
        raise UserError(f"{folder}: exists already; name a new folder by --output")
    if not folder.parent.is_dir():
        raise UserError(f"{folder.parent}: there is no such folder")


def export_checkpoint(checkpoint: Path, folder: Path, card: str, bf16: bool) -> None:
    """Write the folder: complete, or not at all.

    bf16: weights are rounded to it; otherwise every file is the checkpoint's.
    UserError if the checkpoint is none, does not match its manifest, or the folder exists.
    """
    refuse_existing(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside, naming(folder):
        whole = Path(aside) / folder.name
        if bf16:
            model, processor = load_backbone(checkpoint, "cpu")
            save_checkpoint(model, processor, whole, "bf16")
        else:
            verify_weights(checkpoint)
            for file in visible_files(checkpoint):
                copy = whole / file.relative_to(checkpoint)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        write_text(whole / CARD, card)
        whole.rename(folder)
