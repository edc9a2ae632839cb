"""Whether a result was made of what is there now: answers of their run's weights, scores of their answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from othink_mr1.artefacts.verification import contents_digest

ANSWERS_DIGEST = "answers_sha256"  # in the manifest of scores: of the file of answers that they are of

_STEP = re.compile(r"(?P<run>.+)-step(?P<step>\d+)")


def run_of(answers: Mapping[str, Any]) -> str:
    """The name of the run whose checkpoint gave the answers, by their manifest; empty if it does not say."""
    name = answers.get("run")
    if not isinstance(name, str):
        return ""
    of_step = _STEP.fullmatch(name)
    return of_step["run"] if of_step else name


def has_other_weights(answers: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Whether answers were generated with other weights than their run has now, by the manifests of both.

    False if one of them does not say.
    """
    made_of = answers.get("made_of")
    of_step = _STEP.fullmatch(str(answers.get("run")))
    now = _digest(run, f"checkpoint-{of_step['step']}" if of_step else "checkpoint")
    return (
        isinstance(made_of, Mapping)
        and "checkpoint" in made_of
        and now is not None
        and now != made_of["checkpoint"]
    )


def has_other_answers(scores: Mapping[str, Any], answers: Mapping[str, Any], file: str) -> bool:
    """Whether scores are of other answers than are there now, by the manifests of both.

    file: name of the file of answers in their folder.
    """
    return scores.get(ANSWERS_DIGEST) != answers["files"].get(file, {}).get("sha256")


def _digest(manifest: Mapping[str, Any], folder: str) -> str | None:
    """The digest of a weights folder of a run, from the run's manifest; None if it lists none."""
    inside = f"{folder}/"
    found = {
        name.removeprefix(inside): str(entry["sha256"])
        for name, entry in manifest["files"].items()
        if name.startswith(inside)
    }
    return contents_digest(found) if found else None
