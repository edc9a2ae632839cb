"""The lock file: the commit of a branch when it was first downloaded.

`downloads.lock.json` maps "<type>/<owner>/<name>@<written revision>" to {"commit": <40 hex digits>}. It is
meant to be committed to git, so that everybody's `revision: main` is the same data. Every download checks it.
A commit is not part of any identity. "local/<path>", with what is read of it if that is given, is mapped to
{"sha256": <64 hex digits>}, the content of a local source, which is its identity.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from othink_mr1.artefacts.atomic_files import write_json
from othink_mr1.config.sources import LocalBackbone, LocalSource, TableSource
from othink_mr1.errors import UserError

# Beside config.yaml and meant to be committed, like it.
LOCK_FILE = Path("downloads.lock.json")
LOCAL = "local/"
COMMIT = re.compile(r"[0-9a-f]{40}")
_ENTRIES = {"commit": COMMIT, "sha256": re.compile(r"[0-9a-f]{64}")}
GUARD_SECONDS = 60.0


def lock_key(repository_type: str, repository: str, revision: str) -> str:
    """The entry's name, e.g. dataset/owner/name@main."""
    return f"{repository_type}/{repository}@{revision}"


def read_lock(path: Path) -> dict[str, dict[str, str]]:
    """All entries; {} if there is no lock file yet. UserError if it is damaged."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON ({error}); restore it with git, or delete it") from None
    if not isinstance(entries, dict):
        raise UserError(f"{path}: must be a JSON object; restore it with git, or delete it")
    for key, entry in entries.items():
        kind = "sha256" if key.startswith(LOCAL) else "commit"
        named = entry.get(kind) if isinstance(entry, dict) else None
        if not isinstance(named, str) or not _ENTRIES[kind].fullmatch(named):
            raise UserError(f"{path}: entry {key} does not name a {kind}; restore it with git, or delete it")
    return entries


def local_key(declared: LocalSource | LocalBackbone) -> str:
    """The entry's name, e.g. local/data/charts {"split": "test"}: another split is other content."""
    read = declared.model_dump(mode="json", exclude_defaults=True, include=set(TableSource.model_fields))
    return f"{LOCAL}{declared.path}" + (f" {json.dumps(read, sort_keys=True)}" if read else "")


def locked_commit(path: Path, key: str) -> str | None:
    """The commit that the entry names; None if there is no such entry."""
    return read_lock(path).get(key, {}).get("commit")


def agree(path: Path, key: str, named: str) -> None:
    """Add an entry, or check the existing one: UserError if it names another commit, or another content."""
    # Imported here, as the Snakefile only reads the lock file.
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.guard"), timeout=GUARD_SECONDS):
            entries = read_lock(path)
            kind = "sha256" if key.startswith(LOCAL) else "commit"
            locked = entries.get(key, {}).get(kind)
            if locked is None:
                write_json(path, {**entries, key: {kind: named}})
    except Timeout:
        raise UserError(f"{path}: another process keeps it locked; try again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); make its folder writable") from None
    if locked in (None, named):
        return
    if kind == "sha256":
        raise UserError(
            f"{key}: its content has sha256 {named}, not {locked} as in {path}; bring the former data back, "
            "or delete that entry for the new data, which makes new runs"
        )
    raise UserError(
        f"{key}: moved from commit {locked} (in {path}) to {named} since it was first downloaded; write "
        f"this commit into config.yaml: `revision: {locked}` for the data as it was, or "
        f"`revision: {named}` for the new"
    )
