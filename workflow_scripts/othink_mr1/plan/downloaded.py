"""Checks downloads from branches against the lock file. No network."""

from __future__ import annotations

from pathlib import Path

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.data import hub_downloads
from othink_mr1.plan.download_lock import COMMIT, agree, lock_key, read_lock


def check_downloads(config: StudyConfig, results: Path, lock_file: Path) -> None:
    """Refuse a download whose commit differs from the lock file's.

    This happens when the lock file came with a pull, or from another machine, after the branch had moved. A
    missing entry (the lock file was lost) is written again from the downloaded data.
    Raises UserError that says how to proceed.
    """
    lock = read_lock(lock_file)
    for folder, (kind, repository, revision) in hub_downloads(config).items():
        if COMMIT.fullmatch(revision) or not (results / folder / MANIFEST).exists():
            continue
        present = str(read_manifest(results / folder).get("revision"))
        key = lock_key(kind, repository, revision)
        locked = lock.get(key, {}).get("commit")
        if locked is None:
            agree(lock_file, key, present)
        elif present != locked:
            raise UserError(
                f"{results / folder}: contains commit {present} of {repository}, but {lock_file} says that "
                f"{revision} is {locked}; delete the folder to download {locked}, or write {present} into "
                f"{lock_file} to keep it; a commit as `revision` in config.yaml prevents this, and makes a "
                "new folder and new runs"
            )
