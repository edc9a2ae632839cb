"""Checks what was downloaded from branches against the lock file. Reads small files, no network."""

from __future__ import annotations

from pathlib import Path

from othink_mr1.errors import UserError
from othink_mr1.study.artefacts import MANIFEST, read_manifest
from othink_mr1.study.config import StudyConfig
from othink_mr1.study.data_plan import branches
from othink_mr1.study.download_lock import lock_key, read_lock


def check_downloads(config: StudyConfig, results: Path, lock_file: Path) -> None:
    """Refuse to go on with a download that is of another commit than the lock file names.

    This happens when the lock file came with a pull, or from another machine, after the branch had moved.
    Raises UserError that says which of the two to keep, and how.
    """
    lock = read_lock(lock_file)
    for folder, (kind, repository, revision) in branches(config).items():
        locked = lock.get(lock_key(kind, repository, revision), {}).get("commit")
        if locked is None or not (results / folder / MANIFEST).exists():
            continue
        present = read_manifest(results / folder).get("revision")
        if present != locked:
            raise UserError(
                f"{results / folder}: holds {repository} at {present}, but {lock_file} says that {revision} "
                f"is {locked}; to keep what is there write `revision: {present}` into config.yaml, to take "
                f"the other `revision: {locked}`"
            )
