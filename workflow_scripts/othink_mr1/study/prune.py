"""What lies in a results root and is used by no exhibit of the studies that are to be kept; and deleting it.

Known are artefact folders with their states, single files with a manifest beside them, and the logs and
benchmarks of jobs. Exhibits stay, and so does whatever is not known to be the workflow's, is being written,
or is reached through a link.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from othink_mr1.artefacts.manifests import MANIFEST, MANIFEST_COPY, manifest_beside, read_manifest
from othink_mr1.artefacts.one_writer import one_writer, who, writer_of
from othink_mr1.artefacts.results_tree import results_tree, size_of
from othink_mr1.artefacts.verification import mark_of
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.identity import DIGEST_LENGTH
from othink_mr1.study.jobs import study_jobs
from othink_mr1.study.workflow import Study

# The names that the workflow gives to artefact folders end with a digest.
_OURS = re.compile(rf".+-[0-9a-f]{{{DIGEST_LENGTH}}}")
_STATES = ".states"
# Of jobs whose outputs have digests in their names: rules of exhibits write their logs again and again.
_RULES = (
    "download_dataset",
    "render_source",
    "prepare_dataset",
    "fingerprint_dataset",
    "find_leaks",
    "download_backbone",
    "pretrain_backbone",
    "train_sft",
    "train_grpo",
    "generate_answers",
    "score_answers",
)
_RECORDS = (("logs", ".log"), ("benchmarks", ".tsv"))


@dataclass(frozen=True)
class Unused:
    """path: a folder or a file. files: itself and the hidden ones that belong to it. made: in seconds since
    1970. filled: the folder whose writer's lock guards it, if it has one."""

    kind: str
    path: Path
    files: tuple[Path, ...]
    bytes: int
    made: float
    filled: Path | None = None


@dataclass
class Found:
    """unused: can be deleted. left: why something that is unused, too, stays."""

    unused: list[Unused] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def find_unused(results: Path, kept: Sequence[StudyConfig]) -> Found:
    """Look through a results root for what none of the studies uses. UserError if there is no such folder."""
    if not results.is_dir():
        raise UserError(f"{results}: there is no such folder; check `results`, or run snakemake first")
    jobs = [job for config in kept for job in study_jobs(Study(config))]
    used = {results / file.removesuffix(f"/{MANIFEST}") for job in jobs for file in job.outputs}
    tree = results_tree(results)
    found = Found()
    for kind, folder in tree.folders:
        if folder not in used and _may_go(found, results, folder):
            found.unused.append(_folder(kind, folder))
    for kind, file in tree.files:
        if kind != "exhibits" and file not in used and _may_go(found, results, file):
            found.unused.append(_sealed(kind, file))
    for states in sorted((results / "runs").glob(f".*{_STATES}")):
        run = states.with_name(states.name.removeprefix(".").removesuffix(_STATES))
        if run not in used and not run.exists() and _may_go(found, results, states):
            found.unused.append(_unused("runs", states, (states,), states.stat().st_mtime, run))
    names = {job.name for job in jobs}
    found.unused += _records(results, names)
    return found


def delete(unused: Unused) -> None:
    """Delete it. What is interrupted leaves something unfinished, never something that looks complete.

    UserError if somebody has begun to write it.
    """
    if unused.filled is None:
        _delete_files(unused)
    elif holder := writer_of(unused.filled):
        raise UserError(f"{unused.path}: is being written by {who(holder)}")
    else:
        with one_writer(unused.filled):
            _delete_files(unused)
    for folder in (unused.path.parent, unused.path.parent.parent):
        # answers/<checkpoint>, scores/<checkpoint>/<tested task>
        if unused.kind in ("answers", "scores") and folder.name not in ("answers", "scores"):
            _remove_if_empty(folder)


def found_lines(found: Found) -> Iterator[str]:
    """What was found, for a reader: folders and scores by name, logs by their number."""
    named = [entry for entry in found.unused if entry.kind not in dict(_RECORDS)]
    for entry in named:
        yield f"{entry.kind:<10} {_size(entry.bytes):>12}  {_age(entry.made):>12}  {entry.path}"
    for kind, _ in _RECORDS:
        entries = [entry for entry in found.unused if entry.kind == kind]
        if entries:
            size = sum(entry.bytes for entry in entries)
            yield f"{kind:<10} {_size(size):>12}  {len(entries)} files of jobs that no exhibit needs"
    yield from (f"left alone: {line}" for line in found.left)
    total = sum(entry.bytes for entry in found.unused)
    yield f"unused: {len(found.unused)}, {_size(total)}"


def _may_go(found: Found, results: Path, path: Path) -> bool:
    """Whether something unused can be deleted; notes why if not."""
    reason = _reason_to_stay(results, path)
    if reason:
        found.left.append(f"{path}: {reason}")
    return reason is None


def _reason_to_stay(results: Path, path: Path) -> str | None:
    inside = [path, *(above for above in path.parents if results in above.parents)]
    if any(part.is_symlink() for part in inside):
        return "is reached through a link"
    is_states = path.name.endswith(_STATES)
    folder = path.with_name(path.name.removeprefix(".").removesuffix(_STATES)) if is_states else path
    if path.is_dir() and not (_OURS.fullmatch(folder.name) if is_states else _is_ours(folder)):
        return "is not known to be an artefact of this workflow"
    if path.is_file() and not manifest_beside(path).exists():
        return "has no manifest beside it, so it may be somebody's own"
    if holder := writer_of(folder):
        return f"is being written by {who(holder)}"
    return None


def _is_ours(folder: Path) -> bool:
    if not _OURS.fullmatch(folder.name):
        return False
    if mark_of(folder).exists():
        return True
    try:
        read_manifest(folder)
    except UserError:
        return False
    return True


def _folder(kind: str, folder: Path) -> Unused:
    """An artefact folder: its states and manifests go first, the mark that it may be emptied last."""
    states = folder.with_name(f".{folder.name}{_STATES}")
    memory = folder.with_name(f".{folder.name}.verified.json")
    manifests = (folder / MANIFEST, folder / MANIFEST_COPY)
    made = next((path for path in manifests if path.exists()), folder).stat().st_mtime
    return _unused(kind, folder, (states, *manifests, folder, memory, mark_of(folder)), made, folder)


def _sealed(kind: str, file: Path) -> Unused:
    seal = manifest_beside(file)
    return _unused(kind, file, (file, seal), next(p for p in (file, seal) if p.exists()).stat().st_mtime)


def _records(results: Path, names: set[str]) -> Iterator[Unused]:
    for place, suffix in _RECORDS:
        for rule in _RULES:
            folder = results / place / rule
            if any(above.is_symlink() for above in (folder, folder.parent)):
                continue
            for file in sorted(folder.glob(f"*{suffix}")):
                name = f"{rule}/{file.name.removesuffix(suffix)}"
                if name not in names and file.is_file() and not file.is_symlink():
                    yield _unused(place, file, (file,), file.stat().st_mtime)


def _unused(
    kind: str, path: Path, files: tuple[Path, ...], made: float, filled: Path | None = None
) -> Unused:
    there = tuple(file for file in files if file.is_symlink() or file.exists())
    # What lies in a folder is counted with it.
    size = sum(size_of(file) for file in there if path not in file.parents and not file.is_symlink())
    return Unused(kind, path, there, size, made, filled)


def _delete_files(unused: Unused) -> None:
    for path in unused.files:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # which does not follow links
        else:
            path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _age(made: float) -> str:
    days = max(0.0, time.time() - made) / 86400
    return f"{days:,.0f} days old" if days >= 1 else f"{24 * days:.0f} h old"
