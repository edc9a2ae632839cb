"""The pinned versions agree wherever they are written."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from ruamel.yaml import YAML

from repository import REPOSITORY


def pins(file: str) -> dict[str, str]:
    return pins_of((REPOSITORY / file).read_text().splitlines())


def pins_of(lines: list[str]) -> dict[str, str]:
    """Name to version; an extra, as in httpx2[socks], is a requirement of its own in constraints.txt."""
    matches = (re.match(r"([A-Za-z0-9_.-]+)(?:\[\w+\])?==([^\s#]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in matches if match}


@pytest.mark.parametrize("environment", ["training", "analysis"])
def test_conda_environments_pin_what_requirements_pin(environment: str) -> None:
    content = YAML(typ="safe").load(REPOSITORY / "envs" / f"{environment}.yaml")
    (by_pip,) = (entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    required = pins("requirements.txt")
    assert by_pip
    assert len(pins_of(by_pip)) == len(by_pip)
    assert pins_of(by_pip).items() <= required.items()


def test_every_requirement_is_in_some_conda_environment() -> None:
    texts = "".join((REPOSITORY / "envs" / f"{name}.yaml").read_text() for name in ("training", "analysis"))
    missing = {name for name in pins("requirements.txt") if name not in texts.lower().replace("_", "-")}
    # What starts the jobs.
    assert missing == {"snakemake", "snakemake-executor-plugin-slurm", "snakemake-logger-plugin-rich"}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_agree_with_the_constraints(file: str) -> None:
    constraints = pins("constraints.txt")
    for name, version in pins(file).items():
        assert constraints[name] == version


def test_the_installed_packages_are_the_pinned_ones() -> None:
    for name, version in pins("requirements.txt").items():
        assert metadata.version(name).split("+")[0] == version
