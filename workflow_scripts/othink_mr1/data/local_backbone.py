"""A checkpoint in a folder of the user's: its content as one number, and its copy among the results."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import sha256_of, written_aside
from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.artefacts.verification import contents_digest
from othink_mr1.data.checkpoint_files import require_checkpoint
from othink_mr1.data.download.selection import BACKBONE_FILES, require_space
from othink_mr1.errors import UserError
from othink_mr1.plan.download_lock import LOCK_FILE


def backbone_files(folder: Path) -> list[Path]:
    """The files that make a backbone: weights as safetensors, and the texts beside them.

    UserError as in require_checkpoint.
    """
    require_checkpoint(folder)
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and path.name != MANIFEST
        and not path.name.startswith(".")
        and any(fnmatch(path.name, pattern) for pattern in BACKBONE_FILES)
    ]


def backbone_content(folder: Path) -> str:
    """The sha256 of these files, with their names. UserError as in backbone_files."""
    return contents_digest({path.name: sha256_of(path) for path in backbone_files(folder)})


def import_backbone(folder: Path, sha256: str, out: Path) -> None:
    """Copy the files into `out` and finish it with a manifest. A complete folder is left unchanged.

    UserError if they are not those of which the sha256 is, or if there is no room for them.
    """
    with filling(out, {"content": sha256}) as artefact:
        if artefact.complete:
            return
        files = backbone_files(folder)
        require_space(out, sum(path.stat().st_size for path in files), str(folder))
        for path in files:
            with written_aside(out / path.name) as aside:
                shutil.copyfile(path, aside)
        digests = {path.name: sha256_of(out / path.name) for path in files}
        if (found := contents_digest(digests)) != sha256:
            raise UserError(
                f"{folder}: its files have sha256 {found}, not {sha256} as in the config or {LOCK_FILE}; "
                "bring the former ones back, or correct that entry, which makes new runs: delete it and run "
                "lock_local_data.py again, or write the new sha256 into the config"
            )
        artefact.finish(digests)
