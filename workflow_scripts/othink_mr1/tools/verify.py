"""Verifies a whole results folder: every file that has a manifest is read and compared with it.

It continues after damage, changes nothing, and does not rely on earlier verifications.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.artefact import refuse_lost_manifest
from othink_mr1.artefacts.made_of import ANSWERS_DIGEST, has_other_answers, has_other_weights, run_of
from othink_mr1.artefacts.manifests import MANIFEST, read_manifest, unreadable
from othink_mr1.artefacts.one_writer import who, writer_of
from othink_mr1.artefacts.results_tree import KINDS, results_tree, size_of
from othink_mr1.artefacts.verification import faults, verify_sealed
from othink_mr1.errors import UserError

SAY_EVERY_SECONDS = 10.0


@dataclass
class Report:
    """sound: kind -> number of folders and files, and their bytes. damaged, unfinished: lines that say what
    to do. leftovers: with their sizes in bytes."""

    sound: dict[str, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(KINDS, (0, 0)))
    damaged: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    leftovers: list[tuple[Path, int]] = field(default_factory=list)

    def add_sound(self, kind: str, size: int) -> None:
        """Count a folder or file of `size` bytes."""
        count, before = self.sound[kind]
        self.sound[kind] = (count + 1, before + size)


def verify_results(results: Path) -> Report:
    """Read everything below a results folder. UserError if there is no such folder."""
    if not results.is_dir():
        raise UserError(f"{results}: there is no such folder; check `results`, or run snakemake first")
    tree = results_tree(results)
    report = Report()
    manifests: dict[Path, dict[str, Any]] = {}
    for _, folder in tree.folders:
        with _noting(report, folder):
            if (folder / MANIFEST).exists():
                manifests[folder] = read_manifest(folder)
            else:
                refuse_lost_manifest(folder)
                report.unfinished.append(_unfinished(folder))
    sizes = [*map(_listed_bytes, manifests.values()), *(size_of(file) for _, file in tree.files)]
    progress = _Progress(sum(sizes))
    for folder in list(manifests):
        before = len(report.damaged)
        with _noting(report, folder):
            report.damaged += map(str, faults(folder, manifests[folder], progress.add))
        if len(report.damaged) > before:
            del manifests[folder]
    for kind, folder in tree.folders:
        if folder not in manifests:
            continue
        manifest = manifests[folder]
        run = manifests.get(results / "runs" / run_of(manifest), {"files": {}})
        if kind == "answers" and has_other_weights(manifest, run):
            report.damaged.append(
                f"{folder}: made of other weights than its run has now; delete {folder} and run snakemake "
                "again, or bring the former weights back"
            )
        else:
            report.add_sound(kind, _listed_bytes(manifest))
    for kind, file in tree.files:
        if not file.exists():
            report.unfinished.append(
                f"{file}: was deleted, only its manifest is left; snakemake makes it again"
            )
            continue
        with _noting(report, file):
            facts = verify_sealed(file)
            if kind == "scores":
                _refuse_scores_of_others(file, facts, manifests, results)
            report.add_sound(kind, file.stat().st_size)
        progress.add(size_of(file))
    report.leftovers = [(path, size_of(path)) for path in tree.leftovers]
    return report


def report_lines(results: Path, report: Report) -> Iterator[str]:
    """The report as lines of text."""
    for kind, (count, size) in report.sound.items():
        yield f"{kind:<10} {count:>6} sound {_megabytes(size):>14}"
    for title, messages in (("damaged", report.damaged), ("unfinished", report.unfinished)):
        if messages:
            yield f"{title}: {len(messages)}"
            yield from (f"  {message}" for message in messages)
    if report.leftovers:
        size = sum(size for _, size in report.leftovers)
        yield (
            f"left by interrupted writes: {len(report.leftovers)}, {_megabytes(size)}; they can be deleted "
            "while no snakemake runs"
        )
        yield from (f"  {path} ({_megabytes(size)})" for path, size in report.leftovers)
    count = sum(count for count, _ in report.sound.values())
    if report.damaged:
        yield f"{results}: {count} are sound, {len(report.damaged)} faults were found"
    elif count:
        yield f"{results}: all that is finished is sound ({count} folders and files)"
    else:
        yield f"{results}: nothing is finished here"


def _refuse_scores_of_others(
    scores: Path, facts: Mapping[str, Any], manifests: Mapping[Path, dict[str, Any]], results: Path
) -> None:
    answers = results / "answers" / scores.parent.relative_to(results / "scores")
    if ANSWERS_DIGEST not in facts:
        return  # of a former version, which nothing reads
    if answers in manifests and has_other_answers(facts, manifests[answers], "answers.jsonl"):
        raise UserError(
            f"{scores}: scores other answers than {answers} has now; delete {scores} and run snakemake again"
        )


class _Progress:
    """Prints from time to time how much has been read. total: bytes."""

    def __init__(self, total: int) -> None:
        self._total, self._read = total, 0
        self._started = self._said = time.monotonic()

    def add(self, size: int) -> None:
        """Count further bytes as read."""
        self._read += size
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_SECONDS:
            self._said = now
            taken = now - self._started
            line = f"verify: {_megabytes(self._read)} of {_megabytes(self._total)}"
            if self._read:
                line += f", {taken * (self._total - self._read) / self._read:.0f} s left"
            print(f"{line} ({taken:.0f} s so far)", file=sys.stderr, flush=True)


@contextmanager
def _noting(report: Report, path: Path) -> Iterator[None]:
    """Record in the report what cannot be read, and continue."""
    try:
        yield
    except UserError as error:
        report.damaged.append(str(error))
    except OSError as error:
        report.damaged.append(str(unreadable(Path(error.filename or path), error)))


def _unfinished(folder: Path) -> str:
    if holder := writer_of(folder):
        return f"{folder}: is being filled by {who(holder)}, seen {holder['silent_seconds']:.0f} s ago"
    return f"{folder}: was left unfinished, nobody fills it now; snakemake goes on with it if it needs it"


def _listed_bytes(manifest: Mapping[str, Any]) -> int:
    return sum(int(entry["bytes"]) for entry in manifest["files"].values())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
