"""Whether answers and runs were made of the weights and examples that lie in the results now.

A backbone or a run that was made again, say on another machine, may have other weights than those that its
answers were generated with: all manifests are sound then, and yet the answers are not that checkpoint's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.artefacts.verification import contents_digest, is_artefact
from othink_mr1.config.study import StudyConfig
from othink_mr1.plan.folders import backbone_folder, examples_file, tested_task
from othink_mr1.plan.runs import all_runs

_STEP = re.compile(r"(?P<run>.+)-step(?P<step>\d+)")


@dataclass(frozen=True)
class Origins:
    """What only the config tells, all relative to the results root.

    backbones: trained run -> the folder of the backbone that it starts from. untrained: run of a backbone as
    it is -> that folder. examples: trained run, or folder of answers (`geometry-1a2b3c4d5e`) -> its examples.
    """

    backbones: Mapping[str, str] = field(default_factory=dict)
    untrained: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)


def origins_of(config: StudyConfig) -> Origins:
    """The origins of a study's runs and answers."""
    runs = all_runs(config)
    starts = {run.name: backbone_folder(config, run.backbone) for run in runs}
    trained = {run.name: config.tasks[run.task].train for run in runs if run.task is not None}
    tested = {tested_task(config, name): task.test for name, task in config.tasks.items()}
    return Origins(
        backbones={name: folder for name, folder in starts.items() if name in trained},
        untrained={name: folder for name, folder in starts.items() if name not in trained},
        examples={name: examples_file(config, source) for name, source in {**trained, **tested}.items()},
    )


def has_other_weights(answers: Path, run: Path, step: int | None) -> bool:
    """Whether answers were generated with other weights than the run has now, at a step or (None) at its end.

    answers, run: their folders. False where one of them does not tell: a run may have been deleted since.
    """
    if not (is_artefact(answers) and is_artefact(run) and (run / MANIFEST).exists()):
        return False
    made_of = read_manifest(answers).get("made_of")
    if not isinstance(made_of, Mapping) or "checkpoint" not in made_of:
        return False
    now = _digest(read_manifest(run), "checkpoint" if step is None else f"checkpoint-{step}")
    return now is not None and now != made_of["checkpoint"]


def made_of_others(
    folder: Path, manifests: Mapping[Path, Mapping[str, Any]], results: Path, origins: Origins
) -> Iterator[str]:
    """What a folder of answers or a run was made of that is another now, each as a message.

    manifests: of the sound folders; what is of a folder that is not among them is unknown, and so is what the
    folder's own manifest does not tell.
    """
    manifest = manifests[folder]
    made_of = manifest.get("made_of")
    if not isinstance(made_of, Mapping):
        return
    for key, kind, path in _origins(folder, manifest, results, origins):
        owner = path if path in manifests else path.parent
        if owner not in manifests or key not in made_of:
            continue
        now = _digest(manifests[owner], path.relative_to(owner).as_posix())
        if now is not None and now != made_of[key]:
            yield (
                f"{folder}: made of other {kind} than {path} has now; delete {folder} and run snakemake "
                f"again, or bring the former {kind} back"
            )


def _origins(
    folder: Path, manifest: Mapping[str, Any], results: Path, origins: Origins
) -> Iterator[tuple[str, str, Path]]:
    """Key in `made_of`, what it is, and its path, of all that is known."""
    if folder.parent == results / "runs":
        if folder.name in origins.backbones:
            yield "backbone", "weights", results / origins.backbones[folder.name]
    elif isinstance(name := manifest.get("run"), str):
        yield from (("checkpoint", "weights", path) for path in _checkpoint(name, results, origins))
    if folder.name in origins.examples:
        yield "examples", "examples", results / origins.examples[folder.name]


def _checkpoint(name: str, results: Path, origins: Origins) -> Iterator[Path]:
    """The folder of the weights by the checkpoint's name: of a run, or of the backbone as it is."""
    of_step = _STEP.fullmatch(name)
    run = of_step["run"] if of_step else name
    if (results / "runs" / run).is_dir():
        yield results / "runs" / run / (f"checkpoint-{of_step['step']}" if of_step else "checkpoint")
    elif run in origins.untrained:
        yield results / origins.untrained[run]


def _digest(manifest: Mapping[str, Any], part: str) -> str | None:
    """A file's sha256, or a folder's digest (`.`: of all), by the manifest; None if it lists none."""
    files = {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
    if part in files:
        return files[part]
    inside = "" if part == "." else f"{part}/"
    found = {name.removeprefix(inside): sha256 for name, sha256 in files.items() if name.startswith(inside)}
    return contents_digest(found) if found else None
