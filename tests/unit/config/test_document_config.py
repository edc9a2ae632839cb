"""The reference of the config: as its program writes it, and a schema that accepts what the models accept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

import document_config
from othink_mr1.config.read_yaml import read_documents
from repository import REPOSITORY

VALIDATOR = Draft202012Validator(document_config.schema())
STUDIES = sorted((REPOSITORY / "studies").glob("*.yaml"))
OVERLAYS = [*STUDIES, *sorted((REPOSITORY / "mini").glob("[!c]*.yaml")), REPOSITORY / "tests/study.yaml"]


def problems(content: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(content)]


def test_both_files_are_as_the_program_writes_them() -> None:
    docs = REPOSITORY / "docs"
    assert (docs / "config.md").read_text() == document_config.page()
    assert json.loads((docs / "config.schema.json").read_text()) == document_config.schema()
    Draft202012Validator.check_schema(document_config.schema())


@pytest.mark.parametrize("mini", [False, True])
@pytest.mark.parametrize("overlay", [None, *STUDIES], ids=lambda path: path.stem if path else "none")
def test_the_schema_accepts_the_studies(mini: bool, overlay: Path | None) -> None:
    layers = [REPOSITORY / "config.yaml"] + [REPOSITORY / "mini/study.yaml"] * mini
    assert problems(read_documents([*layers, *([overlay] if overlay else [])]).content) == []


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_schema_accepts_overlays_by_themselves(overlay: Path) -> None:
    assert problems(YAML(typ="safe", pure=True).load(overlay)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"result": "results"},
        {"methods": {"grpo": {"learning_rat": 1e-6}}},
        {"methods": {"grpo": {"by_task": {"geometry": {"step": 5}}}}},
        {"methods": {"grpo": {"kl_schedule": {"wieght": 0.1}}}},
        {"methods": {"grpo": {"learning_rate": 0}}},
        {"methods": {"sft": {"trainer": "sft", "group_size": 8}}},
        {"execution": {"train": {"row_token": 8192}}},
        {"sources": {"whole": {"kind": "part", "of": "clevr"}}},
        {"studies": {"mine": {"tested_on": "itself"}}},
    ],
)
def test_the_schema_refuses_misspelt_keys_and_values_out_of_range(wrong: dict[str, Any]) -> None:
    assert problems(wrong)


def test_the_page_says_which_keys_change_nothing() -> None:
    stated = re.findall(r"^\| `([^`]+)`.*\| (yes|no|choice of runs) \|", document_config.page(), re.MULTILINE)
    without = {
        path for path, said in stated if said == "no" and not path.startswith(("execution", "exhibits"))
    }
    assert without == {
        "results",
        "sources.<name>.base_url",
        "sources.<name>.path",
        "sources.<name>.expect_rows",
        "backbones.<name>.path",
        "methods.<name>.trained_on",
        "preparation.largest_unusable_share",
    }


def test_every_written_key_is_on_the_page() -> None:
    """Each key of config.yaml, with any name in place of `<name>`."""
    page = "\n".join(re.findall(r"^\| `([^`]+)`", document_config.page(), re.MULTILINE))
    patterns = [re.escape(path).replace("<name>", r"[^.]+") for path in page.splitlines()]
    content = read_documents([REPOSITORY / "config.yaml"]).content
    written = set(leaves(content))
    assert len(written) > 100
    for path in written:
        shown = re.sub(r"\.by_task\.[^.]+", "", path)
        shown = re.sub(r"\.(fix|vary)\..*", r".\1", shown)
        fits = any(re.fullmatch(pattern, shown) for pattern in patterns)
        assert fits or path.endswith(".inherits"), path


def leaves(content: Any, path: str = "") -> list[str]:
    if not isinstance(content, dict):
        return [path]
    return [leaf for key, item in content.items() for leaf in leaves(item, f"{path}.{key}".lstrip("."))]
