"""What is published with a release: the citation, the version, the catalog's entry, the image."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from ruamel.yaml import YAML

from othink_mr1 import __version__
from repository import REPOSITORY


def read(file: str) -> Any:
    return YAML(typ="safe", pure=True).load(REPOSITORY / file)


def check_authors(authors: list[dict[str, str]]) -> None:
    """A person (names), or an entity (name)."""
    assert authors
    for author in authors:
        assert author.keys() == {"name"} or author.keys() <= {"family-names", "given-names", "orcid"}
        assert all(isinstance(value, str) and value for value in author.values())


def test_the_citation_follows_cff_1_2_0() -> None:
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    allowed = {"type", "license", "version", "preferred-citation", "date-released", "doi", "repository-code"}
    assert citation.keys() - {"cff-version", "message", "title", "authors"} <= allowed
    assert citation["type"] in ("software", "dataset")
    assert all(isinstance(citation[key], str) for key in ("message", "title", "version", "license"))
    check_authors(citation["authors"])


def test_the_preferred_citation_is_the_paper() -> None:
    paper = read("CITATION.cff")["preferred-citation"]
    assert paper.keys() <= {"type", "title", "authors", "year", "journal", "url", "notes"}
    assert paper["type"] == "article"
    assert paper["title"].startswith("OThink-MR1: ")
    assert paper["year"] == 2025
    assert paper["url"] == "https://arxiv.org/abs/2503.16081"
    assert paper["url"] in (REPOSITORY / "README.md").read_text()
    check_authors(paper["authors"])
    assert [author["family-names"] for author in paper["authors"]] == [
        "Liu",
        "Zhang",
        "Liu",
        "Zhang",
        "Sun",
        "Wang",
    ]


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert {__version__, read("CITATION.cff")["version"], newest[1]} == {version}


def test_the_catalog_finds_what_it_looks_for() -> None:
    """In a generic workflow: a Snakefile, rules, and two words in the README."""
    text = (REPOSITORY / "README.md").read_text().lower()
    assert "snakemake" in text
    assert "workflow" in text
    assert (REPOSITORY / "Snakefile").exists()
    assert list((REPOSITORY / "rules").glob("*.smk"))
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment"}
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda", "report"}


def test_the_image_installs_what_the_environment_does() -> None:
    """The same two files, the Python of pyproject.toml, and nothing by name."""
    text = (REPOSITORY / "containers/Dockerfile").read_text()
    assert re.findall(r"^FROM (.*)", text, re.MULTILINE) == ["python:3.11-slim"]
    (copied,) = re.findall(r"^COPY (.*) /tmp/$", text, re.MULTILINE)
    assert copied.split() == ["requirements.txt", "constraints.txt"]
    (install,) = re.findall(r"^RUN pip install (.*)", text, re.MULTILINE)
    assert install == "--no-cache-dir --requirement /tmp/requirements.txt --constraint /tmp/constraints.txt"
    jobs = read(".github/workflows/ci.yaml")["jobs"]
    assert any("containers/Dockerfile" in step.get("run", "") for step in jobs["image"]["steps"])


def test_only_the_python_that_is_not_supported_may_fail() -> None:
    job = read(".github/workflows/ci.yaml")["jobs"]["all"]
    assert job["continue-on-error"] == "${{ matrix.may-fail }}"
    entries = {entry["python"]: entry for entry in job["strategy"]["matrix"]["include"]}
    assert {python for python, entry in entries.items() if entry["may-fail"]} == {"3.12"}
    assert "may fail" in entries["3.12"]["name"]
    assert entries["3.11"]["run"] == ".ci/run"
